/* SPDX-License-Identifier: GPL-2.0 */
/* Where results are kept: a file for each, in the directory that KTSTR_RESULTS names. */
#ifndef KTSTR_RESULT_FILE_H
#define KTSTR_RESULT_FILE_H

#include "errmsg.h"
#include "result.h"
#include "session.h"

/**
 * result_file_name() - the file of a play
 * @play: the play
 * @nr: how many files of this play there are in the directory, this one included
 * @name: filled in: NAME_MAX + 1 bytes
 *
 * SUITE.SCENARIO.TOPOLOGY.SCHEDULER[~kKERNEL][~NR].json. The scheduler is the program's
 * name and its arguments, or "EEVDF". Letters, digits and "_+=,-" stay, in the scheduler
 * also dots; all else becomes "_". What is too long is cut there, and ends in "~" and a
 * CRC of the whole. KERNEL is a CRC of KTSTR_KERNEL and KTSTR_CMDLINE, if one of them is
 * set. The first file has no NR, the second one 2.
 *
 * Return: @name.
 */
char *result_file_name(const struct play *play, unsigned int nr, char *name);

/**
 * result_file_write() - write a result into a directory
 * @r: the result
 * @dir: the directory, as results_dir() gives it
 * @err: what failed, and what to do
 *
 * Files that are there are kept, also by those who write at the same time: an earlier
 * result of the same play was another attempt, or another round. The file appears whole
 * or not at all.
 *
 * Return: 0 or a negative errno.
 */
int result_file_write(const struct result *r, const char *dir, struct errmsg *err);

/**
 * result_file_keep() - write a result into KTSTR_RESULTS, if that is set
 * @r: the result; @vm, @kernel, @release and @cmdline are found out here
 * @s: its guest; NULL if there was none
 *
 * A result that cannot be kept is said, but is not what was judged.
 */
void result_file_keep(const struct result *r, struct session *s);

#endif /* KTSTR_RESULT_FILE_H */
