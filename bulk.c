// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/kernel.h>
#include <linux/sizes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "bulk.h"
#include "clock.h"
#include "wire.h"

/* Large files from slow guests; then the last bytes, which are on their way */
#define RUN_TIMEOUT_NS	(300 * NSEC_PER_SEC)
#define END_TIMEOUT_NS	(10 * NSEC_PER_SEC)
#define POLL_NS		(100 * NSEC_PER_MSEC)

/*
 * What comes out of the port, up to the end of the stream
 * @room: bytes at @data; what comes beyond is only counted
 * @deadline: when to stop waiting for the end
 */
struct fetch {
	struct ktstr_vm *vm;
	u8 *data;
	size_t room;
	size_t size;
	u64 deadline;
};

/*
 * Reads while the conversation with the agent waits for its program to have
 * written everything, which takes a reader. Always up to the end: the next
 * fetch must not find the rest of this one.
 */
static void *fetch_thread(void *arg)
{
	struct fetch *f = arg;
	u8 more[SZ_4K];
	ssize_t n = -1;

	while (n && clock_ns() < __atomic_load_n(&f->deadline, __ATOMIC_RELAXED)) {
		size_t left = f->size < f->room ? f->room - f->size : 0;

		n = ktstr_vm_bulk_recv(f->vm, left ? f->data + f->size : more,
				       left ?: sizeof(more), POLL_NS);
		f->size += max_t(ssize_t, n, 0);
	}
	return NULL;
}

static int check(const struct fetch *f, const struct control_reply *reply, const char *path,
		 struct errmsg *err)
{
	unsigned long size;
	unsigned int crc;

	if (reply->wait_status)
		return errmsg_set(err, ERRMSG_FAILED, EIO, "sending %s from the guest: %s", path,
				  reply->output);
	if (f->size > f->room)
		return errmsg_set(err, ERRMSG_INPUT, EFBIG,
				  "%s in the guest has %zu bytes, more than %zu", path, f->size,
				  f->room);
	if (sscanf(reply->output, "%lu bytes, CRC %x", &size, &crc) != 2 || size != f->size ||
	    crc != wire_crc32(0, f->data, f->size))
		return errmsg_set(err, ERRMSG_FAILED, EBADMSG,
				  "%s in the guest: %zu bytes, CRC %x came; the agent: %s", path,
				  f->size, wire_crc32(0, f->data, f->size), reply->output);
	return 0;
}

int bulk_fetch(struct ktstr_vm *vm, struct control *c, const char *path, size_t max,
	       void **data, size_t *size, struct errmsg *err)
{
	const char * const argv[] = { "/init", "--bulk", path, NULL };
	struct fetch f = { .vm = vm, .room = max, .deadline = ~0ULL };
	struct control_reply reply;
	pthread_t thread;
	int ret;

	*data = NULL;
	*size = 0;
	f.data = malloc(max ?: 1);
	if (!f.data)
		return errmsg_set(err, ERRMSG_HOST, ENOMEM, "%zu bytes for %s", max, path);
	ret = pthread_create(&thread, NULL, fetch_thread, &f);
	if (ret) {
		errmsg_set(err, ERRMSG_HOST, ret, "starting a thread (see ulimit -u)");
		free(f.data);
		return -ret;
	}
	ret = control_run(c, argv, RUN_TIMEOUT_NS, &reply, err);
	__atomic_store_n(&f.deadline, clock_ns() + END_TIMEOUT_NS, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	ret = ret ?: check(&f, &reply, path, err);
	control_reply_free(&reply);
	if (ret) {
		free(f.data);
		return ret;
	}
	*data = f.data;
	*size = f.size;
	return 0;
}
