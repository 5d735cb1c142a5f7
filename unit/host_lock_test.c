// SPDX-License-Identifier: GPL-2.0
/* Claims on caches: who may have which, who has, and that none outlives its holder. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kernel.h>
#include <linux/types.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host_lock.h"
#include "harness.h"
#include "testutil.h"

FIXTURE(lock) {
	char base[64];
	char path[PATH_MAX];
	int dir;
	struct errmsg err;
};

FIXTURE_SETUP(lock)
{
	memset(self, 0, sizeof(*self));
	snprintf(self->base, sizeof(self->base), "/tmp/ktstr_lock_XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->base));
	snprintf(self->path, sizeof(self->path), "%s/locks", self->base);
	setenv(ENV_LOCK_DIR, self->path, 1);
	self->dir = host_lock_dir(self->path, &self->err);
	ASSERT_LE(0, self->dir) {
		TH_LOG("%s", self->err.text);
	}
}

FIXTURE_TEARDOWN(lock)
{
	close(self->dir);
	sh("rm -rf %s", self->base);
}

static int take(struct _test_data_lock *self, bool exclusive)
{
	return host_lock_take(self->dir, 8, exclusive, &self->err);
}

TEST_F(lock, shared_and_exclusive)
{
	int a, b, c;

	a = take(self, false);
	ASSERT_LE(0, a);
	EXPECT_EQ(FD_CLOEXEC, fcntl(a, F_GETFD));
	b = take(self, false);
	ASSERT_LE(0, b);
	EXPECT_EQ(-EAGAIN, take(self, true));
	EXPECT_EQ(ERRMSG_HOST, self->err.kind);
	close(a);
	EXPECT_EQ(-EAGAIN, take(self, true));
	close(b);
	c = take(self, true);
	ASSERT_LE(0, c);
	EXPECT_EQ(-EAGAIN, take(self, true));
	EXPECT_EQ(-EAGAIN, take(self, false));

	/* Another cache is another matter. */
	a = host_lock_take(self->dir, 80, true, &self->err);
	EXPECT_LE(0, a);
	close(a);
	close(c);
}

/* A child that has taken the lock, and has said so */
static pid_t start_holder(struct __test_metadata *_metadata, struct _test_data_lock *self,
			  bool exclusive)
{
	int said[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe2(said, O_CLOEXEC));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		c = take(self, exclusive) < 0;
		if (write(said[1], &c, 1) == 1)
			pause();
		_exit(1);
	}
	close(said[1]);
	ASSERT_EQ(1, read(said[0], &c, 1));
	ASSERT_EQ(0, c);
	close(said[0]);
	return pid;
}

