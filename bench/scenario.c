// SPDX-License-Identifier: GPL-2.0
/*
 * scenario, scenario-crowded: how long a play takes once its guest is up, until it is
 * judged and the guest is gone, compared with the time that its workers were given to
 * run; with a worker per CPU, and with four. What is added is mostly the making and
 * the end of the workers, and of the VM. scenario-kept, scenario-kept-crowded: the same
 * in a guest that has seen plays before, from the proof that it is clean.
 */
#include "bench.h"
#include "clock.h"
#include "host.h"
#include "load.h"
#include "stage.h"

#define SUITE	"basic"

/* Both in ms */
struct cost {
	double all;
	double work;
};

/* Return: whether it was played; what the scheduler made of it does not matter. */
static bool measure(struct stage *stage, const struct play *play, struct cost *cost)
{
	struct findings findings;
	struct errmsg err;
	u64 since = clock_ns(), end, work;

	stage_play(stage, play, &findings);
	end = clock_ns();
	if (check_find(&findings, "guest", NULL) || check_find(&findings, "scenario", NULL) ||
	    load_duration(&stage->session.topo, &work, &err))
		return false;
	if (stage->plays == 1)
		since += stage->session.ready_ns;
	cost->all = (end - since) / 1e6;
	cost->work = work / 1e6;
	return true;
}

static int measure_runs(const char *name, const char *scenario, bool keep)
{
	const struct scenario *sc = catalogue_scenario(SUITE, scenario);
	const struct play play = {
		.suite = catalogue_suite(SUITE),
		.sc = sc,
		.topology = catalogue_topology(sc, 1, 1),
	};
	struct stage stage = { .reuse = keep };
	static double all[BENCH_MAX_RUNS];
	struct cost cost = {};
	unsigned int runs = bench_runs(), i;
	bool played = !keep || measure(&stage, &play, &cost);

	for (i = 0; i < runs && played; i++) {
		played = measure(&stage, &play, &cost);
		all[i] = cost.all;
	}
	stage_end(&stage);
	if (!played) {
		fprintf(stderr, "# %s: %s.%s was not played\n", name, SUITE, scenario);
		return EXIT_FAILURE;
	}
	bench_line(name, bench_median(all, runs), "ms", cost.work, "its-workers", 1.10);
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
	return measure_runs("scenario", "steady", false) ?:
	       measure_runs("scenario-crowded", "oversubscribed", false) ?:
	       measure_runs("scenario-kept", "steady", true) ?:
	       measure_runs("scenario-kept-crowded", "oversubscribed", true);
}
