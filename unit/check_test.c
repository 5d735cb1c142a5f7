// SPDX-License-Identifier: GPL-2.0
/*
 * Verdicts: each check passes a healthy run, fails for what it is after, cannot
 * tell where there is too little to go by, and is silent where it does not apply.
 */
#include <linux/kernel.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "harness.h"

#define MS		NSEC_PER_MSEC
#define DURATION	(3 * NSEC_PER_SEC)
#define MAX_GROUPS	3
#define MAX_REPORTS	64

/* A run, and all that it points to */
struct stage {
	struct topology topo;
	struct check_run run;
	struct check_group groups[MAX_GROUPS];
	struct load_stats stats[MAX_GROUPS];
	struct scenario_cgroup cgroups[MAX_GROUPS];
	struct control_report reports[MAX_REPORTS];
	struct cpu_times before;
	struct cpu_times after;
	struct findings findings;
};

FIXTURE(check)
{
	struct stage *st;
};

static const char * const names[MAX_GROUPS] = { "a", "b", "c" };

/* A unit of work takes 1 us: each worker has got @percent of a CPU. */
static void set_share(struct stage *st, unsigned int group, unsigned int percent)
{
	struct load_stats *s = &st->stats[group];

	s->mean_rate = percent * 10000ULL;
	s->min_rate = s->mean_rate;
	s->max_rate = s->mean_rate;
	s->units = s->mean_rate * s->workers * (DURATION / NSEC_PER_SEC);
	s->cpu_ns = s->units * s->unit_ns;
}

static void add_group(struct stage *st, unsigned int workers, unsigned int percent)
{
	unsigned int nr = st->run.nr_groups++;
	struct check_group *g = &st->groups[nr];
	struct load_stats *s = &st->stats[nr];
	unsigned int i;

	g->name = names[nr];
	g->cgroup = names[nr];
	g->workers = workers;
	g->always_runnable = true;
	g->stats = s;
	s->workers = workers;
	s->unit_ns = 1000;
	s->available_ns = DURATION;
	s->gap = (struct wire_gap){ .sched_ns = 60 * MS, .at_ns = 700 * MS,
				    .cpu_before = 1, .cpu_after = 2 };
	s->cpus.bits[0] = 0xf;
	set_share(st, nr, percent);
	for (i = 0; i < workers; i++) {
		struct control_report *rep = &st->reports[st->run.nr_reports++];

		snprintf(rep->group, sizeof(rep->group), "%s", g->name);
		rep->r.index = i;
		rep->r.cpus[0] = 1 << i % 4;
		rep->r.wall_ns = DURATION;
	}
}

/* What the CPUs did while they were watched, which is 2 s of the run */
static void set_idle(struct stage *st, unsigned int cpu, unsigned int percent)
{
	cpu_set_add(&st->before.online, cpu);
	cpu_set_add(&st->after.online, cpu);
	st->before.total_ns[cpu] = 500 * MS;
	st->before.idle_ns[cpu] = 400 * MS;
	st->after.total_ns[cpu] = 2500 * MS;
	st->after.idle_ns[cpu] = 400 * MS + 20 * MS * percent;
}

/* Four CPUs in two LLCs on two nodes, two cgroups with four workers each */
FIXTURE_SETUP(check)
{
	struct stage *st = calloc(1, sizeof(*st));
	struct errmsg err;
	unsigned int cpu;

	ASSERT_NE(NULL, st);
	self->st = st;
	ASSERT_EQ(0, topology_parse("2n2l2c1t", &st->topo, &err));
	st->run = (struct check_run){
		.topo = &st->topo,
		.duration_ns = DURATION,
		.overcommit = 1,
		.limits = check_defaults,
		.cgroups = st->cgroups,
		.groups = st->groups,
		.reports = st->reports,
		.before = &st->before,
		.after = &st->after,
	};
	add_group(st, 4, 50);
	add_group(st, 4, 50);
	for (cpu = 0; cpu < 4; cpu++)
		set_idle(st, cpu, 2);
}

FIXTURE_TEARDOWN(check)
{
	free(self->st);
}

static const struct finding *find(struct stage *st, const char *check, const char *group)
{
	memset(&st->findings, 0, sizeof(st->findings));
	check_run(&st->run, &st->findings);
	return check_find(&st->findings, check, group);
}

#define NONE	(-1)

/* The worst that a check says about a group, or NONE */
static int judge(struct stage *st, const char *check, const char *group)
{
	const struct finding *f = find(st, check, group);

	return f ? (int)f->verdict : NONE;
}

/* The host is too busy for any number of time to mean anything. */
static void starve_host(struct stage *st)
{
	unsigned int i;

	st->run.host_is_tcg = true;
	for (i = 0; i < st->run.nr_groups; i++) {
		st->stats[i].units /= 10;
		st->stats[i].cpu_ns /= 10;
	}
}

TEST_F(check, healthy_run)
{
	static const char * const want[] = {
		"workers", "starvation", "gap", "spread", "migration", "conservation",
		"throughput", "weight",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(want); i++) {
		EXPECT_EQ(VERDICT_PASS, judge(self->st, want[i], NULL)) {
			TH_LOG("%s", want[i]);
		}
	}
	EXPECT_EQ(VERDICT_PASS, check_verdict(&self->st->findings));
	EXPECT_EQ(NONE, judge(self->st, "isolation", NULL));
	EXPECT_EQ(NONE, judge(self->st, "quota", NULL));
	EXPECT_EQ(NONE, judge(self->st, "latency", NULL));
	EXPECT_EQ(NONE, judge(self->st, "alive", NULL));
	EXPECT_EQ(NONE, judge(self->st, "events", NULL));
	EXPECT_EQ(NONE, judge(self->st, "kernel_log", NULL));
	EXPECT_EQ(NONE, judge(self->st, "errors", NULL));
}

TEST_F(check, nothing_ran)
{
	self->st->run.nr_groups = 0;
	self->st->run.nr_reports = 0;
	find(self->st, "", NULL);
	EXPECT_EQ(0, self->st->findings.nr);
	EXPECT_EQ(VERDICT_SKIP, check_verdict(&self->st->findings));
}

TEST_F(check, workers)
{
	struct stage *st = self->st;

	EXPECT_EQ(VERDICT_PASS, judge(st, "workers", "a"));
	/* Nothing excuses these: neither the host, nor that nothing else is demanded. */
	starve_host(st);
	st->groups[0].background = true;
	st->stats[0].stuck = 1;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "workers", "a"));
	EXPECT_EQ(VERDICT_PASS, judge(st, "workers", "b"));
	st->stats[0].stuck = 0;
	st->stats[0].corrupt = 2;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "workers", "a"));
	EXPECT_EQ(2, find(st, "workers", "a")->seen);
	st->stats[0].corrupt = 0;
	st->stats[0].workers = 3;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "workers", "a"));
	EXPECT_EQ(VERDICT_FAIL, check_verdict(&st->findings));
}

TEST_F(check, nobody_reported)
{
	self->st->stats[1] = (struct load_stats){};
	self->st->run.nr_reports = 4;
	EXPECT_EQ(VERDICT_FAIL, judge(self->st, "workers", "b"));
	EXPECT_EQ(NONE, judge(self->st, "gap", "b"));
}

TEST_F(check, errors)
{
	struct stage *st = self->st;

	st->stats[0].errors = 1;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "errors", "a"));
	st->groups[0].changed = CHECK_CPUS;
	EXPECT_EQ(NONE, judge(st, "errors", "a"));
}

TEST_F(check, isolation_of_cpuset)
{
	struct stage *st = self->st;

	st->groups[0].cpus.bits[0] = 0xf;
	EXPECT_EQ(VERDICT_PASS, judge(st, "isolation", "a"));
	EXPECT_EQ(NONE, judge(st, "isolation", "b"));
	st->groups[0].cpus.bits[0] = 0xb;
	st->groups[0].background = true;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "isolation", "a"));
	EXPECT_EQ(1, find(st, "isolation", "a")->seen);
	EXPECT_EQ(2, find(st, "isolation", "a")->cpu);
	/* The highest CPU that a report can tell of */
	st->groups[0].cpus.bits[0] = 0xf;
	st->reports[3].r.cpus[WIRE_MAX_CPUS / 64 - 1] = 1ULL << 63;
	EXPECT_EQ(WIRE_MAX_CPUS - 1, find(st, "isolation", "a")->cpu);
	st->run.hotplug = true;
	EXPECT_EQ(NONE, judge(st, "isolation", "a"));
	st->run.hotplug = false;
	st->groups[0].changed = CHECK_MOVED;
	EXPECT_EQ(NONE, judge(st, "isolation", "a"));
}

TEST_F(check, isolation_of_affinity)
{
	struct cpu_set affinity[4] = { { { 1 } }, { { 2 } }, { }, { { 8 } } };
	struct stage *st = self->st;

	st->groups[1].affinity = affinity;
	st->groups[1].nr_affinity = ARRAY_SIZE(affinity);
	EXPECT_EQ(VERDICT_PASS, judge(st, "isolation", "b"));
	affinity[3].bits[0] = 4;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "isolation", "b"));
	EXPECT_EQ(3, find(st, "isolation", "b")->cpu);
	st->groups[1].changed = CHECK_AFFINITY;
	EXPECT_EQ(NONE, judge(st, "isolation", "b"));
	/* Nobody was seen anywhere. */
	st->groups[1].changed = 0;
	affinity[3].bits[0] = 8;
	st->stats[1].cpus.bits[0] = 0;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "isolation", "b"));
}

TEST_F(check, starvation)
{
	struct stage *st = self->st;

	st->stats[0].min_rate = st->stats[0].mean_rate / 10;
	EXPECT_EQ(VERDICT_PASS, judge(st, "starvation", "a"));
	st->stats[0].min_rate--;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "starvation", "a"));
	EXPECT_EQ(VERDICT_PASS, judge(st, "starvation", "b"));
	/* A crowded host is no excuse, as the others had the same. */
	st->run.overcommit = 8;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "starvation", "a"));
	st->groups[0].changed = CHECK_MOVED;
	EXPECT_EQ(VERDICT_PASS, judge(st, "starvation", "a"));
	st->stats[0].min_rate = 0;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "starvation", "a"));
	st->stats[0].available_ns = 100 * MS;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "starvation", "a"));
	st->groups[0].background = true;
	EXPECT_EQ(NONE, judge(st, "starvation", "a"));
}

