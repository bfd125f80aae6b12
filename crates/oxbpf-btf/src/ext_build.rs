//! Records of functions, lines and relocations in, the bytes of a `.BTF.ext` section out.

use core::ops::Range;

use oxbpf_uapi::consts::CoreReloKind;

use crate::raw::MAGIC;
use crate::{BtfError, BtfExt, FuncInfo, LineInfo, TypeId, ext};

/// BTF.ext in the making.
///
/// Records go to the ELF section whose name's string offset is given, behind those that it has; sections are in the
/// order of their first records, which is how linkers want them.
///
/// ```
/// use oxbpf_btf::{BtfBuilder, BtfExtBuilder, CoreReloKind, FuncInfo, FuncLinkage};
///
/// let mut b = BtfBuilder::new();
/// let proto = b.add_func_proto(0.into())?;
/// let func = b.add_func("handle", FuncLinkage::GLOBAL, proto)?;
/// let (section, access) = (b.add_str("xdp")?, b.add_str("0:1")?);
/// let btf = b.finish()?;
///
/// let mut ext = BtfExtBuilder::new();
/// ext.add_func_info(section, FuncInfo { insn_off: 0, type_id: func });
/// ext.add_core_relo(section, 8, proto, access, CoreReloKind::TYPE_EXISTS);
/// let ext = ext.finish()?;
/// assert_eq!(ext.func_infos(&btf)?[0].name, "xdp");
/// assert_eq!(ext.core_relos(&btf)?[0].records[0].access_str, "0:1");
/// # Ok::<(), oxbpf_btf::BtfError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct BtfExtBuilder {
    tables: [Records; 3],
}

/// The records of one kind by section.
#[derive(Debug, Clone, Default)]
struct Records {
    /// 0 means that of the format.
    rec_size: u32,
    sections: Vec<(u32, Vec<u8>)>,
}

impl Records {
    /// The records of a section, which begins here unless it has some.
    fn section(&mut self, name: u32) -> &mut Vec<u8> {
        let at = self.sections.iter().position(|(n, _)| *n == name).unwrap_or(self.sections.len());
        if at == self.sections.len() {
            self.sections.push((name, Vec::new()));
        }
        &mut self.sections[at].1
    }
}

/// One of the tables of BTF.ext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtTable {
    /// Functions.
    Func,
    /// Source lines.
    Line,
    /// CO-RE relocations.
    Core,
}

impl ExtTable {
    /// Every table, in the order in which they are stored.
    pub const ALL: [Self; 3] = [Self::Func, Self::Line, Self::Core];

    /// Bytes of a record that has the fields of the format and nothing else.
    pub const fn min_rec_size(self) -> u32 {
        match self {
            Self::Func => 8,
            Self::Line | Self::Core => 16,
        }
    }
}

impl BtfExtBuilder {
    /// Without records.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on from existing records, which keep their sizes: what records have beyond the fields of this version is
    /// kept, and is zero in those that are added.
    pub fn from_ext(ext: &BtfExt) -> Self {
        let tables = ext.tables().map(|sub| {
            let bytes = |range: Range<usize>| ext.raw().get(range).unwrap_or_default().to_vec();
            let sections = sub.names().zip(sub.groups().map(bytes)).collect();
            Records { rec_size: sub.rec_size(), sections }
        });
        BtfExtBuilder { tables }
    }

    /// Adds native-endian records of `rec_size` bytes each, as they are.
    ///
    /// # Errors
    /// `BadArgument` if records of another size are there, `bytes` is not a multiple of the size, or the size less than
    /// that of the table's fields.
    pub fn add_records(
        &mut self,
        table: ExtTable,
        section: u32,
        rec_size: u32,
        bytes: &[u8],
    ) -> Result<(), BtfError> {
        let bad = |why| Err(BtfError::BadArgument { what: "records", why });
        let Some(records) = self.tables.get_mut(table as usize) else { return Ok(()) };
        if rec_size < table.min_rec_size() || rec_size % 4 != 0 || bytes.len() % rec_size as usize != 0 {
            return bad("not of that size");
        }
        if records.rec_size != 0 && records.rec_size != rec_size {
            return bad("of another size than those that are there");
        }
        records.rec_size = rec_size;
        records.section(section).extend_from_slice(bytes);
        Ok(())
    }

    fn add(&mut self, table: ExtTable, section: u32, words: &[u32]) {
        let Some(records) = self.tables.get_mut(table as usize) else { return };
        if records.rec_size == 0 {
            records.rec_size = 4 * words.len() as u32;
        }
        let rec_size = records.rec_size as usize;
        let bytes = records.section(section);
        let end = bytes.len() + rec_size;
        bytes.extend(words.iter().flat_map(|w| w.to_ne_bytes()));
        bytes.resize(end, 0);
    }

    /// Adds which function begins at an instruction.
    pub fn add_func_info(&mut self, section: u32, info: FuncInfo) {
        self.add(ExtTable::Func, section, &[info.insn_off, info.type_id.0]);
    }

    /// Adds which source line begins at an instruction.
    pub fn add_line_info(&mut self, section: u32, info: LineInfo) {
        self.add(ExtTable::Line, section, &[info.insn_off, info.file_name_off, info.line_off, info.line_col]);
    }

    /// Adds a CO-RE relocation of the instruction at `insn_off` (bytes from the start of the section); `access` is the
    /// string offset of its path.
    pub fn add_core_relo(
        &mut self,
        section: u32,
        insn_off: u32,
        type_id: TypeId,
        access: u32,
        kind: CoreReloKind,
    ) {
        self.add(ExtTable::Core, section, &[insn_off, type_id.0, access, kind.0]);
    }

    /// The finished section, native-endian; [`BtfExt::set_byte_order`] changes what its bytes are written as.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn finish(&self) -> Result<BtfExt, BtfError> {
        let mut body: Vec<u8> = Vec::new();
        let mut places = Vec::new();
        for records in &self.tables {
            let start = body.len();
            if !records.sections.is_empty() {
                body.extend(records.rec_size.to_ne_bytes());
            }
            for (name, bytes) in &records.sections {
                let count = bytes.len() as u32 / records.rec_size.max(4);
                body.extend([*name, count].iter().flat_map(|w| w.to_ne_bytes()));
                body.extend_from_slice(bytes);
            }
            places.extend([start, body.len() - start]);
        }
        let too_long = |_| BtfError::TooLong { len: body.len() };
        let mut out = MAGIC.to_ne_bytes().to_vec();
        out.extend([1, 0]);
        out.extend(ext::HEADER_CORE_LEN.to_ne_bytes());
        for place in places {
            out.extend(u32::try_from(place).map_err(too_long)?.to_ne_bytes());
        }
        out.append(&mut body);
        BtfExt::parse(out)
    }
}
