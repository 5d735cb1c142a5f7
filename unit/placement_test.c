// SPDX-License-Identifier: GPL-2.0
/* Which CPUs of several hosts a guest gets, in performance and in shared mode. */
#include <errno.h>
#include <linux/kernel.h>

#include "harness.h"
#include "placement.h"
#include "tree.h"

TREE(one_socket);
TREE(snc);
TREE(epyc_16llc);
TREE(hybrid);
TREE(vm_2cpu);
TREE(offline);
TREE(restricted);

FIXTURE(placement) {
	struct host_topology *ht;
	struct topology topo;
	struct llc_state llcs[TOPOLOGY_MAX_CPUS];
	struct placement p;
	struct errmsg err;
};

FIXTURE_SETUP(placement)
{
	memset(self, 0, sizeof(*self));
}

FIXTURE_TEARDOWN(placement)
{
	free(self->ht);
}

static void read_host(struct __test_metadata *_metadata, struct _test_data_placement *self,
		      const char *tree)
{
	char root[64];

	free(self->ht);
	ASSERT_EQ(0, tree_unpack(tree, root));
	self->ht = host_topology_read(root, &self->err);
	tree_remove(root);
	ASSERT_NE(NULL, self->ht) {
		TH_LOG("%s", self->err.text);
	}
}

/* CPU for CPU, by what placement_dedicate() promises; not by how it chooses. */
static void check_dedicated(struct __test_metadata *_metadata, struct _test_data_placement *self)
{
	const u32 not_by_cores = PLACEMENT_THREADS_AS_CORES | PLACEMENT_SIBLINGS_APART;
	const unsigned int nr = topology_cpus(&self->topo);
	const struct placement *p = &self->p;
	struct host_topology *ht = self->ht;
	unsigned int i, j, service;

	ASSERT_TRUE(p->pinned);
	ASSERT_EQ(1, cpu_set_count(&p->service));
	service = cpu_set_next(&p->service, 0);
	ASSERT_TRUE(cpu_set_has(&ht->allowed, service));
	ASSERT_NE(LLC_FREE, p->claims[ht->cpus[service].llc]);
	for (i = 0; i < nr; i++) {
		struct topology_place a = topology_place(&self->topo, i);
		const struct host_cpu *ha = &ht->cpus[p->cpus[i]];

		ASSERT_TRUE(cpu_set_has(&ht->allowed, p->cpus[i]));
		ASSERT_NE(service, p->cpus[i]);
		ASSERT_EQ(LLC_EXCLUSIVE, p->claims[ha->llc]);
		ASSERT_FALSE(self->llcs[ha->llc].busy);
		for (j = 0; j < i; j++) {
			struct topology_place b = topology_place(&self->topo, j);
			const struct host_cpu *hb = &ht->cpus[p->cpus[j]];

			ASSERT_NE(p->cpus[i], p->cpus[j]);
			ASSERT_EQ(a.llc == b.llc, ha->llc == hb->llc) {
				TH_LOG("vCPUs %u, %u: CPUs %u, %u", j, i, p->cpus[j], p->cpus[i]);
			}
			if (!(p->warnings & not_by_cores))
				ASSERT_EQ(a.llc == b.llc && a.core == b.core, ha->core == hb->core);
			if (!(p->warnings & PLACEMENT_NODES_SHARED) && a.node != b.node)
				ASSERT_NE(ha->node, hb->node);
			if (!(p->warnings & PLACEMENT_NODE_SPLIT) && a.node == b.node)
				ASSERT_EQ(ha->node, hb->node);
			if (!(p->warnings & PLACEMENT_MIXED_KINDS))
				ASSERT_EQ(ha->kind, hb->kind);
		}
		if (!(p->warnings & PLACEMENT_SERVICE_ON_SIBLING))
			ASSERT_NE(ha->core, ht->cpus[service].core);
	}
}

struct dedicated_case {
	const char *topo;
	int ret;
	unsigned int warnings;
	unsigned int first;	/* host CPU of vCPU 0 */
	unsigned int last;	/* and of the last vCPU */
	unsigned int service;
};

