/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The share of this host that a guest gets: placed (placement.h) and claimed
 * (host_lock.h), for as long as it lives.
 */
#ifndef KTSTR_HOST_SHARE_H
#define KTSTR_HOST_SHARE_H

#include <linux/types.h>
#include <stdbool.h>

#include "errmsg.h"
#include "host_topology.h"
#include "placement.h"
#include "topology.h"
#include "warnings.h"

/**
 * struct host_share - a guest's share of this host
 * @ht: the host
 * @placement: where the guest's threads run
 * @warnings: what the guest does not get
 * @locks: file descriptors that hold the claims
 * @nr_locks: entries in @locks
 */
struct host_share {
	struct host_topology *ht;
	struct placement placement;
	struct warnings warnings;
	int *locks;
	unsigned int nr_locks;
};

/**
 * struct host_share_config - what to share, and how
 * @root: see host_topology_read()
 * @topo: the guest
 * @performance: CPUs for the guest alone; otherwise together with others
 * @patience_ns: how long to wait while others are in the way, or have taken what
 *	looking at the host takes
 */
struct host_share_config {
	const char *root;
	const struct topology *topo;
	bool performance;
	u64 patience_ns;
};

/**
 * host_share_take() - place a guest on this host and claim its CPUs
 * @sharep: the share, to be given to host_share_release(); NULL on failure
 * @cfg: see struct host_share_config
 * @err: what is missing, and who has it (pid, command)
 *
 * Where the caches that fit best are somebody else's, others are taken. Each attempt
 * looks at the host anew.
 *
 * Return: 0, or a negative errno: always ERRMSG_HOST. -ENODATA: the host does not
 * tell its topology, and will not if asked again; where it is only short of files
 * or memory, it is that errno (contention.h).
 */
int host_share_take(struct host_share **sharep, const struct host_share_config *cfg,
		    struct errmsg *err);

/**
 * host_share_release() - give it back
 * @share: a share whose guest is gone, or NULL
 */
void host_share_release(struct host_share *share);

#endif /* KTSTR_HOST_SHARE_H */
