// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/kvm.h>
#include <linux/sizes.h>
#include <linux/virtio_mmio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "devices.h"
#include "kvm_caps.h"
#include "memory_map.h"

static void raise_event(int fd)
{
	const u64 one = 1;
	ssize_t n;

	/* An eventfd only refuses when its counter is full: it is raised then. */
	n = write(fd, &one, sizeof(one));
	(void)n;
}

/* Drop the oldest half, and the line that this tears if it is not too long. */
static void log_make_room(struct console_log *log)
{
	size_t drop = log->len / 2;
	char *cut = memchr(log->text + drop, '\n', drop / 2);

	if (cut)
		drop = cut + 1 - log->text;
	log->len -= drop;
	memmove(log->text, log->text + drop, log->len);
}

static void uart_tx(void *ctx, u8 byte)
{
	struct devices *dev = ctx;
	struct console_log *log = &dev->log;
	bool text;

	pthread_mutex_lock(&log->lock);
	if (log->len == CONSOLE_LOG_SIZE)
		log_make_room(log);
	/* Text for people: what a terminal would obey is made harmless. */
	text = byte == '\n' || byte == '\t' || (byte >= ' ' && byte < 0x7f);
	if (byte != '\r')
		log->text[log->len++] = text ? byte : '?';
	pthread_mutex_unlock(&log->lock);
}

/*
 * The line of an ISA device is edge-triggered: to KVM's IOAPIC only the rising edge
 * is told. Ours gets the line as it is.
 */
static void uart_irq(void *ctx, bool level)
{
	struct devices *dev = ctx;

	if (dev->uart_irqfd < 0)
		ioapic_routing_set_pin(&dev->ioapic, PORT_COM1_GSI, level);
	else if (level)
		raise_event(dev->uart_irqfd);
}

static const struct uart_ops uart_ops = {
	.tx = uart_tx,
	.irq = uart_irq,
};

static void slot_irq(void *ctx)
{
	const struct virtio_slot *slot = ctx;

	raise_event(slot->irqfd);
}

static void console_irq(void *ctx)
{
	struct devices *dev = ctx;

	slot_irq(&dev->slots[VIRTIO_SLOT_CONSOLE]);
}

static size_t console_data(void *ctx, enum console_port_id port, const void *data, size_t len)
{
	struct devices *dev = ctx;

	return channel_write(&dev->channels[port], data, len);
}

/* An agent that is gone is noticed by its silence, or by the kernel's panic. */
static void console_open(void *ctx, enum console_port_id port, bool open)
{
	struct devices *dev = ctx;

	if (port == CONSOLE_PORT_BULK && !open)
		channel_close(&dev->channels[port]);
}

static const struct virtio_console_ops console_ops = {
	.irq = console_irq,
	.data = console_data,
	.open = console_open,
};

/* Without a thread of its own, the console works in those of its readers. */
static void console_resume(void *ctx)
{
	struct devices *dev = ctx;

	virtio_console_resume(&dev->console);
	pthread_mutex_lock(&dev->drain_lock);
	if (dev->stopped)
		virtio_console_drain(&dev->console);
	pthread_mutex_unlock(&dev->drain_lock);
}

static void end_channels(struct devices *dev)
{
	unsigned int i;

	for (i = 0; i < CONSOLE_NR_PORTS; i++)
		channel_end(&dev->channels[i]);
}

static void console_process(void *ctx)
{
	struct devices *dev = ctx;
	/* Asked before looking: what the guest had sent before it ended counts. */
	bool finishing = __atomic_load_n(&dev->finishing, __ATOMIC_ACQUIRE);

	if (!virtio_console_process(&dev->console) && finishing)
		end_channels(dev);
}

static void blk_process(void *ctx)
{
	virtio_blk_process(ctx);
}

static void net_process(void *ctx)
{
	virtio_net_process(ctx);
}

static int ioapic_install(void *ctx, const struct kvm_irq_routing *routes)
{
	const struct devices *dev = ctx;

	return ioctl(dev->vm_fd, KVM_SET_GSI_ROUTING, routes);
}

