//! What a kernel of a release refuses, by the first releases in the ABI's tables.

use oxbpf_uapi::insn::{
    BPF_ADD, BPF_ATOMIC, BPF_CALL, BPF_JMP, BPF_JMP32, BPF_MEMSX, BPF_PSEUDO_BTF_ID, BPF_PSEUDO_CALL,
    BPF_PSEUDO_FUNC, BPF_PSEUDO_KFUNC_CALL, BPF_PSEUDO_MAP_IDX, BPF_PSEUDO_MAP_IDX_VALUE,
    BPF_PSEUDO_MAP_VALUE, BPF_STX,
};
use oxbpf_uapi::{BtfKind, Errno, HelperId, Insn};

use crate::{BtfLoad, Command, LogBuf, MapCreate, ProgLoad};

/// A kernel release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Release {
    pub(super) major: u32,
    pub(super) minor: u32,
}

const fn release(major: u32, minor: u32) -> Release {
    Release { major, minor }
}

/// First releases that take a bit of `map_flags`.
const MAP_FLAGS: &[(u32, Release)] = &[
    (1 << 7 | 1 << 8, release(5, 2)),
    (1 << 9, release(5, 4)),
    (1 << 10, release(5, 5)),
    (1 << 11 | 1 << 12, release(5, 10)),
    (1 << 13, release(6, 4)),
    (1 << 15 | 1 << 16 | 1 << 17 | 1 << 18, release(6, 9)),
    (1 << 19, release(6, 19)),
];

/// First releases that take a bit of `prog_flags`.
const PROG_FLAGS: &[(u32, Release)] = &[
    (1 << 2, release(5, 3)),
    (1 << 3, release(5, 4)),
    (1 << 4, release(5, 10)),
    (1 << 5, release(5, 18)),
    (1 << 6, release(6, 3)),
    (1 << 7, release(6, 8)),
    (1 << 16, release(6, 9)),
];

/// First releases that know a source register of a 64-bit immediate load.
const LOADS: &[(u8, Release)] = &[
    (BPF_PSEUDO_MAP_VALUE, release(5, 2)),
    (BPF_PSEUDO_BTF_ID, release(5, 10)),
    (BPF_PSEUDO_FUNC, release(5, 13)),
    (BPF_PSEUDO_MAP_IDX, release(5, 14)),
    (BPF_PSEUDO_MAP_IDX_VALUE, release(5, 14)),
];

impl Release {
    /// Whether it is before one in a table, `"5.10"`.
    fn lacks(self, since: Option<&str>) -> bool {
        let parse = |s: &str| {
            let (major, minor) = s.split_once('.')?;
            Some(release(major.parse().ok()?, minor.parse().ok()?))
        };
        // What no release of the table has is refused by all.
        since.and_then(parse).is_none_or(|since| self < since)
    }

    fn lacks_bit<T: Copy>(self, table: &[(T, Release)], has: impl Fn(T) -> bool) -> bool {
        table.iter().any(|(value, since)| self < *since && has(*value))
    }

    fn field(self, since: Release, is_set: bool) -> Result<(), Errno> {
        if is_set && self < since { Err(Errno::E2BIG) } else { Ok(()) }
    }

    /// Refuses what came later.
    pub(super) fn check(self, cmd: &mut Command<'_>) -> Result<(), Errno> {
        if self.lacks(cmd.cmd().since()) {
            return Err(Errno::EINVAL);
        }
        match cmd {
            Command::MapCreate(r) => self.check_map(r),
            Command::ProgLoad(r) => self.check_prog(r),
            Command::BtfLoad(r) => self.check_btf(r),
            Command::LinkCreate(r) if self.lacks(r.attach_type.since()) => Err(Errno::EINVAL),
            Command::ProgAttach(r) if self.lacks(r.attach_type.since()) => Err(Errno::EINVAL),
            _ => Ok(()),
        }
    }

