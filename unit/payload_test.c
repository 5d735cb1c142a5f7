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
#include "kselftest_harness.h"
#include "ktstr_vmm.h"
#include "memory_map.h"
#include "own_path.h"
#include "payload/report.h"

#define NODE_MEMORY	((u64)SZ_16M)

/* No payload takes more than a second or two, unless the machine is busy. */
#define WAIT_NS		(40 * NSEC_PER_SEC)
#define TEST_TIMEOUT	120

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
	if (ret && m->err.kind == ERRMSG_HOST)
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
	const unsigned int llc_bits = bits(m->cfg.topo.cores) + thread_bits;
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
	ASSERT_EQ(min(BIT(bits(m->cfg.topo.cores)), 64UL), (leaf(r, 4, 0)->eax >> 26) + 1);
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
		BIT(bits(m->cfg.topo.cores) + bits(m->cfg.topo.threads));
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

TEST_F_TIMEOUT(guest, cpus, TEST_TIMEOUT)
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
	EXPECT_EQ(BIT(20) | BIT(10), r->fadt_flags & (BIT(20) | BIT(10)));
	/* no VGA, no CMOS clock; no i8042 is a bit that is not set */
	EXPECT_EQ(BIT(2) | BIT(5), r->fadt_boot_arch);
}

static void check_tables(struct __test_metadata *_metadata, struct machine *m)
{
	const unsigned int nr = receive_report(_metadata, m, REPORT_TABLES, table_reports,
					       sizeof(table_reports[0]), sizeof(table_reports));
	static const char * const needed[] = { "XSDT", "FACP", "APIC", "SRAT", "SLIT" };
	unsigned int i, j;

	for (i = 0; i < nr; i++)
		EXPECT_EQ(0, table_reports[i].sum) {
			TH_LOG("%.4s has a wrong checksum", table_reports[i].signature);
		}
	for (j = 0; j < ARRAY_SIZE(needed); j++) {
		unsigned int seen = 0;

		for (i = 0; i < nr; i++)
			seen += !memcmp(table_reports[i].signature, needed[j], 4);
		EXPECT_EQ(1, seen) {
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

/* Every node has its share, one after the other, and none of it in the device gap. */
static void check_srat_memory(struct __test_metadata *_metadata, struct machine *m)
{
	const unsigned int nr = receive_report(_metadata, m, REPORT_SRAT_MEMORY, srat_memory,
					       sizeof(srat_memory[0]), sizeof(srat_memory));
	const u64 share = m->cfg.memory / m->cfg.topo.nodes & ~(SZ_2M - 1ULL);
	u64 by_node[TOPOLOGY_MAX_NODES] = {}, sum = 0, top = 0;
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
		sum += r->size;
	}
	EXPECT_EQ(m->cfg.memory & ~(SZ_2M - 1ULL), sum);
	for (node = 0; node + 1 < m->cfg.topo.nodes; node++)
		EXPECT_EQ(share, by_node[node]);
	EXPECT_LE(share, by_node[node]);
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

TEST_F_TIMEOUT(guest, tables, TEST_TIMEOUT)
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
	wait_for(_metadata, m, KTSTR_VM_POWEROFF);
}

TEST_HARNESS_MAIN
