/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What tasks are due by the weights of their cgroups and their nice values, if
 * all of them want to run all the time. Pure computation.
 */
#ifndef KTSTR_FAIR_H
#define KTSTR_FAIR_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#define FAIR_CPU	1000000U	/* one CPU, in the unit of shares */
#define FAIR_MAX_GROUPS	64
#define FAIR_NICE_0	1024U		/* weight of a task of nice 0 */
#define FAIR_IDLE	3U		/* and of SCHED_IDLE (kernel/sched/sched.h) */

/**
 * struct fair_cgroup - a cgroup with a weight of its own
 * @name: below the root; "a/b" is in "a"
 * @weight: cpu.weight; 0 for the default, 100
 */
struct fair_cgroup {
	const char *name;
	unsigned int weight;
};

/**
 * struct fair_group - tasks that are alike
 * @cgroup: theirs; NULL for the root cgroup
 * @tasks: how many
 * @weight: of each; see fair_nice_weight()
 */
struct fair_group {
	const char *cgroup;
	unsigned int tasks;
	unsigned int weight;
};

/**
 * fair_nice_weight() - the weight that goes with a nice value
 * @nice: what is beyond -20 and 19 counts as these
 *
 * Each step is a factor of 1.25 (sched(7), sched_prio_to_weight in the kernel).
 */
unsigned int fair_nice_weight(int nice);

/**
 * fair_due() - share CPUs
 * @groups: of tasks, which may all run on all of the CPUs
 * @nr: how many; at most FAIR_MAX_GROUPS
 * @cgroups: those that have a weight other than the default; others may be missing
 * @nr_cgroups: how many
 * @cpus: what there is to share, in 1/FAIR_CPU of a CPU; at most 4096 CPUs
 * @due: by group: what all of its tasks are due, in the same unit
 *
 * A cgroup shares its part with its children and, at the root, with its tasks, as
 * cgroup-v2.rst ("Weights") has it. A task cannot have more than one CPU: what a
 * group cannot use goes to the others, by weight.
 *
 * Return: whether some group could not use its part.
 */
bool fair_due(const struct fair_group *groups, size_t nr, const struct fair_cgroup *cgroups,
	      size_t nr_cgroups, u64 cpus, u64 *due);

#endif /* KTSTR_FAIR_H */
