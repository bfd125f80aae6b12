//! BTF.ext: per-instruction information of an object's programs, in records grouped by ELF section.
//!
//! A header, then up to three sub-sections (functions, source lines, CO-RE relocations). Each begins with the size of
//! its records, then repeats: name of the ELF section, number of records, records. Records may be longer than this
//! version knows; the rest of each is skipped. Instruction offsets are in bytes from the start of the ELF section, as
//! compilers write them; the kernel wants instructions from the start of the program, see [`InfoSec::for_program`].

use core::ops::Range;

use oxbpf_uapi::consts::CoreReloKind;

use crate::raw::{self, u32_at};
use crate::{Btf, BtfError, ByteOrder, Bytes, ExtTable, TypeId};

/// Bytes of the header without and with CO-RE relocations.
const HEADER_LEN: u32 = 24;
pub(crate) const HEADER_CORE_LEN: u32 = 32;
/// Bytes of an instruction.
const INSN_LEN: u32 = 8;

/// Which type an instruction's function has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FuncInfo {
    /// First instruction, in bytes from the start of the section.
    pub insn_off: u32,
    /// The function (`BTF_KIND_FUNC`).
    pub type_id: TypeId,
}

/// Which source line an instruction comes from: the kernel's `struct bpf_line_info`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineInfo {
    /// First instruction of the line, in bytes from the start of the section.
    pub insn_off: u32,
    /// File name, as a string offset in the BTF.
    pub file_name_off: u32,
    /// Text of the line, as a string offset in the BTF.
    pub line_off: u32,
    /// Line and column as stored.
    pub line_col: u32,
}

impl LineInfo {
    /// Line number, from 1.
    pub fn line(&self) -> u32 {
        self.line_col >> 10
    }

    /// Column, from 1; 0 if not known.
    pub fn column(&self) -> u32 {
        self.line_col & 0x3ff
    }
}

/// A CO-RE relocation: an instruction whose operand depends on the target's types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoreRelo<'b> {
    /// The instruction, in bytes from the start of the section.
    pub insn_off: u32,
    /// Root type of the access.
    pub type_id: TypeId,
    /// Path from the root type, as numbers between colons: "0:1:2".
    pub access_str: &'b str,
    /// What is asked.
    pub kind: CoreReloKind,
}

/// The records of one ELF section.
#[derive(Debug, Clone)]
pub struct InfoSec<'b, T> {
    /// Name of the ELF section.
    pub name: &'b str,
    /// Bytes of one record in [`InfoSec::raw`].
    pub rec_size: u32,
    /// The records.
    pub records: Vec<T>,
    /// The records as stored, native-endian.
    pub raw: &'b [u8],
}

impl<T> InfoSec<'_, T> {
    /// The records of one program in the form that the kernel takes: those whose instruction is in `range` (bytes
    /// from the start of the section), with the instruction counted from the start of the loaded program, where the
    /// first one of `range` becomes number `at_insn`.
    pub fn for_program(&self, range: Range<u32>, at_insn: u32) -> Vec<u8> {
        let mut out = Vec::new();
        for rec in self.raw.chunks_exact(self.rec_size.max(4) as usize) {
            let Some(off) = u32_at(rec, 0).filter(|off| range.contains(off)) else { continue };
            let insn = at_insn.wrapping_add((off - range.start) / INSN_LEN);
            out.extend_from_slice(&insn.to_ne_bytes());
            out.extend_from_slice(rec.get(4..).unwrap_or_default());
        }
        out
    }
}

/// The contents of a `.BTF.ext` section, in native byte order.
#[derive(Debug, Clone)]
pub struct BtfExt {
    data: Bytes,
    func: SubSection,
    line: SubSection,
    core: SubSection,
    pub(crate) order: ByteOrder,
}

/// One of the three tables.
#[derive(Debug, Clone, Default)]
pub(crate) struct SubSection {
    /// Where it is, in bytes from the start of the data.
    start: usize,
    /// 0 if there is none.
    rec_size: u32,
    groups: Vec<Group>,
}

impl SubSection {
    /// Bytes of a record.
    pub(crate) fn rec_size(&self) -> u32 {
        self.rec_size
    }

    /// The string offset of each ELF section's name.
    pub(crate) fn names(&self) -> impl Iterator<Item = u32> {
        self.groups.iter().map(|g| g.name_off)
    }

    /// Where the records of each ELF section are, in bytes from the start of the data.
    pub(crate) fn groups(&self) -> impl Iterator<Item = Range<usize>> {
        self.groups.iter().map(|g| g.records.clone())
    }
}

/// The records of one ELF section.
#[derive(Debug, Clone)]
struct Group {
    name_off: u32,
    /// In bytes from the start of the data.
    records: Range<usize>,
}

