//! The commands of bpf(2) as typed requests: one struct a command, slices for buffers, handles for descriptors.
//!
//! Field names are the kernel's. A `0`, empty or `None` field means what a zero in `union bpf_attr` means.

#![allow(missing_docs, reason = "fields carry the kernel's names and meanings")]

use std::path::Path;

use oxbpf_uapi::{AttachType, BtfKind, Cmd, Errno, Insn, MapType, ProgType};

use crate::{BtfFd, Handle, LinkFd, MapFd, ProgFd, TokenFd};

/// Room for a kernel log, and how much the kernel had to say.
#[derive(Debug)]
pub struct LogBuf<'a> {
    /// Verbosity: bit 0 messages, bit 1 more, bit 2 statistics, bit 3 fixed.
    pub level: u32,
    /// Receives the text, NUL terminated and cut to the buffer's length.
    pub buf: &'a mut [u8],
    /// Bytes that the whole log takes, NUL included; 0 where the kernel does not say (before 6.4).
    pub true_size: u32,
}

impl LogBuf<'_> {
    /// The text up to its NUL; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        let end = self.buf.iter().position(|b| *b == 0).unwrap_or(self.buf.len());
        String::from_utf8_lossy(self.buf.get(..end).unwrap_or_default()).into_owned()
    }
}

/// `BPF_MAP_CREATE`. The name is cut to 15 bytes by the back end.
#[derive(Clone, Copy, Debug, Default)]
pub struct MapCreate<'a> {
    pub map_type: MapType,
    /// Bytes.
    pub key_size: u32,
    /// Bytes.
    pub value_size: u32,
    pub max_entries: u32,
    pub map_flags: u32,
    pub inner_map: Option<&'a MapFd>,
    pub numa_node: u32,
    pub map_name: &'a str,
    pub map_ifindex: u32,
    pub btf: Option<&'a BtfFd>,
    pub btf_key_type_id: u32,
    pub btf_value_type_id: u32,
    pub btf_vmlinux_value_type_id: u32,
    pub map_extra: u64,
    /// BTF of the module that has `btf_vmlinux_value_type_id`.
    pub value_type_btf_obj: Option<&'a BtfFd>,
    pub token: Option<&'a TokenFd>,
    /// SHA-256 of the only program that may use the map.
    pub excl_prog_hash: &'a [u8],
}

/// `BPF_MAP_UPDATE_ELEM`.
#[derive(Clone, Copy, Debug)]
pub struct MapUpdateElem<'a> {
    pub map: &'a MapFd,
    pub key: &'a [u8],
    pub value: &'a [u8],
    pub flags: u64,
}

/// `BPF_MAP_LOOKUP_ELEM` and `BPF_MAP_LOOKUP_AND_DELETE_ELEM`: copies the value out.
#[derive(Debug)]
pub struct MapLookupElem<'a> {
    pub map: &'a MapFd,
    pub key: &'a [u8],
    /// Value size, or 8-byte rounded value size times possible CPUs for per-CPU maps.
    pub value: &'a mut [u8],
    pub flags: u64,
}

/// `BPF_MAP_DELETE_ELEM`.
#[derive(Clone, Copy, Debug)]
pub struct MapDeleteElem<'a> {
    pub map: &'a MapFd,
    pub key: &'a [u8],
    pub flags: u64,
}

/// `BPF_MAP_GET_NEXT_KEY`; `None` asks for the first.
#[derive(Debug)]
pub struct MapGetNextKey<'a> {
    pub map: &'a MapFd,
    pub key: Option<&'a [u8]>,
    pub next_key: &'a mut [u8],
}

/// `BPF_MAP_LOOKUP_BATCH` and `BPF_MAP_LOOKUP_AND_DELETE_BATCH`.
#[derive(Debug)]
pub struct MapLookupBatch<'a> {
    pub map: &'a MapFd,
    /// Position to start at, `None` for the beginning. 4 bytes or the key size, whichever is more.
    pub in_batch: Option<&'a [u8]>,
    pub out_batch: &'a mut [u8],
    pub keys: &'a mut [u8],
    pub values: &'a mut [u8],
    /// Entries: room on the way in, filled on the way out, on errors too.
    pub count: u32,
    pub elem_flags: u64,
    pub flags: u64,
}

