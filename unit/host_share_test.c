// SPDX-License-Identifier: GPL-2.0
/* Shares of described hosts, among guests that do not know each other. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kernel.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "host_lock.h"
#include "host_share.h"
#include "harness.h"
#include "own_path.h"
#include "tree.h"

TREE(epyc_16llc);
TREE(vm_2cpu);

#define MAX_SHARES	20

/* Calls of open() that fail: for a path with this end, that many times */
static struct {
	const char *end;
	unsigned int times;
	int error;
} no_open;

int open(const char *path, int flags, ...)
{
	const size_t len = strlen(path), end = no_open.end ? strlen(no_open.end) : 0;

	if (no_open.times && len >= end && !strcmp(path + len - end, no_open.end)) {
		no_open.times--;
		errno = no_open.error;
		return -1;
	}
	return openat(AT_FDCWD, path, flags);	/* nobody here creates a file by it */
}

FIXTURE(share) {
	char root[64];
	char locks[128];
	struct topology topo;
	struct host_share_config cfg;
	struct host_share *shares[MAX_SHARES];
	unsigned int nr;
	struct errmsg err;
};

static void use_tree(struct __test_metadata *_metadata, struct _test_data_share *self,
		     const char *tree)
{
	ASSERT_EQ(0, tree_unpack(tree, self->root));
	snprintf(self->locks, sizeof(self->locks), "%s/locks", self->root);
	setenv(ENV_LOCK_DIR, self->locks, 1);
	self->cfg = (struct host_share_config) { .root = self->root, .topo = &self->topo };
}

FIXTURE_SETUP(share)
{
	memset(self, 0, sizeof(*self));
}

FIXTURE_TEARDOWN(share)
{
	while (self->nr)
		host_share_release(self->shares[--self->nr]);
	if (*self->root)
		tree_remove(self->root);
}

static int take(struct __test_metadata *_metadata, struct _test_data_share *self,
		const char *topo, bool performance)
{
	int ret;

	ASSERT_EQ(0, topology_parse(topo, &self->topo, &self->err));
	self->cfg.performance = performance;
	ret = host_share_take(&self->shares[self->nr], &self->cfg, &self->err);
	if (!ret)
		self->nr++;
	else
		EXPECT_EQ(NULL, self->shares[self->nr]);
	return ret;
}

/* Return: the lowest CPU of the share that was taken last */
static unsigned int first_cpu(const struct _test_data_share *self)
{
	const struct placement *p = &self->shares[self->nr - 1]->placement;

	return p->pinned ? p->cpus[0] : cpu_set_next(&p->service, 0);
}

TEST_F(share, guests_side_by_side)
{
	unsigned int i;

	use_tree(_metadata, self, tree_epyc_16llc);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, take(_metadata, self, "1n1l4c2t", true)) {
			TH_LOG("%s", self->err.text);
		}
		EXPECT_EQ(i * 8, first_cpu(self));
		EXPECT_EQ(1, self->shares[i]->nr_locks);
		EXPECT_STREQ("", self->shares[i]->warnings.text);
	}
	/* Those who share spread over the rest, and then meet. */
	for (i = 0; i < 13; i++) {
		ASSERT_EQ(0, take(_metadata, self, "1n1l2c1t", false));
		EXPECT_EQ(24 + i * 8, first_cpu(self));
	}
	ASSERT_EQ(0, take(_metadata, self, "1n1l2c1t", false));
	EXPECT_EQ(24, first_cpu(self));

	/* Nothing is left for one more in performance mode, until one ends. */
	EXPECT_EQ(-EBUSY, take(_metadata, self, "1n1l4c2t", true));
	EXPECT_EQ(ERRMSG_HOST, self->err.kind);
	host_share_release(self->shares[1]);
	self->shares[1] = NULL;
	ASSERT_EQ(0, take(_metadata, self, "1n1l4c2t", true));
	EXPECT_EQ(8, first_cpu(self));
	/* Nor for one that would need all of the host */
	EXPECT_EQ(-EBUSY, take(_metadata, self, "1n16l8c2t", false));
}

/* What was claimed before something was found taken is given back first. */
TEST_F(share, one_of_two_is_taken)
{
	char path[PATH_MAX];
	int dir, other;

	use_tree(_metadata, self, tree_epyc_16llc);
	dir = host_lock_dir(path, &self->err);
	ASSERT_LE(0, dir);
	other = host_lock_take(dir, 8, true, &self->err);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, take(_metadata, self, "1n2l4c1t", true));
	EXPECT_EQ(0, self->shares[0]->placement.cpus[0]);
	EXPECT_EQ(16, self->shares[0]->placement.cpus[4]);
	EXPECT_EQ(2, self->shares[0]->nr_locks);
	close(other);
	close(dir);
}

