//! Final instructions: programs with their functions, with maps, externs and debug records filled in.

use oxbpf_btf::InfoSec;
use oxbpf_object::{CodeId, ExternId, MapId, MapOrigin, ProgId, ProgramCode, Reloc, RelocTarget, assemble};
use oxbpf_uapi::Insn;
use oxbpf_uapi::insn::{
    BPF_CALL, BPF_JMP, BPF_PSEUDO_BTF_ID, BPF_PSEUDO_KFUNC_CALL, BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE,
};

use super::externs::Resolved;
use super::prepare::{in_btf, in_object};
use super::state::Core;
use crate::error::{At, Error, Frame, Result};

/// Calls of these helpers, which no kernel has, stand for maps that were not created: base plus map index.
pub(super) const POISON_MAP: i32 = 2_001_000_000;
/// Calls of these helpers stand for kernel functions that are not there: base plus extern index.
pub(super) const POISON_KFUNC: i32 = 2_002_000_000;

/// Bytes of an instruction in a section.
const INSN_LEN: u32 = 8;

/// A call that the verifier rejects if it is reached, by a number that tells why.
fn poison(number: i32) -> Insn {
    Insn::new(BPF_JMP | BPF_CALL, 0, 0, 0, number)
}

impl Core {
    /// Gives every program that is to be loaded its final instructions.
    pub(super) fn relocate_programs(&mut self, externs: &[Resolved]) -> Result<()> {
        let (ext, btf) = (self.spec.btf_ext.clone(), self.spec.btf.clone());
        let (mut funcs, mut lines) = (Vec::new(), Vec::new());
        if let (Some(ext), Some(btf)) = (&ext, &btf) {
            funcs = in_btf(ext.func_infos(btf))?;
            lines = in_btf(ext.line_infos(btf))?;
        }
        for i in 0..self.programs.len() {
            let id = ProgId(i as u32);
            if !self.programs.get(i).is_some_and(|r| r.autoload) {
                continue;
            }
            let frame = || self.program_frame(id);
            let mut code = in_object(assemble(&self.spec, id)).at(frame)?;
            let mut used_maps = Vec::new();
            for (index, reloc) in (0..).zip(core::mem::take(&mut code.relocs)) {
                let symbol = || self.symbol_of(&reloc.target);
                self.apply(&mut code.insns, &reloc, externs, &mut used_maps)
                    .at(|| Frame::Insn(reloc.insn))
                    .at(|| Frame::Reloc { index, symbol: symbol() })
                    .at(frame)?;
            }
            used_maps.sort_unstable();
            used_maps.dedup();
            let func_info = self.records(&code, &funcs);
            let line_info = self.records(&code, &lines);
            let sizes = self.spec.btf_ext.as_ref().map_or([0; 3], |ext| ext.record_sizes());
            let Some(row) = self.programs.get_mut(i) else { continue };
            row.insns = code.insns;
            row.pieces = code.funcs;
            row.used_maps = used_maps;
            (row.func_info, row.func_info_rec_size) = (func_info, sizes[0]);
            (row.line_info, row.line_info_rec_size) = (line_info, sizes[1]);
        }
        Ok(())
    }

    fn apply(
        &self,
        insns: &mut [Insn],
        reloc: &Reloc,
        externs: &[Resolved],
        used_maps: &mut Vec<MapId>,
    ) -> Result<()> {
        let at = reloc.insn as usize;
        let short = || Error::invalid_object("the relocation lies behind the code");
        match reloc.target {
            RelocTarget::Map(map) => match self.map_number(map) {
                Some(fd) => set_imm64(insns, at, BPF_PSEUDO_MAP_FD, fd, 0),
                None => poison_imm64(insns, at, map),
            },
            RelocTarget::MapValue { map, offset } => {
                used_maps.push(map);
                match self.map_number(map) {
                    Some(fd) => set_imm64(insns, at, BPF_PSEUDO_MAP_VALUE, fd, offset.cast_signed()),
                    None => poison_imm64(insns, at, map),
                }
            }
            RelocTarget::ExternAddr(id) => self.apply_extern_address(insns, at, id, externs),
            RelocTarget::ExternCall(id) => {
                let insn = insns.get_mut(at).ok_or_else(short)?;
                match externs.get(id.0 as usize) {
                    Some(Resolved::Btf { id: kernel_id, fd_index, .. }) => {
                        *insn = insn.with_src(BPF_PSEUDO_KFUNC_CALL);
                        insn.imm = kernel_id.0.cast_signed();
                        insn.off = *fd_index;
                    }
                    _ => *insn = poison(POISON_KFUNC.saturating_add(id.0.cast_signed())),
                }
                Some(())
            }
            // Done while the program was assembled, or refused before.
            RelocTarget::Call(_) | RelocTarget::FuncAddr(_) | RelocTarget::ProgCall(_) => Some(()),
            RelocTarget::JumpTable { .. } => return Err(super::create::not_built("jump tables")),
        }
        .ok_or_else(short)
    }

    fn apply_extern_address(&self, insns: &mut [Insn], at: usize, id: ExternId, externs: &[Resolved]) -> Option<()> {
        match externs.get(id.0 as usize).copied().unwrap_or(Resolved::Missing) {
            Resolved::Kconfig(offset) => {
                let map = self.spec.maps.iter().position(|m| m.origin == MapOrigin::Kconfig)?;
                let map = MapId(map as u32);
                match self.map_number(map) {
                    Some(fd) => set_imm64(insns, at, BPF_PSEUDO_MAP_VALUE, fd, offset.cast_signed()),
                    None => poison_imm64(insns, at, map),
                }
            }
            Resolved::Btf { id, fd, .. } => set_imm64(insns, at, BPF_PSEUDO_BTF_ID, id.0.cast_signed(), fd),
            Resolved::Address(address) => {
                set_imm64(insns, at, 0, (address as u32).cast_signed(), ((address >> 32) as u32).cast_signed())
            }
            Resolved::Missing => set_imm64(insns, at, 0, 0, 0),
        }
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
            RelocTarget::Call(id) | RelocTarget::FuncAddr(id) => self.spec.code(CodeId::Func(id)).map(|c| c.name.clone()),
            RelocTarget::ProgCall(id) => self.spec.code(CodeId::Prog(id)).map(|c| c.name.clone()),
            RelocTarget::JumpTable { .. } => Some(".jumptables".to_owned()),
        };
        found.unwrap_or_default()
    }

    /// The records of a program's pieces, one after the other. None at all if a piece has none: the kernel wants all or nothing.
    fn records<T>(&self, code: &ProgramCode, sections: &[InfoSec<'_, T>]) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in &code.funcs {
            let Some(source) = self.spec.code(piece.id) else { return Vec::new() };
            let start = source.sec_insn_off.saturating_mul(INSN_LEN);
            let range = start..start.saturating_add(piece.len.saturating_mul(INSN_LEN));
            let before = out.len();
            for section in sections.iter().filter(|s| s.name == source.section) {
                out.extend(section.for_program(range.clone(), piece.insn_off));
            }
            if out.len() == before {
                return Vec::new();
            }
        }
        out
    }
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
    *halves = [poison(POISON_MAP.saturating_add(map.0.cast_signed())); 2];
    Some(())
}
