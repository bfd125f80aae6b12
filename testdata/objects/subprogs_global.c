// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Global functions: called across sections, weak, hidden, and one that takes a pointer to memory.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

struct pair {
	int a, b;
};

__noinline int global_sum(struct pair *pair)
{
	return pair ? pair->a + pair->b : 0;
}

__weak __noinline int weak_double(int x)
{
	volatile int twice = x * 2;

	return twice;
}

__hidden __noinline int hidden_negate(int x)
{
	volatile int less = -x;

	return less;
}

__weak __hidden __noinline int weak_hidden(int x)
{
	volatile int same = x;

	return hidden_negate(same);
}

SEC("raw_tp/sys_enter")
int caller(struct bpf_raw_tracepoint_args *ctx)
{
	struct pair pair = { (int)ctx->args[0], (int)ctx->args[1] };

	return global_sum(&pair) + weak_double(pair.a) + weak_hidden(pair.b);
}

SEC("raw_tp/sys_exit")
int other_caller(struct bpf_raw_tracepoint_args *ctx)
{
	return weak_double((int)ctx->args[1]);
}

char LICENSE[] SEC("license") = "GPL";
