// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * One event with a member of every shape that C has, always the same values: what a reader prints
 * for it is compared to the letter. Sent when a program starts. Needs Linux 5.8.
 */
#include "vmlinux_min.h"
#include "filter.h"

enum colour {
	RED,
	GREEN = 5,
	BLUE = -1,
};

enum wide {
	WIDE_SMALL = 1,
	WIDE_LARGE = 0x100000000ULL,
};

typedef __u32 count_t;

struct point {
	__s16 x;
	__s16 y;
};

union word {
	__u32 number;
	__u8 bytes[4];
};

struct shape {
	/* numbers */
	__s8 s8;
	__u8 u8;
	__s16 s16;
	__u16 u16;
	__s32 s32;
	__u32 u32;
	__s64 s64;
	__u64 u64;
	count_t typedefed;
	bool yes;
	bool no;
	char letter;
	void *pointer;
	/* bit-fields */
	__u32 flag : 1;
	__u32 level : 3;
	__s32 balance : 4;
	/* enumerations: a known value, a negative one, one without a name, a 64-bit one */
	enum colour colour;
	enum colour inverse;
	enum colour unnamed;
	enum wide wide;
	/* text: with an end, filled to the end, empty, with a byte to escape */
	char text[16];
	char full[4];
	char empty[4];
	char escaped[8];
	/* addresses, in the order of the wire */
	__be32 saddr;
	__u8 addr4[4];
	__u8 addr6[16];
	__u8 mac[6];
	/* aggregates */
	struct point point;
	struct point line[2];
	int matrix[2][3];
	union word word;
	struct {
		__u8 anonymous;
	};
	enum colour colours[3];
};

struct shape *unused_event __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

SEC("tp/sched/sched_process_exec")
int emit(void *ctx)
{
	struct shape *s;

	if (!comm_wanted())
		return 0;
	s = bpf_ringbuf_reserve(&events, sizeof(*s), 0);
	if (!s)
		return 0;
	__builtin_memset(s, 0, sizeof(*s));
	s->s8 = -8;
	s->u8 = 8;
	s->s16 = -1616;
	s->u16 = 1616;
	s->s32 = -323232;
	s->u32 = 323232;
	s->s64 = -6464646464LL;
	s->u64 = 0xffffffffffffffffULL;
	s->typedefed = 7;
	s->yes = true;
	s->letter = 'x';
	s->pointer = (void *)0xffff888000001000;
	s->flag = 1;
	s->level = 5;
	s->balance = -3;
	s->colour = GREEN;
	s->inverse = BLUE;
	s->unnamed = (enum colour)77;
	s->wide = WIDE_LARGE;
	__builtin_memcpy(s->text, "plain text", 11);
	__builtin_memcpy(s->full, "full", 4);
	__builtin_memcpy(s->escaped, "a\"b\n", 5);
	s->saddr = bpf_htonl(0xc0a80101);
	s->addr4[0] = 127;
	s->addr4[3] = 1;
	s->addr6[0] = 0x20;
	s->addr6[1] = 0x01;
	s->addr6[2] = 0x0d;
	s->addr6[3] = 0xb8;
	s->addr6[15] = 1;
	s->mac[0] = 0x02;
	s->mac[5] = 0xff;
	s->point.x = 3;
	s->point.y = -4;
	s->line[0].x = 1;
	s->line[1].y = 2;
	for (int i = 0; i < 6; i++)
		s->matrix[i / 3][i % 3] = i;
	s->word.number = 0x04030201;
	s->anonymous = 9;
	s->colours[0] = RED;
	s->colours[1] = GREEN;
	s->colours[2] = BLUE;
	bpf_ringbuf_submit(s, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
