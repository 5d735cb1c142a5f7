// SPDX-License-Identifier: GPL-2.0
/*
 * Types of work, in an agent that is an ordinary process: each does what it says.
 * Nothing here is about how fast it is: the machine may be busy. So workers run until
 * they have done what is looked for, and bounds are those of the clock.
 */
#include <linux/kernel.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent_peer.h"
#include "expect.h"
#include "cpulist.h"

static struct peer *open_agent(struct __test_metadata *_metadata)
{
	struct peer *p = calloc(1, sizeof(*p));

	ASSERT_NE(NULL, p);
	ASSERT_TRUE(agent_start(p));
	ASSERT_EQ(0, control_wait_hello(&p->c, PATIENCE_NS, &p->err)) {
		TH_LOG("%s", p->err.text);
	}
	return p;
}

/* What only root may do is no failure of others. Is that all? */
static bool is_allowed(struct __test_metadata *_metadata, const struct peer *p, int ret)
{
	if (ret == -EPERM || ret == -EACCES)
		SKIP(return false, "not allowed here (run it as root): %.200s", p->err.text);
	ASSERT_EQ(0, ret) {
		TH_LOG("%s", p->err.text);
	}
	return true;
}

static int start(struct peer *p, const struct wire_spawn *spawn, u64 ns)
{
	return CALL(control_spawn, spawn) ?: CALL(control_start, NULL, 0, ns, PATIENCE_NS);
}

static const struct wire_report *report(const struct peer *p, size_t i)
{
	return &p->reply.reports[i].r;
}

static u64 wakes(const struct peer *p, size_t i)
{
	return hist_total(&report(p, i)->wake);
}

/* Two CPU numbers, which are the same on a machine with one */
static void two_cpus(char first[16], char last[16])
{
	unsigned int i, n = 0;
	cpu_set_t set;

	sched_getaffinity(0, sizeof(set), &set);
	for (i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &set))
			continue;
		if (!n++)
			snprintf(first, 16, "%u", i);
		snprintf(last, 16, "%u", i);
	}
}

FIXTURE(kind) {
	struct peer *p;
};

/*
 * @wakes: each worker has them
 * @equal: workers have done the same number of rounds, but for one or two
 */
FIXTURE_VARIANT(kind)
{
	u32 work;
	u32 count;
	bool wakes;
	bool equal;
	const char *arg;
};

FIXTURE_VARIANT_ADD(kind, spin) {
	.work = WIRE_WORK_SPIN, .count = 1,
};

FIXTURE_VARIANT_ADD(kind, yield) {
	.work = WIRE_WORK_YIELD, .count = 2,
};

FIXTURE_VARIANT_ADD(kind, mixed) {
	.work = WIRE_WORK_MIXED, .count = 2,
	.wakes = true,
};

FIXTURE_VARIANT_ADD(kind, bursty) {
	.work = WIRE_WORK_BURSTY, .count = 1,
	.wakes = true,
};

FIXTURE_VARIANT_ADD(kind, rt_hog) {
	.work = WIRE_WORK_RT_HOG, .count = 1,
	.wakes = true,
};

FIXTURE_VARIANT_ADD(kind, pipe) {
	.work = WIRE_WORK_PIPE, .count = 2,
	.wakes = true, .equal = true,
};

FIXTURE_VARIANT_ADD(kind, pingpong) {
	.work = WIRE_WORK_PINGPONG, .count = 2,
	.wakes = true, .equal = true,
};

FIXTURE_VARIANT_ADD(kind, fanout) {
	.work = WIRE_WORK_FANOUT, .count = 4,
	.wakes = true, .equal = true,
};

FIXTURE_VARIANT_ADD(kind, fanout_compute) {
	.work = WIRE_WORK_FANOUT_COMPUTE, .count = 4,
	.wakes = true, .equal = true,
};

FIXTURE_VARIANT_ADD(kind, chain) {
	.work = WIRE_WORK_CHAIN, .count = 5,
	.wakes = true, .equal = true,
};

FIXTURE_VARIANT_ADD(kind, timer) {
	.work = WIRE_WORK_TIMER, .count = 1,
	.wakes = true,
};

FIXTURE_VARIANT_ADD(kind, mutex) {
	.work = WIRE_WORK_MUTEX, .count = 3,
};

FIXTURE_VARIANT_ADD(kind, inversion) {
	.work = WIRE_WORK_INVERSION, .count = 3,
};

FIXTURE_VARIANT_ADD(kind, cache) {
	.work = WIRE_WORK_CACHE, .count = 1,
};

FIXTURE_VARIANT_ADD(kind, cache_yield) {
	.work = WIRE_WORK_CACHE_YIELD, .count = 2,
};

FIXTURE_VARIANT_ADD(kind, cache_pipe) {
	.work = WIRE_WORK_CACHE_PIPE, .count = 2,
	.wakes = true, .equal = true,
};

