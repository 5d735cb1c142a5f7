// SPDX-License-Identifier: GPL-2.0
/*
 * The suite's own schedulers, before others are judged by what they are caught
 * with: each healthy one serves everybody, and each fault shows in what workers
 * report. Schedulers follow each other in one guest: a boot costs more than they.
 */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "cpuid.h"
#include "fixture_scheds.h"
#include "ktstr_test.h"
#include "load.h"

/* Not longer than the one slice that long_slice gives */
#define RUN_NS		(900 * NSEC_PER_MSEC)

/* Long enough for everybody to get a share also on an emulated host */
#define HEALTHY_NS	(2500 * NSEC_PER_MSEC)

#define GRACE_NS	(NSEC_PER_SEC / 2)
#define HEALTHY_GRACE_NS (20 * NSEC_PER_SEC)
#define START_NS	(60 * NSEC_PER_SEC)
#define STOP_NS		(120 * NSEC_PER_SEC)
#define MAX_ARGS	16

/* A worker with less than this part of the mean is starved. */
#define STARVED_PERCENT	10

/* Between equal shares and those of 1024 and 335 */
#define WEIGHTED_PERCENT	180

/* In any trial: workers on all CPUs, and two that share the last one */
enum {
	MANY,
	BOUND,
	NR_GROUPS,
};

/* What a fault does to the workers of a group */
enum effect {
	EFFECT_NONE,		/* nothing beyond being counted */
	EFFECT_STARVED,		/* one of them gets next to nothing */
	EFFECT_CROWDED,		/* all of them are on CPU 0 */
	EFFECT_MOVED,		/* they change CPUs again and again */
	EFFECT_WEIGHTED,	/* those of different nice values get different shares */
	EFFECT_EQUAL,		/* they get the same */
	EFFECT_LEFT,		/* the scheduler ends */
};

/* A guest, and the workers of one trial in it */
struct stage {
	struct session s;
	unsigned int cpus;
	struct load_group groups[NR_GROUPS];
	struct load_stats st[NR_GROUPS];
};

FIXTURE(fixtures)
{
	struct stage stage;
};

/* Two nodes, two LLCs in each: every policy has what it is made for. */
FIXTURE_SETUP(fixtures)
{
	const struct session_config cfg = {
		.topology = "2n4l1c1t",
		.scheduler = "scx_ktstr --policy fifo",
		.programs = { "sh", "renice", "taskset", "chrt", "sleep" },
	};

	if (!ktstr_session_start(_metadata, &self->stage.s, &cfg))
		return;
	self->stage.cpus = topology_cpus(&self->stage.s.topo);
}

FIXTURE_TEARDOWN(fixtures)
{
	session_end(&self->stage.s);
}

typedef int (*action_fn)(struct stage *stage, struct errmsg *err);

/**
 * struct trial - a scheduler at work
 * @sched: arguments of scx_ktstr
 * @per_cpu: workers for each CPU in MANY
 * @before: done when the workers wait for their start, or NULL
 * @during: done while they run, or NULL
 * @group: where @effect is to be seen
 * @effect: what the fault does
 * @run_ns: how long the workers run; 0 for RUN_NS
 * @says: what the scheduler's output has to have in it, or NULL
 */
struct trial {
	const char *sched;
	unsigned int per_cpu;
	action_fn before;
	action_fn during;
	unsigned int group;
	enum effect effect;
	u64 run_ns;
	const char *says;
};

/* Run a shell command in the guest; how it ends does not matter. */
static int guest_sh(struct session *s, const char *command, struct errmsg *err)
{
	const char * const argv[] = { "/bin/sh", "-c", command, NULL };
	struct control_reply reply;
	int ret;

	ret = control_run(&s->control, argv, STOP_NS, &reply, err);
	if (!ret && reply.wait_status)
		ksft_print_msg("%s: status %#x: %s\n", command, reply.wait_status, reply.output);
	control_reply_free(&reply);
	return ret;
}

