/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The CPU and memory topology of a guest: the spec that a user writes, and the
 * places, APIC ids and numbers for tables that follow from it. Pure computation.
 *
 * A spec is "<N>n<L>l<C>c<T>t": NUMA nodes, LLCs in all, cores per LLC, threads
 * per core. Parts may follow, each after a comma, in any order:
 *
 *	llcs=2:1:0		LLCs of each node, if not dealt evenly; a node that
 *				has none is memory only, as CXL memory is; such
 *				nodes come last, as Linux numbers them
 *	mem=1G:1G:4G		RAM of each node, in M, G or T; one value: of every node
 *	dist=0-1:31		distance between two nodes, both ways; or
 *	dist=10:31:31:10	all of them, row by row, as "numactl -H" shows them
 *	lat=0-0:80,lat=0-2:250	ns from the CPUs of a node to the RAM of another (HMAT)
 *	bw=0-2:32000		MB/s, a multiple of 100; both are written as dist= is
 *	mscache=0:0:512M	memory-side cache of each node; 0: none
 *	llcshift=8		low bits of an APIC id below the LLC, if more than the
 *				counts of cores and threads need
 *
 * A package is an LLC: the APIC id has the LLC's number above the core's, and
 * guests take the package from the same bits (Intel SDM vol. 3A, 9.9).
 */
#ifndef KTSTR_TOPOLOGY_H
#define KTSTR_TOPOLOGY_H

#include <linux/types.h>
#include <stdbool.h>

#include "errmsg.h"

#define TOPOLOGY_MAX_NODES	64
#define TOPOLOGY_MAX_CPUS	4096
#define TOPOLOGY_STR_SIZE	256	/* for topology_format() */

/* ACPI 6.5, 5.2.17: a node is at distance 10 from itself; 20 is the custom. */
#define TOPOLOGY_LOCAL_DISTANCE		10
#define TOPOLOGY_REMOTE_DISTANCE	20

/* The same document: 255 is "unreachable", which no node of a guest is. */
#define TOPOLOGY_MAX_DISTANCE		254

/*
 * ACPI 6.5, 5.2.28.4: HMAT has 16 bits for a value, of which 0xffff is
 * "unreachable". In units of 1 ns and of 100 MB/s every real machine fits.
 */
#define TOPOLOGY_MAX_LATENCY		65534U
#define TOPOLOGY_BANDWIDTH_UNIT		100U
#define TOPOLOGY_MAX_BANDWIDTH		(65534U * TOPOLOGY_BANDWIDTH_UNIT)

/* SDM vol. 2A, CPUID.04H: a cache is shared by at most 4096 APIC ids. */
#define TOPOLOGY_MAX_LLC_SHIFT		12

/* A value per ordered pair of nodes; 0: not given */
struct topology_pairs {
	u16 val[TOPOLOGY_MAX_NODES][TOPOLOGY_MAX_NODES];
};

/**
 * struct topology - N nodes, L LLCs in all, C cores per LLC, T threads per core
 * @nodes: NUMA nodes; LLCs are dealt to them in order
 * @llcs: last-level caches in all; a multiple of @nodes, unless @uneven
 * @cores: cores per LLC
 * @threads: hardware threads per core
 * @llc_shift: what llcshift= asks for, or 0
 * @uneven: @node_llcs says how many LLCs each node has
 * @node_llcs: see @uneven
 * @node_mib: RAM of each node in MiB, multiples of 2; 0 in all nodes: not given
 * @cache_mib: memory-side cache of each node in MiB; 0: none
 * @distance: what dist= asks for
 * @latency: ns
 * @bandwidth: TOPOLOGY_BANDWIDTH_UNIT MB/s
 *
 * Plain data, which may be copied. Where all but the four counts is zero, it is
 * what a spec without further parts means. Fields that have an accessor below are
 * read by that: it knows what is meant where nothing was given.
 */
struct topology {
	unsigned int nodes;
	unsigned int llcs;
	unsigned int cores;
	unsigned int threads;
	unsigned int llc_shift;
	bool uneven;
	u16 node_llcs[TOPOLOGY_MAX_NODES];
	u32 node_mib[TOPOLOGY_MAX_NODES];
	u32 cache_mib[TOPOLOGY_MAX_NODES];
	struct topology_pairs distance;
	struct topology_pairs latency;
	struct topology_pairs bandwidth;
};

/**
 * topology_parse() - read a spec: "2n4l4c2t", "3n2l4c1t,llcs=1:1:0,mem=1G:1G:4G"
 * @spec: the string; nothing may follow the last part
 * @topo: filled in on success only
 * @err: says which part is wrong and shows a correct example
 *
 * Refused: NULL, an empty string, junk, blanks, signs, leading zeros, a zero
 * count, LLCs that do not fit the nodes, more than TOPOLOGY_MAX_NODES nodes or
 * TOPOLOGY_MAX_CPUS CPUs, anything given twice, values that no table or leaf can
 * hold, latencies between nodes neither of which has a CPU.
 *
 * Return: 0, or -EINVAL with @err filled in (ERRMSG_INPUT).
 */
int topology_parse(const char *spec, struct topology *topo, struct errmsg *err);

/**
 * topology_format() - write the spec that topology_parse() reads
 * @topo: a valid topology
 * @buf: at least TOPOLOGY_STR_SIZE bytes; ends in "..." if that is too small
 *
 * Return: @buf.
 */
char *topology_format(const struct topology *topo, char *buf);

/**
 * topology_cpus() - number of CPUs
 * @topo: a valid topology
 */
unsigned int topology_cpus(const struct topology *topo);

/**
 * topology_node_cpus() - number of CPUs of a node; 0 if it is memory only
 * @topo: a valid topology
 * @node: below @topo->nodes
 */
unsigned int topology_node_cpus(const struct topology *topo, unsigned int node);

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
 * llc << topology_llc_shift() | core << topology_core_shift() | thread: sparse
 * where a count is no power of two, and where the LLC's shift is wider than needed.
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
 *
 * As many as the cores and threads of an LLC need, or what llcshift= asks for:
 * APIC ids may be sparser than their counts (Intel SDM vol. 3A, 9.9.3.2).
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

/**
 * topology_latency() - how far the RAM of a node is from the CPUs of another
 * @topo: a valid topology
 * @from: a node
 * @to: a node
 *
 * Return: ns, or 0 if nothing is said about it, or @from has no CPUs.
 */
unsigned int topology_latency(const struct topology *topo, unsigned int from,
			      unsigned int to);

/* The same for bandwidth, in MB/s */
unsigned int topology_bandwidth(const struct topology *topo, unsigned int from,
				unsigned int to);

/**
 * topology_node_memory() - the RAM that the spec gives a node
 * @topo: a valid topology
 * @node: below @topo->nodes
 *
 * Return: bytes; 0 if the spec says nothing about memory.
 */
u64 topology_node_memory(const struct topology *topo, unsigned int node);

/* All nodes' RAM in bytes; 0 if the spec says nothing about memory */
u64 topology_memory(const struct topology *topo);

/* Bytes of a node's memory-side cache; 0 if it has none */
u64 topology_node_cache(const struct topology *topo, unsigned int node);

/**
 * topology_has_hmat() - is there anything that only an HMAT can say?
 * @topo: a valid topology
 */
bool topology_has_hmat(const struct topology *topo);

#endif /* KTSTR_TOPOLOGY_H */
