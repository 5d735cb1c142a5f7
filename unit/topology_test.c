// SPDX-License-Identifier: GPL-2.0
/* Topology specs: what is accepted, what is refused and how, places and ids. */
#include <errno.h>
#include <linux/kernel.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "topology.h"

static const char * const valid[] = {
	"1n1l1c1t", "1n1l2c2t", "1n2l4c1t", "1n2l4c2t", "1n3l3c1t", "2n4l2c2t",
	"4n8l2c1t", "3n6l5c2t", "1n14l9c2t", "4n16l16c2t", "1n4096l1c1t",
	"1n1l4096c1t", "1n1l1c4096t", "64n64l64c1t", "64n4096l1c1t",
	/* nodes of different size; one of them, all but one of them without CPUs */
	"2n3l4c2t,llcs=1:2", "3n4l4c2t,llcs=3:1:0", "3n2l4c1t,llcs=1:1:0",
	"4n5l3c2t,llcs=5:0:0:0", "1n2l1c1t,llcs=2", "3n5l1c1t,llcs=2:2:1",
	"2n2l1c1t,mem=1G:512M", "2n2l1c1t,mem=2M:6M", "3n3l1c1t,mem=4G:4G:4G",
	"2n2l1c1t,dist=0-1:31", "3n3l1c1t,dist=0-1:21,dist=0-2:31,dist=1-2:254",
	"2n2l1c1t,dist=10:21:31:10",
	"2n2l1c1t,lat=0-0:80,lat=0-1:140,lat=1-1:65534", "2n2l1c1t,lat=80:0:120:80",
	"2n2l1c1t,bw=0-0:6553400,bw=1-1:100", "2n2l1c1t,bw=100:200:300:400",
	"2n2l1c1t,mscache=64M:0", "2n2l1c1t,mscache=1G:1M",
	"1n2l2c1t,llcshift=8", "1n1l1c1t,llcshift=12", "1n2l2c2t,llcshift=2",
	"3n2l4c1t,llcs=1:1:0,mem=1G:1G:2G,dist=0-2:40,lat=0-2:9,bw=0-2:100,mscache=0:0:2M,llcshift=7",
};

TEST(round_trip)
{
	char spec[TOPOLOGY_STR_SIZE];
	struct topology topo;
	struct errmsg err;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(valid); i++) {
		ASSERT_EQ(0, topology_parse(valid[i], &topo, &err))
			TH_LOG("%s: %s", valid[i], err.text);
		EXPECT_STREQ(valid[i], topology_format(&topo, spec));
	}
}

/* Written otherwise, meant the same */
static const struct {
	const char *spec;
	const char *means;
} same[] = {
	{ "2n2l1c1t,mem=512M", "2n2l1c1t,mem=512M:512M" },
	{ "2n2l1c1t,mem=1024M:2048M", "2n2l1c1t,mem=1G:2G" },
	{ "1n1l1c1t,mem=4T", "1n1l1c1t,mem=4096G" },
	{ "2n2l1c1t,dist=1-0:31", "2n2l1c1t,dist=0-1:31" },
	{ "2n2l1c1t,dist=10:31:31:10", "2n2l1c1t,dist=0-1:31" },
	{ "1n1l1c1t,dist=10", "1n1l1c1t" },
	{ "2n2l1c1t,dist=0-0:10", "2n2l1c1t" },
	{ "2n2l1c1t,bw=100:200:200:0", "2n2l1c1t,bw=0-0:100,bw=0-1:200" },
	{ "2n2l1c1t,mscache=0", "2n2l1c1t" },
	{ "2n2l1c1t,mscache=1G", "2n2l1c1t,mscache=1G:1G" },
	/* in any order */
	{ "2n3l4c1t,llcshift=4,lat=0-1:9,mem=2G,llcs=1:2",
	  "2n3l4c1t,llcs=1:2,mem=2G:2G,lat=0-1:9,llcshift=4" },
	{ "2n1l1c1t,lat=0-1:9,llcs=1:0", "2n1l1c1t,llcs=1:0,lat=0-1:9" },
};