TEST_F(check, starvation_needs_rounds_and_equals)
{
	struct stage *st = self->st;

	st->groups[0].always_runnable = false;
	st->groups[0].work = WIRE_WORK_BURSTY;
	st->stats[0].min_rate = 0;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "starvation", "a"));
	st->stats[0].units = 79;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "starvation", "a"));
	st->groups[0].work = WIRE_WORK_INVERSION;
	EXPECT_EQ(NONE, judge(st, "starvation", "a"));
	st->groups[0].work = WIRE_WORK_SPIN;
	st->groups[0].policy = POLICY_FIFO;
	EXPECT_EQ(NONE, judge(st, "starvation", "a"));
	st->groups[0].policy = POLICY_NORMAL;
	st->run.limits.starved = UNLIMITED;
	EXPECT_EQ(NONE, judge(st, "starvation", NULL));
}

TEST_F(check, starvation_of_all)
{
	set_share(self->st, 0, 0);
	EXPECT_EQ(VERDICT_FAIL, judge(self->st, "starvation", "a"));
}

TEST_F(check, gap)
{
	const struct finding *f;
	struct stage *st = self->st;

	st->stats[1].gap.sched_ns = 500 * MS;
	EXPECT_EQ(VERDICT_PASS, judge(st, "gap", "b"));
	st->stats[1].gap.sched_ns++;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "gap", "b"));
	f = find(st, "gap", "b");
	EXPECT_EQ(2, f->cpu);
	EXPECT_EQ(700 * MS, f->at_ns);
	EXPECT_EQ(500, f->limit);
	/* Three CPUs of the guest on one of the host: twice as long */
	st->run.overcommit = 3;
	st->stats[1].gap.sched_ns = 1000 * MS;
	EXPECT_EQ(VERDICT_PASS, judge(st, "gap", "b"));
	st->stats[1].gap.sched_ns++;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "gap", "b"));
	st->run.duration_ns = 900 * MS;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "gap", "b"));
	st->groups[1].policy = POLICY_RR;
	EXPECT_EQ(NONE, judge(st, "gap", "b"));
}

/* Sixteen workers on a CPU wait four times as long as four of them. */
TEST_F(check, gap_of_who_is_due_little)
{
	struct stage *st = self->st;

	add_group(st, 52, 1);
	st->stats[0].gap.sched_ns = 1800 * MS;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "gap", "a"));
	/* In cgroups: the third has 52 of 60 workers, and a third of the CPUs. */
	st->stats[2].gap.sched_ns = 1800 * MS;
	st->groups[0].cgroup = NULL;
	st->groups[1].cgroup = NULL;
	st->groups[2].cgroup = NULL;
	EXPECT_EQ(VERDICT_PASS, judge(st, "gap", "c"));
	EXPECT_EQ(VERDICT_PASS, judge(st, "gap", "a"));
	/* Of nice 19: no run would be long enough. */
	st->groups[2].nice = 19;
	EXPECT_EQ(NONE, judge(st, "gap", "c"));
	st->groups[2].nice = 0;
	st->groups[2].policy = POLICY_IDLE;
	EXPECT_EQ(NONE, judge(st, "gap", "c"));
}

/* A third group, "c", that may run only when the others do not, as all share one cgroup */
static void add_idle_group(struct stage *st)
{
	size_t i;

	add_group(st, 8, 0);
	for (i = 0; i < 3; i++)
		st->groups[i].cgroup = NULL;
	st->groups[2].policy = POLICY_IDLE;
}

/* Nor is it to blame on anybody if they do not run at all in so short a time. */
TEST_F(check, who_is_due_little_may_not_run)
{
	struct stage *st = self->st;

	add_idle_group(st);
	st->stats[2].stuck = 2;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "workers", "c"));
	st->reports[8].r.flags = WIRE_REPORT_NEVER_RAN;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "workers", "c"));
	st->reports[9].r.flags = WIRE_REPORT_NEVER_RAN | WIRE_REPORT_ERROR;
	EXPECT_EQ(VERDICT_PASS, judge(st, "workers", "c"));
	EXPECT_NE(NULL, strstr(find(st, "workers", "c")->text, "6 of 8 ran, the others may wait"));
	st->reports[9].r.flags = WIRE_REPORT_NEVER_RAN | WIRE_REPORT_NOT_STOPPED;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "workers", "c"));
	st->reports[9].r.flags = WIRE_REPORT_NEVER_RAN;
	st->run.limits.gap_ms = UNLIMITED;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "workers", "c"));
	/* Who is due as much as others */
	st->run.limits.gap_ms = check_defaults.gap_ms;
	st->groups[2].policy = POLICY_NORMAL;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "workers", "c"));
}

/* Real-time workers on all CPUs leave what throttling takes from them. */
TEST_F(check, gap_beside_real_time)
{
	struct stage *st = self->st;

	st->stats[0].gap.sched_ns = 950 * MS;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "gap", "a"));
	add_group(st, 4, 95);
	st->groups[2].policy = POLICY_FIFO;
	EXPECT_EQ(NONE, judge(st, "gap", "a"));
	/* One CPU is left to eight workers: half of what the limit is for */
	st->groups[2].workers = 3;
	EXPECT_EQ(VERDICT_PASS, judge(st, "gap", "a"));
	st->stats[0].gap.sched_ns = 1050 * MS;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "gap", "a"));
}

TEST_F(check, gap_on_starved_host)
{
	struct stage *st = self->st;

	st->stats[0].gap.sched_ns = 2000 * MS;
	starve_host(st);
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "gap", "a"));
	/* CPUs that were idle were not denied: the scheduler did not use them. */
	set_idle(st, 1, 99);
	set_idle(st, 2, 99);
	set_idle(st, 3, 99);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "gap", "a"));
	set_idle(st, 1, 2);
	set_idle(st, 2, 2);
	set_idle(st, 3, 2);
	st->run.host_is_tcg = false;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "gap", "a"));
}

/* Nobody computes, and something else keeps the CPUs busy for a while. */
TEST_F(check, idle_beside_work)
{
	struct stage *st = self->st;
	unsigned int cpu;

	starve_host(st);
	starve_host(st);
	st->stats[0].min_rate = 0;
	for (cpu = 0; cpu < 4; cpu++)
		set_idle(st, cpu, 45);
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "starvation", "a"));
	for (cpu = 0; cpu < 4; cpu++)
		set_idle(st, cpu, 55);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "starvation", "a"));
}

/* A guest that is denied time loses ticks: they are missing in the CPUs' times. */
TEST_F(check, lost_ticks)
{
	struct stage *st = self->st;
	unsigned int cpu;

	set_share(st, 0, 3);
	set_share(st, 1, 3);
	st->run.host_is_tcg = true;
	st->stats[0].min_rate = 0;
	st->before.at_ns = NSEC_PER_SEC;
	for (cpu = 0; cpu < 4; cpu++) {
		st->after.total_ns[cpu] = 1200 * MS;
		st->after.steal_ns[cpu] = 500 * MS;
	}
	EXPECT_EQ(VERDICT_FAIL, judge(st, "starvation", "a"));
	st->after.at_ns = 2200 * MS;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "starvation", "a"));
	/* CPUs that need little lose them, too. */
	st->after.at_ns = 3000 * MS;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "starvation", "a"));
}

/* Workers that did not stop have not told what a unit takes: the clock has. */
TEST_F(check, work_of_the_stuck)
{
	struct stage *st = self->st;

	st->run.host_is_tcg = true;
	st->stats[0].min_rate = 0;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "starvation", "a"));
	st->stats[0].unit_ns = 0;
	st->stats[1].unit_ns = 0;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "starvation", "a"));
}

TEST_F(check, spread)
{
	struct stage *st = self->st;

	/* 50 %, and 60 ms more or less in 1.5 s */
	st->stats[0].max_rate = st->stats[0].mean_rate * 127 / 100;
	st->stats[0].min_rate = st->stats[0].mean_rate * 73 / 100;
	EXPECT_EQ(VERDICT_PASS, judge(st, "spread", "a"));
	st->stats[0].max_rate = st->stats[0].mean_rate * 128 / 100;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "spread", "a"));
	/* Ten workers on four CPUs: two or three on each */
	add_group(st, 2, 40);
	st->stats[0].max_rate = st->stats[0].mean_rate * 160 / 100;
	EXPECT_EQ(VERDICT_PASS, judge(st, "spread", "a"));
	st->stats[0].max_rate = st->stats[0].mean_rate * 3;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "spread", "a"));
	st->stats[0].available_ns = 100 * MS;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "spread", "a"));
}

TEST_F(check, spread_does_not_apply)
{
	static const struct cpu_set one = { { 1 } };
	struct stage *st = self->st;

	st->stats[0].max_rate = st->stats[0].mean_rate * 3;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "spread", "a"));
	/* Somebody shares some of the CPUs only, in whatever way. */
	st->groups[1].cpus.bits[0] = 3;
	EXPECT_EQ(NONE, judge(st, "spread", "a"));
	st->groups[1].cpus.bits[0] = 0;
	st->groups[1].affinity = &one;
	st->groups[1].nr_affinity = 1;
	EXPECT_EQ(NONE, judge(st, "spread", "a"));
	st->groups[1].nr_affinity = 0;
	st->groups[1].changed = CHECK_PRESENCE;
	EXPECT_EQ(NONE, judge(st, "spread", "a"));
	st->groups[1].changed = 0;
	st->groups[1].policy = POLICY_FIFO;
	EXPECT_EQ(NONE, judge(st, "spread", "a"));
	st->groups[1].policy = POLICY_NORMAL;
	st->groups[0].work = WIRE_WORK_NUMA;
	EXPECT_EQ(NONE, judge(st, "spread", "a"));
	st->groups[0].work = WIRE_WORK_YIELD;
	EXPECT_EQ(NONE, judge(st, "spread", "a"));
	st->groups[1].work = WIRE_WORK_YIELD;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "spread", "a"));
	st->run.hotplug = true;
	EXPECT_EQ(NONE, judge(st, "spread", "a"));
}

