// SPDX-License-Identifier: GPL-2.0
/*
 * The IOAPIC: its registers under well and ill behaved accesses, the messages
 * that it makes of redirection entries, and how they become KVM's routes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "ioapic.h"
#include "ioapic_routing.h"
#include "harness.h"
#include "patience.h"

/* Redirection entries as a driver makes them (82093AA datasheet, 3.2.4) */
#define LOWEST_PRIORITY	BIT_ULL(8)
#define NMI		(4ULL << 8)
#define LOGICAL		BIT_ULL(11)
#define PENDING		BIT_ULL(12)
#define ACTIVE_LOW	BIT_ULL(13)
#define REMOTE_IRR	BIT_ULL(14)
#define LEVEL		BIT_ULL(15)
#define MASKED		BIT_ULL(16)
#define WRITABLE	0xfffe00000001affFULL

static u64 dest(u32 id)
{
	return (u64)(id & 0xff) << 56 | (u64)(id >> 8) << 49;
}

static u32 read_reg(const struct ioapic *io, u8 reg)
{
	struct ioapic copy = *io;
	u32 val;

	ioapic_write(&copy, IOAPIC_IOREGSEL, &reg, sizeof(reg));
	ioapic_read(&copy, IOAPIC_IOWIN, &val, sizeof(val));
	return val;
}

static bool write_reg(struct ioapic *io, u8 reg, u32 val)
{
	u32 select = reg;

	if (ioapic_write(io, IOAPIC_IOREGSEL, &select, sizeof(select)))
		abort();
	return ioapic_write(io, IOAPIC_IOWIN, &val, sizeof(val));
}

static u64 read_redir(const struct ioapic *io, unsigned int pin)
{
	return read_reg(io, 0x10 + 2 * pin) | (u64)read_reg(io, 0x11 + 2 * pin) << 32;
}

static void write_redir(struct ioapic *io, unsigned int pin, u64 redir)
{
	write_reg(io, 0x11 + 2 * pin, redir >> 32);
	write_reg(io, 0x10 + 2 * pin, redir);
}

/* What a LAPIC takes from a message: SDM vol. 3A, 11.11, with KVM's upper half */
struct message {
	u32 dest;
	bool logical;
	u32 mode;
	bool level;
	bool assert;
	u32 vector;
};

static bool decode(const struct kvm_irq_routing_msi *msi, struct message *m)
{
	*m = (struct message) {
		.dest = (msi->address_lo >> 12 & 0xff) + (msi->address_hi >> 8 << 8),
		.logical = msi->address_lo >> 2 & 1,
		.mode = msi->data >> 8 & 7,
		.level = msi->data >> 15 & 1,
		.assert = msi->data >> 14 & 1,
		.vector = msi->data & 0xff,
	};
	/* What is reserved, or a refusal (api.rst, KVM_SET_GSI_ROUTING) */
	return msi->address_lo >> 20 == 0xfee && !(msi->address_lo & 0xff3) &&
	       !(msi->address_hi & 0xff) && !(msi->data & 0xffff3800) && !msi->pad;
}

/* Does the message say what the entry says? */
static bool same(u64 redir, const struct kvm_irq_routing_msi *msi)
{
	u32 mode = redir >> 8 & 7;
	struct message m;

	return decode(msi, &m) && m.vector == (redir & 0xff) && m.mode == mode &&
	       m.logical == !!(redir & LOGICAL) && m.assert &&
	       m.level == (redir & LEVEL && mode < 2) &&
	       !!(msi->address_lo & 8) == (mode == 1) &&
	       m.dest == (u32)(redir >> 56 | (redir >> 49 & 0x7f) << 8);
}

/* Return: why the routes are not those of the entries, or NULL */
static const char *check_routes(const struct ioapic *io)
{
	struct kvm_irq_routing_entry routes[IOAPIC_PINS], zero = {};
	unsigned int pin, nr, used = 0;

	memset(routes, 0xa5, sizeof(routes));
	nr = ioapic_routes(io, routes);
	for (pin = 0; pin < IOAPIC_PINS; pin++) {
		u64 redir = read_redir(io, pin);
		struct kvm_irq_routing_entry *e = &routes[used];

		if (redir & ~(WRITABLE | REMOTE_IRR))
			return "a reserved bit is set";
		if (redir & REMOTE_IRR && !(redir & LEVEL))
			return "Remote IRR without level";
		if ((redir & (MASKED | REMOTE_IRR)) == MASKED)
			continue;
		if (used++ == nr)
			return "a route is missing";
		if (e->gsi != pin || e->type != KVM_IRQ_ROUTING_MSI || e->flags || e->pad)
			return "a wrong route";
		if (!same(redir, &e->u.msi))
			return "a wrong message";
		memset(&e->u.msi, 0, sizeof(e->u.msi));
		if (memcmp(&e->u, &zero.u, sizeof(zero.u)))
			return "bytes that are not initialised";
	}
	return used == nr ? NULL : "too many routes";
}

TEST(reset_state)
{
	struct ioapic io;
	unsigned int pin;

	memset(&io, 0xff, sizeof(io));
	ioapic_init(&io);
	EXPECT_EQ(0, read_reg(&io, 0));
	EXPECT_EQ(0x00170020, read_reg(&io, 1));
	EXPECT_EQ(0, read_reg(&io, 2));
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		EXPECT_EQ(MASKED, read_redir(&io, pin));
	EXPECT_EQ(0, ioapic_service(&io));
	EXPECT_EQ(NULL, check_routes(&io));
}

