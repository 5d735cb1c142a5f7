/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What kind of host is this: can its KVM run a Linux guest?
 */
#ifndef KTSTR_HOST_H
#define KTSTR_HOST_H

#include "errmsg.h"

#define HOST_KVM	"/dev/kvm"

/**
 * enum host_kind - where guests can run
 * @HOST_NATIVE: here
 * @HOST_EMULATE: only on the emulated host (emulated.h)
 */
enum host_kind {
	HOST_NATIVE,
	HOST_EMULATE,
};

/**
 * host_classify() - decide where this program's guests run
 * @kvm: the KVM device, HOST_KVM
 * @why: for HOST_EMULATE the reason, of kind ERRMSG_HOST; empty for
 *	HOST_NATIVE; what is wrong if the return value is negative
 *
 * KTSTR_HOST=native or KTSTR_HOST=emulated decides by hand. Otherwise a guest
 * of a few instructions does, in milliseconds: one SSE instruction and, where
 * KVM offers AVX, one with a VEX prefix. A KVM that interprets guest code
 * (KVM_EXIT_INTERNAL_ERROR, KVM api.rst, section 5) does not know them, and
 * every Linux userland has them. A guest that does not end is stopped after a
 * second.
 *
 * Return: an enum host_kind, or -EINVAL if KTSTR_HOST is something else.
 */
int host_classify(const char *kvm, struct errmsg *why);

#endif /* KTSTR_HOST_H */
