/* SPDX-License-Identifier: GPL-2.0 */
/* The guest agent as a process of a test, at the other end of a socket */
#ifndef KTSTR_AGENT_PEER_H
#define KTSTR_AGENT_PEER_H

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "patience.h"

#define SEC	NSEC_PER_SEC
#define MSEC	NSEC_PER_MSEC

/* An agent, or somebody in its place, and the conversation with it */
struct peer {
	struct control c;
	struct control_reply reply;
	struct errmsg err;
	int fd;			/* of the conversation */
	int other_fd;		/* where the agent would be */
	pid_t pid;
	int log_fd;		/* the agent's stderr */
	char dir[64];		/* for files of the test */
	/* Called by the agent's process before it executes @path; may be NULL */
	void (*before_exec)(const struct peer *p, const char *path);
	const void *arg;	/* for that function */
};

/*
 * A report's flags, but for that of a worker that got no CPU before its end, as any may
 * on a busy host: agent_test.c has its own test of that.
 */
static inline u32 flags_of(const struct wire_report *r)
{
	return r->flags & ~WIRE_REPORT_NEVER_RAN;
}

static bool send_all(int fd, const void *data, size_t len)
{
	return send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static int peer_send(void *ctx, const void *data, size_t len)
{
	struct peer *p = ctx;

	return send_all(p->fd, data, len) ? 0 : -errno;
}

static ssize_t peer_recv(void *ctx, void *data, size_t len, u64 timeout_ns)
{
	struct peer *p = ctx;
	struct pollfd pfd = { .fd = p->fd, .events = POLLIN };
	struct timespec ts = {
		.tv_sec = timeout_ns / SEC,
		.tv_nsec = timeout_ns % SEC,
	};
	ssize_t n;

	if (!ppoll(&pfd, 1, &ts, NULL))
		return -ETIMEDOUT;
	n = recv(p->fd, data, len, 0);
	/* The agent died with requests unread. */
	if (n < 0 && errno == ECONNRESET)
		return 0;
	return n < 0 ? -errno : n;
}

static const struct control_ops peer_ops = { peer_send, peer_recv };

/* A conversation with nobody at the other end yet */
static inline bool peer_open(struct peer *p)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return false;
	p->fd = fds[0];
	p->other_fd = fds[1];
	control_init(&p->c, &peer_ops, p, PATIENCE_NS);
	return true;
}

static void agent_path(char *path, size_t size)
{
	const char *env = getenv("KTSTR_AGENT");
	char self[4096];
	ssize_t n;

	if (env) {
		snprintf(path, size, "%s", env);
		return;
	}
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n < 0 ? 0 : n] = '\0';
	snprintf(path, size, "%s/ktstr_agent", dirname(self));
}

static inline void write_file(struct peer *p, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	f = fopen(path, "w");
	if (!f)
		return;
	fputs(text, f);
	fclose(f);
}

static void exec_agent(struct peer *p, int log_fd)
{
	char path[4200], fd[16], kmsg[128];

	agent_path(path, sizeof(path));
	snprintf(fd, sizeof(fd), "%d", p->other_fd);
	snprintf(kmsg, sizeof(kmsg), "%s/kmsg", p->dir);
	dup2(log_fd, STDERR_FILENO);
	fcntl(p->other_fd, F_SETFD, 0);
	if (p->before_exec)
		p->before_exec(p, path);
	execl(path, "ktstr_agent", "--fd", fd, "--scx", p->dir, "--kmsg", kmsg,
	      "--root", p->dir, (char *)NULL);
	dprintf(STDERR_FILENO, "%s: %s", path, strerror(errno));
	_exit(127);
}

/* Start the agent; it sees a sched_ext and a kernel log of our making. */
static inline bool agent_start(struct peer *p)
{
	char ops[128];
	int pipes[2];

	snprintf(p->dir, sizeof(p->dir), "/tmp/agent_test.XXXXXX");
	if (!mkdtemp(p->dir) || !peer_open(p) || pipe2(pipes, O_CLOEXEC))
		return false;
	snprintf(ops, sizeof(ops), "%s/root", p->dir);
	mkdir(ops, 0755);
	write_file(p, "state", "disabled\n");
	write_file(p, "kmsg", "");

	p->log_fd = pipes[0];
	p->pid = fork();
	if (!p->pid)
		exec_agent(p, pipes[1]);
	close(pipes[1]);
	close(p->other_fd);
	p->other_fd = -1;
	return p->pid > 0;
}

/* Wait for the agent's end; returns its wait status and what it said. */
static inline int agent_end(struct peer *p, char *log, size_t size)
{
	int status = 0;
	ssize_t n;

	if (p->pid)
		waitpid(p->pid, &status, 0);
	p->pid = 0;
	n = read(p->log_fd, log, size - 1);
	log[n < 0 ? 0 : n] = '\0';
	return status;
}

static inline void agent_stop(struct peer *p)
{
	char log[256], command[128];

	close(p->fd);
	agent_end(p, log, sizeof(log));
	close(p->log_fd);
	control_reply_free(&p->reply);
	control_destroy(&p->c);
	snprintf(command, sizeof(command), "rm -rf %s", p->dir);
	if (system(command))
		fprintf(stderr, "# %s failed\n", command);
}

/* Call a function of control.h for p; its answer replaces the last one. */
#define CALL(fn, ...) ({						\
	control_reply_free(&p->reply);					\
	fn(&p->c, ##__VA_ARGS__, &p->reply, &p->err);			\
})

/* Make workers in the agent's cgroup, without anything special. */
#define SPAWN(group, nr, work_type)						\
	CALL(control_spawn, (&(struct wire_spawn) {				\
		.name = group, .count = nr, .phases[0].work = work_type,		\
	}))

/* Run one group for @ns; its reports are in the reply then. */
static inline int peer_run(struct peer *p, const struct wire_spawn *spawn, u64 ns)
{
	return CALL(control_spawn, spawn) ?:
	       CALL(control_start, NULL, 0, ns, PATIENCE_NS) ?:
	       CALL(control_stop, NULL, 0, PATIENCE_NS, PATIENCE_NS);
}

#define RUN_NS		(150 * MSEC)
#define MAX_RUN_NS	(40 * SEC)

/* The same, for longer and longer, until it came to what they are to do. */
static inline int peer_run_until(struct peer *p, const struct wire_spawn *spawn,
				 bool (*seen)(const struct peer *p))
{
	int ret = 0;
	u64 ns;

	for (ns = RUN_NS; ns < MAX_RUN_NS && !ret; ns *= 2) {
		ret = peer_run(p, spawn, ns);
		if (!ret && seen(p))
			break;
	}
	return ret;
}

#endif /* KTSTR_AGENT_PEER_H */
