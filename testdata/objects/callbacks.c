// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Sub-programs by address: a static callback, a global one, and one callback used by two programs.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
} numbers SEC(".maps");

static long add_value(void *map, __u32 *key, __u64 *value, __u64 *sum)
{
	*sum += *value;
	return 0;
}

static long add_index(__u32 index, __u64 *sum)
{
	*sum += index;
	return 0;
}

__noinline long global_callback(__u32 index, void *ctx)
{
	return index > 3;
}

SEC("xdp")
int sums(struct xdp_md *ctx)
{
	__u64 sum = 0;

	bpf_for_each_map_elem(&numbers, add_value, &sum, 0);
	bpf_loop(10, add_index, &sum, 0);
	return sum > 9 ? XDP_PASS : XDP_DROP;
}

SEC("tc")
int counts(struct __sk_buff *ctx)
{
	__u64 sum = 0;

	bpf_loop(ctx->len, add_index, &sum, 0);
	return sum & 1;
}

/* The kernel wants callbacks to be static; a loader makes no difference. */
SEC("?tc")
int refused(struct __sk_buff *ctx)
{
	return bpf_loop(4, global_callback, NULL, 0);
}

char LICENSE[] SEC("license") = "GPL";
