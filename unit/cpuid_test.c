// SPDX-License-Identifier: GPL-2.0
/*
 * CPUID leaves, read back by the rules of the manuals: what a guest finds out
 * has to be what topology_place() says, from every host's leaves.
 */
#include <asm/kvm_para.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "harness.h"
#include "cpuid.h"
#include "topology.h"

#define MAX_ENTRIES	256

/* Two hosts' leaves, with what a guest must not be shown among them */
static const struct kvm_cpuid_entry2 intel_leaves[] = {
	{ 0, 0, 0, 0x16, 0x756e6547, 0x6c65746e, 0x49656e69, {} },
	{ 1, 0, 0, 0x000806f8, 0x00400800, 0xfffab22f, 0x1fabfbff, {} },
	{ 2, 0, 0, 0x00feff01, 0xf0, 0, 0, {} },
	{ 4, 0, 1, 0xfc004121, 0x02c0003f, 0x3f, 0, {} },
	{ 4, 1, 1, 0xfc004122, 0x01c0003f, 0x3f, 0, {} },
	{ 4, 2, 1, 0xfc01c143, 0x03c0003f, 0x7ff, 0, {} },
	{ 4, 3, 1, 0xfc1fc163, 0x0380003f, 0x1bfff, 4, {} },
	{ 4, 4, 1, 0xfc1fc183, 0x0380003f, 0x1bfff, 4, {} },
	{ 5, 0, 0, 0x40, 0x40, 3, 0x2020, {} },
	{ 7, 0, 1, 1, 0xd19f27eb, 0x1b415f6e, 0xbc000400, {} },
	{ 0xa, 0, 0, 0x07300802, 0, 0, 0x603, {} },
	{ 0xb, 0, 1, 1, 2, 0x100, 0x1f, {} },
	{ 0xb, 1, 1, 7, 64, 0x201, 0x1f, {} },
	{ 0xd, 0, 1, 0xe7, 0x980, 0x980, 0, {} },
	{ 0xd, 1, 1, 0xf, 0, 0, 0, {} },
	{ KVM_CPUID_SIGNATURE, 0, 0, KVM_CPUID_FEATURES, 0x4b4d564b, 0x564b4d56, 0x4d, {} },
	{ KVM_CPUID_FEATURES, 0, 0, 0x01007efb, 0, 0, 0, {} },
	{ 0x80000000, 0, 0, 0x80000008, 0, 0, 0, {} },
	{ 0x80000001, 0, 0, 0, 0, 0x121, 0x2c100800, {} },
	{ 0x80000006, 0, 0, 0, 0, 0x01006040, 0, {} },
	{ 0x80000007, 0, 0, 0, 0, 0, 0x100, {} },
	{ 0x80000008, 0, 0, 0x392e, 0x0100d000, 0, 0, {} },
};

static const struct kvm_cpuid_entry2 amd_leaves[] = {
	{ 0, 0, 0, 0x1f, 0x68747541, 0x444d4163, 0x69746e65, {} },
	{ 1, 0, 0, 0x00a10f11, 0x05400800, 0xfefa322b, 0x178bfbff, {} },
	{ 5, 0, 0, 0x40, 0x40, 3, 0x11, {} },
	{ 7, 0, 1, 1, 0xf1bf97a9, 0x00405fce, 0x10000010, {} },
	{ 0xb, 0, 1, 1, 2, 0x100, 0x33, {} },
	{ 0xb, 1, 1, 7, 0x30, 0x201, 0x33, {} },
	{ 0xd, 0, 1, 0xe7, 0x980, 0x980, 0, {} },
	{ 0x1f, 0, 1, 1, 2, 0x100, 0x33, {} },
	{ 0x1f, 1, 1, 9, 0x60, 0x201, 0x33, {} },
	{ KVM_CPUID_SIGNATURE, 0, 0, KVM_CPUID_FEATURES, 0x4b4d564b, 0x564b4d56, 0x4d, {} },
	{ KVM_CPUID_FEATURES, 0, 0, 0x0100fefb, 0, 0, 1, {} },
	{ 0x80000000, 0, 0, 0x80000028, 0x68747541, 0x444d4163, 0x69746e65, {} },
	{ 0x80000001, 0, 0, 0x00a10f11, 0x40000000, 0x75c237ff, 0x2fd3fbff, {} },
	{ 0x80000005, 0, 0, 0xff48ff40, 0xff48ff40, 0x20080140, 0x20080140, {} },
	{ 0x80000006, 0, 0, 0x5c002200, 0x6c004200, 0x04006140, 0x30009140, {} },
	{ 0x80000007, 0, 0, 0, 0x3b, 0, 0x100, {} },
	{ 0x80000008, 0, 0, 0x3030, 0x791ef257, 0x705f, 0x10007, {} },
	{ 0x8000000a, 0, 0, 1, 0x8000, 0, 0x1ebfbcff, {} },
	{ 0x8000001d, 0, 1, 0x4121, 0x01c0003f, 0x3f, 0, {} },
	{ 0x8000001d, 1, 1, 0x4122, 0x01c0003f, 0x3f, 0, {} },
	{ 0x8000001d, 2, 1, 0x4143, 0x01c0003f, 0x7ff, 2, {} },
	{ 0x8000001d, 3, 1, 0x3c163, 0x03c0003f, 0x7fff, 1, {} },
	{ 0x8000001e, 0, 0, 0x33, 0x119, 1, 0, {} },
	{ 0x8000001f, 0, 0, 0x0101fd3f, 0x4173, 0x1fd, 1, {} },
	{ 0x80000021, 0, 0, 0x62fcf, 0, 0, 0, {} },
	{ 0x80000022, 0, 0, 7, 0x84106, 0, 0, {} },
	{ 0x80000026, 0, 1, 1, 2, 0x100, 0x33, {} },
	{ 0x80000026, 1, 1, 4, 0x10, 0x201, 0x33, {} },
};

