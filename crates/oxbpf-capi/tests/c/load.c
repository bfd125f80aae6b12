/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* libbpf.h on a kernel: load, skeletons, links, maps, pins, buffers, netlink. Arguments: the directory of the examples. Needs root. */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *dir;
static int samples, lost, events;

static void show(const char *what, long value)
{
	printf("%s: %ld errno %d\n", what, value, value < 0 ? errno : 0);
}

static void yes(const char *what, int holds)
{
	printf("%s: %s\n", what, holds ? "yes" : "no");
}

static struct bpf_object *open_example(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s.bpf.o", dir, name);
	return bpf_object__open_file(path, NULL);
}

static int sample(void *ctx, void *data, size_t size)
{
	samples++;
	return 0;
}

static int stop(void *ctx, void *data, size_t size)
{
	return -7;
}

static void perf_sample(void *ctx, int cpu, void *data, __u32 size)
{
	events++;
}

static void perf_lost(void *ctx, int cpu, __u64 count)
{
	lost++;
}

static void touch(int count)
{
	while (count--)
		open("/does/not/exist", O_RDONLY);
}

static void run_child(void)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}

/* What generated code has for an object. */
struct opensnoop {
	struct bpf_object_skeleton *skeleton;
	struct bpf_object *obj;
	struct {
		struct bpf_map *start, *events, *rodata, *bss;
	} maps;
	struct {
		struct bpf_program *openat_enter, *openat_exit;
	} progs;
	struct {
		struct bpf_link *openat_enter, *openat_exit;
	} links;
	char *rodata, *bss;
};

static void *read_file(const char *name, size_t *size)
{
	char path[512];
	struct stat stat;
	void *data;
	int fd;

	snprintf(path, sizeof(path), "%s/%s.bpf.o", dir, name);
	fd = open(path, O_RDONLY);
	fstat(fd, &stat);
	data = malloc(stat.st_size);
	*size = read(fd, data, stat.st_size);
	close(fd);
	return data;
}

static void skeletons(size_t map_size)
{
	struct opensnoop *o = calloc(1, sizeof(*o));
	struct bpf_object_skeleton *s = calloc(1, sizeof(*s));
	struct { const char *name; struct bpf_map **map; void **memory; } maps[] = {
		{ "start", &o->maps.start, NULL },
		{ "events", &o->maps.events, NULL },
		{ "opensnoo.rodata", &o->maps.rodata, (void **)&o->rodata },
		{ "opensnoo.bss", &o->maps.bss, (void **)&o->bss },
	};
	void *data;
	char *before;

	s->sz = sizeof(*s);
	s->name = "opensnoop";
	s->obj = &o->obj;
	s->data = data = read_file("opensnoop", &s->data_sz);
	s->map_cnt = 4;
	s->map_skel_sz = map_size;
	s->maps = calloc(4, map_size);
	for (int i = 0; i < 4; i++) {
		struct bpf_map_skeleton *m = (void *)s->maps + i * map_size;

		m->name = maps[i].name;
		m->map = maps[i].map;
		m->mmaped = maps[i].memory;
	}
	s->prog_cnt = 2;
	s->prog_skel_sz = sizeof(*s->progs);
	s->progs = calloc(2, sizeof(*s->progs));
	s->progs[0].name = "openat_enter";
	s->progs[0].prog = &o->progs.openat_enter;
	s->progs[0].link = &o->links.openat_enter;
	s->progs[1].name = "openat_exit";
	s->progs[1].prog = &o->progs.openat_exit;
	s->progs[1].link = &o->links.openat_exit;

	show("open skeleton", bpf_object__open_skeleton(s, NULL));
	yes("object, maps, programs", o->obj && o->maps.start && o->maps.bss && o->progs.openat_exit);
	yes("memory", o->rodata && o->bss);
	printf("called %s\n", bpf_object__name(o->obj));
	before = o->bss;
	show("load skeleton", bpf_object__load_skeleton(s));
	yes("memory stays", before == o->bss);
	show("attach skeleton", bpf_object__attach_skeleton(s));
	yes("links", o->links.openat_enter && o->links.openat_exit);
	yes("link fd above 2", bpf_link__fd(o->links.openat_enter) > 2);
	yes("close on exec", fcntl(bpf_map__fd(o->maps.start), F_GETFD) & FD_CLOEXEC);
	samples = 0;
	struct ring_buffer *rb = ring_buffer__new(bpf_map__fd(o->maps.events), sample, NULL, NULL);

	touch(3);
	show("poll", ring_buffer__poll(rb, 100) > 0);
	yes("samples", samples >= 3);
	show("size", ring__size(ring_buffer__ring(rb, 0)));
	yes("position", ring__consumer_pos(ring_buffer__ring(rb, 0)) > 0);
	yes("no second ring", !ring_buffer__ring(rb, 1));
	show("detach", (bpf_object__detach_skeleton(s), o->links.openat_enter == NULL));
	ring_buffer__consume(rb);
	samples = 0;
	touch(3);
	show("consume after", ring_buffer__consume(rb));
	ring_buffer__free(rb);
	bpf_object__destroy_skeleton(s);
	free(data);
	free(o);
}

