/* SPDX-License-Identifier: GPL-2.0 */
/* Files that are written whole. */
#ifndef KTSTR_WRITE_ALL_H
#define KTSTR_WRITE_ALL_H

#include <errno.h>
#include <linux/kernel.h>
#include <stddef.h>
#include <unistd.h>

/**
 * write_all() - write all of something, however many calls that takes
 * @fd: where, a blocking one
 * @data: what
 * @size: bytes at @data
 *
 * (tools/lib/perf has writen(), which is internal to that library.)
 *
 * Return: 0, or the negative errno of write(2); then some of it may be written.
 */
static inline int write_all(int fd, const char *data, size_t size)
{
	ssize_t n;

	for (; size; data += n, size -= n) {
		n = write(fd, data, size);
		if (n < 0 && errno != EINTR)
			return -errno;
		n = max_t(ssize_t, n, 0);
	}
	return 0;
}

#endif /* KTSTR_WRITE_ALL_H */
