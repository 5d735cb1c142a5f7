// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/kernel.h>
#include <linux/types.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vcpu_exit.h"

struct line {
	char *text;
	size_t size;
	size_t len;
};

__printf(2, 3)
static void add(struct line *line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line->len += vsnprintf(line->text + line->len, line->size - line->len, fmt, ap);
	va_end(ap);
	line->len = min(line->len, line->size - 1);
}

static void add_data(struct line *line, const struct kvm_run *run, u32 first)
{
	const u32 nr = min_t(u32, run->internal.ndata, ARRAY_SIZE(run->internal.data));
	u32 i;

	for (i = first; i < nr; i++)
		add(line, "%s%#llx", i == first ? ", data " : " ", run->internal.data[i]);
}

/* Of the data, what has a name: as many as KVM has filled in. Return: how many. */
static u32 add_named(struct line *line, const struct kvm_run *run, const char * const *names,
		     u32 nr)
{
	u32 i;

	nr = min(nr, run->internal.ndata);
	for (i = 0; i < nr; i++)
		add(line, ", %s %#llx", names[i], run->internal.data[i]);
	return nr;
}

/* The three words before the data without a name are ABI (linux/kvm.h). */
static u32 add_instruction(struct line *line, const struct kvm_run *run)
{
	const u32 words = 3;
	u32 i, len;

	if (run->emulation_failure.ndata < words ||
	    !(run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES))
		return 0;
	len = min_t(u32, run->emulation_failure.insn_size,
		    sizeof(run->emulation_failure.insn_bytes));
	for (i = 0; i < len; i++)
		add(line, "%s%02x", i ? " " : ", instruction bytes ",
		    run->emulation_failure.insn_bytes[i]);
	return words;
}

/* The words of the others are not ABI; these are what KVM has had there for long. */
static void add_internal_error(struct line *line, const struct kvm_run *run)
{
	static const char * const delivery[] = { "event", "exit reason", "qualification" };
	static const char * const simultaneous[] = { "event", "second event", "error code" };
	static const char * const unexpected[] = { "exit reason" };
	u32 named = 0;

	add(line, "KVM_EXIT_INTERNAL_ERROR, suberror %u", run->internal.suberror);
	switch (run->internal.suberror) {
	case KVM_INTERNAL_ERROR_EMULATION:
		add(line, " (instruction not emulated)");
		named = add_instruction(line, run);
		break;
	case KVM_INTERNAL_ERROR_SIMUL_EX:
		add(line, " (simultaneous exceptions)");
		named = add_named(line, run, simultaneous, ARRAY_SIZE(simultaneous));
		break;
	case KVM_INTERNAL_ERROR_DELIVERY_EV:
		add(line, " (event delivery)");
		named = add_named(line, run, delivery, ARRAY_SIZE(delivery));
		break;
	case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
		add(line, " (unexpected exit)");
		named = add_named(line, run, unexpected, ARRAY_SIZE(unexpected));
		break;
	}
	add_data(line, run, named);
}

static enum vcpu_end add_system_event(struct line *line, const struct kvm_run *run)
{
	static const struct {
		const char *name;
		enum vcpu_end end;
	} events[] = {
		[KVM_SYSTEM_EVENT_SHUTDOWN] = { "shutdown", VCPU_END_SYSTEM_POWEROFF },
		[KVM_SYSTEM_EVENT_RESET] = { "reset", VCPU_END_SYSTEM_RESET },
		[KVM_SYSTEM_EVENT_CRASH] = { "crash", VCPU_END_SYSTEM_CRASH },
		[KVM_SYSTEM_EVENT_WAKEUP] = { "wakeup", VCPU_END_KVM_ERROR },
		[KVM_SYSTEM_EVENT_SUSPEND] = { "suspend", VCPU_END_KVM_ERROR },
		[KVM_SYSTEM_EVENT_SEV_TERM] = { "termination by SEV", VCPU_END_KVM_ERROR },
	};
	const u32 type = run->system_event.type;
	const u32 nr = min_t(u32, run->system_event.ndata, ARRAY_SIZE(run->system_event.data));
	const bool known = type < ARRAY_SIZE(events) && events[type].name;
	u32 i;

	add(line, "system event %u", type);
	if (known)
		add(line, ": %s", events[type].name);
	for (i = 0; i < nr; i++)
		add(line, "%s%#llx", i ? " " : ", data ", run->system_event.data[i]);
	return known ? events[type].end : VCPU_END_KVM_ERROR;
}

static void add_failed_run(struct line *line, const struct kvm_run *run, int error)
{
	add(line, "KVM_RUN: %s", strerrorname_np(error));
	if ((error != EFAULT && error != EHWPOISON) || run->exit_reason != KVM_EXIT_MEMORY_FAULT)
		return;
	add(line, ", KVM_EXIT_MEMORY_FAULT at %#llx, %llu bytes, flags %#llx%s",
	    run->memory_fault.gpa, run->memory_fault.size, run->memory_fault.flags,
	    run->memory_fault.flags & KVM_MEMORY_EXIT_FLAG_PRIVATE ? " (private)" : "");
}

enum vcpu_end vcpu_exit_end(const struct kvm_run *run, int error, char *text, size_t size)
{
	struct line line = { .text = text, .size = size };

	if (error) {
		add_failed_run(&line, run, error);
		return VCPU_END_KVM_ERROR;
	}
	switch (run->exit_reason) {
	case KVM_EXIT_SHUTDOWN:
		add(&line, "KVM_EXIT_SHUTDOWN");
		return VCPU_END_SHUTDOWN;
	case KVM_EXIT_SYSTEM_EVENT:
		return add_system_event(&line, run);
	case KVM_EXIT_INTERNAL_ERROR:
		add_internal_error(&line, run);
		return VCPU_END_INTERNAL_ERROR;
	case KVM_EXIT_FAIL_ENTRY:
		add(&line, "KVM_EXIT_FAIL_ENTRY, hardware reason %#llx, on CPU %u of the host",
		    run->fail_entry.hardware_entry_failure_reason, run->fail_entry.cpu);
		return VCPU_END_INTERNAL_ERROR;
	case KVM_EXIT_UNKNOWN:
		add(&line, "KVM_EXIT_UNKNOWN, hardware reason %#llx", run->hw.hardware_exit_reason);
		return VCPU_END_KVM_ERROR;
	default:
		add(&line, "unexpected exit reason %u", run->exit_reason);
		return VCPU_END_KVM_ERROR;
	}
}