static void states(void)
{
	struct bpf_object *object = open_example("opensnoop");
	struct bpf_program *prog = bpf_object__next_program(object, NULL);
	struct bpf_map *map = bpf_object__find_map_by_name(object, "start");

	show("prepare", bpf_object__prepare(object));
	show("again", bpf_object__prepare(object));
	show("map fd", bpf_map__fd(map) > 2);
	show("program fd", bpf_program__fd(prog));
	show("set entries", bpf_map__set_max_entries(map, 3));
	show("set autoload", bpf_program__set_autoload(prog, true));
	show("load", bpf_object__load(object));
	show("again", bpf_object__load(object));
	show("program fd", bpf_program__fd(prog) > 2);
	show("set autoload", bpf_program__set_autoload(prog, true));
	show("set type", bpf_program__set_type(prog, BPF_PROG_TYPE_XDP));
	show("set flags", bpf_program__set_flags(prog, 1));
	show("set log level", bpf_program__set_log_level(prog, 1));
	show("set attach type", bpf_program__set_expected_attach_type(prog, 1));
	show("set instructions", bpf_program__set_insns(prog, NULL, 0));
	show("set attach target", bpf_program__set_attach_target(prog, 0, "x"));
	show("functions", bpf_program__func_info_cnt(prog));
	yes("lines", bpf_program__line_info_cnt(prog) > 10);
	show("clone", bpf_program__clone(prog, NULL) > 2);
	show("unload", (bpf_program__unload(prog), bpf_program__fd(prog)));
	bpf_object__close(object);
}

static void entries(void)
{
	struct bpf_object *object = open_example("opensnoop");
	struct bpf_map *map = bpf_object__find_map_by_name(object, "start");
	__u64 value[2] = { 1, 2 };
	__u32 key = 5, next = 0, count = 10, keys[16];
	__u64 values[32];
	int fd;

	bpf_object__load(object);
	fd = bpf_map__fd(map);
	show("update", bpf_map__update_elem(map, &key, 4, value, 16, BPF_ANY));
	show("update what is there", bpf_map__update_elem(map, &key, 4, value, 16, BPF_NOEXIST));
	show("key size", bpf_map__update_elem(map, &key, 3, value, 16, BPF_ANY));
	show("value size", bpf_map__update_elem(map, &key, 4, value, 8, BPF_ANY));
	show("look up", bpf_map__lookup_elem(map, &key, 4, value, 16, 0));
	show("first key", bpf_map__get_next_key(map, NULL, &next, 4));
	printf("is %u\n", next);
	show("next key", bpf_map__get_next_key(map, &next, &next, 4));
	show("batch", bpf_map_lookup_batch(fd, NULL, &next, keys, values, &count, NULL));
	printf("%u entries\n", count);
	show("low level", bpf_map_lookup_elem(fd, &key, value));
	show("delete", bpf_map__delete_elem(map, &key, 4, 0));
	show("delete again", bpf_map_delete_elem(fd, &key));
	show("freeze", bpf_map_freeze(fd));
	show("update", bpf_map_update_elem(fd, &key, value, 0));
	show("bad fd", bpf_map_update_elem(-1, &key, value, 0));
	show("no address", bpf_map_lookup_elem(fd, NULL, value));
	bpf_object__close(object);
}

static void pins(void)
{
	const char *path = "/sys/fs/bpf/oxbpf-capi-test";
	struct bpf_object *object = open_example("hello");
	struct bpf_map *map = bpf_object__next_map(object, NULL);
	struct bpf_program *prog = bpf_object__next_program(object, NULL);
	struct bpf_link *link, *again;
	char name[128];

	bpf_object__load(object);
	show("pin maps", bpf_object__pin_maps(object, path));
	yes("pinned", bpf_map__is_pinned(map));
	printf("at %s\n", bpf_map__pin_path(map));
	show("pin there", bpf_map__pin(map, bpf_map__pin_path(map)));
	show("pin elsewhere", bpf_map__pin(map, "/sys/fs/bpf/elsewhere"));
	show("get", bpf_obj_get(bpf_map__pin_path(map)) > 2);
	show("unpin maps", bpf_object__unpin_maps(object, path));
	show("pin programs", bpf_object__pin_programs(object, path));
	show("pin again", bpf_object__pin_programs(object, path));
	show("unpin programs", bpf_object__unpin_programs(object, path));
	link = bpf_program__attach(prog);
	yes("attached", !!link);
	snprintf(name, sizeof(name), "%s/link", path);
	show("pin link", bpf_link__pin(link, name));
	printf("%s\n", bpf_link__pin_path(link) ?: "nowhere");
	show("pin twice", bpf_link__pin(link, name));
	again = bpf_link__open(name);
	yes("opened", !!again);
	show("unpin", bpf_link__unpin(link));
	show("unpin twice", bpf_link__unpin(link));
	show("destroy", bpf_link__destroy(again));
	show("update", bpf_link__update_program(link, prog));
	show("destroy", bpf_link__destroy(link));
	bpf_object__close(object);
	rmdir(path);
}

