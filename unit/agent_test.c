// SPDX-License-Identifier: GPL-2.0
/*
 * The guest agent as an ordinary process at the other end of a socket, spoken to
 * through control.h: all of it but what PID 1 sets up. Also control.h against a
 * guest that misbehaves, which this test then plays itself.
 */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/kernel.h>

#include "agent_peer.h"
#include "expect.h"
#include "cpulist.h"

/* Kernel and user of the fake sched_ext: a shell script that runs in @dir */
static const char *const *script(struct peer *p, const char *text)
{
	static char full[1024];
	static const char *const argv[] = { "sh", "-c", full, NULL };

	snprintf(full, sizeof(full), "cd %s; %s", p->dir, text);
	return argv;
}

#define ENABLE		"echo fake_1.0 >root/ops; echo enabled >state; "

/* What the kernel does once the process has ended; it is slow, but there by then. */
#define DISABLE_LATER	"p=$$; setsid sh -c \"echo >kernel; while kill -0 $p; do sleep 0.02; " \
			"done; sleep 1; echo disabled >state\" 2>/dev/null & " \
			"while [ ! -e kernel ]; do sleep 0.02; done; "

/* What comes then comes once let_go() says so. */
#define WAIT		"while [ ! -e go ]; do sleep 0.02; done; "

FIXTURE(agent) {
	struct peer *p;
};

FIXTURE_SETUP(agent)
{
	char log[512];

	self->p = calloc(1, sizeof(*self->p));
	ASSERT_NE(NULL, self->p);
	ASSERT_TRUE(agent_start(self->p));
	if (control_wait_hello(&self->p->c, PATIENCE_NS, &self->p->err)) {
		agent_end(self->p, log, sizeof(log));
		ASSERT_TRUE(false) TH_LOG("%s; %s", self->p->err.text, log);
	}
}

FIXTURE_TEARDOWN(agent)
{
	agent_stop(self->p);
	free(self->p);
}

static void let_go(struct peer *p)
{
	write_file(p, "go", "");
}

static bool exists(struct peer *p, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	return !access(path, F_OK);
}

static bool has_text(struct peer *p, const char *name, const char *want)
{
	char path[256], text[256];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	f = fopen(path, "re");
	if (f) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[n] = '\0';
	return !strcmp(text, want);
}

/* Let all workers that wait run, and collect their reports. */
static int go(struct peer *p, u64 duration_ns, u64 grace_ns)
{
	return CALL(control_start, NULL, 0, duration_ns, grace_ns) ?:
	       CALL(control_stop, NULL, 0, duration_ns, grace_ns);
}

TEST_F(agent, hello)
{
	struct control_hello *hello = &self->p->c.hello;
	u64 now = clock_ns();
	struct utsname uts;

	uname(&uts);
	EXPECT_STREQ(uts.release, hello->release);
	EXPECT_EQ(sysconf(_SC_NPROCESSORS_ONLN), hello->nr_cpus);
	EXPECT_LE(hello->monotonic_ns, now);
	EXPECT_GT(hello->monotonic_ns + PATIENCE_NS, now);
	EXPECT_GE(hello->uptime_ns, hello->monotonic_ns);
}

TEST_F(agent, read_globs)
{
	const char *const globs[] = {
		"/proc/sys/kernel/os*", "/proc/sys/kernel/[o]st?pe",
		"/proc/no/such", "/proc/no*/such", "/proc/sys",
	};
	struct peer *p = self->p;
	struct utsname uts;

	uname(&uts);
	ASSERT_EQ(0, CALL(control_read, globs, ARRAY_SIZE(globs))) TH_LOG("%s", p->err.text);
	/* ostype and osrelease, ostype again, what is missing, a directory */
	ASSERT_EQ(5, p->reply.nr_files);
	EXPECT_STREQ(uts.release, control_text(&p->reply, "/proc/sys/kernel/%s", "osrelease"));
	EXPECT_STREQ("Linux", control_text(&p->reply, "/proc/sys/kernel/ostype"));
	ASSERT_NE(NULL, control_file(&p->reply, "/proc/sys/kernel/ostype"));
	EXPECT_STREQ("/proc/no/such", p->reply.files[3].path);
	EXPECT_EQ(ENOENT, p->reply.files[3].errnum);
	EXPECT_EQ(NULL, control_text(&p->reply, "/proc/no/such"));
	EXPECT_EQ(EISDIR, p->reply.files[4].errnum);
	EXPECT_EQ(NULL, control_text(&p->reply, "/proc/nowhere"));
}

/* One that is not there is nothing to complain about, nor is an agent that has gone. */
TEST_F(agent, read_text)
{
	struct peer *p = self->p;
	struct utsname uts;
	char *text;

	uname(&uts);
	text = control_read_text(&p->c, "/proc/sys/kernel/osrelease");
	EXPECT_STREQ(uts.release, text);
	free(text);
	EXPECT_EQ(NULL, control_read_text(&p->c, "/proc/no/such"));
	EXPECT_EQ(NULL, control_read_text(&p->c, "/proc/sys"));
	EXPECT_EQ(0, kill(p->pid, SIGKILL));
	EXPECT_EQ(NULL, control_read_text(&p->c, "/proc/sys/kernel/osrelease"));
}

TEST_F(agent, read_many_and_large)
{
	struct peer *p = self->p;
	char name[32], glob[128], *large;
	const char *const globs[] = { glob };
	const struct control_file *file;
	int i;

	large = malloc(WIRE_MAX_FILE + 2);
	ASSERT_NE(NULL, large);
	memset(large, 'x', WIRE_MAX_FILE + 1);
	large[WIRE_MAX_FILE + 1] = '\0';
	write_file(p, "f_large", large);
	large[WIRE_MAX_FILE] = '\0';
	write_file(p, "f_fits", large);
	for (i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "f_%d", i);
		write_file(p, name, large + WIRE_MAX_FILE - 1000);
	}
	free(large);

	snprintf(glob, sizeof(glob), "%s/f_*", p->dir);
	ASSERT_EQ(0, CALL(control_read, globs, 1)) TH_LOG("%s", p->err.text);
	EXPECT_EQ(302, p->reply.nr_files);
	snprintf(glob, sizeof(glob), "%s/f_large", p->dir);
	file = control_file(&p->reply, glob);
	ASSERT_NE(NULL, file);
	EXPECT_TRUE(file->truncated);
	EXPECT_EQ(WIRE_MAX_FILE, file->size);
	snprintf(glob, sizeof(glob), "%s/f_fits", p->dir);
	file = control_file(&p->reply, glob);
	ASSERT_NE(NULL, file);
	EXPECT_FALSE(file->truncated);
	EXPECT_EQ(WIRE_MAX_FILE, file->size);
}

TEST_F(agent, write_mkdir_rmdir)
{
	struct peer *p = self->p;
	struct control *c = &p->c;
	char path[128], dir[128];
	const char *const globs[] = { path };

	snprintf(dir, sizeof(dir), "%s/d", p->dir);
	snprintf(path, sizeof(path), "%s/d/file", p->dir);
	EXPECT_EQ(-ENOENT, control_write(c, path, "x", &p->err));
	expect_in(_metadata, "ENOENT", p->err.text);
	expect_in(_metadata, path, p->err.text);
	EXPECT_EQ(0, control_mkdir(c, dir, &p->err));
	EXPECT_EQ(-EEXIST, control_mkdir(c, dir, &p->err));
	EXPECT_EQ(0, control_write(c, path, "something long", &p->err));
	EXPECT_EQ(0, control_write(c, path, "short", &p->err));
	ASSERT_EQ(0, CALL(control_read, globs, 1));
	EXPECT_STREQ("short", control_text(&p->reply, "%s", path));
	EXPECT_EQ(-ENOTEMPTY, control_rmdir(c, dir, &p->err));
	EXPECT_EQ(0, unlink(path));
	/* Nobody reads it, and the agent does not wait until somebody does. */
	EXPECT_EQ(0, mkfifo(path, 0600));
	EXPECT_EQ(-ENXIO, control_write(c, path, "x", &p->err));
	EXPECT_EQ(0, unlink(path));
	EXPECT_EQ(0, control_rmdir(c, dir, &p->err));
	EXPECT_EQ(-ENOENT, control_rmdir(c, dir, &p->err));
	/* The write itself fails, not the open. */
	EXPECT_EQ(-ENOSPC, control_write(c, "/dev/full", "x", &p->err));
}

TEST_F(agent, run)
{
	const char *const echo[] = { "/bin/echo", "a", "b c", NULL };
	const char *const no[] = { "false", NULL };
	const char *const missing[] = { "/no/such/program", NULL };
	struct peer *p = self->p;

	ASSERT_EQ(0, CALL(control_run, echo, PATIENCE_NS)) TH_LOG("%s", p->err.text);
	EXPECT_STREQ("a b c\n", p->reply.output);
	EXPECT_EQ(0, p->reply.wait_status);
	ASSERT_EQ(0, CALL(control_run, no, PATIENCE_NS));
	EXPECT_STREQ("", p->reply.output);
	EXPECT_EQ(1, WEXITSTATUS(p->reply.wait_status));
	EXPECT_EQ(-ENOENT, CALL(control_run, missing, PATIENCE_NS));
	expect_in(_metadata, "/no/such/program", p->err.text);
	expect_in(_metadata, "ENOENT", p->err.text);
	ASSERT_EQ(0, CALL(control_run, script(p, "kill -9 $$"), PATIENCE_NS));
	EXPECT_TRUE(WIFSIGNALED(p->reply.wait_status));
	EXPECT_EQ(9, WTERMSIG(p->reply.wait_status));
}

TEST_F(agent, run_output)
{
	struct peer *p = self->p;

	ASSERT_EQ(0, CALL(control_run, script(p, "echo out; echo err >&2; cat"),
			  PATIENCE_NS));
	EXPECT_STREQ("out\nerr\n", p->reply.output);
	ASSERT_EQ(0, CALL(control_run,
			  script(p, "head -c 200000 /dev/zero | tr '\\0' x"), PATIENCE_NS));
	/* All of it is kept, too, if it comes before the agent is asked for it. */
	EXPECT_EQ(200000, p->reply.output_len);
	EXPECT_EQ(200000, strspn(p->reply.output, "x"));
}

TEST_F(agent, run_does_not_wait_for_the_background)
{
	struct peer *p = self->p;
	pid_t pid;

	/* Longer than it is given */
	ASSERT_EQ(0, CALL(control_run, script(p, "sleep 1000 & echo $!"), PATIENCE_NS));
	pid = atoi(p->reply.output);
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, kill(pid, SIGKILL));
}

