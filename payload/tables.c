// SPDX-License-Identifier: GPL-2.0
/* Reads the ACPI tables where they are, and says what they say. */
#include "lib/lib.h"
#include "payload.h"

#define MAX_TABLES	16
#define MAX_MEMORY	128
#define SLIT_LOCALITIES	36
#define SLIT_MATRIX	44
#define MADT_ADDRESS	36
#define MAX_HMAT	1024
#define FADT_X_DSDT	140
#define FADT_BOOT_ARCH	109
#define FADT_FLAGS	112

static struct machine_report machine;
static struct table_report tables[MAX_TABLES];
static struct madt_report madt_cpus[MAX_CPUS];
static struct srat_cpu_report srat_cpus[MAX_CPUS];
static struct srat_memory_report srat_memory[MAX_MEMORY];
static struct hmat_memory_report hmat_memory[MAX_MEMORY];
static struct hmat_value_report hmat_values[MAX_HMAT];
static struct hmat_cache_report hmat_caches[MAX_MEMORY];
static u32 nr_tables, nr_madt_cpus, nr_srat_cpus, nr_srat_memory;
static u32 nr_hmat_memory, nr_hmat_values, nr_hmat_caches;

void payload_cpu(unsigned int cpu)
{
	fail("a CPU that nobody has started", cpu);
}

static void read_rsdp(void)
{
	const struct acpi_rsdp *rsdp = acpi_rsdp();

	machine.rsdp = (u64)rsdp;
	machine.rsdp_sums = acpi_sum(rsdp, 20) | acpi_sum(rsdp, sizeof(*rsdp)) << 8;
	if (memcmp(rsdp->signature, "RSD PTR ", 8))
		fail("no RSDP", (u64)rsdp);
}

static struct table_report describe(const struct acpi_table *table)
{
	struct table_report r = {
		.length = table->length,
		.revision = table->revision,
		.sum = acpi_sum(table, table->length),
	};

	memcpy(r.signature, table->signature, sizeof(r.signature));
	return r;
}

/* The XSDT itself comes first, then what it refers to. */
static void read_xsdt(void)
{
	const struct acpi_table *table = (const struct acpi_table *)acpi_rsdp()->xsdt;

	do {
		if (nr_tables == MAX_TABLES)
			fail("too many tables", nr_tables);
		tables[nr_tables++] = describe(table);
		table = acpi_table(nr_tables - 1);
	} while (table);
}

static void read_fadt(void)
{
	const struct acpi_table *fadt = acpi_find("FACP"), *dsdt;

	machine.fadt_flags = acpi_field(fadt, FADT_FLAGS, 4);
	machine.fadt_boot_arch = acpi_field(fadt, FADT_BOOT_ARCH, 2);
	dsdt = (const struct acpi_table *)acpi_field(fadt, FADT_X_DSDT, 8);
	if (memcmp(dsdt->signature, "DSDT", 4))
		fail("no DSDT", (u64)dsdt);
	machine.dsdt_sum = acpi_sum(dsdt, dsdt->length);
}

static void read_madt_entry(const u8 *entry)
{
	struct madt_report *cpu = &madt_cpus[nr_madt_cpus];

	switch (entry[0]) {
	case MADT_IOAPIC:
		machine.ioapics++;
		machine.ioapic = acpi_field(entry, 4, 4);
		machine.gsi_base = acpi_field(entry, 8, 4);
		return;
	case MADT_OVERRIDE:
		machine.overrides++;
		return;
	case MADT_LAPIC:
	case MADT_X2APIC:
		break;
	default:
		machine.madt_unknown++;
		return;
	}
	if (nr_madt_cpus++ == MAX_CPUS)
		fail("too many CPUs in the MADT", nr_madt_cpus);
	cpu->x2apic = entry[0] == MADT_X2APIC;
	cpu->uid = cpu->x2apic ? acpi_field(entry, 12, 4) : entry[2];
	cpu->apic_id = cpu->x2apic ? acpi_field(entry, 4, 4) : entry[3];
	cpu->flags = acpi_field(entry, cpu->x2apic ? 8 : 4, 4);
}

static void read_madt(void)
{
	const struct acpi_table *madt = acpi_find("APIC");
	u32 at = MADT_ENTRIES;
	const u8 *entry;

	machine.lapic = acpi_field(madt, MADT_ADDRESS, 4);
	while ((entry = acpi_entry(madt, &at)))
		read_madt_entry(entry);
}

static void read_srat_cpu(const u8 *entry)
{
	struct srat_cpu_report *cpu = &srat_cpus[nr_srat_cpus];

	if (nr_srat_cpus++ == MAX_CPUS)
		fail("too many CPUs in the SRAT", nr_srat_cpus);
	if (entry[0] == SRAT_X2APIC) {
		cpu->x2apic = 1;
		cpu->node = acpi_field(entry, 4, 4);
		cpu->apic_id = acpi_field(entry, 8, 4);
		cpu->flags = acpi_field(entry, 12, 4);
	} else {
		cpu->node = entry[2] | acpi_field(entry, 9, 3) << 8;
		cpu->apic_id = entry[3];
		cpu->flags = acpi_field(entry, 4, 4);
	}
}

