// SPDX-License-Identifier: GPL-2.0
/* Scenarios on the host: which CPUs are meant, and which mistakes are found. */
#include <errno.h>
#include <linux/kernel.h>
#include <string.h>

#include "harness.h"

#include "scenario.h"

static struct topology topology(const char *spec)
{
	struct topology topo = {};
	struct errmsg err;

	topology_parse(spec, &topo, &err);
	return topo;
}

TEST(cpus_by_intent)
{
	static const struct {
		const char *topology;
		struct cpus cpus;
		const char *list;
	} cases[] = {
		{ "2n4l2c2t", { .kind = CPUS_ALL }, "0-15" },
		{ "2n4l2c2t", LLC(0), "0-3" },
		{ "2n4l2c2t", LLC(3), "12-15" },
		{ "2n4l2c2t", NUMA(1), "8-15" },
		{ "2n4l2c2t", RANGE(3, 5), "3-5" },
		{ "2n4l2c2t", RANGE(7, 7), "7" },
		{ "2n4l2c2t", EXACT("1,3,8-9"), "1,3,8-9" },
		{ "1n1l8c1t", DISJOINT(0, 2), "0-3" },
		{ "1n1l8c1t", DISJOINT(1, 2), "4-7" },
		{ "1n1l7c1t", DISJOINT(0, 3), "0-1" },
		{ "1n1l7c1t", DISJOINT(1, 3), "2-3" },
		{ "1n1l7c1t", DISJOINT(2, 3), "4-6" },
		{ "1n1l8c1t", OVERLAP(0, 2, 50), "0-5" },
		{ "1n1l8c1t", OVERLAP(1, 2, 50), "0-1,4-7" },
		{ "1n1l8c1t", OVERLAP(0, 2, 100), "0-7" },
		{ "1n1l8c1t", OVERLAP(0, 4, 1), "0-2" },
	};
	struct cpu_set set, want;
	struct topology topo;
	char text[128];
	struct errmsg err;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		topo = topology(cases[i].topology);
		ASSERT_EQ(0, cpu_set_parse(&want, cases[i].list));
		ASSERT_EQ(0, scenario_resolve_cpus(&cases[i].cpus, &topo, &set, &err));
		EXPECT_EQ(true, cpu_set_equal(&want, &set)) {
			TH_LOG("case %zu: %s, not %s", i,
			       cpu_set_format(&set, text, sizeof(text)), cases[i].list);
		}
	}
}

/* However many parts: together all CPUs, and none twice */
TEST(disjoint_parts_cover_everything_once)
{
	unsigned int cpus, n, i;

	for (cpus = 1; cpus <= 9; cpus++) {
		char spec[16];
		struct topology topo;

		snprintf(spec, sizeof(spec), "1n1l%uc1t", cpus);
		topo = topology(spec);
		for (n = 1; n <= cpus; n++) {
			u64 seen = 0;

			for (i = 0; i < n; i++) {
				struct cpus part = DISJOINT(i, n);
				struct cpu_set set;
				struct errmsg err;

				ASSERT_EQ(0, scenario_resolve_cpus(&part, &topo, &set, &err));
				EXPECT_NE(0, set.bits[0]);
				EXPECT_EQ(0, seen & set.bits[0]);
				seen |= set.bits[0];
			}
			EXPECT_EQ((1ULL << cpus) - 1, seen);
		}
	}
}

TEST(cpus_that_are_not_there)
{
	static const struct {
		struct cpus cpus;
		int ret;
		const char *text;
	} cases[] = {
		{ LLC(2), -ERANGE, "needs LLCs: 3, the topology has 2" },
		{ NUMA(1), -ERANGE, "needs nodes with CPUs: 2, the topology has 1" },
		{ RANGE(2, 8), -ERANGE, "needs CPUs: 9, the topology has 8" },
		{ RANGE(3, 2), -EINVAL, "RANGE(3, 2) is empty" },
		{ DISJOINT(0, 9), -ERANGE, "needs CPUs: 9, the topology has 8" },
		{ DISJOINT(2, 2), -EINVAL, "part 2 of 2" },
		{ DISJOINT(0, 0), -EINVAL, "part 0 of 0" },
		{ OVERLAP(0, 2, 101), -EINVAL, "overlap 101 %" },
		{ EXACT("0-99"), -ERANGE, "needs CPUs: 100" },
		{ EXACT(""), -EINVAL, "empty" },
		{ EXACT("x"), -EINVAL, "\"x\" is no list" },
		{ EXACT(NULL), -EINVAL, "no list" },
		{ (struct cpus){ .kind = 99 }, -EINVAL, "99 is no kind" },
	};
	struct topology topo = topology("1n2l4c1t");
	enum errmsg_kind want;
	struct cpu_set set;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct errmsg err = {};

		EXPECT_EQ(cases[i].ret, scenario_resolve_cpus(&cases[i].cpus, &topo, &set, &err));
		EXPECT_NE(NULL, strstr(err.text, cases[i].text)) {
			TH_LOG("case %zu: %s", i, err.text);
		}
		want = ERRMSG_INPUT;
		if (cases[i].ret == -ERANGE)
			want = ERRMSG_HOST;
		EXPECT_EQ(want, err.kind);
	}
}

