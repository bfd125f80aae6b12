// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// An external variable that is neither configuration nor a kernel symbol.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

extern int defined_elsewhere;

SEC("socket")
int reads_it(struct __sk_buff *skb)
{
	return defined_elsewhere;
}

char LICENSE[] SEC("license") = "GPL";
