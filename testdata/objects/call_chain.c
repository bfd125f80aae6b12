// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Eight functions deep, as many as the kernel allows, each with its own stack.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

#define LEVEL(n, next)                                                                        \
	static __noinline int level##n(int x)                                                 \
	{                                                                                     \
		volatile int local[4] = { x, x + n };                                         \
                                                                                              \
		return next(local[1]) + local[0];                                             \
	}

static __noinline int bottom(int x)
{
	volatile int local = x;

	return local;
}

LEVEL(6, bottom)
LEVEL(5, level6)
LEVEL(4, level5)
LEVEL(3, level4)
LEVEL(2, level3)
LEVEL(1, level2)

SEC("socket")
int top(struct __sk_buff *skb)
{
	return level1(skb->len);
}

char LICENSE[] SEC("license") = "GPL";
