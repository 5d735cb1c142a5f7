// SPDX-License-Identifier: GPL-2.0
/* What a vCPU waits for, from its registers. */
#include <string.h>

#include "harness.h"
#include "vcpu_state.h"

static void set_register(struct vcpu_state *state, unsigned int offset, u32 value)
{
	memcpy(state->lapic.regs + offset, &value, sizeof(value));
}

/* Halted, the timer in TSC-deadline mode with vector 0xec */
static void halt(struct vcpu_state *state)
{
	memset(state, 0, sizeof(*state));
	state->mp_state.mp_state = KVM_MP_STATE_HALTED;
	set_register(state, 0x320, 0x400ec);
}

#define EXPECT_WAIT(_text) do { \
	char text[VCPU_STATE_TEXT_SIZE]; \
	vcpu_state_wait(&state, text, sizeof(text)); \
	EXPECT_STREQ(_text, text); \
} while (0)

TEST(idle)
{
	struct vcpu_state state;

	halt(&state);
	EXPECT_WAIT("halted; in service: none; requested: none; timer: not armed");
}

TEST(lost_interrupts)
{
	struct vcpu_state state;

	halt(&state);
	set_register(&state, 0x100 + 0x70, 1U << 0xc);
	set_register(&state, 0x200 + 0x70, 1U << 0xc | 1U << 0x1d);
	set_register(&state, 0x200 + 0x10, 1U << 1);
	state.events.interrupt.injected = 1;
	state.events.interrupt.nr = 0xfb;
	EXPECT_WAIT("halted; not yet delivered: 0xfb; in service: 0xec; "
		    "requested: 0x21 0xec 0xfd; timer: not armed");
}

TEST(timers)
{
	struct vcpu_state state;

	halt(&state);
	state.tsc = 1000;
	state.tsc_deadline = 1500;
	EXPECT_WAIT("halted; in service: none; requested: none; timer: in 500 cycles");
	state.tsc_deadline = 900;
	EXPECT_WAIT("halted; in service: none; requested: none; timer: 100 cycles ago");
	set_register(&state, 0x320, 0xec);
	set_register(&state, 0x380, 70);
	set_register(&state, 0x390, 3);
	EXPECT_WAIT("halted; in service: none; requested: none; timer: 3 of 70");
	set_register(&state, 0x320, 0x10000);
	EXPECT_WAIT("halted; in service: none; requested: none; timer: masked");
}

TEST(states)
{
	static const char * const names[] = {
		[KVM_MP_STATE_RUNNABLE] = "runs",
		[KVM_MP_STATE_UNINITIALIZED] = "waits for INIT",
		[KVM_MP_STATE_INIT_RECEIVED] = "waits for SIPI",
		[KVM_MP_STATE_HALTED] = "halted",
		[KVM_MP_STATE_SIPI_RECEIVED] = "got SIPI",
		"in an unknown state",
	};
	char text[VCPU_STATE_TEXT_SIZE];
	struct vcpu_state state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		halt(&state);
		state.mp_state.mp_state = i;
		vcpu_state_wait(&state, text, sizeof(text));
		*strchrnul(text, ';') = '\0';
		EXPECT_STREQ(names[i], text);
	}
}

TEST(rests)
{
	struct vcpu_state state;

	halt(&state);
	EXPECT_FALSE(vcpu_state_rests(&state));
	state.waits = true;
	EXPECT_TRUE(vcpu_state_rests(&state));
	state.mp_state.mp_state = KVM_MP_STATE_UNINITIALIZED;
	EXPECT_TRUE(vcpu_state_rests(&state));
	state.mp_state.mp_state = KVM_MP_STATE_RUNNABLE;
	EXPECT_FALSE(vcpu_state_rests(&state));
}

/* As many vectors as there can be fit, with an end that says that there are more. */
TEST(all_vectors)
{
	char text[VCPU_STATE_TEXT_SIZE];
	struct vcpu_state state;

	memset(&state, 0xff, sizeof(state));
	vcpu_state_wait(&state, text, sizeof(text));
	EXPECT_NE(NULL, strstr(text, "in service: 0 0x1 0x2 0x3 0x4 0x5 0x6 0x7 ...;"));
	EXPECT_NE(NULL, strstr(text, "timer: masked"));
}

TEST_HARNESS_MAIN
