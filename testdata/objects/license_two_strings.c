// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Two strings in section "license": the first one counts.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>


SEC("socket")
int plain(struct __sk_buff *skb)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL\0Proprietary";
