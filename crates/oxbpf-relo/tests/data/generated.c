// SPDX-License-Identifier: MIT OR Apache-2.0
// What C libbpf makes of the relocations in a file of cases, one line each: the instruction before and after, or the
// error number. The file is written by the test `generated` with OXBPF_RELO_CASES=FILE.
//
//   cc -O1 -I LIBBPF/src -I LIBBPF/include -o generated generated.c LIBBPF/src/libbpf.a -lelf -lz
//   ./generated FILE >generated.txt
//
// Takes libbpf 1.8 from its repository: what it calls is inside the library.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include "libbpf_internal.h"
#include "relo_core.h"

static FILE *in;

static unsigned int word(void)
{
	unsigned int w;

	if (fread(&w, 4, 1, in) != 1)
		exit(feof(in) ? 0 : 1);
	return w;
}

static struct btf *types(struct btf *base)
{
	unsigned int len = word();
	void *data = malloc(len + 1);
	struct btf *btf;

	if (!len)
		return NULL;
	if (fread(data, 1, len, in) != len)
		exit(1);
	btf = base ? btf__new_split(data, len, base) : btf__new(data, len);
	if (!btf) {
		fprintf(stderr, "BTF: %d\n", errno);
		exit(1);
	}
	return btf;
}

static void print(const struct bpf_insn *insns, int n)
{
	for (int i = 0; i < n * 8; i++)
		printf("%02x", ((const unsigned char *)insns)[i]);
}

static struct bpf_core_cand_list *find(struct btf *local, unsigned int id, struct btf *target, struct btf *module)
{
	struct bpf_core_cand_list *cands = calloc(1, sizeof(*cands));
	struct bpf_core_cand cand = { .btf = local, .id = id };
	const char *name = btf__name_by_offset(local, btf__type_by_id(local, id)->name_off);
	size_t len = bpf_core_essential_name_len(name);

	bpf_core_add_cands(&cand, len, target, "vmlinux", 1, cands);
	if (!cands->len && module)
		bpf_core_add_cands(&cand, len, module, "module", btf__type_cnt(target), cands);
	return cands;
}

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	return getenv("DEBUG") ? vfprintf(stderr, format, args) : 0;
}

int main(int argc, char **argv)
{
	in = fopen(argv[1], "rb");
	libbpf_set_print(silent);
	for (;;) {
		unsigned int seed = word();
		struct btf *local = types(NULL), *target = types(NULL), *module = types(target);
		unsigned int n = word();
		struct bpf_core_cand_list **known = calloc(btf__type_cnt(local), sizeof(*known));

		printf("case %u\n", seed);
		for (unsigned int i = 0; i < n; i++) {
			static struct bpf_core_spec scratch[3];
			unsigned int id = word(), kind = word(), code = word(), flags = word(), len = word();
			struct bpf_core_relo relo = { .type_id = id, .kind = kind };
			struct bpf_core_relo_res res = {};
			struct bpf_insn insns[2] = { { .code = code, .dst_reg = 1 } };
			const char *name = btf__name_by_offset(local, btf__type_by_id(local, id)->name_off);
			int err = 0, width = code == 0x18 ? 2 : 1;
			char access[256] = "";

			if (fread(access, 1, len, in) != len)
				return 1;
			relo.access_str_off = btf__find_str(local, access);
			memset(scratch, 0, sizeof(scratch));
			if (kind != BPF_CORE_TYPE_ID_LOCAL && !*name)
				err = -EINVAL;
			if (!err && kind != BPF_CORE_TYPE_ID_LOCAL && !known[id])
				known[id] = find(local, id, target, module);
			if (!err)
				err = bpf_core_calc_relo_insn("p", &relo, i, local, known[id], scratch, &res);
			// What a compiler would have put into the instruction.
			if ((code & 7) >= 1 && (code & 7) <= 3) {
				insns[0].off = res.orig_val + (flags >> 1);
				if (!(flags & 1))
					insns[0].code = (code & ~0x18) | (res.orig_sz == 1 ? 0x10 : res.orig_sz == 2 ? 8 :
									  res.orig_sz == 8 ? 0x18 : 0);
			} else {
				insns[0].imm = res.orig_val + (flags >> 1);
				if (width == 2)
					insns[1].imm = (res.orig_val + (flags >> 1)) >> 32;
			}
			print(insns, width);
			if (!err)
				err = bpf_core_patch_insn("p", insns, 0, &relo, i, &res);
			putchar(' ');
			if (err)
				printf("%d", err);
			else
				print(insns, width);
			putchar('\n');
		}
	}
}
