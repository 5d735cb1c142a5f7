// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "parallel.h"

/* A share calls a few functions and the kernel; the default is 8 MiB each. */
#define STACK_SIZE	(64 * 1024)

/* Items are handed out in parts: who is kept from working has few to be waited for. */
#define PARTS_OF_SHARE	4

struct run {
	const struct parallel_work *work;
	void *ctx;
	unsigned int nr;
	unsigned int part;
	atomic_uint next;
	atomic_bool failed;
};

struct worker {
	struct run *run;
	pthread_t thread;
	bool started;
	unsigned int first;	/* of the items that failed, if @ret says so */
	int ret;
	struct errmsg err;
};

unsigned int parallel_cpus(void)
{
	cpu_set_t mine;

	if (!sched_getaffinity(0, sizeof(mine), &mine))
		return CPU_COUNT(&mine);
	/* The mask is too small for this host: it has more CPUs than anyone uses. */
	return max(sysconf(_SC_NPROCESSORS_ONLN), 1L);
}

static void *run_worker(void *arg)
{
	struct worker *worker = arg;
	struct run *run = worker->run;
	unsigned int first;

	while (!worker->ret && !atomic_load(&run->failed)) {
		first = atomic_fetch_add(&run->next, run->part);
		if (first >= run->nr)
			break;
		worker->first = first;
		worker->ret = run->work->share(run->ctx, first, min(first + run->part, run->nr),
					       &worker->err);
	}
	if (worker->ret)
		atomic_store(&run->failed, true);
	return NULL;
}

/* Signals are for the program's own threads. */
static void start_workers(struct worker *workers, unsigned int nr)
{
	sigset_t all, old;
	pthread_attr_t attr;
	unsigned int i;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	for (i = 0; i < nr; i++)
		workers[i].started = !pthread_create(&workers[i].thread, &attr, run_worker,
						     &workers[i]);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

int parallel_run(const struct parallel_work *work, void *ctx, unsigned int nr,
		 struct errmsg *err)
{
	unsigned int threads = min(nr / work->min_share, (unsigned int)PARALLEL_MAX_THREADS);
	struct worker workers[PARALLEL_MAX_THREADS];
	const struct worker *failed = NULL;
	struct run run = {
		.work = work,
		.ctx = ctx,
		.nr = nr,
		.part = max(work->min_share / PARTS_OF_SHARE, 1U),
	};
	unsigned int i;

	threads = min(threads, parallel_cpus());
	if (threads < 2)
		return work->share(ctx, 0, nr, err);

	for (i = 0; i < threads; i++)
		workers[i] = (struct worker) { .run = &run };
	start_workers(workers + 1, threads - 1);
	run_worker(&workers[0]);
	for (i = 0; i < threads; i++) {
		if (workers[i].started)
			pthread_join(workers[i].thread, NULL);
		if (workers[i].ret && (!failed || workers[i].first < failed->first))
			failed = &workers[i];
	}
	if (!failed)
		return 0;
	*err = failed->err;
	return failed->ret;
}