/* The first worker of BOUND */
static int bound_pid(struct stage *stage, int *pid, struct errmsg *err)
{
	static const char * const file[] = { WIRE_CGROUPS "/bound/cgroup.procs" };
	struct control_reply reply;
	const char *text;
	int ret;

	ret = control_read(&stage->s.control, file, 1, &reply, err);
	text = ret ? NULL : control_text(&reply, "%s", file[0]);
	*pid = text ? atoi(text) : 0;
	control_reply_free(&reply);
	if (!ret && *pid <= 0)
		ret = errmsg_set(err, ERRMSG_FAILED, ESRCH, "no worker in %s", file[0]);
	return ret;
}

/* 335 is the weight of nice 5, beside 1024 of nice 0. */
static int renice_one(struct stage *stage, struct errmsg *err)
{
	char command[64];
	int pid, ret;

	ret = bound_pid(stage, &pid, err);
	if (ret)
		return ret;
	snprintf(command, sizeof(command), "renice -n 5 -p %d", pid);
	return guest_sh(&stage->s, command, err);
}

static int move_one(struct stage *stage, struct errmsg *err)
{
	char text[16];
	int pid, ret;

	ret = bound_pid(stage, &pid, err);
	if (ret)
		return ret;
	snprintf(text, sizeof(text), "%d", pid);
	stage->groups[BOUND].cpus = (struct cpu_set){};
	return control_write(&stage->s.control, WIRE_CGROUPS "/cgroup.procs", text, err);
}

static int change_cpuset(struct stage *stage, struct errmsg *err)
{
	cpu_set_add(&stage->groups[BOUND].cpus, 0);
	return control_write(&stage->s.control, WIRE_CGROUPS "/bound/cpuset.cpus", "0", err);
}

static int offline_and_online(struct stage *stage, struct errmsg *err)
{
	static const char file[] = "/sys/devices/system/cpu/cpu1/online";

	return control_write(&stage->s.control, file, "0", err) ?:
	       control_write(&stage->s.control, file, "1", err);
}

/* The hog waits until somebody else runs there, and ends after a second of CPU time. */
static int wake_beside_hog(struct stage *stage, struct errmsg *err)
{
	static const char command[] =
		"taskset -c 0 chrt -f 1 sh -c 'ulimit -t 1; sleep 0.1; while :; do :; done' &\n"
		"while kill -0 $! 2>/dev/null; do sleep 0.05; done\n";

	return guest_sh(&stage->s, command, err);
}

static int fork_often(struct stage *stage, struct errmsg *err)
{
	return guest_sh(&stage->s, "i=0; while [ $i -lt 60 ]; do (:); i=$((i + 1)); done", err);
}

static const struct trial healthy[] = {
	{ .sched = "--policy fifo", .per_cpu = 2, .during = offline_and_online },
	{
		.sched = "--policy vtime",
		.before = renice_one,
		.group = BOUND,
		.effect = EFFECT_WEIGHTED,
	},
	{ .sched = "--policy vtime", .per_cpu = 2, .during = change_cpuset },
	{ .sched = "--policy llc", .per_cpu = 2, .during = offline_and_online },
	{ .sched = "--policy numa", .per_cpu = 2, .during = move_one },
};

