// SPDX-License-Identifier: GPL-2.0
/* Checks of a group of workers by what they say themselves */
#include <linux/kernel.h>
#include <string.h>

#include "check_parts.h"
#include "clock.h"

/* Rounds of work that a worker needs to be compared by them */
#define MIN_ROUNDS		20

/* A limit of waiting is for workers that are due a quarter of a CPU, or more. */
#define USUAL_DUE		(FAIR_CPU / 4)

/* The kernel puts bound pages where they belong, but for those that it shares. */
#define MISPLACED_PERCENT	10

/* Pages that a group needs to be judged by them: one each may be anywhere */
#define MIN_PAGES		64

/*
 * Who is due less waits longer, in proportion: many workers on a CPU, low weights,
 * a quota. Half of a slice more or less matters to those who get many only.
 */
static u64 wait_limit(const struct check_run *run, const struct check_group *g, u64 limit)
{
	u64 due = check_due(run, g);

	if (due < USUAL_DUE)
		limit = limit * USUAL_DUE / due;
	return check_within(limit, run->overcommit);
}

/* May one wait for the whole run, by what it is due, and not by the host? */
static bool is_due_little(const struct check_run *run, const struct check_group *g)
{
	u64 base = run->limits.gap_ms * NSEC_PER_MSEC;

	return check_limited(run->limits.gap_ms) &&
	       wait_limit(run, g, base) >= run->duration_ns &&
	       check_within(base, run->overcommit) < run->duration_ns;
}

/* How many workers of a group have no other trouble than that they did not run */
static unsigned int never_ran(const struct check_run *run, const struct check_group *g)
{
	const struct control_report *report;
	unsigned int nr = 0;

	for (report = run->reports; report < run->reports + run->nr_reports; report++)
		nr += !strcmp(report->group, g->name) &&
		      (report->r.flags & ~WIRE_REPORT_ERROR) == WIRE_REPORT_NEVER_RAN;
	return nr;
}

/* Those of them that nobody is to blame for */
static unsigned int may_not_run(const struct check_run *run, const struct check_group *g)
{
	return is_due_little(run, g) ? never_ran(run, g) : 0;
}

/* Are its workers alike, so that one's work can be compared with another's? */
static bool alike(const struct check_group *g)
{
	return g->work != WIRE_WORK_INVERSION && g->work != WIRE_WORK_CUSTOM &&
	       !check_is_rt(g) && g->stats->workers > 1;
}

/* What each is to do, in percent of their mean; 0 if that cannot be asked */
static unsigned int least_part(const struct check_run *run, const struct check_group *g)
{
	unsigned int limit = run->limits.starved;

	if (!check_limited(limit) || !alike(g))
		return 0;
	/* Where only some were moved, they may have found a crowd. */
	return g->changed & CHECK_MOVED ? (limit + 1) / 2 : limit;
}

static bool has_least_part(const struct check_group *g, unsigned int limit)
{
	return g->stats->min_rate * 100 >= g->stats->mean_rate * limit;
}

bool check_waited_long(const struct check_run *run, const struct check_group *g)
{
	if (g->stats->stuck > may_not_run(run, g))
		return true;
	if (g->stats->gap.sched_ns < run->duration_ns / 4)
		return false;
	return !is_due_little(run, g) || !has_least_part(g, least_part(run, g));
}

/* The first worker of a group that is in trouble; NULL if all that reported are well */
static const struct wire_report *unwell(const struct check_run *run, const struct check_group *g)
{
	const struct control_report *report;

	for (report = run->reports; report < run->reports + run->nr_reports; report++)
		if (!strcmp(report->group, g->name) && report->r.flags & ~WIRE_REPORT_ERROR)
			return &report->r;
	return NULL;
}

