/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/**
 * @file
 * BTF: types, and what belongs to them.
 *
 * Numbers that functions give are 0 or positive, or a negative error number that errno has too, without the sign. Pointers
 * that they give are NULL on an error, and errno says which. Strings and types belong to the BTF that has them; a type
 * moves when types are added.
 */
#ifndef __LIBBPF_BTF_H
#define __LIBBPF_BTF_H

#include <stdarg.h>
#include <stdbool.h>
#include <linux/btf.h>
#include <linux/types.h>

#include "libbpf_common.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Names of the sections of an object file. */
#define BTF_ELF_SEC ".BTF"
#define BTF_EXT_ELF_SEC ".BTF.ext"
#define BTF_BASE_ELF_SEC ".BTF.base"
#define MAPS_ELF_SEC ".maps"

struct bpf_object;
struct btf;
struct btf_dump;
struct btf_ext;
struct btf_type;

enum btf_endianness {
	BTF_LITTLE_ENDIAN = 0,
	BTF_BIG_ENDIAN = 1,
};

/** Options for new BTF. */
struct btf_new_opts {
	size_t sz;		/**< size of this struct */
	struct btf *base_btf;	/**< whose types it goes on from */
	bool add_layout;	/**< say how large each kind is, for readers that do not know it */
	size_t :0;
};
#define btf_new_opts__last_field add_layout

/** What a forward declaration is of. */
enum btf_fwd_kind {
	BTF_FWD_STRUCT = 0,
	BTF_FWD_UNION = 1,
	BTF_FWD_ENUM = 2,
};

/** Options for removing what is there twice. */
struct btf_dedup_opts {
	size_t sz;			/**< size of this struct */
	struct btf_ext *btf_ext;	/**< records whose ids and strings follow */
	bool force_collisions;		/**< for tests: compare everything */
	size_t :0;
};
#define btf_dedup_opts__last_field force_collisions

/** Options for putting types into another order. */
struct btf_permute_opts {
	size_t sz;			/**< size of this struct */
	struct btf_ext *btf_ext;	/**< records whose ids follow */
	size_t :0;
};
#define btf_permute_opts__last_field btf_ext

struct btf_dump_opts {
	size_t sz;	/**< size of this struct */
};
#define btf_dump_opts__last_field sz

/** What is called with each piece of a dump; the list of arguments is only valid during the call. */
typedef void (*btf_dump_printf_fn_t)(void *ctx, const char *fmt, va_list args);

/** Options for a declaration. */
struct btf_dump_emit_type_decl_opts {
	size_t sz;			/**< size of this struct */
	const char *field_name;		/**< what is declared; default: nothing */
	int indent_level;		/**< tabs before each line but the first */
	bool strip_mods;		/**< without const, volatile, restrict */
	size_t :0;
};
#define btf_dump_emit_type_decl_opts__last_field strip_mods

/** Options for data. */
struct btf_dump_type_data_opts {
	size_t sz;			/**< size of this struct */
	const char *indent_str;		/**< one level; default a tab */
	int indent_level;		/**< levels to begin with */
	bool compact;			/**< all in one line */
	bool skip_names;		/**< without names of members */
	bool emit_zeroes;		/**< also what is zero */
	bool emit_strings;		/**< text of arrays of char */
	size_t :0;
};
#define btf_dump_type_data_opts__last_field emit_strings

/* Kinds that the system's header may be too old to have. */
#ifndef BTF_KIND_FUNC
#define BTF_KIND_FUNC 12
#endif
#ifndef BTF_KIND_FUNC_PROTO
#define BTF_KIND_FUNC_PROTO 13
#endif
#ifndef BTF_KIND_VAR
#define BTF_KIND_VAR 14
#endif
#ifndef BTF_KIND_DATASEC
#define BTF_KIND_DATASEC 15
#endif
#ifndef BTF_KIND_FLOAT
#define BTF_KIND_FLOAT 16
#endif
#ifndef BTF_KIND_DECL_TAG
#define BTF_KIND_DECL_TAG 17
#endif
#ifndef BTF_KIND_TYPE_TAG
#define BTF_KIND_TYPE_TAG 18
#endif
#ifndef BTF_KIND_ENUM64
#define BTF_KIND_ENUM64 19
#endif

/* The words of a type that count and classify. */

static inline __u16 btf_kind(const struct btf_type *t)
{
	return BTF_INFO_KIND(t->info);
}

static inline __u32 btf_vlen(const struct btf_type *t)
{
	return BTF_INFO_VLEN(t->info);
}

static inline bool btf_kflag(const struct btf_type *t)
{
	return BTF_INFO_KFLAG(t->info);
}

