// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/kernel.h>

#include "agent.h"
#include "clock.h"
#include "meter.h"
#include "place.h"
#include "worker.h"

/* Gaps below this are not examined; a tick at HZ=1000 is as long. */
#define GAP_MIN_NS	NSEC_PER_MSEC

/* In shorter ones, steal is too coarse to be seen. */
#define STEAL_MIN_NS	(10 * NSEC_PER_MSEC)

/*
 * How old a snapshot of steal may get. Reading /proc/stat is slow: some 50 us
 * natively, more with many CPUs and interrupts.
 */
#define SNAPSHOT_NS	(100 * NSEC_PER_MSEC)

/* What a bare worker does between two readings of the clock: still well below 1 ms */
#define BARE_SKIPS	16

/*
 * One line per online CPU: "cpuN user nice system idle iowait irq softirq steal
 * guest guest_nice". The first line, for all CPUs, has no number. What follows
 * the CPUs is not needed.
 */
static void parse_stat(const char *p, u32 *ticks)
{
	unsigned long cpu, steal;
	char *end;
	int i;

	while ((p = strchr(p, '\n')) && !strncmp(p + 1, "cpu", 3)) {
		cpu = strtoul(p + 4, &end, 10);
		for (i = 0; i < 7; i++)
			strtoul(end, &end, 10);
		steal = strtoul(end, &end, 10);
		if (cpu < WIRE_MAX_CPUS)
			ticks[cpu] = steal;
		p = end;
	}
}

void steal_read(int fd, struct steal_snapshot *snap)
{
	/* A line has up to eleven numbers, mostly of ten digits at most. */
	static char buf[WIRE_MAX_CPUS * 112];
	ssize_t n;

	snap->at_ns = clock_ns();
	n = pread(fd, buf, sizeof(buf) - 1, 0);
	if (n <= 0)
		return;
	buf[n] = '\0';
	parse_stat(buf, snap->ticks);
}

int schedstat_read(int fd, struct schedstat *stat)
{
	unsigned long long run_delay, timeslices;
	char buf[80];
	ssize_t n;

	n = pread(fd, buf, sizeof(buf) - 1, 0);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	if (sscanf(buf, "%*u %llu %llu", &run_delay, &timeslices) != 2)
		return -EINVAL;
	stat->run_delay_ns = run_delay;
	stat->timeslices = timeslices;
	return 0;
}

static u64 tick_ns(void)
{
	return NSEC_PER_SEC / sysconf(_SC_CLK_TCK);
}

static u64 steal_since(const struct steal_snapshot *then,
		       const struct steal_snapshot *now, u32 cpu)
{
	if (cpu >= WIRE_MAX_CPUS || now->ticks[cpu] <= then->ticks[cpu])
		return 0;
	return (now->ticks[cpu] - then->ticks[cpu]) * tick_ns();
}

/* What the host took of the CPUs that a worker was seen on: the mean */
static u64 mean_steal(const struct wire_report *r, const struct steal_snapshot *then,
		      const struct steal_snapshot *now)
{
	u64 sum = 0, cpus = 0;
	u32 cpu;

	for (cpu = 0; cpu < WIRE_MAX_CPUS; cpu++) {
		if (!(r->cpus[cpu / 64] >> cpu % 64 & 1))
			continue;
		sum += steal_since(then, now, cpu);
		cpus++;
	}
	return cpus ? sum / cpus : 0;
}

/**
 * note_gap() - take a gap into account; see struct wire_gap for the reasons
 * @w: the worker
 * @gap: @raw_ns, @run_delay_ns, @at_ns, @cpu_before, @cpu_after
 * @steal: every CPU's steal after the gap
 *
 * Return: &wire_gap.sched_ns
 */
