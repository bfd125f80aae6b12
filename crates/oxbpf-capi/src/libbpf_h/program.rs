//! Programs of objects: what they are, how they are loaded, where they are pinned.

use core::ffi::c_int;
use core::sync::atomic::Ordering;

use oxbpf::object::state::State;
use oxbpf_kernel::ProgFd;
use oxbpf_uapi::flags::ProgLoadFlags;
use oxbpf_uapi::{AttachType, Insn, MapType, ProgType};

use crate::abi::{BpfProgAssocStructOpsOpts, BpfProgLoadOpts};
use crate::arg::{Ptr, Put, Raw, Str};
use crate::bpf_h::attr::{ProgLoad, Three, cmd};
use crate::bpf_h::load::{load_attempts, short_name};
use crate::fail::Fail;
use crate::fd;
use crate::object::{Map, Program, c_string};
use crate::opts::{Given, Opts};
use crate::ret::{Int, Out, Val, Void};
use crate::sys::{LOAD_ATTEMPTS, bpf};

impl Program {
    /// The descriptor.
    ///
    /// # Errors
    /// `ENOENT` before it is loaded.
    pub fn fd(&self) -> Result<c_int, Fail> {
        self.with(|p| if p.is_loaded() { Ok(p.fd()?.number()) } else { Err(Fail::NOENT) })
    }
}

/// Records of C's, or those that the program was loaded with: address, number, bytes of each.
fn records(given: (Raw, u32, u32), own: (&[u8], u32)) -> Result<(u64, u32, u32), Fail> {
    let (address, count, size) = given;
    let is_given = [!address.is_null(), count != 0, size != 0];
    match is_given {
        [true, true, true] => Ok((address.address(), count, size)),
        [false, false, false] => {
            let count = (own.0.len() as u32).checked_div(own.1).unwrap_or(0);
            let address = if count == 0 { 0 } else { own.0.as_ptr().expose_provenance() as u64 };
            Ok((address, count, own.1))
        }
        _ => Err(Fail::INVAL),
    }
}

/// Loads a program again, as it was loaded where the options say nothing.
fn clone(prog: &Program, opts: &Given<BpfProgLoadOpts>) -> Result<c_int, Fail> {
    type L = BpfProgLoadOpts;
    let object = prog.object()?;
    if object.state() < State::Prepared {
        return Err(Fail::INVAL);
    }
    let core = object.read();
    let p = core.program_at(prog.id).ok_or(Fail::INVAL)?;
    let license = c_string(&core.spec().license);
    let or = |given: u32, own: u32| if given != 0 { given } else { own };
    let info = p.ext_info();
    let btf = or(opt!(opts: L, prog_btf_fd), core.btf_fd().map_or(0, |fd| fd.number() as u32));
    let given =
        (opt!(ptr opts: L, func_info), opt!(opts: L, func_info_cnt), opt!(opts: L, func_info_rec_size));
    let funcs = records(given, (&info.func_info, info.func_info_rec_size))?;
    let given =
        (opt!(ptr opts: L, line_info), opt!(opts: L, line_info_cnt), opt!(opts: L, line_info_rec_size));
    let lines = records(given, (&info.line_info, info.line_info_rec_size))?;
    let (funcs, lines) = if btf == 0 { ((0, 0, 0), (0, 0, 0)) } else { (funcs, lines) };
    let own_target =
        p.attach_prog().map(|fd| fd.number()).or_else(|| p.attach_btf_obj().map(|fd| fd.number()));
    let target = or(opt!(opts: L, attach_prog_fd), opt!(opts: L, attach_btf_obj_fd));
    let mut flags = or(opt!(opts: L, prog_flags), p.prog_flags());
    if p.spec().flags.sleepable {
        flags |= ProgLoadFlags::SLEEPABLE.bits();
    }
    if p.spec().flags.xdp_frags {
        flags |= ProgLoadFlags::XDP_HAS_FRAGS.bits();
    }
    let token = or(opt!(opts: L, token_fd), core.token().map_or(0, |fd| fd.number() as u32));
    if token != 0 {
        flags |= ProgLoadFlags::TOKEN_FD.bits();
    }
    let level = opt!(opts: L, log_level);
    let log = if level == 0 { Raw::null() } else { opt!(ptr opts: L, log_buf) };
    let insns = p.insns();
    let mut attr = ProgLoad {
        prog_type: p.prog_type().0,
        insn_cnt: insns.len() as u32,
        insns: insns.as_ptr().expose_provenance() as u64,
        license: license.as_ptr().expose_provenance() as u64,
        log_level: level,
        log_size: if level == 0 { 0 } else { opt!(opts: L, log_size) },
        log_buf: log.address(),
        kern_version: or(opt!(opts: L, kern_version), core.spec().kern_version),
        prog_flags: flags,
        prog_name: short_name(&prog.name),
        prog_ifindex: opt!(opts: L, prog_ifindex),
        expected_attach_type: or(opt!(opts: L, expected_attach_type), p.expected_attach_type().0),
        prog_btf_fd: btf,
        func_info: funcs.0,
        func_info_cnt: funcs.1,
        func_info_rec_size: funcs.2,
        line_info: lines.0,
        line_info_cnt: lines.1,
        line_info_rec_size: lines.2,
        attach_btf_id: or(opt!(opts: L, attach_btf_id), p.attach_btf_id().0),
        attach_fd: or(target, own_target.map_or(0, |fd| fd as u32)),
        fd_array: opt!(ptr opts: L, fd_array).address(),
        fd_array_cnt: opt!(opts: L, fd_array_cnt),
        prog_token_fd: token,
        ..ProgLoad::default()
    };
    load_attempts(&mut attr, LOAD_ATTEMPTS)
}

