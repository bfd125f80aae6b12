/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Arguments of statically defined probes (USDT).
 *
 * A loader that attaches a program to such a probe writes down, for each place of the probe, where its
 * arguments are: a record in __bpf_usdt_specs. The record's number is the place's attach cookie; kernels
 * before 5.15 have no cookies, so there it is in __bpf_usdt_ip_to_spec_id under the address of the place.
 * The maps, their names and the bytes of a record are those of libbpf since 1.7, so that this works with
 * loaders that follow either.
 *
 * Include it after tracing.h. Define the sizes below first to have room for more places.
 */
#ifndef OXBPF_USDT_BPF_H
#define OXBPF_USDT_BPF_H

#include "tracing.h"

/* Sets of arguments of all probes that are attached to at a time. */
#ifndef BPF_USDT_MAX_SPEC_CNT
#define BPF_USDT_MAX_SPEC_CNT 256
#endif
/* Places of them, for kernels without cookies. */
#ifndef BPF_USDT_MAX_IP_CNT
#define BPF_USDT_MAX_IP_CNT (4 * BPF_USDT_MAX_SPEC_CNT)
#endif
#define BPF_USDT_MAX_ARG_CNT 12

#define OXBPF_HELPER_ATTACH_COOKIE 174
static __u64 (*const oxbpf_attach_cookie)(void *ctx) __unused = (__u64(*)(void *))OXBPF_HELPER_ATTACH_COOKIE;

enum {
	OXBPF_USDT_CONST,
	OXBPF_USDT_REG,
	OXBPF_USDT_MEM,
	OXBPF_USDT_INDEXED,
	OXBPF_ENOENT = 2,
	OXBPF_ESRCH = 3,
	OXBPF_EINVAL = 22,
};

/* The index register in 12 bits and its shift in 4 share a word, the first in the lower bits of a little-endian machine. */
struct oxbpf_usdt_arg {
	__u64 value; /* or bytes behind the register */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	__u8 form;
	__u8 unused;
	__u16 index;
	__u8 reserved;
#define OXBPF_USDT_INDEX(arg) ((arg)->index & 0xfff)
#define OXBPF_USDT_SHIFT(arg) ((arg)->index >> 12)
#else
	__u8 reserved;
	__u8 unused;
	__u16 index;
	__u8 form;
#define OXBPF_USDT_INDEX(arg) ((arg)->index >> 4)
#define OXBPF_USDT_SHIFT(arg) ((arg)->index & 15)
#endif
	__u8 unused2;
	__s16 reg;
	__u8 is_signed;
	__u8 bits_to_cut;
};

struct oxbpf_usdt_spec {
	struct oxbpf_usdt_arg args[BPF_USDT_MAX_ARG_CNT];
	__u64 cookie;
	__s16 arg_cnt;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BPF_USDT_MAX_SPEC_CNT);
	__type(key, int);
	__type(value, struct oxbpf_usdt_spec);
} __bpf_usdt_specs SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BPF_USDT_MAX_IP_CNT);
	__type(key, long);
	__type(value, __u32);
} __bpf_usdt_ip_to_spec_id SEC(".maps") __weak;

extern const _Bool LINUX_HAS_BPF_COOKIE __kconfig;

/* The record of the place that the program was called for. */
static __always_inline struct oxbpf_usdt_spec *oxbpf_usdt_spec(struct pt_regs *ctx)
{
	__u32 id;

	if (LINUX_HAS_BPF_COOKIE) {
		id = oxbpf_attach_cookie(ctx);
	} else {
		long ip = PT_REGS_IP(ctx);
		__u32 *found = bpf_map_lookup_elem(&__bpf_usdt_ip_to_spec_id, &ip);

		if (!found)
			return NULL;
		id = *found;
	}
	return bpf_map_lookup_elem(&__bpf_usdt_specs, &id);
}

/* Argument number arg_num of a record, from 0. */
static __always_inline struct oxbpf_usdt_arg *oxbpf_usdt_arg_of(struct oxbpf_usdt_spec *spec, __u64 arg_num)
{
	if (arg_num >= BPF_USDT_MAX_ARG_CNT)
		return NULL;
	/* The verifier has to see the check of the register that is the index. */
	barrier_var(arg_num);
	if (arg_num >= spec->arg_cnt)
		return NULL;
	return &spec->args[arg_num];
}

/* How many arguments the probe has, or -ESRCH. */
__weak __hidden int bpf_usdt_arg_cnt(struct pt_regs *ctx)
{
	struct oxbpf_usdt_spec *spec = oxbpf_usdt_spec(ctx);

	return spec ? spec->arg_cnt : -OXBPF_ESRCH;
}

/* Bytes of an argument, or -ESRCH, or -ENOENT if there are fewer arguments. */
static __always_inline int bpf_usdt_arg_size(struct pt_regs *ctx, __u64 arg_num)
{
	struct oxbpf_usdt_spec *spec = oxbpf_usdt_spec(ctx);
	struct oxbpf_usdt_arg *arg;

	if (!spec)
		return -OXBPF_ESRCH;
	arg = oxbpf_usdt_arg_of(spec, arg_num);
	return arg ? (64u - arg->bits_to_cut) / 8 : -OXBPF_ENOENT;
}

