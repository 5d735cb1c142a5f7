// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <linux/types.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "parallel.h"

/* A share calls a few functions and the kernel; the default is 8 MiB each. */
#define STACK_SIZE	(64 * 1024)

struct share {
	const struct parallel_work *work;
	void *ctx;
	unsigned int first;
	unsigned int end;
	pthread_t thread;
	bool started;
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

static void *run_share(void *arg)
{
	struct share *share = arg;

	share->ret = share->work->share(share->ctx, share->first, share->end, &share->err);
	return NULL;
}

/* Signals are for the program's own threads. */
static void start_shares(struct share *shares, unsigned int nr)
{
	sigset_t all, old;
	pthread_attr_t attr;
	unsigned int i;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	for (i = 0; i < nr; i++)
		shares[i].started = !pthread_create(&shares[i].thread, &attr, run_share,
						    &shares[i]);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

int parallel_run(const struct parallel_work *work, void *ctx, unsigned int nr,
		 struct errmsg *err)
{
	unsigned int threads = min(nr / work->min_share, (unsigned int)PARALLEL_MAX_THREADS);
	struct share shares[PARALLEL_MAX_THREADS];
	unsigned int i;

	threads = min(threads, parallel_cpus());
	if (threads < 2)
		return work->share(ctx, 0, nr, err);

	for (i = 0; i < threads; i++)
		shares[i] = (struct share) {
			.work = work,
			.ctx = ctx,
			.first = (u64)nr * i / threads,
			.end = (u64)nr * (i + 1) / threads,
		};
	start_shares(shares + 1, threads - 1);
	for (i = 0; i < threads; i++)
		if (!shares[i].started)
			run_share(&shares[i]);
	for (i = 0; i < threads; i++)
		if (shares[i].started)
			pthread_join(shares[i].thread, NULL);

	for (i = 0; i < threads; i++) {
		if (!shares[i].ret)
			continue;
		*err = shares[i].err;
		return shares[i].ret;
	}
	return 0;
}
