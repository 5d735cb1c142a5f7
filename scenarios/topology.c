// SPDX-License-Identifier: GPL-2.0
/*
 * Does the guest see the CPUs, caches, nodes and memory that were asked for? Read
 * from its sysfs, CPU by CPU, from debugfs, and from lscpu, lstopo and numactl
 * running in it.
 */
#include <linux/sizes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "cpulist.h"
#include "ktstr_test.h"
#include "memory_map.h"
#include "numa_mem.h"

#define SYS_CPU		"/sys/devices/system/cpu"
#define SYS_NODE	"/sys/devices/system/node"
#define SYS_TIERS	"/sys/devices/virtual/memory_tiering"
#define X86_TOPO	"/sys/kernel/debug/x86/topo"

#define LSTOPO		"lstopo-no-graphics"

/* Highest APIC id that needs neither x2APIC nor the split irqchip */
#define MAX_XAPIC_ID	254

/* A file of this test's own, to see that the guest has it beside what it shares */
#define ASKED		"/etc/ktstr/asked"

#define RUN_TIMEOUT_NS		(60 * NSEC_PER_SEC)
#define RUN_TIMEOUT_CPU_NS	NSEC_PER_SEC

/* Seconds for a guest of hundreds of CPUs on an emulated host; all it does has limits of its own */
#define TEST_TIMEOUT	3600

/* Many CPUs on a slow host are late for watchdogs, which is nothing wrong with a topology. */
#define NO_WATCHDOGS	"nowatchdog rcupdate.rcu_cpu_stall_suppress=1"

/* Enough that the kernel's own share of a node, and of each CPU, stays below 5 % */
#define MEMORY_PER_NODE	((u64)SZ_1G)
#define MEMORY_PER_CPU	((u64)SZ_16M)
#define MEMORY_PERCENT	5

/* A guest, what its sysfs says, and where its RAM is */
struct seen {
	struct session s;
	struct control_reply sys;
	struct numa_mem mem;
};

FIXTURE(topology)
{
	struct seen seen;
};

FIXTURE_VARIANT(topology)
{
	const char *topology;
	enum cpuid_vendor vendor;
	enum ktstr_irqchip irqchip;
	const char *scheduler;
};

/* Two nodes that are near each other, and memory far from both, nearer to the first */
#define CXL	"3n2l2c1t,llcs=1:1:0,mem=1G:1G:2G," CXL_DIST CXL_LAT CXL_BW "mscache=0:0:64M"
#define CXL_DIST	"dist=0-1:12,dist=0-2:30,dist=1-2:40,"
#define CXL_LAT		"lat=0-0:80,lat=1-1:80,lat=0-1:140,lat=0-2:250,lat=1-2:330,"
#define CXL_BW		"bw=0-0:200000,bw=1-1:200000,bw=0-1:64000,bw=0-2:32000,bw=1-2:32000,"

FIXTURE_VARIANT_ADD(topology, amd_1n1l1c1t) {
	.topology = "1n1l1c1t",
	.vendor = CPUID_VENDOR_AMD,
};

FIXTURE_VARIANT_ADD(topology, intel_1n1l1c1t) {
	.topology = "1n1l1c1t",
	.vendor = CPUID_VENDOR_INTEL,
};

FIXTURE_VARIANT_ADD(topology, amd_1n1l2c2t) {
	.topology = "1n1l2c2t",
	.vendor = CPUID_VENDOR_AMD,
};

FIXTURE_VARIANT_ADD(topology, intel_1n1l2c2t) {
	.topology = "1n1l2c2t",
	.vendor = CPUID_VENDOR_INTEL,
};

FIXTURE_VARIANT_ADD(topology, amd_1n2l4c1t) {
	.topology = "1n2l4c1t",
	.vendor = CPUID_VENDOR_AMD,
};

FIXTURE_VARIANT_ADD(topology, intel_1n2l4c1t) {
	.topology = "1n2l4c1t",
	.vendor = CPUID_VENDOR_INTEL,
};

FIXTURE_VARIANT_ADD(topology, amd_1n2l4c2t) {
	.topology = "1n2l4c2t",
	.vendor = CPUID_VENDOR_AMD,
};

FIXTURE_VARIANT_ADD(topology, intel_1n2l4c2t) {
	.topology = "1n2l4c2t",
	.vendor = CPUID_VENDOR_INTEL,
};

FIXTURE_VARIANT_ADD(topology, amd_1n3l3c1t) {
	.topology = "1n3l3c1t",
	.vendor = CPUID_VENDOR_AMD,
};

FIXTURE_VARIANT_ADD(topology, intel_1n3l3c1t) {
	.topology = "1n3l3c1t",
	.vendor = CPUID_VENDOR_INTEL,
};

FIXTURE_VARIANT_ADD(topology, amd_2n4l2c2t) {
	.topology = "2n4l2c2t",
	.vendor = CPUID_VENDOR_AMD,
};

FIXTURE_VARIANT_ADD(topology, intel_2n4l2c2t) {
	.topology = "2n4l2c2t",
	.vendor = CPUID_VENDOR_INTEL,
};