/// `BPF_MAP_UPDATE_BATCH`.
#[derive(Debug)]
pub struct MapUpdateBatch<'a> {
    pub map: &'a MapFd,
    pub keys: &'a [u8],
    pub values: &'a [u8],
    /// Entries: given on the way in, done on the way out.
    pub count: u32,
    pub elem_flags: u64,
    pub flags: u64,
}

/// `BPF_MAP_DELETE_BATCH`.
#[derive(Debug)]
pub struct MapDeleteBatch<'a> {
    pub map: &'a MapFd,
    pub keys: &'a [u8],
    /// Entries: given on the way in, done on the way out.
    pub count: u32,
    pub elem_flags: u64,
    pub flags: u64,
}

/// What a program of a tracing type names besides its BTF id.
#[derive(Clone, Copy, Debug)]
pub enum AttachTarget<'a> {
    /// Another program.
    Prog(&'a ProgFd),
    /// The BTF of a module.
    Btf(&'a BtfFd),
}

/// `BPF_PROG_LOAD`.
#[derive(Debug, Default)]
pub struct ProgLoad<'a> {
    pub prog_type: ProgType,
    pub insns: &'a [Insn],
    pub license: &'a str,
    pub log: Option<LogBuf<'a>>,
    pub kern_version: u32,
    pub prog_flags: u32,
    pub prog_name: &'a str,
    pub prog_ifindex: u32,
    pub expected_attach_type: AttachType,
    pub prog_btf: Option<&'a BtfFd>,
    /// `struct bpf_func_info` records of `func_info_rec_size` bytes.
    pub func_info: &'a [u8],
    pub func_info_rec_size: u32,
    /// `struct bpf_line_info` records of `line_info_rec_size` bytes.
    pub line_info: &'a [u8],
    pub line_info_rec_size: u32,
    pub attach_btf_id: u32,
    pub attach_target: Option<AttachTarget<'a>>,
    /// Descriptors that instructions refer to by index.
    pub fd_array: &'a [Handle],
    /// Bind all of `fd_array` to the program (Linux 6.14).
    pub fd_array_is_bound: bool,
    pub token: Option<&'a TokenFd>,
    /// PKCS#7 signature (Linux 6.18), with the keyring to check it against.
    pub signature: &'a [u8],
    pub keyring_id: i32,
    /// `struct bpf_core_relo` records, 16 bytes each, for the kernel to relocate the instructions by (Linux 5.17).
    pub core_relos: &'a [u8],
    /// What is to be found by name when the load is carried out. Only back ends that are [deferred](crate::Backend::is_deferred)
    /// are asked for this.
    pub late: Late<'a>,
}

/// What a load leaves to be found in the kernel that carries it out later.
#[derive(Clone, Copy, Debug, Default)]
pub struct Late<'a> {
    /// Instructions that refer to symbols of the kernel, ascending.
    pub symbols: &'a [LateSymbol<'a>],
    /// Name and kind, as in the kernel's BTF, of what the program attaches to: `attach_btf_id` and the module that has it.
    pub attach: Option<(&'a str, BtfKind)>,
}

/// An instruction that refers to a symbol of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateSymbol<'a> {
    /// Index of the instruction.
    pub insn: u32,
    pub name: &'a str,
    /// Whether zero is put in place of a symbol that is not there.
    pub is_weak: bool,
    pub kind: LateKind,
}

/// How an instruction refers to a symbol of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LateKind {
    /// `ld_imm64` of an address from kallsyms.
    Address,
    /// `ld_imm64` of a variable or function that the kernel's BTF or a module's has.
    Btf(BtfKind),
    /// Call of a kernel function.
    Call,
}

/// `BPF_OBJ_PIN`.
#[derive(Clone, Copy, Debug)]
pub struct ObjPin<'a> {
    pub path: &'a Path,
    pub object: &'a Handle,
    pub file_flags: u32,
    /// Directory that `path` is relative to.
    pub dir: Option<&'a Handle>,
}

/// `BPF_OBJ_GET`.
#[derive(Clone, Copy, Debug)]
pub struct ObjGet<'a> {
    pub path: &'a Path,
    pub file_flags: u32,
    /// Directory that `path` is relative to.
    pub dir: Option<&'a Handle>,
}