TEST(means_the_same)
{
	char spec[TOPOLOGY_STR_SIZE];
	struct topology topo;
	struct errmsg err;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(same); i++) {
		ASSERT_EQ(0, topology_parse(same[i].spec, &topo, &err))
			TH_LOG("%s: %s", same[i].spec, err.text);
		EXPECT_STREQ(same[i].means, topology_format(&topo, spec));
	}
}

/* What does not fit is cut, and says so. */
TEST(format_fits)
{
	struct {
		char spec[TOPOLOGY_STR_SIZE];
		char after;
	} room = { .after = 'x' };
	static struct topology topo;
	unsigned int nodes;

	for (nodes = 1; nodes <= TOPOLOGY_MAX_NODES; nodes++) {
		topo = (struct topology) {
			.nodes = nodes, .llcs = nodes, .cores = 1, .threads = 1,
		};
		topo.latency.val[nodes - 1][0] = 65534;
		memset(room.spec, 'y', sizeof(room.spec));
		topology_format(&topo, room.spec);
		ASSERT_GT(sizeof(room.spec), strnlen(room.spec, sizeof(room.spec)));
		EXPECT_EQ('x', room.after);
	}
	EXPECT_EQ(TOPOLOGY_STR_SIZE - 1, strlen(room.spec));
	EXPECT_STREQ("...", room.spec + TOPOLOGY_STR_SIZE - 4);
}

TEST(fields_go_where_they_belong)
{
	struct topology topo;
	struct errmsg err;

	ASSERT_EQ(0, topology_parse("2n6l5c3t", &topo, &err));
	EXPECT_EQ(2, topo.nodes);
	EXPECT_EQ(6, topo.llcs);
	EXPECT_EQ(5, topo.cores);
	EXPECT_EQ(3, topo.threads);
	EXPECT_EQ(90, topology_cpus(&topo));
}

