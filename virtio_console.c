// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/virtio_console.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>

#include "virtio_console.h"

/* 5.3.2: port 0, then control; there is no port 1. */
enum {
	QUEUE_RX,
	QUEUE_TX,
	QUEUE_CONTROL_RX,
	QUEUE_CONTROL_TX,
	NR_QUEUES,
};

#define PORT_ID		0
#define QUEUE_SIZE	64	/* a Linux guest puts a page in every rx descriptor */
#define BOUNCE_SIZE	SZ_64K
#define MAX_STEPS	256	/* of one virtio_console_process() */

static const struct virtio_console_config config = { .max_nr_ports = 1 };

static struct virtq *queue(struct virtio_console *con, unsigned int i)
{
	return &con->dev.queues[i];
}

/* Have the I/O thread call virtio_console_process() (again). */
static void wake(struct virtio_console *con)
{
	eventfd_write(con->dev.notify_fd, 1);
}

static void set_guest_open(struct virtio_console *con, bool open)
{
	/* The stream ends with its reader; the next one gets a fresh start. */
	if (con->guest_open && !open)
		con->send_len = 0;
	con->guest_open = open;
}

static void console_reset(struct virtio_mmio *dev)
{
	struct virtio_console *con = container_of(dev, struct virtio_console, dev);

	con->control_pending = 0;
	set_guest_open(con, false);
	/* @open is for the I/O thread to call. */
	wake(con);
}

static const struct virtio_dev_ops console_dev_ops = {
	.device_id = VIRTIO_ID_CONSOLE,
	.nr_queues = NR_QUEUES,
	.queue_size = QUEUE_SIZE,
	.features = BIT_ULL(VIRTIO_CONSOLE_F_MULTIPORT),
	.required = BIT_ULL(VIRTIO_CONSOLE_F_MULTIPORT),
	.config = &config,
	.config_size = sizeof(config),
	.reset = console_reset,
};

/* Copy to the parts that the device writes. Return: bytes copied. */
static size_t chain_fill(const struct virtq_chain *chain, const void *data, size_t len)
{
	const struct iovec *iov = &chain->iov[chain->nr_read];
	size_t done = 0;
	unsigned int i;

	for (i = 0; i < chain->nr_write && done < len; i++) {
		size_t n = min(iov[i].iov_len, len - done);

		memcpy(iov[i].iov_base, (const u8 *)data + done, n);
		done += n;
	}
	return done;
}

/* Copy from the parts that the device reads, past @skip bytes. Return: bytes copied. */
static size_t chain_copy(const struct virtq_chain *chain, u64 skip, void *buf, size_t len)
{
	size_t done = 0;
	unsigned int i;

	for (i = 0; i < chain->nr_read && done < len; i++) {
		const struct iovec *iov = &chain->iov[i];
		size_t n;

		if (skip >= iov->iov_len) {
			skip -= iov->iov_len;
			continue;
		}
		n = min(iov->iov_len - skip, len - done);
		memcpy((u8 *)buf + done, (const u8 *)iov->iov_base + skip, n);
		done += n;
		skip = 0;
	}
	/* The copy is what is looked at, not the guest's memory once more. */
	barrier();
	return done;
}

/* Return: false if there is no buffer for the message now. */
static bool send_control(struct virtio_console *con, u16 event)
{
	struct virtq *vq = queue(con, QUEUE_CONTROL_RX);
	struct {
		struct virtio_console_control header;
		char name[sizeof(VIRTIO_CONSOLE_PORT_NAME_STR) - 1];
	} msg = {
		.header = { .id = PORT_ID, .event = event, .value = 1 },
		.name = VIRTIO_CONSOLE_PORT_NAME_STR,
	};
	struct virtq_chain chain;
	size_t len = sizeof(msg.header);

	if (event == VIRTIO_CONSOLE_PORT_NAME)
		len += sizeof(msg.name);
	if (!virtq_pop(vq, &chain))
		return false;
	if (chain_fill(&chain, &msg, len) < len) {
		virtio_mmio_break(&con->dev, "a control buffer is too small for a message");
		return false;
	}
	virtq_push(vq, &chain, len);
	return true;
}

/*
 * In the order of the events' numbers, which is the right one: add the port,
 * open it, name it. Who waits for the name finds the port connected.
 */
static void deliver_control(struct virtio_console *con)
{
	while (con->control_pending) {
		u16 event = ffs(con->control_pending) - 1;

		if (!send_control(con, event))
			break;
		con->control_pending &= ~BIT(event);
	}
	virtq_kick(queue(con, QUEUE_CONTROL_RX));
}

/*
 * Every buffer takes what lies in one piece in the ring: where that wraps, the
 * rest goes to the next buffer.
 */
static void deliver_data(struct virtio_console *con)
{
	struct virtq *vq = queue(con, QUEUE_RX);
	struct virtq_chain chain;
	size_t len;

	/* Linux drops what comes for a port that nobody has open. */
	while (con->guest_open && con->send_len && virtq_pop(vq, &chain)) {
		len = min(con->send_len, VIRTIO_CONSOLE_SEND_MAX - con->send_head);
		len = chain_fill(&chain, con->send_buf + con->send_head, len);
		if (!len) {
			virtio_mmio_break(&con->dev, "a receive buffer without room");
			return;
		}
		con->send_head = (con->send_head + len) % VIRTIO_CONSOLE_SEND_MAX;
		con->send_len -= len;
		virtq_push(vq, &chain, len);
	}
	virtq_kick(vq);
}

