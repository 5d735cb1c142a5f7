// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/types.h>
#include <stdbool.h>
#include <string.h>

#include "acpi.h"
#include "memory_map.h"

#define OEM_ID			"KTSTR "
#define OEM_TABLE_ID		"KTSTR   "
#define CREATOR_ID		"KTST"

#define HEADER_SIZE		36	/* ACPI 6.5, table 5.5 */
#define HEADER_LENGTH		4	/* offsets in it */
#define HEADER_CHECKSUM		9

/* ACPI 6.5, 5.2.5.3 */
#define RSDP_SIZE		36
#define RSDP_V1_SIZE		20
#define RSDP_CHECKSUM		8
#define RSDP_XSDT		24
#define RSDP_EXT_CHECKSUM	32

/* ACPI 6.5, 5.2.9: offsets of what is not zero */
#define FADT_SIZE		276
#define FADT_BOOT_ARCH		109
#define FADT_FLAGS		112
#define FADT_RESET_REG		116
#define FADT_RESET_VALUE	128
#define FADT_MINOR_VERSION	131
#define FADT_X_DSDT		140
#define FADT_SLEEP_CONTROL	244
#define FADT_SLEEP_STATUS	256

#define BOOT_ARCH_NO_VGA	BIT(2)
#define BOOT_ARCH_NO_CMOS_RTC	BIT(5)
#define FLAG_WBINVD		BIT(0)
#define FLAG_RESET_REG_SUP	BIT(10)
#define FLAG_HW_REDUCED		BIT(20)

/* MADT (5.2.12) and SRAT (5.2.16) */
#define MADT_LAPIC		0
#define MADT_IOAPIC		1
#define MADT_X2APIC		9
#define SRAT_LAPIC		0
#define SRAT_MEMORY		1
#define SRAT_X2APIC		2
#define ENTRY_ENABLED		1

/* HMAT (5.2.28) */
#define HMAT_MEMORY		0
#define HMAT_MEMORY_SIZE	40
#define HMAT_INITIATOR_VALID	BIT(0)
#define HMAT_LOCALITY		1
#define HMAT_LOCALITY_SIZE	32	/* without its lists */
#define HMAT_ACCESS_LATENCY	0
#define HMAT_ACCESS_BANDWIDTH	3
#define HMAT_PICOSECONDS	1000
#define HMAT_CACHE		2
#define HMAT_CACHE_SIZE		32
#define HMAT_CACHE_ATTRIBUTES	(1 | 1 << 4 | 1 << 8 | 1 << 12 | 64 << 16)

/* Ids from here on need x2APIC entries: eight bits, of which 0xff is broadcast. */
#define FIRST_X2APIC_ID		255

/* AML (chapter 20) and resource descriptors (6.4) */
#define AML_NAME		0x08
#define AML_BYTE		0x0a
#define AML_WORD		0x0b
#define AML_DWORD		0x0c
#define AML_STRING		0x0d
#define AML_SCOPE		0x10
#define AML_BUFFER		0x11
#define AML_PACKAGE		0x12
#define AML_EXT			0x5b
#define AML_EXT_DEVICE		0x82
#define RES_IO			0x47
#define RES_END			0x79
#define RES_MEMORY32_FIXED	0x86
#define RES_INTERRUPT		0x89
#define RES_INTERRUPT_CONSUMER	BIT(0)
#define RES_INTERRUPT_EDGE	BIT(1)	/* bits clear: active high, exclusive */

/*
 * A buffer that is written from front to back. Past its end nothing is stored but
 * still counted, so that one pass says how much room it takes.
 */
struct out {
	u8 *buf;
	size_t size;
	size_t len;
};

static void put(struct out *out, const void *data, size_t len)
{
	if (out->len <= out->size && len <= out->size - out->len)
		memcpy(out->buf + out->len, data, len);
	out->len += len;
}

static void put8(struct out *out, u8 val)
{
	put(out, &val, sizeof(val));
}

static void put16(struct out *out, u16 val)
{
	put(out, &val, sizeof(val));
}

static void put32(struct out *out, u32 val)
{
	put(out, &val, sizeof(val));
}

static void put64(struct out *out, u64 val)
{
	put(out, &val, sizeof(val));
}

static void put_zeros(struct out *out, size_t len)
{
	while (len--)
		put8(out, 0);
}

