// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// The packet load instructions that only old programs use (LD_ABS, LD_IND).
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

__u64 load_byte(void *skb, __u64 offset) asm("llvm.bpf.load.byte");
__u64 load_half(void *skb, __u64 offset) asm("llvm.bpf.load.half");
__u64 load_word(void *skb, __u64 offset) asm("llvm.bpf.load.word");

SEC("socket")
int loads(struct __sk_buff *skb)
{
	__u64 where = 14 + (load_byte(skb, 14) & 15) * 4;

	return load_half(skb, 12) + load_word(skb, where);
}

char LICENSE[] SEC("license") = "GPL";
