// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>

#include "harness.h"
#include "wire.h"

/* Check values: the CRC catalogue's "123456789", and zlib's crc32() */
TEST(crc_vectors)
{
	u8 zeros[32] = { }, ones[32];

	memset(ones, 0xff, sizeof(ones));
	EXPECT_EQ(0, wire_crc32(0, "", 0));
	EXPECT_EQ(0xcbf43926, wire_crc32(0, "123456789", 9));
	EXPECT_EQ(0xe8b7be43, wire_crc32(0, "a", 1));
	EXPECT_EQ(0x352441c2, wire_crc32(0, "abc", 3));
	EXPECT_EQ(0x190a55ad, wire_crc32(0, zeros, sizeof(zeros)));
	EXPECT_EQ(0xff6cab0b, wire_crc32(0, ones, sizeof(ones)));
	EXPECT_EQ(0x414fa339,
		  wire_crc32(0, "The quick brown fox jumps over the lazy dog", 43));
	EXPECT_EQ(0xcbf43926, wire_crc32(wire_crc32(0, "1234", 4), "56789", 5));
}

/* The protocol's bytes, so that a change of them is a change of the version */
TEST(header_bytes)
{
	static const u8 want[] = {
		'k', 's', 't', 'r', 4, 0, 0x40, 0, 0x78, 0x56, 0x34, 0x12,
		6, 0, 0, 0, 0x76, 0x34, 0xaa, 0xc1, 2, 0, 0, 0, 'x', 0,
	};
	struct wire_writer w;
	u8 buf[64];

	wire_begin(&w, buf, sizeof(buf), WIRE_DONE, 0x12345678);
	wire_put_str(&w, "x");
	ASSERT_EQ(sizeof(want), wire_end(&w));
	EXPECT_EQ(0, memcmp(want, buf, sizeof(want)));
}

/* A writer and a reader with a frame's room between them */
struct link {
	struct wire_receiver *rx;
	struct wire_writer w;
	struct wire_frame frame;
	struct wire_reader r;
	u8 *buf;
	size_t len;
};

FIXTURE(wire) {
	struct link l;
};

FIXTURE_SETUP(wire)
{
	self->l.rx = calloc(1, sizeof(*self->l.rx));
	self->l.buf = malloc(WIRE_MAX_FRAME);
	ASSERT_TRUE(self->l.rx && self->l.buf);
}

FIXTURE_TEARDOWN(wire)
{
	free(self->l.rx);
	free(self->l.buf);
}

/* Receive the frame that was written. */
static enum wire_status transfer(struct link *l)
{
	const u8 *pos = l->buf;
	enum wire_status status;

	l->len = wire_end(&l->w);
	status = wire_receive(l->rx, &pos, &l->len, &l->frame);
	wire_read(&l->r, &l->frame);
	return status;
}

static void begin(struct link *l, enum wire_type type, u32 seq)
{
	wire_begin(&l->w, l->buf, WIRE_MAX_FRAME, type, seq);
}

TEST_F(wire, round_trip_of_fields)
{
	const void *bytes;
	u32 len;

	begin(&self->l, WIRE_WRITE, 7);
	wire_put_u32(&self->l.w, 0xfedcba98);
	wire_put_u64(&self->l.w, 0xfedcba9876543210);
	wire_put_bytes(&self->l.w, "a\0b", 3);
	wire_put_bytes(&self->l.w, NULL, 0);
	wire_put_str(&self->l.w, "");
	wire_put_str(&self->l.w, "string");
	ASSERT_EQ(WIRE_OK, transfer(&self->l));
	EXPECT_EQ(0, self->l.len);
	EXPECT_EQ(WIRE_WRITE, self->l.frame.type);
	EXPECT_EQ(7, self->l.frame.seq);
	EXPECT_EQ(0xfedcba98, wire_get_u32(&self->l.r));
	EXPECT_EQ(0xfedcba9876543210, wire_get_u64(&self->l.r));
	bytes = wire_get_bytes(&self->l.r, &len);
	ASSERT_EQ(3, len);
	EXPECT_EQ(0, memcmp("a\0b", bytes, 3));
	wire_get_bytes(&self->l.r, &len);
	EXPECT_EQ(0, len);
	EXPECT_STREQ("", wire_get_str(&self->l.r));
	EXPECT_FALSE(wire_read_done(&self->l.r));
	EXPECT_STREQ("string", wire_get_str(&self->l.r));
	EXPECT_TRUE(wire_read_done(&self->l.r));
	EXPECT_EQ(0, wire_get_u32(&self->l.r));
	EXPECT_FALSE(wire_read_done(&self->l.r));
}

