// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/bits.h>
#include <linux/kernel.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "topology.h"

#define EXAMPLE	"\"2n4l4c2t\": 2 NUMA nodes, 4 LLCs in all, 4 cores per LLC, " \
		"2 threads per core"

/* RAM is dealt in huge pages. */
#define NODE_MEMORY_MIB		2U

/* Half of the widest physical address space (SDM vol. 3A, 4.1.4) */
#define MAX_TIB			2048U
#define MAX_MIB			(MAX_TIB << 20)

/* A spec, how far it was read, and what it said */
struct parser {
	const char *spec;
	const char *pos;
	const char *example;
	struct topology *topo;
	struct errmsg *err;
};

/* Return: false, to be passed on. */
static __printf(2, 3) bool
fail(struct parser *p, const char *fmt, ...)
{
	char why[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	errmsg_set(p->err, ERRMSG_INPUT, 0, "topology \"%.64s\": %s; a valid one is %s",
		   p->spec, why, p->example);
	return false;
}

/* Not isdigit(): a spec is ASCII whatever the locale is. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A number without sign and leading zeros; @what names it in errors. */
static bool parse_number(struct parser *p, const char *what, unsigned int max,
			 unsigned int *number)
{
	u64 val = 0;

	if (!is_digit(*p->pos))
		return fail(p, "the %s is missing at \"%.16s\"", what, p->pos);
	if (p->pos[0] == '0' && is_digit(p->pos[1]))
		return fail(p, "the %s has a leading zero", what);
	for (; is_digit(*p->pos); p->pos++) {
		val = val * 10 + (*p->pos - '0');
		if (val > max)
			return fail(p, "the %s is over %u", what, max);
	}
	*number = val;
	return true;
}

/* Take @c if it comes next. */
static bool accept(struct parser *p, char c)
{
	if (*p->pos != c)
		return false;
	p->pos++;
	return true;
}

static bool parse_count(struct parser *p, const char *what, char letter,
			unsigned int max, unsigned int *count)
{
	if (!parse_number(p, what, max, count))
		return false;
	if (!*count)
		return fail(p, "the %s is zero", what);
	if (!accept(p, letter))
		return fail(p, "the %s ends at \"%.16s\" and not with '%c'", what, p->pos, letter);
	return true;
}

static bool parse_counts(struct parser *p)
{
	struct topology *t = p->topo;

	return parse_count(p, "number of NUMA nodes", 'n', TOPOLOGY_MAX_NODES, &t->nodes) &&
	       parse_count(p, "number of LLCs", 'l', TOPOLOGY_MAX_CPUS, &t->llcs) &&
	       parse_count(p, "number of cores per LLC", 'c', TOPOLOGY_MAX_CPUS, &t->cores) &&
	       parse_count(p, "number of threads per core", 't', TOPOLOGY_MAX_CPUS,
			   &t->threads);
}

/* A size in MiB: 0, or a number with its unit */
static bool parse_mib(struct parser *p, const char *what, u32 *mib)
{
	static const char units[] = "MGT";
	unsigned int number;
	const char *unit;
	u64 val;

	if (!parse_number(p, what, MAX_MIB, &number))
		return false;
	*mib = 0;
	if (!number && (!*p->pos || *p->pos == ':' || *p->pos == ','))
		return true;
	unit = *p->pos ? strchr(units, *p->pos) : NULL;
	if (!unit)
		return fail(p, "the %s ends at \"%.16s\" and not with M, G or T", what, p->pos);
	p->pos++;
	val = (u64)number << 10 * (unit - units);
	if (val > MAX_MIB)
		return fail(p, "the %s is over %uT", what, MAX_TIB);
	*mib = val;
	return true;
}

/* Sizes of all nodes: one for each, or one for every node */
static bool parse_sizes(struct parser *p, const char *what, u32 *mib)
{
	unsigned int node, nodes = p->topo->nodes;

	for (node = 0; node < nodes; node++) {
		if (node && !accept(p, ':'))
			break;
		if (!parse_mib(p, what, &mib[node]))
			return false;
	}
	if (node == nodes)
		return true;
	if (node > 1)
		return fail(p, "there is a %s for %u nodes of %u", what, node, nodes);
	for (; node < nodes; node++)
		mib[node] = mib[0];
	return true;
}

static bool parse_mem(struct parser *p)
{
	u32 *mib = p->topo->node_mib;
	unsigned int node;

	if (!parse_sizes(p, "memory size", mib))
		return false;
	for (node = 0; node < p->topo->nodes; node++) {
		if (!mib[node] || mib[node] % NODE_MEMORY_MIB)
			return fail(p, "the memory size of node %u is no multiple of %uM",
				    node, NODE_MEMORY_MIB);
	}
	return true;
}

static bool parse_mscache(struct parser *p)
{
	return parse_sizes(p, "memory-side cache", p->topo->cache_mib);
}

static bool parse_llcs(struct parser *p)
{
	struct topology *t = p->topo;
	unsigned int node, llcs, sum = 0;

	for (node = 0; node < t->nodes; node++) {
		if (node && !accept(p, ':'))
			return fail(p, "there is a number of LLCs for %u nodes of %u", node,
				    t->nodes);
		if (!parse_number(p, "number of a node's LLCs", TOPOLOGY_MAX_CPUS, &llcs))
			return false;
		/* Linux gives numbers to nodes as it meets their CPUs, then their memory. */
		if (llcs && node && !t->node_llcs[node - 1])
			return fail(p, "node %u has LLCs, node %u has none: such nodes come last",
				    node, node - 1);
		t->node_llcs[node] = llcs;
		sum += llcs;
	}
	if (sum != t->llcs)
		return fail(p, "the nodes have %u LLCs together, and not %u", sum, t->llcs);
	t->uneven = true;
	return true;
}

static bool parse_llcshift(struct parser *p)
{
	unsigned int shift, needed = topology_llc_shift(p->topo);

	if (!parse_number(p, "shift of the LLC", TOPOLOGY_MAX_LLC_SHIFT, &shift))
		return false;
	if (shift < needed)
		return fail(p, "a shift of %u is too small: %u cores of %u threads take %u bits",
			    shift, p->topo->cores, p->topo->threads, needed);
	p->topo->llc_shift = shift;
	return true;
}

/* What is given for pairs of nodes */
struct pair_kind {
	const char *name;
	const char *what;
	unsigned int self;	/* what a node has to itself, if that is no choice */
	unsigned int min;
	unsigned int max;
	unsigned int unit;
};

static const struct pair_kind dist_kind = {
	.name = "dist=",
	.what = "distance",
	.self = TOPOLOGY_LOCAL_DISTANCE,
	.min = TOPOLOGY_LOCAL_DISTANCE + 1,
	.max = TOPOLOGY_MAX_DISTANCE,
	.unit = 1,
};

static const struct pair_kind lat_kind = {
	.name = "lat=",
	.what = "latency",
	.max = TOPOLOGY_MAX_LATENCY,
	.unit = 1,
};

static const struct pair_kind bw_kind = {
	.name = "bw=",
	.what = "bandwidth",
	.max = TOPOLOGY_MAX_BANDWIDTH,
	.unit = TOPOLOGY_BANDWIDTH_UNIT,
};

static bool parse_value(struct parser *p, const struct pair_kind *kind, unsigned int from,
			unsigned int to, unsigned int *val)
{
	if (!parse_number(p, kind->what, kind->max, val))
		return false;
	if (kind->self && from == to) {
		if (*val != kind->self)
			return fail(p, "the %s of node %u to itself is %u and not %u", kind->what,
				    from, kind->self, *val);
		return true;
	}
	if (*val < kind->min)
		return fail(p, "the %s is below %u", kind->what, kind->min);
	if (*val % kind->unit)
		return fail(p, "the %s is no multiple of %u", kind->what, kind->unit);
	return true;
}

static bool set_pair(struct parser *p, const struct pair_kind *kind,
		     struct topology_pairs *pairs, unsigned int from, unsigned int to,
		     unsigned int val)
{
	if (kind->self && from == to)
		return true;
	if (pairs->val[from][to])
		return fail(p, "the %s from node %u to node %u is given twice", kind->what,
			    from, to);
	pairs->val[from][to] = val / kind->unit;
	return true;
}

/* "A-B:value": the same in both directions. @a was read already. */
static bool parse_pair(struct parser *p, const struct pair_kind *kind,
		       struct topology_pairs *pairs, unsigned int a)
{
	unsigned int b, val, nodes = p->topo->nodes;

	if (!parse_number(p, "second node", TOPOLOGY_MAX_NODES, &b))
		return false;
	if (a >= nodes || b >= nodes)
		return fail(p, "there is no node %u, nodes are counted from 0", max(a, b));
	if (!accept(p, ':'))
		return fail(p, "the %s is missing after \"%u-%u\"", kind->what, a, b);
	return parse_value(p, kind, a, b, &val) && set_pair(p, kind, pairs, a, b, val) &&
	       (a == b || set_pair(p, kind, pairs, b, a, val));
}

/* All values, row by row */
static bool parse_matrix(struct parser *p, const struct pair_kind *kind,
			 struct topology_pairs *pairs)
{
	unsigned int i, val, nodes = p->topo->nodes;

	for (i = 0; i < nodes * nodes; i++) {
		if (i && !accept(p, ':'))
			return fail(p, "there are %u values, and not %u for each pair of %u nodes",
				    i, nodes * nodes, nodes);
		if (!parse_value(p, kind, i / nodes, i % nodes, &val) ||
		    !set_pair(p, kind, pairs, i / nodes, i % nodes, val))
			return false;
	}
	return true;
}

static bool parse_pairs(struct parser *p, const struct pair_kind *kind,
			struct topology_pairs *pairs)
{
	const char *start = p->pos;
	unsigned int first;

	if (!parse_number(p, kind->what, -1U, &first))
		return false;
	if (accept(p, '-'))
		return parse_pair(p, kind, pairs, first);
	p->pos = start;
	return parse_matrix(p, kind, pairs);
}

static bool parse_dist(struct parser *p)
{
	return parse_pairs(p, &dist_kind, &p->topo->distance);
}

static bool parse_lat(struct parser *p)
{
	return parse_pairs(p, &lat_kind, &p->topo->latency);
}

static bool parse_bw(struct parser *p)
{
	return parse_pairs(p, &bw_kind, &p->topo->bandwidth);
}

/* What may follow the counts. Pairs may be given one by one. */
static const struct part {
	const char *name;
	bool (*parse)(struct parser *p);
	bool repeated;
	const char *example;
} parts[] = {
	{ "llcs=", parse_llcs, false, "\"3n3l4c2t,llcs=2:1:0\"" },
	{ "mem=", parse_mem, false, "\"2n4l4c2t,mem=1G:512M\"" },
	{ "dist=", parse_dist, true, "\"2n4l4c2t,dist=0-1:31\" or \"2n4l4c2t,dist=10:31:31:10\"" },
	{ "lat=", parse_lat, true, "\"2n4l4c2t,lat=0-0:80,lat=0-1:140,lat=1-1:80\", in ns" },
	{ "bw=", parse_bw, true, "\"2n4l4c2t,bw=0-0:200000,bw=0-1:64000\", in MB/s" },
	{ "mscache=", parse_mscache, false, "\"2n4l4c2t,mscache=0:256M\"" },
	{ "llcshift=", parse_llcshift, false, "\"2n4l4c2t,llcshift=8\"" },
};

static bool parse_part(struct parser *p, unsigned int *seen)
{
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		len = strlen(parts[i].name);
		if (strncmp(p->pos, parts[i].name, len))
			continue;
		p->pos += len;
		p->example = parts[i].example;
		if (*seen & BIT(i) && !parts[i].repeated)
			return fail(p, "%s is given twice", parts[i].name);
		*seen |= BIT(i);
		if (!parts[i].parse(p))
			return false;
		if (*p->pos && *p->pos != ',')
			return fail(p, "\"%.16s\" follows what %s takes", p->pos, parts[i].name);
		return true;
	}
	return fail(p, "\"%.16s\" is none of llcs=, mem=, dist=, lat=, bw=, mscache=, llcshift=",
		    p->pos);
}

