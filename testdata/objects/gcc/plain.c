// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// For GCC, which has its own way to call the kernel's helpers and lacks clang's attributes.
typedef unsigned int __u32;
typedef unsigned long __u64;

#define SEC(name) __attribute__((section(name), used))

struct __sk_buff {
	__u32 len;
};

void *bpf_map_lookup_elem(void *map, const void *key) __attribute__((kernel_helper(1)));

struct {
	int (*type)[1];
	int (*max_entries)[16];
	__u32 *key;
	__u64 *value;
} counts SEC(".maps");

__u64 seen = 1;
const volatile __u32 step = 2;
int zeroed[4];

static __attribute__((noinline)) __u64 advance(__u64 from)
{
	return from + step;
}

SEC("socket")
int count(struct __sk_buff *skb)
{
	__u32 key = skb->len;
	__u64 *value = bpf_map_lookup_elem(&counts, &key);

	seen = advance(seen);
	if (value)
		*value += zeroed[key & 3];
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
