// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// A hidden map: of no use to another object, and so as little supported as a static one.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} hidden SEC(".maps") __hidden;

SEC("socket")
int reader(struct __sk_buff *skb)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&hidden, &zero) != NULL;
}

char LICENSE[] SEC("license") = "GPL";