TEST_F(agent, run_timeout)
{
	struct peer *p = self->p;
	pid_t pid = 0;
	u64 ns;

	/* Longer, where it takes that until it has said something */
	for (ns = 300 * MSEC; ns < PATIENCE_NS && !pid; ns *= 2) {
		EXPECT_EQ(-ETIMEDOUT, CALL(control_run,
					   script(p, "sleep 1000 & echo $!; wait"), ns));
		pid = atoi(p->reply.output);
	}
	EXPECT_FALSE(p->c.silent);
	expect_in(_metadata, "killed", p->err.text);
	EXPECT_EQ(true, p->reply.done);
	/* What it has started is no more, either. */
	ASSERT_LT(0, pid);
	EXPECT_TRUE(wait_until(kill(pid, 0)));
}

/* What glibc keeps for itself: its posix_spawn() has them ignored, as in all that make runs. */
#define LIBC_SIGNALS	(3UL << (__SIGRTMIN - 1))

static unsigned long ignored_signals(const char *status)
{
	const char *line = strstr(status ?: "", "SigIgn:");

	return line ? strtoul(line + strlen("SigIgn:"), NULL, 16) : 0;
}

/*
 * A worker has the agent's until it has made its own, and may be told that it is the
 * end before. A program has none of it.
 */
TEST_F(agent, signals)
{
	struct peer *p = self->p;
	const char *globs[1];
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", p->pid);
	globs[0] = path;
	ASSERT_EQ(0, CALL(control_read, globs, 1));
	EXPECT_EQ(1UL << (SIGUSR1 - 1) | 1UL << (SIGPIPE - 1),
		  ignored_signals(control_text(&p->reply, "%s", path)) & ~LIBC_SIGNALS);
	ASSERT_EQ(0, CALL(control_run, script(p, "exec cat /proc/self/status"), PATIENCE_NS));
	EXPECT_EQ(0, ignored_signals(p->reply.output) & ~LIBC_SIGNALS);
	expect_in(_metadata, "SigBlk:\t0000000000000000", p->reply.output);
}

static void sum(const struct control_reply *reply, const char *group,
		unsigned int *n, u64 *units)
{
	size_t i;

	*n = 0;
	*units = 0;
	for (i = 0; i < reply->nr_reports; i++) {
		if (strcmp(reply->reports[i].r.group, group))
			continue;
		*units += reply->reports[i].r.units;
		(*n)++;
	}
}

/* Which CPUs the worker has seen, if there are no more than 64 */
static u64 cpus_of(const struct wire_report *r)
{
	size_t i;

	for (i = 1; i < ARRAY_SIZE(r->cpus); i++) {
		if (r->cpus[i])
			return ~0ULL;
	}
	return r->cpus[0];
}

static unsigned int first_cpu(void)
{
	unsigned int cpu = 0;
	cpu_set_t set;

	sched_getaffinity(0, sizeof(set), &set);
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	return cpu;
}

/* Each has three quarters of the time for waiting. */
static bool all_have_shared(const struct control_reply *reply)
{
	const struct wire_report *r;
	size_t i;

	for (i = 0; i < reply->nr_reports; i++) {
		r = &reply->reports[i].r;
		if (!r->units || r->run_delay_ns <= 20 * MSEC || !r->nivcsw ||
		    r->max_raw_gap_ns < MSEC)
			return false;
	}
	return true;
}

/* Four workers on one CPU: they share it, and none is ever elsewhere. */
TEST_F(agent, workers_share_a_cpu)
{
	unsigned int cpu = first_cpu(), n, i;
	u64 units, cpu_ns = 0, wall_ns = 0, ns;
	const struct wire_report *r;
	struct peer *p = self->p;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ASSERT_EQ(0, sched_setaffinity(p->pid, sizeof(one), &one));
	for (ns = 300 * MSEC; ns < MAX_RUN_NS; ns *= 2) {
		ASSERT_EQ(0, SPAWN("left", 2, WIRE_WORK_SPIN)) {
			TH_LOG("%s", p->err.text);
		}
		ASSERT_EQ(2, p->reply.nr_pids);
		EXPECT_LT(0, p->reply.pids[1]);
		ASSERT_EQ(0, SPAWN("right", 2, WIRE_WORK_SPIN));
		ASSERT_EQ(0, go(p, ns, PATIENCE_NS)) {
			TH_LOG("%s", p->err.text);
		}
		if (all_have_shared(&p->reply))
			break;
	}

	ASSERT_EQ(4, p->reply.nr_reports);
	sum(&p->reply, "left", &n, &units);
	EXPECT_EQ(2, n);
	EXPECT_LT(0, units);
	sum(&p->reply, "right", &n, &units);
	EXPECT_EQ(2, n);
	EXPECT_LT(0, units);
	for (i = 0; i < 4; i++) {
		r = &p->reply.reports[i].r;
		EXPECT_EQ(i % 2, r->index);
		EXPECT_EQ(0, r->flags);
		EXPECT_LE(ns, r->wall_ns);
		EXPECT_LT(0, r->cpu_ns);
		EXPECT_LE(r->cpu_ns, r->wall_ns);
		EXPECT_EQ(1ULL << cpu, cpus_of(r));
		EXPECT_EQ(0, r->migrations[WIRE_SAME_LLC]);
		EXPECT_LE(r->gap.sched_ns, r->gap.run_delay_ns);
		EXPECT_LE(r->gap.run_delay_ns, r->gap.raw_ns);
		EXPECT_LE(r->gap.raw_ns, r->max_raw_gap_ns);
		EXPECT_LE(r->max_raw_gap_ns, ns);
		EXPECT_GE(r->gap.sched_ns + r->gap.steal_ns, r->gap.run_delay_ns);
		EXPECT_LE(r->gap.at_ns + r->gap.raw_ns, ns);
		EXPECT_LT(20 * MSEC, r->run_delay_ns);
		EXPECT_LT(0, r->timeslices);
		EXPECT_LE(MSEC, r->max_raw_gap_ns);
		EXPECT_LT(0, r->nivcsw);
		cpu_ns += r->cpu_ns;
		wall_ns = max(wall_ns, r->wall_ns);
	}
	EXPECT_LE(cpu_ns, wall_ns);

	/* They are gone, and so are their groups. */
	EXPECT_EQ(-ESRCH, go(p, MSEC, SEC));
	expect_in(_metadata, "no workers", p->err.text);
}

/* A gap is in the report as long as it was, when and where it was. */
TEST_F(agent, gap_of_a_stopped_worker)
{
	const struct wire_report *r;
	struct peer *p = self->p;
	pid_t pid;

	ASSERT_EQ(0, SPAWN("one", 1, WIRE_WORK_SPIN));
	pid = p->reply.pids[0];
	/* Helps if this host is busy; if it may not be, that is no matter. */
	setpriority(PRIO_PROCESS, pid, -20);
	ASSERT_EQ(0, CALL(control_start, NULL, 0, WIRE_FOREVER, PATIENCE_NS));
	usleep(200000);
	kill(pid, SIGSTOP);
	usleep(200000);
	kill(pid, SIGCONT);
	ASSERT_EQ(0, CALL(control_stop, NULL, 0, 200 * MSEC, PATIENCE_NS)) {
		TH_LOG("%s", p->err.text);
	}
	ASSERT_EQ(1, p->reply.nr_reports);
	r = &p->reply.reports[0].r;
	EXPECT_EQ(0, flags_of(r));
	EXPECT_LE(195 * MSEC, r->max_raw_gap_ns);
	/* It was not runnable then: no scheduler is to blame for more than it waited. */
	EXPECT_LE(r->gap.sched_ns, r->run_delay_ns);
	EXPECT_LE(r->cpu_ns, r->wall_ns - 195 * MSEC);
}

/* Of one that was stopped: what it did after that until the end is one gap, the longest. */
static bool is_stuck(const struct wire_report *r)
{
	return r->units && r->max_raw_gap_ns == r->gap.raw_ns &&
	       r->wall_ns == r->gap.at_ns + r->gap.raw_ns;
}

TEST_F(agent, worker_stuck_at_the_end)
{
	const struct wire_report *r, *other;
	struct peer *p = self->p;
	pid_t pid;
	u64 ns;

	for (ns = 200 * MSEC; ns < MAX_RUN_NS / 4; ns *= 2) {
		ASSERT_EQ(0, SPAWN("two", 2, WIRE_WORK_SPIN));
		pid = p->reply.pids[0];
		ASSERT_EQ(0, CALL(control_start, NULL, 0, WIRE_FOREVER, PATIENCE_NS));
		usleep(ns / 1000);
		kill(pid, SIGSTOP);
		usleep(300000 + ns / 1000);
		ASSERT_EQ(0, CALL(control_stop, NULL, 0, 50 * MSEC, 5 * ns)) {
			TH_LOG("%s", p->err.text);
		}
		ASSERT_EQ(2, p->reply.nr_reports);
		r = &p->reply.reports[0].r;
		other = &p->reply.reports[1].r;
		if (is_stuck(r) && !other->flags)
			break;
	}
	EXPECT_EQ(WIRE_REPORT_NOT_STOPPED, r->flags);
	EXPECT_LT(0, r->units);
	EXPECT_LT(0, r->cpu_ns);
	EXPECT_LE(2 * ns + 350 * MSEC, r->wall_ns);
	EXPECT_LE(ns + 350 * MSEC, r->max_raw_gap_ns);
	EXPECT_EQ(r->max_raw_gap_ns, r->gap.raw_ns);
	EXPECT_EQ(r->wall_ns, r->gap.at_ns + r->gap.raw_ns);
	EXPECT_EQ(0, other->flags);
	/* It was killed. */
	EXPECT_TRUE(wait_until(kill(pid, 0)));
}

/* How often the agent has gone to sleep; ULONG_MAX if that is not to be had */
static unsigned long sleeps(struct peer *p)
{
	static const char key[] = "\nvoluntary_ctxt_switches:";
	char *text = control_read_text(&p->c, "/proc/self/status");
	const char *line = strstr(text ?: "", key);
	unsigned long nr = line ? strtoul(line + strlen(key), NULL, 10) : ULONG_MAX;

	free(text);
	return nr;
}

