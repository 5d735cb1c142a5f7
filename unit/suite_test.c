// SPDX-License-Identifier: GPL-2.0
/* What scenarios/ktstr_test.h adds to the harness: this program is a suite, too. */
#include <limits.h>
#include <stdlib.h>

#include "scenarios/ktstr_test.h"
#include "testutil.h"

/* Set where this program is to do as suites do */
#define ENV_AS_SUITE	"KTSTR_AS_SUITE"

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

FIXTURE(end) { };
FIXTURE_VARIANT(end) { int unused; };
FIXTURE_VARIANT_ADD(end, env) { };
FIXTURE_SETUP(end) { }
FIXTURE_TEARDOWN(end) { }

static bool as_suite(void)
{
	return getenv(ENV_AS_SUITE);
}

TEST_F(end, passes)
{
}

TEST_F(end, skips)
{
	if (as_suite())
		SKIP(return, "as it is to");
}

TEST_F(end, expects)
{
	EXPECT_EQ(false, as_suite());
}

TEST_F(end, asserts)
{
	ASSERT_EQ(false, as_suite());
}

TEST_F(end, is_killed)
{
	if (as_suite())
		raise(SIGKILL);
}

/* However a test fails, the line before its result is how to run it again. */
TEST(reruns_are_told)
{
	char own[PATH_MAX] = {};
	unsigned int i;
	static const char * const fail[] = { "expects", "asserts", "is_killed" };
	static const char * const other[] = { "passes", "skips" };

	ASSERT_LT(0, readlink("/proc/self/exe", own, sizeof(own) - 1));
	for (i = 0; i < ARRAY_SIZE(fail); i++) {
		EXPECT_EQ(0, sh("cd / && export KTSTR_TOPOLOGY=1n1l2c1t " ENV_AS_SUITE "=1;"
				"out=$('%s' -r end.env.%s 2>/dev/null) && exit 9;"
				"again=$(echo \"$out\" | sed -n 's/^# again: //p');"
				"echo \"$again\" | grep -q 'KTSTR_TOPOLOGY=1n1l2c1t ' || exit 8;"
				"unset KTSTR_TOPOLOGY;"
				"[ \"$(eval \"$again\" 2>/dev/null)\" = \"$out\" ]",
				own, fail[i])) {
			TH_LOG("%s", fail[i]);
		}
	}
	for (i = 0; i < ARRAY_SIZE(other); i++) {
		EXPECT_EQ(0, sh("out=$(" ENV_AS_SUITE "=1 '%s' -r end.env.%s 2>&1);"
				"echo \"$out\" | grep -q '^ok 1' || exit 9;"
				"! echo \"$out\" | grep again:", own, other[i])) {
			TH_LOG("%s", other[i]);
		}
	}
}

int main(int argc, char **argv)
{
	if (as_suite())
		ktstr_tell_reruns();
	return test_harness_run(argc, argv);
}
