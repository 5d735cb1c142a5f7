// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/kernel.h>

#include "agent.h"
#include "cpulist.h"
#include "place.h"

#define SYS_CPU		"/sys/devices/system/cpu"
#define SYS_NODE	"/sys/devices/system/node"

#define MAX_PAGES	512

/* By CPU; an LLC is called by its first CPU, plus 1: 0 is one not known yet. */
static u16 llc_of[WIRE_MAX_CPUS];
static u8 node_of[WIRE_MAX_CPUS];

static bool read_list(struct cpu_set *set, const char *path)
{
	char list[4096];

	return !read_text(path, list, sizeof(list)) && !cpu_set_parse(set, list);
}

/* The highest cache index is the last level; a level 1 cache may be two of them. */
static bool read_llc(u32 cpu, struct cpu_set *set)
{
	char path[96];
	int index;

	for (index = 4; index >= 0; index--) {
		snprintf(path, sizeof(path), SYS_CPU "/cpu%u/cache/index%d/shared_cpu_list",
			 cpu, index);
		if (read_list(set, path))
			return true;
	}
	return false;
}

/* One file per cache is read, not one per CPU: each is slow in an emulated guest. */
static void read_llcs(const struct cpu_set *online)
{
	struct cpu_set set;
	u32 cpu, other;

	for (cpu = 0; cpu < WIRE_MAX_CPUS; cpu++) {
		if (llc_of[cpu] || !cpu_set_has(online, cpu))
			continue;
		if (!read_llc(cpu, &set))
			return;
		for (other = 0; other < WIRE_MAX_CPUS; other++)
			if (cpu_set_has(&set, other))
				llc_of[other] = cpu + 1;
	}
}

static void read_nodes(void)
{
	struct cpu_set nodes, set;
	u32 node, cpu;
	char path[64];

	if (!read_list(&nodes, SYS_NODE "/online"))
		return;
	for (node = 0; node < WIRE_MAX_NODES; node++) {
		if (!cpu_set_has(&nodes, node))
			continue;
		snprintf(path, sizeof(path), SYS_NODE "/node%u/cpulist", node);
		if (!read_list(&set, path))
			continue;
		for (cpu = 0; cpu < WIRE_MAX_CPUS; cpu++)
			if (cpu_set_has(&set, cpu))
				node_of[cpu] = node;
	}
}

void place_read(void)
{
	struct cpu_set online;
	u32 cpu;

	if (!read_list(&online, SYS_CPU "/online"))
		return;
	for (cpu = 0; cpu < WIRE_MAX_CPUS; cpu++)
		if (cpu_set_has(&online, cpu) && !llc_of[cpu])
			break;
	if (cpu == WIRE_MAX_CPUS)
		return;
	read_llcs(&online);
	read_nodes();
}

enum wire_distance place_distance(u32 from, u32 to)
{
	if (from >= WIRE_MAX_CPUS || to >= WIRE_MAX_CPUS ||
	    node_of[from] != node_of[to])
		return WIRE_CROSS_NODE;
	return llc_of[from] == llc_of[to] ? WIRE_SAME_LLC : WIRE_CROSS_LLC;
}

u32 place_node(u32 cpu)
{
	return cpu < WIRE_MAX_CPUS ? node_of[cpu] : 0;
}

void place_pages(void *mem, size_t size, u32 *pages)
{
	size_t page_size = sysconf(_SC_PAGESIZE), nr = size / page_size, n, i;
	void *addr[MAX_PAGES];
	int status[MAX_PAGES];

	n = min_t(size_t, nr, MAX_PAGES);
	for (i = 0; i < n; i++)
		addr[i] = mem + i * nr / n * page_size;
	/* Without a target it only says where they are: move_pages(2). */
	if (!n || syscall(SYS_move_pages, 0, n, addr, NULL, status, 0))
		return;
	for (i = 0; i < n; i++)
		if (status[i] >= 0 && status[i] < WIRE_MAX_NODES)
			pages[status[i]]++;
}
