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
 * and likewise virtio_blk_fuzz(), virtio_net_fuzz(). They return false if
 * something happened that must not, and are for one thread.
 *
 * Devices and RAM are made once and put back to their beginnings for each input,
 * which takes a tenth of the time that making them anew would.
 */
#ifndef KTSTR_UNIT_VIRTIO_FUZZ_H
#define KTSTR_UNIT_VIRTIO_FUZZ_H

#include <linux/virtio_blk.h>
#include <linux/virtio_console.h>
#include <linux/virtio_net.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

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
	bool open[CONSOLE_NR_PORTS];
	size_t room;			/* what the monitor takes of the bulk port's next data */
	union {				/* the device, whose end the sanitizers know */
		void *device;
		struct virtio_console *con;
		struct virtio_blk *blk;
		struct virtio_net *net;
	};
	void *fresh;			/* what it was before any input */
	size_t device_size;
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
	virtio_console_send(f->con, port, &last, 1);
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
	struct vring_avail *avail;
	unsigned int i;

	features |= how & 1 ? GUEST_INDIRECT : 0;
	features |= how & 2 ? GUEST_EVENT_IDX : 0;
	guest_negotiate(&f->guest, features);
	for (i = 0; i < f->dev->ops->nr_queues; i++) {
		u64 gpa = (how & 0xe0) == 0xe0 ? fuzz_take(f, 2) : FUZZ_QUEUE(i);

		memset(guest_ptr(&f->guest, FUZZ_QUEUE(i)), 0, 0x1000);
		avail = guest_ptr(&f->guest, FUZZ_QUEUE(i) + 0x800);
		avail->flags = how & 0x20 ? VRING_AVAIL_F_NO_INTERRUPT : 0;
		guest_write(&f->guest, VIRTIO_MMIO_QUEUE_SEL, i);
		guest_write(&f->guest, VIRTIO_MMIO_QUEUE_NUM, 1 << (how >> 2 & 7));
		guest_place_queue(&f->guest, gpa, gpa + 0x800, gpa + 0xa00);
		guest_write(&f->guest, VIRTIO_MMIO_QUEUE_READY, 1);
	}
	guest_add_status(&f->guest, VIRTIO_CONFIG_S_DRIVER_OK);
}

/* Stop a queue, with whatever the device has of it, and start it from its beginning. */
static inline void fuzz_restart_queue(struct fuzz *f, unsigned int i)
{
	struct vring_avail *avail = guest_ptr(&f->guest, FUZZ_QUEUE(i) + 0x800);

	guest_write(&f->guest, VIRTIO_MMIO_QUEUE_SEL, i);
	guest_write(&f->guest, VIRTIO_MMIO_QUEUE_READY, 0);
	avail->idx = 0;
	guest_write(&f->guest, VIRTIO_MMIO_QUEUE_READY, 1);
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
		/* The table may end behind the end of RAM. */
		if (size > 240)
			desc[at].addr = FUZZ_RAM - sizeof(*desc);
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
		if (what >> 6 == 3)
			fuzz_restart_queue(f, fuzz_take(f, 1) % f->dev->ops->nr_queues);
		else
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
	static const u8 bytes[SZ_256K];
	size_t len;

	switch (what & 15) {
	case 9:
	case 10:
		fuzz_open_port(f, fuzz_take(f, 1));
		break;
	case 11:
		/* Four of the large ones fill the ring. */
		len = what >> 5 == 7 ? sizeof(bytes) : fuzz_take(f, 1);
		virtio_console_send(f->con, what >> 4 & 1, bytes, len);
		break;
	case 12:
	case 13:
	case 14:
		f->room = what >> 4 & 1 ? SIZE_MAX : what >> 5;
		virtio_console_process(f->con);
		break;
	case 15:
		f->room = SIZE_MAX;
		virtio_console_drain(f->con);
		f->bad |= virtio_console_process(f->con);
		break;
	}
	f->bad |= f->con->ports[0].send_len > VIRTIO_CONSOLE_SEND_MAX ||
		  f->con->ports[1].send_len > VIRTIO_CONSOLE_SEND_MAX;
}

