// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/kernel.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "scenario_run.h"

#define CGROUP_ROOT	"/sys/fs/cgroup"
#define QUOTA_PERIOD_US	100000
#define PROGRAM		"program"	/* its name for the agent; there is one at a time */

/* How long workers may take to be ready, or to notice their end, on a slow host */
#define READY_NS	(20 * NSEC_PER_SEC)
#define GRACE_NS	(10 * NSEC_PER_SEC)
#define PROGRAM_NS	(60 * NSEC_PER_SEC)
#define SCHED_NS	(60 * NSEC_PER_SEC)

/* A scenario that runs */
struct run {
	struct session *s;
	struct control *c;
	const struct scenario *sc;
	const struct topology *topo;
	u64 duration_ns;
	struct scenario_result *result;
	struct cpus cpus[SCENARIO_MAX_CGROUPS];		/* of each cgroup at present */
};

static void cgroup_path(char *path, size_t size, const char *name)
{
	snprintf(path, size, CGROUP_ROOT "%s%s", name ? "/" : "", name ?: "");
}

static int write_cgroup(struct run *run, const char *name, const char *file, const char *value,
			struct errmsg *err)
{
	char path[PATH_MAX], dir[PATH_MAX / 2];

	cgroup_path(dir, sizeof(dir), name);
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	return control_write(run->c, path, value, err);
}

static int write_number(struct run *run, const char *name, const char *file, long value,
			struct errmsg *err)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", value);
	return write_cgroup(run, name, file, text, err);
}

/* An empty list gives a cgroup back what its parent has. */
static int write_cpus(struct run *run, const char *name, const struct cpus *cpus,
		      struct errmsg *err)
{
	struct cpu_set set;
	char list[2048];
	int ret = 0;

	if (cpus->kind == CPUS_ALL)
		list[0] = '\0';
	else
		ret = scenario_resolve_cpus(cpus, run->topo, &set, err);
	if (ret)
		return ret;
	if (cpus->kind != CPUS_ALL)
		cpu_set_format(&set, list, sizeof(list));
	return write_cgroup(run, name, "cpuset.cpus", *list ? list : "\n", err);
}

static int write_mems(struct run *run, const struct scenario_cgroup *cg, struct errmsg *err)
{
	struct cpu_set cpus, nodes = {};
	unsigned int cpu;
	char list[256];
	int ret;

	if (cg->mems.kind == CPUS_ALL)
		return 0;
	ret = scenario_resolve_cpus(&cg->mems, run->topo, &cpus, err);
	if (ret)
		return ret;
	for (cpu = 0; cpu < topology_cpus(run->topo); cpu++)
		if (cpu_set_has(&cpus, cpu))
			cpu_set_add(&nodes, topology_place(run->topo, cpu).node);
	return write_cgroup(run, cg->name, "cpuset.mems",
			    cpu_set_format(&nodes, list, sizeof(list)), err);
}

static int write_quota(struct run *run, const char *name, unsigned int percent,
		       struct errmsg *err)
{
	char text[64] = "max";

	if (percent)
		snprintf(text, sizeof(text), "%lu %u", percent * (QUOTA_PERIOD_US / 100UL),
			 QUOTA_PERIOD_US);
	return write_cgroup(run, name, "cpu.max", text, err);
}

/* Its parent has to hand on the controllers that it is to have. */
static int add_cgroup(struct run *run, const struct scenario_cgroup *cg, struct errmsg *err)
{
	const char *slash = strrchr(cg->name, '/');
	char path[PATH_MAX / 2], parent[128];
	int ret = 0;

	if (slash) {
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - cg->name), cg->name);
		ret = write_cgroup(run, parent, "cgroup.subtree_control", "+cpu +cpuset", err);
	}
	cgroup_path(path, sizeof(path), cg->name);
	ret = ret ?: control_mkdir(run->c, path, err);
	if (!ret && cg->cpus.kind != CPUS_ALL)
		ret = write_cpus(run, cg->name, &cg->cpus, err);
	if (!ret)
		ret = write_mems(run, cg, err);
	if (!ret && cg->weight)
		ret = write_number(run, cg->name, "cpu.weight", cg->weight, err);
	if (!ret && cg->quota)
		ret = write_quota(run, cg->name, cg->quota, err);
	run->cpus[cg - run->sc->cgroups] = cg->cpus;
	return ret;
}

/* -- workers ---------------------------------------------------------------- */

