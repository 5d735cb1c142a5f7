// SPDX-License-Identifier: GPL-2.0
/*
 * The archive is judged by other programs: cpio(1) and lz4(1) unpack it, and a
 * program from it runs in a chroot.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/sizes.h>
#include <linux/types.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "initramfs.h"
#include "harness.h"
#include "testutil.h"

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>

/* Its shadow does not fit into RLIMIT_AS, but it has a limit of its own. */
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1:max_allocation_size_mb=256";
}
#endif

static bool have(const char *tool)
{
	return !sh("command -v %s >/dev/null", tool);
}

static void write_file(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "we");

	if (!f || fwrite(data, 1, len, f) != len || fclose(f)) {
		perror(path);
		abort();
	}
}

/* The whole file, with a NUL behind it, to be freed */
static char *read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "re");
	char *data = NULL;
	struct stat st;

	if (!f)
		return NULL;
	if (!fstat(fileno(f), &st)) {
		data = calloc(1, st.st_size + 1);
		*len = fread(data, 1, st.st_size, f);
	}
	fclose(f);
	return data;
}

static bool file_is(const char *path, const void *data, size_t len, mode_t mode)
{
	struct stat st;
	size_t n = 0;
	char *seen;
	bool same;

	if (lstat(path, &st) || st.st_mode != (S_IFREG | mode))
		return false;
	seen = read_file(path, &n);
	same = seen && n == len && !memcmp(seen, data, len);
	free(seen);
	return same;
}

static bool mode_is(const char *path, mode_t mode)
{
	struct stat st;

	return !lstat(path, &st) && st.st_mode == mode;
}

/* The test's directory is the working directory, "tree" in it is unpacked. */
FIXTURE(initramfs) {
	struct initramfs ir;
	struct errmsg err;
	int open_files;
	char dir[64];
};

FIXTURE_VARIANT(initramfs) {
	bool lz4;
};

FIXTURE_VARIANT_ADD(initramfs, plain) { .lz4 = false };
FIXTURE_VARIANT_ADD(initramfs, lz4) { .lz4 = true };

