// SPDX-License-Identifier: GPL-2.0
#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/kernel.h>
#include <string.h>

#include "ioapic.h"
#include "msi.h"

/* 290566, 3.2.1 and 3.2.2 */
#define ID_MASK			GENMASK(27, 24)
#define VERSION_MAX_ENTRY	GENMASK(23, 16)

/* A redirection entry (290566, 3.2.4) */
#define REDIR_VECTOR		GENMASK_ULL(7, 0)
#define REDIR_DELIVERY_MODE	GENMASK_ULL(10, 8)
#define REDIR_DEST_LOGICAL	BIT_ULL(11)
#define REDIR_ACTIVE_LOW	BIT_ULL(13)
#define REDIR_REMOTE_IRR	BIT_ULL(14)
#define REDIR_LEVEL		BIT_ULL(15)
#define REDIR_MASKED		BIT_ULL(16)
#define REDIR_DEST_14_8		GENMASK_ULL(55, 49)
#define REDIR_DEST_7_0		GENMASK_ULL(63, 56)
#define REDIR_LOW		GENMASK_ULL(31, 0)

/* Remote IRR, and Delivery Status (bit 12: a message leaves at once), are read-only. */
#define REDIR_WRITABLE	(REDIR_VECTOR | REDIR_DELIVERY_MODE | REDIR_DEST_LOGICAL |	\
			 REDIR_ACTIVE_LOW | REDIR_LEVEL | REDIR_MASKED |		\
			 REDIR_DEST_14_8 | REDIR_DEST_7_0)

#define DELIVERY_LOWEST_PRIORITY	1

/* NMI, SMI, INIT and ExtINT are edges, whatever the entry says (290566, 3.2.4). */
static bool is_level(u64 redir)
{
	return redir & REDIR_LEVEL &&
	       FIELD_GET(REDIR_DELIVERY_MODE, redir) <= DELIVERY_LOWEST_PRIORITY;
}

void ioapic_init(struct ioapic *io)
{
	unsigned int pin;

	memset(io, 0, sizeof(*io));
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		io->redir[pin] = REDIR_MASKED;
}

static u32 read_reg(const struct ioapic *io)
{
	unsigned int index = io->ioregsel - IOAPIC_REG_REDIR;

	switch (io->ioregsel) {
	case IOAPIC_REG_ID:
	case IOAPIC_REG_ARB:	/* loaded when the id is written */
		return FIELD_PREP(ID_MASK, io->id);
	case IOAPIC_REG_VERSION:
		return FIELD_PREP(VERSION_MAX_ENTRY, IOAPIC_PINS - 1) | IOAPIC_VERSION;
	}
	if (index >= 2 * IOAPIC_PINS)
		return 0;
	return io->redir[index / 2] >> (index % 2 ? 32 : 0);
}

void ioapic_read(const struct ioapic *io, u64 offset, void *data, u32 len)
{
	u32 val = 0;

	if (offset == IOAPIC_IOREGSEL)
		val = io->ioregsel;
	else if (offset == IOAPIC_IOWIN)
		val = read_reg(io);
	memset(data, 0, len);
	memcpy(data, &val, min_t(size_t, len, sizeof(val)));
}

static void write_redir(u64 *redir, bool high, u32 val)
{
	u64 now;

	if (high)
		now = (u64)val << 32 | (*redir & REDIR_LOW);
	else
		now = (*redir & ~REDIR_LOW) | val;
	now = (now & REDIR_WRITABLE) | (*redir & REDIR_REMOTE_IRR);
	/* Software that ends interrupts without an EOI register counts on this. */
	if (!is_level(now))
		now &= ~REDIR_REMOTE_IRR;
	*redir = now;
}

/* Return: see ioapic_write() */
static bool write_reg(struct ioapic *io, u32 val)
{
	unsigned int index = io->ioregsel - IOAPIC_REG_REDIR;

	if (io->ioregsel == IOAPIC_REG_ID)
		io->id = FIELD_GET(ID_MASK, val);
	if (index >= 2 * IOAPIC_PINS)
		return false;
	write_redir(&io->redir[index / 2], index % 2, val);
	return true;
}

