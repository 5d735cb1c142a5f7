// SPDX-License-Identifier: GPL-2.0
/* What is told of exits that end a vCPU: all that KVM says, and nothing else. */
#include <errno.h>
#include <linux/kernel.h>
#include <linux/types.h>
#include <string.h>

#include "harness.h"
#include "vcpu_exit.h"

FIXTURE(vcpu_exit) {
	struct kvm_run run;
	char text[VCPU_EXIT_TEXT_SIZE];
};

FIXTURE_SETUP(vcpu_exit)
{
	/* What KVM does not fill in must not be told. */
	memset(&self->run, 0xa5, sizeof(self->run));
	memset(self->text, 'x', sizeof(self->text));
}

FIXTURE_TEARDOWN(vcpu_exit)
{
}

#define EXPECT_END(_end, _error, _text)							\
do {											\
	EXPECT_EQ(_end, vcpu_exit_end(&self->run, _error, self->text,			\
				      sizeof(self->text)));				\
	EXPECT_STREQ(_text, self->text);						\
} while (0)

TEST_F(vcpu_exit, hardware)
{
	struct kvm_run *run = &self->run;

	run->exit_reason = KVM_EXIT_SHUTDOWN;
	EXPECT_END(VCPU_END_SHUTDOWN, 0, "KVM_EXIT_SHUTDOWN");

	run->exit_reason = KVM_EXIT_UNKNOWN;
	run->hw.hardware_exit_reason = 0x8000000000000021;
	EXPECT_END(VCPU_END_KVM_ERROR, 0, "KVM_EXIT_UNKNOWN, hardware reason 0x8000000000000021");

	run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	run->fail_entry.hardware_entry_failure_reason = 0x80000021;
	run->fail_entry.cpu = 17;
	EXPECT_END(VCPU_END_INTERNAL_ERROR, 0,
		   "KVM_EXIT_FAIL_ENTRY, hardware reason 0x80000021, on CPU 17 of the host");

	run->exit_reason = KVM_EXIT_HYPERCALL;
	EXPECT_END(VCPU_END_KVM_ERROR, 0, "unexpected exit reason 3");
}

TEST_F(vcpu_exit, not_emulated)
{
	static const u8 insn[15] = { 0x66, 0x0f, 0x76, 0xc0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0xff };
	struct kvm_run *run = &self->run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
	run->internal.ndata = 0;
	EXPECT_END(VCPU_END_INTERNAL_ERROR, 0,
		   "KVM_EXIT_INTERNAL_ERROR, suberror 1 (instruction not emulated)");

	/* Bytes are there if the flag says so, and there is room for them. */
	run->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	run->emulation_failure.insn_size = 4;
	memcpy(run->emulation_failure.insn_bytes, insn, sizeof(insn));
	run->emulation_failure.ndata = 3;
	EXPECT_END(VCPU_END_INTERNAL_ERROR, 0,
		   "KVM_EXIT_INTERNAL_ERROR, suberror 1 (instruction not emulated), instruction bytes 66 0f 76 c0");
	run->emulation_failure.ndata = 1;
	EXPECT_END(VCPU_END_INTERNAL_ERROR, 0,
		   "KVM_EXIT_INTERNAL_ERROR, suberror 1 (instruction not emulated), data 0x1");

	/* What follows them is told, too; a length that cannot be is not believed. */
	run->emulation_failure.ndata = 5;
	run->emulation_failure.insn_size = 255;
	run->internal.data[3] = 0x4e;
	run->internal.data[4] = 0xfffffffff;
	EXPECT_END(VCPU_END_INTERNAL_ERROR, 0,
		   "KVM_EXIT_INTERNAL_ERROR, suberror 1 (instruction not emulated), instruction bytes 66 0f 76 c0 01 02 03 04 05 06 07 08 09 0a ff, data 0x4e 0xfffffffff");

	run->emulation_failure.flags = 0;
	run->emulation_failure.ndata = 1;
	EXPECT_END(VCPU_END_INTERNAL_ERROR, 0,
		   "KVM_EXIT_INTERNAL_ERROR, suberror 1 (instruction not emulated), data 0");
}

TEST_F(vcpu_exit, internal_errors)
{
	static const u64 data[] = { 0xb0e, 0x30, 0x182, 0x1000, 3 };
	static const struct {
		u32 suberror;
		u32 ndata;
		const char *what;
		const char *data;
	} tests[] = {
		{ KVM_INTERNAL_ERROR_SIMUL_EX, 4, " (simultaneous exceptions)",
		  ", event 0xb0e, second event 0x30, error code 0x182, data 0x1000" },
		{ KVM_INTERNAL_ERROR_DELIVERY_EV, 5, " (event delivery)",
		  ", event 0xb0e, exit reason 0x30, qualification 0x182, data 0x1000 0x3" },
		{ KVM_INTERNAL_ERROR_DELIVERY_EV, 2, " (event delivery)",
		  ", event 0xb0e, exit reason 0x30" },
		{ KVM_INTERNAL_ERROR_DELIVERY_EV, 0, " (event delivery)", "" },
		{ KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON, 2, " (unexpected exit)",
		  ", exit reason 0xb0e, data 0x30" },
		{ 77, 1, "", ", data 0xb0e" },
		{ 77, 0, "", "" },
	};
	struct kvm_run *run = &self->run;
	char expected[256];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
		run->internal.suberror = tests[i].suberror;
		run->internal.ndata = tests[i].ndata;
		memcpy(run->internal.data, data, sizeof(data));
		snprintf(expected, sizeof(expected), "KVM_EXIT_INTERNAL_ERROR, suberror %u%s%s",
			 tests[i].suberror, tests[i].what, tests[i].data);
		EXPECT_END(VCPU_END_INTERNAL_ERROR, 0, expected);
	}
}