FIXTURE_VARIANT_ADD(kind, fault) {
	.work = WIRE_WORK_FAULT, .count = 1,
};

FIXTURE_VARIANT_ADD(kind, numa) {
	.work = WIRE_WORK_NUMA, .count = 1,
};

FIXTURE_VARIANT_ADD(kind, fork) {
	.work = WIRE_WORK_FORK, .count = 1,
	.wakes = true,
};

FIXTURE_VARIANT_ADD(kind, exec) {
	.work = WIRE_WORK_EXEC, .count = 1,
};

FIXTURE_VARIANT_ADD(kind, nice) {
	.work = WIRE_WORK_NICE, .count = 1,
};

FIXTURE_VARIANT_ADD(kind, affinity) {
	.work = WIRE_WORK_AFFINITY, .count = 1,
};

FIXTURE_VARIANT_ADD(kind, policy) {
	.work = WIRE_WORK_POLICY, .count = 1,
};

FIXTURE_VARIANT_ADD(kind, io_sync) {
	.work = WIRE_WORK_IO_SYNC, .count = 1,
	.wakes = true,
};

FIXTURE_VARIANT_ADD(kind, disk) {
	.work = WIRE_WORK_DISK, .count = 1,
	.wakes = true, .arg = "/proc/self/exe",
};

FIXTURE_VARIANT_ADD(kind, net) {
	.work = WIRE_WORK_NET, .count = 2,
	.arg = "lo",
};

FIXTURE_VARIANT_ADD(kind, custom) {
	.work = WIRE_WORK_CUSTOM, .count = 1,
	.arg = "compile",
};

FIXTURE_SETUP(kind)
{
	self->p = open_agent(_metadata);
}

FIXTURE_TEARDOWN(kind)
{
	agent_stop(self->p);
	free(self->p);
}

static bool all_have_worked(const struct peer *p)
{
	size_t i;

	for (i = 0; i < p->reply.nr_reports; i++)
		if (!report(p, i)->units)
			return false;
	return true;
}

/* (who was late may never have had to wait) */
static bool all_have_woken(const struct peer *p)
{
	size_t i;

	for (i = 0; i < p->reply.nr_reports; i++)
		if (!wakes(p, i) || !report(p, i)->nvcsw)
			return false;
	return all_have_worked(p);
}

static bool any_has_woken(const struct peer *p)
{
	size_t i;

	for (i = 0; i < p->reply.nr_reports; i++)
		if (wakes(p, i))
			return true;
	return false;
}

TEST_F(kind, works)
{
	const struct wire_spawn spawn = {
		.name = "workers", .count = variant->count,
		.phases[0] = { .work = variant->work, .arg = variant->arg },
	};
	const struct wire_report *r;
	struct peer *p = self->p;
	u64 least = ~0ULL, most = 0;
	size_t i;

	if (!is_allowed(_metadata, p, peer_run_until(p, &spawn, variant->wakes ?
						     all_have_woken : all_have_worked)))
		return;
	ASSERT_EQ(variant->count, p->reply.nr_reports);
	for (i = 0; i < variant->count; i++) {
		r = report(p, i);
		EXPECT_EQ(0, r->flags) TH_LOG("worker %zu", i);
		EXPECT_LT(0, r->units);
		EXPECT_LT(0, r->cpu_ns);
		EXPECT_LT(0, r->timeslices);
		EXPECT_LE(RUN_NS, r->wall_ns);
		EXPECT_LE(r->gap.raw_ns, r->wall_ns);
		EXPECT_LE(r->gap.sched_ns, r->gap.raw_ns);
		EXPECT_EQ(variant->wakes, variant->wakes && wakes(p, i)) TH_LOG("worker %zu", i);
		/* Only who blocks can be woken up, and a few times it need not. */
		if (variant->wakes) {
			EXPECT_LT(0, r->nvcsw);
			EXPECT_LE(wakes(p, i), r->units + r->nvcsw + 1);
		}
		least = min(least, r->units);
		most = max(most, r->units);
	}
	EXPECT_LE(variant->equal ? most : 0, least + 2);
}

FIXTURE(work) {
	struct peer *p;
};

FIXTURE_SETUP(work)
{
	self->p = open_agent(_metadata);
}

FIXTURE_TEARDOWN(work)
{
	agent_stop(self->p);
	free(self->p);
}

