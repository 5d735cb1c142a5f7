/* SPDX-License-Identifier: GPL-2.0 */
/* What a KVM must be able to do for ktstr, checked by name. */
#ifndef KTSTR_KVM_CAPS_H
#define KTSTR_KVM_CAPS_H

#include "errmsg.h"

/**
 * kvm_open() - open /dev/kvm and see that it is the KVM we know
 * @path: the device
 * @err: why it cannot be used, and what would help
 *
 * Return: the file descriptor, or a negative errno (ERRMSG_HOST).
 */
int kvm_open(const char *path, struct errmsg *err);

/**
 * kvm_check_caps() - see that every capability is there that each VM needs
 * @kvm_fd: from kvm_open()
 * @check: KVM_CHECK_EXTENSION on @kvm_fd; tests give their own
 * @err: names all capabilities that are missing
 *
 * Return: 0, or -EOPNOTSUPP with @err filled in (ERRMSG_HOST).
 */
int kvm_check_caps(int kvm_fd, int (*check)(int kvm_fd, long cap), struct errmsg *err);

/**
 * kvm_check_extension() - KVM_CHECK_EXTENSION
 * @kvm_fd: /dev/kvm or a VM
 * @cap: KVM_CAP_...
 *
 * Return: 0 if the capability is absent, otherwise what KVM says of it.
 */
int kvm_check_extension(int kvm_fd, long cap);

/**
 * kvm_errno_kind() - what an errno from building a VM means for the verdict
 * @errnum: a positive errno
 *
 * Running out of memory, descriptors or the like is the host's state, not a
 * fault of what is tested.
 */
enum errmsg_kind kvm_errno_kind(int errnum);

#endif /* KTSTR_KVM_CAPS_H */
