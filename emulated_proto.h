/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What emulated.c and the emulated host's PID 1 (guest/host_init.c) agree on.
 *
 * Its initramfs holds the kernel modules, their names in the order of loading
 * in EMULATED_MODULES, and the job in EMULATED_JOB: NUL-terminated strings,
 * namely the program, its working directory, the directory for results or "",
 * the number of arguments, these, and all the rest is the environment.
 *
 * Back comes a stream of frames through one virtio-serial port, so that
 * output and exit status arrive in order. In the other direction goes, every
 * NUDGE_MS (emulated.c), a u64: how long, in ns, this host has so far been denied
 * the CPU that it needed. PID 1 keeps the last one in EMULATED_DENIED. What it has to
 * complain about goes to the kernel's console.
 */
#ifndef KTSTR_EMULATED_PROTO_H
#define KTSTR_EMULATED_PROTO_H

#include <linux/types.h>

#define EMULATED_INIT		"/init"
#define EMULATED_MODULES	"/modules"
#define EMULATED_JOB		"/job"

#define EMULATED_PORT		"/dev/vport0p1"
#define EMULATED_DENIED		"/dev/ktstr_denied"
#define EMULATED_TAG_ROOT	"ktstr-root"
#define EMULATED_TAG_RESULTS	"ktstr-results"

/**
 * enum emulated_frame_type - what a frame says
 * @EMULATED_HELLO: the program is about to start; no payload
 * @EMULATED_STDOUT: what it wrote to its standard output
 * @EMULATED_STDERR: what it wrote to its standard error
 * @EMULATED_EXIT: it ended; a u32, its exit status or 128 + its signal
 */
enum emulated_frame_type {
	EMULATED_HELLO,
	EMULATED_STDOUT,
	EMULATED_STDERR,
	EMULATED_EXIT,
};

#define EMULATED_MAX_PAYLOAD	(32 * 1024)

/* Before each payload. Both sides are x86. */
struct emulated_frame {
	__u32 type;
	__u32 len;
};

#endif /* KTSTR_EMULATED_PROTO_H */