FIXTURE_VARIANT_ADD(topology, amd_4n8l2c1t) {
	.topology = "4n8l2c1t",
	.vendor = CPUID_VENDOR_AMD,
};

FIXTURE_VARIANT_ADD(topology, intel_4n8l2c1t) {
	.topology = "4n8l2c1t",
	.vendor = CPUID_VENDOR_INTEL,
};

/* APIC ids above 254 on few CPUs; nodes that are not alike, odd counts */
FIXTURE_VARIANT_ADD(topology, amd_wide_ids) {
	.topology = "2n3l3c1t,llcs=1:2,llcshift=7",
	.vendor = CPUID_VENDOR_AMD,
};

FIXTURE_VARIANT_ADD(topology, intel_wide_ids) {
	.topology = "1n2l1c2t,llcshift=8",
	.vendor = CPUID_VENDOR_INTEL,
};

/* Memory that is no CPU's own lies on both sides of the gap, and is slower. */
FIXTURE_VARIANT_ADD(topology, cxl) {
	.topology = CXL,
	.irqchip = KTSTR_IRQCHIP_SPLIT,
};

KTSTR_ENV_VARIANT(topology)

FIXTURE_SETUP(topology)
{
	static const char * const globs[] = {
		ASKED,
		SYS_CPU "/online",
		SYS_CPU "/present",
		SYS_CPU "/cpu*/topology/*",
		SYS_CPU "/cpu*/cache/index*/level",
		SYS_CPU "/cpu*/cache/index*/type",
		SYS_CPU "/cpu*/cache/index*/shared_cpu_list",
		SYS_NODE "/online",
		SYS_NODE "/node*/cpulist",
		SYS_NODE "/node*/distance",
		SYS_NODE "/node*/meminfo",
		SYS_NODE "/node*/access0/initiators/*",
		SYS_NODE "/node*/access0/initiators/node*/cpulist",
		SYS_NODE "/node*/memory_side_cache/index1/size",
		SYS_TIERS "/memory_tier*/nodelist",
		X86_TOPO "/cpus/*",
		"/proc/interrupts",
		"/proc/zoneinfo",
		"/proc/cpuinfo",
		"/proc/sys/kernel/osrelease",
		"/sys/devices/system/clocksource/clocksource0/current_clocksource",
	};
	struct session_config cfg = {
		.topology = variant->topology,
		.vendor = variant->vendor,
		.irqchip = variant->irqchip,
		.scheduler = variant->scheduler,
		.cmdline = NO_WATCHDOGS,
		.programs = { "lscpu", "numactl", LSTOPO },
		.files = { { ASKED, variant->topology } },
	};
	struct topology topo;
	struct errmsg err;
	int ret;

	ASSERT_EQ(0, topology_parse(variant->topology, &topo, &err)) {
		TH_LOG("%s", err.text);
	}
	cfg.memory = topo.nodes * MEMORY_PER_NODE + topology_cpus(&topo) * MEMORY_PER_CPU;
	ret = numa_mem_layout(&self->seen.mem, &topo, cfg.memory, &err);
	ASSERT_EQ(0, ret) {
		TH_LOG("%s", err.text);
	}
	if (!ktstr_session_start(_metadata, &self->seen.s, &cfg))
		return;
	ret = control_read(&self->seen.s.control, globs, ARRAY_SIZE(globs), &self->seen.sys, &err);
	ktstr_assert_ok(_metadata, &self->seen.s, ret, &err);
}

FIXTURE_TEARDOWN(topology)
{
	control_reply_free(&self->seen.sys);
	session_end(&self->seen.s);
}

/* At which level CPUs are together */
enum level { LEVEL_CORE, LEVEL_LLC, LEVEL_NODE, LEVEL_ALL };

static bool together(const struct topology *topo, unsigned int a, unsigned int b,
		     enum level level)
{
	struct topology_place pa = topology_place(topo, a), pb = topology_place(topo, b);

	switch (level) {
	case LEVEL_CORE:
		return pa.llc == pb.llc && pa.core == pb.core;
	case LEVEL_LLC:
		return pa.llc == pb.llc;
	case LEVEL_NODE:
		return pa.node == pb.node;
	default:
		return true;
	}
}

/* The CPUs that are together with @cpu; LEVEL_ALL: all there are */
static struct cpu_set expected_set(const struct topology *topo, unsigned int cpu,
				   enum level level)
{
	struct cpu_set set = {};
	unsigned int i;

	for (i = 0; i < topology_cpus(topo); i++)
		if (together(topo, cpu, i, level))
			cpu_set_add(&set, i);
	return set;
}

/* Compare a sysfs list with the CPUs that are together with @cpu at @level. */
static void expect_list(struct __test_metadata *_metadata, struct seen *seen,
			const char *path, unsigned int cpu, enum level level)
{
	struct cpu_set expected = expected_set(&seen->s.topo, cpu, level), set = {};
	const char *text = control_text(&seen->sys, "%s", path);
	char list[128];

	ASSERT_NE(NULL, text) {
		TH_LOG("the guest has no %s", path);
	}
	EXPECT_EQ(0, cpu_set_parse(&set, text));
	EXPECT_TRUE(cpu_set_equal(&expected, &set)) {
		TH_LOG("%s: expected %s, the guest says %s", path,
		       cpu_set_format(&expected, list, sizeof(list)), text);
	}
}

