// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/kernel.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keeper.h"

/* Requests, and the answers to them, begin with the request's number. */
static int send_numbered(int sock, u64 number, const void *data, size_t size)
{
	struct iovec parts[] = {
		{ .iov_base = &number, .iov_len = sizeof(number) },
		{ .iov_base = (void *)data, .iov_len = size },
	};
	const struct msghdr msg = { .msg_iov = parts, .msg_iovlen = ARRAY_SIZE(parts) };

	return sendmsg(sock, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int receive_numbered(int sock, u64 *number, void *data, size_t size)
{
	struct iovec parts[] = {
		{ .iov_base = number, .iov_len = sizeof(*number) },
		{ .iov_base = data, .iov_len = size },
	};
	struct msghdr msg = { .msg_iov = parts, .msg_iovlen = ARRAY_SIZE(parts) };
	ssize_t n = recvmsg(sock, &msg, 0);

	if (n < 0)
		return -errno;
	return n == (ssize_t)(sizeof(*number) + size) ? 0 : -EPIPE;
}

static void serve_all(const struct keeper *k, int sock)
{
	void *request = malloc(k->request_size), *answer = malloc(k->answer_size);
	u64 number;

	while (request && answer &&
	       !receive_numbered(sock, &number, request, k->request_size)) {
		/* One process asks at a time: who has asked before another one is gone. */
		if (number != __atomic_load_n(k->newest, __ATOMIC_SEQ_CST))
			continue;
		memset(answer, 0, k->answer_size);
		k->serve(k->ctx, request, answer);
		fflush(stdout);
		if (send_numbered(sock, number, answer, k->answer_size))
			break;
	}
	k->end(k->ctx);
	free(request);
	free(answer);
}

int keeper_start(struct keeper *k)
{
	pid_t parent = getpid();
	int socks[2], ret;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks))
		return -errno;
	k->newest = mmap(NULL, sizeof(*k->newest), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (k->newest == MAP_FAILED) {
		ret = -errno;
		goto close_socks;
	}
	/* What is in the buffer is not to be written twice. */
	fflush(stdout);
	switch (fork()) {
	case -1:
		ret = -errno;
		munmap(k->newest, sizeof(*k->newest));
		goto close_socks;
	case 0:
		close(socks[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			serve_all(k, socks[1]);
		_exit(0);
	}
	close(socks[1]);
	k->sock = socks[0];
	return 0;

close_socks:
	close(socks[0]);
	close(socks[1]);
	return ret;
}

int keeper_ask(const struct keeper *k, const void *request, void *answer)
{
	u64 number = __atomic_add_fetch(k->newest, 1, __ATOMIC_SEQ_CST), answered;
	int ret;

	/* The keeper's lines come after those that were printed before. */
	fflush(stdout);
	ret = send_numbered(k->sock, number, request, k->request_size);
	if (ret)
		return ret;
	/* Each request has one answer at most: there are no more than @number to read. */
	do
		ret = receive_numbered(k->sock, &answered, answer, k->answer_size);
	while (!ret && answered < number);
	return ret;
}
