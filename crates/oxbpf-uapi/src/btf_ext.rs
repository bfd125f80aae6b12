//! BTF and BTF.ext as bytes: header, type heads, and the records that go with instructions.
//!
//! Source: `include/uapi/linux/{bpf,btf}.h` of Linux 7.2 and, for the BTF.ext header, libbpf's `btf.h`.

use crate::abi::abi;

/// First two bytes of BTF and BTF.ext, in the writer's byte order.
pub const BTF_MAGIC: u16 = 0xeb9f;
/// Version of BTF and BTF.ext.
pub const BTF_VERSION: u8 = 1;
/// Largest type id.
pub const BTF_MAX_TYPE: u32 = 0x000f_ffff;
/// Largest offset of a name.
pub const BTF_MAX_NAME_OFFSET: u32 = 0x00ff_ffff;
/// Most members, parameters or values of one type. Before Linux 7.2 it was 65,535.
pub const BTF_MAX_VLEN: u32 = 0x00ff_ffff;

abi! {
    /// `struct btf_header`.
    ///
    /// Offsets count from the end of the header, whose length is [`hdr_len`](Self::hdr_len) and not the size here.
    #[doc(alias = "btf_header")]
    pub struct BtfHeader in "btf_header" {
        /// [`BTF_MAGIC`].
        pub magic: u16,
        /// [`BTF_VERSION`].
        pub version: u8,
        /// No flags exist.
        pub flags: u8,
        /// Bytes of the header.
        pub hdr_len: u32,
        /// Offset of the types.
        pub type_off: u32,
        /// Bytes of the types.
        pub type_len: u32,
        /// Offset of the strings.
        pub str_off: u32,
        /// Bytes of the strings.
        pub str_len: u32,
    }

    /// What `struct btf_header` has had after its first 24 bytes since Linux 7.1: the sizes of all kinds.
    pub struct BtfHeaderLayout in "btf_header" at ""; base 24 {
        /// Offset of the description of kinds.
        pub layout_off: u32,
        /// Bytes of it.
        pub layout_len: u32,
    }

    /// `struct btf_type`: the head of a type.
    #[doc(alias = "btf_type")]
    pub struct BtfType in "btf_type" {
        /// Offset of the name in the strings.
        pub name_off: u32,
        /// Number of members in bits 0 to 23 (before Linux 7.2, 0 to 15), kind in 24 to 30 (before, 24 to 28), kind flag
        /// in 31.
        pub info: u32,
        /// Bytes of the type, or the type that it refers to.
        pub size | r#type: u32,
    }

    /// `struct btf_array`, after the head of an array.
    #[doc(alias = "btf_array")]
    pub struct BtfArray in "btf_array" {
        /// Type of an element.
        pub r#type: u32,
        /// Type of the index.
        pub index_type: u32,
        /// Elements.
        pub nelems: u32,
    }

    /// `struct btf_member`, after the head of a struct or union.
    #[doc(alias = "btf_member")]
    pub struct BtfMember in "btf_member" {
        /// Offset of the name.
        pub name_off: u32,
        /// Type of the member.
        pub r#type: u32,
        /// Offset in bits; with the kind flag, the low 24 bits, and the width of a bit-field in the high 8.
        pub offset: u32,
    }

    /// `struct btf_enum`, after the head of a 32-bit enumeration.
    #[doc(alias = "btf_enum")]
    pub struct BtfEnum in "btf_enum" {
        /// Offset of the name.
        pub name_off: u32,
        /// Value; unsigned unless the kind flag is set.
        pub val: i32,
    }

    /// `struct btf_enum64`, after the head of a 64-bit enumeration.
    #[doc(alias = "btf_enum64")]
    pub struct BtfEnum64 in "btf_enum64" {
        /// Offset of the name.
        pub name_off: u32,
        /// Low half of the value.
        pub val_lo32: u32,
        /// High half of the value.
        pub val_hi32: u32,
    }

    /// `struct btf_param`, after the head of a function prototype.
    #[doc(alias = "btf_param")]
    pub struct BtfParam in "btf_param" {
        /// Offset of the name.
        pub name_off: u32,
        /// Type of the parameter; 0 in the last place for "and more".
        pub r#type: u32,
    }

    /// `struct btf_var`, after the head of a variable.
    #[doc(alias = "btf_var")]
    pub struct BtfVar in "btf_var" {
        /// See [`VarLinkage`](crate::consts::VarLinkage).
        pub linkage: u32,
    }

    /// `struct btf_var_secinfo`, after the head of a data section.
    #[doc(alias = "btf_var_secinfo")]
    pub struct BtfVarSecinfo in "btf_var_secinfo" {
        /// The variable.
        pub r#type: u32,
        /// Offset in the section, in bytes.
        pub offset: u32,
        /// Bytes.
        pub size: u32,
    }

    /// `struct btf_decl_tag`, after the head of a declaration tag.
    #[doc(alias = "btf_decl_tag")]
    pub struct BtfDeclTag in "btf_decl_tag" {
        /// Which member or parameter; -1 for the whole.
        pub component_idx: i32,
    }

    /// `struct btf_ext_header`: sections of function, line and relocation records.
    #[doc(alias = "btf_ext_header")]
    pub struct BtfExtHeader in "btf_ext_header" {
        /// [`BTF_MAGIC`].
        pub magic: u16,
        /// [`BTF_VERSION`].
        pub version: u8,
        /// No flags exist.
        pub flags: u8,
        /// Bytes of the header; headers before CO-RE end before the relocation fields.
        pub hdr_len: u32,
        /// Offset of the function records.
        pub func_info_off: u32,
        /// Bytes of them.
        pub func_info_len: u32,
        /// Offset of the line records.
        pub line_info_off: u32,
        /// Bytes of them.
        pub line_info_len: u32,
        /// Offset of the CO-RE relocations.
        pub core_relo_off: u32,
        /// Bytes of them.
        pub core_relo_len: u32,
    }

    /// `struct bpf_func_info`: the type of the function that starts at an instruction.
    #[doc(alias = "bpf_func_info")]
    pub struct FuncInfo in "bpf_func_info" {
        /// Bytes from the section's start in a file, instructions from the program's start to the kernel.
        pub insn_off: u32,
        /// The function.
        pub type_id: u32,
    }

    /// `struct bpf_line_info`: the source line that an instruction comes from.
    #[doc(alias = "bpf_line_info")]
    pub struct LineInfo in "bpf_line_info" {
        /// Bytes from the section's start in a file, instructions from the program's start to the kernel.
        pub insn_off: u32,
        /// Offset of the file's name in the BTF strings.
        pub file_name_off: u32,
        /// Offset of the line's text in the BTF strings.
        pub line_off: u32,
        /// Line in the upper 22 bits, column in the lower 10.
        pub line_col: u32,
    }

    /// `struct bpf_core_relo`: an instruction that depends on a kernel type.
    #[doc(alias = "bpf_core_relo")]
    pub struct CoreRelo in "bpf_core_relo" {
        /// Bytes from the section's start in a file, instructions from the program's start to the kernel.
        pub insn_off: u32,
        /// The type that the program was compiled with.
        pub type_id: u32,
        /// Offset in the BTF strings of the path to the field or value, such as `0:1:2`.
        pub access_str_off: u32,
        /// See [`CoreReloKind`](crate::consts::CoreReloKind).
        pub kind: u32,
    }
}
