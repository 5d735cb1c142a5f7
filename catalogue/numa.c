// SPDX-License-Identifier: GPL-2.0
#include "catalogue/suites.h"

static const struct scenario scenarios[] = {
	{
		.suite = "numa",
		.name = "llcs_in_node",
		.bug = "A node is taken to have one LLC: queues of further ones are not served.",
		.min_llcs_per_node = 2,
		.quick = true,
		.workers = { { "spin", .percent_of_cpus = 300 } },
	},
	{
		.suite = "numa",
		.name = "stay",
		.bug = "With idle CPUs on its own node, a task is sent to another one.",
		.min_nodes = 2,
		.quick = true,
		.workers = { { "timer", .count = 1, DOES(TIMER) } },
		.limits = { .node_migrations = 20 },
	},
	{
		.suite = "numa",
		.name = "working_set",
		.bug = "A task is moved away from the node that has its memory, and stays away.",
		.min_nodes = 2,
		.workers = { { "memory", .percent_of_cpus = 50, DOES(NUMA, .bytes = SZ_4M) } },
	},
	{
		.suite = "numa",
		.name = "node_each",
		.bug = "Tasks that are kept to one node wait in the queue of another.",
		.min_nodes = 2,
		.cgroups = {
			{ "first", .cpus = NUMA(0), .mems = NUMA(0) },
			{ "second", .cpus = NUMA(1), .mems = NUMA(1) },
		},
		.workers = {
			{ "few", .cgroup = "first", .percent_of_cpus = 100 },
			{
				"many", .cgroup = "second", .percent_of_cpus = 200,
				DOES(NUMA, .bytes = SZ_1M),
			},
		},
	},
	{
		.suite = "numa",
		.name = "bound_memory",
		.bug = "Memory that is bound to a node is not there, as its task was elsewhere.",
		.min_nodes = 2,
		.workers = {
			{
				"far", .percent_of_cpus = 50,
				.memory = MEMORY_BIND, .mems = NUMA(1),
				DOES(NUMA, .bytes = SZ_1M),
			},
			{ "spin", .percent_of_cpus = 100 },
		},
	},
	{
		.suite = "numa",
		.name = "spread_memory",
		.bug = "Tasks whose memory is on all nodes are sent after it, to and fro.",
		.min_nodes = 2,
		.workers = {
			{
				"wide", .percent_of_cpus = 100, .memory = MEMORY_INTERLEAVE,
				DOES(NUMA, .bytes = SZ_4M),
			},
		},
		.limits = { .node_migrations = 20 },
	},
	{
		.suite = "numa",
		.name = "one_node_full",
		.bug = "A node has more tasks than CPUs, another is idle, and nobody is moved.",
		.min_nodes = 2,
		.cgroups = { { "band", .cpus = NUMA(0) } },
		.workers = { { "band", .cgroup = "band", .percent_of_cpus = 200 } },
		.steps = { HOLD(20), CLEAR_CPUS("band"), HOLD(80) },
	},
};

const struct suite suite_numa = {
	.name = "numa",
	.text = "Nodes and LLCs: tasks stay near their memory, and all CPUs are served.",
	.scenarios = scenarios,
	.nr = ARRAY_SIZE(scenarios),
};
