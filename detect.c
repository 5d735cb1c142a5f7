// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/kernel.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "detect.h"
#include "env.h"
#include "load.h"
#include "session.h"
#include "words.h"

#define DEFAULT_ROUNDS	5
#define MAX_ROUNDS	1000
#define MAX_SHARDS	1000

#define RESULT_MARK	"cell"
#define MAX_PLAY_MS	(24U * 60 * 60 * 1000)

/*
 * What a scheduler's play takes with these CPUs until it is known, besides the workers'
 * time, in a guest that is kept
 */
#define TYPICAL_TOPOLOGY	"1n2l2c1t"
#define TYPICAL_CPUS		4
#define PLAY_MS			1000
#define EMULATED_PLAY_MS	2500

/* The part of a play's time that does not depend on how many CPUs there are, in CPUs */
#define COST_FIXED		4

/*
 * How much plays differ beside that, as measured on the emulated host: EEVDF need not be
 * loaded; what is to fail has guests of its own, mostly two, and may wait for its workers.
 */
#define FACTOR_EEVDF		3
#define FACTOR_LOADED		5
#define FACTOR_TO_FAIL		20

/* -- what is asked for --------------------------------------------------------- */

/* Digits, and nothing else. Returns the number, or 0 if that is not within 1 to @most. */
static unsigned int number(const char *text, size_t len, unsigned int most)
{
	unsigned int value = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' || value > most)
			return 0;
		value = value * 10 + text[i] - '0';
	}
	return value <= most ? value : 0;
}

static bool read_shard(struct detect_config *cfg, const char *text)
{
	const char *slash = strchr(text, '/');

	if (!slash)
		return false;
	cfg->shard = number(text, slash - text, MAX_SHARDS);
	cfg->nr_shards = number(slash + 1, strlen(slash + 1), MAX_SHARDS);
	return cfg->shard && cfg->shard <= cfg->nr_shards;
}

int detect_config(struct detect_config *cfg, struct errmsg *err)
{
	const char *full = env_get("KTSTR_FULL"), *rounds = env_get("KTSTR_ROUNDS");
	const char *shard = env_get("KTSTR_SHARD"), *expect = env_get("KTSTR_EXPECT");

	*cfg = (struct detect_config){
		.rounds = DEFAULT_ROUNDS,
		.shard = 1,
		.nr_shards = 1,
		.scheduler = env_get(ENV_SCHEDULER),
		.kernel = env_get(ENV_KERNEL),
		.cmdline = env_get(ENV_CMDLINE),
	};
	if (full && strcmp(full, "0") && strcmp(full, "1"))
		return errmsg_set(err, ERRMSG_INPUT, 0, "KTSTR_FULL=%s: must be 0 or 1", full);
	cfg->full = full && !strcmp(full, "1");
	if (rounds)
		cfg->rounds = number(rounds, strlen(rounds), MAX_ROUNDS);
	if (!cfg->rounds)
		return errmsg_set(err, ERRMSG_INPUT, 0, "KTSTR_ROUNDS=%s: must be 1 to %d", rounds,
				  MAX_ROUNDS);
	if (shard && !read_shard(cfg, shard))
		return errmsg_set(err, ERRMSG_INPUT, 0,
				  "KTSTR_SHARD=%s: must be as 2/3, for the second of three (at most %d)",
				  shard, MAX_SHARDS);
	if (expect && strcmp(expect, "pass") && strcmp(expect, "fail"))
		return errmsg_set(err, ERRMSG_INPUT, 0, "KTSTR_EXPECT=%s: must be pass or fail",
				  expect);
	if (expect && !cfg->scheduler && !cfg->kernel && !cfg->cmdline)
		return errmsg_set(err, ERRMSG_INPUT, 0,
				  "KTSTR_EXPECT=%s: of what? Set %s, %s or %s, too", expect,
				  ENV_SCHEDULER, ENV_KERNEL, ENV_CMDLINE);
	cfg->expect_fail = expect && !strcmp(expect, "fail");
	return 0;
}

