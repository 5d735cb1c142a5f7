// SPDX-License-Identifier: GPL-2.0
/*
 * Guests that stand still, on /dev/kvm: nothing moves in them meanwhile, and their
 * clocks have not moved afterwards.
 */
#include <errno.h>
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/sizes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "devices.h"
#include "held.h"
#include "host.h"
#include "harness.h"
#include "ktstr_vmm.h"
#include "tiny_guest.h"

#define WAIT_NS		PATIENCE_NS
#define MAX_CPUS	64

/* What guest_count keeps, at the code of its CPUs but the first */
#define AP_GPA		0x10000
#define COUNTERS	(AP_GPA + 0x1000)
#define TSCS		(AP_GPA + 0x1800)

/* struct pvclock_vcpu_time_info of kvmclock (Documentation/virt/kvm/x86/msr.rst) */
#define CLOCK_GPA	0x12000
#define CLOCK_VERSION	(CLOCK_GPA)
#define CLOCK_FLAGS	(CLOCK_GPA + 29)
#define GUEST_STOPPED	BIT(1)

asm("	.pushsection .rodata\n"

/*
 * All CPUs count, and note their time stamp counters. The others than the first
 * do so in real mode, with 0x10000 as their only segment.
 */
"	.balign 4\n"
"count:\n"
"	mov $0x10000, %edi\n"
"	lea count_ap(%rip), %rsi\n"
"	mov $count_ap_end - count_ap, %ecx\n"
"1:	mov (%rsi), %al\n"
"	mov %al, (%rdi)\n"
"	inc %rsi\n"
"	inc %rdi\n"
"	dec %ecx\n"
"	jnz 1b\n"
"	mov $0x10800, %ebp\n"
"	movq $1, (%rbp)\n"
"	mov $0xfee00000, %eax\n"
"	movl $0x1ff, 0xf0(%rax)\n"
"	movl $0xc4500, 0x300(%rax)\n"
"	movl $0xc4610, 0x300(%rax)\n"
"2:	rdtsc\n"
"	mov %eax, 0x1000(%rbp)\n"
"	mov %edx, 0x1004(%rbp)\n"
"	incq 0x800(%rbp)\n"
"	jmp 2b\n"

"	.code16\n"
"count_ap:\n"
"	mov %cs, %ax\n"
"	mov %ax, %ds\n"
"	mov $1, %ecx\n"
"	lock xadd %ecx, 0x800\n"
"1:	rdtsc\n"
"	mov %eax, 0x1800(,%ecx,8)\n"
"	mov %edx, 0x1804(,%ecx,8)\n"
"	incl 0x1000(,%ecx,8)\n"
"	jmp 1b\n"
"count_ap_end:\n"
"	.code64\n"

/* One character for each time that %ebx is incremented */
"out:\n"
"	mov $0x3f8, %edx\n"
"	mov $'x', %al\n"
"	xor %ebx, %ebx\n"
"1:	inc %ebx\n"
"out_insn:\n"
"	out %al, %dx\n"
"	jmp 1b\n"

/* A kvmclock at CLOCK_GPA: MSR_KVM_SYSTEM_TIME_NEW */
"kvmclock:\n"
"	mov $0x4b564d01, %ecx\n"
"	mov $0x12001, %eax\n"
"	xor %edx, %edx\n"
"	wrmsr\n"
"1:	jmp 1b\n"

/* Nothing, with the others waiting for SIPI */
"stand:\n"
"	cli\n"
"	hlt\n"
"	jmp stand\n"

/* Some work, then the end */
"leave:\n"
"	mov leave_loops(%rip), %ecx\n"
"1:	dec %ecx\n"
"	jnz 1b\n"
"	mov $0x600, %edx\n"
"	mov $0x34, %al\n"
"	out %al, %dx\n"
"	jmp stand\n"
"	.balign 4\n"
"leave_loops:	.long 0\n"
"end:\n"
"	.popsection\n"
);

