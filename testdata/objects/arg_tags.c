// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Tags on the parameters of a global function: context, never null, maybe null.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

__noinline int takes_context(void *ctx __decl_tag("arg:ctx"))
{
	return bpf_get_smp_processor_id() + (ctx != NULL);
}

__noinline int takes_nonnull(__u64 *value __decl_tag("arg:nonnull"))
{
	return *value != 0;
}

__noinline int takes_nullable(struct task_struct *task __decl_tag("arg:trusted") __decl_tag("arg:nullable"))
{
	return task != NULL;
}

SEC("tp/sched/sched_process_exec")
int on_tracepoint(void *ctx)
{
	__u64 value = bpf_ktime_get_ns();

	return takes_context(ctx) + takes_nonnull(&value);
}

SEC("perf_event")
int on_sample(void *ctx)
{
	return takes_context(ctx);
}

SEC("?tp_btf/task_newtask")
int on_newtask(__u64 *ctx)
{
	return takes_nullable((struct task_struct *)ctx[0]);
}

char LICENSE[] SEC("license") = "GPL";