static const char * const specs[] = {
	"1n1l1c1t", "1n1l2c2t", "1n2l4c1t", "1n2l4c2t", "1n3l3c1t", "2n4l2c2t",
	"4n8l2c1t", "3n6l5c2t", "1n14l9c2t", "4n16l16c2t", "1n1l1c2t", "1n2l1c1t",
	"1n2l5c3t", "2n2l64c4t", "1n1l256c1t", "8n8l1c8t", "1n5l7c5t",
	/* APIC ids sparser than their counts; unequal nodes */
	"1n2l2c1t,llcshift=8", "1n3l1c1t,llcshift=1", "1n4l3c2t,llcshift=12",
	"3n3l4c2t,llcs=2:1:0,llcshift=7", "2n5l3c1t,llcs=1:4", "1n5l9c2t,llcshift=6",
};

FIXTURE(cpuid) {
	struct kvm_cpuid2 *host;	/* what cpuid_prepare() gets */
	struct kvm_cpuid2 *guest;	/* what it made of it */
	struct topology topo;
	bool amd;			/* what the guest should be */
	bool foreign;
};

FIXTURE_VARIANT(cpuid) {
	const struct kvm_cpuid_entry2 *leaves;	/* NULL: those of this host */
	size_t nr_leaves;
	const char *vendor;			/* instead of that in the leaves */
	u32 signature;				/* the same */
	enum cpuid_vendor show;
};

#define INTEL_LEAVES	.leaves = intel_leaves, .nr_leaves = ARRAY_SIZE(intel_leaves)
#define AMD_LEAVES	.leaves = amd_leaves, .nr_leaves = ARRAY_SIZE(amd_leaves)

FIXTURE_VARIANT_ADD(cpuid, intel) { INTEL_LEAVES };
FIXTURE_VARIANT_ADD(cpuid, intel_as_intel) { INTEL_LEAVES, .show = CPUID_VENDOR_INTEL };
FIXTURE_VARIANT_ADD(cpuid, intel_as_amd) { INTEL_LEAVES, .show = CPUID_VENDOR_AMD };
FIXTURE_VARIANT_ADD(cpuid, amd) { AMD_LEAVES };
FIXTURE_VARIANT_ADD(cpuid, amd_as_amd) { AMD_LEAVES, .show = CPUID_VENDOR_AMD };
FIXTURE_VARIANT_ADD(cpuid, amd_as_intel) { AMD_LEAVES, .show = CPUID_VENDOR_INTEL };
/* QEMU's "max" (family 15 model 107), the first Zen, the last before Linux reads LLCs */
FIXTURE_VARIANT_ADD(cpuid, amd_k8) { AMD_LEAVES, .signature = 0x00060fb1 };
FIXTURE_VARIANT_ADD(cpuid, amd_zen) { AMD_LEAVES, .signature = 0x00800f12 };
FIXTURE_VARIANT_ADD(cpuid, amd_model_1f) { AMD_LEAVES, .signature = 0x00810ff0 };
FIXTURE_VARIANT_ADD(cpuid, amd_zen2) { AMD_LEAVES, .signature = 0x00830f10 };
FIXTURE_VARIANT_ADD(cpuid, hygon) {
	AMD_LEAVES, .vendor = "HygonGenuine", .signature = 0x00900f02
};

FIXTURE_VARIANT_ADD(cpuid, zhaoxin) { INTEL_LEAVES, .vendor = "  Shanghai  " };
FIXTURE_VARIANT_ADD(cpuid, this_host) { .show = CPUID_VENDOR_HOST };
FIXTURE_VARIANT_ADD(cpuid, this_host_as_intel) { .show = CPUID_VENDOR_INTEL };
FIXTURE_VARIANT_ADD(cpuid, this_host_as_amd) { .show = CPUID_VENDOR_AMD };

static struct kvm_cpuid2 *alloc_cpuid(unsigned int max)
{
	return calloc(1, sizeof(struct kvm_cpuid2) +
			 max * sizeof(struct kvm_cpuid_entry2));
}

static void copy_cpuid(struct kvm_cpuid2 *to, const struct kvm_cpuid2 *from)
{
	memcpy(to, from, sizeof(*from) + from->nent * sizeof(from->entries[0]));
}

/* Return: NULL, or which call failed; errno says why. */
static const char *get_host_leaves(struct kvm_cpuid2 *cpuid)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int ret, saved;

	if (fd < 0)
		return "open(\"/dev/kvm\")";
	cpuid->nent = MAX_ENTRIES;
	ret = ioctl(fd, KVM_GET_SUPPORTED_CPUID, cpuid);
	saved = errno;
	close(fd);
	errno = saved;
	return ret ? "KVM_GET_SUPPORTED_CPUID" : NULL;
}

