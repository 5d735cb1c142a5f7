// SPDX-License-Identifier: GPL-2.0
/* Checks of who got how much of the CPUs, and whether the CPUs were used */
#include <linux/kernel.h>
#include <string.h>

#include "check_parts.h"
#include "clock.h"

/* Two ticks, by which /proc/stat counts: less than that may be none at all. */
#define MIN_IDLE_NS		20000000ULL

/* Percent by which a share with weights and one without differ, at least */
#define LEAST_APART	10

#define PERIOD_NS	(100 * NSEC_PER_MSEC)	/* of cpu.max, by default */

/* Has a group before this one the same CPUs? Then it has been judged with that. */
static bool seen_before(const struct check_run *run, const struct check_group *g)
{
	struct cpu_set cpus = check_cpus_of(run, g), other;
	const struct check_group *o;

	for (o = run->groups; o < g; o++) {
		other = check_cpus_of(run, o);
		if (cpu_set_equal(&cpus, &other))
			return true;
	}
	return false;
}

/* -- cpu.weight and nice ------------------------------------------------------ */

/*
 * struct split - groups that divide the same CPUs among them
 * @in: which
 * @nr: how many
 * @units: all of them count the same units of work
 * @due: the sum of what they are due
 * @rate: the sum of what they got
 * @workers: how many they are
 */
struct split {
	bool in[SCENARIO_MAX_WORKERS];
	unsigned int nr;
	bool units;
	u64 due;
	u64 rate;
	u64 workers;
};

static bool changes_itself(const struct check_group *g)
{
	return g->work == WIRE_WORK_NICE || g->work == WIRE_WORK_POLICY ||
	       g->work == WIRE_WORK_INVERSION || g->work == WIRE_WORK_CGROUP;
}

/* What a group got: work per second, or CPU time in us, never too large for sums */
static u64 rate_of(const struct split *s, const struct check_group *g)
{
	return s->units ? g->stats->mean_rate * g->stats->workers : g->stats->cpu_ns / 1000;
}

/* Find out who takes part; false if that says nothing about weights. */
static bool split_make(const struct check_run *run, const struct crowd *crowd, struct split *s)
{
	const struct check_group *g;
	size_t i;

	*s = (struct split){ .units = true };
	for (i = 0; i < run->nr_groups; i++) {
		g = &run->groups[i];
		if (!crowd->in[i])
			continue;
		if (changes_itself(g))
			return false;
		if (!g->always_runnable && !g->background)
			return false;
		if (!g->always_runnable)
			continue;
		/* What a cap leaves goes to the siblings first: too deep for fair.h. */
		if (crowd->capped && g->cgroup && strchr(g->cgroup, '/'))
			return false;
		s->in[i] = true;
		s->nr++;
		s->units &= g->work == WIRE_WORK_SPIN;
		s->due += crowd->due[i];
		s->workers += g->workers;
	}
	for (i = 0; i < run->nr_groups; i++)
		if (s->in[i])
			s->rate += rate_of(s, &run->groups[i]);
	return s->nr > 1 && s->due && s->workers;
}

/*
 * By how many percent is the greater above the smaller? The same in both directions: a
 * half is as far off as twice as much, and nothing at all is further than any limit.
 */
static u64 apart(u64 a, u64 b)
{
	return max(a, b) * 100 / max_t(u64, min(a, b), 1) - (a || b ? 100 : 0);
}

/* Parts of all, in millionths */
static u64 part(u64 of, u64 all)
{
	return all ? of * 1000000 / all : 0;
}

static bool is_idle(const struct check_group *g)
{
	return g->policy == POLICY_IDLE;
}

static bool same_nice(const struct check_group *a, const struct check_group *b)
{
	return a->nice == b->nice && is_idle(a) == is_idle(b);
}

static bool same_cgroup(const struct check_group *a, const struct check_group *b)
{
	return !strcmp(a->cgroup ?: "", b->cgroup ?: "");
}

/* Is one of the split's groups not the same as its first? */
static bool differs(const struct check_run *run, const struct split *s,
		    bool (*same)(const struct check_group *a, const struct check_group *b))
{
	const struct check_group *first = NULL, *g;

	for (g = run->groups; g < run->groups + run->nr_groups; g++) {
		if (!s->in[g - run->groups])
			continue;
		if (!first)
			first = g;
		if (!same(first, g))
			return true;
	}
	return false;
}

