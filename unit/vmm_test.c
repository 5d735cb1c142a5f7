// SPDX-License-Identifier: GPL-2.0
/*
 * A whole VM's life on /dev/kvm, with guests of a few instructions in place of
 * a kernel. They use integer instructions only, as some KVMs interpret guests.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kernel.h>
#include <linux/kvm.h>
#include <linux/sizes.h>
#include <signal.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "devices.h"
#include "held.h"
#include "host.h"
#include "harness.h"
#include "ktstr_vmm.h"
#include "memory_map.h"
#include "parallel.h"
#include "tiny_guest.h"
#include "virtio_blk.h"
#include "virtio_net.h"

#define MEMORY		((u64)SZ_16M)
#define PAYLOAD_GPA	TINY_GUEST_GPA

/*
 * No guest here needs more than a second, unless the machine is busy: then each of
 * hundreds of thousands of exits may have to wait.
 */
#define WAIT_NS		(4 * PATIENCE_NS)

/*
 * The guests, entered in 64-bit mode with memory mapped one to one, %rsi at the
 * zero page, and no stack. Each lies between its label and the next one's, and
 * runs at PAYLOAD_GPA: inside of it, addresses are relative to %rip.
 */
asm("	.pushsection .rodata\n"

/* Write the NUL-terminated string at the label to the console. */
"	.macro print label\n"
"	lea \\label(%rip), %rdi\n"
"	print_rdi\n"
"	.endm\n"

"	.macro print_rdi\n"
"	mov $0x3f8, %edx\n"
"7:	mov (%rdi), %al\n"
"	inc %rdi\n"
"	test %al, %al\n"
"	jz 8f\n"
"	out %al, %dx\n"
"	jmp 7b\n"
"8:\n"
"	.endm\n"

/* Write %rbx to the console, in hexadecimal, and a newline. */
"	.macro print_rbx\n"
"	mov $0x3f8, %edx\n"
"	mov $16, %ecx\n"
"7:	rol $4, %rbx\n"
"	mov %ebx, %eax\n"
"	and $15, %eax\n"
"	add $'0', %eax\n"
"	cmp $'9', %eax\n"
"	jbe 8f\n"
"	add $'a' - '9' - 1, %eax\n"
"8:	out %al, %dx\n"
"	dec %ecx\n"
"	jnz 7b\n"
"	mov $'\\n', %al\n"
"	out %al, %dx\n"
"	.endm\n"

"	.macro write_port port, val\n"
"	mov $\\port, %edx\n"
"	mov $\\val, %al\n"
"	out %al, %dx\n"
"	.endm\n"

"	.macro halt\n"
"9:	cli\n"
"	hlt\n"
"	jmp 9b\n"
"	.endm\n"

"	.macro poweroff\n"
"	write_port 0x600, 0x34\n"
"	halt\n"
"	.endm\n"

"guest_poweroff:\n"
"	print 1f\n"
"	poweroff\n"
"1:	.asciz \"Hello\\tguest\\r\\n\\033[31mred\\177\\200\\n\"\n"

"guest_reset_cf9:\n"
"	write_port 0xcf9, 0x02\n"
"	write_port 0xcf9, 0x06\n"
"	halt\n"

"guest_reset_i8042:\n"
"	in $0x64, %al\n"
"	test %al, %al\n"
"	jnz 1f\n"
"	write_port 0x64, 0xfe\n"
"1:	halt\n"

/* None of these is a request; each differs by little from one. */
"guest_no_request:\n"
"	write_port 0x600, 0x14\n"
"	write_port 0x600, 0x20\n"
"	write_port 0x601, 0x34\n"
"	write_port 0xcf9, 0x04\n"
"	write_port 0x64, 0xff\n"
"	write_port 0x60, 0xfe\n"
"	print 1f\n"
"	poweroff\n"
"1:	.asciz \"still here\"\n"

"guest_triple_fault:\n"
"	ud2\n"

"guest_panic:\n"
"	print 1f\n"
"	write_port 0xcf9, 0x06\n"
"	halt\n"
"1:	.ascii \"[ 1.0] Oops\\n\"\n"
"	.asciz \"[ 1.1] Kernel panic - not syncing: Fatal exception\\nmore\\n\"\n"

"guest_agent_exit:\n"
"	print 1f\n"
"	write_port 0xcf9, 0x06\n"
"	halt\n"
"1:	.ascii \"Kernel panic - not syncing: Attempted to kill init! \"\n"
"	.asciz \"exitcode=0x00000009\\n\"\n"

"guest_panic_hang:\n"
"	print 1f\n"
"	halt\n"
"1:	.asciz \"Kernel panic - not syncing: no reboot\\n\"\n"

"guest_spin:\n"
"	mov $0x1234567, %ebx\n"
"	print 1f\n"
"2:	jmp 2b\n"
"1:	.asciz \"spinning\\n\"\n"

"guest_sse:\n"
"	pcmpeqd %xmm0, %xmm0\n"
"	poweroff\n"

/* What the guest was told: RSDP, zero page, command line */
"guest_look:\n"
"	mov %rsi, %rbp\n"
"	mov %rsi, %rbx\n"
"	print_rbx\n"
"	mov 0x70(%rbp), %rbx\n"
"	print_rbx\n"
"	mov (%rbx), %rbx\n"
"	print_rbx\n"
"	mov 0x228(%rbp), %edi\n"
"	print_rdi\n"
"	poweroff\n"

/* What nothing answers to, and some things that do */
"guest_bus:\n"
"	mov $0xd0000000, %ebp\n"
"	movq $0, (%rbp)\n"
"	mov (%rbp), %rbx\n"
"	print_rbx\n"
"	xor %ebx, %ebx\n"
"	mov 6(%rbp), %bl\n"
"	print_rbx\n"
"	xor %ebx, %ebx\n"
"	mov 2(%rbp), %bx\n"
"	print_rbx\n"
"	mov $0x1234, %edx\n"
"	out %eax, %dx\n"
"	in %dx, %eax\n"
"	mov %eax, %ebx\n"
"	print_rbx\n"
"	mov $0x80, %edx\n"
"	xor %eax, %eax\n"
"	in %dx, %ax\n"
"	mov %eax, %ebx\n"
"	print_rbx\n"
"	xor %eax, %eax\n"
"	in $0x64, %al\n"
"	mov %eax, %ebx\n"
"	print_rbx\n"
"	mov $0xc0000000, %ebp\n"
"	mov (%rbp), %ebx\n"
"	print_rbx\n"
"	mov $0xc0000ffc, %ebp\n"	/* the end of the device's page */
"	mov (%rbp), %rbx\n"
"	poweroff\n"

/*
 * A driver that takes all features of the console, and says that its first queue is
 * ready, with three descriptors
 */
"guest_bad_driver:\n"
"	mov $0xc0000000, %ebp\n"
"	movl $1, 0x70(%rbp)\n"		/* status */
"	movl $3, 0x70(%rbp)\n"
"	xor %ecx, %ecx\n"
"1:	mov %ecx, 0x14(%rbp)\n"	/* device features */
"	mov %ecx, 0x24(%rbp)\n"	/* driver features */
"	mov 0x10(%rbp), %eax\n"
"	mov %eax, 0x20(%rbp)\n"
"	inc %ecx\n"
"	cmp $2, %ecx\n"
"	jne 1b\n"
"	movl $0xb, 0x70(%rbp)\n"
"	movl $0, 0x30(%rbp)\n"		/* queue: select, size, ready */
"	movl $3, 0x38(%rbp)\n"
"	movl $1, 0x44(%rbp)\n"
"	poweroff\n"

/* One line that is as long as the log, and one more */
"guest_flood:\n"
"	mov $0x3f8, %edx\n"
"	mov $'x', %al\n"
"	mov $256 * 1024 - 1, %ecx\n"
"1:	out %al, %dx\n"
"	dec %ecx\n"
"	jnz 1b\n"
"	print 2f\n"
"	poweroff\n"
"2:	.asciz \"\\nthe tail\\n\"\n"

/*
 * Start CPUs one by one by their APIC ids, or all at once. Each appends the id
 * that CPUID 0xb gives it to a list in low memory, which is printed at the end.
 * That is the only segment that the CPUs have: code at 0, the number of entries
 * at 0x800, the list at 0xc00.
 */
"	.balign 4\n"
"guest_smp:\n"
"	mov $0x10000, %edi\n"
"	lea ap_code(%rip), %rsi\n"
"	mov $ap_end - ap_code, %ecx\n"
"1:	mov (%rsi), %al\n"
"	mov %al, (%rdi)\n"
"	inc %rsi\n"
"	inc %rdi\n"
"	dec %ecx\n"
"	jnz 1b\n"
"	mov $0x10800, %ebp\n"
"	movq $0, (%rbp)\n"

/* x2APIC mode: IA32_APIC_BASE, bit 10 */
"	cmpl $0, guest_smp_x2apic(%rip)\n"
"	je 1f\n"
"	mov $0x1b, %ecx\n"
"	rdmsr\n"
"	or $0x400, %eax\n"
"	wrmsr\n"
"1:	lea guest_smp_ids(%rip), %rsi\n"
"	xor %edi, %edi\n"
"	cmpl $0, guest_smp_broadcast(%rip)\n"
"	jne 4f\n"

"2:	cmp guest_smp_nr(%rip), %edi\n"
"	jae 5f\n"
"	mov (%rsi,%rdi,4), %r8d\n"
"	inc %edi\n"
"	mov $0x4500, %r9d\n"
"	lea 3f(%rip), %r10\n"
"	jmp smp_ipi\n"
"3:	mov $0x4610, %r9d\n"
"	lea 3f(%rip), %r10\n"
"	jmp smp_ipi\n"
"3:	pause\n"
"	cmp (%rbp), %edi\n"
"	jne 3b\n"
"	jmp 2b\n"

/* The shorthand for all but this one */
"4:	xor %r8d, %r8d\n"
"	mov $0xc4500, %r9d\n"
"	lea 3f(%rip), %r10\n"
"	jmp smp_ipi\n"
"3:	mov $0xc4610, %r9d\n"
"	lea 3f(%rip), %r10\n"
"	jmp smp_ipi\n"
"3:	pause\n"
"	mov (%rbp), %eax\n"
"	cmp guest_smp_nr(%rip), %eax\n"
"	jne 3b\n"

/* The boot CPU's own id goes first. */
"5:	mov $0xb, %eax\n"
"	xor %ecx, %ecx\n"
"	cpuid\n"
"	mov %edx, %ebx\n"
"	print_rbx\n"
"	xor %edi, %edi\n"
"6:	cmp guest_smp_nr(%rip), %edi\n"
"	jae 1f\n"
"	mov 0x400(%rbp,%rdi,4), %ebx\n"
"	print_rbx\n"
"	inc %edi\n"
"	jmp 6b\n"
"1:	poweroff\n"

/* Send what is in %r9d to the CPU in %r8d, and go on at %r10. */
"smp_ipi:\n"
"	cmpl $0, guest_smp_x2apic(%rip)\n"
"	je 1f\n"
"	mov $0x830, %ecx\n"
"	mov %r9d, %eax\n"
"	mov %r8d, %edx\n"
"	wrmsr\n"
"	jmp *%r10\n"
"1:	mov $0xfee00000, %eax\n"
"	mov %r8d, %edx\n"
"	shl $24, %edx\n"
"	mov %edx, 0x310(%rax)\n"
"	mov %r9d, 0x300(%rax)\n"
"	jmp *%r10\n"

/* At 1000h:0000h in real mode. The slot is taken first, and shown full last. */
"	.code16\n"
"ap_code:\n"
"	mov %cs, %ax\n"
"	mov %ax, %ds\n"
"	mov $0xb, %eax\n"
"	xor %ecx, %ecx\n"
"	cpuid\n"
"	mov $1, %eax\n"
"	lock xadd %eax, 0x804\n"
"	mov %edx, 0xc00(,%eax,4)\n"
"	lock incl 0x800\n"
"1:	cli\n"
"	hlt\n"
"	jmp 1b\n"
"ap_end:\n"
"	.code64\n"

"	.balign 4\n"
"guest_smp_x2apic:	.long 0\n"
"guest_smp_broadcast:	.long 0\n"
"guest_smp_nr:	.long 0\n"
"guest_smp_ids:	.fill 255, 4, 0\n"
"guest_end:\n"
"	.popsection\n"
);

