// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "scenario_walk.h"

/*
 * What the kernel admits to SCHED_DEADLINE of each CPU that is online, as to_ratio()
 * has it: what sched_rt_runtime_us leaves to real-time tasks of sched_rt_period_us, less
 * what the server is given that runs all others (50 ms of each second, since 6.12).
 */
#define RATIO_SHIFT	20
#define ADMITTED_PERCENT	90
#define ADMITTED_RATIO	((950000ULL << RATIO_SHIFT) / 1000000 - (50ULL << RATIO_SHIFT) / 1000)

/* Workers up to @end, but for those that an entry after this one has, are in @cgroup. */
struct place {
	unsigned int end;
	const char *cgroup;
};

/* Who moves, moves with all before him: each entry has fewer than the one before it. */
struct walk_workers {
	bool begun;
	bool runs;
	bool deadline;
	struct place places[SCENARIO_MAX_STEPS + 1];
	unsigned int nr_places;
};

struct walk_cgroup {
	bool begun;
	bool exists;
	bool frozen;
};

struct walk_program {
	bool begun;
	bool runs;
};

/* How far a scenario has come, from step to step */
struct walk {
	const struct scenario *sc;
	const struct topology *topo;
	struct cpu_set online;
	struct cpus cpus[SCENARIO_MAX_CGROUPS];
	struct walk_cgroup cgroups[SCENARIO_MAX_CGROUPS];
	struct walk_workers workers[SCENARIO_MAX_WORKERS];
	struct walk_program programs[SCENARIO_MAX_PROGRAMS];
};

/* -- what is there ---------------------------------------------------------- */

static struct walk_cgroup *find_cgroup(struct walk *walk, const char *name)
{
	return &walk->cgroups[scenario_cgroup(walk->sc, name) - walk->sc->cgroups];
}

static struct walk_workers *find_workers(struct walk *walk, const char *name)
{
	return &walk->workers[scenario_workers(walk->sc, name) - walk->sc->workers];
}

static struct walk_program *find_program(struct walk *walk, const char *name)
{
	return &walk->programs[scenario_program(walk->sc, name) - walk->sc->programs];
}

static bool exists(struct walk *walk, const char *cgroup)
{
	return !cgroup || find_cgroup(walk, cgroup)->exists;
}

/* A frozen cgroup holds what is below it, too. */
static bool is_frozen(struct walk *walk, const char *cgroup)
{
	const struct scenario *sc = walk->sc;
	size_t i;

	for (i = 0; i < SCENARIO_MAX_CGROUPS && sc->cgroups[i].name; i++)
		if (walk->cgroups[i].frozen && scenario_is_below(cgroup, sc->cgroups[i].name))
			return true;
	return false;
}

static bool has_frozen(struct walk *walk, const struct walk_workers *w)
{
	unsigned int i;

	for (i = 0; i < w->nr_places; i++)
		if (is_frozen(walk, w->places[i].cgroup))
			return true;
	return false;
}

static bool is_in(const struct walk_workers *w, const char *cgroup)
{
	unsigned int i;

	for (i = 0; i < w->nr_places; i++)
		if (scenario_is_below(w->places[i].cgroup, cgroup))
			return true;
	return false;
}

/* Return: its name, or "" for the root */
static const char *parent_of(const char *cgroup, char parent[WIRE_MAX_NAME])
{
	const char *slash = strrchr(cgroup, '/');

	snprintf(parent, WIRE_MAX_NAME, "%.*s", slash ? (int)(slash - cgroup) : 0, cgroup);
	return parent;
}

/* Does a cgroup ("" or NULL: the root) have any of these CPUs, that is online? */
static bool has_any(struct walk *walk, const char *cgroup, const struct cpu_set *cpus)
{
	struct cpu_set set = walk->online;

	scenario_effective_cpus(walk->sc, walk->cpus, walk->topo, cgroup, &set);
	cpu_set_and(&set, cpus);
	return cpu_set_count(&set);
}

/* -- cgroups ---------------------------------------------------------------- */

/* The kernel would give it its parent's instead, which is not what was meant. */
static int check_cpuset(struct walk *walk, const char *field, const char *cgroup,
			struct errmsg *err)
{
	const struct cpus *cpus = &walk->cpus[scenario_cgroup(walk->sc, cgroup) -
					      walk->sc->cgroups];
	char parent[WIRE_MAX_NAME];
	struct cpu_set all, set;
	int ret;

