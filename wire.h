/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What host and guest agent say to each other, and how it looks in bytes.
 *
 * A stream of frames in each direction. Everything is little-endian; strings
 * and byte arrays are a u32 length and that many bytes, strings with their
 * NUL included, so that they can be used where they lie. The host asks with a
 * sequence number that is not 0; the agent answers with any number of data
 * frames and one WIRE_DONE, all with that number. Frames of the agent with the
 * number 0 are events. Neither side trusts the other: a receiver takes a
 * frame only if magic, version, length and CRC are right, and every field that
 * is read from a payload is checked against its end.
 */
#ifndef KTSTR_WIRE_H
#define KTSTR_WIRE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "hist.h"

#define WIRE_MAGIC		0x7274736bU	/* "kstr" */
#define WIRE_VERSION		4
#define WIRE_PORT_NAME		"ktstr.wire"	/* of the virtio-console ports */
#define WIRE_BULK_PORT_NAME	"ktstr.bulk"	/* for content of any size, without frames */

#define WIRE_CGROUPS		"/sys/fs/cgroup"	/* where guests have their cgroups */

#define WIRE_HEADER_SIZE	20
#define WIRE_MAX_PAYLOAD	(64 * 1024)
#define WIRE_MAX_FRAME		(WIRE_HEADER_SIZE + WIRE_MAX_PAYLOAD)

#define WIRE_MAX_PATH		4096		/* with the NUL */
#define WIRE_MAX_NAME		64		/* of a group or program, with the NUL */
#define WIRE_MAX_FILE		(56 * 1024)	/* content in one WIRE_FILE */
#define WIRE_MAX_CHUNK		(32 * 1024)	/* output in one frame */
#define WIRE_MAX_ARGS		64
#define WIRE_MAX_GLOBS		64
#define WIRE_MAX_WORKERS	4096		/* of all groups at a time */
#define WIRE_MAX_GROUPS		256		/* at a time */
#define WIRE_MAX_PHASES		8		/* of a worker */
#define WIRE_MAX_PROGRAMS	16		/* at a time */
#define WIRE_MAX_KEPT		(256 * 1024)	/* of a program's output while nobody waits */
#define WIRE_MAX_CPUS		1024		/* in a worker's report */
#define WIRE_MAX_NODES		64
#define WIRE_MAX_PRIORITY	98		/* of real-time workers; the agent has 99 */

#define WIRE_ALL		(~0U)		/* every worker of a group */
#define WIRE_FOREVER		(~0ULL)		/* workers run until they are stopped */

/*
 * Times that the agent takes of its own: until it tells of a scheduler that has
 * left even if not all is known, and until it gives up after WIRE_SCHED_STOP's
 * SIGKILL.
 */
#define WIRE_LEAVE_NS		20000000000ULL
#define WIRE_DISABLE_NS		20000000000ULL

