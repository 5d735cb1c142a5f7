// SPDX-License-Identifier: GPL-2.0
#include "catalogue/suites.h"

static const struct scenario scenarios[] = {
	{
		.suite = "fairness",
		.name = "equals",
		.bug = "Some of many equal tasks get next to nothing, as others are served first.",
		.min_cpus = 2,
		.quick = true,
		.cgroups = { { "one", .cpus = RANGE(1, 1) } },
		.workers = { { "equal", .cgroup = "one", .count = 8 } },
		.limits = { .floor = UNLIMITED },
	},
	{
		.suite = "fairness",
		.name = "nice",
		.bug = "Nice values make no difference.",
		.quick = true,
		.workers = {
			{ "eager", .percent_of_cpus = 100 },
			{ "modest", .percent_of_cpus = 100, .nice = 12 },
		},
		.limits = { BY_WEIGHT },
	},
	{
		.suite = "fairness",
		.name = "nice_below_zero",
		.bug = "Who is to come first on a CPU gets as little of it as the many others.",
		.min_cpus = 2,
		.quick = true,
		.cgroups = { { "one", .cpus = RANGE(1, 1) } },
		.workers = {
			{ "first", .cgroup = "one", .count = 1, .nice = -16 },
			{ "many", .cgroup = "one", .count = 4 },
		},
		.limits = { BY_WEIGHT },
	},
	{
		.suite = "fairness",
		.name = "weights",
		.bug = "cpu.weight makes no difference.",
		.cgroups = { { "heavy", .weight = 1500 }, { "light", .weight = 100 } },
		.workers = {
			{ "heavy", .cgroup = "heavy", .percent_of_cpus = 200 },
			{ "light", .cgroup = "light", .percent_of_cpus = 200 },
		},
		.limits = { BY_WEIGHT },
	},
	{
		.suite = "fairness",
		.name = "many_in_one",
		.bug = "Each task counts, and not its cgroup: who forks most gets most.",
		.cgroups = { { "crowd", .weight = 10 }, { .name = "few" } },
		.workers = {
			{ "crowd", .cgroup = "crowd", .percent_of_cpus = 400 },
			{ "few", .cgroup = "few", .percent_of_cpus = 200 },
		},
		.limits = { BY_WEIGHT },
	},
	{
		.suite = "fairness",
		.name = "quota",
		.bug = "cpu.max is not kept, or keeps tasks from what it would allow.",
		/* Little, so that without it there would be much more also on a crowded host */
		.cgroups = { { "capped", .quota = 20 }, { .name = "free" } },
		.workers = {
			{ "capped", .cgroup = "capped", .count = 2 },
			{ "free", .cgroup = "free", .percent_of_cpus = 25 },
		},
	},
	{
		.suite = "fairness",
		.name = "idle_policy",
		.bug = "Tasks of SCHED_IDLE take the time of others.",
		.workers = {
			{ "normal", .percent_of_cpus = 100 },
			{
				"idle", .percent_of_cpus = 400, .policy = POLICY_IDLE,
				.background = true,
			},
		},
	},
	{
		.suite = "fairness",
		.name = "batch_policy",
		.bug = "Tasks of SCHED_BATCH are put off for good by those that sleep.",
		.workers = {
			{ "batch", .percent_of_cpus = 100, .policy = POLICY_BATCH },
			{ "bursty", .percent_of_cpus = 100, DOZES },
		},
	},
	{
		.suite = "fairness",
		.name = "nice_sweep",
		.bug = "Who changes its nice value gets far into the future by virtual time.",
		.workers = {
			{ "sweep", .percent_of_cpus = 100, DOES(NICE) },
			{ "steady", .percent_of_cpus = 100 },
		},
	},
	{
		.suite = "fairness",
		.name = "policy_churn",
		.bug = "A task that comes back from another class is not let in again.",
		.workers = {
			{ "churn", .percent_of_cpus = 100, DOES(POLICY) },
			{ "steady", .percent_of_cpus = 100 },
		},
		/* While it is SCHED_IDLE, it is due 3 of 1024 of a CPU on which another works. */
		.limits = { .starved = 1 },
	},
	{
		.suite = "fairness",
		.name = "sleepers",
		.bug = "Who sleeps half of the time saves it up, and then shuts all others out.",
		.workers = {
			{
				"sleepers", .percent_of_cpus = 200,
				DOES(BURSTY, .run_ns = 2 * NSEC_PER_MSEC,
				     .sleep_ns = 2 * NSEC_PER_MSEC),
			},
			{ "spin", .percent_of_cpus = 100 },
		},
	},
};

const struct suite suite_fairness = {
	.name = "fairness",
	.text = "Who gets how much: equals the same, others by nice, weight and quota.",
	.scenarios = scenarios,
	.nr = ARRAY_SIZE(scenarios),
};
