// SPDX-License-Identifier: GPL-2.0
/* The disk: its requests, its speed, its errors, on memory and on a file. */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "harness.h"
#include "virtio_blk.h"
#include "virtio_driver.h"
#include "virtio_fuzz.h"

#define SECTOR		DISK_SECTOR_SIZE
#define DISK_SIZE	SZ_1M
#define SECTORS		(DISK_SIZE / SECTOR)
#define QUEUE_SIZE	DISK_MAX_REQUESTS
#define BLK_FEATURES	(GUEST_BASE_FEATURES | BIT_ULL(VIRTIO_BLK_F_FLUSH))
#define ALL_FEATURES	(BLK_FEATURES | BIT_ULL(VIRTIO_BLK_F_DISCARD) |	\
			 BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES))

/* Of every request in flight: header and status; the data are in high memory. */
#define HEADER_GPA(i)	(GUEST_DATA + (i) * 64UL)
#define STATUS_GPA(i)	(HEADER_GPA(i) + 32)
#define DATA_GPA	GUEST_HIGH_GPA

#define NO_STATUS	0xee

static unsigned int irqs;

static void on_irq(void *ctx __maybe_unused)
{
	irqs++;
}

struct disk_test {
	struct virtio_blk blk;
	struct guest g;
	u8 *disk;		/* what the disk's content should be */
	u8 *memory;		/* and what it is, if it is no file */
	char path[32];
	u64 features;		/* that the driver accepts beyond the disk's own */
	bool file;
};

FIXTURE(blk) {
	struct disk_test t;
};

FIXTURE_VARIANT(blk) {
	u64 features;
	bool file;
};

FIXTURE_VARIANT_ADD(blk, memory) { .file = false };
FIXTURE_VARIANT_ADD(blk, memory_as_linux) { .features = GUEST_INDIRECT | GUEST_EVENT_IDX };
FIXTURE_VARIANT_ADD(blk, file) { .file = true, .features = GUEST_INDIRECT };

