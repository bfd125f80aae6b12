// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Kernel functions called by name: strong, weak, of another flavour, and one that does not exist.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

extern struct task_struct *bpf_task_from_pid(__s32 pid) __ksym;
extern void bpf_task_release(struct task_struct *task) __ksym;
extern struct task_struct *bpf_task_acquire___new(struct task_struct *task) __ksym __weak;
extern int oxbpf_no_such_function(int x) __ksym __weak;

int found;

SEC("tp_btf/task_newtask")
int lookup(__u64 *ctx)
{
	struct task_struct *task = bpf_task_from_pid(1);

	if (task) {
		found = task->pid;
		bpf_task_release(task);
	}
	if (oxbpf_no_such_function)
		found += oxbpf_no_such_function(1);
	if (bpf_task_acquire___new)
		found += 100;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
