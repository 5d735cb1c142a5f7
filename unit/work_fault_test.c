// SPDX-License-Identifier: GPL-2.0
/*
 * Work that cannot be done as it should, for a reason that is planted: a system call
 * that fails, a partner that is killed, a register or memory that changes. Each is
 * reported; and that a type notices it shows that it makes that call at all.
 */
#include <linux/futex.h>
#include <linux/kernel.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <uapi/linux/filter.h>	/* tools/include has another linux/filter.h */
#include <unistd.h>

#include "agent_peer.h"
#include "expect.h"

/* What any of the workers has */
static u32 all_flags(const struct peer *p)
{
	u32 flags = 0;
	size_t i;

	for (i = 0; i < p->reply.nr_reports; i++)
		flags |= flags_of(&p->reply.reports[i].r);
	return flags;
}

static bool any_error(const struct peer *p)
{
	return all_flags(p) & WIRE_REPORT_ERROR;
}

/* -- System calls that fail ------------------------------------------------- */

#define ANY_ARG		(-1)

/* In an agent whose arguments are not known, all others but the one that starts it */
#define NOT_ITS_START	(-2)

/**
 * struct denied - a system call that fails, in the agent and all that it starts
 * @nr: which
 * @arg: only where this argument is @value; or ANY_ARG, or NOT_ITS_START
 * @value: see @arg
 * @errnum: the errno
 */
struct denied {
	int nr;
	int arg;
	u32 value;
	int errnum;
};

static void deny(const struct peer *p, const char *path)
{
	const struct denied *d = p->arg;
	bool start = d->arg == NOT_ITS_START;
	u32 arg = offsetof(struct seccomp_data, args[d->arg < 0 ? 0 : d->arg]);
	u32 value = start ? (u32)(unsigned long)path : d->value;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (u32)d->nr, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, arg),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, start, !start),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (u32)d->errnum),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = ARRAY_SIZE(code), .filter = code };

	/* Whatever the argument is */
	if (d->arg == ANY_ARG)
		code[3].jf = 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog)) {
		perror("seccomp");
		_exit(127);
	}
}

FIXTURE(denied)
{
	struct peer *p;
};

/*
 * @said: by the start, which fails; NULL if the workers start, and report an error
 */
FIXTURE_VARIANT(denied)
{
	u32 work;
	u32 count;
	const char *arg;
	const struct denied *denied;
	const char *said;
};

#define DENIED(which, nr_of_workers, name, call, ...)				\
static const struct denied denied_##name = call;				\
FIXTURE_VARIANT_ADD(denied, name) {						\
	.work = WIRE_WORK_##which,						\
	.count = nr_of_workers,							\
	.denied = &denied_##name,						\
	##__VA_ARGS__								\
}

#define FAILS(...)		((struct denied){ __VA_ARGS__ })
#define SLEEP_FAILS		FAILS(SYS_clock_nanosleep, ANY_ARG, 0, EPERM)
#define YIELD_FAILS		FAILS(SYS_sched_yield, ANY_ARG, 0, EPERM)
#define FUTEX_WAIT_FAILS	FAILS(SYS_futex, 1, FUTEX_WAIT, EPERM)
/* (not the one that wakes all workers at the start) */
#define FUTEX_WAKE_FAILS	FAILS(SYS_futex, 2, 1, EPERM)
/* Of the size that a time stamp has */
#define PIPE_READ_FAILS		FAILS(SYS_read, 2, sizeof(u64), EIO)
#define PIPE_WRITE_FAILS	FAILS(SYS_write, 2, sizeof(u64), EIO)
#define POLICY_FAILS(policy)	FAILS(SYS_sched_setscheduler, 1, policy, EPERM)
#define NICE_FAILS		FAILS(SYS_setpriority, ANY_ARG, 0, EPERM)