FIXTURE_SETUP(blk)
{
	u64 seed = 5;
	size_t i;
	int fd;

	memset(self, 0, sizeof(*self));
	self->t.file = variant->file;
	self->t.features = variant->features;
	self->t.disk = malloc(DISK_SIZE);
	self->t.memory = malloc(DISK_SIZE);
	ASSERT_TRUE(self->t.disk && self->t.memory);
	for (i = 0; i < DISK_SIZE; i++)
		self->t.disk[i] = test_random(&seed);
	memcpy(self->t.memory, self->t.disk, DISK_SIZE);
	snprintf(self->t.path, sizeof(self->t.path), "/tmp/ktstr-blk-XXXXXX");
	fd = mkostemp(self->t.path, O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(DISK_SIZE, write(fd, self->t.disk, DISK_SIZE));
	close(fd);
	ASSERT_EQ(0, guest_init(&self->t.g, &self->t.blk.dev));
	irqs = 0;
}

FIXTURE_TEARDOWN(blk)
{
	if (self->t.blk.requests)
		virtio_blk_destroy(&self->t.blk);
	guest_destroy(&self->t.g);
	unlink(self->t.path);
	free(self->t.disk);
	free(self->t.memory);
}

/* Make the disk with the speed in @cfg, and start a driver. */
static bool start_disk(struct disk_test *t,
		       struct disk_config cfg)
{
	struct errmsg err;

	if (t->file) {
		cfg.path = t->path;
	} else {
		cfg.memory = t->memory;
		cfg.size = DISK_SIZE;
	}
	return !virtio_blk_init(&t->blk, &cfg, &t->g.mem, on_irq, NULL, &err) &&
	       guest_start(&t->g, (cfg.read_only ? BLK_FEATURES : ALL_FEATURES) |
			   t->features, QUEUE_SIZE);
}

/* What is on the disk now? */
static bool disk_is(struct disk_test *t)
{
	int fd;

	if (t->file) {
		fd = open(t->path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || read(fd, t->memory, DISK_SIZE) != DISK_SIZE)
			return false;
		close(fd);
	}
	return !memcmp(t->disk, t->memory, DISK_SIZE);
}

/* Put request number @i into the queue, data at DATA_GPA if there is any. */
static int submit(struct guest *g, unsigned int i, u32 type, u64 sector, u32 len, bool write)
{
	struct virtio_blk_outhdr header = { .type = type, .sector = sector };
	struct guest_sg sg[] = {
		{ HEADER_GPA(i), sizeof(header), false },
		{ DATA_GPA, len, write },
		{ STATUS_GPA(i), 1, true },
	};

	memcpy(guest_ptr(g, HEADER_GPA(i)), &header, sizeof(header));
	*(u8 *)guest_ptr(g, STATUS_GPA(i)) = NO_STATUS;
	if (!len)
		sg[1] = sg[2];
	return guest_add(g, 0, sg, len ? 3 : 2);
}

static u8 status(struct guest *g, unsigned int i)
{
	return *(u8 *)guest_ptr(g, STATUS_GPA(i));
}

/* The disk's thread: runs when there is a reason to. Return: whether there was. */
static bool run_io(struct virtio_blk *blk, int timeout_ms)
{
	struct pollfd pfds[] = {
		{ .fd = blk->dev.notify_fd, .events = POLLIN },
		{ .fd = blk->timer_fd, .events = POLLIN },
	};

	if (poll(pfds, ARRAY_SIZE(pfds), timeout_ms) <= 0)
		return false;
	virtio_blk_process(blk);
	return true;
}

/* Return: the head of the next request that is complete, or -1 */
static int wait_used(struct guest *g, struct virtio_blk *blk, u32 *len)
{
	int head;

	while ((head = guest_get_used(g, 0, len)) < 0) {
		if (!run_io(blk, 60000))
			return -1;
	}
	return head;
}

/* One request from begin to end. Return: its status; *@len as in the used ring. */
static u8 request_len(struct disk_test *t, u32 type, u64 sector, u32 len, bool write,
		      u32 *used)
{
	if (submit(&t->g, 0, type, sector, len, write) < 0)
		return NO_STATUS;
	guest_kick(&t->g, 0);
	if (wait_used(&t->g, &t->blk, used) < 0)
		return NO_STATUS;
	return status(&t->g, 0);
}

static u8 request(struct disk_test *t, u32 type, u64 sector, u32 len)
{
	u32 used;

	return request_len(t, type, sector, len,
			   type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID, &used);
}

TEST_F(blk, what_the_driver_reads)
{
	struct virtio_blk_config config;
	u64 features;

	ASSERT_TRUE(start_disk(&self->t, (struct disk_config) {}));
	EXPECT_EQ(VIRTIO_ID_BLOCK, guest_read(&self->t.g, VIRTIO_MMIO_DEVICE_ID));
	virtio_mmio_read(&self->t.blk.dev, VIRTIO_MMIO_CONFIG, &config.capacity, 8);
	EXPECT_EQ(SECTORS, config.capacity);
	virtio_mmio_read(&self->t.blk.dev, VIRTIO_MMIO_CONFIG +
			 offsetof(struct virtio_blk_config, seg_max), &config.seg_max, 4);
	/* A chain is no longer than the queue (2.7.5.3.1). */
	EXPECT_EQ(QUEUE_SIZE - 2, config.seg_max);
	guest_write(&self->t.g, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	features = guest_read(&self->t.g, VIRTIO_MMIO_DEVICE_FEATURES);
	EXPECT_FALSE(features & BIT_ULL(VIRTIO_BLK_F_RO));
	EXPECT_TRUE(features & BIT_ULL(VIRTIO_BLK_F_DISCARD));
	EXPECT_TRUE(features & BIT_ULL(VIRTIO_BLK_F_FLUSH));
}

TEST_F(blk, write_and_read)
{
	u8 *data = guest_ptr(&self->t.g, DATA_GPA);
	u64 seed = 6, sector, n;
	unsigned int i, before;
	u32 used;

	ASSERT_TRUE(start_disk(&self->t, (struct disk_config) {}));
	for (i = 0; i < 200; i++) {
		sector = test_random(&seed) % SECTORS;
		n = min_t(u64, test_random(&seed) % 100, SECTORS - sector);
		memset(data, test_random(&seed), n * SECTOR);
		memcpy(self->t.disk + sector * SECTOR, data, n * SECTOR);
		guest_enable_irq(&self->t.g, 0);
		before = irqs;
		ASSERT_EQ(VIRTIO_BLK_S_OK, request_len(&self->t, VIRTIO_BLK_T_OUT, sector,
						       n * SECTOR, false, &used));
		EXPECT_EQ(before + 1, irqs);
		EXPECT_EQ(1, used);

		sector = test_random(&seed) % SECTORS;
		n = min_t(u64, test_random(&seed) % 100, SECTORS - sector);
		memset(data, 0, n * SECTOR);
		ASSERT_EQ(VIRTIO_BLK_S_OK, request_len(&self->t, VIRTIO_BLK_T_IN, sector,
						       n * SECTOR, true, &used));
		EXPECT_EQ(n * SECTOR + 1, used);
		ASSERT_EQ(0, memcmp(data, self->t.disk + sector * SECTOR, n * SECTOR));
	}
	EXPECT_EQ(VIRTIO_BLK_S_OK, request(&self->t, VIRTIO_BLK_T_FLUSH, 0, 0));
	EXPECT_TRUE(disk_is(&self->t));
}

/* 2.7.4: how a request is cut into descriptors means nothing. */
TEST_F(blk, framing)
{
	struct virtio_blk_outhdr header = { .type = VIRTIO_BLK_T_OUT, .sector = 3 };
	u8 *data = guest_ptr(&self->t.g, DATA_GPA);
	struct guest_sg sg[20], in[3];
	unsigned int i;
	u32 used;

	ASSERT_TRUE(start_disk(&self->t, (struct disk_config) {}));
	/* a header of single bytes; its last one has the data behind it */
	memcpy(guest_ptr(&self->t.g, HEADER_GPA(0)), &header, sizeof(header) - 1);
	for (i = 0; i < sizeof(header) - 1; i++)
		sg[i] = (struct guest_sg){ HEADER_GPA(0) + i, 1, false };
	data[0] = 0;
	memset(data + 1, 0x77, SECTOR);
	sg[i++] = (struct guest_sg){ DATA_GPA, 1 + SECTOR - 7, false };
	sg[i++] = (struct guest_sg){ DATA_GPA + 1 + SECTOR - 7, 7, false };
	sg[i++] = (struct guest_sg){ STATUS_GPA(0), 1, true };
	ASSERT_LE(0, guest_add(&self->t.g, 0, sg, i));
	guest_kick(&self->t.g, 0);
	ASSERT_LE(0, wait_used(&self->t.g, &self->t.blk, &used));
	EXPECT_EQ(VIRTIO_BLK_S_OK, status(&self->t.g, 0));
	memset(self->t.disk + 3 * SECTOR, 0x77, SECTOR);
	EXPECT_TRUE(disk_is(&self->t));

	/* the status right behind the data that are read */
	header.type = VIRTIO_BLK_T_IN;
	memcpy(guest_ptr(&self->t.g, HEADER_GPA(0)), &header, sizeof(header));
	in[0] = (struct guest_sg){ HEADER_GPA(0), sizeof(header), false };
	in[1] = (struct guest_sg){ DATA_GPA, 100, true };
	in[2] = (struct guest_sg){ DATA_GPA + 100, SECTOR - 100 + 1, true };
	memset(data, NO_STATUS, SECTOR + 1);
	ASSERT_LE(0, guest_add(&self->t.g, 0, in, 3));
	guest_kick(&self->t.g, 0);
	ASSERT_LE(0, wait_used(&self->t.g, &self->t.blk, &used));
	EXPECT_EQ(0, memcmp(data, self->t.disk + 3 * SECTOR, SECTOR));
	EXPECT_EQ(VIRTIO_BLK_S_OK, data[SECTOR]);
}

TEST_F(blk, beyond_the_end)
{
	static const struct {
		u64 sector;
		u32 len;
		u8 status;
	} tries[] = {
		{ SECTORS - 1, SECTOR, VIRTIO_BLK_S_OK },
		{ SECTORS, 0, VIRTIO_BLK_S_OK },
		{ SECTORS - 1, 2 * SECTOR, VIRTIO_BLK_S_IOERR },
		{ SECTORS, SECTOR, VIRTIO_BLK_S_IOERR },
		{ SECTORS + 1, 0, VIRTIO_BLK_S_IOERR },
		{ ~0ULL, SECTOR, VIRTIO_BLK_S_IOERR },
		{ ~0ULL / SECTOR + 1, SECTOR, VIRTIO_BLK_S_IOERR },
		{ 0, SECTOR - 1, VIRTIO_BLK_S_IOERR },
		{ 0, 1, VIRTIO_BLK_S_IOERR },
		{ 1, DISK_SIZE, VIRTIO_BLK_S_IOERR },
	};
	size_t i;

	ASSERT_TRUE(start_disk(&self->t, (struct disk_config) {}));
	memcpy(guest_ptr(&self->t.g, DATA_GPA), self->t.disk + DISK_SIZE - SECTOR, SECTOR);
	for (i = 0; i < ARRAY_SIZE(tries); i++) {
		EXPECT_EQ(tries[i].status, request(&self->t, VIRTIO_BLK_T_OUT, tries[i].sector,
						   tries[i].len)) {
			TH_LOG("write %zu", i);
		}
		EXPECT_TRUE(disk_is(&self->t));
	}
	for (i = 0; i < ARRAY_SIZE(tries); i++) {
		EXPECT_EQ(tries[i].status, request(&self->t, VIRTIO_BLK_T_IN, tries[i].sector,
						   tries[i].len)) {
			TH_LOG("read %zu", i);
		}
	}
	EXPECT_EQ(NULL, self->t.blk.dev.broken);
}

TEST_F(blk, other_requests)
{
	char *data = guest_ptr(&self->t.g, DATA_GPA);

	ASSERT_TRUE(start_disk(&self->t, (struct disk_config) {}));
	memset(data, NO_STATUS, 64);
	EXPECT_EQ(VIRTIO_BLK_S_OK, request(&self->t, VIRTIO_BLK_T_GET_ID, 0, VIRTIO_BLK_ID_BYTES));
	EXPECT_STREQ(DISK_ID, data);
	EXPECT_EQ(0, data[VIRTIO_BLK_ID_BYTES - 1]);
	EXPECT_EQ((char)NO_STATUS, data[VIRTIO_BLK_ID_BYTES]);
	EXPECT_EQ(VIRTIO_BLK_S_OK, request(&self->t, VIRTIO_BLK_T_GET_ID, 0, 4));
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, request(&self->t, 2, 0, SECTOR));
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, request(&self->t, 10, 0, SECTOR));
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, request(&self->t, VIRTIO_BLK_T_SECURE_ERASE, 0, 16));
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, request(&self->t, 0xffffffff, 0, 0));

	/* what was not negotiated */
	ASSERT_TRUE(guest_start(&self->t.g, GUEST_BASE_FEATURES | variant->features, QUEUE_SIZE));
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, request(&self->t, VIRTIO_BLK_T_FLUSH, 0, 0));
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, request(&self->t, VIRTIO_BLK_T_DISCARD, 0, 16));
	EXPECT_TRUE(disk_is(&self->t));
}

