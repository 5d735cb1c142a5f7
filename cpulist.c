// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpulist.h"

/* Digits only: strtoul() would also take signs and spaces. */
static bool parse_cpu(const char **pos, unsigned long *cpu)
{
	char *end;

	if (**pos < '0' || **pos > '9')
		return false;
	*cpu = strtoul(*pos, &end, 10);
	*pos = end;
	return *cpu < TOPOLOGY_MAX_CPUS;
}

int cpu_set_parse(struct cpu_set *set, const char *list)
{
	unsigned long first, last;

	memset(set, 0, sizeof(*set));
	if (!*list)
		return 0;
	for (;;) {
		if (!parse_cpu(&list, &first))
			return -EINVAL;
		last = first;
		if (*list == '-') {
			list++;
			if (!parse_cpu(&list, &last) || last < first)
				return -EINVAL;
		}
		for (; first <= last; first++)
			cpu_set_add(set, first);
		if (!*list)
			return 0;
		if (*list++ != ',')
			return -EINVAL;
	}
}

char *cpu_set_format(const struct cpu_set *set, char *buf, size_t size)
{
	unsigned int cpu, last;
	size_t len = 0;

	buf[0] = '\0';
	for (cpu = 0; cpu < TOPOLOGY_MAX_CPUS; cpu = last + 1) {
		last = cpu;
		if (!cpu_set_has(set, cpu))
			continue;
		while (cpu_set_has(set, last + 1))
			last++;
		len += snprintf(buf + len, size - len, "%s%u", len ? "," : "", cpu);
		if (len < size && last > cpu)
			len += snprintf(buf + len, size - len, "-%u", last);
		if (len >= size) {
			memcpy(buf + size - 4, "...", 4);
			break;
		}
	}
	return buf;
}
