// SPDX-License-Identifier: GPL-2.0
#include <asm/barrier.h>
#include <errno.h>
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/overflow.h>
#include <linux/virtio_mmio.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "virtio_mmio.h"

#define MMIO_MAGIC	0x74726976	/* "virt" */
#define MMIO_VERSION	2
#define MMIO_VENDOR	0x5254534b	/* "KSTR" */

/* What a driver may set; DEVICE_NEEDS_RESET is the device's. */
#define DRIVER_STATUS	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
			 VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FEATURES_OK | \
			 VIRTIO_CONFIG_S_FAILED)

static u64 offered_features(const struct virtio_mmio *dev)
{
	return dev->ops->features | BIT_ULL(VIRTIO_F_VERSION_1) |
	       BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) | BIT_ULL(VIRTIO_RING_F_EVENT_IDX);
}

/* Only of use once FEATURES_OK is set: before that the driver may still change it. */
static bool has_feature(const struct virtio_mmio *dev, unsigned int bit)
{
	return dev->driver_features & BIT_ULL(bit);
}

static void raise_irq(struct virtio_mmio *dev, u32 why)
{
	dev->interrupt_status |= why;
	dev->irq(dev->irq_ctx);
}

void virtio_mmio_break(struct virtio_mmio *dev, const char *why)
{
	if (dev->broken)
		return;
	dev->broken = why;
	dev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		raise_irq(dev, VIRTIO_MMIO_INT_CONFIG);
}

const char *virtio_mmio_broken(struct virtio_mmio *dev)
{
	const char *why;

	pthread_mutex_lock(&dev->lock);
	why = dev->broken;
	pthread_mutex_unlock(&dev->lock);
	return why;
}

void virtio_mmio_begin_work(struct virtio_mmio *dev)
{
	dev->busy = true;
	pthread_mutex_unlock(&dev->lock);
}

void virtio_mmio_end_work(struct virtio_mmio *dev)
{
	pthread_mutex_lock(&dev->lock);
	dev->busy = false;
	pthread_cond_broadcast(&dev->idle);
}

/* The queues have been stopped: what is still in the works is the last of it. */
static void wait_idle(struct virtio_mmio *dev)
{
	while (dev->busy)
		pthread_cond_wait(&dev->idle, &dev->lock);
}

static void queue_stop(struct virtq *vq)
{
	vq->ready = false;
	vq->desc = NULL;
	vq->avail = NULL;
	vq->used = NULL;
	vq->last_avail = 0;
	vq->used_idx = 0;
	vq->signalled = 0;
	vq->epoch++;
}

/* The sizes are those of 2.7; the last two bytes of the areas are the event index. */
static void queue_start(struct virtq *vq)
{
	struct virtio_mmio *dev = vq->dev;
	size_t event = has_feature(dev, VIRTIO_RING_F_EVENT_IDX) ? sizeof(u16) : 0;

	if (!is_power_of_2(vq->num) || vq->num > dev->ops->queue_size) {
		virtio_mmio_break(dev, "queue size is no power of two, or too large");
		return;
	}
	if (vq->desc_gpa % VRING_DESC_ALIGN_SIZE || vq->avail_gpa % VRING_AVAIL_ALIGN_SIZE ||
	    vq->used_gpa % VRING_USED_ALIGN_SIZE) {
		virtio_mmio_break(dev, "queue is not aligned");
		return;
	}
	vq->desc = numa_mem_ptr(dev->mem, vq->desc_gpa, vq->num * sizeof(*vq->desc));
	vq->avail = numa_mem_ptr(dev->mem, vq->avail_gpa,
				 struct_size(vq->avail, ring, vq->num) + event);
	vq->used = numa_mem_ptr(dev->mem, vq->used_gpa,
				struct_size(vq->used, ring, vq->num) + event);
	if (!vq->desc || !vq->avail || !vq->used) {
		virtio_mmio_break(dev, "queue is not in RAM");
		return;
	}
	vq->ready = true;
}