static void check_cases(struct __test_metadata *_metadata, struct _test_data_placement *self,
			const char *tree, const struct dedicated_case *cases, size_t nr)
{
	const struct dedicated_case *c;

	read_host(_metadata, self, tree);
	for (c = cases; c < cases + nr; c++) {
		ASSERT_EQ(0, topology_parse(c->topo, &self->topo, &self->err));
		EXPECT_EQ(c->ret, placement_dedicate(&self->p, &self->topo, self->ht, self->llcs,
						     &self->err)) {
			TH_LOG("%s: %s", c->topo, self->err.text);
			continue;
		}
		if (c->ret) {
			EXPECT_EQ(ERRMSG_HOST, self->err.kind);
			EXPECT_NE(NULL, strstr(self->err.text, c->topo));
			continue;
		}
		EXPECT_EQ(c->warnings, self->p.warnings) {
			TH_LOG("%s", c->topo);
		}
		EXPECT_EQ(c->first, self->p.cpus[0]) {
			TH_LOG("%s", c->topo);
		}
		EXPECT_EQ(c->last, self->p.cpus[topology_cpus(&self->topo) - 1]) {
			TH_LOG("%s", c->topo);
		}
		EXPECT_EQ(c->service, cpu_set_next(&self->p.service, 0)) {
			TH_LOG("%s", c->topo);
		}
		check_dedicated(_metadata, self);
	}
}

TEST_F(placement, one_socket)
{
	static const struct dedicated_case cases[] = {
		{ "1n1l1c1t", 0, 0, 0, 0, 1 },
		{ "1n1l4c1t", 0, 0, 0, 3, 4 },
		{ "1n1l4c2t", 0, 0, 0, 11, 4 },
		/* Each core has a vCPU: the VMM is on the sibling of one. */
		{ "1n1l8c1t", 0, PLACEMENT_SERVICE_ON_SIBLING, 0, 7, 8 },
		{ "1n1l9c1t", 0, PLACEMENT_THREADS_AS_CORES, 0, 4, 5 },
		{ "1n1l15c1t", 0, PLACEMENT_THREADS_AS_CORES | PLACEMENT_SERVICE_ON_SIBLING,
		  0, 7, 15 },
		{ "1n1l3c4t", 0, PLACEMENT_SIBLINGS_APART, 0, 13, 6 },
		{ "1n1l8c2t", .ret = -ERANGE },
		{ "1n1l16c1t", .ret = -ERANGE },
		{ "1n2l1c1t", .ret = -ERANGE },
		{ "2n2l1c1t", .ret = -ERANGE },
	};

	check_cases(_metadata, self, tree_one_socket, cases, ARRAY_SIZE(cases));
}

TEST_F(placement, snc)
{
	static const struct dedicated_case cases[] = {
		{ "1n1l15c2t", 0, 0, 0, 78, 15 },
		/* An idle core of another node is better than a thread beside a vCPU. */
		{ "1n1l16c2t", 0, 0, 0, 79, 16 },
		{ "2n2l8c1t", 0, 0, 0, 23, 8 },
		{ "4n4l8c2t", 0, 0, 0, 119, 8 },
		/* One node of the guest over two of the host, which are near each other */
		{ "1n2l4c1t", 0, PLACEMENT_NODE_SPLIT, 0, 19, 4 },
		{ "4n4l16c1t", 0, PLACEMENT_SERVICE_ON_SIBLING, 0, 63, 64 },
		{ "4n4l16c2t", .ret = -ERANGE },
		{ "5n5l1c1t", .ret = -ERANGE },
		{ "2n4l2c1t", 0, PLACEMENT_NODE_SPLIT, 0, 49, 2 },
	};

	check_cases(_metadata, self, tree_snc, cases, ARRAY_SIZE(cases));
}

TEST_F(placement, epyc_16llc)
{
	static const struct dedicated_case alone[] = {
		{ "1n1l8c2t", 0, 0, 0, 135, 8 },
		{ "1n4l4c2t", 0, 0, 0, 155, 4 },
		{ "2n4l8c1t", 0, PLACEMENT_NODES_SHARED, 0, 31, 32 },
		{ "1n16l8c1t", 0, PLACEMENT_SERVICE_ON_SIBLING, 0, 127, 128 },
		{ "1n15l8c2t", 0, 0, 0, 247, 120 },
		{ "1n17l1c1t", .ret = -ERANGE },
		{ "1n16l8c2t", .ret = -ERANGE },
	};
	static const struct dedicated_case beside_others[] = {
		{ "1n1l8c2t", 0, 0, 8, 143, 24 },
		{ "1n2l8c1t", 0, 0, 8, 31, 32 },
		{ "1n14l8c2t", .ret = -EBUSY },
		{ "1n15l1c1t", .ret = -EBUSY },
		{ "1n17l1c1t", .ret = -ERANGE },
	};

	check_cases(_metadata, self, tree_epyc_16llc, alone, ARRAY_SIZE(alone));

	/* Others have some: the next ones are taken. */
	self->llcs[0].busy = true;
	self->llcs[2].busy = true;
	check_cases(_metadata, self, tree_epyc_16llc, beside_others, ARRAY_SIZE(beside_others));
}

