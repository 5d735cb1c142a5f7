// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <linux/bits.h>
#include <linux/kernel.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"
#include "scenario_walk.h"

/* What cgroup-v2.rst allows for cpu.weight */
#define MAX_WEIGHT	10000

/* All CPUs that a guest can have, in percent of one */
#define MAX_QUOTA	(100 * TOPOLOGY_MAX_CPUS)

/*
 * __checkparam_dl() in the kernel: runtimes from 1024 ns on, which are no whole number
 * of us; periods by default as in sysctl_sched_dl_period_min and _max.
 */
#define MIN_RUNTIME_US	2
#define MIN_PERIOD_US	100
#define MAX_PERIOD_US	4194304

static const char * const step_names[NR_STEP_OPS] = {
	[STEP_END] = "end",
	[STEP_HOLD] = "hold",
	[STEP_ADD] = "add",
	[STEP_REMOVE] = "remove",
	[STEP_CPUS] = "set cpus",
	[STEP_SWAP] = "swap cpus",
	[STEP_WEIGHT] = "weight",
	[STEP_QUOTA] = "quota",
	[STEP_FREEZE] = "freeze",
	[STEP_SPAWN] = "spawn",
	[STEP_STOP] = "stop",
	[STEP_MOVE] = "move",
	[STEP_AFFINITY] = "affinity",
	[STEP_NICE] = "nice",
	[STEP_POLICY] = "policy",
	[STEP_OFFLINE] = "offline",
	[STEP_ONLINE] = "online",
	[STEP_LEAVE] = "leave",
	[STEP_REPLACE] = "replace",
	[STEP_LOAD] = "load",
	[STEP_RUN] = "run",
	[STEP_WAIT] = "wait",
	[STEP_KILL] = "kill",
	[STEP_REPEAT] = "repeat",
};

const char *scenario_step_name(enum step_op op)
{
	return op < NR_STEP_OPS ? step_names[op] : "unknown step";
}

const struct scenario_cgroup *scenario_cgroup(const struct scenario *sc, const char *name)
{
	const struct scenario_cgroup *cg;

	for (cg = sc->cgroups; cg < sc->cgroups + SCENARIO_MAX_CGROUPS && cg->name; cg++)
		if (!strcmp(cg->name, name))
			return cg;
	return NULL;
}

const struct scenario_workers *scenario_workers(const struct scenario *sc, const char *name)
{
	const struct scenario_workers *w;

	for (w = sc->workers; w < sc->workers + SCENARIO_MAX_WORKERS && w->name; w++)
		if (!strcmp(w->name, name))
			return w;
	return NULL;
}

const struct scenario_program *scenario_program(const struct scenario *sc, const char *name)
{
	const struct scenario_program *p;

	for (p = sc->programs; p < sc->programs + SCENARIO_MAX_PROGRAMS && p->name; p++)
		if (name && !strcmp(p->name, name))
			return p;
	return NULL;
}

size_t scenario_needs(const struct scenario *sc, const char *names[SCENARIO_ALL_NEEDS + 1],
		      const char *packages[SCENARIO_ALL_NEEDS])
{
	const struct scenario_program *p;
	size_t nr = 0, i, k;

	memset(names, 0, (SCENARIO_ALL_NEEDS + 1) * sizeof(*names));
	if (!sc->programs[0].name)
		return 0;
	packages[nr] = NULL;
	names[nr++] = "sh";
	for (p = sc->programs; p < sc->programs + SCENARIO_MAX_PROGRAMS && p->name; p++) {
		for (i = 0; i < SCENARIO_MAX_NEEDS && p->needs[i]; i++) {
			for (k = 0; k < nr && strcmp(names[k], p->needs[i]); k++)
				;
			if (k < nr)
				continue;
			packages[nr] = p->package;
			names[nr++] = p->needs[i];
		}
	}
	return nr;
}

void limits_layer(struct limits *limits, const struct limits *over)
{
	const unsigned int *from = (const unsigned int *)over;
	unsigned int *to = (unsigned int *)limits;
	size_t i;

	for (i = 0; i < sizeof(*limits) / sizeof(*to); i++)
		if (from[i])
			to[i] = from[i];
}

/* -- CPUs by intent --------------------------------------------------------- */

static unsigned int nr_llcs(const struct topology *topo)
{
	return topology_place(topo, topology_cpus(topo) - 1).llc + 1;
}

static unsigned int nr_cpu_nodes(const struct topology *topo)
{
	return topology_place(topo, topology_cpus(topo) - 1).node + 1;
}

static int does_not_fit(struct errmsg *err, const char *what, unsigned int wanted,
			unsigned int have)
{
	errmsg_set(err, ERRMSG_HOST, 0, "needs %s %u, the topology has %u", what, wanted, have);
	return -ERANGE;
}

