// SPDX-License-Identifier: GPL-2.0
/*
 * The ACPI tables, read in two ways: by offsets from the specification, and by
 * iasl, ACPICA's disassembler, whose output says where each CPU and region is.
 */
#include <errno.h>
#include <ftw.h>
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/sizes.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "acpi.h"
#include "memory_map.h"

#define SLOTS	(BIT(VIRTIO_SLOT_CONSOLE) | BIT(VIRTIO_SLOT_NET))
#define GPA	MAP_ACPI
#define NO_IASL	"there is no iasl: install acpica-tools"

/* A CPU as the MADT and the SRAT have it */
struct cpu_entry {
	u32 type;
	u32 uid;
	u32 apic_id;
	u32 node;
	u32 flags;
};

struct cpu_entries {
	unsigned int nr;
	struct cpu_entry cpus[TOPOLOGY_MAX_CPUS];
};

FIXTURE(acpi) {
	struct topology topo;
	struct numa_mem mem;
	struct acpi_config cfg;
	u8 *tables;
	long len;
	struct cpu_entries *entries;	/* for a test to fill */
};

FIXTURE_VARIANT(acpi) {
	const char *spec;
	unsigned int node_mib;
	u32 slots;
};

FIXTURE_VARIANT_ADD(acpi, 1n1l1c1t) { "1n1l1c1t", 128, SLOTS };
FIXTURE_VARIANT_ADD(acpi, 1n1l2c2t) { "1n1l2c2t", 128, 0 };
/* one node on both sides of the gap */
FIXTURE_VARIANT_ADD(acpi, 1n2l4c1t) { "1n2l4c1t", 4096, 7 };
/* ends where the gap begins */
FIXTURE_VARIANT_ADD(acpi, 1n2l4c2t) { "1n2l4c2t", 3072, SLOTS };
FIXTURE_VARIANT_ADD(acpi, 1n3l3c1t) { "1n3l3c1t", 128, -1U };
/* the second node is split */
FIXTURE_VARIANT_ADD(acpi, 2n4l2c2t) { "2n4l2c2t", 2048, SLOTS };
/* the last one begins above the gap */
FIXTURE_VARIANT_ADD(acpi, 4n8l2c1t) { "4n8l2c1t", 1024, SLOTS };
/* the last one is split, unevenly */
FIXTURE_VARIANT_ADD(acpi, 3n6l5c2t) { "3n6l5c2t", 1280, SLOTS };
/* APIC ids up to 433, with holes */
FIXTURE_VARIANT_ADD(acpi, 1n14l9c2t) { "1n14l9c2t", 512, SLOTS };
/* a node below the gap, one on both sides of it, two above */
FIXTURE_VARIANT_ADD(acpi, 4n16l16c2t) { "4n16l16c2t", 2048, SLOTS };
/* APIC ids 254 and 255: the last and the first */
FIXTURE_VARIANT_ADD(acpi, 1n2l128c1t) { "1n2l128c1t", 256, 1 };
/* LAPIC entries only, as many as there can be */
FIXTURE_VARIANT_ADD(acpi, 1n1l255c1t) { "1n1l255c1t", 256, 1 };
/* as many nodes as there can be */
FIXTURE_VARIANT_ADD(acpi, 64n64l1c1t) { "64n64l1c1t", 64, 1 };
/* as many CPUs as KVM usually has */
FIXTURE_VARIANT_ADD(acpi, 8n1024l1c1t) { "8n1024l1c1t", 512, 1 };

/* unequal nodes; the last, and all but one without CPUs */
FIXTURE_VARIANT_ADD(acpi, unequal) { "3n6l2c2t,llcs=1:2:3", 128, SLOTS };
FIXTURE_VARIANT_ADD(acpi, small_without_cpus) { "2n1l2c1t,llcs=1:0,mem=64M:2M", 0, 1 };
FIXTURE_VARIANT_ADD(acpi, three_without_cpus) {
	"4n3l4c1t,llcs=3:0:0:0,mem=1G:3G:2M:6G", 0, SLOTS
};

FIXTURE_VARIANT_ADD(acpi, last_without_cpus) { "3n2l4c1t,llcs=1:1:0,mem=512M:512M:8T", 0, 1 };
/* APIC ids above 254 on few CPUs */
FIXTURE_VARIANT_ADD(acpi, wide_shift) { "1n2l2c1t,llcshift=8", 128, SLOTS };
FIXTURE_VARIANT_ADD(acpi, wide_shift_without_cpus) {
	"4n4l1c1t,llcs=1:2:1:0,llcshift=7", 128, SLOTS
};

