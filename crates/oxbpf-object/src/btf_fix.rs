//! BTF as the compiler left it in, BTF as the kernel takes it out.
//!
//! A compiler does not know what only a linker knows, so DATASEC sizes and most variable offsets are zero; the ELF
//! symbols have them. A hidden variable or function becomes static, which for a function means that the verifier
//! looks at it in the context of its callers. Variables are sorted by their offsets.

use std::collections::HashMap;
use std::sync::Arc;

use oxbpf_btf::{Btf, BtfBuilder, FuncLinkage, SecVar, Type, TypeRef, VarLinkage};
use oxbpf_elf::{Binding, ElfObject, Symbol, SymbolKind};
use oxbpf_uapi::Errno;

use crate::code::Codes;
use crate::error::{ObjectError, Place};
use crate::externs::Externs;
use crate::layout::{KCONFIG, KSYMS};

/// Completes the BTF of an object.
pub(crate) fn fix(
    elf: &ElfObject<'_>,
    btf: &Btf,
    externs: &Externs,
    codes: &Codes,
    file: &Arc<str>,
) -> Result<Btf, ObjectError> {
    let at_btf = |e| ObjectError::btf(file, Place::Section(".BTF".to_owned()), e);
    let mut edit = BtfBuilder::from_btf(btf).map_err(at_btf)?;
    externs.define(btf, &mut edit, file)?;
    let mut symbols: HashMap<&str, &Symbol<'_>> = HashMap::new();
    for sym in elf.symbols() {
        if sym.kind == SymbolKind::Object && matches!(sym.binding, Binding::Global | Binding::Weak) {
            symbols.entry(sym.name).or_insert(sym);
        }
    }
    for t in btf.types() {
        if let Type::DataSec(_) = t.view() {
            fix_datasec(elf, btf, &mut edit, t, &symbols, file)?;
        }
    }
    for func in codes.functions.iter().filter(|f| f.is_global && f.is_hidden) {
        if let Some(id) = func.code.btf_id {
            edit.set_func_linkage(id, FuncLinkage::STATIC).map_err(at_btf)?;
        }
    }
    Btf::parse(edit.to_bytes().map_err(at_btf)?).map_err(at_btf)
}

fn fix_datasec(
    elf: &ElfObject<'_>,
    btf: &Btf,
    edit: &mut BtfBuilder,
    sec: TypeRef<'_>,
    symbols: &HashMap<&str, &Symbol<'_>>,
    file: &Arc<str>,
) -> Result<(), ObjectError> {
    let Type::DataSec(view) = sec.view() else { return Ok(()) };
    let at_btf = |e| ObjectError::btf(file, Place::Section(sec.name().to_owned()), e);
    let fail = |errno, why: String| ObjectError::new(file, Place::Section(sec.name().to_owned()), errno, why);
    // Externs have their sizes and offsets already, and not every one of them has a symbol.
    if matches!(sec.name(), KCONFIG | KSYMS) {
        return edit.sort_datasec(sec.id()).map_err(at_btf);
    }
    // A static linker has filled in sizes and offsets already.
    let is_unlinked = sec.size() == 0;
    if is_unlinked {
        let size = elf.section_by_name(sec.name()).map_or(0, |s| s.size);
        let size =
            u32::try_from(size).map_err(|_| fail(Errno::E2BIG, format!("{size} bytes are too many")))?;
        if size == 0 {
            return Err(fail(Errno::ENOENT, "BTF describes it, but the file has no such section".to_owned()));
        }
        edit.set_datasec_size(sec.id(), size).map_err(at_btf)?;
    }
    for (i, var) in view.vars().enumerate() {
        let t = btf.get(var.type_id).map_err(at_btf)?;
        let Type::Var { type_id, linkage } = t.view() else {
            return Err(fail(Errno::EINVAL, format!("entry {i} of its BTF is no variable: {t:?}")));
        };
        if matches!(linkage, VarLinkage::STATIC | VarLinkage::GLOBAL_EXTERN) {
            continue;
        }
        let Some(sym) = symbols.get(t.name()) else {
            return Err(fail(Errno::ENOENT, format!("BTF has a variable '{}' that is no symbol", t.name())));
        };
        if is_unlinked {
            let offset = u32::try_from(sym.value)
                .map_err(|_| fail(Errno::E2BIG, format!("variable '{}' is above 4 GiB", sym.name)))?;
            edit.set_datasec_var(sec.id(), i, SecVar { offset, ..var }).map_err(at_btf)?;
        }
        if sym.is_hidden() {
            edit.set_var(t.id(), type_id, VarLinkage::STATIC).map_err(at_btf)?;
        }
    }
    edit.sort_datasec(sec.id()).map_err(at_btf)
}
