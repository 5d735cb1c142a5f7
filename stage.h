/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where scenarios are played: a guest is booted, the scheduler loaded, the
 * scenario run and judged, and the result written. Where asked, the next play on
 * the same topology gets the same guest, once that is proved clean.
 */
#ifndef KTSTR_STAGE_H
#define KTSTR_STAGE_H

#include <linux/types.h>
#include <stdbool.h>

#include "check.h"
#include "play.h"
#include "session.h"

/**
 * struct stage - where scenarios are played; all zero at first
 * @reuse: guests are kept for the next play on the same topology
 * @session: the guest that is kept
 * @topology: its topology, as it was asked for; empty if there is none
 * @program: the scheduler's that it was booted for
 * @plays: how many scenarios it has seen
 * @since_ns: when the last play began, by its clock; 0 for one with which it was booted
 */
struct stage {
	bool reuse;
	struct session session;
	char topology[TOPOLOGY_STR_SIZE];
	char program[PATH_MAX];
	unsigned int plays;
	u64 since_ns;
};

/**
 * stage_play() - play a scenario and judge the scheduler
 * @stage: where
 * @play: what
 * @findings: filled in. Besides those of check_run() there may be: "load", that the
 *	scheduler could not be loaded; "guest", that the guest or the conversation with
 *	it failed; "scenario", that it has a mistake, does not fit the topology
 *	(SKIP), or that this host cannot play it (SKIP).
 *
 * Prints diagnostic lines: what was played, all findings that are no PASS, and how to
 * play it again if it failed. Writes a file into KTSTR_RESULTS, if that is set.
 *
 * On an emulated host, which may be to blame, what fails is played once more, unless that
 * is certain (struct findings), with a file of its own: @findings are those of the second.
 * If that is no FAIL, they are unrepeated, and one of "scenario" tells of the first, and
 * makes them INCONCLUSIVE.
 *
 * Return: the verdict.
 */
enum verdict stage_play(struct stage *stage, const struct play *play, struct findings *findings);

/**
 * stage_judge_again() - the verdict on a play that was a FAIL, and was played once more
 * @again: findings of the second play; where they are no FAIL, what stage_play() says of
 *	that is added
 * @first: what was wrong in the first, in one line
 *
 * Pure computation; a part of stage_play().
 *
 * Return: VERDICT_FAIL or VERDICT_INCONCLUSIVE.
 */
enum verdict stage_judge_again(struct findings *again, const char *first);

/**
 * stage_end() - end the guest that is kept, if any
 * @stage: where
 */
void stage_end(struct stage *stage);

#endif /* KTSTR_STAGE_H */