#define GUEST(name)	extern const u8 name[]
GUEST(count);
GUEST(count_ap);
GUEST(count_ap_end);
GUEST(out);
GUEST(out_insn);
GUEST(kvmclock);
GUEST(stand);
GUEST(leave);
GUEST(leave_loops);
GUEST(end);

FIXTURE(freeze) {
	struct ktstr_vm_config cfg;
	struct ktstr_vm *vm;
	struct ktstr_vm_frozen frozen;
	struct tiny_guest guest;
	char path[64];
	int fd;
	struct errmsg err;
};

FIXTURE_SETUP(freeze)
{
	memset(self, 0, sizeof(*self));
	if (access(HOST_KVM, R_OK | W_OK))
		SKIP(return, HOST_KVM ": %s", strerror(errno));
	self->fd = tiny_guest_open(self->path, sizeof(self->path));
	ASSERT_LE(0, self->fd);
	tiny_guest_init(&self->guest);
	self->cfg = (struct ktstr_vm_config) {
		.topo = { .nodes = 1, .llcs = 1, .cores = 4, .threads = 1 },
		.memory = SZ_16M,
		.kernel = self->path,
	};
}

FIXTURE_TEARDOWN(freeze)
{
	ktstr_vm_destroy(self->vm);
	close(self->fd);
}

static void assert_ok(struct __test_metadata *_metadata, struct _test_data_freeze *self, int ret)
{
	ASSERT_EQ(0, ret) {
		TH_LOG("%s", self->err.text);
	}
}

static void start(struct __test_metadata *_metadata, struct _test_data_freeze *self,
		  const u8 *guest)
{
	tiny_guest_set(&self->guest, guest, end);
	ASSERT_EQ(sizeof(self->guest), pwrite(self->fd, &self->guest, sizeof(self->guest), 0));
	assert_ok(_metadata, self, ktstr_vm_create(&self->vm, &self->cfg, &self->err) ?:
				   ktstr_vm_load(self->vm, &self->err) ?:
				   ktstr_vm_start(self->vm, &self->err));
}

static void destroy(struct _test_data_freeze *self)
{
	ktstr_vm_destroy(self->vm);
	self->vm = NULL;
}

static void freeze(struct __test_metadata *_metadata, struct _test_data_freeze *self)
{
	assert_ok(_metadata, self, ktstr_vm_freeze(self->vm, &self->frozen, &self->err));
}

static void thaw(struct __test_metadata *_metadata, struct _test_data_freeze *self)
{
	assert_ok(_metadata, self, ktstr_vm_thaw(self->vm, &self->err));
}

static unsigned int cpus(const struct _test_data_freeze *self)
{
	return topology_cpus(&self->cfg.topo);
}

/* Until each CPU has counted beyond @counts, which are as they are then */
static void wait_for_all(struct __test_metadata *_metadata, struct _test_data_freeze *self,
			 u64 *counts)
{
	const u64 *now = ktstr_vm_memory(self->vm, COUNTERS, cpus(self) * sizeof(u64));
	const u64 deadline = clock_ns() + WAIT_NS;
	unsigned int i;

	for (i = 0; i < cpus(self); i++) {
		while (READ_ONCE(now[i]) == counts[i] && clock_ns() < deadline)
			usleep(100);
		ASSERT_NE(READ_ONCE(now[i]), counts[i]) {
			TH_LOG("CPU %u does not count", i);
		}
	}
	for (i = 0; i < cpus(self); i++)
		counts[i] = READ_ONCE(now[i]);
}

/* What frozen CPUs have counted */
static void read_counts(struct _test_data_freeze *self, u64 *counts)
{
	const size_t size = cpus(self) * sizeof(u64);

	memcpy(counts, ktstr_vm_memory(self->vm, COUNTERS, size), size);
}

