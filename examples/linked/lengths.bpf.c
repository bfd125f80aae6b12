// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The second file: a map, a variable, and the function that keeps both. */
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
} lengths SEC(".maps");

__u64 longest;

/* The linked object needs one definition that is not weak, or weak ones only. */
__attribute__((noinline)) int note_length(int length)
{
	__u32 bucket = (__u32)length / 2;
	__u64 *count;

	if (length > (int)longest)
		longest = length;
	count = bpf_map_lookup_elem(&lengths, &bucket);
	if (count)
		(*count)++;
	return bucket;
}
