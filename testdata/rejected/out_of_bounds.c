// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// An index that nothing bounds goes past the end of an array.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

char LICENSE[] SEC("license") = "GPL";

__u64 slots[4];

SEC("raw_tp/sys_enter")
int out_of_bounds(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 nr = ctx->args[1];

	slots[nr + 100000]++;
	return 0;
}
