// SPDX-License-Identifier: GPL-2.0
/* Histograms: every time has its bucket, with an error that has a bound. */
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>

#include "hist.h"
#include "harness.h"

TEST(buckets_are_in_order)
{
	unsigned int i;

	for (i = 0; i < HIST_BUCKETS - 1; i++) {
		EXPECT_EQ(i, hist_bucket(hist_upper(i)));
		EXPECT_EQ(i + 1, hist_bucket(hist_upper(i) + 1));
	}
	EXPECT_EQ(0, hist_bucket(0));
	EXPECT_EQ(HIST_BUCKETS - 1, hist_bucket(1ULL << HIST_MAX_BITS));
	EXPECT_EQ(HIST_BUCKETS - 1, hist_bucket(~0ULL));
	EXPECT_EQ((1ULL << HIST_MAX_BITS) - 1, hist_upper(HIST_BUCKETS - 1));
}

/* The upper end is never below the time, and above it by 1/16 at most. */
TEST(error_is_bounded)
{
	u64 ns, upper;
	int bit, i;

	srandom(1);
	for (bit = 0; bit < HIST_MAX_BITS; bit++) {
		for (i = 0; i < 1000; i++) {
			ns = (1ULL << bit) | ((u64)random() << 20 & ((1ULL << bit) - 1));
			upper = hist_upper(hist_bucket(ns));
			EXPECT_GE(upper, ns);
			EXPECT_LE(upper - ns, ns / 16);
		}
	}
}

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

#define SAMPLES	20000

/* Percentiles are those of the sorted samples, but for the error. */
TEST(percentiles)
{
	static const unsigned int parts[] = { 1, 100, 2500, 5000, 9000, 9900, 9990, 9999, 10000 };
	static u64 samples[SAMPLES];
	struct hist h = { };
	u64 want, got;
	size_t i;

	srandom(2);
	for (i = 0; i < SAMPLES; i++) {
		samples[i] = (u64)random() >> random() % 28;
		hist_add(&h, samples[i], 1);
	}
	qsort(samples, SAMPLES, sizeof(samples[0]), compare);
	EXPECT_EQ(SAMPLES, hist_total(&h));
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		want = samples[(SAMPLES * parts[i] + 9999) / 10000 - 1];
		got = hist_percentile(&h, parts[i]);
		EXPECT_GE(got, want) TH_LOG("part %u", parts[i]);
		EXPECT_LE(got - want, want / 16) TH_LOG("part %u", parts[i]);
	}
}

TEST(percentiles_of_few)
{
	struct hist h = { };

	EXPECT_EQ(0, hist_percentile(&h, 5000));
	EXPECT_EQ(0, hist_total(&h));
	hist_add(&h, 7, 1);
	EXPECT_EQ(7, hist_percentile(&h, 0));
	EXPECT_EQ(7, hist_percentile(&h, 5000));
	EXPECT_EQ(7, hist_percentile(&h, 10000));
	/* Of 1000 and one that took long, p99.9 is not the long one yet. */
	hist_add(&h, 7, 998);
	hist_add(&h, 1000000, 1);
	EXPECT_EQ(7, hist_percentile(&h, 9990));
	EXPECT_LE(1000000, hist_percentile(&h, 9991));
}

TEST(merged_is_as_if_counted_in_one)
{
	struct hist a = { }, b = { }, both = { };
	u64 ns;
	int i;

	srandom(3);
	for (i = 0; i < 5000; i++) {
		ns = (u64)random() << random() % 10;
		hist_add(i % 3 ? &a : &b, ns, 1);
		hist_add(&both, ns, 1);
	}
	hist_merge(&a, &b);
	EXPECT_EQ(0, memcmp(&a, &both, sizeof(a)));
}

TEST(counts_do_not_wrap)
{
	struct hist a = { }, b = { };

	hist_add(&a, 5, ~0U - 1);
	hist_add(&b, 5, 3);
	hist_merge(&a, &b);
	EXPECT_EQ(~0U, a.count[5]);
	hist_add(&a, 5, 1);
	EXPECT_EQ(~0U, a.count[5]);
	EXPECT_EQ(~0U, hist_total(&a));
	EXPECT_EQ(5, hist_percentile(&a, 9999));
}

TEST_HARNESS_MAIN
