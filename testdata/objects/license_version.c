// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// The old sections besides the licence: a kernel version, and a licence that is not GPL.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

SEC("kprobe/do_sys_openat2")
int plain(struct pt_regs *ctx)
{
	return 0;
}

__u32 VERSION SEC("version") = (5 << 16) | (10 << 8) | 3;
char LICENSE[] SEC("license") = "Proprietary";
