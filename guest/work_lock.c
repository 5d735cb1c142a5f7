// SPDX-License-Identifier: GPL-2.0
/* Work that contends for a lock */
#include <errno.h>
#include <sched.h>
#include <sys/resource.h>

#include <linux/kernel.h>

#include "clock.h"
#include "work.h"

/*
 * The futex of the first of the team: 0 is free, 1 is taken, 2 is taken and
 * maybe waited for; mutex3 of Drepper, "Futexes Are Tricky".
 */
static bool lock(struct work *wk)
{
	struct worker_slot *slot = &wk->team->slot;
	u32 old = 0;

	if (__atomic_compare_exchange_n(&slot->word, &old, 1, false, __ATOMIC_ACQUIRE,
					__ATOMIC_RELAXED))
		return true;
	while (__atomic_exchange_n(&slot->word, 2, __ATOMIC_ACQUIRE))
		if (!work_wait(wk, &slot->word, 2, &slot->stamp_ns))
			return false;
	return true;
}

static void unlock(struct work *wk)
{
	struct worker_slot *slot = &wk->team->slot;

	/* The last reading of the clock is just over: the end of computing. */
	__atomic_store_n(&slot->stamp_ns, wk->meter->now_ns, __ATOMIC_RELAXED);
	if (__atomic_exchange_n(&slot->word, 0, __ATOMIC_RELEASE) == 2)
		work_wake(wk, &slot->word, 1);
}

static void mutex(struct work *wk)
{
	u64 run_ns = wk->spec->run_ns ?: 20 * 1000;

	if (!lock(wk))
		return;
	work_compute(wk, run_ns);
	unlock(wk);
	work_done(wk, 1);
	work_compute(wk, run_ns);
}

const struct work_ops work_mutex = { .step = mutex };

enum { LOW, MIDDLE, HIGH };

static bool is_real_time(const struct work *wk)
{
	return wk->attr->policy == SCHED_FIFO || wk->attr->policy == SCHED_RR;
}

static int init_inversion(struct work *wk)
{
	static const int nice_of[] = { [LOW] = 15, [MIDDLE] = 0, [HIGH] = -15 };
	struct sched_param param = {
		.sched_priority = min_t(u32, wk->attr->priority + wk->member, WIRE_MAX_PRIORITY),
	};

	if (is_real_time(wk) && sched_setscheduler(0, wk->attr->policy, &param))
		return work_fail(wk, errno, "have real-time priority %d", param.sched_priority);
	if (!is_real_time(wk) && setpriority(PRIO_PROCESS, 0, nice_of[wk->member]))
		return work_fail(wk, errno, "have nice value %d", nice_of[wk->member]);
	return 0;
}

static void inversion(struct work *wk)
{
	u64 run_ns = wk->spec->run_ns ?: 2 * NSEC_PER_MSEC;

	if (wk->member == HIGH)
		work_sleep(wk, wk->spec->sleep_ns ?: 5 * NSEC_PER_MSEC);
	if (wk->member != MIDDLE && !lock(wk))
		return;
	if (wk->member != HIGH)
		work_compute(wk, run_ns);
	if (wk->member != MIDDLE)
		unlock(wk);
	work_done(wk, 1);
	/* Real-time tasks that never sleep are another matter. */
	if (wk->member != HIGH && is_real_time(wk))
		work_sleep(wk, run_ns);
}

const struct work_ops work_inversion = { .init = init_inversion, .step = inversion };
