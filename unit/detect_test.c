// SPDX-License-Identifier: GPL-2.0
/* Which schedulers play in which scenarios, what that means, and how it is told. */
#include <errno.h>
#include <linux/kernel.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

#include "detect.h"

#define WORKERS	.workers = { { .name = "spin", .count = 2 } }

static const struct scenario fair[] = {
	{ .suite = "fair", .name = "crowd", WORKERS },
	{ .suite = "fair", .name = "crowded", WORKERS },
};

static const struct scenario large[] = {
	{ .suite = "large", .name = "nodes", .min_nodes = 2, WORKERS },
	{ .suite = "large", .name = "spare", WORKERS },
	{ .suite = "large", .name = "smt", .smt = true, WORKERS },
};

static const struct suite fair_suite = {
	.name = "fair", .scenarios = fair, .nr = ARRAY_SIZE(fair),
};

static const struct suite large_suite = {
	.name = "large", .scenarios = large, .nr = ARRAY_SIZE(large),
};

static const struct suite * const suites[] = { &fair_suite, &large_suite };

static const struct fixture_sched scheds[] = {
	{ .name = "good" },
	{
		.name = "starve",
		.fault = KTSTR_FAULT_STARVE,
		.check = "starvation",
		.scenarios = "fair.crowd large.nodes",
		.field = true,
	}, {
		.name = "delay",
		.fault = KTSTR_FAULT_DELAY,
		.check = "latency",
		.scenarios = "fair.crowded",
		.min_nodes = 2,
	},
};

static const struct scheduler tree[] = {
	{ .name = "eevdf" },
	{ .name = "scx_simple", .command = "scx_simple" },
	{}
};

static struct detect_tables tables(void)
{
	return (struct detect_tables){
		.scheds = scheds,
		.nr_scheds = ARRAY_SIZE(scheds),
		.tree = tree,
		.suites = suites,
		.nr_suites = ARRAY_SIZE(suites),
	};
}

/* -- what is asked for --------------------------------------------------------- */

static const char * const variables[] = {
	"KTSTR_FULL", "KTSTR_ROUNDS", "KTSTR_SHARD", "KTSTR_EXPECT", "KTSTR_SCHEDULER",
	"KTSTR_KERNEL", "KTSTR_CMDLINE",
};

static void clear_env(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(variables); i++)
		unsetenv(variables[i]);
}

TEST(what_is_asked_for_by_default)
{
	struct detect_config cfg;
	struct errmsg err;

	clear_env();
	setenv("KTSTR_ROUNDS", "", 1);
	ASSERT_EQ(0, detect_config(&cfg, &err));
	EXPECT_EQ(false, cfg.full);
	EXPECT_EQ(5, cfg.rounds);
	EXPECT_EQ(1, cfg.shard);
	EXPECT_EQ(1, cfg.nr_shards);
	EXPECT_EQ(NULL, cfg.scheduler);
	EXPECT_EQ(NULL, cfg.kernel);
	EXPECT_EQ(NULL, cfg.cmdline);
	EXPECT_EQ(false, cfg.expect_fail);
}

TEST(what_is_asked_for_by_variables)
{
	struct detect_config cfg;
	struct errmsg err;

	clear_env();
	setenv("KTSTR_FULL", "1", 1);
	setenv("KTSTR_ROUNDS", "12", 1);
	setenv("KTSTR_SHARD", "3/10", 1);
	setenv("KTSTR_EXPECT", "fail", 1);
	setenv("KTSTR_SCHEDULER", "/tmp/mine --flag", 1);
	setenv("KTSTR_CMDLINE", "nosmt", 1);
	ASSERT_EQ(0, detect_config(&cfg, &err));
	EXPECT_EQ(true, cfg.full);
	EXPECT_EQ(12, cfg.rounds);
	EXPECT_EQ(3, cfg.shard);
	EXPECT_EQ(10, cfg.nr_shards);
	EXPECT_EQ(true, cfg.expect_fail);
	EXPECT_STREQ("/tmp/mine --flag", cfg.scheduler);
	EXPECT_STREQ("nosmt", cfg.cmdline);
}

TEST(bad_values_are_refused)
{
	static const struct {
		const char *name;
		const char *value;
	} cases[] = {
		{ "KTSTR_FULL", "yes" }, { "KTSTR_FULL", "2" }, { "KTSTR_FULL", "11" },
		{ "KTSTR_ROUNDS", "0" }, { "KTSTR_ROUNDS", "-1" }, { "KTSTR_ROUNDS", "1001" },
		{ "KTSTR_ROUNDS", "5x" }, { "KTSTR_ROUNDS", " 5" },
		{ "KTSTR_ROUNDS", "4294967297" }, { "KTSTR_ROUNDS", "99999999999999999999" },
		{ "KTSTR_SHARD", "1" }, { "KTSTR_SHARD", "0/2" }, { "KTSTR_SHARD", "3/2" },
		{ "KTSTR_SHARD", "1/" }, { "KTSTR_SHARD", "/2" }, { "KTSTR_SHARD", "1/2/3" },
		{ "KTSTR_SHARD", "1/1001" }, { "KTSTR_SHARD", "a/b" },
		{ "KTSTR_EXPECT", "PASS" }, { "KTSTR_EXPECT", "broken" },
		/* Of what? */
		{ "KTSTR_EXPECT", "pass" },
	};
	struct detect_config cfg;
	struct errmsg err;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		clear_env();
		setenv(cases[i].name, cases[i].value, 1);
		EXPECT_EQ(-EINVAL, detect_config(&cfg, &err)) {
			TH_LOG("%s=%s", cases[i].name, cases[i].value);
		}
		EXPECT_EQ(ERRMSG_INPUT, err.kind);
		EXPECT_NE(NULL, strstr(err.text, cases[i].name)) {
			TH_LOG("%s", err.text);
		}
	}
}

/* -- the plan -------------------------------------------------------------------- */

FIXTURE(plan)
{
	struct detect_config cfg;
	struct detect_tables tables;
	struct detect_plan plan;
	struct errmsg err;
};

FIXTURE_SETUP(plan)
{
	self->cfg = (struct detect_config){ .rounds = 2, .shard = 1, .nr_shards = 1 };
	self->tables = tables();
}