/// Where a program goes: an object, or a network interface by index.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A cgroup, map, network namespace, or program.
    Object(&'a Handle),
    /// A network interface.
    Ifindex(u32),
    /// Nothing: the program itself says where.
    None,
}

/// A neighbour in a list of programs.
#[derive(Clone, Copy, Debug, Default)]
pub enum Anchor<'a> {
    /// No neighbour.
    #[default]
    None,
    /// A program or link.
    Object(&'a Handle),
    /// A program or link by id.
    Id(u32),
}

/// `BPF_PROG_ATTACH`.
#[derive(Clone, Copy, Debug)]
pub struct ProgAttach<'a> {
    pub target: Target<'a>,
    pub prog: &'a ProgFd,
    pub attach_type: AttachType,
    pub flags: u32,
    pub replace: Option<&'a ProgFd>,
    pub relative: Anchor<'a>,
    pub expected_revision: u64,
}

/// `BPF_PROG_DETACH`.
#[derive(Clone, Copy, Debug)]
pub struct ProgDetach<'a> {
    pub target: Target<'a>,
    pub prog: Option<&'a ProgFd>,
    pub attach_type: AttachType,
    pub flags: u32,
    pub relative: Anchor<'a>,
    pub expected_revision: u64,
}

/// `BPF_PROG_TEST_RUN`. Output fields are filled in place.
#[derive(Debug)]
pub struct ProgTestRun<'a> {
    pub prog: &'a ProgFd,
    pub data_in: &'a [u8],
    pub data_out: Option<&'a mut [u8]>,
    pub ctx_in: &'a [u8],
    pub ctx_out: Option<&'a mut [u8]>,
    pub repeat: u32,
    pub flags: u32,
    pub cpu: u32,
    pub batch_size: u32,
    /// Output: what the program returned.
    pub retval: u32,
    /// Output: average nanoseconds a run.
    pub duration: u32,
    /// Output: bytes of data, even where `data_out` is shorter.
    pub data_size_out: u32,
    /// Output: bytes of context.
    pub ctx_size_out: u32,
    /// Buffers of this process whose addresses the context of a program of type `syscall` has. They are 0 in `ctx_out`.
    pub ctx_buffers: Vec<CtxBuffer<'a>>,
}

/// A buffer whose address is in a context.
#[derive(Debug)]
pub struct CtxBuffer<'a> {
    /// Byte offset in the context of its 64-bit address.
    pub offset: u32,
    /// The buffer.
    pub data: CtxData<'a>,
}

/// What a program does with a buffer. The context says how long it is, in a way that the program knows.
#[derive(Debug)]
pub enum CtxData<'a> {
    /// It is read.
    Input(&'a [u8]),
    /// It is written.
    Output(&'a mut [u8]),
}

impl<'a> ProgTestRun<'a> {
    /// One run of `prog` without data or context.
    pub fn new(prog: &'a ProgFd) -> Self {
        Self {
            prog,
            data_in: &[],
            data_out: None,
            ctx_in: &[],
            ctx_out: None,
            repeat: 0,
            flags: 0,
            cpu: 0,
            batch_size: 0,
            retval: 0,
            duration: 0,
            data_size_out: 0,
            ctx_size_out: 0,
            ctx_buffers: Vec::new(),
        }
    }
}

/// The kinds of objects that have ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// Programs.
    Prog,
    /// Maps.
    Map,
    /// BTF objects.
    Btf,
    /// Links.
    Link,
}

/// `BPF_*_GET_FD_BY_ID`.
#[derive(Clone, Copy, Debug)]
pub struct GetFdById<'a> {
    pub kind: ObjectKind,
    pub id: u32,
    /// `BPF_F_RDONLY` and such, for maps.
    pub open_flags: u32,
    pub token: Option<&'a TokenFd>,
}

/// `BPF_OBJ_GET_INFO_BY_FD`: the fixed part, and the buffers that the kernel's struct points at.
///
/// The lengths and counts in the fixed part are set by the back end from the buffers' lengths before the call.
#[derive(Debug)]
pub struct GetInfo<'a> {
    pub object: &'a Handle,
    /// `struct bpf_{map,prog,link,btf}_info`; cut to what the kernel knows.
    pub info: &'a mut [u8],
    /// Buffers, according to the object's kind.
    pub buffers: InfoBuffers<'a>,
}

