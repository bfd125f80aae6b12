//! Final instructions: programs with their functions, with maps, externs and debug records filled in.

use oxbpf_object::{
    CodeId, ExtInfo, ExtRecords, ExternId, ExternKind, MapId, MapOrigin, ProgId, ProgramCode, Reloc,
    RelocTarget, assemble,
};
use oxbpf_uapi::Insn;
use oxbpf_uapi::insn::{
    BPF_CALL, BPF_JMP, BPF_PSEUDO_BTF_ID, BPF_PSEUDO_KFUNC_CALL, BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE,
};

use super::deferred::LateRelocs;
use super::externs::Resolved;
use super::jump_table::Tables;
use super::prepare::in_object;
use super::state::Core;
use crate::error::{At, Error, Frame, Result};

/// Calls of these helpers, which no kernel has, stand for maps that were not created: base plus map index.
pub(super) const POISON_MAP: i32 = 2_001_000_000;
/// Calls of these helpers stand for kernel functions that are not there: base plus extern index.
pub(super) const POISON_KFUNC: i32 = 2_002_000_000;

/// A program in its final form.
struct Relocated {
    code: ProgramCode,
    info: ExtInfo,
    /// Data maps whose addresses the instructions have.
    used_maps: Vec<MapId>,
    jump_tables: Tables,
    late: LateRelocs,
}

/// A call that the verifier rejects if it is reached, by a number that tells why.
fn poison(number: i32) -> Insn {
    Insn::new(BPF_JMP | BPF_CALL, 0, 0, 0, number)
}

impl Core {
    /// Gives every program that is to be loaded its final instructions.
    pub(super) fn relocate_programs(&mut self, externs: &[Resolved]) -> Result<()> {
        let wanted: Vec<_> =
            (0..).map(ProgId).zip(&self.programs).filter(|(_, r)| r.autoload).map(|(id, _)| id).collect();
        let records = in_object(ExtRecords::new(&self.spec))?;
        let done: Vec<_> = wanted
            .iter()
            .map(|id| self.relocate_program(*id, &records, externs).at(|| self.program_frame(*id)))
            .collect::<Result<_>>()?;
        for (id, relocated) in wanted.into_iter().zip(done) {
            let Some(row) = self.programs.get_mut(id.0 as usize) else { continue };
            let Relocated { code, info, used_maps, jump_tables, late } = relocated;
            row.late = late;
            row.insns = code.insns;
            row.pieces = code.funcs;
            row.info = info;
            row.used_maps = used_maps;
            row.jump_tables = jump_tables.into_iter().map(|(_, fd)| fd).collect();
        }
        Ok(())
    }

    fn relocate_program(
        &self,
        id: ProgId,
        records: &ExtRecords<'_>,
        externs: &[Resolved],
    ) -> Result<Relocated> {
        let mut code = in_object(assemble(&self.spec, id))?;
        let (mut used_maps, mut jump_tables) = (Vec::new(), Tables::new());
        let relocs = core::mem::take(&mut code.relocs);
        for (index, reloc) in (0..).zip(&relocs) {
            self.apply(&mut code, reloc, externs, &mut used_maps, &mut jump_tables)
                .at(|| Frame::Insn(reloc.insn))
                .at(|| Frame::Reloc { index, symbol: self.symbol_of(&reloc.target) })?;
        }
        used_maps.sort_unstable();
        used_maps.dedup();
        let info = in_object(records.ext_info(&code))?;
        let late = self.late_relocs(&code, &relocs, records);
        Ok(Relocated { code, info, used_maps, jump_tables, late })
    }

