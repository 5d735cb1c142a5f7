/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The CPUID leaves that tell a guest its topology, whichever vendor's host it
 * runs on. Pure computation on what KVM_GET_SUPPORTED_CPUID returned.
 */
#ifndef KTSTR_CPUID_H
#define KTSTR_CPUID_H

#include <linux/kvm.h>
#include <stdbool.h>

#include "errmsg.h"

struct topology;

/**
 * enum cpuid_vendor - which vendor's leaves the guest is shown
 * @CPUID_VENDOR_HOST: that of the host; Hygon counts as AMD, others as Intel
 * @CPUID_VENDOR_INTEL: GenuineIntel, leaves 1, 4, 0xb, 0x1f
 * @CPUID_VENDOR_AMD: AuthenticAMD, leaves 1, 0xb, 0x80000001, 8, 0x1d, 0x1e
 */
enum cpuid_vendor {
	CPUID_VENDOR_HOST,
	CPUID_VENDOR_INTEL,
	CPUID_VENDOR_AMD,
};

/**
 * struct cpuid_config - what is the same for all CPUs of a guest
 * @topo: the topology
 * @vendor: whose leaves
 * @tsc_deadline: the host has KVM_CAP_TSC_DEADLINE_TIMER
 * @realtime: offer KVM_HINTS_REALTIME (every vCPU has a CPU of its own)
 * @ext_dest_id: offer KVM_FEATURE_MSI_EXT_DEST_ID (split irqchip only)
 * @no_xsave: hide XSAVE and what depends on it; see cpuid_host_is_tcg()
 */
struct cpuid_config {
	const struct topology *topo;
	enum cpuid_vendor vendor;
	bool tsc_deadline;
	bool realtime;
	bool ext_dest_id;
	bool no_xsave;
};

/**
 * cpuid_prepare() - turn what KVM supports into what the guest's CPUs share
 * @cpuid: from KVM_GET_SUPPORTED_CPUID, changed in place
 * @max: how many entries @cpuid has room for
 * @cfg: see struct cpuid_config
 * @err: says what did not fit
 *
 * Sets everything that is equal on all CPUs: vendor, maximum leaves, feature
 * bits (x2APIC, hypervisor, TSC deadline, TOPOEXT), KVM's leaves, the topology
 * and cache leaves. Takes away what the VM does not have: a PMU, MWAIT, nested
 * virtualization, memory encryption.
 *
 * A signature (family, model) is replaced where it does not fit the vendor, or
 * where Linux would guess the LLC from the model instead of reading the leaves
 * (AMD before family 0x17 model 0x20).
 *
 * Counts that are wider than their field are cut to the largest value that the
 * field holds. Only leaf 0xb and 0x1f have room for every topology; a guest that
 * has one LLC span more than 4096 APIC ids cannot be told by the cache leaves.
 *
 * Return: 0, or -E2BIG with @err filled in.
 */
int cpuid_prepare(struct kvm_cpuid2 *cpuid, unsigned int max,
		  const struct cpuid_config *cfg, struct errmsg *err);

/**
 * cpuid_set_cpu() - put one CPU's APIC id into leaves made by cpuid_prepare()
 * @cpuid: from cpuid_prepare(); may be reused for CPU after CPU
 * @cfg: the same as for cpuid_prepare()
 * @cpu: below topology_cpus()
 */
void cpuid_set_cpu(struct kvm_cpuid2 *cpuid, const struct cpuid_config *cfg,
		   unsigned int cpu);

/**
 * cpuid_host_is_tcg() - is this host emulated by QEMU's TCG?
 *
 * Its SVM does not intercept XSETBV (seen with QEMU 7.2): KVM never learns which
 * states its guest has enabled, and gives XCR0 its reset value at each entry.
 */
bool cpuid_host_is_tcg(void);

#endif /* KTSTR_CPUID_H */
