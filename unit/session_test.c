// SPDX-License-Identifier: GPL-2.0
/*
 * What a guest gets that does not ask, its memory; how long it waits for a host that is
 * short; in which order it gives back what it has.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/kernel.h>
#include <linux/sizes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "cpuid.h"
#include "harness.h"
#include "host.h"
#include "load.h"
#include "schedulers.h"
#include "session.h"
#include "testutil.h"
#include "tiny_guest.h"

static u64 memory(const char *spec, size_t initramfs_size)
{
	struct topology topo;
	struct errmsg err;

	return topology_parse(spec, &topo, &err) ? 0 : session_memory(&topo, initramfs_size);
}

TEST(memory_grows_with_the_topology)
{
	const u64 one = memory("1n1l1c1t", 0);

	EXPECT_LE((u64)SZ_256M, one);
	EXPECT_GT((u64)SZ_1G, one);
	EXPECT_LT(one, memory("1n1l4c1t", 0));
	EXPECT_LT(memory("1n4l1c1t", 0) + 3ULL * SZ_128M, memory("4n4l1c1t", 0));
}

/* The first node has to hold the image and what the kernel unpacks it to. */
TEST(memory_grows_with_the_initramfs)
{
	EXPECT_EQ(memory("1n1l1c1t", 0), memory("1n1l1c1t", SZ_4M));
	EXPECT_LE(memory("1n1l1c1t", 0) + 3ULL * SZ_512M, memory("1n1l1c1t", SZ_512M));
	EXPECT_LE(8 * (3ULL * SZ_512M), memory("8n8l1c1t", SZ_512M));
}

TEST(memory_as_the_topology_says)
{
	EXPECT_EQ(3ULL * SZ_64M, memory("2n2l1c1t,mem=64M:128M", 0));
	EXPECT_EQ(3ULL * SZ_64M, memory("2n2l1c1t,mem=64M:128M", SZ_512M));
}

TEST(schedulers)
{
	char path[PATH_MAX];
	struct errmsg err;

	EXPECT_EQ(0, session_find_scheduler("/bin/sh -c true", path, &err));
	EXPECT_STREQ("/bin/sh", path);
	EXPECT_NE(0, session_find_scheduler("/nowhere/scx_none", path, &err));
	EXPECT_EQ(ERRMSG_INPUT, err.kind);
	EXPECT_NE(NULL, strstr(err.text, "/nowhere/scx_none"));
	EXPECT_NE(0, session_find_scheduler("/dev/null", path, &err));
	EXPECT_EQ(ERRMSG_INPUT, err.kind);
	/* Directories can be "executed", too. */
	EXPECT_NE(0, session_find_scheduler("/", path, &err));
	EXPECT_EQ(ERRMSG_INPUT, err.kind);
	EXPECT_NE(NULL, strstr(err.text, "EISDIR"));
	/* One that this machine can build or cannot; that one which no machine has is a mistake */
	EXPECT_TRUE(!session_find_scheduler("scx_simple", path, &err) || err.kind == ERRMSG_HOST);
	EXPECT_NE(0, session_find_scheduler("scx_nowhere --flag", path, &err));
	EXPECT_EQ(ERRMSG_INPUT, err.kind);
	EXPECT_NE(NULL, strstr(err.text, "scx_nowhere cannot be executed"));
}

/* Patience that is shorter than a play; longer where CPUs are away for as long */
static void expect_cmdline(struct __test_metadata *_metadata, const char *topology,
			   const char *more, const char *rest)
{
	struct topology topo;
	struct errmsg err;
	char cmdline[256], want[256];
	unsigned int overcommit;
	const char *soft;

	ASSERT_EQ(0, topology_parse(topology, &topo, &err));
	overcommit = load_overcommit(&topo);
	soft = overcommit > 1 || cpuid_host_is_tcg() ? "" : "watchdog_thresh=2 ";
	snprintf(want, sizeof(want),
		 "%srcupdate.rcu_cpu_stall_timeout=%u sysctl.kernel.hung_task_timeout_secs=%u %s",
		 soft, min(3 * overcommit, 21U), min(2 * overcommit, 120U), rest);
	session_cmdline(cmdline, sizeof(cmdline), &topo, more);
	EXPECT_STREQ(want, cmdline);
}

TEST(cmdline_by_host)
{
	setenv(ENV_CMDLINE, "watchdog_thresh=7", 1);
	expect_cmdline(_metadata, "1n1l1c1t", "first", "first watchdog_thresh=7");
	expect_cmdline(_metadata, "1n1l4c1t", "first", "first watchdog_thresh=7");
	unsetenv(ENV_CMDLINE);
	expect_cmdline(_metadata, "4n16l16c4t", NULL, " ");
}

/* Before a guest is booted, which would be judged by what nobody has said */
TEST(unknown_words_of_what_a_scheduler_lacks)
{
	const struct session_config cfg = { .topology = "1n1l1c1t" };
	struct errmsg err = {};
	struct session s;

	setenv(ENV_KERNEL, "/no-such-kernel", 1);
	setenv(ENV_LACKS, "rt weights", 1);
	EXPECT_EQ(-EINVAL, session_start(&s, &cfg, &err));
	EXPECT_EQ(ERRMSG_INPUT, err.kind);
	EXPECT_NE(NULL, strstr(err.text, "\"weights\" is unknown; known are: nice")) {
		TH_LOG("%s", err.text);
	}
}

