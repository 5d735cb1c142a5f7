// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/futex.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/kernel.h>

#include "agent.h"
#include "attr.h"
#include "clock.h"
#include "place.h"
#include "work.h"
#include "worker.h"

/*
 * A unit of work takes 20-40 us natively: long enough for reading the clock
 * (30 to 70 ns in the vDSO, 150 ns as a system call) to cost less than 1 %, and
 * short beside the gaps that count. "make bench" has what it comes to (measuring).
 */
#define UNIT_LOOPS	20000

static const struct work_ops *const ops_of[WIRE_NR_WORK] = {
	[WIRE_WORK_SPIN]		= &work_spin,
	[WIRE_WORK_YIELD]		= &work_yield,
	[WIRE_WORK_MIXED]		= &work_mixed,
	[WIRE_WORK_BURSTY]		= &work_bursty,
	[WIRE_WORK_RT_HOG]		= &work_rt_hog,
	[WIRE_WORK_PIPE]		= &work_pipe,
	[WIRE_WORK_PINGPONG]		= &work_pingpong,
	[WIRE_WORK_FANOUT]		= &work_fanout,
	[WIRE_WORK_FANOUT_COMPUTE]	= &work_fanout,
	[WIRE_WORK_CHAIN]		= &work_chain,
	[WIRE_WORK_TIMER]		= &work_timer,
	[WIRE_WORK_MUTEX]		= &work_mutex,
	[WIRE_WORK_INVERSION]		= &work_inversion,
	[WIRE_WORK_CACHE]		= &work_cache,
	[WIRE_WORK_CACHE_YIELD]		= &work_cache_yield,
	[WIRE_WORK_CACHE_PIPE]		= &work_cache_pipe,
	[WIRE_WORK_FAULT]		= &work_fault,
	[WIRE_WORK_NUMA]		= &work_numa,
	[WIRE_WORK_FORK]		= &work_fork,
	[WIRE_WORK_EXEC]		= &work_exec,
	[WIRE_WORK_NICE]		= &work_nice,
	[WIRE_WORK_AFFINITY]		= &work_affinity,
	[WIRE_WORK_POLICY]		= &work_policy,
	[WIRE_WORK_CGROUP]		= &work_cgroup,
	[WIRE_WORK_IO_SYNC]		= &work_io_sync,
	[WIRE_WORK_DISK]		= &work_disk,
	[WIRE_WORK_NET]			= &work_net,
	[WIRE_WORK_CUSTOM]		= &work_custom,
};

/* What a unit of work has to result in, and how long it takes undisturbed */
static u64 expected;
static u64 undisturbed_ns = NEVER;

bool worker_needs_pipes(u32 type)
{
	return type == WIRE_WORK_PIPE || type == WIRE_WORK_CACHE_PIPE;
}

bool work_stopped(const struct work *wk)
{
	const struct meter *m = wk->meter;

	return m->now_ns >= __atomic_load_n(&m->run->deadline_ns, __ATOMIC_RELAXED);
}

void work_done(struct work *wk, u64 rounds)
{
	wk->self->report.units += rounds;
}

void work_error(struct work *wk)
{
	wk->self->report.flags |= WIRE_REPORT_ERROR;
}

void work_corrupt(struct work *wk)
{
	wk->self->report.flags |= WIRE_REPORT_CORRUPT;
}

int work_fail(struct work *wk, int errnum, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(wk->self->error, sizeof(wk->self->error), fmt, ap);
	va_end(ap);
	__atomic_store_n(&wk->self->errnum, errnum, __ATOMIC_RELEASE);
	return -1;
}

void work_reset_attr(struct work *wk)
{
	if (attr_set(0, wk->attr))
		work_error(wk);
}

/*
 * Always the same numbers: another result is a register that was lost over a
 * context switch.
 */
static u64 work_unit(void)
{
	u64 x = 1;
	int i;

	for (i = 0; i < UNIT_LOOPS; i++) {
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		/* or the compiler finds a shorter way */
		__asm__ volatile("" : "+r" (x));
	}
	return x;
}