static const struct {
	const char *spec;
	const char *says;	/* which part is wrong, and why */
} invalid[] = {
	{ NULL, "no topology was given" },
	{ "", "is empty" },
	{ "0n1l1c1t", "number of NUMA nodes is zero" },
	{ "1n0l1c1t", "number of LLCs is zero" },
	{ "1n1l0c1t", "number of cores per LLC is zero" },
	{ "1n1l1c0t", "number of threads per core is zero" },
	{ "2n3l1c1t", "3 LLCs cannot be dealt evenly to 2 NUMA nodes" },
	{ "4n2l1c1t", "2 LLCs cannot be dealt evenly to 4 NUMA nodes" },
	{ "1n1l1c", "number of threads per core is missing at \"\"" },
	{ "1n1l1c1", "number of threads per core ends at \"\" and not with 't'" },
	{ "1n1l", "number of cores per LLC is missing" },
	{ "1", "number of NUMA nodes ends at \"\" and not with 'n'" },
	{ "n1l1c1t", "number of NUMA nodes is missing at \"n1l1c1t\"" },
	{ "1nl1c1t", "number of LLCs is missing at \"l1c1t\"" },
	{ "1l1n1c1t", "number of NUMA nodes ends at \"l1n1c1t\"" },
	{ "1N1L1C1T", "number of NUMA nodes ends at \"N1L1C1T\"" },
	{ "1n99999l1c1t", "number of LLCs is over 4096" },
	{ "65n65l1c1t", "number of NUMA nodes is over 64" },
	{ "1n1l4097c1t", "number of cores per LLC is over 4096" },
	{ "1n64l64c2t", "8192 CPUs are more than 4096" },
	{ "1n4096l4096c4096t", "68719476736 CPUs are more than 4096" },
	{ "4294967297n1l1c1t", "number of NUMA nodes is over 64" },
	{ "1n18446744073709551617l1c1t", "number of LLCs is over 4096" },
	{ "1n1l1c99999999999999999999999999999999t", "threads per core is over 4096" },
	{ "1n1l1c1t ", "\" \" follows the threads per core" },
	{ "1n1l1c1t\n", "follows the threads per core" },
	{ "1n1l1c1tx", "\"x\" follows the threads per core" },
	{ "1n1l1c1t1n1l1c1t", "\"1n1l1c1t\" follows the threads per core" },
	{ "+1n1l1c1t", "number of NUMA nodes is missing at \"+1n1l1c1t\"" },
	{ "-1n1l1c1t", "number of NUMA nodes is missing" },
	{ "1n+1l1c1t", "number of LLCs is missing at \"+1l1c1t\"" },
	{ "1n-1l1c1t", "number of LLCs is missing" },
	{ " 1n1l1c1t", "number of NUMA nodes is missing at \" 1n1l1c1t\"" },
	{ "1n 1l1c1t", "number of LLCs is missing at \" 1l1c1t\"" },
	{ "1 n1l1c1t", "number of NUMA nodes ends at \" n1l1c1t\"" },
	{ "01n1l1c1t", "number of NUMA nodes has a leading zero" },
	{ "1n1l1c02t", "number of threads per core has a leading zero" },
	{ "0x1n1l1c1t", "number of NUMA nodes is zero" },
	{ "1.0n1l1c1t", "number of NUMA nodes ends at \".0n1l1c1t\"" },
	{ "%s%n", "number of NUMA nodes is missing at \"%s%n\"" },
	{ "\xd9\xa1n1l1c1t", "number of NUMA nodes is missing" },

	{ "1n1l1c1t,", "\"\" is none of llcs=, mem=" },
	{ "1n1l1c1t,,mem=1G", "\",mem=1G\" is none of" },
	{ "1n1l1c1t,cpus=1", "\"cpus=1\" is none of" },
	{ "1n1l1c1t,mem", "\"mem\" is none of" },
	{ "1n1l1c1t, mem=1G", "\" mem=1G\" is none of" },
	{ "1n1l1c1t,MEM=1G", "\"MEM=1G\" is none of" },
	{ "1n1l1c1t,%n", "\"%n\" is none of" },
	{ ",mem=1G", "number of NUMA nodes is missing at \",mem=1G\"" },

	{ "2n4l1c1t,llcs=", "number of a node's LLCs is missing" },
	{ "2n4l1c1t,llcs=4", "a number of LLCs for 1 nodes of 2" },
	{ "2n4l1c1t,llcs=2:2:1", "\":1\" follows what llcs= takes" },
	{ "2n4l1c1t,llcs=2:1", "3 LLCs together, and not 4" },
	{ "2n4l1c1t,llcs=0:4", "node 1 has LLCs, node 0 has none: such nodes come last" },
	{ "4n4l1c1t,llcs=1:0:0:3", "node 3 has LLCs, node 2 has none" },
	{ "2n4l1c1t,llcs=0:0", "0 LLCs together, and not 4" },
	{ "2n4l1c1t,llcs=4:-0", "number of a node's LLCs is missing at \"-0\"" },
	{ "2n4l1c1t,llcs=2:02", "number of a node's LLCs has a leading zero" },
	{ "2n4l1c1t,llcs=2:4097", "number of a node's LLCs is over 4096" },
	{ "2n4l1c1t,llcs=1:3,llcs=3:1", "llcs= is given twice" },
	{ "3n4l1c1t,mem=1G", "4 LLCs cannot be dealt evenly to 3 NUMA nodes (see llcs=)" },

	{ "2n2l1c1t,mem=", "memory size is missing" },
	{ "2n2l1c1t,mem=1", "memory size ends at \"\" and not with M, G or T" },
	{ "2n2l1c1t,mem=1K", "memory size ends at \"K\" and not with M, G or T" },
	{ "2n2l1c1t,mem=1g", "memory size ends at \"g\" and not" },
	{ "2n2l1c1t,mem=0", "memory size of node 0 is no multiple of 2M" },
	{ "2n2l1c1t,mem=1G:0", "memory size of node 1 is no multiple of 2M" },
	{ "2n2l1c1t,mem=1G:0M", "memory size of node 1 is no multiple of 2M" },
	{ "2n2l1c1t,mem=3M:1G", "memory size of node 0 is no multiple of 2M" },
	{ "3n3l1c1t,mem=1G:1G", "a memory size for 2 nodes of 3" },
	{ "2n2l1c1t,mem=1G:1G:1G", "\":1G\" follows what mem= takes" },
	{ "2n2l1c1t,mem=1GB", "\"B\" follows what mem= takes" },
	{ "1n1l1c1t,mem=2049T", "memory size is over 2048T" },
	{ "1n1l1c1t,mem=4294967296M", "memory size is over 2147483648" },
	{ "1n1l1c1t,mem=2147483648T", "memory size is over 2048T" },
	{ "1n1l1c1t,mem=1G,mem=1G", "mem= is given twice" },

	{ "2n2l1c1t,dist=", "distance is missing" },
	{ "2n2l1c1t,dist=0-1", "distance is missing after \"0-1\"" },
	{ "2n2l1c1t,dist=0-:20", "second node is missing at \":20\"" },
	{ "2n2l1c1t,dist=0-2:20", "there is no node 2, nodes are counted from 0" },
	{ "2n2l1c1t,dist=4294967295-0:20", "there is no node 4294967295" },
	{ "2n2l1c1t,dist=0-1:10", "distance is below 11" },
	{ "2n2l1c1t,dist=0-1:255", "distance is over 254" },
	{ "2n2l1c1t,dist=1-1:20", "distance of node 1 to itself is 10 and not 20" },
	{ "2n2l1c1t,dist=10:20:20:11", "distance of node 1 to itself is 10 and not 11" },
	{ "2n2l1c1t,dist=10:20:20", "3 values, and not 4 for each pair of 2" },
	{ "2n2l1c1t,dist=10:20:20:10:10", "\":10\" follows what dist= takes" },
	{ "2n2l1c1t,dist=0-1:20,dist=1-0:20", "distance from node 1 to node 0 is given twice" },
	{ "2n2l1c1t,dist=0-1:20,dist=10:20:20:10",
	  "distance from node 0 to node 1 is given twice" },

	{ "1n1l1c1t,lat=0-0:65535", "latency is over 65534" },
	{ "1n1l1c1t,lat=0-0:", "latency is missing at \"\"" },
	{ "1n1l1c1t,lat=0-0:1.5", "\".5\" follows what lat= takes" },
	{ "3n1l1c1t,llcs=1:0:0,lat=1-2:99",
	  "the latency from node 1 to node 2 is without a CPU" },
	{ "2n1l1c1t,bw=1-1:100,llcs=1:0",
	  "the bandwidth from node 1 to node 1 is without a CPU" },
	{ "1n1l1c1t,bw=0-0:6553500", "bandwidth is over 6553400" },
	{ "1n1l1c1t,bw=0-0:150", "bandwidth is no multiple of 100" },

	{ "2n2l1c1t,mscache=", "memory-side cache is missing" },
	{ "3n3l1c1t,mscache=0:0", "a memory-side cache for 2 nodes of 3" },
	{ "1n1l1c1t,mscache=1", "memory-side cache ends at \"\"" },
	{ "1n1l1c1t,mscache=1M,mscache=1M", "mscache= is given twice" },

	{ "1n1l1c1t,llcshift=", "shift of the LLC is missing" },
	{ "1n1l1c1t,llcshift=13", "shift of the LLC is over 12" },
	{ "1n1l4c2t,llcshift=2", "a shift of 2 is too small: 4 cores of 2 threads take 3 bits" },
	{ "1n1l1c1t,llcshift=8,llcshift=8", "llcshift= is given twice" },
};

