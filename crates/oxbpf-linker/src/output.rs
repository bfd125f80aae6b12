//! The linked object: sections, symbols and strings in the making, and the bytes of the file.

use std::collections::HashMap;

use oxbpf_btf::{ByteOrder, ExtTable, TypeId};

use crate::error::LinkError;
use crate::input::kind;

/// `ET_REL`.
const RELOCATABLE: u16 = 1;
/// `EM_BPF`.
const MACHINE_BPF: u16 = 247;
/// Bytes of the file's header, of a section's, and of a symbol.
const HEADER_LEN: u64 = 64;
const SECTION_LEN: u64 = 64;
const SYMBOL_LEN: u64 = 24;
/// Section numbers from here on mean other things (`SHN_LORESERVE`).
pub(crate) const MAX_SECTIONS: usize = 0xff00;

/// The sections that every linked object begins with.
pub(crate) const STRTAB: u32 = 1;
pub(crate) const SYMTAB: u32 = 2;

/// Strings that are stored once, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Strings {
    bytes: Vec<u8>,
    at: HashMap<Box<str>, u32>,
}

impl Strings {
    fn new() -> Self {
        Self { bytes: vec![0], at: HashMap::from([("".into(), 0)]) }
    }

    pub(crate) fn add(&mut self, s: &str) -> u32 {
        if let Some(at) = self.at.get(s) {
            return *at;
        }
        let at = self.bytes.len() as u32;
        self.bytes.extend_from_slice(s.as_bytes());
        self.bytes.push(0);
        self.at.insert(s.into(), at);
        at
    }
}

/// The header of a section that is in the file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head {
    /// Its number in the file.
    pub(crate) index: u32,
    pub(crate) name: u32,
    pub(crate) kind: u32,
    pub(crate) flags: u64,
    pub(crate) link: u32,
    pub(crate) info: u32,
    pub(crate) align: u64,
    pub(crate) entsize: u64,
}

/// A variable in a data section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutVar {
    pub(crate) id: TypeId,
    pub(crate) offset: u32,
    pub(crate) size: u32,
}

/// Records of BTF.ext that belong to one section.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    pub(crate) rec_size: u32,
    pub(crate) bytes: Vec<u8>,
}

/// A section of the linked object, or the mere name of one that only types know.
#[derive(Debug, Default)]
pub(crate) struct OutSection {
    pub(crate) name: String,
    /// Absent while no file has it.
    pub(crate) head: Option<Head>,
    /// Bytes; more than `data` has in a section without contents.
    pub(crate) size: u64,
    pub(crate) data: Vec<u8>,
    /// The symbol that stands for it.
    pub(crate) symbol: Option<u32>,
    /// Whether types list it.
    pub(crate) is_listed: bool,
    pub(crate) vars: Vec<OutVar>,
    pub(crate) records: [Records; 3],
    /// Number of the object that it comes from first.
    pub(crate) first: usize,
}

impl OutSection {
    pub(crate) fn records(&mut self, table: ExtTable) -> &mut Records {
        let [func, line, core] = &mut self.records;
        match table {
            ExtTable::Func => func,
            ExtTable::Line => line,
            ExtTable::Core => core,
        }
    }

    pub(crate) fn index(&self) -> u32 {
        self.head.map_or(0, |h| h.index)
    }
}

/// A symbol as it is stored.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OutSymbol {
    pub(crate) name: u32,
    /// Binding and kind.
    pub(crate) info: u8,
    /// Visibility.
    pub(crate) other: u8,
    pub(crate) section: u16,
    pub(crate) value: u64,
    pub(crate) size: u64,
}

/// The linked object in the making.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) strings: Strings,
    pub(crate) sections: Vec<OutSection>,
    pub(crate) symbols: Vec<OutSymbol>,
    by_name: HashMap<String, usize>,
    /// Sections that are in the file.
    count: u32,
}

impl Output {
    pub(crate) fn new() -> Self {
        let mut out = Self {
            strings: Strings::new(),
            sections: Vec::new(),
            symbols: vec![OutSymbol::default()],
            by_name: HashMap::new(),
            count: 1,
        };
        for (name, kind, align, entsize) in
            [(".strtab", kind::STRTAB, 1, 0), (".symtab", kind::SYMTAB, 8, SYMBOL_LEN)]
        {
            let at = out.add_section(name, 0);
            // `SHF_STRINGS`.
            let flags = if kind == kind::STRTAB { 0x20 } else { 0 };
            out.place(at, Head { kind, flags, align, entsize, ..Head::default() });
        }
        if let Some(head) = out.sections.get_mut(1).and_then(|s| s.head.as_mut()) {
            head.link = STRTAB;
        }
        out
    }

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn add_section(&mut self, name: &str, first: usize) -> usize {
        let at = self.sections.len();
        self.by_name.insert(name.to_owned(), at);
        self.sections.push(OutSection { name: name.to_owned(), first, ..OutSection::default() });
        at
    }