static void sound(struct judge *j, const struct check_group *g)
{
	const struct wire_report *r = unwell(j->run, g);
	const struct load_stats *st = g->stats;
	unsigned int spawned = g->workers * max(1U, g->spawns);
	unsigned int waited = may_not_run(j->run, g);
	struct finding f = check_begin("workers", g);
	char who[64] = "";

	if (st->workers == spawned && st->stuck == waited && !st->corrupt) {
		check_judge(j, &f, true, NULL, "%u of %u ran%s", spawned - waited, spawned,
			    waited ? ", the others may wait for longer" : "");
		return;
	}
	f.unit = "in trouble";
	f.seen = max_t(u64, st->stuck + st->corrupt, 1);
	if (r)
		snprintf(who, sizeof(who), ", worker %u is one: it waited for %llu ms", r->index,
			 (unsigned long long)check_place(&f, &r->gap));
	/* A wrong result is one whenever it is computed. */
	check_judge(j, &f, false, st->corrupt ? NULL : check_denied(j->run),
		    "of %u workers %u reported, %u did not run or did not stop, %u computed wrong results, as registers were lost%s",
		    spawned, st->workers, st->stuck, st->corrupt, who);
}

/* Those that restrict themselves may fail where steps change what is allowed. */
static void errors(struct judge *j, const struct check_group *g)
{
	struct finding f = check_begin("errors", g);

	if (g->stats->errors && !(g->changed & (CHECK_CPUS | CHECK_AFFINITY)) && !j->run->hotplug)
		check_judge(j, &f, false, "what they did is not what was asked for",
			    "%u workers had a system call fail", g->stats->errors);
}

/* What has no moment of its own happened some time in the run. */
static unsigned long long ran_ms(const struct check_run *run)
{
	return run->duration_ns / NSEC_PER_MSEC;
}

/* -- Places ------------------------------------------------------------------ */

/* The CPUs that a worker may use */
static struct cpu_set allowed(const struct check_run *run, const struct check_group *g,
			      u32 index)
{
	struct cpu_set cpus = check_cpus_of(run, g);
	const struct cpu_set *own;

	if (!g->nr_affinity)
		return cpus;
	own = &g->affinity[index % g->nr_affinity];
	if (cpu_set_count(own))
		cpu_set_and(&cpus, own);
	return cpus;
}

/* A CPU on which a worker was, but should not; TOPOLOGY_MAX_CPUS if there is none */
static unsigned int astray(const struct wire_report *r, const struct cpu_set *cpus)
{
	unsigned int i;
	u64 off;

	for (i = 0; i < WIRE_MAX_CPUS / 64; i++) {
		off = r->cpus[i] & ~cpus->bits[i];
		if (off)
			return i * 64 + __builtin_ctzll(off);
	}
	return TOPOLOGY_MAX_CPUS;
}

/* The kernel itself takes tasks elsewhere if all of their CPUs go offline. */
static void isolation(struct judge *j, const struct check_group *g)
{
	struct finding f = check_begin("isolation", g);
	unsigned int cpu, first = 0;
	struct cpu_set cpus;
	size_t i;

	if (j->run->hotplug || g->changed & (CHECK_AFFINITY | CHECK_MOVED) ||
	    (!cpu_set_count(&g->cpus) && !g->nr_affinity))
		return;
	f.unit = "workers off their CPUs";
	for (i = 0; i < j->run->nr_reports; i++) {
		if (strcmp(j->run->reports[i].group, g->name))
			continue;
		cpus = allowed(j->run, g, j->run->reports[i].r.index);
		cpu = astray(&j->run->reports[i].r, &cpus);
		if (cpu == TOPOLOGY_MAX_CPUS)
			continue;
		if (!f.seen++) {
			f.cpu = cpu;
			first = j->run->reports[i].r.index;
		}
	}
	if (f.seen)
		check_judge(j, &f, false, NULL, "worker %u was elsewhere, some time in %llu ms",
			    first, ran_ms(j->run));
	else
		check_judge(j, &f, true, cpu_set_count(&g->stats->cpus) ? NULL :
			    "no worker was seen on any CPU", "cpuset and affinity were kept");
}

/* How often a worker was moved that far, or further */
static u64 moves(const struct wire_report *r, enum wire_distance distance)
{
	u64 sum = 0;

	for (; distance < WIRE_NR_DISTANCES; distance++)
		sum += r->migrations[distance];
	return sum;
}

