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
#include "wire.h"

/* 5.3.2: port 0, then control, then the other ports */
enum {
	QUEUE_RX,
	QUEUE_TX,
	QUEUE_CONTROL_RX,
	QUEUE_CONTROL_TX,
	NR_QUEUES = 2 + 2 * CONSOLE_NR_PORTS,
};

#define QUEUE_SIZE	64	/* a Linux guest puts a page in every rx descriptor */
#define BOUNCE_SIZE	SZ_64K
#define MAX_STEPS	256	/* of one virtio_console_process() */

static const struct virtio_console_config config = { .max_nr_ports = CONSOLE_NR_PORTS };

static const char * const names[CONSOLE_NR_PORTS] = {
	[CONSOLE_PORT_WIRE] = WIRE_PORT_NAME,
	[CONSOLE_PORT_BULK] = WIRE_BULK_PORT_NAME,
};

static struct virtq *queue(struct virtio_console *con, unsigned int i)
{
	return &con->dev.queues[i];
}

static struct virtq *rx_queue(struct virtio_console *con, unsigned int port)
{
	return queue(con, QUEUE_RX + 2 * (port ? port + 1 : 0));
}

static struct virtq *tx_queue(struct virtio_console *con, unsigned int port)
{
	return queue(con, QUEUE_TX + 2 * (port ? port + 1 : 0));
}

void virtio_console_resume(struct virtio_console *con)
{
	eventfd_write(con->dev.notify_fd, 1);
}

static void set_guest_open(struct console_port *port, bool open)
{
	/* The stream ends with its reader; the next one gets a fresh start. */
	if (port->guest_open && !open)
		port->send_len = 0;
	port->guest_open = open;
}

