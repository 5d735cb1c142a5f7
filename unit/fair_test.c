// SPDX-License-Identifier: GPL-2.0
/* CPUs are shared by weight, level by level, and nobody gets more than it can use. */
#include <linux/kernel.h>

#include "fair.h"
#include "harness.h"

#define PERCENT	(FAIR_CPU / 100)

/* Within one in a thousand: integers round. */
static bool near(u64 want, u64 seen)
{
	return seen + want / 1000 >= want && seen <= want + want / 1000;
}

TEST(nice_is_a_factor_per_step)
{
	int nice;

	EXPECT_EQ(FAIR_NICE_0, fair_nice_weight(0));
	EXPECT_EQ(88761, fair_nice_weight(-20));
	EXPECT_EQ(88761, fair_nice_weight(-21));
	EXPECT_EQ(15, fair_nice_weight(19));
	EXPECT_EQ(15, fair_nice_weight(100));
	for (nice = -20; nice < 19; nice++) {
		EXPECT_LT(fair_nice_weight(nice + 1) * 115, fair_nice_weight(nice) * 100);
		EXPECT_GT(fair_nice_weight(nice + 1) * 135, fair_nice_weight(nice) * 100);
	}
}

TEST(nice_shares)
{
	static const struct fair_group groups[] = {
		{ .tasks = 4, .weight = 1024 }, { .tasks = 4, .weight = 335 },
	};
	u64 due[2];

	EXPECT_FALSE(fair_due(groups, 2, NULL, 0, 2 * FAIR_CPU, due));
	EXPECT_TRUE(near(2ULL * FAIR_CPU * 1024 / 1359, due[0]));
	EXPECT_TRUE(near(2ULL * FAIR_CPU * 335 / 1359, due[1]));
}

/* The number of tasks in a cgroup is no weight; at the root, each counts. */
TEST(cgroup_shares)
{
	static const struct fair_cgroup cgroups[] = { { "b", 300 }, { "c", 0 } };
	static const struct fair_group groups[] = {
		{ "a", 8, 1024 }, { "b", 2, 1024 }, { "c", 4, 335 }, { NULL, 5, 1024 },
	};
	u64 due[4];

	EXPECT_FALSE(fair_due(groups, 4, cgroups, 2, FAIR_CPU, due));
	EXPECT_TRUE(near(10 * PERCENT, due[0]));
	EXPECT_TRUE(near(30 * PERCENT, due[1]));
	EXPECT_TRUE(near(10 * PERCENT, due[2]));
	EXPECT_TRUE(near(50 * PERCENT, due[3]));
}

/* "a" and "ab" are strangers, "a/x" and "a/y" share what "a" has. */
TEST(nested_shares)
{
	static const struct fair_cgroup cgroups[] = {
		{ "a", 300 }, { "a/x", 100 }, { "a/y", 300 }, { "ab", 100 },
	};
	static const struct fair_group groups[] = {
		{ "a/x", 4, 1024 }, { "a/y", 3, 1024 }, { "a/y", 1, 1024 }, { "ab/x", 4, 1024 },
	};
	u64 due[4];

	EXPECT_FALSE(fair_due(groups, 4, cgroups, 4, 160 * PERCENT, due));
	EXPECT_TRUE(near(30 * PERCENT, due[0]));
	EXPECT_TRUE(near(675 * PERCENT / 10, due[1]));
	EXPECT_TRUE(near(225 * PERCENT / 10, due[2]));
	EXPECT_TRUE(near(40 * PERCENT, due[3]));
}

/* One task has one CPU at most; the others share what it leaves. */
TEST(what_nobody_can_use)
{
	static const struct fair_cgroup cgroups[] = { { "big", 10000 } };
	static const struct fair_group groups[] = {
		{ "big", 1, 1024 }, { "x", 4, 1024 }, { "y", 4, 1024 }, { "gone", 0, 1024 },
	};
	u64 due[4];

	EXPECT_TRUE(fair_due(groups, 4, cgroups, 1, 4 * FAIR_CPU, due));
	EXPECT_EQ(FAIR_CPU, due[0]);
	EXPECT_TRUE(near(150 * PERCENT, due[1]));
	EXPECT_TRUE(near(150 * PERCENT, due[2]));
	EXPECT_EQ(0, due[3]);
	/* More CPUs than tasks: each has its own. */
	EXPECT_TRUE(fair_due(groups, 4, cgroups, 1, 100ULL * FAIR_CPU, due));
	EXPECT_EQ(FAIR_CPU, due[0]);
	EXPECT_EQ(4 * FAIR_CPU, due[1]);
}

TEST(large_machine)
{
	static const struct fair_group groups[] = {
		{ "a", 4096, 88761 }, { "a", 4096, 88761 }, { "b", 4096, 15 },
	};
	u64 due[3];

	EXPECT_FALSE(fair_due(groups, 3, NULL, 0, 4096ULL * FAIR_CPU, due));
	EXPECT_TRUE(near(1024ULL * FAIR_CPU, due[0]));
	EXPECT_TRUE(near(1024ULL * FAIR_CPU, due[1]));
	EXPECT_TRUE(near(2048ULL * FAIR_CPU, due[2]));
}

TEST_HARNESS_MAIN
