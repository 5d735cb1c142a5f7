// SPDX-License-Identifier: GPL-2.0
/* Work that changes how it is to be scheduled, over and over */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/kernel.h>

#include "agent.h"
#include "clock.h"
#include "work.h"

#define MAX_CGROUPS	16

static void compute(struct work *wk)
{
	work_compute(wk, wk->spec->run_ns ?: NSEC_PER_MSEC);
}

/* A round, whose system call has returned @ret */
static void done(struct work *wk, int ret)
{
	if (ret < 0)
		work_error(wk);
	work_done(wk, 1);
	wk->pos++;
}

static int init_nice(struct work *wk)
{
	if (setpriority(PRIO_PROCESS, 0, -20))
		return work_fail(wk, errno, "have nice value -20");
	work_reset_attr(wk);
	return 0;
}

static void nice_sweep(struct work *wk)
{
	compute(wk);
	done(wk, setpriority(PRIO_PROCESS, 0, (int)((wk->pos + 1) % 40) - 20));
}

const struct work_ops work_nice = {
	.init = init_nice, .step = nice_sweep, .leave = work_reset_attr,
};

/* What it may use; without the later changes of its cgroup's cpuset */
static cpu_set_t allowed;

static int init_affinity(struct work *wk)
{
	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return work_fail(wk, errno, "get its affinity");
	return 0;
}

static void affinity_churn(struct work *wk)
{
	u32 left = CPU_COUNT(&allowed), sure = work_random(wk) % left, cpu;
	cpu_set_t some;
	int ret;

	CPU_ZERO(&some);
	for (cpu = 0; left; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		if (--left == sure || work_random(wk) >> 63)
			CPU_SET(cpu, &some);
	}
	compute(wk);
	ret = sched_setaffinity(0, sizeof(some), &some);
	/* The cpuset, or the CPUs, may just have been changed. */
	done(wk, ret && errno == EINVAL ? 0 : ret);
}

/* See affinity_churn(): if its CPUs are not there any more, the kernel has chosen. */
static void leave_affinity(struct work *wk)
{
	if (sched_setaffinity(0, sizeof(allowed), &allowed) && errno != EINVAL)
		work_error(wk);
}

const struct work_ops work_affinity = {
	.init = init_affinity, .step = affinity_churn, .leave = leave_affinity,
};

static const int policies[] = { SCHED_OTHER, SCHED_BATCH, SCHED_IDLE, SCHED_FIFO, SCHED_RR };

static int change_policy(u64 n)
{
	int policy = policies[n % ARRAY_SIZE(policies)];
	struct sched_param param = {
		.sched_priority = policy == SCHED_FIFO || policy == SCHED_RR,
	};

	return sched_setscheduler(0, policy, &param);
}

static int init_policy(struct work *wk)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(policies); i++)
		if (change_policy(i))
			return work_fail(wk, errno, "have policy %d", policies[i]);
	work_reset_attr(wk);
	return 0;
}

static void policy_churn(struct work *wk)
{
	compute(wk);
	done(wk, change_policy(wk->pos + 1));
}

static void fini_policy(struct work *wk)
{
	(void)wk;
	change_policy(0);
}

const struct work_ops work_policy = {
	.init = init_policy, .step = policy_churn, .leave = work_reset_attr, .fini = fini_policy,
};

static int cgroup_fds[MAX_CGROUPS];
static u32 nr_cgroups;

static int init_cgroup(struct work *wk)
{
	const char *pos = wk->spec->arg;
	char path[WIRE_MAX_PATH];
	int len;

	nr_cgroups = 0;
	for (pos += strspn(pos, " "); *pos; pos += len, pos += strspn(pos, " ")) {
		len = strcspn(pos, " ");
		snprintf(path, sizeof(path), "%.*s/cgroup.procs", len, pos);
		if (nr_cgroups == MAX_CGROUPS)
			return work_fail(wk, E2BIG, "move between more than %d cgroups",
					 MAX_CGROUPS);
		cgroup_fds[nr_cgroups] = open(path, O_WRONLY | O_CLOEXEC);
		if (cgroup_fds[nr_cgroups] < 0)
			return work_fail(wk, errno, "open %s", path);
		nr_cgroups++;
	}
	return nr_cgroups ? 0 : work_fail(wk, EINVAL, "move between no cgroups");
}

static void cgroup_storm(struct work *wk)
{
	int ret;

	compute(wk);
	meter_sleep(wk->meter, 0);
	ret = write(cgroup_fds[wk->pos % nr_cgroups], "0", 1);
	meter_woke(wk->meter, 0);
	done(wk, ret < 0 && errno == EINTR ? 0 : ret);
}

const struct work_ops work_cgroup = { .init = init_cgroup, .step = cgroup_storm };