static const struct scenario good = {
	.suite = "suite",
	.name = "good",
	.bug = "none",
	.min_cpus = 4,
	.min_llcs = 2,
	.cgroups = {
		{ "left", .cpus = LLC(0) },
		{ "left/outer", .cpus = LLC(0) },
		{ "left/inner", .cpus = RANGE(1, 2), .weight = 200 },
		{ "right", .cpus = LLC(1), .quota = 150, .later = true },
	},
	.workers = {
		{ "spinners", .cgroup = "left/outer", .percent_of_cpus = 150 },
		{ "few", .cgroup = "left/inner", .count = 3, .affinity = AFFINITY_ONE },
		{ "hog", "kworker/7:1-)x", .count = 1, .policy = POLICY_FIFO, .priority = 50,
		  .background = true },
		{ "late", .cgroup = "right", .percent_of_cpus = 100, .nice = 5, .later = true },
	},
	.steps = {
		ADD("right"), SPAWN("late"), HOLD(30), SWAP("left", "right"), HOLD_MS(10),
		REPEAT(2, 40), MOVE("spinners", 2, "right"), WEIGHT("left", 10),
		NICE("few", -5), POLICY("few", POLICY_BATCH), SET_AFFINITY("few", RANGE(1, 5)),
		OFFLINE(RANGE(7, 7)), MOVE("spinners", 0, "left/outer"), ONLINE(RANGE(7, 7)),
		STOP("late"), REMOVE("right"),
	},
};

static const struct scenario programs = {
	.suite = "suite",
	.name = "good",
	.cgroups = {
		{ .name = "up" },
		{ .name = "up/down" },
	},
	.programs = {
		{
			"messages", "hackbench -g $2", { "hackbench" }, .package = "rt-tests",
			.cgroup = "up/down",
			.numbers = {
				{ "Time", .max = 10, .unit = "s" },
				{ "Rate", 1, 2.5, "/s" },
			},
		},
		{ "noise", "yes | cat", { "yes", "cat" }, .package = "coreutils" },
		{ "more_noise", "cat /dev/zero", { "cat" }, .package = "coreutils" },
	},
	.steps = {
		RUN("noise"), RUN("messages"), WAIT("messages"), HOLD(10), REPEAT(3, 50),
		RUN("more_noise"), KILL("more_noise"), KILL("noise"),
	},
};

TEST(programs_without_workers)
{
	const char *names[SCENARIO_ALL_NEEDS + 1], *packages[SCENARIO_ALL_NEEDS];
	struct topology topo = topology("1n1l2c1t");
	struct errmsg err = {};

	EXPECT_EQ(0, scenario_check(&programs, &topo, &err)) {
		TH_LOG("%s", err.text);
	}
	ASSERT_EQ(4, scenario_needs(&programs, names, packages));
	EXPECT_STREQ("sh", names[0]);
	EXPECT_EQ(NULL, packages[0]);
	EXPECT_STREQ("hackbench", names[1]);
	EXPECT_STREQ("rt-tests", packages[1]);
	EXPECT_STREQ("yes", names[2]);
	EXPECT_STREQ("cat", names[3]);
	EXPECT_STREQ("coreutils", packages[3]);
	EXPECT_EQ(NULL, names[4]);

	EXPECT_EQ(0, scenario_needs(&good, names, packages));
	EXPECT_EQ(NULL, names[0]);
}

TEST(a_sound_scenario_passes)
{
	struct topology topo = topology("1n2l4c1t");
	struct errmsg err = {};

	EXPECT_EQ(0, scenario_check(&good, &topo, &err)) {
		TH_LOG("%s", err.text);
	}
}

TEST(does_not_fit)
{
	static const char * const specs[] = { "1n1l2c1t", "1n1l8c1t", "1n2l2c1t" };
	struct topology topo;
	struct errmsg err;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(specs); i++) {
		topo = topology(specs[i]);
		EXPECT_EQ(-ERANGE, scenario_check(&good, &topo, &err)) {
			TH_LOG("%s: %s", specs[i], err.text);
		}
		EXPECT_EQ(ERRMSG_HOST, err.kind);
	}
}

/* Sound as such, but for other topologies */
TEST(too_much_for_a_topology)
{
	static const struct scenario_workers deadline = {
		"deadline", .count = 3, .policy = POLICY_DEADLINE,
		.runtime_us = 700, .period_us = 1000,
	};
	static const struct {
		const char *spec;
		struct scenario_workers workers;
		struct scenario_step steps[3];
		const char *text;
	} cases[] = {
		{ "4n16l16c2t", { "crowd", .percent_of_cpus = 800 }, {}, NULL },
		{ "4n16l16c4t", { "crowd", .percent_of_cpus = 800 }, {},
		  "there are 8192, and may be 4096" },
		{ "1n1l3c1t", deadline, {}, NULL },
		{ "1n1l2c1t", deadline, {},
		  "SCHED_DEADLINE would take 210 % of a CPU, the kernel admits 180 %" },
		{ "1n1l3c1t", deadline, { OFFLINE(RANGE(1, 1)), ONLINE(RANGE(1, 1)) },
		  "step 1, offline: " },
		/* Not any more */
		{ "1n1l3c1t", deadline, { POLICY("deadline", POLICY_BATCH), OFFLINE(RANGE(1, 1)) },
		  NULL },
		{ "1n1l3c1t", deadline, { STOP("deadline"), OFFLINE(RANGE(1, 1)) }, NULL },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct topology topo = topology(cases[i].spec);
		struct scenario sc = { .suite = "suite", .name = "much" };
		struct errmsg err = {};
		int want = 0;

		if (cases[i].text)
			want = -ERANGE;
		sc.workers[0] = cases[i].workers;
		memcpy(sc.steps, cases[i].steps, sizeof(cases[i].steps));
		EXPECT_EQ(want, scenario_check(&sc, &topo, &err)) {
			TH_LOG("case %zu: %s", i, err.text);
		}
		if (cases[i].text) {
			EXPECT_EQ(ERRMSG_HOST, err.kind);
			EXPECT_NE(NULL, strstr(err.text, cases[i].text)) {
				TH_LOG("case %zu: %s", i, err.text);
			}
		}
	}
}