/* An HMAT says what CPUs see. */
static bool check_initiators(struct parser *p, const struct pair_kind *kind,
			     const struct topology_pairs *pairs)
{
	const struct topology *t = p->topo;
	unsigned int from, to;

	for (from = 0; from < t->nodes; from++) {
		for (to = 0; to < t->nodes; to++) {
			if (pairs->val[from][to] && !topology_node_cpus(t, from) &&
			    !topology_node_cpus(t, to))
				return fail(p, "the %s from node %u to node %u is without a CPU",
					    kind->what, from, to);
		}
	}
	return true;
}

static bool parse(struct parser *p)
{
	struct topology *t = p->topo;
	unsigned int seen = 0;
	u64 cpus;

	if (!parse_counts(p))
		return false;
	if (*p->pos && *p->pos != ',')
		return fail(p, "\"%.16s\" follows the threads per core", p->pos);
	cpus = (u64)t->llcs * t->cores * t->threads;
	if (cpus > TOPOLOGY_MAX_CPUS)
		return fail(p, "%llu CPUs are more than %u", (unsigned long long)cpus,
			    TOPOLOGY_MAX_CPUS);
	while (accept(p, ',')) {
		if (!parse_part(p, &seen))
			return false;
	}
	p->example = EXAMPLE;
	if (!t->uneven && t->llcs % t->nodes)
		return fail(p, "%u LLCs cannot be dealt evenly to %u NUMA nodes (see llcs=)",
			    t->llcs, t->nodes);
	return check_initiators(p, &lat_kind, &t->latency) &&
	       check_initiators(p, &bw_kind, &t->bandwidth);
}