static u8 zero(struct disk_test *t, u32 type, u64 sector, u32 sectors, u32 flags, u32 len)
{
	struct virtio_blk_discard_write_zeroes range[2] = {
		{ .sector = sector, .num_sectors = sectors, .flags = flags },
	};

	memcpy(guest_ptr(&t->g, DATA_GPA), range, sizeof(range));
	return request(t, type, 0, len);
}

TEST_F(blk, zeroes)
{
	const u32 write = VIRTIO_BLK_T_WRITE_ZEROES, discard = VIRTIO_BLK_T_DISCARD;
	const u8 ok = VIRTIO_BLK_S_OK, ioerr = VIRTIO_BLK_S_IOERR, unsupp = VIRTIO_BLK_S_UNSUPP;

	ASSERT_TRUE(start_disk(&self->t, (struct disk_config) {}));
	memset(self->t.disk + 5 * SECTOR, 0, 10 * SECTOR);
	EXPECT_EQ(ok, zero(&self->t, write, 5, 10, 0, 16));
	EXPECT_TRUE(disk_is(&self->t));
	memset(self->t.disk + 100 * SECTOR, 0, 3 * SECTOR);
	EXPECT_EQ(ok, zero(&self->t, write, 100, 3, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP, 16));
	EXPECT_TRUE(disk_is(&self->t));
	memset(self->t.disk + (SECTORS - 1) * SECTOR, 0, SECTOR);
	EXPECT_EQ(ok, zero(&self->t, discard, SECTORS - 1, 1, 0, 16));
	EXPECT_TRUE(disk_is(&self->t));
	EXPECT_EQ(ok, zero(&self->t, write, 0, 0, 0, 16));

	EXPECT_EQ(unsupp, zero(&self->t, discard, 0, 1, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP, 16));
	EXPECT_EQ(unsupp, zero(&self->t, write, 0, 1, 2, 16));
	EXPECT_EQ(ioerr, zero(&self->t, write, 0, 1, 0, 15));
	EXPECT_EQ(ioerr, zero(&self->t, write, 0, 1, 0, 32));
	EXPECT_EQ(ioerr, zero(&self->t, write, 0, 0, 0, 0));
	EXPECT_EQ(ioerr, zero(&self->t, write, SECTORS - 1, 2, 0, 16));
	EXPECT_EQ(ioerr, zero(&self->t, write, ~0ULL, 1, 0, 16));
	EXPECT_EQ(ioerr, zero(&self->t, discard, 0, 0xffffffff, 0, 16));
	EXPECT_TRUE(disk_is(&self->t));
}

