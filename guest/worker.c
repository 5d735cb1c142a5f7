// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/kernel.h>

#include "agent.h"
#include "clock.h"
#include "worker.h"

/*
 * A unit of work takes 10-20 us natively: long enough for reading the clock
 * (some 30 ns in the vDSO, 150 ns as a system call) to cost less than 1 %, and
 * short beside the gaps that count.
 */
#define UNIT_LOOPS	10000

/* Gaps below this are not examined; a tick at HZ=1000 is as long. */
#define GAP_MIN_NS	NSEC_PER_MSEC

/*
 * How old a snapshot of steal may get. Reading /proc/stat is slow: some 50 us
 * natively, more with many CPUs and interrupts.
 */
#define SNAPSHOT_NS	(100 * NSEC_PER_MSEC)

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
 */
static void note_gap(struct worker *w, struct wire_gap gap,
		     const struct steal_snapshot *steal)
{
	struct wire_gap *worst = &w->report.gap;

	gap.steal_ns = steal_since(&w->steal, steal, gap.cpu_before);
	if (gap.cpu_after != gap.cpu_before)
		gap.steal_ns += steal_since(&w->steal, steal, gap.cpu_after);
	gap.steal_ns = min(gap.steal_ns, gap.raw_ns);
	gap.sched_ns = gap.run_delay_ns - min(gap.run_delay_ns, gap.steal_ns);
	gap.window_ns = max(steal->at_ns - w->steal.at_ns, gap.raw_ns);
	if (gap.sched_ns > worst->sched_ns || !worst->raw_ns)
		*worst = gap;
}

/* What a worker needs besides its shared memory */
struct context {
	const struct worker_run *run;
	struct worker *w;
	int stat_fd;
	int schedstat_fd;
	u64 read_ns;		/* the quickest reading of /proc/stat so far */
};

/*
 * Returns whether the snapshot may be the next gap's baseline. If the worker
 * was kept from running while it read, that gap began before the reading, whose
 * numbers may already have the steal in them: then an older baseline is better.
 */
static bool look_at_steal(struct context *c, struct steal_snapshot *now)
{
	u64 took;

	*now = c->w->steal;	/* CPUs that are offline now have no line */
	steal_read(c->stat_fd, now);
	took = clock_ns() - now->at_ns;
	c->read_ns = min(c->read_ns, took);
	return took - c->read_ns < GAP_MIN_NS;
}

/*
 * Schedstat is read for every gap, so that the next one is not charged with
 * this one's delay; the slower steal only if the gap can become the worst.
 */
static void examine_gap(struct context *c, struct wire_gap gap)
{
	struct steal_snapshot steal;
	struct worker *w = c->w;
	u64 delay_before = w->sched_last.run_delay_ns;
	bool baseline;

	gap.run_delay_ns = gap.raw_ns;
	if (!schedstat_read(c->schedstat_fd, &w->sched_last))
		gap.run_delay_ns = min(gap.raw_ns, w->sched_last.run_delay_ns -
				       delay_before);
	if (w->report.gap.raw_ns && gap.run_delay_ns <= w->report.gap.sched_ns)
		return;

	baseline = look_at_steal(c, &steal);
	note_gap(w, gap, &steal);
	if (baseline)
		w->steal = steal;
}

static void refresh(struct context *c)
{
	struct steal_snapshot steal;

	/* First, so that no delay while reading is left out of the next gap */
	schedstat_read(c->schedstat_fd, &c->w->sched_last);
	if (look_at_steal(c, &steal))
		c->w->steal = steal;
}

static void see_cpu(struct worker *w, u32 cpu)
{
	if (cpu >= WIRE_MAX_CPUS)
		return;
	w->report.migrations += cpu != w->last_cpu;
	w->report.cpus[cpu / 64] |= 1ULL << cpu % 64;
	w->last_cpu = cpu;
}

/*
 * Read the clock after some work, and find out what went on meanwhile. Time
 * that the examination takes is part of the next unit, so that a gap in it is
 * not overlooked. Returns the time.
 */
static u64 look(struct context *c, u64 before, u64 work_ns)
{
	u64 now = clock_ns(), end = min(now, c->run->deadline_ns);
	u64 passed = end > before ? end - before : 0;
	struct worker *w = c->w;
	struct wire_gap gap = {
		.raw_ns = passed - min(passed, work_ns),
		.at_ns = before - c->run->start_ns,
		.cpu_before = w->last_cpu,
		.cpu_after = sched_getcpu(),
	};

	see_cpu(w, gap.cpu_after);
	w->report.max_raw_gap_ns = max(w->report.max_raw_gap_ns, gap.raw_ns);
	w->last_ns = now;
	if (gap.raw_ns >= GAP_MIN_NS)
		examine_gap(c, gap);
	else if (now - w->steal.at_ns >= SNAPSHOT_NS)
		refresh(c);
	return now;
}

