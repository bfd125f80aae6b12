//! A BPF object file: bytes in, sections, symbols and relocations out.
//!
//! Accepts what libbpf accepts: 64-bit ELF of either byte order, relocatable, for machine BPF or none (LLVM before 3.9
//! wrote none), with one symbol table. Section data stays where it is; numbers are converted to native order, except
//! for the data of sections, whose reader must look at [`ElfObject::is_little_endian`].

use std::ops::Range;
use std::sync::Arc;

use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader as _, Rel as _, Rela as _, SectionHeader as _, Sym as _};

use crate::error::{ElfError, ElfErrorKind as K};
use crate::names;

type Header = elf::FileHeader64<Endianness>;

/// Relocation types of machine BPF.
pub mod reloc {
    /// Nothing to do.
    pub const R_BPF_NONE: u32 = 0;
    /// The immediates of a 64-bit immediate load.
    pub const R_BPF_64_64: u32 = 1;
    /// Eight bytes of data.
    pub const R_BPF_64_ABS64: u32 = 2;
    /// Four bytes of data.
    pub const R_BPF_64_ABS32: u32 = 3;
    /// Four bytes in `.BTF` or `.BTF.ext` that no loader needs to change.
    pub const R_BPF_64_NODYLD32: u32 = 4;
    /// The immediate of a call.
    pub const R_BPF_64_32: u32 = 10;

    /// Name of a relocation type, if it has one.
    pub fn name(kind: u32) -> Option<&'static str> {
        Some(match kind {
            R_BPF_NONE => "R_BPF_NONE",
            R_BPF_64_64 => "R_BPF_64_64",
            R_BPF_64_ABS64 => "R_BPF_64_ABS64",
            R_BPF_64_ABS32 => "R_BPF_64_ABS32",
            R_BPF_64_NODYLD32 => "R_BPF_64_NODYLD32",
            R_BPF_64_32 => "R_BPF_64_32",
            _ => return None,
        })
    }
}

/// A relocatable ELF object for BPF.
#[derive(Debug)]
pub struct ElfObject<'d> {
    file: Arc<str>,
    little_endian: bool,
    sections: Vec<Section<'d>>,
    symbols: Vec<Symbol<'d>>,
    symtab: u32,
}

/// A section.
#[derive(Clone, Debug)]
pub struct Section<'d> {
    /// Its index; 0 is the null section.
    pub index: u32,
    /// Its name.
    pub name: &'d str,
    /// `SHT_*`.
    pub kind: u32,
    /// `SHF_*`.
    pub flags: u64,
    /// Size in bytes; for `.bss` there is no data.
    pub size: u64,
    /// Its bytes in the file's byte order, none for `SHT_NOBITS`.
    pub data: &'d [u8],
    /// Where in the file the bytes are.
    pub range: Range<usize>,
    /// `sh_link`: for symbol tables the section of their strings.
    pub link: u32,
    /// `sh_info`: for relocations the section that they apply to.
    pub info: u32,
    /// Size of an entry in bytes.
    pub entsize: u64,
    /// What its address must be a multiple of, in bytes; 0 or 1 for any.
    pub align: u64,
}

impl Section<'_> {
    /// Whether it holds instructions.
    pub fn is_exec(&self) -> bool {
        self.flags & elf::SHF_EXECINSTR.0 != 0
    }

    /// Whether it is `SHT_PROGBITS`.
    pub fn is_progbits(&self) -> bool {
        self.kind == elf::SHT_PROGBITS.0
    }

    /// Whether it is `SHT_NOBITS`.
    pub fn is_nobits(&self) -> bool {
        self.kind == elf::SHT_NOBITS.0
    }

    /// Whether it is `SHT_REL` or `SHT_RELA`.
    pub fn is_relocations(&self) -> bool {
        self.kind == elf::SHT_REL.0 || self.kind == elf::SHT_RELA.0
    }
}

