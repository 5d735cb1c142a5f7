// SPDX-License-Identifier: GPL-2.0
/* Topology strings, and lists of CPUs as sysfs has them */
#include "cpulist.h"
#include "fuzz.h"
#include "topology.h"

static void check_ids(const struct topology *topo)
{
	unsigned int cpu, nr = topology_cpus(topo), cpus = 0, node;
	u32 last = 0;

	fuzz_assert(nr && nr <= TOPOLOGY_MAX_CPUS);
	for (node = 0; node < topo->nodes; node++)
		cpus += topology_node_cpus(topo, node);
	fuzz_assert(cpus == nr);
	for (cpu = 0; cpu < nr; cpu++) {
		u32 id = topology_apic_id(topo, cpu);

		fuzz_assert(!cpu || id > last);
		fuzz_assert(topology_place(topo, cpu).node < topo->nodes);
		last = id;
	}
	fuzz_assert(last == topology_max_apic_id(topo));
}

static void check_topology(const char *spec)
{
	char text[TOPOLOGY_STR_SIZE], again[TOPOLOGY_STR_SIZE];
	static struct topology topo;
	struct errmsg err = {};

	if (topology_parse(spec, &topo, &err)) {
		fuzz_assert(err.text[0]);
		return;
	}
	check_ids(&topo);
	/* What was written can be read, and is then written in the same way. */
	topology_format(&topo, text);
	fuzz_assert(strlen(text) < sizeof(text));
	if (strstr(text, "..."))
		return;
	fuzz_assert(!topology_parse(text, &topo, &err));
	fuzz_assert(!strcmp(text, topology_format(&topo, again)));
}

static void check_list(const char *list)
{
	struct cpu_set set = {}, again = {};
	static char text[32 * 1024];

	if (cpu_set_parse(&set, list))
		return;
	fuzz_assert(!cpu_set_parse(&again, cpu_set_format(&set, text, sizeof(text))));
	fuzz_assert(cpu_set_equal(&set, &again));
	/* Too little room is no harm. */
	fuzz_assert(strlen(cpu_set_format(&set, text, 8)) < 8);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_input in = { data, size };
	char *text = fuzz_string(&in, 4096);

	check_topology(text);
	check_list(text);
	free(text);
	return 0;
}