/* All registers hold what the datasheet lets them, and nothing else. */
TEST(read_only_bits)
{
	struct ioapic io;
	unsigned int reg;

	ioapic_init(&io);
	for (reg = 0; reg < 256; reg++)
		EXPECT_EQ(reg >= 0x10 && reg < 0x40, write_reg(&io, reg, 0xffffffff));
	for (reg = 0; reg < 256; reg++) {
		u32 want = 0;

		if (reg == 0 || reg == 2)
			want = 0x0f000000;
		else if (reg == 1)
			want = 0x00170020;
		else if (reg >= 0x10 && reg < 0x40)
			want = reg % 2 ? WRITABLE >> 32 : (u32)WRITABLE;
		EXPECT_EQ(want, read_reg(&io, reg));
	}
	write_reg(&io, 0, 0x05000000);
	EXPECT_EQ(0x05000000, read_reg(&io, 0));
	EXPECT_EQ(0x05000000, read_reg(&io, 2));
	for (reg = 0x10; reg < 0x40; reg++)
		write_reg(&io, reg, 0);
	for (reg = 0x10; reg < 0x40; reg++)
		EXPECT_EQ(0, read_reg(&io, reg));
}

/* A guest may read any size anywhere: it gets the register's bytes, or zeros. */
TEST(read_sizes)
{
	static const u8 version[8] = { 0x20, 0x00, 0x17 };
	static const u8 selected[8] = { IOAPIC_REG_VERSION };
	static const u8 zeros[8];
	struct ioapic io;
	u64 offset;
	u32 len;

	ioapic_init(&io);
	io.ioregsel = IOAPIC_REG_VERSION;
	for (len = 0; len <= 8; len++) {
		for (offset = 0; offset < 2 * IOAPIC_MMIO_SIZE; offset++) {
			const u8 *want = zeros;
			u8 data[9];

			if (offset == 0x10)
				want = version;
			else if (offset == 0)
				want = selected;
			memset(data, 0xa5, sizeof(data));
			ioapic_read(&io, offset, data, len);
			ASSERT_EQ(0, memcmp(data, want, len));
			ASSERT_EQ(0xa5, data[len]);
		}
	}
}

