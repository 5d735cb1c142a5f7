// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/kernel.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kvm_caps.h"

#define CAP(name)	{ KVM_CAP_##name, "KVM_CAP_" #name }

static const struct {
	long cap;
	const char *name;
} required[] = {
	CAP(IRQCHIP),
	CAP(IOEVENTFD),
	CAP(IRQFD),
	CAP(USER_MEMORY),
	CAP(SET_TSS_ADDR),
	CAP(PIT2),
	CAP(PIT_STATE2),
	CAP(ADJUST_CLOCK),
	CAP(DEBUGREGS),
	CAP(MP_STATE),
	CAP(VCPU_EVENTS),
	CAP(XCRS),
	CAP(XSAVE),
	CAP(EXT_CPUID),
};

int kvm_check_extension(int kvm_fd, long cap)
{
	int ret = ioctl(kvm_fd, KVM_CHECK_EXTENSION, cap);

	return ret < 0 ? 0 : ret;
}

int kvm_check_caps(int kvm_fd, int (*check)(int kvm_fd, long cap), struct errmsg *err)
{
	char missing[512] = "";
	size_t i;

	for (i = 0; i < ARRAY_SIZE(required); i++) {
		if (check(kvm_fd, required[i].cap))
			continue;
		strcat(missing, " ");
		strcat(missing, required[i].name);
	}
	if (!missing[0])
		return 0;
	return errmsg_set(err, ERRMSG_HOST, EOPNOTSUPP,
			  "this host's KVM lacks%s; use a newer host kernel, or KTSTR_HOST=emulated",
			  missing);
}

int kvm_open(const char *path, struct errmsg *err)
{
	const char *help = "use KTSTR_HOST=emulated";
	int fd, version;

	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
			help = "load kvm_intel or kvm_amd, or use KTSTR_HOST=emulated";
		else if (errno == EACCES || errno == EPERM)
			help = "join its group, often kvm, or use KTSTR_HOST=emulated";
		return errmsg_set(err, ERRMSG_HOST, errno, "opening %s (%s)", path, help);
	}

	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version == KVM_API_VERSION)
		return fd;
	if (version < 0)
		errmsg_set(err, ERRMSG_HOST, errno, "%s is no KVM: KVM_GET_API_VERSION", path);
	else
		errmsg_set(err, ERRMSG_HOST, EOPNOTSUPP, "%s speaks API version %d, not %d",
			   path, version, KVM_API_VERSION);
	close(fd);
	return -EOPNOTSUPP;
}

enum errmsg_kind kvm_errno_kind(int errnum)
{
	switch (errnum) {
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case EBUSY:
	case EAGAIN:
	case ENOSPC:
		return ERRMSG_HOST;
	default:
		return ERRMSG_FAILED;
	}
}