static struct scenario_group *find_group(struct run *run, const char *name)
{
	return &run->result->groups[scenario_workers(run->sc, name) - run->sc->workers];
}

static struct wire_attr attr_of(const struct scenario_workers *w)
{
	return (struct wire_attr){
		.policy = w->policy,
		.nice = w->nice,
		.priority = w->priority,
	};
}

/* A list for each worker; to be freed with free_lists() */
static char **affinity_lists(struct run *run, const struct scenario_workers *w, unsigned int count)
{
	char **lists = calloc(count, sizeof(*lists)), text[2048];
	struct cpu_set set;
	unsigned int i;

	for (i = 0; lists && i < count; i++) {
		scenario_affinity(run->sc, w, run->topo, i, &set);
		lists[i] = strdup(cpu_set_format(&set, text, sizeof(text)));
	}
	return lists;
}

static void free_lists(char **lists, unsigned int count)
{
	while (lists && count--)
		free(lists[count]);
	free(lists);
}

static int spawn(struct run *run, const struct scenario_workers *w, struct errmsg *err)
{
	struct scenario_group *group = find_group(run, w->name);
	struct control_reply reply = {};
	char path[PATH_MAX / 2];
	struct wire_spawn spec = {
		.name = w->name,
		.cgroup = path,
		.count = group->count,
		.attr = attr_of(w),
		.nr_phases = scenario_phases(w),
	};
	char **lists = NULL;
	int ret;

	cgroup_path(path, sizeof(path), w->cgroup);
	memcpy(spec.phases, w->phases, sizeof(spec.phases));
	if (w->affinity != AFFINITY_INHERIT) {
		lists = affinity_lists(run, w, group->count);
		if (!lists)
			return errmsg_set(err, ERRMSG_HOST, ENOMEM, "listing CPUs of workers");
		spec.cpus = (const char * const *)lists;
		spec.nr_cpus = group->count;
	}
	ret = control_spawn(run->c, &spec, &reply, err);
	control_reply_free(&reply);
	free_lists(lists, group->count);
	return ret;
}

static int start(struct run *run, const char *const *names, size_t nr, struct errmsg *err)
{
	struct control_reply reply = {};
	int ret = control_start(run->c, names, nr, WIRE_FOREVER, READY_NS, &reply, err);

	control_reply_free(&reply);
	return ret;
}

/* What @names, or all, have done is added to what is known of them. */
static int stop(struct run *run, const char *const *names, size_t nr, struct errmsg *err)
{
	struct control_reply reply = {};
	size_t i;
	int ret;

	ret = control_stop(run->c, names, nr, 0, GRACE_NS, &reply, err);
	for (i = 0; i < run->result->nr_groups && !ret; i++) {
		struct scenario_group *group = &run->result->groups[i];
		const struct load_group asked = {
			.name = group->workers->name,
			.workers = group->count,
			.cpus = group->cpus,
		};
		struct load_stats stats = load_stats(&asked, reply.reports, reply.nr_reports);

		if (stats.workers)
			group->stats = stats;
	}
	control_reply_free(&reply);
	return ret;
}

/* Whoever is in this cgroup, or below it, has seen a change. */
static void mark_cgroup(struct run *run, const char *name)
{
	size_t i, len = strlen(name);

	for (i = 0; i < run->result->nr_groups; i++) {
		struct scenario_group *group = &run->result->groups[i];
		const char *cgroup = group->workers->cgroup;

		if (!cgroup || strncmp(cgroup, name, len) || (cgroup[len] && cgroup[len] != '/'))
			continue;
		group->changed = true;
		memset(&group->cpus, 0, sizeof(group->cpus));
	}
}

static void mark_group(struct run *run, const char *name)
{
	struct scenario_group *group = find_group(run, name);

	group->changed = true;
	memset(&group->cpus, 0, sizeof(group->cpus));
}

/* -- steps ------------------------------------------------------------------ */

static int set_cpus(struct run *run, const char *name, const struct cpus *cpus,
		    struct errmsg *err)
{
	mark_cgroup(run, name);
	run->cpus[scenario_cgroup(run->sc, name) - run->sc->cgroups] = *cpus;
	return write_cpus(run, name, cpus, err);
}

static int swap_cpus(struct run *run, const struct scenario_step *step, struct errmsg *err)
{
	struct cpus a = run->cpus[scenario_cgroup(run->sc, step->cgroup) - run->sc->cgroups];
	struct cpus b = run->cpus[scenario_cgroup(run->sc, step->other) - run->sc->cgroups];

	return set_cpus(run, step->cgroup, &b, err) ?: set_cpus(run, step->other, &a, err);
}

