// SPDX-License-Identifier: GPL-2.0
/*
 * Do all types of work do their work in a guest, and come back with sane reports?
 * One guest for all of them; what they are for is in the other suites.
 */
#include <linux/mempolicy.h>
#include <linux/sizes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "ktstr_test.h"
#include "load.h"
#include "virtio_blk.h"
#include "virtio_net.h"

#define RUN_NS		(300 * NSEC_PER_MSEC)

/* Long enough for each of two CPUs, on one emulated one, to run its worker */
#define PLACE_NS	(2 * NSEC_PER_SEC)
#define GRACE_NS	(20 * NSEC_PER_SEC)

#define CGROUP_A	WIRE_CGROUPS "/a"
#define CGROUP_B	WIRE_CGROUPS "/b"

/* Workers of each group: pairs, threes and teams of all fit. */
#define WORKERS		6

FIXTURE(work)
{
	struct session s;
};

FIXTURE_VARIANT(work)
{
	const char *topology;
	const char *scheduler;
};

FIXTURE_VARIANT_ADD(work, eevdf_2n2l1c1t) {
	.topology = "2n2l1c1t",
};

KTSTR_ENV_VARIANT(work)

FIXTURE_SETUP(work)
{
	static u8 content[SZ_1M];
	const struct disk_config disk = {
		.memory = content, .size = sizeof(content), .latency_ns = NSEC_PER_MSEC,
	};
	const struct net_config net = { .peer = NET_PEER_ECHO };
	const struct session_config cfg = {
		.topology = variant->topology,
		.scheduler = variant->scheduler,
		.disk = &disk,
		.net = &net,
	};

	ktstr_session_start(_metadata, &self->s, &cfg);
}

FIXTURE_TEARDOWN(work)
{
	session_end(&self->s);
}

static void expect_sane(struct __test_metadata *_metadata, const char *name,
			const struct control_reply *reply)
{
	const struct wire_report *r;
	size_t i;

	EXPECT_EQ(WORKERS, reply->nr_reports);
	for (i = 0; i < reply->nr_reports; i++) {
		r = &reply->reports[i].r;
		EXPECT_EQ(0, r->flags) {
			TH_LOG("%s: worker %zu has flags %#x", name, i, r->flags);
		}
		EXPECT_LT(0, r->units) {
			TH_LOG("%s: worker %zu has done nothing", name, i);
		}
		EXPECT_LE(r->gap.raw_ns, r->wall_ns);
		EXPECT_LE(r->gap.sched_ns, r->gap.raw_ns);
	}
}

static void try_type(struct __test_metadata *_metadata, struct session *s, u32 type)
{
	const struct load_group group = { .name = wire_work_name(type) };
	const struct wire_spawn spawn = {
		.name = group.name, .count = WORKERS,
		.phases[0] = {
			.work = type,
			.arg = type == WIRE_WORK_CGROUP ? CGROUP_A " " CGROUP_B :
			       type == WIRE_WORK_CUSTOM ? "compile" : NULL,
			/* Several hogs have to leave some time for each other. */
			.run_ns = type == WIRE_WORK_RT_HOG ? 5 * NSEC_PER_MSEC : 0,
			.sleep_ns = type == WIRE_WORK_RT_HOG ? 50 * NSEC_PER_MSEC : 0,
		},
	};
	struct control_reply reply = {};
	struct load_stats st;
	struct errmsg err;
	int ret;

	ret = load_try(s, &spawn, &reply, &err);
	ktstr_assert_ok(_metadata, s, ret, &err);
	st = load_stats(&group, reply.reports, reply.nr_reports);
	load_print(&group, &st);
	expect_sane(_metadata, group.name, &reply);
	control_reply_free(&reply);
}

/*
 * What only a guest has: nodes, cgroups, CPUs that come and go. Workers that are
 * bound to the second CPU have to leave it when it goes, for the other node.
 */
static void try_places(struct __test_metadata *_metadata, struct session *s)
{
	static const char * const cpu1[] = { "1" }, * const cpu0[] = { "0" };
	const char * const files[] = { CGROUP_A "/cgroup.procs" };
	const struct load_group group = { .name = "numa" };
	const struct wire_spawn spawn = {
		.name = "numa", .cgroup = CGROUP_A, .count = 2, .nr_cpus = 1, .cpus = cpu1,
		.mem_mode = MPOL_BIND, .mem_nodes = 2,
		.phases[0] = { .work = WIRE_WORK_NUMA, .bytes = 4 << 20 },
	};
	struct control *c = &s->control;
	struct control_reply reply = {};
	struct load_stats st;
	struct errmsg err;
	int ret;

	ret = control_spawn(c, &spawn, &reply, &err);
	control_reply_free(&reply);
	ktstr_assert_ok(_metadata, s, ret, &err);
	ret = control_start(c, NULL, 0, WIRE_FOREVER, GRACE_NS, &reply, &err) ?:
	      control_hold(c, PLACE_NS, &err) ?:
	      control_cpu(c, 1, false, &err) ?:
	      control_hold(c, PLACE_NS, &err) ?:
	      control_cpu(c, 1, true, &err) ?:
	      control_affinity(c, "numa", cpu0, 1, &err) ?:
	      control_move(c, "numa", 1, CGROUP_B, &err) ?:
	      control_read(c, files, 1, &reply, &err);
	ktstr_assert_ok(_metadata, s, ret, &err);
	/* One of two is left there. */
	EXPECT_NE(NULL, control_text(&reply, "%s", files[0]));
	EXPECT_EQ(NULL, strchr(control_text(&reply, "%s", files[0]) ?: "\n", '\n'));
	control_reply_free(&reply);
	ret = control_stop(c, NULL, 0, 0, GRACE_NS, &reply, &err);
	ktstr_assert_ok(_metadata, s, ret, &err);

	st = load_stats(&group, reply.reports, reply.nr_reports);
	load_print(&group, &st);
	control_reply_free(&reply);
	EXPECT_EQ(0, st.stuck);
	EXPECT_EQ(100, load_local_pages(&st, 2));
	EXPECT_LT(0, st.pages[1]);
	EXPECT_EQ(3, load_nodes(&st.cpus, &s->topo));
	EXPECT_LE(2, st.migrations[WIRE_CROSS_NODE]);
	EXPECT_EQ(0, st.migrations[WIRE_SAME_LLC] + st.migrations[WIRE_CROSS_LLC]);
}

TEST_F_TIMEOUT(work, every_type, KTSTR_TEST_TIMEOUT)
{
	struct errmsg err;
	u32 type;
	int ret;

	ret = control_mkdir(&self->s.control, CGROUP_A, &err) ?:
	      control_mkdir(&self->s.control, CGROUP_B, &err);
	ktstr_assert_ok(_metadata, &self->s, ret, &err);
	for (type = 0; type < WIRE_NR_WORK; type++)
		try_type(_metadata, &self->s, type);
	if (topology_cpus(&self->s.topo) > 1 && topology_place(&self->s.topo, 1).node == 1)
		try_places(_metadata, &self->s);
	/* Nobody has been left behind: a cgroup with tasks cannot be removed. */
	ret = control_rmdir(&self->s.control, CGROUP_A, &err) ?:
	      control_rmdir(&self->s.control, CGROUP_B, &err);
	ktstr_assert_ok(_metadata, &self->s, ret, &err);
}

int main(int argc, char **argv)
{
	return ktstr_test_main(argc, argv);
}
