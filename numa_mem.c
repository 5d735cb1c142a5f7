// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/kernel.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "memory_map.h"
#include "numa_mem.h"

/* A huge page, so that neither a node nor a mapping ever shares one */
#define NODE_ALIGN	((u64)SZ_2M)

/* No x86 processor has wider physical addresses (SDM vol. 3A, 4.1.4) */
#define MAX_PHYS_BITS	52

static void add_region(struct numa_mem *mem, unsigned int node, u64 gpa, u64 size)
{
	mem->regions[mem->nr_regions++] = (struct mem_region) {
		.node = node,
		.gpa = gpa,
		.size = size,
	};
}

int numa_mem_layout(struct numa_mem *mem, const struct topology *topo,
		    u64 size, struct errmsg *err)
{
	u64 share = size / topo->nodes & ~(NODE_ALIGN - 1);
	u64 gpa = 0;
	unsigned int i;

	memset(mem, 0, sizeof(*mem));
	if (!share)
		return errmsg_set(err, ERRMSG_INPUT, EINVAL,
				  "guest memory of %llu bytes for %u nodes: a node needs at least 2 MiB; give the guest more memory, %u MiB at the least",
				  (unsigned long long)size, topo->nodes, 2 * topo->nodes);

	if (size > 1ULL << MAX_PHYS_BITS)
		return errmsg_set(err, ERRMSG_INPUT, EINVAL,
				  "guest memory of %llu bytes: no CPU has more than %u bits of physical address",
				  (unsigned long long)size, MAX_PHYS_BITS);

	for (i = 0; i < topo->nodes; i++) {
		u64 left = share;

		if (i == topo->nodes - 1)
			left = (size & ~(NODE_ALIGN - 1)) - mem->size;
		mem->size += left;
		if (gpa < MAP_GAP_START && gpa + left > MAP_GAP_START) {
			add_region(mem, i, gpa, MAP_GAP_START - gpa);
			left -= MAP_GAP_START - gpa;
			gpa = MAP_GAP_END;
		} else if (gpa == MAP_GAP_START) {
			gpa = MAP_GAP_END;
		}
		add_region(mem, i, gpa, left);
		gpa += left;
	}
	return 0;
}

u64 numa_mem_top(const struct numa_mem *mem)
{
	const struct mem_region *last = &mem->regions[mem->nr_regions - 1];

	return last->gpa + last->size;
}

/* The reservation has room to start on a huge page boundary. */
static u64 reservation_size(const struct numa_mem *mem)
{
	return mem->size + NODE_ALIGN;
}

int numa_mem_map(struct numa_mem *mem, struct errmsg *err)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	unsigned int i;
	char *hva;
	int ret;

	mem->reservation = mmap(NULL, reservation_size(mem), PROT_NONE, flags, -1, 0);
	if (mem->reservation == MAP_FAILED) {
		mem->reservation = NULL;
		return errmsg_set(err, ERRMSG_HOST, errno,
				  "reserving %llu MiB of address space for guest memory (see ulimit -v)",
				  (unsigned long long)(mem->size >> 20));
	}

	hva = (char *)roundup((u64)mem->reservation, NODE_ALIGN);
	for (i = 0; i < mem->nr_regions; i++) {
		struct mem_region *region = &mem->regions[i];

		if (mmap(hva, region->size, PROT_READ | PROT_WRITE, flags | MAP_FIXED,
			 -1, 0) == MAP_FAILED) {
			ret = errmsg_set(err, ERRMSG_HOST, errno,
					 "mapping %llu MiB of guest memory for node %u",
					 (unsigned long long)(region->size >> 20), region->node);
			numa_mem_unmap(mem);
			return ret;
		}
		/* Fewer faults: it is a wish, a host without THP is slower only. */
		madvise(hva, region->size, MADV_HUGEPAGE);
		region->hva = hva;
		hva += region->size;
	}
	return 0;
}

int numa_mem_register(const struct numa_mem *mem, int vm_fd, struct errmsg *err)
{
	unsigned int i;

	for (i = 0; i < mem->nr_regions; i++) {
		const struct mem_region *region = &mem->regions[i];
		struct kvm_userspace_memory_region slot = {
			.slot = i,
			.guest_phys_addr = region->gpa,
			.memory_size = region->size,
			.userspace_addr = (u64)region->hva,
		};

		if (ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &slot))
			return errmsg_set(err, errno == ENOMEM ? ERRMSG_HOST : ERRMSG_FAILED,
					  errno, "KVM_SET_USER_MEMORY_REGION for node %u at %#llx",
					  region->node, (unsigned long long)region->gpa);
	}
	return 0;
}

void numa_mem_unmap(struct numa_mem *mem)
{
	unsigned int i;

	if (!mem->reservation)
		return;
	munmap(mem->reservation, reservation_size(mem));
	mem->reservation = NULL;
	for (i = 0; i < mem->nr_regions; i++)
		mem->regions[i].hva = NULL;
}

void *numa_mem_ptr(const struct numa_mem *mem, u64 gpa, u64 len)
{
	unsigned int i;

	for (i = 0; i < mem->nr_regions; i++) {
		const struct mem_region *region = &mem->regions[i];

		if (gpa < region->gpa || gpa - region->gpa >= region->size)
			continue;
		if (len > region->size - (gpa - region->gpa))
			return NULL;
		return (char *)region->hva + (gpa - region->gpa);
	}
	return NULL;
}