static const struct trial faulty[] = {
	{ .sched = "--fault starve", .per_cpu = 3, .effect = EFFECT_STARVED },
	{
		.sched = "--fault ignore_weights",
		.before = renice_one,
		.group = BOUND,
		.effect = EFFECT_EQUAL,
	},
	{ .sched = "--fault narrow_affinity", .group = BOUND, .effect = EFFECT_STARVED },
	{ .sched = "--fault one_llc", .per_cpu = 3, .group = BOUND, .effect = EFFECT_STARVED },
	{ .sched = "--fault llc_per_node", .per_cpu = 3, .group = BOUND, .effect = EFFECT_STARVED },
	{ .sched = "--fault one_cpu", .per_cpu = 1, .effect = EFFECT_CROWDED },
	{ .sched = "--fault lost_wakeup=1", .per_cpu = 1, .effect = EFFECT_STARVED },
	{ .sched = "--fault tail=1", .per_cpu = 1 },
	{ .sched = "--fault pingpong", .per_cpu = 3, .effect = EFFECT_MOVED },
	{ .sched = "--fault cross_node", .per_cpu = 3, .effect = EFFECT_MOVED },
	{ .sched = "--fault idle_cpus", .per_cpu = 3 },
	{ .sched = "--fault long_slice", .group = BOUND, .effect = EFFECT_STARVED },
	{ .sched = "--fault lifo", .per_cpu = 3, .effect = EFFECT_STARVED },
	{
		.sched = "--fault cgroup_move",
		.before = move_one,
		.group = BOUND,
		.effect = EFFECT_STARVED,
	},
	{
		.sched = "--fault cpuset_change",
		.per_cpu = 1,
		.during = change_cpuset,
		.group = BOUND,
		.effect = EFFECT_LEFT,
		.run_ns = 3 * NSEC_PER_SEC,
		.says = "not allowed for",
	},
	{
		.sched = "--fault hotplug",
		.per_cpu = 3,
		.before = offline_and_online,
		.effect = EFFECT_STARVED,
	},
	{
		.sched = "--fault rt_hog",
		.per_cpu = 1,
		.during = wake_beside_hog,
		.run_ns = 3 * NSEC_PER_SEC,
	},
	{ .sched = "--fault kworkers", .per_cpu = 1 },
	{ .sched = "--fault reload", .per_cpu = 1, .effect = EFFECT_STARVED },
	{
		.sched = "--fault error=1000",
		.per_cpu = 1,
		.effect = EFFECT_LEFT,
		.says = "1000 ms are over",
	},
	{
		.sched = "--fault leak=40",
		.per_cpu = 1,
		.during = fork_often,
		.effect = EFFECT_LEFT,
		.says = "no room for the state",
	},
	{ .sched = "--fault delay", .per_cpu = 1 },
};

static int start(struct session *s, const char *args, struct control_reply *reply,
		 struct errmsg *err)
{
	char copy[128], *rest = copy;
	const char *argv[MAX_ARGS] = { "/bin/scx_ktstr" };
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", args);
	while (argc < MAX_ARGS - 1 && (argv[argc] = strsep(&rest, " ")))
		argc++;
	s->control.sched_exit.valid = false;
	return control_sched_start(&s->control, argv, START_NS, reply, err);
}

/* Workers that were stuck are gone only some time after their scheduler. */
static int remove_cgroup(struct session *s, const char *path, struct errmsg *err)
{
	int tries, ret = 0;

	for (tries = 0; tries < 1200; tries++) {
		ret = control_rmdir(&s->control, path, err);
		if (ret != -EBUSY)
			return ret;
		usleep(50 * 1000);
	}
	return ret;
}

static void summarize(struct stage *stage, const struct control_reply *reply)
{
	size_t i;

	for (i = 0; i < NR_GROUPS; i++) {
		stage->st[i] = load_stats(&stage->groups[i], reply->reports, reply->nr_reports);
		if (stage->groups[i].workers)
			load_print(&stage->groups[i], &stage->st[i]);
	}
}

/* Workers that exist before the scheduler are ready whatever it does to them. */
static int run_once(struct stage *stage, const struct trial *t, u64 run_ns, u64 grace_ns,
		    struct control_reply *end, struct errmsg *err)
{
	struct control *c = &stage->s.control;
	unsigned int first = t->per_cpu ? MANY : BOUND;
	struct control_reply reply;
	int ret;

