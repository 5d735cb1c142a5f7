/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A worker: a process that works, and measures how it is scheduled. What it
 * measures is in memory shared with the agent, which reads it even if the
 * worker never gets to run again.
 */
#ifndef KTSTR_WORKER_H
#define KTSTR_WORKER_H

#include <linux/compiler.h>
#include <linux/types.h>

#include "wire.h"

/**
 * struct steal_snapshot - every CPU's steal at one time
 * @at_ns: when, in CLOCK_MONOTONIC
 * @ticks: the steal column of /proc/stat, in 1/sysconf(_SC_CLK_TCK) s
 */
struct steal_snapshot {
	u64 at_ns;
	u32 ticks[WIRE_MAX_CPUS];
};

/* Read /proc/stat, from an open descriptor; without one nothing was stolen. */
void steal_read(int fd, struct steal_snapshot *snap);

/**
 * struct schedstat - a task's /proc/PID/schedstat
 * @run_delay_ns: time spent waiting in run queues; of the current waiting
 *	nothing is in it before it ends
 * @timeslices: times that it was put on a CPU
 */
struct schedstat {
	u64 run_delay_ns;
	u64 timeslices;
};

/* Read from an open descriptor; returns 0 or a negative errno. */
int schedstat_read(int fd, struct schedstat *stat);

/**
 * struct worker_run - what the workers of a run share
 * @go: futex; 1 once they may start, set after the rest
 * @start_ns: when they start
 * @deadline_ns: when they stop, by themselves
 * @steal: every CPU's steal at the start
 */
struct worker_run {
	u32 go;
	u64 start_ns;
	u64 deadline_ns;
	struct steal_snapshot steal;
};

/**
 * struct worker - a worker's shared memory
 * @ready: it waits for the start
 * @done: @report is complete
 * @report: without @group, @index and @pid, which the agent knows
 * @last_ns: its last reading of the clock; 0 if it has not run
 * @last_cpu: the CPU at that time
 * @cpu_start_ns: CPU time at the start
 * @sched_start: schedstat before the start
 * @sched_last: schedstat at the last gap or snapshot
 * @steal: the last snapshot; the baseline for the next gap
 *
 * The worker alone writes it, while it runs.
 */
struct worker {
	u32 ready;
	u32 done;
	struct wire_report report;
	u64 last_ns;
	u32 last_cpu;
	u64 cpu_start_ns;
	struct schedstat sched_start;
	struct schedstat sched_last;
	struct steal_snapshot steal;
} __aligned(4096);

/**
 * worker_main() - wait for the start, work until the deadline, report
 * @run: shared by all
 * @w: its own
 * @work: what to do
 */
void worker_main(struct worker_run *run, struct worker *w, enum wire_work work)
	__noreturn;

/**
 * worker_finish_stuck() - complete the report of a worker that did not stop
 * @run: of the run, which is over
 * @w: what it has written so far; a copy
 * @pid: of its process
 * @steal: every CPU's steal now
 */
void worker_finish_stuck(const struct worker_run *run, struct worker *w,
			 pid_t pid, const struct steal_snapshot *steal);

#endif /* KTSTR_WORKER_H */
