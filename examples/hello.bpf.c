// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The smallest useful program: a line in the trace log for each program that a process starts.
 * Needs Linux 4.17 or later (a tracepoint and bpf_trace_printk).
 */
#include "vmlinux_min.h"
#include "filter.h"

SEC("tp/sched/sched_process_exec")
int hello(void *ctx)
{
	char comm[COMM_LEN] = {};

	if (!comm_wanted())
		return 0;
	bpf_get_current_comm(comm, sizeof(comm));
	bpf_printk("hello, %s (pid %d)", comm, (int)(bpf_get_current_pid_tgid() >> 32));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
