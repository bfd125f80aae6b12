/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* libbpf.h without a kernel: opening, what objects have, setters, option structs of every size, errors. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int print(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char line[512];

	vsnprintf(line, sizeof(line), fmt, args);
	/* Texts are the library's own; that there are some, and where they begin, is not. */
	if (level == LIBBPF_WARN && strncmp(line, "libbpf: ", 8))
		printf("a line begins with %.8s\n", line);
	return 0;
}

static void show(const char *what, long value)
{
	printf("%s: %ld errno %d\n", what, value, value < 0 ? errno : 0);
}

static void null(const char *what, const void *value)
{
	printf("%s: %s errno %d\n", what, value ? "something" : "null", value ? 0 : errno);
}

static void strings(void)
{
	char text[64];
	int errors[] = { 0, 1, 2, -22, 4000, 4001, 4002, 4003, 4004, 4005, 4007, 4008, 4009, 4010, 4011, 4012, 4013, 4014, 5000 };

	for (unsigned i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		memset(text, 0, sizeof(text));
		int answer = libbpf_strerror(errors[i], text, sizeof(text));
		printf("strerror %d: %d %s\n", errors[i], answer, text);
	}
	show("cut", libbpf_strerror(2, text, 5));
	printf("cut to %s\n", text);
	show("no room", libbpf_strerror(2, text, 0));
	show("no buffer", libbpf_strerror(2, NULL, 9));
	printf("%s %u.%u\n", libbpf_version_string(), libbpf_major_version(), libbpf_minor_version());
	for (int t = 0; t < 70; t++)
		printf("%d %s %s %s %s\n", t, libbpf_bpf_prog_type_str(t) ?: "-", libbpf_bpf_map_type_str(t) ?: "-",
		       libbpf_bpf_link_type_str(t) ?: "-", libbpf_bpf_attach_type_str(t) ?: "-");
	errno = 7;
	printf("error of null %ld, of an error %ld, of something %ld\n", libbpf_get_error(NULL), libbpf_get_error((void *)-5L),
	       libbpf_get_error(text));
	show("strict", libbpf_set_strict_mode(LIBBPF_STRICT_ALL));
}

static void sections(void)
{
	const char *names[] = { "kprobe/x", "xdp", "xdp.frags", "tc", "tcx/ingress", "cgroup/connect4", "nothing", "tp/a/b", "lsm/x",
				"raw_tp", "sk_skb/stream_parser", "struct_ops/x", "iter/task", "fentry.s/x", "", "kprobeX" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		enum bpf_prog_type type = 99;
		enum bpf_attach_type attach = 99, legacy = 99;
		int answer = libbpf_prog_type_by_name(names[i], &type, &attach);
		int other = libbpf_attach_type_by_name(names[i], &legacy);
		printf("'%s': %d %d %d; %d %d\n", names[i], answer, type, attach, other, legacy);
	}
	show("no name", libbpf_prog_type_by_name(NULL, NULL, NULL));
}

static int setup_fn(struct bpf_program *prog, long cookie)
{
	printf("setup of %s with %ld\n", bpf_program__name(prog), cookie);
	return bpf_program__set_autoattach(prog, false), 0;
}

static void handlers(const char *path)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .cookie = 5, .prog_setup_fn = setup_fn);
	int first = libbpf_register_prog_handler("tp+", BPF_PROG_TYPE_XDP, BPF_XDP, &opts);
	int second = libbpf_register_prog_handler(NULL, BPF_PROG_TYPE_XDP, BPF_XDP, NULL);
	struct bpf_object *object;

	show("first", first);
	show("second", second);
	show("another fallback", libbpf_register_prog_handler(NULL, BPF_PROG_TYPE_XDP, BPF_XDP, NULL));
	object = bpf_object__open(path);
	if (object) {
		struct bpf_program *prog;

		bpf_object__for_each_program(prog, object)
			printf("%s is %d\n", bpf_program__section_name(prog), bpf_program__type(prog));
	}
	bpf_object__close(object);
	show("unregister", libbpf_unregister_prog_handler(first));
	show("unregister", libbpf_unregister_prog_handler(second));
	show("unregister", libbpf_unregister_prog_handler(second));
	show("unregister", libbpf_unregister_prog_handler(0));
}

/* The same struct with sizes from nothing to more than the library knows. */
static void sizes(const char *path)
{
	char memory[256];

	for (size_t size = 0; size <= sizeof(memory); size += 4) {
		struct bpf_object_open_opts *opts = (void *)memory;
		struct bpf_object *object;

		memset(memory, 0, sizeof(memory));
		opts->sz = size;
		object = bpf_object__open_file(path, opts);
		printf("size %zu: %d errno %d\n", size, !!object, object ? 0 : errno);
		bpf_object__close(object);
		if (size > sizeof(*opts)) {
			memory[size - 1] = 1;
			null("and not zero", bpf_object__open_file(path, opts));
		}
	}
}