/* It is real-time: on the CPU of a task, it would interrupt that again and again. */
TEST_F(agent, sleeps_until_workers_are_ready)
{
	const struct wire_spawn spawn = {
		.name = "large", .count = 8,
		.phases[0] = { .work = WIRE_WORK_NUMA, .bytes = 64 << 20 },
	};
	struct peer *p = self->p;
	unsigned long before;
	u64 start;

	ASSERT_EQ(0, CALL(control_spawn, &spawn));
	before = sleeps(p);
	ASSERT_NE(ULONG_MAX, before);
	start = clock_ns();
	ASSERT_EQ(0, CALL(control_start, NULL, 0, WIRE_FOREVER, PATIENCE_NS));
	EXPECT_GE(before + 20, sleeps(p)) {
		TH_LOG("in %llu ms", (unsigned long long)((clock_ns() - start) / MSEC));
	}
	EXPECT_EQ(0, CALL(control_stop, NULL, 0, 0, PATIENCE_NS));
}

/* One that has died while the others got ready is not waited for. */
TEST_F(agent, worker_that_is_never_ready)
{
	const struct wire_spawn spawn = {
		.name = "large", .count = 2,
		.phases[0] = { .work = WIRE_WORK_NUMA, .bytes = 64 << 20 },
	};
	struct peer *p = self->p;
	u64 start = clock_ns();

	ASSERT_EQ(0, CALL(control_spawn, &spawn));
	kill(p->reply.pids[0], SIGKILL);
	ASSERT_EQ(0, CALL(control_start, NULL, 0, MSEC, PATIENCE_NS));
	EXPECT_GT(PATIENCE_NS, clock_ns() - start);
	EXPECT_EQ(0, CALL(control_stop, NULL, 0, PATIENCE_NS, PATIENCE_NS));
	ASSERT_EQ(2, p->reply.nr_reports);
	EXPECT_EQ(WIRE_REPORT_DIED, p->reply.reports[0].r.flags & WIRE_REPORT_DIED);
	EXPECT_EQ(0, flags_of(&p->reply.reports[1].r));
}

TEST_F(agent, worker_that_never_ran)
{
	const struct wire_report *r;
	struct peer *p = self->p;
	u64 before;

	ASSERT_EQ(0, SPAWN("one", 1, WIRE_WORK_SPIN));
	usleep(200000);
	kill(p->reply.pids[0], SIGSTOP);
	before = clock_ns();
	ASSERT_EQ(0, CALL(control_start, NULL, 0, 100 * MSEC, SEC));
	ASSERT_EQ(0, CALL(control_stop, NULL, 0, PATIENCE_NS, 100 * MSEC));
	EXPECT_GT(before + PATIENCE_NS, clock_ns());
	ASSERT_EQ(1, p->reply.nr_reports);
	r = &p->reply.reports[0].r;
	EXPECT_EQ(WIRE_REPORT_NOT_STOPPED | WIRE_REPORT_NEVER_RAN, r->flags);
	EXPECT_EQ(0, r->units);
	EXPECT_EQ(0, r->cpu_ns);
	EXPECT_EQ(100 * MSEC, r->gap.raw_ns);
	EXPECT_EQ(0, r->gap.at_ns);
	EXPECT_EQ(0, cpus_of(r));
}

TEST_F(agent, worker_that_died)
{
	struct peer *p = self->p;
	pid_t pid;

	ASSERT_EQ(0, SPAWN("two", 2, WIRE_WORK_SPIN));
	pid = p->reply.pids[1];
	ASSERT_EQ(0, CALL(control_start, NULL, 0, WIRE_FOREVER, PATIENCE_NS));
	usleep(100000);
	kill(pid, SIGKILL);
	ASSERT_EQ(0, CALL(control_stop, NULL, 0, 200 * MSEC, PATIENCE_NS));
	ASSERT_EQ(2, p->reply.nr_reports);
	EXPECT_EQ(0, flags_of(&p->reply.reports[0].r));
	EXPECT_EQ(WIRE_REPORT_DIED, flags_of(&p->reply.reports[1].r));
}

/* While workers run, the agent does what it is asked. */
TEST_F(agent, calls_during_a_run)
{
	const char *const echo[] = { "echo", "hi", NULL };
	const char *const globs[] = { "/proc/version" };
	struct peer *p = self->p;
	u64 before = clock_ns();

	ASSERT_EQ(0, SPAWN("one", 1, WIRE_WORK_SPIN));
	ASSERT_EQ(0, CALL(control_start, NULL, 0, PATIENCE_NS, PATIENCE_NS));
	/* There is none that waits. */
	EXPECT_EQ(-ESRCH, CALL(control_start, NULL, 0, SEC, SEC));
	EXPECT_EQ(0, CALL(control_read, globs, 1));
	EXPECT_EQ(0, CALL(control_run, echo, PATIENCE_NS));
	EXPECT_STREQ("hi\n", p->reply.output);
	EXPECT_GT(PATIENCE_NS, clock_ns() - before);
	ASSERT_EQ(0, CALL(control_stop, NULL, 0, SEC, PATIENCE_NS)) TH_LOG("%s", p->err.text);
	EXPECT_EQ(1, p->reply.nr_reports);
	EXPECT_LE(SEC, clock_ns() - before);
}

#define NAME_63	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"

TEST_F(agent, spawn_errors)
{
	static const char *const cpus[] = { "0", "0-x" }, *const no_cpu[] = { "" };
	static const struct {
		struct wire_spawn spawn;
		int ret;
		const char *said;
	} cases[] = {
		{ { .name = "a", .cgroup = "/no/cgroup", .count = 1 }, -ENOENT, "/no/cgroup" },
		/* A directory, but no cgroup */
		{ { .name = "a", .cgroup = "/tmp", .count = 2 }, -EBADF, "/tmp" },
		{ { .name = "a" }, -EINVAL, "no workers" },
		{ { .name = "", .count = 1 }, -EINVAL, "name" },
		{ { .name = NAME_63 "n", .count = 1 }, -EINVAL, "name" },
		{ { .name = "a", .count = 1, .phases[0].work = WIRE_NR_WORK }, -EINVAL, "unknown" },
		{ { .name = "a", .count = WIRE_MAX_WORKERS + 1 }, -ENOSPC, "4096 workers" },
		{ { .name = "a", .count = 3, .phases[0].work = WIRE_WORK_PIPE }, -EINVAL, "teams" },
		{ { .name = "a", .count = 2, .nr_phases = 2, .phases = {
			{ .phase_ns = 1 }, { .work = WIRE_WORK_PIPE, .phase_ns = 1 } } },
		  -EINVAL, "phase of several" },
		{ { .name = "a", .count = 1, .nr_phases = 2 }, -EINVAL, "takes no time" },
		{ { .name = "a", .count = 1, .phases[0].run_ns = ~0ULL }, -EINVAL, "too long" },
		{ { .name = "a", .count = 1, .nr_cpus = 2, .cpus = cpus }, -EINVAL, "CPU list" },
		{ { .name = "a", .count = 1, .nr_cpus = 1, .cpus = no_cpu }, -EINVAL, "CPU list" },
		{ { .name = "a", .count = 1, .attr.policy = 8 }, -EINVAL, "policy" },
		{ { .name = "a", .count = 1, .attr.nice = 20 }, -EINVAL, "nice" },
		{ { .name = "a", .count = 1, .attr.nice = -21 }, -EINVAL, "nice" },
		{ { .name = "a", .count = 1, .attr.policy = SCHED_FIFO }, -EINVAL, "priority" },
		{ { .name = "a", .count = 1, .attr = { .policy = SCHED_RR, .priority = 99 } },
		  -EINVAL, "priority" },
		{ { .name = "a", .count = 1, .mem_mode = 2 }, -EINVAL, "nodes" },
		{ { .name = "a", .count = 1, .nr_phases = WIRE_MAX_PHASES + 1 }, -EBADMSG, "" },
	};
	struct peer *p = self->p;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		EXPECT_EQ(cases[i].ret, CALL(control_spawn, &cases[i].spawn))
			TH_LOG("case %zu: %s", i, p->err.text);
		expect_in(_metadata, cases[i].said, p->err.text);
	}
	ASSERT_EQ(0, SPAWN(NAME_63, 1, WIRE_WORK_SPIN));
	EXPECT_EQ(-EEXIST, SPAWN(NAME_63, 1, WIRE_WORK_SPIN));
	ASSERT_EQ(0, CALL(control_stop, NULL, 0, 0, PATIENCE_NS));
	EXPECT_EQ(-ESRCH, go(p, MSEC, MSEC));
}

/* Groups start, run and stop each in its own time. */
TEST_F(agent, groups_are_independent)
{
	static const char *const first[] = { "first" }, *const second[] = { "second" };
	static const char *const third[] = { "third" }, *const none[] = { "first", "none" };
	struct peer *p = self->p;
	u64 started;
	pid_t pid;

	ASSERT_EQ(0, SPAWN("first", 2, WIRE_WORK_SPIN));
	ASSERT_EQ(0, SPAWN("second", 1, WIRE_WORK_SPIN));
	EXPECT_EQ(-ESRCH, CALL(control_start, none, 2, SEC, SEC));
	expect_in(_metadata, "name none", p->err.text);
	ASSERT_EQ(0, CALL(control_start, first, 1, WIRE_FOREVER, PATIENCE_NS)) {
		TH_LOG("%s", p->err.text);
	}
	started = p->reply.started_ns;
	EXPECT_GT(clock_ns(), started);
	EXPECT_LT(clock_ns(), started + PATIENCE_NS);
	EXPECT_EQ(-EALREADY, CALL(control_start, first, 1, SEC, SEC));
	usleep(100000);
	ASSERT_EQ(0, CALL(control_start, NULL, 0, 200 * MSEC, PATIENCE_NS)) {
		TH_LOG("%s", p->err.text);
	}
	EXPECT_LE(started + 100 * MSEC, p->reply.started_ns);
	ASSERT_EQ(0, SPAWN("third", 1, WIRE_WORK_SPIN));
	pid = p->reply.pids[0];

	ASSERT_EQ(0, CALL(control_stop, second, 1, 1000 * SEC, PATIENCE_NS)) {
		TH_LOG("%s", p->err.text);
	}
	/* Its own end came first. */
	EXPECT_GT(started + 1000 * SEC, clock_ns());
	ASSERT_EQ(1, p->reply.nr_reports);
	EXPECT_STREQ("second", p->reply.reports[0].r.group);
	EXPECT_EQ(0, flags_of(&p->reply.reports[0].r));
	EXPECT_LE(200 * MSEC, p->reply.reports[0].r.wall_ns);
	EXPECT_EQ(-ESRCH, CALL(control_stop, second, 1, 0, SEC));
	/* One that was never started has no report, and goes. */
	ASSERT_EQ(0, CALL(control_stop, third, 1, 0, PATIENCE_NS));
	EXPECT_EQ(0, p->reply.nr_reports);
	EXPECT_TRUE(wait_until(kill(pid, 0)));
	/* The one without an end is stopped after the time that it is given. */
	started = clock_ns();
	ASSERT_EQ(0, CALL(control_stop, NULL, 0, 200 * MSEC, PATIENCE_NS)) {
		TH_LOG("%s", p->err.text);
	}
	EXPECT_LE(started + 200 * MSEC, clock_ns());
	ASSERT_EQ(2, p->reply.nr_reports);
	EXPECT_STREQ("first", p->reply.reports[1].r.group);
	EXPECT_EQ(0, flags_of(&p->reply.reports[1].r));
	EXPECT_LE(400 * MSEC, p->reply.reports[1].r.wall_ns);
	EXPECT_EQ(-ESRCH, CALL(control_stop, NULL, 0, 0, PATIENCE_NS));
}

