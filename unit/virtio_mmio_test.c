// SPDX-License-Identifier: GPL-2.0
/* The virtio-mmio transport and its queues, with good drivers and hostile ones. */
#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "harness.h"
#include "virtio_driver.h"
#include "virtio_mmio.h"

#define QUEUE_SIZE	64
#define DEV_FEATURE	BIT_ULL(5)
#define DEV_REQUIRED	BIT_ULL(7)
#define DEV_FEATURES	(GUEST_BASE_FEATURES | DEV_REQUIRED)

static const u8 config[6] = { 1, 2, 3, 4, 5, 6 };

struct counters {
	unsigned int irqs;
	unsigned int resets;
};

/* The device has nothing of its own; its resets are counted beside it. */
static struct counters counters;

static void on_irq(void *ctx)
{
	((struct counters *)ctx)->irqs++;
}

static void on_reset(struct virtio_mmio *dev)
{
	((struct counters *)dev->irq_ctx)->resets++;
}

static const struct virtio_dev_ops ops = {
	.device_id = 42,
	.nr_queues = 2,
	.queue_size = QUEUE_SIZE,
	.features = DEV_FEATURE | DEV_REQUIRED,
	.required = DEV_REQUIRED,
	.config = config,
	.config_size = sizeof(config),
	.reset = on_reset,
};

static int setup(struct virtio_mmio *dev, struct guest *g)
{
	struct errmsg err;

	if (guest_init(g, dev))
		return -1;
	if (!virtio_mmio_init(dev, &ops, &g->mem, on_irq, &counters, &err)) {
		memset(&counters, 0, sizeof(counters));
		return 0;
	}
	guest_destroy(g);
	return -1;
}

FIXTURE(mmio) {
	struct virtio_mmio dev;
	struct guest g;
	struct virtq *vq;
};

FIXTURE_SETUP(mmio)
{
	ASSERT_EQ(0, setup(&self->dev, &self->g));
	self->vq = &self->dev.queues[0];
}

FIXTURE_TEARDOWN(mmio)
{
	virtio_mmio_destroy(&self->dev);
	guest_destroy(&self->g);
}

TEST_F(mmio, identification)
{
	struct guest *g = &self->g;

	EXPECT_EQ(0x74726976, guest_read(g, VIRTIO_MMIO_MAGIC_VALUE));
	EXPECT_EQ(2, guest_read(g, VIRTIO_MMIO_VERSION));
	EXPECT_EQ(42, guest_read(g, VIRTIO_MMIO_DEVICE_ID));
	EXPECT_NE(0, guest_read(g, VIRTIO_MMIO_VENDOR_ID));
	EXPECT_EQ(0, guest_read(g, VIRTIO_MMIO_STATUS));
	EXPECT_EQ(0, guest_read(g, VIRTIO_MMIO_INTERRUPT_STATUS));
	EXPECT_EQ(0, guest_read(g, VIRTIO_MMIO_CONFIG_GENERATION));
	EXPECT_EQ(0xffffffff, guest_read(g, VIRTIO_MMIO_SHM_LEN_LOW));
	EXPECT_EQ(0xffffffff, guest_read(g, VIRTIO_MMIO_SHM_LEN_HIGH));

	EXPECT_EQ(QUEUE_SIZE, guest_read(g, VIRTIO_MMIO_QUEUE_NUM_MAX));
	guest_write(g, VIRTIO_MMIO_QUEUE_SEL, 2);
	EXPECT_EQ(0, guest_read(g, VIRTIO_MMIO_QUEUE_NUM_MAX));
	EXPECT_EQ(0, guest_read(g, VIRTIO_MMIO_QUEUE_READY));
	guest_write(g, VIRTIO_MMIO_QUEUE_SEL, 0xffffffff);
	EXPECT_EQ(0, guest_read(g, VIRTIO_MMIO_QUEUE_NUM_MAX));
}