/* What CPUID returns: zeros for what is not there. The entry is good until the next call. */
static const struct kvm_cpuid_entry2 *leaf(const struct kvm_cpuid2 *cpuid,
					   u32 function, u32 index)
{
	static const struct kvm_cpuid_entry2 zero;
	unsigned int i;

	for (i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function == function &&
		    cpuid->entries[i].index == index)
			return &cpuid->entries[i];
	}
	return &zero;
}

static bool is_vendor(const struct kvm_cpuid_entry2 *e, const char *name)
{
	char text[13] = "";

	memcpy(text, &e->ebx, 4);
	memcpy(text + 4, &e->edx, 4);
	memcpy(text + 8, &e->ecx, 4);
	return !strcmp(text, name);
}

FIXTURE_SETUP(cpuid)
{
	bool amd_host;

	self->host = alloc_cpuid(MAX_ENTRIES);
	self->guest = alloc_cpuid(MAX_ENTRIES);
	ASSERT_TRUE(self->host && self->guest);

	if (variant->leaves) {
		self->host->nent = variant->nr_leaves;
		memcpy(self->host->entries, variant->leaves,
		       variant->nr_leaves * sizeof(*variant->leaves));
	} else {
		const char *call = get_host_leaves(self->host);

		if (call)
			SKIP(return, "no leaves of this host: %s: %s", call,
			     strerror(errno));
	}
	if (variant->vendor) {
		memcpy(&self->host->entries[0].ebx, variant->vendor, 4);
		memcpy(&self->host->entries[0].edx, variant->vendor + 4, 4);
		memcpy(&self->host->entries[0].ecx, variant->vendor + 8, 4);
	}
	if (variant->signature)
		self->host->entries[1].eax = variant->signature;

	amd_host = is_vendor(leaf(self->host, 0, 0), "AuthenticAMD") ||
		   is_vendor(leaf(self->host, 0, 0), "HygonGenuine");
	self->amd = variant->show == CPUID_VENDOR_HOST ? amd_host :
		    variant->show == CPUID_VENDOR_AMD;
	self->foreign = self->amd != amd_host;
}

FIXTURE_TEARDOWN(cpuid)
{
	free(self->host);
	free(self->guest);
}

static int prepare(struct _test_data_cpuid *self, enum cpuid_vendor show,
		   const char *spec, struct cpuid_config *cfg, struct errmsg *err)
{
	*cfg = (struct cpuid_config) { .topo = &self->topo, .vendor = show };
	if (topology_parse(spec, &self->topo, err))
		return -EINVAL;
	copy_cpuid(self->guest, self->host);
	return cpuid_prepare(self->guest, MAX_ENTRIES, cfg, err);
}

/* ---- the manuals' rules ---- */

/* Bits that hold @count different ids (SDM vol. 3A, 9.9.3.2) */
static unsigned int mask_width(unsigned int count)
{
	unsigned int bits = 0;

	while ((1U << bits) < count)
		bits++;
	return bits;
}

struct decoded {
	u32 apic_id;
	unsigned int thread_bits;	/* low bits of the id below the core */
	unsigned int package_bits;	/* and below the package */
	unsigned int threads;		/* in the core, where the leaf has it */
	unsigned int package_threads;	/* and in the package */
};

/*
 * SDM vol. 3A, example 9-18: subleaves until a level type of 0. The highest
 * level's shift makes the package. Return: false if a subleaf contradicts.
 */
static bool decode_levels(const struct kvm_cpuid2 *cpuid, u32 function,
			  struct decoded *d)
{
	const struct kvm_cpuid_entry2 *e;
	unsigned int index, type;

	memset(d, 0, sizeof(*d));
	for (index = 0; ; index++) {
		e = leaf(cpuid, function, index);
		type = e->ecx >> 8 & 0xff;
		if ((e->ecx & 0xff) != index)
			return false;
		if (index && e->edx != d->apic_id)
			return false;
		d->apic_id = e->edx;
		if (!type)
			break;
		if (type == 1) {
			d->thread_bits = e->eax & 0x1f;
			d->threads = e->ebx & 0xffff;
		}
		if (type > 2)
			return false;	/* module, tile, die: none asked for */
		d->package_bits = e->eax & 0x1f;
		d->package_threads = e->ebx & 0xffff;
	}
	return index == 2 && !e->eax && !e->ebx;
}

/* SDM vol. 3A, 9.9.3.1: leaf 1 counts ids in the package, leaf 4 core ids */
static void decode_intel_legacy(const struct kvm_cpuid2 *cpuid, struct decoded *d)
{
	const struct kvm_cpuid_entry2 *e = leaf(cpuid, 1, 0);
	unsigned int ids = e->edx & BIT(28) ? e->ebx >> 16 & 0xff : 1;
	unsigned int core_ids = (leaf(cpuid, 4, 0)->eax >> 26) + 1;

	memset(d, 0, sizeof(*d));
	d->apic_id = e->ebx >> 24;
	d->package_bits = mask_width(ids);
	d->thread_bits = d->package_bits - mask_width(core_ids);
}

