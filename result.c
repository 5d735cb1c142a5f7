// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "cpuid.h"
#include "json_text.h"
#include "kernel_log.h"
#include "load.h"
#include "program_output.h"
#include "result.h"
#include "schedulers.h"

#define CPU_LIST_SIZE	JSON_TEXT_MAX	/* more than every other CPU of 4096 */

/* -- Words for numbers ------------------------------------------------------ */

static const char * const policy_names[] = {
	[POLICY_NORMAL] = "normal",
	[POLICY_FIFO] = "fifo",
	[POLICY_RR] = "rr",
	[POLICY_BATCH] = "batch",
	[POLICY_IDLE] = "idle",
	[POLICY_DEADLINE] = "deadline",
};

/* By bit number: of enum check_changed, of enum wire_report_flags */
static const char * const changed_names[] = {
	"cpus", "affinity", "weight", "quota", "frozen", "moved", "presence",
};

static const char * const flag_names[] = {
	"not_stopped", "never_ran", "died", "corrupt", "error",
};

static const char * const distance_names[WIRE_NR_DISTANCES] = {
	[WIRE_SAME_LLC] = "same_llc",
	[WIRE_CROSS_LLC] = "cross_llc",
	[WIRE_CROSS_NODE] = "cross_node",
};

/* In the order of struct limits */
static const char * const limit_names[] = {
	"starved_percent", "spread_percent", "gap_ms", "weight_error_percent",
	"quota_error_percent", "idle_percent", "wake_p50_us", "wake_p99_us", "wake_p999_us",
	"migrations_per_s", "llc_migrations_per_s", "node_migrations_per_s",
	"remote_pages_percent", "slow_pages_percent", "floor_percent", "rounds_per_s",
};

_Static_assert(sizeof(struct limits) == sizeof(unsigned int) * ARRAY_SIZE(limit_names),
	       "each limit has a name");

static const char * const memory_names[] = {
	[MEMORY_DEFAULT] = "default",
	[MEMORY_PREFERRED] = "preferred",
	[MEMORY_BIND] = "bind",
	[MEMORY_INTERLEAVE] = "interleave",
};

static const char *policy_name(enum sched_policy policy)
{
	return (size_t)policy < ARRAY_SIZE(policy_names) ? policy_names[policy] : NULL;
}

static const char *memory_name(enum memory memory)
{
	return (size_t)memory < ARRAY_SIZE(memory_names) ? memory_names[memory] : NULL;
}

static void put_bits(struct json_text *j, const char *name, unsigned int bits,
		     const char * const *names, size_t nr)
{
	size_t i;

	jsonw_name(j->w, name);
	jsonw_start_array(j->w);
	for (i = 0; i < nr; i++)
		if (bits >> i & 1)
			jsonw_string(j->w, names[i]);
	jsonw_end_array(j->w);
}

/* -- Pieces ----------------------------------------------------------------- */

static void begin(struct json_text *j, const char *name)
{
	jsonw_name(j->w, name);
	jsonw_start_object(j->w);
}

static void begin_array(struct json_text *j, const char *name)
{
	jsonw_name(j->w, name);
	jsonw_start_array(j->w);
}

/* 0 stands for what is not known, or not there. */
static void put_nonzero(struct json_text *j, const char *name, u64 value)
{
	if (value)
		jsonw_uint_field(j->w, name, value);
	else
		jsonw_null_field(j->w, name);
}

static void put_cpus(struct json_text *j, const char *name, const struct cpu_set *set)
{
	char list[CPU_LIST_SIZE];

	json_text_str(j, name, cpu_set_format(set, list, sizeof(list)));
}

/* The empty set stands for all CPUs. */
static void put_allowed(struct json_text *j, const char *name, const struct cpu_set *set)
{
	if (cpu_set_count(set))
		put_cpus(j, name, set);
	else
		json_text_str(j, name, NULL);
}

static void put_node_bits(struct json_text *j, const char *name, u64 nodes)
{
	struct cpu_set set = { .bits = { nodes } };

	put_allowed(j, name, &set);
}

static void put_u64s(struct json_text *j, const char *name, const u64 *values, size_t nr)
{
	size_t i;

	begin_array(j, name);
	for (i = 0; i < nr; i++)
		jsonw_uint(j->w, values[i]);
	jsonw_end_array(j->w);
}