	stage->groups[MANY] = (struct load_group){
		.name = "many",
		.workers = t->per_cpu * stage->cpus,
	};
	stage->groups[BOUND] = (struct load_group){ .name = "bound", .workers = 2 };
	cpu_set_add(&stage->groups[BOUND].cpus, stage->cpus - 1);
	ret = load_prepare(&stage->s, stage->groups + first, NR_GROUPS - first, err) ?:
	      start(&stage->s, t->sched, &reply, err);
	if (ret)
		return ret;
	ksft_print_msg("%s is %s\n", t->sched, reply.sched.ops);
	control_reply_free(&reply);
	if (t->before)
		ret = t->before(stage, err);
	ret = ret ?: load_start(&stage->s, run_ns, err);
	if (!ret && t->during)
		ret = t->during(stage, err);
	ret = ret ?: control_stop(c, NULL, 0, 10 * run_ns, grace_ns, &reply, err);
	if (ret)
		return ret;
	summarize(stage, &reply);
	control_reply_free(&reply);
	if (t->effect == EFFECT_LEFT)
		ret = ktstr_wait_until_left(c, err);
	if (ret)
		return ret;
	return control_sched_stop(c, STOP_NS, end, err) ?:
	       remove_cgroup(&stage->s, WIRE_CGROUPS "/bound", err) ?:
	       (first == MANY ? remove_cgroup(&stage->s, WIRE_CGROUPS "/many", err) : 0);
}

/* Are shares other than what the scheduler makes of nice values? */
static bool has_wrong_shares(const struct stage *stage, const struct trial *t)
{
	const struct load_stats *st = &stage->st[t->group];
	bool weighted = st->max_rate * 100 > st->min_rate * WEIGHTED_PERCENT;

	if (t->effect == EFFECT_WEIGHTED)
		return !weighted;
	return t->effect == EFFECT_EQUAL && weighted;
}

/*
 * On an emulated host a CPU of the guest goes without a tick at times: in one of 50
 * such trials a task ran for 317 ms of CPU time in a slice of 20, and once another
 * waited for 1154 ms. A scheduler charges a slice at most, so that is never made up for.
 */
static int run_trial(struct stage *stage, const struct trial *t, u64 run_ns, u64 grace_ns,
		     struct control_reply *end, struct errmsg *err)
{
	int ret;

	ret = run_once(stage, t, run_ns, grace_ns, end, err);
	if (ret || !cpuid_host_is_tcg() || !has_wrong_shares(stage, t))
		return ret;
	ksft_print_msg("warning: this emulated host may have held back a tick: once more\n");
	control_reply_free(end);
	return run_once(stage, t, run_ns, grace_ns, end, err);
}

/* What the scheduler counted under this name */
static unsigned long long counted(const char *output, const char *name)
{
	unsigned long long count = 0;
	const char *at = strstr(output, name);

	if (at)
		sscanf(at + strlen(name), "=%llu", &count);
	return count;
}

/* What it counted, and why it ended; not the kernel's dump in between */
static void show_output(const char *output)
{
	static const char * const marks[] = { "scx_ktstr: ", "EXIT: " };
	const char *line;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(marks); i++) {
		line = strstr(output, marks[i]);
		if (line)
			ksft_print_msg("%.*s\n", (int)strcspn(line, "\n"), line);
	}
}

static void expect_effect(struct __test_metadata *_metadata, struct stage *stage,
			  const struct trial *t, const struct control_sched *end)
{
	const struct load_stats *st = &stage->st[t->group];

	EXPECT_EQ(stage->groups[t->group].workers, st->workers);
	switch (t->effect) {
	case EFFECT_NONE:
		break;
	case EFFECT_STARVED:
		EXPECT_LT(st->min_rate * 100, st->mean_rate * STARVED_PERCENT + 1);
		break;
	case EFFECT_CROWDED:
		EXPECT_EQ(1, st->cpus.bits[0]);
		break;
	case EFFECT_MOVED:
		EXPECT_GT(st->migrations[WIRE_SAME_LLC] + st->migrations[WIRE_CROSS_LLC] +
			  st->migrations[WIRE_CROSS_NODE], st->workers);
		break;
	case EFFECT_WEIGHTED:
		EXPECT_GT(st->max_rate * 100, st->min_rate * WEIGHTED_PERCENT);
		break;
	case EFFECT_EQUAL:
		EXPECT_LT(st->max_rate * 100, st->min_rate * WEIGHTED_PERCENT);
		break;
	case EFFECT_LEFT:
		EXPECT_TRUE(stage->s.control.sched_exit.valid);
		EXPECT_NE(NULL, strstr(end->output, t->says));
		return;
	}
	EXPECT_FALSE(stage->s.control.sched_exit.valid) {
		TH_LOG("%s left: %s", t->sched, stage->s.control.sched_exit.reason);
	}
}

