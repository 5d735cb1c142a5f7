// SPDX-License-Identifier: GPL-2.0
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kernel.h>
#include <linux/sizes.h>
#include <linux/types.h>
#include <lz4.h>
#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "elf_deps.h"
#include "initramfs.h"
#include "kvm_caps.h"

/* A header of 6 bytes magic and 13 fields of 8 hex digits */
#define CPIO_HEADER_SIZE	110
#define CPIO_ALIGN(x)		roundup(x, 4)
#define CPIO_TRAILER		"TRAILER!!!"

/* lib/decompress_unlz4.c: ARCHIVE_MAGICNUMBER and the block size it expects */
#define LZ4_LEGACY_MAGIC	0x184c2102
#define LZ4_LEGACY_BLOCK	SZ_8M
/* A block of no bytes, which unlz4() takes for the end */
#define LZ4_LEGACY_END		4

/* A regular host file is at most this long: the field has 8 hex digits. */
#define CPIO_MAX_LEN		UINT32_MAX

/*
 * An entry of the archive. Its header, at offset @header, is written by
 * commit() and again when @mode or @nlink change. A hard link shares @data,
 * @len and @inode with its @twin and has no data behind its own header.
 */
struct cpio_entry {
	const char *path;
	mode_t mode;
	dev_t rdev;
	size_t header;
	size_t data;
	size_t len;
	u32 inode;
	u32 nlink;
	bool implied;			/* a parent that nobody asked for */
	struct cpio_entry *twin;
	dev_t host_dev;
	ino_t host_ino;
	char path_text[];
};

