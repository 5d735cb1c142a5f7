/* SPDX-License-Identifier: GPL-2.0 */
/* The command that runs exactly one test again. */
#ifndef KTSTR_RERUN_H
#define KTSTR_RERUN_H

#include "scenario.h"

/**
 * rerun_command() - a command for a POSIX shell that plays a scenario
 * @program: absolute path of the program with the catalogue
 * @sc: the scenario
 * @topology: as topology_parse() reads it
 * @scheduler: as in struct session_config; NULL for EEVDF
 *
 * The program's variant "env" is what topology and scheduler are asked for by; its
 * option -r runs the test of that name, and no other. Variables that say what is
 * tested and how (KTSTR_KERNEL, KTSTR_DURATION, ...) are in the command as they are
 * in this process; KTSTR_HOST is emulated if this is the emulated host, wherever the
 * command will be run. It works in any directory.
 *
 * Return: the command, to be freed; or NULL if there is no memory.
 */
char *rerun_command(const char *program, const struct scenario *sc, const char *topology,
		    const char *scheduler);

/**
 * rerun_test() - the same for a test that is no scenario
 * @program: absolute path of the test's program
 * @test: its name in the program's output: FIXTURE.VARIANT.TEST
 *
 * KTSTR_TOPOLOGY and KTSTR_SCHEDULER, which variants may be from, are as in this process.
 *
 * Return: the command, to be freed; or NULL if there is no memory.
 */
char *rerun_test(const char *program, const char *test);

#endif /* KTSTR_RERUN_H */