TEST_F(placement, hybrid)
{
	static const struct dedicated_case cases[] = {
		{ "1n1l6c2t", 0, 0, 0, 11, 12 },
		{ "1n1l6c1t", 0, 0, 0, 10, 12 },
		/* More than there are performance cores: all on efficiency cores */
		{ "1n1l8c1t", 0, 0, 12, 19, 0 },
		{ "1n1l9c1t", 0, PLACEMENT_MIXED_KINDS, 0, 14, 15 },
		{ "1n2l2c1t", 0, 0, 12, 21, 0 },
		{ "1n1l7c2t", 0, PLACEMENT_SIBLINGS_APART | PLACEMENT_MIXED_KINDS, 0, 13, 14 },
		{ "1n3l1c1t", .ret = -ERANGE },
	};

	check_cases(_metadata, self, tree_hybrid, cases, ARRAY_SIZE(cases));
}

TEST_F(placement, small_and_restricted)
{
	static const struct dedicated_case vm[] = {
		{ "1n1l1c1t", 0, 0, 0, 0, 1 },
		{ "1n1l2c1t", .ret = -ERANGE },
		{ "1n1l1c2t", .ret = -ERANGE },
	};
	static const struct dedicated_case offline[] = {
		{ "1n1l3c1t", 0, 0, 0, 6, 8 },
		{ "1n1l1c2t", 0, 0, 2, 3, 0 },
		{ "1n2l3c1t", 0, 0, 0, 12, 14 },
	};
	static const struct dedicated_case restricted[] = {
		{ "1n1l1c1t", 0, 0, 2, 2, 3 },
		{ "1n1l2c1t", 0, 0, 2, 3, 4 },
		{ "2n2l1c1t", 0, 0, 2, 4, 3 },
		{ "2n2l2c1t", .ret = -ERANGE },
		{ "1n1l3c1t", .ret = -ERANGE },
	};

	check_cases(_metadata, self, tree_vm_2cpu, vm, ARRAY_SIZE(vm));
	check_cases(_metadata, self, tree_offline, offline, ARRAY_SIZE(offline));
	check_cases(_metadata, self, tree_restricted, restricted, ARRAY_SIZE(restricted));
}

/* The VMM is beside its vCPUs, not where somebody else might want to be alone. */
TEST_F(placement, service_is_near)
{
	unsigned int cpu;

	read_host(_metadata, self, tree_epyc_16llc);
	for (cpu = 0; cpu < 6; cpu++) {
		cpu_set_del(&self->ht->allowed, cpu);
		cpu_set_del(&self->ht->allowed, cpu + 128);
	}
	self->topo = (struct topology){ .nodes = 1, .llcs = 1, .cores = 4, .threads = 1 };
	ASSERT_EQ(0, placement_dedicate(&self->p, &self->topo, self->ht, NULL, &self->err));
	check_dedicated(_metadata, self);
	EXPECT_EQ(8, self->p.cpus[0]);
	EXPECT_EQ(12, cpu_set_next(&self->p.service, 0));
}

TEST_F(placement, what_does_not_fit)
{
	read_host(_metadata, self, tree_vm_2cpu);
	self->topo = (struct topology){ .nodes = 1, .llcs = 1, .cores = 2, .threads = 1 };
	ASSERT_EQ(-ERANGE, placement_dedicate(&self->p, &self->topo, self->ht, NULL, &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "needs 2 CPUs and one more for the VMM"));
	EXPECT_NE(NULL, strstr(self->err.text, "may use CPUs 0-1"));
	self->topo.llcs = 3;
	ASSERT_EQ(-ERANGE, placement_dedicate(&self->p, &self->topo, self->ht, NULL, &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "LLCs (3) with CPUs (2 each)"));
	EXPECT_NE(NULL, strstr(self->err.text, "this host has 1 LLCs of which 0 are taken"));
}

