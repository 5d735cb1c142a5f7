// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <linux/kernel.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "check_parts.h"
#include "clock.h"
#include "kernel_log.h"
#include "kselftest.h"
#include "words.h"

/*
 * An emulated host does not see what it is denied itself, so that nobody can
 * correct for it. It shows as less work than the time would have allowed.
 * All of it is never seen: what counts is the quickest unit of work, and most are
 * slower there. Of 109 plays by healthy schedulers with 15 to 30 % of it, none had
 * a number beyond its limit.
 */
#define MIN_USED_PERCENT	15
#define MAX_DENIED_PERCENT	60
#define MIN_BUSY_NS		(60 * NSEC_PER_MSEC)

/* Of a cgroup: a line's worth of a list of CPUs, and two numbers with their names */
#define CPUS_TEXT_SIZE		128
#define CGROUP_TEXT_SIZE	(CPUS_TEXT_SIZE + 128)

const struct limits check_defaults = {
	/* Equals differ by less than half; one that is forgotten gets nothing. */
	.starved = 10,
	/* Queues per LLC that differ by a third in length are no defect. */
	.spread = 50,
	/*
	 * A slice is 20 ms in sched_ext by default, and 4 workers per CPU wait for
	 * three of them: 60 ms. Faults that matter are noticed by users: seconds.
	 */
	.gap_ms = 500,
	/* Half way between 3:1 and no weights at all: 25 % of the time, or 50 % */
	.weight_error = 50,
	/* Unused parts of a slice go back late, and each CPU holds one. */
	.quota_error = 25,
	/* Balancing takes some 100 ms of the first seconds; half of them is a fault. */
	.idle = 25,
	/* A queue of 4 workers with slices of 20 ms, and some luck */
	.wake_p50_us = 100000,
	/* The same without luck: a queue of three times that length */
	.wake_p99_us = 300000,
	/* As for any wait */
	.wake_p999_us = 500000,
	/*
	 * At 10 us of cold caches each, 10 % of the time is lost. Far less is a
	 * fault of schedulers that claim to avoid it: their scenarios say how much.
	 */
	.migrations = 10000,
	.llc_migrations = 10000,
	.node_migrations = 10000,
	/* Chance leaves a half on the own node: half of that, or it is not by chance. */
	.remote_pages = 75,
	/* Memory is taken where a task runs, or near it: all nodes would have to be full. */
	.slow_pages = 50,
	/* The quickest unit of work is no measure for the others: SMT, frequency. */
	.floor = 20,
	.rounds = UNLIMITED,
};

/* -- Findings --------------------------------------------------------------- */

const char *verdict_name(enum verdict verdict)
{
	static const char * const names[] = {
		[VERDICT_SKIP] = "SKIP",
		[VERDICT_PASS] = "PASS",
		[VERDICT_INCONCLUSIVE] = "INCONCLUSIVE",
		[VERDICT_FAIL] = "FAIL",
	};

	return names[verdict];
}

u64 check_within(u64 limit, unsigned int overcommit)
{
	return limit * (overcommit + 1) / 2;
}

unsigned int check_overcommit(unsigned int overcommit, u64 duration_ns, u64 denied_ns)
{
	u64 left = duration_ns - min(denied_ns, duration_ns / 100 * MAX_DENIED_PERCENT);

	return DIV_ROUND_UP(overcommit * duration_ns, max_t(u64, left, 1));
}

/* What a guest has said stays in its line: the next one may be read as a result. */
static void one_line(char *text)
{
	for (; *text; text++)
		if (iscntrl((unsigned char)*text))
			*text = ' ';
}

static void __printf(3, 0)
add_finding(struct findings *findings, const struct finding *finding, const char *fmt, va_list ap)
{
	struct finding *f;

	if (findings->nr < CHECK_MAX_FINDINGS) {
		f = &findings->list[findings->nr++];
	} else {
		f = &findings->list[CHECK_MAX_FINDINGS - 1];
		if (finding->verdict <= f->verdict)
			return;
	}
	*f = *finding;
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	one_line(f->text);
}

void check_add(struct findings *findings, const struct finding *finding, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_finding(findings, finding, fmt, ap);
	va_end(ap);
}

struct finding check_begin(const char *check, const struct check_group *g)
{
	return (struct finding){
		.check = check,
		.group = g ? g->name : NULL,
		.cpu = CHECK_NO_CPU,
		.at_ns = CHECK_NO_TIME,
	};
}

