// SPDX-License-Identifier: GPL-2.0
/* A guest's accesses to the UART */
#include "fuzz.h"
#include "uart.h"

struct seen {
	unsigned int sent;
	bool line;
};

static void on_tx(void *ctx, u8 byte)
{
	struct seen *seen = ctx;

	(void)byte;
	seen->sent++;
}

static void on_irq(void *ctx, bool level)
{
	struct seen *seen = ctx;

	/* Told of changes only */
	fuzz_assert(level != seen->line);
	seen->line = level;
}

static const struct uart_ops ops = { .tx = on_tx, .irq = on_irq };

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_input in = { data, size };
	unsigned int writes = 0;
	struct seen seen = {};
	struct uart uart;

	uart_init(&uart, &ops, &seen);
	while (in.size) {
		u8 what = fuzz_number(&in, 1);
		unsigned int reg = what & 0x40 ? fuzz_number(&in, 4) : what & 7;

		if (what & 0x80) {
			uart_write(&uart, reg, fuzz_number(&in, 1));
			writes++;
		} else {
			uart_read(&uart, reg);
		}
		fuzz_assert(uart.line == seen.line);
	}
	fuzz_assert(seen.sent <= writes);
	return 0;
}
