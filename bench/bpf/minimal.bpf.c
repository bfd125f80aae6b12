// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The least that a loader can be given: one tracepoint program that does nothing. */
__attribute__((section("tp/syscalls/sys_enter_getpid"), used)) int nothing(void *ctx)
{
	return 0;
}

char LICENSE[] __attribute__((section("license"), used)) = "Dual BSD/GPL";