static void expect_cpu_list(struct __test_metadata *_metadata, struct seen *seen,
			    unsigned int cpu, const char *name, enum level level)
{
	char path[128];

	snprintf(path, sizeof(path), SYS_CPU "/cpu%u/topology/%s", cpu, name);
	expect_list(_metadata, seen, path, cpu, level);
}

static unsigned long expect_number(struct __test_metadata *_metadata,
				   struct seen *seen, const char *path)
{
	const char *text = control_text(&seen->sys, "%s", path);

	EXPECT_NE(NULL, text) {
		TH_LOG("the guest has no %s", path);
	}
	return text ? strtoul(text, NULL, 0) : 0;
}

/* Ids are not prescribed, but CPUs have the same one only where they should. */
static void expect_ids(struct __test_metadata *_metadata, struct seen *seen,
		       const char *name, enum level level, bool within_package)
{
	unsigned int nr = topology_cpus(&seen->s.topo), a, b;
	unsigned long *ids = calloc(nr, sizeof(*ids));
	char path[128];

	ASSERT_NE(NULL, ids);
	for (a = 0; a < nr; a++) {
		snprintf(path, sizeof(path), SYS_CPU "/cpu%u/topology/%s", a, name);
		ids[a] = expect_number(_metadata, seen, path);
	}
	for (a = 0; a < nr; a++) {
		for (b = 0; b < a; b++) {
			if (within_package && !together(&seen->s.topo, a, b, LEVEL_LLC))
				continue;
			EXPECT_EQ(together(&seen->s.topo, a, b, level), ids[a] == ids[b]) {
				TH_LOG("%s: CPU %u has %lu, CPU %u has %lu", name,
				       a, ids[a], b, ids[b]);
			}
		}
	}
	free(ids);
}

/* Caches of level 1 and 2 belong to a core, those of level 3 to an LLC. */
static void expect_caches(struct __test_metadata *_metadata, struct seen *seen,
			  unsigned int cpu)
{
	unsigned int index, level, levels = 0;
	char path[128];

	for (index = 0; index < 4; index++) {
		snprintf(path, sizeof(path), SYS_CPU "/cpu%u/cache/index%u/level", cpu, index);
		level = expect_number(_metadata, seen, path);
		EXPECT_TRUE(level >= 1 && level <= 3) {
			TH_LOG("%s is %u", path, level);
		}
		levels |= 1U << level;
		snprintf(path, sizeof(path), SYS_CPU "/cpu%u/cache/index%u/shared_cpu_list",
			 cpu, index);
		expect_list(_metadata, seen, path, cpu, level == 3 ? LEVEL_LLC : LEVEL_CORE);
	}
	EXPECT_EQ(0xe, levels) {
		TH_LOG("CPU %u: not all of the levels 1 to 3 are there", cpu);
	}
}

/* The APIC ids, as the kernel has read them */
static void expect_apic_ids(struct __test_metadata *_metadata, struct seen *seen)
{
	const struct control_file *file = control_file(&seen->sys, "/proc/cpuinfo");
	const char *pos = file ? file->data : "";
	unsigned int cpu = 0;

	while ((pos = strstr(pos, "\napicid"))) {
		pos = strchr(pos, ':');
		ASSERT_NE(NULL, pos);
		ASSERT_LT(cpu, topology_cpus(&seen->s.topo));
		EXPECT_EQ(topology_apic_id(&seen->s.topo, cpu), strtoul(pos + 1, NULL, 10)) {
			TH_LOG("APIC id of CPU %u", cpu);
		}
		cpu++;
	}
	EXPECT_TRUE(cpu == topology_cpus(&seen->s.topo) || (file && file->truncated)) {
		TH_LOG("/proc/cpuinfo has %u CPUs", cpu);
	}
}

static unsigned long debug_value(struct __test_metadata *_metadata, struct seen *seen,
				 unsigned int cpu, const char *name, int base)
{
	const char *text = control_text(&seen->sys, X86_TOPO "/cpus/%u", cpu);
	const char *line = text ? strstr(text, name) : NULL;

	EXPECT_NE(NULL, line) {
		TH_LOG("%s/cpus/%u has no line \"%s\"", X86_TOPO, cpu, name);
	}
	return line ? strtoul(line + strlen(name), NULL, base) : -1UL;
}

