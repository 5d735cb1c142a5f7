// SPDX-License-Identifier: GPL-2.0
#include <endian.h>
#include <errno.h>
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "kvm_caps.h"
#include "virtio_net.h"

/* 5.1.2 */
enum {
	QUEUE_RX,
	QUEUE_TX,
	NR_QUEUES,
};

#define QUEUE_SIZE	256
#define HDR_SIZE	NET_HDR_SIZE
#define MAX_STEPS	512	/* of one virtio_net_process() */
#define MAX_RATE	1000000

/*
 * A source that was held up sends at most so many frames at once, as the queue
 * of a switch would; those before are lost.
 */
#define MAX_BURST	64

static struct virtq *queue(struct virtio_net *dev, unsigned int i)
{
	return &dev->dev.queues[i];
}

static void net_reset(struct virtio_mmio *mmio)
{
	struct virtio_net *dev = container_of(mmio, struct virtio_net, dev);

	dev->rx_held = false;
	dev->start_ns = 0;
	dev->next = 0;
}

/* Have a buffer of the guest's. Return: false if it has given none. */
static bool hold_rx(struct virtio_net *dev)
{
	struct virtq *vq = queue(dev, QUEUE_RX);

	if (!dev->rx_held || !virtq_chain_valid(vq, &dev->rx))
		dev->rx_held = virtq_pop(vq, &dev->rx);
	return dev->rx_held;
}

/* Send the frame in @dev->frame, of @len bytes with virtio's header. */
static void deliver(struct virtio_net *dev, size_t len)
{
	const struct virtio_net_hdr_v1 header = { .num_buffers = 1 };

	_Static_assert(sizeof(header) == HDR_SIZE, "virtio 1.2, 5.1.6");
	memcpy(dev->frame, &header, sizeof(header));
	/* 5.1.6.3.1: without offloads no frame is longer than such a buffer. */
	if (virtq_chain_fill(&dev->rx, 0, dev->frame, len) < len) {
		virtio_mmio_break(&dev->dev, "a receive buffer is too small for a frame");
		return;
	}
	virtq_push(queue(dev, QUEUE_RX), &dev->rx, len);
	dev->rx_held = false;
	dev->stats.to_guest++;
}

static void exchange_addresses(u8 *frame)
{
	struct ethhdr *eth = (struct ethhdr *)frame;
	u8 mac[ETH_ALEN];

	memcpy(mac, eth->h_dest, ETH_ALEN);
	memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	memcpy(eth->h_source, mac, ETH_ALEN);
}

/* Return: bytes of the frame with virtio's header, or 0 if it is none. */
static size_t take_frame(struct virtio_net *dev, const struct virtq_chain *chain)
{
	size_t len = virtq_chain_copy(chain, 0, dev->frame, sizeof(dev->frame));
	u8 more;

	if (len >= HDR_SIZE + ETH_HLEN && !virtq_chain_copy(chain, len, &more, 1)) {
		dev->stats.from_guest++;
		return len;
	}
	dev->stats.bad++;
	return 0;
}

/* Take a frame from the guest. Return: false if there is none, or no way for it. */
static bool receive(struct virtio_net *dev)
{
	bool echo = dev->net.peer == NET_PEER_ECHO;
	struct virtq *vq = queue(dev, QUEUE_TX);
	struct virtq_chain chain;
	size_t len;

	if (echo && !hold_rx(dev))
		return false;
	if (!virtq_pop(vq, &chain))
		return false;
	len = take_frame(dev, &chain);
	virtq_push(vq, &chain, 0);
	if (echo && len) {
		exchange_addresses(dev->frame + HDR_SIZE);
		deliver(dev, len);
	}
	return true;
}

static u64 frame_due_ns(const struct virtio_net *dev, u64 number)
{
	u64 rate = dev->net.frames_per_sec;

	/* in two parts, so that it is exact and does not overflow */
	return dev->start_ns + number / rate * NSEC_PER_SEC +
	       DIV_ROUND_UP(number % rate * NSEC_PER_SEC, rate);
}

/* How many frames should have been sent by now? */
static u64 frames_due(const struct virtio_net *dev, u64 now)
{
	u64 rate = dev->net.frames_per_sec, ns = now - dev->start_ns;

	return ns / NSEC_PER_SEC * rate + ns % NSEC_PER_SEC * rate / NSEC_PER_SEC + 1;
}

static void make_frame(struct virtio_net *dev)
{
	struct ethhdr *eth = (struct ethhdr *)(dev->frame + HDR_SIZE);
	u64 number = htole64(dev->next);

	memset(dev->frame, 0, HDR_SIZE + dev->net.frame_size);
	virtio_net_mac(eth->h_dest, false, dev->net.guest);
	virtio_net_mac(eth->h_source, true, dev->net.guest);
	eth->h_proto = htobe16(NET_ETHERTYPE);
	memcpy(eth + 1, &number, sizeof(number));
}

