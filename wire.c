// SPDX-License-Identifier: GPL-2.0
#include <endian.h>
#include <string.h>

#include <linux/kernel.h>

#include "wire.h"

/* Byte offsets in a frame's header */
enum {
	HEADER_MAGIC	= 0,
	HEADER_VERSION	= 4,
	HEADER_TYPE	= 6,
	HEADER_SEQ	= 8,
	HEADER_LEN	= 12,
	HEADER_CRC	= 16,
};

/* How many work together: 1 alone; 0 for as many as is asked for */
static const struct {
	const char *name;
	u32 team;
} works[WIRE_NR_WORK] = {
	[WIRE_WORK_SPIN]		= { "spin", 1 },
	[WIRE_WORK_YIELD]		= { "yield", 1 },
	[WIRE_WORK_MIXED]		= { "mixed", 1 },
	[WIRE_WORK_BURSTY]		= { "bursty", 1 },
	[WIRE_WORK_RT_HOG]		= { "rt_hog", 1 },
	[WIRE_WORK_PIPE]		= { "pipe", 2 },
	[WIRE_WORK_PINGPONG]		= { "futex_pingpong", 2 },
	[WIRE_WORK_FANOUT]		= { "futex_fanout", 0 },
	[WIRE_WORK_FANOUT_COMPUTE]	= { "fanout_compute", 0 },
	[WIRE_WORK_CHAIN]		= { "wake_chain", 0 },
	[WIRE_WORK_TIMER]		= { "timer", 1 },
	[WIRE_WORK_MUTEX]		= { "mutex", 0 },
	[WIRE_WORK_INVERSION]		= { "priority_inversion", 3 },
	[WIRE_WORK_CACHE]		= { "cache", 1 },
	[WIRE_WORK_CACHE_YIELD]		= { "cache_yield", 1 },
	[WIRE_WORK_CACHE_PIPE]		= { "cache_pipe", 2 },
	[WIRE_WORK_FAULT]		= { "page_fault", 1 },
	[WIRE_WORK_NUMA]		= { "numa", 1 },
	[WIRE_WORK_FORK]		= { "fork", 1 },
	[WIRE_WORK_EXEC]		= { "exec", 1 },
	[WIRE_WORK_NICE]		= { "nice_sweep", 1 },
	[WIRE_WORK_AFFINITY]		= { "affinity_churn", 1 },
	[WIRE_WORK_POLICY]		= { "policy_churn", 1 },
	[WIRE_WORK_CGROUP]		= { "cgroup_storm", 1 },
	[WIRE_WORK_IO_SYNC]		= { "io_sync", 1 },
	[WIRE_WORK_DISK]		= { "disk", 1 },
	[WIRE_WORK_NET]			= { "net", 1 },
	[WIRE_WORK_CUSTOM]		= { "custom", 1 },
};

const char *wire_work_name(u32 work)
{
	return work < WIRE_NR_WORK ? works[work].name : NULL;
}

u32 wire_work_team(u32 work, u32 team, u32 count)
{
	if (work >= WIRE_NR_WORK || !count)
		return 0;
	if (works[work].team)
		team = works[work].team;
	else if (!team)
		team = count;
	if ((!works[work].team && team < 2) || count % team)
		return 0;
	return team;
}

int wire_custom_find(const char *name)
{
	static const char * const customs[WIRE_NR_CUSTOM] = {
		[WIRE_CUSTOM_COMPILE] = "compile",
		[WIRE_CUSTOM_KWORKERS] = "kworkers",
	};
	int i;

	for (i = 0; name && i < WIRE_NR_CUSTOM; i++)
		if (!strcmp(customs[i], name))
			return i;
	return -1;
}

static u32 load_le32(const u8 *p)
{
	u32 val;

	memcpy(&val, p, sizeof(val));
	return le32toh(val);
}

static u16 load_le16(const u8 *p)
{
	u16 val;

	memcpy(&val, p, sizeof(val));
	return le16toh(val);
}

static void store_le32(u8 *p, u32 val)
{
	val = htole32(val);
	memcpy(p, &val, sizeof(val));
}

static void store_le16(u8 *p, u16 val)
{
	val = htole16(val);
	memcpy(p, &val, sizeof(val));
}