	ret = scenario_resolve_cpus(cpus, walk->topo, &set, err) ?:
	      scenario_resolve_cpus(&(struct cpus){}, walk->topo, &all, err);
	if (ret)
		return ret;
	scenario_effective_cpus(walk->sc, walk->cpus, walk->topo, parent_of(cgroup, parent), &all);
	cpu_set_and(&set, &all);
	if (cpu_set_count(&set))
		return 0;
	return errmsg_set(err, ERRMSG_INPUT, 0, "%s: \"%s\" gets no CPU that its parent has",
			  field, cgroup);
}

static int add_cgroup(struct walk *walk, const char *field, const struct scenario_cgroup *cg,
		      struct errmsg *err)
{
	size_t at = cg - walk->sc->cgroups;
	char parent[WIRE_MAX_NAME];

	if (walk->cgroups[at].exists)
		return errmsg_set(err, ERRMSG_INPUT, 0, "%s: \"%s\" is there already", field,
				  cg->name);
	if (*parent_of(cg->name, parent) && !exists(walk, parent))
		return errmsg_set(err, ERRMSG_INPUT, 0,
				  "%s: \"%s\" is in \"%s\", which is not there", field, cg->name,
				  parent);
	walk->cgroups[at] = (struct walk_cgroup){ .begun = true, .exists = true };
	walk->cpus[at] = cg->cpus;
	return check_cpuset(walk, "cpus", cg->name, err);
}

/* The next of a list of paths, which blanks separate; "" after the last */
static const char *next_path(const char *pos, char path[WIRE_MAX_PATH])
{
	int len;

	pos += strspn(pos, " ");
	len = strcspn(pos, " ");
	snprintf(path, WIRE_MAX_PATH, "%.*s", len, pos);
	return pos + len;
}

/* The name of a cgroup in a path; "" for the root, NULL for what is no path of one */
static const char *name_in(const char *path)
{
	size_t len = strlen(WIRE_CGROUPS);

	if (strncmp(path, WIRE_CGROUPS, len))
		return NULL;
	if (!path[len])
		return "";
	return path[len] == '/' ? path + len + 1 : NULL;
}

/* Is a cgroup among those between which these workers move by themselves? */
static bool move_to(const struct scenario_workers *w, const char *cgroup)
{
	char path[WIRE_MAX_PATH];
	const char *pos;
	unsigned int i;

	for (i = 0; i < scenario_phases(w); i++) {
		if (w->phases[i].work != WIRE_WORK_CGROUP)
			continue;
		/* They run: their paths were checked. */
		for (pos = next_path(w->phases[i].arg, path); *path; pos = next_path(pos, path))
			if (!strcmp(name_in(path), cgroup))
				return true;
	}
	return false;
}

static int remove_cgroup(struct walk *walk, const char *name, struct errmsg *err)
{
	const struct scenario *sc = walk->sc;
	size_t i;

	for (i = 0; i < SCENARIO_MAX_CGROUPS && sc->cgroups[i].name; i++)
		if (walk->cgroups[i].exists && strcmp(sc->cgroups[i].name, name) &&
		    scenario_is_below(sc->cgroups[i].name, name))
			return errmsg_set(err, ERRMSG_INPUT, 0, "cgroup: \"%s\" is still in \"%s\"",
					  sc->cgroups[i].name, name);
	for (i = 0; i < SCENARIO_MAX_WORKERS && sc->workers[i].name; i++)
		if (walk->workers[i].runs && is_in(&walk->workers[i], name))
			return errmsg_set(err, ERRMSG_INPUT, 0,
					  "cgroup: workers \"%s\" are still in \"%s\"",
					  sc->workers[i].name, name);
	for (i = 0; i < SCENARIO_MAX_WORKERS && sc->workers[i].name; i++)
		if (walk->workers[i].runs && move_to(&sc->workers[i], name))
			return errmsg_set(err, ERRMSG_INPUT, 0,
					  "cgroup: workers \"%s\" move to \"%s\"",
					  sc->workers[i].name, name);
	for (i = 0; i < SCENARIO_MAX_PROGRAMS && sc->programs[i].name; i++)
		if (walk->programs[i].runs && scenario_is_below(sc->programs[i].cgroup, name))
			return errmsg_set(err, ERRMSG_INPUT, 0,
					  "cgroup: program \"%s\" is still in \"%s\"",
					  sc->programs[i].name, name);
	find_cgroup(walk, name)->exists = false;
	find_cgroup(walk, name)->frozen = false;
	return 0;
}