/* The longest wait of others in the split: who gets too much has it from them */
static const struct check_group *who_waited(const struct check_run *run, const struct split *s,
					    const struct check_group *but)
{
	const struct check_group *who = NULL, *g;

	for (g = run->groups; g < run->groups + run->nr_groups; g++)
		if (s->in[g - run->groups] && g != but &&
		    (!who || g->stats->gap.sched_ns > who->stats->gap.sched_ns))
			who = g;
	return who ?: but;
}

static void weigh(struct judge *j, const struct check_group *g, const struct crowd *crowd,
		  const struct split *s)
{
	size_t i = g - j->run->groups;
	u64 want = part(crowd->due[i], s->due), flat = part(g->workers, s->workers);
	u64 seen = part(rate_of(s, g), s->rate);
	u64 due_ns = g->stats->available_ns / 1000 * crowd->due[i] / (FAIR_CPU / 1000);
	u64 chance = CHECK_CHANCE_NS * 100 / max_t(u64, due_ns, 1);
	u64 error = check_within(j->run->limits.weight_error + chance, j->run->overcommit);
	const struct check_group *waited = seen < want ? g : who_waited(j->run, s, g);
	const char *weak = j->starved;
	struct finding f = check_begin("weight", g);
	bool even = apart(want, flat) < LEAST_APART, ok;
	u64 wait_ms;

	/* Equals differ by where they are, too. */
	if (even)
		error = check_within(j->run->limits.weight_error + chance + check_remainder(crowd),
				     j->run->overcommit);
	f.unit = "% of its share";
	f.seen = seen * 100 / max_t(u64, want, 1);
	f.at_least = seen < want;
	f.limit = f.at_least ? DIV_ROUND_UP(100 * 100, 100 + error) : 100 + error;
	ok = f.at_least ? f.seen >= f.limit : f.seen <= f.limit;
	if (due_ns < CHECK_CHANCE_NS)
		weak = "less than 60 ms of CPU time in all: set KTSTR_DURATION to more";
	else if (ok && !even && apart(want, flat) <= error)
		weak = "this host is too small to tell it from no weights at all";
	wait_ms = check_place(&f, &waited->stats->gap);
	check_judge(j, &f, ok, weak,
		    "due %llu.%llu %% of the work, did %llu.%llu %%, without weights %llu.%llu %%, workers %s waited for up to %llu ms",
		    (unsigned long long)want / 10000, (unsigned long long)want / 1000 % 10,
		    (unsigned long long)seen / 10000, (unsigned long long)seen / 1000 % 10,
		    (unsigned long long)flat / 10000, (unsigned long long)flat / 1000 % 10,
		    waited->name, (unsigned long long)wait_ms);
}

/* Only computing is the same everywhere, and only one group's share is not the others'. */
static void weigh_equals(struct judge *j, const struct crowd *crowd, const struct split *s)
{
	const struct check_group *g, *least = NULL;

	for (g = j->run->groups; g < j->run->groups + j->run->nr_groups; g++) {
		if (!s->in[g - j->run->groups] || g->background)
			continue;
		if (!least || rate_of(s, g) * least->workers < rate_of(s, least) * g->workers)
			least = g;
	}
	if (s->units && least)
		weigh(j, least, crowd, s);
}

/*
 * The one that weights mean most to tells most: who has ten times another's weight
 * gains little by it on top of what everybody has, the other loses nearly all.
 */
static void weight(struct judge *j, const struct check_group *g)
{
	const struct check_run *run = j->run;
	u64 most = 0, off;
	struct crowd crowd;
	struct split s;
	size_t i, who = 0;

	if (!check_limited(run->limits.weight_error) || seen_before(run, g))
		return;
	check_crowd(run, g, &crowd);
	if (!crowd.even || !split_make(run, &crowd, &s))
		return;
	for (i = 0; i < run->nr_groups; i++) {
		off = s.in[i] ? apart(part(crowd.due[i], s.due),
				      part(run->groups[i].workers, s.workers)) : 0;
		if (off > most) {
			most = off;
			who = i;
		}
	}
	/* Weights that change next to nothing: the groups are equals, by any scheduler. */
	if (most < LEAST_APART) {
		weigh_equals(j, &crowd, &s);
		return;
	}
	if (differs(run, &s, same_nice) && check_lacks(j, "weight", &run->groups[who], "nice"))
		return;
	if (differs(run, &s, same_cgroup) &&
	    check_lacks(j, "weight", &run->groups[who], "cpu.weight"))
		return;
	for (i = 0; i < run->nr_groups; i++) {
		if (!s.in[i] || run->groups[i].background)
			continue;
		off = apart(part(crowd.due[i], s.due), part(run->groups[i].workers, s.workers));
		if (i == who || off > check_within(run->limits.weight_error, run->overcommit))
			weigh(j, &run->groups[i], &crowd, &s);
	}
}