/* Several teams in one group do not wait for each other, or one would be starved. */
TEST_F(work, teams)
{
	const struct wire_spawn spawn = {
		.name = "teams", .count = 6,
		.phases[0] = { .work = WIRE_WORK_CHAIN, .team = 3 },
	};
	struct peer *p = self->p;
	u64 before[6] = { }, ns;
	size_t i;

	for (ns = RUN_NS; ns < MAX_RUN_NS && before[0] <= 2; ns *= 2) {
		ASSERT_EQ(0, CALL(control_spawn, &spawn)) TH_LOG("%s", p->err.text);
		/* One of the second team is stopped before the start: that team has no ring. */
		usleep(100000);
		kill(p->reply.pids[3], SIGSTOP);
		ASSERT_EQ(0, CALL(control_start, NULL, 0, ns, SEC));
		ASSERT_EQ(0, CALL(control_stop, NULL, 0, PATIENCE_NS, 200 * MSEC)) {
			TH_LOG("%s", p->err.text);
		}
		ASSERT_EQ(6, p->reply.nr_reports);
		for (i = 0; i < 6; i++)
			before[i] = report(p, i)->units;
	}
	EXPECT_LT(2, before[0]);
	EXPECT_LE(before[0], before[2] + 1);
	EXPECT_EQ(0, before[3]);
	EXPECT_EQ(0, before[4]);
	EXPECT_EQ(0, before[5]);
}

TEST_F(work, spin_does_not_sleep_and_bursty_does)
{
	const struct wire_spawn spin = { .name = "spin", .count = 1 };
	const struct wire_spawn bursty = {
		.name = "bursty", .count = 1, .phases[0].work = WIRE_WORK_BURSTY,
	};
	struct peer *p = self->p;

	ASSERT_EQ(0, CALL(control_spawn, &spin));
	ASSERT_EQ(0, peer_run(p, &bursty, 200 * MSEC)) TH_LOG("%s", p->err.text);
	ASSERT_EQ(2, p->reply.nr_reports);
	EXPECT_EQ(0, wakes(p, 0));
	EXPECT_EQ(0, report(p, 0)->max_raw_wake_ns);
	/* Of half of the time, or less where it had to wait */
	EXPECT_GT(180 * MSEC, report(p, 1)->cpu_ns);
	EXPECT_LE(report(p, 1)->units, 200 / 10 + 1);
}

/* The period is kept: no wake-up comes before its time. */
TEST_F(work, timer_has_a_period)
{
	const struct wire_spawn spawn = {
		.name = "timer", .count = 1,
		.phases[0] = { .work = WIRE_WORK_TIMER, .sleep_ns = 5 * MSEC },
	};
	struct peer *p = self->p;

	ASSERT_EQ(0, peer_run_until(p, &spawn, all_have_worked)) TH_LOG("%s", p->err.text);
	EXPECT_LE(1, report(p, 0)->units);
	EXPECT_GE(report(p, 0)->wall_ns / (5 * MSEC) + 1, report(p, 0)->units);
	EXPECT_LE(report(p, 0)->units - 1, wakes(p, 0));
	EXPECT_GE(report(p, 0)->units, wakes(p, 0));
}

/* A lock that is always wanted makes others wait for it. */
TEST_F(work, mutex_is_contended)
{
	struct wire_spawn spawn = {
		.name = "mutex", .count = 4,
		.phases[0] = { .work = WIRE_WORK_MUTEX, .run_ns = 2 * MSEC },
	};
	struct peer *p = self->p;
	size_t i;

	ASSERT_EQ(0, peer_run_until(p, &spawn, any_has_woken)) TH_LOG("%s", p->err.text);
	EXPECT_TRUE(any_has_woken(p));
	/* Teams of two do not share the lock with each other, but all get it. */
	spawn.phases[0].team = 2;
	ASSERT_EQ(0, peer_run_until(p, &spawn, all_have_worked));
	for (i = 0; i < 4; i++)
		EXPECT_LT(0, report(p, i)->units);
}

static int nice_of(pid_t pid)
{
	return getpriority(PRIO_PROCESS, pid);
}

static int first_allowed(pid_t pid)
{
	cpu_set_t set;
	int cpu = 0;

	if (sched_getaffinity(pid, sizeof(set), &set) || !CPU_COUNT(&set))
		return 0;
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	return cpu;
}

/*
 * How many different values does a running worker have of something, up to @want? On a
 * busy machine, one that is SCHED_IDLE just now may stay so for a while.
 */
static int values_of(pid_t pid, int (*value)(pid_t), int want)
{
	const u64 end = clock_ns() + PATIENCE_NS;
	bool seen[64] = { };
	int now, n = 0;

	while (n < want && clock_ns() < end) {
		now = value(pid) + 20;
		if (now >= 0 && now < 64 && !seen[now]) {
			seen[now] = true;
			n++;
		}
		usleep(200);
	}
	return n;
}

