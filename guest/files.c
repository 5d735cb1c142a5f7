// SPDX-License-Identifier: GPL-2.0
/*
 * WIRE_READ, WIRE_WRITE, WIRE_MKDIR, WIRE_RMDIR. What files mean is the host's
 * business. (glob(3) is not used because in a static program it brings along
 * the user database, for "~".)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent.h"

/* Read up to @size bytes; returns how many, or a negative errno. */
static ssize_t read_all(const char *path, char *buf, size_t size)
{
	/* Nobody may make the agent wait: neither a FIFO nor a device. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (len < size) {
		n = read(fd, buf + len, size - len);
		if (n <= 0)
			break;
		len += n;
	}
	if (n < 0)
		n = -errno;
	close(fd);
	return n < 0 ? n : (ssize_t)len;
}

int read_text(const char *path, char *buf, size_t size)
{
	ssize_t len = read_all(path, buf, size - 1);

	buf[len < 0 ? 0 : len] = '\0';
	if (len < 0)
		return len;
	while (len && buf[len - 1] == '\n')
		buf[--len] = '\0';
	return 0;
}

static void send_file(const char *path, u32 seq)
{
	static char buf[WIRE_MAX_FILE + 1];
	struct wire_file file = { .path = path, .data = buf };
	ssize_t len = read_all(path, buf, sizeof(buf));

	if (len < 0) {
		file.errnum = -len;
	} else {
		file.truncated = len > WIRE_MAX_FILE;
		file.size = file.truncated ? WIRE_MAX_FILE : len;
	}
	wire_put_file(out_begin(WIRE_FILE, seq), &file);
	out_end();
}

static void expand(char *path, size_t len, const char *rest, bool wild, u32 seq);

static void add_component(char *path, size_t len, const char *name,
			  const char *rest, bool wild, u32 seq)
{
	size_t n = strlen(name);

	if (len + 1 + n >= WIRE_MAX_PATH)
		return;
	path[len] = '/';
	memcpy(path + len + 1, name, n + 1);
	expand(path, len + 1 + n, rest, wild, seq);
	path[len] = '\0';
}

static void match_component(char *path, size_t len, const char *pattern,
			    const char *rest, u32 seq)
{
	DIR *dir = opendir(len ? path : "/");
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (!fnmatch(pattern, entry->d_name, FNM_PERIOD))
			add_component(path, len, entry->d_name, rest, true, seq);
	}
	closedir(dir);
}

/*
 * Send what matches the pattern @rest below @path, which is @len bytes long.
 * @wild: @path was found by a wildcard, so that it need not be what is asked for
 */
static void expand(char *path, size_t len, const char *rest, bool wild, u32 seq)
{
	char component[NAME_MAX + 1];
	struct stat st;
	size_t n;

	rest += strspn(rest, "/");
	if (!*rest) {
		if (!wild || (!stat(path, &st) && !S_ISDIR(st.st_mode)))
			send_file(path, seq);
		return;
	}

	n = strcspn(rest, "/");
	if (n > NAME_MAX)
		return;
	memcpy(component, rest, n);
	component[n] = '\0';
	if (strpbrk(component, "*?["))
		match_component(path, len, component, rest + n, seq);
	else
		add_component(path, len, component, rest + n, wild, seq);
}

static void read_request(const struct wire_frame *frame)
{
	static char path[WIRE_MAX_PATH];
	const char *globs[WIRE_MAX_GLOBS];
	struct wire_reader r;
	u32 i, n;

	wire_read(&r, frame);
	n = wire_get_strs(&r, globs, WIRE_MAX_GLOBS);
	if (!wire_read_done(&r)) {
		out_done(frame->seq, EBADMSG, "malformed request to read files");
		return;
	}
	for (i = 0; i < n; i++) {
		path[0] = '\0';
		expand(path, 0, globs[i], false, frame->seq);
	}
	out_done(frame->seq, 0, "ok");
}

static int write_file(const char *path, const void *data, size_t len)
{
	/* See read_all(): a FIFO that nobody reads is one that cannot be written to. */
	int flags = O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	int fd = open(path, flags | O_TRUNC);
	ssize_t n;
	int ret;

	/* A file that cannot be created is, first of all, one that is missing. */
	if (fd < 0 && errno == ENOENT) {
		fd = open(path, flags | O_CREAT, 0644);
		if (fd < 0)
			return -ENOENT;
	}
	if (fd < 0)
		return -errno;
	n = write(fd, data, len);
	ret = n < 0 ? -errno : 0;
	if (!ret && (size_t)n != len)
		ret = -EIO;
	close(fd);
	return ret;
}

static void write_request(const struct wire_frame *frame)
{
	struct wire_reader r;
	const char *path;
	const void *data;
	u32 len;
	int ret;

	wire_read(&r, frame);
	path = wire_get_str(&r);
	data = wire_get_bytes(&r, &len);
	if (!wire_read_done(&r)) {
		out_done(frame->seq, EBADMSG, "malformed request to write a file");
		return;
	}
	ret = write_file(path, data, len);
	out_done(frame->seq, -ret, "write \"%.*s\" to %s",
		 (int)(len < 40 ? len : 40), (const char *)data, path);
}

static void dir_request(const struct wire_frame *frame)
{
	bool make = frame->type == WIRE_MKDIR;
	struct wire_reader r;
	const char *path;
	int ret;

	wire_read(&r, frame);
	path = wire_get_str(&r);
	if (!wire_read_done(&r)) {
		out_done(frame->seq, EBADMSG, "malformed request for a directory");
		return;
	}
	ret = make ? mkdir(path, 0755) : rmdir(path);
	out_done(frame->seq, ret < 0 ? errno : 0, "%s %s",
		 make ? "mkdir" : "rmdir", path);
}

void files_request(const struct wire_frame *frame)
{
	switch (frame->type) {
	case WIRE_READ:
		read_request(frame);
		break;
	case WIRE_WRITE:
		write_request(frame);
		break;
	default:
		dir_request(frame);
	}
}
