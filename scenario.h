/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A scenario is data: cgroups, workers in them, steps over time, and what must
 * hold. It says what it means ("the second LLC", "half of the CPUs"), and is
 * checked against a topology on the host, before any guest boots. Pure
 * computation; scenario_run.h has what executes it.
 */
#ifndef KTSTR_SCENARIO_H
#define KTSTR_SCENARIO_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "cpulist.h"
#include "errmsg.h"
#include "topology.h"
#include "wire.h"

#define SCENARIO_MAX_CGROUPS	8
#define SCENARIO_MAX_WORKERS	8	/* groups of workers */
#define SCENARIO_MAX_STEPS	16
#define SCENARIO_MAX_PROGRAMS	4
#define SCENARIO_MAX_NEEDS	3	/* programs of the host, for each of these */
#define SCENARIO_MAX_NUMBERS	4	/* likewise */
#define SCENARIO_COMM_SIZE	16	/* the kernel's TASK_COMM_LEN, with the NUL */

/**
 * enum cpus_kind - what a set of CPUs is meant to be
 * @CPUS_ALL: no restriction
 * @CPUS_LLC: LLC @a
 * @CPUS_NUMA: node @a
 * @CPUS_RANGE: CPUs @a to @b
 * @CPUS_DISJOINT: part @a of @b parts of about equal size
 * @CPUS_OVERLAP: the same, and @percent of the next part's CPUs
 * @CPUS_EXACT: @list
 */
enum cpus_kind {
	CPUS_ALL,
	CPUS_LLC,
	CPUS_NUMA,
	CPUS_RANGE,
	CPUS_DISJOINT,
	CPUS_OVERLAP,
	CPUS_EXACT,
};

/* See enum cpus_kind; the macros below make one. */
struct cpus {
	enum cpus_kind kind;
	unsigned int a;
	unsigned int b;
	unsigned int percent;
	const char *list;
};

#define LLC(i)			((struct cpus){ .kind = CPUS_LLC, .a = (i) })
#define NUMA(i)			((struct cpus){ .kind = CPUS_NUMA, .a = (i) })
#define RANGE(x, y)		((struct cpus){ .kind = CPUS_RANGE, .a = (x), .b = (y) })
#define DISJOINT(i, n)		((struct cpus){ .kind = CPUS_DISJOINT, .a = (i), .b = (n) })
#define OVERLAP(i, n, pct)	\
	((struct cpus){ .kind = CPUS_OVERLAP, .a = (i), .b = (n), .percent = (pct) })
#define EXACT(cpulist)		((struct cpus){ .kind = CPUS_EXACT, .list = (cpulist) })

/**
 * struct scenario_cgroup - a cgroup
 * @name: below the root; "a/b" is in "a", which comes before it
 * @cpus: its cpuset
 * @weight: cpu.weight, 1 to 10000; 0 for the default
 * @quota: cpu.max in percent of one CPU; 0 for none
 * @mems: its cpuset.mems are the nodes of these CPUs
 * @later: a step adds it
 */
struct scenario_cgroup {
	const char *name;
	struct cpus cpus;
	unsigned int weight;
	unsigned int quota;
	struct cpus mems;
	bool later;
};

/**
 * enum affinity - where a worker may run, within its cgroup's cpuset
 * @AFFINITY_INHERIT: anywhere
 * @AFFINITY_ONE: on one CPU, dealt to the workers in turn
 * @AFFINITY_RANDOM: on a random subset, the same one in every run
 * @AFFINITY_LLC: in one LLC, dealt to the workers in turn
 * @AFFINITY_CROSS: on one CPU of each LLC
 */
enum affinity {
	AFFINITY_INHERIT,
	AFFINITY_ONE,
	AFFINITY_RANDOM,
	AFFINITY_LLC,
	AFFINITY_CROSS,
};

/**
 * enum sched_policy - the policies that sched_setattr(2) knows
 *
 * A worker's priority is for FIFO and RR, its runtime and period for DEADLINE.
 */
enum sched_policy {
	POLICY_NORMAL,
	POLICY_FIFO,
	POLICY_RR,
	POLICY_BATCH,
	POLICY_IDLE = 5,	/* as linux/sched.h numbers them */
	POLICY_DEADLINE,
};

