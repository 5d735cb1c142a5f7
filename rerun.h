/* SPDX-License-Identifier: GPL-2.0 */
/* The command that plays exactly one scenario again. */
#ifndef KTSTR_RERUN_H
#define KTSTR_RERUN_H

#include "scenario.h"

/**
 * rerun_command() - a command for a POSIX shell
 * @program: absolute path of the program with the catalogue
 * @sc: the scenario
 * @topology: as topology_parse() reads it
 * @scheduler: as in struct session_config; NULL for EEVDF
 *
 * The program's variant "env" is what topology and scheduler are asked for by; its
 * option -r runs the test of that name, and no other. Variables that say what is
 * tested and how (KTSTR_KERNEL, KTSTR_DURATION, ...) are in the command as they are
 * in this process. It works in any directory.
 *
 * Return: the command, to be freed; or NULL if there is no memory.
 */
char *rerun_command(const char *program, const struct scenario *sc, const char *topology,
		    const char *scheduler);

#endif /* KTSTR_RERUN_H */
