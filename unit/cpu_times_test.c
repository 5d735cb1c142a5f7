// SPDX-License-Identifier: GPL-2.0
/* /proc/stat is read by columns, whatever else is in it. */
#include <string.h>

#include "clock.h"
#include "cpu_times.h"
#include "harness.h"

#define TICK	(10 * NSEC_PER_MSEC)

static const char stat[] =
	"cpu  30 0 20 700 10 0 2 5 0 0\n"
	"cpu0 10 1 15 300 7 2 1 4 99 99\n"
	"cpu12 20 0 5 400 3 0 1 1 0 0\n"
	"intr 12345 0 0\n"
	"cpufreq 1 2 3 4 5 6 7 8\n"
	"ctxt 9876\n";

TEST(columns)
{
	static struct cpu_times t;

	ASSERT_EQ(2, cpu_times_parse(stat, &t));
	EXPECT_EQ(2, cpu_set_count(&t.online));
	EXPECT_TRUE(cpu_set_has(&t.online, 0));
	EXPECT_TRUE(cpu_set_has(&t.online, 12));
	EXPECT_EQ(340 * TICK, t.total_ns[0]);
	EXPECT_EQ(307 * TICK, t.idle_ns[0]);
	EXPECT_EQ(4 * TICK, t.steal_ns[0]);
	EXPECT_EQ(430 * TICK, t.total_ns[12]);
	EXPECT_EQ(403 * TICK, t.idle_ns[12]);
	EXPECT_EQ(1 * TICK, t.steal_ns[12]);
	EXPECT_EQ(0, t.total_ns[1]);
}

/* What was there before is gone, and half a number is none. */
TEST(other_content)
{
	static struct cpu_times t;

	ASSERT_EQ(1, cpu_times_parse("cpu3 1 2 3 4 5 6 7 8\n", &t));
	EXPECT_EQ(36 * TICK, t.total_ns[3]);
	EXPECT_EQ(0, cpu_times_parse("", &t));
	EXPECT_EQ(0, t.total_ns[3]);
	EXPECT_EQ(0, cpu_set_count(&t.online));
	EXPECT_EQ(0, cpu_times_parse("cpu0 1 2 3 4 5 6 7 8", &t));
	EXPECT_EQ(0, cpu_times_parse("cpu0 1 2 3 4 5 6 7\n8 9\n", &t));
	EXPECT_EQ(0, cpu_times_parse("cpu0 a b\ncpu-1 1 2 3 4 5 6 7 8\ncpu\n", &t));
	EXPECT_EQ(0, cpu_times_parse("cpu4096 1 2 3 4 5 6 7 8\n", &t));
	EXPECT_EQ(1, cpu_times_parse("cpu4095 1 2 3 4 5 6 7 8\n", &t));
}

TEST_HARNESS_MAIN
