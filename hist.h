/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Histograms of times: log-linear buckets, as in HdrHistogram. A power of two is
 * cut into 16 buckets, so that a value is known to 1/16 (6.25 %), from 1 ns to
 * 18 minutes in a fixed size, and histograms of many workers can be added up.
 */
#ifndef KTSTR_HIST_H
#define KTSTR_HIST_H

#include <linux/types.h>

#define HIST_SUB_BITS	4
#define HIST_MAX_BITS	40		/* longer times count as 2^40 - 1 ns */
#define HIST_BUCKETS	((HIST_MAX_BITS - HIST_SUB_BITS + 1) << HIST_SUB_BITS)

/**
 * struct hist - how often times were how long; all zero is the empty one
 * @count: per bucket; stays at ~0U once it is there
 */
struct hist {
	u32 count[HIST_BUCKETS];
};

/**
 * hist_bucket() - where a time is counted
 * @ns: the time
 *
 * Return: below HIST_BUCKETS.
 */
unsigned int hist_bucket(u64 ns);

/**
 * hist_upper() - the longest time that is counted in a bucket
 * @bucket: below HIST_BUCKETS
 *
 * Return: ns.
 */
u64 hist_upper(unsigned int bucket);

/* Count @n times of @ns. */
void hist_add(struct hist *h, u64 ns, u32 n);

/* Add all of @from to @h. */
void hist_merge(struct hist *h, const struct hist *from);

/* How many times were counted? */
u64 hist_total(const struct hist *h);

/**
 * hist_percentile() - how long no more than a part of the times took
 * @h: the histogram
 * @per_myriad: the part, in 1/10000: 5000 for the median, 9990 for p99.9
 *
 * Return: the upper end of the bucket that has this time, in ns: never less than
 * the time itself, and more by 1/16 at most; 0 if nothing was counted.
 */
u64 hist_percentile(const struct hist *h, unsigned int per_myriad);

#endif /* KTSTR_HIST_H */