static void ioapic_send(void *ctx, const struct kvm_irq_routing_msi *route)
{
	const struct devices *dev = ctx;
	struct kvm_msi msi = {
		.address_lo = route->address_lo,
		.address_hi = route->address_hi,
		.data = route->data,
	};

	ioctl(dev->vm_fd, KVM_SIGNAL_MSI, &msi);
}

static const struct ioapic_ops ioapic_ops = {
	.install = ioapic_install,
	.send = ioapic_send,
};

static int connect_irqfd(int vm_fd, int fd, u32 gsi, struct errmsg *err)
{
	struct kvm_irqfd irqfd = { .fd = fd, .gsi = gsi };

	if (ioctl(vm_fd, KVM_IRQFD, &irqfd))
		return errmsg_set(err, kvm_errno_kind(errno), errno, "KVM_IRQFD for GSI %u", gsi);
	return 0;
}

static int connect_notify(int vm_fd, int fd, u64 base, struct errmsg *err)
{
	struct kvm_ioeventfd event = {
		.addr = base + VIRTIO_MMIO_QUEUE_NOTIFY,
		.len = sizeof(u32),
		.fd = fd,
	};

	if (ioctl(vm_fd, KVM_IOEVENTFD, &event))
		return errmsg_set(err, kvm_errno_kind(errno), errno,
				  "KVM_IOEVENTFD at %#llx", event.addr);
	return 0;
}

static int make_eventfd(int *fd, struct errmsg *err)
{
	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (*fd < 0)
		return errmsg_set(err, kvm_errno_kind(errno), errno,
				  "making an eventfd (see ulimit -n)");
	return 0;
}

/* A device that exists gets its place. */
static int slot_connect(struct devices *dev, enum virtio_slot_id id, struct virtio_mmio *mmio,
			void (*process)(void *ctx), void *ctx, struct errmsg *err)
{
	struct virtio_slot *slot = &dev->slots[id];

	*slot = (struct virtio_slot){
		.dev = mmio, .irqfd = -1, .timer_fd = -1, .stop_fd = dev->io_stop,
		.process = process, .ctx = ctx,
	};
	return make_eventfd(&slot->irqfd, err) ?:
	       connect_irqfd(dev->vm_fd, slot->irqfd, MAP_VIRTIO_GSI(id), err) ?:
	       connect_notify(dev->vm_fd, mmio->notify_fd, MAP_VIRTIO(id), err);
}

static int connect_uart(struct devices *dev, bool split, struct errmsg *err)
{
	if (split)
		return 0;
	return make_eventfd(&dev->uart_irqfd, err) ?:
	       connect_irqfd(dev->vm_fd, dev->uart_irqfd, PORT_COM1_GSI, err);
}

static int create_console(struct devices *dev, const struct numa_mem *mem, struct errmsg *err)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < CONSOLE_NR_PORTS && !ret; i++)
		ret = channel_init(&dev->channels[i], CHANNEL_SIZE, console_resume, dev, err);
	return ret ?: virtio_console_init(&dev->console, mem, &console_ops, dev, err) ?:
	       slot_connect(dev, VIRTIO_SLOT_CONSOLE, &dev->console.dev, console_process, dev, err);
}

static int create_blk(struct devices *dev, const struct devices_config *cfg, struct errmsg *err)
{
	struct virtio_slot *slot = &dev->slots[VIRTIO_SLOT_BLK];
	int ret;

	if (!cfg->disk)
		return 0;
	ret = virtio_blk_init(&dev->blk, cfg->disk, cfg->mem, slot_irq, slot, err) ?:
	      slot_connect(dev, VIRTIO_SLOT_BLK, &dev->blk.dev, blk_process, &dev->blk, err);
	if (!ret)
		slot->timer_fd = dev->blk.timer_fd;
	return ret;
}

static int create_net(struct devices *dev, const struct devices_config *cfg, struct errmsg *err)
{
	struct virtio_slot *slot = &dev->slots[VIRTIO_SLOT_NET];
	int ret;

	if (!cfg->net)
		return 0;
	ret = virtio_net_init(&dev->net, cfg->net, cfg->mem, slot_irq, slot, err) ?:
	      slot_connect(dev, VIRTIO_SLOT_NET, &dev->net.dev, net_process, &dev->net, err);
	if (!ret)
		slot->timer_fd = dev->net.timer_fd;
	return ret;
}