#define GUEST(name)	extern const u8 guest_##name[]
GUEST(poweroff);
GUEST(reset_cf9);
GUEST(reset_i8042);
GUEST(no_request);
GUEST(triple_fault);
GUEST(panic);
GUEST(agent_exit);
GUEST(panic_hang);
GUEST(spin);
GUEST(sse);
GUEST(look);
GUEST(bus);
GUEST(bad_driver);
GUEST(flood);
GUEST(smp);
GUEST(smp_x2apic);
GUEST(smp_broadcast);
GUEST(smp_nr);
GUEST(smp_ids);
GUEST(end);

FIXTURE(vmm) {
	struct ktstr_vm_config cfg;
	struct ktstr_vm *vm;
	struct tiny_guest kernel;
	char path[64];
	int fd;
	struct errmsg err;
};

static void write_kernel(struct __test_metadata *_metadata, struct _test_data_vmm *self)
{
	ASSERT_EQ(sizeof(self->kernel), pwrite(self->fd, &self->kernel, sizeof(self->kernel), 0));
}

static void set_guest(struct __test_metadata *_metadata, struct _test_data_vmm *self,
		      const u8 *guest)
{
	tiny_guest_set(&self->kernel, guest, guest_end);
	write_kernel(_metadata, self);
}

FIXTURE_SETUP(vmm)
{
	memset(self, 0, sizeof(*self));
	if (access(HOST_KVM, R_OK | W_OK))
		SKIP(return, HOST_KVM ": %s", strerror(errno));
	self->fd = tiny_guest_open(self->path, sizeof(self->path));
	ASSERT_LE(0, self->fd);
	self->cfg = (struct ktstr_vm_config) {
		.topo = { .nodes = 1, .llcs = 1, .cores = 1, .threads = 1 },
		.memory = MEMORY,
		.kernel = self->path,
	};
	tiny_guest_init(&self->kernel);
}

