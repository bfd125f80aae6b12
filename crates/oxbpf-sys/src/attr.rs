//! Commands in, `union bpf_attr` out, answers copied back: the only place that knows the kernel's form of a request.
//!
//! Every struct is sent up to its last field that is not padding. A kernel that knows fewer fields accepts the surplus
//! as long as it is zero and answers `E2BIG` otherwise (`bpf_check_uarg_tail_zero`, `kernel/bpf/syscall.c`).
//!
//! # Safety
//!
//! The kernel reads and writes memory at the addresses in a request. In this file every address comes from [`input`],
//! [`output`] or a `CString` or `Vec` that the encoding function holds, and the field that says how long the buffer is comes
//! from that buffer's length, in the unit that the command documents; what the kernel writes to comes from a `&mut` slice. All of
//! them outlive the call, being borrowed by the command or owned by the function that calls, and the kernel keeps no
//! address when a command returns. Keys and values have no length field: the kernel takes it from the map, so
//! [`MapShape`] checks the slices against the map's sizes before each call.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::linux::Linux;
use crate::syscall;
use oxbpf_kernel::{
    Anchor, AttachTarget, BtfLoad, Command, CtxData, GetFdById, GetInfo, Handle, InfoBuffers, LinkCreate,
    LinkKind, LinkSource, LinkUpdate, LogBuf, MapCreate, MapDeleteBatch, MapDeleteElem, MapGetNextKey,
    MapLookupBatch, MapLookupElem, MapUpdateBatch, MapUpdateElem, ObjGet, ObjPin, Probes, ProgAttach,
    ProgDetach, ProgLoad, ProgQuery, ProgTestRun, RawTracepointOpen, Reply, StreamRead, Target, TaskFdQuery,
};
use oxbpf_uapi::attr::{
    AssocStructOpsAttr, BatchAttr, BtfLoadAttr, EnableStatsAttr, GetIdAttr, InfoByFdAttr, IterCreateAttr,
    IterLink, KprobeMultiLink, LinkCreateAttr, LinkDetachAttr, LinkUpdateAttr, MapCreateAttr, MapElemAttr,
    NetfilterLink, OBJ_NAME_LEN, ObjAttr, PerfEventLink, ProgAttachAttr, ProgBindMapAttr, ProgLoadAttr,
    QueryAttr, RawTracepointOpenAttr, RelativeLink, StreamReadAttr, TaskFdQueryAttr, TestRunAttr,
    TokenCreateAttr, TracingLink, TracingMultiLink, UprobeMultiLink,
};
use oxbpf_uapi::{Abi, Cmd, Errno, MapType, ProgType};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// How often a program load is tried while the kernel answers `EAGAIN`, which it does when a signal interrupts the
/// verifier.
const PROG_LOAD_ATTEMPTS: u32 = 5;

/// The lowest descriptor that an object may get, so that it never takes the place of a closed standard stream.
const FIRST_GOOD_FD: RawFd = 3;

/// Bytes of a `struct bpf_core_relo`.
const CORE_RELO_SIZE: u32 = 16;

/// Where encoded requests go.
pub(crate) trait Transport {
    /// Makes one bpf(2) call with `attr` as it is, which the kernel also writes to.
    ///
    /// # Safety
    /// Every address in `attr` is valid for what `cmd` does with it, for the duration of the call.
    unsafe fn call(&self, cmd: Cmd, attr: &mut [u8]) -> Result<u64, Errno>;

    /// Sizes of the map's keys and values.
    fn shape(&self, map: &Handle) -> Result<MapShape, Errno>;
}

impl Transport for Linux {
    unsafe fn call(&self, cmd: Cmd, attr: &mut [u8]) -> Result<u64, Errno> {
        // SAFETY: the same promise, made by the caller.
        unsafe { syscall::bpf(cmd, attr) }
    }

    fn shape(&self, map: &Handle) -> Result<MapShape, Errno> {
        self.map_shape(map)
    }
}

/// What the kernel takes from the map and not from the request: how much it reads and writes at key and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MapShape {
    pub(crate) key_size: usize,
    pub(crate) value_size: usize,
    pub(crate) per_cpu: bool,
    pub(crate) possible_cpus: usize,
}

impl MapShape {
    pub(crate) fn new(map_type: MapType, key_size: u32, value_size: u32, possible_cpus: usize) -> Self {
        let per_cpu = map_type.is_per_cpu();
        Self { key_size: key_size as usize, value_size: value_size as usize, per_cpu, possible_cpus }
    }

