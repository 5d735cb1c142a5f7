/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What payloads and their test say to each other through the console's port:
 * from the payload, reports, each of them a struct report and its entries; to
 * the payload, what the program at hand takes. All of it is plain data of fixed
 * size. The test trusts none of it.
 */
#ifndef KTSTR_PAYLOAD_REPORT_H
#define KTSTR_PAYLOAD_REPORT_H

#include <linux/types.h>

#define REPORT_MAGIC	0x6b747072
#define REPORT_MAX_CPUS	1024

enum report_kind {
	REPORT_CPUS = 1,	/* struct cpu_report, in the order of their start */
	REPORT_TABLES,		/* struct table_report, in the order of the XSDT */
	REPORT_MACHINE,		/* struct machine_report, one */
	REPORT_MADT,		/* struct madt_report: CPUs, in the MADT's order */
	REPORT_SRAT_CPUS,	/* struct srat_cpu_report, in the SRAT's order */
	REPORT_SRAT_MEMORY,	/* struct srat_memory_report, the same */
	REPORT_SLIT,		/* bytes, localities squared */
	REPORT_HMAT_MEMORY,	/* struct hmat_memory_report, in the HMAT's order */
	REPORT_HMAT_VALUES,	/* struct hmat_value_report, the same */
	REPORT_HMAT_CACHES,	/* struct hmat_cache_report, the same */
	REPORT_APICS,		/* struct apic_report, in the order of their start */
	REPORT_IRQ,		/* struct irq_reply, one */
	REPORT_COUNTS,		/* u32, interrupts by CPU, as in REPORT_APICS */
	REPORT_CONSOLE,		/* struct console_report, one */
	REPORT_ECHO,		/* bytes, those that were sent combined with ECHO_XOR */
};

/**
 * struct report - what precedes every report
 * @magic: REPORT_MAGIC
 * @kind: see enum report_kind
 * @count: entries that follow
 * @size: of each of them, in bytes
 */
struct report {
	u32 magic;
	u32 kind;
	u32 count;
	u32 size;
};

/* -- cpus ---------------------------------------------------------------------- */

struct report_leaf {
	u32 eax;
	u32 ebx;
	u32 ecx;
	u32 edx;
};

/* The CPUID leaves that tell the topology: function, subleaf */
#define REPORT_LEAVES {								\
	{ 0, 0 }, { 1, 0 },							\
	{ 4, 0 }, { 4, 1 }, { 4, 2 }, { 4, 3 }, { 4, 4 },			\
	{ 0xb, 0 }, { 0xb, 1 }, { 0xb, 2 },					\
	{ 0x1f, 0 }, { 0x1f, 1 }, { 0x1f, 2 }, { 0x1f, 3 },			\
	{ 0x40000000, 0 }, { 0x40000001, 0 },					\
	{ 0x80000000, 0 }, { 0x80000001, 0 }, { 0x80000008, 0 },		\
	{ 0x8000001d, 0 }, { 0x8000001d, 1 }, { 0x8000001d, 2 },		\
	{ 0x8000001d, 3 }, { 0x8000001d, 4 }, { 0x8000001e, 0 },		\
}

#define REPORT_NR_LEAVES	25

/**
 * struct cpu_report - what a CPU says of itself
 * @apic_id: from the local APIC's ID register, in the mode that it is in
 * @apic_base: IA32_APIC_BASE as it was when the CPU started
 * @apic_version: the local APIC's version register
 * @leaves: see REPORT_LEAVES
 */
struct cpu_report {
	u32 apic_id;
	u32 apic_base;
	u32 apic_version;
	struct report_leaf leaves[REPORT_NR_LEAVES];
};

/* -- tables -------------------------------------------------------------------- */

/**
 * struct table_report - an ACPI table that the XSDT refers to
 * @signature: four characters
 * @length: in bytes, from its header
 * @revision: from its header
 * @sum: of its bytes, modulo 256
 */
struct table_report {
	char signature[4];
	u32 length;
	u8 revision;
	u8 sum;
	u16 reserved;
};