/* -- rows and columns ---------------------------------------------------------- */

static struct detect_row *add_row(struct detect_plan *plan, const char *name)
{
	struct detect_row *row = &plan->rows[plan->nr_rows++];

	snprintf(row->name, sizeof(row->name), "%s", name);
	return row;
}

static void add_own_row(struct detect_plan *plan, const struct detect_config *cfg,
			const struct fixture_sched *sched)
{
	bool faulty = sched->fault != KTSTR_FAULT_NONE;
	struct detect_row *row;

	if (cfg->field && !sched->field)
		return;
	row = add_row(plan, sched->name);
	snprintf(row->own_command, sizeof(row->own_command), "scx_ktstr --%s %s",
		 faulty ? "fault" : "policy", sched->name);
	row->command = row->own_command;
	row->faulty = faulty;
	row->check = sched->check;
	if (sched->scenarios) {
		snprintf(row->own_scenarios, sizeof(row->own_scenarios), "%.*s",
			 (int)strcspn(sched->scenarios, cfg->field ? " " : ""), sched->scenarios);
		row->scenarios = row->own_scenarios;
	}
	row->min_llcs = sched->min_llcs;
	row->min_nodes = sched->min_nodes;
}

static int make_rows(struct detect_plan *plan, const struct detect_config *cfg,
		     const struct detect_tables *tables, struct errmsg *err)
{
	const struct scheduler *tree;
	struct detect_row *row;
	size_t i, nr = 2;

	for (tree = tables->tree; tree->name; tree++)
		nr++;
	plan->rows = calloc(tables->nr_scheds + nr, sizeof(*plan->rows));
	if (!plan->rows)
		return errmsg_set(err, ERRMSG_FAILED, ENOMEM, "schedulers");

	for (i = 0; i < tables->nr_scheds; i++)
		if (tables->scheds[i].fault != KTSTR_FAULT_NONE)
			add_own_row(plan, cfg, &tables->scheds[i]);
	for (i = 0; i < tables->nr_scheds; i++)
		if (tables->scheds[i].fault == KTSTR_FAULT_NONE)
			add_own_row(plan, cfg, &tables->scheds[i]);
	if (cfg->field)
		return 0;
	for (tree = tables->tree; tree->name; tree++)
		if (cfg->full || !tree->command)
			add_row(plan, tree->name)->command = tree->command;
	if (cfg->scheduler) {
		row = add_row(plan, "outside");
		row->command = cfg->scheduler;
		row->faulty = cfg->expect_fail;
	}
	if (cfg->kernel || cfg->cmdline) {
		row = add_row(plan, "outside_kernel");
		row->faulty = cfg->expect_fail;
		row->other_kernel = true;
	}
	return 0;
}

static bool is_of_class(const struct detect_row *row, const struct scenario *sc)
{
	return row->faulty && (!row->scenarios || catalogue_is_listed(row->scenarios, sc));
}

static bool is_of_any_class(const struct detect_plan *plan, const struct scenario *sc)
{
	size_t i;

	for (i = 0; i < plan->nr_rows; i++)
		if (plan->rows[i].scenarios && catalogue_is_listed(plan->rows[i].scenarios, sc))
			return true;
	return false;
}

static int make_columns(struct detect_plan *plan, const struct detect_config *cfg,
			const struct detect_tables *tables, struct errmsg *err)
{
	const struct scenario *sc;
	size_t i, j, nr = 0;

	for (i = 0; i < tables->nr_suites; i++)
		nr += tables->suites[i]->nr;
	plan->columns = calloc(nr + 1, sizeof(*plan->columns));
	if (!plan->columns)
		return errmsg_set(err, ERRMSG_FAILED, ENOMEM, "scenarios");

	for (i = 0; i < tables->nr_suites; i++) {
		for (j = 0; j < tables->suites[i]->nr; j++) {
			sc = &tables->suites[i]->scenarios[j];
			if (!cfg->full && !is_of_any_class(plan, sc))
				continue;
			plan->columns[plan->nr_columns++] = (struct detect_column){
				.suite = tables->suites[i],
				.sc = sc,
			};
		}
	}
	return 0;
}

