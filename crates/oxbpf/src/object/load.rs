//! Loading programs, with the verifier's log when it matters.
//!
//! A program is loaded without a log first, which is fast. If the kernel refuses it, what an older kernel may not know is taken
//! out and it is tried again; then it is loaded once more with a log, whose buffer grows until the log fits.

use oxbpf_kernel::{AttachTarget as Target, Command, Late, LogBuf, ProgBindMap, ProgFd, ProgLoad};
use oxbpf_object::{ExtInfo, MapOrigin, ProgId, ProgramSpec};
use oxbpf_uapi::flags::ProgLoadFlags;
use oxbpf_uapi::insn::{BPF_CALL, BPF_JMP};
use oxbpf_uapi::{AttachType, Cmd, Errno, HelperId, Insn, MapType, ProgType};

use super::load_log::explain;
use super::state::{Core, ProgRow, State};
use crate::error::{At, Error, ErrorKind, Frame, Result, VerifierLog};
use crate::feature::Feature;

/// Bytes of the first log buffer, libbpf's. Memory that the kernel does not write costs nothing.
const LOG_LEN: usize = 16 << 20;
/// Kernels refuse buffers above this.
const MAX_LOG_LEN: usize = (u32::MAX >> 2) as usize;

impl Core {
    pub(crate) fn load_programs(&mut self) -> Result<()> {
        if self.state != State::Prepared {
            return Err(Error::invalid_input("the object has to be prepared first"));
        }
        let result = self.load_all();
        match result {
            Ok(()) => {
                self.state = State::Loaded;
                // The kernel has its own references now.
                self.fd_array = Vec::new();
                self.module_fds = Vec::new();
                self.programs.iter_mut().for_each(|row| row.jump_tables = Vec::new());
            }
            Err(_) => self.undo(),
        }
        result
    }

    fn load_all(&mut self) -> Result<()> {
        for i in 0..self.programs.len() {
            let id = ProgId(i as u32);
            if !self.programs.get(i).is_some_and(|r| r.autoload) {
                log::debug!("program {i}: not loaded, autoload is off");
                continue;
            }
            let frame = self.program_frame(id);
            let (fd, log) = self.load_program(id).at(|| frame).at(|| Frame::Step("load"))?;
            self.bind_maps(id, &fd);
            if let Some(row) = self.programs.get_mut(i) {
                (row.fd, row.log) = (Some(fd), log);
            }
        }
        self.fill_prog_slots()?;
        self.fill_struct_ops()
    }

    fn load_program(&mut self, id: ProgId) -> Result<(ProgFd, String)> {
        let i = id.0 as usize;
        let mut insns = self.programs.get_mut(i).map(|r| core::mem::take(&mut r.insns)).unwrap_or_default();
        let result = self.load_insns(id, &mut insns);
        if let Some(row) = self.programs.get_mut(i) {
            row.insns = insns;
        }
        result
    }

    fn load_insns(&self, id: ProgId, insns: &mut [Insn]) -> Result<(ProgFd, String)> {
        let Some((spec, row)) = self.program(id) else {
            return Err(Error::invalid_input("there is no such program"));
        };
        if spec.prog_type == ProgType::UNSPEC {
            return Err(Error::invalid_object("its section name does not say what type of program it is")
                .with_hint(section_hint(&spec.sec_name)));
        }
        if spec.prog_type == ProgType::STRUCT_OPS && row.attach_target.btf_id.is_void() {
            return Err(Error::invalid_object("no struct_ops variable refers to it").with_hint(
                "make it a callback of a variable in SEC(\".struct_ops.link\"), or turn its autoload off",
            ));
        }
        let mut how = How {
            name: &spec.code.name,
            attach_type: spec.expected_attach_type,
            has_btf: self.btf_fd.is_some(),
            kern_version: self.spec.kern_version,
            cut: None,
        };
        if spec.prog_type == ProgType::KPROBE {
            // Before 5.0 the kernel compares it with its own.
            how.kern_version = self.kernel_version().unwrap_or(how.kern_version);
        }
        let level = row.log_level.unwrap_or(self.options.log_level);
        let mut len = self.options.log_size.unwrap_or(LOG_LEN);
        let (mut result, mut log) = self.attempt(id, insns, &how, level, len);
        if result.as_ref().err() == Some(&Errno::E2BIG) && how.cut_records(&row.info) {
            (result, log) = self.attempt(id, insns, &how, level, len);
        }
        if result.is_err() && self.adapt(id, insns, &mut how) {
            (result, log) = self.attempt(id, insns, &how, level, len);
        }
        if level == 0 && matches!(&result, Err(e) if is_worth_a_log(*e)) {
            (result, log) = self.attempt(id, insns, &how, 1, len);
        }
        while result.as_ref().err() == Some(&Errno::ENOSPC)
            && self.options.log_size.is_none()
            && len < MAX_LOG_LEN
        {
            // Kernels since 6.4 say how much they need.
            let want = if log.true_size > len { log.true_size } else { len.saturating_mul(2) };
            len = want.min(MAX_LOG_LEN);
            (result, log) = self.attempt(id, insns, &how, level.max(1), len);
        }
        match result {
            Ok(fd) => {
                log::debug!("program '{}': loaded as {fd:?}, {} instructions", spec.code.name, insns.len());
                Ok((fd, log.text))
            }
            Err(e) => Err(self.rejected(id, e, &log.text).at(Frame::Command(Cmd::PROG_LOAD))),
        }
    }

