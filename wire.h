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

#define WIRE_MAGIC		0x7274736bU	/* "kstr" */
#define WIRE_VERSION		1
#define WIRE_PORT_NAME		"ktstr.wire"	/* of the virtio-console ports */
#define WIRE_BULK_PORT_NAME	"ktstr.bulk"	/* for content of any size, without frames */

#define WIRE_HEADER_SIZE	20
#define WIRE_MAX_PAYLOAD	(64 * 1024)
#define WIRE_MAX_FRAME		(WIRE_HEADER_SIZE + WIRE_MAX_PAYLOAD)

#define WIRE_MAX_PATH		4096		/* with the NUL */
#define WIRE_MAX_NAME		64		/* of a worker group, with the NUL */
#define WIRE_MAX_FILE		(56 * 1024)	/* content in one WIRE_FILE */
#define WIRE_MAX_CHUNK		(32 * 1024)	/* output in one frame */
#define WIRE_MAX_ARGS		64
#define WIRE_MAX_GLOBS		64
#define WIRE_MAX_WORKERS	4096		/* of all groups of one WIRE_GO */
#define WIRE_MAX_CPUS		1024		/* in a worker's report */

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
 * @WIRE_RUN: {u64 timeout_ns, u32 n, string argv[n]}; answered by WIRE_OUTPUTs
 *	(stdout and stderr in one) and WIRE_EXIT
 * @WIRE_SCHED_START: {u64 timeout_ns, u32 n, string argv[n]}; answered by a
 *	WIRE_SCHED once the kernel says "enabled", or once it will not
 * @WIRE_SCHED_STATUS: {}; answered by a WIRE_SCHED
 * @WIRE_SCHED_STOP: {u64 timeout_ns}; SIGINT, and SIGKILL after the timeout;
 *	answered by a WIRE_SCHED
 * @WIRE_SPAWN: {string name, string cgroup, u32 count, u32 work}; an empty
 *	cgroup leaves the workers in the agent's; answered by WIRE_PIDS
 * @WIRE_GO: {u64 duration_ns, u64 grace_ns}; all workers spawned since the
 *	last one start together; those that have not noticed the end of the
 *	duration after the grace are reported as they are and killed; answered
 *	by a WIRE_REPORT for each
 * @WIRE_KMSG: {}; answered by WIRE_OUTPUTs and a WIRE_REASON
 * @WIRE_POWEROFF: {}; the guest is gone after the answer, or before
 * @WIRE_DONE: {u32 errnum, string what}; the last frame of an answer; @what
 *	says what failed, and is empty if @errnum is 0
 * @WIRE_FILE: struct wire_file
 * @WIRE_OUTPUT: {bytes}
 * @WIRE_EXIT: {u32 wait_status}; see wait(2)
 * @WIRE_SCHED: struct wire_sched
 * @WIRE_PIDS: {u32 n, u32 pid[n]}
 * @WIRE_REPORT: struct wire_report
 * @WIRE_REASON: {string}; the kernel log's lines about the last BPF scheduler
 *	that was disabled: which, why, and the message
 * @WIRE_HELLO: event, struct wire_hello; the agent listens
 * @WIRE_SCHED_EXIT: event, struct wire_sched; the scheduler that was started
 *	has left without being told to. If it left during a WIRE_GO, this
 *	comes before that one's WIRE_DONE.
 */
enum wire_type {
	WIRE_READ = 1,
	WIRE_WRITE,
	WIRE_MKDIR,
	WIRE_RMDIR,
	WIRE_RUN,
	WIRE_SCHED_START,
	WIRE_SCHED_STATUS,
	WIRE_SCHED_STOP,
	WIRE_SPAWN,
	WIRE_GO,
	WIRE_KMSG,
	WIRE_POWEROFF,

	WIRE_DONE = 0x40,
	WIRE_FILE,
	WIRE_OUTPUT,
	WIRE_EXIT,
	WIRE_SCHED,
	WIRE_PIDS,
	WIRE_REPORT,
	WIRE_REASON,

	WIRE_HELLO = 0x80,
	WIRE_SCHED_EXIT,
};

/**
 * enum wire_work - what a worker does
 * @WIRE_WORK_SPIN: computes, and never sleeps
 */
enum wire_work {
	WIRE_WORK_SPIN,
	WIRE_NR_WORK,
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
 * @raw_ns: between two of its readings of the clock, beyond the work done
 * @run_delay_ns: the part of it in which the worker was runnable and waited
 * @steal_ns: time stolen by the host, while it lasted, from the CPUs on which
 *	it may have waited; has the granularity of /proc/stat, 10 ms
 * @sched_ns: what remains as the scheduler's doing: the run delay less the
 *	steal, never below 0
 * @window_ns: the time over which steal was measured; not shorter than
 *	@raw_ns, and the more exact the closer it is to it
 * @at_ns: when it began, since the start of the run
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
 * after: their steal is added up. This and a window that begins before the gap
 * can subtract too much, so the error is in the scheduler's favour; the steal
 * column's granularity errs by less than 10 ms in either direction, and a CPU
 * that is stolen just now has not got the last few ms in its column. A verdict's
 * limit should be larger than these.
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
 *	was lost over a context switch
 */
enum wire_report_flags {
	WIRE_REPORT_NOT_STOPPED	= 1 << 0,
	WIRE_REPORT_NEVER_RAN	= 1 << 1,
	WIRE_REPORT_DIED	= 1 << 2,
	WIRE_REPORT_CORRUPT	= 1 << 3,
};

/**
 * struct wire_report - what one worker measured
 * @group: name of its group
 * @index: its number in the group
 * @pid: of its process
 * @flags: see enum wire_report_flags
 * @units: work units done; a unit is a fixed number of instructions
 * @cpu_ns: CPU time (CLOCK_THREAD_CPUTIME_ID), without steal if the kernel has
 *	CONFIG_PARAVIRT_TIME_ACCOUNTING
 * @wall_ns: from the common start to the worker's end
 * @nvcsw: voluntary context switches
 * @nivcsw: involuntary ones
 * @run_delay_ns: total time of waiting for a CPU, steal included
 * @timeslices: times that it was put on a CPU
 * @steal_ns: steal during @wall_ns of the CPUs that it was seen on: the mean
 * @migrations: changes of CPU seen from one reading to the next
 * @unit_ns: the time that the quickest unit took; 0 if none was done
 * @max_raw_gap_ns: the longest &wire_gap.raw_ns
 * @gap: the gap with the longest &wire_gap.sched_ns
 * @cpus: the CPUs that it was seen on, one bit each
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
	u64 migrations;
	u64 unit_ns;
	u64 max_raw_gap_ns;
	struct wire_gap gap;
	u64 cpus[WIRE_MAX_CPUS / 64];
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

#endif /* KTSTR_WIRE_H */
