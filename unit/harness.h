/* SPDX-License-Identifier: GPL-2.0 */
/* kselftest_harness.h for tests that may run on a busy machine */
#ifndef KTSTR_HARNESS_H
#define KTSTR_HARNESS_H

#include "kselftest_harness.h"
#include "patience.h"

/* In seconds, for one that hangs: a test may have to be patient more than once. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	300

#endif /* KTSTR_HARNESS_H */