    fn apply(
        &self,
        code: &mut ProgramCode,
        reloc: &Reloc,
        externs: &[Resolved],
        used_maps: &mut Vec<MapId>,
        jump_tables: &mut Tables,
    ) -> Result<()> {
        let at = reloc.insn as usize;
        if let RelocTarget::JumpTable { offset, size } = reloc.target {
            let fd = self.jump_table(code, reloc.insn, (offset, size), jump_tables)?;
            return set_imm64(&mut code.insns, at, BPF_PSEUDO_MAP_VALUE, fd, 0).ok_or_else(short);
        }
        let insns = &mut code.insns;
        match reloc.target {
            RelocTarget::Map(map) => match self.map_number(map) {
                Some(fd) => set_imm64(insns, at, BPF_PSEUDO_MAP_FD, fd, 0),
                None => poison_imm64(insns, at, map),
            },
            RelocTarget::MapValue { map, offset } => {
                used_maps.push(map);
                match self.map_number(map) {
                    Some(fd) => {
                        let offset = offset.wrapping_add(self.data_offset(map));
                        set_imm64(insns, at, BPF_PSEUDO_MAP_VALUE, fd, offset as i32)
                    }
                    None => poison_imm64(insns, at, map),
                }
            }
            RelocTarget::ExternAddr(id) => self.apply_extern_address(insns, at, id, externs),
            RelocTarget::ExternCall(id) => {
                let insn = insns.get_mut(at).ok_or_else(short)?;
                match externs.get(id.0 as usize) {
                    Some(Resolved::Btf { id: kernel_id, fd_index, .. }) => {
                        *insn = insn.with_src(BPF_PSEUDO_KFUNC_CALL);
                        insn.imm = kernel_id.0 as i32;
                        insn.off = *fd_index;
                    }
                    Some(Resolved::Late) => {
                        *insn = insn.with_src(BPF_PSEUDO_KFUNC_CALL);
                        (insn.imm, insn.off) = (0, 0);
                    }
                    _ => *insn = poison(POISON_KFUNC.saturating_add(id.0 as i32)),
                }
                Some(())
            }
            // Done while the program was assembled, or refused before.
            RelocTarget::Call(_)
            | RelocTarget::FuncAddr(_)
            | RelocTarget::ProgCall(_)
            | RelocTarget::JumpTable { .. } => Some(()),
        }
        .ok_or_else(short)
    }

    fn apply_extern_address(
        &self,
        insns: &mut [Insn],
        at: usize,
        id: ExternId,
        externs: &[Resolved],
    ) -> Option<()> {
        match externs.get(id.0 as usize).copied().unwrap_or(Resolved::Missing) {
            Resolved::Kconfig(offset) => {
                let map = self.spec.maps.iter().position(|m| m.origin == MapOrigin::Kconfig)?;
                let map = MapId(map as u32);
                match self.map_number(map) {
                    Some(fd) => set_imm64(insns, at, BPF_PSEUDO_MAP_VALUE, fd, offset as i32),
                    None => poison_imm64(insns, at, map),
                }
            }
            Resolved::Btf { id, fd, .. } => set_imm64(insns, at, BPF_PSEUDO_BTF_ID, id.0 as i32, fd),
            Resolved::Address(address) => set_imm64(insns, at, 0, address as i32, (address >> 32) as i32),
            Resolved::Missing => set_imm64(insns, at, 0, 0, 0),
            Resolved::Late => {
                let is_typed = !matches!(self.spec.externs.get(id.0 as usize)?.kind, ExternKind::KsymAddr);
                set_imm64(insns, at, if is_typed { BPF_PSEUDO_BTF_ID } else { 0 }, 0, 0)
            }
        }
    }

    /// Where the object's variables begin in a map's memory; in that of an arena they may be at its end.
    fn data_offset(&self, map: MapId) -> u32 {
        // An arena has at most 4 GiB, and the offset in the instruction is of that size.
        self.maps.get(map.0 as usize).map_or(0, |row| row.data_offset as u32)
    }

    fn map_number(&self, id: MapId) -> Option<i32> {
        self.maps.get(id.0 as usize)?.live.as_ref().map(|m| m.fd().number())
    }

    fn symbol_of(&self, target: &RelocTarget) -> String {
        let map = |id: MapId| self.spec.maps.get(id.0 as usize).map(|m| m.real_name.clone());
        let found = match *target {
            RelocTarget::Map(id) | RelocTarget::MapValue { map: id, .. } => map(id),
            RelocTarget::ExternAddr(id) | RelocTarget::ExternCall(id) => {
                self.spec.externs.get(id.0 as usize).map(|e| e.name.clone())
            }
            RelocTarget::Call(id) | RelocTarget::FuncAddr(id) => {
                self.spec.code(CodeId::Func(id)).map(|c| c.name.clone())
            }
            RelocTarget::ProgCall(id) => self.spec.code(CodeId::Prog(id)).map(|c| c.name.clone()),
            RelocTarget::JumpTable { .. } => Some(".jumptables".to_owned()),
        };
        found.unwrap_or_default()
    }
}

fn short() -> Error {
    Error::invalid_object("the relocation lies behind the code")
}

/// Writes both halves of a 64-bit load. `None` if they are not there.
fn set_imm64(insns: &mut [Insn], at: usize, pseudo: u8, low: i32, high: i32) -> Option<()> {
    let [first, second] = insns.get_mut(at..)?.first_chunk_mut::<2>()?;
    *first = first.with_src(pseudo);
    (first.imm, second.imm) = (low, high);
    Some(())
}

/// Replaces both halves of a 64-bit load of a map that was not created.
fn poison_imm64(insns: &mut [Insn], at: usize, map: MapId) -> Option<()> {
    let halves = insns.get_mut(at..)?.first_chunk_mut::<2>()?;
    *halves = [poison(POISON_MAP.saturating_add(map.0 as i32)); 2];
    Some(())
}
