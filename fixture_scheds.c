// SPDX-License-Identifier: GPL-2.0
#include <linux/build_bug.h>
#include <linux/kernel.h>
#include <string.h>

#include "fixture_scheds.h"

const struct fixture_sched fixture_scheds[] = {
	{
		.name = "fifo",
		.policy = FIXTURE_FIFO,
		.text = "one queue for all CPUs, in the order of arrival",
		.lacks = "nice cpu.weight cpu.max llc numa",
	},
	{
		.name = "vtime",
		.policy = FIXTURE_VTIME,
		.text = "one queue for all CPUs, by virtual time weighted by nice",
		.lacks = "cpu.weight cpu.max llc numa",
	},
	{
		.name = "llc",
		.policy = FIXTURE_LLC,
		.text = "a queue per last-level cache, and CPUs steal from longer ones",
		.lacks = "nice cpu.weight cpu.max numa",
	},
	{
		.name = "numa",
		.policy = FIXTURE_NUMA,
		.text = "as llc, and CPUs prefer idle CPUs and tasks of their own node",
		.lacks = "nice cpu.weight cpu.max",
	},
	{
		.name = "starve",
		.policy = FIXTURE_FIFO,
		.fault = KTSTR_FAULT_STARVE,
		.param = 4,
		.param_is = "one task in this many",
		.scenarios = "fairness.equals basic.oversubscribed",
		.check = "starvation",
		.text = "lets one task in N wait for 5 s each time that it gives way to others",
	},
	{
		.name = "ignore_weights",
		.policy = FIXTURE_VTIME,
		.fault = KTSTR_FAULT_WEIGHTS,
		.scenarios = "fairness.nice fairness.nice_below_zero",
		.check = "weight",
		.text = "charges every task as if its nice value were 0",
	},
	{
		.name = "narrow_affinity",
		.policy = FIXTURE_FIFO,
		.fault = KTSTR_FAULT_AFFINITY,
		.param = 1,
		.param_is = "CPUs that such a task may use, at most",
		.field = true,
		.scenarios = "affinity.one_cpu fairness.equals",
		.check = "starvation",
		.text = "forgets, for 5 s at a time, tasks that are bound to few CPUs",
	},
	{
		.name = "one_llc",
		.policy = FIXTURE_LLC,
		.fault = KTSTR_FAULT_ONE_LLC,
		.field = true,
		.min_llcs = 2,
		.scenarios = "stress.llcs_oversubscribed numa.llcs_in_node",
		.check = "workers",
		.text = "serves the queue of the first LLC only: other tasks stall once they wait",
	},
	{
		.name = "llc_per_node",
		.policy = FIXTURE_NUMA,
		.fault = KTSTR_FAULT_LLC_PER_NODE,
		.field = true,
		.min_llcs = 2,
		.scenarios = "numa.llcs_in_node stress.llcs_oversubscribed",
		.check = "workers",
		.text = "takes a node's number for that of its queue, as if nodes had one LLC each",
	},
	{
		.name = "one_cpu",
		.policy = FIXTURE_FIFO,
		.fault = KTSTR_FAULT_ONE_CPU,
		.scenarios = "basic.steady basic.oversubscribed",
		.check = "conservation",
		.text = "runs everything on CPU 0 that may run there",
	},
	{
		.name = "lost_wakeup",
		.policy = FIXTURE_FIFO,
		.fault = KTSTR_FAULT_LOST_WAKEUP,
		.param = 50,
		.param_is = "one wake-up in this many",
		.scenarios = "latency.wakeups latency.idle_machine",
		.check = "gap",
		.text = "loses one wake-up in N: the task runs again only after 5 s",
	},
	{
		.name = "pingpong",
		.policy = FIXTURE_LLC,
		.fault = KTSTR_FAULT_PINGPONG,
		.min_llcs = 2,
		.scenarios = "interaction.pipes",
		.check = "migration",
		.text = "sends a task to the next LLC at each wake-up and after each slice",
	},
	{
		.name = "cross_node",
		.policy = FIXTURE_NUMA,
		.fault = KTSTR_FAULT_CROSS_NODE,
		.min_llcs = 2,
		.min_nodes = 2,
		.scenarios = "numa.stay",
		.check = "locality",
		.text = "sends a task to the next node at each wake-up and after each slice",
	},
	{
		.name = "idle_cpus",
		.policy = FIXTURE_FIFO,
		.fault = KTSTR_FAULT_IDLE_CPUS,
		.param = 2,
		.param_is = "one CPU in this many",
		.scenarios = "basic.oversubscribed stress.llcs_oversubscribed",
		.check = "conservation",
		.text = "leaves one CPU in N without work for 3.5 s out of 4 while tasks wait",
	},
	{
		.name = "long_slice",
		.policy = FIXTURE_FIFO,
		.fault = KTSTR_FAULT_LONG_SLICE,
		.param = 50,
		.param_is = "times 20 ms",
		.field = true,
		.scenarios = "latency.busy_cpu",
		.check = "gap",
		.text = "gives slices that are N times as long as they should be",
	},
	{
		.name = "lifo",
		.policy = FIXTURE_FIFO,
		.fault = KTSTR_FAULT_LIFO,
		.scenarios = "fairness.equals basic.oversubscribed",
		.check = "starvation",
		.text = "serves the task first that came last",
	},
	{
		.name = "cgroup_move",
		.policy = FIXTURE_FIFO,
		.fault = KTSTR_FAULT_CGROUP_MOVE,
		.field = true,
		.scenarios = "dynamic.cgroup_moves_asleep",
		.check = "gap",
		.text = "forgets, for 5 s at a time, tasks that were moved to another cgroup",
	},
	{
		.name = "cpuset_change",
		.policy = FIXTURE_FIFO,
		.fault = KTSTR_FAULT_CPUSET,
		.field = true,
		.scenarios = "cpuset.swap",
		.check = "alive",
		.text = "keeps sending a task to the CPU it had when its allowed CPUs changed",
	},
	{
		.name = "hotplug",
		.policy = FIXTURE_FIFO,
		.fault = KTSTR_FAULT_HOTPLUG,
		.field = true,
		.scenarios = "hotplug.offline_under_load",
		.check = "gap",
		.text = "serves a queue no more after one of its CPUs went offline",
	},
	{
		.name = "rt_hog",
		.policy = FIXTURE_FIFO,
		.fault = KTSTR_FAULT_RT,
		.field = true,
		.scenarios = "rt.hog_and_wakeups",
		.check = "gap",
		.text = "takes a CPU for idle that a real-time task has, and wakes tasks up there",
	},
	{
		.name = "kworkers",
		.policy = FIXTURE_FIFO,
		.fault = KTSTR_FAULT_KWORKERS,
		.field = true,
		.scenarios = "interaction.kworkers",
		.check = "throughput",
		.text = "forgets, for 5 s at a time, the kernel's workqueue workers",
	},
	{
		.name = "reload",
		.policy = FIXTURE_FIFO,
		.fault = KTSTR_FAULT_RELOAD,
		.field = true,
		.scenarios = "interaction.reload",
		.check = "gap",
		.text = "forgets, for 5 s at a time, tasks that are older than itself",
	},
	{
		.name = "error",
		.policy = FIXTURE_FIFO,
		.fault = KTSTR_FAULT_ERROR,
		.param = 2000,
		.param_is = "ms",
		.scenarios = "basic.steady basic.oversubscribed",
		.check = "alive",
		.text = "ends with an error after a while",
	},
	{
		.name = "verifier",
		.policy = FIXTURE_FIFO,
		.fault = KTSTR_FAULT_VERIFIER,
		.scenarios = "basic.steady basic.oversubscribed",
		.check = "load",
		.text = "follows a pointer that may be NULL, so that the verifier refuses it",
	},
	{
		.name = "leak",
		.policy = FIXTURE_FIFO,
		.fault = KTSTR_FAULT_LEAK,
		.param = 30,
		.param_is = "tasks that it has room for beside those at its start",
		.scenarios = "stress.forks",
		.check = "alive",
		.text = "keeps the state of tasks that have exited, and ends when that is full",
	},
	{
		.name = "delay",
		.policy = FIXTURE_FIFO,
		.fault = KTSTR_FAULT_DELAY,
		.param = 100,
		.param_is = "ms at most",
		.scenarios = "latency.idle_machine",
		.check = "latency",
		.text = "lets each task wait for a random time before it may be dispatched",
	},
	{
		.name = "tail",
		.policy = FIXTURE_FIFO,
		.fault = KTSTR_FAULT_TAIL,
		.param = 40,
		.param_is = "one wake-up in this many",
		.field = true,
		.scenarios = "latency.busy_machine",
		.check = "latency",
		.text = "lets one wake-up in N wait for 1.5 s",
	},
};