/* What is no register, or is not written as one, changes nothing. */
TEST(write_sizes)
{
	static const u8 ones[8] = { 0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct ioapic io, before;
	u64 offset;
	u32 len;

	ioapic_init(&io);
	write_redir(&io, 0, LEVEL | 0x10);
	ioapic_set_pin(&io, 0, true);
	EXPECT_EQ(BIT(0), ioapic_service(&io));
	before = io;
	for (len = 0; len <= 8; len++) {
		for (offset = 0; offset < 2 * IOAPIC_MMIO_SIZE; offset++) {
			bool reg = offset == 0x10 || offset == 0x40;

			if (offset == 0 || (reg && len == 4))
				continue;
			ASSERT_FALSE(ioapic_write(&io, offset, ones, len));
			ASSERT_EQ(0, memcmp(&before, &io, sizeof(io)));
		}
		EXPECT_FALSE(ioapic_write(&io, ~0ULL, ones, len));
		EXPECT_FALSE(ioapic_write(&io, 1ULL << 32, ones, len));
		EXPECT_EQ(0, memcmp(&before, &io, sizeof(io)));
	}
	/* Eight bits select, however many are written. */
	for (len = 1; len <= 8; len++) {
		io.ioregsel = 0;
		EXPECT_FALSE(ioapic_write(&io, 0, ones, len));
		EXPECT_EQ(0x10, io.ioregsel);
	}
}

/* Every id of 15 bits, in both modes, as KVM wants it */
TEST(destinations)
{
	struct kvm_irq_routing_entry routes[IOAPIC_PINS];
	struct ioapic io;
	struct message m;
	u32 id;

	ioapic_init(&io);
	for (id = 0; id < 32768; id++) {
		u64 redir = dest(id) | 0x31 | (id % 3 ? LOGICAL : 0);

		write_redir(&io, 9, redir);
		ASSERT_EQ(1, ioapic_routes(&io, routes));
		ASSERT_TRUE(decode(&routes[0].u.msi, &m));
		ASSERT_EQ(id, m.dest);
		ASSERT_TRUE(same(redir, &routes[0].u.msi));
		ASSERT_EQ(redir, read_redir(&io, 9));
	}
	/* One by hand: a message to CPU 0x1234 */
	write_redir(&io, 9, 0x3424000000000055ULL);
	ioapic_routes(&io, routes);
	EXPECT_EQ(0xfee34000, routes[0].u.msi.address_lo);
	EXPECT_EQ(0x00001200, routes[0].u.msi.address_hi);
	EXPECT_EQ(0x00004055, routes[0].u.msi.data);
}

/* Every low half of an entry that the guest can write */
TEST(messages)
{
	struct ioapic io;
	u32 low;

	ioapic_init(&io);
	for (low = 0; low < 0x20000; low++) {
		write_redir(&io, low % IOAPIC_PINS, dest(0x5a5a) | low);
		ASSERT_EQ(low & WRITABLE, (u32)read_redir(&io, low % IOAPIC_PINS));
		if (low % 16)
			continue;
		ASSERT_EQ(NULL, check_routes(&io)) {
			TH_LOG("low half %#x: %s", low, check_routes(&io));
		}
	}
}

/* The table is complete, without masked pins, in order. */
TEST(routes)
{
	struct kvm_irq_routing_entry routes[IOAPIC_PINS];
	unsigned int pin;
	struct ioapic io;

	ioapic_init(&io);
	for (pin = 0; pin < IOAPIC_PINS; pin++) {
		write_redir(&io, pin, dest(pin) | (0x30 + pin));
		EXPECT_EQ(pin + 1, ioapic_routes(&io, routes));
		EXPECT_EQ(NULL, check_routes(&io));
	}
	for (pin = 0; pin < IOAPIC_PINS; pin += 2)
		write_redir(&io, pin, MASKED);
	EXPECT_EQ(IOAPIC_PINS / 2, ioapic_routes(&io, routes));
	for (pin = 0; pin < IOAPIC_PINS / 2; pin++)
		EXPECT_EQ(2 * pin + 1, routes[pin].gsi);
	EXPECT_EQ(NULL, check_routes(&io));
}

TEST(edge)
{
	struct ioapic io;

	ioapic_init(&io);
	write_redir(&io, 5, 0x41);
	EXPECT_EQ(0, ioapic_service(&io));
	ioapic_set_pin(&io, 5, true);
	EXPECT_EQ(BIT(5), ioapic_service(&io));
	EXPECT_EQ(0x41, read_redir(&io, 5));
	ioapic_set_pin(&io, 5, true);
	EXPECT_EQ(0, ioapic_service(&io));
	ioapic_set_pin(&io, 5, false);
	EXPECT_EQ(0, ioapic_service(&io));
	ioapic_set_pin(&io, 5, true);
	EXPECT_EQ(BIT(5), ioapic_service(&io));

	/* An edge while masked is lost. */
	write_redir(&io, 5, MASKED | 0x41);
	ioapic_set_pin(&io, 5, false);
	ioapic_set_pin(&io, 5, true);
	EXPECT_EQ(0, ioapic_service(&io));
	write_redir(&io, 5, 0x41);
	EXPECT_EQ(0, ioapic_service(&io));
}

TEST(level)
{
	u64 redir = LEVEL | ACTIVE_LOW | dest(300) | 0x41;
	struct ioapic io;

	ioapic_init(&io);
	write_redir(&io, 5, redir);
	write_redir(&io, 7, redir);
	write_redir(&io, 8, LEVEL | 0x42);
	ioapic_set_pin(&io, 5, true);
	EXPECT_EQ(BIT(5), ioapic_service(&io));
	EXPECT_EQ(redir | REMOTE_IRR, read_redir(&io, 5));
	EXPECT_EQ(0, ioapic_service(&io));

	/* Read-only, and kept when the rest changes */
	write_redir(&io, 5, redir);
	write_redir(&io, 8, LEVEL | REMOTE_IRR | PENDING | 0x42);
	EXPECT_EQ(redir | REMOTE_IRR, read_redir(&io, 5));
	EXPECT_EQ(LEVEL | 0x42, read_redir(&io, 8));
	EXPECT_EQ(0, ioapic_service(&io));

	/* Only the end of its own vector ends it; it comes again while asserted. */
	ioapic_eoi(&io, 0x42);
	EXPECT_EQ(0, ioapic_service(&io));
	ioapic_eoi(&io, 0x41);
	EXPECT_EQ(redir, read_redir(&io, 5));
	EXPECT_EQ(BIT(5), ioapic_service(&io));
	ioapic_set_pin(&io, 5, false);
	EXPECT_EQ(redir | REMOTE_IRR, read_redir(&io, 5));
	ioapic_eoi(&io, 0x41);
	EXPECT_EQ(redir, read_redir(&io, 5));
	EXPECT_EQ(0, ioapic_service(&io));

	/* One end for all pins with the vector */
	ioapic_set_pin(&io, 5, true);
	ioapic_set_pin(&io, 7, true);
	EXPECT_EQ(BIT(5) | BIT(7), ioapic_service(&io));
	ioapic_eoi(&io, 0x41);
	EXPECT_EQ(BIT(5) | BIT(7), ioapic_service(&io));

	/* Masked: waits, and is not forgotten */
	ioapic_set_pin(&io, 7, false);
	write_redir(&io, 5, redir | MASKED);
	ioapic_eoi(&io, 0x41);
	EXPECT_EQ(0, ioapic_service(&io));
	write_redir(&io, 5, redir);
	EXPECT_EQ(BIT(5), ioapic_service(&io));
	EXPECT_EQ(NULL, check_routes(&io));
}

/* KVM reports an end only if a route has the vector: it stays until then. */
TEST(masked_before_its_end)
{
	struct kvm_irq_routing_entry routes[IOAPIC_PINS];
	struct ioapic io;

	ioapic_init(&io);
	write_redir(&io, 5, LEVEL | dest(7) | 0x41);
	ioapic_set_pin(&io, 5, true);
	EXPECT_EQ(BIT(5), ioapic_service(&io));
	write_redir(&io, 5, MASKED | LEVEL | dest(7) | 0x41);
	ASSERT_EQ(1, ioapic_routes(&io, routes));
	EXPECT_EQ(5, routes[0].gsi);
	EXPECT_TRUE(same(LEVEL | dest(7) | 0x41, &routes[0].u.msi));
	EXPECT_EQ(0, ioapic_service(&io));

	ioapic_eoi(&io, 0x41);
	EXPECT_EQ(0, ioapic_routes(&io, routes));
	EXPECT_EQ(0, ioapic_service(&io));
}

/* What was not sent after all is due again, unless it is masked meanwhile. */
TEST(unsent)
{
	struct ioapic io;

	ioapic_init(&io);
	write_redir(&io, 5, LEVEL | 0x41);
	write_redir(&io, 7, 0x42);
	write_redir(&io, 9, 0x43);
	ioapic_set_pin(&io, 5, true);
	ioapic_set_pin(&io, 7, true);
	ioapic_set_pin(&io, 9, true);
	EXPECT_EQ(BIT(5) | BIT(7) | BIT(9), ioapic_service(&io));
	ioapic_unsent(&io, BIT(5) | BIT(7) | BIT(9));
	EXPECT_EQ(LEVEL | 0x41, read_redir(&io, 5));
	write_redir(&io, 9, MASKED | 0x43);
	EXPECT_EQ(BIT(5) | BIT(7), ioapic_service(&io));
	EXPECT_EQ(LEVEL | REMOTE_IRR | 0x41, read_redir(&io, 5));
	write_redir(&io, 9, 0x43);
	EXPECT_EQ(0, ioapic_service(&io));
}

/* The two ways in which Linux ends an interrupt by hand (__eoi_ioapic_pin()) */
TEST(explicit_eoi)
{
	u32 vector = 0x41, other = 0x42;
	struct ioapic io;

	ioapic_init(&io);
	write_redir(&io, 5, LEVEL | vector);
	ioapic_set_pin(&io, 5, true);
	EXPECT_EQ(BIT(5), ioapic_service(&io));

	EXPECT_TRUE(ioapic_write(&io, IOAPIC_EOI, &other, sizeof(other)));
	EXPECT_EQ(LEVEL | REMOTE_IRR | vector, read_redir(&io, 5));
	EXPECT_TRUE(ioapic_write(&io, IOAPIC_EOI, &vector, sizeof(vector)));
	EXPECT_EQ(LEVEL | vector, read_redir(&io, 5));
	EXPECT_EQ(BIT(5), ioapic_service(&io));

	write_redir(&io, 5, MASKED | vector);
	EXPECT_EQ(0, ioapic_service(&io));
	write_redir(&io, 5, LEVEL | vector);
	EXPECT_EQ(LEVEL | vector, read_redir(&io, 5));
	EXPECT_EQ(BIT(5), ioapic_service(&io));
}

/* An NMI has no end: marked as level, it must not block the pin. */
TEST(level_nmi_is_an_edge)
{
	struct ioapic io;

	ioapic_init(&io);
	write_redir(&io, 5, LEVEL | NMI);
	ioapic_set_pin(&io, 5, true);
	EXPECT_EQ(BIT(5), ioapic_service(&io));
	EXPECT_EQ(LEVEL | NMI, read_redir(&io, 5));
	EXPECT_EQ(0, ioapic_service(&io));
	EXPECT_EQ(NULL, check_routes(&io));
}

/* Whatever a guest and its devices do, the entries and routes stay sane. */
TEST(random_accesses)
{
	struct ioapic io;
	unsigned int i;

	srandom(1);
	ioapic_init(&io);
	for (i = 0; i < 200000; i++) {
		u64 data = (u64)random() << 33 ^ (u64)random() << 11 ^ random();
		u64 offset = (random() & 7) ? (random() & 7) * 0x10 : random();
		u32 len = (random() & 3) ? 4 : random() % 9;
		u64 out;

		if (random() & 1)
			data = 0x10 + data % 0x30;
		switch (random() & 7) {
		case 0:
			ioapic_eoi(&io, data);
			break;
		case 1:
			ioapic_set_pin(&io, data % IOAPIC_PINS, random() & 1);
			break;
		case 2:
			ioapic_service(&io);
			break;
		case 3:
			ioapic_read(&io, offset, &out, len);
			break;
		default:
			ioapic_write(&io, offset, &data, len);
		}
		if (i % 8)
			continue;
		ASSERT_EQ(NULL, check_routes(&io)) {
			TH_LOG("after %u steps: %s", i, check_routes(&io));
		}
	}
}

/* In place of KVM */
struct fake_kvm {
	struct ioapic_routing r;
	atomic_uint in_ops;
	bool overlap;
	unsigned int nr_installs;
	unsigned int nr_repeated;
	unsigned int nr_sent;
	unsigned int nr_early;
	struct kvm_irq_routing_msi sent;
	u32 nr;
	struct kvm_irq_routing_entry table[IOAPIC_PINS];
	int (*during)(struct fake_kvm *kvm);
};

static bool routed(const struct fake_kvm *kvm, const struct kvm_irq_routing_msi *msi)
{
	u32 i;

	for (i = 0; i < kvm->nr; i++)
		if (!memcmp(&kvm->table[i].u.msi, msi, sizeof(*msi)))
			return true;
	return false;
}

static int on_install(void *ctx, const struct kvm_irq_routing *routes)
{
	struct fake_kvm *kvm = ctx;
	size_t size = routes->nr * sizeof(routes->entries[0]);
	int ret = 0;

	if (atomic_fetch_add(&kvm->in_ops, 1))
		kvm->overlap = true;
	if (routes->nr > IOAPIC_PINS || routes->flags)
		abort();
	kvm->nr_installs++;
	if (routes->nr == kvm->nr && !memcmp(kvm->table, routes->entries, size))
		kvm->nr_repeated++;
	if (kvm->during)
		ret = kvm->during(kvm);
	if (!ret) {
		kvm->nr = routes->nr;
		memcpy(kvm->table, routes->entries, size);
	}
	atomic_fetch_sub(&kvm->in_ops, 1);
	return ret;
}

static void on_send(void *ctx, const struct kvm_irq_routing_msi *msi)
{
	struct fake_kvm *kvm = ctx;

	if (atomic_fetch_add(&kvm->in_ops, 1))
		kvm->overlap = true;
	kvm->nr_sent++;
	kvm->nr_early += !routed(kvm, msi);
	kvm->sent = *msi;
	atomic_fetch_sub(&kvm->in_ops, 1);
}

static const struct ioapic_ops fake_ops = { .install = on_install, .send = on_send };

static void mmio_write(struct ioapic_routing *r, u64 offset, u32 val)
{
	ioapic_routing_mmio(r, offset, true, &val, sizeof(val));
}

static void guest_write(struct ioapic_routing *r, u8 reg, u32 val)
{
	mmio_write(r, IOAPIC_IOREGSEL, reg);
	mmio_write(r, IOAPIC_IOWIN, val);
}

static void guest_redir(struct ioapic_routing *r, unsigned int pin, u64 redir)
{
	guest_write(r, 0x11 + 2 * pin, redir >> 32);
	guest_write(r, 0x10 + 2 * pin, redir);
}

/* Does KVM have what the IOAPIC says? */
static bool in_step(struct fake_kvm *kvm)
{
	struct kvm_irq_routing_entry routes[IOAPIC_PINS];
	unsigned int nr = ioapic_routes(&kvm->r.io, routes);

	return nr == kvm->nr && !memcmp(routes, kvm->table, nr * sizeof(routes[0]));
}

FIXTURE(routing) {
	struct fake_kvm kvm;
};

FIXTURE_SETUP(routing)
{
	memset(&self->kvm, 0, sizeof(self->kvm));
	ioapic_routing_init(&self->kvm.r, &fake_ops, &self->kvm);
}

FIXTURE_TEARDOWN(routing)
{
	EXPECT_FALSE(self->kvm.overlap);
	EXPECT_EQ(0, self->kvm.nr_repeated);
	ioapic_routing_destroy(&self->kvm.r);
}

/* What Linux does at boot to all pins, and what changes no route: no call */
TEST_F(routing, unchanged_is_not_installed)
{
	struct fake_kvm *kvm = &self->kvm;
	unsigned int pin;

	for (pin = 0; pin < IOAPIC_PINS; pin++)
		guest_redir(&kvm->r, pin, MASKED);
	guest_write(&kvm->r, IOAPIC_REG_ID, 0x01000000);
	ioapic_routing_eoi(&kvm->r, 0x41);
	EXPECT_EQ(0, kvm->nr_installs);

	/* The upper half of a masked entry is nobody's route: one call, not two. */
	guest_redir(&kvm->r, 6, dest(300) | 0x40);
	EXPECT_EQ(1, kvm->nr_installs);
	EXPECT_EQ(1, kvm->nr);
	EXPECT_EQ(6, kvm->table[0].gsi);
	EXPECT_TRUE(same(dest(300) | 0x40, &kvm->table[0].u.msi));
	guest_redir(&kvm->r, 6, dest(300) | 0x40);
	guest_redir(&kvm->r, 6, dest(300) | 0x40 | ACTIVE_LOW);
	EXPECT_EQ(1, kvm->nr_installs);

	/* The whole table each time, and an empty one at the end */
	guest_redir(&kvm->r, 4, dest(2) | 0x50);
	EXPECT_EQ(2, kvm->nr_installs);
	EXPECT_EQ(2, kvm->nr);
	EXPECT_TRUE(in_step(kvm));
	guest_redir(&kvm->r, 4, MASKED);
	guest_write(&kvm->r, 0x10 + 2 * 6, MASKED);
	EXPECT_EQ(0, kvm->nr);
	EXPECT_EQ(0, ioapic_routing_failures(&kvm->r));
}

static int refuse(struct fake_kvm *kvm)
{
	return -ENOMEM;
}

/* A refused table is counted, not taken for KVM's, and tried again. */
TEST_F(routing, failures)
{
	struct fake_kvm *kvm = &self->kvm;

	guest_redir(&kvm->r, 6, 0x40);
	EXPECT_EQ(1, kvm->nr_installs);
	kvm->during = refuse;
	guest_redir(&kvm->r, 6, 0x50);
	EXPECT_LT(1, kvm->nr_installs);
	EXPECT_EQ(kvm->nr_installs - 1, ioapic_routing_failures(&kvm->r));
	EXPECT_FALSE(in_step(kvm));

	/* Back to what KVM has is no change; a try of the same is one. */
	kvm->during = NULL;
	kvm->nr_installs = 0;
	guest_redir(&kvm->r, 6, 0x40);
	/* The upper half comes first, when the lower still says 0x50. */
	EXPECT_EQ(2, kvm->nr_installs);
	EXPECT_TRUE(in_step(kvm));

	kvm->during = refuse;
	guest_write(&kvm->r, 0x10 + 2 * 6, 0x60);
	EXPECT_FALSE(in_step(kvm));
	kvm->during = NULL;
	guest_write(&kvm->r, 0x10 + 2 * 6, 0x60);
	EXPECT_TRUE(in_step(kvm));

	kvm->during = refuse;
	guest_write(&kvm->r, 0x10 + 2 * 6, 0x70);
	EXPECT_FALSE(in_step(kvm));
	kvm->during = NULL;
	ioapic_routing_eoi(&kvm->r, 0x70);
	EXPECT_TRUE(in_step(kvm));
}

/* A line's messages, by way of the same entries; no table is due for them. */
TEST_F(routing, level_line)
{
	u64 redir = LEVEL | dest(700) | 0x41;
	struct fake_kvm *kvm = &self->kvm;

	ioapic_routing_set_pin(&kvm->r, 5, true);
	EXPECT_EQ(0, kvm->nr_sent);
	guest_redir(&kvm->r, 5, redir);
	EXPECT_EQ(1, kvm->nr_installs);
	EXPECT_EQ(1, kvm->nr_sent);
	EXPECT_TRUE(same(redir, &kvm->sent));
	ioapic_routing_eoi(&kvm->r, 0x40);
	EXPECT_EQ(1, kvm->nr_sent);
	ioapic_routing_eoi(&kvm->r, 0x41);
	EXPECT_EQ(2, kvm->nr_sent);
	mmio_write(&kvm->r, IOAPIC_EOI, 0x41);
	EXPECT_EQ(3, kvm->nr_sent);
	ioapic_routing_set_pin(&kvm->r, 5, false);
	ioapic_routing_eoi(&kvm->r, 0x41);
	EXPECT_EQ(3, kvm->nr_sent);
	EXPECT_EQ(1, kvm->nr_installs);
	/* KVM had the route before the message, or no EOI would be reported. */
	EXPECT_EQ(0, kvm->nr_early);
}

/* Without its route a message would have no end: it waits for a table that is taken. */
TEST_F(routing, no_message_without_route)
{
	struct fake_kvm *kvm = &self->kvm;

	ioapic_routing_set_pin(&kvm->r, 5, true);
	kvm->during = refuse;
	guest_redir(&kvm->r, 5, LEVEL | 0x41);
	EXPECT_EQ(0, kvm->nr_sent);
	EXPECT_EQ(LEVEL | 0x41, kvm->r.io.redir[5]);
	kvm->during = NULL;
	ioapic_routing_eoi(&kvm->r, 0);
	EXPECT_EQ(1, kvm->nr_sent);
	EXPECT_EQ(LEVEL | REMOTE_IRR | 0x41, kvm->r.io.redir[5]);
	EXPECT_EQ(0, kvm->nr_early);

	/* An edge waits, too. */
	kvm->during = refuse;
	guest_redir(&kvm->r, 6, 0x42);
	ioapic_routing_set_pin(&kvm->r, 6, true);
	EXPECT_EQ(1, kvm->nr_sent);
	kvm->during = NULL;
	ioapic_routing_set_pin(&kvm->r, 6, false);
	EXPECT_EQ(2, kvm->nr_sent);
	EXPECT_EQ(0x42, kvm->sent.data & 0xff);
	EXPECT_EQ(0, kvm->nr_early);
}

static void *reader(void *arg)
{
	struct ioapic_routing *r = arg;
	u32 val;

	mmio_write(r, IOAPIC_IOREGSEL, IOAPIC_REG_VERSION);
	ioapic_routing_mmio(r, IOAPIC_IOWIN, false, &val, sizeof(val));
	return (void *)(uintptr_t)val;
}

/* Another CPU reads registers while KVM is busy with the table. */
static int read_meanwhile(struct fake_kvm *kvm)
{
	struct timespec until;
	pthread_t thread;
	void *val;

	if (pthread_create(&thread, NULL, reader, &kvm->r))
		return -EAGAIN;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += 20;
	if (pthread_clockjoin_np(thread, &val, CLOCK_MONOTONIC, &until))
		abort();	/* the reader waits for us */
	return (uintptr_t)val == 0x00170020 ? 0 : -EINVAL;
}

TEST_F(routing, reads_do_not_wait_for_install)
{
	self->kvm.during = read_meanwhile;
	guest_redir(&self->kvm.r, 6, dest(1) | 0x40);
	EXPECT_EQ(1, self->kvm.nr_installs);
	EXPECT_EQ(0, ioapic_routing_failures(&self->kvm.r));
	EXPECT_TRUE(in_step(&self->kvm));
}

/* Slow enough for the others to pass by, and refused now and then */
static int yield_or_refuse(struct fake_kvm *kvm)
{
	sched_yield();
	return kvm->nr_installs % 7 ? 0 : -ENOMEM;
}

struct hammer {
	struct fake_kvm *kvm;
	unsigned int seed;
};

/* A CPU and a device that do as they like */
static void *hammer(void *arg)
{
	struct hammer *h = arg;
	struct ioapic_routing *r = &h->kvm->r;
	unsigned int i;
	u64 data;

	for (i = 0; i < 5000; i++) {
		unsigned int dice = rand_r(&h->seed);

		switch (dice & 7) {
		case 0:
			ioapic_routing_set_pin(r, dice / 16 % IOAPIC_PINS, dice & 8);
			break;
		case 1:
			ioapic_routing_eoi(r, 0x30 + dice / 8 % 4);
			break;
		case 2:
			ioapic_routing_mmio(r, IOAPIC_IOWIN, false, &data, sizeof(data));
			break;
		case 3:
			ioapic_routing_failures(r);
			break;
		case 4:
			guest_write(r, 0x10 + 2 * (dice / 8 % IOAPIC_PINS), MASKED);
			break;
		default:
			guest_write(r, 0x10 + dice / 8 % 48,
				    (dice & LEVEL) | (0x30 + dice / 512 % 4));
		}
	}
	return NULL;
}

/* Many threads: what KVM has at the end is what the IOAPIC says at the end. */
TEST_F(routing, concurrency)
{
	struct fake_kvm *kvm = &self->kvm;
	struct hammer hammers[4];
	pthread_t threads[4];
	unsigned int i, round;

	for (round = 0; round < 5; round++) {
		kvm->during = yield_or_refuse;
		for (i = 0; i < ARRAY_SIZE(threads); i++) {
			hammers[i] = (struct hammer) { kvm, 10 * round + i };
			ASSERT_EQ(0, pthread_create(&threads[i], NULL, hammer, &hammers[i]));
		}
		for (i = 0; i < ARRAY_SIZE(threads); i++)
			pthread_join(threads[i], NULL);
		EXPECT_NE(0, ioapic_routing_failures(&kvm->r));
		EXPECT_EQ(kvm->nr_installs / 7, ioapic_routing_failures(&kvm->r));
		if (kvm->nr_installs % 7)
			EXPECT_TRUE(in_step(kvm));
		kvm->during = NULL;
		kvm->nr_installs = 0;
		kvm->r.failures = 0;
		ioapic_routing_eoi(&kvm->r, 0);
		EXPECT_TRUE(in_step(kvm));
	}
	EXPECT_NE(0, kvm->nr_sent);
	EXPECT_EQ(0, kvm->nr_early);
}

/* Devices share words, but never lose a pin. */
static void *toggle_pin(void *arg)
{
	struct hammer *h = arg;
	struct ioapic_routing *r = &h->kvm->r;
	unsigned int i;
	bool lost = false;
	u32 asserted;

	for (i = 1; i <= 20001; i++) {
		ioapic_routing_set_pin(r, h->seed, i & 1);
		pthread_mutex_lock(&r->lock);
		asserted = r->io.asserted;
		pthread_mutex_unlock(&r->lock);
		lost |= (asserted >> h->seed & 1) != (i & 1);
	}
	return lost ? h : NULL;
}

TEST_F(routing, no_pin_is_lost)
{
	struct hammer hammers[4];
	pthread_t threads[4];
	unsigned int i;
	void *lost;

	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		hammers[i] = (struct hammer) { &self->kvm, i };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, toggle_pin, &hammers[i]));
	}
	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		pthread_join(threads[i], &lost);
		EXPECT_EQ(NULL, lost);
	}
	EXPECT_EQ(0xf, self->kvm.r.io.asserted);
}

