// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/bitfield.h>
#include <linux/kernel.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "clock.h"
#include "kvm_caps.h"
#include "msi.h"
#include "nudge.h"

static void interrupt(const struct nudge *n, u32 apic_id)
{
	struct kvm_msi msi = {
		.address_lo = MSI_ADDRESS | FIELD_PREP(MSI_DEST_7_0, apic_id & 0xff),
		.address_hi = apic_id & MSI_HI_DEST_31_8,
		.data = MSI_ASSERT | FIELD_PREP(MSI_VECTOR, n->vector),
	};

	/* There is another chance if it was not taken. */
	ioctl(n->vm_fd, KVM_SIGNAL_MSI, &msi);
}

/* One that runs does not wait for an interrupt, and is not to be disturbed. */
static bool has_run(struct nudged *vcpu)
{
	struct timespec ts;
	u64 before = vcpu->ran_ns;

	if (clock_gettime(vcpu->clock, &ts))
		return false;
	vcpu->ran_ns = ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
	return vcpu->ran_ns != before;
}

static void *nudge_thread(void *arg)
{
	const struct nudge *n = arg;
	const unsigned int nr = topology_cpus(n->topo);
	const unsigned int interval_ms = max(NUDGE_INTERVAL_MS, NUDGE_INTERVAL_CPU_MS * nr);
	unsigned int cpu;

	while (n->wait(n->ctx, interval_ms * NSEC_PER_MSEC) == -ETIMEDOUT)
		for (cpu = 0; cpu < nr; cpu++)
			if (!has_run(&n->nudged[cpu]))
				interrupt(n, topology_apic_id(n->topo, cpu));
	return NULL;
}

static int start_thread(struct nudge *n)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&n->thread, NULL, nudge_thread, n);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

int nudge_start(struct nudge *n, struct errmsg *err)
{
	unsigned int nr = topology_cpus(n->topo), cpu;
	int ret = 0;

	n->nudged = calloc(nr, sizeof(*n->nudged));
	if (!n->nudged)
		return errmsg_set(err, ERRMSG_HOST, ENOMEM,
				  "allocating the clocks of %u vCPUs", nr);
	for (cpu = 0; cpu < nr && !ret; cpu++)
		ret = pthread_getcpuclockid(n->vcpus[cpu].thread, &n->nudged[cpu].clock);
	ret = ret ?: start_thread(n);
	if (!ret)
		return 0;
	free(n->nudged);
	n->nudged = NULL;
	return errmsg_set(err, kvm_errno_kind(ret), ret,
			  "starting the thread that interrupts vCPUs (see ulimit -u)");
}

void nudge_join(struct nudge *n)
{
	if (!n->nudged)
		return;
	pthread_join(n->thread, NULL);
	free(n->nudged);
	n->nudged = NULL;
}
