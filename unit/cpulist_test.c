// SPDX-License-Identifier: GPL-2.0
/* CPU lists: what sysfs writes is read and written back, all else refused. */
#include <errno.h>
#include <linux/kernel.h>
#include <string.h>

#include "cpulist.h"
#include "harness.h"

TEST(round_trip)
{
	static const char * const lists[] = {
		"", "0", "63", "64", "4095", "0-4095", "0-63", "64-127", "63-64",
		"0-3,8,10-11", "0,2,4,6", "1-2,4-5,4094-4095",
	};
	struct cpu_set set;
	char buf[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		ASSERT_EQ(0, cpu_set_parse(&set, lists[i]))
			TH_LOG("\"%s\"", lists[i]);
		EXPECT_STREQ(lists[i], cpu_set_format(&set, buf, sizeof(buf)));
	}
}

/* Not as sysfs would write it, but clear: order and overlap do not matter. */
TEST(normalised)
{
	static const struct {
		const char *list;
		const char *same;
	} cases[] = {
		{ "3,1,2", "1-3" }, { "0-5,3-8", "0-8" }, { "7,7", "7" },
		{ "5-5", "5" }, { "0,1", "0-1" }, { "007", "7" },
	};
	struct cpu_set set;
	char buf[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_EQ(0, cpu_set_parse(&set, cases[i].list))
			TH_LOG("\"%s\"", cases[i].list);
		EXPECT_STREQ(cases[i].same, cpu_set_format(&set, buf, sizeof(buf)));
	}
}

TEST(members)
{
	struct cpu_set set, other = {};
	unsigned int cpu;

	ASSERT_EQ(0, cpu_set_parse(&set, "0-3,8,63-64,4095"));
	for (cpu = 0; cpu < TOPOLOGY_MAX_CPUS; cpu++) {
		bool in = cpu <= 3 || cpu == 8 || cpu == 63 || cpu == 64 || cpu == 4095;

		ASSERT_EQ(in, cpu_set_has(&set, cpu))
			TH_LOG("CPU %u", cpu);
		if (in)
			cpu_set_add(&other, cpu);
	}
	EXPECT_TRUE(cpu_set_equal(&set, &other));
	EXPECT_FALSE(cpu_set_has(&set, TOPOLOGY_MAX_CPUS));
	EXPECT_FALSE(cpu_set_has(&set, -1U));
	cpu_set_add(&other, 4094);
	EXPECT_FALSE(cpu_set_equal(&set, &other));
}

TEST(next_and_count)
{
	static const unsigned int cpus[] = { 0, 1, 63, 64, 200, 4095 };
	struct cpu_set set, some;
	unsigned int cpu = 0;
	size_t i;

	ASSERT_EQ(0, cpu_set_parse(&set, "0-1,63-64,200,4095"));
	EXPECT_EQ(ARRAY_SIZE(cpus), cpu_set_count(&set));
	for (i = 0; i < ARRAY_SIZE(cpus); i++, cpu++) {
		cpu = cpu_set_next(&set, cpu);
		ASSERT_EQ(cpus[i], cpu);
	}
	EXPECT_EQ(TOPOLOGY_MAX_CPUS, cpu_set_next(&set, cpu));

	ASSERT_EQ(0, cpu_set_parse(&some, "1-63,4095"));
	cpu_set_and(&some, &set);
	EXPECT_EQ(3, cpu_set_count(&some));
	EXPECT_EQ(1, cpu_set_next(&some, 0));
	EXPECT_EQ(63, cpu_set_next(&some, 2));
	cpu_set_del(&some, 4095);
	EXPECT_EQ(TOPOLOGY_MAX_CPUS, cpu_set_next(&some, 64));
	EXPECT_EQ(2, cpu_set_count(&some));
}

TEST(bad_lists)
{
	static const char * const lists[] = {
		" ", "\n", "a", "-", ",", "0,", ",0", "0,,1", "0-", "-0", "-1", "+1",
		"3-1", "0-1-2", "0 1", "0 ", " 0", "0\n", "0-3:1/2", "0x1", "1.5", "all",
		"4096", "0-4096", "4096-4097", "18446744073709551616", "0-18446744073709551616",
		"99999999999999999999999", "0- 1", "0-+1", "1--2", "0-3;",
	};
	struct cpu_set set;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lists); i++)
		EXPECT_EQ(-EINVAL, cpu_set_parse(&set, lists[i]))
			TH_LOG("\"%s\" was taken", lists[i]);
}

/* Every size: the whole list where it fits, otherwise a beginning and dots. */
TEST(short_buffers)
{
	static const char list[] = "0-3,8,10-11,100,4095";
	char buf[sizeof(list) + 2];
	struct cpu_set set;
	size_t size;

	ASSERT_EQ(0, cpu_set_parse(&set, list));
	for (size = 4; size < sizeof(buf); size++) {
		memset(buf, 0x5a, sizeof(buf));
		ASSERT_EQ(&buf[0], cpu_set_format(&set, buf, size));
		ASSERT_LT(strnlen(buf, sizeof(buf)), size);
		ASSERT_EQ(0x5a, buf[size]);
		if (size >= sizeof(list)) {
			ASSERT_STREQ(list, buf);
			continue;
		}
		ASSERT_EQ(size - 1, strlen(buf));
		ASSERT_STREQ("...", buf + size - 4);
		ASSERT_EQ(0, strncmp(list, buf, size - 4));
	}
}

TEST_HARNESS_MAIN