/* Where a worker's memory comes from: the modes that set_mempolicy(2) knows */
enum memory {
	MEMORY_DEFAULT,
	MEMORY_PREFERRED,
	MEMORY_BIND,
	MEMORY_INTERLEAVE,
};

/**
 * struct scenario_workers - a group of workers that are alike
 * @name: for steps and reports
 * @comm: what the kernel and its log call them, up to 15 printable characters without
 *	blanks; NULL for the name, which is cut
 * @cgroup: whose; NULL for the root cgroup
 * @count: how many; with @percent_of_cpus, at least so many
 * @percent_of_cpus: how many per 100 CPUs of their cgroup, rounded up to whole
 *	CPUs, and on to whole teams
 * @phases: what they do, see enum wire_work: one thing after the other, up to
 *	the first that is all zero; with none, they compute and never sleep
 * @affinity: see enum affinity
 * @policy: see enum sched_policy
 * @priority: 1 to WIRE_MAX_PRIORITY, for POLICY_FIFO and POLICY_RR
 * @nice: -20 to 19
 * @runtime_us: CPU time in each period, for POLICY_DEADLINE, whose deadline is the
 *	period's end, and which is for workers that may run on all CPUs only
 * @period_us: the period, likewise; 100 us to 4.19 s
 * @memory: see enum memory
 * @mems: for any but MEMORY_DEFAULT: the nodes of these CPUs
 * @later: a step spawns them
 * @background: only there to disturb: nothing is demanded of them
 */
struct scenario_workers {
	const char *name;
	const char *comm;
	const char *cgroup;
	unsigned int count;
	unsigned int percent_of_cpus;
	struct wire_phase phases[WIRE_MAX_PHASES];
	enum affinity affinity;
	enum sched_policy policy;
	unsigned int priority;
	int nice;
	unsigned int runtime_us;
	unsigned int period_us;
	enum memory memory;
	struct cpus mems;
	bool later;
	bool background;
};

/**
 * struct scenario_number - a number that a program is to print
 * @name: which, as program_output_find() takes it
 * @min: at least so much; 0 for no such limit
 * @max: at most so much; 0 for no such limit
 * @unit: of all these; where the program says one, it has to be this one
 *
 * As all limits, these are for a host with a CPU for each of the guest's.
 */
struct scenario_number {
	const char *name;
	double min;
	double max;
	const char *unit;
};

/**
 * struct scenario_program - a program of the host that is a workload
 * @name: for steps and findings
 * @command: for the guest's sh(1); "$1" in it is the duration in seconds, "$2" the
 *	number of CPUs
 * @needs: what the guest has to get of the host for it, besides sh: names of
 *	programs, whose libraries come along; ends with NULL
 * @package: where Debian has these
 * @cgroup: whose; NULL for the root cgroup
 * @disk: it reads the disk, /dev/vda
 * @numbers: what it is to print; ends with the first that has no name
 *
 * It has to end with the exit status 0, unless a step kills it.
 */
struct scenario_program {
	const char *name;
	const char *command;
	const char *needs[SCENARIO_MAX_NEEDS];
	const char *package;
	const char *cgroup;
	bool disk;
	struct scenario_number numbers[SCENARIO_MAX_NUMBERS];
};

/**
 * enum step_op - what a step does
 * @STEP_END: nothing: there are no more steps
 * @STEP_HOLD: let @percent of the duration, and @ms, pass
 * @STEP_ADD: make @cgroup
 * @STEP_REMOVE: remove @cgroup, whose workers have stopped or moved
 * @STEP_CPUS: give @cgroup the cpuset @cpus
 * @STEP_SWAP: exchange the cpusets of @cgroup and @other
 * @STEP_WEIGHT: give @cgroup the cpu.weight @value
 * @STEP_QUOTA: give @cgroup @value percent of a CPU; 0 for no limit
 * @STEP_FREEZE: freeze @cgroup, or thaw it if @value is 0
 * @STEP_SPAWN: start @workers
 * @STEP_STOP: stop @workers
 * @STEP_MOVE: move @value of @workers, or all of them if it is 0, to @cgroup
 * @STEP_AFFINITY: restrict @workers to @cpus
 * @STEP_NICE: give @workers the nice value @value
 * @STEP_POLICY: give @workers the policy @value, at priority 1 if it has one; their
 *	nice value stays
 * @STEP_OFFLINE: take @cpus offline
 * @STEP_ONLINE: bring @cpus online
 * @STEP_LEAVE: the scheduler under test leaves
 * @STEP_REPLACE: @scheduler, a program of the suite, is loaded in its place with @args
 * @STEP_LOAD: it is loaded again
 * @STEP_RUN: start @program
 * @STEP_WAIT: wait for the end of @program
 * @STEP_KILL: kill @program
 * @STEP_REPEAT: the @value steps before this one again, until @percent of the
 *	duration have passed since they were begun first
 */
