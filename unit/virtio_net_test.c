// SPDX-License-Identifier: GPL-2.0
/* The network card, with each kind of peer. */
#include <endian.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <unistd.h>

#include "clock.h"
#include "harness.h"
#include "virtio_driver.h"
#include "virtio_fuzz.h"
#include "virtio_net.h"

#define RX		0
#define TX		1
#define QUEUE_SIZE	256
#define NET_FEATURES	(GUEST_BASE_FEATURES | BIT_ULL(VIRTIO_NET_F_MAC))
#define HDR		sizeof(struct virtio_net_hdr_v1)
#define GUEST_NUMBER	0xfedcba98

/* Where the driver has its buffers: one per descriptor, 2 KiB each */
#define BUF_SIZE	SZ_2K
#define BUF_GPA(q, i)	(((q) == RX ? GUEST_DATA : GUEST_HIGH_GPA) + (i) * BUF_SIZE)

static unsigned int irqs;

static void on_irq(void *ctx __maybe_unused)
{
	irqs++;
}

struct net_test {
	struct virtio_net net;
	struct guest g;
	bool made;
	u64 features;	/* that the driver accepts beyond the card's own */
};

FIXTURE(net) {
	struct net_test t;
};

FIXTURE_VARIANT(net) {
	u64 features;
};

FIXTURE_VARIANT_ADD(net, plain) { .features = 0 };
FIXTURE_VARIANT_ADD(net, as_linux) { .features = GUEST_INDIRECT | GUEST_EVENT_IDX };

FIXTURE_SETUP(net)
{
	memset(self, 0, sizeof(*self));
	self->t.features = variant->features;
	ASSERT_EQ(0, guest_init(&self->t.g, &self->t.net.dev));
	irqs = 0;
}

FIXTURE_TEARDOWN(net)
{
	if (self->t.made)
		virtio_net_destroy(&self->t.net);
	guest_destroy(&self->t.g);
}

static bool start_net(struct net_test *t,
		      struct net_config cfg)
{
	struct errmsg err;

	cfg.guest = GUEST_NUMBER;
	t->made = !virtio_net_init(&t->net, &cfg, &t->g.mem, on_irq, NULL, &err);
	return t->made && guest_start(&t->g, NET_FEATURES | t->features, QUEUE_SIZE);
}

/* The card's thread: runs when there is a reason to. Return: whether there was. */
static bool run_io(struct virtio_net *net, int timeout_ms)
{
	struct pollfd pfds[] = {
		{ .fd = net->dev.notify_fd, .events = POLLIN },
		{ .fd = net->timer_fd, .events = POLLIN },
	};

	if (poll(pfds, ARRAY_SIZE(pfds), timeout_ms) <= 0)
		return false;
	virtio_net_process(net);
	return true;
}

/* Give the card up to @n buffers to receive into. */
static void give_rx(struct guest *g, unsigned int n)
{
	if (!g->queues[RX].nr_free)
		return;
	while (n-- && g->queues[RX].nr_free) {
		u16 next = g->queues[RX].free[g->queues[RX].nr_free - 1];
		struct guest_sg sg = { BUF_GPA(RX, next), 1526, true };

		guest_add(g, RX, &sg, 1);
	}
	guest_kick(g, RX);
}

/* Send a frame of @len bytes, all of them @fill but for the addresses. */
static bool send_frame(struct guest *g, size_t len, u8 fill)
{
	u16 next = g->queues[TX].free[g->queues[TX].nr_free - 1];
	u8 *buf = guest_ptr(g, BUF_GPA(TX, next));
	/* header and frame apart, as Linux may have them */
	struct guest_sg sg[] = {
		{ BUF_GPA(TX, next), HDR, false },
		{ BUF_GPA(TX, next) + HDR, len, false },
	};

	memset(buf, 0, HDR);
	memset(buf + HDR, fill, len);
	memset(buf + HDR, 0xd0, min_t(size_t, len, ETH_ALEN));
	memset(buf + HDR + ETH_ALEN, 0x50, ETH_ALEN);
	if (guest_add(g, TX, sg, ARRAY_SIZE(sg)) < 0)
		return false;
	guest_kick(g, TX);
	return true;
}

static unsigned int reclaim(struct guest *g)
{
	unsigned int n = 0;
	u32 len;

	while (guest_get_used(g, TX, &len) >= 0)
		n++;
	return n;
}

/* The next frame that the guest received, with virtio's header; or NULL */
static u8 *receive(struct guest *g, u32 *len)
{
	int head = guest_get_used(g, RX, len);

	return head < 0 ? NULL : guest_ptr(g, BUF_GPA(RX, head));
}