static int resolve_llc(unsigned int llc, const struct topology *topo, struct cpu_set *set,
		       struct errmsg *err)
{
	unsigned int cpu;

	if (llc >= nr_llcs(topo))
		return does_not_fit(err, "LLCs:", llc + 1, nr_llcs(topo));
	for (cpu = 0; cpu < topology_cpus(topo); cpu++)
		if (topology_place(topo, cpu).llc == llc)
			cpu_set_add(set, cpu);
	return 0;
}

static int resolve_numa(unsigned int node, const struct topology *topo, struct cpu_set *set,
			struct errmsg *err)
{
	unsigned int cpu;

	if (node >= nr_cpu_nodes(topo))
		return does_not_fit(err, "nodes with CPUs:", node + 1, nr_cpu_nodes(topo));
	for (cpu = 0; cpu < topology_cpus(topo); cpu++)
		if (topology_place(topo, cpu).node == node)
			cpu_set_add(set, cpu);
	return 0;
}

static int resolve_range(unsigned int first, unsigned int last, const struct topology *topo,
			 struct cpu_set *set, struct errmsg *err)
{
	unsigned int cpu;

	if (first > last)
		return errmsg_set(err, ERRMSG_INPUT, 0, "RANGE(%u, %u) is empty", first, last);
	if (last >= topology_cpus(topo))
		return does_not_fit(err, "CPUs:", last + 1, topology_cpus(topo));
	for (cpu = first; cpu <= last; cpu++)
		cpu_set_add(set, cpu);
	return 0;
}

/* Part @i of @n, and @percent of the part after it, the first after the last */
static int resolve_part(unsigned int i, unsigned int n, unsigned int percent,
			const struct topology *topo, struct cpu_set *set, struct errmsg *err)
{
	unsigned int cpus = topology_cpus(topo), first, end, next, cpu;

	if (!n || i >= n || percent > 100)
		return errmsg_set(err, ERRMSG_INPUT, 0, "part %u of %u, overlap %u %%, is none",
				  i, n, percent);
	if (cpus < n)
		return does_not_fit(err, "CPUs:", n, cpus);
	first = i * cpus / n;
	end = (i + 1) * cpus / n;
	next = ((i + 1) % n + 1) * cpus / n - (i + 1) % n * cpus / n;
	end += (next * percent + 99) / 100;
	for (cpu = first; cpu < end; cpu++)
		cpu_set_add(set, cpu % cpus);
	return 0;
}

static int resolve_exact(const char *list, const struct topology *topo, struct cpu_set *set,
			 struct errmsg *err)
{
	unsigned int cpu, last = 0, nr = 0;

	if (!list || cpu_set_parse(set, list))
		return errmsg_set(err, ERRMSG_INPUT, 0, "\"%s\" is no list of CPUs", list ?: "");
	for (cpu = 0; cpu < TOPOLOGY_MAX_CPUS; cpu++) {
		if (cpu_set_has(set, cpu)) {
			last = cpu;
			nr++;
		}
	}
	if (!nr)
		return errmsg_set(err, ERRMSG_INPUT, 0, "EXACT(\"\") is empty");
	if (last >= topology_cpus(topo))
		return does_not_fit(err, "CPUs:", last + 1, topology_cpus(topo));
	return 0;
}

int scenario_resolve_cpus(const struct cpus *cpus, const struct topology *topo,
			  struct cpu_set *set, struct errmsg *err)
{
	memset(set, 0, sizeof(*set));
	switch (cpus->kind) {
	case CPUS_ALL:
		return resolve_range(0, topology_cpus(topo) - 1, topo, set, err);
	case CPUS_LLC:
		return resolve_llc(cpus->a, topo, set, err);
	case CPUS_NUMA:
		return resolve_numa(cpus->a, topo, set, err);
	case CPUS_RANGE:
		return resolve_range(cpus->a, cpus->b, topo, set, err);
	case CPUS_DISJOINT:
		return resolve_part(cpus->a, cpus->b, 0, topo, set, err);
	case CPUS_OVERLAP:
		return resolve_part(cpus->a, cpus->b, cpus->percent, topo, set, err);
	case CPUS_EXACT:
		return resolve_exact(cpus->list, topo, set, err);
	}
	return errmsg_set(err, ERRMSG_INPUT, 0, "%u is no kind of CPUs", cpus->kind);
}

int scenario_resolve_nodes(const struct cpus *cpus, const struct topology *topo, u64 *nodes,
			   struct errmsg *err)
{
	struct cpu_set set;
	unsigned int cpu;
	int ret;

	*nodes = 0;
	ret = scenario_resolve_cpus(cpus, topo, &set, err);
	for (cpu = 0; cpu < topology_cpus(topo) && !ret; cpu++)
		if (cpu_set_has(&set, cpu))
			*nodes |= 1ULL << topology_place(topo, cpu).node;
	return ret;
}

