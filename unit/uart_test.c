// SPDX-License-Identifier: GPL-2.0
/* The UART: what Linux's 8250 driver asks of it when it probes and transmits. */
#include <linux/kernel.h>
#include <linux/serial_reg.h>
#include <string.h>

#include "harness.h"
#include "uart.h"

FIXTURE(uart) {
	struct uart uart;
	char sent[64];
	unsigned int nr_sent;
	unsigned int nr_edges;
	bool level;
};

static void on_tx(void *ctx, u8 byte)
{
	struct _test_data_uart *self = ctx;

	if (self->nr_sent < sizeof(self->sent))
		self->sent[self->nr_sent++] = byte;
}

static void on_irq(void *ctx, bool level)
{
	struct _test_data_uart *self = ctx;

	/* A call without a change would not be an edge: make it show. */
	self->nr_edges += level != self->level ? 1 : 1000;
	self->level = level;
}

static const struct uart_ops ops = { .tx = on_tx, .irq = on_irq };

FIXTURE_SETUP(uart)
{
	memset(self, 0, sizeof(*self));
	uart_init(&self->uart, &ops, self);
}

FIXTURE_TEARDOWN(uart)
{
}

/* Nothing interrupts, the transmitter is free, a modem is there. */
TEST_F(uart, reset_state)
{
	EXPECT_EQ(0, uart_read(&self->uart, UART_IER));
	EXPECT_EQ(UART_IIR_NO_INT, uart_read(&self->uart, UART_IIR));
	EXPECT_EQ(0, uart_read(&self->uart, UART_LCR));
	EXPECT_EQ(0, uart_read(&self->uart, UART_MCR));
	EXPECT_EQ(UART_LSR_THRE | UART_LSR_TEMT, uart_read(&self->uart, UART_LSR));
	EXPECT_EQ(UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD,
		  uart_read(&self->uart, UART_MSR));
	EXPECT_EQ(0, self->nr_edges);
}

