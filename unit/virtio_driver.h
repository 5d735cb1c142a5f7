/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small virtio driver for tests: real rings in real memory, driven through
 * the registers of a device. It is what a well-behaved guest would be; tests of
 * hostile guests write over its rings.
 */
#ifndef KTSTR_UNIT_VIRTIO_DRIVER_H
#define KTSTR_UNIT_VIRTIO_DRIVER_H

#include <asm/barrier.h>
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/sizes.h>
#include <linux/virtio_mmio.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "numa_mem.h"
#include "virtio_mmio.h"

/* Two regions with a hole between them, each followed by an unmapped page. */
#define GUEST_LOW_SIZE		SZ_2M
#define GUEST_HIGH_GPA		SZ_4G
#define GUEST_HIGH_SIZE		SZ_1M

/* Where things are in low RAM; a queue's three areas fit in its stride. */
#define GUEST_QUEUES		0x10000UL
#define GUEST_QUEUE_STRIDE	0x4000UL
#define GUEST_TABLES		0x40000UL	/* indirect tables: one per descriptor */
#define GUEST_TABLE_STRIDE	0x200UL
#define GUEST_DATA		0x100000UL	/* for the test */

#define GUEST_BASE_FEATURES	BIT_ULL(VIRTIO_F_VERSION_1)
#define GUEST_INDIRECT		BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC)
#define GUEST_EVENT_IDX		BIT_ULL(VIRTIO_RING_F_EVENT_IDX)

/* A part of a buffer */
struct guest_sg {
	u64 gpa;
	u32 len;
	bool write;
};

struct guest_queue {
	struct vring ring;
	u16 next_avail;		/* what avail->idx will be after the next publish */
	u16 last_used;
	unsigned int nr_free;
	u16 free[VIRTQ_MAX_SIZE];
};

struct guest {
	struct numa_mem mem;
	struct virtio_mmio *dev;
	u64 features;
	struct guest_queue queues[VIRTIO_MMIO_MAX_QUEUES];
};