/* Send the source's next frame, if it is due. Return: false if it is not. */
static bool send_next(struct virtio_net *dev)
{
	u64 now = clock_ns(), due = frames_due(dev, now);

	if (dev->next >= due)
		return false;
	if (due - dev->next > MAX_BURST) {
		dev->stats.lost += due - dev->next - MAX_BURST;
		dev->next = due - MAX_BURST;
	}
	if (hold_rx(dev)) {
		make_frame(dev);
		deliver(dev, HDR_SIZE + dev->net.frame_size);
		dev->stats.late_ns = max(dev->stats.late_ns, now - frame_due_ns(dev, dev->next));
	} else {
		dev->stats.lost++;
	}
	dev->next++;
	return true;
}

static void set_timer(struct virtio_net *dev)
{
	u64 due = frame_due_ns(dev, dev->next);
	struct itimerspec when = {
		.it_value.tv_sec = due / NSEC_PER_SEC,
		.it_value.tv_nsec = due % NSEC_PER_SEC,
	};

	timerfd_settime(dev->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Return: false if there was nothing to do. */
static bool source_step(struct virtio_net *dev)
{
	if (dev->net.peer != NET_PEER_SOURCE)
		return false;
	if (!dev->start_ns) {
		if (!hold_rx(dev))
			return false;
		dev->start_ns = clock_ns();
	}
	return send_next(dev);
}

void virtio_net_process(struct virtio_net *dev)
{
	bool progress = true;
	eventfd_t count;
	unsigned int i;
	u64 expired;

	eventfd_read(dev->dev.notify_fd, &count);
	if (read(dev->timer_fd, &expired, sizeof(expired)) < 0)
		expired = 0;
	pthread_mutex_lock(&dev->dev.lock);
	for (i = 0; i < MAX_STEPS && progress; i++) {
		progress = receive(dev);
		progress = source_step(dev) || progress;
	}
	virtq_kick(queue(dev, QUEUE_TX));
	virtq_kick(queue(dev, QUEUE_RX));
	if (dev->start_ns)
		set_timer(dev);
	pthread_mutex_unlock(&dev->dev.lock);
	if (progress)
		eventfd_write(dev->dev.notify_fd, 1);
}

struct net_stats virtio_net_stats(struct virtio_net *dev)
{
	struct net_stats stats;

	pthread_mutex_lock(&dev->dev.lock);
	stats = dev->stats;
	pthread_mutex_unlock(&dev->dev.lock);
	return stats;
}

void virtio_net_mac(u8 mac[ETH_ALEN], bool peer, u32 guest)
{
	u32 number = htobe32(guest);

	/* IEEE 802, 8.4: bit 1 of the first byte is local, bit 0 is group */
	mac[0] = peer ? 0x06 : 0x02;
	mac[1] = 0x4b;
	memcpy(mac + 2, &number, sizeof(number));
}

static int check_config(const struct net_config *net, struct errmsg *err)
{
	if (net->peer != NET_PEER_SOURCE)
		return 0;
	if (!net->frames_per_sec || net->frames_per_sec > MAX_RATE)
		return errmsg_set(err, ERRMSG_INPUT, EINVAL,
				  "a network source of %llu frames per second: 1 to %u are possible",
				  (unsigned long long)net->frames_per_sec, MAX_RATE);
	if (net->frame_size < NET_MIN_FRAME || net->frame_size > ETH_FRAME_LEN)
		return errmsg_set(err, ERRMSG_INPUT, EINVAL,
				  "a network source of frames of %u bytes: %zu to %u are possible",
				  net->frame_size, NET_MIN_FRAME, ETH_FRAME_LEN);
	return 0;
}

int virtio_net_init(struct virtio_net *dev, const struct net_config *cfg,
		    const struct numa_mem *mem, void (*irq)(void *ctx), void *irq_ctx,
		    struct errmsg *err)
{
	int ret;

	memset(dev, 0, sizeof(*dev));
	dev->net = *cfg;
	ret = check_config(cfg, err);
	if (ret)
		return ret;
	dev->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (dev->timer_fd < 0)
		return errmsg_set(err, kvm_errno_kind(errno), errno,
				  "a timer for the network card");
	virtio_net_mac(dev->mac, false, cfg->guest);
	dev->ops = (struct virtio_dev_ops){
		.device_id = VIRTIO_ID_NET,
		.nr_queues = NR_QUEUES,
		.queue_size = QUEUE_SIZE,
		.features = BIT_ULL(VIRTIO_NET_F_MAC),
		/* 5.1.4: the MAC comes first; the rest is of features not offered. */
		.config = dev->mac,
		.config_size = sizeof(dev->mac),
		.reset = net_reset,
	};
	ret = virtio_mmio_init(&dev->dev, &dev->ops, mem, irq, irq_ctx, err);
	if (ret)
		close(dev->timer_fd);
	return ret;
}

void virtio_net_destroy(struct virtio_net *dev)
{
	virtio_mmio_destroy(&dev->dev);
	close(dev->timer_fd);
}