/**
 * struct machine_report - what is said once
 * @rsdp: guest physical address, from the zero page
 * @rsdp_sums: bits 7:0 the sum of its first 20 bytes, 15:8 of all of it
 * @dsdt_sum: sum of the DSDT's bytes, modulo 256; its address is in the FADT
 * @lapic: address of the local APICs
 * @ioapics: how many the MADT has
 * @ioapic: address of the last one
 * @gsi_base: its first interrupt
 * @overrides: interrupt source overrides in the MADT
 * @madt_unknown: entries in the MADT of any other type but CPUs
 * @srat_unknown: entries in the SRAT that are neither CPUs nor memory
 * @hmat_unknown: entries in the HMAT of any other type but those reported
 * @localities: of the SLIT
 * @fadt_flags: Flags
 * @fadt_boot_arch: IAPC_BOOT_ARCH
 */
struct machine_report {
	u64 rsdp;
	u64 localities;
	u32 rsdp_sums;
	u32 dsdt_sum;
	u32 lapic;
	u32 ioapics;
	u32 ioapic;
	u32 gsi_base;
	u32 overrides;
	u32 madt_unknown;
	u32 srat_unknown;
	u32 fadt_flags;
	u32 fadt_boot_arch;
	u32 hmat_unknown;
};

/* @x2apic: by an entry of that kind */
struct madt_report {
	u32 uid;
	u32 apic_id;
	u32 flags;
	u32 x2apic;
};

struct srat_cpu_report {
	u32 apic_id;
	u32 node;
	u32 flags;
	u32 x2apic;
};

struct srat_memory_report {
	u64 base;
	u64 size;
	u32 node;
	u32 flags;
};

/* A node's memory; @initiator is the node of its CPUs if @flags say so */
struct hmat_memory_report {
	u32 flags;
	u32 initiator;
	u32 node;
};

/**
 * struct hmat_value_report - what is said between the CPUs of a node and a memory
 * @value: latency in ps, or bandwidth in MB/s
 * @flags: memory, or a cache of it
 * @type: 0 latency, 3 bandwidth, of reads and writes alike
 * @from: node of the CPUs
 * @to: node of the memory
 */
struct hmat_value_report {
	u64 value;
	u32 flags;
	u32 type;
	u32 from;
	u32 to;
};

/* A cache of a node's memory */
struct hmat_cache_report {
	u64 size;
	u32 node;
	u32 attributes;
};

/* -- irqs ---------------------------------------------------------------------- */

/**
 * struct apic_report - how interrupts reach a CPU
 * @apic_id: its local APIC's id
 * @ldr: its logical destination register
 */
struct apic_report {
	u32 apic_id;
	u32 ldr;
};

/**
 * enum irq_source - where interrupts come from
 * @IRQ_UART: GSI 4, by the UART's "transmitter is empty"
 * @IRQ_IPI: the first CPU's interrupt command register
 * @IRQ_RELAY: an IPI from the first CPU to the second, from that to the third,
 *	and so on until it is back
 * @IRQ_TIMER: the first CPU's local APIC timer, for which it halts
 * @IRQ_NUDGE: the VMM, to CPUs that halt, unasked (nudge.h)
 * @IRQ_END: none; the payload powers off
 */
enum irq_source {
	IRQ_UART = 1,
	IRQ_IPI,
	IRQ_RELAY,
	IRQ_TIMER,
	IRQ_NUDGE,
	IRQ_END,
};

/**
 * struct irq_request - interrupts to send
 * @source: see enum irq_source
 * @times: how often; IRQ_NUDGE: to each CPU
 * @expected: how many interrupts each time makes, which are waited for; then some
 *	more time is given to those that should not come
 * @low: IRQ_UART: the redirection entry's lower half; IRQ_IPI: the same of the
 *	ICR; IRQ_TIMER: the LVT's mode, bits 18:17
 * @dest: IRQ_UART, IRQ_IPI: the destination, up to 32 bits
 * @hold: IRQ_UART: each time, how many interrupts end without an end of their cause
 */
struct irq_request {
	u32 source;
	u32 times;
	u32 expected;
	u32 low;
	u32 dest;
	u32 hold;
};

