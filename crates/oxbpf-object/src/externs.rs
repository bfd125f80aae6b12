//! Externs: undefined symbols and the `.kconfig` and `.ksyms` sections of BTF in, [`ExternSpec`]s out.
//!
//! Values of `.kconfig` get their places in the map of that name here: sorted by descending alignment, then by size
//! and name, and packed, as libbpf does. What they are (among them the virtual `LINUX_KERNEL_VERSION`,
//! `LINUX_HAS_SYSCALL_WRAPPER` and `LINUX_HAS_BPF_COOKIE`) is for the loader to find out.
//!
//! The kernel refuses BTF with extern declarations, so both sections are rewritten to look like ordinary variables.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use oxbpf_btf::{Btf, BtfBuilder, BtfError, FuncLinkage, SecVar, Type, TypeId, TypeRef, VarLinkage};
use oxbpf_elf::{Binding, ElfObject};
use oxbpf_uapi::{BtfKind, Errno};

use crate::error::{ObjectError, Place};
use crate::layout::{KCONFIG, KSYMS};
use crate::spec::{ExternId, ExternKind, ExternSpec, KconfigForm};

/// Name of the variable that stands in for functions in `.ksyms`, whose DATASEC may hold variables only.
const DUMMY: &str = "dummy_ksym";
/// The most bytes of configuration values; they take nothing in the file, so that it could claim any number.
const MAX_KCONFIG: u32 = 16 << 20;
/// `ENOTSUP` as libbpf returns it.
const ENOTSUP: Errno = Errno(95);

/// The externs of an object.
#[derive(Debug, Default)]
pub(crate) struct Externs {
    /// Configuration values in the order of their places, then kernel symbols by name.
    pub(crate) specs: Vec<ExternSpec>,
    /// Extern by symbol index.
    pub(crate) by_symbol: HashMap<u32, ExternId>,
    /// Bytes of the `.kconfig` map, 0 if there is none.
    pub(crate) kconfig_size: u32,
    kconfig_sec: Option<TypeId>,
    ksyms_sec: Option<TypeId>,
}

struct Found {
    spec: ExternSpec,
    symbol: u32,
    align: u32,
}

impl Externs {
    /// Collects the externs of an object.
    pub(crate) fn collect(
        elf: &ElfObject<'_>,
        btf: Option<&Btf>,
        file: &Arc<str>,
    ) -> Result<Self, ObjectError> {
        let mut externs = Self::default();
        let mut found = Vec::new();
        let mut sections = None;
        for sym in elf.symbols().iter().filter(|s| s.is_extern() && !s.name.is_empty()) {
            let fail =
                |errno, why: &str| ObjectError::new(file, Place::Extern(sym.name.to_owned()), errno, why);
            let btf = btf.ok_or_else(|| fail(Errno::ESRCH, "the object has no BTF; compile with -g"))?;
            let sections = sections.get_or_insert_with(|| sections_of(btf));
            let var = declaration(btf, sym.name, &fail)?;
            let Some(&sec) = sections.get(&var.id()) else {
                return Err(fail(Errno::ENOENT, "it is in no section; declare it with __kconfig or __ksym"));
            };
            let sec_name = btf.get(sec).map(|s| s.name()).unwrap_or_default();
            let of_btf = |e| ObjectError::btf(file, Place::Extern(sym.name.to_owned()), e);
            let (kind, align) = match sec_name {
                KCONFIG => {
                    externs.kconfig_sec = Some(sec);
                    if var.kind() == BtfKind::FUNC {
                        return Err(fail(ENOTSUP, "a function cannot be __kconfig"));
                    }
                    kconfig(btf, var).map_err(of_btf)?.ok_or_else(|| fail(ENOTSUP, KCONFIG_TYPES))?
                }
                KSYMS => {
                    externs.ksyms_sec = Some(sec);
                    (ksym(btf, var).map_err(of_btf)?, 0)
                }
                other => {
                    let why =
                        format!("section '{other}' has no meaning for externs; use __kconfig or __ksym");
                    return Err(fail(ENOTSUP, &why));
                }
            };
            let spec = ExternSpec {
                name: sym.name.to_owned(),
                kind,
                is_weak: sym.binding == Binding::Weak,
                btf_id: var.id(),
            };
            found.push(Found { spec, symbol: sym.index, align });
        }
        externs.place(found, file)?;
        Ok(externs)
    }

