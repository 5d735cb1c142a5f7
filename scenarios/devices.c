// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's devices, as Linux drives them: a disk and a network card, by
 * their interrupts and on both kinds of irqchip, and the console's port for
 * large results, in a guest that has nothing else.
 */
#include <errno.h>
#include <linux/sizes.h>
#include <stdio.h>
#include <string.h>

#include "bulk.h"
#include "clock.h"
#include "ktstr_test.h"
#include "virtio_blk.h"
#include "virtio_net.h"
#include "wire.h"

#define DISK_SIZE	SZ_1M
#define DISK_READS	50
#define ECHO_FRAMES	500
#define GUEST_NUMBER	0x1234
#define SEED		7777UL
#define BULK_SIZE	(32 * SZ_1M)
#define RUN_TIMEOUT_NS	(120 * NSEC_PER_SEC)

/* Where the devices are in every guest that has them */
#define DISK_GSI	6
#define NET_GSI		7

struct machine {
	struct session s;
	struct disk_config disk;
	struct net_config net;
	u8 *content;			/* of the disk */
	struct control_reply reply;	/* of the last run() */
};

/* Run a program in the guest. Return: what it printed, as one line. */
static const char *run(struct __test_metadata *_metadata, struct machine *m,
		       const char *const *argv)
{
	struct errmsg err = {};
	int ret;

	control_reply_free(&m->reply);
	ret = control_run(&m->s.control, argv, RUN_TIMEOUT_NS, &m->reply, &err);
	ktstr_assert_ok(_metadata, &m->s, ret, &err);
	m->reply.output[strcspn(m->reply.output, "\n")] = '\0';
	TH_LOG("%s: %s", argv[1], m->reply.output);
	ASSERT_EQ(0, m->reply.wait_status);
	return m->reply.output;
}

static const char *probe(struct __test_metadata *_metadata, struct machine *m,
			 const char *what, const char *arg1, const char *arg2)
{
	const char * const argv[] = { "ktstr_probe", what, arg1, arg2, NULL };

	return run(_metadata, m, argv);
}

/*
 * The guest's count of a GSI's interrupts so far, from a line such as
 * " 25:  1  0  IO-APIC  6-edge  virtio1".
 */
static u64 count_irqs(struct __test_metadata *_metadata, struct machine *m, unsigned int gsi)
{
	const char * const path = "/proc/interrupts";
	struct control_reply reply;
	struct errmsg err = {};
	char label[40], *at, *end;
	const char *text;
	u64 sum = 0, n;
	int ret;

	ret = control_read(&m->s.control, &path, 1, &reply, &err);
	ktstr_assert_ok(_metadata, &m->s, ret, &err);
	text = control_text(&reply, "%s", path) ?: "";
	snprintf(label, sizeof(label), "IO-APIC %3u-edge      virtio", gsi);
	at = strstr(text, label);
	ASSERT_NE(NULL, at) {
		TH_LOG("no \"%s\" in %s:\n%s", label, path, text);
	}
	while (*at != ':')
		at--;
	for (at++;; at = end, sum += n) {
		n = strtoull(at, &end, 10);
		if (end == at)
			break;
	}
	control_reply_free(&reply);
	return sum;
}

/* Has the guest's kernel this driver? Where it is, the device has to work. */
static bool has_driver(struct __test_metadata *_metadata, struct machine *m, const char *name)
{
	struct control_reply reply;
	struct errmsg err = {};
	const char *globs[1];
	char glob[64];
	bool found;
	int ret;

	snprintf(glob, sizeof(glob), "/sys/bus/virtio/drivers/%s/uevent*", name);
	globs[0] = glob;
	ret = control_read(&m->s.control, globs, 1, &reply, &err);
	ktstr_assert_ok(_metadata, &m->s, ret, &err);
	found = reply.nr_files;
	control_reply_free(&reply);
	return found;
}

FIXTURE(devices)
{
	struct machine m;
};

FIXTURE_VARIANT(devices)
{
	enum ktstr_irqchip irqchip;
	struct disk_config disk;
	struct net_config net;
};

FIXTURE_VARIANT_ADD(devices, latency_echo) {
	.disk = { .latency_ns = 20 * NSEC_PER_MSEC },
	.net = { .peer = NET_PEER_ECHO },
};

FIXTURE_VARIANT_ADD(devices, rate_source_split_irqchip) {
	.irqchip = KTSTR_IRQCHIP_SPLIT,
	.disk = { .iops = 100 },
	.net = { .peer = NET_PEER_SOURCE, .frames_per_sec = 100, .frame_size = 200 },
};

