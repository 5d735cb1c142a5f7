/* SPDX-License-Identifier: GPL-2.0 */
/* Tasks as /proc has them */
#ifndef KTSTR_TASK_H
#define KTSTR_TASK_H

#include <dirent.h>
#include <stdbool.h>
#include <sys/types.h>

/* Of the kernel's flags for a task (linux/sched.h there) */
#define PF_KTHREAD		0x00200000
#define PF_NO_SETAFFINITY	0x04000000

/**
 * struct task - a line of /proc/PID/stat
 * @pid: the process
 * @parent: its parent
 * @flags: PF_*
 * @state: 'R', 'S', 'Z', ...
 * @start: when it started, in ticks since the boot: with @pid, who it is
 * @comm: its name
 */
struct task {
	pid_t pid;
	pid_t parent;
	unsigned int flags;
	char state;
	unsigned long long start;
	char comm[64];
};

/* Is there such a process? Fills in @task. */
bool task_read(pid_t pid, struct task *task);

/* The next process of an open /proc; false after the last, or if @proc is NULL */
bool task_next(DIR *proc, struct task *task);

#endif /* KTSTR_TASK_H */
