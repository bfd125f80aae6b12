//! Relocations: ELF relocation sections in, targets out.
//!
//! Code: LLVM and GCC relocate two sorts of instructions, 64-bit immediate loads (`R_BPF_64_64`) and calls
//! (`R_BPF_64_32`). A target in the same file may be named by its own symbol, or by its section's symbol and an offset
//! in the instruction: bytes in the immediate of a load, instructions less one in that of a call. A call within one
//! section may have no relocation at all. Whatever the form, each such instruction ends up with one [`RelocTarget`].
//!
//! Data: pointers in `.maps` name inner maps and programs, those in struct_ops variables name programs; only their
//! places count.

use std::sync::Arc;

use oxbpf_btf::{Btf, Type};
use oxbpf_elf::{ElfObject, Rel, Section, SymSection, Symbol};
use oxbpf_uapi::insn::{BPF_CALL, BPF_JMP, BPF_PSEUDO_CALL};
use oxbpf_uapi::{Errno, Insn, MapType, ProgType};

use crate::code::{CodeId, Codes, Extent};
use crate::error::{FORMAT, ObjectError, Place, RELOC};
use crate::externs::Externs;
use crate::layout::{Layout, MAPS, Role};
use crate::map_def::is_map_in_map;
use crate::maps::Maps;
use crate::spec::{ExternKind, InitialSlot, Reloc, RelocTarget};

/// The most slots that declared contents may have; the kernel's maps of maps and program arrays are far below.
const MAX_SLOTS: u64 = 1 << 24;

/// What relocations are resolved with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resolver<'a> {
    pub(crate) elf: &'a ElfObject<'a>,
    pub(crate) layout: &'a Layout,
    pub(crate) btf: Option<&'a Btf>,
    pub(crate) externs: &'a Externs,
    pub(crate) file: &'a Arc<str>,
}

/// What is wrong with a relocation; the caller knows where it is.
struct Bad {
    errno: Errno,
    why: String,
}

fn bad<T>(why: impl Into<String>) -> Result<T, Bad> {
    Err(Bad { errno: RELOC, why: why.into() })
}

/// Resolves all relocations of an object.
pub(crate) fn resolve(r: Resolver<'_>, codes: &mut Codes, maps: &mut Maps) -> Result<(), ObjectError> {
    for (index, role) in (0u32..).zip(&r.layout.roles) {
        let Role::Relocations(target) = *role else { continue };
        let (Some(section), Some(target)) = (r.elf.section(index), r.elf.section(target)) else { continue };
        let rels = r.elf.relocations(section).map_err(ObjectError::elf)?;
        for rel in &rels {
            match r.layout.role(target.index) {
                Role::Maps => r.map_slot(target, rel, codes, maps)?,
                Role::StructOps => r.struct_ops_slot(target, rel, codes, maps)?,
                _ => r.code(section, target, rel, codes, maps)?,
            }
        }
    }
    r.local_calls(codes)
}

impl<'a> Resolver<'a> {
    fn symbol(&self, section: &Section<'_>, rel: &Rel) -> Result<&'a Symbol<'a>, ObjectError> {
        let place = || Place::Reloc {
            section: section.name.to_owned(),
            offset: rel.offset,
            symbol: format!("#{}", rel.symbol),
        };
        self.elf
            .symbol(rel.symbol)
            .ok_or_else(|| ObjectError::new(self.file, place(), FORMAT, "there is no such symbol"))
    }

    /// One relocation of an instruction.
    fn code(
        &self,
        rel_section: &Section<'_>,
        section: &Section<'_>,
        rel: &Rel,
        codes: &mut Codes,
        maps: &Maps,
    ) -> Result<(), ObjectError> {
        let symbol = self.symbol(rel_section, rel)?;
        let label = self.elf.symbol_label(symbol);
        if rel.offset % 8 != 0 || rel.offset >= section.data.len() as u64 {
            let place = Place::Reloc {
                section: rel_section.name.to_owned(),
                offset: rel.offset,
                symbol: label.to_owned(),
            };
            let why = format!("there is no instruction in section '{}' at that offset", section.name);
            return Err(ObjectError::new(self.file, place, FORMAT, why));
        }
        let at = rel.offset / 8;
        let Some(&extent) = codes.at(section.index, at) else {
            log::debug!(
                "section '{}': relocation at offset {:#x} is in no function; that of an overridden weak one stays",
                section.name,
                rel.offset
            );
            return Ok(());
        };
        let insn_idx = (at - u64::from(extent.start)) as u32;
        let insn = insn_at(codes, extent.id, insn_idx);
        let target = match insn {
            Some(insn) => self.target(insn, symbol, rel, codes, maps),
            None => bad("there is no such instruction"),
        };
        let code = codes.code_mut(extent.id);
        match (target, code) {
            (Ok(target), Some(code)) => {
                code.relocs.push(Reloc { insn: insn_idx, target });
                Ok(())
            }
            (Ok(_), None) => Ok(()),
            (Err(e), code) => {
                let name = code.map_or_else(String::new, |c| c.name.clone());
                let (section, symbol) = (section.name.to_owned(), label.to_owned());
                let place = Place::Insn { section, name, insn: insn_idx, symbol };
                Err(ObjectError::new(self.file, place, e.errno, e.why))
            }
        }
    }