static u64 note_gap(struct worker *w, struct wire_gap gap,
		    const struct steal_snapshot *steal)
{
	struct wire_gap *worst = &w->report.gap;

	gap.steal_ns = steal_since(&w->steal, steal, gap.cpu_before);
	gap.steal_ns = max(gap.steal_ns, steal_since(&w->steal, steal, gap.cpu_after));
	gap.steal_ns = min(gap.steal_ns, gap.raw_ns);
	gap.sched_ns = gap.run_delay_ns - min(gap.run_delay_ns, gap.steal_ns);
	gap.window_ns = max(steal->at_ns - w->steal.at_ns, gap.raw_ns);
	if (gap.sched_ns > worst->sched_ns || !worst->raw_ns)
		*worst = gap;
	return gap.sched_ns;
}

/*
 * Returns whether the snapshot may be the next gap's baseline. If the worker
 * was kept from running while it read, that gap began before the reading, whose
 * numbers may already have the steal in them: then an older baseline is better.
 */
static bool look_at_steal(struct meter *m, struct steal_snapshot *now)
{
	u64 took;

	*now = m->w->steal;	/* CPUs that are offline now have no line */
	steal_read(m->stat_fd, now);
	took = clock_ns() - now->at_ns;
	m->read_ns = min(m->read_ns, took);
	return took - m->read_ns < GAP_MIN_NS;
}

/*
 * Schedstat is read for every gap, so that the next one is not charged with
 * this one's delay; the slower steal only if the gap can become the worst, or
 * can turn out to be none at all. Returns the scheduler's part of the gap.
 */
static u64 examine_gap(struct meter *m, struct wire_gap gap, bool woken)
{
	struct steal_snapshot steal;
	struct worker *w = m->w;
	u64 delay_before = w->sched_last.run_delay_ns, sched_ns;
	bool baseline;

	gap.run_delay_ns = gap.raw_ns;
	if (!schedstat_read(m->schedstat_fd, &w->sched_last))
		gap.run_delay_ns = min(gap.raw_ns, w->sched_last.run_delay_ns -
				       delay_before);
	if (w->report.gap.raw_ns && gap.run_delay_ns <= w->report.gap.sched_ns &&
	    !(woken && gap.run_delay_ns >= STEAL_MIN_NS))
		return gap.run_delay_ns;

	baseline = look_at_steal(m, &steal);
	sched_ns = note_gap(w, gap, &steal);
	if (baseline)
		w->steal = steal;
	return sched_ns;
}

static void refresh(struct meter *m)
{
	struct steal_snapshot steal;

	/* First, so that no delay while reading is left out of the next gap */
	schedstat_read(m->schedstat_fd, &m->w->sched_last);
	if (look_at_steal(m, &steal))
		m->w->steal = steal;
}

static void see_cpu(struct worker *w, u32 cpu)
{
	if (cpu >= WIRE_MAX_CPUS)
		return;
	if (cpu != w->last_cpu)
		w->report.migrations[place_distance(w->last_cpu, cpu)]++;
	w->report.cpus[cpu / 64] |= 1ULL << cpu % 64;
	w->report.on_node[place_node(cpu)]++;
	w->last_cpu = cpu;
}

/*
 * Nothing but @raw_ns has to be known. The time that the closer look takes is
 * part of the next piece of work, so that a gap in it is not overlooked.
 */
static u64 look(struct meter *m, u64 from_ns, u64 raw_ns, bool woken)
{
	struct worker *w = m->w;
	struct wire_gap gap = {
		.raw_ns = raw_ns,
		.at_ns = from_ns - min(from_ns, m->run->start_ns),
		.cpu_before = w->last_cpu,
		.cpu_after = sched_getcpu(),
	};
	bool examine = raw_ns >= GAP_MIN_NS;

	w->asleep = 0;
	see_cpu(w, gap.cpu_after);
	w->report.max_raw_gap_ns = max(w->report.max_raw_gap_ns, raw_ns);
	w->last_ns = m->now_ns;
	if (!examine && m->now_ns - w->steal.at_ns < SNAPSHOT_NS)
		return raw_ns;

	if (examine)
		raw_ns = examine_gap(m, gap, woken);
	else
		refresh(m);
	w->report.measure_ns += clock_ns() - m->now_ns;
	return raw_ns;
}

