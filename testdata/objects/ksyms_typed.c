// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Kernel variables with a type: per-CPU ones, a plain one, and a weak one that does not exist.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

struct rq {
	int cpu;
} __attribute__((preserve_access_index));

extern const struct rq runqueues __ksym;
extern const int bpf_prog_active __ksym;
extern const int oxbpf_no_such_variable __ksym __weak;

static void *(*const bpf_per_cpu_ptr)(const void *percpu, __u32 cpu) __unused = (void *)153;
static void *(*const bpf_this_cpu_ptr)(const void *percpu) __unused = (void *)154;

int results[3];

SEC("raw_tp/sys_enter")
int read_variables(void *ctx)
{
	struct rq *rq = bpf_per_cpu_ptr(&runqueues, bpf_get_smp_processor_id());

	if (rq)
		results[0] = rq->cpu;
	results[1] = *(int *)bpf_this_cpu_ptr(&bpf_prog_active);
	if (&oxbpf_no_such_variable)
		results[2] = 1;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
