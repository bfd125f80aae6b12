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

    fn add(&mut self, table: usize, section: u32, words: &[u32]) {
        let Some(records) = self.tables.get_mut(table) else { return };
        if records.rec_size == 0 {
            records.rec_size = 4 * words.len() as u32;
        }
        let at = match records.sections.iter().position(|(name, _)| *name == section) {
            Some(at) => at,
            None => {
                records.sections.push((section, Vec::new()));
                records.sections.len() - 1
            }
        };
        let Some((_, bytes)) = records.sections.get_mut(at) else { return };
        let end = bytes.len() + records.rec_size as usize;
        bytes.extend(words.iter().flat_map(|w| w.to_ne_bytes()));
        bytes.resize(end, 0);
    }

    /// Adds which function begins at an instruction.
    pub fn add_func_info(&mut self, section: u32, info: FuncInfo) {
        self.add(0, section, &[info.insn_off, info.type_id.0]);
    }

    /// Adds which source line begins at an instruction.
    pub fn add_line_info(&mut self, section: u32, info: LineInfo) {
        self.add(1, section, &[info.insn_off, info.file_name_off, info.line_off, info.line_col]);
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
        self.add(2, section, &[insn_off, type_id.0, access, kind.0]);
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