static u64 deadline(const struct meter *m)
{
	return __atomic_load_n(&m->run->deadline_ns, __ATOMIC_RELAXED);
}

/* What passed until now, but for what is beyond the end */
static u64 passed_since(const struct meter *m, u64 from_ns)
{
	u64 end_ns = min(m->now_ns, deadline(m));

	return end_ns > from_ns ? end_ns - from_ns : 0;
}

void meter_ran(struct meter *m, u64 *best_ns)
{
	u64 before_ns = m->now_ns, passed;

	if (m->bare && ++m->skipped % BARE_SKIPS)
		return;
	m->now_ns = clock_ns();
	if (m->bare)
		return;
	passed = passed_since(m, before_ns);
	look(m, before_ns, passed - min(passed, *best_ns), false);
	*best_ns = min(*best_ns, m->now_ns - before_ns);
}

void meter_sleep(struct meter *m, u64 due_ns)
{
	m->w->due_ns = due_ns;
	m->w->asleep = 1;
}

/*
 * Since when has a worker waited for a CPU that slept from @from_ns until now? A
 * short sleep counts as a whole, as reading costs too much of its time. What is left
 * out is the time in which it could not have run anyway.
 */
static u64 runnable_since(struct meter *m, u64 from_ns)
{
	struct schedstat *last = &m->w->sched_last, stat;
	u64 slept_ns = m->now_ns - from_ns, delay_ns;

	if (slept_ns < GAP_MIN_NS)
		return from_ns;
	if (schedstat_read(m->schedstat_fd, &stat))
		return m->now_ns;
	delay_ns = min(slept_ns, stat.run_delay_ns - last->run_delay_ns);
	/* Longer ones are examined, with the same baseline. */
	if (delay_ns < GAP_MIN_NS)
		*last = stat;
	m->w->report.measure_ns += clock_ns() - m->now_ns;
	return m->now_ns - delay_ns;
}

static void woke(struct meter *m, u64 due_ns)
{
	struct wire_report *r = &m->w->report;

	/* What was due after the end does not count, nor what came before its time. */
	if (m->now_ns < due_ns || due_ns >= deadline(m)) {
		look(m, m->now_ns, 0, false);
		return;
	}
	r->max_raw_wake_ns = max(r->max_raw_wake_ns, m->now_ns - due_ns);
	hist_add(&r->wake, look(m, due_ns, passed_since(m, due_ns), true), 1);
}

void meter_woke(struct meter *m, u64 due_ns)
{
	u64 from_ns = m->now_ns;

	m->now_ns = clock_ns();
	if (m->bare)
		return;
	if (due_ns) {
		woke(m, due_ns);
		return;
	}
	from_ns = runnable_since(m, from_ns);
	look(m, from_ns, passed_since(m, from_ns), false);
}

void meter_waited(struct meter *m)
{
	u64 from_ns = m->now_ns;

	m->now_ns = clock_ns();
	if (!m->bare)
		woke(m, runnable_since(m, from_ns));
}

static u64 cpu_ns(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts))
		return 0;
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

void meter_init(struct meter *m, const struct worker_run *run, struct worker *w,
		bool bare)
{
	*m = (struct meter) {
		.run = run,
		.w = w,
		.bare = bare,
		.read_ns = NEVER,
		/* Own ones: reading takes a lock of the open file. */
		.stat_fd = open("/proc/stat", O_RDONLY | O_CLOEXEC),
		.schedstat_fd = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC),
	};
	refresh(m);
	w->report.unit_ns = NEVER;
	w->last_cpu = sched_getcpu();
	schedstat_read(m->schedstat_fd, &w->sched_start);
	w->sched_last = w->sched_start;
}