void check_judge(struct judge *j, struct finding *f, bool ok, const char *weak,
		 const char *fmt, ...)
{
	const struct check_sched *sched = &j->run->sched;
	char text[CHECK_TEXT_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (weak) {
		f->verdict = VERDICT_INCONCLUSIVE;
	} else if (ok) {
		f->verdict = VERDICT_PASS;
	} else if (j->stalled && words_have(sched->defects, f->check, ' ')) {
		/* Nobody is to blame for it anew, but it did not pass either. */
		f->verdict = VERDICT_INCONCLUSIVE;
		weak = sched->defects_reason ?: "this is known of the scheduler";
	} else {
		f->verdict = VERDICT_FAIL;
	}
	check_add(j->findings, f, "%s%s%s", text, weak ? "; " : "", weak ?: "");
}

enum verdict check_verdict(const struct findings *findings)
{
	enum verdict verdict = VERDICT_SKIP;
	size_t i;

	for (i = 0; i < findings->nr; i++)
		verdict = max(verdict, findings->list[i].verdict);
	return verdict == VERDICT_PASS && findings->unjudged ? VERDICT_SKIP : verdict;
}

const struct finding *check_find(const struct findings *findings, const char *check,
				 const char *group)
{
	const struct finding *worst = NULL, *f;

	for (f = findings->list; f < findings->list + findings->nr; f++) {
		if (check && strcmp(f->check, check))
			continue;
		if (group && (!f->group || strcmp(f->group, group)))
			continue;
		if (!worst || f->verdict > worst->verdict)
			worst = f;
	}
	return worst;
}

static void __printf(3, 4) append(char *buf, size_t size, const char *fmt, ...)
{
	size_t len = strlen(buf);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf + len, size - len, fmt, ap);
	va_end(ap);
}

char *check_format(const struct finding *f, char *buf, size_t size)
{
	snprintf(buf, size, "%s %s", verdict_name(f->verdict), f->check);
	if (f->group)
		append(buf, size, ", workers %s", f->group);
	append(buf, size, ": %s", f->text);
	if (f->unit)
		append(buf, size, "; seen %llu %s, expected at %s %llu",
		       (unsigned long long)f->seen, f->unit, f->at_least ? "least" : "most",
		       (unsigned long long)f->limit);
	if (f->cpu != CHECK_NO_CPU)
		append(buf, size, ", on CPU %d", f->cpu);
	if (f->at_ns != CHECK_NO_TIME)
		append(buf, size, ", at %llu ms", (unsigned long long)(f->at_ns / NSEC_PER_MSEC));
	one_line(buf);
	return buf;
}

static void print_findings(const struct findings *findings, enum verdict verdict)
{
	char line[2 * CHECK_TEXT_SIZE];
	const struct finding *f;

	for (f = findings->list; f < findings->list + findings->nr; f++)
		if (f->verdict == verdict)
			ksft_print_msg("%s\n", check_format(f, line, sizeof(line)));
}

/* What it is restricted to, in words */
static char *describe_cgroup(const struct check_run *run, const struct scenario_cgroup *cg,
			     char buf[CGROUP_TEXT_SIZE])
{
	char cpus[CPUS_TEXT_SIZE] = "all";
	struct errmsg unused;
	struct cpu_set set;

	if (cg->cpus.kind != CPUS_ALL &&
	    !scenario_resolve_cpus(&cg->cpus, run->topo, &set, &unused))
		cpu_set_format(&set, cpus, sizeof(cpus));
	snprintf(buf, CGROUP_TEXT_SIZE, "cpuset %s", cpus);
	if (cg->weight)
		append(buf, CGROUP_TEXT_SIZE, ", cpu.weight %u", cg->weight);
	if (cg->quota)
		append(buf, CGROUP_TEXT_SIZE, ", cpu.max %u %%", cg->quota);
	return buf;
}

static void print_cgroup(const struct check_run *run, size_t i)
{
	char at_start[CGROUP_TEXT_SIZE], at_end[CGROUP_TEXT_SIZE];

	describe_cgroup(run, &run->cgroups[i], at_start);
	describe_cgroup(run, run->cgroups_end ? &run->cgroups_end[i] : &run->cgroups[i], at_end);
	if (strcmp(at_start, at_end))
		ksft_print_msg("cgroup %s: %s; at the end %s\n", run->cgroups[i].name, at_start,
			       at_end);
	else
		ksft_print_msg("cgroup %s: %s\n", run->cgroups[i].name, at_start);
}

