/* SPDX-License-Identifier: GPL-2.0 */
/* What a scheduler does not do, by design, so that no scenario may ask for it. */
#ifndef KTSTR_SCHEDULERS_H
#define KTSTR_SCHEDULERS_H

#include <stdbool.h>

#include "errmsg.h"
#include "scenario.h"

/* Environment: what a scheduler from outside does not do, by design */
#define ENV_LACKS	"KTSTR_LACKS"

/* The program that has all of ours, "scx_ktstr --policy NAME" and the like */
#define SCHEDULERS_KTSTR	"scx_ktstr"

/**
 * struct scheduler - a scheduler that the suite knows
 * @command: the program and its arguments; NULL for the kernel's own, EEVDF
 * @name: for the names of tests: letters, digits and '_'
 * @cpu_option: it can only be initialised on the CPU that this option names, by
 *	default CPU 0; but the kernel does that on whatever CPU its thread for it is
 *	on. NULL for others.
 * @lacks: see struct check_sched; NULL for nothing
 * @lacks_reason: why that is no fault; NULL if it lacks nothing
 * @defects: see struct check_sched; NULL for none that is known
 * @defects_in: the scenarios, as SUITE.NAME, in which they show; NULL for any
 * @defects_reason: what is wrong with it; NULL if that is nothing
 */
struct scheduler {
	const char *command;
	const char *name;
	const char *cpu_option;
	const char *lacks;
	const char *lacks_reason;
	const char *defects;
	const char *defects_in;
	const char *defects_reason;
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
 * schedulers_has_defect() - may a scenario show what is known to be wrong with it?
 * @sched: from schedulers_find(); a program that was named with its path has no defects
 *	that are known, as it may be one in which they are mended
 * @sc: a scenario
 *
 * Return: whether its @defects are to be expected.
 */
bool schedulers_has_defect(const struct scheduler *sched, const struct scenario *sc);

/* EEVDF and the tree's, which the whole catalogue runs under; ends with no name. */
extern const struct scheduler schedulers_tree[];

#endif /* KTSTR_SCHEDULERS_H */