FIXTURE_TEARDOWN(vmm)
{
	ktstr_vm_destroy(self->vm);
	close(self->fd);
}

/* Every device that there is; the disk is a file, which takes what memory does not. */
static void add_devices(struct __test_metadata *_metadata, struct _test_data_vmm *self)
{
	static const struct net_config net = {
		.peer = NET_PEER_SOURCE, .frames_per_sec = 1000, .frame_size = 60,
	};
	static struct disk_config disk;
	static char path[64];
	int fd = memfd_create("disk", MFD_CLOEXEC);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, SZ_1M));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	disk.path = path;
	self->cfg.disk = &disk;
	self->cfg.net = &net;
}

static void create(struct __test_metadata *_metadata, struct _test_data_vmm *self)
{
	ASSERT_EQ(0, ktstr_vm_create(&self->vm, &self->cfg, &self->err)) {
		TH_LOG("%s", self->err.text);
	}
}

static void start(struct __test_metadata *_metadata, struct _test_data_vmm *self)
{
	create(_metadata, self);
	ASSERT_EQ(0, ktstr_vm_load(self->vm, &self->err)) {
		TH_LOG("%s", self->err.text);
	}
	ASSERT_EQ(0, ktstr_vm_start(self->vm, &self->err)) {
		TH_LOG("%s", self->err.text);
	}
}

static void destroy(struct _test_data_vmm *self)
{
	ktstr_vm_destroy(self->vm);
	self->vm = NULL;
}

/* Run a guest until it ends by itself. */
static const struct ktstr_vm_result *run(struct __test_metadata *_metadata,
					 struct _test_data_vmm *self, const u8 *guest,
					 enum ktstr_vm_state expected)
{
	const struct ktstr_vm_result *result;

	set_guest(_metadata, self, guest);
	start(_metadata, self);
	EXPECT_EQ(0, ktstr_vm_wait(self->vm, WAIT_NS));
	ktstr_vm_stop(self->vm, KTSTR_VM_TIMEOUT, "did not end");
	result = ktstr_vm_result(self->vm);
	EXPECT_EQ(expected, result->state) {
		TH_LOG("%s (%s); console: %s", ktstr_vm_state_name(result->state),
		       result->reason, result->console);
	}
	return result;
}

TEST_F(vmm, power_off)
{
	const struct ktstr_vm_result *r;

	r = run(_metadata, self, guest_poweroff, KTSTR_VM_POWEROFF);
	EXPECT_STREQ("the guest powered off", r->reason);
	/* What a terminal would obey is gone. */
	EXPECT_STREQ("Hello\tguest\n?[31mred??\n", r->console);
	EXPECT_EQ(strlen(r->console), r->console_len);
	EXPECT_STREQ("vmlinux", r->image);
	EXPECT_STREQ("", r->image_version);
	EXPECT_EQ(sizeof(self->kernel.text), r->image_size);
	EXPECT_EQ(1, r->nr_vcpus);
	EXPECT_TRUE(r->vcpus[0].valid);
	EXPECT_NE(0, r->create_ns);
	EXPECT_NE(0, r->load_ns);
}

TEST_F(vmm, reset)
{
	run(_metadata, self, guest_reset_cf9, KTSTR_VM_RESET);
	destroy(self);
	run(_metadata, self, guest_reset_i8042, KTSTR_VM_RESET);
	destroy(self);
	EXPECT_STREQ("still here",
		     run(_metadata, self, guest_no_request, KTSTR_VM_POWEROFF)->console);
}

TEST_F(vmm, triple_fault)
{
	const struct ktstr_vm_result *r;

	r = run(_metadata, self, guest_triple_fault, KTSTR_VM_TRIPLE_FAULT);
	EXPECT_NE(NULL, strstr(r->reason, "CPU 0"));
	EXPECT_NE(NULL, strstr(r->reason, "KVM_EXIT_SHUTDOWN"));
}

TEST_F(vmm, panic)
{
	const struct ktstr_vm_result *r;

	r = run(_metadata, self, guest_panic, KTSTR_VM_PANIC);
	EXPECT_STREQ("the guest's kernel panicked: Fatal exception", r->reason);
	destroy(self);

	r = run(_metadata, self, guest_agent_exit, KTSTR_VM_AGENT_EXIT);
	EXPECT_STREQ("the guest's kernel panicked: Attempted to kill init! exitcode=0x00000009",
		     r->reason);
}

