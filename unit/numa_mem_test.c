// SPDX-License-Identifier: GPL-2.0
/* Guest RAM: the layout around the device gap, its mapping, checked pointers. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kernel.h>
#include <linux/sizes.h>
#include <numa.h>
#include <numaif.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"
#include "memory_map.h"
#include "numa_mem.h"
#include "testutil.h"
#include "warnings.h"

#define MIB	((u64)SZ_1M)
#define GIB	((u64)SZ_1G)

static struct topology topology(unsigned int nodes)
{
	return (struct topology){ .nodes = nodes, .llcs = nodes, .cores = 1, .threads = 1 };
}

static unsigned int nr_mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned int nr = 0;
	int c;

	while (f && (c = fgetc(f)) != EOF)
		nr += c == '\n';
	if (f)
		fclose(f);
	return nr;
}

/* What holds for every layout, whatever was asked for */
static void check_layout(struct __test_metadata *_metadata, const struct numa_mem *mem,
			 unsigned int nodes, u64 size)
{
	u64 per_node[TOPOLOGY_MAX_NODES] = {};
	u64 sum = 0, end = 0;
	unsigned int i;

	ASSERT_LE(mem->nr_regions, nodes + 1);
	EXPECT_EQ(NULL, mem->reservation);
	for (i = 0; i < mem->nr_regions; i++) {
		const struct mem_region *r = &mem->regions[i];

		ASSERT_LT(r->node, nodes);
		ASSERT_NE(0, r->size);
		ASSERT_EQ(0, r->gpa % SZ_2M);
		ASSERT_EQ(0, r->size % SZ_2M);
		/* Ascending without a hole but for the gap, which is free. */
		ASSERT_EQ(end == MAP_GAP_START ? MAP_GAP_END : end, r->gpa);
		ASSERT_TRUE(r->gpa + r->size <= MAP_GAP_START || r->gpa >= MAP_GAP_END);
		if (i)
			ASSERT_GE(r->node, mem->regions[i - 1].node);
		end = r->gpa + r->size;
		sum += r->size;
		per_node[r->node] += r->size;
	}
	EXPECT_EQ(end, numa_mem_top(mem));
	EXPECT_EQ(sum, mem->size);
	EXPECT_LE(sum, size);
	EXPECT_LT(size - sum, SZ_2M);
	for (i = 0; i + 1 < nodes; i++)
		EXPECT_EQ(size / nodes / SZ_2M * SZ_2M, per_node[i]);
	EXPECT_GE(per_node[nodes - 1], per_node[0]);
}

/* All numbers of nodes, with sizes and shares around both ends of the gap */
TEST(layouts)
{
	static const u64 sizes[] = {
		2 * MIB, 4 * MIB, 16 * MIB, 128 * MIB, 255 * MIB, 1 * GIB, 1 * GIB + 1,
		3 * GIB - 2 * MIB, 3 * GIB - 1, 3 * GIB, 3 * GIB + 1, 3 * GIB + 2 * MIB,
		4 * GIB - 2 * MIB, 4 * GIB, 4 * GIB + 2 * MIB, 6 * GIB, 12 * GIB, 24 * GIB,
		1024 * GIB, 1ULL << 52,
	};
	struct numa_mem mem;
	struct errmsg err;
	unsigned int nodes;
	size_t i;

	for (nodes = 1; nodes <= 8; nodes++) {
		const struct topology topo = topology(nodes);

		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			if (sizes[i] / nodes < SZ_2M)
				continue;
			ASSERT_EQ(0, numa_mem_layout(&mem, &topo, sizes[i], &err))
				TH_LOG("%u nodes, %#llx: %s", nodes,
				       (unsigned long long)sizes[i], err.text);
			check_layout(_metadata, &mem, nodes, sizes[i]);
			ASSERT_TRUE(__test_passed(_metadata))
				TH_LOG("%u nodes, %#llx", nodes, (unsigned long long)sizes[i]);
		}
	}
}

