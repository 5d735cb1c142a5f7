// SPDX-License-Identifier: GPL-2.0
/* A keeper keeps what it has from one process that asks to the next. */
#include <errno.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper.h"
#include "harness.h"
#include "patience.h"

/* ADD_LATER: once the test lets it */
enum { ADD, ADD_LATER, DIE };

struct request {
	int what;
	int number;
};

struct answer {
	int sum;
	int zero;	/* which answers are before they are made */
	pid_t pid;
};

/*
 * @ended is a pipe, into which the keeper writes at its end; into @begun it writes when
 * it is at work on ADD_LATER, for which it waits to read from @go.
 */
struct sum {
	int value;
	int ended[2];
	int begun[2];
	int go[2];
};

static void serve(void *ctx, const void *data, void *answer)
{
	const struct request *request = data;
	struct sum *sum = ctx;
	struct answer *a = answer;

	char byte;

	if (request->what == DIE)
		_exit(1);
	if (request->what == ADD_LATER &&
	    (write(sum->begun[1], "b", 1) != 1 || read(sum->go[0], &byte, 1) != 1))
		abort();
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
	ASSERT_EQ(0, pipe(self->sum.begun));
	ASSERT_EQ(0, pipe(self->sum.go));
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

/* A process that asks; its exit status is what it was answered */
static pid_t start_asker(const struct keeper *k, int what, int number)
{
	const struct request request = { what, number };
	pid_t pid = fork();
	struct answer a;

	if (!pid)
		_exit(keeper_ask(k, &request, &a) ? 255 : a.sum);
	return pid;
}

static void kill_asker(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Until another request waits for the keeper than those of @bytes */
static bool is_queued(const struct keeper *k, int *bytes)
{
	int before = *bytes;

	return wait_until(!ioctl(k->sock, SIOCOUTQ, bytes) && *bytes > before);
}

/*
 * The harness kills a test that takes too long. What the keeper has begun for it goes
 * on, but the answer is not the next test's; what it has not begun, it leaves.
 */
TEST_F(keeper, asker_is_killed)
{
	int status, bytes = 0;
	pid_t pid;
	char byte;

	ASSERT_EQ(0, keeper_start(&self->k));
	pid = start_asker(&self->k, ADD_LATER, 1);
	ASSERT_EQ(1, read(self->sum.begun[0], &byte, 1));
	kill_asker(pid);
	pid = start_asker(&self->k, ADD, 100);
	EXPECT_EQ(true, is_queued(&self->k, &bytes));
	kill_asker(pid);
	pid = start_asker(&self->k, ADD, 20);
	EXPECT_EQ(true, is_queued(&self->k, &bytes));
	ASSERT_EQ(1, write(self->sum.go[1], "g", 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(21, WEXITSTATUS(status));
	/* The one after that has nothing to clear away any more. */
	pid = start_asker(&self->k, ADD, 3);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(24, WEXITSTATUS(status));
}

/* Also if the answer was there before the next one has asked */
TEST_F(keeper, answer_is_left)
{
	int i, status;
	pid_t pid;
	char byte;

	ASSERT_EQ(0, keeper_start(&self->k));
	for (i = 0; i < 3; i++) {
		pid = start_asker(&self->k, ADD_LATER, 1);
		ASSERT_EQ(1, read(self->sum.begun[0], &byte, 1));
		kill_asker(pid);
		ASSERT_EQ(1, write(self->sum.go[1], "g", 1));
		/* It is served after the other: both answers are there then. */
		pid = start_asker(&self->k, ADD_LATER, 1);
		ASSERT_EQ(1, read(self->sum.begun[0], &byte, 1));
		kill_asker(pid);
		ASSERT_EQ(1, write(self->sum.go[1], "g", 1));
	}
	pid = start_asker(&self->k, ADD, 10);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(16, WEXITSTATUS(status));
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