/* -- workers ---------------------------------------------------------------- */

bool scenario_is_below(const char *path, const char *name)
{
	size_t len = strlen(name);

	return path && !strncmp(path, name, len) && (!path[len] || path[len] == '/');
}

void scenario_effective_cpus(const struct scenario *sc, const struct cpus *cpus,
			     const struct topology *topo, const char *cgroup,
			     struct cpu_set *set)
{
	struct errmsg unused;
	struct cpu_set part;
	size_t i;

	for (i = 0; i < SCENARIO_MAX_CGROUPS && sc->cgroups[i].name; i++) {
		if (!scenario_is_below(cgroup, sc->cgroups[i].name) ||
		    scenario_resolve_cpus(&cpus[i], topo, &part, &unused))
			continue;
		cpu_set_and(&part, set);
		/* The kernel does not take the last CPU away (cpuset.cpus.effective). */
		if (cpu_set_count(&part))
			*set = part;
	}
}

/* The CPUs of a worker's cgroup, and of those that it is in, before all steps */
static void group_cpus(const struct scenario *sc, const struct scenario_workers *workers,
		       const struct topology *topo, struct cpu_set *set)
{
	struct cpus cpus[SCENARIO_MAX_CGROUPS];
	struct errmsg unused;
	size_t i;

	for (i = 0; i < SCENARIO_MAX_CGROUPS; i++)
		cpus[i] = sc->cgroups[i].cpus;
	scenario_resolve_cpus(&(struct cpus){}, topo, set, &unused);
	scenario_effective_cpus(sc, cpus, topo, workers->cgroup, set);
}

unsigned int scenario_count(const struct scenario *sc, const struct scenario_workers *workers,
			    const struct topology *topo)
{
	const struct wire_phase *phase = &workers->phases[0];
	unsigned int by_cpus, whole;
	struct cpu_set set;

	group_cpus(sc, workers, topo, &set);
	by_cpus = (cpu_set_count(&set) * workers->percent_of_cpus + 99) / 100;
	if (by_cpus <= workers->count)
		return workers->count;
	/* Pairs and threes have their size by type. */
	for (whole = by_cpus; whole < by_cpus + phase->team + 3; whole++)
		if (wire_work_team(phase->work, phase->team, whole))
			return whole;
	return by_cpus;
}

struct wire_attr scenario_attr(const struct scenario_workers *workers)
{
	return (struct wire_attr){
		.policy = workers->policy,
		.nice = workers->nice,
		.priority = workers->priority,
		.runtime_ns = workers->runtime_us * 1000ULL,
		.deadline_ns = workers->period_us * 1000ULL,
		.period_ns = workers->period_us * 1000ULL,
	};
}

void scenario_change_attr(struct wire_attr *attr, const struct scenario_step *step)
{
	if (step->op == STEP_NICE) {
		attr->nice = step->value;
		return;
	}
	*attr = (struct wire_attr){
		.policy = step->value,
		.nice = attr->nice,
		.priority = step->value == POLICY_FIFO || step->value == POLICY_RR,
	};
}

bool scenario_has_work(const struct scenario *sc, enum wire_work work)
{
	const struct scenario_workers *w;
	unsigned int i;

	for (w = sc->workers; w < sc->workers + SCENARIO_MAX_WORKERS && w->name; w++)
		for (i = 0; i < max(scenario_phases(w), 1U); i++)
			if (w->phases[i].work == work)
				return true;
	return false;
}

/* The @n-th CPU of a set, counted around */
static unsigned int nth_cpu(const struct cpu_set *set, unsigned int n)
{
	unsigned int cpu;

	n %= cpu_set_count(set);
	for (cpu = 0; ; cpu++)
		if (cpu_set_has(set, cpu) && !n--)
			return cpu;
}

static void random_subset(const struct cpu_set *from, unsigned int seed, struct cpu_set *set)
{
	unsigned int cpu;

	/* Never empty, and the same in every run */
	seed = seed * 2654435761U + 1;
	cpu_set_add(set, nth_cpu(from, seed >> 8));
	for (cpu = 0; cpu < TOPOLOGY_MAX_CPUS; cpu++)
		if (cpu_set_has(from, cpu) && rand_r(&seed) & 1)
			cpu_set_add(set, cpu);
}

static void same_llc(const struct cpu_set *from, const struct topology *topo, unsigned int n,
		     struct cpu_set *set)
{
	unsigned int cpu, last = ~0U, nr = 0, llc = 0;

