// SPDX-License-Identifier: GPL-2.0
/* Hosts of several kinds, as their sysfs describes them, and this one. */
#include <linux/kernel.h>
#include <sched.h>

#include "host_topology.h"
#include "harness.h"
#include "tree.h"

TREE(one_socket);
TREE(snc);
TREE(epyc_16llc);
TREE(hybrid);
TREE(vm_2cpu);
TREE(vm_captured);
TREE(offline);
TREE(restricted);

#define CPU(n)	"sys/devices/system/cpu/cpu" #n

static struct host_topology *read_tree(struct __test_metadata *_metadata, const char *tree)
{
	struct host_topology *ht;
	struct errmsg err = {};
	char root[64];

	ASSERT_EQ(0, tree_unpack(tree, root));
	ht = host_topology_read(root, &err);
	tree_remove(root);
	ASSERT_NE(NULL, ht) {
		TH_LOG("%s", err.text);
	}
	return ht;
}

#define EXPECT_LIST(list, set) do {						\
	char text[256];								\
										\
	EXPECT_STREQ(list, cpu_set_format(set, text, sizeof(text)));		\
} while (0)

/* The CPUs of a cache; all of them are in the cache's node. */
static struct cpu_set llc_cpus(struct __test_metadata *_metadata,
			       const struct host_topology *ht, unsigned int llc)
{
	struct cpu_set set = {};
	unsigned int cpu;

	for (cpu = 0; cpu < TOPOLOGY_MAX_CPUS; cpu++) {
		if (!cpu_set_has(&ht->online, cpu) || ht->cpus[cpu].llc != llc)
			continue;
		cpu_set_add(&set, cpu);
		EXPECT_EQ(ht->llcs[llc].node, ht->cpus[cpu].node);
	}
	EXPECT_EQ(ht->llcs[llc].first, cpu_set_next(&set, 0));
	return set;
}

static void expect_llcs(struct __test_metadata *_metadata, const struct host_topology *ht,
			const char * const *lists, unsigned int nr)
{
	struct cpu_set set;
	unsigned int i;

	ASSERT_EQ(nr, ht->nr_llcs);
	for (i = 0; i < nr; i++) {
		set = llc_cpus(_metadata, ht, i);
		EXPECT_LIST(lists[i], &set);
	}
}

#define EXPECT_LLCS(ht, ...) do {						\
	static const char * const lists[] = { __VA_ARGS__ };			\
										\
	expect_llcs(_metadata, ht, lists, ARRAY_SIZE(lists));			\
} while (0)

TEST(one_socket)
{
	struct host_topology *ht = read_tree(_metadata, tree_one_socket);
	unsigned int cpu;

	EXPECT_LIST("0-15", &ht->online);
	EXPECT_LIST("0-15", &ht->allowed);
	EXPECT_LLCS(ht, "0-15");
	for (cpu = 0; cpu < 16; cpu++) {
		EXPECT_EQ(cpu % 8, ht->cpus[cpu].core);
		EXPECT_EQ(HOST_CPU_NORMAL, ht->cpus[cpu].kind);
	}
	EXPECT_EQ(1, ht->nr_nodes);
	EXPECT_EQ(512, ht->nodes[0].free_huge);
	EXPECT_EQ(10, ht->distances[0][0]);
	free(ht);
}

/* One cache per node, though CPUID tells of one per socket */
TEST(snc)
{
	static const u8 distances[4][4] = {
		{ 10, 11, 20, 20 }, { 11, 10, 20, 20 }, { 20, 20, 10, 11 }, { 20, 20, 11, 10 },
	};
	struct host_topology *ht = read_tree(_metadata, tree_snc);
	unsigned int i, j;

	EXPECT_LLCS(ht, "0-15,64-79", "16-31,80-95", "32-47,96-111", "48-63,112-127");
	EXPECT_EQ(4, ht->nr_nodes);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(i, ht->nodes[i].id);
		EXPECT_EQ(i, ht->nodes[i].free_huge);
		EXPECT_EQ(i, ht->llcs[i].node);
		for (j = 0; j < 4; j++)
			EXPECT_EQ(distances[i][j], ht->distances[i][j]);
	}
	EXPECT_EQ(63, ht->cpus[127].core);
	free(ht);
}

TEST(epyc_16llc)
{
	struct host_topology *ht = read_tree(_metadata, tree_epyc_16llc);
	unsigned int cpu;

	EXPECT_EQ(16, ht->nr_llcs);
	for (cpu = 0; cpu < 256; cpu++) {
		EXPECT_EQ(cpu % 128 / 8, ht->cpus[cpu].llc);
		EXPECT_EQ(cpu % 128, ht->cpus[cpu].core);
	}
	EXPECT_EQ(1, ht->nr_nodes);
	free(ht);
}

