// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// A program, a map and a global, for the variants by compiler, byte order and debug information.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

__u64 seen = 1;
const volatile __u32 step = 2;

static __noinline __u64 advance(__u64 from)
{
	return from + step;
}

SEC("socket")
int count(struct __sk_buff *skb)
{
	__u32 key = skb->len;
	__u64 *value = bpf_map_lookup_elem(&counts, &key);

	seen = advance(seen);
	if (value)
		*value += 1;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
