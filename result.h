/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a play has shown, as a JSON file: Documentation/results.md says what is in
 * it, Documentation/result.schema.json says it to programs.
 */
#ifndef KTSTR_RESULT_H
#define KTSTR_RESULT_H

#include <limits.h>
#include <linux/types.h>
#include <stddef.h>

#include "check.h"
#include "errmsg.h"
#include "ktstr_vmm.h"
#include "session.h"
#include "stage.h"

/* To be raised when a field goes away or changes its meaning, not for new ones */
#define RESULT_SCHEMA	1

/**
 * struct result - what a play has shown
 * @play: what was played; without a suite if no limits are in force
 * @findings: of it; their verdict is the play's
 * @run: what was judged; NULL if nothing ran
 * @vm: its guest; NULL if there was none
 * @kernel: path of the kernel that was booted, or was to be; NULL if there is none
 * @release: of the guest's kernel, as it says itself; NULL if it has not
 * @cmdline: the guest kernel's command line, as it says itself; NULL if it has not
 * @boot_ns: until the agent was ready; 0 if no guest was booted for this play
 * @total_ns: all that the play took, its boot included
 */
struct result {
	const struct play *play;
	const struct findings *findings;
	const struct check_run *run;
	const struct ktstr_vm_result *vm;
	const char *kernel;
	const char *release;
	const char *cmdline;
	u64 boot_ns;
	u64 total_ns;
};

/**
 * result_format() - a result as JSON
 * @r: the result
 * @size: bytes of the text, without its NUL
 *
 * Strings may come from the guest: they are cut, and made valid UTF-8. Reads what
 * kind of host this is.
 *
 * Return: the text, to be freed; or NULL if there is no memory.
 */
char *result_format(const struct result *r, size_t *size);

/**
 * result_name() - the file of a play
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
char *result_name(const struct play *play, unsigned int nr, char *name);

/**
 * result_write() - write a result into a directory
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
int result_write(const struct result *r, const char *dir, struct errmsg *err);

/**
 * result_keep() - write a result into KTSTR_RESULTS, if that is set
 * @r: the result; @vm, @kernel, @release and @cmdline are found out here
 * @s: its guest; NULL if there was none
 *
 * A result that cannot be kept is said, but is not what was judged.
 */
void result_keep(const struct result *r, struct session *s);

#endif /* KTSTR_RESULT_H */
