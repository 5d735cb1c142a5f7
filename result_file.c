// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kernel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kselftest.h"

#include "env.h"
#include "result_file.h"
#include "results_dir.h"
#include "wire.h"
#include "write_all.h"

/* @others: what may stay besides letters and digits */
static char *append_plain(char *to, const char *end, const char *text, const char *others)
{
	for (; *text && to < end; text++)
		*to++ = isalnum((unsigned char)*text) || strchr(others, *text) ? *text : '_';
	return to;
}

/* The kernel that was asked for, if one was: plays of another one are other plays. */
static char *append_kernel(char *to)
{
	static const char * const variables[] = { ENV_KERNEL, ENV_CMDLINE };
	const char *value;
	bool any = false;
	u32 crc = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(variables); i++) {
		value = env_get(variables[i]) ?: "";
		any |= *value;
		crc = wire_crc32(crc, value, strlen(value) + 1);
	}
	return any ? to + sprintf(to, "~k%08x", crc) : to;
}

char *result_file_name(const struct play *play, unsigned int nr, char *name)
{
	const char * const parts[] = { play->sc->suite, play->sc->name, play->topology };
	const char *sched = play->scheduler ?: "EEVDF";
	const char *slash = memrchr(sched, '/', strcspn(sched, " "));
	char *end = name + NAME_MAX - strlen("~12345678~k12345678~1234567890.json"), *to = name;
	u32 crc = wire_crc32(0, sched, strlen(sched));
	size_t i;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		crc = wire_crc32(crc, parts[i], strlen(parts[i]));
		to = append_plain(to, end, parts[i], "+=,-");
		to = append_plain(to, end, ".", ".");
	}
	to = append_plain(to, end, slash ? slash + 1 : sched, "+=,-.");
	if (to == end)
		to += sprintf(to, "~%08x", crc);
	to = append_kernel(to);
	if (nr > 1)
		to += sprintf(to, "~%u", nr);
	sprintf(to, ".json");
	return name;
}

/* Return: 0; or a negative errno: -EEXIST if there is a file of that name. */
static int give_name(const char *tmp, const char *path)
{
	int err;

	if (!link(tmp, path))
		return 0;
	err = errno;
	/* Some file systems have no links, others, where a name may be taken, not this. */
	if (err == EEXIST || !renameat2(AT_FDCWD, tmp, AT_FDCWD, path, RENAME_NOREPLACE))
		return err == EEXIST ? -EEXIST : 0;
	return errno == EEXIST ? -EEXIST : -err;
}

/* The first name that is free: another process may just be taking one. */
static int give_free_name(const char *tmp, const char *dir, const struct play *play, char *name)
{
	char path[PATH_MAX + NAME_MAX];
	unsigned int nr = 0;
	int ret;

	do {
		snprintf(path, sizeof(path), "%s/%s", dir, result_file_name(play, ++nr, name));
		ret = give_name(tmp, path);
	} while (ret == -EEXIST);
	return ret;
}

/* By another name first: who looks at the directory sees whole files only. */
static int add_file(const char *dir, const struct play *play, char *name, const char *text,
		    size_t size)
{
	char tmp[PATH_MAX + 16];
	int fd, ret;

	result_file_name(play, 1, name);
	snprintf(tmp, sizeof(tmp), "%s/.ktstr-XXXXXX", dir);
	fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write_all(fd, text, size);
	if (!ret && fchmod(fd, 0644))
		ret = -errno;
	if (close(fd) && !ret)
		ret = -errno;
	ret = ret ?: give_free_name(tmp, dir, play, name);
	unlink(tmp);
	return ret;
}

int result_file_write(const struct result *r, const char *dir, struct errmsg *err)
{
	char name[NAME_MAX + 1];
	char *text;
	size_t size;
	int ret;

	text = result_format(r, &size);
	if (!text)
		return errmsg_set(err, ERRMSG_FAILED, ENOMEM, "the result of %s.%s",
				  r->play->sc->suite, r->play->sc->name);
	ret = add_file(dir, r->play, name, text, size);
	free(text);
	if (ret)
		return errmsg_set(err, ERRMSG_FAILED, -ret,
				  "cannot write %s/%s (%zu KiB); make room there, or set %s to another directory",
				  dir, name, size >> 10, ENV_RESULTS);
	return 0;
}

void result_file_keep(const struct result *r, struct session *s)
{
	char dir[PATH_MAX], kernel[PATH_MAX], *cmdline = NULL;
	struct result whole = *r;
	struct errmsg err = {};
	int ret;

	ret = results_dir(dir, &err);
	if (!ret && !dir[0])
		return;
	if (s) {
		cmdline = control_read_text(&s->control, "/proc/cmdline");
		whole.vm = ktstr_vm_result(s->vm);
		whole.release = s->control.hello.release;
		whole.cmdline = cmdline;
	}
	if (!ret && !session_kernel(kernel, &err))
		whole.kernel = kernel;
	ret = ret ?: result_file_write(&whole, dir, &err);
	if (ret)
		ksft_print_msg("the result is lost: %s\n", err.text);
	free(cmdline);
}
