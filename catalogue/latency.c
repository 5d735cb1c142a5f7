// SPDX-License-Identifier: GPL-2.0
#include "catalogue/suites.h"

/* A task for each CPU, 2 ms in every 20; json-c takes single quotes, too. */
#define RT_APP_JSON "\"{ 'tasks': { 'task': { 'instance': $2, 'loop': -1, 'runtime': 2000,"	\
	" 'timer': { 'ref': 'unique', 'period': 20000 } } }, 'global': { 'duration': $1,"	\
	" 'logdir': '.', 'log_basename': 'p', 'calibration': 100 } }\""

/* The last column of its logs is how long after its time a period began, in us. */
#define RT_APP_LOGS "awk '!/#/ { nr++; if ($NF > 500000) late++ }"			\
	" END { print \"begun:\", nr, \"periods\"; print \"late:\", 100 * late / nr, \"%\" }' p-*.log"

static const struct scenario scenarios[] = {
	{
		.suite = "latency",
		.name = "idle_machine",
		.bug = "With idle CPUs at hand, a task that wakes up still waits.",
		.quick = true,
		.workers = {
			{ "timer", .count = 2, DOES(TIMER, .sleep_ns = 10 * NSEC_PER_MSEC) },
		},
		.limits = { .wake_p50_us = 5000 },
	},
	{
		.suite = "latency",
		.name = "wakeups",
		.bug = "One of many wake-ups is lost.",
		.quick = true,
		.workers = { { "timer", .count = 2, DOES(TIMER) } },
	},
	{
		.suite = "latency",
		.name = "busy_cpu",
		.bug = "On a busy CPU, slices are so long that others wait for seconds.",
		.min_cpus = 2,
		.quick = true,
		.cgroups = { { "busy", .cpus = RANGE(1, 1) } },
		.workers = {
			{ "spin", .cgroup = "busy", .count = 2 },
			{
				"timer", .cgroup = "busy", .count = 1,
				DOES(TIMER, .sleep_ns = 10 * NSEC_PER_MSEC),
			},
		},
		.limits = { .gap_ms = 200 },
	},
	{
		.suite = "latency",
		.name = "busy_machine",
		.bug = "On a busy machine some wake-ups take far longer than most.",
		.quick = true,
		.workers = {
			{ "spin", .percent_of_cpus = 100 },
			{
				"timer", .percent_of_cpus = 300,
				DOES(TIMER, .run_ns = 100000, .sleep_ns = 10 * NSEC_PER_MSEC),
			},
		},
		/* Longer than others are: p99 is of 500 wake-ups, or more. */
		.steps = { HOLD(100), HOLD(50) },
		.limits = { .wake_p99_us = 60000 },
	},
	{
		.suite = "latency",
		.name = "fanout",
		.bug = "Of many tasks that are waked at once, the last ones run only much later.",
		.workers = {
			{ "teams", .count = 2, .percent_of_cpus = 100, DOES(FANOUT) },
		},
	},
	{
		.suite = "latency",
		.name = "fanout_compute",
		.bug = "Requests that need all of many answers wait for one that is stuck.",
		.workers = {
			{ "teams", .count = 2, .percent_of_cpus = 200, DOES(FANOUT_COMPUTE) },
		},
	},
	{
		.suite = "latency",
		.name = "chain",
		.bug = "Tasks that wake each other in a row are each put behind all others.",
		.workers = {
			{ "chain", .count = 4, .percent_of_cpus = 50, DOES(CHAIN, .team = 4) },
			{ "spin", .percent_of_cpus = 50 },
		},
	},
	{
		.suite = "latency",
		.name = "request_and_batch",
		.bug = "Jobs that compute in large portions block short requests on all CPUs.",
		.workers = {
			{
				"batch", .percent_of_cpus = 100, .background = true,
				DOES(BURSTY, .run_ns = 50 * NSEC_PER_MSEC,
				     .sleep_ns = 5 * NSEC_PER_MSEC),
			},
			{ "requests", .percent_of_cpus = 50, DOES(PIPE, .run_ns = 50000) },
		},
	},
	{
		.suite = "latency",
		.name = "rt_app",
		.bug = "Tasks that run for a moment in each period begin it late, or miss it.",
		.workers = { { "spin", .percent_of_cpus = 100, .background = true } },
		.programs = { {
			"rt_app", "echo " RT_APP_JSON " >p.json && rt-app p.json && " RT_APP_LOGS,
			{ "rt-app", "awk" }, .package = "rt-app",
			.numbers = {
				{ "begun", .min = 20, .unit = "periods" },
				{ "late", .max = 10, .unit = "%" },
			},
		} },
		.steps = { RUN("rt_app"), WAIT("rt_app") },
	},
};

const struct suite suite_latency = {
	.name = "latency",
	.text = "How soon does a task run that has been waked up?",
	.scenarios = scenarios,
	.nr = ARRAY_SIZE(scenarios),
};