TEST_F(blk, read_only)
{
	ASSERT_EQ(0, chmod(self->t.path, 0400));
	ASSERT_TRUE(start_disk(&self->t, (struct disk_config) { .read_only = true }));
	guest_write(&self->t.g, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	EXPECT_TRUE(guest_read(&self->t.g, VIRTIO_MMIO_DEVICE_FEATURES) &
		    BIT_ULL(VIRTIO_BLK_F_RO));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, request(&self->t, VIRTIO_BLK_T_OUT, 0, SECTOR));
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, zero(&self->t, VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 0, 16));
	EXPECT_EQ(VIRTIO_BLK_S_OK, request(&self->t, VIRTIO_BLK_T_IN, 0, SECTOR));
	EXPECT_EQ(VIRTIO_BLK_S_OK, request(&self->t, VIRTIO_BLK_T_FLUSH, 0, 0));
	EXPECT_TRUE(disk_is(&self->t));
}

/* There is nowhere to say that such a request failed. */
TEST_F(blk, requests_that_are_none)
{
	static const struct guest_sg sgs[][2] = {
		{ { GUEST_DATA, 15, false }, { GUEST_DATA + 16, 1, true } },
		{ { GUEST_DATA, 16, false }, { GUEST_DATA + 16, 512, false } },
		{ { GUEST_DATA, 0, true }, { GUEST_DATA + 16, 17, true } },
		{ { GUEST_DATA, 16, false }, { GUEST_DATA + 16, 0, true } },
	};
	size_t i;

	ASSERT_TRUE(start_disk(&self->t, (struct disk_config) {}));
	for (i = 0; i < ARRAY_SIZE(sgs); i++) {
		ASSERT_TRUE(guest_start(&self->t.g, BLK_FEATURES | variant->features, QUEUE_SIZE));
		memset(guest_ptr(&self->t.g, GUEST_DATA), 0, 64);
		ASSERT_LE(0, guest_add(&self->t.g, 0, sgs[i], 2));
		guest_kick(&self->t.g, 0);
		run_io(&self->t.blk, 0);
		EXPECT_NE(NULL, self->t.blk.dev.broken) {
			TH_LOG("request %zu", i);
		}
	}
}

