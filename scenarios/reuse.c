// SPDX-License-Identifier: GPL-2.0
/*
 * One boot for several scenarios: whatever one of them leaves behind is gone before
 * the next, by the kernel's own account, or the guest is known to be of no more use.
 */
#include <errno.h>
#include <linux/kernel.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "ktstr_test.h"
#include "load.h"

#define CPUS		"/sys/devices/system/cpu"
#define SCX		"/sys/kernel/sched_ext"

#define RUN_NS		(300 * NSEC_PER_MSEC)
#define GRACE_NS	(20 * NSEC_PER_SEC)
#define PROGRAM_NS	(30 * NSEC_PER_SEC)
#define CLEAN_NS	(60 * NSEC_PER_SEC)

/* Of the flags in /proc/PID/stat: linux/sched.h of the kernel */
#define PF_KTHREAD	0x00200000

FIXTURE(reuse)
{
	struct session s;
};

FIXTURE_SETUP(reuse)
{
	const struct session_config cfg = {
		.topology = "1n2l2c1t",
		.scheduler = "scx_simple",
		.programs = {
			"scx_ktstr", "sh", "sleep", "setsid", "taskset", "renice", "mount",
		},
	};

	ktstr_session_start(_metadata, &self->s, &cfg);
}

FIXTURE_TEARDOWN(reuse)
{
	session_end(&self->s);
}

/* -- what a scenario leaves behind ------------------------------------------ */

static int make_cgroups(struct control *c, struct errmsg *err)
{
	static const char * const dirs[] = {
		WIRE_CGROUPS "/a", WIRE_CGROUPS "/a/b", WIRE_CGROUPS "/a/b/c",
		WIRE_CGROUPS "/frozen", WIRE_CGROUPS "/slow",
	};
	static const struct {
		const char *path;
		const char *text;
	} files[] = {
		{ WIRE_CGROUPS "/cgroup.subtree_control", "+memory" },
		{ WIRE_CGROUPS "/a/cgroup.subtree_control", "+cpuset +cpu" },
		{ WIRE_CGROUPS "/a/cpuset.cpus", "1-2" },
		{ WIRE_CGROUPS "/a/b/cgroup.subtree_control", "+cpuset" },
		{ WIRE_CGROUPS "/slow/cpu.max", "1000 1000000" },
	};
	int ret = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(dirs) && !ret; i++)
		ret = control_mkdir(c, dirs[i], err);
	for (i = 0; i < ARRAY_SIZE(files) && !ret; i++)
		ret = control_write(c, files[i].path, files[i].text, err);
	return ret;
}

static int make_workers(struct control *c, struct errmsg *err)
{
	static const char * const cpu1[] = { "1" };
	const struct wire_spawn groups[] = {
		{ .name = "nested", .cgroup = WIRE_CGROUPS "/a/b/c", .count = 3 },
		{ .name = "frozen", .cgroup = WIRE_CGROUPS "/frozen", .count = 2 },
		{ .name = "slow", .cgroup = WIRE_CGROUPS "/slow", .count = 4 },
		{ .name = "bound", .count = 2, .nr_cpus = 1, .cpus = cpu1 },
		{
			.name = "hog", .count = 1, .attr = { SCHED_FIFO, .priority = 90 },
			.phases[0] = { .work = WIRE_WORK_RT_HOG },
		},
		{ .name = "nice", .count = 2, .phases[0] = { .work = WIRE_WORK_NICE } },
		{ .name = "fork", .count = 2, .phases[0] = { .work = WIRE_WORK_FORK } },
	};
	struct control_reply reply;
	int ret = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(groups) && !ret; i++) {
		ret = control_spawn(c, &groups[i], &reply, err);
		control_reply_free(&reply);
	}
	if (ret)
		return ret;
	ret = control_start(c, NULL, 0, WIRE_FOREVER, GRACE_NS, &reply, err) ?:
	      control_write(c, WIRE_CGROUPS "/frozen/cgroup.freeze", "1", err);
	control_reply_free(&reply);
	return ret;
}

static int shell(struct control *c, const char *command, struct errmsg *err)
{
	const char * const argv[] = { "/bin/sh", "-c", command, NULL };
	struct control_reply reply;
	int ret;

	ret = control_run(c, argv, PROGRAM_NS, &reply, err);
	if (!ret && reply.wait_status)
		ret = errmsg_set(err, ERRMSG_FAILED, 0, "\"%s\" in the guest: %s", command,
				 reply.output);
	control_reply_free(&reply);
	return ret;
}

/*
 * The agent's attributes, too, and those of kthreadd: whom they start has them from
 * them.
 */