static inline bool btf_is_void(const struct btf_type *t)
{
	return btf_kind(t) == 0;
}

#define __BTF_IS(name, KIND)                                   \
	static inline bool btf_is_##name(const struct btf_type *t) \
	{                                                      \
		return btf_kind(t) == BTF_KIND_##KIND;         \
	}
__BTF_IS(int, INT)
__BTF_IS(ptr, PTR)
__BTF_IS(array, ARRAY)
__BTF_IS(struct, STRUCT)
__BTF_IS(union, UNION)
__BTF_IS(enum, ENUM)
__BTF_IS(enum64, ENUM64)
__BTF_IS(fwd, FWD)
__BTF_IS(typedef, TYPEDEF)
__BTF_IS(volatile, VOLATILE)
__BTF_IS(const, CONST)
__BTF_IS(restrict, RESTRICT)
__BTF_IS(func, FUNC)
__BTF_IS(func_proto, FUNC_PROTO)
__BTF_IS(var, VAR)
__BTF_IS(datasec, DATASEC)
__BTF_IS(float, FLOAT)
__BTF_IS(decl_tag, DECL_TAG)
__BTF_IS(type_tag, TYPE_TAG)
#undef __BTF_IS

static inline bool btf_is_composite(const struct btf_type *t)
{
	return btf_is_struct(t) || btf_is_union(t);
}

/** Whether it changes how another type is used: const, volatile, restrict, a tag. */
static inline bool btf_is_mod(const struct btf_type *t)
{
	return btf_is_const(t) || btf_is_volatile(t) || btf_is_restrict(t) || btf_is_type_tag(t);
}

static inline bool btf_is_any_enum(const struct btf_type *t)
{
	return btf_is_enum(t) || btf_is_enum64(t);
}

/** Whether CO-RE may take one for the other by their kinds. */
static inline bool btf_kind_core_compat(const struct btf_type *t1, const struct btf_type *t2)
{
	return (btf_is_any_enum(t1) && btf_is_any_enum(t2)) || btf_kind(t1) == btf_kind(t2);
}

/* What follows a type, by its kind. */

#define __BTF_TAIL(name, type)                                         \
	static inline struct type *name(const struct btf_type *t)      \
	{                                                              \
		return (struct type *)(t + 1);                         \
	}
struct btf_decl_tag;
struct btf_enum64;
__BTF_TAIL(btf_array, btf_array)
__BTF_TAIL(btf_enum, btf_enum)
__BTF_TAIL(btf_enum64, btf_enum64)
__BTF_TAIL(btf_members, btf_member)
__BTF_TAIL(btf_params, btf_param)
__BTF_TAIL(btf_var, btf_var)
__BTF_TAIL(btf_var_secinfos, btf_var_secinfo)
__BTF_TAIL(btf_decl_tag, btf_decl_tag)
#undef __BTF_TAIL

static inline __u8 btf_int_encoding(const struct btf_type *t)
{
	return BTF_INT_ENCODING(*(const __u32 *)(t + 1));
}

static inline __u8 btf_int_offset(const struct btf_type *t)
{
	return BTF_INT_OFFSET(*(const __u32 *)(t + 1));
}

static inline __u8 btf_int_bits(const struct btf_type *t)
{
	return BTF_INT_BITS(*(const __u32 *)(t + 1));
}

/** A value of 64 bits: its words are the name, the low half, the high half. */
static inline __u64 btf_enum64_value(const struct btf_enum64 *e)
{
	const __u32 *words = (const __u32 *)e;

	return words[1] | (__u64)words[2] << 32;
}

/** Where a member begins, in bits from the start of its struct. */
static inline __u32 btf_member_bit_offset(const struct btf_type *t, __u32 member_idx)
{
	__u32 where = btf_members(t)[member_idx].offset;

	return btf_kflag(t) ? BTF_MEMBER_BIT_OFFSET(where) : where;
}

/** The width of a bit-field in bits; 0 of any other member. */
static inline __u32 btf_member_bitfield_size(const struct btf_type *t, __u32 member_idx)
{
	__u32 where = btf_members(t)[member_idx].offset;

	return btf_kflag(t) ? BTF_MEMBER_BITFIELD_SIZE(where) : 0;
}

