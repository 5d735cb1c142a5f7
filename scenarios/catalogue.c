// SPDX-License-Identifier: GPL-2.0
/*
 * The catalogue as tests: each suite is a fixture, each scheduler a variant, each
 * scenario a test. The harness has macros for tests that are code; these are data,
 * so that they are registered as the macros would do it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "catalogue.h"
#include "fixture_scheds.h"
#include "keeper.h"
#include "ktstr_test.h"
#include "own_path.h"
#include "rerun.h"
#include "schedulers.h"
#include "stage.h"

#define ENV_FULL	"KTSTR_FULL"
#define ENV_REUSE	"KTSTR_REUSE"

/* In KTSTR_FULL everything is played here, too: two threads a core, two nodes */
#define LARGE_TOPOLOGY	"2n4l1c2t"

/**
 * struct cast - a variant's data
 * @scheduler: as in struct session_config; NULL for EEVDF
 * @topology: where; NULL for the smallest that a scenario fits
 */
struct cast {
	const char *scheduler;
	const char *topology;
};

/* -- who plays -------------------------------------------------------------- */

/* A request to the process that keeps a guest; what it answers is a verdict. */
struct request {
	const struct suite *suite;
	const struct scenario *sc;
	const struct cast *cast;
};

struct answer {
	enum verdict verdict;
	char text[2 * CHECK_TEXT_SIZE];
};

/* The harness says SKIP itself. */
static void tell(const struct finding *f, char *buf, size_t size)
{
	if (f->verdict == VERDICT_SKIP)
		snprintf(buf, size, "%s", f->text);
	else
		check_format(f, buf, size);
}

static void play(struct stage *stage, const struct request *request, struct answer *answer)
{
	static struct findings findings;
	struct play play = {
		.suite = request->suite,
		.sc = request->sc,
		.topology = request->cast->topology ?: catalogue_topology(request->sc, 0, 0),
		.scheduler = request->cast->scheduler,
	};
	char program[PATH_MAX], *rerun = NULL;
	struct errmsg unused;
	size_t i;

	if (!own_path(program, &unused))
		rerun = rerun_command(program, play.sc, play.topology, play.scheduler);
	play.rerun = rerun;
	answer->verdict = stage_play(stage, &play, &findings);
	free(rerun);
	answer->text[0] = '\0';
	for (i = 0; i < findings.nr && !answer->text[0]; i++)
		if (findings.list[i].verdict == answer->verdict)
			tell(&findings.list[i], answer->text, sizeof(answer->text));
}

/* If it is to be used again, it is with the keeper. */
static struct stage stage;

static void serve(void *ctx, const void *request, void *answer)
{
	play(ctx, request, answer);
}

static void end(void *ctx)
{
	stage_end(ctx);
}

static struct keeper keeper = {
	.request_size = sizeof(struct request),
	.answer_size = sizeof(struct answer),
	.serve = serve,
	.end = end,
	.ctx = &stage,
};

/* -- the tests -------------------------------------------------------------- */

static void run_test(struct __test_metadata *_metadata, struct __fixture_variant_metadata *variant)
{
	struct request request = {
		.suite = catalogue_suite(_metadata->fixture->name),
		.sc = catalogue_scenario(_metadata->fixture->name, _metadata->name),
		.cast = variant->data,
	};
	struct answer answer = {};
	int ret = 0;

	if (stage.reuse)
		ret = keeper_ask(&keeper, &request, &answer);
	else
		play(&stage, &request, &answer);
	ASSERT_EQ(0, ret);
	if (answer.verdict == VERDICT_SKIP || answer.verdict == VERDICT_INCONCLUSIVE)
		SKIP(return, "%s", answer.text);
	EXPECT_EQ(VERDICT_PASS, answer.verdict);
}

static void add_variant(struct __fixture_metadata *fixture, const char *scheduler,
			const char *topology, const char *fmt, ...)
{
	struct __fixture_variant_metadata *variant = calloc(1, sizeof(*variant));
	struct cast *cast = calloc(1, sizeof(*cast));
	va_list ap;
	char *name;

	va_start(ap, fmt);
	if (!variant || !cast || vasprintf(&name, fmt, ap) < 0)
		abort();
	va_end(ap);
	*cast = (struct cast){ scheduler, topology };
	variant->name = name;
	variant->data = cast;
	__register_fixture_variant(fixture, variant);
}

static void add_scheduler(struct __fixture_metadata *fixture, const char *command,
			  const char *name)
{
	add_variant(fixture, command, NULL, "%s", name);
	if (ktstr_env_flag(ENV_FULL))
		add_variant(fixture, command, LARGE_TOPOLOGY, "%s_%s", name, LARGE_TOPOLOGY);
}

/* No scenario may blame those either that the faults are made of. */
static void add_healthy(struct __fixture_metadata *fixture)
{
	char *command, name[64];
	size_t i;

	for (i = 0; i < nr_fixture_scheds; i++) {
		if (fixture_scheds[i].fault != KTSTR_FAULT_NONE)
			continue;
		if (asprintf(&command, "scx_ktstr --policy %s", fixture_scheds[i].name) < 0)
			abort();
		snprintf(name, sizeof(name), "scx_ktstr_%s", fixture_scheds[i].name);
		add_scheduler(fixture, command, name);
	}
}

static void add_variants(struct __fixture_metadata *fixture)
{
	const char *scheduler = env_get(ENV_SCHEDULER), *topology = env_get(ENV_TOPOLOGY);
	const struct scheduler *sched;

	for (sched = schedulers_tree; sched->name; sched++)
		add_scheduler(fixture, sched->command, sched->name);
	if (ktstr_env_flag(ENV_FULL))
		add_healthy(fixture);
	if (scheduler || topology)
		add_variant(fixture, scheduler, topology, "env");
}

/* Shared with the processes that run the tests, as those of the harness's macros */
static void add_test(struct __fixture_metadata *fixture, const struct scenario *sc)
{
	struct __test_metadata *test = mmap(NULL, sizeof(*test), PROT_READ | PROT_WRITE,
					    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (test == MAP_FAILED)
		abort();
	test->name = sc->name;
	test->fn = run_test;
	test->fixture = fixture;
	test->termsig = -1;
	test->timeout = KTSTR_MAX_PLAYS * KTSTR_TEST_TIMEOUT;
	__register_test(test);
}

static void add_suites(void)
{
	struct __fixture_metadata *fixture;
	size_t i, j;

	for (i = 0; i < nr_suites; i++) {
		fixture = calloc(1, sizeof(*fixture));
		if (!fixture)
			abort();
		fixture->name = catalogue[i]->name;
		__register_fixture(fixture);
		add_variants(fixture);
		for (j = 0; j < catalogue[i]->nr; j++)
			if (catalogue[i]->scenarios[j].quick || ktstr_env_flag(ENV_FULL))
				add_test(fixture, &catalogue[i]->scenarios[j]);
	}
}

int main(int argc, char **argv)
{
	int status;

	stage.reuse = ktstr_env_flag(ENV_REUSE);
	add_suites();
	if (ktstr_test_begin(argc, argv, &status))
		return status;
	if (stage.reuse) {
		status = keeper_start(&keeper);
		if (status)
			ksft_exit_fail_msg("a process to keep guests: %s\n", strerror(-status));
	}
	return test_harness_run(argc, argv);
}