FIXTURE_VARIANT_ADD(acpi, distances) { "4n4l1c1t,dist=0-1:12,dist=2-3:12,dist=0-3:254", 64, 1 };
FIXTURE_VARIANT_ADD(acpi, distances_both_ways) {
	"3n3l1c1t,dist=10:11:12:13:10:14:15:16:10", 64, 1
};

/* what an HMAT says: one thing of three, and all */
FIXTURE_VARIANT_ADD(acpi, latency) { "1n1l1c1t,lat=0-0:65534", 64, 1 };
FIXTURE_VARIANT_ADD(acpi, bandwidth) { "2n2l1c1t,bw=0-0:6553400,bw=0-1:100", 64, 1 };
FIXTURE_VARIANT_ADD(acpi, cache) { "2n2l1c1t,mscache=0:3G", 64, 1 };
FIXTURE_VARIANT_ADD(acpi, both_ways) { "2n2l1c1t,lat=80:130:140:90,bw=100:200:300:400", 64, 1 };
FIXTURE_VARIANT_ADD(acpi, cxl) {
	"3n2l2c1t,llcs=1:1:0,mem=1G,dist=0-2:30,lat=8:14:25:14:8:33:0:0:0,bw=0-2:300,mscache=2M",
	0, SLOTS
};

FIXTURE_VARIANT_ADD(acpi, cxl_twice) {
	"3n1l1c1t,llcs=1:0:0,mem=1G:1G:3G,lat=0-1:250,lat=2-0:330,lat=0-0:80", 0, SLOTS
};

/* In one or two regions around the device gap; equal shares if the spec has no others */
static void lay_memory(struct numa_mem *mem, const struct topology *topo, u64 share)
{
	u64 gpa = 0, left, size;
	unsigned int node;

	memset(mem, 0, sizeof(*mem));
	for (node = 0; node < topo->nodes; node++) {
		share = topology_node_memory(topo, node) ?: share;
		for (left = share; left; left -= size) {
			size = left;
			if (gpa < MAP_GAP_START)
				size = min(left, (u64)MAP_GAP_START - gpa);
			mem->regions[mem->nr_regions++] = (struct mem_region) {
				.node = node,
				.gpa = gpa,
				.size = size,
			};
			gpa += size;
			if (gpa == MAP_GAP_START)
				gpa = MAP_GAP_END;
		}
		mem->size += share;
	}
}

FIXTURE_SETUP(acpi)
{
	u8 *room = malloc(SZ_256K);
	struct errmsg err;

	ASSERT_NE(NULL, room);
	ASSERT_EQ(0, topology_parse(variant->spec, &self->topo, &err))
		TH_LOG("%s", err.text);
	lay_memory(&self->mem, &self->topo, (u64)variant->node_mib * SZ_1M);
	self->cfg = (struct acpi_config) { &self->topo, &self->mem, variant->slots };
	self->len = acpi_build(room, SZ_256K, GPA, &self->cfg, &err);
	ASSERT_LT(0, self->len) TH_LOG("%s", err.text);

	/* exactly as long as it says */
	self->tables = malloc(self->len);
	ASSERT_NE(NULL, self->tables);
	memcpy(self->tables, room, self->len);
	free(room);

	self->entries = calloc(1, sizeof(*self->entries));
	ASSERT_NE(NULL, self->entries);
}

FIXTURE_TEARDOWN(acpi)
{
	free(self->tables);
	free(self->entries);
}

/* ---- by the specification's offsets ---- */

static u64 get(const u8 *at, unsigned int bytes)
{
	u64 val = 0;

	while (bytes--)
		val = val << 8 | at[bytes];
	return val;
}

static u8 sum(const u8 *at, size_t len)
{
	u8 sum = 0;

	while (len--)
		sum += *at++;
	return sum;
}

/* What the guest finds at an address: a whole table with a good sum, or NULL */
static const u8 *table_at(struct _test_data_acpi *self, u64 gpa)
{
	u64 offset = gpa - GPA;
	const u8 *table;
	u32 len;

	if (gpa < GPA || offset + 36 > (u64)self->len || offset % 8)
		return NULL;
	table = self->tables + offset;
	len = get(table + 4, 4);
	if (len < 36 || len > self->len - offset || sum(table, len))
		return NULL;
	return table;
}

