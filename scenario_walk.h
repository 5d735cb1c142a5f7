/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A scenario's steps, walked through on the host: which cgroups are there, who runs and
 * where, which CPUs are online. Part of scenario_check().
 */
#ifndef KTSTR_SCENARIO_WALK_H
#define KTSTR_SCENARIO_WALK_H

#include "scenario.h"

/**
 * scenario_walk() - find mistakes that are in the order of steps
 * @sc: a scenario each part of which is sound by itself
 * @topo: the topology, which it fits
 * @err: names the cgroup, group of workers, program or step, and the field
 *
 * Steps that are repeated are walked through once, and then twice: what comes after them
 * has to be right either way.
 *
 * Return: 0; -EINVAL (ERRMSG_INPUT); -ERANGE (ERRMSG_HOST) if these are more workers, or
 * more of SCHED_DEADLINE, than there can be on this topology.
 */
int scenario_walk(const struct scenario *sc, const struct topology *topo, struct errmsg *err);

#endif /* KTSTR_SCENARIO_WALK_H */