/* Who has all CPUs by whatever name can be SCHED_DEADLINE. */
TEST(deadline_on_all_cpus)
{
	const struct scenario sc = {
		.suite = "suite", .name = "deadline",
		.cgroups = { { "all", .cpus = LLC(0) } },
		.workers = { {
			"deadline", .cgroup = "all", .count = 1, .policy = POLICY_DEADLINE,
			.affinity = AFFINITY_LLC, .runtime_us = 2, .period_us = 4194304,
		} },
		.steps = { SET_AFFINITY("deadline", RANGE(0, 3)), HOLD(1) },
	};
	struct topology topo = topology("1n1l4c1t");
	struct errmsg err = {};

	EXPECT_EQ(0, scenario_check(&sc, &topo, &err)) {
		TH_LOG("%s", err.text);
	}
}

TEST(counts_and_affinities)
{
	struct topology topo = topology("1n2l4c1t");
	struct cpu_set set, again;
	struct scenario sc = good;
	unsigned int i;

	EXPECT_EQ(6, scenario_count(&good, &good.workers[0], &topo));
	EXPECT_EQ(3, scenario_count(&good, &good.workers[1], &topo));
	EXPECT_EQ(1, scenario_count(&good, &good.workers[2], &topo));

	/* left/inner has CPUs 1 and 2: its workers take them in turn */
	for (i = 0; i < 3; i++) {
		scenario_affinity(&good, &good.workers[1], &topo, i, &set);
		EXPECT_EQ(1ULL << (1 + i % 2), set.bits[0]);
	}
	scenario_affinity(&good, &good.workers[0], &topo, 0, &set);
	EXPECT_EQ(0, set.bits[0]);

	sc.workers[2].affinity = AFFINITY_LLC;
	for (i = 0; i < 4; i++) {
		scenario_affinity(&sc, &sc.workers[2], &topo, i, &set);
		EXPECT_EQ(i % 2 ? 0xf0 : 0x0f, set.bits[0]);
	}
	sc.workers[2].affinity = AFFINITY_CROSS;
	scenario_affinity(&sc, &sc.workers[2], &topo, 0, &set);
	EXPECT_EQ(0x11, set.bits[0]);
	sc.workers[1].affinity = AFFINITY_RANDOM;
	for (i = 0; i < 50; i++) {
		scenario_affinity(&sc, &sc.workers[1], &topo, i, &set);
		scenario_affinity(&sc, &sc.workers[1], &topo, i, &again);
		EXPECT_NE(0, set.bits[0]);
		EXPECT_EQ(0, set.bits[0] & ~0x6ULL);
		EXPECT_EQ(true, cpu_set_equal(&set, &again));
	}
}

/* A share of the CPUs makes whole teams; a count that says otherwise is a mistake. */
TEST(whole_teams)
{
	static const struct {
		struct wire_phase phase;
		unsigned int percent;
		unsigned int count;
	} cases[] = {
		{ { .work = WIRE_WORK_SPIN }, 50, 3 },
		{ { .work = WIRE_WORK_PIPE }, 100, 6 },
		{ { .work = WIRE_WORK_PIPE }, 1, 2 },
		{ { .work = WIRE_WORK_INVERSION }, 100, 6 },
		{ { .work = WIRE_WORK_CHAIN, .team = 4 }, 100, 8 },
		{ { .work = WIRE_WORK_CHAIN, .team = 7 }, 100, 7 },
		{ { .work = WIRE_WORK_FANOUT }, 100, 5 },
		{ { .work = WIRE_WORK_FANOUT }, 1, 2 },
	};
	struct topology topo = topology("1n1l5c1t");
	struct errmsg err;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct scenario sc = {
			.suite = "suite", .name = "teams",
			.workers = { { "teams", .percent_of_cpus = cases[i].percent } },
		};

		sc.workers[0].phases[0] = cases[i].phase;
		EXPECT_EQ(cases[i].count, scenario_count(&sc, &sc.workers[0], &topo)) {
			TH_LOG("case %zu", i);
		}
		EXPECT_EQ(0, scenario_check(&sc, &topo, &err));
		EXPECT_EQ(true, scenario_has_work(&sc, cases[i].phase.work));
		EXPECT_EQ(false, scenario_has_work(&sc, WIRE_WORK_YIELD));
	}
}

