/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Schedulers against scenarios: is each that is wrong on purpose found wrong, for
 * the reason that is stated of it, and is no other ever blamed? Pure computation:
 * which plays there are, what their verdicts mean, and the text that says so.
 */
#ifndef KTSTR_DETECT_H
#define KTSTR_DETECT_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "catalogue.h"
#include "check.h"
#include "errmsg.h"
#include "fixture_scheds.h"
#include "schedulers.h"
#include "stage.h"

#define DETECT_NAME_SIZE	32
#define DETECT_COMMAND_SIZE	64
#define DETECT_CHECKS_SIZE	96
#define DETECT_SCENARIOS_SIZE	128

/* A play that is INCONCLUSIVE is played again until it was played so often. */
#define DETECT_MAX_TRIES	3

/* How often detect_play() is called for a play that stays so: once more at the end */
#define DETECT_MAX_CALLS	2

/**
 * struct detect_config - what is asked for
 * @field: only faulty schedulers whose bug is of a class that is seen in the field
 *	(struct fixture_sched), each in the first of its scenarios
 * @full: KTSTR_FULL=1: all schedulers in all scenarios
 * @rounds: KTSTR_ROUNDS: how often each scheduler plays in each of its scenarios
 * @shard: KTSTR_SHARD=SHARD/NR: which part of the plays, from 1
 * @nr_shards: see @shard
 * @scheduler: KTSTR_SCHEDULER: one more, as in struct session_config; or NULL
 * @kernel: KTSTR_KERNEL: whose EEVDF is one more; or NULL
 * @cmdline: KTSTR_CMDLINE: for that kernel, or for the usual one, whose EEVDF is
 *	one more then; or NULL
 * @expect_fail: KTSTR_EXPECT=fail: these two are to be found wrong
 */
struct detect_config {
	bool field;
	bool full;
	unsigned int rounds;
	unsigned int shard;
	unsigned int nr_shards;
	const char *scheduler;
	const char *kernel;
	const char *cmdline;
	bool expect_fail;
};

/**
 * detect_config() - read what is asked for from the environment
 * @cfg: filled in; points into the environment
 * @err: which variable is wrong, and how it should be (ERRMSG_INPUT)
 *
 * That files exist is not checked.
 *
 * Return: 0 or -EINVAL.
 */
int detect_config(struct detect_config *cfg, struct errmsg *err);

/**
 * struct detect_tables - what a plan is made of
 * @scheds: the suite's own schedulers
 * @nr_scheds: how many
 * @tree: as schedulers_tree[]
 * @suites: as catalogue[]
 * @nr_suites: how many
 */
struct detect_tables {
	const struct fixture_sched *scheds;
	size_t nr_scheds;
	const struct scheduler *tree;
	const struct suite *const *suites;
	size_t nr_suites;
};

/**
 * struct detect_row - a scheduler
 * @name: unique; a word
 * @command: as in struct session_config; NULL for EEVDF
 * @faulty: it is to be found wrong
 * @check: of a faulty one: which has to FAIL; NULL for any of check_run()'s, and, if
 *	@other_kernel, for "guest"
 * @scenarios: of a faulty one: those that are to catch it, separated by blanks; NULL
 *	for all that it plays in
 * @min_llcs: see struct fixture_sched
 * @min_nodes: likewise
 * @other_kernel: it runs on the kernel of struct detect_config
 * @own_command: for @command
 * @own_scenarios: for @scenarios
 */
struct detect_row {
	char name[DETECT_NAME_SIZE];
	const char *command;
	bool faulty;
	const char *check;
	const char *scenarios;
	unsigned int min_llcs;
	unsigned int min_nodes;
	bool other_kernel;
	char own_command[DETECT_COMMAND_SIZE];
	char own_scenarios[DETECT_SCENARIOS_SIZE];
};

/* A scenario */
struct detect_column {
	const struct suite *suite;
	const struct scenario *sc;
};

/**
 * struct detect_result - how a play ended
 * @played: it was played
 * @verdict: of the last try. Of a faulty scheduler it is INCONCLUSIVE if its stated
 *	check is, even if others have failed.
 * @stated: it is a FAIL, and the check that is stated of the scheduler, or one that
 *	will do if none is, is among those that failed
 * @ms: how long it took, all tries
 * @unrepeated: tries that failed, but not when they were played once more (stage_play())
 * @checks: those with that verdict, if it is FAIL or INCONCLUSIVE: "gap,latency"
 */
struct detect_result {
	bool played;
	enum verdict verdict;
	bool stated;
	unsigned int ms;
	unsigned int unrepeated;
	char checks[DETECT_CHECKS_SIZE];
};

/**
 * struct detect_play - a scheduler in a scenario, once
 * @row: which scheduler
 * @column: which scenario
 * @round: from 1
 * @topology: where; a constant, as topology_parse() reads it
 * @result: filled in by detect_judge() or detect_read()
 */
struct detect_play {
	u16 row;
	u16 column;
	u16 round;
	const char *topology;
	struct detect_result result;
};