static int remove_cgroup(struct run *run, const char *name, struct errmsg *err)
{
	char path[PATH_MAX / 2];

	cgroup_path(path, sizeof(path), name);
	return control_rmdir(run->c, path, err);
}

static int spawn_step(struct run *run, const char *name, struct errmsg *err)
{
	return spawn(run, scenario_workers(run->sc, name), err) ?: start(run, &name, 1, err);
}

static int move_workers(struct run *run, const struct scenario_step *step, struct errmsg *err)
{
	char path[PATH_MAX / 2];
	int i, ret = 0;

	mark_group(run, step->workers);
	cgroup_path(path, sizeof(path), step->cgroup);
	if (!step->value)
		return control_move(run->c, step->workers, WIRE_ALL, path, err);
	for (i = 0; i < step->value && !ret; i++)
		ret = control_move(run->c, step->workers, i, path, err);
	return ret;
}

static int set_affinity(struct run *run, const struct scenario_step *step, struct errmsg *err)
{
	struct cpu_set set;
	char list[2048];
	const char * const lists[] = { list };
	int ret;

	mark_group(run, step->workers);
	ret = scenario_resolve_cpus(&step->cpus, run->topo, &set, err);
	if (ret)
		return ret;
	cpu_set_format(&set, list, sizeof(list));
	return control_affinity(run->c, step->workers, lists, 1, err);
}

static int set_attr(struct run *run, const struct scenario_step *step, struct errmsg *err)
{
	struct wire_attr attr = attr_of(scenario_workers(run->sc, step->workers));

	mark_group(run, step->workers);
	if (step->op == STEP_NICE) {
		attr.nice = step->value;
	} else {
		attr.policy = step->value;
		attr.priority = step->value == POLICY_FIFO || step->value == POLICY_RR;
	}
	return control_attr(run->c, step->workers, &attr, err);
}

static int set_online(struct run *run, const struct scenario_step *step, struct errmsg *err)
{
	struct cpu_set set;
	unsigned int cpu;
	int ret;

	ret = scenario_resolve_cpus(&step->cpus, run->topo, &set, err);
	for (cpu = 1; cpu < topology_cpus(run->topo) && !ret; cpu++)
		if (cpu_set_has(&set, cpu))
			ret = control_cpu(run->c, cpu, step->op == STEP_ONLINE, err);
	return ret;
}

static int leave(struct run *run, struct errmsg *err)
{
	struct control_reply reply = {};
	int ret;

	ret = control_sched_stop(run->c, SCHED_NS, &reply, err);
	control_reply_free(&reply);
	return ret;
}

static int start_program(struct run *run, const char *command, struct errmsg *err)
{
	const char * const argv[] = { "/bin/sh", "-c", command, NULL };
	struct control_reply reply = {};
	int ret;

	ret = control_program_start(run->c, PROGRAM, "", argv, &reply, err);
	control_reply_free(&reply);
	return ret;
}

static int wait_program(struct run *run, struct errmsg *err)
{
	struct control_reply reply = {};
	int ret;

	ret = control_program_wait(run->c, PROGRAM, PROGRAM_NS, &reply, err);
	control_reply_free(&reply);
	return ret;
}

static int do_step(struct run *run, const struct scenario_step *step, struct errmsg *err)
{
	switch (step->op) {
	case STEP_HOLD:
		return control_hold(run->c, run->duration_ns * step->percent / 100 +
				    step->ms * NSEC_PER_MSEC, err);
	case STEP_ADD:
		return add_cgroup(run, scenario_cgroup(run->sc, step->cgroup), err);
	case STEP_REMOVE:
		return remove_cgroup(run, step->cgroup, err);
	case STEP_CPUS:
		return set_cpus(run, step->cgroup, &step->cpus, err);
	case STEP_SWAP:
		return swap_cpus(run, step, err);
	case STEP_WEIGHT:
		mark_cgroup(run, step->cgroup);
		return write_number(run, step->cgroup, "cpu.weight", step->value, err);
	case STEP_QUOTA:
		mark_cgroup(run, step->cgroup);
		return write_quota(run, step->cgroup, step->value, err);
	case STEP_FREEZE:
		mark_cgroup(run, step->cgroup);
		return write_number(run, step->cgroup, "cgroup.freeze", !!step->value, err);
	case STEP_SPAWN:
		return spawn_step(run, step->workers, err);
	case STEP_STOP:
		return stop(run, &step->workers, 1, err);
	case STEP_MOVE:
		return move_workers(run, step, err);
	case STEP_AFFINITY:
		return set_affinity(run, step, err);
	case STEP_NICE:
	case STEP_POLICY:
		return set_attr(run, step, err);
	case STEP_OFFLINE:
	case STEP_ONLINE:
		return set_online(run, step, err);
	case STEP_LEAVE:
		return leave(run, err);
	case STEP_LOAD:
		return session_start_scheduler(run->s, err);
	case STEP_RUN:
		return start_program(run, step->program, err);
	case STEP_WAIT:
		return wait_program(run, err);
	case STEP_KILL:
		return control_program_kill(run->c, PROGRAM, SIGKILL, err) ?:
		       wait_program(run, err);
	case STEP_REPEAT:
	case STEP_END:
	case NR_STEP_OPS:
		break;
	}
	return 0;
}