DENIED(YIELD, 1, yield, YIELD_FAILS);
DENIED(MIXED, 1, mixed_sleep, SLEEP_FAILS);
DENIED(MIXED, 1, mixed_yield, YIELD_FAILS);
DENIED(BURSTY, 1, bursty, SLEEP_FAILS);
DENIED(RT_HOG, 1, rt_hog, SLEEP_FAILS);
DENIED(RT_HOG, 1, rt_hog_policy, POLICY_FAILS(SCHED_FIFO), .said = "become SCHED_FIFO");
DENIED(PIPE, 2, pipe_read, PIPE_READ_FAILS);
DENIED(PIPE, 2, pipe_write, PIPE_WRITE_FAILS);
DENIED(PINGPONG, 2, pingpong_wait, FUTEX_WAIT_FAILS);
DENIED(PINGPONG, 2, pingpong_wake, FUTEX_WAKE_FAILS);
DENIED(FANOUT, 3, fanout, FUTEX_WAIT_FAILS);
DENIED(FANOUT_COMPUTE, 3, fanout_compute, FUTEX_WAIT_FAILS);
DENIED(CHAIN, 3, chain, FUTEX_WAIT_FAILS);
DENIED(TIMER, 1, timer, SLEEP_FAILS);
DENIED(MUTEX, 3, mutex, FUTEX_WAIT_FAILS);
DENIED(INVERSION, 3, inversion, SLEEP_FAILS);
DENIED(INVERSION, 3, inversion_nice, NICE_FAILS, .said = "have nice value");
DENIED(CACHE_YIELD, 1, cache_yield, YIELD_FAILS);
DENIED(CACHE_PIPE, 2, cache_pipe, PIPE_READ_FAILS);
DENIED(FAULT, 1, fault, FAILS(SYS_madvise, 2, MADV_DONTNEED, EINVAL));
DENIED(FORK, 1, fork, FAILS(SYS_clone, ANY_ARG, 0, EAGAIN));
DENIED(EXEC, 1, exec_fork, FAILS(SYS_clone, ANY_ARG, 0, EAGAIN));
DENIED(EXEC, 1, exec, FAILS(SYS_execve, NOT_ITS_START, 0, EACCES));
DENIED(NICE, 1, nice, FAILS(SYS_setpriority, 2, 5, EPERM));
DENIED(AFFINITY, 1, affinity, FAILS(SYS_sched_setaffinity, ANY_ARG, 0, EPERM));
DENIED(POLICY, 1, policy, POLICY_FAILS(SCHED_IDLE), .said = "have policy 5");
DENIED(IO_SYNC, 1, io_sync, FAILS(SYS_fdatasync, ANY_ARG, 0, EIO));
DENIED(IO_SYNC, 1, io_sync_write, FAILS(SYS_pwrite64, ANY_ARG, 0, ENOSPC));
DENIED(DISK, 1, disk, FAILS(SYS_pread64, 2, 4096, EIO), .arg = "/proc/self/exe");
DENIED(NET, 1, net, FAILS(SYS_recvmsg, ANY_ARG, 0, EIO), .arg = "lo");
DENIED(CUSTOM, 1, compile, SLEEP_FAILS, .arg = "compile");
DENIED(CUSTOM, 1, kworkers, FAILS(SYS_pread64, 2, 16, EIO), .arg = "kworkers");

static struct peer *open_agent(struct __test_metadata *_metadata, const struct denied *denied)
{
	struct peer *p = calloc(1, sizeof(*p));

	ASSERT_NE(NULL, p);
	p->before_exec = denied ? deny : NULL;
	p->arg = denied;
	ASSERT_TRUE(agent_start(p));
	ASSERT_EQ(0, control_wait_hello(&p->c, PATIENCE_NS, &p->err)) {
		TH_LOG("%s", p->err.text);
	}
	return p;
}

static void close_agent(struct peer *p)
{
	agent_stop(p);
	free(p);
}

FIXTURE_SETUP(denied)
{
	self->p = open_agent(_metadata, variant->denied);
}

FIXTURE_TEARDOWN(denied)
{
	close_agent(self->p);
}

TEST_F(denied, is_reported)
{
	const struct wire_spawn spawn = {
		.name = "workers", .count = variant->count,
		.phases[0] = { .work = variant->work, .arg = variant->arg },
	};
	struct peer *p = self->p;
	int ret = peer_run_until(p, &spawn, any_error);

	if (variant->said) {
		EXPECT_EQ(-variant->denied->errnum, ret);
		expect_in(_metadata, variant->said, p->err.text);
		return;
	}
	if (ret == -EPERM || ret == -EACCES)
		SKIP(return, "not allowed here (run it as root): %.200s", p->err.text);
	ASSERT_EQ(0, ret) {
		TH_LOG("%s", p->err.text);
	}
	EXPECT_EQ(variant->count, p->reply.nr_reports);
	EXPECT_EQ(WIRE_REPORT_ERROR, all_flags(p));
}

/* -- Others ----------------------------------------------------------------- */

FIXTURE(work)
{
	struct peer *p;
};

FIXTURE_SETUP(work)
{
	self->p = open_agent(_metadata, NULL);
}

FIXTURE_TEARDOWN(work)
{
	close_agent(self->p);
}

