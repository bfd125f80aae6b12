//! The one state machine behind [`OpenObject`](super::OpenObject), [`PreparedObject`](super::PreparedObject) and
//! [`Object`](super::Object).
//!
//! Programs, maps and externs are rows of vectors that refer to one another by index, so that neither the Rust nor the
//! C face needs shared ownership inside an object.

use core::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use oxbpf_btf::{Btf, CoreReloKind, TypeId};
use oxbpf_kernel::{BtfFd, Handle, Kernel, MapFd, Mapping, ProgFd};
use oxbpf_object::{CodeId, ExtInfo, MapId, MapSpec, ObjectSpec, Piece, ProgId, ProgramSpec};
use oxbpf_uapi::Insn;

use crate::error::{Error, Frame, Result, nearest};
use crate::feature::Features;
use crate::link::SpecIds;
use crate::map::OwnedMap;

/// How far an object has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Read and checked.
    Open,
    /// Maps exist and instructions are relocated.
    Prepared,
    /// Programs are loaded.
    Loaded,
}

/// What the caller chose for the whole object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// What errors call the object: file or name.
    pub(crate) display_name: String,
    pub(crate) kconfig: String,
    pub(crate) btf_custom_path: Option<PathBuf>,
    pub(crate) target_btf: Option<Arc<Btf>>,
    pub(crate) log_level: u32,
    pub(crate) log_size: Option<usize>,
    pub(crate) pin_root_path: PathBuf,
    /// Where to get a BPF token; empty for nowhere.
    pub(crate) token_path: Option<PathBuf>,
}

/// An object in any of its states.
pub struct Core {
    pub(crate) kernel: Kernel,
    pub(crate) features: Arc<Features>,
    pub(crate) spec: ObjectSpec,
    pub(crate) options: Options,
    pub(crate) state: State,
    /// One a program of `spec`.
    pub(crate) programs: Vec<ProgRow>,
    /// One a map of `spec`.
    pub(crate) maps: Vec<MapRow>,
    /// What rights were delegated with.
    pub(crate) token: Option<oxbpf_kernel::TokenFd>,
    /// BTF of the object in the kernel.
    pub(crate) btf_fd: Option<BtfFd>,
    /// Descriptors that kfunc calls refer to by index; index 0 is the kernel itself and stays unused.
    pub(crate) fd_array: Vec<Handle>,
    /// BTF of modules that instructions refer to, kept until the programs are loaded.
    pub(crate) module_fds: Vec<BtfFd>,
    /// Ids of the records that tell programs of statically defined probes where arguments are.
    pub(crate) usdt: Arc<SpecIds>,
    /// CO-RE relocations that found nothing, by the code and instruction that they left unusable.
    pub(crate) failed_core: Vec<FailedCore>,
}

/// A CO-RE relocation that found nothing. Its instruction is replaced by one that the verifier rejects if it is reached.
#[derive(Clone, Debug)]
pub(crate) struct FailedCore {
    pub(crate) code: CodeId,
    /// Within the code.
    pub(crate) insn: u32,
    /// What was looked for: root type, kind and path.
    pub(crate) type_id: TypeId,
    pub(crate) kind: CoreReloKind,
    pub(crate) access: String,
}

/// What a program has besides its spec.
#[derive(Debug, Default)]
pub(crate) struct ProgRow {
    /// The caller's handler of its section name.
    pub(crate) handler: Option<super::SecHandler>,
    pub(crate) autoload: bool,
    pub(crate) autoattach: bool,
    /// `BPF_F_*` of the load.
    pub(crate) prog_flags: u32,
    pub(crate) log_level: Option<u32>,
    pub(crate) ifindex: u32,
    pub(crate) attach_target: AttachTarget,
    /// What the last log of a load said, kept if a level was asked for.
    pub(crate) log: String,
    /// Relocated instructions, sub-programs included.
    pub(crate) insns: Vec<Insn>,
    /// The pieces that `insns` is made of.
    pub(crate) pieces: Vec<Piece>,
    /// Data maps whose addresses the instructions have, ascending.
    pub(crate) used_maps: Vec<MapId>,
    /// Maps of its jump tables, kept until it is loaded.
    pub(crate) jump_tables: Vec<MapFd>,
    /// Function and line records.
    pub(crate) info: ExtInfo,
    /// What is left to the kernel that carries a deferred load out.
    pub(crate) late: super::deferred::LateRelocs,
    pub(crate) fd: Option<ProgFd>,
}

/// What a program of a BTF-based type attaches to.
#[derive(Clone, Debug, Default)]
pub(crate) struct AttachTarget {
    /// Function that the caller chose in place of the section's.
    pub(crate) func: Option<String>,
    /// Program that has the function, `None` for the kernel.
    pub(crate) prog: Option<ProgFd>,
    /// Found at load.
    pub(crate) btf_id: TypeId,
    /// BTF of the module that has it, found at load.
    pub(crate) btf_obj: Option<BtfFd>,
}

