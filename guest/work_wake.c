// SPDX-License-Identifier: GPL-2.0
/*
 * Work that consists of waking each other up. Who wakes takes a time stamp right
 * before, so that who is woken up knows how long that took.
 */
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include <linux/kernel.h>

#include "clock.h"
#include "work.h"

/* The time until now was not spent sleeping. */
static u64 stamp(struct work *wk)
{
	u64 none = 0;

	meter_ran(wk->meter, &none);
	return wk->meter->now_ns;
}

/* Change a futex, for one or for all that wait for it. */
static void wake_slot(struct work *wk, struct worker_slot *slot, int n)
{
	__atomic_store_n(&slot->stamp_ns, stamp(wk), __ATOMIC_RELAXED);
	__atomic_add_fetch(&slot->word, 1, __ATOMIC_RELEASE);
	work_wake(wk, &slot->word, n);
}

/* Wait for the @wk->pos'th change of a futex, which nobody changes twice before. */
static bool wait_slot(struct work *wk, struct worker_slot *slot)
{
	if (!work_wait(wk, &slot->word, wk->pos, &slot->stamp_ns))
		return false;
	wk->pos++;
	return true;
}

/*
 * A ring of as many as there are in the team: each waits for its own slot, and
 * then changes that of the next one. The first one's first turn comes by itself.
 */
static void chain(struct work *wk)
{
	u32 next = (wk->member + 1) % wk->team_size;

	if ((wk->priv || wk->member) && !wait_slot(wk, &wk->self->slot))
		return;
	wk->priv = wk;
	work_compute_asked(wk);
	work_done(wk, 1);
	wake_slot(wk, &wk->team[next].slot, 1);
}

const struct work_ops work_chain = { .step = chain };
const struct work_ops work_pingpong = { .step = chain };

static u64 fanout_run_ns(const struct work *wk)
{
	if (wk->spec->work == WIRE_WORK_FANOUT_COMPUTE && !wk->spec->run_ns)
		return 200 * 1000;
	return wk->spec->run_ns;
}

static void fan_out(struct work *wk)
{
	struct worker_slot *slot = &wk->self->slot;
	u32 answers, all = wk->team_size - 1;

	/* One that was not complete at the last signal goes on. */
	if (!wk->pos) {
		__atomic_store_n(&slot->answers, 0, __ATOMIC_RELAXED);
		wake_slot(wk, slot, INT_MAX);
		wk->pos = 1;
	}
	while ((answers = __atomic_load_n(&slot->answers, __ATOMIC_ACQUIRE)) < all)
		if (!work_wait(wk, &slot->answers, answers, &slot->answer_ns))
			return;
	wk->pos = 0;
	work_done(wk, 1);
}

static void answer(struct work *wk)
{
	struct worker_slot *slot = &wk->team->slot;
	u64 run_ns = fanout_run_ns(wk);

	if (!wait_slot(wk, slot))
		return;
	if (run_ns)
		work_compute(wk, run_ns);
	work_done(wk, 1);
	__atomic_store_n(&slot->answer_ns, stamp(wk), __ATOMIC_RELAXED);
	/* Only the last one has to wake the first of the team up. */
	if (__atomic_add_fetch(&slot->answers, 1, __ATOMIC_RELEASE) == wk->team_size - 1)
		work_wake(wk, &slot->answers, 1);
}

static void fanout(struct work *wk)
{
	if (wk->member)
		answer(wk);
	else
		fan_out(wk);
}

const struct work_ops work_fanout = { .step = fanout };

/* What is written is the time stamp, so that who reads it knows when that was. */
bool work_pipe_wait(struct work *wk)
{
	u64 stamp_ns = 0;
	ssize_t n;

	meter_sleep(wk->meter, 0);
	n = read(wk->pipes[wk->member ? 0 : 2], &stamp_ns, sizeof(stamp_ns));
	meter_woke(wk->meter, n == sizeof(stamp_ns) ? stamp_ns : 0);
	if (n < 0 && errno != EINTR)
		work_error(wk);
	return n == sizeof(stamp_ns);
}

void work_pipe_wake(struct work *wk)
{
	u64 stamp_ns = stamp(wk);

	/* There is never more than this in the pipe: it does not block. */
	if (write(wk->pipes[wk->member ? 3 : 1], &stamp_ns, sizeof(stamp_ns)) < 0)
		work_error(wk);
}

static void pipe_pair(struct work *wk)
{
	if ((wk->priv || wk->member) && !work_pipe_wait(wk))
		return;
	wk->priv = wk;
	work_compute_asked(wk);
	work_done(wk, 1);
	work_pipe_wake(wk);
}

const struct work_ops work_pipe = { .step = pipe_pair };

/* On a grid, so that a late wake-up does not put off the next ones */
static void timer(struct work *wk)
{
	u64 period_ns = wk->spec->sleep_ns ?: NSEC_PER_MSEC, now_ns = wk->meter->now_ns;

	if (wk->pos + period_ns > now_ns && wk->pos)
		wk->pos += period_ns;
	else
		wk->pos = now_ns + period_ns;
	work_sleep_until(wk, wk->pos);
	work_compute_asked(wk);
	work_done(wk, 1);
}

const struct work_ops work_timer = { .step = timer };
