// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * What C libbpf asks of a kernel to attach a program: one line a request. The kernel is made up here, new
 * or old, so that the lines are the same on every machine:
 *
 *     cc attach.c libbpf.a -lelf -lz -o attach && ./attach new > new.libbpf.txt && ./attach old > old.libbpf.txt &&
 *     ./attach ops > ops.libbpf.txt
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int is_new, is_shown;
static char root[] = "/tmp/attach.XXXXXX";

/* A request that worked, as a line. Descriptors are left out. */
static void show(const char *format, ...)
{
	va_list args;

	if (!is_shown)
		return;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

static int new_fd(void)
{
	/* Maps are mapped. */
	int fd = memfd_create("fake", MFD_CLOEXEC);

	return ftruncate(fd, 1 << 20) ? -1 : fd;
}

static int refuse(int error)
{
	errno = error;
	return -1;
}

static void show_list(const char *name, unsigned long long addr, unsigned count)
{
	if (!addr)
		return;
	printf(" %s=", name);
	for (unsigned i = 0; i < count; i++)
		printf("%s%llx", i ? "," : "", ((unsigned long long *)addr)[i]);
}

static int link_create(union bpf_attr *a)
{
	unsigned type = a->link_create.attach_type;

	/* Probes of features ask for what can't be. */
	if (!is_new)
		return refuse(EINVAL);
	if (type == BPF_PERF_EVENT && (int)a->link_create.target_fd < 0)
		return refuse(EBADF);
	if (type == BPF_TRACE_UPROBE_MULTI && !strcmp((char *)a->link_create.uprobe_multi.path, "/"))
		return refuse(a->link_create.uprobe_multi.pid ? EINVAL : EBADF);
	if (!is_shown)
		return new_fd();
	printf("LINK_CREATE attach_type=%u flags=%x", type, a->link_create.flags);
	switch (type) {
	case BPF_PERF_EVENT:
		printf(" cookie=%llx", a->link_create.perf_event.bpf_cookie);
		break;
	case BPF_TRACE_KPROBE_MULTI:
	case BPF_TRACE_KPROBE_SESSION:
		printf(" kind_flags=%x cnt=%u", a->link_create.kprobe_multi.flags, a->link_create.kprobe_multi.cnt);
		if (a->link_create.kprobe_multi.syms) {
			printf(" syms=");
			for (unsigned i = 0; i < a->link_create.kprobe_multi.cnt; i++)
				printf("%s%s", i ? "," : "", ((char **)a->link_create.kprobe_multi.syms)[i]);
		}
		show_list("addrs", a->link_create.kprobe_multi.addrs, a->link_create.kprobe_multi.cnt);
		show_list("cookies", a->link_create.kprobe_multi.cookies, a->link_create.kprobe_multi.cnt);
		break;
	case BPF_TRACE_UPROBE_MULTI:
	case BPF_TRACE_UPROBE_SESSION:
		printf(" kind_flags=%x cnt=%u path=%s", a->link_create.uprobe_multi.flags, a->link_create.uprobe_multi.cnt,
		       (char *)a->link_create.uprobe_multi.path);
		show_list("offsets", a->link_create.uprobe_multi.offsets, a->link_create.uprobe_multi.cnt);
		show_list("counters", a->link_create.uprobe_multi.ref_ctr_offsets, a->link_create.uprobe_multi.cnt);
		show_list("cookies", a->link_create.uprobe_multi.cookies, a->link_create.uprobe_multi.cnt);
		printf(" pid=%u", a->link_create.uprobe_multi.pid);
		break;
	case BPF_TRACE_ITER:
		printf(" info=");
		for (unsigned i = 0; i < a->link_create.iter_info_len; i++)
			printf("%02x", ((unsigned char *)a->link_create.iter_info)[i]);
		break;
	case BPF_NETFILTER:
		printf(" words=%u,%u,%u,%u", a->link_create.netfilter.pf, a->link_create.netfilter.hooknum,
		       a->link_create.netfilter.priority, a->link_create.netfilter.flags);
		break;
	case BPF_CGROUP_INET_EGRESS:
	case BPF_TCX_INGRESS:
	case BPF_NETKIT_PRIMARY:
		printf(" target=%u relative=%u revision=%llu", a->link_create.target_fd, a->link_create.tcx.relative_fd,
		       a->link_create.tcx.expected_revision);
		break;
	default:
		printf(" target=%u btf_id=%u cookie=%llx", a->link_create.target_fd, a->link_create.target_btf_id,
		       a->link_create.tracing.cookie);
	}
	putchar('\n');
	return new_fd();
}

/* An old kernel has no cookies; the helper's number is 174. */
static int uses_cookie(union bpf_attr *a)
{
	struct bpf_insn *insns = (void *)a->insns;

	for (unsigned i = 0; i < a->insn_cnt; i++)
		if (insns[i].code == (BPF_JMP | BPF_CALL) && !insns[i].src_reg && insns[i].imm == 174)
			return a->insn_cnt < 4;
	return 0;
}

/* Descriptors that nothing is behind: of what programs attach to, and of the types of a program among that. */
enum { TARGET = 500, TARGET_TYPES };

/* The program that is a target has types, with function `f` of number 2; other objects tell nothing. */
static int target_info(union bpf_attr *a)
{
	static struct btf *types;
	struct bpf_btf_info *info = (void *)a->info.info;
	const void *data;
	unsigned size;

	if (a->info.bpf_fd == TARGET) {
		((struct bpf_prog_info *)info)->btf_id = 77;
		return 0;
	}
	if (a->info.bpf_fd != TARGET_TYPES)
		return refuse(EINVAL);
	if (!types) {
		types = btf__new_empty();
		btf__add_func(types, "f", BTF_FUNC_GLOBAL, btf__add_func_proto(types, 0));
	}
	data = btf__raw_data(types, &size);
	if (info->btf_size >= size)
		memcpy((void *)info->btf, data, size);
	info->btf_size = size;
	return 0;
}

static int fake_bpf(int cmd, union bpf_attr *a)
{
	switch (cmd) {
	case BPF_LINK_CREATE:
		return link_create(a);
	case BPF_RAW_TRACEPOINT_OPEN:
		show("RAW_TRACEPOINT_OPEN name=%s cookie=%llx", a->raw_tracepoint.name ? (char *)a->raw_tracepoint.name : "",
		     a->raw_tracepoint.cookie);
		return new_fd();
	case BPF_MAP_UPDATE_ELEM:
		/* Records of arguments have 304 bytes and ids by address 4; others are data of the object. */
		if (is_shown)
			printf("MAP_UPDATE_ELEM key=%x flags=%llx\n", *(unsigned *)a->key, a->flags);
		return 0;
	case BPF_MAP_DELETE_ELEM:
		/* USDT deletes no records where it shares them. */
		show("MAP_DELETE_ELEM key=%x", *(unsigned *)a->key);
		return 0;
	case BPF_LINK_UPDATE:
		show("LINK_UPDATE flags=%x old=%u", a->link_update.flags, a->link_update.old_prog_fd);
		return 0;
	case BPF_LINK_DETACH:
		show("LINK_DETACH");
		return 0;
	case BPF_PROG_LOAD:
		return !is_new && uses_cookie(a) ? refuse(EINVAL) : new_fd();
	case BPF_MAP_CREATE:
	case BPF_BTF_LOAD:
		return new_fd();
	case BPF_BTF_GET_FD_BY_ID:
		return TARGET_TYPES;
	case BPF_OBJ_GET_INFO_BY_FD:
		return target_info(a);
	}
	return 0;
}

static int fake_perf(struct perf_event_attr *a, int pid, int cpu)
{
	printf(is_shown ? "perf_event_open type=%u config=%llx config1=%s config2=%llx pid=%d cpu=%d\n" : "", a->type,
	       (unsigned long long)a->config, a->type != PERF_TYPE_TRACEPOINT && a->config1 ? (char *)a->config1 : "",
	       (unsigned long long)a->config2, pid, cpu);
	return new_fd();
}

long syscall(long number, ...)
{
	long a[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_bpf)
		return fake_bpf(a[0], (void *)a[1]);
	if (number == SYS_perf_event_open)
		return fake_perf((void *)a[0], a[1], a[2]);
	if (number == SYS_memfd_create)
		return new_fd();
	if (number == SYS_dup3)
		return dup3(a[0], a[1], a[2]);
	return refuse(ENOSYS);
}

int ioctl(int fd, unsigned long request, ...)
{
	(void)fd;
	if (request == PERF_EVENT_IOC_SET_BPF)
		show("SET_BPF");
	else if (request == PERF_EVENT_IOC_ENABLE)
		show("ENABLE");
	else if (request == PERF_EVENT_IOC_DISABLE)
		show("DISABLE");
	return 0;
}

/* Files of sysfs and tracefs are those of the kernel that is made up. */
static const char *moved(const char *path, char *buf)
{
	/* The types of the running kernel will do. */
	if (!strncmp(path, "/sys/kernel/btf", 15))
		return path;
	if (strncmp(path, "/sys/", 5) && strncmp(path, "/proc/kallsyms", 14))
		return path;
	/* Names of probes that are defined have numbers in them: every definition has the same id. */
	if (strstr(path, "/events/kprobes/") || strstr(path, "/events/uprobes/") || strstr(path, "/events/kretprobes/") ||
	    strstr(path, "/events/uretprobes/"))
		path = "/sys/defined";
	sprintf(buf, "%s%s", root, path);
	return buf;
}

FILE *fopen(const char *path, const char *mode)
{
	char buf[4096];
	int fd = openat(AT_FDCWD, moved(path, buf), O_RDONLY | O_CLOEXEC);

	return fd < 0 ? NULL : fdopen(fd, "r");
}

FILE *fopen64(const char *path, const char *mode)
{
	return fopen(path, mode);
}

int open(const char *path, int flags, ...)
{
	char buf[4096];

	return openat(AT_FDCWD, moved(path, buf), flags & ~O_CREAT);
}

int open64(const char *path, int flags, ...)
{
	return open(path, flags);
}

int access(const char *path, int mode)
{
	struct stat stat;
	char buf[4096];

	return fstatat(AT_FDCWD, moved(path, buf), &stat, 0);
}

int faccessat(int dir, const char *path, int mode, int flags)
{
	return access(path, mode);
}

/* Lines for tracefs come through here; those of stdio do not. */
static ssize_t syscall_write(int fd, const void *buf, size_t len)
{
	struct iovec part = { (void *)buf, len };

	return writev(fd, &part, 1);
}

ssize_t write(int fd, const void *buf, size_t len)
{
	const char *line = buf, *name = memchr(line, '/', len), *end;

	if (len < 3 || line[1] != ':' || !name)
		return syscall_write(fd, buf, len);
	/* The name that libbpf gives the event has numbers of the process in it. */
	name++;
	end = memchr(name, ' ', line + len - name);
	end = end ? end : line + len;
	show("define %.*sNAME%.*s", (int)(name - line), line, (int)(line + len - end), end);
	return len;
}

static void put(const char *path, const char *text)
{
	char buf[4096], *slash;
	FILE *f;
	int fd;

	sprintf(buf, "%s%s", root, path);
	for (slash = buf + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = 0;
		mkdirat(AT_FDCWD, buf, 0700);
		*slash = '/';
	}
	fd = openat(AT_FDCWD, buf, O_WRONLY | O_CREAT, 0600);
	f = fdopen(fd, "w");
	fputs(text, f);
	fclose(f);
}

/* A program of a type, loaded. */
static struct bpf_program *program(enum bpf_prog_type type, enum bpf_attach_type attach_type)
{
	struct bpf_object *obj = bpf_object__open_file("../../examples/hello.bpf.o", NULL);
	struct bpf_program *prog = bpf_object__next_program(obj, NULL);

	bpf_program__set_type(prog, type);
	bpf_program__set_expected_attach_type(prog, attach_type);
	if (bpf_object__load(obj))
		exit(3);
	return prog;
}

/* A link after another program took the place in it, and after it was detached by force. */
static struct bpf_link *updated(struct bpf_link *link, struct bpf_program *prog)
{
	if (link && !bpf_link__update_program(link, prog))
		bpf_link__detach(link);
	return link;
}

/* Shows what the attachment asks, and then what its end asks. */
#define SHOW(title, attach)                                                  \
	do {                                                                 \
		struct bpf_link *link;                                       \
		printf("# %s\n", title);                                     \
		is_shown = 1;                                                \
		link = attach;                                               \
		if (link)                                                    \
			bpf_link__destroy(link);                             \
		else                                                         \
			printf("error %d\n", errno);                         \
		is_shown = 0;                                                \
	} while (0)

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

static struct bpf_object *loaded(const char *path)
{
	struct bpf_object *obj = bpf_object__open_file(path, NULL);

	return bpf_object__load(obj) ? exit(5), NULL : obj;
}

static struct bpf_link *exchanged(struct bpf_link *link, struct bpf_map *map)
{
	bpf_link__update_map(link, map);
	return link;
}

/* Structs of callbacks, of a new kernel with the types of the running one. */
static int struct_ops(void)
{
	struct bpf_object *obj;

	is_new = 1;
	setvbuf(stdout, NULL, _IONBF, 0);
	libbpf_set_print(quiet);
	obj = loaded("../objects/struct_ops.o");
	SHOW("struct_ops", bpf_map__attach_struct_ops(bpf_object__find_map_by_name(obj, "at_once")));
	SHOW("struct_ops.link", bpf_map__attach_struct_ops(bpf_object__find_map_by_name(obj, "by_link")));
	SHOW("struct_ops.link update", exchanged(bpf_map__attach_struct_ops(bpf_object__find_map_by_name(obj, "by_link")),
						  bpf_object__find_map_by_name(obj, "by_link")));
	return 0;
}

int main(int argc, char **argv)
{
	const char *target = "../usdt/target", *syms[] = { "f", "g" };
	const unsigned long addrs[] = { 0x1000, 0x2000 }, offsets[] = { 0x1a9, 0x1bc }, counters[] = { 0x1e0, 0 };
	const __u64 cookies[] = { 7, 9 };
	struct bpf_program *kprobe, *prog;
	struct bpf_object *obj;

	if (!strcmp(argv[1], "ops"))
		return struct_ops();
	is_new = !strcmp(argv[1], "new");
	setvbuf(stdout, NULL, _IONBF, 0);
	if (!mkdtemp(root))
		return 1;
	put("/sys/kernel/tracing/events/syscalls/sys_enter_openat/id", "600\n");
	put("/sys/kernel/tracing/kprobe_events", "");
	put("/sys/kernel/tracing/uprobe_events", "");
	put("/sys/kernel/tracing/available_filter_functions_addrs", "1000 f_one\n2000 f_two\n3000 other\n");
	put("/sys/defined", "1500\n");
	if (is_new) {
		put("/sys/bus/event_source/devices/kprobe/type", "8\n");
		put("/sys/bus/event_source/devices/kprobe/format/retprobe", "config:0\n");
		put("/sys/bus/event_source/devices/uprobe/type", "9\n");
		put("/sys/bus/event_source/devices/uprobe/format/retprobe", "config:0\n");
		put("/sys/bus/event_source/devices/uprobe/format/ref_ctr_offset", "config:32-63\n");
	}
	libbpf_set_print(quiet);

	kprobe = program(BPF_PROG_TYPE_KPROBE, 0);
	LIBBPF_OPTS(bpf_kprobe_opts, k);
	SHOW("kprobe", bpf_program__attach_kprobe_opts(kprobe, "f", &k));
	k.offset = 16;
	SHOW("kprobe offset", bpf_program__attach_kprobe_opts(kprobe, "f", &k));
	k.offset = 0, k.retprobe = true;
	SHOW("kretprobe", bpf_program__attach_kprobe_opts(kprobe, "f", &k));
	k.retprobe = false, k.bpf_cookie = 7;
	SHOW("kprobe cookie", bpf_program__attach_kprobe_opts(kprobe, "f", &k));
	k.bpf_cookie = 0, k.attach_mode = PROBE_ATTACH_MODE_PERF;
	SHOW("kprobe perf", bpf_program__attach_kprobe_opts(kprobe, "f", &k));
	k.attach_mode = PROBE_ATTACH_MODE_LINK;
	SHOW("kprobe link", bpf_program__attach_kprobe_opts(kprobe, "f", &k));
	k.attach_mode = PROBE_ATTACH_MODE_LEGACY, k.offset = 4;
	SHOW("kprobe legacy", bpf_program__attach_kprobe_opts(kprobe, "f", &k));
	LIBBPF_OPTS(bpf_uprobe_opts, u);
	SHOW("uprobe", bpf_program__attach_uprobe_opts(kprobe, -1, target, 0x1a9, &u));
	SHOW("uprobe process", bpf_program__attach_uprobe_opts(kprobe, 4242, target, 0x1a9, &u));
	u.func_name = "_start";
	SHOW("uprobe function", bpf_program__attach_uprobe_opts(kprobe, -1, target, 4, &u));
	u.func_name = NULL, u.retprobe = true;
	SHOW("uretprobe", bpf_program__attach_uprobe_opts(kprobe, -1, target, 0x1a9, &u));
	u.retprobe = false, u.ref_ctr_offset = 0x1e0;
	SHOW("uprobe counter", bpf_program__attach_uprobe_opts(kprobe, -1, target, 0x1a9, &u));
	u.ref_ctr_offset = 0, u.attach_mode = PROBE_ATTACH_MODE_LEGACY;
	SHOW("uprobe legacy", bpf_program__attach_uprobe_opts(kprobe, -1, target, 0x1a9, &u));

	prog = program(BPF_PROG_TYPE_KPROBE, BPF_TRACE_KPROBE_MULTI);
	LIBBPF_OPTS(bpf_kprobe_multi_opts, km);
	SHOW("kprobe.multi pattern", bpf_program__attach_kprobe_multi_opts(prog, "f_*", &km));
	km.retprobe = true;
	SHOW("kretprobe.multi pattern", bpf_program__attach_kprobe_multi_opts(prog, "f_?wo", &km));
	km.retprobe = false, km.cnt = 2, km.syms = syms, km.cookies = cookies;
	SHOW("kprobe.multi names", bpf_program__attach_kprobe_multi_opts(prog, NULL, &km));
	km.syms = NULL, km.addrs = addrs;
	SHOW("kprobe.multi addresses", bpf_program__attach_kprobe_multi_opts(prog, NULL, &km));
	LIBBPF_OPTS(bpf_kprobe_multi_opts, ks, .session = true);
	prog = program(BPF_PROG_TYPE_KPROBE, BPF_TRACE_KPROBE_SESSION);
	SHOW("kprobe.session", bpf_program__attach_kprobe_multi_opts(prog, "f_*", &ks));

	prog = program(BPF_PROG_TYPE_KPROBE, BPF_TRACE_UPROBE_MULTI);
	LIBBPF_OPTS(bpf_uprobe_multi_opts, um);
	SHOW("uprobe.multi pattern", bpf_program__attach_uprobe_multi(prog, -1, target, "_sta*", &um));
	um.cnt = 2, um.offsets = offsets, um.ref_ctr_offsets = counters, um.cookies = cookies;
	SHOW("uprobe.multi offsets", bpf_program__attach_uprobe_multi(prog, 4242, target, NULL, &um));
	LIBBPF_OPTS(bpf_uprobe_multi_opts, ur, .retprobe = true);
	SHOW("uretprobe.multi", bpf_program__attach_uprobe_multi(prog, -1, target, "_start", &ur));
	LIBBPF_OPTS(bpf_uprobe_multi_opts, us, .session = true);
	prog = program(BPF_PROG_TYPE_KPROBE, BPF_TRACE_UPROBE_SESSION);
	SHOW("uprobe.session", bpf_program__attach_uprobe_multi(prog, -1, target, "_start", &us));

	prog = program(BPF_PROG_TYPE_TRACEPOINT, 0);
	LIBBPF_OPTS(bpf_tracepoint_opts, t);
	SHOW("tracepoint", bpf_program__attach_tracepoint_opts(prog, "syscalls", "sys_enter_openat", &t));
	t.bpf_cookie = 7;
	SHOW("tracepoint cookie", bpf_program__attach_tracepoint_opts(prog, "syscalls", "sys_enter_openat", &t));
	SHOW("tracepoint missing", bpf_program__attach_tracepoint(prog, "syscalls", "none"));
	prog = program(BPF_PROG_TYPE_RAW_TRACEPOINT, 0);
	LIBBPF_OPTS(bpf_raw_tracepoint_opts, r, .cookie = 7);
	SHOW("raw_tp", bpf_program__attach_raw_tracepoint(prog, "sys_enter"));
	SHOW("raw_tp cookie", bpf_program__attach_raw_tracepoint_opts(prog, "sys_enter", &r));
	prog = program(BPF_PROG_TYPE_PERF_EVENT, 0);
	LIBBPF_OPTS(bpf_perf_event_opts, p);
	SHOW("perf_event", bpf_program__attach_perf_event_opts(prog, new_fd(), &p));
	p.force_ioctl_attach = true;
	SHOW("perf_event ioctl", bpf_program__attach_perf_event_opts(prog, new_fd(), &p));
	LIBBPF_OPTS(bpf_perf_event_opts, d, .dont_enable = true, .bpf_cookie = 7);
	SHOW("perf_event disabled", bpf_program__attach_perf_event_opts(prog, new_fd(), &d));

	static const struct {
		const char *title, *with_cookie;
		enum bpf_prog_type type;
		enum bpf_attach_type attach_type;
	} traced[] = {
		{ "tp_btf", "tp_btf cookie", BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP },
		{ "fentry", "fentry cookie", BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY },
		{ "fexit", "fexit cookie", BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT },
		{ "fmod_ret", "fmod_ret cookie", BPF_PROG_TYPE_TRACING, BPF_MODIFY_RETURN },
		{ "lsm", NULL, BPF_PROG_TYPE_LSM, BPF_LSM_MAC },
		{ "freplace", NULL, BPF_PROG_TYPE_EXT, 0 },
	};
	LIBBPF_OPTS(bpf_trace_opts, tr, .cookie = 7);
	for (unsigned i = 0; i < sizeof(traced) / sizeof(*traced); i++) {
		prog = program(traced[i].type, traced[i].attach_type);
		SHOW(traced[i].title, bpf_program__attach_trace(prog));
		if (traced[i].with_cookie)
			SHOW(traced[i].with_cookie, bpf_program__attach_trace_opts(prog, &tr));
	}
	SHOW("freplace function", bpf_program__attach_freplace(prog, TARGET, "f"));
	union bpf_iter_link_info of_map = { .map.map_fd = TARGET }, of_task = { .task.pid = 4242 };
	union bpf_iter_link_info of_cgroup = { .cgroup.order = BPF_CGROUP_ITER_DESCENDANTS_PRE, .cgroup.cgroup_fd = TARGET };
	LIBBPF_OPTS(bpf_iter_attach_opts, it, .link_info_len = sizeof(of_map));
	prog = program(BPF_PROG_TYPE_TRACING, BPF_TRACE_ITER);
	SHOW("iter", bpf_program__attach_iter(prog, NULL));
	it.link_info = &of_map;
	SHOW("iter map", bpf_program__attach_iter(prog, &it));
	it.link_info = &of_task;
	SHOW("iter process", bpf_program__attach_iter(prog, &it));
	it.link_info = &of_cgroup;
	SHOW("iter cgroup", bpf_program__attach_iter(prog, &it));
	LIBBPF_OPTS(bpf_netfilter_opts, nf, .pf = 2, .hooknum = 1, .priority = 10, .flags = 1);
	prog = program(BPF_PROG_TYPE_NETFILTER, BPF_NETFILTER);
	SHOW("netfilter", bpf_program__attach_netfilter(prog, &nf));
	LIBBPF_OPTS(bpf_cgroup_opts, cg, .flags = BPF_F_BEFORE | BPF_F_ID, .relative_id = 8, .expected_revision = 2);
	prog = program(BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS);
	SHOW("cgroup", bpf_program__attach_cgroup(prog, TARGET));
	SHOW("cgroup before", bpf_program__attach_cgroup_opts(prog, TARGET, &cg));
	SHOW("cgroup update", updated(bpf_program__attach_cgroup(prog, TARGET), prog));
	prog = program(BPF_PROG_TYPE_LSM, BPF_LSM_CGROUP);
	SHOW("lsm_cgroup", bpf_program__attach_cgroup(prog, TARGET));
	prog = program(BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP);
	SHOW("netns", bpf_program__attach_netns(prog, TARGET));
	prog = program(BPF_PROG_TYPE_SK_MSG, BPF_SK_MSG_VERDICT);
	SHOW("sockmap", bpf_program__attach_sockmap(prog, TARGET));
	prog = program(BPF_PROG_TYPE_XDP, BPF_XDP);
	SHOW("xdp", bpf_program__attach_xdp(prog, 9));
	LIBBPF_OPTS(bpf_tcx_opts, tx, .flags = BPF_F_AFTER | BPF_F_LINK, .relative_fd = TARGET, .expected_revision = 2);
	prog = program(BPF_PROG_TYPE_SCHED_CLS, BPF_TCX_INGRESS);
	SHOW("tcx", bpf_program__attach_tcx(prog, 9, NULL));
	SHOW("tcx after", bpf_program__attach_tcx(prog, 9, &tx));
	LIBBPF_OPTS(bpf_netkit_opts, nk, .flags = BPF_F_BEFORE);
	prog = program(BPF_PROG_TYPE_SCHED_CLS, BPF_NETKIT_PRIMARY);
	SHOW("netkit first", bpf_program__attach_netkit(prog, 9, &nk));

	obj = bpf_object__open_file("../usdt/probes.bpf.o", NULL);
	if (bpf_object__load(obj))
		return 4;
	prog = bpf_object__find_program_by_name(obj, "first");
	LIBBPF_OPTS(bpf_usdt_opts, s, .usdt_cookie = 7);
	SHOW("usdt places", bpf_program__attach_usdt(prog, -1, target, "oxbpf", "places", &s));
	SHOW("usdt counter", bpf_program__attach_usdt(prog, 4242, target, "oxbpf", "counted", &s));
	SHOW("usdt missing", bpf_program__attach_usdt(prog, -1, target, "oxbpf", "none such", &s));
	SHOW("usdt float", bpf_program__attach_usdt(prog, -1, target, "oxbpf", "float", &s));
	return 0;
}