static const struct {
	unsigned int nodes;
	u64 size;
	unsigned int nr;
	struct mem_region regions[5];
} exact[] = {
	{ 1, 3 * GIB, 1, { { .gpa = 0, .size = 3 * GIB } } },
	{ 1, 3 * GIB + 2 * MIB, 2, {
		{ .gpa = 0, .size = 3 * GIB }, { .gpa = 4 * GIB, .size = 2 * MIB } } },
	/* A node that ends at the gap; the next one is whole, behind it. */
	{ 2, 6 * GIB, 2, {
		{ .node = 0, .gpa = 0, .size = 3 * GIB },
		{ .node = 1, .gpa = 4 * GIB, .size = 3 * GIB } } },
	/* A node that ends just before: the next one has one huge page below. */
	{ 2, 6 * GIB - 4 * MIB, 3, {
		{ .node = 0, .gpa = 0, .size = 3 * GIB - 2 * MIB },
		{ .node = 1, .gpa = 3 * GIB - 2 * MIB, .size = 2 * MIB },
		{ .node = 1, .gpa = 4 * GIB, .size = 3 * GIB - 4 * MIB } } },
	/* A node that ends just behind: it is the one that is split. */
	{ 2, 6 * GIB + 4 * MIB, 3, {
		{ .node = 0, .gpa = 0, .size = 3 * GIB },
		{ .node = 0, .gpa = 4 * GIB, .size = 2 * MIB },
		{ .node = 1, .gpa = 4 * GIB + 2 * MIB, .size = 3 * GIB + 2 * MIB } } },
	{ 4, 4 * GIB, 4, {
		{ .node = 0, .gpa = 0, .size = GIB },
		{ .node = 1, .gpa = GIB, .size = GIB },
		{ .node = 2, .gpa = 2 * GIB, .size = GIB },
		{ .node = 3, .gpa = 4 * GIB, .size = GIB } } },
	/* The last one takes what cannot be dealt. */
	{ 3, 16 * MIB, 3, {
		{ .node = 0, .gpa = 0, .size = 4 * MIB },
		{ .node = 1, .gpa = 4 * MIB, .size = 4 * MIB },
		{ .node = 2, .gpa = 8 * MIB, .size = 8 * MIB } } },
};

TEST(exact_layouts)
{
	struct numa_mem mem;
	struct errmsg err;
	unsigned int j;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(exact); i++) {
		const struct topology topo = topology(exact[i].nodes);

		ASSERT_EQ(0, numa_mem_layout(&mem, &topo, exact[i].size, &err));
		ASSERT_EQ(exact[i].nr, mem.nr_regions)
			TH_LOG("case %zu", i);
		for (j = 0; j < mem.nr_regions; j++) {
			EXPECT_EQ(exact[i].regions[j].node, mem.regions[j].node);
			EXPECT_EQ(exact[i].regions[j].gpa, mem.regions[j].gpa);
			EXPECT_EQ(exact[i].regions[j].size, mem.regions[j].size);
		}
	}
}

static const struct {
	const char *spec;
	unsigned int nr;
	struct mem_region regions[6];
} given[] = {
	{ "2n2l1c1t,mem=512M:2M", 2, {
		{ .node = 0, .gpa = 0, .size = 512 * MIB },
		{ .node = 1, .gpa = 512 * MIB, .size = 2 * MIB } } },
	/* The small one ends below the gap, the large one goes around it. */
	{ "2n2l1c1t,mem=1G:4G", 3, {
		{ .node = 0, .gpa = 0, .size = GIB },
		{ .node = 1, .gpa = GIB, .size = 2 * GIB },
		{ .node = 1, .gpa = 4 * GIB, .size = 2 * GIB } } },
	/* The middle one ends at the gap, the first one behind it. */
	{ "3n2l1c1t,llcs=1:1:0,mem=1G:2G:6M", 3, {
		{ .node = 0, .gpa = 0, .size = GIB },
		{ .node = 1, .gpa = GIB, .size = 2 * GIB },
		{ .node = 2, .gpa = 4 * GIB, .size = 6 * MIB } } },
	{ "3n1l1c1t,llcs=1:0:0,mem=3074M:8T:1G", 4, {
		{ .node = 0, .gpa = 0, .size = 3 * GIB },
		{ .node = 0, .gpa = 4 * GIB, .size = 2 * MIB },
		{ .node = 1, .gpa = 4 * GIB + 2 * MIB, .size = 8192 * GIB },
		{ .node = 2, .gpa = 8196 * GIB + 2 * MIB, .size = GIB } } },
};

