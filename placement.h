/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which of a host's CPUs a guest gets: CPUs of its own in performance mode, a
 * budget that others may use too in shared mode. Pure computation.
 */
#ifndef KTSTR_PLACEMENT_H
#define KTSTR_PLACEMENT_H

#include <linux/bits.h>
#include <linux/types.h>

#include "cpulist.h"
#include "errmsg.h"
#include "host_topology.h"
#include "topology.h"

/* What a placement lacks, as bits; see placement_warning() */
#define PLACEMENT_THREADS_AS_CORES	BIT(0)
#define PLACEMENT_SIBLINGS_APART	BIT(1)
#define PLACEMENT_MIXED_KINDS		BIT(2)
#define PLACEMENT_NODES_SHARED		BIT(3)
#define PLACEMENT_NODE_SPLIT		BIT(4)
#define PLACEMENT_SERVICE_ON_SIBLING	BIT(5)
#define PLACEMENT_WARNINGS		6

/**
 * enum llc_claim - how a last-level cache of the host is used
 * @LLC_FREE: not at all
 * @LLC_SHARED: together with others
 * @LLC_EXCLUSIVE: by this guest alone
 */
enum llc_claim {
	LLC_FREE,
	LLC_SHARED,
	LLC_EXCLUSIVE,
};

/**
 * struct llc_state - what others do with a last-level cache of the host
 * @busy: must not be used, as somebody else's claim excludes ours
 * @users: how many guests share it
 */
struct llc_state {
	bool busy;
	unsigned int users;
};

/**
 * struct placement - where a guest's threads run
 * @pinned: each vCPU has the CPU in @cpus for itself; if not, all use @service
 * @cpus: the host CPU of each vCPU
 * @service: where the VMM's own threads run
 * @claims: an enum llc_claim for each of the host's last-level caches
 * @warnings: PLACEMENT_... bits
 */
struct placement {
	bool pinned;
	u16 cpus[TOPOLOGY_MAX_CPUS];
	struct cpu_set service;
	u8 claims[TOPOLOGY_MAX_CPUS];
	unsigned int warnings;
};

/**
 * placement_dedicate() - performance mode: a CPU for each vCPU
 * @p: filled in
 * @topo: the guest
 * @ht: the host
 * @llcs: state of each last-level cache of the host; NULL if all are free
 * @err: what does not fit, with numbers
 *
 * Every LLC of the guest gets one of the host for itself, in which its cores
 * are cores, and threads of a core are threads of a core. A guest's core with
 * one thread gets a whole core: the other threads of that stay idle. One more
 * CPU is kept for the VMM's own threads: of an idle core in these LLCs; else
 * in an LLC that is then shared; else, with a warning, the sibling of a vCPU.
 *
 * Preferred, each for a warning less: whole cores over threads, one kind of
 * CPU over a mixture, a host node for each node of the guest.
 *
 * Return: 0; -ERANGE if this host is too small; -EBUSY if it is not, but for
 * what others use (both ERRMSG_HOST).
 */
int placement_dedicate(struct placement *p, const struct topology *topo,
		       const struct host_topology *ht, const struct llc_state *llcs,
		       struct errmsg *err);

/**
 * placement_share() - shared mode: as many CPUs as the guest has, near each other
 * @p: filled in
 * @topo: the guest
 * @ht: the host
 * @llcs: state of each last-level cache of the host; NULL if all are free
 * @err: how many CPUs others have for themselves
 *
 * Whole LLCs: those with the fewest users, and of these the nearest to each
 * other. If the host is smaller than the guest it is all of the host.
 *
 * Return: 0; -EBUSY if there are fewer CPUs only because others have some for
 * themselves (ERRMSG_HOST).
 */
int placement_share(struct placement *p, const struct topology *topo,
		    const struct host_topology *ht, const struct llc_state *llcs,
		    struct errmsg *err);

/**
 * placement_host_node() - where the memory of a guest's node belongs
 * @p: from placement_dedicate()
 * @topo: the guest
 * @ht: the host
 * @node: a node of the guest
 *
 * Return: number of the host's node, or -1 (NUMA_MEM_ANY_NODE) if none is better
 * than another: the node has no CPUs, or its CPUs are in several nodes of the
 * host or anywhere.
 */
int placement_host_node(const struct placement *p, const struct topology *topo,
			const struct host_topology *ht, unsigned int node);

/**
 * placement_warning() - what a warning means for what is measured
 * @bit: below PLACEMENT_WARNINGS
 */
const char *placement_warning(unsigned int bit);

#endif /* KTSTR_PLACEMENT_H */
