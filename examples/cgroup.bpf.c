// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Connections that the processes of a cgroup make, with one port refused, and the packets that they
 * send. Needs Linux 5.8, `--cgroup PATH`; a real kernel only.
 */
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

/* In the byte order of the machine; 0 refuses none. */
const volatile __u16 deny_port = 0;

struct event {
	__u32 protocol;
	__be32 daddr;
	__u16 dport;
	bool allowed;
};

struct event *unused_event __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

struct traffic {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct traffic);
} sent SEC(".maps");

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	__u16 port = bpf_ntohs((__u16)ctx->user_port);
	bool allowed = !deny_port || port != deny_port;
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (e) {
		e->protocol = ctx->protocol;
		e->daddr = ctx->user_ip4;
		e->dport = port;
		e->allowed = allowed;
		bpf_ringbuf_submit(e, 0);
	}
	return allowed;
}

SEC("cgroup_skb/egress")
int egress(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct traffic *traffic = bpf_map_lookup_elem(&sent, &zero);

	if (traffic) {
		__sync_fetch_and_add(&traffic->packets, 1);
		__sync_fetch_and_add(&traffic->bytes, skb->len);
	}
	return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
