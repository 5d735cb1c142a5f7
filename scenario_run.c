// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/kernel.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "cpuid.h"
#include "emulated.h"
#include "scenario_run.h"

#define QUOTA_PERIOD_US	100000
#define STAT_FILE	"/proc/stat"
#define EVENTS_FILE	"/sys/kernel/sched_ext/root/events"
#define ENABLED_FILE	"/sys/kernel/sched_ext/enable_seq"

#define PATIENCE_NS	(5 * NSEC_PER_SEC)
#define PROGRAM_NS	(120 * NSEC_PER_SEC)	/* beyond the duration */
#define SCHED_NS	(60 * NSEC_PER_SEC)

/* A scenario that runs */
struct run {
	struct session *s;
	struct control *c;
	const struct scenario *sc;
	const struct topology *topo;
	u64 duration_ns;
	struct scenario_result *result;
	unsigned int groups;		/* of workers, in the guest at present */
	struct cpus cpus[SCENARIO_MAX_CGROUPS];		/* of each cgroup at present */
	bool present[SCENARIO_MAX_WORKERS];
	struct cpu_set offline;
	struct wire_attr attr[SCENARIO_MAX_WORKERS];	/* of each group at present */
	u64 enabled;			/* schedulers ever, when that was last explained */
	bool replaced;			/* the scheduler under test has another in its place */
	u64 since_ns;			/* when the run began, by this host's clock */
	u64 began_ns;			/* and by the guest's; 0 while nobody has run */
	u64 start_ns[SCENARIO_MAX_WORKERS];	/* of each group, since then, the last time */
};