	for (cpu = 0; cpu < topology_cpus(topo); cpu++) {
		if (cpu_set_has(from, cpu) && topology_place(topo, cpu).llc != last) {
			last = topology_place(topo, cpu).llc;
			nr++;
		}
	}
	n %= nr;
	last = ~0U;
	for (cpu = 0, nr = 0; cpu < topology_cpus(topo); cpu++) {
		if (!cpu_set_has(from, cpu))
			continue;
		llc = topology_place(topo, cpu).llc;
		nr += llc != last;
		last = llc;
		if (nr == n + 1)
			cpu_set_add(set, cpu);
	}
}

static void one_per_llc(const struct cpu_set *from, const struct topology *topo,
			struct cpu_set *set)
{
	unsigned int cpu, last = ~0U;

	for (cpu = 0; cpu < topology_cpus(topo); cpu++) {
		if (!cpu_set_has(from, cpu) || topology_place(topo, cpu).llc == last)
			continue;
		last = topology_place(topo, cpu).llc;
		cpu_set_add(set, cpu);
	}
}

void scenario_affinity(const struct scenario *sc, const struct scenario_workers *workers,
		       const struct topology *topo, unsigned int index, struct cpu_set *set)
{
	struct cpu_set from;

	memset(set, 0, sizeof(*set));
	group_cpus(sc, workers, topo, &from);
	switch (workers->affinity) {
	case AFFINITY_INHERIT:
		break;
	case AFFINITY_ONE:
		cpu_set_add(set, nth_cpu(&from, index));
		break;
	case AFFINITY_RANDOM:
		random_subset(&from, index, set);
		break;
	case AFFINITY_LLC:
		same_llc(&from, topo, index, set);
		break;
	case AFFINITY_CROSS:
		one_per_llc(&from, topo, set);
		break;
	}
}

/* -- mistakes --------------------------------------------------------------- */

static int check_name(const char *name, struct errmsg *err)
{
	size_t len = strlen(name);

	if (len && len < WIRE_MAX_NAME &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_/") == len &&
	    name[0] != '/' && name[len - 1] != '/' && !strstr(name, "//"))
		return 0;
	return errmsg_set(err, ERRMSG_INPUT, 0,
			  "name: \"%s\" is none: a to z, 0 to 9, _ and, between levels, /", name);
}

static int check_comm(const char *comm, struct errmsg *err)
{
	size_t i, len = comm ? strlen(comm) : 0;

	for (i = 0; i < len && isgraph((unsigned char)comm[i]); i++)
		;
	if (!comm || (len && len < SCENARIO_COMM_SIZE && i == len))
		return 0;
	return errmsg_set(err, ERRMSG_INPUT, 0,
			  "comm: \"%s\" is none: 1 to %d printable characters, no blanks", comm,
			  SCENARIO_COMM_SIZE - 1);
}

static int check_range(const char *field, long value, long min, long max, struct errmsg *err)
{
	if (value >= min && value <= max)
		return 0;
	return errmsg_set(err, ERRMSG_INPUT, 0, "%s: %ld is not from %ld to %ld",
			  field, value, min, max);
}

static int check_cpus(const char *field, const struct cpus *cpus, const struct topology *topo,
		      struct errmsg *err)
{
	struct cpu_set set;
	int ret = scenario_resolve_cpus(cpus, topo, &set, err);

	if (ret)
		errmsg_prefix(err, "%s", field);
	return ret;
}

/* The part of the name before the last "/" is a cgroup that came before. */
static int check_parent(const struct scenario *sc, const struct scenario_cgroup *cg,
			struct errmsg *err)
{
	const char *slash = strrchr(cg->name, '/');
	const struct scenario_cgroup *parent;

	if (!slash)
		return 0;
	for (parent = sc->cgroups; parent < cg; parent++)
		if (!strncmp(parent->name, cg->name, slash - cg->name) &&
		    !parent->name[slash - cg->name])
			return 0;
	return errmsg_set(err, ERRMSG_INPUT, 0, "name: there is no \"%.*s\" before \"%s\"",
			  (int)(slash - cg->name), cg->name, cg->name);
}

static int check_cgroup(const struct scenario *sc, const struct scenario_cgroup *cg,
			const struct topology *topo, struct errmsg *err)
{
	if (scenario_cgroup(sc, cg->name) != cg)
		return errmsg_set(err, ERRMSG_INPUT, 0, "name: there are two of them");
	return check_name(cg->name, err) ?:
	       check_parent(sc, cg, err) ?:
	       check_cpus("cpus", &cg->cpus, topo, err) ?:
	       check_cpus("mems", &cg->mems, topo, err) ?:
	       check_range("weight", cg->weight, 0, MAX_WEIGHT, err) ?:
	       check_range("quota", cg->quota, 0, MAX_QUOTA, err);
}

