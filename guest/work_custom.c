// SPDX-License-Identifier: GPL-2.0
/*
 * Work of one's own: a function here, and its name in wire.c, are all that it takes.
 * The function does one round; work.h says what it has to keep to.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

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
	void (*step)(struct work *wk);
} customs[WIRE_NR_CUSTOM] = {
	[WIRE_CUSTOM_COMPILE] = { compile },
	[WIRE_CUSTOM_KWORKERS] = { kworkers },
};

static int init(struct work *wk)
{
	int custom = wire_custom_find(wk->spec->arg);

	if (custom < 0)
		return work_fail(wk, ENOENT, "there is no custom work \"%.60s\"",
				 wk->spec->arg);
	wk->priv = &customs[custom];
	return 0;
}

static void step(struct work *wk)
{
	const struct custom *custom = wk->priv;

	custom->step(wk);
}

const struct work_ops work_custom = { .init = init, .step = step };
