/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A hostile guest made from bytes: accesses to registers, writes to rings and
 * tables, notifications and messages from the host, in any order. For a fuzzer:
 *
 *	int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
 *	{
 *		return virtio_console_fuzz(data, size) ? 0 : abort();
 *	}
 *
 * and likewise virtio_blk_fuzz(), virtio_net_fuzz().
 */
#ifndef KTSTR_UNIT_VIRTIO_FUZZ_H
#define KTSTR_UNIT_VIRTIO_FUZZ_H

#include <linux/virtio_blk.h>
#include <linux/virtio_console.h>
#include <linux/virtio_net.h>
#include <stdint.h>

#include "virtio_blk.h"
#include "virtio_console.h"
#include "virtio_driver.h"
#include "virtio_net.h"

/* Small, so that random numbers often mean something. */
#define FUZZ_RAM	SZ_32K
#define FUZZ_QUEUE(i)	((i) * 0x1000UL)	/* desc, avail + 0x800, used + 0xa00 */
#define FUZZ_DATA	0x6000UL
#define FUZZ_DISK	(16 * DISK_SECTOR_SIZE)

struct fuzz {
	const u8 *data;
	size_t size;
	struct virtio_mmio *dev;
	u64 features;			/* of the device's own */
	struct guest guest;
	bool bad;			/* something happened that must not */
	struct virtio_console con;
	bool open[CONSOLE_NR_PORTS];
	size_t room;			/* what the monitor takes of the bulk port's next data */
	struct virtio_blk blk;
	struct virtio_net net;
};

static inline u64 fuzz_take(struct fuzz *f, unsigned int len)
{
	u64 val = 0;

	len = min_t(size_t, len, f->size);
	memcpy(&val, f->data, len);
	f->data += len;
	f->size -= len;
	return val;
}

static inline void fuzz_on_irq(void *ctx)
{
	struct fuzz *f = ctx;

	/* Nobody listens before DRIVER_OK. */
	f->bad |= !(f->dev->status & VIRTIO_CONFIG_S_DRIVER_OK);
}

static inline size_t fuzz_on_data(void *ctx, enum console_port_id port, const void *data,
				  size_t len)
{
	struct fuzz *f = ctx;
	u8 last;

	memcpy(&last, (const u8 *)data + len - 1, 1);
	f->bad |= !f->open[port] || !len;
	/* What a monitor may do: answer, and take less than it is offered. */
	virtio_console_send(&f->con, port, &last, 1);
	return port == CONSOLE_PORT_BULK ? min_t(size_t, len, f->room) : len;
}

static inline void fuzz_on_open(void *ctx, enum console_port_id port, bool open)
{
	struct fuzz *f = ctx;

	f->bad |= open == f->open[port];
	f->open[port] = open;
}

static const struct virtio_console_ops fuzz_ops = {
	.irq = fuzz_on_irq,
	.data = fuzz_on_data,
	.open = fuzz_on_open,
};

/* A working driver, to have something to break; its queues may be anywhere. */
static inline void fuzz_bring_up(struct fuzz *f, u8 how)
{
	u64 features = GUEST_BASE_FEATURES | f->features;
	unsigned int i;

	features |= how & 1 ? GUEST_INDIRECT : 0;
	features |= how & 2 ? GUEST_EVENT_IDX : 0;
	guest_negotiate(&f->guest, features);
	for (i = 0; i < f->dev->ops->nr_queues; i++) {
		u64 gpa = (how & 0xe0) == 0xe0 ? fuzz_take(f, 2) : FUZZ_QUEUE(i);

		memset(guest_ptr(&f->guest, FUZZ_QUEUE(i)), 0, 0x1000);
		guest_write(&f->guest, VIRTIO_MMIO_QUEUE_SEL, i);
		guest_write(&f->guest, VIRTIO_MMIO_QUEUE_NUM, 1 << (how >> 2 & 7));
		guest_place_queue(&f->guest, gpa, gpa + 0x800, gpa + 0xa00);
		guest_write(&f->guest, VIRTIO_MMIO_QUEUE_READY, 1);
	}
	guest_add_status(&f->guest, VIRTIO_CONFIG_S_DRIVER_OK);
}

static inline void fuzz_make_avail(struct fuzz *f, unsigned int i, u16 head)
{
	struct vring_avail *avail = guest_ptr(&f->guest, FUZZ_QUEUE(i) + 0x800);

	avail->ring[avail->idx % clamp(f->dev->queues[i].num, 1U, 128U)] = head;
	avail->idx++;
}