/* Who was moved most, and between which CPUs */
static void tell_restless(const struct check_run *run, const struct check_group *g,
			  enum wire_distance distance, char *text, size_t size)
{
	const struct wire_report *most = NULL, *r;
	struct cpu_set cpus = {};
	char list[96];
	size_t i;

	for (i = 0; i < run->nr_reports; i++) {
		r = &run->reports[i].r;
		if (strcmp(run->reports[i].group, g->name))
			continue;
		if (!most || moves(r, distance) > moves(most, distance))
			most = r;
	}
	*text = '\0';
	if (!most || !moves(most, distance))
		return;
	memcpy(cpus.bits, most->cpus, sizeof(most->cpus));
	snprintf(text, size, ", most often worker %u: %llu times, seen on CPUs %s", most->index,
		 (unsigned long long)moves(most, distance),
		 cpu_set_format(&cpus, list, sizeof(list)));
}

static void migrations(struct judge *j, const struct check_group *g, const char *check,
		       unsigned int limit, u64 rate, enum wire_distance distance)
{
	static const char * const between[] = {
		[WIRE_SAME_LLC] = "CPUs",
		[WIRE_CROSS_LLC] = "LLCs",
		[WIRE_CROSS_NODE] = "nodes",
	};
	u64 watched = g->stats->available_ns * g->stats->workers;
	struct finding f = check_begin(check, g);
	char who[192];

	if (!check_limited(limit))
		return;
	tell_restless(j->run, g, distance, who, sizeof(who));
	f.unit = "per second and worker";
	f.seen = rate / 1000;
	f.limit = check_within(limit, j->run->overcommit);
	check_judge(j, &f, rate <= f.limit * 1000, watched < CHECK_CHANCE_NS ?
		    "workers were watched for less than 60 ms" : NULL,
		    "moves between %s in %llu ms%s", between[distance], ran_ms(j->run), who);
}

/* A limit that is not below that of all moves says nothing more than it. */
static bool is_tighter(const struct limits *limits, unsigned int limit)
{
	return check_limited(limit) &&
	       (!check_limited(limits->migrations) || limit < limits->migrations);
}

static void migration(struct judge *j, const struct check_group *g)
{
	const struct limits *limits = &j->run->limits;
	u64 near = load_migration_rate(g->stats, WIRE_SAME_LLC);
	u64 llc = load_migration_rate(g->stats, WIRE_CROSS_LLC);
	u64 node = load_migration_rate(g->stats, WIRE_CROSS_NODE);

	/* One that moves itself says nothing about the scheduler. */
	if (g->work == WIRE_WORK_AFFINITY || topology_cpus(j->run->topo) == 1)
		return;
	migrations(j, g, "migration", limits->migrations, near + llc + node, WIRE_SAME_LLC);
	if (j->run->topo->llcs > 1 && is_tighter(limits, limits->llc_migrations) &&
	    !check_lacks(j, "migration", g, "llc"))
		migrations(j, g, "migration", limits->llc_migrations, llc + node,
			   WIRE_CROSS_LLC);
	if (j->run->topo->nodes > 1 && is_tighter(limits, limits->node_migrations) &&
	    !check_lacks(j, "locality", g, "numa"))
		migrations(j, g, "locality", limits->node_migrations, node,
			   WIRE_CROSS_NODE);
}

/* How many of a worker's pages were on other nodes, by the work that it did on each */
static double remote_pages(const struct wire_report *r)
{
	double all = 0, remote = 0;
	int i;

	for (i = 0; i < WIRE_MAX_NODES; i++)
		all += r->on_node[i];
	for (i = 0; i < WIRE_MAX_NODES && all; i++)
		remote += r->pages[i] * (1 - r->on_node[i] / all);
	return remote;
}

/* The CPU, or one of them, that a worker was on when it was on its most usual node */
static int usual_cpu(const struct check_run *run, const struct wire_report *r)
{
	unsigned int node = 0, cpu;
	int i;

	for (i = 1; i < WIRE_MAX_NODES; i++)
		if (r->on_node[i] > r->on_node[node])
			node = i;
	for (cpu = 0; cpu < topology_cpus(run->topo); cpu++)
		if (cpu < WIRE_MAX_CPUS && r->cpus[cpu / 64] >> cpu % 64 & 1 &&
		    topology_place(run->topo, cpu).node == node)
			return cpu;
	return CHECK_NO_CPU;
}

