// SPDX-License-Identifier: MIT OR Apache-2.0
// Loads each object that it is given with C libbpf and prints the instructions of each program as a hash: object, name,
// number of instructions, and FNV-1a over them with the descriptors of maps as zero.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <libgen.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	libbpf_set_print(NULL);
	for (int i = 1; i < argc; i++) {
		struct bpf_object *obj = bpf_object__open_file(argv[i], NULL);
		struct bpf_program *prog;

		if (!obj || bpf_object__load(obj))
			continue;
		bpf_object__for_each_program(prog, obj) {
			const struct bpf_insn *insns = bpf_program__insns(prog);
			size_t cnt = bpf_program__insn_cnt(prog);
			unsigned long long hash = 0xcbf29ce484222325ull;

			if (bpf_program__fd(prog) < 0)
				continue;
			for (size_t k = 0; k < cnt; k++) {
				struct bpf_insn insn = insns[k];
				unsigned char *bytes = (void *)&insn;

				if (insn.code == 0x18 && (insn.src_reg == 1 || insn.src_reg == 2))
					insn.imm = 0;
				for (size_t b = 0; b < sizeof(insn); b++)
					hash = (hash ^ bytes[b]) * 0x100000001b3ull;
			}
			printf("%s %s %zu %016llx\n", basename(argv[i]), bpf_program__name(prog), cnt, hash);
		}
		bpf_object__close(obj);
	}
	return 0;
}