/* What the kernel has made of CPUID, before sysfs numbers it anew */
static void expect_debug_topo(struct __test_metadata *_metadata, struct seen *seen)
{
	const struct topology *topo = &seen->s.topo;
	unsigned int cpu, shift;
	unsigned long llc_id;
	u32 id;

	for (cpu = 0; cpu < topology_cpus(topo); cpu++) {
		id = topology_apic_id(topo, cpu);
		EXPECT_EQ(id, debug_value(_metadata, seen, cpu, "initial_apicid:", 16));
		EXPECT_EQ(id, debug_value(_metadata, seen, cpu, "\napicid:", 16));
		EXPECT_EQ(topology_place(topo, cpu).llc,
			  debug_value(_metadata, seen, cpu, "\npkg_id:", 10));
		/* On AMD it is shifted, on Intel it is only masked. */
		shift = topology_llc_shift(topo);
		llc_id = debug_value(_metadata, seen, cpu, "\nllc_id:", 10);
		EXPECT_TRUE(llc_id == id >> shift || llc_id == id >> shift << shift) {
			TH_LOG("CPU %u: llc_id %lu", cpu, llc_id);
		}
		EXPECT_EQ(topo->cores * topo->threads,
			  debug_value(_metadata, seen, cpu, "\nnum_threads:", 10));
		EXPECT_EQ(topo->cores, debug_value(_metadata, seen, cpu, "\nnum_cores:", 10));
		EXPECT_EQ(topo->threads,
			  debug_value(_metadata, seen, cpu, "\nmax_threads_per_core:", 10));
	}
}

static void expect_cpus(struct __test_metadata *_metadata, struct seen *seen)
{
	unsigned int cpu;

	expect_list(_metadata, seen, SYS_CPU "/online", 0, LEVEL_ALL);
	expect_list(_metadata, seen, SYS_CPU "/present", 0, LEVEL_ALL);
	for (cpu = 0; cpu < topology_cpus(&seen->s.topo); cpu++) {
		expect_cpu_list(_metadata, seen, cpu, "thread_siblings_list", LEVEL_CORE);
		expect_cpu_list(_metadata, seen, cpu, "core_cpus_list", LEVEL_CORE);
		expect_cpu_list(_metadata, seen, cpu, "die_cpus_list", LEVEL_LLC);
		expect_cpu_list(_metadata, seen, cpu, "package_cpus_list", LEVEL_LLC);
		expect_caches(_metadata, seen, cpu);
	}
	expect_ids(_metadata, seen, "core_id", LEVEL_CORE, true);
	expect_ids(_metadata, seen, "die_id", LEVEL_LLC, true);
	expect_ids(_metadata, seen, "physical_package_id", LEVEL_LLC, false);
	expect_apic_ids(_metadata, seen);
	expect_debug_topo(_metadata, seen);
}

/* RAM of a node below or above 4 GiB, the kernel's own included */
static u64 present_bytes(const char *zoneinfo, unsigned int node, bool high)
{
	unsigned int number, zone_node = 0;
	bool zone_high = false;
	unsigned long pages;
	char zone[16];
	u64 sum = 0;

	for (; zoneinfo; zoneinfo = strchr(zoneinfo, '\n')) {
		zoneinfo += *zoneinfo == '\n';
		if (sscanf(zoneinfo, "Node %u, zone %15s", &number, zone) == 2) {
			zone_node = number;
			zone_high = strcmp(zone, "DMA") && strcmp(zone, "DMA32");
		} else if (zone_node == node && zone_high == high &&
			   sscanf(zoneinfo, " present %lu", &pages) == 1) {
			sum += pages * 4096;
		}
	}
	return sum;
}

static u64 asked_bytes(const struct numa_mem *mem, unsigned int node, bool high)
{
	const struct mem_region *region = mem->regions;
	u64 sum = 0;

	for (; region < mem->regions + mem->nr_regions; region++) {
		if (region->node == node && high == !(region->gpa < MAP_GAP_END))
			sum += region->size;
	}
	return sum;
}

static u64 asked_size(const struct numa_mem *mem, unsigned int node)
{
	return asked_bytes(mem, node, false) + asked_bytes(mem, node, true);
}

static void expect_near(struct __test_metadata *_metadata, const char *what,
			unsigned int node, u64 asked, u64 seen)
{
	u64 off = asked > seen ? asked - seen : seen - asked;

	EXPECT_LE(off * 100, asked * MEMORY_PERCENT) {
		TH_LOG("node %u: %s %llu KiB, asked for %llu KiB", node, what,
		       (unsigned long long)seen >> 10, (unsigned long long)asked >> 10);
	}
}

static void expect_distances(struct __test_metadata *_metadata,
			     struct seen *seen, unsigned int node, const char *text)
{
	unsigned int to;
	char *end;

	ASSERT_NE(NULL, text);
	for (to = 0; to < seen->s.topo.nodes; to++) {
		EXPECT_EQ(topology_distance(&seen->s.topo, node, to), strtoul(text, &end, 10)) {
			TH_LOG("distance from node %u to node %u", node, to);
		}
		ASSERT_NE(text, end);
		text = end;
	}
}

static unsigned int first_cpu(const struct topology *topo, unsigned int node)
{
	unsigned int cpu = 0;

	while (node--)
		cpu += topology_node_cpus(topo, node);
	return cpu;
}

