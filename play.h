/* SPDX-License-Identifier: GPL-2.0 */
/* What is to be played: stage.h plays it, result.h tells of it. */
#ifndef KTSTR_PLAY_H
#define KTSTR_PLAY_H

#include "catalogue.h"

/**
 * struct play - one scenario, once
 * @suite: the scenario's
 * @sc: the scenario
 * @topology: as topology_parse() reads it
 * @scheduler: as in struct session_config; NULL for EEVDF
 * @rerun: the command that plays exactly this again
 */
struct play {
	const struct suite *suite;
	const struct scenario *sc;
	const char *topology;
	const char *scheduler;
	const char *rerun;
};

#endif /* KTSTR_PLAY_H */