    /// What an instruction refers to.
    fn target(
        &self,
        insn: Insn,
        symbol: &Symbol<'_>,
        rel: &Rel,
        codes: &Codes,
        maps: &Maps,
    ) -> Result<RelocTarget, Bad> {
        let is_call = insn.code == BPF_JMP | BPF_CALL;
        if !is_call && !insn.is_ld_imm64() {
            let kind = rel.kind;
            let name = oxbpf_elf::reloc::name(kind).map_or_else(|| format!("type {kind}"), str::to_owned);
            return bad(format!(
                "{name} applies to a call or a 64-bit load, not to opcode {:#04x}",
                insn.code
            ));
        }
        let addend = match rel.addend {
            Some(addend) => {
                i32::try_from(addend).or_else(|_| bad(format!("addend {addend} is over 32 bits")))?
            }
            None => insn.imm,
        };
        if symbol.is_extern() {
            return self.extern_target(symbol, is_call);
        }
        let SymSection::Index(section) = symbol.section else {
            let kind = symbol.section;
            return bad(format!(
                "the symbol is in no section ({kind:?}); is a global variable not initialised?"
            ));
        };
        if is_call {
            if insn.src() != BPF_PSEUDO_CALL {
                return bad("the instruction is a call, but not one of a function of this object");
            }
            let to = i128::from(symbol.value) + (i128::from(addend) + 1) * 8;
            return self.entry(section, to, codes).map(|id| match id {
                CodeId::Func(id) => RelocTarget::Call(id),
                CodeId::Prog(id) => RelocTarget::ProgCall(id),
            });
        }
        let to = i128::from(symbol.value) + i128::from(addend);
        match self.layout.role(section) {
            Role::Text | Role::Programs => self.entry(section, to, codes).map(|id| match id {
                CodeId::Func(id) => RelocTarget::FuncAddr(id),
                CodeId::Prog(id) => RelocTarget::ProgCall(id),
            }),
            Role::Maps => {
                let map = u64::try_from(to).ok().and_then(|to| maps.defined_at(to));
                match map {
                    Some(map) => Ok(RelocTarget::Map(map)),
                    None => bad(format!("no map definition begins at offset {to:#x} of '{MAPS}'")),
                }
            }
            // Addresses wrap, so that one before a variable's start can be expressed; the kernel checks what is used.
            Role::Data(_) => match maps.of_section(section) {
                Some(map) => Ok(RelocTarget::MapValue { map, offset: to as u32 }),
                None => bad("its section is no map"),
            },
            Role::Arena => match maps.arena {
                Some(map) => Ok(RelocTarget::MapValue { map, offset: to as u32 }),
                None => bad("the object has no arena"),
            },
            Role::JumpTables => match self.jump_table(section, to) {
                Some(target) => Ok(target),
                None => bad(format!("no jump table begins at offset {to:#x}")),
            },
            _ => {
                let name = self.elf.section(section).map_or("?", |s| s.name);
                bad(format!(
                    "section '{name}' holds neither maps, nor data, nor code; data goes into .data, .rodata and .bss"
                ))
            }
        }
    }

    fn extern_target(&self, symbol: &Symbol<'_>, is_call: bool) -> Result<RelocTarget, Bad> {
        let Some(&id) = self.externs.by_symbol.get(&symbol.index) else {
            return bad("it is undefined and no extern");
        };
        let kind = self.externs.specs.get(id.0 as usize).map(|e| &e.kind);
        match (is_call, kind) {
            (true, Some(ExternKind::Kfunc { .. })) => Ok(RelocTarget::ExternCall(id)),
            (true, _) => bad("it is called, but BTF declares a variable"),
            (false, _) => Ok(RelocTarget::ExternAddr(id)),
        }
    }

