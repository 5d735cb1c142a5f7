// SPDX-License-Identifier: GPL-2.0
/*
 * The first questions to a scheduler: does everybody run, about equally, and
 * soon; only where allowed; also when there are more tasks than CPUs; and is
 * it noticed when the scheduler leaves?
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "clock.h"
#include "ktstr_test.h"
#include "load.h"

/*
 * What a healthy scheduler stays well below. A slice is 20 ms in sched_ext by
 * default, and 4 workers per CPU wait for three of them: 60 ms. On a host that is
 * short of CPUs these grow with load_overcommit(), see within().
 */
#define MAX_GAP_NS		(500 * NSEC_PER_MSEC)
#define MAX_SPREAD_PERCENT	50

/* Equals may differ by this at the end: a slice more or less, steal's granularity */
#define CHANCE_NS		(60 * NSEC_PER_MSEC)

/* A worker with less than this part of the mean is starved. */
#define STARVED_PERCENT		10

/* With less CPU time per worker than this, chance decides. */
#define MIN_SIGNAL_NS		(60 * NSEC_PER_MSEC)

/*
 * An emulated host does not see what it is denied itself, so that nobody can
 * correct for it. It shows as less work than the time would have allowed.
 */
#define MIN_USED_PERCENT	30

#define OVERSUBSCRIPTION	4

FIXTURE(basic)
{
	struct session s;
	unsigned int cpus;
};

FIXTURE_VARIANT(basic)
{
	const char *topology;
	const char *scheduler;
};

FIXTURE_VARIANT_ADD(basic, eevdf_1n1l2c2t) {
	.topology = "1n1l2c2t",
};

FIXTURE_VARIANT_ADD(basic, scx_simple_1n1l2c2t) {
	.topology = "1n1l2c2t",
	.scheduler = "scx_simple",
};

FIXTURE_VARIANT_ADD(basic, eevdf_1n2l4c2t) {
	.topology = "1n2l4c2t",
};

FIXTURE_VARIANT_ADD(basic, scx_simple_1n2l4c2t) {
	.topology = "1n2l4c2t",
	.scheduler = "scx_simple",
};

FIXTURE_VARIANT_ADD(basic, eevdf_2n4l2c2t) {
	.topology = "2n4l2c2t",
};

FIXTURE_VARIANT_ADD(basic, scx_simple_2n4l2c2t) {
	.topology = "2n4l2c2t",
	.scheduler = "scx_simple",
};

KTSTR_ENV_VARIANT(basic)

FIXTURE_SETUP(basic)
{
	const struct session_config cfg = {
		.topology = variant->topology,
		.scheduler = variant->scheduler,
	};

	if (!ktstr_session_start(_metadata, &self->s, &cfg))
		return;
	self->cpus = topology_cpus(&self->s.topo);
}

FIXTURE_TEARDOWN(basic)
{
	session_end(&self->s);
}

/* The scheduler under test has to be the one that ran, until the end. */
static void expect_scheduler(struct __test_metadata *_metadata, struct session *s)
{
	const struct control_sched *left = &s->control.sched_exit;

	EXPECT_FALSE(left->valid) {
		TH_LOG("the scheduler left: %s\n%s", left->reason, left->output);
	}
}

/* What is allowed where each CPU of the host carries @overcommit of the guest's */
static u64 within(u64 limit, unsigned int overcommit)
{
	return limit * (overcommit + 1) / 2;
}

/* What must hold however little time there was */
static void expect_sound(struct __test_metadata *_metadata, const struct load_group *group,
			 const struct load_stats *st)
{
	EXPECT_EQ(group->workers, st->workers);
	EXPECT_EQ(0, st->stuck) {
		TH_LOG("cgroup %s: %u of %u workers did not run, or did not stop",
		       group->name, st->stuck, st->workers);
	}
	EXPECT_EQ(0, st->corrupt) {
		TH_LOG("cgroup %s: %u workers computed wrong results: their registers were lost",
		       group->name, st->corrupt);
	}
	EXPECT_EQ(0, st->off_cpus) {
		TH_LOG("cgroup %s: %u workers ran outside of its cpuset, worker %u among them",
		       group->name, st->off_cpus, st->off_worker);
	}
}

