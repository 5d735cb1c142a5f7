// SPDX-License-Identifier: GPL-2.0
/* Work that makes processes */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "work.h"

/* Wait for a child, which may have said when it ended. */
static void wait_for(struct work *wk, pid_t pid)
{
	u64 *ended_ns = &wk->self->slot.stamp_ns;
	int status;

	meter_sleep(wk->meter, 0);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
		meter_woke(wk->meter, 0);
		if (!work_stopped(wk))
			continue;
		kill(pid, SIGKILL);
		return;
	}
	meter_woke(wk->meter, *ended_ns);
	*ended_ns = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		work_error(wk);
	work_done(wk, 1);
}

/* Not more often than it can succeed */
static void no_child(struct work *wk)
{
	work_error(wk);
	work_sleep(wk, NSEC_PER_MSEC);
}

static void fork_exit(struct work *wk)
{
	pid_t pid = fork();

	if (!pid) {
		wk->self->slot.stamp_ns = clock_ns();
		_exit(0);
	}
	if (pid > 0)
		wait_for(wk, pid);
	else
		no_child(wk);
}

const struct work_ops work_fork = { .step = fork_exit };

static void fork_exec(struct work *wk)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/proc/self/exe", "ktstr_agent", WORKER_EXEC_ARG, (char *)NULL);
		_exit(127);
	}
	if (pid > 0)
		wait_for(wk, pid);
	else
		no_child(wk);
}

const struct work_ops work_exec = { .step = fork_exec };
