// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// All 13 kinds of relocation against the kernel's types, with access paths of every shape: nested, through
// arrays and anonymous members, into bit-fields, on flavours, and on things that do not exist.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

#include <oxbpf/core.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct atom {
	int counter;
};

struct part {
	int first;
	struct {
		struct atom atoms[4];
		union {
			long as_long;
			char as_text[8];
		};
	};
	__u8 low : 3;
	__s8 high : 5;
};

struct oxbpf_sample {
	struct part parts[3];
	struct part *next;
	int gone_member;
};

struct oxbpf_sample___v2 {
	long renamed;
};

union oxbpf_choice {
	int a;
	long b;
};

enum oxbpf_enum {
	OXBPF_ONE = 1,
	OXBPF_GONE = 2,
};

enum oxbpf_enum___large {
	OXBPF_HUGE = 0x7000000000ULL,
};
#pragma clang attribute pop

typedef struct oxbpf_sample sample_t;
typedef int (*oxbpf_fn_t)(int, char);
typedef __s16 oxbpf_int_t;
typedef struct part *oxbpf_ptr_t;

__u64 results[32];

SEC("raw_tp/sys_enter")
int all_kinds(struct bpf_raw_tracepoint_args *ctx)
{
	struct oxbpf_sample *sample = (void *)ctx->args[0];
	struct oxbpf_sample___v2 *flavour = (void *)sample;
	sample_t *by_typedef = (void *)sample;

	results[0] = BPF_CORE_READ(sample, parts[2].first);
	results[1] = BPF_CORE_READ(sample, parts[1].atoms[3].counter);
	results[2] = BPF_CORE_READ(sample, next, as_long);
	results[3] = BPF_CORE_READ(sample, parts[0].as_text[5]);
	results[4] = BPF_CORE_READ(by_typedef, next, first);
	results[5] = bpf_core_field_exists(sample->gone_member);
	results[6] = bpf_core_field_size(sample->parts);
	results[7] = bpf_core_field_offset(sample->parts[1].as_long);
	results[8] = BPF_CORE_READ_BITFIELD(&sample->parts[0], low);
	results[9] = BPF_CORE_READ_BITFIELD(&sample->parts[0], high);
	results[10] = bpf_core_field_exists(flavour->renamed) ? BPF_CORE_READ(flavour, renamed) : 0;
	results[11] = bpf_core_type_exists(union oxbpf_choice);
	results[12] = bpf_core_type_exists(sample_t);
	results[13] = bpf_core_type_size(struct oxbpf_sample);
	results[14] = bpf_core_type_matches(struct part);
	results[15] = bpf_core_type_id_local(struct part);
	results[16] = bpf_core_type_id_kernel(struct part);
	results[17] = bpf_core_enum_value(enum oxbpf_enum, OXBPF_ONE);
	results[18] = bpf_core_enum_value_exists(enum oxbpf_enum, OXBPF_GONE);
	results[19] = bpf_core_enum_value(enum oxbpf_enum___large, OXBPF_HUGE);
	results[20] = bpf_core_type_exists(oxbpf_fn_t);
	results[21] = bpf_core_type_size(oxbpf_int_t);
	results[22] = bpf_core_type_exists(oxbpf_ptr_t);
	return 0;
}

SEC("raw_tp/sys_exit")
int second_section(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];

	return BPF_CORE_READ(task, mm, map_count);
}

char LICENSE[] SEC("license") = "GPL";