FIXTURE_TEARDOWN(plan)
{
	detect_plan_free(&self->plan);
}

static int make(struct _test_data_plan *self)
{
	return detect_plan(&self->plan, &self->cfg, &self->tables, &self->err);
}

static bool is_play(const struct detect_plan *plan, const struct detect_play *play,
		    const char *row, const char *scenario)
{
	return !strcmp(plan->rows[play->row].name, row) &&
	       !strcmp(plan->columns[play->column].sc->name, scenario);
}

static size_t count(const struct detect_plan *plan, const char *row, const char *scenario)
{
	size_t i, nr = 0;

	for (i = 0; i < plan->nr_plays; i++)
		nr += is_play(plan, &plan->plays[i], row, scenario);
	return nr;
}

static struct detect_play *find(struct detect_plan *plan, const char *row,
				const char *scenario, unsigned int round)
{
	size_t i;

	for (i = 0; i < plan->nr_plays; i++)
		if (plan->plays[i].round == round &&
		    is_play(plan, &plan->plays[i], row, scenario))
			return &plan->plays[i];
	return NULL;
}

TEST_F(plan, faulty_ones_play_in_their_class_others_in_all_of_these)
{
	ASSERT_EQ(0, make(self));
	EXPECT_EQ(4, self->plan.nr_rows);
	EXPECT_EQ(3, self->plan.nr_columns);
	EXPECT_EQ(2 * (2 + 1 + 3 + 3), self->plan.nr_plays);
	EXPECT_EQ(2, count(&self->plan, "starve", "crowd"));
	EXPECT_EQ(2, count(&self->plan, "starve", "nodes"));
	EXPECT_EQ(0, count(&self->plan, "starve", "crowded"));
	EXPECT_EQ(2, count(&self->plan, "delay", "crowded"));
	EXPECT_EQ(2, count(&self->plan, "good", "crowd"));
	EXPECT_EQ(2, count(&self->plan, "good", "crowded"));
	EXPECT_EQ(2, count(&self->plan, "eevdf", "nodes"));
	EXPECT_EQ(NULL, detect_row(&self->plan, "scx_simple"));
}

TEST_F(plan, full_is_all_in_all)
{
	self->cfg.full = true;
	ASSERT_EQ(0, make(self));
	EXPECT_EQ(5, self->plan.nr_rows);
	EXPECT_EQ(5, self->plan.nr_columns);
	EXPECT_EQ(2 * 5 * 5, self->plan.nr_plays);
	EXPECT_EQ(2, count(&self->plan, "scx_simple", "spare"));
	EXPECT_EQ(true, detect_counts(&self->plan, find(&self->plan, "starve", "crowd", 1)));
	EXPECT_EQ(false, detect_counts(&self->plan, find(&self->plan, "starve", "crowded", 1)));
	EXPECT_EQ(false, detect_counts(&self->plan, find(&self->plan, "good", "crowd", 1)));
}

TEST_F(plan, field_is_one_play_for_each_class_that_the_field_has_seen)
{
	self->cfg.field = true;
	self->cfg.rounds = 1;
	ASSERT_EQ(0, make(self));
	EXPECT_EQ(1, self->plan.nr_rows);
	EXPECT_EQ(1, self->plan.nr_columns);
	EXPECT_EQ(1, self->plan.nr_plays);
	EXPECT_EQ(1, count(&self->plan, "starve", "crowd"));
	EXPECT_EQ(true, detect_counts(&self->plan, &self->plan.plays[0]));
}

TEST_F(plan, commands)
{
	ASSERT_EQ(0, make(self));
	EXPECT_STREQ("scx_ktstr --fault starve", detect_row(&self->plan, "starve")->command);
	EXPECT_STREQ("scx_ktstr --policy good", detect_row(&self->plan, "good")->command);
	EXPECT_EQ(NULL, detect_row(&self->plan, "eevdf")->command);
	EXPECT_EQ(NULL, detect_row(&self->plan, "nobody"));
}

TEST_F(plan, topology_is_what_scenario_and_fault_need)
{
	const struct detect_play *play;
	struct topology topo;

	self->cfg.full = true;
	ASSERT_EQ(0, make(self));
	play = find(&self->plan, "starve", "crowd", 1);
	EXPECT_STREQ("1n2l2c1t", play->topology);
	play = find(&self->plan, "good", "smt", 1);
	ASSERT_EQ(0, topology_parse(play->topology, &topo, &self->err));
	EXPECT_EQ(2, topo.threads);
	play = find(&self->plan, "good", "nodes", 1);
	ASSERT_EQ(0, topology_parse(play->topology, &topo, &self->err));
	EXPECT_EQ(2, topo.nodes);
	/* The fault does not show with one node, whatever the scenario is content with. */
	play = find(&self->plan, "delay", "crowd", 1);
	ASSERT_EQ(0, topology_parse(play->topology, &topo, &self->err));
	EXPECT_EQ(2, topo.nodes);
}

TEST_F(plan, guests_can_be_shared)
{
	unsigned int changes = 0;
	size_t i;

	self->cfg.full = true;
	self->cfg.cmdline = "nosmt";
	ASSERT_EQ(0, make(self));
	for (i = 1; i < self->plan.nr_plays; i++)
		changes += !!strcmp(self->plan.plays[i].topology,
				    self->plan.plays[i - 1].topology);
	/* One kernel's four topologies, three of which are the other's, too */
	EXPECT_EQ(6, changes);
	EXPECT_STREQ("outside_kernel",
		     self->plan.rows[self->plan.plays[self->plan.nr_plays - 1].row].name);
}

