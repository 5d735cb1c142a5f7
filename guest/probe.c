// SPDX-License-Identifier: GPL-2.0
/*
 * What a guest sees of its disk and its network card, in numbers: a program of
 * its own, run by the agent for the tests of the devices.
 *
 *	ktstr_probe disk-crc		the CRC of the whole disk
 *	ktstr_probe disk-write SEED	fill it with sectors of SEED and their number
 *	ktstr_probe disk-read COUNT	read COUNT blocks of 4 KiB, one at a time
 *	ktstr_probe net-echo COUNT SIZE	send frames that the peer sends back
 *	ktstr_probe net-count MS	count the frames that come for a while
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/kernel.h>
#include <linux/sizes.h>
#include <net/if.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "virtio_blk.h"
#include "virtio_net.h"
#include "wire.h"

#define DISK		"/dev/vda"
#define NET		"eth0"
#define BLOCK		SZ_4K
#define ECHO_WINDOW	16	/* frames that are under way at a time */
#define ECHO_WAIT_MS	60000

static void __printf(1, 2) __noreturn fail(const char *fmt, ...)
{
	int errnum = errno;
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(": %s\n", strerror(errnum));
	exit(1);
}

/* Past the page cache, which would answer in the disk's place. */
static int open_disk(int flags, u64 *size)
{
	int fd = open(DISK, flags | O_DIRECT | O_CLOEXEC);
	off_t end;

	if (fd < 0)
		fail("open " DISK);
	end = lseek(fd, 0, SEEK_END);
	if (end < BLOCK)
		fail(DISK " has %lld bytes", (long long)end);
	*size = end;
	return fd;
}

static u8 *disk_buffer(size_t size)
{
	u8 *buf = aligned_alloc(BLOCK, size);

	if (!buf)
		fail("allocate %zu bytes", size);
	return buf;
}

static void disk_crc(void)
{
	u8 *buf = disk_buffer(SZ_64K);
	u64 size, pos;
	u32 crc = 0;
	int fd = open_disk(O_RDONLY, &size);

	for (pos = 0; pos < size;) {
		ssize_t n = pread(fd, buf, min_t(u64, SZ_64K, size - pos), pos);

		if (n <= 0)
			fail("read at %lu", pos);
		crc = wire_crc32(crc, buf, n);
		pos += n;
	}
	printf("%lu bytes, CRC %x\n", size, crc);
}

static void disk_write(u64 seed)
{
	u8 *buf = disk_buffer(SZ_64K);
	u64 size, pos, sector[2] = { seed };
	int fd = open_disk(O_WRONLY, &size);

	for (pos = 0; pos < size;) {
		u64 len = min_t(u64, SZ_64K, size - pos), at;
		ssize_t n;

		memset(buf, seed, len);
		for (at = 0; at < len; at += DISK_SECTOR_SIZE) {
			sector[1] = (pos + at) / DISK_SECTOR_SIZE;
			memcpy(buf + at, sector, sizeof(sector));
		}
		n = pwrite(fd, buf, len, pos);
		if (n <= 0)
			fail("write at %lu", pos);
		pos += n;
	}
	if (fsync(fd))
		fail("fsync");
	printf("%lu bytes\n", size);
}

static void disk_read(u64 count)
{
	u64 size, i, start, t, before, min_ns = ~0ULL, max_ns = 0;
	u8 *buf = disk_buffer(BLOCK);
	int fd = open_disk(O_RDONLY, &size);

	start = clock_ns();
	for (i = 0; i < count; i++) {
		before = clock_ns();
		if (pread(fd, buf, BLOCK, i % (size / BLOCK) * BLOCK) != BLOCK)
			fail("read block %lu", i);
		t = clock_ns() - before;
		min_ns = min(min_ns, t);
		max_ns = max(max_ns, t);
	}
	printf("%lu reads, %lu ns, min %lu ns, max %lu ns\n", count, clock_ns() - start,
	       min_ns, max_ns);
}

/* A socket for frames of our own type; others would count what the kernel does. */
static int open_net(u8 mac[ETH_ALEN])
{
	struct ifreq ifr = { .ifr_name = NET };
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htobe16(NET_ETHERTYPE),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), room = SZ_1M;

	if (fd < 0)
		fail("packet socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (ioctl(fd, SIOCGIFINDEX, &ifr))
		fail("no " NET);
	addr.sll_ifindex = ifr.ifr_ifindex;
	if (ioctl(fd, SIOCGIFHWADDR, &ifr))
		fail("MAC of " NET);
	memcpy(mac, ifr.ifr_hwaddr.sa_data, ETH_ALEN);
	ifr.ifr_flags = IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr))
		fail("bring up " NET);
	/* After that: a socket on an interface that is down has an error. */
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		fail("bind to " NET);
	return fd;
}

