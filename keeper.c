// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keeper.h"

static void serve_all(const struct keeper *k, int sock)
{
	void *request = malloc(k->request_size), *answer = malloc(k->answer_size);

	while (request && answer &&
	       recv(sock, request, k->request_size, 0) == (ssize_t)k->request_size) {
		memset(answer, 0, k->answer_size);
		k->serve(k->ctx, request, answer);
		fflush(stdout);
		if (send(sock, answer, k->answer_size, MSG_NOSIGNAL) < 0)
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
	/* What is in the buffer is not to be written twice. */
	fflush(stdout);
	switch (fork()) {
	case -1:
		ret = -errno;
		close(socks[0]);
		close(socks[1]);
		return ret;
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
}

int keeper_ask(const struct keeper *k, const void *request, void *answer)
{
	ssize_t n;

	/* The keeper's lines come after those that were printed before. */
	fflush(stdout);
	if (send(k->sock, request, k->request_size, MSG_NOSIGNAL) < 0)
		return -errno;
	n = recv(k->sock, answer, k->answer_size, 0);
	if (n < 0)
		return -errno;
	return n == (ssize_t)k->answer_size ? 0 : -EPIPE;
}
