/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest that stands still and does not notice: its vCPUs wait at a gate, its
 * clocks go on from where they were.
 */
#ifndef KTSTR_FREEZE_H
#define KTSTR_FREEZE_H

#include <linux/types.h>
#include <stdbool.h>

#include "errmsg.h"
#include "vcpu.h"

/**
 * struct freeze - initialise with freeze_init()
 * @gate: for vcpu_start()
 * @frozen: all vCPUs stand
 * @clock_ns: kvmclock when they had come to stand
 * @tsc: CPU 0's when they had come to stand
 * @tsc_jumps: this KVM cannot shift TSCs (KVM_VCPU_TSC_OFFSET), known after
 *	freeze_end()
 * @start_ns: when vcpu_gate_close() was called
 * @count: how often the guest was frozen
 * @longest_ns: the longest time from the first vCPU's stop to the last one's start
 */
struct freeze {
	struct vcpu_gate gate;
	bool frozen;
	u64 clock_ns;
	u64 tsc;
	bool tsc_jumps;
	u64 start_ns;
	u64 count;
	u64 longest_ns;
};

void freeze_init(struct freeze *f);
void freeze_destroy(struct freeze *f);

/**
 * freeze_begin() - stop all vCPUs, and remember what their clocks say
 * @f: not frozen
 * @vm_fd: the VM
 * @vcpus: all of its vCPUs, started
 * @nr: how many
 * @timeout_ns: how long the last one may take to stop
 * @err: what failed
 *
 * Return: 0, or a negative errno: -ETIMEDOUT, or that of KVM_GET_CLOCK. The guest
 * runs on then.
 */
int freeze_begin(struct freeze *f, int vm_fd, struct vcpu *vcpus, unsigned int nr,
		 u64 timeout_ns, struct errmsg *err);

/**
 * freeze_end() - set the clocks back, and let the vCPUs go on
 * @f: a frozen guest, which runs afterwards, whatever failed
 * @vm_fd: the VM
 * @vcpus: as for freeze_begin()
 * @nr: how many
 * @err: what failed first; the guest has seen the time pass then
 *
 * Both clocks of a guest, kvmclock and the TSC, go on from where they were: a
 * kvmclock that was set back alone would be computed from a TSC that has gone on,
 * by vCPUs that run before KVM has updated the page that they all read. Timers of
 * the LAPICs and the PIT are the host's: one that would have been due meanwhile is
 * so at once: an early interrupt, after which Linux arms it again.
 *
 * The TSCs are set back all or none (@f->tsc_jumps); whatever fails, every vCPU is
 * told by KVM_KVMCLOCK_CTRL that it stood still.
 *
 * Return: 0 or a negative errno.
 */
int freeze_end(struct freeze *f, int vm_fd, struct vcpu *vcpus, unsigned int nr,
	       struct errmsg *err);

/**
 * freeze_cancel() - the vCPUs are to end: no clock is of interest any more
 * @f: frozen or not
 */
void freeze_cancel(struct freeze *f);

#endif /* KTSTR_FREEZE_H */
