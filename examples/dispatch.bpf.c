// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * One program for each system call of interest, found by number in a jump table that the object
 * itself fills in (`values` of the prog array). A call without an entry falls through. The section
 * "raw_tp" without a name loads a program that is only ever jumped to. Needs Linux 5.8.
 */
#include "vmlinux_min.h"
#include "filter.h"

#define NR_EXIT_GROUP 231
#define NR_OPENAT 257

enum what {
	WHAT_OPEN = 1,
	WHAT_EXIT = 2,
};

struct event {
	enum what what;
	int pid;
	long argument;
	char text[64];
};

struct event *unused_event __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

__u64 passed_on, fell_through;

int on_openat(struct bpf_raw_tracepoint_args *ctx);
int on_exit_group(struct bpf_raw_tracepoint_args *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 512);
	__uint(key_size, sizeof(__u32));
	__array(values, int(void *));
} table SEC(".maps") = {
	.values = {
		[NR_OPENAT] = (void *)&on_openat,
		[NR_EXIT_GROUP] = (void *)&on_exit_group,
	},
};

/* The tracepoint's first word is the address of the registers at the time of the call. */
static __always_inline const struct pt_regs *regs_of(struct bpf_raw_tracepoint_args *ctx)
{
	return (const struct pt_regs *)ctx->args[0];
}

SEC("raw_tp")
int on_openat(struct bpf_raw_tracepoint_args *ctx)
{
	const struct pt_regs *regs = regs_of(ctx);
	unsigned long name = 0;
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e)
		return 0;
	bpf_probe_read_kernel(&name, sizeof(name), &regs->si);
	e->what = WHAT_OPEN;
	e->pid = (int)(bpf_get_current_pid_tgid() >> 32);
	e->argument = 0;
	bpf_probe_read_kernel(&e->argument, sizeof(e->argument), &regs->dx);
	e->text[0] = 0;
	bpf_probe_read_user_str(e->text, sizeof(e->text), (const void *)name);
	bpf_ringbuf_submit(e, 0);
	return 0;
}

SEC("raw_tp")
int on_exit_group(struct bpf_raw_tracepoint_args *ctx)
{
	const struct pt_regs *regs = regs_of(ctx);
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e)
		return 0;
	e->what = WHAT_EXIT;
	e->pid = (int)(bpf_get_current_pid_tgid() >> 32);
	e->argument = 0;
	bpf_probe_read_kernel(&e->argument, sizeof(e->argument), &regs->di);
	__builtin_memset(e->text, 0, sizeof(e->text));
	bpf_ringbuf_submit(e, 0);
	return 0;
}

SEC("raw_tp/sys_enter")
int sys_enter(struct bpf_raw_tracepoint_args *ctx)
{
	if (!comm_wanted())
		return 0;
	__sync_fetch_and_add(&passed_on, 1);
	bpf_tail_call(ctx, &table, (__u32)ctx->args[1]);
	__sync_fetch_and_add(&fell_through, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