static int make_programs(struct control *c, struct errmsg *err)
{
	static const char * const loop[] = {
		"/bin/sh", "-c", "trap '' INT TERM HUP; while :; do :; done", NULL
	};
	struct control_reply reply;
	int ret;

	ret = control_program_start(c, "loop", WIRE_CGROUPS "/a/b/c", loop, &reply, err);
	control_reply_free(&reply);
	return ret ?:
	       shell(c, "setsid sleep 1000 >/dev/null 2>&1 </dev/null &", err) ?:
	       control_mkdir(c, "/tmp/x", err) ?:
	       control_mkdir(c, "/tmp/x/y", err) ?:
	       control_write(c, "/tmp/x/y/z", "1", err) ?:
	       control_write(c, "/run/r", "2", err) ?:
	       shell(c, "taskset -p 1 1 && renice -n 5 -p 1", err) ?:
	       shell(c, "taskset -p 1 2 && renice -n 5 -p 2", err);
}

static int make_mess(struct session *s, struct errmsg *err)
{
	struct control *c = &s->control;

	return make_cgroups(c, err) ?:
	       make_workers(c, err) ?:
	       make_programs(c, err) ?:
	       control_hold(c, RUN_NS, err) ?:
	       control_cpu(c, 1, false, err) ?:
	       control_cpu(c, 3, false, err);
}

/* -- what the kernel shows -------------------------------------------------- */

struct seen {
	unsigned int tasks;		/* of user space */
	unsigned int others;		/* the kernel's */
	unsigned int cgroups;
	unsigned int files;
	char online[32];
	char allowed[32];		/* to the agent */
	char kthreadd[32];		/* allowed to it */
	int nice;			/* its nice value */
	char controllers[64];
	char state[32];
};

static void copy(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text ?: "?");
}

static void copy_allowed(char to[32], struct control_reply *reply, int pid)
{
	static const char key[] = "Cpus_allowed_list:";
	const char *text = strstr(control_text(reply, "/proc/%d/status", pid) ?: "", key);

	if (text)
		sscanf(text + strlen(key), " %31s", to);
}

