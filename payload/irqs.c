// SPDX-License-Identifier: GPL-2.0
/* Sends the interrupts that it is asked for, and counts where they arrive. */
#include <linux/serial_reg.h>

#include "memory_map.h"
#include "payload.h"

#define VECTOR_RELAY		0x42
#define VECTOR_TIMER		0x43
#define GSI_UART		PORT_COM1_GSI

/* SDM vol. 3A, 11.5.4: LVT modes in bits 18:17 */
#define TIMER_PERIODIC		0x20000
#define TIMER_DEADLINE		0x40000
#define TIMER_MASKED		0x10000
#define DIVIDE_BY_1		0xb
#define MSR_TSC_DEADLINE	0x6e0
#define TIMER_TICKS		100000	/* of a GHz or so */

/*
 * How often to look before an interrupt is given up: at first at once, then after
 * a delay, for seconds in all however fast this machine is; and for longer where
 * hundreds of vCPUs wait for a busy one's CPUs.
 */
#define LOOKS_AT_ONCE		1000
#define LOOKS			(LOOKS_AT_ONCE + 10000)

static u32 counts[MAX_CPUS];
static struct irq_reply reply;
static u32 hold;	/* interrupts that the UART's line is to survive */

static void count(void)
{
	atomic_inc(&counts[this_cpu()]);
}

static void device_interrupt(void)
{
	reply.low = ioapic_read(IOAPIC_REG_REDIR(GSI_UART));
	reply.in_service = apic_read(APIC_ISR(IRQ_VECTOR)) >> IRQ_VECTOR % 32 & 1;
	reply.level = apic_read(APIC_TMR(IRQ_VECTOR)) >> IRQ_VECTOR % 32 & 1;
	/* What ends the UART's line is this read. */
	if (hold)
		hold--;
	else
		in8(PORT_COM1 + UART_IIR);
	apic_eoi();
	/* Who waits for this sends the next one, which is to find an end of this one. */
	count();
}

/* It needs no EOI. */
static void nmi(void)
{
	atomic_inc(&reply.nmis);
	count();
}

static void relay_interrupt(void)
{
	unsigned int cpu = this_cpu();

	apic_eoi();
	count();
	if (cpu)
		apic_send(cpus[(cpu + 1) % nr_cpus].apic_id, ICR_FIXED | VECTOR_RELAY);
}

static void one_interrupt(void)
{
	count();
	apic_eoi();
}

/* CPUs wait for interrupts after this. */
void payload_cpu(unsigned int cpu)
{
	(void)cpu;
}

static u32 received(void)
{
	u32 sum = 0;
	u32 i;

	for (i = 0; i < nr_cpus; i++)
		sum += READ_ONCE(counts[i]);
	return sum;
}

/* The first CPU looks on, and lets its own interrupts in. */
static void wait_until_received(u32 wanted)
{
	u32 i;

	asm volatile("sti" : : : "memory");
	for (i = 0; i < LOOKS && received() < wanted; i++) {
		if (i < LOOKS_AT_ONCE / nr_cpus)
			cpu_relax();
		else
			delay();
	}
	asm volatile("cli" : : : "memory");
}

static void let_in_what_should_not_come(void)
{
	asm volatile("sti" : : : "memory");
	delay();
	asm volatile("cli" : : : "memory");
}

/* "Transmitter is empty" off and on again makes an edge. */
static void pulse_uart(void)
{
	out8(PORT_COM1 + UART_MCR, UART_MCR_OUT2);
	out8(PORT_COM1 + UART_IER, 0);
	out8(PORT_COM1 + UART_IER, UART_IER_THRI);
}

static void serve_uart(const struct irq_request *r)
{
	u32 i;

	ioapic_write(IOAPIC_REG_REDIR(GSI_UART) + 1, ioapic_dest(r->dest));
	ioapic_write(IOAPIC_REG_REDIR(GSI_UART), r->low);
	for (i = 1; i <= r->times; i++) {
		hold = r->hold;
		pulse_uart();
		wait_until_received(i * r->expected);
	}
	/* What was sent while the pin was masked must not come afterwards. */
	let_in_what_should_not_come();
	reply.after = ioapic_read(IOAPIC_REG_REDIR(GSI_UART));
	reply.high = ioapic_read(IOAPIC_REG_REDIR(GSI_UART) + 1);
	reply.version = ioapic_read(IOAPIC_REG_VERSION);
	ioapic_write(IOAPIC_REG_REDIR(GSI_UART), IOAPIC_MASKED);
	out8(PORT_COM1 + UART_IER, 0);
	/* A level may have come again: that one is of this request, too. */
	if (r->low & IOAPIC_LEVEL)
		let_in_what_should_not_come();
}

