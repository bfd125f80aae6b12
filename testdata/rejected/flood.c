// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Not rejected: more events than anyone can read, some of them of bytes that are no text.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct event {
	__u64 number;
	char text[16];
	double ratio;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

const struct event *unused __attribute__((unused));

const volatile __u32 each = 16;
const volatile char comm[16] = "";
__u64 number;
__u64 dropped;

static int is_wanted(void)
{
	char name[16] = {};

	bpf_get_current_comm(name, sizeof(name));
	for (int i = 0; i < 16; i++) {
		if (name[i] != comm[i])
			return 0;
		if (!name[i])
			break;
	}
	return 1;
}

SEC("raw_tp/sys_enter")
int flood(void *ctx)
{
	if (!is_wanted())
		return 0;
	for (__u32 i = 0; i < each && i < 256; i++) {
		struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
		__u64 n = __sync_fetch_and_add(&number, 1);

		if (!event) {
			__sync_fetch_and_add(&dropped, 1);
			continue;
		}
		event->number = n;
		for (int j = 0; j < 16; j++)
			event->text[j] = (n * 37 + j * 11) | 1;
		*(__u64 *)&event->ratio = n << 48;
		bpf_ringbuf_submit(event, 0);
	}
	return 0;
}