void meter_start(struct meter *m)
{
	struct worker *w = m->w;
	struct rusage usage = { };
	u64 none = 0;

	w->cpu_start_ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
	getrusage(RUSAGE_SELF, &usage);
	/* Negative until the end, when the rest is added */
	w->report.nvcsw = -usage.ru_nvcsw;
	w->report.nivcsw = -usage.ru_nivcsw;
	w->steal = m->run->steal;
	/* Nothing has been done yet: all the time since the start is a gap. */
	m->now_ns = m->run->start_ns;
	m->skipped = BARE_SKIPS - 1;
	meter_ran(m, &none);
	if (m->now_ns >= m->run->deadline_ns)
		w->report.flags |= WIRE_REPORT_NEVER_RAN;
}

void meter_finish(struct meter *m)
{
	struct worker *w = m->w;
	struct wire_report *r = &w->report;
	struct schedstat stat;
	struct rusage usage = { };

	r->cpu_ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID) - w->cpu_start_ns;
	/* Both of the same moment, or what the host left would not be known. */
	steal_read(m->stat_fd, &w->steal);
	r->wall_ns = w->steal.at_ns - m->run->start_ns;
	r->steal_ns = mean_steal(r, &m->run->steal, &w->steal);
	getrusage(RUSAGE_SELF, &usage);
	r->nvcsw += usage.ru_nvcsw;
	r->nivcsw += usage.ru_nivcsw;
	if (!schedstat_read(m->schedstat_fd, &stat)) {
		r->run_delay_ns = stat.run_delay_ns - w->sched_start.run_delay_ns;
		r->timeslices = stat.timeslices - w->sched_start.timeslices;
	}
	if (r->unit_ns == NEVER)
		r->unit_ns = 0;
}

static void finish_schedstat(struct worker *w, pid_t pid)
{
	struct schedstat stat;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (!schedstat_read(fd, &stat)) {
		w->report.run_delay_ns = stat.run_delay_ns -
					 w->sched_start.run_delay_ns;
		w->report.timeslices = stat.timeslices -
				       w->sched_start.timeslices;
	}
	close(fd);
}

/* Runnable or running, as against blocked */
static bool is_runnable(pid_t pid)
{
	char path[64], stat[512];
	const char *state;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_text(path, stat, sizeof(stat)))
		return false;
	state = strrchr(stat, ')');	/* its name may be anything */
	return state && !strncmp(state, ") R", 3);
}

void meter_finish_stuck(const struct worker_run *run, struct worker *w, pid_t pid,
			const struct steal_snapshot *steal)
{
	u64 from = w->last_ns ?: run->start_ns;
	struct wire_gap gap = {
		.cpu_before = w->last_cpu,
		.cpu_after = w->last_cpu,
	};
	clockid_t clock;
	u64 cpu;

	if (!w->last_ns) {
		w->report.flags |= WIRE_REPORT_NEVER_RAN;
		w->steal = run->steal;
	}
	w->report.nvcsw = 0;
	w->report.nivcsw = 0;
	if (w->report.unit_ns == NEVER)
		w->report.unit_ns = 0;
	w->report.wall_ns = run->deadline_ns - run->start_ns;
	finish_schedstat(w, pid);
	if (w->last_ns && !clock_getcpuclockid(pid, &clock)) {
		cpu = cpu_ns(clock);
		if (cpu > w->cpu_start_ns)
			w->report.cpu_ns = cpu - w->cpu_start_ns;
	}

	/*
	 * Schedstat does not have the waiting that still goes on. A task that is
	 * not blocked waits; one that blocks does so rightly until it is due.
	 */
	if (w->asleep && w->due_ns)
		from = max(from, w->due_ns);
	if (from < run->deadline_ns && (!w->asleep || w->due_ns || is_runnable(pid)))
		gap.raw_ns = run->deadline_ns - from;
	gap.at_ns = from - run->start_ns;
	gap.run_delay_ns = gap.raw_ns;
	w->report.max_raw_gap_ns = max(w->report.max_raw_gap_ns, gap.raw_ns);
	if (gap.raw_ns)
		note_gap(w, gap, steal);
	w->report.steal_ns = mean_steal(&w->report, &run->steal, steal);
}
