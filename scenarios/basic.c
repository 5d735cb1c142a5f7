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
 * default, and 4 workers per CPU wait for three of them: 60 ms.
 */
#define MAX_GAP_NS		(500 * NSEC_PER_MSEC)
#define MAX_SPREAD_PERCENT	50

/* A worker with less than this part of the mean is starved. */
#define STARVED_PERCENT		20

/* With less CPU time per worker than this, chance decides. */
#define MIN_SIGNAL_NS		(20 * NSEC_PER_MSEC)

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

static void expect_stats(struct __test_metadata *_metadata, const struct load_group *group,
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
	EXPECT_GE(st->min_share * 100, st->mean_share * STARVED_PERCENT) {
		TH_LOG("cgroup %s: worker %u starves with %u/1000 of its CPUs, the mean is %u/1000",
		       group->name, st->min_worker, st->min_share, st->mean_share);
	}
	EXPECT_LE(load_spread(st), MAX_SPREAD_PERCENT) {
		TH_LOG("cgroup %s: shares from %u/1000 (worker %u) to %u/1000 (worker %u)",
		       group->name, st->min_share, st->min_worker, st->max_share, st->max_worker);
	}
	EXPECT_LE(st->gap.sched_ns, MAX_GAP_NS) {
		TH_LOG("cgroup %s: worker %u waited %llu ms, at %llu ms, on CPU %u, then CPU %u",
		       group->name, st->gap_worker,
		       (unsigned long long)st->gap.sched_ns / NSEC_PER_MSEC,
		       (unsigned long long)st->gap.at_ns / NSEC_PER_MSEC,
		       st->gap.cpu_before, st->gap.cpu_after);
	}
	EXPECT_EQ(0, st->off_cpus) {
		TH_LOG("cgroup %s: %u workers ran outside of its cpuset, worker %u among them",
		       group->name, st->off_cpus, st->off_worker);
	}
}

/* Run the groups, show what they got, and check it. */
static void judge(struct __test_metadata *_metadata, struct session *s,
		  const struct load_group *groups, size_t nr)
{
	struct load_stats st[LOAD_MAX_GROUPS];
	struct control_reply reply;
	bool signal = true;
	struct errmsg err;
	u64 duration;
	size_t i;
	int ret;

	ret = load_duration(&duration, &err) ?:
	      load_prepare(s, groups, nr, &err) ?:
	      load_run(s, duration, &reply, &err);
	ktstr_assert_ok(_metadata, s, ret, &err);
	for (i = 0; i < nr; i++) {
		st[i] = load_stats(&groups[i], reply.reports, reply.nr_reports);
		load_print(&groups[i], &st[i]);
		signal &= st[i].stuck || st[i].cpu_ns >= st[i].workers * MIN_SIGNAL_NS;
	}
	control_reply_free(&reply);
	expect_scheduler(_metadata, s);
	if (!signal)
		SKIP(return, "INCONCLUSIVE: less than %llu ms of CPU time for each worker; %s",
		     MIN_SIGNAL_NS / NSEC_PER_MSEC, "set KTSTR_DURATION to more seconds");
	for (i = 0; i < nr; i++)
		expect_stats(_metadata, &groups[i], &st[i]);
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

	ret = load_duration(&duration, &err) ?:
	      load_prepare(&self->s, &group, 1, &err) ?:
	      control_go_start(&self->s.control, duration, 10 * NSEC_PER_SEC, &err) ?:
	      interrupt_scheduler(&self->s, &err) ?:
	      control_go_wait(&self->s.control, &reply, &err);
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
	EXPECT_LE(st.gap.sched_ns, MAX_GAP_NS);
}

int main(int argc, char **argv)
{
	return ktstr_test_main(argc, argv);
}