/* Sizes that the topology gives count, whatever else is asked for. */
TEST(given_sizes)
{
	static const u64 asked[] = { 0, 1, GIB, -1ULL };
	struct numa_mem mem;
	struct topology topo;
	struct errmsg err;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(given) * ARRAY_SIZE(asked); i++) {
		const struct mem_region *expected = given[i / ARRAY_SIZE(asked)].regions;

		ASSERT_EQ(0, topology_parse(given[i / ARRAY_SIZE(asked)].spec, &topo, &err))
			TH_LOG("%s", err.text);
		ASSERT_EQ(0, numa_mem_layout(&mem, &topo, asked[i % ARRAY_SIZE(asked)], &err))
			TH_LOG("%s", err.text);
		ASSERT_EQ(given[i / ARRAY_SIZE(asked)].nr, mem.nr_regions);
		EXPECT_EQ(topology_memory(&topo), mem.size);
		for (j = 0; j < mem.nr_regions; j++) {
			EXPECT_EQ(expected[j].node, mem.regions[j].node);
			EXPECT_EQ(expected[j].gpa, mem.regions[j].gpa);
			EXPECT_EQ(expected[j].size, mem.regions[j].size);
		}
	}

	ASSERT_EQ(0, topology_parse("3n3l1c1t,mem=2048T", &topo, &err));
	EXPECT_EQ(-EINVAL, numa_mem_layout(&mem, &topo, GIB, &err));
	EXPECT_NE(NULL, strstr(err.text, "52 bits"));
}

TEST(wrong_sizes)
{
	const struct topology one = topology(1), eight = topology(8);
	struct numa_mem mem;
	struct errmsg err;

	EXPECT_EQ(-EINVAL, numa_mem_layout(&mem, &one, 0, &err));
	EXPECT_EQ(-EINVAL, numa_mem_layout(&mem, &one, 2 * MIB - 1, &err));
	EXPECT_EQ(ERRMSG_INPUT, err.kind);
	EXPECT_NE(NULL, strstr(err.text, "2097151 bytes for 1 nodes"));
	EXPECT_NE(NULL, strstr(err.text, "2 MiB at the least"));
	EXPECT_EQ(-EINVAL, numa_mem_layout(&mem, &eight, 16 * MIB - 1, &err));
	EXPECT_NE(NULL, strstr(err.text, "16 MiB at the least"));
	EXPECT_EQ(0, numa_mem_layout(&mem, &eight, 16 * MIB, &err));

	EXPECT_EQ(-EINVAL, numa_mem_layout(&mem, &one, (1ULL << 52) + 1, &err));
	EXPECT_EQ(-EINVAL, numa_mem_layout(&mem, &eight, -1ULL, &err));
	EXPECT_EQ(ERRMSG_INPUT, err.kind);
	EXPECT_NE(NULL, strstr(err.text, "52 bits"));
}

