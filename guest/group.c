// SPDX-License-Identifier: GPL-2.0
/*
 * Groups of workers: made, started, changed, stopped and reported, each for
 * itself. WIRE_START and WIRE_STOP take time; one of them is answered at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/list.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/kernel.h>

#include "agent.h"
#include "attr.h"
#include "clock.h"
#include "place.h"
#include "worker.h"

/* How often workers are told that it is the end, at first */
#define SIGNAL_NS	(10 * NSEC_PER_MSEC)

/* Shared with the workers of a group */
struct shared {
	struct worker_run run;
	struct worker workers[];
};

/**
 * struct group - a group of workers
 * @list: in groups, in the order in which they were spawned
 * @name: of the group
 * @count: workers
 * @reaped: of these
 * @procs: their processes
 * @shared: their memory
 * @size: bytes at @shared
 * @started: WIRE_START was done
 * @picked: what is pending is about this group
 * @next_signal: when those that have not noticed the end are woken up next
 * @signal_ns: how long after the last time that was
 */
struct group {
	struct list_head list;
	char name[WIRE_MAX_NAME];
	u32 count;
	u32 reaped;
	struct proc {
		pid_t pid;
		bool reaped;
	} *procs;
	struct shared *shared;
	size_t size;
	bool started;
	bool picked;
	u64 next_signal;
	u64 signal_ns;
};

static LIST_HEAD(groups);
static u32 nr_groups;
static u32 nr_workers;

/* What is pending */
static enum {
	IDLE,
	READYING,		/* WIRE_START, until all workers wait */
	STOPPING,		/* WIRE_STOP, until all workers have ended */
	REPORTED,		/* the scheduler's leaving has to be told first */
} phase;

static u32 op_seq;
static u64 limit;		/* of READYING and STOPPING */
static u64 grace;		/* of STOPPING, after the end */
static u64 duration;		/* of those that are READYING */

static u64 deadline_of(const struct group *g)
{
	return g->shared->run.deadline_ns;
}

static struct group *find(const char *name)
{
	struct group *g;

	list_for_each_entry(g, &groups, list)
		if (!strcmp(g->name, name))
			return g;
	return NULL;
}

static void kill_group(const struct group *g)
{
	u32 i;

	for (i = 0; i < g->count; i++)
		if (g->procs[i].pid && !g->procs[i].reaped)
			kill(g->procs[i].pid, SIGKILL);
}

/* What stuck workers hold on to is left to them; they die when they get to run. */
static void remove_group(struct group *g)
{
	kill_group(g);
	list_del(&g->list);
	nr_groups--;
	nr_workers -= g->count;
	munmap(g->shared, g->size);
	free(g->procs);
	free(g);
}

