//! Externs: what the object leaves to the kernel, found in the kernel.
//!
//! Configuration values are written into the `.kconfig` map's first contents. Symbols without a type become addresses out of
//! kallsyms; those with a type, and kernel functions, become BTF ids of the kernel or of a module.

use std::collections::HashMap;

use oxbpf_btf::{Btf, TypeId, essential_name};
use oxbpf_kernel::{Fact, Handle};
use oxbpf_object::{ExternKind, ExternSpec, KconfigForm, MapOrigin};
use oxbpf_uapi::{BtfKind, Errno};

use super::core_relo::is_compatible;
use super::state::Core;
use super::types::{Found, KernelTypes};
use crate::error::{At, Error, Frame, Result, nearest};
use crate::feature::Feature;
use crate::kallsyms::Kallsyms;
use crate::kconfig::{self, KconfigType};

/// What became of an extern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resolved {
    /// A weak one that the kernel does not have.
    Missing,
    /// To be found by name when a deferred load is carried out.
    Late,
    /// Its value is in the `.kconfig` map at this byte offset.
    Kconfig(u32),
    /// Its kernel address.
    Address(u64),
    /// A variable or function of the kernel.
    Btf {
        id: TypeId,
        /// Number of the module's BTF, 0 for the kernel itself.
        fd: i32,
        /// Its index in the array of descriptors, 0 for the kernel itself.
        fd_index: i16,
    },
}

impl Core {
    /// Resolves all externs, in the order of the spec.
    pub(super) fn resolve_externs(&mut self, types: &KernelTypes) -> Result<Vec<Resolved>> {
        let externs = self.spec.externs.clone();
        let mut resolved = vec![Resolved::Missing; externs.len()];
        self.resolve_kconfig(&externs, &mut resolved)?;
        if self.kernel.is_deferred() {
            let late = externs.iter().zip(&mut resolved);
            let late = late.filter(|(spec, _)| !matches!(spec.kind, ExternKind::Kconfig { .. }));
            late.for_each(|(_, out)| *out = Resolved::Late);
            return self.check_found(&externs, resolved, types);
        }
        resolve_addresses(self, &externs, &mut resolved)?;
        for (spec, out) in externs.iter().zip(&mut resolved) {
            let found = match spec.kind {
                ExternKind::KsymVar { type_id } => self.resolve_variable(types, spec, type_id),
                ExternKind::Kfunc { proto } => self.resolve_function(types, spec, proto),
                _ => continue,
            };
            *out = found.at(|| Frame::Extern(spec.name.clone()))?;
        }
        self.check_found(&externs, resolved, types)
    }

    fn check_found(
        &self,
        externs: &[ExternSpec],
        resolved: Vec<Resolved>,
        types: &KernelTypes,
    ) -> Result<Vec<Resolved>> {
        for (spec, resolved) in externs.iter().zip(&resolved) {
            match resolved {
                Resolved::Missing if spec.is_weak => {
                    log::debug!("extern '{}' (weak): not there, is zero", spec.name)
                }
                Resolved::Missing => return Err(missing(spec, types)),
                _ => log::debug!("extern '{}': {resolved:?}", spec.name),
            }
        }
        Ok(resolved)
    }

    fn resolve_kconfig(&mut self, externs: &[ExternSpec], resolved: &mut [Resolved]) -> Result<()> {
        let mut values: HashMap<&str, Vec<u8>> = HashMap::new();
        let mut wanted: HashMap<&str, KconfigType> = HashMap::new();
        for spec in externs {
            let ExternKind::Kconfig { form, size, is_signed, .. } = spec.kind else { continue };
            let ty = KconfigType { form, size, is_signed };
            if spec.name.starts_with("CONFIG_") {
                wanted.insert(&spec.name, ty);
            } else if let Some(number) = self.virtual_value(spec).at(|| Frame::Extern(spec.name.clone()))? {
                let errno = if kconfig::fits(ty, number) { Errno::EINVAL } else { Errno::ERANGE };
                let bytes = kconfig::encode_number(ty, number)
                    .map_err(|why| Error::invalid_object(why).with_errno(errno));
                values.insert(&spec.name, bytes.at(|| Frame::Extern(spec.name.clone()))?);
            }
        }
        if !wanted.is_empty() {
            if let Some(line) = kconfig::broken_line(&self.options.kconfig) {
                return Err(Error::invalid_input(format!("kernel configuration line `{line}` has no value")));
            }
            collect(&self.options.kconfig, &wanted, &mut values)?;
            if let Some(name) = wanted.keys().filter(|name| !values.contains_key(**name)).min() {
                let unread = |e| {
                    Error::kernel(e)
                        .with_message("the kernel configuration, which would set it, cannot be read")
                        .with_hint(
                            "where there is neither /proc/config.gz nor the running kernel's file in /boot, give the value: \
                             kconfig(\"CONFIG_X=y\")",
                        )
                        .at(Frame::Extern((*name).to_owned()))
                };
                let text = self.kernel.fact(Fact::KernelConfig).map_err(unread)?;
                collect(&String::from_utf8_lossy(&text), &wanted, &mut values)?;
            }
        }
        let is_foreign = self.spec.is_foreign_endian;
        let map = self.spec.maps.iter_mut().find(|m| m.origin == MapOrigin::Kconfig);
        let Some(map) = map else { return Ok(()) };
        for (spec, out) in externs.iter().zip(resolved) {
            let ExternKind::Kconfig { offset, form, .. } = spec.kind else { continue };
            let Some(bytes) = values.get_mut(spec.name.as_str()) else {
                // The map has a place for it, zeroed.
                if spec.is_weak {
                    *out = Resolved::Kconfig(offset);
                }
                continue;
            };
            if is_foreign && matches!(form, KconfigForm::Int | KconfigForm::Tristate) {
                bytes.reverse();
            }
            let start = offset as usize;
            let place = map.data.get_mut(start..start + bytes.len());
            let outside = || Error::invalid_object("it lies outside the .kconfig map");
            place.ok_or_else(outside).at(|| Frame::Extern(spec.name.clone()))?.copy_from_slice(bytes);
            *out = Resolved::Kconfig(offset);
        }
        Ok(())
    }

