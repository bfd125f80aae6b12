//! What programs of BTF-based types attach to: a name in, the BTF id of a function, tracepoint or hook out.

use oxbpf_btf::{Btf, TypeId};
use oxbpf_kernel::{BtfFd, GetInfo, InfoBuffers, Kernel, ObjectKind, ProgFd};
use oxbpf_object::{AttachKind, ProgId, ProgramSpec};
use oxbpf_uapi::info::ProgInfo;
use oxbpf_uapi::{AttachType, BtfKind, Cmd, Errno, ProgType};
use zerocopy::IntoBytes;

use super::state::{AttachTarget, Core};
use super::types::KernelTypes;
use crate::error::{At, Error, Frame, Result, nearest};
use crate::feature::Feature;

/// How the kernel's BTF spells what programs of an attach type attach to: prefix of the name, and kind.
fn spelling(attach_type: AttachType) -> (&'static str, BtfKind, &'static str) {
    match attach_type {
        AttachType::TRACE_RAW_TP => ("btf_trace_", BtfKind::TYPEDEF, "tracepoint"),
        AttachType::LSM_MAC | AttachType::LSM_CGROUP => ("bpf_lsm_", BtfKind::FUNC, "LSM hook"),
        AttachType::TRACE_ITER => ("bpf_iter_", BtfKind::FUNC, "iterator"),
        _ => ("", BtfKind::FUNC, "function"),
    }
}

impl Core {
    pub(super) fn find_attach_targets(&mut self, types: &KernelTypes) -> Result<()> {
        for i in 0..self.programs.len() {
            let (Some(spec), Some(row)) = (self.spec.programs.get(i), self.programs.get(i)) else { continue };
            if row.autoload && spec.flags.usdt && self.features.has(Feature::UprobeMultiLink) {
                // Then all places of a probe are attached to by one link, which the program has to be loaded for.
                if let Some(spec) = self.spec.programs.get_mut(i) {
                    spec.expected_attach_type = AttachType::TRACE_UPROBE_MULTI;
                }
                continue;
            }
            if row.autoload && spec.attach == AttachKind::TracingMulti {
                if self.kernel.is_deferred() && spec.extra.as_deref().is_some_and(|p| p.contains(':')) {
                    return Err(Error::invalid_input("a loader program cannot name the module of a pattern")
                        .with_errno(Errno::EOPNOTSUPP)
                        .at(self.program_frame(ProgId(i as u32))));
                }
                let module = find_module_of_pattern(types, spec.extra.as_deref());
                let module = module.at(|| self.program_frame(ProgId(i as u32)))?;
                if let Some(row) = self.programs.get_mut(i) {
                    row.attach_target.btf_obj = module;
                }
                continue;
            }
            let is_chosen = row.attach_target.func.is_some() || row.attach_target.prog.is_some();
            if !row.autoload || !(spec.flags.attach_btf || is_chosen) {
                continue;
            }
            if self.kernel.is_deferred() && row.attach_target.prog.is_none() {
                let name = late_name(spec, &row.attach_target).at(|| self.program_frame(ProgId(i as u32)))?;
                if let Some(row) = self.programs.get_mut(i) {
                    row.late.attach = Some(name);
                }
                continue;
            }
            let found = find(&self.kernel, types, spec, &row.attach_target);
            let found = found.at(|| self.program_frame(ProgId(i as u32)))?;
            log::debug!("program '{}': attaches to {:?}", spec.code.name, found.0);
            if let Some(row) = self.programs.get_mut(i) {
                (row.attach_target.btf_id, row.attach_target.btf_obj) = found;
            }
        }
        Ok(())
    }
}

/// BTF of the module that a pattern such as `veth:veth_*` is for.
fn find_module_of_pattern(types: &KernelTypes, pattern: Option<&str>) -> Result<Option<BtfFd>> {
    let Some((name, _)) = pattern.and_then(|p| p.split_once(':')) else { return Ok(None) };
    let found = types.modules()?.iter().find(|m| m.name == name);
    match found {
        Some(module) => Ok(Some(module.fd.clone())),
        None => Err(Error::not_found(format!("no module `{name}` has types")).with_errno(Errno::EINVAL)),
    }
}