/* A buffer with one likely descriptor; what it points to is what was there. */
static inline void fuzz_add_buffer(struct fuzz *f, unsigned int i)
{
	struct vring_desc *desc = guest_ptr(&f->guest, FUZZ_QUEUE(i));
	/* Of a console and a network card, every other queue is to receive into. */
	unsigned int num = clamp(f->dev->queues[i].num, 1U, 64U);
	u8 at = fuzz_take(f, 1) % num, next = fuzz_take(f, 1);
	u8 how = fuzz_take(f, 1), size = fuzz_take(f, 1);
	bool write = i % 2 == 0;

	desc[at] = (struct vring_desc){
		.addr = FUZZ_DATA + next * 8,
		.len = how & 0x80 ? size * 256 : size,
		.flags = (how & 3) == 3 ? VRING_DESC_F_NEXT : 0,
		.next = size > 250 ? next : next % num,
	};
	if (write != ((how & 0x1c) == 0x1c))
		desc[at].flags |= VRING_DESC_F_WRITE;
	if ((how & 0x60) == 0x60) {
		desc[at].addr = FUZZ_QUEUE(i) + next;
		desc[at].flags |= VRING_DESC_F_INDIRECT;
		if (next % 16 < 12) {
			desc[at].addr -= next % 16;
			desc[at].len = (1 + size % 8) * sizeof(*desc);
			desc[at].flags &= ~VRING_DESC_F_NEXT;
		}
	}
	fuzz_make_avail(f, i, at);
}

/* The control message that matters most: the port is open, or is not any more. */
static inline void fuzz_open_port(struct fuzz *f, u8 open)
{
	struct virtio_console_control msg = {
		.id = open >> 7,
		.event = open & 2 ? VIRTIO_CONSOLE_PORT_OPEN : open >> 2 & 31,
		.value = open & 1,
	};
	struct vring_desc *desc = guest_ptr(&f->guest, FUZZ_QUEUE(3));

	memcpy(guest_ptr(&f->guest, FUZZ_DATA), &msg, sizeof(msg));
	desc[0] = (struct vring_desc){ .addr = FUZZ_DATA, .len = sizeof(msg) };
	fuzz_make_avail(f, 3, 0);
}

