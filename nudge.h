/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Interrupts that make halted vCPUs look whether there is something to do.
 *
 * "sti; hlt" is how an idle CPU waits: an interrupt that is pending comes after HLT
 * only, and so ends it (SDM vol. 2B, STI; APM vol. 2, 15.21.5). VMRUN of QEMU's
 * emulated SVM (7.2, helper_vmrun()) does not read the interrupt shadow that #VMEXIT
 * has saved. If the vCPU was stopped between the two, and a task was meanwhile woken
 * for it, the interrupt that says so comes before HLT: the guest's kernel has looked
 * for a task before STI, does not look again before HLT, and the CPU halts with a task
 * to run, until the next interrupt comes; in an idle guest, that is never.
 */
#ifndef KTSTR_NUDGE_H
#define KTSTR_NUDGE_H

#include <linux/types.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "errmsg.h"
#include "topology.h"
#include "vcpu.h"

/* How often is looked; where many vCPUs share a CPU, each has to have had its turn. */
#define NUDGE_INTERVAL_MS	40U
#define NUDGE_INTERVAL_CPU_MS	8U

/* A vCPU, and what its thread has run until it was looked at last */
struct nudged {
	clockid_t clock;
	u64 ran_ns;
};

/**
 * struct nudge - a thread that interrupts vCPUs which have not run for a while
 * @vm_fd: the VM; its LAPICs are KVM's
 * @topo: its CPUs
 * @vcpus: the same, started
 * @vector: what they are interrupted by
 * @wait: wait for the end of the VM for that long; -ETIMEDOUT if it has not come
 * @ctx: passed to @wait
 * @nudged: one for each vCPU, or NULL
 * @thread: if @nudged is there
 */
struct nudge {
	int vm_fd;
	const struct topology *topo;
	const struct vcpu *vcpus;
	u8 vector;
	int (*wait)(void *ctx, u64 timeout_ns);
	void *ctx;
	struct nudged *nudged;
	pthread_t thread;
};

/**
 * nudge_start() - start the thread
 * @n: filled in, but for @nudged and @thread, which are zero
 * @err: what failed
 *
 * A vCPU whose LAPIC is not enabled yet does not take an interrupt, and is left alone.
 *
 * Return: 0 or a negative errno.
 */
int nudge_start(struct nudge *n, struct errmsg *err);

/**
 * nudge_join() - wait until the thread has ended
 * @n: any; its @wait returns something else than -ETIMEDOUT by now
 */
void nudge_join(struct nudge *n);

#endif /* KTSTR_NUDGE_H */
