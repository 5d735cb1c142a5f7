/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The suite's own schedulers: healthy ones, which no test may blame, and faulty
 * ones, each with one thing wrong that a test has to notice. The program that
 * runs them is scx_ktstr (bpf/), with --policy or --fault and a name from here.
 */
#ifndef KTSTR_FIXTURE_SCHEDS_H
#define KTSTR_FIXTURE_SCHEDS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "bpf/scx_ktstr.h"
#include "host_topology.h"

/**
 * enum fixture_policy - how tasks wait for CPUs
 * @FIXTURE_FIFO: in one queue, in the order of arrival
 * @FIXTURE_VTIME: in one queue, by weighted virtual time
 * @FIXTURE_LLC: in a queue per last-level cache, which CPUs of others steal from
 * @FIXTURE_NUMA: the same, and queues and idle CPUs of the own node come first
 */
enum fixture_policy {
	FIXTURE_FIFO,
	FIXTURE_VTIME,
	FIXTURE_LLC,
	FIXTURE_NUMA,
};

/**
 * struct fixture_sched - a scheduler
 * @name: unique; in the kernel it is "ktstr_" and this
 * @policy: how tasks wait
 * @fault: what is wrong with it; KTSTR_FAULT_NONE for healthy ones
 * @param: how wrong, by default; 0 if there is nothing to choose
 * @param_is: what @param is, with its unit; or NULL
 * @field: its bug is of a class that is seen in the field, so that "make check" plays
 *	it in the first of @scenarios
 * @min_llcs: last-level caches that a machine needs for the fault to show
 * @min_nodes: nodes with CPUs that it needs
 * @scenarios: those of the catalogue in each of which it shows, SUITE.NAME, separated
 *	by blanks; one of them has to catch it whenever all are played (detect.h), as a
 *	play may be INCONCLUSIVE. NULL for healthy ones
 * @check: the finding (check.h) that fails in each of them; "load" if the scheduler
 *	never starts
 * @text: one sentence about it
 * @lacks: of healthy ones, as in struct check_sched; a faulty one lacks what its
 *	policy lacks
 */
struct fixture_sched {
	const char *name;
	enum fixture_policy policy;
	enum ktstr_fault fault;
	u64 param;
	const char *param_is;
	bool field;
	unsigned int min_llcs;
	unsigned int min_nodes;
	const char *scenarios;
	const char *check;
	const char *text;
	const char *lacks;
};

extern const struct fixture_sched fixture_scheds[];
extern const size_t nr_fixture_scheds;

/* The healthy or faulty scheduler of this name, or NULL */
const struct fixture_sched *fixture_sched_find(const char *name);

/* The healthy scheduler with this policy; never NULL */
const struct fixture_sched *fixture_sched_healthy(enum fixture_policy policy);

/**
 * struct fixture_layout - which CPUs wait on which queues
 * @nr_queues: how many queues there are
 * @nr_groups: how many groups of queues that are near each other: nodes with CPUs
 * @cpu_queue: by CPU; a CPU that is offline has queue 0
 * @queue_group: by queue
 */
struct fixture_layout {
	unsigned int nr_queues;
	unsigned int nr_groups;
	u16 cpu_queue[KTSTR_MAX_CPUS];
	u16 queue_group[KTSTR_MAX_CPUS];
};

/**
 * fixture_layout() - lay out the queues of a policy on a machine
 * @policy: which
 * @topo: of the machine that the scheduler is to run on
 * @layout: filled in
 */
void fixture_layout(enum fixture_policy policy, const struct host_topology *topo,
		    struct fixture_layout *layout);

#endif /* KTSTR_FIXTURE_SCHEDS_H */
