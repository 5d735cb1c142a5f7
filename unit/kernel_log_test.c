// SPDX-License-Identifier: GPL-2.0
/* Trouble in a kernel log is found; what only looks like it is not. */
#include <linux/kernel.h>
#include <string.h>

#include "kernel_log.h"
#include "harness.h"

static const char healthy[] =
	"[    0.000000] Linux version 6.12.0 (cc) #1 SMP\n"
	"[    0.100000] Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on\n"
	"[    0.150000] debug: DEBUG: on\n"
	"[    0.200000] rcu: Hierarchical RCU implementation.\n"
	"[    0.250000] rcu: \tRCU CPU stall warnings timeout set to 21 (rcu_cpu_stall_timeout).\n"
	"[    1.500000] sched_ext: BPF scheduler \"simple\" enabled\n"
	"no stamp at all\n"
	"[not a stamp] BUGS:\n";

TEST(healthy_log)
{
	struct kernel_log_trouble found;

	EXPECT_FALSE(kernel_log_find("", 0, &found));
	EXPECT_FALSE(kernel_log_find("\n\n", 0, &found));
	EXPECT_FALSE(kernel_log_find(healthy, 0, &found));
}

TEST(each_sign)
{
	static const struct {
		const char *said;
		bool slow;
	} cases[] = {
		{ "BUG: kernel NULL pointer dereference, address: 0000000000000010", false },
		{ "BUG: sleeping function called from invalid context", false },
		{ "kernel BUG at kernel/sched/core.c:1!", false },
		{ "WARNING: CPU: 1 PID: 33 at kernel/sched/ext.c:2 scx_x+0x1/0x2", false },
		{ "WARNING: possible circular locking dependency detected", false },
		{ "Oops: 0002 [#1] PREEMPT SMP", false },
		{ "general protection fault, probably for non-canonical address", false },
		{ " Call Trace:", false },
		{ "watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [spin:77]", true },
		{ "BUG: workqueue lockup - pool cpus=0 stuck for 31s!", true },
		{ "watchdog: Watchdog detected hard LOCKUP on cpu 3", true },
		{ "rcu: INFO: rcu_sched self-detected stall on CPU", true },
		{ "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:", true },
		{ "INFO: task kworker/0:1:9 blocked for more than 122 seconds.", true },
	};
	struct kernel_log_trouble found;
	char text[1024], want[256];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(want, sizeof(want), "[   12.345678] %s", cases[i].said);
		snprintf(text, sizeof(text), "%s%s\n[   13.000000] later", healthy, want);
		ASSERT_TRUE(kernel_log_find(text, 0, &found)) {
			TH_LOG("%s", want);
		}
		EXPECT_EQ(strlen(want), found.len);
		EXPECT_EQ(0, strncmp(found.line, want, found.len));
		EXPECT_EQ(12345678000ULL, found.at_ns);
		EXPECT_EQ(cases[i].slow, found.slow) {
			TH_LOG("%s", want);
		}
		/* The last line may lack its end. */
		*strrchr(text, '\n') = '\0';
		EXPECT_TRUE(kernel_log_find(text, 0, &found));
		/* But a hung task was there before. */
		EXPECT_EQ(!strstr(want, "blocked for"),
			  kernel_log_find(text, 12345678000ULL, &found));
		EXPECT_FALSE(kernel_log_find(text, 12345679000ULL, &found));
	}
}

TEST(first_one_is_told)
{
	static const char text[] = "BUG: one\n[    1.000000] BUG: two\nBUG: three";
	struct kernel_log_trouble found;

	ASSERT_TRUE(kernel_log_find(text, 0, &found));
	EXPECT_EQ(&text[0], found.line);
	EXPECT_EQ(8, found.len);
	EXPECT_EQ(0, found.at_ns);
	ASSERT_TRUE(kernel_log_find(text, 1, &found));
	EXPECT_EQ(0, strncmp(found.line, "[    1.000000] BUG: two", found.len));
}

/* What a slow host explains is passed over, with its traces, but nothing else is. */
TEST(fault_after_stall)
{
	static const char stall[] =
		"[   30.000000] rcu: INFO: rcu_sched self-detected stall on CPU\n"
		"[   30.000100] NMI backtrace for cpu 1\n"
		"[   30.000200] Call Trace:\n"
		"[   30.000300]  <TASK>\n"
		"[   50.000000] NMI backtrace for cpu 2\n"
		"[   50.000100] Call Trace:\n"
		"[   51.000000] watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [spin:77]\n"
		"[   51.000100] Call Trace:\n";
	static const char * const faults[] = {
		"BUG: kernel NULL pointer dereference, address: 0000000000000010",
		"Oops: 0002 [#1] PREEMPT SMP",
		"WARNING: CPU: 1 PID: 33 at kernel/sched/ext.c:2 scx_x+0x1/0x2",
	};
	struct kernel_log_trouble found;
	char text[1024];
	size_t i;

	ASSERT_TRUE(kernel_log_find(stall, 0, &found));
	EXPECT_TRUE(found.slow);
	EXPECT_FALSE(kernel_log_find_fault(stall, 0, &found));
	EXPECT_FALSE(kernel_log_find_fault(healthy, 0, &found));
	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		snprintf(text, sizeof(text), "%s[   60.000000] %s\n[   60.000001] Call Trace:\n",
			 stall, faults[i]);
		ASSERT_TRUE(kernel_log_find_fault(text, 0, &found));
		EXPECT_FALSE(found.slow);
		EXPECT_EQ(60 * 1000000000ULL, found.at_ns) {
			TH_LOG("%s", faults[i]);
		}
	}
	/* A trace of its own, and one that is not the stall's: it came before. */
	EXPECT_TRUE(kernel_log_find_fault("[    1.000000] Call Trace:\n", 0, &found));
	snprintf(text, sizeof(text), "[   29.000000] Call Trace:\n%s", stall);
	ASSERT_TRUE(kernel_log_find_fault(text, 0, &found));
	EXPECT_EQ(29 * 1000000000ULL, found.at_ns);
	/* A stall that is too old has traces that are too old. */
	EXPECT_FALSE(kernel_log_find_fault(text, 30 * 1000000000ULL, &found));
}

/* Who was blocked before says nothing about what came after. */
TEST(hung_tasks_have_hung_before)
{
	static const char text[] =
		"[    8.200000] INFO: task kworker/u16:2:28 blocked for more than 2 seconds.\n"
		"[    8.200100]       Not tainted 6.12.117 #3\n";
	struct kernel_log_trouble found;

	ASSERT_TRUE(kernel_log_find(text, 0, &found));
	EXPECT_TRUE(found.slow);
	EXPECT_EQ(8200000000ULL, found.at_ns);
	EXPECT_TRUE(kernel_log_find(text, 6200000000ULL, &found));
	EXPECT_FALSE(kernel_log_find(text, 6200000001ULL, &found));
	EXPECT_FALSE(kernel_log_find(text, 8100000000ULL, &found));
}

TEST(since)
{
	static const char text[] = "boot\n[    1.000000] one\n[    2.000000] two\nmore\n";

	EXPECT_STREQ(text, kernel_log_since(text, 0));
	EXPECT_STREQ(text + 5, kernel_log_since(text, 1));
	EXPECT_STREQ("[    2.000000] two\nmore\n", kernel_log_since(text, 1000001000));
	EXPECT_STREQ("", kernel_log_since(text, 2000001000));
	EXPECT_STREQ("", kernel_log_since("", 0));
}

TEST_HARNESS_MAIN
