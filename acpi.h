/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ACPI tables that describe the guest: RSDP, XSDT, FADT (hardware-reduced,
 * with no RTC, i8042 or VGA to wait for), MADT, DSDT, SRAT, SLIT, and an HMAT if
 * the topology has something to say in it. Pure.
 */
#ifndef KTSTR_ACPI_H
#define KTSTR_ACPI_H

#include <stddef.h>
#include <linux/types.h>

#include "errmsg.h"
#include "numa_mem.h"
#include "topology.h"

/**
 * struct acpi_config - what the tables describe
 * @topo: CPUs and nodes
 * @mem: RAM per node (regions: node, gpa, size are used)
 * @virtio_slots: bit i is set if there is a device at MAP_VIRTIO(i); an IOAPIC
 *	with 24 pins has a GSI for slots 0 to 18
 */
struct acpi_config {
	const struct topology *topo;
	const struct numa_mem *mem;
	u32 virtio_slots;
};

/**
 * acpi_build() - write all tables
 * @buf: what the guest will see at @gpa; the RSDP comes first
 * @size: bytes at @buf
 * @gpa: guest physical address of @buf, a multiple of 16
 * @cfg: what to describe
 * @err: says how much room was needed
 *
 * Return: bytes used, or -ENOSPC with @err filled in.
 */
long acpi_build(void *buf, size_t size, u64 gpa,
		const struct acpi_config *cfg, struct errmsg *err);

#endif /* KTSTR_ACPI_H */