/* Four workers cannot differ by more than if one had all: a limit above that is none. */
TEST_F(check, spread_on_crowded_host)
{
	struct stage *st = self->st;

	st->stats[0].max_rate = st->stats[0].mean_rate * 4;
	st->stats[0].min_rate = 0;
	st->run.overcommit = 12;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "spread", "a"));
	st->run.overcommit = 16;
	EXPECT_EQ(NONE, judge(st, "spread", "a"));
	EXPECT_EQ(VERDICT_FAIL, judge(st, "starvation", "a"));
}

TEST_F(check, throughput_of_timed_work)
{
	struct stage *st = self->st;

	st->groups[0].work = WIRE_WORK_TIMER;
	st->groups[0].always_runnable = false;
	st->stats[0].max_rate = st->stats[0].mean_rate * 190 / 100;
	EXPECT_EQ(VERDICT_PASS, judge(st, "throughput", "a"));
	EXPECT_EQ(NONE, judge(st, "spread", "a"));
	st->stats[0].min_rate = st->stats[0].mean_rate * 50 / 100;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "throughput", "a"));
	st->stats[0].units = 10;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "throughput", "a"));
	st->groups[0].work = WIRE_WORK_PIPE;
	EXPECT_EQ(NONE, judge(st, "throughput", "a"));
}

/* Eight workers that get as much as one CPU has, of four */
TEST_F(check, throughput_floor)
{
	struct stage *st = self->st;

	EXPECT_EQ(100, find(st, "throughput", "a")->seen);
	set_share(st, 0, 10);
	set_share(st, 1, 10);
	EXPECT_EQ(VERDICT_PASS, judge(st, "throughput", "a"));
	set_share(st, 0, 9);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "throughput", "a"));
	EXPECT_EQ(19, find(st, "throughput", "a")->seen);
	/* Busy all the time, but with nothing to show for it: an emulated host does so. */
	st->run.host_is_tcg = true;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "throughput", "a"));
	set_share(st, 0, 4);
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "throughput", "a"));
	set_share(st, 0, 9);
	st->run.host_is_tcg = false;
	st->run.overcommit = 3;
	EXPECT_EQ(VERDICT_PASS, judge(st, "throughput", "a"));
	set_share(st, 0, 0);
	set_share(st, 1, 0);
	st->run.overcommit = 100;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "throughput", "a"));
	st->groups[1].work = WIRE_WORK_CACHE;
	EXPECT_EQ(NONE, judge(st, "throughput", "a"));
}

/* 3:1 by cpu.weight: 75 % of the CPUs and 25 % */
static void weigh(struct stage *st)
{
	st->cgroups[0] = (struct scenario_cgroup){ .name = "a", .weight = 300 };
	st->run.nr_cgroups = 1;
	set_share(st, 0, 75);
	set_share(st, 1, 25);
}

TEST_F(check, weight)
{
	struct stage *st = self->st;

	weigh(st);
	EXPECT_EQ(VERDICT_PASS, judge(st, "weight", "b"));
	EXPECT_EQ(100, find(st, "weight", "b")->seen);
	/* 50 %, and 60 ms more or less in 3 s: 38 % of all work instead of 25 %, or 17 % */
	set_share(st, 0, 62);
	set_share(st, 1, 38);
	EXPECT_EQ(VERDICT_PASS, judge(st, "weight", "b"));
	EXPECT_EQ(152, find(st, "weight", "b")->limit);
	EXPECT_FALSE(find(st, "weight", "b")->at_least);
	set_share(st, 0, 61);
	set_share(st, 1, 39);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "weight", "b"));
	set_share(st, 0, 50);
	set_share(st, 1, 50);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "weight", "b"));
	/* The wrong way round */
	set_share(st, 0, 25);
	set_share(st, 1, 75);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "weight", "b"));
	/* A limit that lets equal shares pass cannot tell. */
	weigh(st);
	st->run.overcommit = 4;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "weight", "b"));
	st->run.overcommit = 1;
	st->stats[0].available_ns = 30 * MS;
	st->stats[1].available_ns = 30 * MS;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "weight", "b"));
}

/* Too little is as bad as too much, and nothing is too little on every host. */
TEST_F(check, weight_of_who_gets_too_little)
{
	struct stage *st = self->st;

	weigh(st);
	set_share(st, 0, 83);
	set_share(st, 1, 17);
	EXPECT_EQ(VERDICT_PASS, judge(st, "weight", "b"));
	EXPECT_EQ(66, find(st, "weight", "b")->limit);
	EXPECT_TRUE(find(st, "weight", "b")->at_least);
	set_share(st, 0, 84);
	set_share(st, 1, 16);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "weight", "b"));
	EXPECT_EQ(64, find(st, "weight", "b")->seen);
	set_share(st, 0, 100);
	set_share(st, 1, 0);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "weight", "b"));
	st->run.limits.weight_error = 100;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "weight", "b"));
	for (st->run.overcommit = 2; st->run.overcommit <= 256; st->run.overcommit *= 2) {
		EXPECT_EQ(VERDICT_FAIL, judge(st, "weight", "b")) {
			TH_LOG("overcommit %u", st->run.overcommit);
		}
		EXPECT_LE(1, find(st, "weight", "b")->limit);
	}
}

/* One worker of much weight, whom many others are in the way of */
TEST_F(check, weight_of_the_heavy)
{
	struct stage *st = self->st;

	st->cgroups[0] = (struct scenario_cgroup){ .name = "a", .weight = 300 };
	st->run.nr_cgroups = 1;
	add_group(st, 52, 0);
	st->groups[2].cgroup = st->groups[1].cgroup;
	/* 3 CPUs of 4 are due to 4 of 60 workers. */
	set_share(st, 0, 75);
	set_share(st, 1, 2);
	set_share(st, 2, 2);
	EXPECT_EQ(VERDICT_PASS, judge(st, "weight", "a"));
	set_share(st, 0, 40);
	set_share(st, 1, 4);
	set_share(st, 2, 4);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "weight", "a"));
	EXPECT_EQ(55, find(st, "weight", "a")->seen);
	/* Without weights it would have 7 %: a crowded host does not hide that. */
	st->run.overcommit = 4;
	EXPECT_EQ(VERDICT_PASS, judge(st, "weight", "a"));
	set_share(st, 0, 20);
	set_share(st, 1, 6);
	set_share(st, 2, 6);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "weight", "a"));
}

/* Rounds of different work are not compared, but CPU time is. */
TEST_F(check, weight_of_different_work)
{
	struct stage *st = self->st;

	weigh(st);
	st->groups[0].work = WIRE_WORK_CACHE;
	st->stats[0].mean_rate = 5;
	EXPECT_EQ(VERDICT_PASS, judge(st, "weight", "b"));
	st->stats[0].cpu_ns = st->stats[1].cpu_ns;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "weight", "b"));
}

/* One worker cannot use what its weight is worth; who gets it is too deep to tell. */
TEST_F(check, weight_of_nested_and_capped)
{
	struct stage *st = self->st;

	weigh(st);
	set_share(st, 1, 100);
	st->groups[0].workers = 1;
	st->stats[0].workers = 1;
	set_share(st, 0, 10);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "weight", NULL));
	st->groups[0].cgroup = "a/x";
	EXPECT_EQ(NONE, judge(st, "weight", NULL));
}

TEST_F(check, weight_of_nice)
{
	struct stage *st = self->st;

	st->groups[0].cgroup = NULL;
	st->groups[1].cgroup = NULL;
	st->groups[1].nice = 5;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "weight", NULL));
	set_share(st, 0, 75);
	set_share(st, 1, 25);
	EXPECT_EQ(VERDICT_PASS, judge(st, "weight", NULL));
	st->run.sched = (struct check_sched){ .lacks = "cpu.weight cpu.max" };
	EXPECT_EQ(VERDICT_PASS, judge(st, "weight", NULL));
	set_share(st, 0, 50);
	set_share(st, 1, 50);
	st->run.sched.lacks = "cpu.weight nice";
	EXPECT_EQ(VERDICT_SKIP, judge(st, "weight", NULL));
}

/* What a scheduler does not do is told, and no fault. */
TEST_F(check, weight_is_lacking)
{
	struct stage *st = self->st;
	const struct finding *f;

	weigh(st);
	set_share(st, 0, 50);
	set_share(st, 1, 50);
	st->run.sched = (struct check_sched){
		.lacks = "nice cpu.weight",
		.lacks_reason = "one queue",
	};
	EXPECT_EQ(VERDICT_SKIP, judge(st, "weight", NULL));
	f = find(st, "weight", NULL);
	ASSERT_NE(NULL, f);
	EXPECT_NE(NULL, strstr(f->text, "cpu.weight: one queue"));
	EXPECT_EQ(VERDICT_PASS, check_verdict(&st->findings));
	/* A word that only begins like it is another. */
	st->run.sched.lacks = "cpu.weights cpu.weigh cpu";
	EXPECT_EQ(VERDICT_FAIL, judge(st, "weight", NULL));
}

TEST_F(check, weight_does_not_apply)
{
	struct stage *st = self->st;

	weigh(st);
	set_share(st, 0, 50);
	set_share(st, 1, 50);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "weight", NULL));
	st->groups[0].changed = CHECK_WEIGHT;
	EXPECT_EQ(NONE, judge(st, "weight", NULL));
	st->groups[0].changed = 0;
	st->groups[0].always_runnable = false;
	EXPECT_EQ(NONE, judge(st, "weight", NULL));
	st->groups[0].always_runnable = true;
	st->groups[0].work = WIRE_WORK_NICE;
	EXPECT_EQ(NONE, judge(st, "weight", NULL));
	st->groups[0].work = WIRE_WORK_SPIN;
	st->groups[1].cpus.bits[0] = 3;
	EXPECT_EQ(NONE, judge(st, "weight", NULL));
	st->groups[1].cpus.bits[0] = 0;
}