static void console_reset(struct virtio_mmio *dev)
{
	struct virtio_console *con = container_of(dev, struct virtio_console, dev);
	unsigned int i;

	con->control_held = false;
	for (i = 0; i < CONSOLE_NR_PORTS; i++) {
		con->ports[i].control_pending = 0;
		set_guest_open(&con->ports[i], false);
	}
	/* @open is for the I/O thread to call. */
	virtio_console_resume(con);
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

/* Return: false if there is no buffer for the message now. */
static bool send_control(struct virtio_console *con, unsigned int port, u16 event)
{
	struct virtq *vq = queue(con, QUEUE_CONTROL_RX);
	struct virtio_console_control msg = { .id = port, .event = event, .value = 1 };
	size_t name_len = event == VIRTIO_CONSOLE_PORT_NAME ? strlen(names[port]) : 0;
	struct virtq_chain chain;

	if (!virtq_pop(vq, &chain))
		return false;
	if (virtq_chain_fill(&chain, 0, &msg, sizeof(msg)) < sizeof(msg) ||
	    virtq_chain_fill(&chain, sizeof(msg), names[port], name_len) < name_len) {
		virtio_mmio_break(&con->dev, "a control buffer is too small for a message");
		return false;
	}
	virtq_push(vq, &chain, sizeof(msg) + name_len);
	return true;
}

/*
 * In the order of the events' numbers, which is the right one: add the port,
 * open it, name it. Who waits for the name finds the port connected.
 */
static void deliver_control(struct virtio_console *con)
{
	unsigned int i;

	for (i = 0; i < CONSOLE_NR_PORTS; i++) {
		struct console_port *port = &con->ports[i];

		while (port->control_pending) {
			u16 event = ffs(port->control_pending) - 1;

			if (!send_control(con, i, event))
				break;
			port->control_pending &= ~BIT(event);
		}
	}
	virtq_kick(queue(con, QUEUE_CONTROL_RX));
}

/*
 * Every buffer takes what lies in one piece in the ring: where that wraps, the
 * rest goes to the next buffer.
 */
static void deliver_data(struct virtio_console *con, unsigned int i)
{
	struct virtq *vq = rx_queue(con, i);
	struct console_port *port = &con->ports[i];
	struct virtq_chain chain;
	size_t len;

	/* Linux drops what comes for a port that nobody has open. */
	while (port->guest_open && port->send_len && virtq_pop(vq, &chain)) {
		len = min(port->send_len, VIRTIO_CONSOLE_SEND_MAX - port->send_head);
		len = virtq_chain_fill(&chain, 0, port->send_buf + port->send_head, len);
		if (!len) {
			virtio_mmio_break(&con->dev, "a receive buffer without room");
			return;
		}
		port->send_head = (port->send_head + len) % VIRTIO_CONSOLE_SEND_MAX;
		port->send_len -= len;
		virtq_push(vq, &chain, len);
	}
	virtq_kick(vq);
}

/* Bytes go to the ring's end, and on from its start. */
static void enqueue(struct console_port *port, const u8 *data, size_t len)
{
	size_t tail = (port->send_head + port->send_len) % VIRTIO_CONSOLE_SEND_MAX;
	size_t first = min(len, VIRTIO_CONSOLE_SEND_MAX - tail);

	memcpy(port->send_buf + tail, data, first);
	memcpy(port->send_buf, data + first, len - first);
	port->send_len += len;
}

static void handle_control(struct virtio_console *con)
{
	struct console_port *port;
	unsigned int i;

	/* This one has no valid id: it speaks for the device. */
	if (con->control_event == VIRTIO_CONSOLE_DEVICE_READY && con->control_value) {
		for (i = 0; i < CONSOLE_NR_PORTS; i++)
			con->ports[i].control_pending |= BIT(VIRTIO_CONSOLE_PORT_ADD);
	}
	if (con->control_id >= CONSOLE_NR_PORTS)
		return;
	port = &con->ports[con->control_id];
	if (con->control_event == VIRTIO_CONSOLE_PORT_READY && con->control_value)
		port->control_pending |= BIT(VIRTIO_CONSOLE_PORT_OPEN) |
					 BIT(VIRTIO_CONSOLE_PORT_NAME);
	if (con->control_event == VIRTIO_CONSOLE_PORT_OPEN)
		set_guest_open(port, con->control_value);
}

/* Take the guest's next message. Return: false if there is none. */
static bool pop_control(struct virtio_console *con)
{
	struct virtq *vq = queue(con, QUEUE_CONTROL_TX);
	struct virtio_console_control msg;
	struct virtq_chain chain;

	if (!virtq_pop(vq, &chain))
		return false;
	if (virtq_chain_copy(&chain, 0, &msg, sizeof(msg)) == sizeof(msg)) {
		con->control_held = true;
		con->control_id = msg.id;
		con->control_event = msg.event;
		con->control_value = msg.value;
	}
	virtq_push(vq, &chain, 0);
	virtq_kick(vq);
	return true;
}

/* A message waits until its port's last change has been told. */
static bool may_handle(const struct virtio_console *con)
{
	const struct console_port *port;

	if (con->control_id >= CONSOLE_NR_PORTS)
		return true;
	port = &con->ports[con->control_id];
	return port->guest_open == port->reported_open;
}

/* Return: false if there was nothing to do. */
static bool control_step(struct virtio_console *con)
{
	bool progress;

	pthread_mutex_lock(&con->dev.lock);
	progress = !con->control_held && pop_control(con);
	if (con->control_held && may_handle(con)) {
		handle_control(con);
		con->control_held = false;
		progress = true;
	}
	deliver_control(con);
	pthread_mutex_unlock(&con->dev.lock);
	return progress;
}

/*
 * Copy the guest's next data to the bounce buffer. A single one of its buffers
 * may well have gigabytes: such a one takes many calls. It stays the guest's
 * next data until consume_data(). Nobody can write to a closed port: such data
 * has no stream, and is not looked at.
 * Return: false if there is none; *@len is zero at the end of a buffer.
 */
static bool look_at_data(struct virtio_console *con, unsigned int i, size_t *len)
{
	struct console_port *port = &con->ports[i];
	struct virtq *vq = tx_queue(con, i);

	if (!port->tx_busy || !virtq_chain_valid(vq, &port->tx)) {
		port->tx_busy = virtq_pop(vq, &port->tx);
		port->tx_done = 0;
	}
	if (!port->tx_busy)
		return false;
	if (port->reported_open)
		*len = virtq_chain_copy(&port->tx, port->tx_done, con->bounce, BOUNCE_SIZE);
	return true;
}

/* The monitor took @taken of the @len bytes that the buffer had left to give. */
static void consume_data(struct virtio_console *con, unsigned int i, size_t taken, size_t len)
{
	struct console_port *port = &con->ports[i];
	struct virtq *vq = tx_queue(con, i);

	pthread_mutex_lock(&con->dev.lock);
	port->tx_done += taken;
	if (taken == len && len < BOUNCE_SIZE) {
		port->tx_busy = false;
		virtq_push(vq, &port->tx, 0);
		virtq_kick(vq);
	}
	pthread_mutex_unlock(&con->dev.lock);
}

/*
 * One piece of work for a port, then the callback for it without the lock. The
 * guest's open and close come in another queue than its data: an open is told
 * before data, a close when there is no more.
 * Return: false if there was nothing to do; *@waiting is set if the monitor did
 * not take what there is.
 */
static bool port_step(struct virtio_console *con, unsigned int i, bool *waiting)
{
	struct console_port *port = &con->ports[i];
	bool was_open = port->reported_open;
	bool open, got = false;
	size_t len = 0, taken;

	pthread_mutex_lock(&con->dev.lock);
	deliver_data(con, i);
	open = port->guest_open;
	if (was_open || !open)
		got = look_at_data(con, i, &len);
	pthread_mutex_unlock(&con->dev.lock);

	if (got) {
		taken = len ? con->ops->data(con->ctx, i, con->bounce, len) : 0;
		consume_data(con, i, taken, len);
		*waiting = *waiting || taken < len;
		return taken || !len;
	}
	if (open == was_open)
		return false;
	port->reported_open = open;
	con->ops->open(con->ctx, i, open);
	return true;
}

/* One piece of work for each queue. Return: false if there was nothing to do. */
static bool step(struct virtio_console *con, bool *waiting)
{
	bool progress = control_step(con);
	unsigned int i;

	*waiting = false;
	for (i = 0; i < CONSOLE_NR_PORTS; i++)
		progress = port_step(con, i, waiting) || progress;
	return progress;
}

bool virtio_console_process(struct virtio_console *con)
{
	eventfd_t count;
	unsigned int n;
	bool waiting;

	eventfd_read(con->dev.notify_fd, &count);
	for (n = 0; n < MAX_STEPS; n++) {
		if (!step(con, &waiting))
			return waiting;
	}
	virtio_console_resume(con);
	return true;
}

void virtio_console_drain(struct virtio_console *con)
{
	bool waiting;

	while (step(con, &waiting))
		;
}

int virtio_console_send(struct virtio_console *con, enum console_port_id id,
			const void *data, size_t len)
{
	struct console_port *port = &con->ports[id];
	int ret = -ENOBUFS;

	pthread_mutex_lock(&con->dev.lock);
	if (len <= VIRTIO_CONSOLE_SEND_MAX - port->send_len) {
		enqueue(port, data, len);
		deliver_data(con, id);
		ret = 0;
	}
	pthread_mutex_unlock(&con->dev.lock);
	return ret;
}

static void free_buffers(struct virtio_console *con)
{
	unsigned int i;

	for (i = 0; i < CONSOLE_NR_PORTS; i++)
		free(con->ports[i].send_buf);
	free(con->bounce);
}

static bool allocate_buffers(struct virtio_console *con)
{
	unsigned int i;

	for (i = 0; i < CONSOLE_NR_PORTS; i++) {
		con->ports[i].send_buf = malloc(VIRTIO_CONSOLE_SEND_MAX);
		if (!con->ports[i].send_buf)
			return false;
	}
	con->bounce = malloc(BOUNCE_SIZE);
	return con->bounce;
}

int virtio_console_init(struct virtio_console *con, const struct numa_mem *mem,
			const struct virtio_console_ops *ops, void *ctx,
			struct errmsg *err)
{
	int ret;

	memset(con, 0, sizeof(*con));
	con->ops = ops;
	con->ctx = ctx;
	if (!allocate_buffers(con)) {
		ret = errmsg_set(err, ERRMSG_HOST, ENOMEM, "buffers of the virtio console");
		goto free;
	}
	ret = virtio_mmio_init(&con->dev, &console_dev_ops, mem, ops->irq, ctx, err);
	if (ret)
		goto free;
	return 0;
free:
	free_buffers(con);
	return ret;
}

void virtio_console_destroy(struct virtio_console *con)
{
	virtio_mmio_destroy(&con->dev);
	free_buffers(con);
}