static void calibrate(void)
{
	u64 before;
	int i;

	for (i = 0; i < 3; i++) {
		before = clock_ns();
		expected = work_unit();
		undisturbed_ns = min(undisturbed_ns, clock_ns() - before);
	}
}

u64 work_compute(struct work *wk, u64 ns)
{
	struct wire_report *r = &wk->self->report;
	u64 units = ns / max_t(u64, min(r->unit_ns, undisturbed_ns), 1), done;

	for (done = 0; done < max_t(u64, units, 1) && !work_stopped(wk); done++) {
		if (work_unit() != expected)
			work_corrupt(wk);
		meter_ran(wk->meter, &r->unit_ns);
	}
	return done;
}

void work_compute_asked(struct work *wk)
{
	if (wk->spec->run_ns)
		work_compute(wk, wk->spec->run_ns);
}

void work_sched_yield(struct work *wk)
{
	if (sched_yield())
		work_error(wk);
}

void work_sleep_until(struct work *wk, u64 due_ns)
{
	struct timespec ts = {
		.tv_sec = due_ns / NSEC_PER_SEC,
		.tv_nsec = due_ns % NSEC_PER_SEC,
	};
	int ret;

	meter_sleep(wk->meter, due_ns);
	ret = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	meter_woke(wk->meter, due_ns);
	if (ret && ret != EINTR)
		work_error(wk);
}

void work_sleep(struct work *wk, u64 ns)
{
	work_sleep_until(wk, wk->meter->now_ns + ns);
}

bool work_wait(struct work *wk, u32 *word, u32 seen, const u64 *stamp_ns)
{
	bool slept = false, changed;
	u64 none = 0;

	meter_sleep(wk->meter, 0);
	while (!(changed = __atomic_load_n(word, __ATOMIC_ACQUIRE) != seen)) {
		if (!syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0)) {
			slept = true;
			continue;
		}
		if (errno == EAGAIN)
			continue;
		if (errno != EINTR)
			work_error(wk);
		break;
	}
	/* Who does not have to sleep is not woken up. */
	if (changed && !slept)
		meter_ran(wk->meter, &none);
	else
		meter_woke(wk->meter, changed ? *stamp_ns : 0);
	return changed;
}

void work_wake(struct work *wk, u32 *word, int n)
{
	if (syscall(SYS_futex, word, FUTEX_WAKE, n, NULL, NULL, 0) < 0)
		work_error(wk);
}

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators" */
u64 work_random(struct work *wk)
{
	wk->rng ^= wk->rng >> 12;
	wk->rng ^= wk->rng << 25;
	wk->rng ^= wk->rng >> 27;
	return wk->rng * 0x2545f4914f6cdd1dULL;
}

int work_alloc(struct work *wk, u64 size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	if (mem == MAP_FAILED)
		return work_fail(wk, errno, "get %llu bytes of memory",
				 (unsigned long long)size);
	memset(mem, 1, size);
	wk->mem = mem;
	wk->size = size;
	return 0;
}

