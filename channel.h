/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A byte stream from a device's thread to the thread that reads it: bounded, so
 * that a guest that writes faster than it is read has to wait.
 */
#ifndef KTSTR_CHANNEL_H
#define KTSTR_CHANNEL_H

#include <linux/types.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "errmsg.h"

/**
 * struct channel - initialise with channel_init()
 * @lock: of all below
 * @changed: there is something to read, or there will never be
 * @resume: called after a read made room for what channel_write() refused;
 *	without @lock held, by the reader
 * @ctx: passed to @resume
 * @data: a ring of @size bytes; untouched pages of it cost nothing
 * @size: how much the writer may be ahead of the reader
 * @head: where the oldest byte is
 * @len: bytes in the ring
 * @refused: channel_write() took less than it was given
 * @closed: the stream ends after what is in the ring
 * @ended: and there will be no other one
 */
struct channel {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	void (*resume)(void *ctx);
	void *ctx;
	u8 *data;
	size_t size;
	size_t head;
	size_t len;
	bool refused;
	bool closed;
	bool ended;
};

/**
 * channel_init() - an empty channel
 * @c: filled in
 * @size: in bytes, not 0
 * @resume: see struct channel
 * @ctx: passed to @resume
 * @err: what failed
 *
 * Return: 0 or a negative errno.
 */
int channel_init(struct channel *c, size_t size, void (*resume)(void *ctx), void *ctx,
		 struct errmsg *err);

/* Nobody uses it any more; a channel that is all zero is no harm. */
void channel_destroy(struct channel *c);

/**
 * channel_write() - append to the stream
 * @c: the channel
 * @data: the bytes
 * @len: how many
 *
 * Never waits. After a stream's end nothing is taken before the reader has seen
 * that end.
 *
 * Return: bytes taken. If they are less than @len, resume() will be called.
 */
size_t channel_write(struct channel *c, const void *data, size_t len);

/* The stream ends here; what is written later is another one. */
void channel_close(struct channel *c);

/* The stream ends here, and no other follows. */
void channel_end(struct channel *c);

/**
 * channel_read() - take the oldest bytes
 * @c: the channel
 * @data: filled in
 * @len: room at @data
 * @timeout_ns: how long to wait for the first byte
 *
 * Return: bytes read; 0 at the end of a stream, or if none will come any more;
 * -ETIMEDOUT.
 */
ssize_t channel_read(struct channel *c, void *data, size_t len, u64 timeout_ns);

#endif /* KTSTR_CHANNEL_H */
