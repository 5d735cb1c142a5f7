/* SPDX-License-Identifier: GPL-2.0 */
/* What each CPU has done with its time, as /proc/stat tells (proc(5)). */
#ifndef KTSTR_CPU_TIMES_H
#define KTSTR_CPU_TIMES_H

#include <linux/types.h>

#include "cpulist.h"

/**
 * struct cpu_times - times of all CPUs since boot, in ns, exact to 10 ms
 * @at_ns: when, by this host's clock; 0 if that is not known
 * @online: the CPUs that are in the file; the rest of the others is 0
 * @total_ns: all of the time, by CPU
 * @idle_ns: of it, with nothing to run, waiting for I/O included
 * @steal_ns: of it, taken by the host
 */
struct cpu_times {
	u64 at_ns;
	struct cpu_set online;
	u64 total_ns[TOPOLOGY_MAX_CPUS];
	u64 idle_ns[TOPOLOGY_MAX_CPUS];
	u64 steal_ns[TOPOLOGY_MAX_CPUS];
};

/**
 * cpu_times_parse() - read /proc/stat
 * @text: the file's content; a line that was cut is left out
 * @times: filled in
 *
 * Return: how many CPUs there are in it, 0 if it is something else.
 */
unsigned int cpu_times_parse(const char *text, struct cpu_times *times);

#endif /* KTSTR_CPU_TIMES_H */