TEST_F(wire, round_trip_of_hello)
{
	struct wire_hello in = { 1, "6.12.0", 8, 123456789012, 98765432109 };
	struct wire_hello out;

	begin(&self->l, WIRE_HELLO, 0);
	wire_put_hello(&self->l.w, &in);
	ASSERT_EQ(WIRE_OK, transfer(&self->l));
	wire_get_hello(&self->l.r, &out);
	ASSERT_TRUE(wire_read_done(&self->l.r));
	EXPECT_EQ(in.version, out.version);
	EXPECT_STREQ(in.release, out.release);
	EXPECT_EQ(in.nr_cpus, out.nr_cpus);
	EXPECT_EQ(in.uptime_ns, out.uptime_ns);
	EXPECT_EQ(in.monotonic_ns, out.monotonic_ns);
}

TEST_F(wire, round_trip_of_file)
{
	struct wire_file in = { "/proc/version", 13, 1, "Linux", 5 }, out;

	begin(&self->l, WIRE_FILE, 1);
	wire_put_file(&self->l.w, &in);
	ASSERT_EQ(WIRE_OK, transfer(&self->l));
	wire_get_file(&self->l.r, &out);
	ASSERT_TRUE(wire_read_done(&self->l.r));
	EXPECT_STREQ(in.path, out.path);
	EXPECT_EQ(13, out.errnum);
	EXPECT_EQ(1, out.truncated);
	ASSERT_EQ(5, out.size);
	EXPECT_EQ(0, memcmp("Linux", out.data, 5));
}

TEST_F(wire, round_trip_of_sched)
{
	struct wire_sched in = {
		.state = "enabled", .ops = "simple", .reason = "sched_ext: x",
		.pid = 42, .ended = 1, .wait_status = 256, .when_ns = 1ULL << 40,
		.output = "log", .output_len = 3,
	}, out;

	begin(&self->l, WIRE_SCHED, 1);
	wire_put_sched(&self->l.w, &in);
	ASSERT_EQ(WIRE_OK, transfer(&self->l));
	wire_get_sched(&self->l.r, &out);
	ASSERT_TRUE(wire_read_done(&self->l.r));
	EXPECT_STREQ(in.state, out.state);
	EXPECT_STREQ(in.ops, out.ops);
	EXPECT_STREQ(in.reason, out.reason);
	EXPECT_EQ(in.pid, out.pid);
	EXPECT_EQ(in.ended, out.ended);
	EXPECT_EQ(in.wait_status, out.wait_status);
	EXPECT_EQ(in.when_ns, out.when_ns);
	ASSERT_EQ(3, out.output_len);
	EXPECT_EQ(0, memcmp("log", out.output, 3));
}

/* Every number of a report has a value of its own, so that none is swapped. */
TEST_F(wire, round_trip_of_report)
{
	struct wire_report in = {
		.group = "left", .index = 1, .pid = 2, .flags = 3, .units = 4,
		.cpu_ns = 5, .wall_ns = 6, .nvcsw = 7, .nivcsw = 8,
		.run_delay_ns = 9, .timeslices = 10, .steal_ns = 11,
		.migrations = { 12, 23, 24 }, .max_raw_gap_ns = 13, .unit_ns = 22,
		.measure_ns = 25, .max_raw_wake_ns = 26,
		.gap = {
			.raw_ns = 14, .run_delay_ns = 15, .steal_ns = 16,
			.sched_ns = 17, .window_ns = 18, .at_ns = 19,
			.cpu_before = 20, .cpu_after = 21,
		},
	}, out;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(in.cpus); i++)
		in.cpus[i] = ~0ULL - i;
	for (i = 0; i < ARRAY_SIZE(in.pages); i++)
		in.pages[i] = 1000 + i;
	for (i = 0; i < ARRAY_SIZE(in.on_node); i++)
		in.on_node[i] = ~0ULL - 1000 - i;
	for (i = 0; i < HIST_BUCKETS; i += 7)
		in.wake.count[i] = i + 1;
	in.wake.count[HIST_BUCKETS - 1] = ~0U;
	begin(&self->l, WIRE_REPORT, 1);
	wire_put_report(&self->l.w, &in);
	ASSERT_EQ(WIRE_OK, transfer(&self->l));
	memset(&out, 0, sizeof(out));
	wire_get_report(&self->l.r, &out);
	ASSERT_TRUE(wire_read_done(&self->l.r));
	EXPECT_STREQ("left", out.group);
	out.group = in.group;
	EXPECT_EQ(0, memcmp(&in, &out, sizeof(in)));
}

