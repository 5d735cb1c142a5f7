// SPDX-License-Identifier: GPL-2.0
#include <asm/kvm_para.h>
#include <errno.h>
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/types.h>
#include <string.h>

#include "cpuid.h"
#include "topology.h"

/* CPUID.1 (SDM vol. 2A, CPUID; APM vol. 3, E.3.2) */
#define L1_ECX_DTES64		BIT(2)
#define L1_ECX_MONITOR		BIT(3)
#define L1_ECX_VMX		BIT(5)
#define L1_ECX_PDCM		BIT(15)
#define L1_ECX_X2APIC		BIT(21)
#define L1_ECX_FMA		BIT(12)
#define L1_ECX_TSC_DEADLINE	BIT(24)
#define L1_ECX_XSAVE		BIT(26)
#define L1_ECX_OSXSAVE		BIT(27)
#define L1_ECX_AVX		BIT(28)
#define L1_ECX_F16C		BIT(29)
#define L1_ECX_HYPERVISOR	BIT(31)
#define L1_EDX_DS		BIT(21)
#define L1_EDX_HTT		BIT(28)

/* CPUID.7.0: what works on registers that only XSAVE saves */
#define L7_EBX_AVX2		BIT(5)
#define L7_ECX_PKU		BIT(3)
#define L7_ECX_VAES		BIT(9)
#define L7_ECX_VPCLMULQDQ	BIT(10)

/* CPUID.80000001 (APM vol. 3, E.4.2) */
#define X1_ECX_CMP_LEGACY	BIT(1)
#define X1_ECX_SVM		BIT(2)
#define X1_ECX_TOPOEXT		BIT(22)
#define X1_ECX_PERFCTR_CORE	BIT(23)
#define X1_ECX_PERFCTR_NB	BIT(24)
#define X1_ECX_PERFCTR_LLC	BIT(28)

/* CPUID.80000008: what long mode had before it could say so (SDM vol. 2A, CPUID) */
#define X8_PHYS_BITS		GENMASK(7, 0)
#define X8_DEFAULT		(48 << 8 | 36)

/* Level types of leaves 0xb and 0x1f, in ECX[15:8] */
#define LEVEL_SMT		1
#define LEVEL_CORE		2

/*
 * Signatures for a guest that cannot have its host's. Both are current enough
 * for Linux to take the topology from the leaves below, and have no model
 * specific MSR that Linux reads without being prepared for a fault.
 */
#define SIGNATURE_SKYLAKE_X	0x00050654	/* family 6 model 0x55 */
#define SIGNATURE_MILAN		0x00a00f11	/* family 0x19 model 1 */

struct cache {
	unsigned int level;
	unsigned int type;
	unsigned int size_kib;
	unsigned int ways;
};

#define CACHE_DATA		1
#define CACHE_INSTRUCTION	2
#define CACHE_UNIFIED		3
#define CACHE_LINE		64

/* L1 and L2 belong to a core, L3 to the LLC. Both vendors count the same way. */
static const struct cache caches[] = {
	{ 1, CACHE_DATA, 32, 8 },
	{ 1, CACHE_INSTRUCTION, 32, 8 },
	{ 2, CACHE_UNIFIED, 512, 8 },
	{ 3, CACHE_UNIFIED, 16384, 16 },
};

/*
 * The caches above as the older leaves have them (APM vol. 3, E.4.4): size in
 * KiB (L3: in 512 KiB), associativity (coded for L2 and L3), lines per tag, line
 * size. Linux looks here for whether there is an L3.
 */
#define X5_L1			0x20080140
#define X6_L2			0x02006140
#define X6_L3			0x00808140

/* The leaves under construction */
struct leaves {
	struct kvm_cpuid2 *cpuid;
	unsigned int max;
	unsigned int missing;
	struct kvm_cpuid_entry2 overflow;
};

static struct kvm_cpuid_entry2 *find_leaf(struct kvm_cpuid2 *cpuid,
					  u32 function, u32 index)
{
	unsigned int i;

	for (i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function == function &&
		    cpuid->entries[i].index == index)
			return &cpuid->entries[i];
	}
	return NULL;
}

/*
 * A leaf to be written to: the one that is there, or a new one. Never NULL:
 * what does not fit is written to a dummy and counted.
 */
