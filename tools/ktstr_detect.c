// SPDX-License-Identifier: GPL-2.0
/*
 * ktstr_detect: play schedulers in scenarios, for tools/detect.sh, which is what
 * "make detect" runs. The environment says what to play (detect.h).
 *
 *	ktstr_detect files		what decides the results: paths, one in each line
 *	ktstr_detect plan DONE		one line: plays in all, plays that are left,
 *					parts to play at once, seconds in all, seconds left
 *	ktstr_detect play DONE I/N	play part I of N of what is left
 *	ktstr_detect report DONE	the matrix; status 1 if it is not as it should be
 *	ktstr_detect check		KTAP: is a fault of each class that is seen in the
 *					field caught? Whatever else the environment asks for
 *
 * DONE is a file with lines that "play" has printed, which may be among others; "-"
 * is none. Exit status: 2 for wrong arguments, 4 (KSFT_SKIP) if this host cannot run
 * guests, 1 for what else fails.
 */
#include <errno.h>
#include <limits.h>
#include <linux/kernel.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kselftest.h"

#include "detect.h"
#include "emulated.h"
#include "host.h"
#include "own_path.h"
#include "rerun.h"

#define STATUS_USAGE	2
#define STATUS_SKIP	4
#define MAX_PARTS	1000

/**
 * struct detect - one call of this program
 * @cfg: what is asked for
 * @usual_kernel: KTSTR_KERNEL for all rows that are not about a kernel; or NULL
 * @plan: what follows from it
 * @stage: where it is played
 */
struct detect {
	struct detect_config cfg;
	const char *usual_kernel;
	struct detect_plan plan;
	struct stage stage;
};

static int tell(const struct errmsg *err)
{
	fprintf(stderr, "ktstr_detect: %s\n", err->text);
	if (err->kind == ERRMSG_HOST)
		return STATUS_SKIP;
	return err->kind == ERRMSG_INPUT ? STATUS_USAGE : EXIT_FAILURE;
}

/* -- what decides the results ------------------------------------------------------ */

static int check_kernel(const char *path, struct errmsg *err)
{
	struct stat st;

	if (stat(path, &st))
		return errmsg_set(err, ERRMSG_INPUT, errno, "%s=%s", ENV_KERNEL, path);
	if (!S_ISREG(st.st_mode) || access(path, R_OK))
		return errmsg_set(err, ERRMSG_INPUT, 0, "%s=%s: must be a file that can be read",
				  ENV_KERNEL, path);
	return 0;
}

/* What a user has named is to be there before anything is played. */
static int check_files(const struct detect_config *cfg, struct errmsg *err)
{
	char path[PATH_MAX];
	int ret = 0;

	if (cfg->scheduler)
		ret = session_find_scheduler(cfg->scheduler, path, err);
	if (!ret && cfg->kernel)
		ret = check_kernel(cfg->kernel, err);
	return ret ?: session_kernel(path, err);
}

static void print_file(const char *path)
{
	if (!access(path, R_OK))
		printf("%s\n", path);
}

static int list_files(const struct detect *d)
{
	char path[PATH_MAX];
	struct errmsg err;
	size_t i;

	if (!own_path(path, &err))
		print_file(path);
	if (!own_path_beside(path, "ktstr_agent", &err))
		print_file(path);
	if (!session_kernel(path, &err))
		print_file(path);
	if (d->cfg.kernel)
		print_file(d->cfg.kernel);
	for (i = 0; i < d->plan.nr_rows; i++) {
		if (d->plan.rows[i].command &&
		    !session_find_scheduler(d->plan.rows[i].command, path, &err))
			print_file(path);
	}
	return EXIT_SUCCESS;
}

/* -- what is known of plays before -------------------------------------------------- */

static int read_done(struct detect *d, const char *path)
{
	struct errmsg err;
	char *line = NULL;
	size_t size = 0;
	FILE *f;

	if (!strcmp(path, "-"))
		return 0;
	f = fopen(path, "re");
	if (!f) {
		errmsg_set(&err, ERRMSG_INPUT, errno, "%s", path);
		return tell(&err);
	}
	while (getline(&line, &size, f) > 0)
		detect_read(&d->plan, line);
	free(line);
	fclose(f);
	return 0;
}

