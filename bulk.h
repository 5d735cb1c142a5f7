/* SPDX-License-Identifier: GPL-2.0 */
/* Large results: files of the guest, by the console's bulk port. */
#ifndef KTSTR_BULK_H
#define KTSTR_BULK_H

#include <stddef.h>

#include "control.h"
#include "errmsg.h"
#include "ktstr_vmm.h"

/**
 * bulk_fetch() - read a file of the guest, however large
 * @vm: the guest
 * @c: the conversation with its agent
 * @path: the file
 * @max: bytes that it may have
 * @data: its content, to be given to free(); NULL on failure
 * @size: bytes at @data
 * @err: what failed
 *
 * Return: 0; -EIO if the guest could not read it; -EFBIG if it is larger than
 * @max; -EBADMSG if what came is not what the guest has sent, by its CRC; or as
 * control_run().
 */
int bulk_fetch(struct ktstr_vm *vm, struct control *c, const char *path, size_t max,
	       void **data, size_t *size, struct errmsg *err);

#endif /* KTSTR_BULK_H */