/* Reads an argument, extended to 64 bits, into *res. Gives 0, or an error with 0 in *res. */
__weak __hidden int bpf_usdt_arg(struct pt_regs *ctx, __u64 arg_num, long *res)
{
	struct oxbpf_usdt_spec *spec = oxbpf_usdt_spec(ctx);
	struct oxbpf_usdt_arg *arg;
	unsigned long word = 0, index = 0;
	__u8 cut;
	int err;

	*res = 0;
	if (!spec)
		return -OXBPF_ESRCH;
	arg = oxbpf_usdt_arg_of(spec, arg_num);
	if (!arg)
		return -OXBPF_ENOENT;
	if (arg->form > OXBPF_USDT_INDEXED)
		return -OXBPF_EINVAL;
	cut = arg->bits_to_cut;
	if (arg->form == OXBPF_USDT_CONST) {
		word = arg->value;
	} else {
		err = bpf_probe_read_kernel(&word, sizeof(word), (void *)ctx + arg->reg);
		if (err)
			return err;
	}
	if (arg->form == OXBPF_USDT_INDEXED) {
		err = bpf_probe_read_kernel(&index, sizeof(index), (void *)ctx + OXBPF_USDT_INDEX(arg));
		if (err)
			return err;
		word += index << OXBPF_USDT_SHIFT(arg);
	}
	if (arg->form >= OXBPF_USDT_MEM) {
		err = bpf_probe_read_user(&word, sizeof(word), (void *)(word + arg->value));
		if (err)
			return err;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		word >>= cut;
#endif
	}
	word <<= cut;
	*res = arg->is_signed ? (long)word >> cut : (long)(word >> cut);
	return 0;
}

/* What the program was attached with as the probe's cookie. */
__weak __hidden long bpf_usdt_cookie(struct pt_regs *ctx)
{
	struct oxbpf_usdt_spec *spec = oxbpf_usdt_spec(ctx);

	return spec ? spec->cookie : 0;
}

/*
 * int BPF_USDT(name, type arg, ...) { body }: the probe's arguments as parameters, as many as are declared. OXBPF_USDT_COUNT
 * gives their number: each pushes the numbers behind it one place to the right.
 */
#define OXBPF_USDT_COUNT_PICK(_0, _1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, n, ...) n
#define OXBPF_USDT_COUNT(args...) OXBPF_USDT_COUNT_PICK(0, ##args, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define OXBPF_USDT_GET(n) ({ long oxbpf_arg; bpf_usdt_arg(ctx, n, &oxbpf_arg); (void *)oxbpf_arg; })
#define OXBPF_USDT_ARGS0 ctx
#define OXBPF_USDT_ARGS1 OXBPF_USDT_ARGS0, OXBPF_USDT_GET(0)
#define OXBPF_USDT_ARGS2 OXBPF_USDT_ARGS1, OXBPF_USDT_GET(1)
#define OXBPF_USDT_ARGS3 OXBPF_USDT_ARGS2, OXBPF_USDT_GET(2)
#define OXBPF_USDT_ARGS4 OXBPF_USDT_ARGS3, OXBPF_USDT_GET(3)
#define OXBPF_USDT_ARGS5 OXBPF_USDT_ARGS4, OXBPF_USDT_GET(4)
#define OXBPF_USDT_ARGS6 OXBPF_USDT_ARGS5, OXBPF_USDT_GET(5)
#define OXBPF_USDT_ARGS7 OXBPF_USDT_ARGS6, OXBPF_USDT_GET(6)
#define OXBPF_USDT_ARGS8 OXBPF_USDT_ARGS7, OXBPF_USDT_GET(7)
#define OXBPF_USDT_ARGS9 OXBPF_USDT_ARGS8, OXBPF_USDT_GET(8)
#define OXBPF_USDT_ARGS10 OXBPF_USDT_ARGS9, OXBPF_USDT_GET(9)
#define OXBPF_USDT_ARGS11 OXBPF_USDT_ARGS10, OXBPF_USDT_GET(10)
#define OXBPF_USDT_ARGS12 OXBPF_USDT_ARGS11, OXBPF_USDT_GET(11)

#define BPF_USDT(name, args...)                                                               \
	name(struct pt_regs *ctx);                                                            \
	static __always_inline int name##_body(struct pt_regs *ctx, ##args);                  \
	int name(struct pt_regs *ctx)                                                         \
	{                                                                                     \
		_Pragma("GCC diagnostic push");                                               \
		_Pragma("GCC diagnostic ignored \"-Wint-conversion\"");                       \
		return name##_body(OXBPF_JOIN(OXBPF_USDT_ARGS, OXBPF_USDT_COUNT(args)));      \
		_Pragma("GCC diagnostic pop");                                                \
	}                                                                                     \
	static __always_inline int name##_body(struct pt_regs *ctx, ##args)

#endif
