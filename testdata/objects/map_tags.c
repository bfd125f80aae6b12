// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Tags that a loader or a reader may act on: a map that names its event, kernel pointers in a value.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

struct event {
	int pid;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps") __decl_tag("event:event");

struct event *unused_event __attribute__((unused));

struct holder {
	struct task_struct __type_tag("kptr") *task;
	struct task_struct __type_tag("kptr_untrusted") *guess;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct holder);
} holders SEC(".maps");

SEC("raw_tp/sys_enter")
int send(void *ctx)
{
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (e) {
		e->pid = 1;
		bpf_ringbuf_submit(e, 0);
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
