/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Arguments of traced functions, by name.
 *
 * Kprobes and uprobes get the registers: PT_REGS_* read them by the x86-64 calling convention.
 * Raw tracepoints, fentry/fexit and LSM programs get an array of 64-bit words: BPF_PROG declares a
 * program whose parameters are those words, cast to the types given.
 */
#ifndef OXBPF_TRACING_H
#define OXBPF_TRACING_H

#include "helpers.h"

#define PT_REGS_PARM1(regs) ((regs)->di)
#define PT_REGS_PARM2(regs) ((regs)->si)
#define PT_REGS_PARM3(regs) ((regs)->dx)
#define PT_REGS_PARM4(regs) ((regs)->cx)
#define PT_REGS_PARM5(regs) ((regs)->r8)
#define PT_REGS_RC(regs) ((regs)->ax)
#define PT_REGS_IP(regs) ((regs)->ip)
#define PT_REGS_SP(regs) ((regs)->sp)

/*
 * int BPF_PROG(name, type arg, …) { body }: words become arguments one by one, as many as are declared.
 * The last macro parameter of OXBPF_WORD_COUNT picks the number by pushing it to the right.
 */
#define OXBPF_WORD_COUNT_PICK(_5, _4, _3, _2, _1, n, ...) n
#define OXBPF_WORD_COUNT(args...) OXBPF_WORD_COUNT_PICK(args, 5, 4, 3, 2, 1)
#define OXBPF_CTX1 (void *)ctx[0]
#define OXBPF_CTX2 OXBPF_CTX1, (void *)ctx[1]
#define OXBPF_CTX3 OXBPF_CTX2, (void *)ctx[2]
#define OXBPF_CTX4 OXBPF_CTX3, (void *)ctx[3]
#define OXBPF_CTX5 OXBPF_CTX4, (void *)ctx[4]

#define BPF_PROG(name, args...)                                                               \
	name(__u64 *ctx);                                                                     \
	static __always_inline int name##_body(__u64 *ctx, args);                             \
	int name(__u64 *ctx)                                                                  \
	{                                                                                     \
		_Pragma("GCC diagnostic push");                                               \
		_Pragma("GCC diagnostic ignored \"-Wint-conversion\"");                       \
		return name##_body(ctx, OXBPF_JOIN(OXBPF_CTX, OXBPF_WORD_COUNT(args)));       \
		_Pragma("GCC diagnostic pop");                                                \
	}                                                                                     \
	static __always_inline int name##_body(__u64 *ctx, args)

/*
 * The registers that user space called the kernel with. Since 4.17 a system call's function on
 * x86-64 takes a pointer to them as its only argument; the loader says whether it does.
 */
extern _Bool LINUX_HAS_SYSCALL_WRAPPER __kconfig;

#define OXBPF_SYSCALL_REGS(regs) \
	(LINUX_HAS_SYSCALL_WRAPPER ? (struct pt_regs *)PT_REGS_PARM1(regs) : (regs))

/* Argument n (1…5) of the system call; the fourth is in r10, since the call itself destroys rcx. */
#define SYSCALL_ARG(regs, n)                                                                  \
	({                                                                                    \
		unsigned long oxbpf_word = 0;                                                 \
		const struct pt_regs *oxbpf_regs = OXBPF_SYSCALL_REGS(regs);                  \
		bpf_probe_read_kernel(&oxbpf_word, sizeof(oxbpf_word), OXBPF_SYSCALL_REG##n(oxbpf_regs)); \
		oxbpf_word;                                                                   \
	})
#define OXBPF_SYSCALL_REG1(regs) &(regs)->di
#define OXBPF_SYSCALL_REG2(regs) &(regs)->si
#define OXBPF_SYSCALL_REG3(regs) &(regs)->dx
#define OXBPF_SYSCALL_REG4(regs) &(regs)->r10
#define OXBPF_SYSCALL_REG5(regs) &(regs)->r8

#endif