TEST_F(plan, outside_scheduler_and_kernel)
{
	const struct detect_row *row;

	self->cfg.scheduler = "/bin/mine";
	self->cfg.kernel = "/boot/other";
	ASSERT_EQ(0, make(self));
	EXPECT_EQ(6, self->plan.nr_rows);
	row = detect_row(&self->plan, "outside");
	ASSERT_NE(NULL, row);
	EXPECT_STREQ("/bin/mine", row->command);
	EXPECT_EQ(false, row->faulty);
	EXPECT_EQ(false, row->other_kernel);
	row = detect_row(&self->plan, "outside_kernel");
	ASSERT_NE(NULL, row);
	EXPECT_EQ(NULL, row->command);
	EXPECT_EQ(true, row->other_kernel);
	EXPECT_EQ(2, count(&self->plan, "outside", "crowd"));
	EXPECT_EQ(2, count(&self->plan, "outside", "crowded"));
	EXPECT_EQ(2, count(&self->plan, "outside_kernel", "nodes"));
	detect_plan_free(&self->plan);

	self->cfg.expect_fail = true;
	ASSERT_EQ(0, make(self));
	EXPECT_EQ(true, detect_row(&self->plan, "outside")->faulty);
	EXPECT_EQ(true, detect_counts(&self->plan, find(&self->plan, "outside", "crowd", 1)));
}

TEST_F(plan, a_scenario_that_is_not_there)
{
	static const char * const lists[] = {
		"fair.crow", "fair.crowd fair.none", "crowd", "fair.crowd2", "",
	};
	static struct fixture_sched wrong[ARRAY_SIZE(scheds)];
	size_t i;

	memcpy(wrong, scheds, sizeof(scheds));
	self->tables.scheds = wrong;
	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		wrong[1].scenarios = lists[i];
		EXPECT_EQ(-ENOENT, make(self)) {
			TH_LOG("\"%s\"", lists[i]);
		}
		EXPECT_NE(NULL, strstr(self->err.text, "starve"));
	}
}

TEST_F(plan, a_scenario_that_fits_nowhere)
{
	static const struct scenario huge = {
		.suite = "fair", .name = "crowd", .min_cpus = 4000, WORKERS,
	};
	static const struct suite huge_suite = { .name = "fair", .scenarios = &huge, .nr = 1 };
	static const struct suite * const only[] = { &huge_suite };

	self->tables.suites = only;
	self->tables.nr_suites = 1;
	self->tables.nr_scheds = 1;
	self->cfg.full = true;
	EXPECT_EQ(-ERANGE, make(self));
	EXPECT_NE(NULL, strstr(self->err.text, "fair.crowd"));
}

/* -- parts ------------------------------------------------------------------------- */

/* How often is each play of @plan among these? */
static void tick(const struct detect_plan *plan, const struct detect_plan *part,
		 unsigned int *seen)
{
	size_t i, j;

	for (i = 0; i < plan->nr_plays; i++)
		for (j = 0; j < part->nr_plays; j++)
			seen[i] += plan->plays[i].row == part->plays[j].row &&
				   plan->plays[i].column == part->plays[j].column &&
				   plan->plays[i].round == part->plays[j].round;
}

TEST_F(plan, shards_are_all_plays_each_once)
{
	unsigned int seen[50], nr, most, least, dearest = 0;
	struct detect_plan part;
	size_t i;

	self->cfg.full = true;
	ASSERT_EQ(0, make(self));
	ASSERT_EQ(ARRAY_SIZE(seen), self->plan.nr_plays);
	/* What cannot be dealt to several: there are more shards than that. */
	self->cfg.nr_shards = ARRAY_SIZE(seen);
	for (self->cfg.shard = 1; self->cfg.shard <= ARRAY_SIZE(seen); self->cfg.shard++) {
		ASSERT_EQ(0, detect_plan(&part, &self->cfg, &self->tables, &self->err));
		dearest = max(dearest, detect_seconds(&part, true, false));
		detect_plan_free(&part);
	}
	for (nr = 1; nr < 40; nr++) {
		memset(seen, 0, sizeof(seen));
		most = 0;
		least = UINT_MAX;
		self->cfg.nr_shards = nr;
		for (self->cfg.shard = 1; self->cfg.shard <= nr; self->cfg.shard++) {
			ASSERT_EQ(0, detect_plan(&part, &self->cfg, &self->tables, &self->err));
			tick(&self->plan, &part, seen);
			most = max(most, detect_seconds(&part, true, false));
			least = min(least, detect_seconds(&part, true, false));
			detect_plan_free(&part);
		}
		for (i = 0; i < ARRAY_SIZE(seen); i++) {
			ASSERT_EQ(1, seen[i]) {
				TH_LOG("%u shards: play %zu", nr, i);
			}
		}
		EXPECT_LE(most - least, dearest);
	}
}

TEST_F(plan, a_shard_has_all_that_catches_a_scheduler)
{
	size_t crowd, nodes;

	self->cfg.nr_shards = 3;
	for (self->cfg.shard = 1; self->cfg.shard <= 3; self->cfg.shard++) {
		ASSERT_EQ(0, make(self));
		crowd = count(&self->plan, "starve", "crowd");
		nodes = count(&self->plan, "starve", "nodes");
		EXPECT_EQ(crowd, nodes);
		EXPECT_EQ(0, crowd % 2);
		detect_plan_free(&self->plan);
	}
}

TEST_F(plan, parts_of_what_is_left)
{
	unsigned int seen[50], bounds[60], largest[60], nr, part, most, all = 0, dearest = 0;
	struct detect_plan left;
	size_t i;

	self->cfg.full = true;
	ASSERT_EQ(0, make(self));
	for (nr = 1; nr < 60; nr++) {
		memset(seen, 0, sizeof(seen));
		most = 0;
		for (part = 1; part <= nr; part++) {
			ASSERT_EQ(0, detect_plan(&left, &self->cfg, &self->tables, &self->err));
			for (i = 0; i < left.nr_plays; i += 5)
				left.plays[i].result.played = true;
			detect_plan_left(&left, part, nr);
			tick(&self->plan, &left, seen);
			most = max(most, detect_seconds(&left, true, false));
			if (left.nr_plays == 1)
				dearest = max(dearest, detect_seconds(&left, true, false));
			detect_plan_free(&left);
		}
		for (i = 0; i < ARRAY_SIZE(seen); i++) {
			ASSERT_EQ(i % 5 != 0, seen[i]) {
				TH_LOG("%u parts: play %zu", nr, i);
			}
		}
		if (nr == 1)
			all = most;
		/* A part ends where a play does. */
		bounds[nr] = all / nr;
		largest[nr] = most;
	}
	for (nr = 1; nr < 60; nr++)
		EXPECT_GE(bounds[nr] + dearest + 1, largest[nr]) TH_LOG("%u parts", nr);
}