static void *allow_files_later(void *nr)
{
	usleep(300000);
	allow_files(*(rlim_t *)nr);
	return NULL;
}

FIXTURE(shortage) {
	struct rlimit files;
};

FIXTURE_SETUP(shortage)
{
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &self->files));
}

FIXTURE_TEARDOWN(shortage)
{
	setrlimit(RLIMIT_NOFILE, &self->files);
}

TEST_F(shortage, out_of_files)
{
	const struct session_config cfg = { .topology = "1n1l1c1t" };
	struct session s;
	struct errmsg err;
	pthread_t thread;
	u64 start;
	int ret;

	setenv(ENV_KERNEL, "/no-such-kernel", 1);
	allow_files(0);
	start = clock_ns();
	ret = session_start(&s, &cfg, &err);
	EXPECT_EQ(-EMFILE, ret);
	EXPECT_EQ(ERRMSG_HOST, err.kind);
	EXPECT_NE(NULL, strstr(err.text, "EMFILE")) TH_LOG("%s", err.text);
	EXPECT_NE(NULL, strstr(err.text, "; tried ")) TH_LOG("%s", err.text);
	EXPECT_LE(NSEC_PER_SEC, clock_ns() - start);

	/* With files again it is found that there is no kernel; or no KVM before that. */
	ASSERT_EQ(0, pthread_create(&thread, NULL, allow_files_later,
				    &self->files.rlim_cur));
	ret = session_start(&s, &cfg, &err);
	pthread_join(thread, NULL);
	EXPECT_GT(0, ret);
	EXPECT_EQ(NULL, strstr(err.text, "EMFILE")) TH_LOG("%s", err.text);
	EXPECT_NE(NULL, strstr(err.text, access("/dev/kvm", R_OK | W_OK) ? "/dev/kvm" :
								       "/no-such-kernel"))
		TH_LOG("%s", err.text);
}

/* Is part of a file mapped that has @name in its path? */
static bool is_mapped(const char *name)
{
	FILE *f = fopen("/proc/self/maps", "re");
	bool found = false;
	char line[512];

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, name);
	if (f)
		fclose(f);
	return found;
}

static bool is_open(const char *name)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	bool found = false;
	char link[256];
	ssize_t len;

	while (dir && !found && (entry = readdir(dir))) {
		len = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
		if (len < 0)
			continue;
		link[len] = '\0';
		found = strstr(link, name);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* What there was when a segment's file, and its lock with it, was closed */
static struct {
	int fd;
	bool closed;
	bool mapped;
	bool vm;
} segment = { .fd = -1 };

/* This program's, in the place of the C library's */
int close(int fd)
{
	if (fd == segment.fd) {
		segment.fd = -1;
		segment.closed = true;
		segment.mapped = is_mapped("/initramfs-");
		segment.vm = is_open("kvm-vm");
	}
	return syscall(SYS_close, fd);
}

/* Whoever takes a segment's place looks at its lock: the guest must be gone by then. */
TEST(lock_goes_last)
{
	char root[] = "/tmp/session_test.XXXXXX", path[64];
	struct ktstr_vm_config cfg = { .memory = SZ_16M, .kernel = path };
	struct session s = {};
	struct tiny_guest guest;
	struct initramfs ir;
	struct errmsg err;
	int fd;

	if (access(HOST_KVM, R_OK | W_OK))
		SKIP(return, HOST_KVM ": %s", strerror(errno));
	ASSERT_NE(NULL, mkdtemp(root));
	initramfs_init(&ir);
	ASSERT_EQ(0, initramfs_add_file(&ir, "/f", 0644, "text", 4, &err));
	ASSERT_EQ(0, initramfs_cache_get(&s.initramfs, root, &ir, &err));
	initramfs_destroy(&ir);
	ASSERT_STREQ("", s.initramfs.note.text);
	cfg.initramfs.base_fd = s.initramfs.fd;
	cfg.initramfs.base_size = s.initramfs.size;

	fd = tiny_guest_open(path, sizeof(path));
	tiny_guest_init(&guest);
	ASSERT_EQ(sizeof(guest), write(fd, &guest, sizeof(guest)));
	ASSERT_EQ(0, topology_parse("1n1l2c1t", &cfg.topo, &err));
	ASSERT_EQ(0, ktstr_vm_create(&s.vm, &cfg, &err) ?: ktstr_vm_load(s.vm, &err))
		TH_LOG("%s", err.text);
	ASSERT_TRUE(is_mapped("/initramfs-"));
	ASSERT_TRUE(is_open("kvm-vm"));

	segment.fd = s.initramfs.fd;
	session_end(&s);
	EXPECT_TRUE(segment.closed);
	EXPECT_FALSE(segment.mapped);
	EXPECT_FALSE(segment.vm);
	close(fd);
	EXPECT_EQ(0, sh("rm -rf %s", root));
}

TEST_HARNESS_MAIN