TEST_F(work, churn_is_seen_from_outside)
{
	static const struct {
		u32 type;
		int (*value)(pid_t pid);
	} kinds[] = {
		{ WIRE_WORK_NICE, nice_of },
		{ WIRE_WORK_POLICY, sched_getscheduler },
		{ WIRE_WORK_AFFINITY, first_allowed },
	};
	struct wire_spawn spawn = { .name = "churn", .count = 1, .phases[0].run_ns = MSEC };
	struct peer *p = self->p;
	int want, got;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		want = kinds[i].value == first_allowed ?
		       min_t(long, 2, sysconf(_SC_NPROCESSORS_ONLN)) : 3;
		spawn.phases[0].work = kinds[i].type;
		if (!is_allowed(_metadata, p, CALL(control_spawn, &spawn)))
			return;
		got = p->reply.pids[0];
		if (!is_allowed(_metadata, p, CALL(control_start, NULL, 0, WIRE_FOREVER,
						   PATIENCE_NS)))
			return;
		got = values_of(got, kinds[i].value, want);
		EXPECT_LE(want, got) TH_LOG("%s", wire_work_name(kinds[i].type));
		ASSERT_EQ(0, CALL(control_stop, NULL, 0, 0, PATIENCE_NS));
	}
}

TEST_F(work, inversion_has_three_priorities)
{
	struct wire_spawn spawn = {
		.name = "three", .count = 3, .phases[0].work = WIRE_WORK_INVERSION,
	};
	struct sched_param param;
	struct peer *p = self->p;
	int i, pids[3];

	ASSERT_EQ(0, CALL(control_spawn, &spawn)) TH_LOG("%s", p->err.text);
	memcpy(pids, p->reply.pids, sizeof(pids));
	if (!is_allowed(_metadata, p, CALL(control_start, NULL, 0, WIRE_FOREVER, PATIENCE_NS)))
		return;
	EXPECT_EQ(15, nice_of(pids[0]));
	EXPECT_EQ(0, nice_of(pids[1]));
	EXPECT_EQ(-15, nice_of(pids[2]));
	ASSERT_EQ(0, CALL(control_stop, NULL, 0, 0, PATIENCE_NS));

	spawn.attr.policy = SCHED_RR;
	spawn.attr.priority = 10;
	ASSERT_EQ(0, CALL(control_spawn, &spawn)) TH_LOG("%s", p->err.text);
	memcpy(pids, p->reply.pids, sizeof(pids));
	if (!is_allowed(_metadata, p, CALL(control_start, NULL, 0, WIRE_FOREVER, PATIENCE_NS)))
		return;
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(SCHED_RR, sched_getscheduler(pids[i]));
		EXPECT_EQ(0, sched_getparam(pids[i], &param));
		EXPECT_EQ(10 + i, param.sched_priority);
	}
	ASSERT_EQ(0, CALL(control_stop, NULL, 0, 0, PATIENCE_NS));
	ASSERT_EQ(0, peer_run_until(p, &spawn, all_have_worked)) TH_LOG("%s", p->err.text);
	for (i = 0; i < 3; i++)
		EXPECT_LT(0, report(p, i)->units);
}

static bool has_been_in_both(const struct peer *p)
{
	return report(p, 0)->units > 2;
}

/* Two files take the place of the cgroups: each worker writes to both in turn. */
TEST_F(work, cgroup_storm)
{
	struct peer *p = self->p;
	char path[256], a[128], b[128];
	const char *const globs[] = { a, b };
	struct wire_spawn spawn = {
		.name = "storm", .count = 1,
		.phases[0] = { .work = WIRE_WORK_CGROUP, .arg = path },
	};
	const struct control_file *file;

	snprintf(path, sizeof(path), "%s/a  %s/b", p->dir, p->dir);
	ASSERT_EQ(0, CALL(control_spawn, &spawn));
	EXPECT_EQ(-ENOENT, CALL(control_start, NULL, 0, RUN_NS, PATIENCE_NS));
	expect_in(_metadata, "/a/cgroup.procs", p->err.text);
	ASSERT_EQ(0, CALL(control_stop, NULL, 0, 0, PATIENCE_NS));

	snprintf(a, sizeof(a), "%s/a", p->dir);
	snprintf(b, sizeof(b), "%s/b", p->dir);
	ASSERT_EQ(0, mkdir(a, 0755));
	ASSERT_EQ(0, mkdir(b, 0755));
	write_file(p, "a/cgroup.procs", "");
	write_file(p, "b/cgroup.procs", "");
	ASSERT_EQ(0, peer_run_until(p, &spawn, has_been_in_both)) TH_LOG("%s", p->err.text);
	EXPECT_EQ(0, report(p, 0)->flags);
	EXPECT_LT(2, report(p, 0)->units);
	snprintf(a, sizeof(a), "%s/a/cgroup.procs", p->dir);
	snprintf(b, sizeof(b), "%s/b/cgroup.procs", p->dir);
	ASSERT_EQ(0, CALL(control_read, globs, 2));
	file = control_file(&p->reply, a);
	ASSERT_NE(NULL, file);
	EXPECT_LT(0, strspn(file->data, "0"));
	file = control_file(&p->reply, b);
	ASSERT_NE(NULL, file);
	EXPECT_LT(0, strspn(file->data, "0"));

	spawn.phases[0].arg = " ";
	ASSERT_EQ(0, CALL(control_spawn, &spawn));
	EXPECT_EQ(-EINVAL, CALL(control_start, NULL, 0, RUN_NS, PATIENCE_NS));
}

