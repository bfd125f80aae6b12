//! A kernel that says yes, unless a test tells it not to, and writes down what it was asked.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oxbpf::{Kernel, ObjectBuilder};
use oxbpf_btf::{BtfBuilder, FuncLinkage, TypeId};
use oxbpf_kernel::{
    Backend, Blob, Command, Fact, Handle, InfoBuffers, LinkSource, LogBuf, Mapping, NlError, NlMessage,
    Opening, PerfRequest, PollSet, ProgLoad, Prot, Reply,
};
use oxbpf_uapi::info::MapInfo;
use oxbpf_uapi::{Errno, Insn, MapType};
use zerocopy::{FromBytes, IntoBytes};

/// Decides about a command before the fake answers it.
type Rule = Box<dyn Fn(&mut Command<'_>) -> Option<Errno> + Send + Sync>;

/// What a test sets and reads.
#[derive(Default)]
pub(crate) struct State {
    rules: Mutex<Vec<Rule>>,
    facts: Mutex<HashMap<String, Vec<u8>>>,
    /// Commands, one a line.
    pub(crate) asked: Mutex<Vec<String>>,
    /// Commands with the fields that transcripts of C libbpf have, one a line.
    pub(crate) transcript: Mutex<Vec<String>>,
    /// Facts that were asked for.
    pub(crate) facts_asked: Mutex<Vec<String>>,
    /// Numbers of references that are open.
    live: Arc<Mutex<HashSet<i32>>>,
    next: AtomicI32,
    /// Whether bpf file systems give out tokens.
    has_tokens: AtomicBool,
    maps: Mutex<HashMap<i32, FakeMap>>,
    pins: Mutex<HashMap<PathBuf, Handle>>,
    /// Instructions of each program that was loaded, by name; the last one counts.
    pub(crate) programs: Mutex<HashMap<String, Vec<Insn>>>,
    /// Names of maps and programs by the numbers of their references, as far as a kernel keeps names.
    pub(crate) names: Mutex<HashMap<i32, String>>,
}

impl State {
    /// Type of the map that a number refers to.
    pub(crate) fn map_type(&self, number: i32) -> MapType {
        self.maps.lock().unwrap().get(&number).map_or(MapType::UNSPEC, |m| m.info.r#type)
    }
}

#[derive(Clone, Default)]
pub(crate) struct FakeMap {
    pub(crate) info: MapInfo,
    pub(crate) entries: HashMap<Vec<u8>, Vec<u8>>,
    pub(crate) is_frozen: bool,
}

struct Alive(i32, Arc<Mutex<HashSet<i32>>>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.1.lock().unwrap().remove(&self.0);
    }
}

#[derive(Clone, Default)]
pub(crate) struct Fake(pub(crate) Arc<State>);

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fake")
    }
}

impl Fake {
    pub(crate) fn new() -> Self {
        let fake = Self::default();
        fake.0.next.store(100, Ordering::Relaxed);
        fake.fact(Fact::PossibleCpus, "0-3");
        fake.fact(Fact::KernelVersion, "393216");
        fake
    }

    /// Lets bpf file systems give out tokens.
    pub(crate) fn with_bpffs(self) -> Self {
        self.0.has_tokens.store(true, Ordering::Relaxed);
        self
    }