/* All end: those, too, that only the first of their team would have woken up. */
TEST_F(agent, stopped_now)
{
	struct peer *p = self->p;
	u64 before;
	size_t i;

	ASSERT_EQ(0, SPAWN("team", 4, WIRE_WORK_FANOUT));
	ASSERT_EQ(0, SPAWN("alone", 2, WIRE_WORK_SPIN));
	ASSERT_EQ(0, CALL(control_start, NULL, 0, WIRE_FOREVER, PATIENCE_NS)) {
		TH_LOG("%s", p->err.text);
	}
	usleep(50000);
	before = clock_ns();
	ASSERT_EQ(0, CALL(control_stop, NULL, 0, 0, PATIENCE_NS)) TH_LOG("%s", p->err.text);
	EXPECT_GT(before + PATIENCE_NS, clock_ns());
	ASSERT_EQ(6, p->reply.nr_reports);
	for (i = 0; i < 6; i++)
		EXPECT_EQ(0, flags_of(&p->reply.reports[i].r)) TH_LOG("worker %zu", i);
}

/* Policy, nice value, name and affinity are what was asked for, and can be changed. */
TEST_F(agent, attributes)
{
	char first[16], last[16], stat[512];
	const char *const cpus[] = { first, last }, *const swapped[] = { last, first };
	struct wire_spawn spawn = {
		.name = "group", .comm = "some worker", .count = 2,
		.attr = { .policy = SCHED_BATCH, .nice = 5 },
		.nr_cpus = 2, .cpus = cpus,
	};
	struct wire_attr normal = { .nice = 3 };
	unsigned int cpu = first_cpu(), last_cpu = cpu, i;
	struct peer *p = self->p;
	cpu_set_t set;
	pid_t pids[2];

	sched_getaffinity(0, sizeof(set), &set);
	for (i = cpu; i < CPU_SETSIZE; i++)
		last_cpu = CPU_ISSET(i, &set) ? i : last_cpu;
	snprintf(first, sizeof(first), "%u", cpu);
	snprintf(last, sizeof(last), "%u", last_cpu);
	ASSERT_EQ(0, CALL(control_spawn, &spawn)) TH_LOG("%s", p->err.text);
	memcpy(pids, p->reply.pids, sizeof(pids));
	ASSERT_EQ(0, CALL(control_start, NULL, 0, WIRE_FOREVER, PATIENCE_NS)) {
		TH_LOG("%s", p->err.text);
	}

	for (i = 0; i < 2; i++) {
		EXPECT_EQ(SCHED_BATCH, sched_getscheduler(pids[i]));
		EXPECT_EQ(5, getpriority(PRIO_PROCESS, pids[i]));
		EXPECT_EQ(0, sched_getaffinity(pids[i], sizeof(set), &set));
		EXPECT_EQ(1, CPU_COUNT(&set));
		EXPECT_TRUE(CPU_ISSET(i ? last_cpu : cpu, &set));
	}
	snprintf(stat, sizeof(stat), "/proc/%d/comm", pids[1]);
	ASSERT_EQ(0, CALL(control_read, (const char *const []) { stat }, 1));
	EXPECT_STREQ("some worker", control_text(&p->reply, "%s", stat));

	ASSERT_EQ(0, control_attr(&p->c, "group", &normal, &p->err)) TH_LOG("%s", p->err.text);
	ASSERT_EQ(0, control_affinity(&p->c, "group", swapped, 2, &p->err));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(SCHED_OTHER, sched_getscheduler(pids[i]));
		EXPECT_EQ(3, getpriority(PRIO_PROCESS, pids[i]));
		EXPECT_EQ(0, sched_getaffinity(pids[i], sizeof(set), &set));
		EXPECT_EQ(1, CPU_COUNT(&set));
		EXPECT_TRUE(CPU_ISSET(i ? cpu : last_cpu, &set));
	}
	EXPECT_EQ(-ESRCH, control_attr(&p->c, "none", &normal, &p->err));
	expect_in(_metadata, "\"none\"", p->err.text);
	normal.nice = 20;
	EXPECT_EQ(-EINVAL, control_attr(&p->c, "group", &normal, &p->err));
	EXPECT_EQ(-EINVAL, control_affinity(&p->c, "group", NULL, 0, &p->err));
	EXPECT_EQ(-ENOENT, control_move(&p->c, "group", WIRE_ALL, "/no/cgroup", &p->err));
	expect_in(_metadata, "/no/cgroup", p->err.text);
	EXPECT_EQ(-ESRCH, control_move(&p->c, "group", 2, "/tmp", &p->err));
	ASSERT_EQ(0, CALL(control_stop, NULL, 0, 0, PATIENCE_NS));
	EXPECT_EQ(2, p->reply.nr_reports);
}

/* What the kernel refuses to a worker is what the start says. */
TEST_F(agent, worker_that_cannot_work)
{
	static const char *const far[] = { "4000" };
	const struct wire_spawn spawn = { .name = "far", .count = 2, .nr_cpus = 1, .cpus = far };
	struct peer *p = self->p;

	ASSERT_EQ(0, CALL(control_spawn, &spawn)) TH_LOG("%s", p->err.text);
	EXPECT_EQ(-EINVAL, CALL(control_start, NULL, 0, SEC, PATIENCE_NS));
	expect_in(_metadata, "of group \"far\": set its affinity to CPUs \"4000\"", p->err.text);
	/* Nothing has started, and it can be taken away. */
	ASSERT_EQ(0, CALL(control_stop, NULL, 0, 0, PATIENCE_NS));
	EXPECT_EQ(0, p->reply.nr_reports);
}

TEST_F(agent, programs)
{
	struct peer *p = self->p;
	u64 before = clock_ns();

	ASSERT_EQ(0, CALL(control_program_start, "a", "", script(p, "echo a1; sleep 0.3; echo a2")))
		TH_LOG("%s", p->err.text);
	EXPECT_EQ(1, p->reply.nr_pids);
	EXPECT_EQ(-EBUSY, CALL(control_program_start, "a", "", script(p, "true")));
	ASSERT_EQ(0, CALL(control_program_start, "b", "",
			  script(p, "echo b; touch b; sleep 1000 & wait")));
	ASSERT_EQ(0, CALL(control_program_start, "c", "", script(p, "echo c; exit 3")));
	/* It was all in the background; this one, too. */
	ASSERT_EQ(0, CALL(control_run, script(p, "echo d"), PATIENCE_NS)) TH_LOG("%s", p->err.text);
	EXPECT_STREQ("d\n", p->reply.output);
	EXPECT_GT(1000 * SEC, clock_ns() - before);
	ASSERT_EQ(0, CALL(control_program_wait, "a", PATIENCE_NS)) TH_LOG("%s", p->err.text);
	EXPECT_STREQ("a1\na2\n", p->reply.output);
	EXPECT_EQ(0, p->reply.wait_status);
	ASSERT_EQ(0, CALL(control_program_wait, "c", PATIENCE_NS));
	EXPECT_STREQ("c\n", p->reply.output);
	EXPECT_EQ(3, WEXITSTATUS(p->reply.wait_status));
	ASSERT_TRUE(wait_until(exists(p, "b")));
	ASSERT_EQ(0, control_program_kill(&p->c, "b", SIGTERM, &p->err));
	ASSERT_EQ(0, CALL(control_program_wait, "b", PATIENCE_NS));
	EXPECT_STREQ("b\n", p->reply.output);
	EXPECT_EQ(SIGTERM, WTERMSIG(p->reply.wait_status));
	EXPECT_EQ(-ESRCH, CALL(control_program_wait, "b", SEC));
	expect_in(_metadata, "\"b\"", p->err.text);
	EXPECT_EQ(-ESRCH, control_program_kill(&p->c, "b", SIGTERM, &p->err));
	EXPECT_EQ(-ENOENT, CALL(control_program_start, "e", "/no/cgroup", script(p, "true")));
	expect_in(_metadata, "/no/cgroup", p->err.text);
	EXPECT_EQ(-EACCES, CALL(control_program_start, "e", "",
				((const char *const []) { "/etc/passwd", NULL })));
	EXPECT_EQ(-EACCES, CALL(control_program_start, "e", "",
				((const char *const []) { "/tmp", NULL })));
}

/* What it writes while nobody waits does not stop it; of it, the end is kept. */
TEST_F(agent, program_that_writes_much)
{
	struct peer *p = self->p;
	size_t len;

	ASSERT_EQ(0, CALL(control_program_start, "much", "",
			  script(p, "seq 1 200000; echo the end; echo done >done; sleep 0.2")));
	ASSERT_TRUE(wait_until(exists(p, "done")));
	ASSERT_EQ(0, CALL(control_program_wait, "much", PATIENCE_NS)) TH_LOG("%s", p->err.text);
	len = p->reply.output_len;
	EXPECT_LE(len, WIRE_MAX_KEPT);
	EXPECT_GE(len, WIRE_MAX_KEPT / 2);
	EXPECT_STREQ("200000\nthe end\n", p->reply.output + len - strlen("200000\nthe end\n"));
}