static size_t nr_left(const struct detect_plan *plan)
{
	size_t i, nr = 0;

	for (i = 0; i < plan->nr_plays; i++)
		nr += !plan->plays[i].result.played;
	return nr;
}

/* An emulated host has one CPU; guests that run for real need all there are. */
static int print_plan(const struct detect *d)
{
	unsigned int parts = 1;
	struct errmsg err;
	cpu_set_t cpus;
	int kind;

	kind = host_classify(HOST_KVM, &err);
	if (kind < 0)
		return tell(&err);
	if (kind == HOST_EMULATE && !sched_getaffinity(0, sizeof(cpus), &cpus))
		parts = CPU_COUNT(&cpus);
	printf("%zu %zu %u %u %u\n", d->plan.nr_plays, nr_left(&d->plan), parts,
	       detect_seconds(&d->plan, kind == HOST_EMULATE, false) / parts,
	       detect_seconds(&d->plan, kind == HOST_EMULATE, true) / parts);
	return EXIT_SUCCESS;
}

static int report(const struct detect *d)
{
	struct detect_sum sum = detect_sum(&d->plan);

	detect_report(&d->plan, &d->cfg, stdout);
	return detect_sum_good(&sum) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* -- playing -------------------------------------------------------------------------- */

static void set_or_unset(const char *name, const char *value)
{
	if (value)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

/* The variables that say which kernel are for one row only. */
static void choose_kernel(struct detect *d, bool other)
{
	static int now = -1;

	if (now == other || (!d->cfg.kernel && !d->cfg.cmdline))
		return;
	stage_end(&d->stage);
	set_or_unset(ENV_KERNEL, other && d->cfg.kernel ? d->cfg.kernel : d->usual_kernel);
	set_or_unset(ENV_CMDLINE, other ? d->cfg.cmdline : NULL);
	now = other;
}

static int play(struct detect *d, struct detect_play *play)
{
	const struct scenario *sc = d->plan.columns[play->column].sc;
	const struct detect_row *row = &d->plan.rows[play->row];
	char program[PATH_MAX], *rerun = NULL;
	struct errmsg err;
	int ret;

	printf("# %s in %s.%s, round %u\n", row->name, sc->suite, sc->name, play->round);
	fflush(stdout);
	choose_kernel(d, row->other_kernel);
	if (!own_path_beside(program, "catalogue", &err))
		rerun = rerun_command(program, sc, play->topology, row->command);
	ret = detect_play(&d->plan, play, stage_play, &d->stage, rerun);
	free(rerun);
	if (ret) {
		fprintf(stderr, "ktstr_detect: no memory\n");
		return EXIT_FAILURE;
	}
	return 0;
}

static void put_result(const struct detect *d, const struct detect_play *play)
{
	detect_write(&d->plan, play, stdout);
	fflush(stdout);
}

static int play_part(struct detect *d, const char *text)
{
	unsigned int part, nr_parts;
	int ret = 0;
	size_t i;
	char end;

	if (sscanf(text, "%u/%u%c", &part, &nr_parts, &end) != 2 || !part || part > nr_parts ||
	    nr_parts > MAX_PARTS) {
		fprintf(stderr, "ktstr_detect: %s: must be as 2/3\n", text);
		return STATUS_USAGE;
	}
	detect_plan_left(&d->plan, part, nr_parts);
	d->stage.reuse = true;
	for (i = 0; i < d->plan.nr_plays && !ret; i++) {
		ret = play(d, &d->plan.plays[i]);
		if (!ret && d->plan.plays[i].result.verdict != VERDICT_INCONCLUSIVE)
			put_result(d, &d->plan.plays[i]);
	}
	/* A machine that was too slow for minutes may be so no more. */
	for (i = 0; i < d->plan.nr_plays && !ret; i++) {
		if (d->plan.plays[i].result.verdict != VERDICT_INCONCLUSIVE)
			continue;
		ret = play(d, &d->plan.plays[i]);
		if (!ret)
			put_result(d, &d->plan.plays[i]);
	}
	stage_end(&d->stage);
	return ret;
}

/* -- "make check" --------------------------------------------------------------------- */

/* What else failed, or why it was not judged, was said while it was played. */
static void print_test(const struct detect_plan *plan, const struct detect_play *play)
{
	const struct scenario *sc = plan->columns[play->column].sc;
	const struct detect_row *row = &plan->rows[play->row];
	const struct detect_result *result = &play->result;
	char name[256];

	snprintf(name, sizeof(name), "%s.%s catches %s by %s", sc->suite, sc->name, row->name,
		 row->check);
	if (result->stated)
		ksft_test_result_pass("%s\n", name);
	else if (result->verdict == VERDICT_SKIP)
		ksft_test_result_skip("%s: it could not be played, see above\n", name);
	else if (result->verdict == VERDICT_INCONCLUSIVE)
		ksft_test_result_skip("%s: INCONCLUSIVE %d times, at last %s\n", name,
				      DETECT_MAX_TRIES, result->checks);
	else
		ksft_test_result_fail("%s: %s %s\n", name, verdict_name(result->verdict),
				      result->checks);
	fflush(stdout);
}

/*
 * Beside other tests, a host may be denied so much that limits are too wide for a fault
 * (check_overcommit()): one that passes has a second chance.
 */
static int play_for_check(struct detect *d, struct detect_play *what)
{
	int ret = play(d, what);

	if (!ret && what->result.verdict == VERDICT_PASS)
		ret = play(d, what);
	return ret;
}

static int check(struct detect *d)
{
	int ret = 0;
	size_t i;

	ksft_print_header();
	ksft_set_plan(d->plan.nr_plays);
	d->stage.reuse = true;
	for (i = 0; i < d->plan.nr_plays && !ret; i++) {
		ret = play_for_check(d, &d->plan.plays[i]);
		if (!ret)
			print_test(&d->plan, &d->plan.plays[i]);
	}
	stage_end(&d->stage);
	ksft_print_cnts();
	return ret ?: ksft_get_fail_cnt() ? KSFT_FAIL : KSFT_PASS;
}

static int refuse(void)
{
	fprintf(stderr,
		"usage: ktstr_detect files | plan DONE | play DONE I/N | report DONE | check\n");
	return STATUS_USAGE;
}

static int run(struct detect *d, int argc, char **argv)
{
	int ret;

	if (argc == 2 && !strcmp(argv[1], "files"))
		return list_files(d);
	if (argc == 2 && !strcmp(argv[1], "check"))
		return check(d);
	if (argc < 3 || d->cfg.field)
		return refuse();
	ret = read_done(d, argv[2]);
	if (ret)
		return ret;
	if (argc == 3 && !strcmp(argv[1], "plan"))
		return print_plan(d);
	if (argc == 3 && !strcmp(argv[1], "report"))
		return report(d);
	if (argc == 4 && !strcmp(argv[1], "play"))
		return play_part(d, argv[3]);
	return refuse();
}

/* Where no other is found, the kernel that is named is the usual one. */
static void find_usual_kernel(struct detect *d)
{
	char path[PATH_MAX];
	struct errmsg err;

	if (!d->cfg.kernel)
		return;
	unsetenv(ENV_KERNEL);
	if (!session_kernel(path, &err))
		return;
	setenv(ENV_KERNEL, d->cfg.kernel, 1);
	d->usual_kernel = d->cfg.kernel;
	d->cfg.kernel = NULL;
}

static int configure(struct detect *d, const char *what, struct errmsg *err)
{
	if (strcmp(what, "check"))
		return detect_config(&d->cfg, err) ?: check_files(&d->cfg, err);
	d->cfg = (struct detect_config){ .field = true, .rounds = 1, .shard = 1, .nr_shards = 1 };
	return 0;
}

int main(int argc, char **argv)
{
	const struct detect_tables tables = {
		.scheds = fixture_scheds,
		.nr_scheds = nr_fixture_scheds,
		.tree = schedulers_tree,
		.suites = catalogue,
		.nr_suites = nr_suites,
	};
	const char *what = argc > 1 ? argv[1] : "";
	struct detect d = {};
	struct errmsg err;
	int ret;

	ret = configure(&d, what, &err);
	if (ret)
		return tell(&err);
	if ((!strcmp(what, "play") || d.cfg.field) && emulated_needed(argc, argv, &ret))
		return ret;
	find_usual_kernel(&d);
	ret = detect_plan(&d.plan, &d.cfg, &tables, &err);
	if (ret)
		return tell(&err);
	ret = run(&d, argc, argv);
	detect_plan_free(&d.plan);
	return ret;
}