static void put_hist(struct json_text *j, const char *name, const struct hist *h)
{
	unsigned int i;

	begin(j, name);
	jsonw_uint_field(j->w, "count", hist_total(h));
	jsonw_uint_field(j->w, "p50_ns", hist_percentile(h, 5000));
	jsonw_uint_field(j->w, "p90_ns", hist_percentile(h, 9000));
	jsonw_uint_field(j->w, "p99_ns", hist_percentile(h, 9900));
	jsonw_uint_field(j->w, "p999_ns", hist_percentile(h, 9990));
	jsonw_uint_field(j->w, "max_ns", hist_percentile(h, 10000));
	begin_array(j, "buckets");
	for (i = 0; i < HIST_BUCKETS; i++) {
		if (!h->count[i])
			continue;
		jsonw_start_array(j->w);
		jsonw_uint(j->w, hist_upper(i));
		jsonw_uint(j->w, h->count[i]);
		jsonw_end_array(j->w);
	}
	jsonw_end_array(j->w);
	jsonw_end_object(j->w);
}

static void put_gap(struct json_text *j, const struct wire_gap *gap)
{
	begin(j, "gap");
	jsonw_uint_field(j->w, "raw_ns", gap->raw_ns);
	jsonw_uint_field(j->w, "run_delay_ns", gap->run_delay_ns);
	jsonw_uint_field(j->w, "steal_ns", gap->steal_ns);
	jsonw_uint_field(j->w, "sched_ns", gap->sched_ns);
	jsonw_uint_field(j->w, "window_ns", gap->window_ns);
	jsonw_uint_field(j->w, "at_ns", gap->at_ns);
	jsonw_uint_field(j->w, "cpu_before", gap->cpu_before);
	jsonw_uint_field(j->w, "cpu_after", gap->cpu_after);
	jsonw_end_object(j->w);
}

static void put_migrations(struct json_text *j, const u64 *migrations)
{
	size_t i;

	begin(j, "migrations");
	for (i = 0; i < WIRE_NR_DISTANCES; i++)
		jsonw_uint_field(j->w, distance_names[i], migrations[i]);
	jsonw_end_object(j->w);
}

/* The numbers of a flat keyed file */
static void put_keyed(struct json_text *j, const char *name, const char *text)
{
	char key[64];
	size_t len;
	u64 value;

	if (!text) {
		json_text_str(j, name, NULL);
		return;
	}
	begin(j, name);
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		len = strcspn(text, "\n ");
		if (!len || len >= sizeof(key))
			continue;
		snprintf(key, sizeof(key), "%.*s", (int)len, text);
		if (!load_value(text, key, &value))
			continue;
		json_text_name(j, key);
		jsonw_uint(j->w, value);
	}
	jsonw_end_object(j->w);
}

/* A set of CPUs as a scenario means it */
static void put_intent(struct json_text *j, const char *name, const struct cpus *cpus,
		       const struct topology *topo)
{
	struct errmsg unused;
	struct cpu_set set;
	char text[256];

	if (cpus->kind == CPUS_ALL) {
		json_text_str(j, name, NULL);
		return;
	}
	switch (cpus->kind) {
	case CPUS_ALL:
		break;
	case CPUS_LLC:
		snprintf(text, sizeof(text), "llc(%u)", cpus->a);
		break;
	case CPUS_NUMA:
		snprintf(text, sizeof(text), "numa(%u)", cpus->a);
		break;
	case CPUS_RANGE:
		snprintf(text, sizeof(text), "range(%u, %u)", cpus->a, cpus->b);
		break;
	case CPUS_DISJOINT:
		snprintf(text, sizeof(text), "disjoint(%u of %u)", cpus->a, cpus->b);
		break;
	case CPUS_OVERLAP:
		snprintf(text, sizeof(text), "overlap(%u of %u, %u %%)", cpus->a, cpus->b,
			 cpus->percent);
		break;
	case CPUS_EXACT:
		snprintf(text, sizeof(text), "exact(%s)", cpus->list ?: "");
		break;
	}
	begin(j, name);
	json_text_str(j, "intent", text);
	if (topo && !scenario_resolve_cpus(cpus, topo, &set, &unused))
		put_cpus(j, "cpus", &set);
	else
		json_text_str(j, "cpus", NULL);
	jsonw_end_object(j->w);
}

/* -- What was tested -------------------------------------------------------- */

