// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/kernel.h>
#include <stdlib.h>
#include <string.h>

#include "placement.h"

/* What is tried in turn: fewer warnings first */
struct attempt {
	bool whole_cores;
	int kind;		/* an enum host_cpu_kind, or HOST_CPU_KINDS for any */
};

struct dedication {
	const struct topology *topo;
	const struct host_topology *ht;
	const struct llc_state *llcs;
	struct attempt attempt;
	struct placement *p;
	struct cpu_set used;		/* by vCPUs */
	bool able[TOPOLOGY_MAX_CPUS];	/* the LLC has room for one of the guest's */
	u16 llc_of[TOPOLOGY_MAX_CPUS];	/* host LLC of each of the guest's */
};

const char *placement_warning(unsigned int bit)
{
	static const char * const texts[PLACEMENT_WARNINGS] = {
		"too few cores: cores of the guest are threads that share a core of the host, each is slower while the other is busy",
		"the host's cores have fewer threads: SMT siblings of the guest do not share a core, they do not slow each other down",
		"vCPUs are on performance and efficiency cores: they differ in speed, which the guest does not know",
		"nodes of the guest share a node of the host: remote memory is as fast as local memory",
		"a node of the guest spans nodes of the host: its CPUs differ in how far its memory is",
		"no idle core is left for the VMM: its threads share a core with a vCPU, which is slower at times",
	};

	return texts[bit];
}

static bool usable(const struct dedication *d, unsigned int cpu)
{
	return cpu_set_has(&d->ht->allowed, cpu) && !cpu_set_has(&d->used, cpu) &&
	       (d->attempt.kind == HOST_CPU_KINDS || d->ht->cpus[cpu].kind == d->attempt.kind);
}

/* Return: how many usable threads the core has; @threads are their CPUs, up to @max */
static unsigned int core_threads(const struct dedication *d, unsigned int core, u16 *threads,
				 unsigned int max)
{
	const struct cpu_set *online = &d->ht->online;
	unsigned int cpu, n = 0;

	for (cpu = core; cpu < TOPOLOGY_MAX_CPUS && n < max; cpu = cpu_set_next(online, cpu + 1)) {
		if (d->ht->cpus[cpu].core == core && usable(d, cpu))
			threads[n++] = cpu;
	}
	return n;
}

/*
 * Choose CPUs of a host LLC for one of the guest, core by core: of each core as
 * many threads as the guest's cores have, or all of them. Return: whether there
 * were enough.
 */
static bool choose_cpus(const struct dedication *d, unsigned int llc, u16 *cpus)
{
	const struct host_topology *ht = d->ht;
	unsigned int per_core = d->topo->threads, want = d->topo->cores * per_core;
	unsigned int cpu, n, found = 0;

	for (cpu = ht->llcs[llc].first; cpu < TOPOLOGY_MAX_CPUS && found < want;
	     cpu = cpu_set_next(&ht->online, cpu + 1)) {
		if (ht->cpus[cpu].llc != llc || ht->cpus[cpu].core != cpu)
			continue;
		n = core_threads(d, cpu, cpus + found,
				 d->attempt.whole_cores ? per_core : want - found);
		if (!d->attempt.whole_cores || n == per_core)
			found += n;
	}
	return found == want;
}

static void find_able(struct dedication *d)
{
	u16 cpus[TOPOLOGY_MAX_CPUS];
	unsigned int llc;

	for (llc = 0; llc < d->ht->nr_llcs; llc++)
		d->able[llc] = !(d->llcs && d->llcs[llc].busy) && choose_cpus(d, llc, cpus);
}

static unsigned int nr_able(const struct dedication *d, unsigned int node)
{
	unsigned int llc, n = 0;

	for (llc = 0; llc < d->ht->nr_llcs; llc++)
		n += d->able[llc] && d->ht->llcs[llc].node == node;
	return n;
}

/* -- nodes of the guest to nodes of the host ------------------------------------------ */

/* The host node with the fewest LLCs that are enough, and not @taken; or -1 */
static int best_node(const struct dedication *d, unsigned int want, const bool *taken)
{
	unsigned int node, n, least = 0;
	int best = -1;

	for (node = 0; node < d->ht->nr_nodes; node++) {
		n = nr_able(d, node);
		if (n < want || (taken && taken[node]) || (best >= 0 && n >= least))
			continue;
		best = node;
		least = n;
	}
	return best;
}

