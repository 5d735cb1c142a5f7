// SPDX-License-Identifier: GPL-2.0
/* Guest RAM: the layout around the device gap, its mapping, checked pointers. */
#include <errno.h>
#include <linux/kernel.h>
#include <linux/sizes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "kselftest_harness.h"
#include "memory_map.h"
#include "numa_mem.h"

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
	ASSERT_EQ(0, numa_mem_map(&mem, &err))
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
		ASSERT_EQ(0, numa_mem_map(&mem, &err))
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
	EXPECT_EQ(-ENOMEM, numa_mem_map(&mem, &err));
	EXPECT_EQ(ERRMSG_HOST, err.kind);
	EXPECT_NE(NULL, strstr(err.text, "1073741824 MiB"));
	EXPECT_EQ(NULL, mem.reservation);
	EXPECT_EQ(before, nr_mappings());
	numa_mem_unmap(&mem);
}

TEST(register_without_a_vm)
{
	const struct topology topo = topology(1);
	struct numa_mem mem;
	struct errmsg err;

	ASSERT_EQ(0, numa_mem_layout(&mem, &topo, 4 * MIB, &err));
	ASSERT_EQ(0, numa_mem_map(&mem, &err));
	EXPECT_EQ(-EBADF, numa_mem_register(&mem, -1, &err));
	EXPECT_EQ(ERRMSG_FAILED, err.kind);
	EXPECT_NE(NULL, strstr(err.text, "KVM_SET_USER_MEMORY_REGION for node 0 at 0"));
	numa_mem_unmap(&mem);
}

TEST_HARNESS_MAIN
