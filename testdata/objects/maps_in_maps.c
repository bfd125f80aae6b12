// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Maps of maps: with a template only, with initial slots, and the template a named map type.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
};

struct inner inner_a SEC(".maps");
struct inner inner_b SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 5);
	__type(key, __u32);
	__array(values, struct inner);
} array_with_slots SEC(".maps") = {
	.values = { [1] = &inner_a, [4] = &inner_b },
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 3);
	__uint(key_size, 8);
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_HASH);
		__uint(max_entries, 7);
		__uint(key_size, 4);
		__uint(value_size, 16);
		__uint(map_flags, 1);
	});
} hash_with_template SEC(".maps");

/* No inner map at all: a loader must be given one. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__uint(key_size, 4);
	__uint(value_size, 4);
} array_without_template SEC(".maps");

SEC("socket")
int reader(struct __sk_buff *skb)
{
	__u32 one = 1;
	void *map = bpf_map_lookup_elem(&array_with_slots, &one);

	return map && bpf_map_lookup_elem(map, &one);
}

char LICENSE[] SEC("license") = "GPL";