/// Where a symbol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymSection {
    /// In another file.
    Undefined,
    /// In a section of this file, by its index.
    Index(u32),
    /// It is an absolute value.
    Absolute,
    /// Uninitialised, to be allocated by a linker.
    Common,
    /// Some other reserved index.
    Reserved(u16),
}

/// Who sees a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Its file.
    Local,
    /// All files.
    Global,
    /// All files, and it gives way to a global one.
    Weak,
    /// Another value.
    Other(u8),
}

/// What a symbol names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    /// Nothing said; undefined symbols have this.
    NoType,
    /// A variable.
    Object,
    /// A function.
    Func,
    /// A section.
    Section,
    /// The source file.
    File,
    /// Another value.
    Other(u8),
}

/// How far a symbol is seen outside its component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// As its binding says.
    Default,
    /// Not outside; processor-specific.
    Internal,
    /// Not outside.
    Hidden,
    /// Outside, and it cannot be replaced.
    Protected,
}

/// A symbol.
#[derive(Clone, Debug)]
pub struct Symbol<'d> {
    /// Its index.
    pub index: u32,
    /// Its name; for sections often "".
    pub name: &'d str,
    /// Who sees it.
    pub binding: Binding,
    /// What it names.
    pub kind: SymbolKind,
    /// How far it is seen.
    pub visibility: Visibility,
    /// Where it is.
    pub section: SymSection,
    /// Byte offset in its section.
    pub value: u64,
    /// Size in bytes, 0 if unknown.
    pub size: u64,
}

impl Symbol<'_> {
    /// Whether it is a global or weak symbol that another file, or the kernel, defines.
    pub fn is_extern(&self) -> bool {
        self.section == SymSection::Undefined
            && matches!(self.binding, Binding::Global | Binding::Weak)
            && self.kind == SymbolKind::NoType
    }

    /// Whether it is hidden or internal.
    pub fn is_hidden(&self) -> bool {
        matches!(self.visibility, Visibility::Hidden | Visibility::Internal)
    }
}

/// A relocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rel {
    /// Byte offset in the section that it applies to.
    pub offset: u64,
    /// Index of the symbol that it refers to.
    pub symbol: u32,
    /// `R_BPF_*`.
    pub kind: u32,
    /// Addend; `None` for `SHT_REL`, where it is in the bytes to be relocated.
    pub addend: Option<i64>,
}

impl<'d> ElfObject<'d> {
    /// Reads a BPF object. `file` is the name for messages.
    ///
    /// # Errors
    /// Not ELF, not 64-bit, not relocatable, not for BPF, truncated, sections outside the file, no symbol table or two.
    pub fn parse(data: &'d [u8], file: &str) -> Result<Self, ElfError> {
        let file: Arc<str> = file.into();
        Self::read(data, &file).map_err(|k| ElfError::new(&file, k))
    }

    fn read(data: &'d [u8], file: &Arc<str>) -> Result<Self, K> {
        check_ident(data)?;
        let header = Header::parse(data)
            .map_err(|_| K::TruncatedHeader { len: data.len(), need: size_of::<Header>() })?;
        let endian = header.endian().map_err(|_| K::BadIdent { field: "EI_DATA", value: 0 })?;
        let (kind, machine) = (header.e_type(endian), header.e_machine(endian));
        if machine != elf::EM_BPF && machine != elf::EM_NONE {
            return Err(K::NotBpf { machine: names::machine(machine) });
        }
        if kind != elf::ET_REL {
            return Err(K::WrongType {
                is: names::file_type(kind),
                wanted: "a relocatable BPF object (`-c`)",
            });
        }
        let sections = read_sections(data, header, endian)?;
        check_overlap(&sections, data.len(), header.e_shoff(endian))?;
        let mut tables = sections.iter().filter(|s| s.kind == elf::SHT_SYMTAB.0);
        let symtab = tables.next().ok_or(K::NoSymbolTable)?;
        if let Some(second) = tables.next() {
            return Err(K::TwoSymbolTables { first: symtab.index, second: second.index });
        }
        let symbols = read_symbols(symtab, &sections, endian)?;
        let symtab = symtab.index;
        Ok(Self {
            file: Arc::clone(file),
            little_endian: endian == Endianness::Little,
            sections,
            symbols,
            symtab,
        })
    }

