// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Structs of callbacks for the kernel: two that register at once, one through a link, one that is off
// until asked for, a callback that two of them share, and a constant name.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct sock;
struct tcp_sock;
struct ack_sample;
struct rate_sample;

struct tcp_congestion_ops {
	__u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	__u32 (*undo_cwnd)(struct sock *sk);
	void (*init)(struct sock *sk);
	char name[16];
	__u32 flags;
};
#pragma clang attribute pop

SEC("struct_ops/ssthresh")
__u32 ssthresh(__u64 *ctx)
{
	return 2;
}

SEC("struct_ops/cong_avoid")
void cong_avoid(__u64 *ctx)
{
}

SEC("struct_ops/undo_cwnd")
__u32 undo_cwnd(__u64 *ctx)
{
	return 10;
}

SEC("struct_ops.s/init")
void init_sleepable(__u64 *ctx)
{
}

SEC(".struct_ops")
struct tcp_congestion_ops at_once = {
	.ssthresh = (void *)ssthresh,
	.cong_avoid = (void *)cong_avoid,
	.undo_cwnd = (void *)undo_cwnd,
	.name = "oxbpf_once",
};

SEC(".struct_ops.link")
struct tcp_congestion_ops by_link = {
	.ssthresh = (void *)ssthresh,
	.cong_avoid = (void *)cong_avoid,
	.undo_cwnd = (void *)undo_cwnd,
	.init = (void *)init_sleepable,
	.name = "oxbpf_link",
	.flags = 1,
};

SEC("?.struct_ops.link")
struct tcp_congestion_ops off_by_default = {
	.ssthresh = (void *)ssthresh,
	.name = "oxbpf_off",
};

char LICENSE[] SEC("license") = "GPL";