/* @run_ns: how long each worker could run, by the time that the host left */
static void expect_fair(struct __test_metadata *_metadata, const struct load_group *group,
			const struct load_stats *st, u64 run_ns, unsigned int overcommit)
{
	u64 max_spread = within(MAX_SPREAD_PERCENT + CHANCE_NS * 100 / run_ns, overcommit);
	u64 max_gap = within(MAX_GAP_NS, overcommit);

	EXPECT_GE(st->min_rate * 100, st->mean_rate * STARVED_PERCENT) {
		TH_LOG("cgroup %s: worker %u starves with %llu units per second, the mean is %llu",
		       group->name, st->min_worker, (unsigned long long)st->min_rate,
		       (unsigned long long)st->mean_rate);
	}
	EXPECT_LE(load_spread(st), max_spread) {
		TH_LOG("cgroup %s: from %llu units per second (worker %u) to %llu (worker %u)",
		       group->name, (unsigned long long)st->min_rate, st->min_worker,
		       (unsigned long long)st->max_rate, st->max_worker);
	}
	EXPECT_LE(st->gap.sched_ns, max_gap) {
		TH_LOG("cgroup %s: worker %u waited %llu ms, at %llu ms, on CPU %u, then CPU %u",
		       group->name, st->gap_worker,
		       (unsigned long long)st->gap.sched_ns / NSEC_PER_MSEC,
		       (unsigned long long)st->gap.at_ns / NSEC_PER_MSEC,
		       st->gap.cpu_before, st->gap.cpu_after);
	}
}

/* Run the groups, show what they got, and check it. */
static void judge(struct __test_metadata *_metadata, struct session *s,
		  const struct load_group *groups, size_t nr)
{
	unsigned int cpus = topology_cpus(&s->topo), workers = 0;
	unsigned int overcommit = load_overcommit(&s->topo);
	struct load_stats st[LOAD_MAX_GROUPS];
	struct control_reply reply;
	u64 duration, used, run_ns = 0, work_ns = 0;
	struct errmsg err;
	size_t i;
	int ret;

	ret = load_duration(&s->topo, &duration, &err) ?:
	      load_prepare(s, groups, nr, &err) ?:
	      load_start(s, duration, &err) ?:
	      load_finish(s, &reply, &err);
	ktstr_assert_ok(_metadata, s, ret, &err);
	for (i = 0; i < nr; i++) {
		st[i] = load_stats(&groups[i], reply.reports, reply.nr_reports);
		load_print(&groups[i], &st[i]);
		workers += groups[i].workers;
		run_ns += st[i].available_ns * groups[i].workers;
		work_ns += st[i].units * st[i].unit_ns;
	}
	control_reply_free(&reply);
	expect_scheduler(_metadata, s);

	/* All groups of these tests have the same number of workers per CPU. */
	run_ns = run_ns / workers * min(cpus, workers) / workers;
	used = work_ns * 100 / (run_ns * workers + 1);
	ksft_print_msg("%llu ms for each worker in %llu ms, %u CPUs of the guest on one here",
		       (unsigned long long)run_ns / NSEC_PER_MSEC,
		       (unsigned long long)duration / NSEC_PER_MSEC, overcommit);
	printf(", %llu %% used\n", (unsigned long long)used);
	for (i = 0; i < nr; i++)
		expect_sound(_metadata, &groups[i], &st[i]);

	/* A failure stays one, also where fairness cannot be judged. */
	if (_metadata->exit_code)
		return;
	if (run_ns < MIN_SIGNAL_NS)
		SKIP(return, "INCONCLUSIVE: less than %llu ms of CPU time for each worker; %s",
		     MIN_SIGNAL_NS / NSEC_PER_MSEC, "set KTSTR_DURATION to more seconds");
	if (cpuid_host_is_tcg() && used < MIN_USED_PERCENT)
		SKIP(return, "INCONCLUSIVE: %llu %% of the emulated host's time was used; %s",
		     (unsigned long long)used, "run nothing else beside it");
	for (i = 0; i < nr; i++)
		expect_fair(_metadata, &groups[i], &st[i], run_ns, overcommit);
}

/* One worker per CPU, in two cgroups: nobody starves, all get about the same. */
TEST_F_TIMEOUT(basic, steady, KTSTR_TEST_TIMEOUT)
{
	const struct load_group groups[] = {
		{ .name = "left", .workers = (self->cpus + 1) / 2 },
		{ .name = "right", .workers = (self->cpus + 1) / 2 },
	};

	judge(_metadata, &self->s, groups, ARRAY_SIZE(groups));
}

/* Two cgroups with a cpuset each: no worker is ever seen off its CPUs. */
TEST_F_TIMEOUT(basic, cpuset, KTSTR_TEST_TIMEOUT)
{
	struct load_group groups[] = {
		{ .name = "left" },
		{ .name = "right" },
	};
	unsigned int cpu;

	if (self->cpus < 2)
		SKIP(return, "two disjoint cpusets need 2 CPUs or more");
	for (cpu = 0; cpu < self->cpus; cpu++) {
		struct load_group *group = &groups[cpu >= self->cpus / 2];

		cpu_set_add(&group->cpus, cpu);
		group->workers++;
	}
	judge(_metadata, &self->s, groups, ARRAY_SIZE(groups));
}

