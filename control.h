/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The host's side of the conversation with the guest agent (wire.h).
 *
 * Each call sends one request and waits for the end of its answer. One thread
 * owns a struct control. What an answer held is in a struct control_reply,
 * which is set up by every call, also by a failing one, and given back with
 * control_reply_free().
 */
#ifndef KTSTR_CONTROL_H
#define KTSTR_CONTROL_H

#include <linux/compiler.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "errmsg.h"
#include "wire.h"

#define CONTROL_MAX_REPLY	(64UL << 20)	/* bytes that one answer may hold */

/**
 * struct control_ops - what carries the bytes
 * @send: send all of it; 0, or a negative errno: -EPIPE if the guest has ended
 * @recv: bytes received; 0 if the guest has ended; -ETIMEDOUT, or another
 *	negative errno; waits no longer than @timeout_ns
 */
struct control_ops {
	int (*send)(void *ctx, const void *data, size_t len);
	ssize_t (*recv)(void *ctx, void *data, size_t len, u64 timeout_ns);
};

/**
 * struct control_file - a file of the guest
 * @path: its path
 * @errnum: why it could not be read, or 0
 * @truncated: there is more than WIRE_MAX_FILE of it
 * @data: its content with a NUL added
 * @size: without that NUL
 */
struct control_file {
	char *path;
	int errnum;
	bool truncated;
	char *data;
	size_t size;
};

/**
 * struct control_sched - how the BPF scheduler is, or how it left
 * @valid: the rest was filled in
 * @state: of sched_ext: "enabled", "disabled", ...
 * @ops: the scheduler's name for the kernel
 * @reason: the kernel's lines about why it was disabled, or ""
 * @pid: of its process in the guest
 * @ended: its process has ended
 * @wait_status: how, see wait(2)
 * @when_ns: guest's CLOCK_MONOTONIC when its leaving was noticed, or 0
 * @output: the end of what its process wrote; NUL-terminated
 */
struct control_sched {
	bool valid;
	char state[32];
	char ops[128];
	char *reason;
	pid_t pid;
	bool ended;
	int wait_status;
	u64 when_ns;
	char *output;
};

/**
 * struct control_report - what a worker measured
 * @group: name of its group
 * @r: the numbers; its own @group points to @group
 */
struct control_report {
	char group[WIRE_MAX_NAME];
	struct wire_report r;
};

/**
 * struct control_reply - what an answer held
 * @files: control_read()
 * @nr_files: entries in @files
 * @reports: control_stop()
 * @nr_reports: entries in @reports
 * @pids: control_spawn(), control_program_start()
 * @nr_pids: entries in @pids
 * @started_ns: control_start(): when the workers began, in the guest's
 *	CLOCK_MONOTONIC
 * @output: control_run(), control_program_wait(), control_kmsg(); NUL-terminated
 * @output_len: bytes in @output, without the NUL
 * @wait_status: control_run(), control_program_wait(), see wait(2)
 * @reason: control_kmsg(): the lines about the last scheduler that was
 *	disabled, or ""
 * @sched: control_sched_start(), _status(), _stop(); control_clean(), if a
 *	scheduler was started: how it ended
 * @done: the guest has answered; where the call failed all the same, what was asked
 *	for has failed there
 *
 * What a call does not mention is NULL or 0; the strings are never NULL when
 * the call succeeded.
 */
struct control_reply {
	struct control_file *files;
	size_t nr_files;
	struct control_report *reports;
	size_t nr_reports;
	pid_t *pids;
	size_t nr_pids;
	u64 started_ns;
	char *output;
	size_t output_len;
	int wait_status;
	char *reason;
	struct control_sched sched;
	bool done;
	/* private: */
	int errnum;
	char what[256];
	size_t bytes;
};

/**
 * struct control_hello - what the agent said when it was ready
 * @valid: it has
 * @release: the guest kernel's release
 * @nr_cpus: CPUs online
 * @uptime_ns: time since the guest's boot, by its own clock
 * @monotonic_ns: its CLOCK_MONOTONIC
 */