TEST_F(agent, hold)
{
	struct peer *p = self->p;
	u64 before, end;

	ASSERT_EQ(0, CALL(control_sched_start, script(p, ENABLE WAIT "echo disabled >state"),
			  PATIENCE_NS));
	let_go(p);
	/* It ends while we only wait, and is heard of. */
	end = clock_ns() + PATIENCE_NS;
	do {
		before = clock_ns();
		ASSERT_EQ(0, control_hold(&p->c, 700 * MSEC, &p->err)) {
			TH_LOG("%s", p->err.text);
		}
		EXPECT_LE(700 * MSEC, clock_ns() - before);
	} while (!p->c.sched_exit.valid && clock_ns() < end);
	EXPECT_TRUE(p->c.sched_exit.valid);
}

TEST_F(agent, sched_start_status_stop)
{
	struct peer *p = self->p;
	struct control_sched *s = &p->reply.sched;

	ASSERT_EQ(0, CALL(control_sched_status));
	EXPECT_STREQ("disabled", s->state);
	EXPECT_EQ(0, s->pid);
	EXPECT_EQ(-ESRCH, CALL(control_sched_stop, SEC));

	ASSERT_EQ(0, CALL(control_sched_start,
			  script(p, "trap 'echo bye; echo disabled >state; exit 4' INT; sleep 0.1; "
				 "echo on; " ENABLE "while :; do sleep 0.05; done"), PATIENCE_NS))
		TH_LOG("%s", p->err.text);
	EXPECT_STREQ("enabled", s->state);
	EXPECT_STREQ("fake_1.0", s->ops);
	EXPECT_FALSE(s->ended);
	EXPECT_EQ(0, kill(s->pid, 0));
	EXPECT_EQ(-EBUSY, CALL(control_sched_start, script(p, "true"), SEC));

	ASSERT_EQ(0, CALL(control_sched_status));
	EXPECT_STREQ("enabled", s->state);
	EXPECT_STREQ("fake_1.0", s->ops);

	/* As long as it takes: it is not killed. */
	ASSERT_EQ(0, CALL(control_sched_stop, WIRE_FOREVER)) TH_LOG("%s", p->err.text);
	EXPECT_STREQ("disabled", s->state);
	EXPECT_TRUE(s->ended);
	EXPECT_EQ(4, WEXITSTATUS(s->wait_status));
	expect_in(_metadata, "on\n", s->output);
	expect_in(_metadata, "bye\n", s->output);
	/* It did as it was told. */
	EXPECT_FALSE(p->c.sched_exit.valid);
}

/* The kernel counts it last, and whoever counts from then on is not to count it again. */
TEST_F(agent, sched_counted_late)
{
	struct peer *p = self->p;

	write_file(p, "enable_seq", "7\n");
	ASSERT_EQ(0, CALL(control_sched_start,
			  script(p, ENABLE "sleep 0.5; touch late; echo 8 >enable_seq; " WAIT),
			  PATIENCE_NS)) TH_LOG("%s", p->err.text);
	EXPECT_TRUE(exists(p, "late"));
	EXPECT_TRUE(has_text(p, "enable_seq", "8\n"));
}

TEST_F(agent, sched_that_fails)
{
	struct peer *p = self->p;

	EXPECT_EQ(-ECHILD, CALL(control_sched_start,
				script(p, "echo libbpf: bad program; echo R1 invalid >&2; exit 1"),
				PATIENCE_NS));
	EXPECT_EQ(ERRMSG_FAILED, p->err.kind);
	expect_in(_metadata, "start scheduler sh", p->err.text);
	expect_in(_metadata, "exit status 1", p->err.text);
	expect_in(_metadata, "libbpf: bad program\nR1 invalid", p->err.text);
	ASSERT_TRUE(p->reply.sched.valid);
	EXPECT_EQ(1, WEXITSTATUS(p->reply.sched.wait_status));
	EXPECT_STREQ("libbpf: bad program\nR1 invalid\n", p->reply.sched.output);
}

/* Of a long verifier log it is the end that counts. */
TEST_F(agent, sched_with_a_long_log)
{
	struct peer *p = self->p;
	size_t len;

	EXPECT_EQ(-ECHILD, CALL(control_sched_start,
				script(p, "seq 1 100000; echo the end; exit 1"), PATIENCE_NS));
	ASSERT_TRUE(p->reply.sched.valid);
	len = strlen(p->reply.sched.output);
	EXPECT_EQ(WIRE_MAX_CHUNK, len);
	EXPECT_STREQ("99999\n100000\nthe end\n",
		     p->reply.sched.output + len - strlen("99999\n100000\nthe end\n"));
	expect_in(_metadata, "100000\nthe end", p->err.text);
}

TEST_F(agent, sched_that_is_never_enabled)
{
	struct peer *p = self->p;
	int ret = 0;
	u64 ns;

	/* Longer, where it takes that until it has said something; the last one has to go */
	for (ns = 300 * MSEC; ns < PATIENCE_NS; ns *= 2) {
		EXPECT_TRUE(wait_until((ret = CALL(control_sched_start,
						   script(p, "echo loading; sleep 1000"),
						   ns)) != -EBUSY));
		EXPECT_EQ(-ETIMEDOUT, ret);
		if (strstr(p->err.text, "loading"))
			break;
	}
	expect_in(_metadata, "not enabled", p->err.text);
	expect_in(_metadata, "loading", p->err.text);
}

TEST_F(agent, sched_that_ignores_sigint)
{
	struct peer *p = self->p;

	ASSERT_EQ(0, CALL(control_sched_start,
			  script(p, "trap '' INT; " DISABLE_LATER ENABLE
				 "while :; do sleep 0.05; done"), PATIENCE_NS));
	ASSERT_EQ(0, CALL(control_sched_stop, 200 * MSEC)) TH_LOG("%s", p->err.text);
	EXPECT_TRUE(WIFSIGNALED(p->reply.sched.wait_status));
	EXPECT_EQ(SIGKILL, WTERMSIG(p->reply.sched.wait_status));
	EXPECT_STREQ("disabled", p->reply.sched.state);
}

/* Told to stop when it has already left, and not because of that: both are known. */
TEST_F(agent, sched_leaves_before_its_stop)
{
	struct peer *p = self->p;
	struct control_sched *left = &p->c.sched_exit;

	ASSERT_EQ(0, CALL(control_sched_start,
			  script(p, "trap 'exit 4' INT; " ENABLE WAIT "echo disabled >state; "
				 "while :; do sleep 0.05; done"), PATIENCE_NS));
	let_go(p);
	/* It does not look for its end, so that nothing is told before the stop. */
	ASSERT_TRUE(wait_until(has_text(p, "state", "disabled\n")));
	ASSERT_EQ(0, CALL(control_sched_stop, PATIENCE_NS)) TH_LOG("%s", p->err.text);
	EXPECT_EQ(4, WEXITSTATUS(p->reply.sched.wait_status));
	ASSERT_TRUE(left->valid);
	EXPECT_STREQ("fake_1.0", left->ops);
	EXPECT_LT(0, left->when_ns);
	/* It is told once. */
	left->valid = false;
	ASSERT_EQ(0, CALL(control_sched_stop, PATIENCE_NS)) TH_LOG("%s", p->err.text);
	EXPECT_FALSE(left->valid);
}

TEST_F(agent, no_sched_ext)
{
	struct peer *p = self->p;
	char path[128];

	snprintf(path, sizeof(path), "%s/state", p->dir);
	unlink(path);
	EXPECT_EQ(-EOPNOTSUPP, CALL(control_sched_start, script(p, "true"), SEC));
	expect_in(_metadata, "no sched_ext", p->err.text);
	/* A kernel without it is no failure of the scheduler. */
	EXPECT_EQ(ERRMSG_HOST, p->err.kind);
}

TEST_F(agent, sched_exec_error)
{
	const char *const missing[] = { "/no/such/scx", NULL };
	struct peer *p = self->p;

	EXPECT_EQ(-ENOENT, CALL(control_sched_start, missing, SEC));
	expect_in(_metadata, "/no/such/scx", p->err.text);
}

/* The kernel throws it out in the middle of a run; the event comes with the run. */
TEST_F(agent, sched_leaves_during_a_run)
{
	struct peer *p = self->p;
	struct control_sched *left = &p->c.sched_exit;
	pid_t pid;

	write_file(p, "kmsg", "6,1,1,-;sched_ext: BPF scheduler \"old\" disabled (unreg)\n");
	ASSERT_EQ(0, SPAWN("one", 1, WIRE_WORK_SPIN));
	ASSERT_EQ(0, CALL(control_sched_start,
			  script(p, ENABLE WAIT
				 "echo '3,2,2,-;sched_ext: BPF scheduler \"fake\" disabled (stall)' >>kmsg; "
				 "(echo ' SUBSYSTEM=x'; echo '3,3,3,-;usb: hello') >>kmsg; "
				 "echo '3,4,4,-;sched_ext: fake: sh[1] failed' >>kmsg; "
				 "echo disabled >state; sleep 0.2; echo EXIT: stall; exit 3"),
			  PATIENCE_NS));
	pid = p->reply.sched.pid;
	ASSERT_EQ(0, CALL(control_start, NULL, 0, WIRE_FOREVER, PATIENCE_NS));
	let_go(p);
	ASSERT_TRUE(wait_until(kill(pid, 0)));
	usleep(1000000);
	ASSERT_EQ(0, CALL(control_stop, NULL, 0, 0, PATIENCE_NS)) TH_LOG("%s", p->err.text);
	ASSERT_TRUE(left->valid);
	EXPECT_STREQ("fake_1.0", left->ops);
	EXPECT_STREQ("disabled", left->state);
	EXPECT_STREQ("sched_ext: BPF scheduler \"fake\" disabled (stall)\n"
		     "sched_ext: fake: sh[1] failed", left->reason);
	EXPECT_TRUE(left->ended);
	EXPECT_EQ(3, WEXITSTATUS(left->wait_status));
	EXPECT_STREQ("EXIT: stall\n", left->output);
	EXPECT_LT(0, left->when_ns);
	EXPECT_LT(left->when_ns, clock_ns() - 200 * MSEC);
}

