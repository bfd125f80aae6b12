// SPDX-License-Identifier: MIT OR Apache-2.0
// What C libbpf makes of an object: opens and loads it against a kernel that accepts everything, and prints the maps,
// the programs, and what that kernel is sent. Writes the answers in ../libbpf and ../../../oxbpf-relo/tests/data.
//
//   cc -O1 -o oracle libbpf.c PATH/libbpf.a -lelf -lz     (libbpf 1.8, from its repository)
//   ./oracle OBJECT [TYPES]                               TYPES: BTF to relocate against, an ELF file or raw bytes
//   ./all.sh                                              all answers
//
// Environment: PROGRAM loads only that program, KCONFIG is text of kernel configuration values, OPEN_ONLY=1 loads
// nothing.
#define _GNU_SOURCE
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct bpf_object *obj;
static int loading;

static unsigned long long hash(const void *data, size_t len)
{
	const unsigned char *bytes = data;
	unsigned long long h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < len; i++)
		h = (h ^ bytes[i]) * 0x100000001b3ull;
	return h;
}

static const char *map_name(int fd)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj)
		if (bpf_map__fd(map) == fd)
			return bpf_map__name(map);
	return "?";
}

static int is_own_program(const char *name)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, obj)
		if (!strncmp(bpf_program__name(prog), name, 15))
			return 1;
	return 0;
}

static void print_load(const union bpf_attr *attr)
{
	const struct bpf_insn *insns = (void *)(long)attr->insns;
	unsigned int funcs = attr->func_info_cnt, func_size = funcs ? attr->func_info_rec_size : 0;
	unsigned int lines = attr->line_info_cnt, line_size = lines ? attr->line_info_rec_size : 0;

	printf("load %s insns %u func %u*%u line %u*%u\n", attr->prog_name, attr->insn_cnt, funcs, func_size, lines,
	       line_size);
	for (unsigned int i = 0; i < attr->insn_cnt; i++) {
		struct bpf_insn insn = insns[i];
		const char *map = NULL;
		unsigned long long bytes;

		if (insn.code == (BPF_LD | BPF_IMM | BPF_DW) &&
		    (insn.src_reg == BPF_PSEUDO_MAP_FD || insn.src_reg == BPF_PSEUDO_MAP_VALUE)) {
			map = map_name(insn.imm);
			insn.imm = 0;
		}
		memcpy(&bytes, &insn, sizeof(bytes));
		printf("%4u %016llx%s%s\n", i, (unsigned long long)__builtin_bswap64(bytes), map ? " " : "", map ?: "");
	}
	for (unsigned int i = 0; i < funcs; i++) {
		const unsigned char *rec = (unsigned char *)(long)attr->func_info + i * func_size;

		printf("f ");
		for (unsigned int k = 0; k < func_size; k++)
			printf("%02x", rec[k]);
		printf("\n");
	}
	if (lines)
		printf("l %016llx\n", hash((void *)(long)attr->line_info, lines * line_size));
}

static int new_fd(void)
{
	int fd = memfd_create("oracle", 1);

	if (fd < 0 || ftruncate(fd, 1 << 26))
		exit(2);
	return fd;
}

static long kernel(int cmd, const union bpf_attr *attr)
{
	switch (cmd) {
	case BPF_PROG_LOAD:
		if (loading && attr->insn_cnt && is_own_program(attr->prog_name))
			print_load(attr);
		return new_fd();
	case BPF_BTF_LOAD:
		// The small ones are probes for features.
		if (loading && attr->btf_size > 400)
			printf("btf %u %016llx\n", attr->btf_size, hash((void *)(long)attr->btf, attr->btf_size));
		return new_fd();
	case BPF_MAP_CREATE:
		return new_fd();
	case BPF_MAP_UPDATE_ELEM:
	case BPF_MAP_LOOKUP_ELEM:
	case BPF_MAP_FREEZE:
	case BPF_PROG_BIND_MAP:
		return 0;
	case BPF_BTF_GET_NEXT_ID:
		errno = ENOENT;
		return -1;
	default:
		errno = EINVAL;
		return -1;
	}
}

// Takes the place of libc's, through which libbpf makes all calls of bpf(2).
long syscall(long nr, ...)
{
	register long r10 __asm__("r10");
	register long r8 __asm__("r8");
	register long r9 __asm__("r9");
	long a, b, c, ret;
	va_list args;

	va_start(args, nr);
	a = va_arg(args, long), b = va_arg(args, long), c = va_arg(args, long);
	r10 = va_arg(args, long), r8 = va_arg(args, long), r9 = va_arg(args, long);
	va_end(args);
	if (nr == __NR_bpf)
		return kernel(a, (union bpf_attr *)b);
	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	if (ret < 0 && ret > -4096) {
		errno = -ret;
		return -1;
	}
	return ret;
}

static void print_map(const struct bpf_map *map)
{
	int is_struct_ops = bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS;
	size_t len = 0;
	// libbpf 1.8 crashes when asked for the contents of a struct_ops map that is defined in .maps.
	const void *data = is_struct_ops ? NULL : bpf_map__initial_value(map, &len);
	const struct bpf_map *inner = bpf_map__inner_map((struct bpf_map *)map);

	if (!data || bpf_map__type(map) != BPF_MAP_TYPE_ARRAY)
		data = NULL, len = 0;
	printf("map %s type %u key %u value %u entries %u flags %x extra %llx numa %u types %u %u pinned %d create %d "
	       "data %zu %016llx\n",
	       bpf_map__name(map), bpf_map__type(map), bpf_map__key_size(map), bpf_map__value_size(map),
	       bpf_map__max_entries(map), bpf_map__map_flags(map), (unsigned long long)bpf_map__map_extra(map),
	       bpf_map__numa_node(map), bpf_map__btf_key_type_id(map), bpf_map__btf_value_type_id(map),
	       bpf_map__pin_path(map) != NULL, bpf_map__autocreate(map), len, data ? hash(data, len) : 0);
	if (inner)
		printf("inner %s type %u key %u value %u entries %u flags %x\n", bpf_map__name(inner),
		       bpf_map__type(inner), bpf_map__key_size(inner), bpf_map__value_size(inner),
		       bpf_map__max_entries(inner), bpf_map__map_flags(inner));
}

static int print_warnings(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_DEBUG ? 0 : vfprintf(stderr, format, args);
}

int main(int argc, char **argv)
{
	const char *only = getenv("PROGRAM");
	struct bpf_program *prog;
	struct bpf_map *map;
	int err;

	LIBBPF_OPTS(bpf_object_open_opts, opts, .kconfig = getenv("KCONFIG"),
		    .btf_custom_path = argc > 2 ? argv[2] : NULL);
	libbpf_set_print(print_warnings);
	obj = bpf_object__open_file(argv[1], &opts);
	if (!obj) {
		printf("error %d\n", errno);
		return 1;
	}
	bpf_object__for_each_map(map, obj)
		print_map(map);
	bpf_object__for_each_program(prog, obj) {
		if (only)
			bpf_program__set_autoload(prog, !strcmp(bpf_program__name(prog), only));
		printf("prog %s sec %s type %u attach %u autoload %d insns %zu\n", bpf_program__name(prog),
		       bpf_program__section_name(prog), bpf_program__type(prog),
		       bpf_program__expected_attach_type(prog), bpf_program__autoload(prog),
		       bpf_program__insn_cnt(prog));
	}
	if (getenv("OPEN_ONLY"))
		return 0;
	loading = 1;
	err = bpf_object__load(obj);
	if (err)
		fprintf(stderr, "error %d\n", -err);
	return err != 0;
}
