// SPDX-License-Identifier: GPL-2.0
/* The check of programs: they end well, and print what is expected of them. */
#include <linux/kernel.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "check_parts.h"
#include "program_output.h"

#define LAST_LINE_SIZE	128

/*
 * Nobody can take the host's part off a program's own numbers. So limits are the wider
 * the fewer CPUs the host has, as in check_within(), or the less of them the guest got.
 */
static double widening(const struct judge *j)
{
	const struct check_run *run = j->run;
	u64 total = 0, steal = 0;
	unsigned int cpu;
	double by_cpus = (run->overcommit + 1) / 2.0;

	if (!run->before || !run->after)
		return by_cpus;
	for (cpu = 0; cpu < topology_cpus(run->topo); cpu++) {
		total += check_since(run->after->total_ns[cpu], run->before->total_ns[cpu]);
		steal += check_since(run->after->steal_ns[cpu], run->before->steal_ns[cpu]);
	}
	if (steal >= total)
		return by_cpus;
	return max(by_cpus, (double)total / (total - steal));
}

static bool ended_well(struct judge *j, const struct check_program *p)
{
	struct finding f = check_begin("program", NULL);
	const char *name = p->program->name, *weak = NULL;
	int status = p->wait_status;
	bool ok = WIFEXITED(status) && !WEXITSTATUS(status);
	char last[LAST_LINE_SIZE], how[64];

	if (p->late) {
		snprintf(how, sizeof(how), "did not end in time");
		weak = j->starved;
		ok = false;
	} else if (p->killed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
		snprintf(how, sizeof(how), "ran until a step killed it");
		ok = true;
	} else if (WIFSIGNALED(status)) {
		snprintf(how, sizeof(how), "was killed by SIG%s",
			 sigabbrev_np(WTERMSIG(status)) ?: "?");
	} else {
		snprintf(how, sizeof(how), "ended with exit status %d", WEXITSTATUS(status));
	}
	if (ok)
		check_judge(j, &f, true, NULL, "%s %s", name, how);
	else
		check_judge(j, &f, false, weak, "%s %s; the last that it said: \"%s\"", name, how,
			    program_output_last_line(p->output ?: "", last, sizeof(last)));
	return ok;
}

static bool within(const struct scenario_number *want, double value, double widening)
{
	if (want->min && value * widening < want->min)
		return false;
	return !want->max || value <= want->max * widening;
}

/* As in "at least 10, at most 12.5" */
static void say_limits(const struct scenario_number *want, double widening, char *buf, size_t size)
{
	int len = 0;

	buf[0] = '\0';
	if (want->min)
		len = snprintf(buf, size, "at least %g", want->min / widening);
	if (want->max)
		snprintf(buf + len, size - len, "%sat most %g", len ? ", " : "",
			 want->max * widening);
}

static void judge_number(struct judge *j, const struct check_program *p,
			 const struct scenario_number *want)
{
	struct finding f = check_begin("program", NULL);
	const char *name = p->program->name;
	struct program_number number;
	struct errmsg err = {};
	char limits[64], last[LAST_LINE_SIZE];

	if (program_output_find(p->output ?: "", want->name, &number, &err)) {
		check_judge(j, &f, false, NULL, "%s: %.128s; the last that it said: \"%s\"", name,
			    err.text, program_output_last_line(p->output ?: "", last,
							       sizeof(last)));
		return;
	}
	if (number.unit[0] && strcmp(number.unit, want->unit)) {
		check_judge(j, &f, false, NULL, "%s: \"%s\" is in \"%s\", and expected in \"%s\"",
			    name, want->name, number.unit, want->unit);
		return;
	}
	say_limits(want, widening(j), limits, sizeof(limits));
	check_judge(j, &f, within(want, number.value, widening(j)), j->starved,
		    "%s: \"%s\" is %g %s, expected %s", name, want->name, number.value,
		    want->unit, limits);
}

void check_program(struct judge *j, const struct check_program *p)
{
	const struct scenario_number *want = p->program->numbers;

	if (!ended_well(j, p) || p->killed)
		return;
	for (; want < p->program->numbers + SCENARIO_MAX_NUMBERS && want->name; want++)
		judge_number(j, p, want);
}