    /// The value of a `LINUX_` name, `None` for a weak one that is not known.
    fn virtual_value(&self, spec: &ExternSpec) -> Result<Option<u64>> {
        match spec.name.as_str() {
            "LINUX_KERNEL_VERSION" => Ok(Some(u64::from(self.kernel_version()?))),
            "LINUX_HAS_BPF_COOKIE" => Ok(Some(self.features.has(Feature::BpfCookie).into())),
            "LINUX_HAS_SYSCALL_WRAPPER" => Ok(Some(self.features.has(Feature::SyscallWrapper).into())),
            name if name.starts_with("LINUX_") && spec.is_weak => Ok(None),
            _ => Err(Error::invalid_object(
                "names that start with neither CONFIG_ nor a known LINUX_ have no value",
            )
            .with_hint("known: LINUX_KERNEL_VERSION, LINUX_HAS_BPF_COOKIE, LINUX_HAS_SYSCALL_WRAPPER")),
        }
    }

    /// `KERNEL_VERSION(major, minor, patch)` of the kernel.
    pub(super) fn kernel_version(&self) -> Result<u32> {
        let text = self.kernel.fact(Fact::KernelVersion).at(|| Frame::Target("kernel version".into()))?;
        let number = String::from_utf8_lossy(&text).trim().parse();
        number.map_err(|_| Error::kernel(Errno::EINVAL).at(Frame::Target("kernel version".into())))
    }

    fn resolve_variable(
        &mut self,
        types: &KernelTypes,
        spec: &ExternSpec,
        local: TypeId,
    ) -> Result<Resolved> {
        let Some(found) = types.find(&spec.name, BtfKind::VAR)? else { return Ok(Resolved::Missing) };
        let btf = types.btf_of(&found)?;
        let kernel_type = btf.get(found.id).and_then(|var| btf.resolve(var.type_id()));
        let kernel_type = kernel_type.map_err(|e| Error::kernel(e.errno()).with_source(e))?;
        self.check_type(spec, local, btf, kernel_type, "variable")?;
        self.keep(types, &found, false)
    }

    fn resolve_function(
        &mut self,
        types: &KernelTypes,
        spec: &ExternSpec,
        local: TypeId,
    ) -> Result<Resolved> {
        let name = essential_name(&spec.name);
        let Some(found) = types.find(name, BtfKind::FUNC)? else { return Ok(Resolved::Missing) };
        let btf = types.btf_of(&found)?;
        let proto = btf.get(found.id).map_err(|e| Error::kernel(e.errno()).with_source(e))?.type_id();
        match self.check_type(spec, local, btf, proto, "function") {
            Ok(()) => self.keep(types, &found, true),
            // A weak function of another shape is another function; the program tests for it.
            Err(_) if spec.is_weak => Ok(Resolved::Missing),
            Err(e) => Err(e),
        }
    }

    fn check_type(&self, spec: &ExternSpec, local: TypeId, btf: &Btf, id: TypeId, what: &str) -> Result<()> {
        let Some(own) = &self.spec.btf else { return Ok(()) };
        if is_compatible(own, local, btf, id)? {
            return Ok(());
        }
        let message = format!(
            "the kernel's {what} `{}` has a type ([{id}]) that is not compatible with the object's ([{local}])",
            spec.name
        );
        Err(Error::invalid_object(message))
    }