static const u8 *find_table(struct _test_data_acpi *self, const char *signature)
{
	const u8 *xsdt = table_at(self, get(self->tables + 24, 8)), *table;
	u32 offset;

	if (!xsdt || memcmp(xsdt, "XSDT", 4))
		return NULL;
	if (!memcmp(signature, "XSDT", 4))
		return xsdt;
	for (offset = 36; offset + 8 <= get(xsdt + 4, 4); offset += 8) {
		table = table_at(self, get(xsdt + offset, 8));
		if (!table)
			return NULL;
		if (!memcmp(table, signature, 4))
			return table;
		if (!memcmp(table, "FACP", 4) && !memcmp(signature, "DSDT", 4))
			return table_at(self, get(table + 140, 8));
	}
	return NULL;
}

/* The last one is there if there is something to say in it. */
static const char * const signatures[] = {
	"XSDT", "FACP", "APIC", "SRAT", "SLIT", "DSDT", "HMAT",
};

static size_t nr_tables(const char *spec)
{
	bool hmat = strstr(spec, "lat=") || strstr(spec, "bw=") || strstr(spec, "mscache=");

	return ARRAY_SIZE(signatures) - !hmat;
}

TEST_F(acpi, pointers_and_checksums)
{
	const u8 *table;
	size_t i;

	EXPECT_EQ(0, memcmp(self->tables, "RSD PTR ", 8));
	EXPECT_EQ(2, self->tables[15]);
	EXPECT_EQ(36, get(self->tables + 20, 4));
	EXPECT_EQ(0, sum(self->tables, 20));
	EXPECT_EQ(0, sum(self->tables, 36));

	for (i = 0; i < nr_tables(variant->spec); i++) {
		table = find_table(self, signatures[i]);
		ASSERT_NE(NULL, table) TH_LOG("%s", signatures[i]);
		EXPECT_EQ(0, memcmp(table, signatures[i], 4));
	}
	/* all of them but itself and the DSDT */
	EXPECT_EQ(36 + (i - 2) * 8, get(find_table(self, "XSDT") + 4, 4));
}

TEST_F(acpi, fadt)
{
	const u8 *fadt = find_table(self, "FACP");

	ASSERT_NE(NULL, fadt);
	EXPECT_EQ(6, fadt[8]);
	EXPECT_EQ(276, get(fadt + 4, 4));
	/* no RTC, no VGA; neither 8042 nor other devices that are not in the DSDT */
	EXPECT_EQ(0x24, get(fadt + 109, 2));
	/* WBINVD works; there is a reset register; the rest of the hardware is reduced */
	EXPECT_EQ(1 << 0 | 1 << 10 | 1 << 20, get(fadt + 112, 4));
	/* reset, sleep control, sleep status: byte-wide I/O ports */
	EXPECT_EQ(0x01000801, get(fadt + 116, 4));
	EXPECT_EQ(PORT_RESET, get(fadt + 120, 8));
	EXPECT_EQ(RESET_HARD, fadt[128]);
	EXPECT_EQ(0x01000801, get(fadt + 244, 4));
	EXPECT_EQ(PORT_ACPI_SLEEP, get(fadt + 248, 8));
	EXPECT_EQ(0x01000801, get(fadt + 256, 4));
	EXPECT_EQ(PORT_ACPI_SLEEP_STATUS, get(fadt + 260, 8));
	/* no PM timer, no SCI */
	EXPECT_EQ(0, get(fadt + 76, 4));
	EXPECT_EQ(0, get(fadt + 208, 8));
	EXPECT_EQ(0, get(fadt + 46, 2));
}

TEST_F(acpi, slit)
{
	const u8 *slit = find_table(self, "SLIT");
	unsigned int nodes = self->topo.nodes, from, to;

	ASSERT_NE(NULL, slit);
	ASSERT_EQ(36 + 8 + nodes * nodes, get(slit + 4, 4));
	ASSERT_EQ(nodes, get(slit + 36, 8));
	for (from = 0; from < nodes; from++) {
		for (to = 0; to < nodes; to++)
			EXPECT_EQ(topology_distance(&self->topo, from, to),
				  slit[44 + from * nodes + to]);
	}
}

