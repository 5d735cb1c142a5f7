/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The CPU topology of a guest: the spec that a user writes, and the places and
 * APIC ids that follow from it. Pure computation.
 *
 * A package is an LLC: the APIC id has the LLC's number above the core's, and
 * guests take the package from the same bits (Intel SDM vol. 3A, 9.9).
 */
#ifndef KTSTR_TOPOLOGY_H
#define KTSTR_TOPOLOGY_H

#include <linux/types.h>

#include "errmsg.h"

#define TOPOLOGY_MAX_NODES	64
#define TOPOLOGY_MAX_CPUS	4096
#define TOPOLOGY_STR_SIZE	48	/* topology_format() fits in it */

/* ACPI 6.5, 5.2.17: a node is at distance 10 from itself; 20 is the custom. */
#define TOPOLOGY_LOCAL_DISTANCE		10
#define TOPOLOGY_REMOTE_DISTANCE	20

/**
 * struct topology - N nodes, L LLCs in all, C cores per LLC, T threads per core
 * @nodes: NUMA nodes; LLCs are dealt to them evenly and in order
 * @llcs: last-level caches in all, a multiple of @nodes
 * @cores: cores per LLC
 * @threads: hardware threads per core
 */
struct topology {
	unsigned int nodes;
	unsigned int llcs;
	unsigned int cores;
	unsigned int threads;
};

/**
 * topology_parse() - read "2n4l4c2t"
 * @spec: the string; nothing may follow the last letter
 * @topo: filled in on success only
 * @err: says which part is wrong and shows a correct example
 *
 * Refused: NULL, an empty string, junk, blanks, signs, leading zeros, a zero
 * count, LLCs that are no multiple of nodes, more than TOPOLOGY_MAX_NODES nodes
 * or TOPOLOGY_MAX_CPUS CPUs.
 *
 * Return: 0, or -EINVAL with @err filled in (ERRMSG_INPUT).
 */
int topology_parse(const char *spec, struct topology *topo, struct errmsg *err);

/**
 * topology_format() - write the spec that topology_parse() reads
 * @topo: a valid topology
 * @buf: at least TOPOLOGY_STR_SIZE bytes
 *
 * Return: @buf.
 */
char *topology_format(const struct topology *topo, char *buf);

/**
 * topology_cpus() - number of CPUs
 * @topo: a valid topology
 */
unsigned int topology_cpus(const struct topology *topo);

/* Where a CPU is: indexes from 0; llc counts over the machine, core in its LLC */
struct topology_place {
	unsigned int node;
	unsigned int llc;
	unsigned int core;
	unsigned int thread;
};

/**
 * topology_place() - where a CPU is
 * @topo: a valid topology
 * @cpu: below topology_cpus()
 */
struct topology_place topology_place(const struct topology *topo, unsigned int cpu);

/**
 * topology_apic_id() - the x2APIC id of a CPU, which is also its KVM vcpu id
 * @topo: a valid topology
 * @cpu: below topology_cpus()
 *
 * llc << (core_bits + thread_bits) | core << thread_bits | thread, each field
 * as wide as its count needs: sparse where a count is no power of two.
 */
u32 topology_apic_id(const struct topology *topo, unsigned int cpu);

/**
 * topology_core_shift() - how many low bits of an APIC id number the thread
 * @topo: a valid topology
 */
unsigned int topology_core_shift(const struct topology *topo);

/**
 * topology_llc_shift() - how many low bits of an APIC id are below the LLC
 * @topo: a valid topology
 */
unsigned int topology_llc_shift(const struct topology *topo);

/**
 * topology_max_apic_id() - the highest x2APIC id in use
 * @topo: a valid topology
 */
u32 topology_max_apic_id(const struct topology *topo);

/**
 * topology_distance() - what the SLIT says between two nodes
 * @topo: a valid topology
 * @from: a node
 * @to: a node
 */
u8 topology_distance(const struct topology *topo, unsigned int from,
		     unsigned int to);

#endif /* KTSTR_TOPOLOGY_H */
