// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/kernel.h>
#include <linux/kvm.h>
#include <linux/mman.h>
#include <numa.h>
#include <numaif.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "kvm_caps.h"
#include "memory_map.h"
#include "numa_mem.h"

/* A huge page, so that neither a node nor a mapping ever shares one */
#define NODE_ALIGN	((u64)SZ_2M)

#define POOL		"/sys/kernel/mm/hugepages/hugepages-2048kB"

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
	const u64 given = topology_memory(topo);
	u64 share, left, gpa = 0;
	unsigned int i;

	memset(mem, 0, sizeof(*mem));
	if (given)
		size = given;
	share = size / topo->nodes & ~(NODE_ALIGN - 1);
	if (!given && !share)
		return errmsg_set(err, ERRMSG_INPUT, EINVAL,
				  "guest memory of %llu bytes for %u nodes: a node needs at least 2 MiB; give the guest more memory, %u MiB at the least",
				  (unsigned long long)size, topo->nodes, 2 * topo->nodes);

	if (size > 1ULL << MAX_PHYS_BITS)
		return errmsg_set(err, ERRMSG_INPUT, EINVAL,
				  "guest memory of %llu bytes: no CPU has more than %u bits of physical address",
				  (unsigned long long)size, MAX_PHYS_BITS);

	for (i = 0; i < topo->nodes; i++) {
		left = share;
		if (given)
			left = topology_node_memory(topo, i);
		else if (i == topo->nodes - 1)
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

static unsigned long long read_pool(const char *name)
{
	unsigned long long pages = 0;
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), POOL "/%s", name);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%llu", &pages) != 1)
		pages = 0;
	fclose(file);
	return pages;
}

u64 numa_mem_free_huge_pages(void)
{
	u64 reserved = read_pool("resv_hugepages"), free = read_pool("free_hugepages");

	return free > reserved ? free - reserved : 0;
}

/* What a host with a single node would be asked is what it does anyway. */
static bool has_nodes(void)
{
	return numa_available() >= 0 && numa_max_node() > 0;
}

static void bind_region(const struct mem_region *region, int host_node, struct warnings *w)
{
	struct bitmask *nodes;
	int errnum = EINVAL;

	if (host_node == NUMA_MEM_ANY_NODE)
		return;
	if (host_node <= numa_max_node()) {
		nodes = numa_allocate_nodemask();
		numa_bitmask_setbit(nodes, host_node);
		errnum = mbind(region->hva, region->size, MPOL_BIND, nodes->maskp,
			       nodes->size + 1, 0) ? errno : 0;
		numa_bitmask_free(nodes);
	}
	if (errnum)
		warnings_add(w,
			     "memory of the guest's node %u is not bound to the host's node %d (%s): it may lie on any, and be slower to reach than the guest's distances say",
			     region->node, host_node, strerrorname_np(errnum));
}

/* Populating tells that the pool is short; a guest's touch would kill its vCPU. */
static int populate(const struct mem_region *region, struct errmsg *err)
{
	if (!madvise(region->hva, region->size, MADV_POPULATE_WRITE))
		return 0;
	return errmsg_set(err, ERRMSG_HOST, errno,
			  "populating %llu MiB of guest memory for node %u (give the guest less memory, or this host more)",
			  (unsigned long long)(region->size >> 20), region->node);
}

static int map_region(struct mem_region *region, char *hva, const struct numa_mem_config *cfg,
		      enum numa_mem_pages pages, struct warnings *w, struct errmsg *err)
{
	bool pool = pages >= NUMA_MEM_HUGETLB;
	/* The pool gives pages to those who reserve them. */
	int flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS |
		    (pool ? MAP_HUGETLB | MAP_HUGE_2MB : MAP_NORESERVE);

	if (mmap(hva, region->size, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED)
		return errmsg_set(err, ERRMSG_HOST, errno,
				  "mapping %llu MiB of guest memory for node %u",
				  (unsigned long long)(region->size >> 20), region->node);
	region->hva = hva;
	/* It is a wish: what the host makes of it only changes the speed. */
	if (!pool)
		madvise(hva, region->size,
			pages == NUMA_MEM_SMALL ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
	if (cfg->bind && has_nodes())
		bind_region(region, cfg->host_node[region->node], w);
	return pool || cfg->populate ? populate(region, err) : 0;
}

static int map_regions(struct numa_mem *mem, const struct numa_mem_config *cfg,
		       enum numa_mem_pages pages, struct warnings *w, struct errmsg *err)
{
	char *hva = (char *)roundup((u64)mem->reservation, NODE_ALIGN);
	unsigned int i;
	int ret = 0;

	for (i = 0; i < mem->nr_regions && !ret; i++) {
		ret = map_region(&mem->regions[i], hva, cfg, pages, w, err);
		hva += mem->regions[i].size;
	}
	if (ret && pages >= NUMA_MEM_HUGETLB)
		errmsg_prefix(err,
			      "guest memory takes %llu huge pages of 2 MiB, this host has %llu to give (see /proc/sys/vm/nr_hugepages)",
			      (unsigned long long)(mem->size / NODE_ALIGN),
			      (unsigned long long)numa_mem_free_huge_pages());
	return ret;
}

int numa_mem_map(struct numa_mem *mem, const struct numa_mem_config *cfg,
		 struct warnings *w, struct errmsg *err)
{
	static const struct numa_mem_config plain;
	const size_t before = w ? strlen(w->text) : 0;
	int ret;

	if (!cfg)
		cfg = &plain;
	mem->reservation = mmap(NULL, reservation_size(mem), PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem->reservation == MAP_FAILED) {
		mem->reservation = NULL;
		return errmsg_set(err, ERRMSG_HOST, errno,
				  "reserving %llu MiB of address space for guest memory (see ulimit -v)",
				  (unsigned long long)(mem->size >> 20));
	}

	ret = map_regions(mem, cfg, cfg->pages, w, err);
	if (ret && cfg->pages == NUMA_MEM_HUGETLB) {
		/* The new mappings take the places of those from the pool. */
		w->text[before] = '\0';
		warnings_add(w,
			     "%s: it gets ordinary ones, its memory is slower and times vary more",
			     err->text);
		ret = map_regions(mem, cfg, NUMA_MEM_THP, w, err);
	}
	if (ret)
		numa_mem_unmap(mem);
	return ret;
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
			return errmsg_set(err, kvm_errno_kind(errno), errno,
					  "KVM_SET_USER_MEMORY_REGION for node %u at %#llx",
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

int numa_mem_map_file(const struct numa_mem *mem, u64 gpa, int fd, u64 len)
{
	void *hva = numa_mem_ptr(mem, gpa, len);

	/* mmap() refuses the rest of what does not fit. */
	if (!hva)
		return -EINVAL;
	if (mmap(hva, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
		 fd, 0) == MAP_FAILED)
		return -errno;
	return 0;
}
