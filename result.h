/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a play has shown, as JSON: Documentation/results.md says what is in it,
 * Documentation/result.schema.json says it to programs.
 */
#ifndef KTSTR_RESULT_H
#define KTSTR_RESULT_H

#include <linux/types.h>
#include <stddef.h>

#include "check.h"
#include "ktstr_vmm.h"
#include "play.h"

/* To be raised when a field goes away or changes its meaning, not for new ones */
#define RESULT_SCHEMA	1

/**
 * struct result - what a play has shown
 * @play: what was played; its suite does not matter
 * @findings: of it; their verdict is the play's
 * @limits: that were in force, or would have been; those that are 0 were not
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
	struct limits limits;
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

#endif /* KTSTR_RESULT_H */
