// SPDX-License-Identifier: GPL-2.0
/*
 * Whole machines, looked at from inside by bare payloads (payload/), which run
 * on any /dev/kvm: where CPUs are, what the tables say, how interrupts go, and
 * the console's virtqueues, on many topologies and on both irqchips.
 */
#include <errno.h>
#include <limits.h>
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/sizes.h>
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "devices.h"
#include "harness.h"
#include "ktstr_vmm.h"
#include "memory_map.h"
#include "own_path.h"
#include "payload/report.h"

#define NODE_MEMORY	((u64)SZ_16M)

/* No payload takes more than a second or two, unless the machine is busy. */
#define WAIT_NS		PATIENCE_NS

/* A machine with a payload in the place of its kernel */
struct machine {
	struct ktstr_vm_config cfg;
	struct ktstr_vm *vm;
	char path[PATH_MAX];
	struct errmsg err;
};

/* Return: whether the test can go on; it is skipped or has failed if not. */
static bool setup(struct __test_metadata *_metadata, struct machine *m, const char *spec)
{
	memset(m, 0, sizeof(*m));
	ktstr_vm_raise_limits();
	if (access("/dev/kvm", R_OK | W_OK)) {
		SKIP(return false, "/dev/kvm: %s: payloads need a KVM, any will do",
		     strerror(errno));
	}
	EXPECT_EQ(0, topology_parse(spec, &m->cfg.topo, &m->err)) {
		TH_LOG("%s", m->err.text);
		return false;
	}
	m->cfg.memory = m->cfg.topo.nodes * NODE_MEMORY;
	return true;
}

static void end(struct machine *m)
{
	ktstr_vm_destroy(m->vm);
	m->vm = NULL;
}

/* What the host has too little of is no failure of ours. */
static bool start(struct __test_metadata *_metadata, struct machine *m, const char *payload,
		  const char *cmdline)
{
	int ret;

	ASSERT_EQ(0, own_path_beside(m->path, payload, &m->err));
	m->cfg.kernel = m->path;
	m->cfg.cmdline = cmdline;
	ret = ktstr_vm_create(&m->vm, &m->cfg, &m->err);
	/* A test may start several: what failed before is not to be forgotten. */
	if (ret && m->err.kind == ERRMSG_HOST && _metadata->exit_code == KSFT_PASS)
		SKIP(return false, "%s", m->err.text);
	EXPECT_EQ(0, ret ?: ktstr_vm_load(m->vm, &m->err) ?: ktstr_vm_start(m->vm, &m->err)) {
		TH_LOG("%s", m->err.text);
		return false;
	}
	return true;
}

/* End a run that is not as it should be, and say all that is known of it. */
static void tell(struct __test_metadata *_metadata, struct machine *m)
{
	const struct ktstr_vm_result *r = ktstr_vm_result(m->vm);

	ktstr_vm_stop(m->vm, KTSTR_VM_TIMEOUT, "no answer");
	TH_LOG("%s (%s); %s", ktstr_vm_state_name(r->state), r->reason, r->console);
	if (r->nr_vcpus && r->vcpus[0].valid)
		TH_LOG("CPU 0 was at %#llx", (unsigned long long)r->vcpus[0].regs.rip);
}

static void receive(struct __test_metadata *_metadata, struct machine *m, void *data, size_t len)
{
	ssize_t n;

	while (len) {
		n = ktstr_vm_recv(m->vm, data, len, WAIT_NS);
		ASSERT_LT(0, n) {
			tell(_metadata, m);
		}
		data = (char *)data + n;
		len -= n;
	}
}

/* Return: how many entries of @size there are; @room is bytes at @entries. */
static unsigned int receive_report(struct __test_metadata *_metadata, struct machine *m,
				   enum report_kind kind, void *entries, size_t size,
				   size_t room)
{
	struct report header;

	receive(_metadata, m, &header, sizeof(header));
	ASSERT_EQ(REPORT_MAGIC, header.magic);
	ASSERT_EQ(kind, header.kind);
	ASSERT_EQ(size, header.size);
	ASSERT_GE(room / size, header.count);
	receive(_metadata, m, entries, header.count * size);
	return header.count;
}

static const struct ktstr_vm_result *wait_for(struct __test_metadata *_metadata,
					      struct machine *m, enum ktstr_vm_state state)
{
	const struct ktstr_vm_result *r = ktstr_vm_result(m->vm);

	ktstr_vm_wait(m->vm, WAIT_NS);
	ktstr_vm_stop(m->vm, KTSTR_VM_TIMEOUT, "did not end");
	ASSERT_EQ(state, r->state) {
		tell(_metadata, m);
	}
	EXPECT_EQ(0, r->irq_failures);
	return r;
}

/* -- CPUs and tables ------------------------------------------------------------- */

FIXTURE(guest) {
	struct machine m;
};

FIXTURE_VARIANT(guest) {
	const char *spec;
	u64 memory;		/* if not NODE_MEMORY for each node */
	enum cpuid_vendor vendor;	/* CPUID_VENDOR_HOST: one after the other */
};

FIXTURE_VARIANT_ADD(guest, _1n1l1c1t) { .spec = "1n1l1c1t" };
FIXTURE_VARIANT_ADD(guest, _1n1l1c2t) { .spec = "1n1l1c2t" };
FIXTURE_VARIANT_ADD(guest, _1n1l2c1t) { .spec = "1n1l2c1t" };
FIXTURE_VARIANT_ADD(guest, _1n1l2c2t) { .spec = "1n1l2c2t" };
FIXTURE_VARIANT_ADD(guest, _1n2l1c1t) { .spec = "1n2l1c1t" };
FIXTURE_VARIANT_ADD(guest, _1n1l1c3t) { .spec = "1n1l1c3t", .memory = 5ULL * SZ_1G };
FIXTURE_VARIANT_ADD(guest, _1n2l4c1t) { .spec = "1n2l4c1t" };
FIXTURE_VARIANT_ADD(guest, _1n2l4c2t) { .spec = "1n2l4c2t" };
FIXTURE_VARIANT_ADD(guest, _1n4l4c2t) { .spec = "1n4l4c2t" };
FIXTURE_VARIANT_ADD(guest, _1n3l3c1t) { .spec = "1n3l3c1t" };
FIXTURE_VARIANT_ADD(guest, _1n1l7c1t) { .spec = "1n1l7c1t" };
FIXTURE_VARIANT_ADD(guest, _1n7l1c1t) { .spec = "1n7l1c1t" };
FIXTURE_VARIANT_ADD(guest, _1n1l5c3t) { .spec = "1n1l5c3t" };
FIXTURE_VARIANT_ADD(guest, _1n1l1c8t) { .spec = "1n1l1c8t" };
FIXTURE_VARIANT_ADD(guest, _1n5l5c5t) { .spec = "1n5l5c5t" };
FIXTURE_VARIANT_ADD(guest, _2n2l1c1t) { .spec = "2n2l1c1t", .memory = 6ULL * SZ_1G };
FIXTURE_VARIANT_ADD(guest, _2n4l2c2t) { .spec = "2n4l2c2t" };
FIXTURE_VARIANT_ADD(guest, _3n3l1c1t) { .spec = "3n3l1c1t", .memory = 4ULL * SZ_1G };
FIXTURE_VARIANT_ADD(guest, _3n6l5c2t) { .spec = "3n6l5c2t", .memory = 54ULL * SZ_1M };
FIXTURE_VARIANT_ADD(guest, _4n8l2c1t) { .spec = "4n8l2c1t", .memory = 12ULL * SZ_1G };
FIXTURE_VARIANT_ADD(guest, _5n5l3c3t) { .spec = "5n5l3c3t", .memory = 82ULL * SZ_1M };
FIXTURE_VARIANT_ADD(guest, _7n7l1c1t) { .spec = "7n7l1c1t" };
FIXTURE_VARIANT_ADD(guest, _8n8l4c2t) { .spec = "8n8l4c2t" };
FIXTURE_VARIANT_ADD(guest, _16n16l2c2t) { .spec = "16n16l2c2t" };
FIXTURE_VARIANT_ADD(guest, _64n64l1c1t) { .spec = "64n64l1c1t" };
FIXTURE_VARIANT_ADD(guest, _1n1l64c1t) { .spec = "1n1l64c1t" };

