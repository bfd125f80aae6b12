//! What an object file says, as plain data: the same on every machine.

use std::sync::Arc;

use oxbpf_btf::{Btf, BtfExt, TypeId};
use oxbpf_uapi::{AttachType, Insn, MapType, ProgType};

use crate::sec_def::{AttachKind, SecFlags};

/// A BPF object, read and checked, that has not met a kernel yet.
#[derive(Clone, Debug)]
pub struct ObjectSpec {
    /// Name that data maps are prefixed with: the file's name up to its first dot.
    pub name: String,
    /// `license` section, "" if there is none.
    pub license: String,
    /// `version` section.
    pub kern_version: u32,
    /// Whether the file's byte order is not this machine's. Such an object can be read but not loaded.
    pub is_foreign_endian: bool,
    /// Types of the object, `None` if it was built without `-g`. DATASEC sizes and variable offsets are filled in from the ELF symbols.
    pub btf: Option<Arc<Btf>>,
    /// Function, line and CO-RE records.
    pub btf_ext: Option<Arc<BtfExt>>,
    /// Programs in the order of their sections and offsets.
    pub programs: Vec<ProgramSpec>,
    /// Functions that programs call, static and global, from `.text` and from program sections.
    pub functions: Vec<FunctionSpec>,
    /// Maps in libbpf's order: `.maps` definitions by offset, data sections, `.kconfig`, struct_ops variables.
    pub maps: Vec<MapSpec>,
    /// Kernel configuration values and kernel symbols that the object asks for.
    pub externs: Vec<ExternSpec>,
    /// struct_ops variables, each behind the map of the same name.
    pub struct_ops: Vec<StructOpsSpec>,
    /// Declaration tags on maps (`btf_decl_tag`), as (map, text).
    pub map_tags: Vec<(MapId, String)>,
    /// `.jumptables`: 8-byte instruction offsets in bytes from the start of the section of the code that jumps.
    pub jump_tables: Vec<u8>,
}

/// Index of a map in its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MapId(pub u32);

/// Index of a program in its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProgId(pub u32);

/// Index of a function in its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FuncId(pub u32);

/// Index of an extern in its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternId(pub u32);

/// Index of a struct_ops variable in its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StructOpsId(pub u32);

/// Code of one program or function, as the compiler left it.
#[derive(Clone, Debug)]
pub struct Code {
    /// Function name.
    pub name: String,
    /// ELF section that the code is in, with a leading `?` if it has one.
    pub section: String,
    /// Where in the section the code starts, in instructions.
    pub sec_insn_off: u32,
    /// Instructions in native byte order, relocations not applied.
    pub insns: Vec<Insn>,
    /// Relocations by instruction index within `insns`, ascending.
    pub relocs: Vec<Reloc>,
    /// CO-RE relocations: index into the object's records and instruction index within `insns`.
    pub core_relocs: Vec<CoreRelocRef>,
    /// BTF FUNC of the code, if there is one.
    pub btf_id: Option<TypeId>,
}

/// A CO-RE record that applies to one instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreRelocRef {
    /// Instruction index within the code.
    pub insn: u32,
    /// Index among the records of the code's section in `.BTF.ext`.
    pub record: u32,
}

/// A program: an entry point that a kernel hook calls.
#[derive(Clone, Debug)]
pub struct ProgramSpec {
    /// Its instructions and relocations.
    pub code: Code,
    /// Section name without `?`; what `SEC()` said.
    pub sec_name: String,
    /// Row of the section table that matched, `None` for a name that no row matches.
    pub sec_def: Option<&'static crate::sec_def::SecDef>,
    /// Program type from the row, `UNSPEC` without one.
    pub prog_type: ProgType,
    /// Attach type from the row.
    pub expected_attach_type: AttachType,
    /// Row's flags.
    pub flags: SecFlags,
    /// How the row attaches.
    pub attach: AttachKind,
    /// What follows the row's name and its `/`, such as "syscalls/sys_enter_openat"; `None` if nothing does.
    pub extra: Option<String>,
    /// Whether it is loaded unless the caller says otherwise: not with `?`.
    pub autoload: bool,
    /// Function named by an `exception_callback:` declaration tag.
    pub exception_callback: Option<FuncId>,
}

/// A function that programs call.
#[derive(Clone, Debug)]
pub struct FunctionSpec {
    /// Its instructions and relocations.
    pub code: Code,
    /// Whether the symbol has global binding (verified by itself).
    pub is_global: bool,
    /// Whether the symbol is hidden or internal, which makes a global function static for the verifier.
    pub is_hidden: bool,
    /// Whether the symbol is weak.
    pub is_weak: bool,
}

/// What a relocated instruction refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloc {
    /// Instruction index within the code.
    pub insn: u32,
    /// What it refers to.
    pub target: RelocTarget,
}