static void align(struct out *out, size_t to)
{
	put_zeros(out, -out->len % to);
}

/* Change what was written before; nothing if it was not stored. */
static void patch(struct out *out, size_t at, const void *data, size_t len)
{
	if (at <= out->size && len <= out->size - at)
		memcpy(out->buf + at, data, len);
}

/* The byte that makes the sum of [@from, @to) zero, whose place holds zero now */
static void patch_checksum(struct out *out, size_t at, size_t from, size_t to)
{
	u8 sum = 0;

	if (to > out->size)
		return;
	while (from < to)
		sum -= out->buf[from++];
	patch(out, at, &sum, sizeof(sum));
}

static size_t table_begin(struct out *out, const char *signature, u8 revision)
{
	size_t start;

	align(out, 16);
	start = out->len;
	put(out, signature, 4);
	put32(out, 0);
	put8(out, revision);
	put8(out, 0);
	put(out, OEM_ID, 6);
	put(out, OEM_TABLE_ID, 8);
	put32(out, 1);
	put(out, CREATOR_ID, 4);
	put32(out, 1);
	return start;
}

static void table_end(struct out *out, size_t start)
{
	u32 len = out->len - start;

	patch(out, start + HEADER_LENGTH, &len, sizeof(len));
	patch_checksum(out, start + HEADER_CHECKSUM, start, out->len);
}

/*
 * AML: an object with a PkgLength is begun and ended. The length is always the
 * two byte form, four bits and eight (20.2.4), so that it can be filled in later;
 * its 4095 bytes are far more than all 32 devices take.
 */
static size_t aml_begin(struct out *out)
{
	size_t start = out->len;

	put16(out, 0);
	return start;
}

static void aml_end(struct out *out, size_t start)
{
	size_t len = out->len - start;
	const u8 pkg_length[] = { 0x40 | (len & 0xf), len >> 4 };

	patch(out, start, pkg_length, sizeof(pkg_length));
}

static void aml_name(struct out *out, const char *name)
{
	put8(out, AML_NAME);
	put(out, name, strlen(name));
}

static void aml_byte(struct out *out, u8 val)
{
	put8(out, AML_BYTE);
	put8(out, val);
}

static size_t aml_device_begin(struct out *out, const char *name)
{
	size_t start;

	put8(out, AML_EXT);
	put8(out, AML_EXT_DEVICE);
	start = aml_begin(out);
	put(out, name, 4);
	return start;
}

/* _CRS is a buffer: its size follows the PkgLength, as a word to fill in later. */
struct crs {
	size_t package;
	size_t data;
};

static struct crs crs_begin(struct out *out)
{
	struct crs crs;

	aml_name(out, "_CRS");
	put8(out, AML_BUFFER);
	crs.package = aml_begin(out);
	put8(out, AML_WORD);
	put16(out, 0);
	crs.data = out->len;
	return crs;
}

static void crs_end(struct out *out, struct crs crs)
{
	u16 len;

	put8(out, RES_END);
	put8(out, 0);	/* means that there is no checksum */
	len = out->len - crs.data;
	patch(out, crs.data - sizeof(len), &len, sizeof(len));
	aml_end(out, crs.package);
}

static void crs_interrupt(struct out *out, u32 gsi)
{
	put8(out, RES_INTERRUPT);
	put16(out, 6);	/* bytes that follow */
	put8(out, RES_INTERRUPT_CONSUMER | RES_INTERRUPT_EDGE);
	put8(out, 1);
	put32(out, gsi);
}

static void crs_io(struct out *out, u16 port, u8 len)
{
	put8(out, RES_IO);
	put8(out, 1);	/* decodes 16 bits */
	put16(out, port);
	put16(out, port);
	put8(out, 1);
	put8(out, len);
}

static void crs_memory(struct out *out, u32 addr, u32 len)
{
	put8(out, RES_MEMORY32_FIXED);
	put16(out, 9);	/* bytes that follow */
	put8(out, 1);	/* writable */
	put32(out, addr);
	put32(out, len);
}

static void put_com1(struct out *out)
{
	size_t device = aml_device_begin(out, "COM1");
	struct crs crs;

	aml_name(out, "_HID");
	put8(out, AML_DWORD);
	put32(out, 0x0105d041);	/* "PNP0501", coded as an EISA id */
	aml_name(out, "_UID");
	aml_byte(out, 0);

	crs = crs_begin(out);
	crs_io(out, PORT_COM1, PORT_COM1_SIZE);
	crs_interrupt(out, PORT_COM1_GSI);
	crs_end(out, crs);
	aml_end(out, device);
}

