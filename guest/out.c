// SPDX-License-Identifier: GPL-2.0
/*
 * Frames to the host. Each write to the port costs an exit from the guest, so
 * frames are collected, and written when the agent is about to wait.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

static int out_fd = -1;
static u8 out_buf[2 * WIRE_MAX_FRAME];
static size_t out_len;
static struct wire_writer writer;

void out_init(int fd)
{
	out_fd = fd;
}

void out_flush(void)
{
	size_t done = 0;
	ssize_t n;

	while (done < out_len) {
		n = write(out_fd, out_buf + done, out_len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			die("write to the host: %s", strerror(errno));
		done += n;
	}
	out_len = 0;
}

struct wire_writer *out_begin(enum wire_type type, u32 seq)
{
	if (sizeof(out_buf) - out_len < WIRE_MAX_FRAME)
		out_flush();
	wire_begin(&writer, out_buf + out_len, sizeof(out_buf) - out_len, type,
		   seq);
	return &writer;
}

void out_end(void)
{
	size_t len = wire_end(&writer);

	/* All that is put has a limit, and the limits fit in a frame. */
	if (!len)
		die("a frame is longer than %d bytes", WIRE_MAX_FRAME);
	out_len += len;
}

void out_done(u32 seq, int errnum, const char *fmt, ...)
{
	struct wire_writer *w = out_begin(WIRE_DONE, seq);
	char what[256] = "";
	va_list ap;

	if (errnum) {
		va_start(ap, fmt);
		vsnprintf(what, sizeof(what), fmt, ap);
		va_end(ap);
	}
	wire_put_u32(w, errnum);
	wire_put_str(w, what);
	out_end();
}
