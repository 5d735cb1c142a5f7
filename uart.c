// SPDX-License-Identifier: GPL-2.0
#include <linux/serial_reg.h>

#include "uart.h"

/* A driver takes a chip that lets it set more of these for a richer one. */
#define IER_BITS	(UART_IER_RDI | UART_IER_THRI | UART_IER_RLSI | UART_IER_MSI)
#define MCR_BITS	(UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT1 | UART_MCR_OUT2 | \
			 UART_MCR_LOOP)
#define IIR_FIFOS	0xc0

static u8 uart_interrupt_id(const struct uart *uart)
{
	if (uart->rx_full && (uart->ier & UART_IER_RDI))
		return UART_IIR_RDI;
	if (uart->thre_pending && (uart->ier & UART_IER_THRI))
		return UART_IIR_THRI;
	return UART_IIR_NO_INT;
}

/* A PC gates the interrupt with OUT2, which loopback takes off its pin. */
static bool uart_line(const struct uart *uart)
{
	if ((uart->mcr & (UART_MCR_OUT2 | UART_MCR_LOOP)) != UART_MCR_OUT2)
		return false;
	return uart_interrupt_id(uart) != UART_IIR_NO_INT;
}

static void uart_update_line(struct uart *uart)
{
	bool line = uart_line(uart);

	if (line == uart->line)
		return;
	uart->line = line;
	uart->ops->irq(uart->ctx, line);
}

/* In loopback the four modem outputs are wired to the four inputs (8.6.7). */
static u8 uart_modem_status(const struct uart *uart)
{
	u8 msr = 0;

	if (!(uart->mcr & UART_MCR_LOOP))
		return UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD;

	if (uart->mcr & UART_MCR_RTS)
		msr |= UART_MSR_CTS;
	if (uart->mcr & UART_MCR_DTR)
		msr |= UART_MSR_DSR;
	if (uart->mcr & UART_MCR_OUT1)
		msr |= UART_MSR_RI;
	if (uart->mcr & UART_MCR_OUT2)
		msr |= UART_MSR_DCD;
	return msr;
}

static u8 uart_read_iir(struct uart *uart)
{
	u8 id = uart_interrupt_id(uart);

	/* Reading acknowledges this one source only, and only if it is shown. */
	if (id == UART_IIR_THRI)
		uart->thre_pending = false;
	return id | (uart->fifos ? IIR_FIFOS : 0);
}

static void uart_transmit(struct uart *uart, u8 byte)
{
	if (uart->mcr & UART_MCR_LOOP) {
		uart->rbr = byte;
		uart->rx_full = true;
	} else {
		uart->ops->tx(uart->ctx, byte);
	}
	/* It takes no time: the transmitter was full, and is empty again. */
	uart->thre_pending = true;
}

static void uart_write_ier(struct uart *uart, u8 val)
{
	/* Enabling the interrupt while the transmitter is empty raises it. */
	if (~uart->ier & val & UART_IER_THRI)
		uart->thre_pending = true;
	uart->ier = val & IER_BITS;
}

static void uart_write_fcr(struct uart *uart, u8 val)
{
	bool fifos = val & UART_FCR_ENABLE_FIFO;

	if (fifos != uart->fifos || (fifos && (val & UART_FCR_CLEAR_RCVR)))
		uart->rx_full = false;
	uart->fifos = fifos;
}

void uart_init(struct uart *uart, const struct uart_ops *ops, void *ctx)
{
	*uart = (struct uart){ .ops = ops, .ctx = ctx };
}

u8 uart_read(struct uart *uart, unsigned int reg)
{
	bool dlab = uart->lcr & UART_LCR_DLAB;
	u8 val = 0;

	switch (reg & 7) {
	case UART_RX:
		if (dlab)
			return uart->dll;
		val = uart->rbr;
		uart->rx_full = false;
		break;
	case UART_IER:
		return dlab ? uart->dlm : uart->ier;
	case UART_IIR:
		val = uart_read_iir(uart);
		break;
	case UART_LCR:
		return uart->lcr;
	case UART_MCR:
		return uart->mcr;
	case UART_LSR:
		return UART_LSR_THRE | UART_LSR_TEMT | (uart->rx_full ? UART_LSR_DR : 0);
	case UART_MSR:
		return uart_modem_status(uart);
	case UART_SCR:
		return uart->scr;
	}
	uart_update_line(uart);
	return val;
}

void uart_write(struct uart *uart, unsigned int reg, u8 val)
{
	bool dlab = uart->lcr & UART_LCR_DLAB;

	switch (reg & 7) {
	case UART_TX:
		if (dlab)
			uart->dll = val;
		else
			uart_transmit(uart, val);
		break;
	case UART_IER:
		if (dlab)
			uart->dlm = val;
		else
			uart_write_ier(uart, val);
		break;
	case UART_FCR:
		uart_write_fcr(uart, val);
		break;
	case UART_LCR:
		uart->lcr = val;
		break;
	case UART_MCR:
		uart->mcr = val & MCR_BITS;
		break;
	case UART_SCR:
		uart->scr = val;
		break;
	default:	/* LSR and MSR are read-only */
		break;
	}
	uart_update_line(uart);
}