/* Header, data and status, as a driver has them; then something may be wrong. */
static inline void fuzz_add_request(struct fuzz *f, unsigned int times)
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
	if (header.type == VIRTIO_BLK_T_DISCARD || header.type == VIRTIO_BLK_T_WRITE_ZEROES) {
		const struct virtio_blk_discard_write_zeroes range = {
			.sector = header.sector, .num_sectors = len & 31, .flags = len >> 6,
		};

		desc[1].addr = FUZZ_DATA + 32;
		desc[1].len = how == 254 ? len : sizeof(range);
		memcpy(guest_ptr(&f->guest, desc[1].addr), &range, sizeof(range));
	}
	if (header.type == VIRTIO_BLK_T_IN || header.type == VIRTIO_BLK_T_GET_ID)
		desc[1].flags |= VRING_DESC_F_WRITE;
	desc[2] = (struct vring_desc){ FUZZ_DATA + 16, 1, VRING_DESC_F_WRITE, 0 };
	while (times--)
		fuzz_make_avail(f, 0, how == 255 ? 1 : 0);
}

static inline void fuzz_blk_step(struct fuzz *f, u8 what)
{
	switch (what & 15) {
	case 9:
	case 10:
	case 11:
		/* Three times as many as that are more than a disk holds. */
		fuzz_add_request(f, what >> 4 == 15 ? DISK_MAX_REQUESTS / 2 : 1);
		break;
	case 12:
	case 13:
	case 14:
	case 15:
		virtio_blk_process(f->blk);
		break;
	}
	f->bad |= f->blk->nr > DISK_MAX_REQUESTS || f->blk->dev.busy;
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
		virtio_net_process(f->net);
		break;
	}
}

/* RAM, and room for a device of @size bytes */
static inline int fuzz_allocate(struct fuzz *f, size_t size)
{
	f->device = malloc(size);
	f->fresh = malloc(size);
	f->device_size = size;
	if (!f->device || !f->fresh)
		return -1;
	return guest_map_region(&f->guest, 0, FUZZ_RAM);
}

/* The device is as it will be for every input. */
static inline void fuzz_made(struct fuzz *f, struct virtio_mmio *dev, u64 features)
{
	f->dev = dev;
	f->guest.dev = dev;
	f->features = features;
	memcpy(f->fresh, f->device, f->device_size);
}

static inline void fuzz_begin(struct fuzz *f, const u8 *data, size_t size)
{
	eventfd_t count;

	f->data = data;
	f->size = size;
	f->bad = false;
	memset(f->open, 0, sizeof(f->open));
	f->room = 0;
	memcpy(f->device, f->fresh, f->device_size);
	eventfd_read(f->dev->notify_fd, &count);
	memset(guest_ptr(&f->guest, 0), 0, FUZZ_RAM);
}

static inline bool fuzz_run(struct fuzz *f, void (*step)(struct fuzz *f, u8 what))
{
	while (f->size && !f->bad) {
		u8 what = fuzz_take(f, 1);

		fuzz_step(f, what);
		step(f, what);
	}
	return !f->bad;
}

static inline bool virtio_console_fuzz(const u8 *data, size_t size)
{
	static struct fuzz f;
	struct errmsg err;
	unsigned int i;

	if (!f.dev) {
		if (fuzz_allocate(&f, sizeof(*f.con)) ||
		    virtio_console_init(f.con, &f.guest.mem, &fuzz_ops, &f, &err))
			return false;
		/* Rings that have been used a while: their ends are near. */
		for (i = 0; i < CONSOLE_NR_PORTS; i++)
			f.con->ports[i].send_head = VIRTIO_CONSOLE_SEND_MAX - 100;
		fuzz_made(&f, &f.con->dev, BIT_ULL(VIRTIO_CONSOLE_F_MULTIPORT));
	}
	fuzz_begin(&f, data, size);
	return fuzz_run(&f, fuzz_console_step);
}

