//! A spec as text, one line per thing, for people and golden tests.
//!
//! The text shows everything that [`open`](crate::open) found, with ids resolved to names where that says more.
//! Instructions are shown as their bytes' fields; `oxbpf-asm` can say them better.

use std::fmt::{self, Write as _};

use oxbpf_btf::TypeId;

use crate::code::CodeId;
use crate::spec::{
    Code, ExternKind, FuncId, InitialSlot, MapId, MapSpec, ObjectSpec, Pinning, ProgId, RelocTarget,
};

/// Bytes of contents that are shown of a data map, without zeros at their end.
const SHOWN_BYTES: usize = 64;

/// Shows a spec as text.
#[derive(Clone, Copy, Debug)]
pub struct Dump<'s>(pub &'s ObjectSpec);

impl fmt::Display for Dump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spec = self.0;
        writeln!(f, "object {} license \"{}\" version {:#x}", spec.name, spec.license, spec.kern_version)?;
        for (i, map) in spec.maps.iter().enumerate() {
            write!(f, "map {i} ")?;
            self.map(f, map, "  ")?;
        }
        for (map, tag) in &spec.map_tags {
            writeln!(f, "tag {}: {tag}", self.map_name(*map))?;
        }
        for (i, e) in spec.externs.iter().enumerate() {
            writeln!(
                f,
                "extern {i} {}{} {}",
                e.name,
                if e.is_weak { " weak" } else { "" },
                extern_kind(&e.kind)
            )?;
        }
        for ops in &spec.struct_ops {
            let link = if ops.is_link { " link" } else { "" };
            writeln!(f, "struct_ops {} struct {}{link}", ops.name, ops.type_name)?;
            for (offset, prog) in &ops.progs {
                writeln!(f, "  +{offset} = {}", self.prog_name(*prog))?;
            }
        }
        for (i, p) in spec.programs.iter().enumerate() {
            write!(f, "program {i} {} SEC(\"{}\")", p.code.name, p.sec_name)?;
            match p.sec_def {
                Some(def) => write!(f, " = {} {}", def.pattern, p.prog_type)?,
                None => f.write_str(" unknown")?,
            }
            if let Some(extra) = &p.extra {
                write!(f, " extra \"{extra}\"")?;
            }
            if !p.autoload {
                f.write_str(" no-autoload")?;
            }
            if let Some(callback) = p.exception_callback {
                write!(f, " exception-callback {}", self.func_name(callback))?;
            }
            self.code(f, &p.code)?;
        }
        for (i, func) in spec.functions.iter().enumerate() {
            let binding = match (func.is_global, func.is_weak) {
                (false, _) => "static",
                (true, false) => "global",
                (true, true) => "weak",
            };
            let hidden = if func.is_hidden { " hidden" } else { "" };
            write!(f, "function {i} {} {binding}{hidden} in {}", func.code.name, func.code.section)?;
            self.code(f, &func.code)?;
        }
        Ok(())
    }
}