TEST(llcs_of_one_node)
{
	static const struct {
		const char *spec;
		unsigned int most;
	} cases[] = {
		{ "1n1l4c1t", 1 }, { "1n3l2c1t", 3 }, { "2n2l2c1t", 1 }, { "2n6l1c2t", 3 },
		{ "2n3l2c1t,llcs=1:2", 2 },
	};
	struct scenario sc = good;
	struct errmsg err;
	size_t i;

	sc.min_cpus = 0;
	sc.min_llcs = 0;
	sc.cgroups[0].name = NULL;
	sc.workers[0] = (struct scenario_workers){ "spin", .count = 1 };
	sc.workers[1].name = NULL;
	sc.steps[0].op = STEP_END;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct topology topo = topology(cases[i].spec);

		sc.min_llcs_per_node = cases[i].most;
		EXPECT_EQ(0, scenario_check(&sc, &topo, &err)) {
			TH_LOG("%s: %s", cases[i].spec, err.text);
		}
		sc.min_llcs_per_node++;
		EXPECT_EQ(-ERANGE, scenario_check(&sc, &topo, &err));
	}
}

TEST(nodes_by_intent)
{
	struct topology topo = topology("4n4l2c1t");
	struct cpus cpus = RANGE(3, 5), all = {}, far = NUMA(4);
	struct errmsg err;
	u64 nodes;

	EXPECT_EQ(0, scenario_resolve_nodes(&cpus, &topo, &nodes, &err));
	EXPECT_EQ(6, nodes);
	EXPECT_EQ(0, scenario_resolve_nodes(&all, &topo, &nodes, &err));
	EXPECT_EQ(15, nodes);
	EXPECT_EQ(-ERANGE, scenario_resolve_nodes(&far, &topo, &nodes, &err));
}

TEST(attributes)
{
	const struct scenario_workers w = {
		"w", .policy = POLICY_DEADLINE, .nice = 3, .runtime_us = 10, .period_us = 50,
	};
	struct wire_attr attr = scenario_attr(&w);

	EXPECT_EQ(POLICY_DEADLINE, attr.policy);
	EXPECT_EQ(3, attr.nice);
	EXPECT_EQ(10000, attr.runtime_ns);
	EXPECT_EQ(50000, attr.deadline_ns);
	EXPECT_EQ(50000, attr.period_ns);
}

/* A step leaves alone what it does not name, whatever came before it. */
TEST(attributes_change)
{
	static const struct scenario_workers rr = {
		"w", .policy = POLICY_RR, .priority = 40, .nice = 3,
	}, deadline = {
		"w", .policy = POLICY_DEADLINE, .runtime_us = 10, .period_us = 50,
	};
	static const struct {
		struct scenario_step step;
		u32 policy;
		s32 nice;
		u32 priority;
	} cases[] = {
		{ NICE("w", 10), POLICY_RR, 10, 40 },
		{ POLICY("w", POLICY_BATCH), POLICY_BATCH, 10, 0 },
		{ NICE("w", -10), POLICY_BATCH, -10, 0 },
		{ POLICY("w", POLICY_FIFO), POLICY_FIFO, -10, 1 },
		{ NICE("w", 1), POLICY_FIFO, 1, 1 },
		{ POLICY("w", POLICY_IDLE), POLICY_IDLE, 1, 0 },
		{ POLICY("w", POLICY_RR), POLICY_RR, 1, 1 },
		{ POLICY("w", POLICY_NORMAL), POLICY_NORMAL, 1, 0 },
	};
	struct wire_attr attr = scenario_attr(&rr);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		scenario_change_attr(&attr, &cases[i].step);
		EXPECT_EQ(cases[i].policy, attr.policy) {
			TH_LOG("case %zu", i);
		}
		EXPECT_EQ(cases[i].nice, attr.nice);
		EXPECT_EQ(cases[i].priority, attr.priority);
	}
	attr = scenario_attr(&deadline);
	scenario_change_attr(&attr, &cases[0].step);
	EXPECT_EQ(10000, attr.runtime_ns);
	scenario_change_attr(&attr, &cases[1].step);
	EXPECT_EQ(0, attr.runtime_ns);
	EXPECT_EQ(0, attr.deadline_ns);
	EXPECT_EQ(0, attr.period_ns);
}

/* Each case breaks the sound scenario in one place. */
FIXTURE(mistake)
{
	struct scenario sc;
};

FIXTURE_VARIANT(mistake)
{
	const struct scenario *sc;
	void (*break_it)(struct scenario *sc);
	const char *text;
};

FIXTURE_SETUP(mistake)
{
	self->sc = *variant->sc;
}

FIXTURE_TEARDOWN(mistake)
{
}

static void be_deadline(struct scenario_workers *w, unsigned int runtime_us,
			unsigned int period_us)
{
	w->policy = POLICY_DEADLINE;
	w->priority = 0;
	w->runtime_us = runtime_us;
	w->period_us = period_us;
}

#define MISTAKE_IN(which, name, statement, expected)			\
static void break_##name(struct scenario *sc) { statement; }		\
FIXTURE_VARIANT_ADD(mistake, name) {					\
	.sc = which,							\
	.break_it = break_##name,					\
	.text = expected,						\
}

#define MISTAKE(name, statement, expected) MISTAKE_IN(&good, name, statement, expected)
#define STEP(step)	((struct scenario_step)step)
#define PROGRAM_MISTAKE(name, statement, expected) \
	MISTAKE_IN(&programs, name, statement, expected)

