// SPDX-License-Identifier: GPL-2.0
/*
 * ktstr_locks: who has claimed which of this host's CPUs: a line for each
 * last-level cache. Exit status 4 (KSFT_SKIP) if the host does not tell.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host_lock.h"
#include "host_topology.h"

#define EXIT_SKIPPED	4

static void print_llc(const struct host_topology *ht, unsigned int llc, int dir)
{
	struct cpu_set cpus = {};
	char list[256], who[1024];
	unsigned int cpu;

	for (cpu = cpu_set_next(&ht->online, 0); cpu < TOPOLOGY_MAX_CPUS;
	     cpu = cpu_set_next(&ht->online, cpu + 1))
		if (ht->cpus[cpu].llc == llc)
			cpu_set_add(&cpus, cpu);
	host_lock_print(dir, ht->llcs[llc].first, who, sizeof(who));
	printf("CPUs %s: %s\n", cpu_set_format(&cpus, list, sizeof(list)), *who ? who : "free");
}

int main(void)
{
	struct host_topology *ht;
	char path[PATH_MAX];
	struct errmsg err;
	unsigned int llc;
	int dir;

	ht = host_topology_read("", &err);
	dir = ht ? host_lock_dir(path, &err) : -1;
	if (dir < 0) {
		fprintf(stderr, "ktstr_locks: %s\n", err.text);
		free(ht);
		return EXIT_SKIPPED;
	}
	printf("locks in %s\n", path);
	for (llc = 0; llc < ht->nr_llcs; llc++)
		print_llc(ht, llc, dir);
	close(dir);
	free(ht);
	return 0;
}