    /// Gives a section its place in the file.
    pub(crate) fn place(&mut self, at: usize, head: Head) {
        let Some(section) = self.sections.get_mut(at) else { return };
        let name = self.strings.add(&section.name);
        section.head = Some(Head { index: self.count, name, ..head });
        self.count += 1;
    }

    pub(crate) fn check_size(&self) -> Result<(), LinkError> {
        if self.count as usize >= MAX_SECTIONS {
            return Err(LinkError::Result(format!("{} sections are too many", self.count)));
        }
        let bytes: usize = self.strings.bytes.len() + self.symbols.len() * SYMBOL_LEN as usize;
        if u32::try_from(bytes).is_err() {
            return Err(LinkError::Result("its symbols take more than 4 GiB".into()));
        }
        Ok(())
    }

    /// The bytes of the file.
    pub(crate) fn write(mut self, order: ByteOrder) -> Vec<u8> {
        let mut symtab =
            Writer { bytes: Vec::with_capacity(self.symbols.len() * SYMBOL_LEN as usize), order };
        for symbol in &self.symbols {
            symtab.u32(symbol.name);
            symtab.bytes.extend([symbol.info, symbol.other]);
            symtab.u16(symbol.section);
            symtab.u64(symbol.value);
            symtab.u64(symbol.size);
        }
        for (at, bytes) in [(0, self.strings.bytes), (1, symtab.bytes)] {
            if let Some(section) = self.sections.get_mut(at) {
                section.size = bytes.len() as u64;
                section.data = bytes;
            }
        }
        let mut in_file: Vec<(Head, OutSection)> =
            self.sections.into_iter().filter_map(|s| Some((s.head?, s))).collect();
        in_file.sort_by_key(|(head, _)| head.index);
        write_file(order, &in_file)
    }
}

fn write_file(order: ByteOrder, sections: &[(Head, OutSection)]) -> Vec<u8> {
    let mut at = HEADER_LEN;
    let mut offsets = Vec::with_capacity(sections.len());
    for (head, section) in sections {
        at = at.next_multiple_of(head.align.max(1));
        offsets.push(at);
        if head.kind != kind::NOBITS {
            at += section.size;
        }
    }
    let table = at.next_multiple_of(8);
    let total = table + SECTION_LEN * (sections.len() as u64 + 1);
    let mut w = Writer { bytes: Vec::with_capacity(total as usize), order };
    let order_byte = if order == ByteOrder::Little { 1 } else { 2 };
    w.bytes.extend([0x7f, b'E', b'L', b'F', 2, order_byte, 1]);
    w.pad_to(16);
    w.u16(RELOCATABLE);
    w.u16(MACHINE_BPF);
    w.u32(1);
    w.u64(0);
    w.u64(0);
    w.u64(table);
    w.u32(0);
    w.u16(HEADER_LEN as u16);
    w.u16(0);
    w.u16(0);
    w.u16(SECTION_LEN as u16);
    w.u16(sections.len() as u16 + 1);
    w.u16(STRTAB as u16);
    for ((head, section), offset) in sections.iter().zip(&offsets) {
        if head.kind != kind::NOBITS {
            w.pad_to(*offset);
            w.bytes.extend_from_slice(&section.data);
        }
    }
    w.pad_to(table + SECTION_LEN);
    for ((head, section), offset) in sections.iter().zip(&offsets) {
        w.u32(head.name);
        w.u32(head.kind);
        w.u64(head.flags);
        w.u64(0);
        w.u64(*offset);
        w.u64(section.size);
        w.u32(head.link);
        w.u32(head.info);
        w.u64(head.align);
        w.u64(head.entsize);
    }
    w.bytes
}

/// Writes numbers in the object's byte order.
struct Writer {
    bytes: Vec<u8>,
    order: ByteOrder,
}

macro_rules! number {
    ($($name:ident),*) => {
        $(fn $name(&mut self, value: $name) {
            self.bytes.extend_from_slice(&match self.order {
                ByteOrder::Little => value.to_le_bytes(),
                ByteOrder::Big => value.to_be_bytes(),
            });
        })*
    };
}

impl Writer {
    number!(u16, u32, u64);

    fn pad_to(&mut self, len: u64) {
        self.bytes.resize(len as usize, 0);
    }
}
