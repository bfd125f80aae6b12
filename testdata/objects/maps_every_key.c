// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Every key that a map definition can have, in the forms that C offers.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

struct value {
	__u64 count;
	char name[16];
};

typedef struct value value_t;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 100);
	__uint(map_flags, 5 /* BPF_F_NO_PREALLOC | BPF_F_NUMA_NODE */);
	__uint(numa_node, 1);
	__type(key, __u32);
	__type(value, value_t);
	__uint(pinning, OXBPF_PIN_BY_NAME);
} typed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 20);
	__uint(key_size, 12);
	__uint(value_size, 40);
} sized SEC(".maps");

/* Bloom filter: map_extra is the number of hash functions; no key. */
struct {
	__uint(type, 30);
	__uint(max_entries, 64);
	__type(value, __u64);
	__uint(map_extra, 3);
} bloom SEC(".maps");

/* Arena: map_extra is an address, too long for __uint. */
struct {
	__uint(type, 33);
	__uint(max_entries, 10);
	__uint(map_flags, 1 << 10);
	__ulong(map_extra, 0x1ULL << 44);
} arena SEC(".maps");

/* Keys in another order, both size and type, which agree. */
struct {
	__type(value, struct value);
	__uint(value_size, sizeof(struct value));
	__type(key, int);
	__uint(key_size, sizeof(int));
	__uint(max_entries, 2);
	__uint(pinning, OXBPF_PIN_NONE);
	__uint(type, BPF_MAP_TYPE_ARRAY);
} reordered SEC(".maps");

/* A named type for two maps, both found by their own variables. */
struct named_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
};

struct named_map shared_type SEC(".maps");
struct named_map another SEC(".maps");

/* Size comes from the number of processors. */
struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(int));
	__uint(value_size, sizeof(int));
} per_cpu_default SEC(".maps");

SEC("socket")
int reader(struct __sk_buff *skb)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&typed, &zero) && bpf_map_lookup_elem(&reordered, &zero) &&
	       bpf_map_lookup_elem(&shared_type, &zero) &&
	       bpf_map_lookup_elem(&another, &zero);
}

char LICENSE[] SEC("license") = "GPL";
