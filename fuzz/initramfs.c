// SPDX-License-Identifier: GPL-2.0
/*
 * Archives made of anything in any order, read back by the rules of
 * Documentation/driver-api/early-userspace/buffer-format.rst: whatever was
 * accepted has to be there, and nothing that the kernel would stumble over.
 */
#include <errno.h>
#include <limits.h>
#include <lz4.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "initramfs.h"

#define HEADER_SIZE	110
#define MAX_ADDED	8
#define MAX_PATH	300	/* of which every other byte may be a slash */

struct entry {
	const char *path;
	size_t len;
	mode_t mode;
};

static unsigned long field(const char *header, unsigned int i)
{
	char text[9] = {};
	unsigned long val;
	char *end;

	memcpy(text, header + 6 + 8 * i, 8);
	val = strtoul(text, &end, 16);
	fuzz_assert(!*end);
	return val;
}

/* Most have other lengths: libFuzzer makes every comparison of strings expensive. */
static const struct entry *find(const struct entry *entries, size_t nr, const char *path,
				size_t len)
{
	while (nr--)
		if (entries[nr].len == len && !memcmp(entries[nr].path, path, len))
			return &entries[nr];
	return NULL;
}

/* Return: how many entries there are, without the trailer */
static size_t check_archive(const char *archive, size_t size)
{
	static struct entry entries[MAX_ADDED * (MAX_PATH / 2 + 1)];
	const struct entry *parent;
	size_t at = 0, nr = 0;

	for (;;) {
		const char *header = archive + at, *path = header + HEADER_SIZE, *slash;
		size_t len, path_size;

		fuzz_assert(at % 4 == 0 && size - at >= HEADER_SIZE);
		fuzz_assert(!memcmp(header, "070701", 6));
		len = field(header, 6);
		path_size = field(header, 11);
		fuzz_assert(path_size && path_size <= PATH_MAX);
		fuzz_assert(size - at - HEADER_SIZE >= path_size);
		fuzz_assert(strnlen(path, path_size) == path_size - 1);
		at += roundup(HEADER_SIZE + path_size, 4);
		fuzz_assert(len <= size - at);
		at += roundup(len, 4);
		if (!strcmp(path, "TRAILER!!!"))
			break;

		fuzz_assert(path[0] && path[0] != '/' && !strstr(path, "//"));
		fuzz_assert(!find(entries, nr, path, path_size - 1));
		slash = strrchr(path, '/');
		parent = slash ? find(entries, nr, path, slash - path) : NULL;
		fuzz_assert(!slash || (parent && S_ISDIR(parent->mode)));
		fuzz_assert(nr < ARRAY_SIZE(entries));
		entries[nr++] = (struct entry){ path, path_size - 1, field(header, 1) };
	}
	fuzz_assert(at == size);
	return nr;
}

static void add(struct initramfs *ir, struct fuzz_input *in)
{
	u8 what = fuzz_number(in, 1), mode = fuzz_number(in, 1);
	char *path = fuzz_string(in, MAX_PATH), *text;
	struct errmsg err = {};
	size_t len;
	int ret;

	switch (what & 3) {
	case 0:
		ret = initramfs_add_dir(ir, path, mode, &err);
		break;
	case 1:
		text = fuzz_string(in, 64);
		ret = initramfs_add_symlink(ir, path, text, &err);
		free(text);
		break;
	case 2:
		ret = initramfs_add_chardev(ir, path, mode, what, mode, &err);
		break;
	default:
		text = fuzz_bytes(in, what >> 2, &len);
		ret = initramfs_add_file(ir, path, mode, text, len, &err);
		free(text);
	}
	fuzz_assert(!ret || err.text[0]);
	free(path);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_input in = { data, size };
	const void *image;
	struct initramfs ir;
	struct errmsg err;
	unsigned int i;

	initramfs_init(&ir);
	for (i = 0; in.size && i < MAX_ADDED; i++)
		add(&ir, &in);
	fuzz_assert(!initramfs_finish(&ir, &image, &size, &err));
	check_archive(image, size);
	initramfs_destroy(&ir);
	return 0;
}