/* The VMM's own thread shares its cache with guests in shared mode. */
TEST_F(share, service_cpu)
{
	use_tree(_metadata, self, tree_epyc_16llc);
	ASSERT_EQ(0, take(_metadata, self, "1n1l8c1t", true));
	EXPECT_EQ(2, self->shares[0]->nr_locks);
	EXPECT_EQ(8, cpu_set_next(&self->shares[0]->placement.service, 0));
	ASSERT_EQ(0, take(_metadata, self, "1n15l8c2t", false));
	EXPECT_EQ(8, first_cpu(self));
}

TEST_F(share, warnings)
{
	use_tree(_metadata, self, tree_epyc_16llc);
	ASSERT_EQ(0, take(_metadata, self, "2n2l9c1t", true));
	EXPECT_NE(NULL, strstr(self->shares[0]->warnings.text, "threads that share a core"));
	EXPECT_NE(NULL, strstr(self->shares[0]->warnings.text, "share a node of the host"));

	setenv(ENV_LOCK_DIR, "/nonexistent/locks", 1);
	ASSERT_EQ(0, take(_metadata, self, "1n1l1c1t", false));
	EXPECT_NE(NULL, strstr(self->shares[1]->warnings.text, "no locks"));
	EXPECT_NE(NULL, strstr(self->shares[1]->warnings.text, "/nonexistent/locks"));
	EXPECT_EQ(0, self->shares[1]->nr_locks);
}

TEST_F(share, host_that_cannot_be_read)
{
	int fds = open_files();

	use_tree(_metadata, self, tree_vm_2cpu);
	ASSERT_EQ(0, tree_put(self->root, "sys/devices/system/cpu/online", "junk"));
	EXPECT_EQ(-ENODATA, take(_metadata, self, "1n1l1c1t", false));
	EXPECT_EQ(ERRMSG_HOST, self->err.kind);
	EXPECT_NE(NULL, strstr(self->err.text, "cpu/online"));
	EXPECT_EQ(fds, open_files());
	EXPECT_FALSE(leaks());
}

/* Too small is not busy: nobody waits for it. */
TEST_F(share, too_small)
{
	u64 start = clock_ns();

	use_tree(_metadata, self, tree_vm_2cpu);
	self->cfg.patience_ns = PATIENCE_NS;
	EXPECT_EQ(-ERANGE, take(_metadata, self, "1n1l2c1t", true));
	EXPECT_GT(self->cfg.patience_ns, clock_ns() - start);
	EXPECT_EQ(0, take(_metadata, self, "1n1l2c1t", false));
}

/*
 * A host that is short of something for a moment is neither one without locks, nor
 * one that does not tell its topology.
 */
TEST_F(share, short_of_something)
{
	static const char * const ends[] = { "/cpu/online", "/locks" };
	static const int errors[] = { EMFILE, ENFILE, ENOMEM };
	int fds = open_files();
	size_t i, j;

	use_tree(_metadata, self, tree_vm_2cpu);
	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		for (j = 0; j < ARRAY_SIZE(errors); j++) {
			no_open.end = ends[i];
			no_open.error = errors[j];
			no_open.times = 1;
			self->cfg.patience_ns = 0;
			EXPECT_EQ(-errors[j], take(_metadata, self, "1n1l1c1t", j & 1)) {
				TH_LOG("%s: %s", ends[i], self->err.text);
			}
			EXPECT_EQ(0, no_open.times);
			EXPECT_EQ(ERRMSG_HOST, self->err.kind);
			EXPECT_NE(NULL, strstr(self->err.text, strerrorname_np(errors[j])));
			EXPECT_EQ(fds, open_files());

			/* It passes. */
			no_open.times = 2;
			self->cfg.patience_ns = PATIENCE_NS;
			ASSERT_EQ(0, take(_metadata, self, "1n1l1c1t", j & 1)) {
				TH_LOG("%s: %s", ends[i], self->err.text);
			}
			EXPECT_EQ(0, no_open.times);
			EXPECT_EQ(1, self->shares[0]->nr_locks);
			EXPECT_EQ(NULL, strstr(self->shares[0]->warnings.text, "no locks"));
			host_share_release(self->shares[--self->nr]);
			self->shares[0] = NULL;
			EXPECT_EQ(fds, open_files());
		}
	}
	EXPECT_FALSE(leaks());
}