static void expect_node_cpus(struct __test_metadata *_metadata, struct seen *seen,
			     unsigned int node)
{
	char path[128];

	snprintf(path, sizeof(path), SYS_NODE "/node%u/cpulist", node);
	if (topology_node_cpus(&seen->s.topo, node))
		expect_list(_metadata, seen, path, first_cpu(&seen->s.topo, node), LEVEL_NODE);
	else
		EXPECT_STREQ("", control_text(&seen->sys, "%s", path) ?: "nothing") {
			TH_LOG("%s", path);
		}
}

static void expect_nodes(struct __test_metadata *_metadata, struct seen *seen)
{
	const struct control_file *zones = control_file(&seen->sys, "/proc/zoneinfo");
	unsigned int node, line_node;
	unsigned long long kib = 0;
	const char *text;
	int got, high;

	ASSERT_NE(NULL, zones);
	if (zones->truncated)
		ksft_print_msg("/proc/zoneinfo is too long: its sizes are not checked\n");
	for (node = 0; node < seen->s.topo.nodes; node++) {
		expect_node_cpus(_metadata, seen, node);
		expect_distances(_metadata, seen, node,
				 control_text(&seen->sys, SYS_NODE "/node%u/distance", node));
		text = control_text(&seen->sys, SYS_NODE "/node%u/meminfo", node);
		ASSERT_NE(NULL, text);
		got = sscanf(text, "Node %u MemTotal: %llu kB", &line_node, &kib);
		EXPECT_EQ(2, got);
		expect_near(_metadata, "MemTotal", node, asked_size(&seen->mem, node), kib << 10);
		for (high = 0; high < 2 && !zones->truncated; high++)
			expect_near(_metadata, high ? "above 4 GiB" : "below 4 GiB", node,
				    asked_bytes(&seen->mem, node, high),
				    present_bytes(zones->data, node, high));
	}
	EXPECT_EQ(NULL, control_text(&seen->sys, SYS_NODE "/node%u/cpulist", node)) {
		TH_LOG("the guest has a node %u, which nobody asked for", node);
	}
}

static void run(struct __test_metadata *_metadata, struct seen *seen,
		const char * const *argv, struct control_reply *reply)
{
	struct errmsg err;
	int ret;

	ret = control_run(&seen->s.control, argv, RUN_TIMEOUT_NS +
			  topology_cpus(&seen->s.topo) * RUN_TIMEOUT_CPU_NS, reply, &err);
	ktstr_assert_ok(_metadata, &seen->s, ret, &err);
	ASSERT_EQ(0, reply->wait_status) {
		TH_LOG("%s in the guest: wait status %#x: %s", argv[0], reply->wait_status,
		       reply->output);
	}
}

/* What lscpu says of a CPU */
enum { COL_CPU, COL_CORE, COL_SOCKET, COL_NODE, COL_L1D, COL_L1I, COL_L2, COL_L3, NR_COLS };

/* Versions of lscpu separate cache ids by colons, or by commas after an empty field. */
static int parse_lscpu(char *line, unsigned int *cols)
{
	char *save, *word;
	int n = 0;

	for (word = strtok_r(line, ",:", &save); word; word = strtok_r(NULL, ",:", &save)) {
		if (n < NR_COLS)
			cols[n] = strtoul(word, NULL, 10);
		n++;
	}
	return n;
}

/* Which CPUs share a core, the caches of level 1 and 2, a socket, the cache of level 3 */
static bool lscpu_agrees(const struct topology *topo, unsigned int a, unsigned int b,
			 const unsigned int *cols_a, const unsigned int *cols_b)
{
	static const int by_core[] = { COL_CORE, COL_L1D, COL_L1I, COL_L2 };
	static const int by_llc[] = { COL_SOCKET, COL_L3 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(by_core); i++)
		if (together(topo, a, b, LEVEL_CORE) != (cols_a[by_core[i]] == cols_b[by_core[i]]))
			return false;
	for (i = 0; i < ARRAY_SIZE(by_llc); i++)
		if (together(topo, a, b, LEVEL_LLC) != (cols_a[by_llc[i]] == cols_b[by_llc[i]]))
			return false;
	return true;
}

static void expect_lscpu(struct __test_metadata *_metadata, struct seen *seen)
{
	static const char * const argv[] = {
		"lscpu", "--parse=CPU,CORE,SOCKET,NODE,CACHE", NULL
	};
	unsigned int nr = topology_cpus(&seen->s.topo), a, b, cpus = 0;
	unsigned int (*rows)[NR_COLS] = calloc(nr, sizeof(*rows));
	struct control_reply reply;
	char *line, *rest;

	ASSERT_NE(NULL, rows);
	run(_metadata, seen, argv, &reply);
	for (rest = reply.output; (line = strsep(&rest, "\n"));) {
		if (*line == '#' || !*line)
			continue;
		ASSERT_LT(cpus, nr);
		ASSERT_EQ(NR_COLS, parse_lscpu(line, rows[cpus])) {
			TH_LOG("lscpu: a line for CPU %s has not all columns", line);
		}
		ASSERT_EQ(cpus, rows[cpus][COL_CPU]);
		cpus++;
	}
	EXPECT_EQ(nr, cpus);
	for (a = 0; a < nr; a++) {
		EXPECT_EQ(topology_place(&seen->s.topo, a).node, rows[a][COL_NODE]);
		for (b = 0; b < a; b++) {
			EXPECT_TRUE(lscpu_agrees(&seen->s.topo, a, b, rows[a], rows[b])) {
				TH_LOG("lscpu: CPUs %u and %u do not share just what they should",
				       a, b);
			}
		}
	}
	control_reply_free(&reply);
	free(rows);
}