    /// Bytes of a value in user space. With `BPF_F_CPU` or `BPF_F_ALL_CPUS` the kernel moves one value; older kernels
    /// refuse the flags.
    fn user_value_size(&self, flags: u64) -> usize {
        const ONE_VALUE: u64 = 8 | 16;
        if self.per_cpu && flags & ONE_VALUE == 0 {
            self.value_size.next_multiple_of(8).saturating_mul(self.possible_cpus)
        } else {
            self.value_size
        }
    }

    fn check_key(&self, key: &[u8]) -> Result<(), Errno> {
        at_least(key.len(), self.key_size)
    }

    fn check_value(&self, value: &[u8], flags: u64) -> Result<(), Errno> {
        at_least(value.len(), self.user_value_size(flags))
    }

    fn check_keys(&self, keys: &[u8], count: u32) -> Result<(), Errno> {
        at_least(keys.len(), self.key_size.saturating_mul(count as usize))
    }

    fn check_values(&self, values: &[u8], count: u32, flags: u64) -> Result<(), Errno> {
        at_least(values.len(), self.user_value_size(flags).saturating_mul(count as usize))
    }

    /// Batch positions are a bucket number for hash maps and a key for others.
    fn check_position(&self, position: &[u8]) -> Result<(), Errno> {
        at_least(position.len(), self.key_size.max(4))
    }
}

fn at_least(len: usize, needed: usize) -> Result<(), Errno> {
    if len >= needed { Ok(()) } else { Err(Errno::EINVAL) }
}

/// Runs a command: encodes it, calls, and copies outputs back.
pub(crate) fn run(t: &impl Transport, cmd: &mut Command<'_>) -> Result<Reply, Errno> {
    let number = cmd.cmd();
    match cmd {
        Command::MapCreate(req) => map_create(t, req),
        Command::MapLookupElem(req) | Command::MapLookupAndDeleteElem(req) => map_lookup(t, number, req),
        Command::MapUpdateElem(req) => map_update(t, req),
        Command::MapDeleteElem(req) => map_delete(t, req),
        Command::MapGetNextKey(req) => map_get_next_key(t, req),
        Command::MapFreeze { map } => {
            let mut attr = MapElemAttr { map_fd: fd(map), ..Default::default() };
            done(request(t, number, &mut attr))
        }
        Command::MapLookupBatch(req) | Command::MapLookupAndDeleteBatch(req) => {
            map_lookup_batch(t, number, req)
        }
        Command::MapUpdateBatch(req) => map_update_batch(t, req),
        Command::MapDeleteBatch(req) => map_delete_batch(t, req),
        Command::ProgLoad(req) => prog_load(t, req),
        Command::ObjPin(req) => obj_pin(t, req),
        Command::ObjGet(req) => obj_get(t, req),
        Command::ProgAttach(req) => prog_attach(t, req),
        Command::ProgDetach(req) => prog_detach(t, req),
        Command::ProgTestRun(req) => prog_test_run(t, req),
        Command::GetNextId { start, .. } => {
            let mut attr = GetIdAttr { id: *start, ..Default::default() };
            request(t, number, &mut attr)?;
            Ok(Reply::Value(attr.next_id.into()))
        }
        Command::GetFdById(req) => get_fd_by_id(t, number, req),
        Command::GetInfo(req) => get_info(t, req),
        Command::ProgQuery(req) => prog_query(t, req),
        Command::RawTracepointOpen(req) => raw_tracepoint_open(t, req),
        Command::BtfLoad(req) => btf_load(t, req),
        Command::TaskFdQuery(req) => task_fd_query(t, req),
        Command::LinkCreate(req) => link_create(t, req),
        Command::LinkUpdate(req) => link_update(t, req),
        Command::LinkDetach { link } => {
            let mut attr = LinkDetachAttr { link_fd: fd(link) };
            done(request(t, number, &mut attr))
        }
        Command::EnableStats { kind } => {
            let mut attr = EnableStatsAttr { r#type: *kind };
            object(request(t, number, &mut attr))
        }
        Command::IterCreate { link, flags } => {
            let mut attr = IterCreateAttr { link_fd: fd(link), flags: *flags };
            object(request(t, number, &mut attr))
        }
        Command::ProgBindMap(req) => {
            let mut attr = ProgBindMapAttr { prog_fd: fd(req.prog), map_fd: fd(req.map), flags: req.flags };
            done(request(t, number, &mut attr))
        }
        Command::TokenCreate { bpffs, flags } => {
            let mut attr = TokenCreateAttr { flags: *flags, bpffs_fd: fd(bpffs) };
            object(request(t, number, &mut attr))
        }
        Command::StreamRead(req) => stream_read(t, req),
        Command::AssocStructOps { prog, map, flags } => {
            let mut attr = AssocStructOpsAttr { map_fd: fd(map), prog_fd: fd(prog), flags: *flags };
            done(request(t, number, &mut attr))
        }
    }
}

/// Makes the call with the used part of `attr`.
fn request<A>(t: &impl Transport, cmd: Cmd, attr: &mut A) -> Result<u64, Errno>
where
    A: Abi + FromBytes + IntoBytes + Immutable + KnownLayout,
{
    let Some(bytes) = attr.as_mut_bytes().get_mut(..A::USED) else { return Err(Errno::EINVAL) };
    // SAFETY: private; the addresses in every struct that this file passes are of live buffers of the right length, as
    // the head of the file says.
    unsafe { t.call(cmd, bytes) }
}

/// Type, key size and value size of a map.
pub(crate) fn map_sizes(t: &impl Transport, map: &Handle) -> Result<(MapType, u32, u32), Errno> {
    // `struct bpf_map_info` begins with type, id, key_size, value_size.
    let mut info = [0_u32; 4];
    let len = size_of_val(&info) as u32;
    let mut attr = InfoByFdAttr { bpf_fd: fd(map), info_len: len, info: output(&mut info) };
    request(t, Cmd::OBJ_GET_INFO_BY_FD, &mut attr)?;
    let [map_type, _, key_size, value_size] = info;
    Ok((MapType(map_type), key_size, value_size))
}

/// Type of a program.
fn prog_type(t: &impl Transport, prog: &Handle) -> Result<ProgType, Errno> {
    // `struct bpf_prog_info` begins with it.
    let mut info = [0_u32; 1];
    let len = size_of_val(&info) as u32;
    let mut attr = InfoByFdAttr { bpf_fd: fd(prog), info_len: len, info: output(&mut info) };
    request(t, Cmd::OBJ_GET_INFO_BY_FD, &mut attr)?;
    Ok(ProgType(info[0]))
}

fn done(result: Result<u64, Errno>) -> Result<Reply, Errno> {
    result.map(|_| Reply::Done)
}

/// Takes over the descriptor that a command answered with.
fn object(result: Result<u64, Errno>) -> Result<Reply, Errno> {
    let number = RawFd::try_from(result?).map_err(|_| Errno::EPROTO)?;
    // SAFETY: the commands that come here answer with a new descriptor, which nobody else has.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    let fd = if number < FIRST_GOOD_FD {
        rustix::io::fcntl_dupfd_cloexec(&fd, FIRST_GOOD_FD).map_err(|e| Errno(e.raw_os_error()))?
    } else {
        fd
    };
    Ok(Reply::Handle(Handle::from_fd(fd)))
}