/* Large ones are shown the leaves of one vendor only, for the time that they take. */
FIXTURE_VARIANT_ADD(guest, _1n15l3c3t) { .spec = "1n15l3c3t", .vendor = CPUID_VENDOR_INTEL };
/* 252 CPUs with all ids below 252 */
FIXTURE_VARIANT_ADD(guest, _3n63l4c1t) { .spec = "3n63l4c1t", .vendor = CPUID_VENDOR_AMD };
/* Ids up to 254, the last that an xAPIC has, and up to 255 */
FIXTURE_VARIANT_ADD(guest, _1n1l255c1t) { .spec = "1n1l255c1t", .vendor = CPUID_VENDOR_INTEL };
FIXTURE_VARIANT_ADD(guest, _1n1l256c1t) { .spec = "1n1l256c1t", .vendor = CPUID_VENDOR_AMD };
/* 252 CPUs with ids up to 433 */
FIXTURE_VARIANT_ADD(guest, _1n14l9c2t) { .spec = "1n14l9c2t", .vendor = CPUID_VENDOR_INTEL };
FIXTURE_VARIANT_ADD(guest, _10n10l10c3t) { .spec = "10n10l10c3t", .vendor = CPUID_VENDOR_AMD };
FIXTURE_VARIANT_ADD(guest, _2n2l64c4t) { .spec = "2n2l64c4t", .vendor = CPUID_VENDOR_AMD };
/* As many as KVM takes */
FIXTURE_VARIANT_ADD(guest, _32n32l32c1t) {
	.spec = "32n32l32c1t", .memory = 1ULL * SZ_1G, .vendor = CPUID_VENDOR_INTEL
};

/* Nodes that differ: in LLCs, memory, distances, and in what an HMAT says of them */
FIXTURE_VARIANT_ADD(guest, uneven) { .spec = "4n7l2c2t,llcs=3:1:2:1" };
FIXTURE_VARIANT_ADD(guest, memory_only) { .spec = "3n3l2c1t,llcs=2:1:0" };
FIXTURE_VARIANT_ADD(guest, memory_only_cxl) {
	.spec = "4n3l3c1t,llcs=2:1:0:0,mem=64M:2G:64M:2G,dist=0-3:38,lat=1-3:412,bw=0-2:32000"
};

FIXTURE_VARIANT_ADD(guest, sizes) { .spec = "3n3l1c2t,mem=32M:3G:1200M" };
FIXTURE_VARIANT_ADD(guest, distances) {
	.spec = "3n3l1c1t,dist=10:12:254:13:10:31:11:40:10"
};

FIXTURE_VARIANT_ADD(guest, one_pair) { .spec = "2n2l2c1t,lat=1-0:65534" };
FIXTURE_VARIANT_ADD(guest, all_pairs) {
	.spec = "2n2l2c1t,lat=80:140:141:81,bw=204800:6553400:100:200000"
};

FIXTURE_VARIANT_ADD(guest, caches) {
	.spec = "3n2l2c1t,llcs=1:1:0,mscache=0:512M:16G,mem=64M"
};

/* Ids that are sparser than their counts, up to 771 and up to 262 */
FIXTURE_VARIANT_ADD(guest, wide_shift) { .spec = "2n4l2c2t,llcshift=8" };
FIXTURE_VARIANT_ADD(guest, wide_uneven) { .spec = "2n3l3c2t,llcs=2:1,llcshift=7,lat=0-1:120" };

FIXTURE_SETUP(guest)
{
	if (setup(_metadata, &self->m, variant->spec) && variant->memory)
		self->m.cfg.memory = variant->memory;
}

FIXTURE_TEARDOWN(guest)
{
	end(&self->m);
}

static const struct {
	u32 function;
	u32 index;
} leaves[REPORT_NR_LEAVES] = REPORT_LEAVES;

static const struct report_leaf *leaf(const struct cpu_report *r, u32 function, u32 index)
{
	static const struct report_leaf none;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(leaves); i++)
		if (leaves[i].function == function && leaves[i].index == index)
			return &r->leaves[i];
	return &none;
}

static bool is_vendor(const struct report_leaf *l, const char *name)
{
	return !memcmp(&l->ebx, name, 4) && !memcmp(&l->edx, name + 4, 4) &&
	       !memcmp(&l->ecx, name + 8, 4);
}

/* Bits that number @count things */
static unsigned int bits(unsigned int count)
{
	unsigned int n = 0;

	while ((1U << n) < count)
		n++;
	return n;
}

/* Low bits of an APIC id below the package: what the counts need, unless more was asked */
static unsigned int package_bits(const struct machine *m)
{
	const struct topology *topo = &m->cfg.topo;

	return topo->llc_shift ?: bits(topo->cores) + bits(topo->threads);
}

/* SDM vol. 3A, example 9-18: a thread level, a core level, and nothing above */
static void check_levels(struct __test_metadata *_metadata, const struct machine *m,
			 const struct cpu_report *r, u32 function, unsigned int cpu)
{
	const struct topology_place place = topology_place(&m->cfg.topo, cpu);
	const struct report_leaf *smt = leaf(r, function, 0), *core = leaf(r, function, 1);
	const struct report_leaf *end = leaf(r, function, 2);
	const unsigned int threads = m->cfg.topo.threads, cores = m->cfg.topo.cores;

	ASSERT_EQ(0x100, smt->ecx);
	ASSERT_EQ(0x201, core->ecx);
	ASSERT_EQ(2, end->ecx);
	ASSERT_EQ(r->apic_id, smt->edx);
	ASSERT_EQ(r->apic_id, core->edx);
	ASSERT_EQ(threads, smt->ebx & 0xffff);
	ASSERT_EQ(threads * cores, core->ebx & 0xffff);
	ASSERT_GT(32, core->eax);
	ASSERT_LE(smt->eax, core->eax);
	ASSERT_EQ(place.llc, r->apic_id >> core->eax);
	ASSERT_EQ(place.core, (r->apic_id & (BIT(core->eax) - 1)) >> smt->eax);
	ASSERT_EQ(place.thread, r->apic_id & (BIT(smt->eax) - 1));
}

/*
 * SDM vol. 2A, CPUID.04H; APM vol. 3, E.4.15: caches are shared by CPUs whose
 * ids are equal but for the low bits that the leaf counts.
 */
static void check_caches(struct __test_metadata *_metadata, const struct machine *m,
			 const struct cpu_report *r, u32 function)
{
	static const u32 level_and_type[] = { 0x21, 0x22, 0x43, 0x63 };
	const unsigned int thread_bits = bits(m->cfg.topo.threads);
	const unsigned int llc_bits = package_bits(m);
	unsigned int i, shared;

	for (i = 0; i < ARRAY_SIZE(level_and_type); i++) {
		const struct report_leaf *l = leaf(r, function, i);

		shared = bits((l->eax >> 14 & 0xfff) + 1);
		ASSERT_EQ(level_and_type[i], l->eax & 0xff);
		ASSERT_EQ(i == 3 ? llc_bits : thread_bits, shared);
	}
	ASSERT_EQ(0, leaf(r, function, i)->eax & 0x1f);
}

static void check_intel(struct __test_metadata *_metadata, const struct machine *m,
			const struct cpu_report *r, unsigned int cpu)
{
	ASSERT_TRUE(is_vendor(leaf(r, 0, 0), "GenuineIntel"));
	ASSERT_LE(0x1f, leaf(r, 0, 0)->eax);
	check_levels(_metadata, m, r, 0x1f, cpu);
	check_caches(_metadata, m, r, 4);
	/* Bits 31:26: ids of cores in the package, as far as they fit */
	ASSERT_EQ(min(BIT(package_bits(m) - bits(m->cfg.topo.threads)), 64UL),
		  (leaf(r, 4, 0)->eax >> 26) + 1);
	ASSERT_FALSE(leaf(r, 0x80000001, 0)->ecx & BIT(22));
}