static void read_srat_memory(const u8 *entry)
{
	struct srat_memory_report *memory = &srat_memory[nr_srat_memory];

	if (nr_srat_memory++ == MAX_MEMORY)
		fail("too much memory in the SRAT", nr_srat_memory);
	memory->node = acpi_field(entry, 2, 4);
	memory->base = acpi_field(entry, 8, 8);
	memory->size = acpi_field(entry, 16, 8);
	memory->flags = acpi_field(entry, 28, 4);
}

static void read_srat(void)
{
	const struct acpi_table *srat = acpi_find("SRAT");
	u32 at = SRAT_ENTRIES;
	const u8 *entry;

	while ((entry = acpi_entry(srat, &at))) {
		if (entry[0] == SRAT_MEMORY)
			read_srat_memory(entry);
		else if (entry[0] == SRAT_LAPIC || entry[0] == SRAT_X2APIC)
			read_srat_cpu(entry);
		else
			machine.srat_unknown++;
	}
}

/* ACPI 6.5, 5.2.28.3 */
static void read_hmat_memory(const u8 *entry)
{
	struct hmat_memory_report *memory = &hmat_memory[nr_hmat_memory];

	if (nr_hmat_memory++ == MAX_MEMORY)
		fail("too much memory in the HMAT", nr_hmat_memory);
	memory->flags = acpi_field(entry, 8, 2);
	memory->initiator = acpi_field(entry, 12, 4);
	memory->node = acpi_field(entry, 16, 4);
}

static void add_hmat_value(const struct hmat_value_report *value)
{
	if (nr_hmat_values == MAX_HMAT)
		fail("too many values in the HMAT", nr_hmat_values);
	hmat_values[nr_hmat_values++] = *value;
}

/* ACPI 6.5, 5.2.28.4: two lists of nodes, and what is between them in units of @unit */
static void read_hmat_locality(const u8 *entry)
{
	const u64 from = acpi_field(entry, 12, 4), to = acpi_field(entry, 16, 4);
	const u64 unit = acpi_field(entry, 24, 8), length = acpi_field(entry, 4, 4);
	const u64 to_list = 32 + from * 4, values = to_list + to * 4;
	struct hmat_value_report value = { .flags = entry[8], .type = entry[9] };
	u64 i;

	if (from > MAX_MEMORY || to > MAX_MEMORY || values + from * to * 2 != length)
		fail("a matrix of another length than its nodes need", length);
	for (i = 0; i < from * to; i++) {
		value.from = acpi_field(entry, 32 + i / to * 4, 4);
		value.to = acpi_field(entry, to_list + i % to * 4, 4);
		value.value = acpi_field(entry, values + i * 2, 2) * unit;
		add_hmat_value(&value);
	}
}

/* ACPI 6.5, 5.2.28.5 */
static void read_hmat_cache(const u8 *entry)
{
	struct hmat_cache_report *cache = &hmat_caches[nr_hmat_caches];

	if (nr_hmat_caches++ == MAX_MEMORY)
		fail("too many caches in the HMAT", nr_hmat_caches);
	cache->node = acpi_field(entry, 8, 4);
	cache->size = acpi_field(entry, 16, 8);
	cache->attributes = acpi_field(entry, 24, 4);
}

/* There is one if there is something to say that other tables cannot. */
static void read_hmat(void)
{
	const struct acpi_table *hmat = acpi_look("HMAT");
	u32 at = HMAT_ENTRIES;
	const u8 *entry;

	while (hmat && (entry = acpi_hmat_entry(hmat, &at))) {
		switch (acpi_field(entry, 0, 2)) {
		case HMAT_MEMORY:
			read_hmat_memory(entry);
			break;
		case HMAT_LOCALITY:
			read_hmat_locality(entry);
			break;
		case HMAT_CACHE:
			read_hmat_cache(entry);
			break;
		default:
			machine.hmat_unknown++;
		}
	}
}

static void report_slit(void)
{
	const struct acpi_table *slit = acpi_find("SLIT");
	u64 localities = acpi_field(slit, SLIT_LOCALITIES, 8);

	if (localities > slit->length || SLIT_MATRIX + localities * localities != slit->length)
		fail("a SLIT of another length than its localities need", localities);
	machine.localities = localities;
	report(REPORT_SLIT, (const u8 *)slit + SLIT_MATRIX, localities * localities, 1);
}

void payload_main(void)
{
	read_rsdp();
	read_xsdt();
	read_fadt();
	read_madt();
	read_srat();
	read_hmat();
	report_slit();
	report(REPORT_MACHINE, &machine, 1, sizeof(machine));
	report(REPORT_TABLES, tables, nr_tables, sizeof(tables[0]));
	report(REPORT_MADT, madt_cpus, nr_madt_cpus, sizeof(madt_cpus[0]));
	report(REPORT_SRAT_CPUS, srat_cpus, nr_srat_cpus, sizeof(srat_cpus[0]));
	report(REPORT_SRAT_MEMORY, srat_memory, nr_srat_memory, sizeof(srat_memory[0]));
	report(REPORT_HMAT_MEMORY, hmat_memory, nr_hmat_memory, sizeof(hmat_memory[0]));
	report(REPORT_HMAT_VALUES, hmat_values, nr_hmat_values, sizeof(hmat_values[0]));
	report(REPORT_HMAT_CACHES, hmat_caches, nr_hmat_caches, sizeof(hmat_caches[0]));
}
