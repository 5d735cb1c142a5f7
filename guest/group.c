// SPDX-License-Identifier: GPL-2.0
/*
 * WIRE_SPAWN and WIRE_GO: groups of workers, their common start, the end of
 * those that do not end by themselves, and the reports.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/kernel.h>

#include "agent.h"
#include "clock.h"
#include "worker.h"

#define MAX_GROUPS	256

/* Shared with the workers; a new one for each run, see finish() */
struct shared {
	struct worker_run run;
	struct worker workers[WIRE_MAX_WORKERS];
};

static struct shared *shared;

static struct {
	char name[WIRE_MAX_NAME];
	unsigned int first;		/* worker */
} groups[MAX_GROUPS];
static unsigned int nr_groups;

static struct {
	pid_t pid;
	bool reaped;
} procs[WIRE_MAX_WORKERS];
static unsigned int nr_workers;
static unsigned int nr_reaped;

static enum {
	IDLE,
	READYING,		/* until all workers wait for the start */
	WORKING,
	REPORTED,		/* the scheduler's leaving has to be told first */
} phase;

static u32 go_seq;
static u64 duration;
static u64 grace;
static u64 limit;		/* of READYING and WORKING */
static u64 next_look;		/* in READYING */

static pid_t fork_into(int cgroup_fd)
{
	/*
	 * In its cgroup from the start: moving a task afterwards waits for all
	 * CPUs. Otherwise this is fork(2).
	 */
	struct clone_args args = {
		.flags = cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0,
		.exit_signal = SIGCHLD,
		.cgroup = cgroup_fd >= 0 ? cgroup_fd : 0,
	};

	return syscall(SYS_clone3, &args, sizeof(args));
}

static void become_worker(struct worker *w, enum wire_work work)
{
	/* Where the agent is not PID 1, its workers must not outlive it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close_range(3, ~0U, 0);
	worker_main(&shared->run, w, work);
}

static int spawn_workers(u32 count, int cgroup_fd, enum wire_work work)
{
	unsigned int i;
	pid_t pid;

	for (i = 0; i < count; i++) {
		pid = fork_into(cgroup_fd);
		if (pid < 0)
			return -errno;
		if (!pid)
			become_worker(&shared->workers[nr_workers], work);
		procs[nr_workers].pid = pid;
		procs[nr_workers].reaped = false;
		nr_workers++;
	}
	return 0;
}

static void forget(void)
{
	if (shared)
		munmap(shared, sizeof(*shared));
	shared = NULL;
	nr_groups = 0;
	nr_workers = 0;
	nr_reaped = 0;
	phase = IDLE;
}

void group_kill(void)
{
	unsigned int i;

	for (i = 0; i < nr_workers; i++) {
		if (!procs[i].reaped)
			kill(procs[i].pid, SIGKILL);
	}
}

static int spawn_group(const char *name, int cgroup_fd, u32 count,
		       enum wire_work work)
{
	unsigned int i, first = nr_workers;
	int ret;

	if (!shared) {
		/* Only what workers touch takes memory. */
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (shared == MAP_FAILED) {
			shared = NULL;
			return -errno;
		}
	}
	ret = spawn_workers(count, cgroup_fd, work);
	if (ret) {
		/* They wait for the start, and die before they reach it. */
		for (i = first; i < nr_workers; i++)
			kill(procs[i].pid, SIGKILL);
		nr_workers = first;
		return ret;
	}
	memcpy(groups[nr_groups].name, name, strlen(name) + 1);
	groups[nr_groups].first = first;
	nr_groups++;
	return 0;
}

static void send_pids(u32 seq, u32 count)
{
	struct wire_writer *w = out_begin(WIRE_PIDS, seq);
	unsigned int i;

	wire_put_u32(w, count);
	for (i = nr_workers - count; i < nr_workers; i++)
		wire_put_u32(w, procs[i].pid);
	out_end();
}