/* Its process dies shortly before the end of a run, and the kernel is slow. */
TEST_F(agent, sched_dies_during_a_run)
{
	struct peer *p = self->p;
	pid_t pid;

	ASSERT_EQ(0, SPAWN("one", 1, WIRE_WORK_SPIN));
	ASSERT_EQ(0, CALL(control_sched_start,
			  script(p, DISABLE_LATER ENABLE WAIT "kill -SEGV $$"),
			  PATIENCE_NS));
	pid = p->reply.sched.pid;
	ASSERT_EQ(0, CALL(control_start, NULL, 0, WIRE_FOREVER, PATIENCE_NS));
	let_go(p);
	ASSERT_TRUE(wait_until(kill(pid, 0)));
	ASSERT_EQ(0, CALL(control_stop, NULL, 0, 0, PATIENCE_NS));
	ASSERT_TRUE(p->c.sched_exit.valid);
	EXPECT_TRUE(WIFSIGNALED(p->c.sched_exit.wait_status));
	EXPECT_STREQ("disabled", p->c.sched_exit.state);
	EXPECT_STREQ("", p->c.sched_exit.reason);
	/* Another one can be started. */
	EXPECT_EQ(0, CALL(control_sched_start, script(p, ENABLE "sleep 1000"), PATIENCE_NS));
}

/*
 * What stands in for a guest's root: cgroups, CPUs and files that the agent may
 * touch, and that never change by themselves. All CPUs of this test are online.
 */
static bool make_root(struct peer *p, const char *extra)
{
	struct cpu_set all, cpus = { };
	char list[1024], command[4096];

	/* As the agent does: more than this test may have been given */
	memset(&all, 0xff, sizeof(all));
	if (syscall(SYS_sched_setaffinity, 0, sizeof(all.bits), all.bits) ||
	    syscall(SYS_sched_getaffinity, 0, sizeof(cpus.bits), cpus.bits) < 0)
		return false;
	cpu_set_format(&cpus, list, sizeof(list));
	snprintf(command, sizeof(command),
		 "set -e; cd %s; mkdir -p sys/fs/cgroup tmp run dev/shm\n"
		 "mkdir -p sys/devices/system/cpu/cpu0 sys/devices/system/cpu/cpu1\n"
		 "echo cpuset cpu io memory >sys/fs/cgroup/cgroup.controllers\n"
		 "echo cpuset cpu >sys/fs/cgroup/cgroup.subtree_control\n"
		 "echo %s | tee sys/devices/system/cpu/present >sys/devices/system/cpu/online\n"
		 "echo 0 >sys/devices/system/cpu/cpu1/online\n%s", p->dir, list, extra);
	return !system(command);
}

/* Ends by itself, with the kernel's part of it */
#define POLITE_SCHED	"trap 'echo bye; echo disabled >state; exit 4' INT; " ENABLE	\
			"while :; do sleep 0.05; done"

TEST_F(agent, clean_of_nothing)
{
	struct peer *p = self->p;

	ASSERT_TRUE(make_root(p, ""));
	ASSERT_EQ(0, CALL(control_clean, PATIENCE_NS)) TH_LOG("%s", p->err.text);
	EXPECT_FALSE(p->reply.sched.valid);
	EXPECT_FALSE(p->c.sched_exit.valid);
}

TEST_F(agent, clean)
{
	struct peer *p = self->p;
	pid_t pids[5], stray;
	char path[128], text[32] = "";
	u64 before;
	FILE *f;
	int i;

	ASSERT_TRUE(make_root(p, "mkdir -p sys/fs/cgroup/a/b/c sys/fs/cgroup/d\n"
				 "mkdir -p tmp/x/y dev/shm/z keep\n"
				 "touch tmp/1 tmp/x/2 tmp/x/y/.3 run/4 keep/7\n"
				 "ln -s ../keep tmp/5; mkfifo run/6\n"));
	/* Two that run, one that waits, one that is stopped; a scheduler, programs */
	ASSERT_EQ(0, SPAWN("run", 2, WIRE_WORK_SPIN));
	memcpy(pids, p->reply.pids, 2 * sizeof(*pids));
	ASSERT_EQ(0, CALL(control_start, NULL, 0, WIRE_FOREVER, PATIENCE_NS));
	ASSERT_EQ(0, SPAWN("wait", 1, WIRE_WORK_TIMER));
	pids[2] = p->reply.pids[0];
	ASSERT_EQ(0, kill(pids[0], SIGSTOP));
	ASSERT_EQ(0, CALL(control_program_start, "a", "",
			  script(p, "trap '' INT TERM\n"
				 "setsid sh -c 'echo $$ >stray; touch stray2; exec sleep 1000' &\n"
				 "wait")));
	pids[3] = p->reply.pids[0];
	ASSERT_EQ(0, CALL(control_program_start, "b", "", script(p, "exit 1")));
	pids[4] = p->reply.pids[0];
	ASSERT_EQ(0, CALL(control_sched_start, script(p, POLITE_SCHED), PATIENCE_NS))
		TH_LOG("%s", p->err.text);
	ASSERT_TRUE(wait_until(exists(p, "stray2")));
	snprintf(path, sizeof(path), "%s/stray", p->dir);
	f = fopen(path, "re");
	ASSERT_NE(NULL, f);
	EXPECT_NE(NULL, fgets(text, sizeof(text), f));
	fclose(f);
	stray = atoi(text);
	ASSERT_LT(0, stray);

	before = clock_ns();
	ASSERT_EQ(0, CALL(control_clean, PATIENCE_NS)) TH_LOG("%s", p->err.text);
	EXPECT_GT(PATIENCE_NS / 2, clock_ns() - before);
	/* The scheduler had the time to say good-bye. */
	ASSERT_TRUE(p->reply.sched.valid);
	EXPECT_STREQ("fake_1.0", p->reply.sched.ops);
	EXPECT_STREQ("disabled", p->reply.sched.state);
	EXPECT_EQ(4, WEXITSTATUS(p->reply.sched.wait_status));
	expect_in(_metadata, "bye\n", p->reply.sched.output);
	EXPECT_FALSE(p->c.sched_exit.valid);
	/* Reaped, not only dead */
	for (i = 0; i < (int)ARRAY_SIZE(pids); i++)
		EXPECT_EQ(-1, kill(pids[i], 0)) TH_LOG("process %d", i);
	EXPECT_EQ(-1, kill(stray, 0));
	EXPECT_TRUE(exists(p, "sys/fs/cgroup"));
	EXPECT_FALSE(exists(p, "sys/fs/cgroup/a"));
	EXPECT_FALSE(exists(p, "sys/fs/cgroup/d"));
	EXPECT_TRUE(exists(p, "sys/fs/cgroup/cgroup.controllers"));
	EXPECT_TRUE(exists(p, "tmp"));
	EXPECT_FALSE(exists(p, "tmp/1"));
	EXPECT_FALSE(exists(p, "tmp/x"));
	EXPECT_FALSE(exists(p, "run/4"));
	EXPECT_FALSE(exists(p, "run/6"));
	EXPECT_FALSE(exists(p, "dev/shm/z"));
	/* A link is not followed. */
	EXPECT_FALSE(exists(p, "tmp/5"));
	EXPECT_TRUE(exists(p, "keep/7"));

	/* All names are free, and everything works. */
	EXPECT_EQ(-ESRCH, CALL(control_sched_stop, SEC));
	EXPECT_EQ(-ESRCH, CALL(control_program_wait, "a", SEC));
	EXPECT_EQ(-ESRCH, CALL(control_program_wait, "b", SEC));
	EXPECT_EQ(-ESRCH, CALL(control_stop, NULL, 0, 0, PATIENCE_NS));
	ASSERT_EQ(0, CALL(control_program_start, "a", "", script(p, "echo a")));
	ASSERT_EQ(0, CALL(control_program_wait, "a", PATIENCE_NS));
	EXPECT_STREQ("a\n", p->reply.output);
	ASSERT_EQ(0, CALL(control_sched_start, script(p, POLITE_SCHED), PATIENCE_NS));
	ASSERT_EQ(0, SPAWN("run", 1, WIRE_WORK_SPIN));
	ASSERT_EQ(0, go(p, 100 * MSEC, PATIENCE_NS)) TH_LOG("%s", p->err.text);
	ASSERT_EQ(1, p->reply.nr_reports);
	EXPECT_EQ(0, flags_of(&p->reply.reports[0].r));
	EXPECT_EQ(0, CALL(control_clean, PATIENCE_NS)) TH_LOG("%s", p->err.text);
}

/* A scheduler that does not listen gets half of the time, and then SIGKILL. */
TEST_F(agent, clean_of_a_deaf_scheduler)
{
	struct peer *p = self->p;
	pid_t kernel, pid;
	u64 before;

	ASSERT_TRUE(make_root(p, ""));
	ASSERT_EQ(0, CALL(control_sched_start,
			  script(p, "trap '' INT; " ENABLE "while :; do sleep 0.05; done"),
			  PATIENCE_NS));
	pid = p->reply.sched.pid;
	before = clock_ns();
	/* Not a child of the agent's, which would be ended, too */
	kernel = fork();
	if (!kernel) {
		if (wait_until(kill(pid, 0)))
			usleep(300000);
		write_file(p, "state", "disabled\n");
		_exit(0);
	}
	ASSERT_EQ(0, CALL(control_clean, 24 * SEC)) TH_LOG("%s", p->err.text);
	EXPECT_LE(12 * SEC + 300 * MSEC, clock_ns() - before);
	waitpid(kernel, NULL, 0);
	ASSERT_TRUE(p->reply.sched.valid);
	EXPECT_TRUE(WIFSIGNALED(p->reply.sched.wait_status));
	EXPECT_EQ(SIGKILL, WTERMSIG(p->reply.sched.wait_status));
}

/*
 * It has left by itself, which belongs to what was before, so that it is told first;
 * and it would start anew for ever.
 */
TEST_F(agent, clean_of_a_scheduler_that_has_left)
{
	struct peer *p = self->p;

	ASSERT_TRUE(make_root(p, ""));
	ASSERT_EQ(0, CALL(control_sched_start,
			  script(p, "trap 'echo disabled >state; exit 4' INT; " ENABLE WAIT
				 "while :; do echo disabled >state; sleep 3; "
				 "echo enabled >state; sleep 0.1; done"), PATIENCE_NS));
	let_go(p);
	ASSERT_TRUE(wait_until(has_text(p, "state", "disabled\n")));
	ASSERT_EQ(0, CALL(control_clean, PATIENCE_NS)) TH_LOG("%s", p->err.text);
	ASSERT_TRUE(p->c.sched_exit.valid);
	EXPECT_EQ(4, WEXITSTATUS(p->c.sched_exit.wait_status));
	EXPECT_STREQ("fake_1.0", p->c.sched_exit.ops);
}