/* What does not exist is said by the start, and by its name. */
TEST_F(work, what_is_missing)
{
	static const struct {
		struct wire_phase phase;
		int ret;
		const char *said;
	} cases[] = {
		{ { .work = WIRE_WORK_DISK, .arg = "/dev/nosuch" }, -ENODEV,
		  "no such device: /dev/nosuch" },
		{ { .work = WIRE_WORK_NET, .arg = "nosuch0" }, -ENODEV, "interface nosuch0" },
		{ { .work = WIRE_WORK_CUSTOM, .arg = "nosuch" }, -ENOENT,
		  "no custom work \"nosuch\"" },
		{ { .work = WIRE_WORK_IO_SYNC, .arg = "/nosuch" }, -ENOENT, "/nosuch" },
		{ { .work = WIRE_WORK_CACHE, .bytes = 1ULL << 60 }, -EINVAL, "cache lines" },
		{ { .work = WIRE_WORK_NUMA, .bytes = 1ULL << 60 }, -ENOMEM, "bytes of memory" },
	};
	struct wire_spawn spawn = { .name = "missing", .count = 2 };
	struct peer *p = self->p;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		spawn.phases[0] = cases[i].phase;
		ASSERT_EQ(0, CALL(control_spawn, &spawn)) TH_LOG("%s", p->err.text);
		EXPECT_EQ(cases[i].ret, CALL(control_start, NULL, 0, RUN_NS, PATIENCE_NS))
			TH_LOG("case %zu: %s", i, p->err.text);
		expect_in(_metadata, cases[i].said, p->err.text);
		ASSERT_EQ(0, CALL(control_stop, NULL, 0, 0, PATIENCE_NS));
	}
}

/* Units are those of both phases. */
static bool both_phases(const struct peer *p)
{
	size_t i;

	for (i = 0; i < p->reply.nr_reports; i++)
		if (!report(p, i)->unit_ns || report(p, i)->units <= wakes(p, i))
			return false;
	return all_have_woken(p);
}

/* Workers go from one phase to the next, and back. */
TEST_F(work, phases)
{
	struct wire_spawn spawn = {
		.name = "phases", .count = 2, .nr_phases = 2,
		.phases = {
			{ .work = WIRE_WORK_SPIN, .phase_ns = 20 * MSEC },
			{ .work = WIRE_WORK_TIMER, .phase_ns = 10 * MSEC },
		},
	};
	struct peer *p = self->p;
	int i;

	ASSERT_EQ(0, peer_run_until(p, &spawn, both_phases)) TH_LOG("%s", p->err.text);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, report(p, i)->flags);
		/* Of timers alone there would be one in each ms, and without them none. */
		EXPECT_LE(1, wakes(p, i));
		EXPECT_GE(report(p, i)->wall_ns / MSEC / 2, wakes(p, i));
		EXPECT_LT(0, report(p, i)->unit_ns);
		EXPECT_LT(wakes(p, i), report(p, i)->units);
	}
}

static int nr_allowed(pid_t pid)
{
	cpu_set_t set;

	return sched_getaffinity(pid, sizeof(set), &set) ? 0 : CPU_COUNT(&set);
}

static unsigned int nr_unlike(int (*value)(pid_t pid), pid_t like, const pid_t *pids, size_t nr)
{
	unsigned int n = 0;

	while (nr--)
		n += value(pids[nr]) != value(like);
	return n;
}