/* Both sides of each boundary of each region, with lengths up to overflow */
TEST(pointers)
{
	const struct topology topo = topology(3);
	struct numa_mem mem;
	struct errmsg err;
	unsigned int i;

	/* The second node is split by the gap. */
	ASSERT_EQ(0, numa_mem_layout(&mem, &topo, 6 * GIB, &err));
	ASSERT_EQ(4, mem.nr_regions);
	ASSERT_EQ(0, numa_mem_map(&mem, NULL, NULL, &err))
		TH_LOG("%s", err.text);
	for (i = 0; i < mem.nr_regions; i++) {
		const struct mem_region *r = &mem.regions[i];
		u64 end = r->gpa + r->size;
		char *hva = r->hva;

		EXPECT_EQ(0, (u64)hva % SZ_2M);
		EXPECT_EQ(hva, numa_mem_ptr(&mem, r->gpa, 0));
		EXPECT_EQ(hva, numa_mem_ptr(&mem, r->gpa, 1));
		EXPECT_EQ(hva, numa_mem_ptr(&mem, r->gpa, r->size));
		EXPECT_EQ(NULL, numa_mem_ptr(&mem, r->gpa, r->size + 1));
		EXPECT_EQ(hva + 5, numa_mem_ptr(&mem, r->gpa + 5, r->size - 5));
		EXPECT_EQ(NULL, numa_mem_ptr(&mem, r->gpa + 5, r->size - 4));
		EXPECT_EQ(hva + r->size - 1, numa_mem_ptr(&mem, end - 1, 1));
		EXPECT_EQ(NULL, numa_mem_ptr(&mem, end - 1, 2));
		EXPECT_EQ(NULL, numa_mem_ptr(&mem, end - 1, -1ULL));
		EXPECT_EQ(NULL, numa_mem_ptr(&mem, r->gpa, -1ULL));
		EXPECT_EQ(NULL, numa_mem_ptr(&mem, r->gpa + 1, -r->gpa - 1));
		/* All of it is there, and nothing is shared. */
		hva[0] = 'a' + i;
		hva[r->size - 1] = 'A' + i;
	}
	for (i = 0; i < mem.nr_regions; i++) {
		EXPECT_EQ('a' + (int)i, *(char *)numa_mem_ptr(&mem, mem.regions[i].gpa, 1));
		EXPECT_EQ('A' + (int)i, ((char *)mem.regions[i].hva)[mem.regions[i].size - 1]);
	}
	EXPECT_EQ(NULL, numa_mem_ptr(&mem, MAP_GAP_START, 1));
	EXPECT_EQ(NULL, numa_mem_ptr(&mem, MAP_GAP_START, 0));
	EXPECT_EQ(NULL, numa_mem_ptr(&mem, MAP_GAP_START - 1, 2));
	EXPECT_EQ(NULL, numa_mem_ptr(&mem, MAP_GAP_END - 1, 1));
	EXPECT_EQ(NULL, numa_mem_ptr(&mem, MAP_GAP_END - 1, 2));
	EXPECT_EQ(NULL, numa_mem_ptr(&mem, numa_mem_top(&mem), 1));
	EXPECT_EQ(NULL, numa_mem_ptr(&mem, -1ULL, 1));
	EXPECT_EQ(NULL, numa_mem_ptr(&mem, -1ULL, -1ULL));
	numa_mem_unmap(&mem);
}

TEST(unmap_leaves_nothing)
{
	const struct topology topo = topology(4);
	unsigned int before, round, i;
	struct numa_mem mem;
	struct errmsg err;

	ASSERT_EQ(0, numa_mem_layout(&mem, &topo, 5 * GIB, &err));
	numa_mem_unmap(&mem);
	before = nr_mappings();
	ASSERT_NE(0, before);
	for (round = 0; round < 10; round++) {
		ASSERT_EQ(0, numa_mem_map(&mem, NULL, NULL, &err))
			TH_LOG("%s", err.text);
		*(char *)numa_mem_ptr(&mem, 0x1000, 1) = 1;
		EXPECT_GT(nr_mappings(), before);
		numa_mem_unmap(&mem);
		EXPECT_EQ(before, nr_mappings());
		EXPECT_EQ(NULL, mem.reservation);
		for (i = 0; i < mem.nr_regions; i++)
			EXPECT_EQ(NULL, mem.regions[i].hva);
	}
	numa_mem_unmap(&mem);
	EXPECT_EQ(before, nr_mappings());
}

