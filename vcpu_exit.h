/* SPDX-License-Identifier: GPL-2.0 */
/* What the exits of a vCPU say after which it does not go on. Pure computation. */
#ifndef KTSTR_VCPU_EXIT_H
#define KTSTR_VCPU_EXIT_H

#include <linux/kvm.h>
#include <stddef.h>

/* Room for all that an exit says */
#define VCPU_EXIT_TEXT_SIZE	448

/**
 * enum vcpu_end - why a vCPU's thread wants the VM to end
 * @VCPU_END_SHUTDOWN: triple fault
 * @VCPU_END_INTERNAL_ERROR: KVM cannot run this guest's code
 * @VCPU_END_KVM_ERROR: KVM_RUN failed, or an exit without a handler
 * @VCPU_END_SYSTEM_RESET: KVM_SYSTEM_EVENT_RESET
 * @VCPU_END_SYSTEM_POWEROFF: KVM_SYSTEM_EVENT_SHUTDOWN
 * @VCPU_END_SYSTEM_CRASH: KVM_SYSTEM_EVENT_CRASH, by a guest that knows how to say so
 */
enum vcpu_end {
	VCPU_END_SHUTDOWN,
	VCPU_END_INTERNAL_ERROR,
	VCPU_END_KVM_ERROR,
	VCPU_END_SYSTEM_RESET,
	VCPU_END_SYSTEM_POWEROFF,
	VCPU_END_SYSTEM_CRASH,
};

/**
 * vcpu_exit_end() - why a vCPU cannot go on
 * @run: as KVM_RUN left it
 * @error: 0, or KVM_RUN's errno; with one, @run only means something if that is
 *	EFAULT or EHWPOISON (api.rst, KVM_EXIT_MEMORY_FAULT)
 * @text: filled in with all that KVM says, for a person: a line without its end
 * @size: room at @text, VCPU_EXIT_TEXT_SIZE; what does not fit is cut
 */
enum vcpu_end vcpu_exit_end(const struct kvm_run *run, int error, char *text, size_t size);

#endif /* KTSTR_VCPU_EXIT_H */
