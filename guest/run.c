// SPDX-License-Identifier: GPL-2.0
/* WIRE_RUN: one program at a time, its output passed on as it comes */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "clock.h"

static struct child child;
static u32 run_seq;		/* 0 if nothing runs */
static u64 deadline;
static char name[128];

void run_request(const struct wire_frame *frame)
{
	char *argv[WIRE_MAX_ARGS + 1];
	struct wire_reader r;
	u64 timeout_ns;
	int ret;

	wire_read(&r, frame);
	timeout_ns = wire_get_u64(&r);
	child_get_argv(&r, argv);
	if (!wire_read_done(&r)) {
		out_done(frame->seq, EBADMSG, "malformed request to run a program");
		return;
	}
	if (run_seq) {
		out_done(frame->seq, EBUSY, "%s still runs", name);
		return;
	}
	ret = child_start(&child, argv);
	if (ret) {
		out_done(frame->seq, -ret, "%s", argv[0]);
		return;
	}
	run_seq = frame->seq;
	deadline = clock_ns() + timeout_ns;
	snprintf(name, sizeof(name), "%s", argv[0]);
}

int run_fd(void)
{
	return run_seq ? child.fd : -1;
}

/* Pass on a piece of output. Was there one? */
static bool pass_on(void)
{
	static char buf[WIRE_MAX_CHUNK];
	struct wire_writer *w;
	size_t n;

	n = child_read(&child, buf, sizeof(buf));
	if (!n)
		return false;
	w = out_begin(WIRE_OUTPUT, run_seq);
	wire_put_bytes(w, buf, n);
	out_end();
	return true;
}

void run_output(void)
{
	pass_on();
}

/*
 * What the program has written before its end is in the pipe. What it left
 * behind may go on writing for ever, so there is a limit.
 */
static void pass_on_rest(void)
{
	int i;

	for (i = 0; i < 64 && pass_on(); i++)
		;
	child_close(&child);
}

bool run_reaped(pid_t pid, int status)
{
	struct wire_writer *w;

	if (!run_seq || !child_reaped(&child, pid, status))
		return false;

	pass_on_rest();
	w = out_begin(WIRE_EXIT, run_seq);
	wire_put_u32(w, status);
	out_end();
	out_done(run_seq, 0, "ok");
	run_seq = 0;
	return true;
}

u64 run_tick(u64 now)
{
	if (!run_seq)
		return NEVER;
	if (now < deadline)
		return deadline;

	/* Under a bad scheduler it may never get to die: do not wait for it. */
	run_kill();
	pass_on_rest();
	out_done(run_seq, ETIMEDOUT, "%s was killed because it did not end in time",
		 name);
	run_seq = 0;
	return NEVER;
}

void run_kill(void)
{
	if (run_seq)
		child_kill(&child, SIGKILL);
}
