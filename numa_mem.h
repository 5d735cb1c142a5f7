/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guest RAM per NUMA node: where each node's memory lies in the guest's
 * physical address space, and the host memory behind it.
 */
#ifndef KTSTR_NUMA_MEM_H
#define KTSTR_NUMA_MEM_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "errmsg.h"
#include "topology.h"
#include "warnings.h"

/* Every node may be split once, around the device gap. */
#define NUMA_MEM_MAX_REGIONS	(TOPOLOGY_MAX_NODES + 1)

/**
 * struct mem_region - contiguous guest RAM of one node; one KVM memory slot
 * @node: the node
 * @gpa: guest physical address
 * @size: in bytes
 * @hva: where it is mapped in this process; NULL before numa_mem_map()
 */
struct mem_region {
	unsigned int node;
	u64 gpa;
	u64 size;
	void *hva;
};

/**
 * struct numa_mem - all RAM of a guest
 * @nr_regions: regions in use, in ascending order of @gpa
 * @regions: the regions
 * @size: RAM in all
 * @reservation: the address range that holds all regions, or NULL
 */
struct numa_mem {
	unsigned int nr_regions;
	struct mem_region regions[NUMA_MEM_MAX_REGIONS];
	u64 size;
	void *reservation;
};

/**
 * enum numa_mem_pages - what backs guest RAM
 * @NUMA_MEM_THP: ordinary memory, for which the host is advised to use huge pages
 * @NUMA_MEM_SMALL: ordinary memory, in small pages
 * @NUMA_MEM_HUGETLB: the host's pool of 2 MiB pages; if it is too small, as
 *	NUMA_MEM_THP, with a warning
 * @NUMA_MEM_HUGETLB_ONLY: the pool, or nothing
 */
enum numa_mem_pages {
	NUMA_MEM_THP,
	NUMA_MEM_SMALL,
	NUMA_MEM_HUGETLB,
	NUMA_MEM_HUGETLB_ONLY,
};

#define NUMA_MEM_ANY_NODE	(-1)

/**
 * struct numa_mem_config - the host memory behind a layout
 * @pages: see enum numa_mem_pages; pages from the pool are always populated
 * @populate: get all memory now, and not with the guest's first touch
 * @bind: @host_node counts
 * @host_node: for each node of the guest, the host's node that its memory comes
 *	from, or NUMA_MEM_ANY_NODE; hosts that have one node only are left alone
 */
struct numa_mem_config {
	enum numa_mem_pages pages;
	bool populate;
	bool bind;
	int host_node[TOPOLOGY_MAX_NODES];
};

/**
 * numa_mem_layout() - deal RAM to nodes, around the device gap
 * @mem: filled in
 * @topo: the topology; where it gives the nodes' sizes, @size is not used
 * @size: RAM in all, in bytes; rounded down to 2 MiB per node
 * @err: says how much would have been right
 *
 * Nodes come in ascending order. Without sizes of their own they get equal
 * shares; the last one takes the rest.
 *
 * Return: 0, or -EINVAL if a node would get less than 2 MiB, or all of them
 * more than any CPU can address.
 */
int numa_mem_layout(struct numa_mem *mem, const struct topology *topo,
		    u64 size, struct errmsg *err);

/**
 * numa_mem_top() - the first address above all RAM
 * @mem: a layout
 */
u64 numa_mem_top(const struct numa_mem *mem);

/**
 * numa_mem_map() - give the layout host memory
 * @mem: a layout; its regions get their hva
 * @cfg: see struct numa_mem_config; NULL for one that is all zero
 * @w: what @cfg asks for and the host does not have, and what that means, is added;
 *	NULL if @cfg is
 * @err: what failed
 *
 * One reservation, one mapping per region in it, so that a single unmap ends
 * all. Where nothing else was asked for, memory is not populated: pages come with
 * the guest's first touch. Memory is bound before it is populated, because pages
 * stay where they are.
 *
 * Return: 0 or a negative errno (ERRMSG_HOST when memory is short).
 */
int numa_mem_map(struct numa_mem *mem, const struct numa_mem_config *cfg,
		 struct warnings *w, struct errmsg *err);

/**
 * numa_mem_free_huge_pages() - how many 2 MiB pages the host's pool can give
 *
 * Return: pages that are neither used nor promised; 0 if there is no pool.
 */
u64 numa_mem_free_huge_pages(void);

/**
 * numa_mem_register() - one KVM memory slot per region
 * @mem: a mapped layout
 * @vm_fd: the VM
 * @err: what failed
 *
 * Return: 0 or a negative errno.
 */
int numa_mem_register(const struct numa_mem *mem, int vm_fd, struct errmsg *err);

/**
 * numa_mem_unmap() - drop the host memory; safe on an unmapped layout
 * @mem: the layout; must not be registered with a live VM any more
 */
void numa_mem_unmap(struct numa_mem *mem);

/**
 * numa_mem_ptr() - guest physical to host address, checked
 * @mem: a mapped layout
 * @gpa: guest physical address
 * @len: bytes that must all be RAM and contiguous in the host
 *
 * Return: the host address, or NULL if any byte is not RAM of one region.
 */
void *numa_mem_ptr(const struct numa_mem *mem, u64 gpa, u64 len);

/**
 * numa_mem_map_file() - let a file's pages be guest RAM, until written to
 * @mem: a mapped layout; the guest does not run yet
 * @gpa: guest physical address of the first byte
 * @fd: the file, which must not change as long as the mapping lives
 * @len: bytes from the file's beginning, all RAM of one region
 *
 * What was in RAM there is gone. numa_mem_unmap() ends this mapping, too.
 *
 * Return: 0 or a negative errno, with RAM as it was: -EINVAL if @gpa, @len or
 * the pages that RAM is made of (huge ones) do not allow it.
 */
int numa_mem_map_file(const struct numa_mem *mem, u64 gpa, int fd, u64 len);

#endif /* KTSTR_NUMA_MEM_H */
