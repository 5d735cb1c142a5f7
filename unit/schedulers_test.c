// SPDX-License-Identifier: GPL-2.0
/* What whoever brings a scheduler says that it does not do, by design. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

#include "fixture_scheds.h"
#include "schedulers.h"

TEST(declared_for_a_program_from_outside)
{
	static const struct {
		const char *command;
		const char *lacks;
	} cases[] = {
		{ "/opt/scx_foo", "rt  cpu.weight" },
		{ "./scx_foo --fast", "rt  cpu.weight" },
		{ "/opt/scx_simple", "rt  cpu.weight" },
		/* What is known of the suite's own is not for others to say. */
		{ "scx_foo", NULL },
		{ "scx_qmap", "nice cpu.weight cpu.max llc numa" },
		{ "scx_ktstr --policy numa", "nice cpu.weight cpu.max" },
		{ NULL, NULL },
	};
	struct scheduler sched;
	struct errmsg err;
	size_t i;

	setenv(ENV_LACKS, "rt  cpu.weight", 1);
	EXPECT_EQ(0, schedulers_check_lacks(&err));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		schedulers_find(cases[i].command, &sched);
		EXPECT_STREQ(cases[i].lacks ?: "", sched.lacks ?: "") {
			TH_LOG("%s", cases[i].command);
		}
		EXPECT_EQ(!sched.lacks, !sched.lacks_reason);
	}
}

TEST(nothing_declared)
{
	struct scheduler sched;
	struct errmsg err;

	unsetenv(ENV_LACKS);
	EXPECT_EQ(0, schedulers_check_lacks(&err));
	schedulers_find("/opt/scx_foo", &sched);
	EXPECT_EQ(NULL, sched.lacks);
	setenv(ENV_LACKS, "", 1);
	EXPECT_EQ(0, schedulers_check_lacks(&err));
	schedulers_find("/opt/scx_simple", &sched);
	EXPECT_STREQ("nice cpu.weight cpu.max llc numa hotplug rt", sched.lacks);
}

TEST(unknown_words)
{
	static const char * const unknown[] = { "weight", "rt cpu", "RT", "rt,nice", "nice x" };
	struct errmsg err;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(unknown); i++) {
		setenv(ENV_LACKS, unknown[i], 1);
		EXPECT_EQ(-EINVAL, schedulers_check_lacks(&err)) {
			TH_LOG("\"%s\"", unknown[i]);
		}
		EXPECT_EQ(ERRMSG_INPUT, err.kind);
		EXPECT_NE(NULL, strstr(err.text, "KTSTR_LACKS=")) {
			TH_LOG("%s", err.text);
		}
		EXPECT_NE(NULL, strstr(err.text,
				       "nice cpu.weight cpu.max llc numa hotplug rt overcommit"));
	}
	EXPECT_NE(NULL, strstr(err.text, "\"x\""));
}

/* The words of the suite's own are known, too. */
TEST(known_words)
{
	const struct scheduler *sched;
	struct errmsg err;
	size_t i;

	for (sched = schedulers_tree; sched->name; sched++) {
		setenv(ENV_LACKS, sched->lacks ?: "", 1);
		EXPECT_EQ(0, schedulers_check_lacks(&err)) {
			TH_LOG("%s: %s", sched->name, err.text);
		}
	}
	for (i = 0; i < nr_fixture_scheds; i++) {
		setenv(ENV_LACKS, fixture_scheds[i].lacks ?: "", 1);
		EXPECT_EQ(0, schedulers_check_lacks(&err)) {
			TH_LOG("%s: %s", fixture_scheds[i].name, err.text);
		}
	}
}

TEST(made_by_the_build)
{
	EXPECT_TRUE(schedulers_is_built("scx_simple"));
	EXPECT_TRUE(schedulers_is_built("scx_ktstr"));
	EXPECT_FALSE(schedulers_is_built("scx_ktstr_fifo"));
	EXPECT_FALSE(schedulers_is_built("eevdf"));
	EXPECT_FALSE(schedulers_is_built(""));
}

TEST_HARNESS_MAIN