/// The descriptor of a handle as the kernel wants it. An object of another back end gives −1, so `EBADF`.
fn fd(handle: &Handle) -> u32 {
    handle.fd().map_or(u32::MAX, |_| handle.number() as u32)
}

fn fd_or_0(handle: Option<&impl std::ops::Deref<Target = Handle>>) -> u32 {
    handle.map_or(0, |h| fd(h))
}

/// The address of what the kernel reads; 0 for nothing.
fn input<T>(data: &[T]) -> u64 {
    if data.is_empty() { 0 } else { data.as_ptr().expose_provenance() as u64 }
}

/// The address of what the kernel writes; 0 for nothing.
pub(crate) fn output<T>(data: &mut [T]) -> u64 {
    if data.is_empty() { 0 } else { data.as_mut_ptr().expose_provenance() as u64 }
}

/// A length in a request's 32 bits.
fn len32<T>(data: &[T]) -> Result<u32, Errno> {
    u32::try_from(data.len()).map_err(|_| Errno::E2BIG)
}

fn c_string(text: &str) -> Result<CString, Errno> {
    CString::new(text).map_err(|_| Errno::EINVAL)
}

fn c_path(path: &Path) -> Result<CString, Errno> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)
}

/// The address of a text; the `CString` stays with the caller.
fn text(text: &CString) -> u64 {
    input(text.as_bytes_with_nul())
}

/// An object's name as kernels accept it: 15 bytes, letters, digits, `_` and `.`, everything else becomes `_`.
fn name(name: &str) -> [u8; OBJ_NAME_LEN] {
    let mut out = [0; OBJ_NAME_LEN];
    for (to, from) in out.iter_mut().take(OBJ_NAME_LEN - 1).zip(name.bytes()) {
        *to = if from.is_ascii_alphanumeric() || from == b'.' { from } else { b'_' };
    }
    out
}