/// Buffers that an info struct points at; an empty slice asks for nothing.
#[derive(Debug, Default)]
pub enum InfoBuffers<'a> {
    /// None: only the fixed part.
    #[default]
    None,
    /// Of `struct bpf_map_info`.
    Map {
        /// SHA-256 of the map's contents (Linux 6.18): the kernel computes it of a frozen array, and keeps it for programs to compare.
        hash: &'a mut [u8],
    },
    /// Of `struct bpf_prog_info`.
    Prog {
        /// Translated instructions, bytes.
        xlated_insns: &'a mut [u8],
        /// Machine code, bytes.
        jited_insns: &'a mut [u8],
        /// Ids of maps in use.
        map_ids: &'a mut [u32],
        /// Kernel addresses of sub-programs.
        jited_ksyms: &'a mut [u64],
        /// Length of each sub-program's machine code.
        jited_func_lens: &'a mut [u32],
        /// `struct bpf_func_info` records.
        func_info: &'a mut [u8],
        /// `struct bpf_line_info` records.
        line_info: &'a mut [u8],
        /// Address of each line record.
        jited_line_info: &'a mut [u64],
        /// 8-byte tags of sub-programs.
        prog_tags: &'a mut [u8],
    },
    /// Of `struct bpf_btf_info`.
    Btf {
        /// Raw BTF.
        btf: &'a mut [u8],
        /// Name, NUL terminated.
        name: &'a mut [u8],
    },
    /// Of `struct bpf_link_info`: one text (tracepoint, target or file name) and parallel arrays (multi links).
    Link {
        /// Name, NUL terminated.
        name: &'a mut [u8],
        /// Addresses or offsets.
        addrs: &'a mut [u64],
        /// Cookies.
        cookies: &'a mut [u64],
        /// Reference counter offsets.
        ref_ctr_offsets: &'a mut [u64],
    },
}

/// `BPF_PROG_QUERY`. Output fields are filled in place.
#[derive(Debug)]
pub struct ProgQuery<'a> {
    pub target: Target<'a>,
    pub attach_type: AttachType,
    pub query_flags: u32,
    pub prog_ids: &'a mut [u32],
    pub prog_attach_flags: &'a mut [u32],
    pub link_ids: &'a mut [u32],
    pub link_attach_flags: &'a mut [u32],
    /// Output: flags of the attachment.
    pub attach_flags: u32,
    /// Output: programs there are, even where `prog_ids` is shorter.
    pub count: u32,
    /// Output: revision of the list.
    pub revision: u64,
}

/// `BPF_RAW_TRACEPOINT_OPEN`.
#[derive(Clone, Copy, Debug)]
pub struct RawTracepointOpen<'a> {
    /// Tracepoint, `None` for programs whose BTF says where they attach.
    pub name: Option<&'a str>,
    pub prog: &'a ProgFd,
    pub cookie: u64,
}

/// `BPF_BTF_LOAD`.
#[derive(Debug, Default)]
pub struct BtfLoad<'a> {
    pub btf: &'a [u8],
    pub log: Option<LogBuf<'a>>,
    pub btf_flags: u32,
    pub token: Option<&'a TokenFd>,
}

/// `BPF_TASK_FD_QUERY`. Output fields are filled in place.
#[derive(Debug)]
pub struct TaskFdQuery<'a> {
    pub pid: u32,
    pub fd: u32,
    pub flags: u32,
    pub buf: &'a mut [u8],
    /// Output: bytes of the name.
    pub buf_len: u32,
    /// Output.
    pub prog_id: u32,
    /// Output: `BPF_FD_TYPE_*`.
    pub fd_type: u32,
    /// Output.
    pub probe_offset: u64,
    /// Output.
    pub probe_addr: u64,
}

/// What a link attaches: a program, or a struct_ops map.
#[derive(Clone, Copy, Debug)]
pub enum LinkSource<'a> {
    /// A program.
    Prog(&'a ProgFd),
    /// A struct_ops map.
    Map(&'a MapFd),
}

/// `BPF_LINK_CREATE`.
#[derive(Clone, Copy, Debug)]
pub struct LinkCreate<'a> {
    pub source: LinkSource<'a>,
    pub target: Target<'a>,
    pub attach_type: AttachType,
    pub flags: u32,
    pub kind: LinkKind<'a>,
}

