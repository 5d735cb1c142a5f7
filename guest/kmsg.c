// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's log, as /dev/kmsg has it (Documentation/ABI/testing/dev-kmsg):
 * "prio,seq,usec,flags;text", one record per read, with lines that begin with
 * a space for its dictionary.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

/* The prefix of all that kernel/sched/ext.c prints */
#define SCX_PREFIX	"sched_ext: "

/* More than PRINTK_MESSAGE_MAX: the longest record that can be read */
#define RECORD_SIZE	8192

static int kmsg_open(int whence)
{
	int fd = open(agent_options.kmsg, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, whence);
	return fd;
}

int kmsg_open_end(void)
{
	return kmsg_open(SEEK_END);
}

/* Read a record; returns false at the end. */
static bool next_record(int fd, char *buf, size_t size)
{
	ssize_t n;

	do {
		/* EPIPE: records were lost to newer ones, which follow. */
		n = read(fd, buf, size - 1);
	} while (n < 0 && (errno == EPIPE || errno == EINTR));
	if (n <= 0)
		return false;
	buf[n] = '\0';
	return true;
}

/* The text of a line of a record, or NULL; @usec: its time, if not NULL */
static const char *line_text(const char *line, u64 *usec)
{
	const char *text = strchr(line, ';');
	unsigned long long at;

	if (*line == ' ' || !text)
		return NULL;
	if (usec)
		*usec = sscanf(line, "%*u,%*u,%llu", &at) == 1 ? at : 0;
	return text + 1;
}

/* "... disabled (why)" begins a reason, all else is said about it. */
static void add_reason(const char *line, char *reason)
{
	const char *text = line_text(line, NULL);
	size_t len;

	if (!text || strncmp(text, SCX_PREFIX, strlen(SCX_PREFIX)))
		return;
	if (!strncmp(text + strlen(SCX_PREFIX), "BPF scheduler ", 14)) {
		if (!strstr(text, " disabled ("))
			return;
		reason[0] = '\0';
	} else if (!reason[0]) {
		return;
	}
	len = strlen(reason);
	snprintf(reason + len, KMSG_REASON_SIZE - len, "%s%s", len ? "\n" : "",
		 text);
}

void kmsg_reason(int fd, char *reason)
{
	static char buf[RECORD_SIZE];
	char *line, *next;

	while (fd >= 0 && next_record(fd, buf, sizeof(buf))) {
		for (next = buf; (line = strsep(&next, "\n"));)
			add_reason(line, reason);
	}
}

/* Lines as dmesg(1) shows them, in as few frames as possible */
static struct {
	char buf[WIRE_MAX_CHUNK];
	size_t len;
	u32 seq;
} output;

static void send_output(void)
{
	struct wire_writer *w;

	if (!output.len)
		return;
	w = out_begin(WIRE_OUTPUT, output.seq);
	wire_put_bytes(w, output.buf, output.len);
	out_end();
	output.len = 0;
}

static void add_output(const char *line)
{
	const char *text;
	u64 usec;

	text = line_text(line, &usec);
	if (!text)
		return;
	/* The time takes a little more than in the record. */
	if (sizeof(output.buf) - output.len < RECORD_SIZE + 64)
		send_output();
	output.len += sprintf(output.buf + output.len, "[%5llu.%06llu] %s\n",
			      (unsigned long long)usec / 1000000,
			      (unsigned long long)usec % 1000000, text);
}

void kmsg_request(const struct wire_frame *frame)
{
	char reason[KMSG_REASON_SIZE] = "", *line, *next;
	static char buf[RECORD_SIZE];
	struct wire_writer *w;
	int fd;

	fd = kmsg_open(SEEK_SET);
	if (fd < 0) {
		out_done(frame->seq, errno, "open %s", agent_options.kmsg);
		return;
	}
	output.seq = frame->seq;
	while (next_record(fd, buf, sizeof(buf))) {
		for (next = buf; (line = strsep(&next, "\n"));) {
			add_output(line);
			add_reason(line, reason);
		}
	}
	close(fd);
	send_output();
	w = out_begin(WIRE_REASON, frame->seq);
	wire_put_str(w, reason);
	out_end();
	out_done(frame->seq, 0, "ok");
}