TEST(hybrid)
{
	struct host_topology *ht = read_tree(_metadata, tree_hybrid);
	unsigned int cpu;

	EXPECT_LLCS(ht, "0-19", "20-21");
	for (cpu = 0; cpu < 22; cpu++) {
		EXPECT_EQ(cpu < 12 ? HOST_CPU_NORMAL : HOST_CPU_EFFICIENT, ht->cpus[cpu].kind);
		EXPECT_EQ(cpu < 12 ? cpu & ~1U : cpu, ht->cpus[cpu].core);
	}
	free(ht);
}

TEST(vm_without_caches_and_nodes)
{
	struct host_topology *ht = read_tree(_metadata, tree_vm_2cpu);

	EXPECT_LIST("0-1", &ht->allowed);
	EXPECT_LLCS(ht, "0-1");
	EXPECT_EQ(1, ht->cpus[1].core);
	EXPECT_EQ(1, ht->nr_nodes);
	EXPECT_EQ(0, ht->nodes[0].id);
	EXPECT_EQ(3, ht->nodes[0].free_huge);
	EXPECT_EQ(10, ht->distances[0][0]);
	free(ht);
}

TEST(vm_with_caches)
{
	struct host_topology *ht = read_tree(_metadata, tree_vm_captured);

	EXPECT_LIST("0-1", &ht->online);
	EXPECT_LIST("0-1", &ht->allowed);
	EXPECT_LLCS(ht, "0-1");
	EXPECT_EQ(0, ht->cpus[0].core);
	EXPECT_EQ(1, ht->cpus[1].core);
	EXPECT_EQ(HOST_CPU_NORMAL, ht->cpus[1].kind);
	EXPECT_EQ(1, ht->nr_nodes);
	EXPECT_EQ(0, ht->nodes[0].free_huge);
	EXPECT_EQ(10, ht->distances[0][0]);
	free(ht);
}

TEST(offline_cpus)
{
	struct host_topology *ht = read_tree(_metadata, tree_offline);

	EXPECT_LIST("0,2-3,6,8,10,12,14", &ht->online);
	EXPECT_LIST("0,2-3,6,8,10,12,14", &ht->allowed);
	EXPECT_LLCS(ht, "0,2-3,6", "8,10,12,14");
	EXPECT_EQ(2, ht->cpus[3].core);
	EXPECT_EQ(6, ht->cpus[6].core);
	free(ht);
}

TEST(restricted)
{
	struct host_topology *ht = read_tree(_metadata, tree_restricted);

	EXPECT_LIST("0-7", &ht->online);
	EXPECT_LIST("2-5", &ht->allowed);
	EXPECT_LLCS(ht, "0-3", "4-7");
	ASSERT_EQ(3, ht->nr_nodes);
	EXPECT_EQ(300, ht->nodes[2].free_huge);
	EXPECT_EQ(24, ht->distances[1][2]);
	free(ht);
}

/* Two packages of two CPUs, one of which tells of its caches */
TEST(caches_of_some)
{
	static const char * const lists[] = { "0-1", "2", "3" };
	struct host_topology *ht;
	struct errmsg err = {};
	char root[64];

	ASSERT_EQ(0, tree_unpack(tree_vm_2cpu, root));
	ASSERT_EQ(0, tree_put(root, "sys/devices/system/cpu/online", "0-3"));
	ASSERT_EQ(0, tree_put(root, CPU(2) "/topology/core_cpus_list", "2"));
	ASSERT_EQ(0, tree_put(root, CPU(3) "/topology/core_cpus_list", "3"));
	ASSERT_EQ(0, tree_put(root, CPU(2) "/topology/physical_package_id", "7"));
	ASSERT_EQ(0, tree_put(root, CPU(3) "/topology/physical_package_id", "7"));
	ASSERT_EQ(0, tree_put(root, CPU(3) "/cache/index0/level", "1"));
	ASSERT_EQ(0, tree_put(root, CPU(3) "/cache/index0/type", "Data"));
	ASSERT_EQ(0, tree_put(root, CPU(3) "/cache/index0/shared_cpu_list", "3"));
	ht = host_topology_read(root, &err);
	tree_remove(root);
	ASSERT_NE(NULL, ht) {
		TH_LOG("%s", err.text);
	}
	expect_llcs(_metadata, ht, lists, ARRAY_SIZE(lists));
	free(ht);
}