static bool is_policy(int policy)
{
	return policy >= POLICY_NORMAL && policy <= POLICY_DEADLINE && policy != POLICY_IDLE - 1;
}

static int check_policy(const struct scenario_workers *w, struct errmsg *err)
{
	bool rt = w->policy == POLICY_FIFO || w->policy == POLICY_RR;
	bool deadline = w->policy == POLICY_DEADLINE;

	if (!is_policy(w->policy))
		return errmsg_set(err, ERRMSG_INPUT, 0, "policy: there is no %u", w->policy);
	return check_range("priority", w->priority, rt, rt ? WIRE_MAX_PRIORITY : 0, err) ?:
	       check_range("period_us", w->period_us, deadline ? MIN_PERIOD_US : 0,
			   deadline ? MAX_PERIOD_US : 0, err) ?:
	       check_range("runtime_us", w->runtime_us, deadline ? MIN_RUNTIME_US : 0,
			   w->period_us, err);
}

static int check_memory(const struct scenario_workers *w, const struct topology *topo,
			struct errmsg *err)
{
	if (w->memory > MEMORY_INTERLEAVE)
		return errmsg_set(err, ERRMSG_INPUT, 0, "memory: there is no %u", w->memory);
	return check_cpus("mems", &w->mems, topo, err);
}

/* cgroup-v2.rst, "No Internal Process Constraint" */
static int check_leaf(const struct scenario *sc, const char *cgroup, struct errmsg *err)
{
	const struct scenario_cgroup *cg;
	size_t len = cgroup ? strlen(cgroup) : 0;

	for (cg = sc->cgroups; len && cg < sc->cgroups + SCENARIO_MAX_CGROUPS && cg->name; cg++)
		if (!strncmp(cg->name, cgroup, len) && cg->name[len] == '/')
			return errmsg_set(err, ERRMSG_INPUT, 0,
					  "cgroup: \"%s\" has cgroups in it, and may thus have no tasks",
					  cgroup);
	return 0;
}

unsigned int scenario_phases(const struct scenario_workers *workers)
{
	static const struct wire_phase none;
	unsigned int nr = 0;

	while (nr < WIRE_MAX_PHASES && memcmp(&workers->phases[nr], &none, sizeof(none)))
		nr++;
	return nr;
}

/* Pairs and threes have to come out even; who goes from one work to the next is alone. */
static int check_phases(const struct scenario_workers *w, unsigned int count, struct errmsg *err)
{
	unsigned int i, nr = scenario_phases(w);

	for (i = 0; i < nr; i++) {
		const struct wire_phase *phase = &w->phases[i];
		const char *name = wire_work_name(phase->work);

		if (!name)
			return errmsg_set(err, ERRMSG_INPUT, 0, "phases[%u].work: there is no %u",
					  i, phase->work);
		if (phase->work == WIRE_WORK_CUSTOM && wire_custom_find(phase->arg) < 0)
			return errmsg_set(err, ERRMSG_INPUT, 0,
					  "phases[%u].arg: there is no custom work \"%s\"", i,
					  phase->arg ?: "");
		if (!wire_work_team(phase->work, phase->team, count))
			return errmsg_set(err, ERRMSG_INPUT, 0,
					  "phases[%u].team: %u workers cannot %s in such teams", i,
					  count, name);
		if (nr > 1 && wire_work_team(phase->work, phase->team, count) > 1)
			return errmsg_set(err, ERRMSG_INPUT, 0,
					  "phases[%u].work: %s takes a team, which has one phase",
					  i, name);
		if (nr > 1 && !phase->phase_ns)
			return errmsg_set(err, ERRMSG_INPUT, 0, "phases[%u].phase_ns: is 0", i);
	}
	return 0;
}

static int check_workers(const struct scenario *sc, const struct scenario_workers *w,
			 const struct topology *topo, struct errmsg *err)
{
	int ret;

	if (scenario_workers(sc, w->name) != w)
		return errmsg_set(err, ERRMSG_INPUT, 0, "name: there are two of them");
	if (strchr(w->name, '/'))
		return errmsg_set(err, ERRMSG_INPUT, 0, "name: no /");
	if (w->cgroup && !scenario_cgroup(sc, w->cgroup))
		return errmsg_set(err, ERRMSG_INPUT, 0, "cgroup: there is no \"%s\"", w->cgroup);
	if (w->affinity > AFFINITY_CROSS)
		return errmsg_set(err, ERRMSG_INPUT, 0, "affinity: there is no %u", w->affinity);
	/* More than that cannot be, however few CPUs there are. */
	ret = check_name(w->name, err) ?:
	      check_range("percent_of_cpus", w->percent_of_cpus, 0, 100 * WIRE_MAX_WORKERS,
			  err) ?:
	      check_comm(w->comm, err) ?:
	      check_leaf(sc, w->cgroup, err) ?:
	      check_policy(w, err) ?:
	      check_memory(w, topo, err) ?:
	      check_range("nice", w->nice, -20, 19, err);
	if (ret)
		return ret;
	if (!scenario_count(sc, w, topo))
		return errmsg_set(err, ERRMSG_INPUT, 0,
				  "count: there are no workers; set count or percent_of_cpus");
	return check_phases(w, scenario_count(sc, w, topo), err);
}