/* APM vol. 3, E.4.7, E.4.16 and E.5.2 */
static void decode_amd(const struct kvm_cpuid2 *cpuid, struct decoded *d)
{
	u32 sizes = leaf(cpuid, 0x80000008, 0)->ecx;
	const struct kvm_cpuid_entry2 *e = leaf(cpuid, 0x8000001e, 0);

	memset(d, 0, sizeof(*d));
	d->apic_id = e->eax;
	d->threads = (e->ebx >> 8 & 0xff) + 1;
	d->package_threads = (sizes & 0xff) + 1;
	d->thread_bits = mask_width(d->threads);
	d->package_bits = sizes >> 12 & 0xf;
	if (!d->package_bits)
		d->package_bits = mask_width(d->package_threads);
}

static struct topology_place place_of(const struct decoded *d)
{
	return (struct topology_place) {
		.llc = d->apic_id >> d->package_bits,
		.core = (d->apic_id & ((1U << d->package_bits) - 1)) >> d->thread_bits,
		.thread = d->apic_id & ((1U << d->thread_bits) - 1),
	};
}

static bool same_place(struct topology_place a, struct topology_place b)
{
	return a.llc == b.llc && a.core == b.core && a.thread == b.thread;
}

/* ---- tests ---- */

TEST_F(cpuid, levels)
{
	static const u32 functions[] = { 0xb, 0x1f };
	struct cpuid_config cfg;
	unsigned int i, j, cpu;
	struct errmsg err;
	struct decoded d;

	for (i = 0; i < ARRAY_SIZE(specs); i++) {
		ASSERT_EQ(0, prepare(self, variant->show, specs[i], &cfg, &err))
			TH_LOG("%s", err.text);
		for (cpu = 0; cpu < topology_cpus(&self->topo); cpu++) {
			cpuid_set_cpu(self->guest, &cfg, cpu);
			for (j = 0; j < (self->amd ? 1 : 2); j++) {
				ASSERT_TRUE(decode_levels(self->guest, functions[j], &d));
				ASSERT_EQ(topology_apic_id(&self->topo, cpu), d.apic_id);
				ASSERT_TRUE(same_place(place_of(&d),
						       topology_place(&self->topo, cpu)))
					TH_LOG("%s cpu %u leaf %x", specs[i], cpu, functions[j]);
				ASSERT_EQ(self->topo.threads, d.threads);
				ASSERT_EQ(self->topo.cores * self->topo.threads,
					  d.package_threads);
			}
		}
	}
}

TEST_F(cpuid, intel_without_levels)
{
	struct topology_place place;
	struct cpuid_config cfg;
	struct errmsg err;
	struct decoded d;
	unsigned int i, cpu;

	if (!self->amd) {
		for (i = 0; i < ARRAY_SIZE(specs); i++) {
			ASSERT_EQ(0, prepare(self, variant->show, specs[i], &cfg, &err));
			/* the fields of leaf 4 end at 64 core ids, of leaf 1 at 256 ids */
			if (topology_llc_shift(&self->topo) > 8 ||
			    topology_llc_shift(&self->topo) - topology_core_shift(&self->topo) > 6)
				continue;
			for (cpu = 0; cpu < topology_cpus(&self->topo); cpu++) {
				cpuid_set_cpu(self->guest, &cfg, cpu);
				decode_intel_legacy(self->guest, &d);
				place = topology_place(&self->topo, cpu);
				/* its APIC id is eight bits wide */
				ASSERT_EQ(topology_apic_id(&self->topo, cpu) & 0xff, d.apic_id);
				d.apic_id = topology_apic_id(&self->topo, cpu);
				ASSERT_TRUE(same_place(place_of(&d), place))
					TH_LOG("%s cpu %u", specs[i], cpu);
			}
		}
		return;
	}
	ASSERT_EQ(0, prepare(self, variant->show, "1n2l4c2t", &cfg, &err));
	EXPECT_EQ(0, leaf(self->guest, 2, 0)->eax);
	EXPECT_EQ(0, leaf(self->guest, 4, 0)->eax);
	EXPECT_EQ(0, leaf(self->guest, 0x1f, 0)->ebx);
	EXPECT_EQ(0, leaf(self->guest, 0x1f, 1)->ebx);
}

TEST_F(cpuid, amd_extended)
{
	struct topology_place place;
	struct cpuid_config cfg;
	struct errmsg err;
	struct decoded d;
	unsigned int i, cpu;

	for (i = 0; self->amd && i < ARRAY_SIZE(specs); i++) {
		ASSERT_EQ(0, prepare(self, variant->show, specs[i], &cfg, &err));
		for (cpu = 0; cpu < topology_cpus(&self->topo); cpu++) {
			cpuid_set_cpu(self->guest, &cfg, cpu);
			decode_amd(self->guest, &d);
			place = topology_place(&self->topo, cpu);
			ASSERT_EQ(topology_apic_id(&self->topo, cpu), d.apic_id);
			ASSERT_TRUE(same_place(place_of(&d), place))
				TH_LOG("%s cpu %u", specs[i], cpu);
			ASSERT_EQ(self->topo.threads, d.threads);
			ASSERT_EQ(min(self->topo.cores * self->topo.threads, 256U),
				  d.package_threads);
			ASSERT_EQ(place.core & 0xff, leaf(self->guest, 0x8000001e, 0)->ebx & 0xff);
			/* one die in each package */
			ASSERT_EQ(place.llc, leaf(self->guest, 0x8000001e, 0)->ecx);
		}
	}
	ASSERT_EQ(0, prepare(self, variant->show, "1n2l4c2t", &cfg, &err));
	if (self->amd) {
		EXPECT_TRUE(leaf(self->guest, 0x80000001, 0)->ecx & BIT(22));
		EXPECT_TRUE(leaf(self->guest, 0x80000001, 0)->ecx & BIT(1));
		EXPECT_LE(0x8000001e, leaf(self->guest, 0x80000000, 0)->eax);
		ASSERT_EQ(0, prepare(self, variant->show, "1n2l1c1t", &cfg, &err));
		EXPECT_FALSE(leaf(self->guest, 0x80000001, 0)->ecx & BIT(1));
		return;
	}
	EXPECT_FALSE(leaf(self->guest, 0x80000001, 0)->ecx & (BIT(1) | BIT(22)));
	EXPECT_EQ(0, leaf(self->guest, 0x80000008, 0)->ecx);
	EXPECT_EQ(0, leaf(self->guest, 0x8000001d, 0)->eax);
	EXPECT_EQ(0, leaf(self->guest, 0x8000001e, 0)->eax);
	EXPECT_EQ(0x80000008, leaf(self->guest, 0x80000000, 0)->eax);
}

