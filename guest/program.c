// SPDX-License-Identifier: GPL-2.0
/* WIRE_PROGRAM_*: programs that run in the background, under names */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>

#include "agent.h"
#include "clock.h"

static struct program {
	char name[WIRE_MAX_NAME];	/* "" for one that is not in use */
	struct child child;
	char *kept;			/* what it wrote while nobody waited */
	size_t kept_len;
	u32 seq;			/* of who waits, or 0 */
	u64 deadline;
} programs[WIRE_MAX_PROGRAMS];

static struct program *find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(programs); i++)
		if (!strcmp(programs[i].name, name))
			return &programs[i];
	return NULL;
}

static void forget(struct program *p)
{
	child_close(&p->child);
	free(p->kept);
	memset(p, 0, sizeof(*p));
}

static void send_output(u32 seq, const void *data, size_t len)
{
	wire_put_bytes(out_begin(WIRE_OUTPUT, seq), data, len);
	out_end();
}

static void send_kept(struct program *p)
{
	size_t len = min_t(size_t, p->kept_len, WIRE_MAX_KEPT), n;
	const char *pos = p->kept + p->kept_len - len;

	for (; len; pos += n, len -= n) {
		n = min_t(size_t, len, WIRE_MAX_CHUNK);
		send_output(p->seq, pos, n);
	}
	p->kept_len = 0;
}

/* Take a piece of output. Was there one? */
static bool take_output(struct program *p)
{
	static char buf[WIRE_MAX_CHUNK];
	size_t n;

	if (!p->seq)
		return child_keep(&p->child, p->kept, &p->kept_len, WIRE_MAX_KEPT);
	n = child_read(&p->child, buf, sizeof(buf));
	if (n)
		send_output(p->seq, buf, n);
	return n;
}

/*
 * What the program has written before its end is in the pipe. What it left
 * behind may go on writing for ever, so there is a limit.
 */
static void take_rest(struct program *p)
{
	int i;

	for (i = 0; i < 64 && take_output(p); i++)
		;
	child_close(&p->child);
}

static void finish(struct program *p)
{
	wire_put_u32(out_begin(WIRE_EXIT, p->seq), p->child.status);
	out_end();
	out_done(p->seq, 0, "ok");
	forget(p);
}

static void start_request(const struct wire_frame *frame)
{
	char *argv[WIRE_MAX_ARGS + 1];
	const char *name, *cgroup;
	struct wire_writer *w;
	struct wire_reader r;
	struct program *p;
	int ret;

	wire_read(&r, frame);
	name = wire_get_str(&r);
	cgroup = wire_get_str(&r);
	child_get_argv(&r, argv);
	if (!wire_read_done(&r) || !*name || strlen(name) >= WIRE_MAX_NAME) {
		out_done(frame->seq, EBADMSG, "malformed request to start a program");
		return;
	}
	if (find(name)) {
		out_done(frame->seq, EBUSY, "there is a program \"%s\" already", name);
		return;
	}
	p = find("");
	if (!p) {
		out_done(frame->seq, ENOSPC, "more than %d programs", WIRE_MAX_PROGRAMS);
		return;
	}
	p->kept = malloc(2 * WIRE_MAX_KEPT);
	ret = p->kept ? child_start(&p->child, argv, cgroup) : -ENOMEM;
	if (ret) {
		forget(p);
		out_done(frame->seq, -ret, "%s%s%s", argv[0],
			 *cgroup ? " in cgroup " : "", cgroup);
		return;
	}
	snprintf(p->name, sizeof(p->name), "%s", name);
	w = out_begin(WIRE_PIDS, frame->seq);
	wire_put_u32(w, 1);
	wire_put_u32(w, p->child.pid);
	out_end();
	out_done(frame->seq, 0, "ok");
}

static void wait_for(struct program *p, u32 seq, u64 timeout_ns)
{
	if (p->seq) {
		out_done(seq, EBUSY, "somebody waits for %s already", p->name);
		return;
	}
	p->seq = seq;
	p->deadline = clock_add(clock_ns(), timeout_ns);
	send_kept(p);
	if (p->child.ended)
		finish(p);
}

void program_request(const struct wire_frame *frame)
{
	struct wire_reader r;
	struct program *p;
	const char *name;
	bool waits = frame->type == WIRE_PROGRAM_WAIT;
	u64 value;

	if (frame->type == WIRE_PROGRAM_START) {
		start_request(frame);
		return;
	}
	wire_read(&r, frame);
	name = wire_get_str(&r);
	value = waits ? wire_get_u64(&r) : wire_get_u32(&r);
	if (!wire_read_done(&r) || (!waits && (!value || value >= NSIG))) {
		out_done(frame->seq, EBADMSG, "malformed request for a program");
		return;
	}
	p = *name ? find(name) : NULL;
	if (!p) {
		out_done(frame->seq, ESRCH, "there is no program \"%s\"", name);
		return;
	}
	if (waits) {
		wait_for(p, frame->seq, value);
		return;
	}
	child_kill(&p->child, value);
	out_done(frame->seq, 0, "ok");
}

void program_poll(struct pollfd fds[WIRE_MAX_PROGRAMS])
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(programs); i++) {
		fds[i].fd = programs[i].child.pid ? programs[i].child.fd : -1;
		fds[i].events = POLLIN;
	}
}

void program_output(const struct pollfd fds[WIRE_MAX_PROGRAMS])
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(programs); i++)
		if (fds[i].fd >= 0 && fds[i].revents)
			take_output(&programs[i]);
}

bool program_reaped(pid_t pid, int status)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(programs); i++) {
		if (!child_reaped(&programs[i].child, pid, status))
			continue;
		take_rest(&programs[i]);
		if (programs[i].seq)
			finish(&programs[i]);
		return true;
	}
	return false;
}

static void time_out(struct program *p)
{
	/* Under a bad scheduler it may never get to die: do not wait for it. */
	child_kill(&p->child, SIGKILL);
	take_rest(p);
	out_done(p->seq, ETIMEDOUT, "%s was killed because it did not end in time",
		 p->name);
	forget(p);
}

u64 program_tick(u64 now)
{
	u64 next = NEVER;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(programs); i++) {
		if (!programs[i].seq)
			continue;
		if (now >= programs[i].deadline)
			time_out(&programs[i]);
		else
			next = min(next, programs[i].deadline);
	}
	return next;
}

void program_kill(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(programs); i++)
		child_kill(&programs[i].child, SIGKILL);
}

void program_end(void)
{
	struct program *p;

	for (p = programs; p < programs + ARRAY_SIZE(programs); p++) {
		if (!*p->name)
			continue;
		child_kill(&p->child, SIGKILL);
		if (p->seq)
			out_done(p->seq, ECANCELED, "wait for %s", p->name);
		forget(p);
	}
}