/* Stop a guest that does not end after @ns; or later, until it has written something. */
static const struct ktstr_vm_result *run_for(struct __test_metadata *_metadata,
					     struct _test_data_vmm *self, u64 ns,
					     const char *reason)
{
	const struct ktstr_vm_result *r;
	u64 begin, took;

	for (;; ns *= 2) {
		start(_metadata, self);
		r = ktstr_vm_result(self->vm);
		EXPECT_EQ(KTSTR_VM_RUNNING, r->state);
		EXPECT_EQ(0, r->nr_vcpus);
		begin = clock_ns();
		EXPECT_EQ(-ETIMEDOUT, ktstr_vm_wait(self->vm, ns));
		took = clock_ns() - begin;
		EXPECT_GE(took, ns);
		EXPECT_LT(took, ns + PATIENCE_NS);
		ktstr_vm_stop(self->vm, KTSTR_VM_TIMEOUT, reason);
		if (strchr(r->console, '\n') || ns > PATIENCE_NS)
			return r;
		destroy(self);
	}
}

/* With panic=0 on the command line nothing follows a panic. */
TEST_F(vmm, panic_without_reset)
{
	const struct ktstr_vm_result *r;

	set_guest(_metadata, self, guest_panic_hang);
	r = run_for(_metadata, self, NSEC_PER_SEC / 2, "deadline");
	EXPECT_EQ(KTSTR_VM_PANIC, r->state) {
		TH_LOG("%s; console: %s", r->reason, r->console);
	}
	EXPECT_STREQ("the guest's kernel panicked: no reboot", r->reason);
}

TEST_F(vmm, timeout)
{
	const struct ktstr_vm_result *r;

	set_guest(_metadata, self, guest_spin);
	r = run_for(_metadata, self, 300 * NSEC_PER_MSEC, "the deadline has passed");
	EXPECT_EQ(KTSTR_VM_TIMEOUT, r->state);
	EXPECT_STREQ("the deadline has passed", r->reason);
	EXPECT_STREQ("spinning\n", r->console);
	ASSERT_EQ(1, r->nr_vcpus);
	ASSERT_TRUE(r->vcpus[0].valid);
	EXPECT_EQ(0x1234567, r->vcpus[0].regs.rbx);
	EXPECT_GE(r->vcpus[0].regs.rip, PAYLOAD_GPA);
	EXPECT_LT(r->vcpus[0].regs.rip, PAYLOAD_GPA + (guest_sse - guest_spin));
	EXPECT_EQ(MAP_BOOT_PAGE_TABLES, r->vcpus[0].sregs.cr3);

	/* What was found first stays. */
	ktstr_vm_stop(self->vm, KTSTR_VM_STOPPED, "again");
	EXPECT_EQ(KTSTR_VM_TIMEOUT, r->state);
	EXPECT_STREQ("the deadline has passed", r->reason);
	EXPECT_EQ(0, ktstr_vm_wait(self->vm, 0));
}

/* Interpreted guests end where the interpreter does. */
TEST_F(vmm, internal_error)
{
	const struct ktstr_vm_result *r;

	unsetenv("KTSTR_HOST");
	if (host_classify(HOST_KVM, &self->err) != HOST_EMULATE ||
	    !strstr(self->err.text, "KVM_EXIT_INTERNAL_ERROR"))
		SKIP(return, "this KVM runs SSE instructions");
	r = run(_metadata, self, guest_sse, KTSTR_VM_INTERNAL_ERROR);
	EXPECT_NE(NULL, strstr(r->reason, "CPU 0: KVM_EXIT_INTERNAL_ERROR, suberror 1 ("));
	EXPECT_TRUE(r->vcpus[0].valid);
	EXPECT_EQ(PAYLOAD_GPA, r->vcpus[0].regs.rip);
}

/* Line @i of the console as a number; UINT64_MAX if there is none */
static u64 number(const struct ktstr_vm_result *r, unsigned int i)
{
	const char *line = r->console;
	unsigned long long val;

	while (line && i--) {
		line = strchr(line, '\n');
		line += !!line;
	}
	return line && sscanf(line, "%16llx", &val) == 1 ? val : -1ULL;
}

TEST_F(vmm, what_the_guest_is_told)
{
	const struct ktstr_vm_result *r;
	const char *cmdline;
	u64 rsdp;

	self->cfg.cmdline = "one=1 two";
	r = run(_metadata, self, guest_look, KTSTR_VM_POWEROFF);
	EXPECT_EQ(MAP_BOOT_PARAMS, number(r, 0));
	EXPECT_EQ(MAP_ACPI, number(r, 1));
	rsdp = number(r, 2);
	EXPECT_EQ(0, memcmp(&rsdp, "RSD PTR ", 8));
	cmdline = strstr(r->console, "console=ttyS0");
	ASSERT_NE(NULL, cmdline);
	EXPECT_NE(NULL, strstr(cmdline, "panic=-1"));
	EXPECT_STREQ(" one=1 two", cmdline + strlen(cmdline) - 10);
}

TEST_F(vmm, empty_bus)
{
	const struct ktstr_vm_result *r;

	r = run(_metadata, self, guest_bus, KTSTR_VM_POWEROFF);
	EXPECT_EQ(-1ULL, number(r, 0));		/* MMIO: 8, 1, 2 bytes */
	EXPECT_EQ(0xff, number(r, 1));
	EXPECT_EQ(0xffff, number(r, 2));
	EXPECT_EQ(0xffffffff, number(r, 3));	/* ports: 4, 2 bytes */
	EXPECT_EQ(0xffff, number(r, 4));
	EXPECT_EQ(0, number(r, 5));		/* i8042: never busy */
	EXPECT_EQ(0x74726976, number(r, 6));	/* virtio-mmio: "virt" */
}

TEST_F(vmm, broken_device)
{
	const struct ktstr_vm_result *r;

	r = run(_metadata, self, guest_bad_driver, KTSTR_VM_POWEROFF);
	EXPECT_STREQ("console: queue size is no power of two, or too large", r->broken);
	destroy(self);
	r = run(_metadata, self, guest_bus, KTSTR_VM_POWEROFF);
	EXPECT_STREQ("", r->broken);
}

