// SPDX-License-Identifier: GPL-2.0
#include "lib.h"
#include "memory_map.h"
#include "payload.h"

/* SDM vol. 3A, 11.4.4 and table 11-1, 11.12.1; AMD's are the same */
#define MSR_APIC_BASE		0x1b
#define APIC_BASE_X2APIC	0x400
#define MSR_X2APIC(reg)		(0x800 + (reg) / 16)
#define APIC_TPR		0x80
#define APIC_EOI		0xb0
#define APIC_DFR		0xe0
#define APIC_SPIV		0xf0
#define APIC_ICR		0x300
#define APIC_ICR_HIGH		0x310
#define SPIV_ENABLE		0x100
#define ICR_PENDING		0x1000
#define DFR_FLAT		0xffffffff
#define FLAT_CPUS		8

/* SDM vol. 3A, 5.14.1: an interrupt gate of 64 bits */
#define GATE_INTERRUPT		0x8e00

/* IOAPIC registers, relative to its base (Intel 290566, 3.1) */
#define IOAPIC_SELECT		0x00
#define IOAPIC_WINDOW		0x10

struct cpu cpus[MAX_CPUS];
u32 nr_cpus;
bool x2apic;
void (*handlers[256])(void);

unsigned int this_cpu(void)
{
	char here;

	return (unsigned int)((&here - stacks) / STACK_SIZE);
}

void idt_init(void)
{
	unsigned int vector;

	for (vector = 0; vector < 256; vector++) {
		u64 stub = (u64)interrupt_stubs + 16 * vector;

		idt[vector][0] = (stub & 0xffff) | CODE_SELECTOR << 16 |
				 (u64)GATE_INTERRUPT << 32 | (stub >> 16 & 0xffff) << 48;
		idt[vector][1] = stub >> 32;
	}
}

void interrupt(u64 vector, u64 error, u64 rip)
{
	if (handlers[vector]) {
		handlers[vector]();
		return;
	}
	if (vector == VECTOR_SPURIOUS)
		return;
	print("payload: error code ");
	print_hex(error);
	print(" at ");
	print_hex(rip);
	print("\n");
	fail("exception, or a vector without a handler", vector);
}

u32 apic_read(u32 reg)
{
	return x2apic ? rdmsr(MSR_X2APIC(reg)) : mmio_read(MAP_LAPIC + reg);
}

void apic_write(u32 reg, u32 val)
{
	if (x2apic)
		wrmsr(MSR_X2APIC(reg), val);
	else
		mmio_write(MAP_LAPIC + reg, val);
}

u32 apic_id(void)
{
	return x2apic ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

void apic_send(u32 dest, u32 icr_low)
{
	memory_barrier();
	if (x2apic) {
		wrmsr(MSR_X2APIC(APIC_ICR), (u64)dest << 32 | icr_low);
		return;
	}
	mmio_write(MAP_LAPIC + APIC_ICR_HIGH, dest << 24);
	mmio_write(MAP_LAPIC + APIC_ICR, icr_low);
	while (mmio_read(MAP_LAPIC + APIC_ICR) & ICR_PENDING)
		cpu_relax();
}

void apic_init(void)
{
	unsigned int cpu = this_cpu();

	cpus[cpu].apic_base = rdmsr(MSR_APIC_BASE);
	if (!cpu)
		x2apic = !option("xapic", 0);
	if (x2apic)
		wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	apic_write(APIC_TPR, 0);
	apic_write(APIC_SPIV, SPIV_ENABLE | VECTOR_SPURIOUS);
	/* In x2APIC mode the logical id follows from the id, and is read-only. */
	if (!x2apic) {
		apic_write(APIC_DFR, DFR_FLAT);
		apic_write(APIC_LDR, cpu < FLAT_CPUS ? 1U << (24 + cpu) : 0);
	}
	cpus[cpu].apic_id = apic_id();
	cpus[cpu].ldr = apic_read(APIC_LDR);
	atomic_inc(&nr_cpus);
}

void next_cpu(unsigned int cpu)
{
	apic_init();
	payload_cpu(cpu);
	for (;;)
		wait_for_interrupt();
}

static void start_one(u32 id)
{
	apic_send(id, ICR_INIT);
	apic_send(id, ICR_STARTUP | TRAMPOLINE >> 12);
}

static void start_all(void)
{
	apic_send(0, ICR_ALL_BUT_SELF | ICR_INIT);
	apic_send(0, ICR_ALL_BUT_SELF | ICR_STARTUP | TRAMPOLINE >> 12);
}

void start_cpus(void)
{
	const struct acpi_table *madt = acpi_find("APIC");
	bool broadcast = option("broadcast", 0);
	u32 at = MADT_ENTRIES, own = apic_id();
	u32 wanted = 0, id;
	const u8 *entry;
	u64 cr3;

	asm volatile("mov %%cr3, %0" : "=r" (cr3));
	trampoline_cr3 = cr3;
	memcpy((void *)(u64)TRAMPOLINE, trampoline, trampoline_end - trampoline);
	if (broadcast)
		start_all();
	while ((entry = acpi_entry(madt, &at))) {
		if (entry[0] != MADT_LAPIC && entry[0] != MADT_X2APIC)
			continue;
		id = entry[0] == MADT_LAPIC ? entry[3] : acpi_field(entry, 4, 4);
		if (++wanted > MAX_CPUS)
			fail("too many CPUs", wanted);
		if (id != own && !broadcast)
			start_one(id);
	}
	while (READ_ONCE(nr_cpus) < wanted)
		cpu_relax();
}

u32 ioapic_read(u32 reg)
{
	mmio_write(MAP_IOAPIC + IOAPIC_SELECT, reg);
	return mmio_read(MAP_IOAPIC + IOAPIC_WINDOW);
}

void ioapic_write(u32 reg, u32 val)
{
	mmio_write(MAP_IOAPIC + IOAPIC_SELECT, reg);
	mmio_write(MAP_IOAPIC + IOAPIC_WINDOW, val);
}

u32 ioapic_dest(u32 dest)
{
	return (dest & 0xff) << 24 | (dest >> 8 & 0x7f) << 17;
}