static void put_virtio(struct out *out, unsigned int slot)
{
	const char name[] = { 'V', 'I', '0' + slot / 10, '0' + slot % 10 };
	size_t device = aml_device_begin(out, name);
	struct crs crs;

	aml_name(out, "_HID");
	put8(out, AML_STRING);
	put(out, "LNRO0005", sizeof("LNRO0005"));
	aml_name(out, "_UID");
	aml_byte(out, slot);
	aml_name(out, "_CCA");
	aml_byte(out, 1);

	crs = crs_begin(out);
	crs_memory(out, MAP_VIRTIO(slot), MAP_VIRTIO_SIZE);
	crs_interrupt(out, MAP_VIRTIO_GSI(slot));
	crs_end(out, crs);
	aml_end(out, device);
}

/*
 * No processor devices: Linux wants them for C-states, throttling and hotplug,
 * of which there are none, and would have to interpret one for every CPU.
 */
static size_t put_dsdt(struct out *out, u32 virtio_slots)
{
	size_t start = table_begin(out, "DSDT", 2), scope, package;
	unsigned int slot;

	put8(out, AML_SCOPE);
	scope = aml_begin(out);
	put(out, "\\_SB_", 5);
	put_com1(out);
	for (slot = 0; slot < 32; slot++) {
		if (virtio_slots & BIT(slot))
			put_virtio(out, slot);
	}
	aml_end(out, scope);

	aml_name(out, "\\_S5_");
	put8(out, AML_PACKAGE);
	package = aml_begin(out);
	put8(out, 4);
	aml_byte(out, ACPI_SLEEP_S5);
	aml_byte(out, ACPI_SLEEP_S5);
	aml_byte(out, 0);
	aml_byte(out, 0);
	aml_end(out, package);

	table_end(out, start);
	return start;
}

struct generic_address {
	u8 space;
	u8 bit_width;
	u8 bit_offset;
	u8 access_size;
	u64 address;
} __packed;

/* A byte-wide I/O port (5.2.3.2) */
static struct generic_address io_port(u16 port)
{
	return (struct generic_address) {
		.space = 1,
		.bit_width = 8,
		.access_size = 1,
		.address = port,
	};
}

static size_t put_fadt(struct out *out, u64 dsdt)
{
	const u16 boot_arch = BOOT_ARCH_NO_VGA | BOOT_ARCH_NO_CMOS_RTC;
	const u32 flags = FLAG_WBINVD | FLAG_RESET_REG_SUP | FLAG_HW_REDUCED;
	const struct generic_address reset = io_port(PORT_RESET);
	const struct generic_address control = io_port(PORT_ACPI_SLEEP);
	const struct generic_address status = io_port(PORT_ACPI_SLEEP_STATUS);
	const u8 reset_value = RESET_HARD, minor_version = 5;
	size_t start = table_begin(out, "FACP", 6);

	put_zeros(out, FADT_SIZE - HEADER_SIZE);
	patch(out, start + FADT_BOOT_ARCH, &boot_arch, sizeof(boot_arch));
	patch(out, start + FADT_FLAGS, &flags, sizeof(flags));
	patch(out, start + FADT_RESET_REG, &reset, sizeof(reset));
	patch(out, start + FADT_RESET_VALUE, &reset_value, sizeof(reset_value));
	patch(out, start + FADT_MINOR_VERSION, &minor_version, sizeof(minor_version));
	patch(out, start + FADT_X_DSDT, &dsdt, sizeof(dsdt));
	patch(out, start + FADT_SLEEP_CONTROL, &control, sizeof(control));
	patch(out, start + FADT_SLEEP_STATUS, &status, sizeof(status));
	table_end(out, start);
	return start;
}

/*
 * CPUs in the order of their numbers, which Linux numbers them by. No interrupt
 * overrides: every line is edge triggered, and is the GSI of the same number.
 */