u32 wire_crc32(u32 crc, const void *data, size_t len)
{
	/*
	 * Four bits at a time: small enough to be a constant, which is never
	 * set up at the start of a slow guest.
	 */
	static const u32 table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	const u8 *p = data;

	crc = ~crc;
	while (len--) {
		crc ^= *p++;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

static u32 frame_crc(const u8 *frame, size_t len)
{
	static const u8 no_crc[4];
	u32 crc;

	crc = wire_crc32(0, frame, HEADER_CRC);
	crc = wire_crc32(crc, no_crc, sizeof(no_crc));
	return wire_crc32(crc, frame + WIRE_HEADER_SIZE, len - WIRE_HEADER_SIZE);
}

void wire_begin(struct wire_writer *w, void *buf, size_t size,
		enum wire_type type, u32 seq)
{
	w->buf = buf;
	w->size = min_t(size_t, size, WIRE_MAX_FRAME);
	w->len = WIRE_HEADER_SIZE;
	w->overflow = w->size < WIRE_HEADER_SIZE;
	if (w->overflow)
		return;

	store_le32(w->buf + HEADER_MAGIC, WIRE_MAGIC);
	store_le16(w->buf + HEADER_VERSION, WIRE_VERSION);
	store_le16(w->buf + HEADER_TYPE, type);
	store_le32(w->buf + HEADER_SEQ, seq);
}

size_t wire_end(struct wire_writer *w)
{
	if (w->overflow)
		return 0;

	store_le32(w->buf + HEADER_LEN, w->len - WIRE_HEADER_SIZE);
	store_le32(w->buf + HEADER_CRC, frame_crc(w->buf, w->len));
	return w->len;
}

static void put(struct wire_writer *w, const void *data, size_t len)
{
	if (w->overflow || len > w->size - w->len) {
		w->overflow = true;
		return;
	}
	if (len)
		memcpy(w->buf + w->len, data, len);
	w->len += len;
}

void wire_put_u32(struct wire_writer *w, u32 val)
{
	val = htole32(val);
	put(w, &val, sizeof(val));
}

void wire_put_u64(struct wire_writer *w, u64 val)
{
	val = htole64(val);
	put(w, &val, sizeof(val));
}

void wire_put_bytes(struct wire_writer *w, const void *data, size_t len)
{
	/* Before the length is cut to 32 bits */
	if (len > WIRE_MAX_PAYLOAD) {
		w->overflow = true;
		return;
	}
	wire_put_u32(w, len);
	put(w, data, len);
}

void wire_put_str(struct wire_writer *w, const char *str)
{
	wire_put_bytes(w, str, strlen(str) + 1);
}

void wire_put_strs(struct wire_writer *w, const char *const *strs, u32 n)
{
	u32 i;

	wire_put_u32(w, n);
	for (i = 0; i < n; i++)
		wire_put_str(w, strs[i]);
}

void wire_put_hello(struct wire_writer *w, const struct wire_hello *hello)
{
	wire_put_u32(w, hello->version);
	wire_put_str(w, hello->release);
	wire_put_u32(w, hello->nr_cpus);
	wire_put_u64(w, hello->uptime_ns);
	wire_put_u64(w, hello->monotonic_ns);
}

void wire_put_file(struct wire_writer *w, const struct wire_file *file)
{
	wire_put_str(w, file->path);
	wire_put_u32(w, file->errnum);
	wire_put_u32(w, file->truncated);
	wire_put_bytes(w, file->data, file->size);
}

void wire_put_sched(struct wire_writer *w, const struct wire_sched *sched)
{
	wire_put_str(w, sched->state);
	wire_put_str(w, sched->ops);
	wire_put_str(w, sched->reason);
	wire_put_u32(w, sched->pid);
	wire_put_u32(w, sched->ended);
	wire_put_u32(w, sched->wait_status);
	wire_put_u64(w, sched->when_ns);
	wire_put_bytes(w, sched->output, sched->output_len);
}

void wire_put_attr(struct wire_writer *w, const struct wire_attr *attr)
{
	wire_put_u32(w, attr->policy);
	wire_put_u32(w, attr->nice);
	wire_put_u32(w, attr->priority);
	wire_put_u64(w, attr->runtime_ns);
	wire_put_u64(w, attr->deadline_ns);
	wire_put_u64(w, attr->period_ns);
}

static void put_phase(struct wire_writer *w, const struct wire_phase *phase)
{
	wire_put_u32(w, phase->work);
	wire_put_u32(w, phase->team);
	wire_put_u64(w, phase->run_ns);
	wire_put_u64(w, phase->sleep_ns);
	wire_put_u64(w, phase->bytes);
	wire_put_u64(w, phase->phase_ns);
	wire_put_str(w, phase->arg);
}

void wire_put_spawn(struct wire_writer *w, const struct wire_spawn *spawn)
{
	u32 i;

	wire_put_str(w, spawn->name);
	wire_put_str(w, spawn->cgroup);
	wire_put_str(w, spawn->comm);
	wire_put_u32(w, spawn->count);
	wire_put_u32(w, spawn->flags);
	wire_put_attr(w, &spawn->attr);
	wire_put_u32(w, spawn->mem_mode);
	wire_put_u64(w, spawn->mem_nodes);
	wire_put_strs(w, spawn->cpus, spawn->nr_cpus);
	wire_put_u32(w, spawn->nr_phases);
	for (i = 0; i < spawn->nr_phases && i < WIRE_MAX_PHASES; i++)
		put_phase(w, &spawn->phases[i]);
}

static void put_gap(struct wire_writer *w, const struct wire_gap *gap)
{
	wire_put_u64(w, gap->raw_ns);
	wire_put_u64(w, gap->run_delay_ns);
	wire_put_u64(w, gap->steal_ns);
	wire_put_u64(w, gap->sched_ns);
	wire_put_u64(w, gap->window_ns);
	wire_put_u64(w, gap->at_ns);
	wire_put_u32(w, gap->cpu_before);
	wire_put_u32(w, gap->cpu_after);
}

/* Most buckets are empty: {u32 n, {u32 bucket, u32 count}[n]}, in order */
static void put_hist(struct wire_writer *w, const struct hist *h)
{
	u32 i, n = 0;

	for (i = 0; i < HIST_BUCKETS; i++)
		n += !!h->count[i];
	wire_put_u32(w, n);
	for (i = 0; i < HIST_BUCKETS; i++) {
		if (!h->count[i])
			continue;
		wire_put_u32(w, i);
		wire_put_u32(w, h->count[i]);
	}
}

void wire_put_report(struct wire_writer *w, const struct wire_report *report)
{
	size_t i;

	wire_put_str(w, report->group);
	wire_put_u32(w, report->index);
	wire_put_u32(w, report->pid);
	wire_put_u32(w, report->flags);
	wire_put_u64(w, report->units);
	wire_put_u64(w, report->cpu_ns);
	wire_put_u64(w, report->wall_ns);
	wire_put_u64(w, report->nvcsw);
	wire_put_u64(w, report->nivcsw);
	wire_put_u64(w, report->run_delay_ns);
	wire_put_u64(w, report->timeslices);
	wire_put_u64(w, report->steal_ns);
	for (i = 0; i < ARRAY_SIZE(report->migrations); i++)
		wire_put_u64(w, report->migrations[i]);
	wire_put_u64(w, report->unit_ns);
	wire_put_u64(w, report->measure_ns);
	wire_put_u64(w, report->max_raw_gap_ns);
	wire_put_u64(w, report->max_raw_wake_ns);
	put_gap(w, &report->gap);
	put_hist(w, &report->wake);
	for (i = 0; i < ARRAY_SIZE(report->cpus); i++)
		wire_put_u64(w, report->cpus[i]);
	for (i = 0; i < ARRAY_SIZE(report->pages); i++)
		wire_put_u32(w, report->pages[i]);
	for (i = 0; i < ARRAY_SIZE(report->on_node); i++)
		wire_put_u64(w, report->on_node[i]);
}

static enum wire_status check_header(const u8 *header)
{
	if (load_le32(header + HEADER_MAGIC) != WIRE_MAGIC)
		return WIRE_BAD_MAGIC;
	if (load_le16(header + HEADER_VERSION) != WIRE_VERSION)
		return WIRE_BAD_VERSION;
	if (load_le32(header + HEADER_LEN) > WIRE_MAX_PAYLOAD)
		return WIRE_BAD_LENGTH;
	return WIRE_OK;
}

/* Take bytes until there are @want in the buffer. Are they? */
static bool fill(struct wire_receiver *rx, size_t want, const u8 **data,
		 size_t *len)
{
	size_t n;

	if (rx->len >= want)
		return true;

	n = min(want - rx->len, *len);
	if (n)
		memcpy(rx->buf + rx->len, *data, n);
	rx->len += n;
	*data += n;
	*len -= n;
	return rx->len == want;
}

enum wire_status wire_receive(struct wire_receiver *rx, const u8 **data,
			      size_t *len, struct wire_frame *frame)
{
	size_t size;

	if (rx->status != WIRE_OK)
		return rx->status;
	if (!fill(rx, WIRE_HEADER_SIZE, data, len))
		return WIRE_MORE;
	rx->status = check_header(rx->buf);
	if (rx->status != WIRE_OK)
		return rx->status;

	size = WIRE_HEADER_SIZE + load_le32(rx->buf + HEADER_LEN);
	if (!fill(rx, size, data, len))
		return WIRE_MORE;
	if (load_le32(rx->buf + HEADER_CRC) != frame_crc(rx->buf, size)) {
		rx->status = WIRE_BAD_CRC;
		return rx->status;
	}

	frame->type = load_le16(rx->buf + HEADER_TYPE);
	frame->seq = load_le32(rx->buf + HEADER_SEQ);
	frame->len = size - WIRE_HEADER_SIZE;
	frame->payload = rx->buf + WIRE_HEADER_SIZE;
	rx->len = 0;
	return WIRE_OK;
}

const char *wire_status_name(enum wire_status status)
{
	switch (status) {
	case WIRE_OK:
		return "ok";
	case WIRE_MORE:
		return "incomplete frame";
	case WIRE_BAD_MAGIC:
		return "bad magic";
	case WIRE_BAD_VERSION:
		return "bad version";
	case WIRE_BAD_LENGTH:
		return "bad length";
	case WIRE_BAD_CRC:
		return "bad CRC";
	}
	return "?";
}

void wire_read(struct wire_reader *r, const struct wire_frame *frame)
{
	r->pos = frame->payload;
	r->left = frame->len;
	r->bad = false;
}

bool wire_read_done(const struct wire_reader *r)
{
	return !r->bad && !r->left;
}

/* The next @len bytes, or NULL if there are fewer */
static const u8 *get(struct wire_reader *r, size_t len)
{
	const u8 *p = r->pos;

	if (r->bad || len > r->left) {
		r->bad = true;
		return NULL;
	}
	r->pos += len;
	r->left -= len;
	return p;
}

u32 wire_get_u32(struct wire_reader *r)
{
	const u8 *p = get(r, sizeof(u32));

	return p ? load_le32(p) : 0;
}

u64 wire_get_u64(struct wire_reader *r)
{
	const u8 *p = get(r, sizeof(u64));
	u64 val;

	if (!p)
		return 0;
	memcpy(&val, p, sizeof(val));
	return le64toh(val);
}

const void *wire_get_bytes(struct wire_reader *r, u32 *len)
{
	const u8 *p;

	*len = wire_get_u32(r);
	p = get(r, *len);
	if (!p)
		*len = 0;
	return p;
}

const char *wire_get_str(struct wire_reader *r)
{
	u32 len;
	const char *str = wire_get_bytes(r, &len);

	/* The only NUL is the last byte */
	if (!str || !len || strnlen(str, len) != len - 1) {
		r->bad = true;
		return "";
	}
	return str;
}

u32 wire_get_strs(struct wire_reader *r, const char **strs, u32 max)
{
	u32 i, n = wire_get_u32(r);

	if (n > max)
		r->bad = true;
	for (i = 0; i < n && !r->bad; i++)
		strs[i] = wire_get_str(r);
	return r->bad ? 0 : n;
}

void wire_get_attr(struct wire_reader *r, struct wire_attr *attr)
{
	attr->policy = wire_get_u32(r);
	attr->nice = wire_get_u32(r);
	attr->priority = wire_get_u32(r);
	attr->runtime_ns = wire_get_u64(r);
	attr->deadline_ns = wire_get_u64(r);
	attr->period_ns = wire_get_u64(r);
}

static void get_phase(struct wire_reader *r, struct wire_phase *phase)
{
	phase->work = wire_get_u32(r);
	phase->team = wire_get_u32(r);
	phase->run_ns = wire_get_u64(r);
	phase->sleep_ns = wire_get_u64(r);
	phase->bytes = wire_get_u64(r);
	phase->phase_ns = wire_get_u64(r);
	phase->arg = wire_get_str(r);
}

void wire_get_spawn(struct wire_reader *r, struct wire_spawn *spawn, const char **cpus)
{
	u32 i;

	spawn->name = wire_get_str(r);
	spawn->cgroup = wire_get_str(r);
	spawn->comm = wire_get_str(r);
	spawn->count = wire_get_u32(r);
	spawn->flags = wire_get_u32(r);
	wire_get_attr(r, &spawn->attr);
	spawn->mem_mode = wire_get_u32(r);
	spawn->mem_nodes = wire_get_u64(r);
	spawn->nr_cpus = wire_get_strs(r, cpus, WIRE_MAX_WORKERS);
	spawn->cpus = cpus;
	spawn->nr_phases = wire_get_u32(r);
	if (spawn->nr_phases > WIRE_MAX_PHASES)
		r->bad = true;
	for (i = 0; i < spawn->nr_phases && !r->bad; i++)
		get_phase(r, &spawn->phases[i]);
}

void wire_get_hello(struct wire_reader *r, struct wire_hello *hello)
{
	hello->version = wire_get_u32(r);
	hello->release = wire_get_str(r);
	hello->nr_cpus = wire_get_u32(r);
	hello->uptime_ns = wire_get_u64(r);
	hello->monotonic_ns = wire_get_u64(r);
}

void wire_get_file(struct wire_reader *r, struct wire_file *file)
{
	file->path = wire_get_str(r);
	file->errnum = wire_get_u32(r);
	file->truncated = wire_get_u32(r);
	file->data = wire_get_bytes(r, &file->size);
}

void wire_get_sched(struct wire_reader *r, struct wire_sched *sched)
{
	sched->state = wire_get_str(r);
	sched->ops = wire_get_str(r);
	sched->reason = wire_get_str(r);
	sched->pid = wire_get_u32(r);
	sched->ended = wire_get_u32(r);
	sched->wait_status = wire_get_u32(r);
	sched->when_ns = wire_get_u64(r);
	sched->output = wire_get_bytes(r, &sched->output_len);
}

static void get_gap(struct wire_reader *r, struct wire_gap *gap)
{
	gap->raw_ns = wire_get_u64(r);
	gap->run_delay_ns = wire_get_u64(r);
	gap->steal_ns = wire_get_u64(r);
	gap->sched_ns = wire_get_u64(r);
	gap->window_ns = wire_get_u64(r);
	gap->at_ns = wire_get_u64(r);
	gap->cpu_before = wire_get_u32(r);
	gap->cpu_after = wire_get_u32(r);
}

static void get_hist(struct wire_reader *r, struct hist *h)
{
	u32 n = wire_get_u32(r), i, bucket, next = 0;

	memset(h, 0, sizeof(*h));
	if (n > HIST_BUCKETS)
		r->bad = true;
	for (i = 0; i < n && !r->bad; i++) {
		bucket = wire_get_u32(r);
		if (bucket < next || bucket >= HIST_BUCKETS) {
			r->bad = true;
			return;
		}
		h->count[bucket] = wire_get_u32(r);
		next = bucket + 1;
	}
}

void wire_get_report(struct wire_reader *r, struct wire_report *report)
{
	size_t i;

	report->group = wire_get_str(r);
	report->index = wire_get_u32(r);
	report->pid = wire_get_u32(r);
	report->flags = wire_get_u32(r);
	report->units = wire_get_u64(r);
	report->cpu_ns = wire_get_u64(r);
	report->wall_ns = wire_get_u64(r);
	report->nvcsw = wire_get_u64(r);
	report->nivcsw = wire_get_u64(r);
	report->run_delay_ns = wire_get_u64(r);
	report->timeslices = wire_get_u64(r);
	report->steal_ns = wire_get_u64(r);
	for (i = 0; i < ARRAY_SIZE(report->migrations); i++)
		report->migrations[i] = wire_get_u64(r);
	report->unit_ns = wire_get_u64(r);
	report->measure_ns = wire_get_u64(r);
	report->max_raw_gap_ns = wire_get_u64(r);
	report->max_raw_wake_ns = wire_get_u64(r);
	get_gap(r, &report->gap);
	get_hist(r, &report->wake);
	for (i = 0; i < ARRAY_SIZE(report->cpus); i++)
		report->cpus[i] = wire_get_u64(r);
	for (i = 0; i < ARRAY_SIZE(report->pages); i++)
		report->pages[i] = wire_get_u32(r);
	for (i = 0; i < ARRAY_SIZE(report->on_node); i++)
		report->on_node[i] = wire_get_u64(r);
}