/* What one phase does to its worker's attributes is not for the next one. */
TEST_F(work, phases_keep_to_themselves)
{
	static const struct wire_phase spin = { .work = WIRE_WORK_SPIN, .phase_ns = 1000 * SEC };
	static const struct {
		struct wire_phase phases[2];
		int (*value)(pid_t pid);
	} kinds[] = {
		{ { { .work = WIRE_WORK_NICE, .phase_ns = 60 * MSEC }, spin }, nice_of },
		{
			/* Short rounds: one as SCHED_IDLE may take long beside the others. */
			{
				{
					.work = WIRE_WORK_POLICY,
					.phase_ns = 60 * MSEC, .run_ns = 10000,
				},
				spin,
			},
			sched_getscheduler,
		},
		{ { { .work = WIRE_WORK_AFFINITY, .phase_ns = 60 * MSEC }, spin }, nr_allowed },
		{
			{ spin, { .work = WIRE_WORK_RT_HOG, .phase_ns = 60 * MSEC } },
			sched_getscheduler,
		},
	};
	struct wire_spawn spawn = { .name = "phases", .count = 6, .nr_phases = 2 };
	struct peer *p = self->p;
	pid_t pids[6];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		memcpy(spawn.phases, kinds[i].phases, sizeof(kinds[i].phases));
		ASSERT_EQ(0, CALL(control_spawn, &spawn)) TH_LOG("%s", p->err.text);
		memcpy(pids, p->reply.pids, sizeof(pids));
		if (!is_allowed(_metadata, p, CALL(control_start, NULL, 0, WIRE_FOREVER,
						   PATIENCE_NS)))
			return;
		/* Where others run, too, it takes longer until the first phase is over. */
		usleep(500000);
		EXPECT_TRUE(wait_until(!nr_unlike(kinds[i].value, p->pid, pids,
						  ARRAY_SIZE(pids)))) {
			TH_LOG("kind %zu", i);
		}
		ASSERT_EQ(0, CALL(control_stop, NULL, 0, 0, PATIENCE_NS));
	}
}

/* Memory is where the policy says, and is said to be there. */
TEST_F(work, memory_policy)
{
	struct wire_spawn spawn = {
		.name = "numa", .count = 1, .mem_mode = MPOL_BIND, .mem_nodes = 1,
		.phases[0].work = WIRE_WORK_NUMA,
	};
	struct peer *p = self->p;
	u64 all = 0;
	u32 i;

	if (access("/sys/devices/system/node", F_OK))
		SKIP(return, "this kernel is without CONFIG_NUMA");
	ASSERT_EQ(0, peer_run(p, &spawn, RUN_NS)) TH_LOG("%s", p->err.text);
	for (i = 0; i < WIRE_MAX_NODES; i++)
		all += report(p, 0)->pages[i];
	EXPECT_LT(100, report(p, 0)->pages[0]);
	EXPECT_EQ(all, report(p, 0)->pages[0]);

	spawn.mem_nodes = 1ULL << 63;
	ASSERT_EQ(0, CALL(control_spawn, &spawn));
	EXPECT_EQ(-EINVAL, CALL(control_start, NULL, 0, RUN_NS, PATIENCE_NS));
	expect_in(_metadata, "memory policy", p->err.text);
}

TEST_F(work, deadline_policy)
{
	struct wire_spawn spawn = {
		.name = "deadline", .count = 1, .phases[0].work = WIRE_WORK_TIMER,
		.attr = {
			.policy = 6, .runtime_ns = 2 * MSEC, .deadline_ns = 10 * MSEC,
			.period_ns = 20 * MSEC,
		},
	};
	struct peer *p = self->p;
	pid_t pid;
	int ret;

	ASSERT_EQ(0, CALL(control_spawn, &spawn)) TH_LOG("%s", p->err.text);
	pid = p->reply.pids[0];
	ret = CALL(control_start, NULL, 0, WIRE_FOREVER, PATIENCE_NS);
	if (ret == -EBUSY)
		SKIP(return, "no bandwidth is left for deadline tasks here");
	if (!is_allowed(_metadata, p, ret))
		return;
	EXPECT_EQ(6, sched_getscheduler(pid));
	ASSERT_EQ(0, CALL(control_stop, NULL, 0, 0, PATIENCE_NS));
	ret = peer_run_until(p, &spawn, all_have_worked);
	if (ret == -EBUSY)
		SKIP(return, "no bandwidth is left for deadline tasks here");
	ASSERT_EQ(0, ret);
	EXPECT_EQ(0, report(p, 0)->flags);
	EXPECT_LT(0, report(p, 0)->units);
}

static bool has_a_gap(const struct wire_report *r)
{
	return r->gap.sched_ns >= 10 * MSEC;
}

static bool has_a_late_wake_up(const struct wire_report *r)
{
	return has_a_gap(r) && r->max_raw_wake_ns >= 15 * MSEC;
}

