// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * A walk through task_struct whenever a program starts: who, on whose behalf, with how much memory,
 * under which ancestors, and what this kernel can do. Every offset, size, number and question here is
 * answered when the program is loaded, so one object fits all kernels. Needs Linux 5.8.
 */
#include "vmlinux_min.h"
#include "filter.h"
#include <oxbpf/core.h>

#define ANCESTORS 3
#define PF_KTHREAD 0x00200000

enum task_kind {
	TASK_KERNEL_THREAD,
	TASK_PROCESS,
	TASK_THREAD,
};

struct ids {
	__u32 uid;
	__u32 gid;
};

struct memory {
	__u64 total_pages;
	__u64 argument_bytes;
	int mappings;
};

struct ancestor {
	int pid;
	char comm[COMM_LEN];
};

struct kernel_facts {
	__u32 ringbuf_map_type;
	__u32 task_struct_size;
	__u32 comm_size;
	bool has_bpf_loop;
	bool has_io_uring;
	bool has_no_such_struct;
	bool qstr_matches;
	/* Type ids: task_struct in the kernel's type information, the event in this object's. */
	__u32 task_struct_id;
	__u32 event_id;
};

struct event {
	int pid;
	int tgid;
	enum task_kind kind;
	char comm[COMM_LEN];
	__u64 state;
	struct ids real;
	struct ids effective;
	struct memory memory;
	bool reset_on_fork;
	bool in_iowait;
	__u32 depth;
	struct ancestor ancestors[ANCESTORS];
	struct kernel_facts kernel;
};

struct event *unused_event __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

static __always_inline enum task_kind kind_of(struct task_struct *task)
{
	if (BPF_CORE_READ(task, flags) & PF_KTHREAD)
		return TASK_KERNEL_THREAD;
	if (BPF_CORE_READ(task, group_leader) == task)
		return TASK_PROCESS;
	return TASK_THREAD;
}

/* The member was renamed, and got another type, in 5.14. */
static __always_inline __u64 state_of(struct task_struct *task)
{
	struct task_struct___before_5_14 *old = (void *)task;

	if (bpf_core_field_exists(task->__state))
		return BPF_CORE_READ(task, __state);
	return BPF_CORE_READ(old, state);
}

SEC("tp/sched/sched_process_exec")
int walk(void *ctx)
{
	struct task_struct *task, *parent;
	struct mm_struct *mm;
	struct event *e;

	if (!comm_wanted())
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return 0;
	__builtin_memset(e, 0, sizeof(*e));

	task = (struct task_struct *)bpf_get_current_task();
	e->pid = BPF_CORE_READ(task, pid);
	e->tgid = BPF_CORE_READ(task, tgid);
	e->kind = kind_of(task);
	BPF_CORE_READ_STR_INTO(&e->comm, task, comm);
	e->state = state_of(task);

	e->real.uid = BPF_CORE_READ(task, cred, uid.val);
	e->real.gid = BPF_CORE_READ(task, cred, gid.val);
	e->effective.uid = BPF_CORE_READ(task, cred, euid.val);
	e->effective.gid = BPF_CORE_READ(task, cred, egid.val);

	mm = BPF_CORE_READ(task, mm);
	if (mm) {
		e->memory.total_pages = BPF_CORE_READ(mm, total_vm);
		e->memory.argument_bytes = BPF_CORE_READ(mm, arg_end) - BPF_CORE_READ(mm, arg_start);
		e->memory.mappings = BPF_CORE_READ(mm, map_count);
	}

	e->reset_on_fork = BPF_CORE_READ_BITFIELD(task, sched_reset_on_fork);
	e->in_iowait = BPF_CORE_READ_BITFIELD(task, in_iowait);

	parent = task;
	for (int i = 0; i < ANCESTORS; i++) {
		struct task_struct *next = BPF_CORE_READ(parent, real_parent);

		/* The first task of all is its own parent. */
		if (!next || next == parent)
			break;
		parent = next;
		e->depth = i + 1;
		e->ancestors[i].pid = BPF_CORE_READ(parent, tgid);
		BPF_CORE_READ_STR_INTO(&e->ancestors[i].comm, parent, comm);
	}

	e->kernel.ringbuf_map_type = bpf_core_enum_value(enum bpf_map_type, BPF_MAP_TYPE_RINGBUF);
	e->kernel.task_struct_size = bpf_core_type_size(struct task_struct);
	e->kernel.comm_size = bpf_core_field_size(task->comm);
	e->kernel.has_bpf_loop = bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop);
	e->kernel.has_io_uring = bpf_core_type_exists(struct io_uring_task);
	e->kernel.has_no_such_struct = bpf_core_type_exists(struct oxbpf_no_such_struct);
	e->kernel.qstr_matches = bpf_core_type_matches(struct qstr);
	e->kernel.task_struct_id = bpf_core_type_id_kernel(struct task_struct);
	e->kernel.event_id = bpf_core_type_id_local(struct event);
	bpf_ringbuf_submit(e, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
