// SPDX-License-Identifier: GPL-2.0
/*
 * scenario, scenario-crowded: how long a play takes once its guest is up, until it is
 * judged and the guest is gone, compared with what its workers take alone: the same
 * workers, made, run for the same time and ended in the same kind of guest, with no
 * cgroups, nothing read, nothing judged, and the guest still there. There is a worker
 * per CPU, or there are four.
 *
 * scenario-kept, scenario-kept-crowded: the same in guests that have seen this before;
 * the play begins with the proof that its guest is clean.
 */
#include <string.h>

#include "bench.h"
#include "clock.h"
#include "host.h"
#include "load.h"
#include "session.h"
#include "stage.h"

#define SUITE		"basic"
#define PATIENCE_NS	(30 * NSEC_PER_SEC)

/**
 * struct scene - what is measured
 * @name: in the line about it
 * @keep: in guests that are kept
 * @play: one scenario, under EEVDF
 * @work_ns: the time that its workers are given
 */
struct scene {
	const char *name;
	bool keep;
	struct play play;
	u64 work_ns;
};

/* Return: whether it was played; what the scheduler made of it does not matter. */
static bool play(struct stage *stage, const struct scene *scene, double *ms)
{
	struct findings findings;
	u64 since = clock_ns();

	stage_play(stage, &scene->play, &findings);
	if (stage->plays == 1)
		since += stage->session.ready_ns;
	*ms = (clock_ns() - since) / 1e6;
	return !check_find(&findings, "guest", NULL) && !check_find(&findings, "scenario", NULL);
}

static int spawn(struct session *s, const struct scenario *sc, const struct scenario_workers *w,
		 struct errmsg *err)
{
	struct wire_spawn spawn = {
		.name = w->name,
		.cgroup = WIRE_CGROUPS,
		.count = scenario_count(sc, w, &s->topo),
		.attr = scenario_attr(w),
		.nr_phases = scenario_phases(w),
	};
	struct control_reply reply;
	int ret;

	memcpy(spawn.phases, w->phases, sizeof(spawn.phases));
	ret = control_spawn(&s->control, &spawn, &reply, err);
	control_reply_free(&reply);
	return ret;
}

/* Return: whether they worked. */
static bool work_alone(struct session *s, const struct scene *scene, double *ms)
{
	const struct scenario *sc = scene->play.sc;
	const struct scenario_workers *w = sc->workers;
	struct control_reply reply = {};
	u64 since = clock_ns();
	struct errmsg err;
	int ret = 0;

	for (; w < sc->workers + SCENARIO_MAX_WORKERS && w->name && !ret; w++)
		ret = spawn(s, sc, w, &err);
	if (!ret)
		ret = control_start(&s->control, NULL, 0, scene->work_ns, PATIENCE_NS, &reply,
				    &err);
	control_reply_free(&reply);
	if (!ret)
		ret = control_stop(&s->control, NULL, 0, scene->work_ns, PATIENCE_NS, &reply,
				   &err);
	control_reply_free(&reply);
	*ms = (clock_ns() - since) / 1e6;
	if (ret)
		fprintf(stderr, "# %s: %s\n", scene->name, err.text);
	return !ret;
}

/* Where guests are kept, the first run in each is not counted. */
static bool measure_plays(const struct scene *scene, unsigned int runs, double *ms)
{
	struct stage stage = { .reuse = scene->keep };
	bool played = !scene->keep || play(&stage, scene, ms);
	unsigned int i;

	for (i = 0; i < runs && played; i++)
		played = play(&stage, scene, &ms[i]);
	stage_end(&stage);
	return played;
}

static bool measure_alone(const struct scene *scene, unsigned int runs, double *ms)
{
	const struct session_config cfg = { .topology = scene->play.topology };
	struct session s;
	struct errmsg err;
	unsigned int i;
	bool worked;

	if (session_start(&s, &cfg, &err)) {
		fprintf(stderr, "# %s: %s\n", scene->name, err.text);
		return false;
	}
	worked = !scene->keep || work_alone(&s, scene, ms);
	for (i = 0; i < runs && worked; i++)
		worked = work_alone(&s, scene, &ms[i]);
	session_end(&s);
	return worked;
}

/* New guests are taken in turns, as a machine may be slow for a while. */
static bool measure(const struct scene *scene, unsigned int runs, double *plays, double *alone)
{
	unsigned int i;

	if (scene->keep)
		return measure_plays(scene, runs, plays) && measure_alone(scene, runs, alone);
	for (i = 0; i < runs; i++)
		if (!measure_plays(scene, 1, &plays[i]) || !measure_alone(scene, 1, &alone[i]))
			return false;
	return true;
}

static int measure_scene(const char *name, const char *scenario, bool keep)
{
	static double plays[BENCH_MAX_RUNS], alone[BENCH_MAX_RUNS];
	const struct scenario *sc = catalogue_scenario(SUITE, scenario);
	struct scene scene = {
		.name = name,
		.keep = keep,
		.play = {
			.suite = catalogue_suite(SUITE),
			.sc = sc,
			.topology = catalogue_topology(sc, 1, 1),
		},
	};
	unsigned int runs = bench_runs();
	struct topology topo;
	struct errmsg err;
	double play, peer, given;

	if (topology_parse(scene.play.topology, &topo, &err) ||
	    load_duration(&topo, &scene.work_ns, &err)) {
		fprintf(stderr, "# %s: %s\n", name, err.text);
		return EXIT_FAILURE;
	}
	if (!measure(&scene, runs, plays, alone)) {
		fprintf(stderr, "# %s: %s.%s was not played\n", name, SUITE, scenario);
		return EXIT_FAILURE;
	}
	play = bench_median(plays, runs);
	peer = bench_median(alone, runs);
	bench_line(name, play, "ms", peer, "its-workers-alone", 1.10);
	given = scene.work_ns / 1e6;
	printf("# %s: a play takes %.3f times the %.0f ms given to its workers, they alone %.3f\n",
	       name, play / given, given, peer / given);
	fflush(stdout);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct errmsg why;
	int kind = host_classify(HOST_KVM, &why);

	if (kind == HOST_EMULATE)
		return bench_elsewhere(argc, argv, why.text);
	if (kind < 0) {
		fprintf(stderr, "# scenario: %s\n", why.text);
		return EXIT_FAILURE;
	}
	return measure_scene("scenario", "steady", false) ?:
	       measure_scene("scenario-crowded", "oversubscribed", false) ?:
	       measure_scene("scenario-kept", "steady", true) ?:
	       measure_scene("scenario-kept-crowded", "oversubscribed", true);
}