/**
 * enum wire_type - what a frame is; its payload in braces
 * @WIRE_READ: {u32 n, string glob[n]}; answered by WIRE_FILEs. A pattern
 *	without wildcards that matches nothing is answered with its errno.
 * @WIRE_WRITE: {string path, bytes content}; one write(2)
 * @WIRE_MKDIR: {string path}
 * @WIRE_RMDIR: {string path}
 * @WIRE_PROGRAM_START: {string name, string cgroup, u32 n, string argv[n]};
 *	the name is for the requests below; an empty cgroup is the agent's own;
 *	answered by WIRE_PIDS
 * @WIRE_PROGRAM_WAIT: {string name, u64 timeout_ns}; answered by WIRE_OUTPUTs
 *	(stdout and stderr in one; of what came before, the last WIRE_MAX_KEPT
 *	bytes) and WIRE_EXIT. After the timeout it is killed, which is ETIMEDOUT.
 *	Either way its name is free again.
 * @WIRE_PROGRAM_KILL: {string name, u32 signal}; to it and what it has started;
 *	one that has ended is left alone
 * @WIRE_SCHED_START: {u64 timeout_ns, u32 n, string argv[n]}; answered by a
 *	WIRE_SCHED once the kernel says "enabled", or once it will not
 * @WIRE_SCHED_STATUS: {}; answered by a WIRE_SCHED, which comes after the
 *	WIRE_SCHED_EXIT of a scheduler that is just leaving
 * @WIRE_SCHED_STOP: {u64 timeout_ns}; SIGINT, and SIGKILL after the timeout;
 *	answered by a WIRE_SCHED
 * @WIRE_SPAWN: struct wire_spawn; answered by WIRE_PIDS
 * @WIRE_START: {u64 duration_ns, u64 ready_ns, u32 n, string group[n]}; the
 *	groups start together, all that wait if n is 0, as soon as all workers
 *	are ready, or after @ready_ns; they run for @duration_ns or, if that is
 *	WIRE_FOREVER, until WIRE_STOP; answered by WIRE_STARTED
 * @WIRE_STOP: {u64 wait_ns, u64 grace_ns, u32 n, string group[n]}; the groups,
 *	all that there are if n is 0, end with their duration, or after @wait_ns
 *	if that is sooner; workers that have not noticed after the grace are
 *	reported as they are and killed; answered by a WIRE_REPORT for each
 *	worker. A group that was not started has none.
 * @WIRE_MOVE: {string group, u32 index or WIRE_ALL, string cgroup}
 * @WIRE_AFFINITY: {string group, u32 n, string cpus[n]}; see wire_spawn.cpus
 * @WIRE_ATTR: {string group, struct wire_attr}
 * @WIRE_CLEAN: {u64 timeout_ns}; end all that is there and undo all that was
 *	changed, until the guest is as it was after its boot. If it is not by the
 *	timeout, that is EBUSY, and the answer names what is left. Answered by a
 *	WIRE_SCHED if a scheduler was started.
 * @WIRE_KMSG: {}; answered by WIRE_OUTPUTs and a WIRE_REASON
 * @WIRE_POWEROFF: {}; the guest is gone after the answer, or before
 * @WIRE_DONE: {u32 errnum, string what}; the last frame of an answer; @what
 *	says what failed, and is empty if @errnum is 0
 * @WIRE_FILE: struct wire_file
 * @WIRE_OUTPUT: {bytes}
 * @WIRE_EXIT: {u32 wait_status}; see wait(2)
 * @WIRE_SCHED: struct wire_sched
 * @WIRE_PIDS: {u32 n, u32 pid[n]}
 * @WIRE_STARTED: {u64 when_ns}; CLOCK_MONOTONIC
 * @WIRE_REPORT: struct wire_report
 * @WIRE_REASON: {string}; the kernel log's lines about the last BPF scheduler
 *	that was disabled: which, why, and the message
 * @WIRE_HELLO: event, struct wire_hello; the agent listens
 * @WIRE_SCHED_EXIT: event, struct wire_sched; the scheduler that was started
 *	has left without being told to. If it left before the groups of a
 *	WIRE_STOP did, this comes before that one's WIRE_DONE.
 */
enum wire_type {
	WIRE_READ = 1,
	WIRE_WRITE,
	WIRE_MKDIR,
	WIRE_RMDIR,
	WIRE_PROGRAM_START,
	WIRE_PROGRAM_WAIT,
	WIRE_PROGRAM_KILL,
	WIRE_SCHED_START,
	WIRE_SCHED_STATUS,
	WIRE_SCHED_STOP,
	WIRE_SPAWN,
	WIRE_START,
	WIRE_STOP,
	WIRE_MOVE,
	WIRE_AFFINITY,
	WIRE_ATTR,
	WIRE_CLEAN,
	WIRE_KMSG,
	WIRE_POWEROFF,

	WIRE_DONE = 0x40,
	WIRE_FILE,
	WIRE_OUTPUT,
	WIRE_EXIT,
	WIRE_SCHED,
	WIRE_PIDS,
	WIRE_STARTED,
	WIRE_REPORT,
	WIRE_REASON,