    /// Sorts, and gives configuration values their offsets.
    fn place(&mut self, mut found: Vec<Found>, file: &Arc<str>) -> Result<(), ObjectError> {
        let order = |f: &Found| match f.spec.kind {
            ExternKind::Kconfig { size, .. } => (0, Reverse(f.align), size),
            _ => (1, Reverse(0), 0),
        };
        found.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| a.spec.name.cmp(&b.spec.name)));
        for mut f in found {
            if let ExternKind::Kconfig { offset, size, .. } = &mut f.spec.kind {
                let at = self.kconfig_size.checked_next_multiple_of(f.align.max(1));
                let end = at.and_then(|at| at.checked_add(*size));
                let (Some(at), Some(end)) = (at, end.filter(|end| *end <= MAX_KCONFIG)) else {
                    let place = Place::Section(KCONFIG.to_owned());
                    let why = format!("its values take over {MAX_KCONFIG} bytes");
                    return Err(ObjectError::new(file, place, Errno::E2BIG, why));
                };
                (*offset, self.kconfig_size) = (at, end);
            }
            self.by_symbol.insert(f.symbol, ExternId(self.specs.len() as u32));
            self.specs.push(f.spec);
        }
        Ok(())
    }

    /// Turns the extern declarations in BTF into definitions.
    pub(crate) fn define(
        &self,
        btf: &Btf,
        edit: &mut BtfBuilder,
        file: &Arc<str>,
    ) -> Result<(), ObjectError> {
        let by_name: HashMap<&str, &ExternSpec> = self.specs.iter().map(|e| (e.name.as_str(), e)).collect();
        let fixes: [(Option<TypeId>, &str, DefineFn); 2] =
            [(self.ksyms_sec, KSYMS, define_ksyms), (self.kconfig_sec, KCONFIG, define_kconfig)];
        for (sec, name, define) in fixes {
            let Some(sec) = sec else { continue };
            define(btf, edit, sec, &by_name).map_err(|e| match e {
                DefineError::Btf(e) => ObjectError::btf(file, Place::Section(name.to_owned()), e),
                DefineError::NoSymbol(var) => {
                    let why = format!("BTF declares '{var}', which no symbol asks for");
                    ObjectError::new(file, Place::Section(name.to_owned()), Errno::ESRCH, why)
                }
            })?;
        }
        Ok(())
    }
}

const KCONFIG_TYPES: &str = "its type is not one that configuration values can have: bool, char, char[], \
                             an integer of 1 to 8 bytes, enum libbpf_tristate";

type DefineFn = fn(&Btf, &mut BtfBuilder, TypeId, &HashMap<&str, &ExternSpec>) -> Result<(), DefineError>;

enum DefineError {
    Btf(BtfError),
    NoSymbol(String),
}

impl From<BtfError> for DefineError {
    fn from(e: BtfError) -> Self {
        Self::Btf(e)
    }
}

/// The DATASEC of each variable.
fn sections_of(btf: &Btf) -> HashMap<TypeId, TypeId> {
    let mut of = HashMap::new();
    for t in btf.types() {
        if let Type::DataSec(sec) = t.view() {
            for var in sec.vars() {
                of.entry(var.type_id).or_insert(t.id());
            }
        }
    }
    of
}

/// The BTF declaration of an undefined symbol.
fn declaration<'b>(
    btf: &'b Btf,
    name: &str,
    fail: &impl Fn(Errno, &str) -> ObjectError,
) -> Result<TypeRef<'b>, ObjectError> {
    let candidates = btf.find_all(name).filter_map(|id| btf.get(id).ok());
    for t in candidates {
        let is_extern = match t.view() {
            Type::Var { linkage, .. } => linkage == VarLinkage::GLOBAL_EXTERN,
            Type::Func { linkage, .. } => linkage == FuncLinkage::EXTERN,
            _ => continue,
        };
        if !is_extern {
            return Err(fail(Errno::EINVAL, "BTF does not call it extern"));
        }
        return Ok(t);
    }
    Err(fail(
        Errno::ENOENT,
        "there is no BTF for it; is it a helper that is missing a declaration, or a function of another file?",
    ))
}

/// A configuration value and its alignment; `None` for an unsupported type. Its offset comes later.
fn kconfig(btf: &Btf, var: TypeRef<'_>) -> Result<Option<(ExternKind, u32)>, BtfError> {
    let size = btf.size_of(var.type_id())?;
    let align = btf.align_of(var.type_id())?;
    let form = kconfig_form(btf, var.type_id())?;
    Ok(form
        .filter(|_| size > 0 && align > 0)
        .map(|(form, is_signed)| (ExternKind::Kconfig { form, offset: 0, size, is_signed }, align)))
}

