// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/kernel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "env.h"
#include "kselftest.h"
#include "load.h"
#include "parallel.h"
#include "session.h"

/*
 * Long enough for the limits in scenarios/, beside slices of 20 ms and the 10 ms
 * in which /proc/stat counts steal: a guest's CPU gets at least MIN_CPU_NS.
 */
#define DEFAULT_DURATION_NS	(3 * NSEC_PER_SEC)
#define MIN_CPU_NS		(600 * NSEC_PER_MSEC)
#define MAX_DURATION		3600
#define STEAL_GRANULARITY_NS	(10 * NSEC_PER_MSEC)

/* For those who only shall show that they work */
#define TRY_NS			(300 * NSEC_PER_MSEC)
#define MAX_TRY_NS		(10 * NSEC_PER_SEC)

/* How long workers may take to notice the end on an emulated host */
#define GRACE_NS		(10 * NSEC_PER_SEC)

static int make_cgroup(struct session *s, const struct load_group *group, char *path,
		       size_t size, struct errmsg *err)
{
	static const struct cpu_set all;
	char file[128], list[1024];
	int ret;

	snprintf(path, size, WIRE_CGROUPS "/%s", group->name);
	ret = control_mkdir(&s->control, path, err);
	if (ret || cpu_set_equal(&group->cpus, &all))
		return ret;
	snprintf(file, sizeof(file), "%s/cpuset.cpus", path);
	return control_write(&s->control, file,
			     cpu_set_format(&group->cpus, list, sizeof(list)), err);
}

int load_prepare(struct session *s, const struct load_group *groups, size_t nr_groups,
		 struct errmsg *err)
{
	struct wire_spawn spawn = {};
	struct control_reply reply;
	char path[96];
	size_t i;
	int ret;

	if (nr_groups > LOAD_MAX_GROUPS)
		return errmsg_set(err, ERRMSG_INPUT, E2BIG, "preparing %zu cgroups", nr_groups);
	for (i = 0; i < nr_groups; i++) {
		ret = make_cgroup(s, &groups[i], path, sizeof(path), err);
		if (!ret) {
			spawn.name = groups[i].name;
			spawn.cgroup = path;
			spawn.count = groups[i].workers;
			ret = control_spawn(&s->control, &spawn, &reply, err);
			control_reply_free(&reply);
		}
		if (ret) {
			errmsg_prefix(err, "preparing cgroup %s", groups[i].name);
			return ret;
		}
	}
	return 0;
}

unsigned int load_overcommit(const struct topology *topo)
{
	unsigned int host_cpus = parallel_cpus();

	return (topology_cpus(topo) + host_cpus - 1) / host_cpus;
}

int load_duration(const struct topology *topo, u64 *duration_ns, struct errmsg *err)
{
	const char *env = env_get("KTSTR_DURATION");
	u64 seconds = 0;
	char *end = "";

	if (!env) {
		*duration_ns = max(DEFAULT_DURATION_NS, load_overcommit(topo) * MIN_CPU_NS);
		return 0;
	}
	seconds = strtoull(env, &end, 10);
	if (*end || !seconds || seconds > MAX_DURATION)
		return errmsg_set(err, ERRMSG_INPUT, 0,
				  "KTSTR_DURATION=%s: must be 1 to %d seconds",
				  env, MAX_DURATION);
	*duration_ns = seconds * NSEC_PER_SEC;
	return 0;
}

int load_start(struct session *s, u64 duration_ns, struct errmsg *err)
{
	struct control_reply reply;
	int ret;

	ret = control_start(&s->control, NULL, 0, duration_ns, GRACE_NS, &reply, err);
	control_reply_free(&reply);
	return ret;
}

int load_finish(struct session *s, struct control_reply *reply, struct errmsg *err)
{
	return control_stop(&s->control, NULL, 0, MAX_DURATION * NSEC_PER_SEC, GRACE_NS, reply,
			    err);
}

static int run(struct session *s, const struct wire_spawn *spawn, u64 run_ns,
	       struct control_reply *reply, struct errmsg *err)
{
	struct control *c = &s->control;
	int ret;

