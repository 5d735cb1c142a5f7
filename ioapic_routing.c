// SPDX-License-Identifier: GPL-2.0
#include <linux/bits.h>
#include <string.h>

#include "ioapic_routing.h"

void ioapic_routing_init(struct ioapic_routing *r, const struct ioapic_ops *ops, void *ctx)
{
	memset(r, 0, sizeof(*r));
	r->ops = ops;
	r->ctx = ctx;
	pthread_mutex_init(&r->lock, NULL);
	pthread_mutex_init(&r->install_lock, NULL);
	ioapic_init(&r->io);
}

void ioapic_routing_destroy(struct ioapic_routing *r)
{
	pthread_mutex_destroy(&r->install_lock);
	pthread_mutex_destroy(&r->lock);
}

/* Return: whether KVM has the table. */
static bool install(struct ioapic_routing *r, const struct kvm_irq_routing *routes)
{
	size_t size = routes->nr * sizeof(routes->entries[0]);

	/* KVM would wait for all users of the old table, even if nothing changes. */
	if (routes->nr == r->nr_installed && !memcmp(r->installed, routes->entries, size))
		return true;
	if (r->ops->install(r->ctx, routes)) {
		r->failures++;
		return false;
	}
	r->nr_installed = routes->nr;
	memcpy(r->installed, routes->entries, size);
	return true;
}

/*
 * Do what the state of the IOAPIC asks for. The state is taken with install_lock
 * held, after the change that led here, so that of two threads the later one
 * installs the newer table. Routes come before messages: KVM reports the end of
 * an interrupt only if it finds the vector in a route. Without routes the messages
 * wait for whoever comes next.
 */
static void update(struct ioapic_routing *r)
{
	union {
		struct kvm_irq_routing routes;
		u8 room[sizeof(struct kvm_irq_routing) + sizeof(r->installed)];
	} table = { .routes.nr = 0 };
	struct kvm_irq_routing *routes = &table.routes;
	u32 i, due;

	pthread_mutex_lock(&r->install_lock);
	pthread_mutex_lock(&r->lock);
	routes->nr = ioapic_routes(&r->io, routes->entries);
	due = ioapic_service(&r->io);
	pthread_mutex_unlock(&r->lock);

	if (!install(r, routes)) {
		pthread_mutex_lock(&r->lock);
		ioapic_unsent(&r->io, due);
		pthread_mutex_unlock(&r->lock);
		due = 0;
	}
	for (i = 0; i < routes->nr; i++)
		if (due & BIT(routes->entries[i].gsi))
			r->ops->send(r->ctx, &routes->entries[i].u.msi);
	pthread_mutex_unlock(&r->install_lock);
}

void ioapic_routing_mmio(struct ioapic_routing *r, u64 offset, bool write, void *data, u32 len)
{
	bool changed = false;

	pthread_mutex_lock(&r->lock);
	if (write)
		changed = ioapic_write(&r->io, offset, data, len);
	else
		ioapic_read(&r->io, offset, data, len);
	pthread_mutex_unlock(&r->lock);
	if (changed)
		update(r);
}

void ioapic_routing_eoi(struct ioapic_routing *r, u8 vector)
{
	pthread_mutex_lock(&r->lock);
	ioapic_eoi(&r->io, vector);
	pthread_mutex_unlock(&r->lock);
	update(r);
}

void ioapic_routing_set_pin(struct ioapic_routing *r, unsigned int pin, bool asserted)
{
	pthread_mutex_lock(&r->lock);
	ioapic_set_pin(&r->io, pin, asserted);
	pthread_mutex_unlock(&r->lock);
	update(r);
}

u64 ioapic_routing_failures(struct ioapic_routing *r)
{
	u64 failures;

	pthread_mutex_lock(&r->install_lock);
	failures = r->failures;
	pthread_mutex_unlock(&r->install_lock);
	return failures;
}
