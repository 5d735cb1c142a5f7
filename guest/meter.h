/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a worker measures itself: it reads the clock after each piece of work and
 * after each sleep, and looks more closely only where that took too long.
 */
#ifndef KTSTR_METER_H
#define KTSTR_METER_H

#include <linux/types.h>
#include <stdbool.h>

#include "wire.h"

struct worker;
struct worker_run;

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
 * struct meter - a worker's own side of its measuring
 * @run: what its group shares
 * @w: its shared memory, where the results go
 * @bare: measure nothing but the work done
 * @now_ns: the last reading of the clock
 */
struct meter {
	const struct worker_run *run;
	struct worker *w;
	bool bare;
	u64 now_ns;
	/* private: */
	int stat_fd;
	int schedstat_fd;
	u64 read_ns;		/* the quickest reading of /proc/stat so far */
	u32 skipped;		/* readings of the clock that @bare saved */
};

/* Before the start: open what is read, and touch everything once. */
void meter_init(struct meter *m, const struct worker_run *run, struct worker *w,
		bool bare);

/* At the start: all that passes from now on without progress is a gap. */
void meter_start(struct meter *m);

/**
 * meter_ran() - a piece of work was done since the last reading of the clock
 * @m: the meter
 * @best_ns: the time that the quickest such piece took; updated
 *
 * What it took longer is a gap.
 */
void meter_ran(struct meter *m, u64 *best_ns);

/**
 * meter_sleep() - the worker is about to block
 * @m: the meter
 * @due_ns: when it will be woken up by a timer, or 0
 */
void meter_sleep(struct meter *m, u64 due_ns);

/**
 * meter_woke() - the worker has blocked, and goes on
 * @m: the meter
 * @due_ns: when it should have gone on, or 0 if nobody knows whether it did block,
 *	or until when: then what it has waited for a CPU since the last reading of
 *	the clock is a gap, but no wake-up's latency
 */
void meter_woke(struct meter *m, u64 due_ns);

/**
 * meter_waited() - the worker has blocked until a device was done, and goes on
 * @m: the meter
 *
 * Nobody knows when that was. The wake-up's latency is what the worker has waited for
 * a CPU since the last reading of the clock; if that was less than 1 ms ago, all of it,
 * which is at most as long as the device took, too.
 */
void meter_waited(struct meter *m);

/* After the last piece of work: the totals. */
void meter_finish(struct meter *m);

/**
 * meter_finish_stuck() - complete the report of a worker that did not stop
 * @run: of its group
 * @w: what it has written so far; a copy
 * @pid: of its process
 * @steal: every CPU's steal now
 */
void meter_finish_stuck(const struct worker_run *run, struct worker *w, pid_t pid,
			const struct steal_snapshot *steal);

#endif /* KTSTR_METER_H */
