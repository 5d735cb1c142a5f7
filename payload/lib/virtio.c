// SPDX-License-Identifier: GPL-2.0
/* virtio 1.2: sections 2.7 (split virtqueues), 4.2 (mmio), 5.3 (console) */
#include <linux/bits.h>
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "memory_map.h"
#include "payload.h"

#define BASE		MAP_VIRTIO(VIRTIO_SLOT_CONSOLE)
#define GSI		MAP_VIRTIO_GSI(VIRTIO_SLOT_CONSOLE)
#define QUEUE_SIZE	CONSOLE_QUEUE_SIZE
#define BUFFER_SIZE	512

#define F_VERSION_1	BIT_ULL(VIRTIO_F_VERSION_1)
#define F_INDIRECT	BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC)
#define F_EVENT_IDX	BIT_ULL(VIRTIO_RING_F_EVENT_IDX)
#define F_MULTIPORT	BIT_ULL(VIRTIO_CONSOLE_F_MULTIPORT)

enum { RX, TX, CONTROL_RX, CONTROL_TX, NR_QUEUES };

/* The event indexes have their places whether they are in use or not. */
struct queue {
	struct vring_desc desc[QUEUE_SIZE];
	struct {
		u16 flags;
		u16 idx;
		u16 ring[QUEUE_SIZE];
		u16 used_event;
	} avail;
	struct {
		u16 flags;
		u16 idx;
		struct vring_used_elem ring[QUEUE_SIZE];
		u16 avail_event;
	} used __aligned(4);
	u16 next_avail;
	u16 last_used;
	unsigned int index;
} __aligned(16);

static struct queue queues[NR_QUEUES];
static u8 buffers[NR_QUEUES][QUEUE_SIZE][BUFFER_SIZE];
static struct vring_desc indirect[QUEUE_SIZE];
static u64 accepted;
static bool started;

/* What is left of the receive buffer that was taken last */
static struct {
	u16 head;
	u32 at;
	u32 len;
} rx;

u64 console_features = F_VERSION_1 | F_MULTIPORT;
bool console_irqs;
u32 console_irq_count;

u32 console_register(u32 offset)
{
	return mmio_read(BASE + offset);
}

void console_set_register(u32 offset, u32 val)
{
	mmio_write(BASE + offset, val);
}

