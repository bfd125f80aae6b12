// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// What only v4 has: signed division, sign-extending loads and moves, byte swap without a condition, an unconditional
// jump with a 32-bit distance; and the atomics of v3 that give back the old value.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

__s64 number = -5;
__u64 word, old;
__s16 halves[8];

SEC("socket")
int level4(struct __sk_buff *skb)
{
	__s64 divisor = (__s64)skb->len - 9;
	__s64 sum = halves[skb->len & 7];

	sum += number / (divisor ? divisor : 1);
	sum += number % (divisor ? divisor : 1);
	sum += (__s8)skb->mark;
	old = __sync_lock_test_and_set(&word, sum);
	old += __sync_val_compare_and_swap(&word, sum, 1);
	old += __sync_fetch_and_or(&word, 2);
	old += __sync_fetch_and_and(&word, 6);
	old += __sync_fetch_and_xor(&word, 5);
	asm volatile("gotol +0" ::: "memory");
	return __builtin_bswap64(sum) >> 32;
}

char LICENSE[] SEC("license") = "GPL";
