/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Reading kernel structures whose layout is only known when the program is loaded.
 *
 * Each compiler builtin below leaves a constant and a record of the question behind it ("offset of
 * task_struct::mm"); the loader answers it from the kernel's type information and patches the
 * constant. The numbers are the question kinds of the BPF target of the compiler.
 */
#ifndef OXBPF_CORE_H
#define OXBPF_CORE_H

#include "helpers.h"

enum {
	OXBPF_FIELD_BYTE_OFFSET,
	OXBPF_FIELD_BYTE_SIZE,
	OXBPF_FIELD_EXISTS,
	OXBPF_FIELD_SIGNED,
	OXBPF_FIELD_LSHIFT,
	OXBPF_FIELD_RSHIFT,
};

#define bpf_core_field_exists(access) __builtin_preserve_field_info(access, OXBPF_FIELD_EXISTS)
#define bpf_core_field_size(access) __builtin_preserve_field_info(access, OXBPF_FIELD_BYTE_SIZE)
#define bpf_core_field_offset(access) __builtin_preserve_field_info(access, OXBPF_FIELD_BYTE_OFFSET)

#define bpf_core_type_exists(type) __builtin_preserve_type_info(*(typeof(type) *)0, 0)
#define bpf_core_type_size(type) __builtin_preserve_type_info(*(typeof(type) *)0, 1)
#define bpf_core_type_matches(type) __builtin_preserve_type_info(*(typeof(type) *)0, 2)
#define bpf_core_type_id_local(type) __builtin_btf_type_id(*(typeof(type) *)0, 0)
#define bpf_core_type_id_kernel(type) __builtin_btf_type_id(*(typeof(type) *)0, 1)

#define bpf_core_enum_value_exists(type, value) __builtin_preserve_enum_value(*(typeof(type) *)value, 0)
#define bpf_core_enum_value(type, value) __builtin_preserve_enum_value(*(typeof(type) *)value, 1)

/* BPF_CORE_READ(task, real_parent, tgid) gives task->real_parent->tgid; 0 where a pointer is bad. */
#define BPF_CORE_READ(src, path...) OXBPF_JOIN(OXBPF_GET, OXBPF_STEPS(path))(src, path)
#define OXBPF_STEPS_PICK(_5, _4, _3, _2, _1, n, ...) n
#define OXBPF_STEPS(path...) OXBPF_STEPS_PICK(path, 5, 4, 3, 2, 1)
#define OXBPF_GET1(p, a)                                                                      \
	({                                                                                    \
		__auto_type oxbpf_p = (p);                                                    \
		__typeof_unqual__(oxbpf_p->a) oxbpf_v;                                        \
		bpf_probe_read_kernel(&oxbpf_v, sizeof(oxbpf_v),                              \
				      (const void *)__builtin_preserve_access_index(&oxbpf_p->a)); \
		oxbpf_v;                                                                      \
	})
#define OXBPF_GET2(p, a, b) OXBPF_GET1(OXBPF_GET1(p, a), b)
#define OXBPF_GET3(p, a, b, c) OXBPF_GET1(OXBPF_GET2(p, a, b), c)
#define OXBPF_GET4(p, a, b, c, d) OXBPF_GET1(OXBPF_GET3(p, a, b, c), d)
#define OXBPF_GET5(p, a, b, c, d, e) OXBPF_GET1(OXBPF_GET4(p, a, b, c, d), e)

/* Copies an array member, or the string that it holds, into memory of the caller's. */
#define BPF_CORE_READ_INTO(dst, p, a) \
	bpf_probe_read_kernel(dst, sizeof(*(dst)), __builtin_preserve_access_index(&(p)->a))
#define BPF_CORE_READ_STR_INTO(dst, p, a) \
	bpf_probe_read_kernel_str(dst, sizeof(*(dst)), __builtin_preserve_access_index(&(p)->a))

/*
 * A bit-field: fetch the bytes that hold it, push it to the top of a word, then back to the
 * bottom, which also extends its sign. Little-endian: the bytes land at the low end of the word.
 */
#define BPF_CORE_READ_BITFIELD(p, a)                                                          \
	({                                                                                    \
		__u64 oxbpf_bits = 0;                                                         \
		bpf_probe_read_kernel(&oxbpf_bits,                                            \
				      __builtin_preserve_field_info((p)->a, OXBPF_FIELD_BYTE_SIZE), \
				      (const void *)(p) +                                     \
				      __builtin_preserve_field_info((p)->a, OXBPF_FIELD_BYTE_OFFSET)); \
		oxbpf_bits <<= __builtin_preserve_field_info((p)->a, OXBPF_FIELD_LSHIFT);     \
		if (__builtin_preserve_field_info((p)->a, OXBPF_FIELD_SIGNED))                \
			oxbpf_bits = (__s64)oxbpf_bits >>                                     \
				     __builtin_preserve_field_info((p)->a, OXBPF_FIELD_RSHIFT); \
		else                                                                          \
			oxbpf_bits >>= __builtin_preserve_field_info((p)->a, OXBPF_FIELD_RSHIFT); \
		oxbpf_bits;                                                                   \
	})

#endif
