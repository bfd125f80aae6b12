// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// A map with a key that no loader knows.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
	__uint(colour, 3);
} odd SEC(".maps");

SEC("socket")
int plain(struct __sk_buff *skb)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
