// SPDX-License-Identifier: GPL-2.0
/* How scenarios are played: what a guest is asked for, and what is made of its answers. */
#include <linux/kernel.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

#include "check.h"
#include "clock.h"
#include "patience.h"
#include "scenario_run.h"
#include "testutil.h"
#include "wire.h"

#define MS		NSEC_PER_MSEC
#define MAX_GROUPS	8

/* A group of workers of the guest below */
struct fake_group {
	char name[WIRE_MAX_NAME];
	u32 count;
	bool started;
};

/**
 * struct guest - somebody who answers as an agent does, at once
 * @rx: what the host says
 * @out: answers that the host has not read yet: @len bytes, @pos of them read
 * @groups: those that there are at present; no name: none
 * @ops: the scheduler that is there, if any
 * @enabled: how many there were; negative if the kernel does not tell
 * @now_ns: the guest's clock
 * @patience_ns: how long the host would have waited for a program's end
 * @reloads_at: the request at which the scheduler leaves, and is there again at once
 */
struct guest {
	struct session s;
	struct scenario_result result;
	struct errmsg err;
	struct wire_receiver rx;
	u8 out[1 << 20];
	size_t len;
	size_t pos;
	struct fake_group groups[MAX_GROUPS];
	const char *ops;
	int enabled;
	enum wire_type reloads_at;
	u64 now_ns;
	u64 patience_ns;
};

/* -- the guest's side -------------------------------------------------------- */

static struct wire_writer begin(struct guest *g, enum wire_type type, u32 seq)
{
	struct wire_writer w;

	wire_begin(&w, g->out + g->len, sizeof(g->out) - g->len, type, seq);
	return w;
}

static void end(struct guest *g, struct wire_writer *w)
{
	g->len += wire_end(w);
}

static void done(struct guest *g, u32 seq)
{
	struct wire_writer w = begin(g, WIRE_DONE, seq);

	wire_put_u32(&w, 0);
	wire_put_str(&w, "");
	end(g, &w);
}

static void put_u64(struct guest *g, enum wire_type type, u32 seq, u64 value)
{
	struct wire_writer w = begin(g, type, seq);

	wire_put_u64(&w, value);
	end(g, &w);
}

static void put_u32(struct guest *g, enum wire_type type, u32 seq, u32 value)
{
	struct wire_writer w = begin(g, type, seq);

	wire_put_u32(&w, value);
	end(g, &w);
}

static void put_file(struct guest *g, u32 seq, const char *path, const char *text)
{
	const struct wire_file file = { .path = path, .data = text, .size = strlen(text) };
	struct wire_writer w = begin(g, WIRE_FILE, seq);

	wire_put_file(&w, &file);
	end(g, &w);
}

static void put_sched(struct guest *g, u32 seq)
{
	const struct wire_sched sched = {
		.state = g->ops ? "enabled" : "disabled", .ops = g->ops ?: "", .reason = "",
	};
	struct wire_writer w = begin(g, WIRE_SCHED, seq);

	wire_put_sched(&w, &sched);
	end(g, &w);
}

static void put_kmsg(struct guest *g, u32 seq)
{
	struct wire_writer w = begin(g, WIRE_REASON, seq);

	wire_put_str(&w, "");
	end(g, &w);
}

static void spawn(struct guest *g, struct wire_reader *r)
{
	static const char *cpus[WIRE_MAX_WORKERS];
	struct wire_spawn spec;
	size_t i = 0;

	wire_get_spawn(r, &spec, cpus);
	while (i < MAX_GROUPS - 1 && g->groups[i].name[0])
		i++;
	g->groups[i] = (struct fake_group){ .count = spec.count };
	snprintf(g->groups[i].name, sizeof(g->groups[i].name), "%s", spec.name);
}

/* Is a group among those that were named? With no names, all are. */
static bool is_asked(const struct fake_group *group, const char **names, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (!strcmp(names[i], group->name))
			return true;
	return !nr;
}

static void report(struct guest *g, const struct fake_group *group, u32 seq)
{
	struct wire_report r = {
		.group = group->name, .units = 1000, .unit_ns = 30000, .wall_ns = 50 * MS,
		.gap = { .raw_ns = 7 * MS, .sched_ns = 7 * MS, .at_ns = 20 * MS },
	};
	struct wire_writer w;

	r.cpus[0] = 1;
	for (; r.index < group->count; r.index++) {
		w = begin(g, WIRE_REPORT, seq);
		wire_put_report(&w, &r);
		end(g, &w);
	}
}

