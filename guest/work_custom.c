// SPDX-License-Identifier: GPL-2.0
/*
 * Work of one's own: a function and its name here are all that it takes. The
 * function does one round; work.h says what it has to keep to.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <linux/kernel.h>

#include "clock.h"
#include "work.h"

/* Phases of a compiler run: short and long computing, with yields between */
static void compile(struct work *wk)
{
	work_compute(wk, NSEC_PER_MSEC / 10);
	work_sched_yield(wk);
	work_compute(wk, 2 * NSEC_PER_MSEC);
	work_sleep(wk, NSEC_PER_MSEC / 10);
	work_done(wk, 1);
}

/*
 * Each CPU's kworker has to run until this is read: it brings the statistics up
 * to date (schedule_on_each_cpu() in mm/vmstat.c).
 */
static void kworkers(struct work *wk)
{
	char buf[16];

	if (wk->fd < 0)
		wk->fd = open("/proc/sys/vm/stat_refresh", O_RDONLY | O_CLOEXEC);
	meter_sleep(wk->meter, 0);
	if (pread(wk->fd, buf, sizeof(buf), 0) < 0)
		work_error(wk);
	meter_woke(wk->meter, 0);
	work_done(wk, 1);
}

static const struct custom {
	const char *name;
	void (*step)(struct work *wk);
} customs[] = {
	{ "compile", compile },
	{ "kworkers", kworkers },
};

static int init(struct work *wk)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(customs); i++)
		if (!strcmp(customs[i].name, wk->spec->arg))
			wk->priv = &customs[i];
	if (!wk->priv)
		return work_fail(wk, ENOENT, "there is no custom work \"%.60s\"",
				 wk->spec->arg);
	return 0;
}

static void step(struct work *wk)
{
	const struct custom *custom = wk->priv;

	custom->step(wk);
}

const struct work_ops work_custom = { .init = init, .step = step };
