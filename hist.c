// SPDX-License-Identifier: GPL-2.0
#include <linux/bits.h>
#include <linux/kernel.h>

#include "hist.h"

#define SUB	BIT(HIST_SUB_BITS)

/*
 * Times below SUB have a bucket each. Above, the leading bit says which group of
 * SUB buckets, and the HIST_SUB_BITS after it which of the group.
 */
unsigned int hist_bucket(u64 ns)
{
	unsigned int shift;

	if (ns < SUB)
		return ns;
	ns = min_t(u64, ns, (1ULL << HIST_MAX_BITS) - 1);
	shift = 63 - __builtin_clzll(ns) - HIST_SUB_BITS;
	return (shift << HIST_SUB_BITS) + (ns >> shift);
}

u64 hist_upper(unsigned int bucket)
{
	unsigned int shift;

	if (bucket < SUB)
		return bucket;
	shift = (bucket >> HIST_SUB_BITS) - 1;
	return ((SUB + bucket % SUB + 1) << shift) - 1;
}

void hist_add(struct hist *h, u64 ns, u32 n)
{
	u32 *count = &h->count[hist_bucket(ns)];

	*count = *count + n < n ? ~0U : *count + n;
}

void hist_merge(struct hist *h, const struct hist *from)
{
	unsigned int i;

	for (i = 0; i < HIST_BUCKETS; i++)
		if (from->count[i])
			hist_add(h, hist_upper(i), from->count[i]);
}

u64 hist_total(const struct hist *h)
{
	unsigned int i;
	u64 total = 0;

	for (i = 0; i < HIST_BUCKETS; i++)
		total += h->count[i];
	return total;
}

u64 hist_percentile(const struct hist *h, unsigned int per_myriad)
{
	u64 total = hist_total(h), seen = 0;
	unsigned int i;

	if (!total)
		return 0;
	for (i = 0; i < HIST_BUCKETS - 1; i++) {
		seen += h->count[i];
		if (h->count[i] && seen * 10000 >= total * per_myriad)
			break;
	}
	return hist_upper(i);
}
