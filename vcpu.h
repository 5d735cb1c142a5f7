/* SPDX-License-Identifier: GPL-2.0 */
/* A vCPU: its thread, its exits, and how it is made to stop or to stand still. */
#ifndef KTSTR_VCPU_H
#define KTSTR_VCPU_H

#include <linux/kvm.h>
#include <linux/types.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "errmsg.h"
#include "vcpu_exit.h"

/* Room for what vcpu_ops.end() is told */
#define VCPU_END_TEXT_SIZE	(VCPU_EXIT_TEXT_SIZE + 32)

/**
 * struct vcpu_ops - what a vCPU's exits need; called in the vCPU's thread
 * @pio: port I/O of @size (1, 2 or 4) bytes at @data
 * @mmio: memory access of @len (1 to 8) bytes at @data
 * @eoi: the LAPIC ended an interrupt that the userspace IOAPIC sent as a level
 * @end: the vCPU cannot go on; @text is a line for a person
 */
struct vcpu_ops {
	void (*pio)(void *ctx, u16 port, bool write, void *data, u8 size);
	void (*mmio)(void *ctx, u64 addr, bool write, void *data, u32 len);
	void (*eoi)(void *ctx, u8 vector);
	void (*end)(void *ctx, enum vcpu_end why, const char *text);
};

/**
 * struct vcpu_gate - where vCPUs stand still while it is closed
 * @lock: of the rest
 * @changed: @held, @closed, or @standing
 * @held: it was never opened: vCPUs that are started wait
 * @closed: no vCPU enters the guest again
 * @standing: vCPUs that wait here, or whose thread has ended
 */
struct vcpu_gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool held;
	bool closed;
	unsigned int standing;
};

/**
 * struct vcpu - one virtual CPU
 * @fd: from KVM_CREATE_VCPU, or -1
 * @run: shared with KVM, or NULL
 * @run_size: bytes at @run
 * @index: CPU number
 * @ops: see struct vcpu_ops
 * @ctx: passed to @ops
 * @gate: see struct vcpu_gate
 * @thread: valid if @started
 * @started: the thread exists
 * @stop: the thread shall end
 */
struct vcpu {
	int fd;
	struct kvm_run *run;
	size_t run_size;
	unsigned int index;
	const struct vcpu_ops *ops;
	void *ctx;
	struct vcpu_gate *gate;
	pthread_t thread;
	bool started;
	atomic_bool stop;
};

/*
 * A gate with nobody at it: vCPUs that are started wait there until it is opened for
 * the first time, so that their threads can be given CPUs and a priority. To a thread
 * that has ended, but was not joined, glibc (2.36) gives nothing, or takes the calling
 * thread for it.
 */
void vcpu_gate_init(struct vcpu_gate *gate);
void vcpu_gate_destroy(struct vcpu_gate *gate);

/**
 * vcpu_gate_close() - make vCPUs stand still
 * @gate: an open gate
 * @vcpus: all vCPUs that were started with it
 * @nr: how many
 * @timeout_ns: how long to wait until the last one stands
 *
 * No access to a port or to MMIO is half done then: KVM has put its result into
 * the registers. On failure the gate is open again.
 *
 * Return: 0 or -ETIMEDOUT.
 */
int vcpu_gate_close(struct vcpu_gate *gate, struct vcpu *vcpus, unsigned int nr,
		    u64 timeout_ns);

/**
 * vcpu_gate_open() - let the vCPUs go on
 * @gate: any gate
 */
void vcpu_gate_open(struct vcpu_gate *gate);

/**
 * vcpu_create() - KVM_CREATE_VCPU and the mapping of its run area
 * @vcpu: filled in; @vcpu->fd is -1 on failure
 * @vm_fd: the VM
 * @index: CPU number
 * @id: KVM vcpu id, which is the x2APIC id
 * @run_size: from KVM_GET_VCPU_MMAP_SIZE
 * @err: what failed
 *
 * Return: 0 or a negative errno; on failure there is nothing to destroy.
 */
int vcpu_create(struct vcpu *vcpu, int vm_fd, unsigned int index, u32 id,
		size_t run_size, struct errmsg *err);

/**
 * vcpu_handle_kicks() - take SIGRTMIN, by which vCPUs are interrupted
 * @err: what failed
 *
 * Of the whole process, whose default is to end by it; to be called before
 * vcpu_start().
 *
 * Return: 0 or a negative errno.
 */
int vcpu_handle_kicks(struct errmsg *err);

/**
 * vcpu_start() - start the vCPU's thread
 * @vcpu: a created vCPU
 * @ops: see struct vcpu_ops
 * @ctx: passed to @ops
 * @gate: shared by the vCPUs of a VM; until it is opened the thread waits there
 * @err: what failed
 *
 * Return: 0 or a negative errno.
 */
int vcpu_start(struct vcpu *vcpu, const struct vcpu_ops *ops, void *ctx,
	       struct vcpu_gate *gate, struct errmsg *err);

/**
 * vcpu_kick() - make the thread leave KVM_RUN and end; does not wait
 * @vcpu: any vCPU; at a closed gate it ends when that is opened
 */
void vcpu_kick(struct vcpu *vcpu);

/**
 * vcpu_join() - wait until a kicked vCPU's thread has ended
 * @vcpu: any vCPU
 */
void vcpu_join(struct vcpu *vcpu);

/**
 * vcpu_destroy() - unmap and close; the thread must have ended
 * @vcpu: any vCPU; nothing is done if its fd is -1
 */
void vcpu_destroy(struct vcpu *vcpu);

#endif /* KTSTR_VCPU_H */