TEST_F(plan, nothing_is_left)
{
	size_t i;

	ASSERT_EQ(0, make(self));
	for (i = 0; i < self->plan.nr_plays; i++)
		self->plan.plays[i].result.played = true;
	detect_plan_left(&self->plan, 1, 2);
	EXPECT_EQ(0, self->plan.nr_plays);
}

TEST_F(plan, how_long_it_takes)
{
	unsigned int all, left;
	size_t i;

	ASSERT_EQ(0, make(self));
	unsetenv("KTSTR_DURATION");
	all = detect_seconds(&self->plan, true, false);
	EXPECT_LT(self->plan.nr_plays, all);
	EXPECT_GT(all, detect_seconds(&self->plan, false, false));
	/* It follows the time that workers run, as long as that is all that is known. */
	setenv("KTSTR_DURATION", "600", 1);
	EXPECT_LT(600 * self->plan.nr_plays, detect_seconds(&self->plan, true, false));
	EXPECT_LT(600 * self->plan.nr_plays, detect_seconds(&self->plan, false, false));
	unsetenv("KTSTR_DURATION");
	/* Half of it was played, in 100 s each: the rest takes as long as it is dear. */
	for (i = 0; i < self->plan.nr_plays / 2; i++) {
		self->plan.plays[i].result.played = true;
		self->plan.plays[i].result.ms = 100000;
	}
	all = detect_seconds(&self->plan, true, false);
	left = detect_seconds(&self->plan, true, true);
	EXPECT_GE(all, left + 900);
	EXPECT_LE(all, left + 901);
	/* What is to fail is dearer, and comes last. */
	EXPECT_LT(900, left);
	for (; i < self->plan.nr_plays; i++) {
		self->plan.plays[i].result.played = true;
		self->plan.plays[i].result.ms = 100000;
	}
	EXPECT_EQ(1800, detect_seconds(&self->plan, true, false));
	EXPECT_EQ(0, detect_seconds(&self->plan, true, true));
}

/* -- judgement --------------------------------------------------------------------- */

static void add(struct findings *findings, const char *check, enum verdict verdict)
{
	struct finding finding = {
		.check = check, .verdict = verdict,
		.cpu = CHECK_NO_CPU, .at_ns = CHECK_NO_TIME,
	};

	check_add(findings, &finding, "planted");
}

TEST(judgement)
{
	struct detect_row faulty = { .faulty = true, .check = "gap" };
	struct detect_row any = { .faulty = true };
	struct detect_row healthy = {};
	struct findings findings = {};
	struct detect_result result;

	add(&findings, "workers", VERDICT_PASS);
	add(&findings, "gap", VERDICT_INCONCLUSIVE);
	add(&findings, "starvation", VERDICT_FAIL);
	add(&findings, "starvation", VERDICT_FAIL);
	detect_judge(&faulty, VERDICT_FAIL, &findings, &result);
	EXPECT_EQ(true, result.played);
	EXPECT_EQ(VERDICT_INCONCLUSIVE, result.verdict);
	EXPECT_EQ(false, result.stated);
	EXPECT_STREQ("gap", result.checks);
	detect_judge(&any, VERDICT_FAIL, &findings, &result);
	EXPECT_EQ(VERDICT_FAIL, result.verdict);
	EXPECT_EQ(true, result.stated);
	EXPECT_STREQ("starvation", result.checks);
	detect_judge(&healthy, VERDICT_FAIL, &findings, &result);
	EXPECT_EQ(false, result.stated);

	add(&findings, "gap", VERDICT_FAIL);
	detect_judge(&faulty, VERDICT_FAIL, &findings, &result);
	EXPECT_EQ(true, result.stated);
	EXPECT_STREQ("starvation,gap", result.checks);

	findings.nr = 2;
	detect_judge(&faulty, VERDICT_INCONCLUSIVE, &findings, &result);
	EXPECT_EQ(false, result.stated);
	EXPECT_STREQ("gap", result.checks);
	findings.nr = 1;
	detect_judge(&any, VERDICT_PASS, &findings, &result);
	EXPECT_EQ(false, result.stated);
	EXPECT_STREQ("", result.checks);
}

/* A play that did not come to its end shows nothing that is wrong with a scheduler. */
TEST(what_catches_one_of_which_no_check_is_stated)
{
	static const struct {
		const char *check;
		bool scheduler;
		bool kernel;
	} cases[] = {
		{ "guest", false, true }, { "scenario", false, false },
		{ "load", false, false }, { "gap", true, true }, { "alive", true, true },
	};
	const struct detect_row scheduler = { .faulty = true };
	const struct detect_row kernel = { .faulty = true, .other_kernel = true };
	const struct detect_row stated = { .faulty = true, .check = "load" };
	struct detect_result result;
	struct findings findings;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		findings.nr = 0;
		add(&findings, cases[i].check, VERDICT_FAIL);
		detect_judge(&scheduler, VERDICT_FAIL, &findings, &result);
		EXPECT_EQ(cases[i].scheduler, result.stated) {
			TH_LOG("scheduler, %s", cases[i].check);
		}
		EXPECT_STREQ(cases[i].check, result.checks);
		detect_judge(&kernel, VERDICT_FAIL, &findings, &result);
		EXPECT_EQ(cases[i].kernel, result.stated) {
			TH_LOG("kernel, %s", cases[i].check);
		}
		detect_judge(&stated, VERDICT_FAIL, &findings, &result);
		EXPECT_EQ(!strcmp(cases[i].check, "load"), result.stated);
	}
	/* What else failed before the guest did is something that was seen. */
	findings.nr = 0;
	add(&findings, "guest", VERDICT_FAIL);
	add(&findings, "gap", VERDICT_FAIL);
	detect_judge(&scheduler, VERDICT_FAIL, &findings, &result);
	EXPECT_EQ(true, result.stated);
}