/* That the catalogue has all of the scenarios that a scheduler names */
static int check_class(const struct detect_plan *plan, const struct detect_row *row,
		       struct errmsg *err)
{
	const char *list = row->scenarios;
	size_t i, len, listed = 0, found = 0;

	if (!list)
		return 0;
	for (; *list; list += len + !!list[len]) {
		len = strcspn(list, " ");
		listed += !!len;
	}
	for (i = 0; i < plan->nr_columns; i++)
		found += catalogue_is_listed(row->scenarios, plan->columns[i].sc);
	if (listed && listed == found)
		return 0;
	return errmsg_set(err, ERRMSG_INPUT, ENOENT,
			  "scheduler %s is to be found by \"%s\", of which there are %zu scenarios",
			  row->name, row->scenarios, found);
}

/* -- plays --------------------------------------------------------------------- */

static int choose_topology(const struct detect_row *row, const struct scenario *sc,
			   const char **topology, struct errmsg *err)
{
	struct topology topo;
	int ret;

	*topology = catalogue_topology(sc, row->min_llcs, row->min_nodes);
	ret = topology_parse(*topology, &topo, err) ?: scenario_check(sc, &topo, err);
	if (ret) {
		errmsg_prefix(err, "scheduler %s in %s.%s", row->name, sc->suite, sc->name);
		return ret;
	}
	if (topo.llcs >= row->min_llcs && topo.nodes >= row->min_nodes)
		return 0;
	return errmsg_set(err, ERRMSG_INPUT, ERANGE,
			  "%s.%s: scheduler %s needs %u LLCs in %u nodes, and has %s", sc->suite,
			  sc->name, row->name, row->min_llcs, row->min_nodes, *topology);
}

static int add_plays(struct detect_plan *plan, u16 row, u16 column, struct errmsg *err)
{
	struct detect_play play = { .row = row, .column = column };
	int ret;

	ret = choose_topology(&plan->rows[row], plan->columns[column].sc, &play.topology, err);
	if (ret)
		return ret;
	for (play.round = 1; play.round <= plan->rounds; play.round++)
		plan->plays[plan->nr_plays++] = play;
	return 0;
}

static int make_plays(struct detect_plan *plan, const struct detect_config *cfg,
		      struct errmsg *err)
{
	const struct detect_row *row;
	u16 i, j;
	int ret = 0;

	plan->rounds = cfg->rounds;
	plan->plays = calloc(plan->nr_rows * plan->nr_columns * plan->rounds + 1,
			     sizeof(*plan->plays));
	if (!plan->plays)
		return errmsg_set(err, ERRMSG_FAILED, ENOMEM, "plays");
	for (i = 0; i < plan->nr_rows && !ret; i++) {
		row = &plan->rows[i];
		for (j = 0; j < plan->nr_columns && !ret; j++)
			if (cfg->full || !row->faulty || is_of_class(row, plan->columns[j].sc))
				ret = add_plays(plan, i, j, err);
	}
	return ret;
}

/*
 * By what costs time to change: kernel and topology, then programs to take along. In each
 * round, those that are to fail come last, as they leave no guest for the next.
 */
static int compare_plays(const void *a, const void *b, void *ctx)
{
	const struct detect_play *pa = a, *pb = b;
	const struct detect_plan *plan = ctx;
	const struct detect_row *ra = &plan->rows[pa->row], *rb = &plan->rows[pb->row];
	const char *ca = ra->command ?: "", *cb = rb->command ?: "";
	size_t la = strcspn(ca, " "), lb = strcspn(cb, " ");

	return ra->other_kernel - rb->other_kernel ?:
	       strcmp(pa->topology, pb->topology) ?:
	       strncmp(ca, cb, min(la, lb)) ?: (int)la - (int)lb ?:
	       pa->round - pb->round ?:
	       detect_counts(plan, pa) - detect_counts(plan, pb) ?:
	       pa->column - pb->column ?:
	       pa->row - pb->row;
}

