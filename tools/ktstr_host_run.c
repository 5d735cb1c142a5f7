// SPDX-License-Identifier: GPL-2.0
/*
 * ktstr_emulated: run any program of this host on the emulated host. Its exit
 * status is the program's; 4 (KSFT_SKIP) if this host lacks something; 125 if
 * anything else prevents it.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "emulated.h"
#include "env.h"

#define EXIT_SKIPPED	4
#define EXIT_PREVENTED	125

/* As execvp() searches; the result is absolute. */
static bool find_program(const char *name, char path[PATH_MAX])
{
	char *paths, *dir, *rest;
	char try[PATH_MAX];
	bool found = false;

	if (strchr(name, '/'))
		return realpath(name, path) && !access(path, X_OK);

	paths = strdup(env_get("PATH") ?: "/usr/bin:/bin");
	rest = paths;
	while (!found && rest) {
		dir = strsep(&rest, ":");
		snprintf(try, sizeof(try), "%s/%s", *dir ? dir : ".", name);
		found = !access(try, X_OK) && realpath(try, path);
	}
	free(paths);
	return found;
}

int main(int argc, char **argv)
{
	char program[PATH_MAX];
	struct errmsg err;
	int ret;

	if (argc < 2) {
		fprintf(stderr, "usage: ktstr_emulated PROGRAM [ARGUMENT...]\n");
		return EXIT_PREVENTED;
	}
	if (!find_program(argv[1], program)) {
		fprintf(stderr, "ktstr_emulated: no program %s\n", argv[1]);
		return EXIT_PREVENTED;
	}
	ret = emulated_exec(program, argv + 1, &err);
	if (ret >= 0)
		return ret;
	fprintf(stderr, "ktstr_emulated: %s\n", err.text);
	return err.kind == ERRMSG_HOST ? EXIT_SKIPPED : EXIT_PREVENTED;
}