/* Four workers per CPU: everybody still runs, and nobody waits for long. */
TEST_F_TIMEOUT(basic, oversubscribed, KTSTR_TEST_TIMEOUT)
{
	const struct load_group groups[] = {
		{ .name = "left", .workers = self->cpus * OVERSUBSCRIPTION / 2 },
		{ .name = "right", .workers = self->cpus * OVERSUBSCRIPTION / 2 },
	};

	judge(_metadata, &self->s, groups, ARRAY_SIZE(groups));
}

FIXTURE(leaving)
{
	struct session s;
};

FIXTURE_VARIANT(leaving)
{
	const char *topology;
	const char *scheduler;
};

FIXTURE_VARIANT_ADD(leaving, scx_simple_1n1l2c2t) {
	.topology = "1n1l2c2t",
	.scheduler = "scx_simple",
};

FIXTURE_VARIANT_ADD(leaving, scx_simple_1n2l4c2t) {
	.topology = "1n2l4c2t",
	.scheduler = "scx_simple",
};

FIXTURE_VARIANT_ADD(leaving, scx_simple_2n4l2c2t) {
	.topology = "2n4l2c2t",
	.scheduler = "scx_simple",
};

KTSTR_ENV_VARIANT(leaving)

FIXTURE_SETUP(leaving)
{
	const struct session_config cfg = {
		.topology = variant->topology,
		.scheduler = variant->scheduler,
		.programs = { "sh" },
	};

	if (!variant->scheduler)
		SKIP(return, "EEVDF cannot leave; set " ENV_SCHEDULER);
	ktstr_session_start(_metadata, &self->s, &cfg);
}

FIXTURE_TEARDOWN(leaving)
{
	session_end(&self->s);
}

/* Ask the scheduler to leave, as Ctrl-C in its terminal would. */
static int interrupt_scheduler(struct session *s, struct errmsg *err)
{
	struct control_reply reply;
	char command[32];
	const char * const argv[] = { "/bin/sh", "-c", command, NULL };
	int ret;

	ret = control_sched_status(&s->control, &reply, err);
	snprintf(command, sizeof(command), "kill -INT %d", reply.sched.pid);
	control_reply_free(&reply);
	if (ret)
		return ret;
	ret = control_run(&s->control, argv, 10 * NSEC_PER_SEC, &reply, err);
	if (!ret && reply.wait_status)
		ret = errmsg_set(err, ERRMSG_FAILED, ESRCH, "\"%s\" in the guest", command);
	control_reply_free(&reply);
	return ret;
}

/* A scheduler that leaves while tasks run is noticed, and so is why. */
TEST_F_TIMEOUT(leaving, is_reported, KTSTR_TEST_TIMEOUT)
{
	const struct load_group group = {
		.name = "load",
		.workers = topology_cpus(&self->s.topo),
	};
	const struct control_sched *left = &self->s.control.sched_exit;
	struct control_reply reply;
	struct load_stats st;
	struct errmsg err;
	u64 duration;
	int ret;

	ret = load_duration(&self->s.topo, &duration, &err) ?:
	      load_prepare(&self->s, &group, 1, &err) ?:
	      load_start(&self->s, duration, &err) ?:
	      interrupt_scheduler(&self->s, &err) ?:
	      load_finish(&self->s, &reply, &err);
	ktstr_assert_ok(_metadata, &self->s, ret, &err);
	st = load_stats(&group, reply.reports, reply.nr_reports);
	load_print(&group, &st);
	control_reply_free(&reply);

	ASSERT_TRUE(left->valid) {
		TH_LOG("nobody noticed that the scheduler left");
	}
	ksft_print_msg("scheduler %s left: %s\n", left->ops, left->reason);
	EXPECT_EQ(true, left->ended);
	EXPECT_STREQ("disabled", left->state);
	EXPECT_NE(NULL, strstr(left->reason, "unregistered from user space")) {
		TH_LOG("the kernel's reason is \"%s\"", left->reason);
	}
	/* The kernel's own scheduler takes over: nobody is lost. */
	EXPECT_EQ(0, st.stuck);
	EXPECT_LE(st.gap.sched_ns, within(MAX_GAP_NS, load_overcommit(&self->s.topo)));
}

int main(int argc, char **argv)
{
	return ktstr_test_main(argc, argv);
}
