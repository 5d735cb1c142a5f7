// SPDX-License-Identifier: GPL-2.0
/* The console: a driver on the other side, good or hostile, and three threads. */
#include <errno.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "harness.h"
#include "virtio_console.h"
#include "virtio_driver.h"
#include "virtio_fuzz.h"

#define RX		0
#define TX		1
#define CONTROL_RX	2
#define CONTROL_TX	3
#define QUEUE_SIZE	64
#define FEATURES	(GUEST_BASE_FEATURES | BIT_ULL(VIRTIO_CONSOLE_F_MULTIPORT))
#define STREAM_SIZE	(700 * SZ_1K)

#define BULK_RX		4
#define BULK_TX		5

/* Where the driver has its buffers: one per descriptor and queue */
#define BUF_SIZE	SZ_4K
#define QUEUE_BUFS	(QUEUE_SIZE * BUF_SIZE)

static u64 buf_gpa(unsigned int q, unsigned int i)
{
	u64 gpa = q < BULK_RX ? GUEST_DATA + q * QUEUE_BUFS :
				GUEST_HIGH_GPA + (q - BULK_RX) * QUEUE_BUFS;

	return gpa + i * BUF_SIZE;
}

/*
 * What the console said to the monitor, in order: O, C, or d for data; o, c
 * and D if it was about the bulk port
 */
struct monitor {
	struct virtio_console *con;
	char log[64];
	size_t nr_log;
	u8 *data;
	size_t nr_data;
	unsigned int irqs;
	int irq_fd;
	bool echo;
	size_t bulk_room;	/* what the monitor takes from the bulk port */
	size_t nr_bulk;
};

static void monitor_log(struct monitor *m, char c)
{
	/* once for any number of callbacks with data */
	if ((c == 'd' || c == 'D') && m->nr_log && m->log[m->nr_log - 1] == c)
		return;
	if (m->nr_log < sizeof(m->log) - 1)
		m->log[m->nr_log++] = c;
}

static void on_irq(void *ctx)
{
	struct monitor *m = ctx;

	m->irqs++;
	if (m->irq_fd >= 0)
		eventfd_write(m->irq_fd, 1);
}

static size_t on_bulk_data(struct monitor *m, const void *data, size_t len)
{
	len = min(len, m->bulk_room);
	if (len)
		monitor_log(m, 'D');
	memcpy(m->data + m->nr_bulk, data, len);
	m->nr_bulk += len;
	m->bulk_room -= len;
	return len;
}

static size_t on_data(void *ctx, enum console_port_id port, const void *data, size_t len)
{
	struct monitor *m = ctx;

	if (port == CONSOLE_PORT_BULK)
		return on_bulk_data(m, data, len);
	monitor_log(m, 'd');
	if (m->nr_data + len <= STREAM_SIZE)
		memcpy(m->data + m->nr_data, data, len);
	m->nr_data += len;
	if (m->echo)
		virtio_console_send(m->con, port, data, len);
	return len;
}

static void on_open(void *ctx, enum console_port_id port, bool open)
{
	monitor_log(ctx, (open ? 'O' : 'C') + (port ? 'a' - 'A' : 0));
}

static const struct virtio_console_ops ops = {
	.irq = on_irq,
	.data = on_data,
	.open = on_open,
};

FIXTURE(console) {
	struct virtio_console con;
	struct guest g;
	struct monitor m;
	u8 *stream;	/* STREAM_SIZE bytes that nothing else looks like */
	u8 *got;	/* and as many for what came of them */
};

FIXTURE_VARIANT(console) {
	u64 features;
};

FIXTURE_VARIANT_ADD(console, plain) { .features = 0 };
FIXTURE_VARIANT_ADD(console, indirect) { .features = GUEST_INDIRECT };
FIXTURE_VARIANT_ADD(console, event_idx) { .features = GUEST_EVENT_IDX };
FIXTURE_VARIANT_ADD(console, as_linux) { .features = GUEST_INDIRECT | GUEST_EVENT_IDX };

FIXTURE_SETUP(console)
{
	struct errmsg err;
	u64 seed = 1;
	size_t i;

	memset(self, 0, sizeof(*self));
	self->m.con = &self->con;
	self->m.irq_fd = -1;
	self->m.data = malloc(STREAM_SIZE);
	self->got = malloc(STREAM_SIZE);
	self->stream = malloc(STREAM_SIZE);
	ASSERT_TRUE(self->m.data && self->got && self->stream);
	for (i = 0; i < STREAM_SIZE; i++)
		self->stream[i] = test_random(&seed);
	ASSERT_EQ(0, guest_init(&self->g, &self->con.dev));
	ASSERT_EQ(0, virtio_console_init(&self->con, &self->g.mem, &ops, &self->m, &err));
}

FIXTURE_TEARDOWN(console)
{
	virtio_console_destroy(&self->con);
	guest_destroy(&self->g);
	free(self->m.data);
	free(self->got);
	free(self->stream);
}

/* The I/O thread of a monitor: it runs when it was notified, and only then. */
static void run_io(struct virtio_console *con)
{
	int i;

	for (i = 0; i < 100000 && fd_readable(con->dev.notify_fd, 0); i++)
		virtio_console_process(con);
}