static int check_number(const struct scenario_number *number, struct errmsg *err)
{
	size_t len = strlen(number->name);

	if (!len || isspace((unsigned char)number->name[0]) ||
	    isspace((unsigned char)number->name[len - 1]))
		return errmsg_set(err, ERRMSG_INPUT, 0, "name: \"%s\" is none", number->name);
	if (!number->unit)
		return errmsg_set(err, ERRMSG_INPUT, 0, "unit: there is none");
	if (!(number->min >= 0) || !(number->max >= 0) || !(number->min || number->max))
		return errmsg_set(err, ERRMSG_INPUT, 0, "min, max: one of them is needed");
	if (number->max && number->max < number->min)
		return errmsg_set(err, ERRMSG_INPUT, 0, "max: %g is less than min", number->max);
	return 0;
}

static bool is_killed(const struct scenario *sc, const struct scenario_program *p)
{
	unsigned int i;

	for (i = 0; i < SCENARIO_MAX_STEPS && sc->steps[i].op != STEP_END; i++)
		if (sc->steps[i].op == STEP_KILL && scenario_program(sc, sc->steps[i].program) == p)
			return true;
	return false;
}

static int check_program(const struct scenario *sc, const struct scenario_program *p,
			 struct errmsg *err)
{
	unsigned int i;
	int ret;

	if (scenario_program(sc, p->name) != p)
		return errmsg_set(err, ERRMSG_INPUT, 0, "name: there are two of them");
	if (!p->command || !*p->command)
		return errmsg_set(err, ERRMSG_INPUT, 0, "command: there is none");
	if (p->needs[0] && !p->package)
		return errmsg_set(err, ERRMSG_INPUT, 0, "package: who has no %s has to know",
				  p->needs[0]);
	if (p->cgroup && !scenario_cgroup(sc, p->cgroup))
		return errmsg_set(err, ERRMSG_INPUT, 0, "cgroup: there is no \"%s\"", p->cgroup);
	if (p->numbers[0].name && is_killed(sc, p))
		return errmsg_set(err, ERRMSG_INPUT, 0,
				  "numbers: a step kills it before it can print them");
	ret = check_name(p->name, err) ?: check_leaf(sc, p->cgroup, err);
	for (i = 0; i < SCENARIO_MAX_NUMBERS && p->numbers[i].name && !ret; i++) {
		ret = check_number(&p->numbers[i], err);
		if (ret)
			errmsg_prefix(err, "numbers[%u]", i);
	}
	return ret;
}

/* Which fields a step needs */
#define NEEDS_CGROUP	BIT(0)
#define NEEDS_WORKERS	BIT(1)
#define NEEDS_OTHER	BIT(2)
#define NEEDS_PROGRAM	BIT(3)
#define NEEDS_SCHEDULER	BIT(4)
#define HAS_CPUS	BIT(5)

static const unsigned int step_fields[NR_STEP_OPS] = {
	[STEP_ADD] = NEEDS_CGROUP,
	[STEP_REMOVE] = NEEDS_CGROUP,
	[STEP_CPUS] = NEEDS_CGROUP | HAS_CPUS,
	[STEP_SWAP] = NEEDS_CGROUP | NEEDS_OTHER,
	[STEP_WEIGHT] = NEEDS_CGROUP,
	[STEP_QUOTA] = NEEDS_CGROUP,
	[STEP_FREEZE] = NEEDS_CGROUP,
	[STEP_SPAWN] = NEEDS_WORKERS,
	[STEP_STOP] = NEEDS_WORKERS,
	[STEP_MOVE] = NEEDS_CGROUP | NEEDS_WORKERS,
	[STEP_AFFINITY] = NEEDS_WORKERS | HAS_CPUS,
	[STEP_NICE] = NEEDS_WORKERS,
	[STEP_POLICY] = NEEDS_WORKERS,
	[STEP_OFFLINE] = HAS_CPUS,
	[STEP_ONLINE] = HAS_CPUS,
	[STEP_REPLACE] = NEEDS_SCHEDULER,
	[STEP_RUN] = NEEDS_PROGRAM,
	[STEP_WAIT] = NEEDS_PROGRAM,
	[STEP_KILL] = NEEDS_PROGRAM,
};

static bool lacks(unsigned int fields, unsigned int needs, const char *name, bool known)
{
	return name ? !known : fields & needs;
}

