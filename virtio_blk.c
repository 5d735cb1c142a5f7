// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/sizes.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clock.h"
#include "kvm_caps.h"
#include "virtio_blk.h"

#define MAX_STEPS		256	/* of one virtio_blk_process() */

/* One request must not keep the others waiting for long: 64 MiB in sectors */
#define MAX_ZEROES		(SZ_64M / DISK_SECTOR_SIZE)

/* A guest may ask for any size: a day is for ever. */
#define MAX_COST_NS		(86400.0 * NSEC_PER_SEC)

/*
 * A request that was carried out, and waits to be due
 * @status_hva: where the guest wants its status
 * @status: VIRTIO_BLK_S_*
 * @written: bytes written to the guest's memory, with the status
 */
struct disk_request {
	struct virtq_chain chain;
	u8 *status_hva;
	u8 status;
	u32 written;
	u64 due_ns;
};

static struct virtq *queue(struct virtio_blk *blk)
{
	return &blk->dev.queues[0];
}

/* What was in flight is forgotten; the timer finds nothing that is due. */
static void blk_reset(struct virtio_mmio *dev)
{
	struct virtio_blk *blk = container_of(dev, struct virtio_blk, dev);

	blk->nr = 0;
	blk->free_ns = 0;
}

static u64 parts_size(const struct iovec *iov, unsigned int n)
{
	u64 size = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		size += iov[i].iov_len;
	return size;
}

/* Cut bytes off the start of the readable parts, which has been copied. */
static void cut_header(struct virtq_chain *chain, size_t len)
{
	unsigned int i;

	for (i = 0; i < chain->nr_read && len; i++) {
		size_t n = min(len, chain->iov[i].iov_len);

		chain->iov[i].iov_base = (u8 *)chain->iov[i].iov_base + n;
		chain->iov[i].iov_len -= n;
		len -= n;
	}
}

/* The last byte that the device may write is for the status. */
static u8 *cut_status(struct virtq_chain *chain)
{
	struct iovec *last = &chain->iov[chain->nr_read + chain->nr_write - 1];

	last->iov_len--;
	return (u8 *)last->iov_base + last->iov_len;
}

/* Is it within the disk, in whole sectors? */
static bool in_range(const struct virtio_blk *blk, u64 sector, u64 size)
{
	u64 sectors = blk->disk.size / DISK_SECTOR_SIZE;

	return size % DISK_SECTOR_SIZE == 0 && sector <= sectors &&
	       size / DISK_SECTOR_SIZE <= sectors - sector;
}

static ssize_t file_transfer(int fd, bool write, const struct iovec *iov, int n, off_t pos)
{
	ssize_t ret;

	do {
		ret = write ? pwritev(fd, iov, n, pos) : preadv(fd, iov, n, pos);
	} while (ret < 0 && errno == EINTR);
	return ret;
}

/* A file may give less than it is asked for. Return: whether all went well. */
static bool file_transfer_all(int fd, bool write, struct iovec *iov, unsigned int n, off_t pos)
{
	ssize_t done;

	while (n) {
		if (!iov->iov_len) {
			iov++;
			n--;
			continue;
		}
		done = file_transfer(fd, write, iov, n, pos);
		/* 0: the file has been made shorter meanwhile */
		if (done <= 0)
			return false;
		pos += done;
		for (; n && (size_t)done >= iov->iov_len; iov++, n--)
			done -= iov->iov_len;
		if (done) {
			iov->iov_base = (u8 *)iov->iov_base + done;
			iov->iov_len -= done;
		}
	}
	return true;
}

static void memory_transfer(u8 *disk, bool write, const struct iovec *iov, unsigned int n)
{
	for (; n; iov++, n--) {
		if (write)
			memcpy(disk, iov->iov_base, iov->iov_len);
		else
			memcpy(iov->iov_base, disk, iov->iov_len);
		disk += iov->iov_len;
	}
}

/* VIRTIO_BLK_T_IN and VIRTIO_BLK_T_OUT */
static u8 transfer(struct virtio_blk *blk, u64 sector, bool write, struct iovec *iov,
		   unsigned int n)
{
	if (!in_range(blk, sector, parts_size(iov, n)) || (write && blk->disk.read_only))
		return VIRTIO_BLK_S_IOERR;
	if (blk->fd < 0)
		memory_transfer((u8 *)blk->disk.memory + sector * DISK_SECTOR_SIZE, write, iov, n);
	else if (!file_transfer_all(blk->fd, write, iov, n, sector * DISK_SECTOR_SIZE))
		return VIRTIO_BLK_S_IOERR;
	return VIRTIO_BLK_S_OK;
}

