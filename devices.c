// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/kernel.h>
#include <linux/kvm.h>
#include <linux/sizes.h>
#include <linux/virtio_mmio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"
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

/* The line is edge-triggered, as ISA's are: only the rising edge counts. */
static void uart_irq(void *ctx, bool level)
{
	struct devices *dev = ctx;

	if (level)
		raise_event(dev->uart_irqfd);
}

static const struct uart_ops uart_ops = {
	.tx = uart_tx,
	.irq = uart_irq,
};

static void console_irq(void *ctx)
{
	struct devices *dev = ctx;

	raise_event(dev->console_irqfd);
}

/* Return: whether @len more bytes fit */
static bool channel_grow(struct channel *channel, size_t len)
{
	size_t room = channel->room ?: SZ_64K;
	char *data;

	while (room - channel->len < len)
		room *= 2;
	if (room == channel->room)
		return true;
	if (room > CHANNEL_SIZE)
		return false;
	data = realloc(channel->data, room);
	if (!data)
		return false;
	channel->data = data;
	channel->room = room;
	return true;
}

static void console_data(void *ctx, const void *data, size_t len)
{
	struct devices *dev = ctx;
	struct channel *channel = &dev->channel;

	pthread_mutex_lock(&channel->lock);
	if (!channel->overflow && len <= CHANNEL_SIZE && channel_grow(channel, len)) {
		memcpy(channel->data + channel->len, data, len);
		channel->len += len;
	} else {
		channel->overflow = true;
	}
	pthread_cond_signal(&channel->changed);
	pthread_mutex_unlock(&channel->lock);
}

/* An agent that is gone is noticed by its silence, or by the kernel's panic. */
static void console_open(void *ctx __maybe_unused, bool open __maybe_unused)
{
}

static const struct virtio_console_ops console_ops = {
	.irq = console_irq,
	.data = console_data,
	.open = console_open,
};

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

static void channel_init(struct channel *channel)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&channel->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&channel->changed, &attr);
	pthread_condattr_destroy(&attr);
}

int devices_create(struct devices *dev, int vm_fd, const struct numa_mem *mem,
		   const struct devices_ops *ops, void *ctx, struct errmsg *err)
{
	int ret;

	memset(dev, 0, offsetof(struct devices, log));
	dev->log.len = 0;
	memset(&dev->channel, 0, sizeof(dev->channel));
	dev->io_started = false;
	dev->ops = ops;
	dev->ctx = ctx;
	dev->vm_fd = vm_fd;

	ret = make_eventfd(&dev->uart_irqfd, err);
	if (ret)
		return ret;
	ret = make_eventfd(&dev->console_irqfd, err);
	if (ret)
		goto close_uart;
	ret = make_eventfd(&dev->io_stop, err);
	if (ret)
		goto close_console;
	ret = virtio_console_init(&dev->console, mem, &console_ops, dev, err);
	if (ret)
		goto close_stop;
	ret = connect_irqfd(vm_fd, dev->uart_irqfd, PORT_COM1_GSI, err) ?:
	      connect_irqfd(vm_fd, dev->console_irqfd, MAP_VIRTIO_GSI(VIRTIO_SLOT_CONSOLE), err) ?:
	      connect_notify(vm_fd, dev->console.dev.notify_fd,
			     MAP_VIRTIO(VIRTIO_SLOT_CONSOLE), err);
	if (ret)
		goto destroy_console;

	pthread_mutex_init(&dev->uart_lock, NULL);
	pthread_mutex_init(&dev->log.lock, NULL);
	channel_init(&dev->channel);
	ioapic_routing_init(&dev->ioapic, &ioapic_ops, dev);
	uart_init(&dev->uart, &uart_ops, dev);
	return 0;

destroy_console:
	virtio_console_destroy(&dev->console);
close_stop:
	close(dev->io_stop);
close_console:
	close(dev->console_irqfd);
close_uart:
	close(dev->uart_irqfd);
	return ret;
}

void devices_destroy(struct devices *dev)
{
	ioapic_routing_destroy(&dev->ioapic);
	pthread_cond_destroy(&dev->channel.changed);
	pthread_mutex_destroy(&dev->channel.lock);
	pthread_mutex_destroy(&dev->log.lock);
	pthread_mutex_destroy(&dev->uart_lock);
	free(dev->channel.data);
	virtio_console_destroy(&dev->console);
	close(dev->io_stop);
	close(dev->console_irqfd);
	close(dev->uart_irqfd);
}

static void channel_end(struct channel *channel)
{
	pthread_mutex_lock(&channel->lock);
	channel->ended = true;
	pthread_cond_broadcast(&channel->changed);
	pthread_mutex_unlock(&channel->lock);
}

static void *io_thread(void *arg)
{
	struct devices *dev = arg;
	struct pollfd fds[] = {
		{ .fd = dev->io_stop, .events = POLLIN },
		{ .fd = dev->console.dev.notify_fd, .events = POLLIN },
	};

	while (!fds[0].revents) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		if (fds[1].revents)
			virtio_console_process(&dev->console);
	}
	/* What the guest had sent before it ended counts. */
	virtio_console_process(&dev->console);
	channel_end(&dev->channel);
	return NULL;
}

int devices_start(struct devices *dev, struct errmsg *err)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&dev->io_thread, NULL, io_thread, dev);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret)
		return errmsg_set(err, kvm_errno_kind(ret), ret,
				  "starting the I/O thread (see ulimit -u)");
	dev->io_started = true;
	return 0;
}

void devices_finish(struct devices *dev)
{
	raise_event(dev->io_stop);
}

void devices_stop(struct devices *dev)
{
	if (dev->io_started) {
		devices_finish(dev);
		pthread_join(dev->io_thread, NULL);
		dev->io_started = false;
	}
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

void devices_mmio(struct devices *dev, u64 addr, bool write, void *data, u32 len)
{
	u64 offset = addr - MAP_VIRTIO(VIRTIO_SLOT_CONSOLE);

	/* KVM keeps this to itself, unless the irqchip is split. */
	if (addr - MAP_IOAPIC < IOAPIC_MMIO_SIZE)
		ioapic_routing_mmio(&dev->ioapic, addr - MAP_IOAPIC, write, data, len);
	else if (offset < MAP_VIRTIO_SIZE && write)
		virtio_mmio_write(&dev->console.dev, offset, data, len);
	else if (offset < MAP_VIRTIO_SIZE)
		virtio_mmio_read(&dev->console.dev, offset, data, len);
	else if (!write)
		memset(data, 0xff, len);
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
	const char *why = virtio_mmio_broken(&dev->console.dev);

	snprintf(text, size, "%s%s", why ? "console: " : "", why ?: "");
}

ssize_t devices_recv(struct devices *dev, void *data, size_t len, u64 timeout_ns)
{
	struct channel *channel = &dev->channel;
	struct timespec until = clock_deadline(timeout_ns);
	ssize_t ret = 0;

	pthread_mutex_lock(&channel->lock);
	while (!channel->len && !channel->ended && !channel->overflow && !ret)
		ret = -pthread_cond_timedwait(&channel->changed, &channel->lock, &until);
	if (channel->len) {
		ret = min(len, channel->len);
		memcpy(data, channel->data, ret);
		channel->len -= ret;
		memmove(channel->data, channel->data + ret, channel->len);
	} else if (channel->overflow) {
		ret = -EOVERFLOW;
	} else if (channel->ended) {
		ret = 0;
	}
	pthread_mutex_unlock(&channel->lock);
	return ret;
}