const size_t nr_fixture_scheds = ARRAY_SIZE(fixture_scheds);

const struct fixture_sched *fixture_sched_find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fixture_scheds); i++)
		if (!strcmp(fixture_scheds[i].name, name))
			return &fixture_scheds[i];
	return NULL;
}

const struct fixture_sched *fixture_sched_healthy(enum fixture_policy policy)
{
	/* They come first in the table, in the order of the enum. */
	return &fixture_scheds[policy];
}

/* Nodes of memory alone have no queues, and are no group. */
static void group_by_node(const struct host_topology *topo, struct fixture_layout *layout)
{
	u16 groups[HOST_MAX_NODES] = {};
	unsigned int i;
	u16 *group;

	layout->nr_groups = 0;
	for (i = 0; i < topo->nr_llcs; i++) {
		group = &groups[topo->llcs[i].node];
		if (!*group)
			*group = ++layout->nr_groups;
		layout->queue_group[i] = *group - 1;
	}
}

void fixture_layout(enum fixture_policy policy, const struct host_topology *topo,
		    struct fixture_layout *layout)
{
	unsigned int i;

	BUILD_BUG_ON(TOPOLOGY_MAX_CPUS > KTSTR_MAX_CPUS);
	*layout = (struct fixture_layout){ .nr_queues = 1, .nr_groups = 1 };
	if (policy != FIXTURE_LLC && policy != FIXTURE_NUMA)
		return;
	layout->nr_queues = topo->nr_llcs;
	for (i = 0; i < TOPOLOGY_MAX_CPUS; i++)
		if (cpu_set_has(&topo->online, i))
			layout->cpu_queue[i] = topo->cpus[i].llc;
	if (policy == FIXTURE_NUMA)
		group_by_node(topo, layout);
}
