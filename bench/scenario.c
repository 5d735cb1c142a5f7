// SPDX-License-Identifier: GPL-2.0
/*
 * scenario, scenario-crowded: how long a play takes once its guest is up, until it is
 * judged and the guest is gone, compared with the time that its workers were given to
 * run; with a worker per CPU, and with four. What is added is mostly the making and
 * the end of the workers, and of the VM.
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
static bool measure(const struct play *play, struct cost *cost)
{
	struct stage stage = {};
	struct findings findings;
	struct errmsg err;
	u64 since = clock_ns(), end, work;

	stage_play(&stage, play, &findings);
	end = clock_ns();
	if (check_find(&findings, "guest", NULL) || check_find(&findings, "scenario", NULL) ||
	    load_duration(&stage.session.topo, &work, &err))
		return false;
	cost->all = (end - since - stage.session.ready_ns) / 1e6;
	cost->work = work / 1e6;
	return true;
}

static int measure_runs(const char *name, const char *scenario)
{
	const struct scenario *sc = catalogue_scenario(SUITE, scenario);
	const struct play play = {
		.suite = catalogue_suite(SUITE),
		.sc = sc,
		.topology = catalogue_topology(sc, 1, 1),
	};
	static double all[BENCH_MAX_RUNS];
	struct cost cost = {};
	unsigned int runs = bench_runs(), i;

	for (i = 0; i < runs; i++) {
		if (!measure(&play, &cost)) {
			fprintf(stderr, "# %s: %s.%s was not played\n", name, SUITE, scenario);
			return EXIT_FAILURE;
		}
		all[i] = cost.all;
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
	return measure_runs("scenario", "steady") ?:
	       measure_runs("scenario-crowded", "oversubscribed");
}
