// SPDX-License-Identifier: GPL-2.0
/*
 * WIRE_SCHED_START, _STATUS, _STOP: the BPF scheduler's process, and what the
 * kernel says about it. The kernel's state has no event to wait for, so it is
 * read again and again, often only while something is expected to change.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/kernel.h>

#include "agent.h"
#include "clock.h"

#define TICK_EXPECTING	(10 * NSEC_PER_MSEC)

/*
 * Seldom: this is a real-time task, for which a CPU is taken from the scheduler under
 * test. One that gives its tasks a new slice each time (scx_qmap, by its
 * ops.cpu_release) lets the same one run for ever if that is more often than once in
 * a slice. What the scheduler prints and its end are noticed at once.
 */
#define TICK_RUNNING	(500 * NSEC_PER_MSEC)

static enum {
	IDLE,			/* nothing started, or it is over */
	STARTING,
	RUNNING,
	LEAVING,		/* not told to; the event has not been sent yet */
	STOPPING,		/* SIGINT was sent */
	KILLING,		/* so was SIGKILL, or the process has ended */
} phase;

static struct child child;
static u32 sched_seq;		/* of STARTING, STOPPING, KILLING; 0 if nobody waits */
static u32 status_seq;		/* who asked for the status in LEAVING; 0 if nobody did */
static u64 deadline;		/* of all but IDLE and RUNNING */
static u64 next_tick;
static u64 left_ns;
static bool untold;		/* it has left by itself, and the host does not know */
static int kmsg_fd = -1;
static char name[128];
static char ops[128];
static char enable_seq[24];	/* before the last start; empty if the kernel has none */
static char reason[KMSG_REASON_SIZE];

/* The end of the output is in here, and up to as much again before it. */
static char output[2 * WIRE_MAX_CHUNK];
static size_t output_len;

static int read_scx(const char *file, char *buf, size_t size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", agent_options.scx_dir, file);
	return read_text(path, buf, size);
}

static bool state_is(const char *want)
{
	char state[32];

	return !read_scx("state", state, sizeof(state)) && !strcmp(state, want);
}

/*
 * The kernel counts a scheduler once it is enabled, in the end: only then is the count
 * what whoever reads it next may start from.
 */
static bool is_counted(void)
{
	char now[sizeof(enable_seq)];

	return read_scx("enable_seq", now, sizeof(now)) || strcmp(now, enable_seq);
}

/* Enabled, and by name? Remembers the name, which goes when it is disabled. */
static bool is_enabled(void)
{
	char now[sizeof(ops)];

	if (!state_is("enabled") || read_scx("root/ops", now, sizeof(now)) || !is_counted())
		return false;
	memcpy(ops, now, sizeof(ops));
	return true;
}

/* Take a piece of output. Was there one? */
static bool take_output(void)
{
	return child_keep(&child, output, &output_len, WIRE_MAX_CHUNK);
}

int sched_fd(void)
{
	return child.pid ? child.fd : -1;
}

void sched_output(void)
{
	take_output();
	next_tick = 0;
}

static void send_sched(enum wire_type type, u32 seq)
{
	u32 len = min_t(size_t, output_len, WIRE_MAX_CHUNK);
	char state[32];
	struct wire_sched sched = {
		.state = state,
		.ops = ops,
		.reason = reason,
		.pid = child.pid,
		.ended = child.ended,
		.wait_status = child.status,
		.when_ns = left_ns,
		.output = output + output_len - len,
		.output_len = len,
	};

	read_scx("state", state, sizeof(state));
	kmsg_reason(kmsg_fd, reason);
	wire_put_sched(out_begin(type, seq), &sched);
	out_end();
}

static void set_phase(int new_phase, u64 limit)
{
	phase = new_phase;
	deadline = limit;
	next_tick = 0;
}

static void tell_status(u32 seq)
{
	send_sched(WIRE_SCHED, seq);
	out_done(seq, 0, "ok");
}

/* Whoever asked meanwhile gets to know why it left first. */
static void tell_exit(void)
{
	if (untold)
		send_sched(WIRE_SCHED_EXIT, 0);
	untold = false;
	if (status_seq)
		tell_status(status_seq);
	status_seq = 0;
}

#define finish(new_phase, errnum, ...) do {			\
	if (sched_seq) {					\
		send_sched(WIRE_SCHED, sched_seq);		\
		out_done(sched_seq, errnum, __VA_ARGS__);	\
	}							\
	set_phase(new_phase, NEVER);				\
} while (0)

static void forget(void)
{
	child_close(&child);
	memset(&child, 0, sizeof(child));
	output_len = 0;
	left_ns = 0;
	ops[0] = '\0';
	reason[0] = '\0';
}

static void start(u32 seq, char *const argv[], u64 timeout_ns)
{
	char state[32];
	int ret;

	ret = read_scx("state", state, sizeof(state));
	if (ret == -ENOENT) {
		out_done(seq, EOPNOTSUPP,
			 "this kernel has no sched_ext (there is no %s/state)",
			 agent_options.scx_dir);
		return;
	}
	if (ret) {
		out_done(seq, -ret, "read %s/state", agent_options.scx_dir);
		return;
	}
	if (child_alive(&child) || strcmp(state, "disabled")) {
		out_done(seq, EBUSY, "%s is running, and sched_ext is %s",
			 child_alive(&child) ? name : "no scheduler of mine", state);
		return;
	}

	tell_exit();
	if (kmsg_fd >= 0)
		close(kmsg_fd);
	kmsg_fd = kmsg_open_end();
	forget();
	if (read_scx("enable_seq", enable_seq, sizeof(enable_seq)))
		enable_seq[0] = '\0';
	ret = child_start(&child, argv, "");
	if (ret) {
		out_done(seq, -ret, "%s", argv[0]);
		return;
	}
	snprintf(name, sizeof(name), "%s", argv[0]);
	sched_seq = seq;
	set_phase(STARTING, clock_add(clock_ns(), timeout_ns));
}

