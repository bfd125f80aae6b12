// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// A call to a function of another object: it must be linked first.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

extern int defined_elsewhere(int x);

SEC("socket")
int calls_it(struct __sk_buff *skb)
{
	return defined_elsewhere(skb->len);
}

char LICENSE[] SEC("license") = "GPL";
