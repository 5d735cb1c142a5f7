// SPDX-License-Identifier: GPL-2.0
/* What workers report is summed up per cgroup: shares, gaps, CPUs, trouble. */
#include <errno.h>
#include <linux/kernel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "harness.h"
#include "load.h"

#define MS	NSEC_PER_MSEC

static const struct load_group left = { .name = "left", .workers = 2 };
static const struct load_group right = { .name = "right", .workers = 2 };

/* A worker that had half of a second on CPU 0 */
static struct control_report report(const char *group, u32 index)
{
	struct control_report rep = {
		.r = {
			.index = index,
			.pid = 100 + index,
			.units = 1000,
			.cpu_ns = 500 * MS,
			.wall_ns = 1000 * MS,
			.cpus = { 1 },
		},
	};

	snprintf(rep.group, sizeof(rep.group), "%s", group);
	rep.r.group = rep.group;
	return rep;
}

TEST(no_reports)
{
	struct load_stats st = load_stats(&left, NULL, 0);

	EXPECT_EQ(0, st.workers);
	EXPECT_EQ(0, st.mean_rate);
	EXPECT_EQ(0, load_spread(&st));
	EXPECT_EQ(0, load_migration_rate(&st, WIRE_SAME_LLC));
	EXPECT_EQ(0, hist_total(&st.wake));
}

TEST(sums)
{
	struct control_report reps[] = { report("left", 0), report("left", 1), report("left", 2) };
	struct load_stats st;

	reps[0].r.run_delay_ns = 3 * MS;
	reps[1].r.run_delay_ns = 4 * MS;
	reps[0].r.migrations[WIRE_SAME_LLC] = 5;
	reps[2].r.migrations[WIRE_SAME_LLC] = 6;
	reps[2].r.migrations[WIRE_CROSS_NODE] = 2;
	reps[1].r.cpu_ns = 250 * MS;
	reps[1].r.units = 500;
	reps[2].r.cpu_ns = 750 * MS;
	reps[2].r.units = 1500;
	reps[1].r.max_raw_gap_ns = 70 * MS;
	reps[2].r.max_raw_gap_ns = 60 * MS;
	reps[1].r.cpus[0] = 1 << 3;
	reps[2].r.cpus[15] = 1ULL << 63;
	st = load_stats(&left, reps, ARRAY_SIZE(reps));

	EXPECT_EQ(3, st.workers);
	EXPECT_EQ(1500 * MS, st.cpu_ns);
	EXPECT_EQ(3000, st.units);
	EXPECT_EQ(7 * MS, st.run_delay_ns);
	EXPECT_EQ(11, st.migrations[WIRE_SAME_LLC]);
	EXPECT_EQ(0, st.migrations[WIRE_CROSS_LLC]);
	EXPECT_EQ(2, st.migrations[WIRE_CROSS_NODE]);
	/* 11 of three workers in a second */
	EXPECT_EQ(3666, load_migration_rate(&st, WIRE_SAME_LLC));
	EXPECT_EQ(666, load_migration_rate(&st, WIRE_CROSS_NODE));
	EXPECT_EQ(70 * MS, st.raw_gap_ns);
	EXPECT_EQ(1000, st.mean_rate);
	EXPECT_EQ(500, st.min_rate);
	EXPECT_EQ(1, st.min_worker);
	EXPECT_EQ(1500, st.max_rate);
	EXPECT_EQ(2, st.max_worker);
	EXPECT_EQ(1000 * MS, st.available_ns);
	EXPECT_EQ(100, load_spread(&st));
	EXPECT_EQ(0, st.stuck);
	EXPECT_EQ(0, st.corrupt);
	EXPECT_EQ(0, st.off_cpus);
	EXPECT_TRUE(cpu_set_has(&st.cpus, 0));
	EXPECT_TRUE(cpu_set_has(&st.cpus, 3));
	EXPECT_TRUE(cpu_set_has(&st.cpus, 1023));
	EXPECT_FALSE(cpu_set_has(&st.cpus, 1));
}

