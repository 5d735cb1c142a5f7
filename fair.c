// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <string.h>

#include "fair.h"

#define DEFAULT_WEIGHT	100
#define WHOLE		1000000000ULL	/* all of the CPUs */

unsigned int fair_nice_weight(int nice)
{
	static const unsigned int weights[] = {
		88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916,
		9548, 7620, 6100, 4904, 3906, 3121, 2501, 1991, 1586, 1277,
		1024, 820, 655, 526, 423, 335, 272, 215, 172, 137,
		110, 87, 70, 56, 45, 36, 29, 23, 18, 15,
	};

	return weights[max(-20, min(nice, 19)) + 20];
}

/* How many cgroups deep, 0 for the root */
static unsigned int depth_of(const char *path)
{
	unsigned int depth = 1;

	if (!path || !*path)
		return 0;
	for (; (path = strchr(path, '/')); path++)
		depth++;
	return depth;
}

/* How many characters of @path name its ancestor at @depth */
static size_t prefix(const char *path, unsigned int depth)
{
	const char *at = path;

	if (!depth)
		return 0;
	for (; depth && at; depth--)
		at = strchr(at == path ? at : at + 1, '/');
	return at ? (size_t)(at - path) : strlen(path);
}

/* Are both in the same cgroup at @depth, or below it? */
static bool related(const char *a, const char *b, unsigned int depth)
{
	size_t len;

	if (!depth)
		return true;
	if (depth_of(a) < depth || depth_of(b) < depth)
		return false;
	len = prefix(a, depth);
	return prefix(b, depth) == len && !strncmp(a, b, len);
}

static u64 cgroup_weight(const struct fair_cgroup *cgroups, size_t nr, const char *path,
			 unsigned int depth)
{
	size_t len = prefix(path, depth), i;
	unsigned int weight = 0;

	for (i = 0; i < nr; i++)
		if (strlen(cgroups[i].name) == len && !strncmp(cgroups[i].name, path, len))
			weight = cgroups[i].weight;
	return (u64)(weight ?: DEFAULT_WEIGHT) * FAIR_NICE_0 / DEFAULT_WEIGHT;
}

/* The weight of a group's tasks, or of their ancestor, among those in a cgroup */
static u64 weight_at(const struct fair_group *g, const struct fair_cgroup *cgroups,
		     size_t nr_cgroups, unsigned int depth)
{
	if (depth_of(g->cgroup) == depth)
		return (u64)g->tasks * g->weight;
	return cgroup_weight(cgroups, nr_cgroups, g->cgroup, depth + 1);
}

/* Has a group before @i brought in the cgroup that @i is in at this depth? */
static bool counted(const struct fair_group *groups, size_t i, unsigned int depth)
{
	size_t j;

	for (j = 0; j < i; j++)
		if (groups[j].tasks && related(groups[j].cgroup, groups[i].cgroup, depth))
			return true;
	return false;
}

/* The part of WHOLE that a group is due, were there no limit to what it can use */
static u64 part_of(const struct fair_group *groups, size_t nr, const struct fair_cgroup *cgroups,
		   size_t nr_cgroups, const struct fair_group *g)
{
	unsigned int depth;
	u64 part = WHOLE, sum;
	size_t i;

	for (depth = 0; depth <= depth_of(g->cgroup); depth++) {
		sum = 0;
		for (i = 0; i < nr; i++) {
			if (!groups[i].tasks || !related(groups[i].cgroup, g->cgroup, depth))
				continue;
			if (depth_of(groups[i].cgroup) > depth && counted(groups, i, depth + 1))
				continue;
			sum += weight_at(&groups[i], cgroups, nr_cgroups, depth);
		}
		part = sum ? part * weight_at(g, cgroups, nr_cgroups, depth) / sum : 0;
	}
	return part;
}

bool fair_due(const struct fair_group *groups, size_t nr, const struct fair_cgroup *cgroups,
	      size_t nr_cgroups, u64 cpus, u64 *due)
{
	u64 part[FAIR_MAX_GROUPS], left = cpus, share, sum;
	bool full[FAIR_MAX_GROUPS] = {}, any = false, again;
	size_t i;

	nr = min_t(size_t, nr, FAIR_MAX_GROUPS);
	for (i = 0; i < nr; i++)
		part[i] = part_of(groups, nr, cgroups, nr_cgroups, &groups[i]);
	do {
		again = false;
		share = left;
		for (sum = 0, i = 0; i < nr; i++)
			sum += full[i] ? 0 : part[i];
		for (i = 0; i < nr; i++) {
			if (full[i])
				continue;
			due[i] = sum ? share * part[i] / sum : 0;
			if (due[i] <= (u64)groups[i].tasks * FAIR_CPU)
				continue;
			due[i] = (u64)groups[i].tasks * FAIR_CPU;
			left -= min(left, due[i]);
			full[i] = true;
			any = true;
			again = true;
		}
	} while (again);
	return any;
}
