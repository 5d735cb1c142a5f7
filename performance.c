// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/kvm.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>

#include "performance.h"

#define RT_RUNTIME	"/proc/sys/kernel/sched_rt_runtime_us"

static int disable_exits(int vm_fd, u64 exits)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X86_DISABLE_EXITS,
		.args[0] = exits,
	};

	return ioctl(vm_fd, KVM_ENABLE_CAP, &cap);
}

void performance_disable_exits(int vm_fd, struct warnings *w)
{
	if (disable_exits(vm_fd, KVM_X86_DISABLE_EXITS_PAUSE))
		warnings_add(w,
			     "KVM intercepts PAUSE (KVM_CAP_X86_DISABLE_EXITS: %s): spinning on a lock takes longer in the guest",
			     strerrorname_np(errno));
	if (disable_exits(vm_fd, KVM_X86_DISABLE_EXITS_HLT))
		warnings_add(w,
			     "KVM intercepts HLT (KVM_CAP_X86_DISABLE_EXITS: %s): waking up an idle CPU takes longer in the guest",
			     strerrorname_np(errno));
}

void performance_halt_poll(int vm_fd, bool overcommitted, struct warnings *w)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_HALT_POLL,
		.args[0] = overcommitted ? 0 : HALT_POLL_NS,
	};

	if (ioctl(vm_fd, KVM_ENABLE_CAP, &cap))
		warnings_add(w,
			     "KVM keeps its default for halt polling (KVM_CAP_HALT_POLL: %s): how fast idle CPUs wake up depends on the host's module parameters",
			     strerrorname_np(errno));
}

void performance_check_tsc(int vm_fd, struct warnings *w)
{
	struct kvm_clock_data clock;
	const char *failed = NULL;

	if (ioctl(vm_fd, KVM_GET_CLOCK, &clock))
		failed = "KVM_GET_CLOCK";
	clock.flags = 0;
	if (!failed && ioctl(vm_fd, KVM_SET_CLOCK, &clock))
		failed = "KVM_SET_CLOCK";
	if (!failed && ioctl(vm_fd, KVM_GET_CLOCK, &clock))
		failed = "KVM_GET_CLOCK";
	if (failed)
		warnings_add(w,
			     "whether this host's TSC is stable is not known (%s: %s): times may vary more",
			     failed, strerrorname_np(errno));
	else if (!(clock.flags & KVM_CLOCK_TSC_STABLE))
		warnings_add(w,
			     "this host's TSC is not stable (KVM_CLOCK_TSC_STABLE; a nested host?): reading the clock takes longer in the guest, and times vary more");
}

static int set_cpus(pthread_t thread, const struct cpu_set *cpus)
{
	/* cpu_set_t of glibc has room for 1024 CPUs; the kernel takes any size. */
	return -pthread_setaffinity_np(thread, sizeof(*cpus), (const cpu_set_t *)cpus);
}

/*
 * Until Linux 6.12 real-time threads that never sleep, as vCPUs whose HLT KVM
 * does not intercept, are stopped for a part of each second.
 */
static void warn_about_throttling(struct warnings *w)
{
	unsigned int major = 0, minor = 0;
	struct utsname host;
	FILE *f = fopen(RT_RUNTIME, "re");
	int runtime = -1;

	if (f && fscanf(f, "%d", &runtime) != 1)
		runtime = -1;
	if (f)
		fclose(f);
	uname(&host);
	if (runtime < 0 || sscanf(host.release, "%u.%u", &major, &minor) != 2 ||
	    major > 6 || (major == 6 && minor >= 12))
		return;
	warnings_add(w,
		     "Linux %u.%u stops busy vCPUs after %d us of each period: gaps of tens of ms (echo -1 >%s prevents it)",
		     major, minor, runtime, RT_RUNTIME);
}

/* Not for what KVM starts from a vCPU's thread (NX huge page recovery): it can wait. */
static void set_priority(pthread_t thread, unsigned int cpu, struct warnings *w)
{
	const struct sched_param param = { .sched_priority = VCPU_FIFO_PRIORITY };
	int ret = pthread_setschedparam(thread, SCHED_FIFO | SCHED_RESET_ON_FORK, &param);

	if (cpu)
		return;
	if (!ret)
		warn_about_throttling(w);
	else
		warnings_add(w,
			     "vCPUs have no real-time priority (SCHED_FIFO: %s; it takes CAP_SYS_NICE or ulimit -r 1): other tasks of the host take their CPUs at times",
			     strerrorname_np(ret));
}

int performance_place_vcpu(const struct host_share *share, unsigned int cpu, pthread_t thread,
			   struct warnings *w, struct errmsg *err)
{
	const struct placement *p = &share->placement;
	struct cpu_set own = {};
	int ret;

	if (!p->pinned)
		return performance_place_service(share, thread, err);
	cpu_set_add(&own, p->cpus[cpu]);
	ret = set_cpus(thread, &own);
	if (ret)
		return errmsg_set(err, ERRMSG_HOST, -ret, "pinning vCPU %u to CPU %u", cpu,
				  p->cpus[cpu]);
	set_priority(thread, cpu, w);
	return 0;
}

int performance_place_service(const struct host_share *share, pthread_t thread,
			      struct errmsg *err)
{
	int ret = set_cpus(thread, &share->placement.service);
	char list[64];

	if (!ret)
		return 0;
	return errmsg_set(err, ERRMSG_HOST, -ret, "keeping a thread on CPUs %s",
			  cpu_set_format(&share->placement.service, list, sizeof(list)));
}