/* More than there is address space for: this host's state, and nothing is left. */
TEST(address_space_too_small)
{
	const struct topology topo = topology(2);
	struct numa_mem mem;
	struct errmsg err;
	unsigned int before;

	ASSERT_EQ(0, numa_mem_layout(&mem, &topo, 1ULL << 50, &err));
	before = nr_mappings();
	EXPECT_EQ(-ENOMEM, numa_mem_map(&mem, NULL, NULL, &err));
	EXPECT_EQ(ERRMSG_HOST, err.kind);
	EXPECT_NE(NULL, strstr(err.text, "1073741824 MiB"));
	EXPECT_EQ(NULL, mem.reservation);
	EXPECT_EQ(before, nr_mappings());
	numa_mem_unmap(&mem);
}

/* A line of the entry that an address has in smaps */
static bool smaps_line(const void *addr, const char *name, char *line, size_t size)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long start, end;
	bool mine = false, found = false;

	while (f && !found && fgets(line, size, f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			mine = (unsigned long)addr >= start && (unsigned long)addr < end;
		else
			found = mine && !strncmp(line, name, strlen(name));
	}
	if (f)
		fclose(f);
	return found;
}

static bool is_present(void *addr)
{
	unsigned char present = 0;

	return !mincore(addr, 4096, &present) && present & 1;
}

TEST(pages_advised)
{
	const struct numa_mem_config small = { .pages = NUMA_MEM_SMALL };
	const struct topology topo = topology(2);
	struct numa_mem mem;
	struct warnings w = {};
	struct errmsg err;
	char line[512];
	unsigned int i;

	ASSERT_EQ(0, numa_mem_layout(&mem, &topo, 64 * MIB, &err));
	ASSERT_EQ(0, numa_mem_map(&mem, NULL, NULL, &err));
	if (!smaps_line(mem.regions[0].hva, "VmFlags:", line, sizeof(line)) ||
	    access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK)) {
		numa_mem_unmap(&mem);
		SKIP(return, "this kernel has no transparent huge pages, or no smaps");
	}
	for (i = 0; i < 2; i++) {
		ASSERT_TRUE(smaps_line(mem.regions[i].hva, "VmFlags:", line, sizeof(line)));
		EXPECT_NE(NULL, strstr(line, " hg")) TH_LOG("%s", line);
		EXPECT_FALSE(is_present(mem.regions[i].hva));
	}
	numa_mem_unmap(&mem);

	ASSERT_EQ(0, numa_mem_map(&mem, &small, &w, &err));
	ASSERT_TRUE(smaps_line(mem.regions[1].hva, "VmFlags:", line, sizeof(line)));
	EXPECT_NE(NULL, strstr(line, " nh")) TH_LOG("%s", line);
	numa_mem_unmap(&mem);
}

TEST(populate)
{
	const struct numa_mem_config cfg = { .populate = true };
	const struct topology topo = topology(2);
	struct numa_mem mem;
	struct warnings w = {};
	struct errmsg err;
	unsigned int i;

	ASSERT_EQ(0, numa_mem_layout(&mem, &topo, 16 * MIB, &err));
	ASSERT_EQ(0, numa_mem_map(&mem, &cfg, &w, &err)) TH_LOG("%s", err.text);
	for (i = 0; i < 2; i++) {
		EXPECT_TRUE(is_present(mem.regions[i].hva));
		EXPECT_TRUE(is_present(mem.regions[i].hva + mem.regions[i].size - 4096));
	}
	numa_mem_unmap(&mem);
}