/* Return: bytes, or 0 if nothing came in time. */
static size_t receive(int fd, void *frame, size_t size, int timeout_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (poll(&pfd, 1, timeout_ms) <= 0)
		return 0;
	n = recv(fd, frame, size, 0);
	if (n < 0)
		fail("receive");
	return n;
}

static void make_frame(u8 *frame, size_t size, const u8 mac[ETH_ALEN], u64 number)
{
	struct ethhdr *eth = (struct ethhdr *)frame;

	memset(frame, number, size);
	memset(eth->h_dest, 0xff, ETH_ALEN);
	memcpy(eth->h_source, mac, ETH_ALEN);
	eth->h_proto = htobe16(NET_ETHERTYPE);
	memcpy(eth + 1, &number, sizeof(number));
}

/* What comes back is what was sent, to us, and in order. */
static void check_echo(const u8 *frame, size_t got, size_t size, const u8 mac[ETH_ALEN],
		       u64 number)
{
	u8 wanted[ETH_FRAME_LEN];

	make_frame(wanted, size, mac, number);
	memcpy(wanted, mac, ETH_ALEN);
	memset(wanted + ETH_ALEN, 0xff, ETH_ALEN);
	errno = EBADMSG;
	if (got != size || memcmp(frame, wanted, size))
		fail("frame %lu came back with %zu bytes and another content", number, got);
}

static void net_echo(u64 count, size_t size)
{
	u8 frame[ETH_FRAME_LEN], mac[ETH_ALEN];
	int fd = open_net(mac);
	u64 sent = 0, back, start = clock_ns();

	for (back = 0; back < count; back++) {
		for (; sent < count && sent - back < ECHO_WINDOW; sent++) {
			make_frame(frame, size, mac, sent);
			if (send(fd, frame, size, 0) != (ssize_t)size)
				fail("send frame %lu", sent);
		}
		check_echo(frame, receive(fd, frame, sizeof(frame), ECHO_WAIT_MS), size, mac, back);
	}
	printf("%lu frames, %lu ns, MAC %02x%02x%02x%02x%02x%02x\n", back, clock_ns() - start,
	       mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void net_count(u64 ms)
{
	u64 n = 0, first = 0, last = 0, number, start = 0, end = 0;
	u8 frame[ETH_FRAME_LEN], mac[ETH_ALEN];
	int fd = open_net(mac);
	size_t size = 0, len;

	while (!n || end - start < ms * NSEC_PER_MSEC) {
		len = receive(fd, frame, sizeof(frame), ECHO_WAIT_MS);
		errno = EBADMSG;
		if (len < NET_MIN_FRAME || memcmp(frame, mac, ETH_ALEN))
			fail("frame after %lu others has %zu bytes or is not for us", n, len);
		memcpy(&number, frame + ETH_HLEN, sizeof(number));
		number = le64toh(number);
		if (n && number <= last)
			fail("frame %lu comes after frame %lu", number, last);
		end = clock_ns();
		start = n ? start : end;
		first = n ? first : number;
		last = number;
		size = len;
		n++;
	}
	printf("%lu frames, %lu ns, numbers %lu to %lu, %zu bytes\n", n, end - start, first,
	       last, size);
}

int main(int argc, char *argv[])
{
	const char *what = argc > 1 ? argv[1] : "";
	u64 arg = argc > 2 ? strtoull(argv[2], NULL, 0) : 0;
	size_t size = argc > 3 ? strtoul(argv[3], NULL, 0) : 0;

	if (!strcmp(what, "disk-crc")) {
		disk_crc();
	} else if (!strcmp(what, "disk-write") && arg) {
		disk_write(arg);
	} else if (!strcmp(what, "disk-read") && arg) {
		disk_read(arg);
	} else if (!strcmp(what, "net-echo") && size >= NET_MIN_FRAME && size <= ETH_FRAME_LEN) {
		net_echo(arg, size);
	} else if (!strcmp(what, "net-count") && arg) {
		net_count(arg);
	} else {
		fprintf(stderr, "usage: %s disk-crc | disk-write SEED | disk-read COUNT |\n"
			"       net-echo COUNT SIZE | net-count MS\n", argv[0]);
		return 2;
	}
	return 0;
}
