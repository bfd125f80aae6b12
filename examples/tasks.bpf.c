// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * All tasks, as text: the kernel calls the program for each, and what it prints is what a reader of
 * the iterator reads. Needs Linux 5.8 with type information.
 */
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

SEC("iter/task")
int dump_task(struct bpf_iter__task *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;

	/* The call after the last task, with none. */
	if (!task)
		return 0;
	if (ctx->meta->seq_num == 0)
		BPF_SEQ_PRINTF(seq, "    tgid      pid     ppid comm\n");
	BPF_SEQ_PRINTF(seq, "%8d %8d %8d %s\n", task->tgid, task->pid, task->real_parent->tgid,
		       (unsigned long)task->comm);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