/* One of a team dies. The others come back, and have not gone on where they cannot. */
TEST_F(work, partner_dies)
{
	static const struct {
		u32 work;
		u32 count;
		bool alone;	/* the others need not wait for it */
	} teams[] = {
		{ WIRE_WORK_PIPE, 2, false },
		{ WIRE_WORK_PINGPONG, 2, false },
		{ WIRE_WORK_FANOUT, 3, false },
		{ WIRE_WORK_FANOUT_COMPUTE, 3, false },
		{ WIRE_WORK_CHAIN, 3, false },
		{ WIRE_WORK_CACHE_PIPE, 2, false },
		{ WIRE_WORK_MUTEX, 3, true },
	};
	struct wire_spawn spawn = { .name = "team" };
	struct peer *p = self->p;
	const struct wire_report *r;
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(teams); i++) {
		const char *name = wire_work_name(teams[i].work);

		spawn.count = teams[i].count;
		spawn.phases[0].work = teams[i].work;
		ASSERT_EQ(0, CALL(control_spawn, &spawn)) TH_LOG("%s: %s", name, p->err.text);
		kill(p->reply.pids[1], SIGKILL);
		ASSERT_EQ(0, CALL(control_start, NULL, 0, RUN_NS, PATIENCE_NS));
		ASSERT_EQ(0, CALL(control_stop, NULL, 0, PATIENCE_NS, PATIENCE_NS));
		ASSERT_EQ(teams[i].count, p->reply.nr_reports);
		for (k = 0; k < teams[i].count; k++) {
			r = &p->reply.reports[k].r;
			EXPECT_EQ(k == 1 ? WIRE_REPORT_DIED : 0, flags_of(r))
				TH_LOG("%s: worker %zu has flags %#x", name, k, r->flags);
			if (!teams[i].alone)
				EXPECT_GE(1, r->units) TH_LOG("%s: worker %zu", name, k);
		}
	}
}

/* Files take the place of cgroups; the second is one that cannot be written to. */
TEST_F(work, cgroup_that_takes_nobody)
{
	struct peer *p = self->p;
	char path[256], full[128];
	const struct wire_spawn spawn = {
		.name = "storm", .count = 1,
		.phases[0] = { .work = WIRE_WORK_CGROUP, .arg = path },
	};

	snprintf(path, sizeof(path), "%s/a %s/b", p->dir, p->dir);
	snprintf(full, sizeof(full), "%s/a", p->dir);
	ASSERT_EQ(0, mkdir(full, 0755));
	snprintf(full, sizeof(full), "%s/b", p->dir);
	ASSERT_EQ(0, mkdir(full, 0755));
	write_file(p, "a/cgroup.procs", "");
	snprintf(full, sizeof(full), "%s/b/cgroup.procs", p->dir);
	ASSERT_EQ(0, symlink("/dev/full", full));
	ASSERT_EQ(0, peer_run_until(p, &spawn, any_error)) TH_LOG("%s", p->err.text);
	EXPECT_EQ(WIRE_REPORT_ERROR, all_flags(p));
}

/* Someone else's work in between has failed: the sequence of phases has. */
TEST_F(work, one_phase_of_several)
{
	struct wire_spawn spawn = {
		.name = "phases", .count = 1, .nr_phases = 2,
		.phases = {
			{ .work = WIRE_WORK_SPIN, .phase_ns = 5 * MSEC },
			{ .work = WIRE_WORK_IO_SYNC, .phase_ns = 5 * MSEC, .arg = "/dev/shm" },
		},
	};
	static const struct denied denied = { SYS_fdatasync, ANY_ARG, 0, EIO };
	struct peer *p = self->p;

	if (access("/dev/shm", W_OK))
		spawn.phases[1].arg = NULL;
	ASSERT_EQ(0, peer_run(p, &spawn, RUN_NS)) TH_LOG("%s", p->err.text);
	EXPECT_EQ(0, all_flags(p));
	close_agent(p);
	self->p = open_agent(_metadata, &denied);
	p = self->p;
	ASSERT_EQ(0, peer_run_until(p, &spawn, any_error)) TH_LOG("%s", p->err.text);
	EXPECT_EQ(WIRE_REPORT_ERROR, all_flags(p));
}

/* The middle of a process's largest private memory, page-aligned, or 0 */
static unsigned long largest_memory(pid_t pid, unsigned long at_least)
{
	unsigned long from, to, best = 0, middle = 0;
	char path[64], line[512], perms[8];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, perms) != 3 ||
		    strcmp(perms, "rw-p") || to - from < at_least || to - from <= best)
			continue;
		best = to - from;
		middle = (from + best / 2) & ~4095UL;
	}
	if (f)
		fclose(f);
	return middle;
}