static unsigned int llc_of(struct topology_place place)
{
	return place.llc;
}

static unsigned int node_of(struct topology_place place)
{
	return place.node;
}

/* The CPUs of each of @nr parts */
static void put_parts(struct json_text *j, const char *name, const struct topology *topo,
		      unsigned int nr, unsigned int (*part_of)(struct topology_place place))
{
	struct cpu_set set;
	unsigned int i, cpu;

	begin_array(j, name);
	for (i = 0; i < nr; i++) {
		memset(&set, 0, sizeof(set));
		for (cpu = 0; cpu < topology_cpus(topo); cpu++)
			if (part_of(topology_place(topo, cpu)) == i)
				cpu_set_add(&set, cpu);
		put_cpus(j, NULL, &set);
	}
	jsonw_end_array(j->w);
}

static void put_topology(struct json_text *j, const char *spec, const struct topology *topo)
{
	begin(j, "topology");
	json_text_str(j, "spec", spec);
	put_nonzero(j, "cpus", topo ? topology_cpus(topo) : 0);
	put_nonzero(j, "nodes", topo ? topo->nodes : 0);
	put_nonzero(j, "llcs", topo ? topo->llcs : 0);
	put_nonzero(j, "cores_per_llc", topo ? topo->cores : 0);
	put_nonzero(j, "threads_per_core", topo ? topo->threads : 0);
	put_parts(j, "llc_cpus", topo, topo ? topo->llcs : 0, llc_of);
	put_parts(j, "node_cpus", topo, topo ? topo->nodes : 0, node_of);
	jsonw_end_object(j->w);
}

static void put_words(struct json_text *j, const char *name, const char *words)
{
	char word[64];
	size_t len;

	begin_array(j, name);
	for (; words && *words; words += len, words += strspn(words, " ")) {
		len = strcspn(words, " ");
		if (!len)
			continue;
		snprintf(word, sizeof(word), "%.*s", (int)len, words);
		json_text_str(j, NULL, word);
	}
	jsonw_end_array(j->w);
}

static void put_exit(struct json_text *j, const struct control_sched *left)
{
	if (!left || !left->valid) {
		json_text_str(j, "exit", NULL);
		return;
	}
	begin(j, "exit");
	json_text_str(j, "state", left->state);
	json_text_str(j, "ops", left->ops);
	json_text_str(j, "reason", left->reason);
	jsonw_int_field(j->w, "pid", left->pid);
	jsonw_bool_field(j->w, "ended", left->ended);
	jsonw_int_field(j->w, "wait_status", left->wait_status);
	jsonw_uint_field(j->w, "when_ns", left->when_ns);
	json_text_tail(j, "output", left->output);
	jsonw_end_object(j->w);
}

static void put_scheduler(struct json_text *j, const struct play *play,
			  const struct check_run *run)
{
	struct check_sched known = {};
	const struct check_sched *sched = run ? &run->sched : &known;

	if (!run)
		schedulers_known(play->scheduler, play->sc, &known);
	begin(j, "scheduler");
	json_text_str(j, "command", play->scheduler);
	json_text_str(j, "ops", sched->ops);
	put_words(j, "lacks", sched->lacks);
	json_text_str(j, "lacks_reason", sched->lacks_reason);
	put_words(j, "defects", sched->defects);
	json_text_str(j, "defects_reason", sched->defects_reason);
	jsonw_bool_field(j->w, "reloaded", sched->reloaded);
	json_text_str(j, "end_state", sched->end_state);
	json_text_str(j, "end_ops", sched->end_ops);
	put_exit(j, sched->exit);
	put_keyed(j, "events_before", sched->events_before);
	put_keyed(j, "events_after", sched->events_after);
	jsonw_end_object(j->w);
}

static void put_kernel(struct json_text *j, const struct result *r)
{
	begin(j, "kernel");
	json_text_str(j, "path", r->kernel);
	json_text_str(j, "release", r->release);
	json_text_str(j, "image", r->vm ? r->vm->image : NULL);
	json_text_str(j, "image_version", r->vm ? r->vm->image_version : NULL);
	json_text_str(j, "cmdline", r->cmdline);
	jsonw_end_object(j->w);
}

