// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// The other half of linked.o.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} own_map SEC(".maps");

int shared_variable = 77;
static int private_to_b = 2;

__weak __noinline int chosen(int x)
{
	volatile int second = x + 2;

	return second;
}

__noinline int shared_function(int x)
{
	volatile int result = x + private_to_b;

	return result;
}

SEC("socket")
int from_b(struct __sk_buff *skb)
{
	__u32 zero = 0;

	private_to_b++;
	return chosen(2) + (bpf_map_lookup_elem(&own_map, &zero) != NULL);
}

char LICENSE[] SEC("license") = "GPL";