    /// Adds a rule; the first that gives an error number decides.
    pub(crate) fn refuse(&self, rule: impl Fn(&mut Command<'_>) -> Option<Errno> + Send + Sync + 'static) {
        self.0.rules.lock().unwrap().push(Box::new(rule));
    }

    pub(crate) fn fact(&self, what: Fact<'_>, text: impl AsRef<[u8]>) {
        self.0.facts.lock().unwrap().insert(format!("{what:?}"), text.as_ref().to_vec());
    }

    pub(crate) fn builder(&self) -> ObjectBuilder {
        ObjectBuilder::new().kernel(Kernel::new(self.clone())).pin_root_path("/pins")
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.0.asked.lock().unwrap().clone()
    }

    /// Gives the kernel the object's own types, so that its CO-RE relocations find what they look for.
    pub(crate) fn with_types_of(self, path: &str) -> Self {
        let open = self.builder().open_file(object(path)).unwrap();
        let mut types = BtfBuilder::from_btf(open.btf().unwrap()).unwrap();
        // What programs of iter/task, fentry, fexit and lsm attach to.
        let proto = types.add_func_proto(TypeId(0)).unwrap();
        for name in ["bpf_iter_task", "do_sys_openat2", "bpf_lsm_file_open"] {
            types.add_func(name, FuncLinkage::STATIC, proto).unwrap();
        }
        self.fact(Fact::VmlinuxBtf, types.to_bytes().unwrap());
        self
    }

    /// Gives the kernel the object's own types, with the value types that its structs of callbacks need.
    pub(crate) fn with_struct_ops_of(self, path: &str) -> Self {
        let open = self.builder().open_file(object(path)).unwrap();
        let mut types = BtfBuilder::from_btf(open.btf().unwrap()).unwrap();
        for name in ["tcp_congestion_ops", "tcp_congestion_ops___next"] {
            if let Some(id) = open.btf().unwrap().find(name, oxbpf_uapi::BtfKind::STRUCT) {
                let size = open.btf().unwrap().get(id).unwrap().size();
                types.add_struct(&format!("bpf_struct_ops_{name}"), size + 64).unwrap();
                types.add_field("data", id, 64 * 8, 0).unwrap();
            }
        }
        self.fact(Fact::VmlinuxBtf, types.to_bytes().unwrap());
        self
    }

    /// Commands that start with `word`.
    pub(crate) fn asked_for(&self, word: &str) -> Vec<String> {
        self.asked().into_iter().filter(|a| a.starts_with(word)).collect()
    }

    pub(crate) fn live(&self) -> usize {
        self.0.live.lock().unwrap().len()
    }

    pub(crate) fn pinned(&self) -> Vec<PathBuf> {
        self.0.pins.lock().unwrap().keys().cloned().collect()
    }

    pub(crate) fn map(&self, name: &str) -> FakeMap {
        let maps = self.0.maps.lock().unwrap();
        let found = maps.values().filter(|m| text(&m.info.name) == name).max_by_key(|m| m.info.id);
        found.unwrap_or_else(|| panic!("no map {name}")).clone()
    }

    fn named_handle(&self, name: &str) -> Handle {
        let handle = self.new_handle();
        self.0.names.lock().unwrap().insert(handle.number(), name.chars().take(15).collect());
        handle
    }

    fn new_handle(&self) -> Handle {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        self.0.live.lock().unwrap().insert(number);
        Handle::from_object(number, Alive(number, self.0.live.clone()))
    }

    fn answer(&self, cmd: &mut Command<'_>) -> Result<Reply, Errno> {
        match cmd {
            Command::MapCreate(req) => {
                let handle = self.named_handle(req.map_name);
                let mut info = MapInfo {
                    r#type: req.map_type,
                    id: handle.number() as u32,
                    key_size: req.key_size,
                    value_size: req.value_size,
                    max_entries: req.max_entries,
                    map_flags: req.map_flags,
                    map_extra: req.map_extra,
                    ..MapInfo::default()
                };
                for (to, from) in info.name.iter_mut().zip(req.map_name.bytes().take(15)) {
                    *to = from;
                }
                self.0.maps.lock().unwrap().insert(handle.number(), FakeMap { info, ..FakeMap::default() });
                Ok(Reply::Handle(handle))
            }
            // Links of structs of callbacks; programs have none here.
            Command::LinkCreate(req) if matches!(req.source, LinkSource::Map(_)) => {
                Ok(Reply::Handle(self.new_handle()))
            }
            Command::LinkUpdate(_) => Ok(Reply::Done),
            Command::MapDeleteElem(req) => {
                let mut maps = self.0.maps.lock().unwrap();
                let map = maps.get_mut(&req.map.number()).ok_or(Errno::EBADF)?;
                map.entries.remove(req.key).map(|_| Reply::Done).ok_or(Errno::ENOENT)
            }
            Command::MapUpdateElem(req) => {
                let mut maps = self.0.maps.lock().unwrap();
                let map = maps.get_mut(&req.map.number()).ok_or(Errno::EBADF)?;
                if map.is_frozen {
                    return Err(Errno::EPERM);
                }
                map.entries.insert(req.key.to_vec(), req.value.to_vec());
                Ok(Reply::Done)
            }
            Command::MapLookupElem(req) => {
                let maps = self.0.maps.lock().unwrap();
                let map = maps.get(&req.map.number()).ok_or(Errno::EBADF)?;
                let zero;
                let value = match map.entries.get(req.key) {
                    Some(value) => value,
                    None if map.info.r#type == MapType::ARRAY => {
                        zero = vec![0; req.value.len()];
                        &zero
                    }
                    None => return Err(Errno::ENOENT),
                };
                req.value.copy_from_slice(value);
                Ok(Reply::Done)
            }
            Command::MapFreeze { map } => {
                self.0.maps.lock().unwrap().get_mut(&map.number()).ok_or(Errno::EBADF)?.is_frozen = true;
                Ok(Reply::Done)
            }
            Command::BtfLoad(_) => Ok(Reply::Handle(self.new_handle())),
            Command::ProgLoad(req) => {
                self.0.programs.lock().unwrap().insert(req.prog_name.to_owned(), req.insns.to_vec());
                Ok(Reply::Handle(self.named_handle(req.prog_name)))
            }
            Command::ProgBindMap(_) | Command::MapLookupAndDeleteBatch(_) => Ok(Reply::Done),
            Command::TokenCreate { .. } => Ok(Reply::Handle(self.new_handle())),
            Command::ObjPin(req) => {
                let mut pins = self.0.pins.lock().unwrap();
                if pins.contains_key(req.path) {
                    return Err(Errno::EEXIST);
                }
                pins.insert(req.path.to_owned(), req.object.clone());
                Ok(Reply::Done)
            }
            Command::ObjGet(req) => {
                let pins = self.0.pins.lock().unwrap();
                pins.get(req.path).cloned().map(Reply::Handle).ok_or(Errno::ENOENT)
            }
            Command::GetInfo(req) => {
                let maps = self.0.maps.lock().unwrap();
                let map = maps.get(&req.object.number()).ok_or(Errno::EINVAL)?;
                assert!(matches!(req.buffers, InfoBuffers::None));
                req.info.copy_from_slice(map.info.as_bytes());
                Ok(Reply::Value(req.info.len() as u64))
            }
            _ => Err(Errno::EINVAL),
        }
    }
}

