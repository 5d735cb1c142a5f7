// SPDX-License-Identifier: GPL-2.0
/* The text of a matrix of schedulers and scenarios. */
#include <linux/kernel.h>
#include <string.h>

#include "detect.h"

#define COLUMNS_PER_TABLE	11
#define CELL_WIDTH		7

/* What all rounds of a scheduler in a scenario came to */
struct cell {
	unsigned int planned;
	unsigned int played;
	unsigned int skipped;
	unsigned int inconclusive;
	unsigned int failed;
	unsigned int stated;
	unsigned int unrepeated;
	bool counts;
};

static struct cell sum_cell(const struct detect_plan *plan, size_t row, size_t column)
{
	const struct detect_play *play;
	struct cell cell = {};

	for (play = plan->plays; play < plan->plays + plan->nr_plays; play++) {
		if (play->row != row || play->column != column)
			continue;
		cell.planned++;
		cell.counts = detect_counts(plan, play);
		if (!play->result.played)
			continue;
		cell.played++;
		cell.skipped += play->result.verdict == VERDICT_SKIP;
		cell.inconclusive += play->result.verdict == VERDICT_INCONCLUSIVE;
		cell.failed += play->result.verdict == VERDICT_FAIL;
		cell.stated += play->result.stated;
		cell.unrepeated += play->result.unrepeated;
	}
	return cell;
}

/* Was the faulty scheduler found wrong in this round, and do we know? */
static bool caught_in_round(const struct detect_plan *plan, size_t row, unsigned int round)
{
	const struct detect_play *play;

	for (play = plan->plays; play < plan->plays + plan->nr_plays; play++)
		if (play->row == row && play->round == round && detect_counts(plan, play) &&
		    play->result.played && play->result.stated)
			return true;
	return false;
}

/* Are plays of this plan to find that it is wrong? Another shard may have them. */
static bool is_to_be_caught(const struct detect_plan *plan, size_t row)
{
	const struct detect_play *play;

	for (play = plan->plays; play < plan->plays + plan->nr_plays; play++)
		if (play->row == row && detect_counts(plan, play))
			return true;
	return false;
}

static bool is_caught(const struct detect_plan *plan, size_t row)
{
	unsigned int round;

	for (round = 1; round <= plan->rounds; round++)
		if (!caught_in_round(plan, row, round))
			return false;
	return true;
}

static bool is_judged(const struct detect_play *play)
{
	return play->result.played && (play->result.verdict == VERDICT_PASS ||
				       play->result.verdict == VERDICT_FAIL);
}

/*
 * Was none of a healthy scheduler's plays judged? If other shards have plays of it,
 * that is for the report of all to say.
 */
static bool is_unjudged(const struct detect_plan *plan, size_t row)
{
	const struct detect_play *play;
	size_t nr = 0;

	if (plan->rows[row].faulty)
		return false;
	for (play = plan->plays; play < plan->plays + plan->nr_plays; play++) {
		if (play->row != row)
			continue;
		if (is_judged(play))
			return false;
		nr++;
	}
	return nr && nr == plan->nr_columns * plan->rounds;
}

struct detect_sum detect_sum(const struct detect_plan *plan)
{
	const struct detect_play *play;
	struct detect_sum sum = {};
	size_t row;

	for (row = 0; row < plan->nr_rows; row++) {
		sum.unjudged += is_unjudged(plan, row);
		if (!is_to_be_caught(plan, row))
			continue;
		sum.faulty++;
		sum.caught += is_caught(plan, row);
	}
	for (play = plan->plays; play < plan->plays + plan->nr_plays; play++) {
		if (!play->result.played) {
			sum.missing++;
			continue;
		}
		sum.skipped += play->result.verdict == VERDICT_SKIP;
		sum.inconclusive += play->result.verdict == VERDICT_INCONCLUSIVE;
		sum.unrepeated += play->result.unrepeated;
		if (plan->rows[play->row].faulty || !is_judged(play))
			continue;
		sum.judged++;
		sum.blamed += play->result.verdict == VERDICT_FAIL;
	}
	return sum;
}

bool detect_sum_good(const struct detect_sum *sum)
{
	return !sum->missing && !sum->blamed && !sum->unjudged && sum->caught == sum->faulty;
}

/* -- the matrix ------------------------------------------------------------------ */

static void format_cell(const struct cell *cell, char *buf, size_t size)
{
	char text[32];

	if (!cell->played)
		snprintf(text, sizeof(text), "%s", cell->planned ? "-" : ".");
	else if (cell->skipped == cell->played)
		snprintf(text, sizeof(text), "skip");
	else
		snprintf(text, sizeof(text), "%u/%u%s%s%s",
			 cell->counts ? cell->stated : cell->failed, cell->played,
			 cell->counts && cell->failed > cell->stated ? "w" : "",
			 cell->inconclusive ? "?" : "", cell->unrepeated ? "!" : "");
	snprintf(buf, size, "%s", text);
}