impl Dump<'_> {
    fn map(&self, f: &mut fmt::Formatter<'_>, m: &MapSpec, indent: &str) -> fmt::Result {
        writeln!(
            f,
            "{} type {} key {} value {} entries {} flags {:#x}",
            m.name, m.map_type, m.key_size, m.value_size, m.max_entries, m.map_flags
        )?;
        write!(f, "{indent}from {}", m.section)?;
        if m.real_name != m.name {
            write!(f, " real-name {}", m.real_name)?;
        }
        write!(
            f,
            " offset {:#x} key-type {} value-type {}",
            m.sec_offset,
            self.ty(m.btf_key_type_id),
            self.ty(m.btf_value_type_id)
        )?;
        if m.map_extra != 0 {
            write!(f, " extra {:#x}", m.map_extra)?;
        }
        if m.numa_node != 0 {
            write!(f, " numa-node {}", m.numa_node)?;
        }
        if m.pinning == Pinning::ByName {
            f.write_str(" pinned")?;
        }
        if !m.autocreate {
            f.write_str(" no-autocreate")?;
        }
        writeln!(f)?;
        if let Some(inner) = &m.inner {
            write!(f, "{indent}inner ")?;
            self.map(f, inner, &format!("{indent}  "))?;
        }
        for (index, slot) in &m.initial_slots {
            let name = match slot {
                InitialSlot::Map(id) => self.map_name(*id),
                InitialSlot::Prog(id) => self.prog_name(*id),
            };
            writeln!(f, "{indent}[{index}] = {name}")?;
        }
        if !m.data.is_empty() {
            let shown = m.data.get(..SHOWN_BYTES).unwrap_or(&m.data);
            let used = shown.iter().rposition(|b| *b != 0).map_or(0, |i| i + 1);
            let mut hex = String::new();
            for b in shown.iter().take(used) {
                write!(hex, "{b:02x}")?;
            }
            let rest = if shown.len() < m.data.len() { " …" } else { "" };
            writeln!(f, "{indent}{} bytes: {hex}{rest}", m.data.len())?;
        }
        Ok(())
    }

    fn code(&self, f: &mut fmt::Formatter<'_>, code: &Code) -> fmt::Result {
        let (at, len) = (code.sec_insn_off, code.insns.len());
        let ty = code.btf_id.map_or_else(|| "none".to_owned(), |id| self.ty(id));
        writeln!(
            f,
            "\n  at {at}, {len} instructions, type {ty}, {} CO-RE relocations",
            code.core_relocs.len()
        )?;
        for r in &code.relocs {
            writeln!(f, "  {:4}: {}", r.insn, self.target(&r.target))?;
        }
        Ok(())
    }

    /// What a relocation refers to, by name.
    pub fn target(&self, target: &RelocTarget) -> String {
        let ext = |id: &crate::spec::ExternId| {
            self.0.externs.get(id.0 as usize).map_or_else(|| "?".to_owned(), |e| e.name.clone())
        };
        match target {
            RelocTarget::Map(id) => format!("map {}", self.map_name(*id)),
            RelocTarget::MapValue { map, offset } => format!("map {} value+{offset}", self.map_name(*map)),
            RelocTarget::Call(id) => format!("call {}", self.func_name(*id)),
            RelocTarget::FuncAddr(id) => format!("address of {}", self.func_name(*id)),
            RelocTarget::ProgCall(id) => format!("program {}", self.prog_name(*id)),
            RelocTarget::ExternAddr(id) => format!("extern {}", ext(id)),
            RelocTarget::ExternCall(id) => format!("call extern {}", ext(id)),
            RelocTarget::JumpTable { offset, size } => format!("jump table +{offset}, {size} bytes"),
        }
    }

    /// Name of a program or function.
    pub fn code_name(&self, id: CodeId) -> String {
        match id {
            CodeId::Prog(id) => self.prog_name(id),
            CodeId::Func(id) => self.func_name(id),
        }
    }

    fn ty(&self, id: TypeId) -> String {
        let t = self.0.btf.as_ref().and_then(|btf| btf.get(id).ok());
        match t {
            Some(t) if !id.is_void() => format!("{t:?}"),
            _ => "void".to_owned(),
        }
    }

    fn map_name(&self, id: MapId) -> String {
        self.0.maps.get(id.0 as usize).map_or_else(|| "?".to_owned(), |m| m.name.clone())
    }

    fn prog_name(&self, id: ProgId) -> String {
        self.0.programs.get(id.0 as usize).map_or_else(|| "?".to_owned(), |p| p.code.name.clone())
    }

    fn func_name(&self, id: FuncId) -> String {
        self.0.functions.get(id.0 as usize).map_or_else(|| "?".to_owned(), |f| f.code.name.clone())
    }
}

fn extern_kind(kind: &ExternKind) -> String {
    match kind {
        ExternKind::Kconfig { form, offset, size, is_signed } => {
            let signed = if *is_signed { " signed" } else { "" };
            format!("kconfig {form:?} at {offset}, {size} bytes{signed}")
        }
        ExternKind::KsymAddr => "ksym address".to_owned(),
        ExternKind::KsymVar { type_id } => format!("ksym variable of type {type_id}"),
        ExternKind::Kfunc { proto } => format!("kfunc of prototype {proto}"),
    }
}