static void *program_pin_4(void *arg)
{
	struct fake_kvm *kvm = arg;

	guest_write(&kvm->r, 0x10 + 2 * 4, 0x34);
	return NULL;
}

static pthread_t other_cpu;

/* Let another CPU program a pin, and come to where it waits for us. */
static int other_cpu_waits(struct fake_kvm *kvm)
{
	u64 redir = MASKED;

	kvm->during = NULL;
	if (pthread_create(&other_cpu, NULL, program_pin_4, kvm))
		abort();
	while (redir & MASKED) {
		usleep(1000);
		pthread_mutex_lock(&kvm->r.lock);
		redir = kvm->r.io.redir[4];
		pthread_mutex_unlock(&kvm->r.lock);
	}
	return 0;
}

/*
 * A CPU that waits for another's table to be installed finds on waking up that
 * there is a newer one, which must not be replaced by what it knew before.
 */
TEST_F(routing, newest_table_wins)
{
	struct fake_kvm *kvm = &self->kvm;
	unsigned int round;

	for (round = 0; round < 50; round++) {
		kvm->during = other_cpu_waits;
		guest_write(&kvm->r, 0x10 + 2 * 3, 0x33);
		guest_write(&kvm->r, 0x10 + 2 * 5, 0x35);
		pthread_join(other_cpu, NULL);
		ASSERT_EQ(3, kvm->nr);
		ASSERT_TRUE(in_step(kvm));
		guest_write(&kvm->r, 0x10 + 2 * 3, MASKED);
		guest_write(&kvm->r, 0x10 + 2 * 4, MASKED);
		guest_write(&kvm->r, 0x10 + 2 * 5, MASKED);
	}
}

