/* SPDX-License-Identifier: GPL-2.0 */
/* Where CPUs are, as the guest's sysfs says: last-level caches and nodes. */
#ifndef KTSTR_PLACE_H
#define KTSTR_PLACE_H

#include <linux/types.h>

#include "wire.h"

/*
 * Learn it; again only for CPUs that were offline the last time. What sysfs does
 * not say is as if there were one cache per node, and one node.
 */
void place_read(void);

/* How far is it from one CPU to another? */
enum wire_distance place_distance(u32 from, u32 to);

/* The node that a CPU is on; below WIRE_MAX_NODES */
u32 place_node(u32 cpu);

/**
 * place_pages() - which nodes has memory its pages on?
 * @mem: the memory
 * @size: bytes
 * @pages: WIRE_MAX_NODES counts, which are added to; of large memory only some
 *	pages, evenly spread, are looked at
 */
void place_pages(void *mem, size_t size, u32 *pages);

#endif /* KTSTR_PLACE_H */