static void stop(u32 seq, u64 timeout_ns)
{
	sched_seq = seq;
	if (child.ended) {
		set_phase(KILLING, clock_ns() + WIRE_DISABLE_NS);
		return;
	}
	child_kill(&child, SIGINT);
	set_phase(STOPPING, clock_add(clock_ns(), timeout_ns));
}

void sched_request(const struct wire_frame *frame)
{
	char *argv[WIRE_MAX_ARGS + 1];
	struct wire_reader r;
	u64 timeout_ns = 0;

	wire_read(&r, frame);
	if (frame->type != WIRE_SCHED_STATUS)
		timeout_ns = wire_get_u64(&r);
	if (frame->type == WIRE_SCHED_START)
		child_get_argv(&r, argv);
	if (!wire_read_done(&r)) {
		out_done(frame->seq, EBADMSG, "malformed request for a scheduler");
		return;
	}
	if (frame->type == WIRE_SCHED_STATUS) {
		if (sched_leaving())
			status_seq = frame->seq;
		else
			tell_status(frame->seq);
		return;
	}
	if (phase == STARTING || phase == STOPPING || phase == KILLING) {
		out_done(frame->seq, EBUSY, "%s is just being started or stopped",
			 name);
		return;
	}
	/* What has been left since the last look was not left because of this. */
	sched_leaving();
	if (frame->type == WIRE_SCHED_START)
		start(frame->seq, argv, timeout_ns);
	else if (child.pid)
		stop(frame->seq, timeout_ns);
	else
		out_done(frame->seq, ESRCH, "no scheduler was started");
}

bool sched_reaped(pid_t pid, int status)
{
	int i;

	if (!child_reaped(&child, pid, status))
		return false;
	/* All that it wrote, but not for ever what others write to its pipe */
	for (i = 0; i < 64 && take_output(); i++)
		;
	child_close(&child);
	next_tick = 0;
	return true;
}

static void tick_starting(u64 now)
{
	if (child.ended) {
		finish(IDLE, ECHILD, "%s %s before it was enabled", name,
		       child_end(child.status));
	} else if (is_enabled()) {
		finish(RUNNING, 0, "ok");
	} else if (now >= deadline) {
		sched_kill();
		finish(IDLE, ETIMEDOUT, "%s was killed because it was not enabled in time",
		       name);
	}
}

static void tick_running(u64 now)
{
	if (!child.ended && state_is("enabled"))
		return;
	/* Now wait for the rest: a process looks for its end once a second. */
	left_ns = now;
	untold = true;
	set_phase(LEAVING, now + WIRE_LEAVE_NS);
}

static void tick_leaving(u64 now)
{
	if (now < deadline && !(child.ended && state_is("disabled")))
		return;
	tell_exit();
	set_phase(IDLE, NEVER);
}

static void tick_stopping(u64 now)
{
	if (!child.ended && now < deadline)
		return;
	sched_kill();
	set_phase(KILLING, now + WIRE_DISABLE_NS);
}

static void tick_killing(u64 now)
{
	bool is_gone = child.ended && state_is("disabled");

	if (!is_gone && now < deadline)
		return;
	tell_exit();
	if (is_gone)
		finish(IDLE, 0, "ok");
	else
		finish(IDLE, ETIMEDOUT, "%s %s, but sched_ext is not disabled", name,
		       child.ended ? child_end(child.status) : "does not die");
}

u64 sched_tick(u64 now)
{
	if (phase == IDLE)
		return NEVER;
	if (now < next_tick)
		return next_tick;

	switch (phase) {
	case IDLE:
		break;
	case STARTING:
		tick_starting(now);
		break;
	case RUNNING:
		tick_running(now);
		break;
	case LEAVING:
		tick_leaving(now);
		break;
	case STOPPING:
		tick_stopping(now);
		break;
	case KILLING:
		tick_killing(now);
		break;
	}
	if (phase == IDLE)
		return NEVER;
	next_tick = now + (phase == RUNNING ? TICK_RUNNING : TICK_EXPECTING);
	return next_tick;
}

void sched_kill(void)
{
	child_kill(&child, SIGKILL);
}

bool sched_leaving(void)
{
	/* The last tick may be as old as TICK_RUNNING. */
	if (phase == RUNNING)
		tick_running(clock_ns());
	return phase == LEAVING;
}

bool sched_idle(void)
{
	return phase == IDLE;
}

/*
 * One that is leaving by itself is told about, like any that did. Its process may
 * start anew instead of ending, as scx_simple's does after CPU hotplug.
 */
pid_t sched_end(u64 timeout_ns)
{
	u64 limit = clock_add(clock_ns(), timeout_ns);

	if (sched_seq && (phase == STARTING || phase == STOPPING || phase == KILLING))
		out_done(sched_seq, ECANCELED, "start or stop %s", name);
	if (sched_leaving()) {
		child_kill(&child, SIGINT);
		deadline = min(deadline, limit);
	} else if (phase != IDLE) {
		stop(0, timeout_ns);
	}
	return child_alive(&child) ? child.pid : 0;
}

void sched_forget(u32 seq)
{
	if (!child.pid)
		return;
	send_sched(WIRE_SCHED, seq);
	forget();
}