/* The kinds of disks, by what is behind them */
enum {
	FUZZ_DISK_MEMORY,
	FUZZ_DISK_FILE,
	FUZZ_DISK_READ_ONLY,
	FUZZ_NR_DISKS,
};

static inline int fuzz_make_disk(struct fuzz *f, unsigned int kind)
{
	struct disk_config cfg = {
		.size = FUZZ_DISK, .read_only = kind == FUZZ_DISK_READ_ONLY,
	};
	struct errmsg err;
	char path[32];
	int fd;

	if (kind != FUZZ_DISK_FILE) {
		/* The sanitizers see what is done beyond it. */
		cfg.memory = malloc(FUZZ_DISK);
		return cfg.memory ? virtio_blk_init(f->blk, &cfg, &f->guest.mem, fuzz_on_irq,
						    f, &err) : -1;
	}
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, FUZZ_DISK))
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	cfg.path = path;
	if (virtio_blk_init(f->blk, &cfg, &f->guest.mem, fuzz_on_irq, f, &err))
		return -1;
	return close(fd);
}

/* A file may be made shorter while it is in use. */
static inline int fuzz_clear_disk(struct virtio_blk *blk, bool cut)
{
	if (blk->fd >= 0)
		return ftruncate(blk->fd, 0) ?: ftruncate(blk->fd, FUZZ_DISK - (cut ? 1000 : 0));
	memset(blk->disk.memory, 0, FUZZ_DISK);
	return 0;
}

static inline bool virtio_blk_fuzz(const u8 *data, size_t size)
{
	static struct fuzz disks[FUZZ_NR_DISKS];
	u8 how = size ? *data : 0;
	unsigned int kind = how % FUZZ_NR_DISKS;
	struct fuzz *f = &disks[kind];
	u64 features = BIT_ULL(VIRTIO_BLK_F_FLUSH);

	if (kind != FUZZ_DISK_READ_ONLY)
		features |= BIT_ULL(VIRTIO_BLK_F_DISCARD) | BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES);
	if (!f->dev) {
		if (fuzz_allocate(f, sizeof(*f->blk)) || fuzz_make_disk(f, kind))
			return false;
		fuzz_made(f, &f->blk->dev, features);
	}
	fuzz_begin(f, data, size);
	fuzz_take(f, 1);
	/* Requests that are done at once, soon, or while it lasts never */
	f->blk->disk.latency_ns = how & 0x80 ? 1000 : 0;
	f->blk->disk.iops = how & 0x40 ? 1000000 : 0;
	f->blk->disk.bytes_per_sec = how & 0x20 ? 1 : 0;
	if (fuzz_clear_disk(f->blk, how & 0x10))
		return false;
	return fuzz_run(f, fuzz_blk_step);
}

static inline bool virtio_net_fuzz(const u8 *data, size_t size)
{
	static const struct net_config cfg = {
		.peer = NET_PEER_SOURCE, .frames_per_sec = 1000000, .frame_size = NET_MIN_FRAME,
	};
	static struct fuzz f;
	struct errmsg err;
	u8 how;

	if (!f.dev) {
		if (fuzz_allocate(&f, sizeof(*f.net)) ||
		    virtio_net_init(f.net, &cfg, &f.guest.mem, fuzz_on_irq, &f, &err))
			return false;
		fuzz_made(&f, &f.net->dev, BIT_ULL(VIRTIO_NET_F_MAC));
	}
	fuzz_begin(&f, data, size);
	how = fuzz_take(&f, 1);
	f.net->net.peer = how % 3;
	f.net->net.frame_size = how & 0x80 ? ETH_FRAME_LEN : NET_MIN_FRAME;
	return fuzz_run(&f, fuzz_net_step);
}

#endif /* KTSTR_UNIT_VIRTIO_FUZZ_H */