TEST_F(placement, nodes_for_memory)
{
	int node;

	read_host(_metadata, self, tree_snc);
	self->topo = (struct topology){ .nodes = 2, .llcs = 2, .cores = 8, .threads = 1 };
	ASSERT_EQ(0, placement_dedicate(&self->p, &self->topo, self->ht, NULL, &self->err));
	for (node = 0; node < 2; node++)
		EXPECT_EQ(node, placement_host_node(&self->p, &self->topo, self->ht, node));
	/* Two of the host's for one of the guest's */
	self->topo = (struct topology){ .nodes = 1, .llcs = 2, .cores = 8, .threads = 1 };
	ASSERT_EQ(0, placement_dedicate(&self->p, &self->topo, self->ht, NULL, &self->err));
	EXPECT_EQ(-1, placement_host_node(&self->p, &self->topo, self->ht, 0));
	ASSERT_EQ(0, placement_share(&self->p, &self->topo, self->ht, NULL, &self->err));
	EXPECT_EQ(-1, placement_host_node(&self->p, &self->topo, self->ht, 0));
}

TEST(warnings_have_texts)
{
	unsigned int i, j;

	for (i = 0; i < PLACEMENT_WARNINGS; i++) {
		ASSERT_NE(NULL, placement_warning(i));
		for (j = 0; j < i; j++)
			EXPECT_STRNE(placement_warning(i), placement_warning(j));
	}
}

static void check_shared(struct __test_metadata *_metadata, struct _test_data_placement *self,
			 const char *topo, const char *cpus)
{
	unsigned int cpu;
	char text[256];

	ASSERT_EQ(0, topology_parse(topo, &self->topo, &self->err));
	ASSERT_EQ(0, placement_share(&self->p, &self->topo, self->ht, self->llcs, &self->err)) {
		TH_LOG("%s: %s", topo, self->err.text);
	}
	EXPECT_FALSE(self->p.pinned);
	EXPECT_EQ(0, self->p.warnings);
	EXPECT_STREQ(cpus, cpu_set_format(&self->p.service, text, sizeof(text))) {
		TH_LOG("%s", topo);
	}
	/* Whole LLCs, as far as allowed */
	for (cpu = 0; cpu < TOPOLOGY_MAX_CPUS; cpu++) {
		if (cpu_set_has(&self->ht->allowed, cpu))
			ASSERT_EQ(self->p.claims[self->ht->cpus[cpu].llc],
				  cpu_set_has(&self->p.service, cpu) ? LLC_SHARED : LLC_FREE);
	}
}

TEST_F(placement, shared)
{
	read_host(_metadata, self, tree_epyc_16llc);
	check_shared(_metadata, self, "1n1l1c1t", "0-7,128-135");
	check_shared(_metadata, self, "4n8l2c1t", "0-7,128-135");
	check_shared(_metadata, self, "1n1l17c1t", "0-15,128-143");
	check_shared(_metadata, self, "1n16l8c2t", "0-255");
	check_shared(_metadata, self, "1n32l8c2t", "0-255");

	/* Where others are already, or others have for themselves */
	self->llcs[0].users = 2;
	self->llcs[1].users = 1;
	self->llcs[2].busy = true;
	check_shared(_metadata, self, "1n1l1c1t", "24-31,152-159");
	check_shared(_metadata, self, "1n14l8c2t", "8-15,24-127,136-143,152-255");
	check_shared(_metadata, self, "1n15l8c2t", "0-15,24-143,152-255");
	self->topo.llcs = 16;
	EXPECT_EQ(-EBUSY, placement_share(&self->p, &self->topo, self->ht, self->llcs, &self->err));
	EXPECT_EQ(ERRMSG_HOST, self->err.kind);
	EXPECT_NE(NULL, strstr(self->err.text, "240 CPUs for a guest of 256"));
}

TEST_F(placement, shared_is_near)
{
	read_host(_metadata, self, tree_snc);
	self->llcs[0].users = 1;
	/* Not 1 and 2, which are as free, but far from each other */
	check_shared(_metadata, self, "1n1l64c1t", "32-63,96-127");
	self->llcs[0].users = 0;
	check_shared(_metadata, self, "1n1l64c1t", "0-31,64-95");
	self->llcs[0].busy = true;
	self->llcs[2].users = 1;
	self->llcs[3].users = 1;
	check_shared(_metadata, self, "1n1l32c1t", "16-31,80-95");

	memset(self->llcs, 0, sizeof(self->llcs));
	read_host(_metadata, self, tree_restricted);
	check_shared(_metadata, self, "1n1l2c1t", "2-3");
	check_shared(_metadata, self, "1n1l3c1t", "2-5");
	check_shared(_metadata, self, "1n1l64c1t", "2-5");
	read_host(_metadata, self, tree_hybrid);
	check_shared(_metadata, self, "1n2l4c2t", "0-19");
	read_host(_metadata, self, tree_vm_2cpu);
	check_shared(_metadata, self, "1n2l4c2t", "0-1");
}

TEST_HARNESS_MAIN