/* Groups that are due the same, whether by equal weights or as there is a CPU for each */
TEST_F(check, weight_of_equals)
{
	struct stage *st = self->st;
	const struct finding *f;

	set_share(st, 0, 90);
	set_share(st, 1, 10);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "weight", NULL));
	EXPECT_EQ(VERDICT_FAIL, judge(st, "weight", "b"));
	f = find(st, "weight", "b");
	EXPECT_EQ(20, f->seen);
	EXPECT_EQ(true, f->at_least);
	/* No word about weights is an excuse. */
	st->run.sched.lacks = "nice cpu.weight";
	EXPECT_EQ(VERDICT_FAIL, judge(st, "weight", NULL));
	set_share(st, 0, 55);
	set_share(st, 1, 45);
	EXPECT_EQ(VERDICT_PASS, judge(st, "weight", NULL));
	/* Three and two on four CPUs, that nobody moves: 1, 1, 1 and a half each */
	st->run.sched.lacks = NULL;
	st->groups[0].cgroup = NULL;
	st->groups[1].cgroup = NULL;
	st->groups[0].workers = 3;
	st->groups[1].workers = 2;
	st->stats[0].workers = 3;
	st->stats[1].workers = 2;
	set_share(st, 0, 100);
	set_share(st, 1, 50);
	EXPECT_EQ(VERDICT_PASS, judge(st, "weight", NULL));
	set_share(st, 0, 120);
	set_share(st, 1, 20);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "weight", NULL));
	/* Who yields, or waits for memory, is not to be compared. */
	st->groups[1].work = WIRE_WORK_CACHE_YIELD;
	EXPECT_EQ(NONE, judge(st, "weight", NULL));
	st->groups[1].work = WIRE_WORK_SPIN;
	/* A CPU for each: weights change nothing. */
	st->groups[0].nice = -10;
	st->groups[0].workers = 2;
	st->stats[0].workers = 2;
	set_share(st, 0, 100);
	set_share(st, 1, 100);
	EXPECT_EQ(VERDICT_PASS, judge(st, "weight", NULL));
}

/* "a" has half of a CPU for its four workers. */
static void limit_quota(struct stage *st, unsigned int percent)
{
	st->cgroups[0] = (struct scenario_cgroup){ .name = "a", .quota = 50 };
	st->run.nr_cgroups = 1;
	set_share(st, 0, 10);
	st->stats[0].units = DURATION / 100 * percent / st->stats[0].unit_ns;
	st->stats[0].cpu_ns = st->stats[0].units * st->stats[0].unit_ns;
}

TEST_F(check, quota)
{
	struct stage *st = self->st;

	limit_quota(st, 50);
	EXPECT_EQ(VERDICT_PASS, judge(st, "quota", NULL));
	limit_quota(st, 70);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "quota", NULL));
	EXPECT_FALSE(find(st, "quota", NULL)->at_least);
	/* It was not given what it was due either. */
	limit_quota(st, 20);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "quota", NULL));
	EXPECT_TRUE(find(st, "quota", NULL)->at_least);
	/* But it may not have wanted it, or the host not have had it. */
	st->groups[0].always_runnable = false;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "quota", NULL));
	st->groups[0].always_runnable = true;
	st->stats[0].available_ns = DURATION / 2;
	EXPECT_EQ(VERDICT_PASS, judge(st, "quota", NULL));
	/* The clocks of CPUs count steal. */
	limit_quota(st, 90);
	st->groups[0].work = WIRE_WORK_CACHE;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "quota", NULL));
	st->stats[0].steal_ns = DURATION / 2;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "quota", NULL));
}

/* On a crowded host the same is too much, but what is due without a quota is less. */
TEST_F(check, quota_on_crowded_host)
{
	struct stage *st = self->st;

	limit_quota(st, 50);
	st->run.overcommit = 4;
	EXPECT_EQ(VERDICT_PASS, judge(st, "quota", NULL));
	limit_quota(st, 70);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "quota", NULL));
	EXPECT_EQ(135, find(st, "quota", NULL)->limit);
	/* Two CPUs are due, a third of each was there: 66 % of a CPU, quota or not */
	limit_quota(st, 66);
	st->stats[0].available_ns = DURATION / 3;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "quota", NULL));
	limit_quota(st, 1);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "quota", NULL));
	/* Nothing is too little on every host. */
	st->stats[0].available_ns = DURATION;
	limit_quota(st, 0);
	for (st->run.overcommit = 1; st->run.overcommit <= 256; st->run.overcommit *= 2) {
		EXPECT_EQ(VERDICT_FAIL, judge(st, "quota", NULL)) {
			TH_LOG("overcommit %u", st->run.overcommit);
		}
	}
	st->run.overcommit = 4;
	/* CPUs were there for longer, but half of that was nothing to work with. */
	limit_quota(st, 30);
	st->stats[0].available_ns = DURATION / 2;
	EXPECT_EQ(VERDICT_PASS, judge(st, "quota", NULL));
	st->stats[0].cpu_ns *= 2;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "quota", NULL));
}

TEST_F(check, quota_inconclusive_and_not_applicable)
{
	struct stage *st = self->st;

	limit_quota(st, 90);
	st->run.duration_ns = 100 * MS;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "quota", NULL));
	st->run.duration_ns = DURATION;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "quota", NULL));
	st->run.sched.lacks = "cpu.max";
	EXPECT_EQ(VERDICT_SKIP, judge(st, "quota", NULL));
	st->run.sched.lacks = NULL;
	st->groups[0].changed = CHECK_QUOTA;
	EXPECT_EQ(NONE, judge(st, "quota", NULL));
	st->groups[0].changed = 0;
	st->cgroups[0].name = "aa";
	EXPECT_EQ(NONE, judge(st, "quota", NULL));
	/* Not of its own, but of the cgroup that it is in */
	st->cgroups[0].name = "a";
	st->groups[0].cgroup = "a/x";
	EXPECT_EQ(VERDICT_FAIL, judge(st, "quota", NULL));
}

TEST_F(check, conservation)
{
	struct stage *st = self->st;

	set_idle(st, 3, 25);
	EXPECT_EQ(VERDICT_PASS, judge(st, "conservation", NULL));
	set_idle(st, 3, 26);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "conservation", NULL));
	EXPECT_EQ(3, find(st, "conservation", NULL)->cpu);
	/* No host widens it: what it took is not there to be used, and may look idle. */
	st->run.overcommit = 16;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "conservation", NULL));
	st->after.steal_ns[3] = 500 * MS;
	EXPECT_EQ(2, find(st, "conservation", NULL)->seen);
	set_idle(st, 3, 50);
	EXPECT_EQ(33, find(st, "conservation", NULL)->seen);
	set_idle(st, 3, 60);
	st->after.steal_ns[3] = 1000 * MS;
	EXPECT_EQ(20, find(st, "conservation", NULL)->seen);
	set_idle(st, 3, 100);
	st->after.steal_ns[3] = 1950 * MS;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "conservation", NULL));
	st->run.after = NULL;
	EXPECT_EQ(NONE, judge(st, "conservation", NULL));
}

/* CPUs that get little done in their time are slow, not idle. */
TEST_F(check, conservation_on_starved_host)
{
	struct stage *st = self->st;

	starve_host(st);
	st->stats[0].min_rate = 0;
	set_idle(st, 3, 25);
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "starvation", "a"));
	EXPECT_EQ(VERDICT_PASS, judge(st, "conservation", NULL));
	set_idle(st, 3, 26);
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "starvation", "a"));
	EXPECT_EQ(VERDICT_FAIL, judge(st, "conservation", NULL));
	/* Where the host itself is not there, nobody knows. */
	st->run.denied_ns = DURATION / 10 * 7;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "conservation", NULL));
}

/* Only while there is a worker for each CPU that is meant */
TEST_F(check, conservation_needs_workers)
{
	struct cpu_set affinity[2] = { { { 1 } }, { { 4 } } };
	struct stage *st = self->st;

	set_idle(st, 3, 100);
	st->groups[1].changed = CHECK_FROZEN;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "conservation", NULL));
	st->groups[0].workers = 3;
	EXPECT_EQ(NONE, judge(st, "conservation", NULL));
	st->groups[0].workers = 4;
	st->groups[0].cpus.bits[0] = 7;
	EXPECT_EQ(VERDICT_PASS, judge(st, "conservation", NULL));
	st->groups[0].cpus.bits[0] = 0;
	st->groups[0].affinity = affinity;
	st->groups[0].nr_affinity = 2;
	EXPECT_EQ(VERDICT_PASS, judge(st, "conservation", NULL));
	affinity[1].bits[0] = 8;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "conservation", NULL));
	st->groups[0].nr_affinity = 0;
	st->groups[0].always_runnable = false;
	EXPECT_EQ(NONE, judge(st, "conservation", NULL));
	st->groups[0].always_runnable = true;
	limit_quota(st, 50);
	EXPECT_EQ(NONE, judge(st, "conservation", NULL));
	st->run.nr_cgroups = 0;
	st->run.hotplug = true;
	EXPECT_EQ(NONE, judge(st, "conservation", NULL));
}

/* SCHED_DEADLINE's workers want no more than their runtime. */
TEST_F(check, conservation_beside_deadline)
{
	struct stage *st = self->st;

	set_idle(st, 3, 80);
	st->groups[0].workers = 3;
	st->groups[1].workers = 1;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "conservation", NULL));
	st->groups[1].policy = POLICY_DEADLINE;
	EXPECT_EQ(NONE, judge(st, "conservation", NULL));
}

