// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/kernel.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "kvm_caps.h"
#include "vcpu.h"
#include "vcpu_exit.h"

/* Interrupts KVM_RUN; its handler does nothing. */
#define KICK_SIGNAL	SIGRTMIN

/* Threads call little and recurse nowhere; the default is 8 MiB each. */
#define STACK_SIZE	(64 * 1024)

/* How long to wait for a kicked thread before kicking again */
#define KICK_AGAIN_NS	(10 * NSEC_PER_MSEC)

int vcpu_create(struct vcpu *vcpu, int vm_fd, unsigned int index, u32 id,
		size_t run_size, struct errmsg *err)
{
	int ret;

	memset(vcpu, 0, sizeof(*vcpu));
	vcpu->index = index;
	vcpu->run_size = run_size;
	vcpu->fd = ioctl(vm_fd, KVM_CREATE_VCPU, (unsigned long)id);
	if (vcpu->fd < 0)
		return errmsg_set(err, kvm_errno_kind(errno), errno,
				  "KVM_CREATE_VCPU of CPU %u, APIC id %u", index, id);

	vcpu->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run != MAP_FAILED)
		return 0;
	ret = errmsg_set(err, kvm_errno_kind(errno), errno,
			 "mapping the run area of CPU %u", index);
	close(vcpu->fd);
	vcpu->fd = -1;
	vcpu->run = NULL;
	return ret;
}

void vcpu_destroy(struct vcpu *vcpu)
{
	if (vcpu->fd < 0)
		return;
	munmap(vcpu->run, vcpu->run_size);
	close(vcpu->fd);
}

/* @error: of KVM_RUN, or 0 for the exit that it came back with */
static void end(struct vcpu *vcpu, int error)
{
	char why[VCPU_EXIT_TEXT_SIZE], text[VCPU_END_TEXT_SIZE];
	const enum vcpu_end kind = vcpu_exit_end(vcpu->run, error, why, sizeof(why));

	snprintf(text, sizeof(text), "CPU %u: %s", vcpu->index, why);
	vcpu->ops->end(vcpu->ctx, kind, text);
}

static void handle_pio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	char *data = (char *)run + run->io.data_offset;
	u32 i;

	/* KVM fills this in, not the guest: count * size fits in the run area. */
	for (i = 0; i < run->io.count; i++, data += run->io.size)
		vcpu->ops->pio(vcpu->ctx, run->io.port,
			       run->io.direction == KVM_EXIT_IO_OUT, data, run->io.size);
}

/* Return: whether the vCPU can go on */
static bool handle_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_pio(vcpu);
		return true;
	case KVM_EXIT_MMIO:
		vcpu->ops->mmio(vcpu->ctx, run->mmio.phys_addr, run->mmio.is_write,
				run->mmio.data, run->mmio.len);
		return true;
	case KVM_EXIT_IOAPIC_EOI:
		vcpu->ops->eoi(vcpu->ctx, run->eoi.vector);
		return true;
	case KVM_EXIT_INTR:
		return true;
	default:
		end(vcpu, 0);
		return false;
	}
}

void vcpu_gate_init(struct vcpu_gate *gate)
{
	pthread_condattr_t attr;

	memset(gate, 0, sizeof(*gate));
	gate->held = true;
	pthread_mutex_init(&gate->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&gate->changed, &attr);
	pthread_condattr_destroy(&attr);
}

void vcpu_gate_destroy(struct vcpu_gate *gate)
{
	pthread_cond_destroy(&gate->changed);
	pthread_mutex_destroy(&gate->lock);
}

/* Return: whether the vCPU shall run at all */
static bool gate_enter(struct vcpu *vcpu)
{
	struct vcpu_gate *gate = vcpu->gate;

	pthread_mutex_lock(&gate->lock);
	while (gate->held)
		pthread_cond_wait(&gate->changed, &gate->lock);
	pthread_mutex_unlock(&gate->lock);
	return !atomic_load(&vcpu->stop);
}

static void gate_pass(struct vcpu_gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	if (gate->closed) {
		gate->standing++;
		pthread_cond_broadcast(&gate->changed);
		while (gate->closed)
			pthread_cond_wait(&gate->changed, &gate->lock);
		gate->standing--;
	}
	pthread_mutex_unlock(&gate->lock);
}

