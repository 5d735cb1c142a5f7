// SPDX-License-Identifier: GPL-2.0
#include "catalogue/suites.h"

static const struct scenario scenarios[] = {
	{
		.suite = "affinity",
		.name = "one_cpu",
		.bug = "Tasks that are bound to one CPU wait where no CPU finds them.",
		.quick = true,
		.workers = {
			{ "bound", .percent_of_cpus = 200, .affinity = AFFINITY_ONE },
		},
	},
	{
		.suite = "affinity",
		.name = "one_cpu_asleep",
		.bug = "A bound task wakes up, and an idle CPU is kicked that it may not use.",
		.workers = {
			{
				"bound", .percent_of_cpus = 100, .affinity = AFFINITY_ONE,
				DOES(TIMER, .sleep_ns = 2 * NSEC_PER_MSEC),
			},
		},
	},
	{
		.suite = "affinity",
		.name = "bound_among_free",
		.bug = "Tasks that may run anywhere keep a CPU from those that have no other.",
		.workers = {
			{ "bound", .percent_of_cpus = 100, .affinity = AFFINITY_ONE },
			{ "free", .percent_of_cpus = 100 },
		},
	},
	{
		.suite = "affinity",
		.name = "subsets",
		.bug = "At the head of a queue there is a task that this CPU may not run.",
		.workers = {
			{ "subset", .percent_of_cpus = 200, .affinity = AFFINITY_RANDOM },
		},
	},
	{
		.suite = "affinity",
		.name = "one_llc",
		.bug = "Balancing between LLCs takes tasks along that may not leave theirs.",
		.min_llcs = 2,
		.workers = {
			{ "bound", .percent_of_cpus = 150, .affinity = AFFINITY_LLC },
		},
	},
	{
		.suite = "affinity",
		.name = "cross_llc",
		.bug = "A task that may use one CPU of each LLC waits for that of its own.",
		.min_llcs = 2,
		.workers = {
			{
				"cross", .percent_of_cpus = 50, .affinity = AFFINITY_CROSS,
				DOZES,
			},
			{ "spin", .percent_of_cpus = 100 },
		},
	},
	{
		.suite = "affinity",
		.name = "churn",
		.bug = "A task that is changing its affinity is dispatched by what it was before.",
		.workers = { { "churn", .percent_of_cpus = 200, DOES(AFFINITY) } },
	},
	{
		.suite = "affinity",
		.name = "herded",
		.bug = "All of many tasks are sent to one CPU and back, and some never leave it.",
		.min_cpus = 2,
		.workers = { { "herd", .percent_of_cpus = 200, DOES(MIXED) } },
		.steps = {
			HOLD(10), SET_AFFINITY("herd", RANGE(1, 1)),
			HOLD(10), SET_AFFINITY("herd", DISJOINT(0, 1)), REPEAT(4, 80),
		},
	},
};

const struct suite suite_affinity = {
	.name = "affinity",
	.text = "Tasks that may use some CPUs only, by their own choice.",
	.scenarios = scenarios,
	.nr = ARRAY_SIZE(scenarios),
};
