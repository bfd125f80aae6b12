//! Commands of bpf(2) that a program of type `syscall` makes: requests in guest memory, as loader programs have them.
//!
//! Descriptors that a program opens belong to whoever runs it: they stay until the program closes them or they are taken over
//! (`Backend::adopt`). A program can't close what others opened.

use oxbpf_kernel::{
    BtfFd, BtfLoad, Command, Handle, LogBuf, MapCreate, MapFd, MapUpdateElem, ProgLoad, Reply,
};
use oxbpf_uapi::attr::{BtfLoadAttr, MapCreateAttr, MapElemAttr, ProgLoadAttr};
use oxbpf_uapi::insn::{BPF_PSEUDO_MAP_IDX, BPF_PSEUDO_MAP_IDX_VALUE};
use oxbpf_uapi::{BtfKind, Cmd, Errno, Insn};
use oxbpf_vm::Cpu;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{Args, Status, length, read};
use crate::invoke::Invocation;
use crate::registry::map_of;
use crate::{bpf, kbtf, tracepoints};

/// Bytes of a `struct bpf_core_relo`.
const CORE_RELO: u32 = 16;
/// The kernel reads at most so much of a licence.
const LICENSE_LEN: usize = 128;
/// The most that a request may ask to be read at once.
const MAX_LEN: usize = 64 << 20;

/// A result, or the error number of a request.
type Answer<T> = Result<T, Errno>;

pub(super) fn sys_bpf(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    let attr = read(cpu, a[1], a[2] & u64::from(u32::MAX))?;
    let caller = Caller { inv, cpu };
    Ok(match Cmd(a[0] as u32) {
        Cmd::MAP_CREATE => caller.map_create(&attr),
        Cmd::MAP_UPDATE_ELEM => caller.map_update(&attr),
        Cmd::MAP_FREEZE => caller.map_freeze(&attr),
        Cmd::PROG_LOAD => caller.prog_load(&attr),
        Cmd::BTF_LOAD => caller.btf_load(&attr),
        _ => Err(Errno::EINVAL),
    })
}

pub(super) fn sys_close(inv: &mut Invocation<'_, '_>, _: &mut Cpu, a: Args) -> Status {
    Ok(inv.state.registry.take_opened(a[0] as i32).map(|_| 0))
}

/// The id of a kernel type; the embedded kernel has no modules, so there is never a descriptor beside it.
pub(super) fn find_by_name_kind(_: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    let name = read(cpu, a[0], a[1] & u64::from(u32::MAX))?;
    let Some((0, name)) = name.split_last() else { return Ok(Err(Errno::EINVAL)) };
    let (Ok(name), 0) = (core::str::from_utf8(name), a[3]) else { return Ok(Err(Errno::EINVAL)) };
    let found = kbtf::btf().find(name, BtfKind(a[2] as u32));
    Ok(found.map(|id| id.0.into()).ok_or(Errno::ENOENT))
}

pub(super) fn kallsyms_lookup_name(_: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    let name = read(cpu, a[0], a[1] & u64::from(u32::MAX))?;
    cpu.memory().write_uint(a[3], 8, 0)?;
    let Some((0, name)) = name.split_last().filter(|_| a[2] == 0) else { return Ok(Err(Errno::EINVAL)) };
    let Some((_, address)) = tracepoints::functions().find(|(known, _)| known.as_bytes() == name) else {
        return Ok(Err(Errno::ENOENT));
    };
    cpu.memory().write_uint(a[3], 8, address)?;
    Ok(Ok(0))
}

/// Who makes a command.
struct Caller<'c, 'i, 's> {
    inv: &'c Invocation<'i, 's>,
    cpu: &'c Cpu,
}