/* -- cpu.max ------------------------------------------------------------------ */

/*
 * struct usage - what a cgroup with a quota used
 * @least_ns: time used, at least
 * @most_ns: at most: CPU clocks count steal, too
 * @due: without the quota, in 1/FAIR_CPU of a CPU; 0 if nobody can tell
 * @available_ns: what the host left, of each CPU
 * @steal_ns: of those whose CPU clocks have to be believed
 * @changed: of all groups in it
 * @nr: how many groups
 * @last: one of them
 * @gap: the longest wait of all
 */
struct usage {
	u64 least_ns;
	u64 most_ns;
	u64 due;
	u64 available_ns;
	u64 steal_ns;
	unsigned int changed;
	unsigned int nr;
	const struct check_group *last;
	const struct wire_gap *gap;
};

/* What its workers could use if it had no quota; 0 if that is not sure */
static u64 demand(const struct check_run *run, const struct check_group *g)
{
	struct crowd crowd;
	size_t i;

	if (!g->always_runnable || g->changed || g->nr_affinity || check_is_rt(g) || run->hotplug)
		return 0;
	check_crowd(run, g, &crowd);
	for (i = 0; i < run->nr_groups; i++)
		if (crowd.in[i] && check_is_rt(&run->groups[i]))
			return 0;
	return crowd.due[g - run->groups];
}

static struct usage usage_of(const struct check_run *run, const struct scenario_cgroup *cg)
{
	const struct check_group *g;
	struct usage u = {};

	for (g = run->groups; g < run->groups + run->nr_groups; g++) {
		if (!scenario_is_below(g->cgroup, cg->name))
			continue;
		u.least_ns += check_work_ns(g);
		u.most_ns += max(check_work_ns(g), g->stats->cpu_ns);
		if (g->work != WIRE_WORK_SPIN)
			u.steal_ns = max(u.steal_ns, g->stats->steal_ns);
		u.due += demand(run, g);
		u.available_ns = max(u.available_ns, g->stats->available_ns);
		u.changed |= g->changed;
		u.nr++;
		u.last = g;
		if (!u.gap || g->stats->gap.sched_ns > u.gap->sched_ns)
			u.gap = &g->stats->gap;
	}
	return u;
}

/* A tighter quota above it, or work that changes its cgroup: not its own doing */
static bool quota_is_clear(const struct check_run *run, const struct scenario_cgroup *cg)
{
	const struct check_group *g;
	size_t i;

	for (i = 0; i < run->nr_cgroups; i++)
		if (run->cgroups[i].quota && &run->cgroups[i] != cg &&
		    scenario_is_below(cg->name, run->cgroups[i].name))
			return false;
	for (g = run->groups; g < run->groups + run->nr_groups; g++)
		if (g->work == WIRE_WORK_CGROUP ||
		    (scenario_is_below(g->cgroup, cg->name) && check_is_rt(g)))
			return false;
	return true;
}

/*
 * What it would have got done without the quota, as far as that is known: work is to
 * CPU time as it was with it.
 */
static u64 unlimited_ns(const struct usage *u)
{
	u64 cpu_ns = u->due / 1000 * (u->available_ns / 1000);
	u64 per_mille = u->least_ns / max_t(u64, u->most_ns / 1000, 1);

	return cpu_ns / 1000 * per_mille;
}

/*
 * A crowded host makes the guest count time in which nothing was done: that lowers
 * what a group with a quota may get done, but never raises it.
 */
