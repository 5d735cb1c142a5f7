/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the two halves of scx_ktstr, in BPF and in user space, have to agree on.
 */
#ifndef KTSTR_SCX_KTSTR_H
#define KTSTR_SCX_KTSTR_H

/* A power of two, so that an index can be masked: the verifier wants proof. */
#define KTSTR_MAX_CPUS	4096

/* The scheduler's name for the kernel, to which the loader adds a suffix */
#define KTSTR_OPS_NAME	"ktstr"

/**
 * enum ktstr_fault - the one thing that is wrong
 *
 * fixture_scheds.c says of each what it does, and which test is to notice.
 */
enum ktstr_fault {
	KTSTR_FAULT_NONE,
	KTSTR_FAULT_STARVE,
	KTSTR_FAULT_WEIGHTS,
	KTSTR_FAULT_AFFINITY,
	KTSTR_FAULT_ONE_LLC,
	KTSTR_FAULT_LLC_PER_NODE,
	KTSTR_FAULT_ONE_CPU,
	KTSTR_FAULT_LOST_WAKEUP,
	KTSTR_FAULT_PINGPONG,
	KTSTR_FAULT_CROSS_NODE,
	KTSTR_FAULT_IDLE_CPUS,
	KTSTR_FAULT_LONG_SLICE,
	KTSTR_FAULT_LIFO,
	KTSTR_FAULT_CGROUP_MOVE,
	KTSTR_FAULT_CPUSET,
	KTSTR_FAULT_HOTPLUG,
	KTSTR_FAULT_RT,
	KTSTR_FAULT_KWORKERS,
	KTSTR_FAULT_RELOAD,
	KTSTR_FAULT_ERROR,
	KTSTR_FAULT_VERIFIER,
	KTSTR_FAULT_LEAK,
	KTSTR_FAULT_DELAY,
	KTSTR_FAULT_TAIL,
};

/**
 * enum ktstr_stat - what is counted
 * @KTSTR_STAT_DIRECT: a task woke up and was given an idle CPU at once
 * @KTSTR_STAT_QUEUED: a task was put into a queue
 * @KTSTR_STAT_OWN: a CPU took a task from its own queue
 * @KTSTR_STAT_STOLEN: a CPU took one from another queue
 * @KTSTR_STAT_FAULT: the fault came to bear
 */
enum ktstr_stat {
	KTSTR_STAT_DIRECT,
	KTSTR_STAT_QUEUED,
	KTSTR_STAT_OWN,
	KTSTR_STAT_STOLEN,
	KTSTR_STAT_FAULT,
	KTSTR_NR_STATS,
};

#endif /* KTSTR_SCX_KTSTR_H */
