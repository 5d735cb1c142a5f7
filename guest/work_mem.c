// SPDX-License-Identifier: GPL-2.0
/* Work on memory: caches, page faults, nodes */
#include <errno.h>
#include <linux/sizes.h>
#include <sys/mman.h>

#include <linux/kernel.h>

#include "work.h"

#define LINE_SIZE	64
#define PAGE_BYTES	4096

#define CACHE_ACCESSES	4096
#define FAULTS		64	/* between two readings of the clock */
#define NUMA_ACCESSES	256

/* What eight bytes of memory are at first */
#define FRESH		0x0101010101010101ULL

/* A cache line of the memory that is worked on */
struct line {
	u32 next;
	u32 visits;
	u8 unused[LINE_SIZE - 8];
};

/* A random cycle through all lines (Sattolo's algorithm) */
static void link_lines(struct work *wk)
{
	struct line *lines = wk->mem;
	u32 nr = wk->size / LINE_SIZE, i, j, next;

	for (i = 0; i < nr; i++)
		lines[i].next = i;
	for (i = nr - 1; i > 0; i--) {
		j = work_random(wk) % i;
		next = lines[i].next;
		lines[i].next = lines[j].next;
		lines[j].next = next;
	}
}

static u64 size_of(const struct work *wk, u64 standard, u64 granule)
{
	return max(wk->spec->bytes ?: standard, granule) / granule * granule;
}

static int init_cache(struct work *wk)
{
	u64 size = size_of(wk, SZ_256K, LINE_SIZE);

	if (size / LINE_SIZE > ~0U)
		return work_fail(wk, EINVAL, "work on more than %u cache lines", ~0U);
	if (work_alloc(wk, size))
		return -1;
	link_lines(wk);
	return 0;
}

static void cache(struct work *wk)
{
	struct line *lines = wk->mem;
	u32 at = wk->pos, i;

	for (i = 0; i < CACHE_ACCESSES; i++) {
		lines[at].visits++;
		at = lines[at].next;
	}
	wk->pos = at;
	meter_ran(wk->meter, &wk->best_ns);
	work_done(wk, 1);
}

/* In a cycle, no line is visited more often than another, but for the last time around. */
static void fini_cache(struct work *wk)
{
	const struct line *lines = wk->mem;
	u32 nr = wk->size / LINE_SIZE, least = lines[0].visits, most = least, i;

	for (i = 1; i < nr; i++) {
		least = min(least, lines[i].visits);
		most = max(most, lines[i].visits);
	}
	if (most - least > 1)
		work_corrupt(wk);
}

const struct work_ops work_cache = { .init = init_cache, .step = cache, .fini = fini_cache };

static void cache_yield(struct work *wk)
{
	cache(wk);
	work_sched_yield(wk);
}

const struct work_ops work_cache_yield = {
	.init = init_cache, .step = cache_yield, .fini = fini_cache,
};

/* The first of the two begins; see pipe_pair(). */
static void cache_pipe(struct work *wk)
{
	if ((wk->priv || wk->member) && !work_pipe_wait(wk))
		return;
	wk->priv = wk;
	cache(wk);
	work_pipe_wake(wk);
}

const struct work_ops work_cache_pipe = {
	.init = init_cache, .step = cache_pipe, .fini = fini_cache,
};

static int init_fault(struct work *wk)
{
	if (work_alloc(wk, size_of(wk, SZ_1M, PAGE_BYTES)))
		return -1;
	/* Or it would be one fault for 512 pages. */
	madvise(wk->mem, wk->size, MADV_NOHUGEPAGE);
	madvise(wk->mem, wk->size, MADV_DONTNEED);
	return 0;
}

static void fault(struct work *wk)
{
	u8 *mem = wk->mem;
	u32 i;

	for (i = 0; i < FAULTS && wk->pos < wk->size; i++, wk->pos += PAGE_BYTES)
		WRITE_ONCE(mem[wk->pos], 1);
	meter_ran(wk->meter, &wk->best_ns);
	work_done(wk, i);
	if (wk->pos < wk->size)
		return;
	wk->pos = 0;
	/* (the report says where they are at the end) */
	if (!work_stopped(wk) && madvise(wk->mem, wk->size, MADV_DONTNEED))
		work_error(wk);
}

const struct work_ops work_fault = { .init = init_fault, .step = fault };

static int init_numa(struct work *wk)
{
	return work_alloc(wk, size_of(wk, SZ_16M, PAGE_BYTES));
}

static void numa(struct work *wk)
{
	u64 *word;
	u32 i;

	for (i = 0; i < NUMA_ACCESSES; i++) {
		word = wk->mem + work_random(wk) % (wk->size / PAGE_BYTES) * PAGE_BYTES;
		WRITE_ONCE(*word, *word + 1);
	}
	wk->pos += NUMA_ACCESSES;
	meter_ran(wk->meter, &wk->best_ns);
	work_done(wk, 1);
}

/* Each access has added 1 to what work_alloc() left there. */
static void fini_numa(struct work *wk)
{
	u64 sum = 0, at;

	for (at = 0; at < wk->size; at += PAGE_BYTES)
		sum += *(u64 *)(wk->mem + at) - FRESH;
	if (sum != wk->pos)
		work_corrupt(wk);
}

const struct work_ops work_numa = { .init = init_numa, .step = numa, .fini = fini_numa };