/// Targets of relocations, with the sections and symbols resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelocTarget {
    /// `ld_imm64` of a map.
    Map(MapId),
    /// `ld_imm64` of an address in a data map, `offset` bytes into its value.
    MapValue {
        /// The data map.
        map: MapId,
        /// Byte offset into the value.
        offset: u32,
    },
    /// Call of a function of the object.
    Call(FuncId),
    /// `ld_imm64` of a function's address.
    FuncAddr(FuncId),
    /// Call of, or address of, another entry point.
    ProgCall(ProgId),
    /// `ld_imm64` of an extern variable.
    ExternAddr(ExternId),
    /// Call of an extern kernel function.
    ExternCall(ExternId),
    /// `ld_imm64` of a jump table, `offset` bytes into `.jumptables`.
    JumpTable {
        /// Byte offset of the table.
        offset: u32,
        /// Bytes of the table.
        size: u32,
    },
}

/// Where a map's definition came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MapOrigin {
    /// A `.maps` definition.
    Btf,
    /// `.data`, `.data.*`.
    Data,
    /// `.rodata`, `.rodata.*`.
    RoData,
    /// `.bss`, `.bss.*`.
    Bss,
    /// `.kconfig`.
    Kconfig,
    /// `.struct_ops`, `.struct_ops.link`.
    StructOps,
    /// `.addr_space.1`: globals of an arena. No map has this origin today: they are the `data` of the arena's map.
    ArenaData,
}

/// How a definition asks to be pinned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Pinning {
    /// Not at all.
    #[default]
    None,
    /// Under its name in the pin root.
    ByName,
}

/// One entry of a map's declared contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialSlot {
    /// An inner map.
    Map(MapId),
    /// A program.
    Prog(ProgId),
}

/// A map to create.
#[derive(Clone, Debug)]
pub struct MapSpec {
    /// Name in the kernel, such as "events" or "opensnoo.rodata" (see libbpf's rule for data maps).
    pub name: String,
    /// Name in the object: of the variable, or of the section for data maps.
    pub real_name: String,
    /// What it came from.
    pub origin: MapOrigin,
    /// Section that it is defined in.
    pub section: String,
    /// Byte offset of the definition in its section.
    pub sec_offset: u32,
    /// Type.
    pub map_type: MapType,
    /// Bytes.
    pub key_size: u32,
    /// Bytes.
    pub value_size: u32,
    /// Entries, bytes or pages according to the type, as declared: a loader rounds the size of a ring buffer up to a
    /// power of two of pages. 0 if the definition leaves it to the loader.
    pub max_entries: u32,
    /// `BPF_F_*` flags.
    pub map_flags: u32,
    /// Type-specific extra value.
    pub map_extra: u64,
    /// NUMA node.
    pub numa_node: u32,
    /// Pinning.
    pub pinning: Pinning,
    /// BTF type of the key, void if unknown.
    pub btf_key_type_id: TypeId,
    /// BTF type of the value (the DATASEC for data maps), void if unknown.
    pub btf_value_type_id: TypeId,
    /// BTF VAR of the definition, or DATASEC of a data map.
    pub btf_var_id: TypeId,
    /// Definition of the inner maps of a map of maps.
    pub inner: Option<Box<MapSpec>>,
    /// Declared contents by index.
    pub initial_slots: Vec<(u32, InitialSlot)>,
    /// Initial value of a data map, `value_size` bytes; of an arena the variables of `.addr_space.1`.
    pub data: Vec<u8>,
    /// Whether the definition's `?` section says not to create it.
    pub autocreate: bool,
}

/// A value or function that the object leaves to the kernel.
#[derive(Clone, Debug)]
pub struct ExternSpec {
    /// Name.
    pub name: String,
    /// What it is.
    pub kind: ExternKind,
    /// Whether it may be missing.
    pub is_weak: bool,
    /// BTF VAR or FUNC.
    pub btf_id: TypeId,
}

/// Kinds of externs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternKind {
    /// A configuration value in the `.kconfig` map.
    Kconfig {
        /// C type that the object declares.
        form: KconfigForm,
        /// Byte offset in the `.kconfig` map's value.
        offset: u32,
        /// Bytes.
        size: u32,
        /// Whether the type is signed.
        is_signed: bool,
    },
    /// A variable without a type: an address out of kallsyms.
    KsymAddr,
    /// A variable with a type, looked up in kernel BTF.
    KsymVar {
        /// Type of the variable in the object's BTF.
        type_id: TypeId,
    },
    /// A kernel function.
    Kfunc {
        /// FUNC_PROTO in the object's BTF.
        proto: TypeId,
    },
}

/// Forms of configuration values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KconfigForm {
    /// One character.
    Char,
    /// `bool`.
    Bool,
    /// An integer of 1 to 8 bytes.
    Int,
    /// `enum libbpf_tristate`.
    Tristate,
    /// Array of characters.
    CharArray,
}

/// A struct_ops variable.
#[derive(Clone, Debug)]
pub struct StructOpsSpec {
    /// Variable name.
    pub name: String,
    /// Type of the variable in the object's BTF.
    pub type_id: TypeId,
    /// Name of that type, such as "tcp_congestion_ops".
    pub type_name: String,
    /// The map that carries it.
    pub map: MapId,
    /// Initial bytes.
    pub data: Vec<u8>,
    /// Function pointers: byte offset in the variable, and program.
    pub progs: Vec<(u32, ProgId)>,
    /// Whether it attaches through a link (`.struct_ops.link`).
    pub is_link: bool,
}