static int compare_path(const void *a, const void *b)
{
	const struct cpio_entry *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int compare_host_inode(const void *a, const void *b)
{
	const struct cpio_entry *x = a, *y = b;

	if (x->host_ino != y->host_ino)
		return x->host_ino < y->host_ino ? -1 : 1;
	if (x->host_dev != y->host_dev)
		return x->host_dev < y->host_dev ? -1 : 1;
	/* The mode belongs to the inode, so other modes need other inodes. */
	return (int)x->mode - (int)y->mode;
}

static struct cpio_entry *find(void *const *tree, const struct cpio_entry *key,
			       int (*compare)(const void *, const void *))
{
	struct cpio_entry **node = tfind(key, tree, compare);

	return node ? *node : NULL;
}

static int no_memory(struct errmsg *err, size_t size)
{
	return errmsg_set(err, ERRMSG_HOST, ENOMEM,
			  "allocating %zu bytes for the initramfs", size);
}

static int make_room(struct initramfs *ir, size_t more, struct errmsg *err)
{
	size_t room = ir->room ?: SZ_64K;
	char *archive;

	while (room - ir->size < more)
		room *= 2;
	if (room == ir->room)
		return 0;
	archive = realloc(ir->archive, room);
	if (!archive)
		return no_memory(err, room);
	ir->archive = archive;
	ir->room = room;
	return 0;
}

static void write_header(struct initramfs *ir, const struct cpio_entry *e)
{
	char header[CPIO_HEADER_SIZE + 1];

	snprintf(header, sizeof(header),
		 "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		 e->inode, e->mode, 0, 0, e->nlink, 0,
		 e->twin ? 0 : (unsigned int)e->len, 0, 0,
		 major(e->rdev), minor(e->rdev),
		 (unsigned int)strlen(e->path) + 1, 0);
	memcpy(ir->archive + e->header, header, CPIO_HEADER_SIZE);
}

/*
 * Prepares an entry behind the end of the archive, with room for @len bytes
 * that the caller fills in at @data. It does not count before commit(); free()
 * undoes it.
 */
static int begin(struct initramfs *ir, const char *path, mode_t mode, size_t len,
		 struct cpio_entry **ep, struct errmsg *err)
{
	size_t path_size = strlen(path) + 1;
	size_t data = ir->size + CPIO_ALIGN(CPIO_HEADER_SIZE + path_size);
	struct cpio_entry *e;
	int ret;

	ret = make_room(ir, data + CPIO_ALIGN(len) - ir->size, err);
	if (ret)
		return ret;
	e = calloc(1, sizeof(*e) + path_size);
	if (!e)
		return no_memory(err, sizeof(*e) + path_size);
	memcpy(e->path_text, path, path_size);
	e->path = e->path_text;
	e->mode = mode;
	e->nlink = 1;
	e->header = ir->size;
	e->data = data;
	e->len = len;
	*ep = e;
	return 0;
}

static bool same_contents(const struct initramfs *ir, const struct cpio_entry *a,
			  const struct cpio_entry *b)
{
	if (a->mode != b->mode || a->rdev != b->rdev || a->len != b->len)
		return false;
	return a->data == b->data ||
	       !memcmp(ir->archive + a->data, ir->archive + b->data, a->len);
}

/* The path of @e is taken by @old: that is fine if they mean the same. */
static int merge(struct initramfs *ir, struct cpio_entry *old, const struct cpio_entry *e,
		 struct errmsg *err)
{
	if (old->implied && S_ISDIR(e->mode)) {
		old->mode = e->mode;
		old->implied = false;
		write_header(ir, old);
		return 0;
	}
	if (same_contents(ir, old, e))
		return 0;
	return errmsg_set(err, ERRMSG_INPUT, EEXIST,
			  "adding /%s to the initramfs, which has something else at that path",
			  e->path);
}

/* Makes an entry from begin() count; frees it if it adds nothing. */
static int commit(struct initramfs *ir, struct cpio_entry *e, struct errmsg *err)
{
	size_t name = e->header + CPIO_HEADER_SIZE;
	size_t name_end = name + strlen(e->path);
	size_t data = ir->size + CPIO_ALIGN(name_end + 1 - ir->size);
	size_t end = data + (e->twin ? 0 : e->len);
	struct cpio_entry **node = tsearch(e, &ir->paths, compare_path);
	int ret;

	if (!node || *node != e) {
		ret = node ? merge(ir, *node, e, err) : no_memory(err, sizeof(*e));
		free(e);
		return ret;
	}
	if (e->twin) {
		e->nlink = ++e->twin->nlink;
		e->inode = e->twin->inode;
		write_header(ir, e->twin);
	} else {
		e->inode = ++ir->nr_inodes;
	}
	write_header(ir, e);
	memcpy(ir->archive + name, e->path, name_end - name);
	memset(ir->archive + name_end, 0, data - name_end);
	ir->size = CPIO_ALIGN(end);
	memset(ir->archive + end, 0, ir->size - end);

	/* Without memory for this, the file is just not shared. */
	if (e->host_ino)
		tsearch(e, &ir->files, compare_host_inode);
	return 0;
}

static int add_parent(struct initramfs *ir, const char *path, struct errmsg *err)
{
	struct cpio_entry key = { .path = path }, *e;
	int ret;

	if (!*path)
		return 0;
	e = find(&ir->paths, &key, compare_path);
	if (e && S_ISDIR(e->mode))
		return 0;
	if (e)
		return errmsg_set(err, ERRMSG_INPUT, ENOTDIR,
				  "adding something below /%s, which is no directory in the initramfs",
				  path);
	ret = begin(ir, path, S_IFDIR | 0755, 0, &e, err);
	if (ret)
		return ret;
	e->implied = true;
	return commit(ir, e, err);
}

/*
 * Turns a path in the guest into the one that goes into the archive, relative
 * to the root, and makes the directories on the way there. @name has room for
 * PATH_MAX bytes and is empty for the root.
 *
 * The limits are those of the kernel, which leaves out what exceeds them without
 * a word (do_header() and do_name() where it unpacks the initramfs).
 */
static int resolve(struct initramfs *ir, const char *path, char *name,
		   struct errmsg *err)
{
	size_t len = 0, n;
	const char *p;
	int ret;

	if (*path != '/')
		return errmsg_set(err, ERRMSG_INPUT, EINVAL,
				  "adding \"%.256s\" to the initramfs: the path has to start with /",
				  path);
	if (strlen(path) >= PATH_MAX)
		return errmsg_set(err, ERRMSG_INPUT, ENAMETOOLONG,
				  "adding %.256s... to the initramfs: a path has less than %d bytes",
				  path, PATH_MAX);
	*name = '\0';
	for (p = path; *(p += strspn(p, "/")); p += n) {
		n = strcspn(p, "/");
		if (n > NAME_MAX)
			return errmsg_set(err, ERRMSG_INPUT, ENAMETOOLONG,
					  "adding %.512s to the initramfs: no name may exceed %d bytes",
					  path, NAME_MAX);
		if (n == 1 && *p == '.')
			continue;
		ret = add_parent(ir, name, err);
		if (ret)
			return ret;
		if (n == 2 && !memcmp(p, "..", 2)) {
			char *slash = strrchr(name, '/');

			len = slash ? slash - name : 0;
			name[len] = '\0';
			continue;
		}
		if (len)
			name[len++] = '/';
		memcpy(name + len, p, n);
		len += n;
		name[len] = '\0';
		if (!strcmp(name, CPIO_TRAILER))
			return errmsg_set(err, ERRMSG_INPUT, EINVAL,
					  "adding %.512s to the initramfs: %s ends a cpio archive",
					  path, name);
	}
	return 0;
}

static int check_mode(const char *path, mode_t mode, struct errmsg *err)
{
	if (mode & ~(mode_t)07777)
		return errmsg_set(err, ERRMSG_INPUT, EINVAL,
				  "adding %s to the initramfs: mode %#o is not just permission bits",
				  path, mode);
	return 0;
}

/* resolve() and begin() for anything but directories, which may be the root */
static int begin_at(struct initramfs *ir, const char *path, mode_t type,
		    mode_t mode, size_t len, struct cpio_entry **ep, struct errmsg *err)
{
	char name[PATH_MAX];
	int ret;

	ret = check_mode(path, mode, err);
	if (ret)
		return ret;
	if (len > CPIO_MAX_LEN)
		return errmsg_set(err, ERRMSG_INPUT, EFBIG,
				  "adding %s to the initramfs: %zu bytes do not fit, a file has less than 4 GiB",
				  path, len);
	ret = resolve(ir, path, name, err);
	if (ret)
		return ret;
	if (!*name)
		return errmsg_set(err, ERRMSG_INPUT, EISDIR,
				  "adding %s to the initramfs: that is its root", path);
	return begin(ir, name, type | mode, len, ep, err);
}

static int add_memory(struct initramfs *ir, const char *path, mode_t type,
		      mode_t mode, const void *data, size_t len, struct errmsg *err)
{
	struct cpio_entry *e;
	int ret;

	ret = begin_at(ir, path, type, mode, len, &e, err);
	if (ret)
		return ret;
	if (len)
		memcpy(ir->archive + e->data, data, len);
	return commit(ir, e, err);
}

void initramfs_init(struct initramfs *ir)
{
	*ir = (struct initramfs){ 0 };
}

static void keep(void *node)
{
	(void)node;
}

void initramfs_destroy(struct initramfs *ir)
{
	tdestroy(ir->files, keep);
	tdestroy(ir->paths, free);
	free(ir->archive);
	initramfs_init(ir);
}

int initramfs_add_dir(struct initramfs *ir, const char *path, mode_t mode,
		      struct errmsg *err)
{
	char name[PATH_MAX];
	struct cpio_entry *e;
	int ret;

	ret = check_mode(path, mode, err);
	if (!ret)
		ret = resolve(ir, path, name, err);
	if (ret)
		return ret;
	/* The kernel has made the root, and unpacks into it. */
	if (!*name)
		return 0;
	ret = begin(ir, name, S_IFDIR | mode, 0, &e, err);
	if (ret)
		return ret;
	return commit(ir, e, err);
}

int initramfs_add_file(struct initramfs *ir, const char *path, mode_t mode,
		       const void *data, size_t len, struct errmsg *err)
{
	return add_memory(ir, path, S_IFREG, mode, data, len, err);
}

int initramfs_add_symlink(struct initramfs *ir, const char *path,
			  const char *target, struct errmsg *err)
{
	size_t len = strlen(target);

	if (!len || len >= PATH_MAX)
		return errmsg_set(err, ERRMSG_INPUT, len ? ENAMETOOLONG : ENOENT,
				  "adding %s to the initramfs: a symlink's target has 1 to %d bytes, not %zu",
				  path, PATH_MAX - 1, len);
	return add_memory(ir, path, S_IFLNK, 0777, target, len, err);
}

int initramfs_add_chardev(struct initramfs *ir, const char *path, mode_t mode,
			  unsigned int major, unsigned int minor,
			  struct errmsg *err)
{
	struct cpio_entry *e;
	int ret;

	ret = begin_at(ir, path, S_IFCHR, mode, 0, &e, err);
	if (ret)
		return ret;
	e->rdev = makedev(major, minor);
	return commit(ir, e, err);
}

/* Reads exactly @len bytes, after which the file must end. */
static int read_all(int fd, char *buf, size_t len)
{
	size_t done = 0;
	char beyond;
	ssize_t n;

	for (;;) {
		if (done < len)
			n = read(fd, buf + done, len - done);
		else
			n = read(fd, &beyond, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return done == len ? 0 : -EBUSY;
		if (done == len)
			return -EBUSY;
		done += n;
	}
}

/* Adds the open file @fd; @st is what fstat() said. */
static int add_open_file(struct initramfs *ir, const char *path, const char *host,
			 int fd, const struct stat *st, mode_t mode,
			 struct errmsg *err)
{
	const struct cpio_entry key = {
		.mode = S_IFREG | mode,
		.host_dev = st->st_dev,
		.host_ino = st->st_ino,
	};
	struct cpio_entry *twin, *e;
	int ret;

	twin = find(&ir->files, &key, compare_host_inode);
	ret = begin_at(ir, path, S_IFREG, mode, twin ? 0 : st->st_size, &e, err);
	if (ret)
		return ret;
	if (twin) {
		e->twin = twin;
		e->data = twin->data;
		e->len = twin->len;
		return commit(ir, e, err);
	}

	ret = read_all(fd, ir->archive + e->data, e->len);
	if (ret) {
		free(e);
		if (ret == -EBUSY)
			return errmsg_set(err, ERRMSG_FAILED, EBUSY,
					  "reading %s: its size changed meanwhile; is it being written?",
					  host);
		return errmsg_set(err, kvm_errno_kind(-ret), -ret, "reading %s", host);
	}
	/* A file without data has nothing to share. */
	if (e->len) {
		e->host_dev = st->st_dev;
		e->host_ino = st->st_ino;
	}
	return commit(ir, e, err);
}

int initramfs_add_host_file(struct initramfs *ir, const char *path,
			    const char *host, mode_t mode, struct errmsg *err)
{
	struct stat st;
	int fd, ret;

	/* O_NONBLOCK: a FIFO must not make this wait. */
	fd = open(host, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errmsg_set(err, kvm_errno_kind(errno) == ERRMSG_HOST ? ERRMSG_HOST :
				  ERRMSG_INPUT, errno,
				  "opening %s, to be %s in the initramfs", host, path);
	if (fstat(fd, &st))
		ret = errmsg_set(err, kvm_errno_kind(errno), errno, "fstat of %s", host);
	else if (!S_ISREG(st.st_mode))
		ret = errmsg_set(err, ERRMSG_INPUT, S_ISDIR(st.st_mode) ? EISDIR : EINVAL,
				 "adding %s to the initramfs: not a regular file", host);
	else
		ret = add_open_file(ir, path, host, fd, &st, mode, err);
	close(fd);
	return ret;
}

int initramfs_add_program(struct initramfs *ir, const char *path,
			  const char *host, struct errmsg *err)
{
	struct elf_deps deps;
	size_t i;
	int ret;

	ret = elf_deps_find(&deps, host, path, err);
	if (ret)
		return ret;
	for (i = 0; i < deps.nr && !ret; i++)
		ret = initramfs_add_host_file(ir, deps.dep[i].guest,
					      deps.dep[i].host, 0755, err);
	elf_deps_free(&deps);
	if (ret)
		return ret;
	return initramfs_add_host_file(ir, path, host, 0755, err);
}

static void put_le32(char *p, u32 value)
{
	value = htole32(value);
	memcpy(p, &value, sizeof(value));
}

int initramfs_finish(struct initramfs *ir, const void **image, size_t *size,
		     struct errmsg *err)
{
	struct cpio_entry *trailer;
	int ret;

	ret = begin(ir, CPIO_TRAILER, 0, 0, &trailer, err) ?:
	      commit(ir, trailer, err);
	if (ret)
		return ret;
	*image = ir->archive;
	*size = ir->size;
	return 0;
}

int initramfs_compress(struct initramfs *ir, const void **image, size_t *size,
		       struct errmsg *err)
{
	size_t blocks = DIV_ROUND_UP(ir->size, LZ4_LEGACY_BLOCK);
	size_t room = 4 + blocks * (4 + LZ4_compressBound(LZ4_LEGACY_BLOCK)) +
		      LZ4_LEGACY_END + INITRAMFS_ALIGN;
	size_t in, out = 4, end;
	char *lz4;

	lz4 = malloc(room);
	if (!lz4)
		return no_memory(err, room);
	put_le32(lz4, LZ4_LEGACY_MAGIC);
	for (in = 0; in < ir->size; in += LZ4_LEGACY_BLOCK) {
		int len = min_t(size_t, ir->size - in, LZ4_LEGACY_BLOCK);

		len = LZ4_compress_default(ir->archive + in, lz4 + out + 4, len,
					   LZ4_compressBound(LZ4_LEGACY_BLOCK));
		if (len <= 0) {
			free(lz4);
			return errmsg_set(err, ERRMSG_FAILED, EIO,
					  "compressing the initramfs with LZ4");
		}
		put_le32(lz4 + out, len);
		out += 4 + len;
	}
	end = roundup(out + LZ4_LEGACY_END, INITRAMFS_ALIGN);
	memset(lz4 + out, 0, end - out);

	free(ir->archive);
	ir->archive = lz4;
	ir->size = end;
	ir->room = room;
	*image = lz4;
	*size = end;
	return 0;
}