/* What has become of work that a hog of higher priority disturbed? NULL if it may not. */
static const struct wire_report *beside_hog(struct __test_metadata *_metadata, struct peer *p,
					    u32 work, const char *arg,
					    bool (*seen)(const struct wire_report *r))
{
	char first[16], last[16];
	const char *const cpus[] = { first };
	const struct wire_spawn hog = {
		.name = "hog", .count = 1, .nr_cpus = 1, .cpus = cpus,
		.phases[0] = {
			.work = WIRE_WORK_RT_HOG, .run_ns = 30 * MSEC, .sleep_ns = 5 * MSEC,
		},
	};
	const struct wire_spawn other = {
		.name = "other", .count = 1, .nr_cpus = 1, .cpus = cpus,
		.phases[0] = { .work = work, .arg = arg },
	};
	const struct wire_report *r;
	u64 ns;
	int ret;

	two_cpus(first, last);
	for (ns = 400 * MSEC; ns < MAX_RUN_NS; ns *= 2) {
		/* Later: a late start of its own would be a gap, too. */
		ret = start(p, &other, WIRE_FOREVER) ?: start(p, &hog, WIRE_FOREVER) ?:
		      CALL(control_stop, NULL, 0, ns, PATIENCE_NS);
		if (!is_allowed(_metadata, p, ret))
			return NULL;
		r = report(p, 0);
		if (!r->flags && seen(r))
			break;
	}
	EXPECT_EQ(2, p->reply.nr_reports);
	EXPECT_STREQ("other", r->group);
	EXPECT_EQ(0, r->flags);
	EXPECT_LE(10 * MSEC, r->gap.sched_ns);
	EXPECT_EQ((u32)atoi(first), r->gap.cpu_after);
	return r;
}

static void expect_late(struct __test_metadata *_metadata, const struct wire_report *r)
{
	EXPECT_LE(10 * MSEC, hist_percentile(&r->wake, 10000));
	EXPECT_LE(hist_percentile(&r->wake, 10000) * 15 / 16, r->max_raw_wake_ns);
}

TEST_F(work, late_wake_ups_are_seen)
{
	const struct wire_report *r = beside_hog(_metadata, self->p, WIRE_WORK_TIMER, NULL,
						 has_a_late_wake_up);

	if (!r)
		return;
	expect_late(_metadata, r);
	EXPECT_LE(15 * MSEC, r->max_raw_wake_ns);
}

/* A disk does not say when it was done: what counts is the time in the run queue. */
TEST_F(work, late_wake_ups_by_a_disk_are_seen)
{
	const struct wire_report *r = beside_hog(_metadata, self->p, WIRE_WORK_DISK,
						 "/proc/self/exe", has_a_late_wake_up);

	if (!r)
		return;
	expect_late(_metadata, r);
	/* But for the last one, if that was due after the end */
	EXPECT_LE(r->units, hist_total(&r->wake) + 1);
	EXPECT_LE(r->gap.sched_ns, r->run_delay_ns);
}

/* Who may have blocked, or not, has a gap in any case. */
TEST_F(work, late_returns_are_gaps)
{
	const struct wire_report *r;

	if (access("/proc/sys/vm/stat_refresh", R_OK))
		SKIP(return, "it takes /proc/sys/vm/stat_refresh, and root to read it");
	r = beside_hog(_metadata, self->p, WIRE_WORK_CUSTOM, "kworkers", has_a_gap);
	if (!r)
		return;
	EXPECT_EQ(0, hist_total(&r->wake));
	EXPECT_LE(r->gap.sched_ns, r->run_delay_ns);
	EXPECT_LE(r->gap.sched_ns, r->gap.raw_ns);
}

static bool has_slept_long(const struct wire_report *r)
{
	return r->max_raw_wake_ns >= 190 * MSEC;
}

static bool has_woken(const struct wire_report *r)
{
	return hist_total(&r->wake);
}

/* No time that it was stopped for; with it in a run queue, all that it had to wait there */
static u64 rightly_late(const struct wire_report *r)
{
	const u64 idle = 150 * MSEC;

	return max(idle, r->run_delay_ns);
}

/* A worker that is stopped is not runnable: its wake-up is late, but nobody's fault. */
static const struct wire_report *stopped(struct __test_metadata *_metadata, struct peer *p,
					 u32 work, const char *arg,
					 bool (*seen)(const struct wire_report *r))
{
	const struct wire_spawn spawn = {
		.name = "stopped", .count = 1, .phases[0] = { .work = work, .arg = arg },
	};
	const struct wire_report *r;
	pid_t pid;
	u64 ns;

	for (ns = 100 * MSEC; ns < MAX_RUN_NS; ns *= 2) {
		EXPECT_EQ(0, CALL(control_spawn, &spawn));
		pid = p->reply.pids[0];
		setpriority(PRIO_PROCESS, pid, -20);
		EXPECT_EQ(0, CALL(control_start, NULL, 0, WIRE_FOREVER, PATIENCE_NS));
		usleep(ns / 1000);
		kill(pid, SIGSTOP);
		usleep(200000);
		kill(pid, SIGCONT);
		EXPECT_EQ(0, CALL(control_stop, NULL, 0, ns, PATIENCE_NS)) {
			TH_LOG("%s", p->err.text);
		}
		r = report(p, 0);
		if (seen(r))
			break;
	}
	EXPECT_LE(r->gap.sched_ns, r->run_delay_ns);
	/* (but for what the histogram's buckets are apart) */
	EXPECT_GE(rightly_late(r) * 17 / 16, hist_percentile(&r->wake, 10000));
	return r;
}

