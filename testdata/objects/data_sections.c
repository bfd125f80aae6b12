// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Global variables in every kind of section, and instructions that refer to them: by symbol, and by
// section with an offset in the instruction (the static ones).
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

struct config {
	__u32 level;
	char name[8];
	struct {
		__u64 low, high;
	} range;
};

int initialised = 42;
struct config in_data = { 3, "data", { 1, 2 } };
static volatile int static_data = 7;

int zeroed;
__u64 zeroed_array[6];
static volatile __u64 static_bss;

const volatile int read_only = 11;
const volatile struct config in_rodata = { 5, "rodata", { 3, 4 } };
static const volatile int static_rodata = 13;
const volatile bool switch_off;

int custom_data SEC(".data.custom") = 17;
__u64 custom_data_2 SEC(".data.custom") = 18;
int other_data SEC(".data.other_section_with_a_long_name") = 19;
const volatile int custom_rodata SEC(".rodata.custom") = 23;
int custom_bss SEC(".bss.custom");
__hidden int hidden_data = 29;
__weak int weak_data = 31;

/* A table that the compiler makes: .rodata.str, and .rodata for the switch. */
static const char words[3][8] = { "zero", "one", "two" };

SEC("socket")
int use_all(struct __sk_buff *skb)
{
	initialised += in_data.range.high + static_data;
	zeroed += zeroed_array[3] + static_bss++;
	static_data = read_only + in_rodata.range.low + static_rodata;
	if (switch_off)
		return words[skb->len % 3][skb->mark % 8];
	custom_data += custom_data_2 + other_data;
	custom_bss += custom_rodata;
	hidden_data += weak_data;
	return zeroed;
}

char LICENSE[] SEC("license") = "GPL";