    fn attempt(
        &self,
        id: ProgId,
        insns: &[Insn],
        how: &How<'_>,
        level: u32,
        len: usize,
    ) -> (Result<ProgFd, Errno>, Log) {
        let Some((spec, row)) = self.program(id) else { return (Err(Errno::EINVAL), Log::default()) };
        let mut text = if level == 0 { Vec::new() } else { vec![0; len] };
        let mut request = self.request(spec, row, insns);
        request.log = (level != 0).then(|| LogBuf { level, buf: &mut text, true_size: 0 });
        let late = row.late.symbols(&self.spec.externs);
        request.core_relos = &row.late.core_relos;
        request.late = Late {
            symbols: &late,
            attach: row.late.attach.as_ref().map(|(name, kind)| (name.as_str(), *kind)),
        };
        request.kern_version = how.kern_version;
        request.prog_name = how.name;
        request.expected_attach_type = how.attach_type;
        if how.has_btf {
            self.add_records(&mut request, how.cut.as_ref().unwrap_or(&row.info));
        }
        if let Some(Err(e)) = row.handler.as_ref().map(|handler| handler.change(spec, &mut request)) {
            log::warn!("program '{}': {e}", spec.code.name);
            return (Err(e.errno()), Log::default());
        }
        let (result, request) = self.kernel.prog_load(request);
        let log =
            request.log.map(|l| Log { text: l.text(), true_size: l.true_size as usize }).unwrap_or_default();
        (result, log)
    }

    /// Loads a program again; see [`Program::load_copy`](crate::Program::load_copy).
    pub(crate) fn load_copy<'a>(
        &'a self,
        id: ProgId,
        change: impl FnOnce(&mut ProgLoad<'a>),
    ) -> Result<ProgFd> {
        let found = self.program(id).filter(|(_, row)| !row.insns.is_empty());
        let Some((spec, row)) = found else {
            return Err(Error::invalid_input(
                "the program has no instructions for the kernel: autoload is off",
            ));
        };
        let mut request = self.request(spec, row, &row.insns);
        if self.btf_fd.is_some() && self.features.has(Feature::BtfFunc) {
            self.add_records(&mut request, &row.info);
        }
        change(&mut request);
        self.kernel.prog_load(request).0.at(|| Frame::Command(Cmd::PROG_LOAD))
    }

    /// A load without records and log.
    fn request<'a>(&'a self, spec: &'a ProgramSpec, row: &'a ProgRow, insns: &'a [Insn]) -> ProgLoad<'a> {
        let mut flags = row.prog_flags;
        if spec.flags.sleepable {
            flags |= ProgLoadFlags::SLEEPABLE.bits();
        }
        if spec.flags.xdp_frags && spec.prog_type == ProgType::XDP {
            flags |= ProgLoadFlags::XDP_HAS_FRAGS.bits();
        }
        let target = &row.attach_target;
        let target_prog = target.prog.as_ref().map(Target::Prog);
        ProgLoad {
            prog_type: spec.prog_type,
            insns,
            license: &self.spec.license,
            kern_version: self.spec.kern_version,
            prog_flags: flags,
            prog_name: &spec.code.name,
            prog_ifindex: row.ifindex,
            expected_attach_type: spec.expected_attach_type,
            attach_btf_id: target.btf_id.0,
            attach_target: target_prog.or(target.btf_obj.as_ref().map(Target::Btf)),
            fd_array: &self.fd_array,
            ..ProgLoad::default()
        }
    }

