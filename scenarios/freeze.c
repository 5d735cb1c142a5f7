// SPDX-License-Identifier: GPL-2.0
/*
 * A guest that is frozen a hundred times, busy with counting its time, does not
 * notice: neither do its clocks jump, nor do its watchdogs bark.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "ktstr_test.h"
#include "load.h"

/*
 * One freeze is longer than what the kernel takes for a soft lockup, twice the
 * threshold that is set here; some are long enough to be seen; the rest is many.
 */
#define WATCHDOG_THRESH		"5"
#define LONGEST_MS		12000
#define LONG_MS			300
#define SHORT_MS		5
#define FREEZES			100
#define LONG_EVERY		10

/* Between freezes the guest runs for this long; in all, by its own time: WORK_NS. */
#define RUN_MS			20
#define WORK_NS			(6 * NSEC_PER_SEC)

/* /proc/uptime has hundredths of a second. */
#define UPTIME_NS		(10 * NSEC_PER_MSEC)

FIXTURE(freeze)
{
	struct session s;
};

FIXTURE_VARIANT(freeze)
{
	const char *topology;
	const char *scheduler;
	enum ktstr_irqchip irqchip;
	const char *clocksource;
};

FIXTURE_VARIANT_ADD(freeze, kvmclock_1n1l2c1t) {
	.topology = "1n1l2c1t",
	.clocksource = "kvm-clock",
};

FIXTURE_VARIANT_ADD(freeze, tsc_1n1l2c1t) {
	.topology = "1n1l2c1t",
	.irqchip = KTSTR_IRQCHIP_SPLIT,
	.clocksource = "tsc",
};

FIXTURE_SETUP(freeze)
{
	char cmdline[64];
	const struct session_config cfg = {
		.topology = variant->topology,
		.scheduler = variant->scheduler,
		.irqchip = variant->irqchip,
		.cmdline = cmdline,
	};

	snprintf(cmdline, sizeof(cmdline), "clocksource=%s", variant->clocksource);
	ktstr_session_start(_metadata, &self->s, &cfg);
}

FIXTURE_TEARDOWN(freeze)
{
	session_end(&self->s);
}

/* A point in the guest's time, and when that was here: between two moments */
struct moment {
	u64 uptime_ns;
	u64 sent_ns;
	u64 received_ns;
};

static void look_at_clock(struct __test_metadata *_metadata, struct session *s,
			  struct moment *moment)
{
	static const char * const uptime[] = { "/proc/uptime" };
	struct control_reply reply;
	const char *text;
	struct errmsg err;
	int ret;

	moment->sent_ns = clock_ns();
	ret = control_read(&s->control, uptime, 1, &reply, &err);
	moment->received_ns = clock_ns();
	ktstr_assert_ok(_metadata, s, ret, &err);
	text = control_text(&reply, "/proc/uptime");
	ASSERT_NE(NULL, text);
	moment->uptime_ns = strtod(text, NULL) * NSEC_PER_SEC;
	control_reply_free(&reply);
}

/* How long the guest stood still at least, and at most */
struct frozen_time {
	u64 least_ns;
	u64 most_ns;
};

static void freeze(struct __test_metadata *_metadata, struct session *s, unsigned int ms,
		   struct ktstr_vm_frozen *state, struct frozen_time *time)
{
	u64 called, frozen, thawed, done;
	unsigned int i, readable = 0;
	struct errmsg err;
	int ret;

	called = clock_ns();
	ret = ktstr_vm_freeze(s->vm, state, &err);
	frozen = clock_ns();
	ktstr_assert_ok(_metadata, s, ret, &err);
	for (i = 0; i < state->nr_vcpus; i++)
		readable += state->vcpus[i].valid;
	EXPECT_EQ(topology_cpus(&s->topo), readable);
	usleep(ms * 1000);
	thawed = clock_ns();
	ret = ktstr_vm_thaw(s->vm, &err);
	done = clock_ns();
	ktstr_assert_ok(_metadata, s, ret, &err);
	time->least_ns += thawed - frozen;
	time->most_ns += done - called;
}

/* What the guest's TSC counts in a millisecond of its kvmclock */
static u64 tsc_rate(const struct ktstr_vm_frozen *from, const struct ktstr_vm_frozen *to)
{
	return (to->tsc - from->tsc) * NSEC_PER_MSEC / (to->clock_ns - from->clock_ns);
}

/* Both clocks of the guest have advanced together, whatever happened meanwhile. */
static void expect_same_rate(struct __test_metadata *_metadata, u64 before, u64 after)
{
	EXPECT_LT(after, before * 5 / 4) {
		TH_LOG("the TSC makes %llu ticks per ms of kvmclock with freezes, %llu without",
		       (unsigned long long)after, (unsigned long long)before);
	}
	EXPECT_GT(after, before * 3 / 4);
}

static void freeze_often(struct __test_metadata *_metadata, struct session *s,
			 struct frozen_time *time)
{
	struct ktstr_vm_frozen first, state;
	u64 rate;
	int i;