pub(crate) fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name.split(|b| *b == 0).next().unwrap_or_default()).into_owned()
}

/// One line about a command: what tests look at.
fn line(cmd: &Command<'_>) -> String {
    match cmd {
        Command::MapCreate(r) => {
            let btf = if r.btf.is_some() { " btf" } else { "" };
            let types = if r.btf_value_type_id != 0 { " types" } else { "" };
            format!("MAP_CREATE {} {} {:x}{btf}{types}", r.map_name, r.max_entries, r.map_flags)
        }
        Command::ProgLoad(r) => {
            let btf = if r.prog_btf.is_some() { " btf" } else { "" };
            let log = r.log.as_ref().map(|l| format!(" log{}", l.buf.len())).unwrap_or_default();
            format!("PROG_LOAD {} {}{btf}{log}", r.prog_name, r.expected_attach_type.0)
        }
        Command::BtfLoad(r) => format!("BTF_LOAD {}", r.btf.len()),
        other => other.cmd().to_string().trim_start_matches("BPF_").to_owned(),
    }
}

/// One line about a command, as `testdata/load/transcript.py` writes it.
fn transcript_line(cmd: &Command<'_>) -> String {
    let or_dash = |name: &str| if name.is_empty() { "-".to_owned() } else { name.to_owned() };
    match cmd {
        Command::MapCreate(r) => {
            let kind = r.map_type.c_name().unwrap_or("?").trim_start_matches("BPF_MAP_TYPE_");
            let (name, has_btf) = (or_dash(r.map_name), if r.btf.is_some() { "btf" } else { "-" });
            let (key, value, entries, flags) = (r.key_size, r.value_size, r.max_entries, r.map_flags);
            let (key_type, value_type) = (r.btf_key_type_id, r.btf_value_type_id);
            format!(
                "MAP_CREATE {kind} {name} {key} {value} {entries} {flags:x} {has_btf} {key_type} {value_type}"
            )
        }
        Command::ProgLoad(r) => {
            let kind = r.prog_type.c_name().unwrap().trim_start_matches("BPF_PROG_TYPE_");
            let records = |bytes: &[u8], size: u32| bytes.len().checked_div(size as usize).unwrap_or(0);
            let funcs = records(r.func_info, r.func_info_rec_size);
            let lines = records(r.line_info, r.line_info_rec_size);
            let (name, insns, flags) = (or_dash(r.prog_name), r.insns.len(), r.prog_flags);
            format!(
                "PROG_LOAD {kind} {name} {insns} {flags:x} {funcs} {lines} {}",
                r.license.replace(' ', "_")
            )
        }
        Command::BtfLoad(r) => format!("BTF_LOAD {}", r.btf.len()),
        other => other.cmd().to_string().trim_start_matches("BPF_").to_owned(),
    }
}

