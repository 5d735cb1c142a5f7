// SPDX-License-Identifier: GPL-2.0
/* A keeper keeps what it has from one process that asks to the next. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper.h"
#include "kselftest_harness.h"

enum { ADD, DIE };

struct request {
	int what;
	int number;
};

struct answer {
	int sum;
	int zero;	/* which answers are before they are made */
	pid_t pid;
};

/* @ended is a pipe, into which the keeper writes at its end. */
struct sum {
	int value;
	int ended[2];
};

static void serve(void *ctx, const void *data, void *answer)
{
	const struct request *request = data;
	struct sum *sum = ctx;
	struct answer *a = answer;

	if (request->what == DIE)
		_exit(1);
	sum->value += request->number;
	a->sum = sum->value;
	a->pid = getpid();
	a->zero += sum->value;
}

static void end(void *ctx)
{
	struct sum *sum = ctx;

	if (write(sum->ended[1], "e", 1) != 1)
		abort();
}

FIXTURE(keeper)
{
	struct sum sum;
	struct keeper k;
};

FIXTURE_SETUP(keeper)
{
	self->k = (struct keeper){
		.request_size = sizeof(struct request),
		.answer_size = sizeof(struct answer),
		.serve = serve,
		.end = end,
		.ctx = &self->sum,
	};
	ASSERT_EQ(0, pipe(self->sum.ended));
}

FIXTURE_TEARDOWN(keeper)
{
}

TEST_F(keeper, keeps_between_processes)
{
	const struct request add = { ADD, 5 };
	struct answer a;
	int i, status;

	ASSERT_EQ(0, keeper_start(&self->k));
	for (i = 1; i <= 3; i++) {
		if (!fork())
			_exit(keeper_ask(&self->k, &add, &a) || a.sum != 5 * i || a.zero != a.sum);
		ASSERT_LT(0, wait(&status));
		EXPECT_EQ(0, status);
	}
	ASSERT_EQ(0, keeper_ask(&self->k, &add, &a));
	EXPECT_EQ(20, a.sum);
	EXPECT_NE(getpid(), a.pid);
	EXPECT_EQ(0, self->sum.value);
}

TEST_F(keeper, death_is_told)
{
	const struct request die = { DIE, 0 };
	struct answer a;

	ASSERT_EQ(0, keeper_start(&self->k));
	EXPECT_EQ(-EPIPE, keeper_ask(&self->k, &die, &a));
	EXPECT_EQ(-EPIPE, keeper_ask(&self->k, &die, &a));
}

TEST_F(keeper, ends_in_order)
{
	char byte;

	ASSERT_EQ(0, keeper_start(&self->k));
	close(self->k.sock);
	close(self->sum.ended[1]);
	EXPECT_EQ(1, read(self->sum.ended[0], &byte, 1));
}

/* Also if it does not get to see that nobody can ask any more */
TEST_F(keeper, is_killed_with_its_starter)
{
	const struct request add = { ADD, 1 };
	struct answer a;
	char byte;
	pid_t pid;

	pid = fork();
	if (!pid) {
		if (keeper_start(&self->k) || keeper_ask(&self->k, &add, &a))
			_exit(1);
		kill(a.pid, SIGSTOP);
		raise(SIGKILL);
	}
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	close(self->sum.ended[1]);
	/* The keeper had the last of the pipe's other ends, and has not written. */
	EXPECT_EQ(0, read(self->sum.ended[0], &byte, 1));
}

TEST_HARNESS_MAIN