/* As much as there can be, and a count that cannot be */
TEST_F(vcpu_exit, much_data)
{
	struct kvm_run *run = &self->run;
	char small[40];
	size_t i;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
	run->internal.ndata = 1000;
	for (i = 0; i < ARRAY_SIZE(run->internal.data); i++)
		run->internal.data[i] = 0xffffffffffffff00 + i;
	EXPECT_EQ(VCPU_END_INTERNAL_ERROR,
		  vcpu_exit_end(run, 0, self->text, sizeof(self->text)));
	EXPECT_NE(NULL, strstr(self->text, " 0xffffffffffffff0f"));
	EXPECT_STREQ("0xffffffffffffff0f", strrchr(self->text, ' ') + 1);

	/* A line is cut where its room ends. */
	vcpu_exit_end(run, 0, small, sizeof(small));
	EXPECT_EQ(sizeof(small) - 1, strlen(small));
	EXPECT_EQ(0, memcmp(small, self->text, sizeof(small) - 1));
}

TEST_F(vcpu_exit, system_events)
{
	static const struct {
		u32 type;
		enum vcpu_end end;
		const char *text;
	} tests[] = {
		{ KVM_SYSTEM_EVENT_SHUTDOWN, VCPU_END_SYSTEM_POWEROFF, "system event 1: shutdown" },
		{ KVM_SYSTEM_EVENT_RESET, VCPU_END_SYSTEM_RESET, "system event 2: reset" },
		{ KVM_SYSTEM_EVENT_CRASH, VCPU_END_SYSTEM_CRASH, "system event 3: crash" },
		{ KVM_SYSTEM_EVENT_WAKEUP, VCPU_END_KVM_ERROR, "system event 4: wakeup" },
		{ KVM_SYSTEM_EVENT_SUSPEND, VCPU_END_KVM_ERROR, "system event 5: suspend" },
		{ KVM_SYSTEM_EVENT_SEV_TERM, VCPU_END_KVM_ERROR,
		  "system event 6: termination by SEV" },
		{ 0, VCPU_END_KVM_ERROR, "system event 0" },
		{ 7, VCPU_END_KVM_ERROR, "system event 7" },
		{ -1U, VCPU_END_KVM_ERROR, "system event 4294967295" },
	};
	struct kvm_run *run = &self->run;
	size_t i;

	run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
	run->system_event.ndata = 0;
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		run->system_event.type = tests[i].type;
		EXPECT_END(tests[i].end, 0, tests[i].text);
	}
	run->system_event.type = KVM_SYSTEM_EVENT_CRASH;
	run->system_event.ndata = 2;
	run->system_event.data[0] = 0xdead;
	run->system_event.data[1] = 0xbeef;
	EXPECT_END(VCPU_END_SYSTEM_CRASH, 0, "system event 3: crash, data 0xdead 0xbeef");
}

/* api.rst: of all errnos two say more, and only with that exit reason. */
TEST_F(vcpu_exit, failed_runs)
{
	struct kvm_run *run = &self->run;

	EXPECT_END(VCPU_END_KVM_ERROR, EFAULT, "KVM_RUN: EFAULT");
	run->exit_reason = KVM_EXIT_MEMORY_FAULT;
	run->memory_fault.flags = KVM_MEMORY_EXIT_FLAG_PRIVATE;
	run->memory_fault.gpa = 0xc0001000;
	run->memory_fault.size = 0x1000;
	EXPECT_END(VCPU_END_KVM_ERROR, EFAULT,
		   "KVM_RUN: EFAULT, KVM_EXIT_MEMORY_FAULT at 0xc0001000, 4096 bytes, flags 0x8 (private)");
	run->memory_fault.flags = 0;
	EXPECT_END(VCPU_END_KVM_ERROR, EHWPOISON,
		   "KVM_RUN: EHWPOISON, KVM_EXIT_MEMORY_FAULT at 0xc0001000, 4096 bytes, flags 0");
	EXPECT_END(VCPU_END_KVM_ERROR, EINVAL, "KVM_RUN: EINVAL");
	run->exit_reason = KVM_EXIT_SHUTDOWN;
	EXPECT_END(VCPU_END_KVM_ERROR, ENOMEM, "KVM_RUN: ENOMEM");
}

TEST_HARNESS_MAIN