static int set_cpus(struct walk *walk, const struct scenario_step *step, struct errmsg *err)
{
	walk->cpus[scenario_cgroup(walk->sc, step->cgroup) - walk->sc->cgroups] = step->cpus;
	return check_cpuset(walk, "cpus", step->cgroup, err);
}

static int swap_cpus(struct walk *walk, const struct scenario_step *step, struct errmsg *err)
{
	struct cpus *a = &walk->cpus[scenario_cgroup(walk->sc, step->cgroup) - walk->sc->cgroups];
	struct cpus *b = &walk->cpus[scenario_cgroup(walk->sc, step->other) - walk->sc->cgroups];
	struct cpus was = *a;

	*a = *b;
	*b = was;
	return check_cpuset(walk, "cgroup", step->cgroup, err) ?:
	       check_cpuset(walk, "other", step->other, err);
}

/* -- workers ---------------------------------------------------------------- */

/* Has each of them a CPU? Their sets are from before all steps. */
static int check_affinity(struct walk *walk, const struct scenario_workers *w, struct errmsg *err)
{
	unsigned int i, count = scenario_count(walk->sc, w, walk->topo);
	struct cpu_set set;

	for (i = 0; i < count && w->affinity != AFFINITY_INHERIT; i++) {
		scenario_affinity(walk->sc, w, walk->topo, i, &set);
		if (!has_any(walk, w->cgroup, &set))
			return errmsg_set(err, ERRMSG_INPUT, 0,
					  "affinity: worker %u of \"%s\" has no CPU in its cgroup",
					  i, w->name);
	}
	return 0;
}

/* Can workers move to a cgroup by themselves? */
static int check_path(struct walk *walk, const char *path, struct errmsg *err)
{
	const struct scenario *sc = walk->sc;
	const char *name = name_in(path);
	size_t i;

	if (name && !*name)
		return 0;
	if (!name || !scenario_cgroup(sc, name))
		return errmsg_set(err, ERRMSG_INPUT, 0,
				  "there is no cgroup \"%s\"; all are in " WIRE_CGROUPS, path);
	for (i = 0; i < SCENARIO_MAX_CGROUPS && sc->cgroups[i].name; i++)
		if (strcmp(sc->cgroups[i].name, name) &&
		    scenario_is_below(sc->cgroups[i].name, name))
			return errmsg_set(err, ERRMSG_INPUT, 0,
					  "\"%s\" has cgroups in it, and may thus have no tasks",
					  path);
	if (!exists(walk, name))
		return errmsg_set(err, ERRMSG_INPUT, 0, "\"%s\" is not there", path);
	return 0;
}

static int check_paths(struct walk *walk, const struct scenario_workers *w, struct errmsg *err)
{
	char path[WIRE_MAX_PATH];
	unsigned int i;
	const char *pos;
	int ret;

	for (i = 0; i < scenario_phases(w); i++) {
		if (w->phases[i].work != WIRE_WORK_CGROUP)
			continue;
		pos = next_path(w->phases[i].arg ?: "", path);
		if (!*path)
			return errmsg_set(err, ERRMSG_INPUT, 0,
					  "phases[%u].arg: there are no cgroups to move between",
					  i);
		for (ret = 0; *path && !ret; pos = next_path(pos, path))
			ret = check_path(walk, path, err);
		if (ret) {
			errmsg_prefix(err, "phases[%u].arg", i);
			return ret;
		}
	}
	return 0;
}

/* The agent has no room for more. A topology of fewer CPUs may have fewer workers. */
static int check_workers(struct walk *walk, struct errmsg *err)
{
	const struct scenario *sc = walk->sc;
	u64 all = 0, fixed = 0;
	size_t i;

	for (i = 0; i < SCENARIO_MAX_WORKERS && sc->workers[i].name; i++) {
		if (!walk->workers[i].runs)
			continue;
		all += scenario_count(sc, &sc->workers[i], walk->topo);
		fixed += sc->workers[i].count;
	}
	if (all <= WIRE_MAX_WORKERS)
		return 0;
	errmsg_set(err, fixed > WIRE_MAX_WORKERS ? ERRMSG_INPUT : ERRMSG_HOST, 0,
		   "count: of all workers at a time there are %llu, and may be %d",
		   (unsigned long long)all, WIRE_MAX_WORKERS);
	return fixed > WIRE_MAX_WORKERS ? -EINVAL : -ERANGE;
}