static void wait_for_go(struct worker_run *run)
{
	while (!__atomic_load_n(&run->go, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, &run->go, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void on_signal(int sig)
{
	(void)sig;
}

static int init_work(struct work *wk, const struct worker_job *job, struct meter *m,
		     u32 phase)
{
	const struct wire_phase *spec = &job->spawn->phases[phase];
	u32 team = wire_work_team(spec->work, spec->team, job->spawn->count);

	*wk = (struct work) {
		.ops = ops_of[spec->work],
		.spec = spec,
		.attr = &job->spawn->attr,
		.meter = m,
		.self = &job->workers[job->index],
		.team = &job->workers[job->index / team * team],
		.member = job->index % team,
		.team_size = team,
		.index = job->index,
		.pipes = job->pipes,
		.fd = -1,
		.best_ns = NEVER,
		.rng = 0x9e3779b97f4a7c15ULL * (job->index + 1) + phase,
	};
	return wk->ops->init ? wk->ops->init(wk) : 0;
}

static int set_memory_policy(struct work *wk, const struct wire_spawn *spawn)
{
	unsigned long nodes = spawn->mem_nodes;

	/* (the kernel takes one bit less than it is told) */
	if (spawn->mem_mode == MPOL_DEFAULT ||
	    !syscall(SYS_set_mempolicy, spawn->mem_mode, &nodes, 8 * sizeof(nodes) + 1))
		return 0;
	return work_fail(wk, errno, "set memory policy %u for nodes 0x%lx", spawn->mem_mode,
			 nodes);
}

static int set_attributes(struct work *wk, const struct worker_job *job)
{
	const struct wire_spawn *spawn = job->spawn;
	const char *cpus = spawn->nr_cpus ? spawn->cpus[job->index % spawn->nr_cpus] : NULL;
	int ret;

	ret = cpus ? attr_set_cpus(0, cpus) : 0;
	if (ret)
		return work_fail(wk, -ret, "set its affinity to CPUs \"%s\"", cpus);
	ret = attr_set(0, &spawn->attr);
	if (ret)
		return work_fail(wk, -ret, "set policy %u, nice %d, priority %u",
				 spawn->attr.policy, spawn->attr.nice, spawn->attr.priority);
	return 0;
}

static int set_up(const struct worker_job *job, struct work *works, struct meter *m)
{
	const struct wire_spawn *spawn = job->spawn;
	struct sigaction action = { .sa_handler = on_signal };
	u32 i;
	int ret;

	/* Without SA_RESTART: what blocks returns. */
	sigaction(WORKER_SIGNAL, &action, NULL);
	/* Timers of tasks that are not real-time may come 50 us late by default. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	prctl(PR_SET_NAME, *spawn->comm ? spawn->comm : spawn->name);
	calibrate();
	works[0].self = &job->workers[job->index];
	ret = set_memory_policy(&works[0], spawn) ?: set_attributes(&works[0], job);
	for (i = 0; i < spawn->nr_phases && !ret; i++)
		ret = init_work(&works[i], job, m, i);
	return ret;
}

static void enter(struct work *wk)
{
	if (wk->ops->enter)
		wk->ops->enter(wk);
}

static void leave(struct work *wk)
{
	if (wk->ops->leave)
		wk->ops->leave(wk);
}

static void work(struct work *works, u32 nr_phases)
{
	struct work *wk = works;
	struct meter *m = wk->meter;
	u64 phase_end_ns = m->now_ns + wk->spec->phase_ns;

	while (!work_stopped(wk)) {
		wk->ops->step(wk);
		if (nr_phases == 1 || m->now_ns < phase_end_ns)
			continue;
		leave(wk);
		wk = wk == &works[nr_phases - 1] ? works : wk + 1;
		enter(wk);
		phase_end_ns = m->now_ns + wk->spec->phase_ns;
	}
}

void worker_main(const struct worker_job *job)
{
	struct worker *w = &job->workers[job->index];
	u32 nr_phases = job->spawn->nr_phases, i;
	struct work works[WIRE_MAX_PHASES];
	struct meter m;

	if (set_up(job, works, &m))
		_exit(1);
	enter(works);
	meter_init(&m, job->run, w, job->spawn->flags & WIRE_SPAWN_BARE);
	__atomic_store_n(&w->ready, 1, __ATOMIC_RELEASE);
	if (!__atomic_sub_fetch(&job->run->unready, 1, __ATOMIC_ACQ_REL))
		kill(job->agent, READY_SIGNAL);
	wait_for_go(job->run);

	meter_start(&m);
	work(works, nr_phases);
	meter_finish(&m);
	for (i = 0; i < nr_phases; i++) {
		place_pages(works[i].mem, works[i].size, w->report.pages);
		if (works[i].ops->fini)
			works[i].ops->fini(&works[i]);
	}
	__atomic_store_n(&w->done, 1, __ATOMIC_RELEASE);
	_exit(0);
}