int devices_create(struct devices *dev, int vm_fd, const struct devices_config *cfg,
		   const struct devices_ops *ops, void *ctx, struct errmsg *err)
{
	int ret;

	memset(dev, 0, offsetof(struct devices, log));
	dev->log.len = 0;
	dev->ops = ops;
	dev->ctx = ctx;
	dev->vm_fd = vm_fd;
	dev->uart_irqfd = -1;
	dev->io_stop = -1;
	pthread_mutex_init(&dev->uart_lock, NULL);
	pthread_mutex_init(&dev->log.lock, NULL);
	pthread_mutex_init(&dev->drain_lock, NULL);
	ioapic_routing_init(&dev->ioapic, &ioapic_ops, dev);
	uart_init(&dev->uart, &uart_ops, dev);

	ret = connect_uart(dev, cfg->split_irqchip, err) ?:
	      make_eventfd(&dev->io_stop, err) ?:
	      create_console(dev, cfg->mem, err) ?:
	      create_blk(dev, cfg, err) ?:
	      create_net(dev, cfg, err);
	if (ret)
		devices_destroy(dev);
	return ret;
}

u32 devices_slots(const struct devices *dev)
{
	u32 slots = 0;
	unsigned int i;

	for (i = 0; i < VIRTIO_NR_SLOTS; i++)
		slots |= dev->slots[i].dev ? BIT(i) : 0;
	return slots;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Of devices that were not all made, too: what was not is still all zero. */
void devices_destroy(struct devices *dev)
{
	unsigned int i;

	if (dev->slots[VIRTIO_SLOT_NET].dev)
		virtio_net_destroy(&dev->net);
	if (dev->slots[VIRTIO_SLOT_BLK].dev)
		virtio_blk_destroy(&dev->blk);
	if (dev->slots[VIRTIO_SLOT_CONSOLE].dev)
		virtio_console_destroy(&dev->console);
	for (i = 0; i < VIRTIO_NR_SLOTS; i++) {
		if (dev->slots[i].dev)
			close_if_open(dev->slots[i].irqfd);
	}
	for (i = 0; i < CONSOLE_NR_PORTS; i++)
		channel_destroy(&dev->channels[i]);
	ioapic_routing_destroy(&dev->ioapic);
	pthread_mutex_destroy(&dev->drain_lock);
	pthread_mutex_destroy(&dev->log.lock);
	pthread_mutex_destroy(&dev->uart_lock);
	close_if_open(dev->io_stop);
	close_if_open(dev->uart_irqfd);
}

static void *slot_thread(void *arg)
{
	struct virtio_slot *slot = arg;
	struct pollfd fds[] = {
		{ .fd = slot->stop_fd, .events = POLLIN },
		{ .fd = slot->dev->notify_fd, .events = POLLIN },
		{ .fd = slot->timer_fd, .events = POLLIN },
	};

	while (!fds[0].revents) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		slot->process(slot->ctx);
	}
	return NULL;
}

int devices_start(struct devices *dev, struct errmsg *err)
{
	sigset_t all, old;
	unsigned int i;
	int ret = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (i = 0; i < VIRTIO_NR_SLOTS && !ret; i++) {
		struct virtio_slot *slot = &dev->slots[i];

		if (!slot->dev)
			continue;
		ret = pthread_create(&slot->thread, NULL, slot_thread, slot);
		slot->started = !ret;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret)
		return errmsg_set(err, kvm_errno_kind(ret), ret,
				  "starting the I/O thread of a device (see ulimit -u)");
	return 0;
}

void devices_finish(struct devices *dev)
{
	__atomic_store_n(&dev->finishing, true, __ATOMIC_RELEASE);
	virtio_console_resume(&dev->console);
}