/* Give the device all buffers that a receive queue has room for. */
static void fill_rx(struct guest *g, unsigned int q)
{
	while (g->queues[q].nr_free) {
		u16 next = g->queues[q].free[g->queues[q].nr_free - 1];
		struct guest_sg sg = { buf_gpa(q, next), BUF_SIZE, true };

		guest_add(g, q, &sg, 1);
	}
	guest_kick(g, q);
}

static bool start(struct guest *g, u64 features)
{
	if (!guest_start(g, FEATURES | features, QUEUE_SIZE))
		return false;
	fill_rx(g, CONTROL_RX);
	fill_rx(g, RX);
	fill_rx(g, BULK_RX);
	return true;
}

/* Send a buffer and let the device have it. Return: it came back. */
static bool transmit(struct guest *g, struct virtio_console *con, unsigned int q,
		     const void *data, size_t len)
{
	struct guest_sg sg = { buf_gpa(q, 0), len, false };
	u32 used;

	memcpy(guest_ptr(g, sg.gpa), data, len);
	if (guest_add(g, q, &sg, 1) < 0)
		return false;
	guest_kick(g, q);
	run_io(con);
	return guest_get_used(g, q, &used) >= 0 && used == 0;
}

static bool control(struct guest *g, struct virtio_console *con, u32 id, u16 event, u16 value)
{
	struct virtio_console_control msg = { .id = id, .event = event, .value = value };

	return transmit(g, con, CONTROL_TX, &msg, sizeof(msg));
}

static int send(struct virtio_console *con, const void *data, size_t len)
{
	return virtio_console_send(con, CONSOLE_PORT_WIRE, data, len);
}

static bool open_port_id(struct guest *g, struct virtio_console *con, u32 id, bool open)
{
	return control(g, con, id, VIRTIO_CONSOLE_PORT_OPEN, open);
}

static bool open_port(struct guest *g, struct virtio_console *con, bool open)
{
	return open_port_id(g, con, CONSOLE_PORT_WIRE, open);
}

/* The handshake as Linux does it, without a look at what the device says. */
static bool start_and_open(struct guest *g, struct virtio_console *con, u64 features)
{
	return start(g, features) &&
	       control(g, con, VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1) &&
	       control(g, con, 0, VIRTIO_CONSOLE_PORT_READY, 1) && open_port(g, con, true);
}

/* Take what was received, and give the buffers back. Return: bytes. */
static size_t receive(struct guest *g, u8 *buf, size_t size)
{
	size_t done = 0;
	u32 len;
	int head;

	while ((head = guest_get_used(g, RX, &len)) >= 0) {
		if (len > BUF_SIZE || len > size - done)
			return 0;
		memcpy(buf + done, guest_ptr(g, buf_gpa(RX, head)), len);
		done += len;
	}
	fill_rx(g, RX);
	return done;
}

/* The next control message of the device has to be this one. */
#define EXPECT_CONTROL(_id, _event, _value, _tail)						\
do {											\
	struct virtio_console_control *msg;						\
	const char *tail = _tail;							\
	u32 len = 0;									\
	int head = guest_get_used(&self->g, CONTROL_RX, &len);				\
											\
	ASSERT_LE(0, head);								\
	msg = guest_ptr(&self->g, buf_gpa(CONTROL_RX, head));				\
	EXPECT_EQ(_id, msg->id);							\
	EXPECT_EQ(_event, msg->event);							\
	EXPECT_EQ(_value, msg->value);							\
	ASSERT_EQ(sizeof(*msg) + strlen(tail), len);					\
	EXPECT_EQ(0, memcmp(msg + 1, tail, strlen(tail)));				\
} while (0)

TEST_F(console, what_the_driver_reads)
{
	struct virtio_console_config config;

	EXPECT_EQ(VIRTIO_ID_CONSOLE, guest_read(&self->g, VIRTIO_MMIO_DEVICE_ID));
	virtio_mmio_read(&self->con.dev, VIRTIO_MMIO_CONFIG +
			 offsetof(struct virtio_console_config, max_nr_ports),
			 &config.max_nr_ports, sizeof(config.max_nr_ports));
	EXPECT_EQ(CONSOLE_NR_PORTS, config.max_nr_ports);
	/* Without MULTIPORT the port would be a console. */
	EXPECT_FALSE(guest_negotiate(&self->g, GUEST_BASE_FEATURES | variant->features));
	EXPECT_TRUE(guest_negotiate(&self->g, FEATURES | variant->features));
}

