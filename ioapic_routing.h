/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The IOAPIC at work: shared by the threads of a VM, and KVM's table of routes
 * kept equal to its redirection entries.
 *
 * All functions may be called by any thread, but not from struct ioapic_ops.
 */
#ifndef KTSTR_IOAPIC_ROUTING_H
#define KTSTR_IOAPIC_ROUTING_H

#include <linux/kvm.h>
#include <linux/types.h>
#include <pthread.h>
#include <stdbool.h>

#include "ioapic.h"

/**
 * struct ioapic_ops - the way to the LAPICs; one call at a time
 * @install: KVM_SET_GSI_ROUTING, which replaces the whole table; returns 0 if
 *	@routes is in use now, anything else if the table is what it was
 * @send: KVM_SIGNAL_MSI. A message for which there is no CPU is no failure, or
 *	none of ours: the guest chose it.
 */
struct ioapic_ops {
	int (*install)(void *ctx, const struct kvm_irq_routing *routes);
	void (*send)(void *ctx, const struct kvm_irq_routing_msi *msi);
};

/**
 * struct ioapic_routing - initialise with ioapic_routing_init()
 * @ops: see struct ioapic_ops
 * @ctx: passed to @ops
 * @lock: of @io; never held during @ops, so that a CPU that reads registers does
 *	not wait for KVM to replace a table that others still use
 * @io: the IOAPIC
 * @install_lock: of all below, held during @ops; @lock is taken inside of it
 * @installed: KVM's table
 * @nr_installed: entries of @installed that are used
 * @failures: calls of install() that failed
 */
struct ioapic_routing {
	const struct ioapic_ops *ops;
	void *ctx;
	pthread_mutex_t lock;
	struct ioapic io;
	pthread_mutex_t install_lock;
	struct kvm_irq_routing_entry installed[IOAPIC_PINS];
	u32 nr_installed;
	u64 failures;
};

/**
 * ioapic_routing_init() - an IOAPIC after reset, for a VM without routes
 * @r: filled in
 * @ops: see struct ioapic_ops
 * @ctx: passed to @ops
 */
void ioapic_routing_init(struct ioapic_routing *r, const struct ioapic_ops *ops, void *ctx);

/**
 * ioapic_routing_destroy() - nobody uses it any more
 * @r: the IOAPIC
 */
void ioapic_routing_destroy(struct ioapic_routing *r);

/**
 * ioapic_routing_mmio() - an MMIO exit
 * @r: the IOAPIC
 * @offset: from its base
 * @write: the guest writes
 * @data: @len bytes, read or filled in
 * @len: 1 to 8
 *
 * When it returns, KVM has the routes that were written, or a failure was
 * counted; the next write to an entry, end of interrupt or change of a line tries
 * again, and no message is sent before that.
 */
void ioapic_routing_mmio(struct ioapic_routing *r, u64 offset, bool write, void *data, u32 len);

/**
 * ioapic_routing_eoi() - a KVM_EXIT_IOAPIC_EOI
 * @r: the IOAPIC
 * @vector: of the interrupt that a CPU has ended
 *
 * A line that is still asserted interrupts again.
 */
void ioapic_routing_eoi(struct ioapic_routing *r, u8 vector);

/**
 * ioapic_routing_set_pin() - a device asserts or deasserts its line
 * @r: the IOAPIC
 * @pin: below IOAPIC_PINS
 * @asserted: see ioapic_set_pin()
 */
void ioapic_routing_set_pin(struct ioapic_routing *r, unsigned int pin, bool asserted);

/**
 * ioapic_routing_failures() - how often KVM refused a table
 * @r: the IOAPIC
 *
 * Any is a reason for a device in the guest to wait for its interrupt for ever.
 */
u64 ioapic_routing_failures(struct ioapic_routing *r);

#endif /* KTSTR_IOAPIC_ROUTING_H */