/*
 * Always the same numbers: another result is a register that was lost over a
 * context switch.
 */
static u64 work_unit(void)
{
	u64 x = 1;
	int i;

	for (i = 0; i < UNIT_LOOPS; i++) {
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		/* or the compiler finds a shorter way */
		__asm__ volatile("" : "+r" (x));
	}
	return x;
}

static void spin(struct context *c, u64 expected)
{
	struct worker *w = c->w;
	u64 now, before;

	/* Nothing has been done yet: all the time since the start is a gap. */
	now = look(c, c->run->start_ns, 0);
	if (now >= c->run->deadline_ns)
		w->report.flags |= WIRE_REPORT_NEVER_RAN;
	while (now < c->run->deadline_ns) {
		before = now;
		if (work_unit() != expected)
			w->report.flags |= WIRE_REPORT_CORRUPT;
		w->report.units++;
		now = look(c, before, w->report.unit_ns);
		w->report.unit_ns = min(w->report.unit_ns, now - before);
	}
}

static u64 cpu_ns(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts))
		return 0;
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static void wait_for_go(struct worker_run *run)
{
	while (!__atomic_load_n(&run->go, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, &run->go, FUTEX_WAIT, 0, NULL, NULL, 0);
}

void worker_main(struct worker_run *run, struct worker *w, enum wire_work work)
{
	struct context c = { .run = run, .w = w, .read_ns = NEVER };
	struct rusage before = { }, after = { };
	u64 expected = work_unit();
	struct schedstat sched_end;

	/* Own ones: reading takes a lock of the open file. */
	c.stat_fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
	c.schedstat_fd = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);
	/* Everything is touched once before the start. */
	refresh(&c);
	w->report.unit_ns = NEVER;
	w->last_cpu = sched_getcpu();
	schedstat_read(c.schedstat_fd, &w->sched_start);
	w->sched_last = w->sched_start;
	__atomic_store_n(&w->ready, 1, __ATOMIC_RELEASE);
	wait_for_go(run);

	w->cpu_start_ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
	getrusage(RUSAGE_SELF, &before);
	w->steal = run->steal;
	switch (work) {
	case WIRE_WORK_SPIN:
	case WIRE_NR_WORK:
		spin(&c, expected);
	}

	w->report.cpu_ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID) - w->cpu_start_ns;
	/* Both of the same moment, or what the host left would not be known. */
	steal_read(c.stat_fd, &w->steal);
	w->report.wall_ns = w->steal.at_ns - run->start_ns;
	w->report.steal_ns = mean_steal(&w->report, &run->steal, &w->steal);
	getrusage(RUSAGE_SELF, &after);
	w->report.nvcsw = after.ru_nvcsw - before.ru_nvcsw;
	w->report.nivcsw = after.ru_nivcsw - before.ru_nivcsw;
	if (!schedstat_read(c.schedstat_fd, &sched_end)) {
		w->report.run_delay_ns = sched_end.run_delay_ns -
					 w->sched_start.run_delay_ns;
		w->report.timeslices = sched_end.timeslices -
				       w->sched_start.timeslices;
	}
	__atomic_store_n(&w->done, 1, __ATOMIC_RELEASE);
	_exit(0);
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

void worker_finish_stuck(const struct worker_run *run, struct worker *w,
			 pid_t pid, const struct steal_snapshot *steal)
{
	u64 from = w->last_ns ?: run->start_ns;
	struct wire_gap gap = {
		.at_ns = from - run->start_ns,
		.cpu_before = w->last_cpu,
		.cpu_after = w->last_cpu,
	};
	clockid_t clock;
	u64 cpu;

	if (!w->last_ns) {
		w->report.flags |= WIRE_REPORT_NEVER_RAN;
		w->steal = run->steal;
	}
	w->report.wall_ns = run->deadline_ns - run->start_ns;
	finish_schedstat(w, pid);
	if (w->last_ns && !clock_getcpuclockid(pid, &clock)) {
		cpu = cpu_ns(clock);
		if (cpu > w->cpu_start_ns)
			w->report.cpu_ns = cpu - w->cpu_start_ns;
	}

	/*
	 * Schedstat does not have the waiting that still goes on, and a spinning
	 * task that is not running waits.
	 */
	if (from < run->deadline_ns)
		gap.raw_ns = run->deadline_ns - from;
	gap.run_delay_ns = gap.raw_ns;
	w->report.max_raw_gap_ns = max(w->report.max_raw_gap_ns, gap.raw_ns);
	if (gap.raw_ns)
		note_gap(w, gap, steal);
	w->report.steal_ns = mean_steal(&w->report, &run->steal, steal);
}