/**
 * Adds an array.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_array(struct btf *btf, int index_type_id, int elem_type_id, __u32 nr_elems);

/**
 * Adds copies of all types of another; gives the id of the first.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_btf(struct btf *btf, const struct btf *src_btf);

/**
 * Adds const.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_const(struct btf *btf, int ref_type_id);

/**
 * Adds a section, without variables at first.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_datasec(struct btf *btf, const char *name, __u32 byte_sz);

/**
 * Adds a variable to the section added last.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_datasec_var_info(struct btf *btf, int var_type_id, __u32 offset, __u32 byte_sz);

/**
 * Adds an attribute of a declaration.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_decl_attr(struct btf *btf, const char *value, int ref_type_id, int component_idx);

/**
 * Adds a tag of a declaration: −1 for the whole, or a member or parameter from 0.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_decl_tag(struct btf *btf, const char *value, int ref_type_id, int component_idx);

/**
 * Adds an enumeration, without values at first.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_enum(struct btf *btf, const char *name, __u32 bytes_sz);

/**
 * Adds an enumeration with values of 64 bits, without values at first.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_enum64(struct btf *btf, const char *name, __u32 bytes_sz, bool is_signed);

/**
 * Adds a value to the 64-bit enumeration added last.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_enum64_value(struct btf *btf, const char *name, __u64 value);

/**
 * Adds a value to the enumeration added last.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_enum_value(struct btf *btf, const char *name, __s64 value);

/**
 * Adds a field to the struct or union added last.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_field(struct btf *btf, const char *name, int field_type_id, __u32 bit_offset,
			__u32 bit_size);

/**
 * Adds a floating-point number.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_float(struct btf *btf, const char *name, size_t byte_sz);

/**
 * Adds a function.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_func(struct btf *btf, const char *name, enum btf_func_linkage linkage,
			int proto_type_id);

/**
 * Adds a parameter to the function's type added last.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_func_param(struct btf *btf, const char *name, int type_id);

/**
 * Adds a function's type, without parameters at first.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_func_proto(struct btf *btf, int ret_type_id);

/**
 * Adds a forward declaration: 0 struct, 1 union, 2 enumeration.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_fwd(struct btf *btf, const char *name, enum btf_fwd_kind fwd_kind);

/**
 * Adds an integer.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_int(struct btf *btf, const char *name, size_t byte_sz, int encoding);

/**
 * Adds a pointer.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_ptr(struct btf *btf, int ref_type_id);

/**
 * Adds restrict.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_restrict(struct btf *btf, int ref_type_id);

/**
 * Stores a string and gives its offset.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_str(struct btf *btf, const char *s);

/**
 * Adds a struct, without fields at first.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_struct(struct btf *btf, const char *name, __u32 sz);

/**
 * Adds a copy of a type; ids that it refers to stay as they are.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_type(struct btf *btf, const struct btf *src_btf, const struct btf_type *src_type);

/**
 * Adds an attribute of a type.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_type_attr(struct btf *btf, const char *value, int ref_type_id);

/**
 * Adds a tag of a type.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_type_tag(struct btf *btf, const char *value, int ref_type_id);

/**
 * Adds a typedef.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_typedef(struct btf *btf, const char *name, int ref_type_id);

/**
 * Adds a union, without fields at first.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_union(struct btf *btf, const char *name, __u32 sz);

/**
 * Adds a variable.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_var(struct btf *btf, const char *name, int linkage, int type_id);

/**
 * Adds volatile.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__add_volatile(struct btf *btf, int ref_type_id);

/**
 * The alignment of a value in bytes, 0 if it has none.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__align_of(const struct btf *btf, __u32 id);

/**
 * What the types are split from, null if they stand alone.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const struct btf *btf__base_btf(const struct btf *btf);

/**
 * Makes each type be there once.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__dedup(struct btf *btf, const struct btf_dedup_opts *opts);

/**
 * Makes of split types a small base and types on top of it.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__distill_base(const struct btf *src_btf, struct btf **new_base_btf,
			struct btf **new_split_btf);

/**
 * The byte order of the raw data.
 */
LIBBPF_API enum btf_endianness btf__endianness(const struct btf *btf);

/**
 * The descriptor, −1 for none.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__fd(const struct btf *btf);

/**
 * The id of the first type of that name.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API __s32 btf__find_by_name(const struct btf *btf, const char *type_name);

/**
 * The id of the first type of that name and kind.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API __s32 btf__find_by_name_kind(const struct btf *btf, const char *type_name, __u32 kind);

/**
 * The offset of a string that is stored.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__find_str(struct btf *btf, const char *s);

/**
 * Releases the types, and their descriptor.
 */
LIBBPF_API void btf__free(struct btf *btf);