static u8 flush(struct virtio_blk *blk)
{
	if (blk->fd >= 0 && !blk->disk.read_only && fdatasync(blk->fd))
		return VIRTIO_BLK_S_IOERR;
	return VIRTIO_BLK_S_OK;
}

static u8 write_zeroes(struct virtio_blk *blk, u64 sector, u64 sectors)
{
	static u8 zeroes[SZ_64K];
	u64 pos = sector * DISK_SECTOR_SIZE, left = sectors * DISK_SECTOR_SIZE;

	if (blk->fd < 0) {
		memset((u8 *)blk->disk.memory + pos, 0, left);
		return VIRTIO_BLK_S_OK;
	}
	if (!fallocate(blk->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, pos, left))
		return VIRTIO_BLK_S_OK;
	/* Not every file system has holes. */
	while (left) {
		struct iovec iov = { zeroes, min_t(u64, left, sizeof(zeroes)) };
		u64 n = iov.iov_len;

		if (!file_transfer_all(blk->fd, true, &iov, 1, pos))
			return VIRTIO_BLK_S_IOERR;
		pos += n;
		left -= n;
	}
	return VIRTIO_BLK_S_OK;
}

/*
 * VIRTIO_BLK_T_DISCARD and VIRTIO_BLK_T_WRITE_ZEROES, one segment each (5.2.6):
 * what was discarded reads as zeroes, too.
 */
static u8 discard_or_zero(struct virtio_blk *blk, u32 type, const struct virtq_chain *chain)
{
	u32 flags = type == VIRTIO_BLK_T_WRITE_ZEROES ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;
	struct virtio_blk_discard_write_zeroes range;

	if (parts_size(chain->iov, chain->nr_read) != sizeof(range) || blk->disk.read_only)
		return VIRTIO_BLK_S_IOERR;
	virtq_chain_copy(chain, 0, &range, sizeof(range));
	if (range.flags & ~flags)
		return VIRTIO_BLK_S_UNSUPP;
	if (range.num_sectors > MAX_ZEROES ||
	    !in_range(blk, range.sector, (u64)range.num_sectors * DISK_SECTOR_SIZE))
		return VIRTIO_BLK_S_IOERR;
	if (!range.num_sectors)
		return VIRTIO_BLK_S_OK;
	return write_zeroes(blk, range.sector, range.num_sectors);
}

static u8 get_id(const struct virtq_chain *chain)
{
	static const char id[VIRTIO_BLK_ID_BYTES] = DISK_ID;

	/* A shorter buffer gets the start of it: there is nothing to refuse by. */
	virtq_chain_fill(chain, 0, id, sizeof(id));
	return VIRTIO_BLK_S_OK;
}

/* Is this a request that the driver may make? (5.2.6.1) */
static bool supported(const struct virtio_blk *blk, u32 type)
{
	static const unsigned int needs[] = {
		[VIRTIO_BLK_T_FLUSH] = VIRTIO_BLK_F_FLUSH,
		[VIRTIO_BLK_T_DISCARD] = VIRTIO_BLK_F_DISCARD,
		[VIRTIO_BLK_T_WRITE_ZEROES] = VIRTIO_BLK_F_WRITE_ZEROES,
	};

	return type >= ARRAY_SIZE(needs) || !needs[type] ||
	       blk->dev.driver_features & BIT_ULL(needs[type]);
}

/* Return: VIRTIO_BLK_S_*. The header and the status have been cut off. */
static u8 carry_out(struct virtio_blk *blk, const struct virtio_blk_outhdr *header,
		    struct virtq_chain *chain)
{
	if (!supported(blk, header->type))
		return VIRTIO_BLK_S_UNSUPP;

