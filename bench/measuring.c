// SPDX-License-Identifier: GPL-2.0
/*
 * measuring: CPU time for a unit of work of a worker that measures itself, compared
 * with one that does not (WIRE_SPAWN_BARE). Both run at the same time and share one
 * CPU, so that all that happens to it happens to both alike. The agent is a process
 * here, as scheduling has no part in this, and an emulated host would.
 */
#include <linux/kernel.h>
#include <sched.h>
#include <stdio.h>

#include "bench.h"
#include "unit/agent_peer.h"

#define ROUND_NS	(400 * MSEC)
#define GRACE_NS	(20 * SEC)
#define ROUNDS		5	/* for each run that is asked for */

static void last_cpu(char cpu[16])
{
	unsigned int i;
	cpu_set_t set;

	sched_getaffinity(0, sizeof(set), &set);
	for (i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			snprintf(cpu, 16, "%u", i);
}

static int spawn(struct peer *p, const char *name, const char *cpu, u32 flags)
{
	const struct wire_spawn spec = {
		.name = name, .count = 1, .flags = flags, .nr_cpus = 1, .cpus = &cpu,
	};

	return CALL(control_spawn, &spec);
}

/* In us; 0 if it did nothing */
static double unit_us(const struct peer *p, size_t i)
{
	const struct wire_report *r = &p->reply.reports[i].r;

	return r->units ? r->cpu_ns / 1000.0 / r->units : 0;
}

static int measure(struct peer *p, const char *cpu, double *full, double *bare)
{
	int ret;

	ret = spawn(p, "full", cpu, 0) ?:
	      spawn(p, "bare", cpu, WIRE_SPAWN_BARE) ?:
	      CALL(control_start, NULL, 0, ROUND_NS, GRACE_NS) ?:
	      CALL(control_stop, NULL, 0, GRACE_NS, GRACE_NS);
	if (ret)
		return ret;
	if (p->reply.nr_reports != 2)
		return errmsg_set(&p->err, ERRMSG_FAILED, 0, "%zu workers came back, not 2",
				  p->reply.nr_reports);
	*full = unit_us(p, 0);
	*bare = unit_us(p, 1);
	if (*full > 0 && *bare > 0)
		return 0;
	return errmsg_set(&p->err, ERRMSG_FAILED, 0, "CPU %s had no time for both workers", cpu);
}

static int measure_all(struct peer *p)
{
	static double full[BENCH_MAX_RUNS * ROUNDS], bare[BENCH_MAX_RUNS * ROUNDS];
	static double ratio[BENCH_MAX_RUNS * ROUNDS];
	unsigned int nr = bench_runs() * ROUNDS, i;
	double value;
	char cpu[16];
	int ret;

	last_cpu(cpu);
	ret = control_wait_hello(&p->c, 10 * SEC, &p->err);
	for (i = 0; i < nr && !ret; i++) {
		ret = measure(p, cpu, &full[i], &bare[i]);
		ratio[i] = full[i] / bare[i];
	}
	if (ret)
		return ret;
	/* Of the ratios, as the CPU is faster at one time than at another */
	value = bench_median(bare, nr) * bench_median(ratio, nr);
	printf("# measuring: %u rounds, half of their ratios from %.3f to %.3f\n", nr,
	       ratio[nr / 4], ratio[nr * 3 / 4]);
	bench_line("measuring", value, "us", bench_median(bare, nr), "bare", 1.01);
	return 0;
}

int main(void)
{
	struct peer p = {};
	int ret;

	if (!agent_start(&p)) {
		fprintf(stderr, "# measuring: cannot start ktstr_agent\n");
		return EXIT_FAILURE;
	}
	p.c.timeout_ns = 30 * SEC;
	ret = measure_all(&p);
	if (ret)
		fprintf(stderr, "# measuring: %s\n", p.err.text);
	agent_stop(&p);
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
