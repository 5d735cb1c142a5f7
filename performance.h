/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What makes times measured in a guest mean something: which exits KVM takes,
 * how long it polls, whether its clock is good, where threads run and at which
 * priority. What cannot be had is a warning that names the effect.
 */
#ifndef KTSTR_PERFORMANCE_H
#define KTSTR_PERFORMANCE_H

#include <linux/types.h>
#include <pthread.h>
#include <stdbool.h>

#include "errmsg.h"
#include "host_share.h"
#include "warnings.h"

/* As KVM's own default on x86: it waits that long for a halted vCPU's wake-up. */
#define HALT_POLL_NS	200000

/* Above every task of class SCHED_OTHER is all that a vCPU needs. */
#define VCPU_FIFO_PRIORITY	1

/**
 * performance_disable_exits() - let the guest pause and halt without KVM
 * @vm_fd: a VM without vCPUs
 * @w: what KVM refuses
 *
 * Two calls, as what they disable adds up: KVM refuses HLT where threads of a
 * core could leak through its return stack (X86_BUG_SMT_RSB), and PAUSE, which
 * it never refuses, is not to go with it.
 */
void performance_disable_exits(int vm_fd, struct warnings *w);

/**
 * performance_halt_poll() - how long KVM polls before a halted vCPU sleeps
 * @vm_fd: a VM
 * @overcommitted: there are more vCPUs than CPUs: polling would take the time
 *	from other vCPUs, there is none
 * @w: what KVM refuses
 *
 * Not for performance mode: with KVM_HINTS_REALTIME the guest polls by itself
 * and tells KVM not to (MSR_KVM_POLL_CONTROL).
 */
void performance_halt_poll(int vm_fd, bool overcommitted, struct warnings *w);

/**
 * performance_check_tsc() - see whether the guest's clock can come from the TSC
 * @vm_fd: a VM with all its vCPUs
 * @w: that it cannot, and what that means
 *
 * Gets the clock, sets it, gets it: only setting makes KVM find out. It is set
 * without flags: with KVM_CLOCK_REALTIME, which getting returns, KVM would add
 * the time since then a second time (KVM api.rst, KVM_SET_CLOCK).
 */
void performance_check_tsc(int vm_fd, struct warnings *w);

/**
 * performance_place_vcpu() - give a vCPU's thread its CPUs and its priority
 * @share: the guest's share of the host
 * @cpu: which vCPU
 * @thread: its thread, which cannot end meanwhile
 * @w: that it has no real-time priority; said for vCPU 0 only
 * @err: that it cannot have its CPU
 *
 * Return: 0 or a negative errno (ERRMSG_HOST).
 */
int performance_place_vcpu(const struct host_share *share, unsigned int cpu, pthread_t thread,
			   struct warnings *w, struct errmsg *err);

/**
 * performance_place_service() - give a thread of the VMM its CPUs
 * @share: the guest's share of the host
 * @thread: the thread, which cannot end meanwhile
 * @err: that it cannot have them
 *
 * Return: 0 or a negative errno (ERRMSG_HOST).
 */
int performance_place_service(const struct host_share *share, pthread_t thread,
			      struct errmsg *err);

#endif /* KTSTR_PERFORMANCE_H */