static void put_guest(struct json_text *j, const struct ktstr_vm_result *vm)
{
	if (!vm) {
		json_text_str(j, "guest", NULL);
		return;
	}
	begin(j, "guest");
	json_text_str(j, "state", ktstr_vm_state_name(vm->state));
	json_text_str(j, "reason", vm->reason);
	json_text_str(j, "broken", vm->broken);
	jsonw_uint_field(j->w, "irq_failures", vm->irq_failures);
	json_text_str(j, "warnings", vm->warnings);
	jsonw_end_object(j->w);
}

static void read_cpu_model(char *model, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256], *value;

	*model = '\0';
	while (f && fgets(line, sizeof(line), f)) {
		value = strchr(line, ':');
		if (strncmp(line, "model name", 10) || !value)
			continue;
		value += strspn(value, ": ");
		snprintf(model, size, "%.*s", (int)strcspn(value, "\n"), value);
		break;
	}
	if (f)
		fclose(f);
}

static void put_host(struct json_text *j, const struct check_run *run,
		     const struct topology *topo)
{
	struct utsname uts = {};
	char model[256];

	uname(&uts);
	read_cpu_model(model, sizeof(model));
	begin(j, "host");
	jsonw_bool_field(j->w, "emulated", run ? run->host_is_tcg : cpuid_host_is_tcg());
	jsonw_uint_field(j->w, "denied_ns", run ? run->denied_ns : 0);
	jsonw_int_field(j->w, "online_cpus", sysconf(_SC_NPROCESSORS_ONLN));
	json_text_str(j, "cpu_model", model);
	json_text_str(j, "kernel_release", uts.release);
	if (run)
		put_nonzero(j, "overcommit", run->overcommit);
	else
		put_nonzero(j, "overcommit", topo ? load_overcommit(topo) : 0);
	jsonw_end_object(j->w);
}

/* -- The scenario ----------------------------------------------------------- */

static void put_limits(struct json_text *j, const struct limits *limits)
{
	const unsigned int *value = (const unsigned int *)limits;
	size_t i;

	begin(j, "limits");
	for (i = 0; i < ARRAY_SIZE(limit_names); i++)
		put_nonzero(j, limit_names[i], value[i] == UNLIMITED ? 0 : value[i]);
	jsonw_end_object(j->w);
}

static void put_cgroups(struct json_text *j, const struct scenario *sc,
			const struct topology *topo)
{
	const struct scenario_cgroup *cg;

	begin_array(j, "cgroups");
	for (cg = sc->cgroups; cg < sc->cgroups + SCENARIO_MAX_CGROUPS && cg->name; cg++) {
		jsonw_start_object(j->w);
		json_text_str(j, "name", cg->name);
		put_intent(j, "cpus", &cg->cpus, topo);
		put_nonzero(j, "weight", cg->weight);
		put_nonzero(j, "quota_percent", cg->quota);
		put_intent(j, "mems", &cg->mems, topo);
		jsonw_bool_field(j->w, "later", cg->later);
		jsonw_end_object(j->w);
	}
	jsonw_end_array(j->w);
}

static void put_steps(struct json_text *j, const struct scenario *sc,
		      const struct topology *topo)
{
	const struct scenario_step *step;

	begin_array(j, "steps");
	for (step = sc->steps; step < sc->steps + SCENARIO_MAX_STEPS && step->op != STEP_END;
	     step++) {
		jsonw_start_object(j->w);
		json_text_str(j, "op", scenario_step_name(step->op));
		jsonw_uint_field(j->w, "percent", step->percent);
		jsonw_uint_field(j->w, "ms", step->ms);
		json_text_str(j, "cgroup", step->cgroup);
		json_text_str(j, "other", step->other);
		json_text_str(j, "workers", step->workers);
		put_intent(j, "cpus", &step->cpus, topo);
		jsonw_int_field(j->w, "value", step->value);
		json_text_str(j, "program", step->program);
		json_text_str(j, "scheduler", step->scheduler);
		json_text_str(j, "args", step->args);
		jsonw_end_object(j->w);
	}
	jsonw_end_array(j->w);
}

/* -- What they did ---------------------------------------------------------- */