static void start_or_stop(struct guest *g, const struct wire_frame *frame, struct wire_reader *r)
{
	const char *names[MAX_GROUPS];
	struct fake_group *group;
	u32 nr;

	wire_get_u64(r);
	wire_get_u64(r);
	nr = wire_get_strs(r, names, MAX_GROUPS);
	for (group = g->groups; group < g->groups + MAX_GROUPS; group++) {
		if (!group->name[0] || !is_asked(group, names, nr))
			continue;
		if (frame->type == WIRE_START) {
			group->started = true;
			continue;
		}
		if (group->started)
			report(g, group, frame->seq);
		group->name[0] = '\0';
	}
	if (frame->type == WIRE_START)
		put_u64(g, WIRE_STARTED, frame->seq, g->now_ns);
}

static void read_files(struct guest *g, u32 seq)
{
	char text[16];

	put_file(g, seq, "/proc/stat", "cpu  1 1 1 1 1 1 1 1 0 0\n"
		 "cpu0 1 1 1 1 1 1 1 1 0 0\nintr 0\n");
	snprintf(text, sizeof(text), "%d\n", g->enabled);
	if (g->enabled >= 0)
		put_file(g, seq, "/sys/kernel/sched_ext/enable_seq", text);
}

static void program_wait(struct guest *g, struct wire_reader *r, u32 seq)
{
	wire_get_str(r);
	g->patience_ns = wire_get_u64(r);
	put_u32(g, WIRE_EXIT, seq, 0);
}

static void answer(struct guest *g, const struct wire_frame *frame)
{
	struct wire_reader r;

	wire_read(&r, frame);
	g->now_ns += 100 * MS;
	g->enabled += frame->type == g->reloads_at || frame->type == WIRE_SCHED_START;
	switch (frame->type) {
	case WIRE_READ:
		read_files(g, frame->seq);
		break;
	case WIRE_SPAWN:
		spawn(g, &r);
		put_u32(g, WIRE_PIDS, frame->seq, 0);
		break;
	case WIRE_START:
	case WIRE_STOP:
		start_or_stop(g, frame, &r);
		break;
	case WIRE_SCHED_START:
	case WIRE_SCHED_STATUS:
	case WIRE_SCHED_STOP:
		put_sched(g, frame->seq);
		break;
	case WIRE_PROGRAM_START:
		put_u32(g, WIRE_PIDS, frame->seq, 0);
		break;
	case WIRE_PROGRAM_WAIT:
		program_wait(g, &r, frame->seq);
		break;
	case WIRE_KMSG:
		put_kmsg(g, frame->seq);
		break;
	}
	done(g, frame->seq);
}

/* -- the host's side --------------------------------------------------------- */

static int guest_send(void *ctx, const void *data, size_t len)
{
	struct guest *g = ctx;
	struct wire_frame frame;
	const u8 *pos = data;

	while (wire_receive(&g->rx, &pos, &len, &frame) == WIRE_OK)
		answer(g, &frame);
	return 0;
}

static ssize_t guest_recv(void *ctx, void *data, size_t len, u64 timeout_ns)
{
	struct guest *g = ctx;

	len = min(len, g->len - g->pos);
	if (!len) {
		usleep(timeout_ns / 1000 + 1);
		return -ETIMEDOUT;
	}
	memcpy(data, g->out + g->pos, len);
	g->pos += len;
	if (g->pos == g->len) {
		g->pos = 0;
		g->len = 0;
	}
	return len;
}

static const struct control_ops guest_ops = { guest_send, guest_recv };

FIXTURE(play) {
	struct guest *g;
};

FIXTURE_SETUP(play)
{
	struct errmsg err;

	self->g = calloc(1, sizeof(*self->g));
	ASSERT_NE(NULL, self->g);
	control_init(&self->g->s.control, &guest_ops, self->g, PATIENCE_NS);
	ASSERT_EQ(0, topology_parse("1n1l2c1t", &self->g->s.topo, &err));
	snprintf(self->g->s.scheduler, sizeof(self->g->s.scheduler), "EEVDF");
}

FIXTURE_TEARDOWN(play)
{
	scenario_result_free(&self->g->result);
	control_destroy(&self->g->s.control);
	free(self->g);
	EXPECT_FALSE(leaks());
}