FIXTURE_SETUP(initramfs)
{
	if (!have("cpio") || !have("lz4"))
		SKIP(return, "needs cpio and lz4 (packages of these names)");
	umask(022);
	initramfs_init(&self->ir);
	self->open_files = open_files();
	snprintf(self->dir, sizeof(self->dir), "/tmp/initramfs_test.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	ASSERT_EQ(0, chdir(self->dir));
	ASSERT_EQ(0, mkdir("tree", 0755));
}

FIXTURE_TEARDOWN(initramfs)
{
	initramfs_destroy(&self->ir);
	EXPECT_EQ(self->open_files, open_files());
	EXPECT_FALSE(leaks());
	EXPECT_EQ(0, chdir("/"));
	EXPECT_EQ(0, sh("rm -rf %s", self->dir));
}

/*
 * Where the kernel sees the end, which lz4(1) does not: at a block of no bytes.
 * 0 if it is not there, or if something else than zeros follows.
 */
static size_t end_of_lz4(const void *image, size_t size)
{
	const u8 *p = image;
	size_t at = 4, i;
	u32 len;

	for (;;) {
		if (at + 4 > size)
			return 0;
		memcpy(&len, p + at, 4);
		if (!len)
			break;
		at += 4 + (size_t)len;
	}
	for (i = at; i < size; i++)
		if (p[i])
			return 0;
	return at;
}

/* Finishes into the file "image" and unpacks it to "tree". */
static int unpack(struct initramfs *ir, bool lz4)
{
	const void *image;
	struct errmsg err;
	size_t size;

	if (initramfs_finish(ir, &image, &size, &err))
		return -1;
	if (lz4) {
		if (initramfs_compress(ir, &image, &size, &err) || size % INITRAMFS_ALIGN)
			return -1;
		size = end_of_lz4(image, size);
	}
	write_file("image", image, size);
	return sh("%s image >archive && cd tree && timeout 20 cpio -id --quiet <../archive",
		  lz4 ? "timeout 20 lz4 -dcq" : "cat");
}

TEST_F(initramfs, empty)
{
	ASSERT_EQ(0, unpack(&self->ir, variant->lz4));
	EXPECT_EQ(0, sh("test -z \"$(ls -A tree)\""));
}

/* Every length modulo 4, of names and of data, and every kind of entry */
TEST_F(initramfs, all_kinds)
{
	static const char text[] = "0123456789";
	char name[32], *listing;
	size_t i, n;

	ASSERT_EQ(0, initramfs_add_dir(&self->ir, "/", 0755, &self->err));
	ASSERT_EQ(0, initramfs_add_dir(&self->ir, "/proc", 0555, &self->err));
	for (i = 0; i < 9; i++) {
		snprintf(name, sizeof(name), "/d/%.*s", (int)i + 1, text);
		ASSERT_EQ(0, initramfs_add_file(&self->ir, name, 0600 + i, text, i,
						&self->err));
	}
	ASSERT_EQ(0, initramfs_add_file(&self->ir, "/suid", 04755, "x", 1, &self->err));
	ASSERT_EQ(0, initramfs_add_symlink(&self->ir, "/bin", "usr/bin", &self->err));
	ASSERT_EQ(0, initramfs_add_symlink(&self->ir, "/d/up", "../suid", &self->err));
	ASSERT_EQ(0, initramfs_add_dir(&self->ir, "/tmp/", 01777, &self->err));
	ASSERT_EQ(0, unpack(&self->ir, variant->lz4));

	EXPECT_TRUE(mode_is("tree/proc", S_IFDIR | 0555));
	EXPECT_TRUE(mode_is("tree/tmp", S_IFDIR | 01777));
	EXPECT_TRUE(mode_is("tree/d", S_IFDIR | 0755));
	for (i = 0; i < 9; i++) {
		snprintf(name, sizeof(name), "tree/d/%.*s", (int)i + 1, text);
		EXPECT_TRUE(file_is(name, text, i, 0600 + i))
			TH_LOG("%s", name);
	}
	EXPECT_TRUE(file_is("tree/suid", "x", 1, 04755));
	EXPECT_EQ(0, sh("test \"$(readlink tree/bin)\" = usr/bin"));
	EXPECT_EQ(0, sh("test \"$(readlink tree/d/up)\" = ../suid"));
	EXPECT_EQ(0, sh("test $(find tree | wc -l) = 16"));

	/* Owners and times are not the host's. */
	ASSERT_EQ(0, sh("TZ=UTC cpio -itnv --quiet <archive >list"));
	listing = read_file("list", &n);
	ASSERT_NE(NULL, listing);
	EXPECT_EQ(0, sh("! grep -vE '^[a-z-][^ ]{9} +1 +0 +0 .* Jan +1 +1970 ' list"))
		TH_LOG("%s", listing);
	free(listing);
}

/* mknod() needs root, so cpio only lists what it would make. */
TEST_F(initramfs, device)
{
	ASSERT_EQ(0, initramfs_add_chardev(&self->ir, "/dev/console", 0600, 5, 1,
					   &self->err));
	ASSERT_EQ(0, initramfs_add_chardev(&self->ir, "/dev/console", 0600, 5, 1,
					   &self->err));
	EXPECT_EQ(-EEXIST, initramfs_add_chardev(&self->ir, "/dev/console", 0600, 5, 2,
						 &self->err));
	unpack(&self->ir, variant->lz4);
	ASSERT_EQ(0, sh("cpio -itv --quiet <archive >list"));
	EXPECT_EQ(0, sh("grep -Eq '^crw------- .* 5, +1 .* dev/console$' list"));
}

/* Data over several LZ4 blocks, some of it incompressible */
TEST_F(initramfs, big_file)
{
	const size_t len = 20 * SZ_1M + 3;
	unsigned int x = 1;
	char *data;
	size_t i;

	data = calloc(1, len);
	ASSERT_NE(NULL, data);
	for (i = 0; i < len / 2; i++) {
		x = x * 1103515245 + 12345;
		data[i] = x >> 16;
	}
	write_file("big", data, len);
	EXPECT_EQ(0, initramfs_add_file(&self->ir, "/a", 0644, data, len, &self->err));
	EXPECT_EQ(0, initramfs_add_host_file(&self->ir, "/b", "big", 0644, &self->err));
	EXPECT_EQ(0, unpack(&self->ir, variant->lz4));
	EXPECT_TRUE(file_is("tree/a", data, len, 0644));
	EXPECT_TRUE(file_is("tree/b", data, len, 0644));
	free(data);
}

/* Wherever compressed data ends in a page: the kernel finds the end. */
TEST_F(initramfs, end_of_compressed_data)
{
	const void *image;
	unsigned int x = 1;
	size_t len, size;
	char data[8192];

	if (!variant->lz4)
		SKIP(return, "the plain archive says itself where it ends");
	for (len = 0; len < sizeof(data); len++) {
		x = x * 1103515245 + 12345;
		data[len] = x >> 16;
	}
	for (len = 4096; len > 0; len--) {
		initramfs_destroy(&self->ir);
		ASSERT_EQ(0, initramfs_add_file(&self->ir, "/f", 0644, data, len, &self->err));
		ASSERT_EQ(0, initramfs_finish(&self->ir, &image, &size, &self->err));
		ASSERT_EQ(0, initramfs_compress(&self->ir, &image, &size, &self->err));
		ASSERT_EQ(0, size % INITRAMFS_ALIGN);
		ASSERT_NE(0, end_of_lz4(image, size));
	}
}

TEST_F(initramfs, long_names)
{
	char path[PATH_MAX], leaf[NAME_MAX + 1];
	size_t len = 0;
	int fd;

	memset(leaf, 'n', NAME_MAX);
	leaf[NAME_MAX] = '\0';
	/* As long as a path may be: PATH_MAX - 1 bytes */
	while (len + NAME_MAX + 1 < PATH_MAX)
		len += sprintf(path + len, "/%s", leaf);
	while (len + 2 < PATH_MAX)
		len += sprintf(path + len, "/s");
	if (len + 1 < PATH_MAX)
		path[len++] = 't';
	path[len] = '\0';
	ASSERT_EQ(PATH_MAX - 1, len);
	ASSERT_EQ(0, initramfs_add_file(&self->ir, path, 0640, "deep", 4, &self->err));
	ASSERT_EQ(0, unpack(&self->ir, variant->lz4));
	ASSERT_EQ(0, chdir("tree"));
	fd = open(path + 1, O_RDONLY | O_CLOEXEC);
	EXPECT_GE(fd, 0);
	close(fd);
	EXPECT_TRUE(file_is(path + 1, "deep", 4, 0640));
}

TEST_F(initramfs, same_input_same_output)
{
	const void *image[2];
	struct initramfs ir[2];
	size_t size[2];
	int i;

	for (i = 0; i < 2; i++) {
		initramfs_init(&ir[i]);
		unlink("f");
		ASSERT_EQ(0, sh("echo filler$$ >filler%d", i));
		write_file("f", "same", 4);
		ASSERT_EQ(0, sh("touch -d @%d f", 1000 + i));
		EXPECT_EQ(0, initramfs_add_host_file(&ir[i], "/x/f", "f", 0644, &self->err));
		EXPECT_EQ(0, initramfs_add_file(&ir[i], "/x/g", 0644, "g", 1, &self->err));
		ASSERT_EQ(0, initramfs_finish(&ir[i], &image[i], &size[i], &self->err));
		if (!variant->lz4)
			continue;
		ASSERT_EQ(0, initramfs_compress(&ir[i], &image[i], &size[i], &self->err));
	}
	ASSERT_EQ(size[0], size[1]);
	EXPECT_EQ(0, memcmp(image[0], image[1], size[0]));
	initramfs_destroy(&ir[0]);
	initramfs_destroy(&ir[1]);
}

TEST_F(initramfs, added_twice)
{
	struct initramfs *ir = &self->ir;
	struct errmsg *err = &self->err;
	size_t size;

	write_file("host", "one", 3);
	write_file("other", "two", 3);
	ASSERT_EQ(0, initramfs_add_file(ir, "/a/f", 0644, "one", 3, err));
	ASSERT_EQ(0, initramfs_add_symlink(ir, "/a/l", "f", err));
	ASSERT_EQ(0, initramfs_add_dir(ir, "/d", 0700, err));
	size = ir->size;

	EXPECT_EQ(0, initramfs_add_file(ir, "//a/./f", 0644, "one", 3, err));
	EXPECT_EQ(0, initramfs_add_host_file(ir, "/a/f", "host", 0644, err));
	EXPECT_EQ(0, initramfs_add_symlink(ir, "/a/l", "f", err));
	EXPECT_EQ(0, initramfs_add_dir(ir, "/d", 0700, err));

	EXPECT_EQ(-EEXIST, initramfs_add_file(ir, "/a/f", 0644, "on", 2, err));
	EXPECT_NE(NULL, strstr(err->text, "/a/f"));
	EXPECT_EQ(-EEXIST, initramfs_add_file(ir, "/a/f", 0644, "two", 3, err));
	EXPECT_EQ(-EEXIST, initramfs_add_file(ir, "/a/f", 0755, "one", 3, err));
	EXPECT_EQ(-EEXIST, initramfs_add_host_file(ir, "/a/f", "other", 0644, err));
	EXPECT_EQ(-EEXIST, initramfs_add_symlink(ir, "/a/l", "g", err));
	EXPECT_EQ(-EEXIST, initramfs_add_symlink(ir, "/a/f", "one", err));
	EXPECT_EQ(-EEXIST, initramfs_add_dir(ir, "/a/f", 0644, err));
	EXPECT_EQ(-EEXIST, initramfs_add_dir(ir, "/d", 0755, err));
	EXPECT_EQ(-EEXIST, initramfs_add_file(ir, "/d", 0700, "", 0, err));

	EXPECT_EQ(size, ir->size);
	ASSERT_EQ(0, unpack(ir, variant->lz4));
	EXPECT_TRUE(file_is("tree/a/f", "one", 3, 0644));
	EXPECT_TRUE(mode_is("tree/d", S_IFDIR | 0700));
}

/* A parent that nobody asked for has no mode of its own to insist on. */
TEST_F(initramfs, parents)
{
	ASSERT_EQ(0, initramfs_add_file(&self->ir, "/tmp/f", 0644, "f", 1, &self->err));
	ASSERT_EQ(0, initramfs_add_dir(&self->ir, "/tmp", 01777, &self->err));
	EXPECT_EQ(-EEXIST, initramfs_add_dir(&self->ir, "/tmp", 0755, &self->err));
	/* "a" has to be there, or the guest could not open /a/../b/f. */
	ASSERT_EQ(0, initramfs_add_file(&self->ir, "/a/../../b/f", 0644, "f", 1,
					&self->err));
	ASSERT_EQ(0, unpack(&self->ir, variant->lz4));
	EXPECT_TRUE(mode_is("tree/tmp", S_IFDIR | 01777));
	EXPECT_TRUE(mode_is("tree/a", S_IFDIR | 0755));
	EXPECT_TRUE(file_is("tree/b/f", "f", 1, 0644));
}

TEST_F(initramfs, host_file_by_several_names)
{
	char data[5000] = "shared";
	struct stat a, b, c;
	size_t size;

	write_file("host", data, sizeof(data));
	ASSERT_EQ(0, symlink("host", "alias"));
	write_file("nothing", "", 0);
	ASSERT_EQ(0, initramfs_add_host_file(&self->ir, "/a", "host", 0755, &self->err));
	size = self->ir.size;
	ASSERT_EQ(0, initramfs_add_host_file(&self->ir, "/b", "alias", 0755, &self->err));
	EXPECT_LT(self->ir.size, size + 200);
	ASSERT_EQ(0, initramfs_add_host_file(&self->ir, "/b", "host", 0755, &self->err));
	ASSERT_EQ(0, initramfs_add_host_file(&self->ir, "/c", "host", 0644, &self->err));
	ASSERT_EQ(0, initramfs_add_host_file(&self->ir, "/d", "host", 0755, &self->err));
	ASSERT_EQ(0, initramfs_add_host_file(&self->ir, "/e", "nothing", 0755, &self->err));
	ASSERT_EQ(0, initramfs_add_host_file(&self->ir, "/f", "nothing", 0755, &self->err));
	EXPECT_EQ(-EEXIST, initramfs_add_host_file(&self->ir, "/a", "nothing", 0755,
						   &self->err));
	ASSERT_EQ(0, unpack(&self->ir, variant->lz4));

	EXPECT_TRUE(file_is("tree/a", data, sizeof(data), 0755));
	EXPECT_TRUE(file_is("tree/b", data, sizeof(data), 0755));
	EXPECT_TRUE(file_is("tree/c", data, sizeof(data), 0644));
	EXPECT_TRUE(file_is("tree/d", data, sizeof(data), 0755));
	EXPECT_TRUE(file_is("tree/f", "", 0, 0755));
	ASSERT_EQ(0, stat("tree/a", &a));
	ASSERT_EQ(0, stat("tree/b", &b));
	ASSERT_EQ(0, stat("tree/c", &c));
	EXPECT_EQ(a.st_ino, b.st_ino);
	EXPECT_EQ(3, a.st_nlink);
	EXPECT_NE(a.st_ino, c.st_ino);
}

TEST_F(initramfs, refused)
{
	struct initramfs *ir = &self->ir;
	struct errmsg *err = &self->err;
	char path[PATH_MAX + 2];
	int fd;

	EXPECT_EQ(-EINVAL, initramfs_add_file(ir, "", 0644, "", 0, err));
	EXPECT_EQ(-EINVAL, initramfs_add_file(ir, "f", 0644, "", 0, err));
	EXPECT_NE(NULL, strstr(err->text, "\"f\""));
	EXPECT_EQ(-EINVAL, initramfs_add_file(ir, "/TRAILER!!!", 0644, "", 0, err));
	EXPECT_EQ(-EINVAL, initramfs_add_file(ir, "/TRAILER!!!/f", 0644, "", 0, err));
	EXPECT_EQ(-EINVAL, initramfs_add_file(ir, "/TRAILER!!!/../f", 0644, "", 0, err));
	EXPECT_EQ(-EINVAL, initramfs_add_file(ir, "/f", S_IFREG | 0644, "", 0, err));
	EXPECT_EQ(-EINVAL, initramfs_add_dir(ir, "/f", 010000, err));
	EXPECT_EQ(-EISDIR, initramfs_add_file(ir, "/", 0644, "", 0, err));
	EXPECT_EQ(-EISDIR, initramfs_add_symlink(ir, "/x/..", "/", err));
	EXPECT_EQ(-ENOENT, initramfs_add_symlink(ir, "/l", "", err));

	memset(path, '/', sizeof(path));
	path[PATH_MAX] = '\0';
	EXPECT_EQ(-ENAMETOOLONG, initramfs_add_dir(ir, path, 0755, err));
	EXPECT_EQ(-ENAMETOOLONG, initramfs_add_symlink(ir, "/l", path, err));
	memset(path + 1, 'n', NAME_MAX + 1);
	path[NAME_MAX + 2] = '\0';
	EXPECT_EQ(-ENAMETOOLONG, initramfs_add_dir(ir, path, 0755, err));
	EXPECT_NE(NULL, strstr(err->text, "ENAMETOOLONG"));

	EXPECT_EQ(-ENOENT, initramfs_add_host_file(ir, "/f", "no-such", 0644, err));
	EXPECT_NE(NULL, strstr(err->text, "no-such"));
	EXPECT_EQ(-EISDIR, initramfs_add_host_file(ir, "/f", ".", 0644, err));
	ASSERT_EQ(0, mkfifo("fifo", 0644));
	EXPECT_EQ(-EINVAL, initramfs_add_host_file(ir, "/f", "fifo", 0644, err));
	/* A file that is longer than it says, as those of procfs are */
	EXPECT_EQ(-EBUSY, initramfs_add_host_file(ir, "/f", "/proc/version", 0644, err));

	fd = open("huge", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, ftruncate(fd, 4LL << 30));
	EXPECT_EQ(-EFBIG, initramfs_add_host_file(ir, "/f", "huge", 0644, err));
	EXPECT_NE(NULL, strstr(err->text, "4294967296"));
	close(fd);
	EXPECT_EQ(ERRMSG_INPUT, err->kind);
	EXPECT_EQ(-EFBIG, initramfs_add_file(ir, "/f", 0644, "", 4ULL << 30, err));

	/* The parent "x" is all that came of it. */
	EXPECT_LE(ir->size, 116);
	ASSERT_EQ(0, initramfs_add_file(ir, "/f", 0644, "", 0, err));
	ASSERT_EQ(0, initramfs_add_symlink(ir, "/l", "f", err));
	EXPECT_EQ(-ENOTDIR, initramfs_add_file(ir, "/f/g", 0644, "", 0, err));
	EXPECT_EQ(-ENOTDIR, initramfs_add_file(ir, "/f/../g", 0644, "", 0, err));
	EXPECT_EQ(-ENOTDIR, initramfs_add_dir(ir, "/l/d", 0755, err));
	EXPECT_NE(NULL, strstr(err->text, "/l"));
}

/* The same calls as above: now it is not the path that is wrong. */
TEST_F(initramfs, out_of_files)
{
	rlim_t old = allow_files(0);
	int ret;

	ret = initramfs_add_host_file(&self->ir, "/f", "/bin/sh", 0644, &self->err);
	EXPECT_EQ(ERRMSG_HOST, self->err.kind);
	EXPECT_NE(NULL, strstr(self->err.text, "EMFILE"));
	EXPECT_EQ(-EMFILE, ret);

	ret = initramfs_add_program(&self->ir, "/f", "/bin/sh", &self->err);
	EXPECT_EQ(ERRMSG_HOST, self->err.kind);
	EXPECT_NE(NULL, strstr(self->err.text, "EMFILE"));
	EXPECT_EQ(-EMFILE, ret);

	allow_files(old);
	EXPECT_EQ(0, initramfs_add_program(&self->ir, "/f", "/bin/sh", &self->err));
}

TEST_F(initramfs, out_of_memory)
{
	struct rlimit old, low;
	int fd;

	ASSERT_EQ(0, initramfs_add_file(&self->ir, "/f", 0644, "f", 1, &self->err));
	fd = open("large", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, ftruncate(fd, 512LL << 20));
	close(fd);

	ASSERT_EQ(0, getrlimit(RLIMIT_AS, &old));
	low = old;
#ifndef WITH_ASAN
	low.rlim_cur = 256 << 20;
#endif
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &low));
	EXPECT_EQ(-ENOMEM, initramfs_add_host_file(&self->ir, "/l", "large", 0644,
						   &self->err));
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &old));
	EXPECT_EQ(ERRMSG_HOST, self->err.kind);

	/* What was there before is unharmed. */
	ASSERT_EQ(0, initramfs_add_file(&self->ir, "/g", 0644, "g", 1, &self->err));
	ASSERT_EQ(0, unpack(&self->ir, variant->lz4));
	EXPECT_TRUE(file_is("tree/f", "f", 1, 0644));
	EXPECT_TRUE(file_is("tree/g", "g", 1, 0644));
	EXPECT_EQ(0, sh("test $(find tree | wc -l) = 3"));
}

