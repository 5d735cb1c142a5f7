/* SPDX-License-Identifier: GPL-2.0 */
/* Executes a scenario in a guest, and gathers what a verdict takes. */
#ifndef KTSTR_SCENARIO_RUN_H
#define KTSTR_SCENARIO_RUN_H

#include <linux/types.h>

#include "check.h"
#include "control.h"
#include "load.h"
#include "scenario.h"
#include "session.h"

/**
 * struct scenario_result - what a run of a scenario showed
 * @run: for check_run(), but for the limits and what the scheduler lacks
 *
 * All else here is what @run points to.
 */
struct scenario_result {
	struct check_run run;
	struct scenario_cgroup cgroups_end[SCENARIO_MAX_CGROUPS];
	struct check_group groups[SCENARIO_MAX_WORKERS];
	struct load_stats stats[SCENARIO_MAX_WORKERS];
	struct cpu_set *affinity[SCENARIO_MAX_WORKERS];
	struct control_report *reports;
	struct check_program *programs;
	struct cpu_times before;
	struct cpu_times settled;
	struct cpu_times after;
	struct control_reply log;
	struct control_reply first;
	struct control_reply last;
	struct control_reply sched_before;
	struct control_reply sched_after;
};

/**
 * scenario_run() - execute a scenario
 * @s: a started session, on which no scenario has run yet, or which was proved
 *	clean since
 * @sc: a scenario that scenario_check() finds sound on the session's topology
 * @duration_ns: what percents of steps are of
 * @result: filled in; to be given to scenario_result_free(), also after a failure
 * @err: names the scenario and the step that failed
 *
 * A scheduler that leaves by itself does not end the run: see
 * s->control.sched_exit.
 *
 * Return: 0 or a negative errno.
 */
int scenario_run(struct session *s, const struct scenario *sc, u64 duration_ns,
		 struct scenario_result *result, struct errmsg *err);

/**
 * scenario_result_free() - free what a result points to
 * @result: of scenario_run()
 */
void scenario_result_free(struct scenario_result *result);

#endif /* KTSTR_SCENARIO_RUN_H */