static void errors(const char *path)
{
	LIBBPF_OPTS(bpf_object_open_opts, log, .kernel_log_size = 5);
	struct bpf_object *object = bpf_object__open(path);
	struct bpf_program *prog = bpf_object__next_program(object, NULL);
	struct bpf_map *map = bpf_object__next_map(object, NULL);

	null("no path", bpf_object__open(NULL));
	null("no file", bpf_object__open("/does/not/exist"));
	null("no object", bpf_object__open("/proc/self/exe"));
	null("no bytes", bpf_object__open_mem("", 0, NULL));
	null("odd bytes", bpf_object__open_mem("\177ELFnot quite", 13, NULL));
	null("a log without a buffer", bpf_object__open_file(path, &log));
	null("no program", bpf_object__find_program_by_name(object, "nothing"));
	null("no map", bpf_object__find_map_by_name(object, "nothing"));
	show("no map", bpf_object__find_map_fd_by_name(object, "nothing"));
	show("fd of a program", bpf_program__fd(prog));
	show("fd of a map", bpf_map__fd(map));
	show("fd of nothing", bpf_program__fd(NULL));
	show("fd of nothing", bpf_map__fd(NULL));
	null("attach", bpf_program__attach(prog));
	show("pin maps", bpf_object__pin_maps(object, "/tmp"));
	show("pin programs", bpf_object__pin_programs(object, "/tmp"));
	show("pin nothing", bpf_object__pin_maps(NULL, "/tmp"));
	show("pin a map", bpf_map__pin(map, "/tmp/x"));
	show("pin a map nowhere", bpf_map__pin(map, NULL));
	show("unpin nowhere", bpf_map__unpin(map, NULL));
	show("update", bpf_map__update_elem(map, "", 1, "", 1, 0));
	show("destroy nothing", bpf_link__destroy(NULL));
	show("destroy an error", bpf_link__destroy((void *)-17L));
	show("handlers of nothing", libbpf_unregister_prog_handler(99));
	bpf_object__close(NULL);
	bpf_object__close((void *)-5L);
	bpf_object__close(object);
}

static void show_object(const char *path, struct bpf_object *object)
{
	struct bpf_program *prog;
	struct bpf_map *map;

	printf("%s: %d\n", strrchr(path, '/'), !!object);
	if (!object)
		return;
	printf("name %s btf %d fd %d token %d\n", bpf_object__name(object), !!bpf_object__btf(object),
	       bpf_object__btf_fd(object), bpf_object__token_fd(object));
	bpf_object__for_each_program(prog, object) {
		printf("program %s in %s type %d attach %d flags %u load %d attach %d log %u insns %zu\n", bpf_program__name(prog),
		       bpf_program__section_name(prog), bpf_program__type(prog), bpf_program__expected_attach_type(prog),
		       bpf_program__flags(prog), bpf_program__autoload(prog), bpf_program__autoattach(prog),
		       bpf_program__log_level(prog), bpf_program__insn_cnt(prog));
		show("autoload", bpf_program__set_autoload(prog, false));
		show("type", bpf_program__set_type(prog, BPF_PROG_TYPE_KPROBE));
		show("attach type", bpf_program__set_expected_attach_type(prog, BPF_TRACE_KPROBE_MULTI));
		show("flags", bpf_program__set_flags(prog, 8));
		show("log level", bpf_program__set_log_level(prog, 2));
		show("log buffer", bpf_program__set_log_buf(prog, NULL, 5));
		printf("now load %d type %d attach %d flags %u log %u\n", bpf_program__autoload(prog), bpf_program__type(prog),
		       bpf_program__expected_attach_type(prog), bpf_program__flags(prog), bpf_program__log_level(prog));
	}
	bpf_object__for_each_map(map, object) {
		size_t size = 0;
		const unsigned char *value = bpf_map__initial_value(map, &size);
		unsigned long sum = 0;

		for (size_t i = 0; value && i < size; i++)
			sum = sum * 31 + value[i];
		printf("map %s type %d key %u value %u entries %u flags %u extra %llu node %u interface %u internal %d\n",
		       bpf_map__name(map), bpf_map__type(map), bpf_map__key_size(map), bpf_map__value_size(map),
		       bpf_map__max_entries(map), bpf_map__map_flags(map), (unsigned long long)bpf_map__map_extra(map),
		       bpf_map__numa_node(map), bpf_map__ifindex(map), bpf_map__is_internal(map));
		printf("create %d attach %d types %u %u pin %s %d inner %d value %zu sum %lu\n", bpf_map__autocreate(map),
		       bpf_map__autoattach(map), bpf_map__btf_key_type_id(map), bpf_map__btf_value_type_id(map),
		       bpf_map__pin_path(map) ?: "-", bpf_map__is_pinned(map), !!bpf_map__inner_map(map), size, sum);
		show("entries", bpf_map__set_max_entries(map, 5));
		show("key size", bpf_map__set_key_size(map, 8));
		show("autocreate", bpf_map__set_autocreate(map, false));
		show("autoattach", bpf_map__set_autoattach(map, false));
		show("pin path", bpf_map__set_pin_path(map, "/tmp/pin"));
		show("initial value of no bytes", bpf_map__set_initial_value(map, "", 0));
		printf("now entries %u key %u create %d pin %s\n", bpf_map__max_entries(map), bpf_map__key_size(map),
		       bpf_map__autocreate(map), bpf_map__pin_path(map));
		show("back", bpf_map__set_pin_path(map, NULL));
	}
	for (map = bpf_object__prev_map(object, NULL); map; map = bpf_object__prev_map(object, map))
		printf("backwards %s\n", bpf_map__name(map));
	for (prog = bpf_object__prev_program(object, NULL); prog; prog = bpf_object__prev_program(object, prog))
		printf("backwards %s\n", bpf_program__name(prog));
}

int main(int argc, char **argv)
{
	libbpf_print_fn_t before = libbpf_set_print(print);

	printf("a callback before: %d, mine now: %d\n", !!before, libbpf_set_print(print) == print);
	strings();
	sections();
	if (argc < 2)
		return 0;
	handlers(argv[1]);
	sizes(argv[1]);
	errors(argv[1]);
	for (int i = 1; i < argc; i++) {
		struct bpf_object *object = bpf_object__open_file(argv[i], NULL);

		show_object(argv[i], object);
		bpf_object__close(object);
	}
	return 0;
}