/* What is named is there, also by a step that does nothing with it. */
static int check_step_refs(const struct scenario *sc, const struct scenario_step *step,
			   struct errmsg *err)
{
	const char *cg = step->cgroup, *other = step->other, *who = step->workers;
	unsigned int fields = step_fields[step->op];

	if (lacks(fields, NEEDS_CGROUP, cg, cg && scenario_cgroup(sc, cg)))
		return errmsg_set(err, ERRMSG_INPUT, 0, "cgroup: there is no \"%s\"", cg ?: "");
	if (lacks(fields, NEEDS_OTHER, other, other && scenario_cgroup(sc, other)))
		return errmsg_set(err, ERRMSG_INPUT, 0, "other: there is no cgroup \"%s\"",
				  other ?: "");
	if (lacks(fields, NEEDS_WORKERS, who, who && scenario_workers(sc, who)))
		return errmsg_set(err, ERRMSG_INPUT, 0, "workers: there is no \"%s\"", who ?: "");
	if (lacks(fields, NEEDS_PROGRAM, step->program, scenario_program(sc, step->program)))
		return errmsg_set(err, ERRMSG_INPUT, 0, "program: there is no \"%s\"",
				  step->program ?: "");
	if (fields & NEEDS_SCHEDULER && (!step->scheduler || !*step->scheduler))
		return errmsg_set(err, ERRMSG_INPUT, 0, "scheduler: there is none");
	return 0;
}

static int check_hold(const struct scenario_step *step, struct errmsg *err)
{
	if (!step->percent && !step->ms)
		return errmsg_set(err, ERRMSG_INPUT, 0, "percent: there is no time to hold");
	return check_range("percent", step->percent, 0, 100, err);
}

/* CPU 0 stays: x86 kernels cannot take it offline (since 6.5). */
static int check_offline(const struct scenario_step *step, const struct topology *topo,
			 struct errmsg *err)
{
	struct cpu_set set;
	int ret = scenario_resolve_cpus(&step->cpus, topo, &set, err);

	if (!ret && cpu_set_has(&set, 0))
		ret = errmsg_set(err, ERRMSG_INPUT, 0, "cpus: CPU 0 cannot go offline");
	return ret;
}

/* There is no step that could say runtime and period. */
static int check_step_policy(const struct scenario_step *step, struct errmsg *err)
{
	if (is_policy(step->value) && step->value != POLICY_DEADLINE)
		return 0;
	return errmsg_set(err, ERRMSG_INPUT, 0, "value: there is no policy %d for a step",
			  step->value);
}

static int check_step_value(const struct scenario *sc, const struct scenario_step *step,
			    const struct topology *topo, struct errmsg *err)
{
	switch (step->op) {
	case STEP_HOLD:
		return check_hold(step, err);
	case STEP_WEIGHT:
		return check_range("value", step->value, 1, MAX_WEIGHT, err);
	case STEP_QUOTA:
		return check_range("value", step->value, 0, MAX_QUOTA, err);
	case STEP_MOVE:
		return check_leaf(sc, step->cgroup, err) ?:
		       check_range("value", step->value, 0,
				   scenario_count(sc, scenario_workers(sc, step->workers), topo),
				   err);
	case STEP_NICE:
		return check_range("value", step->value, -20, 19, err);
	case STEP_POLICY:
		return check_step_policy(step, err);
	case STEP_OFFLINE:
		return check_offline(step, topo, err);
	case STEP_REPEAT:
		/* Without a pause in them, the steps would be all that happens. */
		return check_range("value", step->value, 1, step - sc->steps, err) ?:
		       check_range("percent", step->percent, 1, 100, err);
	default:
		return 0;
	}
}

static bool has_hold(const struct scenario_step *first, const struct scenario_step *end)
{
	for (; first < end; first++)
		if (first->op == STEP_HOLD)
			return true;
	return false;
}

static int check_step(const struct scenario *sc, const struct scenario_step *step,
		      const struct topology *topo, struct errmsg *err)
{
	int ret;

	if (step->op >= NR_STEP_OPS)
		return errmsg_set(err, ERRMSG_INPUT, 0, "op: there is no %u", step->op);
	ret = check_step_refs(sc, step, err);
	if (!ret && step_fields[step->op] & HAS_CPUS)
		ret = check_cpus("cpus", &step->cpus, topo, err);
	if (!ret)
		ret = check_step_value(sc, step, topo, err);
	if (!ret && step->op == STEP_REPEAT && !has_hold(step - step->value, step))
		ret = errmsg_set(err, ERRMSG_INPUT, 0, "value: no hold among the last %d steps",
				 step->value);
	return ret;
}