FIXTURE_SETUP(devices)
{
	struct machine *m = &self->m;
	const struct session_config cfg = {
		.topology = "1n1l2c1t",
		.irqchip = variant->irqchip,
		.programs = { "ktstr_probe" },
		.disk = &m->disk,
		.net = &m->net,
	};
	size_t i;

	m->disk = variant->disk;
	m->net = variant->net;
	m->content = malloc(DISK_SIZE);
	ASSERT_NE(NULL, m->content);
	for (i = 0; i < DISK_SIZE; i++)
		m->content[i] = i * 2654435761U >> 24;
	m->disk.memory = m->content;
	m->disk.size = DISK_SIZE;
	m->net.guest = GUEST_NUMBER;
	if (!ktstr_session_start(_metadata, &m->s, &cfg))
		return;
	if (!has_driver(_metadata, m, "virtio_blk") || !has_driver(_metadata, m, "virtio_net"))
		SKIP(return, "the guest's kernel needs %s (see the suite's config)",
		     "CONFIG_VIRTIO_BLK=y and CONFIG_VIRTIO_NET=y");
}

FIXTURE_TEARDOWN(devices)
{
	control_reply_free(&self->m.reply);
	if (self->m.s.vm)
		session_end(&self->m.s);
	free(self->m.content);
}

/* What is on the disk, the guest reads; what it writes, is on the disk. */
static void check_content(struct __test_metadata *_metadata, struct machine *m)
{
	u32 before = wire_crc32(0, m->content, DISK_SIZE);
	char seed[24], expected[64];
	size_t i, bad = 0;
	u64 sector[2];

	snprintf(expected, sizeof(expected), "%d bytes, CRC %x", DISK_SIZE, before);
	EXPECT_STREQ(expected, probe(_metadata, m, "disk-crc", NULL, NULL));

	snprintf(seed, sizeof(seed), "%lu", SEED);
	probe(_metadata, m, "disk-write", seed, NULL);
	for (i = 0; i < DISK_SIZE / DISK_SECTOR_SIZE; i++) {
		memcpy(sector, m->content + i * DISK_SECTOR_SIZE, sizeof(sector));
		bad += sector[0] != SEED || sector[1] != i;
	}
	EXPECT_EQ(0, bad);
}

/* No read is faster than was set, nor are all of them together. */
static void check_speed(struct __test_metadata *_metadata, struct machine *m)
{
	unsigned long reads = 0, ns = 0, min_ns = 0, max_ns = 0;
	u64 irqs = count_irqs(_metadata, m, DISK_GSI);
	char count[24];
	int n;

	snprintf(count, sizeof(count), "%d", DISK_READS);
	n = sscanf(probe(_metadata, m, "disk-read", count, NULL),
		   "%lu reads, %lu ns, min %lu ns, max %lu ns", &reads, &ns, &min_ns, &max_ns);
	ASSERT_EQ(4, n);
	EXPECT_EQ(DISK_READS, reads);
	EXPECT_LE(m->disk.latency_ns, min_ns);
	if (m->disk.iops)
		EXPECT_LE((reads - 1) * NSEC_PER_SEC / m->disk.iops, ns);
	/* They come one at a time, so that each has its interrupt. */
	EXPECT_LE(irqs + reads, count_irqs(_metadata, m, DISK_GSI));
}

static void check_echo(struct __test_metadata *_metadata, struct machine *m)
{
	struct net_stats before = ktstr_vm_net_stats(m->s.vm), after;
	u64 irqs = count_irqs(_metadata, m, NET_GSI);
	char count[24], expected[32];
	const char *output;
	u8 mac[6];

	snprintf(count, sizeof(count), "%d", ECHO_FRAMES);
	output = probe(_metadata, m, "net-echo", count, "1000");
	virtio_net_mac(mac, false, GUEST_NUMBER);
	snprintf(expected, sizeof(expected), "MAC %02x%02x%02x%02x%02x%02x", mac[0], mac[1],
		 mac[2], mac[3], mac[4], mac[5]);
	EXPECT_NE(NULL, strstr(output, expected));
	EXPECT_EQ(ECHO_FRAMES, atoi(output));

	after = ktstr_vm_net_stats(m->s.vm);
	EXPECT_EQ(before.from_guest + ECHO_FRAMES, after.from_guest);
	EXPECT_EQ(before.to_guest + ECHO_FRAMES, after.to_guest);
	EXPECT_EQ(0, after.bad);
	/* At least one for each time that the guest had to wait for a frame */
	EXPECT_LE(irqs + ECHO_FRAMES / 16, count_irqs(_metadata, m, NET_GSI));
}