static void buffers(void)
{
	struct bpf_object *object = open_example("execsnoop");
	struct bpf_program *prog;
	struct bpf_link *links[4];
	struct perf_buffer *pb;
	int count = 0;

	bpf_object__load(object);
	show("pages", perf_buffer__new(bpf_object__find_map_fd_by_name(object, "events"), 3, perf_sample, perf_lost, NULL, NULL) != NULL);
	pb = perf_buffer__new(bpf_object__find_map_fd_by_name(object, "events"), 8, perf_sample, perf_lost, NULL, NULL);
	yes("a buffer for each CPU", perf_buffer__buffer_cnt(pb) == (size_t)libbpf_num_possible_cpus());
	bpf_object__for_each_program(prog, object)
		links[count++] = bpf_program__attach(prog);
	run_child();
	yes("poll", perf_buffer__poll(pb, 200) > 0);
	perf_buffer__consume(pb);
	yes("events", events > 0);
	show("lost", lost);
	show("no such buffer", perf_buffer__consume_buffer(pb, 1000));
	yes("epoll", perf_buffer__epoll_fd(pb) > 2);
	while (count--)
		bpf_link__destroy(links[count]);
	perf_buffer__free(pb);
	bpf_object__close(object);

	object = open_example("opensnoop");
	bpf_object__load(object);
	count = 0;
	bpf_object__for_each_program(prog, object)
		links[count++] = bpf_program__attach(prog);
	struct ring_buffer *rb = ring_buffer__new(bpf_object__find_map_fd_by_name(object, "events"), stop, NULL, NULL);

	touch(1);
	show("a callback that ends it", ring_buffer__poll(rb, 100));
	show("at most none", ring_buffer__consume_n(rb, 0));
	ring_buffer__free(rb);
	show("no ring", ring_buffer__new(bpf_object__find_map_fd_by_name(object, "start"), sample, NULL, NULL) != NULL);
	while (count--)
		bpf_link__destroy(links[count]);
	bpf_object__close(object);
}

static void network(void)
{
	struct bpf_object *xdp = open_example("xdpcount"), *tc = open_example("tccount");
	int ifindex = 1, fd;
	__u32 id = 0;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, filter, .handle = 1, .priority = 1);
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct bpf_link *link;

	if (unshare(CLONE_NEWNET))
		return;
	show("load", bpf_object__load(xdp));
	show("load", bpf_object__load(tc));
	fd = bpf_program__fd(bpf_object__next_program(xdp, NULL));
	show("xdp", bpf_xdp_attach(ifindex, fd, 2, NULL));
	show("xdp again", bpf_xdp_attach(ifindex, fd, 1, NULL));
	show("query", bpf_xdp_query_id(ifindex, 0, &id));
	yes("id", id != 0);
	show("query", bpf_xdp_query(ifindex, 0, &query));
	printf("mode %d skb %d drv %d\n", query.attach_mode, query.skb_prog_id == id, query.drv_prog_id);
	show("detach", bpf_xdp_detach(ifindex, 2, NULL));
	show("no interface", bpf_xdp_detach(999, 0, NULL));
	link = bpf_program__attach_xdp(bpf_object__next_program(xdp, NULL), ifindex);
	yes("link", !!link);
	show("destroy", bpf_link__destroy(link));

	filter.prog_fd = bpf_program__fd(bpf_object__next_program(tc, NULL));
	show("filter without a qdisc", bpf_tc_attach(&hook, &filter));
	show("create", bpf_tc_hook_create(&hook));
	show("create again", bpf_tc_hook_create(&hook));
	show("filter", bpf_tc_attach(&hook, &filter));
	printf("handle %u priority %u\n", filter.handle, filter.priority);
	show("with an id", bpf_tc_attach(&hook, &filter));
	filter.prog_fd = filter.prog_id = filter.flags = 0;
	show("query", bpf_tc_query(&hook, &filter));
	yes("id", filter.prog_id != 0);
	filter.prog_id = 0;
	show("detach", bpf_tc_detach(&hook, &filter));
	show("query", bpf_tc_query(&hook, &filter));
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	show("destroy", bpf_tc_hook_destroy(&hook));
	bpf_object__close(xdp);
	bpf_object__close(tc);
}

static void loaders(void)
{
	LIBBPF_OPTS(gen_loader_opts, opts);
	struct bpf_object *object = open_example("hello");

	show("generate", bpf_object__gen_loader(object, &opts));
	show("load", bpf_object__load(object));
	yes("data", opts.data && opts.data_sz);
	yes("instructions", opts.insns && opts.insns_sz % 8 == 0);
	bpf_object__close(object);
}

int main(int argc, char **argv)
{
	dir = argv[1];
	libbpf_set_print(NULL);
	show("set", libbpf_set_memlock_rlim(0) <= 0);
	skeletons(sizeof(struct bpf_map_skeleton));
	/* One of an older generator, without links of maps. */
	skeletons(offsetof(struct bpf_map_skeleton, link));
	states();
	entries();
	pins();
	buffers();
	loaders();
	network();
	return 0;
}