/* APM vol. 3, E.4.2, E.4.7, E.4.16 */
static void check_amd(struct __test_metadata *_metadata, const struct machine *m,
		      const struct cpu_report *r, unsigned int cpu)
{
	const struct topology_place place = topology_place(&m->cfg.topo, cpu);
	const unsigned int threads = m->cfg.topo.threads * m->cfg.topo.cores;
	const struct report_leaf *ids = leaf(r, 0x8000001e, 0);
	const u32 sizes = leaf(r, 0x80000008, 0)->ecx;

	ASSERT_TRUE(is_vendor(leaf(r, 0, 0), "AuthenticAMD"));
	ASSERT_LE(0x8000001e, leaf(r, 0x80000000, 0)->eax);
	ASSERT_TRUE(leaf(r, 0x80000001, 0)->ecx & BIT(22));
	ASSERT_EQ(threads > 1, !!(leaf(r, 0x80000001, 0)->ecx & BIT(1)));
	ASSERT_EQ(min(threads, 256U), (sizes & 0xff) + 1);
	ASSERT_EQ(place.llc, r->apic_id >> (sizes >> 12 & 0xf));
	ASSERT_EQ(r->apic_id, ids->eax);
	ASSERT_EQ(place.core & 0xff, ids->ebx & 0xff);
	ASSERT_EQ(m->cfg.topo.threads, (ids->ebx >> 8 & 0xff) + 1);
	ASSERT_EQ(place.llc & 0xff, ids->ecx & 0xff);
	check_caches(_metadata, m, r, 0x8000001d);
}

static bool is_split(const struct machine *m)
{
	return m->cfg.irqchip == KTSTR_IRQCHIP_SPLIT || topology_max_apic_id(&m->cfg.topo) > 254;
}

static void check_cpu(struct __test_metadata *_metadata, const struct machine *m,
		      const struct cpu_report *r, unsigned int cpu)
{
	const unsigned int threads = m->cfg.topo.cores * m->cfg.topo.threads;
	const unsigned int count = m->cfg.vendor == CPUID_VENDOR_AMD ? threads :
		BIT(package_bits(m));
	const struct report_leaf *one = leaf(r, 1, 0);

	/*
	 * SDM vol. 3A, 11.4.4: enabled, at its place; the first CPU is the BSP. With
	 * ids that an xAPIC cannot name, firmware hands over in x2APIC mode.
	 */
	ASSERT_EQ(MAP_LAPIC | 0x800 | (cpu ? 0 : 0x100) |
		  (topology_max_apic_id(&m->cfg.topo) > 254 ? 0x400 : 0), r->apic_base);
	ASSERT_LE(0x10, r->apic_version & 0xff);
	ASSERT_EQ(r->apic_id & 0xff, one->ebx >> 24);
	ASSERT_TRUE(one->ecx & BIT(21));
	ASSERT_TRUE(one->ecx & BIT(31));
	/* KVM may show HTT, which makes the count valid, where there is one thread only. */
	ASSERT_EQ(min(count, 255U), one->edx & BIT(28) ? one->ebx >> 16 & 0xff : 1);
	check_levels(_metadata, m, r, 0xb, cpu);
	if (m->cfg.vendor == CPUID_VENDOR_INTEL)
		check_intel(_metadata, m, r, cpu);
	else
		check_amd(_metadata, m, r, cpu);
	/* KVM_FEATURE_MSI_EXT_DEST_ID */
	if (!memcmp(&leaf(r, 0x40000000, 0)->ebx, "KVMK", 4))
		ASSERT_EQ(is_split(m), !!(leaf(r, 0x40000001, 0)->eax & BIT(15)));
}

static struct cpu_report cpu_reports[REPORT_MAX_CPUS];

/* Each CPU that was asked for is there, once, and nothing else. */
static void check_cpus(struct __test_metadata *_metadata, struct machine *m)
{
	const struct cpu_report *by_id[4 * REPORT_MAX_CPUS] = {};
	unsigned int cpu, i, nr;

	nr = receive_report(_metadata, m, REPORT_CPUS, cpu_reports, sizeof(cpu_reports[0]),
			    sizeof(cpu_reports));
	ASSERT_EQ(topology_cpus(&m->cfg.topo), nr);
	for (i = 0; i < nr; i++) {
		ASSERT_LT(cpu_reports[i].apic_id, ARRAY_SIZE(by_id));
		ASSERT_EQ(NULL, by_id[cpu_reports[i].apic_id]) {
			TH_LOG("two CPUs have APIC id %u", cpu_reports[i].apic_id);
		}
		by_id[cpu_reports[i].apic_id] = &cpu_reports[i];
	}
	for (cpu = 0; cpu < nr; cpu++) {
		u32 id = topology_apic_id(&m->cfg.topo, cpu);

		ASSERT_NE(NULL, by_id[id]) {
			TH_LOG("CPU %u, APIC id %u, is missing", cpu, id);
		}
		check_cpu(_metadata, m, by_id[id], cpu);
	}
}

TEST_F(guest, cpus)
{
	static const struct {
		enum cpuid_vendor vendor;
		enum ktstr_irqchip irqchip;
		const char *cmdline;
		unsigned int max_cpus;
		u32 max_id;
	} ways[] = {
		{ CPUID_VENDOR_INTEL, KTSTR_IRQCHIP_AUTO, "broadcast=1", 1024, -1U },
		{ CPUID_VENDOR_AMD, KTSTR_IRQCHIP_AUTO, "", 1024, -1U },
		{ CPUID_VENDOR_INTEL, KTSTR_IRQCHIP_AUTO, "xapic=1", 64, 254 },
		{ CPUID_VENDOR_INTEL, KTSTR_IRQCHIP_SPLIT, "", 64, -1U },
		{ CPUID_VENDOR_AMD, KTSTR_IRQCHIP_SPLIT, "xapic=1 broadcast=1", 64, 254 },
	};
	struct machine *m = &self->m;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		if (topology_cpus(&m->cfg.topo) > ways[i].max_cpus ||
		    topology_max_apic_id(&m->cfg.topo) > ways[i].max_id ||
		    (variant->vendor && variant->vendor != ways[i].vendor))
			continue;
		m->cfg.vendor = ways[i].vendor;
		m->cfg.irqchip = ways[i].irqchip;
		if (!start(_metadata, m, "payload_cpus", ways[i].cmdline))
			return;
		check_cpus(_metadata, m);
		wait_for(_metadata, m, KTSTR_VM_POWEROFF);
		end(m);
	}
}

static struct table_report table_reports[16];
static struct madt_report madt_reports[REPORT_MAX_CPUS];
static struct srat_cpu_report srat_cpus[REPORT_MAX_CPUS];
static struct srat_memory_report srat_memory[2 * TOPOLOGY_MAX_NODES];
static u8 slit[TOPOLOGY_MAX_NODES * TOPOLOGY_MAX_NODES];

/* ACPI 6.5, 5.2.8, 5.2.9 and 5.2.12 */
static void check_machine(struct __test_metadata *_metadata, struct machine *m)
{
	struct machine_report machine, *r = &machine;

	ASSERT_EQ(1, receive_report(_metadata, m, REPORT_MACHINE, r, sizeof(*r), sizeof(*r)));
	EXPECT_EQ(m->cfg.topo.nodes, r->localities);
	EXPECT_EQ(MAP_ACPI, r->rsdp);
	EXPECT_EQ(0, r->rsdp_sums);
	EXPECT_EQ(0, r->dsdt_sum);
	EXPECT_EQ(MAP_LAPIC, r->lapic);
	EXPECT_EQ(1, r->ioapics);
	EXPECT_EQ(MAP_IOAPIC, r->ioapic);
	EXPECT_EQ(0, r->gsi_base);
	EXPECT_EQ(0, r->overrides);
	EXPECT_EQ(0, r->madt_unknown);
	EXPECT_EQ(0, r->srat_unknown);
	EXPECT_EQ(0, r->hmat_unknown);
	EXPECT_EQ(BIT(20) | BIT(10), r->fadt_flags & (BIT(20) | BIT(10)));
	/* no VGA, no CMOS clock; no i8042 is a bit that is not set */
	EXPECT_EQ(BIT(2) | BIT(5), r->fadt_boot_arch);
}

static void check_tables(struct __test_metadata *_metadata, struct machine *m)
{
	const unsigned int nr = receive_report(_metadata, m, REPORT_TABLES, table_reports,
					       sizeof(table_reports[0]), sizeof(table_reports));
	static const char * const needed[] = { "XSDT", "FACP", "APIC", "SRAT", "SLIT", "HMAT" };
	unsigned int i, j;

	for (i = 0; i < nr; i++) {
		EXPECT_EQ(0, table_reports[i].sum) {
			TH_LOG("%.4s has a wrong checksum", table_reports[i].signature);
		}
	}
	for (j = 0; j < ARRAY_SIZE(needed); j++) {
		unsigned int seen = 0;

		for (i = 0; i < nr; i++)
			seen += !memcmp(table_reports[i].signature, needed[j], 4);
		EXPECT_EQ(strcmp(needed[j], "HMAT") || topology_has_hmat(&m->cfg.topo), seen) {
			TH_LOG("%s is there %u times", needed[j], seen);
		}
	}
}

