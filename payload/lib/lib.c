// SPDX-License-Identifier: GPL-2.0
#include <asm/bootparam.h>

#include "lib.h"
#include "memory_map.h"
#include "payload.h"

#define UART_TX		PORT_COM1
#define PORT_NOBODY	0x80	/* every access ends in the VMM */
#define DELAY_ACCESSES	1000

const struct boot_params *boot_params;

/* The compiler calls these on its own account. */
void *memcpy(void *to, const void *from, size_t len)
{
	void *start = to;

	asm volatile("rep movsb" : "+D" (to), "+S" (from), "+c" (len) : : "memory");
	return start;
}

void *memset(void *to, int byte, size_t len)
{
	void *start = to;

	asm volatile("rep stosb" : "+D" (to), "+c" (len) : "a" (byte) : "memory");
	return start;
}

int memcmp(const void *a, const void *b, size_t len)
{
	const u8 *x = a, *y = b;

	for (; len; len--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

void print(const char *text)
{
	for (; *text; text++)
		out8(UART_TX, *text);
}

void print_hex(u64 val)
{
	int shift;

	print("0x");
	for (shift = 60; shift && !(val >> shift); shift -= 4)
		;
	for (; shift >= 0; shift -= 4)
		out8(UART_TX, "0123456789abcdef"[val >> shift & 0xf]);
}

void fail(const char *why, u64 val)
{
	print("payload: ");
	print(why);
	print(": ");
	print_hex(val);
	print("\n");
	out8(PORT_RESET, RESET_HARD);
	for (;;)
		asm volatile("cli; hlt");
}

void power_off(void)
{
	out8(PORT_ACPI_SLEEP, ACPI_SLEEP_EN | ACPI_SLEEP_S5 << ACPI_SLEEP_TYP_SHIFT);
	for (;;)
		asm volatile("cli; hlt");
}

void delay(void)
{
	int i;

	for (i = 0; i < DELAY_ACCESSES; i++)
		in8(PORT_NOBODY);
}

static const char *find_option(const char *name)
{
	const char *text = (const char *)(u64)boot_params->hdr.cmd_line_ptr;
	const char *n;

	for (; *text; text++) {
		for (n = name; *n && *n == *text; n++, text++)
			;
		if (!*n && *text == '=')
			return text + 1;
		while (*text && *text != ' ')
			text++;
		if (!*text)
			break;
	}
	return NULL;
}

u64 option(const char *name, u64 otherwise)
{
	const char *text = find_option(name);
	u64 val = 0;

	if (!text)
		return otherwise;
	for (; *text && *text != ' '; text++) {
		if (*text >= '0' && *text <= '9')
			val = val << 4 | (*text - '0');
		else if (*text >= 'a' && *text <= 'f')
			val = val << 4 | (*text - 'a' + 10);
		else
			fail("no hexadecimal number on the command line", *text);
	}
	return val;
}

void first_cpu(const struct boot_params *params)
{
	boot_params = params;
	idt_init();
	apic_init();
	payload_main();
	power_off();
}
