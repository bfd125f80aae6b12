// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// One half of linked.o: calls a function, reads a variable and uses a map that the other half has.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

extern int shared_function(int x);
extern int shared_variable;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} shared_map SEC(".maps");

static int private_to_a = 1;

__weak __noinline int chosen(int x)
{
	volatile int first = x + 1;

	return first;
}

SEC("socket")
int from_a(struct __sk_buff *skb)
{
	__u32 zero = 0;

	return shared_function(skb->len) + shared_variable + private_to_a++ + chosen(1) +
	       (bpf_map_lookup_elem(&shared_map, &zero) != NULL);
}

char LICENSE[] SEC("license") = "GPL";
