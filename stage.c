// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <limits.h>
#include <linux/kernel.h>
#include <linux/sizes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kselftest.h"

#include "clock.h"
#include "cpuid.h"
#include "own_path.h"
#include "result_file.h"
#include "scenario_run.h"
#include "schedulers.h"
#include "stage.h"
#include "virtio_blk.h"
#include "virtio_net.h"

#define CLEAN_NS	(20 * NSEC_PER_SEC)

/* Enough for the reads of WIRE_WORK_DISK to be at different places */
static u8 disk_content[SZ_1M];

/* One that answers at once is done before its reader is asleep: nothing to wake up. */
static const struct disk_config disk = {
	.memory = disk_content, .size = sizeof(disk_content), .latency_ns = NSEC_PER_MSEC,
};

static const struct net_config net = { .peer = NET_PEER_ECHO };

static void __printf(4, 5)
add(struct findings *findings, const char *check, enum verdict verdict, const char *fmt, ...)
{
	const struct finding f = {
		.check = check,
		.verdict = verdict,
		.cpu = CHECK_NO_CPU,
		.at_ns = CHECK_NO_TIME,
	};
	char text[CHECK_TEXT_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	check_add(findings, &f, "%s", text);
}

/* What went wrong with a guest, or before there was one */
static int add_error(struct stage *stage, struct findings *findings, const char *check, int ret,
		     const struct errmsg *err)
{
	if (err->kind == ERRMSG_HOST) {
		add(findings, "scenario", VERDICT_SKIP, "%s", err->text);
		return ret;
	}
	if (stage->topology[0])
		session_print(&stage->session, ret, err);
	/* That a user has named what is no kernel says nothing of a guest. */
	if (err->kind == ERRMSG_INPUT)
		check = "scenario";
	add(findings, check, VERDICT_FAIL, "%s", err->text);
	return ret;
}

/* -- does it fit? ----------------------------------------------------------- */

static bool has_step(const struct scenario *sc, enum step_op op)
{
	const struct scenario_step *step = sc->steps;

	for (; step < sc->steps + SCENARIO_MAX_STEPS && step->op != STEP_END; step++)
		if (step->op == op)
			return true;
	return false;
}

static int find_programs(const struct scenario *sc, struct errmsg *err)
{
	const char *names[SCENARIO_ALL_NEEDS + 1], *packages[SCENARIO_ALL_NEEDS];
	size_t nr = scenario_needs(sc, names, packages), i;
	char path[PATH_MAX];

	for (i = 0; i < nr; i++) {
		if (!session_find_program(names[i], path, err))
			continue;
		return errmsg_set(err, ERRMSG_HOST, ENOENT,
				  "%s is not installed on this host; Debian has it in: %s",
				  names[i], packages[i] ?: "dash");
	}
	return 0;
}

/* The suite builds its schedulers only where there is a clang for them. */
static int find_replacements(const struct scenario *sc, struct errmsg *err)
{
	const struct scenario_step *step = sc->steps;
	char path[PATH_MAX];

	for (; step < sc->steps + SCENARIO_MAX_STEPS && step->op != STEP_END; step++)
		if (step->scheduler && session_find_program(step->scheduler, path, err))
			return errmsg_set(err, ERRMSG_HOST, ENOENT,
					  "%s was not built: that needs clang 16 or later",
					  step->scheduler);
	return 0;
}

static int fits(struct stage *stage, const struct play *play, struct findings *findings)
{
	struct topology topo;
	struct errmsg err;
	u64 unused;
	int ret;

	ret = topology_parse(play->topology, &topo, &err) ?:
	      scenario_check(play->sc, &topo, &err) ?:
	      load_duration(&topo, &unused, &err) ?:
	      find_programs(play->sc, &err) ?:
	      find_replacements(play->sc, &err);
	if (ret)
		return add_error(stage, findings, "scenario", ret, &err);
	if (play->scheduler || !has_step(play->sc, STEP_LEAVE))
		return 0;
	add(findings, "scenario", VERDICT_SKIP,
	    "EEVDF cannot leave: set KTSTR_SCHEDULER to a scheduler's program");
	return -ERANGE;
}

/* -- the guest -------------------------------------------------------------- */

/* Guests have all programs in one directory. */
static bool is_named(const char *program, const char *name)
{
	const char *slash = strrchr(program, '/');

	return !strcmp(slash ? slash + 1 : program, name);
}

static void get_program(const char *command, char *program)
{
	snprintf(program, PATH_MAX, "%.*s", (int)strcspn(command ?: "", " "), command ?: "");
}

/* One of the suite's schedulers, if it was built, and the play's own is none of its name */
static void add_scheduler(struct session_config *cfg, const struct play *play, const char *name,
			  unsigned int *nr)
{
	char path[PATH_MAX], program[PATH_MAX];
	struct errmsg unused;

	if (own_path_beside(path, name, &unused) || access(path, X_OK))
		return;
	get_program(play->scheduler, program);
	if (!is_named(program, name))
		cfg->programs[(*nr)++] = name;
}

static void add_schedulers(struct session_config *cfg, const struct play *play, unsigned int *nr)
{
	const struct scheduler *sched;

	for (sched = schedulers_tree; sched->name; sched++)
		if (sched->command)
			add_scheduler(cfg, play, sched->command, nr);
	add_scheduler(cfg, play, SCHEDULERS_KTSTR, nr);
}

/* Those that a step puts in the place of the one under test */
static void add_replacements(struct session_config *cfg, const struct play *play,
			     unsigned int *nr)
{
	const struct scenario_step *step = play->sc->steps;

	for (; step < play->sc->steps + SCENARIO_MAX_STEPS && step->op != STEP_END; step++)
		if (step->scheduler)
			add_scheduler(cfg, play, step->scheduler, nr);
}

static bool needs_disk(const struct scenario *sc)
{
	const struct scenario_program *p;

	for (p = sc->programs; p < sc->programs + SCENARIO_MAX_PROGRAMS && p->name; p++)
		if (p->disk)
			return true;
	return scenario_has_work(sc, WIRE_WORK_DISK);
}

/*
 * A guest that is kept has all that the next scheduler and scenario may need, but for
 * programs: their libraries would take more of each boot than they are worth.
 */
static int boot(struct stage *stage, const struct play *play, struct errmsg *err)
{
	struct session_config cfg = {
		.topology = play->topology,
		.scheduler = play->scheduler,
		.load_later = true,
	};
	const char *names[SCENARIO_ALL_NEEDS + 1], *packages[SCENARIO_ALL_NEEDS];
	unsigned int nr = 0, i;
	int ret;

	if (stage->reuse)
		add_schedulers(&cfg, play, &nr);
	else
		add_replacements(&cfg, play, &nr);
	scenario_needs(play->sc, names, packages);
	for (i = 0; names[i] && nr < SESSION_MAX_PROGRAMS; i++)
		cfg.programs[nr++] = names[i];
	if (stage->reuse || needs_disk(play->sc))
		cfg.disk = &disk;
	if (stage->reuse || scenario_has_work(play->sc, WIRE_WORK_NET))
		cfg.net = &net;
	ret = session_start(&stage->session, &cfg, err);
	if (ret)
		return ret;
	snprintf(stage->topology, sizeof(stage->topology), "%s", play->topology);
	get_program(cfg.scheduler, stage->program);
	stage->plays = 0;
	stage->since_ns = 0;
	return 0;
}

/* Has the guest that is kept what a play needs? */
static bool serves(const struct stage *stage, const struct play *play)
{
	char program[PATH_MAX];

	if (!stage->reuse || strcmp(stage->topology, play->topology) || play->sc->programs[0].name)
		return false;
	get_program(play->scheduler, program);
	if (!program[0] || !strcmp(program, stage->program))
		return true;
	/* Schedulers from elsewhere are only in guests that were booted for them. */
	return !strchr(program, '/') && !is_named(stage->program, program);
}

/* The guest's time since its boot, which its log is stamped with; 0 if it does not tell */
static u64 guest_uptime(struct stage *stage)
{
	char *text = control_read_text(&stage->session.control, "/proc/uptime");
	double seconds = text ? strtod(text, NULL) : 0;

	free(text);
	return seconds > 0 && seconds < 1e9 ? seconds * NSEC_PER_SEC : 0;
}

/* A guest for the play: the one that is kept, if that is proved clean, or a new one */
static int get_guest(struct stage *stage, const struct play *play, struct findings *findings)
{
	struct control_reply reply = {};
	struct errmsg err = {};
	int ret;

	if (stage->topology[0] && !serves(stage, play))
		stage_end(stage);
	if (stage->topology[0]) {
		ret = control_clean(&stage->session.control, CLEAN_NS, &reply, &err);
		control_reply_free(&reply);
		if (!ret) {
			stage->since_ns = guest_uptime(stage);
			return 0;
		}
		session_print_lines("a new guest, as the last one is not clean: ", err.text);
		stage_end(stage);
	}
	ret = boot(stage, play, &err);
	return ret ? add_error(stage, findings, "guest", ret, &err) : 0;
}

static int load(struct stage *stage, const struct play *play, struct findings *findings)
{
	struct scheduler sched;
	struct errmsg err = {};
	int ret;

	ret = session_load(&stage->session, play->scheduler, &err);
	if (!ret)
		return 0;
	/*
	 * Its process has ended by itself: it says why, or the verifier does. But one that
	 * only loads on a certain CPU may just not have been there.
	 */
	schedulers_find(play->scheduler, &sched);
	findings->certain = ret == -ECHILD && err.kind == ERRMSG_FAILED && !sched.cpu_option;
	return add_error(stage, findings, "load", ret, &err);
}

/* -- the play --------------------------------------------------------------- */

static struct limits limits_of(const struct play *play)
{
	struct limits limits = check_defaults;

	limits_layer(&limits, &play->suite->limits);
	limits_layer(&limits, &play->sc->limits);
	return limits;
}

/* What the run is held against is known whatever becomes of it. */
static int perform(struct stage *stage, const struct play *play, struct scenario_result *result,
		   struct findings *findings)
{
	struct errmsg err = {};
	u64 duration;
	int ret;

	ret = load_duration(&stage->session.topo, &duration, &err) ?:
	      scenario_run(&stage->session, play->sc, duration, result, &err);
	schedulers_known(play->scheduler, play->sc, &result->run.sched);
	result->run.log_since_ns = stage->since_ns;
	result->run.limits = limits_of(play);
	if (ret)
		return add_error(stage, findings, "guest", ret, &err);
	check_run(&result->run, findings);
	return 0;
}

static void print_findings(const struct play *play, const struct scenario_result *result,
			   const struct findings *findings)
{
	enum verdict verdict = check_verdict(findings);

	check_print(&result->run, findings);
	ksft_print_msg("%s %s.%s\n", verdict_name(verdict), play->suite->name, play->sc->name);
	if (verdict == VERDICT_FAIL && play->rerun)
		ksft_print_msg("again: %s\n", play->rerun);
}

/* -- what is kept of it ----------------------------------------------------- */

static void keep(struct stage *stage, const struct play *play, const struct findings *findings,
		 const struct check_run *run, u64 since)
{
	bool booted = stage->topology[0];
	const struct result result = {
		.play = play,
		.findings = findings,
		.limits = limits_of(play),
		.run = run,
		.boot_ns = booted && !stage->plays ? stage->session.ready_ns : 0,
		.total_ns = clock_ns() - since,
	};

	result_file_keep(&result, booted ? &stage->session : NULL);
}

/* Plays, judges, tells and writes; @booted: there was a guest to judge by */
static enum verdict play_once(struct stage *stage, const struct play *play,
			      struct findings *findings, bool *booted)
{
	struct scenario_result *result = calloc(1, sizeof(*result));
	u64 since = clock_ns();
	enum verdict verdict;
	int ret;

	memset(findings, 0, sizeof(*findings));
	*booted = false;
	if (!result) {
		add(findings, "scenario", VERDICT_SKIP, "this host is out of memory");
		return VERDICT_SKIP;
	}
	ret = fits(stage, play, findings) ?:
	      get_guest(stage, play, findings) ?:
	      load(stage, play, findings) ?:
	      perform(stage, play, result, findings);
	*booted = stage->topology[0];
	verdict = check_verdict(findings);
	print_findings(play, result, findings);
	keep(stage, play, findings, result->run.topo ? &result->run : NULL, since);
	scenario_result_free(result);
	free(result);
	stage->plays++;
	/* What a failure has done to a guest is nothing for the next scheduler. */
	if (ret || !stage->reuse || verdict == VERDICT_FAIL || play->sc->programs[0].name)
		stage_end(stage);
	return verdict;
}

enum verdict stage_judge_again(struct findings *again, const char *first)
{
	if (check_verdict(again) == VERDICT_FAIL)
		return VERDICT_FAIL;
	again->unrepeated = true;
	add(again, "scenario", VERDICT_INCONCLUSIVE, "it failed before, but not once more: %s",
	    first);
	return check_verdict(again);
}

/*
 * Not all that an emulated host does to a guest can be told from what a scheduler does: it
 * gives CPUs their time late, says how much it withheld in steps of 10 ms, and may let one
 * rest for some time that has a task to run (nudge.h). A scheduler or kernel that is to
 * blame for what was seen does it again, in a new guest.
 */
enum verdict stage_play(struct stage *stage, const struct play *play, struct findings *findings)
{
	char first[CHECK_TEXT_SIZE];
	enum verdict verdict;
	bool booted;

	ksft_print_msg("%s.%s: %s\n", play->suite->name, play->sc->name, play->sc->bug ?: "");
	verdict = play_once(stage, play, findings, &booted);
	if (verdict != VERDICT_FAIL || findings->certain || !booted || !cpuid_host_is_tcg())
		return verdict;
	check_format(check_find(findings, NULL, NULL), first, sizeof(first));
	ksft_print_msg("once more, as this emulated host may be to blame\n");
	play_once(stage, play, findings, &booted);
	verdict = stage_judge_again(findings, first);
	if (findings->unrepeated)
		ksft_print_msg("%s %s.%s: it failed the first time only\n",
			       verdict_name(verdict), play->suite->name, play->sc->name);
	return verdict;
}

void stage_end(struct stage *stage)
{
	if (stage->topology[0])
		session_end(&stage->session);
	stage->topology[0] = '\0';
}