void devices_stop(struct devices *dev)
{
	unsigned int i;

	raise_event(dev->io_stop);
	for (i = 0; i < VIRTIO_NR_SLOTS; i++) {
		struct virtio_slot *slot = &dev->slots[i];

		if (slot->started)
			pthread_join(slot->thread, NULL);
		slot->started = false;
	}
	pthread_mutex_lock(&dev->drain_lock);
	dev->stopped = true;
	virtio_console_drain(&dev->console);
	pthread_mutex_unlock(&dev->drain_lock);
	end_channels(dev);
	dev->log.text[dev->log.len] = '\0';
}

static void port_write(struct devices *dev, u16 port, u8 val)
{
	if (port == PORT_I8042_CMD && val == I8042_RESET)
		dev->ops->power(dev->ctx, POWER_RESET);
	else if (port == PORT_RESET && (val & RESET_HARD) == RESET_HARD)
		dev->ops->power(dev->ctx, POWER_RESET);
	else if (port == PORT_ACPI_SLEEP &&
		 val == (ACPI_SLEEP_EN | ACPI_SLEEP_S5 << ACPI_SLEEP_TYP_SHIFT))
		dev->ops->power(dev->ctx, POWER_OFF);
}

static u8 port_read(u16 port)
{
	/* An i8042 that is never busy, so that nobody waits before a reset */
	if (port == PORT_I8042_CMD || port == PORT_ACPI_SLEEP || port == PORT_ACPI_SLEEP_STATUS)
		return 0;
	return 0xff;
}

void devices_pio(struct devices *dev, u16 port, bool write, void *data, u8 size)
{
	u8 *byte = data;

	if (port - PORT_COM1 >= 0 && port - PORT_COM1 < PORT_COM1_SIZE && size == 1) {
		pthread_mutex_lock(&dev->uart_lock);
		if (write)
			uart_write(&dev->uart, port - PORT_COM1, *byte);
		else
			*byte = uart_read(&dev->uart, port - PORT_COM1);
		pthread_mutex_unlock(&dev->uart_lock);
		return;
	}
	if (write) {
		port_write(dev, port, *byte);
		return;
	}
	/* An ISA bus without a device floats high. */
	memset(data, 0xff, size);
	*byte = port_read(port);
}

/* Where there is no device, writes get lost and all lines float high. */
static void float_bus(bool write, void *data, u32 len)
{
	if (!write)
		memset(data, 0xff, len);
}

void devices_mmio(struct devices *dev, u64 addr, bool write, void *data, u32 len)
{
	u64 offset = addr - MAP_VIRTIO(0), slot = offset / MAP_VIRTIO_SIZE;

	/* KVM keeps this to itself, unless the irqchip is split. */
	if (addr - MAP_IOAPIC < IOAPIC_MMIO_SIZE)
		ioapic_routing_mmio(&dev->ioapic, addr - MAP_IOAPIC, write, data, len);
	else if (slot >= VIRTIO_NR_SLOTS || !dev->slots[slot].dev)
		float_bus(write, data, len);
	else if (write)
		virtio_mmio_write(dev->slots[slot].dev, offset % MAP_VIRTIO_SIZE, data, len);
	else
		virtio_mmio_read(dev->slots[slot].dev, offset % MAP_VIRTIO_SIZE, data, len);
}

void devices_eoi(struct devices *dev, u8 vector)
{
	ioapic_routing_eoi(&dev->ioapic, vector);
}

u64 devices_irq_failures(struct devices *dev)
{
	return ioapic_routing_failures(&dev->ioapic);
}

void devices_broken(struct devices *dev, char *text, size_t size)
{
	static const char * const names[VIRTIO_NR_SLOTS] = {
		[VIRTIO_SLOT_CONSOLE] = "console",
		[VIRTIO_SLOT_BLK] = "disk",
		[VIRTIO_SLOT_NET] = "network card",
	};
	const char *why;
	size_t i;

	text[0] = '\0';
	for (i = 0; i < VIRTIO_NR_SLOTS; i++) {
		if (!dev->slots[i].dev)
			continue;
		why = virtio_mmio_broken(dev->slots[i].dev);
		if (why) {
			snprintf(text, size, "%s: %s", names[i], why);
			return;
		}
	}
}

ssize_t devices_recv(struct devices *dev, enum console_port_id port, void *data, size_t len,
		     u64 timeout_ns)
{
	return channel_read(&dev->channels[port], data, len, timeout_ns);
}