static void device_reset(struct virtio_mmio *dev)
{
	unsigned int i;

	dev->broken = NULL;
	dev->status = 0;
	dev->interrupt_status = 0;
	dev->device_features_sel = 0;
	dev->driver_features_sel = 0;
	dev->driver_features = 0;
	dev->queue_sel = 0;
	for (i = 0; i < dev->ops->nr_queues; i++) {
		struct virtq *vq = &dev->queues[i];

		queue_stop(vq);
		vq->num = dev->ops->queue_size;
		vq->desc_gpa = 0;
		vq->avail_gpa = 0;
		vq->used_gpa = 0;
	}
	if (dev->ops->reset)
		dev->ops->reset(dev);
}

static bool features_acceptable(const struct virtio_mmio *dev)
{
	u64 required = dev->ops->required | BIT_ULL(VIRTIO_F_VERSION_1);

	return !(dev->driver_features & ~offered_features(dev)) &&
	       (dev->driver_features & required) == required;
}

/* 3.1.1: the driver only ever adds bits, and may add each only when it is due. */
static void write_status(struct virtio_mmio *dev, u32 val)
{
	if (!val) {
		device_reset(dev);
		wait_idle(dev);
		return;
	}
	val = dev->status | (val & DRIVER_STATUS);
	if (!(dev->status & VIRTIO_CONFIG_S_FEATURES_OK) && !features_acceptable(dev))
		val &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	if (!(val & VIRTIO_CONFIG_S_FEATURES_OK))
		val &= ~VIRTIO_CONFIG_S_DRIVER_OK;
	dev->status = val;
}

static void write_driver_features(struct virtio_mmio *dev, u32 val)
{
	unsigned int shift = dev->driver_features_sel * 32;

	/* There are no features above 63 to accept. */
	if (dev->driver_features_sel > 1 || (dev->status & VIRTIO_CONFIG_S_FEATURES_OK))
		return;
	dev->driver_features &= ~((u64)UINT32_MAX << shift);
	dev->driver_features |= (u64)val << shift;
}

static void write_queue_ready(struct virtq *vq, u32 val)
{
	if (val == 0) {
		queue_stop(vq);
		wait_idle(vq->dev);
		return;
	}
	if (val == 1 && !vq->ready && (vq->dev->status & VIRTIO_CONFIG_S_FEATURES_OK))
		queue_start(vq);
}

static void set_low(u64 *addr, u32 val)
{
	*addr = (*addr & ~(u64)UINT32_MAX) | val;
}

static void set_high(u64 *addr, u32 val)
{
	*addr = (u64)val << 32 | (u32)*addr;
}

static void write_queue(struct virtq *vq, u32 offset, u32 val)
{
	if (offset == VIRTIO_MMIO_QUEUE_READY) {
		write_queue_ready(vq, val);
		return;
	}
	/* A queue in use keeps its size and place. */
	if (vq->ready)
		return;

	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		vq->num = val;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
		set_low(&vq->desc_gpa, val);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_high(&vq->desc_gpa, val);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
		set_low(&vq->avail_gpa, val);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_high(&vq->avail_gpa, val);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
		set_low(&vq->used_gpa, val);
		break;
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_high(&vq->used_gpa, val);
		break;
	}
}

/* The selected queue, or NULL if it does not exist. */
static struct virtq *selected_queue(struct virtio_mmio *dev)
{
	return dev->queue_sel < dev->ops->nr_queues ? &dev->queues[dev->queue_sel] : NULL;
}

static void write_register(struct virtio_mmio *dev, u32 offset, u32 val)
{
	struct virtq *vq;

	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		dev->device_features_sel = val;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		write_driver_features(dev, val);
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		dev->driver_features_sel = val;
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		dev->queue_sel = val;
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		eventfd_write(dev->notify_fd, 1);
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		dev->interrupt_status &= ~val;
		break;
	case VIRTIO_MMIO_STATUS:
		write_status(dev, val);
		break;
	default:
		vq = selected_queue(dev);
		if (vq)
			write_queue(vq, offset, val);
		break;
	}
}