fn kconfig_form(btf: &Btf, id: TypeId) -> Result<Option<(KconfigForm, bool)>, BtfError> {
    let t = btf.resolve_ref(id)?;
    Ok(match t.view() {
        Type::Int(enc, 1) if enc.bool => Some((KconfigForm::Bool, false)),
        Type::Int(enc, _) if enc.bool => None,
        Type::Int(enc, 1) => Some((KconfigForm::Char, enc.signed)),
        Type::Int(enc, 2 | 4 | 8) => Some((KconfigForm::Int, enc.signed)),
        Type::Enum(e) if e.size() == 4 && t.name() == "libbpf_tristate" => {
            Some((KconfigForm::Tristate, false))
        }
        Type::Enum64(_) if t.name() == "libbpf_tristate" => Some((KconfigForm::Tristate, false)),
        Type::Array { elem, nelems, .. } if nelems > 0 => match btf.resolve_ref(elem)?.view() {
            Type::Int(enc, 1) if !enc.bool => Some((KconfigForm::CharArray, false)),
            _ => None,
        },
        _ => None,
    })
}

fn ksym(btf: &Btf, var: TypeRef<'_>) -> Result<ExternKind, BtfError> {
    let type_id = btf.resolve(var.type_id())?;
    Ok(match var.kind() {
        BtfKind::FUNC => ExternKind::Kfunc { proto: type_id },
        _ if type_id.is_void() => ExternKind::KsymAddr,
        _ => ExternKind::KsymVar { type_id },
    })
}

/// The first 32-bit integer, void if there is none.
fn int32(btf: &Btf) -> TypeId {
    let is_int32 = |t: &TypeRef<'_>| matches!(t.view(), Type::Int(enc, _) if enc.bits == 32);
    btf.types().find(is_int32).map_or(TypeId::VOID, |t| t.id())
}

/// Makes each kernel symbol a 4-byte variable. Functions keep their FUNC as global ones, and a dummy variable takes
/// their place in the section.
fn define_ksyms(
    btf: &Btf,
    edit: &mut BtfBuilder,
    sec: TypeId,
    by_name: &HashMap<&str, &ExternSpec>,
) -> Result<(), DefineError> {
    let int = int32(btf);
    let Type::DataSec(view) = btf.get(sec)?.view() else { return Ok(()) };
    let mut dummy = None;
    let mut offset = 0u32;
    for (i, var) in view.vars().enumerate() {
        let t = btf.get(var.type_id)?;
        if !by_name.contains_key(t.name()) {
            return Err(DefineError::NoSymbol(t.name().to_owned()));
        }
        let type_id = match t.view() {
            Type::Func { proto, .. } => {
                edit.set_func_linkage(t.id(), FuncLinkage::GLOBAL)?;
                name_params(btf, edit, proto)?;
                match dummy {
                    Some(id) => id,
                    None => *dummy.insert(edit.add_var(DUMMY, VarLinkage::GLOBAL_ALLOCATED, int)?),
                }
            }
            _ => {
                edit.set_var(t.id(), int, VarLinkage::GLOBAL_ALLOCATED)?;
                t.id()
            }
        };
        edit.set_datasec_var(sec, i, SecVar { type_id, offset, size: 4 })?;
        offset = offset.saturating_add(4);
    }
    edit.set_datasec_size(sec, offset)?;
    Ok(())
}

/// Global functions must have names for all parameters, and declarations often have none.
fn name_params(btf: &Btf, edit: &mut BtfBuilder, proto: TypeId) -> Result<(), BtfError> {
    if let Type::FuncProto(view) = btf.get(proto)?.view() {
        for (i, param) in view.params().enumerate() {
            if param.name.is_empty() && !param.type_id.is_void() {
                edit.set_param_name(proto, i, DUMMY)?;
            }
        }
    }
    Ok(())
}

/// Gives the variables of `.kconfig` their offsets in the map.
fn define_kconfig(
    btf: &Btf,
    edit: &mut BtfBuilder,
    sec: TypeId,
    by_name: &HashMap<&str, &ExternSpec>,
) -> Result<(), DefineError> {
    let Type::DataSec(view) = btf.get(sec)?.view() else { return Ok(()) };
    let mut size = 0u32;
    for (i, var) in view.vars().enumerate() {
        let t = btf.get(var.type_id)?;
        let Some(ExternKind::Kconfig { offset, size: len, .. }) = by_name.get(t.name()).map(|e| &e.kind)
        else {
            return Err(DefineError::NoSymbol(t.name().to_owned()));
        };
        edit.set_var(t.id(), t.type_id(), VarLinkage::GLOBAL_ALLOCATED)?;
        edit.set_datasec_var(sec, i, SecVar { offset: *offset, ..var })?;
        size = size.max(offset.saturating_add(*len));
    }
    edit.set_datasec_size(sec, size)?;
    Ok(())
}