/* Plays and judges a scenario that has no mistakes; the findings */
static struct findings *play(struct __test_metadata *_metadata, struct guest *g,
			     const struct scenario *sc, u64 duration_ns)
{
	static struct findings findings;

	/* Of the last play, if any */
	scenario_result_free(&g->result);
	memset(&findings, 0, sizeof(findings));
	ASSERT_EQ(0, scenario_check(sc, &g->s.topo, &g->err)) {
		TH_LOG("%s", g->err.text);
	}
	ASSERT_EQ(0, scenario_run(&g->s, sc, duration_ns, &g->result, &g->err)) {
		TH_LOG("%s", g->err.text);
	}
	g->result.run.limits = check_defaults;
	check_run(&g->result.run, &findings);
	return &findings;
}

/* Who is spawned again reports again: that is no worker too many. */
TEST_F(play, workers_that_are_spawned_again)
{
	const struct scenario sc = {
		.suite = "suite", .name = "again",
		.workers = {
			{ "now", .count = 2 },
			{ "later", .count = 3, .later = true },
		},
		.steps = {
			SPAWN("later"), HOLD_MS(10), STOP("later"), REPEAT(3, 50),
		},
	};
	struct findings *findings = NULL;
	const struct finding *f;
	u64 ns;

	/* Longer, where half of the time is over before the repetition */
	for (ns = 100 * MS; ns < PATIENCE_NS; ns *= 2) {
		findings = play(_metadata, self->g, &sc, ns);
		if (self->g->result.run.nr_reports >= 2 * 3 + 2)
			break;
	}
	EXPECT_LE(2 * 3 + 2, self->g->result.run.nr_reports);
	f = check_find(findings, "workers", "later");
	ASSERT_NE(NULL, f);
	EXPECT_EQ(VERDICT_PASS, f->verdict) {
		TH_LOG("%s", f->text);
	}
	f = check_find(findings, "workers", "now");
	ASSERT_NE(NULL, f);
	EXPECT_EQ(VERDICT_PASS, f->verdict);

	/* One that is missing is found all the same. */
	self->g->result.stats[1].workers--;
	memset(findings, 0, sizeof(*findings));
	check_run(&self->g->result.run, findings);
	EXPECT_EQ(VERDICT_FAIL, check_find(findings, "workers", "later")->verdict);
	self->g->result.stats[1].workers += 2;
	memset(findings, 0, sizeof(*findings));
	check_run(&self->g->result.run, findings);
	EXPECT_EQ(VERDICT_FAIL, check_find(findings, "workers", "later")->verdict);
}

/* Who may run where after the last step that changed that, if there is time to see it */
TEST_F(play, settled)
{
	const struct scenario sc = {
		.suite = "suite", .name = "settled",
		.cgroups = { { "band", .cpus = RANGE(0, 0) }, { .name = "ice" } },
		.workers = {
			{ "band", .cgroup = "band", .count = 2 },
			{ "ice", .cgroup = "ice", .count = 1 },
			{ "nomads", .count = 2 },
			{ "gone", .count = 1, .later = true },
		},
		.steps = {
			SPAWN("gone"), MOVE("nomads", 1, "band"), FREEZE("ice"), HOLD_MS(2),
			SET_CPUS("band", RANGE(1, 1)), THAW("ice"), STOP("gone"),
			WEIGHT("band", 50), HOLD_MS(10),
		},
	};
	const struct check_group *groups = self->g->result.groups;

	play(_metadata, self->g, &sc, 100 * MS);
	ASSERT_NE(NULL, self->g->result.run.settled);
	EXPECT_LT(self->g->result.before.at_ns, self->g->result.settled.at_ns);
	EXPECT_LE(10 * MS, self->g->result.after.at_ns - self->g->result.settled.at_ns);
	EXPECT_EQ(true, groups[0].settled);
	EXPECT_EQ(2, groups[0].settled_cpus.bits[0]);
	EXPECT_EQ(1, self->g->result.run.cgroups_end[0].cpus.a);
	EXPECT_EQ(50, self->g->result.run.cgroups_end[0].weight);
	EXPECT_EQ(3, groups[0].cpus.bits[0]);
	EXPECT_EQ(true, groups[1].settled);
	EXPECT_EQ(3, groups[1].settled_cpus.bits[0]);
	EXPECT_EQ(false, groups[2].settled);
	EXPECT_EQ(false, groups[3].settled);
}