impl BtfExt {
    /// Reads a `.BTF.ext` section in either byte order; foreign-endian bytes are swapped once into a copy.
    ///
    /// # Errors
    /// A header or table that is broken, truncated, or has records shorter than the format's.
    #[doc(alias = "btf_ext__new")]
    pub fn parse(data: impl Into<Bytes>) -> Result<BtfExt, BtfError> {
        let mut data: Bytes = data.into();
        let foreign = raw::is_foreign(&data, "BTF.ext", HEADER_LEN as usize)?;
        let tables = tables(&data, foreign)?;
        let [func, line, core] = &tables;
        let mut subs = [SubSection::default(), SubSection::default(), SubSection::default()];
        for (sub, (table, range)) in subs.iter_mut().zip([(&FUNC, func), (&LINE, line), (&CORE, core)]) {
            *sub = groups(&data, table, range.clone(), foreign)?;
        }
        if foreign {
            let mut copy = data.to_vec();
            let [func, line, core] = &subs;
            swap_in_place(&mut copy, [func, line, core], true);
            data = Bytes::from(copy);
        }
        let [func, line, core] = subs;
        Ok(BtfExt { data, func, line, core, order: ByteOrder::of_input(foreign) })
    }

    /// The bytes, in native byte order.
    pub fn raw(&self) -> &[u8] {
        &self.data
    }

    /// The bytes in foreign byte order.
    pub(crate) fn swapped(&self) -> Vec<u8> {
        let mut copy = self.data.to_vec();
        swap_in_place(&mut copy, self.tables(), false);
        copy
    }

    /// Whether [`BtfExt::byte_order`] is not this machine's; for records just read: whether the input was foreign.
    pub fn is_foreign_endian(&self) -> bool {
        self.order != ByteOrder::NATIVE
    }

    /// Function records by ELF section; `btf` has the names.
    ///
    /// # Errors
    /// A section's name that cannot be read.
    pub fn func_infos<'b>(&'b self, btf: &'b Btf) -> Result<Vec<InfoSec<'b, FuncInfo>>, BtfError> {
        self.sections(&self.func, btf, |rec| {
            Ok(FuncInfo { insn_off: word(rec, 0), type_id: TypeId(word(rec, 1)) })
        })
    }

    /// Source line records by ELF section; `btf` has the names.
    ///
    /// # Errors
    /// A section's name that cannot be read.
    pub fn line_infos<'b>(&'b self, btf: &'b Btf) -> Result<Vec<InfoSec<'b, LineInfo>>, BtfError> {
        self.sections(&self.line, btf, |rec| {
            let (insn_off, file_name_off) = (word(rec, 0), word(rec, 1));
            Ok(LineInfo { insn_off, file_name_off, line_off: word(rec, 2), line_col: word(rec, 3) })
        })
    }

    /// CO-RE relocations by ELF section; `btf` has the names and access strings.
    ///
    /// # Errors
    /// A section's name or an access string that cannot be read.
    pub fn core_relos<'b>(&'b self, btf: &'b Btf) -> Result<Vec<InfoSec<'b, CoreRelo<'b>>>, BtfError> {
        self.sections(&self.core, btf, |rec| {
            let access_str = btf.str_at(word(rec, 2))?;
            let (insn_off, type_id) = (word(rec, 0), TypeId(word(rec, 1)));
            Ok(CoreRelo { insn_off, type_id, access_str, kind: CoreReloKind(word(rec, 3)) })
        })
    }

    /// The records of a table by ELF section, as stored, native-endian.
    ///
    /// # Errors
    /// A section's name that cannot be read.
    pub fn records<'b>(
        &'b self,
        table: ExtTable,
        btf: &'b Btf,
    ) -> Result<Vec<InfoSec<'b, &'b [u8]>>, BtfError> {
        let [func, line, core] = self.tables();
        let sub = match table {
            ExtTable::Func => func,
            ExtTable::Line => line,
            ExtTable::Core => core,
        };
        self.sections(sub, btf, Ok)
    }

    /// Bytes of a function record, a line record and a relocation; 0 for a table that is not there.
    pub fn record_sizes(&self) -> [u32; 3] {
        [self.func.rec_size, self.line.rec_size, self.core.rec_size]
    }

    /// The function, line and relocation tables.
    pub(crate) fn tables(&self) -> [&SubSection; 3] {
        [&self.func, &self.line, &self.core]
    }

    /// Takes bytes that differ from the present ones only in names and ids.
    pub(crate) fn set_data(&mut self, data: Bytes) {
        for sub in [&mut self.func, &mut self.line, &mut self.core] {
            for group in &mut sub.groups {
                group.name_off = u32_at(&data, group.records.start - 8).unwrap_or_default();
            }
        }
        self.data = data;
    }

    fn sections<'b, T>(
        &'b self,
        sub: &'b SubSection,
        btf: &'b Btf,
        read: impl Fn(&'b [u8]) -> Result<T, BtfError>,
    ) -> Result<Vec<InfoSec<'b, T>>, BtfError> {
        let section = |g: &Group| {
            let raw = self.data.get(g.records.clone()).unwrap_or_default();
            let records =
                raw.chunks_exact(sub.rec_size.max(4) as usize).map(&read).collect::<Result<_, _>>()?;
            Ok(InfoSec { name: btf.str_at(g.name_off)?, rec_size: sub.rec_size, records, raw })
        };
        sub.groups.iter().map(section).collect()
    }
}