/* The real KVM: LAPICs with ids that need more than eight bits */
#define APIC_ENABLED	BIT_ULL(11)
#define X2APIC_ENABLED	BIT_ULL(10)
#define LAPIC_SPIV	0xf0
#define LAPIC_TMR	0x180
#define LAPIC_IRR	0x200

static const u32 ids[] = { 0, 44, 255, 256, 300, 1023, 4095 };

FIXTURE(kvm) {
	int kvm_fd;
	int vm_fd;
	int irqfd;
	unsigned int nr;
	int fds[ARRAY_SIZE(ids)];
	struct ioapic_routing r;
	bool made;
};

static int kvm_install(void *ctx, const struct kvm_irq_routing *routes)
{
	struct _test_data_kvm *self = ctx;

	return ioctl(self->vm_fd, KVM_SET_GSI_ROUTING, routes);
}

static void kvm_send(void *ctx, const struct kvm_irq_routing_msi *route)
{
	struct _test_data_kvm *self = ctx;
	struct kvm_msi msi = {
		.address_lo = route->address_lo,
		.address_hi = route->address_hi,
		.data = route->data,
	};

	ioctl(self->vm_fd, KVM_SIGNAL_MSI, &msi);
}

static const struct ioapic_ops kvm_ops = { .install = kvm_install, .send = kvm_send };