/* What steps changed can be judged when they are done. */
TEST_F(check, conservation_when_settled)
{
	struct stage *st = self->st;
	struct cpu_times settled = st->before;
	unsigned int cpu;

	st->groups[0].changed = CHECK_CPUS;
	st->groups[1].changed = CHECK_PRESENCE;
	set_idle(st, 3, 50);
	EXPECT_EQ(NONE, judge(st, "conservation", NULL));
	/* From then on, CPU 3 was idle for half of the time still, and CPU 2 all of it. */
	set_idle(st, 2, 60);
	for (cpu = 0; cpu < 4; cpu++) {
		settled.total_ns[cpu] = 1500 * MS;
		settled.idle_ns[cpu] = (st->before.idle_ns[cpu] + st->after.idle_ns[cpu]) / 2;
	}
	settled.idle_ns[2] = st->after.idle_ns[2] - 1000 * MS;
	st->run.settled = &settled;
	EXPECT_EQ(NONE, judge(st, "conservation", NULL));
	st->groups[0].settled = true;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "conservation", NULL));
	EXPECT_EQ(2, find(st, "conservation", NULL)->cpu);
	EXPECT_NE(NULL, strstr(find(st, "conservation", NULL)->text, "after the last step"));
	/* Whatever the group had before */
	st->groups[0].cpus.bits[0] = 3;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "conservation", NULL));
	st->groups[0].settled_cpus.bits[0] = 3;
	EXPECT_EQ(VERDICT_PASS, judge(st, "conservation", NULL));
	st->groups[0].settled_cpus.bits[0] = 11;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "conservation", NULL));
	EXPECT_EQ(3, find(st, "conservation", NULL)->cpu);
	/* CPUs that came back before that have to be used, too. */
	st->run.hotplug = true;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "conservation", NULL));
}

TEST_F(check, latency)
{
	struct hist *wake = &self->st->stats[0].wake;
	struct stage *st = self->st;

	hist_add(wake, MS, 10000);
	EXPECT_EQ(VERDICT_PASS, judge(st, "latency", "a"));
	EXPECT_EQ(NONE, judge(st, "latency", "b"));
	/* The tail of 1 in 1000 */
	hist_add(wake, 600 * MS, 12);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "latency", "a"));
	EXPECT_EQ(500000, find(st, "latency", "a")->limit);
	st->run.limits.wake_p999_us = UNLIMITED;
	EXPECT_EQ(VERDICT_PASS, judge(st, "latency", "a"));
	hist_add(wake, 600 * MS, 200);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "latency", "a"));
	EXPECT_EQ(300000, find(st, "latency", "a")->limit);
	st->run.overcommit = 4;
	EXPECT_EQ(VERDICT_PASS, judge(st, "latency", "a"));
	st->run.limits.wake_p50_us = 300;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "latency", "a"));
	EXPECT_EQ(750, find(st, "latency", "a")->limit);
	starve_host(st);
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "latency", "a"));
}

TEST_F(check, latency_of_few_wakeups)
{
	struct stage *st = self->st;

	hist_add(&st->stats[0].wake, MS, 19);
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "latency", "a"));
	hist_add(&st->stats[0].wake, MS, 1);
	EXPECT_EQ(VERDICT_PASS, judge(st, "latency", "a"));
	/* One of 21 is not said to be a percentile. */
	hist_add(&st->stats[0].wake, 900 * MS, 1);
	EXPECT_EQ(VERDICT_PASS, judge(st, "latency", "a"));
	/* A scenario that is about the tail does not pass without one. */
	st->run.limits.wake_p99_us = 200000;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "latency", "a"));
	hist_add(&st->stats[0].wake, MS, 500);
	EXPECT_EQ(VERDICT_PASS, judge(st, "latency", "a"));
}

TEST_F(check, migration)
{
	struct stage *st = self->st;
	u64 *moves = st->stats[0].migrations;

	/* Four workers in 3 s */
	st->run.limits.migrations = 100;
	st->run.limits.llc_migrations = 50;
	moves[WIRE_SAME_LLC] = 1200;
	EXPECT_EQ(VERDICT_PASS, judge(st, "migration", "a"));
	moves[WIRE_SAME_LLC] = 1201;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "migration", "a"));
	moves[WIRE_SAME_LLC] = 0;
	moves[WIRE_CROSS_LLC] = 300;
	moves[WIRE_CROSS_NODE] = 300;
	EXPECT_EQ(VERDICT_PASS, judge(st, "migration", "a"));
	moves[WIRE_CROSS_NODE] = 301;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "migration", "a"));
	st->run.sched.lacks = "llc";
	EXPECT_EQ(VERDICT_PASS, judge(st, "migration", "a"));
	st->run.sched.lacks = NULL;
	/* That limit is met by all moves, to wherever they are. */
	st->run.limits.llc_migrations = 100;
	EXPECT_EQ(VERDICT_PASS, judge(st, "migration", "a"));
	st->run.limits.llc_migrations = 50;
	st->run.overcommit = 2;
	EXPECT_EQ(VERDICT_PASS, judge(st, "migration", "a"));
	st->stats[0].available_ns = 10 * MS;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "migration", "a"));
	st->groups[0].work = WIRE_WORK_AFFINITY;
	EXPECT_EQ(NONE, judge(st, "migration", "a"));
}

TEST_F(check, locality_of_workers)
{
	struct stage *st = self->st;

	st->run.limits.node_migrations = 10;
	st->stats[0].migrations[WIRE_CROSS_NODE] = 120;
	EXPECT_EQ(VERDICT_PASS, judge(st, "locality", "a"));
	st->stats[0].migrations[WIRE_CROSS_NODE] = 121;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "locality", "a"));
	st->run.sched.lacks = "numa";
	EXPECT_EQ(VERDICT_SKIP, judge(st, "locality", "a"));
	st->topo.nodes = 1;
	EXPECT_EQ(NONE, judge(st, "locality", "a"));
}

/* Worker @i has @pages on node @node. */
static void put_pages(struct stage *st, unsigned int i, unsigned int node, u32 pages)
{
	st->reports[i].r.pages[node] += pages;
	st->stats[0].pages[node] += pages;
}

/* Worker @i did so many parts of its work on nodes 0 and 1. */
static void work_on(struct stage *st, unsigned int i, u64 first, u64 second)
{
	st->reports[i].r.on_node[0] = first;
	st->reports[i].r.on_node[1] = second;
	st->reports[i].r.cpus[0] = (first ? 1 : 0) | (second ? 4 : 0);
}

/* Workers 0 and 1 are at home on node 0, the others on node 1; by 100 pages each */
static void settle(struct stage *st)
{
	unsigned int i;

	st->run.limits.node_migrations = UNLIMITED;
	for (i = 0; i < 4; i++) {
		put_pages(st, i, i / 2, 100);
		work_on(st, i, i < 2 ? 1000 : 0, i < 2 ? 0 : 1000);
	}
}

TEST_F(check, locality_of_pages)
{
	struct stage *st = self->st;
	unsigned int i;

	st->run.limits.node_migrations = UNLIMITED;
	EXPECT_EQ(NONE, judge(st, "locality", "a"));
	put_pages(st, 0, 0, 60);
	work_on(st, 0, 1000, 0);
	EXPECT_EQ(VERDICT_SKIP, judge(st, "locality", "a"));
	EXPECT_EQ(VERDICT_PASS, check_verdict(&st->findings));
	st->groups[0].mems = 1;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "locality", "a"));
	st->groups[0].mems = 0;
	/* Nothing is asked. */
	st->run.limits.remote_pages = UNLIMITED;
	st->run.limits.slow_pages = UNLIMITED;
	EXPECT_EQ(NONE, judge(st, "locality", "a"));
	st->run.limits.remote_pages = check_defaults.remote_pages;
	st->run.limits.slow_pages = check_defaults.slow_pages;
	put_pages(st, 0, 0, 40);
	EXPECT_EQ(VERDICT_PASS, judge(st, "locality", "a"));
	EXPECT_EQ(0, find(st, "locality", "a")->seen);
	/* Nobody knows where it worked. */
	work_on(st, 0, 0, 0);
	EXPECT_EQ(VERDICT_PASS, judge(st, "locality", "a"));
	st->stats[0].pages[0] = 0;
	st->reports[0].r.pages[0] = 0;
	settle(st);
	EXPECT_EQ(VERDICT_PASS, judge(st, "locality", "a"));
	EXPECT_EQ(VERDICT_PASS, check_verdict(&st->findings));
	/* All are sent away after a while: three quarters of what they did was remote. */
	for (i = 0; i < 4; i++)
		work_on(st, i, i < 2 ? 250 : 750, i < 2 ? 750 : 250);
	EXPECT_EQ(VERDICT_PASS, judge(st, "locality", "a"));
	for (i = 0; i < 4; i++)
		work_on(st, i, i < 2 ? 240 : 760, i < 2 ? 760 : 240);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "locality", "a"));
	EXPECT_EQ(76, find(st, "locality", "a")->seen);
	EXPECT_EQ(75, find(st, "locality", "a")->limit);
	EXPECT_EQ(2, find(st, "locality", "a")->cpu);
	/* Once is enough if it is early: the number of moves says nothing. */
	for (i = 0; i < 4; i++) {
		work_on(st, i, i < 2 ? 1 : 999, i < 2 ? 999 : 1);
		st->reports[i].r.migrations[WIRE_CROSS_NODE] = 1;
	}
	EXPECT_EQ(VERDICT_FAIL, judge(st, "locality", "a"));
	st->run.overcommit = 16;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "locality", "a"));
	st->groups[0].changed = CHECK_CPUS;
	EXPECT_EQ(NONE, judge(st, "locality", "a"));
}

/* To and fro, or where chance has put them, is no fault by default. */
TEST_F(check, locality_by_chance)
{
	struct stage *st = self->st;
	struct errmsg err;
	unsigned int i;

	settle(st);
	for (i = 0; i < 4; i++)
		work_on(st, i, 500, 500);
	EXPECT_EQ(50, find(st, "locality", "a")->seen);
	EXPECT_EQ(VERDICT_PASS, judge(st, "locality", "a"));
	st->run.limits.remote_pages = 30;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "locality", "a"));
	st->run.limits.remote_pages = check_defaults.remote_pages;
	/* A quarter of the time on each of four nodes */
	ASSERT_EQ(0, topology_parse("4n4l1c1t", &st->topo, &err));
	for (i = 0; i < 4; i++) {
		st->reports[i].r.on_node[2] = 500;
		st->reports[i].r.on_node[3] = 500;
	}
	EXPECT_EQ(75, find(st, "locality", "a")->seen);
	EXPECT_EQ(88, find(st, "locality", "a")->limit);
	EXPECT_EQ(VERDICT_PASS, judge(st, "locality", "a"));
	for (i = 0; i < 4; i++)
		st->reports[i].r.on_node[3] = 10000;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "locality", "a"));
	/* What is spread on purpose is near to nobody. */
	st->groups[0].memory = MEMORY_INTERLEAVE;
	EXPECT_EQ(NONE, judge(st, "locality", "a"));
}

