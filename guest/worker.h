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
#include <sys/types.h>

#include "meter.h"
#include "wire.h"

/* The agent's argument when WIRE_WORK_EXEC executes it, to end at once */
#define WORKER_EXEC_ARG	"--exit"

/* Wakes up workers that block at the end; see group_tick() */
#define WORKER_SIGNAL	SIGUSR1

/**
 * struct worker_run - what the workers of a group share
 * @unready: how many are neither ready nor gone
 * @go: futex; 1 once they may start, set after the rest
 * @start_ns: when they start
 * @deadline_ns: when they stop, by themselves; may be changed while they run
 * @steal: every CPU's steal at the start
 */
struct worker_run {
	u32 unready;
	u32 go;
	u64 start_ns;
	u64 deadline_ns;
	struct steal_snapshot steal;
};

/**
 * struct worker_slot - where the workers of a team meet; see guest/work_wake.c
 * @word: futex
 * @answers: futex
 * @stamp_ns: when @word was changed
 * @answer_ns: when @answers was changed last
 */
struct worker_slot {
	u32 word;
	u32 answers;
	u64 stamp_ns;
	u64 answer_ns;
};

/**
 * struct worker - a worker's shared memory
 * @ready: it waits for the start
 * @done: @report is complete
 * @errnum: it cannot do its work: an errno, set after @error
 * @error: what failed
 * @report: without @group, @index and @pid, which the agent knows
 * @last_ns: its last reading of the clock; 0 if it has not run
 * @last_cpu: the CPU at that time
 * @asleep: it is about to block, or does
 * @due_ns: when its sleep ends; 0 if nobody knows
 * @cpu_start_ns: CPU time at the start
 * @sched_start: schedstat before the start
 * @sched_last: schedstat at the last gap or snapshot
 * @steal: the last snapshot; the baseline for the next gap
 * @slot: for its team
 *
 * The worker alone writes it, while it runs; @slot is written by its team.
 */
struct worker {
	u32 ready;
	u32 done;
	u32 errnum;
	char error[120];
	struct wire_report report;
	u64 last_ns;
	u32 last_cpu;
	u32 asleep;
	u64 due_ns;
	u64 cpu_start_ns;
	struct schedstat sched_start;
	struct schedstat sched_last;
	struct steal_snapshot steal;
	struct worker_slot slot __aligned(64);
} __aligned(4096);

/**
 * struct worker_job - what a worker is told
 * @spawn: its group
 * @run: shared by the group
 * @workers: the group's
 * @index: which one it is
 * @agent: whom to tell that it is ready; once it has died, getppid(2) is somebody else
 * @pipes: of its team: two pipes; [0] is -1 without
 */
struct worker_job {
	const struct wire_spawn *spawn;
	struct worker_run *run;
	struct worker *workers;
	u32 index;
	pid_t agent;
	int pipes[4];
};

/*
 * The last worker of a group to be ready sends it to the agent, which does not look for
 * that now and then: each time it would take the CPU from a task, and some schedulers
 * give that task a new slice then, so that a worker that waits behind it for its first
 * slice may wait for ever.
 */
#define READY_SIGNAL	SIGUSR2

/* Does this work need the pipes? */
bool worker_needs_pipes(u32 type);

/* Wait for the start, work until the deadline, report. */
void worker_main(const struct worker_job *job) __noreturn;

#endif /* KTSTR_WORKER_H */
