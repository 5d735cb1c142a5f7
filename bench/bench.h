/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the measurements share: runs, medians, and the line that reports one.
 * All else that is printed begins with "# " and is for people.
 */
#ifndef KTSTR_BENCH_H
#define KTSTR_BENCH_H

#include <linux/compiler.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "emulated.h"
#include "env.h"
#include "errmsg.h"

#define BENCH_MAX_RUNS		99
#define BENCH_DEFAULT_RUNS	5

/**
 * bench_runs() - how often each side is measured
 *
 * KTSTR_BENCH_RUNS, or 5.
 */
static inline unsigned int bench_runs(void)
{
	const char *text = env_get("KTSTR_BENCH_RUNS");
	long runs = text ? strtol(text, NULL, 10) : BENCH_DEFAULT_RUNS;

	if (runs >= 1 && runs <= BENCH_MAX_RUNS)
		return runs;
	fprintf(stderr, "# KTSTR_BENCH_RUNS=%s: must be 1 to %d; taking %d\n", text,
		BENCH_MAX_RUNS, BENCH_DEFAULT_RUNS);
	return BENCH_DEFAULT_RUNS;
}

static inline int bench_compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The middle one, or the mean of the two in the middle; sorts @values */
static inline double bench_median(double *values, unsigned int nr)
{
	qsort(values, nr, sizeof(*values), bench_compare);
	return (values[(nr - 1) / 2] + values[nr / 2]) / 2;
}

/**
 * bench_line() - the line about one measurement
 * @name: of the measurement
 * @value: ours
 * @unit: of @value
 * @peer: what it is compared with, in the same unit
 * @vs: name of that
 * @target: the ratio of @value to @peer that is wanted, at most
 */
static inline void bench_line(const char *name, double value, const char *unit,
			      double peer, const char *vs, double target)
{
	printf("bench: %s %.2f %s ratio=%.3f vs=%s target=%.2f\n", name, value, unit,
	       value / peer, vs, target);
	fflush(stdout);
}

/* The same for one that is made in several sizes: the name is "@name-@size". */
static inline void bench_report(const char *name, unsigned int size, double value,
				const char *unit, double peer, const char *vs, double target)
{
	char text[64];

	snprintf(text, sizeof(text), "%s-%u", name, size);
	bench_line(text, value, unit, peer, vs, target);
}

/**
 * bench_elsewhere() - run this program on the emulated host
 * @argc: as given to main()
 * @argv: as given to main()
 * @why: why it cannot run here
 *
 * Return: the exit status.
 */
static inline int bench_elsewhere(int argc, char *const argv[], const char *why)
{
	struct errmsg err;
	int ret;

	fprintf(stderr, "# %s: measuring on an emulated host\n", why);
	ret = emulated_run(argc, argv, &err);
	if (ret >= 0)
		return ret;
	fprintf(stderr, "# not measured: %s\n", err.text);
	return EXIT_FAILURE;
}

#endif /* KTSTR_BENCH_H */
