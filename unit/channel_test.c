// SPDX-License-Identifier: GPL-2.0
/* Channels: order, bounds, ends of streams, and a reader and writer at once. */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "channel.h"
#include "clock.h"
#include "harness.h"
#include "virtio_driver.h"

#define SIZE	1000

FIXTURE(channel) {
	struct channel c;
	int resume_fd;	/* counts calls of resume() */
};

static void on_resume(void *ctx)
{
	eventfd_write(*(int *)ctx, 1);
}

FIXTURE_SETUP(channel)
{
	struct errmsg err;

	self->resume_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_LE(0, self->resume_fd);
	ASSERT_EQ(0, channel_init(&self->c, SIZE, on_resume, &self->resume_fd, &err));
}

FIXTURE_TEARDOWN(channel)
{
	channel_destroy(&self->c);
	channel_destroy(&self->c);
	close(self->resume_fd);
}

static u64 resumes(int fd)
{
	eventfd_t count = 0;

	eventfd_read(fd, &count);
	return count;
}

/* Pieces of all sizes, many times around the ring */
TEST_F(channel, order)
{
	u8 buf[SIZE], in = 0, out = 0;
	size_t i, n, len = 0;
	u64 seed = 1;
	int round;

	for (round = 0; round < 10000; round++) {
		n = test_random(&seed) % SIZE;
		for (i = 0; i < n; i++)
			buf[i] = in + i;
		n = channel_write(&self->c, buf, n);
		in += n;
		len += n;
		ASSERT_GE(SIZE, len);
		n = test_random(&seed) % SIZE + 1;
		if (!len)
			continue;
		ASSERT_EQ((ssize_t)min(n, len), channel_read(&self->c, buf, n, 0));
		n = min(n, len);
		len -= n;
		for (i = 0; i < n; i++)
			ASSERT_EQ((u8)(out + i), buf[i]);
		out += n;
	}
}

TEST_F(channel, full)
{
	u8 buf[2 * SIZE] = {};

	EXPECT_EQ(SIZE, channel_write(&self->c, buf, sizeof(buf)));
	EXPECT_EQ(0, channel_write(&self->c, buf, 1));
	EXPECT_EQ(0, resumes(self->resume_fd));
	EXPECT_EQ(10, channel_read(&self->c, buf, 10, 0));
	EXPECT_EQ(1, resumes(self->resume_fd));
	/* Nobody waits for room any more. */
	EXPECT_EQ(10, channel_read(&self->c, buf, 10, 0));
	EXPECT_EQ(0, resumes(self->resume_fd));
	EXPECT_EQ(20, channel_write(&self->c, buf, 20));
	EXPECT_EQ(1, channel_read(&self->c, buf, 1, 0));
	EXPECT_EQ(0, resumes(self->resume_fd));
}

TEST_F(channel, nothing_to_read)
{
	u64 start = clock_ns();
	u8 byte;

	EXPECT_EQ(-ETIMEDOUT, channel_read(&self->c, &byte, 1, 0));
	EXPECT_EQ(-ETIMEDOUT, channel_read(&self->c, &byte, 1, 20 * NSEC_PER_MSEC));
	EXPECT_LE(20 * NSEC_PER_MSEC, clock_ns() - start);
}

/* One stream after the other: the writer waits until the reader has seen the end. */
TEST_F(channel, streams)
{
	u8 buf[16];

	EXPECT_EQ(3, channel_write(&self->c, "one", 3));
	channel_close(&self->c);
	EXPECT_EQ(0, channel_write(&self->c, "two", 3));
	EXPECT_EQ(3, channel_read(&self->c, buf, sizeof(buf), 0));
	EXPECT_EQ(1, resumes(self->resume_fd));
	EXPECT_EQ(0, channel_write(&self->c, "two", 3));
	EXPECT_EQ(0, channel_read(&self->c, buf, sizeof(buf), 0));
	EXPECT_EQ(1, resumes(self->resume_fd));
	EXPECT_EQ(3, channel_write(&self->c, "two", 3));
	EXPECT_EQ(3, channel_read(&self->c, buf, sizeof(buf), 0));
	EXPECT_EQ(-ETIMEDOUT, channel_read(&self->c, buf, sizeof(buf), 0));
}

/* After the end of all streams what is there can be read, and then no more. */
TEST_F(channel, end_of_all)
{
	u8 buf[16];

	EXPECT_EQ(4, channel_write(&self->c, "last", 4));
	channel_end(&self->c);
	EXPECT_EQ(4, channel_read(&self->c, buf, sizeof(buf), 0));
	EXPECT_EQ(0, channel_read(&self->c, buf, sizeof(buf), ~0ULL >> 1));
	EXPECT_EQ(0, channel_read(&self->c, buf, sizeof(buf), ~0ULL >> 1));
}

#define TOTAL	3000000

struct writer {
	struct channel *c;
	int resume_fd;
};

/* As an I/O thread: never waits in the channel, but for its resume(). */
static void *writer_thread(void *arg)
{
	struct writer *w = arg;
	u8 buf[300];
	u32 at = 0;

	while (at < TOTAL) {
		size_t n = min_t(size_t, sizeof(buf), TOTAL - at), i;

		for (i = 0; i < n; i++)
			buf[i] = (at + i) * 2654435761U >> 24;
		i = channel_write(w->c, buf, n);
		at += i;
		if (i < n && !fd_readable(w->resume_fd, 60000))
			break;
		if (i < n)
			resumes(w->resume_fd);
	}
	channel_close(w->c);
	return NULL;
}

TEST_F(channel, threads)
{
	struct writer w = { &self->c, self->resume_fd };
	pthread_t thread;
	u8 buf[777];
	u32 at = 0;
	ssize_t n, i;

	ASSERT_EQ(0, pthread_create(&thread, NULL, writer_thread, &w));
	while ((n = channel_read(&self->c, buf, sizeof(buf), PATIENCE_NS)) > 0) {
		for (i = 0; i < n; i++, at++)
			ASSERT_EQ((u8)(at * 2654435761U >> 24), buf[i]);
	}
	EXPECT_EQ(0, n);
	EXPECT_EQ(TOTAL, at);
	pthread_join(thread, NULL);
}

TEST_HARNESS_MAIN