	WIRE_HELLO = 0x80,
	WIRE_SCHED_EXIT,
};

/**
 * enum wire_work - what a worker does, round after round
 *
 * A round is what &wire_report.units counts. Defaults of struct wire_phase's
 * fields are in brackets. Wake-ups are those that have a moment at which they
 * were due: a timer's, or the one at which the waker took its time stamp.
 *
 * @WIRE_WORK_SPIN: computes, and never sleeps; a round is one unit of work
 * @WIRE_WORK_YIELD: computes run_ns [100 us], then sched_yield()
 * @WIRE_WORK_MIXED: computes for up to twice run_ns [1 ms]; then, by chance,
 *	goes on, yields, or sleeps for up to twice sleep_ns [1 ms]
 * @WIRE_WORK_BURSTY: computes run_ns [5 ms], then sleeps sleep_ns [5 ms]
 * @WIRE_WORK_RT_HOG: as bursty [50 ms, 1 ms], as SCHED_FIFO 1 unless the group
 *	has another policy than SCHED_NORMAL
 * @WIRE_WORK_PIPE: pairs that hand a byte to and fro by two pipes, and compute
 *	run_ns [0] each time
 * @WIRE_WORK_PINGPONG: the same by a futex
 * @WIRE_WORK_FANOUT: the first of a team wakes all others by one futex, and waits
 *	for the answer of each
 * @WIRE_WORK_FANOUT_COMPUTE: the same, each computes run_ns [200 us] before it
 *	answers
 * @WIRE_WORK_CHAIN: each of a team wakes the next one by a futex, in a ring
 * @WIRE_WORK_TIMER: wakes up every sleep_ns [1 ms] and computes run_ns [0]
 * @WIRE_WORK_MUTEX: a team's one lock (a futex): computes run_ns [20 us] with it
 *	and as long without it
 * @WIRE_WORK_INVERSION: teams of three: the first, of low priority (nice 15),
 *	computes run_ns [2 ms] with a lock; the second, of nice 0, only computes;
 *	the third, of high priority (nice -15), wants the lock every sleep_ns
 *	[5 ms]. In a group of SCHED_FIFO or SCHED_RR they have that policy, with
 *	the group's priority, the next and the one after; the first two then
 *	sleep as long as they compute.
 * @WIRE_WORK_CACHE: reads and writes bytes [256 KiB] of its own, in an order that
 *	no prefetcher knows; a round is 4096 accesses
 * @WIRE_WORK_CACHE_YIELD: the same with a sched_yield() after each round
 * @WIRE_WORK_CACHE_PIPE: the same in pairs, with a byte to and fro after each
 * @WIRE_WORK_FAULT: maps bytes [1 MiB], touches each page and gives them back; a
 *	round is one page
 * @WIRE_WORK_NUMA: touches pages of bytes [16 MiB] of its own at random; a round
 *	is 256 of them
 * @WIRE_WORK_FORK: forks, the child exits, the parent waits for it
 * @WIRE_WORK_EXEC: the same, and the child executes a program
 * @WIRE_WORK_NICE: computes run_ns [1 ms], then changes its nice value: all of
 *	them from -20 to 19, in turn
 * @WIRE_WORK_AFFINITY: computes run_ns [1 ms], then limits itself to CPUs that
 *	chance takes out of those that it had at the start
 * @WIRE_WORK_POLICY: computes run_ns [1 ms], then changes its policy: normal,
 *	batch, idle, and as SCHED_FIFO and SCHED_RR for one round each
 * @WIRE_WORK_CGROUP: computes run_ns [1 ms], then moves to the next of the cgroups
 *	in arg, which are separated by blanks
 * @WIRE_WORK_IO_SYNC: writes bytes [64 KiB] to a file in the directory arg
 *	["/tmp"], syncs it, and sleeps sleep_ns [100 us]
 * @WIRE_WORK_DISK: reads 4 KiB somewhere on the block device or file arg
 *	["/dev/vda"], past the page cache, and computes run_ns [0]
 * @WIRE_WORK_NET: sends a raw Ethernet frame by the interface arg [the first that
 *	is not a loopback], waits until it comes back, computes run_ns [0]
 * @WIRE_WORK_CUSTOM: calls the function of guest/work_custom.c that has the name
 *	arg, see wire_custom_find()
 */