static int do_steps(struct run *run, const struct scenario_step *first,
		    const struct scenario_step *end, struct errmsg *err)
{
	const struct scenario_step *step;
	int ret = 0;

	for (step = first; step < end && !ret; step++) {
		ret = do_step(run, step, err);
		if (ret)
			errmsg_prefix(err, "step %zu, %s", step - run->sc->steps + 1,
				      scenario_step_name(step->op));
	}
	return ret;
}

/* The steps before it have been done once. */
static int repeat(struct run *run, const struct scenario_step *step, u64 since,
		  struct errmsg *err)
{
	u64 until = since + run->duration_ns * step->percent / 100;
	int ret = 0;

	while (!ret && clock_ns() < until)
		ret = do_steps(run, step - step->value, step, err);
	return ret;
}

static int play(struct run *run, struct errmsg *err)
{
	const struct scenario_step *steps = run->sc->steps;
	u64 began[SCENARIO_MAX_STEPS];
	size_t i;
	int ret = 0;

	if (steps[0].op == STEP_END)
		return control_hold(run->c, run->duration_ns, err);
	for (i = 0; i < SCENARIO_MAX_STEPS && steps[i].op != STEP_END && !ret; i++) {
		began[i] = clock_ns();
		if (steps[i].op == STEP_REPEAT)
			ret = repeat(run, &steps[i], began[i - steps[i].value], err);
		else
			ret = do_steps(run, &steps[i], &steps[i] + 1, err);
	}
	return ret;
}

/* -- all of it -------------------------------------------------------------- */

static void meant_cpus(struct run *run, struct scenario_group *group)
{
	const struct scenario_cgroup *cg = NULL;
	struct errmsg unused;

	if (group->workers->cgroup)
		cg = scenario_cgroup(run->sc, group->workers->cgroup);
	if (cg && cg->cpus.kind != CPUS_ALL)
		scenario_resolve_cpus(&cg->cpus, run->topo, &group->cpus, &unused);
}

static int prepare(struct run *run, struct errmsg *err)
{
	const struct scenario *sc = run->sc;
	size_t i;
	int ret = 0;

	for (i = 0; i < SCENARIO_MAX_CGROUPS && sc->cgroups[i].name && !ret; i++)
		if (!sc->cgroups[i].later)
			ret = add_cgroup(run, &sc->cgroups[i], err);
	for (i = 0; i < SCENARIO_MAX_WORKERS && sc->workers[i].name && !ret; i++) {
		struct scenario_group *group = &run->result->groups[i];

		group->workers = &sc->workers[i];
		group->count = scenario_count(sc, group->workers, run->topo);
		meant_cpus(run, group);
		run->result->nr_groups++;
		if (!group->workers->later)
			ret = spawn(run, group->workers, err);
	}
	return ret;
}

int scenario_run(struct session *s, const struct scenario *sc, u64 duration_ns,
		 struct scenario_result *result, struct errmsg *err)
{
	struct run run = {
		.s = s,
		.c = &s->control,
		.sc = sc,
		.topo = &s->topo,
		.duration_ns = duration_ns,
		.result = result,
	};
	u64 since;
	int ret;

	memset(result, 0, sizeof(*result));
	ret = prepare(&run, err);
	since = clock_ns();
	ret = ret ?:
	      start(&run, NULL, 0, err) ?:
	      play(&run, err) ?:
	      stop(&run, NULL, 0, err);
	result->duration_ns = clock_ns() - since;
	if (ret)
		errmsg_prefix(err, "scenario %s.%s", sc->suite, sc->name);
	return ret;
}