fn word(rec: &[u8], i: usize) -> u32 {
    u32_at(rec, 4 * i).unwrap_or_default()
}

/// A kind of table: its name in messages and the shortest record that has all known fields.
struct Table {
    name: &'static str,
    min_rec_size: u32,
}

const FUNC: Table = Table { name: "func_info", min_rec_size: 8 };
const LINE: Table = Table { name: "line_info", min_rec_size: 16 };
const CORE: Table = Table { name: "core_relo", min_rec_size: 16 };

fn read(data: &[u8], at: usize, foreign: bool) -> Option<u32> {
    u32_at(data, at).map(|w| if foreign { w.swap_bytes() } else { w })
}

/// Where the three tables are, in bytes from the start of the data; empty if absent.
fn tables(data: &[u8], foreign: bool) -> Result<[Range<usize>; 3], BtfError> {
    let hdr_len = read(data, 4, foreign).unwrap_or_default();
    if hdr_len < HEADER_LEN || hdr_len as usize > data.len() {
        return Err(BtfError::BadHeaderLen { hdr_len, len: data.len() });
    }
    let left = data.len() - hdr_len as usize;
    let range = |table: &Table, at: u32| {
        if at + 8 > hdr_len || (at + 8 > HEADER_LEN && hdr_len < HEADER_CORE_LEN) {
            return Ok(0..0);
        }
        let off = read(data, at as usize, foreign).unwrap_or_default();
        let len = read(data, at as usize + 4, foreign).unwrap_or_default();
        let fail = |why| Err(BtfError::BadExt { section: table.name, offset: off, why });
        if len == 0 {
            return Ok(0..0);
        }
        if off % 4 != 0 {
            return fail("is not aligned to 4 bytes");
        }
        if u64::from(off) + u64::from(len) > left as u64 {
            return fail("ends behind the data");
        }
        let start = hdr_len as usize + off as usize;
        Ok(start..start + len as usize)
    };
    Ok([range(&FUNC, 8)?, range(&LINE, 16)?, range(&CORE, 24)?])
}

/// Finds the record groups of a table.
fn groups(data: &[u8], table: &Table, range: Range<usize>, foreign: bool) -> Result<SubSection, BtfError> {
    let mut sub = SubSection::default();
    if range.is_empty() {
        return Ok(sub);
    }
    let start = range.start;
    sub.start = start;
    let fail = |at: usize, why| BtfError::BadExt { section: table.name, offset: (at - start) as u32, why };
    let next = |at: usize| if at + 4 <= range.end { read(data, at, foreign) } else { None };
    sub.rec_size = next(start).ok_or(fail(start, "has no record size"))?;
    if sub.rec_size < table.min_rec_size || sub.rec_size % 4 != 0 {
        return Err(fail(start, "has a wrong record size"));
    }
    let mut at = start + 4;
    while at < range.end {
        let (Some(name_off), Some(count)) = (next(at), next(at + 4)) else {
            return Err(fail(at, "ends inside the header of a section"));
        };
        if count == 0 {
            return Err(fail(at, "has a section without records"));
        }
        let len = u64::from(count) * u64::from(sub.rec_size);
        if len > (range.end - at - 8) as u64 {
            return Err(fail(at, "ends inside the records of a section"));
        }
        let records = at + 8..at + 8 + len as usize;
        at = records.end;
        sub.groups.push(Group { name_off, records });
    }
    Ok(sub)
}

/// Changes the byte order of all known fields; what records have beyond them stays as it is, as libbpf leaves it.
fn swap_in_place(data: &mut [u8], subs: [&SubSection; 3], is_foreign: bool) {
    if let Some(magic) = data.get_mut(..2) {
        magic.reverse();
    }
    let hdr_len = read(data, 4, is_foreign).unwrap_or_default().min(HEADER_CORE_LEN) as usize;
    let mut swap = |range: Range<usize>| {
        for w in data.get_mut(range).unwrap_or_default().chunks_exact_mut(4) {
            w.reverse();
        }
    };
    swap(4..hdr_len / 4 * 4);
    for (sub, table) in subs.into_iter().zip([FUNC, LINE, CORE]).filter(|(sub, _)| sub.rec_size != 0) {
        swap(sub.start..sub.start + 4);
        for range in sub.groups() {
            swap(range.start - 8..range.start);
            for rec in range.step_by(sub.rec_size as usize) {
                swap(rec..rec + table.min_rec_size as usize);
            }
        }
    }
}