/* What the pool has too little of */
TEST(pool_too_small)
{
	const struct numa_mem_config cfg = { .pages = NUMA_MEM_HUGETLB };
	const struct numa_mem_config only = { .pages = NUMA_MEM_HUGETLB_ONLY };
	const struct topology topo = topology(2);
	unsigned int before, i;
	struct numa_mem mem;
	struct warnings w = {};
	struct errmsg err;
	char line[512];
	u64 size;

	hold_huge_pages();
	size = (numa_mem_free_huge_pages() + 8) * SZ_2M;
	ASSERT_EQ(0, numa_mem_layout(&mem, &topo, size, &err));
	before = nr_mappings();
	EXPECT_EQ(-ENOMEM, numa_mem_map(&mem, &only, &w, &err));
	EXPECT_EQ(ERRMSG_HOST, err.kind);
	EXPECT_NE(NULL, strstr(err.text, "huge pages of 2 MiB, this host has"))
		TH_LOG("%s", err.text);
	EXPECT_NE(NULL, strstr(err.text, "/proc/sys/vm/nr_hugepages"));
	EXPECT_EQ(NULL, mem.reservation);
	EXPECT_EQ(before, nr_mappings());

	warnings_add(&w, "before");
	ASSERT_EQ(0, numa_mem_map(&mem, &cfg, &w, &err)) TH_LOG("%s", err.text);
	EXPECT_EQ(0, strncmp(w.text, "before\nguest memory takes", 25)) TH_LOG("%s", w.text);
	EXPECT_NE(NULL, strstr(w.text, "huge pages of 2 MiB, this host has"));
	EXPECT_NE(NULL, strstr(w.text, "slower")) TH_LOG("%s", w.text);
	for (i = 0; i < 2; i++) {
		EXPECT_FALSE(is_present(mem.regions[i].hva));
		*(char *)mem.regions[i].hva = 1;
		if (smaps_line(mem.regions[i].hva, "KernelPageSize:", line, sizeof(line)))
			EXPECT_NE(NULL, strstr(line, " 4 kB")) TH_LOG("%s", line);
	}
	numa_mem_unmap(&mem);
	EXPECT_EQ(before, nr_mappings());
}

TEST(pages_from_the_pool)
{
	const struct numa_mem_config cfg = { .pages = NUMA_MEM_HUGETLB };
	const struct topology topo = topology(2);
	struct numa_mem mem;
	struct warnings w = {};
	struct errmsg err;
	char line[512];
	unsigned int i;
	u64 free;

	hold_huge_pages();
	free = numa_mem_free_huge_pages();
	if (free < 4)
		SKIP(return, "%llu free huge pages of 4: echo 4 >/proc/sys/vm/nr_hugepages",
		     (unsigned long long)free);
	ASSERT_EQ(0, numa_mem_layout(&mem, &topo, 4 * SZ_2M, &err));
	ASSERT_EQ(0, numa_mem_map(&mem, &cfg, &w, &err)) TH_LOG("%s", err.text);
	EXPECT_STREQ("", w.text);
	EXPECT_EQ(free - 4, numa_mem_free_huge_pages());
	for (i = 0; i < 2; i++) {
		ASSERT_TRUE(smaps_line(mem.regions[i].hva, "KernelPageSize:", line, sizeof(line)));
		EXPECT_NE(NULL, strstr(line, " 2048 kB")) TH_LOG("%s", line);
		EXPECT_TRUE(is_present(mem.regions[i].hva));
	}
	numa_mem_unmap(&mem);
	EXPECT_EQ(free, numa_mem_free_huge_pages());
}

/*
 * A host of as many nodes as a test wants: these stand before those of libnuma.
 * Node 0 is there on every host, so that calls for it can be let through.
 */
static int fake_max_node;
static int fake_errno;
static unsigned int nr_binds;
static struct bind {
	void *addr;
	unsigned long len;
	int mode;
	unsigned long nodes;
	bool was_present;
} binds[4];

int numa_max_node(void)
{
	return fake_max_node;
}

int numa_available(void)
{
	return 0;
}

long mbind(void *addr, unsigned long len, int mode, const unsigned long *nodes,
	   unsigned long max_node, unsigned int flags)
{
	if (nr_binds < ARRAY_SIZE(binds))
		binds[nr_binds] = (struct bind) {
			.addr = addr,
			.len = len,
			.mode = mode,
			.nodes = nodes[0],
			.was_present = is_present(addr),
		};
	nr_binds++;
	if (fake_errno) {
		errno = fake_errno;
		return -1;
	}
	return nodes[0] == 1 ? syscall(SYS_mbind, addr, len, mode, nodes, max_node, flags) : 0;
}

