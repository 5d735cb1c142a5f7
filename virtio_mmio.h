/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The virtio-mmio transport, version 2, and split virtqueues, as a device sees
 * them (virtio 1.2, sections 2.7 and 4.2). The guest is not trusted: whatever
 * it writes to registers or rings has a defined and bounded effect.
 *
 * Threads: any vCPU thread may access registers, one I/O thread works on the
 * queues. A guest's notification of any queue ends in @notify_fd, whether KVM
 * turned it into an event or it came as an MMIO exit:
 *
 *	struct kvm_ioeventfd ev = {
 *		.addr = base + VIRTIO_MMIO_QUEUE_NOTIFY,
 *		.len = sizeof(u32),
 *		.fd = dev->notify_fd,
 *	};
 *
 * (no datamatch: the I/O thread then looks at all queues of the device).
 */
#ifndef KTSTR_VIRTIO_MMIO_H
#define KTSTR_VIRTIO_MMIO_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include <linux/types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "errmsg.h"
#include "numa_mem.h"

#define VIRTIO_MMIO_MAX_QUEUES	6
#define VIRTQ_MAX_SIZE		256	/* descriptors of a queue or of a chain */

struct virtio_mmio;

/**
 * struct virtio_dev_ops - what makes a device of the transport; constant
 * @device_id: VIRTIO_ID_*
 * @nr_queues: at most VIRTIO_MMIO_MAX_QUEUES
 * @queue_size: a power of two, at most VIRTQ_MAX_SIZE
 * @features: the device's own feature bits; the transport adds its own
 * @required: those of @features without which the device cannot work
 * @config: the device's configuration space, which the guest can only read
 * @config_size: bytes in @config
 * @reset: the guest reset the device; may be NULL. Called by a vCPU thread with
 *	the device's lock held.
 */
struct virtio_dev_ops {
	u32 device_id;
	unsigned int nr_queues;
	unsigned int queue_size;
	u64 features;
	u64 required;
	const void *config;
	size_t config_size;
	void (*reset)(struct virtio_mmio *dev);
};

/**
 * struct virtq - one split virtqueue
 * @dev: the device that it belongs to
 * @num: as the guest wrote it; checked before @ready is set
 * @ready: the ring pointers are valid
 * @desc_gpa: guest physical address of the descriptor table
 * @avail_gpa: guest physical address of the driver area
 * @used_gpa: guest physical address of the device area
 * @desc: descriptor table
 * @avail: driver area; the guest may change it at any moment
 * @used: device area
 * @last_avail: the next entry of @avail to take
 * @used_idx: the next entry of @used to fill
 * @signalled: @used_idx at the time of the last virtq_kick()
 * @epoch: counts how often the queue was stopped; see struct virtq_chain
 */
struct virtq {
	struct virtio_mmio *dev;
	u32 num;
	bool ready;
	u64 desc_gpa;
	u64 avail_gpa;
	u64 used_gpa;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	u16 last_avail;
	u16 used_idx;
	u16 signalled;
	unsigned int epoch;
};

/**
 * struct virtio_mmio - a device's registers and queues
 * @lock: held by every register access; whoever calls virtq_*() holds it
 * @idle: signalled when @busy has become false
 * @busy: between virtio_mmio_begin_work() and virtio_mmio_end_work()
 * @ops: the device behind the registers
 * @mem: guest RAM
 * @irq: raises the device's interrupt, as an edge. Called with @lock held by
 *	whichever thread caused it, so it must not call back.
 * @irq_ctx: passed to @irq
 * @notify_fd: an eventfd, readable after the guest notified a queue
 * @broken: why DEVICE_NEEDS_RESET is set, in words; NULL if it is not
 * @status: device status
 * @interrupt_status: VIRTIO_MMIO_INT_*
 * @device_features_sel: which half of the offered features is read
 * @driver_features_sel: which half of the accepted features is written
 * @driver_features: what the driver accepted; final once FEATURES_OK is set
 * @queue_sel: which queue the queue registers mean; not checked
 * @queues: the first ops->nr_queues exist
 */
struct virtio_mmio {
	pthread_mutex_t lock;
	pthread_cond_t idle;
	bool busy;
	const struct virtio_dev_ops *ops;
	const struct numa_mem *mem;
	void (*irq)(void *ctx);
	void *irq_ctx;
	int notify_fd;
	const char *broken;
	u8 status;
	u32 interrupt_status;
	u32 device_features_sel;
	u32 driver_features_sel;
	u64 driver_features;
	u32 queue_sel;
	struct virtq queues[VIRTIO_MMIO_MAX_QUEUES];
};

/**
 * struct virtq_chain - a buffer that the guest made available
 * @head: index of its first descriptor
 * @epoch: the queue's, when it was popped; a queue that was stopped since then
 *	does not know this chain any more
 * @nr_read: parts that the device reads: the first in @iov
 * @nr_write: parts that the device writes: those that follow
 * @iov: the parts, in host memory, each of them checked to be guest RAM. Their
 *	contents may change while they are read: copy, then look.
 */
struct virtq_chain {
	u16 head;
	unsigned int epoch;
	unsigned int nr_read;
	unsigned int nr_write;
	struct iovec iov[VIRTQ_MAX_SIZE];
};

