// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Which programs are started, by whom, and how they end: through a perf buffer, so that it also runs
 * where there is no ring buffer yet. Needs Linux 5.5 with type information.
 */
#include "vmlinux_min.h"
#include "filter.h"
#include <oxbpf/core.h>

#define NAME_LEN 128

enum event_kind {
	EVENT_EXEC = 1,
	EVENT_EXIT = 2,
};

struct event {
	enum event_kind kind;
	int pid;
	int ppid;
	__u32 uid;
	int exit_code;
	char comm[COMM_LEN];
	char filename[NAME_LEN];
};

struct event *unused_event __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} events SEC(".maps");

static __always_inline void fill(struct event *e, enum event_kind kind)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	e->kind = kind;
	e->pid = (int)(bpf_get_current_pid_tgid() >> 32);
	e->ppid = BPF_CORE_READ(task, real_parent, tgid);
	e->uid = (__u32)bpf_get_current_uid_gid();
	bpf_get_current_comm(e->comm, sizeof(e->comm));
}

SEC("tp/sched/sched_process_exec")
int on_exec(struct trace_event_raw_sched_process_exec *ctx)
{
	struct event e = {};
	/* Lower half: where the text starts, from the start of the record; upper half: its length. */
	__u32 where = ctx->__data_loc_filename;

	if (!comm_wanted())
		return 0;
	fill(&e, EVENT_EXEC);
	bpf_probe_read_kernel_str(e.filename, sizeof(e.filename), (void *)ctx + (where & 0xffff));
	bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &e, sizeof(e));
	return 0;
}

SEC("tp/sched/sched_process_exit")
int on_exit(void *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	__u64 id = bpf_get_current_pid_tgid();
	struct event e = {};

	/* Each thread ends; the process ends with its leader. */
	if ((__u32)id != id >> 32 || !comm_wanted())
		return 0;
	fill(&e, EVENT_EXIT);
	e.exit_code = BPF_CORE_READ(task, exit_code) >> 8;
	bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &e, sizeof(e));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