struct control_hello {
	bool valid;
	char release[128];
	unsigned int nr_cpus;
	u64 uptime_ns;
	u64 monotonic_ns;
};

/**
 * struct control - a conversation with an agent
 * @hello: see control_wait_hello()
 * @sched_exit: the last scheduler that left without being told to; noticed
 *	while any call waits. Set @sched_exit.valid to false to look for a new
 *	one.
 * @silent: the last call ended without an answer in time
 */
struct control {
	struct control_hello hello;
	struct control_sched sched_exit;
	bool silent;
	/* private: */
	const struct control_ops *ops;
	void *ctx;
	u64 timeout_ns;
	u32 seq;			/* of the last request */
	u32 reply_seq;			/* of the call that waits, or 0 */
	struct control_reply *reply;
	struct wire_writer tx;
	u8 tx_buf[WIRE_MAX_FRAME];
	struct wire_receiver rx;
	const u8 *rx_pos;
	size_t rx_left;
	u8 rx_buf[16 * 1024];
};

/**
 * control_init() - begin a conversation; sends nothing
 * @c: the conversation; to be given to control_destroy()
 * @ops: see struct control_ops
 * @ctx: passed to @ops
 * @timeout_ns: how long the agent may take for an answer, beyond the time that
 *	the request itself is about
 */
void control_init(struct control *c, const struct control_ops *ops, void *ctx,
		  u64 timeout_ns);

/**
 * control_destroy() - give back what @c holds; the guest is left as it is
 * @c: a conversation
 */
void control_destroy(struct control *c);

/**
 * control_reply_free() - give back what an answer holds
 * @reply: one that a call has set up, or all zero; all zero afterwards
 */
void control_reply_free(struct control_reply *reply);

/**
 * control_wait_hello() - wait for the agent to be ready
 * @c: the conversation; @c->hello is filled in
 * @timeout_ns: how long the guest may take to boot
 * @err: what happened instead
 *
 * Return: 0; -ETIMEDOUT; -EPIPE if the guest has ended; -EPROTO if it said
 * something else. All calls below return these too, and the errno that the
 * agent met; @err then has what was asked and what the agent said.
 */
int control_wait_hello(struct control *c, u64 timeout_ns,
		       struct errmsg *err);

/**
 * control_read() - read files of the guest
 * @c: the conversation
 * @globs: patterns as in glob(7), absolute
 * @nr_globs: at most WIRE_MAX_GLOBS
 * @reply: .files; one that could not be read has its errno in it
 * @err: what failed
 *
 * Return: 0 or a negative errno, as control_wait_hello().
 */
int control_read(struct control *c, const char *const *globs, size_t nr_globs,
		 struct control_reply *reply, struct errmsg *err);

/**
 * control_file() - find a file in an answer
 * @reply: of control_read()
 * @path: its path
 *
 * Return: the file, or NULL if it is not there or could not be read.
 */
const struct control_file *control_file(const struct control_reply *reply,
					const char *path);

/**
 * control_text() - the content of a file, as a line
 * @reply: of control_read(); trailing newlines in it are removed
 * @fmt: the file's path
 *
 * Return: the text, valid as long as @reply, or NULL as control_file().
 */
const char *control_text(struct control_reply *reply, const char *fmt, ...)
	__printf(2, 3);

/**
 * control_read_text() - read one file of the guest that its caller can do without
 * @c: the conversation
 * @path: its path, without the wildcards of glob(7)
 *
 * Return: its text as control_text() has it, to be freed; or NULL if it could not be
 * read, whatever the reason.
 */
char *control_read_text(struct control *c, const char *path);

/**
 * control_write() - write to a file of the guest, with one write(2)
 * @c: the conversation
 * @path: the file; it is created if it does not exist
 * @text: the content
 * @err: what failed
 *
 * Return: 0 or a negative errno, as control_wait_hello().
 */
int control_write(struct control *c, const char *path, const char *text,
		  struct errmsg *err);

/* Make or remove a directory, such as a cgroup, in the guest. */
int control_mkdir(struct control *c, const char *path, struct errmsg *err);
int control_rmdir(struct control *c, const char *path, struct errmsg *err);