/*
 * SDM vol. 3A, 9.9.5 and APM vol. 3, E.4.15: CPUs share a cache if their APIC ids
 * are equal without the low bits. Linux divides for AMD's L1 and L2, so try both.
 */
TEST_F(cpuid, caches)
{
	static const struct { u32 level, type, kib; } expected[] = {
		{ 1, 1, 32 }, { 1, 2, 32 }, { 2, 3, 512 }, { 3, 3, 16384 },
	};
	const struct kvm_cpuid_entry2 *e;
	struct topology_place place, last = { 0 };
	unsigned int i, j, cpu, ids, line, parts, ways, last_id;
	struct cpuid_config cfg;
	struct errmsg err;
	u32 id, function = self->amd ? 0x8000001d : 4;
	bool shared;

	for (i = 0; i < ARRAY_SIZE(specs); i++) {
		ASSERT_EQ(0, prepare(self, variant->show, specs[i], &cfg, &err));
		for (j = 0; j < ARRAY_SIZE(expected); j++) {
			e = leaf(self->guest, function, j);
			ASSERT_EQ(expected[j].type, e->eax & 0x1f);
			ASSERT_EQ(expected[j].level, e->eax >> 5 & 7);
			line = (e->ebx & 0xfff) + 1;
			parts = (e->ebx >> 12 & 0x3ff) + 1;
			ways = (e->ebx >> 22) + 1;
			ASSERT_EQ(64, line);
			ASSERT_EQ(expected[j].kib * 1024, line * parts * ways * (e->ecx + 1));

			ids = (e->eax >> 14 & 0xfff) + 1;
			ASSERT_EQ(ids, 1U << mask_width(ids));
			last_id = -1U;
			for (cpu = 0; cpu < topology_cpus(&self->topo); cpu++) {
				id = topology_apic_id(&self->topo, cpu);
				place = topology_place(&self->topo, cpu);
				/* groups of CPUs are contiguous, and their ids rise */
				shared = cpu && last.llc == place.llc &&
					 (e->eax >> 5 & 7) == 3 ? true :
					 cpu && last.llc == place.llc && last.core == place.core;
				ASSERT_EQ(shared, id >> mask_width(ids) == last_id);
				ASSERT_TRUE(last_id == -1U || id / ids >= last_id);
				last_id = id / ids;
				last = place;
			}
		}
		ASSERT_EQ(0, leaf(self->guest, function, j)->eax & 0x1f);
	}

	if (!self->amd) {
		/* only a descriptor that sends to leaf 4 */
		EXPECT_EQ(0xff01, leaf(self->guest, 2, 0)->eax);
		return;
	}
	/* APM vol. 3, E.4.4: the same caches, as sizes in the older leaves */
	EXPECT_EQ(32, leaf(self->guest, 0x80000005, 0)->ecx >> 24);
	EXPECT_EQ(32, leaf(self->guest, 0x80000005, 0)->edx >> 24);
	EXPECT_EQ(512, leaf(self->guest, 0x80000006, 0)->ecx >> 16);
	EXPECT_EQ(16384, (leaf(self->guest, 0x80000006, 0)->edx >> 18) * 512);
}

static unsigned int family(u32 eax)
{
	unsigned int base = eax >> 8 & 0xf;

	return base == 0xf ? base + (eax >> 20 & 0xff) : base;
}

TEST_F(cpuid, vendor_and_signature)
{
	struct cpuid_config cfg;
	struct errmsg err;
	u32 eax, host_eax;

	ASSERT_EQ(0, prepare(self, variant->show, "1n2l4c2t", &cfg, &err));
	EXPECT_TRUE(is_vendor(leaf(self->guest, 0, 0),
			      self->amd ? "AuthenticAMD" : "GenuineIntel"));
	EXPECT_TRUE(is_vendor(leaf(self->guest, 0x80000000, 0),
			      self->amd ? "AuthenticAMD" : ""));

	eax = leaf(self->guest, 1, 0)->eax;
	host_eax = leaf(self->host, 1, 0)->eax;
	EXPECT_EQ(self->amd ? eax : 0, leaf(self->guest, 0x80000001, 0)->eax);
	if (self->amd) {
		/* Linux takes the LLC from elsewhere on everything older */
		EXPECT_TRUE(family(eax) >= 0x19 ||
			    (family(eax) == 0x17 && (eax >> 12 & 0xf0) >= 0x30));
		if (!self->foreign && family(host_eax) >= 0x19)
			EXPECT_EQ(host_eax, eax);
	} else if (self->foreign) {
		EXPECT_EQ(6, family(eax));
		EXPECT_EQ(0x55, (eax >> 12 & 0xf0) | (eax >> 4 & 0xf));
	} else {
		EXPECT_EQ(host_eax, eax);
	}
	if (variant->signature == 0x00830f10)
		EXPECT_EQ(0x00830f10, eax);
}

