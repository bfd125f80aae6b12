// SPDX-License-Identifier: MIT OR Apache-2.0
// What C libbpf makes of an object of the corpus: opens it, prints its programs and maps, loads it into a kernel that is simulated here,
// and prints what that kernel is asked. Used by record.py; needs no privilege.
//
//   record new|old TRAPS OBJECT
//
// TRAPS is the kernel's BTF. The `new` kernel accepts everything; the `old` one is like Linux 5.4: see refuses().
// Only what the kernel accepts is printed, and no questions that find out what it can do, first writes of zeroes, or bindings of maps.
#define _GNU_SOURCE
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

static const char *traps;
static int is_old, is_loading;

static const char KCONFIG[] = "CONFIG_T_YES=y\nCONFIG_T_MOD=m\nCONFIG_T_NO=n\nCONFIG_T_NUM=123\nCONFIG_T_HEX=0xdead\n"
			      "CONFIG_T_NEG=-5\nCONFIG_T_BIG=0xfedcba9876543210\nCONFIG_T_STR=\"text here\"\n";
static const char KALLSYMS[] = "ffffffff81000000 T _text\nffffffff81001230 D trap_address\nffffffff81001240 t trap_twice\n"
			       "ffffffff81001250 t trap_twice\n";

// Objects of the kernel by inode, since libbpf duplicates descriptors.
static struct object {
	ino_t inode;
	unsigned int type, value_size;
	char name[32];
} objects[4096];
static int object_count;

static unsigned long long hash_more(unsigned long long h, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < len; i++)
		h = (h ^ bytes[i]) * 0x100000001b3ull;
	return h;
}

static unsigned long long hash(const void *data, size_t len)
{
	return hash_more(0xcbf29ce484222325ull, data, len);
}

static struct object *find(int fd)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return NULL;
	for (int i = 0; i < object_count; i++)
		if (objects[i].inode == st.st_ino)
			return &objects[i];
	return NULL;
}

static const char *name_of(int fd)
{
	struct object *o = find(fd);

	return o ? o->name : "?";
}

static int new_fd(unsigned int type, const char *name)
{
	struct object *o = &objects[object_count++];
	int fd = memfd_create("kernel", MFD_CLOEXEC);
	struct stat st;

	if (fd < 0 || ftruncate(fd, 1 << 26) || fstat(fd, &st))
		exit(2);
	o->inode = st.st_ino;
	o->type = type;
	snprintf(o->name, sizeof(o->name), "%.15s", name);
	return fd;
}

static int is_call(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_CALL) && insn->src_reg == 0;
}

// Types that Linux 5.4 does not know: kinds after DATASEC, functions that say their linkage.
static int refuses_btf(const void *data)
{
	const struct btf_header *h = data;
	const char *at = (const char *)data + h->hdr_len + h->type_off, *end = at + h->type_len;

	while (at < end) {
		const struct btf_type *t = (void *)at;
		unsigned int kind = BTF_INFO_KIND(t->info), vlen = BTF_INFO_VLEN(t->info);

		at += sizeof(*t);
		if (kind > BTF_KIND_DATASEC || (kind == BTF_KIND_FUNC && vlen))
			return 1;
		if (kind == BTF_KIND_INT || kind == BTF_KIND_VAR)
			at += 4;
		else if (kind == BTF_KIND_ARRAY)
			at += sizeof(struct btf_array);
		else if (kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION || kind == BTF_KIND_DATASEC)
			at += 12 * vlen;
		else if (kind == BTF_KIND_ENUM || kind == BTF_KIND_FUNC_PROTO)
			at += 8 * vlen;
		if (kind == BTF_KIND_DATASEC && ((char *)data + h->hdr_len + h->str_off)[t->name_off] == '?')
			return 1;
	}
	return 0;
}

static int refuses(int cmd, const union bpf_attr *attr)
{
	if (!is_old)
		return 0;
	if (cmd == BPF_BTF_LOAD)
		return refuses_btf((void *)(long)attr->btf);
	if (cmd == BPF_MAP_CREATE)
		return attr->map_type > BPF_MAP_TYPE_SK_STORAGE || (attr->map_flags & BPF_F_MMAPABLE) || attr->map_extra;
	if (cmd == BPF_PROG_LOAD) {
		const struct bpf_insn *insns = (void *)(long)attr->insns;

		for (unsigned int i = 0; i < attr->insn_cnt; i++)
			if (is_call(&insns[i]) && insns[i].imm > 111)
				return 1;
		return attr->prog_type > BPF_PROG_TYPE_TRACING;
	}
	return cmd > BPF_BTF_GET_NEXT_ID;
}

static unsigned long long hash_insns(const struct bpf_insn *insns, unsigned int count)
{
	unsigned long long h = 0xcbf29ce484222325ull;

	for (unsigned int i = 0; i < count; i++) {
		struct bpf_insn insn = insns[i];

		if (insn.code == (BPF_LD | BPF_IMM | BPF_DW) && (insn.src_reg == BPF_PSEUDO_MAP_FD || insn.src_reg == BPF_PSEUDO_MAP_VALUE)) {
			const char *name = name_of(insn.imm);

			h = hash_more(h, name, strlen(name));
			insn.imm = 0;
		}
		h = hash_more(h, &insn, sizeof(insn));
	}
	return h;
}