/**
 * control_hold() - let time pass, and notice what the guest says meanwhile
 * @c: the conversation; look at @c->sched_exit afterwards
 * @hold_ns: how long, by this host's clock
 * @err: what happened
 *
 * Return: 0 also if the scheduler has left before, which does not end the wait;
 * or a negative errno, as control_wait_hello(), but -ETIMEDOUT.
 */
int control_hold(struct control *c, u64 hold_ns, struct errmsg *err);

/**
 * control_run() - run a program in the guest and wait for its end
 * @c: the conversation
 * @argv: NULL-terminated; argv[0] is searched in PATH
 * @timeout_ns: it is killed after this time, which is -ETIMEDOUT
 * @reply: .output and .wait_status; a status other than 0 is no failure of
 *	this call
 * @err: what failed
 *
 * This is control_program_start() and control_program_wait().
 *
 * Return: 0 or a negative errno, as control_wait_hello().
 */
int control_run(struct control *c, const char *const *argv,
		u64 timeout_ns, struct control_reply *reply,
		struct errmsg *err);

/**
 * control_program_start() - start a program in the background
 * @c: the conversation
 * @name: for the calls below; WIRE_MAX_PROGRAMS of them at a time
 * @cgroup: path of the cgroup's directory; "" for the agent's own
 * @argv: NULL-terminated; argv[0] is searched in PATH
 * @reply: .pids
 * @err: what failed
 *
 * A program that is found and executable, but cannot be executed after all, ends
 * with the exit status 127 and says why in its output.
 *
 * Return: 0 or a negative errno, as control_wait_hello().
 */
int control_program_start(struct control *c, const char *name, const char *cgroup,
			  const char *const *argv, struct control_reply *reply,
			  struct errmsg *err);

/**
 * control_program_wait() - wait for a program's end
 * @c: the conversation
 * @name: of control_program_start(); unknown afterwards
 * @timeout_ns: it is killed after this time, which is -ETIMEDOUT
 * @reply: .output: all of it or, of what it wrote before this call, the last
 *	WIRE_MAX_KEPT bytes; .wait_status
 * @err: what failed
 *
 * Return: 0 or a negative errno, as control_wait_hello().
 */
int control_program_wait(struct control *c, const char *name, u64 timeout_ns,
			 struct control_reply *reply, struct errmsg *err);

/* Send a signal to a program and what it has started; one that ended is no error. */
int control_program_kill(struct control *c, const char *name, int sig,
			 struct errmsg *err);

/**
 * control_sched_start() - start a BPF scheduler and wait until it is enabled
 * @c: the conversation
 * @argv: NULL-terminated
 * @timeout_ns: how long it may take
 * @reply: .sched, also if it did not become enabled
 * @err: what failed, with the end of the scheduler's output
 *
 * Return: 0; -EOPNOTSUPP if the guest's kernel has no sched_ext; -EBUSY if one
 * was started already; -ECHILD if it ended; -ETIMEDOUT; or as
 * control_wait_hello().
 */
int control_sched_start(struct control *c, const char *const *argv,
			u64 timeout_ns, struct control_reply *reply,
			struct errmsg *err);

/* How is the scheduler? reply.sched; returns as control_wait_hello() */
int control_sched_status(struct control *c, struct control_reply *reply,
			 struct errmsg *err);

/**
 * control_sched_stop() - end the scheduler
 * @c: the conversation
 * @timeout_ns: how long it may take after SIGINT until SIGKILL
 * @reply: .sched
 * @err: what failed
 *
 * Return: 0; -ESRCH if none was started; -ETIMEDOUT if the kernel does not say
 * "disabled" after the process has ended; or as control_wait_hello().
 */
int control_sched_stop(struct control *c, u64 timeout_ns,
		       struct control_reply *reply, struct errmsg *err);

/**
 * control_spawn() - make a group of workers, which wait for control_start()
 * @c: the conversation
 * @spawn: what to make; NULL strings count as "", and 0 phases as one of
 *	WIRE_WORK_SPIN
 * @reply: .pids
 * @err: what failed; no worker of this group is left then
 *
 * Groups are made, started and stopped independently of each other. What workers
 * cannot set up themselves (a missing device, say) is known by control_start().
 *
 * Return: 0 or a negative errno, as control_wait_hello().
 */