enum wire_work {
	WIRE_WORK_SPIN,
	WIRE_WORK_YIELD,
	WIRE_WORK_MIXED,
	WIRE_WORK_BURSTY,
	WIRE_WORK_RT_HOG,
	WIRE_WORK_PIPE,
	WIRE_WORK_PINGPONG,
	WIRE_WORK_FANOUT,
	WIRE_WORK_FANOUT_COMPUTE,
	WIRE_WORK_CHAIN,
	WIRE_WORK_TIMER,
	WIRE_WORK_MUTEX,
	WIRE_WORK_INVERSION,
	WIRE_WORK_CACHE,
	WIRE_WORK_CACHE_YIELD,
	WIRE_WORK_CACHE_PIPE,
	WIRE_WORK_FAULT,
	WIRE_WORK_NUMA,
	WIRE_WORK_FORK,
	WIRE_WORK_EXEC,
	WIRE_WORK_NICE,
	WIRE_WORK_AFFINITY,
	WIRE_WORK_POLICY,
	WIRE_WORK_CGROUP,
	WIRE_WORK_IO_SYNC,
	WIRE_WORK_DISK,
	WIRE_WORK_NET,
	WIRE_WORK_CUSTOM,
	WIRE_NR_WORK,
};

/**
 * wire_work_name() - work as a word, as in "futex_pingpong"
 * @work: any
 *
 * Return: the name, or NULL if there is no such work.
 */
const char *wire_work_name(u32 work);

/**
 * wire_work_team() - how many workers of a group do this work together
 * @work: which
 * @team: &wire_phase.team
 * @count: workers in the group
 *
 * Pairs and threes have their size by type; for fan-out, chain and mutex @team
 * says it, 0 for the whole group; all others work alone.
 *
 * Return: the size, or 0 if the group cannot be divided into such teams.
 */
u32 wire_work_team(u32 work, u32 team, u32 count);

/* Functions of guest/work_custom.c; their names are in wire.c. */
enum wire_custom {
	WIRE_CUSTOM_COMPILE,
	WIRE_CUSTOM_KWORKERS,
	WIRE_NR_CUSTOM,
};

/**
 * wire_custom_find() - a function for WIRE_WORK_CUSTOM
 * @name: its name; may be NULL
 *
 * Return: which, see enum wire_custom, or -1 if there is none of this name.
 */
int wire_custom_find(const char *name);

/**
 * struct wire_phase - what a worker does, always or for a while; 0 and "" stand
 *	for the work's defaults
 * @work: see enum wire_work
 * @team: workers that work together, where the work leaves that open
 * @run_ns: time to compute, on an undisturbed CPU
 * @sleep_ns: time to sleep
 * @bytes: memory to work on
 * @phase_ns: how long, where a worker has several phases
 * @arg: what else the work wants to know; never NULL
 */
struct wire_phase {
	u32 work;
	u32 team;
	u64 run_ns;
	u64 sleep_ns;
	u64 bytes;
	u64 phase_ns;
	const char *arg;
};

/**
 * struct wire_attr - scheduling attributes; see sched_setattr(2)
 * @policy: SCHED_*; all zero is what the agent's programs have
 * @nice: for SCHED_NORMAL and SCHED_BATCH
 * @priority: for SCHED_FIFO and SCHED_RR: 1 to WIRE_MAX_PRIORITY
 * @runtime_ns: for SCHED_DEADLINE
 * @deadline_ns: for SCHED_DEADLINE
 * @period_ns: for SCHED_DEADLINE
 */
