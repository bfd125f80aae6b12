// SPDX-License-Identifier: MIT OR Apache-2.0
// What C libbpf makes of the types of objects of the corpus, a line an object: BTF TRAPS OBJECT...
//
//   NAME values=H swap=H split=H distil=H,H relocate=H dedup=H
//
// H is FNV-1a, of values as text and what each call gave (see values()), then of what is behind the header: of the bytes in big-endian
// order, of the types as a split BTF on TRAPS after dedup, of what that is distilled to (base and types), of that when it is relocated
// onto TRAPS again, and of the types after dedup (with BTF.ext). E and a number is an error.
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long u64;

static const u64 SEED = 0xcbf29ce484222325ull;

static u64 hash_more(u64 h, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < len; i++)
		h = (h ^ bytes[i]) * 0x100000001b3ull;
	return h;
}

static void show(const char *name, struct btf *btf, struct btf_ext *ext, int err)
{
	unsigned int len, head;
	u64 h = SEED;

	printf("%s", name);
	if (err) {
		printf("E%d", -err);
		return;
	}
	const unsigned char *raw = btf__raw_data(btf, &len);

	memcpy(&head, raw + 4, 4);
	if (btf__endianness(btf) != BTF_LITTLE_ENDIAN)
		head = __builtin_bswap32(head);
	h = hash_more(h, raw + head, len - head);
	if (ext) {
		const void *data = btf_ext__raw_data(ext, &len);

		h = hash_more(h, data, len);
	}
	printf("%016llx", h);
}

static u64 text_hash;
static int is_verbose;

static void text(void *ctx, const char *format, va_list args)
{
	char *out;
	int len = vasprintf(&out, format, args);

	(void)ctx;
	text_hash = hash_more(text_hash, out, len);
	if (is_verbose)
		fputs(out, stderr);
	free(out);
}

static unsigned int next(unsigned int *state)
{
	return *state = *state * 1664525 + 1013904223;
}

// Whether there is an array in a type. Of one that is cut short, libbpf reads on behind the end.
static int has_array(const struct btf *btf, unsigned int id, int depth)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	if (btf_is_mod(t) || btf_is_typedef(t) || btf_is_var(t) || btf_is_decl_tag(t))
		return depth > 32 || has_array(btf, t->type, depth + 1);
	if (btf_is_composite(t))
		for (unsigned int i = 0; i < btf_vlen(t); i++)
			if (has_array(btf, btf_members(t)[i].type, depth + 1))
				return 1;
	return btf_is_array(t) || btf_is_datasec(t);
}

// A value for each pattern: zeroes, anything, text, mostly zeroes, small numbers, and too little of anything.
static void values(struct btf *btf)
{
	static const char *const indents[] = { NULL, "  ", "a long string to indent by, too long for libbpf" };
	static const unsigned char words[] = "text\0and more";
	struct btf_dump *dump = btf_dump__new(btf, text, NULL, NULL);
	_Alignas(16) unsigned char data[1024];

	text_hash = SEED;
	for (unsigned int id = 1; id < btf__type_cnt(btf); id++) {
		long long size = btf__resolve_size(btf, id);
		int is_cut = size == 0 || size > (long long)sizeof(data);

		for (unsigned int pattern = 0; pattern < 6; pattern++) {
			LIBBPF_OPTS(btf_dump_type_data_opts, opts);
			unsigned int state = id * 8 + pattern, bits = (id * 7 + pattern * 5) % 16, indent = (id + pattern) % 3;
			unsigned int len = size < 0 ? 16 : size > 1024 ? 1024 : size;

			for (unsigned int i = 0; i < len; i++) {
				unsigned int any = next(&state) >> 24;

				data[i] = pattern == 0 ? 0 : pattern == 2 ? words[i % sizeof(words)] : pattern == 3 ? (any < 32 ? any : 0) :
					  pattern == 4 ? (i % 4 ? 0 : any % 8) : any;
			}
			if (pattern == 5)
				len /= 2;
			// Where libbpf looks behind the end, it finds something.
			memset(data + len, 0xff, sizeof(data) - len);
			if ((is_cut || pattern == 5) && has_array(btf, id, 0))
				continue;
			opts.compact = bits & 1;
			opts.skip_names = bits >> 1 & 1;
			opts.emit_zeroes = bits >> 2 & 1;
			opts.emit_strings = bits >> 3 & 1;
			opts.indent_str = indents[indent];
			opts.indent_level = indent;
			if (is_verbose)
				fprintf(stderr, "\n== %u %u\n", id, pattern);
			int got = btf_dump__dump_type_data(dump, id, data, len, &opts);

			if (is_verbose)
				fprintf(stderr, "\n-> %d", got);
			text_hash = hash_more(text_hash, &got, sizeof(got));
		}
	}
	btf_dump__free(dump);
	printf(" values=%016llx", text_hash);
}

static void one(struct btf *traps, const char *path)
{
	struct btf_ext *ext = NULL;
	struct btf *btf = btf__parse_elf(path, &ext), *base = NULL, *distilled = NULL;
	LIBBPF_OPTS(btf_dedup_opts, opts);
	int err;

	printf("%s", path);
	if (!btf) {
		printf(" none\n");
		return;
	}
	values(btf);
	btf__set_endianness(btf, BTF_BIG_ENDIAN);
	show(" swap=", btf, NULL, 0);
	btf__set_endianness(btf, BTF_LITTLE_ENDIAN);
	struct btf *split = btf__new_empty_split(traps);

	err = btf__add_btf(split, btf);
	if (err >= 0)
		err = btf__dedup(split, NULL);
	show(" split=", split, NULL, err);
	if (!err) {
		err = btf__distill_base(split, &base, &distilled);
		show(" distil=", base, NULL, err);
		show(",", distilled, NULL, err);
		btf__free(distilled);
		btf__free(base);
		// Once more, since libbpf goes on giving the bytes that it gave before.
		err = btf__distill_base(split, &base, &distilled);
		if (!err)
			err = btf__relocate(distilled, traps);
		show(" relocate=", distilled, NULL, err);
	}
	btf__set_endianness(btf, BTF_LITTLE_ENDIAN);
	opts.btf_ext = ext;
	err = btf__dedup(btf, &opts);
	if (ext)
		btf_ext__set_endianness(ext, BTF_LITTLE_ENDIAN);
	show(" dedup=", btf, ext, err);
	printf("\n");
	btf__free(split);
	btf__free(distilled);
	btf__free(base);
	btf_ext__free(ext);
	btf__free(btf);
}

static int print_nothing(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level, (void)format, (void)args;
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	is_verbose = getenv("VERBOSE") != NULL;
	libbpf_set_print(print_nothing);
	struct btf *traps = btf__parse_raw(argv[1]);

	for (int i = 2; i < argc; i++)
		one(traps, argv[i]);
	return 0;
}