static void expect_served(struct __test_metadata *_metadata, const struct load_group *group,
			  const struct load_stats *st)
{
	EXPECT_EQ(group->workers, st->workers);
	EXPECT_EQ(0, st->stuck);
	EXPECT_EQ(0, st->off_cpus);
	EXPECT_GE(st->min_rate * 100, st->mean_rate * STARVED_PERCENT);
}

static void stop_first(struct __test_metadata *_metadata, struct session *s)
{
	struct control_reply reply;
	struct errmsg err;
	int ret;

	ret = control_sched_stop(&s->control, STOP_NS, &reply, &err);
	control_reply_free(&reply);
	ktstr_assert_ok(_metadata, s, ret, &err);
}

/* Each is enabled, serves all workers, counts what it does, and ends when told to. */
TEST_F_TIMEOUT(fixtures, healthy, KTSTR_TEST_TIMEOUT)
{
	struct stage *stage = &self->stage;
	struct control_reply end;
	struct errmsg err;
	size_t i, g;
	int ret;

	stop_first(_metadata, &stage->s);
	for (i = 0; i < ARRAY_SIZE(healthy); i++) {
		ret = run_trial(stage, &healthy[i], HEALTHY_NS, HEALTHY_GRACE_NS, &end, &err);
		ktstr_assert_ok(_metadata, &stage->s, ret, &err);
		show_output(end.sched.output);
		expect_effect(_metadata, stage, &healthy[i], &end.sched);
		for (g = 0; g < NR_GROUPS; g++)
			expect_served(_metadata, &stage->groups[g], &stage->st[g]);
		EXPECT_EQ(0, end.sched.wait_status);
		EXPECT_LT(0, counted(end.sched.output, "queued"));
		EXPECT_LT(0, counted(end.sched.output, "own"));
		EXPECT_EQ(0, counted(end.sched.output, "fault"));
		EXPECT_NE(NULL, strstr(end.sched.output, "EXIT: unregistered from user space"));
		control_reply_free(&end);
	}
}

/* The one that is never enabled says why, in the verifier's words. */
static void expect_refused(struct __test_metadata *_metadata, struct session *s)
{
	struct control_reply reply;
	struct errmsg err;
	int ret;

	ret = start(s, "--fault verifier", &reply, &err);
	EXPECT_EQ(-ECHILD, ret);
	EXPECT_NE(NULL, strstr(reply.sched.output, "invalid mem access"));
	EXPECT_NE(NULL, strstr(err.text, "invalid mem access")) {
		TH_LOG("%s", err.text);
	}
	control_reply_free(&reply);
}

/* Each is enabled, its fault comes to bear, and does what its description says. */
TEST_F_TIMEOUT(fixtures, faulty, KTSTR_TEST_TIMEOUT)
{
	struct stage *stage = &self->stage;
	struct control_reply end;
	struct errmsg err;
	size_t i;
	int ret;

	stop_first(_metadata, &stage->s);
	for (i = 0; i < ARRAY_SIZE(faulty); i++) {
		ret = run_trial(stage, &faulty[i], faulty[i].run_ns ?: RUN_NS, GRACE_NS, &end,
				&err);
		ktstr_assert_ok(_metadata, &stage->s, ret, &err);
		show_output(end.sched.output);
		EXPECT_LT(0, counted(end.sched.output, " fault")) {
			TH_LOG("%s: the fault did not come to bear", faulty[i].sched);
		}
		expect_effect(_metadata, stage, &faulty[i], &end.sched);
		control_reply_free(&end);
	}
	expect_refused(_metadata, &stage->s);
}

int main(int argc, char **argv)
{
	return ktstr_test_main(argc, argv);
}