/* Requests that come together wait together, and none is early. @return how long all took */
static u64 check_latency(struct __test_metadata *_metadata, struct _test_data_blk *self,
			 u64 latency)
{
	u64 start = clock_ns();
	u32 used;
	int i;

	for (i = 0; i < 30; i++)
		ASSERT_LE(0, submit(&self->t.g, i, VIRTIO_BLK_T_OUT, i, SECTOR, false));
	guest_kick(&self->t.g, 0);
	ASSERT_TRUE(run_io(&self->t.blk, 0));
	/* Some are there by now only if that took as long as they do. */
	if (guest_get_used(&self->t.g, 0, &used) < 0) {
		EXPECT_EQ(NO_STATUS, status(&self->t.g, 0));
		ASSERT_LE(0, wait_used(&self->t.g, &self->t.blk, &used));
	}
	EXPECT_LE(latency, clock_ns() - start);
	EXPECT_EQ(VIRTIO_BLK_S_OK, status(&self->t.g, 0));
	for (i = 1; i < 30; i++) {
		ASSERT_LE(0, wait_used(&self->t.g, &self->t.blk, &used));
		EXPECT_EQ(VIRTIO_BLK_S_OK, status(&self->t.g, i));
	}
	return clock_ns() - start;
}

TEST_F(blk, latency)
{
	const u64 latency = 100 * NSEC_PER_MSEC;

	ASSERT_TRUE(start_disk(&self->t, (struct disk_config) { .latency_ns = latency }));
	/* far from 30 times the latency, but for when something else was run */
	EXPECT_TRUE(wait_until(check_latency(_metadata, self, latency) <= 10 * latency));
}

