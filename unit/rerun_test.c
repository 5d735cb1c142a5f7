// SPDX-License-Identifier: GPL-2.0
/* The command that plays a scenario again: a shell makes of it what was meant. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emulated.h"
#include "harness.h"
#include "rerun.h"
#include "testutil.h"

static const struct scenario sc = { .suite = "cpuset", .name = "swap", .quick = true };

FIXTURE(rerun)
{
	char dir[64];
	char program[128];
};

FIXTURE_SETUP(rerun)
{
	clearenv();
	setenv("PATH", "/usr/bin:/bin", 1);
	/* A place that needs quotes, and a program that says what it was given */
	snprintf(self->dir, sizeof(self->dir), "/tmp/ktstr rerun'XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	ASSERT_EQ(0, chdir(self->dir));
	snprintf(self->program, sizeof(self->program), "%s/catalogue", self->dir);
	ASSERT_EQ(0, sh("printf '%%s\\n' '#!/bin/sh' 'echo \"$*\"' %s pwd >catalogue",
			"'env | grep ^KTSTR_ | LC_ALL=C sort'"));
	ASSERT_EQ(0, chmod("catalogue", 0755));
}

FIXTURE_TEARDOWN(rerun)
{
	sh("rm -r \"$PWD\"");
	EXPECT_EQ(false, leaks());
}

/* What the program is given when a shell elsewhere, with @env, runs the command */
static const char *given(const char *program, const char *topology, const char *scheduler,
			 const char *env)
{
	char *command = rerun_command(program, &sc, topology, scheduler);
	static char text[8192];
	FILE *f = fopen("script", "w");
	size_t len;

	fprintf(f, "cd /; %s\n%s\n", env, command);
	fclose(f);
	free(command);
	f = popen("env -i PATH=\"$PATH\" sh script", "r");
	len = fread(text, 1, sizeof(text) - 1, f);
	text[len] = '\0';
	pclose(f);
	return text;
}

TEST_F(rerun, plain)
{
	char *command = rerun_command("/opt/c", &sc, "1n2l4c2t", "scx_simple");

	EXPECT_STREQ("KTSTR_TOPOLOGY=1n2l4c2t KTSTR_SCHEDULER=scx_simple /opt/c -r cpuset.env.swap",
		     command);
	free(command);
	command = rerun_command("/opt/catalogue", &sc, "1n2l4c2t", NULL);
	EXPECT_STREQ("KTSTR_TOPOLOGY=1n2l4c2t /opt/catalogue -r cpuset.env.swap", command);
	free(command);
	EXPECT_STREQ("-r cpuset.env.swap\nKTSTR_SCHEDULER=scx_simple -v 'a' $(b) \"c\\\n"
		     "KTSTR_TOPOLOGY=1n1l1c1t,mem=1G:1G\n/\n",
		     given(self->program, "1n1l1c1t,mem=1G:1G",
			   "scx_simple -v 'a' $(b) \"c\\", ""));
}

/* Those that are not quick are there if all are asked for. */
TEST_F(rerun, not_quick)
{
	const struct scenario full = { .suite = "rt", .name = "hog" };
	char *command = rerun_command("/c", &full, "1n1l2c1t", NULL);

	EXPECT_STREQ("KTSTR_FULL=1 KTSTR_TOPOLOGY=1n1l2c1t /c -r rt.env.hog", command);
	free(command);
}

TEST_F(rerun, variables)
{
	setenv("KTSTR_KERNEL", "/k k", 1);
	/* As if it were not set */
	setenv("KTSTR_CMDLINE", "", 1);
	setenv("KTSTR_DURATION", "5", 1);
	setenv("KTSTR_PERFORMANCE", "1", 1);
	setenv("KTSTR_LACKS", "rt nice", 1);
	setenv("KTSTR_TOPOLOGY", "1n1l1c1t", 1);
	setenv("KTSTR_SCHEDULER", "scx_other", 1);
	setenv("KTSTR_HOST", "native", 1);
	/* EEVDF was played, though the environment has a scheduler. */
	EXPECT_STREQ("-r cpuset.env.swap\nKTSTR_DURATION=5\nKTSTR_HOST=native\n"
		     "KTSTR_KERNEL=/k k\nKTSTR_LACKS=rt nice\nKTSTR_PERFORMANCE=1\n"
		     "KTSTR_TOPOLOGY=2n2l2c1t\n/\n",
		     given(self->program, "2n2l2c1t", NULL,
			   "export KTSTR_SCHEDULER=scx_other KTSTR_DURATION=1"));
}