static void expect_counting(struct __test_metadata *_metadata, struct _test_data_freeze *self)
{
	unsigned int i;

	ASSERT_EQ(cpus(self), self->frozen.nr_vcpus);
	for (i = 0; i < cpus(self); i++) {
		const struct vcpu_state *v = &self->frozen.vcpus[i];
		u64 rip = v->sregs.cs.base + v->regs.rip;

		ASSERT_EQ(true, v->valid);
		if (i) {
			EXPECT_GE(rip, AP_GPA);
			EXPECT_LT(rip, AP_GPA + (u64)(count_ap_end - count_ap));
		} else {
			EXPECT_GE(rip, TINY_GUEST_GPA);
			EXPECT_LT(rip, TINY_GUEST_GPA + (count_ap - count));
		}
	}
}

TEST_F(freeze, nothing_moves)
{
	u64 counts[MAX_CPUS] = {}, then[MAX_CPUS];
	const u64 *now;
	int round;

	start(_metadata, self, count);
	now = ktstr_vm_memory(self->vm, COUNTERS, sizeof(counts));
	ASSERT_NE(NULL, now);
	EXPECT_EQ(NULL, ktstr_vm_memory(self->vm, SZ_16M - 8, 16));
	for (round = 0; round < 20; round++) {
		wait_for_all(_metadata, self, counts);
		freeze(_metadata, self);
		expect_counting(_metadata, self);
		memcpy(then, now, sizeof(then));
		usleep(round < 3 ? 50000 : 1000);
		EXPECT_EQ(0, memcmp(then, now, sizeof(then))) {
			TH_LOG("round %d: a CPU went on", round);
		}
		memcpy(counts, then, sizeof(counts));
		thaw(_metadata, self);
	}
	wait_for_all(_metadata, self, counts);
	EXPECT_EQ(20, ktstr_vm_result(self->vm)->freezes);
	EXPECT_GE(ktstr_vm_result(self->vm)->longest_freeze_ns, 50 * NSEC_PER_MSEC);
	EXPECT_LT(ktstr_vm_result(self->vm)->longest_freeze_ns, WAIT_NS);
}

/*
 * What passes for the guest is no more than what passed here without the freezes,
 * for both of its clocks. All of ours is measured around, so that it holds on a
 * busy machine, too.
 */
TEST_F(freeze, clocks_stand_still)
{
	const useconds_t frozen_us = 300000;
	u64 before, after, counts[MAX_CPUS] = {}, frozen, khz = 0;
	const u64 *tscs;
	struct ktstr_vm_frozen first;
	int i;

	start(_metadata, self, count);
	tscs = ktstr_vm_memory(self->vm, TSCS, 8);
	wait_for_all(_metadata, self, counts);

	/* The frequency of the guest's TSC, by its kvmclock */
	freeze(_metadata, self);
	first = self->frozen;
	thaw(_metadata, self);
	usleep(100000);
	freeze(_metadata, self);
	thaw(_metadata, self);
	if (!ktstr_vm_result(self->vm)->tsc_jumps)
		khz = (self->frozen.tsc - first.tsc) * 1000000 /
		      (self->frozen.clock_ns - first.clock_ns);

	for (i = 0; i < 3; i++) {
		before = clock_ns();
		freeze(_metadata, self);
		first = self->frozen;
		frozen = clock_ns();
		usleep(frozen_us);
		read_counts(self, counts);
		frozen = clock_ns() - frozen;
		thaw(_metadata, self);
		/* One round that was begun before, one that was not; what do they say now? */
		wait_for_all(_metadata, self, counts);
		wait_for_all(_metadata, self, counts);
		freeze(_metadata, self);
		after = clock_ns();
		EXPECT_GT(self->frozen.clock_ns, first.clock_ns);
		EXPECT_LE(self->frozen.clock_ns - first.clock_ns, after - before - frozen) {
			TH_LOG("kvmclock: frozen for %llu of %llu ms",
			       (unsigned long long)frozen / NSEC_PER_MSEC,
			       (unsigned long long)(after - before) / NSEC_PER_MSEC);
		}
		if (khz) {
			u64 ns = (self->frozen.tsc - first.tsc) * 1000000 / khz;

			EXPECT_GT(self->frozen.tsc, first.tsc);
			/* The frequency is known to a thousandth or so. */
			EXPECT_LE(ns * 99 / 100, after - before - frozen);
			/* It is the one that the guest reads. */
			EXPECT_GT(READ_ONCE(*tscs), first.tsc);
			EXPECT_LT(READ_ONCE(*tscs), self->frozen.tsc);
		}
		thaw(_metadata, self);
	}
	if (!khz)
		TH_LOG("this KVM has no KVM_VCPU_TSC_OFFSET: only kvmclock was tested");
}