static unsigned int factor(const struct detect_plan *plan, const struct detect_play *play)
{
	if (detect_counts(plan, play))
		return FACTOR_TO_FAIL;
	return plan->rows[play->row].command ? FACTOR_LOADED : FACTOR_EEVDF;
}

static unsigned int cost(const struct detect_plan *plan, const struct detect_play *play)
{
	struct topology topo = {};
	struct errmsg err;

	topology_parse(play->topology, &topo, &err);
	return (COST_FIXED + topology_cpus(&topo)) * factor(plan, play);
}

/*
 * What has to be in one shard: a scheduler's plays in one scenario, and in all
 * that decide whether it is caught. A number below nr_rows * (nr_columns + 1).
 */
static size_t unit_of(const struct detect_plan *plan, const struct detect_play *play)
{
	size_t column = detect_counts(plan, play) ? plan->nr_columns : play->column;

	return play->row * (plan->nr_columns + 1) + column;
}

static unsigned int least_loaded(const unsigned int *loads, unsigned int nr)
{
	unsigned int i, least = 0;

	for (i = 1; i < nr; i++)
		if (loads[i] < loads[least])
			least = i;
	return least;
}

/* Deal the units in their order, each to the shard that has least so far. */
static int keep_shard(struct detect_plan *plan, unsigned int shard, unsigned int nr_shards,
		      struct errmsg *err)
{
	size_t nr_units = plan->nr_rows * (plan->nr_columns + 1), i, unit, nr = 0;
	unsigned int *costs = calloc(nr_units, sizeof(*costs));
	unsigned int loads[MAX_SHARDS] = {}, to;
	bool *mine = calloc(nr_units, sizeof(*mine));
	int ret = 0;

	if (!costs || !mine) {
		ret = errmsg_set(err, ERRMSG_FAILED, ENOMEM, "shards");
		goto out;
	}
	for (i = 0; i < plan->nr_plays; i++)
		costs[unit_of(plan, &plan->plays[i])] += cost(plan, &plan->plays[i]);
	for (unit = 0; unit < nr_units; unit++) {
		if (!costs[unit])
			continue;
		to = least_loaded(loads, nr_shards);
		loads[to] += costs[unit];
		mine[unit] = to == shard - 1;
	}
	for (i = 0; i < plan->nr_plays; i++)
		if (mine[unit_of(plan, &plan->plays[i])])
			plan->plays[nr++] = plan->plays[i];
	plan->nr_plays = nr;
out:
	free(costs);
	free(mine);
	return ret;
}

int detect_plan(struct detect_plan *plan, const struct detect_config *cfg,
		const struct detect_tables *tables, struct errmsg *err)
{
	size_t i;
	int ret;

	*plan = (struct detect_plan){};
	ret = make_rows(plan, cfg, tables, err) ?: make_columns(plan, cfg, tables, err);
	for (i = 0; i < plan->nr_rows && !ret; i++)
		ret = check_class(plan, &plan->rows[i], err);
	if (!ret)
		ret = make_plays(plan, cfg, err);
	if (!ret)
		ret = keep_shard(plan, cfg->shard, cfg->nr_shards, err);
	if (ret) {
		detect_plan_free(plan);
		return ret;
	}
	qsort_r(plan->plays, plan->nr_plays, sizeof(*plan->plays), compare_plays, plan);
	return 0;
}

/* Neighbours stay together, as they share guests. */
void detect_plan_left(struct detect_plan *plan, unsigned int part, unsigned int nr_parts)
{
	u64 all = 0, before = 0;
	size_t i, nr = 0;

	for (i = 0; i < plan->nr_plays; i++) {
		if (plan->plays[i].result.played)
			continue;
		all += cost(plan, &plan->plays[i]);
		plan->plays[nr++] = plan->plays[i];
	}
	plan->nr_plays = nr;
	for (i = 0, nr = 0; i < plan->nr_plays; i++) {
		if (before * nr_parts / all == part - 1)
			plan->plays[nr++] = plan->plays[i];
		before += cost(plan, &plan->plays[i]);
	}
	plan->nr_plays = nr;
}

