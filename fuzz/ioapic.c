// SPDX-License-Identifier: GPL-2.0
/* A guest's accesses to the IOAPIC, and its devices' interrupts */
#include <linux/bits.h>

#include "fuzz.h"
#include "ioapic.h"

/* Return: the pins that have one */
static u32 check_routes(const struct ioapic *io)
{
	struct kvm_irq_routing_entry routes[IOAPIC_PINS];
	unsigned int i, nr;
	u32 pins = 0;

	nr = ioapic_routes(io, routes);
	fuzz_assert(nr <= IOAPIC_PINS);
	for (i = 0; i < nr; i++) {
		fuzz_assert(routes[i].gsi < IOAPIC_PINS);
		fuzz_assert(!i || routes[i].gsi > routes[i - 1].gsi);
		fuzz_assert(routes[i].type == KVM_IRQ_ROUTING_MSI);
		fuzz_assert(routes[i].u.msi.address_lo >> 20 == 0xfee);
		pins |= BIT(routes[i].gsi);
	}
	return pins;
}

/* Send what is due, and only some of it gets there. */
static void send(struct ioapic *io, u32 arrives)
{
	u32 sent = ioapic_service(io), lost = sent & ~arrives;

	/* Nothing is sent without a route. */
	fuzz_assert(!(sent & ~check_routes(io)));
	ioapic_unsent(io, lost);
	/* What was lost is sent again, and nothing else. */
	fuzz_assert(ioapic_service(io) == lost);
	fuzz_assert(!ioapic_service(io));
}

static void step(struct ioapic *io, struct fuzz_input *in)
{
	u8 what = fuzz_number(in, 1), offset, data[16] = {};
	unsigned int len = what >> 4;
	u64 val;

	switch (what & 7) {
	case 0:
		ioapic_read(io, fuzz_number(in, what & 8 ? 8 : 1), data, len);
		break;
	case 1:
		val = fuzz_number(in, 8);
		memcpy(data, &val, sizeof(val));
		ioapic_write(io, fuzz_number(in, what & 8 ? 8 : 1), data, len);
		break;
	case 2:
	case 3:
		/* What a driver does: select a register, and write it. */
		offset = fuzz_number(in, 1);
		ioapic_write(io, IOAPIC_IOREGSEL, &offset, 1);
		val = fuzz_number(in, 4);
		ioapic_write(io, IOAPIC_IOWIN, &val, 4);
		break;
	case 4:
		ioapic_eoi(io, fuzz_number(in, 1));
		break;
	case 5:
		val = fuzz_number(in, 1);
		ioapic_set_pin(io, val % IOAPIC_PINS, val & 0x80);
		break;
	case 6:
		send(io, fuzz_number(in, 3));
		break;
	default:
		send(io, ~0U);
		break;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct ioapic io;

	ioapic_init(&io);
	while (in.size) {
		step(&io, &in);
		check_routes(&io);
	}
	return 0;
}