enum step_op {
	STEP_END,
	STEP_HOLD,
	STEP_ADD,
	STEP_REMOVE,
	STEP_CPUS,
	STEP_SWAP,
	STEP_WEIGHT,
	STEP_QUOTA,
	STEP_FREEZE,
	STEP_SPAWN,
	STEP_STOP,
	STEP_MOVE,
	STEP_AFFINITY,
	STEP_NICE,
	STEP_POLICY,
	STEP_OFFLINE,
	STEP_ONLINE,
	STEP_LEAVE,
	STEP_REPLACE,
	STEP_LOAD,
	STEP_RUN,
	STEP_WAIT,
	STEP_KILL,
	STEP_REPEAT,
	NR_STEP_OPS,
};

/* See enum step_op, which says what each of them needs. */
struct scenario_step {
	enum step_op op;
	unsigned int percent;
	unsigned int ms;
	const char *cgroup;
	const char *other;
	const char *workers;
	struct cpus cpus;
	int value;
	const char *program;
	const char *scheduler;
	const char *args;
};

#define HOLD(pct)		{ .op = STEP_HOLD, .percent = (pct) }
#define HOLD_MS(t)		{ .op = STEP_HOLD, .ms = (t) }
#define ADD(cg)			{ .op = STEP_ADD, .cgroup = (cg) }
#define REMOVE(cg)		{ .op = STEP_REMOVE, .cgroup = (cg) }
#define SET_CPUS(cg, set)	{ .op = STEP_CPUS, .cgroup = (cg), .cpus = (set) }
#define CLEAR_CPUS(cg)		{ .op = STEP_CPUS, .cgroup = (cg) }
#define SWAP(cg, with)		{ .op = STEP_SWAP, .cgroup = (cg), .other = (with) }
#define WEIGHT(cg, w)		{ .op = STEP_WEIGHT, .cgroup = (cg), .value = (w) }
#define QUOTA(cg, pct)		{ .op = STEP_QUOTA, .cgroup = (cg), .value = (pct) }
#define FREEZE(cg)		{ .op = STEP_FREEZE, .cgroup = (cg), .value = 1 }
#define THAW(cg)		{ .op = STEP_FREEZE, .cgroup = (cg) }
#define SPAWN(who)		{ .op = STEP_SPAWN, .workers = (who) }
#define STOP(who)		{ .op = STEP_STOP, .workers = (who) }
#define MOVE(who, nr, to)	{ .op = STEP_MOVE, .workers = (who), .value = (nr), .cgroup = (to) }
#define SET_AFFINITY(who, set)	{ .op = STEP_AFFINITY, .workers = (who), .cpus = (set) }
#define NICE(who, n)		{ .op = STEP_NICE, .workers = (who), .value = (n) }
#define POLICY(who, p)		{ .op = STEP_POLICY, .workers = (who), .value = (p) }
#define OFFLINE(set)		{ .op = STEP_OFFLINE, .cpus = (set) }
#define ONLINE(set)		{ .op = STEP_ONLINE, .cpus = (set) }
#define LEAVE()			{ .op = STEP_LEAVE }
#define REPLACE(by, how)		{ .op = STEP_REPLACE, .scheduler = (by), .args = (how) }
#define LOAD()			{ .op = STEP_LOAD }
#define RUN(prog)		{ .op = STEP_RUN, .program = (prog) }
#define WAIT(prog)		{ .op = STEP_WAIT, .program = (prog) }
#define KILL(prog)		{ .op = STEP_KILL, .program = (prog) }
#define REPEAT(n, pct)		{ .op = STEP_REPEAT, .value = (n), .percent = (pct) }

/* A limit of struct limits that is not to be checked */
#define UNLIMITED	(~0U)