/* What an example of the part that is wrong has in it */
static const char *last_part(const char *spec, char name[16])
{
	const char *start = spec ? strrchr(spec, ',') : NULL;

	if (!start)
		return "a valid one is";
	snprintf(name, 16, "t,%.*s=", (int)strcspn(start + 1, "="), start + 1);
	return name;
}

TEST(refused)
{
	char name[16];
	static const struct topology before = { .nodes = 7, .llcs = 7, .node_mib[63] = 7 };
	struct topology topo;
	struct errmsg err;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(invalid); i++) {
		topo = before;
		memset(&err, 0, sizeof(err));
		EXPECT_EQ(-EINVAL, topology_parse(invalid[i].spec, &topo, &err))
			TH_LOG("accepted \"%s\"", invalid[i].spec);
		EXPECT_EQ(ERRMSG_INPUT, err.kind);
		EXPECT_NE(NULL, strstr(err.text, invalid[i].says))
			TH_LOG("\"%s\": %s", invalid[i].spec, err.text);
		EXPECT_NE(NULL, strstr(err.text, "a valid one is \"2n4l4c2t\"") ?:
				strstr(err.text, last_part(invalid[i].spec, name)))
			TH_LOG("\"%s\": %s", invalid[i].spec, err.text);
		EXPECT_EQ(0, memcmp(&before, &topo, sizeof(topo)));
	}
	EXPECT_EQ(0, topology_parse("2n4l4c2t", &topo, &err));
}

