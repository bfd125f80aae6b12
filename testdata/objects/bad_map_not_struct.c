// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// A plain number in the section of maps.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

int number SEC(".maps") = 3;

SEC("socket")
int plain(struct __sk_buff *skb)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
