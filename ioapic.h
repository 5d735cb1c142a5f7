/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An IOAPIC in user space, for VMs whose irqchip is split: KVM has the LAPICs
 * only. It is the 82093AA's register file (Intel 290566), with two additions.
 *
 * Destinations have 15 bits: bits 55:49 of a redirection entry are bits 14:8 of
 * the id (KVM_FEATURE_MSI_EXT_DEST_ID, Documentation/virt/kvm/x86/cpuid.rst).
 *
 * The version is 0x20, that of the I/O(x)APICs with an EOI register. To end an
 * interrupt by hand, Linux writes to that register; with version 0x11 it makes
 * the entry masked and edge triggered and then what it was, which would be two
 * new route tables, with the pin routed nowhere between them. And KVM offers
 * directed EOI to guests with a split irqchip (APIC_LVR_DIRECTED_EOI): a guest
 * that takes it has no other way than the EOI register.
 *
 * Nothing here does I/O or takes a lock; see ioapic_routing.h for both.
 */
#ifndef KTSTR_IOAPIC_H
#define KTSTR_IOAPIC_H

#include <linux/kvm.h>
#include <linux/types.h>
#include <stdbool.h>

#define IOAPIC_MMIO_SIZE	0x1000UL
#define IOAPIC_PINS		24
#define IOAPIC_VERSION		0x20

/* Registers in memory (290566, 3.1; the 82801 chips have the EOI register) */
#define IOAPIC_IOREGSEL		0x00
#define IOAPIC_IOWIN		0x10
#define IOAPIC_EOI		0x40

/* What IOREGSEL selects (290566, 3.2); two for each redirection entry */
#define IOAPIC_REG_ID		0x00
#define IOAPIC_REG_VERSION	0x01
#define IOAPIC_REG_ARB		0x02
#define IOAPIC_REG_REDIR	0x10

/**
 * struct ioapic - the state; initialise with ioapic_init()
 * @ioregsel: the register that is seen in IOWIN; not checked
 * @id: four bits
 * @asserted: by pin, what the devices say
 * @edges: by pin, was asserted since the last ioapic_service()
 * @redir: redirection entries; reserved bits are zero
 */
struct ioapic {
	u8 ioregsel;
	u8 id;
	u32 asserted;
	u32 edges;
	u64 redir[IOAPIC_PINS];
};

/**
 * ioapic_init() - as after a reset: no pin is asserted, all are masked
 * @io: filled in
 */
void ioapic_init(struct ioapic *io);

/**
 * ioapic_read() - the guest reads
 * @io: the IOAPIC
 * @offset: from its base; where there is no register, there are zeros
 * @data: filled in
 * @len: any; a register has 32 bits, what is read beyond them is zero
 */
void ioapic_read(const struct ioapic *io, u64 offset, void *data, u32 len);

/**
 * ioapic_write() - the guest writes
 * @io: the IOAPIC
 * @offset: from its base
 * @data: what it writes
 * @len: bytes at @data. All but IOREGSEL take 32 bits, and nothing else.
 *
 * Return: whether the results of ioapic_routes() and ioapic_service() may have
 * changed; also if an entry was written with what it held.
 */
bool ioapic_write(struct ioapic *io, u64 offset, const void *data, u32 len);

/**
 * ioapic_eoi() - a LAPIC has ended an interrupt (KVM_EXIT_IOAPIC_EOI)
 * @io: the IOAPIC
 * @vector: of the interrupt; ends it on all pins that have this vector
 */
void ioapic_eoi(struct ioapic *io, u8 vector);

/**
 * ioapic_set_pin() - a device asserts or deasserts its line
 * @io: the IOAPIC
 * @pin: below IOAPIC_PINS
 * @asserted: in whichever polarity the guest believes that the line has
 *
 * For devices whose line has a level. Those with edges only need no IOAPIC at
 * run time: they have an irqfd, for which KVM uses the pin's route.
 */
void ioapic_set_pin(struct ioapic *io, unsigned int pin, bool asserted);

/**
 * ioapic_service() - which pins send their message now
 * @io: the IOAPIC; takes the messages as sent
 *
 * Pins that are not masked, and are either edge triggered and were asserted, or
 * level triggered, are asserted, and have no message under way (Remote IRR).
 * An edge that comes while its pin is masked is lost (290566, 3.2.4, bit 16).
 *
 * Return: a bit for each pin.
 */
u32 ioapic_service(struct ioapic *io);

/**
 * ioapic_unsent() - messages could not be sent: they are due again
 * @io: the IOAPIC
 * @pins: from ioapic_service()
 */
void ioapic_unsent(struct ioapic *io, u32 pins);

/**
 * ioapic_routes() - the messages of all pins that are not masked
 * @io: the IOAPIC
 * @routes: IOAPIC_PINS entries; those used are filled in to the last byte, in
 *	the order of the pins, so that they can be compared with memcmp(). The
 *	GSI is the pin's number.
 *
 * A masked pin keeps its route as long as its message is under way (Remote IRR):
 * KVM reports the end of an interrupt only if it finds the vector in a route.
 *
 * The addresses are in the form that KVM takes once KVM_X2APIC_API_USE_32BIT_IDS
 * is enabled: bits 14:8 of the id are in address_hi (api.rst,
 * KVM_SET_GSI_ROUTING), and not in bits 11:5 of address_lo, where a guest would
 * put them; KVM ignores those.
 *
 * Return: how many entries of @routes are used.
 */
unsigned int ioapic_routes(const struct ioapic *io, struct kvm_irq_routing_entry *routes);

#endif /* KTSTR_IOAPIC_H */