/* A child with a share, as another run of the suite would have it */
static pid_t start_other(struct __test_metadata *_metadata, struct _test_data_share *self,
			 bool performance)
{
	int said[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe2(said, O_CLOEXEC));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		c = take(_metadata, self, "1n1l1c1t", performance) != 0;
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

TEST_F(share, who_has_it)
{
	char pid_text[32];
	pid_t pid;

	use_tree(_metadata, self, tree_vm_2cpu);
	pid = start_other(_metadata, self, true);
	snprintf(pid_text, sizeof(pid_text), "CPU 0 has pid %d (", pid);
	EXPECT_EQ(-EBUSY, take(_metadata, self, "1n1l1c1t", false));
	EXPECT_EQ(ERRMSG_HOST, self->err.kind);
	EXPECT_NE(NULL, strstr(self->err.text, pid_text)) {
		TH_LOG("%s", self->err.text);
	}
	EXPECT_NE(NULL, strstr(self->err.text, "exclusively"));
	self->cfg.patience_ns = 50 * NSEC_PER_MSEC;
	EXPECT_EQ(-EBUSY, take(_metadata, self, "1n1l1c1t", true));
	EXPECT_NE(NULL, strstr(self->err.text, pid_text));
	EXPECT_NE(NULL, strstr(self->err.text, "; tried "));

	/* A killed one leaves nothing behind. */
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	EXPECT_EQ(0, take(_metadata, self, "1n1l1c1t", true)) {
		TH_LOG("%s", self->err.text);
	}
}

static void *kill_later(void *pid)
{
	usleep(100 * 1000);
	kill(*(pid_t *)pid, SIGKILL);
	waitpid(*(pid_t *)pid, NULL, 0);
	return NULL;
}

TEST_F(share, waits_for_others)
{
	pthread_t thread;
	pid_t pid;

	use_tree(_metadata, self, tree_vm_2cpu);
	pid = start_other(_metadata, self, false);
	EXPECT_EQ(-EBUSY, take(_metadata, self, "1n1l1c1t", true));
	ASSERT_EQ(0, pthread_create(&thread, NULL, kill_later, &pid));
	self->cfg.patience_ns = PATIENCE_NS;
	EXPECT_EQ(0, take(_metadata, self, "1n1l1c1t", true)) {
		TH_LOG("%s", self->err.text);
	}
	pthread_join(thread, NULL);
}

TEST_F(share, nothing_is_left)
{
	int fds = open_files(), i;

	use_tree(_metadata, self, tree_epyc_16llc);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, take(_metadata, self, "1n16l4c1t", true));
		EXPECT_EQ(-EBUSY, take(_metadata, self, "1n1l1c1t", true));
		host_share_release(self->shares[--self->nr]);
		EXPECT_EQ(fds, open_files());
	}
	host_share_release(NULL);
	self->shares[0] = NULL;
	EXPECT_FALSE(leaks());
}

/* ktstr_locks, which is beside this program, shows claims on this host. */
TEST_F(share, shown_by_the_program)
{
	char path[PATH_MAX], line[512], pid[32];
	bool found = false;
	FILE *f;

	use_tree(_metadata, self, tree_vm_2cpu);
	self->cfg.root = "";
	ASSERT_EQ(0, own_path_beside(path, "ktstr_locks", &self->err));
	ASSERT_EQ(0, take(_metadata, self, "1n1l1c1t", false)) {
		TH_LOG("%s", self->err.text);
	}
	snprintf(pid, sizeof(pid), ": pid %d (", getpid());
	f = popen(path, "re");
	ASSERT_NE(NULL, f);
	while (fgets(line, sizeof(line), f))
		found |= !strncmp(line, "CPUs ", 5) && strstr(line, pid);
	EXPECT_EQ(0, pclose(f));
	EXPECT_TRUE(found);

	host_share_release(self->shares[0]);
	self->shares[0] = NULL;
	f = popen(path, "re");
	ASSERT_NE(NULL, f);
	while (fgets(line, sizeof(line), f))
		EXPECT_EQ(NULL, strstr(line, pid));
	EXPECT_EQ(0, pclose(f));
}

TEST_HARNESS_MAIN
