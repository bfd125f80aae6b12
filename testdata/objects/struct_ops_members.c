// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// A struct of callbacks with members that no kernel has, at its end and in between, under a flavoured name; two
// variables that can take each other's place; one that fits only once it is changed.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct sock;

struct tcp_congestion_ops___next {
	char name[16];
	int no_such_number;
	__u32 (*ssthresh)(struct sock *sk);
	void (*no_such_callback)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	__u32 (*undo_cwnd)(struct sock *sk);
	__u32 flags;
	__u64 no_such_tail[];
};
#pragma clang attribute pop

SEC("struct_ops")
__u32 half(__u64 *ctx)
{
	return 2;
}

SEC("struct_ops")
__u32 third(__u64 *ctx)
{
	return 3;
}

SEC("struct_ops")
void avoid(__u64 *ctx)
{
}

SEC("struct_ops")
__u32 undo(__u64 *ctx)
{
	return 10;
}

SEC("struct_ops")
void future(__u64 *ctx)
{
}

SEC(".struct_ops.link")
struct tcp_congestion_ops___next first = {
	.ssthresh = (void *)half,
	.cong_avoid = (void *)avoid,
	.undo_cwnd = (void *)undo,
	.name = "oxbpf_next",
};

SEC(".struct_ops.link")
struct tcp_congestion_ops___next second = {
	.ssthresh = (void *)third,
	.cong_avoid = (void *)avoid,
	.undo_cwnd = (void *)undo,
	.name = "oxbpf_next",
};

SEC("?.struct_ops.link")
struct tcp_congestion_ops___next ahead = {
	.ssthresh = (void *)half,
	.no_such_callback = (void *)future,
	.cong_avoid = (void *)avoid,
	.undo_cwnd = (void *)undo,
	.no_such_number = 7,
	.name = "oxbpf_ahead",
};

char LICENSE[] SEC("license") = "GPL";
