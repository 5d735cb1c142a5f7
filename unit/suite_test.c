// SPDX-License-Identifier: GPL-2.0
/* What scenarios/ktstr_test.h adds to the harness: this program is a suite, too. */
#include <stdlib.h>

#include "scenarios/ktstr_test.h"

FIXTURE(suite) { };
FIXTURE_SETUP(suite) { }
FIXTURE_TEARDOWN(suite) { }

/* A test lasts as long as workers run, which may be twice for it. */
TEST_F_TIMEOUT(suite, timeout_follows_duration, KTSTR_TEST_TIMEOUT)
{
	static const struct {
		const char *duration;
		int more;
	} cases[] = {
		{ "1000", 2000 }, { "3600", 7200 }, { "1", 2 },
		/* The tests say what is wrong with it. */
		{ "", 0 }, { "x", 0 }, { "3601", 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		_metadata->timeout = KTSTR_TEST_TIMEOUT;
		setenv("KTSTR_DURATION", cases[i].duration, 1);
		ktstr_follow_duration();
		EXPECT_EQ(KTSTR_TEST_TIMEOUT + cases[i].more, _metadata->timeout) {
			TH_LOG("KTSTR_DURATION=%s", cases[i].duration);
		}
	}
}

TEST_HARNESS_MAIN