struct wire_attr {
	u32 policy;
	s32 nice;
	u32 priority;
	u64 runtime_ns;
	u64 deadline_ns;
	u64 period_ns;
};

/**
 * enum wire_spawn_flags - how workers are made
 * @WIRE_SPAWN_BARE: they measure nothing but the work done: what measuring costs
 *	is the difference
 */
enum wire_spawn_flags {
	WIRE_SPAWN_BARE		= 1 << 0,
};

/**
 * struct wire_spawn - a group of workers, which wait for WIRE_START
 * @name: for reports and further requests; no two groups have the same
 * @cgroup: path of the cgroup's directory; "" for the agent's own
 * @comm: what ps and the kernel call them; "" for @name; longer ones are cut
 * @count: how many
 * @flags: see enum wire_spawn_flags
 * @attr: of each
 * @mem_mode: memory policy, MPOL_*; see set_mempolicy(2)
 * @mem_nodes: nodes for it, one bit each
 * @nr_cpus: how many @cpus; 0 for no affinity but the cgroup's
 * @cpus: CPU lists as in sysfs; worker i has the list i % @nr_cpus
 * @nr_phases: how many @phases; with several, workers go from one to the next and
 *	back to the first, and none of them may be in a team
 * @phases: what to do
 */
struct wire_spawn {
	const char *name;
	const char *cgroup;
	const char *comm;
	u32 count;
	u32 flags;
	struct wire_attr attr;
	u32 mem_mode;
	u64 mem_nodes;
	u32 nr_cpus;
	const char *const *cpus;
	u32 nr_phases;
	struct wire_phase phases[WIRE_MAX_PHASES];
};

/**
 * struct wire_hello - the agent's first words
 * @version: WIRE_VERSION of the agent
 * @release: the kernel's release (uname -r)
 * @nr_cpus: CPUs online
 * @uptime_ns: CLOCK_BOOTTIME
 * @monotonic_ns: CLOCK_MONOTONIC, which all other times are given in
 */
struct wire_hello {
	u32 version;
	const char *release;
	u32 nr_cpus;
	u64 uptime_ns;
	u64 monotonic_ns;
};

/**
 * struct wire_file - a file's content
 * @path: of this match
 * @errnum: why it could not be read, or 0
 * @truncated: 1 if it is longer than WIRE_MAX_FILE
 * @data: the content
 * @size: bytes in @data
 */
struct wire_file {
	const char *path;
	u32 errnum;
	u32 truncated;
	const void *data;
	u32 size;
};

/**
 * struct wire_sched - how the BPF scheduler is, or how it left
 * @state: of sched_ext: "enabled", "disabled", ...
 * @ops: the name of the scheduler that is, or was, enabled; may be empty
 * @reason: the kernel's lines about why it was disabled; empty if it was not
 * @pid: of the scheduler's process; 0 if none was started
 * @ended: 1 if that process has ended
 * @wait_status: how, see wait(2)
 * @when_ns: CLOCK_MONOTONIC when its leaving was noticed; 0 if it has not left
 * @output: the end of what the process wrote to stdout and stderr
 * @output_len: bytes in @output
 */
struct wire_sched {
	const char *state;
	const char *ops;
	const char *reason;
	u32 pid;
	u32 ended;
	u32 wait_status;
	u64 when_ns;
	const void *output;
	u32 output_len;
};