/* The able LLC that is nearest to @node; the caller knows that there is one. */
static unsigned int nearest_able(const struct dedication *d, unsigned int node)
{
	const struct host_topology *ht = d->ht;
	unsigned int llc, distance, best = 0, least = -1U;

	for (llc = 0; llc < ht->nr_llcs; llc++) {
		distance = ht->distances[node][ht->llcs[llc].node];
		if (!d->able[llc] || distance >= least)
			continue;
		best = llc;
		least = distance;
	}
	return best;
}

/* The host node with the most able LLCs */
static unsigned int roomiest_node(const struct dedication *d)
{
	unsigned int node, best = 0;

	for (node = 1; node < d->ht->nr_nodes; node++)
		if (nr_able(d, node) > nr_able(d, best))
			best = node;
	return best;
}

/* Give host LLCs to @count LLCs of the guest, from @first on, which are a node. */
static bool place_node(struct dedication *d, unsigned int first, unsigned int count, bool *taken)
{
	int node = best_node(d, count, taken);
	unsigned int i, llc, left = 0;

	if (node < 0)
		node = best_node(d, count, NULL);
	if (node < 0) {
		for (i = 0; i < d->ht->nr_nodes; i++)
			left += nr_able(d, i);
		if (left < count)
			return false;
		node = roomiest_node(d);
		d->p->warnings |= PLACEMENT_NODE_SPLIT;
	}
	for (i = 0; i < count; i++) {
		llc = nearest_able(d, node);
		d->able[llc] = false;
		d->llc_of[first + i] = llc;
		if (taken[d->ht->llcs[llc].node])
			d->p->warnings |= PLACEMENT_NODES_SHARED;
	}
	for (i = 0; i < count; i++)
		taken[d->ht->llcs[d->llc_of[first + i]].node] = true;
	return true;
}

static bool place_nodes(struct dedication *d)
{
	unsigned int per_llc = d->topo->cores * d->topo->threads;
	unsigned int llc, node, counts[TOPOLOGY_MAX_NODES] = {}, firsts[TOPOLOGY_MAX_NODES];
	bool taken[HOST_MAX_NODES] = {};
	unsigned int i, largest;

	for (llc = d->topo->llcs; llc--;) {
		node = topology_place(d->topo, llc * per_llc).node;
		counts[node]++;
		firsts[node] = llc;
	}
	/* The largest first: what is left for the small ones is more often enough. */
	for (;;) {
		largest = 0;
		for (i = 1; i < d->topo->nodes; i++)
			if (counts[i] > counts[largest])
				largest = i;
		if (!counts[largest])
			return true;
		if (!place_node(d, firsts[largest], counts[largest], taken))
			return false;
		counts[largest] = 0;
	}
}

/* -- CPUs ------------------------------------------------------------------------------- */

static void warn_about_cpus(struct dedication *d, const u16 *cpus, unsigned int nr)
{
	unsigned int threads = d->topo->threads, i;
	const struct host_cpu *cpu, *core, *last;

	for (i = 1; i < nr; i++) {
		cpu = &d->ht->cpus[cpus[i]];
		core = &d->ht->cpus[cpus[i - i % threads]];
		last = &d->ht->cpus[cpus[i - 1]];
		if (cpu->core != core->core)
			d->p->warnings |= PLACEMENT_SIBLINGS_APART;
		/* CPUs are in the order of their cores: a core's other one is the last. */
		if (i % threads == 0 && cpu->core == last->core)
			d->p->warnings |= PLACEMENT_THREADS_AS_CORES;
		if (cpu->kind != last->kind)
			d->p->warnings |= PLACEMENT_MIXED_KINDS;
	}
}

static void place_cpus(struct dedication *d)
{
	unsigned int per_llc = d->topo->cores * d->topo->threads;
	unsigned int llc, i, kind;
	u16 *cpus = d->p->cpus;

	for (llc = 0; llc < d->topo->llcs; llc++, cpus += per_llc) {
		choose_cpus(d, d->llc_of[llc], cpus);
		warn_about_cpus(d, cpus, per_llc);
		kind = d->ht->cpus[d->p->cpus[0]].kind;
		if (d->ht->cpus[cpus[0]].kind != kind)
			d->p->warnings |= PLACEMENT_MIXED_KINDS;
		d->p->claims[d->llc_of[llc]] = LLC_EXCLUSIVE;
		for (i = 0; i < per_llc; i++)
			cpu_set_add(&d->used, cpus[i]);
	}
}

static bool core_is_used(const struct dedication *d, unsigned int core)
{
	unsigned int cpu;

	for (cpu = core; cpu < TOPOLOGY_MAX_CPUS; cpu = cpu_set_next(&d->ht->online, cpu + 1))
		if (d->ht->cpus[cpu].core == core && cpu_set_has(&d->used, cpu))
			return true;
	return false;
}

