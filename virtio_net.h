/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A network card whose only peer is the monitor: it throws away what the guest
 * sends, sends it back, or sends frames of its own at a set rate (virtio 1.2,
 * section 5.1). What the guest has is interrupts without a network.
 */
#ifndef KTSTR_VIRTIO_NET_H
#define KTSTR_VIRTIO_NET_H

#include <linux/if_ether.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "errmsg.h"
#include "numa_mem.h"
#include "virtio_mmio.h"

/* Of the peer's own frames (IEEE 802: for local experiments) */
#define NET_ETHERTYPE		0x88b5

/* What virtio puts before a frame (5.1.6) */
#define NET_HDR_SIZE		12

/* A frame's header, with a sequence number behind it */
#define NET_MIN_FRAME		(ETH_HLEN + sizeof(u64))

/**
 * enum net_peer - what the monitor does with the other end
 * @NET_PEER_SINK: takes all frames, sends none
 * @NET_PEER_ECHO: sends each frame back, its addresses exchanged. None is lost:
 *	a guest that does not receive cannot go on sending.
 * @NET_PEER_SOURCE: sends frames at a set rate from the time at which the guest
 *	has given buffers to receive into; takes all frames. What the guest has
 *	no buffer for, when its time has come, is lost. A frame is addressed to
 *	the guest, of type NET_ETHERTYPE, and begins with its number, a
 *	little-endian u64 that counts from 0 and counts the lost ones, too.
 */
enum net_peer {
	NET_PEER_SINK,
	NET_PEER_ECHO,
	NET_PEER_SOURCE,
};

/**
 * struct net_config - a network card for a guest
 * @peer: see enum net_peer
 * @guest: the guest's number, which makes its MAC: 02:4b and these 32 bits. That
 *	of the peer begins with 06:4b.
 * @frames_per_sec: NET_PEER_SOURCE: the rate; at most a million
 * @frame_size: NET_PEER_SOURCE: bytes with the Ethernet header and without the
 *	FCS, from NET_MIN_FRAME to ETH_FRAME_LEN
 */
struct net_config {
	enum net_peer peer;
	u32 guest;
	u64 frames_per_sec;
	u32 frame_size;
};

/**
 * struct net_stats - what the card did, counted in frames
 * @from_guest: taken
 * @to_guest: delivered
 * @bad: taken, but no frames: shorter than a header, or longer than the MTU
 *	allows
 * @lost: of the source: there was no buffer, or the monitor was late by so much
 *	that it left them out
 * @late_ns: how late the source was at most with a frame that it sent
 */
struct net_stats {
	u64 from_guest;
	u64 to_guest;
	u64 bad;
	u64 lost;
	u64 late_ns;
};

/**
 * struct virtio_net - the device; initialise with virtio_net_init()
 * @dev: the transport, whose lock guards what is below @timer_fd
 * @net: what was asked for
 * @ops: of @dev
 * @mac: the guest's, which is all of the configuration space
 * @timer_fd: readable when the source's next frame is due
 * @rx: a buffer of the guest's to receive into, if @rx_held
 * @rx_held: @rx was popped and not pushed yet
 * @start_ns: when the source began, by CLOCK_MONOTONIC; 0 if it has not
 * @next: number of its next frame
 * @stats: see virtio_net_stats()
 * @frame: the frame in passing, behind the header that virtio puts before it
 */
struct virtio_net {
	struct virtio_mmio dev;
	struct net_config net;
	struct virtio_dev_ops ops;
	u8 mac[ETH_ALEN];
	int timer_fd;
	struct virtq_chain rx;
	bool rx_held;
	u64 start_ns;
	u64 next;
	struct net_stats stats;
	u8 frame[NET_HDR_SIZE + ETH_FRAME_LEN];
};

/**
 * virtio_net_init() - a card in its reset state
 * @dev: filled in
 * @cfg: see struct net_config; copied
 * @mem: guest RAM, mapped; must outlive @dev
 * @irq: raises the device's interrupt, as an edge; see struct virtio_mmio
 * @irq_ctx: passed to @irq
 * @err: what failed
 *
 * Return: 0, or a negative errno with nothing left open.
 */
int virtio_net_init(struct virtio_net *dev, const struct net_config *cfg,
		    const struct numa_mem *mem, void (*irq)(void *ctx), void *irq_ctx,
		    struct errmsg *err);

/**
 * virtio_net_destroy() - release what virtio_net_init() took
 * @dev: no thread uses it any more
 */
void virtio_net_destroy(struct virtio_net *dev);

/**
 * virtio_net_process() - look at both queues, and at the time
 * @dev: the card
 *
 * To be called by one thread whenever dev.notify_fd or timer_fd is readable.
 * Does a bounded number of frames; if there are more, dev.notify_fd is readable
 * again.
 */
void virtio_net_process(struct virtio_net *dev);

/**
 * virtio_net_stats() - what happened so far; resets of the device count nothing
 * @dev: the card
 */
struct net_stats virtio_net_stats(struct virtio_net *dev);

/**
 * virtio_net_mac() - a MAC: locally administered, of one station
 * @mac: filled in
 * @peer: the peer's, not the guest's
 * @guest: the guest's number; another number has another MAC
 */
void virtio_net_mac(u8 mac[ETH_ALEN], bool peer, u32 guest);

#endif /* KTSTR_VIRTIO_NET_H */