/* Linux numbers CPUs in the MADT's order: it has to be ours. */
static void check_madt(struct __test_metadata *_metadata, struct machine *m)
{
	const unsigned int nr = receive_report(_metadata, m, REPORT_MADT, madt_reports,
					       sizeof(madt_reports[0]), sizeof(madt_reports));
	unsigned int cpu;

	ASSERT_EQ(topology_cpus(&m->cfg.topo), nr);
	for (cpu = 0; cpu < nr; cpu++) {
		ASSERT_EQ(topology_apic_id(&m->cfg.topo, cpu), madt_reports[cpu].apic_id);
		ASSERT_EQ(1, madt_reports[cpu].flags);
		ASSERT_EQ(cpu, madt_reports[cpu].uid);
		/* 5.2.12.12: what fits is told the old way. */
		ASSERT_EQ(madt_reports[cpu].apic_id > 254, madt_reports[cpu].x2apic);
	}
}

static void check_srat_cpus(struct __test_metadata *_metadata, struct machine *m)
{
	const unsigned int nr = receive_report(_metadata, m, REPORT_SRAT_CPUS, srat_cpus,
					       sizeof(srat_cpus[0]), sizeof(srat_cpus));
	unsigned int cpu;

	ASSERT_EQ(topology_cpus(&m->cfg.topo), nr);
	for (cpu = 0; cpu < nr; cpu++) {
		ASSERT_EQ(topology_apic_id(&m->cfg.topo, cpu), srat_cpus[cpu].apic_id);
		ASSERT_EQ(topology_place(&m->cfg.topo, cpu).node, srat_cpus[cpu].node);
		ASSERT_EQ(1, srat_cpus[cpu].flags);
		ASSERT_EQ(srat_cpus[cpu].apic_id > 254, srat_cpus[cpu].x2apic);
	}
}

/* What a spec does not say is dealt evenly; the last node has what is left over. */
static u64 node_memory(const struct machine *m, unsigned int node)
{
	const u64 all = m->cfg.memory & ~(SZ_2M - 1ULL), nodes = m->cfg.topo.nodes;
	const u64 share = m->cfg.memory / nodes & ~(SZ_2M - 1ULL);

	return topology_node_memory(&m->cfg.topo, node) ?:
	       node + 1 < nodes ? share : all - (nodes - 1) * share;
}

/* Every node has its share, one after the other, and none of it in the device gap. */
static void check_srat_memory(struct __test_metadata *_metadata, struct machine *m)
{
	const unsigned int nr = receive_report(_metadata, m, REPORT_SRAT_MEMORY, srat_memory,
					       sizeof(srat_memory[0]), sizeof(srat_memory));
	u64 by_node[TOPOLOGY_MAX_NODES] = {}, top = 0;
	unsigned int i, node;

	for (i = 0; i < nr; i++) {
		const struct srat_memory_report *r = &srat_memory[i];

		ASSERT_LT(r->node, m->cfg.topo.nodes);
		ASSERT_EQ(1, r->flags);
		ASSERT_TRUE(r->base == top || (top == MAP_GAP_START && r->base == MAP_GAP_END)) {
			TH_LOG("RAM at %#llx after %#llx", (unsigned long long)r->base,
			       (unsigned long long)top);
		}
		top = r->base + r->size;
		ASSERT_TRUE(top <= MAP_GAP_START || r->base >= MAP_GAP_END);
		by_node[r->node] += r->size;
	}
	for (node = 0; node < m->cfg.topo.nodes; node++) {
		EXPECT_EQ(node_memory(m, node), by_node[node]) {
			TH_LOG("node %u", node);
		}
	}
}

static void check_slit(struct __test_metadata *_metadata, struct machine *m)
{
	const unsigned int nr = receive_report(_metadata, m, REPORT_SLIT, slit,
					       sizeof(slit[0]), sizeof(slit));
	const unsigned int nodes = m->cfg.topo.nodes;
	unsigned int i;

	ASSERT_EQ(nodes * nodes, nr);
	for (i = 0; i < nr; i++)
		ASSERT_EQ(topology_distance(&m->cfg.topo, i / nodes, i % nodes), slit[i]);
}

static struct hmat_memory_report hmat_memory[TOPOLOGY_MAX_NODES];
static struct hmat_value_report hmat_values[2 * TOPOLOGY_MAX_NODES * TOPOLOGY_MAX_NODES];
static struct hmat_cache_report hmat_caches[TOPOLOGY_MAX_NODES];

/* ACPI 6.5, 5.2.28.3: all memory, and whose it is if it is anybody's */
static void check_hmat_memory(struct __test_metadata *_metadata, struct machine *m)
{
	const struct topology *topo = &m->cfg.topo;
	const unsigned int nr = receive_report(_metadata, m, REPORT_HMAT_MEMORY, hmat_memory,
					       sizeof(hmat_memory[0]), sizeof(hmat_memory));
	unsigned int node;

	ASSERT_EQ(topology_has_hmat(topo) ? topo->nodes : 0, nr);
	for (node = 0; node < nr; node++) {
		ASSERT_EQ(node, hmat_memory[node].node);
		ASSERT_EQ(topology_node_cpus(topo, node) > 0, hmat_memory[node].flags);
		if (hmat_memory[node].flags)
			ASSERT_EQ(node, hmat_memory[node].initiator);
	}
}

/* Values of one type, from every node with CPUs to every one. Return: how many. */
static unsigned int check_hmat_type(struct __test_metadata *_metadata,
				    const struct topology *topo,
				    const struct hmat_value_report *r, u32 type, u64 unit,
				    unsigned int (*value)(const struct topology *topo,
							  unsigned int from, unsigned int to))
{
	unsigned int from, to, nr = 0;
	bool any = false;

	for (from = 0; from < topo->nodes; from++)
		for (to = 0; to < topo->nodes; to++)
			any = any || value(topo, from, to);
	for (from = 0; from < topo->nodes && any; from++) {
		for (to = 0; to < topo->nodes && topology_node_cpus(topo, from); to++, nr++) {
			ASSERT_EQ(type, r[nr].type);
			ASSERT_EQ(0, r[nr].flags);
			ASSERT_EQ(from, r[nr].from);
			ASSERT_EQ(to, r[nr].to);
			ASSERT_EQ(value(topo, from, to) * unit, r[nr].value);
		}
	}
	return nr;
}

/* 5.2.28.4: type 0 is the latency in ps, type 3 the bandwidth in MB/s. */
static void check_hmat_values(struct __test_metadata *_metadata, struct machine *m)
{
	const struct topology *topo = &m->cfg.topo;
	const unsigned int nr = receive_report(_metadata, m, REPORT_HMAT_VALUES, hmat_values,
					       sizeof(hmat_values[0]), sizeof(hmat_values));
	unsigned int checked;

	/* What is missing is no value of any type. */
	memset(hmat_values + nr, 0xff, sizeof(hmat_values) - nr * sizeof(hmat_values[0]));
	checked = check_hmat_type(_metadata, topo, hmat_values, 0, 1000, topology_latency);
	checked += check_hmat_type(_metadata, topo, hmat_values + checked, 3, 1,
				   topology_bandwidth);
	EXPECT_EQ(checked, nr);
}

/* 5.2.28.5: one level of one, direct mapped, write back, lines of 64 bytes */
static void check_hmat_caches(struct __test_metadata *_metadata, struct machine *m)
{
	const struct topology *topo = &m->cfg.topo;
	const unsigned int nr = receive_report(_metadata, m, REPORT_HMAT_CACHES, hmat_caches,
					       sizeof(hmat_caches[0]), sizeof(hmat_caches));
	unsigned int node, i = 0;

	for (node = 0; node < topo->nodes; node++) {
		if (!topology_node_cache(topo, node))
			continue;
		ASSERT_GT(nr, i);
		ASSERT_EQ(node, hmat_caches[i].node);
		ASSERT_EQ(topology_node_cache(topo, node), hmat_caches[i].size);
		ASSERT_EQ(64 << 16 | 0x1111, hmat_caches[i].attributes);
		i++;
	}
	EXPECT_EQ(i, nr);
}

