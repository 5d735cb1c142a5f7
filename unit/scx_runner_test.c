// SPDX-License-Identifier: GPL-2.0
/* The output of the runner of sched_ext's selftests is taken for what it says. */
#include <linux/kernel.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

#include "scx_runner.h"

#define START(name) "===== START =====\nTEST: " name "\nDESCRIPTION: Verify it\nOUTPUT:\n"
#define END "\n=====  END  =====\n"

static const char whole_run[] =
	START("select_cpu_dfl") "ok 1 select_cpu_dfl # " END
	START("select_cpu_dfl_nodispatch")
	"ERR: select_cpu_dfl_nodispatch.c:50\n"
	"Expected skel->bss->saw_local to be true (0)\n"
	"not ok 2 select_cpu_dfl_nodispatch # " END
	START("hotplug") "ok 3 hotplug # SKIP " END
	START("exit") "Failed to bring CPU offline (Permission denied)ok 12 exit # " END
	START("dsp_local_on") "Failed to bring CPU offline (x)not ok 13 dsp_local_on # " END
	START("reload_loop")
	"\n\n=============================\n\n"
	"RESULTS:\n\nPASSED:  2\nSKIPPED: 1\nFAILED:  2\n";

static const char no_names[] = "TEST:x\nTEST: ";
static const char no_newline[] = "TEST: last";

TEST(results)
{
	static const struct {
		const char *test;
		enum scx_runner_result result;
	} cases[] = {
		{ "select_cpu_dfl", SCX_RUNNER_PASS },
		{ "select_cpu_dfl_nodispatch", SCX_RUNNER_FAIL },
		{ "hotplug", SCX_RUNNER_SKIP },
		/* After a message without an end of line */
		{ "exit", SCX_RUNNER_PASS },
		{ "dsp_local_on", SCX_RUNNER_FAIL },
		/* Begun and not ended; parts of names; one that there is not */
		{ "reload_loop", SCX_RUNNER_NONE },
		{ "select_cpu", SCX_RUNNER_NONE },
		{ "plug", SCX_RUNNER_NONE },
		{ "maximal", SCX_RUNNER_NONE },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		EXPECT_EQ(cases[i].result, scx_runner_result(whole_run, cases[i].test)) {
			TH_LOG("%s", cases[i].test);
		}
	}
}

/* A guest may end in the middle of it: every beginning is read without harm. */
TEST(cut_short)
{
	size_t skip_end = strstr(whole_run, "SKIP ") + strlen("SKIP ") + 1 - whole_run, i;
	enum scx_runner_result result;
	char *copy;

	for (i = 0; i < sizeof(whole_run); i++) {
		copy = strndup(whole_run, i);
		ASSERT_NE(NULL, copy);
		result = scx_runner_result(copy, "hotplug");
		free(copy);
		EXPECT_EQ(i < skip_end ? SCX_RUNNER_NONE : SCX_RUNNER_SKIP, result) {
			TH_LOG("%zu bytes", i);
		}
	}
}

TEST(names)
{
	static const char * const expected[] = {
		"select_cpu_dfl", "select_cpu_dfl_nodispatch", "hotplug", "exit",
		"dsp_local_on", "reload_loop",
	};
	const char *output = whole_run, *name;
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(expected); i++) {
		len = scx_runner_next_test(&output, &name);
		ASSERT_EQ(strlen(expected[i]), len);
		EXPECT_EQ(0, strncmp(expected[i], name, len));
	}
	EXPECT_EQ(0, scx_runner_next_test(&output, &name));
	EXPECT_EQ(0, scx_runner_next_test(&output, &name));
	output = no_names;
	EXPECT_EQ(0, scx_runner_next_test(&output, &name));
	output = no_newline;
	EXPECT_EQ(4, scx_runner_next_test(&output, &name));
}

TEST_HARNESS_MAIN