/* -- SCHED_DEADLINE --------------------------------------------------------- */

static u64 ratio(const struct scenario_workers *w)
{
	return ((u64)w->runtime_us << RATIO_SHIFT) / w->period_us;
}

/* What sched_dl_overflow() refuses. More CPUs help, unless each brings more workers. */
static int check_bandwidth(struct walk *walk, struct errmsg *err)
{
	unsigned int cpus = cpu_set_count(&walk->online);
	const struct scenario_workers *w = walk->sc->workers;
	u64 all = 0, per_cpu = 0;
	size_t i;

	for (i = 0; i < SCENARIO_MAX_WORKERS && w[i].name; i++) {
		if (!walk->workers[i].runs || !walk->workers[i].deadline)
			continue;
		all += scenario_count(walk->sc, &w[i], walk->topo) * ratio(&w[i]);
		per_cpu += w[i].percent_of_cpus * ratio(&w[i]) / 100;
	}
	if (all <= cpus * ADMITTED_RATIO)
		return 0;
	errmsg_set(err, per_cpu > ADMITTED_RATIO ? ERRMSG_INPUT : ERRMSG_HOST, 0,
		   "runtime_us: SCHED_DEADLINE would take %llu %% of a CPU, the kernel admits %u %%",
		   (unsigned long long)((all * 100 + (1 << RATIO_SHIFT) - 1) >> RATIO_SHIFT),
		   cpus * ADMITTED_PERCENT);
	return per_cpu > ADMITTED_RATIO ? -EINVAL : -ERANGE;
}

/* Has a cgroup all CPUs that are online, and are they in @cpus? */
static bool spans(struct walk *walk, const char *cgroup, const struct cpu_set *cpus)
{
	struct cpu_set set = walk->online;

	scenario_effective_cpus(walk->sc, walk->cpus, walk->topo, cgroup, &set);
	cpu_set_and(&set, cpus);
	return cpu_set_equal(&set, &walk->online);
}

/* Who has not all CPUs of the root domain is refused (EPERM). */
static int check_span(struct walk *walk, const struct scenario_workers *w, struct errmsg *err)
{
	unsigned int i, count = scenario_count(walk->sc, w, walk->topo);
	struct cpu_set set;

	for (i = 0; i < count; i++) {
		if (w->affinity == AFFINITY_INHERIT)
			set = walk->online;
		else
			scenario_affinity(walk->sc, w, walk->topo, i, &set);
		if (!spans(walk, w->cgroup, &set))
			return errmsg_set(err, ERRMSG_INPUT, 0,
					  "%s: worker %u of \"%s\" has not all CPUs that are online, as SCHED_DEADLINE needs them",
					  w->affinity == AFFINITY_INHERIT ? "cgroup" : "affinity",
					  i, w->name);
	}
	return 0;
}

static int check_deadline(struct walk *walk, const struct scenario_workers *w, struct errmsg *err)
{
	if (w->policy != POLICY_DEADLINE)
		return 0;
	return check_span(walk, w, err) ?: check_bandwidth(walk, err);
}

static int spawn(struct walk *walk, const struct scenario_workers *w, struct errmsg *err)
{
	struct walk_workers *state = find_workers(walk, w->name);

	if (state->runs)
		return errmsg_set(err, ERRMSG_INPUT, 0, "workers: \"%s\" run already", w->name);
	if (!exists(walk, w->cgroup) || is_frozen(walk, w->cgroup))
		return errmsg_set(err, ERRMSG_INPUT, 0, "cgroup: \"%s\", where \"%s\" are, is %s",
				  w->cgroup, w->name,
				  exists(walk, w->cgroup) ? "frozen" : "not there");
	state->begun = true;
	state->runs = true;
	state->deadline = w->policy == POLICY_DEADLINE;
	state->nr_places = 1;
	state->places[0] = (struct place){
		.end = scenario_count(walk->sc, w, walk->topo),
		.cgroup = w->cgroup,
	};
	return check_workers(walk, err) ?:
	       check_affinity(walk, w, err) ?:
	       check_paths(walk, w, err) ?:
	       check_deadline(walk, w, err);
}

static int stop(struct walk *walk, const char *name, struct errmsg *err)
{
	struct walk_workers *w = find_workers(walk, name);

	if (has_frozen(walk, w))
		return errmsg_set(err, ERRMSG_INPUT, 0, "workers: \"%s\" are frozen", name);
	w->runs = false;
	return 0;
}

