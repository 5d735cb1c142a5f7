// SPDX-License-Identifier: GPL-2.0
#include "lib.h"
#include "payload.h"

const struct acpi_rsdp *acpi_rsdp(void)
{
	return (const struct acpi_rsdp *)boot_params->acpi_rsdp_addr;
}

u64 acpi_field(const void *table, size_t offset, size_t size)
{
	u64 val = 0;

	memcpy(&val, (const u8 *)table + offset, size);
	return val;
}

u8 acpi_sum(const void *data, size_t len)
{
	const u8 *byte = data;
	u8 sum = 0;

	while (len--)
		sum += *byte++;
	return sum;
}

const struct acpi_table *acpi_table(unsigned int i)
{
	const struct acpi_table *xsdt = (const struct acpi_table *)acpi_rsdp()->xsdt;
	size_t offset = sizeof(*xsdt) + i * sizeof(u64);

	if (memcmp(xsdt->signature, "XSDT", 4))
		fail("no XSDT", (u64)xsdt);
	if (offset + sizeof(u64) > xsdt->length)
		return NULL;
	return (const struct acpi_table *)acpi_field(xsdt, offset, sizeof(u64));
}

const struct acpi_table *acpi_look(const char *signature)
{
	const struct acpi_table *table;
	unsigned int i;

	for (i = 0; (table = acpi_table(i)); i++)
		if (!memcmp(table->signature, signature, 4))
			return table;
	return NULL;
}

const struct acpi_table *acpi_find(const char *signature)
{
	const struct acpi_table *table = acpi_look(signature);

	if (!table)
		fail("an ACPI table is missing", acpi_field(signature, 0, 4));
	return table;
}

const u8 *acpi_entry(const struct acpi_table *table, u32 *at)
{
	const u8 *entry = (const u8 *)table + *at;

	if (*at + 2 > table->length)
		return NULL;
	if (entry[1] < 2 || *at + entry[1] > table->length)
		fail("an entry of an ACPI table is longer than the table", *at);
	*at += entry[1];
	return entry;
}

const u8 *acpi_hmat_entry(const struct acpi_table *table, u32 *at)
{
	const u8 *entry = (const u8 *)table + *at;
	u64 length;

	if (*at + 8 > table->length)
		return NULL;
	length = acpi_field(entry, 4, 4);
	if (length < 8 || *at + length > table->length)
		fail("an entry of the HMAT is longer than the table", *at);
	*at += length;
	return entry;
}
