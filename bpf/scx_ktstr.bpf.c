// SPDX-License-Identifier: GPL-2.0
/*
 * A scheduler to test tests with: healthy in four ways, or wrong in one.
 *
 * Tasks wait in queues, in the order of their arrival or of their weighted
 * virtual time. There is one queue, or one for each last-level cache. A CPU
 * serves its own queue first, and takes from another that is clearly longer, or
 * when its own is empty; queues of its group, such as its node, come before
 * others. So the policies differ only in which queue a CPU has, and in which
 * group that is, and the loader decides that.
 *
 * At most one fault is switched on. What is wrong is a single statement, marked
 * by the fault's name; the rest is as in the healthy scheduler.
 */
#include <scx/common.bpf.h>
#include "scx_ktstr.h"

char _license[] SEC("license") = "GPL";

/* Before 6.13 these had other names, and the headers of that time only those. */
#ifndef HAVE_scx_bpf_dsq_insert
#define scx_bpf_dsq_insert		scx_bpf_dispatch
#define scx_bpf_dsq_insert_vtime	scx_bpf_dispatch_vtime
#define scx_bpf_dsq_move_to_local	scx_bpf_consume
#define scx_bpf_dsq_move		__COMPAT_scx_bpf_dispatch_from_dsq
#endif

/* Later, this got flags for the task that is moved. */
#ifdef HAVE_scx_bpf_dsq_move_to_local_flags
#define move_to_local(queue)	scx_bpf_dsq_move_to_local(queue, 0)
#else
#define move_to_local(queue)	scx_bpf_dsq_move_to_local(queue)
#endif

/* Newer headers write to a task by kfuncs, where the kernel has them. */
#ifndef HAVE_scx_bpf_task_set_dsq_vtime
#define scx_bpf_task_set_dsq_vtime(p, vtime)	((p)->scx.dsq_vtime = (vtime))
#define scx_bpf_task_set_slice(p, ns)		((p)->scx.slice = (ns))
#endif

#define NSEC_PER_MSEC	1000000ULL

/* Tasks that a fault holds back, by the time when they may go on */
#define HELD_DSQ	KTSTR_MAX_CPUS
#define HOLD_NS		(5000 * NSEC_PER_MSEC)
#define RELEASE_NS	(10 * NSEC_PER_MSEC)

/* KTSTR_FAULT_TAIL: long for a wake-up, and not for a task that shares its CPU */
#define TAIL_NS		(1500 * NSEC_PER_MSEC)

/* KTSTR_FAULT_IDLE_CPUS: seven such times of rest, one of work */
#define REST_NS		(500 * NSEC_PER_MSEC)

/* How much longer than the own queue another has to be, to be taken from first */
#define LONGER		2
#define LONGER_FAR	4

/* Set by the loader. Weak: the compiler must not take these values for final. */
const u32 fault __weak;
const u64 param __weak = 1;
const bool vtime_order __weak;
const u64 slice_ns __weak = 20 * NSEC_PER_MSEC;
const s32 loader_pid __weak;

const u32 nr_cpus __weak = 1;
const u32 nr_queues __weak = 1;
const u32 nr_groups __weak = 1;
const u16 cpu_queue[KTSTR_MAX_CPUS] __weak;
const u16 queue_group[KTSTR_MAX_CPUS] __weak;

static u64 vtime_now;
static u64 start_ns;
static bool retired[KTSTR_MAX_CPUS];	/* by queue, KTSTR_FAULT_HOTPLUG */
static bool taken[KTSTR_MAX_CPUS];	/* by CPU, KTSTR_FAULT_RT */
UEI_DEFINE(uei);

/* Kept for as long as a task exists; @home is a CPU plus 1. */
struct task_state {
	u32 home;
	bool forked;
	bool moved;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, s32);
	__type(value, struct task_state);
	__uint(max_entries, 32768);
} tasks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, u32);
	__type(value, u64);
	__uint(max_entries, KTSTR_NR_STATS);
} stats SEC(".maps");

struct timer {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, u32);
	__type(value, struct timer);
	__uint(max_entries, 1);
} timers SEC(".maps");

static void stat_inc(u32 idx)
{
	u64 *count = bpf_map_lookup_elem(&stats, &idx);

	if (count || fault == KTSTR_FAULT_VERIFIER)
		(*count)++;
}

/* To be asked last, when only the fault is missing: it counts. */
static bool is_fault(u32 which)
{
	if (fault != which)
		return false;
	stat_inc(KTSTR_STAT_FAULT);
	return true;
}

