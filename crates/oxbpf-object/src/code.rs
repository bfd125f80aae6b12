//! Programs and functions: code sections and symbols in, [`Code`] out.
//!
//! Every FUNC symbol in an executable section is code. In `.text` it is a function that programs may call; elsewhere
//! it is a program if its symbol is global or weak. A static function that was put into a program's section is a
//! function too; libbpf refuses such objects, though the kernel has no objection.

use std::sync::Arc;

use oxbpf_elf::{Binding, ElfObject, Section, SymSection, Symbol, SymbolKind};
use oxbpf_uapi::{Errno, Insn, ProgType};

use crate::error::{FORMAT, ObjectError, Place};
use crate::layout::{Layout, Role};
use crate::sec_def::{self, AttachKind, SecFlags};
use crate::spec::{Code, FuncId, FunctionSpec, ProgId, ProgramSpec};

const INSN_LEN: u64 = 8;
/// How many times over the instructions of an object may be claimed by symbols that overlap (aliases).
const MAX_ALIASING: u64 = 8;

/// A program or a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodeId {
    /// A program.
    Prog(ProgId),
    /// A function.
    Func(FuncId),
}

/// Where a piece of code is in its section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) section: u32,
    /// In instructions.
    pub(crate) start: u32,
    /// In instructions.
    pub(crate) len: u32,
    pub(crate) id: CodeId,
}

/// All code of an object and an index of where it is.
#[derive(Debug, Default)]
pub(crate) struct Codes {
    pub(crate) programs: Vec<ProgramSpec>,
    pub(crate) functions: Vec<FunctionSpec>,
    /// Ascending by section and start.
    extents: Vec<Extent>,
}

impl Codes {
    /// Collects programs and functions, each in the order of their sections and offsets.
    pub(crate) fn collect(
        elf: &ElfObject<'_>,
        layout: &Layout,
        file: &Arc<str>,
    ) -> Result<Self, ObjectError> {
        let mut found: Vec<(&Section<'_>, &Symbol<'_>)> = Vec::new();
        let mut claimed = 0u64;
        for sym in elf.symbols() {
            let SymSection::Index(index) = sym.section else { continue };
            if sym.kind != SymbolKind::Func || !layout.is_code(index) {
                continue;
            }
            let Some(section) = elf.section(index) else { continue };
            check_bounds(section, sym, file)?;
            claimed = claimed.saturating_add(sym.size);
            found.push((section, sym));
        }
        // Of what is in the file: the size of a section without bytes there may be anything.
        let all: u64 = elf.sections().iter().filter(|s| s.is_exec()).map(|s| s.data.len() as u64).sum();
        if claimed > all.saturating_mul(MAX_ALIASING) {
            let why = format!("functions of {claimed} bytes overlap in {all} bytes of code");
            return Err(ObjectError::new(file, Place::Object, FORMAT, why));
        }
        // Symbols with the same place keep their order, as in libbpf.
        found.sort_by_key(|(section, sym)| (section.index, sym.value));
        let mut codes = Self::default();
        for (section, sym) in found {
            codes.add(elf, layout, section, sym);
        }
        Ok(codes)
    }

    fn add(&mut self, elf: &ElfObject<'_>, layout: &Layout, section: &Section<'_>, sym: &Symbol<'_>) {
        let bytes = usize::try_from(sym.value)
            .ok()
            .zip(usize::try_from(sym.value + sym.size).ok())
            .and_then(|(from, to)| section.data.get(from..to))
            .unwrap_or_default();
        let little = elf.is_little_endian();
        let insns: Vec<Insn> = bytes
            .chunks_exact(8)
            .filter_map(|c| c.first_chunk())
            .map(|b| Insn::from_bytes(*b, little))
            .collect();
        let (start, len) = ((sym.value / INSN_LEN) as u32, insns.len() as u32);
        let code = Code {
            name: sym.name.to_owned(),
            section: section.name.to_owned(),
            sec_insn_off: start,
            insns,
            relocs: Vec::new(),
            core_relocs: Vec::new(),
            btf_id: None,
        };
        let is_global = sym.binding != Binding::Local;
        let id = if layout.role(section.index) == Role::Programs && is_global {
            self.programs.push(program(code));
            CodeId::Prog(ProgId(self.programs.len() as u32 - 1))
        } else {
            let is_weak = sym.binding == Binding::Weak;
            self.functions.push(FunctionSpec { code, is_global, is_hidden: sym.is_hidden(), is_weak });
            CodeId::Func(FuncId(self.functions.len() as u32 - 1))
        };
        self.extents.push(Extent { section: section.index, start, len, id });
    }

    /// The code that contains an instruction of a section.
    pub(crate) fn at(&self, section: u32, insn: u64) -> Option<&Extent> {
        let after = self.extents.partition_point(|e| (e.section, u64::from(e.start)) <= (section, insn));
        let extent = self.extents.get(after.checked_sub(1)?)?;
        let end = u64::from(extent.start) + u64::from(extent.len);
        (extent.section == section && insn < end).then_some(extent)
    }

    /// All code, ascending by section and place.
    pub(crate) fn extents(&self) -> &[Extent] {
        &self.extents
    }

    pub(crate) fn code(&self, id: CodeId) -> Option<&Code> {
        match id {
            CodeId::Prog(id) => self.programs.get(id.0 as usize).map(|p| &p.code),
            CodeId::Func(id) => self.functions.get(id.0 as usize).map(|f| &f.code),
        }
    }

    pub(crate) fn code_mut(&mut self, id: CodeId) -> Option<&mut Code> {
        match id {
            CodeId::Prog(id) => self.programs.get_mut(id.0 as usize).map(|p| &mut p.code),
            CodeId::Func(id) => self.functions.get_mut(id.0 as usize).map(|f| &mut f.code),
        }
    }
}

fn check_bounds(section: &Section<'_>, sym: &Symbol<'_>, file: &Arc<str>) -> Result<(), ObjectError> {
    let place = || Place::Code { section: section.name.to_owned(), name: sym.name.to_owned() };
    let fail = |errno, why: String| Err(ObjectError::new(file, place(), errno, why));
    let (start, len) = (sym.value, sym.size);
    if start.checked_add(len).is_none_or(|end| end > section.data.len() as u64) {
        let have = section.data.len();
        return fail(
            FORMAT,
            format!("its {len} bytes at offset {start:#x} cross the section's end at {have:#x}"),
        );
    }
    if len == 0 || len % INSN_LEN != 0 || start % INSN_LEN != 0 {
        let why = format!("offset {start:#x} and size {len} are not whole instructions of 8 bytes");
        return fail(Errno::EINVAL, why);
    }
    Ok(())
}

fn program(code: Code) -> ProgramSpec {
    let (sec_name, autoload) = match code.section.strip_prefix('?') {
        Some(name) => (name.to_owned(), false),
        None => (code.section.clone(), true),
    };
    let sec_def = sec_def::find(&sec_name);
    if sec_def.is_none() {
        log::debug!("program '{}': section name '{sec_name}' is not known", code.name);
    }
    ProgramSpec {
        prog_type: sec_def.map_or(ProgType::UNSPEC, |d| d.prog_type),
        expected_attach_type: sec_def.map_or(oxbpf_uapi::AttachType(0), |d| d.attach_type),
        flags: sec_def.map_or(SecFlags::default(), |d| d.flags),
        attach: sec_def.map_or(AttachKind::Explicit, |d| d.attach),
        extra: sec_def.and_then(|d| d.extra(&sec_name)).map(str::to_owned),
        code,
        sec_name,
        sec_def,
        autoload,
        exception_callback: None,
    }
}