TEST_F(guest, tables)
{
	struct machine *m = &self->m;

	if (!start(_metadata, m, "payload_tables", ""))
		return;
	check_slit(_metadata, m);
	check_machine(_metadata, m);
	check_tables(_metadata, m);
	check_madt(_metadata, m);
	check_srat_cpus(_metadata, m);
	check_srat_memory(_metadata, m);
	check_hmat_memory(_metadata, m);
	check_hmat_values(_metadata, m);
	check_hmat_caches(_metadata, m);
	wait_for(_metadata, m, KTSTR_VM_POWEROFF);
}

/* -- interrupts ------------------------------------------------------------------ */

/* A redirection entry's lower half, or the ICR's (290566, 3.2.4; SDM vol. 3A, 11.6.1) */
#define LOWEST_PRIORITY	BIT(8)
#define NMI		BIT(10)
#define LOGICAL		BIT(11)
#define ASSERT_LEVEL	BIT(14)		/* ICR */
#define REMOTE_IRR	BIT(14)		/* redirection entry */
#define LEVEL		BIT(15)
#define MASKED		BIT(16)
#define SELF		BIT(18)
#define ALL		BIT(19)
#define ALL_BUT_SELF	(BIT(18) | BIT(19))

#define TIMER_ONE_SHOT	0
#define TIMER_PERIODIC	BIT(17)
#define TIMER_DEADLINE	BIT(18)

/* A payload that sends interrupts, and what it says of them */
struct irqs {
	struct machine m;
	bool xapic;
	struct apic_report apics[REPORT_MAX_CPUS];
	unsigned int nr;
	struct irq_reply reply;
	u32 counts[REPORT_MAX_CPUS];
	u32 late;	/* interrupts of before that may still come */
};

static void start_irqs(struct __test_metadata *_metadata, struct irqs *irqs, const char *spec,
		       enum ktstr_irqchip irqchip, bool xapic, u8 nudge_vector)
{
	struct machine *m = &irqs->m;

	if (!setup(_metadata, m, spec))
		return;
	irqs->xapic = xapic;
	m->cfg.irqchip = irqchip;
	m->cfg.nudge_vector = nudge_vector;
	if (!start(_metadata, m, "payload_irqs", xapic ? "xapic=1" : ""))
		return;
	irqs->nr = receive_report(_metadata, m, REPORT_APICS, irqs->apics,
				  sizeof(irqs->apics[0]), sizeof(irqs->apics));
	ASSERT_EQ(topology_cpus(&m->cfg.topo), irqs->nr);
}

/* Have interrupts sent, and learn where they arrived. */
static void ask(struct __test_metadata *_metadata, struct irqs *irqs,
		const struct irq_request *request)
{
	struct machine *m = &irqs->m;

	ASSERT_EQ(0, ktstr_vm_send(m->vm, request, sizeof(*request)));
	ASSERT_EQ(1, receive_report(_metadata, m, REPORT_IRQ, &irqs->reply,
				    sizeof(irqs->reply), sizeof(irqs->reply)));
	ASSERT_EQ(irqs->nr, receive_report(_metadata, m, REPORT_COUNTS, irqs->counts,
					   sizeof(irqs->counts[0]), sizeof(irqs->counts)));
}

static u32 total(const struct irqs *irqs)
{
	unsigned int i;
	u32 sum = 0;

	for (i = 0; i < irqs->nr; i++)
		sum += irqs->counts[i];
	return sum;
}

/* Interrupts taken by the CPU with the id; 0 without such a one */
static u32 taken_by(const struct irqs *irqs, u32 id)
{
	unsigned int i;

	for (i = 0; i < irqs->nr; i++)
		if (irqs->apics[i].apic_id == id)
			return irqs->counts[i];
	return 0;
}

/* The first CPU, the second and the last */
static unsigned int some_ids(const struct irqs *irqs, u32 *ids)
{
	const struct topology *topo = &irqs->m.cfg.topo;

	ids[0] = topology_apic_id(topo, 0);
	if (irqs->nr == 1)
		return 1;
	ids[1] = topology_apic_id(topo, 1);
	ids[2] = topology_max_apic_id(topo);
	return 3;
}

/*
 * A KVM that interprets guests ends interrupts when it delivers them (seen with
 * KVM on PVM: the ISR is empty in a handler): there, the handler's EOI proves
 * nothing, and a line that is asserted until the handler runs interrupts twice.
 * KVM's IOAPIC is told edges only and takes each for a line that is raised and
 * lowered: an interrupt that ends in between comes again.
 */
static bool comes_again(const struct irqs *irqs, u32 mode)
{
	return mode == LEVEL && (!is_split(&irqs->m) || !irqs->reply.in_service);
}

/*
 * How many interrupts at most, where each of 3 causes is to have @each. KVM raises
 * and lowers its own IOAPIC's line in a kworker: as many as the CPU can take while
 * the host lets that one wait (8 seen instead of 3; KVM slows them down after 10000).
 */
static u32 most_interrupts(const struct irqs *irqs, u32 mode, u32 each)
{
	if (!comes_again(irqs, mode))
		return 3 * each + irqs->late;
	return is_split(&irqs->m) ? 3 * (each + 1) : UINT32_MAX;
}

/* The redirection entry afterwards; one that comes again may be on its way. */
static u32 after(const struct irqs *irqs, u32 mode)
{
	return irqs->reply.after & ~(comes_again(irqs, mode) ? REMOTE_IRR : 0);
}

static void uart_to(struct __test_metadata *_metadata, struct irqs *irqs,
		    u32 mode, u32 id)
{
	const u32 low = mode | IRQ_VECTOR;

	ask(_metadata, irqs, &(struct irq_request) {
		.source = IRQ_UART, .times = 3, .expected = 1, .low = low, .dest = id,
	});
	EXPECT_LE(3, taken_by(irqs, id)) {
		TH_LOG("by CPU with APIC id %u, of %u", id, total(irqs));
	}
	EXPECT_EQ(total(irqs), taken_by(irqs, id));
	EXPECT_GE(most_interrupts(irqs, mode, 1), total(irqs));
	EXPECT_EQ(low, after(irqs, mode));
	EXPECT_EQ((id & 0xff) << 24 | id >> 8 << 17, irqs->reply.high);
}

static void test_edge(struct __test_metadata *_metadata, struct irqs *irqs)
{
	u32 ids[3];
	unsigned int nr = some_ids(irqs, ids);

	while (nr--) {
		uart_to(_metadata, irqs, 0, ids[nr]);
		EXPECT_EQ(IRQ_VECTOR, irqs->reply.low);
		EXPECT_EQ(0, irqs->reply.level);
	}
	EXPECT_EQ(is_split(&irqs->m) ? 0x170020 : 0x170011, irqs->reply.version);
}

/* Each of them comes only if the last one was ended: Remote IRR shows that. */
static void test_level(struct __test_metadata *_metadata, struct irqs *irqs)
{
	u32 ids[3], irr;
	unsigned int nr = some_ids(irqs, ids);

	while (nr--) {
		uart_to(_metadata, irqs, LEVEL, ids[nr]);
		irr = irqs->reply.in_service ? REMOTE_IRR : 0;
		/* The line may have made the next one pending by then. */
		if (comes_again(irqs, LEVEL) && !irr)
			irr = irqs->reply.low & REMOTE_IRR;
		EXPECT_EQ(1, irqs->reply.level);
		EXPECT_EQ(LEVEL | IRQ_VECTOR | irr, irqs->reply.low);
	}
}

/*
 * A line that is still asserted at the end of an interrupt is the next one, if it is
 * a level; an edge is one interrupt, however long it lasts. KVM's IOAPIC is told
 * edges only.
 */
static void test_held_line(struct __test_metadata *_metadata, struct irqs *irqs)
{
	static const u32 modes[] = { 0, LEVEL };
	const u32 id = topology_max_apic_id(&irqs->m.cfg.topo);
	unsigned int i, each;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		each = modes[i] == LEVEL && is_split(&irqs->m) ? 5 : 1;
		ask(_metadata, irqs, &(struct irq_request) {
			.source = IRQ_UART, .times = 3, .expected = each,
			.low = modes[i] | IRQ_VECTOR, .dest = id, .hold = 4,
		});
		EXPECT_LE(3 * each, taken_by(irqs, id));
		EXPECT_EQ(total(irqs), taken_by(irqs, id));
		EXPECT_GE(most_interrupts(irqs, modes[i], each), total(irqs));
		EXPECT_EQ(modes[i] | IRQ_VECTOR, after(irqs, modes[i]));
	}
}

