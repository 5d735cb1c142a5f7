/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Types of work: one struct work_ops each, and what they are made of. A type is
 * added by an entry in wire.h, one in wire.c and its ops, in the file of its
 * family; a function of one's own only by an entry in work_custom.c.
 */
#ifndef KTSTR_WORK_H
#define KTSTR_WORK_H

#include <linux/compiler.h>
#include <linux/types.h>
#include <stdbool.h>

#include "meter.h"
#include "wire.h"
#include "worker.h"

struct work;

/**
 * struct work_ops - a type of work
 * @init: before the start, and before the worker says that it is ready: get what
 *	the steps need; 0, or what work_fail() returns; NULL if it needs nothing.
 *	It leaves the worker's attributes as they are: other phases may come first.
 * @enter: before the first step and after each other phase: have the attributes
 *	that this work is about; NULL if there are none
 * @step: one round. It has to read the clock, by any function below, and to
 *	return within some milliseconds of computing, or once a signal has ended
 *	its blocking.
 * @leave: before another phase: have the group's attributes again; NULL if they
 *	have not been changed
 * @fini: after the end, where step() has left something that outlives a process
 */
struct work_ops {
	int (*init)(struct work *wk);
	void (*enter)(struct work *wk);
	void (*step)(struct work *wk);
	void (*leave)(struct work *wk);
	void (*fini)(struct work *wk);
};

extern const struct work_ops work_spin, work_yield, work_mixed, work_bursty, work_rt_hog;
extern const struct work_ops work_pipe, work_pingpong, work_fanout, work_chain, work_timer;
extern const struct work_ops work_mutex, work_inversion;
extern const struct work_ops work_cache, work_cache_yield, work_cache_pipe, work_fault, work_numa;
extern const struct work_ops work_fork, work_exec;
extern const struct work_ops work_nice, work_affinity, work_policy, work_cgroup;
extern const struct work_ops work_io_sync, work_disk, work_net;
extern const struct work_ops work_custom;

/**
 * struct work - a worker at one kind of work
 * @ops: its type
 * @spec: what was asked for
 * @attr: the group's scheduling attributes
 * @meter: the worker's
 * @self: the worker's shared memory
 * @team: that of the first of its team
 * @member: its number in the team
 * @team_size: how many there are
 * @index: its number in the group
 * @pipes: of the team: read and write end of the first pipe, then of the second
 * @mem: from work_alloc(), or NULL
 * @size: bytes at @mem
 * @fd: for the type; -1 if it has none
 * @pos: for the type; 0 at first
 * @priv: for the type; NULL at first
 * @best_ns: for meter_ran(); NEVER at first
 * @rng: state of work_random()
 */
struct work {
	const struct work_ops *ops;
	const struct wire_phase *spec;
	const struct wire_attr *attr;
	struct meter *meter;
	struct worker *self;
	struct worker *team;
	u32 member;
	u32 team_size;
	u32 index;
	const int *pipes;
	void *mem;
	size_t size;
	int fd;
	u64 pos;
	const void *priv;
	u64 best_ns;
	u64 rng;
};

/* Is it time to end? By the last reading of the clock */
bool work_stopped(const struct work *wk);

/* Count rounds. */
void work_done(struct work *wk, u64 rounds);

/* A system call of a round has failed: the report will say so. */
void work_error(struct work *wk);

/* What was computed, or kept in memory, is not what it has to be: likewise. */
void work_corrupt(struct work *wk);

/**
 * work_fail() - say that this work cannot be done
 * @wk: the work
 * @errnum: why
 * @fmt: what was tried
 *
 * Return: -1, for init()
 */
int work_fail(struct work *wk, int errnum, const char *fmt, ...) __printf(3, 4);

/* Have the group's policy, nice value and priority again. */
void work_reset_attr(struct work *wk);

/* Compute for about @ns of CPU time, or until the end; returns units of work. */
u64 work_compute(struct work *wk, u64 ns);

/* Compute for as long as was asked for, which may be not at all. */
void work_compute_asked(struct work *wk);

/* Let others run. */
void work_sched_yield(struct work *wk);

/* Sleep until @due_ns of CLOCK_MONOTONIC, and measure the wake-up. */
void work_sleep_until(struct work *wk, u64 due_ns);

/* Sleep for @ns from the last reading of the clock on. */
void work_sleep(struct work *wk, u64 ns);

/**
 * work_wait() - block until a futex has another value, and measure the wake-up
 * @wk: the work
 * @word: the futex
 * @seen: the value to wait for the end of
 * @stamp_ns: when it was changed, to be read after it
 *
 * Return: whether it has; if not, a signal came first, or it cannot be waited for.
 */
bool work_wait(struct work *wk, u32 *word, u32 seen, const u64 *stamp_ns);

/* Wake up to @n that wait for a futex. */
void work_wake(struct work *wk, u32 *word, int n);

/* A number that is not predictable, but the same in each run */
u64 work_random(struct work *wk);

/* Get @size bytes, touched, for @wk->mem; 0 or what work_fail() returns. */
int work_alloc(struct work *wk, u64 size);

/* Block until the other of a pair calls the next; false: see work_wait() */
bool work_pipe_wait(struct work *wk);

void work_pipe_wake(struct work *wk);

#endif /* KTSTR_WORK_H */