static void end_holder(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

TEST_F(lock, killed_holders_leave_nothing)
{
	pid_t pid = start_holder(_metadata, self, true);
	int fd;

	EXPECT_EQ(-EAGAIN, take(self, false));
	end_holder(pid);
	EXPECT_EQ(0, host_lock_holders(self->dir, 8, NULL, 0));
	fd = take(self, true);
	EXPECT_LE(0, fd);
	close(fd);
}

TEST_F(lock, holders_are_known)
{
	struct lock_holder holders[4] = {};
	char text[512], command[128] = "";
	pid_t pids[6];
	unsigned int i;
	FILE *f;

	EXPECT_EQ(0, host_lock_holders(self->dir, 8, holders, 4));
	EXPECT_STREQ("", host_lock_print(self->dir, 8, text, sizeof(text)));

	pids[0] = start_holder(_metadata, self, true);
	ASSERT_EQ(1, host_lock_holders(self->dir, 8, holders, 4));
	EXPECT_EQ(pids[0], holders[0].pid);
	EXPECT_TRUE(holders[0].exclusive);
	f = fopen("/proc/self/cmdline", "re");
	ASSERT_NE(NULL, f);
	ASSERT_NE(0, fread(command, 1, sizeof(command) - 1, f));
	fclose(f);
	EXPECT_EQ(0, strncmp(command, holders[0].command, strlen(command))) {
		TH_LOG("%s, not %s", holders[0].command, command);
	}
	host_lock_print(self->dir, 8, text, sizeof(text));
	snprintf(command, sizeof(command), "pid %d (%.64s", pids[0], holders[0].command);
	EXPECT_EQ(0, strncmp(command, text, strlen(command)));
	EXPECT_NE(NULL, strstr(text, ") exclusively"));
	/* Not of another cache, though it has a file */
	close(host_lock_take(self->dir, 80, false, &self->err));
	EXPECT_EQ(0, host_lock_holders(self->dir, 80, holders, 4));
	end_holder(pids[0]);

	for (i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = start_holder(_metadata, self, false);
	ASSERT_EQ(6, host_lock_holders(self->dir, 8, holders, 4));
	EXPECT_FALSE(holders[3].exclusive);
	host_lock_print(self->dir, 8, text, sizeof(text));
	EXPECT_NE(NULL, strstr(text, " and 2 more"));
	EXPECT_EQ(NULL, strstr(text, "exclusively"));
	/* Whatever does not fit is cut. */
	EXPECT_EQ(9, strlen(host_lock_print(self->dir, 8, text, 10)));
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		end_holder(pids[i]);
	EXPECT_EQ(0, host_lock_holders(self->dir, 8, holders, 4));
}

/* Any user may lock what any other has made, whatever the umask was. */
TEST_F(lock, other_users)
{
	struct stat st;
	int fd, status;
	pid_t pid;

	ASSERT_EQ(0, fstat(self->dir, &st));
	EXPECT_EQ(01777, st.st_mode & 07777);
	umask(077);
	fd = take(self, false);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(0666, st.st_mode & 07777);
	EXPECT_EQ(0, st.st_size);
	if (getuid()) {
		close(fd);
		SKIP(return, "only root can be another user");
	}
	ASSERT_EQ(0, chmod(self->base, 0755));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		int dir;

		if (setuid(65534))
			_exit(1);
		dir = host_lock_dir(self->path, &self->err);
		if (dir < 0 || host_lock_take(dir, 8, true, &self->err) != -EAGAIN)
			_exit(2);
		if (host_lock_take(dir, 8, false, &self->err) < 0)
			_exit(3);
		/* and the other way round */
		_exit(host_lock_take(dir, 16, false, &self->err) < 0 ? 4 : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status) {
		TH_LOG("%s", self->err.text);
	}
	close(fd);
	fd = host_lock_take(self->dir, 16, true, &self->err);
	EXPECT_LE(0, fd);
	close(fd);
}

TEST_F(lock, bad_directories)
{
	int fds = open_files();
	char path[PATH_MAX];

	/* A link could be anybody's. */
	snprintf(path, sizeof(path), "%s/link", self->base);
	ASSERT_EQ(0, symlink(self->base, path));
	setenv(ENV_LOCK_DIR, path, 1);
	EXPECT_GT(0, host_lock_dir(path, &self->err));
	EXPECT_EQ(ERRMSG_HOST, self->err.kind);
	EXPECT_NE(NULL, strstr(self->err.text, "/link"));

	setenv(ENV_LOCK_DIR, "/nonexistent/locks", 1);
	EXPECT_EQ(-ENOENT, host_lock_dir(path, &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "/nonexistent/locks"));
	EXPECT_NE(NULL, strstr(self->err.text, ENV_LOCK_DIR));

	/* Nor is a link in it, or what is no file, a lock. */
	snprintf(path, sizeof(path), "%s/locks/llc-of-cpu8", self->base);
	ASSERT_EQ(0, symlink("/etc/passwd", path));
	EXPECT_EQ(-ELOOP, take(self, false));
	EXPECT_EQ(fds, open_files());
}

/* The usual place: where everybody may write. It is left as it is. */
TEST(default_directory)
{
	struct errmsg err = {};
	char path[PATH_MAX];
	int fd;

	unsetenv(ENV_LOCK_DIR);
	fd = host_lock_dir(path, &err);
	if (fd < 0)
		SKIP(return, "%s", err.text);
	EXPECT_TRUE(!strcmp(path, "/run/lock/ktstr") || !strcmp(path, "/dev/shm/ktstr") ||
		    !strcmp(path, "/tmp/ktstr"));
	close(fd);
}

TEST_HARNESS_MAIN
