// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kernel.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host_topology.h"

#define SYS_CPU		"sys/devices/system/cpu"
#define SYS_NODE	"sys/devices/system/node"
#define HUGE_2M		"hugepages/hugepages-2048kB/free_hugepages"

/* A list of every second of TOPOLOGY_MAX_CPUS CPUs has 10 KiB. */
#define TEXT_SIZE	(16 * 1024)

/* More than any processor has */
#define MAX_CACHES	16
#define NO_GROUP	0xffff

/* A file of the host, and what it says */
struct file {
	const char *root;
	struct errmsg *err;
	char path[PATH_MAX];
	char text[TEXT_SIZE];
};

static int malformed(struct file *f, const char *what)
{
	return errmsg_set(f->err, ERRMSG_HOST, 0, "%s: \"%.64s\" is not %s", f->path, f->text,
			  what);
}

/* Read all of a file, without the newline at its end. */
__printf(2, 3)
static int read_file(struct file *f, const char *fmt, ...)
{
	ssize_t len, n;
	va_list ap;
	int fd;

	snprintf(f->path, sizeof(f->path), "%s/", f->root);
	len = strlen(f->path);
	va_start(ap, fmt);
	vsnprintf(f->path + len, sizeof(f->path) - len, fmt, ap);
	va_end(ap);

	fd = open(f->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errmsg_set(f->err, ERRMSG_HOST, errno, "reading %s", f->path);
	len = 0;
	while ((n = read(fd, f->text + len, sizeof(f->text) - 1 - len)) > 0)
		len += n;
	if (n < 0)
		n = errmsg_set(f->err, ERRMSG_HOST, errno, "reading %s", f->path);
	close(fd);
	if (n < 0)
		return n;
	if (len && f->text[len - 1] == '\n')
		len--;
	f->text[len] = '\0';
	return 0;
}

static int parse_set(struct file *f, struct cpu_set *set, const char *list)
{
	if (cpu_set_parse(set, list))
		return malformed(f, "a list of CPUs");
	return 0;
}

static int parse_number(struct file *f, unsigned long max, unsigned long *number)
{
	char *end;

	errno = 0;
	*number = strtoul(f->text, &end, 10);
	if (!isdigit((unsigned char)f->text[0]) || *end || errno || *number > max)
		return malformed(f, "the number that belongs there");
	return 0;
}

/* -- nodes ---------------------------------------------------------------------- */

static int read_distances(struct file *f, struct host_topology *ht, unsigned int node)
{
	const char *pos;
	unsigned int i;
	char *end;
	long val;
	int ret;

	ret = read_file(f, SYS_NODE "/node%u/distance", ht->nodes[node].id);
	if (ret)
		return ret;
	for (i = 0, pos = f->text; i < ht->nr_nodes; i++, pos = end) {
		val = strtol(pos, &end, 10);
		/* ACPI 6.5, 5.2.17: below 10 is reserved. */
		if (end == pos || val < TOPOLOGY_LOCAL_DISTANCE || val > 255)
			break;
		ht->distances[node][i] = val;
	}
	while (*pos == ' ')
		pos++;
	if (i < ht->nr_nodes || *pos)
		return malformed(f, "a distance from 10 to 255 for each node");
	return 0;
}

static int read_node_cpus(struct file *f, struct host_topology *ht, unsigned int node)
{
	struct cpu_set cpus;
	unsigned int cpu;
	int ret;

	ret = read_file(f, SYS_NODE "/node%u/cpulist", ht->nodes[node].id) ?:
	      parse_set(f, &cpus, f->text);
	if (ret)
		return ret;
	cpu_set_and(&cpus, &ht->online);
	for (cpu = cpu_set_next(&cpus, 0); cpu < TOPOLOGY_MAX_CPUS;
	     cpu = cpu_set_next(&cpus, cpu + 1)) {
		if (ht->cpus[cpu].node != NO_GROUP)
			return malformed(f, "free of other nodes' CPUs");
		ht->cpus[cpu].node = node;
	}
	return 0;
}

static int read_free_huge(struct file *f, struct host_node *node, bool numa)
{
	unsigned long number = 0;
	int ret;

	if (numa)
		ret = read_file(f, SYS_NODE "/node%u/" HUGE_2M, node->id);
	else
		ret = read_file(f, "sys/kernel/mm/" HUGE_2M);
	if (ret == -ENOENT)
		return 0;
	ret = ret ?: parse_number(f, ULONG_MAX, &number);
	node->free_huge = number;
	return ret;
}

static int one_node(struct file *f, struct host_topology *ht)
{
	unsigned int cpu;

	ht->nr_nodes = 1;
	ht->distances[0][0] = TOPOLOGY_LOCAL_DISTANCE;
	for (cpu = 0; cpu < TOPOLOGY_MAX_CPUS; cpu++)
		ht->cpus[cpu].node = 0;
	return read_free_huge(f, &ht->nodes[0], false);
}

static int read_nodes(struct file *f, struct host_topology *ht)
{
	struct cpu_set ids;
	unsigned int id, i;
	int ret;

	ret = read_file(f, SYS_NODE "/online");
	if (ret == -ENOENT)
		return one_node(f, ht);
	ret = ret ?: parse_set(f, &ids, f->text);
	if (ret)
		return ret;
	if (!cpu_set_count(&ids) || cpu_set_count(&ids) > HOST_MAX_NODES)
		return malformed(f, "a list of 1 to 128 nodes");

	for (id = cpu_set_next(&ids, 0); id < TOPOLOGY_MAX_CPUS; id = cpu_set_next(&ids, id + 1))
		ht->nodes[ht->nr_nodes++].id = id;
	for (i = 0; i < ht->nr_nodes && !ret; i++)
		ret = read_node_cpus(f, ht, i) ?: read_distances(f, ht, i) ?:
		      read_free_huge(f, &ht->nodes[i], true);
	if (ret)
		return ret;
	for (i = cpu_set_next(&ht->online, 0); i < TOPOLOGY_MAX_CPUS;
	     i = cpu_set_next(&ht->online, i + 1)) {
		if (ht->cpus[i].node == NO_GROUP)
			return errmsg_set(f->err, ERRMSG_HOST, 0,
					  "%s/" SYS_NODE ": CPU %u is online and in no node",
					  f->root, i);
	}
	return 0;
}

/* -- cores and caches ------------------------------------------------------------- */

/* The list that was just read for @cpu, without CPUs that are offline */
static int parse_group(struct file *f, const struct host_topology *ht, unsigned int cpu,
		       struct cpu_set *group)
{
	int ret = parse_set(f, group, f->text);

	if (ret)
		return ret;
	cpu_set_and(group, &ht->online);
	if (!cpu_set_has(group, cpu))
		return malformed(f, "a list with the CPU itself in it");
	return 0;
}

/* thread_siblings_list is the older name (before Linux 5.3). */
static int read_core(struct file *f, struct host_topology *ht, unsigned int cpu)
{
	struct cpu_set core;
	unsigned int i;
	int ret;

	ret = read_file(f, SYS_CPU "/cpu%u/topology/core_cpus_list", cpu);
	if (ret == -ENOENT)
		ret = read_file(f, SYS_CPU "/cpu%u/topology/thread_siblings_list", cpu);
	ret = ret ?: parse_group(f, ht, cpu, &core);
	if (ret)
		return ret;
	for (i = cpu_set_next(&core, 0); i < TOPOLOGY_MAX_CPUS; i = cpu_set_next(&core, i + 1)) {
		if (ht->cpus[i].core != NO_GROUP)
			return malformed(f, "free of other cores' CPUs");
		ht->cpus[i].core = cpu;
	}
	return 0;
}

/* Return: index of the data or unified cache of the highest level, -ENOENT if none */
static int find_last_cache(struct file *f, unsigned int cpu)
{
	unsigned long level, highest = 0;
	int i, ret, found = -ENOENT;

	for (i = 0; i < MAX_CACHES; i++) {
		ret = read_file(f, SYS_CPU "/cpu%u/cache/index%d/level", cpu, i);
		if (ret == -ENOENT)
			break;
		ret = ret ?: parse_number(f, 9, &level) ?:
		      read_file(f, SYS_CPU "/cpu%u/cache/index%d/type", cpu, i);
		if (ret)	/* a half of a cache is not the same as none */
			return ret == -ENOENT ? -EIO : ret;
		if (!strcmp(f->text, "Instruction") || level <= highest)
			continue;
		highest = level;
		found = i;
	}
	return found;
}

static int read_package(struct file *f, unsigned int cpu, unsigned long *package)
{
	return read_file(f, SYS_CPU "/cpu%u/topology/physical_package_id", cpu) ?:
	       parse_number(f, INT_MAX, package);
}

/* CPUs of the same package that have no caches either */
static int guess_llc(struct file *f, struct host_topology *ht, unsigned int cpu,
		     struct cpu_set *llc)
{
	unsigned long package, other;
	unsigned int i;
	int ret;

	memset(llc, 0, sizeof(*llc));
	ret = read_package(f, cpu, &package);
	for (i = cpu; i < TOPOLOGY_MAX_CPUS && !ret; i = cpu_set_next(&ht->online, i + 1)) {
		if (ht->cpus[i].llc != NO_GROUP)
			continue;
		ret = read_package(f, i, &other);
		if (ret || other != package)
			continue;
		ret = find_last_cache(f, i);
		if (ret == -ENOENT)
			cpu_set_add(llc, i);
		ret = ret == -ENOENT || ret >= 0 ? 0 : ret;
	}
	return ret;
}

static int read_llc(struct file *f, struct host_topology *ht, unsigned int cpu)
{
	struct cpu_set cpus;
	unsigned int i;
	int ret;

	ret = find_last_cache(f, cpu);
	if (ret == -ENOENT)
		ret = guess_llc(f, ht, cpu, &cpus);
	else if (ret >= 0)
		ret = read_file(f, SYS_CPU "/cpu%u/cache/index%d/shared_cpu_list", cpu, ret) ?:
		      parse_group(f, ht, cpu, &cpus);
	if (ret)
		return ret;

	for (i = cpu_set_next(&cpus, 0); i < TOPOLOGY_MAX_CPUS; i = cpu_set_next(&cpus, i + 1)) {
		if (ht->cpus[i].node != ht->cpus[cpu].node)
			continue;
		if (ht->cpus[i].llc != NO_GROUP)
			return malformed(f, "free of other caches' CPUs");
		ht->cpus[i].llc = ht->nr_llcs;
	}
	ht->llcs[ht->nr_llcs++] = (struct host_llc) {
		.first = cpu,
		.node = ht->cpus[cpu].node,
	};
	return 0;
}

/* One CPU of each core and cache speaks for all of them. */
static int read_groups(struct file *f, struct host_topology *ht)
{
	unsigned int cpu;
	int ret = 0;

	for (cpu = cpu_set_next(&ht->online, 0); cpu < TOPOLOGY_MAX_CPUS && !ret;
	     cpu = cpu_set_next(&ht->online, cpu + 1)) {
		if (ht->cpus[cpu].core == NO_GROUP)
			ret = read_core(f, ht, cpu);
		if (!ret && ht->cpus[cpu].llc == NO_GROUP)
			ret = read_llc(f, ht, cpu);
	}
	return ret;
}

/* A PMU's cpus: hybrid machines have one per kind of core. */
static int read_kinds(struct file *f, struct host_topology *ht)
{
	static const char * const pmus[] = { "cpu_atom", "cpu_lowpower" };
	struct cpu_set cpus;
	unsigned int cpu;
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(pmus); i++) {
		ret = read_file(f, "sys/devices/%s/cpus", pmus[i]);
		if (ret == -ENOENT)
			continue;
		ret = ret ?: parse_set(f, &cpus, f->text);
		if (ret)
			return ret;
		for (cpu = cpu_set_next(&cpus, 0); cpu < TOPOLOGY_MAX_CPUS;
		     cpu = cpu_set_next(&cpus, cpu + 1))
			ht->cpus[cpu].kind = HOST_CPU_EFFICIENT;
	}
	return 0;
}

