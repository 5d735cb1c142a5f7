// SPDX-License-Identifier: GPL-2.0
/* Errors for people: text, errno names, prefixes, and what is too long. */
#include <errno.h>
#include <string.h>

#include "errmsg.h"
#include "harness.h"

FIXTURE(errmsg) {
	struct errmsg err;
	char guard[16];
};

FIXTURE_SETUP(errmsg)
{
	memset(self, 0x5a, sizeof(*self));
}

FIXTURE_TEARDOWN(errmsg)
{
	size_t i;

	for (i = 0; i < sizeof(self->guard); i++)
		EXPECT_EQ(0x5a, self->guard[i]);
}

TEST_F(errmsg, with_errno)
{
	EXPECT_EQ(-ENOENT, errmsg_set(&self->err, ERRMSG_HOST, ENOENT, "opening %s", "/x"));
	EXPECT_EQ(ERRMSG_HOST, self->err.kind);
	EXPECT_STREQ("opening /x: ENOENT (No such file or directory)", self->err.text);
}

TEST_F(errmsg, without_errno)
{
	EXPECT_EQ(-EINVAL, errmsg_set(&self->err, ERRMSG_INPUT, 0, "%d is %s", 7, "odd"));
	EXPECT_EQ(ERRMSG_INPUT, self->err.kind);
	EXPECT_STREQ("7 is odd", self->err.text);
}

TEST_F(errmsg, unknown_errno)
{
	EXPECT_EQ(-4000, errmsg_set(&self->err, ERRMSG_FAILED, 4000, "this"));
	EXPECT_EQ(ERRMSG_FAILED, self->err.kind);
	EXPECT_STREQ("this: unknown errno (?)", self->err.text);
}

/* errno is what callers hand in, and must survive as what they return. */
TEST_F(errmsg, errno_as_argument)
{
	errno = EMFILE;
	EXPECT_EQ(-EMFILE, errmsg_set(&self->err, ERRMSG_HOST, errno, "%s", ""));
	EXPECT_STREQ(": EMFILE (Too many open files)", self->err.text);
}

TEST_F(errmsg, prefixes)
{
	errmsg_set(&self->err, ERRMSG_HOST, 0, "%s", "inner");
	errmsg_prefix(&self->err, "%s %u", "middle", 2);
	errmsg_prefix(&self->err, "outer");
	EXPECT_STREQ("outer: middle 2: inner", self->err.text);
	EXPECT_EQ(ERRMSG_HOST, self->err.kind);
}

TEST_F(errmsg, too_long_is_cut)
{
	char text[2 * ERRMSG_SIZE];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	EXPECT_EQ(-EIO, errmsg_set(&self->err, ERRMSG_FAILED, EIO, "%s", text));
	EXPECT_EQ(ERRMSG_SIZE - 1, strnlen(self->err.text, ERRMSG_SIZE));

	errmsg_prefix(&self->err, "start");
	EXPECT_EQ(ERRMSG_SIZE - 1, strnlen(self->err.text, ERRMSG_SIZE));
	EXPECT_EQ(0, strncmp(self->err.text, "start: aaa", 10));

	errmsg_prefix(&self->err, "%s", text);
	EXPECT_EQ(ERRMSG_SIZE - 1, strnlen(self->err.text, ERRMSG_SIZE));
}

/* The errno's name goes first when there is room for a part of it only. */
TEST_F(errmsg, errno_at_the_end_of_the_room)
{
	char text[ERRMSG_SIZE];

	memset(text, 'a', sizeof(text));
	text[ERRMSG_SIZE - 6] = '\0';
	EXPECT_EQ(-EIO, errmsg_set(&self->err, ERRMSG_FAILED, EIO, "%s", text));
	EXPECT_STREQ(": EIO", self->err.text + ERRMSG_SIZE - 6);
}

TEST_HARNESS_MAIN
