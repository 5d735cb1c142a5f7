// SPDX-License-Identifier: GPL-2.0
/* Work that waits for files and devices */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sizes.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <uapi/linux/filter.h>	/* tools/include has another linux/filter.h */
#include <unistd.h>

#include <linux/kernel.h>

#include "clock.h"
#include "work.h"

#define BLOCK_SIZE	4096

/* What is written may be for memory only, and then nothing wakes this up. */
static int io_sync_init(struct work *wk)
{
	const char *dir = *wk->spec->arg ? wk->spec->arg : "/tmp";

	wk->fd = open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	if (wk->fd < 0)
		return work_fail(wk, errno, "make a file in %s", dir);
	return work_alloc(wk, wk->spec->bytes ?: SZ_64K);
}

static void io_sync(struct work *wk)
{
	meter_sleep(wk->meter, 0);
	if (pwrite(wk->fd, wk->mem, wk->size, 0) != (ssize_t)wk->size || fdatasync(wk->fd))
		work_error(wk);
	meter_woke(wk->meter, 0);
	work_sleep(wk, wk->spec->sleep_ns ?: 100 * 1000);
	work_done(wk, 1);
}

const struct work_ops work_io_sync = { .init = io_sync_init, .step = io_sync };

static int disk_init(struct work *wk)
{
	const char *path = *wk->spec->arg ? wk->spec->arg : "/dev/vda";
	off_t size;

	wk->fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (wk->fd < 0 && (errno == ENOENT || errno == ENXIO))
		return work_fail(wk, ENODEV, "no such device: %s", path);
	if (wk->fd < 0)
		return work_fail(wk, errno, "open %s with O_DIRECT", path);
	size = lseek(wk->fd, 0, SEEK_END);
	if (size < BLOCK_SIZE)
		return work_fail(wk, EINVAL, "%s has less than %d bytes", path, BLOCK_SIZE);
	wk->pos = size / BLOCK_SIZE;
	/* (is aligned, as O_DIRECT wants it) */
	return work_alloc(wk, BLOCK_SIZE);
}

static void disk(struct work *wk)
{
	off_t at = work_random(wk) % wk->pos * BLOCK_SIZE;

	meter_sleep(wk->meter, 0);
	if (pread(wk->fd, wk->mem, BLOCK_SIZE, at) != BLOCK_SIZE)
		work_error(wk);
	meter_waited(wk->meter);
	work_compute_asked(wk);
	work_done(wk, 1);
}

const struct work_ops work_disk = { .init = disk_init, .step = disk };

/* A type that IEEE 802 leaves to local experiments */
#define NET_TYPE	0x88b5

/* How long until a frame counts as lost: longer than any thread on its way is away */
#define NET_TIMEOUT_S	2

struct net_frame {
	struct ethhdr eth;
	u32 key;		/* of the worker, in network order */
	u64 round;
	u8 padding[ETH_ZLEN];
} __packed;

static struct net_frame net_frame;

/* The first that is not a loopback */
static bool net_find(char name[IFNAMSIZ])
{
	DIR *dir = opendir("/sys/class/net");
	struct dirent *entry;

	*name = '\0';
	while (dir && !*name && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "lo") &&
		    strlen(entry->d_name) < IFNAMSIZ)
			memcpy(name, entry->d_name, strlen(entry->d_name) + 1);
	if (dir)
		closedir(dir);
	return *name;
}

/* Only what is for this worker wakes it up. */
static int net_filter(int fd, u32 key)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct net_frame, key)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, key, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, ~0U),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = { .len = ARRAY_SIZE(code), .filter = code };
	struct timeval timeout = { .tv_sec = NET_TIMEOUT_S };
	int on = 1;

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) ?:
	       setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) ?:
	       setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) ?:
	       setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
}

static int net_up(int fd, const char name[IFNAMSIZ])
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(NET_TYPE),
	};
	struct ifreq req = { };

	memcpy(req.ifr_name, name, IFNAMSIZ);
	if (ioctl(fd, SIOCGIFHWADDR, &req))
		return -1;
	memcpy(net_frame.eth.h_source, req.ifr_hwaddr.sa_data, ETH_ALEN);
	if (ioctl(fd, SIOCGIFFLAGS, &req))
		return -1;
	req.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &req) || ioctl(fd, SIOCGIFINDEX, &req))
		return -1;
	addr.sll_ifindex = req.ifr_ifindex;
	return bind(fd, (struct sockaddr *)&addr, sizeof(addr));
}

static int net_init(struct work *wk)
{
	u32 key = getpid();
	char name[IFNAMSIZ] = "";

	if (*wk->spec->arg)
		snprintf(name, sizeof(name), "%s", wk->spec->arg);
	else if (!net_find(name))
		return work_fail(wk, ENODEV, "no such device: there is no network interface");
	wk->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (wk->fd < 0)
		return work_fail(wk, errno, "open a packet socket");
	if (net_filter(wk->fd, key))
		return work_fail(wk, errno, "set up a packet socket");
	memset(net_frame.eth.h_dest, 0xff, ETH_ALEN);
	net_frame.eth.h_proto = htons(NET_TYPE);
	net_frame.key = htonl(key);
	if (net_up(wk->fd, name))
		return work_fail(wk, errno, "%s interface %s", errno == ENODEV ?
				 "no such device: network" : "use network", name);
	return 0;
}

/* When the kernel got it, as CLOCK_MONOTONIC has it; or 0 */
static u64 net_stamp(struct msghdr *msg)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	struct timespec now, then;
	u64 age_ns;

	if (!cmsg || cmsg->cmsg_type != SCM_TIMESTAMPNS)
		return 0;
	memcpy(&then, CMSG_DATA(cmsg), sizeof(then));
	clock_gettime(CLOCK_REALTIME, &now);
	age_ns = (now.tv_sec - then.tv_sec) * NSEC_PER_SEC + now.tv_nsec - then.tv_nsec;
	return clock_ns() - min_t(u64, age_ns, NSEC_PER_SEC);
}

/* Receive one frame; returns whether it is the one that was sent. */
static bool net_receive(struct work *wk)
{
	struct net_frame frame = { };
	struct iovec iov = { .iov_base = &frame, .iov_len = sizeof(frame) };
	u8 control[CMSG_SPACE(sizeof(struct timespec))];
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	u64 none = 0, stamp_ns = 0;
	ssize_t n;

	meter_ran(wk->meter, &none);
	meter_sleep(wk->meter, 0);
	n = recvmsg(wk->fd, &msg, 0);
	if (n >= 0)
		stamp_ns = net_stamp(&msg);
	/* What was there already did not wake it up. */
	meter_woke(wk->meter, stamp_ns > wk->meter->now_ns ? stamp_ns : 0);
	/* Lost: the next round sends another one. */
	if (n < 0 && errno != EINTR) {
		work_error(wk);
		wk->pos++;
	}
	return n >= 0 && frame.round == net_frame.round;
}

static void net(struct work *wk)
{
	if (net_frame.round != wk->pos + 1) {
		net_frame.round = wk->pos + 1;
		if (write(wk->fd, &net_frame, sizeof(net_frame)) < 0)
			work_error(wk);
	}
	if (!net_receive(wk))
		return;
	wk->pos++;
	work_compute_asked(wk);
	work_done(wk, 1);
}

const struct work_ops work_net = { .init = net_init, .step = net };