/* Two seconds of frames: at about the rate that was set? */
static bool right_rate(const struct machine *m, unsigned long rate)
{
	return rate >= m->net.frames_per_sec * 7 / 10 && rate <= m->net.frames_per_sec * 13 / 10;
}

/* Hosts may be slow, and away for a while at the beginning or the end. */
static void check_source(struct __test_metadata *_metadata, struct machine *m)
{
	unsigned long frames = 0, ns = 1, first = 0, last = 0, size = 0, rate = 0;
	struct net_stats stats;
	int n, tries;
	u64 irqs = 0;

	for (tries = 0; tries < 5; tries++) {
		irqs = count_irqs(_metadata, m, NET_GSI);
		n = sscanf(probe(_metadata, m, "net-count", "2000", NULL),
			   "%lu frames, %lu ns, numbers %lu to %lu, %lu bytes", &frames, &ns,
			   &first, &last, &size);
		ASSERT_EQ(5, n);
		ASSERT_LT(0, ns);
		rate = (last - first) * NSEC_PER_SEC / ns;
		if (right_rate(m, rate) && frames >= (last - first + 1) / 2)
			break;
	}
	stats = ktstr_vm_net_stats(m->s.vm);
	TH_LOG("source: %lu frames, %lu lost, up to %lu us late", stats.to_guest, stats.lost,
	       stats.late_ns / 1000);
	EXPECT_EQ(m->net.frame_size, size);
	EXPECT_TRUE(right_rate(m, rate)) {
		TH_LOG("%lu frames per second", rate);
	}
	EXPECT_LE((last - first + 1) / 2, frames);
	EXPECT_LE(frames, stats.to_guest);
	EXPECT_LE(irqs + frames / 10, count_irqs(_metadata, m, NET_GSI));
}

TEST_F_TIMEOUT(devices, disk_and_net, KTSTR_TEST_TIMEOUT)
{
	check_content(_metadata, &self->m);
	check_speed(_metadata, &self->m);
	if (variant->net.peer == NET_PEER_ECHO)
		check_echo(_metadata, &self->m);
	else
		check_source(_metadata, &self->m);
}

FIXTURE(bulk)
{
	struct machine m;
};

FIXTURE_SETUP(bulk)
{
	const struct session_config cfg = {
		.topology = "1n1l1c1t",
		.programs = { "dd", "ls" },
	};

	ktstr_session_start(_metadata, &self->m.s, &cfg);
}

FIXTURE_TEARDOWN(bulk)
{
	control_reply_free(&self->m.reply);
	if (self->m.s.vm)
		session_end(&self->m.s);
}

/* The guest writes faster than the host reads; all of it comes, as it was. */
TEST_F_TIMEOUT(bulk, large_file, KTSTR_TEST_TIMEOUT)
{
	static const char * const dd[] = {
		"dd", "if=/dev/urandom", "of=/tmp/blob", "bs=1M", "count=32", NULL
	};
	static const char * const ls[] = { "ls", "/sys/bus/virtio/devices", NULL };
	struct machine *m = &self->m;
	struct errmsg err = {};
	void *data = NULL;
	size_t size = 0;
	u64 start;
	int ret;

	/* A guest that was to have no disk and no card has none. */
	EXPECT_STREQ("virtio0", run(_metadata, m, ls));

	run(_metadata, m, dd);
	start = clock_ns();
	ret = bulk_fetch(m->s.vm, &m->s.control, "/tmp/blob", BULK_SIZE, &data, &size, &err);
	ktstr_assert_ok(_metadata, &m->s, ret, &err);
	TH_LOG("%zu bytes in %lu ms, CRC %x", size, (clock_ns() - start) / 1000000,
	       wire_crc32(0, data, size));
	EXPECT_EQ(BULK_SIZE, size);
	free(data);

	/* After a fetch that failed the port is as good as new. */
	ret = bulk_fetch(m->s.vm, &m->s.control, "/tmp/blob", SZ_1M, &data, &size, &err);
	EXPECT_EQ(-EFBIG, ret);
	ret = bulk_fetch(m->s.vm, &m->s.control, "/nowhere", SZ_1M, &data, &size, &err);
	EXPECT_EQ(-EIO, ret);
	EXPECT_NE(NULL, strstr(err.text, "open /nowhere"));
	ret = bulk_fetch(m->s.vm, &m->s.control, "/proc/version", SZ_1M, &data, &size, &err);
	ktstr_assert_ok(_metadata, &m->s, ret, &err);
	EXPECT_EQ(0, strncmp(data, "Linux version ", 14));
	free(data);
}

int main(int argc, char **argv)
{
	return ktstr_test_main(argc, argv);
}