/* Memory that changes by itself */
TEST_F(work, memory_is_lost)
{
	static const u32 types[] = {
		WIRE_WORK_CACHE, WIRE_WORK_CACHE_YIELD, WIRE_WORK_CACHE_PIPE, WIRE_WORK_NUMA,
	};
	struct wire_spawn spawn = { .name = "memory", .count = 2, .phases[0].bytes = 4 << 20 };
	u32 zero = 0;
	struct iovec local = { &zero, sizeof(zero) }, remote = { .iov_len = sizeof(zero) };
	struct peer *p = self->p;
	size_t i;
	pid_t pid;
	u64 ns;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		spawn.phases[0].work = types[i];
		for (ns = RUN_NS; ns < MAX_RUN_NS; ns *= 2) {
			ASSERT_EQ(0, CALL(control_spawn, &spawn)) {
				TH_LOG("%s", p->err.text);
			}
			pid = p->reply.pids[0];
			ASSERT_EQ(0, CALL(control_start, NULL, 0, WIRE_FOREVER, PATIENCE_NS));
			usleep(20000);
			remote.iov_base = (void *)largest_memory(pid, spawn.phases[0].bytes);
			ASSERT_NE(NULL, remote.iov_base);
			if (process_vm_writev(pid, &local, 1, &remote, 1, 0) != sizeof(zero))
				SKIP(return, "not allowed to change a process: run it as root");
			ASSERT_EQ(0, CALL(control_stop, NULL, 0, ns, PATIENCE_NS));
			if (flags_of(&p->reply.reports[0].r))
				break;
		}
		EXPECT_EQ(WIRE_REPORT_CORRUPT, flags_of(&p->reply.reports[0].r))
			TH_LOG("%s", wire_work_name(types[i]));
		EXPECT_EQ(0, flags_of(&p->reply.reports[1].r));
	}
}

/* Where in the registers the one with this number is (SDM 2.2.1.2, "REX") */
static unsigned long long *numbered(struct user_regs_struct *regs, unsigned int nr)
{
	unsigned long long *const all[] = {
		&regs->rax, &regs->rcx, &regs->rdx, &regs->rbx, &regs->rsp, &regs->rbp,
		&regs->rsi, &regs->rdi, &regs->r8, &regs->r9, &regs->r10, &regs->r11,
		&regs->r12, &regs->r13, &regs->r14, &regs->r15,
	};

	return all[nr % ARRAY_SIZE(all)];
}

/*
 * A unit of work is a loop with one multiplication in it, whose product is what counts:
 * change that by 1, if that is where the process is.
 */
static bool change_product(pid_t pid)
{
	struct user_regs_struct regs;
	u8 code[64];
	struct iovec local = { code, sizeof(code) }, remote = { .iov_len = sizeof(code) };
	size_t i;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &regs))
		return false;
	remote.iov_base = (void *)((unsigned long)regs.rip - sizeof(code) / 2);
	if (process_vm_readv(pid, &local, 1, &remote, 1, 0) != sizeof(code))
		return false;
	for (i = 0; i + 4 <= sizeof(code); i++) {
		/* REX.W, IMUL r64, r/m64 with two registers */
		if ((code[i] & 0xf8) != 0x48 || code[i + 1] != 0x0f || code[i + 2] != 0xaf ||
		    (code[i + 3] & 0xc0) != 0xc0)
			continue;
		*numbered(&regs, (code[i + 3] >> 3 & 7) | (code[i] & 4) << 1) ^= 1;
		return !ptrace(PTRACE_SETREGS, pid, NULL, &regs);
	}
	return false;
}

/* A register is lost over a context switch. */
TEST_F(work, register_is_lost)
{
	const struct wire_spawn spawn = { .name = "spin", .count = 2 };
	struct peer *p = self->p;
	u64 end = clock_ns() + PATIENCE_NS;
	bool changed = false;
	int status;
	pid_t pid;

	ASSERT_EQ(0, CALL(control_spawn, &spawn));
	pid = p->reply.pids[0];
	ASSERT_EQ(0, CALL(control_start, NULL, 0, WIRE_FOREVER, PATIENCE_NS));
	while (!changed && clock_ns() < end) {
		usleep(5000);
		if (ptrace(PTRACE_ATTACH, pid, NULL, NULL))
			SKIP(break, "not allowed to trace a process: run it as root");
		ASSERT_EQ(pid, waitpid(pid, &status, __WALL));
		changed = change_product(pid);
		ptrace(PTRACE_DETACH, pid, NULL, NULL);
	}
	ASSERT_EQ(0, CALL(control_stop, NULL, 0, SEC, PATIENCE_NS));
	ASSERT_EQ(true, changed);
	EXPECT_EQ(WIRE_REPORT_CORRUPT, flags_of(&p->reply.reports[0].r));
	EXPECT_EQ(0, flags_of(&p->reply.reports[1].r));
}

TEST_HARNESS_MAIN
