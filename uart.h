/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A 16550A UART as far as Linux's 8250 driver looks: transmit goes to a
 * callback, nothing is ever received but what loopback mode sends (National
 * Semiconductor PC16550D).
 */
#ifndef KTSTR_UART_H
#define KTSTR_UART_H

#include <linux/types.h>
#include <stdbool.h>

/**
 * struct uart_ops - where the UART's lines go
 * @tx: a byte was sent
 * @irq: the interrupt line changed; called on edges only
 */
struct uart_ops {
	void (*tx)(void *ctx, u8 byte);
	void (*irq)(void *ctx, bool level);
};

/**
 * struct uart - the registers; initialise with uart_init()
 * @ops: see struct uart_ops
 * @ctx: passed to @ops
 * @ier: interrupt enable
 * @lcr: line control
 * @mcr: modem control
 * @scr: scratch
 * @dll: divisor latch, low byte; has no effect
 * @dlm: divisor latch, high byte; has no effect
 * @rbr: receive buffer
 * @fifos: the FIFOs are enabled; all that shows of it is in the IIR
 * @rx_full: @rbr was not read yet
 * @thre_pending: the transmitter became empty, not yet acknowledged
 * @line: level of the interrupt line
 *
 * Callers serialise access.
 */
struct uart {
	const struct uart_ops *ops;
	void *ctx;
	u8 ier, lcr, mcr, scr, dll, dlm, rbr;
	bool fifos;
	bool rx_full;
	bool thre_pending;
	bool line;
};

/**
 * uart_init() - put a UART into its reset state
 * @uart: the UART
 * @ops: see struct uart_ops
 * @ctx: passed to @ops
 */
void uart_init(struct uart *uart, const struct uart_ops *ops, void *ctx);

/**
 * uart_read() - the guest reads a register
 * @uart: the UART
 * @reg: offset from the base port; only the low three bits count
 */
u8 uart_read(struct uart *uart, unsigned int reg);

/**
 * uart_write() - the guest writes a register
 * @uart: the UART
 * @reg: offset from the base port; only the low three bits count
 * @val: the byte
 */
void uart_write(struct uart *uart, unsigned int reg, u8 val);

#endif /* KTSTR_UART_H */