/* A structure of the HMAT by its type and which one it is of these, or NULL */
static const u8 *hmat_structure(const u8 *hmat, unsigned int type, unsigned int index)
{
	const u8 *at = hmat + 40, *end = hmat + get(hmat + 4, 4);
	u32 len;

	for (; at + 8 <= end; at += len) {
		len = get(at + 4, 4);
		if (len < 8 || len > end - at)
			return NULL;
		if (get(at, 2) == type && !index--)
			return at;
	}
	return NULL;
}

/* Where @node is in a list of proximity domains, or -1 */
static int find_domain(const u8 *list, unsigned int nr, unsigned int node)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (get(list + 4 * i, 4) == node)
			return i;
	return -1;
}

/* ACPI 6.5, table 5.148: what a reader finds out about two nodes; 0: nothing */
static u64 hmat_value(const u8 *hmat, unsigned int data_type, unsigned int from, unsigned int to)
{
	const u8 *s, *entries;
	unsigned int i, initiators, targets;
	int row, column;

	for (i = 0; (s = hmat_structure(hmat, 1, i)); i++) {
		if (s[9] != data_type || s[8])
			continue;
		initiators = get(s + 12, 4);
		targets = get(s + 16, 4);
		entries = s + 32 + 4 * (initiators + targets);
		if (entries + 2 * initiators * targets != s + get(s + 4, 4))
			return -1ULL;
		row = find_domain(s + 32, initiators, from);
		column = find_domain(s + 32 + 4 * initiators, targets, to);
		if (row < 0 || column < 0)
			return 0;
		return get(entries + 2 * (row * targets + column), 2) * get(s + 24, 8);
	}
	return 0;
}

TEST_F(acpi, hmat)
{
	const u8 *hmat = find_table(self, "HMAT"), *s;
	unsigned int nodes = self->topo.nodes, from, to, caches = 0;
	bool has_cpus;

	ASSERT_EQ(nr_tables(variant->spec) == ARRAY_SIZE(signatures), !!hmat);
	if (!hmat)
		return;
	EXPECT_EQ(2, hmat[8]);
	for (from = 0; from < nodes; from++) {
		/* the node's own CPUs are its initiator, if there are any */
		has_cpus = topology_node_cpus(&self->topo, from);
		s = hmat_structure(hmat, 0, from);
		ASSERT_NE(NULL, s);
		EXPECT_EQ(40, get(s + 4, 4));
		EXPECT_EQ(has_cpus, get(s + 8, 2));
		EXPECT_EQ(has_cpus ? from : 0, get(s + 12, 4));
		EXPECT_EQ(from, get(s + 16, 4));
		for (to = 0; to < nodes; to++) {
			EXPECT_EQ(topology_latency(&self->topo, from, to) * 1000ULL,
				  hmat_value(hmat, 0, from, to));
			EXPECT_EQ(topology_bandwidth(&self->topo, from, to),
				  hmat_value(hmat, 3, from, to));
		}
	}
	EXPECT_EQ(NULL, hmat_structure(hmat, 0, nodes));
	for (from = 0; from < nodes; from++) {
		if (!topology_node_cache(&self->topo, from))
			continue;
		s = hmat_structure(hmat, 2, caches++);
		ASSERT_NE(NULL, s);
		EXPECT_EQ(32, get(s + 4, 4));
		EXPECT_EQ(from, get(s + 8, 4));
		EXPECT_EQ(topology_node_cache(&self->topo, from), get(s + 16, 8));
		/* level 1 of 1, direct mapped, write back, lines of 64 bytes */
		EXPECT_EQ(0x00401111, get(s + 24, 4));
		EXPECT_EQ(0, get(s + 30, 2));
	}
	EXPECT_EQ(NULL, hmat_structure(hmat, 2, caches));
}