static int is_zero(const unsigned char *bytes, size_t size)
{
	size_t i;

	for (i = 0; i < size && !bytes[i]; i++)
		;
	return i == size;
}

static int refers_to_fd(unsigned int type)
{
	return type == BPF_MAP_TYPE_PROG_ARRAY || type == BPF_MAP_TYPE_ARRAY_OF_MAPS || type == BPF_MAP_TYPE_HASH_OF_MAPS;
}

static const char *dash(const char *s)
{
	return *s ? s : "-";
}

static long map_create(const union bpf_attr *a)
{
	const struct object *inner = a->inner_map_fd ? find(a->inner_map_fd) : NULL;

	if (refuses(BPF_MAP_CREATE, a))
		return -EINVAL;
	// The map of a question about offsets in 64-bit loads has this name.
	if (*a->map_name && strncmp(a->map_name, "libbpf_", 7) && strcmp(a->map_name, "arr"))
		printf("MAP_CREATE %.15s type %u key %u value %u entries %u flags %x extra %llx numa %u types %u %u %s inner %s kernel %u\n", a->map_name,
		       a->map_type, a->key_size, a->value_size, a->max_entries, a->map_flags, (unsigned long long)a->map_extra, a->numa_node,
		       a->btf_key_type_id, a->btf_value_type_id, a->btf_fd ? "btf" : "-", inner ? dash(inner->name) : "-", a->btf_vmlinux_value_type_id);
	int fd = new_fd(a->map_type, a->map_name);

	find(fd)->value_size = a->value_size;
	return fd;
}

static long prog_load(const union bpf_attr *a)
{
	const char *name = a->prog_name;
	int is_probe = !*name || !strncmp(name, "libbpf_", 7) || !strcmp(name, "det_arg_ctx") || !strcmp(name, "global_reloc");

	if (refuses(BPF_PROG_LOAD, a))
		return -EINVAL;
	if (is_loading && !is_probe) {
		unsigned int funcs = a->func_info_cnt, lines = a->line_info_cnt;

		printf("PROG_LOAD %.15s type %u attach %u flags %x target %u license %s btf %d insns %u %016llx", name, a->prog_type, a->expected_attach_type,
		       a->prog_flags, a->attach_btf_id, dash((char *)(long)a->license), a->prog_btf_fd != 0, a->insn_cnt,
		       hash_insns((void *)(long)a->insns, a->insn_cnt));
		printf(" funcs %u %016llx lines %u %016llx\n", funcs, hash((void *)(long)a->func_info, funcs * a->func_info_rec_size), lines,
		       hash((void *)(long)a->line_info, lines * a->line_info_rec_size));
	}
	return new_fd(a->prog_type, name);
}

static long map_update(const union bpf_attr *a)
{
	const struct object *map = find(a->map_fd);

	if (!map)
		return -EBADF;
	if (refers_to_fd(map->type)) {
		if (!find(*(int *)(long)a->value))
			return -EBADF;
		printf("MAP_UPDATE %s %u = %s\n", map->name, *(unsigned int *)(long)a->key, name_of(*(int *)(long)a->value));
		return 0;
	}
	// Zeroes are what the kernel has put there.
	if (!is_zero((void *)(long)a->value, map->value_size))
		printf("MAP_UPDATE %s %u %016llx\n", map->name, map->value_size, hash((void *)(long)a->value, map->value_size));
	return 0;
}

static long kernel(int cmd, const union bpf_attr *attr)
{
	switch (cmd) {
	case BPF_MAP_CREATE:
		return map_create(attr);
	case BPF_PROG_LOAD:
		return prog_load(attr);
	case BPF_BTF_LOAD:
		if (refuses(cmd, attr))
			return -EINVAL;
		if (is_loading && attr->btf_size > 240)
			printf("BTF_LOAD %u %016llx\n", attr->btf_size, hash((void *)(long)attr->btf, attr->btf_size));
		return new_fd(0, "btf");
	case BPF_MAP_UPDATE_ELEM:
		return map_update(attr);
	case BPF_MAP_FREEZE:
		printf("MAP_FREEZE %s\n", name_of(attr->map_fd));
		return 0;
	case BPF_MAP_LOOKUP_ELEM:
		return 0;
	case BPF_PROG_BIND_MAP:
		return refuses(cmd, attr) ? -EINVAL : 0;
	case BPF_OBJ_PIN:
		printf("OBJ_PIN %s %s\n", name_of(attr->bpf_fd), (char *)(long)attr->pathname);
		return 0;
	case BPF_OBJ_GET:
	case BPF_BTF_GET_NEXT_ID:
		return -ENOENT;
	default:
		return -EINVAL;
	}
}

long __wrap_syscall(long nr, ...);
long __real_syscall(long nr, ...);