static const char *const lists[] = { "0-3", "5", "" };

static const struct wire_spawn some_spawn = {
	.name = "left", .cgroup = "/cgroup", .comm = "worker", .count = 1, .flags = 2,
	.attr = {
		.policy = 3, .nice = -4, .priority = 5, .runtime_ns = 6, .deadline_ns = 7,
		.period_ns = 8,
	},
	.mem_mode = 9, .mem_nodes = 10, .nr_cpus = 3, .cpus = lists, .nr_phases = 2,
	.phases = {
		{
			.work = 11, .team = 12, .run_ns = 13, .sleep_ns = 14, .bytes = 15,
			.phase_ns = 16, .arg = "one",
		}, {
			.work = 17, .team = 18, .run_ns = 19, .sleep_ns = 20, .bytes = 21,
			.phase_ns = 22, .arg = "two",
		},
	},
};

TEST_F(wire, round_trip_of_spawn)
{
	const struct wire_spawn *in = &some_spawn;
	const char *cpus[WIRE_MAX_WORKERS];
	struct wire_spawn out = { };
	int i;

	begin(&self->l, WIRE_SPAWN, 1);
	wire_put_spawn(&self->l.w, in);
	ASSERT_EQ(WIRE_OK, transfer(&self->l));
	wire_get_spawn(&self->l.r, &out, cpus);
	ASSERT_TRUE(wire_read_done(&self->l.r));
	EXPECT_STREQ("left", out.name);
	EXPECT_STREQ("/cgroup", out.cgroup);
	EXPECT_STREQ("worker", out.comm);
	EXPECT_EQ(1, out.count);
	EXPECT_EQ(2, out.flags);
	EXPECT_EQ(0, memcmp(&in->attr, &out.attr, sizeof(out.attr)));
	EXPECT_EQ(-4, out.attr.nice);
	EXPECT_EQ(9, out.mem_mode);
	EXPECT_EQ(10, out.mem_nodes);
	ASSERT_EQ(3, out.nr_cpus);
	for (i = 0; i < 3; i++)
		ASSERT_STREQ(lists[i], out.cpus[i]);
	ASSERT_EQ(2, out.nr_phases);
	for (i = 0; i < 2; i++) {
		EXPECT_STREQ(in->phases[i].arg, out.phases[i].arg);
		out.phases[i].arg = in->phases[i].arg;
		EXPECT_EQ(0, memcmp(&in->phases[i], &out.phases[i], sizeof(out.phases[i])));
	}
}

/* Counts beyond their limits are refused, whatever follows. */
TEST_F(wire, spawn_with_too_many)
{
	const char *cpus[WIRE_MAX_WORKERS];
	struct wire_spawn spawn = some_spawn, out;
	int i;

	for (i = 0; i < WIRE_MAX_PHASES; i++)
		spawn.phases[i].arg = "";
	spawn.nr_phases = WIRE_MAX_PHASES + 1;
	begin(&self->l, WIRE_SPAWN, 1);
	wire_put_spawn(&self->l.w, &spawn);
	ASSERT_EQ(WIRE_OK, transfer(&self->l));
	wire_get_spawn(&self->l.r, &out, cpus);
	EXPECT_FALSE(wire_read_done(&self->l.r));

	begin(&self->l, WIRE_STOP, 1);
	wire_put_strs(&self->l.w, lists, 3);
	ASSERT_EQ(WIRE_OK, transfer(&self->l));
	EXPECT_EQ(0, wire_get_strs(&self->l.r, cpus, 2));
	EXPECT_FALSE(wire_read_done(&self->l.r));
}