/* It was on the emulated host, where guests are native ones; a real one may do without. */
TEST_F(rerun, emulated_host)
{
	char *command;

	setenv("KTSTR_HOST", "native", 1);
	setenv(ENV_HOST_AGAIN, "emulated", 1);
	command = rerun_command("/opt/c", &sc, "1n2l4c2t", NULL);
	EXPECT_STREQ("KTSTR_HOST=emulated KTSTR_TOPOLOGY=1n2l4c2t /opt/c -r cpuset.env.swap",
		     command);
	free(command);
	unsetenv("KTSTR_HOST");
	unsetenv(ENV_HOST_AGAIN);
	command = rerun_command("/opt/c", &sc, "1n2l4c2t", NULL);
	EXPECT_STREQ("KTSTR_TOPOLOGY=1n2l4c2t /opt/c -r cpuset.env.swap", command);
	free(command);
}

/* A test that is no scenario: the environment is all there is to it. */
TEST_F(rerun, no_scenario)
{
	char *command = rerun_test("/opt/my work", "work.1n1l1c1t.every_type");

	EXPECT_STREQ("'/opt/my work' -r work.1n1l1c1t.every_type", command);
	free(command);
	setenv("KTSTR_KERNEL", "/k", 1);
	setenv("KTSTR_TOPOLOGY", "1n1l2c1t", 1);
	setenv("KTSTR_SCHEDULER", "./scx_a -v", 1);
	setenv(ENV_HOST_AGAIN, "emulated", 1);
	command = rerun_test("/opt/work", "work.env.every_type");
	EXPECT_EQ(0, strncmp("cd '/tmp/ktstr rerun'", command, 21));
	EXPECT_NE(NULL, strstr(command, "' && KTSTR_KERNEL=/k KTSTR_HOST=emulated KTSTR_TOPO"));
	EXPECT_NE(NULL, strstr(command, " KTSTR_TOPOLOGY=1n1l2c1t KTSTR_SCHEDULER='./scx_a -v' "));
	EXPECT_NE(NULL, strstr(command, "' /opt/work -r work.env.every_type"));
	free(command);
}

/* Where a path is relative, it is to be run where it was. */
TEST_F(rerun, relative_paths)
{
	char want[512];

	snprintf(want, sizeof(want), "-r cpuset.env.swap\nKTSTR_SCHEDULER=./scx_a b/c\n"
		 "KTSTR_TOPOLOGY=1n1l1c1t\n%s\n", self->dir);
	EXPECT_STREQ(want, given(self->program, "1n1l1c1t", "./scx_a b/c", ""));
	EXPECT_NE(NULL, strstr(given(self->program, "1n1l1c1t", "scx_a b/c", ""), "\n/\n"));
	setenv("KTSTR_KERNEL", "vmlinux", 1);
	snprintf(want, sizeof(want), "-r cpuset.env.swap\nKTSTR_KERNEL=vmlinux\n"
		 "KTSTR_TOPOLOGY=1n1l1c1t\n%s\n", self->dir);
	EXPECT_STREQ(want, given(self->program, "1n1l1c1t", NULL, ""));
}

/* The harness takes "-r" for one test, as rerun.c counts on. */
FIXTURE(one)
{
	int unused;
};

FIXTURE_VARIANT(one)
{
	int unused;
};

FIXTURE_VARIANT_ADD(one, env) { };
FIXTURE_VARIANT_ADD(one, other) { };
FIXTURE_SETUP(one) { }
FIXTURE_TEARDOWN(one) { }
TEST_F(one, test) { }
TEST_F(one, test2) { }

TEST(harness_runs_one)
{
	char own[PATH_MAX] = {};

	ASSERT_LT(0, readlink("/proc/self/exe", own, sizeof(own) - 1));
	EXPECT_EQ(0, sh("[ \"$('%s' -r one.env.test | grep ^ok)\" = 'ok 1 one.env.test' ]", own));
}

TEST_HARNESS_MAIN