TEST_F(check, locality_of_bound_pages)
{
	struct stage *st = self->st;

	st->run.limits.node_migrations = UNLIMITED;
	st->run.limits.slow_pages = UNLIMITED;
	st->run.sched.lacks = "numa";
	put_pages(st, 0, 1, 1000);
	EXPECT_EQ(VERDICT_SKIP, judge(st, "locality", "a"));
	st->groups[0].memory = MEMORY_BIND;
	st->groups[0].mems = 2;
	EXPECT_EQ(VERDICT_PASS, judge(st, "locality", "a"));
	put_pages(st, 1, 0, 1000);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "locality", "a"));
	EXPECT_EQ(50, find(st, "locality", "a")->seen);
}

/* A node without CPUs is near to nobody. */
TEST_F(check, slow_tier)
{
	struct stage *st = self->st;
	struct errmsg err;

	ASSERT_EQ(0, topology_parse("3n2l2c1t,llcs=1:1:0", &st->topo, &err));
	settle(st);
	st->run.limits.remote_pages = UNLIMITED;
	EXPECT_EQ(VERDICT_PASS, judge(st, "locality", "a"));
	put_pages(st, 0, 2, 400);
	EXPECT_EQ(VERDICT_PASS, judge(st, "locality", "a"));
	EXPECT_EQ(50, find(st, "locality", "a")->seen);
	put_pages(st, 1, 2, 10);
	put_pages(st, 1, 63, 10);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "locality", "a"));
	EXPECT_EQ(51, find(st, "locality", "a")->seen);
	EXPECT_EQ(50, find(st, "locality", "a")->limit);
	EXPECT_NE(NULL, strstr(find(st, "locality", "a")->text, "most of them on node 2"));
	/* That is no matter of where tasks run, but it is one of the machine. */
	st->run.sched.lacks = "numa";
	EXPECT_EQ(VERDICT_FAIL, judge(st, "locality", "a"));
	st->run.limits.slow_pages = 60;
	EXPECT_EQ(VERDICT_PASS, judge(st, "locality", "a"));
	st->groups[0].memory = MEMORY_PREFERRED;
	st->run.limits.slow_pages = 10;
	EXPECT_EQ(NONE, judge(st, "locality", "a"));
	/* Without such a node, nothing is slow. */
	st->groups[0].memory = MEMORY_DEFAULT;
	ASSERT_EQ(0, topology_parse("3n3l2c1t", &st->topo, &err));
	st->stats[0].pages[63] = 0;
	EXPECT_EQ(VERDICT_PASS, judge(st, "locality", "a"));
}

/* Who is found wrong is told with the CPU and the time of its longest wait. */
TEST_F(check, places)
{
	static const char * const checks[] = {
		"workers", "starvation", "spread", "throughput", "latency", "weight",
	};
	struct stage *st = self->st;
	const struct finding *f;
	size_t i;

	weigh(st);
	set_share(st, 1, 1);
	st->stats[1].min_rate = 1;
	st->stats[1].min_worker = 3;
	st->stats[1].stuck = 1;
	st->stats[1].gap.at_ns = 800 * MS;
	st->stats[1].gap.cpu_after = 3;
	hist_add(&st->stats[1].wake, 900 * MS, 10000);
	st->run.limits.rounds = 1000000;
	st->reports[7].r.flags = WIRE_REPORT_NOT_STOPPED;
	st->reports[7].r.gap = st->stats[1].gap;
	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		f = find(st, checks[i], "b");
		ASSERT_NE(NULL, f) {
			TH_LOG("%s", checks[i]);
		}
		EXPECT_EQ(VERDICT_FAIL, f->verdict);
		EXPECT_EQ(3, f->cpu) {
			TH_LOG("%s", checks[i]);
		}
		EXPECT_EQ(800 * MS, f->at_ns);
	}
	/* Who got too much took it from somebody who waited. */
	set_share(st, 0, 1);
	set_share(st, 1, 99);
	f = find(st, "weight", "b");
	EXPECT_EQ(VERDICT_FAIL, f->verdict);
	EXPECT_EQ(2, f->cpu);
	EXPECT_EQ(700 * MS, f->at_ns);
	EXPECT_NE(NULL, strstr(f->text, "workers a waited for up to 60 ms"));
	/* One that has never waited was nowhere. */
	st->stats[0].gap = (struct wire_gap){};
	f = find(st, "weight", "b");
	EXPECT_EQ(CHECK_NO_CPU, f->cpu);
	EXPECT_EQ(CHECK_NO_TIME, f->at_ns);
}

TEST_F(check, places_of_quota_and_moves)
{
	struct stage *st = self->st;
	const struct finding *f;

	limit_quota(st, 20);
	f = find(st, "quota", "a");
	EXPECT_EQ(VERDICT_FAIL, f->verdict);
	EXPECT_EQ(2, f->cpu);
	EXPECT_EQ(700 * MS, f->at_ns);
	/* Too much is nobody's wait. */
	limit_quota(st, 90);
	EXPECT_EQ(CHECK_NO_CPU, find(st, "quota", "a")->cpu);
	st->run.limits.migrations = 1;
	st->stats[0].migrations[WIRE_SAME_LLC] = 100;
	st->reports[2].r.migrations[WIRE_SAME_LLC] = 90;
	st->reports[3].r.migrations[WIRE_SAME_LLC] = 10;
	f = find(st, "migration", "a");
	EXPECT_EQ(VERDICT_FAIL, f->verdict);
	EXPECT_NE(NULL, strstr(f->text, "worker 2: 90 times, seen on CPUs 2"));
}

TEST_F(check, alive)
{
	struct control_sched left = { .state = "disabled", .reason = "runnable task stall" };
	struct stage *st = self->st;

	st->run.sched = (struct check_sched){
		.ops = "simple",
		.end_ops = "simple",
		.end_state = "enabled",
		.exit = &left,
	};
	EXPECT_EQ(VERDICT_PASS, judge(st, "alive", NULL));
	st->run.sched.end_ops = "other";
	EXPECT_EQ(VERDICT_FAIL, judge(st, "alive", NULL));
	st->run.sched.end_ops = "simple";
	st->run.sched.end_state = "disabling";
	EXPECT_EQ(VERDICT_FAIL, judge(st, "alive", NULL));
	st->run.sched.end_state = NULL;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "alive", NULL));
	left.valid = true;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "alive", NULL));
	EXPECT_NE(NULL, strstr(find(st, "alive", NULL)->text, "runnable task stall"));
	left.reason = NULL;
	EXPECT_NE(NULL, strstr(find(st, "alive", NULL)->text, "no reason"));
	/* It had left when the workers started. */
	st->run.sched.ops = NULL;
	snprintf(left.ops, sizeof(left.ops), "gone");
	EXPECT_EQ(VERDICT_FAIL, judge(st, "alive", NULL));
	EXPECT_NE(NULL, strstr(find(st, "alive", NULL)->text, "scheduler gone left"));
	/* EEVDF, or one that was told to leave */
	left.valid = false;
	EXPECT_EQ(NONE, judge(st, "alive", NULL));
}

/* One that a step puts in its place for a while is not what is tested. */
/* What does not depend on time is told from what a slow host may have caused. */
TEST_F(check, broken_rules_are_certain)
{
	static const struct {
		const char *reason;
		bool certain;
	} reasons[] = {
		{ "\"simple\" disabled (runtime error)\nsimple: target CPU 1 not allowed", true },
		{ "\"simple\" disabled (scx_bpf_error)\nsimple: no memory", true },
		{ "\"simple\" disabled (runnable task stall)\nsimple: sh[1] failed to run", false },
		{ "\"simple\" disabled (runtime error)\nsimple: RCU CPU stall detected!", false },
		{ "\"simple\" disabled (runtime error)\nsimple: soft lockup - CPU 1", false },
		{ "\"simple\" disabled (unregistered from user space)", false },
		{ NULL, false },
	};
	struct control_sched left = { .valid = true, .state = "disabled" };
	struct stage *st = self->st;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(reasons); i++) {
		st->run.sched = (struct check_sched){ .ops = "simple", .exit = &left };
		left.reason = (char *)reasons[i].reason;
		EXPECT_EQ(VERDICT_FAIL, judge(st, "alive", NULL));
		EXPECT_EQ(reasons[i].certain, st->findings.certain) {
			TH_LOG("%s", reasons[i].reason);
		}
		/* Of another one, nothing is. */
		st->run.sched.reloaded = true;
		snprintf(left.ops, sizeof(left.ops), "other");
		judge(st, "alive", NULL);
		EXPECT_EQ(false, st->findings.certain);
		left.ops[0] = '\0';
	}
}

TEST_F(check, alive_is_not_about_others)
{
	struct control_sched left = { .valid = true, .ops = "other", .state = "disabled",
				      .reason = "runnable task stall" };
	struct stage *st = self->st;

	st->run.sched = (struct check_sched){
		.ops = "simple",
		.end_ops = "simple",
		.end_state = "enabled",
		.exit = &left,
		.reloaded = true,
	};
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "alive", NULL));
	EXPECT_NE(NULL, strstr(find(st, "alive", NULL)->text, "other"));
	EXPECT_NE(NULL, strstr(find(st, "alive", NULL)->text, "runnable task stall"));
	/* But that it is gone in the end is about it, and so is that it left. */
	st->run.sched.end_state = "disabled";
	EXPECT_EQ(VERDICT_FAIL, judge(st, "alive", NULL));
	st->run.sched.end_state = "enabled";
	snprintf(left.ops, sizeof(left.ops), "simple");
	EXPECT_EQ(VERDICT_FAIL, judge(st, "alive", NULL));
	EXPECT_NE(NULL, strstr(find(st, "alive", NULL)->text, "scheduler simple left"));
	/* Where no step has changed it, it was this one, whatever its name. */
	snprintf(left.ops, sizeof(left.ops), "other");
	st->run.sched.reloaded = false;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "alive", NULL));
}