MISTAKE(orphan, sc->cgroups[0].name = "other", "cgroup \"left/outer\": name: there is no \"left\"");
MISTAKE(twice, sc->cgroups[3].name = "left", "cgroup \"left\": name: there are two");
MISTAKE(bad_name, sc->cgroups[3].name = "/x", "name: \"/x\" is none");
MISTAKE(bad_weight, sc->cgroups[2].weight = 10001, "\"left/inner\": weight: 10001 is not");
MISTAKE(bad_quota, sc->cgroups[3].quota = 4000000000U,
	"cgroup \"right\": quota: 4000000000 is not from");
MISTAKE(no_cpu_in_common, sc->cgroups[2].cpus = RANGE(5, 6),
	"cgroup \"left/inner\": cpus: \"left/inner\" gets no CPU that its parent has");
MISTAKE(no_such_cgroup, sc->workers[0].cgroup = "nowhere", "cgroup: there is no \"nowhere\"");
MISTAKE(no_workers, sc->workers[2].count = 0, "workers \"hog\": count: there are no workers");
MISTAKE(not_a_leaf, sc->workers[0].cgroup = "left", "\"left\" has cgroups in it, and may thus");
MISTAKE(no_work, sc->workers[0].phases[0].work = WIRE_NR_WORK, "phases[0].work: there is no");
MISTAKE(no_custom, sc->workers[0].phases[0].work = WIRE_WORK_CUSTOM;
	sc->workers[0].phases[0].arg = "nonsense",
	"workers \"spinners\": phases[0].arg: there is no custom work \"nonsense\"");
MISTAKE(custom_without_name, sc->workers[0].phases[0].work = WIRE_WORK_CUSTOM,
	"phases[0].arg: there is no custom work \"\"");
MISTAKE(moves_nowhere, sc->workers[0].phases[0].work = WIRE_WORK_CGROUP,
	"workers \"spinners\": phases[0].arg: there are no cgroups to move between");
MISTAKE(moves_elsewhere, sc->workers[0].phases[0].work = WIRE_WORK_CGROUP;
	sc->workers[0].phases[0].arg = " /sys/fs/cgroup/left/inner  /sys/fs/cgroup/none",
	"phases[0].arg: there is no cgroup \"/sys/fs/cgroup/none\"");
MISTAKE(moves_too_far, sc->workers[0].phases[0].work = WIRE_WORK_CGROUP;
	sc->workers[0].phases[0].arg = "left/inner", "there is no cgroup \"left/inner\"");
MISTAKE(moves_to_no_leaf, sc->workers[0].phases[0].work = WIRE_WORK_CGROUP;
	sc->workers[0].phases[0].arg = "/sys/fs/cgroup/left",
	"phases[0].arg: \"/sys/fs/cgroup/left\" has cgroups in it");
MISTAKE(moves_too_soon, sc->workers[0].phases[0].work = WIRE_WORK_CGROUP;
	sc->workers[0].phases[0].arg = "/sys/fs/cgroup /sys/fs/cgroup/right",
	"phases[0].arg: \"/sys/fs/cgroup/right\" is not there");
MISTAKE(step_removes_where_they_move, sc->workers[4] = sc->workers[3];
	sc->workers[4].name = "movers"; sc->workers[4].cgroup = "left/inner";
	sc->workers[4].phases[0].work = WIRE_WORK_CGROUP;
	sc->workers[4].phases[0].arg = "/sys/fs/cgroup/right /sys/fs/cgroup/left/inner";
	sc->steps[2] = STEP(SPAWN("movers")); sc->steps[5] = sc->steps[4],
	"step 16, remove: cgroup: workers \"movers\" move to \"right\"");
MISTAKE(too_many_workers, sc->workers[2].count = 4096,
	"count: of all workers at a time there are 4105, and may be 4096");
MISTAKE(far_too_many_workers, sc->workers[2].count = 4294967295U, "count: of all workers");
MISTAKE(too_many_per_cpu, sc->workers[2].percent_of_cpus = 4000000000U,
	"percent_of_cpus: 4000000000 is not from 0 to 409600");
MISTAKE(limit_starved, sc->limits.starved = 101, "limits.starved: 101 is not from 0 to 100");
MISTAKE(limit_idle, sc->limits.idle = 500, "limits.idle: 500 is not from 0 to 100");
MISTAKE(limit_remote, sc->limits.remote_pages = 700, "limits.remote_pages: 700 is not from");
MISTAKE(limit_slow, sc->limits.slow_pages = 101, "limits.slow_pages: 101 is not from");
MISTAKE(limit_floor, sc->limits.floor = 4294967294U, "limits.floor: 4294967294 is not from");
MISTAKE(odd_pair, sc->workers[1].phases[0].work = WIRE_WORK_PIPE, "3 workers cannot pipe");
MISTAKE(no_phase_time, sc->workers[3].phases[1].work = WIRE_WORK_YIELD;
	sc->workers[3].phases[0].run_ns = 1, "\"late\": phases[0].phase_ns: is 0");