/* Examples are for people who copy them. */
TEST(examples_are_valid)
{
	char example[64], *start, *end;
	struct topology topo;
	struct errmsg err, ignored;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(invalid); i++) {
		topology_parse(invalid[i].spec, &topo, &err);
		start = strstr(err.text, "a valid one is \"");
		ASSERT_NE(NULL, start);
		while (start) {
			start = strchr(start, '"') + 1;
			end = strchr(start, '"');
			ASSERT_NE(NULL, end);
			snprintf(example, sizeof(example), "%.*s", (int)(end - start), start);
			EXPECT_EQ(0, topology_parse(example, &topo, &ignored))
				TH_LOG("%s", example);
			start = strstr(end, "or \"");
		}
	}
}

/* Every proper prefix of a spec lacks something, and every suffix is too much. */
TEST(refused_cut_and_continued)
{
	char spec[TOPOLOGY_STR_SIZE + 1];
	struct topology topo;
	struct errmsg err;
	size_t i, len;
	int c;

	for (i = 0; i < ARRAY_SIZE(valid) && !strchr(valid[i], ','); i++) {
		for (len = 0; len < strlen(valid[i]); len++) {
			memcpy(spec, valid[i], len);
			spec[len] = '\0';
			EXPECT_EQ(-EINVAL, topology_parse(spec, &topo, &err))
				TH_LOG("accepted \"%s\"", spec);
		}
		for (c = 1; c < 256; c++) {
			snprintf(spec, sizeof(spec), "%s%c", valid[i], c);
			EXPECT_EQ(-EINVAL, topology_parse(spec, &topo, &err))
				TH_LOG("accepted \"%s\"", spec);
		}
	}
}

/* Whatever one wrong byte makes of a spec: refused, or as good as any other. */
TEST(one_wrong_byte)
{
	static const char bytes[] = "0123456789:,-=nlctMGT \xff";
	char spec[TOPOLOGY_STR_SIZE], again[TOPOLOGY_STR_SIZE];
	static struct topology topo, second;
	unsigned int cpu, accepted = 0;
	struct errmsg err;
	size_t i, j, at;

	for (i = 0; i < ARRAY_SIZE(valid); i++) {
		for (at = 0; at < strlen(valid[i]); at++) {
			for (j = 0; j < sizeof(bytes); j++) {
				memcpy(spec, valid[i], strlen(valid[i]) + 1);
				spec[at] = bytes[j];
				if (topology_parse(spec, &topo, &err))
					continue;
				accepted++;
				cpu = topology_cpus(&topo) - 1;
				ASSERT_GT(topo.nodes, topology_place(&topo, cpu).node);
				ASSERT_EQ(topo.llcs - 1, topology_place(&topo, cpu).llc);
				topology_format(&topo, again);
				ASSERT_EQ(0, topology_parse(again, &second, &err))
					TH_LOG("%s: %s", spec, err.text);
				ASSERT_EQ(0, memcmp(&topo, &second, sizeof(topo)))
					TH_LOG("%s is not %s", spec, again);
			}
		}
	}
	EXPECT_LT(1000, accepted);
}

TEST(refused_very_long)
{
	static char spec[1 << 20];
	struct topology topo;
	struct errmsg err;

	memset(spec, '9', sizeof(spec) - 1);
	EXPECT_EQ(-EINVAL, topology_parse(spec, &topo, &err));
	EXPECT_NE(NULL, strstr(err.text, "\"2n4l4c2t\""));
	memset(spec, 'n', sizeof(spec) - 1);
	EXPECT_EQ(-EINVAL, topology_parse(spec, &topo, &err));
	EXPECT_NE(NULL, strstr(err.text, "\"2n4l4c2t\""));
}