/**
 * struct detect_plan - all plays, those that can share a guest beside each other
 * @rows: the schedulers
 * @nr_rows: how many
 * @columns: the scenarios
 * @nr_columns: how many
 * @rounds: how often
 * @plays: the plays
 * @nr_plays: how many
 */
struct detect_plan {
	struct detect_row *rows;
	size_t nr_rows;
	struct detect_column *columns;
	size_t nr_columns;
	unsigned int rounds;
	struct detect_play *plays;
	size_t nr_plays;
};

/**
 * detect_plan() - which plays there are
 * @plan: filled in on success; to be given to detect_plan_free()
 * @cfg: what is asked for; has to live as long as @plan
 * @tables: likewise
 * @err: which entry of a table is wrong, as no scenario has this name, or no
 *	topology has what scheduler and scenario need
 *
 * Each play gets the topology that the catalogue has for its scenario and what its
 * scheduler's fault needs. Of several shards, each scheduler that is to be found
 * wrong has the scenarios of its class in one.
 *
 * Return: 0 or a negative errno.
 */
int detect_plan(struct detect_plan *plan, const struct detect_config *cfg,
		const struct detect_tables *tables, struct errmsg *err);

/**
 * detect_plan_left() - reduce a plan to a part of what has not been played
 * @plan: a plan
 * @part: which part, from 1
 * @nr_parts: of how many, of about equal work
 */
void detect_plan_left(struct detect_plan *plan, unsigned int part, unsigned int nr_parts);

/* Give back what a plan has; it may be all zero. */
void detect_plan_free(struct detect_plan *plan);

/* The row of this name, or NULL */
const struct detect_row *detect_row(const struct detect_plan *plan, const char *name);

/**
 * detect_counts() - does this play decide whether its faulty scheduler is caught?
 * @plan: a plan
 * @play: one of its plays
 *
 * Return: false for a scheduler that is not to be found wrong, and for scenarios
 * that are not of its class.
 */
bool detect_counts(const struct detect_plan *plan, const struct detect_play *play);

/**
 * detect_judge() - what the findings mean for a scheduler
 * @row: the scheduler
 * @verdict: the verdict
 * @findings: what it is made of
 * @result: filled in but for its time and what is of all tries
 */
void detect_judge(const struct detect_row *row, enum verdict verdict,
		  const struct findings *findings, struct detect_result *result);

/**
 * detect_play() - play, again if it was not decided (DETECT_MAX_TRIES), and judge
 * @plan: a plan
 * @play: one of its plays; its result becomes that of the last try; @ms and @unrepeated of
 *	it are added to
 * @play_fn: stage_play(), or a test's
 * @stage: for @play_fn
 * @rerun: see struct play
 *
 * Return: 0 or -ENOMEM.
 */
int detect_play(const struct detect_plan *plan, struct detect_play *play,
		enum verdict (*play_fn)(struct stage *stage, const struct play *what,
					struct findings *findings),
		struct stage *stage, const char *rerun);

/**
 * detect_write() - a play's result in one line, fields separated by tabs
 * @plan: a plan
 * @play: one of its plays, which was played
 * @f: where to
 */
void detect_write(const struct detect_plan *plan, const struct detect_play *play, FILE *f);

/**
 * detect_read() - take in a line of detect_write()
 * @plan: a plan
 * @line: with its newline; it is changed
 *
 * Return: whether it was one, whole, about one of the plan's plays. The last one
 * counts.
 */
bool detect_read(struct detect_plan *plan, char *line);

/**
 * struct detect_sum - the result of all
 * @faulty: schedulers that are to be found wrong
 * @caught: those found wrong in every round: in at least one scenario of their class,
 *	by the check that is stated
 * @judged: plays of the others that were a PASS or a FAIL
 * @blamed: those that were a FAIL
 * @unjudged: others that have no such play, though the plan has all of theirs
 * @inconclusive: plays of all that were INCONCLUSIVE to the last; they neither
 *	catch nor blame
 * @unrepeated: tries of all that failed, but not once more
 * @skipped: plays of all that were a SKIP
 * @missing: plays that were not played
 */
struct detect_sum {
	size_t faulty;
	size_t caught;
	size_t judged;
	size_t blamed;
	size_t unjudged;
	size_t inconclusive;
	size_t unrepeated;
	size_t skipped;
	size_t missing;
};

/* Sum up what was played. */
struct detect_sum detect_sum(const struct detect_plan *plan);

/* Is all well: everything played, all caught, everybody else judged, and nobody blamed? */
bool detect_sum_good(const struct detect_sum *sum);

/**
 * detect_report() - the matrix, all that is not as it should be, and the two lines
 * @plan: a plan with what was played
 * @cfg: what it was made from
 * @f: where to
 */
void detect_report(const struct detect_plan *plan, const struct detect_config *cfg, FILE *f);

/**
 * detect_seconds() - how long plays take
 * @plan: a plan; what was played of it tells how long the rest takes
 * @emulated: guests run on the emulated host
 * @left: only what has not been played
 *
 * Return: seconds, if one is played after the other.
 */
unsigned int detect_seconds(const struct detect_plan *plan, bool emulated, bool left);

#endif /* KTSTR_DETECT_H */