/* What the entry says of its vector and trigger mode does not matter then. */
static void test_nmi(struct __test_metadata *_metadata, struct irqs *irqs)
{
	u32 ids[3];
	unsigned int nr = some_ids(irqs, ids);

	while (nr--) {
		uart_to(_metadata, irqs, NMI, ids[nr]);
		EXPECT_EQ(3, irqs->reply.nmis);
	}
}

static void test_masked(struct __test_metadata *_metadata, struct irqs *irqs)
{
	const u32 id = topology_max_apic_id(&irqs->m.cfg.topo);

	ask(_metadata, irqs, &(struct irq_request) {
		.source = IRQ_UART, .times = 3, .low = MASKED | IRQ_VECTOR, .dest = id,
	});
	EXPECT_EQ(0, total(irqs));
	EXPECT_EQ(MASKED | IRQ_VECTOR, irqs->reply.after);
	/* What came while it was masked is lost; KVM's kworker may see some of it later. */
	irqs->late = !is_split(&irqs->m);
	uart_to(_metadata, irqs, 0, id);
	irqs->late = 0;
}

/*
 * A logical destination: bits for CPUs, in xAPIC mode those of the flat model,
 * in x2APIC mode those of cluster 0 (SDM vol. 3A, 11.6.2.2 and 11.12.10.2).
 * Return: how many CPUs are in @dest, two at most.
 */
static unsigned int some_logical(const struct irqs *irqs, u32 *dest)
{
	unsigned int i, nr = 0;

	*dest = 0;
	for (i = 0; i < irqs->nr && nr < 2; i++) {
		u32 bit = irqs->xapic ? irqs->apics[i].ldr >> 24 : irqs->apics[i].ldr;

		if (bit && bit <= 0xff) {
			*dest |= bit;
			nr++;
		}
	}
	return nr;
}

static bool is_logical(const struct irqs *irqs, unsigned int i, u32 dest)
{
	u32 bit = irqs->xapic ? irqs->apics[i].ldr >> 24 : irqs->apics[i].ldr;

	return bit <= 0xff && bit & dest;
}

static void test_logical(struct __test_metadata *_metadata, struct irqs *irqs)
{
	/* Ids far apart have no cluster in common. */
	const bool near = irqs->nr > 1 &&
			  (irqs->xapic || topology_apic_id(&irqs->m.cfg.topo, 1) < 8);
	unsigned int i, nr;
	u32 dest;

	nr = some_logical(irqs, &dest);
	ASSERT_EQ(near ? 2 : 1, nr);
	ask(_metadata, irqs, &(struct irq_request) {
		.source = IRQ_UART, .times = 3, .expected = nr, .low = LOGICAL | IRQ_VECTOR,
		.dest = dest,
	});
	for (i = 0; i < irqs->nr; i++)
		EXPECT_EQ(is_logical(irqs, i, dest) ? 3 : 0, irqs->counts[i]);

	/* One of them each time */
	ask(_metadata, irqs, &(struct irq_request) {
		.source = IRQ_UART, .times = 3, .expected = 1,
		.low = LOGICAL | LOWEST_PRIORITY | IRQ_VECTOR, .dest = dest,
	});
	EXPECT_EQ(3, total(irqs));
	for (i = 0; i < irqs->nr; i++)
		if (!is_logical(irqs, i, dest))
			EXPECT_EQ(0, irqs->counts[i]);
}

/*
 * 255 is all CPUs, but for x2APICs only in VMs that have no larger ids: there it
 * is a CPU like any other (api.rst, KVM_CAP_X2APIC_API).
 */
static void test_destination_255(struct __test_metadata *_metadata, struct irqs *irqs)
{
	const bool all = !is_split(&irqs->m) || irqs->xapic;
	const bool one = !all && topology_max_apic_id(&irqs->m.cfg.topo) == 255;
	unsigned int i;

	ask(_metadata, irqs, &(struct irq_request) {
		.source = IRQ_UART, .times = 3, .expected = all ? irqs->nr : one,
		.low = IRQ_VECTOR, .dest = 255,
	});
	for (i = 0; i < irqs->nr; i++) {
		EXPECT_EQ(all || irqs->apics[i].apic_id == 255 ? 3 : 0, irqs->counts[i]) {
			TH_LOG("APIC id %u", irqs->apics[i].apic_id);
		}
	}
}

static void test_ipi(struct __test_metadata *_metadata, struct irqs *irqs)
{
	u32 ids[3];
	unsigned int nr = some_ids(irqs, ids);

	while (nr--) {
		ask(_metadata, irqs, &(struct irq_request) {
			.source = IRQ_IPI, .times = 3, .expected = 1,
			.low = ASSERT_LEVEL | IRQ_VECTOR, .dest = ids[nr],
		});
		EXPECT_EQ(3, taken_by(irqs, ids[nr])) {
			TH_LOG("by CPU with APIC id %u", ids[nr]);
		}
		EXPECT_EQ(3, total(irqs));
	}
}

static void test_ipi_shorthands(struct __test_metadata *_metadata, struct irqs *irqs)
{
	static const u32 shorthands[] = { SELF, ALL, ALL_BUT_SELF };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(shorthands); i++) {
		const bool self_too = shorthands[i] != ALL_BUT_SELF;
		const bool others = shorthands[i] != SELF;

		ask(_metadata, irqs, &(struct irq_request) {
			.source = IRQ_IPI, .times = 2,
			.expected = self_too + (others ? irqs->nr - 1 : 0),
			.low = shorthands[i] | ASSERT_LEVEL | IRQ_VECTOR,
		});
		EXPECT_EQ(self_too ? 2 : 0, irqs->counts[0]);
		for (j = 1; j < irqs->nr; j++)
			EXPECT_EQ(others ? 2 : 0, irqs->counts[j]);
	}
}

/* Every CPU wakes up by an IPI, and sends one. */
static void test_relay(struct __test_metadata *_metadata, struct irqs *irqs)
{
	unsigned int i;

	ask(_metadata, irqs, &(struct irq_request) {
		.source = IRQ_RELAY, .times = 2, .expected = irqs->nr,
	});
	for (i = 0; i < irqs->nr; i++) {
		EXPECT_EQ(2, irqs->counts[i]) {
			TH_LOG("APIC id %u", irqs->apics[i].apic_id);
		}
	}
}

/* Return: whether there is a timer with this mode */
static bool test_timer_mode(struct __test_metadata *_metadata, struct irqs *irqs, u32 mode)
{
	ask(_metadata, irqs, &(struct irq_request) {
		.source = IRQ_TIMER, .times = 5, .low = mode,
	});
	if (irqs->reply.low == IRQ_NO_TIMER)
		return false;
	EXPECT_LE(5, irqs->counts[0]);
	if (mode != TIMER_PERIODIC)
		EXPECT_EQ(5, irqs->counts[0]);
	EXPECT_EQ(irqs->counts[0], total(irqs));
	return true;
}

/* That with deadlines a KVM may lack. */
static void test_timer(struct __test_metadata *_metadata, struct irqs *irqs)
{
	EXPECT_TRUE(test_timer_mode(_metadata, irqs, TIMER_ONE_SHOT));
	EXPECT_TRUE(test_timer_mode(_metadata, irqs, TIMER_PERIODIC));
}

FIXTURE(irqs) {
	struct irqs irqs;
};

FIXTURE_VARIANT(irqs) {
	const char *spec;
	enum ktstr_irqchip irqchip;
	bool xapic;
};

FIXTURE_VARIANT_ADD(irqs, kernel_x2apic) { .spec = "1n2l2c2t" };
FIXTURE_VARIANT_ADD(irqs, kernel_xapic) { .spec = "1n2l2c2t", .xapic = true };
FIXTURE_VARIANT_ADD(irqs, kernel_one) { .spec = "1n1l1c1t" };
FIXTURE_VARIANT_ADD(irqs, kernel_sparse) { .spec = "3n6l5c2t" };
FIXTURE_VARIANT_ADD(irqs, split_x2apic) {
	.spec = "1n2l2c2t", .irqchip = KTSTR_IRQCHIP_SPLIT
};

FIXTURE_VARIANT_ADD(irqs, split_xapic) {
	.spec = "1n2l2c2t", .irqchip = KTSTR_IRQCHIP_SPLIT, .xapic = true
};

FIXTURE_VARIANT_ADD(irqs, split_one) {
	.spec = "1n1l1c1t", .irqchip = KTSTR_IRQCHIP_SPLIT
};