/* LLCs of a node, from the spec's own text */
static unsigned int node_llcs(const char *spec, unsigned int node, const struct topology *topo)
{
	const char *text = strstr(spec, "llcs=");

	if (!text)
		return topo->llcs / topo->nodes;
	text += strlen("llcs=");
	while (node--)
		text = strchr(text, ':') + 1;
	return strtoul(text, NULL, 10);
}

/* CPUs are numbered thread by thread, core by core, LLC by LLC, node by node. */
TEST(places)
{
	unsigned int node, llc, core, thread, cpu, left;
	struct topology_place place;
	struct topology topo;
	struct errmsg err;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(valid); i++) {
		ASSERT_EQ(0, topology_parse(valid[i], &topo, &err));
		cpu = 0;
		node = 0;
		left = node_llcs(valid[i], 0, &topo);
		for (llc = 0; llc < topo.llcs; llc++) {
			while (!left--)
				left = node_llcs(valid[i], ++node, &topo);
			for (core = 0; core < topo.cores; core++) {
				for (thread = 0; thread < topo.threads; thread++) {
					place = topology_place(&topo, cpu++);
					ASSERT_EQ(node, place.node);
					ASSERT_EQ(llc, place.llc);
					ASSERT_EQ(core, place.core);
					ASSERT_EQ(thread, place.thread);
				}
			}
		}
		EXPECT_EQ(cpu, topology_cpus(&topo));
		for (cpu = 0, node = 0; node < topo.nodes; node++) {
			llc = node_llcs(valid[i], node, &topo);
			EXPECT_EQ(llc * topo.cores * topo.threads,
				  topology_node_cpus(&topo, node));
			cpu += topology_node_cpus(&topo, node);
		}
		EXPECT_EQ(cpu, topology_cpus(&topo));
	}
}

/* APIC ids rise with the CPU number, and divide as their shifts say. */
TEST(apic_ids)
{
	unsigned int core_shift, llc_shift, cpu;
	struct topology_place place;
	struct topology topo;
	struct errmsg err;
	u32 id, last;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(valid); i++) {
		ASSERT_EQ(0, topology_parse(valid[i], &topo, &err));
		core_shift = topology_core_shift(&topo);
		llc_shift = topology_llc_shift(&topo);
		last = 0;
		for (cpu = 0; cpu < topology_cpus(&topo); cpu++) {
			id = topology_apic_id(&topo, cpu);
			place = topology_place(&topo, cpu);
			ASSERT_TRUE(cpu ? id > last : id == 0);
			ASSERT_EQ(place.llc, id >> llc_shift);
			ASSERT_EQ(place.core, (id & ((1U << llc_shift) - 1)) >> core_shift);
			ASSERT_EQ(place.thread, id & ((1U << core_shift) - 1));
			last = id;
		}
		EXPECT_EQ(last, topology_max_apic_id(&topo));
	}
}

TEST(apic_ids_by_hand)
{
	static const struct {
		const char *spec;
		unsigned int core_shift;
		unsigned int llc_shift;
		u32 max;
	} known[] = {
		{ "1n1l1c1t", 0, 0, 0 },
		{ "1n1l2c2t", 1, 2, 3 },
		{ "1n3l3c1t", 0, 2, 10 },
		{ "3n6l5c2t", 1, 4, 89 },
		{ "1n14l9c2t", 1, 5, 433 },
		{ "4n16l16c2t", 1, 5, 511 },
		{ "1n2l5c3t", 2, 5, 50 },
		/* small, with an id above 254, with 255 */
		{ "1n2l2c1t,llcshift=8", 0, 8, 257 },
		{ "1n2l4c2t,llcshift=5", 1, 5, 39 },
		{ "3n3l1c1t,llcshift=7", 0, 7, 256 },
		{ "1n4l8c2t,llcshift=10", 1, 10, 3087 },
		{ "2n3l4c2t,llcs=1:2", 1, 3, 23 },
	};
	struct topology topo;
	struct errmsg err;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		ASSERT_EQ(0, topology_parse(known[i].spec, &topo, &err));
		EXPECT_EQ(known[i].core_shift, topology_core_shift(&topo));
		EXPECT_EQ(known[i].llc_shift, topology_llc_shift(&topo));
		EXPECT_EQ(known[i].max, topology_max_apic_id(&topo));
	}
}

