/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of the library say to each other, and start.S to them. */
#ifndef KTSTR_PAYLOAD_LIB_H
#define KTSTR_PAYLOAD_LIB_H

#include <asm/bootparam.h>
#include <linux/types.h>

extern const struct boot_params *boot_params;

/* start.S */
extern char stacks[], trampoline[], trampoline_end[], interrupt_stubs[];
extern u32 trampoline_cr3;
extern u64 idt[256][2];

/* Called by it */
void first_cpu(const struct boot_params *params);
void next_cpu(unsigned int cpu);
void interrupt(u64 vector, u64 error, u64 rip);

void idt_init(void);

#endif /* KTSTR_PAYLOAD_LIB_H */
