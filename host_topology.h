/* SPDX-License-Identifier: GPL-2.0 */
/*
 * This host's CPUs, caches and nodes, as sysfs describes them, and which of
 * them this process may use.
 */
#ifndef KTSTR_HOST_TOPOLOGY_H
#define KTSTR_HOST_TOPOLOGY_H

#include <linux/types.h>

#include "cpulist.h"
#include "errmsg.h"

#define HOST_MAX_NODES	128

/**
 * enum host_cpu_kind - how fast a CPU is meant to be
 * @HOST_CPU_NORMAL: as all others, or a performance core of a hybrid machine
 * @HOST_CPU_EFFICIENT: an efficiency core of a hybrid machine
 */
enum host_cpu_kind {
	HOST_CPU_NORMAL,
	HOST_CPU_EFFICIENT,
	HOST_CPU_KINDS,
};

/**
 * struct host_cpu - where an online CPU is
 * @core: number of the lowest online CPU of its core
 * @llc: index of its last-level cache
 * @node: index of its node
 * @kind: an enum host_cpu_kind
 */
struct host_cpu {
	u16 core;
	u16 llc;
	u16 node;
	u16 kind;
};

/**
 * struct host_llc - a last-level cache
 * @first: number of its lowest online CPU, which names it (host_lock.h)
 * @node: index of its node
 */
struct host_llc {
	u16 first;
	u16 node;
};

/**
 * struct host_node - a NUMA node
 * @id: its number, as in nodeN
 * @free_huge: huge pages of 2 MiB that are free in it
 */
struct host_node {
	unsigned int id;
	u64 free_huge;
};

/**
 * struct host_topology - a host
 * @online: CPUs that are online
 * @allowed: those of them that the calling thread may use; never empty
 * @cpus: by number; valid for CPUs in @online
 * @nr_llcs: entries in @llcs
 * @llcs: last-level caches, in the order of their lowest CPU
 * @nr_nodes: entries in @nodes
 * @nodes: online nodes, with and without CPUs, in ascending order
 * @distances: between nodes, by index
 */
struct host_topology {
	struct cpu_set online;
	struct cpu_set allowed;
	struct host_cpu cpus[TOPOLOGY_MAX_CPUS];
	unsigned int nr_llcs;
	struct host_llc llcs[TOPOLOGY_MAX_CPUS];
	unsigned int nr_nodes;
	struct host_node nodes[HOST_MAX_NODES];
	u8 distances[HOST_MAX_NODES][HOST_MAX_NODES];
};

/**
 * host_topology_read() - read the topology of a host
 * @root: what stands for /, below which are proc and sys; "" for this host
 * @err: names the file that is missing or malformed (ERRMSG_HOST)
 *
 * The last-level cache is that of the highest level that CPU has. Where a cache
 * spans nodes it counts as one per node, as for the kernel's scheduler: so it is
 * with sub-NUMA clustering, whose CPUID does not tell that the cache is divided.
 * A CPU without caches in sysfs, as in some virtual machines, is taken to share
 * one with all such CPUs of its package and node.
 *
 * Allowed is what both the affinity of the calling thread and the effective
 * cpuset of its cgroup (version 2) allow; version 1 acts on the affinity alone.
 * No directory of nodes means one node; no huge pages, none that are free; no
 * list of efficiency cores, that there are none.
 *
 * Return: to be given to free(), or NULL with @err filled in and errno set.
 */
struct host_topology *host_topology_read(const char *root, struct errmsg *err);

#endif /* KTSTR_HOST_TOPOLOGY_H */