/// Bytes of a function and a line record of this version.
const FUNC_INFO: u32 = 8;
const LINE_INFO: u32 = 16;

export! {
    /// The program's descriptor, −ENOENT before it is loaded.
    fn bpf_program__fd(prog: Ptr<Program>) -> Int {
        prog.get()?.fd()
    }

    /// The function's name.
    fn bpf_program__name(prog: Ptr<Program>) -> Out<i8> {
        Ok(prog.get()?.name.as_ptr().cast())
    }

    /// What `SEC()` said.
    fn bpf_program__section_name(prog: Ptr<Program>) -> Out<i8> {
        Ok(prog.get()?.section.as_ptr().cast())
    }

    /// Whether loading the object loads it.
    fn bpf_program__autoload(prog: Ptr<Program>) -> Val<bool> {
        prog.get()?.with(|p| Ok(p.autoload()))
    }

    /// Sets whether loading the object loads it.
    fn bpf_program__set_autoload(prog: Ptr<Program>, autoload: bool) -> Int {
        prog.get()?.change(Fail::INVAL, |mut p| { p.set_autoload(autoload); }).map(|()| 0)
    }

    /// Whether attaching a skeleton attaches it.
    fn bpf_program__autoattach(prog: Ptr<Program>) -> Val<bool> {
        prog.get()?.with(|p| Ok(p.autoattach()))
    }

    /// Sets whether attaching a skeleton attaches it.
    fn bpf_program__set_autoattach(prog: Ptr<Program>, autoattach: bool) -> Void {
        let prog = prog.get()?;
        let object = prog.object()?;
        object.write().program_at_mut(prog.id).ok_or(Fail::INVAL)?.set_autoattach(autoattach);
        Ok(())
    }

    /// Its type.
    fn bpf_program__type(prog: Ptr<Program>) -> Val<u32> {
        prog.get()?.with(|p| Ok(p.prog_type().0))
    }

    /// As `bpf_program__type`.
    fn bpf_program__get_type(prog: Ptr<Program>) -> Val<u32> {
        prog.get()?.with(|p| Ok(p.prog_type().0))
    }

    /// Sets its type; its section name then no longer says how to attach it.
    fn bpf_program__set_type(prog: Ptr<Program>, prog_type: u32) -> Int {
        prog.get()?.change(Fail::BUSY, |mut p| { p.set_type(ProgType(prog_type)); }).map(|()| 0)
    }

    /// The attach type that it is loaded for.
    fn bpf_program__expected_attach_type(prog: Ptr<Program>) -> Val<u32> {
        prog.get()?.with(|p| Ok(p.expected_attach_type().0))
    }

    /// As `bpf_program__expected_attach_type`.
    fn bpf_program__get_expected_attach_type(prog: Ptr<Program>) -> Val<u32> {
        prog.get()?.with(|p| Ok(p.expected_attach_type().0))
    }

    /// Sets the attach type that it is loaded for.
    fn bpf_program__set_expected_attach_type(prog: Ptr<Program>, attach_type: u32) -> Int {
        let set = |mut p: oxbpf::OpenProgramMut<'_>| { p.set_expected_attach_type(AttachType(attach_type)); };
        prog.get()?.change(Fail::BUSY, set).map(|()| 0)
    }

    /// `BPF_F_*` flags that are added to the load.
    fn bpf_program__flags(prog: Ptr<Program>) -> Val<u32> {
        prog.get()?.with(|p| Ok(p.prog_flags()))
    }

    /// Sets flags that are added to the load.
    fn bpf_program__set_flags(prog: Ptr<Program>, flags: u32) -> Int {
        prog.get()?.change(Fail::BUSY, |mut p| { p.set_flags(flags); }).map(|()| 0)
    }

    /// Sets the interface that it is offloaded or bound to.
    fn bpf_program__set_ifindex(prog: Ptr<Program>, ifindex: u32) -> Void {
        prog.get()?.change(Fail::BUSY, |mut p| { p.set_ifindex(ifindex); })
    }

    /// Verbosity of the verifier for this program.
    fn bpf_program__log_level(prog: Ptr<Program>) -> Val<u32> {
        prog.get()?.with(|p| Ok(p.log_level().unwrap_or(0)))
    }

    /// Sets the verbosity of the verifier for this program.
    fn bpf_program__set_log_level(prog: Ptr<Program>, log_level: u32) -> Int {
        prog.get()?.change(Fail::BUSY, |mut p| { p.set_log_level(log_level); }).map(|()| 0)
    }

    /// The buffer that was set for the verifier's log.
    fn bpf_program__log_buf(prog: Ptr<Program>, log_size: Put<usize>) -> Out<u8> {
        let (buffer, size) = prog.get()?.log_buffer();
        log_size.set(size);
        Ok(buffer.pointer().cast_const())
    }

    /// Sets a buffer for the verifier's log, which has to stay until the object is loaded.
    fn bpf_program__set_log_buf(prog: Ptr<Program>, log_buf: Raw, log_size: usize) -> Int {
        let prog = prog.get()?;
        if log_size != 0 && log_buf.is_null() {
            return Err(Fail::INVAL);
        }
        if prog.object()?.state() >= State::Loaded {
            return Err(Fail::BUSY);
        }
        prog.log_buf.store(log_buf.pointer().expose_provenance(), Ordering::Relaxed);
        prog.log_size.store(log_size, Ordering::Relaxed);
        Ok(0)
    }

    /// Its instructions: as the kernel gets them once the object is prepared.
    fn bpf_program__insns(prog: Ptr<Program>) -> Out<Insn> {
        let prog = prog.get()?;
        let object = prog.object()?;
        let core = object.read();
        Ok(core.program_insns(prog.id).as_ptr())
    }

    /// The number of its instructions.
    fn bpf_program__insn_cnt(prog: Ptr<Program>) -> Val<usize> {
        let prog = prog.get()?;
        let object = prog.object()?;
        let core = object.read();
        Ok(core.program_insns(prog.id).len())
    }

    /// Replaces its instructions.
    fn bpf_program__set_insns(prog: Ptr<Program>, new_insns: Put<Insn>, new_insn_cnt: usize) -> Int {
        let prog = prog.get()?;
        let object = prog.object()?;
        if object.state() >= State::Loaded {
            return Err(Fail::BUSY);
        }
        let insns = new_insns.slice(new_insn_cnt).ok_or(Fail::INVAL)?.to_vec();
        object.write().set_program_insns(prog.id, insns);
        Ok(0)
    }

    /// Function records as the kernel got them, null if it got none.
    fn bpf_program__func_info(prog: Ptr<Program>) -> Out<u8> {
        prog.get()?.with(|p| match p.ext_info().func_info_rec_size {
            FUNC_INFO => Ok(p.ext_info().func_info.as_ptr()),
            _ => Err(Fail::OPNOTSUPP),
        })
    }

    /// The number of function records.
    fn bpf_program__func_info_cnt(prog: Ptr<Program>) -> Val<u32> {
        prog.get()?.with(|p| {
            let info = p.ext_info();
            Ok((info.func_info.len() as u32).checked_div(info.func_info_rec_size).unwrap_or(0))
        })
    }

    /// Line records as the kernel got them, null if it got none.
    fn bpf_program__line_info(prog: Ptr<Program>) -> Out<u8> {
        prog.get()?.with(|p| match p.ext_info().line_info_rec_size {
            LINE_INFO => Ok(p.ext_info().line_info.as_ptr()),
            _ => Err(Fail::OPNOTSUPP),
        })
    }

    /// The number of line records.
    fn bpf_program__line_info_cnt(prog: Ptr<Program>) -> Val<u32> {
        prog.get()?.with(|p| {
            let info = p.ext_info();
            Ok((info.line_info.len() as u32).checked_div(info.line_info_rec_size).unwrap_or(0))
        })
    }

    /// Sets what a program of a BTF-based type attaches to; the descriptor stays C's.
    fn bpf_program__set_attach_target(prog: Ptr<Program>, attach_prog_fd: c_int, attach_func_name: Str) -> Int {
        let prog = prog.get()?;
        let name = attach_func_name.opt()?;
        if attach_prog_fd < 0 || (attach_prog_fd == 0 && name.is_none()) {
            return Err(Fail::INVAL);
        }
        let target = match attach_prog_fd {
            0 => None,
            number => Some(ProgFd(fd::duplicate(number)?)),
        };
        prog.change(Fail::INVAL, |mut p| { p.set_attach_target(target, name); }).map(|()| 0)
    }

    /// Loads the program once more, with other options; the descriptor is C's.
    fn bpf_program__clone(prog: Ptr<Program>, opts: Opts<BpfProgLoadOpts>) -> Int {
        clone(prog.get()?, &opts.check()?)
    }

    /// Lets go of a loaded program.
    fn bpf_program__unload(prog: Ptr<Program>) -> Void {
        let Some(prog) = prog.opt() else { return Ok(()) };
        prog.object()?.write().unload_program(prog.id);
        Ok(())
    }

    /// Pins the program.
    fn bpf_program__pin(prog: Ptr<Program>, path: Str) -> Int {
        let prog = prog.get()?;
        prog.fd().map_err(|_| Fail::INVAL)?;
        prog.with(|p| Ok(p.pin(path.path()?)?))?;
        Ok(0)
    }

    /// Removes the program's pin.
    fn bpf_program__unpin(prog: Ptr<Program>, path: Str) -> Int {
        let prog = prog.get()?;
        prog.fd().map_err(|_| Fail::INVAL)?;
        std::fs::remove_file(path.path()?)?;
        Ok(0)
    }

    /// Ties the program to a struct_ops map.
    fn bpf_program__assoc_struct_ops(
        prog: Ptr<Program>, map: Ptr<Map>, opts: Opts<BpfProgAssocStructOpsOpts>,
    ) -> Int {
        let (prog, map) = (prog.get()?, map.get()?);
        let prog_fd = prog.fd().map_err(|_| Fail::INVAL)?;
        let is_callback = prog.with(|p| Ok(p.prog_type() == ProgType::STRUCT_OPS))?;
        let map_fd = map.fd()?;
        if is_callback || map_fd < 0 || map.with(|m| m.map_type)? != MapType::STRUCT_OPS {
            return Err(Fail::INVAL);
        }
        let opts = opts.check()?;
        let flags = opt!(opts: BpfProgAssocStructOpsOpts, flags);
        bpf(cmd::PROG_ASSOC_STRUCT_OPS, &mut Three { first: map_fd as u32, second: prog_fd as u32, flags })
    }
}
