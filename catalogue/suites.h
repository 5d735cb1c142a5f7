/* SPDX-License-Identifier: GPL-2.0 */
/* The suites, for catalogue.c, and what their files are written with. */
#ifndef KTSTR_CATALOGUE_SUITES_H
#define KTSTR_CATALOGUE_SUITES_H

#include <linux/kernel.h>
#include <linux/sizes.h>

#include "catalogue.h"
#include "clock.h"

extern const struct suite suite_affinity;
extern const struct suite suite_basic;
extern const struct suite suite_cpuset;
extern const struct suite suite_dynamic;
extern const struct suite suite_fairness;
extern const struct suite suite_hotplug;
extern const struct suite suite_interaction;
extern const struct suite suite_latency;
extern const struct suite suite_nested;
extern const struct suite suite_numa;
extern const struct suite suite_rt;
extern const struct suite suite_stress;

/* What a group of workers does all the time; see enum wire_work */
#define DOES(what, ...)	.phases = { { .work = WIRE_WORK_##what, ##__VA_ARGS__ } }

/* Short turns, of which a worker has many also where it shares its CPU with others */
#define DOZES	DOES(BURSTY, .run_ns = NSEC_PER_MSEC, .sleep_ns = 2 * NSEC_PER_MSEC)

/*
 * Of limits: who is due little gets too little to be compared with others. In a few
 * seconds EEVDF balances CPUs only so well: three times their share was seen of tasks
 * that are due 6 %, and without weights it would be eight times.
 */
#define BY_WEIGHT	.starved = UNLIMITED, .spread = UNLIMITED, .gap_ms = UNLIMITED, \
			.weight_error = 100

#endif /* KTSTR_CATALOGUE_SUITES_H */