static void print_group(const struct check_group *g)
{
	char name[2 * WIRE_MAX_NAME];
	const struct load_group group = {
		.name = name,
		.workers = g->workers,
		.cpus = g->cpus,
	};

	snprintf(name, sizeof(name), "%s, workers %s", g->cgroup ?: "/", g->name);
	load_print(&group, g->stats);
}

void check_print(const struct check_run *run, const struct findings *findings)
{
	size_t i;

	print_findings(findings, VERDICT_FAIL);
	print_findings(findings, VERDICT_INCONCLUSIVE);
	print_findings(findings, VERDICT_SKIP);
	if (check_verdict(findings) <= VERDICT_PASS)
		return;
	for (i = 0; i < run->nr_cgroups; i++)
		print_cgroup(run, i);
	for (i = 0; i < run->nr_groups; i++)
		print_group(&run->groups[i]);
}

/* -- What the checks have in common ----------------------------------------- */

bool check_lacks(struct judge *j, const char *check, const struct check_group *g,
		 const char *word)
{
	const struct check_sched *sched = &j->run->sched;
	struct finding f = check_begin(check, g);

	if (!words_have(sched->lacks, word, ' '))
		return false;
	f.verdict = VERDICT_SKIP;
	check_add(j->findings, &f, "the scheduler does not do %s%s%s", word,
		  sched->lacks_reason ? ": " : "", sched->lacks_reason ?: "");
	return true;
}

bool check_is_rt(const struct check_group *g)
{
	return g->policy == POLICY_FIFO || g->policy == POLICY_RR || g->policy == POLICY_DEADLINE ||
	       g->work == WIRE_WORK_RT_HOG;
}

bool check_has_quota(const struct check_run *run, const struct check_group *g)
{
	size_t i;

	for (i = 0; i < run->nr_cgroups; i++)
		if (run->cgroups[i].quota && scenario_is_below(g->cgroup, run->cgroups[i].name))
			return true;
	return false;
}

struct cpu_set check_cpus_of(const struct check_run *run, const struct check_group *g)
{
	struct cpu_set cpus = g->cpus;
	unsigned int cpu;

	if (!cpu_set_count(&cpus))
		for (cpu = 0; cpu < topology_cpus(run->topo); cpu++)
			cpu_set_add(&cpus, cpu);
	return cpus;
}

static unsigned int weight_of(const struct check_group *g)
{
	return g->policy == POLICY_IDLE ? FAIR_IDLE : fair_nice_weight(g->nice);
}

/* Real-time workers take a CPU each, but for what throttling leaves (sched(7)). */
static void share_out(const struct check_run *run, struct crowd *crowd)
{
	struct fair_cgroup cgroups[SCENARIO_MAX_CGROUPS];
	struct fair_group groups[SCENARIO_MAX_WORKERS];
	u64 cpus = (u64)crowd->cpus * FAIR_CPU, rt = 0;
	size_t i;

	for (i = 0; i < run->nr_cgroups; i++)
		cgroups[i] = (struct fair_cgroup){ run->cgroups[i].name, run->cgroups[i].weight };
	for (i = 0; i < run->nr_groups; i++) {
		const struct check_group *g = &run->groups[i];

		groups[i] = (struct fair_group){ .cgroup = g->cgroup, .weight = weight_of(g) };
		if (crowd->in[i] && check_is_rt(g))
			rt += (u64)g->workers * FAIR_CPU;
		else if (crowd->in[i])
			groups[i].tasks = g->workers;
	}
	cpus = max(cpus > rt ? cpus - rt : 0, cpus / 20);
	crowd->capped = fair_due(groups, run->nr_groups, cgroups, run->nr_cgroups, cpus,
				 crowd->due);
}

void check_crowd(const struct check_run *run, const struct check_group *g, struct crowd *crowd)
{
	struct cpu_set cpus = check_cpus_of(run, g), other, both;
	size_t i;

	*crowd = (struct crowd){
		.cpus = cpu_set_count(&cpus),
		.even = !run->hotplug && !run->nr_programs,
	};
	for (i = 0; i < run->nr_groups; i++) {
		const struct check_group *o = &run->groups[i];

		other = check_cpus_of(run, o);
		both = other;
		cpu_set_and(&both, &cpus);
		if (!cpu_set_count(&both))
			continue;
		crowd->in[i] = true;
		crowd->workers += o->workers;
		if (o->changed || o->nr_affinity || check_is_rt(o) || check_has_quota(run, o) ||
		    !cpu_set_equal(&cpus, &other))
			crowd->even = false;
	}
	share_out(run, crowd);
}

