/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A virtio console with generic ports: each is a byte stream between the
 * monitor and the one process that has /dev/vport<n>p<port> open in the guest
 * (virtio 1.2, section 5.3). No port ever becomes a console.
 */
#ifndef KTSTR_VIRTIO_CONSOLE_H
#define KTSTR_VIRTIO_CONSOLE_H

#include <linux/sizes.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "errmsg.h"
#include "numa_mem.h"
#include "virtio_mmio.h"

/* Bytes that virtio_console_send() takes before the guest reads any */
#define VIRTIO_CONSOLE_SEND_MAX		SZ_1M

/**
 * enum console_port_id - the ports, each for one purpose
 * @CONSOLE_PORT_WIRE: requests and answers, WIRE_PORT_NAME
 * @CONSOLE_PORT_BULK: results of any size, WIRE_BULK_PORT_NAME; they must not be
 *	in the way of the answers
 *
 * In the guest the name is in /sys/class/virtio-ports/vport<n>p<port>/name.
 */
enum console_port_id {
	CONSOLE_PORT_WIRE,
	CONSOLE_PORT_BULK,
	CONSOLE_NR_PORTS,
};

/**
 * struct virtio_console_ops - what the console tells the monitor
 * @irq: raises the device's interrupt, as an edge; see struct virtio_mmio
 * @data: bytes from the guest, in order; only while the port is open. Returns
 *	how many it took. If those are not all, the rest comes again after
 *	virtio_console_resume(); the guest, when it has filled its queue, waits.
 * @open: the guest opened (true) or closed (false) the port. A reset closes it.
 *	All data that was written before a close has been taken before.
 *
 * @data and @open are called by virtio_console_process() without a lock held,
 * so they may call virtio_console_send().
 */
struct virtio_console_ops {
	void (*irq)(void *ctx);
	size_t (*data)(void *ctx, enum console_port_id port, const void *data, size_t len);
	void (*open)(void *ctx, enum console_port_id port, bool open);
};

/**
 * struct console_port - one of the ports
 * @guest_open: the guest has it open
 * @reported_open: what @open() was last told; I/O thread only
 * @control_pending: control messages to send: BIT(VIRTIO_CONSOLE_PORT_ADD) ...
 * @send_buf: a ring of VIRTIO_CONSOLE_SEND_MAX bytes: what the guest has no
 *	buffers for yet
 * @send_head: where the oldest byte in @send_buf is
 * @send_len: bytes in @send_buf
 * @tx: the guest's buffer that is being copied, if @tx_busy
 * @tx_busy: @tx was popped and not pushed yet
 * @tx_done: how many of its bytes the monitor has taken
 */
struct console_port {
	bool guest_open;
	bool reported_open;
	unsigned int control_pending;
	u8 *send_buf;
	size_t send_head;
	size_t send_len;
	struct virtq_chain tx;
	bool tx_busy;
	u64 tx_done;
};

/**
 * struct virtio_console - the device; initialise with virtio_console_init()
 * @dev: the transport, whose lock guards all the rest. Connect its notify_fd
 *	and send register accesses to virtio_mmio_read() and _write().
 * @ops: see struct virtio_console_ops
 * @ctx: passed to @ops
 * @ports: by enum console_port_id
 * @control_held: a control message from the guest waits until what the last one
 *	changed has been told
 * @control_id: its port
 * @control_event: VIRTIO_CONSOLE_*
 * @control_value: depends on the event
 * @bounce: the I/O thread's copy of data from the guest
 */
struct virtio_console {
	struct virtio_mmio dev;
	const struct virtio_console_ops *ops;
	void *ctx;
	struct console_port ports[CONSOLE_NR_PORTS];
	bool control_held;
	u32 control_id;
	u16 control_event;
	u16 control_value;
	u8 *bounce;
};

/**
 * virtio_console_init() - a console in its reset state
 * @con: the console
 * @mem: guest RAM, mapped; must outlive @con
 * @ops: see struct virtio_console_ops; must outlive @con
 * @ctx: passed to @ops
 * @err: what failed
 *
 * Return: 0, or a negative errno (ERRMSG_HOST: out of memory or descriptors).
 */
int virtio_console_init(struct virtio_console *con, const struct numa_mem *mem,
			const struct virtio_console_ops *ops, void *ctx,
			struct errmsg *err);

/**
 * virtio_console_destroy() - release what virtio_console_init() took
 * @con: no thread uses it any more
 */
void virtio_console_destroy(struct virtio_console *con);

/**
 * virtio_console_process() - look at all queues
 * @con: the console
 *
 * To be called by the I/O thread, and by no other, whenever dev.notify_fd is
 * readable; clears it. Does a bounded amount of work; if there is more,
 * dev.notify_fd is readable again.
 *
 * Return: whether the guest has sent something that the monitor has not taken,
 * or that was not looked at yet.
 */
bool virtio_console_process(struct virtio_console *con);

/**
 * virtio_console_drain() - look at all queues until there is nothing more to do
 * @con: the console of a guest that does not run any more
 *
 * In the place of virtio_console_process(). What the monitor does not take stays
 * in the guest's memory, for the next call.
 */
void virtio_console_drain(struct virtio_console *con);

/**
 * virtio_console_resume() - the monitor can take data again
 * @con: the console; any thread may call this
 *
 * Makes dev.notify_fd readable.
 */
void virtio_console_resume(struct virtio_console *con);

/**
 * virtio_console_send() - send bytes to the guest
 * @con: the console
 * @port: which port
 * @data: copied
 * @len: bytes
 *
 * Callable from any thread, at any time, also before the guest has opened the
 * port: the bytes wait for it. What the guest has not taken when it closes the
 * port, or resets the device, is dropped.
 *
 * Return: 0, or -ENOBUFS with nothing sent: more than VIRTIO_CONSOLE_SEND_MAX
 * bytes would be waiting.
 */
int virtio_console_send(struct virtio_console *con, enum console_port_id port,
			const void *data, size_t len);

#endif /* KTSTR_VIRTIO_CONSOLE_H */