/* Who is dead, but not gone when the time is over, is named. */
TEST_F(agent, clean_in_no_time)
{
	struct peer *p = self->p;
	char said[64];

	ASSERT_TRUE(make_root(p, ""));
	ASSERT_EQ(0, SPAWN("run", 1, WIRE_WORK_SPIN));
	snprintf(said, sizeof(said), "left behind: task %d (", p->reply.pids[0]);
	EXPECT_EQ(-EBUSY, CALL(control_clean, 0));
	expect_in(_metadata, said, p->err.text);
	EXPECT_EQ(0, CALL(control_clean, PATIENCE_NS)) TH_LOG("%s", p->err.text);
}

/* The error of each answer, in the order of the requests; or -1 */
static void take_answers(struct peer *p, struct wire_receiver *rx, int *errnum, u32 nr)
{
	struct wire_frame frame;
	struct wire_reader r;
	const u8 *pos;
	u32 got = 0;
	u8 buf[4096];
	size_t len;
	ssize_t n;

	memset(errnum, 0xff, nr * sizeof(*errnum));
	while (got < nr) {
		n = peer_recv(p, buf, sizeof(buf), PATIENCE_NS);
		if (n <= 0)
			return;
		pos = buf;
		len = n;
		while (wire_receive(rx, &pos, &len, &frame) == WIRE_OK) {
			if (frame.type != WIRE_DONE || !frame.seq || frame.seq > nr)
				continue;
			wire_read(&r, &frame);
			errnum[frame.seq - 1] = wire_get_u32(&r);
			got++;
		}
	}
}

/* A host that did not wait long enough for its answers: they come, and are no. */
TEST_F(agent, clean_while_others_wait)
{
	struct peer *p = self->p;
	struct wire_receiver *rx = calloc(1, sizeof(*rx));
	static const char *const argv[] = { "sleep", "100" };
	struct wire_writer w;
	u8 buf[512];
	int errnum[6];

	ASSERT_NE(NULL, rx);
	ASSERT_TRUE(make_root(p, ""));
	wire_begin(&w, buf, sizeof(buf), WIRE_PROGRAM_START, 1);
	wire_put_str(&w, "a");
	wire_put_str(&w, "");
	wire_put_strs(&w, argv, 2);
	ASSERT_TRUE(send_all(p->fd, buf, wire_end(&w)));
	wire_begin(&w, buf, sizeof(buf), WIRE_PROGRAM_WAIT, 2);
	wire_put_str(&w, "a");
	wire_put_u64(&w, WIRE_FOREVER);
	ASSERT_TRUE(send_all(p->fd, buf, wire_end(&w)));
	wire_begin(&w, buf, sizeof(buf), WIRE_SPAWN, 3);
	wire_put_spawn(&w, &(struct wire_spawn) {
		.name = "stopped", .cgroup = "", .comm = "", .count = 1, .nr_phases = 1,
		.phases[0].arg = "",
	});
	ASSERT_TRUE(send_all(p->fd, buf, wire_end(&w)));
	/* Nobody can be started who has just been told to stop. */
	wire_begin(&w, buf, sizeof(buf), WIRE_START, 4);
	wire_put_u64(&w, WIRE_FOREVER);
	wire_put_u64(&w, 100 * SEC);
	wire_put_strs(&w, NULL, 0);
	ASSERT_TRUE(send_all(p->fd, buf, wire_end(&w)));
	wire_begin(&w, buf, sizeof(buf), WIRE_SCHED_START, 5);
	wire_put_u64(&w, WIRE_FOREVER);
	wire_put_strs(&w, argv, 2);
	ASSERT_TRUE(send_all(p->fd, buf, wire_end(&w)));
	wire_begin(&w, buf, sizeof(buf), WIRE_CLEAN, 6);
	wire_put_u64(&w, PATIENCE_NS);
	ASSERT_TRUE(send_all(p->fd, buf, wire_end(&w)));
	take_answers(p, rx, errnum, 6);
	free(rx);
	EXPECT_EQ(0, errnum[0]);
	EXPECT_EQ(ECANCELED, errnum[1]);
	EXPECT_EQ(0, errnum[2]);
	EXPECT_TRUE(errnum[3] == ECANCELED || errnum[3] == 0);
	EXPECT_EQ(ECANCELED, errnum[4]);
	EXPECT_EQ(0, errnum[5]);
}

FIXTURE(leftover) {
	struct peer *p;
};

FIXTURE_VARIANT(leftover) {
	const char *root;		/* what is wrong with it */
	const char *said[3];
};

FIXTURE_VARIANT_ADD(leftover, cgroup) {
	.root = "mkdir -p sys/fs/cgroup/a/b sys/fs/cgroup/c; touch sys/fs/cgroup/a/b/busy",
	.said = { "/sys/fs/cgroup/a, ", "/sys/fs/cgroup/a/b" },
};

FIXTURE_VARIANT_ADD(leftover, controllers) {
	.root = "ln -sf /dev/null sys/fs/cgroup/cgroup.subtree_control",
	.said = { "the cpuset controller off, the cpu controller off" },
};

FIXTURE_VARIANT_ADD(leftover, cpus) {
	.root = "echo 0-4000 >sys/devices/system/cpu/present",
	.said = { ", which is offline, CPU ", "more" },
};

FIXTURE_VARIANT_ADD(leftover, affinity) {
	.root = "echo 4000 | tee sys/devices/system/cpu/present >sys/devices/system/cpu/online",
	.said = { "the agent's affinity to CPUs" },
};

FIXTURE_VARIANT_ADD(leftover, unreadable) {
	.root = "rm sys/devices/system/cpu/online",
	.said = { "/sys/devices/system/cpu/online, which cannot be read (ENOENT)" },
};

FIXTURE_VARIANT_ADD(leftover, scheduler) {
	.root = "echo enabled >state",
	.said = { "sched_ext, which is enabled" },
};

FIXTURE_SETUP(leftover)
{
	self->p = calloc(1, sizeof(*self->p));
	ASSERT_NE(NULL, self->p);
	ASSERT_TRUE(agent_start(self->p));
	ASSERT_EQ(0, control_wait_hello(&self->p->c, PATIENCE_NS, &self->p->err));
}

FIXTURE_TEARDOWN(leftover)
{
	agent_stop(self->p);
	free(self->p);
}

/* What does not go away is named, in time. */
TEST_F(leftover, is_named)
{
	struct peer *p = self->p;
	u64 before;
	size_t i;

	ASSERT_TRUE(make_root(p, variant->root));
	before = clock_ns();
	EXPECT_EQ(-EBUSY, CALL(control_clean, 200 * MSEC));
	EXPECT_LE(200 * MSEC, clock_ns() - before);
	EXPECT_GT(PATIENCE_NS, clock_ns() - before);
	EXPECT_EQ(ERRMSG_FAILED, p->err.kind);
	expect_in(_metadata, "clean the guest: in the guest: left behind: ", p->err.text);
	for (i = 0; i < ARRAY_SIZE(variant->said) && variant->said[i]; i++)
		expect_in(_metadata, variant->said[i], p->err.text);
}

TEST_F(agent, kmsg)
{
	struct peer *p = self->p;

	write_file(p, "kmsg",
		   "5,0,0,-;Linux version 6.12\n"
		   "6,1,1234567,-;sched_ext: BPF scheduler \"a\" enabled\n"
		   "3,2,2234567,-;sched_ext: BPF scheduler \"a\" disabled (runtime error)\n"
		   "3,3,2234568,-;sched_ext: a: oops\n"
		   " DEVICE=+x:y\n"
		   "6,4,3000001,-;sched_ext: BPF scheduler \"b\" enabled\n"
		   "garbage\n");
	ASSERT_EQ(0, CALL(control_kmsg)) TH_LOG("%s", p->err.text);
	EXPECT_STREQ("[    0.000000] Linux version 6.12\n"
		     "[    1.234567] sched_ext: BPF scheduler \"a\" enabled\n"
		     "[    2.234567] sched_ext: BPF scheduler \"a\" disabled (runtime error)\n"
		     "[    2.234568] sched_ext: a: oops\n"
		     "[    3.000001] sched_ext: BPF scheduler \"b\" enabled\n",
		     p->reply.output);
	EXPECT_STREQ("sched_ext: BPF scheduler \"a\" disabled (runtime error)\n"
		     "sched_ext: a: oops", p->reply.reason);
}

TEST_F(agent, poweroff)
{
	struct peer *p = self->p;
	char log[256];
	int status;

	ASSERT_EQ(0, control_poweroff(&p->c, &p->err)) TH_LOG("%s", p->err.text);
	status = agent_end(p, log, sizeof(log));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	/* It is gone before it answers: just as good */
	EXPECT_EQ(0, control_poweroff(&p->c, &p->err));
	/* For others it is an error. */
	EXPECT_EQ(-EPIPE, CALL(control_kmsg));
	expect_in(_metadata, "the guest has ended", p->err.text);
	expect_in(_metadata, "kernel's log", p->err.text);
}

/* The host is gone: nothing is left running. */
TEST_F(agent, hang_up)
{
	struct peer *p = self->p;
	char log[256];
	pid_t pid;
	int status;

	/* The orphan becomes ours, so that its end can be seen. */
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	ASSERT_EQ(0, SPAWN("one", 1, WIRE_WORK_SPIN));
	pid = p->reply.pids[0];
	shutdown(p->fd, SHUT_RDWR);
	EXPECT_EQ(1, WEXITSTATUS(agent_end(p, log, sizeof(log))));
	expect_in(_metadata, "closed the connection", log);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
}

/* A frame to be damaged and sent by hand */
static size_t raw_frame(u8 *buf, size_t size, u32 type, u32 seq)
{
	struct wire_writer w;

	wire_begin(&w, buf, size, type, seq);
	wire_put_str(&w, "/tmp");
	return wire_end(&w);
}

/* Byte by byte is as good as at once. */
TEST_F(agent, slow_request)
{
	struct peer *p = self->p;
	struct wire_writer w;
	u8 buf[256];
	size_t len, i;

	wire_begin(&w, buf, sizeof(buf), WIRE_MKDIR, 1);
	wire_put_str(&w, p->dir);
	len = wire_end(&w);
	for (i = 0; i < len; i++)
		ASSERT_TRUE(send_all(p->fd, buf + i, 1));
	p->c.seq = 1;
	/* The answer to that is no news for this call, but shows that it came. */
	EXPECT_EQ(-EEXIST, control_mkdir(&p->c, p->dir, &p->err));
	EXPECT_EQ(2, p->c.seq);
}

FIXTURE(bad_frame) {
	struct peer *p;
};

FIXTURE_VARIANT(bad_frame) {
	unsigned int offset;
	u8 flip;
	const char *said;
};

