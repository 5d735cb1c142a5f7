// SPDX-License-Identifier: GPL-2.0
#include "catalogue/suites.h"

/* Who waits for a slice of 20 ms in each round still does this many in a second. */
#define ROUNDS_MIN	20

#define FIO_READS "fio --name=reads --filename=/dev/vda --rw=randread --direct=1 --thread"

static const struct scenario scenarios[] = {
	{
		.suite = "interaction",
		.name = "pipes",
		.bug = "Tasks that talk to each other are sent from LLC to LLC at each word.",
		.min_llcs = 2,
		.quick = true,
		.workers = { { "pipes", .count = 2, DOES(PIPE) } },
		.limits = { .llc_migrations = 30 },
	},
	{
		.suite = "interaction",
		.name = "futexes",
		.bug = "A wake-up is lost that comes while the task is not quite asleep.",
		.workers = {
			{ "pingpong", .percent_of_cpus = 100, DOES(PINGPONG) },
			{ "spin", .percent_of_cpus = 50 },
		},
	},
	{
		.suite = "interaction",
		.name = "cache_pipes",
		.bug = "Data that one task hands to another has to cross the machine each time.",
		.workers = {
			{ "pipes", .percent_of_cpus = 100, DOES(CACHE_PIPE, .bytes = SZ_64K) },
		},
		.limits = { .llc_migrations = 30 },
	},
	{
		.suite = "interaction",
		.name = "kworkers",
		.bug = "The kernel's own workers starve, and with them who waits for them.",
		.quick = true,
		.workers = { { "waits", .count = 1, DOES(CUSTOM, .arg = "kworkers") } },
		.limits = { .rounds = 5, .gap_ms = UNLIMITED },
	},
	{
		.suite = "interaction",
		.name = "kworkers_busy",
		.bug = "The kernel's own workers starve on a machine whose CPUs are all busy.",
		.workers = {
			{ "waits", .count = 1, DOES(CUSTOM, .arg = "kworkers") },
			{ "spin", .percent_of_cpus = 200 },
		},
	},
	{
		.suite = "interaction",
		.name = "reload",
		.bug = "Tasks that are older than their scheduler are not known to it.",
		.quick = true,
		.workers = {
			{ "timer", .count = 2, DOES(TIMER, .sleep_ns = 5 * NSEC_PER_MSEC) },
		},
		.steps = { HOLD(10), LEAVE(), HOLD(10), LOAD(), HOLD(80) },
	},
	{
		.suite = "interaction",
		.name = "reload_under_load",
		.bug = "What a scheduler leaves behind on a busy machine meets its successor.",
		.workers = {
			{ "spin", .percent_of_cpus = 150 },
			{ "pipes", .count = 4, DOES(PIPE) },
		},
		.steps = { HOLD(30), LEAVE(), HOLD(20), LOAD(), HOLD(30) },
	},
	{
		.suite = "interaction",
		.name = "replace",
		.bug = "Tasks that another BPF scheduler had are not taken over as new ones are.",
		.workers = {
			{ "spin", .percent_of_cpus = 100 },
			{ "timer", .count = 2, DOES(TIMER, .sleep_ns = 5 * NSEC_PER_MSEC) },
		},
		.steps = { HOLD(20), REPLACE("scx_ktstr", "--policy vtime"), HOLD(20), LOAD(),
			   HOLD(60) },
	},
	{
		.suite = "interaction",
		.name = "files",
		.bug = "Who writes to files and sleeps in between comes back behind all others.",
		.workers = {
			{ "writers", .percent_of_cpus = 50, DOES(IO_SYNC) },
			{ "spin", .percent_of_cpus = 100 },
		},
		.limits = { .rounds = ROUNDS_MIN },
	},
	{
		.suite = "interaction",
		.name = "disk",
		.bug = "A wake-up out of a disk's interrupt is lost, or its task is put off.",
		.workers = {
			{ "readers", .percent_of_cpus = 50, DOES(DISK) },
			{ "spin", .percent_of_cpus = 100 },
		},
		.limits = { .rounds = ROUNDS_MIN },
	},
	{
		.suite = "interaction",
		.name = "disk_idle_machine",
		.bug = "With idle CPUs at hand, who is woken up by a disk's interrupt still waits.",
		.workers = { { "readers", .count = 2, DOES(DISK) } },
		.limits = { .wake_p50_us = 5000, .rounds = ROUNDS_MIN },
	},
	{
		.suite = "interaction",
		.name = "network",
		.bug = "Tasks do not run beside the softirqs and kernel threads of the network.",
		.workers = {
			{ "talkers", .percent_of_cpus = 50, DOES(NET) },
			{ "spin", .percent_of_cpus = 100 },
		},
		.limits = { .rounds = ROUNDS_MIN },
	},
	{
		.suite = "interaction",
		.name = "hackbench",
		.bug = "Of many senders and receivers, some wait for each other for ever.",
		.programs = { {
			"hackbench", "hackbench -g $2 -f 5 -l 100", { "hackbench" },
			.package = "rt-tests",
			.numbers = { { "Time", .max = 20, .unit = "s" } },
		} },
		.steps = { RUN("hackbench"), WAIT("hackbench") },
	},
	{
		.suite = "interaction",
		.name = "fio",
		.bug = "Who reads from a disk waits for the CPU longer than for the disk.",
		.workers = { { "spin", .percent_of_cpus = 50, .background = true } },
		.programs = { {
			"fio", FIO_READS " --time_based --runtime=$1 --output-format=json",
			{ "fio" }, .package = "fio", .disk = true,
			.numbers = {
				{ "jobs.0.read.iops", .min = 10, .unit = "reads/s" },
				{
					"jobs.0.read.clat_ns.percentile.99.000000",
					.max = 500 * NSEC_PER_MSEC, .unit = "ns",
				},
			},
		} },
		.steps = { RUN("fio"), WAIT("fio") },
	},
};

const struct suite suite_interaction = {
	.name = "interaction",
	.text = "Tasks with each other, with the kernel's own, and with devices.",
	.scenarios = scenarios,
	.nr = ARRAY_SIZE(scenarios),
};