	/* The first two, with much time in between, tell the rate of the TSC. */
	freeze(_metadata, s, 0, &first, time);
	usleep(500000);
	freeze(_metadata, s, 0, &state, time);
	rate = tsc_rate(&first, &state);
	freeze(_metadata, s, LONGEST_MS, &state, time);
	for (i = 3; i < FREEZES; i++) {
		usleep(RUN_MS * 1000);
		freeze(_metadata, s, i % LONG_EVERY ? SHORT_MS : LONG_MS, &state, time);
	}
	if (!ktstr_vm_result(s->vm)->tsc_jumps)
		expect_same_rate(_metadata, rate, tsc_rate(&first, &state));
}

/*
 * What has passed for the guest is what has passed here, less the time that it
 * stood still. All is known to lie between two moments, however busy the host is.
 */
static void expect_no_jump(struct __test_metadata *_metadata, const struct moment *begin,
			   const struct moment *end, const struct frozen_time *time)
{
	u64 passed = end->uptime_ns - begin->uptime_ns;
	u64 least = end->sent_ns - begin->received_ns - time->most_ns;
	u64 most = end->received_ns - begin->sent_ns - time->least_ns;
	/* Clocks of two machines may differ by a thousandth or so. */
	u64 slack = 2 * UPTIME_NS + passed / 1000;

	ksft_print_msg("%llu ms for the guest, %llu to %llu ms here",
		       (unsigned long long)passed / NSEC_PER_MSEC,
		       (unsigned long long)least / NSEC_PER_MSEC,
		       (unsigned long long)most / NSEC_PER_MSEC);
	printf(" without %llu ms of %u freezes\n",
	       (unsigned long long)time->least_ns / NSEC_PER_MSEC, FREEZES);
	EXPECT_LE(passed, most + slack);
	EXPECT_GE(passed + slack, least);
	/* Otherwise these would have shown nothing. */
	EXPECT_LT(most - least + 2 * slack, time->least_ns / 2);
}

/* The kernel's log, from the byte at @from on; returns its length */
static size_t read_log(struct __test_metadata *_metadata, struct session *s, size_t from,
		       char *text, size_t size)
{
	struct control_reply reply;
	struct errmsg err;
	size_t len;
	int ret;

	ret = control_kmsg(&s->control, &reply, &err);
	ktstr_assert_ok(_metadata, s, ret, &err);
	len = reply.output_len;
	ASSERT_LE(from, len);
	snprintf(text, size, "%s", reply.output + from);
	control_reply_free(&reply);
	return len;
}

static void expect_clocksource(struct __test_metadata *_metadata, struct session *s,
			       const char *name)
{
	static const char * const path[] = {
		"/sys/devices/system/clocksource/clocksource0/current_clocksource",
	};
	struct control_reply reply;
	struct errmsg err;
	char text[64];
	int ret;

	ret = control_read(&s->control, path, 1, &reply, &err);
	ktstr_assert_ok(_metadata, s, ret, &err);
	snprintf(text, sizeof(text), "%s", control_text(&reply, "%s", path[0]) ?: "none");
	control_reply_free(&reply);
	if (strcmp(text, name))
		SKIP(return, "the guest takes its time from %s; this host offers it no %s",
		     text, name);
}

TEST_F_TIMEOUT(freeze, is_not_noticed, KTSTR_TEST_TIMEOUT)
{
	const struct load_group group = {
		.name = "count",
		.workers = topology_cpus(&self->s.topo),
	};
	const struct ktstr_vm_result *result = ktstr_vm_result(self->s.vm);
	struct frozen_time time = {};
	struct moment begin, end;
	struct control_reply reply;
	struct load_stats st;
	struct errmsg err;
	char log[4096];
	size_t logged;
	int ret;

	expect_clocksource(_metadata, &self->s, variant->clocksource);
	ret = control_write(&self->s.control, "/proc/sys/kernel/watchdog_thresh", WATCHDOG_THRESH,
			    &err) ?:
	      load_prepare(&self->s, &group, 1, &err) ?:
	      load_start(&self->s, WORK_NS, &err);
	ktstr_assert_ok(_metadata, &self->s, ret, &err);
	logged = read_log(_metadata, &self->s, 0, log, sizeof(log));

	look_at_clock(_metadata, &self->s, &begin);
	freeze_often(_metadata, &self->s, &time);
	look_at_clock(_metadata, &self->s, &end);
	ret = load_finish(&self->s, &reply, &err);
	ktstr_assert_ok(_metadata, &self->s, ret, &err);
	st = load_stats(&group, reply.reports, reply.nr_reports);
	load_print(&group, &st);
	control_reply_free(&reply);

	EXPECT_EQ(FREEZES, result->freezes);
	EXPECT_GE(result->longest_freeze_ns, LONGEST_MS * NSEC_PER_MSEC);
	if (!result->tsc_jumps || strcmp(variant->clocksource, "tsc"))
		expect_no_jump(_metadata, &begin, &end, &time);
	EXPECT_EQ(0, st.stuck);
	EXPECT_LT(st.raw_gap_ns, LONGEST_MS * NSEC_PER_MSEC);
	read_log(_metadata, &self->s, logged, log, sizeof(log));
	EXPECT_STREQ("", log);
	/* A SKIP would hide what has failed before. */
	if (result->tsc_jumps && _metadata->exit_code == KSFT_PASS)
		SKIP(return, "this KVM cannot set TSCs back: KVM_VCPU_TSC_OFFSET takes Linux 5.16");
}

int main(int argc, char **argv)
{
	return ktstr_test_main(argc, argv);
}
