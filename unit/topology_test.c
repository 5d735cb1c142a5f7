// SPDX-License-Identifier: GPL-2.0
/* Topology specs: what is accepted, what is refused and how, places and ids. */
#include <errno.h>
#include <linux/kernel.h>
#include <string.h>

#include "kselftest_harness.h"
#include "topology.h"

static const char * const valid[] = {
	"1n1l1c1t", "1n1l2c2t", "1n2l4c1t", "1n2l4c2t", "1n3l3c1t", "2n4l2c2t",
	"4n8l2c1t", "3n6l5c2t", "1n14l9c2t", "4n16l16c2t", "1n4096l1c1t",
	"1n1l4096c1t", "1n1l1c4096t", "64n64l64c1t", "64n4096l1c1t",
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

TEST(format_fits)
{
	const struct topology topo = { -1U, -1U, -1U, -1U };
	char spec[TOPOLOGY_STR_SIZE];

	EXPECT_EQ(&spec[0], topology_format(&topo, spec));
	EXPECT_STREQ("4294967295n4294967295l4294967295c4294967295t", spec);
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
};

TEST(refused)
{
	const struct topology before = { 7, 7, 7, 7 };
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
		EXPECT_NE(NULL, strstr(err.text, "\"2n4l4c2t\""));
		EXPECT_EQ(0, memcmp(&before, &topo, sizeof(topo)));
	}
	EXPECT_EQ(0, topology_parse("2n4l4c2t", &topo, &err));
}

/* Every proper prefix of a spec lacks something, and every suffix is too much. */
TEST(refused_cut_and_continued)
{
	char spec[TOPOLOGY_STR_SIZE + 1];
	struct topology topo;
	struct errmsg err;
	size_t i, len;
	int c;

	for (i = 0; i < ARRAY_SIZE(valid); i++) {
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

/* CPUs are numbered thread by thread, core by core, LLC by LLC, node by node. */
TEST(places)
{
	unsigned int node, llc, core, thread, cpu;
	struct topology_place place;
	struct topology topo;
	struct errmsg err;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(valid); i++) {
		ASSERT_EQ(0, topology_parse(valid[i], &topo, &err));
		cpu = 0;
		node = 0;
		for (llc = 0; llc < topo.llcs; llc++) {
			if (llc && llc % (topo.llcs / topo.nodes) == 0)
				node++;
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
		EXPECT_EQ(node + 1, topo.nodes);
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
}

TEST_HARNESS_MAIN
