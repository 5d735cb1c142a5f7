// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "task.h"

bool task_read(pid_t pid, struct task *task)
{
	char path[64], stat[512], *name, *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_text(path, stat, sizeof(stat)))
		return false;
	/* proc_pid_stat(5): "pid (name) state ppid ..."; a name may be anything. */
	name = strchr(stat, '(');
	end = strrchr(stat, ')');
	if (!name || !end)
		return false;
	*end = '\0';
	task->pid = pid;
	snprintf(task->comm, sizeof(task->comm), "%s", name + 1);
	return sscanf(end + 1,
		      " %c %d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		      &task->state, &task->parent, &task->flags, &task->start) == 4;
}

bool task_next(DIR *proc, struct task *task)
{
	struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		pid_t pid = atoi(entry->d_name);

		if (pid > 0 && task_read(pid, task))
			return true;
	}
	return false;
}