int topology_parse(const char *spec, struct topology *topo, struct errmsg *err)
{
	struct topology t = {};
	struct parser p = {
		.spec = spec,
		.pos = spec,
		.example = EXAMPLE,
		.topo = &t,
		.err = err,
	};

	if (!spec)
		return errmsg_set(err, ERRMSG_INPUT, 0,
				  "no topology was given; a valid one is %s", EXAMPLE);
	if (!*spec)
		return errmsg_set(err, ERRMSG_INPUT, 0,
				  "the topology is empty; a valid one is %s", EXAMPLE);
	if (!parse(&p))
		return -EINVAL;
	*topo = t;
	return 0;
}

struct text {
	char *buf;
	size_t len;
};

static __printf(2, 3) void
add(struct text *text, const char *fmt, ...)
{
	size_t room = TOPOLOGY_STR_SIZE - text->len;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(text->buf + text->len, room, fmt, ap);
	va_end(ap);
	if (len < (int)room) {
		text->len += len;
		return;
	}
	memcpy(text->buf + TOPOLOGY_STR_SIZE - 4, "...", 4);
	text->len = TOPOLOGY_STR_SIZE - 1;
}

static void add_sizes(struct text *text, const char *name, const u32 *mib, unsigned int nodes)
{
	unsigned int node, any = 0;

	for (node = 0; node < nodes; node++)
		any |= mib[node];
	for (node = 0; any && node < nodes; node++) {
		add(text, "%s", node ? ":" : name);
		if (mib[node] && mib[node] % 1024 == 0)
			add(text, "%uG", mib[node] / 1024);
		else
			add(text, mib[node] ? "%uM" : "%u", mib[node]);
	}
}