    /// Name of the file, as the caller gave it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Whether numbers in section data are little-endian.
    pub fn is_little_endian(&self) -> bool {
        self.little_endian
    }

    /// Whether section data is in another byte order than this machine's.
    pub fn is_foreign_endian(&self) -> bool {
        self.little_endian != cfg!(target_endian = "little")
    }

    /// All sections, by index, the null section first.
    pub fn sections(&self) -> &[Section<'d>] {
        &self.sections
    }

    /// The section with this index.
    pub fn section(&self, index: u32) -> Option<&Section<'d>> {
        self.sections.get(index as usize)
    }

    /// The first section with this name.
    pub fn section_by_name(&self, name: &str) -> Option<&Section<'d>> {
        self.sections.iter().find(|s| s.index != 0 && s.name == name)
    }

    /// All symbols, by index, the null symbol first.
    pub fn symbols(&self) -> &[Symbol<'d>] {
        &self.symbols
    }

    /// The symbol with this index.
    pub fn symbol(&self, index: u32) -> Option<&Symbol<'d>> {
        self.symbols.get(index as usize)
    }

    /// Index of the symbol table's section.
    pub fn symtab_index(&self) -> u32 {
        self.symtab
    }

    /// Section that a symbol is in, if it is in one.
    pub fn section_of(&self, symbol: &Symbol<'_>) -> Option<&Section<'d>> {
        match symbol.section {
            SymSection::Index(i) => self.section(i),
            _ => None,
        }
    }

    /// Name of a symbol for a message: a section symbol without a name is called like its section.
    pub fn symbol_label(&self, symbol: &Symbol<'d>) -> &'d str {
        match self.section_of(symbol) {
            Some(section) if symbol.name.is_empty() => section.name,
            _ => symbol.name,
        }
    }

    /// The relocations of a relocation section, in file order.
    ///
    /// # Errors
    /// `BadSection` if it is not a relocation section or its size is not a multiple of its entries'.
    pub fn relocations(&self, section: &Section<'d>) -> Result<Vec<Rel>, ElfError> {
        let endian = if self.little_endian { Endianness::Little } else { Endianness::Big };
        let bad = |why| ElfError::new(&self.file, bad_section(section, why));
        let odd = "its size is not a multiple of a relocation's";
        if section.kind == elf::SHT_REL.0 {
            let rels: &[elf::Rel64<Endianness>] = as_slice(section.data).ok_or_else(|| bad(odd))?;
            let rel = |r: &elf::Rel64<Endianness>| Rel {
                offset: r.r_offset(endian),
                symbol: r.r_sym(endian),
                kind: r.r_type(endian).0,
                addend: None,
            };
            Ok(rels.iter().map(rel).collect())
        } else if section.kind == elf::SHT_RELA.0 {
            let rels: &[elf::Rela64<Endianness>] = as_slice(section.data).ok_or_else(|| bad(odd))?;
            let rel = |r: &elf::Rela64<Endianness>| Rel {
                offset: r.r_offset(endian),
                symbol: r.r_sym(endian, false),
                kind: r.r_type(endian, false).0,
                addend: Some(r.r_addend(endian)),
            };
            Ok(rels.iter().map(rel).collect())
        } else {
            Err(bad("it is not a relocation section"))
        }
    }
}

/// Says precisely what is wrong with the first 16 bytes, if anything.
pub(crate) fn check_ident(data: &[u8]) -> Result<(), K> {
    if data.is_empty() {
        return Err(K::Empty);
    }
    if !data.starts_with(&elf::ELFMAG) {
        let first = data.get(..data.len().min(8)).unwrap_or_default();
        let start = if first.iter().all(|b| b.is_ascii_graphic() || *b == b' ') {
            format!("\"{}\"", first.escape_ascii())
        } else {
            first.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")
        };
        return Err(K::NotElf { start });
    }
    let &[_, _, _, _, class, order, version, ..] = data else {
        return Err(K::TruncatedHeader { len: data.len(), need: size_of::<Header>() });
    };
    match class {
        2 => {}
        1 => return Err(K::Class32),
        value => return Err(K::BadIdent { field: "EI_CLASS", value }),
    }
    if !matches!(order, 1 | 2) {
        return Err(K::BadIdent { field: "EI_DATA", value: order });
    }
    if version != 1 {
        return Err(K::BadIdent { field: "EI_VERSION", value: version });
    }
    if data.len() < size_of::<Header>() {
        return Err(K::TruncatedHeader { len: data.len(), need: size_of::<Header>() });
    }
    Ok(())
}

fn bad_section(s: &Section<'_>, why: &'static str) -> K {
    let offset = s.range.start as u64;
    K::BadSection { index: s.index, name: s.name.to_owned(), offset, size: s.size, why }
}

fn as_slice<T: object::pod::Pod>(data: &[u8]) -> Option<&[T]> {
    object::pod::slice_from_all_bytes(data).ok()
}

fn read_sections<'d>(data: &'d [u8], header: &Header, endian: Endianness) -> Result<Vec<Section<'d>>, K> {
    let offset = header.e_shoff(endian);
    let bad = |count, why| K::BadSectionTable { offset, count, why };
    let claimed = u64::from(header.e_shnum(endian));
    let headers = header
        .section_headers(endian, data)
        .map_err(|_| bad(claimed, "it is outside the file; the file is truncated"))?;
    let count = headers.len() as u64;
    if headers.is_empty() {
        return Err(bad(0, "there are no sections"));
    }
    let names_index = header
        .shstrndx(endian, data)
        .map_err(|_| bad(count, "the index of the section that holds section names is invalid"))?;
    let names = headers
        .get(names_index as usize)
        .and_then(|h| h.data(endian, data).ok())
        .ok_or_else(|| bad(count, "the section that holds section names is missing or outside the file"))?;
    headers.iter().enumerate().map(|(i, h)| read_section(data, h, i as u32, names, endian)).collect()
}