/* Buckets out of order, twice, or that do not exist */
TEST_F(wire, malformed_histogram)
{
	static const u32 bad[][2] = {
		{ 5, 5 }, { 6, 5 }, { 0, HIST_BUCKETS }, { ~0U, 0 }, { 591, 592 },
	};
	struct wire_report report = { .group = "g", .wake.count = { [5] = 77, [90] = 78 } }, out;
	u8 *buckets;
	size_t i;
	u32 good[] = { 2, 5, 77, 90, 78 };

	for (i = 0; i <= ARRAY_SIZE(bad); i++) {
		begin(&self->l, WIRE_REPORT, 1);
		wire_put_report(&self->l.w, &report);
		buckets = memmem(self->l.buf, self->l.w.len, good, sizeof(good));
		ASSERT_NE(NULL, buckets);
		if (i < ARRAY_SIZE(bad)) {
			memcpy(buckets + 4, &bad[i][0], 4);
			memcpy(buckets + 12, &bad[i][1], 4);
		}
		ASSERT_EQ(WIRE_OK, transfer(&self->l));
		wire_get_report(&self->l.r, &out);
		EXPECT_EQ(i == ARRAY_SIZE(bad), wire_read_done(&self->l.r)) TH_LOG("%zu", i);
	}
	begin(&self->l, WIRE_REPORT, 1);
	wire_put_report(&self->l.w, &report);
	buckets = memmem(self->l.buf, self->l.w.len, good, sizeof(good));
	ASSERT_NE(NULL, buckets);
	memset(buckets, 0xff, 4);
	ASSERT_EQ(WIRE_OK, transfer(&self->l));
	wire_get_report(&self->l.r, &out);
	EXPECT_FALSE(wire_read_done(&self->l.r));
}

TEST(works_have_names_and_teams)
{
	u32 i, j;

	for (i = 0; i < WIRE_NR_WORK; i++) {
		ASSERT_NE(NULL, wire_work_name(i));
		for (j = 0; j < i; j++)
			ASSERT_STRNE(wire_work_name(i), wire_work_name(j));
		EXPECT_NE(0, wire_work_team(i, 0, 6));
	}
	EXPECT_EQ(NULL, wire_work_name(WIRE_NR_WORK));
	EXPECT_EQ(0, wire_work_team(WIRE_NR_WORK, 0, 6));
	EXPECT_EQ(1, wire_work_team(WIRE_WORK_SPIN, 5, 7));
	EXPECT_EQ(0, wire_work_team(WIRE_WORK_SPIN, 0, 0));
	EXPECT_EQ(2, wire_work_team(WIRE_WORK_PIPE, 0, 4));
	EXPECT_EQ(0, wire_work_team(WIRE_WORK_PIPE, 0, 5));
	EXPECT_EQ(3, wire_work_team(WIRE_WORK_INVERSION, 2, 6));
	EXPECT_EQ(0, wire_work_team(WIRE_WORK_INVERSION, 2, 4));
	EXPECT_EQ(7, wire_work_team(WIRE_WORK_FANOUT, 0, 7));
	EXPECT_EQ(4, wire_work_team(WIRE_WORK_FANOUT, 4, 8));
	EXPECT_EQ(0, wire_work_team(WIRE_WORK_FANOUT, 4, 9));
	EXPECT_EQ(0, wire_work_team(WIRE_WORK_FANOUT, 1, 4));
	EXPECT_EQ(0, wire_work_team(WIRE_WORK_FANOUT, 0, 1));
}

/* Three frames of different lengths, the second one empty */
static size_t make_stream(u8 *buf, size_t size)
{
	struct wire_writer w;
	size_t len;

	wire_begin(&w, buf, size, WIRE_WRITE, 1);
	wire_put_str(&w, "/sys/kernel/debug");
	wire_put_bytes(&w, "data", 4);
	len = wire_end(&w);
	wire_begin(&w, buf + len, size - len, WIRE_KMSG, 2);
	len += wire_end(&w);
	wire_begin(&w, buf + len, size - len, WIRE_DONE, 3);
	wire_put_u32(&w, 1);
	wire_put_str(&w, "what");
	return len + wire_end(&w);
}

/* How many frames are in these bytes, given in pieces of @step? */
static unsigned int receive_all(struct wire_receiver *rx, const u8 *buf,
				size_t len, size_t step,
				enum wire_status *status)
{
	struct wire_frame frame;
	unsigned int n = 0;
	const u8 *pos;
	size_t left;

	memset(rx, 0, sizeof(*rx));
	*status = WIRE_MORE;
	for (; len && *status == WIRE_MORE; buf += left, len -= left) {
		pos = buf;
		left = min(step, len);
		while ((*status = wire_receive(rx, &pos, &left, &frame)) == WIRE_OK)
			n += frame.seq == n + 1;
		left = pos - buf;
	}
	return n;
}

TEST_F(wire, split_anywhere)
{
	size_t len = make_stream(self->l.buf, WIRE_MAX_FRAME), step;
	enum wire_status status;

	for (step = 1; step <= len; step++) {
		EXPECT_EQ(3, receive_all(self->l.rx, self->l.buf, len, step, &status));
		EXPECT_EQ(WIRE_MORE, status);
	}
}

