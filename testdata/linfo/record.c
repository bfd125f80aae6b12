// SPDX-License-Identifier: MIT OR Apache-2.0
// Looks up lines of made-up programs with C libbpf; see README.md.
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <stdio.h>

static unsigned long long state = 88172645463325252ull;

static unsigned below(unsigned n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % n;
}

static void answer(const struct bpf_line_info *line)
{
	if (line)
		printf(" %u", line->line_col);
	else
		printf(" -");
}

int main(void)
{
	unsigned program;

	for (program = 0; program < 60; program++) {
		struct bpf_line_info lines[24] = {};
		unsigned long long addrs[24], funcs[4];
		unsigned lens[4], count = 1 + below(24), nfuncs = 1 + below(4), i, f, insn = 0;
		struct bpf_prog_info info = {};
		struct bpf_prog_linfo *linfo;

		for (f = 0; f < nfuncs; f++) {
			funcs[f] = 4096 * (1 + below(8)) + 64 * f;
			lens[f] = 8 + below(120);
		}
		for (i = 0, f = 0; i < count; i++) {
			lines[i].insn_off = insn;
			lines[i].line_col = i;
			insn += 1 + below(4);
			if (i && f + 1 < nfuncs && below(3) == 0)
				addrs[i] = funcs[++f];
			else
				addrs[i] = i ? addrs[i - 1] + 1 + below(12) - below(16) / 15 * 12 : funcs[0];
		}
		info.nr_line_info = count;
		info.line_info = (unsigned long)lines;
		info.line_info_rec_size = sizeof(lines[0]);
		info.nr_jited_line_info = count;
		info.jited_line_info = (unsigned long)addrs;
		info.jited_line_info_rec_size = 8;
		info.nr_jited_ksyms = info.nr_jited_func_lens = nfuncs;
		info.jited_ksyms = (unsigned long)funcs;
		info.jited_func_lens = (unsigned long)lens;
		printf("insns");
		for (i = 0; i < count; i++)
			printf(" %u", lines[i].insn_off);
		printf("\naddrs");
		for (i = 0; i < count; i++)
			printf(" %llu", addrs[i]);
		printf("\nfuncs");
		for (f = 0; f < nfuncs; f++)
			printf(" %llu", funcs[f]);
		printf("\nlens");
		for (f = 0; f < nfuncs; f++)
			printf(" %u", lens[f]);
		linfo = bpf_prog_linfo__new(&info);
		if (!linfo) {
			printf("\nrefused\n");
			continue;
		}
		printf("\nfind");
		for (i = 0; i < insn + 2; i++)
			answer(bpf_prog_linfo__lfind(linfo, i, i % 3));
		printf("\nfind_addr");
		for (f = 0; f <= nfuncs; f++)
			for (i = 0; i < 40; i++)
				answer(bpf_prog_linfo__lfind_addr_func(linfo, funcs[f % nfuncs] + i * 3 - 2, f, i % 3));
		printf("\n");
		bpf_prog_linfo__free(linfo);
	}
	return 0;
}
