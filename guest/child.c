// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"

void child_get_argv(struct wire_reader *r, char *argv[WIRE_MAX_ARGS + 1])
{
	u32 n = wire_get_strs(r, (const char **)argv, WIRE_MAX_ARGS);

	if (!n)
		r->bad = true;
	argv[n] = NULL;
}

int cgroup_open(const char *path, int *fd)
{
	*fd = -1;
	if (!*path)
		return 0;
	*fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *fd < 0 ? -errno : 0;
}

pid_t fork_into(int cgroup_fd)
{
	/*
	 * In its cgroup from the start: moving a task afterwards waits for all
	 * CPUs. Otherwise this is fork(2).
	 */
	struct clone_args args = {
		.flags = cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0,
		.exit_signal = SIGCHLD,
		.cgroup = cgroup_fd >= 0 ? cgroup_fd : 0,
	};

	return syscall(SYS_clone3, &args, sizeof(args));
}

static int check_program(const char *path)
{
	struct stat st;

	if (access(path, X_OK) || stat(path, &st))
		return -errno;
	return S_ISREG(st.st_mode) ? 0 : -EACCES;
}

/* As execvp(3) would find it */
static int find_program(const char *name, char path[PATH_MAX])
{
	const char *dirs = getenv("PATH") ?: "/usr/bin:/bin";
	int ret = -ENOENT, err, len;

	if (strchr(name, '/')) {
		snprintf(path, PATH_MAX, "%s", name);
		return check_program(path);
	}
	for (; *dirs; dirs += len + !!dirs[len]) {
		len = strcspn(dirs, ":");
		snprintf(path, PATH_MAX, "%.*s/%s", len, dirs, name);
		err = check_program(path);
		if (!err)
			return 0;
		if (err == -EACCES)
			ret = err;
	}
	return ret;
}

static void become_program(const char *path, char *const argv[], int out)
{
	sigset_t none;
	int sig;

	setpgid(0, 0);
	for (sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execv(path, argv);
	dprintf(STDERR_FILENO, "execute %s: %s\n", path, strerror(errno));
	_exit(127);
}

/*
 * Not vfork(2) or posix_spawn(3): these would wait until the child has executed
 * its program, which it never does under a scheduler that forgets it.
 */
int child_start(struct child *c, char *const argv[], const char *cgroup)
{
	char path[PATH_MAX];
	int pipes[2], cgroup_fd, ret;
	pid_t pid;

	ret = find_program(argv[0], path) ?: cgroup_open(cgroup, &cgroup_fd);
	if (ret)
		return ret;
	ret = pipe2(pipes, O_CLOEXEC) ? -errno : 0;
	if (ret)
		goto close_cgroup;
	/* Only our end: a program may not expect that its stdout is. */
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);

	pid = fork_into(cgroup_fd);
	if (!pid)
		become_program(path, argv, pipes[1]);
	ret = pid < 0 ? -errno : 0;
	close(pipes[1]);
	if (ret) {
		close(pipes[0]);
		goto close_cgroup;
	}
	/* Whoever comes first: the group is there before we can want to kill it. */
	setpgid(pid, pid);
	*c = (struct child) { .pid = pid, .fd = pipes[0] };
close_cgroup:
	if (cgroup_fd >= 0)
		close(cgroup_fd);
	return ret;
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

bool child_keep(struct child *c, char *buf, size_t *len, size_t keep)
{
	size_t n;

	if (*len > keep) {
		memmove(buf, buf + *len - keep, keep);
		*len = keep;
	}
	n = child_read(c, buf + *len, 2 * keep - *len);
	*len += n;
	return n;
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