/**
 * struct wire_gap - a time during which a worker did not run
 * @raw_ns: between two of its readings of the clock, beyond the work done; or
 *	between the time at which it was to wake up and the one at which it did
 * @run_delay_ns: the part of it in which the worker was runnable and waited
 * @steal_ns: time stolen by the host, while it lasted, from the CPUs on which
 *	it may have waited; has the granularity of /proc/stat, 10 ms
 * @sched_ns: what remains as the scheduler's doing: the run delay less the
 *	steal, never below 0
 * @window_ns: the time over which steal was measured; not shorter than
 *	@raw_ns, and the more exact the closer it is to it
 * @at_ns: when it began, since the worker's group was started (WIRE_STARTED)
 * @cpu_before: the CPU on which the worker was last
 * @cpu_after: the CPU on which it went on
 *
 * Why not the raw gap: on a host that is short of CPUs a vCPU is not run for
 * many milliseconds, and every worker on it has a gap that no scheduler in the
 * guest could avoid. There are two cases.
 *
 * The worker was current on its CPU when that was stolen. It was not waiting
 * in a run queue, so its run delay (/proc/self/schedstat) did not grow. This
 * also holds for time in interrupts. Hence min(raw, run delay).
 *
 * The worker waited in a run queue of a CPU that was stolen. Run delay does
 * grow then, as rq_clock() goes on during steal. The steal of that CPU was not
 * available to anybody, hence it is subtracted. A waiting worker can be moved,
 * so that the CPU is one of, or partly each of, the one before and the one
 * after: the one that more was stolen from counts. The sum of both would hide
 * each wait, however long, where the host takes more than half of each CPU. A
 * window that begins before the gap can subtract too much; who was moved by a
 * balancer from one CPU that was away to another can be told too little, as the
 * steal column's granularity of 10 ms, and a CPU that is stolen just now and has
 * not got the last few ms in its column. A verdict's limit is to be larger than
 * these, and the larger the more CPUs share one: see check_within().
 */
struct wire_gap {
	u64 raw_ns;
	u64 run_delay_ns;
	u64 steal_ns;
	u64 sched_ns;
	u64 window_ns;
	u64 at_ns;
	u32 cpu_before;
	u32 cpu_after;
};

/**
 * enum wire_report_flags - what is special about a worker's report
 * @WIRE_REPORT_NOT_STOPPED: it did not notice the end of the run within the
 *	grace; its numbers are those of its last reading, without @nvcsw and
 *	@nivcsw
 * @WIRE_REPORT_NEVER_RAN: it was not on a CPU at all between start and end
 * @WIRE_REPORT_DIED: it ended before the run did, which is an error
 * @WIRE_REPORT_CORRUPT: the same unit of work had different results: a register
 *	was lost over a context switch; or memory did not keep what was written to it
 * @WIRE_REPORT_ERROR: a system call that its work consists of has failed
 */
enum wire_report_flags {
	WIRE_REPORT_NOT_STOPPED	= 1 << 0,
	WIRE_REPORT_NEVER_RAN	= 1 << 1,
	WIRE_REPORT_DIED	= 1 << 2,
	WIRE_REPORT_CORRUPT	= 1 << 3,
	WIRE_REPORT_ERROR	= 1 << 4,
};

/**
 * enum wire_distance - how far a worker was moved
 * @WIRE_SAME_LLC: to a CPU with the same last-level cache
 * @WIRE_CROSS_LLC: to another cache on the same node
 * @WIRE_CROSS_NODE: to another node
 */
enum wire_distance {
	WIRE_SAME_LLC,
	WIRE_CROSS_LLC,
	WIRE_CROSS_NODE,
	WIRE_NR_DISTANCES,
};