static void put_stats(struct json_text *j, const struct load_stats *st, size_t nr_nodes)
{
	begin(j, "stats");
	jsonw_uint_field(j->w, "workers", st->workers);
	jsonw_uint_field(j->w, "stuck", st->stuck);
	jsonw_uint_field(j->w, "corrupt", st->corrupt);
	jsonw_uint_field(j->w, "errors", st->errors);
	jsonw_uint_field(j->w, "units", st->units);
	jsonw_uint_field(j->w, "unit_ns", st->unit_ns);
	jsonw_uint_field(j->w, "cpu_ns", st->cpu_ns);
	jsonw_uint_field(j->w, "available_ns", st->available_ns);
	jsonw_uint_field(j->w, "run_delay_ns", st->run_delay_ns);
	jsonw_uint_field(j->w, "steal_ns", st->steal_ns);
	jsonw_uint_field(j->w, "mean_rate", st->mean_rate);
	jsonw_uint_field(j->w, "min_rate", st->min_rate);
	jsonw_uint_field(j->w, "min_worker", st->min_worker);
	jsonw_uint_field(j->w, "max_rate", st->max_rate);
	jsonw_uint_field(j->w, "max_worker", st->max_worker);
	put_gap(j, &st->gap);
	jsonw_uint_field(j->w, "gap_worker", st->gap_worker);
	jsonw_uint_field(j->w, "raw_gap_ns", st->raw_gap_ns);
	put_hist(j, "wake", &st->wake);
	jsonw_uint_field(j->w, "raw_wake_ns", st->raw_wake_ns);
	put_migrations(j, st->migrations);
	put_u64s(j, "pages", st->pages, nr_nodes);
	put_cpus(j, "cpus", &st->cpus);
	jsonw_uint_field(j->w, "off_cpus", st->off_cpus);
	jsonw_uint_field(j->w, "off_worker", st->off_worker);
	jsonw_end_object(j->w);
}

static void put_phases(struct json_text *j, const struct scenario_workers *workers)
{
	unsigned int i;

	begin_array(j, "phases");
	for (i = 0; i < scenario_phases(workers); i++) {
		const struct wire_phase *ph = &workers->phases[i];

		jsonw_start_object(j->w);
		json_text_str(j, "work", wire_work_name(ph->work));
		jsonw_uint_field(j->w, "team", ph->team);
		jsonw_uint_field(j->w, "run_ns", ph->run_ns);
		jsonw_uint_field(j->w, "sleep_ns", ph->sleep_ns);
		jsonw_uint_field(j->w, "bytes", ph->bytes);
		jsonw_uint_field(j->w, "phase_ns", ph->phase_ns);
		json_text_str(j, "arg", ph->arg ?: "");
		jsonw_end_object(j->w);
	}
	jsonw_end_array(j->w);
}

static void put_group(struct json_text *j, const struct check_group *g,
		      const struct scenario *sc, size_t nr_nodes)
{
	static const struct scenario_workers none;
	const struct scenario_workers *workers = scenario_workers(sc, g->name) ?: &none;
	char comm[SCENARIO_COMM_SIZE];
	unsigned int i;

	snprintf(comm, sizeof(comm), "%s", workers->comm ?: g->name);
	jsonw_start_object(j->w);
	json_text_str(j, "name", g->name);
	json_text_str(j, "comm", comm);
	json_text_str(j, "cgroup", g->cgroup);
	put_allowed(j, "cpus", &g->cpus);
	begin_array(j, "affinity");
	for (i = 0; i < g->nr_affinity; i++)
		put_allowed(j, NULL, &g->affinity[i]);
	jsonw_end_array(j->w);
	put_node_bits(j, "mems", g->mems);
	jsonw_uint_field(j->w, "workers", g->workers);
	json_text_str(j, "work", wire_work_name(g->work));
	put_phases(j, workers);
	json_text_str(j, "policy", policy_name(g->policy));
	jsonw_int_field(j->w, "nice", g->nice);
	jsonw_uint_field(j->w, "priority", workers->priority);
	jsonw_uint_field(j->w, "runtime_us", workers->runtime_us);
	jsonw_uint_field(j->w, "period_us", workers->period_us);
	json_text_str(j, "memory", memory_name(workers->memory));
	jsonw_bool_field(j->w, "background", g->background);
	jsonw_bool_field(j->w, "always_runnable", g->always_runnable);
	put_bits(j, "changed", g->changed, changed_names, ARRAY_SIZE(changed_names));
	jsonw_bool_field(j->w, "settled", g->settled);
	put_allowed(j, "settled_cpus", &g->settled_cpus);
	put_stats(j, g->stats, nr_nodes);
	jsonw_end_object(j->w);
}

