/* SPDX-License-Identifier: GPL-2.0 */
/* What several tests expect in the same way */
#ifndef KTSTR_EXPECT_H
#define KTSTR_EXPECT_H

#include <string.h>

#include "harness.h"

/* @text says @part. */
static inline void expect_in(struct __test_metadata *_metadata, const char *part,
			     const char *text)
{
	EXPECT_NE(NULL, strstr(text, part)) TH_LOG("\"%s\" is not in: %s", part, text);
}

#endif /* KTSTR_EXPECT_H */
