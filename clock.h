/* SPDX-License-Identifier: GPL-2.0 */
/* CLOCK_MONOTONIC in nanoseconds. */
#ifndef KTSTR_CLOCK_H
#define KTSTR_CLOCK_H

#include <linux/types.h>
#include <time.h>

#define NSEC_PER_SEC	1000000000ULL
#define NSEC_PER_MSEC	1000000ULL

/** clock_ns() - now, in ns of CLOCK_MONOTONIC */
static inline u64 clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/** clock_add() - the sum of two times; that of "for ever" and anything is for ever */
static inline u64 clock_add(u64 a, u64 b)
{
	return a + b < a ? ~0ULL : a + b;
}

/**
 * clock_deadline() - a time from now, as pthread calls want it
 * @ns: how far from now
 */
static inline struct timespec clock_deadline(u64 ns)
{
	u64 at = clock_ns() + ns;

	return (struct timespec) {
		.tv_sec = at / NSEC_PER_SEC,
		.tv_nsec = at % NSEC_PER_SEC,
	};
}

#endif /* KTSTR_CLOCK_H */