static bool is_symmetric(const struct topology_pairs *pairs, unsigned int nodes)
{
	unsigned int from, to;

	for (from = 0; from < nodes; from++) {
		for (to = 0; to < from; to++) {
			if (pairs->val[from][to] != pairs->val[to][from])
				return false;
		}
	}
	return true;
}

static void add_pairs(struct text *text, const struct pair_kind *kind,
		      const struct topology_pairs *pairs, unsigned int nodes)
{
	bool symmetric = is_symmetric(pairs, nodes);
	unsigned int from, to, val;

	if (!symmetric)
		add(text, ",%s", kind->name);
	for (from = 0; from < nodes; from++) {
		for (to = 0; to < nodes; to++) {
			val = pairs->val[from][to] * kind->unit;
			if (!symmetric)
				add(text, "%s%u", from || to ? ":" : "",
				    from == to ? kind->self ?: val : val);
			else if (val && from <= to)
				add(text, ",%s%u-%u:%u", kind->name, from, to, val);
		}
	}
}

char *topology_format(const struct topology *topo, char *buf)
{
	struct text text = { .buf = buf };
	unsigned int node;

	add(&text, "%un%ul%uc%ut", topo->nodes, topo->llcs, topo->cores, topo->threads);
	for (node = 0; topo->uneven && node < topo->nodes; node++)
		add(&text, "%s%u", node ? ":" : ",llcs=", topo->node_llcs[node]);
	add_sizes(&text, ",mem=", topo->node_mib, topo->nodes);
	add_pairs(&text, &dist_kind, &topo->distance, topo->nodes);
	add_pairs(&text, &lat_kind, &topo->latency, topo->nodes);
	add_pairs(&text, &bw_kind, &topo->bandwidth, topo->nodes);
	add_sizes(&text, ",mscache=", topo->cache_mib, topo->nodes);
	if (topo->llc_shift)
		add(&text, ",llcshift=%u", topo->llc_shift);
	return buf;
}