/// Refuses files whose sections share their bytes many times over: what is built from them would need far more memory
/// than the file has bytes.
fn check_overlap(sections: &[Section<'_>], len: usize, offset: u64) -> Result<(), K> {
    let claimed: u64 = sections.iter().map(|s| s.data.len() as u64).sum();
    if claimed > (len as u64).saturating_mul(2) {
        let count = sections.len() as u64;
        return Err(K::BadSectionTable { offset, count, why: "its sections overlap" });
    }
    Ok(())
}

fn read_section<'d>(
    data: &'d [u8],
    h: &elf::SectionHeader64<Endianness>,
    index: u32,
    names: &'d [u8],
    endian: Endianness,
) -> Result<Section<'d>, K> {
    let (offset, size) = (h.sh_offset(endian), h.sh_size(endian));
    let name = names::string_at(names, h.sh_name(endian)).and_then(|n| std::str::from_utf8(n).ok());
    let bad = |why| K::BadSection { index, name: name.unwrap_or("?").to_owned(), offset, size, why };
    // The null section's fields mean other things: its size and link extend the header's counts.
    let is_null = index == 0;
    let has_data = !is_null && h.sh_type(endian) != elf::SHT_NOBITS && h.sh_type(endian) != elf::SHT_NULL;
    let range = if has_data {
        let start = usize::try_from(offset).ok();
        let end = offset.checked_add(size).and_then(|e| usize::try_from(e).ok());
        match (start, end) {
            (Some(start), Some(end)) if end <= data.len() => start..end,
            _ => return Err(bad("its data is outside the file; the file is truncated")),
        }
    } else {
        0..0
    };
    Ok(Section {
        index,
        name: match name {
            Some(name) => name,
            None if is_null => "",
            None => return Err(bad("its name is outside the section names, or not UTF-8")),
        },
        kind: h.sh_type(endian).0,
        flags: h.sh_flags(endian).0,
        size,
        data: data.get(range.clone()).unwrap_or_default(),
        range,
        link: h.sh_link(endian),
        info: h.sh_info(endian),
        entsize: h.sh_entsize(endian),
        align: h.sh_addralign(endian),
    })
}