/* A name that is the beginning, the end or the middle of another is another one. */
TEST(checks_with_similar_names)
{
	struct detect_row row = { .faulty = true, .check = "gap" };
	struct findings findings = {};
	struct detect_result result;

	add(&findings, "biggap", VERDICT_FAIL);
	add(&findings, "gaps", VERDICT_FAIL);
	detect_judge(&row, VERDICT_FAIL, &findings, &result);
	EXPECT_EQ(false, result.stated);
	add(&findings, "gap", VERDICT_FAIL);
	add(&findings, "gap", VERDICT_FAIL);
	detect_judge(&row, VERDICT_FAIL, &findings, &result);
	EXPECT_EQ(true, result.stated);
	EXPECT_STREQ("biggap,gaps,gap", result.checks);
}

static enum verdict script[8];
static unsigned int nr_played;

static enum verdict fake_play(struct stage *stage, const struct play *what,
			      struct findings *findings)
{
	enum verdict verdict = script[nr_played++];

	stage->plays++;
	if (!strcmp(what->topology, "1n2l2c1t") &&
	    !strcmp(what->scheduler, "scx_ktstr --fault starve") &&
	    !strcmp(what->suite->name, "fair") && !strcmp(what->sc->name, "crowd") &&
	    !strcmp(what->rerun, "again"))
		add(findings, "starvation", verdict);
	return verdict;
}

TEST_F(plan, inconclusive_is_played_again)
{
	static const struct {
		enum verdict script[4];
		unsigned int tries;
		enum verdict verdict;
	} cases[] = {
		{ { VERDICT_PASS }, 1, VERDICT_PASS },
		{ { VERDICT_FAIL }, 1, VERDICT_FAIL },
		{ { VERDICT_SKIP }, 1, VERDICT_SKIP },
		{ { VERDICT_INCONCLUSIVE, VERDICT_FAIL }, 2, VERDICT_FAIL },
		{ { VERDICT_INCONCLUSIVE, VERDICT_INCONCLUSIVE, VERDICT_PASS }, 3, VERDICT_PASS },
		{ { VERDICT_INCONCLUSIVE, VERDICT_INCONCLUSIVE, VERDICT_INCONCLUSIVE,
		    VERDICT_FAIL }, 3, VERDICT_INCONCLUSIVE },
	};
	struct detect_play *play;
	struct stage stage = {};
	size_t i;

	ASSERT_EQ(0, make(self));
	play = find(&self->plan, "starve", "crowd", 1);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		memcpy(script, cases[i].script, sizeof(cases[i].script));
		nr_played = 0;
		stage.plays = 0;
		ASSERT_EQ(0, detect_play(&self->plan, play, fake_play, &stage, "again"));
		EXPECT_EQ(cases[i].tries, nr_played);
		EXPECT_EQ(cases[i].tries, stage.plays);
		EXPECT_EQ(cases[i].verdict, play->result.verdict);
		EXPECT_EQ(cases[i].verdict == VERDICT_FAIL, play->result.stated);
		EXPECT_EQ(true, play->result.played);
	}
}

static enum verdict other_fails(struct stage *stage, const struct play *what,
				struct findings *findings)
{
	add(findings, "workers", VERDICT_FAIL);
	add(findings, "starvation", script[stage->plays++]);
	return what ? VERDICT_FAIL : VERDICT_SKIP;
}

TEST_F(plan, stated_check_that_is_inconclusive_is_played_again)
{
	struct detect_play *faulty, *healthy;
	struct stage stage = {};

	ASSERT_EQ(0, make(self));
	faulty = find(&self->plan, "starve", "crowd", 1);
	healthy = find(&self->plan, "good", "crowd", 1);
	script[0] = VERDICT_INCONCLUSIVE;
	script[1] = VERDICT_FAIL;
	ASSERT_EQ(0, detect_play(&self->plan, faulty, other_fails, &stage, NULL));
	EXPECT_EQ(2, stage.plays);
	EXPECT_EQ(true, faulty->result.stated);

	stage.plays = 0;
	script[0] = VERDICT_PASS;
	ASSERT_EQ(0, detect_play(&self->plan, faulty, other_fails, &stage, NULL));
	EXPECT_EQ(1, stage.plays);
	EXPECT_EQ(VERDICT_FAIL, faulty->result.verdict);
	EXPECT_EQ(false, faulty->result.stated);

	stage.plays = 0;
	script[0] = VERDICT_INCONCLUSIVE;
	script[1] = VERDICT_INCONCLUSIVE;
	script[2] = VERDICT_INCONCLUSIVE;
	ASSERT_EQ(0, detect_play(&self->plan, faulty, other_fails, &stage, NULL));
	EXPECT_EQ(3, stage.plays);
	EXPECT_EQ(VERDICT_INCONCLUSIVE, faulty->result.verdict);
	EXPECT_STREQ("starvation", faulty->result.checks);

	/* There is nothing that could take the blame from a healthy one. */
	stage.plays = 0;
	script[0] = VERDICT_INCONCLUSIVE;
	ASSERT_EQ(0, detect_play(&self->plan, healthy, other_fails, &stage, NULL));
	EXPECT_EQ(1, stage.plays);
	EXPECT_EQ(VERDICT_FAIL, healthy->result.verdict);
}

/* As stage_play() tells of what failed, and then did not */
static enum verdict fails_once(struct stage *stage, const struct play *what,
			       struct findings *findings)
{
	enum verdict again = script[stage->plays++];

	add(findings, "starvation", again);
	if (what->sc && again == VERDICT_FAIL)
		return VERDICT_FAIL;
	findings->unrepeated = true;
	return VERDICT_INCONCLUSIVE;
}

TEST_F(plan, unrepeated_failures_are_counted)
{
	struct stage stage = {};
	struct detect_play *play;

	ASSERT_EQ(0, make(self));
	play = find(&self->plan, "good", "crowd", 1);
	script[0] = VERDICT_PASS;
	script[1] = VERDICT_INCONCLUSIVE;
	script[2] = VERDICT_FAIL;
	ASSERT_EQ(0, detect_play(&self->plan, play, fails_once, &stage, NULL));
	EXPECT_EQ(3, stage.plays);
	EXPECT_EQ(VERDICT_FAIL, play->result.verdict);
	EXPECT_EQ(2, play->result.unrepeated);
	/* What is INCONCLUSIVE for another reason has not failed. */
	nr_played = 0;
	script[0] = VERDICT_INCONCLUSIVE;
	script[1] = VERDICT_PASS;
	play = find(&self->plan, "starve", "crowd", 1);
	ASSERT_EQ(0, detect_play(&self->plan, play, fake_play, &stage, "again"));
	EXPECT_EQ(2, nr_played);
	EXPECT_EQ(0, play->result.unrepeated);
}