/* The numbers of one table, by hand: initiators 0 and 1, targets 0 to 2 */
TEST(hmat_by_hand)
{
	static const char spec[] =
		"3n2l1c1t,llcs=1:1:0,mem=64M,lat=0-0:80,lat=0-2:250,lat=1-2:330,bw=0-2:32000";
	static const u8 latencies[] = { 80, 0, 0, 0, 250, 0, 0, 0, 0, 0, 0x4a, 1 };
	static const u8 bandwidths[] = { 0, 0, 0, 0, 0x40, 1, 0, 0, 0, 0, 0, 0 };
	static const u8 lists[] = { 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0 };
	struct _test_data_acpi self = {};
	static struct topology topo;
	static u8 tables[SZ_64K];
	struct errmsg err;
	const u8 *hmat, *s;

	ASSERT_EQ(0, topology_parse(spec, &topo, &err)) TH_LOG("%s", err.text);
	lay_memory(&self.mem, &topo, 0);
	self.cfg = (struct acpi_config) { &topo, &self.mem, 1 };
	self.tables = tables;
	self.len = acpi_build(tables, sizeof(tables), GPA, &self.cfg, &err);
	ASSERT_LT(0, self.len);
	hmat = find_table(&self, "HMAT");
	ASSERT_NE(NULL, hmat);
	s = hmat_structure(hmat, 1, 0);
	ASSERT_NE(NULL, s);
	EXPECT_EQ(32 + 20 + 12, get(s + 4, 4));
	EXPECT_EQ(0, memcmp(s + 32, lists, sizeof(lists)));
	EXPECT_EQ(0, memcmp(s + 52, latencies, sizeof(latencies)));
	s = hmat_structure(hmat, 1, 1);
	ASSERT_NE(NULL, s);
	EXPECT_EQ(3, s[9]);
	EXPECT_EQ(100, get(s + 24, 8));
	EXPECT_EQ(0, memcmp(s + 52, bandwidths, sizeof(bandwidths)));
	EXPECT_EQ(NULL, hmat_structure(hmat, 1, 2));
}

/* Every room that is too small, exactly allocated, is an error and no overrun. */
TEST_F(acpi, no_room)
{
	size_t step = self->len > 4096 ? 997 : 1, size, last = self->len - 1;
	char needed[32], spec[TOPOLOGY_STR_SIZE];
	struct errmsg err;
	u8 *buf;

	snprintf(needed, sizeof(needed), "take %ld bytes", self->len);
	for (size = 0; size <= last; size += size < last ? min(step, last - size) : 1) {
		buf = malloc(size);
		ASSERT_TRUE(buf || !size);
		memset(&err, 0, sizeof(err));
		EXPECT_EQ(-ENOSPC, acpi_build(buf, size, GPA, &self->cfg, &err));
		EXPECT_NE(NULL, strstr(err.text, needed)) TH_LOG("%s", err.text);
		EXPECT_NE(NULL, strstr(err.text, topology_format(&self->topo, spec)));
		free(buf);
	}

	buf = malloc(self->len);
	ASSERT_NE(NULL, buf);
	memset(buf, 0xa5, self->len);
	EXPECT_EQ(self->len, acpi_build(buf, self->len, GPA, &self->cfg, &err));
	EXPECT_EQ(0, memcmp(buf, self->tables, self->len));
	free(buf);
}

TEST_F(acpi, fits_where_it_goes)
{
	EXPECT_LE(self->len, (long)MAP_ACPI_SIZE);
}

/* ---- by iasl ---- */

static bool have_iasl(void)
{
	return !system("command -v iasl >/dev/null 2>&1");
}

static bool write_table(const char *dir, const char *name, const u8 *table)
{
	char path[128];
	size_t len = get(table + 4, 4), done;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.dat", dir, name);
	file = fopen(path, "we");
	if (!file)
		return false;
	done = fwrite(table, 1, len, file);
	return !fclose(file) && done == len;
}