static void cgroup_path(char *path, size_t size, const char *name)
{
	snprintf(path, size, WIRE_CGROUPS "%s%s", name ? "/" : "", name ?: "");
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

/*
 * All CPUs give a cgroup back what its parent has. An empty list would do the same,
 * but not for a cgroup that has tasks (ENOSPC).
 */
static int write_cpus(struct run *run, const char *name, const struct cpus *cpus,
		      struct errmsg *err)
{
	struct cpu_set set;
	char list[2048];
	int ret;

	ret = scenario_resolve_cpus(cpus, run->topo, &set, err);
	if (ret)
		return ret;
	return write_cgroup(run, name, "cpuset.cpus", cpu_set_format(&set, list, sizeof(list)),
			    err);
}

static int write_mems(struct run *run, const struct scenario_cgroup *cg, struct errmsg *err)
{
	struct cpu_set set = {};
	char list[256];
	u64 nodes;
	int ret;

	if (cg->mems.kind == CPUS_ALL)
		return 0;
	ret = scenario_resolve_nodes(&cg->mems, run->topo, &nodes, err);
	if (ret)
		return ret;
	set.bits[0] = nodes;
	return write_cgroup(run, cg->name, "cpuset.mems", cpu_set_format(&set, list, sizeof(list)),
			    err);
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

static struct check_group *find_group(struct run *run, const char *name)
{
	return &run->result->groups[scenario_workers(run->sc, name) - run->sc->workers];
}

static struct wire_attr *current_attr(struct run *run, const struct scenario_workers *w)
{
	return &run->attr[w - run->sc->workers];
}

/* A list for each worker; to be freed with free_lists() */
static char **affinity_lists(const struct check_group *group)
{
	char **lists = calloc(group->nr_affinity, sizeof(*lists)), text[2048];
	unsigned int i;

	for (i = 0; lists && i < group->nr_affinity; i++)
		lists[i] = strdup(cpu_set_format(&group->affinity[i], text, sizeof(text)));
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
	struct check_group *group = find_group(run, w->name);
	struct control_reply reply = {};
	char path[PATH_MAX / 2];
	struct wire_spawn spec = {
		.name = w->name,
		.comm = w->comm,
		.cgroup = path,
		.count = group->workers,
		.attr = scenario_attr(w),
		.mem_mode = w->memory,
		.nr_phases = scenario_phases(w),
	};
	char **lists = NULL;
	int ret = 0;

	*current_attr(run, w) = spec.attr;
	cgroup_path(path, sizeof(path), w->cgroup);
	if (w->memory != MEMORY_DEFAULT)
		ret = scenario_resolve_nodes(&w->mems, run->topo, &spec.mem_nodes, err);
	if (ret)
		return ret;
	memcpy(spec.phases, w->phases, sizeof(spec.phases));
	if (group->nr_affinity) {
		lists = affinity_lists(group);
		if (!lists)
			return errmsg_set(err, ERRMSG_HOST, ENOMEM, "listing CPUs of workers");
		spec.cpus = (const char * const *)lists;
		spec.nr_cpus = group->nr_affinity;
	}
	ret = control_spawn(run->c, &spec, &reply, err);
	run->groups += !ret;
	run->present[w - run->sc->workers] = !ret;
	group->spawns += !ret;
	control_reply_free(&reply);
	free_lists(lists, group->nr_affinity);
	return ret;
}

/* With no names, it is the run that starts. */
static void note_start(struct run *run, const char *const *names, size_t nr, u64 started_ns)
{
	size_t i;

	if (!nr)
		run->began_ns = started_ns;
	if (!run->began_ns)
		run->began_ns = started_ns - (clock_ns() - run->since_ns);
	for (i = 0; i < nr; i++)
		run->start_ns[scenario_workers(run->sc, names[i]) - run->sc->workers] =
			started_ns - run->began_ns;
}

/*
 * How long workers may take to be ready, or to notice their end. A scheduler that has
 * forgotten them costs all of it, twice: those who are not ready start when they are.
 * Healthy ones need some hundredths of it, and more where the guest's CPUs share the host's.
 */
static u64 patience(const struct run *run)
{
	return PATIENCE_NS + PATIENCE_NS / 16 * load_overcommit(run->topo);
}

static int start(struct run *run, const char *const *names, size_t nr, struct errmsg *err)
{
	struct control_reply reply = {};
	int ret;

	/* All may come later, or there may be programs only. */
	if (!nr && !run->groups)
		return 0;
	ret = control_start(run->c, names, nr, WIRE_FOREVER, patience(run), &reply, err);
	if (!ret)
		note_start(run, names, nr, reply.started_ns);
	control_reply_free(&reply);
	return ret;
}

/* Workers know when they were started, and not when the run was. */
static void date_report(struct run *run, struct control_report *report)
{
	const struct scenario_workers *w = scenario_workers(run->sc, report->group);

	if (w)
		report->r.gap.at_ns += run->start_ns[w - run->sc->workers];
}

/* What was reported is kept; a report's name is beside it, wherever it is. */
static int keep_reports(struct run *run, const struct control_reply *reply, struct errmsg *err)
{
	struct scenario_result *result = run->result;
	size_t nr = result->run.nr_reports + reply->nr_reports, i;
	struct control_report *reports;

	if (!reply->nr_reports)
		return 0;
	reports = realloc(result->reports, nr * sizeof(*reports));
	if (!reports)
		return errmsg_set(err, ERRMSG_HOST, ENOMEM, "keeping %zu reports", nr);
	memcpy(reports + result->run.nr_reports, reply->reports,
	       reply->nr_reports * sizeof(*reports));
	for (i = result->run.nr_reports; i < nr; i++)
		date_report(run, &reports[i]);
	for (i = 0; i < nr; i++)
		reports[i].r.group = reports[i].group;
	result->reports = reports;
	result->run.reports = reports;
	result->run.nr_reports = nr;
	return 0;
}

/* With no names, all that run are stopped. */
static int stop(struct run *run, const char *const *names, size_t nr, struct errmsg *err)
{
	struct control_reply reply = {};
	int ret;

	if (!nr && !run->groups)
		return 0;
	run->groups -= nr ?: run->groups;
	ret = control_stop(run->c, names, nr, 0, patience(run), &reply, err) ?:
	      keep_reports(run, &reply, err);
	control_reply_free(&reply);
	return ret;
}

/* -- what steps change ------------------------------------------------------ */

/* What the table of cgroups is to say at the end */
static struct scenario_cgroup *find_cgroup(struct run *run, const char *name)
{
	return &run->result->cgroups_end[scenario_cgroup(run->sc, name) - run->sc->cgroups];
}

/* Which CPUs the tasks of a cgroup may use at present: what all above it leave */
static void effective_cpus(struct run *run, const char *cgroup, struct cpu_set *set)
{
	static const struct cpus all;
	struct errmsg unused;

	scenario_resolve_cpus(&all, run->topo, set, &unused);
	scenario_effective_cpus(run->sc, run->cpus, run->topo, cgroup, set);
}

static void add_cpus(struct run *run, struct check_group *group)
{
	struct cpu_set set;
	size_t i;

	effective_cpus(run, group->cgroup, &set);
	for (i = 0; i < CPU_SET_WORDS; i++)
		group->cpus.bits[i] |= set.bits[i];
}

/* Whoever is in this cgroup, or below it, has seen a change. */
static void mark_cgroup(struct run *run, const char *name, enum check_changed what)
{
	struct check_group *group;
	size_t i;

	for (i = 0; i < run->result->run.nr_groups; i++) {
		group = &run->result->groups[i];
		if (!scenario_is_below(group->cgroup, name))
			continue;
		group->changed |= what;
		add_cpus(run, group);
	}
}

/* A tighter quota than it has had from steps so far */
static void tighten(struct check_group *group, unsigned int quota)
{
	if (quota && (!group->quota || quota < group->quota))
		group->quota = quota;
}

static void mark_group(struct run *run, const char *name, enum check_changed what)
{
	find_group(run, name)->changed |= what;
}

/* -- steps ------------------------------------------------------------------ */

static int set_cpus(struct run *run, const char *name, const struct cpus *cpus,
		    struct errmsg *err)
{
	run->cpus[scenario_cgroup(run->sc, name) - run->sc->cgroups] = *cpus;
	find_cgroup(run, name)->cpus = *cpus;
	mark_cgroup(run, name, CHECK_CPUS);
	return write_cpus(run, name, cpus, err);
}

static int swap_cpus(struct run *run, const struct scenario_step *step, struct errmsg *err)
{
	struct cpus a = run->cpus[scenario_cgroup(run->sc, step->cgroup) - run->sc->cgroups];
	struct cpus b = run->cpus[scenario_cgroup(run->sc, step->other) - run->sc->cgroups];

	return set_cpus(run, step->cgroup, &b, err) ?: set_cpus(run, step->other, &a, err);
}

static int set_quota(struct run *run, const char *name, unsigned int percent,
		     struct errmsg *err)
{
	size_t i;

	mark_cgroup(run, name, CHECK_QUOTA);
	find_cgroup(run, name)->quota = percent;
	for (i = 0; i < run->result->run.nr_groups; i++)
		if (scenario_is_below(run->result->groups[i].cgroup, name))
			tighten(&run->result->groups[i], percent);
	return write_quota(run, name, percent, err);
}

static int remove_cgroup(struct run *run, const char *name, struct errmsg *err)
{
	char path[PATH_MAX / 2];

	cgroup_path(path, sizeof(path), name);
	return control_rmdir(run->c, path, err);
}

static int spawn_step(struct run *run, const char *name, struct errmsg *err)
{
	mark_group(run, name, CHECK_PRESENCE);
	return spawn(run, scenario_workers(run->sc, name), err) ?: start(run, &name, 1, err);
}

static int stop_step(struct run *run, const char *name, struct errmsg *err)
{
	mark_group(run, name, CHECK_PRESENCE);
	run->present[scenario_workers(run->sc, name) - run->sc->workers] = false;
	return stop(run, &name, 1, err);
}

static int move_workers(struct run *run, const struct scenario_step *step, struct errmsg *err)
{
	const struct scenario_cgroup *cg = run->sc->cgroups;
	char path[PATH_MAX / 2];
	int i, ret = 0;

	mark_group(run, step->workers, CHECK_MOVED);
	for (; cg < run->sc->cgroups + SCENARIO_MAX_CGROUPS && cg->name; cg++)
		if (scenario_is_below(step->cgroup, cg->name))
			tighten(find_group(run, step->workers), cg->quota);
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

	mark_group(run, step->workers, CHECK_AFFINITY);
	ret = scenario_resolve_cpus(&step->cpus, run->topo, &set, err);
	if (ret)
		return ret;
	cpu_set_format(&set, list, sizeof(list));
	return control_affinity(run->c, step->workers, lists, 1, err);
}

static int set_attr(struct run *run, const struct scenario_step *step, struct errmsg *err)
{
	struct wire_attr *attr = current_attr(run, scenario_workers(run->sc, step->workers));

	mark_group(run, step->workers, CHECK_WEIGHT);
	scenario_change_attr(attr, step);
	return control_attr(run->c, step->workers, attr, err);
}

static int set_online(struct run *run, const struct scenario_step *step, struct errmsg *err)
{
	struct cpu_set set;
	unsigned int cpu;
	int ret;

	run->result->run.hotplug = true;
	ret = scenario_resolve_cpus(&step->cpus, run->topo, &set, err);
	for (cpu = 1; cpu < topology_cpus(run->topo) && !ret; cpu++) {
		if (!cpu_set_has(&set, cpu))
			continue;
		ret = control_cpu(run->c, cpu, step->op == STEP_ONLINE, err);
		if (step->op == STEP_ONLINE)
			cpu_set_del(&run->offline, cpu);
		else
			cpu_set_add(&run->offline, cpu);
	}
	return ret;
}

/* How many schedulers the kernel has ever enabled; 0 if it does not tell */
static int read_enabled(struct run *run, u64 *enabled, struct errmsg *err)
{
	static const char * const globs[] = { ENABLED_FILE };
	struct control_reply reply = {};
	const char *text;
	int ret;

	ret = control_read(run->c, globs, ARRAY_SIZE(globs), &reply, err);
	text = control_text(&reply, ENABLED_FILE);
	*enabled = text ? strtoull(text, NULL, 10) : 0;
	control_reply_free(&reply);
	return ret;
}

/*
 * What is enabled by nobody's request: the scheduler has left, and something of its
 * own has loaded it again. The agent may have looked before and after that only.
 */
static int count_enabled(struct run *run, struct errmsg *err)
{
	u64 enabled;
	int ret;

	ret = read_enabled(run, &enabled, err);
	if (!ret && !run->replaced && enabled > run->enabled)
		run->result->run.sched.unasked += enabled - run->enabled;
	return ret;
}

static int leave(struct run *run, struct errmsg *err)
{
	struct control_reply reply = {};
	int ret;

	run->result->run.sched.reloaded = true;
	ret = control_sched_stop(run->c, SCHED_NS, &reply, err);
	control_reply_free(&reply);
	/* One that had left before is found by its exit. */
	return ret == -ESRCH ? 0 : ret;
}

static int replace(struct run *run, const struct scenario_step *step, struct errmsg *err)
{
	char command[NAME_MAX + 1];

	snprintf(command, sizeof(command), "%s %s", step->scheduler, step->args ?: "");
	return leave(run, err) ?: session_start_scheduler(run->s, command, err);
}

/* A scheduler leaves, comes, or both. */
static int change_scheduler(struct run *run, const struct scenario_step *step,
			    struct errmsg *err)
{
	int ret;

	ret = count_enabled(run, err);
	if (ret)
		return ret;
	run->replaced = step->op == STEP_REPLACE;
	if (step->op == STEP_REPLACE)
		ret = replace(run, step, err);
	else
		ret = leave(run, err);
	if (!ret && step->op == STEP_LOAD)
		ret = session_start_scheduler(run->s, NULL, err);
	return ret ?: read_enabled(run, &run->enabled, err);
}

/* Its arguments are what scenario.h promises to its command. */
static int start_program(struct run *run, const char *name, struct errmsg *err)
{
	const struct scenario_program *p = scenario_program(run->sc, name);
	char path[PATH_MAX / 2], seconds[24], cpus[16];
	const char * const argv[] = { "/bin/sh", "-c", p->command, "sh", seconds, cpus, NULL };
	struct control_reply reply = {};
	int ret;

	snprintf(seconds, sizeof(seconds), "%llu", (unsigned long long)
		 ((run->duration_ns + NSEC_PER_SEC - 1) / NSEC_PER_SEC));
	snprintf(cpus, sizeof(cpus), "%u", topology_cpus(run->topo));
	cgroup_path(path, sizeof(path), p->cgroup);
	ret = control_program_start(run->c, name, path, argv, &reply, err);
	control_reply_free(&reply);
	return ret;
}

/* Takes the output out of the reply. */
static int keep_program(struct scenario_result *result, const struct check_program *end,
			struct control_reply *reply, struct errmsg *err)
{
	size_t nr = result->run.nr_programs;
	struct check_program *programs;

	programs = realloc(result->programs, (nr + 1) * sizeof(*programs));
	if (!programs)
		return errmsg_set(err, ERRMSG_HOST, ENOMEM, "keeping a program's output");
	programs[nr] = *end;
	programs[nr].output = reply->output;
	reply->output = NULL;
	result->programs = programs;
	result->run.programs = programs;
	result->run.nr_programs = nr + 1;
	return 0;
}

/* One that does not end is a finding; a guest that does not answer is an error. */
static int wait_program(struct run *run, const char *name, bool killed, struct errmsg *err)
{
	struct check_program end = {
		.program = scenario_program(run->sc, name),
		.killed = killed,
	};
	struct control_reply reply = {};
	int ret;

	ret = control_program_wait(run->c, name, run->duration_ns + PROGRAM_NS, &reply, err);
	end.wait_status = reply.wait_status;
	end.late = ret == -ETIMEDOUT && reply.done;
	if (!ret || end.late)
		ret = keep_program(run->result, &end, &reply, err);
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
		mark_cgroup(run, step->cgroup, CHECK_WEIGHT);
		find_cgroup(run, step->cgroup)->weight = step->value;
		return write_number(run, step->cgroup, "cpu.weight", step->value, err);
	case STEP_QUOTA:
		return set_quota(run, step->cgroup, step->value, err);
	case STEP_FREEZE:
		mark_cgroup(run, step->cgroup, CHECK_FROZEN);
		return write_number(run, step->cgroup, "cgroup.freeze", !!step->value, err);
	case STEP_SPAWN:
		return spawn_step(run, step->workers, err);
	case STEP_STOP:
		return stop_step(run, step->workers, err);
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
	case STEP_REPLACE:
	case STEP_LOAD:
		return change_scheduler(run, step, err);
	case STEP_RUN:
		return start_program(run, step->program, err);
	case STEP_WAIT:
		return wait_program(run, step->program, false, err);
	case STEP_KILL:
		return control_program_kill(run->c, step->program, SIGKILL, err) ?:
		       wait_program(run, step->program, true, err);
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

/* Not all kernels have the events file, which is of the scheduler that runs. */
static int read_state(struct run *run, struct control_reply *files, struct cpu_times *times,
		      struct errmsg *err)
{
	static const char * const globs[] = { STAT_FILE, EVENTS_FILE };
	const char *text;
	int ret;

	ret = control_read(run->c, globs, ARRAY_SIZE(globs), files, err);
	if (ret)
		return ret;
	text = control_text(files, STAT_FILE);
	if (!text || !cpu_times_parse(text, times))
		return errmsg_set(err, ERRMSG_FAILED, EPROTO,
				  "%s of the guest does not tell its CPUs' times", STAT_FILE);
	times->at_ns = clock_ns();
	return 0;
}

/* Does it change on which CPUs somebody may run, or who is there to do so? */
static bool moves_somebody(enum step_op op)
{
	switch (op) {
	case STEP_CPUS:
	case STEP_SWAP:
	case STEP_QUOTA:
	case STEP_FREEZE:
	case STEP_SPAWN:
	case STEP_STOP:
	case STEP_MOVE:
	case STEP_AFFINITY:
	case STEP_OFFLINE:
	case STEP_ONLINE:
		return true;
	default:
		return false;
	}
}

/*
 * How many steps there are up to the last that moves somebody, repeated ones included;
 * 0 if there is none, or no time is left after it
 */
static size_t steps_to_settle(const struct scenario_step *steps)
{
	size_t i, last = 0;
	bool time = false;

	for (i = 0; i < SCENARIO_MAX_STEPS && steps[i].op != STEP_END; i++) {
		if (moves_somebody(steps[i].op) ||
		    (steps[i].op == STEP_REPEAT && last + steps[i].value > i)) {
			last = i + 1;
			time = false;
		}
		time |= steps[i].op == STEP_HOLD;
	}
	return time ? last : 0;
}

/*
 * From now on nobody is moved, and whoever was frozen was thawed: who wants to run, and
 * where, is known again.
 */
static int settle(struct run *run, struct errmsg *err)
{
	struct scenario_result *result = run->result;
	struct control_reply files = {};
	struct check_group *group;
	size_t i;
	int ret;

	if (cpu_set_count(&run->offline))
		return 0;
	ret = read_state(run, &files, &result->settled, err);
	control_reply_free(&files);
	if (ret)
		return ret;
	result->run.settled = &result->settled;
	for (i = 0; i < result->run.nr_groups; i++) {
		group = &result->groups[i];
		group->settled = run->present[i] &&
				 !(group->changed & (CHECK_AFFINITY | CHECK_MOVED | CHECK_QUOTA));
		effective_cpus(run, group->cgroup, &group->settled_cpus);
	}
	return 0;
}

static int play(struct run *run, struct errmsg *err)
{
	const struct scenario_step *steps = run->sc->steps;
	size_t settled = steps_to_settle(steps), i;
	u64 began[SCENARIO_MAX_STEPS];
	int ret = 0;

	if (steps[0].op == STEP_END)
		return control_hold(run->c, run->duration_ns, err);
	for (i = 0; i < SCENARIO_MAX_STEPS && steps[i].op != STEP_END && !ret; i++) {
		began[i] = clock_ns();
		if (steps[i].op == STEP_REPEAT)
			ret = repeat(run, &steps[i], began[i - steps[i].value], err);
		else
			ret = do_steps(run, &steps[i], &steps[i] + 1, err);
		if (!ret && i + 1 == settled)
			ret = settle(run, err);
	}
	return ret;
}

/* -- what is read off ------------------------------------------------------- */

/* What the last step has left of the scheduler that was there at the start */
static void tell_sched(struct run *run)
{
	const struct scenario_step *step = run->sc->steps;
	struct scenario_result *result = run->result;
	struct check_sched *sched = &result->run.sched;
	const struct control_sched *at_end = &result->sched_after.sched;
	const struct control_sched *at_start = &result->sched_before.sched;
	const char *ops = strcmp(at_start->state, "enabled") ? NULL : at_start->ops;

	sched->events_before = control_text(&result->first, EVENTS_FILE);
	sched->events_after = control_text(&result->last, EVENTS_FILE);
	sched->exit = &run->c->sched_exit;
	sched->end_state = at_end->state;
	sched->end_ops = at_end->ops;
	sched->ops = ops;
	for (; step < run->sc->steps + SCENARIO_MAX_STEPS && step->op != STEP_END; step++) {
		if (step->op == STEP_LEAVE || step->op == STEP_REPLACE)
			sched->ops = NULL;
		else if (step->op == STEP_LOAD)
			sched->ops = ops;
	}
}

/* The reports of all groups are there, and the guest is at rest. */
static int read_end(struct run *run, struct errmsg *err)
{
	struct scenario_result *result = run->result;
	struct control_reply *sched = &result->sched_after;
	size_t i;
	int ret;

	ret = control_sched_status(run->c, sched, err) ?:
	      count_enabled(run, err) ?:
	      control_kmsg(run->c, &result->log, err);
	if (ret)
		return ret;
	result->run.kernel_log = result->log.output;
	for (i = 0; i < result->run.nr_groups; i++) {
		const struct load_group asked = {
			.name = result->groups[i].name,
			.workers = result->groups[i].workers,
			.cpus = result->groups[i].cpus,
		};

		result->stats[i] = load_stats(&asked, result->reports, result->run.nr_reports);
	}
	tell_sched(run);
	return 0;
}

/* -- all of it -------------------------------------------------------------- */

/* Work that always has something to compute, whatever others do */
static bool never_sleeps(const struct scenario_workers *w)
{
	size_t i, nr = scenario_phases(w);

	for (i = 0; i < nr; i++) {
		switch (w->phases[i].work) {
		case WIRE_WORK_SPIN:
		case WIRE_WORK_YIELD:
		case WIRE_WORK_CACHE:
		case WIRE_WORK_CACHE_YIELD:
		case WIRE_WORK_NUMA:
			break;
		default:
			return false;
		}
	}
	return true;
}

/* The nodes that a group, or the nearest cgroup, binds memory to, as a bit each */
static u64 bound_nodes(struct run *run, const struct scenario_workers *w)
{
	const struct scenario_cgroup *cg;
	struct errmsg unused;
	u64 nodes = 0;

	for (cg = run->sc->cgroups; cg < run->sc->cgroups + SCENARIO_MAX_CGROUPS && cg->name; cg++)
		if (cg->mems.kind != CPUS_ALL && scenario_is_below(w->cgroup, cg->name))
			scenario_resolve_nodes(&cg->mems, run->topo, &nodes, &unused);
	if (w->memory == MEMORY_BIND)
		scenario_resolve_nodes(&w->mems, run->topo, &nodes, &unused);
	return nodes;
}

static int set_group(struct run *run, const struct scenario_workers *w, struct errmsg *err)
{
	size_t at = run->result->run.nr_groups++;
	struct check_group *group = &run->result->groups[at];
	struct cpu_set *sets;
	unsigned int i;

	*group = (struct check_group){
		.name = w->name,
		.cgroup = w->cgroup,
		.memory = w->memory,
		.mems = bound_nodes(run, w),
		.workers = scenario_count(run->sc, w, run->topo),
		.work = scenario_phases(w) > 1 ? WIRE_WORK_CUSTOM : w->phases[0].work,
		.policy = w->policy,
		.nice = w->nice,
		.background = w->background,
		.always_runnable = never_sleeps(w),
		.stats = &run->result->stats[at],
	};
	add_cpus(run, group);
	if (w->affinity == AFFINITY_INHERIT)
		return 0;
	sets = calloc(group->workers, sizeof(*sets));
	if (!sets)
		return errmsg_set(err, ERRMSG_HOST, ENOMEM, "CPUs of %u workers", group->workers);
	run->result->affinity[at] = sets;
	for (i = 0; i < group->workers; i++)
		scenario_affinity(run->sc, w, run->topo, i, &sets[i]);
	group->affinity = sets;
	group->nr_affinity = group->workers;
	return 0;
}

/* What is asked of a guest at rest comes first: later, workers that get ready are in the way. */
static int prepare(struct run *run, struct errmsg *err)
{
	const struct scenario *sc = run->sc;
	size_t i;
	int ret;

	ret = read_enabled(run, &run->enabled, err) ?:
	      control_sched_status(run->c, &run->result->sched_before, err);
	for (i = 0; i < SCENARIO_MAX_CGROUPS && sc->cgroups[i].name && !ret; i++) {
		run->result->run.nr_cgroups++;
		if (!sc->cgroups[i].later)
			ret = add_cgroup(run, &sc->cgroups[i], err);
	}
	for (i = 0; i < SCENARIO_MAX_WORKERS && sc->workers[i].name && !ret; i++) {
		ret = set_group(run, &sc->workers[i], err);
		if (!ret && !sc->workers[i].later)
			ret = spawn(run, &sc->workers[i], err);
	}
	return ret;
}

static int perform(struct run *run, struct errmsg *err)
{
	struct scenario_result *result = run->result;
	u64 denied = emulated_denied_ns();
	int ret;

	ret = start(run, NULL, 0, err);
	run->since_ns = clock_ns();
	ret = ret ?: read_state(run, &result->first, &result->before, err);
	if (!ret)
		result->run.before = &result->before;
	/* They work meanwhile, and while it is read again; all that takes longer is overhead. */
	run->duration_ns -= min(2 * (clock_ns() - run->since_ns), run->duration_ns / 10);
	ret = ret ?:
	      play(run, err) ?:
	      read_state(run, &result->last, &result->after, err);
	if (!ret)
		result->run.after = &result->after;
	ret = ret ?: stop(run, NULL, 0, err);
	result->run.duration_ns = clock_ns() - run->since_ns;
	result->run.denied_ns = emulated_denied_ns() - denied;
	result->run.overcommit = check_overcommit(result->run.overcommit, result->run.duration_ns,
						  result->run.denied_ns);
	return ret ?: read_end(run, err);
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
	int ret;

	memset(result, 0, sizeof(*result));
	result->run = (struct check_run){
		.topo = &s->topo,
		.overcommit = load_overcommit(&s->topo),
		.host_is_tcg = cpuid_host_is_tcg(),
		.cgroups = sc->cgroups,
		.cgroups_end = result->cgroups_end,
		.groups = result->groups,
	};
	memcpy(result->cgroups_end, sc->cgroups, sizeof(sc->cgroups));
	ret = prepare(&run, err) ?: perform(&run, err);
	if (ret)
		errmsg_prefix(err, "scenario %s.%s", sc->suite, sc->name);
	return ret;
}

void scenario_result_free(struct scenario_result *result)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(result->affinity); i++)
		free(result->affinity[i]);
	for (i = 0; i < result->run.nr_programs; i++)
		free((char *)result->programs[i].output);
	free(result->programs);
	free(result->reports);
	control_reply_free(&result->log);
	control_reply_free(&result->first);
	control_reply_free(&result->last);
	control_reply_free(&result->sched_before);
	control_reply_free(&result->sched_after);
}