/**
 * struct limits - what must hold; 0 leaves what the layer below has
 *
 * The layers are: default, suite, scenario. All times are corrected for steal.
 *
 * @starved: a worker with less than this percentage of the mean is starved
 * @spread: of equal workers' rates, (max - min) / mean, in percent
 * @gap_ms: the longest time that a runnable worker waits
 * @weight_error: percent by which a share may be above what cpu.weight and nice say,
 *	or that above the share: 100 is from half of it to twice as much
 * @quota_error: deviation from cpu.max, percent
 * @idle: of the CPUs' time, while there are runnable workers for all, percent
 * @wake_p50_us: median latency from a wake-up to running
 * @wake_p99_us: what 1 wake-up in 100 takes longer than
 * @wake_p999_us: what 1 in 1000 takes longer than
 * @migrations: per second and worker, of any distance
 * @llc_migrations: the same, between LLCs
 * @node_migrations: the same, between nodes
 * @remote_pages: pages on another node than the worker ran on, percent; for two
 *	nodes, and the wider the more there are, as chance leaves less on its own
 * @slow_pages: pages on nodes without CPUs, percent
 * @floor: work done, percent of what the CPUs could do
 * @rounds: of work, at least, per second and worker; no default would suit all
 */
struct limits {
	unsigned int starved;
	unsigned int spread;
	unsigned int gap_ms;
	unsigned int weight_error;
	unsigned int quota_error;
	unsigned int idle;
	unsigned int wake_p50_us;
	unsigned int wake_p99_us;
	unsigned int wake_p999_us;
	unsigned int migrations;
	unsigned int llc_migrations;
	unsigned int node_migrations;
	unsigned int remote_pages;
	unsigned int slow_pages;
	unsigned int floor;
	unsigned int rounds;
};

/**
 * struct scenario - a scenario
 * @suite: for example "cpuset"
 * @name: for example "swap_under_load"
 * @bug: one sentence: which bug it is after
 * @min_cpus: the topology has at least so many
 * @min_llcs: likewise
 * @min_nodes: likewise
 * @min_llcs_per_node: likewise, in one of its nodes
 * @smt: the topology has more than one thread per core
 * @quick: it is one of the few that are to find something in little time
 * @cgroups: what to make; ends with the first that has no name
 * @workers: whom to spawn; ends with the first that has no name
 * @programs: what steps run; ends with the first that has no name
 * @steps: what to do while they run; ends with STEP_END. With none, the workers
 *	run for the whole duration.
 * @limits: what differs from the suite's
 */
struct scenario {
	const char *suite;
	const char *name;
	const char *bug;
	unsigned int min_cpus;
	unsigned int min_llcs;
	unsigned int min_nodes;
	unsigned int min_llcs_per_node;
	bool smt;
	bool quick;
	struct scenario_cgroup cgroups[SCENARIO_MAX_CGROUPS];
	struct scenario_workers workers[SCENARIO_MAX_WORKERS];
	struct scenario_program programs[SCENARIO_MAX_PROGRAMS];
	struct scenario_step steps[SCENARIO_MAX_STEPS];
	struct limits limits;
};

/**
 * scenario_resolve_cpus() - which CPUs are meant
 * @cpus: the intent
 * @topo: a topology
 * @set: filled in; never empty
 * @err: what is wrong with it
 *
 * Return: 0; -EINVAL for what no topology can have (ERRMSG_INPUT); -ERANGE for
 * what this topology does not have (ERRMSG_HOST, as such tests are skipped).
 */
int scenario_resolve_cpus(const struct cpus *cpus, const struct topology *topo,
			  struct cpu_set *set, struct errmsg *err);

/**
 * scenario_resolve_nodes() - the nodes of the CPUs that are meant
 * @cpus: the intent
 * @topo: a topology
 * @nodes: filled in, a bit for each
 * @err: what is wrong with it
 *
 * Return: as scenario_resolve_cpus().
 */
int scenario_resolve_nodes(const struct cpus *cpus, const struct topology *topo, u64 *nodes,
			   struct errmsg *err);

/**
 * scenario_effective_cpus() - which CPUs the tasks of a cgroup may use
 * @sc: a checked scenario
 * @cpus: the cpuset of each of its cgroups
 * @topo: the topology
 * @cgroup: which; NULL or "" for the root
 * @set: the CPUs that there are; what the cgroup and all above it leave of them
 */
void scenario_effective_cpus(const struct scenario *sc, const struct cpus *cpus,
			     const struct topology *topo, const char *cgroup,
			     struct cpu_set *set);

