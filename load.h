/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Cgroups of workers in a guest: made, run together, and summed up. What is
 * summed up is corrected for steal: a host that is short of CPUs takes time
 * from the guest that no scheduler in it could have given to a worker.
 */
#ifndef KTSTR_LOAD_H
#define KTSTR_LOAD_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "control.h"
#include "cpulist.h"
#include "errmsg.h"
#include "hist.h"
#include "topology.h"
#include "wire.h"

struct session;

#define LOAD_MAX_GROUPS	8

/**
 * struct load_group - a cgroup of workers
 * @name: the cgroup's, and the workers'
 * @workers: how many
 * @cpus: its cpuset; the empty set for all CPUs
 */
struct load_group {
	const char *name;
	unsigned int workers;
	struct cpu_set cpus;
};

/**
 * load_prepare() - make the cgroups and their workers, which then wait
 * @s: a started session
 * @groups: what to make
 * @nr_groups: at most LOAD_MAX_GROUPS
 * @err: what failed
 *
 * Return: 0 or a negative errno.
 */
int load_prepare(struct session *s, const struct load_group *groups, size_t nr_groups,
		 struct errmsg *err);

/**
 * load_duration() - how long workers shall run
 * @topo: the guest's topology
 * @duration_ns: KTSTR_DURATION, which is in seconds; or a few, and longer where
 *	this host has fewer CPUs than the guest, so that each of the guest's CPUs
 *	gets enough time for a verdict
 * @err: what is wrong with KTSTR_DURATION
 *
 * Return: 0 or -EINVAL.
 */
int load_duration(const struct topology *topo, u64 *duration_ns, struct errmsg *err);

/**
 * load_overcommit() - how many of the guest's CPUs share one of this host's
 * @topo: the guest's topology
 *
 * Steal tells how long a CPU was away, but a guest that is away most of the time
 * also schedules worse: its clocks stand still and jump. Limits of verdicts are
 * to be the wider the larger this is; it is 1 where the host has enough CPUs.
 */
unsigned int load_overcommit(const struct topology *topo);

/**
 * load_start() - let all workers run
 * @s: a session after load_prepare()
 * @duration_ns: how long; see load_duration()
 * @err: what failed
 *
 * Return: 0 or a negative errno.
 */
int load_start(struct session *s, u64 duration_ns, struct errmsg *err);

/**
 * load_finish() - wait until the workers' time is over
 * @s: a session after load_start()
 * @reply: the workers' reports
 * @err: what failed
 *
 * Return: 0 or a negative errno.
 */
int load_finish(struct session *s, struct control_reply *reply, struct errmsg *err);

/**
 * load_try() - have workers run until each of them has done something
 * @s: a session
 * @spawn: the workers
 * @reply: their reports
 * @err: what failed
 *
 * Shortly at first; on an emulated host that is busy it may take 10 s.
 *
 * Return: 0, also if some have done nothing in the end, or a negative errno.
 */
int load_try(struct session *s, const struct wire_spawn *spawn, struct control_reply *reply,
	     struct errmsg *err);

/**
 * struct load_stats - what the workers of one cgroup got
 *
 * Shares are told by work done, not by CPU time. A CPU's clock for its tasks is
 * advanced by other CPUs, too, and these do not see that it is being stolen; on
 * a host that is short of CPUs, tasks are charged for several times the time
 * that there was.
 *
 * @workers: how many there are
 * @stuck: how many did not run at all, or did not come back at the end
 * @corrupt: how many had a wrong result, as a register or memory was lost
 * @cpu_ns: CPU time in all
 * @available_ns: time that the host left to the workers' CPUs: the mean
 * @mean_rate: work units per second of that time: the mean
 * @min_rate: that of the worker that got least
 * @min_worker: which one
 * @max_rate: that of the worker that got most
 * @max_worker: which one
 * @gap: the longest time that the scheduler let one wait
 * @gap_worker: which one
 * @raw_gap_ns: the longest time without progress, whoever caused it
 * @run_delay_ns: time spent runnable but waiting, in all
 * @steal_ns: the most steal that a worker's CPUs had
 * @migrations: in all, by distance
 * @wake: times from wake-ups until the workers ran
 * @raw_wake_ns: the longest of them, whoever caused it
 * @pages: where the pages of the workers' memory are, by node
 * @units: work units done in all
 * @unit_ns: what the quickest of them took
 * @errors: how many had a system call of their work fail
 * @off_cpus: workers that were seen outside of the cgroup's cpuset
 * @off_worker: one of them
 * @cpus: where the workers were seen
 */
struct load_stats {
	unsigned int workers;
	unsigned int stuck;
	unsigned int corrupt;
	u64 cpu_ns;
	u64 available_ns;
	u64 mean_rate;
	u64 min_rate;
	unsigned int min_worker;
	u64 max_rate;
	unsigned int max_worker;
	struct wire_gap gap;
	unsigned int gap_worker;
	u64 raw_gap_ns;
	u64 run_delay_ns;
	u64 steal_ns;
	u64 migrations[WIRE_NR_DISTANCES];
	struct hist wake;
	u64 raw_wake_ns;
	u64 pages[WIRE_MAX_NODES];
	u64 units;
	u64 unit_ns;
	unsigned int errors;
	unsigned int off_cpus;
	unsigned int off_worker;
	struct cpu_set cpus;
};

/**
 * load_stats() - sum up the reports of one cgroup's workers
 * @group: which
 * @reports: of all workers
 * @nr: how many
 */
struct load_stats load_stats(const struct load_group *group,
			     const struct control_report *reports, size_t nr);

/**
 * load_spread() - how unequal the workers' rates are: (max - min) / mean
 * @stats: of one cgroup
 *
 * Return: percent.
 */
unsigned int load_spread(const struct load_stats *stats);

/**
 * load_migration_rate() - how often a worker is moved
 * @stats: of one cgroup
 * @distance: how far
 *
 * Return: migrations per worker and second of what the host left, in 1/1000.
 */
u64 load_migration_rate(const struct load_stats *stats, enum wire_distance distance);

/**
 * load_nodes() - the nodes that CPUs are on
 * @cpus: the CPUs; those that the topology does not have are on none
 * @topo: the guest's topology
 *
 * Return: a bit for each node.
 */
u64 load_nodes(const struct cpu_set *cpus, const struct topology *topo);

/**
 * load_local_pages() - how much memory is on certain nodes
 * @stats: of one cgroup
 * @nodes: a bit for each of them
 *
 * Return: percent of the pages; 100 if there are none at all.
 */
unsigned int load_local_pages(const struct load_stats *stats, u64 nodes);

/**
 * load_value() - a number of a flat keyed file, "KEY VALUE" in each line
 * @text: such as a cgroup's cpu.stat, or sched_ext's events
 * @key: which
 * @value: filled in
 *
 * Return: whether it is there.
 */
bool load_value(const char *text, const char *key, u64 *value);

/**
 * load_print() - a diagnostic line about one cgroup
 * @group: which
 * @stats: its numbers
 */
void load_print(const struct load_group *group, const struct load_stats *stats);

#endif /* KTSTR_LOAD_H */