FIXTURE_VARIANT_ADD(irqs, split_sparse) { .spec = "1n5l5c5t" };

FIXTURE_SETUP(irqs)
{
	start_irqs(_metadata, &self->irqs, variant->spec, variant->irqchip, variant->xapic,
		   0);
}

FIXTURE_TEARDOWN(irqs)
{
	end(&self->irqs.m);
}

TEST_F(irqs, edge)
{
	test_edge(_metadata, &self->irqs);
}

TEST_F(irqs, level)
{
	test_level(_metadata, &self->irqs);
}

TEST_F(irqs, held_line)
{
	test_held_line(_metadata, &self->irqs);
}

TEST_F(irqs, nmi)
{
	test_nmi(_metadata, &self->irqs);
}

TEST_F(irqs, masked)
{
	test_masked(_metadata, &self->irqs);
}

TEST_F(irqs, logical)
{
	test_logical(_metadata, &self->irqs);
}

TEST_F(irqs, destination_255)
{
	test_destination_255(_metadata, &self->irqs);
}

TEST_F(irqs, ipi)
{
	test_ipi(_metadata, &self->irqs);
}

TEST_F(irqs, ipi_shorthands)
{
	test_ipi_shorthands(_metadata, &self->irqs);
}

TEST_F(irqs, relay)
{
	test_relay(_metadata, &self->irqs);
}

TEST_F(irqs, timer)
{
	test_timer(_metadata, &self->irqs);
}

TEST_F(irqs, deadline_timer)
{
	if (!test_timer_mode(_metadata, &self->irqs, TIMER_DEADLINE))
		SKIP(return, "this KVM has no TSC deadline timer");
}

/* One guest for all, as it is its start that takes the time */
FIXTURE(many_cpus) {
	struct irqs irqs;
};

FIXTURE_VARIANT(many_cpus) {
	const char *spec;
};

FIXTURE_VARIANT_ADD(many_cpus, kernel_252) { .spec = "3n63l4c1t" };
FIXTURE_VARIANT_ADD(many_cpus, split_256) { .spec = "1n1l256c1t" };	/* 255 is a CPU */
FIXTURE_VARIANT_ADD(many_cpus, split_448) { .spec = "1n14l9c2t" };
/* not many, but ids up to 3072 */
FIXTURE_VARIANT_ADD(many_cpus, split_shift) { .spec = "1n4l1c1t,llcshift=10" };

FIXTURE_SETUP(many_cpus)
{
	start_irqs(_metadata, &self->irqs, variant->spec, KTSTR_IRQCHIP_AUTO, false, 0);
}

FIXTURE_TEARDOWN(many_cpus)
{
	end(&self->irqs.m);
}

TEST_F(many_cpus, irqs)
{
	test_edge(_metadata, &self->irqs);
	test_level(_metadata, &self->irqs);
	test_held_line(_metadata, &self->irqs);
	test_nmi(_metadata, &self->irqs);
	test_masked(_metadata, &self->irqs);
	test_logical(_metadata, &self->irqs);
	test_destination_255(_metadata, &self->irqs);
	test_ipi(_metadata, &self->irqs);
	test_ipi_shorthands(_metadata, &self->irqs);
	test_relay(_metadata, &self->irqs);
	test_timer(_metadata, &self->irqs);
	/* Whether it has to be there, irqs.deadline_timer tells. */
	test_timer_mode(_metadata, &self->irqs, TIMER_DEADLINE);
}

/* CPUs that halt are interrupted unasked, all of them and more than once. */
FIXTURE(nudges) {
	struct irqs irqs;
};

FIXTURE_VARIANT(nudges) {
	const char *spec;
	bool xapic;
};

FIXTURE_VARIANT_ADD(nudges, one) { .spec = "1n1l1c1t" };
FIXTURE_VARIANT_ADD(nudges, xapic) { .spec = "1n2l2c2t", .xapic = true };
FIXTURE_VARIANT_ADD(nudges, sparse) { .spec = "3n6l5c2t" };
/* Ids up to 3072 */
FIXTURE_VARIANT_ADD(nudges, shift) { .spec = "1n4l1c1t,llcshift=10" };

FIXTURE_SETUP(nudges)
{
	start_irqs(_metadata, &self->irqs, variant->spec, KTSTR_IRQCHIP_AUTO, variant->xapic,
		   NUDGE_VECTOR);
}

FIXTURE_TEARDOWN(nudges)
{
	end(&self->irqs.m);
}

TEST_F(nudges, all_cpus)
{
	const struct irqs *irqs = &self->irqs;
	unsigned int i;

	ask(_metadata, &self->irqs, &(struct irq_request) { .source = IRQ_NUDGE, .times = 3 });
	for (i = 0; i < irqs->nr; i++) {
		EXPECT_LE(3, irqs->counts[i]) {
			TH_LOG("APIC id %u", irqs->apics[i].apic_id);
		}
	}
}

/* -- the console's virtqueues ---------------------------------------------------- */

#define BASE_FEATURES	(BIT_ULL(VIRTIO_F_VERSION_1) | BIT_ULL(VIRTIO_CONSOLE_F_MULTIPORT))
#define INDIRECT	BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC)
#define EVENT_IDX	BIT_ULL(VIRTIO_RING_F_EVENT_IDX)
#define DRIVER_STATUS	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
			 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

FIXTURE(console) {
	struct machine m;
	struct console_report state;
	u8 sent[CONSOLE_MAX_LEN];
	u8 received[CONSOLE_MAX_LEN];
};

FIXTURE_VARIANT(console) {
	u64 features;
	bool irqs;
	enum ktstr_irqchip irqchip;
	const char *cmdline;	/* the payload's way to have the same */
};

FIXTURE_VARIANT_ADD(console, polled) { 0, false, KTSTR_IRQCHIP_AUTO, "features=100000002" };
FIXTURE_VARIANT_ADD(console, irqs) { 0, true, KTSTR_IRQCHIP_AUTO, "features=100000002 irqs=1" };
FIXTURE_VARIANT_ADD(console, irqs_split) {
	0, true, KTSTR_IRQCHIP_SPLIT, "features=100000002 irqs=1"
};

FIXTURE_VARIANT_ADD(console, indirect) {
	INDIRECT, false, KTSTR_IRQCHIP_AUTO, "features=110000002"
};

FIXTURE_VARIANT_ADD(console, event_idx) {
	EVENT_IDX, true, KTSTR_IRQCHIP_AUTO, "features=120000002 irqs=1"
};

FIXTURE_VARIANT_ADD(console, all) {
	INDIRECT | EVENT_IDX, true, KTSTR_IRQCHIP_AUTO, "features=130000002 irqs=1"
};

FIXTURE_VARIANT_ADD(console, all_split) {
	INDIRECT | EVENT_IDX, true, KTSTR_IRQCHIP_SPLIT, "features=130000002 irqs=1 xapic=1"
};

static void receive_state(struct __test_metadata *_metadata, struct _test_data_console *self)
{
	ASSERT_EQ(1, receive_report(_metadata, &self->m, REPORT_CONSOLE, &self->state,
				    sizeof(self->state), sizeof(self->state)));
}

FIXTURE_SETUP(console)
{
	struct machine *m = &self->m;

	if (!setup(_metadata, m, "1n1l1c1t"))
		return;
	m->cfg.irqchip = variant->irqchip;
	if (start(_metadata, m, "payload_console", variant->cmdline))
		receive_state(_metadata, self);
}

FIXTURE_TEARDOWN(console)
{
	end(&self->m);
}

static void request(struct __test_metadata *_metadata, struct _test_data_console *self,
		    const struct console_request *r)
{
	ASSERT_EQ(0, ktstr_vm_send(self->m.vm, r, sizeof(*r)));
}

/* Bytes there and back again, in so many descriptors */
static void echo(struct __test_metadata *_metadata, struct _test_data_console *self, u32 len,
		 u32 parts)
{
	u32 i;

	request(_metadata, self, &(struct console_request) {
		.action = CONSOLE_ECHO, .len = len, .parts = parts,
	});
	for (i = 0; i < len; i++)
		self->sent[i] = i * 7 + i / 251 + parts;
	ASSERT_EQ(0, ktstr_vm_send(self->m.vm, self->sent, len));
	ASSERT_EQ(len, receive_report(_metadata, &self->m, REPORT_ECHO, self->received, 1,
				      sizeof(self->received)));
	for (i = 0; i < len; i++) {
		ASSERT_EQ(self->sent[i] ^ ECHO_XOR, self->received[i]) {
			TH_LOG("byte %u of %u, %u parts", i, len, parts);
		}
	}
}

