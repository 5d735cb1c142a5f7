// SPDX-License-Identifier: GPL-2.0
#include <asm/msr-index.h>
#include <errno.h>
#include <linux/kernel.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "clock.h"
#include "freeze.h"
#include "kvm_caps.h"
#include "vcpu_state.h"

void freeze_init(struct freeze *f)
{
	memset(f, 0, sizeof(*f));
	vcpu_gate_init(&f->gate);
}

void freeze_destroy(struct freeze *f)
{
	vcpu_gate_destroy(&f->gate);
}

static int tsc_offset_attr(int vcpu_fd, unsigned long request, u64 *offset)
{
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (u64)offset,
	};

	return ioctl(vcpu_fd, request, &attr);
}

static int save_clocks(struct freeze *f, int vm_fd, const struct vcpu *vcpus,
		       struct errmsg *err)
{
	struct kvm_clock_data clock;

	if (ioctl(vm_fd, KVM_GET_CLOCK, &clock))
		return errmsg_set(err, kvm_errno_kind(errno), errno, "KVM_GET_CLOCK");
	f->clock_ns = clock.clock;
	f->tsc_jumps = !vcpu_read_msr(vcpus[0].fd, MSR_IA32_TSC, &f->tsc);
	return 0;
}

/*
 * Some KVMs take an offset and have no use for it: it is read again. What could not
 * be shifted is left as it was.
 */
static bool shift_tsc(int vcpu_fd, u64 ticks)
{
	u64 before, offset, set;

	if (tsc_offset_attr(vcpu_fd, KVM_GET_DEVICE_ATTR, &before))
		return false;
	offset = before - ticks;
	if (!tsc_offset_attr(vcpu_fd, KVM_SET_DEVICE_ATTR, &offset) &&
	    !tsc_offset_attr(vcpu_fd, KVM_GET_DEVICE_ATTR, &set) && set == offset)
		return true;
	tsc_offset_attr(vcpu_fd, KVM_SET_DEVICE_ATTR, &before);
	return false;
}

/*
 * All by the same difference, or none: they stay as synchronous as they were. Linux
 * takes time that goes back from one CPU to the next worse than time that is lost.
 */
static void restore_tscs(struct freeze *f, const struct vcpu *vcpus, unsigned int nr)
{
	unsigned int done = 0;
	u64 now = 0;

	f->tsc_jumps = f->tsc_jumps || !vcpu_read_msr(vcpus[0].fd, MSR_IA32_TSC, &now);
	if (f->tsc_jumps)
		return;
	while (done < nr && shift_tsc(vcpus[done].fd, now - f->tsc))
		done++;
	if (done == nr)
		return;
	f->tsc_jumps = true;
	while (done--)
		shift_tsc(vcpus[done].fd, f->tsc - now);
}

/*
 * Without flags: KVM_CLOCK_REALTIME would make KVM add the time that has passed
 * since the clock was read (api.rst, KVM_SET_CLOCK).
 */
static int restore_kvmclock(const struct freeze *f, int vm_fd, struct errmsg *err)
{
	const struct kvm_clock_data clock = { .clock = f->clock_ns };

	if (ioctl(vm_fd, KVM_SET_CLOCK, &clock))
		return errmsg_set(err, kvm_errno_kind(errno), errno, "KVM_SET_CLOCK");
	return 0;
}

/*
 * Tell the guest that it was stopped, so that its watchdogs start anew. A guest
 * that has no kvmclock, or not yet, is none that could be told: EINVAL. One CPU
 * that cannot be told is no reason to keep it from the others.
 */
static int excuse(const struct vcpu *vcpus, unsigned int nr, struct errmsg *err)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < nr; i++)
		if (ioctl(vcpus[i].fd, KVM_KVMCLOCK_CTRL, 0) && errno != EINVAL && !ret)
			ret = errmsg_set(err, kvm_errno_kind(errno), errno,
					 "KVM_KVMCLOCK_CTRL of CPU %u", i);
	return ret;
}

int freeze_begin(struct freeze *f, int vm_fd, struct vcpu *vcpus, unsigned int nr,
		 u64 timeout_ns, struct errmsg *err)
{
	int ret;

	f->start_ns = clock_ns();
	ret = vcpu_gate_close(&f->gate, vcpus, nr, timeout_ns);
	if (ret)
		return errmsg_set(err, ERRMSG_FAILED, -ret,
				  "freezing the guest: not all of %u CPUs stopped within %llu ms",
				  nr, (unsigned long long)timeout_ns / NSEC_PER_MSEC);
	ret = save_clocks(f, vm_fd, vcpus, err);
	if (ret) {
		vcpu_gate_open(&f->gate);
		return ret;
	}
	f->frozen = true;
	return 0;
}

int freeze_end(struct freeze *f, int vm_fd, struct vcpu *vcpus, unsigned int nr,
	       struct errmsg *err)
{
	struct errmsg second;
	int ret, excused;

	restore_tscs(f, vcpus, nr);
	ret = restore_kvmclock(f, vm_fd, err);
	/* All the more if the clocks have jumped */
	excused = excuse(vcpus, nr, ret ? &second : err);
	ret = ret ?: excused;
	freeze_cancel(f);
	f->count++;
	f->longest_ns = max(f->longest_ns, clock_ns() - f->start_ns);
	if (ret)
		errmsg_prefix(err, "thawing the guest, whose clocks have jumped");
	return ret;
}

void freeze_cancel(struct freeze *f)
{
	f->frozen = false;
	vcpu_gate_open(&f->gate);
}
