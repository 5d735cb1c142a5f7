// SPDX-License-Identifier: GPL-2.0
#include "catalogue/suites.h"

static const struct scenario scenarios[] = {
	{
		.suite = "basic",
		.name = "steady",
		.bug = "CPUs stay idle although there is a task for each of them.",
		.quick = true,
		.cgroups = { { .name = "left" }, { .name = "right" } },
		.workers = {
			{ "west", .cgroup = "left", .percent_of_cpus = 50 },
			{ "east", .cgroup = "right", .percent_of_cpus = 50 },
		},
	},
	{
		.suite = "basic",
		.name = "oversubscribed",
		.bug = "With four tasks for each CPU, some wait for long, or CPUs for tasks.",
		.quick = true,
		.cgroups = { { .name = "left" }, { .name = "right" } },
		.workers = {
			{ "west", .cgroup = "left", .percent_of_cpus = 200 },
			{ "east", .cgroup = "right", .percent_of_cpus = 200 },
		},
	},
	{
		.suite = "basic",
		.name = "alone",
		.bug = "A task that is alone on the machine is stopped, or moved for no reason.",
		.workers = { { "alone", .count = 1 } },
		.limits = { .migrations = 100, .floor = UNLIMITED },
	},
	{
		.suite = "basic",
		.name = "yielding",
		.bug = "A task that yields is forgotten, or goes on as if it had not.",
		.workers = { { "polite", .percent_of_cpus = 200, DOES(YIELD) } },
		/* A guest that shares a CPU idles for a moment at many of the yields. */
		.limits = { .idle = UNLIMITED },
	},
	{
		.suite = "basic",
		.name = "mixed",
		.bug = "A task loses its place when it sleeps, yields and computes in turn.",
		.workers = { { "mixed", .percent_of_cpus = 200, DOES(MIXED) } },
	},
	{
		.suite = "basic",
		.name = "phases",
		.bug = "What was learnt of a task that computed is held against it once it sleeps.",
		.workers = {
			{
				"fickle", .percent_of_cpus = 150,
				.phases = {
					{
						.work = WIRE_WORK_SPIN,
						.phase_ns = 200 * NSEC_PER_MSEC,
					},
					{
						.work = WIRE_WORK_BURSTY,
						.phase_ns = 200 * NSEC_PER_MSEC,
					},
					{
						.work = WIRE_WORK_YIELD,
						.phase_ns = 100 * NSEC_PER_MSEC,
					},
				},
			},
		},
	},
	{
		.suite = "basic",
		.name = "compile",
		.bug = "Jobs of a build, which compute for short and for long, get stuck.",
		.workers = { { "job", .percent_of_cpus = 150, DOES(CUSTOM, .arg = "compile") } },
	},
};

const struct suite suite_basic = {
	.name = "basic",
	.text = "Does everybody run, about equally, and are all CPUs used?",
	.scenarios = scenarios,
	.nr = ARRAY_SIZE(scenarios),
};