bool ioapic_write(struct ioapic *io, u64 offset, const void *data, u32 len)
{
	u32 val;

	if (offset == IOAPIC_IOREGSEL && len)
		memcpy(&io->ioregsel, data, sizeof(io->ioregsel));
	if (len != sizeof(val))
		return false;
	memcpy(&val, data, sizeof(val));
	if (offset == IOAPIC_IOWIN)
		return write_reg(io, val);
	if (offset != IOAPIC_EOI)
		return false;
	ioapic_eoi(io, val);
	return true;
}

void ioapic_eoi(struct ioapic *io, u8 vector)
{
	unsigned int pin;

	for (pin = 0; pin < IOAPIC_PINS; pin++)
		if (FIELD_GET(REDIR_VECTOR, io->redir[pin]) == vector)
			io->redir[pin] &= ~REDIR_REMOTE_IRR;
}

void ioapic_set_pin(struct ioapic *io, unsigned int pin, bool asserted)
{
	if (!asserted) {
		io->asserted &= ~BIT(pin);
		return;
	}
	io->edges |= BIT(pin) & ~io->asserted;
	io->asserted |= BIT(pin);
}

u32 ioapic_service(struct ioapic *io)
{
	unsigned int pin;
	u32 due = 0;

	for (pin = 0; pin < IOAPIC_PINS; pin++) {
		u64 *redir = &io->redir[pin];

		if (*redir & (REDIR_MASKED | REDIR_REMOTE_IRR))
			continue;
		if (!is_level(*redir)) {
			due |= io->edges & BIT(pin);
		} else if (io->asserted & BIT(pin)) {
			*redir |= REDIR_REMOTE_IRR;
			due |= BIT(pin);
		}
	}
	io->edges = 0;
	return due;
}

void ioapic_unsent(struct ioapic *io, u32 pins)
{
	unsigned int pin;

	for (pin = 0; pin < IOAPIC_PINS; pin++) {
		if (!(pins & BIT(pin)))
			continue;
		if (is_level(io->redir[pin]))
			io->redir[pin] &= ~REDIR_REMOTE_IRR;
		else
			io->edges |= BIT(pin);
	}
}

static struct kvm_irq_routing_msi to_msi(u64 redir)
{
	u32 mode = FIELD_GET(REDIR_DELIVERY_MODE, redir);

	/*
	 * The polarity stays behind: a message says that the line is asserted.
	 * Only such messages are sent, so bit 14 is always set; without bit 15 it
	 * has no meaning (SDM vol. 3A, 11.11.2).
	 */
	return (struct kvm_irq_routing_msi) {
		.address_lo = MSI_ADDRESS |
			FIELD_PREP(MSI_DEST_7_0, FIELD_GET(REDIR_DEST_7_0, redir)) |
			(mode == DELIVERY_LOWEST_PRIORITY ? MSI_REDIRECTION_HINT : 0) |
			(redir & REDIR_DEST_LOGICAL ? MSI_DEST_LOGICAL : 0),
		.address_hi = FIELD_PREP(MSI_HI_DEST_14_8, FIELD_GET(REDIR_DEST_14_8, redir)),
		.data = (is_level(redir) ? MSI_LEVEL : 0) | MSI_ASSERT |
			FIELD_PREP(MSI_DELIVERY_MODE, mode) |
			FIELD_PREP(MSI_VECTOR, FIELD_GET(REDIR_VECTOR, redir)),
	};
}

unsigned int ioapic_routes(const struct ioapic *io, struct kvm_irq_routing_entry *routes)
{
	unsigned int pin, nr = 0;

	for (pin = 0; pin < IOAPIC_PINS; pin++) {
		if ((io->redir[pin] & (REDIR_MASKED | REDIR_REMOTE_IRR)) == REDIR_MASKED)
			continue;
		memset(&routes[nr], 0, sizeof(routes[nr]));
		routes[nr].gsi = pin;
		routes[nr].type = KVM_IRQ_ROUTING_MSI;
		routes[nr].u.msi = to_msi(io->redir[pin]);
		nr++;
	}
	return nr;
}
