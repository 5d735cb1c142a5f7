/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the runner of the tree's sched_ext selftests prints, read. For each test:
 *
 *	===== START =====
 *	TEST: hotplug
 *	DESCRIPTION: Verify hotplug behavior
 *	OUTPUT:
 *	(what the test writes)
 *	ok 1 hotplug # SKIP
 *	=====  END  =====
 */
#ifndef KTSTR_SCX_RUNNER_H
#define KTSTR_SCX_RUNNER_H

#include <stdbool.h>
#include <stddef.h>

/**
 * enum scx_runner_result - what became of a test
 * @SCX_RUNNER_NONE: the output has no result for it
 * @SCX_RUNNER_PASS: "ok"
 * @SCX_RUNNER_SKIP: "ok", with the directive SKIP
 * @SCX_RUNNER_FAIL: "not ok"
 */
enum scx_runner_result {
	SCX_RUNNER_NONE,
	SCX_RUNNER_PASS,
	SCX_RUNNER_SKIP,
	SCX_RUNNER_FAIL,
};

/**
 * scx_runner_result() - the result of one test
 * @output: what the runner printed, on stdout and stderr
 * @test: the test's name
 *
 * Return: the last result of @test in @output.
 */
enum scx_runner_result scx_runner_result(const char *output, const char *test);

/**
 * scx_runner_next_test() - walk over the tests that the runner names
 * @output: what it printed; afterwards where to go on
 * @name: the test's name, not NUL-terminated
 *
 * Return: the length of the name, or 0 if there are no more.
 */
size_t scx_runner_next_test(const char **output, const char **name);

#endif /* KTSTR_SCX_RUNNER_H */