void detect_plan_free(struct detect_plan *plan)
{
	free(plan->rows);
	free(plan->columns);
	free(plan->plays);
	*plan = (struct detect_plan){};
}

const struct detect_row *detect_row(const struct detect_plan *plan, const char *name)
{
	size_t i;

	for (i = 0; i < plan->nr_rows; i++)
		if (!strcmp(plan->rows[i].name, name))
			return &plan->rows[i];
	return NULL;
}

bool detect_counts(const struct detect_plan *plan, const struct detect_play *play)
{
	return is_of_class(&plan->rows[play->row], plan->columns[play->column].sc);
}

/* A KTSTR_DURATION that is wrong is told by the plays. */
static u64 typical_ms(bool emulated)
{
	u64 duration_ns = 0;
	struct topology topo;
	struct errmsg unused;

	if (!topology_parse(TYPICAL_TOPOLOGY, &topo, &unused))
		load_duration(&topo, &duration_ns, &unused);
	return (emulated ? EMULATED_PLAY_MS : PLAY_MS) + duration_ns / NSEC_PER_MSEC;
}

unsigned int detect_seconds(const struct detect_plan *plan, bool emulated, bool left)
{
	u64 costs = 0, played_ms = 0, played_costs = 0;
	const struct detect_play *play;

	for (play = plan->plays; play < plan->plays + plan->nr_plays; play++) {
		if (play->result.played) {
			played_ms += play->result.ms;
			played_costs += cost(plan, play);
		}
		if (!left || !play->result.played)
			costs += cost(plan, play);
	}
	if (!played_costs) {
		played_ms = typical_ms(emulated);
		played_costs = (COST_FIXED + TYPICAL_CPUS) * FACTOR_LOADED;
	}
	return costs * played_ms / played_costs / 1000;
}

/* -- playing and judging ------------------------------------------------------- */

/* "gap,latency": each check once; what has no room is left out */
static void add_check(struct detect_result *result, const char *check)
{
	size_t len = strlen(result->checks);

	if (!words_have(result->checks, check, ',') &&
	    len + 1 + strlen(check) < sizeof(result->checks))
		snprintf(result->checks + len, sizeof(result->checks) - len, "%s%s",
			 len ? "," : "", check);
}

/* Does a FAIL of this check say that the one in question is wrong? */
static bool is_catch(const struct detect_row *row, const char *check)
{
	if (!row->faulty)
		return false;
	if (row->check)
		return !strcmp(row->check, check);
	/* Whatever kernel it is that does not get through a play, that is its fault. */
	if (!strcmp(check, "guest"))
		return row->other_kernel;
	/* Of a scheduler that has never run, nothing was seen. */
	return strcmp(check, "load") && strcmp(check, "scenario");
}

/* Could the check that is to decide not decide, whatever others have found? */
static bool is_undecided(const struct detect_row *row, const struct findings *findings)
{
	const struct finding *finding;

	finding = row->check ? check_find(findings, row->check, NULL) : NULL;
	return finding && finding->verdict == VERDICT_INCONCLUSIVE;
}

void detect_judge(const struct detect_row *row, enum verdict verdict,
		  const struct findings *findings, struct detect_result *result)
{
	const struct finding *finding;

	if (verdict == VERDICT_FAIL && is_undecided(row, findings))
		verdict = VERDICT_INCONCLUSIVE;
	result->played = true;
	result->verdict = verdict;
	result->stated = false;
	result->checks[0] = '\0';
	if (verdict != VERDICT_FAIL && verdict != VERDICT_INCONCLUSIVE)
		return;
	for (finding = findings->list; finding < findings->list + findings->nr; finding++) {
		if (finding->verdict != verdict)
			continue;
		add_check(result, finding->check);
		if (verdict == VERDICT_FAIL && is_catch(row, finding->check))
			result->stated = true;
	}
}

