/* SPDX-License-Identifier: GPL-2.0 */
/* What real programs have printed: the fuzzer's corpus, as strings */
#ifndef KTSTR_OUTPUT_H
#define KTSTR_OUTPUT_H

#define OUTPUT(name)							\
extern const char output_##name[];					\
asm("	.pushsection .rodata\n"						\
"output_" #name ":\n"							\
"	.incbin \"fuzz/corpus/program_output/" #name "\"\n"		\
"	.byte 0\n"							\
"	.popsection\n")

#endif /* KTSTR_OUTPUT_H */