/* Many at once are kept to the limit, in their order. @return how long all took */
static u64 take_many(struct __test_metadata *_metadata, struct disk_test *t,
		     unsigned int n, u32 len, u64 expected_ns)
{
	u64 start = clock_ns();
	unsigned int i;
	u32 used;

	for (i = 0; i < n; i++)
		ASSERT_LE(0, submit(&t->g, i, VIRTIO_BLK_T_IN, i, len, true));
	guest_kick(&t->g, 0);
	for (i = 0; i < n; i++) {
		ASSERT_LE(0, wait_used(&t->g, &t->blk, &used));
		EXPECT_EQ(VIRTIO_BLK_S_OK, status(&t->g, i));
		EXPECT_LE(expected_ns * (i + 1) / n, clock_ns() - start);
	}
	return clock_ns() - start;
}

/* Also after a pause, which is no credit; slower than that only when something else was run */
static void check_rate(struct __test_metadata *_metadata, struct disk_test *t,
		       unsigned int n, u32 len, u64 expected_ns)
{
	EXPECT_TRUE(wait_until(take_many(_metadata, t, n, len, expected_ns) <= 3 * expected_ns));
}

TEST_F(blk, iops)
{
	ASSERT_TRUE(start_disk(&self->t, (struct disk_config) { .iops = 200 }));
	check_rate(_metadata, &self->t, 20, SECTOR, 100 * NSEC_PER_MSEC);
	usleep(50000);
	check_rate(_metadata, &self->t, 20, SECTOR, 100 * NSEC_PER_MSEC);
}

TEST_F(blk, bytes_per_sec)
{
	ASSERT_TRUE(start_disk(&self->t,
			       (struct disk_config) { .bytes_per_sec = SZ_1M, .iops = 1000 }));
	check_rate(_metadata, &self->t, 10, 16 * SECTOR, 78 * NSEC_PER_MSEC);
	check_rate(_metadata, &self->t, 10, SECTOR, 10 * NSEC_PER_MSEC);
}

/* What a guest can ask for at most takes long, but for no longer than a reset. */
TEST_F(blk, absurd_request)
{
	struct guest_sg sg[100] = { { HEADER_GPA(0), 16, false } };
	size_t i;

	ASSERT_TRUE(start_disk(&self->t, (struct disk_config) { .bytes_per_sec = 1 }));
	for (i = 1; i < ARRAY_SIZE(sg); i++)
		sg[i] = (struct guest_sg){ GUEST_HIGH_GPA, GUEST_HIGH_SIZE, true };
	memset(guest_ptr(&self->t.g, HEADER_GPA(0)), 0, 16);
	/* A table that long does not fit the driver's stride: another one's is free. */
	self->t.g.features &= ~GUEST_INDIRECT;
	ASSERT_LE(0, guest_add(&self->t.g, 0, sg, ARRAY_SIZE(sg)));
	guest_kick(&self->t.g, 0);
	run_io(&self->t.blk, 0);
	EXPECT_FALSE(run_io(&self->t.blk, 20));
	ASSERT_TRUE(guest_start(&self->t.g, ALL_FEATURES | variant->features, QUEUE_SIZE));
	EXPECT_EQ(VIRTIO_BLK_S_OK, request(&self->t, VIRTIO_BLK_T_IN, 0, 0));
}

