/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A disk with a set speed, for workloads that wait for I/O (virtio 1.2, section
 * 5.2). A request is carried out when it comes and completes when it is due,
 * so that the time that the guest sees is the one that was set, as long as the
 * host's storage is not slower.
 */
#ifndef KTSTR_VIRTIO_BLK_H
#define KTSTR_VIRTIO_BLK_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "errmsg.h"
#include "numa_mem.h"
#include "virtio_mmio.h"

#define DISK_SECTOR_SIZE	512
#define DISK_MAX_REQUESTS	128	/* in flight */

/* What the guest reads in /sys/block/vda/serial; at most VIRTIO_BLK_ID_BYTES */
#define DISK_ID			"ktstr-disk"

/**
 * struct disk_config - a disk for a guest
 * @path: a regular file or block device; or NULL
 * @memory: if there is no @path: the disk's content, of the caller, who may look
 *	at it while the guest runs. It must stay until the VM is destroyed.
 * @size: bytes at @memory. The size of a disk is a multiple of DISK_SECTOR_SIZE
 *	and not 0.
 * @read_only: the guest can only read it
 * @latency_ns: what a request takes at least, from the guest's notification
 *	having been seen to the interrupt
 * @iops: requests per second at most; 0: no limit
 * @bytes_per_sec: read or written at most; 0: no limit
 *
 * The limits hold over any time: a disk that was idle makes up for nothing. A
 * request waits for its latency and for the limits at the same time.
 */
struct disk_config {
	const char *path;
	void *memory;
	u64 size;
	bool read_only;
	u64 latency_ns;
	u64 iops;
	u64 bytes_per_sec;
};

struct disk_request;
struct virtio_blk_config;

/**
 * struct virtio_blk - the device; initialise with virtio_blk_init()
 * @dev: the transport, whose lock guards what is below @requests
 * @disk: what was asked for; @disk.size is filled in
 * @fd: of the file, or -1
 * @ops: of @dev: features and configuration differ from disk to disk
 * @config: the configuration space
 * @timer_fd: readable when a request is due
 * @requests: a ring of DISK_MAX_REQUESTS, in the order in which they are due
 * @first: the one that is due first
 * @nr: how many are in flight
 * @free_ns: when the limits let the next request pass, by CLOCK_MONOTONIC
 */
struct virtio_blk {
	struct virtio_mmio dev;
	struct disk_config disk;
	int fd;
	struct virtio_dev_ops ops;
	struct virtio_blk_config *config;
	int timer_fd;
	struct disk_request *requests;
	unsigned int first;
	unsigned int nr;
	u64 free_ns;
};

/**
 * virtio_blk_init() - a disk in its reset state
 * @blk: filled in
 * @cfg: see struct disk_config; copied
 * @mem: guest RAM, mapped; must outlive @blk
 * @irq: raises the device's interrupt, as an edge; see struct virtio_mmio
 * @irq_ctx: passed to @irq
 * @err: what failed
 *
 * Return: 0, or a negative errno with nothing left open.
 */
int virtio_blk_init(struct virtio_blk *blk, const struct disk_config *cfg,
		    const struct numa_mem *mem, void (*irq)(void *ctx), void *irq_ctx,
		    struct errmsg *err);

/**
 * virtio_blk_destroy() - release what virtio_blk_init() took
 * @blk: no thread uses it any more
 */
void virtio_blk_destroy(struct virtio_blk *blk);

/**
 * virtio_blk_process() - take requests, and complete those that are due
 * @blk: the disk
 *
 * To be called by one thread whenever dev.notify_fd or timer_fd is readable.
 * It may wait for the host's storage. Does a bounded number of requests; if
 * there are more, dev.notify_fd is readable again.
 */
void virtio_blk_process(struct virtio_blk *blk);

#endif /* KTSTR_VIRTIO_BLK_H */
