// SPDX-License-Identifier: GPL-2.0
/* What a KVM lacks, or why it cannot be opened, is said by name. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kernel.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "kvm_caps.h"

#define NOBODY	65534

static const struct {
	long cap;
	const char *name;
} caps[] = {
	{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
	{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
	{ KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR" },
	{ KVM_CAP_PIT2, "KVM_CAP_PIT2" },
	{ KVM_CAP_PIT_STATE2, "KVM_CAP_PIT_STATE2" },
	{ KVM_CAP_ADJUST_CLOCK, "KVM_CAP_ADJUST_CLOCK" },
	{ KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS" },
	{ KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE" },
	{ KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS" },
	{ KVM_CAP_XCRS, "KVM_CAP_XCRS" },
	{ KVM_CAP_XSAVE, "KVM_CAP_XSAVE" },
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
};

static unsigned int asked, denied, given_fd;
static bool deny_all;
static long deny;

static int fake_check(int kvm_fd, long cap)
{
	asked++;
	given_fd = kvm_fd;
	if (!deny_all && cap != deny)
		return 1;
	denied++;
	return 0;
}

TEST(all_there)
{
	struct errmsg err;

	deny = -1;
	EXPECT_EQ(0, kvm_check_caps(42, fake_check, &err));
	EXPECT_EQ(ARRAY_SIZE(caps), asked);
	EXPECT_EQ(42, given_fd);
}

TEST(each_missing_one_is_named)
{
	struct errmsg err;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(caps); i++) {
		char list[64];

		deny = caps[i].cap;
		denied = 0;
		ASSERT_EQ(-EOPNOTSUPP, kvm_check_caps(3, fake_check, &err));
		EXPECT_EQ(1, denied);
		EXPECT_EQ(ERRMSG_HOST, err.kind);
		snprintf(list, sizeof(list), "lacks %s; use a newer host kernel", caps[i].name);
		EXPECT_NE(NULL, strstr(err.text, list))
			TH_LOG("%s", err.text);
		EXPECT_NE(NULL, strstr(err.text, "KTSTR_HOST=emulated"));
	}
}

TEST(all_missing_are_named)
{
	struct errmsg err;
	size_t i;

	deny_all = true;
	ASSERT_EQ(-EOPNOTSUPP, kvm_check_caps(3, fake_check, &err));
	for (i = 0; i < ARRAY_SIZE(caps); i++)
		EXPECT_NE(NULL, strstr(err.text, caps[i].name));
	/* Nothing was cut off. */
	EXPECT_NE(NULL, strstr(err.text, "EOPNOTSUPP"));
}

TEST(extension_of_a_bad_fd_is_absent)
{
	EXPECT_EQ(0, kvm_check_extension(-1, KVM_CAP_IRQCHIP));
}

TEST(no_device)
{
	struct errmsg err;

	EXPECT_EQ(-ENOENT, kvm_open("/nonexistent/kvm", &err));
	EXPECT_EQ(ERRMSG_HOST, err.kind);
	EXPECT_NE(NULL, strstr(err.text, "opening /nonexistent/kvm"));
	EXPECT_NE(NULL, strstr(err.text, "load kvm_intel or kvm_amd"));
	EXPECT_NE(NULL, strstr(err.text, "KTSTR_HOST=emulated"));
	EXPECT_NE(NULL, strstr(err.text, "ENOENT"));
}

/* Root may open anything: the child is nobody. */
TEST(no_permission)
{
	char path[] = "/tmp/kvm_caps_test.XXXXXX";
	int fd = mkstemp(path), status = -1;
	struct errmsg err;
	pid_t pid;

	ASSERT_LE(0, fd);
	close(fd);
	ASSERT_EQ(0, chmod(path, 0));
	pid = fork();
	if (!pid) {
		if (!geteuid() && setresuid(NOBODY, NOBODY, NOBODY))
			_exit(2);
		_exit(!(kvm_open(path, &err) == -EACCES && err.kind == ERRMSG_HOST &&
			strstr(err.text, path) && strstr(err.text, "join its group") &&
			strstr(err.text, "KTSTR_HOST=emulated") && strstr(err.text, "EACCES")));
	}
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, unlink(path));
}

static int next_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

/* A file that is no KVM: said so, and not left open. */
TEST(not_a_kvm)
{
	char path[] = "/tmp/kvm_caps_test.XXXXXX";
	int fd = mkstemp(path), next;
	struct errmsg err;

	ASSERT_LE(0, fd);
	close(fd);
	next = next_fd();
	EXPECT_EQ(-EOPNOTSUPP, kvm_open(path, &err));
	EXPECT_EQ(ERRMSG_HOST, err.kind);
	EXPECT_NE(NULL, strstr(err.text, path));
	EXPECT_NE(NULL, strstr(err.text, "is no KVM"));
	EXPECT_NE(NULL, strstr(err.text, "ENOTTY"));
	EXPECT_EQ(-EOPNOTSUPP, kvm_open("/dev/null", &err));
	EXPECT_EQ(-EISDIR, kvm_open("/tmp", &err));
	EXPECT_EQ(ERRMSG_HOST, err.kind);
	EXPECT_EQ(next, next_fd());
	EXPECT_EQ(0, unlink(path));
}

TEST(this_host)
{
	struct errmsg err;
	int fd;

	if (access("/dev/kvm", R_OK | W_OK))
		SKIP(return, "/dev/kvm: %s", strerror(errno));
	fd = kvm_open("/dev/kvm", &err);
	ASSERT_LE(0, fd)
		TH_LOG("%s", err.text);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_NE(0, kvm_check_extension(fd, KVM_CAP_USER_MEMORY));
	EXPECT_EQ(0, kvm_check_extension(fd, 1L << 30));
	EXPECT_EQ(0, kvm_check_caps(fd, kvm_check_extension, &err))
		TH_LOG("%s", err.text);
	close(fd);
}

TEST(errno_kinds)
{
	static const int host[] = { ENOMEM, EMFILE, ENFILE, EBUSY, EAGAIN, ENOSPC };
	static const int failed[] = { EINVAL, ENOTTY, EFAULT, EEXIST, EIO, EPERM, ENXIO };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(host); i++)
		EXPECT_EQ(ERRMSG_HOST, kvm_errno_kind(host[i]));
	for (i = 0; i < ARRAY_SIZE(failed); i++)
		EXPECT_EQ(ERRMSG_FAILED, kvm_errno_kind(failed[i]));
}

TEST_HARNESS_MAIN
