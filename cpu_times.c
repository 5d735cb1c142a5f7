// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "cpu_times.h"

/* USER_HZ is 100 on x86. */
#define TICK_NS		(10 * NSEC_PER_MSEC)

/* Columns of proc(5); those that follow are parts of user and nice. */
enum {
	COLUMN_IDLE = 3,
	COLUMN_IOWAIT = 4,
	COLUMN_STEAL = 7,
	NR_COLUMNS,
};

/* Read "cpu3 1 2 3 4 5 6 7 8 ..." up to @end. */
static bool read_line(const char *line, const char *end, struct cpu_times *times)
{
	u64 ticks[NR_COLUMNS], total = 0;
	unsigned long cpu;
	char *next;
	int i;

	if (strncmp(line, "cpu", 3) || line[3] < '0' || line[3] > '9')
		return false;
	cpu = strtoul(line + 3, &next, 10);
	if (cpu >= TOPOLOGY_MAX_CPUS)
		return false;
	for (i = 0; i < NR_COLUMNS; i++) {
		line = next;
		ticks[i] = strtoull(line, &next, 10);
		if (next == line || next > end)
			return false;
		total += ticks[i];
	}
	cpu_set_add(&times->online, cpu);
	times->total_ns[cpu] = total * TICK_NS;
	times->idle_ns[cpu] = (ticks[COLUMN_IDLE] + ticks[COLUMN_IOWAIT]) * TICK_NS;
	times->steal_ns[cpu] = ticks[COLUMN_STEAL] * TICK_NS;
	return true;
}

unsigned int cpu_times_parse(const char *text, struct cpu_times *times)
{
	unsigned int cpus = 0;
	const char *end;

	memset(times, 0, sizeof(*times));
	for (; (end = strchr(text, '\n')); text = end + 1)
		cpus += read_line(text, end, times);
	return cpus;
}