MISTAKE(fifo_without_priority, sc->workers[2].priority = 0, "priority: 0 is not from 1 to 98");
MISTAKE(normal_with_priority, sc->workers[0].priority = 1, "priority: 1 is not from 0 to 0");
MISTAKE(deadline_without_period, sc->workers[0].policy = POLICY_DEADLINE;
	sc->workers[0].runtime_us = 1, "\"spinners\": period_us: 0 is not from 1");
MISTAKE(deadline_too_much, sc->workers[0].policy = POLICY_DEADLINE;
	sc->workers[0].period_us = 109; sc->workers[0].runtime_us = 110,
	"runtime_us: 110 is not from 2 to 109");
MISTAKE(deadline_too_short, be_deadline(&sc->workers[2], 1, 100000),
	"workers \"hog\": runtime_us: 1 is not from 2 to 100000");
MISTAKE(deadline_too_often, be_deadline(&sc->workers[2], 10, 99),
	"workers \"hog\": period_us: 99 is not from 100 to 4194304");
MISTAKE(deadline_too_seldom, be_deadline(&sc->workers[2], 10, 4194305),
	"workers \"hog\": period_us: 4194305 is not from 100 to 4194304");
MISTAKE(deadline_on_one, be_deadline(&sc->workers[2], 10, 1000);
	sc->workers[2].affinity = AFFINITY_ONE,
	"workers \"hog\": affinity: worker 0 of \"hog\" has not all CPUs that are online, as");
MISTAKE(deadline_in_cpuset, be_deadline(&sc->workers[0], 10, 1000),
	"cgroup: worker 0 of \"spinners\" has not all CPUs that are online, as SCHED_DEADLINE");
MISTAKE(deadline_moved_to_one, be_deadline(&sc->workers[2], 10, 1000);
	sc->steps[7] = STEP(SET_AFFINITY("hog", LLC(0))),
	"step 8, affinity: cpus: these are not all that are online, as SCHED_DEADLINE needs them");
MISTAKE(deadline_on_all_cpus, be_deadline(&sc->workers[2], 910, 1000);
	sc->workers[2].percent_of_cpus = 100,
	"runtime_us: SCHED_DEADLINE would take 728 % of a CPU, the kernel admits 720 %");
MISTAKE(normal_with_period, sc->workers[0].period_us = 1, "period_us: 1 is not from 0 to 0");
MISTAKE(bad_memory, sc->workers[0].memory = 4, "\"spinners\": memory: there is no 4");
MISTAKE(bad_mems, sc->workers[0].mems = RANGE(2, 1), "mems: RANGE(2, 1) is empty");
MISTAKE(bad_policy, sc->workers[0].policy = 4, "policy: there is no 4");
MISTAKE(comm_empty, sc->workers[0].comm = "", "workers \"spinners\": comm: \"\" is none");
MISTAKE(comm_long, sc->workers[0].comm = "0123456789abcdef", "comm: \"0123456789abcdef\" is none");
MISTAKE(comm_blank, sc->workers[0].comm = "a b", "comm: \"a b\" is none: 1 to 15 printable");
MISTAKE(comm_control, sc->workers[0].comm = "a\033", "comm: ");
MISTAKE(comm_not_ascii, sc->workers[0].comm = "\303\244", "comm: ");
MISTAKE(bad_nice, sc->workers[3].nice = 20, "workers \"late\": nice: 20 is not from -20 to 19");
MISTAKE(nobody, sc->workers[0].name = NULL, "workers: there are none");
MISTAKE(step_cgroup, sc->steps[0].cgroup = NULL, "step 1, add: cgroup: there is no \"\"");
MISTAKE(step_other, sc->steps[3].other = "up", "step 4, swap cpus: other: there is no");
MISTAKE(step_workers, sc->steps[1].workers = "who", "step 2, spawn: workers: there is no \"who\"");
MISTAKE(step_hold, sc->steps[2].percent = 0, "step 3, hold: percent: there is no time");
MISTAKE(step_hold_long, sc->steps[2].percent = 101, "step 3, hold: percent: 101 is not from");
MISTAKE(step_many, sc->steps[6].value = 7, "step 7, move: value: 7 is not from 0 to 6");
MISTAKE(step_weight, sc->steps[7].value = 0, "step 8, weight: value: 0 is not from 1");
MISTAKE(step_nice, sc->steps[8].value = -21, "step 9, nice: value: -21 is not from");
MISTAKE(step_boot_cpu, sc->steps[11].cpus = LLC(0), "step 12, offline: cpus: CPU 0 cannot");
MISTAKE(step_repeat_far, sc->steps[5].value = 6, "step 6, repeat: value: 6 is not from 1 to 5");
MISTAKE(step_repeat_busy, sc->steps[4].op = STEP_LOAD, "no hold among the last 2 steps");
MISTAKE(step_nothing_else, sc->steps[8].op = STEP_REPLACE, "step 9, replace: scheduler: there is");
MISTAKE(step_replaced, sc->steps[8].op = STEP_REPLACE; sc->steps[8].scheduler = "scx_ktstr",
	"step 9, replace: no later step loads the scheduler under test again");
MISTAKE(step_unknown, sc->steps[4].op = NR_STEP_OPS, "step 5, unknown step: op: there is no");

MISTAKE(step_policy, sc->steps[9].value = 4, "step 10, policy: value: there is no policy 4");
MISTAKE(step_deadline, sc->steps[9].value = POLICY_DEADLINE, "step 10, policy: value: there is no");
MISTAKE(step_stray_name, sc->steps[2].workers = "who",
	"step 3, hold: workers: there is no \"who\"");

