// SPDX-License-Identifier: GPL-2.0
/*
 * What changes under the tasks' feet: cpusets, cgroups, CPUs, the scheduler
 * itself. Nobody may get lost, and nobody wait for long.
 */
#include <string.h>

#include "clock.h"
#include "ktstr_test.h"
#include "load.h"
#include "scenario_run.h"

/* As long as in basic.c, and wider where the host is short of CPUs */
#define MAX_GAP_NS	(500 * NSEC_PER_MSEC)

FIXTURE(dynamic)
{
	struct session s;
};

FIXTURE_VARIANT(dynamic)
{
	const char *topology;
	const char *scheduler;
};

FIXTURE_VARIANT_ADD(dynamic, eevdf_1n2l2c1t) {
	.topology = "1n2l2c1t",
};

FIXTURE_VARIANT_ADD(dynamic, scx_simple_1n2l2c1t) {
	.topology = "1n2l2c1t",
	.scheduler = "scx_simple",
};

KTSTR_ENV_VARIANT(dynamic)

FIXTURE_SETUP(dynamic)
{
	const struct session_config cfg = {
		.topology = variant->topology,
		.scheduler = variant->scheduler,
	};

	ktstr_session_start(_metadata, &self->s, &cfg);
}

FIXTURE_TEARDOWN(dynamic)
{
	session_end(&self->s);
}

static void judge(struct __test_metadata *_metadata, struct session *s,
		  const struct scenario_group *group)
{
	const struct load_group asked = {
		.name = group->workers->name,
		.workers = group->count,
		.cpus = group->cpus,
	};
	const struct load_stats *st = &group->stats;

	load_print(&asked, st);
	EXPECT_EQ(group->count, st->workers);
	EXPECT_EQ(0, st->stuck);
	EXPECT_EQ(0, st->corrupt);
	EXPECT_EQ(0, st->off_cpus);
	EXPECT_LT(0, st->min_rate) {
		TH_LOG("worker %u of %s did nothing", st->min_worker, asked.name);
	}
	EXPECT_LE(st->gap.sched_ns, MAX_GAP_NS * (load_overcommit(&s->topo) + 1) / 2) {
		TH_LOG("worker %u of %s waited %llu ms, at %llu ms, on CPU %u, then CPU %u",
		       st->gap_worker, asked.name,
		       (unsigned long long)st->gap.sched_ns / NSEC_PER_MSEC,
		       (unsigned long long)st->gap.at_ns / NSEC_PER_MSEC,
		       st->gap.cpu_before, st->gap.cpu_after);
	}
}

/*
 * The kernel ends a scheduler that has no ops.cpu_online when CPUs come and go, as
 * all that it knows of them may be wrong (scx_bpf_exit() with SCX_ECODE_RSN_HOTPLUG,
 * "unregistered from the main kernel"). That is not the scheduler's fault.
 */
static bool is_there_or_had_to_leave(const struct session *s, const struct scenario *sc)
{
	const struct control_sched *left = &s->control.sched_exit;
	const struct scenario_step *step;

	if (!left->valid)
		return true;
	for (step = sc->steps; step->op != STEP_END; step++)
		if (step->op == STEP_OFFLINE)
			return strstr(left->reason, "unregistered from the main kernel");
	return false;
}

static void play(struct __test_metadata *_metadata, struct session *s, const struct scenario *sc)
{
	struct scenario_result result;
	struct errmsg err;
	u64 duration;
	size_t i;
	int ret;

	ret = load_duration(&s->topo, &duration, &err) ?: scenario_check(sc, &s->topo, &err);
	if (ret == -ERANGE)
		SKIP(return, "%s", err.text);
	ret = ret ?: scenario_run(s, sc, duration, &result, &err);
	ktstr_assert_ok(_metadata, s, ret, &err);
	for (i = 0; i < result.nr_groups; i++)
		judge(_metadata, s, &result.groups[i]);
	EXPECT_EQ(true, is_there_or_had_to_leave(s, sc)) {
		TH_LOG("the scheduler left: %s", s->control.sched_exit.reason);
	}
}

/* Tasks that are queued on CPUs which they have just lost are never dispatched. */
TEST_F_TIMEOUT(dynamic, cpusets_swap, KTSTR_TEST_TIMEOUT)
{
	static const struct scenario sc = {
		.suite = "dynamic",
		.name = "cpusets_swap",
		.min_cpus = 2,
		.cgroups = {
			{ "left", .cpus = DISJOINT(0, 2) },
			{ "right", .cpus = DISJOINT(1, 2) },
		},
		.workers = {
			{ "west", .cgroup = "left", .percent_of_cpus = 200 },
			{ "east", .cgroup = "right", .percent_of_cpus = 200 },
		},
		.steps = { HOLD(10), SWAP("left", "right"), REPEAT(2, 80) },
	};

	play(_metadata, &self->s, &sc);
}

/* Tasks of a CPU that goes away are stranded in its queue. */
TEST_F_TIMEOUT(dynamic, hotplug, KTSTR_TEST_TIMEOUT)
{
	static const struct scenario sc = {
		.suite = "dynamic",
		.name = "hotplug",
		.min_cpus = 2,
		.workers = {
			{ "spin", .percent_of_cpus = 200 },
			{
				"doze", .percent_of_cpus = 100,
				.phases = { { .work = WIRE_WORK_BURSTY } },
			},
		},
		.steps = {
			HOLD(20), OFFLINE(DISJOINT(1, 2)),
			HOLD(20), ONLINE(DISJOINT(1, 2)),
			HOLD(20),
		},
	};

	play(_metadata, &self->s, &sc);
}

/* A task takes what was known of its cgroup along, or loses its place in a queue. */
TEST_F_TIMEOUT(dynamic, cgroup_moves, KTSTR_TEST_TIMEOUT)
{
	static const struct scenario sc = {
		.suite = "dynamic",
		.name = "cgroup_moves",
		.cgroups = {
			{ .name = "here" },
			{ .name = "there" },
			{ "there/deep", .weight = 300 },
		},
		.workers = {
			{ "movers", .cgroup = "here", .percent_of_cpus = 150 },
			{ "others", .cgroup = "there/deep", .percent_of_cpus = 100 },
		},
		.steps = {
			HOLD(10), MOVE("movers", 1, "there/deep"),
			HOLD(10), MOVE("movers", 0, "there/deep"),
			HOLD(10), MOVE("movers", 0, "here"), REPEAT(6, 70),
		},
	};

	play(_metadata, &self->s, &sc);
}

/* What a scheduler leaves behind meets its successor, under load. */
TEST_F_TIMEOUT(dynamic, reload, KTSTR_TEST_TIMEOUT)
{
	static const struct scenario sc = {
		.suite = "dynamic",
		.name = "reload",
		.workers = {
			{ "spin", .percent_of_cpus = 150 },
			{
				"pipes", .count = 4,
				.phases = { { .work = WIRE_WORK_PIPE } },
			},
		},
		.steps = { HOLD(30), LEAVE(), HOLD(20), LOAD(), HOLD(30) },
	};

	if (!variant->scheduler)
		SKIP(return, "EEVDF cannot leave; set " ENV_SCHEDULER);
	play(_metadata, &self->s, &sc);
}

int main(int argc, char **argv)
{
	return ktstr_test_main(argc, argv);
}