/* -- lines ------------------------------------------------------------------------- */

static void copy(char *to, const char *text, size_t size)
{
	snprintf(to, size, "%s", text);
}

static void written(const struct detect_plan *plan, const struct detect_play *play,
		    char line[256])
{
	FILE *f = fmemopen(line, 256, "w");

	detect_write(plan, play, f);
	fclose(f);
}

/* What stayed INCONCLUSIVE is played once more at the end. */
TEST_F(plan, both_calls_count)
{
	const unsigned int all = DETECT_MAX_CALLS * DETECT_MAX_TRIES;
	struct stage stage = {};
	struct detect_play *play;
	char line[256];
	unsigned int i;

	ASSERT_EQ(0, make(self));
	play = find(&self->plan, "good", "crowd", 1);
	for (i = 0; i < DETECT_MAX_TRIES; i++)
		script[i] = VERDICT_INCONCLUSIVE;
	play->result.ms = 1000;
	for (i = 0; i < DETECT_MAX_CALLS; i++) {
		stage.plays = 0;
		ASSERT_EQ(0, detect_play(&self->plan, play, fails_once, &stage, NULL));
		EXPECT_EQ(DETECT_MAX_TRIES, stage.plays);
	}
	EXPECT_EQ(VERDICT_INCONCLUSIVE, play->result.verdict);
	EXPECT_LE(1000, play->result.ms);
	EXPECT_EQ(all, play->result.unrepeated);
	written(&self->plan, play, line);
	play->result.unrepeated = 0;
	ASSERT_TRUE(detect_read(&self->plan, line));
	EXPECT_EQ(all, play->result.unrepeated);
}

TEST_F(plan, results_are_read_as_written)
{
	struct detect_play *play, before;
	char line[256], again[256];
	enum verdict verdict;

	ASSERT_EQ(0, make(self));
	play = find(&self->plan, "delay", "crowded", 2);
	for (verdict = VERDICT_SKIP; verdict <= VERDICT_FAIL; verdict++) {
		play->result = (struct detect_result){
			.played = true,
			.verdict = verdict,
			.stated = verdict == VERDICT_FAIL,
			.ms = 1234 + verdict,
			.unrepeated = verdict == VERDICT_PASS ? 2 : 0,
		};
		if (verdict == VERDICT_FAIL)
			copy(play->result.checks, "latency,gap", sizeof(play->result.checks));
		before = *play;
		written(&self->plan, play, line);
		play->result = (struct detect_result){};
		copy(again, line, sizeof(again));
		EXPECT_EQ(true, detect_read(&self->plan, again)) {
			TH_LOG("%s", line);
		}
		EXPECT_EQ(0, memcmp(&before, play, sizeof(before)));
	}
}

TEST_F(plan, what_is_no_whole_result_is_left_out)
{
	static const char * const lines[] = {
		"", "\n", "# cell\n", "cell\n",
		"cell\tstarve\tfair.crowd\t1\tPASS\t-\t10\t0\t-",
		"cell\tstarve\tfair.crowd\t1\tPASS\t-\t10\t0\n",
		"cell\tstarve\tfair.crowd\t1\tPASS\t-\t10\t0\t-\t-\n",
		"cell\tstarve\tfair.crowd\t1\tPA\t-\t10\t0\t-\n",
		"cell\tstarve\tfair.crowd\t3\tPASS\t-\t10\t0\t-\n",
		"cell\tstarve\tfair.crowd\t0\tPASS\t-\t10\t0\t-\n",
		"cell\tstarve\tfair.crow\t1\tPASS\t-\t10\t0\t-\n",
		"cell\tstarve\tfair.crowded\t1\tPASS\t-\t10\t0\t-\n",
		"cell\tstarv\tfair.crowd\t1\tPASS\t-\t10\t0\t-\n",
		"ell\tstarve\tfair.crowd\t1\tPASS\t-\t10\t0\t-\n",
	};
	char line[256];
	size_t i;

	ASSERT_EQ(0, make(self));
	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		copy(line, lines[i], sizeof(line));
		EXPECT_EQ(false, detect_read(&self->plan, line)) {
			TH_LOG("\"%s\"", lines[i]);
		}
	}
	for (i = 0; i < self->plan.nr_plays; i++)
		EXPECT_EQ(false, self->plan.plays[i].result.played);
	copy(line, "cell\tstarve\tfair.crowd\t1\tPASS\t-\t10\t0\t-\n", sizeof(line));
	EXPECT_EQ(true, detect_read(&self->plan, line));
}

/* -- sums and text ------------------------------------------------------------------- */

static void set(struct detect_plan *plan, const char *row, const char *scenario,
		unsigned int round, enum verdict verdict, bool stated, const char *checks)
{
	struct detect_result *result = &find(plan, row, scenario, round)->result;

	*result = (struct detect_result){ .played = true, .verdict = verdict, .stated = stated };
	copy(result->checks, checks, sizeof(result->checks));
}

/* All as it should be: starve is caught by one scenario, and in the other not. */
static void play_well(struct detect_plan *plan)
{
	size_t i;

	for (i = 0; i < plan->nr_plays; i++)
		plan->plays[i].result = (struct detect_result){
			.played = true, .verdict = VERDICT_PASS,
		};
	set(plan, "starve", "crowd", 1, VERDICT_FAIL, true, "starvation");
	set(plan, "starve", "crowd", 2, VERDICT_FAIL, true, "starvation,gap");
	set(plan, "delay", "crowded", 1, VERDICT_FAIL, true, "latency");
	set(plan, "delay", "crowded", 2, VERDICT_FAIL, true, "latency");
}

static char *report(struct _test_data_plan *self)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	detect_report(&self->plan, &self->cfg, f);
	fclose(f);
	return text;
}

