// SPDX-License-Identifier: GPL-2.0
/* What a play comes to when there is no guest for it; the catalogue has those with one. */
#include <linux/kernel.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "results_dir.h"
#include "stage.h"
#include "testutil.h"

static const struct scenario sound = {
	.suite = "some", .name = "sound", .bug = "none",
	.workers = { { .name = "spin", .count = 1 } },
};

static const struct scenario mistaken = {
	.suite = "some", .name = "mistaken", .bug = "none",
	.workers = { { .name = "spin", .cgroup = "nowhere", .count = 1 } },
};

static const struct scenario wide = {
	.suite = "some", .name = "wide", .bug = "none", .min_cpus = 64,
	.workers = { { .name = "spin", .count = 1 } },
	.limits = { .idle = 40, .spread = UNLIMITED },
};

static const struct scenario leaving = {
	.suite = "some", .name = "leaving", .bug = "none",
	.workers = { { .name = "spin", .count = 1 } },
	.steps = { HOLD(50), LEAVE() },
};

static const struct scenario foreign = {
	.suite = "some", .name = "foreign", .bug = "none",
	.programs = { {
		"bench", "ktstr-no-such-program", { "ktstr-no-such-program" }, .package = "nowhere",
	} },
	.steps = { RUN("bench"), WAIT("bench") },
};

static const struct suite suite = {
	.name = "some", .text = "some", .limits = { .gap_ms = 250, .idle = 30 },
};

FIXTURE(stage)
{
	struct stage stage;
	struct findings *findings;
};

FIXTURE_SETUP(stage)
{
	self->findings = calloc(1, sizeof(*self->findings));
	ASSERT_NE(NULL, self->findings);
	setenv(ENV_KERNEL, "/nowhere/vmlinux", 1);
}

FIXTURE_TEARDOWN(stage)
{
	stage_end(&self->stage);
	free(self->findings);
}

static enum verdict play(struct stage *stage, const struct scenario *sc, const char *topology,
			 struct findings *findings)
{
	const struct play play = { .suite = &suite, .sc = sc, .topology = topology };

	return stage_play(stage, &play, findings);
}

static bool says(const struct findings *findings, const char *check, const char *text)
{
	const struct finding *f = check_find(findings, check, NULL);

	return f && strstr(f->text, text);
}

TEST_F(stage, mistakes_fail)
{
	EXPECT_EQ(VERDICT_FAIL, play(&self->stage, &mistaken, "1n1l2c1t", self->findings));
	EXPECT_EQ(true, says(self->findings, "scenario", "nowhere"));
	EXPECT_EQ(VERDICT_FAIL, play(&self->stage, &sound, "1n1l2c", self->findings));
	EXPECT_EQ(true, says(self->findings, "scenario", "1n1l2c"));
	EXPECT_EQ(1, self->findings->nr);
}

/* Before a guest boots, which takes longer than to say so */
TEST_F(stage, bad_duration_fails)
{
	setenv("KTSTR_DURATION", "abc", 1);
	EXPECT_EQ(VERDICT_FAIL, play(&self->stage, &sound, "1n1l2c1t", self->findings));
	EXPECT_EQ(true, says(self->findings, "scenario", "KTSTR_DURATION=abc"));
	EXPECT_EQ(1, self->findings->nr);
}

TEST_F(stage, what_does_not_fit_is_skipped)
{
	EXPECT_EQ(VERDICT_SKIP, play(&self->stage, &wide, "1n1l2c1t", self->findings));
	EXPECT_EQ(true, says(self->findings, "scenario", "64"));
	EXPECT_EQ(VERDICT_SKIP, play(&self->stage, &leaving, "1n1l2c1t", self->findings));
	EXPECT_EQ(true, says(self->findings, "scenario", "EEVDF cannot leave"));
	EXPECT_EQ(VERDICT_SKIP, play(&self->stage, &foreign, "1n1l2c1t", self->findings));
	EXPECT_EQ(true, says(self->findings, "scenario", "program is not installed on this host"));
	EXPECT_EQ(true, says(self->findings, "scenario", "Debian has it in: nowhere"));
}

/* The scenario's before the suite's before the defaults, also where there was no guest */
TEST_F(stage, limits_are_told)
{
	static const char * const limits[] = {
		"\"idle_percent\": *40", "\"gap_ms\": *250", "\"starved_percent\": *10",
		"\"spread_percent\": *null",
	};
	char dir[] = "/tmp/ktstr-stage-XXXXXX";
	size_t i;

	ASSERT_NE(NULL, mkdtemp(dir));
	setenv(ENV_RESULTS, dir, 1);
	EXPECT_EQ(VERDICT_SKIP, play(&self->stage, &wide, "1n1l2c1t", self->findings));
	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		EXPECT_EQ(0, sh("grep -q '%s' %s/some.wide.*.json", limits[i], dir)) {
			TH_LOG("%s", limits[i]);
		}
	}
	unsetenv(ENV_RESULTS);
	sh("rm -rf %s", dir);
}

TEST_F(stage, no_guest_is_no_skip)
{
	EXPECT_EQ(VERDICT_FAIL, play(&self->stage, &sound, "1n1l2c1t", self->findings));
	EXPECT_EQ(true, says(self->findings, "scenario", "/nowhere/vmlinux"));
	EXPECT_EQ('\0', self->stage.topology[0]);
	self->stage.reuse = true;
	EXPECT_EQ(VERDICT_FAIL, play(&self->stage, &sound, "1n1l2c1t", self->findings));
	EXPECT_EQ('\0', self->stage.topology[0]);
}

static void find(struct findings *findings, enum verdict verdict)
{
	const struct finding f = { .check = "gap", .verdict = verdict };

	check_add(findings, &f, "waited");
}

/* Whatever the second play has come to, short of a FAIL: the first was one. */
TEST_F(stage, failures_that_are_not_repeated)
{
	static const enum verdict seconds[] = { VERDICT_SKIP, VERDICT_PASS, VERDICT_INCONCLUSIVE };
	struct findings *again = self->findings;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(seconds); i++) {
		memset(again, 0, sizeof(*again));
		find(again, seconds[i]);
		EXPECT_EQ(VERDICT_INCONCLUSIVE, stage_judge_again(again, "FAIL of old"));
		EXPECT_EQ(VERDICT_INCONCLUSIVE, check_verdict(again));
		EXPECT_EQ(true, again->unrepeated);
		EXPECT_EQ(2, again->nr);
		EXPECT_EQ(seconds[i], again->list[0].verdict);
		EXPECT_EQ(true, says(again, "scenario", "not once more: FAIL of old"));
	}
	memset(again, 0, sizeof(*again));
	EXPECT_EQ(VERDICT_INCONCLUSIVE, stage_judge_again(again, "FAIL of old"));
	EXPECT_EQ(true, again->unrepeated);
}

/* The second one speaks for itself, be it another check that failed. */
TEST_F(stage, failures_that_are_repeated)
{
	find(self->findings, VERDICT_PASS);
	find(self->findings, VERDICT_FAIL);
	EXPECT_EQ(VERDICT_FAIL, stage_judge_again(self->findings, "FAIL of old"));
	EXPECT_EQ(false, self->findings->unrepeated);
	EXPECT_EQ(2, self->findings->nr);
}

TEST_HARNESS_MAIN