/* Bytes go to the ring's end, and on from its start. */
static void enqueue(struct virtio_console *con, const u8 *data, size_t len)
{
	size_t tail = (con->send_head + con->send_len) % VIRTIO_CONSOLE_SEND_MAX;
	size_t first = min(len, VIRTIO_CONSOLE_SEND_MAX - tail);

	memcpy(con->send_buf + tail, data, first);
	memcpy(con->send_buf, data + first, len - first);
	con->send_len += len;
}

static void handle_control(struct virtio_console *con,
			   const struct virtio_console_control *msg)
{
	/* This one has no valid id: it speaks for the device. */
	if (msg->event == VIRTIO_CONSOLE_DEVICE_READY && msg->value)
		con->control_pending |= BIT(VIRTIO_CONSOLE_PORT_ADD);
	if (msg->id != PORT_ID)
		return;
	if (msg->event == VIRTIO_CONSOLE_PORT_READY && msg->value)
		con->control_pending |= BIT(VIRTIO_CONSOLE_PORT_OPEN) |
					BIT(VIRTIO_CONSOLE_PORT_NAME);
	if (msg->event == VIRTIO_CONSOLE_PORT_OPEN)
		set_guest_open(con, msg->value);
}

/* Return: false if the guest sent no control message. */
static bool receive_control(struct virtio_console *con)
{
	struct virtq *vq = queue(con, QUEUE_CONTROL_TX);
	struct virtio_console_control msg;
	struct virtq_chain chain;

	if (!virtq_pop(vq, &chain))
		return false;
	if (chain_copy(&chain, 0, &msg, sizeof(msg)) == sizeof(msg))
		handle_control(con, &msg);
	virtq_push(vq, &chain, 0);
	virtq_kick(vq);
	return true;
}

/*
 * Copy the guest's next data to the bounce buffer. A single one of its buffers
 * may well have gigabytes: such a one takes many calls.
 * Return: false if there is none; *@len is zero at the end of a buffer.
 */
static bool receive_data(struct virtio_console *con, size_t *len)
{
	struct virtq *vq = queue(con, QUEUE_TX);

	if (!con->tx_busy || !virtq_chain_valid(vq, &con->tx)) {
		con->tx_busy = virtq_pop(vq, &con->tx);
		con->tx_done = 0;
	}
	if (!con->tx_busy)
		return false;
	*len = chain_copy(&con->tx, con->tx_done, con->bounce, BOUNCE_SIZE);
	con->tx_done += *len;
	if (*len < BOUNCE_SIZE) {
		con->tx_busy = false;
		virtq_push(vq, &con->tx, 0);
		virtq_kick(vq);
	}
	return true;
}

/*
 * One piece of work, then the callback for it without the lock. The guest's
 * open and close come in another queue than its data: control messages wait
 * until what the last one changed has been told, and a close waits for data.
 * Return: false if there was nothing to do.
 */
static bool console_step(struct virtio_console *con)
{
	bool was_open = con->reported_open;
	bool progress = true;
	size_t len = 0;
	bool open;

	pthread_mutex_lock(&con->dev.lock);
	deliver_control(con);
	deliver_data(con);
	open = con->guest_open;
	if (open == was_open)
		progress = receive_control(con) || receive_data(con, &len);
	else if (!open && receive_data(con, &len))
		open = true;
	pthread_mutex_unlock(&con->dev.lock);

	/* Nobody can write to a closed port: such data has no stream. */
	if (len && was_open)
		con->ops->data(con->ctx, con->bounce, len);
	if (open != was_open) {
		con->reported_open = open;
		con->ops->open(con->ctx, open);
	}
	return progress;
}

void virtio_console_process(struct virtio_console *con)
{
	eventfd_t count;
	unsigned int i;

	eventfd_read(con->dev.notify_fd, &count);
	for (i = 0; i < MAX_STEPS; i++) {
		if (!console_step(con))
			return;
	}
	wake(con);
}

int virtio_console_send(struct virtio_console *con, const void *data, size_t len)
{
	int ret = -ENOBUFS;

	pthread_mutex_lock(&con->dev.lock);
	if (len <= VIRTIO_CONSOLE_SEND_MAX - con->send_len) {
		enqueue(con, data, len);
		deliver_data(con);
		ret = 0;
	}
	pthread_mutex_unlock(&con->dev.lock);
	return ret;
}

int virtio_console_init(struct virtio_console *con, const struct numa_mem *mem,
			const struct virtio_console_ops *ops, void *ctx,
			struct errmsg *err)
{
	int ret;

	*con = (struct virtio_console){ .ops = ops, .ctx = ctx };
	con->send_buf = malloc(VIRTIO_CONSOLE_SEND_MAX);
	con->bounce = malloc(BOUNCE_SIZE);
	if (!con->send_buf || !con->bounce) {
		ret = errmsg_set(err, ERRMSG_HOST, ENOMEM, "buffers of the virtio console");
		goto free;
	}
	ret = virtio_mmio_init(&con->dev, &console_dev_ops, mem, ops->irq, ctx, err);
	if (ret)
		goto free;
	return 0;
free:
	free(con->bounce);
	free(con->send_buf);
	return ret;
}

void virtio_console_destroy(struct virtio_console *con)
{
	virtio_mmio_destroy(&con->dev);
	free(con->bounce);
	free(con->send_buf);
}
