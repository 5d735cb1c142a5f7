// SPDX-License-Identifier: GPL-2.0
/*
 * All of it is in the header: one library less to be found at run time. It
 * comes first, as the kernel's headers redefine what it uses of the compiler.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kernel.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "env.h"
#include "initramfs_cache.h"
#include "kvm_caps.h"
#include "write_all.h"

#define SHM_ROOT	"/dev/shm"
#define PREFIX		"initramfs-"
#define VALID_MODE	0400

/* Far longer than compression takes: whoever holds the lock does not run. */
#define LOCK_TIMEOUT_NS	(5 * NSEC_PER_SEC)

/* How often a segment may vanish while it is being opened */
#define MAX_TRIES	10

/* More files than this are not looked at when segments are dropped. */
#define MAX_FILES	256

/**
 * struct image - an archive on its way to a segment
 * @ir: the builder
 * @name: of the segment
 * @lz4: compressed; NULL before that was needed
 * @size: bytes at @lz4
 */
struct image {
	struct initramfs *ir;
	char name[64];
	const void *lz4;
	size_t size;
};

/* A name is kept in full: segments have short ones, others are not ours. */
struct file {
	char name[64];
	ino_t ino;
	off_t size;
	u64 used_ns;
};

static int compress(struct image *image, struct errmsg *err)
{
	return image->lz4 ? 0 : initramfs_compress(image->ir, &image->lz4, &image->size, err);
}

/* -- dropping old segments ---------------------------------------------------- */

static int compare_use(const void *a, const void *b)
{
	const struct file *x = a, *y = b;

	return (x->used_ns < y->used_ns) - (x->used_ns > y->used_ns);
}

static size_t list_files(int dir_fd, struct file *files)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	struct stat st;
	size_t nr = 0;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while (nr < MAX_FILES && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, PREFIX, sizeof(PREFIX) - 1) ||
		    strlen(entry->d_name) >= sizeof(files->name) ||
		    fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(st.st_mode))
			continue;
		memcpy(files[nr].name, entry->d_name, strlen(entry->d_name) + 1);
		files[nr].ino = st.st_ino;
		files[nr].size = st.st_size;
		files[nr++].used_ns = st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec;
	}
	closedir(dir);
	return nr;
}