/* 0 is best: see placement_dedicate(); negative if @cpu is not for it. */
static int service_rank(const struct dedication *d, unsigned int cpu)
{
	const struct host_cpu *c = &d->ht->cpus[cpu];
	const struct host_cpu *vcpu = &d->ht->cpus[d->p->cpus[0]];

	if (cpu_set_has(&d->used, cpu) || (d->llcs && d->llcs[c->llc].busy))
		return -1;
	if (core_is_used(d, c->core))
		return 3;
	if (d->p->claims[c->llc] == LLC_EXCLUSIVE)
		return 0;
	return c->node == vcpu->node ? 1 : 2;
}

static bool place_service(struct dedication *d)
{
	const struct cpu_set *allowed = &d->ht->allowed;
	int rank, least = 4;
	unsigned int cpu, best = 0, llc;

	for (cpu = cpu_set_next(allowed, 0); cpu < TOPOLOGY_MAX_CPUS;
	     cpu = cpu_set_next(allowed, cpu + 1)) {
		rank = service_rank(d, cpu);
		if (rank < 0 || rank >= least)
			continue;
		best = cpu;
		least = rank;
	}
	if (least > 3)
		return false;
	if (least == 3)
		d->p->warnings |= PLACEMENT_SERVICE_ON_SIBLING;
	cpu_set_add(&d->p->service, best);
	llc = d->ht->cpus[best].llc;
	if (d->p->claims[llc] == LLC_FREE)
		d->p->claims[llc] = LLC_SHARED;
	return true;
}

/* Return: whether the vCPUs have their places; *@service: and the VMM's threads */
static bool try_dedicate(struct dedication *d, bool *service)
{
	memset(d->p, 0, sizeof(*d->p));
	memset(&d->used, 0, sizeof(d->used));
	d->p->pinned = true;
	find_able(d);
	if (!place_nodes(d))
		return false;
	place_cpus(d);
	*service = place_service(d);
	return true;
}

static void say_what_does_not_fit(const struct dedication *d, bool vcpus_fit,
				  struct errmsg *err)
{
	const struct topology *topo = d->topo;
	char spec[TOPOLOGY_STR_SIZE], allowed[128];
	unsigned int llc, busy = 0;

	for (llc = 0; llc < d->ht->nr_llcs; llc++)
		busy += d->llcs && d->llcs[llc].busy;
	topology_format(topo, spec);
	cpu_set_format(&d->ht->allowed, allowed, sizeof(allowed));
	if (vcpus_fit)
		errmsg_set(err, ERRMSG_HOST, 0,
			   "performance mode with %s needs %u CPUs and one more for the VMM, this process may use CPUs %s, %u of %u LLCs are taken; use a smaller topology, or no performance mode",
			   spec, topology_cpus(topo), allowed, busy, d->ht->nr_llcs);
	else
		errmsg_set(err, ERRMSG_HOST, 0,
			   "performance mode with %s needs LLCs (%u) with CPUs (%u each) of their own, this host has %u LLCs of which %u are taken, and this process may use CPUs %s; use a smaller topology, or no performance mode",
			   spec, topo->llcs, topo->cores * topo->threads, d->ht->nr_llcs, busy,
			   allowed);
}

/* Return: whether any attempt succeeds */
static bool dedicate(struct dedication *d, struct errmsg *err)
{
	static const struct attempt attempts[] = {
		{ true, HOST_CPU_NORMAL },
		{ true, HOST_CPU_EFFICIENT },
		{ true, HOST_CPU_KINDS },
		{ false, HOST_CPU_NORMAL },
		{ false, HOST_CPU_EFFICIENT },
		{ false, HOST_CPU_KINDS },
	};
	bool service = false, vcpus_fit = false;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(attempts) && !service; i++) {
		d->attempt = attempts[i];
		vcpus_fit |= try_dedicate(d, &service);
	}
	if (!service)
		say_what_does_not_fit(d, vcpus_fit, err);
	return service;
}

int placement_dedicate(struct placement *p, const struct topology *topo,
		       const struct host_topology *ht, const struct llc_state *llcs,
		       struct errmsg *err)
{
	struct errmsg unused;
	struct dedication *d;
	int ret = 0;

	d = calloc(1, sizeof(*d));
	if (!d)
		return errmsg_set(err, ERRMSG_HOST, ENOMEM, "placing vCPUs");
	d->topo = topo;
	d->ht = ht;
	d->llcs = llcs;
	d->p = p;
	if (!dedicate(d, err)) {
		d->llcs = NULL;
		ret = llcs && dedicate(d, &unused) ? -EBUSY : -ERANGE;
	}
	free(d);
	return ret;
}