static struct kvm_cpuid_entry2 *get_leaf(struct leaves *leaves, u32 function,
					 u32 index, u32 flags)
{
	struct kvm_cpuid2 *cpuid = leaves->cpuid;
	struct kvm_cpuid_entry2 *leaf = find_leaf(cpuid, function, index);

	if (leaf)
		return leaf;
	if (cpuid->nent < leaves->max) {
		leaf = &cpuid->entries[cpuid->nent++];
	} else {
		leaf = &leaves->overflow;
		leaves->missing++;
	}
	*leaf = (struct kvm_cpuid_entry2) {
		.function = function,
		.index = index,
		.flags = flags,
	};
	return leaf;
}

static struct kvm_cpuid_entry2 *get_plain(struct leaves *leaves, u32 function)
{
	return get_leaf(leaves, function, 0, 0);
}

static struct kvm_cpuid_entry2 *get_indexed(struct leaves *leaves,
					    u32 function, u32 index)
{
	return get_leaf(leaves, function, index, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
}

/* Absent leaves read as zero if they are below the maximum leaf. */
static void drop_leaves(struct kvm_cpuid2 *cpuid, u32 first, u32 last)
{
	unsigned int from, to = 0;

	for (from = 0; from < cpuid->nent; from++) {
		if (cpuid->entries[from].function >= first &&
		    cpuid->entries[from].function <= last)
			continue;
		cpuid->entries[to++] = cpuid->entries[from];
	}
	cpuid->nent = to;
}

static void drop_leaf(struct kvm_cpuid2 *cpuid, u32 function)
{
	drop_leaves(cpuid, function, function);
}

static void set_bits(u32 *reg, u32 mask, bool on)
{
	*reg = on ? *reg | mask : *reg & ~mask;
}

static bool has_vendor(const struct kvm_cpuid_entry2 *leaf, const char *name)
{
	return !memcmp(&leaf->ebx, name, 4) && !memcmp(&leaf->edx, name + 4, 4) &&
	       !memcmp(&leaf->ecx, name + 8, 4);
}

static void set_vendor(struct kvm_cpuid_entry2 *leaf, const char *name)
{
	memcpy(&leaf->ebx, name, 4);
	memcpy(&leaf->edx, name + 4, 4);
	memcpy(&leaf->ecx, name + 8, 4);
}

/* The leaves that are right for a host: Linux parses these two kinds only. */
static enum cpuid_vendor host_vendor(struct kvm_cpuid2 *cpuid)
{
	const struct kvm_cpuid_entry2 *leaf = find_leaf(cpuid, 0, 0);

	if (leaf && (has_vendor(leaf, "AuthenticAMD") ||
		     has_vendor(leaf, "HygonGenuine")))
		return CPUID_VENDOR_AMD;
	return CPUID_VENDOR_INTEL;
}

/* SDM vol. 2A, CPUID.1.EAX: the extended fields add to family 0xf and to 6. */
static unsigned int signature_family(u32 eax)
{
	unsigned int family = eax >> 8 & 0xf;

	return family == 0xf ? family + (eax >> 20 & 0xff) : family;
}

static unsigned int signature_model(u32 eax)
{
	return (eax >> 12 & 0xf0) | (eax >> 4 & 0xf);
}

/*
 * Linux has the LLC of an AMD CPU at fixed APIC id bits, or at the node, up to
 * family 0x17 model 0x1f, and reads leaf 0x8000001d from then on. Family 0x18 is
 * Hygon's.
 */
static bool amd_signature_fits(u32 eax)
{
	unsigned int family = signature_family(eax);

	return family >= 0x19 || (family == 0x17 && signature_model(eax) > 0x1f);
}

static void set_identity(struct leaves *leaves, enum cpuid_vendor vendor, bool foreign)
{
	const char *name = vendor == CPUID_VENDOR_AMD ? "AuthenticAMD" : "GenuineIntel";
	struct kvm_cpuid_entry2 *leaf;
	u32 signature;

	set_vendor(get_plain(leaves, 0), name);

	leaf = get_plain(leaves, 1);
	if (vendor == CPUID_VENDOR_AMD) {
		if (foreign || !amd_signature_fits(leaf->eax))
			leaf->eax = SIGNATURE_MILAN;
	} else if (foreign) {
		leaf->eax = SIGNATURE_SKYLAKE_X;
	}
	signature = leaf->eax;

	leaf = get_plain(leaves, 0x80000000);
	if (vendor == CPUID_VENDOR_AMD) {
		set_vendor(leaf, name);
		get_plain(leaves, 0x80000001)->eax = signature;
		return;
	}
	leaf->ebx = 0;
	leaf->ecx = 0;
	leaf->edx = 0;
	get_plain(leaves, 0x80000001)->eax = 0;
}

static void set_features(struct leaves *leaves, const struct cpuid_config *cfg)
{
	struct kvm_cpuid_entry2 *leaf = get_plain(leaves, 1);

	set_bits(&leaf->ecx, L1_ECX_X2APIC | L1_ECX_HYPERVISOR, true);
	set_bits(&leaf->ecx, L1_ECX_TSC_DEADLINE, cfg->tsc_deadline);
	set_bits(&leaf->ecx, L1_ECX_MONITOR | L1_ECX_VMX, false);
	set_bits(&leaf->ecx, L1_ECX_PDCM | L1_ECX_DTES64, false);
	set_bits(&leaf->edx, L1_EDX_DS, false);

	leaf = get_plain(leaves, 0x80000001);
	set_bits(&leaf->ecx, X1_ECX_SVM, false);
	set_bits(&leaf->ecx, X1_ECX_PERFCTR_CORE | X1_ECX_PERFCTR_NB |
		 X1_ECX_PERFCTR_LLC, false);
}

/* No XSAVE, so nothing that depends on it either */
static void hide_xsave(struct leaves *leaves)
{
	struct kvm_cpuid_entry2 *leaf = get_plain(leaves, 1);

	set_bits(&leaf->ecx, L1_ECX_XSAVE | L1_ECX_OSXSAVE | L1_ECX_AVX | L1_ECX_FMA |
		 L1_ECX_F16C, false);
	leaf = get_indexed(leaves, 7, 0);
	set_bits(&leaf->ebx, L7_EBX_AVX2, false);
	set_bits(&leaf->ecx, L7_ECX_PKU | L7_ECX_VAES | L7_ECX_VPCLMULQDQ, false);
	drop_leaf(leaves->cpuid, 0xd);
}

static void drop_absent(struct kvm_cpuid2 *cpuid)
{
	drop_leaf(cpuid, 5);		/* MONITOR/MWAIT */
	drop_leaf(cpuid, 0xa);		/* Intel's PMU, */
	drop_leaf(cpuid, 0x23);		/* its extension, */
	drop_leaf(cpuid, 0x80000022);	/* and AMD's */
	drop_leaf(cpuid, 0x8000000a);	/* SVM */
	/* SME, SEV: with their bits set, Linux reads MSRs before it can fault. */
	drop_leaf(cpuid, 0x8000001f);
}

static void set_kvm_leaf(struct kvm_cpuid2 *cpuid, const struct cpuid_config *cfg,
			 bool foreign)
{
	struct kvm_cpuid_entry2 *leaf = find_leaf(cpuid, KVM_CPUID_FEATURES, 0);

	if (!leaf)
		return;
	set_bits(&leaf->edx, BIT(KVM_HINTS_REALTIME), cfg->realtime);
	set_bits(&leaf->eax, BIT(KVM_FEATURE_MSI_EXT_DEST_ID), cfg->ext_dest_id);
	/*
	 * Linux hypercalls with the instruction of the vendor that it sees. KVM
	 * would replace the wrong one in the guest's text, which is read-only,
	 * so the guest would die of a page fault: offer nothing that hypercalls.
	 */
	if (foreign)
		set_bits(&leaf->eax, BIT(KVM_FEATURE_PV_UNHALT) |
			 BIT(KVM_FEATURE_PV_SEND_IPI) |
			 BIT(KVM_FEATURE_PV_SCHED_YIELD) |
			 BIT(KVM_FEATURE_HC_MAP_GPA_RANGE), false);
}

/* SDM vol. 2A, CPUID.0BH and CPUID.1FH: the counts are of existing threads */
static void set_levels(struct leaves *leaves, u32 function,
		       const struct topology *topo)
{
	struct kvm_cpuid_entry2 *leaf;

	leaf = get_indexed(leaves, function, 0);
	leaf->eax = topology_core_shift(topo);
	leaf->ebx = topo->threads;
	leaf->ecx = LEVEL_SMT << 8;

	leaf = get_indexed(leaves, function, 1);
	leaf->eax = topology_llc_shift(topo);
	leaf->ebx = topo->cores * topo->threads;
	leaf->ecx = LEVEL_CORE << 8 | 1;

	leaf = get_indexed(leaves, function, 2);
	leaf->ecx = 2;
}

/*
 * Leaf 4 and 0x8000001d (SDM vol. 2A, CPUID.04H; APM vol. 3, E.4.15). Sharing is
 * said in APIC ids, used or not: for Intel by definition, for AMD because Linux
 * finds the sharers by division where Intel's rule rounds up.
 */
static void set_caches(struct leaves *leaves, u32 function, u32 eax_common,
		       const struct topology *topo)
{
	struct kvm_cpuid_entry2 *leaf;
	unsigned int i, shift, sets;

	for (i = 0; i < ARRAY_SIZE(caches); i++) {
		shift = caches[i].level == 3 ? topology_llc_shift(topo) :
					       topology_core_shift(topo);
		sets = caches[i].size_kib * 1024 / CACHE_LINE / caches[i].ways;

		leaf = get_indexed(leaves, function, i);
		leaf->eax = eax_common | caches[i].type | caches[i].level << 5 |
			    BIT(8) | min((1U << shift) - 1, 0xfffU) << 14;
		leaf->ebx = (CACHE_LINE - 1) | (caches[i].ways - 1) << 22;
		leaf->ecx = sets - 1;
	}
	get_indexed(leaves, function, i);	/* type 0: no more caches */
}

/* CPUID.1: @count is of threads (AMD) or APIC ids (Intel) per package. */
static void set_package_count(struct leaves *leaves, unsigned int count)
{
	struct kvm_cpuid_entry2 *leaf = get_plain(leaves, 1);

	set_bits(&leaf->edx, L1_EDX_HTT, count > 1);
	set_bits(&leaf->ebx, 0xffU << 16, false);
	leaf->ebx |= min(count, 0xffU) << 16;
}

static void set_intel(struct leaves *leaves, const struct topology *topo)
{
	unsigned int shift = topology_llc_shift(topo);
	unsigned int core_ids = 1U << (shift - topology_core_shift(topo));
	struct kvm_cpuid_entry2 *leaf;

	/* AMD's leaves begin above this one. */
	drop_leaves(leaves->cpuid, 0x80000009, 0x8fffffff);

	set_package_count(leaves, 1U << shift);
	/* SDM vol. 2A, table 3-12: 0xff refers to leaf 4. */
	leaf = get_plain(leaves, 2);
	leaf->eax = 0xff01;
	leaf->ebx = 0;
	leaf->ecx = 0;
	leaf->edx = 0;
	set_caches(leaves, 4, min(core_ids - 1, 0x3fU) << 26, topo);
	set_levels(leaves, 0xb, topo);
	set_levels(leaves, 0x1f, topo);

	set_bits(&get_plain(leaves, 0x80000001)->ecx,
		 X1_ECX_TOPOEXT | X1_ECX_CMP_LEGACY, false);
	get_plain(leaves, 0x80000008)->ecx = 0;
}

static void set_amd(struct leaves *leaves, const struct topology *topo)
{
	unsigned int threads = topo->cores * topo->threads;
	struct kvm_cpuid_entry2 *leaf;

	set_package_count(leaves, threads);
	set_levels(leaves, 0xb, topo);

	leaf = get_plain(leaves, 0x80000001);
	set_bits(&leaf->ecx, X1_ECX_TOPOEXT, true);
	set_bits(&leaf->ecx, X1_ECX_CMP_LEGACY, threads > 1);

	leaf = get_plain(leaves, 0x80000005);
	leaf->ecx = X5_L1;
	leaf->edx = X5_L1;
	leaf = get_plain(leaves, 0x80000006);
	leaf->ecx = X6_L2;
	leaf->edx = X6_L3;

	/* APM vol. 3, E.4.7: NC and ApicIdCoreIdSize, both per package */
	get_plain(leaves, 0x80000008)->ecx =
		min(threads - 1, 0xffU) | topology_llc_shift(topo) << 12;

	set_caches(leaves, 0x8000001d, 0, topo);
	leaf = get_plain(leaves, 0x8000001e);
	leaf->ebx = min(topo->threads - 1, 0xffU) << 8;
}

/* A leaf that is made for its other registers must not say that addresses have no bits. */
static void set_address_sizes(struct leaves *leaves)
{
	struct kvm_cpuid_entry2 *leaf = get_plain(leaves, 0x80000008);

	if (!(leaf->eax & X8_PHYS_BITS))
		leaf->eax = X8_DEFAULT;
}

/* Call it last: the highest extended leaf is the highest one there is. */
static void set_max_leaves(struct leaves *leaves, u32 min_basic)
{
	struct kvm_cpuid_entry2 *basic = get_plain(leaves, 0);
	struct kvm_cpuid_entry2 *extended = get_plain(leaves, 0x80000000);
	u32 function;
	unsigned int i;

	basic->eax = max(basic->eax, min_basic);
	extended->eax = 0x80000000;
	for (i = 0; i < leaves->cpuid->nent; i++) {
		function = leaves->cpuid->entries[i].function;
		if (function > extended->eax && function <= 0x8fffffff)
			extended->eax = function;
	}
}

int cpuid_prepare(struct kvm_cpuid2 *cpuid, unsigned int max,
		  const struct cpuid_config *cfg, struct errmsg *err)
{
	/* What depends on the topology is made anew. */
	static const u32 made_here[] = { 2, 4, 0xb, 0x1f, 0x8000001d,
					      0x8000001e, 0x80000026 };
	struct leaves leaves = { .cpuid = cpuid, .max = max };
	enum cpuid_vendor host, vendor;
	unsigned int i;

	if (cpuid->nent > max)
		return errmsg_set(err, ERRMSG_FAILED, E2BIG,
				  "preparing CPUID: %u entries in room for %u",
				  cpuid->nent, max);

	host = host_vendor(cpuid);
	vendor = cfg->vendor == CPUID_VENDOR_HOST ? host : cfg->vendor;

	for (i = 0; i < ARRAY_SIZE(made_here); i++)
		drop_leaf(cpuid, made_here[i]);
	drop_absent(cpuid);
	set_identity(&leaves, vendor, vendor != host);
	set_features(&leaves, cfg);
	set_address_sizes(&leaves);
	if (cfg->no_xsave)
		hide_xsave(&leaves);
	if (vendor == CPUID_VENDOR_AMD)
		set_amd(&leaves, cfg->topo);
	else
		set_intel(&leaves, cfg->topo);
	set_kvm_leaf(cpuid, cfg, vendor != host);
	set_max_leaves(&leaves, vendor == CPUID_VENDOR_AMD ? 0xb : 0x1f);

	if (leaves.missing)
		return errmsg_set(err, ERRMSG_FAILED, E2BIG,
				  "preparing CPUID: room for %u entries is %u short",
				  max, leaves.missing);
	return 0;
}

void cpuid_set_cpu(struct kvm_cpuid2 *cpuid, const struct cpuid_config *cfg,
		   unsigned int cpu)
{
	struct topology_place place = topology_place(cfg->topo, cpu);
	u32 apic_id = topology_apic_id(cfg->topo, cpu);
	struct kvm_cpuid_entry2 *leaf;
	unsigned int i;

	for (i = 0; i < cpuid->nent; i++) {
		leaf = &cpuid->entries[i];
		switch (leaf->function) {
		case 1:
			/* the low eight bits; leaf 0xb has all of them */
			leaf->ebx = (leaf->ebx & 0xffffff) | apic_id << 24;
			break;
		case 0xb:
		case 0x1f:
			leaf->edx = apic_id;
			break;
		case 0x8000001e:
			/* A package is one die, which AMD calls node. */
			leaf->eax = apic_id;
			leaf->ebx = (leaf->ebx & ~0xffU) | (place.core & 0xff);
			leaf->ecx = place.llc & 0xff;
			break;
		}
	}
}

bool cpuid_host_is_tcg(void)
{
	u32 eax = 0x40000000, ebx, ecx = 0, edx;
	char signature[12];

	asm volatile("cpuid" : "+a" (eax), "=b" (ebx), "+c" (ecx), "=d" (edx));
	memcpy(signature, &ebx, 4);
	memcpy(signature + 4, &ecx, 4);
	memcpy(signature + 8, &edx, 4);
	return !memcmp(signature, "TCGTCGTCGTCG", 12);
}