/* What is the same for all devices */
static inline void fuzz_step(struct fuzz *f, u8 what)
{
	u64 offset, val;

	switch (what & 15) {
	case 0:
		val = fuzz_take(f, 8);
		virtio_mmio_write(f->dev, fuzz_take(f, 1), &val, 1 + (what >> 4) % 8);
		break;
	case 1:
		virtio_mmio_read(f->dev, fuzz_take(f, 2) & 0x1ff, &val, 1 + (what >> 4) % 8);
		guest_read(&f->guest, fuzz_take(f, 1) & 0xfc);
		break;
	case 2:
	case 3:
		offset = fuzz_take(f, 1) & 0xfc;
		guest_write(&f->guest, offset, fuzz_take(f, what & 0x10 ? 1 : 4));
		break;
	case 4:
		fuzz_bring_up(f, fuzz_take(f, 1));
		break;
	case 5:
	case 6:
	case 7:
		fuzz_add_buffer(f, (what >> 4) % f->dev->ops->nr_queues);
		break;
	case 8:
		offset = fuzz_take(f, 2) % (FUZZ_RAM - 8);
		val = fuzz_take(f, 8);
		memcpy(guest_ptr(&f->guest, offset), &val, 1 + (what >> 4) % 8);
		break;
	}
	f->bad |= !f->dev->broken !=
		  !(guest_read(&f->guest, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static inline void fuzz_console_step(struct fuzz *f, u8 what)
{
	static const u8 bytes[300];

	switch (what & 15) {
	case 9:
	case 10:
		fuzz_open_port(f, fuzz_take(f, 1));
		break;
	case 11:
		virtio_console_send(&f->con, what >> 4 & 1, bytes, fuzz_take(f, 1));
		break;
	case 12:
	case 13:
	case 14:
	case 15:
		f->room = what >> 4 & 1 ? SIZE_MAX : what >> 5;
		virtio_console_process(&f->con);
		break;
	}
	f->bad |= f->con.ports[0].send_len > VIRTIO_CONSOLE_SEND_MAX;
}

/* Header, data and status, as a driver has them; then something may be wrong. */
static inline void fuzz_add_request(struct fuzz *f)
{
	static const u8 types[] = { 0, 1, 4, 8, 11, 13, 0, 1 };
	struct virtio_blk_outhdr header = { .type = types[fuzz_take(f, 1) & 7] };
	struct vring_desc *desc = guest_ptr(&f->guest, FUZZ_QUEUE(0));
	u8 len = fuzz_take(f, 1), how = fuzz_take(f, 1);

	header.sector = fuzz_take(f, 1) & 31;
	memcpy(guest_ptr(&f->guest, FUZZ_DATA), &header, sizeof(header));
	desc[0] = (struct vring_desc){ FUZZ_DATA, 16, VRING_DESC_F_NEXT, 1 };
	desc[1] = (struct vring_desc){
		FUZZ_DATA + how * 16, len & 1 ? len : (len & 30) * 256, VRING_DESC_F_NEXT, 2
	};
	if (header.type == VIRTIO_BLK_T_IN || header.type == VIRTIO_BLK_T_GET_ID)
		desc[1].flags |= VRING_DESC_F_WRITE;
	desc[2] = (struct vring_desc){ FUZZ_DATA + 16, 1, VRING_DESC_F_WRITE, 0 };
	fuzz_make_avail(f, 0, how == 255 ? 1 : 0);
}

static inline void fuzz_blk_step(struct fuzz *f, u8 what)
{
	switch (what & 15) {
	case 9:
	case 10:
	case 11:
		fuzz_add_request(f);
		break;
	case 12:
	case 13:
	case 14:
	case 15:
		virtio_blk_process(&f->blk);
		break;
	}
	f->bad |= f->blk.nr > DISK_MAX_REQUESTS || f->blk.dev.busy;
}

static inline void fuzz_add_frame(struct fuzz *f, unsigned int queue, u32 len)
{
	struct vring_desc *desc = guest_ptr(&f->guest, FUZZ_QUEUE(queue));

	desc[queue] = (struct vring_desc){
		FUZZ_DATA, len, queue ? 0 : VRING_DESC_F_WRITE, 0
	};
	fuzz_make_avail(f, queue, queue);
}

static inline void fuzz_net_step(struct fuzz *f, u8 what)
{
	switch (what & 15) {
	case 9:
	case 10:
		fuzz_add_frame(f, 0, what & 0x10 ? 1526 : fuzz_take(f, 2) % 2000);
		break;
	case 11:
		fuzz_add_frame(f, 1, fuzz_take(f, 2) % 2000);
		break;
	case 12:
	case 13:
	case 14:
	case 15:
		virtio_net_process(&f->net);
		break;
	}
}

/* Return: false if something happened that must not. */
static inline bool fuzz_run(struct fuzz *f, void (*step)(struct fuzz *f, u8 what))
{
	f->guest.dev = f->dev;
	while (f->size && !f->bad) {
		u8 what = fuzz_take(f, 1);

		fuzz_step(f, what);
		step(f, what);
	}
	guest_destroy(&f->guest);
	return !f->bad;
}

static inline bool virtio_console_fuzz(const u8 *data, size_t size)
{
	struct fuzz f = {
		.data = data, .size = size, .dev = &f.con.dev,
		.features = BIT_ULL(VIRTIO_CONSOLE_F_MULTIPORT),
	};
	struct errmsg err;
	bool good;

	if (guest_map_region(&f.guest, 0, FUZZ_RAM) ||
	    virtio_console_init(&f.con, &f.guest.mem, &fuzz_ops, &f, &err))
		return true;
	good = fuzz_run(&f, fuzz_console_step);
	virtio_console_destroy(&f.con);
	return good;
}

static inline bool virtio_blk_fuzz(const u8 *data, size_t size)
{
	struct fuzz f = { .data = data, .size = size, .dev = &f.blk.dev };
	u8 how = fuzz_take(&f, 1), *disk = malloc(FUZZ_DISK);
	const struct disk_config cfg = {
		.memory = disk, .size = FUZZ_DISK, .read_only = (how & 7) == 7,
		.latency_ns = how & 8 ? 1000 : 0, .iops = how & 16 ? 1000000 : 0,
		.bytes_per_sec = how & 32 ? 1 : 0,
	};
	struct errmsg err;
	bool good;

	f.features = BIT_ULL(VIRTIO_BLK_F_FLUSH);
	if (!cfg.read_only)
		f.features |= BIT_ULL(VIRTIO_BLK_F_DISCARD) | BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES);
	if (guest_map_region(&f.guest, 0, FUZZ_RAM) ||
	    virtio_blk_init(&f.blk, &cfg, &f.guest.mem, fuzz_on_irq, &f, &err))
		return true;
	memset(disk, 0, FUZZ_DISK);
	good = fuzz_run(&f, fuzz_blk_step);
	virtio_blk_destroy(&f.blk);
	free(disk);
	return good;
}

static inline bool virtio_net_fuzz(const u8 *data, size_t size)
{
	struct fuzz f = {
		.data = data, .size = size, .dev = &f.net.dev,
		.features = BIT_ULL(VIRTIO_NET_F_MAC),
	};
	u8 how = fuzz_take(&f, 1);
	const struct net_config cfg = {
		.peer = how % 3, .frames_per_sec = 1000000,
		.frame_size = how & 0x80 ? ETH_FRAME_LEN : NET_MIN_FRAME,
	};
	struct errmsg err;
	bool good;

	if (guest_map_region(&f.guest, 0, FUZZ_RAM) ||
	    virtio_net_init(&f.net, &cfg, &f.guest.mem, fuzz_on_irq, &f, &err))
		return true;
	good = fuzz_run(&f, fuzz_net_step);
	virtio_net_destroy(&f.net);
	return good;
}

#endif /* KTSTR_UNIT_VIRTIO_FUZZ_H */
