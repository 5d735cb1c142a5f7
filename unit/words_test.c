// SPDX-License-Identifier: GPL-2.0
#include <stddef.h>

#include "harness.h"
#include "words.h"

TEST(whole_words_only)
{
	EXPECT_FALSE(words_have(NULL, "gap", ' '));
	EXPECT_FALSE(words_have("", "gap", ' '));
	EXPECT_TRUE(words_have("gap", "gap", ' '));
	EXPECT_TRUE(words_have("workers gap", "gap", ' '));
	EXPECT_TRUE(words_have("  workers  gap ", "gap", ' '));
	EXPECT_FALSE(words_have("gaps ga", "gap", ' '));
	EXPECT_FALSE(words_have("workers,gap", "gap", ' '));
	EXPECT_TRUE(words_have("workers,gap", "gap", ','));
}

TEST_HARNESS_MAIN