/// Level, length and address of a log buffer. At level 0 the kernel refuses a buffer.
fn log_fields(log: &mut Option<LogBuf<'_>>) -> Result<(u32, u32, u64), Errno> {
    match log {
        Some(log) if log.level != 0 => Ok((log.level, len32(log.buf)?, output(log.buf))),
        _ => Ok((0, 0, 0)),
    }
}

fn map_create(t: &impl Transport, req: &MapCreate<'_>) -> Result<Reply, Errno> {
    let mut attr = MapCreateAttr {
        map_type: req.map_type,
        key_size: req.key_size,
        value_size: req.value_size,
        max_entries: req.max_entries,
        map_flags: req.all_flags(),
        inner_map_fd: fd_or_0(req.inner_map),
        numa_node: req.numa_node,
        map_name: name(req.map_name),
        map_ifindex: req.map_ifindex,
        btf_fd: fd_or_0(req.btf),
        btf_key_type_id: req.btf_key_type_id,
        btf_value_type_id: req.btf_value_type_id,
        btf_vmlinux_value_type_id: req.btf_vmlinux_value_type_id,
        map_extra: req.map_extra,
        value_type_btf_obj_fd: fd_or_0(req.value_type_btf_obj) as i32,
        map_token_fd: fd_or_0(req.token) as i32,
        excl_prog_hash: input(req.excl_prog_hash),
        excl_prog_hash_size: len32(req.excl_prog_hash)?,
        ..Default::default()
    };
    object(request(t, Cmd::MAP_CREATE, &mut attr))
}

fn map_lookup(t: &impl Transport, cmd: Cmd, req: &mut MapLookupElem<'_>) -> Result<Reply, Errno> {
    let shape = t.shape(req.map)?;
    shape.check_key(req.key)?;
    shape.check_value(req.value, req.flags)?;
    let mut attr = MapElemAttr {
        map_fd: fd(req.map),
        key: input(req.key),
        value: output(req.value),
        flags: req.flags,
        ..Default::default()
    };
    done(request(t, cmd, &mut attr))
}

fn map_update(t: &impl Transport, req: &MapUpdateElem<'_>) -> Result<Reply, Errno> {
    let shape = t.shape(req.map)?;
    shape.check_key(req.key)?;
    shape.check_value(req.value, req.flags)?;
    let mut attr = MapElemAttr {
        map_fd: fd(req.map),
        key: input(req.key),
        value: input(req.value),
        flags: req.flags,
        ..Default::default()
    };
    done(request(t, Cmd::MAP_UPDATE_ELEM, &mut attr))
}

fn map_delete(t: &impl Transport, req: &MapDeleteElem<'_>) -> Result<Reply, Errno> {
    t.shape(req.map)?.check_key(req.key)?;
    let mut attr =
        MapElemAttr { map_fd: fd(req.map), key: input(req.key), flags: req.flags, ..Default::default() };
    done(request(t, Cmd::MAP_DELETE_ELEM, &mut attr))
}

fn map_get_next_key(t: &impl Transport, req: &mut MapGetNextKey<'_>) -> Result<Reply, Errno> {
    let shape = t.shape(req.map)?;
    if let Some(key) = req.key {
        shape.check_key(key)?;
    }
    shape.check_key(req.next_key)?;
    let mut attr = MapElemAttr {
        map_fd: fd(req.map),
        key: req.key.map_or(0, input),
        value: output(req.next_key),
        ..Default::default()
    };
    done(request(t, Cmd::MAP_GET_NEXT_KEY, &mut attr))
}

fn map_lookup_batch(t: &impl Transport, cmd: Cmd, req: &mut MapLookupBatch<'_>) -> Result<Reply, Errno> {
    let shape = t.shape(req.map)?;
    if let Some(position) = req.in_batch {
        shape.check_position(position)?;
    }
    shape.check_position(req.out_batch)?;
    shape.check_keys(req.keys, req.count)?;
    shape.check_values(req.values, req.count, req.elem_flags)?;
    let mut attr = BatchAttr {
        in_batch: req.in_batch.map_or(0, input),
        out_batch: output(req.out_batch),
        keys: output(req.keys),
        values: output(req.values),
        count: req.count,
        map_fd: fd(req.map),
        elem_flags: req.elem_flags,
        flags: req.flags,
    };
    let result = request(t, cmd, &mut attr);
    req.count = attr.count;
    done(result)
}

