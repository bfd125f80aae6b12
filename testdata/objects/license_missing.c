// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// No licence: a loader takes it as none, and functions for GPL programs are refused.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

SEC("socket")
int plain(struct __sk_buff *skb)
{
	return 0;
}