/* Groups do not see each other's workers, nor is a prefix a group's name. */
TEST(groups_are_apart)
{
	struct control_report reps[] = {
		report("left", 0), report("right", 0), report("left", 1), report("lefty", 0),
		report("lef", 0), report("", 0), report("right", 1),
	};
	struct load_stats st;
	size_t i;

	reps[1].r.cpu_ns = 100 * MS;
	reps[1].r.units = 100;
	reps[6].r.cpu_ns = 300 * MS;
	reps[6].r.units = 300;
	for (i = 3; i < 6; i++)
		reps[i].r.flags = WIRE_REPORT_DIED;
	st = load_stats(&left, reps, ARRAY_SIZE(reps));
	EXPECT_EQ(2, st.workers);
	EXPECT_EQ(1000 * MS, st.cpu_ns);
	EXPECT_EQ(0, load_spread(&st));
	EXPECT_EQ(0, st.stuck);
	st = load_stats(&right, reps, ARRAY_SIZE(reps));
	EXPECT_EQ(2, st.workers);
	EXPECT_EQ(400 * MS, st.cpu_ns);
	EXPECT_EQ(200, st.mean_rate);
	EXPECT_EQ(100, load_spread(&st));
}

static u64 rate_of(u64 units, u64 wall_ns, u64 steal_ns)
{
	struct control_report rep = report("left", 0);

	rep.r.units = units;
	rep.r.wall_ns = wall_ns;
	rep.r.steal_ns = steal_ns;
	return load_stats(&left, &rep, 1).mean_rate;
}

/* What the host took from the CPUs of a worker was not the scheduler's to give. */
TEST(rate_is_of_what_the_host_left)
{
	EXPECT_EQ(500, rate_of(500, 1000 * MS, 0));
	EXPECT_EQ(1000, rate_of(500, 1000 * MS, 500 * MS));
	EXPECT_EQ(625, rate_of(500, 1000 * MS, 200 * MS));
	EXPECT_EQ(0, rate_of(0, 1000 * MS, 0));
	/* Steal is known in steps of 10 ms. */
	EXPECT_EQ(50000, rate_of(500, 1000 * MS, 995 * MS));
	EXPECT_EQ(50000, rate_of(500, 1000 * MS, 5000 * MS));
	EXPECT_EQ(0, rate_of(0, 0, 0));
}

TEST(steal_is_the_most_that_a_worker_had)
{
	struct control_report reps[] = { report("left", 0), report("left", 1) };

	reps[0].r.steal_ns = 40 * MS;
	reps[1].r.steal_ns = 30 * MS;
	EXPECT_EQ(40 * MS, load_stats(&left, reps, ARRAY_SIZE(reps)).steal_ns);
}