static size_t put_madt(struct out *out, const struct topology *topo)
{
	size_t start = table_begin(out, "APIC", 5);
	unsigned int cpu;
	u32 apic_id;

	put32(out, MAP_LAPIC);
	put32(out, 0);	/* no 8259s to mask */

	for (cpu = 0; cpu < topology_cpus(topo); cpu++) {
		apic_id = topology_apic_id(topo, cpu);
		if (apic_id < FIRST_X2APIC_ID) {
			put8(out, MADT_LAPIC);
			put8(out, 8);
			put8(out, cpu);	/* no larger than its APIC id */
			put8(out, apic_id);
			put32(out, ENTRY_ENABLED);
		} else {
			put8(out, MADT_X2APIC);
			put8(out, 16);
			put16(out, 0);
			put32(out, apic_id);
			put32(out, ENTRY_ENABLED);
			put32(out, cpu);
		}
	}

	put8(out, MADT_IOAPIC);
	put8(out, 12);
	put8(out, 0);	/* its id */
	put8(out, 0);
	put32(out, MAP_IOAPIC);
	put32(out, 0);	/* its first GSI */
	table_end(out, start);
	return start;
}

static void put_srat_cpu(struct out *out, u32 apic_id, u32 node)
{
	if (apic_id < FIRST_X2APIC_ID) {
		put8(out, SRAT_LAPIC);
		put8(out, 16);
		put8(out, node);
		put8(out, apic_id);
		put32(out, ENTRY_ENABLED);
		put8(out, 0);
		/* bits 31:8 of the node */
		put8(out, node >> 8);
		put16(out, node >> 16);
		put32(out, 0);
		return;
	}
	put8(out, SRAT_X2APIC);
	put8(out, 24);
	put16(out, 0);
	put32(out, node);
	put32(out, apic_id);
	put32(out, ENTRY_ENABLED);
	put64(out, 0);
}

static void put_srat_memory(struct out *out, const struct mem_region *region)
{
	put8(out, SRAT_MEMORY);
	put8(out, 40);
	put32(out, region->node);
	put16(out, 0);
	put64(out, region->gpa);
	put64(out, region->size);
	put32(out, 0);
	put32(out, ENTRY_ENABLED);
	put64(out, 0);
}

static size_t put_srat(struct out *out, const struct topology *topo,
		       const struct numa_mem *mem)
{
	size_t start = table_begin(out, "SRAT", 3);
	unsigned int i;

	put32(out, 1);	/* reserved to be 1 */
	put64(out, 0);
	for (i = 0; i < topology_cpus(topo); i++)
		put_srat_cpu(out, topology_apic_id(topo, i),
			     topology_place(topo, i).node);
	for (i = 0; i < mem->nr_regions; i++)
		put_srat_memory(out, &mem->regions[i]);
	table_end(out, start);
	return start;
}

static size_t put_slit(struct out *out, const struct topology *topo)
{
	size_t start = table_begin(out, "SLIT", 1);
	unsigned int from, to;

	put64(out, topo->nodes);
	for (from = 0; from < topo->nodes; from++) {
		for (to = 0; to < topo->nodes; to++)
			put8(out, topology_distance(topo, from, to));
	}
	table_end(out, start);
	return start;
}

/* Memory of a node with CPUs is theirs; whose the rest is follows from the numbers. */
static void put_hmat_memory(struct out *out, const struct topology *topo, unsigned int node)
{
	bool has_cpus = topology_node_cpus(topo, node);

	put16(out, HMAT_MEMORY);
	put16(out, 0);
	put32(out, HMAT_MEMORY_SIZE);
	put16(out, has_cpus ? HMAT_INITIATOR_VALID : 0);
	put16(out, 0);
	put32(out, has_cpus ? node : 0);
	put32(out, node);
	put32(out, 0);
	put64(out, 0);
	put64(out, 0);
}

/*
 * From each node with CPUs to every node, reads and writes alike. Entries are 0
 * where nothing is known. Nothing at all is written if that goes for all of them.
 */
