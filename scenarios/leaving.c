// SPDX-License-Identifier: GPL-2.0
/* A scheduler that leaves while tasks run: is it noticed, with the kernel's reason? */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "clock.h"
#include "ktstr_test.h"
#include "load.h"

/* As check_defaults.gap_ms */
#define MAX_GAP_NS		(500 * NSEC_PER_MSEC)

FIXTURE(leaving)
{
	struct session s;
};

FIXTURE_VARIANT(leaving)
{
	const char *topology;
	const char *scheduler;
};

FIXTURE_VARIANT_ADD(leaving, scx_simple_1n1l2c2t) {
	.topology = "1n1l2c2t",
	.scheduler = "scx_simple",
};

FIXTURE_VARIANT_ADD(leaving, scx_simple_1n2l4c2t) {
	.topology = "1n2l4c2t",
	.scheduler = "scx_simple",
};

FIXTURE_VARIANT_ADD(leaving, scx_simple_2n4l2c2t) {
	.topology = "2n4l2c2t",
	.scheduler = "scx_simple",
};

KTSTR_ENV_VARIANT(leaving)

FIXTURE_SETUP(leaving)
{
	const struct session_config cfg = {
		.topology = variant->topology,
		.scheduler = variant->scheduler,
		.programs = { "sh" },
	};

	if (!variant->scheduler)
		SKIP(return, "EEVDF cannot leave; set " ENV_SCHEDULER);
	ktstr_session_start(_metadata, &self->s, &cfg);
}

FIXTURE_TEARDOWN(leaving)
{
	session_end(&self->s);
}

/* Ask the scheduler to leave, as Ctrl-C in its terminal would. */
static int interrupt_scheduler(struct session *s, struct errmsg *err)
{
	struct control_reply reply;
	char command[32];
	const char * const argv[] = { "/bin/sh", "-c", command, NULL };
	int ret;

	ret = control_sched_status(&s->control, &reply, err);
	snprintf(command, sizeof(command), "kill -INT %d", reply.sched.pid);
	control_reply_free(&reply);
	if (ret)
		return ret;
	ret = control_run(&s->control, argv, 60 * NSEC_PER_SEC, &reply, err);
	if (!ret && reply.wait_status)
		ret = errmsg_set(err, ERRMSG_FAILED, ESRCH, "\"%s\" in the guest", command);
	control_reply_free(&reply);
	return ret;
}

/* A scheduler that leaves while tasks run is noticed, and so is why. */
TEST_F_TIMEOUT(leaving, is_reported, KTSTR_TEST_TIMEOUT)
{
	const struct load_group group = {
		.name = "load",
		.workers = topology_cpus(&self->s.topo),
	};
	const struct control_sched *left = &self->s.control.sched_exit;
	struct control_reply reply;
	struct load_stats st;
	struct errmsg err;
	u64 duration;
	int ret;

	ret = load_duration(&self->s.topo, &duration, &err) ?:
	      load_prepare(&self->s, &group, 1, &err) ?:
	      load_start(&self->s, duration, &err) ?:
	      interrupt_scheduler(&self->s, &err) ?:
	      load_finish(&self->s, &reply, &err);
	ktstr_assert_ok(_metadata, &self->s, ret, &err);
	ret = ktstr_wait_until_left(&self->s.control, &err);
	ktstr_assert_ok(_metadata, &self->s, ret, &err);
	st = load_stats(&group, reply.reports, reply.nr_reports);
	load_print(&group, &st);
	control_reply_free(&reply);

	ASSERT_TRUE(left->valid) {
		TH_LOG("nobody noticed that the scheduler left");
	}
	ksft_print_msg("scheduler %s left: %s\n", left->ops, left->reason);
	EXPECT_EQ(true, left->ended);
	EXPECT_STREQ("disabled", left->state);
	EXPECT_NE(NULL, strstr(left->reason, "unregistered from user space")) {
		TH_LOG("the kernel's reason is \"%s\"", left->reason);
	}
	/* The kernel's own scheduler takes over: nobody is lost. */
	EXPECT_EQ(0, st.stuck);
	EXPECT_LE(st.gap.sched_ns, check_within(MAX_GAP_NS, load_overcommit(&self->s.topo)));
}

int main(int argc, char **argv)
{
	return ktstr_test_main(argc, argv);
}