/* A guest with a kvmclock can tell why time is odd: Linux resets its watchdogs. */
TEST_F(freeze, guest_is_told)
{
	const u64 deadline = clock_ns() + WAIT_NS;
	const u32 *version;
	const u8 *flags;
	u32 then;

	start(_metadata, self, kvmclock);
	version = ktstr_vm_memory(self->vm, CLOCK_VERSION, sizeof(*version));
	flags = ktstr_vm_memory(self->vm, CLOCK_FLAGS, sizeof(*flags));
	while (!READ_ONCE(*version) && clock_ns() < deadline)
		usleep(1000);
	ASSERT_NE(0, READ_ONCE(*version));
	freeze(_metadata, self);
	EXPECT_EQ(0, READ_ONCE(*flags) & GUEST_STOPPED);
	then = READ_ONCE(*version);
	thaw(_metadata, self);
	while (READ_ONCE(*version) == then && clock_ns() < deadline)
		usleep(1000);
	EXPECT_EQ(GUEST_STOPPED, READ_ONCE(*flags) & GUEST_STOPPED);
}

/* CPUs that wait for an IPI, or for an interrupt that never comes, stand, too. */
TEST_F(freeze, waiting_cpus)
{
	int i;

	start(_metadata, self, stand);
	for (i = 0; i < 20; i++) {
		usleep(i * 100);
		freeze(_metadata, self);
		EXPECT_EQ(true, self->frozen.vcpus[3].valid);
		thaw(_metadata, self);
	}
	EXPECT_EQ(20, ktstr_vm_result(self->vm)->freezes);
}

TEST_F(freeze, many_cpus_often)
{
	u64 counts[MAX_CPUS] = {};
	struct held before;
	int i;

	self->cfg.topo.cores = 16;
	start(_metadata, self, count);
	wait_for_all(_metadata, self, counts);
	before = held();
	for (i = 0; i < 100; i++) {
		freeze(_metadata, self);
		thaw(_metadata, self);
	}
	EXPECT_EQ(before.fds, held().fds);
	EXPECT_EQ(before.threads, held().threads);
	wait_for_all(_metadata, self, counts);
	EXPECT_EQ(100, ktstr_vm_result(self->vm)->freezes);
}

TEST_F(freeze, wrong_calls)
{
	assert_ok(_metadata, self, ktstr_vm_create(&self->vm, &self->cfg, &self->err));
	EXPECT_EQ(-EPIPE, ktstr_vm_freeze(self->vm, &self->frozen, &self->err));
	EXPECT_EQ(-EINVAL, ktstr_vm_thaw(self->vm, &self->err));
	destroy(self);

	start(_metadata, self, count);
	EXPECT_EQ(-EINVAL, ktstr_vm_thaw(self->vm, &self->err));
	freeze(_metadata, self);
	EXPECT_EQ(-EALREADY, ktstr_vm_freeze(self->vm, &self->frozen, &self->err));
	thaw(_metadata, self);
	EXPECT_EQ(-EINVAL, ktstr_vm_thaw(self->vm, &self->err));
	ktstr_vm_stop(self->vm, KTSTR_VM_STOPPED, "enough");
	EXPECT_EQ(-EPIPE, ktstr_vm_freeze(self->vm, &self->frozen, &self->err));
	EXPECT_EQ(-EINVAL, ktstr_vm_thaw(self->vm, &self->err));
}