static u32 read_register(struct virtio_mmio *dev, u32 offset)
{
	const struct virtq *vq = selected_queue(dev);

	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MMIO_MAGIC;
	case VIRTIO_MMIO_VERSION:
		return MMIO_VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return dev->ops->device_id;
	case VIRTIO_MMIO_VENDOR_ID:
		return MMIO_VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		if (dev->device_features_sel > 1)
			return 0;
		return offered_features(dev) >> (dev->device_features_sel * 32);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return vq ? dev->ops->queue_size : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return vq && vq->ready;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return dev->interrupt_status;
	case VIRTIO_MMIO_STATUS:
		return dev->status;
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return UINT32_MAX;		/* 4.2.2: no such region */
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return 0;		/* the configuration space is constant */
	default:
		return 0;
	}
}

static void read_config(const struct virtio_mmio *dev, u64 offset, void *data,
			unsigned int len)
{
	if (offset >= dev->ops->config_size)
		return;
	len = min_t(u64, len, dev->ops->config_size - offset);
	memcpy(data, (const u8 *)dev->ops->config + offset, len);
}

static bool is_register_access(u64 offset, unsigned int len)
{
	return offset < VIRTIO_MMIO_CONFIG && len == sizeof(u32) && offset % sizeof(u32) == 0;
}

void virtio_mmio_read(struct virtio_mmio *dev, u64 offset, void *data, unsigned int len)
{
	u32 val;

	memset(data, 0, len);
	if (offset >= VIRTIO_MMIO_CONFIG) {
		read_config(dev, offset - VIRTIO_MMIO_CONFIG, data, len);
		return;
	}
	if (!is_register_access(offset, len))
		return;
	pthread_mutex_lock(&dev->lock);
	val = read_register(dev, offset);
	pthread_mutex_unlock(&dev->lock);
	memcpy(data, &val, sizeof(val));
}

void virtio_mmio_write(struct virtio_mmio *dev, u64 offset, const void *data,
		       unsigned int len)
{
	u32 val;

	if (!is_register_access(offset, len))
		return;
	memcpy(&val, data, sizeof(val));
	pthread_mutex_lock(&dev->lock);
	write_register(dev, offset, val);
	pthread_mutex_unlock(&dev->lock);
}

int virtio_mmio_init(struct virtio_mmio *dev, const struct virtio_dev_ops *ops,
		     const struct numa_mem *mem, void (*irq)(void *ctx),
		     void *irq_ctx, struct errmsg *err)
{
	unsigned int i;

	*dev = (struct virtio_mmio){
		.ops = ops, .mem = mem, .irq = irq, .irq_ctx = irq_ctx,
	};
	dev->notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (dev->notify_fd < 0)
		return errmsg_set(err, ERRMSG_HOST, errno,
				  "eventfd for a virtio device's notifications");
	pthread_mutex_init(&dev->lock, NULL);
	pthread_cond_init(&dev->idle, NULL);
	for (i = 0; i < ops->nr_queues; i++)
		dev->queues[i].dev = dev;
	device_reset(dev);
	return 0;
}

void virtio_mmio_destroy(struct virtio_mmio *dev)
{
	pthread_cond_destroy(&dev->idle);
	pthread_mutex_destroy(&dev->lock);
	close(dev->notify_fd);
}

static bool queue_usable(const struct virtq *vq)
{
	const u8 dead = VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED;
	u8 status = vq->dev->status;

	return vq->ready && (status & VIRTIO_CONFIG_S_DRIVER_OK) && !(status & dead);
}

/*
 * The event indexes lie behind the rings' last entries (2.7.6, 2.7.8). They are
 * only there if EVENT_IDX was negotiated.
 */
static u16 *used_event(const struct virtq *vq)
{
	return &vq->avail->ring[vq->num];
}

