/* SPDX-License-Identifier: GPL-2.0 */
/* A message that is an interrupt: address and data (SDM vol. 3A, 11.11). */
#ifndef KTSTR_MSI_H
#define KTSTR_MSI_H

#include <linux/bits.h>

#define MSI_ADDRESS		0xfee00000
#define MSI_DEST_7_0		GENMASK(19, 12)
#define MSI_REDIRECTION_HINT	BIT(3)
#define MSI_DEST_LOGICAL	BIT(2)
#define MSI_LEVEL		BIT(15)
#define MSI_ASSERT		BIT(14)
#define MSI_DELIVERY_MODE	GENMASK(10, 8)
#define MSI_VECTOR		GENMASK(7, 0)

/* The upper half of the address, as KVM has it: api.rst, KVM_SET_GSI_ROUTING */
#define MSI_HI_DEST_14_8	GENMASK(14, 8)
#define MSI_HI_DEST_31_8	GENMASK(31, 8)

#endif /* KTSTR_MSI_H */