    fn add_records<'a>(&'a self, request: &mut ProgLoad<'a>, info: &'a ExtInfo) {
        request.prog_btf = self.btf_fd.as_ref();
        request.func_info = &info.func_info;
        request.func_info_rec_size = info.func_info_rec_size;
        request.line_info = &info.line_info;
        request.line_info_rec_size = info.line_info_rec_size;
    }

    /// Takes out what the kernel does not know, if there is such a thing; then the program is worth another try.
    fn adapt(&self, id: ProgId, insns: &mut [Insn], how: &mut How<'_>) -> bool {
        let Some((spec, row)) = self.program(id) else { return false };
        let mut changed = false;
        if !how.name.is_empty() && !self.features.has(Feature::ProgName) {
            (how.name, changed) = ("", true);
        }
        let is_optional = spec.flags.exp_attach_type_optional && how.attach_type != AttachType::default();
        if is_optional && !self.features.has(Feature::ExpAttachType) {
            (how.attach_type, changed) = (AttachType::default(), true);
        }
        let has_records = !row.info.func_info.is_empty() || !row.info.line_info.is_empty();
        if how.has_btf && has_records && !self.features.has(Feature::BtfFunc) {
            (how.has_btf, changed) = (false, true);
        }
        if insns.iter().any(|i| older_helper(*i).is_some()) && !self.features.has(Feature::ProbeReadKernel) {
            for insn in insns.iter_mut() {
                if let Some(older) = older_helper(*insn) {
                    (insn.imm, changed) = (older.0 as i32, true);
                }
            }
        }
        changed
    }

    fn rejected(&self, id: ProgId, errno: Errno, log: &str) -> Error {
        let log = explain(self, id, log);
        if !log.trim().is_empty() {
            let error = Error::kernel(errno).with_kind(ErrorKind::Verifier);
            let attach_type = self.program(id).map(|(spec, _)| spec.expected_attach_type).unwrap_or_default();
            // Of an attach type that it does not know a kernel says what would be wrong with another.
            let error = match attach_type.since().filter(|_| errno == Errno::EINVAL && attach_type.0 != 0) {
                Some(since) => error.with_hint(format!("programs for {attach_type} need Linux {since}")),
                None => error,
            };
            return error.at(Frame::Verifier(VerifierLog::new(log)));
        }
        let error = Error::kernel(errno);
        let Some((spec, _)) = self.program(id) else { return error };
        let program_type = spec.prog_type;
        match (errno, program_type.since()) {
            (Errno::EINVAL, Some(since)) => error.with_hint(format!(
                "the kernel says no more; {program_type} needs Linux {since} or newer, and its attach type {} may need more",
                spec.expected_attach_type
            )),
            _ => error,
        }
    }

    /// Ties the read-only data maps to a program that does not use them, so that they can be found through it (Linux 5.10).
    fn bind_maps(&self, id: ProgId, prog: &ProgFd) {
        let Some((_, row)) = self.program(id) else { return };
        for (i, (spec, map)) in self.spec.maps.iter().zip(&self.maps).enumerate() {
            let is_used = row.used_maps.contains(&oxbpf_object::MapId(i as u32));
            let Some(live) = map.live.as_ref().filter(|_| spec.origin == MapOrigin::RoData && !is_used)
            else {
                continue;
            };
            debug_assert_ne!(spec.map_type, MapType::UNSPEC);
            let request = ProgBindMap { prog, map: live.fd(), flags: 0 };
            if let Err(e) = self.kernel.bpf(&mut Command::ProgBindMap(request)) {
                log::debug!("map '{}': not bound to the program: {e}", spec.real_name);
            }
        }
    }
}

/// What may be changed between attempts.
struct How<'a> {
    name: &'a str,
    attach_type: AttachType,
    has_btf: bool,
    kern_version: u32,
    /// Records without what a kernel does not know.
    cut: Option<ExtInfo>,
}

impl How<'_> {
    /// Cuts records of a newer compiler to what every kernel knows: an older one takes longer records only if the rest is zero.
    /// Says whether there was something to cut.
    fn cut_records(&mut self, info: &ExtInfo) -> bool {
        /// Bytes of the first versions of both records.
        const KNOWN: (u32, u32) = (8, 16);
        let cut = |bytes: &[u8], size: u32, known: u32| -> (Vec<u8>, u32) {
            if size <= known {
                return (bytes.to_vec(), size);
            }
            let records = bytes.chunks_exact(size as usize);
            (records.flat_map(|r| r.iter().take(known as usize)).copied().collect(), known)
        };
        let (func_info, func_info_rec_size) = cut(&info.func_info, info.func_info_rec_size, KNOWN.0);
        let (line_info, line_info_rec_size) = cut(&info.line_info, info.line_info_rec_size, KNOWN.1);
        let new = ExtInfo { func_info, func_info_rec_size, line_info, line_info_rec_size };
        let is_new = new != *info;
        self.cut = is_new.then_some(new);
        is_new
    }
}

#[derive(Default)]
struct Log {
    text: String,
    /// What the kernel needs for all of it, 0 if it does not say.
    true_size: usize,
}

/// Whether the verifier may have something to say about a refusal.
fn is_worth_a_log(errno: Errno) -> bool {
    !matches!(errno, Errno::EPERM | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE | Errno::ENOSYS)
}

/// The helper that does the work of a newer one on old kernels, where kernel and user memory are read alike.
fn older_helper(insn: Insn) -> Option<HelperId> {
    if insn.code != BPF_JMP | BPF_CALL || insn.src() != 0 {
        return None;
    }
    match HelperId(insn.imm as u32) {
        HelperId::PROBE_READ_KERNEL | HelperId::PROBE_READ_USER => Some(HelperId::PROBE_READ),
        HelperId::PROBE_READ_KERNEL_STR | HelperId::PROBE_READ_USER_STR => Some(HelperId::PROBE_READ_STR),
        _ => None,
    }
}

fn section_hint(section: &str) -> String {
    match oxbpf_object::sec_def::suggest(section) {
        Some(near) => format!("did you mean SEC(\"{near}\")?"),
        None => {
            "give it a section name that the documentation of sections lists, or call set_type".to_owned()
        }
    }
}