TEST_F(wire, truncated_anywhere)
{
	size_t len = make_stream(self->l.buf, WIRE_MAX_FRAME), n, ends[3], i;
	enum wire_status status;
	unsigned int want;

	/* Where the frames end, by their lengths alone */
	for (i = 0, n = 0; i < 3; i++) {
		n += WIRE_HEADER_SIZE + self->l.buf[n + 12];
		ends[i] = n;
	}
	ASSERT_EQ(len, ends[2]);
	for (n = 0; n < len; n++) {
		want = (n >= ends[0]) + (n >= ends[1]);
		EXPECT_EQ(want, receive_all(self->l.rx, self->l.buf, n, n, &status));
		EXPECT_EQ(WIRE_MORE, status);
	}
}

/* What a truncated payload lacks is noticed even if its CRC is right. */
TEST_F(wire, truncated_payload)
{
	struct wire_report report = { .group = "g", .wake.count = { [5] = 1, [90] = 2 } }, out;
	struct wire_frame frame;
	size_t len, n;

	begin(&self->l, WIRE_REPORT, 1);
	wire_put_report(&self->l.w, &report);
	len = wire_end(&self->l.w) - WIRE_HEADER_SIZE;
	for (n = 0; n <= len; n++) {
		/* A copy, so that reading too much is reading out of bounds */
		u8 *copy = malloc(n + 1) + 1;

		memcpy(copy, self->l.buf + WIRE_HEADER_SIZE, n);
		frame = (struct wire_frame) { .payload = copy, .len = n };
		wire_read(&self->l.r, &frame);
		wire_get_report(&self->l.r, &out);
		EXPECT_EQ(n == len, wire_read_done(&self->l.r));
		free(copy - 1);
	}
}

/* In the length, a bit may also make the frame longer than the stream. */
static bool is_expected(size_t bit, enum wire_status status)
{
	if (bit < 32)
		return status == WIRE_BAD_MAGIC;
	if (bit < 48)
		return status == WIRE_BAD_VERSION;
	if (bit < 96 || bit >= 128)
		return status == WIRE_BAD_CRC;
	return status != WIRE_OK;
}

/* One bit anywhere: the frame is refused or never complete. */
TEST_F(wire, one_flipped_bit)
{
	size_t len = make_stream(self->l.buf, WIRE_MAX_FRAME);
	size_t first = WIRE_HEADER_SIZE + self->l.buf[12], bit;
	enum wire_status status;
	unsigned int n;

	for (bit = 0; bit < first * 8; bit++) {
		self->l.buf[bit / 8] ^= 1 << bit % 8;
		n = receive_all(self->l.rx, self->l.buf, len, len, &status);
		EXPECT_EQ(0, n) TH_LOG("bit %zu", bit);
		EXPECT_TRUE(is_expected(bit, status)) TH_LOG("bit %zu", bit);
		self->l.buf[bit / 8] ^= 1 << bit % 8;
	}
	EXPECT_EQ(3, receive_all(self->l.rx, self->l.buf, len, len, &status));
}

/* Several bytes of garbage, the same ones each time */
TEST_F(wire, damaged_bytes)
{
	size_t len = make_stream(self->l.buf, WIRE_MAX_FRAME), first, at;
	enum wire_status status;
	u8 good[256], flip;
	int i, j;

	first = WIRE_HEADER_SIZE + self->l.buf[12];
	ASSERT_LE(len, sizeof(good));
	memcpy(good, self->l.buf, len);
	srandom(1);
	for (i = 0; i < 20000; i++) {
		memcpy(self->l.buf, good, len);
		for (j = 0; j < 4; j++) {
			at = random() % first;
			flip = random();
			self->l.buf[at] ^= flip;
		}
		if (!memcmp(self->l.buf, good, len))
			continue;
		EXPECT_EQ(0, receive_all(self->l.rx, self->l.buf, len, len, &status));
	}
}

TEST_F(wire, an_error_stays)
{
	size_t len = make_stream(self->l.buf, WIRE_MAX_FRAME);
	const u8 *pos = self->l.buf;

	self->l.buf[WIRE_HEADER_SIZE] ^= 1;
	EXPECT_EQ(WIRE_BAD_CRC, wire_receive(self->l.rx, &pos, &len, &self->l.frame));
	EXPECT_EQ(WIRE_BAD_CRC, wire_receive(self->l.rx, &pos, &len, &self->l.frame));
}

