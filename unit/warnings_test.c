// SPDX-License-Identifier: GPL-2.0
/* Warnings are whole lines, as many as fit. */
#include <string.h>

#include "harness.h"
#include "warnings.h"

TEST(lines)
{
	struct warnings w = {};

	warnings_add(&w, "no %s: %d times slower", "this", 3);
	warnings_add(&w, "no that");
	EXPECT_STREQ("no this: 3 times slower\nno that\n", w.text);
}

TEST(what_does_not_fit)
{
	struct warnings w = {};
	char line[256];
	int i;

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	/* With their newlines they fill the text but for one byte less than a line. */
	for (i = 0; i < 100; i++)
		warnings_add(&w, "%s", line);
	EXPECT_EQ(15 * sizeof(line), strlen(w.text));
	EXPECT_EQ('\n', w.text[strlen(w.text) - 1]);
	/* A short one fits, to the last byte; one byte more does not. */
	warnings_add(&w, "%.255s", line);
	EXPECT_EQ(15 * sizeof(line), strlen(w.text));
	warnings_add(&w, "%.254s", line);
	EXPECT_EQ(sizeof(w.text) - 1, strlen(w.text));
	EXPECT_EQ('\n', w.text[sizeof(w.text) - 2]);
}

TEST_HARNESS_MAIN
