/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A hostile guest made from bytes: accesses to registers, writes to rings and
 * tables, notifications and messages from the host, in any order. For a fuzzer:
 *
 *	int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
 *	{
 *		return virtio_console_fuzz(data, size) ? 0 : abort();
 *	}
 */
#ifndef KTSTR_UNIT_VIRTIO_FUZZ_H
#define KTSTR_UNIT_VIRTIO_FUZZ_H

#include <linux/virtio_console.h>

#include "virtio_console.h"
#include "virtio_driver.h"

/* Small, so that random numbers often mean something. */
#define FUZZ_RAM	SZ_32K
#define FUZZ_QUEUE(i)	((i) * 0x1000UL)	/* desc, avail + 0x800, used + 0xa00 */
#define FUZZ_DATA	0x4000UL

struct fuzz {
	const u8 *data;
	size_t size;
	struct virtio_console con;
	struct guest guest;
	bool open;
	bool bad;	/* something happened that must not */
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
	f->bad |= !(f->con.dev.status & VIRTIO_CONFIG_S_DRIVER_OK);
}

static inline void fuzz_on_data(void *ctx, const void *data, size_t len)
{
	struct fuzz *f = ctx;
	u8 last;

	memcpy(&last, (const u8 *)data + len - 1, 1);
	f->bad |= !f->open || !len;
	/* What a monitor may do: answer. */
	virtio_console_send(&f->con, &last, 1);
}

static inline void fuzz_on_open(void *ctx, bool open)
{
	struct fuzz *f = ctx;

	f->bad |= open == f->open;
	f->open = open;
}

static const struct virtio_console_ops fuzz_ops = {
	.irq = fuzz_on_irq,
	.data = fuzz_on_data,
	.open = fuzz_on_open,
};

/* A working driver, to have something to break; its queues may be anywhere. */
static inline void fuzz_bring_up(struct fuzz *f, u8 how)
{
	u64 features = GUEST_BASE_FEATURES | BIT_ULL(VIRTIO_CONSOLE_F_MULTIPORT);
	unsigned int i;

	features |= how & 1 ? GUEST_INDIRECT : 0;
	features |= how & 2 ? GUEST_EVENT_IDX : 0;
	guest_negotiate(&f->guest, features);
	for (i = 0; i < f->con.dev.ops->nr_queues; i++) {
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

	avail->ring[avail->idx % clamp(f->con.dev.queues[i].num, 1U, 64U)] = head;
	avail->idx++;
}

/* A buffer with one likely descriptor; what it points to is what was there. */
static inline void fuzz_add_buffer(struct fuzz *f, unsigned int i)
{
	struct vring_desc *desc = guest_ptr(&f->guest, FUZZ_QUEUE(i));
	unsigned int num = clamp(f->con.dev.queues[i].num, 1U, 64U);
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
		.event = open & 2 ? VIRTIO_CONSOLE_PORT_OPEN : open >> 2, .value = open & 1,
	};
	struct vring_desc *desc = guest_ptr(&f->guest, FUZZ_QUEUE(3));

	memcpy(guest_ptr(&f->guest, FUZZ_DATA), &msg, sizeof(msg));
	desc[0] = (struct vring_desc){ .addr = FUZZ_DATA, .len = sizeof(msg) };
	fuzz_make_avail(f, 3, 0);
}

static inline void fuzz_step(struct fuzz *f)
{
	static const u8 bytes[300];
	u64 offset, val;
	u8 what = fuzz_take(f, 1);

	switch (what & 15) {
	case 0:
		val = fuzz_take(f, 8);
		virtio_mmio_write(&f->con.dev, fuzz_take(f, 1), &val, 1 + (what >> 4) % 8);
		break;
	case 1:
		virtio_mmio_read(&f->con.dev, fuzz_take(f, 2) & 0x1ff, &val, 1 + (what >> 4) % 8);
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
		fuzz_open_port(f, fuzz_take(f, 1));
		break;
	case 7:
	case 8:
	case 9:
		fuzz_add_buffer(f, what >> 4 & 3);
		break;
	case 10:
		offset = fuzz_take(f, 2) % (FUZZ_RAM - 8);
		val = fuzz_take(f, 8);
		memcpy(guest_ptr(&f->guest, offset), &val, 1 + (what >> 4) % 8);
		break;
	case 11:
		virtio_console_send(&f->con, bytes, fuzz_take(f, 1));
		break;
	default:
		virtio_console_process(&f->con);
		break;
	}
	f->bad |= !f->con.dev.broken !=
		  !(guest_read(&f->guest, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
	f->bad |= f->con.send_len > VIRTIO_CONSOLE_SEND_MAX;
}

/* Return: false if something happened that must not. */
static inline bool virtio_console_fuzz(const u8 *data, size_t size)
{
	struct fuzz f = { .data = data, .size = size };
	struct errmsg err;

	f.guest.dev = &f.con.dev;
	if (guest_map_region(&f.guest, 0, FUZZ_RAM))
		return true;
	if (!virtio_console_init(&f.con, &f.guest.mem, &fuzz_ops, &f, &err)) {
		while (f.size && !f.bad)
			fuzz_step(&f);
		virtio_console_destroy(&f.con);
	}
	guest_destroy(&f.guest);
	return !f.bad;
}

#endif /* KTSTR_UNIT_VIRTIO_FUZZ_H */
