// SPDX-License-Identifier: GPL-2.0
/* Every item once, by as many threads as there are CPUs, and no thread left. */
#include <errno.h>
#include <linux/kernel.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "harness.h"
#include "parallel.h"
#include "testutil.h"

#define MAX_ITEMS	4096

/* Who did what; the threads write to entries of their own */
struct log {
	pid_t tids[MAX_ITEMS];
	unsigned int times[MAX_ITEMS];
	unsigned int fail_from;
	unsigned int run;
	unsigned int wait_for;
	atomic_uint threads;
	atomic_bool signals_open;
};

/* The work is over in no time: nobody goes on before all threads have come. */
static void arrive(struct log *log)
{
	static __thread unsigned int last_run;
	const u64 deadline = clock_ns() + PATIENCE_NS;
	sigset_t blocked;

	if (last_run == log->run)
		return;
	last_run = log->run;
	atomic_fetch_add(&log->threads, 1);
	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	if (gettid() != getpid() && !sigismember(&blocked, SIGINT))
		atomic_store(&log->signals_open, true);
	while (atomic_load(&log->threads) < log->wait_for && clock_ns() < deadline)
		usleep(100);
}

static int share(void *ctx, unsigned int first, unsigned int end, struct errmsg *err)
{
	struct log *log = ctx;
	unsigned int i;

	arrive(log);
	for (i = first; i < end; i++) {
		log->tids[i] = gettid();
		log->times[i]++;
		if (i >= log->fail_from)
			return errmsg_set(err, ERRMSG_HOST, ENOMEM, "item %u", i);
	}
	return 0;
}

static const struct parallel_work eights = { .share = share, .min_share = 8 };

static struct log logged;

static int run_on(unsigned int threads, unsigned int nr, unsigned int fail_from,
		  struct errmsg *err)
{
	const unsigned int runs = logged.run;

	memset(&logged, 0, sizeof(logged));
	memset(err, 0, sizeof(*err));
	logged.run = runs + 1;
	logged.fail_from = fail_from;
	logged.wait_for = threads;
	return parallel_run(&eights, &logged, nr, err);
}

static int run(unsigned int nr, unsigned int fail_from, struct errmsg *err)
{
	return run_on(min(max(nr / 8, 1U), min(parallel_cpus(), PARALLEL_MAX_THREADS + 0U)),
		      nr, fail_from, err);
}

static void expect_all(struct __test_metadata *_metadata, unsigned int nr)
{
	struct errmsg err;
	unsigned int i;

	ASSERT_EQ(0, run(nr, MAX_ITEMS, &err));
	EXPECT_STREQ("", err.text);
	EXPECT_FALSE(atomic_load(&logged.signals_open));
	for (i = 0; i < MAX_ITEMS; i++) {
		ASSERT_EQ(i < nr, logged.times[i]) {
			TH_LOG("item %u of %u was done %u times", i, nr, logged.times[i]);
		}
	}
}

TEST(every_item_once)
{
	unsigned int nr;

	for (nr = 0; nr < 100; nr++)
		expect_all(_metadata, nr);
	expect_all(_metadata, 1023);
	expect_all(_metadata, MAX_ITEMS);
}

TEST(as_many_threads_as_useful)
{
	unsigned int nr;

	ASSERT_LE(1, parallel_cpus());
	for (nr = 1; nr <= 16 * PARALLEL_MAX_THREADS; nr++) {
		expect_all(_metadata, nr);
		EXPECT_EQ(logged.wait_for, atomic_load(&logged.threads)) {
			TH_LOG("%u items", nr);
		}
	}
}

/* What a cpuset or taskset(1) leaves is what counts. */
TEST(one_cpu)
{
	cpu_set_t mine, one;
	int cpu = 0;

	ASSERT_EQ(0, sched_getaffinity(0, sizeof(mine), &mine));
	while (!CPU_ISSET(cpu, &mine))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	EXPECT_EQ(1, parallel_cpus());
	expect_all(_metadata, MAX_ITEMS);
	EXPECT_EQ(1, atomic_load(&logged.threads));
	EXPECT_EQ(getpid(), logged.tids[0]);
}

TEST(first_failure)
{
	struct errmsg err;

	/* Each thread's first items fail: the lowest of them count, and are the last. */
	EXPECT_EQ(-ENOMEM, run(MAX_ITEMS, 0, &err));
	EXPECT_EQ(ERRMSG_HOST, err.kind);
	EXPECT_EQ(0, strncmp(err.text, "item 0: ENOMEM", 14)) {
		TH_LOG("%s", err.text);
	}
	EXPECT_EQ(0, logged.times[MAX_ITEMS - 1]);

	/* Only the last one fails: the others have been done by then. */
	EXPECT_EQ(-ENOMEM, run(MAX_ITEMS, MAX_ITEMS - 1, &err));
	EXPECT_EQ(0, strncmp(err.text, "item 4095: ENOMEM", 17)) {
		TH_LOG("%s", err.text);
	}
	EXPECT_EQ(1, logged.times[0]);
	EXPECT_EQ(1, logged.times[MAX_ITEMS - 2]);
}

/* No room for a stack: the caller does it all. */
TEST(no_threads)
{
	struct rlimit old;
	struct errmsg err;
	int ret;

	if (with_asan())
		SKIP(return, "a sanitizer needs address space of its own");
	ASSERT_EQ(0, getrlimit(RLIMIT_AS, &old));
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &(struct rlimit){ 0, old.rlim_max }));
	ret = run_on(1, MAX_ITEMS, MAX_ITEMS, &err);
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &old));
	EXPECT_EQ(0, ret);
	EXPECT_EQ(1, atomic_load(&logged.threads));
	EXPECT_EQ(1, logged.times[MAX_ITEMS - 1]);
}

TEST_HARNESS_MAIN
