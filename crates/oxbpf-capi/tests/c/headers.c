/* Uses every macro and inline function that libbpf's headers have for programs. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#if LIBBPF_MAJOR_VERSION != 1 || LIBBPF_MINOR_VERSION != 8
#error "another version"
#endif
#if !__LIBBPF_CURRENT_VERSION_GEQ(1, 0) || __LIBBPF_CURRENT_VERSION_GEQ(2, 0)
#error "versions are compared wrongly"
#endif

int walk(struct bpf_object *obj);
int types(const struct btf *btf, const struct btf_type *t, const struct btf_type *u);
int options(struct bpf_object **obj);
const char *sections(int at);

int walk(struct bpf_object *obj)
{
	struct bpf_program *prog;
	struct bpf_map *map;
	int n = 0;

	bpf_object__for_each_program(prog, obj)
		n += bpf_program__fd(prog);
	bpf_object__for_each_map(map, obj)
		n += bpf_map__fd(map);
	bpf_map__for_each(map, obj)
		n++;
	return n;
}

int types(const struct btf *btf, const struct btf_type *t, const struct btf_type *u)
{
	__u64 n = 0;
	const struct btf_array *array;
	const struct btf_enum *value;
	const struct btf_enum64 *large;
	const struct btf_member *member;
	const struct btf_param *param;
	const struct btf_var *var;
	const struct btf_var_secinfo *inside;
	const struct btf_decl_tag *tag;

	n += btf_kind(t) + btf_vlen(t) + btf_kflag(t);
	n += btf_is_void(t) + btf_is_int(t) + btf_is_ptr(t) + btf_is_array(t) + btf_is_struct(t) + btf_is_union(t);
	n += btf_is_composite(t) + btf_is_enum(t) + btf_is_enum64(t) + btf_is_any_enum(t) + btf_is_fwd(t);
	n += btf_is_typedef(t) + btf_is_volatile(t) + btf_is_const(t) + btf_is_restrict(t) + btf_is_mod(t);
	n += btf_is_func(t) + btf_is_func_proto(t) + btf_is_var(t) + btf_is_datasec(t) + btf_is_float(t);
	n += btf_is_decl_tag(t) + btf_is_type_tag(t) + btf_kind_core_compat(t, u);
	n += btf_int_encoding(t) + btf_int_offset(t) + btf_int_bits(t);
	array = btf_array(t);
	value = btf_enum(t);
	large = btf_enum64(t);
	member = btf_members(t);
	param = btf_params(t);
	var = btf_var(t);
	inside = btf_var_secinfos(t);
	tag = btf_decl_tag(t);
	n += array->nelems + value->val + btf_enum64_value(large) + member->type + param->type + var->linkage;
	n += inside->size + tag->component_idx;
	n += btf_member_bit_offset(t, 0) + btf_member_bitfield_size(t, 0);
	return (int)n + (int)btf__type_cnt(btf);
}

int options(struct bpf_object **obj)
{
	static char log[BPF_LOG_BUF_SIZE > 4096 ? 4096 : BPF_LOG_BUF_SIZE];
	LIBBPF_OPTS(bpf_object_open_opts, none);
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "name", .relaxed_maps = true);
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = 1, .attach_point = BPF_TC_INGRESS);

	hook.parent = BPF_TC_PARENT(1, 2);
	*obj = bpf_object__open_file("file", &none);
	LIBBPF_OPTS_RESET(opts, .kernel_log_buf = log, .kernel_log_size = sizeof(log));
	LIBBPF_OPTS_RESET(opts);
	return *obj ? bpf_tc_hook_create(&hook) : (int)libbpf_get_error(*obj) + MAPS_RELAX_COMPAT;
}

const char *sections(int at)
{
	static const char *const names[] = { BTF_ELF_SEC, BTF_EXT_ELF_SEC, BTF_BASE_ELF_SEC, MAPS_ELF_SEC };

	return names[at & 3];
}