int placement_host_node(const struct placement *p, const struct topology *topo,
			const struct host_topology *ht, unsigned int node)
{
	unsigned int cpu;
	int found = -1, at;

	for (cpu = 0; p->pinned && cpu < topology_cpus(topo); cpu++) {
		if (topology_place(topo, cpu).node != node)
			continue;
		at = ht->nodes[ht->cpus[p->cpus[cpu]].node].id;
		if (found >= 0 && found != at)
			return -1;
		found = at;
	}
	return found;
}

/* -- shared mode ------------------------------------------------------------------------ */

struct candidate {
	unsigned int llc;
	unsigned int cpus;
	unsigned int users;
	unsigned int distance;
};

static int compare_candidates(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;

	if (a->users != b->users)
		return a->users < b->users ? -1 : 1;
	if (a->distance != b->distance)
		return a->distance < b->distance ? -1 : 1;
	return a->llc < b->llc ? -1 : 1;
}

static unsigned int list_candidates(const struct host_topology *ht, const struct llc_state *llcs,
				    struct candidate *list)
{
	unsigned int counts[TOPOLOGY_MAX_CPUS] = {};
	unsigned int cpu, llc, nr = 0;

	for (cpu = cpu_set_next(&ht->allowed, 0); cpu < TOPOLOGY_MAX_CPUS;
	     cpu = cpu_set_next(&ht->allowed, cpu + 1))
		counts[ht->cpus[cpu].llc]++;
	for (llc = 0; llc < ht->nr_llcs; llc++) {
		if (!counts[llc] || (llcs && llcs[llc].busy))
			continue;
		list[nr++] = (struct candidate) {
			.llc = llc,
			.cpus = counts[llc],
			.users = llcs ? llcs[llc].users : 0,
		};
	}
	return nr;
}

/* What the first candidates that have @want CPUs cost: users, and then distances */
static u64 cost(const struct candidate *list, unsigned int nr, unsigned int want)
{
	u64 users = 0, distance = 0;
	unsigned int i, have = 0;

	for (i = 0; i < nr && have < want; i++) {
		have += list[i].cpus;
		users += list[i].users;
		distance += list[i].distance;
	}
	return users << 32 | distance;
}

static void sort_by_seed(const struct host_topology *ht, struct candidate *list, unsigned int nr,
			 unsigned int seed_node)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		list[i].distance = ht->distances[seed_node][ht->llcs[list[i].llc].node];
	qsort(list, nr, sizeof(*list), compare_candidates);
}

/* Nearness depends on nodes alone: each node is tried as the middle. */
static void choose_candidates(const struct host_topology *ht, struct candidate *list,
			      unsigned int nr, unsigned int want)
{
	unsigned int node, best = 0;
	u64 c, least = -1ULL;

	for (node = 0; node < ht->nr_nodes; node++) {
		sort_by_seed(ht, list, nr, node);
		c = cost(list, nr, want);
		if (c >= least)
			continue;
		best = node;
		least = c;
	}
	sort_by_seed(ht, list, nr, best);
}

static void claim(struct placement *p, const struct host_topology *ht, unsigned int llc)
{
	const struct cpu_set *allowed = &ht->allowed;
	unsigned int cpu;

	p->claims[llc] = LLC_SHARED;
	for (cpu = cpu_set_next(allowed, 0); cpu < TOPOLOGY_MAX_CPUS;
	     cpu = cpu_set_next(allowed, cpu + 1))
		if (ht->cpus[cpu].llc == llc)
			cpu_set_add(&p->service, cpu);
}

int placement_share(struct placement *p, const struct topology *topo,
		    const struct host_topology *ht, const struct llc_state *llcs,
		    struct errmsg *err)
{
	unsigned int want = min(topology_cpus(topo), cpu_set_count(&ht->allowed));
	unsigned int i, nr, have = 0;
	struct candidate *list;

	memset(p, 0, sizeof(*p));
	list = calloc(ht->nr_llcs, sizeof(*list));
	if (!list)
		return errmsg_set(err, ERRMSG_HOST, ENOMEM, "placing vCPUs");
	nr = list_candidates(ht, llcs, list);
	choose_candidates(ht, list, nr, want);
	for (i = 0; i < nr && have < want; i++) {
		claim(p, ht, list[i].llc);
		have += list[i].cpus;
	}
	free(list);
	if (have >= want)
		return 0;
	errmsg_set(err, ERRMSG_HOST, 0,
		   "%u CPUs for a guest of %u: others have some of this host's %u LLCs for themselves",
		   have, topology_cpus(topo), ht->nr_llcs);
	return -EBUSY;
}