int detect_play(const struct detect_plan *plan, struct detect_play *play,
		enum verdict (*play_fn)(struct stage *stage, const struct play *what,
					struct findings *findings),
		struct stage *stage, const char *rerun)
{
	const struct detect_column *column = &plan->columns[play->column];
	const struct detect_row *row = &plan->rows[play->row];
	const struct play what = {
		.suite = column->suite,
		.sc = column->sc,
		.topology = play->topology,
		.scheduler = row->command,
		.rerun = rerun,
	};
	struct findings *findings = calloc(1, sizeof(*findings));
	u64 start = clock_ns();
	unsigned int tries;

	if (!findings)
		return -ENOMEM;
	for (tries = 0; tries < DETECT_MAX_TRIES; tries++) {
		memset(findings, 0, sizeof(*findings));
		detect_judge(row, play_fn(stage, &what, findings), findings, &play->result);
		play->result.unrepeated += findings->unrepeated;
		if (play->result.verdict != VERDICT_INCONCLUSIVE)
			break;
	}
	play->result.ms += (clock_ns() - start) / NSEC_PER_MSEC;
	free(findings);
	return 0;
}

/* -- lines of results ---------------------------------------------------------- */

void detect_write(const struct detect_plan *plan, const struct detect_play *play, FILE *f)
{
	const struct scenario *sc = plan->columns[play->column].sc;
	const struct detect_result *result = &play->result;

	fprintf(f, RESULT_MARK "\t%s\t%s.%s\t%u\t%s\t%s\t%u\t%u\t%s\n",
		plan->rows[play->row].name, sc->suite, sc->name, play->round,
		verdict_name(result->verdict), result->stated ? "stated" : "-", result->ms,
		result->unrepeated, *result->checks ? result->checks : "-");
}

static struct detect_play *find_play(struct detect_plan *plan, const char *row,
				     const char *scenario, unsigned int round)
{
	struct detect_play *play;

	for (play = plan->plays; play < plan->plays + plan->nr_plays; play++) {
		if (play->round == round && !strcmp(plan->rows[play->row].name, row) &&
		    catalogue_is_listed(scenario, plan->columns[play->column].sc))
			return play;
	}
	return NULL;
}

static bool read_verdict(const char *name, enum verdict *verdict)
{
	for (*verdict = VERDICT_SKIP; *verdict <= VERDICT_FAIL; ++*verdict)
		if (!strcmp(verdict_name(*verdict), name))
			return true;
	return false;
}

bool detect_read(struct detect_plan *plan, char *line)
{
	enum { MARK, ROW, SCENARIO, ROUND, VERDICT, STATED, MS, UNREPEATED, CHECKS,
	       NR_FIELDS };
	char *field[NR_FIELDS], *rest = line, *end;
	struct detect_result result = { .played = true };
	struct detect_play *play;
	size_t i;

	end = strchr(line, '\n');
	if (!end)
		return false;
	*end = '\0';
	for (i = 0; i < NR_FIELDS; i++) {
		field[i] = strsep(&rest, "\t");
		if (!field[i])
			return false;
	}
	if (rest || strcmp(field[MARK], RESULT_MARK) ||
	    !read_verdict(field[VERDICT], &result.verdict))
		return false;
	play = find_play(plan, field[ROW], field[SCENARIO],
			 number(field[ROUND], strlen(field[ROUND]), MAX_ROUNDS));
	if (!play)
		return false;
	result.stated = !strcmp(field[STATED], "stated");
	result.ms = number(field[MS], strlen(field[MS]), MAX_PLAY_MS);
	result.unrepeated = number(field[UNREPEATED], strlen(field[UNREPEATED]),
				   DETECT_MAX_CALLS * DETECT_MAX_TRIES);
	if (strcmp(field[CHECKS], "-"))
		snprintf(result.checks, sizeof(result.checks), "%s", field[CHECKS]);
	play->result = result;
	return true;
}
