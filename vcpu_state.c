// SPDX-License-Identifier: GPL-2.0
#include <asm/msr-index.h>
#include <linux/kernel.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vcpu_state.h"

/* SDM vol. 3A, table 11-1 */
#define APIC_ISR		0x100
#define APIC_IRR		0x200
#define APIC_LVTT		0x320
#define APIC_TMICT		0x380
#define APIC_TMCCT		0x390

#define LVTT_MASKED		0x10000
#define LVTT_MODE		0x60000
#define LVTT_DEADLINE		0x40000

#define MAX_NAMED		8

bool vcpu_read_msr(int vcpu_fd, u32 index, u64 *value)
{
	union {
		struct kvm_msrs msrs;
		char room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} arg = { .msrs.nmsrs = 1 };

	arg.msrs.entries[0].index = index;
	if (ioctl(vcpu_fd, KVM_GET_MSRS, &arg) != 1)
		return false;
	*value = arg.msrs.entries[0].data;
	return true;
}

void vcpu_state_read(int vcpu_fd, struct vcpu_state *state)
{
	state->valid = !ioctl(vcpu_fd, KVM_GET_REGS, &state->regs) &&
		       !ioctl(vcpu_fd, KVM_GET_SREGS, &state->sregs);
	state->waits = !ioctl(vcpu_fd, KVM_GET_MP_STATE, &state->mp_state) &&
		       !ioctl(vcpu_fd, KVM_GET_VCPU_EVENTS, &state->events) &&
		       !ioctl(vcpu_fd, KVM_GET_LAPIC, &state->lapic) &&
		       vcpu_read_msr(vcpu_fd, MSR_IA32_TSC, &state->tsc) &&
		       vcpu_read_msr(vcpu_fd, MSR_IA32_TSC_DEADLINE, &state->tsc_deadline);
}

static u32 lapic_register(const struct vcpu_state *state, unsigned int offset)
{
	u32 value;

	memcpy(&value, state->lapic.regs + offset, sizeof(value));
	return value;
}

/* One bit per vector, 32 of them every 16 bytes */
static void print_vectors(FILE *f, const struct vcpu_state *state, unsigned int base)
{
	unsigned int vector, named = 0;

	for (vector = 0; vector < 256; vector++) {
		if (!(lapic_register(state, base + vector / 32 * 16) & 1U << vector % 32))
			continue;
		if (++named > MAX_NAMED) {
			fputs(" ...", f);
			return;
		}
		fprintf(f, " %#x", vector);
	}
	if (!named)
		fputs(" none", f);
}

static void print_timer(FILE *f, const struct vcpu_state *state)
{
	const u32 lvtt = lapic_register(state, APIC_LVTT);
	const u64 deadline = state->tsc_deadline;

	if (lvtt & LVTT_MASKED)
		fputs("masked", f);
	else if ((lvtt & LVTT_MODE) != LVTT_DEADLINE)
		fprintf(f, "%u of %u", lapic_register(state, APIC_TMCCT),
			lapic_register(state, APIC_TMICT));
	else if (!deadline)
		fputs("not armed", f);
	else if (deadline > state->tsc)
		fprintf(f, "in %llu cycles", (unsigned long long)(deadline - state->tsc));
	else
		fprintf(f, "%llu cycles ago", (unsigned long long)(state->tsc - deadline));
}

static const char *mp_state_name(u32 mp_state)
{
	switch (mp_state) {
	case KVM_MP_STATE_RUNNABLE:
		return "runs";
	case KVM_MP_STATE_UNINITIALIZED:
		return "waits for INIT";
	case KVM_MP_STATE_INIT_RECEIVED:
		return "waits for SIPI";
	case KVM_MP_STATE_HALTED:
		return "halted";
	case KVM_MP_STATE_SIPI_RECEIVED:
		return "got SIPI";
	default:
		return "in an unknown state";
	}
}

bool vcpu_state_rests(const struct vcpu_state *state)
{
	return state->waits && (state->mp_state.mp_state == KVM_MP_STATE_HALTED ||
				state->mp_state.mp_state == KVM_MP_STATE_UNINITIALIZED);
}

void vcpu_state_wait(const struct vcpu_state *state, char *text, size_t size)
{
	FILE *f = fmemopen(text, size, "w");

	if (!f) {
		text[0] = '\0';
		return;
	}
	fputs(mp_state_name(state->mp_state.mp_state), f);
	if (state->events.interrupt.injected)
		fprintf(f, "; not yet delivered: %#x", state->events.interrupt.nr);
	fputs("; in service:", f);
	print_vectors(f, state, APIC_ISR);
	fputs("; requested:", f);
	print_vectors(f, state, APIC_IRR);
	fputs("; timer: ", f);
	print_timer(f, state);
	fclose(f);
}