static bool before(u64 a, u64 b)
{
	return (s64)(a - b) < 0;
}

static struct task_state *task_state(const struct task_struct *p)
{
	s32 pid = p->pid;

	return bpf_map_lookup_elem(&tasks, &pid);
}

static u32 queue_of(s32 cpu)
{
	return cpu_queue[cpu & (KTSTR_MAX_CPUS - 1)];
}

static u32 group_of(u32 queue)
{
	return queue_group[queue & (KTSTR_MAX_CPUS - 1)];
}

static bool may_use(const struct task_struct *p, s32 cpu)
{
	return bpf_cpumask_test_cpu(cpu, p->cpus_ptr);
}

/*
 * A fault has to show in what tests measure, not in a guest that is dead: it
 * spares the kernel's threads and the loader. The guest's agent is a real-time
 * task, and so none of ours.
 */
static bool is_spared(const struct task_struct *p)
{
	if (fault == KTSTR_FAULT_KWORKERS)
		return !(p->flags & PF_WQ_WORKER);
	if (fault == KTSTR_FAULT_ONE_CPU && !may_use(p, 0))
		return true;
	return p->flags & PF_KTHREAD || p->tgid == loader_pid;
}

/* Is this task forgotten for a while? */
static bool is_forgotten(const struct task_struct *p, bool wakeup)
{
	struct task_state *state = task_state(p);

	switch (fault) {
	case KTSTR_FAULT_STARVE:
		return p->pid % (u32)param == 0;
	case KTSTR_FAULT_AFFINITY:
		return p->nr_cpus_allowed <= param;
	case KTSTR_FAULT_LOST_WAKEUP:
	case KTSTR_FAULT_TAIL:
		return wakeup && bpf_get_prandom_u32() % (u32)param == 0;
	case KTSTR_FAULT_CGROUP_MOVE:
		return state && state->moved;
	case KTSTR_FAULT_RELOAD:
		return !state || !state->forked;
	case KTSTR_FAULT_KWORKERS:
		return true;
	}
	return false;
}

/* How long is this task held back? */
static u64 hold_ns(const struct task_struct *p, bool wakeup)
{
	if (is_forgotten(p, wakeup)) {
		stat_inc(KTSTR_STAT_FAULT);
		return fault == KTSTR_FAULT_TAIL ? TAIL_NS : HOLD_NS;
	}
	if (is_fault(KTSTR_FAULT_DELAY))
		return bpf_get_prandom_u32() % (u32)param * NSEC_PER_MSEC;
	return 0;
}

/* Does this CPU take no part? */
static bool is_closed(s32 cpu)
{
	bool closed = false;

	switch (fault) {
	case KTSTR_FAULT_ONE_CPU:
		closed = cpu != 0;
		break;
	case KTSTR_FAULT_IDLE_CPUS:
		closed = cpu % (u32)param == param - 1 && bpf_ktime_get_ns() / REST_NS % 8;
		break;
	case KTSTR_FAULT_HOTPLUG:
		closed = retired[queue_of(cpu) & (KTSTR_MAX_CPUS - 1)];
		break;
	}
	if (closed)
		stat_inc(KTSTR_STAT_FAULT);
	return closed;
}

/* The queue that suits a task which was on @cpu */
static u32 home_queue(s32 cpu)
{
	u32 queue = queue_of(cpu);

	if (nr_queues > 1 && is_fault(KTSTR_FAULT_PINGPONG))
		return (queue + 1) % nr_queues;
	if (nr_groups > 1 && is_fault(KTSTR_FAULT_CROSS_NODE))
		return (queue + nr_queues / nr_groups) % nr_queues;
	return queue;
}

static bool claim_idle(const struct task_struct *p, s32 cpu)
{
	return may_use(p, cpu) && scx_bpf_test_and_clear_cpu_idle(cpu);
}

/* An idle CPU, as near to where @p was as possible; it is not idle any more. */
static s32 pick_idle(const struct task_struct *p, s32 prev_cpu)
{
	u32 home = home_queue(prev_cpu);
	s32 cpu;

	if (nr_queues == 1)
		return scx_bpf_pick_idle_cpu(p->cpus_ptr, 0);
	if (queue_of(prev_cpu) == home && claim_idle(p, prev_cpu))
		return prev_cpu;
	bpf_for(cpu, 0, nr_cpus)
		if (queue_of(cpu) == home && claim_idle(p, cpu))
			return cpu;
	if (nr_groups > 1)
		bpf_for(cpu, 0, nr_cpus)
			if (group_of(queue_of(cpu)) == group_of(home) && claim_idle(p, cpu))
				return cpu;
	return scx_bpf_pick_idle_cpu(p->cpus_ptr, 0);
}

