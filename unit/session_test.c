// SPDX-License-Identifier: GPL-2.0
/* What a guest gets that does not ask, its memory, and when it has to wait for a host. */
#include <errno.h>
#include <linux/sizes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "kselftest_harness.h"
#include "session.h"

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

static void allow_files(rlim_t nr)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = nr;
	setrlimit(RLIMIT_NOFILE, &files);
}

static void *allow_files_later(void *nr)
{
	usleep(300000);
	allow_files(*(rlim_t *)nr);
	return NULL;
}

/* The first file that a guest takes is one of its initramfs. */
TEST(out_of_files)
{
	const struct session_config cfg = { .topology = "1n1l1c1t" };
	struct rlimit files;
	struct session s;
	struct errmsg err;
	pthread_t thread;
	u64 start;
	int ret;

	setenv(ENV_KERNEL, "/no-such-kernel", 1);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &files));
	allow_files(0);
	start = clock_ns();
	ret = session_start(&s, &cfg, &err);
	EXPECT_EQ(-EMFILE, ret);
	EXPECT_EQ(ERRMSG_HOST, err.kind);
	EXPECT_NE(NULL, strstr(err.text, "ktstr_agent")) TH_LOG("%s", err.text);
	EXPECT_NE(NULL, strstr(err.text, "; tried ")) TH_LOG("%s", err.text);
	EXPECT_LE(NSEC_PER_SEC, clock_ns() - start);

	/* With files again it is found that there is no kernel; or no KVM before that. */
	ASSERT_EQ(0, pthread_create(&thread, NULL, allow_files_later, &files.rlim_cur));
	ret = session_start(&s, &cfg, &err);
	pthread_join(thread, NULL);
	EXPECT_GT(0, ret);
	EXPECT_EQ(NULL, strstr(err.text, "EMFILE")) TH_LOG("%s", err.text);
	EXPECT_NE(NULL, strstr(err.text, access("/dev/kvm", R_OK | W_OK) ? "/dev/kvm" :
								       "/no-such-kernel"))
		TH_LOG("%s", err.text);
}

TEST_HARNESS_MAIN
