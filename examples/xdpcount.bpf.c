// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Counts packets and bytes by protocol, and drops those to or from one TCP or UDP port.
 * Understands Ethernet, one VLAN tag, IPv4, IPv6. Needs Linux 5.8.
 */
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

/* In the byte order of the machine, as people write it; 0 drops nothing. */
const volatile __u16 drop_port = 0;

enum protocol {
	PROTO_OTHER = 0,
	PROTO_ICMP = 1,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ICMPV6 = 58,
};

struct traffic {
	__u64 packets;
	__u64 bytes;
};

struct event {
	enum xdp_action action;
	enum protocol protocol;
	__be32 saddr;
	__be32 daddr;
	__u16 sport;
	__u16 dport;
	__u32 length;
};

struct event *unused_event __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 256);
	__type(key, enum protocol);
	__type(value, struct traffic);
} by_protocol SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} dropped SEC(".maps");

__u64 total_packets, total_bytes, malformed;

static __always_inline void count(enum protocol protocol, __u64 bytes)
{
	struct traffic *traffic = bpf_map_lookup_elem(&by_protocol, &protocol);
	struct traffic first = { .packets = 1, .bytes = bytes };

	if (traffic) {
		traffic->packets += 1;
		traffic->bytes += bytes;
	} else {
		bpf_map_update_elem(&by_protocol, &protocol, &first, BPF_ANY);
	}
}

static __always_inline enum protocol known(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_ICMP:
		return PROTO_ICMP;
	case IPPROTO_TCP:
		return PROTO_TCP;
	case IPPROTO_UDP:
		return PROTO_UDP;
	case IPPROTO_ICMPV6:
		return PROTO_ICMPV6;
	default:
		return PROTO_OTHER;
	}
}

SEC("xdp")
int xdp_count(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u64 bytes = end - data;
	struct ethhdr *eth = data;
	enum protocol protocol = PROTO_OTHER;
	__be32 saddr = 0, daddr = 0;
	struct ports *ports = NULL;
	void *at = eth + 1;
	struct event *e;
	__be16 type;

	__sync_fetch_and_add(&total_packets, 1);
	__sync_fetch_and_add(&total_bytes, bytes);
	if (at > end)
		goto bad;
	type = eth->h_proto;
	if (type == bpf_htons(ETH_P_8021Q)) {
		struct vlan_hdr *vlan = at;

		at = vlan + 1;
		if (at > end)
			goto bad;
		type = vlan->h_proto;
	}
	if (type == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = at;

		if ((void *)(ip + 1) > end || ip->ihl < 5)
			goto bad;
		protocol = known(ip->protocol);
		saddr = ip->saddr;
		daddr = ip->daddr;
		at += ip->ihl * 4;
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip6 = at;

		at = ip6 + 1;
		if (at > end)
			goto bad;
		protocol = known(ip6->nexthdr);
	}
	count(protocol, bytes);
	if (!drop_port || (protocol != PROTO_TCP && protocol != PROTO_UDP))
		return XDP_PASS;
	ports = at;
	if ((void *)(ports + 1) > end)
		goto bad;
	if (bpf_ntohs(ports->source) != drop_port && bpf_ntohs(ports->dest) != drop_port)
		return XDP_PASS;
	e = bpf_ringbuf_reserve(&dropped, sizeof(*e), 0);
	if (e) {
		e->action = XDP_DROP;
		e->protocol = protocol;
		e->saddr = saddr;
		e->daddr = daddr;
		e->sport = bpf_ntohs(ports->source);
		e->dport = bpf_ntohs(ports->dest);
		e->length = bytes;
		bpf_ringbuf_submit(e, 0);
	}
	return XDP_DROP;
bad:
	__sync_fetch_and_add(&malformed, 1);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