impl Caller<'_, '_, '_> {
    fn bytes(&self, addr: u64, len: usize) -> Answer<Vec<u8>> {
        if len > MAX_LEN {
            return Err(Errno::E2BIG);
        }
        let mut out = vec![0; len];
        self.cpu.memory().read(addr, &mut out).map_err(|_| Errno::EFAULT)?;
        Ok(out)
    }

    /// Records of `size` bytes each.
    fn records(&self, addr: u64, count: u32, size: u32) -> Answer<Vec<u8>> {
        self.bytes(addr, (count as usize).checked_mul(size as usize).ok_or(Errno::E2BIG)?)
    }

    /// A handle on what a number stands for.
    fn handle(&self, number: u32) -> Answer<Handle> {
        let number = i32::try_from(number).map_err(|_| Errno::EBADF)?;
        let registry = &self.inv.state.registry;
        Ok(registry.handle(registry.by_number(number)?))
    }

    /// The same of a number that may be 0 for nothing.
    fn optional(&self, number: u32) -> Answer<Option<Handle>> {
        if number == 0 { Ok(None) } else { self.handle(number).map(Some) }
    }

    /// Runs a command; what it opens is the program's.
    fn run(&self, cmd: &mut Command<'_>) -> Answer<u64> {
        match bpf::command(self.inv.state, cmd)? {
            Reply::Handle(handle) => Ok(self.inv.state.registry.keep_opened(handle) as u64),
            Reply::Done => Ok(0),
            Reply::Value(value) => Ok(value),
        }
    }

    fn map_create(&self, attr: &[u8]) -> Answer<u64> {
        let attr: MapCreateAttr = request(attr)?;
        let is_plain = attr.btf_vmlinux_value_type_id == 0
            && attr.value_type_btf_obj_fd == 0
            && attr.map_token_fd == 0
            && attr.excl_prog_hash_size == 0;
        if !is_plain {
            return Err(Errno::EINVAL);
        }
        let (inner, btf) =
            (self.optional(attr.inner_map_fd)?.map(MapFd), self.optional(attr.btf_fd)?.map(BtfFd));
        self.run(&mut Command::MapCreate(MapCreate {
            map_type: attr.map_type,
            key_size: attr.key_size,
            value_size: attr.value_size,
            max_entries: attr.max_entries,
            map_flags: attr.map_flags,
            inner_map: inner.as_ref(),
            numa_node: attr.numa_node,
            map_name: name(&attr.map_name)?,
            map_ifindex: attr.map_ifindex,
            btf: btf.as_ref(),
            btf_key_type_id: attr.btf_key_type_id,
            btf_value_type_id: attr.btf_value_type_id,
            map_extra: attr.map_extra,
            ..MapCreate::default()
        }))
    }

    fn map_update(&self, attr: &[u8]) -> Answer<u64> {
        let attr: MapElemAttr = request(attr)?;
        let map = MapFd(self.handle(attr.map_fd)?);
        let params = &map_of(&map)?.params;
        let key = self.bytes(attr.key, params.key_size as usize)?;
        let value = self.bytes(attr.value, params.value_size as usize)?;
        self.run(&mut Command::MapUpdateElem(MapUpdateElem {
            map: &map,
            key: &key,
            value: &value,
            flags: attr.flags,
        }))
    }

    fn map_freeze(&self, attr: &[u8]) -> Answer<u64> {
        let attr: MapElemAttr = request(attr)?;
        let map = MapFd(self.handle(attr.map_fd)?);
        self.run(&mut Command::MapFreeze { map: &map })
    }

    fn btf_load(&self, attr: &[u8]) -> Answer<u64> {
        let attr: BtfLoadAttr = request(attr)?;
        let btf = self.bytes(attr.btf, attr.btf_size as usize)?;
        self.with_log(attr.btf_log_level, attr.btf_log_size, attr.btf_log_buf, |log| {
            self.run(&mut Command::BtfLoad(BtfLoad { btf: &btf, log, ..BtfLoad::default() }))
        })
    }

    fn prog_load(&self, attr: &[u8]) -> Answer<u64> {
        let attr: ProgLoadAttr = request(attr)?;
        let is_plain = attr.prog_token_fd == 0 && attr.signature_size == 0 && attr.attach_prog_fd == 0;
        let is_known = attr.core_relo_cnt == 0 || attr.core_relo_rec_size == CORE_RELO;
        if !is_plain || !is_known {
            return Err(Errno::EINVAL);
        }
        let bytes = self.records(attr.insns, attr.insn_cnt, 8)?;
        let is_little = cfg!(target_endian = "little");
        let insns = bytes.chunks_exact(8).filter_map(|c| c.first_chunk());
        let insns: Vec<Insn> = insns.map(|c| Insn::from_bytes(*c, is_little)).collect();
        let license = self.cpu.memory().read_cstr(attr.license, LICENSE_LEN).map_err(|_| Errno::EFAULT)?;
        let license = String::from_utf8_lossy(&license);
        let fd_array = self.fd_array(attr.fd_array, &insns)?;
        let func_info = self.records(attr.func_info, attr.func_info_cnt, attr.func_info_rec_size)?;
        let line_info = self.records(attr.line_info, attr.line_info_cnt, attr.line_info_rec_size)?;
        let core_relos = self.records(attr.core_relos, attr.core_relo_cnt, CORE_RELO)?;
        let btf = self.optional(attr.prog_btf_fd)?.map(BtfFd);
        self.with_log(attr.log_level, attr.log_size, attr.log_buf, |log| {
            self.run(&mut Command::ProgLoad(ProgLoad {
                prog_type: attr.prog_type,
                insns: &insns,
                license: &license,
                log,
                kern_version: attr.kern_version,
                prog_flags: attr.prog_flags,
                prog_name: name(&attr.prog_name)?,
                prog_ifindex: attr.prog_ifindex,
                expected_attach_type: attr.expected_attach_type,
                prog_btf: btf.as_ref(),
                func_info: &func_info,
                func_info_rec_size: attr.func_info_rec_size,
                line_info: &line_info,
                line_info_rec_size: attr.line_info_rec_size,
                attach_btf_id: attr.attach_btf_id,
                fd_array: &fd_array,
                core_relos: &core_relos,
                ..ProgLoad::default()
            }))
        })
    }

    /// The descriptors that instructions refer to by index; places that none refers to stay empty.
    fn fd_array(&self, addr: u64, insns: &[Insn]) -> Answer<Vec<Handle>> {
        let by_index =
            |i: &&Insn| i.is_ld_imm64() && matches!(i.src(), BPF_PSEUDO_MAP_IDX | BPF_PSEUDO_MAP_IDX_VALUE);
        let mut handles: Vec<Handle> = Vec::new();
        for insn in insns.iter().filter(by_index) {
            let index = usize::try_from(insn.imm).ok().filter(|i| *i < MAX_LEN / 4).ok_or(Errno::EINVAL)?;
            while handles.len() <= index {
                handles.push(Handle::from_object(0, ()));
            }
            let at = addr.checked_add(4 * index as u64).ok_or(Errno::EFAULT)?;
            let number = self.bytes(at, 4)?.first_chunk().map_or(0, |b| u32::from_ne_bytes(*b));
            if let Some(place) = handles.get_mut(index).filter(|h| h.number() == 0) {
                *place = self.handle(number)?;
            }
        }
        Ok(handles)
    }

    /// Runs `command` with room for a log, and writes that where the request says.
    fn with_log(
        &self,
        level: u32,
        size: u32,
        addr: u64,
        command: impl FnOnce(Option<LogBuf<'_>>) -> Answer<u64>,
    ) -> Answer<u64> {
        if level == 0 || size == 0 {
            return command(None);
        }
        let size = length(size.into()).map_err(|_| Errno::EINVAL)?;
        let mut buf = vec![0; size];
        let result = command(Some(LogBuf { level, buf: &mut buf, true_size: 0 }));
        let end = buf.iter().position(|b| *b == 0).map_or(size, |at| at + 1);
        let text = buf.get(..end).unwrap_or_default();
        self.cpu.memory().write(addr, text).map_err(|_| Errno::EFAULT)?;
        result
    }
}

/// A request, of which the end may be left out, and of whose longer form the end has to be zero.
fn request<T: FromBytes + IntoBytes + Immutable + KnownLayout>(attr: &[u8]) -> Answer<T> {
    let mut out = T::new_zeroed();
    let known = out.as_mut_bytes();
    if attr.iter().skip(known.len()).any(|b| *b != 0) {
        return Err(Errno::E2BIG);
    }
    known.iter_mut().zip(attr).for_each(|(to, from)| *to = *from);
    Ok(out)
}

/// A name in a request, up to its zero.
fn name(field: &[u8]) -> Answer<&str> {
    let end = field.iter().position(|b| *b == 0).ok_or(Errno::EINVAL)?;
    core::str::from_utf8(field.get(..end).unwrap_or_default()).map_err(|_| Errno::EINVAL)
}