TEST(bound_before_populated)
{
	static const int host_node[] = { 1, 0, 5 };
	struct numa_mem_config cfg = { .bind = true, .populate = true };
	const struct topology topo = topology(3);
	struct numa_mem mem;
	struct warnings w = {};
	struct errmsg err;
	unsigned int i;
	int mode = -1;

	fake_max_node = 5;
	memcpy(cfg.host_node, host_node, sizeof(host_node));
	ASSERT_EQ(0, numa_mem_layout(&mem, &topo, 12 * MIB, &err));
	ASSERT_EQ(0, numa_mem_map(&mem, &cfg, &w, &err)) TH_LOG("%s", err.text);
	ASSERT_EQ(3, nr_binds);
	if (w.text[0]) {
		numa_mem_unmap(&mem);
		SKIP(return, "this kernel cannot bind memory: %.200s", w.text);
	}
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(mem.regions[i].hva, binds[i].addr);
		EXPECT_EQ(mem.regions[i].size, binds[i].len);
		EXPECT_EQ(MPOL_BIND, binds[i].mode);
		EXPECT_EQ(1UL << host_node[i], binds[i].nodes);
		EXPECT_FALSE(binds[i].was_present);
		EXPECT_TRUE(is_present(mem.regions[i].hva));
	}
	/* the one that really was bound */
	EXPECT_EQ(0, syscall(SYS_get_mempolicy, &mode, NULL, 0, mem.regions[1].hva,
			     MPOL_F_ADDR));
	EXPECT_EQ(MPOL_BIND, mode);
	numa_mem_unmap(&mem);
}

/* A node that is split is bound on both sides of the gap. */
TEST(bound_around_the_gap)
{
	struct numa_mem_config cfg = { .bind = true, .host_node = { 2, 1 } };
	const struct topology topo = topology(2);
	struct numa_mem mem;
	struct warnings w = {};
	struct errmsg err;

	fake_max_node = 2;
	ASSERT_EQ(0, numa_mem_layout(&mem, &topo, 4 * GIB, &err));
	ASSERT_EQ(3, mem.nr_regions);
	ASSERT_EQ(0, numa_mem_map(&mem, &cfg, &w, &err)) TH_LOG("%s", err.text);
	ASSERT_EQ(3, nr_binds);
	EXPECT_EQ(4, binds[0].nodes);
	EXPECT_EQ(2, binds[1].nodes);
	EXPECT_EQ(2, binds[2].nodes);
	numa_mem_unmap(&mem);
}

TEST(not_bound)
{
	struct numa_mem_config cfg = { .bind = true };
	const struct topology topo = topology(2);
	struct numa_mem mem;
	struct warnings w = {};
	struct errmsg err;

	/* one node; not asked for */
	fake_max_node = 0;
	ASSERT_EQ(0, numa_mem_layout(&mem, &topo, 8 * MIB, &err));
	ASSERT_EQ(0, numa_mem_map(&mem, &cfg, &w, &err));
	numa_mem_unmap(&mem);
	fake_max_node = 1;
	ASSERT_EQ(0, numa_mem_map(&mem, NULL, NULL, &err));
	numa_mem_unmap(&mem);
	EXPECT_EQ(0, nr_binds);
	EXPECT_STREQ("", w.text);

	/* anywhere */
	cfg.host_node[0] = NUMA_MEM_ANY_NODE;
	cfg.host_node[1] = NUMA_MEM_ANY_NODE;
	ASSERT_EQ(0, numa_mem_map(&mem, &cfg, &w, &err));
	numa_mem_unmap(&mem);
	EXPECT_EQ(0, nr_binds);
	EXPECT_STREQ("", w.text);
	cfg.host_node[0] = 0;

	/* nodes that the host does not have; a call that it does not allow */
	cfg.host_node[1] = 7;
	ASSERT_EQ(0, numa_mem_map(&mem, &cfg, &w, &err));
	numa_mem_unmap(&mem);
	EXPECT_EQ(1, nr_binds);
	EXPECT_NE(NULL, strstr(w.text, "guest's node 1 is not bound to the host's node 7"));
	EXPECT_EQ(NULL, strstr(w.text, "guest's node 0"));
	memset(&w, 0, sizeof(w));
	fake_errno = EPERM;
	ASSERT_EQ(0, numa_mem_map(&mem, &cfg, &w, &err));
	numa_mem_unmap(&mem);
	EXPECT_NE(NULL, strstr(w.text, "node 0 is not bound to the host's node 0 (EPERM)"));
	EXPECT_NE(NULL, strstr(w.text, "\nmemory of the guest's node 1"))
		TH_LOG("%s", w.text);
}