static int see(struct session *s, struct seen *seen, struct errmsg *err)
{
	static const char * const globs[] = {
		"/proc/[0-9]*/stat", WIRE_CGROUPS "/*/cgroup.procs", "/tmp/*/*/*", "/run/*",
		CPUS "/online", "/proc/1/status", "/proc/2/status",
		WIRE_CGROUPS "/cgroup.subtree_control", SCX "/state",
	};
	const char *text, *path;
	struct control_reply reply;
	unsigned int flags;
	size_t i;
	int ret;

	memset(seen, 0, sizeof(*seen));
	ret = control_read(&s->control, globs, ARRAY_SIZE(globs), &reply, err);
	for (i = 0; i < reply.nr_files && !ret; i++) {
		path = reply.files[i].path;
		text = strrchr(reply.files[i].data, ')');
		if (strstr(path, "/cgroup.procs"))
			seen->cgroups++;
		else if (!strncmp(path, "/tmp", 4) || !strncmp(path, "/run", 4))
			seen->files++;
		else if (!strstr(path, "/stat") || strstr(path, "/status") || !text)
			continue;
		else if (sscanf(text, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1 &&
			 flags & PF_KTHREAD)
			seen->others++;
		else
			seen->tasks++;
	}
	if (!ret) {
		text = strrchr(control_text(&reply, "/proc/2/stat") ?: ")", ')');
		/* The 19th field, 16 after the state */
		for (i = 0; i < 17 && text; i++)
			text = strchr(text + 1, ' ');
		seen->nice = text ? atoi(text) : -100;
		copy_allowed(seen->allowed, &reply, 1);
		copy_allowed(seen->kthreadd, &reply, 2);
		copy(seen->online, sizeof(seen->online), control_text(&reply, CPUS "/online"));
		copy(seen->controllers, sizeof(seen->controllers),
		     control_text(&reply, WIRE_CGROUPS "/cgroup.subtree_control"));
		copy(seen->state, sizeof(seen->state), control_text(&reply, SCX "/state"));
	}
	control_reply_free(&reply);
	return ret;
}

static void expect_clean(struct __test_metadata *_metadata, struct session *s)
{
	struct errmsg err;
	struct seen seen;
	int ret;

	ret = see(s, &seen, &err);
	ktstr_assert_ok(_metadata, s, ret, &err);
	EXPECT_EQ(1, seen.tasks);
	EXPECT_LT(10, seen.others);
	EXPECT_EQ(0, seen.cgroups);
	EXPECT_EQ(0, seen.files);
	EXPECT_STREQ("0-3", seen.online);
	EXPECT_STREQ("0-3", seen.allowed);
	EXPECT_STREQ("0-3", seen.kthreadd);
	EXPECT_EQ(0, seen.nice);
	EXPECT_STREQ("cpuset cpu", seen.controllers);
	EXPECT_STREQ("disabled", seen.state);
}

/* All of what is to be cleaned has to be there, or it would be no wonder. */
static void expect_mess(struct __test_metadata *_metadata, struct session *s)
{
	struct errmsg err;
	struct seen seen;
	int ret;

	ret = see(s, &seen, &err);
	ktstr_assert_ok(_metadata, s, ret, &err);
	/* 16 workers, the agent, two programs and the scheduler */
	EXPECT_LE(20, seen.tasks);
	EXPECT_EQ(3, seen.cgroups);
	EXPECT_EQ(2, seen.files);
	EXPECT_STREQ("0,2", seen.online);
	EXPECT_STREQ("0", seen.allowed);
	EXPECT_STREQ("0", seen.kthreadd);
	EXPECT_EQ(5, seen.nice);
	EXPECT_STREQ("cpuset cpu memory", seen.controllers);
}

/* -- the test --------------------------------------------------------------- */

static void clean(struct __test_metadata *_metadata, struct session *s)
{
	struct control_reply reply;
	u64 before = clock_ns();
	struct errmsg err;
	int ret;

	ret = control_clean(&s->control, CLEAN_NS, &reply, &err);
	ksft_print_msg("cleaned in %llu ms\n",
		       (unsigned long long)(clock_ns() - before) / NSEC_PER_MSEC);
	control_reply_free(&reply);
	ktstr_assert_ok(_metadata, s, ret, &err);
	expect_clean(_metadata, s);
}

/* Workers under names that were taken before, on every CPU */
static void expect_work(struct __test_metadata *_metadata, struct session *s)
{
	static const char * const each[] = { "0", "1", "2", "3" };
	const struct wire_spawn spawn = {
		.name = "bound", .count = 4, .nr_cpus = 4, .cpus = each,
	};
	struct control_reply reply;
	struct errmsg err;
	size_t i;
	int ret;

	ret = load_try(s, &spawn, &reply, &err);
	ktstr_assert_ok(_metadata, s, ret, &err);
	EXPECT_EQ(4, reply.nr_reports);
	for (i = 0; i < reply.nr_reports; i++) {
		EXPECT_EQ(0, reply.reports[i].r.flags);
		EXPECT_LT(0, reply.reports[i].r.units);
		EXPECT_EQ(1ULL << i, reply.reports[i].r.cpus[0]);
	}
	control_reply_free(&reply);
}

static void expect_scheduler(struct __test_metadata *_metadata, struct session *s,
			     const char *state, const char *ops)
{
	struct control_reply reply;
	struct errmsg err;
	int ret;

	ret = control_sched_status(&s->control, &reply, &err);
	ktstr_assert_ok(_metadata, s, ret, &err);
	EXPECT_STREQ(state, reply.sched.state);
	EXPECT_EQ(0, strncmp(reply.sched.ops, ops, strlen(ops))) {
		TH_LOG("\"%s\" is in the place of \"%s\"", reply.sched.ops, ops);
	}
	EXPECT_FALSE(s->control.sched_exit.valid) {
		TH_LOG("the scheduler left: %s", s->control.sched_exit.reason);
	}
	control_reply_free(&reply);
}

/* One scheduler after the other in a guest that has seen the worst. */
TEST_F_TIMEOUT(reuse, after_a_mess, KTSTR_TEST_TIMEOUT)
{
	struct session *s = &self->s;
	struct control_reply reply;
	struct errmsg err;
	int ret;

	ret = make_mess(s, &err);
	ktstr_assert_ok(_metadata, s, ret, &err);
	expect_mess(_metadata, s);
	clean(_metadata, s);

	ret = session_load(s, "scx_ktstr --policy llc", &err);
	ktstr_assert_ok(_metadata, s, ret, &err);
	EXPECT_STREQ("scx_ktstr --policy llc", s->scheduler);
	expect_scheduler(_metadata, s, "enabled", "ktstr_llc");
	expect_work(_metadata, s);

	/* Also without cleaning: the one before is stopped. */
	ret = session_load(s, NULL, &err);
	ktstr_assert_ok(_metadata, s, ret, &err);
	EXPECT_STREQ("EEVDF", s->scheduler);
	expect_scheduler(_metadata, s, "disabled", "");
	expect_work(_metadata, s);
	clean(_metadata, s);

	/* What cannot be undone is not overlooked. */
	ret = control_mkdir(&s->control, "/tmp/stays", &err) ?:
	      shell(&s->control, "mount -t tmpfs none /tmp/stays", &err);
	ktstr_assert_ok(_metadata, s, ret, &err);
	EXPECT_EQ(-EBUSY, control_clean(&s->control, NSEC_PER_SEC, &reply, &err));
	control_reply_free(&reply);
	EXPECT_NE(NULL, strstr(err.text, "left behind: /tmp/stays"));
}

int main(int argc, char **argv)
{
	return ktstr_test_main(argc, argv);
}