static bool enable_cap(int vm_fd, u32 cap, u64 arg)
{
	struct kvm_enable_cap enable = { .cap = cap, .args[0] = arg };

	return !ioctl(vm_fd, KVM_ENABLE_CAP, &enable);
}

/* As the guest's own code would: x2APIC mode, and enabled by software */
static bool enable_lapic(int fd)
{
	union {
		struct kvm_cpuid2 cpuid;
		u8 room[sizeof(struct kvm_cpuid2) + sizeof(struct kvm_cpuid_entry2)];
	} arg = { .cpuid.nent = 1 };
	struct kvm_lapic_state lapic;
	struct kvm_sregs sregs;

	arg.cpuid.entries[0] = (struct kvm_cpuid_entry2) { .function = 1, .ecx = BIT(21) };
	if (ioctl(fd, KVM_SET_CPUID2, &arg) || ioctl(fd, KVM_GET_SREGS, &sregs))
		return false;
	sregs.apic_base |= APIC_ENABLED | X2APIC_ENABLED;
	if (ioctl(fd, KVM_SET_SREGS, &sregs) || ioctl(fd, KVM_GET_LAPIC, &lapic))
		return false;
	lapic.regs[LAPIC_SPIV] = (char)0xff;
	lapic.regs[LAPIC_SPIV + 1] = 1;
	return !ioctl(fd, KVM_SET_LAPIC, &lapic);
}

