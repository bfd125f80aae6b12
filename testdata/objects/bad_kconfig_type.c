// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// A configuration extern of a type that configuration can't have.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

struct pair {
	int a, b;
};

extern struct pair CONFIG_PAIR __kconfig;

SEC("socket")
int reads_it(struct __sk_buff *skb)
{
	return CONFIG_PAIR.a;
}

char LICENSE[] SEC("license") = "GPL";