static void put_report(struct json_text *j, const struct control_report *report,
		       size_t nr_nodes)
{
	const struct wire_report *r = &report->r;
	struct cpu_set cpus = {};
	size_t i;

	memcpy(cpus.bits, r->cpus, sizeof(r->cpus));
	jsonw_start_object(j->w);
	json_text_str(j, "group", report->group);
	jsonw_uint_field(j->w, "index", r->index);
	jsonw_uint_field(j->w, "pid", r->pid);
	put_bits(j, "flags", r->flags, flag_names, ARRAY_SIZE(flag_names));
	jsonw_uint_field(j->w, "units", r->units);
	jsonw_uint_field(j->w, "unit_ns", r->unit_ns);
	jsonw_uint_field(j->w, "cpu_ns", r->cpu_ns);
	jsonw_uint_field(j->w, "wall_ns", r->wall_ns);
	jsonw_uint_field(j->w, "run_delay_ns", r->run_delay_ns);
	jsonw_uint_field(j->w, "steal_ns", r->steal_ns);
	jsonw_uint_field(j->w, "measure_ns", r->measure_ns);
	jsonw_uint_field(j->w, "nvcsw", r->nvcsw);
	jsonw_uint_field(j->w, "nivcsw", r->nivcsw);
	jsonw_uint_field(j->w, "timeslices", r->timeslices);
	put_gap(j, &r->gap);
	jsonw_uint_field(j->w, "max_raw_gap_ns", r->max_raw_gap_ns);
	put_hist(j, "wake", &r->wake);
	jsonw_uint_field(j->w, "max_raw_wake_ns", r->max_raw_wake_ns);
	put_migrations(j, r->migrations);
	begin_array(j, "pages");
	for (i = 0; i < nr_nodes; i++)
		jsonw_uint(j->w, r->pages[i]);
	jsonw_end_array(j->w);
	put_u64s(j, "on_node", r->on_node, nr_nodes);
	put_cpus(j, "cpus", &cpus);
	jsonw_end_object(j->w);
}

static void put_limit_of(struct json_text *j, const char *name, double limit)
{
	if (limit)
		jsonw_float_field_fmt(j->w, name, "%.10g", limit);
	else
		jsonw_null_field(j->w, name);
}

static void put_numbers(struct json_text *j, const struct check_program *p)
{
	const struct scenario_number *want = p->program->numbers;
	struct program_number number;
	struct errmsg unused;

	begin_array(j, "numbers");
	for (; want < p->program->numbers + SCENARIO_MAX_NUMBERS && want->name; want++) {
		jsonw_start_object(j->w);
		json_text_str(j, "name", want->name);
		if (program_output_find(p->output ?: "", want->name, &number, &unused))
			jsonw_null_field(j->w, "value");
		else
			jsonw_float_field_fmt(j->w, "value", "%.10g", number.value);
		json_text_str(j, "unit", want->unit);
		put_limit_of(j, "min", want->min);
		put_limit_of(j, "max", want->max);
		jsonw_end_object(j->w);
	}
	jsonw_end_array(j->w);
}

static void put_program(struct json_text *j, const struct check_program *p)
{
	jsonw_start_object(j->w);
	json_text_str(j, "name", p->program->name);
	json_text_str(j, "command", p->program->command);
	json_text_str(j, "cgroup", p->program->cgroup);
	jsonw_int_field(j->w, "wait_status", p->wait_status);
	jsonw_bool_field(j->w, "killed", p->killed);
	jsonw_bool_field(j->w, "late", p->late);
	put_numbers(j, p);
	json_text_tail(j, "output", p->output);
	jsonw_end_object(j->w);
}

static void put_times(struct json_text *j, const char *name, const struct cpu_times *times,
		      size_t nr_cpus)
{
	if (!times) {
		json_text_str(j, name, NULL);
		return;
	}
	begin(j, name);
	put_cpus(j, "online", &times->online);
	put_u64s(j, "total_ns", times->total_ns, nr_cpus);
	put_u64s(j, "idle_ns", times->idle_ns, nr_cpus);
	put_u64s(j, "steal_ns", times->steal_ns, nr_cpus);
	jsonw_end_object(j->w);
}

