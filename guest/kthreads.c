// SPDX-License-Identifier: GPL-2.0
#include <linux/sched/types.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"
#include "attr.h"
#include "kthreads.h"

/* What a thread has that others can change */
struct attributes {
	struct wire_attr attr;
	unsigned long cpus[WIRE_MAX_CPUS / 8 / sizeof(long)];
};

/* What it had; @bound: nobody but the kernel changes its CPUs, which it does */
static struct noted {
	pid_t pid;
	unsigned long long start;
	bool bound;
	struct attributes had;
} *noted;

static size_t nr_noted;

static void read_attributes(const struct noted *n, struct attributes *a)
{
	struct sched_attr attr = { };

	memset(a, 0, sizeof(*a));
	syscall(SYS_sched_getattr, n->pid, &attr, sizeof(attr), 0);
	/* (sched_runtime is the slice, which the kernel changes by itself) */
	a->attr.policy = attr.sched_policy;
	a->attr.nice = attr.sched_nice;
	a->attr.priority = attr.sched_priority;
	if (!n->bound)
		syscall(SYS_sched_getaffinity, n->pid, sizeof(a->cpus), a->cpus);
}

void kthreads_note(void)
{
	struct noted *more;
	struct task task;
	DIR *proc;

	if (noted)
		return;
	proc = opendir("/proc");
	while (task_next(proc, &task)) {
		if (!(task.flags & PF_KTHREAD))
			continue;
		more = reallocarray(noted, nr_noted + 1, sizeof(*noted));
		if (!more)
			break;
		noted = more;
		more += nr_noted++;
		more->pid = task.pid;
		more->start = task.start;
		more->bound = task.flags & PF_NO_SETAFFINITY;
		read_attributes(more, &more->had);
	}
	if (proc)
		closedir(proc);
}

/* The threads that are not as they were, one after the other from @n on, or NULL */
static const struct noted *next_changed(const struct noted *n, struct task *task)
{
	struct attributes has;

	for (; n < noted + nr_noted; n++) {
		read_attributes(n, &has);
		/* Or it is gone, and maybe another has its number. */
		if (memcmp(&has, &n->had, sizeof(has)) && task_read(n->pid, task) &&
		    task->start == n->start)
			return n;
	}
	return NULL;
}

void kthreads_restore(void)
{
	const struct noted *n = noted;
	struct task task;

	while ((n = next_changed(n, &task))) {
		attr_set(n->pid, &n->had.attr);
		if (!n->bound)
			syscall(SYS_sched_setaffinity, n->pid, sizeof(n->had.cpus), n->had.cpus);
		n++;
	}
}

void kthreads_changed(void (*changed)(const struct task *task))
{
	const struct noted *n = noted;
	struct task task;

	while ((n = next_changed(n, &task))) {
		changed(&task);
		n++;
	}
}