/* Return: whether iasl ended well and had nothing to complain of. */
static bool run_iasl(struct __test_metadata *_metadata, const char *dir, const char *args)
{
	char command[256], line[512];
	bool good = true;
	FILE *output;
	int status;

	snprintf(command, sizeof(command), "cd '%s' && timeout 20 iasl %s 2>&1", dir, args);
	output = popen(command, "re");
	if (!output)
		return false;
	while (fgets(line, sizeof(line), output)) {
		if (strstr(line, "0 Errors, 0 Warnings, 0 Remarks"))
			continue;
		if (!strcasestr(line, "error") && !strcasestr(line, "warning") &&
		    !strcasestr(line, "remark") && !strcasestr(line, "invalid"))
			continue;
		TH_LOG("iasl %s: %s", args, line);
		good = false;
	}
	status = pclose(output);
	if (status)
		TH_LOG("iasl %s: exit status %d", args, status);
	return good && !status;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

/*
 * Write a table to a directory of its own and have it disassembled, and for the
 * DSDT compiled again. Return: the disassembled text, whose file is gone already
 * so that a test can fail without leaving it behind, or NULL.
 */
static FILE *disassemble(struct __test_metadata *_metadata, struct _test_data_acpi *self,
			 const char *name)
{
	const u8 *table = find_table(self, name);
	char dir[64], args[32], path[128];
	FILE *dsl = NULL;

	snprintf(dir, sizeof(dir), "%.40s/ktstr.XXXXXX", getenv("TMPDIR") ?: "/tmp");
	if (!table || !mkdtemp(dir))
		return NULL;
	snprintf(args, sizeof(args), "-d %s.dat", name);
	if (write_table(dir, name, table) && run_iasl(_metadata, dir, args) &&
	    (strcmp(name, "DSDT") || run_iasl(_metadata, dir, "-tc DSDT.dsl"))) {
		snprintf(path, sizeof(path), "%s/%s.dsl", dir, name);
		dsl = fopen(path, "re");
	}
	EXPECT_EQ(0, nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS));
	return dsl;
}

/* The next "[offset] label : value" of a data table. Return: false at the end. */
static bool next_field(FILE *dsl, char *label, size_t size, u64 *value)
{
	char line[512], *start, *colon;

	while (fgets(line, sizeof(line), dsl)) {
		start = strchr(line, ']');
		colon = strstr(line, " : ");
		if (line[0] != '[' || !start || !colon || colon < start)
			continue;
		start += 1 + strspn(start + 1, " ");
		*colon = '\0';
		snprintf(label, size, "%s", start);
		*value = strtoull(colon + 3, NULL, 16);
		return true;
	}
	return false;
}

TEST_F(acpi, iasl_accepts)
{
	char line[512];
	FILE *dsl;
	size_t i;

	if (!have_iasl())
		SKIP(return, NO_IASL);
	for (i = 0; i < nr_tables(variant->spec); i++) {
		dsl = disassemble(_metadata, self, signatures[i]);
		ASSERT_NE(NULL, dsl) TH_LOG("%s", signatures[i]);
		while (fgets(line, sizeof(line), dsl)) {
			EXPECT_FALSE(strcasestr(line, "error") || strcasestr(line, "warning"))
				TH_LOG("%s: %s", signatures[i], line);
			EXPECT_FALSE(strstr(line, "Incorrect") || strstr(line, "Unknown"))
				TH_LOG("%s: %s", signatures[i], line);
		}
		fclose(dsl);
	}
}

/* The entry that the fields from here on belong to; the last one if there are too many */
static struct cpu_entry *new_entry(struct cpu_entries *entries, u32 type)
{
	struct cpu_entry *cpu;

	if (entries->nr < ARRAY_SIZE(entries->cpus))
		entries->nr++;
	cpu = &entries->cpus[entries->nr - 1];
	memset(cpu, 0, sizeof(*cpu));
	cpu->type = type;
	return cpu;
}

TEST_F(acpi, madt)
{
	struct cpu_entries *entries = self->entries;
	unsigned int ioapics = 0, other = 0, i;
	struct cpu_entry *cpu = NULL;
	u64 value, type = -1ULL;
	char label[64];
	FILE *dsl;
	u32 id;

	if (!have_iasl())
		SKIP(return, NO_IASL);
	dsl = disassemble(_metadata, self, "APIC");
	ASSERT_NE(NULL, dsl);
	while (next_field(dsl, label, sizeof(label), &value)) {
		if (!strcmp(label, "Local Apic Address"))
			EXPECT_EQ(MAP_LAPIC, value);
		if (!strcmp(label, "Subtable Type")) {
			type = value;
			cpu = type == 0 || type == 9 ? new_entry(entries, type) : NULL;
			ioapics += type == 1;
			other += type != 0 && type != 1 && type != 9;
		} else if (type == 1 && !strcmp(label, "Address")) {
			EXPECT_EQ(MAP_IOAPIC, value);
		} else if (type == 1 && strcmp(label, "Length")) {
			EXPECT_EQ(0, value) TH_LOG("%s", label);
		} else if (!cpu) {
			continue;
		} else if (!strcmp(label, "Processor ID") || !strcmp(label, "Processor UID")) {
			cpu->uid = value;
		} else if (strcasestr(label, "Apic ID")) {
			cpu->apic_id = value;
		} else if (strstr(label, "Flags")) {
			cpu->flags = value;
		}
	}
	fclose(dsl);

	EXPECT_EQ(1, ioapics);
	EXPECT_EQ(0, other);
	ASSERT_EQ(topology_cpus(&self->topo), entries->nr);
	for (i = 0; i < entries->nr; i++) {
		cpu = &entries->cpus[i];
		id = topology_apic_id(&self->topo, i);
		EXPECT_EQ(i, cpu->uid);
		EXPECT_EQ(id, cpu->apic_id);
		EXPECT_EQ(1, cpu->flags);
		EXPECT_EQ(id < 255 ? 0 : 9, cpu->type);
	}
}

