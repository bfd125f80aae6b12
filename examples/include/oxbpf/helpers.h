/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * What a BPF program needs before it can say anything: section names, map
 * declarations, and the calls into the kernel that these examples make.
 *
 * Include it after vmlinux_min.h, which supplies the __u8…__u64 types.
 */
#ifndef OXBPF_HELPERS_H
#define OXBPF_HELPERS_H

/* Where a program or a variable goes in the object file; the name is what a loader reads. */
#ifdef __clang__
/* A declaration of what another file defines may be in a section too, where `used` means nothing. */
#define SEC(name)                                                                              \
	_Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wignored-attributes\"") \
		__attribute__((section(name), used)) _Pragma("GCC diagnostic pop")
#else
#define SEC(name) __attribute__((section(name), used))
#endif

#define __always_inline inline __attribute__((always_inline))
#define __noinline __attribute__((noinline))
#define __weak __attribute__((weak))
#define __hidden __attribute__((visibility("hidden")))
#define __unused __attribute__((unused))
#define __aligned(n) __attribute__((aligned(n)))
#define __packed __attribute__((packed))

/* Externs that the loader fills in: the kernel's configuration and its symbols. */
#define __kconfig __attribute__((section(".kconfig")))
#define __ksym __attribute__((section(".ksyms")))

/* A tag that stays in the type information, on a declaration or on a type. */
#define __decl_tag(text) __attribute__((btf_decl_tag(text)))
#define __type_tag(text) __attribute__((btf_type_tag(text)))

/*
 * A map is a struct variable in section .maps whose members are never stored to: a number is kept
 * as the length of an array type, a type as what a pointer points at. __ulong is for numbers that do not fit
 * an array length; it keeps them as the value of an enumerator.
 */
#define __uint(key, number) int(*key)[number]
#define __type(key, type) typeof(type) *key
#define __array(key, type) typeof(type) *key[]
#define OXBPF_JOIN2(a, b) a##b
#define OXBPF_JOIN(a, b) OXBPF_JOIN2(a, b)
#define __ulong(key, number) \
	enum { OXBPF_JOIN(oxbpf_ulong_, __LINE__) = number } key

#ifndef NULL
#define NULL ((void *)0)
#endif
#ifndef offsetof
#define offsetof(type, member) __builtin_offsetof(type, member)
#endif
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Keeps the compiler from assuming anything about the variable past this point. */
#define barrier_var(var) asm volatile("" : "+r"(var))

#define bpf_htons(x) __builtin_bswap16(x)
#define bpf_ntohs(x) __builtin_bswap16(x)
#define bpf_htonl(x) __builtin_bswap32(x)
#define bpf_ntohl(x) __builtin_bswap32(x)

/* Values of enum libbpf_pin_type and libbpf_tristate as the object format uses them. */
enum { OXBPF_PIN_NONE, OXBPF_PIN_BY_NAME };
enum libbpf_tristate { TRI_NO, TRI_YES, TRI_MODULE };

/*
 * Helper calls. A call instruction carries the helper's number, so each is a constant function
 * pointer whose "address" is that number; at -O2 the pointer folds away.
 */
#define OXBPF_HELPER(id, ret, name, ...) \
	static ret (*const name)(__VA_ARGS__) __unused = (ret(*)(__VA_ARGS__))(id)

OXBPF_HELPER(1, void *, bpf_map_lookup_elem, void *map, const void *key);
OXBPF_HELPER(2, long, bpf_map_update_elem, void *map, const void *key, const void *value, __u64 flags);
OXBPF_HELPER(3, long, bpf_map_delete_elem, void *map, const void *key);
OXBPF_HELPER(4, long, bpf_probe_read, void *dst, __u32 size, const void *from);
OXBPF_HELPER(5, __u64, bpf_ktime_get_ns, void);
OXBPF_HELPER(7, __u32, bpf_get_prandom_u32, void);
OXBPF_HELPER(8, __u32, bpf_get_smp_processor_id, void);
OXBPF_HELPER(12, long, bpf_tail_call, void *ctx, void *prog_array, __u32 index);
OXBPF_HELPER(14, __u64, bpf_get_current_pid_tgid, void);
OXBPF_HELPER(15, __u64, bpf_get_current_uid_gid, void);
OXBPF_HELPER(16, long, bpf_get_current_comm, void *buf, __u32 size);
OXBPF_HELPER(25, long, bpf_perf_event_output, void *ctx, void *map, __u64 flags, void *data, __u64 size);
OXBPF_HELPER(26, long, bpf_skb_load_bytes, const void *skb, __u32 offset, void *to, __u32 len);
OXBPF_HELPER(27, long, bpf_get_stackid, void *ctx, void *map, __u64 flags);
OXBPF_HELPER(35, __u64, bpf_get_current_task, void);
OXBPF_HELPER(67, long, bpf_get_stack, void *ctx, void *buf, __u32 size, __u64 flags);
OXBPF_HELPER(112, long, bpf_probe_read_user, void *dst, __u32 size, const void *from);
OXBPF_HELPER(113, long, bpf_probe_read_kernel, void *dst, __u32 size, const void *from);
OXBPF_HELPER(114, long, bpf_probe_read_user_str, void *dst, __u32 size, const void *from);
OXBPF_HELPER(115, long, bpf_probe_read_kernel_str, void *dst, __u32 size, const void *from);
OXBPF_HELPER(126, long, bpf_seq_printf, struct seq_file *m, const char *fmt, __u32 fmt_size, const void *data,
	     __u32 data_len);