u64 check_remainder(const struct crowd *crowd)
{
	u64 each = crowd->workers / max(1U, crowd->cpus);

	if (!each || !(crowd->workers % crowd->cpus))
		return 0;
	return 100ULL * crowd->workers / (crowd->cpus * each * (each + 1));
}

/* What a quota leaves to each of the workers that it is for */
static u64 quota_due(const struct check_run *run, const struct scenario_cgroup *cg)
{
	unsigned int workers = 0;
	size_t i;

	for (i = 0; i < run->nr_groups; i++)
		if (scenario_is_below(run->groups[i].cgroup, cg->name))
			workers += run->groups[i].workers;
	return (u64)cg->quota * FAIR_CPU / 100 / max(1U, workers);
}

u64 check_due(const struct check_run *run, const struct check_group *g)
{
	struct crowd crowd;
	u64 due = FAIR_CPU;
	size_t i;

	check_crowd(run, g, &crowd);
	if (!check_is_rt(g))
		due = min_t(u64, due, crowd.due[g - run->groups] / max(1U, g->workers));
	for (i = 0; i < run->nr_cgroups; i++)
		if (run->cgroups[i].quota && scenario_is_below(g->cgroup, run->cgroups[i].name))
			due = min(due, quota_due(run, &run->cgroups[i]));
	if (g->quota)
		due = min_t(u64, due, (u64)g->quota * FAIR_CPU / 100 / max(1U, g->workers));
	return max_t(u64, 1, due);
}

u64 check_place(struct finding *f, const struct wire_gap *gap)
{
	if (gap->sched_ns) {
		f->cpu = gap->cpu_after;
		f->at_ns = gap->at_ns;
	}
	return gap->sched_ns / NSEC_PER_MSEC;
}

const struct wire_gap *check_wait_of(const struct check_run *run, const struct check_group *g,
				     u32 index)
{
	static const struct wire_gap none;
	size_t i;

	for (i = 0; i < run->nr_reports; i++)
		if (run->reports[i].r.index == index && !strcmp(run->reports[i].group, g->name))
			return &run->reports[i].r.gap;
	return &none;
}

const char *check_weak(const struct judge *j, const struct check_group *g)
{
	u64 due_ns = g->stats->available_ns / 1000 * check_due(j->run, g) / (FAIR_CPU / 1000);

	if (due_ns < CHECK_CHANCE_NS)
		return "less than 60 ms of CPU time for each worker: set KTSTR_DURATION to more";
	return j->starved;
}

u64 check_since(u64 after, u64 before)
{
	return after > before ? after - before : 0;
}

u64 check_work_ns(const struct check_group *g)
{
	/* Workers that did not stop have not told what a unit takes. */
	if (g->work == WIRE_WORK_SPIN && g->stats->unit_ns)
		return g->stats->units * g->stats->unit_ns;
	return g->stats->cpu_ns;
}

/* How long the CPUs were watched: from one reading of their times to the next */
static u64 watched_ns(const struct check_run *run)
{
	u64 longest = 0, since;
	unsigned int cpu;

	since = check_since(run->after->at_ns, run->before->at_ns);
	if (since)
		return since;
	for (cpu = 0; cpu < topology_cpus(run->topo); cpu++)
		longest = max(longest, check_since(run->after->total_ns[cpu],
						   run->before->total_ns[cpu]));
	return longest;
}

/*
 * The time that the workers' CPUs had, while they were watched, for work; 0 if they
 * did not need half of it. A guest that is denied time loses ticks: what is in no
 * column was denied, too, where a CPU had something to do all the time.
 */
static u64 workable_ns(const struct check_run *run)
{
	u64 watched, total, idle, steal, wanted = 0, workable = 0;
	unsigned int cpu, cpus = topology_cpus(run->topo);

	if (!run->before || !run->after)
		return 0;
	watched = watched_ns(run);
	for (cpu = 0; cpu < cpus; cpu++) {
		total = check_since(run->after->total_ns[cpu], run->before->total_ns[cpu]);
		idle = check_since(run->after->idle_ns[cpu], run->before->idle_ns[cpu]);
		steal = check_since(run->after->steal_ns[cpu], run->before->steal_ns[cpu]);
		wanted += total - min(total, idle);
		workable += watched - min(watched, idle + steal);
	}
	return wanted > watched * cpus / 2 ? workable : 0;
}