static void expect_numactl(struct __test_metadata *_metadata, struct seen *seen)
{
	static const char * const argv[] = { "numactl", "-H", NULL };
	unsigned int node, cpu, mib = 0, nodes = 0;
	struct control_reply reply;
	char prefix[64], *text;
	int got;

	run(_metadata, seen, argv, &reply);
	got = sscanf(reply.output, "available: %u nodes", &nodes);
	EXPECT_EQ(1, got);
	EXPECT_EQ(seen->s.topo.nodes, nodes);
	for (node = 0; node < seen->s.topo.nodes; node++) {
		snprintf(prefix, sizeof(prefix), "\nnode %u cpus:", node);
		text = strstr(reply.output, prefix);
		ASSERT_NE(NULL, text);
		text += strlen(prefix);
		for (cpu = first_cpu(&seen->s.topo, node);
		     cpu < first_cpu(&seen->s.topo, node + 1); cpu++) {
			EXPECT_EQ(cpu, strtoul(text, &text, 10));
		}
		EXPECT_EQ('\n', text[strspn(text, " ")]);

		snprintf(prefix, sizeof(prefix), "\nnode %u size: %%u MB", node);
		text = strstr(text, "\nnode");
		ASSERT_NE(NULL, text);
		got = sscanf(text, prefix, &mib);
		EXPECT_EQ(1, got);
		expect_near(_metadata, "numactl's size", node,
			    asked_size(&seen->mem, node), (u64)mib << 20);

		snprintf(prefix, sizeof(prefix), " %u:", node);
		text = strstr(reply.output, "\nnode distances:");
		ASSERT_NE(NULL, text);
		text = strstr(text, prefix);
		ASSERT_NE(NULL, text);
		expect_distances(_metadata, seen, node, text + strlen(prefix));
	}
	control_reply_free(&reply);
}

/* Bits of a CPU mask of hwloc's, "0x00000003" or "0x0000000f,0xf0000000" */
static bool parse_cpuset(const char *text, struct cpu_set *set)
{
	unsigned int words = 1, bit;
	unsigned long word;
	const char *c;
	char *end;

	memset(set, 0, sizeof(*set));
	for (c = text; *c && *c != ' '; c++)
		words += *c == ',';
	while (words--) {
		word = strtoul(text, &end, 16);
		for (bit = 0; bit < 32; bit++)
			if (word & 1UL << bit)
				cpu_set_add(set, words * 32 + bit);
		text = end + (*end == ',');
	}
	return !*end || *end == ' ';
}

/* What lstopo has, and how many: each kind of object holds every CPU once. */
static const struct lstopo_kind {
	const char *name;
	enum level level;
} lstopo_kinds[] = {
	{ "Package", LEVEL_LLC }, { "L3", LEVEL_LLC }, { "L2", LEVEL_CORE },
	{ "L1d", LEVEL_CORE }, { "L1i", LEVEL_CORE }, { "Core", LEVEL_CORE },
};

/* A line such as "  Core L#0 cpuset=0x00000001"; counts the CPUs in @cpus by kind. */
static void expect_lstopo_line(struct __test_metadata *_metadata, const struct topology *topo,
			       const char *line, unsigned int *cpus)
{
	const char *mask = strstr(line, "cpuset=");
	struct cpu_set set, expected;
	unsigned int first = 0;
	size_t i, len;

	line += strspn(line, " ");
	for (i = 0; i < ARRAY_SIZE(lstopo_kinds); i++) {
		len = strlen(lstopo_kinds[i].name);
		if (strncmp(line, lstopo_kinds[i].name, len) || line[len] != ' ')
			continue;
		ASSERT_NE(NULL, mask);
		ASSERT_TRUE(parse_cpuset(mask + strlen("cpuset="), &set));
		while (first < topology_cpus(topo) && !cpu_set_has(&set, first))
			first++;
		expected = expected_set(topo, first, lstopo_kinds[i].level);
		EXPECT_TRUE(cpu_set_equal(&expected, &set)) {
			TH_LOG("lstopo: %s", line);
		}
		for (; first < topology_cpus(topo); first++)
			cpus[i] += cpu_set_has(&set, first);
	}
}