/**
 * virtio_mmio_init() - a device in its reset state
 * @dev: the device
 * @ops: see struct virtio_dev_ops; must outlive @dev
 * @mem: guest RAM, mapped; must outlive @dev
 * @irq: see struct virtio_mmio
 * @irq_ctx: passed to @irq
 * @err: what failed
 *
 * Return: 0, or a negative errno (no file descriptor left).
 */
int virtio_mmio_init(struct virtio_mmio *dev, const struct virtio_dev_ops *ops,
		     const struct numa_mem *mem, void (*irq)(void *ctx),
		     void *irq_ctx, struct errmsg *err);

/**
 * virtio_mmio_destroy() - release what virtio_mmio_init() took
 * @dev: no thread uses it any more
 */
void virtio_mmio_destroy(struct virtio_mmio *dev);

/**
 * virtio_mmio_read() - the guest reads from the device's page
 * @dev: the device
 * @offset: from the start of the page
 * @data: filled in, as in struct kvm_run
 * @len: bytes, 1 to 8
 *
 * Registers are read in aligned 32-bit accesses only (4.2.2.2); anything else,
 * and what does not exist, reads as zero. The configuration space from 0x100 on
 * has no such rule.
 */
void virtio_mmio_read(struct virtio_mmio *dev, u64 offset, void *data,
		      unsigned int len);

/**
 * virtio_mmio_write() - the guest writes to the device's page
 * @dev: the device
 * @offset: from the start of the page
 * @data: as in struct kvm_run
 * @len: bytes, 1 to 8
 *
 * Registers are written in aligned 32-bit accesses only; anything else is
 * ignored, and so are writes at a time when the driver must not make them.
 */
void virtio_mmio_write(struct virtio_mmio *dev, u64 offset, const void *data,
		       unsigned int len);

/**
 * virtio_mmio_break() - the guest broke the rules: stop until it resets
 * @dev: the device; its lock is held
 * @why: a string constant, for dev->broken
 *
 * Sets DEVICE_NEEDS_RESET and says so by a configuration change interrupt
 * (2.1.2). No queue gives a buffer until the guest has reset the device.
 */
void virtio_mmio_break(struct virtio_mmio *dev, const char *why);

/**
 * virtio_mmio_broken() - has the guest broken the rules?
 * @dev: the device; its lock is not held
 *
 * Return: @why of virtio_mmio_break(), or NULL if it has not, or has reset the
 * device since then.
 */
const char *virtio_mmio_broken(struct virtio_mmio *dev);

/**
 * virtio_mmio_begin_work() - drop the lock for work on a buffer that takes long
 * @dev: the device; its lock is held, and by one thread at a time only
 *
 * Until virtio_mmio_end_work() has taken the lock again the CPUs can access
 * registers, but a reset, or the stop of a queue, waits: when the driver sees
 * that it is done, the device does not touch the driver's memory any more
 * (2.4.1, 4.2.2.1).
 */
void virtio_mmio_begin_work(struct virtio_mmio *dev);
void virtio_mmio_end_work(struct virtio_mmio *dev);

/**
 * virtq_pop() - take the next buffer that the guest made available
 * @vq: the queue; its device's lock is held
 * @chain: filled in on success
 *
 * Descriptors of length zero are left out. A part lies within one region of
 * guest RAM. A queue that turned out to be empty will notify of the next
 * buffer; before that, the guest need not (EVENT_IDX).
 *
 * Return: true with a chain, or false: nothing available, the driver is not
 * ready, or the ring is broken (which breaks the device).
 */
bool virtq_pop(struct virtq *vq, struct virtq_chain *chain);

/**
 * virtq_chain_copy() - copy from the parts that the device reads
 * @chain: a popped chain
 * @skip: bytes of these parts that come first and are not wanted
 * @buf: filled in; the guest cannot change it any more
 * @len: room at @buf
 *
 * Return: bytes copied; less than @len if the chain ends before.
 */
size_t virtq_chain_copy(const struct virtq_chain *chain, u64 skip, void *buf, size_t len);

/**
 * virtq_chain_fill() - copy to the parts that the device writes
 * @chain: a popped chain
 * @skip: bytes of these parts that come first and are left alone
 * @data: what to write
 * @len: bytes at @data
 *
 * Return: bytes copied; less than @len if the chain ends before.
 */
size_t virtq_chain_fill(const struct virtq_chain *chain, u64 skip, const void *data, size_t len);

/**
 * virtq_chain_valid() - is a chain still the device's?
 * @vq: the queue that it came from; its device's lock is held
 * @chain: a popped chain
 *
 * Return: false if the queue was stopped or reset meanwhile: the memory is the
 * guest's again.
 */
bool virtq_chain_valid(const struct virtq *vq, const struct virtq_chain *chain);

/**
 * virtq_push() - give a buffer back to the guest
 * @vq: the queue that it came from; its device's lock is held
 * @chain: a popped chain, in any order; ignored if it is not valid any more
 * @len: bytes written to it
 */
void virtq_push(struct virtq *vq, const struct virtq_chain *chain, u32 len);

/**
 * virtq_kick() - interrupt the guest for what was pushed, if it wants that
 * @vq: the queue; its device's lock is held
 *
 * Wanted or not is told by the flags of the driver area, or by its used_event
 * when EVENT_IDX was negotiated (2.7.7).
 */
void virtq_kick(struct virtq *vq);

#endif /* KTSTR_VIRTIO_MMIO_H */