/* Are these the last two lines? */
static bool ends_with(const char *text, const char *lines)
{
	size_t len = strlen(text), more = strlen(lines);

	return len > more && text[len - more - 1] == '\n' && !strcmp(text + len - more, lines);
}

TEST_F(plan, all_is_well)
{
	struct detect_sum sum;
	char *text;

	ASSERT_EQ(0, make(self));
	play_well(&self->plan);
	sum = detect_sum(&self->plan);
	EXPECT_EQ(2, sum.faulty);
	EXPECT_EQ(2, sum.caught);
	EXPECT_EQ(12, sum.judged);
	EXPECT_EQ(0, sum.blamed);
	EXPECT_EQ(true, detect_sum_good(&sum));

	text = report(self);
	ASSERT_NE(NULL, text);
	EXPECT_EQ(true, ends_with(text, "caught: 2 of 2\nfalse alarms: 0 of 12\n")) {
		TH_LOG("%s", text);
	}
	EXPECT_NE(NULL, strstr(text, "   1  fair.crowd\n   2  fair.crowded\n   3  large.nodes\n"));
	EXPECT_NE(NULL, strstr(text, "\n                      1      2      3\n"
			       "starve              2/2      .    0/2\n"
			       "delay                 .    2/2      .\n"
			       "good                0/2    0/2    0/2\n"
			       "eevdf               0/2    0/2    0/2\n")) {
		TH_LOG("%s", text);
	}
	EXPECT_EQ(false, !!strstr(text, "not caught"));
	EXPECT_EQ(false, !!strstr(text, "false alarm:"));
	free(text);
}

TEST_F(plan, a_round_without_the_stated_check_is_not_caught)
{
	struct detect_sum sum;
	char *text;

	ASSERT_EQ(0, make(self));
	play_well(&self->plan);
	set(&self->plan, "delay", "crowded", 2, VERDICT_FAIL, false, "gap");
	sum = detect_sum(&self->plan);
	EXPECT_EQ(1, sum.caught);
	EXPECT_EQ(false, detect_sum_good(&sum));
	text = report(self);
	ASSERT_NE(NULL, text);
	EXPECT_NE(NULL, strstr(text, "\nnot caught by latency: delay in fair.crowded, ")) {
		TH_LOG("%s", text);
	}
	EXPECT_NE(NULL, strstr(text, "crowded, round 2 of 2: FAIL of gap\n"));
	EXPECT_NE(NULL, strstr(text, "\ndelay                 .   1/2w      .\n"));
	EXPECT_EQ(true, ends_with(text, "caught: 1 of 2\nfalse alarms: 0 of 12\n"));
	free(text);

	/* Another scenario of its class does as well. */
	set(&self->plan, "starve", "crowd", 2, VERDICT_PASS, false, "");
	set(&self->plan, "starve", "nodes", 2, VERDICT_FAIL, true, "starvation");
	sum = detect_sum(&self->plan);
	EXPECT_EQ(1, sum.caught);
	set(&self->plan, "starve", "nodes", 2, VERDICT_INCONCLUSIVE, false, "starvation");
	sum = detect_sum(&self->plan);
	EXPECT_EQ(0, sum.caught);
	EXPECT_EQ(1, sum.inconclusive);
}

TEST_F(plan, a_healthy_one_is_blamed)
{
	struct detect_sum sum;
	char *text;

	ASSERT_EQ(0, make(self));
	play_well(&self->plan);
	set(&self->plan, "eevdf", "nodes", 1, VERDICT_FAIL, false, "gap,latency");
	set(&self->plan, "good", "nodes", 1, VERDICT_INCONCLUSIVE, false, "gap");
	set(&self->plan, "good", "crowd", 1, VERDICT_SKIP, false, "");
	set(&self->plan, "good", "crowd", 2, VERDICT_SKIP, false, "");
	sum = detect_sum(&self->plan);
	EXPECT_EQ(9, sum.judged);
	EXPECT_EQ(1, sum.blamed);
	EXPECT_EQ(0, sum.unjudged);
	EXPECT_EQ(1, sum.inconclusive);
	EXPECT_EQ(2, sum.skipped);
	EXPECT_EQ(false, detect_sum_good(&sum));
	text = report(self);
	ASSERT_NE(NULL, text);
	EXPECT_NE(NULL, strstr(text, "\nfalse alarm: eevdf in large.nodes, "));
	EXPECT_NE(NULL, strstr(text, "nodes, round 1 of 2: FAIL of gap,latency\n"));
	EXPECT_NE(NULL, strstr(text, "\ngood               skip    0/2   0/2?\n")) {
		TH_LOG("%s", text);
	}
	EXPECT_NE(NULL, strstr(text, "\neevdf               0/2    0/2    1/2\n"));
	EXPECT_EQ(true, ends_with(text, "caught: 2 of 2\nfalse alarms: 1 of 9\n"));
	EXPECT_NE(NULL, strstr(text, "\nINCONCLUSIVE, which neither catches nor blames: 1 play"));
	EXPECT_EQ(false, !!strstr(text, "never judged"));
	free(text);
}

/* It was not blamed in the end, but that is to be seen. */
TEST_F(plan, failures_are_not_repeated)
{
	struct detect_sum sum;
	char *text;

	ASSERT_EQ(0, make(self));
	play_well(&self->plan);
	text = report(self);
	ASSERT_NE(NULL, text);
	EXPECT_EQ(false, !!strstr(text, "but not once more"));
	free(text);
	find(&self->plan, "eevdf", "nodes", 2)->result.unrepeated = 2;
	find(&self->plan, "delay", "crowded", 1)->result.unrepeated = 1;
	sum = detect_sum(&self->plan);
	EXPECT_EQ(3, sum.unrepeated);
	EXPECT_EQ(true, detect_sum_good(&sum));
	text = report(self);
	ASSERT_NE(NULL, text);
	EXPECT_NE(NULL, strstr(text, "\neevdf               0/2    0/2   0/2!\n")) {
		TH_LOG("%s", text);
	}
	EXPECT_NE(NULL, strstr(text, "\ndelay                 .   2/2!      .\n"));
	EXPECT_NE(NULL, strstr(text, "\nfailed, but not once more: eevdf in large.nodes, "));
	EXPECT_NE(NULL, strstr(text, "\nFAIL, but not once more: 3 times\ncaught: 2 of 2\n"));
	EXPECT_EQ(true, ends_with(text, "caught: 2 of 2\nfalse alarms: 0 of 12\n"));
	free(text);
}

