/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bare payloads are made of: freestanding programs that take the place of
 * a kernel, for machines whose KVM does not run one, and in milliseconds. The
 * VMM loads them as it does a vmlinux.
 *
 * Some KVMs interpret guests, at a million instructions a second: payloads use
 * integer registers only, and little else than what every compiler emits.
 *
 * Memory is mapped one to one below 4 GiB, and its start once more at
 * KERNEL_MAP, where the program is linked. Interrupts are disabled but in
 * wait_for_interrupt().
 */
#ifndef KTSTR_PAYLOAD_H
#define KTSTR_PAYLOAD_H

#ifndef __ASSEMBLER__
#include <linux/compiler.h>
#include <linux/types.h>

#include "report.h"
#endif

#define KERNEL_MAP	0xffffffff80000000
#define TRAMPOLINE	0x10000		/* below 1 MiB: where other CPUs start */
#define MAX_CPUS	1024
#define STACK_SIZE	4096
#define CODE_SELECTOR	0x10
#define DATA_SELECTOR	0x18

#ifndef __ASSEMBLER__

/* -- the program --------------------------------------------------------------- */

/* What the first CPU does. */
void payload_main(void);

/* What each other CPU does, by its number from 1 on, before it waits for interrupts. */
void payload_cpu(unsigned int cpu);

/* -- lib.c --------------------------------------------------------------------- */

void *memcpy(void *to, const void *from, size_t len);
void *memset(void *to, int byte, size_t len);
int memcmp(const void *a, const void *b, size_t len);

/* To the UART, for people. */
void print(const char *text);
void print_hex(u64 val);

/* Say why on the UART, and reset the machine: the test expects a power-off. */
__noreturn void fail(const char *why, u64 val);

/* By the port that the VMM's memory map has. */
__noreturn void power_off(void);

/* The number after "name=" on the command line, hexadecimal, or @otherwise. */
u64 option(const char *name, u64 otherwise);

/* Some milliseconds at least, of the host's time. */
void delay(void);

static inline u64 phys(const void *p)
{
	return (u64)p >= KERNEL_MAP ? (u64)p - KERNEL_MAP : (u64)p;
}

static inline void out8(u16 port, u8 val)
{
	asm volatile("outb %0, %1" : : "a" (val), "Nd" (port));
}

static inline u8 in8(u16 port)
{
	u8 val;

	asm volatile("inb %1, %0" : "=a" (val) : "Nd" (port));
	return val;
}

static inline u32 mmio_read(u64 addr)
{
	u32 val;

	asm volatile("movl %1, %0" : "=r" (val) : "m" (*(volatile u32 *)addr) : "memory");
	return val;
}

static inline void mmio_write(u64 addr, u32 val)
{
	asm volatile("movl %0, %1" : : "r" (val), "m" (*(volatile u32 *)addr) : "memory");
}

static inline u64 rdmsr(u32 msr)
{
	u32 low, high;

	asm volatile("rdmsr" : "=a" (low), "=d" (high) : "c" (msr));
	return (u64)high << 32 | low;
}

static inline void wrmsr(u32 msr, u64 val)
{
	asm volatile("wrmsr" : : "c" (msr), "a" ((u32)val), "d" ((u32)(val >> 32)) : "memory");
}

static inline u64 rdtsc(void)
{
	u32 low, high;

	asm volatile("rdtsc" : "=a" (low), "=d" (high));
	return (u64)high << 32 | low;
}

static inline void cpuid(u32 function, u32 index, struct report_leaf *leaf)
{
	asm volatile("cpuid" : "=a" (leaf->eax), "=b" (leaf->ebx), "=c" (leaf->ecx),
		     "=d" (leaf->edx) : "a" (function), "c" (index));
}

static inline void cpu_relax(void)
{
	asm volatile("pause" : : : "memory");
}

/* MFENCE would do, too, but not everywhere. */
static inline void memory_barrier(void)
{
	asm volatile("lock; addl $0, -4(%%rsp)" : : : "memory", "cc");
}

static inline void atomic_inc(u32 *val)
{
	asm volatile("lock; incl %0" : "+m" (*val) : : "memory", "cc");
}

/* Take one interrupt, or several. */
static inline void wait_for_interrupt(void)
{
	asm volatile("sti; hlt; cli" : : : "memory");
}

/* -- apic.c: interrupts, local APICs, the IOAPIC, starting CPUs ------------------ */

#define VECTOR_NMI		2
#define VECTOR_CONSOLE		0x50
#define VECTOR_SPURIOUS		0xff