    /// Keeps the BTF of the module in which something was found, and says how instructions refer to it.
    fn keep(&mut self, types: &KernelTypes, found: &Found, is_call: bool) -> Result<Resolved> {
        let Some(fd) = types.module_of(found).map(|m| m.fd.clone()) else {
            return Ok(Resolved::Btf { id: found.id, fd: 0, fd_index: 0 });
        };
        let number = fd.number();
        let mut fd_index = 0;
        if is_call {
            if self.fd_array.is_empty() {
                // Index 0 means the kernel itself whatever is there.
                self.fd_array.push(Handle::from_object(0, ()));
            }
            let known = self.fd_array.iter().position(|h| h.is_same(&fd));
            let index = known.unwrap_or_else(|| {
                self.fd_array.push((*fd).clone());
                self.fd_array.len() - 1
            });
            fd_index = i16::try_from(index)
                .map_err(|_| Error::invalid_object("its functions are in too many modules"))?;
        }
        if !self.module_fds.iter().any(|h| h.is_same(&fd)) {
            self.module_fds.push(fd);
        }
        Ok(Resolved::Btf { id: found.id, fd: number, fd_index })
    }
}

/// Takes the values of wanted options out of a configuration text; the first text that has one wins.
fn collect<'s>(
    text: &str,
    wanted: &HashMap<&'s str, KconfigType>,
    values: &mut HashMap<&'s str, Vec<u8>>,
) -> Result<()> {
    for (name, value) in kconfig::entries(text) {
        let Some((name, ty)) = wanted.get_key_value(name) else { continue };
        if !values.contains_key(name) {
            let bytes = kconfig::encode(*ty, value).map_err(Error::invalid_object);
            values.insert(name, bytes.at(|| Frame::Extern((*name).to_owned()))?);
        }
    }
    Ok(())
}

/// Finds symbols without a type in kallsyms, in one walk.
fn resolve_addresses(core: &Core, externs: &[ExternSpec], resolved: &mut [Resolved]) -> Result<()> {
    if !externs.iter().any(|e| e.kind == ExternKind::KsymAddr) {
        return Ok(());
    }
    let symbols = Kallsyms::read(&core.kernel).at(|| Frame::Target("kernel symbols".into()))?;
    let mut wanted: HashMap<&str, &mut Resolved> = externs
        .iter()
        .zip(resolved)
        .filter(|(e, _)| e.kind == ExternKind::KsymAddr)
        .map(|(e, r)| (e.name.as_str(), r))
        .collect();
    for symbol in symbols.iter() {
        // Compilers add a suffix to static functions that they made unique.
        let name = symbol.name.split(".llvm.").next().unwrap_or(symbol.name);
        let Some(out) = wanted.get_mut(name) else { continue };
        match **out {
            Resolved::Address(address) if address != symbol.address => {
                let message = format!("there are two: at {address:#x} and {:#x}", symbol.address);
                return Err(Error::invalid_object(message).at(Frame::Extern(name.to_owned())));
            }
            _ => **out = Resolved::Address(symbol.address),
        }
    }
    if wanted.values().any(|r| **r == Resolved::Address(0)) {
        log::warn!("the kernel hides addresses of its symbols (kernel.kptr_restrict): externs are 0");
    }
    Ok(())
}

/// The name that an extern was probably meant to have, among the kernel's typed symbols.
fn near_miss(spec: &ExternSpec, types: &KernelTypes) -> Option<String> {
    let kind = match spec.kind {
        ExternKind::Kfunc { .. } => BtfKind::FUNC,
        ExternKind::KsymVar { .. } => BtfKind::VAR,
        _ => return None,
    };
    let btf = types.vmlinux().ok()?;
    let known = btf.types().filter(|t| t.kind() == kind).map(|t| t.name());
    nearest(essential_name(&spec.name), known).map(str::to_owned)
}

fn missing(spec: &ExternSpec, types: &KernelTypes) -> Error {
    let (what, hint) = match &spec.kind {
        ExternKind::Kconfig { .. } => (
            "the kernel configuration does not set it",
            "declare it __weak, or give its value: kconfig(\"CONFIG_X=y\")",
        ),
        ExternKind::KsymAddr => {
            ("the kernel has no symbol of that name", "declare it __weak if the program can do without")
        }
        ExternKind::KsymVar { .. } => {
            ("the kernel has no variable of that name", "declare it __weak if the program can do without")
        }
        ExternKind::Kfunc { .. } => (
            "the kernel has no function of that name for programs",
            "declare it __weak and test it with bpf_ksym_exists",
        ),
    };
    let hint = match near_miss(spec, types) {
        Some(near) => format!("did you mean `{near}`? Otherwise {hint}"),
        None => hint.to_owned(),
    };
    // Of symbols with types libbpf passes on no other number.
    let errno = match spec.kind {
        ExternKind::Kfunc { .. } | ExternKind::KsymVar { .. } => Errno::EINVAL,
        _ => Errno::ESRCH,
    };
    Error::not_found(what).with_errno(errno).with_hint(hint).at(Frame::Extern(spec.name.clone()))
}