TEST_F(play, never_settled)
{
	struct scenario sc = {
		.suite = "suite", .name = "never", .min_cpus = 2,
		.workers = { { "spin", .count = 2 } },
		.steps = { OFFLINE(RANGE(1, 1)), HOLD_MS(2), ONLINE(RANGE(1, 1)) },
	};

	/* No time is left. */
	play(_metadata, self->g, &sc, 20 * MS);
	EXPECT_EQ(NULL, self->g->result.run.settled);
	/* All of it is repeated. */
	sc.steps[3] = (struct scenario_step)HOLD_MS(2);
	sc.steps[4] = (struct scenario_step)REPEAT(4, 50);
	play(_metadata, self->g, &sc, 20 * MS);
	EXPECT_EQ(NULL, self->g->result.run.settled);
	/* What is repeated is over. */
	sc.steps[5] = (struct scenario_step)HOLD_MS(2);
	play(_metadata, self->g, &sc, 20 * MS);
	EXPECT_NE(NULL, self->g->result.run.settled);
	EXPECT_EQ(true, self->g->result.groups[0].settled);
}

/* A CPU is away for good. */
TEST_F(play, settled_without_a_cpu)
{
	const struct scenario sc = {
		.suite = "suite", .name = "less", .min_cpus = 2,
		.workers = { { "spin", .count = 2 } },
		.steps = { OFFLINE(RANGE(1, 1)), HOLD_MS(2) },
	};

	play(_metadata, self->g, &sc, 20 * MS);
	EXPECT_EQ(NULL, self->g->result.run.settled);
}

/* The tightest quota that steps gave a group is what its waits are held against. */
TEST_F(play, quotas_of_steps)
{
	const struct scenario sc = {
		.suite = "suite", .name = "quotas",
		.cgroups = { { .name = "free" }, { "tight", .quota = 20 } },
		.workers = {
			{ "capped", .cgroup = "free", .count = 1 },
			{ "moved", .count = 1 },
			{ "others", .count = 1 },
		},
		.steps = {
			HOLD_MS(1), QUOTA("free", 50), QUOTA("free", 10), QUOTA("free", 0),
			MOVE("moved", 0, "tight"), HOLD_MS(1),
		},
	};
	const struct check_group *groups = self->g->result.groups;

	play(_metadata, self->g, &sc, 20 * MS);
	EXPECT_EQ(10, groups[0].quota);
	EXPECT_EQ(20, groups[1].quota);
	EXPECT_EQ(0, groups[2].quota);
	EXPECT_NE(NULL, self->g->result.run.settled);
	EXPECT_EQ(false, groups[0].settled);
	EXPECT_EQ(true, groups[2].settled);
}

/* A scheduler under test: who loaded it when is a step's doing, or its own. */
TEST_F(play, scheduler_that_is_loaded_again)
{
	static const struct scenario_step nice = NICE("spin", 5);
	static const struct {
		struct scenario_step steps[5];
		enum wire_type reloads_at;
		bool unknown;
		const char *lacks;
		enum verdict verdict;
	} cases[] = {
		{ { HOLD_MS(1) }, .verdict = VERDICT_PASS },
		{ { nice }, WIRE_ATTR, .verdict = VERDICT_FAIL },
		{ { nice }, WIRE_ATTR, .unknown = true, .verdict = VERDICT_PASS },
		{ { nice }, WIRE_ATTR, .lacks = "hotplug", .verdict = VERDICT_FAIL },
		{ { OFFLINE(RANGE(1, 1)) }, WIRE_WRITE, .lacks = "hotplug",
		  .verdict = VERDICT_SKIP },
		{ { OFFLINE(RANGE(1, 1)) }, WIRE_WRITE, .verdict = VERDICT_FAIL },
		{ { LOAD() }, .verdict = VERDICT_PASS },
		{ { LOAD(), nice }, WIRE_ATTR, .verdict = VERDICT_FAIL },
		{ { nice, LOAD() }, WIRE_ATTR, .verdict = VERDICT_FAIL },
		{ { REPLACE("scx_ktstr", NULL), LOAD() }, .verdict = VERDICT_PASS },
		/* It is the other one that does so. */
		{ { REPLACE("scx_ktstr", NULL), nice, LOAD() }, WIRE_ATTR,
		  .verdict = VERDICT_PASS },
		{ { nice, LEAVE() }, WIRE_ATTR, .verdict = VERDICT_FAIL },
	};
	struct scenario sc = {
		.suite = "suite", .name = "reload", .workers = { { "spin", .count = 1 } },
	};
	struct guest *g = self->g;
	struct findings findings;
	const struct finding *f;
	size_t i;

	g->ops = "simple";
	snprintf(g->s.scheduler, sizeof(g->s.scheduler), "scx_simple");
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		memcpy(sc.steps, cases[i].steps, sizeof(cases[i].steps));
		g->enabled = 7;
		if (cases[i].unknown)
			g->enabled = -1000;
		g->reloads_at = cases[i].reloads_at;
		play(_metadata, g, &sc, 5 * MS);
		g->result.run.sched.lacks = cases[i].lacks;
		memset(&findings, 0, sizeof(findings));
		check_run(&g->result.run, &findings);
		f = check_find(&findings, "alive", NULL);
		ASSERT_NE(NULL, f);
		EXPECT_EQ(cases[i].verdict, f->verdict) {
			TH_LOG("case %zu: %s", i, f->text);
		}
		if (f->verdict == VERDICT_FAIL) {
			EXPECT_NE(NULL, strstr(f->text, "was loaded again, though no step did"));
			EXPECT_EQ(1, f->seen);
		}
	}
}