TEST_F(cpuid, features)
{
	const struct kvm_cpuid_entry2 *e, *host;
	struct cpuid_config cfg;
	struct errmsg err;

	ASSERT_EQ(0, prepare(self, variant->show, "1n2l4c2t", &cfg, &err));
	e = leaf(self->guest, 1, 0);
	EXPECT_TRUE(e->ecx & BIT(21));		/* x2APIC */
	EXPECT_TRUE(e->ecx & BIT(31));		/* hypervisor */
	EXPECT_FALSE(e->ecx & BIT(3));		/* MONITOR/MWAIT */
	EXPECT_FALSE(e->ecx & BIT(5));		/* VMX */
	EXPECT_FALSE(e->ecx & BIT(15));		/* PDCM */
	EXPECT_FALSE(e->ecx & BIT(24));		/* TSC deadline */
	EXPECT_FALSE(e->edx & BIT(21));		/* debug store */
	EXPECT_TRUE(e->edx & BIT(28));		/* more than one thread */

	/* the rest is the host's */
	host = leaf(self->host, 1, 0);
	EXPECT_EQ(host->ecx & ~(BIT(2) | BIT(3) | BIT(5) | BIT(15) | BIT(21) | BIT(24) | BIT(31)),
		  e->ecx & ~(BIT(21) | BIT(31)));
	EXPECT_EQ(host->edx & ~(BIT(21) | BIT(28)), e->edx & ~BIT(28));
	EXPECT_EQ(host->ebx & 0xffff, e->ebx & 0xffff);

	e = leaf(self->guest, 0x80000001, 0);
	EXPECT_FALSE(e->ecx & (BIT(2) | BIT(23) | BIT(24) | BIT(28)));
	EXPECT_EQ(leaf(self->host, 0x80000001, 0)->edx, e->edx);
	EXPECT_EQ(leaf(self->host, 0x80000007, 0)->edx, leaf(self->guest, 0x80000007, 0)->edx);
	EXPECT_EQ(leaf(self->host, 0x80000008, 0)->eax, leaf(self->guest, 0x80000008, 0)->eax);
	EXPECT_EQ(leaf(self->host, 7, 0)->ebx, leaf(self->guest, 7, 0)->ebx);

	EXPECT_EQ(0, leaf(self->guest, 5, 0)->edx);
	EXPECT_EQ(0, leaf(self->guest, 0xa, 0)->eax);
	EXPECT_EQ(0, leaf(self->guest, 0x8000000a, 0)->edx);
	EXPECT_EQ(0, leaf(self->guest, 0x8000001f, 0)->eax);
	EXPECT_EQ(0, leaf(self->guest, 0x80000022, 0)->eax);
	EXPECT_EQ(0, leaf(self->guest, 0x80000026, 0)->ebx);
	EXPECT_EQ(0, leaf(self->guest, 0x80000026, 1)->ebx);

	cfg.tsc_deadline = true;
	copy_cpuid(self->guest, self->host);
	ASSERT_EQ(0, cpuid_prepare(self->guest, MAX_ENTRIES, &cfg, &err));
	EXPECT_TRUE(leaf(self->guest, 1, 0)->ecx & BIT(24));

	ASSERT_EQ(0, prepare(self, variant->show, "1n2l1c1t", &cfg, &err));
	EXPECT_FALSE(leaf(self->guest, 1, 0)->edx & BIT(28));
}

TEST_F(cpuid, kvm_features)
{
	const u32 hypercalls = BIT(KVM_FEATURE_PV_UNHALT) | BIT(KVM_FEATURE_PV_SEND_IPI) |
			       BIT(KVM_FEATURE_PV_SCHED_YIELD) |
			       BIT(KVM_FEATURE_HC_MAP_GPA_RANGE);
	const struct kvm_cpuid_entry2 *e, *host;
	struct cpuid_config cfg;
	struct errmsg err;
	u32 offered;

	ASSERT_EQ(0, prepare(self, variant->show, "1n2l4c2t", &cfg, &err));
	e = leaf(self->guest, KVM_CPUID_FEATURES, 0);
	host = leaf(self->host, KVM_CPUID_FEATURES, 0);
	offered = host->eax & ~BIT(KVM_FEATURE_MSI_EXT_DEST_ID);
	/* Linux would hypercall with an instruction that this host does not have */
	EXPECT_EQ(self->foreign ? offered & ~hypercalls : offered, e->eax);
	EXPECT_EQ(0, e->edx);
	EXPECT_EQ(0, memcmp(leaf(self->host, KVM_CPUID_SIGNATURE, 0),
			    leaf(self->guest, KVM_CPUID_SIGNATURE, 0), sizeof(*e)));

	cfg.realtime = true;
	cfg.ext_dest_id = true;
	copy_cpuid(self->guest, self->host);
	ASSERT_EQ(0, cpuid_prepare(self->guest, MAX_ENTRIES, &cfg, &err));
	e = leaf(self->guest, KVM_CPUID_FEATURES, 0);
	EXPECT_EQ(BIT(KVM_HINTS_REALTIME), e->edx);
	EXPECT_TRUE(e->eax & BIT(KVM_FEATURE_MSI_EXT_DEST_ID));
}

