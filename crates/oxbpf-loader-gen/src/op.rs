//! What a loader asked for, kept until the program is written.

use oxbpf_kernel::{LateKind, LateSymbol, MapCreate, ProgLoad};
use oxbpf_uapi::insn::{
    BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_IDX, BPF_PSEUDO_MAP_IDX_VALUE, BPF_PSEUDO_MAP_VALUE,
};
use oxbpf_uapi::{AttachType, BtfKind, Insn, MapType, ProgType};

/// A command, with what it needs of the request.
#[derive(Debug)]
pub(crate) enum Op {
    BtfLoad(Vec<u8>),
    MapCreate(Map),
    MapUpdate(Update),
    MapFreeze { map: usize },
    ProgLoad(Box<Prog>),
}

/// `BPF_MAP_CREATE`.
#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) name: String,
    pub(crate) map_type: MapType,
    pub(crate) key_size: u32,
    pub(crate) value_size: u32,
    pub(crate) max_entries: u32,
    pub(crate) map_flags: u32,
    pub(crate) map_extra: u64,
    pub(crate) numa_node: u32,
    pub(crate) ifindex: u32,
    pub(crate) btf_key_type_id: u32,
    pub(crate) btf_value_type_id: u32,
    /// Its index, `None` for one that only tells the next map of maps what its inner maps look like.
    pub(crate) index: Option<usize>,
    /// Whether the map before it is such a one.
    pub(crate) has_inner: bool,
}

impl Map {
    pub(crate) fn new(req: &MapCreate<'_>, index: usize) -> Self {
        Self {
            name: req.map_name.to_owned(),
            map_type: req.map_type,
            key_size: req.key_size,
            value_size: req.value_size,
            max_entries: req.max_entries,
            map_flags: req.map_flags,
            map_extra: req.map_extra,
            numa_node: req.numa_node,
            ifindex: req.map_ifindex,
            btf_key_type_id: req.btf_key_type_id,
            btf_value_type_id: req.btf_value_type_id,
            index: Some(index),
            has_inner: req.inner_map.is_some(),
        }
    }
}

/// What an element of a map is set to.
#[derive(Debug)]
pub(crate) enum Value {
    /// Bytes that the runner may replace: the contents of a data map.
    Data(Vec<u8>),
    /// The same, all zero: how many.
    Zeroes(usize),
    /// Bytes.
    Fixed(Vec<u8>),
    /// The descriptor of a map, by index.
    Map(usize),
    /// The descriptor of a program, by index.
    Prog(usize),
}

/// `BPF_MAP_UPDATE_ELEM`.
#[derive(Debug)]
pub(crate) struct Update {
    pub(crate) map: usize,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Value,
    pub(crate) flags: u64,
}

/// `BPF_PROG_LOAD`.
#[derive(Debug)]
pub(crate) struct Prog {
    pub(crate) name: String,
    pub(crate) license: String,
    pub(crate) prog_type: ProgType,
    pub(crate) attach_type: AttachType,
    pub(crate) insns: Vec<Insn>,
    pub(crate) flags: u32,
    pub(crate) ifindex: u32,
    pub(crate) func_info: Vec<u8>,
    pub(crate) func_info_rec_size: u32,
    pub(crate) line_info: Vec<u8>,
    pub(crate) line_info_rec_size: u32,
    pub(crate) core_relos: Vec<u8>,
    pub(crate) symbols: Vec<Symbol>,
    pub(crate) attach: Option<(String, BtfKind)>,
}

/// A symbol that an instruction of a program refers to.
#[derive(Debug)]
pub(crate) struct Symbol {
    pub(crate) insn: u32,
    pub(crate) name: String,
    pub(crate) is_weak: bool,
    pub(crate) kind: LateKind,
}

impl From<&LateSymbol<'_>> for Symbol {
    fn from(s: &LateSymbol<'_>) -> Self {
        Self { insn: s.insn, name: s.name.to_owned(), is_weak: s.is_weak, kind: s.kind }
    }
}

impl Prog {
    pub(crate) fn new(req: &ProgLoad<'_>) -> Self {
        Self {
            name: req.prog_name.to_owned(),
            license: req.license.to_owned(),
            prog_type: req.prog_type,
            attach_type: req.expected_attach_type,
            insns: req.insns.iter().map(|insn| by_index(*insn)).collect(),
            flags: req.prog_flags,
            ifindex: req.prog_ifindex,
            func_info: req.func_info.to_vec(),
            func_info_rec_size: req.func_info_rec_size,
            line_info: req.line_info.to_vec(),
            line_info_rec_size: req.line_info_rec_size,
            core_relos: req.core_relos.to_vec(),
            symbols: req.late.symbols.iter().map(Symbol::from).collect(),
            attach: req.late.attach.map(|(name, kind)| (name.to_owned(), kind)),
        }
    }
}

/// Makes a load of a map refer to it by index in the array of descriptors, which is what the numbers of maps are here.
fn by_index(insn: Insn) -> Insn {
    match (insn.is_ld_imm64(), insn.src()) {
        (true, BPF_PSEUDO_MAP_FD) => insn.with_src(BPF_PSEUDO_MAP_IDX),
        (true, BPF_PSEUDO_MAP_VALUE) => insn.with_src(BPF_PSEUDO_MAP_IDX_VALUE),
        _ => insn,
    }
}