TEST_F(acpi, srat)
{
	struct cpu_entries *entries = self->entries;
	struct mem_region regions[NUMA_MEM_MAX_REGIONS + 1] = {}, *region = NULL;
	unsigned int nr_regions = 0, i;
	struct cpu_entry *cpu = NULL;
	u64 value, type = -1ULL;
	char label[64];
	FILE *dsl;
	u32 id;

	if (!have_iasl())
		SKIP(return, NO_IASL);
	dsl = disassemble(_metadata, self, "SRAT");
	ASSERT_NE(NULL, dsl);
	while (next_field(dsl, label, sizeof(label), &value)) {
		if (!strcmp(label, "Subtable Type")) {
			type = value;
			ASSERT_TRUE(type <= 2);
			cpu = type == 1 ? NULL : new_entry(entries, type);
			if (type == 1) {
				ASSERT_LT(nr_regions, ARRAY_SIZE(regions));
				region = &regions[nr_regions++];
			}
		} else if (cpu && strstr(label, "Domain High")) {
			cpu->node |= value << 8;
		} else if (cpu && strstr(label, "Proximity Domain")) {
			cpu->node = value;
		} else if (cpu && strcasestr(label, "Apic ID")) {
			cpu->apic_id = value;
		} else if (cpu && strstr(label, "Flags")) {
			cpu->flags = value;
		} else if (type == 1 && strstr(label, "Proximity Domain")) {
			region->node = value;
		} else if (type == 1 && strstr(label, "Base Address")) {
			region->gpa = value;
		} else if (type == 1 && strstr(label, "Address Length")) {
			region->size = value;
		} else if (type == 1 && strstr(label, "Flags")) {
			EXPECT_EQ(1, value);
		}
	}
	fclose(dsl);

	ASSERT_EQ(topology_cpus(&self->topo), entries->nr);
	for (i = 0; i < entries->nr; i++) {
		cpu = &entries->cpus[i];
		id = topology_apic_id(&self->topo, i);
		EXPECT_EQ(id, cpu->apic_id);
		EXPECT_EQ(topology_place(&self->topo, i).node, cpu->node);
		EXPECT_EQ(1, cpu->flags);
		EXPECT_EQ(id < 255 ? 0 : 2, cpu->type);
	}
	ASSERT_EQ(self->mem.nr_regions, nr_regions);
	for (i = 0; i < nr_regions; i++) {
		EXPECT_EQ(self->mem.regions[i].node, regions[i].node);
		EXPECT_EQ(self->mem.regions[i].gpa, regions[i].gpa);
		EXPECT_EQ(self->mem.regions[i].size, regions[i].size);
	}
}

/* As iasl reads it: which latencies, bandwidths and caches there are, in their order */
TEST_F(acpi, hmat_by_iasl)
{
	unsigned int nodes = self->topo.nodes, from = 0, to = 0;
	u64 value, type = -1ULL, data_type = 0, unit = 0, caches = 0;
	char label[64];
	FILE *dsl;

	if (nr_tables(variant->spec) < ARRAY_SIZE(signatures))
		return;
	if (!have_iasl())
		SKIP(return, NO_IASL);
	dsl = disassemble(_metadata, self, "HMAT");
	ASSERT_NE(NULL, dsl);
	while (next_field(dsl, label, sizeof(label), &value)) {
		if (!strcmp(label, "Structure Type")) {
			type = value;
			from = 0;
			to = 0;
		} else if (type == 1 && !strcmp(label, "Data Type")) {
			data_type = value;
		} else if (type == 1 && !strcmp(label, "Entry Base Unit")) {
			unit = value;
		} else if (type == 1 && !strcmp(label, "Entry")) {
			while (!topology_node_cpus(&self->topo, from))
				from++;
			ASSERT_LT(from, nodes);
			EXPECT_EQ(data_type ? topology_bandwidth(&self->topo, from, to) :
					      topology_latency(&self->topo, from, to) * 1000ULL,
				  value * unit);
			if (++to == nodes) {
				to = 0;
				from++;
			}
		} else if (type == 2 && !strcmp(label, "Memory Side Cache Size")) {
			caches += value;
		}
	}
	fclose(dsl);
	for (from = 0; from < nodes; from++)
		caches -= topology_node_cache(&self->topo, from);
	EXPECT_EQ(0, caches);
}