TEST_F(cpuid, table_is_consistent)
{
	const struct kvm_cpuid_entry2 *a, *b;
	u32 basic = 0, extended = 0;
	struct cpuid_config cfg;
	struct errmsg err;
	unsigned int i, j;

	ASSERT_EQ(0, prepare(self, variant->show, "1n2l4c2t", &cfg, &err));
	for (i = 0; i < self->guest->nent; i++) {
		a = &self->guest->entries[i];
		if (a->function < 0x40000000)
			basic = max(basic, a->function);
		else if (a->function >= 0x80000000)
			extended = max(extended, a->function);
		for (j = i + 1; j < self->guest->nent; j++) {
			b = &self->guest->entries[j];
			EXPECT_FALSE(a->function == b->function && a->index == b->index)
				TH_LOG("leaf %x.%x twice", a->function, a->index);
		}
		switch (a->function) {
		case 4:
		case 0xb:
		case 0x1f:
		case 0x8000001d:
			EXPECT_EQ(KVM_CPUID_FLAG_SIGNIFCANT_INDEX, a->flags);
			break;
		}
	}
	EXPECT_LE(basic, leaf(self->guest, 0, 0)->eax);
	EXPECT_LE(leaf(self->host, 0, 0)->eax, leaf(self->guest, 0, 0)->eax);
	if (!self->amd)
		EXPECT_LE(0x1f, leaf(self->guest, 0, 0)->eax);
	EXPECT_EQ(extended, leaf(self->guest, 0x80000000, 0)->eax);
}

/* CPUs can be set in any order, each without a trace of the one before. */
TEST_F(cpuid, set_cpu_leaves_no_trace)
{
	struct kvm_cpuid2 *fresh = alloc_cpuid(MAX_ENTRIES);
	struct cpuid_config cfg;
	struct errmsg err;
	unsigned int cpu;

	ASSERT_NE(NULL, fresh);
	ASSERT_EQ(0, prepare(self, variant->show, "1n14l9c2t", &cfg, &err));
	copy_cpuid(fresh, self->guest);
	cpuid_set_cpu(fresh, &cfg, 3);
	for (cpu = topology_cpus(&self->topo); cpu-- > 0;) {
		cpuid_set_cpu(self->guest, &cfg, cpu);
		EXPECT_EQ(fresh->nent, self->guest->nent);
		EXPECT_EQ(cpu == 3, !memcmp(fresh->entries, self->guest->entries,
					    fresh->nent * sizeof(fresh->entries[0])));
	}
	free(fresh);
}

/* With every room that is too small, exactly allocated: an error, no overrun. */
TEST_F(cpuid, no_room)
{
	struct cpuid_config cfg;
	struct kvm_cpuid2 *small;
	unsigned int room, peak = 0;
	struct errmsg err;
	int ret;

	ASSERT_EQ(0, prepare(self, variant->show, "1n2l4c2t", &cfg, &err));
	for (room = self->host->nent; room < MAX_ENTRIES && !peak; room++) {
		small = alloc_cpuid(room);
		ASSERT_NE(NULL, small);
		copy_cpuid(small, self->host);
		memset(&err, 0, sizeof(err));
		ret = cpuid_prepare(small, room, &cfg, &err);
		if (!ret) {
			peak = room;
			EXPECT_EQ(self->guest->nent, small->nent);
			EXPECT_EQ(0, memcmp(self->guest->entries, small->entries,
					    small->nent * sizeof(small->entries[0])));
		} else {
			EXPECT_EQ(-E2BIG, ret);
			EXPECT_NE(NULL, strstr(err.text, "short"));
		}
		free(small);
	}
	EXPECT_NE(0, peak);

	copy_cpuid(self->guest, self->host);
	EXPECT_EQ(-E2BIG, cpuid_prepare(self->guest, self->host->nent - 1, &cfg, &err));
	EXPECT_EQ(0, memcmp(self->guest->entries, self->host->entries,
			    self->host->nent * sizeof(self->host->entries[0])));
}

/* Counts that their fields cannot hold become the largest that they can. */
TEST_F(cpuid, fields_saturate)
{
	static const char * const wide[] = { "1n1l4096c1t", "1n1l1c4096t", "1n1l33c65t" };
	u32 function = self->amd ? 0x8000001d : 4;
	struct cpuid_config cfg;
	struct errmsg err;
	struct decoded d;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wide); i++) {
		ASSERT_EQ(0, prepare(self, variant->show, wide[i], &cfg, &err));
		cpuid_set_cpu(self->guest, &cfg, topology_cpus(&self->topo) - 1);
		EXPECT_EQ(255, leaf(self->guest, 1, 0)->ebx >> 16 & 0xff);
		EXPECT_EQ(4095, leaf(self->guest, function, 3)->eax >> 14 & 0xfff);
		ASSERT_TRUE(decode_levels(self->guest, 0xb, &d));
		EXPECT_EQ(topology_max_apic_id(&self->topo), d.apic_id);
		EXPECT_EQ(topology_cpus(&self->topo), d.package_threads);
		if (self->amd) {
			EXPECT_EQ(0, leaf(self->guest, function, 3)->eax >> 26);
			EXPECT_EQ(255, leaf(self->guest, 0x80000008, 0)->ecx & 0xff);
			EXPECT_EQ(min(self->topo.threads - 1, 255U),
				  leaf(self->guest, 0x8000001e, 0)->ebx >> 8);
		} else {
			EXPECT_EQ(self->topo.cores > 1 ? 63 : 0,
				  leaf(self->guest, function, 3)->eax >> 26);
		}
	}
}

