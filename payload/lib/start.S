/* SPDX-License-Identifier: GPL-2.0 */
/* Where CPUs come in: the first one, the others, and all of them by interrupts. */
#include "payload.h"

/* SDM vol. 3A, 2.5; APM vol. 2, 3.1.7 */
#define CR0_PE		0x00000001
#define CR0_PG		0x80000000
#define CR4_PAE		0x20
#define MSR_EFER	0xc0000080
#define EFER_LME	0x100

/*
 * The first CPU, in 64-bit mode at its physical address, with the zero page in
 * %rsi and all below 4 GiB mapped one to one.
 */
	.section .text.start, "ax"
	.code64
	.globl start
start:
	/* Map the first GiB once more, at KERNEL_MAP: entry 511, in it entry 510. */
	mov	%cr3, %rax
	mov	(%rax), %rcx
	mov	%rcx, 511 * 8(%rax)
	and	$~0xfff, %rcx
	mov	(%rcx), %rdx
	mov	%rdx, 510 * 8(%rcx)
	mov	%rax, %cr3
	movabs	$1f, %rax
	jmp	*%rax
1:
	lgdt	gdt_register
	lidt	idt_register
	mov	$stacks + STACK_SIZE, %rsp
	mov	%rsi, %rdi
	call	first_cpu
1:	cli
	hlt
	jmp	1b

/*
 * Another CPU, in real mode, at the copy of this at TRAMPOLINE. It goes straight
 * to 64-bit mode, which SDM vol. 3A, 9.8.5 has by way of protected mode, but
 * paging and protection may be enabled together.
 */
	.section .rodata
	.balign	16
	.globl	trampoline, trampoline_end, trampoline_cr3
	.code16
trampoline:
	cli
	cld
	mov	%cs, %ax
	mov	%ax, %ds
	lgdtl	trampoline_gdt - trampoline
	mov	$CR4_PAE, %eax
	mov	%eax, %cr4
	mov	trampoline_cr3 - trampoline, %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	rdmsr
	or	$EFER_LME, %eax
	wrmsr
	mov	%cr0, %eax
	or	$CR0_PE | CR0_PG, %eax
	mov	%eax, %cr0
	ljmpl	$CODE_SELECTOR, $TRAMPOLINE + 1f - trampoline
	.code64
1:
	mov	$DATA_SELECTOR, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	xor	%eax, %eax
	mov	%eax, %fs
	mov	%eax, %gs
	movabs	$2f, %rax
	jmp	*%rax

	.balign	4
trampoline_cr3:
	.long	0
trampoline_gdt:
	.word	gdt_end - gdt - 1
	.long	gdt - KERNEL_MAP
trampoline_end:

	.text
2:
	lgdt	gdt_register
	lidt	idt_register
	/* CPUs take numbers, and with them stacks, in the order in which they come. */
	mov	$1, %edi
	lock xadd %edi, cpus_taken
	cmp	$MAX_CPUS, %edi
	jae	3f
	lea	1(%rdi), %rsp
	imul	$STACK_SIZE, %rsp
	add	$stacks, %rsp
	call	next_cpu
3:	cli
	hlt
	jmp	3b

/* Interrupts: the vector and, for all alike, an error code on the stack */
	.globl	interrupt_stubs
	.balign	16
interrupt_stubs:
vector = 0
	.rept	256
	.balign	16
	/* SDM vol. 3A, table 6-1: those that push an error code */
	.if vector != 8 && (vector < 10 || vector > 14) && vector != 17 && vector != 21
	push	$0
	.endif
	push	$vector
	jmp	interrupt_common
vector = vector + 1
	.endr

interrupt_common:
	push	%rax
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	mov	9 * 8(%rsp), %rdi	/* vector */
	mov	10 * 8(%rsp), %rsi	/* error code */
	mov	11 * 8(%rsp), %rdx	/* %rip */
	call	interrupt
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rax
	add	$16, %rsp
	iretq

	.data
	.balign	16
gdt:
	.quad	0, 0
	.quad	0x00af9b000000ffff	/* CODE_SELECTOR: 64-bit */
	.quad	0x00cf93000000ffff	/* DATA_SELECTOR */
gdt_end:
	.balign	8
gdt_register:
	.word	gdt_end - gdt - 1
	.quad	gdt
	.balign	8
idt_register:
	.word	256 * 16 - 1
	.quad	idt
	.balign	4
cpus_taken:
	.long	1

	.bss
	.globl	stacks, idt
	.balign	STACK_SIZE
stacks:
	.skip	MAX_CPUS * STACK_SIZE
idt:
	.skip	256 * 16

	.section .note.GNU-stack, "", @progbits