/* Only with its lock: nobody has mapped it, nobody is writing to it. */
static void drop(int dir_fd, const struct file *file)
{
	int fd = openat(dir_fd, file->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return;
	if (!flock(fd, LOCK_EX | LOCK_NB) && !fstat(fd, &st) && st.st_ino == file->ino)
		unlinkat(dir_fd, file->name, 0);
	close(fd);
}

static void drop_old(int dir_fd)
{
	const u64 oldest_ns = (time(NULL) - INITRAMFS_CACHE_MAX_AGE) * NSEC_PER_SEC;
	struct file *files = calloc(MAX_FILES, sizeof(*files));
	size_t i, nr, bytes = 0;

	if (!files)
		return;
	nr = list_files(dir_fd, files);
	qsort(files, nr, sizeof(*files), compare_use);
	for (i = 0; i < nr; i++) {
		bytes += files[i].size;
		if (i >= INITRAMFS_CACHE_MAX_SEGMENTS || bytes > INITRAMFS_CACHE_MAX_BYTES ||
		    files[i].used_ns < oldest_ns)
			drop(dir_fd, &files[i]);
	}
	free(files);
}

/* -- a segment ---------------------------------------------------------------- */

/* flock() with an end to its patience */
static int lock(int fd, int operation)
{
	const struct timespec pause = { .tv_nsec = NSEC_PER_MSEC };
	const u64 deadline = clock_ns() + LOCK_TIMEOUT_NS;

	while (flock(fd, operation | LOCK_NB)) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (clock_ns() > deadline)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static bool is_valid(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_uid == geteuid() &&
	       (st->st_mode & 07777) == VALID_MODE && st->st_size &&
	       st->st_size % INITRAMFS_ALIGN == 0;
}

/* Without the file's lock nothing is known about it, with it all is. */
static int lock_and_stat(int fd, int operation, struct stat *st)
{
	int ret = lock(fd, operation);

	if (ret)
		return ret;
	if (fstat(fd, st))
		return -errno;
	/* It was dropped when it was open already, and not yet locked. */
	return st->st_nlink ? 0 : -EAGAIN;
}

/* Return: the fd of a valid segment with a shared lock, or a negative errno */
static int open_valid(int dir_fd, const char *name, struct stat *st)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = lock_and_stat(fd, LOCK_SH, st);
	if (!ret && !is_valid(st))
		ret = -ENOENT;
	if (ret) {
		close(fd);
		return ret;
	}
	/* When it was last used; it does not matter much if nobody gets to know. */
	futimens(fd, NULL);
	return fd;
}

/* With the exclusive lock on @fd, which has a file that is not valid */
static int fill(int dir_fd, int fd, struct image *image, struct errmsg *err)
{
	int ret = compress(image, err);

	if (ret)
		return ret;
	if (ftruncate(fd, 0))
		ret = -errno;
	ret = ret ?: write_all(fd, image->lz4, image->size);
	if (!ret && fchmod(fd, VALID_MODE))
		ret = -errno;
	if (ret) {
		unlinkat(dir_fd, image->name, 0);
		return errmsg_set(err, ERRMSG_HOST, -ret, "writing %zu KiB", image->size >> 10);
	}
	drop_old(dir_fd);
	return 0;
}

/* Return: as open_valid() */
static int create(int dir_fd, struct image *image, struct errmsg *err)
{
	int fd = openat(dir_fd, image->name,
			O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat st;
	int ret;

	/* Whoever is not root cannot open what has become valid meanwhile. */
	if (fd < 0 && errno == EACCES)
		return -EAGAIN;
	if (fd < 0)
		return errmsg_set(err, ERRMSG_HOST, errno, "opening it");
	ret = lock_and_stat(fd, LOCK_EX, &st);
	if (ret == -ETIMEDOUT)
		errmsg_set(err, ERRMSG_HOST, -ret, "waiting for its writer");
	else if (ret && ret != -EAGAIN)
		errmsg_set(err, ERRMSG_HOST, -ret, "locking it");
	else if (!ret && is_valid(&st))
		ret = -EAGAIN;
	ret = ret ?: fill(dir_fd, fd, image, err);
	/* From exclusive to shared there is a moment without a lock. */
	if (!ret && flock(fd, LOCK_SH))
		ret = errmsg_set(err, ERRMSG_HOST, errno, "locking it");
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

static int get_shared(int dir_fd, struct image *image, struct initramfs_segment *seg)
{
	struct stat st;
	int i, fd;

	for (i = 0; i < MAX_TRIES; i++) {
		fd = open_valid(dir_fd, image->name, &st);
		if (fd >= 0) {
			seg->found = !image->lz4;
			seg->size = st.st_size;
			return fd;
		}
		if (fd == -ETIMEDOUT)
			return errmsg_set(&seg->note, ERRMSG_HOST, -fd, "waiting for its writer");
		if (fd == -EAGAIN)
			continue;
		fd = create(dir_fd, image, &seg->note);
		if (fd >= 0)
			seg->size = image->size;
		if (fd != -EAGAIN)
			return fd;
	}
	return errmsg_set(&seg->note, ERRMSG_HOST, EAGAIN, "opening it");
}

/* Nobody else can have put anything into a directory that only we can enter. */
static int open_dir(const char *path, struct errmsg *err)
{
	struct stat st;
	int fd;

	if (mkdir(path, 0700) && errno != EEXIST)
		return errmsg_set(err, ERRMSG_HOST, errno, "making it");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errmsg_set(err, ERRMSG_HOST, errno, "opening it");
	if (!fstat(fd, &st) && st.st_uid == geteuid() && !(st.st_mode & 077))
		return fd;
	close(fd);
	return errmsg_set(err, ERRMSG_HOST, EPERM,
			  "it is there, but not with uid %u and mode 0700; remove it", geteuid());
}

static int get_below(const char *root, struct image *image, struct initramfs_segment *seg)
{
	char path[PATH_MAX];
	int dir_fd, fd;

	snprintf(path, sizeof(path), "%s/ktstr-%u", root, geteuid());
	dir_fd = open_dir(path, &seg->note);
	fd = dir_fd;
	if (dir_fd >= 0) {
		fd = get_shared(dir_fd, image, seg);
		close(dir_fd);
	}
	if (fd < 0)
		errmsg_prefix(&seg->note, "the initramfs is not shared by way of %s", path);
	return fd;
}

static int get_private(struct initramfs_segment *seg, struct image *image, struct errmsg *err)
{
	int ret = compress(image, err);

	if (ret)
		return ret;
	seg->size = image->size;
	seg->fd = memfd_create("ktstr-initramfs", MFD_CLOEXEC);
	if (seg->fd < 0)
		return errmsg_set(err, kvm_errno_kind(errno), errno,
				  "memfd_create for the initramfs");
	ret = write_all(seg->fd, image->lz4, image->size);
	if (!ret)
		return 0;
	initramfs_cache_put(seg);
	return errmsg_set(err, ERRMSG_HOST, -ret, "writing %zu KiB of initramfs to memory",
			  image->size >> 10);
}

int initramfs_cache_get(struct initramfs_segment *seg, const char *root,
			struct initramfs *ir, struct errmsg *err)
{
	const char *runtime = env_get("XDG_RUNTIME_DIR");
	struct image image = { .ir = ir };
	const void *archive;
	size_t size;
	int ret;

	*seg = (struct initramfs_segment){ .fd = -1 };
	ret = initramfs_finish(ir, &archive, &size, err);
	if (ret)
		return ret;
	snprintf(image.name, sizeof(image.name), PREFIX "%016llx-%zu",
		 (unsigned long long)XXH64(archive, size, 0), size);

	seg->fd = get_below(root ?: SHM_ROOT, &image, seg);
	if (seg->fd < 0 && !root && runtime)
		seg->fd = get_below(runtime, &image, seg);
	if (seg->fd < 0)
		return get_private(seg, &image, err);
	seg->note.text[0] = '\0';
	return 0;
}

void initramfs_cache_put(struct initramfs_segment *seg)
{
	if (seg->size && seg->fd >= 0)
		close(seg->fd);
	*seg = (struct initramfs_segment){ .fd = -1 };
}