fn map_update_batch(t: &impl Transport, req: &mut MapUpdateBatch<'_>) -> Result<Reply, Errno> {
    let shape = t.shape(req.map)?;
    shape.check_keys(req.keys, req.count)?;
    shape.check_values(req.values, req.count, req.elem_flags)?;
    let mut attr = BatchAttr {
        keys: input(req.keys),
        values: input(req.values),
        count: req.count,
        map_fd: fd(req.map),
        elem_flags: req.elem_flags,
        flags: req.flags,
        ..Default::default()
    };
    let result = request(t, Cmd::MAP_UPDATE_BATCH, &mut attr);
    req.count = attr.count;
    done(result)
}

fn map_delete_batch(t: &impl Transport, req: &mut MapDeleteBatch<'_>) -> Result<Reply, Errno> {
    t.shape(req.map)?.check_keys(req.keys, req.count)?;
    let mut attr = BatchAttr {
        keys: input(req.keys),
        count: req.count,
        map_fd: fd(req.map),
        elem_flags: req.elem_flags,
        flags: req.flags,
        ..Default::default()
    };
    let result = request(t, Cmd::MAP_DELETE_BATCH, &mut attr);
    req.count = attr.count;
    done(result)
}

/// How many records of `size` bytes there are.
fn records(data: &[u8], size: u32) -> Result<u32, Errno> {
    if data.is_empty() {
        return Ok(0);
    }
    len32(data)?.checked_div(size).ok_or(Errno::EINVAL)
}

fn prog_load(t: &impl Transport, req: &mut ProgLoad<'_>) -> Result<Reply, Errno> {
    let license = c_string(req.license)?;
    let fd_array: Vec<u32> = req.fd_array.iter().map(fd).collect();
    let (log_level, log_size, log_buf) = log_fields(&mut req.log)?;
    let mut attr = ProgLoadAttr {
        prog_type: req.prog_type,
        insn_cnt: len32(req.insns)?,
        insns: input(req.insns),
        license: text(&license),
        log_level,
        log_size,
        log_buf,
        kern_version: req.kern_version,
        prog_flags: req.all_flags(),
        prog_name: name(req.prog_name),
        prog_ifindex: req.prog_ifindex,
        expected_attach_type: req.expected_attach_type,
        prog_btf_fd: fd_or_0(req.prog_btf),
        func_info_rec_size: req.func_info_rec_size,
        func_info: input(req.func_info),
        func_info_cnt: records(req.func_info, req.func_info_rec_size)?,
        line_info_rec_size: req.line_info_rec_size,
        line_info: input(req.line_info),
        line_info_cnt: records(req.line_info, req.line_info_rec_size)?,
        attach_btf_id: req.attach_btf_id,
        attach_prog_fd: match req.attach_target {
            None => 0,
            Some(AttachTarget::Prog(prog)) => fd(prog),
            Some(AttachTarget::Btf(btf)) => fd(btf),
        },
        fd_array: input(&fd_array),
        fd_array_cnt: if req.fd_array_is_bound { len32(&fd_array)? } else { 0 },
        prog_token_fd: fd_or_0(req.token) as i32,
        signature: input(req.signature),
        signature_size: len32(req.signature)?,
        keyring_id: req.keyring_id,
        core_relo_cnt: records(req.core_relos, CORE_RELO_SIZE)?,
        core_relos: input(req.core_relos),
        core_relo_rec_size: if req.core_relos.is_empty() { 0 } else { CORE_RELO_SIZE },
        ..Default::default()
    };
    let mut attempts = PROG_LOAD_ATTEMPTS;
    let result = loop {
        let result = request(t, Cmd::PROG_LOAD, &mut attr);
        attempts -= 1;
        if result != Err(Errno::EAGAIN) || attempts == 0 {
            break result;
        }
    };
    if let Some(log) = &mut req.log {
        log.true_size = attr.log_true_size;
    }
    object(result)
}

fn btf_load(t: &impl Transport, req: &mut BtfLoad<'_>) -> Result<Reply, Errno> {
    let (btf_log_level, btf_log_size, btf_log_buf) = log_fields(&mut req.log)?;
    let mut attr = BtfLoadAttr {
        btf: input(req.btf),
        btf_log_buf,
        btf_size: len32(req.btf)?,
        btf_log_size,
        btf_log_level,
        btf_flags: req.all_flags(),
        btf_token_fd: fd_or_0(req.token) as i32,
        ..Default::default()
    };
    let result = request(t, Cmd::BTF_LOAD, &mut attr);
    if let Some(log) = &mut req.log {
        log.true_size = attr.btf_log_true_size;
    }
    object(result)
}