	ret = control_spawn(c, spawn, reply, err);
	control_reply_free(reply);
	if (ret)
		return ret;
	ret = control_start(c, NULL, 0, run_ns, GRACE_NS, reply, err);
	control_reply_free(reply);
	return ret ?: control_stop(c, NULL, 0, run_ns, GRACE_NS, reply, err);
}

static bool all_have_worked(const struct control_reply *reply)
{
	size_t i;

	for (i = 0; i < reply->nr_reports; i++)
		if (!reply->reports[i].r.units)
			return false;
	return true;
}

int load_try(struct session *s, const struct wire_spawn *spawn, struct control_reply *reply,
	     struct errmsg *err)
{
	u64 run_ns = TRY_NS;
	int ret;

	ret = run(s, spawn, run_ns, reply, err);
	while (!ret && !all_have_worked(reply) && run_ns < MAX_TRY_NS) {
		control_reply_free(reply);
		run_ns *= 4;
		ret = run(s, spawn, run_ns, reply, err);
	}
	return ret;
}

/* The time that the host left to the CPUs that the worker was seen on */
static u64 available(const struct wire_report *r)
{
	if (r->wall_ns < r->steal_ns + STEAL_GRANULARITY_NS)
		return STEAL_GRANULARITY_NS;
	return r->wall_ns - r->steal_ns;
}

static bool off_cpus(const struct load_group *group, const struct cpu_set *seen)
{
	static const struct cpu_set all;
	size_t i;

	if (cpu_set_equal(&group->cpus, &all))
		return false;
	for (i = 0; i < CPU_SET_WORDS; i++)
		if (seen->bits[i] & ~group->cpus.bits[i])
			return true;
	return false;
}

static void add_report(struct load_stats *st, const struct load_group *group,
		       const struct wire_report *r)
{
	u64 available_ns = available(r);
	u64 rate = r->units * NSEC_PER_MSEC / (available_ns / 1000);
	struct cpu_set seen = {};
	size_t i;

	memcpy(seen.bits, r->cpus, sizeof(r->cpus));
	for (i = 0; i < CPU_SET_WORDS; i++)
		st->cpus.bits[i] |= seen.bits[i];
	if (off_cpus(group, &seen)) {
		st->off_cpus++;
		st->off_worker = r->index;
	}
	if (!st->workers || rate < st->min_rate) {
		st->min_rate = rate;
		st->min_worker = r->index;
	}
	if (!st->workers || rate > st->max_rate) {
		st->max_rate = rate;
		st->max_worker = r->index;
	}
	if (!st->workers || r->gap.sched_ns > st->gap.sched_ns) {
		st->gap = r->gap;
		st->gap_worker = r->index;
	}
	if (r->unit_ns && (!st->unit_ns || r->unit_ns < st->unit_ns))
		st->unit_ns = r->unit_ns;
	st->workers++;
	st->stuck += !!(r->flags & (WIRE_REPORT_NOT_STOPPED | WIRE_REPORT_NEVER_RAN |
				    WIRE_REPORT_DIED));
	st->corrupt += !!(r->flags & WIRE_REPORT_CORRUPT);
	st->cpu_ns += r->cpu_ns;
	st->mean_rate += rate;
	st->available_ns += available_ns;
	st->raw_gap_ns = max(st->raw_gap_ns, r->max_raw_gap_ns);
	st->run_delay_ns += r->run_delay_ns;
	st->steal_ns = max(st->steal_ns, r->steal_ns);
	for (i = 0; i < WIRE_NR_DISTANCES; i++)
		st->migrations[i] += r->migrations[i];
	for (i = 0; i < WIRE_MAX_NODES; i++)
		st->pages[i] += r->pages[i];
	hist_merge(&st->wake, &r->wake);
	st->raw_wake_ns = max(st->raw_wake_ns, r->max_raw_wake_ns);
	st->errors += !!(r->flags & WIRE_REPORT_ERROR);
	st->units += r->units;
}

