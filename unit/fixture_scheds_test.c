// SPDX-License-Identifier: GPL-2.0
/* The table of the suite's own schedulers, their queues, and what scx_ktstr lists. */
#include <linux/kernel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture_scheds.h"
#include "harness.h"
#include "own_path.h"
#include "testutil.h"

#define NR_FAULTS	23
#define NR_POLICIES	4
#define COLUMNS		11

TEST(names_are_unique_and_found)
{
	const struct fixture_sched *s;
	size_t i;

	EXPECT_EQ(NR_POLICIES + NR_FAULTS, nr_fixture_scheds);
	for (i = 0; i < nr_fixture_scheds; i++) {
		s = &fixture_scheds[i];
		EXPECT_EQ(s, fixture_sched_find(s->name)) {
			TH_LOG("%s is there twice", s->name);
		}
		/* Part of a name for the kernel, and of a command line */
		EXPECT_EQ(strlen(s->name), strspn(s->name, "abcdefghijklmnopqrstuvwxyz_"));
	}
	EXPECT_EQ(NULL, fixture_sched_find(""));
	EXPECT_EQ(NULL, fixture_sched_find("starv"));
}

TEST(every_policy_is_there_healthy)
{
	enum fixture_policy policy;
	const struct fixture_sched *s;

	for (policy = FIXTURE_FIFO; policy <= FIXTURE_NUMA; policy++) {
		s = fixture_sched_healthy(policy);
		EXPECT_EQ(policy, s->policy);
		EXPECT_EQ(KTSTR_FAULT_NONE, s->fault);
		EXPECT_NE(NULL, s->lacks);
	}
}

TEST(every_fault_is_there_once)
{
	unsigned int seen[NR_FAULTS + 1] = {};
	size_t i;

	for (i = 0; i < nr_fixture_scheds; i++) {
		ASSERT_LE(fixture_scheds[i].fault, NR_FAULTS);
		seen[fixture_scheds[i].fault]++;
	}
	EXPECT_EQ(NR_POLICIES, seen[KTSTR_FAULT_NONE]);
	for (i = 1; i <= NR_FAULTS; i++) {
		EXPECT_EQ(1, seen[i]) {
			TH_LOG("fault %zu is there %u times", i, seen[i]);
		}
	}
}

TEST(every_fault_says_who_catches_it)
{
	const struct fixture_sched *s;

	for (s = fixture_scheds; s < fixture_scheds + nr_fixture_scheds; s++) {
		EXPECT_NE(NULL, s->text);
		EXPECT_EQ(!s->param, !s->param_is);
		EXPECT_EQ(s->fault == KTSTR_FAULT_NONE, !s->scenarios);
		EXPECT_EQ(s->fault == KTSTR_FAULT_NONE, !s->check);
	}
}

/* 6 CPUs, the last one offline; LLCs 0-1, 2 and 3-4; nodes 0 and 2, 1 has no CPUs */
static struct host_topology *machine(void)
{
	static const u16 llc[] = { 0, 0, 1, 2, 2, 0 };
	static const u16 node[] = { 0, 0, 2 };
	struct host_topology *topo = calloc(1, sizeof(*topo));
	unsigned int i;

	if (!topo)
		return NULL;
	topo->nr_llcs = ARRAY_SIZE(node);
	topo->nr_nodes = 3;
	for (i = 0; i < ARRAY_SIZE(node); i++)
		topo->llcs[i].node = node[i];
	for (i = 0; i < 5; i++)
		cpu_set_add(&topo->online, i);
	for (i = 0; i < ARRAY_SIZE(llc); i++)
		topo->cpus[i].llc = llc[i];
	topo->cpus[5].llc = 77;
	return topo;
}

TEST(one_queue)
{
	struct host_topology *topo = machine();
	struct fixture_layout layout;
	unsigned int i;

	ASSERT_NE(NULL, topo);
	fixture_layout(FIXTURE_VTIME, topo, &layout);
	free(topo);
	EXPECT_EQ(1, layout.nr_queues);
	EXPECT_EQ(1, layout.nr_groups);
	for (i = 0; i < KTSTR_MAX_CPUS; i++)
		ASSERT_EQ(0, layout.cpu_queue[i]);
}