/// What a map has besides its spec.
#[derive(Debug, Default)]
pub(crate) struct MapRow {
    /// Where to pin it, or where it is pinned.
    pub(crate) pin_path: Option<PathBuf>,
    /// Whether the pin at `pin_path` exists.
    pub(crate) is_pinned: bool,
    /// Whether this load made the pin.
    pub(crate) is_pinned_by_load: bool,
    /// A map that the caller or a pin gave in place of a new one.
    pub(crate) reused: Option<MapFd>,
    /// Memory of a data map or an arena.
    pub(crate) mapping: Option<Mapping>,
    /// Where the variables begin in that memory, in bytes.
    pub(crate) data_offset: u64,
    pub(crate) live: Option<OwnedMap>,
    pub(crate) autoattach: bool,
    /// Network interface that it is offloaded to.
    pub(crate) ifindex: u32,
    /// What tells a map of maps about its inner maps, in place of the definition's.
    pub(crate) inner: Option<MapFd>,
    /// What a struct_ops map is given when it is attached.
    pub(crate) kernel_value: Option<super::KernelValue>,
}

impl Core {
    pub(crate) fn new(kernel: Kernel, spec: ObjectSpec, options: Options) -> Self {
        let features = Features::of(&kernel);
        let programs = spec.programs.iter().map(ProgRow::new).collect();
        let maps = spec.maps.iter().map(|m| MapRow::new(m, &options)).collect();
        Self {
            kernel,
            features,
            spec,
            options,
            state: State::Open,
            programs,
            maps,
            token: None,
            btf_fd: None,
            fd_array: Vec::new(),
            module_fds: Vec::new(),
            usdt: Arc::default(),
            failed_core: Vec::new(),
        }
    }

    /// Loads into another kernel from now on.
    pub(crate) fn set_kernel(&mut self, kernel: Kernel) {
        self.features = Features::of(&kernel);
        self.kernel = kernel;
    }

    /// How far the object has come.
    pub fn state(&self) -> State {
        self.state
    }

    /// The object's name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The kernel that it was or will be loaded into.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// What the file says, with the changes made since.
    pub fn spec(&self) -> &ObjectSpec {
        &self.spec
    }

    pub(crate) fn frame(&self) -> Frame {
        Frame::Object(self.options.display_name.clone())
    }

    /// Looks a program up by its function name.
    pub fn find_program(&self, name: &str) -> Result<ProgId> {
        let names = || self.spec.programs.iter().map(|p| p.code.name.as_str());
        match names().position(|n| n == name) {
            Some(i) => Ok(ProgId(i as u32)),
            None => Err(no_such("program", name, names())),
        }
    }

    /// Looks a map up by its name in the object or in the kernel.
    pub fn find_map(&self, name: &str) -> Result<MapId> {
        let maps = &self.spec.maps;
        // A data map goes by its section (".rodata") and by its kernel name ("opensnoo.rodata").
        let by_real = maps.iter().position(|m| m.real_name == name);
        match by_real.or_else(|| maps.iter().position(|m| m.name == name)) {
            Some(i) => Ok(MapId(i as u32)),
            None => Err(no_such("map", name, maps.iter().map(|m| m.real_name.as_str()))),
        }
    }

    pub(crate) fn program(&self, id: ProgId) -> Option<(&ProgramSpec, &ProgRow)> {
        Some((self.spec.programs.get(id.0 as usize)?, self.programs.get(id.0 as usize)?))
    }

    pub(crate) fn map(&self, id: MapId) -> Option<(&MapSpec, &MapRow)> {
        Some((self.spec.maps.get(id.0 as usize)?, self.maps.get(id.0 as usize)?))
    }

    /// Refuses what only an object that is not loaded yet can do.
    pub(crate) fn check_open(&self) -> Result<()> {
        match self.state {
            State::Open => Ok(()),
            State::Prepared | State::Loaded => {
                Err(Error::invalid_input("this can only be changed before the object is prepared")
                    .with_errno(oxbpf_uapi::Errno::EBUSY))
            }
        }
    }
}

impl ProgRow {
    fn new(spec: &ProgramSpec) -> Self {
        Self { autoload: spec.autoload, autoattach: true, ..Self::default() }
    }
}

impl MapRow {
    fn new(spec: &MapSpec, options: &Options) -> Self {
        let pin_path = match spec.pinning {
            oxbpf_object::Pinning::None => None,
            oxbpf_object::Pinning::ByName => Some(options.pin_root_path.join(&spec.real_name)),
        };
        Self { pin_path, autoattach: true, ..Self::default() }
    }
}

fn no_such<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Error {
    let near = nearest(name, known.clone());
    let all: Vec<&str> = known.collect();
    let message = match (near, all.is_empty()) {
        (Some(near), _) => format!("no {what} `{name}` in the object; did you mean `{near}`?"),
        (None, true) => format!("no {what} `{name}` in the object, which has none"),
        (None, false) => format!("no {what} `{name}` in the object, which has {}", all.join(", ")),
    };
    Error::not_found(message)
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object")
            .field("name", &self.spec.name)
            .field("state", &self.state)
            .field("programs", &self.spec.programs.iter().map(|p| &p.code.name).collect::<Vec<_>>())
            .field("maps", &self.spec.maps.iter().map(|m| &m.real_name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
