/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest agent: PID 1 of a guest, at the other end of control.h.
 *
 * One thread, one loop: it waits for requests, for output and ends of its
 * children, and for the times at which something is due. No request keeps it
 * from noticing that the scheduler has left. Each part keeps its own state and
 * has the same few functions: what a request of its types does, which file
 * descriptor to wait for, what to do when a child has ended, and what is due.
 */
#ifndef KTSTR_AGENT_H
#define KTSTR_AGENT_H

#include <linux/compiler.h>
#include <linux/types.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "wire.h"

#define NEVER	(~0ULL)		/* when nothing is due */

/**
 * struct agent_options - what differs in a test that has no guest
 * @scx_dir: "/sys/kernel/sched_ext"
 * @kmsg: "/dev/kmsg"
 * @root: comes before WIRE_CGROUPS and others that WIRE_CLEAN cleans: "";
 *	NULL where there is nothing that it may touch
 */
struct agent_options {
	const char *scx_dir;
	const char *kmsg;
	const char *root;
};

extern struct agent_options agent_options;

/* Is the agent PID 1 of a guest, to which everything there belongs? */
extern bool is_init;

/* What PID 1 sets up, and WIRE_CLEAN once more */
void online_cpus(void);
void leave_sched_ext(void);

/* Say on the console what is wrong; die() also ends the agent, and the guest. */
void warn_user(const char *fmt, ...) __printf(1, 2);
void die(const char *fmt, ...) __printf(1, 2) __noreturn;

/**
 * read_text() - read a small file
 * @path: the file
 * @buf: its content without trailing newlines, NUL-terminated; "" on failure
 * @size: room at @buf
 *
 * Return: 0 or a negative errno.
 */
int read_text(const char *path, char *buf, size_t size);

/* Ports to the host (port.c) */

/* Open a port by its name (WIRE_PORT_NAME); dies if it does not come up. */
int port_open(const char *name);

/**
 * bulk_send() - send a file through the bulk port, and say how much that was
 * @path: the file
 *
 * Return: exit status.
 */
int bulk_send(const char *path);

/* Frames to the host (out.c). They are collected until out_flush(). */

void out_init(int fd);

/* Begin a frame; to be filled with wire_put_*() and ended with out_end(). */
struct wire_writer *out_begin(enum wire_type type, u32 seq);

void out_end(void);

/**
 * out_done() - end an answer
 * @seq: of the request
 * @errnum: what failed, or 0
 * @fmt: what was tried
 */
void out_done(u32 seq, int errnum, const char *fmt, ...) __printf(3, 4);

void out_flush(void);

/* Programs with their output in a pipe (child.c) */

/**
 * struct child - a program; all zero if none was started
 * @pid: of the process, which leads its process group
 * @fd: where its stdout and stderr are read, not blocking; -1 after its end
 * @ended: it has
 * @status: how, see wait(2)
 */
struct child {
	pid_t pid;
	int fd;
	bool ended;
	int status;
};

/* Take argv, as {u32 n, string[n]}; an empty one marks the reader as bad. */
void child_get_argv(struct wire_reader *r, char *argv[WIRE_MAX_ARGS + 1]);

/* Open a cgroup's directory, -1 for ""; returns 0 or a negative errno. */
int cgroup_open(const char *path, int *fd);

/* fork(2) into a cgroup; into that of the agent if @cgroup_fd is -1 */
pid_t fork_into(int cgroup_fd);

/* Start a program in a cgroup, or "" for the agent's; 0 or a negative errno */
int child_start(struct child *c, char *const argv[], const char *cgroup);

static inline bool child_alive(const struct child *c)
{
	return c->pid && !c->ended;
}

/* Is this @c's end? Its output may still be read. */
bool child_reaped(struct child *c, pid_t pid, int status);

/* Read output; bytes, or 0 if there is none now; closes @c->fd at its end. */
size_t child_read(struct child *c, void *buf, size_t size);

/**
 * child_keep() - read output of which the end is kept
 * @c: the program
 * @buf: 2 * @keep bytes, at the end of which is the end of the output
 * @len: bytes in @buf
 * @keep: how much of it is kept for sure
 *
 * Return: was there any?
 */
bool child_keep(struct child *c, char *buf, size_t *len, size_t keep);

/* Signal the program and what it has started. */
void child_kill(const struct child *c, int sig);

/* Read no more. */
void child_close(struct child *c);

/* How a program ended, as words; valid until the next call */
const char *child_end(int status);

/* WIRE_READ, WIRE_WRITE, WIRE_MKDIR, WIRE_RMDIR (files.c) */
void files_request(const struct wire_frame *frame);

/* WIRE_PROGRAM_* (program.c) */
void program_request(const struct wire_frame *frame);
void program_poll(struct pollfd fds[WIRE_MAX_PROGRAMS]);
void program_output(const struct pollfd fds[WIRE_MAX_PROGRAMS]);
bool program_reaped(pid_t pid, int status);
u64 program_tick(u64 now);
void program_kill(void);

/* End them all, and answer who waits for one. */
void program_end(void);

/* WIRE_SCHED_* (sched.c) */
void sched_request(const struct wire_frame *frame);
int sched_fd(void);
void sched_output(void);
bool sched_reaped(pid_t pid, int status);
u64 sched_tick(u64 now);
void sched_kill(void);

/* Is it leaving, and not yet known why? */
bool sched_leaving(void);

/* Is nothing being waited for, neither a start nor an end? */
bool sched_idle(void);

/* End it as WIRE_SCHED_STOP does; returns its process, or 0. */
pid_t sched_end(u64 timeout_ns);

/* Tell how the last one was, if there was one, and know of none any more. */
void sched_forget(u32 seq);

/* WIRE_SPAWN, _START, _STOP, _MOVE, _AFFINITY, _ATTR (group.c) */
void group_request(const struct wire_frame *frame);
bool group_reaped(pid_t pid);
u64 group_tick(u64 now);
void group_kill(void);

/* End them all, without reports, and answer who waits for them. */
void group_end(void);

/* WIRE_CLEAN (clean.c) */
void clean_request(const struct wire_frame *frame);
u64 clean_tick(u64 now);

/* The kernel's log (kmsg.c) */
#define KMSG_REASON_SIZE	2048

void kmsg_request(const struct wire_frame *frame);

/* Open the log for kmsg_reason(), at its end; -1 if there is none. */
int kmsg_open_end(void);

/**
 * kmsg_reason() - why was a BPF scheduler disabled?
 * @fd: of kmsg_open_end(); read up to the end
 * @reason: KMSG_REASON_SIZE bytes; what was found is added to it, or replaces
 *	it if it is about another scheduler
 */
void kmsg_reason(int fd, char *reason);

#endif /* KTSTR_AGENT_H */
