//! The back end that keeps commands.

use core::ops::Range;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oxbpf_kernel::{
    Backend, Blob, Command, Fact, Handle, Kernel, MapCreate, MapUpdateElem, Mapping, NlError, NlMessage,
    Opening, PerfRequest, PollSet, Prot, Reply,
};
use oxbpf_uapi::{Errno, MapType};

use crate::error::GenError;
use crate::lower;
use crate::op::{Map, Op, Prog, Update, Value};
use crate::program::LoaderProgram;

/// Who sees to it that a signed program works on the data that was signed with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum GenHash {
    /// Nobody: the program is not signed, and its runner may choose sizes and first contents of maps.
    #[default]
    None,
    /// The kernel, which includes the map in what it verifies (after Linux 7.2). The runner's choices are ignored. This is what libbpf 1.8
    /// means by `gen_hash`.
    ByKernel,
    /// The program, which compares the map's hash with the one that it was signed with (Linux 6.18 to 7.2). The runner's choices are ignored.
    /// This is what libbpf 1.7 means by `gen_hash`.
    ByProgram,
}

/// What to generate.
#[derive(Clone, Debug)]
#[doc(alias = "gen_loader_opts")]
pub struct GenOptions {
    /// Whether the program is for a little-endian machine. Default: as this one.
    pub is_little_endian: bool,
    /// Who verifies the data. Default: nobody.
    pub gen_hash: GenHash,
}

impl Default for GenOptions {
    fn default() -> Self {
        Self { is_little_endian: cfg!(target_endian = "little"), gen_hash: GenHash::None }
    }
}

impl GenOptions {
    /// Whether the program is for a machine of the other byte order.
    pub fn is_foreign(&self) -> bool {
        self.is_little_endian != cfg!(target_endian = "little")
    }
}

/// A kernel that keeps the commands that load an object, for a program to make later.
///
/// Facts about the system are those of the kernel that it was given, without one there are none. Numbers of handles are indices: of maps
/// and of programs in the order of their creation.
#[derive(Debug)]
pub struct LoaderGen {
    options: GenOptions,
    facts: Option<Kernel>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    ops: Vec<Op>,
    maps: usize,
    progs: usize,
}

/// What a handle of this back end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Object {
    Btf,
    Map {
        index: usize,
        map_type: MapType,
        /// Its command's index.
        op: usize,
    },
    Prog,
}

impl LoaderGen {
    /// A back end that has seen nothing yet. The values of kernel configuration options are read from `facts`.
    pub fn new(options: GenOptions, facts: Option<Kernel>) -> Self {
        Self { options, facts, state: Mutex::default() }
    }