/* 4.2.2 and 5.3: what the device is, before and after the driver has it */
TEST_F(console, registers)
{
	const struct console_report *r = &self->state;
	unsigned int i;

	EXPECT_EQ(0x74726976, r->magic);
	EXPECT_EQ(2, r->version);
	EXPECT_EQ(VIRTIO_ID_CONSOLE, r->device);
	EXPECT_EQ(BASE_FEATURES | INDIRECT | EVENT_IDX, r->offered);
	EXPECT_EQ(BASE_FEATURES | variant->features, r->accepted);
	for (i = 0; i < CONSOLE_QUEUES; i++)
		EXPECT_LE(16, r->queue_max[i]);
	EXPECT_EQ(0, r->queue_max[i]);
	request(_metadata, self, &(struct console_request) { .action = CONSOLE_END });
	wait_for(_metadata, &self->m, KTSTR_VM_POWEROFF);
}

/* Less than a buffer, just one, more than one, and more than the rings hold */
TEST_F(console, echo)
{
	static const u32 lens[] = { 1, 31, 511, 70003, 512, 513, 4096, 16 * 512 + 1 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lens); i++)
		echo(_metadata, self, lens[i], min(lens[i], 1 + 5 * i % 16));
	/* The indexes of the rings go once around their 16 entries, and on. */
	for (i = 0; i < 40; i++)
		echo(_metadata, self, 16 + i, 1 + i % 16);
}

TEST_F(console, reset)
{
	const u64 features[] = { BASE_FEATURES, BASE_FEATURES | variant->features };
	const struct console_report *r = &self->state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(features); i++) {
		request(_metadata, self, &(struct console_request) {
			.action = CONSOLE_RESET, .features = features[i],
		});
		receive_state(_metadata, self);
		EXPECT_EQ(DRIVER_STATUS, r->dirty_status);
		EXPECT_EQ(0, r->reset_status);
		EXPECT_EQ(0, r->reset_interrupts);
		EXPECT_EQ(0, r->reset_ready);
		EXPECT_EQ(features[i], r->accepted);
		echo(_metadata, self, 1000, 3);
	}
}

/* 2.1.2: a device that was given nonsense says so, and is as new after a reset. */
TEST_F(console, broken_ring)
{
	const struct console_report *r = &self->state;

	request(_metadata, self, &(struct console_request) {
		.action = CONSOLE_BREAK, .features = BASE_FEATURES | variant->features,
	});
	receive_state(_metadata, self);
	EXPECT_EQ(DRIVER_STATUS | VIRTIO_CONFIG_S_NEEDS_RESET, r->dirty_status);
	EXPECT_TRUE(r->dirty_interrupts & VIRTIO_MMIO_INT_CONFIG);
	EXPECT_EQ(0, r->reset_status);
	EXPECT_EQ(0, r->reset_interrupts);
	EXPECT_EQ(0, r->reset_ready);
	echo(_metadata, self, 1000, 3);
}

TEST_F(console, close_and_open)
{
	request(_metadata, self, &(struct console_request) { .action = CONSOLE_CLOSE });
	receive_state(_metadata, self);
	echo(_metadata, self, 1000, 1);
}

/*
 * What lies in the queue when the machine ends is not lost: neither what one look
 * at the queue does not take, nor what there is no room for until it is read.
 */
TEST_F(console, last_words)
{
	const u32 len = SZ_512K;
	static u64 page[CONSOLE_PAGE / sizeof(u64)];
	u32 i;

	request(_metadata, self, &(struct console_request) {
		.action = CONSOLE_LAST_WORDS, .len = len,
	});
	wait_for(_metadata, &self->m, KTSTR_VM_POWEROFF);
	ASSERT_LT(CHANNEL_SIZE, 16 * len);
	for (i = 0; i < 16 * len / CONSOLE_PAGE; i++) {
		receive(_metadata, &self->m, page, sizeof(page));
		ASSERT_EQ(CONSOLE_WORDS + i, page[0]);
	}
	EXPECT_EQ(0, ktstr_vm_recv(self->m.vm, page, sizeof(page), 0));
}

/* A payload that halts until the console interrupts is woken by what it is sent. */
TEST_F(console, interrupts)
{
	unsigned int i;

	/* It may not have come to that before the request is there. */
	for (i = 0; i < (variant->irqs ? 50 : 5) && !self->state.irqs; i++) {
		usleep(i * 1000);
		request(_metadata, self, &(struct console_request) { .action = CONSOLE_CLOSE });
		receive_state(_metadata, self);
	}
	EXPECT_EQ(variant->irqs, !!self->state.irqs);
}

/* -- power ----------------------------------------------------------------------- */

FIXTURE(power) {
	struct machine m;
};

FIXTURE_VARIANT(power) {
	enum power_way way;
	enum ktstr_vm_state state;
};

FIXTURE_VARIANT_ADD(power, fadt_sleep) { POWER_FADT_SLEEP, KTSTR_VM_POWEROFF };
FIXTURE_VARIANT_ADD(power, fadt_reset) { POWER_FADT_RESET, KTSTR_VM_RESET };
FIXTURE_VARIANT_ADD(power, i8042) { POWER_I8042, KTSTR_VM_RESET };
FIXTURE_VARIANT_ADD(power, cf9) { POWER_CF9, KTSTR_VM_RESET };
FIXTURE_VARIANT_ADD(power, triple_fault) { POWER_TRIPLE_FAULT, KTSTR_VM_TRIPLE_FAULT };

FIXTURE_SETUP(power)
{
	setup(_metadata, &self->m, "1n2l3c1t");
}

FIXTURE_TEARDOWN(power)
{
	end(&self->m);
}

/* Any CPU can end the machine, on either irqchip, while others halt. */
TEST_F(power, any_cpu)
{
	struct machine *m = &self->m;
	const struct ktstr_vm_result *r;
	char cmdline[64];
	unsigned int i;

	for (i = 0; i < 4; i++) {
		const unsigned int cpu = i % 2 * 5;

		m->cfg.irqchip = i / 2 ? KTSTR_IRQCHIP_SPLIT : KTSTR_IRQCHIP_AUTO;
		snprintf(cmdline, sizeof(cmdline), "way=%x cpu=%x", variant->way, cpu);
		if (!start(_metadata, m, "payload_power", cmdline))
			return;
		r = wait_for(_metadata, m, variant->state);
		EXPECT_STREQ("up\n", r->console);
		end(m);
	}
}

/* Is every CPU in 64-bit mode, in the payload? */
static bool all_in_payload(const struct ktstr_vm_result *r)
{
	unsigned int cpu;

	for (cpu = 0; cpu < r->nr_vcpus; cpu++)
		if (!r->vcpus[cpu].valid || !r->vcpus[cpu].sregs.cs.l ||
		    r->vcpus[cpu].regs.rip < 0xffffffff80100000)
			return false;
	return true;
}

/* A machine that does nothing more is stopped, and every CPU's registers are read. */
TEST(halted)
{
	struct machine *m = calloc(1, sizeof(*m));
	const struct ktstr_vm_result *r;
	char cmdline[16];
	u64 ns;

	ASSERT_NE(NULL, m);
	if (!setup(_metadata, m, "1n2l3c1t"))
		return;
	snprintf(cmdline, sizeof(cmdline), "way=%x cpu=5", POWER_NONE);
	/* Longer, where it takes that until all have come as far */
	for (ns = 200 * NSEC_PER_MSEC;; ns *= 2) {
		if (!start(_metadata, m, "payload_power", cmdline))
			return;
		EXPECT_EQ(-ETIMEDOUT, ktstr_vm_wait(m->vm, ns));
		ktstr_vm_stop(m->vm, KTSTR_VM_TIMEOUT, "it halts");
		r = ktstr_vm_result(m->vm);
		EXPECT_EQ(KTSTR_VM_TIMEOUT, r->state);
		EXPECT_STREQ("it halts", r->reason);
		ASSERT_EQ(6, r->nr_vcpus);
		if (all_in_payload(r) || ns > PATIENCE_NS / 2)
			break;
		end(m);
	}
	EXPECT_TRUE(all_in_payload(r));
	end(m);
	free(m);
}

TEST_HARNESS_MAIN
