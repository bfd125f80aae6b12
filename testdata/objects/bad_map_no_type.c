// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// A map without a type.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

struct {
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} typeless SEC(".maps");

SEC("socket")
int plain(struct __sk_buff *skb)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