FIXTURE_SETUP(kvm)
{
	int max_id;

	memset(self, 0, sizeof(*self));
	self->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (self->kvm_fd < 0)
		SKIP(return, "no /dev/kvm: %s", strerror(errno));
	if (ioctl(self->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SPLIT_IRQCHIP) <= 0 ||
	    ioctl(self->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_X2APIC_API) <= 0)
		SKIP(return, "this KVM has no split irqchip");
	max_id = ioctl(self->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPU_ID);

	self->vm_fd = ioctl(self->kvm_fd, KVM_CREATE_VM, 0);
	ASSERT_LE(0, self->vm_fd);
	ASSERT_TRUE(enable_cap(self->vm_fd, KVM_CAP_SPLIT_IRQCHIP, IOAPIC_PINS));
	ASSERT_TRUE(enable_cap(self->vm_fd, KVM_CAP_X2APIC_API,
			       KVM_X2APIC_API_USE_32BIT_IDS |
			       KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK));
	for (; self->nr < ARRAY_SIZE(ids) && (int)ids[self->nr] < max_id; self->nr++) {
		int fd = ioctl(self->vm_fd, KVM_CREATE_VCPU, (unsigned long)ids[self->nr]);

		ASSERT_LE(0, fd);
		self->fds[self->nr] = fd;
		ASSERT_TRUE(enable_lapic(fd));
	}
	self->irqfd = eventfd(0, EFD_CLOEXEC);
	ASSERT_LE(0, self->irqfd);
	ASSERT_EQ(0, ioctl(self->vm_fd, KVM_IRQFD,
			   &(struct kvm_irqfd) { .fd = self->irqfd, .gsi = 6 }));
	ioapic_routing_init(&self->r, &kvm_ops, self);
	self->made = true;
}