static void expect_lstopo(struct __test_metadata *_metadata, struct seen *seen)
{
	static const char * const argv[] = { LSTOPO, "--no-io", "-c", "--of", "console", NULL };
	unsigned int cpus[ARRAY_SIZE(lstopo_kinds)] = {}, nodes = 0;
	struct control_reply reply;
	char *line, *rest;
	size_t i;

	run(_metadata, seen, argv, &reply);
	for (rest = reply.output; (line = strsep(&rest, "\n"));) {
		expect_lstopo_line(_metadata, &seen->s.topo, line, cpus);
		nodes += !!strstr(line, "NUMANode L#");
	}
	EXPECT_EQ(seen->s.topo.nodes, nodes);
	for (i = 0; i < ARRAY_SIZE(cpus); i++) {
		EXPECT_EQ(topology_cpus(&seen->s.topo), cpus[i]) {
			TH_LOG("lstopo: %s", lstopo_kinds[i].name);
		}
	}
	control_reply_free(&reply);
}

/* Is @from the best that @to has? Near first, then fast; what is not known is worst. */
static bool is_best_initiator(const struct topology *topo, unsigned int from, unsigned int to)
{
	unsigned int lat = topology_latency(topo, from, to) ?: -1U;
	unsigned int bw = topology_bandwidth(topo, from, to), other, other_lat;

	if (topology_node_cpus(topo, to))
		return from == to;
	for (other = 0; other < topo->nodes; other++) {
		other_lat = topology_latency(topo, other, to) ?: -1U;
		if (other_lat < lat ||
		    (other_lat == lat && topology_bandwidth(topo, other, to) > bw))
			return false;
	}
	return topology_node_cpus(topo, from);
}

static void expect_initiator(struct __test_metadata *_metadata, struct seen *seen,
			     unsigned int from, unsigned int to)
{
	static const char dir[] = SYS_NODE "/node%u/access0/initiators/%s";
	const struct topology *topo = &seen->s.topo;
	char path[128], name[32];

	snprintf(name, sizeof(name), "node%u/cpulist", from);
	snprintf(path, sizeof(path), dir, to, name);
	EXPECT_EQ(is_best_initiator(topo, from, to), !!control_text(&seen->sys, "%s", path)) {
		TH_LOG("%s", path);
	}
	if (!is_best_initiator(topo, from, to))
		return;
	snprintf(path, sizeof(path), dir, to, "read_latency");
	EXPECT_EQ(topology_latency(topo, from, to), expect_number(_metadata, seen, path));
	snprintf(path, sizeof(path), dir, to, "write_latency");
	EXPECT_EQ(topology_latency(topo, from, to), expect_number(_metadata, seen, path));
	snprintf(path, sizeof(path), dir, to, "read_bandwidth");
	EXPECT_EQ(topology_bandwidth(topo, from, to), expect_number(_metadata, seen, path));
	snprintf(path, sizeof(path), dir, to, "write_bandwidth");
	EXPECT_EQ(topology_bandwidth(topo, from, to), expect_number(_metadata, seen, path));
}

/* The tier that a node is in, or -1 */
static int tier_of(struct seen *seen, unsigned int node)
{
	struct cpu_set nodes;
	const char *text;
	int tier;

	for (tier = 0; tier < 1000; tier++) {
		text = control_text(&seen->sys, SYS_TIERS "/memory_tier%d/nodelist", tier);
		if (text && !cpu_set_parse(&nodes, text) && cpu_set_has(&nodes, node))
			return tier;
	}
	return -1;
}

/* Nodes with CPUs are one tier; what is half as good at most is in a slower one. */
static void expect_tiers(struct __test_metadata *_metadata, struct seen *seen)
{
	const struct topology *topo = &seen->s.topo;
	unsigned int from, to;

	for (to = 0; to < topo->nodes; to++) {
		for (from = 0; from < topo->nodes; from++) {
			int tier_from = tier_of(seen, from), tier_to = tier_of(seen, to);

			if (topology_node_cpus(topo, from) && topology_node_cpus(topo, to)) {
				EXPECT_EQ(tier_from, tier_to);
				EXPECT_NE(-1, tier_to);
			} else if (is_best_initiator(topo, from, to) &&
				   2 * topology_latency(topo, from, from) <
				   topology_latency(topo, from, to) &&
				   2 * topology_bandwidth(topo, from, to) <
				   topology_bandwidth(topo, from, from)) {
				EXPECT_LT(tier_from, tier_to) {
					TH_LOG("memory tiers of nodes %u and %u", from, to);
				}
			}
		}
	}
}

/* Does the HMAT say whose memory it is? */
static bool has_initiator(const struct topology *topo, unsigned int to)
{
	unsigned int from;

	if (topology_node_cpus(topo, to))
		return true;
	for (from = 0; from < topo->nodes; from++) {
		if (topology_latency(topo, from, to) || topology_bandwidth(topo, from, to))
			return true;
	}
	return false;
}

static void expect_hmat(struct __test_metadata *_metadata, struct seen *seen)
{
	const struct topology *topo = &seen->s.topo;
	unsigned int from, to;
	const char *text;

	for (to = 0; to < topo->nodes; to++) {
		for (from = 0; from < topo->nodes && has_initiator(topo, to); from++)
			expect_initiator(_metadata, seen, from, to);
		text = control_text(&seen->sys, SYS_NODE "/node%u/memory_side_cache/index1/size",
				    to);
		EXPECT_EQ(topology_node_cache(topo, to), text ? strtoull(text, NULL, 10) : 0);
	}
	expect_tiers(_metadata, seen);
}

