// SPDX-License-Identifier: GPL-2.0
/* The virtio-console's ports, which the kernel names when the device has. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "clock.h"

/* How long the kernel may take to find a port once init runs */
#define PORT_WAIT_NS	(5 * NSEC_PER_SEC)

#define BULK_CHUNK	(64 * 1024)

static int open_if_named(const char *port, const char *wanted)
{
	char path[320], name[64];

	snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", port);
	if (read_text(path, name, sizeof(name)) || strcmp(name, wanted))
		return -1;
	snprintf(path, sizeof(path), "/dev/%s", port);
	return open(path, O_RDWR | O_CLOEXEC);
}

static int find(const char *name)
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	struct dirent *entry;
	int fd = -1;

	while (dir && fd < 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			fd = open_if_named(entry->d_name, name);
	}
	if (dir)
		closedir(dir);
	return fd;
}

/* The driver learns the port's name from the device, some time after boot. */
int port_open(const char *name)
{
	u64 deadline = clock_ns() + PORT_WAIT_NS;
	int fd;

	while ((fd = find(name)) < 0) {
		if (clock_ns() > deadline)
			die("no virtio-console port is named \"%s\" after 5 s", name);
		usleep(1000);
	}
	return fd;
}

/* The kernel takes less than all, and waits when the host does not read. */
static void write_all(int fd, const u8 *data, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			die("write to the bulk port: %s", strerror(errno));
		data += n;
		len -= n;
	}
}

int bulk_send(const char *path)
{
	static u8 buf[BULK_CHUNK];
	/* First, so that the host sees a stream end, whatever becomes of it. */
	int port = port_open(WIRE_BULK_PORT_NAME);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned long size = 0;
	u32 crc = 0;
	ssize_t n;

	if (fd < 0)
		die("open %s: %s", path, strerror(errno));
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		crc = wire_crc32(crc, buf, n);
		size += n;
		write_all(port, buf, n);
	}
	if (n < 0)
		die("read %s: %s", path, strerror(errno));
	printf("%lu bytes, CRC %x\n", size, crc);
	return 0;
}
