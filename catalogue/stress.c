// SPDX-License-Identifier: GPL-2.0
#include "catalogue/suites.h"

static const struct scenario scenarios[] = {
	{
		.suite = "stress",
		.name = "llcs_oversubscribed",
		.bug = "With more tasks than CPUs, the queue of one of several LLCs is not served.",
		.min_llcs = 2,
		.quick = true,
		.workers = { { "spin", .percent_of_cpus = 300 } },
	},
	{
		.suite = "stress",
		.name = "forks",
		.bug = "What was kept of tasks stays when they exit, until there is no more room.",
		.quick = true,
		.workers = { { "forks", .percent_of_cpus = 100, DOES(FORK) } },
	},
	{
		.suite = "stress",
		.name = "execs",
		.bug = "Tasks that are moved at exec, or live for a moment only, are lost.",
		.workers = {
			{ "execs", .percent_of_cpus = 50, DOES(EXEC) },
			{ "spin", .percent_of_cpus = 50 },
		},
	},
	{
		.suite = "stress",
		.name = "crowd",
		.bug = "With very many tasks, a queue overflows or a search takes too long.",
		.workers = { { "crowd", .percent_of_cpus = 800, DOZES } },
	},
	{
		.suite = "stress",
		.name = "stress_ng",
		.bug = "In a mixture of all that tasks may do, one kind does not get on.",
		.cgroups = { { .name = "mixture" }, { .name = "rest" } },
		.workers = { {
			"spin", .cgroup = "rest", .percent_of_cpus = 100, .background = true,
		} },
		.programs = { {
			"stress_ng",
			"stress-ng --cpu $2 --fork 1 --pipe 1 --timer 1 -t $1 --metrics-brief",
			{ "stress-ng" }, .package = "stress-ng", .cgroup = "mixture",
			.numbers = {
				{ "cpu", .min = 1, .unit = "bogo ops" },
				{ "fork", .min = 1, .unit = "bogo ops" },
				{ "pipe", .min = 1, .unit = "bogo ops" },
				{ "timer", .min = 1, .unit = "bogo ops" },
			},
		} },
		.steps = { RUN("stress_ng"), WAIT("stress_ng") },
	},
	{
		.suite = "stress",
		.name = "page_faults",
		.bug = "Tasks that hold locks of their memory are preempted, and block others.",
		.workers = { { "faults", .percent_of_cpus = 150, DOES(FAULT) } },
	},
	{
		.suite = "stress",
		.name = "caches",
		.bug = "Tasks with something in the cache are moved away from it all the time.",
		.workers = {
			{ "cache", .percent_of_cpus = 100, DOES(CACHE) },
			{ "yield", .percent_of_cpus = 50, DOES(CACHE_YIELD, .bytes = SZ_64K) },
		},
		.limits = { .llc_migrations = 30 },
	},
	{
		.suite = "stress",
		.name = "locks",
		.bug = "Who holds a lock is not run, and all others wait for it.",
		.workers = {
			{ "locks", .percent_of_cpus = 200, DOES(MUTEX, .team = 2) },
			{ "spin", .percent_of_cpus = 100 },
		},
	},
	{
		.suite = "stress",
		.name = "everything",
		.bug = "Kinds of tasks that are served well alone are not served well together.",
		.cgroups = { { .name = "a" }, { "b", .weight = 200 } },
		.workers = {
			{ "spin", .cgroup = "a", .percent_of_cpus = 100 },
			{ "mixed", .cgroup = "b", .percent_of_cpus = 100, DOES(MIXED) },
			{ "pipes", .cgroup = "a", .percent_of_cpus = 50, DOES(PIPE) },
			{ "forks", .cgroup = "b", .percent_of_cpus = 25, DOES(FORK) },
			{ "bound", .percent_of_cpus = 50, .affinity = AFFINITY_ONE, DOZES },
			{ "timer", .percent_of_cpus = 25, DOES(TIMER) },
		},
	},
};

const struct suite suite_stress = {
	.name = "stress",
	.text = "More of everything than there is room for.",
	.scenarios = scenarios,
	.nr = ARRAY_SIZE(scenarios),
};