static u16 *avail_event(const struct virtq *vq)
{
	return (u16 *)&vq->used->ring[vq->num];
}

/* The guest's memory may change at any time: every field is read once. */
static struct vring_desc read_desc(const struct vring_desc *desc)
{
	return (struct vring_desc){
		.addr = READ_ONCE(desc->addr),
		.len = READ_ONCE(desc->len),
		.flags = READ_ONCE(desc->flags),
		.next = READ_ONCE(desc->next),
	};
}

/* Return: NULL, or what is wrong. */
static const char *chain_add(const struct virtq *vq, struct virtq_chain *chain,
			     const struct vring_desc *desc)
{
	bool write = desc->flags & VRING_DESC_F_WRITE;
	void *hva;

	if (!write && chain->nr_write)
		return "a readable descriptor follows a writable one";
	if (!desc->len)
		return NULL;
	hva = numa_mem_ptr(vq->dev->mem, desc->addr, desc->len);
	if (!hva)
		return "a descriptor is not in RAM";
	chain->iov[chain->nr_read + chain->nr_write] = (struct iovec){
		.iov_base = hva, .iov_len = desc->len,
	};
	if (write)
		chain->nr_write++;
	else
		chain->nr_read++;
	return NULL;
}

/*
 * Walk one descriptor table from @i. A chain with more descriptors than the
 * table or the device has room for contains a loop or breaks 2.7.5.3.1.
 * Return: NULL, or what is wrong. *@indirect is the descriptor that refers to
 * a further table, if one does; it ends this one.
 */
static const char *chain_walk(const struct virtq *vq, struct virtq_chain *chain,
			      const struct vring_desc *table, u32 size, u16 i,
			      struct vring_desc *indirect)
{
	u32 max = min(size, VIRTQ_MAX_SIZE - chain->nr_read - chain->nr_write);
	struct vring_desc desc;
	const char *why;
	u32 n;

	for (n = 0; n < max; n++) {
		if (i >= size)
			return "a descriptor index is out of range";
		desc = read_desc(&table[i]);
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			*indirect = desc;
			return NULL;
		}
		why = chain_add(vq, chain, &desc);
		if (why || !(desc.flags & VRING_DESC_F_NEXT))
			return why;
		i = desc.next;
	}
	return "a descriptor chain is too long or loops";
}

/* 2.7.5.3: the one table of a chain, from its first entry, flags WRITE ignored. */
static const char *chain_walk_indirect(const struct virtq *vq, struct virtq_chain *chain,
				       const struct vring_desc *desc)
{
	u32 size = desc->len / sizeof(*desc);
	struct vring_desc nested = {};
	const struct vring_desc *table;
	const char *why;

	if (!has_feature(vq->dev, VIRTIO_RING_F_INDIRECT_DESC))
		return "an indirect descriptor without the feature";
	if (desc->flags & VRING_DESC_F_NEXT)
		return "an indirect descriptor with a next one";
	if (!size || desc->len % sizeof(*desc))
		return "an indirect table of a bad size";
	if (desc->addr % __alignof__(u64))
		return "an indirect table is not aligned";
	table = numa_mem_ptr(vq->dev->mem, desc->addr, desc->len);
	if (!table)
		return "an indirect table is not in RAM";
	why = chain_walk(vq, chain, table, size, 0, &nested);
	if (nested.flags)
		return "an indirect descriptor in an indirect table";
	return why;
}

static const char *chain_read(const struct virtq *vq, struct virtq_chain *chain)
{
	struct vring_desc indirect = {};
	const char *why;

	chain->nr_read = 0;
	chain->nr_write = 0;
	chain->epoch = vq->epoch;
	why = chain_walk(vq, chain, vq->desc, vq->num, chain->head, &indirect);
	if (why || !indirect.flags)
		return why;
	return chain_walk_indirect(vq, chain, &indirect);
}

