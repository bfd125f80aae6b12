// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// A program and a sub-program, without maps: nothing that needs BTF to be understood.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

__u64 seen = 1;
const volatile __u32 step = 2;

static __noinline __u64 advance(__u64 from)
{
	return from + step;
}

SEC("socket")
int count(struct __sk_buff *skb)
{
	seen = advance(seen);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
