// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/kernel.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "clock.h"

int channel_init(struct channel *c, size_t size, void (*resume)(void *ctx), void *ctx,
		 struct errmsg *err)
{
	pthread_condattr_t attr;

	*c = (struct channel){ .size = size, .resume = resume, .ctx = ctx };
	c->data = malloc(size);
	if (!c->data)
		return errmsg_set(err, ERRMSG_HOST, ENOMEM,
				  "%zu KiB for what a guest sends", size >> 10);
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->changed, &attr);
	pthread_condattr_destroy(&attr);
	return 0;
}

void channel_destroy(struct channel *c)
{
	if (!c->data)
		return;
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	free(c->data);
	c->data = NULL;
}

size_t channel_write(struct channel *c, const void *data, size_t len)
{
	size_t tail, taken, first;

	pthread_mutex_lock(&c->lock);
	taken = c->closed ? 0 : min(len, c->size - c->len);
	c->refused = taken < len;
	/* Pages that were in use are used again before others are. */
	if (!c->len)
		c->head = 0;
	tail = (c->head + c->len) % c->size;
	first = min(taken, c->size - tail);
	memcpy(c->data + tail, data, first);
	memcpy(c->data, (const u8 *)data + first, taken - first);
	c->len += taken;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
	return taken;
}

void channel_close(struct channel *c)
{
	pthread_mutex_lock(&c->lock);
	c->closed = true;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

void channel_end(struct channel *c)
{
	pthread_mutex_lock(&c->lock);
	c->ended = true;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

/* Return: bytes taken, in up to two pieces. */
static size_t take(struct channel *c, u8 *data, size_t len)
{
	size_t taken = min(len, c->len);
	size_t first = min(taken, c->size - c->head);

	memcpy(data, c->data + c->head, first);
	memcpy(data + first, c->data, taken - first);
	c->head = (c->head + taken) % c->size;
	c->len -= taken;
	return taken;
}

ssize_t channel_read(struct channel *c, void *data, size_t len, u64 timeout_ns)
{
	struct timespec until = clock_deadline(timeout_ns);
	bool resume = false;
	ssize_t ret = 0;

	pthread_mutex_lock(&c->lock);
	while (!c->len && !c->closed && !c->ended && !ret)
		ret = -pthread_cond_timedwait(&c->changed, &c->lock, &until);
	if (c->len || c->closed || c->ended) {
		ret = take(c, data, len);
		/* The end of a stream is seen once, and makes room for the next. */
		if (!ret && len)
			c->closed = false;
		resume = c->refused && (ret || len);
		c->refused = c->refused && !resume;
	}
	pthread_mutex_unlock(&c->lock);
	if (resume)
		c->resume(c->ctx);
	return ret;
}