/* A CPU's column in a row of /proc/interrupts; the row is found by its name or its end. */
static unsigned long interrupts(const char *table, const char *name, unsigned int cpu,
				unsigned int *irq)
{
	const char *row = strstr(table, name), *text;
	unsigned long count = 0;
	char *end;

	if (!row)
		return 0;
	while (row > table && row[-1] != '\n')
		row--;
	if (irq)
		*irq = strtoul(row, NULL, 10);
	text = strchr(row, ':') + 1;
	for (; cpu + 1; cpu--) {
		count = strtoul(text, &end, 10);
		text = end;
	}
	return count;
}

/* The last CPU gets the device's interrupts, and all CPUs get those of others. */
static void expect_interrupts(struct __test_metadata *_metadata, struct seen *seen)
{
	static const char * const globs[] = { "/proc/interrupts" };
	unsigned int cpu, last = topology_cpus(&seen->s.topo) - 1, irq = 0, tries = 10;
	const char *text = control_text(&seen->sys, "%s", globs[0]);
	unsigned long before, after;
	char path[64], list[16];
	struct control_reply reply;
	struct errmsg err;
	int ret;

	ASSERT_NE(NULL, text);
	for (cpu = 0; cpu <= last; cpu++) {
		EXPECT_LT(0, interrupts(text, "CAL:", cpu, NULL) +
			     interrupts(text, "RES:", cpu, NULL)) {
			TH_LOG("CPU %u, APIC id %u, got no interrupts from other CPUs", cpu,
			       topology_apic_id(&seen->s.topo, cpu));
		}
	}
	before = interrupts(text, "virtio0", last, &irq);
	snprintf(path, sizeof(path), "/proc/irq/%u/smp_affinity_list", irq);
	snprintf(list, sizeof(list), "%u", last);
	ret = control_write(&seen->s.control, path, list, &err);
	ktstr_assert_ok(_metadata, &seen->s, ret, &err);
	/* The route changes with the next interrupt; each request is at least one. */
	for (after = before; after == before && tries--;) {
		ret = control_read(&seen->s.control, globs, 1, &reply, &err);
		ktstr_assert_ok(_metadata, &seen->s, ret, &err);
		text = control_text(&reply, "%s", globs[0]);
		ASSERT_NE(NULL, text);
		after = interrupts(text, "virtio0", last, NULL);
		control_reply_free(&reply);
	}
	ksft_print_msg("IRQ %u on CPU %u, APIC id %u: %lu interrupts, then %lu\n", irq, last,
		       topology_apic_id(&seen->s.topo, last), before, after);
	EXPECT_LT(before, after);
}

static bool is_complaint(const char *line)
{
	static const char * const bad[] = {
		"ACPI Error", "ACPI BIOS", "ACPI Warning", "ACPI Exception", "Firmware Bug",
		"SRAT: Invalid", "SRAT not used", "SLIT: ", "BUG:", "WARNING:", "Call Trace",
		"APIC ID mismatch", "not responding",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		if (strstr(line, bad[i]))
			return true;
	return false;
}

/* The kernel says in its log what it thinks of our tables and CPUID leaves. */
static void expect_quiet_log(struct __test_metadata *_metadata, struct seen *seen)
{
	struct control_reply reply;
	struct errmsg err;
	char *line, *rest;
	int ret;

	ret = control_kmsg(&seen->s.control, &reply, &err);
	ktstr_assert_ok(_metadata, &seen->s, ret, &err);
	EXPECT_NE(NULL, strstr(reply.output, "Linux version")) {
		TH_LOG("the kernel's log is not complete");
	}
	for (rest = reply.output; (line = strsep(&rest, "\n"));) {
		EXPECT_FALSE(is_complaint(line)) {
			TH_LOG("kernel log: %s", line);
		}
	}
	control_reply_free(&reply);
}

TEST_F_TIMEOUT(topology, as_asked, TEST_TIMEOUT)
{
	struct seen *seen = &self->seen;
	const char *clock = control_text(&seen->sys,
			"/sys/devices/system/clocksource/clocksource0/current_clocksource");
	const char *asked = control_text(&seen->sys, ASKED);

	ksft_print_msg("clocksource %s, %u CPUs online\n", clock ?: "?",
		       seen->s.control.hello.nr_cpus);
	ASSERT_NE(NULL, asked);
	EXPECT_STREQ(variant->topology, asked);
	expect_cpus(_metadata, seen);
	expect_nodes(_metadata, seen);
	expect_lscpu(_metadata, seen);
	expect_numactl(_metadata, seen);
	expect_lstopo(_metadata, seen);
	if (topology_has_hmat(&seen->s.topo))
		expect_hmat(_metadata, seen);
	if (topology_max_apic_id(&seen->s.topo) > MAX_XAPIC_ID ||
	    variant->irqchip == KTSTR_IRQCHIP_SPLIT)
		expect_interrupts(_metadata, seen);
	expect_quiet_log(_metadata, seen);
}

int main(int argc, char **argv)
{
	return ktstr_test_main(argc, argv);
}
