// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Indirect jumps: tables of a program, of a static function that two programs call, and one that a function has for itself.
// Needs clang 22 and -mcpu=v4.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

// Keeps a case from becoming a row of a table of values.
#define KEEP(n) asm volatile("" :: "i"(n) : "memory")

int seen;

static __attribute__((noinline)) int shared(int x)
{
	switch (x) {
	case 0: KEEP(1); seen = 10; return 10;
	case 1: KEEP(2); seen = 17; return 7;
	case 2: KEEP(3); seen = 99; return 99;
	case 3: KEEP(4); seen = 33; return 3;
	case 4: KEEP(5); seen = 42; return 42;
	case 5: KEEP(6); seen = 15; return 17;
	case 6: KEEP(7); seen = 26; return 28;
	default: KEEP(8); return 6;
	}
}

SEC("syscall")
int jump(int *ctx)
{
	int x = *ctx;
	int r;

	switch (x) {
	case 0: KEEP(9); r = 2; break;
	case 1: KEEP(10); r = 3; break;
	case 2: KEEP(11); r = 5; break;
	case 3: KEEP(12); r = 7; break;
	case 4: KEEP(13); r = 19; break;
	case 5: KEEP(14); r = 23; break;
	case 6: KEEP(15); r = 27; break;
	default: KEEP(16); r = 9; break;
	}
	return r * 1000 + shared(x);
}

SEC("syscall")
int jump_twice(int *ctx)
{
	return shared(*ctx) * 1000 + shared(6 - *ctx);
}

char LICENSE[] SEC("license") = "GPL";