/// What a program attaches to, as its section or the caller says.
fn target_name<'s>(spec: &'s ProgramSpec, chosen: &'s AttachTarget) -> Result<&'s str> {
    let name = chosen.func.as_deref().or(spec.extra.as_deref());
    name.filter(|n| !n.is_empty()).ok_or_else(|| {
        // No function has an empty name, which is not the same as no name. Extensions lack their program too.
        let errno =
            if name.is_some() && spec.prog_type != ProgType::EXT { Errno::ESRCH } else { Errno::EINVAL };
        let section = spec.sec_name.trim_end_matches('/');
        Error::invalid_input("nothing says what it attaches to")
            .with_errno(errno)
            .with_hint(format!("write SEC(\"{section}/NAME\"), or call set_attach_target before loading"))
    })
}

/// Name and kind of what a program attaches to, for a kernel that is not there yet. The kernel looks into the modules by itself, so a
/// module's name is left out.
fn late_name(spec: &ProgramSpec, chosen: &AttachTarget) -> Result<(String, BtfKind)> {
    let name = target_name(spec, chosen)?;
    if spec.prog_type == ProgType::EXT {
        return Err(Error::invalid_input("a loader program cannot have extension programs")
            .with_errno(Errno::EOPNOTSUPP)
            .with_hint("they need the program that they extend: load the object directly"));
    }
    let name = name.split_once(':').map_or(name, |(_, name)| name);
    let (prefix, kind, _) = spelling(spec.expected_attach_type);
    Ok((format!("{prefix}{name}"), kind))
}

fn find(
    kernel: &Kernel,
    types: &KernelTypes,
    spec: &ProgramSpec,
    chosen: &AttachTarget,
) -> Result<(TypeId, Option<BtfFd>)> {
    let name = target_name(spec, chosen)?;
    if let Some(prog) = &chosen.prog {
        return Ok((find_in_program(kernel, prog, name)?, None));
    }
    if spec.prog_type == ProgType::EXT {
        return Err(Error::invalid_input("nothing says which program has the function that it replaces")
            .with_hint("call set_attach_target with the program before loading"));
    }
    find_in_kernel(types, spec.expected_attach_type, name)
}

fn find_in_kernel(
    types: &KernelTypes,
    attach_type: AttachType,
    name: &str,
) -> Result<(TypeId, Option<BtfFd>)> {
    let (module, name) = name.split_once(':').map_or((None, name), |(module, name)| (Some(module), name));
    let (prefix, kind, what) = spelling(attach_type);
    let spelled = format!("{prefix}{name}");
    let found = match module {
        None => types.find(&spelled, kind)?,
        Some("vmlinux") => {
            types.vmlinux()?.find(&spelled, kind).map(|id| super::types::Found { id, module: None })
        }
        Some(module) => types.find_in_modules(&spelled, kind, Some(module))?,
    };
    match found {
        Some(found) => Ok((found.id, types.module_of(&found).map(|m| m.fd.clone()))),
        None => Err(missing(types.vmlinux()?, module, name, prefix, kind, what)),
    }
}

fn missing(btf: &Btf, module: Option<&str>, name: &str, prefix: &str, kind: BtfKind, what: &str) -> Error {
    let place = module.map_or("the kernel".to_owned(), |m| format!("module `{m}`"));
    let message = format!("{place} has no {what} `{name}` that programs can attach to");
    let error = Error::not_found(message).with_errno(Errno::ESRCH);
    let known = btf.types().filter(|t| t.kind() == kind).filter_map(|t| t.name().strip_prefix(prefix));
    match nearest(name, known) {
        Some(near) => error.with_hint(format!("did you mean `{near}`?")),
        None => error,
    }
}

/// The BTF id of a function of a program that is loaded.
fn find_in_program(kernel: &Kernel, prog: &ProgFd, name: &str) -> Result<TypeId> {
    let mut info = ProgInfo::default();
    let request = GetInfo { object: prog, info: info.as_mut_bytes(), buffers: InfoBuffers::None };
    kernel.get_info(request).at(|| Frame::Command(Cmd::OBJ_GET_INFO_BY_FD))?;
    if info.btf_id == 0 {
        return Err(Error::invalid_input(
            "the target program has no BTF, so nothing can attach to its functions",
        ));
    }
    let handle =
        kernel.get_fd_by_id(ObjectKind::Btf, info.btf_id).at(|| Frame::Command(Cmd::BTF_GET_FD_BY_ID))?;
    let btf = Btf::parse(crate::btf::read(kernel, &handle)?)
        .map_err(|e| Error::kernel(e.errno()).with_source(e))?;
    btf.find(name, BtfKind::FUNC).ok_or_else(|| {
        Error::not_found(format!("the target program has no function `{name}`")).with_errno(Errno::ESRCH)
    })
}
