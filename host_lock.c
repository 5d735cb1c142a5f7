// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/kernel.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "env.h"
#include "host_lock.h"

#define DIR_MODE	01777
#define FILE_MODE	0666
#define MAX_NAMED	4U	/* holders in a line; the others are counted */

/* -- the directory --------------------------------------------------------------------- */

static bool everybody_may_write(const char *path)
{
	struct statvfs fs;
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode) &&
	       (st.st_mode & DIR_MODE) == DIR_MODE &&
	       !statvfs(path, &fs) && !(fs.f_flag & ST_RDONLY);
}

static int find_dir(char *path, struct errmsg *err)
{
	static const char * const places[] = { "/run/lock", "/dev/shm", "/tmp" };
	const char *env = env_get(ENV_LOCK_DIR);
	size_t i;

	if (env) {
		snprintf(path, PATH_MAX, "%s", env);
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(places); i++) {
		if (!everybody_may_write(places[i]))
			continue;
		snprintf(path, PATH_MAX, "%s/ktstr", places[i]);
		return 0;
	}
	return errmsg_set(err, ERRMSG_HOST, ENOENT,
			  "no /run/lock, /dev/shm or /tmp for locks that everybody may write to; set %s to a directory",
			  ENV_LOCK_DIR);
}

int host_lock_dir(char *path, struct errmsg *err)
{
	int fd, ret = find_dir(path, err);

	if (ret)
		return ret;
	/* No link is followed: where all may write, it may be anybody's. */
	ret = mkdir(path, DIR_MODE);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errmsg_set(err, ERRMSG_HOST, errno,
				  "opening %s, where locks are (%s names another directory)",
				  path, ENV_LOCK_DIR);
	if (!ret)	/* it is new, and the umask took bits away */
		fchmod(fd, DIR_MODE);
	return fd;
}

/* -- claims ------------------------------------------------------------------------------- */

static char *lock_name(unsigned int llc, char name[32])
{
	snprintf(name, 32, "llc-of-cpu%u", llc);
	return name;
}

/*
 * O_CREAT only for what does not exist: with fs.protected_regular it fails for
 * other users' files in a directory that everybody may write to.
 */
static int open_file(int dir, const char *name)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dir, name, flags);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	fd = openat(dir, name, flags | O_CREAT | O_EXCL, FILE_MODE);
	if (fd >= 0)
		fchmod(fd, FILE_MODE);
	else if (errno == EEXIST)
		fd = openat(dir, name, flags);
	return fd;
}

int host_lock_take(int dir, unsigned int llc, bool exclusive, struct errmsg *err)
{
	char name[32];
	int fd, ret;

	fd = open_file(dir, lock_name(llc, name));
	if (fd < 0)
		return errmsg_set(err, ERRMSG_HOST, errno, "opening the lock file %s", name);
	do {
		ret = flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB);
	} while (ret && errno == EINTR);
	if (!ret)
		return fd;
	ret = errmsg_set(err, ERRMSG_HOST, errno, "locking %s", name);
	close(fd);
	return ret;
}

/* -- holders ------------------------------------------------------------------------------ */

/*
 * The device number that /proc/locks has is that of the file system, which
 * stat(2) does not tell on all of them, but mountinfo does (proc(5)).
 */
static bool find_device(int fd, unsigned int *major, unsigned int *minor)
{
	char path[64], line[4096];
	int id = -1, mount;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/thread-self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && id < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "mnt_id: %d", &mount) == 1)
			id = mount;
	if (f)
		fclose(f);
	f = fopen("/proc/thread-self/mountinfo", "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%d %*d %u:%u", &mount, major, minor) == 3 && mount == id;
	if (f)
		fclose(f);
	return found;
}

static void read_command(pid_t pid, char *command, size_t size)
{
	char path[64];
	size_t len = 0, i;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	f = fopen(path, "re");
	if (f) {
		len = fread(command, 1, size - 1, f);
		fclose(f);
	}
	while (len && !command[len - 1])
		len--;
	/* It is shown to people: one line, no control characters. */
	for (i = 0; i < len; i++)
		if ((unsigned char)command[i] < ' ' || command[i] == 0x7f)
			command[i] = ' ';
	command[len] = '\0';
	if (!len)
		snprintf(command, size, "?");
}

/* A line such as "1: FLOCK  ADVISORY  WRITE 706 00:16:4242 0 EOF"; waiters have "->". */
static bool parse_lock(const char *line, const struct stat *st, unsigned int major,
		       unsigned int minor, struct lock_holder *holder)
{
	unsigned int maj, min;
	unsigned long ino;
	char mode[8];

	if (sscanf(line, "%*d: FLOCK ADVISORY %7s %d %x:%x:%lu", mode, &holder->pid, &maj,
		   &min, &ino) != 5)
		return false;
	holder->exclusive = !strcmp(mode, "WRITE");
	return maj == major && min == minor && ino == st->st_ino;
}

unsigned int host_lock_holders(int dir, unsigned int llc, struct lock_holder *holders,
			       unsigned int max)
{
	unsigned int major, minor, nr = 0;
	struct lock_holder holder;
	char name[32], line[256];
	struct stat st;
	FILE *f = NULL;
	int fd;

	fd = openat(dir, lock_name(llc, name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (!fstat(fd, &st) && find_device(fd, &major, &minor))
		f = fopen("/proc/locks", "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (!parse_lock(line, &st, major, minor, &holder))
			continue;
		if (nr < max) {
			read_command(holder.pid, holder.command, sizeof(holder.command));
			holders[nr] = holder;
		}
		nr++;
	}
	if (f)
		fclose(f);
	close(fd);
	return nr;
}

char *host_lock_print(int dir, unsigned int llc, char *buf, size_t size)
{
	struct lock_holder holders[MAX_NAMED];
	unsigned int i, nr = host_lock_holders(dir, llc, holders, MAX_NAMED);
	size_t len = 0;

	buf[0] = '\0';
	for (i = 0; i < min(nr, MAX_NAMED) && len < size; i++)
		len += snprintf(buf + len, size - len, "%spid %d (%s)%s", i ? ", " : "",
				holders[i].pid, holders[i].command,
				holders[i].exclusive ? " exclusively" : "");
	if (nr > MAX_NAMED && len < size)
		snprintf(buf + len, size - len, " and %u more", nr - MAX_NAMED);
	return buf;
}
