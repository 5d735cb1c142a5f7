// SPDX-License-Identifier: GPL-2.0
/* What a guest gets that does not ask: its memory. */
#include <linux/sizes.h>

#include "kselftest_harness.h"
#include "session.h"

static u64 memory(const char *spec, size_t initramfs_size)
{
	struct topology topo;
	struct errmsg err;

	return topology_parse(spec, &topo, &err) ? 0 : session_memory(&topo, initramfs_size);
}

TEST(memory_grows_with_the_topology)
{
	const u64 one = memory("1n1l1c1t", 0);

	EXPECT_LE((u64)SZ_256M, one);
	EXPECT_GT((u64)SZ_1G, one);
	EXPECT_LT(one, memory("1n1l4c1t", 0));
	EXPECT_LT(memory("1n4l1c1t", 0) + 3ULL * SZ_128M, memory("4n4l1c1t", 0));
}

/* The first node has to hold the image and what the kernel unpacks it to. */
TEST(memory_grows_with_the_initramfs)
{
	EXPECT_EQ(memory("1n1l1c1t", 0), memory("1n1l1c1t", SZ_4M));
	EXPECT_LE(memory("1n1l1c1t", 0) + 3ULL * SZ_512M, memory("1n1l1c1t", SZ_512M));
	EXPECT_LE(8 * (3ULL * SZ_512M), memory("8n8l1c1t", SZ_512M));
}

TEST(memory_as_the_topology_says)
{
	EXPECT_EQ(3ULL * SZ_64M, memory("2n2l1c1t,mem=64M:128M", 0));
	EXPECT_EQ(3ULL * SZ_64M, memory("2n2l1c1t,mem=64M:128M", SZ_512M));
}

TEST_HARNESS_MAIN