static void judge_quota(struct judge *j, const struct scenario_cgroup *cg)
{
	unsigned int error = j->run->limits.quota_error;
	struct usage u = usage_of(j->run, cg);
	u64 want_ns = j->run->duration_ns / 100 * cg->quota, percent, chance, most, slack;
	struct finding f = check_begin("quota", u.last);
	const char *weak = j->starved;
	bool ok;

	if (!u.nr || u.changed & (CHECK_QUOTA | CHECK_MOVED) || !quota_is_clear(j->run, cg) ||
	    check_lacks(j, "quota", u.last, "cpu.max"))
		return;
	if (want_ns < CHECK_CHANCE_NS)
		weak = "less than 60 ms of CPU time in all: set KTSTR_DURATION to more";
	percent = max_t(u64, want_ns / 100, 1);
	/* Two periods may lie across the ends of the run. */
	chance = (2 * PERIOD_NS / 100 * cg->quota + CHECK_CHANCE_NS) / percent;
	most = 100 + error + chance;
	slack = check_within(error, j->run->overcommit) + chance;
	f.unit = "% of the quota";
	f.seen = u.least_ns / percent;
	f.limit = most;
	if (f.seen > most && u.steal_ns > percent * error)
		weak = "CPU clocks count what the host took";
	if (f.seen <= most && u.due > (u64)FAIR_CPU * cg->quota / 100) {
		/* What the host took away could not be used. */
		f.seen = u.most_ns / percent;
		f.limit = max_t(u64, 1, 100 * 100 / (100 + slack) * (u.available_ns / 1000) /
					max_t(u64, j->run->duration_ns / 1000, 1));
		f.at_least = true;
		check_place(&f, u.gap);
	}
	ok = f.at_least ? f.seen >= f.limit : f.seen <= f.limit;
	if (ok && unlimited_ns(&u) <= percent * most)
		weak = weak ?: "it may not have been able to use more than that on this host";
	check_judge(j, &f, ok, weak,
		    "cgroup %s has a cpu.max of %u %% of a CPU", cg->name, cg->quota);
}

/* -- Work conservation --------------------------------------------------------- */

/*
 * Do always enough workers of this group want to run on its CPUs? Those of
 * SCHED_DEADLINE do until their runtime is used up.
 */
static bool demands(const struct check_run *run, const struct check_group *g, bool settled)
{
	return g->always_runnable && (settled ? g->settled : !g->changed) &&
	       !check_has_quota(run, g) && g->stats->workers && g->policy != POLICY_DEADLINE;
}

/* The CPUs of a group, during the whole run or after the last step */
static struct cpu_set cpus_then(const struct check_run *run, const struct check_group *g,
				bool settled)
{
	struct check_group then = *g;

	if (settled)
		then.cpus = g->settled_cpus;
	return check_cpus_of(run, &then);
}

/* CPUs for which there is a worker all the time */
static struct cpu_set demanded(const struct check_run *run, bool settled)
{
	struct cpu_set set = {}, cpus, other;
	const struct check_group *g, *o;
	unsigned int workers, i;

	for (g = run->groups; g < run->groups + run->nr_groups; g++) {
		if (!demands(run, g, settled))
			continue;
		cpus = cpus_then(run, g, settled);
		for (i = 0; i < g->workers && g->nr_affinity; i++) {
			other = g->affinity[i % g->nr_affinity];
			cpu_set_and(&other, &cpus);
			if (cpu_set_count(&other) == 1)
				cpu_set_add(&set, cpu_set_next(&other, 0));
		}
		for (workers = 0, o = run->groups; o < run->groups + run->nr_groups; o++) {
			other = cpus_then(run, o, settled);
			if (demands(run, o, settled) && !o->nr_affinity &&
			    cpu_set_equal(&cpus, &other))
				workers += o->workers;
		}
		if (workers < cpu_set_count(&cpus))
			continue;
		for (i = 0; i < CPU_SET_WORDS; i++)
			set.bits[i] |= cpus.bits[i];
	}
	return set;
}

/*
 * Time in which a CPU had nothing to do, at least. A CPU that an interrupt has woken, but
 * that the host does not run yet, is idle for its kernel until it runs: that time is in
 * both columns, of idle and of steal, and nobody knows how much of it there was.
 */
static u64 idle_ns(const struct cpu_times *a, const struct cpu_times *b, unsigned int cpu)
{
	u64 idle = check_since(b->idle_ns[cpu], a->idle_ns[cpu]);
	u64 steal = check_since(b->steal_ns[cpu], a->steal_ns[cpu]);

	idle -= min(idle, steal);
	/* What is left of a busy CPU that was hardly there is chance, but not idle. */
	return idle < MIN_IDLE_NS ? 0 : idle;
}

