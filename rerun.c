// SPDX-License-Identifier: GPL-2.0
#include <limits.h>
#include <linux/kernel.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "emulated.h"
#include "env.h"
#include "rerun.h"
#include "session.h"

/* What changes a test, beyond its scenario, topology, scheduler and host */
static const char * const variables[] = {
	ENV_KERNEL, ENV_CMDLINE, "KTSTR_DURATION", ENV_PERFORMANCE, "KTSTR_REUSE",
	"KTSTR_HOST_MEMORY", "KTSTR_EMULATED_HOST", "KTSTR_CACHE", "KTSTR_LACKS",
};

/* These have no meaning for a shell, wherever they are in a word. */
static const char plain[] =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=,+@%-";

static void put_quoted(FILE *f, const char *word)
{
	if (*word && !word[strspn(word, plain)]) {
		fputs(word, f);
		return;
	}
	putc('\'', f);
	for (; *word; word++) {
		if (*word == '\'')
			fputs("'\\''", f);
		else
			putc(*word, f);
	}
	putc('\'', f);
}

static void put_variable(FILE *f, const char *name, const char *value)
{
	fprintf(f, "%s=", name);
	put_quoted(f, value);
	putc(' ', f);
}

static bool is_relative(const char *path)
{
	return path && *path && *path != '/';
}

/* A name without a slash is that of one of the suite's own schedulers. */
static bool is_relative_program(const char *command)
{
	return is_relative(command) && memchr(command, '/', strcspn(command, " "));
}

static void put_directory(FILE *f, const char *scheduler)
{
	char cwd[PATH_MAX];

	if (!is_relative(env_get(ENV_KERNEL)) && !is_relative(env_get("KTSTR_CACHE")) &&
	    !is_relative(env_get("KTSTR_EMULATED_HOST")) && !is_relative_program(scheduler))
		return;
	if (!getcwd(cwd, sizeof(cwd)))
		return;
	fputs("cd ", f);
	put_quoted(f, cwd);
	fputs(" && ", f);
}

static void put_variables(FILE *f)
{
	const char *host = env_get(ENV_HOST_AGAIN) ?: env_get("KTSTR_HOST");
	size_t i;

	for (i = 0; i < ARRAY_SIZE(variables); i++)
		if (env_get(variables[i]))
			put_variable(f, variables[i], env_get(variables[i]));
	if (host)
		put_variable(f, "KTSTR_HOST", host);
}

/* Return: @command, which was written by @f; or NULL */
static char *end(FILE *f, char **command)
{
	bool bad = ferror(f);

	bad |= fclose(f) != 0;
	if (!bad)
		return *command;
	free(*command);
	return NULL;
}

char *rerun_command(const char *program, const struct scenario *sc, const char *topology,
		    const char *scheduler)
{
	char *command = NULL;
	size_t size;
	FILE *f = open_memstream(&command, &size);

	if (!f)
		return NULL;
	put_directory(f, scheduler);
	if (!scheduler && env_get(ENV_SCHEDULER))
		fputs("env -u " ENV_SCHEDULER " ", f);
	put_variables(f);
	/* Without it, the program has only the quick ones. */
	if (!sc->quick)
		put_variable(f, "KTSTR_FULL", "1");
	put_variable(f, ENV_TOPOLOGY, topology);
	if (scheduler)
		put_variable(f, ENV_SCHEDULER, scheduler);
	put_quoted(f, program);
	fprintf(f, " -r %s.env.%s", sc->suite, sc->name);
	return end(f, &command);
}

char *rerun_test(const char *program, const char *test)
{
	static const char * const env_variant[] = { ENV_TOPOLOGY, ENV_SCHEDULER };
	char *command = NULL;
	size_t size, i;
	FILE *f = open_memstream(&command, &size);

	if (!f)
		return NULL;
	put_directory(f, env_get(ENV_SCHEDULER));
	put_variables(f);
	for (i = 0; i < ARRAY_SIZE(env_variant); i++)
		if (env_get(env_variant[i]))
			put_variable(f, env_variant[i], env_get(env_variant[i]));
	put_quoted(f, program);
	fprintf(f, " -r %s", test);
	return end(f, &command);
}
