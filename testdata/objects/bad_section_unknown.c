// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// A section that says nothing about the program's type. Opening works; loading needs a type to be set.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

SEC("no_such_section/x")
int lost(void *ctx)
{
	return 0;
}

SEC("socket")
int plain(struct __sk_buff *skb)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