/**
 * struct wire_report - what one worker measured
 * @group: name of its group
 * @index: its number in the group
 * @pid: of its process
 * @flags: see enum wire_report_flags
 * @units: rounds done; see enum wire_work
 * @cpu_ns: CPU time (CLOCK_THREAD_CPUTIME_ID), without steal if the kernel has
 *	CONFIG_PARAVIRT_TIME_ACCOUNTING
 * @wall_ns: from the common start to the worker's end
 * @nvcsw: voluntary context switches
 * @nivcsw: involuntary ones
 * @run_delay_ns: total time of waiting for a CPU, steal included
 * @timeslices: times that it was put on a CPU
 * @steal_ns: steal during @wall_ns of the CPUs that it was seen on: the mean
 * @migrations: changes of CPU seen from one reading to the next, by distance
 * @unit_ns: the time that the quickest unit of computing took; 0 if none was done
 * @measure_ns: time that the worker spent in reading files about itself
 * @max_raw_gap_ns: the longest &wire_gap.raw_ns
 * @max_raw_wake_ns: the longest time from a wake-up that was due until it ran
 * @gap: the gap with the longest &wire_gap.sched_ns, a late wake-up being one
 * @wake: times from wake-ups that were due until it ran; those above 1 ms as
 *	&wire_gap.sched_ns, those above 10 ms with steal taken off. After a read from
 *	a device: the run delay, or all of the read if that took less than 1 ms
 * @cpus: the CPUs that it was seen on, one bit each
 * @pages: where the pages of its memory (&wire_phase.bytes) are at the end, per
 *	node; of large memory a sample
 * @on_node: how often it was on which node when it read the clock, after each piece
 *	of work and each sleep: where it did its work, in parts of the sum
 */
struct wire_report {
	const char *group;
	u32 index;
	u32 pid;
	u32 flags;
	u64 units;
	u64 cpu_ns;
	u64 wall_ns;
	u64 nvcsw;
	u64 nivcsw;
	u64 run_delay_ns;
	u64 timeslices;
	u64 steal_ns;
	u64 migrations[WIRE_NR_DISTANCES];
	u64 unit_ns;
	u64 measure_ns;
	u64 max_raw_gap_ns;
	u64 max_raw_wake_ns;
	struct wire_gap gap;
	struct hist wake;
	u64 cpus[WIRE_MAX_CPUS / 64];
	u32 pages[WIRE_MAX_NODES];
	u64 on_node[WIRE_MAX_NODES];
};

/**
 * wire_crc32() - the CRC of IEEE 802.3 (4.2.9 "32-bit FCS"), as zlib has it
 * @crc: 0, or the CRC of what came before
 * @data: more bytes
 * @len: how many
 *
 * Return: the CRC of everything so far.
 */
u32 wire_crc32(u32 crc, const void *data, size_t len);

/**
 * struct wire_writer - a frame being written; see wire_begin()
 * @buf: the frame
 * @size: room at @buf
 * @len: bytes used
 * @overflow: something did not fit; nothing more is written
 */
struct wire_writer {
	u8 *buf;
	size_t size;
	size_t len;
	bool overflow;
};

/**
 * wire_begin() - begin a frame
 * @w: the writer
 * @buf: where it goes
 * @size: room at @buf; more than WIRE_MAX_FRAME is not used
 * @type: see enum wire_type
 * @seq: sequence number
 */
void wire_begin(struct wire_writer *w, void *buf, size_t size,
		enum wire_type type, u32 seq);

/**
 * wire_end() - fill in length and CRC
 * @w: the writer
 *
 * Return: bytes in the frame, or 0 if its content did not fit.
 */
size_t wire_end(struct wire_writer *w);

/* Append a field. What does not fit makes wire_end() fail. */
void wire_put_u32(struct wire_writer *w, u32 val);
void wire_put_u64(struct wire_writer *w, u64 val);
void wire_put_bytes(struct wire_writer *w, const void *data, size_t len);
void wire_put_str(struct wire_writer *w, const char *str);
void wire_put_strs(struct wire_writer *w, const char *const *strs, u32 n);
void wire_put_attr(struct wire_writer *w, const struct wire_attr *attr);
void wire_put_spawn(struct wire_writer *w, const struct wire_spawn *spawn);
void wire_put_hello(struct wire_writer *w, const struct wire_hello *hello);
void wire_put_file(struct wire_writer *w, const struct wire_file *file);
void wire_put_sched(struct wire_writer *w, const struct wire_sched *sched);
void wire_put_report(struct wire_writer *w, const struct wire_report *report);

/**
 * struct wire_frame - a frame that was received
 * @type: see enum wire_type; may be one that this side does not know
 * @seq: sequence number
 * @len: bytes at @payload
 * @payload: valid until the receiver is used again
 */
