// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// One map of each type, by number, with sizes that suit the type. Only to be opened: map types 26 and 34 can't be
// created this way.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

#define MAP(name, number, key, value, entries, flags)                                         \
	struct {                                                                              \
		__uint(type, number);                                                         \
		__uint(key_size, key);                                                        \
		__uint(value_size, value);                                                    \
		__uint(max_entries, entries);                                                 \
		__uint(map_flags, flags);                                                     \
	} name SEC(".maps")

MAP(hash, 1, 4, 4, 16, 0);
MAP(array, 2, 4, 4, 16, 0);
MAP(prog_array, 3, 4, 4, 16, 0);
MAP(perf_event_array, 4, 4, 4, 16, 0);
MAP(percpu_hash, 5, 4, 4, 16, 0);
MAP(percpu_array, 6, 4, 4, 16, 0);
MAP(stack_trace, 7, 4, 1016, 16, 0);
MAP(cgroup_array, 8, 4, 4, 16, 0);
MAP(lru_hash, 9, 4, 4, 16, 0);
MAP(lru_percpu_hash, 10, 4, 4, 16, 0);
MAP(lpm_trie, 11, 8, 4, 16, 1);
MAP(array_of_maps, 12, 4, 4, 16, 0);
MAP(hash_of_maps, 13, 4, 4, 16, 0);
MAP(devmap, 14, 4, 4, 16, 0);
MAP(sockmap, 15, 4, 4, 16, 0);
MAP(cpumap, 16, 4, 4, 16, 0);
MAP(xskmap, 17, 4, 4, 16, 0);
MAP(sockhash, 18, 4, 4, 16, 0);
MAP(cgroup_storage, 19, 8, 8, 0, 0);
MAP(reuseport_sockarray, 20, 4, 4, 16, 0);
MAP(percpu_cgroup_storage, 21, 8, 8, 0, 0);
MAP(queue, 22, 0, 8, 16, 0);
MAP(stack, 23, 0, 8, 16, 0);
MAP(sk_storage, 24, 4, 8, 0, 1);
MAP(devmap_hash, 25, 4, 4, 16, 0);
MAP(struct_ops, 26, 4, 4, 16, 0);
MAP(ringbuf, 27, 0, 0, 4096, 0);
MAP(inode_storage, 28, 4, 8, 0, 1);
MAP(task_storage, 29, 4, 8, 0, 1);
MAP(bloom_filter, 30, 0, 8, 16, 0);
MAP(user_ringbuf, 31, 0, 0, 4096, 0);
MAP(cgrp_storage, 32, 4, 8, 0, 1);
MAP(arena, 33, 0, 0, 4, 1024);
MAP(insn_array, 34, 4, 4, 16, 0);
MAP(rhash, 35, 4, 4, 16, 0);

char LICENSE[] SEC("license") = "GPL";