/* -- what may be used --------------------------------------------------------------- */

/* What follows a key at the start of a line; the line ends there. */
static char *find_line(char *text, const char *key)
{
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n"))) {
		if (!strncmp(line, key, strlen(key)))
			return line + strlen(key);
	}
	return NULL;
}

static int read_affinity(struct file *f, struct host_topology *ht)
{
	char *list;
	int ret;

	ret = read_file(f, "proc/thread-self/status");
	if (ret)
		return ret;
	list = find_line(f->text, "Cpus_allowed_list:\t");
	if (!list)
		return errmsg_set(f->err, ERRMSG_HOST, 0, "%s: no Cpus_allowed_list", f->path);
	ret = parse_set(f, &ht->allowed, list);
	cpu_set_and(&ht->allowed, &ht->online);
	return ret;
}

/* The nearest cgroup on the way to the root that has the controller decides. */
static int read_cpuset(struct file *f, struct host_topology *ht)
{
	char group[PATH_MAX], *path;
	struct cpu_set cpus;
	int ret;

	ret = read_file(f, "proc/thread-self/cgroup");
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	path = find_line(f->text, "0::");
	if (!path)
		return 0;
	snprintf(group, sizeof(group), "%s", path);
	while (*group) {
		ret = read_file(f, "sys/fs/cgroup%s/cpuset.cpus.effective", group);
		if (ret != -ENOENT)
			break;
		path = strrchr(group, '/') ?: group;
		*path = '\0';
	}
	if (!*group)
		return 0;
	ret = ret ?: parse_set(f, &cpus, f->text);
	if (!ret)
		cpu_set_and(&ht->allowed, &cpus);
	return ret;
}

