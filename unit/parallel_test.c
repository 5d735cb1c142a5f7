// SPDX-License-Identifier: GPL-2.0
/* Every item once, by as many threads as there are CPUs, and no thread left. */
#include <errno.h>
#include <linux/kernel.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "parallel.h"
#include "testutil.h"

#define MAX_ITEMS	4096

/* Who did what; the threads write to entries of their own */
struct log {
	pid_t tids[MAX_ITEMS];
	unsigned int times[MAX_ITEMS];
	unsigned int fail_from;
	bool signals_open;
};

static int share(void *ctx, unsigned int first, unsigned int end, struct errmsg *err)
{
	struct log *log = ctx;
	sigset_t blocked;
	unsigned int i;

	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	if (gettid() != getpid() && !sigismember(&blocked, SIGINT))
		log->signals_open = true;
	for (i = first; i < end; i++) {
		log->tids[i] = gettid();
		log->times[i]++;
		if (i >= log->fail_from)
			return errmsg_set(err, ERRMSG_HOST, ENOMEM, "item %u", i);
	}
	return 0;
}

static const struct parallel_work eights = { .share = share, .min_share = 8 };

static unsigned int threads(const struct log *log, unsigned int nr)
{
	unsigned int i, threads = 0;

	/* Shares are contiguous. */
	for (i = 0; i < nr; i++)
		threads += !i || log->tids[i] != log->tids[i - 1];
	return threads;
}

static struct log logged;

static void run(struct __test_metadata *_metadata, unsigned int nr)
{
	struct errmsg err = {};
	unsigned int i;

	memset(&logged, 0, sizeof(logged));
	logged.fail_from = MAX_ITEMS;
	ASSERT_EQ(0, parallel_run(&eights, &logged, nr, &err));
	EXPECT_STREQ("", err.text);
	EXPECT_FALSE(logged.signals_open);
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
		run(_metadata, nr);
	run(_metadata, 1023);
	run(_metadata, MAX_ITEMS);
}

TEST(as_many_threads_as_useful)
{
	unsigned int cpus = parallel_cpus(), nr;

	ASSERT_LE(1, cpus);
	for (nr = 1; nr <= 16 * PARALLEL_MAX_THREADS; nr++) {
		unsigned int most = min(max(nr / 8, 1U), min(cpus, PARALLEL_MAX_THREADS + 0U));

		run(_metadata, nr);
		EXPECT_EQ(most, threads(&logged, nr));
		/* The caller works, too. */
		EXPECT_EQ(getpid(), logged.tids[0]);
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
	run(_metadata, MAX_ITEMS);
	EXPECT_EQ(1, threads(&logged, MAX_ITEMS));
}

TEST(first_failure)
{
	struct errmsg err = {};

	memset(&logged, 0, sizeof(logged));
	/* Every share fails at its first item, the caller's among them. */
	EXPECT_EQ(-ENOMEM, parallel_run(&eights, &logged, MAX_ITEMS, &err));
	EXPECT_EQ(ERRMSG_HOST, err.kind);
	EXPECT_EQ(0, strncmp(err.text, "item 0: ENOMEM", 14)) {
		TH_LOG("%s", err.text);
	}

	/* The last one fails only: the others have done theirs. */
	memset(&logged, 0, sizeof(logged));
	logged.fail_from = MAX_ITEMS - 1;
	EXPECT_EQ(-ENOMEM, parallel_run(&eights, &logged, MAX_ITEMS, &err));
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

	if (with_asan())
		SKIP(return, "a sanitizer needs address space of its own");
	ASSERT_EQ(0, getrlimit(RLIMIT_AS, &old));
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &(struct rlimit){ 0, old.rlim_max }));
	run(_metadata, MAX_ITEMS);
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &old));
	EXPECT_EQ(1, threads(&logged, MAX_ITEMS));
}

TEST_HARNESS_MAIN
