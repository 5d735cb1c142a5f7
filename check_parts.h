/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of check.h's implementation share; nobody else includes this. */
#ifndef KTSTR_CHECK_PARTS_H
#define KTSTR_CHECK_PARTS_H

#include "check.h"
#include "fair.h"

/* Equals may differ by this at the end: a slice more or less, steal's granularity */
#define CHECK_CHANCE_NS		60000000ULL

/**
 * struct judge - a run that is being judged
 * @run: what it has shown
 * @findings: of it
 * @starved: why the host was too busy for numbers to mean anything, or NULL
 * @stalled: somebody waited for so long that a known defect may have been seen
 * @unshared: nobody can tell who should have run when, as real-time tasks take
 *	CPUs away, and the scheduler lets those wait who were there
 */
struct judge {
	const struct check_run *run;
	struct findings *findings;
	const char *starved;
	bool stalled;
	bool unshared;
};

/**
 * struct crowd - the groups that a group shares CPUs with
 * @in: by group: is it one of them? The group itself is.
 * @cpus: how many CPUs the group has
 * @workers: how many all of them are
 * @even: all of them have exactly these CPUs, always, and none has an affinity, a
 *	quota, or a real-time policy, and there is no program: nobody is in anybody's
 *	way but by weight
 * @due: by group: what its workers are due, in 1/FAIR_CPU of a CPU
 * @capped: some could not use what they were due
 */
struct crowd {
	bool in[SCENARIO_MAX_WORKERS];
	unsigned int cpus;
	unsigned int workers;
	bool even;
	u64 due[SCENARIO_MAX_WORKERS];
	bool capped;
};

/* A finding about a group of workers, or the machine if that is NULL */
struct finding check_begin(const char *check, const struct check_group *g);

/**
 * check_judge() - add a finding
 * @j: the run
 * @f: all but verdict and text
 * @ok: it is well
 * @weak: why it cannot be told, or NULL
 * @fmt: the text
 */
void check_judge(struct judge *j, struct finding *f, bool ok, const char *weak,
		 const char *fmt, ...) __printf(5, 6);

/* Is something to be held against this limit? */
static inline bool check_limited(unsigned int limit)
{
	return limit && limit != UNLIMITED;
}

/* Does the scheduler lack this, by design? Then there is a finding about it. */
bool check_lacks(struct judge *j, const char *check, const struct check_group *g,
		 const char *word);

/* What the machine that emulates the host has withheld, if that is too much; or NULL */
const char *check_denied(const struct check_run *run);

/*
 * Has a worker of the group waited for a quarter of the run, not run at all, or not
 * stopped? Where the group is due so little that it has to wait, that counts only if
 * others of it did not.
 */
bool check_waited_long(const struct check_run *run, const struct check_group *g);

/* Is it one of FIFO, RR and DEADLINE, which do not share? */
bool check_is_rt(const struct check_group *g);

/* Has the group's cgroup, or one above it, a cpu.max? */
bool check_has_quota(const struct check_run *run, const struct check_group *g);

/* The CPUs of a group, all if it is not restricted */
struct cpu_set check_cpus_of(const struct check_run *run, const struct check_group *g);

/* See struct crowd. */
void check_crowd(const struct check_run *run, const struct check_group *g, struct crowd *crowd);

/*
 * Five workers on four CPUs: two of them have half of one, and each of the others a
 * whole one, if nobody moves them. By how much they differ, in percent of the mean.
 */
u64 check_remainder(const struct crowd *crowd);

/* What each worker of a group is due, in 1/FAIR_CPU of a CPU; at least 1 */
u64 check_due(const struct check_run *run, const struct check_group *g);

/*
 * Where and when the scheduler let somebody wait longest, as the place of a finding, if
 * that was ever; returns how many ms that was.
 */
u64 check_place(struct finding *f, const struct wire_gap *gap);

/* The longest wait of a group's worker; of no length if it has not reported */
const struct wire_gap *check_wait_of(const struct check_run *run, const struct check_group *g,
				     u32 index);

/* Why there is too little to judge a group's workers by, or NULL */
const char *check_weak(const struct judge *j, const struct check_group *g);

/* Time on an undisturbed CPU, where work tells it; CPU clocks count steal as well. */
u64 check_work_ns(const struct check_group *g);

/* By how much a sum has grown; the kernel corrects its sums: they may shrink */
u64 check_since(u64 after, u64 before);

/* Checks of one group of workers */
void check_workers(struct judge *j, const struct check_group *g);

/* Checks of one run of a program */
void check_program(struct judge *j, const struct check_program *p);

/* Checks of who got how much of the CPUs */
void check_shares(struct judge *j);

#endif /* KTSTR_CHECK_PARTS_H */
