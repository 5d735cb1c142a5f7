/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Compressed initramfs images in shared memory, so that an image is compressed
 * by the first guest that needs it, and is in memory once for all guests.
 *
 * An image is a segment: a file in a directory of this user's, ktstr-UID, which
 * is in /dev/shm or else in $XDG_RUNTIME_DIR. Its name is a hash of the plain
 * archive with all that is in it: files that have changed since make another
 * archive, so that what is found is never out of date.
 *
 * Whoever writes a segment holds an exclusive flock(2) on it, whoever uses it a
 * shared one, which the kernel drops with the process, however that ends. What
 * makes a segment valid is its mode: 0400, which is set when all is written; a
 * segment that a killed process has left behind has another, and is written
 * anew. When a segment is added, those go that nobody uses and that are old or
 * too many.
 */
#ifndef KTSTR_INITRAMFS_CACHE_H
#define KTSTR_INITRAMFS_CACHE_H

#include <linux/sizes.h>
#include <stdbool.h>
#include <stddef.h>

#include "errmsg.h"
#include "initramfs.h"

/* What is kept, the most recently used first; what is in use is always kept. */
#define INITRAMFS_CACHE_MAX_SEGMENTS	16
#define INITRAMFS_CACHE_MAX_BYTES	((size_t)SZ_256M)
#define INITRAMFS_CACHE_MAX_AGE		(24 * 3600)	/* seconds since its last use */

/**
 * struct initramfs_segment - a compressed image, to be the base of a guest's
 * @fd: the file, locked as long as this is open; or memory of our own
 * @size: bytes, a multiple of INITRAMFS_ALIGN
 * @found: it was there, and nothing had to be compressed
 * @note: why it is not shared; empty if it is
 */
struct initramfs_segment {
	int fd;
	size_t size;
	bool found;
	struct errmsg note;
};

/**
 * initramfs_cache_get() - find the compressed image of an archive, or make it
 * @seg: to be given to initramfs_cache_put() when no guest uses it any more
 * @root: directory in which to keep segments; NULL for the usual ones
 * @ir: the archive, which is finished here; only initramfs_destroy() may follow
 * @err: what failed
 *
 * Where nothing can be shared, because there is no room or no such directory,
 * the image is in memory of this process, and @seg->note says why. A segment
 * that somebody else is writing is waited for, but not for ever.
 *
 * Return: 0 or a negative errno.
 */
int initramfs_cache_get(struct initramfs_segment *seg, const char *root,
			struct initramfs *ir, struct errmsg *err);

/**
 * initramfs_cache_put() - let go of a segment
 * @seg: from initramfs_cache_get(), or zeroed
 */
void initramfs_cache_put(struct initramfs_segment *seg);

#endif /* KTSTR_INITRAMFS_CACHE_H */