fn obj_pin(t: &impl Transport, req: &ObjPin<'_>) -> Result<Reply, Errno> {
    let path = c_path(req.path)?;
    let mut attr = ObjAttr {
        pathname: text(&path),
        bpf_fd: fd(req.object),
        file_flags: req.all_flags(),
        path_fd: req.dir.map_or(0, fd) as i32,
        ..Default::default()
    };
    done(request(t, Cmd::OBJ_PIN, &mut attr))
}

fn obj_get(t: &impl Transport, req: &ObjGet<'_>) -> Result<Reply, Errno> {
    let path = c_path(req.path)?;
    let mut attr = ObjAttr {
        pathname: text(&path),
        file_flags: req.all_flags(),
        path_fd: req.dir.map_or(0, fd) as i32,
        ..Default::default()
    };
    object(request(t, Cmd::OBJ_GET, &mut attr))
}

fn target(target: &Target<'_>) -> u32 {
    match target {
        Target::Object(object) => fd(object),
        Target::Ifindex(index) => *index,
        Target::None => 0,
    }
}

fn anchor(anchor: &Anchor<'_>) -> u32 {
    match anchor {
        Anchor::None => 0,
        Anchor::Object(object) => fd(object),
        Anchor::Id(id) => *id,
    }
}

fn source(source: &LinkSource<'_>) -> u32 {
    match source {
        LinkSource::Prog(prog) => fd(prog),
        LinkSource::Map(map) => fd(map),
    }
}

fn prog_attach(t: &impl Transport, req: &ProgAttach<'_>) -> Result<Reply, Errno> {
    let mut attr = ProgAttachAttr {
        target_fd: target(&req.target),
        attach_bpf_fd: fd(req.prog),
        attach_type: req.attach_type,
        attach_flags: req.all_flags(),
        replace_bpf_fd: fd_or_0(req.replace),
        relative_fd: anchor(&req.relative),
        expected_revision: req.expected_revision,
    };
    done(request(t, Cmd::PROG_ATTACH, &mut attr))
}

fn prog_detach(t: &impl Transport, req: &ProgDetach<'_>) -> Result<Reply, Errno> {
    let mut attr = ProgAttachAttr {
        target_fd: target(&req.target),
        attach_bpf_fd: fd_or_0(req.prog),
        attach_type: req.attach_type,
        attach_flags: req.all_flags(),
        relative_fd: anchor(&req.relative),
        expected_revision: req.expected_revision,
        ..Default::default()
    };
    done(request(t, Cmd::PROG_DETACH, &mut attr))
}

fn prog_test_run(t: &impl Transport, req: &mut ProgTestRun<'_>) -> Result<Reply, Errno> {
    // Linux writes the context of a syscall program back to where it came from, and wants no other place for it
    // (`bpf_prog_test_run_syscall`, `net/bpf/test_run.c`).
    let mut ctx_in = req.ctx_in.to_vec();
    let may_be_syscall = req.ctx_out.is_some() && req.data_in.is_empty() && req.data_out.is_none();
    let is_in_place = may_be_syscall && prog_type(t, req.prog)? == ProgType::SYSCALL;
    for buffer in &mut req.ctx_buffers {
        let address = match &mut buffer.data {
            CtxData::Input(data) => input(data),
            CtxData::Output(data) => output(data),
        };
        set_address(&mut ctx_in, buffer.offset, address)?;
    }
    let mut nothing = [];
    let ctx_out = match &mut req.ctx_out {
        Some(out) if !is_in_place => &mut **out,
        _ => &mut nothing[..],
    };
    let data_out = req.data_out.as_deref_mut().unwrap_or_default();
    let mut attr = TestRunAttr {
        prog_fd: fd(req.prog),
        data_size_in: len32(req.data_in)?,
        data_size_out: len32(data_out)?,
        data_in: input(req.data_in),
        data_out: output(data_out),
        repeat: req.repeat,
        ctx_size_in: len32(&ctx_in)?,
        ctx_size_out: len32(ctx_out)?,
        ctx_in: output(&mut ctx_in),
        ctx_out: output(ctx_out),
        flags: req.flags,
        cpu: req.cpu,
        batch_size: req.batch_size,
        ..Default::default()
    };
    let result = request(t, Cmd::PROG_TEST_RUN, &mut attr);
    (req.retval, req.duration) = (attr.retval, attr.duration);
    (req.data_size_out, req.ctx_size_out) = (attr.data_size_out, attr.ctx_size_out);
    if let Some(out) = req.ctx_out.as_deref_mut().filter(|_| is_in_place) {
        for buffer in &req.ctx_buffers {
            set_address(&mut ctx_in, buffer.offset, 0)?;
        }
        req.ctx_size_out = len32(&ctx_in)?;
        out.iter_mut().zip(&ctx_in).for_each(|(to, from)| *to = *from);
    }
    done(result)
}