TEST_F(work, stopped_worker_is_not_a_late_wake_up)
{
	const struct wire_report *r = stopped(_metadata, self->p, WIRE_WORK_TIMER, NULL,
					      has_slept_long);

	EXPECT_LE(190 * MSEC, r->max_raw_wake_ns);
}

TEST_F(work, stopped_reader_is_not_a_late_wake_up)
{
	const struct wire_report *r = stopped(_metadata, self->p, WIRE_WORK_DISK,
					      "/proc/self/exe", has_woken);

	EXPECT_LT(0, hist_total(&r->wake));
	EXPECT_GE(rightly_late(r), r->max_raw_wake_ns);
}

/* How far are they from each other, if there is one node, and an index3? */
static int distance_of(const char *cpu, const char *other)
{
	struct cpu_set set = { };
	char path[96], list[512];
	FILE *f;
	int n;

	if (!access("/sys/devices/system/node/node1", F_OK))
		return -1;
	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%s/cache/index3/shared_cpu_list",
		 cpu);
	f = fopen(path, "re");
	if (!f)
		return -1;
	n = fscanf(f, "%511s", list);
	fclose(f);
	if (n != 1 || cpu_set_parse(&set, list))
		return -1;
	return cpu_set_has(&set, atoi(other)) ? WIRE_SAME_LLC : WIRE_CROSS_LLC;
}

/* CPUs that it was moved between, and how far that is */
TEST_F(work, migrations)
{
	char first[16], last[16];
	const char *const cpus[] = { first }, *const other[] = { last };
	const struct wire_spawn spawn = { .name = "moved", .count = 1, .nr_cpus = 1, .cpus = cpus };
	const struct wire_report *r;
	struct peer *p = self->p;
	u64 moves, both, ns;
	int i, distance;

	two_cpus(first, last);
	if (!strcmp(first, last))
		SKIP(return, "it takes two CPUs to be moved between");
	both = 1ULL << atoi(first) | 1ULL << atoi(last);
	for (ns = 50 * MSEC; ns < MAX_RUN_NS / 4; ns *= 2) {
		ASSERT_EQ(0, start(p, &spawn, WIRE_FOREVER)) TH_LOG("%s", p->err.text);
		for (i = 0; i < 5; i++) {
			usleep(ns / 1000);
			ASSERT_EQ(0, control_affinity(&p->c, "moved", i % 2 ? cpus : other, 1,
						      &p->err));
		}
		ASSERT_EQ(0, CALL(control_stop, NULL, 0, ns, PATIENCE_NS));
		r = report(p, 0);
		if (r->cpus[0] == both)
			break;
	}
	moves = r->migrations[WIRE_SAME_LLC] + r->migrations[WIRE_CROSS_LLC] +
		r->migrations[WIRE_CROSS_NODE];
	EXPECT_LE(1, moves);
	EXPECT_GE(5, moves);
	distance = distance_of(first, last);
	if (distance >= 0)
		EXPECT_EQ(moves, r->migrations[distance]);
	EXPECT_EQ(both, r->cpus[0]);
}

/*
 * A worker knows how long it took to read files about itself; being kept from running
 * meanwhile is in that, so that the best of some rounds counts, and a priority helps.
 * What measuring costs in all is for bench/measuring.c. A bare worker does none of it.
 */
TEST_F(work, measuring_is_cheap)
{
	struct wire_spawn spawn = { .name = "spin", .count = 1 };
	const struct wire_report *r;
	struct peer *p = self->p;
	u64 least = ~0ULL, end = clock_ns() + PATIENCE_NS;
	int ret;

	spawn.attr = (struct wire_attr) { .policy = SCHED_FIFO, .priority = 1 };
	while (least > 10 && clock_ns() < end) {
		ret = peer_run(p, &spawn, 250 * MSEC);
		if (ret == -EPERM && spawn.attr.policy == SCHED_FIFO) {
			CALL(control_stop, NULL, 0, 0, PATIENCE_NS);
			spawn.attr = (struct wire_attr) { };
			continue;
		}
		ASSERT_EQ(0, ret) TH_LOG("%s", p->err.text);
		r = report(p, 0);
		if (r->cpu_ns)
			least = min(least, r->measure_ns * 1000 / r->cpu_ns);
	}
	/* Per mille; the clock is another matter. */
	EXPECT_GE(10, least);

	spawn.flags = WIRE_SPAWN_BARE;
	spawn.attr = (struct wire_attr) { };
	ASSERT_EQ(0, peer_run_until(p, &spawn, all_have_worked)) TH_LOG("%s", p->err.text);
	EXPECT_EQ(0, report(p, 0)->measure_ns);
	EXPECT_LT(0, report(p, 0)->units);
}

TEST_HARNESS_MAIN