/* The order of steps: what is not there yet, or not any more */
MISTAKE(workers_too_soon, sc->workers[3].later = false,
	"workers \"late\": cgroup: \"right\", where \"late\" are, is not there");
MISTAKE(parent_too_late, sc->cgroups[0].later = true,
	"cgroup \"left/outer\": later: \"left/outer\" is in \"left\", which is not there");
MISTAKE(never_added, sc->cgroups[4].name = "spare"; sc->cgroups[4].later = true,
	"cgroup \"spare\": later: no step adds it");
MISTAKE(never_spawned, sc->steps[1] = sc->steps[2]; sc->steps[14] = sc->steps[2],
	"workers \"late\": later: no step spawns them");
MISTAKE(never_thawed, sc->steps[15] = STEP(FREEZE("left")),
	"workers \"spinners\": cgroup: no step thaws it in the end");
MISTAKE(step_cgroup_too_soon, sc->steps[0] = STEP(WEIGHT("right", 5)),
	"step 1, weight: cgroup: \"right\" is not there");
MISTAKE(step_other_too_soon, sc->steps[0] = sc->steps[3],
	"step 1, swap cpus: other: \"right\" is not there");
MISTAKE(step_adds_twice, sc->steps[2] = sc->steps[0],
	"step 3, add: cgroup: \"right\" is there already");
MISTAKE(step_adds_child_first, sc->cgroups[4].name = "right/x"; sc->cgroups[4].later = true;
	sc->workers[3].cgroup = NULL; sc->steps[0].cgroup = "right/x"; sc->steps[6] = sc->steps[4],
	"step 1, add: cgroup: \"right/x\" is in \"right\", which is not there");
MISTAKE(step_spawns_too_soon, sc->steps[0] = sc->steps[1],
	"step 1, spawn: cgroup: \"right\", where \"late\" are, is not there");
MISTAKE(step_spawns_twice, sc->steps[2] = sc->steps[1],
	"step 3, spawn: workers: \"late\" run already");
MISTAKE(step_spawns_who_runs, sc->steps[2] = STEP(SPAWN("few")),
	"step 3, spawn: workers: \"few\" run already");
MISTAKE(step_spawns_in_ice, sc->steps[2] = sc->steps[1]; sc->steps[1] = STEP(FREEZE("right")),
	"step 3, spawn: cgroup: \"right\", where \"late\" are, is frozen");
MISTAKE(step_spawns_without_cpu, sc->workers[3].affinity = AFFINITY_ONE;
	sc->steps[2] = sc->steps[1]; sc->steps[1] = STEP(SET_CPUS("right", LLC(0))),
	"step 3, spawn: affinity: worker 0 of \"late\" has no CPU in its cgroup");
MISTAKE(step_stops_twice, sc->steps[13] = sc->steps[14],
	"step 15, stop: workers: \"late\" do not run");
MISTAKE(step_stops_in_ice, sc->steps[13] = STEP(FREEZE("right")),
	"step 15, stop: workers: \"late\" are frozen");
MISTAKE(step_changes_nobody, sc->steps[1] = STEP(NICE("late", 1)),
	"step 2, nice: workers: \"late\" do not run");
MISTAKE(step_moves_nobody, sc->steps[1] = STEP(MOVE("late", 0, "left/inner")),
	"step 2, move: workers: \"late\" do not run");
MISTAKE(step_removes_twice, sc->steps[13] = sc->steps[14]; sc->steps[14] = sc->steps[15],
	"step 16, remove: cgroup: \"right\" is not there");
MISTAKE(step_removes_theirs, sc->steps[14] = sc->steps[2],
	"step 16, remove: cgroup: workers \"late\" are still in \"right\"");
MISTAKE(step_removes_movers, sc->steps[12] = sc->steps[2],
	"step 16, remove: cgroup: workers \"spinners\" are still in \"right\"");
MISTAKE(step_removes_last_mover, sc->steps[12].value = 1,
	"step 16, remove: cgroup: workers \"spinners\" are still in \"right\"");
MISTAKE(step_removes_parent, sc->steps[15].cgroup = "left",
	"step 16, remove: cgroup: \"left/outer\" is still in \"left\"");
MISTAKE(step_moves_to_no_leaf, sc->steps[6].cgroup = "left",
	"step 7, move: cgroup: \"left\" has cgroups in it, and may thus");
MISTAKE(step_cpus_of_no_parent, sc->steps[7] = STEP(SET_CPUS("left/inner", RANGE(3, 3))),
	"step 8, set cpus: cpus: \"left/inner\" gets no CPU that its parent has");
MISTAKE(step_swaps_too_far, sc->steps[3].cgroup = "left/inner",
	"step 4, swap cpus: cgroup: \"left/inner\" gets no CPU that its parent has");
MISTAKE(step_affinity_elsewhere, sc->steps[10].cpus = RANGE(0, 0),
	"step 11, affinity: cpus: none of them is online and in \"left/inner\", where \"few\" are");