/// Functions or addresses of a multi link.
#[derive(Clone, Copy, Debug)]
pub enum Probes<'a> {
    /// By name.
    Syms(&'a [&'a str]),
    /// By address.
    Addrs(&'a [u64]),
}

/// The part of `BPF_LINK_CREATE` that depends on the kind of link.
#[derive(Clone, Copy, Debug, Default)]
pub enum LinkKind<'a> {
    /// Nothing more.
    #[default]
    Plain,
    /// `target_btf_id` for freplace, with a cookie.
    Tracing {
        target_btf_id: u32,
        cookie: u64,
    },
    /// `union bpf_iter_link_info`, as bytes.
    Iter(&'a [u8]),
    PerfEvent {
        bpf_cookie: u64,
    },
    KprobeMulti {
        flags: u32,
        probes: Probes<'a>,
        /// One a probe, or empty.
        cookies: &'a [u64],
    },
    UprobeMulti {
        flags: u32,
        path: &'a Path,
        offsets: &'a [u64],
        ref_ctr_offsets: &'a [u64],
        cookies: &'a [u64],
        /// 0 for all processes.
        pid: u32,
        /// File in place of `path` (`BPF_F_UPROBE_MULTI_PATH_FD`).
        path_fd: Option<&'a Handle>,
    },
    Netfilter {
        pf: u32,
        hooknum: u32,
        priority: i32,
        flags: u32,
    },
    /// tcx, netkit and cgroup lists.
    Ordered {
        relative: Anchor<'a>,
        expected_revision: u64,
    },
    TracingMulti {
        ids: &'a [u32],
        cookies: &'a [u64],
    },
}

/// `BPF_LINK_UPDATE`.
#[derive(Clone, Copy, Debug)]
pub struct LinkUpdate<'a> {
    pub link: &'a LinkFd,
    pub new: LinkSource<'a>,
    pub flags: u32,
    /// The program or map that must be there now.
    pub old: Option<LinkSource<'a>>,
}

/// `BPF_PROG_BIND_MAP`.
#[derive(Clone, Copy, Debug)]
pub struct ProgBindMap<'a> {
    pub prog: &'a ProgFd,
    pub map: &'a MapFd,
    pub flags: u32,
}

/// `BPF_PROG_STREAM_READ_BY_FD`.
#[derive(Debug)]
pub struct StreamRead<'a> {
    pub prog: &'a ProgFd,
    pub stream_id: u32,
    pub buf: &'a mut [u8],
}

/// The flag words as the kernel gets them: those of the request, and the bits that say that another field is set, such as
/// `BPF_F_TOKEN_FD` with a token.
mod implied {
    use super::*;

    use oxbpf_uapi::flags::{
        AttachFlags, LinkCreateFlags, MapFlags, ObjFlags, ProgLoadFlags, UprobeMultiFlags,
    };

    fn bit(present: bool, bit: u32) -> u32 {
        if present { bit } else { 0 }
    }