    /// The table that begins at an offset; only symbols know how long tables are.
    fn jump_table(&self, section: u32, offset: i128) -> Option<RelocTarget> {
        let is_table = |s: &&Symbol<'_>| {
            s.section == SymSection::Index(section) && i128::from(s.value) == offset && s.size > 0
        };
        let table = self.elf.symbols().iter().find(is_table)?;
        let (offset, size) = (u32::try_from(table.value).ok()?, u32::try_from(table.size).ok()?);
        Some(RelocTarget::JumpTable { offset, size })
    }

    /// The program or function that begins at a byte offset of a section.
    fn entry(&self, section: u32, offset: i128, codes: &Codes) -> Result<CodeId, Bad> {
        let name = || self.elf.section(section).map_or("?", |s| s.name);
        if !self.layout.is_code(section) {
            return bad(format!("section '{}' has no instructions to call", name()));
        }
        let found = u64::try_from(offset).ok().filter(|o| o % 8 == 0).and_then(|o| codes.at(section, o / 8));
        match found {
            Some(extent) if i128::from(extent.start) * 8 == offset => Ok(extent.id),
            _ => bad(format!("no function begins at offset {offset:#x} of section '{}'", name())),
        }
    }

    /// Calls within one section have no relocation: the distance is in the instruction.
    fn local_calls(&self, codes: &mut Codes) -> Result<(), ObjectError> {
        let extents: Vec<Extent> = codes.extents().to_vec();
        for extent in extents {
            let Some(code) = codes.code_mut(extent.id) else { continue };
            sort(&mut code.relocs);
            let mut found = Vec::new();
            let Some(code) = codes.code(extent.id) else { continue };
            let mut known = code.relocs.iter().map(|r| r.insn).peekable();
            for (i, insn) in (0u32..).zip(&code.insns) {
                while known.next_if(|k| *k < i).is_some() {}
                if !insn.is_call_pseudo() || known.peek() == Some(&i) {
                    continue;
                }
                let to = (i128::from(extent.start) + i128::from(i) + i128::from(insn.imm) + 1) * 8;
                let target = self.entry(extent.section, to, codes).map_err(|e| {
                    let (section, name) = (code.section.clone(), code.name.clone());
                    let place = Place::Insn { section, name, insn: i, symbol: String::new() };
                    ObjectError::new(
                        self.file,
                        place,
                        e.errno,
                        format!("call without a relocation: {}", e.why),
                    )
                })?;
                let target = match target {
                    CodeId::Func(id) => RelocTarget::Call(id),
                    CodeId::Prog(id) => RelocTarget::ProgCall(id),
                };
                found.push(Reloc { insn: i, target });
            }
            if let Some(code) = codes.code_mut(extent.id) {
                code.relocs.extend(found);
                sort(&mut code.relocs);
            }
        }
        Ok(())
    }

    /// One pointer in a map definition: an inner map or a program by its slot.
    fn map_slot(
        &self,
        section: &Section<'_>,
        rel: &Rel,
        codes: &Codes,
        maps: &mut Maps,
    ) -> Result<(), ObjectError> {
        let symbol = self.symbol(section, rel)?;
        let label = self.elf.symbol_label(symbol);
        let fail = |errno, why: String| {
            let (section, symbol) = (MAPS.to_owned(), label.to_owned());
            Err(ObjectError::new(self.file, Place::Reloc { section, offset: rel.offset, symbol }, errno, why))
        };
        let around = maps.defined_around(rel.offset);
        let Some((id, map)) = around.and_then(|id| Some((id, maps.get(id)?))) else {
            return fail(Errno::EINVAL, "no map definition is there".to_owned());
        };
        let slot = if is_map_in_map(map.map_type) {
            let inner = match symbol.section {
                SymSection::Index(i) if self.layout.role(i) == Role::Maps => maps.by_name.get(symbol.name),
                _ => return fail(RELOC, format!("it is no map, but map '{}' holds maps", map.name)),
            };
            if map.map_type == MapType::HASH_OF_MAPS && map.key_size != 4 {
                let why = format!(
                    "map '{}' can declare contents only with keys of 4 bytes, not {}",
                    map.name, map.key_size
                );
                return fail(Errno::EINVAL, why);
            }
            match inner {
                Some(inner) => InitialSlot::Map(*inner),
                None => return fail(Errno::ESRCH, "there is no map of that name".to_owned()),
            }
        } else if map.map_type == MapType::PROG_ARRAY {
            let target = match symbol.section {
                SymSection::Index(i) => self.entry(i, i128::from(symbol.value), codes).ok(),
                _ => None,
            };
            match target {
                Some(CodeId::Prog(prog)) => InitialSlot::Prog(prog),
                _ => {
                    let is_elsewhere = codes.programs.iter().any(|p| p.code.name == symbol.name);
                    let errno = if is_elsewhere { RELOC } else { Errno::ESRCH };
                    return fail(errno, format!("it is no program, but map '{}' holds programs", map.name));
                }
            }
        } else {
            let why = format!("map '{}' is neither a map of maps nor a program array", map.name);
            return fail(Errno::EINVAL, why);
        };
        let Some(values) = self.values_offset(map.btf_var_id) else {
            return fail(Errno::EINVAL, format!("map '{}' has no 'values' at its end", map.name));
        };
        let start = u64::from(map.sec_offset) + u64::from(values);
        let Some(at) = rel.offset.checked_sub(start).filter(|at| at % 8 == 0) else {
            return fail(Errno::EINVAL, format!("it is not in the 'values' of map '{}'", map.name));
        };
        let index = at / 8;
        if index >= MAX_SLOTS {
            return fail(Errno::E2BIG, format!("slot {index} is over the limit of {MAX_SLOTS}"));
        }
        if let Some(map) = maps.specs.get_mut(id.0 as usize) {
            let index = index as u32;
            put(&mut map.initial_slots, index, slot);
        }
        Ok(())
    }

    /// Byte offset of the `values` member, which must be the last.
    fn values_offset(&self, var: oxbpf_btf::TypeId) -> Option<u32> {
        let btf = self.btf?;
        let def = btf.resolve_ref(btf.get(var).ok()?.type_id()).ok()?;
        let last = def.composite()?.members().next_back()?;
        (last.name == "values").then_some(last.bit_offset / 8)
    }

    /// One function pointer of a struct_ops variable.
    fn struct_ops_slot(
        &self,
        section: &Section<'_>,
        rel: &Rel,
        codes: &Codes,
        maps: &mut Maps,
    ) -> Result<(), ObjectError> {
        let symbol = self.symbol(section, rel)?;
        let label = self.elf.symbol_label(symbol);
        let fail = |errno, why: String| {
            let (section, symbol) = (section.name.to_owned(), label.to_owned());
            Err(ObjectError::new(self.file, Place::Reloc { section, offset: rel.offset, symbol }, errno, why))
        };
        let around = maps.struct_ops_around(section.index, rel.offset);
        let Some(ops) = around.and_then(|id| maps.struct_ops.get(id.0 as usize)) else {
            return fail(Errno::EINVAL, "no struct_ops variable is there".to_owned());
        };
        let start = maps.get(ops.map).map_or(0, |m| m.sec_offset);
        let offset = (rel.offset - u64::from(start)) as u32;
        let member = self
            .btf
            .and_then(|btf| btf.get(ops.type_id).ok())
            .and_then(|t| t.composite()?.members().find(|m| m.bit_offset == offset.saturating_mul(8)));
        let Some(member) = member else {
            return fail(Errno::EINVAL, format!("'{}' has no member at offset {offset}", ops.type_name));
        };
        if !self.is_func_ptr(member.type_id) {
            return fail(Errno::EINVAL, format!("member '{}' is no pointer to a function", member.name));
        }
        let target = match symbol.section {
            SymSection::Index(i) => self.entry(i, i128::from(symbol.value), codes),
            _ => bad("it is in no section"),
        };
        let prog = match target {
            Ok(CodeId::Prog(prog)) => prog,
            Ok(CodeId::Func(_)) => return fail(Errno::EINVAL, "it is a function, but no program".to_owned()),
            Err(e) => return fail(Errno::EINVAL, e.why),
        };
        let spec = codes.programs.get(prog.0 as usize);
        if spec.is_none_or(|p| p.prog_type != ProgType::STRUCT_OPS) {
            let why = format!("member '{}' needs a program of SEC(\"struct_ops\")", member.name);
            return fail(Errno::EINVAL, why);
        }
        if let Some(ops) = around.and_then(|id| maps.struct_ops.get_mut(id.0 as usize)) {
            put(&mut ops.progs, offset, prog);
        }
        Ok(())
    }

    fn is_func_ptr(&self, id: oxbpf_btf::TypeId) -> bool {
        let to = |btf: &'a Btf| match btf.resolve_ref(id).ok()?.view() {
            Type::Ptr(to) => Some(matches!(btf.resolve_ref(to).ok()?.view(), Type::FuncProto(_))),
            _ => None,
        };
        self.btf.and_then(to).unwrap_or(false)
    }
}

fn insn_at(codes: &Codes, id: CodeId, insn: u32) -> Option<Insn> {
    codes.code(id)?.insns.get(insn as usize).copied()
}

/// By instruction. Stable, so that of two relocations of one instruction the first in the file stays the first.
fn sort(relocs: &mut [Reloc]) {
    relocs.sort_by_key(|r| r.insn);
}

/// Puts an entry into a table that is sorted by key, in place of one with that key.
fn put<V>(table: &mut Vec<(u32, V)>, key: u32, value: V) {
    let at = table.partition_point(|(k, _)| *k < key);
    match table.get_mut(at) {
        Some(entry) if entry.0 == key => entry.1 = value,
        _ => table.insert(at, (key, value)),
    }
}