TEST_F(vmm, console_keeps_the_tail)
{
	static const char tail[] = "xxx\nthe tail\n";
	const struct ktstr_vm_result *r;

	r = run(_metadata, self, guest_flood, KTSTR_VM_POWEROFF);
	EXPECT_LE(r->console_len, CONSOLE_LOG_SIZE);
	EXPECT_GE(r->console_len, CONSOLE_LOG_SIZE / 2);
	ASSERT_EQ(strlen(r->console), r->console_len);
	EXPECT_STREQ(tail, r->console + r->console_len - strlen(tail));
}

/* Start all CPUs of a topology, and compare each one's id. */
static void run_smp(struct __test_metadata *_metadata, struct _test_data_vmm *self,
		    const char *spec, bool x2apic, bool broadcast)
{
	const struct ktstr_vm_result *r;
	u32 *text = (u32 *)self->kernel.text;
	unsigned int cpus, cpu;
	bool seen[1024] = {};

	ASSERT_EQ(0, topology_parse(spec, &self->cfg.topo, &self->err));
	cpus = topology_cpus(&self->cfg.topo);
	self->cfg.memory = self->cfg.topo.nodes * MEMORY;
	set_guest(_metadata, self, guest_smp);
	text[(guest_smp_x2apic - guest_smp) / 4] = x2apic;
	text[(guest_smp_broadcast - guest_smp) / 4] = broadcast;
	text[(guest_smp_nr - guest_smp) / 4] = cpus - 1;
	for (cpu = 1; cpu < cpus; cpu++)
		text[(guest_smp_ids - guest_smp) / 4 + cpu - 1] =
			topology_apic_id(&self->cfg.topo, cpu);
	write_kernel(_metadata, self);

	start(_metadata, self);
	EXPECT_EQ(0, ktstr_vm_wait(self->vm, WAIT_NS)) {
		TH_LOG("%s: not all CPUs have started", spec);
	}
	ktstr_vm_stop(self->vm, KTSTR_VM_TIMEOUT, "not all CPUs have started");
	r = ktstr_vm_result(self->vm);
	ASSERT_EQ(KTSTR_VM_POWEROFF, r->state) {
		TH_LOG("%s: %s", spec, r->reason);
	}
	ASSERT_EQ(cpus, r->nr_vcpus);
	ASSERT_EQ(-1ULL, number(r, cpus));
	EXPECT_EQ(topology_apic_id(&self->cfg.topo, 0), number(r, 0));
	for (cpu = 0; cpu < cpus; cpu++) {
		ASSERT_TRUE(r->vcpus[cpu].valid);
		ASSERT_LT(number(r, cpu), ARRAY_SIZE(seen));
		seen[number(r, cpu)] = true;
	}
	for (cpu = 0; cpu < cpus; cpu++) {
		u32 id = topology_apic_id(&self->cfg.topo, cpu);

		ASSERT_TRUE(seen[id]) {
			TH_LOG("%s: CPU %u has no APIC id %u", spec, cpu, id);
		}
		if (!broadcast)
			ASSERT_EQ(id, number(r, cpu));
	}
	destroy(self);
}

TEST_F(vmm, smp_xapic)
{
	run_smp(_metadata, self, "1n1l2c1t", false, false);
	run_smp(_metadata, self, "1n3l3c1t", false, false);
	run_smp(_metadata, self, "4n8l2c1t", false, true);
}

TEST_F(vmm, smp_x2apic)
{
	run_smp(_metadata, self, "1n2l4c2t", true, false);
	run_smp(_metadata, self, "3n6l5c2t", true, true);
}

TEST_F(vmm, smp_252_cpus)
{
	run_smp(_metadata, self, "3n63l4c1t", true, true);
}

/* 15 LLCs of 16 ids, of which 9 are in use */
TEST_F(vmm, smp_sparse_ids)
{
	run_smp(_metadata, self, "1n15l3c3t", false, false);
}

/* Above 254 the irqchip is split, and can be on any topology. */
TEST_F(vmm, smp_split_irqchip)
{
	run_smp(_metadata, self, "1n5l5c5t", true, false);
	/* as high by a wide shift, with few CPUs, and a node without any */
	run_smp(_metadata, self, "1n2l2c1t,llcshift=8", true, false);
	run_smp(_metadata, self, "3n3l1c2t,llcs=1:2:0,llcshift=7", true, true);
	self->cfg.irqchip = KTSTR_IRQCHIP_SPLIT;
	run_smp(_metadata, self, "1n1l2c1t", false, false);
	run_smp(_metadata, self, "3n6l5c2t", true, true);
}

/* Firmware hands CPUs with ids above 254 over with their x2APICs on, and no others. */
TEST_F(vmm, x2apic_on_from_the_start)
{
	static const char * const specs[] = {
		"1n2l2c1t", "1n2l2c1t,llcshift=7", "1n2l2c1t,llcshift=8",
	};
	const struct ktstr_vm_result *r;
	unsigned int i, cpu;

	for (i = 0; i < ARRAY_SIZE(specs); i++) {
		ASSERT_EQ(0, topology_parse(specs[i], &self->cfg.topo, &self->err));
		r = run(_metadata, self, guest_poweroff, KTSTR_VM_POWEROFF);
		for (cpu = 0; cpu < 4; cpu++) {
			ASSERT_TRUE(r->vcpus[cpu].valid);
			EXPECT_EQ(0xfee00000 | (i == 2 ? 0xc00 : 0x800) | (cpu ? 0 : 0x100),
				  r->vcpus[cpu].sregs.apic_base);
		}
		destroy(self);
	}
}

static int limit(long cap)
{
	int fd = open(HOST_KVM, O_RDWR | O_CLOEXEC);
	int ret = ioctl(fd, KVM_CHECK_EXTENSION, cap);

	close(fd);
	return ret;
}

TEST_F(vmm, too_many_cpus)
{
	const int max = limit(KVM_CAP_MAX_VCPUS);
	char number[32];

	ASSERT_LT(0, max);
	self->cfg.topo = (struct topology){
		.nodes = 1, .llcs = 1, .cores = max + 1, .threads = 1,
	};
	EXPECT_EQ(-ERANGE, ktstr_vm_create(&self->vm, &self->cfg, &self->err));
	EXPECT_EQ(NULL, self->vm);
	EXPECT_EQ(ERRMSG_HOST, self->err.kind);
	snprintf(number, sizeof(number), "has %d CPUs", max + 1);
	EXPECT_NE(NULL, strstr(self->err.text, number)) {
		TH_LOG("%s", self->err.text);
	}
	snprintf(number, sizeof(number), "takes %d", max);
	EXPECT_NE(NULL, strstr(self->err.text, number));
}

