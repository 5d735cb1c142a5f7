/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KTSTR_VCPU_STATE_H
#define KTSTR_VCPU_STATE_H

#include <linux/kvm.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

/* Room for a vcpu_state_wait() with eight vectors of each kind */
#define VCPU_STATE_TEXT_SIZE	256

/**
 * struct vcpu_state - what a vCPU that runs no guest code was doing
 * @valid: @regs and @sregs could be read
 * @regs: see KVM_GET_REGS
 * @sregs: see KVM_GET_SREGS
 * @waits: all that follows could be read as well
 * @mp_state: see KVM_GET_MP_STATE
 * @events: see KVM_GET_VCPU_EVENTS
 * @lapic: see KVM_GET_LAPIC
 * @tsc: time stamp counter
 * @tsc_deadline: its value at which the LAPIC's timer is due, or 0; only in
 *	TSC-deadline mode
 */
struct vcpu_state {
	bool valid;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	bool waits;
	struct kvm_mp_state mp_state;
	struct kvm_vcpu_events events;
	struct kvm_lapic_state lapic;
	u64 tsc;
	u64 tsc_deadline;
};

/**
 * vcpu_read_msr() - read one MSR
 * @vcpu_fd: as for vcpu_state_read()
 * @index: its number, as in <asm/msr-index.h>
 * @value: filled in
 *
 * Return: whether this KVM can tell.
 */
bool vcpu_read_msr(int vcpu_fd, u32 index, u64 *value);

/**
 * vcpu_state_read() - read all of it
 * @vcpu_fd: a vCPU that stands still, or whose thread has ended
 * @state: filled in
 */
void vcpu_state_read(int vcpu_fd, struct vcpu_state *state);

/**
 * vcpu_state_rests() - does it wait for an interrupt, or to be started?
 * @state: any
 *
 * Return: false as well if that is not known.
 */
bool vcpu_state_rests(const struct vcpu_state *state);

/**
 * vcpu_state_wait() - say whether it runs, and what could make it run
 * @state: with @state->waits
 * @text: as "halted; in service: none; requested: 0xec; timer: due"
 * @size: bytes at @text, at most VCPU_STATE_TEXT_SIZE are needed
 *
 * A vCPU that is halted with a vector in request (IRR) or in service (ISR), or
 * whose timer is past due, has lost an interrupt; see SDM vol. 3A, 11.8.4 and
 * 11.5.4 for these registers.
 */
void vcpu_state_wait(const struct vcpu_state *state, char *text, size_t size);

#endif /* KTSTR_VCPU_STATE_H */
