// SPDX-License-Identifier: GPL-2.0
/* Programs: what they have to end and to print like, and what else is found */
#include <linux/kernel.h>
#include <signal.h>
#include <string.h>

#include "check_parts.h"
#include "clock.h"
#include "harness.h"

#define EXITED(status)	((status) << 8)

static const struct scenario_program program = {
	.name = "bench",
	.numbers = {
		{ "Time", .max = 2.5, .unit = "s" },
		{ "ops/sec", .min = 1000, .unit = "ops/sec" },
	},
};

#define GOOD	"Time: 2.25 s\n 1200 ops/sec\n"

/* @steal: percent of the CPUs' time; @text: a part of the worst finding's */
struct judged {
	struct check_program end;
	unsigned int overcommit;
	unsigned int steal;
	const char *starved;
	enum verdict verdict;
	const char *text;
};

static const struct judged cases[] = {
	{
		{ .output = GOOD },
		.verdict = VERDICT_PASS,
		.text = "bench ended with exit status 0",
	},
	/* How it ended */
	{
		{ .output = GOOD "no\tspace\n", .wait_status = EXITED(3) },
		.verdict = VERDICT_FAIL,
		.text = "bench ended with exit status 3; the last that it said: \"no?space\"",
	},
	{
		{ .output = GOOD, .wait_status = SIGSEGV },
		.verdict = VERDICT_FAIL,
		.text = "bench was killed by SIGSEGV",
	},
	{
		{ .output = GOOD, .wait_status = SIGKILL },
		.verdict = VERDICT_FAIL,
		.text = "bench was killed by SIGKILL",
	},
	{
		{ .output = "step 1\n", .late = true },
		.verdict = VERDICT_FAIL,
		.text = "bench did not end in time; the last that it said: \"step 1\"",
	},
	{
		{ .late = true },
		.starved = "the host is busy",
		.verdict = VERDICT_INCONCLUSIVE,
		.text = "the host is busy",
	},
	{
		{ .killed = true, .wait_status = SIGKILL },
		.verdict = VERDICT_PASS,
		.text = "bench ran until a step killed it",
	},
	{
		{ .killed = true, .wait_status = EXITED(127), .output = "execute bench: ENOENT" },
		.verdict = VERDICT_FAIL,
		.text = "exit status 127; the last that it said: \"execute bench: ENOENT\"",
	},
	/* What it printed */
	{
		{ .output = "Time: 2.25 s\n" },
		.verdict = VERDICT_FAIL,
		.text = "no number \"ops/sec\" in its output; the last that it said: \"Time: 2",
	},
	{
		{ .output = NULL },
		.starved = "the host is busy",
		.verdict = VERDICT_FAIL,
		.text = "bench: there is no number \"Time\" in its output",
	},
	{
		{ .output = "Time: 2250 ms\n 1200 ops/sec\n" },
		.verdict = VERDICT_FAIL,
		.text = "bench: \"Time\" is in \"ms\", and expected in \"s\"",
	},
	{
		{ .output = "Time: 2.75 s\n 1200 ops/sec\n" },
		.verdict = VERDICT_FAIL,
		.text = "bench: \"Time\" is 2.75 s, expected at most 2.5",
	},
	{
		{ .output = "Time: 2.25\n 999 ops/sec\n" },
		.verdict = VERDICT_FAIL,
		.text = "bench: \"ops/sec\" is 999 ops/sec, expected at least 1000",
	},
	{
		{ .output = "Time: 2.75 s\n 1200 ops/sec\n" },
		.starved = "the host is busy",
		.verdict = VERDICT_INCONCLUSIVE,
		.text = "expected at most 2.5; the host is busy",
	},
	/* With three CPUs of the guest for each of the host's, limits are twice as wide. */
	{
		{ .output = "Time: 4.75 s\n 501 ops/sec\n" },
		.overcommit = 3,
		.verdict = VERDICT_PASS,
		.text = "exit status 0",
	},
	{
		{ .output = "Time: 5.25 s\n 501 ops/sec\n" },
		.overcommit = 3,
		.verdict = VERDICT_FAIL,
		.text = "bench: \"Time\" is 5.25 s, expected at most 5",
	},
	{
		{ .output = "Time: 4.75 s\n 499 ops/sec\n" },
		.overcommit = 3,
		.verdict = VERDICT_FAIL,
		.text = "is 499 ops/sec, expected at least 500",
	},
	/* Or where the guest got a quarter of its CPUs' time */
	{
		{ .output = "Time: 9.75 s\n 251 ops/sec\n" },
		.overcommit = 3,
		.steal = 75,
		.verdict = VERDICT_PASS,
		.text = "exit status 0",
	},
	{
		{ .output = "Time: 9.75 s\n 249 ops/sec\n" },
		.steal = 75,
		.verdict = VERDICT_FAIL,
		.text = "is 249 ops/sec, expected at least 250",
	},
};

TEST(every_end)
{
	static struct cpu_times before, after;
	static struct findings findings;
	const struct finding *f;
	struct topology topo;
	struct errmsg err;
	size_t i;

	ASSERT_EQ(0, topology_parse("1n1l2c1t", &topo, &err));
	after.total_ns[0] = NSEC_PER_SEC;
	after.total_ns[1] = NSEC_PER_SEC;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct judged *c = &cases[i];
		const struct check_run run = {
			.topo = &topo, .overcommit = c->overcommit ?: 1,
			.before = &before, .after = &after,
		};
		struct judge j = {
			.run = &run, .findings = &findings, .starved = c->starved,
		};
		struct check_program end = c->end;

		end.program = &program;
		after.steal_ns[0] = c->steal * (NSEC_PER_SEC / 100);
		after.steal_ns[1] = after.steal_ns[0];
		findings.nr = 0;
		check_program(&j, &end);
		f = check_find(&findings, "program", NULL);
		ASSERT_NE(NULL, f);
		EXPECT_EQ(c->verdict, f->verdict) {
			TH_LOG("case %zu: %s", i, f->text);
		}
		EXPECT_NE(NULL, strstr(f->text, c->text)) {
			TH_LOG("case %zu: %s", i, f->text);
		}
	}
}

/* One finding about the end, and one about each number */
TEST(each_number_is_judged)
{
	static struct findings findings;
	const struct check_run run = { .overcommit = 1 };
	struct judge j = { .run = &run, .findings = &findings };
	const struct check_program good = { .program = &program, .output = GOOD };
	const struct check_program bad = { .program = &program, .output = GOOD, .wait_status = 1 };

	check_program(&j, &good);
	EXPECT_EQ(3, findings.nr);
	EXPECT_EQ(VERDICT_PASS, check_verdict(&findings));
	/* Numbers of one that failed mean nothing. */
	check_program(&j, &bad);
	EXPECT_EQ(4, findings.nr);
	EXPECT_EQ(VERDICT_FAIL, check_verdict(&findings));
}

TEST_HARNESS_MAIN
