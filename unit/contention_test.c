// SPDX-License-Identifier: GPL-2.0
/* What the host is short of is waited for, within bounds; all else is not. */
#include <errno.h>
#include <linux/kernel.h>
#include <string.h>

#include "clock.h"
#include "contention.h"
#include "harness.h"

TEST(what_is_not_contention)
{
	static const int errnums[] = { EINVAL, ENOENT, ERANGE, EOPNOTSUPP, EFAULT, ENODATA };
	struct contention c = {};
	struct errmsg err;
	u64 start = clock_ns();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(errnums); i++) {
		errmsg_set(&err, ERRMSG_HOST, errnums[i], "x");
		EXPECT_FALSE(contention_wait(&c, PATIENCE_NS, -errnums[i], &err));
		EXPECT_EQ(NULL, strstr(err.text, "tried"));
	}
	/* Whoever says that it is a failure knows. */
	errmsg_set(&err, ERRMSG_FAILED, EBUSY, "x");
	EXPECT_FALSE(contention_wait(&c, PATIENCE_NS, -EBUSY, &err));
	errmsg_set(&err, ERRMSG_HOST, EBUSY, "x");
	EXPECT_FALSE(contention_wait(&c, 0, -EBUSY, &err));
	EXPECT_EQ(NULL, strstr(err.text, "tried"));
	EXPECT_GT(PATIENCE_NS, clock_ns() - start);
}

TEST(bounded)
{
	static const int errnums[] = { ENOMEM, EBUSY, EMFILE, ENFILE, EAGAIN, ENOSPC };
	const u64 patience = 100 * NSEC_PER_MSEC;
	unsigned int tries;
	struct errmsg err;
	u64 start, took;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(errnums); i++) {
		struct contention c = {};

		tries = 1;
		start = clock_ns();
		errmsg_set(&err, ERRMSG_HOST, errnums[i], "x");
		while (contention_wait(&c, patience, -errnums[i], &err))
			tries++;
		took = clock_ns() - start;
		EXPECT_LE(patience, took);
		/* 10, 20, 40 ms, and the 30 that are left */
		EXPECT_LE(2, tries);
		EXPECT_GE(5, tries);
		EXPECT_EQ(ERRMSG_HOST, err.kind);
		EXPECT_NE(NULL, strstr(err.text, "; tried "));
		EXPECT_NE(NULL, strstr(err.text, strerrorname_np(errnums[i])));
	}
}

TEST_HARNESS_MAIN
