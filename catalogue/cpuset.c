// SPDX-License-Identifier: GPL-2.0
#include "catalogue/suites.h"

static const struct scenario scenarios[] = {
	{
		.suite = "cpuset",
		.name = "disjoint",
		.bug = "A task is run on a CPU that its cpuset does not have.",
		.min_cpus = 2,
		.cgroups = {
			{ "left", .cpus = DISJOINT(0, 2) },
			{ "right", .cpus = DISJOINT(1, 2) },
		},
		.workers = {
			{ "west", .cgroup = "left", .percent_of_cpus = 100 },
			{ "east", .cgroup = "right", .percent_of_cpus = 100 },
		},
	},
	{
		.suite = "cpuset",
		.name = "swap",
		.bug = "Tasks that are queued for CPUs which they have just lost go nowhere.",
		.min_cpus = 2,
		.quick = true,
		.cgroups = {
			{ "left", .cpus = DISJOINT(0, 2) },
			{ "right", .cpus = DISJOINT(1, 2) },
		},
		.workers = {
			{ "west", .cgroup = "left", .percent_of_cpus = 200 },
			{ "east", .cgroup = "right", .percent_of_cpus = 200 },
		},
		.steps = { HOLD(10), SWAP("left", "right"), REPEAT(2, 80), HOLD(30) },
	},
	{
		.suite = "cpuset",
		.name = "swap_asleep",
		.bug = "A task wakes up on the CPU where it fell asleep, and which it has lost.",
		.min_cpus = 2,
		.cgroups = {
			{ "left", .cpus = DISJOINT(0, 2) },
			{ "right", .cpus = DISJOINT(1, 2) },
		},
		.workers = {
			{ "west", .cgroup = "left", .percent_of_cpus = 100, DOZES },
			{ "east", .cgroup = "right", .percent_of_cpus = 100, DOES(TIMER) },
		},
		.steps = { HOLD_MS(50), SWAP("left", "right"), REPEAT(2, 90) },
	},
	{
		.suite = "cpuset",
		.name = "overlap",
		.bug = "CPUs that two cpusets share serve one of them only.",
		.min_cpus = 4,
		.cgroups = {
			{ "left", .cpus = OVERLAP(0, 2, 50) },
			{ "right", .cpus = OVERLAP(1, 2, 50) },
		},
		.workers = {
			{ "west", .cgroup = "left", .percent_of_cpus = 150 },
			{ "east", .cgroup = "right", .percent_of_cpus = 150 },
		},
	},
	{
		.suite = "cpuset",
		.name = "shrink",
		.bug = "Dispatch races with a cpuset that shrinks to one CPU and grows again.",
		.min_cpus = 2,
		.cgroups = { { .name = "band" }, { .name = "rest" } },
		.workers = {
			{ "band", .cgroup = "band", .percent_of_cpus = 100 },
			{ "rest", .cgroup = "rest", .percent_of_cpus = 100, DOES(MIXED) },
		},
		.steps = {
			HOLD(5), SET_CPUS("band", RANGE(1, 1)),
			HOLD(5), CLEAR_CPUS("band"), REPEAT(4, 70), HOLD(30),
		},
	},
	{
		.suite = "cpuset",
		.name = "pipes",
		.bug = "A wake-up chooses a CPU that the waker may use, but not the woken task.",
		.min_cpus = 2,
		.cgroups = {
			{ "left", .cpus = DISJOINT(0, 2) },
			{ "right", .cpus = DISJOINT(1, 2) },
		},
		.workers = {
			{ "pipes", .cgroup = "left", .percent_of_cpus = 100, DOES(PIPE) },
			{ "spin", .cgroup = "right", .percent_of_cpus = 100 },
		},
	},
	{
		.suite = "cpuset",
		.name = "llc_each",
		.bug = "Tasks that are kept to one LLC wait in the queue of another.",
		.min_llcs = 2,
		.cgroups = {
			{ "first", .cpus = LLC(0) },
			{ "second", .cpus = LLC(1) },
		},
		.workers = {
			{ "few", .cgroup = "first", .percent_of_cpus = 100 },
			{ "many", .cgroup = "second", .percent_of_cpus = 300 },
		},
	},
};

const struct suite suite_cpuset = {
	.name = "cpuset",
	.text = "Cpusets: kept, and survived when they change under the tasks' feet.",
	.scenarios = scenarios,
	.nr = ARRAY_SIZE(scenarios),
};