static void gate_leave(struct vcpu_gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->standing++;
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
}

/*
 * Make KVM_RUN return EINTR once, now or when it is called next. It completes
 * what the last exit has begun before it looks (api.rst, KVM_RUN).
 */
static void interrupt(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	pthread_kill(vcpu->thread, KICK_SIGNAL);
}

/*
 * Whoever wants the vCPU to stop says so first and interrupts it then. Here it is
 * the other way round, so that a request comes now or with another interrupt.
 *
 * Return: whether the vCPU shall go on
 */
static bool interrupted(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	if (atomic_load(&vcpu->stop))
		return false;
	gate_pass(vcpu->gate);
	return true;
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	bool go_on = gate_enter(vcpu);

	while (go_on) {
		if (!ioctl(vcpu->fd, KVM_RUN, 0)) {
			go_on = handle_exit(vcpu);
		} else if (errno == EINTR || errno == EAGAIN) {
			/* EAGAIN: it waited for SIPI and was woken (api.rst, KVM_RUN) */
			go_on = interrupted(vcpu);
		} else {
			end(vcpu, errno);
			go_on = false;
		}
	}
	gate_leave(vcpu->gate);
	return NULL;
}

/* A KVM without KVM_CAP_IMMEDIATE_EXIT can miss an interrupt: do it again. */
int vcpu_gate_close(struct vcpu_gate *gate, struct vcpu *vcpus, unsigned int nr,
		    u64 timeout_ns)
{
	const u64 deadline = clock_ns() + timeout_ns;
	struct timespec until;
	unsigned int i;
	u64 now;
	int ret = 0;

	pthread_mutex_lock(&gate->lock);
	gate->closed = true;
	while (gate->standing < nr) {
		pthread_mutex_unlock(&gate->lock);
		for (i = 0; i < nr; i++)
			interrupt(&vcpus[i]);
		pthread_mutex_lock(&gate->lock);

		now = clock_ns();
		if (now >= deadline) {
			ret = -ETIMEDOUT;
			break;
		}
		until = clock_deadline(min(deadline - now, (u64)KICK_AGAIN_NS));
		while (gate->standing < nr &&
		       !pthread_cond_timedwait(&gate->changed, &gate->lock, &until))
			;
	}
	pthread_mutex_unlock(&gate->lock);
	if (ret)
		vcpu_gate_open(gate);
	return ret;
}

void vcpu_gate_open(struct vcpu_gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->held = false;
	gate->closed = false;
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
}

static void kick_handler(int sig __maybe_unused)
{
}

/* Without SA_RESTART: KVM_RUN is to return. */
int vcpu_handle_kicks(struct errmsg *err)
{
	const struct sigaction action = { .sa_handler = kick_handler };

	if (sigaction(KICK_SIGNAL, &action, NULL))
		return errmsg_set(err, kvm_errno_kind(errno), errno,
				  "handling the signal that interrupts CPUs (SIGRTMIN)");
	return 0;
}

int vcpu_start(struct vcpu *vcpu, const struct vcpu_ops *ops, void *ctx,
	       struct vcpu_gate *gate, struct errmsg *err)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int ret;

	vcpu->ops = ops;
	vcpu->ctx = ctx;
	vcpu->gate = gate;

	/* Signals for the program, such as Ctrl-C, are not for vCPU threads. */
	sigfillset(&all);
	sigdelset(&all, KICK_SIGNAL);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	ret = pthread_create(&vcpu->thread, &attr, vcpu_thread, vcpu);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret)
		return errmsg_set(err, kvm_errno_kind(ret), ret,
				  "starting the thread of CPU %u (see ulimit -u)", vcpu->index);
	vcpu->started = true;
	return 0;
}

void vcpu_kick(struct vcpu *vcpu)
{
	if (!vcpu->started)
		return;
	atomic_store(&vcpu->stop, true);
	interrupt(vcpu);
}

void vcpu_join(struct vcpu *vcpu)
{
	struct timespec until;

	if (!vcpu->started)
		return;
	/* As in vcpu_gate_close() */
	for (;;) {
		until = clock_deadline(KICK_AGAIN_NS);
		if (!pthread_clockjoin_np(vcpu->thread, NULL, CLOCK_MONOTONIC, &until))
			break;
		vcpu_kick(vcpu);
	}
	vcpu->started = false;
}
