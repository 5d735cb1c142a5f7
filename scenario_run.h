/* SPDX-License-Identifier: GPL-2.0 */
/* Executes a scenario in a guest: cgroups, workers, steps over time. */
#ifndef KTSTR_SCENARIO_RUN_H
#define KTSTR_SCENARIO_RUN_H

#include <linux/types.h>
#include <stdbool.h>

#include "control.h"
#include "load.h"
#include "scenario.h"
#include "session.h"

/**
 * struct scenario_group - what one group of workers was given, and did
 * @workers: how it was meant
 * @count: how many there are
 * @cpus: where they were allowed to run all the time; the empty set if that
 *	has changed, or was everywhere
 * @changed: steps have moved or stopped them, or changed what they may use
 * @stats: what they did; all zero if they were not spawned
 */
struct scenario_group {
	const struct scenario_workers *workers;
	unsigned int count;
	struct cpu_set cpus;
	bool changed;
	struct load_stats stats;
};

/**
 * struct scenario_result - what a run of a scenario showed
 * @nr_groups: groups of workers, in the scenario's order
 * @groups: the groups
 * @duration_ns: how long it took, by this host's clock
 */
struct scenario_result {
	size_t nr_groups;
	struct scenario_group groups[SCENARIO_MAX_WORKERS];
	u64 duration_ns;
};

/**
 * scenario_run() - execute a scenario
 * @s: a started session, on which no scenario has run yet
 * @sc: a scenario that scenario_check() finds sound on the session's topology
 * @duration_ns: what percents of steps are of
 * @result: filled in
 * @err: names the scenario and the step that failed
 *
 * A scheduler that leaves by itself does not end the run: see
 * s->control.sched_exit.
 *
 * Return: 0 or a negative errno.
 */
int scenario_run(struct session *s, const struct scenario *sc, u64 duration_ns,
		 struct scenario_result *result, struct errmsg *err);

#endif /* KTSTR_SCENARIO_RUN_H */
