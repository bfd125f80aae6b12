// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Traffic of an interface in both directions, and by flow for TCP and UDP over IPv4. The network
 * header is read from the packet itself, the ports with bpf_skb_load_bytes, which also reaches data
 * that is not in the linear part. Packets with the mark `drop_mark` go no further.
 * Needs Linux 4.18; attaches through TCX from 6.6, through a clsact queue before.
 */
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

/* 0 drops nothing. */
const volatile __u32 drop_mark = 0;

enum direction {
	INGRESS,
	EGRESS,
};

struct traffic {
	__u64 packets;
	__u64 bytes;
};

struct flow {
	__be32 saddr;
	__be32 daddr;
	__u16 sport;
	__u16 dport;
	__u8 protocol;
	__u8 egress;
	__u16 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct traffic);
} by_direction SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct flow);
	__type(value, struct traffic);
} flows SEC(".maps");

static __always_inline void add(struct traffic *traffic, __u32 bytes)
{
	__sync_fetch_and_add(&traffic->packets, 1);
	__sync_fetch_and_add(&traffic->bytes, bytes);
}

static __always_inline void count_flow(struct __sk_buff *skb, enum direction direction)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct flow flow = { .egress = direction == EGRESS };
	struct traffic *traffic, first = { .packets = 1, .bytes = skb->len };
	struct ports ports;

	if (skb->protocol != bpf_htons(ETH_P_IP) || (void *)(ip + 1) > end)
		return;
	if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP)
		return;
	flow.saddr = ip->saddr;
	flow.daddr = ip->daddr;
	flow.protocol = ip->protocol;
	if (bpf_skb_load_bytes(skb, sizeof(struct ethhdr) + ip->ihl * 4, &ports, sizeof(ports)))
		return;
	flow.sport = bpf_ntohs(ports.source);
	flow.dport = bpf_ntohs(ports.dest);
	traffic = bpf_map_lookup_elem(&flows, &flow);
	if (traffic)
		add(traffic, skb->len);
	else
		bpf_map_update_elem(&flows, &flow, &first, BPF_ANY);
}

static __always_inline int count(struct __sk_buff *skb, enum direction direction)
{
	__u32 key = direction;
	struct traffic *traffic = bpf_map_lookup_elem(&by_direction, &key);

	if (traffic)
		add(traffic, skb->len);
	count_flow(skb, direction);
	return drop_mark && skb->mark == drop_mark ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("tc/ingress")
int ingress(struct __sk_buff *skb)
{
	return count(skb, INGRESS);
}

SEC("tc/egress")
int egress(struct __sk_buff *skb)
{
	return count(skb, EGRESS);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