static void move(struct walk *walk, const struct scenario_step *step)
{
	struct walk_workers *w = find_workers(walk, step->workers);
	unsigned int end = step->value ? (unsigned int)step->value : w->places[0].end;

	while (w->nr_places && w->places[w->nr_places - 1].end <= end)
		w->nr_places--;
	w->places[w->nr_places++] = (struct place){ .end = end, .cgroup = step->cgroup };
}

/* sched_setaffinity(2) has EINVAL for this. */
static int set_affinity(struct walk *walk, const struct scenario_step *step, struct errmsg *err)
{
	struct walk_workers *w = find_workers(walk, step->workers);
	struct cpu_set set;
	unsigned int i;
	int ret;

	ret = scenario_resolve_cpus(&step->cpus, walk->topo, &set, err);
	for (i = 0; i < w->nr_places && !ret; i++) {
		if (!has_any(walk, w->places[i].cgroup, &set))
			ret = errmsg_set(err, ERRMSG_INPUT, 0,
					 "cpus: none of them is online and in \"%s\", where \"%s\" are",
					 w->places[i].cgroup ?: "/", step->workers);
		else if (w->deadline && !spans(walk, w->places[i].cgroup, &set))
			ret = errmsg_set(err, ERRMSG_INPUT, 0,
					 "cpus: these are not all that are online, as SCHED_DEADLINE needs them");
	}
	return ret;
}

/* -- programs, CPUs --------------------------------------------------------- */

static int follow_program(struct walk *walk, const struct scenario_step *step,
			  struct errmsg *err)
{
	const struct scenario_program *p = scenario_program(walk->sc, step->program);
	struct walk_program *state = find_program(walk, step->program);
	bool starts = step->op == STEP_RUN;

	if (state->runs == starts)
		return errmsg_set(err, ERRMSG_INPUT, 0, "program: \"%s\" %s", p->name,
				  starts ? "runs already" : "does not run");
	if (!exists(walk, p->cgroup))
		return errmsg_set(err, ERRMSG_INPUT, 0,
				  "program: \"%s\" is in \"%s\", which is not there", p->name,
				  p->cgroup);
	if (step->op == STEP_WAIT && is_frozen(walk, p->cgroup))
		return errmsg_set(err, ERRMSG_INPUT, 0, "program: \"%s\" is frozen", p->name);
	state->begun = true;
	state->runs = starts;
	return 0;
}

static int set_online(struct walk *walk, const struct scenario_step *step, struct errmsg *err)
{
	struct cpu_set set;
	unsigned int cpu;
	int ret;

	ret = scenario_resolve_cpus(&step->cpus, walk->topo, &set, err);
	for (cpu = 0; cpu < topology_cpus(walk->topo) && !ret; cpu++) {
		if (!cpu_set_has(&set, cpu))
			continue;
		if (step->op == STEP_ONLINE)
			cpu_set_add(&walk->online, cpu);
		else
			cpu_set_del(&walk->online, cpu);
	}
	return ret ?: check_bandwidth(walk, err);
}

/* -- steps ------------------------------------------------------------------ */

/* All but the one that makes it need the cgroup, all but the one that starts them the workers. */
static int check_there(struct walk *walk, const struct scenario_step *step, struct errmsg *err)
{
	if (step->cgroup && step->op != STEP_ADD && !exists(walk, step->cgroup))
		return errmsg_set(err, ERRMSG_INPUT, 0, "cgroup: \"%s\" is not there",
				  step->cgroup);
	if (step->other && !exists(walk, step->other))
		return errmsg_set(err, ERRMSG_INPUT, 0, "other: \"%s\" is not there", step->other);
	if (step->workers && step->op != STEP_SPAWN && !find_workers(walk, step->workers)->runs)
		return errmsg_set(err, ERRMSG_INPUT, 0, "workers: \"%s\" do not run",
				  step->workers);
	return 0;
}