FIXTURE_TEARDOWN(kvm)
{
	unsigned int i;

	if (self->made) {
		EXPECT_EQ(0, ioapic_routing_failures(&self->r));
		ioapic_routing_destroy(&self->r);
		close(self->irqfd);
	}
	for (i = 0; i < self->nr; i++)
		close(self->fds[i]);
	if (self->vm_fd > 0)
		close(self->vm_fd);
	if (self->kvm_fd >= 0)
		close(self->kvm_fd);
}

static bool lapic_bit(const struct kvm_lapic_state *lapic, unsigned int reg, u32 vector)
{
	u32 word;

	memcpy(&word, lapic->regs + reg + vector / 32 * 0x10, sizeof(word));
	return word >> vector % 32 & 1;
}

/* Which of our CPUs have the vector pending: a bit for each */
static u32 pending(struct _test_data_kvm *self, u32 vector, u32 *level)
{
	struct kvm_lapic_state lapic;
	unsigned int i;
	u32 set = 0;

	*level = 0;
	for (i = 0; i < self->nr; i++) {
		if (ioctl(self->fds[i], KVM_GET_LAPIC, &lapic))
			continue;
		set |= (u32)lapic_bit(&lapic, LAPIC_IRR, vector) << i;
		*level |= (u32)lapic_bit(&lapic, LAPIC_TMR, vector) << i;
	}
	return set;
}

/* KVM may hand an irqfd's event to a worker of its own. */
static u32 wait_pending(struct _test_data_kvm *self, u32 vector, u32 *level)
{
	u32 set = 0;

	return wait_until((set = pending(self, vector, level))) ? set : 0;
}

/* From the guest's redirection entry to the LAPIC of the CPU that it names */
TEST_F(kvm, delivers_to_the_named_cpu)
{
	const u64 one = 1;
	unsigned int i;
	u32 level;

	for (i = 0; i < self->nr; i++) {
		guest_redir(&self->r, 6, dest(ids[i]) | (0x40 + i));
		ASSERT_EQ(sizeof(one), write(self->irqfd, &one, sizeof(one)));
		EXPECT_EQ(BIT(i), wait_pending(self, 0x40 + i, &level)) {
			TH_LOG("edge to APIC id %u", ids[i]);
		}
		EXPECT_EQ(0, level);

		guest_redir(&self->r, 7, LEVEL | dest(ids[i]) | (0x60 + i));
		ioapic_routing_set_pin(&self->r, 7, true);
		EXPECT_EQ(BIT(i), wait_pending(self, 0x60 + i, &level)) {
			TH_LOG("level to APIC id %u", ids[i]);
		}
		EXPECT_EQ(BIT(i), level);
		ioapic_routing_set_pin(&self->r, 7, false);
		ioapic_routing_eoi(&self->r, 0x60 + i);
	}
	/* Masked: KVM has no route for the event any more. */
	guest_redir(&self->r, 6, MASKED | 0x50);
	ASSERT_EQ(sizeof(one), write(self->irqfd, &one, sizeof(one)));
	usleep(10000);
	EXPECT_EQ(0, pending(self, 0x50, &level));
}

TEST_HARNESS_MAIN
