// SPDX-License-Identifier: GPL-2.0
/* Numbers in what programs print */
#include <errno.h>
#include <linux/kernel.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

#include "output.h"
#include "program_output.h"

OUTPUT(stress_ng);
OUTPUT(fio);
OUTPUT(perf_messaging);
OUTPUT(perf_pipe);
OUTPUT(hackbench);
OUTPUT(cyclictest);
OUTPUT(cyclictest_json);
OUTPUT(schbench);

/* stress-ng 0.15, fio 3.33, perf 6.1, hackbench and cyclictest 2.4; schbench's form */
TEST(real_programs)
{
	static const struct {
		const char *output;
		const char *name;
		double value;
		const char *unit;
	} cases[] = {
		{ output_stress_ng, "cpu", 3929, "" },
		{ output_stress_ng, "cpu#5", 1961.87, "" },
		{ output_stress_ng, "pipe#6", 390939.80, "" },
		{ output_stress_ng, "miscellaneous metrics|pipe", 141.48, "MB" },
		{ output_stress_ng, "successful run completed in", 2.01, "s" },
		{ output_perf_messaging, "Total time", 0.198, "sec" },
		{ output_perf_pipe, "Total time", 0.027, "sec" },
		{ output_perf_pipe, "usecs/op", 5.4874, "usecs/op" },
		{ output_perf_pipe, "ops/sec", 182235, "ops/sec" },
		{ output_hackbench, "Time", 0.147, "" },
		{ output_cyclictest, "Max", 94, "" },
		{ output_cyclictest, "I", 1000, "" },
		{ output_cyclictest_json, "thread.0.max", 104, "" },
		{ output_cyclictest_json, "thread.0.avg", 71.42, "" },
		{ output_fio, "jobs.0.read.iops", 15606.393606, "" },
		{ output_fio, "jobs.0.read.clat_ns.percentile.99.000000", 107008, "" },
		{ output_fio, "jobs.0.error", 0, "" },
		{ output_schbench, "Wakeup Latencies|99.0th", 22, "" },
		{ output_schbench, "Request Latencies|99.0th", 4248, "" },
		{ output_schbench, "Request Latencies|max", 9340, "" },
		{ output_schbench, "RPS percentiles|50.0th", 1202, "" },
		{ output_schbench, "average rps", 1201.10, "" },
	};
	struct program_number number;
	struct errmsg err;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_EQ(0, program_output_find(cases[i].output, cases[i].name, &number, &err)) {
			TH_LOG("case %zu: %s", i, err.text);
		}
		EXPECT_EQ(true, number.value == cases[i].value) {
			TH_LOG("case %zu, %s: %f", i, cases[i].name, number.value);
		}
		EXPECT_STREQ(cases[i].unit, number.unit);
	}
}

TEST(forms_of_text)
{
	static const struct {
		const char *text;
		const char *name;
		double value;
		const char *unit;
	} cases[] = {
		{ "time: 12.3 ms\n", "time", 12.3, "ms" },
		{ "time=12.3ms", "time", 12.3, "ms" },
		{ "time\t12.3", "time", 12.3, "" },
		{ "time : -1e3 [sec]", "time", -1000, "sec" },
		{ "rate: 15.6k", "rate", 15.6, "k" },
		{ "load: .5 %", "load", 0.5, "%" },
		{ "99.0th: 7 (40 samples)", "99.0th", 7, "" },
		/* Not a part of another word */
		{ "99.0th: 7\n9.0th: 8", "9.0th", 8, "" },
		{ "real-time: 1\nuptime: 2\ntimes: 3\ntime: 4", "time", 4, "" },
		/* The first that has a number */
		{ "time: none\ntime, 4\ntime 5\ntime 6", "time", 5, "" },
		/* What follows a number is its name only if nothing else is. */
		{ "2 cpu, 1 pipe\ncpu 7", "cpu", 7, "" },
		{ "2 cpu, 1 pipe\n", "pipe", 1, "pipe" },
		{ "a 1 2 3 4 5 6 7 8 9", "a#9", 9, "" },
		{ "a 1 b 2\na 3 4", "a#2", 4, "" },
		{ "x: 1\nhead\nx: 2\nhead\nx: 3\nx: 4", "head|x", 3, "" },
		/* No JSON after all */
		{ "{\ntime: 5\n}", "time", 5, "" },
		{ "a { b\ntime: 5", "time", 5, "" },
		{ "min=1, max=2 us", "min", 1, "" },
		{ "min: 1 max: 2 us", "min", 1, "" },
		{ "min: 1 max: 2 us", "max", 2, "us" },
		/* A unit has an end. */
		{ "time: 1 abcdefghijklmnopqrstuvwxyz", "time", 1, "abcdefghijklmnopqrstuvw" },
	};
	struct program_number number;
	struct errmsg err;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		EXPECT_EQ(0, program_output_find(cases[i].text, cases[i].name, &number, &err)) {
			TH_LOG("case %zu: %s", i, err.text);
		}
		EXPECT_EQ(true, number.value == cases[i].value) {
			TH_LOG("case %zu: %f", i, number.value);
		}
		EXPECT_STREQ(cases[i].unit, number.unit);
	}
}

