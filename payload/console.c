// SPDX-License-Identifier: GPL-2.0
/* Does with the virtio console what it is asked for through it. */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "memory_map.h"
#include "payload.h"

/* Nothing is there: in the device gap */
#define NO_RAM		(MAP_GAP_START + 0x100000)

static u64 data[CONSOLE_MAX_LEN / sizeof(u64)];
static struct console_report state;

void payload_cpu(unsigned int cpu)
{
	fail("a CPU that nobody has started", cpu);
}

static void echo(u32 len, u32 parts)
{
	const struct report header = {
		.magic = REPORT_MAGIC, .kind = REPORT_ECHO, .count = len, .size = 1,
	};
	u32 i;

	if (len > sizeof(data))
		fail("too many bytes", len);
	console_receive(data, len);
	for (i = 0; i < len; i += sizeof(u64))
		data[i / sizeof(u64)] ^= ECHO_XOR * 0x0101010101010101;
	console_send(&header, sizeof(header), parts > sizeof(header) ? 1 : parts);
	console_send(data, len, parts);
}

static void look(void)
{
	u32 i;

	state.offered = console_offered();
	state.accepted = console_accepted();
	state.magic = console_register(VIRTIO_MMIO_MAGIC_VALUE);
	state.version = console_register(VIRTIO_MMIO_VERSION);
	state.device = console_register(VIRTIO_MMIO_DEVICE_ID);
	for (i = 0; i <= CONSOLE_QUEUES; i++) {
		console_set_register(VIRTIO_MMIO_QUEUE_SEL, i);
		state.queue_max[i] = console_register(VIRTIO_MMIO_QUEUE_NUM_MAX);
	}
	state.irqs = console_irq_count;
}

/* Interrupts are disabled, so that nobody but this acknowledges them. */
static void reset(void)
{
	u32 i;

	state.dirty_status = console_register(VIRTIO_MMIO_STATUS);
	state.dirty_interrupts = console_register(VIRTIO_MMIO_INTERRUPT_STATUS);
	console_set_register(VIRTIO_MMIO_STATUS, 0);
	state.reset_status = console_register(VIRTIO_MMIO_STATUS);
	state.reset_interrupts = console_register(VIRTIO_MMIO_INTERRUPT_STATUS);
	state.reset_ready = 0;
	for (i = 0; i < CONSOLE_QUEUES; i++) {
		console_set_register(VIRTIO_MMIO_QUEUE_SEL, i);
		state.reset_ready += console_register(VIRTIO_MMIO_QUEUE_READY);
	}
}

/* Until the device notices */
static void break_it(void)
{
	console_send_gpa(0, NO_RAM, 16);
	while (!(console_register(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET))
		cpu_relax();
}

/* Fill the queue with buffers of @len bytes, of which each page says where it is. */
static void last_words(u32 len)
{
	u64 gpa = CONSOLE_WORDS;
	u16 i;

	for (i = 0; i < CONSOLE_QUEUE_SIZE * len / CONSOLE_PAGE; i++)
		*(u64 *)(gpa + i * CONSOLE_PAGE) = CONSOLE_WORDS + i;
	for (i = 0; i < CONSOLE_QUEUE_SIZE; i++)
		console_send_gpa(i, gpa + i * len, len);
	power_off();
}

static void serve(const struct console_request *r)
{
	switch (r->action) {
	case CONSOLE_ECHO:
		echo(r->len, r->parts);
		return;
	case CONSOLE_LAST_WORDS:
		last_words(r->len);
		break;
	case CONSOLE_CLOSE:
		console_set_open(false);
		console_set_open(true);
		break;
	case CONSOLE_BREAK:
		break_it();
		reset();
		break;
	case CONSOLE_RESET:
		reset();
		break;
	default:
		power_off();
	}
	if (r->action != CONSOLE_CLOSE) {
		console_features = r->features;
		console_start();
	}
	look();
	report(REPORT_CONSOLE, &state, 1, sizeof(state));
}

void payload_main(void)
{
	struct console_request request;

	console_features = option("features", console_features);
	look();
	console_start();
	look();
	report(REPORT_CONSOLE, &state, 1, sizeof(state));
	for (;;) {
		console_receive(&request, sizeof(request));
		serve(&request);
	}
}
