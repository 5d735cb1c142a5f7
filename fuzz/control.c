// SPDX-License-Identifier: GPL-2.0
/*
 * What an agent may answer: whole frames with types, numbers and contents of
 * the fuzzer's, in pieces of any size, to each of the host's requests.
 */
#include <errno.h>

#include "control.h"
#include "fuzz.h"

struct peer {
	struct fuzz_input in;
	u8 frame[WIRE_MAX_FRAME];
	size_t len;
	size_t pos;
};

static int on_send(void *ctx, const void *data, size_t len)
{
	(void)ctx;
	(void)data;
	return len ? 0 : -EINVAL;
}

/* Anything in any order. Strings are what random bytes seldom are: their length comes first. */
static void put_fields(struct wire_writer *w, struct fuzz_input *in, u8 nr)
{
	char *bytes;
	size_t len;

	for (; nr && in->size; nr--) {
		u8 kind = fuzz_number(in, 1);

		switch (kind & 3) {
		case 0:
			wire_put_u32(w, fuzz_number(in, kind & 4 ? 4 : 1));
			break;
		case 1:
			wire_put_u64(w, fuzz_number(in, kind & 4 ? 8 : 1));
			break;
		default:
			bytes = fuzz_bytes(in, kind >> 3, &len);
			wire_put_bytes(w, bytes, len + (kind & 1));
			free(bytes);
		}
	}
}

static void put_report(struct wire_writer *w, const char *group, u32 number)
{
	static struct wire_report report;
	u32 *count = &report.wake.count[number % HIST_BUCKETS];

	report.group = group;
	report.index = number;
	*count = number;
	wire_put_report(w, &report);
	*count = 0;
}

/* What an agent would write: nobody guesses a long message, to see what happens after it. */
static void put_message(struct wire_writer *w, enum wire_type type, struct fuzz_input *in)
{
	u32 number = fuzz_number(in, 1);
	char *text = fuzz_string(in, 255);
	const struct wire_file file = {
		.path = text, .errnum = number, .data = text, .size = strlen(text),
	};
	const struct wire_sched sched = {
		.state = text, .ops = text, .reason = text, .pid = number,
		.output = text, .output_len = strlen(text),
	};

	switch (type) {
	case WIRE_FILE:
		wire_put_file(w, &file);
		break;
	case WIRE_SCHED:
	case WIRE_SCHED_EXIT:
		wire_put_sched(w, &sched);
		break;
	case WIRE_REPORT:
		put_report(w, text, number);
		break;
	default:
		wire_put_u32(w, number);
		wire_put_str(w, text);
	}
	free(text);
}

static void next_frame(struct peer *peer)
{
	static const u8 types[] = {
		WIRE_DONE, WIRE_FILE, WIRE_OUTPUT, WIRE_EXIT, WIRE_SCHED, WIRE_PIDS,
		WIRE_REPORT, WIRE_REASON, WIRE_HELLO, WIRE_SCHED_EXIT, WIRE_STARTED, 0xff,
	};
	struct fuzz_input *in = &peer->in;
	u8 how = fuzz_number(in, 1), fields = fuzz_number(in, 1);
	enum wire_type type = types[how % ARRAY_SIZE(types)];
	struct wire_writer w;

	wire_begin(&w, peer->frame, sizeof(peer->frame), type,
		   how >> 6 == 3 ? fuzz_number(in, 4) : how >> 6);
	if (fields >= 0xe0)
		put_message(&w, type, in);
	else
		put_fields(&w, in, fields % 40);
	peer->len = wire_end(&w);
	peer->pos = 0;
}

static ssize_t on_recv(void *ctx, void *data, size_t len, u64 timeout_ns)
{
	struct peer *peer = ctx;

	(void)timeout_ns;
	if (peer->pos == peer->len) {
		if (!peer->in.size)
			return 0;
		next_frame(peer);
	}
	if (!peer->len)
		return -ETIMEDOUT;
	len = min(len, peer->len - peer->pos);
	memcpy(data, peer->frame + peer->pos, len);
	peer->pos += len;
	return len;
}

static const struct control_ops ops = { .send = on_send, .recv = on_recv };

static int request(struct control *c, u8 what, struct control_reply *reply, struct errmsg *err)
{
	static const char * const list[] = { "a", "b/*" };
	static const char * const argv[] = { "a", NULL };
	static const struct wire_spawn spawn = { .name = "w", .count = 2 };

	switch (what % 12) {
	case 0:
		return control_read(c, list, ARRAY_SIZE(list), reply, err);
	case 1:
		return control_run(c, argv, 1, reply, err);
	case 2:
		return control_sched_start(c, argv, 1, reply, err);
	case 3:
		return control_sched_status(c, reply, err);
	case 4:
		return control_sched_stop(c, 1, reply, err);
	case 5:
		return control_spawn(c, &spawn, reply, err);
	case 6:
		return control_start(c, list, 1, 1, 1, reply, err);
	case 7:
		return control_kmsg(c, reply, err);
	case 8:
		return control_write(c, "p", "t", err);
	case 9:
		return control_stop(c, list, 1, 1, 1, reply, err);
	case 10:
		return control_clean(c, 1, reply, err);
	default:
		return control_wait_hello(c, 1, err);
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct control c;
	static struct peer peer;
	u8 requests[3];
	size_t i;

	peer.in = (struct fuzz_input){ data, size };
	peer.len = 0;
	peer.pos = 0;
	for (i = 0; i < ARRAY_SIZE(requests); i++)
		requests[i] = fuzz_number(&peer.in, 1);
	control_init(&c, &ops, &peer, 1);
	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		struct control_reply reply = {};
		struct errmsg err = {};
		int ret = request(&c, requests[i], &reply, &err);

		fuzz_assert(ret <= 0);
		fuzz_assert(!ret || err.text[0]);
		control_reply_free(&reply);
	}
	control_destroy(&c);
	return 0;
}