    fn check_map(self, r: &MapCreate<'_>) -> Result<(), Errno> {
        self.field(release(4, 15), !r.map_name.is_empty())?;
        self.field(release(4, 18), r.btf.is_some())?;
        self.field(release(5, 16), r.map_extra != 0)?;
        self.field(release(6, 9), r.token.is_some() || r.value_type_btf_obj.is_some())?;
        self.field(release(6, 18), !r.excl_prog_hash.is_empty())?;
        let flags = r.all_flags();
        if self.lacks(r.map_type.since()) || self.lacks_bit(MAP_FLAGS, |bits| flags & bits != 0) {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }

    fn check_prog(self, r: &ProgLoad<'_>) -> Result<(), Errno> {
        self.field(release(4, 15), !r.prog_name.is_empty())?;
        self.field(release(4, 17), r.expected_attach_type.0 != 0)?;
        self.field(release(5, 0), r.prog_btf.is_some() || !r.func_info.is_empty())?;
        self.field(release(5, 5), r.attach_btf_id != 0)?;
        self.field(release(5, 14), !r.fd_array.is_empty())?;
        self.field(release(6, 9), r.token.is_some())?;
        self.field(release(6, 18), !r.signature.is_empty())?;
        let flags = r.all_flags();
        let is_new = self.lacks(r.prog_type.since())
            || self.lacks(r.expected_attach_type.since())
            || self.lacks_bit(PROG_FLAGS, |bits| flags & bits != 0);
        let mut insns = r.insns.iter();
        while let Some(insn) = insns.next() {
            if is_new || self.lacks_insn(*insn) {
                return Err(Errno::EINVAL);
            }
            if insn.is_ld_imm64() {
                insns.next();
            }
        }
        if is_new { Err(Errno::EINVAL) } else { Ok(()) }
    }

    fn lacks_insn(self, insn: Insn) -> bool {
        const CALL: u8 = BPF_JMP | BPF_CALL;
        const SIZE_AND_CLASS: u8 = 0x1f;
        if insn.is_ld_imm64() {
            return self.lacks_bit(LOADS, |src| insn.src() == src);
        }
        match (insn.code, insn.src()) {
            (CALL, 0) => HelperId(insn.imm as u32).c_name().is_some() && self.lacks_helper(insn.imm as u32),
            (CALL, BPF_PSEUDO_CALL) => self < release(4, 16),
            (CALL, BPF_PSEUDO_KFUNC_CALL) => self < release(5, 13),
            _ => {
                let mode = insn.code & !SIZE_AND_CLASS;
                let is_memory = insn.class() <= BPF_STX;
                let is_other_atomic =
                    insn.class() == BPF_STX && mode == BPF_ATOMIC && insn.imm != i32::from(BPF_ADD);
                insn.class() == BPF_JMP32 && self < release(5, 1)
                    || is_other_atomic && self < release(5, 12)
                    || is_memory && mode == BPF_MEMSX && self < release(6, 6)
            }
        }
    }

    fn lacks_helper(self, id: u32) -> bool {
        self.lacks(HelperId(id).since())
    }

    fn check_btf(self, r: &mut BtfLoad<'_>) -> Result<(), Errno> {
        self.field(release(6, 9), r.token.is_some())?;
        let kinds = kinds(r.btf).ok_or(Errno::EINVAL)?;
        for (id, (kind, vlen)) in (1..).zip(kinds) {
            // Before 5.6 the linkage of a function had no place.
            let is_new =
                self.lacks(kind.since()) || kind == BtfKind::FUNC && vlen != 0 && self < release(5, 6);
            if is_new {
                put_log(r.log.as_mut(), &format!("[{id}] {} Invalid kind\n", kind.0));
                return Err(Errno::EINVAL);
            }
        }
        Ok(())
    }
}

fn put_log(log: Option<&mut LogBuf<'_>>, text: &str) {
    let Some(log) = log.filter(|log| log.level != 0) else { return };
    for (to, from) in log.buf.iter_mut().zip(text.bytes().chain([0])) {
        *to = from;
    }
}

/// Kind and count of each type of raw BTF, `None` if it is cut.
fn kinds(btf: &[u8]) -> Option<Vec<(BtfKind, u16)>> {
    let word = |bytes: &[u8], at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
    let start = (word(btf, 4)? as usize).checked_add(word(btf, 8)? as usize)?;
    let mut types = btf.get(start..start.checked_add(word(btf, 12)? as usize)?)?;
    let mut out = Vec::new();
    while !types.is_empty() {
        let info = word(types, 4)?;
        let (kind, vlen) = (BtfKind(info >> 24 & 0x1f), info as u16);
        let each = match kind {
            BtfKind::STRUCT | BtfKind::UNION | BtfKind::DATASEC | BtfKind::ENUM64 => 12,
            BtfKind::ENUM | BtfKind::FUNC_PROTO => 8,
            _ => 0,
        };
        let fixed = match kind {
            BtfKind::INT | BtfKind::VAR | BtfKind::DECL_TAG => 4,
            BtfKind::ARRAY => 12,
            _ => 0,
        };
        out.push((kind, vlen));
        types = types.get(12 + fixed + each * usize::from(vlen)..)?;
    }
    Some(out)
}