static void print_table(const struct detect_plan *plan, size_t from, size_t to, FILE *f)
{
	struct cell cell;
	size_t row, column;
	char text[32];

	fprintf(f, "\n%-16s", "");
	for (column = from; column < to; column++)
		fprintf(f, "%*zu", CELL_WIDTH, column + 1);
	fputc('\n', f);
	for (row = 0; row < plan->nr_rows; row++) {
		fprintf(f, "%-16s", plan->rows[row].name);
		for (column = from; column < to; column++) {
			cell = sum_cell(plan, row, column);
			format_cell(&cell, text, sizeof(text));
			fprintf(f, "%*s", CELL_WIDTH, text);
		}
		fputc('\n', f);
	}
}

static const char legend[] =
"\nA cell of a faulty scheduler: plays that found it wrong for the stated reason, of\n"
"those that were played; of another, or in a scenario that is not of its class: plays\n"
"that were a FAIL. \"w\": some failed for another reason; \"?\": some stayed\n"
"INCONCLUSIVE to the last; \"!\": some failed, but not when they were played once more;\n"
"\".\": not to be played; \"-\": to be played, but was not.\n";

static void print_scenarios(const struct detect_plan *plan, FILE *f)
{
	const struct scenario *sc;
	size_t i;

	fprintf(f, "Scenarios:\n");
	for (i = 0; i < plan->nr_columns; i++) {
		sc = plan->columns[i].sc;
		fprintf(f, "%4zu  %s.%s\n", i + 1, sc->suite, sc->name);
	}
}

static void print_outside(const struct detect_plan *plan, const struct detect_config *cfg, FILE *f)
{
	const char *expect = cfg->expect_fail ? "FAIL" : "PASS";

	if (detect_row(plan, "outside"))
		fprintf(f, "outside is %s, to %s.\n", cfg->scheduler, expect);
	if (detect_row(plan, "outside_kernel"))
		fprintf(f, "outside_kernel is EEVDF in %s%s%s, to %s.\n",
			cfg->kernel ?: "the usual kernel", cfg->cmdline ? " with " : "",
			cfg->cmdline ?: "", expect);
}

/* -- what is not as it should be --------------------------------------------------- */

static void print_play(const struct detect_plan *plan, const struct detect_play *play,
		       const char *what, FILE *f)
{
	const struct scenario *sc = plan->columns[play->column].sc;
	const struct detect_result *result = &play->result;

	fprintf(f, "%s: %s in %s.%s, round %u of %u: %s%s%s\n", what,
		plan->rows[play->row].name, sc->suite, sc->name, play->round, plan->rounds,
		verdict_name(result->verdict), *result->checks ? " of " : "", result->checks);
}

static void print_not_caught(const struct detect_plan *plan, size_t row, FILE *f)
{
	const char *check = plan->rows[row].check;
	const struct detect_play *play;
	char what[64];

	snprintf(what, sizeof(what), "not caught%s%s", check ? " by " : "", check ?: "");
	for (play = plan->plays; play < plan->plays + plan->nr_plays; play++)
		if (play->row == row && play->result.played && detect_counts(plan, play) &&
		    !caught_in_round(plan, row, play->round))
			print_play(plan, play, what, f);
}

static void print_blamed(const struct detect_plan *plan, FILE *f)
{
	const struct detect_play *play;

	for (play = plan->plays; play < plan->plays + plan->nr_plays; play++)
		if (!plan->rows[play->row].faulty && play->result.played &&
		    play->result.verdict == VERDICT_FAIL)
			print_play(plan, play, "false alarm", f);
}

static void print_unrepeated(const struct detect_plan *plan, FILE *f)
{
	const struct detect_play *play;

	for (play = plan->plays; play < plan->plays + plan->nr_plays; play++)
		if (play->result.played && play->result.unrepeated)
			print_play(plan, play, "failed, but not once more", f);
}

void detect_report(const struct detect_plan *plan, const struct detect_config *cfg, FILE *f)
{
	const struct detect_sum sum = detect_sum(plan);
	size_t i;

	print_scenarios(plan, f);
	for (i = 0; i < plan->nr_columns; i += COLUMNS_PER_TABLE)
		print_table(plan, i, min(i + COLUMNS_PER_TABLE, plan->nr_columns), f);
	fputs(legend, f);
	print_outside(plan, cfg, f);
	fputc('\n', f);

	for (i = 0; i < plan->nr_rows; i++)
		if (is_to_be_caught(plan, i) && !is_caught(plan, i))
			print_not_caught(plan, i, f);
	print_blamed(plan, f);
	print_unrepeated(plan, f);
	for (i = 0; i < plan->nr_rows; i++)
		if (is_unjudged(plan, i))
			fprintf(f, "never judged: %s, in any play\n", plan->rows[i].name);
	if (sum.missing)
		fprintf(f, "not played: %zu of %zu plays\n", sum.missing, plan->nr_plays);
	if (sum.inconclusive)
		fprintf(f, "INCONCLUSIVE, which neither catches nor blames: %zu plays\n",
			sum.inconclusive);
	if (sum.skipped)
		fprintf(f, "SKIP: %zu plays\n", sum.skipped);
	if (sum.unrepeated)
		fprintf(f, "FAIL, but not once more: %zu times\n", sum.unrepeated);
	fprintf(f, "caught: %zu of %zu\n", sum.caught, sum.faulty);
	fprintf(f, "false alarms: %zu of %zu\n", sum.blamed, sum.judged);
}