unsigned int topology_cpus(const struct topology *topo)
{
	return topo->llcs * topo->cores * topo->threads;
}

static unsigned int node_llcs(const struct topology *topo, unsigned int node)
{
	return topo->uneven ? topo->node_llcs[node] : topo->llcs / topo->nodes;
}

unsigned int topology_node_cpus(const struct topology *topo, unsigned int node)
{
	return node_llcs(topo, node) * topo->cores * topo->threads;
}

static unsigned int node_of_llc(const struct topology *topo, unsigned int llc)
{
	unsigned int node = 0;

	if (!topo->uneven)
		return llc / (topo->llcs / topo->nodes);
	while (llc >= topo->node_llcs[node])
		llc -= topo->node_llcs[node++];
	return node;
}

struct topology_place topology_place(const struct topology *topo, unsigned int cpu)
{
	unsigned int core = cpu / topo->threads;
	unsigned int llc = core / topo->cores;

	return (struct topology_place) {
		.node = node_of_llc(topo, llc),
		.llc = llc,
		.core = core % topo->cores,
		.thread = cpu % topo->threads,
	};
}

/* Bits that number @count things */
static unsigned int width(unsigned int count)
{
	return count > 1 ? 32 - __builtin_clz(count - 1) : 0;
}

unsigned int topology_core_shift(const struct topology *topo)
{
	return width(topo->threads);
}

unsigned int topology_llc_shift(const struct topology *topo)
{
	return max(width(topo->cores) + width(topo->threads), topo->llc_shift);
}

u32 topology_apic_id(const struct topology *topo, unsigned int cpu)
{
	struct topology_place place = topology_place(topo, cpu);

	return place.llc << topology_llc_shift(topo) |
	       place.core << topology_core_shift(topo) | place.thread;
}

u32 topology_max_apic_id(const struct topology *topo)
{
	return topology_apic_id(topo, topology_cpus(topo) - 1);
}

u8 topology_distance(const struct topology *topo, unsigned int from,
		     unsigned int to)
{
	if (from == to)
		return TOPOLOGY_LOCAL_DISTANCE;
	return topo->distance.val[from][to] ?: TOPOLOGY_REMOTE_DISTANCE;
}

unsigned int topology_latency(const struct topology *topo, unsigned int from,
			      unsigned int to)
{
	return topology_node_cpus(topo, from) ? topo->latency.val[from][to] : 0;
}

unsigned int topology_bandwidth(const struct topology *topo, unsigned int from,
				unsigned int to)
{
	if (!topology_node_cpus(topo, from))
		return 0;
	return topo->bandwidth.val[from][to] * TOPOLOGY_BANDWIDTH_UNIT;
}

u64 topology_node_memory(const struct topology *topo, unsigned int node)
{
	return (u64)topo->node_mib[node] << 20;
}

u64 topology_memory(const struct topology *topo)
{
	unsigned int node;
	u64 sum = 0;

	for (node = 0; node < topo->nodes; node++)
		sum += topology_node_memory(topo, node);
	return sum;
}

u64 topology_node_cache(const struct topology *topo, unsigned int node)
{
	return (u64)topo->cache_mib[node] << 20;
}

bool topology_has_hmat(const struct topology *topo)
{
	unsigned int from, to;

	for (from = 0; from < topo->nodes; from++) {
		if (topo->cache_mib[from])
			return true;
		for (to = 0; to < topo->nodes; to++) {
			if (topology_latency(topo, from, to) || topology_bandwidth(topo, from, to))
				return true;
		}
	}
	return false;
}