/* The LLCs of the node that has most */
static unsigned int llcs_per_node(const struct topology *topo)
{
	unsigned int cpu, nr[TOPOLOGY_MAX_NODES] = {}, most = 0, last = ~0U;

	for (cpu = 0; cpu < topology_cpus(topo); cpu++) {
		struct topology_place place = topology_place(topo, cpu);

		if (place.llc != last)
			most = max(most, ++nr[place.node]);
		last = place.llc;
	}
	return most;
}

/* It is the scheduler under test that is judged in the end. */
static int check_replaced(const struct scenario *sc, struct errmsg *err)
{
	const struct scenario_step *step, *replaced = NULL;

	for (step = sc->steps; step < sc->steps + SCENARIO_MAX_STEPS && step->op != STEP_END;
	     step++) {
		if (step->op == STEP_REPLACE)
			replaced = step;
		else if (step->op == STEP_LOAD || step->op == STEP_LEAVE)
			replaced = NULL;
	}
	if (!replaced)
		return 0;
	return errmsg_set(err, ERRMSG_INPUT, 0,
			  "step %zu, replace: no later step loads the scheduler under test again",
			  replaced - sc->steps + 1);
}

static int check_needs(const struct scenario *sc, const struct topology *topo, struct errmsg *err)
{
	if (topology_cpus(topo) < sc->min_cpus)
		return does_not_fit(err, "CPUs:", sc->min_cpus, topology_cpus(topo));
	if (nr_llcs(topo) < sc->min_llcs)
		return does_not_fit(err, "LLCs:", sc->min_llcs, nr_llcs(topo));
	if (nr_cpu_nodes(topo) < sc->min_nodes)
		return does_not_fit(err, "nodes with CPUs:", sc->min_nodes, nr_cpu_nodes(topo));
	if (llcs_per_node(topo) < sc->min_llcs_per_node)
		return does_not_fit(err, "LLCs in one node:", sc->min_llcs_per_node,
				    llcs_per_node(topo));
	if (sc->smt && !topology_core_shift(topo))
		return does_not_fit(err, "threads per core:", 2, 1);
	return 0;
}

/* Of those that are parts of a whole, no percentage above 100 could ever be missed. */
static int check_limits(const struct limits *limits, struct errmsg *err)
{
	const struct {
		const char *field;
		unsigned int percent;
	} parts[] = {
		{ "limits.starved", limits->starved },
		{ "limits.idle", limits->idle },
		{ "limits.remote_pages", limits->remote_pages },
		{ "limits.slow_pages", limits->slow_pages },
		{ "limits.floor", limits->floor },
	};
	size_t i;
	int ret = 0;

	for (i = 0; i < ARRAY_SIZE(parts) && !ret; i++)
		if (parts[i].percent != UNLIMITED)
			ret = check_range(parts[i].field, parts[i].percent, 0, 100, err);
	return ret;
}

static int check_all(const struct scenario *sc, const struct topology *topo, struct errmsg *err)
{
	unsigned int i;
	int ret;

	ret = check_needs(sc, topo, err) ?: check_limits(&sc->limits, err);
	for (i = 0; i < SCENARIO_MAX_CGROUPS && sc->cgroups[i].name && !ret; i++) {
		ret = check_cgroup(sc, &sc->cgroups[i], topo, err);
		if (ret)
			errmsg_prefix(err, "cgroup \"%s\"", sc->cgroups[i].name);
	}
	for (i = 0; i < SCENARIO_MAX_WORKERS && sc->workers[i].name && !ret; i++) {
		ret = check_workers(sc, &sc->workers[i], topo, err);
		if (ret)
			errmsg_prefix(err, "workers \"%s\"", sc->workers[i].name);
	}
	if (!i && !ret && !sc->programs[0].name)
		ret = errmsg_set(err, ERRMSG_INPUT, 0, "workers: there are none");
	for (i = 0; i < SCENARIO_MAX_PROGRAMS && sc->programs[i].name && !ret; i++) {
		ret = check_program(sc, &sc->programs[i], err);
		if (ret)
			errmsg_prefix(err, "program \"%s\"", sc->programs[i].name);
	}
	for (i = 0; i < SCENARIO_MAX_STEPS && sc->steps[i].op != STEP_END && !ret; i++) {
		ret = check_step(sc, &sc->steps[i], topo, err);
		if (ret)
			errmsg_prefix(err, "step %u, %s", i + 1,
				      scenario_step_name(sc->steps[i].op));
	}
	return ret ?: scenario_walk(sc, topo, err) ?: check_replaced(sc, err);
}

int scenario_check(const struct scenario *sc, const struct topology *topo, struct errmsg *err)
{
	int ret = check_all(sc, topo, err);

	if (ret)
		errmsg_prefix(err, "scenario %s.%s", sc->suite, sc->name);
	return ret;
}
