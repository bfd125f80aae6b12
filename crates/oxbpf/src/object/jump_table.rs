//! Jump tables: rows of `.jumptables` in, frozen maps of instruction numbers out.
//!
//! A `switch` that the compiler turns into an indirect jump (`gotox`, clang 22, Linux 6.19) loads its target from a table. The
//! object has the tables as byte offsets from the start of the jumping function's section; the kernel wants each as a map
//! of type `INSN_ARRAY` with instruction numbers in the assembled program. So a function that two programs call has a map
//! in each.

use oxbpf_kernel::{MapCreate, MapFd};
use oxbpf_object::{Piece, ProgramCode};
use oxbpf_uapi::ctx::InsnArrayValue;
use oxbpf_uapi::{Cmd, MapType};
use zerocopy::IntoBytes;

use super::state::Core;
use crate::error::{At, Error, Frame, Result};

/// Bytes of a row in the object.
const ROW: usize = 8;
/// Bytes of an instruction.
const INSN: u64 = 8;

/// The tables of one program that have maps already, by where they begin.
pub(super) type Tables = Vec<(u32, MapFd)>;

impl Core {
    /// The map of the table of `size` bytes at `offset` that instruction `insn` of a program refers to.
    pub(super) fn jump_table(
        &self,
        code: &ProgramCode,
        insn: u32,
        (offset, size): (u32, u32),
        tables: &mut Tables,
    ) -> Result<i32> {
        if let Some((_, fd)) = tables.iter().find(|(at, _)| *at == offset) {
            return Ok(fd.number());
        }
        let targets = self.jump_targets(code, insn, offset as usize, size as usize)?;
        let fd = self.create_jump_table(&targets).at(|| Frame::Map(".jumptables".to_owned()))?;
        let number = fd.number();
        tables.push((offset, fd));
        Ok(number)
    }

    /// The instruction numbers that a table leads to.
    fn jump_targets(&self, code: &ProgramCode, insn: u32, offset: usize, size: usize) -> Result<Vec<u32>> {
        let bad = |why: String| Error::invalid_object(why).at(Frame::Section(".jumptables".to_owned()));
        if offset % ROW != 0 || size % ROW != 0 {
            return Err(bad(format!(
                "a table of {size} bytes at {offset:#x} is not made of {ROW}-byte rows"
            )));
        }
        let Some(rows) = self.spec.jump_tables.get(offset..offset.saturating_add(size)) else {
            let have = self.spec.jump_tables.len();
            return Err(bad(format!(
                "a table of {size} bytes at {offset:#x} is outside of its {have} bytes"
            )));
        };
        let holds = |p: &&Piece| (p.insn_off..p.insn_off.saturating_add(p.len)).contains(&insn);
        let Some(piece) = code.funcs.iter().find(holds) else {
            return Err(Error::invalid_object("no function has the instruction"));
        };
        let start = self.spec.code(piece.id).map_or(0, |c| u64::from(c.sec_insn_off));
        let target = |(i, row): (usize, &[u8])| {
            let row = row.first_chunk().map_or(0, |row| u64::from_ne_bytes(*row));
            let inside = (row / INSN).checked_sub(start).filter(|at| *at < u64::from(piece.len));
            let inside = inside.filter(|_| row % INSN == 0);
            let lost =
                || bad(format!("row {i} of the table at {offset:#x} ({row:#x}) leads out of its function"));
            // Below the length of a function, which is in `u32`.
            inside.map(|at| piece.insn_off + at as u32).ok_or_else(lost)
        };
        rows.chunks_exact(ROW).enumerate().map(target).collect()
    }

    fn create_jump_table(&self, targets: &[u32]) -> Result<MapFd> {
        let request = MapCreate {
            map_type: MapType::INSN_ARRAY,
            map_name: ".jumptables",
            key_size: 4,
            value_size: size_of::<InsnArrayValue>() as u32,
            max_entries: targets.len() as u32,
            ..MapCreate::default()
        };
        let created = self.kernel.map_create(request).at(|| Frame::Command(Cmd::MAP_CREATE));
        let map = created.map_err(|e| match e.errno() {
            oxbpf_uapi::Errno::EINVAL => e.with_hint("indirect jumps need Linux 6.19 or newer"),
            _ => e,
        })?;
        for (key, target) in (0u32..).zip(targets) {
            let value = InsnArrayValue { orig_off: *target, ..InsnArrayValue::default() };
            let updated = self.kernel.map_update_elem(&map, key.as_bytes(), value.as_bytes(), 0);
            updated.at(|| Frame::Command(Cmd::MAP_UPDATE_ELEM))?;
        }
        self.kernel.map_freeze(&map).at(|| Frame::Command(Cmd::MAP_FREEZE))?;
        Ok(map)
    }
}