struct wire_frame {
	u32 type;
	u32 seq;
	u32 len;
	const u8 *payload;
};

/**
 * enum wire_status - what became of received bytes
 * @WIRE_OK: a frame is complete
 * @WIRE_MORE: all bytes are used up, and the frame is not complete
 * @WIRE_BAD_MAGIC: this is no frame
 * @WIRE_BAD_VERSION: the other side is of another version
 * @WIRE_BAD_LENGTH: longer than WIRE_MAX_PAYLOAD
 * @WIRE_BAD_CRC: damaged
 */
enum wire_status {
	WIRE_OK,
	WIRE_MORE,
	WIRE_BAD_MAGIC,
	WIRE_BAD_VERSION,
	WIRE_BAD_LENGTH,
	WIRE_BAD_CRC,
};

/**
 * struct wire_receiver - makes frames of bytes; all zero at first
 * @buf: the frame that is not complete yet
 * @len: bytes in @buf
 * @status: WIRE_OK, or the error after which the stream has no meaning
 */
struct wire_receiver {
	u8 buf[WIRE_MAX_FRAME];
	size_t len;
	enum wire_status status;
};

/**
 * wire_receive() - take bytes until a frame is complete
 * @rx: the receiver
 * @data: the bytes; advanced past those that were used
 * @len: how many; reduced likewise
 * @frame: filled in if WIRE_OK is returned
 *
 * To be called until it returns WIRE_MORE. An error stays.
 */
enum wire_status wire_receive(struct wire_receiver *rx, const u8 **data,
			      size_t *len, struct wire_frame *frame);

/**
 * wire_status_name() - a status as words for messages
 * @status: any
 */
const char *wire_status_name(enum wire_status status);

/**
 * struct wire_reader - a payload being read; see wire_read()
 * @pos: what comes next
 * @left: bytes at @pos
 * @bad: something was missing or malformed; all that follows reads as 0
 */
struct wire_reader {
	const u8 *pos;
	size_t left;
	bool bad;
};

/**
 * wire_read() - begin to read a frame's payload
 * @r: the reader
 * @frame: must stay valid as long as what is read is used
 */
void wire_read(struct wire_reader *r, const struct wire_frame *frame);

/**
 * wire_read_done() - was all read, and was all good?
 * @r: the reader
 *
 * Return: true if nothing was missing, malformed or left over. Only then may
 * what was read be used.
 */
bool wire_read_done(const struct wire_reader *r);

/*
 * Take a field. Strings and bytes point into the payload; a bad string is "",
 * so that it can be passed on before wire_read_done() has been asked.
 */
u32 wire_get_u32(struct wire_reader *r);
u64 wire_get_u64(struct wire_reader *r);
const void *wire_get_bytes(struct wire_reader *r, u32 *len);
const char *wire_get_str(struct wire_reader *r);
void wire_get_hello(struct wire_reader *r, struct wire_hello *hello);
void wire_get_file(struct wire_reader *r, struct wire_file *file);
void wire_get_sched(struct wire_reader *r, struct wire_sched *sched);
void wire_get_report(struct wire_reader *r, struct wire_report *report);
void wire_get_attr(struct wire_reader *r, struct wire_attr *attr);

/**
 * wire_get_strs() - take strings
 * @r: the reader; bad if there are more than @max
 * @strs: filled in
 * @max: room at @strs
 *
 * Return: how many.
 */
u32 wire_get_strs(struct wire_reader *r, const char **strs, u32 max);

/**
 * wire_get_spawn() - take a group of workers
 * @r: the reader; bad also if a count is beyond its limit
 * @spawn: filled in
 * @cpus: room for WIRE_MAX_WORKERS lists of CPUs
 */
void wire_get_spawn(struct wire_reader *r, struct wire_spawn *spawn, const char **cpus);

#endif /* KTSTR_WIRE_H */