/// Writes an address into a context.
fn set_address(ctx: &mut [u8], offset: u32, address: u64) -> Result<(), Errno> {
    let place = ctx.get_mut(offset as usize..).and_then(|rest| rest.first_chunk_mut());
    *place.ok_or(Errno::EINVAL)? = address.to_ne_bytes();
    Ok(())
}

fn get_fd_by_id(t: &impl Transport, cmd: Cmd, req: &GetFdById<'_>) -> Result<Reply, Errno> {
    let mut attr = GetIdAttr {
        id: req.id,
        open_flags: req.all_flags(),
        fd_by_id_token_fd: fd_or_0(req.token) as i32,
        ..Default::default()
    };
    object(request(t, cmd, &mut attr))
}

fn get_info(t: &impl Transport, req: &mut GetInfo<'_>) -> Result<Reply, Errno> {
    // What a link's union is has to be asked first.
    let mut known = [0; size_of::<[u64; 16]>()];
    if matches!(req.buffers, InfoBuffers::Link { .. }) {
        let mut attr =
            InfoByFdAttr { bpf_fd: fd(req.object), info_len: len32(&known)?, info: output(&mut known) };
        request(t, Cmd::OBJ_GET_INFO_BY_FD, &mut attr)?;
    }
    // Lengths that are not zero are requests for more, so nothing of what the buffer held may reach the kernel.
    req.info.fill(0);
    crate::info::point_at_buffers(req.info, &mut req.buffers, &known)?;
    match (info_call(t, req), &mut req.buffers) {
        // Kernels before 5.11 have no names of BTF objects, and refuse to be asked.
        (Err(Errno::E2BIG), InfoBuffers::Btf { name, .. }) if !name.is_empty() => {
            name.fill(0);
            *name = &mut [];
            req.info.fill(0);
            crate::info::point_at_buffers(req.info, &mut req.buffers, &known)?;
            info_call(t, req)
        }
        (result, _) => result,
    }
}

fn info_call(t: &impl Transport, req: &mut GetInfo<'_>) -> Result<Reply, Errno> {
    let mut attr =
        InfoByFdAttr { bpf_fd: fd(req.object), info_len: len32(req.info)?, info: output(req.info) };
    request(t, Cmd::OBJ_GET_INFO_BY_FD, &mut attr)?;
    Ok(Reply::Value(attr.info_len.into()))
}

fn prog_query(t: &impl Transport, req: &mut ProgQuery<'_>) -> Result<Reply, Errno> {
    let count = req.prog_ids.len();
    let optional = [req.prog_attach_flags.len(), req.link_ids.len(), req.link_attach_flags.len()];
    if optional.iter().any(|len| *len != 0 && *len < count) {
        return Err(Errno::EINVAL);
    }
    let mut attr = QueryAttr {
        target_fd: target(&req.target),
        attach_type: req.attach_type,
        query_flags: req.query_flags,
        prog_ids: output(req.prog_ids),
        count: len32(req.prog_ids)?,
        prog_attach_flags: output(req.prog_attach_flags),
        link_ids: output(req.link_ids),
        link_attach_flags: output(req.link_attach_flags),
        ..Default::default()
    };
    let result = request(t, Cmd::PROG_QUERY, &mut attr);
    (req.attach_flags, req.count, req.revision) = (attr.attach_flags, attr.count, attr.revision);
    done(result)
}

fn raw_tracepoint_open(t: &impl Transport, req: &RawTracepointOpen<'_>) -> Result<Reply, Errno> {
    let name = req.name.map(c_string).transpose()?;
    let mut attr = RawTracepointOpenAttr {
        name: name.as_ref().map_or(0, text),
        prog_fd: fd(req.prog),
        cookie: req.cookie,
        ..Default::default()
    };
    object(request(t, Cmd::RAW_TRACEPOINT_OPEN, &mut attr))
}

fn task_fd_query(t: &impl Transport, req: &mut TaskFdQuery<'_>) -> Result<Reply, Errno> {
    let mut attr = TaskFdQueryAttr {
        pid: req.pid,
        fd: req.fd,
        flags: req.flags,
        buf_len: len32(req.buf)?,
        buf: output(req.buf),
        ..Default::default()
    };
    let result = request(t, Cmd::TASK_FD_QUERY, &mut attr);
    (req.buf_len, req.prog_id, req.fd_type) = (attr.buf_len, attr.prog_id, attr.fd_type);
    (req.probe_offset, req.probe_addr) = (attr.probe_offset, attr.probe_addr);
    done(result)
}