/// What the verifier writes into the log of a program that it rejects.
pub(crate) fn write_log(req: &mut ProgLoad<'_>, log: &str) -> Option<Errno> {
    let Some(LogBuf { buf, true_size, .. }) = &mut req.log else { return Some(Errno::EACCES) };
    let (have, want) = (buf.len(), log.len() + 1);
    let n = want.min(have);
    buf[..n - 1].copy_from_slice(&log.as_bytes()[..n - 1]);
    buf[n - 1] = 0;
    *true_size = want as u32;
    Some(if want > have { Errno::ENOSPC } else { Errno::EACCES })
}

impl Backend for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn bpf(&self, cmd: &mut Command<'_>) -> Result<Reply, Errno> {
        self.0.asked.lock().unwrap().push(line(cmd));
        self.0.transcript.lock().unwrap().push(transcript_line(cmd));
        for rule in self.0.rules.lock().unwrap().iter() {
            if let Some(e) = rule(cmd) {
                return Err(e);
            }
        }
        self.answer(cmd)
    }

    fn fact(&self, what: Fact<'_>) -> Result<Blob, Errno> {
        let name = format!("{what:?}");
        self.0.facts_asked.lock().unwrap().push(name.clone());
        self.0.facts.lock().unwrap().get(&name).cloned().map(Blob::from).ok_or(Errno::ENOENT)
    }

    fn unpin(&self, path: &Path) -> Result<(), Errno> {
        self.0.pins.lock().unwrap().remove(path).map(drop).ok_or(Errno::ENOENT)
    }

    /// Only the memory of arenas can be shared: the contents of other maps are to be written by commands.
    fn mmap(&self, map: &Handle, range: Range<u64>, _: Prot) -> Result<Mapping, Errno> {
        match self.0.map_type(map.number()) {
            MapType::ARENA => Mapping::anonymous((range.end - range.start) as usize),
            _ => Err(Errno::EINVAL),
        }
    }

    fn perf_event(&self, _: &mut PerfRequest<'_>) -> Result<Reply, Errno> {
        Err(Errno::ENOSYS)
    }

    fn netlink(&self, _: &NlMessage<'_>, _: &mut dyn FnMut(&[u8])) -> Result<(), NlError> {
        Err(Errno::ENOSYS.into())
    }

    fn open(&self, what: Opening<'_>) -> Result<Handle, Errno> {
        match what {
            Opening::BpfFs(_) if self.0.has_tokens.load(Ordering::Relaxed) => Ok(self.new_handle()),
            _ => Err(Errno::ENOSYS),
        }
    }

    fn read(&self, _: &Handle, _: &mut [u8]) -> Result<usize, Errno> {
        Err(Errno::ENOSYS)
    }

    fn poll(&self, _: &mut PollSet, _: Option<Duration>) -> Result<usize, Errno> {
        Err(Errno::ENOSYS)
    }
}

/// Path of an object of the repository.
pub(crate) fn object(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// A number at a byte offset of a map's value.
pub(crate) fn number<T: FromBytes>(value: &[u8], offset: usize) -> T {
    T::read_from_prefix(&value[offset..]).ok().unwrap().0
}
