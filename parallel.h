/* SPDX-License-Identifier: GPL-2.0 */
/* Many items of the same work, spread over the CPUs that there are. */
#ifndef KTSTR_PARALLEL_H
#define KTSTR_PARALLEL_H

#include "errmsg.h"

/* More threads than this would only wait for the locks that they share. */
#define PARALLEL_MAX_THREADS	8

/**
 * parallel_cpus() - how many CPUs this process may run on; at least 1
 *
 * Those of its affinity mask, which a cpuset restricts, too (sched(7)).
 */
unsigned int parallel_cpus(void);

/**
 * struct parallel_work - what to do with items
 * @share: do the items @first to @end - 1; several threads call it at once, each
 *	with items of its own, and again when it is done with these; returns 0 or a
 *	negative errno with @err filled in
 * @min_share: how many items are worth a thread
 */
struct parallel_work {
	int (*share)(void *ctx, unsigned int first, unsigned int end, struct errmsg *err);
	unsigned int min_share;
};

/**
 * parallel_run() - do all items, and return when no thread is left
 * @work: see struct parallel_work
 * @ctx: passed to @work
 * @nr: items 0 to @nr - 1
 * @err: of the lowest items that failed
 *
 * Threads that cannot be had are done without: the caller's does it all. When items
 * have failed, no more are begun.
 *
 * Return: 0, or what the failing share returned.
 */
int parallel_run(const struct parallel_work *work, void *ctx, unsigned int nr,
		 struct errmsg *err);

#endif /* KTSTR_PARALLEL_H */