TEST_F(vmm, bad_memory)
{
	self->cfg.memory = SZ_1M;
	EXPECT_EQ(-EINVAL, ktstr_vm_create(&self->vm, &self->cfg, &self->err));
	EXPECT_EQ(ERRMSG_INPUT, self->err.kind);

	/* More than the CPU's physical addresses: refused, never cut */
	self->cfg.memory = 1ULL << 52;
	EXPECT_EQ(-ERANGE, ktstr_vm_create(&self->vm, &self->cfg, &self->err));
	EXPECT_EQ(ERRMSG_HOST, self->err.kind);
	EXPECT_NE(NULL, strstr(self->err.text, "would end at 0x10000040000000"));
	EXPECT_NE(NULL, strstr(self->err.text, " bits"));
	EXPECT_EQ(NULL, self->vm);
}

/* RAM may come later than the CPUs, once. */
TEST_F(vmm, memory_later)
{
	set_guest(_metadata, self, guest_poweroff);
	self->cfg.memory = 0;
	create(_metadata, self);
	EXPECT_EQ(-EINVAL, ktstr_vm_load(self->vm, &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "ktstr_vm_allocate"));

	EXPECT_EQ(-EINVAL, ktstr_vm_allocate(self->vm, SZ_1M, &self->err));
	EXPECT_EQ(-ERANGE, ktstr_vm_allocate(self->vm, 1ULL << 52, &self->err));
	EXPECT_EQ(ERRMSG_HOST, self->err.kind);
	ASSERT_EQ(0, ktstr_vm_allocate(self->vm, MEMORY, &self->err));
	EXPECT_EQ(-EINVAL, ktstr_vm_allocate(self->vm, MEMORY, &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "twice"));

	ASSERT_EQ(0, ktstr_vm_load(self->vm, &self->err));
	ASSERT_EQ(0, ktstr_vm_start(self->vm, &self->err));
	EXPECT_EQ(0, ktstr_vm_wait(self->vm, WAIT_NS));
	EXPECT_EQ(KTSTR_VM_POWEROFF, ktstr_vm_result(self->vm)->state);
	destroy(self);

	/* Sizes in the topology are sizes, too. */
	ASSERT_EQ(0, topology_parse("2n2l1c1t,mem=64M:16M", &self->cfg.topo, &self->err));
	create(_metadata, self);
	EXPECT_EQ(-EINVAL, ktstr_vm_allocate(self->vm, MEMORY, &self->err));
	EXPECT_EQ(0, ktstr_vm_load(self->vm, &self->err));
}

/* What the host cannot give is said, and the guest runs. */
TEST_F(vmm, memory_warning)
{
	hold_huge_pages();
	set_guest(_metadata, self, guest_poweroff);
	self->cfg.memory = (numa_mem_free_huge_pages() + 64) * SZ_2M;
	self->cfg.backing.pages = NUMA_MEM_HUGETLB_ONLY;
	EXPECT_EQ(-ENOMEM, ktstr_vm_create(&self->vm, &self->cfg, &self->err));
	EXPECT_EQ(ERRMSG_HOST, self->err.kind);

	self->cfg.backing.pages = NUMA_MEM_HUGETLB;
	start(_metadata, self);
	EXPECT_EQ(0, ktstr_vm_wait(self->vm, WAIT_NS));
	EXPECT_EQ(KTSTR_VM_POWEROFF, ktstr_vm_result(self->vm)->state);
	EXPECT_NE(NULL, strstr(ktstr_vm_result(self->vm)->warnings, "huge pages"));
	destroy(self);
	self->cfg.backing.pages = NUMA_MEM_THP;
	create(_metadata, self);
	EXPECT_STREQ("", ktstr_vm_result(self->vm)->warnings);
}

/* A guest whose RAM is huge pages, which come from the pool and go back there */
TEST_F(vmm, memory_from_the_pool)
{
	const u64 pages = MEMORY / SZ_2M;
	u64 free;

	hold_huge_pages();
	free = numa_mem_free_huge_pages();
	if (free < pages)
		SKIP(return, "%llu free huge pages of %llu (see /proc/sys/vm/nr_hugepages)",
		     (unsigned long long)free, (unsigned long long)pages);
	self->cfg.backing.pages = NUMA_MEM_HUGETLB_ONLY;
	set_guest(_metadata, self, guest_poweroff);
	start(_metadata, self);
	EXPECT_EQ(free - pages, numa_mem_free_huge_pages());
	EXPECT_EQ(0, ktstr_vm_wait(self->vm, WAIT_NS));
	EXPECT_EQ(KTSTR_VM_POWEROFF, ktstr_vm_result(self->vm)->state);
	EXPECT_STREQ("", ktstr_vm_result(self->vm)->warnings);
	destroy(self);
	EXPECT_EQ(free, numa_mem_free_huge_pages());
}

TEST_F(vmm, bad_kernel)
{
	create(_metadata, self);
	EXPECT_EQ(-ENOEXEC, ktstr_vm_load(self->vm, &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, self->path));
	EXPECT_EQ(KTSTR_VM_CREATED, ktstr_vm_result(self->vm)->state);
}

/* The control channel of a guest that does not look at it */
TEST_F(vmm, send_and_receive)
{
	static const char data[65536];
	char buf[16];
	int i, ret;

	set_guest(_metadata, self, guest_spin);
	create(_metadata, self);
	EXPECT_EQ(-EPIPE, ktstr_vm_send(self->vm, "x", 1));
	ASSERT_EQ(0, ktstr_vm_load(self->vm, &self->err));
	ASSERT_EQ(0, ktstr_vm_start(self->vm, &self->err));
	EXPECT_EQ(-ETIMEDOUT, ktstr_vm_recv(self->vm, buf, sizeof(buf), 0));
	EXPECT_EQ(-ETIMEDOUT, ktstr_vm_recv(self->vm, buf, sizeof(buf), 50 * NSEC_PER_MSEC));
	for (i = 0, ret = 0; !ret && i < 1024; i++)
		ret = ktstr_vm_send(self->vm, data, sizeof(data));
	EXPECT_EQ(-ENOBUFS, ret);
	EXPECT_LT(1, i);

	ktstr_vm_stop(self->vm, KTSTR_VM_STOPPED, "enough");
	EXPECT_EQ(-EPIPE, ktstr_vm_send(self->vm, "x", 1));
	EXPECT_EQ(0, ktstr_vm_recv(self->vm, buf, sizeof(buf), WAIT_NS));
}