/* How long the workers ran: those that are stuck make the run longer than that. */
static u64 ran_ns(const struct check_run *run)
{
	u64 ran = run->duration_ns;
	size_t i;

	for (i = 0; i < run->nr_reports; i++)
		ran = min(ran, run->reports[i].r.wall_ns);
	return ran;
}

const char *check_denied(const struct check_run *run)
{
	if (run->denied_ns <= run->duration_ns / 100 * MAX_DENIED_PERCENT)
		return NULL;
	return "the machine below had other things to do: run nothing else beside it";
}

/*
 * Why numbers of time mean nothing on this host, or NULL. A host that is busy makes
 * a guest's CPUs slow, but not idle; and who needs little need not be the one who
 * kept them busy.
 */
static const char *starved(const struct check_run *run)
{
	u64 workable = workable_ns(run), work = 0;
	const struct check_group *g;

	if (check_denied(run))
		return check_denied(run);
	/* What programs got done is not known in these terms, nor what offline CPUs had. */
	if (!run->host_is_tcg || workable < MIN_BUSY_NS || run->nr_programs || run->hotplug)
		return NULL;
	for (g = run->groups; g < run->groups + run->nr_groups; g++)
		work += check_work_ns(g);
	/* The CPUs were watched for a part of the run only. */
	work = work / 1000 * (watched_ns(run) / 1000) / max_t(u64, ran_ns(run) / 1000, 1) * 1000;
	if (work / (workable / 100) >= MIN_USED_PERCENT)
		return NULL;
	return "little of the emulated host's time was used: run nothing else beside it";
}

/* -- Checks of the machine -------------------------------------------------- */

/*
 * The kernel says so (SCX_ECODE_RSN_HOTPLUG), as all that a scheduler knows of the CPUs
 * may be wrong then; or scx_central does, which starts again, on some CPU.
 */
static bool ended_by_hotplug(const char *reason)
{
	return reason && (strstr(reason, "unregistered from the main kernel") ||
			  strstr(reason, "init from non-central CPU"));
}

/*
 * Is it the one under test? Steps may put another one in its place; their names are
 * not to be told apart if the kernel had forgotten it already, or they are the same.
 */
static bool is_tested(const struct check_sched *sched, const struct control_sched *left)
{
	return !sched->reloaded || !sched->ops || !*left->ops || !strcmp(left->ops, sched->ops);
}

/*
 * Did it break a rule, as the kernel or the scheduler itself found? That is not a matter of
 * time. Stalls and lockups are: the kernel's watchdogs tell of them.
 */
static bool broke_a_rule(const char *reason)
{
	return reason &&
	       (strstr(reason, "(runtime error)") || strstr(reason, "(scx_bpf_error)")) &&
	       !strstr(reason, "stall") && !strstr(reason, "lockup");
}

static void alive(struct judge *j)
{
	const struct check_sched *sched = &j->run->sched;
	const struct control_sched *left = sched->exit;
	struct finding f = check_begin("alive", NULL);
	bool known = sched->end_state && *sched->end_state && sched->end_ops, tested;

	/* One that left before the first look at it was not there at the start. */
	if (!sched->ops && !sched->unasked && !(left && left->valid))
		return;
	if (left && left->valid && j->run->hotplug && ended_by_hotplug(left->reason) &&
	    check_lacks(j, "alive", NULL, "hotplug"))
		return;
	if (left && left->valid) {
		tested = is_tested(sched, left);
		check_judge(j, &f, false, tested ? NULL :
			    "it was not the one under test, but one that a step put in its place",
			    "scheduler %s left by itself, state %s: %s",
			    *left->ops ? left->ops : sched->ops ?: "", left->state,
			    left->reason && *left->reason ? left->reason :
			    "the kernel gave no reason");
		if (tested) {
			j->findings->certain |= f.verdict == VERDICT_FAIL &&
						broke_a_rule(left->reason);
			return;
		}
	}
	if (sched->unasked && j->run->hotplug && check_lacks(j, "alive", NULL, "hotplug"))
		return;
	if (sched->unasked) {
		f.unit = "times";
		f.seen = sched->unasked;
		check_judge(j, &f, false, NULL,
			    "scheduler %s was loaded again, though no step did: it had left",
			    sched->ops ?: "");
		return;
	}
	if (!known) {
		check_judge(j, &f, false, "sched_ext's state at the end is not known",
			    "scheduler %s", sched->ops);
		return;
	}
	check_judge(j, &f, !strcmp(sched->end_state, "enabled") &&
		    !strcmp(sched->end_ops, sched->ops), NULL,
		    "scheduler %s, at the end %s is %s", sched->ops,
		    *sched->end_ops ? sched->end_ops : "none", sched->end_state);
}

