/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From what a run has shown to a verdict. Pure computation, but for check_print().
 *
 * A check that does not apply to a run has no finding. One that applies, but had
 * too little to go by, is INCONCLUSIVE, whatever it has seen. What a scheduler is
 * declared not to do is not demanded: a SKIP, with the reason. Limits are for a
 * host that has a CPU for each of the guest's. Most are the wider the fewer it has;
 * that of conservation is stricter there, as idle time is then seen in part only.
 *
 * The checks, by the names in their findings:
 *
 *	workers		each worker ran, came back, and computed right results
 *	errors		no system call of their work failed; never more than
 *			INCONCLUSIVE
 *	isolation	no worker ran outside of its cpuset and affinity
 *	starvation	no worker got much less than the others of its group
 *	gap		no runnable worker waited for long
 *	spread		workers that only compute got equal shares of CPU time
 *	throughput	others that are alike got as much done as each other, and as
 *			limits.rounds asks; and the CPUs got as much done as they could
 *	weight		shares are those of cpu.weight and nice
 *	quota		cpu.max is kept, and made use of
 *	conservation	no CPU is idle while there is a worker for it; where steps changed
 *			who may run where, after the last of them as well
 *	latency		workers that wake up run soon
 *	migration	workers stay on their CPUs and LLCs
 *	locality	they stay on their nodes, with their memory, which is seldom on
 *			nodes without CPUs
 *	alive		the scheduler under test is still the one that runs
 *	events		which of sched_ext's counters have grown; a FAIL only if they
 *			shrank, as then the scheduler is another instance
 *	program		programs end well, and print the numbers that they have to
 *	kernel_log	the kernel has nothing to complain about
 */
#ifndef KTSTR_CHECK_H
#define KTSTR_CHECK_H

#include <linux/compiler.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "control.h"
#include "cpu_times.h"
#include "cpulist.h"
#include "load.h"
#include "scenario.h"
#include "topology.h"

#define CHECK_MAX_FINDINGS	256
#define CHECK_TEXT_SIZE		384
#define CHECK_NO_CPU		(-1)
#define CHECK_NO_TIME		(~0ULL)

/**
 * enum verdict - in an order in which the greatest is that of all
 * @VERDICT_SKIP: nothing was judged
 * @VERDICT_PASS: what was judged is well
 * @VERDICT_INCONCLUSIVE: it could not be told
 * @VERDICT_FAIL: something is wrong
 */
enum verdict {
	VERDICT_SKIP,
	VERDICT_PASS,
	VERDICT_INCONCLUSIVE,
	VERDICT_FAIL,
};

/* "SKIP", "PASS", "INCONCLUSIVE" or "FAIL" */
const char *verdict_name(enum verdict verdict);

/**
 * enum check_changed - what steps did to a group of workers while it ran, or to
 *	its cgroup or one above; checks that this leaves without meaning do not apply
 * @CHECK_CPUS: the cpuset was changed
 * @CHECK_AFFINITY: the affinity was changed
 * @CHECK_WEIGHT: cpu.weight, nice or policy was changed
 * @CHECK_QUOTA: cpu.max was changed
 * @CHECK_FROZEN: it was frozen for a while
 * @CHECK_MOVED: some or all were moved to another cgroup
 * @CHECK_PRESENCE: it was started after others, or stopped before them
 */
enum check_changed {
	CHECK_CPUS	= 1 << 0,
	CHECK_AFFINITY	= 1 << 1,
	CHECK_WEIGHT	= 1 << 2,
	CHECK_QUOTA	= 1 << 3,
	CHECK_FROZEN	= 1 << 4,
	CHECK_MOVED	= 1 << 5,
	CHECK_PRESENCE	= 1 << 6,
};

/**
 * struct check_group - a group of workers, as it was asked for, and what it did
 * @name: of the group, as in the reports
 * @cgroup: below the root; NULL for the root cgroup
 * @cpus: the CPUs of its cgroup; the empty set for all. Where steps changed them,
 *	all that it was allowed at any time.
 * @affinity: worker i has the CPUs of entry i % @nr_affinity, the empty set for all
 *	that its cgroup has; NULL for no affinities
 * @nr_affinity: entries in @affinity
 * @memory: where its memory is to be
 * @mems: nodes that its memory is bound to, one bit each; 0 for no binding
 * @workers: how many there are to be
 * @spawns: how often they were spawned, all of them each time; 0 is as 1
 * @work: what they do; WIRE_WORK_CUSTOM if that is one thing after the other
 * @policy: theirs
 * @nice: theirs
 * @background: only there to disturb: it has to run, compute right results and
 *	stay on its CPUs; no more is demanded
 * @always_runnable: they never sleep, as with WIRE_WORK_SPIN
 * @changed: see enum check_changed
 * @quota: the tightest cpu.max that steps gave it, in percent of a CPU; 0 for none
 * @settled: after the last step that changed who may run where, all of them were there
 *	and free to use all of @settled_cpus
 * @settled_cpus: the empty set for all
 * @stats: what they did
 */