TEST_F(net, what_the_driver_reads)
{
	static const u8 expected[] = { 0x02, 0x4b, 0xfe, 0xdc, 0xba, 0x98 };
	u8 mac[8];

	ASSERT_TRUE(start_net(&self->t, (struct net_config) {}));
	EXPECT_EQ(VIRTIO_ID_NET, guest_read(&self->t.g, VIRTIO_MMIO_DEVICE_ID));
	virtio_mmio_read(&self->t.net.dev, VIRTIO_MMIO_CONFIG, mac, sizeof(mac));
	EXPECT_EQ(0, memcmp(expected, mac, sizeof(expected)));
	/* no offloads: headers are empty, and a frame is one buffer */
	guest_write(&self->t.g, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	EXPECT_EQ((u32)(BIT_ULL(VIRTIO_NET_F_MAC) | GUEST_INDIRECT | GUEST_EVENT_IDX),
		  guest_read(&self->t.g, VIRTIO_MMIO_DEVICE_FEATURES));
}

TEST(macs)
{
	u8 a[ETH_ALEN], b[ETH_ALEN];
	u32 i;

	for (i = 0; i < 32; i++) {
		virtio_net_mac(a, false, 0);
		virtio_net_mac(b, false, 1U << i);
		EXPECT_NE(0, memcmp(a, b, ETH_ALEN));
		virtio_net_mac(a, true, 1U << i);
		EXPECT_NE(0, memcmp(a, b, ETH_ALEN));
		/* local, and not a group's */
		EXPECT_EQ(2, a[0] & 3);
		EXPECT_EQ(2, b[0] & 3);
	}
}

TEST_F(net, sink)
{
	unsigned int i;
	u32 len;

	ASSERT_TRUE(start_net(&self->t, (struct net_config) { .peer = NET_PEER_SINK }));
	give_rx(&self->t.g, 10);
	for (i = 0; i < 1000; i++) {
		ASSERT_TRUE(send_frame(&self->t.g, ETH_HLEN + i, i));
		while (run_io(&self->t.net, 0))
			;
		ASSERT_EQ(1, reclaim(&self->t.g));
	}
	EXPECT_EQ(1000, virtio_net_stats(&self->t.net).from_guest);
	EXPECT_EQ(0, virtio_net_stats(&self->t.net).to_guest);
	EXPECT_EQ(NULL, receive(&self->t.g, &len));
}

TEST_F(net, echo)
{
	const struct virtio_net_hdr_v1 header = { .num_buffers = 1 };
	unsigned int i, n, before;
	u8 *frame;
	u32 len;

	ASSERT_TRUE(start_net(&self->t, (struct net_config) { .peer = NET_PEER_ECHO }));
	give_rx(&self->t.g, QUEUE_SIZE);
	for (n = 0; n < 40; n++) {
		guest_enable_irq(&self->t.g, RX);
		before = irqs;
		for (i = 0; i < 10; i++)
			ASSERT_TRUE(send_frame(&self->t.g, ETH_HLEN + n * 37, i + n));
		while (run_io(&self->t.net, 0))
			;
		EXPECT_LT(before, irqs);
		EXPECT_EQ(10, reclaim(&self->t.g));
		for (i = 0; i < 10; i++) {
			frame = receive(&self->t.g, &len);
			ASSERT_NE(NULL, frame);
			ASSERT_EQ(HDR + ETH_HLEN + n * 37, len);
			EXPECT_EQ(0, memcmp(frame, &header, HDR));
			EXPECT_EQ(0x50, frame[HDR]);
			EXPECT_EQ(0xd0, frame[HDR + 2 * ETH_ALEN - 1]);
			EXPECT_EQ((u8)(i + n), frame[HDR + 2 * ETH_ALEN]);
			EXPECT_EQ((u8)(i + n), frame[len - 1]);
		}
		give_rx(&self->t.g, QUEUE_SIZE);
	}
	EXPECT_EQ(400, virtio_net_stats(&self->t.net).to_guest);
}

/* Nothing is lost where there is no buffer: the frames wait in their queue. */
TEST_F(net, echo_waits_for_buffers)
{
	unsigned int i, got;
	u32 len;

	ASSERT_TRUE(start_net(&self->t, (struct net_config) { .peer = NET_PEER_ECHO }));
	for (i = 0; i < 20; i++)
		ASSERT_TRUE(send_frame(&self->t.g, 100, i));
	while (run_io(&self->t.net, 0))
		;
	EXPECT_EQ(0, reclaim(&self->t.g));
	for (got = 0; got < 20;) {
		give_rx(&self->t.g, 3);
		ASSERT_TRUE(run_io(&self->t.net, 0));
		for (i = 0; i < 3 && got < 20; i++, got++) {
			u8 *frame = receive(&self->t.g, &len);

			ASSERT_NE(NULL, frame);
			EXPECT_EQ(got, frame[len - 1]);
		}
		EXPECT_EQ(NULL, receive(&self->t.g, &len));
	}
	EXPECT_EQ(20, reclaim(&self->t.g));
}

/* Too short for a header, too long for the MTU: taken, counted, not sent back */
TEST_F(net, frames_that_are_none)
{
	struct guest_sg tiny = { BUF_GPA(TX, 0), HDR - 1, false };
	u32 len;

	ASSERT_TRUE(start_net(&self->t, (struct net_config) { .peer = NET_PEER_ECHO }));
	give_rx(&self->t.g, QUEUE_SIZE);
	ASSERT_TRUE(send_frame(&self->t.g, ETH_HLEN - 1, 1));
	ASSERT_TRUE(send_frame(&self->t.g, ETH_FRAME_LEN + 1, 1));
	ASSERT_LE(0, guest_add(&self->t.g, TX, &tiny, 1));
	guest_kick(&self->t.g, TX);
	while (run_io(&self->t.net, 0))
		;
	EXPECT_EQ(3, reclaim(&self->t.g));
	EXPECT_EQ(NULL, receive(&self->t.g, &len));
	EXPECT_EQ(3, virtio_net_stats(&self->t.net).bad);
	EXPECT_EQ(0, virtio_net_stats(&self->t.net).from_guest);

	ASSERT_TRUE(send_frame(&self->t.g, ETH_HLEN, 1));
	ASSERT_TRUE(send_frame(&self->t.g, ETH_FRAME_LEN, 1));
	while (run_io(&self->t.net, 0))
		;
	EXPECT_EQ(2, virtio_net_stats(&self->t.net).to_guest);
	EXPECT_EQ(NULL, self->t.net.dev.broken);
}

TEST_F(net, buffers_that_are_too_small)
{
	struct guest_sg sg = { BUF_GPA(RX, 0), HDR + ETH_HLEN - 1, true };

	ASSERT_TRUE(start_net(&self->t, (struct net_config) { .peer = NET_PEER_ECHO }));
	ASSERT_LE(0, guest_add(&self->t.g, RX, &sg, 1));
	guest_kick(&self->t.g, RX);
	run_io(&self->t.net, 0);
	EXPECT_EQ(NULL, self->t.net.dev.broken);
	ASSERT_TRUE(send_frame(&self->t.g, ETH_HLEN, 1));
	run_io(&self->t.net, 0);
	EXPECT_NE(NULL, self->t.net.dev.broken);
}

static u64 frame_number(const u8 *frame)
{
	u64 number;

	memcpy(&number, frame + HDR + ETH_HLEN, sizeof(number));
	return le64toh(number);
}

static const struct net_config source = {
	.peer = NET_PEER_SOURCE, .frames_per_sec = 1000, .frame_size = 300,
};

/* A tenth of a second of frames: when they come, and what is in them */
TEST_F(net, source)
{
	static const u8 header[] = {
		0x02, 0x4b, 0xfe, 0xdc, 0xba, 0x98, 0x06, 0x4b, 0xfe, 0xdc, 0xba, 0x98, 0x88, 0xb5,
	};
	unsigned int wakeups = 0;
	u64 start, number = 0;
	u8 *frame;
	u32 len;

	ASSERT_TRUE(start_net(&self->t, source));
	/* It does not begin before the guest is ready, nor without a reason to. */
	while (run_io(&self->t.net, 20))
		;
	EXPECT_EQ(0, virtio_net_stats(&self->t.net).lost);
	give_rx(&self->t.g, QUEUE_SIZE);
	start = clock_ns();
	for (; number < 100; wakeups++) {
		ASSERT_TRUE(run_io(&self->t.net, 1000));
		while ((frame = receive(&self->t.g, &len))) {
			/* The first one comes at once. */
			EXPECT_LE(number * NSEC_PER_MSEC, clock_ns() - start);
			ASSERT_EQ(HDR + 300, len);
			EXPECT_EQ(0, memcmp(frame + HDR, header, sizeof(header)));
			EXPECT_LE(number, frame_number(frame));
			number = frame_number(frame) + 1;
		}
		give_rx(&self->t.g, QUEUE_SIZE);
	}
	/* How many there are in a time: source_rate_is_exact. */
	EXPECT_GE(PATIENCE_NS, clock_ns() - start);
	/* One for a frame, and one for the buffers that were given after it */
	EXPECT_GE(2 * number + 2, wakeups);
	/* What the guest sends goes to where it belongs. */
	ASSERT_TRUE(send_frame(&self->t.g, 100, 1));
	run_io(&self->t.net, 0);
	EXPECT_EQ(1, virtio_net_stats(&self->t.net).from_guest);
	EXPECT_EQ(1, reclaim(&self->t.g));
}

/* Frames that find no buffer, or whose time is long over, are lost, and counted. */
TEST_F(net, source_loses_frames)
{
	struct net_stats stats;
	u64 last, start;
	u8 *frame;
	u32 len;

	ASSERT_TRUE(start_net(&self->t, source));
	give_rx(&self->t.g, 5);
	while (virtio_net_stats(&self->t.net).lost < 10)
		ASSERT_TRUE(run_io(&self->t.net, 1000));
	EXPECT_EQ(5, virtio_net_stats(&self->t.net).to_guest);
	/* A monitor that was away for 200 frames sends the last ones only. */
	usleep(200000);
	give_rx(&self->t.g, QUEUE_SIZE);
	start = clock_ns();
	ASSERT_TRUE(run_io(&self->t.net, 0));
	/* and those of the time that this takes, one for each ms */
	stats = virtio_net_stats(&self->t.net);
	EXPECT_LE(5 + 1, stats.to_guest);
	EXPECT_GE(5 + 70 + (clock_ns() - start) / NSEC_PER_MSEC, stats.to_guest);
	EXPECT_LE(100, stats.lost);
	EXPECT_LE(50 * NSEC_PER_MSEC, stats.late_ns);
	for (last = 0; (frame = receive(&self->t.g, &len));)
		last = frame_number(frame);
	EXPECT_EQ(last + 1, stats.to_guest + stats.lost);

	/* With a reset it begins anew. */
	ASSERT_TRUE(guest_start(&self->t.g, NET_FEATURES | variant->features, QUEUE_SIZE));
	while (run_io(&self->t.net, 20))
		;
	give_rx(&self->t.g, QUEUE_SIZE);
	ASSERT_TRUE(run_io(&self->t.net, 0));
	frame = receive(&self->t.g, &len);
	ASSERT_NE(NULL, frame);
	EXPECT_EQ(0, frame_number(frame));
}

/* A rate whose period is no whole number of ns is kept exactly. */
TEST_F(net, source_rate_is_exact)
{
	struct net_config cfg = source;
	u64 start, before;
	u32 len;

	cfg.frames_per_sec = 700001;
	ASSERT_TRUE(start_net(&self->t, cfg));
	give_rx(&self->t.g, QUEUE_SIZE);
	run_io(&self->t.net, 1000);
	start = self->t.net.start_ns;
	ASSERT_NE(0, start);
	while (clock_ns() < start + 50 * NSEC_PER_MSEC) {
		ASSERT_TRUE(run_io(&self->t.net, 1000));
		while (receive(&self->t.g, &len))
			;
		give_rx(&self->t.g, QUEUE_SIZE);
	}
	before = clock_ns();
	virtio_net_process(&self->t.net);
	EXPECT_LE((before - start) * 700001 / NSEC_PER_SEC, self->t.net.next + 64);
	EXPECT_GE((clock_ns() - start) * 700001 / NSEC_PER_SEC + 1, self->t.net.next);
}

TEST(bad_configs)
{
	static const struct net_config tries[] = {
		{ .peer = NET_PEER_SOURCE, .frames_per_sec = 0, .frame_size = 100 },
		{ .peer = NET_PEER_SOURCE, .frames_per_sec = 1000001, .frame_size = 100 },
		{ .peer = NET_PEER_SOURCE, .frames_per_sec = 1, .frame_size = 21 },
		{ .peer = NET_PEER_SOURCE, .frames_per_sec = 1, .frame_size = 1515 },
	};
	struct numa_mem mem = {};
	struct virtio_net net;
	struct errmsg err;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tries); i++) {
		EXPECT_EQ(-EINVAL, virtio_net_init(&net, &tries[i], &mem, on_irq, NULL, &err));
		EXPECT_EQ(ERRMSG_INPUT, err.kind);
	}
}

TEST(net_fuzz)
{
	static u8 input[4096];
	u64 seed = 0x6e6574;
	unsigned int round;
	size_t i;

	for (round = 0; round < 400; round++) {
		for (i = 0; i < sizeof(input); i++)
			input[i] = test_random(&seed);
		ASSERT_TRUE(virtio_net_fuzz(input, sizeof(input))) {
			TH_LOG("round %u", round);
		}
	}
}

TEST_HARNESS_MAIN