/* A bound that nobody can keep: the guest goes on as if nothing had been asked. */
TEST_F(freeze, timeout)
{
	u64 counts[MAX_CPUS] = {};
	int i;

	self->cfg.freeze_timeout_ns = 1;
	start(_metadata, self, count);
	for (i = 0; i < 20; i++) {
		wait_for_all(_metadata, self, counts);
		ASSERT_EQ(-ETIMEDOUT, ktstr_vm_freeze(self->vm, &self->frozen, &self->err));
		EXPECT_NE(NULL, strstr(self->err.text, "4 CPUs stopped within 0 ms: ETIMEDOUT")) {
			TH_LOG("%s", self->err.text);
		}
	}
	wait_for_all(_metadata, self, counts);
	EXPECT_EQ(KTSTR_VM_RUNNING, ktstr_vm_result(self->vm)->state);
	EXPECT_EQ(0, ktstr_vm_result(self->vm)->freezes);
}

/*
 * Frozen, then stopped: no instruction is run in between. And none is half done:
 * a character that was written was written by an instruction that is over.
 */
TEST_F(freeze, stopped_while_frozen)
{
	const struct ktstr_vm_result *r;
	struct kvm_regs regs;
	int round;

	for (round = 0; round < 20; round++) {
		start(_metadata, self, out);
		usleep(3000 + round * 37);
		freeze(_metadata, self);
		regs = self->frozen.vcpus[0].regs;
		ktstr_vm_stop(self->vm, KTSTR_VM_STOPPED, "enough");
		r = ktstr_vm_result(self->vm);
		ASSERT_EQ(4, r->nr_vcpus);
		ASSERT_EQ(true, r->vcpus[0].valid);
		EXPECT_EQ(regs.rip, r->vcpus[0].regs.rip);
		EXPECT_EQ(regs.rbx, r->vcpus[0].regs.rbx);
		/* The log keeps the end only of what is more. */
		if (regs.rbx < CONSOLE_LOG_SIZE) {
			EXPECT_EQ(regs.rbx - (regs.rip == TINY_GUEST_GPA + (out_insn - out)),
				  r->console_len) {
				TH_LOG("rip %#llx", (unsigned long long)regs.rip);
			}
		}
		destroy(self);
	}
}

/* Whether the guest ends before, during or after its freeze: one of the two */
TEST_F(freeze, guest_that_ends)
{
	unsigned int frozen = 0, ended = 0, round;
	u32 *loops = (u32 *)(self->guest.text + (leave_loops - leave));
	struct held before = {};
	int ret;

	for (round = 0; round < 40; round++) {
		tiny_guest_set(&self->guest, leave, end);
		*loops = 1 + round * 100;
		ASSERT_EQ(sizeof(self->guest),
			  pwrite(self->fd, &self->guest, sizeof(self->guest), 0));
		assert_ok(_metadata, self, ktstr_vm_create(&self->vm, &self->cfg, &self->err) ?:
					   ktstr_vm_load(self->vm, &self->err) ?:
					   ktstr_vm_start(self->vm, &self->err));
		ret = ktstr_vm_freeze(self->vm, &self->frozen, &self->err);
		if (ret) {
			ASSERT_EQ(-EPIPE, ret);
			ended++;
		} else {
			thaw(_metadata, self);
			frozen++;
		}
		EXPECT_EQ(0, ktstr_vm_wait(self->vm, WAIT_NS));
		EXPECT_EQ(KTSTR_VM_POWEROFF, ktstr_vm_result(self->vm)->state);
		destroy(self);
		if (round == 5)
			before = held();
	}
	EXPECT_EQ(40, frozen + ended);
	EXPECT_EQ(before.fds, held().fds);
	EXPECT_EQ(before.threads, held().threads);
	EXPECT_EQ(before.mappings, held().mappings);
}

TEST_HARNESS_MAIN
