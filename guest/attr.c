// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attr.h"
#include "cpulist.h"

/* Older headers do not have it. */
#define POLICY_EXT	7

static bool has_priority(const struct wire_attr *attr)
{
	return attr->policy == SCHED_FIFO || attr->policy == SCHED_RR;
}

bool attr_valid(const struct wire_attr *attr)
{
	bool priority = attr->priority && attr->priority <= WIRE_MAX_PRIORITY;

	if (has_priority(attr) ? !priority : attr->priority)
		return false;
	return attr->policy <= POLICY_EXT && attr->nice >= -20 && attr->nice <= 19;
}

bool attr_cpus_valid(const char *cpus)
{
	struct cpu_set set;

	return *cpus && !cpu_set_parse(&set, cpus);
}

int attr_set(pid_t pid, const struct wire_attr *attr)
{
	struct sched_attr sa = {
		.size = sizeof(sa),
		.sched_policy = attr->policy,
		.sched_nice = attr->nice,
		.sched_priority = attr->priority,
		.sched_runtime = attr->runtime_ns,
		.sched_deadline = attr->deadline_ns,
		.sched_period = attr->period_ns,
	};

	return syscall(SYS_sched_setattr, pid, &sa, 0) ? -errno : 0;
}

int attr_set_cpus(pid_t pid, const char *cpus)
{
	struct cpu_set set;

	/* The kernel ignores CPUs beyond its own. */
	if (cpu_set_parse(&set, cpus))
		return -EINVAL;
	return syscall(SYS_sched_setaffinity, pid, sizeof(set.bits), set.bits) ? -errno : 0;
}