OXBPF_HELPER(130, long, bpf_ringbuf_output, void *ringbuf, void *data, __u64 size, __u64 flags);
OXBPF_HELPER(131, void *, bpf_ringbuf_reserve, void *ringbuf, __u64 size, __u64 flags);
OXBPF_HELPER(132, void, bpf_ringbuf_submit, void *data, __u64 flags);
OXBPF_HELPER(133, void, bpf_ringbuf_discard, void *data, __u64 flags);
OXBPF_HELPER(164, long, bpf_for_each_map_elem, void *map, void *callback, void *callback_ctx, __u64 flags);
OXBPF_HELPER(181, long, bpf_loop, __u32 nr_loops, void *callback, void *callback_ctx, __u64 flags);
struct bpf_dynptr;
OXBPF_HELPER(201, long, bpf_dynptr_read, void *dst, __u64 len, const struct bpf_dynptr *src, __u64 offset, __u64 flags);
OXBPF_HELPER(209, long, bpf_user_ringbuf_drain, void *map, void *callback, void *ctx, __u64 flags);

/* Takes a format and up to three values; variadic, so it has a line of its own. */
static long (*const bpf_trace_printk)(const char *fmt, __u32 fmt_size, ...) __unused =
	(long (*)(const char *, __u32, ...))6;

/* The format must be in memory that the kernel can read with a known length: .rodata. */
#define bpf_printk(fmt, args...)                                             \
	({                                                                   \
		static const char oxbpf_fmt[] = fmt;                         \
		bpf_trace_printk(oxbpf_fmt, sizeof(oxbpf_fmt), ##args);      \
	})

/*
 * Hands the values to bpf_seq_printf as the array of 64-bit words that it takes. OXBPF_COUNT gives
 * the number of values: each pushes the numbers behind it one place to the right.
 */
#define BPF_SEQ_PRINTF(seq, fmt, args...)                                                     \
	({                                                                                    \
		static const char oxbpf_fmt[] = fmt;                                          \
		__u64 oxbpf_args[] = { OXBPF_JOIN(OXBPF_WORDS, OXBPF_COUNT(args))(args) };    \
		bpf_seq_printf(seq, oxbpf_fmt, sizeof(oxbpf_fmt), oxbpf_args, sizeof(oxbpf_args)); \
	})
#define OXBPF_COUNT(args...) OXBPF_COUNT_PICK(0, ##args, 6, 5, 4, 3, 2, 1, 0)
#define OXBPF_COUNT_PICK(_0, _1, _2, _3, _4, _5, _6, n, ...) n
#define OXBPF_WORDS0()
#define OXBPF_WORDS1(a) (__u64)(a)
#define OXBPF_WORDS2(a, b...) (__u64)(a), OXBPF_WORDS1(b)
#define OXBPF_WORDS3(a, b...) (__u64)(a), OXBPF_WORDS2(b)
#define OXBPF_WORDS4(a, b...) (__u64)(a), OXBPF_WORDS3(b)
#define OXBPF_WORDS5(a, b...) (__u64)(a), OXBPF_WORDS4(b)
#define OXBPF_WORDS6(a, b...) (__u64)(a), OXBPF_WORDS5(b)

/* Numbers from the kernel's ABI that are macros there, so that no type information has them. */
#define BPF_ANY 0
#define BPF_NOEXIST 1
#define BPF_EXIST 2
#define BPF_F_CURRENT_CPU 0xffffffffULL
#define BPF_F_USER_STACK (1ULL << 8)

#endif