static void set_length(u8 *frame, u32 len)
{
	frame[12] = len;
	frame[13] = len >> 8;
	frame[14] = len >> 16;
	frame[15] = len >> 24;
}

/* The header alone is enough to refuse a frame: nothing is waited for. */
TEST_F(wire, length_limit)
{
	static const u32 lengths[] = { WIRE_MAX_PAYLOAD + 1, 0x7fffffff, ~0U };
	const u8 *pos;
	size_t i;

	begin(&self->l, WIRE_KMSG, 1);
	ASSERT_EQ(WIRE_HEADER_SIZE, wire_end(&self->l.w));
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		memset(self->l.rx, 0, sizeof(*self->l.rx));
		set_length(self->l.buf, lengths[i]);
		pos = self->l.buf;
		self->l.len = WIRE_HEADER_SIZE;
		EXPECT_EQ(WIRE_BAD_LENGTH, wire_receive(self->l.rx, &pos, &self->l.len,
							&self->l.frame));
	}

	memset(self->l.rx, 0, sizeof(*self->l.rx));
	set_length(self->l.buf, WIRE_MAX_PAYLOAD);
	pos = self->l.buf;
	self->l.len = WIRE_HEADER_SIZE;
	EXPECT_EQ(WIRE_MORE, wire_receive(self->l.rx, &pos, &self->l.len, &self->l.frame));
}

TEST_F(wire, largest_frame)
{
	u8 *data = calloc(1, WIRE_MAX_PAYLOAD);
	const void *got;
	u32 len;

	ASSERT_NE(NULL, data);
	data[WIRE_MAX_PAYLOAD - 5] = 0x5a;
	begin(&self->l, WIRE_OUTPUT, 1);
	wire_put_bytes(&self->l.w, data, WIRE_MAX_PAYLOAD - 4);
	ASSERT_EQ(WIRE_OK, transfer(&self->l));
	got = wire_get_bytes(&self->l.r, &len);
	ASSERT_EQ(WIRE_MAX_PAYLOAD - 4, len);
	EXPECT_EQ(0, memcmp(data, got, len));

	begin(&self->l, WIRE_OUTPUT, 1);
	wire_put_bytes(&self->l.w, data, WIRE_MAX_PAYLOAD - 3);
	EXPECT_EQ(0, wire_end(&self->l.w));
	free(data);
}

/* What does not fit is not written at all, and is remembered. */
TEST_F(wire, writer_is_bounded)
{
	size_t size;
	u8 *small;

	for (size = 0; size < WIRE_HEADER_SIZE + 12; size++) {
		small = malloc(size + 1);
		ASSERT_NE(NULL, small);
		wire_begin(&self->l.w, small + 1, size, WIRE_DONE, 1);
		wire_put_u64(&self->l.w, 1);
		wire_put_u64(&self->l.w, 2);
		wire_put_u32(&self->l.w, 3);
		EXPECT_EQ(0, wire_end(&self->l.w));
		free(small);
	}
	begin(&self->l, WIRE_DONE, 1);
	wire_put_bytes(&self->l.w, self->l.buf, 1ULL << 32);
	EXPECT_EQ(0, wire_end(&self->l.w));
}

/* Lengths and strings that lie */
TEST_F(wire, malformed_fields)
{
	static const struct {
		const char *payload;
		u32 len;
	} bad[] = {
		{ "", 0 },
		{ "\1\0\0", 3 },
		{ "\0\0\0\0", 4 },			/* no NUL */
		{ "\1\0\0\0x", 5 },			/* no NUL */
		{ "\2\0\0\0\0\0", 6 },			/* two */
		{ "\3\0\0\0x\0", 6 },			/* longer than there is */
		{ "\377\377\377\377x\0", 6 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		self->l.frame.payload = (const u8 *)bad[i].payload;
		self->l.frame.len = bad[i].len;
		wire_read(&self->l.r, &self->l.frame);
		EXPECT_STREQ("", wire_get_str(&self->l.r));
		EXPECT_FALSE(wire_read_done(&self->l.r)) TH_LOG("case %zu", i);
	}
}

TEST(statuses_have_names)
{
	EXPECT_STREQ("bad magic", wire_status_name(WIRE_BAD_MAGIC));
	EXPECT_STREQ("bad version", wire_status_name(WIRE_BAD_VERSION));
	EXPECT_STREQ("bad length", wire_status_name(WIRE_BAD_LENGTH));
	EXPECT_STREQ("bad CRC", wire_status_name(WIRE_BAD_CRC));
}

TEST_HARNESS_MAIN