/* Tell of counters that have grown; find one that has shrunk. */
static bool compare_events(const char *before, const char *after, char *text, size_t size)
{
	u64 was, is;
	char key[64];
	size_t len;

	for (; *after; after += strcspn(after, "\n"), after += *after == '\n') {
		len = strcspn(after, "\n ");
		if (!len || len >= sizeof(key))
			continue;
		snprintf(key, sizeof(key), "%.*s", (int)len, after);
		if (!load_value(after, key, &is))
			continue;
		if (!load_value(before, key, &was))
			was = 0;
		if (is < was) {
			snprintf(text, size, "%s went from %llu to %llu: this is another instance",
				 key, (unsigned long long)was, (unsigned long long)is);
			return false;
		}
		if (is > was)
			append(text, size, "%s%s +%llu", *text ? ", " : "", key,
			       (unsigned long long)(is - was));
	}
	return true;
}

static void events(struct judge *j)
{
	const struct check_sched *sched = &j->run->sched;
	struct finding f = check_begin("events", NULL);
	char text[CHECK_TEXT_SIZE / 2] = "";
	const char *weak = NULL;
	bool ok;

	if (!sched->ops || sched->reloaded || !sched->events_before || !sched->events_after)
		return;
	if (*sched->events_before && !*sched->events_after)
		weak = "they could not be read at the end";
	ok = compare_events(sched->events_before, sched->events_after, text, sizeof(text));
	check_judge(j, &f, ok, weak, "counters of sched_ext: %s", *text ? text : "no change");
}

static void kernel_log(struct judge *j)
{
	struct finding f = check_begin("kernel_log", NULL);
	struct kernel_log_trouble found, fault;
	struct judge told = *j;

	if (!j->run->kernel_log)
		return;
	if (!kernel_log_find(j->run->kernel_log, j->run->log_since_ns, &found)) {
		check_judge(j, &f, true, NULL, "nothing");
		return;
	}
	/* What a starved host, or a known defect, explains is not to hide what it does not. */
	if (found.slow &&
	    kernel_log_find_fault(j->run->kernel_log, j->run->log_since_ns, &fault))
		found = fault;
	if (found.at_ns >= j->run->log_since_ns && j->run->log_since_ns)
		f.at_ns = found.at_ns - j->run->log_since_ns;
	/* Who waited may be a thread of the kernel's, whatever the workers say. */
	told.stalled = found.slow;
	check_judge(&told, &f, false, found.slow ? j->starved : NULL, "%.*s",
		    (int)min_t(size_t, found.len, CHECK_TEXT_SIZE), found.line);
}

/*
 * Has somebody waited for a quarter of the run, or for the kernel's watchdog? The known
 * defects of schedulers are of this kind; what is not is another one.
 */
static bool stalled(const struct check_run *run)
{
	const struct control_sched *left = run->sched.exit;
	const struct check_group *g;
	size_t i;

	if (left && left->valid && left->reason && strstr(left->reason, "runnable task stall"))
		return true;
	for (i = 0; i < run->nr_programs; i++)
		if (run->programs[i].late)
			return true;
	for (g = run->groups; g < run->groups + run->nr_groups; g++)
		if (check_waited_long(run, g))
			return true;
	return false;
}

static bool has_rt(const struct check_run *run)
{
	size_t i;

	for (i = 0; i < run->nr_groups; i++)
		if (check_is_rt(&run->groups[i]))
			return true;
	return false;
}

void check_run(const struct check_run *run, struct findings *findings)
{
	struct judge j = {
		.run = run,
		.findings = findings,
		.starved = starved(run),
		.stalled = stalled(run),
	};
	size_t i;

	alive(&j);
	j.unshared = (has_rt(run) && check_lacks(&j, "gap", NULL, "rt")) ||
		     (run->overcommit > 1 && check_lacks(&j, "gap", NULL, "overcommit"));
	findings->unjudged = j.unshared && !run->nr_programs;
	for (i = 0; i < run->nr_groups; i++)
		check_workers(&j, &run->groups[i]);
	if (!j.unshared)
		check_shares(&j);
	for (i = 0; i < run->nr_programs; i++)
		check_program(&j, &run->programs[i]);
	events(&j);
	kernel_log(&j);
}