static void spawn_request(const struct wire_frame *frame)
{
	const char *name, *cgroup;
	int cgroup_fd = -1, ret;
	struct wire_reader r;
	u32 count, work;

	wire_read(&r, frame);
	name = wire_get_str(&r);
	cgroup = wire_get_str(&r);
	count = wire_get_u32(&r);
	work = wire_get_u32(&r);
	if (!wire_read_done(&r) || strlen(name) >= WIRE_MAX_NAME || !count ||
	    work >= WIRE_NR_WORK) {
		out_done(frame->seq, EBADMSG, "malformed request for workers");
		return;
	}
	if (phase != IDLE) {
		out_done(frame->seq, EBUSY, "workers are running");
		return;
	}
	if (nr_groups == MAX_GROUPS || count > WIRE_MAX_WORKERS - nr_workers) {
		out_done(frame->seq, ENOSPC, "more than %d groups or %d workers",
			 MAX_GROUPS, WIRE_MAX_WORKERS);
		return;
	}

	if (*cgroup) {
		cgroup_fd = open(cgroup, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (cgroup_fd < 0) {
			out_done(frame->seq, errno, "open cgroup %s", cgroup);
			return;
		}
	}
	ret = spawn_group(name, cgroup_fd, count, work);
	if (cgroup_fd >= 0)
		close(cgroup_fd);
	if (!ret)
		send_pids(frame->seq, count);
	out_done(frame->seq, -ret, "fork %u workers into cgroup \"%s\"", count,
		 cgroup);
}

static void go_request(const struct wire_frame *frame)
{
	struct wire_reader r;
	u64 duration_ns, grace_ns;

	wire_read(&r, frame);
	duration_ns = wire_get_u64(&r);
	grace_ns = wire_get_u64(&r);
	if (!wire_read_done(&r)) {
		out_done(frame->seq, EBADMSG, "malformed request to start workers");
		return;
	}
	if (phase != IDLE || !nr_workers) {
		out_done(frame->seq, nr_workers ? EBUSY : ESRCH,
			 nr_workers ? "workers are running" : "there are no workers");
		return;
	}
	go_seq = frame->seq;
	duration = duration_ns;
	grace = grace_ns;
	limit = clock_ns() + grace_ns;
	next_look = 0;
	phase = READYING;
}

void group_request(const struct wire_frame *frame)
{
	if (frame->type == WIRE_SPAWN)
		spawn_request(frame);
	else
		go_request(frame);
}

bool group_reaped(pid_t pid)
{
	unsigned int i;

	for (i = 0; i < nr_workers; i++) {
		if (procs[i].pid == pid && !procs[i].reaped) {
			procs[i].reaped = true;
			nr_reaped++;
			return true;
		}
	}
	return false;
}

static bool all_ready(void)
{
	unsigned int i;

	for (i = 0; i < nr_workers; i++) {
		if (!__atomic_load_n(&shared->workers[i].ready, __ATOMIC_ACQUIRE) &&
		    !procs[i].reaped)
			return false;
	}
	return true;
}

static void read_steal(struct steal_snapshot *steal)
{
	int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);

	steal_read(fd, steal);
	if (fd >= 0)
		close(fd);
}

static void start(void)
{
	struct worker_run *run = &shared->run;

	read_steal(&run->steal);
	run->start_ns = clock_ns();
	run->steal.at_ns = run->start_ns;
	run->deadline_ns = run->start_ns + duration;
	limit = run->deadline_ns + grace;
	phase = WORKING;
	__atomic_store_n(&run->go, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &run->go, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void report(unsigned int group, unsigned int i,
		   const struct steal_snapshot *steal)
{
	/* A copy: the worker may go on at any time. */
	static struct worker w;
	bool done = __atomic_load_n(&shared->workers[i].done, __ATOMIC_ACQUIRE);

	w = shared->workers[i];
	if (!done) {
		w.report.flags |= procs[i].reaped ? WIRE_REPORT_DIED :
						    WIRE_REPORT_NOT_STOPPED;
		worker_finish_stuck(&shared->run, &w, procs[i].pid, steal);
	}
	w.report.group = groups[group].name;
	w.report.index = i - groups[group].first;
	w.report.pid = procs[i].pid;
	wire_put_report(out_begin(WIRE_REPORT, go_seq), &w.report);
	out_end();
}

/*
 * What stuck workers hold on to is left to them: the next run has memory of its
 * own, and they die when they get to run.
 */
static void finish(void)
{
	struct steal_snapshot steal = shared->run.steal;
	unsigned int group = 0, i;

	read_steal(&steal);
	for (i = 0; i < nr_workers; i++) {
		while (group + 1 < nr_groups && groups[group + 1].first <= i)
			group++;
		report(group, i, &steal);
	}
	group_kill();
	forget();
	phase = REPORTED;
}

u64 group_tick(u64 now)
{
	switch (phase) {
	case IDLE:
		return NEVER;
	case READYING:
		if (now < limit && now < next_look)
			return next_look;
		if (now < limit && !all_ready()) {
			next_look = now + NSEC_PER_MSEC;
			return next_look;
		}
		start();
		return limit;
	case WORKING:
		if (nr_reaped < nr_workers && now < limit)
			return limit;
		finish();
		fallthrough;
	case REPORTED:
		if (sched_leaving())
			return now + 10 * NSEC_PER_MSEC;
		out_done(go_seq, 0, "ok");
		phase = IDLE;
	}
	return NEVER;
}