static u64 slice(void)
{
	return is_fault(KTSTR_FAULT_LONG_SLICE) ? slice_ns * param : slice_ns;
}

static void insert_by_vtime(struct task_struct *p, u64 queue, u64 enq_flags)
{
	u64 vtime = p->scx.dsq_vtime;

	/* What a sleeper may save up is limited to a slice. */
	if (before(vtime, vtime_now - slice_ns))
		vtime = vtime_now - slice_ns;
	scx_bpf_dsq_insert_vtime(p, queue, slice(), vtime, enq_flags);
}

/* Put @p where it is to wait. Returns whether that is @dsq. */
static bool insert(struct task_struct *p, u64 dsq, u64 enq_flags, bool wakeup)
{
	struct task_state *state;
	u64 hold;

	if (fault && is_spared(p)) {
		dsq = dsq == SCX_DSQ_LOCAL ? SCX_DSQ_LOCAL : SCX_DSQ_GLOBAL;
		scx_bpf_dsq_insert(p, dsq, slice_ns, enq_flags);
		return true;
	}
	hold = hold_ns(p, wakeup);
	if (hold) {
		scx_bpf_dsq_insert_vtime(p, HELD_DSQ, slice_ns, bpf_ktime_get_ns() + hold,
					 enq_flags);
		return false;
	}
	state = task_state(p);
	if (state && state->home && is_fault(KTSTR_FAULT_CPUSET)) {
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL_ON | (state->home - 1), slice_ns, enq_flags);
		return false;
	}
	if (vtime_order && dsq != SCX_DSQ_LOCAL) {
		insert_by_vtime(p, dsq, enq_flags);
		return true;
	}
	if (enq_flags & SCX_ENQ_REENQ) {
		/* It could not help it: it goes first, and 0 is what it had left. */
		scx_bpf_dsq_insert(p, dsq, 0, enq_flags | SCX_ENQ_HEAD);
		return true;
	}
	if (is_fault(KTSTR_FAULT_LIFO))
		enq_flags |= SCX_ENQ_HEAD;
	scx_bpf_dsq_insert(p, dsq, slice(), enq_flags);
	return true;
}

/* Nobody else tells a CPU that went idle that there is work again. */
static void kick_idle(const struct task_struct *p)
{
	s32 cpu = pick_idle(p, scx_bpf_task_cpu(p));

	if (cpu >= 0)
		scx_bpf_kick_cpu(cpu, SCX_KICK_IDLE);
}

/* A CPU on which nothing of ours runs, as a real-time task does */
static s32 taken_cpu(const struct task_struct *p)
{
	s32 cpu;

	if (fault != KTSTR_FAULT_RT || is_spared(p))
		return -1;
	bpf_for(cpu, 0, nr_cpus)
		if (taken[cpu & (KTSTR_MAX_CPUS - 1)] && may_use(p, cpu))
			return cpu;
	return -1;
}

s32 BPF_STRUCT_OPS(ktstr_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	bool idle = false;
	s32 cpu;

	if (fault == KTSTR_FAULT_ONE_CPU && may_use(p, 0))
		return 0;
	cpu = taken_cpu(p);
	if (cpu >= 0 && is_fault(KTSTR_FAULT_RT)) {
		insert(p, SCX_DSQ_LOCAL, 0, true);
		return cpu;
	}
	if (nr_queues > 1) {
		cpu = pick_idle(p, prev_cpu);
		idle = cpu >= 0;
	} else {
		cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &idle);
	}
	if (idle && !is_closed(cpu)) {
		stat_inc(KTSTR_STAT_DIRECT);
		insert(p, SCX_DSQ_LOCAL, 0, true);
	}
	return cpu >= 0 ? cpu : prev_cpu;
}

void BPF_STRUCT_OPS(ktstr_enqueue, struct task_struct *p, u64 enq_flags)
{
	stat_inc(KTSTR_STAT_QUEUED);
	if (bpf_ktime_get_ns() - start_ns > param * NSEC_PER_MSEC && is_fault(KTSTR_FAULT_ERROR))
		scx_bpf_error("fault error: %llu ms are over", param);
	/* Its slice is over, and there is no other: it goes on if the CPU may. */
	if (enq_flags & SCX_ENQ_LAST && !is_closed(scx_bpf_task_cpu(p))) {
		insert(p, SCX_DSQ_LOCAL, enq_flags, false);
		return;
	}
	if (insert(p, home_queue(scx_bpf_task_cpu(p)), enq_flags, enq_flags & SCX_ENQ_WAKEUP))
		kick_idle(p);
}