static int follow(struct walk *walk, const struct scenario_step *step, struct errmsg *err)
{
	switch (step->op) {
	case STEP_ADD:
		return add_cgroup(walk, "cgroup", scenario_cgroup(walk->sc, step->cgroup), err);
	case STEP_REMOVE:
		return remove_cgroup(walk, step->cgroup, err);
	case STEP_CPUS:
		return set_cpus(walk, step, err);
	case STEP_SWAP:
		return swap_cpus(walk, step, err);
	case STEP_FREEZE:
		find_cgroup(walk, step->cgroup)->frozen = step->value;
		return 0;
	case STEP_SPAWN:
		return spawn(walk, scenario_workers(walk->sc, step->workers), err);
	case STEP_STOP:
		return stop(walk, step->workers, err);
	case STEP_MOVE:
		move(walk, step);
		return 0;
	case STEP_POLICY:
		/* There is no step for POLICY_DEADLINE. */
		find_workers(walk, step->workers)->deadline = false;
		return 0;
	case STEP_AFFINITY:
		return set_affinity(walk, step, err);
	case STEP_OFFLINE:
	case STEP_ONLINE:
		return set_online(walk, step, err);
	case STEP_RUN:
	case STEP_WAIT:
	case STEP_KILL:
		return follow_program(walk, step, err);
	default:
		return 0;
	}
}

static int follow_step(struct walk *walk, const struct scenario_step *step, struct errmsg *err)
{
	int ret = check_there(walk, step, err) ?: follow(walk, step, err);

	if (ret)
		errmsg_prefix(err, "step %zu, %s", step - walk->sc->steps + 1,
			      scenario_step_name(step->op));
	return ret;
}

/* What is there before the first step */
static int begin(struct walk *walk, struct errmsg *err)
{
	const struct scenario *sc = walk->sc;
	size_t i;
	int ret;

	ret = scenario_resolve_cpus(&(struct cpus){}, walk->topo, &walk->online, err);
	for (i = 0; i < SCENARIO_MAX_CGROUPS && sc->cgroups[i].name && !ret; i++) {
		if (sc->cgroups[i].later)
			continue;
		ret = add_cgroup(walk, "later", &sc->cgroups[i], err);
		if (ret)
			errmsg_prefix(err, "cgroup \"%s\"", sc->cgroups[i].name);
	}
	for (i = 0; i < SCENARIO_MAX_WORKERS && sc->workers[i].name && !ret; i++) {
		if (sc->workers[i].later)
			continue;
		ret = spawn(walk, &sc->workers[i], err);
		if (ret)
			errmsg_prefix(err, "workers \"%s\"", sc->workers[i].name);
	}
	return ret;
}

/* What is declared is used, programs have ended, and workers can end. */
static int check_end(struct walk *walk, struct errmsg *err)
{
	const struct scenario *sc = walk->sc;
	size_t i;

	for (i = 0; i < SCENARIO_MAX_CGROUPS && sc->cgroups[i].name; i++)
		if (!walk->cgroups[i].begun)
			return errmsg_set(err, ERRMSG_INPUT, 0,
					  "cgroup \"%s\": later: no step adds it",
					  sc->cgroups[i].name);
	for (i = 0; i < SCENARIO_MAX_WORKERS && sc->workers[i].name; i++) {
		if (!walk->workers[i].begun)
			return errmsg_set(err, ERRMSG_INPUT, 0,
					  "workers \"%s\": later: no step spawns them",
					  sc->workers[i].name);
		if (walk->workers[i].runs && has_frozen(walk, &walk->workers[i]))
			return errmsg_set(err, ERRMSG_INPUT, 0,
					  "workers \"%s\": cgroup: no step thaws it in the end",
					  sc->workers[i].name);
	}
	for (i = 0; i < SCENARIO_MAX_PROGRAMS && sc->programs[i].name; i++)
		if (!walk->programs[i].begun || walk->programs[i].runs)
			return errmsg_set(err, ERRMSG_INPUT, 0, "program \"%s\": no step %s",
					  sc->programs[i].name, walk->programs[i].runs ?
					  "waits for its end" : "runs it");
	return 0;
}

static int walk_once(const struct scenario *sc, const struct topology *topo, bool repeat,
		     struct errmsg *err)
{
	struct walk walk = { .sc = sc, .topo = topo };
	const struct scenario_step *step, *again;
	int ret;

	ret = begin(&walk, err);
	for (step = sc->steps; step < sc->steps + SCENARIO_MAX_STEPS && step->op != STEP_END &&
	     !ret; step++) {
		again = step->op == STEP_REPEAT && repeat ? step - step->value : step;
		for (; again <= step && !ret; again++)
			ret = follow_step(&walk, again, err);
	}
	return ret ?: check_end(&walk, err);
}

int scenario_walk(const struct scenario *sc, const struct topology *topo, struct errmsg *err)
{
	return walk_once(sc, topo, true, err) ?: walk_once(sc, topo, false, err);
}