/* What is wider than its count needs, in numbers */
TEST_F(cpuid, wide_shift)
{
	struct cpuid_config cfg;
	struct errmsg err;

	/* CPU 13: LLC 2, core 0, thread 1 */
	ASSERT_EQ(0, prepare(self, variant->show, "1n3l3c2t,llcshift=9", &cfg, &err));
	cpuid_set_cpu(self->guest, &cfg, 13);
	EXPECT_EQ(1, leaf(self->guest, 0xb, 0)->eax);
	EXPECT_EQ(2, leaf(self->guest, 0xb, 0)->ebx);
	EXPECT_EQ(9, leaf(self->guest, 0xb, 1)->eax);
	EXPECT_EQ(6, leaf(self->guest, 0xb, 1)->ebx);
	EXPECT_EQ(2 << 9 | 1, leaf(self->guest, 0xb, 0)->edx);
	EXPECT_EQ(2 << 9 | 1, leaf(self->guest, 0xb, 1)->edx);
	EXPECT_EQ(1, leaf(self->guest, 1, 0)->ebx >> 24);
	/* the L3 is shared by the ids of an LLC, L1 and L2 by those of a core */
	EXPECT_EQ(511, leaf(self->guest, self->amd ? 0x8000001d : 4, 3)->eax >> 14 & 0xfff);
	EXPECT_EQ(1, leaf(self->guest, self->amd ? 0x8000001d : 4, 2)->eax >> 14 & 0xfff);
	if (self->amd) {
		/* six threads, nine bits */
		EXPECT_EQ(9 << 12 | 5, leaf(self->guest, 0x80000008, 0)->ecx & 0xf0ff);
		EXPECT_EQ(2 << 9 | 1, leaf(self->guest, 0x8000001e, 0)->eax);
		EXPECT_EQ(1 << 8, leaf(self->guest, 0x8000001e, 0)->ebx);
		EXPECT_EQ(2, leaf(self->guest, 0x8000001e, 0)->ecx);
	} else {
		EXPECT_EQ(9, leaf(self->guest, 0x1f, 1)->eax);
		EXPECT_EQ(2 << 9 | 1, leaf(self->guest, 0x1f, 1)->edx);
	}
}

/* Nothing at all from the host still makes a table, not a crash. */
TEST(empty_host)
{
	struct kvm_cpuid2 *cpuid = alloc_cpuid(MAX_ENTRIES);
	struct topology topo = { .nodes = 1, .llcs = 2, .cores = 4, .threads = 2 };
	struct cpuid_config cfg = { .topo = &topo };
	struct errmsg err;
	struct decoded d;

	ASSERT_NE(NULL, cpuid);
	ASSERT_EQ(0, cpuid_prepare(cpuid, MAX_ENTRIES, &cfg, &err));
	cpuid_set_cpu(cpuid, &cfg, 13);
	EXPECT_TRUE(decode_levels(cpuid, 0x1f, &d));
	EXPECT_EQ(13, d.apic_id);
	/* SDM vol. 2A, CPUID.80000008H: without the leaf, 36 and 48 bits */
	EXPECT_EQ(36 | 48 << 8, leaf(cpuid, 0x80000008, 0)->eax);
	free(cpuid);
}

/* Without XSAVE there is nothing that would need it. */
TEST(no_xsave)
{
	struct kvm_cpuid2 *cpuid = alloc_cpuid(MAX_ENTRIES);
	struct topology topo = { .nodes = 1, .llcs = 1, .cores = 1, .threads = 1 };
	struct cpuid_config cfg = { .topo = &topo, .no_xsave = true };
	struct errmsg err;

	ASSERT_NE(NULL, cpuid);
	cpuid->nent = 3;
	cpuid->entries[0] = (struct kvm_cpuid_entry2) { .function = 1, .ecx = ~0U };
	cpuid->entries[1] = (struct kvm_cpuid_entry2) {
		.function = 7, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .ebx = ~0U, .ecx = ~0U,
	};
	cpuid->entries[2] = (struct kvm_cpuid_entry2) { .function = 0xd, .eax = 7 };
	ASSERT_EQ(0, cpuid_prepare(cpuid, MAX_ENTRIES, &cfg, &err));
	/* XSAVE, OSXSAVE, AVX, FMA, F16C; AVX2; PKU, VAES, VPCLMULQDQ */
	EXPECT_EQ(0, leaf(cpuid, 1, 0)->ecx & 0x3c001000);
	EXPECT_EQ(0, leaf(cpuid, 7, 0)->ebx & 0x20);
	EXPECT_EQ(0, leaf(cpuid, 7, 0)->ecx & 0x608);
	EXPECT_EQ(0, leaf(cpuid, 0xd, 0)->eax);
	free(cpuid);
}

TEST_HARNESS_MAIN