/* A guest that ends by itself ends the wait of who reads, too. */
TEST_F(vmm, receive_until_the_end)
{
	char buf[16];

	set_guest(_metadata, self, guest_poweroff);
	start(_metadata, self);
	EXPECT_EQ(0, ktstr_vm_recv(self->vm, buf, sizeof(buf), WAIT_NS));
	EXPECT_EQ(0, ktstr_vm_wait(self->vm, 0));
	EXPECT_EQ(-EPIPE, ktstr_vm_send(self->vm, "x", 1));
	EXPECT_EQ(0, ktstr_vm_recv(self->vm, buf, sizeof(buf), 0));
}

/* Signals are for the program's own threads. */
TEST_F(vmm, signals_do_not_reach_the_vm)
{
	sigset_t set, pending;

	self->cfg.topo.cores = 4;
	set_guest(_metadata, self, guest_spin);
	start(_metadata, self);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	/* Any thread that did not block it would end the process here. */
	ASSERT_EQ(0, kill(getpid(), SIGINT));
	EXPECT_EQ(-ETIMEDOUT, ktstr_vm_wait(self->vm, 50 * NSEC_PER_MSEC));
	sigpending(&pending);
	EXPECT_TRUE(sigismember(&pending, SIGINT));
	destroy(self);
}

static void expect_held(struct __test_metadata *_metadata, const struct held *before)
{
	const struct held now = held();

	EXPECT_EQ(before->fds, now.fds);
	EXPECT_EQ(before->threads, now.threads);
	EXPECT_EQ(before->mappings, now.mappings);
}

TEST_F(vmm, nothing_is_left_of_any_end)
{
	static const struct {
		const u8 *guest;
		enum ktstr_vm_state state;
	} ends[] = {
		{ guest_poweroff, KTSTR_VM_POWEROFF },
		{ guest_reset_cf9, KTSTR_VM_RESET },
		{ guest_panic, KTSTR_VM_PANIC },
		{ guest_agent_exit, KTSTR_VM_AGENT_EXIT },
		{ guest_triple_fault, KTSTR_VM_TRIPLE_FAULT },
	};
	struct held before = {};
	unsigned int round;
	size_t i;

	self->cfg.topo = (struct topology){
		.nodes = 2, .llcs = 2, .cores = 2, .threads = 1,
	};
	add_devices(_metadata, self);
	/* The first round leaves what the C library keeps: stacks, buffers. */
	for (round = 0; round < 2; round++) {
		for (i = 0; i < ARRAY_SIZE(ends); i++) {
			run(_metadata, self, ends[i].guest, ends[i].state);
			destroy(self);
			if (round)
				expect_held(_metadata, &before);
		}

		/* Stopped, or not even that; not started; not loaded */
		set_guest(_metadata, self, guest_spin);
		start(_metadata, self);
		ktstr_vm_stop(self->vm, KTSTR_VM_TIMEOUT, "");
		destroy(self);
		start(_metadata, self);
		destroy(self);
		create(_metadata, self);
		ASSERT_EQ(0, ktstr_vm_load(self->vm, &self->err));
		destroy(self);
		create(_metadata, self);
		ktstr_vm_stop(self->vm, KTSTR_VM_STOPPED, "");
		EXPECT_EQ(KTSTR_VM_STOPPED, ktstr_vm_result(self->vm)->state);
		EXPECT_FALSE(ktstr_vm_result(self->vm)->vcpus[0].valid);
		destroy(self);
		create(_metadata, self);
		destroy(self);
		if (round)
			expect_held(_metadata, &before);
		before = held();
	}
	ktstr_vm_destroy(NULL);
}

static long resident_kib(void)
{
	char line[128];
	FILE *f = fopen("/proc/self/status", "re");
	long kib = 0;

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "VmRSS: %ld", &kib);
	if (f)
		fclose(f);
	return kib;
}

/* A kick is not lost, whenever it comes, and 500 VMs leave no more than the first ones. */
TEST_F(vmm, five_hundred)
{
	static const struct {
		const char *topology;
		enum ktstr_irqchip irqchip;
		bool start;
	} vms[] = {
		{ "1n1l1c1t", KTSTR_IRQCHIP_AUTO, true },
		{ "1n1l2c1t", KTSTR_IRQCHIP_SPLIT, true },
		{ "1n1l2c1t", KTSTR_IRQCHIP_AUTO, false },
		{ "2n2l2c1t", KTSTR_IRQCHIP_AUTO, true },
		{ "1n2l4c2t", KTSTR_IRQCHIP_SPLIT, false },
	};
	const unsigned int first = 20;
	struct held before = {};
	unsigned int round;
	long rss = 0;

	self->cfg.memory = 2 * MEMORY;
	set_guest(_metadata, self, guest_spin);
	for (round = 0; round < 500; round++) {
		unsigned int i = round % ARRAY_SIZE(vms);

		ASSERT_EQ(0, topology_parse(vms[i].topology, &self->cfg.topo, &self->err));
		self->cfg.irqchip = vms[i].irqchip;
		if (vms[i].start)
			start(_metadata, self);
		else
			create(_metadata, self);
		if (round % 4 == 1)
			usleep(round * 10);
		destroy(self);
		if (round == first) {
			before = held();
			rss = resident_kib();
		}
	}
	EXPECT_EQ(before.fds, held().fds);
	EXPECT_EQ(before.threads, held().threads);
	EXPECT_EQ(before.pages, held().pages);
	if (!with_asan())
		EXPECT_LE(resident_kib(), rss + 512);
}

