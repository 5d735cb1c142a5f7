// SPDX-License-Identifier: GPL-2.0
/*
 * Frames from the other side. The first byte says what the rest is: a stream, in
 * which the CRC is seldom right; one frame's type and payload; or such a frame,
 * and what happened to it on its way. Nothing else has numbers that are other ones
 * in the protocol's next version, with which the corpus would be of no use.
 */
#include "fuzz.h"
#include "wire.h"

static void read_fields(const struct wire_frame *frame)
{
	union {
		struct wire_hello hello;
		struct wire_file file;
		struct wire_sched sched;
		struct wire_report report;
		struct wire_spawn spawn;
	} u;
	static const char *cpus[WIRE_MAX_WORKERS];
	struct wire_reader r;
	const u8 *end = frame->payload + frame->len;
	u32 len;

	wire_read(&r, frame);
	switch (frame->type) {
	case WIRE_HELLO:
		wire_get_hello(&r, &u.hello);
		fuzz_assert(strlen(u.hello.release) < WIRE_MAX_PAYLOAD);
		break;
	case WIRE_FILE:
		wire_get_file(&r, &u.file);
		fuzz_assert(strlen(u.file.path) < WIRE_MAX_PAYLOAD);
		break;
	case WIRE_SCHED:
	case WIRE_SCHED_EXIT:
		wire_get_sched(&r, &u.sched);
		break;
	case WIRE_REPORT:
		wire_get_report(&r, &u.report);
		break;
	case WIRE_SPAWN:
		wire_get_spawn(&r, &u.spawn, cpus);
		fuzz_assert(r.bad || (u.spawn.nr_cpus <= WIRE_MAX_WORKERS &&
				      u.spawn.nr_phases <= WIRE_MAX_PHASES));
		break;
	default:
		while (r.left && !r.bad) {
			u8 how = *r.pos;

			if (how & 1) {
				const u8 *bytes = wire_get_bytes(&r, &len);

				fuzz_assert(r.bad || !len || bytes + len <= end);
			} else if (how & 2) {
				fuzz_assert(strlen(wire_get_str(&r)) < WIRE_MAX_PAYLOAD);
			} else {
				wire_get_u64(&r);
			}
		}
	}
	fuzz_assert(r.left <= frame->len);
	fuzz_assert(!wire_read_done(&r) || (!r.bad && !r.left));
}

static size_t make_frame(u8 *frame, struct fuzz_input *in)
{
	/* Those with a reader of their own; any other one has all kinds of fields. */
	static const u8 types[] = {
		WIRE_HELLO, WIRE_FILE, WIRE_SCHED, WIRE_SCHED_EXIT, WIRE_REPORT, WIRE_SPAWN, 0,
	};
	struct wire_writer w;
	size_t i;

	wire_begin(&w, frame, WIRE_MAX_FRAME, types[fuzz_number(in, 1) % ARRAY_SIZE(types)], 1);
	for (i = in->size / 8; i; i--)
		wire_put_u64(&w, fuzz_number(in, 8));
	while (in->size)
		wire_put_u32(&w, fuzz_number(in, 4));
	return wire_end(&w);
}

/* In two pieces, the first of @first bytes. Return: how many frames there were */
static unsigned int receive(const u8 *data, size_t len, size_t first)
{
	static struct wire_receiver rx;
	struct wire_frame frame;
	unsigned int nr = 0;

	memset(&rx, 0, offsetof(struct wire_receiver, buf));
	rx.len = 0;
	rx.status = WIRE_OK;
	for (first = min(first, len); len; first = len) {
		len -= first;
		while (wire_receive(&rx, &data, &first, &frame) == WIRE_OK) {
			fuzz_assert(frame.len <= WIRE_MAX_PAYLOAD);
			read_fields(&frame);
			nr++;
		}
		fuzz_assert(!first || rx.status > WIRE_MORE);
		if (first)
			break;
	}
	return nr;
}

static void damage(u8 *frame, size_t size, size_t at, u8 bits)
{
	frame[at % size] ^= bits;
	fuzz_assert(receive(frame, size, at / 2) == !bits);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static u8 frame[WIRE_MAX_FRAME];
	struct fuzz_input in = { data, size };
	u8 what = fuzz_number(&in, 1), bits;
	size_t at;

	if (what & 1) {
		receive(in.data, in.size, what);
		return 0;
	}
	at = what & 2 ? fuzz_number(&in, 2) : 0;
	bits = what & 2 ? fuzz_number(&in, 1) : 0;
	size = make_frame(frame, &in);
	if (size)
		damage(frame, size, at, bits);
	return 0;
}
