// SPDX-License-Identifier: GPL-2.0
/*
 * Ends the machine in the way, and by the CPU, that the command line says:
 * "way=1", "cpu=3". What the tables say of power is used as an OS would.
 */
#include "memory_map.h"
#include "payload.h"

/* ACPI 6.5, 5.2.9 */
#define FADT_RESET_REG		(116 + 4)
#define FADT_RESET_VALUE	128
#define FADT_X_DSDT		140
#define FADT_SLEEP_CONTROL	(244 + 4)
#define SLEEP_TYPE_SHIFT	2
#define SLEEP_ENABLE		0x20

static unsigned int last;

/* The first number of \_S5: a package of four bytes, each with its prefix (20.2) */
static u8 sleep_type(const struct acpi_table *fadt)
{
	const struct acpi_table *dsdt = (const void *)acpi_field(fadt, FADT_X_DSDT, 8);
	const u8 *aml = (const u8 *)dsdt;
	u32 i;

	for (i = sizeof(*dsdt); i + 10 <= dsdt->length; i++) {
		if (memcmp(aml + i, "_S5_", 4))
			continue;
		/* name, package, its length in one byte or more, elements, byte prefix */
		i += 4 + 1 + 1 + (aml[i + 5] >> 6) + 1;
		return aml[i] == 0x0a ? aml[i + 1] : aml[i];
	}
	fail("no \\_S5", (u64)dsdt);
}

static void triple_fault(void)
{
	const struct {
		u16 limit;
		u64 base;
	} __packed none = {};

	asm volatile("lidt %0; ud2" : : "m" (none));
}

static void end_machine(void)
{
	const struct acpi_table *fadt = acpi_find("FACP");

	switch (option("way", 0)) {
	case POWER_FADT_SLEEP:
		out8(acpi_field(fadt, FADT_SLEEP_CONTROL, 8),
		     SLEEP_ENABLE | sleep_type(fadt) << SLEEP_TYPE_SHIFT);
		break;
	case POWER_FADT_RESET:
		out8(acpi_field(fadt, FADT_RESET_REG, 8),
		     acpi_field(fadt, FADT_RESET_VALUE, 1));
		break;
	case POWER_I8042:
		while (in8(PORT_I8042_CMD) & 2)
			cpu_relax();
		out8(PORT_I8042_CMD, I8042_RESET);
		break;
	case POWER_CF9:
		out8(PORT_RESET, 0x02);
		out8(PORT_RESET, RESET_HARD);
		break;
	case POWER_TRIPLE_FAULT:
		triple_fault();
		break;
	case POWER_NONE:
		break;
	}
	/* A machine that is still there gives nothing else away. */
	for (;;)
		asm volatile("cli; hlt");
}

void payload_cpu(unsigned int cpu)
{
	if (cpu == last)
		end_machine();
}

void payload_main(void)
{
	last = option("cpu", 0);
	print("up\n");
	if (!last)
		end_machine();
	start_cpus();
	for (;;)
		asm volatile("cli; hlt");
}