/* Ask for a notification of the next buffer, and look whether it came before. */
static bool queue_empty(const struct virtq *vq, u16 *avail_idx)
{
	/* The index goes before the entries that it says are there. */
	*avail_idx = smp_load_acquire(&vq->avail->idx);
	if (*avail_idx != vq->last_avail)
		return false;
	if (!has_feature(vq->dev, VIRTIO_RING_F_EVENT_IDX))
		return true;
	WRITE_ONCE(*avail_event(vq), vq->last_avail);
	/* Either we see its new index, or the guest sees that we wait for it. */
	smp_mb();
	/* as above */
	*avail_idx = smp_load_acquire(&vq->avail->idx);
	return *avail_idx == vq->last_avail;
}

bool virtq_pop(struct virtq *vq, struct virtq_chain *chain)
{
	const char *why;
	u16 avail_idx;

	if (!queue_usable(vq) || queue_empty(vq, &avail_idx))
		return false;
	if ((u16)(avail_idx - vq->last_avail) > vq->num) {
		virtio_mmio_break(vq->dev, "more buffers are available than the queue has");
		return false;
	}
	chain->head = READ_ONCE(vq->avail->ring[vq->last_avail % vq->num]);
	why = chain_read(vq, chain);
	if (why) {
		virtio_mmio_break(vq->dev, why);
		return false;
	}
	vq->last_avail++;
	return true;
}

/*
 * The part of @iov that is not skipped, at most @max bytes of it. Return: its
 * length; what is still to be skipped is in *@skip.
 */
static size_t iov_part(const struct iovec *iov, u64 *skip, size_t max, void **part)
{
	u64 n = min_t(u64, *skip, iov->iov_len);

	*skip -= n;
	*part = (u8 *)iov->iov_base + n;
	return min_t(size_t, iov->iov_len - n, max);
}

size_t virtq_chain_copy(const struct virtq_chain *chain, u64 skip, void *buf, size_t len)
{
	size_t done = 0, n;
	unsigned int i;
	void *part;

	for (i = 0; i < chain->nr_read && done < len; i++, done += n) {
		n = iov_part(&chain->iov[i], &skip, len - done, &part);
		memcpy((u8 *)buf + done, part, n);
	}
	/* The copy is what is looked at, not the guest's memory once more. */
	barrier();
	return done;
}

size_t virtq_chain_fill(const struct virtq_chain *chain, u64 skip, const void *data, size_t len)
{
	const struct iovec *iov = &chain->iov[chain->nr_read];
	size_t done = 0, n;
	unsigned int i;
	void *part;

	for (i = 0; i < chain->nr_write && done < len; i++, done += n) {
		n = iov_part(&iov[i], &skip, len - done, &part);
		memcpy(part, (const u8 *)data + done, n);
	}
	return done;
}

bool virtq_chain_valid(const struct virtq *vq, const struct virtq_chain *chain)
{
	return queue_usable(vq) && chain->epoch == vq->epoch;
}

void virtq_push(struct virtq *vq, const struct virtq_chain *chain, u32 len)
{
	vring_used_elem_t *elem;

	if (!virtq_chain_valid(vq, chain))
		return;
	elem = &vq->used->ring[vq->used_idx % vq->num];
	WRITE_ONCE(elem->id, chain->head);
	WRITE_ONCE(elem->len, len);
	/* The entry goes before the index that says it is there. */
	smp_store_release(&vq->used->idx, ++vq->used_idx);
}

void virtq_kick(struct virtq *vq)
{
	u16 old = vq->signalled;
	bool wanted;

	if (!queue_usable(vq))
		return;
	vq->signalled = vq->used_idx;
	/* Publish the used index before looking at what the guest wants. */
	smp_mb();
	if (has_feature(vq->dev, VIRTIO_RING_F_EVENT_IDX))
		wanted = vring_need_event(READ_ONCE(*used_event(vq)), vq->used_idx, old);
	else
		wanted = vq->used_idx != old &&
			 !(READ_ONCE(vq->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	if (wanted)
		raise_irq(vq->dev, VIRTIO_MMIO_INT_VRING);
}