FIXTURE_VARIANT_ADD(bad_frame, magic) {
	.offset = 0, .flip = 1, .said = "bad magic",
};

FIXTURE_VARIANT_ADD(bad_frame, version) {
	.offset = 4, .flip = 2, .said = "bad version",
};

FIXTURE_VARIANT_ADD(bad_frame, length) {
	.offset = 15, .flip = 0x80, .said = "bad length",
};

FIXTURE_VARIANT_ADD(bad_frame, crc) {
	.offset = 16, .flip = 1, .said = "bad CRC",
};

FIXTURE_VARIANT_ADD(bad_frame, payload) {
	.offset = 24, .flip = 1, .said = "bad CRC",
};

FIXTURE_SETUP(bad_frame)
{
	self->p = calloc(1, sizeof(*self->p));
	ASSERT_NE(NULL, self->p);
	ASSERT_TRUE(agent_start(self->p));
	ASSERT_EQ(0, control_wait_hello(&self->p->c, PATIENCE_NS, &self->p->err));
}

FIXTURE_TEARDOWN(bad_frame)
{
	agent_stop(self->p);
	free(self->p);
}

TEST_F(bad_frame, ends_the_agent)
{
	struct peer *p = self->p;
	char log[256];
	u8 buf[256];
	size_t len;
	int status;

	len = raw_frame(buf, sizeof(buf), WIRE_RMDIR, 1);
	buf[variant->offset] ^= variant->flip;
	ASSERT_TRUE(send_all(p->fd, buf, len));
	status = agent_end(p, log, sizeof(log));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(1, WEXITSTATUS(status));
	expect_in(_metadata, variant->said, log);
	EXPECT_EQ(-EPIPE, CALL(control_kmsg));
}

/* Well-formed frames with nonsense in them are answered, all but one. */
TEST_F(agent, nonsense)
{
	struct peer *p = self->p;
	struct wire_receiver *rx = calloc(1, sizeof(*rx));
	const u8 *pos;
	struct wire_frame frame;
	struct wire_reader r;
	u8 buf[4096];
	size_t len;
	u32 type;
	ssize_t n;
	char log[256];

	ASSERT_NE(NULL, rx);
	for (type = 0; type < 300; type++) {
		/* A path is what these expect, and the end without a payload. */
		if (type == WIRE_MKDIR || type == WIRE_RMDIR ||
		    type == WIRE_POWEROFF || type == WIRE_KMSG)
			continue;
		len = raw_frame(buf, sizeof(buf), type, 1000 + type);
		ASSERT_TRUE(send_all(p->fd, buf, len));
		n = peer_recv(p, buf, sizeof(buf), PATIENCE_NS);
		ASSERT_LT(0, n) TH_LOG("type %u", type);
		pos = buf;
		len = n;
		ASSERT_EQ(WIRE_OK, wire_receive(rx, &pos, &len, &frame));
		EXPECT_EQ(WIRE_DONE, frame.type);
		EXPECT_EQ(1000 + type, frame.seq);
		wire_read(&r, &frame);
		EXPECT_EQ(type > 0 && type < WIRE_POWEROFF ? EBADMSG : EOPNOTSUPP,
			  wire_get_u32(&r)) TH_LOG("type %u", type);
	}
	free(rx);

	len = raw_frame(buf, sizeof(buf), WIRE_READ, 0);
	ASSERT_TRUE(send_all(p->fd, buf, len));
	EXPECT_EQ(1, WEXITSTATUS(agent_end(p, log, sizeof(log))));
	expect_in(_metadata, "no sequence number", log);
}

/* Now the other way round: control.h and a guest that misbehaves */
FIXTURE(guest) {
	struct peer *p;
};

FIXTURE_SETUP(guest)
{
	self->p = calloc(1, sizeof(*self->p));
	ASSERT_NE(NULL, self->p);
	ASSERT_TRUE(peer_open(self->p));
}

FIXTURE_TEARDOWN(guest)
{
	close(self->p->fd);
	close(self->p->other_fd);
	control_reply_free(&self->p->reply);
	control_destroy(&self->p->c);
	free(self->p);
}

static bool guest_says(struct peer *p, struct wire_writer *w)
{
	size_t len = wire_end(w);

	return len && send_all(p->other_fd, w->buf, len);
}

TEST_F(guest, is_silent)
{
	struct peer *p = self->p;
	u64 before = clock_ns();

	EXPECT_EQ(-ETIMEDOUT, control_wait_hello(&p->c, 100 * MSEC, &p->err));
	EXPECT_TRUE(p->c.silent);
	expect_in(_metadata, "wait 0.1 s for the guest's agent", p->err.text);
	expect_in(_metadata, "ETIMEDOUT", p->err.text);
	p->c.silent = false;
	p->c.timeout_ns = 100 * MSEC;
	EXPECT_EQ(-ETIMEDOUT, control_mkdir(&p->c, "/x", &p->err));
	EXPECT_TRUE(p->c.silent);
	expect_in(_metadata, "make directory /x", p->err.text);
	EXPECT_EQ(-ETIMEDOUT, CALL(control_program_wait, "x", 100 * MSEC));
	EXPECT_EQ(false, p->reply.done);
	EXPECT_LE(200 * MSEC, clock_ns() - before);
	EXPECT_GT(PATIENCE_NS, clock_ns() - before);
}

TEST_F(guest, ends)
{
	struct peer *p = self->p;

	shutdown(p->other_fd, SHUT_RDWR);
	EXPECT_EQ(-EPIPE, control_wait_hello(&p->c, SEC, &p->err));
	expect_in(_metadata, "the guest has ended", p->err.text);
	EXPECT_EQ(-EPIPE, control_write(&p->c, "/x", "y", &p->err));
	expect_in(_metadata, "write /x", p->err.text);
}

TEST_F(guest, writes_garbage)
{
	static const char text[] = "Kernel panic - not syncing: what";
	struct peer *p = self->p;

	ASSERT_TRUE(send_all(p->other_fd, text, sizeof(text)));
	EXPECT_EQ(-EPROTO, control_wait_hello(&p->c, SEC, &p->err));
	expect_in(_metadata, "bad magic", p->err.text);
	EXPECT_EQ(-EPROTO, CALL(control_kmsg));
}

/* An answer that comes too late is not taken for the next one. */
TEST_F(guest, answers_late)
{
	struct peer *p = self->p;
	struct wire_writer w;
	u8 buf[256];

	p->c.timeout_ns = 100 * MSEC;
	EXPECT_EQ(-ETIMEDOUT, control_mkdir(&p->c, "/a", &p->err));
	p->c.timeout_ns = PATIENCE_NS;
	wire_begin(&w, buf, sizeof(buf), WIRE_DONE, 1);
	wire_put_u32(&w, EEXIST);
	wire_put_str(&w, "first");
	ASSERT_TRUE(guest_says(p, &w));
	wire_begin(&w, buf, sizeof(buf), WIRE_DONE, 2);
	wire_put_u32(&w, EROFS);
	wire_put_str(&w, "second");
	ASSERT_TRUE(guest_says(p, &w));
	EXPECT_EQ(-EROFS, control_mkdir(&p->c, "/b", &p->err));
	expect_in(_metadata, "second", p->err.text);
}

TEST_F(guest, never_stops_talking)
{
	struct peer *p = self->p;
	struct wire_writer w;
	u64 before = clock_ns();
	u8 buf[256];
	pid_t pid;

	wire_begin(&w, buf, sizeof(buf), WIRE_HELLO, 0);
	wire_put_hello(&w, &(struct wire_hello) { .release = "x" });
	pid = fork();
	if (!pid) {
		close(p->fd);
		while (guest_says(p, &w))
			;
		_exit(0);
	}
	p->c.timeout_ns = 100 * MSEC;
	EXPECT_EQ(-ETIMEDOUT, control_mkdir(&p->c, "/a", &p->err));
	EXPECT_GT(PATIENCE_NS, clock_ns() - before);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Each type with a payload that is too short, too long, or of another type */
TEST_F(guest, sends_malformed_answers)
{
	struct peer *p = self->p;
	struct wire_writer w;
	u32 type, bytes;
	u8 buf[256];

	for (type = WIRE_DONE; type <= WIRE_REASON + 1; type++) {
		for (bytes = 0; bytes <= 3; bytes++) {
			wire_begin(&w, buf, sizeof(buf), type, p->c.seq + 1);
			w.len += bytes;
			memset(buf + WIRE_HEADER_SIZE, 0xff, bytes);
			ASSERT_TRUE(guest_says(p, &w));
			EXPECT_EQ(-EPROTO, CALL(control_kmsg)) TH_LOG("type %u", type);
		}
	}
	/* Too many workers, and an errno that is none */
	wire_begin(&w, buf, sizeof(buf), WIRE_PIDS, p->c.seq + 1);
	wire_put_u32(&w, 0x40000000);
	ASSERT_TRUE(guest_says(p, &w));
	EXPECT_EQ(-EPROTO, CALL(control_kmsg));
	wire_begin(&w, buf, sizeof(buf), WIRE_DONE, p->c.seq + 1);
	wire_put_u32(&w, 0x80000000);
	wire_put_str(&w, "");
	ASSERT_TRUE(guest_says(p, &w));
	EXPECT_EQ(-EPROTO, CALL(control_kmsg));
	/* An answer to a question that was not asked, and an unknown event */
	wire_begin(&w, buf, sizeof(buf), WIRE_DONE, p->c.seq + 100);
	ASSERT_TRUE(guest_says(p, &w));
	EXPECT_EQ(-EPROTO, CALL(control_kmsg));
	wire_begin(&w, buf, sizeof(buf), WIRE_DONE, 0);
	ASSERT_TRUE(guest_says(p, &w));
	EXPECT_EQ(-EPROTO, CALL(control_kmsg));
}

/* A request that does not fit is not sent. */
TEST_F(guest, is_asked_too_much)
{
	struct peer *p = self->p;
	char *text = malloc(WIRE_MAX_PAYLOAD);

	ASSERT_NE(NULL, text);
	memset(text, 'x', WIRE_MAX_PAYLOAD - 1);
	text[WIRE_MAX_PAYLOAD - 1] = '\0';
	EXPECT_EQ(-E2BIG, control_write(&p->c, "/x", text, &p->err));
	EXPECT_EQ(ERRMSG_INPUT, p->err.kind);
	EXPECT_EQ(-1, recv(p->other_fd, text, 1, MSG_DONTWAIT));
	free(text);
}

TEST_HARNESS_MAIN
