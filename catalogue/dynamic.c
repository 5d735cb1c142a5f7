// SPDX-License-Identifier: GPL-2.0
#include "catalogue/suites.h"

static const struct scenario scenarios[] = {
	{
		.suite = "dynamic",
		.name = "cgroup_moves_asleep",
		.bug = "A task that was moved to another cgroup is looked for in the old one.",
		.quick = true,
		.cgroups = { { .name = "here" }, { .name = "there" } },
		.workers = {
			{
				"movers", .cgroup = "here", .count = 2,
				DOES(TIMER, .sleep_ns = 5 * NSEC_PER_MSEC),
			},
		},
		.steps = { HOLD(15), MOVE("movers", 0, "there"), HOLD(85) },
	},
	{
		.suite = "dynamic",
		.name = "cgroup_moves",
		.bug = "A task takes its old cgroup's time along, or loses its place in a queue.",
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
	},
	{
		.suite = "dynamic",
		.name = "cgroup_storm",
		.bug = "Moves between cgroups race with each other and with dispatch.",
		.cgroups = { { .name = "a" }, { .name = "b" } },
		.workers = {
			{
				"nomads", .cgroup = "a", .percent_of_cpus = 100,
				DOES(CGROUP, .arg = WIRE_CGROUPS "/a " WIRE_CGROUPS "/b"),
			},
			{ "settlers", .cgroup = "b", .percent_of_cpus = 100 },
		},
	},
	{
		.suite = "dynamic",
		.name = "late_comers",
		.bug = "Tasks that come later begin behind all others, or before them, for long.",
		.cgroups = { { .name = "old" }, { "new", .later = true } },
		.workers = {
			{ "old", .cgroup = "old", .percent_of_cpus = 100 },
			{ "new", .cgroup = "new", .percent_of_cpus = 100, .later = true },
		},
		.steps = {
			HOLD(30), ADD("new"), SPAWN("new"),
			HOLD(40), STOP("new"), REMOVE("new"), HOLD(30),
		},
	},
	{
		.suite = "dynamic",
		.name = "freeze",
		.bug = "Frozen tasks keep their CPUs, or do not get any when they are thawed.",
		.cgroups = { { .name = "ice" }, { .name = "fire" } },
		.workers = {
			{ "ice", .cgroup = "ice", .percent_of_cpus = 100 },
			{ "fire", .cgroup = "fire", .percent_of_cpus = 100 },
		},
		.steps = {
			HOLD(10), FREEZE("ice"), HOLD(10), THAW("ice"), REPEAT(4, 70), HOLD(30),
		},
	},
	{
		.suite = "dynamic",
		.name = "weights_change",
		.bug = "A weight that changes makes virtual times jump: somebody waits for long.",
		.cgroups = { { .name = "up" }, { .name = "down" } },
		.workers = {
			{ "up", .cgroup = "up", .percent_of_cpus = 100 },
			{ "down", .cgroup = "down", .percent_of_cpus = 100 },
		},
		.steps = {
			HOLD(10), WEIGHT("up", 1000), WEIGHT("down", 50),
			HOLD(10), WEIGHT("up", 50), WEIGHT("down", 1000), REPEAT(6, 90),
		},
	},
	{
		.suite = "dynamic",
		.name = "attributes_change",
		.bug = "A task that is queued while its nice value or policy changes is lost.",
		.workers = {
			{ "fickle", .percent_of_cpus = 100 },
			{ "steady", .percent_of_cpus = 100 },
		},
		.steps = {
			HOLD(5), NICE("fickle", 10), HOLD(5), POLICY("fickle", POLICY_BATCH),
			HOLD(5), NICE("fickle", -10), HOLD(5), POLICY("fickle", POLICY_FIFO),
			HOLD_MS(20), POLICY("fickle", POLICY_NORMAL), REPEAT(10, 90),
		},
	},
	{
		.suite = "dynamic",
		.name = "quota_changes",
		.bug = "Tasks that were throttled stay so when their quota is taken off.",
		.cgroups = { { "tight", .quota = 20 }, { .name = "free" } },
		.workers = {
			{ "tight", .cgroup = "tight", .count = 1 },
			{ "free", .cgroup = "free", .percent_of_cpus = 50 },
		},
		.steps = {
			HOLD(20), QUOTA("tight", 0),
			HOLD(20), QUOTA("tight", 20), REPEAT(4, 80),
		},
	},
};

const struct suite suite_dynamic = {
	.name = "dynamic",
	.text = "Cgroups, tasks and their attributes come, go and change under load.",
	.scenarios = scenarios,
	.nr = ARRAY_SIZE(scenarios),
};