struct check_group {
	const char *name;
	const char *cgroup;
	struct cpu_set cpus;
	const struct cpu_set *affinity;
	unsigned int nr_affinity;
	enum memory memory;
	u64 mems;
	unsigned int workers;
	unsigned int spawns;
	enum wire_work work;
	enum sched_policy policy;
	int nice;
	bool background;
	bool always_runnable;
	unsigned int changed;
	unsigned int quota;
	bool settled;
	struct cpu_set settled_cpus;
	const struct load_stats *stats;
};

/**
 * struct check_program - a program, and how one run of it ended
 * @program: as it was asked for
 * @wait_status: see wait(2)
 * @killed: by a step
 * @late: it did not end in time, and was killed; there is no @wait_status then
 * @output: what it wrote to stdout and stderr; NULL if that is not known
 */
struct check_program {
	const struct scenario_program *program;
	int wait_status;
	bool killed;
	bool late;
	const char *output;
};

/**
 * struct check_sched - the scheduler under test
 * @ops: the name that the kernel had for it at the start; NULL for EEVDF, for one
 *	that had left by then, and where the last step made it leave or replaced it
 * @end_state: sched_ext's state at the end; NULL if it is not known
 * @end_ops: the scheduler's name at the end; NULL if it is not known
 * @exit: how it left without being told to, if so; may be NULL. With @reloaded, it
 *	may be about another one, which a step put in its place: the name tells.
 * @reloaded: a step had it loaded again
 * @unasked: how often it was loaded again though no step did so; 0 also where the
 *	kernel does not tell
 * @events_before: content of its events file before the run; NULL if there is none
 * @events_after: and after it
 * @lacks: words for what it does not do, by design, separated by blanks: "nice",
 *	"cpu.weight", "cpu.max", "llc" (keeping tasks in theirs), "numa"
 *	(likewise), "hotplug" (without ops.cpu_online and cpu_offline, the kernel
 *	ends it), "rt" (without ops.cpu_release, tasks wait for a CPU that a
 *	real-time task has taken), "overcommit" (keeping CPUs in work where the host
 *	has not one for each: one CPU decides for all, and is away most of the
 *	time); NULL for nothing
 * @lacks_reason: why that is no fault; may be NULL
 * @defects: checks, separated by blanks, that are known to fail at times, with somebody
 *	who waits for a quarter of the run: a FAIL of them is INCONCLUSIVE then, that of
 *	"kernel_log" if it is about such a wait; NULL for none
 * @defects_reason: what is wrong with it; may be NULL
 */
struct check_sched {
	const char *ops;
	const char *end_state;
	const char *end_ops;
	const struct control_sched *exit;
	bool reloaded;
	u64 unasked;
	const char *events_before;
	const char *events_after;
	const char *lacks;
	const char *lacks_reason;
	const char *defects;
	const char *defects_reason;
};

/**
 * struct check_run - all that a run has shown
 * @topo: the guest's topology
 * @duration_ns: from the workers' start to their end
 * @overcommit: check_overcommit()
 * @host_is_tcg: the host is emulated, and does not see what it is denied itself
 * @denied_ns: what it was denied during the run, as the machine that emulates it says
 * @limits: what must hold: all layers, of which check_defaults is the first
 * @cgroups: with their weights and quotas; what is not among them has the defaults
 * @cgroups_end: what steps made of them; NULL if that is not known
 * @nr_cgroups: how many; at most SCENARIO_MAX_CGROUPS
 * @groups: of workers
 * @nr_groups: how many; at most SCENARIO_MAX_WORKERS
 * @programs: in the order in which they ended
 * @nr_programs: how many
 * @reports: of all workers
 * @nr_reports: how many
 * @before: the CPUs' times when all workers had started; NULL if they are not known
 * @settled: the same after the last step that changed who may run where; NULL if there
 *	was no such step, no time was left after it, or a CPU is offline
 * @after: the same before all that were left stopped
 * @hotplug: CPUs went offline or came online meanwhile
 * @sched: the scheduler
 * @kernel_log: as control_kmsg() has it; NULL if it is not known
 * @log_since_ns: when the run began, by the log's clock
 */
