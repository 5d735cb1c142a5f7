// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/kernel.h>
#include <stdbool.h>
#include <stdio.h>

#include "topology.h"

#define EXAMPLE	"a valid one is \"2n4l4c2t\": 2 NUMA nodes, 4 LLCs in all, " \
		"4 cores per LLC, 2 threads per core"

/* One count of a spec and the letter that ends it */
struct field {
	const char *what;
	char letter;
	unsigned int max;
	unsigned int *count;
};

static int bad_spec(const char *spec, struct errmsg *err, const char *why)
{
	return errmsg_set(err, ERRMSG_INPUT, 0, "topology \"%.64s\": %s; %s",
			  spec, why, EXAMPLE);
}

/* Not isdigit(): a spec is ASCII whatever the locale is. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Return: what follows the field, or NULL with @err filled in. */
static const char *parse_field(const char *spec, const char *pos,
			       const struct field *field, struct errmsg *err)
{
	unsigned int count = 0;
	char why[128];

	if (!is_digit(*pos)) {
		snprintf(why, sizeof(why), "the number of %s is missing at \"%.16s\"",
			 field->what, pos);
		goto bad;
	}
	if (pos[0] == '0') {
		snprintf(why, sizeof(why), is_digit(pos[1]) ?
			 "the number of %s has a leading zero" :
			 "the number of %s is zero", field->what);
		goto bad;
	}
	for (; is_digit(*pos); pos++) {
		count = count * 10 + (*pos - '0');
		if (count > field->max) {
			snprintf(why, sizeof(why), "the number of %s is over %u",
				 field->what, field->max);
			goto bad;
		}
	}
	if (*pos != field->letter) {
		snprintf(why, sizeof(why),
			 "the number of %s ends at \"%.16s\" and not with '%c'",
			 field->what, pos, field->letter);
		goto bad;
	}
	*field->count = count;
	return pos + 1;
bad:
	bad_spec(spec, err, why);
	return NULL;
}

int topology_parse(const char *spec, struct topology *topo, struct errmsg *err)
{
	struct topology t;
	const struct field fields[] = {
		{ "NUMA nodes", 'n', TOPOLOGY_MAX_NODES, &t.nodes },
		{ "LLCs", 'l', TOPOLOGY_MAX_CPUS, &t.llcs },
		{ "cores per LLC", 'c', TOPOLOGY_MAX_CPUS, &t.cores },
		{ "threads per core", 't', TOPOLOGY_MAX_CPUS, &t.threads },
	};
	const char *pos = spec;
	char why[128];
	u64 cpus;
	size_t i;

	if (!spec)
		return errmsg_set(err, ERRMSG_INPUT, 0,
				  "no topology was given; %s", EXAMPLE);
	if (!*spec)
		return bad_spec(spec, err, "it is empty");

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		pos = parse_field(spec, pos, &fields[i], err);
		if (!pos)
			return -EINVAL;
	}
	if (*pos) {
		snprintf(why, sizeof(why), "\"%.16s\" follows the threads per core", pos);
		return bad_spec(spec, err, why);
	}
	if (t.llcs % t.nodes) {
		snprintf(why, sizeof(why),
			 "%u LLCs cannot be dealt evenly to %u NUMA nodes",
			 t.llcs, t.nodes);
		return bad_spec(spec, err, why);
	}
	cpus = (u64)t.llcs * t.cores * t.threads;
	if (cpus > TOPOLOGY_MAX_CPUS) {
		snprintf(why, sizeof(why), "%llu CPUs are more than %u",
			 (unsigned long long)cpus, TOPOLOGY_MAX_CPUS);
		return bad_spec(spec, err, why);
	}
	*topo = t;
	return 0;
}

char *topology_format(const struct topology *topo, char *buf)
{
	snprintf(buf, TOPOLOGY_STR_SIZE, "%un%ul%uc%ut", topo->nodes, topo->llcs,
		 topo->cores, topo->threads);
	return buf;
}

unsigned int topology_cpus(const struct topology *topo)
{
	return topo->llcs * topo->cores * topo->threads;
}

struct topology_place topology_place(const struct topology *topo, unsigned int cpu)
{
	unsigned int core = cpu / topo->threads;
	unsigned int llc = core / topo->cores;

	return (struct topology_place) {
		.node = llc / (topo->llcs / topo->nodes),
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
	return width(topo->cores) + width(topo->threads);
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
	(void)topo;
	return from == to ? TOPOLOGY_LOCAL_DISTANCE : TOPOLOGY_REMOTE_DISTANCE;
}
