/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* btf.h: building, looking, dumping, deduplicating, byte order, records. */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print(void *ctx, const char *fmt, va_list args)
{
	vprintf(fmt, args);
}

static void show(const char *what, long value)
{
	printf("%s: %ld errno %d\n", what, value, value < 0 ? errno : 0);
	errno = 0;
}

static void errors(struct btf *btf)
{
	show("int without a name", btf__add_int(btf, "", 4, 0));
	show("int of 3 bytes", btf__add_int(btf, "x", 3, 0));
	show("int with odd encoding", btf__add_int(btf, "x", 4, 8));
	show("float of 5 bytes", btf__add_float(btf, "x", 5));
	show("negative id", btf__add_ptr(btf, -1));
	show("field of nothing", btf__add_field(btf, "f", 1, 0, 0));
	show("typedef without a name", btf__add_typedef(btf, "", 1));
	show("forward of a kind that is none", btf__add_fwd(btf, "x", (enum btf_fwd_kind)7));
	show("function with odd linkage", btf__add_func(btf, "f", (enum btf_func_linkage)9, 1));
	show("variable with odd linkage", btf__add_var(btf, "v", 7, 1));
	show("section without a name", btf__add_datasec(btf, "", 4));
	show("tag with an odd index", btf__add_decl_tag(btf, "t", 1, -2));
	show("name that is not there", btf__find_by_name(btf, "nothing"));
	show("void", btf__find_by_name(btf, "void"));
	show("name of another kind", btf__find_by_name_kind(btf, "int", BTF_KIND_STRUCT));
	show("size of nothing", btf__resolve_size(btf, 1000));
	show("pointer size of 3", btf__set_pointer_size(btf, 3));
	show("byte order 5", btf__set_endianness(btf, (enum btf_endianness)5));
	show("no bytes", btf__new(NULL, 0) != NULL);
	show("bytes that are none", btf__new("\x9f\xeb", 2) != NULL);
	show("no file", btf__parse("/does/not/exist", NULL) != NULL);
	show("type that is not there", btf__type_by_id(btf, 1000) != NULL);
	show("string that is not there", btf__str_by_offset(btf, 1 << 20) != NULL);
	show("free of nothing", (btf__free(NULL), 0));
}

static struct btf *build(void)
{
	struct btf *btf = btf__new_empty();

	show("int", btf__add_int(btf, "int", 4, BTF_INT_SIGNED));
	show("char", btf__add_int(btf, "char", 1, BTF_INT_SIGNED | BTF_INT_CHAR));
	show("long", btf__add_int(btf, "long", 8, BTF_INT_SIGNED));
	show("ptr", btf__add_ptr(btf, 2));
	show("array", btf__add_array(btf, 1, 2, 16));
	show("struct", btf__add_struct(btf, "person", 32));
	show("field", btf__add_field(btf, "age", 1, 0, 0));
	show("field", btf__add_field(btf, "name", 4, 64, 0));
	show("field", btf__add_field(btf, "initials", 5, 128, 0));
	show("typedef", btf__add_typedef(btf, "person_t", 6));
	show("const", btf__add_const(btf, 7));
	show("volatile", btf__add_volatile(btf, 1));
	show("restrict", btf__add_restrict(btf, 4));
	show("union", btf__add_union(btf, NULL, 8));
	show("field", btf__add_field(btf, "i", 1, 0, 0));
	show("field", btf__add_field(btf, "l", 3, 0, 0));
	show("enum", btf__add_enum(btf, "colour", 4));
	show("value", btf__add_enum_value(btf, "RED", 1));
	show("value", btf__add_enum_value(btf, "BLUE", -2));
	show("enum64", btf__add_enum64(btf, "big", 8, false));
	show("value", btf__add_enum64_value(btf, "HUGE", 0x1234567890ULL));
	show("fwd", btf__add_fwd(btf, "other", BTF_FWD_UNION));
	show("float", btf__add_float(btf, "double", 8));
	show("proto", btf__add_func_proto(btf, 1));
	show("param", btf__add_func_param(btf, "p", 8));
	show("func", btf__add_func(btf, "greet", BTF_FUNC_GLOBAL, 16));
	show("var", btf__add_var(btf, "me", BTF_VAR_GLOBAL_ALLOCATED, 7));
	show("datasec", btf__add_datasec(btf, ".data", 32));
	show("var in it", btf__add_datasec_var_info(btf, 18, 0, 32));
	show("decl tag", btf__add_decl_tag(btf, "tag", 6, 1));
	show("type tag", btf__add_type_tag(btf, "user", 2));
	show("string", btf__add_str(btf, "hello"));
	show("the same", btf__find_str(btf, "hello"));
	show("types", btf__type_cnt(btf));
	return btf;
}