int control_spawn(struct control *c, const struct wire_spawn *spawn,
		  struct control_reply *reply, struct errmsg *err);

/**
 * control_start() - let groups of workers run; returns when they do
 * @c: the conversation
 * @names: which, or NULL for all that wait
 * @nr: how many @names
 * @duration_ns: how long they work; WIRE_FOREVER to run until control_stop()
 * @ready_ns: how long workers may take to get ready; those that are not start
 *	when they are
 * @reply: .started_ns
 * @err: what failed; with an errno of a worker's, what it was doing. No group
 *	has started then.
 *
 * Return: 0; -ESRCH if there is no such group; or as control_wait_hello().
 */
int control_start(struct control *c, const char *const *names, size_t nr,
		  u64 duration_ns, u64 ready_ns, struct control_reply *reply,
		  struct errmsg *err);

/**
 * control_stop() - wait for the end of groups, and collect their reports
 * @c: the conversation
 * @names: which, or NULL for all that there are
 * @nr: how many @names
 * @wait_ns: they are stopped after this time, if their duration is not over
 *	before; 0 to stop them now
 * @grace_ns: how much longer the agent waits for those that do not notice
 * @reply: .reports, in the order in which they were spawned; none of groups that
 *	had not been started
 * @err: what failed
 *
 * The groups do not exist any more afterwards. Look at @c->sched_exit.
 *
 * Return: 0 or a negative errno, as control_wait_hello().
 */
int control_stop(struct control *c, const char *const *names, size_t nr, u64 wait_ns,
		 u64 grace_ns, struct control_reply *reply, struct errmsg *err);

/* What is done to groups while they wait or run; workers that ended are left out. */

/* Move worker @index of a group, or WIRE_ALL, to a cgroup, by its directory. */
int control_move(struct control *c, const char *group, u32 index, const char *cgroup,
		 struct errmsg *err);

/* Give worker i of a group the CPU list i % @nr, as in struct wire_spawn. */
int control_affinity(struct control *c, const char *group, const char *const *cpus,
		     size_t nr, struct errmsg *err);

/* Change policy, nice value and the like of a group's workers. */
int control_attr(struct control *c, const char *group, const struct wire_attr *attr,
		 struct errmsg *err);

/**
 * control_cpu() - take a CPU of the guest offline, or bring it up again
 * @c: the conversation
 * @cpu: its number
 * @online: what it shall be
 * @err: what failed
 *
 * Return: 0 or a negative errno, as control_wait_hello().
 */
int control_cpu(struct control *c, unsigned int cpu, bool online, struct errmsg *err);

/**
 * control_clean() - make the guest as it was after its boot, and prove it
 * @c: the conversation
 * @timeout_ns: how long it may take; half of it the scheduler has until SIGKILL
 * @reply: .sched
 * @err: what is left, by name
 *
 * Ends workers, programs and the scheduler, which are not reported, and whatever
 * they have started; removes cgroups, brings CPUs online and empties /tmp, /run
 * and /dev/shm. What counts then is what the kernel shows: no task of user space
 * but the agent, no cgroup, no CPU offline, no BPF scheduler, no files there; the
 * agent's own attributes as they were, and those of the kernel's threads, if they
 * were there before the first program. Other files that were written to are
 * the caller's business.
 *
 * @c->sched_exit may have become valid: that scheduler had left before.
 *
 * Return: 0; -EBUSY if something is left: the guest is of no use any more; or as
 * control_wait_hello().
 */
int control_clean(struct control *c, u64 timeout_ns, struct control_reply *reply,
		  struct errmsg *err);

/* The guest kernel's log: reply.output, reply.reason */
int control_kmsg(struct control *c, struct control_reply *reply,
		 struct errmsg *err);

/* Power the guest off. A guest that is gone before it answered is no error. */
int control_poweroff(struct control *c, struct errmsg *err);

#endif /* KTSTR_CONTROL_H */