fn read_symbols<'d>(
    table: &Section<'d>,
    sections: &[Section<'d>],
    endian: Endianness,
) -> Result<Vec<Symbol<'d>>, K> {
    if table.entsize != size_of::<elf::Sym64<Endianness>>() as u64 {
        return Err(bad_section(table, "its entries are not of a 64-bit symbol's size"));
    }
    let syms: &[elf::Sym64<Endianness>] =
        as_slice(table.data).ok_or_else(|| bad_section(table, "its size is not a multiple of a symbol's"))?;
    let strings = sections
        .get(table.link as usize)
        .filter(|s| s.index != 0 && s.kind == elf::SHT_STRTAB.0)
        .ok_or_else(|| bad_section(table, "the section of its strings is missing"))?;
    // Files with more than 65,279 sections keep the indices that do not fit elsewhere.
    let wide: &[object::U32<Endianness>] = sections
        .iter()
        .find(|s| s.kind == elf::SHT_SYMTAB_SHNDX.0 && s.link == table.index)
        .and_then(|s| as_slice(s.data))
        .unwrap_or_default();
    let symbol = |(i, sym): (usize, &elf::Sym64<Endianness>)| {
        let index = i as u32;
        let bad = |why| K::BadSymbol { section: table.name.to_owned(), index, why };
        let name = names::string_at(strings.data, sym.st_name(endian))
            .ok_or_else(|| bad("its name is outside the strings"))?;
        let shndx = sym.st_shndx(endian);
        let section = match shndx {
            elf::SHN_UNDEF => SymSection::Undefined,
            elf::SHN_ABS => SymSection::Absolute,
            elf::SHN_COMMON => SymSection::Common,
            elf::SHN_XINDEX => {
                let at = wide.get(i).ok_or_else(|| bad("its extended section index is missing"))?;
                SymSection::Index(at.get(endian))
            }
            _ if shndx.is_special() => SymSection::Reserved(shndx.0),
            _ => SymSection::Index(u32::from(shndx.0)),
        };
        if matches!(section, SymSection::Index(to) if to as usize >= sections.len()) {
            return Err(bad("its section does not exist"));
        }
        Ok(Symbol {
            index,
            name: std::str::from_utf8(name).map_err(|_| bad("its name is not UTF-8"))?,
            binding: match sym.st_bind() {
                elf::STB_LOCAL => Binding::Local,
                elf::STB_GLOBAL => Binding::Global,
                elf::STB_WEAK => Binding::Weak,
                other => Binding::Other(other.0),
            },
            kind: match sym.st_type() {
                elf::STT_NOTYPE => SymbolKind::NoType,
                elf::STT_OBJECT => SymbolKind::Object,
                elf::STT_FUNC => SymbolKind::Func,
                elf::STT_SECTION => SymbolKind::Section,
                elf::STT_FILE => SymbolKind::File,
                other => SymbolKind::Other(other.0),
            },
            visibility: match sym.st_visibility() {
                elf::STV_INTERNAL => Visibility::Internal,
                elf::STV_HIDDEN => Visibility::Hidden,
                elf::STV_PROTECTED => Visibility::Protected,
                _ => Visibility::Default,
            },
            section,
            value: sym.st_value(endian),
            size: sym.st_size(endian),
        })
    };
    syms.iter().enumerate().map(symbol).collect()
}