/* Every way to get stuck counts once for a worker; a wrong result is another matter. */
TEST(flags)
{
	static const struct {
		u32 flags;
		unsigned int stuck;
		unsigned int corrupt;
	} cases[] = {
		{ 0, 0, 0 },
		{ WIRE_REPORT_NOT_STOPPED, 1, 0 },
		{ WIRE_REPORT_NEVER_RAN, 1, 0 },
		{ WIRE_REPORT_DIED, 1, 0 },
		{ WIRE_REPORT_NOT_STOPPED | WIRE_REPORT_NEVER_RAN | WIRE_REPORT_DIED, 1, 0 },
		{ WIRE_REPORT_CORRUPT, 0, 1 },
		{ WIRE_REPORT_CORRUPT | WIRE_REPORT_DIED, 1, 1 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct control_report reps[] = {
			report("left", 0), report("left", 1), report("left", 2),
		};
		struct load_stats st;

		reps[0].r.flags = cases[i].flags;
		reps[2].r.flags = cases[i].flags;
		st = load_stats(&left, reps, ARRAY_SIZE(reps));
		EXPECT_EQ(3, st.workers);
		EXPECT_EQ(2 * cases[i].stuck, st.stuck);
		EXPECT_EQ(2 * cases[i].corrupt, st.corrupt);
	}
}

TEST(wake_ups_of_all_workers)
{
	struct control_report reps[] = { report("left", 0), report("left", 1), report("right", 0) };
	struct load_stats st;

	hist_add(&reps[0].r.wake, 1000, 99);
	hist_add(&reps[1].r.wake, 50000, 1);
	hist_add(&reps[2].r.wake, 7 * MS, 500);
	reps[0].r.max_raw_wake_ns = 2000;
	reps[1].r.max_raw_wake_ns = 51000;
	st = load_stats(&left, reps, ARRAY_SIZE(reps));
	EXPECT_EQ(100, hist_total(&st.wake));
	EXPECT_LE(1000, hist_percentile(&st.wake, 9900));
	EXPECT_GT(1100, hist_percentile(&st.wake, 9900));
	EXPECT_LE(50000, hist_percentile(&st.wake, 9990));
	EXPECT_GT(54000, hist_percentile(&st.wake, 9990));
	EXPECT_EQ(51000, st.raw_wake_ns);
}

/* A worker without computing has no quickest unit, which is not one of 0 ns. */
TEST(quickest_unit)
{
	struct control_report reps[] = { report("left", 0), report("left", 1), report("left", 2) };

	reps[1].r.unit_ns = 12000;
	reps[2].r.unit_ns = 13000;
	EXPECT_EQ(12000, load_stats(&left, reps, ARRAY_SIZE(reps)).unit_ns);
}

TEST(pages_by_node)
{
	struct control_report reps[] = { report("left", 0), report("left", 1) };
	struct load_stats st;

	st = load_stats(&left, reps, ARRAY_SIZE(reps));
	EXPECT_EQ(100, load_local_pages(&st, 1));
	reps[0].r.pages[0] = 100;
	reps[1].r.pages[0] = 20;
	reps[1].r.pages[63] = 40;
	st = load_stats(&left, reps, ARRAY_SIZE(reps));
	EXPECT_EQ(120, st.pages[0]);
	EXPECT_EQ(40, st.pages[63]);
	EXPECT_EQ(75, load_local_pages(&st, 1));
	EXPECT_EQ(25, load_local_pages(&st, 1ULL << 63));
	EXPECT_EQ(0, load_local_pages(&st, 2));
	EXPECT_EQ(100, load_local_pages(&st, ~0ULL));
}

TEST(nodes_of_cpus)
{
	const struct topology topo = { .nodes = 2, .llcs = 4, .cores = 2, .threads = 2 };
	struct cpu_set cpus = {};

	EXPECT_EQ(0, load_nodes(&cpus, &topo));
	ASSERT_EQ(0, cpu_set_parse(&cpus, "3,7"));
	EXPECT_EQ(1, load_nodes(&cpus, &topo));
	ASSERT_EQ(0, cpu_set_parse(&cpus, "7-8"));
	EXPECT_EQ(3, load_nodes(&cpus, &topo));
	ASSERT_EQ(0, cpu_set_parse(&cpus, "15-20"));
	EXPECT_EQ(2, load_nodes(&cpus, &topo));
}

/* The scheduler's part decides, not the raw length; the whole gap is kept. */
TEST(longest_gap)
{
	struct control_report reps[] = { report("left", 7), report("left", 8), report("left", 9) };
	struct load_stats st;

	reps[0].r.gap = (struct wire_gap){ .raw_ns = 900 * MS, .sched_ns = 10 * MS };
	reps[1].r.gap = (struct wire_gap){
		.raw_ns = 80 * MS, .sched_ns = 60 * MS, .at_ns = 123 * MS,
		.cpu_before = 4, .cpu_after = 5,
	};
	reps[2].r.gap = (struct wire_gap){ .raw_ns = 100 * MS, .sched_ns = 20 * MS };
	st = load_stats(&left, reps, ARRAY_SIZE(reps));
	EXPECT_EQ(60 * MS, st.gap.sched_ns);
	EXPECT_EQ(80 * MS, st.gap.raw_ns);
	EXPECT_EQ(123 * MS, st.gap.at_ns);
	EXPECT_EQ(4, st.gap.cpu_before);
	EXPECT_EQ(5, st.gap.cpu_after);
	EXPECT_EQ(8, st.gap_worker);
}

TEST(outside_of_the_cpuset)
{
	struct control_report reps[] = { report("left", 0), report("left", 1), report("left", 2) };
	struct load_group group = left;
	struct load_stats st;

	/* All CPUs are allowed where no cpuset was asked for. */
	reps[1].r.cpus[3] = 1;
	EXPECT_EQ(0, load_stats(&group, reps, ARRAY_SIZE(reps)).off_cpus);

	ASSERT_EQ(0, cpu_set_parse(&group.cpus, "0-1,192"));
	EXPECT_EQ(0, load_stats(&group, reps, ARRAY_SIZE(reps)).off_cpus);
	reps[1].r.cpus[3] = 3;		/* 192 and 193 */
	st = load_stats(&group, reps, ARRAY_SIZE(reps));
	EXPECT_EQ(1, st.off_cpus);
	EXPECT_EQ(1, st.off_worker);
	reps[2].r.cpus[0] = 1 << 2;	/* the CPU next to the set */
	EXPECT_EQ(2, load_stats(&group, reps, ARRAY_SIZE(reps)).off_cpus);
	/* A worker that was seen nowhere was not seen outside. */
	reps[1].r.cpus[3] = 0;
	reps[1].r.cpus[0] = 0;
	reps[2].r.cpus[0] = 0;
	EXPECT_EQ(0, load_stats(&group, reps, ARRAY_SIZE(reps)).off_cpus);
}

TEST(spread)
{
	const struct {
		unsigned int mean, min, max, spread;
	} cases[] = {
		{ 500, 500, 500, 0 }, { 500, 450, 550, 20 }, { 250, 0, 1000, 400 },
		{ 0, 0, 0, 0 }, { 1000, 995, 1000, 0 }, { 1, 0, 1000, 100000 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct load_stats st = {
			.workers = 2, .mean_rate = cases[i].mean,
			.min_rate = cases[i].min, .max_rate = cases[i].max,
		};

		EXPECT_EQ(cases[i].spread, load_spread(&st));
	}
}

TEST(values_of_keyed_files)
{
	static const char text[] = "usage_usec 123\nuser_usec 45\nSCX_EV_X -\nlast 7";
	u64 value = 99;

	EXPECT_TRUE(load_value(text, "usage_usec", &value));
	EXPECT_EQ(123, value);
	EXPECT_TRUE(load_value(text, "last", &value));
	EXPECT_EQ(7, value);
	EXPECT_FALSE(load_value(text, "usec", &value));
	EXPECT_FALSE(load_value(text, "usage", &value));
	EXPECT_FALSE(load_value(text, "SCX_EV_X", &value));
	EXPECT_FALSE(load_value("", "x", &value));
	EXPECT_FALSE(load_value("x", "x", &value));
	EXPECT_TRUE(load_value("x 18446744073709551615", "x", &value));
	EXPECT_EQ(~0ULL, value);
}

TEST(duration)
{
	static const char * const bad[] = { "0", "x", "7s", "-1", "3601", "99999999999999999999" };
	const struct topology small = { .nodes = 1, .llcs = 1, .cores = 1, .threads = 1 };
	const struct topology large = { .nodes = 1, .llcs = 16, .cores = 16, .threads = 4 };
	u64 standard, longer, ns;
	struct errmsg err;
	size_t i;

	unsetenv("KTSTR_DURATION");
	ASSERT_EQ(0, load_duration(&small, &standard, &err));
	EXPECT_GE(standard, NSEC_PER_SEC);
	EXPECT_LE(standard, 60 * NSEC_PER_SEC);
	/* 1024 CPUs are more than this host has: each still gets its time. */
	ASSERT_EQ(0, load_duration(&large, &longer, &err));
	EXPECT_GT(longer, standard);
	setenv("KTSTR_DURATION", "", 1);
	EXPECT_EQ(0, load_duration(&small, &ns, &err));
	EXPECT_EQ(standard, ns);
	setenv("KTSTR_DURATION", "3600", 1);
	EXPECT_EQ(0, load_duration(&large, &ns, &err));
	EXPECT_EQ(3600 * NSEC_PER_SEC, ns);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		setenv("KTSTR_DURATION", bad[i], 1);
		EXPECT_EQ(-EINVAL, load_duration(&small, &ns, &err));
		EXPECT_EQ(ERRMSG_INPUT, err.kind);
		EXPECT_NE(NULL, strstr(err.text, bad[i]));
	}
}

TEST_HARNESS_MAIN