static inline int guest_map_region(struct guest *g, u64 gpa, u64 size)
{
	struct mem_region *region = &g->mem.regions[g->mem.nr_regions];
	void *hva = mmap(NULL, size + SZ_4K, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (hva == MAP_FAILED)
		return -1;
	mprotect(hva + size, SZ_4K, PROT_NONE);
	*region = (struct mem_region){ .gpa = gpa, .size = size, .hva = hva };
	g->mem.nr_regions++;
	g->mem.size += size;
	return 0;
}

static inline void guest_destroy(struct guest *g)
{
	unsigned int i;

	for (i = 0; i < g->mem.nr_regions; i++)
		munmap(g->mem.regions[i].hva, g->mem.regions[i].size + SZ_4K);
	g->mem.nr_regions = 0;
}

static inline int guest_init(struct guest *g, struct virtio_mmio *dev)
{
	memset(g, 0, sizeof(*g));
	g->dev = dev;
	if (!guest_map_region(g, 0, GUEST_LOW_SIZE) &&
	    !guest_map_region(g, GUEST_HIGH_GPA, GUEST_HIGH_SIZE))
		return 0;
	guest_destroy(g);
	return -1;
}

static inline void *guest_ptr(struct guest *g, u64 gpa)
{
	return numa_mem_ptr(&g->mem, gpa, 1);
}

static inline u32 guest_read(struct guest *g, u32 reg)
{
	u32 val;

	virtio_mmio_read(g->dev, reg, &val, sizeof(val));
	return val;
}

static inline void guest_write(struct guest *g, u32 reg, u32 val)
{
	virtio_mmio_write(g->dev, reg, &val, sizeof(val));
}

static inline void guest_write64(struct guest *g, u32 low_reg, u64 val)
{
	guest_write(g, low_reg, val);
	guest_write(g, low_reg + 4, val >> 32);
}

/* Add bits to the status. Return: the status. */
static inline u32 guest_add_status(struct guest *g, u32 bits)
{
	guest_write(g, VIRTIO_MMIO_STATUS, guest_read(g, VIRTIO_MMIO_STATUS) | bits);
	return guest_read(g, VIRTIO_MMIO_STATUS);
}

/* From a reset to FEATURES_OK. Return: whether the device agrees. */
static inline bool guest_negotiate(struct guest *g, u64 features)
{
	g->features = features;
	guest_write(g, VIRTIO_MMIO_STATUS, 0);
	guest_add_status(g, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	guest_add_status(g, VIRTIO_CONFIG_S_DRIVER);
	guest_write(g, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	guest_write(g, VIRTIO_MMIO_DRIVER_FEATURES, features >> 32);
	guest_write(g, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	guest_write(g, VIRTIO_MMIO_DRIVER_FEATURES, features);
	return guest_add_status(g, VIRTIO_CONFIG_S_FEATURES_OK) & VIRTIO_CONFIG_S_FEATURES_OK;
}

static inline u64 guest_queue_gpa(unsigned int i)
{
	return GUEST_QUEUES + i * GUEST_QUEUE_STRIDE;
}

/* The addresses that the queue has in the guest, for the registers */
static inline void guest_place_queue(struct guest *g, u64 desc, u64 avail, u64 used)
{
	guest_write64(g, VIRTIO_MMIO_QUEUE_DESC_LOW, desc);
	guest_write64(g, VIRTIO_MMIO_QUEUE_AVAIL_LOW, avail);
	guest_write64(g, VIRTIO_MMIO_QUEUE_USED_LOW, used);
}

/* Return: whether the device took it. */
static inline bool guest_setup_queue(struct guest *g, unsigned int i, unsigned int num)
{
	struct guest_queue *q = &g->queues[i];
	u64 gpa = guest_queue_gpa(i);
	u8 *hva = guest_ptr(g, gpa);
	unsigned int n;

	memset(hva, 0, GUEST_QUEUE_STRIDE);
	vring_init(&q->ring, num, hva, VRING_USED_ALIGN_SIZE);
	q->next_avail = 0;
	q->last_used = 0;
	q->nr_free = num;
	for (n = 0; n < num; n++)
		q->free[n] = n;

	guest_write(g, VIRTIO_MMIO_QUEUE_SEL, i);
	guest_write(g, VIRTIO_MMIO_QUEUE_NUM, num);
	guest_place_queue(g, gpa, gpa + ((u8 *)q->ring.avail - hva),
			  gpa + ((u8 *)q->ring.used - hva));
	guest_write(g, VIRTIO_MMIO_QUEUE_READY, 1);
	return guest_read(g, VIRTIO_MMIO_QUEUE_READY) == 1;
}

/* The whole way to DRIVER_OK, with every queue of the device. */
static inline bool guest_start(struct guest *g, u64 features, unsigned int num)
{
	unsigned int i;

	if (!guest_negotiate(g, features))
		return false;
	for (i = 0; i < g->dev->ops->nr_queues; i++) {
		if (!guest_setup_queue(g, i, num))
			return false;
	}
	return guest_add_status(g, VIRTIO_CONFIG_S_DRIVER_OK) & VIRTIO_CONFIG_S_DRIVER_OK;
}

static inline u16 guest_take_desc(struct guest_queue *q)
{
	return q->free[--q->nr_free];
}

static inline void guest_set_desc(struct vring_desc *desc, const struct guest_sg *sg, u16 next)
{
	*desc = (struct vring_desc){
		.addr = sg->gpa,
		.len = sg->len,
		.flags = (sg->write ? VRING_DESC_F_WRITE : 0) |
			 (next ? VRING_DESC_F_NEXT : 0),
		.next = next,
	};
}

/*
 * Write a buffer of @n parts, but do not publish it: indirect if that was
 * negotiated and there is more than one part. Return: its head, or -1 if there
 * are no descriptors left.
 */
static inline int guest_add(struct guest *g, unsigned int i, const struct guest_sg *sg,
			    unsigned int n)
{
	struct guest_queue *q = &g->queues[i];
	bool indirect = (g->features & GUEST_INDIRECT) && n > 1;
	u16 head, at;
	unsigned int k;

	if (q->nr_free < (indirect ? 1 : n))
		return -1;
	head = guest_take_desc(q);
	if (indirect) {
		u64 gpa = GUEST_TABLES + (i * VIRTQ_MAX_SIZE + head) * GUEST_TABLE_STRIDE;
		struct vring_desc *table = guest_ptr(g, gpa);

		for (k = 0; k < n; k++)
			guest_set_desc(&table[k], &sg[k], k + 1 < n ? k + 1 : 0);
		q->ring.desc[head] = (struct vring_desc){
			.addr = gpa, .len = n * sizeof(*table),
			.flags = VRING_DESC_F_INDIRECT,
		};
	} else {
		for (k = 0, at = head; k < n; k++) {
			u16 next = k + 1 < n ? guest_take_desc(q) : 0;

			guest_set_desc(&q->ring.desc[at], &sg[k], next);
			if (k + 1 < n)
				q->ring.desc[at].flags |= VRING_DESC_F_NEXT;
			at = next;
		}
	}
	q->ring.avail->ring[q->next_avail++ % q->ring.num] = head;
	return head;
}

/* Make visible what was added. Return: whether the device wants to be notified. */
static inline bool guest_publish(struct guest *g, unsigned int i)
{
	struct guest_queue *q = &g->queues[i];
	u16 old = READ_ONCE(q->ring.avail->idx);

	/* The entries go before the index. */
	smp_store_release(&q->ring.avail->idx, q->next_avail);
	/* The index goes before the look at what the device wants. */
	smp_mb();
	if (g->features & GUEST_EVENT_IDX)
		return vring_need_event(READ_ONCE(vring_avail_event(&q->ring)),
					q->next_avail, old);
	return !(READ_ONCE(q->ring.used->flags) & VRING_USED_F_NO_NOTIFY);
}

static inline void guest_kick(struct guest *g, unsigned int i)
{
	if (guest_publish(g, i))
		guest_write(g, VIRTIO_MMIO_QUEUE_NOTIFY, i);
}

/* Return: the head of the next buffer that came back, or -1. */
static inline int guest_get_used(struct guest *g, unsigned int i, u32 *len)
{
	struct guest_queue *q = &g->queues[i];
	struct vring_used_elem *elem;
	unsigned int at;

	/* The index goes before the entry. */
	if (smp_load_acquire(&q->ring.used->idx) == q->last_used)
		return -1;
	elem = &q->ring.used->ring[q->last_used++ % q->ring.num];
	*len = elem->len;
	for (at = elem->id;; at = q->ring.desc[at].next) {
		q->free[q->nr_free++] = at;
		if (!(q->ring.desc[at].flags & VRING_DESC_F_NEXT))
			return elem->id;
	}
}

/* Ask for an interrupt with the next used buffer. Return: none was used already. */
static inline bool guest_enable_irq(struct guest *g, unsigned int i)
{
	struct guest_queue *q = &g->queues[i];

	WRITE_ONCE(vring_used_event(&q->ring), q->last_used);
	/* The wish goes before the look whether it comes too late. */
	smp_mb();
	return READ_ONCE(q->ring.used->idx) == q->last_used;
}

static inline bool fd_readable(int fd, int timeout_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, timeout_ms) == 1;
}

/* xorshift64*: the same numbers in every run */
static inline u32 test_random(u64 *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (*state * 0x2545f4914f6cdd1dULL) >> 32;
}

#endif /* KTSTR_UNIT_VIRTIO_DRIVER_H */