static int read_allowed(struct file *f, struct host_topology *ht)
{
	int ret = read_affinity(f, ht) ?: read_cpuset(f, ht);

	if (!ret && !cpu_set_count(&ht->allowed))
		ret = errmsg_set(f->err, ERRMSG_HOST, 0,
				 "no CPU that this process may use is online (see taskset -p, cpuset.cpus.effective)");
	return ret;
}

static int read_online(struct file *f, struct host_topology *ht)
{
	int ret;

	ret = read_file(f, SYS_CPU "/online") ?: parse_set(f, &ht->online, f->text);
	if (!ret && !cpu_set_count(&ht->online))
		ret = malformed(f, "a list of CPUs");
	return ret;
}

struct host_topology *host_topology_read(const char *root, struct errmsg *err)
{
	struct host_topology *ht = calloc(1, sizeof(*ht));
	struct file *f = malloc(sizeof(*f));
	unsigned int cpu;
	int ret;

	if (!ht || !f) {
		ret = errmsg_set(err, ERRMSG_HOST, ENOMEM, "reading the host's topology");
		goto failed;
	}
	f->root = root;
	f->err = err;
	for (cpu = 0; cpu < TOPOLOGY_MAX_CPUS; cpu++)
		ht->cpus[cpu] = (struct host_cpu) { NO_GROUP, NO_GROUP, NO_GROUP, 0 };

	ret = read_online(f, ht) ?:
	      read_allowed(f, ht) ?:
	      read_nodes(f, ht) ?:
	      read_groups(f, ht) ?:
	      read_kinds(f, ht);
	if (ret)
		goto failed;
	free(f);
	return ht;

failed:
	free(f);
	free(ht);
	errno = -ret;
	return NULL;
}