static void put_telemetry(struct json_text *j, const struct check_run *run,
			  const struct scenario *sc)
{
	size_t i, nodes = run ? run->topo->nodes : 0, cpus = run ? topology_cpus(run->topo) : 0;

	begin_array(j, "groups");
	for (i = 0; run && i < run->nr_groups; i++)
		put_group(j, &run->groups[i], sc, nodes);
	jsonw_end_array(j->w);
	begin_array(j, "workers");
	for (i = 0; run && i < run->nr_reports; i++)
		put_report(j, &run->reports[i], nodes);
	jsonw_end_array(j->w);
	begin_array(j, "programs");
	for (i = 0; run && i < run->nr_programs; i++)
		put_program(j, &run->programs[i]);
	jsonw_end_array(j->w);
	begin(j, "cpu_times");
	put_times(j, "before", run ? run->before : NULL, cpus);
	put_times(j, "settled", run ? run->settled : NULL, cpus);
	put_times(j, "after", run ? run->after : NULL, cpus);
	jsonw_end_object(j->w);
	jsonw_bool_field(j->w, "hotplug", run && run->hotplug);
	json_text_tail(j, "kernel_log", run && run->kernel_log ?
		       kernel_log_since(run->kernel_log, run->log_since_ns) : NULL);
	jsonw_uint_field(j->w, "log_since_ns", run ? run->log_since_ns : 0);
}

static void put_finding(struct json_text *j, const struct finding *f)
{
	jsonw_start_object(j->w);
	json_text_str(j, "check", f->check);
	json_text_str(j, "group", f->group);
	json_text_str(j, "verdict", verdict_name(f->verdict));
	json_text_str(j, "text", f->text);
	if (f->unit) {
		jsonw_uint_field(j->w, "seen", f->seen);
		jsonw_uint_field(j->w, "limit", f->limit);
		json_text_str(j, "limit_is", f->at_least ? "least" : "most");
	} else {
		jsonw_null_field(j->w, "seen");
		jsonw_null_field(j->w, "limit");
		jsonw_null_field(j->w, "limit_is");
	}
	json_text_str(j, "unit", f->unit);
	if (f->cpu == CHECK_NO_CPU)
		jsonw_null_field(j->w, "cpu");
	else
		jsonw_int_field(j->w, "cpu", f->cpu);
	if (f->at_ns == CHECK_NO_TIME)
		jsonw_null_field(j->w, "at_ns");
	else
		jsonw_uint_field(j->w, "at_ns", f->at_ns);
	jsonw_end_object(j->w);
}

static void put_verdict(struct json_text *j, const struct result *r)
{
	size_t i;

	json_text_str(j, "verdict", verdict_name(check_verdict(r->findings)));
	begin_array(j, "findings");
	for (i = 0; i < r->findings->nr; i++)
		put_finding(j, &r->findings->list[i]);
	jsonw_end_array(j->w);
}

static void put_durations(struct json_text *j, const struct result *r)
{
	char now[32];
	time_t t = time(NULL);
	struct tm tm = {};

	strftime(now, sizeof(now), "%FT%TZ", gmtime_r(&t, &tm));
	json_text_str(j, "written_at", now);
	begin(j, "durations");
	put_nonzero(j, "boot_ns", r->boot_ns);
	put_nonzero(j, "scenario_ns", r->run ? r->run->duration_ns : 0);
	put_nonzero(j, "total_ns", r->total_ns);
	jsonw_end_object(j->w);
}

char *result_format(const struct result *r, size_t *size)
{
	const struct play *play = r->play;
	const struct scenario *sc = play->sc;
	struct json_text *j = json_text_new();
	struct topology parsed;
	const struct topology *topo = &parsed;
	struct errmsg unused;

	if (!j)
		return NULL;
	if (topology_parse(play->topology, &parsed, &unused))
		topo = NULL;
	jsonw_start_object(j->w);
	jsonw_uint_field(j->w, "schema", RESULT_SCHEMA);
	json_text_str(j, "suite", sc->suite);
	json_text_str(j, "scenario", sc->name);
	json_text_str(j, "bug", sc->bug);
	put_verdict(j, r);
	json_text_str(j, "rerun", play->rerun);
	put_durations(j, r);
	put_topology(j, play->topology, topo);
	put_scheduler(j, play, r->run);
	put_kernel(j, r);
	put_guest(j, r->vm);
	put_host(j, r->run, topo);
	put_limits(j, &r->limits);
	put_cgroups(j, sc, topo);
	put_steps(j, sc, topo);
	put_telemetry(j, r->run, sc);
	jsonw_end_object(j->w);
	return json_text_end(j, size);
}