u64 console_offered(void)
{
	u64 features;

	console_set_register(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	features = (u64)console_register(VIRTIO_MMIO_DEVICE_FEATURES) << 32;
	console_set_register(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	return features | console_register(VIRTIO_MMIO_DEVICE_FEATURES);
}

u64 console_accepted(void)
{
	return accepted;
}

static void console_interrupt(void)
{
	u32 why = console_register(VIRTIO_MMIO_INTERRUPT_STATUS);

	console_set_register(VIRTIO_MMIO_INTERRUPT_ACK, why);
	console_irq_count++;
	apic_eoi();
}

static void add_status(u32 bits)
{
	u32 status = console_register(VIRTIO_MMIO_STATUS) | bits;

	console_set_register(VIRTIO_MMIO_STATUS, status);
	if (console_register(VIRTIO_MMIO_STATUS) != status)
		fail("the console does not take its status", status);
}

static void set_address(u32 offset, const void *area)
{
	console_set_register(offset, phys(area));
	console_set_register(offset + 4, phys(area) >> 32);
}

static void queue_init(unsigned int i)
{
	struct queue *q = &queues[i];

	memset(q, 0, sizeof(*q));
	q->index = i;
	console_set_register(VIRTIO_MMIO_QUEUE_SEL, i);
	if (console_register(VIRTIO_MMIO_QUEUE_READY))
		fail("a queue is ready before it was made", i);
	if (console_register(VIRTIO_MMIO_QUEUE_NUM_MAX) < QUEUE_SIZE)
		fail("a queue is too small", i);
	console_set_register(VIRTIO_MMIO_QUEUE_NUM, QUEUE_SIZE);
	set_address(VIRTIO_MMIO_QUEUE_DESC_LOW, q->desc);
	set_address(VIRTIO_MMIO_QUEUE_AVAIL_LOW, &q->avail);
	set_address(VIRTIO_MMIO_QUEUE_USED_LOW, &q->used);
	console_set_register(VIRTIO_MMIO_QUEUE_READY, 1);
	if (console_register(VIRTIO_MMIO_QUEUE_READY) != 1)
		fail("a queue does not get ready", i);
}

/* Make the chain that begins at @head available. */
static void publish(struct queue *q, u16 head)
{
	u16 old = q->next_avail;
	bool wanted;

	q->avail.ring[q->next_avail++ % QUEUE_SIZE] = head;
	memory_barrier();
	WRITE_ONCE(q->avail.idx, q->next_avail);
	memory_barrier();
	if (accepted & F_EVENT_IDX)
		wanted = vring_need_event(READ_ONCE(q->used.avail_event), q->next_avail, old);
	else
		wanted = !(READ_ONCE(q->used.flags) & VRING_USED_F_NO_NOTIFY);
	if (wanted)
		console_set_register(VIRTIO_MMIO_QUEUE_NOTIFY, q->index);
}

static bool has_used(const struct queue *q)
{
	return READ_ONCE(q->used.idx) != q->last_used;
}

/* Wait for the next buffer that comes back. Return: its head. */
static u16 get_used(struct queue *q, u32 *len)
{
	const struct vring_used_elem *elem;

	while (!has_used(q)) {
		WRITE_ONCE(q->avail.used_event, q->last_used);
		memory_barrier();
		if (has_used(q))
			break;
		if (console_irqs)
			wait_for_interrupt();
		else
			cpu_relax();
	}
	memory_barrier();
	elem = &q->used.ring[q->last_used++ % QUEUE_SIZE];
	if (elem->id >= QUEUE_SIZE)
		fail("a used buffer that never was available", elem->id);
	*len = elem->len;
	return elem->id;
}

static void add_receive_buffer(struct queue *q, u16 i)
{
	q->desc[i] = (struct vring_desc){
		.addr = phys(buffers[q->index][i]),
		.len = BUFFER_SIZE,
		.flags = VRING_DESC_F_WRITE,
	};
	publish(q, i);
}

static struct vring_desc part(const void *data, u32 len, u32 i, u32 parts)
{
	u32 size = len / parts;

	return (struct vring_desc){
		.addr = phys(data) + i * size,
		.len = i + 1 < parts ? size : len - i * size,
		.flags = i + 1 < parts ? VRING_DESC_F_NEXT : 0,
		.next = i + 1,
	};
}

/* Send a buffer and wait until the device has taken it. */
static void send(struct queue *q, const void *data, u32 len, u32 parts)
{
	struct vring_desc *table = accepted & F_INDIRECT ? indirect : q->desc;
	u32 i, used_len;

	if (!parts || parts > QUEUE_SIZE)
		fail("too many parts", parts);
	for (i = 0; i < parts; i++)
		table[i] = part(data, len, i, parts);
	if (accepted & F_INDIRECT)
		q->desc[0] = (struct vring_desc){
			.addr = phys(indirect),
			.len = parts * sizeof(indirect[0]),
			.flags = VRING_DESC_F_INDIRECT,
		};
	publish(q, 0);
	if (get_used(q, &used_len))
		fail("not the buffer that was sent", q->index);
	/* 2.7.8: the device has written nothing. */
	if (used_len)
		fail("the device has written to a readable buffer", used_len);
}

void console_send(const void *data, u32 len, u32 parts)
{
	send(&queues[TX], data, len, parts);
}

void console_send_gpa(u16 i, u64 gpa, u32 len)
{
	queues[TX].desc[i] = (struct vring_desc){ .addr = gpa, .len = len };
	publish(&queues[TX], i);
}

void console_receive(void *data, u32 len)
{
	u8 *to = data;
	u32 n;

	while (len) {
		if (rx.at == rx.len) {
			rx.head = get_used(&queues[RX], &rx.len);
			rx.at = 0;
			if (!rx.len || rx.len > BUFFER_SIZE)
				fail("a received buffer has an impossible length", rx.len);
		}
		n = rx.len - rx.at;
		if (n > len)
			n = len;
		memcpy(to, &buffers[RX][rx.head][rx.at], n);
		to += n;
		len -= n;
		rx.at += n;
		if (rx.at == rx.len)
			add_receive_buffer(&queues[RX], rx.head);
	}
}

static void control(u32 id, u16 event, u16 value)
{
	struct virtio_console_control msg = { .id = id, .event = event, .value = value };

	send(&queues[CONTROL_TX], &msg, sizeof(msg), 1);
}

/* Of the other ports nobody wants to know more than that they are there. */
static void expect_control(u16 event)
{
	struct virtio_console_control msg;
	u32 len;
	u16 head;

	do {
		head = get_used(&queues[CONTROL_RX], &len);
		memcpy(&msg, buffers[CONTROL_RX][head], sizeof(msg));
		add_receive_buffer(&queues[CONTROL_RX], head);
	} while (msg.id && msg.event == VIRTIO_CONSOLE_PORT_ADD);
	if (len < sizeof(msg) || msg.event != event || msg.id || msg.value != 1)
		fail("another control message than was expected", msg.event);
}

void console_set_open(bool open)
{
	control(0, VIRTIO_CONSOLE_PORT_OPEN, open);
}

/* 5.3.5: the device adds its port when the driver is ready, and opens it. */
static void open_port(void)
{
	control(0xffffffff, VIRTIO_CONSOLE_DEVICE_READY, 1);
	expect_control(VIRTIO_CONSOLE_PORT_ADD);
	control(0, VIRTIO_CONSOLE_PORT_READY, 1);
	expect_control(VIRTIO_CONSOLE_PORT_OPEN);
	expect_control(VIRTIO_CONSOLE_PORT_NAME);
	console_set_open(true);
}

static void negotiate(void)
{
	accepted = console_offered() & console_features;
	if (!(accepted & F_VERSION_1) || !(accepted & F_MULTIPORT))
		fail("the console does not offer what it needs", console_offered());
	console_set_register(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	console_set_register(VIRTIO_MMIO_DRIVER_FEATURES, accepted);
	console_set_register(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	console_set_register(VIRTIO_MMIO_DRIVER_FEATURES, accepted >> 32);
	add_status(VIRTIO_CONFIG_S_FEATURES_OK);
}

static void route_interrupt(void)
{
	console_irqs = option("irqs", 0);
	handlers[VECTOR_CONSOLE] = console_interrupt;
	ioapic_write(IOAPIC_REG_REDIR(GSI) + 1, ioapic_dest(apic_id()));
	ioapic_write(IOAPIC_REG_REDIR(GSI), VECTOR_CONSOLE);
}

void console_start(void)
{
	unsigned int i;

	if (console_register(VIRTIO_MMIO_DEVICE_ID) != VIRTIO_ID_CONSOLE)
		fail("no virtio console", console_register(VIRTIO_MMIO_DEVICE_ID));
	route_interrupt();
	console_set_register(VIRTIO_MMIO_STATUS, 0);
	while (console_register(VIRTIO_MMIO_STATUS))
		cpu_relax();
	rx.at = 0;
	rx.len = 0;
	add_status(VIRTIO_CONFIG_S_ACKNOWLEDGE);
	add_status(VIRTIO_CONFIG_S_DRIVER);
	negotiate();
	for (i = 0; i < NR_QUEUES; i++)
		queue_init(i);
	add_status(VIRTIO_CONFIG_S_DRIVER_OK);
	for (i = 0; i < QUEUE_SIZE; i++) {
		add_receive_buffer(&queues[RX], i);
		add_receive_buffer(&queues[CONTROL_RX], i);
	}
	open_port();
	started = true;
}

void report(enum report_kind kind, const void *entries, u32 count, u32 size)
{
	const struct report header = {
		.magic = REPORT_MAGIC,
		.kind = kind,
		.count = count,
		.size = size,
	};

	if (!started)
		console_start();
	console_send(&header, sizeof(header), 1);
	if (count)
		console_send(entries, count * size, 1);
}