/* When the worker of a group that reported last had its longest wait */
static u64 last_gap(const struct guest *g, const char *group)
{
	const struct check_run *run = &g->result.run;
	u64 at_ns = CHECK_NO_TIME;
	size_t i;

	for (i = 0; i < run->nr_reports; i++)
		if (!strcmp(run->reports[i].group, group))
			at_ns = run->reports[i].r.gap.at_ns;
	return at_ns;
}

/* Workers know when they began, and not when the first of all did. */
TEST_F(play, waits_since_the_start_of_the_run)
{
	static const struct scenario sc = {
		.suite = "suite", .name = "gaps",
		.workers = {
			{ "now", .count = 1 },
			{ "later", .count = 1, .later = true },
		},
		.steps = { SPAWN("later"), STOP("later"), SPAWN("later") },
	};
	struct guest *g = self->g;

	play(_metadata, g, &sc, 5 * MS);
	EXPECT_EQ(3, g->result.run.nr_reports);
	EXPECT_EQ(20 * MS, last_gap(g, "now"));
	EXPECT_EQ(20 * MS, g->result.stats[0].gap.at_ns);
	/* Each request takes 100 ms: read, spawn, start; stop, spawn, start. */
	EXPECT_STREQ("later", g->result.reports[0].group);
	EXPECT_EQ(320 * MS, g->result.reports[0].r.gap.at_ns);
	EXPECT_EQ(620 * MS, last_gap(g, "later"));
}

/* Where nobody runs from the start, the start is when this host says that it was. */
TEST_F(play, waits_of_those_who_all_come_later)
{
	static const struct scenario sc = {
		.suite = "suite", .name = "gaps",
		.workers = { { "later", .count = 1, .later = true } },
		.steps = { HOLD_MS(30), SPAWN("later"), HOLD_MS(1) },
	};

	self->g->now_ns = 1000 * NSEC_PER_SEC;
	play(_metadata, self->g, &sc, 5 * MS);
	EXPECT_LE(50 * MS, last_gap(self->g, "later"));
	EXPECT_GT(1000 * NSEC_PER_SEC, last_gap(self->g, "later"));
}

/* Many of them run for as long as they are told that the duration is. */
TEST_F(play, programs_may_take_the_duration_and_more)
{
	static const struct scenario sc = {
		.suite = "suite", .name = "program",
		.programs = { { .name = "sleep", .command = "sleep $1" } },
		.steps = { RUN("sleep"), WAIT("sleep") },
	};

	play(_metadata, self->g, &sc, 3600 * NSEC_PER_SEC);
	EXPECT_LT(3600 * NSEC_PER_SEC + 10 * NSEC_PER_SEC, self->g->patience_ns);
	play(_metadata, self->g, &sc, NSEC_PER_SEC);
	EXPECT_LT(60 * NSEC_PER_SEC, self->g->patience_ns);
	EXPECT_GT(300 * NSEC_PER_SEC, self->g->patience_ns);
}

TEST_HARNESS_MAIN