static unsigned int threads_of_policy(int policy)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned int nr = 0;
	struct dirent *ent;

	while (dir && (ent = readdir(dir)))
		nr += ent->d_name[0] != '.' && sched_getscheduler(atoi(ent->d_name)) == policy;
	if (dir)
		closedir(dir);
	return nr;
}

/* vCPUs that share a CPU do not push each other aside; others are left alone. */
TEST_F(vmm, overcommitted_vcpus_take_turns)
{
	set_guest(_metadata, self, guest_spin);
	start(_metadata, self);
	EXPECT_EQ(0, threads_of_policy(SCHED_BATCH));
	destroy(self);

	self->cfg.topo.cores = parallel_cpus() + 1;
	start(_metadata, self);
	/* A helper thread of KVM, made by the first that runs, is like its maker. */
	EXPECT_LE(parallel_cpus() + 1, threads_of_policy(SCHED_BATCH));
	destroy(self);
}

/* With every number of file descriptors until there are enough */
TEST_F(vmm, too_few_file_descriptors)
{
	unsigned int failed = 0;
	struct held before = {};
	struct rlimit old, few;
	int ret;

	self->cfg.topo.cores = 3;
	add_devices(_metadata, self);
	create(_metadata, self);
	destroy(self);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &old));
	few = old;
	for (few.rlim_cur = 4, ret = -1; ret && few.rlim_cur < 64; few.rlim_cur++) {
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
		ret = ktstr_vm_create(&self->vm, &self->cfg, &self->err);
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &old));
		if (!ret)
			break;
		ASSERT_EQ(-EMFILE, ret) {
			TH_LOG("limit %llu: %s", (unsigned long long)few.rlim_cur, self->err.text);
		}
		ASSERT_EQ(NULL, self->vm);
		EXPECT_EQ(ERRMSG_HOST, self->err.kind);
		EXPECT_NE(NULL, strstr(self->err.text, "EMFILE"));
		if (failed++)
			expect_held(_metadata, &before);
		else
			before = held();
	}
	EXPECT_EQ(0, ret);
	/* /dev/kvm, the VM, its CPUs; of the UART one, of each device two or more */
	EXPECT_LE(5 + 1 + 2 + 4 + 3, failed);
}

static u64 address_space(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f || fscanf(f, "%lu", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * 4096ULL;
}

/* Return: how often it failed, with more and more address space, until it did not */
static unsigned int create_in_little_space(struct __test_metadata *_metadata,
					   struct _test_data_vmm *self)
{
	const unsigned int fds = held().fds;
	const u64 start = address_space();
	unsigned int failed = 0;
	struct rlimit old, few;
	int ret;

	ASSERT_EQ(0, getrlimit(RLIMIT_AS, &old));
	few = old;
	for (;;) {
		few.rlim_cur = start + failed * SZ_128K;
		ASSERT_EQ(0, setrlimit(RLIMIT_AS, &few));
		ret = ktstr_vm_create(&self->vm, &self->cfg, &self->err);
		ASSERT_EQ(0, setrlimit(RLIMIT_AS, &old));
		if (!ret)
			break;
		ASSERT_EQ(-ENOMEM, ret) {
			TH_LOG("%s", self->err.text);
		}
		ASSERT_EQ(NULL, self->vm);
		EXPECT_EQ(ERRMSG_HOST, self->err.kind);
		EXPECT_EQ(fds, held().fds);
		ASSERT_GT(1000, ++failed);
	}
	destroy(self);
	return failed;
}

/* Every mapping fails once: guest RAM, the CPUs' run areas, the devices' buffers. */
TEST_F(vmm, too_little_address_space)
{
	struct held before;

	if (with_asan())
		SKIP(return, "a sanitizer needs address space of its own");
	self->cfg.topo.cores = 16;
	self->cfg.memory = SZ_2M;
	add_devices(_metadata, self);
	/* The first time leaves what malloc() keeps when it cannot extend its heap. */
	EXPECT_LT(10, create_in_little_space(_metadata, self));
	before = held();
	EXPECT_LT(10, create_in_little_space(_metadata, self));
	expect_held(_metadata, &before);
}

/* With room for no thread, for some, until there is enough for all */
TEST_F(vmm, too_few_threads)
{
	const u64 step = SZ_128K, io_stack = SZ_8M, nr_io = 3;
	struct rlimit old, few;
	unsigned int failed = 0;
	struct held before;
	u64 room = 0;
	int ret;

	if (with_asan())
		SKIP(return, "a sanitizer needs address space of its own");
	self->cfg.topo.cores = 4;
	add_devices(_metadata, self);
	set_guest(_metadata, self, guest_spin);
	ASSERT_EQ(0, getrlimit(RLIMIT_AS, &old));
	few = old;
	before = held();
	for (;;) {
		create(_metadata, self);
		ASSERT_EQ(0, ktstr_vm_load(self->vm, &self->err));
		few.rlim_cur = address_space() + room;
		ASSERT_EQ(0, setrlimit(RLIMIT_AS, &few));
		ret = ktstr_vm_start(self->vm, &self->err);
		ASSERT_EQ(0, setrlimit(RLIMIT_AS, &old));
		if (!ret)
			break;
		failed++;
		ASSERT_EQ(-EAGAIN, ret) {
			TH_LOG("%s", self->err.text);
		}
		EXPECT_EQ(ERRMSG_HOST, self->err.kind);
		EXPECT_NE(NULL, strstr(self->err.text, "starting the "));
		EXPECT_EQ(KTSTR_VM_STOPPED, ktstr_vm_result(self->vm)->state);
		destroy(self);
		EXPECT_EQ(before.fds, held().fds);
		EXPECT_EQ(before.threads, held().threads);
		room += room < nr_io * io_stack ? io_stack : step;
		ASSERT_GT((nr_io + 1) * io_stack, room);
	}
	EXPECT_LE(nr_io, failed);
}

TEST(state_names)
{
	enum ktstr_vm_state a, b;

	for (a = KTSTR_VM_CREATED; a <= KTSTR_VM_STOPPED; a++) {
		ASSERT_NE(NULL, ktstr_vm_state_name(a));
		for (b = KTSTR_VM_CREATED; b < a; b++)
			EXPECT_STRNE(ktstr_vm_state_name(b), ktstr_vm_state_name(a));
	}
}

TEST_HARNESS_MAIN