/* Programs with their libraries: shared ones are there once, and they run. */
TEST_F(initramfs, programs)
{
	static const char script[] = "#! /bin/sh\ntest \"$1\" = arg && echo $((6 * 7))\n";

	if (!have("/usr/bin/lscpu"))
		SKIP(return, "needs /usr/bin/lscpu (package util-linux)");
	write_file("script", script, sizeof(script) - 1);
	ASSERT_EQ(0, initramfs_add_program(&self->ir, "/usr/bin/lscpu", "/usr/bin/lscpu",
					   &self->err));
	ASSERT_EQ(0, initramfs_add_program(&self->ir, "/opt/bin/bash", "/bin/bash",
					   &self->err));
	ASSERT_EQ(0, initramfs_add_program(&self->ir, "/script", "script", &self->err));
	EXPECT_EQ(-ENOENT, initramfs_add_program(&self->ir, "/none", "no-such",
						 &self->err));
	EXPECT_EQ(-ENOEXEC, initramfs_add_program(&self->ir, "/none", "/etc/passwd",
						  &self->err));
	ASSERT_EQ(0, unpack(&self->ir, variant->lz4));
	EXPECT_EQ(0, sh("test $(find tree -name 'libc.so*' | wc -l) = 1"));
	EXPECT_EQ(0, sh("test $(find tree -name 'none' | wc -l) = 0"));
	EXPECT_EQ(0, sh("cmp /usr/bin/lscpu tree/usr/bin/lscpu"));

	if (geteuid())
		SKIP(return, "chroot needs root");
	EXPECT_EQ(0, sh("timeout 20 chroot tree /usr/bin/lscpu --version >out"));
	EXPECT_EQ(0, sh("test \"$(cat out)\" = \"$(lscpu --version)\""));
	EXPECT_EQ(0, sh("timeout 20 chroot tree /opt/bin/bash -c 'echo $((6 * 7))' >out"));
	EXPECT_TRUE(file_is("out", "42\n", 3, 0644));
	EXPECT_EQ(0, sh("timeout 20 chroot tree /script arg >out"));
	EXPECT_TRUE(file_is("out", "42\n", 3, 0644));
}

TEST_HARNESS_MAIN