static void conservation(struct judge *j, const struct cpu_times *a, const struct cpu_times *b,
			 bool settled)
{
	u64 total, steal, idle, percent, shortest = ~0ULL, sum = 0;
	struct finding f = check_begin("conservation", NULL);
	struct cpu_set cpus = demanded(j->run, settled);
	unsigned int cpu, n = 0;

	f.unit = "% idle";
	/* Of what a crowded host lets look idle, the least is meant: half of the truth, or less. */
	f.limit = j->run->limits.idle / (j->run->overcommit > 1 ? 2 : 1);
	for (cpu = cpu_set_next(&cpus, 0); cpu < topology_cpus(j->run->topo);
	     cpu = cpu_set_next(&cpus, cpu + 1)) {
		total = check_since(b->total_ns[cpu], a->total_ns[cpu]);
		steal = check_since(b->steal_ns[cpu], a->steal_ns[cpu]);
		idle = idle_ns(a, b, cpu);
		total -= min(total, steal);
		if (idle)
			shortest = min(shortest, total);
		percent = min_t(u64, 100, idle * 100 / max_t(u64, total, 1));
		sum += percent;
		n++;
		if (percent >= f.seen) {
			f.seen = percent;
			f.cpu = cpu;
		}
	}
	if (!n)
		return;
	/* Nor does it excuse this that little work was done: a slow host's CPUs are not idle. */
	check_judge(j, &f, f.seen <= f.limit, shortest < CHECK_CHANCE_NS ?
		    "CPUs were watched for less than 60 ms" : check_denied(j->run),
		    "there was a worker for each of %u CPUs, which were idle for %llu %% on average, in %llu ms%s",
		    n, (unsigned long long)sum / n,
		    (unsigned long long)(check_since(b->at_ns, a->at_ns) / NSEC_PER_MSEC),
		    settled ? " after the last step" : "");
}

/* Who came and went, and where they were to be, is known again after the last step. */
static void conservations(struct judge *j)
{
	const struct check_run *run = j->run;

	if (!check_limited(run->limits.idle) || !run->before || !run->after)
		return;
	if (!run->hotplug)
		conservation(j, run->before, run->after, false);
	if (run->settled)
		conservation(j, run->settled, run->after, true);
}

/* -- Throughput ----------------------------------------------------------------- */

/* Did those who only compute get as much done as the CPUs that they have allow? */
static void throughput(struct judge *j, const struct check_group *g)
{
	u64 could = 0, did = 0, mean = 0, workers = 0, limit = j->run->limits.floor, wait_ms;
	const struct wire_gap *longest = &g->stats->gap;
	struct finding f = check_begin("throughput", g);
	struct crowd crowd;
	size_t i;

	if (!check_limited(limit) || seen_before(j->run, g))
		return;
	check_crowd(j->run, g, &crowd);
	for (i = 0; i < j->run->nr_groups; i++) {
		const struct check_group *o = &j->run->groups[i];

		if (!crowd.in[i])
			continue;
		if (o->work != WIRE_WORK_SPIN || !o->stats->workers)
			return;
		did += check_work_ns(o);
		mean += o->stats->available_ns * o->workers;
		workers += o->workers;
		if (o->stats->gap.sched_ns > longest->sched_ns)
			longest = &o->stats->gap;
	}
	if (!crowd.even || !workers)
		return;
	could = mean / workers * min_t(u64, crowd.cpus, workers);
	f.unit = "% of what the CPUs could do";
	f.at_least = true;
	f.seen = did / max_t(u64, could / 100, 1);
	f.limit = max_t(u64, 1, limit * 2 / (j->run->overcommit + 1));
	wait_ms = check_place(&f, longest);
	check_judge(j, &f, f.seen >= f.limit, could < CHECK_CHANCE_NS * crowd.cpus ?
		    "less than 60 ms for each CPU: set KTSTR_DURATION to more" : j->starved,
		    "%llu ms of work by %llu workers on %u CPUs, one waited for %llu ms",
		    (unsigned long long)(did / NSEC_PER_MSEC), (unsigned long long)workers,
		    crowd.cpus, (unsigned long long)wait_ms);
}

void check_shares(struct judge *j)
{
	const struct check_group *g;
	size_t i;

	for (g = j->run->groups; g < j->run->groups + j->run->nr_groups; g++) {
		weight(j, g);
		throughput(j, g);
	}
	for (i = 0; i < j->run->nr_cgroups; i++)
		if (j->run->cgroups[i].quota && check_limited(j->run->limits.quota_error))
			judge_quota(j, &j->run->cgroups[i]);
	conservations(j);
}