TEST(forms_of_json)
{
	static const struct {
		const char *text;
		const char *name;
		double value;
	} cases[] = {
		{ "{\"a\": 1}", "a", 1 },
		{ "warning: x: 3\n{\"a\": {\"b\": [1, 2.5]}}\ntrailer", "a.b.1", 2.5 },
		{ "{\"a\": {\"1.5\": 2}}", "a.1.5", 2 },
		{ "{\"a\": 1, \"a.b\": 2}", "a.b", 2 },
		{ "{\"a.b\": 2, \"a\": 1}", "a.b", 2 },
		{ "{\"ab\": 1, \"a\": {\"b\": 2}}", "a.b", 2 },
		{ "{\"a\": 1, \"a\": 2}", "a", 2 },
	};
	struct program_number number;
	struct errmsg err;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		EXPECT_EQ(0, program_output_find(cases[i].text, cases[i].name, &number, &err)) {
			TH_LOG("case %zu: %s", i, err.text);
		}
		EXPECT_EQ(true, number.value == cases[i].value) {
			TH_LOG("case %zu: %f", i, number.value);
		}
		EXPECT_STREQ("", number.unit);
	}
}

/* What is missing is named. */
TEST(no_such_number)
{
	static const struct {
		const char *text;
		const char *name;
		const char *said;
	} cases[] = {
		{ "", "time", "no number \"time\"" },
		{ "time", "time", "no number" },
		{ "time: nan", "time", "no number" },
		{ "time: inf", "time", "no number" },
		{ "time: 0x10", "time", "no number" },
		{ "time: 1e999", "time", "no number" },
		{ "time: soon 5", "time", "no number" },
		{ "time:\n5", "time", "no number" },
		{ "5\ntime", "time", "no number" },
		{ "a 1 2", "a#3", "no number \"a#3\"" },
		{ "1 a 2 a", "a#2", "no number" },
		{ "x: 1", "head|x", "no number \"head|x\"" },
		{ "head x: 1\n", "head|x", "no number" },
		{ "x: 1", "|x", "no number" },
		{ "x: 1", "", "no number \"\"" },
		{ "{\"a\": 1}", "b", "no number \"b\"" },
		{ "{\"a\": 1}", "a.b", "no number" },
		{ "{\"a\": \"1\"}", "a", "no number" },
		{ "{\"a\": {\"b\": 1}}", "a", "no number" },
		{ "{\"a\": [1]}", "a.1", "no number" },
		{ "{\"a\": [1]}", "a.x", "no number" },
		{ "{\"a\": [1]}", "a.0x", "no number" },
		{ "{\"a\": [1]}", "a.99999999999999999999", "no number" },
		{ "{\"a\": 1}", "", "no number" },
		/* In JSON only its own names count. */
		{ "{\"a\": {\"time\" : 1 }}\ntime: 5", "time", "no number" },
		{ "{\"a\": 1", "a", "begins like JSON but is none" },
		{ "{\"a\": 1e999}", "a", "begins like JSON but is none" },
	};
	struct program_number number;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct errmsg err = {};

		EXPECT_EQ(-ENOENT, program_output_find(cases[i].text, cases[i].name, &number,
						       &err)) {
			TH_LOG("case %zu: %f", i, number.value);
		}
		EXPECT_NE(NULL, strstr(err.text, cases[i].said)) {
			TH_LOG("case %zu: %s", i, err.text);
		}
	}
}

/* Whoever floods us, or nests without end, costs no more than a failed check. */
TEST(too_much)
{
	char *text = malloc(PROGRAM_OUTPUT_MAX + 2);
	struct program_number number;
	struct errmsg err = {};

	ASSERT_NE(NULL, text);
	memset(text, '[', PROGRAM_OUTPUT_MAX + 1);
	text[PROGRAM_OUTPUT_MAX + 1] = '\0';
	EXPECT_EQ(-E2BIG, program_output_find(text, "a", &number, &err));
	EXPECT_NE(NULL, strstr(err.text, "more than 4194304 bytes"));
	memcpy(text, "{\"a\":", 5);
	text[PROGRAM_OUTPUT_MAX] = '\0';
	EXPECT_EQ(-ENOENT, program_output_find(text, "a", &number, &err));
	memset(text, '{', PROGRAM_OUTPUT_MAX);
	EXPECT_EQ(-ENOENT, program_output_find(text, "a", &number, &err));
	memset(text, '7', PROGRAM_OUTPUT_MAX);
	memcpy(text, "a: ", 3);
	EXPECT_EQ(-ENOENT, program_output_find(text, "a", &number, &err));
	free(text);
}

TEST(last_line)
{
	static const struct {
		const char *text;
		const char *line;
	} cases[] = {
		{ "", "" },
		{ "\n\t\n", "" },
		{ "one", "one" },
		{ "one\ntwo\n\n", "two" },
		{ "one\nt\033[1mw\xc3\xb6", "t?[1mw??" },
		{ "0123456789abcdef", "0123456789abcde" },
	};
	char line[16];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		EXPECT_STREQ(cases[i].line, program_output_last_line(cases[i].text, line,
								     sizeof(line)));
}

TEST_HARNESS_MAIN
