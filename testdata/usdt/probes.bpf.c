// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Writes down what it sees of the probes of `target`: one entry a program. */
#include "vmlinux_min.h"
#include <oxbpf/usdt.bpf.h>

struct seen {
	__s64 hits;
	__s64 cookie;
	__s64 count;
	__s64 sum;
	__s64 args[BPF_USDT_MAX_ARG_CNT];
	__s64 sizes[BPF_USDT_MAX_ARG_CNT];
	__s64 beyond;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct seen);
} seen SEC(".maps");

static __always_inline struct seen *hit(__u32 program)
{
	struct seen *s = bpf_map_lookup_elem(&seen, &program);

	if (s)
		s->hits++;
	return s;
}

SEC("usdt")
int all(struct pt_regs *ctx)
{
	struct seen *s = hit(0);
	long value;

	if (!s)
		return 0;
	s->cookie = bpf_usdt_cookie(ctx);
	s->count = bpf_usdt_arg_cnt(ctx);
#pragma unroll
	for (int i = 0; i < BPF_USDT_MAX_ARG_CNT; i++) {
		s->sizes[i] = bpf_usdt_arg_size(ctx, i);
		if (!bpf_usdt_arg(ctx, i, &value))
			s->args[i] = value;
	}
	s->beyond = bpf_usdt_arg(ctx, BPF_USDT_MAX_ARG_CNT, &value);
	return 0;
}

SEC("usdt")
int BPF_USDT(first, int value)
{
	struct seen *s = hit(1);

	if (s) {
		s->cookie = bpf_usdt_cookie(ctx);
		s->sum += value;
	}
	return 0;
}

SEC("usdt")
int BPF_USDT(second, long value)
{
	struct seen *s = hit(2);

	if (s) {
		s->cookie = bpf_usdt_cookie(ctx);
		s->sum += value;
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
