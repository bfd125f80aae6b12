// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// No initialised data, one large zero section: larger than a page, aligned to 64.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

__u8 large[20000] __aligned(64);
char small;

SEC("socket")
int touch(struct __sk_buff *skb)
{
	large[skb->len & 0x3fff] = small;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
