// SPDX-License-Identifier: GPL-2.0
#include "catalogue/suites.h"

static const struct scenario scenarios[] = {
	{
		.suite = "nested",
		.name = "deep",
		.bug = "Tasks far down in the tree get less, or nothing, only because of that.",
		.cgroups = {
			{ .name = "a" }, { .name = "a/b" }, { .name = "a/b/c" },
			{ .name = "a/b/c/d" }, { .name = "flat" },
		},
		.workers = {
			{ "deep", .cgroup = "a/b/c/d", .percent_of_cpus = 100 },
			{ "flat", .cgroup = "flat", .percent_of_cpus = 100 },
		},
	},
	{
		.suite = "nested",
		.name = "weights",
		.bug = "Weights are compared with those of other levels, not with the siblings'.",
		.cgroups = {
			{ "parent", .weight = 100 },
			{ "parent/heavy", .weight = 1500 },
			{ "parent/light", .weight = 100 },
			{ "other", .weight = 100 },
		},
		.workers = {
			{ "heavy", .cgroup = "parent/heavy", .percent_of_cpus = 100 },
			{ "light", .cgroup = "parent/light", .percent_of_cpus = 100 },
			{ "other", .cgroup = "other", .percent_of_cpus = 100 },
		},
		.limits = { BY_WEIGHT },
	},
	{
		.suite = "nested",
		.name = "quota_above",
		.bug = "A quota is kept by the cgroup that has it, but not by those in it.",
		.cgroups = {
			{ "capped", .quota = 20 },
			{ .name = "capped/left" }, { .name = "capped/right" },
		},
		.workers = {
			{ "left", .cgroup = "capped/left", .count = 1 },
			{ "right", .cgroup = "capped/right", .count = 1 },
		},
	},
	{
		.suite = "nested",
		.name = "cpusets",
		.bug = "A child's cpuset is forgotten when its parent's is changed.",
		.min_cpus = 4,
		.cgroups = {
			{ "half", .cpus = DISJOINT(0, 2) },
			{ "half/first", .cpus = DISJOINT(0, 4) },
			{ .name = "half/any" },
			{ "rest", .cpus = DISJOINT(1, 2) },
		},
		.workers = {
			{ "first", .cgroup = "half/first", .percent_of_cpus = 200 },
			{ "any", .cgroup = "half/any", .percent_of_cpus = 100 },
			{ "rest", .cgroup = "rest", .percent_of_cpus = 100 },
		},
		.steps = { HOLD(20), CLEAR_CPUS("half"), HOLD(20), SET_CPUS("half", DISJOINT(0, 2)),
			   REPEAT(4, 80) },
	},
	{
		.suite = "nested",
		.name = "moves_up_and_down",
		.bug = "Tasks that move between levels are counted in cgroups that they have left.",
		.cgroups = {
			{ .name = "a" }, { .name = "a/b" }, { .name = "a/b/c" }, { .name = "top" },
		},
		.workers = {
			{ "climbers", .cgroup = "a/b/c", .percent_of_cpus = 150, DOZES },
			{ "spin", .cgroup = "top", .percent_of_cpus = 50 },
		},
		.steps = {
			HOLD(5), MOVE("climbers", 0, "top"),
			HOLD(5), MOVE("climbers", 0, "a/b/c"), REPEAT(4, 90),
		},
	},
};

const struct suite suite_nested = {
	.name = "nested",
	.text = "Cgroups in cgroups: weights, quotas and cpusets at several levels.",
	.scenarios = scenarios,
	.nr = ARRAY_SIZE(scenarios),
};