/* After a reset the memory is the guest's: no status comes late. */
TEST_F(blk, reset_in_flight)
{
	struct guest *g = &self->t.g;
	unsigned int round, i;
	u8 before[10];
	u32 used;

	ASSERT_TRUE(start_disk(&self->t,
			       (struct disk_config) { .latency_ns = 100 * NSEC_PER_MSEC }));
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 10; i++)
			ASSERT_LE(0, submit(g, i, VIRTIO_BLK_T_OUT, 0, SECTOR, false));
		guest_kick(g, 0);
		ASSERT_TRUE(run_io(&self->t.blk, 0));
		/* NO_STATUS, but where this host was busy for longer than they take */
		for (i = 0; i < 10; i++)
			before[i] = status(g, i);
		if (round) {
			guest_write(g, VIRTIO_MMIO_QUEUE_SEL, 0);
			guest_write(g, VIRTIO_MMIO_QUEUE_READY, 0);
			ASSERT_TRUE(guest_setup_queue(g, 0, QUEUE_SIZE));
		} else {
			ASSERT_TRUE(guest_start(g, ALL_FEATURES | variant->features, QUEUE_SIZE));
		}
		irqs = 0;
		while (run_io(&self->t.blk, 200))
			;
		EXPECT_EQ(-1, guest_get_used(g, 0, &used));
		EXPECT_EQ(0, irqs);
		for (i = 0; i < 10; i++)
			EXPECT_EQ(before[i], status(g, i));
		EXPECT_EQ(VIRTIO_BLK_S_OK, request(&self->t, VIRTIO_BLK_T_IN, 0, SECTOR));
	}
}

/* A guest that offers its buffers again before they came back: no more room. */
TEST_F(blk, more_than_the_queue_has)
{
	struct vring *ring = &self->t.g.queues[0].ring;
	unsigned int i;

	ASSERT_TRUE(start_disk(&self->t,
			       (struct disk_config) { .latency_ns = NSEC_PER_SEC * 1000 }));
	ASSERT_LE(0, submit(&self->t.g, 0, VIRTIO_BLK_T_IN, 0, SECTOR, true));
	for (i = 0; i < QUEUE_SIZE; i++)
		ring->avail->ring[i] = ring->avail->ring[0];
	for (i = 0; i < 4; i++) {
		ring->avail->idx += QUEUE_SIZE - (i == 0);
		virtio_blk_process(&self->t.blk);
		EXPECT_GE(DISK_MAX_REQUESTS, self->t.blk.nr);
		if (self->t.blk.dev.broken)
			break;
	}
	EXPECT_LE(DISK_MAX_REQUESTS - 1, self->t.blk.nr);
}

TEST_F(blk, file_gets_shorter)
{
	if (!variant->file)
		return;
	ASSERT_TRUE(start_disk(&self->t, (struct disk_config) {}));
	ASSERT_EQ(0, truncate(self->t.path, DISK_SIZE / 2));
	EXPECT_EQ(VIRTIO_BLK_S_OK, request(&self->t, VIRTIO_BLK_T_IN, 0, SECTOR));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, request(&self->t, VIRTIO_BLK_T_IN, SECTORS / 2, SECTOR));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, request(&self->t, VIRTIO_BLK_T_IN, SECTORS / 2 - 1,
					      2 * SECTOR));
}

TEST(bad_configs)
{
	static u8 memory[SECTOR];
	const struct {
		struct disk_config cfg;
		const char *text;
	} tries[] = {
		{ { .memory = memory, .size = 0 }, "multiple of 512" },
		{ { .memory = memory, .size = SECTOR - 1 }, "multiple of 512" },
		{ { .path = "/nowhere/disk" }, "/nowhere/disk" },
		{ { .path = "/tmp" }, "/tmp" },
		{ { .path = "/dev/null" }, "multiple of 512" },
		{ { .path = "/proc/version", .read_only = true }, "/proc/version" },
	};
	struct numa_mem mem = {};
	struct virtio_blk blk;
	struct errmsg err;
	size_t i;
	int fd = dup(0);

	for (i = 0; i < ARRAY_SIZE(tries); i++) {
		EXPECT_GT(0, virtio_blk_init(&blk, &tries[i].cfg, &mem, on_irq, NULL, &err));
		EXPECT_EQ(ERRMSG_INPUT, err.kind);
		EXPECT_NE(NULL, strstr(err.text, tries[i].text)) {
			TH_LOG("%s", err.text);
		}
	}
	/* nothing left open */
	close(fd);
	EXPECT_EQ(fd, dup(0));
	close(fd);
}

TEST(blk_fuzz)
{
	static u8 input[4096];
	u64 seed = 0x6469736b;
	unsigned int round;
	size_t i;

	for (round = 0; round < 400; round++) {
		for (i = 0; i < sizeof(input); i++)
			input[i] = test_random(&seed);
		ASSERT_TRUE(virtio_blk_fuzz(input, sizeof(input))) {
			TH_LOG("round %u", round);
		}
	}
}

TEST_HARNESS_MAIN