static struct group *add_group(const struct wire_spawn *spawn)
{
	struct group *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	snprintf(g->name, sizeof(g->name), "%s", spawn->name);
	g->count = spawn->count;
	g->size = sizeof(struct shared) + spawn->count * sizeof(struct worker);
	g->procs = calloc(g->count, sizeof(*g->procs));
	if (!g->procs)
		goto free_group;
	/* Only what workers touch takes memory. */
	g->shared = mmap(NULL, g->size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (g->shared == MAP_FAILED)
		goto free_procs;
	g->shared->run.unready = g->count;
	list_add_tail(&g->list, &groups);
	nr_groups++;
	nr_workers += g->count;
	return g;

free_procs:
	free(g->procs);
free_group:
	free(g);
	return NULL;
}

/* Close everything but the pipes, which are in ascending order. */
static void close_others(const int *pipes)
{
	unsigned int from = 3;
	int i;

	for (i = 0; i < 4 && pipes[0] >= 0; i++) {
		if (pipes[i] > (int)from)
			close_range(from, pipes[i] - 1, 0);
		from = pipes[i] + 1;
	}
	close_range(from, ~0U, 0);
}

static void become_worker(const struct worker_job *job)
{
	/* Where the agent is not PID 1, its workers must not outlive it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close_others(job->pipes);
	worker_main(job);
}

static void close_pipes(int *pipes)
{
	int i;

	for (i = 0; i < 4; i++)
		if (pipes[i] >= 0)
			close(pipes[i]);
	memset(pipes, 0xff, 4 * sizeof(*pipes));
}

static int open_pipes(int *pipes)
{
	close_pipes(pipes);
	if (pipe2(pipes, O_CLOEXEC) || pipe2(pipes + 2, O_CLOEXEC))
		return -errno;
	return 0;
}

/* Workers of a team follow each other, so that one pair of pipes is open at a time. */
static int fork_workers(struct group *g, const struct wire_spawn *spawn, int cgroup_fd)
{
	u32 type = spawn->phases[0].work;
	u32 team = wire_work_team(type, spawn->phases[0].team, spawn->count);
	struct worker_job job = {
		.spawn = spawn,
		.run = &g->shared->run,
		.workers = g->shared->workers,
		.agent = getpid(),
		.pipes = { -1, -1, -1, -1 },
	};
	int ret = 0;
	pid_t pid;

	for (; job.index < g->count && !ret; job.index++) {
		if (worker_needs_pipes(type) && job.index % team == 0)
			ret = open_pipes(job.pipes);
		if (ret)
			break;
		pid = fork_into(cgroup_fd);
		if (!pid)
			become_worker(&job);
		if (pid < 0)
			ret = -errno;
		else
			g->procs[job.index].pid = pid;
	}
	close_pipes(job.pipes);
	return ret;
}

static void send_pids(u32 seq, const struct group *g)
{
	struct wire_writer *w = out_begin(WIRE_PIDS, seq);
	u32 i;

	wire_put_u32(w, g->count);
	for (i = 0; i < g->count; i++)
		wire_put_u32(w, g->procs[i].pid);
	out_end();
}

/* What is wrong with a group, or NULL */
static const char *check_phases(const struct wire_spawn *spawn)
{
	const struct wire_phase *phase;
	u32 i, team;

	if (!spawn->nr_phases)
		return "no work";
	for (i = 0; i < spawn->nr_phases; i++) {
		phase = &spawn->phases[i];
		if (!wire_work_name(phase->work))
			return "an unknown type of work";
		team = wire_work_team(phase->work, phase->team, spawn->count);
		if (!team)
			return "a count that does not make up its teams";
		if (spawn->nr_phases > 1 && team > 1)
			return "work in a team as one phase of several";
		if (spawn->nr_phases > 1 && !phase->phase_ns)
			return "a phase that takes no time";
		if (phase->run_ns > NEVER / 4 || phase->sleep_ns > NEVER / 4)
			return "a time that is too long";
	}
	return NULL;
}

static const char *check_spawn(const struct wire_spawn *spawn)
{
	u32 i;

	if (!*spawn->name || strlen(spawn->name) >= WIRE_MAX_NAME)
		return "a name that is empty or too long";
	if (!spawn->count)
		return "no workers";
	if (!attr_valid(&spawn->attr))
		return "a policy, nice value or priority that does not exist";
	if (spawn->mem_mode && !spawn->mem_nodes)
		return "a memory policy without nodes";
	for (i = 0; i < spawn->nr_cpus; i++)
		if (!attr_cpus_valid(spawn->cpus[i]))
			return "a CPU list that is empty or malformed";
	return check_phases(spawn);
}

static void spawn_request(const struct wire_frame *frame)
{
	static const char *cpus[WIRE_MAX_WORKERS];
	struct wire_spawn spawn;
	struct wire_reader r;
	const char *wrong;
	struct group *g;
	int cgroup_fd, ret;

	wire_read(&r, frame);
	wire_get_spawn(&r, &spawn, cpus);
	if (!wire_read_done(&r)) {
		out_done(frame->seq, EBADMSG, "malformed request for workers");
		return;
	}
	wrong = check_spawn(&spawn);
	if (wrong) {
		out_done(frame->seq, EINVAL, "group \"%s\" has %s", spawn.name, wrong);
		return;
	}
	if (find(spawn.name)) {
		out_done(frame->seq, EEXIST, "there is a group \"%s\" already", spawn.name);
		return;
	}
	if (nr_groups == WIRE_MAX_GROUPS || spawn.count > WIRE_MAX_WORKERS - nr_workers) {
		out_done(frame->seq, ENOSPC, "more than %d groups or %d workers",
			 WIRE_MAX_GROUPS, WIRE_MAX_WORKERS);
		return;
	}
	ret = cgroup_open(spawn.cgroup, &cgroup_fd);
	if (ret) {
		out_done(frame->seq, -ret, "open cgroup %s", spawn.cgroup);
		return;
	}

	place_read();
	g = add_group(&spawn);
	ret = g ? fork_workers(g, &spawn, cgroup_fd) : -ENOMEM;
	if (cgroup_fd >= 0)
		close(cgroup_fd);
	if (!ret)
		send_pids(frame->seq, g);
	else if (g)
		remove_group(g);
	out_done(frame->seq, -ret, "fork %u workers into cgroup \"%s\"", spawn.count,
		 spawn.cgroup);
}

/* Pick groups by name, or all; those that run only if @started; 0 or an errno. */
static int pick(u32 n, const char *const *names, bool started, const char **wrong)
{
	struct group *g;
	u32 i, picked = 0;

	list_for_each_entry(g, &groups, list) {
		g->picked = !n && (!g->started || started);
		picked += g->picked;
	}
	for (i = 0; i < n; i++) {
		*wrong = names[i];
		g = find(names[i]);
		if (!g)
			return -ESRCH;
		if (g->started && !started)
			return -EALREADY;
		g->picked = true;
	}
	*wrong = "";
	return n || picked ? 0 : -ESRCH;
}

static void op_request(const struct wire_frame *frame)
{
	static const char *names[WIRE_MAX_GROUPS];
	bool stops = frame->type == WIRE_STOP;
	const char *wrong;
	struct wire_reader r;
	u64 first_ns, second_ns, now = clock_ns();
	int errnum;
	u32 n;

	wire_read(&r, frame);
	first_ns = wire_get_u64(&r);
	second_ns = wire_get_u64(&r);
	n = wire_get_strs(&r, names, WIRE_MAX_GROUPS);
	if (!wire_read_done(&r)) {
		out_done(frame->seq, EBADMSG, "malformed request to start or stop workers");
		return;
	}
	if (phase != IDLE) {
		out_done(frame->seq, EBUSY, "groups are just being started or stopped");
		return;
	}
	errnum = -pick(n, names, stops, &wrong);
	if (errnum) {
		out_done(frame->seq, errnum, "%s%s",
			 errnum == EALREADY ? "this group runs: " :
			 n ? "there is no group of the name " : "there are no workers", wrong);
		return;
	}
	op_seq = frame->seq;
	if (stops) {
		limit = clock_add(now, first_ns);
		grace = second_ns;
		phase = STOPPING;
		return;
	}
	duration = first_ns;
	limit = clock_add(now, second_ns);
	phase = READYING;
}

static int move_task(pid_t pid, const char *cgroup)
{
	char path[WIRE_MAX_PATH + 16];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (dprintf(fd, "%d", pid) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* Change all workers of a group, or one of them. */
static void change_request(const struct wire_frame *frame)
{
	static const char *cpus[WIRE_MAX_WORKERS];
	struct wire_attr attr = { };
	const char *name, *cgroup = "";
	u32 index = WIRE_ALL, n = 0, i;
	struct wire_reader r;
	struct group *g;
	bool bad = false;
	int ret = 0;

	wire_read(&r, frame);
	name = wire_get_str(&r);
	if (frame->type == WIRE_MOVE) {
		index = wire_get_u32(&r);
		cgroup = wire_get_str(&r);
	} else if (frame->type == WIRE_AFFINITY) {
		n = wire_get_strs(&r, cpus, WIRE_MAX_WORKERS);
		for (i = 0; i < n; i++)
			bad |= !attr_cpus_valid(cpus[i]);
		bad |= !n;
	} else {
		wire_get_attr(&r, &attr);
		bad = !attr_valid(&attr);
	}
	if (!wire_read_done(&r)) {
		out_done(frame->seq, EBADMSG, "malformed request to change workers");
		return;
	}
	g = find(name);
	if (!g || (index != WIRE_ALL && index >= g->count)) {
		out_done(frame->seq, ESRCH, "there is no group \"%s\", or no such worker",
			 name);
		return;
	}
	if (bad) {
		out_done(frame->seq, EINVAL, "a malformed CPU list or policy for group \"%s\"",
			 name);
		return;
	}
	for (i = 0; i < g->count && !ret; i++) {
		if (g->procs[i].reaped || (index != WIRE_ALL && index != i))
			continue;
		if (frame->type == WIRE_MOVE)
			ret = move_task(g->procs[i].pid, cgroup);
		else if (frame->type == WIRE_AFFINITY)
			ret = attr_set_cpus(g->procs[i].pid, cpus[i % n]);
		else
			ret = attr_set(g->procs[i].pid, &attr);
		/* It has ended, and is not reaped yet. */
		if (ret == -ESRCH)
			ret = 0;
	}
	out_done(frame->seq, -ret, "worker %u of group \"%s\"%s%s", i - 1, name,
		 *cgroup ? " to " : "", cgroup);
}

void group_request(const struct wire_frame *frame)
{
	switch (frame->type) {
	case WIRE_SPAWN:
		spawn_request(frame);
		break;
	case WIRE_START:
	case WIRE_STOP:
		op_request(frame);
		break;
	default:
		change_request(frame);
	}
}

bool group_reaped(pid_t pid)
{
	struct group *g;
	u32 i;

	list_for_each_entry(g, &groups, list) {
		for (i = 0; i < g->count; i++) {
			if (g->procs[i].pid != pid || g->procs[i].reaped)
				continue;
			g->procs[i].reaped = true;
			g->reaped++;
			if (!__atomic_load_n(&g->shared->workers[i].ready, __ATOMIC_ACQUIRE))
				__atomic_sub_fetch(&g->shared->run.unready, 1, __ATOMIC_ACQ_REL);
			return true;
		}
	}
	return false;
}

void group_kill(void)
{
	struct group *g;

	list_for_each_entry(g, &groups, list)
		kill_group(g);
}

void group_end(void)
{
	struct group *g, *next;

	if (phase != IDLE)
		out_done(op_seq, ECANCELED, "start or stop workers");
	phase = IDLE;
	list_for_each_entry_safe(g, next, &groups, list)
		remove_group(g);
}

static void read_steal(struct steal_snapshot *steal)
{
	int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);

	steal_read(fd, steal);
	if (fd >= 0)
		close(fd);
}

/* Is every worker ready, or one unable to be? Then @failed and @which are set. */
static bool all_ready(struct group **failed, u32 *which)
{
	const struct worker *w;
	struct group *g;
	bool all = true;
	u32 i;

	list_for_each_entry(g, &groups, list) {
		for (i = 0; i < g->count && g->picked; i++) {
			w = &g->shared->workers[i];
			if (__atomic_load_n(&w->errnum, __ATOMIC_ACQUIRE)) {
				*failed = g;
				*which = i;
				return true;
			}
			if (!__atomic_load_n(&w->ready, __ATOMIC_ACQUIRE) &&
			    !g->procs[i].reaped)
				all = false;
		}
	}
	return all;
}

static void start_group(struct group *g, const struct steal_snapshot *steal, u64 now)
{
	struct worker_run *run = &g->shared->run;

	run->steal = *steal;
	run->start_ns = now;
	run->deadline_ns = clock_add(now, duration);
	__atomic_store_n(&run->go, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &run->go, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	g->started = true;
	g->next_signal = clock_add(run->deadline_ns, SIGNAL_NS);
	g->signal_ns = SIGNAL_NS;
}

static void start(void)
{
	static struct steal_snapshot steal;
	struct group *g;
	u64 now;

	memset(&steal, 0, sizeof(steal));
	read_steal(&steal);
	now = clock_ns();
	steal.at_ns = now;
	list_for_each_entry(g, &groups, list)
		if (g->picked)
			start_group(g, &steal, now);
	wire_put_u64(out_begin(WIRE_STARTED, op_seq), now);
	out_end();
	out_done(op_seq, 0, "ok");
	phase = IDLE;
}

static void cannot_start(const struct group *g, u32 i)
{
	/* A copy: who knows what it writes. */
	struct worker *w = &g->shared->workers[i];
	char error[sizeof(w->error)];

	memcpy(error, w->error, sizeof(error));
	error[sizeof(error) - 1] = '\0';
	out_done(op_seq, w->errnum, "worker %u of group \"%s\": %s", i, g->name, error);
	phase = IDLE;
}

static u64 tick_readying(u64 now)
{
	struct group *failed = NULL;
	u32 which = 0;

	if (!all_ready(&failed, &which) && now < limit)
		return limit;
	if (failed)
		cannot_start(failed, which);
	else
		start();
	return NEVER;
}

static void report(const struct group *g, u32 i, const struct steal_snapshot *steal)
{
	/* A copy: the worker may go on at any time. */
	static struct worker w;
	bool done = __atomic_load_n(&g->shared->workers[i].done, __ATOMIC_ACQUIRE);

	w = g->shared->workers[i];
	if (!done) {
		w.report.flags |= g->procs[i].reaped ? WIRE_REPORT_DIED :
						       WIRE_REPORT_NOT_STOPPED;
		meter_finish_stuck(&g->shared->run, &w, g->procs[i].pid, steal);
	}
	w.report.group = g->name;
	w.report.index = i;
	w.report.pid = g->procs[i].pid;
	wire_put_report(out_begin(WIRE_REPORT, op_seq), &w.report);
	out_end();
}

static void finish(void)
{
	static struct steal_snapshot now;
	struct group *g, *next;
	u32 i;

	memset(&now, 0, sizeof(now));
	read_steal(&now);
	list_for_each_entry_safe(g, next, &groups, list) {
		if (!g->picked)
			continue;
		for (i = 0; i < g->count && g->started; i++)
			report(g, i, &now);
		remove_group(g);
	}
	phase = REPORTED;
}

/* When have all of these groups ended, at the latest? 0 if they have. */
static u64 end_of_groups(u64 now)
{
	struct group *g;
	u64 end = 0;

	list_for_each_entry(g, &groups, list) {
		if (!g->picked || !g->started || g->reaped == g->count)
			continue;
		if (deadline_of(g) > limit && now >= limit) {
			__atomic_store_n(&g->shared->run.deadline_ns, limit, __ATOMIC_RELAXED);
			g->next_signal = now;
		}
		end = max(end, clock_add(min(deadline_of(g), limit), grace));
	}
	return end;
}

static u64 tick_stopping(u64 now)
{
	u64 end = end_of_groups(now);

	if (now < end)
		return now < limit ? min(limit, end) : end;
	finish();
	return 0;
}

/* Those that block at the end, maybe for each other, only a signal lets go on. */
static u64 tick_signals(u64 now)
{
	u64 next = NEVER;
	struct group *g;
	u32 i;

	list_for_each_entry(g, &groups, list) {
		if (!g->started || g->reaped == g->count)
			continue;
		if (now >= g->next_signal) {
			for (i = 0; i < g->count; i++)
				if (!g->procs[i].reaped)
					kill(g->procs[i].pid, WORKER_SIGNAL);
			g->next_signal = now + g->signal_ns;
			g->signal_ns = min_t(u64, 2 * g->signal_ns, NSEC_PER_SEC);
		}
		next = min(next, g->next_signal);
	}
	return next;
}

u64 group_tick(u64 now)
{
	u64 next = NEVER;

	if (phase == READYING)
		next = tick_readying(now);
	if (phase == STOPPING)
		next = tick_stopping(now);
	if (phase == REPORTED) {
		if (sched_leaving())
			return now + 10 * NSEC_PER_MSEC;
		out_done(op_seq, 0, "ok");
		phase = IDLE;
		next = NEVER;
	}
	return min(next, tick_signals(now));
}