// All calls of bpf(2) go through this function of libc.
long __wrap_syscall(long nr, ...)
{
	long a[6], ret;
	va_list args;

	va_start(args, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (nr == __NR_bpf) {
		ret = kernel(a[0], (union bpf_attr *)a[1]);
		if (ret < 0) {
			errno = -ret;
			return -1;
		}
		return ret;
	}
	if (nr == __NR_perf_event_open) {
		errno = ENOENT;
		return -1;
	}
	return __real_syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static int text_file(const char *text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET))
		exit(2);
	return fd;
}

static int special(const char *path)
{
	if (!strcmp(path, "/proc/kallsyms"))
		return text_file(KALLSYMS);
	if (!strcmp(path, "/sys/devices/system/cpu/possible") || !strcmp(path, "/sys/devices/system/cpu/online"))
		return text_file("0-3\n");
	return -1;
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
	int fd = special(path);

	if (fd >= 0)
		return fd;
	return __real_open64(strcmp(path, "/sys/kernel/btf/vmlinux") ? path : traps, flags, 0);
}

FILE *__real_fopen64(const char *path, const char *mode);
FILE *__wrap_fopen64(const char *path, const char *mode);
FILE *__wrap_fopen64(const char *path, const char *mode)
{
	int fd = special(path);

	if (fd >= 0)
		return fdopen(fd, "r");
	return __real_fopen64(strcmp(path, "/sys/kernel/btf/vmlinux") ? path : traps, mode);
}

void *__real_gzopen64(const char *path, const char *mode);
void *__wrap_gzopen64(const char *path, const char *mode);
void *__wrap_gzopen64(const char *path, const char *mode)
{
	(void)path;
	return __real_gzopen64("/dev/null", mode);
}

int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode)
{
	(void)path, (void)mode;
	return 0;
}

int __wrap_statfs64(const char *path, struct statfs *fs);
int __wrap_statfs64(const char *path, struct statfs *fs)
{
	(void)path;
	fs->f_type = BPF_FS_MAGIC;
	return 0;
}

int __wrap_uname(struct utsname *name);
int __wrap_uname(struct utsname *name)
{
	memset(name, 0, sizeof(*name));
	strcpy(name->release, "6.0.0");
	strcpy(name->version, "#1");
	return 0;
}

static void print_map(const struct bpf_map *map)
{
	size_t len = 0;
	const char *pin = bpf_map__pin_path(map);
	// libbpf 1.8 crashes when asked for the contents of a struct_ops map that is defined in .maps.
	const void *data = bpf_map__type(map) == BPF_MAP_TYPE_ARRAY ? bpf_map__initial_value(map, &len) : NULL;
	const struct bpf_map *inner = bpf_map__inner_map((struct bpf_map *)map);

	printf("map %s type %u key %u value %u entries %u flags %x extra %llx numa %u types %u %u create %d pin %s internal %d", bpf_map__name(map), bpf_map__type(map),
	       bpf_map__key_size(map), bpf_map__value_size(map), bpf_map__max_entries(map), bpf_map__map_flags(map), (unsigned long long)bpf_map__map_extra(map),
	       bpf_map__numa_node(map), bpf_map__btf_key_type_id(map), bpf_map__btf_value_type_id(map), bpf_map__autocreate(map), pin ?: "-", bpf_map__is_internal(map));
	if (data)
		printf(" data %zu %016llx", len, hash(data, len));
	if (inner)
		printf(" inner type %u key %u value %u entries %u flags %x extra %llx numa %u", bpf_map__type(inner), bpf_map__key_size(inner), bpf_map__value_size(inner),
		       bpf_map__max_entries(inner), bpf_map__map_flags(inner), (unsigned long long)bpf_map__map_extra(inner), bpf_map__numa_node(inner));
	printf("\n");
}

static int print_nothing(enum libbpf_print_level level, const char *format, va_list args)
{
	return getenv("WARN") && level != LIBBPF_DEBUG ? vfprintf(stderr, format, args) : 0;
}

int main(int argc, char **argv)
{
	struct bpf_object *obj;
	struct bpf_program *prog;
	struct bpf_map *map;
	LIBBPF_OPTS(bpf_object_open_opts, opts, .kconfig = KCONFIG, .pin_root_path = "/pins");

	if (argc != 4)
		return 2;
	is_old = !strcmp(argv[1], "old");
	traps = argv[2];
	libbpf_set_print(print_nothing);
	obj = bpf_object__open_file(argv[3], &opts);
	printf("open %d\n", obj ? 0 : errno);
	if (!obj)
		return 0;
	bpf_object__for_each_program(prog, obj)
		printf("program %s sec %s type %u attach %u autoload %d insns %zu\n", bpf_program__name(prog), bpf_program__section_name(prog), bpf_program__type(prog),
		       bpf_program__expected_attach_type(prog), bpf_program__autoload(prog), bpf_program__insn_cnt(prog));
	bpf_object__for_each_map(map, obj)
		print_map(map);
	printf("load %s\n", argv[1]);
	fflush(stdout);
	is_loading = 1;
	int err = bpf_object__load(obj);
	printf("result %d\n", -err);
	return 0;
}
