// SPDX-License-Identifier: GPL-2.0
/* Work that computes, and lets others compute */
#include <errno.h>
#include <sched.h>

#include "clock.h"
#include "work.h"

#define NSEC_PER_USEC	1000ULL

static void spin(struct work *wk)
{
	work_done(wk, work_compute(wk, 0));
}

const struct work_ops work_spin = { .step = spin };

/* Waiting for others after a yield is a gap, as the worker does not block. */
static void yield(struct work *wk)
{
	work_compute(wk, wk->spec->run_ns ?: 100 * NSEC_PER_USEC);
	work_sched_yield(wk);
	work_done(wk, 1);
}

const struct work_ops work_yield = { .step = yield };

static void mixed(struct work *wk)
{
	u64 run_ns = wk->spec->run_ns ?: NSEC_PER_MSEC;
	u64 sleep_ns = wk->spec->sleep_ns ?: NSEC_PER_MSEC;

	work_compute(wk, work_random(wk) % (2 * run_ns));
	switch (work_random(wk) % 3) {
	case 0:
		work_sleep(wk, work_random(wk) % (2 * sleep_ns));
		break;
	case 1:
		work_sched_yield(wk);
		break;
	}
	work_done(wk, 1);
}

const struct work_ops work_mixed = { .step = mixed };

static void burst(struct work *wk, u64 run_ns, u64 sleep_ns)
{
	work_compute(wk, wk->spec->run_ns ?: run_ns);
	if (work_stopped(wk))
		return;
	work_sleep(wk, wk->spec->sleep_ns ?: sleep_ns);
	work_done(wk, 1);
}

static void bursty(struct work *wk)
{
	burst(wk, 5 * NSEC_PER_MSEC, 5 * NSEC_PER_MSEC);
}

const struct work_ops work_bursty = { .step = bursty };

static bool become_hog(const struct work *wk)
{
	struct sched_param param = { .sched_priority = 1 };

	return wk->attr->policy != SCHED_OTHER || !sched_setscheduler(0, SCHED_FIFO, &param);
}

static int init_hog(struct work *wk)
{
	if (!become_hog(wk))
		return work_fail(wk, errno, "become SCHED_FIFO");
	work_reset_attr(wk);
	return 0;
}

static void enter_hog(struct work *wk)
{
	if (!become_hog(wk))
		work_error(wk);
}

/*
 * By the clock, and not by what gets done: on a host that is slow at the moment the
 * CPU would hardly ever be left to others.
 */
static void hog(struct work *wk)
{
	u64 end = clock_ns() + (wk->spec->run_ns ?: 50 * NSEC_PER_MSEC);

	while (clock_ns() < end && !work_stopped(wk))
		work_compute(wk, 0);
	if (work_stopped(wk))
		return;
	work_sleep(wk, wk->spec->sleep_ns ?: NSEC_PER_MSEC);
	work_done(wk, 1);
}

const struct work_ops work_rt_hog = {
	.init = init_hog, .enter = enter_hog, .step = hog, .leave = work_reset_attr,
};
