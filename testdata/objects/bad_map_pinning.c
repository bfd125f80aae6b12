// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// A way of pinning that does not exist.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(pinning, 9);
	__type(key, __u32);
	__type(value, __u32);
} pinned SEC(".maps");

SEC("socket")
int plain(struct __sk_buff *skb)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