struct load_stats load_stats(const struct load_group *group,
			     const struct control_report *reports, size_t nr)
{
	struct load_stats st = {};
	size_t i;

	for (i = 0; i < nr; i++)
		if (!strcmp(reports[i].group, group->name))
			add_report(&st, group, &reports[i].r);
	if (st.workers) {
		st.mean_rate /= st.workers;
		st.available_ns /= st.workers;
	}
	return st;
}

unsigned int load_spread(const struct load_stats *stats)
{
	if (!stats->mean_rate)
		return 0;
	return (stats->max_rate - stats->min_rate) * 100 / stats->mean_rate;
}

u64 load_migration_rate(const struct load_stats *stats, enum wire_distance distance)
{
	u64 all_ms = stats->available_ns / NSEC_PER_MSEC * stats->workers;

	return all_ms ? stats->migrations[distance] * 1000 * 1000 / all_ms : 0;
}

u64 load_nodes(const struct cpu_set *cpus, const struct topology *topo)
{
	unsigned int cpu;
	u64 nodes = 0;

	for (cpu = 0; cpu < topology_cpus(topo); cpu++)
		if (cpu_set_has(cpus, cpu))
			nodes |= 1ULL << topology_place(topo, cpu).node;
	return nodes;
}

unsigned int load_local_pages(const struct load_stats *stats, u64 nodes)
{
	u64 local = 0, all = 0;
	int i;

	for (i = 0; i < WIRE_MAX_NODES; i++) {
		all += stats->pages[i];
		if (nodes >> i & 1)
			local += stats->pages[i];
	}
	return all ? local * 100 / all : 100;
}

bool load_value(const char *text, const char *key, u64 *value)
{
	size_t len = strlen(key);
	char *end;

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		if (strncmp(text, key, len) || text[len] != ' ')
			continue;
		*value = strtoull(text + len + 1, &end, 10);
		return end > text + len + 1 && (!*end || *end == '\n');
	}
	return false;
}

static void print_wakes(const struct load_stats *st)
{
	u64 total = hist_total(&st->wake);

	if (!total)
		return;
	printf(", %llu wake-ups, p50 %llu us, p99 %llu us, p99.9 %llu us (raw up to %llu us)",
	       (unsigned long long)total,
	       (unsigned long long)hist_percentile(&st->wake, 5000) / 1000,
	       (unsigned long long)hist_percentile(&st->wake, 9900) / 1000,
	       (unsigned long long)hist_percentile(&st->wake, 9990) / 1000,
	       (unsigned long long)st->raw_wake_ns / 1000);
}

void load_print(const struct load_group *group, const struct load_stats *st)
{
	char asked[128], seen[128];

	ksft_print_msg("cgroup %s: %u workers, cpuset %s, seen on %s", group->name, st->workers,
		       cpu_set_format(&group->cpus, asked, sizeof(asked))[0] ? asked : "all",
		       cpu_set_format(&st->cpus, seen, sizeof(seen)));
	printf(": %llu units, per second %llu (%llu to %llu, spread %u %%)",
	       (unsigned long long)st->units, (unsigned long long)st->mean_rate,
	       (unsigned long long)st->min_rate, (unsigned long long)st->max_rate,
	       load_spread(st));
	printf(", longest gap %llu ms on CPU %u at %llu ms (raw %llu ms)",
	       (unsigned long long)st->gap.sched_ns / NSEC_PER_MSEC, st->gap.cpu_after,
	       (unsigned long long)st->gap.at_ns / NSEC_PER_MSEC,
	       (unsigned long long)st->raw_gap_ns / NSEC_PER_MSEC);
	print_wakes(st);
	printf(", CPU %llu ms, run delay %llu ms, steal up to %llu ms",
	       (unsigned long long)st->cpu_ns / NSEC_PER_MSEC,
	       (unsigned long long)st->run_delay_ns / NSEC_PER_MSEC,
	       (unsigned long long)st->steal_ns / NSEC_PER_MSEC);
	printf(", migrations: %llu in an LLC, %llu across LLCs, %llu across nodes\n",
	       (unsigned long long)st->migrations[WIRE_SAME_LLC],
	       (unsigned long long)st->migrations[WIRE_CROSS_LLC],
	       (unsigned long long)st->migrations[WIRE_CROSS_NODE]);
}
