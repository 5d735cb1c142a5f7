// SPDX-License-Identifier: GPL-2.0
#include "catalogue/suites.h"

static const struct scenario scenarios[] = {
	{
		.suite = "hotplug",
		.name = "offline_under_load",
		.bug = "Tasks are stranded in the queue of a CPU that went away.",
		.min_cpus = 2,
		.quick = true,
		.workers = { { "spin", .percent_of_cpus = 200 } },
		.steps = { OFFLINE(DISJOINT(1, 2)), HOLD(40), ONLINE(DISJOINT(1, 2)), HOLD(60) },
	},
	{
		.suite = "hotplug",
		.name = "asleep",
		.bug = "A task wakes up on the CPU that it fell asleep on, which is gone.",
		.min_cpus = 2,
		.workers = {
			{ "spin", .percent_of_cpus = 200 },
			{ "doze", .percent_of_cpus = 100, DOZES },
		},
		.steps = {
			HOLD(20), OFFLINE(DISJOINT(1, 2)),
			HOLD(20), ONLINE(DISJOINT(1, 2)),
			HOLD(60),
		},
	},
	{
		.suite = "hotplug",
		.name = "to_and_fro",
		.bug = "A CPU that comes back is not used, or is still taken for what it was.",
		.min_cpus = 2,
		.workers = {
			{ "mixed", .percent_of_cpus = 50, DOES(MIXED) },
			{ "spin", .percent_of_cpus = 100 },
		},
		.steps = {
			HOLD_MS(100), OFFLINE(RANGE(1, 1)),
			HOLD_MS(100), ONLINE(RANGE(1, 1)), REPEAT(4, 60), HOLD(40),
		},
	},
	{
		.suite = "hotplug",
		.name = "cpuset_gone",
		.bug = "All CPUs of a cpuset go away, and its tasks are not let out of it.",
		.min_cpus = 2,
		.cgroups = { { "east", .cpus = DISJOINT(1, 2) } },
		.workers = {
			{ "stranded", .cgroup = "east", .percent_of_cpus = 100 },
			{ "safe", .percent_of_cpus = 50 },
		},
		.steps = {
			HOLD(20), OFFLINE(DISJOINT(1, 2)),
			HOLD(30), ONLINE(DISJOINT(1, 2)), HOLD(50),
		},
	},
	{
		.suite = "hotplug",
		.name = "llc_gone",
		.bug = "A whole LLC goes away, and its queue is still given tasks.",
		.min_llcs = 2,
		.workers = { { "spin", .percent_of_cpus = 150 } },
		.steps = { HOLD(20), OFFLINE(LLC(1)), HOLD(40), ONLINE(LLC(1)), HOLD(40) },
	},
};

const struct suite suite_hotplug = {
	.name = "hotplug",
	.text = "CPUs go offline and come back while tasks run.",
	.scenarios = scenarios,
	.nr = ARRAY_SIZE(scenarios),
};
