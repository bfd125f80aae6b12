// SPDX-License-Identifier: MIT OR Apache-2.0
// What C libbpf's loader programs are, one line an object: name, bytes and hash of the data, instructions and hash of those after the cleanup
// code. In that code libbpf also closes places of functions that are no programs; branches back to it count as 0 in the hash.
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>

#define CLEANUP 7 /* its first instruction, behind six that clear the stack and a jump over it */

static unsigned long long fnv1a(const void *data, size_t len)
{
	const unsigned char *at = data;
	unsigned long long hash = 0xcbf29ce484222325;

	while (len--)
		hash = (hash ^ *at++) * 0x100000001b3;
	return hash;
}

static short off_of(struct bpf_insn insn, int swapped)
{
	return swapped ? (short)__builtin_bswap16(insn.off) : insn.off;
}

int main(int argc, char **argv)
{
	libbpf_set_print(NULL);
	for (int i = 1; i < argc; i++) {
		DECLARE_LIBBPF_OPTS(gen_loader_opts, gen);
		struct bpf_object *obj = bpf_object__open_file(argv[i], NULL);
		const char *name = strrchr(argv[i], '/') ? strrchr(argv[i], '/') + 1 : argv[i];
		int swapped = strstr(name, "be.o") != NULL;

		if (!obj || bpf_object__gen_loader(obj, &gen) || bpf_object__load(obj)) {
			printf("%s -\n", name);
			continue;
		}
		struct bpf_insn *insns = (struct bpf_insn *)gen.insns;
		int count = gen.insns_sz / sizeof(*insns);
		int start = CLEANUP + off_of(insns[CLEANUP - 1], swapped);

		for (int at = start; at < count; at++)
			if (insns[at].code == (BPF_JMP | 0xc0) && !insns[at].imm && at + 1 + off_of(insns[at], swapped) == CLEANUP)
				insns[at].off = 0;
		printf("%s %u %016llx %d %016llx\n", name, gen.data_sz, fnv1a(gen.data, gen.data_sz), count - start,
		       fnv1a(insns + start, (count - start) * sizeof(*insns)));
	}
}
