// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// `values` on a map whose type has none.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__array(values, struct inner);
} plain_array SEC(".maps");

SEC("socket")
int plain(struct __sk_buff *skb)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