/* Nobody can have blamed it: that is no praise. */
TEST_F(plan, a_healthy_one_is_never_judged)
{
	static const char * const scenarios[] = { "crowd", "crowded", "nodes" };
	struct detect_sum sum;
	char *text;
	size_t i;

	ASSERT_EQ(0, make(self));
	play_well(&self->plan);
	for (i = 0; i < ARRAY_SIZE(scenarios); i++) {
		set(&self->plan, "good", scenarios[i], 1, VERDICT_INCONCLUSIVE, false, "gap");
		set(&self->plan, "good", scenarios[i], 2, VERDICT_SKIP, false, "");
	}
	sum = detect_sum(&self->plan);
	EXPECT_EQ(6, sum.judged);
	EXPECT_EQ(0, sum.blamed);
	EXPECT_EQ(1, sum.unjudged);
	EXPECT_EQ(false, detect_sum_good(&sum));
	text = report(self);
	ASSERT_NE(NULL, text);
	EXPECT_NE(NULL, strstr(text, "\nnever judged: good, in any play\n"));
	EXPECT_EQ(true, ends_with(text, "caught: 2 of 2\nfalse alarms: 0 of 6\n"));
	free(text);

	set(&self->plan, "good", "nodes", 2, VERDICT_PASS, false, "");
	sum = detect_sum(&self->plan);
	EXPECT_EQ(7, sum.judged);
	EXPECT_EQ(0, sum.unjudged);
	EXPECT_EQ(true, detect_sum_good(&sum));
}

/* What one shard could not judge another one may have. */
TEST_F(plan, a_healthy_one_is_not_judged_in_a_shard)
{
	struct detect_sum sum;
	size_t i, healthy = 0;

	self->cfg.nr_shards = 4;
	for (self->cfg.shard = 1; self->cfg.shard <= 4; self->cfg.shard++) {
		ASSERT_EQ(0, make(self));
		for (i = 0; i < self->plan.nr_plays; i++) {
			healthy += !self->plan.rows[self->plan.plays[i].row].faulty;
			self->plan.plays[i].result = (struct detect_result){
				.played = true, .verdict = VERDICT_SKIP,
			};
		}
		sum = detect_sum(&self->plan);
		EXPECT_EQ(0, sum.judged);
		EXPECT_EQ(0, sum.unjudged);
		detect_plan_free(&self->plan);
	}
	EXPECT_EQ(12, healthy);
}

TEST_F(plan, what_was_not_played_is_not_well)
{
	struct detect_sum sum;
	char *text;

	ASSERT_EQ(0, make(self));
	play_well(&self->plan);
	find(&self->plan, "eevdf", "nodes", 2)->result.played = false;
	sum = detect_sum(&self->plan);
	EXPECT_EQ(1, sum.missing);
	EXPECT_EQ(0, sum.blamed);
	EXPECT_EQ(2, sum.caught);
	EXPECT_EQ(false, detect_sum_good(&sum));
	text = report(self);
	ASSERT_NE(NULL, text);
	EXPECT_NE(NULL, strstr(text, "\nnot played: 1 of 18 plays\n"));
	free(text);
}

/* In a scenario that is not of its class, a fault may show or not. */
TEST_F(plan, other_scenarios_do_not_count)
{
	struct detect_sum sum;

	self->cfg.full = true;
	ASSERT_EQ(0, make(self));
	play_well(&self->plan);
	set(&self->plan, "starve", "spare", 1, VERDICT_FAIL, true, "starvation");
	sum = detect_sum(&self->plan);
	EXPECT_EQ(2, sum.caught);
	EXPECT_EQ(true, detect_sum_good(&sum));
	set(&self->plan, "starve", "crowd", 1, VERDICT_PASS, false, "");
	sum = detect_sum(&self->plan);
	EXPECT_EQ(1, sum.caught);
}

/* Schedulers whose scenarios are in other shards are not missed in this one. */
TEST_F(plan, sums_of_shards_add_up)
{
	size_t faulty = 0, judged = 0;
	struct detect_sum sum;

	self->cfg.nr_shards = 3;
	for (self->cfg.shard = 1; self->cfg.shard <= 3; self->cfg.shard++) {
		ASSERT_EQ(0, make(self));
		for (size_t i = 0; i < self->plan.nr_plays; i++)
			self->plan.plays[i].result = (struct detect_result){
				.played = true,
				.verdict = VERDICT_FAIL,
				.stated = true,
			};
		sum = detect_sum(&self->plan);
		EXPECT_EQ(sum.faulty, sum.caught);
		faulty += sum.faulty;
		judged += sum.judged;
		detect_plan_free(&self->plan);
	}
	EXPECT_EQ(2, faulty);
	EXPECT_EQ(12, judged);
}

TEST_F(plan, an_outside_scheduler_that_is_to_fail)
{
	struct detect_sum sum;
	char *text;

	self->cfg.scheduler = "/bin/mine --fast";
	self->cfg.expect_fail = true;
	ASSERT_EQ(0, make(self));
	play_well(&self->plan);
	sum = detect_sum(&self->plan);
	EXPECT_EQ(3, sum.faulty);
	EXPECT_EQ(2, sum.caught);
	EXPECT_EQ(12, sum.judged);
	/* Any scenario will do, and any check. */
	set(&self->plan, "outside", "crowd", 1, VERDICT_FAIL, true, "gap");
	set(&self->plan, "outside", "nodes", 2, VERDICT_FAIL, true, "alive");
	sum = detect_sum(&self->plan);
	EXPECT_EQ(3, sum.caught);
	text = report(self);
	ASSERT_NE(NULL, text);
	EXPECT_NE(NULL, strstr(text, "\noutside is /bin/mine --fast, to FAIL.\n"));
	EXPECT_NE(NULL, strstr(text, "\noutside             1/2    0/2    1/2\n"));
	free(text);
}

TEST_HARNESS_MAIN