/* Each breaks one file of a good host, and the error has the file's name. */
TEST(malformed)
{
	static const struct {
		const char *path;
		const char *text;	/* NULL: removed */
		const char *seen;
	} cases[] = {
		{ "sys/devices/system/cpu/online", NULL, "ENOENT" },
		{ "sys/devices/system/cpu/online", "", "not a list of CPUs" },
		{ "sys/devices/system/cpu/online", "0-", "not a list of CPUs" },
		{ "sys/devices/system/cpu/online", "0-99999", "not a list of CPUs" },
		{ CPU(0) "/topology/core_cpus_list", NULL, "thread_siblings_list" },
		{ CPU(0) "/topology/core_cpus_list", "1,8", "the CPU itself" },
		{ CPU(0) "/topology/core_cpus_list", "0,ff", "not a list of CPUs" },
		{ CPU(3) "/topology/core_cpus_list", "0,3", "other cores" },
		{ CPU(0) "/cache/index3/level", "three", "\"three\"" },
		{ CPU(0) "/cache/index3/level", "", "not the number" },
		{ CPU(0) "/cache/index3/level", "-1", "not the number" },
		{ CPU(0) "/cache/index3/level", "99999999999999999999999", "not the number" },
		{ CPU(0) "/cache/index3/type", NULL, "ENOENT" },
		{ CPU(0) "/cache/index3/shared_cpu_list", NULL, "ENOENT" },
		{ CPU(0) "/cache/index3/shared_cpu_list", "1-15", "the CPU itself" },
		{ "sys/devices/system/node/online", "", "1 to 128 nodes" },
		{ "sys/devices/system/node/online", "0-128", "1 to 128 nodes" },
		{ "sys/devices/system/node/online", "zero", "not a list" },
		{ "sys/devices/system/node/node0/cpulist", NULL, "ENOENT" },
		{ "sys/devices/system/node/node0/distance", NULL, "ENOENT" },
		{ "sys/devices/system/node/node0/distance", "", "for each node" },
		{ "sys/devices/system/node/node0/distance", "9", "for each node" },
		{ "sys/devices/system/node/node0/distance", "256", "for each node" },
		{ "sys/devices/system/node/node0/distance", "10 20", "for each node" },
		{ "sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages",
		  "many", "not the number" },
		{ "sys/devices/cpu_atom/cpus", "some", "not a list of CPUs" },
		{ "proc/thread-self/status", NULL, "ENOENT" },
		{ "proc/thread-self/status", "Name:\tx", "no Cpus_allowed_list" },
		{ "proc/thread-self/status", "Cpus_allowed_list:\t0-y", "not a list" },
		{ "sys/fs/cgroup/user.slice/cpuset.cpus.effective", "x", "not a list" },
	};
	char root[64], full[256], kept[264];
	struct errmsg err;
	size_t i;

	ASSERT_EQ(0, tree_unpack(tree_one_socket, root));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(full, sizeof(full), "%s/%s", root, cases[i].path);
		snprintf(kept, sizeof(kept), "%s.kept", full);
		if (rename(full, kept))		/* it may be one that was not there */
			ASSERT_EQ(ENOENT, errno);
		if (cases[i].text)
			ASSERT_EQ(0, tree_put(root, cases[i].path, cases[i].text));
		memset(&err, 0, sizeof(err));
		EXPECT_EQ(NULL, host_topology_read(root, &err));
		EXPECT_EQ(ERRMSG_HOST, err.kind);
		EXPECT_NE(NULL, strstr(err.text, cases[i].seen)) {
			TH_LOG("%s: %s", cases[i].path, err.text);
		}
		/* Where there are two names, the error has the second. */
		EXPECT_NE(NULL, strstr(err.text, strstr(cases[i].seen, "siblings") ?: full)) {
			TH_LOG("%s: %s", cases[i].path, err.text);
		}
		remove(full);
		rename(kept, full);
	}
	tree_remove(root);
	EXPECT_FALSE(leaks());
}

TEST(nothing_there)
{
	struct errmsg err = {};

	EXPECT_EQ(NULL, host_topology_read("/nonexistent", &err));
	EXPECT_NE(NULL, strstr(err.text, "/nonexistent/sys/devices/system/cpu/online"));
}

/* Files and affinities that exclude each other leave nothing to run on. */
TEST(nothing_allowed)
{
	struct errmsg err = {};
	char root[64];

	ASSERT_EQ(0, tree_unpack(tree_restricted, root));
	ASSERT_EQ(0, tree_put(root, "proc/thread-self/status", "Cpus_allowed_list:\t0-1"));
	EXPECT_EQ(NULL, host_topology_read(root, &err));
	EXPECT_NE(NULL, strstr(err.text, "no CPU that this process may use"));
	tree_remove(root);
}

TEST(this_host)
{
	struct host_topology *ht;
	struct errmsg err = {};
	unsigned int cpu, llc;
	struct cpu_set set;
	cpu_set_t mine;
	int fds = open_files();

	ASSERT_EQ(0, sched_getaffinity(0, sizeof(mine), &mine));
	ht = host_topology_read("", &err);
	ASSERT_NE(NULL, ht) {
		TH_LOG("%s", err.text);
	}
	EXPECT_EQ(fds, open_files());
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		EXPECT_EQ(!!CPU_ISSET(cpu, &mine), cpu_set_has(&ht->allowed, cpu));
	for (llc = 0; llc < ht->nr_llcs; llc++) {
		set = llc_cpus(_metadata, ht, llc);
		EXPECT_LT(0, cpu_set_count(&set));
	}
	free(ht);
}

TEST_HARNESS_MAIN