TEST(queue_per_llc)
{
	static const u16 queues[] = { 0, 0, 1, 2, 2, 0 };
	struct host_topology *topo = machine();
	struct fixture_layout layout;
	unsigned int i;

	ASSERT_NE(NULL, topo);
	fixture_layout(FIXTURE_LLC, topo, &layout);
	free(topo);
	EXPECT_EQ(3, layout.nr_queues);
	EXPECT_EQ(1, layout.nr_groups);
	for (i = 0; i < ARRAY_SIZE(queues); i++) {
		EXPECT_EQ(queues[i], layout.cpu_queue[i]);
		EXPECT_EQ(0, layout.queue_group[i]);
	}
}

TEST(queues_in_nodes)
{
	static const u16 groups[] = { 0, 0, 1 };
	struct host_topology *topo = machine();
	struct fixture_layout layout;
	unsigned int i;

	ASSERT_NE(NULL, topo);
	fixture_layout(FIXTURE_NUMA, topo, &layout);
	free(topo);
	EXPECT_EQ(3, layout.nr_queues);
	EXPECT_EQ(2, layout.nr_groups);
	for (i = 0; i < ARRAY_SIZE(groups); i++)
		ASSERT_EQ(groups[i], layout.queue_group[i]);
}

/* scx_ktstr is built only where there is a clang; it lists without a kernel. */
FIXTURE(program)
{
	char path[PATH_MAX];
};

FIXTURE_SETUP(program)
{
	struct errmsg err;

	ASSERT_EQ(0, own_path_beside(self->path, "scx_ktstr", &err));
	if (access(self->path, X_OK))
		SKIP(return, "scx_ktstr was not built: that takes clang 16 or later");
}

FIXTURE_TEARDOWN(program)
{
}

TEST_F(program, lists_the_table)
{
	char command[PATH_MAX + 16], line[1024], *rest, *column[COLUMNS];
	const struct fixture_sched *s;
	size_t i, nr = 0;
	FILE *f;

	snprintf(command, sizeof(command), "'%s' --list", self->path);
	f = popen(command, "re");
	ASSERT_NE(NULL, f);
	while (fgets(line, sizeof(line), f)) {
		ASSERT_LT(nr, nr_fixture_scheds);
		s = &fixture_scheds[nr++];
		rest = strtok(line, "\n");
		for (i = 0; i < COLUMNS; i++) {
			column[i] = strsep(&rest, "\t");
			ASSERT_NE(NULL, column[i]);
			EXPECT_LT(0, strlen(column[i]));
		}
		EXPECT_EQ(NULL, rest);
		EXPECT_STREQ(s->name, column[0]);
		EXPECT_STREQ(s->fault == KTSTR_FAULT_NONE ? "healthy" : "faulty", column[1]);
		EXPECT_STREQ(fixture_sched_healthy(s->policy)->name, column[2]);
		EXPECT_STREQ(s->check ?: "-", column[4]);
		EXPECT_EQ(s->min_llcs ?: 1, strtoul(column[7], NULL, 10));
		EXPECT_EQ(s->min_nodes ?: 1, strtoul(column[8], NULL, 10));
		EXPECT_STREQ(s->text, column[10]);
	}
	EXPECT_EQ(0, pclose(f));
	EXPECT_EQ(nr_fixture_scheds, nr);
}

TEST_F(program, refuses_wrong_arguments)
{
	static const char * const wrong[] = {
		"", "--policy", "--policy lifo", "--fault fifo", "--fault starve=0",
		"--fault starve=x", "--fault lifo=2", "--policy fifo --fault lifo",
		"--policy fifo more", "--fault starve --timeout-ms 0",
		"--fault starve --timeout-ms 30001", "--nonsense",
	};
	int status;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		status = sh("'%s' %s 2>/dev/null", self->path, wrong[i]);
		EXPECT_EQ(2, WEXITSTATUS(status)) {
			TH_LOG("scx_ktstr %s: status %#x", wrong[i], status);
		}
	}
	EXPECT_EQ(0, sh("'%s' --help >/dev/null", self->path));
}

TEST_HARNESS_MAIN