/* The reply's @low if the timer does not have the mode */
#define IRQ_NO_TIMER	0xffffffff

/* The vector that IRQ_UART and IRQ_IPI are to have */
#define IRQ_VECTOR	0x41

/* That of IRQ_NUDGE */
#define NUDGE_VECTOR	0x44

/**
 * struct irq_reply - what came of it, followed by REPORT_COUNTS
 * @low: the entry's lower half as it was read in the handler (IRQ_UART)
 * @in_service: whether the local APIC had the interrupt in service there
 * @level: whether the local APIC took it for a level
 * @nmis: how many were non-maskable; they are counted with the others, too
 * @after: the same as @low, at the end
 * @high: its upper half, at the end
 * @version: the IOAPIC's version register
 */
struct irq_reply {
	u32 low;
	u32 in_service;
	u32 level;
	u32 nmis;
	u32 after;
	u32 high;
	u32 version;
};

/* -- console ------------------------------------------------------------------- */

/**
 * enum console_action - what to do with the console
 * @CONSOLE_ECHO: take @len bytes, send them back in @parts descriptors
 * @CONSOLE_RESET: reset the device in the middle of things, then start it anew
 * @CONSOLE_BREAK: make a buffer available that is not in RAM, then the same
 * @CONSOLE_CLOSE: close the port, and open it again
 * @CONSOLE_LAST_WORDS: power off with the whole queue full of buffers of @len
 *	bytes, a multiple of CONSOLE_PAGE, from CONSOLE_WORDS on, one after the other
 * @CONSOLE_END: power off
 */
enum console_action {
	CONSOLE_ECHO = 1,
	CONSOLE_RESET,
	CONSOLE_BREAK,
	CONSOLE_CLOSE,
	CONSOLE_LAST_WORDS,
	CONSOLE_END,
};

/* @features: to accept, of those that are offered, from the next start on */
struct console_request {
	u32 action;
	u32 len;
	u32 parts;
	u32 reserved;
	u64 features;
};

#define CONSOLE_MAX_LEN	(128 * 1024)
#define ECHO_XOR	0x5a
#define CONSOLE_QUEUES	6

/* Where last words are; at the start of each page is CONSOLE_WORDS and its number. */
#define CONSOLE_WORDS	0x800000
#define CONSOLE_PAGE	4096

/**
 * struct console_report - registers of the device
 * @offered: its features
 * @accepted: those that are in use now
 * @magic: MagicValue
 * @version: Version
 * @device: DeviceID
 * @queue_max: QueueSizeMax of each queue, and of the one that does not exist
 * @dirty_status: Status before the reset that was asked for
 * @dirty_interrupts: InterruptStatus at the same time
 * @reset_status: Status right after it
 * @reset_interrupts: InterruptStatus right after it
 * @reset_ready: QueueReady of all queues right after it, added up
 * @irqs: interrupts taken
 */
struct console_report {
	u64 offered;
	u64 accepted;
	u32 magic;
	u32 version;
	u32 device;
	u32 queue_max[CONSOLE_QUEUES + 1];
	u32 dirty_status;
	u32 dirty_interrupts;
	u32 reset_status;
	u32 reset_interrupts;
	u32 reset_ready;
	u32 irqs;
	u32 reserved;
};

/* -- power --------------------------------------------------------------------- */

/**
 * enum power_way - how the machine is to end
 * @POWER_FADT_SLEEP: power-off by the FADT's sleep register and the DSDT's \_S5
 * @POWER_FADT_RESET: by the FADT's reset register
 * @POWER_I8042: by the keyboard controller, which is waited for
 * @POWER_CF9: by the chipset's register
 * @POWER_TRIPLE_FAULT: by an exception without any handler
 * @POWER_NONE: not at all: all CPUs halt, with interrupts disabled
 */
enum power_way {
	POWER_FADT_SLEEP = 1,
	POWER_FADT_RESET,
	POWER_I8042,
	POWER_CF9,
	POWER_TRIPLE_FAULT,
	POWER_NONE,
};

#endif /* KTSTR_PAYLOAD_REPORT_H */