/*
 * Half of what chance leaves on the own node, by default, however many there are. A
 * crowded host makes the guest move tasks more than it should, but not for good.
 */
static u64 remote_limit(const struct check_run *run, unsigned int limit)
{
	u64 local = (100 - min(limit, 100U)) * 2 / run->topo->nodes;

	if (run->overcommit > 1)
		local /= 2;
	if (limit < 100)
		local = max_t(u64, local, 1);
	return 100 - local;
}

/* What is on none of the nodes that it is bound to, or where its workers are not */
static void remote(struct judge *j, const struct check_group *g, u64 pages)
{
	unsigned int limit = j->run->limits.remote_pages;
	struct finding f = check_begin("locality", g);
	double sum = 0, most = 0, its;
	const struct wire_report *r;
	u32 worker = 0;
	size_t i;

	f.unit = "% of the pages";
	if (g->mems) {
		f.limit = MISPLACED_PERCENT;
		f.seen = 100 - load_local_pages(g->stats, g->mems);
		check_judge(j, &f, f.seen <= f.limit,
			    pages < MIN_PAGES ? "there are too few pages to tell" : NULL,
			    "pages on other nodes than they are bound to");
		return;
	}
	for (i = 0; i < j->run->nr_reports; i++) {
		r = &j->run->reports[i].r;
		if (strcmp(j->run->reports[i].group, g->name))
			continue;
		its = remote_pages(r);
		sum += its;
		if (its > most) {
			most = its;
			worker = r->index;
			f.cpu = usual_cpu(j->run, r);
		}
	}
	f.limit = remote_limit(j->run, limit);
	f.seen = sum * 100 / pages;
	check_judge(j, &f, f.seen <= f.limit, NULL,
		    "pages on other nodes than their workers ran on in %llu ms, most of worker %u: %llu",
		    ran_ms(j->run), worker, (unsigned long long)most);
}

/* Where memory is that is on a node without CPUs, nobody is near to it. */
static void slow(struct judge *j, const struct check_group *g, u64 pages)
{
	struct finding f = check_begin("locality", g);
	u64 sum = 0, most = 0;
	unsigned int n, node = 0;

	for (n = 0; n < WIRE_MAX_NODES; n++) {
		if (n < j->run->topo->nodes && topology_node_cpus(j->run->topo, n))
			continue;
		sum += g->stats->pages[n];
		if (g->stats->pages[n] > most) {
			most = g->stats->pages[n];
			node = n;
		}
	}
	f.unit = "% of the pages";
	f.seen = sum * 100 / pages;
	f.limit = j->run->limits.slow_pages;
	check_judge(j, &f, f.seen <= f.limit, NULL, sum ?
		    "pages on nodes without CPUs, most of them on node %u" :
		    "pages on nodes without CPUs", node);
}

static void too_few(struct judge *j, const struct check_group *g, u64 pages)
{
	struct finding f = check_begin("locality", g);

	f.verdict = VERDICT_SKIP;
	check_add(j->findings, &f, "%llu pages are too few to tell where memory is taken from",
		  (unsigned long long)pages);
}

/* Pages that are bound to nodes are to be there, all others where their worker is. */
static void locality(struct judge *j, const struct check_group *g)
{
	const struct limits *limits = &j->run->limits;
	u64 pages = 0;
	int i;

	/* Where memory is spread, or preferred to be, on purpose tells nothing. */
	if (j->run->topo->nodes == 1 || (g->memory != MEMORY_DEFAULT && !g->mems) ||
	    g->changed & (CHECK_CPUS | CHECK_AFFINITY | CHECK_MOVED))
		return;
	for (i = 0; i < WIRE_MAX_NODES; i++)
		pages += g->stats->pages[i];
	if (!pages || (!check_limited(limits->remote_pages) && !check_limited(limits->slow_pages)))
		return;
	/* Workers that are not about memory have buffers, and no longer run gives them more. */
	if (pages < MIN_PAGES && !g->mems) {
		too_few(j, g, pages);
		return;
	}
	if (check_limited(limits->remote_pages) &&
	    (g->mems || !check_lacks(j, "locality", g, "numa")))
		remote(j, g, pages);
	if (check_limited(limits->slow_pages) && !g->mems)
		slow(j, g, pages);
}

