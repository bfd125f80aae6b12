// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Static functions in .text, called from two sections, one calling another.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

__u64 total;

static __noinline int leaf(int x)
{
	__sync_fetch_and_add(&total, x);
	return x * 3;
}

static __noinline int inner(int x)
{
	return leaf(x) + leaf(x + 1);
}

static __noinline int never_called_by_second(int x)
{
	return inner(x) ^ 5;
}

SEC("xdp")
int one(struct xdp_md *ctx)
{
	return never_called_by_second(ctx->rx_queue_index) & XDP_PASS;
}

SEC("tc")
int two(struct __sk_buff *ctx)
{
	return inner(ctx->len);
}

char LICENSE[] SEC("license") = "GPL";
