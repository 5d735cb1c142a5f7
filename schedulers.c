// SPDX-License-Identifier: GPL-2.0
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalogue.h"
#include "env.h"
#include "fixture_scheds.h"
#include "schedulers.h"
#include "words.h"

/* Longer commands are not those of schedulers that we know. */
#define MAX_COMMAND	512

/* See struct check_sched, which has what they mean. */
static const char known_lacks[] = "nice cpu.weight cpu.max llc numa hotplug rt overcommit";

static const struct scheduler_defect qmap_defects[] = {
	{
		.checks = "workers starvation gap spread",
		.scenarios = "rt.interrupted",
		.reason =
			"when a real-time task leaves a CPU, scx_qmap queues that CPU's tasks in the old order, with new slices: of two that are bound to it, one may never run",
	},
	/* Its watchdog allows 5 s, so that only longer runs end by it. */
	{
		.checks = "alive kernel_log",
		.scenarios = "affinity.one_cpu",
		.reason =
			"scx_qmap puts tasks with one CPU straight into its local queue: where each CPU has two of them, none serves the five queues, and the kernel's threads wait there until the watchdog ends it",
	},
	{}
};

static const struct scheduler_defect flatcg_defects[] = {
	/* Any scenario may show it, or none: it depends on who is there first. */
	{
		.checks =
			"workers starvation gap spread throughput latency weight conservation alive program kernel_log",
		.reason =
			"scx_flatcg may lose a cgroup of few tasks, also that of the kernel's threads: it is queued before its task is, and whoever finds it empty puts it aside for good, until the kernel's watchdog ends scx_flatcg",
	},
	{}
};

const struct scheduler schedulers_tree[] = {
	{ .name = "eevdf" },
	{
		.command = "scx_simple",
		.name = "scx_simple",
		.lacks = "nice cpu.weight cpu.max llc numa hotplug rt",
		.lacks_reason =
			"it has one queue for all CPUs, from which a task that waits always comes before the one that runs, and no cgroup, CPU or preemption callbacks",
	},
	{
		.command = "scx_qmap",
		.name = "scx_qmap",
		.lacks = "nice cpu.weight cpu.max llc numa",
		.lacks_reason =
			"it has five queues for all CPUs, into which it sorts tasks coarsely by nice value, and no cgroup callbacks",
		.defects = qmap_defects,
	},
	{
		.command = "scx_central",
		.name = "scx_central",
		.cpu_option = "-c",
		.lacks = "nice cpu.weight cpu.max llc numa hotplug rt overcommit",
		.lacks_reason =
			"one CPU takes all decisions, from one queue for all CPUs, which stops when that CPU is away or has a real-time task, and it has no cgroup, CPU or preemption callbacks",
	},
	{
		.command = "scx_flatcg",
		.name = "scx_flatcg",
		.lacks = "nice cpu.max llc numa hotplug rt",
		.lacks_reason =
			"it is about the weights of cgroups only: of two tasks in one, that which waits comes before the one that runs; it has no CPU or preemption callbacks",
		.defects = flatcg_defects,
	},
	{}
};

/* The healthy one that a scheduler of ours is, or has been until its fault */
static void fill_fixture(struct scheduler *sched, const struct fixture_sched *fixture)
{
	const struct fixture_sched *healthy = fixture_sched_healthy(fixture->policy);

	sched->name = fixture->name;
	sched->lacks = healthy->lacks;
	sched->lacks_reason = healthy->text;
}

static bool is_option(const char *word, const char *brief, const char *longer)
{
	return !strcmp(word, brief) || !strcmp(word, longer);
}

/* The name in "--policy NAME", "--policy=NAME", "--fault NAME=PARAM", "-f NAME" ... */
static const struct fixture_sched *find_fixture(char *args)
{
	char *word, *rest = args, *name;

	while ((word = strsep(&rest, " "))) {
		if (is_option(word, "-p", "--policy") || is_option(word, "-f", "--fault"))
			name = strsep(&rest, " ");
		else if (!strncmp(word, "--policy=", 9) || !strncmp(word, "--fault=", 8))
			name = strchr(word, '=') + 1;
		else
			continue;
		return name ? fixture_sched_find(strsep(&name, "=")) : NULL;
	}
	return NULL;
}

int schedulers_check_lacks(struct errmsg *err)
{
	const char *list = env_get(ENV_LACKS) ?: "", *pos = list;
	char word[64];
	int len;

	for (pos += strspn(pos, " "); *pos; pos += len, pos += strspn(pos, " ")) {
		len = strcspn(pos, " ");
		snprintf(word, sizeof(word), "%.*s", len, pos);
		if (!words_have(known_lacks, word, ' '))
			return errmsg_set(err, ERRMSG_INPUT, 0,
					  "%s=%s: \"%s\" is unknown; known are: %s", ENV_LACKS,
					  list, word, known_lacks);
	}
	return 0;
}

/* Only who brings a program can know what it is to do. */
static void declare(struct scheduler *sched, const char *command)
{
	const char *lacks = env_get(ENV_LACKS);

	if (!lacks || !memchr(command, '/', strcspn(command, " ")))
		return;
	sched->lacks = lacks;
	sched->lacks_reason = ENV_LACKS " says so";
}

static void find_known(const char *command, struct scheduler *sched)
{
	const struct fixture_sched *fixture;
	const struct scheduler *known;
	char copy[MAX_COMMAND], *program, *args = copy;

	*sched = schedulers_tree[0];
	if (!command || !*command)
		return;
	*sched = (struct scheduler){ .command = command, .name = "other" };
	if (strlen(command) >= sizeof(copy))
		return;
	memcpy(copy, command, strlen(command) + 1);
	program = strsep(&args, " ");
	if (strrchr(program, '/'))
		program = strrchr(program, '/') + 1;
	if (args && !strcmp(program, SCHEDULERS_KTSTR)) {
		fixture = find_fixture(args);
		if (fixture)
			fill_fixture(sched, fixture);
		return;
	}
	for (known = schedulers_tree + 1; known->name; known++) {
		if (strcmp(known->command, program))
			continue;
		*sched = *known;
		sched->command = command;
		/* What is known of the tree's may be mended in another. */
		if (program != copy)
			sched->defects = NULL;
	}
}

void schedulers_find(const char *command, struct scheduler *sched)
{
	find_known(command, sched);
	if (command)
		declare(sched, command);
}

bool schedulers_is_built(const char *program)
{
	const struct scheduler *sched;

	for (sched = schedulers_tree; sched->name; sched++)
		if (sched->command && !strcmp(sched->command, program))
			return true;
	return !strcmp(program, SCHEDULERS_KTSTR);
}

void schedulers_known(const char *command, const struct scenario *sc, struct check_sched *sched)
{
	const struct scheduler_defect *defect;
	struct scheduler found;

	schedulers_find(command, &found);
	sched->lacks = found.lacks;
	sched->lacks_reason = found.lacks_reason;
	for (defect = found.defects; defect && defect->checks; defect++) {
		if (defect->scenarios && !catalogue_is_listed(defect->scenarios, sc))
			continue;
		sched->defects = defect->checks;
		sched->defects_reason = defect->reason;
		return;
	}
}