/* -- Waiting ----------------------------------------------------------------- */

static void gap(struct judge *j, const struct check_group *g)
{
	u64 base = j->run->limits.gap_ms * NSEC_PER_MSEC, limit_ns;
	struct finding f = check_begin("gap", g);
	const struct wire_gap *gap = &g->stats->gap;
	const char *weak = check_weak(j, g);

	if (!check_limited(j->run->limits.gap_ms) || check_is_rt(g))
		return;
	limit_ns = wait_limit(j->run, g, base);
	/* No run would be long enough. */
	if (is_due_little(j->run, g))
		return;
	if (limit_ns >= j->run->duration_ns)
		weak = "the run was not longer than that: set KTSTR_DURATION to more";
	f.unit = "ms";
	f.seen = check_place(&f, gap);
	f.limit = limit_ns / NSEC_PER_MSEC;
	check_judge(j, &f, gap->sched_ns <= limit_ns, weak,
		    "worker %u was runnable, but did not run; before that on CPU %u",
		    g->stats->gap_worker, gap->cpu_before);
}

static void latency(struct judge *j, const struct check_group *g)
{
	const struct limits *limits = &j->run->limits, *usual = &check_defaults;
	const struct {
		unsigned int limit_us;
		unsigned int usual_us;
		unsigned int per_myriad;
		unsigned int samples;
		const char *name;
	} parts[] = {
		{ limits->wake_p50_us, usual->wake_p50_us, 5000, 20, "p50" },
		{ limits->wake_p99_us, usual->wake_p99_us, 9900, 500, "p99" },
		{ limits->wake_p999_us, usual->wake_p999_us, 9990, 5000, "p99.9" },
	};
	u64 total = hist_total(&g->stats->wake), ns, limit_ns, longest_ms;
	const char *weak = j->starved;
	size_t i;

	if (!total)
		return;
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		struct finding f = check_begin("latency", g);

		/* Too few for the tail are enough for the median, unless the tail is meant. */
		if (!check_limited(parts[i].limit_us) ||
		    (i && total < parts[i].samples && parts[i].limit_us == parts[i].usual_us))
			continue;
		if (total < parts[i].samples)
			weak = "there were too few wake-ups to tell";
		ns = hist_percentile(&g->stats->wake, parts[i].per_myriad);
		limit_ns = wait_limit(j->run, g, parts[i].limit_us * 1000ULL);
		f.unit = "us";
		f.seen = ns / 1000;
		f.limit = limit_ns / 1000;
		longest_ms = check_place(&f, &g->stats->gap);
		check_judge(j, &f, ns <= limit_ns, weak,
			    "%s of %llu wake-ups until running, the longest wait of all was %llu ms (worker %u)",
			    parts[i].name, (unsigned long long)total,
			    (unsigned long long)longest_ms, g->stats->gap_worker);
	}
}

/* -- Shares among equals ----------------------------------------------------- */

static const char *weak_rounds(const struct judge *j, const struct check_group *g)
{
	/* Who computes all the time may have rounds of any length. */
	if (!g->always_runnable && g->stats->units < (u64)MIN_ROUNDS * g->stats->workers)
		return "too few rounds of work: set KTSTR_DURATION to more";
	return check_weak(j, g);
}

