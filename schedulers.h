/* SPDX-License-Identifier: GPL-2.0 */
/* What a scheduler does not do, by design, so that no scenario may ask for it. */
#ifndef KTSTR_SCHEDULERS_H
#define KTSTR_SCHEDULERS_H

#include <stdbool.h>

#include "check.h"
#include "errmsg.h"
#include "scenario.h"

/* Environment: what a scheduler from outside does not do, by design */
#define ENV_LACKS	"KTSTR_LACKS"

/* The program that has all of ours, "scx_ktstr --policy NAME" and the like */
#define SCHEDULERS_KTSTR	"scx_ktstr"

/**
 * struct scheduler_defect - something that is known to be wrong with a scheduler
 * @checks: see @defects of struct check_sched; NULL after the last one
 * @scenarios: those, as SUITE.NAME, in which it shows; NULL for any
 * @reason: what is wrong, for those who read why a check was not judged
 */
struct scheduler_defect {
	const char *checks;
	const char *scenarios;
	const char *reason;
};

/**
 * struct scheduler - a scheduler that the suite knows
 * @command: the program and its arguments; NULL for the kernel's own, EEVDF
 * @name: for the names of tests: letters, digits and '_'
 * @cpu_option: it can only be initialised on the CPU that this option names, by
 *	default CPU 0; but the kernel does that on whatever CPU its thread for it is
 *	on. NULL for others.
 * @lacks: see struct check_sched; NULL for nothing
 * @lacks_reason: why that is no fault; NULL if it lacks nothing
 * @defects: those that are known, no scenario in two of them; NULL for none
 */
struct scheduler {
	const char *command;
	const char *name;
	const char *cpu_option;
	const char *lacks;
	const char *lacks_reason;
	const struct scheduler_defect *defects;
};

/**
 * schedulers_find() - what is known of a scheduler
 * @command: as in struct session_config; a path before the program's name does not
 *	matter, nor do arguments that choose no other policy; NULL for EEVDF
 * @sched: filled in; of one that is not known, @lacks is NULL: everything is asked of it
 *
 * The suite's own (fixture_scheds.h) are among them. What a program lacks that is named
 * with its path, KTSTR_LACKS says, if that is set.
 */
void schedulers_find(const char *command, struct scheduler *sched);

/**
 * schedulers_is_built() - does it come with the suite, the tree's or ours?
 * @program: its name, without arguments or directory
 *
 * Return: whether the suite's build makes it.
 */
bool schedulers_is_built(const char *program);

/**
 * schedulers_check_lacks() - are the words of KTSTR_LACKS known?
 * @err: which is not, and those that are
 *
 * Return: 0 or -EINVAL.
 */
int schedulers_check_lacks(struct errmsg *err);

/**
 * schedulers_known() - what the checks of a scenario are to know of a scheduler
 * @command: see schedulers_find(); of a program that is named with its path, no defects
 *	are known, as it may be one in which they are mended
 * @sc: the scenario
 * @sched: what it lacks, its defects if @sc may show one, and the reasons are set
 */
void schedulers_known(const char *command, const struct scenario *sc,
		      struct check_sched *sched);

/* EEVDF and the tree's, which the whole catalogue runs under; ends with no name. */
extern const struct scheduler schedulers_tree[];

#endif /* KTSTR_SCHEDULERS_H */
