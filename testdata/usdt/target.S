/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * A program with statically defined probes of every form, without a C library. It passes each place
 * once and exits with the number of counters that it found raised.
 */
	.macro usdt provider, name, args, counter=0
990:	nop
	.pushsection .note.stapsdt, "?", "note"
	.balign 4
	.4byte 992f-991f, 994f-993f, 3
991:	.asciz "stapsdt"
992:	.balign 4
993:	.8byte 990b, _.stapsdt.base, \counter
	.asciz "\provider"
	.asciz "\name"
	.asciz "\args"
994:	.balign 4
	.popsection
	.endm

	.section .stapsdt.base, "aG", "progbits", .stapsdt.base, comdat
	.weak _.stapsdt.base
	.hidden _.stapsdt.base
_.stapsdt.base:
	.space 1

	/* Not in .bss: the kernel raises a counter when it maps the file, and clears what the file does not have after that. */
	.section .probes, "aw", "progbits"
	.balign 2
counter:
	.2byte 0
second_counter:
	.2byte 0

	.section .data
	.balign 8
words:
	.8byte 0x1122334455667788, -2, 0xfedcba9876543210, 7

	.text
	.globl _start
	.type _start, @function
_start:
	xorl	%ebp, %ebp
	pushq	$-5			/* (%rsp) */
	movq	%rsp, %rbx
	leaq	words(%rip), %r12
	movq	(%r12), %rax			/* a program can't read what is not in memory yet */
	movq	$2, %r13

	movq	$0x123456789abcdef0, %rdi
	movl	$-7, %esi
	movq	$0xff80, %rdx
	usdt oxbpf, forms, "8@%rdi -4@%esi -2@%dx -1@%dl 1@%dl 4@$71 -8@$-9 8@(%r12) -4@8(%r12) 8@-8(%r12,%r13,8) 4@(%r12,%r13,4) -8@(%rbx)"

	usdt oxbpf, none, ""

	/* Three places, of which two have the same arguments. */
	movq	$1, %rdi
	usdt oxbpf, places, "8@%rdi"
	movq	$2, %rsi
	usdt oxbpf, places, "8@%rsi"
	movq	$4, %rdi
	usdt oxbpf, places, "8@%rdi"

	xorl	%r15d, %r15d
	movl	$11, %eax
	usdt oxbpf, counted, "4@%eax", counter
	cmpw	$0, counter(%rip)
	je	1f
	incl	%r15d
1:	movl	$13, %eax
	usdt oxbpf, counted_too, "4@%eax", second_counter
	cmpw	$0, second_counter(%rip)
	je	2f
	incl	%r15d
2:
	/* A long nop behind the short one. */
	movl	$17, %ecx
	usdt oxbpf, fast, "4@%ecx"
	.byte	0x0f, 0x1f, 0x44, 0x00, 0x00

	/* What no program can read. */
	usdt oxbpf, float, "8@%xmm0"

	movl	%r15d, %edi
	movl	$231, %eax		/* exit_group */
	syscall
	.size _start, . - _start
	.section .note.GNU-stack, "", @progbits