/* A part of what others got under the same circumstances: no host widens it. */
static void starvation(struct judge *j, const struct check_group *g)
{
	unsigned int limit = least_part(j->run, g);
	const struct load_stats *st = g->stats;
	struct finding f = check_begin("starvation", g);
	u64 wait_ms;

	if (!limit)
		return;
	f.unit = "% of the mean";
	f.at_least = true;
	f.limit = limit;
	f.seen = st->mean_rate ? st->min_rate * 100 / st->mean_rate : 0;
	wait_ms = check_place(&f, check_wait_of(j->run, g, st->min_worker));
	check_judge(j, &f, has_least_part(g, limit) && (st->mean_rate || !g->always_runnable),
		    weak_rounds(j, g),
		    "worker %u did %llu units per second, the mean is %llu, its longest wait %llu ms",
		    st->min_worker, (unsigned long long)st->min_rate,
		    (unsigned long long)st->mean_rate, (unsigned long long)wait_ms);
}

/* Who waits for others, or for the kernel, does nothing for all that time. */
static void rate(struct judge *j, const struct check_group *g)
{
	struct finding f = check_begin("throughput", g);
	u64 limit = j->run->limits.rounds, wait_ms;

	if (!check_limited(limit))
		return;
	f.unit = "rounds per second";
	f.at_least = true;
	f.seen = g->stats->min_rate;
	f.limit = max_t(u64, 1, limit * 2 / (j->run->overcommit + 1));
	wait_ms = check_place(&f, check_wait_of(j->run, g, g->stats->min_worker));
	check_judge(j, &f, f.seen >= f.limit, j->starved,
		    "worker %u did least, its longest wait was %llu ms", g->stats->min_worker,
		    (unsigned long long)wait_ms);
}

static bool same_work(const struct judge *j, const struct crowd *crowd,
		      const struct check_group *g)
{
	size_t i;

	for (i = 0; i < j->run->nr_groups; i++)
		if (crowd->in[i] && j->run->groups[i].work != g->work)
			return false;
	return true;
}

/* Are its rounds by time, so that equal times are equal rounds? */
static bool timed(const struct check_group *g)
{
	return g->work == WIRE_WORK_TIMER || g->work == WIRE_WORK_BURSTY ||
	       g->work == WIRE_WORK_MIXED;
}

static void spread(struct judge *j, const struct check_group *g)
{
	const struct load_stats *st = g->stats;
	struct finding f = check_begin(timed(g) ? "throughput" : "spread", g);
	u64 limit = j->run->limits.spread, mean_ns, wait_ms;
	struct crowd crowd;

	if (!check_limited(j->run->limits.spread) || !alike(g))
		return;
	check_crowd(j->run, g, &crowd);
	if (!crowd.even)
		return;
	/* Memory, pipes and locks are not equally near to everybody. */
	if (g->work != WIRE_WORK_SPIN && !timed(g) &&
	    (g->work != WIRE_WORK_YIELD || !same_work(j, &crowd, g)))
		return;
	/* A wait more or less is much to who seldom runs, though nobody lacks time. */
	if (timed(g))
		limit *= 2;
	mean_ns = max_t(u64, 1, st->available_ns / 1000 * check_due(j->run, g) /
			(FAIR_CPU / 1000));
	f.limit = check_within(limit + check_remainder(&crowd) + CHECK_CHANCE_NS * 100 / mean_ns,
			       j->run->overcommit);
	/* One who has all that there is: more than that would not be found. */
	if (f.limit >= 100ULL * st->workers)
		return;
	f.unit = "% of the mean";
	f.seen = load_spread(st);
	wait_ms = check_place(&f, check_wait_of(j->run, g, st->min_worker));
	check_judge(j, &f, f.seen <= f.limit, weak_rounds(j, g),
		    "from %llu units per second (worker %u, longest wait %llu ms) to %llu (worker %u)",
		    (unsigned long long)st->min_rate, st->min_worker,
		    (unsigned long long)wait_ms, (unsigned long long)st->max_rate,
		    st->max_worker);
}

void check_workers(struct judge *j, const struct check_group *g)
{
	sound(j, g);
	isolation(j, g);
	if (g->background || !g->stats->workers || j->unshared)
		return;
	errors(j, g);
	starvation(j, g);
	gap(j, g);
	spread(j, g);
	rate(j, g);
	latency(j, g);
	migration(j, g);
	locality(j, g);
}