    /// The program that makes what was asked for so far.
    ///
    /// # Errors
    /// If it would not fit into what the kernel takes.
    #[doc(alias = "bpf_gen__finish")]
    pub fn finish(&self) -> Result<LoaderProgram, GenError> {
        let state = self.state();
        lower::program(&self.options, &state.ops, state.maps, state.progs)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn map_create(&self, req: &MapCreate<'_>) -> Result<Reply, Errno> {
        let needs_types = req.btf_vmlinux_value_type_id != 0 || req.value_type_btf_obj.is_some();
        if needs_types || req.token.is_some() || !req.excl_prog_hash.is_empty() {
            return Err(Errno::EOPNOTSUPP);
        }
        let mut state = self.state();
        if let Some(inner) = req.inner_map {
            state.make_inner(inner)?;
        }
        let (index, op) = (state.maps, state.ops.len());
        state.ops.push(Op::MapCreate(Map::new(req, index)));
        state.maps += 1;
        Ok(Reply::Handle(handle(index, Object::Map { index, map_type: req.map_type, op })))
    }

    fn map_update(&self, req: &MapUpdateElem<'_>) -> Result<Reply, Errno> {
        let (map, map_type) = map_of(req.map)?;
        let number = || req.value.first_chunk().map(|v| i32::from_ne_bytes(*v) as usize).ok_or(Errno::EINVAL);
        let mut state = self.state();
        let value = match map_type {
            MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS => Value::Map(number()?),
            MapType::PROG_ARRAY => Value::Prog(number()?),
            MapType::ARRAY if req.key == [0; 4] && is_zero(req.value) => Value::Zeroes(req.value.len()),
            MapType::ARRAY if req.key == [0; 4] => Value::Data(req.value.to_vec()),
            // What its numbers are is not known here.
            _ if self.options.is_foreign() => return Err(Errno::EOPNOTSUPP),
            _ => Value::Fixed(req.value.to_vec()),
        };
        let is_there = match value {
            Value::Map(index) => index < state.maps,
            Value::Prog(index) => index < state.progs,
            _ => true,
        };
        if !is_there {
            return Err(Errno::EBADF);
        }
        state.ops.push(Op::MapUpdate(Update { map, key: req.key.to_vec(), value, flags: req.flags }));
        Ok(Reply::Done)
    }
}

impl State {
    /// Turns the map that was created last into one that only shows what inner maps look like.
    fn make_inner(&mut self, inner: &Handle) -> Result<(), Errno> {
        let Some(Object::Map { op, .. }) = inner.object::<Object>() else { return Err(Errno::EBADF) };
        let is_last = op + 1 == self.ops.len();
        match self.ops.get_mut(*op) {
            Some(Op::MapCreate(map)) if is_last => map.index = None,
            _ => return Err(Errno::EOPNOTSUPP),
        }
        self.maps -= 1;
        Ok(())
    }
}

/// Whether all bytes are zero, as fast as memory is read.
fn is_zero(bytes: &[u8]) -> bool {
    const ZEROES: [u8; 4096] = [0; 4096];
    bytes.chunks(ZEROES.len()).all(|chunk| ZEROES.starts_with(chunk))
}

fn handle(number: usize, object: Object) -> Handle {
    Handle::from_object(i32::try_from(number).unwrap_or(i32::MAX), object)
}

fn map_of(map: &Handle) -> Result<(usize, MapType), Errno> {
    match map.object::<Object>() {
        Some(Object::Map { index, map_type, .. }) => Ok((*index, *map_type)),
        _ => Err(Errno::EBADF),
    }
}

impl Backend for LoaderGen {
    fn name(&self) -> &'static str {
        "loader program"
    }

    fn is_deferred(&self) -> bool {
        true
    }

    fn bpf(&self, cmd: &mut Command<'_>) -> Result<Reply, Errno> {
        match cmd {
            Command::MapCreate(req) => self.map_create(req),
            Command::MapUpdateElem(req) => self.map_update(req),
            Command::MapFreeze { map } => {
                let (map, _) = map_of(map)?;
                self.state().ops.push(Op::MapFreeze { map });
                Ok(Reply::Done)
            }
            Command::BtfLoad(req) if req.token.is_none() => {
                self.state().ops.push(Op::BtfLoad(req.btf.to_vec()));
                Ok(Reply::Handle(handle(0, Object::Btf)))
            }
            Command::ProgLoad(req) => {
                let is_plain = req.token.is_none() && req.fd_array.is_empty() && req.attach_target.is_none();
                if !is_plain || !req.signature.is_empty() {
                    return Err(Errno::EOPNOTSUPP);
                }
                let mut state = self.state();
                state.ops.push(Op::ProgLoad(Box::new(Prog::new(req))));
                state.progs += 1;
                Ok(Reply::Handle(handle(state.progs - 1, Object::Prog)))
            }
            _ => Err(Errno::EOPNOTSUPP),
        }
    }

    fn perf_event(&self, _: &mut PerfRequest<'_>) -> Result<Reply, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn mmap(&self, _: &Handle, _: Range<u64>, _: Prot) -> Result<Mapping, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn netlink(&self, _: &NlMessage<'_>, _: &mut dyn FnMut(&[u8])) -> Result<(), NlError> {
        Err(Errno::EOPNOTSUPP.into())
    }

    fn fact(&self, what: Fact<'_>) -> Result<Blob, Errno> {
        self.facts.as_ref().ok_or(Errno::ENOENT)?.fact(what)
    }

    fn open(&self, _: Opening<'_>) -> Result<Handle, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn read(&self, _: &Handle, _: &mut [u8]) -> Result<usize, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn poll(&self, _: &mut PollSet, _: Option<Duration>) -> Result<usize, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn unpin(&self, _: &Path) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
}