static bool take(u32 queue, enum ktstr_stat stat)
{
	if (!move_to_local(queue))
		return false;
	stat_inc(stat);
	return true;
}

/* The longest queue, if that is worth more than to stay with @own. */
static u32 longest_queue(u32 own, u32 nr)
{
	u32 longest = own, i;
	s32 base, len, max = 0;

	base = scx_bpf_dsq_nr_queued(own);
	bpf_for(i, 0, nr) {
		len = scx_bpf_dsq_nr_queued(i) - base;
		len -= group_of(i) == group_of(own) ? LONGER : LONGER_FAR;
		if (i != own && len >= max) {
			longest = i;
			max = len + 1;
		}
	}
	return longest;
}

/* As in scx_simple: it may race, but any error is small, and passes. */
static void advance_vtime(u64 vtime)
{
	if (before(vtime_now, vtime))
		vtime_now = vtime;
}

/* The virtual time of @p when it stops now */
static u64 charged_vtime(const struct task_struct *p)
{
	u32 weight = is_fault(KTSTR_FAULT_WEIGHTS) ? 100 : p->scx.weight;

	return p->scx.dsq_vtime + (slice_ns - p->scx.slice) * 100 / weight;
}

/*
 * @prev is not in the queue while @cpu looks for its next task. If it were the
 * first of those there, let it go on: with one task waiting for one CPU, both
 * would get the same otherwise, whatever their weights.
 */
static bool keep_running(struct task_struct *prev, s32 cpu)
{
	u64 vtime = charged_vtime(prev);
	struct task_struct *p;

	bpf_for_each(scx_dsq, p, 0, 0) {
		if (!may_use(p, cpu))
			continue;
		if (!before(vtime, p->scx.dsq_vtime))
			return false;
		break;
	}
	scx_bpf_task_set_dsq_vtime(prev, vtime);
	scx_bpf_task_set_slice(prev, slice_ns);
	advance_vtime(vtime);
	return true;
}

void BPF_STRUCT_OPS(ktstr_dispatch, s32 cpu, struct task_struct *prev)
{
	u32 own = queue_of(cpu), nr = nr_queues, longest, i;

	if (is_closed(cpu))
		return;
	if (vtime_order && prev && prev->scx.flags & SCX_TASK_QUEUED && keep_running(prev, cpu))
		return;
	if (is_fault(KTSTR_FAULT_ONE_LLC)) {
		own = 0;
		nr = 1;
	}
	if (is_fault(KTSTR_FAULT_LLC_PER_NODE)) {
		own = group_of(own);
		nr = nr_groups;
	}
	longest = longest_queue(own, nr);
	if (longest != own && take(longest, KTSTR_STAT_STOLEN))
		return;
	if (take(own, KTSTR_STAT_OWN))
		return;
	bpf_for(i, 0, nr)
		if (group_of(i) == group_of(own) && i != own && take(i, KTSTR_STAT_STOLEN))
			return;
	bpf_for(i, 0, nr)
		if (group_of(i) != group_of(own) && take(i, KTSTR_STAT_STOLEN))
			return;
}

void BPF_STRUCT_OPS(ktstr_running, struct task_struct *p)
{
	if (vtime_order)
		advance_vtime(p->scx.dsq_vtime);
}

void BPF_STRUCT_OPS(ktstr_stopping, struct task_struct *p, bool runnable)
{
	if (vtime_order)
		scx_bpf_task_set_dsq_vtime(p, charged_vtime(p));
}

void BPF_STRUCT_OPS(ktstr_enable, struct task_struct *p)
{
	if (vtime_order)
		scx_bpf_task_set_dsq_vtime(p, vtime_now);
}

/* A real-time task takes the CPU: those who wait for it shall not wait for that. */
void BPF_STRUCT_OPS(ktstr_cpu_release, s32 cpu, struct scx_cpu_release_args *args)
{
	taken[cpu & (KTSTR_MAX_CPUS - 1)] = true;
	scx_bpf_reenqueue_local();
}

void BPF_STRUCT_OPS(ktstr_cpu_acquire, s32 cpu, struct scx_cpu_acquire_args *args)
{
	taken[cpu & (KTSTR_MAX_CPUS - 1)] = false;
}