/* The steps of the driver's detection end at a 16550A and at nothing richer. */
TEST_F(uart, probed_as_16550a)
{
	struct uart *u = &self->uart;

	uart_write(u, UART_IER, 0);
	EXPECT_EQ(0, uart_read(u, UART_IER));
	uart_write(u, UART_IER, 0xff);
	EXPECT_EQ(0x0f, uart_read(u, UART_IER));
	uart_write(u, UART_IER, 0);

	uart_write(u, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	EXPECT_EQ(UART_MSR_DCD | UART_MSR_CTS, uart_read(u, UART_MSR) & 0xf0);
	uart_write(u, UART_MCR, 0);

	/* An enhanced features register would read back as zero here. */
	uart_write(u, UART_LCR, 0xbf);
	uart_write(u, UART_FCR, 0);
	uart_write(u, UART_LCR, 0);
	EXPECT_EQ(UART_IIR_NO_INT, uart_read(u, UART_IIR));
	uart_write(u, UART_FCR, UART_FCR_ENABLE_FIFO);
	EXPECT_EQ(0xc0 | UART_IIR_NO_INT, uart_read(u, UART_IIR));
	uart_write(u, UART_LCR, 0x80);
	EXPECT_NE(0, uart_read(u, UART_IIR));

	/* A 16750 shows its 64 byte FIFO in bit 5. */
	uart_write(u, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR7_64BYTE);
	EXPECT_EQ(0xc0, uart_read(u, UART_IIR) & 0xe0);
	uart_write(u, UART_LCR, 0);

	uart_write(u, UART_FCR, 0);
	EXPECT_EQ(UART_IIR_NO_INT, uart_read(u, UART_IIR));
	EXPECT_EQ(0, self->nr_sent);
}

TEST_F(uart, divisor_latch_and_scratch)
{
	struct uart *u = &self->uart;

	uart_write(u, UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	uart_write(u, UART_DLL, 0x5a);
	uart_write(u, UART_DLM, 0xa5);
	EXPECT_EQ(0x5a, uart_read(u, UART_DLL));
	EXPECT_EQ(0xa5, uart_read(u, UART_DLM));
	EXPECT_EQ(0, self->nr_sent);

	uart_write(u, UART_LCR, UART_LCR_WLEN8);
	EXPECT_EQ(UART_LCR_WLEN8, uart_read(u, UART_LCR));
	EXPECT_EQ(0, uart_read(u, UART_IER));
	EXPECT_EQ(0, uart_read(u, UART_RX));

	uart_write(u, UART_SCR, 0x3c);
	EXPECT_EQ(0x3c, uart_read(u, UART_SCR));
}

/* Polled output, as the kernel's console does it. */
TEST_F(uart, transmit_polled)
{
	static const char text[] = "hello, world\r\n";
	size_t i;

	for (i = 0; i < sizeof(text); i++) {
		ASSERT_TRUE(uart_read(&self->uart, UART_LSR) & UART_LSR_THRE);
		uart_write(&self->uart, UART_TX, text[i]);
	}
	EXPECT_EQ(sizeof(text), self->nr_sent);
	EXPECT_STREQ(text, self->sent);
	EXPECT_EQ(0, self->nr_edges);
}

/* The driver's startup checks that THRE is raised again when enabled again. */
TEST_F(uart, thre_interrupt)
{
	struct uart *u = &self->uart;

	uart_write(u, UART_MCR, UART_MCR_OUT2);
	uart_write(u, UART_IER, UART_IER_THRI);
	EXPECT_TRUE(self->level);
	EXPECT_EQ(UART_IIR_THRI, uart_read(u, UART_IIR));
	EXPECT_FALSE(self->level);
	EXPECT_EQ(UART_IIR_NO_INT, uart_read(u, UART_IIR));

	/* Written again without a change it is not enabled anew. */
	uart_write(u, UART_IER, UART_IER_THRI);
	EXPECT_FALSE(self->level);

	uart_write(u, UART_IER, 0);
	uart_write(u, UART_IER, UART_IER_THRI);
	EXPECT_TRUE(self->level);
	EXPECT_EQ(UART_IIR_THRI, uart_read(u, UART_IIR));

	/* A byte makes it pending anew, once for as many as are written. */
	self->nr_edges = 0;
	uart_write(u, UART_TX, 'a');
	uart_write(u, UART_TX, 'b');
	EXPECT_TRUE(self->level);
	EXPECT_EQ(1, self->nr_edges);
	uart_write(u, UART_IER, 0);
	EXPECT_FALSE(self->level);
	EXPECT_EQ(UART_IIR_NO_INT, uart_read(u, UART_IIR));
	EXPECT_EQ(2, self->nr_edges);
}

TEST_F(uart, out2_gates_the_line)
{
	struct uart *u = &self->uart;

	uart_write(u, UART_IER, UART_IER_THRI);
	EXPECT_EQ(0, self->nr_edges);
	uart_write(u, UART_MCR, UART_MCR_OUT2);
	EXPECT_TRUE(self->level);
	uart_write(u, UART_MCR, UART_MCR_OUT2 | UART_MCR_LOOP);
	EXPECT_FALSE(self->level);
	uart_write(u, UART_MCR, UART_MCR_OUT2);
	EXPECT_TRUE(self->level);
	uart_write(u, UART_MCR, 0);
	EXPECT_FALSE(self->level);
	EXPECT_EQ(UART_IIR_THRI, uart_read(u, UART_IIR));
}

TEST_F(uart, loopback_modem_lines)
{
	static const struct {
		u8 mcr;
		u8 msr;
	} lines[] = {
		{ 0, 0 },
		{ UART_MCR_DTR, UART_MSR_DSR },
		{ UART_MCR_RTS, UART_MSR_CTS },
		{ UART_MCR_OUT1, UART_MSR_RI },
		{ UART_MCR_OUT2, UART_MSR_DCD },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		uart_write(&self->uart, UART_MCR, UART_MCR_LOOP | lines[i].mcr);
		EXPECT_EQ(lines[i].msr, uart_read(&self->uart, UART_MSR));
	}
}

TEST_F(uart, loopback_data)
{
	struct uart *u = &self->uart;

	uart_write(u, UART_MCR, UART_MCR_LOOP);
	uart_write(u, UART_IER, UART_IER_RDI | UART_IER_THRI);
	uart_write(u, UART_TX, 'x');
	EXPECT_EQ(0, self->nr_sent);
	EXPECT_TRUE(uart_read(u, UART_LSR) & UART_LSR_DR);

	/* Received data goes before THRE, which stays pending behind it. */
	EXPECT_EQ(UART_IIR_RDI, uart_read(u, UART_IIR));
	EXPECT_EQ('x', uart_read(u, UART_RX));
	EXPECT_FALSE(uart_read(u, UART_LSR) & UART_LSR_DR);
	EXPECT_EQ(UART_IIR_THRI, uart_read(u, UART_IIR));

	/* Received in loopback, it interrupts once loopback is left. */
	uart_write(u, UART_IER, UART_IER_RDI);
	uart_write(u, UART_TX, 'y');
	EXPECT_EQ(0, self->nr_edges);
	uart_write(u, UART_MCR, UART_MCR_OUT2);
	EXPECT_TRUE(self->level);

	uart_write(u, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	EXPECT_FALSE(self->level);
	EXPECT_FALSE(uart_read(u, UART_LSR) & UART_LSR_DR);
}

/* Only the low three address bits count, whatever the caller passes. */
TEST_F(uart, every_register_and_value)
{
	unsigned int reg, val;

	for (val = 0; val < 256; val++) {
		for (reg = 0; reg < 64; reg++) {
			uart_write(&self->uart, reg * 0x01010101, val);
			uart_read(&self->uart, reg * 0x01010101);
		}
	}
	uart_write(&self->uart, UART_LCR + 0x3f8, 0x1b);
	EXPECT_EQ(0x1b, uart_read(&self->uart, UART_LCR));
	EXPECT_GT(1000, self->nr_edges);
}

TEST_HARNESS_MAIN
