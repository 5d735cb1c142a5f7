/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The board around the CPUs: I/O ports, the console UART and what was written
 * to it, the virtio-mmio devices, each with a thread, and what the guest sent.
 */
#ifndef KTSTR_DEVICES_H
#define KTSTR_DEVICES_H

#include <linux/sizes.h>
#include <linux/types.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "channel.h"
#include "errmsg.h"
#include "ioapic_routing.h"
#include "memory_map.h"
#include "numa_mem.h"
#include "uart.h"
#include "virtio_blk.h"
#include "virtio_console.h"
#include "virtio_net.h"

/* How much of the guest's console is kept; the oldest half goes first */
#define CONSOLE_LOG_SIZE	SZ_256K

/* What the guest may send to a port before somebody reads it; then it waits */
#define CHANNEL_SIZE		SZ_4M

/**
 * enum power_request - what the guest asks of the machine by I/O port
 * @POWER_OFF: ACPI sleep state S5
 * @POWER_RESET: reset, by any of the ways that a PC has
 */
enum power_request {
	POWER_OFF,
	POWER_RESET,
};

/**
 * struct devices_ops - what the devices tell the VM
 * @power: the guest asked for it; called in a vCPU's thread
 */
struct devices_ops {
	void (*power)(void *ctx, enum power_request request);
};

/* What the guest wrote to its console */
struct console_log {
	pthread_mutex_t lock;
	size_t len;
	char text[CONSOLE_LOG_SIZE + 1];
};

/**
 * struct devices_config - what is on the board besides what every guest has
 * @mem: guest RAM, mapped; must outlive the devices
 * @split_irqchip: the IOAPIC is ours, and not KVM's
 * @disk: or NULL
 * @net: or NULL
 */
struct devices_config {
	const struct numa_mem *mem;
	bool split_irqchip;
	const struct disk_config *disk;
	const struct net_config *net;
};

/**
 * struct virtio_slot - a virtio device's place on the board
 * @dev: its registers; NULL if there is no device, and no page or interrupt
 * @irqfd: raises its interrupt
 * @timer_fd: what its thread waits for besides notifications, or -1
 * @stop_fd: ends its thread
 * @process: what its thread does when either is readable
 * @ctx: passed to @process
 * @thread: if @started
 * @started: it is
 */
struct virtio_slot {
	struct virtio_mmio *dev;
	int irqfd;
	int timer_fd;
	int stop_fd;
	void (*process)(void *ctx);
	void *ctx;
	pthread_t thread;
	bool started;
};

/* Initialise with devices_create() */
struct devices {
	const struct devices_ops *ops;
	void *ctx;
	int vm_fd;
	struct ioapic_routing ioapic;
	pthread_mutex_t uart_lock;
	struct uart uart;
	int uart_irqfd;
	struct virtio_console console;
	struct channel channels[CONSOLE_NR_PORTS];
	struct virtio_blk blk;
	struct virtio_net net;
	struct virtio_slot slots[VIRTIO_NR_SLOTS];
	int io_stop;
	bool finishing;
	pthread_mutex_t drain_lock;
	bool stopped;
	struct console_log log;
};

/**
 * devices_create() - make the devices and connect them to the VM
 * @dev: filled in
 * @vm_fd: the VM; its irqchip and memory exist; must outlive the vCPU threads
 * @cfg: which devices
 * @ops: see struct devices_ops
 * @ctx: passed to @ops
 * @err: what failed
 *
 * Return: 0 or a negative errno; on failure there is nothing to destroy.
 */
int devices_create(struct devices *dev, int vm_fd, const struct devices_config *cfg,
		   const struct devices_ops *ops, void *ctx, struct errmsg *err);

/**
 * devices_slots() - which virtio devices there are
 * @dev: created devices
 *
 * Return: BIT(VIRTIO_SLOT_...) of each.
 */
u32 devices_slots(const struct devices *dev);

/**
 * devices_start() - start the devices' threads
 * @dev: created devices
 * @err: what failed
 *
 * Return: 0 or a negative errno.
 */
int devices_start(struct devices *dev, struct errmsg *err);

/**
 * devices_finish() - the guest has ended: take what it sent, then no more
 * @dev: created devices; callable from any thread
 *
 * What there is no room for is taken as it is read, after devices_stop(), too.
 */
void devices_finish(struct devices *dev);

/**
 * devices_stop() - end the threads; what the guest sent can still be read
 * @dev: created devices, whose vCPUs have stopped
 */
void devices_stop(struct devices *dev);

/**
 * devices_destroy() - release everything; the VM must not exist any more
 * @dev: stopped devices
 */
void devices_destroy(struct devices *dev);

/**
 * devices_pio() - a port I/O exit
 * @dev: the devices
 * @port: I/O port
 * @write: the guest writes
 * @data: @size bytes, read or filled in
 * @size: 1, 2 or 4
 */
void devices_pio(struct devices *dev, u16 port, bool write, void *data, u8 size);

/**
 * devices_mmio() - an MMIO exit
 * @dev: the devices
 * @addr: guest physical address
 * @write: the guest writes
 * @data: @len bytes, read or filled in
 * @len: 1 to 8
 */
void devices_mmio(struct devices *dev, u64 addr, bool write, void *data, u32 len);

/**
 * devices_eoi() - a KVM_EXIT_IOAPIC_EOI
 * @dev: the devices
 * @vector: of the interrupt that a CPU has ended
 */
void devices_eoi(struct devices *dev, u8 vector);

/**
 * devices_irq_failures() - how often KVM refused a table of interrupt routes
 * @dev: the devices
 */
u64 devices_irq_failures(struct devices *dev);

/**
 * devices_broken() - which virtio device has stopped, because the guest's driver
 *	broke the rules
 * @dev: the devices
 * @text: filled in, as "console: why"; empty if none has
 * @size: room at @text
 */
void devices_broken(struct devices *dev, char *text, size_t size);

/**
 * devices_recv() - read what the guest sent to a port
 * @dev: the devices
 * @port: of the console
 * @data: filled in
 * @len: room at @data
 * @timeout_ns: how long to wait for the first byte
 *
 * Return: bytes read; 0 if no more will come, or, for CONSOLE_PORT_BULK, at the
 * end of a stream, which is where the guest closed the port; -ETIMEDOUT.
 */
ssize_t devices_recv(struct devices *dev, enum console_port_id port, void *data, size_t len,
		     u64 timeout_ns);

#endif /* KTSTR_DEVICES_H */