void BPF_STRUCT_OPS(ktstr_set_cpumask, struct task_struct *p, const struct cpumask *mask)
{
	struct task_state *state = task_state(p);

	if (state && is_fault(KTSTR_FAULT_CPUSET))
		state->home = scx_bpf_task_cpu(p) + 1;
}

void BPF_STRUCT_OPS(ktstr_cgroup_move, struct task_struct *p, struct cgroup *from,
		    struct cgroup *to)
{
	struct task_state *state = task_state(p);

	if (state && is_fault(KTSTR_FAULT_CGROUP_MOVE))
		state->moved = true;
}

/* Without these two the kernel would end the scheduler at every hotplug. */
void BPF_STRUCT_OPS(ktstr_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(ktstr_cpu_offline, s32 cpu)
{
	if (is_fault(KTSTR_FAULT_HOTPLUG))
		retired[queue_of(cpu) & (KTSTR_MAX_CPUS - 1)] = true;
}

s32 BPF_STRUCT_OPS_SLEEPABLE(ktstr_init_task, struct task_struct *p,
			     struct scx_init_task_args *args)
{
	struct task_state state = { .forked = args->fork };
	s32 pid = p->pid;

	if (bpf_map_update_elem(&tasks, &pid, &state, BPF_ANY)) {
		scx_bpf_error("no room for the state of %s[%d]", p->comm, pid);
		return -ENOMEM;
	}
	return 0;
}

void BPF_STRUCT_OPS(ktstr_exit_task, struct task_struct *p, struct scx_exit_task_args *args)
{
	s32 pid = p->pid;

	if (!is_fault(KTSTR_FAULT_LEAK))
		bpf_map_delete_elem(&tasks, &pid);
}

/* Let tasks go on whose time has come; dispatch() runs only on CPUs that ask. */
static int release_held(void *map, int *key, struct bpf_timer *timer)
{
	u64 now = bpf_ktime_get_ns();
	struct task_struct *p;

	bpf_rcu_read_lock();
	bpf_for_each(scx_dsq, p, HELD_DSQ, 0) {
		if (before(now, p->scx.dsq_vtime))
			break;
		scx_bpf_dsq_move(BPF_FOR_EACH_ITER, p, queue_of(scx_bpf_task_cpu(p)), 0);
		kick_idle(p);
	}
	bpf_rcu_read_unlock();
	bpf_timer_start(timer, RELEASE_NS, 0);
	return 0;
}

static s32 start_timer(void)
{
	u32 zero = 0;
	struct bpf_timer *timer = bpf_map_lookup_elem(&timers, &zero);

	if (!timer)
		return -ENOENT;
	bpf_timer_init(timer, &timers, CLOCK_MONOTONIC);
	bpf_timer_set_callback(timer, release_held);
	return bpf_timer_start(timer, RELEASE_NS, 0);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(ktstr_init)
{
	s32 ret;
	u32 i;

	start_ns = bpf_ktime_get_ns();
	bpf_for(i, 0, nr_queues) {
		ret = scx_bpf_create_dsq(i, -1);
		if (ret)
			return ret;
	}
	ret = scx_bpf_create_dsq(HELD_DSQ, -1);
	if (ret || !fault)
		return ret;
	return start_timer();
}

void BPF_STRUCT_OPS(ktstr_exit, struct scx_exit_info *ei)
{
	UEI_RECORD(uei, ei);
}

SCX_OPS_DEFINE(ktstr_ops,
	       .select_cpu		= (void *)ktstr_select_cpu,
	       .enqueue			= (void *)ktstr_enqueue,
	       .dispatch		= (void *)ktstr_dispatch,
	       .running			= (void *)ktstr_running,
	       .stopping		= (void *)ktstr_stopping,
	       .enable			= (void *)ktstr_enable,
	       .cpu_release		= (void *)ktstr_cpu_release,
	       .cpu_acquire		= (void *)ktstr_cpu_acquire,
	       .set_cpumask		= (void *)ktstr_set_cpumask,
	       .cgroup_move		= (void *)ktstr_cgroup_move,
	       .cpu_online		= (void *)ktstr_cpu_online,
	       .cpu_offline		= (void *)ktstr_cpu_offline,
	       .init_task		= (void *)ktstr_init_task,
	       .exit_task		= (void *)ktstr_exit_task,
	       .init			= (void *)ktstr_init,
	       .exit			= (void *)ktstr_exit,
	       .name			= KTSTR_OPS_NAME);