TEST_F(mmio, offered_features)
{
	struct guest *g = &self->g;

	EXPECT_EQ((u32)(DEV_FEATURE | DEV_REQUIRED | GUEST_INDIRECT | GUEST_EVENT_IDX),
		  guest_read(g, VIRTIO_MMIO_DEVICE_FEATURES));
	guest_write(g, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	EXPECT_EQ(1, guest_read(g, VIRTIO_MMIO_DEVICE_FEATURES));
	guest_write(g, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
	EXPECT_EQ(0, guest_read(g, VIRTIO_MMIO_DEVICE_FEATURES));
	guest_write(g, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0xffffffff);
	EXPECT_EQ(0, guest_read(g, VIRTIO_MMIO_DEVICE_FEATURES));
}

TEST_F(mmio, negotiation)
{
	static const struct {
		u64 features;
		bool accepted;
	} tries[] = {
		{ DEV_FEATURES, true },
		{ DEV_FEATURES | DEV_FEATURE | GUEST_INDIRECT | GUEST_EVENT_IDX, true },
		{ 0, false },
		{ GUEST_BASE_FEATURES, false },
		{ DEV_REQUIRED, false },
		{ DEV_FEATURES | BIT_ULL(6), false },
		{ DEV_FEATURES | BIT_ULL(33), false },
		{ DEV_FEATURES | BIT_ULL(63), false },
		{ ~0ULL, false },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tries); i++) {
		EXPECT_EQ(tries[i].accepted, guest_negotiate(&self->g, tries[i].features)) {
			TH_LOG("features %#llx", (unsigned long long)tries[i].features);
		}
	}
}

/* What was agreed on stays, and bits above 63 do not land on lower ones. */
TEST_F(mmio, features_are_final)
{
	struct guest *g = &self->g;

	guest_write(g, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 3);
	guest_write(g, VIRTIO_MMIO_DRIVER_FEATURES, 0xffffffff);
	EXPECT_EQ(0, self->dev.driver_features);
	ASSERT_TRUE(guest_negotiate(g, DEV_FEATURES));
	guest_write(g, VIRTIO_MMIO_DRIVER_FEATURES, 0xffffffff);
	EXPECT_EQ(DEV_FEATURES, self->dev.driver_features);
	guest_add_status(g, VIRTIO_CONFIG_S_FEATURES_OK);
	EXPECT_EQ(DEV_FEATURES, self->dev.driver_features);
}

TEST_F(mmio, status_rules)
{
	struct guest *g = &self->g;

	/* DRIVER_OK needs FEATURES_OK; the driver cannot set NEEDS_RESET. */
	EXPECT_EQ(VIRTIO_CONFIG_S_ACKNOWLEDGE,
		  guest_add_status(g, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER_OK |
				   VIRTIO_CONFIG_S_NEEDS_RESET));
	/* Bits above the low byte have no meaning, and no effect on those below. */
	EXPECT_EQ(VIRTIO_CONFIG_S_ACKNOWLEDGE, guest_add_status(g, 0xffffff00));

	ASSERT_TRUE(guest_start(g, DEV_FEATURES, QUEUE_SIZE));
	guest_write(g, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	EXPECT_EQ(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
		  VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK,
		  guest_read(g, VIRTIO_MMIO_STATUS));
}

TEST_F(mmio, reset)
{
	struct guest *g = &self->g;
	unsigned int resets;

	ASSERT_TRUE(guest_start(g, DEV_FEATURES, QUEUE_SIZE / 2));
	pthread_mutex_lock(&self->dev.lock);
	virtio_mmio_break(&self->dev, "test");
	pthread_mutex_unlock(&self->dev.lock);
	EXPECT_EQ(VIRTIO_MMIO_INT_CONFIG, guest_read(g, VIRTIO_MMIO_INTERRUPT_STATUS));

	resets = counters.resets;
	guest_write(g, VIRTIO_MMIO_STATUS, 0);
	EXPECT_EQ(resets + 1, counters.resets);
	EXPECT_EQ(0, guest_read(g, VIRTIO_MMIO_STATUS));
	EXPECT_EQ(0, guest_read(g, VIRTIO_MMIO_INTERRUPT_STATUS));
	EXPECT_EQ(NULL, self->dev.broken);
	EXPECT_EQ(0, self->dev.driver_features);
	EXPECT_EQ(0, guest_read(g, VIRTIO_MMIO_QUEUE_READY));
	guest_write(g, VIRTIO_MMIO_QUEUE_SEL, 1);
	EXPECT_EQ(0, guest_read(g, VIRTIO_MMIO_QUEUE_READY));
	EXPECT_TRUE(guest_start(g, DEV_FEATURES, QUEUE_SIZE));
}

TEST_F(mmio, access_width_and_alignment)
{
	struct guest *g = &self->g;
	static const u8 ones[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
	unsigned int len, offset;
	u8 data[8];

	for (offset = 0; offset < VIRTIO_MMIO_CONFIG; offset++) {
		for (len = 1; len <= 8; len++) {
			if (len == 4 && offset % 4 == 0)
				continue;
			memset(data, 0xff, sizeof(data));
			virtio_mmio_read(&self->dev, offset, data, len);
			ASSERT_EQ(0, data[0]);
			ASSERT_EQ(0, data[len - 1]);
			virtio_mmio_write(&self->dev, offset, ones, len);
		}
	}
	EXPECT_EQ(0, guest_read(g, VIRTIO_MMIO_STATUS));
	EXPECT_EQ(0, self->dev.queue_sel);
	EXPECT_EQ(0, self->dev.driver_features);
	EXPECT_EQ(0, counters.resets);
	EXPECT_FALSE(fd_readable(self->dev.notify_fd, 0));

	/* In the right width none of the read-only registers can be written. */
	guest_write(g, VIRTIO_MMIO_MAGIC_VALUE, 0);
	guest_write(g, VIRTIO_MMIO_DEVICE_ID, 0);
	guest_write(g, VIRTIO_MMIO_INTERRUPT_STATUS, 3);
	EXPECT_EQ(0x74726976, guest_read(g, VIRTIO_MMIO_MAGIC_VALUE));
	EXPECT_EQ(42, guest_read(g, VIRTIO_MMIO_DEVICE_ID));
	EXPECT_EQ(0, guest_read(g, VIRTIO_MMIO_INTERRUPT_STATUS));
}

/* Any width and alignment; zeros behind the end; nothing can be written. */
TEST_F(mmio, config_space)
{
	static const u64 far[] = { 6, 7, 0xeff, 0xfffffffffffffeff };
	u8 expected[16] = { 1, 2, 3, 4, 5, 6 };
	unsigned int offset, len;
	u8 data[8];
	size_t i;

	for (offset = 0; offset < 8; offset++) {
		for (len = 1; len <= 8; len++) {
			memset(data, 0xff, sizeof(data));
			virtio_mmio_write(&self->dev, VIRTIO_MMIO_CONFIG + offset, data, len);
			virtio_mmio_read(&self->dev, VIRTIO_MMIO_CONFIG + offset, data, len);
			ASSERT_EQ(0, memcmp(data, expected + offset, len)) {
				TH_LOG("offset %u, %u bytes", offset, len);
			}
		}
	}
	for (i = 0; i < ARRAY_SIZE(far); i++) {
		memset(data, 0xff, sizeof(data));
		virtio_mmio_read(&self->dev, VIRTIO_MMIO_CONFIG + far[i], data, 8);
		EXPECT_EQ(0, data[0] | data[7]);
	}
}

TEST_F(mmio, notify)
{
	eventfd_t count;

	EXPECT_FALSE(fd_readable(self->dev.notify_fd, 0));
	guest_write(&self->g, VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	EXPECT_TRUE(fd_readable(self->dev.notify_fd, 0));
	EXPECT_EQ(0, eventfd_read(self->dev.notify_fd, &count));

	/* Notified until the counter is full, nobody blocks. */
	ASSERT_EQ(0, eventfd_write(self->dev.notify_fd, 0xfffffffffffffffe));
	guest_write(&self->g, VIRTIO_MMIO_QUEUE_NOTIFY, 0xffffffff);
	EXPECT_TRUE(fd_readable(self->dev.notify_fd, 0));
}

TEST_F(mmio, hostile_queue_setup)
{
	static const u64 low = GUEST_LOW_SIZE, high = GUEST_HIGH_GPA + GUEST_HIGH_SIZE;
	static const struct {
		u32 num;
		u64 desc, avail, used;
		const char *why;
	} tries[] = {
		{ 0, 0x1000, 0x2000, 0x3000, "queue size" },
		{ 3, 0x1000, 0x2000, 0x3000, "queue size" },
		{ 63, 0x1000, 0x2000, 0x3000, "queue size" },
		{ 128, 0x1000, 0x2000, 0x3000, "queue size" },
		{ 0x80000000, 0x1000, 0x2000, 0x3000, "queue size" },
		{ 0xffffffff, 0x1000, 0x2000, 0x3000, "queue size" },
		{ 64, 0x1008, 0x2000, 0x3000, "aligned" },
		{ 64, 0x1000, 0x2001, 0x3000, "aligned" },
		{ 64, 0x1000, 0x2000, 0x3002, "aligned" },
		{ 64, low - 0x3f0, 0x2000, 0x3000, "not in RAM" },
		{ 64, 0x1000, low - 132, 0x3000, "not in RAM" },
		{ 64, 0x1000, 0x2000, low - 516, "not in RAM" },
		{ 64, low, 0x2000, 0x3000, "not in RAM" },
		{ 64, 0xc0000000, 0x2000, 0x3000, "not in RAM" },
		{ 64, 0x1000, GUEST_HIGH_GPA - 2, 0x3000, "not in RAM" },
		{ 64, 0x1000, 0x2000, high, "not in RAM" },
		{ 64, 0xfffffffffffffff0, 0x2000, 0x3000, "not in RAM" },
		{ 64, 0x1000, 0xfffffffffffffffe, 0x3000, "not in RAM" },
		{ 64, 0x1000, 0x2000, 0xfffffffffffffffc, "not in RAM" },
	};
	struct guest *g = &self->g;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tries); i++) {
		ASSERT_TRUE(guest_negotiate(g, DEV_FEATURES | GUEST_EVENT_IDX));
		guest_write(g, VIRTIO_MMIO_QUEUE_NUM, tries[i].num);
		guest_place_queue(g, tries[i].desc, tries[i].avail, tries[i].used);
		guest_write(g, VIRTIO_MMIO_QUEUE_READY, 1);
		EXPECT_EQ(0, guest_read(g, VIRTIO_MMIO_QUEUE_READY));
		EXPECT_TRUE(guest_read(g, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
		ASSERT_NE(NULL, self->dev.broken) {
			TH_LOG("try %zu", i);
		}
		EXPECT_NE(NULL, strstr(self->dev.broken, tries[i].why)) {
			TH_LOG("try %zu: %s", i, self->dev.broken);
		}
		/* Nobody has said DRIVER_OK, so there is nobody to interrupt. */
		EXPECT_EQ(0, counters.irqs);
	}
}

/* An area may end where RAM ends; two bytes later if there is no event index. */
TEST_F(mmio, queue_at_the_end_of_ram)
{
	struct guest *g = &self->g;
	u64 end = GUEST_HIGH_GPA + GUEST_HIGH_SIZE;
	struct virtq_chain chain;

	ASSERT_TRUE(guest_negotiate(g, DEV_FEATURES | GUEST_EVENT_IDX));
	guest_write(g, VIRTIO_MMIO_QUEUE_NUM, 2);
	/* 2 descriptors, flags + index + 2 * 2 + event, flags + index + 2 * 8 + event */
	guest_place_queue(g, GUEST_LOW_SIZE - 32, 0x1000, end - 24);
	guest_write(g, VIRTIO_MMIO_QUEUE_READY, 1);
	EXPECT_EQ(1, guest_read(g, VIRTIO_MMIO_QUEUE_READY));
	guest_add_status(g, VIRTIO_CONFIG_S_DRIVER_OK);
	EXPECT_FALSE(virtq_pop(self->vq, &chain));
	EXPECT_EQ(NULL, self->dev.broken);

	ASSERT_TRUE(guest_negotiate(g, DEV_FEATURES));
	guest_write(g, VIRTIO_MMIO_QUEUE_NUM, 2);
	guest_place_queue(g, GUEST_LOW_SIZE - 32, end - 8, 0x1000);
	guest_write(g, VIRTIO_MMIO_QUEUE_READY, 1);
	EXPECT_EQ(1, guest_read(g, VIRTIO_MMIO_QUEUE_READY));
	ASSERT_TRUE(guest_negotiate(g, DEV_FEATURES | GUEST_EVENT_IDX));
	guest_write(g, VIRTIO_MMIO_QUEUE_NUM, 2);
	guest_place_queue(g, GUEST_LOW_SIZE - 32, end - 8, 0x1000);
	guest_write(g, VIRTIO_MMIO_QUEUE_READY, 1);
	EXPECT_EQ(0, guest_read(g, VIRTIO_MMIO_QUEUE_READY));
}

TEST_F(mmio, queue_ready)
{
	struct guest *g = &self->g;
	u64 gpa = guest_queue_gpa(0);

	/* too early: what the queue looks like depends on the features */
	guest_place_queue(g, gpa, gpa + 0x1000, gpa + 0x2000);
	guest_write(g, VIRTIO_MMIO_QUEUE_READY, 1);
	EXPECT_EQ(0, guest_read(g, VIRTIO_MMIO_QUEUE_READY));

	ASSERT_TRUE(guest_negotiate(g, DEV_FEATURES));
	guest_place_queue(g, gpa, gpa + 0x1000, gpa + 0x2000);
	guest_write(g, VIRTIO_MMIO_QUEUE_READY, 0xdead0001);
	EXPECT_EQ(0, guest_read(g, VIRTIO_MMIO_QUEUE_READY));
	EXPECT_EQ(NULL, self->dev.broken);
	guest_write(g, VIRTIO_MMIO_QUEUE_READY, 1);
	ASSERT_EQ(1, guest_read(g, VIRTIO_MMIO_QUEUE_READY));

	/* in use: neither size nor place can change under the device */
	guest_write(g, VIRTIO_MMIO_QUEUE_NUM, 0);
	guest_place_queue(g, ~0ULL, ~0ULL, ~0ULL);
	EXPECT_EQ(QUEUE_SIZE, self->vq->num);
	EXPECT_EQ(gpa, self->vq->desc_gpa);
	EXPECT_EQ(gpa + 0x1000, self->vq->avail_gpa);
	EXPECT_EQ(gpa + 0x2000, self->vq->used_gpa);

	guest_write(g, VIRTIO_MMIO_QUEUE_READY, 2);
	EXPECT_EQ(1, guest_read(g, VIRTIO_MMIO_QUEUE_READY));
	guest_write(g, VIRTIO_MMIO_QUEUE_READY, 0);
	EXPECT_EQ(0, guest_read(g, VIRTIO_MMIO_QUEUE_READY));

	/* a queue that does not exist */
	guest_write(g, VIRTIO_MMIO_QUEUE_SEL, 2);
	guest_write(g, VIRTIO_MMIO_QUEUE_READY, 1);
	EXPECT_EQ(0, guest_read(g, VIRTIO_MMIO_QUEUE_READY));
	EXPECT_FALSE(self->dev.queues[2].ready);
}

/* Buffers only between DRIVER_OK and the end, whatever lies in the ring. */
TEST_F(mmio, usable_after_driver_ok_only)
{
	static const struct guest_sg sg = { .gpa = GUEST_DATA, .len = 16 };
	struct guest *g = &self->g;
	struct virtq_chain chain;

	EXPECT_FALSE(virtq_pop(self->vq, &chain));
	ASSERT_TRUE(guest_negotiate(g, DEV_FEATURES));
	ASSERT_TRUE(guest_setup_queue(g, 0, QUEUE_SIZE));
	ASSERT_LE(0, guest_add(g, 0, &sg, 1));
	ASSERT_LE(0, guest_add(g, 0, &sg, 1));
	guest_kick(g, 0);
	EXPECT_FALSE(virtq_pop(self->vq, &chain));
	guest_add_status(g, VIRTIO_CONFIG_S_DRIVER_OK);
	EXPECT_TRUE(virtq_pop(self->vq, &chain));
	guest_add_status(g, VIRTIO_CONFIG_S_FAILED);
	EXPECT_FALSE(virtq_pop(self->vq, &chain));
	virtq_push(self->vq, &chain, 0);
	virtq_kick(self->vq);
	EXPECT_EQ(0, g->queues[0].ring.used->idx);
	EXPECT_EQ(0, counters.irqs);
}

/* A chain from before a reset, or before the queue was stopped, means nothing. */
TEST_F(mmio, stale_chain)
{
	static const struct guest_sg sg = { .gpa = GUEST_DATA, .len = 16 };
	struct guest *g = &self->g;
	struct virtq_chain chain;
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_TRUE(guest_start(g, DEV_FEATURES, QUEUE_SIZE));
		ASSERT_LE(0, guest_add(g, 0, &sg, 1));
		guest_kick(g, 0);
		ASSERT_TRUE(virtq_pop(self->vq, &chain));
		EXPECT_TRUE(virtq_chain_valid(self->vq, &chain));
		if (i) {
			guest_write(g, VIRTIO_MMIO_QUEUE_SEL, 0);
			guest_write(g, VIRTIO_MMIO_QUEUE_READY, 0);
			ASSERT_TRUE(guest_setup_queue(g, 0, QUEUE_SIZE));
		} else {
			ASSERT_TRUE(guest_start(g, DEV_FEATURES, QUEUE_SIZE));
		}
		EXPECT_FALSE(virtq_chain_valid(self->vq, &chain));
		virtq_push(self->vq, &chain, 1);
		virtq_kick(self->vq);
		EXPECT_EQ(0, g->queues[0].ring.used->idx);
		EXPECT_EQ(0, counters.irqs);
	}
}

/* The driver's side of a thread that works on a buffer */
struct work {
	struct virtio_mmio *dev;
	int started_fd;
	int go_fd;
	bool done;
};

static void *work_thread(void *arg)
{
	struct work *w = arg;
	eventfd_t count;

	pthread_mutex_lock(&w->dev->lock);
	virtio_mmio_begin_work(w->dev);
	eventfd_write(w->started_fd, 1);
	eventfd_read(w->go_fd, &count);
	usleep(50000);
	w->done = true;
	virtio_mmio_end_work(w->dev);
	pthread_mutex_unlock(&w->dev->lock);
	return NULL;
}

/*
 * When a reset, or the stop of a queue, is done, nobody works on its memory; to
 * read registers one need not wait.
 */
TEST_F(mmio, reset_waits_for_work)
{
	struct guest *g = &self->g;
	pthread_t thread;
	int i;

	for (i = 0; i < 2; i++) {
		struct work w = {
			.dev = &self->dev,
			.started_fd = eventfd(0, EFD_CLOEXEC),
			.go_fd = eventfd(0, EFD_CLOEXEC),
		};
		eventfd_t count;

		ASSERT_TRUE(guest_start(g, DEV_FEATURES, QUEUE_SIZE));
		ASSERT_EQ(0, pthread_create(&thread, NULL, work_thread, &w));
		eventfd_read(w.started_fd, &count);
		guest_read(g, VIRTIO_MMIO_INTERRUPT_STATUS);
		EXPECT_FALSE(__atomic_load_n(&w.done, __ATOMIC_ACQUIRE));
		guest_write(g, VIRTIO_MMIO_QUEUE_SEL, 0);
		eventfd_write(w.go_fd, 1);
		guest_write(g, i ? VIRTIO_MMIO_QUEUE_READY : VIRTIO_MMIO_STATUS, 0);
		EXPECT_TRUE(__atomic_load_n(&w.done, __ATOMIC_ACQUIRE));
		pthread_join(thread, NULL);
		close(w.started_fd);
		close(w.go_fd);
	}
}

/* In and out of a chain, past any number of bytes, over the seams of its parts */
TEST_F(mmio, copy_and_fill)
{
	static const struct guest_sg sg[] = {
		{ GUEST_DATA, 3, false }, { GUEST_DATA + 10, 1, false },
		{ GUEST_DATA + 20, 6, false }, { GUEST_DATA + 40, 5, true },
		{ GUEST_DATA + 50, 4, true },
	};
	u8 *ram = guest_ptr(&self->g, GUEST_DATA), buf[16];
	static const u8 at[] = { 0, 1, 2, 10, 20, 21, 22, 23, 24, 25 };
	static const u8 to[] = { 40, 41, 42, 43, 44, 50, 51, 52, 53 };
	struct virtq_chain chain;
	size_t skip, len, i, n;

	ASSERT_TRUE(guest_start(&self->g, DEV_FEATURES, QUEUE_SIZE));
	ASSERT_LE(0, guest_add(&self->g, 0, sg, ARRAY_SIZE(sg)));
	guest_kick(&self->g, 0);
	ASSERT_TRUE(virtq_pop(self->vq, &chain));
	for (skip = 0; skip < 12; skip++) {
		for (len = 0; len < 12; len++) {
			for (i = 0; i < 64; i++)
				ram[i] = i;
			n = skip < sizeof(at) ? min(len, sizeof(at) - skip) : 0;
			ASSERT_EQ(n, virtq_chain_copy(&chain, skip, buf, len));
			ASSERT_EQ(0, memcmp(buf, at + skip, n));

			memset(buf, 0xff, sizeof(buf));
			n = skip < sizeof(to) ? min(len, sizeof(to) - skip) : 0;
			ASSERT_EQ(n, virtq_chain_fill(&chain, skip, buf, len));
			for (i = 0; i < n; i++) {
				ASSERT_EQ(0xff, ram[to[skip + i]]);
				ram[to[skip + i]] = to[skip + i];
			}
			for (i = 0; i < 64; i++)
				ASSERT_EQ(i, ram[i]);
		}
	}
	EXPECT_EQ(0, virtq_chain_copy(&chain, ~0ULL, buf, 1));
}

TEST_F(mmio, interrupt_suppressed_by_flag)
{
	static const struct guest_sg sg = { .gpa = GUEST_DATA, .len = 16, .write = true };
	struct guest *g = &self->g;
	struct virtq_chain chain;

	ASSERT_TRUE(guest_start(g, DEV_FEATURES, QUEUE_SIZE));
	ASSERT_LE(0, guest_add(g, 0, &sg, 1));
	ASSERT_LE(0, guest_add(g, 0, &sg, 1));
	guest_kick(g, 0);

	g->queues[0].ring.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	ASSERT_TRUE(virtq_pop(self->vq, &chain));
	virtq_push(self->vq, &chain, 4);
	virtq_kick(self->vq);
	EXPECT_EQ(0, counters.irqs);
	EXPECT_EQ(0, guest_read(g, VIRTIO_MMIO_INTERRUPT_STATUS));

	g->queues[0].ring.avail->flags = 0;
	virtq_kick(self->vq);		/* nothing new to tell */
	EXPECT_EQ(0, counters.irqs);
	ASSERT_TRUE(virtq_pop(self->vq, &chain));
	virtq_push(self->vq, &chain, 4);
	virtq_kick(self->vq);
	EXPECT_EQ(1, counters.irqs);
	EXPECT_EQ(VIRTIO_MMIO_INT_VRING, guest_read(g, VIRTIO_MMIO_INTERRUPT_STATUS));
	guest_write(g, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_CONFIG);
	EXPECT_EQ(VIRTIO_MMIO_INT_VRING, guest_read(g, VIRTIO_MMIO_INTERRUPT_STATUS));
	guest_write(g, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
	EXPECT_EQ(0, guest_read(g, VIRTIO_MMIO_INTERRUPT_STATUS));
}

/* One interrupt when the index passes the event, none before and after. */
TEST_F(mmio, interrupt_by_event_index)
{
	static const struct guest_sg sg = { .gpa = GUEST_DATA, .len = 16, .write = true };
	struct guest *g = &self->g;
	struct virtq_chain chain;
	int i;

	ASSERT_TRUE(guest_start(g, DEV_FEATURES | GUEST_EVENT_IDX, QUEUE_SIZE));
	/* The flag has no meaning with event indexes. */
	g->queues[0].ring.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	vring_used_event(&g->queues[0].ring) = 3;
	for (i = 0; i < 8; i++)
		ASSERT_LE(0, guest_add(g, 0, &sg, 1));
	guest_kick(g, 0);
	for (i = 0; i < 8; i++) {
		ASSERT_TRUE(virtq_pop(self->vq, &chain));
		virtq_push(self->vq, &chain, 0);
		virtq_kick(self->vq);
		EXPECT_EQ(i >= 3, counters.irqs);
	}
}

/* With event indexes only the buffer that an empty queue waits for notifies. */
TEST_F(mmio, notification_by_event_index)
{
	static const struct guest_sg sg = { .gpa = GUEST_DATA, .len = 16 };
	struct guest *g = &self->g;
	struct virtq_chain chain;

	ASSERT_TRUE(guest_start(g, DEV_FEATURES | GUEST_EVENT_IDX, QUEUE_SIZE));
	ASSERT_LE(0, guest_add(g, 0, &sg, 1));
	EXPECT_TRUE(guest_publish(g, 0));
	ASSERT_LE(0, guest_add(g, 0, &sg, 1));
	EXPECT_FALSE(guest_publish(g, 0));
	EXPECT_TRUE(virtq_pop(self->vq, &chain));
	EXPECT_TRUE(virtq_pop(self->vq, &chain));
	EXPECT_FALSE(virtq_pop(self->vq, &chain));
	ASSERT_LE(0, guest_add(g, 0, &sg, 1));
	EXPECT_TRUE(guest_publish(g, 0));
}

/* A hostile chain: what is written over the descriptors, and what comes of it */
struct hostile {
	const char *name;
	const char *why;
	u64 without;			/* features that are not negotiated */
	struct vring_desc desc[4];	/* the first ones of the queue; 0 is the head */
	struct vring_desc table[4];	/* at GUEST_TABLES */
	u16 head;
	u16 avail_idx;			/* 0: one buffer */
};

#define NEXT	VRING_DESC_F_NEXT
#define WRITE	VRING_DESC_F_WRITE
#define INDIR	VRING_DESC_F_INDIRECT
#define TABLE	GUEST_TABLES
#define DATA	GUEST_DATA

static const struct hostile hostiles[] = {
	{ "self loop", "too long or loops", .desc = { { DATA, 1, NEXT, 0 } } },
	{ "loop of two", "too long or loops",
	  .desc = { { DATA, 1, NEXT, 1 }, { DATA, 1, NEXT, 0 } } },
	{ "loop of empty descriptors", "too long or loops",
	  .desc = { { DATA, 0, NEXT, 0 } } },
	{ "head beyond the queue", "out of range", .head = QUEUE_SIZE },
	{ "head far beyond", "out of range", .head = 0xffff },
	{ "next beyond the queue", "out of range",
	  .desc = { { DATA, 1, NEXT, QUEUE_SIZE } } },
	{ "index too far ahead", "more buffers", .desc = { { DATA, 1, 0, 0 } },
	  .avail_idx = QUEUE_SIZE + 1 },
	{ "index behind", "more buffers", .desc = { { DATA, 1, 0, 0 } },
	  .avail_idx = 0xffff },
	{ "no RAM", "not in RAM", .desc = { { GUEST_LOW_SIZE, 1, 0, 0 } } },
	{ "across the end", "not in RAM", .desc = { { GUEST_LOW_SIZE - 1, 2, 0, 0 } } },
	{ "across the hole", "not in RAM", .desc = { { GUEST_HIGH_GPA - 1, 2, 0, 0 } } },
	{ "huge", "not in RAM", .desc = { { 0, 0xffffffff, 0, 0 } } },
	{ "address overflow", "not in RAM", .desc = { { ~0ULL, 2, 0, 0 } } },
	{ "second not in RAM", "not in RAM",
	  .desc = { { DATA, 1, NEXT, 1 }, { 0xfec00000, 4, 0, 0 } } },
	{ "readable after writable", "follows a writable",
	  .desc = { { DATA, 1, NEXT | WRITE, 1 }, { DATA, 1, 0, 0 } } },
	{ "indirect without feature", "without the feature", .without = GUEST_INDIRECT,
	  .desc = { { TABLE, 16, INDIR, 0 } } },
	{ "indirect with next", "next one", .desc = { { TABLE, 16, INDIR | NEXT, 1 } } },
	{ "empty table", "bad size", .desc = { { TABLE, 0, INDIR, 0 } } },
	{ "half a descriptor", "bad size", .desc = { { TABLE, 24, INDIR, 0 } } },
	{ "table shorter than one", "bad size", .desc = { { TABLE, 15, INDIR, 0 } } },
	{ "unaligned table", "not aligned", .desc = { { TABLE + 4, 16, INDIR, 0 } } },
	{ "table not in RAM", "not in RAM", .desc = { { GUEST_LOW_SIZE, 16, INDIR, 0 } } },
	{ "table across the end", "not in RAM",
	  .desc = { { GUEST_LOW_SIZE - 16, 32, INDIR, 0 } } },
	{ "huge table", "not in RAM", .desc = { { TABLE, 0xfffffff0, INDIR, 0 } } },
	{ "nested table", "in an indirect table", .desc = { { TABLE, 16, INDIR, 0 } },
	  .table = { { TABLE, 16, INDIR, 0 } } },
	{ "next beyond the table", "out of range", .desc = { { TABLE, 32, INDIR, 0 } },
	  .table = { { DATA, 1, NEXT, 2 } } },
	{ "loop in the table", "too long or loops", .desc = { { TABLE, 32, INDIR, 0 } },
	  .table = { { DATA, 1, NEXT, 1 }, { DATA, 1, NEXT, 0 } } },
	{ "loop in a table of a MiB", "too long or loops",
	  .desc = { { TABLE, SZ_1M, INDIR, 0 } }, .table = { { DATA, 1, NEXT, 0 } } },
	{ "loop in a table behind direct ones", "too long or loops",
	  .desc = { { DATA, 1, NEXT, 1 }, { DATA, 1, NEXT, 2 }, { TABLE, SZ_1M, INDIR, 0 } },
	  .table = { { DATA, 1, NEXT, 0 } } },
	{ "table data not in RAM", "not in RAM", .desc = { { TABLE, 16, INDIR, 0 } },
	  .table = { { 0xfee00000, 4, 0, 0 } } },
};

TEST_F(mmio, hostile_chains)
{
	u64 all = DEV_FEATURES | GUEST_INDIRECT | GUEST_EVENT_IDX;
	struct guest *g = &self->g;
	struct virtq_chain chain;
	unsigned int irqs;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hostiles); i++) {
		const struct hostile *h = &hostiles[i];
		struct vring *ring = &g->queues[0].ring;

		ASSERT_TRUE(guest_start(g, all & ~h->without, QUEUE_SIZE));
		memcpy(ring->desc, h->desc, sizeof(h->desc));
		memcpy(guest_ptr(g, TABLE), h->table, sizeof(h->table));
		ring->avail->ring[0] = h->head;
		ring->avail->idx = h->avail_idx ? h->avail_idx : 1;
		irqs = counters.irqs;

		EXPECT_FALSE(virtq_pop(self->vq, &chain));
		ASSERT_NE(NULL, self->dev.broken) {
			TH_LOG("%s", h->name);
		}
		EXPECT_NE(NULL, strstr(self->dev.broken, h->why)) {
			TH_LOG("%s: %s", h->name, self->dev.broken);
		}
		EXPECT_TRUE(guest_read(g, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
		EXPECT_EQ(VIRTIO_MMIO_INT_CONFIG, guest_read(g, VIRTIO_MMIO_INTERRUPT_STATUS));
		EXPECT_EQ(irqs + 1, counters.irqs);

		/* Repaired or not, it is over until a reset, and told only once. */
		ring->desc[0] = (struct vring_desc){ .addr = DATA, .len = 1 };
		ring->avail->ring[0] = 0;
		ring->avail->idx = 1;
		EXPECT_FALSE(virtq_pop(self->vq, &chain));
		EXPECT_EQ(irqs + 1, counters.irqs);
	}
}

/* Odd, but allowed. */
TEST_F(mmio, unusual_chains)
{
	static const struct {
		struct vring_desc desc[3];
		struct vring_desc table[3];
		unsigned int nr_read, nr_write;
	} chains[] = {
		/* lengths of zero, anywhere */
		{ .desc = { { ~0ULL, 0, 0, 0 } } },
		{ .desc = { { DATA, 0, NEXT, 1 }, { DATA, 8, WRITE, 0 } }, .nr_write = 1 },
		/* direct descriptors first, then a table */
		{ { { DATA, 8, NEXT, 1 }, { TABLE, 32, INDIR, 0 } },
		  { { DATA, 8, NEXT, 1 }, { DATA, 8, WRITE, 0 } }, 2, 1 },
		/* WRITE on a descriptor that refers to a table is ignored */
		{ { { TABLE, 16, INDIR | WRITE, 0 } }, { { DATA, 8, 0, 0 } }, 1, 0 },
		/* a table with entries that are not used, used backwards */
		{ { { TABLE, 48, INDIR, 0 } },
		  { { DATA, 8, NEXT, 2 }, { DATA, 8, WRITE, 0 }, { DATA, 8, NEXT, 1 } }, 2, 1 },
		/* up to the last byte of RAM */
		{ { { GUEST_LOW_SIZE - 4, 4, NEXT, 1 },
		    { GUEST_HIGH_GPA, GUEST_HIGH_SIZE, WRITE, 0 } }, {}, 1, 1 },
	};
	struct guest *g = &self->g;
	struct virtq_chain chain;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(chains); i++) {
		struct vring *ring = &g->queues[0].ring;

		ASSERT_TRUE(guest_start(g, DEV_FEATURES | GUEST_INDIRECT, QUEUE_SIZE));
		memcpy(ring->desc, chains[i].desc, sizeof(chains[i].desc));
		memcpy(guest_ptr(g, TABLE), chains[i].table, sizeof(chains[i].table));
		ring->avail->idx = 1;
		ASSERT_TRUE(virtq_pop(self->vq, &chain)) {
			TH_LOG("chain %zu: %s", i, self->dev.broken ?: "nothing");
		}
		EXPECT_EQ(chains[i].nr_read, chain.nr_read);
		EXPECT_EQ(chains[i].nr_write, chain.nr_write);
	}
}

FIXTURE(ring) {
	struct virtio_mmio dev;
	struct guest g;
	struct virtq *vq;
};

FIXTURE_VARIANT(ring) {
	u64 features;
	unsigned int num;
};

FIXTURE_VARIANT_ADD(ring, plain) { .num = 64 };
FIXTURE_VARIANT_ADD(ring, indirect) { .features = GUEST_INDIRECT, .num = 16 };
FIXTURE_VARIANT_ADD(ring, event_idx) { .features = GUEST_EVENT_IDX, .num = 32 };
FIXTURE_VARIANT_ADD(ring, all) { .features = GUEST_INDIRECT | GUEST_EVENT_IDX, .num = 64 };
FIXTURE_VARIANT_ADD(ring, all_smallest) {
	.features = GUEST_INDIRECT | GUEST_EVENT_IDX, .num = 4,
};

FIXTURE_SETUP(ring)
{
	ASSERT_EQ(0, setup(&self->dev, &self->g));
	self->vq = &self->dev.queues[0];
	ASSERT_TRUE(guest_start(&self->g, DEV_FEATURES | variant->features, variant->num));
}

FIXTURE_TEARDOWN(ring)
{
	virtio_mmio_destroy(&self->dev);
	guest_destroy(&self->g);
}

/* A number goes in and comes back, 100000 times: both indexes wrap. */
TEST_F(ring, past_the_wrap)
{
	static const struct guest_sg sg[] = {
		{ .gpa = GUEST_DATA, .len = 2 },
		{ .gpa = GUEST_HIGH_GPA + 1, .len = 2 },
		{ .gpa = GUEST_DATA + 8, .len = 3, .write = true },
		{ .gpa = GUEST_DATA + 16, .len = 5, .write = true },
	};
	struct guest *g = &self->g;
	unsigned int i, missed = 0;
	struct virtq_chain chain;
	u32 len;

	for (i = 0; i < 100000; i++) {
		unsigned int irqs = counters.irqs;
		int head;

		memcpy(guest_ptr(g, sg[0].gpa), &i, 2);
		memcpy(guest_ptr(g, sg[1].gpa), (u8 *)&i + 2, 2);
		guest_enable_irq(g, 0);
		head = guest_add(g, 0, sg, ARRAY_SIZE(sg));
		ASSERT_LE(0, head);
		missed += !guest_publish(g, 0);

		ASSERT_TRUE(virtq_pop(self->vq, &chain));
		ASSERT_EQ(head, chain.head);
		ASSERT_EQ(2, chain.nr_read);
		ASSERT_EQ(2, chain.nr_write);
		ASSERT_EQ(0, memcmp(chain.iov[0].iov_base, &i, 2));
		ASSERT_EQ(0, memcmp(chain.iov[1].iov_base, (u8 *)&i + 2, 2));
		memcpy(chain.iov[3].iov_base, &i, 4);
		ASSERT_EQ(guest_ptr(g, GUEST_DATA + 8), chain.iov[2].iov_base);
		ASSERT_EQ(3, chain.iov[2].iov_len);
		ASSERT_FALSE(virtq_pop(self->vq, &chain));

		chain.head = head;
		virtq_push(self->vq, &chain, i);
		virtq_kick(self->vq);
		ASSERT_EQ(irqs + 1, counters.irqs);
		ASSERT_EQ(head, guest_get_used(g, 0, &len));
		ASSERT_EQ(i, len);
		ASSERT_EQ(0, memcmp(guest_ptr(g, GUEST_DATA + 16), &i, 4));
		ASSERT_EQ(-1, guest_get_used(g, 0, &len));
	}
	EXPECT_EQ(0, missed);
}

/* The whole queue in flight, given back in reverse, with one interrupt. */
TEST_F(ring, out_of_order)
{
	static const struct guest_sg sg[] = {
		{ .gpa = GUEST_DATA, .len = 2 },
		{ .gpa = GUEST_DATA + 8, .len = 2, .write = true },
	};
	unsigned int round, n, i;
	struct guest *g = &self->g;
	struct virtq_chain *chains = calloc(QUEUE_SIZE, sizeof(*chains));
	struct virtq_chain more;
	u32 len;

	ASSERT_NE(NULL, chains);
	for (round = 0; round < 3; round++) {
		for (n = 0; guest_add(g, 0, sg, ARRAY_SIZE(sg)) >= 0; n++)
			;
		EXPECT_EQ(g->features & GUEST_INDIRECT ? variant->num : variant->num / 2, n);
		guest_enable_irq(g, 0);
		guest_kick(g, 0);
		for (i = 0; i < n; i++)
			ASSERT_TRUE(virtq_pop(self->vq, &chains[i]));
		EXPECT_FALSE(virtq_pop(self->vq, &more));
		for (i = n; i > 0; i--)
			virtq_push(self->vq, &chains[i - 1], i);
		virtq_kick(self->vq);
		EXPECT_EQ(round + 1, counters.irqs);
		for (i = n; i > 0; i--) {
			ASSERT_EQ(chains[i - 1].head, guest_get_used(g, 0, &len));
			EXPECT_EQ(i, len);
		}
		EXPECT_EQ(variant->num, g->queues[0].nr_free);
	}
	EXPECT_EQ(NULL, self->dev.broken);
	free(chains);
}

TEST_HARNESS_MAIN