struct check_run {
	const struct topology *topo;
	u64 duration_ns;
	unsigned int overcommit;
	bool host_is_tcg;
	u64 denied_ns;
	struct limits limits;
	const struct scenario_cgroup *cgroups;
	const struct scenario_cgroup *cgroups_end;
	size_t nr_cgroups;
	const struct check_group *groups;
	size_t nr_groups;
	const struct check_program *programs;
	size_t nr_programs;
	const struct control_report *reports;
	size_t nr_reports;
	const struct cpu_times *before;
	const struct cpu_times *settled;
	const struct cpu_times *after;
	bool hotplug;
	struct check_sched sched;
	const char *kernel_log;
	u64 log_since_ns;
};

/**
 * struct finding - what a check found
 * @check: its name; a constant
 * @group: whose workers; NULL if it is about the machine
 * @verdict: see enum verdict
 * @seen: the number that decided
 * @limit: what it was held against
 * @at_least: @limit is the least, not the most, that is well
 * @unit: of both; NULL if no number decided
 * @cpu: where; or CHECK_NO_CPU
 * @at_ns: when, since the start of the run; or CHECK_NO_TIME
 * @text: in words, without these numbers
 */
struct finding {
	const char *check;
	const char *group;
	enum verdict verdict;
	u64 seen;
	u64 limit;
	bool at_least;
	const char *unit;
	int cpu;
	u64 at_ns;
	char text[CHECK_TEXT_SIZE];
};

/**
 * struct findings - what all checks found; all zero when there is nothing
 * @list: the findings
 * @nr: how many; when there is no room, a worse one takes the place of the last
 * @unjudged: what makes a scheduler a good one could not be checked: that nothing else
 *	was wrong is no PASS
 * @unrepeated: of a play that was no FAIL after one that was: see stage_play()
 * @certain: there is a FAIL that no host can have caused, however slow
 */
struct findings {
	struct finding list[CHECK_MAX_FINDINGS];
	size_t nr;
	bool unjudged;
	bool unrepeated;
	bool certain;
};

/* What healthy schedulers meet on every topology; the reasons are in check.c. */
extern const struct limits check_defaults;

/**
 * check_within() - what is allowed on this host
 * @limit: for a host with a CPU for each of the guest's
 * @overcommit: load_overcommit()
 */
u64 check_within(u64 limit, unsigned int overcommit);

/**
 * check_overcommit() - how many CPUs of the guest shared one in effect
 * @overcommit: load_overcommit()
 * @duration_ns: of the run
 * @denied_ns: what the host was denied of that, see struct check_run
 *
 * A host that has its CPU for half of the time is one with half a CPU.
 */
unsigned int check_overcommit(unsigned int overcommit, u64 duration_ns, u64 denied_ns);

/**
 * check_add() - add a finding
 * @findings: where to
 * @finding: all but its text
 * @fmt: the text
 */
void check_add(struct findings *findings, const struct finding *finding,
	       const char *fmt, ...) __printf(3, 4);

/**
 * check_run() - judge a run
 * @run: what it has shown
 * @findings: those of all checks that apply are added
 */
void check_run(const struct check_run *run, struct findings *findings);

/**
 * check_verdict() - the verdict of all findings
 * @findings: any
 *
 * Return: the greatest; VERDICT_SKIP if there are none, or if that is VERDICT_PASS, but
 * findings.unjudged.
 */
enum verdict check_verdict(const struct findings *findings);

/**
 * check_find() - what a check found
 * @findings: any
 * @check: its name; NULL for any
 * @group: whose workers; NULL for any, and for the machine
 *
 * Return: the first of the worst, or NULL if there is none.
 */
const struct finding *check_find(const struct findings *findings, const char *check,
				 const char *group);

/**
 * check_format() - a finding in one line
 * @finding: which
 * @buf: filled in, without a newline, also where the text has some
 * @size: bytes at @buf; twice CHECK_TEXT_SIZE is enough
 *
 * Return: @buf.
 */
char *check_format(const struct finding *finding, char *buf, size_t size);

/**
 * check_print() - diagnostic lines about findings
 * @run: the run
 * @findings: of it
 *
 * A line for each that is no PASS, the worst first; then, if one of them is worse
 * than that, the tables of the cgroups and of the groups of workers.
 */
void check_print(const struct check_run *run, const struct findings *findings);

#endif /* KTSTR_CHECK_H */
