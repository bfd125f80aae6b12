// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// A jump table filled in by the object, one without entries, and one of the old form without values.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

int target_a(struct __sk_buff *skb);
int target_b(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct __sk_buff *));
} filled SEC(".maps") = {
	.values = { [0] = (void *)&target_a, [3] = (void *)&target_b },
};

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct __sk_buff *));
} unfilled SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} plain SEC(".maps");

SEC("socket")
int target_a(struct __sk_buff *skb)
{
	return 1;
}

SEC("socket")
int target_b(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &filled, 0);
	return 2;
}

SEC("socket")
int entry(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &filled, 3);
	bpf_tail_call(skb, &unfilled, 0);
	bpf_tail_call(skb, &plain, 0);
	return 3;
}

char LICENSE[] SEC("license") = "GPL";
