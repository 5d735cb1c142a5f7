// SPDX-License-Identifier: GPL-2.0
/*
 * Linked into the runner of the tree's own sched_ext selftests, whose -t takes
 * all tests whose names have a string in them. "-t =NAME" is the one test NAME,
 * so that no test's hang or crash is taken for another's.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "scx_test.h"

/* What ld's --wrap makes of scx_test_register() */
typeof(scx_test_register) __real_scx_test_register, __wrap_scx_test_register;

static const char *exact;

/* Earlier than the tests' own constructors, which register them. */
__attribute__((constructor(101)))
static void read_arguments(int argc, char **argv)
{
	int i;

	for (i = 1; i + 1 < argc; i++) {
		if (!strcmp(argv[i], "-t") && argv[i + 1][0] == '=')
			exact = ++argv[i + 1];
	}
	/* What was said before a hang or a crash shall be known. */
	setvbuf(stdout, NULL, _IOLBF, 0);
}

void __wrap_scx_test_register(struct scx_test *test)
{
	if (!exact || !strcmp(test->name, exact))
		__real_scx_test_register(test);
}
