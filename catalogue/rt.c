// SPDX-License-Identifier: GPL-2.0
#include "catalogue/suites.h"

static const struct scenario scenarios[] = {
	{
		.suite = "rt",
		.name = "hog_and_wakeups",
		.bug = "Tasks wake up on a CPU that a real-time task has, as if it were idle.",
		.min_cpus = 2,
		.quick = true,
		.workers = {
			{
				"hog", .count = 1, .affinity = AFFINITY_ONE, .background = true,
				.policy = POLICY_FIFO, .priority = 1, .later = true,
				DOES(RT_HOG, .run_ns = 250 * NSEC_PER_MSEC,
				     .sleep_ns = 150 * NSEC_PER_MSEC),
			},
			/*
			 * The kernel tells of a CPU that is taken from somebody only: not
			 * of an idle one, though a task that waits there was promised it.
			 */
			{ "bait", .count = 1, .affinity = AFFINITY_ONE, .background = true },
			{ "timer", .count = 2, DOES(TIMER, .sleep_ns = 5 * NSEC_PER_MSEC) },
		},
		.steps = { HOLD(5), SPAWN("hog"), HOLD(95) },
		.limits = { .gap_ms = 40 },
	},
	{
		.suite = "rt",
		.name = "hogs_and_load",
		.bug = "Tasks that are queued for a CPU wait until its real-time task sleeps.",
		.min_cpus = 2,
		.workers = {
			{
				"hogs", .count = 1, .background = true,
				.policy = POLICY_FIFO, .priority = 1, DOES(RT_HOG),
			},
			{ "spin", .percent_of_cpus = 50 },
			{ "timer", .count = 2, DOES(TIMER, .sleep_ns = 5 * NSEC_PER_MSEC) },
		},
	},
	{
		.suite = "rt",
		.name = "round_robin",
		.bug = "Tasks lose their slices when short real-time tasks interrupt them.",
		.workers = {
			{
				"rr", .percent_of_cpus = 50, .policy = POLICY_RR, .priority = 5,
				.background = true,
				DOES(TIMER, .run_ns = 500000, .sleep_ns = 2 * NSEC_PER_MSEC),
			},
			{ "spin", .percent_of_cpus = 150 },
		},
	},
	{
		.suite = "rt",
		.name = "interrupted",
		.bug = "Whom a real-time task interrupts gets a new slice each time, for ever.",
		.min_cpus = 2,
		.cgroups = { { "one", .cpus = RANGE(1, 1) } },
		.workers = {
			{
				"alarm", .cgroup = "one", .count = 1,
				.policy = POLICY_FIFO, .priority = 1, .background = true,
				DOES(TIMER, .run_ns = 100000, .sleep_ns = 10 * NSEC_PER_MSEC),
			},
			{ "bound", .cgroup = "one", .count = 2 },
		},
	},
	{
		.suite = "rt",
		.name = "deadline",
		.bug = "Tasks of SCHED_DEADLINE leave time that nobody else gets.",
		.workers = {
			{
				"deadline", .count = 1, .background = true,
				.policy = POLICY_DEADLINE,
				.runtime_us = 10000, .period_us = 50000, DOES(SPIN),
			},
			{ "spin", .percent_of_cpus = 100 },
		},
	},
	{
		.suite = "rt",
		.name = "inversion",
		.bug = "Who holds a lock that an eager task wants is kept off by others.",
		.workers = { { "threes", .percent_of_cpus = 100, DOES(INVERSION) } },
	},
	{
		.suite = "rt",
		.name = "inversion_fifo",
		.bug = "Real-time tasks that block on each other leave CPUs on which nobody runs.",
		.workers = {
			{
				"threes", .count = 3, .policy = POLICY_FIFO, .priority = 10,
				.background = true, DOES(INVERSION),
			},
			{ "spin", .percent_of_cpus = 100 },
		},
	},
};

const struct suite suite_rt = {
	.name = "rt",
	.text = "Real-time tasks take CPUs away: others have to go on elsewhere.",
	.scenarios = scenarios,
	.nr = ARRAY_SIZE(scenarios),
};