/* The kernel ends who does not say what to do when CPUs come and go. */
TEST_F(check, alive_without_hotplug)
{
	struct control_sched left = {
		.valid = true,
		.state = "disabled",
		.reason = "\"simple\" disabled (unregistered from the main kernel)",
	};
	struct stage *st = self->st;

	st->run.sched = (struct check_sched){
		.ops = "simple",
		.end_ops = "",
		.end_state = "disabled",
		.exit = &left,
		.lacks = "hotplug",
	};
	EXPECT_EQ(VERDICT_FAIL, judge(st, "alive", NULL));
	st->run.hotplug = true;
	EXPECT_EQ(VERDICT_SKIP, judge(st, "alive", NULL));
	left.reason = "runnable task stall";
	EXPECT_EQ(VERDICT_FAIL, judge(st, "alive", NULL));
	left.reason = NULL;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "alive", NULL));
	left.reason = "unregistered from the main kernel";
	st->run.sched.lacks = "llc";
	EXPECT_EQ(VERDICT_FAIL, judge(st, "alive", NULL));
}

/* Who is thrown off a CPU by a real-time task, and not let go elsewhere, may wait. */
TEST_F(check, without_preemption_callbacks)
{
	struct stage *st = self->st;

	st->stats[0].gap.sched_ns = 2 * NSEC_PER_SEC;
	st->stats[0].min_rate = 0;
	set_idle(st, 1, 90);
	st->run.sched.lacks = "rt";
	EXPECT_EQ(VERDICT_FAIL, judge(st, "gap", "a"));
	EXPECT_EQ(VERDICT_FAIL, judge(st, "conservation", NULL));
	st->groups[1].policy = POLICY_FIFO;
	EXPECT_EQ(VERDICT_SKIP, judge(st, "gap", NULL));
	EXPECT_EQ(NONE, judge(st, "starvation", NULL));
	EXPECT_EQ(NONE, judge(st, "conservation", NULL));
	/* That all ran, and on their CPUs, makes no good scheduler. */
	EXPECT_EQ(VERDICT_PASS, judge(st, "workers", "a"));
	EXPECT_EQ(VERDICT_SKIP, check_verdict(&st->findings));
	st->stats[0].stuck = 1;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "workers", "a"));
	st->run.sched.lacks = "hotplug";
	EXPECT_EQ(VERDICT_FAIL, judge(st, "starvation", "a"));
	EXPECT_EQ(VERDICT_FAIL, judge(st, "conservation", NULL));
}

TEST(overcommit_of_a_denied_host)
{
	EXPECT_EQ(1, check_overcommit(1, DURATION, 0));
	EXPECT_EQ(4, check_overcommit(4, DURATION, 0));
	EXPECT_EQ(8, check_overcommit(4, DURATION, DURATION / 2));
	EXPECT_EQ(5, check_overcommit(4, DURATION, DURATION / 10));
	/* What is denied more is not judged at all. */
	EXPECT_EQ(10, check_overcommit(4, DURATION, DURATION));
	EXPECT_EQ(0, check_overcommit(4, 0, 0));
}

/* A CPU that was offline has no columns: that is not time that somebody was denied. */
TEST_F(check, busy_host_and_hotplug)
{
	struct stage *st = self->st;

	starve_host(st);
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "gap", "a"));
	st->run.hotplug = true;
	EXPECT_EQ(VERDICT_PASS, judge(st, "gap", "a"));
}

/* Not even those that never ran are to blame for that, but wrong results stay wrong. */
TEST_F(check, denied_to_the_emulated_host)
{
	struct stage *st = self->st;

	st->run.host_is_tcg = true;
	st->stats[0].stuck = 1;
	st->stats[0].min_rate = 0;
	st->run.denied_ns = DURATION / 5;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "workers", "a"));
	EXPECT_EQ(VERDICT_FAIL, judge(st, "starvation", "a"));
	st->run.denied_ns = DURATION / 10 * 7;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "workers", "a"));
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "starvation", "a"));
	st->stats[0].corrupt = 1;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "workers", "a"));
}

TEST_F(check, defects_that_are_known)
{
	struct stage *st = self->st;

	st->stats[0].stuck = 1;
	st->run.sched.defects = "gap workers";
	st->run.sched.defects_reason = "it loses tasks";
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "workers", "a"));
	EXPECT_NE(NULL, strstr(find(st, "workers", "a")->text, "it loses tasks"));
	EXPECT_EQ(VERDICT_PASS, judge(st, "workers", "b"));
	EXPECT_EQ(VERDICT_INCONCLUSIVE, check_verdict(&st->findings));
	st->stats[0].min_rate = 0;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "starvation", "a"));
	/* Where nobody waited for long, it is another defect. */
	st->stats[0].stuck = 0;
	st->stats[0].corrupt = 1;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "workers", "a"));
	st->stats[0].corrupt = 0;
	st->stats[0].gap.sched_ns = DURATION / 4 - 1;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "gap", "a"));
	st->stats[0].gap.sched_ns++;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "gap", "a"));
}

/* Who is due little waits for long under any scheduler: that excuses nobody. */
TEST_F(check, defects_are_not_excused_by_who_is_due_little)
{
	struct stage *st = self->st;

	add_idle_group(st);
	st->stats[2].gap.sched_ns = DURATION;
	st->stats[2].stuck = 1;
	st->reports[8].r.flags = WIRE_REPORT_NEVER_RAN;
	st->stats[0].corrupt = 1;
	st->run.sched.defects = "workers";
	EXPECT_EQ(VERDICT_FAIL, judge(st, "workers", "a"));
	/* But it is to stop, and to run if it is due as much as others. */
	st->stats[2].stuck = 2;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "workers", "a"));
	st->stats[2].stuck = 1;
	st->groups[2].policy = POLICY_NORMAL;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "workers", "a"));
}

/* But if others of the group do not wait, it is for no lack of time. */
TEST_F(check, defects_in_who_is_due_little)
{
	struct stage *st = self->st;

	add_idle_group(st);
	st->groups[2].policy = POLICY_NORMAL;
	st->groups[2].nice = 13;
	st->stats[2].gap.sched_ns = DURATION;
	EXPECT_EQ(NONE, judge(st, "gap", "c"));
	st->stats[2].mean_rate = 100;
	st->stats[2].min_rate = 0;
	st->run.sched.defects = "starvation";
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "starvation", "c"));
	st->stats[2].gap.sched_ns = DURATION / 4 - 1;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "starvation", "c"));
	st->stats[2].gap.sched_ns++;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "starvation", "c"));
	st->run.sched.defects = NULL;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "starvation", "c"));
}

/* A scheduler that loses the kernel's own threads makes the kernel complain of waits. */
TEST_F(check, defects_that_the_kernel_tells)
{
	static const char stall[] = "[    4.5] rcu: INFO: rcu_preempt detected stalls on CPUs:\n"
				    "[    4.6] Call Trace:\n";
	static const char both[] = "[    4.5] rcu: INFO: rcu_preempt detected stalls on CPUs:\n"
				   "[    4.6] BUG: unable to handle page fault\n";
	struct stage *st = self->st;

	st->run.kernel_log = stall;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "kernel_log", NULL));
	st->run.sched.defects = "gap";
	EXPECT_EQ(VERDICT_FAIL, judge(st, "kernel_log", NULL));
	st->run.sched.defects = "gap kernel_log";
	st->run.sched.defects_reason = "it loses tasks";
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "kernel_log", NULL));
	EXPECT_NE(NULL, strstr(find(st, "kernel_log", NULL)->text, "it loses tasks"));
	/* Bugs of the kernel are none of the scheduler's defects, whoever waits. */
	st->run.kernel_log = both;
	st->stats[0].gap.sched_ns = DURATION;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "kernel_log", NULL));
	EXPECT_NE(NULL, strstr(find(st, "kernel_log", NULL)->text, "unable to handle"));
}

/* One CPU decides for all, and is away for most of the time. */
TEST_F(check, without_a_cpu_for_each)
{
	struct stage *st = self->st;

	set_idle(st, 1, 90);
	st->stats[0].gap.sched_ns = 5 * NSEC_PER_SEC;
	st->run.sched.lacks = "nice overcommit";
	EXPECT_EQ(VERDICT_FAIL, judge(st, "conservation", NULL));
	EXPECT_EQ(VERDICT_FAIL, judge(st, "gap", "a"));
	st->run.overcommit = 2;
	EXPECT_EQ(NONE, judge(st, "conservation", NULL));
	EXPECT_EQ(VERDICT_SKIP, judge(st, "gap", NULL));
	EXPECT_EQ(VERDICT_PASS, judge(st, "workers", "a"));
	st->run.sched.lacks = "nice";
	EXPECT_EQ(VERDICT_FAIL, judge(st, "conservation", NULL));
}

TEST_F(check, throughput_in_rounds)
{
	struct stage *st = self->st;

	st->groups[0].work = WIRE_WORK_CUSTOM;
	st->groups[1].background = true;
	st->stats[0].min_rate = 10;
	EXPECT_EQ(NONE, judge(st, "throughput", "a"));
	st->run.limits.rounds = 10;
	EXPECT_EQ(VERDICT_PASS, judge(st, "throughput", "a"));
	EXPECT_EQ(NONE, judge(st, "throughput", "b"));
	st->stats[0].min_rate = 9;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "throughput", "a"));
	st->run.overcommit = 4;
	EXPECT_EQ(VERDICT_PASS, judge(st, "throughput", "a"));
	/* However busy the host: one */
	st->run.overcommit = 1000;
	st->stats[0].min_rate = 0;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "throughput", "a"));
	/* One that had no CPU to be busy with: nobody could. */
	st->run.host_is_tcg = true;
	st->run.denied_ns = DURATION / 10 * 7;
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "throughput", "a"));
	st->run.denied_ns = 0;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "throughput", "a"));
	starve_host(st);
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "throughput", "a"));
}

