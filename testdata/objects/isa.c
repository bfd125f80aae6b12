// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// One source for each instruction set level: compares of 32 bits (v3: jmp32 and alu32), sign extension, byte swaps and
// long jumps (v4), atomics (v3), otherwise what v1 has.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

__u64 counter;
int words[64];

SEC("socket")
int mixed(struct __sk_buff *skb)
{
	__u32 len = skb->len;
	__s8 narrow = (__s8)len;
	__s64 wide = narrow;
	__u32 quotient;

	if (len < 100)
		wide += 3;
	if ((__s32)len > 7)
		wide -= len;
	for (__u32 i = 0; i < 64; i++)
		wide += words[i] * (i + len);
	quotient = (__u32)wide / (len | 1);
	__sync_fetch_and_add(&counter, wide);
	return __builtin_bswap32(quotient) + __builtin_bswap16((__u16)len) % 5;
}

char LICENSE[] SEC("license") = "GPL";