/**
 * Types of the kernel's object with an id.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct btf *btf__load_from_kernel_by_id(__u32 id);

/**
 * Types of the kernel's object with an id, on top of others.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct btf *btf__load_from_kernel_by_id_split(__u32 id, struct btf *base_btf);

/**
 * Gives the types to the kernel.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__load_into_kernel(struct btf *btf);

/**
 * Types of a module, on top of those of the kernel.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct btf *btf__load_module_btf(const char *module_name, struct btf *vmlinux_btf);

/**
 * Types of the kernel.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct btf *btf__load_vmlinux_btf(void);

/**
 * The string at an offset.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const char *btf__name_by_offset(const struct btf *btf, __u32 offset);

/**
 * Types out of bytes, which are copied.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct btf *btf__new(const void *data, __u32 size);

/**
 * No types yet.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct btf *btf__new_empty(void);

/**
 * No types yet, with options.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct btf *btf__new_empty_opts(struct btf_new_opts *opts);

/**
 * No types yet, on top of others.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct btf *btf__new_empty_split(struct btf *base_btf);

/**
 * Types out of bytes, on top of others.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct btf *btf__new_split(const void *data, __u32 size, struct btf *base_btf);

/**
 * Types of a file, raw or ELF.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct btf *btf__parse(const char *path, struct btf_ext **btf_ext);

/**
 * Types of an ELF file.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct btf *btf__parse_elf(const char *path, struct btf_ext **btf_ext);

/**
 * Types of an ELF file, on top of others.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct btf *btf__parse_elf_split(const char *path, struct btf *base_btf);

/**
 * Types of a file of nothing else.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct btf *btf__parse_raw(const char *path);

/**
 * Types of a file of nothing else, on top of others.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct btf *btf__parse_raw_split(const char *path, struct btf *base_btf);

/**
 * Types of a file, raw or ELF, on top of others.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct btf *btf__parse_split(const char *path, struct btf *base_btf);

/**
 * Puts types into another order: the type that is number i gets the id id_mapi.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__permute(struct btf *btf, __u32 *id_map, __u32 id_map_cnt,
			const struct btf_permute_opts *opts);

/**
 * Bytes of a pointer, 0 if the types do not say.
 */
LIBBPF_API size_t btf__pointer_size(const struct btf *btf);

/**
 * The bytes, good until the next change.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const void *btf__raw_data(const struct btf *btf, __u32 *size);

/**
 * Puts split types on top of another base.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__relocate(struct btf *btf, const struct btf *base_btf);

/**
 * Bytes of a value.
 */
LIBBPF_API __s64 btf__resolve_size(const struct btf *btf, __u32 type_id);

/**
 * The type behind modifiers, typedefs and variables.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__resolve_type(const struct btf *btf, __u32 type_id);

/**
 * Sets the byte order of the raw data.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__set_endianness(struct btf *btf, enum btf_endianness endian);

/**
 * Sets the descriptor, which the types own from then on.
 */
LIBBPF_API void btf__set_fd(struct btf *btf, int fd);

/**
 * Sets the bytes of a pointer: 4 or 8.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf__set_pointer_size(struct btf *btf, size_t ptr_sz);

/**
 * The string at an offset.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const char *btf__str_by_offset(const struct btf *btf, __u32 offset);

/**
 * The type with an id. The pointer is good until the next change.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const struct btf_type *btf__type_by_id(const struct btf *btf, __u32 id);

/**
 * One more than the last id.
 */
LIBBPF_API __u32 btf__type_cnt(const struct btf *btf);

/**
 * Writes the definition of a type, after what it needs.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf_dump__dump_type(struct btf_dump *d, __u32 id);

/**
 * Writes a value; gives its bytes, −E2BIG if the data ended early.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf_dump__dump_type_data(struct btf_dump *d, __u32 id, const void *data, size_t data_sz,
			const struct btf_dump_type_data_opts *opts);

/**
 * Writes a declaration with a type.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf_dump__emit_type_decl(struct btf_dump *d, __u32 id,
			const struct btf_dump_emit_type_decl_opts *opts);

/**
 * Ends the writing.
 */
LIBBPF_API void btf_dump__free(struct btf_dump *d);

/**
 * Writes types as C to a callback.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct btf_dump *btf_dump__new(const struct btf *btf, btf_dump_printf_fn_t printf_fn, void *ctx,
			const struct btf_dump_opts *opts);

/**
 * The byte order of the raw data.
 */
LIBBPF_API enum btf_endianness btf_ext__endianness(const struct btf_ext *btf_ext);

/**
 * Releases the records.
 */
LIBBPF_API void btf_ext__free(struct btf_ext *btf_ext);

/**
 * Records out of bytes, which are copied.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct btf_ext *btf_ext__new(const __u8 *data, __u32 size);

/**
 * The bytes.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const void *btf_ext__raw_data(const struct btf_ext *btf_ext, __u32 *size);

/**
 * Sets the byte order of the raw data.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int btf_ext__set_endianness(struct btf_ext *btf_ext, enum btf_endianness endian);

#ifdef __cplusplus
}
#endif

#endif