TEST(distances)
{
	struct topology topo;
	struct errmsg err;

	ASSERT_EQ(0, topology_parse("3n3l1c1t", &topo, &err));
	EXPECT_EQ(10, topology_distance(&topo, 2, 2));
	EXPECT_EQ(20, topology_distance(&topo, 0, 2));
	EXPECT_EQ(20, topology_distance(&topo, 2, 0));

	/* the others are as if nothing had been said */
	ASSERT_EQ(0, topology_parse("3n3l1c1t,dist=2-0:31", &topo, &err));
	EXPECT_EQ(31, topology_distance(&topo, 0, 2));
	EXPECT_EQ(31, topology_distance(&topo, 2, 0));
	EXPECT_EQ(20, topology_distance(&topo, 0, 1));
	EXPECT_EQ(10, topology_distance(&topo, 2, 2));

	/* row by row, each from one node */
	ASSERT_EQ(0, topology_parse("2n2l1c1t,dist=10:21:31:10", &topo, &err));
	EXPECT_EQ(21, topology_distance(&topo, 0, 1));
	EXPECT_EQ(31, topology_distance(&topo, 1, 0));
}

TEST(memory_and_hmat)
{
	struct topology topo;
	struct errmsg err;

	ASSERT_EQ(0, topology_parse("2n2l1c1t,dist=0-1:40,llcshift=8", &topo, &err));
	EXPECT_FALSE(topology_has_hmat(&topo));
	EXPECT_EQ(0, topology_memory(&topo));
	EXPECT_EQ(0, topology_node_memory(&topo, 1));
	EXPECT_EQ(0, topology_latency(&topo, 0, 1));
	EXPECT_EQ(0, topology_bandwidth(&topo, 0, 1));

	ASSERT_EQ(0, topology_parse("3n2l1c1t,llcs=1:1:0,mem=512M:1G:4T,lat=0-0:80,lat=0-2:250",
				    &topo, &err));
	EXPECT_TRUE(topology_has_hmat(&topo));
	EXPECT_EQ(512ULL << 20, topology_node_memory(&topo, 0));
	EXPECT_EQ(1ULL << 30, topology_node_memory(&topo, 1));
	EXPECT_EQ(4ULL << 40, topology_node_memory(&topo, 2));
	EXPECT_EQ((512ULL << 20) + (1ULL << 30) + (4ULL << 40), topology_memory(&topo));
	EXPECT_EQ(80, topology_latency(&topo, 0, 0));
	EXPECT_EQ(250, topology_latency(&topo, 0, 2));
	/* was not given; has no CPUs */
	EXPECT_EQ(0, topology_latency(&topo, 1, 2));
	EXPECT_EQ(0, topology_latency(&topo, 2, 0));

	ASSERT_EQ(0, topology_parse("2n2l1c1t,bw=6553400:0:100:32000", &topo, &err));
	EXPECT_TRUE(topology_has_hmat(&topo));
	EXPECT_EQ(6553400, topology_bandwidth(&topo, 0, 0));
	EXPECT_EQ(0, topology_bandwidth(&topo, 0, 1));
	EXPECT_EQ(100, topology_bandwidth(&topo, 1, 0));
	EXPECT_EQ(32000, topology_bandwidth(&topo, 1, 1));

	ASSERT_EQ(0, topology_parse("2n2l1c1t,mscache=0:1536M", &topo, &err));
	EXPECT_TRUE(topology_has_hmat(&topo));
	EXPECT_EQ(0, topology_node_cache(&topo, 0));
	EXPECT_EQ(1536ULL << 20, topology_node_cache(&topo, 1));
}

TEST_HARNESS_MAIN