	switch (header->type) {
	case VIRTIO_BLK_T_IN:
		return transfer(blk, header->sector, false, chain->iov + chain->nr_read,
				chain->nr_write);
	case VIRTIO_BLK_T_OUT:
		return transfer(blk, header->sector, true, chain->iov, chain->nr_read);
	case VIRTIO_BLK_T_FLUSH:
		return flush(blk);
	case VIRTIO_BLK_T_GET_ID:
		return get_id(chain);
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return discard_or_zero(blk, header->type, chain);
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

/* The time that a request for @bytes takes all of the disk, by its limits */
static u64 cost_ns(const struct disk_config *disk, u64 bytes)
{
	u64 by_count = disk->iops ? NSEC_PER_SEC / disk->iops : 0;
	double by_size = 0;

	/* The product does not fit 64 bits. */
	if (disk->bytes_per_sec)
		by_size = (double)bytes * NSEC_PER_SEC / disk->bytes_per_sec;
	return max_t(u64, by_count, min(by_size, MAX_COST_NS));
}

/*
 * Neither term is ever less than for the request before, so that requests
 * become due in the order in which they came.
 */
static u64 due_ns(struct virtio_blk *blk, u64 now, u64 bytes)
{
	blk->free_ns = max(blk->free_ns, now) + cost_ns(&blk->disk, bytes);
	return max(blk->free_ns, now + blk->disk.latency_ns);
}

/* Only the sectors that were asked for count for the rate, not the header. */
static u64 data_size(u32 type, const struct virtq_chain *chain)
{
	if (type == VIRTIO_BLK_T_IN)
		return parts_size(chain->iov + chain->nr_read, chain->nr_write);
	if (type == VIRTIO_BLK_T_OUT)
		return parts_size(chain->iov, chain->nr_read);
	return 0;
}

/* Take a request and carry it out. Return: false if there is none, or no room. */
static bool take_request(struct virtio_blk *blk)
{
	struct virtio_blk_outhdr header;
	struct disk_request *req;
	struct virtq_chain *chain;
	u64 now = clock_ns();

	if (blk->nr == DISK_MAX_REQUESTS)
		return false;
	req = &blk->requests[(blk->first + blk->nr) % DISK_MAX_REQUESTS];
	chain = &req->chain;
	if (!virtq_pop(queue(blk), chain))
		return false;
	if (virtq_chain_copy(chain, 0, &header, sizeof(header)) < sizeof(header) ||
	    !chain->nr_write) {
		virtio_mmio_break(&blk->dev, "a disk request without header or status");
		return false;
	}
	cut_header(chain, sizeof(header));
	req->status_hva = cut_status(chain);
	req->written = min_t(u64, UINT32_MAX, sizeof(req->status) +
			     parts_size(chain->iov + chain->nr_read, chain->nr_write));
	req->due_ns = due_ns(blk, now, data_size(header.type, chain));

	/* The host's storage may take its time. */
	virtio_mmio_begin_work(&blk->dev);
	req->status = carry_out(blk, &header, chain);
	virtio_mmio_end_work(&blk->dev);
	if (virtq_chain_valid(queue(blk), chain))
		blk->nr++;
	return true;
}

/* Complete the request that is due first, if it is. Return: false if not. */
static bool complete_request(struct virtio_blk *blk)
{
	struct disk_request *req = &blk->requests[blk->first];

	if (!blk->nr || req->due_ns > clock_ns())
		return false;
	if (virtq_chain_valid(queue(blk), &req->chain))
		*req->status_hva = req->status;
	virtq_push(queue(blk), &req->chain, req->written);
	virtq_kick(queue(blk));
	blk->first = (blk->first + 1) % DISK_MAX_REQUESTS;
	blk->nr--;
	return true;
}

/* A time that is over makes the timer readable at once, as it should be. */
static void set_timer(struct virtio_blk *blk)
{
	struct itimerspec when = {};
	u64 due;

	if (!blk->nr)
		return;
	due = blk->requests[blk->first].due_ns;
	when.it_value.tv_sec = due / NSEC_PER_SEC;
	when.it_value.tv_nsec = due % NSEC_PER_SEC;
	timerfd_settime(blk->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

void virtio_blk_process(struct virtio_blk *blk)
{
	bool progress = true;
	eventfd_t count;
	unsigned int i;
	u64 expired;

	eventfd_read(blk->dev.notify_fd, &count);
	if (read(blk->timer_fd, &expired, sizeof(expired)) < 0)
		expired = 0;
	pthread_mutex_lock(&blk->dev.lock);
	for (i = 0; i < MAX_STEPS && progress; i++) {
		progress = take_request(blk);
		progress = complete_request(blk) || progress;
	}
	set_timer(blk);
	pthread_mutex_unlock(&blk->dev.lock);
	if (progress)
		eventfd_write(blk->dev.notify_fd, 1);
}

static int open_file(struct virtio_blk *blk, struct errmsg *err)
{
	struct disk_config *disk = &blk->disk;
	off_t size;

	blk->fd = open(disk->path, (disk->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (blk->fd < 0)
		return errmsg_set(err, kvm_errno_kind(errno) == ERRMSG_HOST ?
				       ERRMSG_HOST : ERRMSG_INPUT, errno,
				  "opening disk %s%s", disk->path,
				  disk->read_only ? "" : " (read_only would need less)");
	/* fstat() does not know the size of a block device. */
	size = lseek(blk->fd, 0, SEEK_END);
	if (size < 0)
		return errmsg_set(err, ERRMSG_INPUT, errno,
				  "disk %s has no size: it has to be a file or block device",
				  disk->path);
	disk->size = size;
	return 0;
}

static int check_size(const struct disk_config *disk, struct errmsg *err)
{
	if (disk->size && disk->size % DISK_SECTOR_SIZE == 0 && disk->size <= INT64_MAX)
		return 0;
	return errmsg_set(err, ERRMSG_INPUT, EINVAL,
			  "disk %s has %llu bytes, it has to be a multiple of %u and not 0",
			  disk->path ?: "in memory", (unsigned long long)disk->size,
			  DISK_SECTOR_SIZE);
}

static void describe(struct virtio_blk *blk)
{
	*blk->config = (struct virtio_blk_config){
		.capacity = blk->disk.size / DISK_SECTOR_SIZE,
		.seg_max = DISK_MAX_REQUESTS - 2,	/* with header and status a chain */
		.blk_size = DISK_SECTOR_SIZE,
		.max_discard_sectors = MAX_ZEROES,
		.max_discard_seg = 1,
		.discard_sector_alignment = 1,
		.max_write_zeroes_sectors = MAX_ZEROES,
		.max_write_zeroes_seg = 1,
		.write_zeroes_may_unmap = 1,
	};
	blk->ops = (struct virtio_dev_ops){
		.device_id = VIRTIO_ID_BLOCK,
		.nr_queues = 1,
		.queue_size = DISK_MAX_REQUESTS,
		.features = BIT_ULL(VIRTIO_BLK_F_SEG_MAX) | BIT_ULL(VIRTIO_BLK_F_BLK_SIZE) |
			    BIT_ULL(VIRTIO_BLK_F_FLUSH),
		.config = blk->config,
		.config_size = sizeof(*blk->config),
		.reset = blk_reset,
	};
	blk->ops.features |= blk->disk.read_only ? BIT_ULL(VIRTIO_BLK_F_RO) :
			     BIT_ULL(VIRTIO_BLK_F_DISCARD) | BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES);
}

static void release(struct virtio_blk *blk)
{
	free(blk->config);
	free(blk->requests);
	if (blk->timer_fd >= 0)
		close(blk->timer_fd);
	if (blk->fd >= 0)
		close(blk->fd);
}

int virtio_blk_init(struct virtio_blk *blk, const struct disk_config *cfg,
		    const struct numa_mem *mem, void (*irq)(void *ctx), void *irq_ctx,
		    struct errmsg *err)
{
	int ret = 0;

	memset(blk, 0, sizeof(*blk));
	blk->disk = *cfg;
	blk->fd = -1;
	blk->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (blk->timer_fd < 0)
		return errmsg_set(err, kvm_errno_kind(errno), errno, "a timer for the disk");
	blk->requests = calloc(DISK_MAX_REQUESTS, sizeof(*blk->requests));
	blk->config = calloc(1, sizeof(*blk->config));
	if (!blk->requests || !blk->config)
		ret = errmsg_set(err, ERRMSG_HOST, ENOMEM, "requests of the disk");
	else if (cfg->path)
		ret = open_file(blk, err);
	ret = ret ?: check_size(&blk->disk, err);
	if (!ret) {
		describe(blk);
		ret = virtio_mmio_init(&blk->dev, &blk->ops, mem, irq, irq_ctx, err);
	}
	if (ret)
		release(blk);
	return ret;
}

void virtio_blk_destroy(struct virtio_blk *blk)
{
	virtio_mmio_destroy(&blk->dev);
	release(blk);
}