TEST(register_without_a_vm)
{
	const struct topology topo = topology(1);
	struct numa_mem mem;
	struct errmsg err;

	ASSERT_EQ(0, numa_mem_layout(&mem, &topo, 4 * MIB, &err));
	ASSERT_EQ(0, numa_mem_map(&mem, NULL, NULL, &err));
	EXPECT_EQ(-EBADF, numa_mem_register(&mem, -1, &err));
	EXPECT_EQ(ERRMSG_FAILED, err.kind);
	EXPECT_NE(NULL, strstr(err.text, "KVM_SET_USER_MEMORY_REGION for node 0 at 0"));
	numa_mem_unmap(&mem);
}

/* A file in the place of some RAM, its neighbours untouched, for one guest only */
TEST(file_as_ram)
{
	const struct topology topo = topology(1);
	unsigned int before = nr_mappings();
	struct numa_mem mem;
	struct errmsg err;
	char *ram, byte;
	int fd;

	fd = memfd_create("file", MFD_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, 2 * 4096));
	ASSERT_EQ(1, pwrite(fd, "f", 1, 4096));
	ASSERT_EQ(0, numa_mem_layout(&mem, &topo, 4 * MIB, &err));
	ASSERT_EQ(0, numa_mem_map(&mem, NULL, NULL, &err));
	ram = numa_mem_ptr(&mem, 0, 4 * MIB);
	memset(ram + MIB - 4096, 'r', 4 * 4096);

	EXPECT_EQ(-EINVAL, numa_mem_map_file(&mem, MIB + 1, fd, 4096));
	EXPECT_EQ(-EINVAL, numa_mem_map_file(&mem, 4 * MIB - 4096, fd, 2 * 4096));
	EXPECT_EQ(-EINVAL, numa_mem_map_file(&mem, MIB, fd, 0));
	EXPECT_EQ(-EBADF, numa_mem_map_file(&mem, MIB, -1, 4096));
	EXPECT_EQ('r', ram[MIB]);

	ASSERT_EQ(0, numa_mem_map_file(&mem, MIB, fd, 2 * 4096));
	EXPECT_EQ('r', ram[MIB - 1]);
	EXPECT_EQ('\0', ram[MIB]);
	EXPECT_EQ('f', ram[MIB + 4096]);
	EXPECT_EQ('r', ram[MIB + 2 * 4096]);
	ram[MIB + 4096] = 'w';
	ASSERT_EQ(1, pread(fd, &byte, 1, 4096));
	EXPECT_EQ('f', byte);
	numa_mem_unmap(&mem);
	close(fd);
	EXPECT_EQ(before, nr_mappings());
}

/* Huge pages do not part with 4 KiB, and stay as they were. */
TEST(file_in_huge_pages)
{
	struct numa_mem mem = { .nr_regions = 1 };
	char *ram;
	int fd;

	hold_huge_pages();
	ram = mmap(NULL, 2 * MIB, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (ram == MAP_FAILED)
		SKIP(return, "no free huge page (echo 1 >/proc/sys/vm/nr_hugepages)");
	mem.regions[0] = (struct mem_region) { .size = 2 * MIB, .hva = ram };
	memset(ram, 'r', 2 * MIB);
	fd = memfd_create("file", MFD_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, 4096));
	EXPECT_EQ(-EINVAL, numa_mem_map_file(&mem, MIB, fd, 4096));
	EXPECT_EQ('r', ram[MIB]);
	munmap(ram, 2 * MIB);
	close(fd);
}

TEST_HARNESS_MAIN