/* What programs got done is known to themselves only. */
TEST_F(check, programs)
{
	static const struct scenario_program bench = { .name = "bench" };
	const struct check_program ends[] = {
		{ .program = &bench, .output = "" },
		{ .program = &bench, .output = "no", .wait_status = 1 << 8 },
	};
	struct stage *st = self->st;

	EXPECT_EQ(NONE, judge(st, "program", NULL));
	st->run.programs = ends;
	st->run.nr_programs = 1;
	EXPECT_EQ(VERDICT_PASS, judge(st, "program", NULL));
	EXPECT_EQ(NONE, judge(st, "spread", NULL));
	EXPECT_EQ(NONE, judge(st, "throughput", NULL));
	st->run.nr_programs = 2;
	EXPECT_EQ(VERDICT_FAIL, judge(st, "program", NULL));
	/* That the CPUs were busy with something else does not mean that the host was. */
	st->stats[0].gap.sched_ns = 2000 * MS;
	starve_host(st);
	EXPECT_EQ(VERDICT_FAIL, judge(st, "gap", "a"));
}

TEST_F(check, events)
{
	struct stage *st = self->st;

	st->run.sched = (struct check_sched){
		.ops = "simple",
		.events_before = "SCX_EV_A 5\nSCX_EV_AB 7\n",
		.events_after = "SCX_EV_A 5\nSCX_EV_AB 9\nSCX_EV_C 1\nnonsense\n",
	};
	EXPECT_EQ(VERDICT_PASS, judge(st, "events", NULL));
	EXPECT_NE(NULL, strstr(find(st, "events", NULL)->text, ": SCX_EV_AB +2, SCX_EV_C +1"));
	st->run.sched.events_after = "SCX_EV_A 4\n";
	EXPECT_EQ(VERDICT_FAIL, judge(st, "events", NULL));
	st->run.sched.events_after = "";
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "events", NULL));
	st->run.sched.events_after = "SCX_EV_A 4\n";
	st->run.sched.reloaded = true;
	EXPECT_EQ(NONE, judge(st, "events", NULL));
	st->run.sched.reloaded = false;
	st->run.sched.events_before = NULL;
	EXPECT_EQ(NONE, judge(st, "events", NULL));
}

TEST_F(check, kernel_log)
{
	struct stage *st = self->st;

	st->run.kernel_log = "[    1.000000] BUG: before\n[    4.000000] all well\n";
	st->run.log_since_ns = 2 * NSEC_PER_SEC;
	EXPECT_EQ(VERDICT_PASS, judge(st, "kernel_log", NULL));
	st->run.kernel_log = "[    4.500000] watchdog: BUG: soft lockup - CPU#1\n";
	EXPECT_EQ(VERDICT_FAIL, judge(st, "kernel_log", NULL));
	EXPECT_EQ(2500 * MS, find(st, "kernel_log", NULL)->at_ns);
	EXPECT_NE(NULL, strstr(find(st, "kernel_log", NULL)->text, "soft lockup - CPU#1"));
	/* A host that is too busy causes lockups, but no bugs. */
	starve_host(st);
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "kernel_log", NULL));
	st->run.kernel_log = "[    4.500000] watchdog: BUG: soft lockup - CPU#1\n"
			     "[    4.500001] Call Trace:\n";
	EXPECT_EQ(VERDICT_INCONCLUSIVE, judge(st, "kernel_log", NULL));
	st->run.kernel_log = "[    4.500000] watchdog: BUG: soft lockup - CPU#1\n"
			     "[    4.500001] Call Trace:\n"
			     "[    4.600000] Oops: 0002 [#1] PREEMPT SMP\n";
	EXPECT_EQ(VERDICT_FAIL, judge(st, "kernel_log", NULL));
	EXPECT_EQ(2600 * MS, find(st, "kernel_log", NULL)->at_ns);
	st->run.kernel_log = "[    4.500000] WARNING: CPU: 1 PID: 3 at x\n";
	EXPECT_EQ(VERDICT_FAIL, judge(st, "kernel_log", NULL));
	st->run.kernel_log = NULL;
	EXPECT_EQ(NONE, judge(st, "kernel_log", NULL));
}

TEST_F(check, unlimited)
{
	struct limits *limits = &self->st->run.limits;
	unsigned int *limit = (unsigned int *)limits;
	struct stage *st = self->st;
	size_t i;

	weigh(st);
	hist_add(&st->stats[0].wake, MS, 10000);
	put_pages(st, 0, 0, 1000);
	for (i = 0; i < sizeof(*limits) / sizeof(*limit); i++)
		limit[i] = UNLIMITED;
	find(st, "", NULL);
	for (i = 0; i < st->findings.nr; i++)
		EXPECT_STREQ("workers", st->findings.list[i].check);
}

/* Each limit has a default. */
TEST(defaults)
{
	const unsigned int *limit = (const unsigned int *)&check_defaults;
	size_t i;

	for (i = 0; i < sizeof(check_defaults) / sizeof(*limit); i++)
		EXPECT_NE(0, limit[i]);
	EXPECT_EQ(100, check_within(100, 1));
	EXPECT_EQ(150, check_within(100, 2));
	EXPECT_EQ(450, check_within(100, 8));
}

TEST(lines)
{
	static const char line[] =
		"FAIL gap, workers l: w3; seen 700 ms, expected at most 500, on CPU 2, at 1234 ms";
	struct finding f = {
		.check = "gap",
		.group = "l",
		.verdict = VERDICT_FAIL,
		.seen = 700,
		.limit = 500,
		.unit = "ms",
		.cpu = 2,
		.at_ns = 1234 * MS,
		.text = "w3",
	};
	char buf[2 * CHECK_TEXT_SIZE], small[16];

	EXPECT_STREQ(line, check_format(&f, buf, sizeof(buf)));
	EXPECT_STREQ("FAIL gap, worke", check_format(&f, small, sizeof(small)));
	f = (struct finding){
		.check = "alive",
		.cpu = CHECK_NO_CPU,
		.at_ns = CHECK_NO_TIME,
		.text = "gone",
	};
	EXPECT_STREQ("SKIP alive: gone", check_format(&f, buf, sizeof(buf)));
	/* Nothing that a guest says begins a line of its own. */
	snprintf(f.text, sizeof(f.text), "gone\nok 1 all\r\033[m");
	EXPECT_STREQ("SKIP alive: gone ok 1 all  [m", check_format(&f, buf, sizeof(buf)));
}

/* What check_print() writes, for a moment only */
static const char *printed(const struct check_run *run, const struct findings *findings)
{
	static char text[8192];
	FILE *to = tmpfile();
	int saved = dup(1);
	size_t len;

	if (!to)
		return "";
	fflush(stdout);
	dup2(fileno(to), 1);
	check_print(run, findings);
	fflush(stdout);
	dup2(saved, 1);
	close(saved);
	rewind(to);
	len = fread(text, 1, sizeof(text) - 1, to);
	text[len] = '\0';
	fclose(to);
	return text;
}

TEST_F(check, report)
{
	struct findings *all = &self->st->findings;
	struct stage *st = self->st;
	static const char want[] =
		"# FAIL gap: two\n# INCONCLUSIVE gap: three\n# SKIP gap: one\n"
		"# cgroup a: cpuset 2-3, cpu.weight 300, cpu.max 50 %\n"
		"# cgroup b: cpuset all; at the end cpuset 0-1, cpu.max 20 %\n"
		"# cgroup a, workers a: 4 workers";
	struct finding f = { .check = "gap", .cpu = CHECK_NO_CPU, .at_ns = CHECK_NO_TIME };
	struct scenario_cgroup end[2];
	const char *text;

	st->cgroups[0] = (struct scenario_cgroup){
		.name = "a", .cpus = LLC(1), .weight = 300, .quota = 50,
	};
	st->cgroups[1].name = "b";
	st->run.nr_cgroups = 2;
	end[0] = st->cgroups[0];
	end[1] = (struct scenario_cgroup){ .name = "b", .cpus = LLC(0), .quota = 20 };
	st->run.cgroups_end = end;
	f.verdict = VERDICT_SKIP;
	check_add(all, &f, "one");
	f.verdict = VERDICT_PASS;
	check_add(all, &f, "none");
	EXPECT_STREQ("# SKIP gap: one\n", printed(&st->run, all));
	f.verdict = VERDICT_FAIL;
	check_add(all, &f, "two");
	f.verdict = VERDICT_INCONCLUSIVE;
	check_add(all, &f, "three");
	text = printed(&st->run, all);
	EXPECT_EQ(0, strncmp(want, text, strlen(want))) {
		TH_LOG("%s", text);
	}
}

/* When there is no room, the worst is still told. */
TEST(room)
{
	static struct findings all;
	struct finding f = { .check = "x", .verdict = VERDICT_PASS };
	int i;

	for (i = 0; i < CHECK_MAX_FINDINGS + 1; i++)
		check_add(&all, &f, "%d", i);
	EXPECT_EQ(CHECK_MAX_FINDINGS, all.nr);
	EXPECT_EQ(VERDICT_PASS, check_verdict(&all));
	f.verdict = VERDICT_FAIL;
	check_add(&all, &f, "worst");
	EXPECT_EQ(CHECK_MAX_FINDINGS, all.nr);
	EXPECT_EQ(VERDICT_FAIL, check_verdict(&all));
	EXPECT_STREQ("worst", check_find(&all, "x", NULL)->text);
	EXPECT_STREQ("worst", check_find(&all, NULL, NULL)->text);
	EXPECT_EQ(NULL, check_find(&all, "x", "group"));
	EXPECT_EQ(NULL, check_find(&all, "y", NULL));
}

TEST_HARNESS_MAIN