    impl MapCreate<'_> {
        /// `map_flags` with the bits of the fields that are set.
        pub fn all_flags(&self) -> u32 {
            self.map_flags
                | bit(self.token.is_some(), MapFlags::TOKEN_FD.bits())
                | bit(self.value_type_btf_obj.is_some(), MapFlags::VTYPE_BTF_OBJ_FD.bits())
        }
    }

    impl ProgLoad<'_> {
        /// `prog_flags` with the bits of the fields that are set.
        pub fn all_flags(&self) -> u32 {
            self.prog_flags | bit(self.token.is_some(), ProgLoadFlags::TOKEN_FD.bits())
        }
    }

    impl BtfLoad<'_> {
        /// `btf_flags` with the bits of the fields that are set.
        pub fn all_flags(&self) -> u32 {
            self.btf_flags | bit(self.token.is_some(), ObjFlags::TOKEN_FD.bits())
        }
    }

    impl GetFdById<'_> {
        /// `open_flags` with the bits of the fields that are set.
        pub fn all_flags(&self) -> u32 {
            self.open_flags | bit(self.token.is_some(), ObjFlags::TOKEN_FD.bits())
        }
    }

    impl ObjPin<'_> {
        /// `file_flags` with the bits of the fields that are set.
        pub fn all_flags(&self) -> u32 {
            self.file_flags | bit(self.dir.is_some(), ObjFlags::PATH_FD.bits())
        }
    }

    impl ObjGet<'_> {
        /// `file_flags` with the bits of the fields that are set.
        pub fn all_flags(&self) -> u32 {
            self.file_flags | bit(self.dir.is_some(), ObjFlags::PATH_FD.bits())
        }
    }

    impl Anchor<'_> {
        fn flags(&self) -> u32 {
            bit(matches!(self, Self::Id(_)), AttachFlags::ID.bits())
        }
    }

    impl ProgAttach<'_> {
        /// `attach_flags` with the bits of the fields that are set.
        pub fn all_flags(&self) -> u32 {
            self.flags | self.relative.flags() | bit(self.replace.is_some(), AttachFlags::REPLACE.bits())
        }
    }

    impl ProgDetach<'_> {
        /// `attach_flags` with the bits of the fields that are set.
        pub fn all_flags(&self) -> u32 {
            self.flags | self.relative.flags()
        }
    }

    impl LinkCreate<'_> {
        /// `flags` with the bits of the fields that are set.
        pub fn all_flags(&self) -> u32 {
            let LinkKind::Ordered { relative, .. } = &self.kind else { return self.flags };
            self.flags | relative.flags()
        }
    }

    impl LinkKind<'_> {
        /// `flags` of the kind's own part with the bits of the fields that are set; 0 for kinds that have none.
        pub fn all_flags(&self) -> u32 {
            match self {
                Self::KprobeMulti { flags, .. } | Self::Netfilter { flags, .. } => *flags,
                Self::UprobeMulti { flags, path_fd, .. } => {
                    flags | bit(path_fd.is_some(), UprobeMultiFlags::PATH_FD.bits())
                }
                _ => 0,
            }
        }
    }

    impl LinkUpdate<'_> {
        /// `flags` with the bits of the fields that are set.
        pub fn all_flags(&self) -> u32 {
            self.flags | bit(self.old.is_some(), LinkCreateFlags::REPLACE.bits())
        }
    }
}

