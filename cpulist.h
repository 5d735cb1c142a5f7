/* SPDX-License-Identifier: GPL-2.0 */
/* Sets of CPUs, in the notation of sysfs: "0-3,8,10-11". */
#ifndef KTSTR_CPULIST_H
#define KTSTR_CPULIST_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "topology.h"

#define CPU_SET_WORDS	(TOPOLOGY_MAX_CPUS / 64)

/* A set of CPUs; all zero is the empty one. */
struct cpu_set {
	u64 bits[CPU_SET_WORDS];
};

static inline void cpu_set_add(struct cpu_set *set, unsigned int cpu)
{
	set->bits[cpu / 64] |= 1ULL << cpu % 64;
}

static inline bool cpu_set_has(const struct cpu_set *set, unsigned int cpu)
{
	return cpu < TOPOLOGY_MAX_CPUS && set->bits[cpu / 64] >> cpu % 64 & 1;
}

static inline void cpu_set_del(struct cpu_set *set, unsigned int cpu)
{
	set->bits[cpu / 64] &= ~(1ULL << cpu % 64);
}

static inline bool cpu_set_equal(const struct cpu_set *a, const struct cpu_set *b)
{
	return !__builtin_memcmp(a, b, sizeof(*a));
}

/* Takes away what is not in @other, too. */
static inline void cpu_set_and(struct cpu_set *set, const struct cpu_set *other)
{
	unsigned int i;

	for (i = 0; i < CPU_SET_WORDS; i++)
		set->bits[i] &= other->bits[i];
}

static inline unsigned int cpu_set_count(const struct cpu_set *set)
{
	unsigned int i, n = 0;

	for (i = 0; i < CPU_SET_WORDS; i++)
		n += __builtin_popcountll(set->bits[i]);
	return n;
}

/* The lowest CPU of the set from @cpu on; TOPOLOGY_MAX_CPUS if there is none */
static inline unsigned int cpu_set_next(const struct cpu_set *set, unsigned int cpu)
{
	while (cpu < TOPOLOGY_MAX_CPUS && !cpu_set_has(set, cpu))
		cpu = set->bits[cpu / 64] ? cpu + 1 : (cpu / 64 + 1) * 64;
	return cpu;
}

/**
 * cpu_set_parse() - read a list
 * @set: filled in
 * @list: as sysfs writes it; an empty one is the empty set
 *
 * Return: 0, or -EINVAL for anything else, or a CPU beyond TOPOLOGY_MAX_CPUS.
 */
int cpu_set_parse(struct cpu_set *set, const char *list);

/**
 * cpu_set_format() - write a list
 * @set: the set
 * @buf: filled in; ends in "..." if it is too small
 * @size: bytes at @buf, at least 4
 *
 * Return: @buf.
 */
char *cpu_set_format(const struct cpu_set *set, char *buf, size_t size);

#endif /* KTSTR_CPULIST_H */