fn stream_read(t: &impl Transport, req: &mut StreamRead<'_>) -> Result<Reply, Errno> {
    let mut attr = StreamReadAttr {
        stream_buf: output(req.buf),
        stream_buf_len: len32(req.buf)?,
        stream_id: req.stream_id,
        prog_fd: fd(req.prog),
        ..Default::default()
    };
    request(t, Cmd::PROG_STREAM_READ_BY_FD, &mut attr).map(Reply::Value)
}

/// A parallel array of a multi link: as long as the list that it goes with, or empty.
fn parallel<T>(data: &[T], count: usize) -> Result<u64, Errno> {
    if data.is_empty() || data.len() == count { Ok(input(data)) } else { Err(Errno::EINVAL) }
}

fn link_create(t: &impl Transport, req: &LinkCreate<'_>) -> Result<Reply, Errno> {
    let mut attr = LinkCreateAttr {
        prog_fd: source(&req.source),
        target_fd: target(&req.target),
        attach_type: req.attach_type,
        flags: req.all_flags(),
        ..Default::default()
    };
    // What the union's addresses point at lives here until the call is over.
    let (mut names, mut addresses, mut path) = (Vec::new(), Vec::new(), CString::default());
    match &req.kind {
        LinkKind::Plain => {}
        LinkKind::Tracing { target_btf_id, cookie } => {
            attr.set(&TracingLink { target_btf_id: *target_btf_id, cookie: *cookie, ..Default::default() });
        }
        LinkKind::Iter(info) => {
            attr.set(&IterLink { iter_info: input(info), iter_info_len: len32(info)?, ..Default::default() });
        }
        LinkKind::PerfEvent { bpf_cookie } => attr.set(&PerfEventLink { bpf_cookie: *bpf_cookie }),
        LinkKind::KprobeMulti { probes, cookies, .. } => {
            let mut kind = KprobeMultiLink { flags: req.kind.all_flags(), ..Default::default() };
            let count = match probes {
                Probes::Addrs(addrs) => {
                    kind.addrs = input(addrs);
                    addrs.len()
                }
                Probes::Syms(syms) => {
                    names = syms.iter().map(|s| c_string(s)).collect::<Result<_, _>>()?;
                    addresses = names.iter().map(text).collect();
                    kind.syms = input(&addresses);
                    syms.len()
                }
            };
            kind.cnt = u32::try_from(count).map_err(|_| Errno::E2BIG)?;
            kind.cookies = parallel(cookies, count)?;
            attr.set(&kind);
        }
        LinkKind::UprobeMulti { path: file, offsets, ref_ctr_offsets, cookies, pid, path_fd, .. } => {
            path = c_path(file)?;
            attr.set(&UprobeMultiLink {
                path: text(&path),
                offsets: input(offsets),
                ref_ctr_offsets: parallel(ref_ctr_offsets, offsets.len())?,
                cookies: parallel(cookies, offsets.len())?,
                cnt: len32(offsets)?,
                flags: req.kind.all_flags(),
                pid: *pid,
                path_fd: path_fd.map_or(0, fd),
            });
        }
        LinkKind::Netfilter { pf, hooknum, priority, flags } => {
            attr.set(&NetfilterLink { pf: *pf, hooknum: *hooknum, priority: *priority, flags: *flags });
        }
        LinkKind::Ordered { relative, expected_revision } => {
            attr.set(&RelativeLink {
                relative_fd: anchor(relative),
                expected_revision: *expected_revision,
                ..Default::default()
            });
        }
        LinkKind::TracingMulti { ids, cookies } => {
            attr.set(&TracingMultiLink {
                ids: input(ids),
                cookies: parallel(cookies, ids.len())?,
                cnt: len32(ids)?,
                ..Default::default()
            });
        }
    }
    let result = request(t, Cmd::LINK_CREATE, &mut attr);
    drop((names, addresses, path));
    object(result)
}

fn link_update(t: &impl Transport, req: &LinkUpdate<'_>) -> Result<Reply, Errno> {
    let mut attr = LinkUpdateAttr {
        link_fd: fd(req.link),
        new_prog_fd: source(&req.new),
        flags: req.all_flags(),
        old_prog_fd: req.old.as_ref().map_or(0, source),
    };
    done(request(t, Cmd::LINK_UPDATE, &mut attr))
}

#[cfg(test)]
mod tests;