/**
 * scenario_count() - how many workers a group has
 * @sc: a checked scenario
 * @workers: one of its groups
 * @topo: the topology
 */
unsigned int scenario_count(const struct scenario *sc, const struct scenario_workers *workers,
			    const struct topology *topo);

/**
 * scenario_phases() - how many phases a group's work has
 * @workers: the group
 *
 * Return: 0 if there is nothing but the default.
 */
unsigned int scenario_phases(const struct scenario_workers *workers);

/**
 * scenario_attr() - the scheduling attributes of a group at its start
 * @workers: the group
 */
struct wire_attr scenario_attr(const struct scenario_workers *workers);

/**
 * scenario_change_attr() - what a step makes of scheduling attributes
 * @attr: those that the workers have; changed as little as the step says
 * @step: of the kind STEP_NICE or STEP_POLICY
 *
 * Who leaves POLICY_DEADLINE has no runtime and period any more: the kernel takes a
 * runtime as the slice of a normal task.
 */
void scenario_change_attr(struct wire_attr *attr, const struct scenario_step *step);

/**
 * scenario_has_work() - does anybody do this work at any time?
 * @sc: a scenario
 * @work: which; WIRE_WORK_SPIN also stands for no work of any name
 *
 * WIRE_WORK_DISK needs a guest with a disk, WIRE_WORK_NET one with a network card.
 */
bool scenario_has_work(const struct scenario *sc, enum wire_work work);

/**
 * scenario_affinity() - where one worker may run
 * @sc: a checked scenario
 * @workers: one of its groups
 * @topo: the topology
 * @index: which worker
 * @set: filled in; empty if it may run anywhere in its cgroup
 */
void scenario_affinity(const struct scenario *sc, const struct scenario_workers *workers,
		       const struct topology *topo, unsigned int index, struct cpu_set *set);

/**
 * scenario_check() - find a scenario's mistakes before anything runs
 * @sc: a scenario
 * @topo: the topology it shall run on
 * @err: names the scenario, the cgroup, group of workers or step, and the field
 *
 * Return: 0; -EINVAL for a mistake (ERRMSG_INPUT); -ERANGE if it does not fit
 * this topology (ERRMSG_HOST).
 */
int scenario_check(const struct scenario *sc, const struct topology *topo, struct errmsg *err);

/**
 * scenario_cgroup() - find a cgroup
 * @sc: a scenario
 * @name: of the cgroup
 *
 * Return: the cgroup, or NULL.
 */
const struct scenario_cgroup *scenario_cgroup(const struct scenario *sc, const char *name);

/**
 * scenario_workers() - find a group of workers
 * @sc: a scenario
 * @name: of the group
 *
 * Return: the group, or NULL.
 */
const struct scenario_workers *scenario_workers(const struct scenario *sc, const char *name);

/**
 * scenario_is_below() - is a cgroup another one, or in it?
 * @path: a cgroup's name; NULL for the root, which is in none
 * @name: the other's
 */
bool scenario_is_below(const char *path, const char *name);

/**
 * scenario_program() - find a program
 * @sc: a scenario
 * @name: of the program; may be NULL
 *
 * Return: the program, or NULL.
 */
const struct scenario_program *scenario_program(const struct scenario *sc, const char *name);

/* The programs of the host that a guest may need for one scenario, sh among them */
#define SCENARIO_ALL_NEEDS	(SCENARIO_MAX_PROGRAMS * SCENARIO_MAX_NEEDS + 1)

/**
 * scenario_needs() - the programs of the host that the guest has to get
 * @sc: a scenario
 * @names: filled in, without repetitions, up to a NULL
 * @packages: Debian's package of each; NULL for what every Debian has
 *
 * Return: how many; 0 for a scenario without programs.
 */
size_t scenario_needs(const struct scenario *sc, const char *names[SCENARIO_ALL_NEEDS + 1],
		      const char *packages[SCENARIO_ALL_NEEDS]);

/**
 * scenario_step_name() - the name of what a step does
 * @op: any
 */
const char *scenario_step_name(enum step_op op);

/**
 * limits_layer() - put one layer of limits onto another
 * @limits: changed where @over has something
 * @over: the next layer
 */
void limits_layer(struct limits *limits, const struct limits *over);

#endif /* KTSTR_SCENARIO_H */
