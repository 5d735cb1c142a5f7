/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest's physical address map (x86-64), shared by those who place things
 * in it and those who tell the guest about them. Addresses and sizes in bytes.
 *
 *	0x00007000  boot parameters ("zero page")
 *	0x00008000  GDT for the 64-bit entry
 *	0x00009000  page tables for the 64-bit entry, six pages
 *	0x00020000  kernel command line
 *	0x0009fc00  EBDA: the end of low RAM
 *	0x000e0000  ACPI tables, RSDP first (the area that firmware would use)
 *	0x00100000  high RAM: the kernel, and at its top the initramfs
 *	0xc0000000  device gap: virtio-mmio, IOAPIC, LAPIC, KVM's own pages
 *	0x100000000 RAM again
 */
#ifndef KTSTR_MEMORY_MAP_H
#define KTSTR_MEMORY_MAP_H

#include <linux/sizes.h>

#define MAP_BOOT_PARAMS		0x7000UL
#define MAP_BOOT_GDT		0x8000UL
#define MAP_BOOT_PAGE_TABLES	0x9000UL
#define MAP_CMDLINE		0x20000UL
#define MAP_CMDLINE_SIZE	4096UL
#define MAP_EBDA		0x9fc00UL
#define MAP_ACPI		0xe0000UL
#define MAP_ACPI_SIZE		0x20000UL
#define MAP_HIGH_RAM		0x100000UL
#define MAP_GAP_START		0xc0000000UL
#define MAP_GAP_END		0x100000000UL

/* virtio-mmio: one page a device, one GSI a device */
#define MAP_VIRTIO(i)		(MAP_GAP_START + (i) * 0x1000UL)
#define MAP_VIRTIO_SIZE		0x1000UL
#define MAP_VIRTIO_GSI(i)	(5U + (i))

enum virtio_slot_id {
	VIRTIO_SLOT_CONSOLE,
	VIRTIO_SLOT_BLK,
	VIRTIO_SLOT_NET,
	VIRTIO_NR_SLOTS,
};

#define MAP_IOAPIC		0xfec00000UL
#define MAP_LAPIC		0xfee00000UL

/* KVM_SET_TSS_ADDR takes three pages, KVM_SET_IDENTITY_MAP_ADDR one more. */
#define MAP_KVM_TSS		0xfffbd000UL
#define MAP_KVM_IDENTITY	(MAP_KVM_TSS + 3 * 0x1000UL)

/* I/O ports, and the values that mean something on them */
#define PORT_COM1		0x3f8
#define PORT_COM1_SIZE		8
#define PORT_COM1_GSI		4
#define PORT_I8042_CMD		0x64
#define I8042_RESET		0xfe	/* pulse the CPU's reset line */
#define PORT_RESET		0xcf9
#define RESET_HARD		0x06
#define PORT_ACPI_SLEEP		0x600	/* ACPI 6.5, 4.8.3.7: sleep control */
#define PORT_ACPI_SLEEP_STATUS	0x601
#define ACPI_SLEEP_S5		5	/* SLP_TYP of \_S5 */
#define ACPI_SLEEP_TYP_SHIFT	2
#define ACPI_SLEEP_EN		0x20

#endif /* KTSTR_MEMORY_MAP_H */
