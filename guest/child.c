// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"

void child_get_argv(struct wire_reader *r, char *argv[WIRE_MAX_ARGS + 1])
{
	u32 i, n = wire_get_u32(r);

	if (!n || n > WIRE_MAX_ARGS)
		r->bad = true;
	for (i = 0; i < n && !r->bad; i++)
		argv[i] = (char *)wire_get_str(r);
	argv[r->bad ? 0 : n] = NULL;
}

static int spawn(pid_t *pid, int out, char *const argv[])
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int ret;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	posix_spawn_file_actions_adddup2(&actions, out, 2);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP |
				 POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	ret = posix_spawnp(pid, argv[0], &actions, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -ret;
}

int child_start(struct child *c, char *const argv[])
{
	int pipes[2];
	pid_t pid;
	int ret;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	/* Only our end: a program may not expect that its stdout is. */
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);

	ret = spawn(&pid, pipes[1], argv);
	close(pipes[1]);
	if (ret) {
		close(pipes[0]);
		return ret;
	}
	*c = (struct child) { .pid = pid, .fd = pipes[0] };
	return 0;
}

bool child_reaped(struct child *c, pid_t pid, int status)
{
	if (!child_alive(c) || c->pid != pid)
		return false;
	c->ended = true;
	c->status = status;
	return true;
}

size_t child_read(struct child *c, void *buf, size_t size)
{
	ssize_t n;

	if (!c->pid || c->fd < 0)
		return 0;
	n = read(c->fd, buf, size);
	if (n > 0)
		return n;
	if (n == 0 || errno != EAGAIN)
		child_close(c);
	return 0;
}

void child_kill(const struct child *c, int sig)
{
	if (child_alive(c))
		kill(-c->pid, sig);
}

void child_close(struct child *c)
{
	if (c->pid && c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

const char *child_end(int status)
{
	static char text[64];

	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "was killed by SIG%s",
			 sigabbrev_np(WTERMSIG(status)) ?: "?");
	else
		snprintf(text, sizeof(text), "ended with exit status %d",
			 WEXITSTATUS(status));
	return text;
}