TEST_F(console, handshake)
{
	struct guest *g = &self->g;
	u32 len;

	ASSERT_TRUE(start(g, variant->features));
	run_io(&self->con);
	EXPECT_EQ(-1, guest_get_used(g, CONTROL_RX, &len));

	/* Each of the two queues interrupts for the first buffer that comes back. */
	EXPECT_EQ(0, self->m.irqs);
	ASSERT_TRUE(control(g, &self->con, VIRTIO_CONSOLE_BAD_ID,
			    VIRTIO_CONSOLE_DEVICE_READY, 1));
	EXPECT_EQ(2, self->m.irqs);
	EXPECT_CONTROL(0, VIRTIO_CONSOLE_PORT_ADD, 1, "");
	EXPECT_CONTROL(1, VIRTIO_CONSOLE_PORT_ADD, 1, "");
	EXPECT_EQ(-1, guest_get_used(g, CONTROL_RX, &len));

	ASSERT_TRUE(control(g, &self->con, 0, VIRTIO_CONSOLE_PORT_READY, 1));
	EXPECT_CONTROL(0, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	EXPECT_CONTROL(0, VIRTIO_CONSOLE_PORT_NAME, 1, "ktstr.wire");
	EXPECT_EQ(-1, guest_get_used(g, CONTROL_RX, &len));
	EXPECT_STREQ("", self->m.log);

	ASSERT_TRUE(open_port(g, &self->con, true));
	EXPECT_STREQ("O", self->m.log);
	ASSERT_TRUE(open_port(g, &self->con, true));
	EXPECT_STREQ("O", self->m.log);
	ASSERT_TRUE(open_port(g, &self->con, false));
	EXPECT_STREQ("OC", self->m.log);
	EXPECT_EQ(-1, guest_get_used(g, CONTROL_RX, &len));
	EXPECT_EQ(NULL, self->con.dev.broken);
}

/* Messages that fail, are for other ports, are too short, or mean nothing */
TEST_F(console, control_messages_without_effect)
{
	static const struct virtio_console_control msgs[] = {
		{ VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 0 },
		{ 0, VIRTIO_CONSOLE_PORT_READY, 0 },
		{ CONSOLE_NR_PORTS, VIRTIO_CONSOLE_PORT_READY, 1 },
		{ CONSOLE_NR_PORTS, VIRTIO_CONSOLE_PORT_OPEN, 1 },
		{ VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_PORT_OPEN, 1 },
		{ 0, VIRTIO_CONSOLE_CONSOLE_PORT, 1 },
		{ 0, VIRTIO_CONSOLE_RESIZE, 1 },
		{ 0, 0xffff, 0xffff },
	};
	struct virtio_console_control ready = { .event = VIRTIO_CONSOLE_PORT_OPEN, .value = 1 };
	struct guest *g = &self->g;
	size_t i;
	u32 len;

	ASSERT_TRUE(start(g, variant->features));
	for (i = 0; i < ARRAY_SIZE(msgs); i++)
		EXPECT_TRUE(transmit(g, &self->con, CONTROL_TX, &msgs[i], sizeof(msgs[i])));
	for (i = 0; i < sizeof(ready); i++)
		EXPECT_TRUE(transmit(g, &self->con, CONTROL_TX, &ready, i));
	EXPECT_EQ(-1, guest_get_used(g, CONTROL_RX, &len));
	EXPECT_STREQ("", self->m.log);
	EXPECT_EQ(NULL, self->con.dev.broken);
}

/* 2.7.4: how a message is cut into descriptors means nothing. */
TEST_F(console, framing)
{
	struct virtio_console_control msg = { .event = VIRTIO_CONSOLE_PORT_OPEN, .value = 1 };
	struct guest_sg sg[sizeof(msg)];
	u32 used;
	size_t i;

	ASSERT_TRUE(start(&self->g, variant->features));
	for (i = 0; i < sizeof(msg); i++) {
		sg[i] = (struct guest_sg){ buf_gpa(CONTROL_TX, i), 1, false };
		memcpy(guest_ptr(&self->g, sg[i].gpa), (u8 *)&msg + i, 1);
	}
	ASSERT_LE(0, guest_add(&self->g, CONTROL_TX, sg, ARRAY_SIZE(sg)));
	guest_kick(&self->g, CONTROL_TX);
	run_io(&self->con);
	EXPECT_LE(0, guest_get_used(&self->g, CONTROL_TX, &used));
	EXPECT_STREQ("O", self->m.log);
}

/* However often it is asked, the device owes one message of each kind. */
TEST_F(console, control_flood_without_buffers)
{
	struct guest *g = &self->g;
	u32 len;
	int i;

	ASSERT_TRUE(guest_start(g, FEATURES | variant->features, QUEUE_SIZE));
	for (i = 0; i < 1000; i++) {
		ASSERT_TRUE(control(g, &self->con, VIRTIO_CONSOLE_BAD_ID,
				    VIRTIO_CONSOLE_DEVICE_READY, 1));
		ASSERT_TRUE(control(g, &self->con, 0, VIRTIO_CONSOLE_PORT_READY, 1));
	}
	fill_rx(g, CONTROL_RX);
	run_io(&self->con);
	EXPECT_CONTROL(0, VIRTIO_CONSOLE_PORT_ADD, 1, "");
	EXPECT_CONTROL(0, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	EXPECT_CONTROL(0, VIRTIO_CONSOLE_PORT_NAME, 1, "ktstr.wire");
	EXPECT_CONTROL(1, VIRTIO_CONSOLE_PORT_ADD, 1, "");
	EXPECT_EQ(-1, guest_get_used(g, CONTROL_RX, &len));

	/* With a reset it owes nothing any more. */
	ASSERT_TRUE(guest_start(g, FEATURES | variant->features, QUEUE_SIZE));
	ASSERT_TRUE(control(g, &self->con, VIRTIO_CONSOLE_BAD_ID,
			    VIRTIO_CONSOLE_DEVICE_READY, 1));
	ASSERT_TRUE(start(g, variant->features));
	run_io(&self->con);
	EXPECT_EQ(-1, guest_get_used(g, CONTROL_RX, &len));
}

/* Buffers of all sizes, in one to four parts, several at a time */
TEST_F(console, guest_to_host)
{
	struct guest *g = &self->g;
	u64 seed = 2;
	size_t sent = 0, back = 0, nr = 0;
	u32 len;

	ASSERT_TRUE(start_and_open(g, &self->con, variant->features));
	while (sent < STREAM_SIZE) {
		unsigned int n = 1 + test_random(&seed) % 4, i;
		struct guest_sg sg[4];

		if (g->queues[TX].nr_free < n) {
			guest_kick(g, TX);
			run_io(&self->con);
			while (guest_get_used(g, TX, &len) >= 0) {
				EXPECT_EQ(0, len);
				back++;
			}
		}
		for (i = 0; i < n; i++) {
			/* The part lies in a buffer that a free descriptor owns. */
			u16 buf = g->queues[TX].free[g->queues[TX].nr_free - 1];
			size_t size = min_t(size_t, test_random(&seed) % 1000, STREAM_SIZE - sent);

			sg[i] = (struct guest_sg){ buf_gpa(TX, buf) + i * 1000, size, false };
			memcpy(guest_ptr(g, sg[i].gpa), self->stream + sent, size);
			sent += size;
		}
		ASSERT_LE(0, guest_add(g, TX, sg, n));
		nr++;
	}
	guest_kick(g, TX);
	run_io(&self->con);
	while (guest_get_used(g, TX, &len) >= 0)
		back++;
	EXPECT_EQ(nr, back);
	EXPECT_EQ(STREAM_SIZE, self->m.nr_data);
	EXPECT_EQ(0, memcmp(self->stream, self->m.data, STREAM_SIZE));
	EXPECT_STREQ("Od", self->m.log);
}

/* More than the guest has buffers for, and twice around the ring */
TEST_F(console, host_to_guest)
{
	struct guest *g = &self->g;
	size_t got, size;
	unsigned int irqs;
	int round;

	ASSERT_TRUE(start_and_open(g, &self->con, variant->features));
	for (round = 0; round < 4; round++) {
		ASSERT_TRUE(guest_enable_irq(g, RX));
		irqs = self->m.irqs;
		ASSERT_EQ(0, send(&self->con, self->stream, 1000));
		EXPECT_EQ(irqs + 1, self->m.irqs);
		ASSERT_EQ(0, send(&self->con, self->stream + 1000, STREAM_SIZE - 1000));
		for (got = 0; got < STREAM_SIZE; got += size) {
			size = receive(g, self->got + got, STREAM_SIZE - got);
			ASSERT_NE(0, size);
			run_io(&self->con);
		}
		ASSERT_EQ(STREAM_SIZE, got);
		ASSERT_EQ(0, memcmp(self->stream, self->got, STREAM_SIZE));
	}
	EXPECT_EQ(0, receive(g, self->got, STREAM_SIZE));
}

TEST_F(console, send_is_bounded)
{
	struct guest *g = &self->g;
	size_t rest = VIRTIO_CONSOLE_SEND_MAX - STREAM_SIZE;

	EXPECT_EQ(0, send(&self->con, self->stream, STREAM_SIZE));
	EXPECT_EQ(-ENOBUFS, send(&self->con, self->stream, rest + 1));
	EXPECT_EQ(-ENOBUFS, send(&self->con, self->stream, SIZE_MAX));
	EXPECT_EQ(0, send(&self->con, self->stream, rest));
	EXPECT_EQ(-ENOBUFS, send(&self->con, self->stream, 1));
	EXPECT_EQ(0, send(&self->con, self->stream, 0));

	/* What was refused is not in the stream. */
	ASSERT_TRUE(start_and_open(g, &self->con, variant->features));
	EXPECT_EQ(QUEUE_SIZE * BUF_SIZE, receive(g, self->got, STREAM_SIZE));
	EXPECT_EQ(0, memcmp(self->stream, self->got, QUEUE_SIZE * BUF_SIZE));
	run_io(&self->con);
	EXPECT_EQ(0, send(&self->con, self->stream, QUEUE_SIZE * BUF_SIZE));
}

/*
 * Linux throws away what comes for a port that nobody has open: at every step of
 * the handshake it has to wait for the next one. A guest may open the port before
 * it has learnt that ours is open, and even before it has said that it has one.
 */
TEST_F(console, send_before_open)
{
	struct guest *g = &self->g;

	ASSERT_EQ(0, send(&self->con, "the ", 4));
	ASSERT_TRUE(start(g, variant->features));
	ASSERT_EQ(0, send(&self->con, "early ", 6));
	run_io(&self->con);
	EXPECT_EQ(0, receive(g, self->got, STREAM_SIZE));
	ASSERT_TRUE(control(g, &self->con, VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1));
	ASSERT_EQ(0, send(&self->con, "bird ", 5));
	ASSERT_TRUE(control(g, &self->con, 0, VIRTIO_CONSOLE_PORT_READY, 1));
	ASSERT_EQ(0, send(&self->con, "waits", 5));
	run_io(&self->con);
	EXPECT_EQ(0, receive(g, self->got, STREAM_SIZE));
	ASSERT_TRUE(open_port(g, &self->con, true));
	/* in several pieces, but in order */
	EXPECT_EQ(20, receive(g, self->got, STREAM_SIZE));
	EXPECT_EQ(0, memcmp("the early bird waits", self->got, 20));

	ASSERT_TRUE(guest_start(g, FEATURES | variant->features, QUEUE_SIZE));
	fill_rx(g, RX);
	ASSERT_EQ(0, send(&self->con, "again", 5));
	ASSERT_TRUE(open_port(g, &self->con, true));
	EXPECT_EQ(5, receive(g, self->got, STREAM_SIZE));
	EXPECT_EQ(0, memcmp("again", self->got, 5));
}

TEST_F(console, close_ends_the_stream)
{
	struct guest *g = &self->g;
	struct virtio_console_control close = { .event = VIRTIO_CONSOLE_PORT_OPEN };
	struct guest_sg sg[] = {
		{ buf_gpa(TX, 0), 4, false },
		{ buf_gpa(CONTROL_TX, 0), sizeof(close), false },
	};

	ASSERT_TRUE(start_and_open(g, &self->con, variant->features));
	/* Fill the guest's buffers, and some more that is lost with the close. */
	ASSERT_EQ(0, send(&self->con, self->stream, STREAM_SIZE));

	/* The last words lie in their queue when the close comes in another. */
	memcpy(guest_ptr(g, sg[0].gpa), "last", 4);
	memcpy(guest_ptr(g, sg[1].gpa), &close, sizeof(close));
	guest_add(g, TX, &sg[0], 1);
	guest_add(g, CONTROL_TX, &sg[1], 1);
	guest_publish(g, TX);
	guest_kick(g, CONTROL_TX);
	run_io(&self->con);
	EXPECT_STREQ("OdC", self->m.log);
	EXPECT_EQ(4, self->m.nr_data);

	EXPECT_EQ(QUEUE_SIZE * BUF_SIZE, receive(g, self->got, STREAM_SIZE));
	ASSERT_EQ(0, send(&self->con, "fresh", 5));
	run_io(&self->con);
	EXPECT_EQ(0, receive(g, self->got, STREAM_SIZE));
	ASSERT_TRUE(open_port(g, &self->con, true));
	EXPECT_EQ(5, receive(g, self->got, STREAM_SIZE));
	EXPECT_EQ(0, memcmp("fresh", self->got, 5));
	EXPECT_STREQ("OdCO", self->m.log);
}

/* A port that is not open has no bytes, whatever a guest puts in the queue. */
TEST_F(console, data_without_open)
{
	ASSERT_TRUE(start(&self->g, variant->features));
	EXPECT_TRUE(transmit(&self->g, &self->con, TX, "hello", 5));
	EXPECT_STREQ("", self->m.log);
	EXPECT_EQ(0, self->m.nr_data);
}

/* In the middle of a long buffer one way, and of a queue the other way */
TEST_F(console, reset_in_the_middle)
{
	struct guest *g = &self->g;
	struct guest_sg sg[12];
	size_t i;

	ASSERT_TRUE(start_and_open(g, &self->con, variant->features));
	for (i = 0; i < ARRAY_SIZE(sg); i++)
		sg[i] = (struct guest_sg){ GUEST_HIGH_GPA, GUEST_HIGH_SIZE, false };
	for (i = 0; i < 3; i++)
		ASSERT_LE(0, guest_add(g, TX, sg, ARRAY_SIZE(sg)));
	guest_kick(g, TX);
	ASSERT_EQ(0, send(&self->con, self->stream, STREAM_SIZE));
	virtio_console_process(&self->con);
	ASSERT_TRUE(self->con.ports[0].tx_busy);

	guest_write(g, VIRTIO_MMIO_STATUS, 0);
	self->m.nr_data = 0;
	run_io(&self->con);
	EXPECT_EQ(0, self->m.nr_data);
	EXPECT_STREQ("OdC", self->m.log);

	ASSERT_TRUE(start_and_open(g, &self->con, variant->features));
	EXPECT_STREQ("OdCO", self->m.log);
	EXPECT_CONTROL(0, VIRTIO_CONSOLE_PORT_ADD, 1, "");
	EXPECT_CONTROL(1, VIRTIO_CONSOLE_PORT_ADD, 1, "");
	EXPECT_CONTROL(0, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	EXPECT_CONTROL(0, VIRTIO_CONSOLE_PORT_NAME, 1, "ktstr.wire");
	EXPECT_EQ(0, receive(g, self->got, STREAM_SIZE));
	EXPECT_TRUE(transmit(g, &self->con, TX, "again", 5));
	EXPECT_EQ(5, self->m.nr_data);
	EXPECT_EQ(0, memcmp("again", self->m.data, 5));
	ASSERT_EQ(0, send(&self->con, "too", 3));
	EXPECT_EQ(3, receive(g, self->got, STREAM_SIZE));
}

/* One buffer of many steps, in parts that end at none of them */
TEST_F(console, long_buffer)
{
	struct guest *g = &self->g;
	struct guest_sg sg[7];
	size_t i, size = STREAM_SIZE / ARRAY_SIZE(sg);

	ASSERT_TRUE(start_and_open(g, &self->con, variant->features));
	for (i = 0; i < ARRAY_SIZE(sg); i++)
		sg[i] = (struct guest_sg){ GUEST_HIGH_GPA + i * size, size, false };
	memcpy(guest_ptr(g, GUEST_HIGH_GPA), self->stream, STREAM_SIZE);
	ASSERT_LE(0, guest_add(g, TX, sg, ARRAY_SIZE(sg)));
	guest_kick(g, TX);
	run_io(&self->con);
	EXPECT_EQ(STREAM_SIZE, self->m.nr_data);
	EXPECT_EQ(0, memcmp(self->stream, self->m.data, STREAM_SIZE));
}

/* 16 MiB from each of 4 buffers: all of it arrives, in several goes. */
TEST_F(console, huge_buffers)
{
	struct guest *g = &self->g;
	struct guest_sg sg[16];
	size_t i;

	ASSERT_TRUE(start_and_open(g, &self->con, variant->features));
	for (i = 0; i < ARRAY_SIZE(sg); i++)
		sg[i] = (struct guest_sg){ GUEST_HIGH_GPA, GUEST_HIGH_SIZE, false };
	for (i = 0; i < 4; i++)
		ASSERT_LE(0, guest_add(g, TX, sg, ARRAY_SIZE(sg)));
	guest_kick(g, TX);
	virtio_console_process(&self->con);
	EXPECT_GT(4 * ARRAY_SIZE(sg) * GUEST_HIGH_SIZE, self->m.nr_data);
	EXPECT_TRUE(fd_readable(self->con.dev.notify_fd, 0));
	run_io(&self->con);
	EXPECT_EQ(4 * ARRAY_SIZE(sg) * GUEST_HIGH_SIZE, self->m.nr_data);
}

/* The device cannot use a receive buffer that has no room: the driver is broken. */
TEST_F(console, useless_buffers)
{
	static const struct guest_sg readable = { GUEST_DATA, 64, false };
	static const struct guest_sg tiny = { GUEST_DATA, 7, true };
	struct guest *g = &self->g;

	ASSERT_TRUE(guest_start(g, FEATURES | variant->features, QUEUE_SIZE));
	guest_add(g, RX, &readable, 1);
	guest_kick(g, RX);
	ASSERT_EQ(0, send(&self->con, "x", 1));
	EXPECT_EQ(NULL, self->con.dev.broken);
	open_port(g, &self->con, true);
	EXPECT_NE(NULL, self->con.dev.broken);

	ASSERT_TRUE(guest_start(g, FEATURES | variant->features, QUEUE_SIZE));
	EXPECT_EQ(NULL, self->con.dev.broken);
	guest_add(g, CONTROL_RX, &tiny, 1);
	guest_kick(g, CONTROL_RX);
	control(g, &self->con, VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	EXPECT_NE(NULL, self->con.dev.broken);
	EXPECT_TRUE(guest_read(g, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static bool start_bulk(struct guest *g, struct virtio_console *con, u64 features)
{
	return start_and_open(g, con, features) &&
	       control(g, con, CONSOLE_PORT_BULK, VIRTIO_CONSOLE_PORT_READY, 1) &&
	       open_port_id(g, con, CONSOLE_PORT_BULK, true);
}

/* Put the stream from @at on in all free buffers. Return: where it goes on. */
static size_t send_bulk(struct guest *g, const u8 *stream, size_t at)
{
	while (g->queues[BULK_TX].nr_free) {
		u16 buf = g->queues[BULK_TX].free[g->queues[BULK_TX].nr_free - 1];
		struct guest_sg sg = { buf_gpa(BULK_TX, buf), BUF_SIZE, false };

		memcpy(guest_ptr(g, sg.gpa), stream + at, BUF_SIZE);
		guest_add(g, BULK_TX, &sg, 1);
		at += BUF_SIZE;
	}
	guest_kick(g, BULK_TX);
	return at;
}

TEST_F(console, bulk_port_has_a_name)
{
	struct guest *g = &self->g;
	u32 len;

	ASSERT_TRUE(start(g, variant->features));
	ASSERT_TRUE(control(g, &self->con, CONSOLE_PORT_BULK, VIRTIO_CONSOLE_PORT_READY, 1));
	EXPECT_CONTROL(1, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	EXPECT_CONTROL(1, VIRTIO_CONSOLE_PORT_NAME, 1, "ktstr.bulk");
	EXPECT_EQ(-1, guest_get_used(g, CONTROL_RX, &len));
	ASSERT_TRUE(open_port_id(g, &self->con, CONSOLE_PORT_BULK, true));
	ASSERT_TRUE(open_port_id(g, &self->con, CONSOLE_PORT_BULK, false));
	EXPECT_STREQ("oc", self->m.log);
}

/*
 * A monitor that takes little: the guest keeps the buffers that were not taken,
 * which stops it, and nothing is lost or doubled.
 */
TEST_F(console, bulk_waits_for_its_reader)
{
	size_t round, taken = 0, sent = 0, rooms[] = { 0, 1, 4095, 4096, 10000, 100000 };
	struct guest *g = &self->g;
	u32 len;

	ASSERT_TRUE(start_bulk(g, &self->con, variant->features));
	sent = send_bulk(g, self->stream, 0);
	run_io(&self->con);
	EXPECT_EQ(0, self->m.nr_bulk);
	EXPECT_EQ(-1, guest_get_used(g, BULK_TX, &len));
	EXPECT_TRUE(virtio_console_process(&self->con));
	for (round = 0; round < ARRAY_SIZE(rooms); round++) {
		self->m.bulk_room = rooms[round];
		taken += rooms[round];
		virtio_console_resume(&self->con);
		run_io(&self->con);
		ASSERT_EQ(taken, self->m.nr_bulk);
		while (guest_get_used(g, BULK_TX, &len) >= 0)
			EXPECT_EQ(0, len);
		/* what was taken in full, and no other, came back */
		EXPECT_EQ(QUEUE_SIZE - (sent - taken + BUF_SIZE - 1) / BUF_SIZE,
			  g->queues[BULK_TX].nr_free);
		sent = send_bulk(g, self->stream, sent);
	}
	self->m.bulk_room = SIZE_MAX;
	virtio_console_resume(&self->con);
	run_io(&self->con);
	EXPECT_FALSE(virtio_console_process(&self->con));
	EXPECT_EQ(sent, self->m.nr_bulk);
	EXPECT_EQ(0, memcmp(self->stream, self->m.data, sent));
	EXPECT_STREQ("OoD", self->m.log);
}

/* The port for answers works while the other one is stuck. */
TEST_F(console, stuck_bulk_port_is_in_nobodys_way)
{
	struct guest *g = &self->g;

	ASSERT_TRUE(start_bulk(g, &self->con, variant->features));
	send_bulk(g, self->stream, 0);
	run_io(&self->con);
	EXPECT_TRUE(transmit(g, &self->con, TX, "answer", 6));
	EXPECT_EQ(6, self->m.nr_data);
	ASSERT_EQ(0, send(&self->con, "ask", 3));
	EXPECT_EQ(3, receive(g, self->got, STREAM_SIZE));
	EXPECT_TRUE(open_port(g, &self->con, false));
	EXPECT_TRUE(open_port(g, &self->con, true));
	EXPECT_STREQ("OodCO", self->m.log);
}

/* What was written before a close is taken before it is told, however late. */
TEST_F(console, close_waits_for_the_reader)
{
	struct guest *g = &self->g;
	size_t sent;
	u32 len;

	ASSERT_TRUE(start_bulk(g, &self->con, variant->features));
	sent = send_bulk(g, self->stream, 0);
	EXPECT_TRUE(open_port_id(g, &self->con, CONSOLE_PORT_BULK, false));
	/* The next one is not opened before the last one has ended. */
	EXPECT_TRUE(open_port_id(g, &self->con, CONSOLE_PORT_BULK, true));
	EXPECT_STREQ("Oo", self->m.log);
	self->m.bulk_room = sent;
	virtio_console_resume(&self->con);
	run_io(&self->con);
	EXPECT_EQ(sent, self->m.nr_bulk);
	EXPECT_STREQ("OoDco", self->m.log);

	/* A reset waits for nobody, and no message from before it counts. */
	while (guest_get_used(g, BULK_TX, &len) >= 0)
		;
	EXPECT_EQ(sent, send_bulk(g, self->stream, 0));
	EXPECT_TRUE(open_port_id(g, &self->con, CONSOLE_PORT_BULK, false));
	EXPECT_TRUE(open_port_id(g, &self->con, CONSOLE_PORT_BULK, true));
	guest_write(g, VIRTIO_MMIO_STATUS, 0);
	run_io(&self->con);
	EXPECT_EQ(sent, self->m.nr_bulk);
	EXPECT_STREQ("OoDcoCc", self->m.log);
}

/* All that a guest left at its end; what is not taken waits for the next time. */
TEST_F(console, drain)
{
	const size_t size = 16ULL * GUEST_HIGH_SIZE;
	struct guest *g = &self->g;
	struct guest_sg sg[16];
	size_t i, sent;

	ASSERT_TRUE(start_bulk(g, &self->con, variant->features));
	for (i = 0; i < ARRAY_SIZE(sg); i++)
		sg[i] = (struct guest_sg){ GUEST_HIGH_GPA, GUEST_HIGH_SIZE, false };
	for (i = 0; i < 4; i++)
		ASSERT_LE(0, guest_add(g, TX, sg, ARRAY_SIZE(sg)));
	guest_publish(g, TX);
	self->m.nr_data = STREAM_SIZE;	/* is counted only */
	sent = send_bulk(g, self->stream, 0);
	self->m.bulk_room = sent / 2 + 1;
	virtio_console_drain(&self->con);
	EXPECT_EQ(STREAM_SIZE + 4 * size, self->m.nr_data);
	EXPECT_EQ(sent / 2 + 1, self->m.nr_bulk);
	self->m.bulk_room = SIZE_MAX;
	virtio_console_drain(&self->con);
	EXPECT_EQ(sent, self->m.nr_bulk);
	EXPECT_EQ(0, memcmp(self->stream, self->m.data, sent));
}

/* The threads of a monitor; the test itself is the guest. */
struct threads {
	struct virtio_console *con;
	const u8 *stream;
	int stop_fd;
};

static void *io_thread(void *arg)
{
	struct threads *t = arg;
	struct pollfd pfds[] = {
		{ .fd = t->con->dev.notify_fd, .events = POLLIN },
		{ .fd = t->stop_fd, .events = POLLIN },
	};

	while (poll(pfds, ARRAY_SIZE(pfds), -1) > 0 && !pfds[1].revents)
		virtio_console_process(t->con);
	return NULL;
}

static void *send_thread(void *arg)
{
	struct threads *t = arg;
	size_t sent = 0, n;
	u64 seed = 3;

	while (sent < STREAM_SIZE) {
		n = min_t(size_t, 1 + test_random(&seed) % 5000, STREAM_SIZE - sent);
		if (virtio_console_send(t->con, CONSOLE_PORT_WIRE, t->stream + sent, n))
			break;
		sent += n;
	}
	return NULL;
}

/*
 * Both ways at once. The guest sleeps whenever it has nothing to do, so that an
 * interrupt or a notification that gets lost ends in a timeout.
 */
TEST_F(console, threads)
{
	struct guest *g = &self->g;
	struct threads t = { .con = &self->con, .stream = self->stream };
	size_t sent = 0, got = 0;
	pthread_t io, sender;
	eventfd_t count;
	bool idle;
	u32 len;
	int head;

	self->m.irq_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t.stop_fd = eventfd(0, EFD_CLOEXEC);
	ASSERT_LE(0, self->m.irq_fd);
	ASSERT_LE(0, t.stop_fd);
	ASSERT_TRUE(start_and_open(g, &self->con, variant->features));
	ASSERT_EQ(0, pthread_create(&io, NULL, io_thread, &t));
	ASSERT_EQ(0, pthread_create(&sender, NULL, send_thread, &t));

	while (sent < STREAM_SIZE || got < STREAM_SIZE || g->queues[TX].nr_free < QUEUE_SIZE) {
		eventfd_read(self->m.irq_fd, &count);
		guest_write(g, VIRTIO_MMIO_INTERRUPT_ACK,
			    guest_read(g, VIRTIO_MMIO_INTERRUPT_STATUS));
		while (guest_get_used(g, TX, &len) >= 0)
			;
		while ((head = guest_get_used(g, RX, &len)) >= 0) {
			ASSERT_GE(STREAM_SIZE - got, len);
			memcpy(self->got + got, guest_ptr(g, buf_gpa(RX, head)), len);
			got += len;
		}
		fill_rx(g, RX);
		while (sent < STREAM_SIZE && g->queues[TX].nr_free) {
			u16 buf = g->queues[TX].free[g->queues[TX].nr_free - 1];
			struct guest_sg sg = {
				buf_gpa(TX, buf), min_t(size_t, 1234, STREAM_SIZE - sent), false
			};

			memcpy(guest_ptr(g, sg.gpa), self->stream + sent, sg.len);
			guest_add(g, TX, &sg, 1);
			sent += sg.len;
		}
		guest_kick(g, TX);
		idle = guest_enable_irq(g, RX);
		idle = guest_enable_irq(g, TX) && idle;
		if (idle && (got < STREAM_SIZE || g->queues[TX].nr_free < QUEUE_SIZE)) {
			ASSERT_TRUE(fd_readable(self->m.irq_fd, 60000)) {
				TH_LOG("lost: %zu sent, %zu received", sent, got);
			}
		}
	}
	eventfd_write(t.stop_fd, 1);
	pthread_join(sender, NULL);
	pthread_join(io, NULL);
	EXPECT_EQ(STREAM_SIZE, self->m.nr_data);
	EXPECT_EQ(0, memcmp(self->stream, self->m.data, STREAM_SIZE));
	EXPECT_EQ(0, memcmp(self->stream, self->got, STREAM_SIZE));
	close(self->m.irq_fd);
	close(t.stop_fd);
}

/* The callbacks are made without a lock. */
TEST_F(console, echo)
{
	ASSERT_TRUE(start_and_open(&self->g, &self->con, variant->features));
	self->m.echo = true;
	EXPECT_TRUE(transmit(&self->g, &self->con, TX, "ping", 4));
	EXPECT_EQ(4, receive(&self->g, self->got, STREAM_SIZE));
	EXPECT_EQ(0, memcmp("ping", self->got, 4));
}

/* 400 hostile guests of 4 KiB, more than 300000 operations in all */
TEST(console_fuzz)
{
	static u8 input[4096];
	u64 seed = 0x6b74737472;
	unsigned int round;
	size_t i;

	for (round = 0; round < 400; round++) {
		for (i = 0; i < sizeof(input); i++)
			input[i] = test_random(&seed);
		ASSERT_TRUE(virtio_console_fuzz(input, sizeof(input))) {
			TH_LOG("round %u", round);
		}
	}
}

TEST_HARNESS_MAIN