static void put_hmat_locality(struct out *out, const struct topology *topo, u8 type, u64 unit,
			      unsigned int (*value)(const struct topology *topo,
						    unsigned int from, unsigned int to),
			      unsigned int value_unit)
{
	u16 entries[TOPOLOGY_MAX_NODES * TOPOLOGY_MAX_NODES];
	unsigned int from, to, nr = 0, initiators = 0, any = 0;

	for (from = 0; from < topo->nodes; from++) {
		if (!topology_node_cpus(topo, from))
			continue;
		initiators++;
		for (to = 0; to < topo->nodes; to++) {
			entries[nr] = value(topo, from, to) / value_unit;
			any |= entries[nr++];
		}
	}
	if (!any)
		return;

	put16(out, HMAT_LOCALITY);
	put16(out, 0);
	put32(out, HMAT_LOCALITY_SIZE + (initiators + topo->nodes) * sizeof(u32) +
		   nr * sizeof(u16));
	put8(out, 0);	/* memory, not a cache of it */
	put8(out, type);
	put16(out, 0);
	put32(out, initiators);
	put32(out, topo->nodes);
	put32(out, 0);
	put64(out, unit);
	for (from = 0; from < topo->nodes; from++) {
		if (topology_node_cpus(topo, from))
			put32(out, from);
	}
	for (to = 0; to < topo->nodes; to++)
		put32(out, to);
	put(out, entries, nr * sizeof(u16));
}

/* One level, direct mapped, write back, lines of 64 bytes */
static void put_hmat_cache(struct out *out, unsigned int node, u64 size)
{
	put16(out, HMAT_CACHE);
	put16(out, 0);
	put32(out, HMAT_CACHE_SIZE);
	put32(out, node);
	put32(out, 0);
	put64(out, size);
	put32(out, HMAT_CACHE_ATTRIBUTES);
	put16(out, 0);
	put16(out, 0);	/* no SMBIOS handles */
}

static size_t put_hmat(struct out *out, const struct topology *topo)
{
	size_t start = table_begin(out, "HMAT", 2);
	unsigned int node;

	put32(out, 0);
	for (node = 0; node < topo->nodes; node++)
		put_hmat_memory(out, topo, node);
	put_hmat_locality(out, topo, HMAT_ACCESS_LATENCY, HMAT_PICOSECONDS, topology_latency, 1);
	put_hmat_locality(out, topo, HMAT_ACCESS_BANDWIDTH, TOPOLOGY_BANDWIDTH_UNIT,
			  topology_bandwidth, TOPOLOGY_BANDWIDTH_UNIT);
	for (node = 0; node < topo->nodes; node++) {
		if (topology_node_cache(topo, node))
			put_hmat_cache(out, node, topology_node_cache(topo, node));
	}
	table_end(out, start);
	return start;
}

/* At the front, where it is looked for; the rest is patched in at the end. */
static void put_rsdp(struct out *out)
{
	put(out, "RSD PTR ", 8);
	put8(out, 0);
	put(out, OEM_ID, 6);
	put8(out, 2);	/* revision */
	put32(out, 0);
	put32(out, RSDP_SIZE);
	put_zeros(out, RSDP_SIZE - RSDP_XSDT);
}

static void end_rsdp(struct out *out, u64 xsdt)
{
	patch(out, RSDP_XSDT, &xsdt, sizeof(xsdt));
	patch_checksum(out, RSDP_CHECKSUM, 0, RSDP_V1_SIZE);
	patch_checksum(out, RSDP_EXT_CHECKSUM, 0, RSDP_SIZE);
}

long acpi_build(void *buf, size_t size, u64 gpa,
		const struct acpi_config *cfg, struct errmsg *err)
{
	struct out out = { .buf = buf, .size = size };
	size_t dsdt, fadt, madt, srat, slit, hmat = 0, xsdt;
	char spec[TOPOLOGY_STR_SIZE];

	put_rsdp(&out);
	dsdt = put_dsdt(&out, cfg->virtio_slots);
	fadt = put_fadt(&out, gpa + dsdt);
	madt = put_madt(&out, cfg->topo);
	srat = put_srat(&out, cfg->topo, cfg->mem);
	slit = put_slit(&out, cfg->topo);
	if (topology_has_hmat(cfg->topo))
		hmat = put_hmat(&out, cfg->topo);

	xsdt = table_begin(&out, "XSDT", 1);
	put64(&out, gpa + fadt);
	put64(&out, gpa + madt);
	put64(&out, gpa + srat);
	put64(&out, gpa + slit);
	if (hmat)
		put64(&out, gpa + hmat);
	table_end(&out, xsdt);
	end_rsdp(&out, gpa + xsdt);

	if (out.len > size)
		return errmsg_set(err, ERRMSG_INPUT, ENOSPC,
				  "ACPI tables for %s take %zu bytes, there is room for %zu: ask for fewer CPUs",
				  topology_format(cfg->topo, spec), out.len, size);
	return out.len;
}