/* What is looked for in it */
#define ASL_COM1 "Scope(\\_SB){Device(COM1){Name(_HID,EisaId(\"PNP0501\")"
#define ASL_IO "IO(Decode16,0x%04X,0x%04X,0x01,0x%02X,)"
#define ASL_INTERRUPT "Interrupt(ResourceConsumer,Edge,ActiveHigh,Exclusive,,,){0x%08X,}"
#define ASL_VIRTIO "Name(_HID,\"LNRO0005\")Name(_UID,0x%02X)Name(_CCA,0x01)"
#define ASL_MEMORY "Name(_CRS,ResourceTemplate(){Memory32Fixed(ReadWrite,0x%08lX,0x%08lX,)"

/* The whole file without blanks and comments, to be searched for ASL */
static char *read_asl(FILE *dsl)
{
	char *text = calloc(1, SZ_256K), line[512], *c;
	size_t len = 0;

	while (text && fgets(line, sizeof(line), dsl)) {
		c = strstr(line, "//");
		if (c)
			*c = '\0';
		for (c = line; *c && len < SZ_256K - 1; c++) {
			if (*c != ' ' && *c != '\n')
				text[len++] = *c;
		}
	}
	return text;
}

TEST_F(acpi, dsdt)
{
	char *text, *at, expected[256];
	unsigned int slot, devices = 0;
	FILE *dsl;

	if (!have_iasl())
		SKIP(return, NO_IASL);
	dsl = disassemble(_metadata, self, "DSDT");
	ASSERT_NE(NULL, dsl);
	text = read_asl(dsl);
	fclose(dsl);
	ASSERT_NE(NULL, text);

	EXPECT_NE(NULL, strstr(text, ASL_COM1));
	snprintf(expected, sizeof(expected), ASL_IO ASL_INTERRUPT "})}",
		 PORT_COM1, PORT_COM1, PORT_COM1_SIZE, PORT_COM1_GSI);
	EXPECT_NE(NULL, strstr(text, expected));
	EXPECT_NE(NULL, strstr(text, "Name(\\_S5,Package(0x04){0x05,0x05,0x00,0x00})"));

	for (slot = 0; slot < 32; slot++) {
		snprintf(expected, sizeof(expected), ASL_VIRTIO ASL_MEMORY ASL_INTERRUPT "})}",
			 slot, MAP_VIRTIO(slot), MAP_VIRTIO_SIZE, MAP_VIRTIO_GSI(slot));
		EXPECT_EQ(!!(variant->slots & BIT(slot)), !!strstr(text, expected))
			TH_LOG("slot %u", slot);
	}
	for (at = text; (at = strstr(at, "Device(")); at++)
		devices++;
	EXPECT_EQ(1U + __builtin_popcount(variant->slots), devices);
	free(text);
}

TEST(too_many_cpus_for_the_area)
{
	static struct numa_mem mem = { .nr_regions = 1, .regions = { { .size = SZ_128M } } };
	struct topology topo = { .nodes = 1, .llcs = 4096, .cores = 1, .threads = 1 };
	struct acpi_config cfg = { &topo, &mem, 1 };
	struct errmsg err;
	u8 *buf = malloc(MAP_ACPI_SIZE);

	ASSERT_NE(NULL, buf);
	EXPECT_EQ(-ENOSPC, acpi_build(buf, MAP_ACPI_SIZE, GPA, &cfg, &err));
	EXPECT_EQ(ERRMSG_INPUT, err.kind);
	EXPECT_NE(NULL, strstr(err.text, "1n4096l1c1t")) TH_LOG("%s", err.text);
	free(buf);
}

TEST_HARNESS_MAIN