#define APIC_ID			0x20
#define APIC_VERSION		0x30
#define APIC_LDR		0xd0
#define APIC_ISR(vector)	(0x100 + (vector) / 32 * 0x10)
#define APIC_TMR(vector)	(0x180 + (vector) / 32 * 0x10)
#define APIC_LVT_TIMER		0x320
#define APIC_TIMER_INITIAL	0x380
#define APIC_TIMER_DIVIDE	0x3e0

#define ICR_INIT		0x4500
#define ICR_STARTUP		0x4600
#define ICR_FIXED		0x4000
#define ICR_LOGICAL		0x0800
#define ICR_ALL_BUT_SELF	0xc0000

#define IOAPIC_REG_VERSION	0x01
#define IOAPIC_REG_REDIR(gsi)	(0x10 + 2 * (gsi))
#define IOAPIC_LEVEL		0x08000
#define IOAPIC_MASKED		0x10000

/* CPUs that are up, in the order of their start, the first one included */
struct cpu {
	u32 apic_id;
	u32 ldr;
	u32 apic_base;		/* as it was found */
};

extern struct cpu cpus[MAX_CPUS];
extern u32 nr_cpus;
extern bool x2apic;		/* the mode of all local APICs; "xapic=1" is the other */

/* Of each CPU, for each vector; called with interrupts disabled. */
extern void (*handlers[256])(void);

/* The number of the CPU that calls this */
unsigned int this_cpu(void);

/* Of the calling CPU; to be called once. */
void apic_init(void);
u32 apic_read(u32 reg);
void apic_write(u32 reg, u32 val);
u32 apic_id(void);
void apic_eoi(void);
void apic_send(u32 dest, u32 icr_low);

/* Start all CPUs of the MADT, all at once with "broadcast=1", and wait for them. */
void start_cpus(void);

u32 ioapic_read(u32 reg);
void ioapic_write(u32 reg, u32 val);

/* The upper half of an entry for a destination of 15 bits */
u32 ioapic_dest(u32 dest);

/* -- acpi.c: the tables, in place ------------------------------------------------ */

struct acpi_table {
	char signature[4];
	u32 length;
	u8 revision;
	u8 checksum;
	char rest[26];
} __packed;

struct acpi_rsdp {
	char signature[8];
	u8 checksum;
	char oem[6];
	u8 revision;
	u32 rsdt;
	u32 length;
	u64 xsdt;
	u8 extended_checksum;
	u8 reserved[3];
} __packed;

const struct acpi_rsdp *acpi_rsdp(void);

/* The table that the XSDT has at @i, or NULL */
const struct acpi_table *acpi_table(unsigned int i);

/* The table with the signature, or NULL */
const struct acpi_table *acpi_look(const char *signature);

/* The same; fails without it */
const struct acpi_table *acpi_find(const char *signature);

/* Sum of bytes, modulo 256 */
u8 acpi_sum(const void *data, size_t len);

/*
 * The entries of a MADT or SRAT, which begin with their type and length, one
 * after the other: @at is the offset of the first, and is moved on. Return: NULL
 * at the end.
 */
const u8 *acpi_entry(const struct acpi_table *table, u32 *at);

/* A field of any size and alignment */
u64 acpi_field(const void *table, size_t offset, size_t size);

/* The same of an HMAT, whose entries have wider types and lengths */
const u8 *acpi_hmat_entry(const struct acpi_table *table, u32 *at);

#define MADT_ENTRIES	44
#define MADT_LAPIC	0
#define MADT_IOAPIC	1
#define MADT_OVERRIDE	2
#define MADT_X2APIC	9
#define SRAT_ENTRIES	48
#define SRAT_LAPIC	0
#define SRAT_MEMORY	1
#define SRAT_X2APIC	2
#define HMAT_ENTRIES	40
#define HMAT_MEMORY	0
#define HMAT_LOCALITY	1
#define HMAT_CACHE	2

/* -- virtio.c: a console ---------------------------------------------------------- */

extern u64 console_features;	/* what console_start() accepts, if it is offered */
extern bool console_irqs;	/* wait for interrupts; "irqs=1" */
extern u32 console_irq_count;

u32 console_register(u32 offset);
void console_set_register(u32 offset, u32 val);
u64 console_offered(void);
u64 console_accepted(void);

/* From reset to an open port */
void console_start(void);

/* Of the port, without which nobody listens */
void console_set_open(bool open);

/* Send a buffer of so many parts of about the same size. */
void console_send(const void *data, u32 len, u32 parts);
void console_receive(void *data, u32 len);

#define CONSOLE_QUEUE_SIZE	16

/* Make buffer @i available, and not wait for what comes of it. */
void console_send_gpa(u16 i, u64 gpa, u32 len);

/* Start the console, if it is not, and send a report. */
void report(enum report_kind kind, const void *entries, u32 count, u32 size);

#endif /* __ASSEMBLER__ */
#endif /* KTSTR_PAYLOAD_H */