/* One and two swaps: each has one of these wrong. */
MISTAKE(step_affinity_after_one, sc->steps[10].cpus = RANGE(1, 2), "step 11, affinity: cpus: none");
MISTAKE(step_affinity_after_two, sc->steps[10].cpus = RANGE(4, 5), "step 11, affinity: cpus: none");
MISTAKE(step_affinity_of_moved, sc->steps[6] = STEP(MOVE("few", 1, "right"));
	sc->steps[10].cpus = RANGE(1, 2), "in \"right\", where \"few\" are");
MISTAKE(step_affinity_offline, sc->steps[12] = STEP(SET_AFFINITY("hog", RANGE(7, 7))),
	"step 13, affinity: cpus: none of them is online and in \"/\", where \"hog\" are");
MISTAKE(step_repeats_too_much, sc->steps[5].value = 4,
	"step 2, spawn: workers: \"late\" run already");

PROGRAM_MISTAKE(step_runs_nowhere, sc->cgroups[1].later = true,
		"step 2, run: program: \"messages\" is in \"up/down\", which is not there");
PROGRAM_MISTAKE(step_removes_its_cgroup, sc->steps[2] = STEP(REMOVE("up/down")),
		"step 3, remove: cgroup: program \"messages\" is still in \"up/down\"");
PROGRAM_MISTAKE(step_waits_for_ice, sc->steps[2] = STEP(FREEZE("up"));
		sc->steps[4] = sc->steps[3]; sc->steps[3] = STEP(WAIT("messages")),
		"step 4, wait: program: \"messages\" is frozen");
PROGRAM_MISTAKE(program_twice, sc->programs[2].name = "noise",
		"program \"noise\": name: there are two");
PROGRAM_MISTAKE(program_name, sc->programs[2].name = "More Noise", "name: \"More Noise\" is none");
PROGRAM_MISTAKE(program_command, sc->programs[0].command = "",
		"program \"messages\": command: there is none");
PROGRAM_MISTAKE(program_package, sc->programs[0].package = NULL,
		"package: who has no hackbench has to know");
PROGRAM_MISTAKE(program_cgroup, sc->programs[0].cgroup = "nowhere",
		"program \"messages\": cgroup: there is no \"nowhere\"");
PROGRAM_MISTAKE(program_leaf, sc->programs[0].cgroup = "up", "\"up\" has cgroups in it");
PROGRAM_MISTAKE(program_killed, sc->steps[2].op = STEP_KILL,
		"numbers: a step kills it before it can print them");
PROGRAM_MISTAKE(number_name, sc->programs[0].numbers[1].name = "x ",
		"program \"messages\": numbers[1]: name: \"x \" is none");
PROGRAM_MISTAKE(number_unit, sc->programs[0].numbers[1].unit = NULL,
		"numbers[1]: unit: there is none");
PROGRAM_MISTAKE(number_unlimited, sc->programs[0].numbers[0].max = 0,
		"numbers[0]: min, max: one of them is needed");
PROGRAM_MISTAKE(number_negative, sc->programs[0].numbers[1].min = -1,
		"numbers[1]: min, max: one of them is needed");
PROGRAM_MISTAKE(number_impossible, sc->programs[0].numbers[1].min = 3,
		"numbers[1]: max: 2.5 is less than min");
PROGRAM_MISTAKE(step_program, sc->steps[0].program = "none",
		"step 1, run: program: there is no \"none\"");
PROGRAM_MISTAKE(step_wait_for_whom, sc->steps[2].program = NULL,
		"step 3, wait: program: there is no \"\"");
PROGRAM_MISTAKE(step_runs_twice, sc->steps[2].program = "noise",
		"step 2, run: program: \"messages\" runs already");
PROGRAM_MISTAKE(step_does_not_run, sc->steps[6].program = "messages"; sc->steps[6].op = STEP_WAIT,
		"step 7, wait: program: \"messages\" does not run");
PROGRAM_MISTAKE(step_never_ends, sc->steps[7].op = STEP_END,
		"program \"noise\": no step waits for its end");
PROGRAM_MISTAKE(step_never_begins, sc->steps[5].op = STEP_END; sc->steps[0] = sc->steps[3];
		sc->programs[1] = sc->programs[2]; sc->programs[2].name = NULL,
		"program \"more_noise\": no step runs it");

TEST_F(mistake, is_named)
{
	struct topology topo = topology("1n2l4c1t");
	struct errmsg err = {};

	variant->break_it(&self->sc);
	EXPECT_EQ(-EINVAL, scenario_check(&self->sc, &topo, &err));
	EXPECT_EQ(ERRMSG_INPUT, err.kind);
	EXPECT_NE(NULL, strstr(err.text, variant->text)) {
		TH_LOG("it says: %s", err.text);
	}
	EXPECT_EQ(0, strncmp(err.text, "scenario suite.good: ", 21));
}

TEST(limits_in_layers)
{
	struct limits limits = { .gap_ms = 500, .spread = 50 };
	const struct limits suite = { .gap_ms = 700, .idle = 10 };
	const struct limits test = { .spread = UNLIMITED };

	limits_layer(&limits, &suite);
	limits_layer(&limits, &test);
	EXPECT_EQ(700, limits.gap_ms);
	EXPECT_EQ(10, limits.idle);
	EXPECT_EQ(UNLIMITED, limits.spread);
	EXPECT_EQ(0, limits.starved);
}

TEST_HARNESS_MAIN