static void look(const struct btf *btf)
{
	for (__u32 id = 1; id < btf__type_cnt(btf); id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);

		printf("[%u] kind %u vlen %u flag %d name '%s' size/type %u resolve %lld -> %d align %d\n", id, btf_kind(t),
		       btf_vlen(t), btf_kflag(t), btf__name_by_offset(btf, t->name_off), t->size,
		       (long long)btf__resolve_size(btf, id), btf__resolve_type(btf, id), btf__align_of(btf, id));
	}
	errno = 0;
}

static void dump(const struct btf *btf)
{
	char bytes[32] = { 42 };
	LIBBPF_OPTS(btf_dump_emit_type_decl_opts, decl, .field_name = "x");
	LIBBPF_OPTS(btf_dump_type_data_opts, compact, .compact = true, .emit_zeroes = true);
	struct btf_dump *d = btf_dump__new(btf, print, NULL, NULL);

	for (__u32 id = 1; id < btf__type_cnt(btf); id++)
		show("dump", btf_dump__dump_type(d, id));
	for (__u32 id = 1; id < 14; id++) {
		show("decl", btf_dump__emit_type_decl(d, id, &decl));
	}
	show("data", btf_dump__dump_type_data(d, 6, bytes, sizeof(bytes), NULL));
	show("compact", btf_dump__dump_type_data(d, 6, bytes, sizeof(bytes), &compact));
	show("short", btf_dump__dump_type_data(d, 6, bytes, 2, NULL));
	btf_dump__free(d);
}

static void bytes(struct btf *btf)
{
	__u32 size = 0, other = 0;
	const unsigned char *raw = btf__raw_data(btf, &size);
	struct btf *again = btf__new(raw, size), *swapped;

	printf("raw %u bytes, %u types again, order %d\n", size, btf__type_cnt(again), btf__endianness(again));
	show("set order", btf__set_endianness(again, BTF_BIG_ENDIAN));
	raw = btf__raw_data(again, &other);
	printf("swapped %u bytes, %02x %02x\n", other, raw[0], raw[1]);
	swapped = btf__new(raw, other);
	printf("read %d, %u types, order %d\n", !!swapped, btf__type_cnt(swapped), btf__endianness(swapped));
	show("find", btf__find_by_name_kind(swapped, "person", BTF_KIND_STRUCT));
	btf__free(swapped);
	btf__free(again);
}

static void many(void)
{
	struct btf *a = build(), *b = build(), *split;

	show("add all", btf__add_btf(a, b));
	show("types", btf__type_cnt(a));
	show("dedup", btf__dedup(a, NULL));
	show("types", btf__type_cnt(a));
	look(a);
	split = btf__new_empty_split(a);
	show("base", btf__base_btf(split) == a);
	show("types", btf__type_cnt(split));
	show("ptr", btf__add_ptr(split, 6));
	show("known string", btf__add_str(split, "person") == btf__find_str(a, "person"));
	show("add type", btf__add_type(split, b, btf__type_by_id(b, 1)));
	look(split);
	btf__free(split);
	btf__free(a);
	btf__free(b);
}

int main(int argc, char **argv)
{
	struct btf *btf;
	struct btf_ext *ext = NULL;

	libbpf_set_print(NULL);
	btf = build();
	look(btf);
	dump(btf);
	bytes(btf);
	many();
	errors(btf);
	btf__free(btf);
	for (int i = 1; i < argc; i++) {
		__u32 size = 0;

		btf = btf__parse(argv[i], &ext);
		printf("%s: %d ext %d\n", strrchr(argv[i], '/'), !!btf, !!ext);
		look(btf);
		if (ext) {
			btf_ext__raw_data(ext, &size);
			printf("ext %u bytes order %d\n", size, btf_ext__endianness(ext));
		}
		dump(btf);
		btf_ext__free(ext);
		btf__free(btf);
	}
	return 0;
}