static void serve_ipi(const struct irq_request *r)
{
	u32 i;

	for (i = 1; i <= r->times; i++) {
		apic_send(r->dest, r->low);
		wait_until_received(i * r->expected);
	}
	let_in_what_should_not_come();
}

static void serve_relay(const struct irq_request *r)
{
	u32 i;

	for (i = 1; i <= r->times; i++) {
		apic_send(cpus[1 % nr_cpus].apic_id, ICR_FIXED | VECTOR_RELAY);
		wait_until_received(i * r->expected);
	}
}

static void arm_timer(u32 mode)
{
	if (mode == TIMER_DEADLINE)
		wrmsr(MSR_TSC_DEADLINE, rdtsc() + TIMER_TICKS);
	else
		apic_write(APIC_TIMER_INITIAL, TIMER_TICKS);
}

static bool has_deadline(void)
{
	struct report_leaf leaf;

	cpuid(1, 0, &leaf);
	return leaf.ecx & 1 << 24;
}

/* Nothing but the timer ends the halt. */
static void serve_timer(const struct irq_request *r)
{
	u32 i;

	if (r->low == TIMER_DEADLINE && !has_deadline()) {
		reply.low = IRQ_NO_TIMER;
		return;
	}
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	apic_write(APIC_LVT_TIMER, r->low | VECTOR_TIMER);
	for (i = 1; i <= r->times; i++) {
		if (i == 1 || r->low != TIMER_PERIODIC)
			arm_timer(r->low);
		while (READ_ONCE(counts[0]) < i)
			wait_for_interrupt();
	}
	apic_write(APIC_LVT_TIMER, TIMER_MASKED | VECTOR_TIMER);
	apic_write(APIC_TIMER_INITIAL, 0);
}

/* By the CPU that has received the fewest */
static u32 received_by_each(void)
{
	u32 least = READ_ONCE(counts[0]);
	u32 i;

	for (i = 1; i < nr_cpus; i++)
		if (READ_ONCE(counts[i]) < least)
			least = READ_ONCE(counts[i]);
	return least;
}

static void serve_nudges(const struct irq_request *r)
{
	while (received_by_each() < r->times)
		wait_for_interrupt();
}

static void serve(const struct irq_request *r)
{
	memset(counts, 0, sizeof(counts[0]) * nr_cpus);
	memset(&reply, 0, sizeof(reply));
	switch (r->source) {
	case IRQ_UART:
		serve_uart(r);
		break;
	case IRQ_IPI:
		serve_ipi(r);
		break;
	case IRQ_RELAY:
		serve_relay(r);
		break;
	case IRQ_TIMER:
		serve_timer(r);
		break;
	case IRQ_NUDGE:
		serve_nudges(r);
		break;
	default:
		power_off();
	}
	report(REPORT_IRQ, &reply, 1, sizeof(reply));
	report(REPORT_COUNTS, counts, nr_cpus, sizeof(counts[0]));
}

static struct apic_report apics[MAX_CPUS];

void payload_main(void)
{
	struct irq_request request;
	u32 i;

	handlers[VECTOR_NMI] = nmi;
	handlers[IRQ_VECTOR] = device_interrupt;
	handlers[VECTOR_RELAY] = relay_interrupt;
	handlers[VECTOR_TIMER] = one_interrupt;
	handlers[NUDGE_VECTOR] = one_interrupt;
	start_cpus();
	for (i = 0; i < nr_cpus; i++) {
		apics[i].apic_id = cpus[i].apic_id;
		apics[i].ldr = cpus[i].ldr;
	}
	report(REPORT_APICS, apics, nr_cpus, sizeof(apics[0]));
	for (;;) {
		console_receive(&request, sizeof(request));
		serve(&request);
	}
}