/// One command of bpf(2) with its request.
#[derive(Debug)]
pub enum Command<'a> {
    MapCreate(MapCreate<'a>),
    MapLookupElem(MapLookupElem<'a>),
    MapUpdateElem(MapUpdateElem<'a>),
    MapDeleteElem(MapDeleteElem<'a>),
    MapGetNextKey(MapGetNextKey<'a>),
    ProgLoad(ProgLoad<'a>),
    ObjPin(ObjPin<'a>),
    ObjGet(ObjGet<'a>),
    ProgAttach(ProgAttach<'a>),
    ProgDetach(ProgDetach<'a>),
    ProgTestRun(ProgTestRun<'a>),
    /// Answers with the next id of the kind after `start`; `ENOENT` after the last.
    GetNextId {
        kind: ObjectKind,
        start: u32,
    },
    GetFdById(GetFdById<'a>),
    GetInfo(GetInfo<'a>),
    ProgQuery(ProgQuery<'a>),
    RawTracepointOpen(RawTracepointOpen<'a>),
    BtfLoad(BtfLoad<'a>),
    TaskFdQuery(TaskFdQuery<'a>),
    MapLookupAndDeleteElem(MapLookupElem<'a>),
    MapFreeze {
        map: &'a MapFd,
    },
    MapLookupBatch(MapLookupBatch<'a>),
    MapLookupAndDeleteBatch(MapLookupBatch<'a>),
    MapUpdateBatch(MapUpdateBatch<'a>),
    MapDeleteBatch(MapDeleteBatch<'a>),
    LinkCreate(LinkCreate<'a>),
    LinkUpdate(LinkUpdate<'a>),
    EnableStats {
        kind: u32,
    },
    IterCreate {
        link: &'a LinkFd,
        flags: u32,
    },
    LinkDetach {
        link: &'a LinkFd,
    },
    ProgBindMap(ProgBindMap<'a>),
    TokenCreate {
        bpffs: &'a Handle,
        flags: u32,
    },
    StreamRead(StreamRead<'a>),
    AssocStructOps {
        prog: &'a ProgFd,
        map: &'a MapFd,
        flags: u32,
    },
}

impl Command<'_> {
    /// The command's number.
    pub fn cmd(&self) -> Cmd {
        match self {
            Self::MapCreate(_) => Cmd::MAP_CREATE,
            Self::MapLookupElem(_) => Cmd::MAP_LOOKUP_ELEM,
            Self::MapUpdateElem(_) => Cmd::MAP_UPDATE_ELEM,
            Self::MapDeleteElem(_) => Cmd::MAP_DELETE_ELEM,
            Self::MapGetNextKey(_) => Cmd::MAP_GET_NEXT_KEY,
            Self::ProgLoad(_) => Cmd::PROG_LOAD,
            Self::ObjPin(_) => Cmd::OBJ_PIN,
            Self::ObjGet(_) => Cmd::OBJ_GET,
            Self::ProgAttach(_) => Cmd::PROG_ATTACH,
            Self::ProgDetach(_) => Cmd::PROG_DETACH,
            Self::ProgTestRun(_) => Cmd::PROG_TEST_RUN,
            Self::GetNextId { kind, .. } => match kind {
                ObjectKind::Prog => Cmd::PROG_GET_NEXT_ID,
                ObjectKind::Map => Cmd::MAP_GET_NEXT_ID,
                ObjectKind::Btf => Cmd::BTF_GET_NEXT_ID,
                ObjectKind::Link => Cmd::LINK_GET_NEXT_ID,
            },
            Self::GetFdById(r) => match r.kind {
                ObjectKind::Prog => Cmd::PROG_GET_FD_BY_ID,
                ObjectKind::Map => Cmd::MAP_GET_FD_BY_ID,
                ObjectKind::Btf => Cmd::BTF_GET_FD_BY_ID,
                ObjectKind::Link => Cmd::LINK_GET_FD_BY_ID,
            },
            Self::GetInfo(_) => Cmd::OBJ_GET_INFO_BY_FD,
            Self::ProgQuery(_) => Cmd::PROG_QUERY,
            Self::RawTracepointOpen(_) => Cmd::RAW_TRACEPOINT_OPEN,
            Self::BtfLoad(_) => Cmd::BTF_LOAD,
            Self::TaskFdQuery(_) => Cmd::TASK_FD_QUERY,
            Self::MapLookupAndDeleteElem(_) => Cmd::MAP_LOOKUP_AND_DELETE_ELEM,
            Self::MapFreeze { .. } => Cmd::MAP_FREEZE,
            Self::MapLookupBatch(_) => Cmd::MAP_LOOKUP_BATCH,
            Self::MapLookupAndDeleteBatch(_) => Cmd::MAP_LOOKUP_AND_DELETE_BATCH,
            Self::MapUpdateBatch(_) => Cmd::MAP_UPDATE_BATCH,
            Self::MapDeleteBatch(_) => Cmd::MAP_DELETE_BATCH,
            Self::LinkCreate(_) => Cmd::LINK_CREATE,
            Self::LinkUpdate(_) => Cmd::LINK_UPDATE,
            Self::EnableStats { .. } => Cmd::ENABLE_STATS,
            Self::IterCreate { .. } => Cmd::ITER_CREATE,
            Self::LinkDetach { .. } => Cmd::LINK_DETACH,
            Self::ProgBindMap(_) => Cmd::PROG_BIND_MAP,
            Self::TokenCreate { .. } => Cmd::TOKEN_CREATE,
            Self::StreamRead(_) => Cmd::PROG_STREAM_READ_BY_FD,
            Self::AssocStructOps { .. } => Cmd::PROG_ASSOC_STRUCT_OPS,
        }
    }
}

/// What a command answers besides the fields it fills.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Nothing more.
    Done,
    /// A new reference.
    Handle(Handle),
    /// A number: an id, a length, a count.
    Value(u64),
}

impl Reply {
    /// The reference.
    ///
    /// # Errors
    /// `EPROTO` if the back end answered something else.
    pub fn handle(self) -> Result<Handle, Errno> {
        match self {
            Self::Handle(handle) => Ok(handle),
            Self::Done | Self::Value(_) => Err(Errno::EPROTO),
        }
    }

    /// The number.
    ///
    /// # Errors
    /// `EPROTO` if the back end answered something else.
    pub fn value(self) -> Result<u64, Errno> {
        match self {
            Self::Value(value) => Ok(value),
            Self::Done | Self::Handle(_) => Err(Errno::EPROTO),
        }
    }
}
