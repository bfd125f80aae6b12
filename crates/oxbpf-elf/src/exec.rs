//! Executables and libraries: a function's name in, the file offset that a user-space probe needs out.
//!
//! The kernel places a probe by file and offset, so a symbol's address is turned into the place in the file that is
//! mapped there. `.dynsym` is searched first and `.symtab` only if it has nothing of that name, as libbpf does.

use std::sync::Arc;

use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader as _, SectionHeader};

use crate::data::Data;
use crate::error::{ElfError, ElfErrorKind as K};
use crate::names;
use crate::object::check_ident;
use crate::symbols::{RawSym, SymTable};

/// The longest ELF header.
const MAX_HEADER: u64 = 64;

/// An executable, a shared library, or any other ELF file of 32 or 64 bits whose functions or sections are wanted.
#[derive(Debug)]
pub struct ExecFile<'d> {
    pub(crate) file: Arc<str>,
    pub(crate) data: Data<'d>,
    is_shared: bool,
    is_64: bool,
    machine: elf::Machine,
    pub(crate) sections: Vec<Sec<'d>>,
    pub(crate) segments: Vec<Segment>,
    pub(crate) endian: Endianness,
    dynsym: Option<SymTable<'d>>,
    symtab: Option<SymTable<'d>>,
}

/// A section, as much of it as is needed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sec<'d> {
    pub(crate) name: &'d [u8],
    pub(crate) kind: elf::SectionType,
    pub(crate) address: u64,
    offset: u64,
    size: u64,
    link: u32,
}

/// A part of the file that is mapped into memory, or that holds notes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) kind: elf::ProgramType,
    pub(crate) address: u64,
    pub(crate) offset: u64,
    /// Bytes in the file.
    pub(crate) size: u64,
    /// Bytes in memory, with those that are zero and not in the file.
    pub(crate) memory_size: u64,
    pub(crate) is_executable: bool,
}

/// A function of an executable or library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecFunc<'d> {
    /// Name, in `.symtab` possibly with `@` and a version.
    pub name: &'d str,
    /// Version, if the dynamic symbol has one.
    pub version: Option<&'d str>,
    /// Offset of its first instruction in the file, in bytes.
    pub file_offset: u64,
    /// Address as the file says it; a shared library is loaded elsewhere.
    pub address: u64,
    /// Bytes, 0 if unknown.
    pub size: u64,
    /// Whether this is a resolver (`STT_GNU_IFUNC`), which runs once to choose the real function.
    pub is_ifunc: bool,
    is_weak: bool,
    is_default: bool,
}

impl<'d> ExecFile<'d> {
    /// Reads an ELF file. `file` is the name for messages.
    ///
    /// # Errors
    /// Not ELF, or truncated. A file without symbols is no error.
    pub fn parse(data: impl Into<Data<'d>>, file: &str) -> Result<Self, ElfError> {
        let file: Arc<str> = file.into();
        Self::read(data.into(), &file).map_err(|k| ElfError::new(&file, k))
    }

    fn read(data: Data<'d>, file: &Arc<str>) -> Result<Self, K> {
        match check_ident(data.up_to(0, MAX_HEADER).unwrap_or_default()) {
            Ok(()) => Self::read_class::<elf::FileHeader64<Endianness>>(data, file),
            Err(K::Class32) => Self::read_class::<elf::FileHeader32<Endianness>>(data, file),
            Err(e) => Err(e),
        }
    }

    fn read_class<H: FileHeader<Endian = Endianness>>(data: Data<'d>, file: &Arc<str>) -> Result<Self, K> {
        let header = H::parse(data).map_err(|_| K::TruncatedHeader {
            len: usize::try_from(data.len()).unwrap_or(usize::MAX),
            need: size_of::<H>(),
        })?;
        let endian = header.endian().map_err(|_| K::BadIdent { field: "EI_DATA", value: 0 })?;
        let bad = |offset: u64, count: u64, why| K::BadSectionTable { offset, count, why };
        let (at, count) = (header.e_shoff(endian).into(), u64::from(header.e_shnum(endian)));
        let headers = header
            .section_headers(endian, data)
            .map_err(|_| bad(at, count, "it is outside the file; the file is truncated"))?;
        let names = header
            .shstrndx(endian, data)
            .ok()
            .and_then(|i| headers.get(i as usize))
            .and_then(|h| h.data(endian, data).ok())
            .unwrap_or_default();
        let sections: Vec<Sec<'d>> = headers.iter().map(|h| section(h, names, endian)).collect();
        // A file of debug information has program headers of the file that it belongs to, and nothing behind them.
        let segments = header.program_headers(endian, data).unwrap_or_default();
        let segments = segments
            .iter()
            .map(|p| Segment {
                kind: p.p_type(endian),
                address: p.p_vaddr(endian).into(),
                offset: p.p_offset(endian).into(),
                size: p.p_filesz(endian).into(),
                memory_size: p.p_memsz(endian).into(),
                is_executable: p.p_flags(endian).0 & elf::PF_X.0 != 0,
            })
            .collect();
        let mut exec = Self {
            file: Arc::clone(file),
            data,
            is_shared: header.e_type(endian) == elf::ET_DYN,
            is_64: header.is_type_64(),
            machine: header.e_machine(endian),
            sections,
            segments,
            endian,
            dynsym: None,
            symtab: None,
        };
        exec.dynsym = exec.table(elf::SHT_DYNSYM);
        exec.symtab = exec.table(elf::SHT_SYMTAB);
        Ok(exec)
    }

    /// Whether it is a shared library or a position-independent executable, whose addresses are relative.
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Whether its addresses have 64 bits.
    pub fn is_64(&self) -> bool {
        self.is_64
    }

    /// Whether its numbers have the highest byte first.
    pub fn is_big_endian(&self) -> bool {
        self.endian == Endianness::Big
    }

    /// Number of the machine that it is for, `EM_*`.
    pub fn machine(&self) -> u16 {
        self.machine.0
    }

    /// Whether it has any symbols to look functions up in.
    pub fn has_symbols(&self) -> bool {
        self.dynsym.is_some() || self.symtab.is_some()
    }

    /// The bytes of the first section with this name, such as `.BTF`.
    pub fn section(&self, name: &str) -> Option<&'d [u8]> {
        self.sections.iter().find(|s| s.name == name.as_bytes()).and_then(|s| self.bytes(s))
    }

    /// The build id that the linker gave, usually 20 bytes.
    pub fn build_id(&self) -> Option<&'d [u8]> {
        let sections = self.sections.iter().filter(|s| s.kind == elf::SHT_NOTE).map(|s| (s.offset, s.size));
        let segments = self.segments.iter().filter(|s| s.kind == elf::PT_NOTE).map(|s| (s.offset, s.size));
        sections.chain(segments).find_map(|(offset, size)| self.build_id_in(self.data.bytes(offset, size)?))
    }

    /// Path of the dynamic linker that an executable asks for.
    pub fn interpreter(&self) -> Option<&'d str> {
        let segment = self.segments.iter().find(|s| s.kind == elf::PT_INTERP)?;
        let bytes = self.data.bytes(segment.offset, segment.size)?;
        names::string_at(bytes, 0).and_then(|n| std::str::from_utf8(n).ok())
    }

    /// The file offset of an address, if the file has bytes for it.
    pub fn file_offset(&self, address: u64) -> Option<u64> {
        let holds =
            |s: &&Segment| s.kind == elf::PT_LOAD && address >= s.address && address - s.address < s.size;
        let segment = self.segments.iter().find(holds)?;
        segment.offset.checked_add(address - segment.address)
    }

    /// The function with this name: `name`, or `name@VERSION` or `name@@VERSION` for one version of a library's.
    ///
    /// Of several versions the one that the linker would take is chosen, and a strong symbol before a weak one.
    /// Resolvers (`STT_GNU_IFUNC`) count only if there is nothing else.
    ///
    /// # Errors
    /// `NoSuchSymbol` (`ENOENT`); `Ambiguous` if two functions have equal claims to the name.
    #[doc(alias = "elf_find_func_offset")]
    pub fn func(&self, name: &str) -> Result<ExecFunc<'d>, ElfError> {
        let (base, version) = match name.split_once('@') {
            Some((base, version)) => (base, Some(version.strip_prefix('@').unwrap_or(version))),
            None => (name, None),
        };
        for table in [self.dynsym, self.symtab].into_iter().flatten() {
            let named = table.named(base);
            let mut found: Vec<ExecFunc<'d>> = named
                .iter()
                .filter_map(|s| self.func_of(table, s, table.name(s)))
                .filter(|f| f.is_called(base, version))
                .collect();
            if found.iter().any(|f| !f.is_ifunc) {
                found.retain(|f| !f.is_ifunc);
            }
            if let Some(best) = self.choose(name, &found)? {
                return Ok(best);
            }
        }
        let hint = if self.has_symbols() { "" } else { "; the file has no symbols" };
        Err(ElfError::new(&self.file, K::NoSuchSymbol { name: name.to_owned(), hint }))
    }

    /// The functions whose names `matches` says yes to, by ascending file offset, without two of one offset.
    ///
    /// `.symtab` is looked at only if nothing in `.dynsym` matches, as libbpf does.
    pub fn funcs(&self, mut matches: impl FnMut(&str) -> bool) -> Vec<ExecFunc<'d>> {
        for table in [self.dynsym, self.symtab].into_iter().flatten() {
            let mut found: Vec<ExecFunc<'d>> = table
                .iter()
                .filter(|(s, name)| s.info.st_type() == elf::STT_FUNC && matches(name))
                .filter_map(|(s, name)| self.func_of(table, &s, name))
                .collect();
            found.sort_by_key(|f| f.file_offset);
            found.dedup_by_key(|f| f.file_offset);
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }

    /// The functions whose names match a pattern with `*` and `?`; see [`ExecFile::funcs`].
    #[doc(alias = "elf_resolve_pattern_offsets")]
    pub fn funcs_by_glob(&self, pattern: &str) -> Vec<ExecFunc<'d>> {
        self.funcs(|name| glob_match(name, pattern))
    }

    /// Of functions with the name asked for, the one that is meant.
    fn choose(&self, name: &str, found: &[ExecFunc<'d>]) -> Result<Option<ExecFunc<'d>>, ElfError> {
        let rank = |f: &ExecFunc<'_>| (f.is_default, !f.is_weak);
        // The first of equals, as in libbpf.
        let Some(best) = found.iter().rev().max_by_key(|f| rank(f)) else { return Ok(None) };
        let rival = found.iter().find(|f| rank(f) == rank(best) && f.file_offset != best.file_offset);
        match rival {
            Some(rival) if !best.is_weak => {
                let (first, second) = (best.file_offset, rival.file_offset);
                Err(ElfError::new(&self.file, K::Ambiguous { name: name.to_owned(), first, second }))
            }
            _ => Ok(Some(*best)),
        }
    }

    /// A symbol as a function, if it is one that the file has code for.
    fn func_of(&self, table: SymTable<'d>, sym: &RawSym, name: &'d str) -> Option<ExecFunc<'d>> {
        let kind = sym.info.st_type();
        if kind != elf::STT_FUNC && kind != elf::STT_GNU_IFUNC {
            return None;
        }
        let index = usize::from(sym.section);
        let section = self.sections.get(index).filter(|_| index != 0)?;
        let in_section = sym.value.checked_sub(section.address).filter(|o| *o < section.size);
        let file_offset = match in_section {
            Some(o) if section.kind != elf::SHT_NOBITS => section.offset.checked_add(o)?,
            _ => self.file_offset(sym.value)?,
        };
        let (version, is_default) = table.version(sym);
        Some(ExecFunc {
            name,
            version,
            file_offset,
            address: sym.value,
            size: sym.size,
            is_ifunc: kind == elf::STT_GNU_IFUNC,
            is_weak: sym.info.st_bind() == elf::STB_WEAK,
            is_default,
        })
    }

    /// A symbol table with what belongs to it.
    fn table(&self, kind: elf::SectionType) -> Option<SymTable<'d>> {
        let (index, section) = self.sections.iter().enumerate().find(|(_, s)| s.kind == kind)?;
        let of = |kind: elf::SectionType| {
            let section = self.sections.iter().find(|s| s.kind == kind && s.link as usize == index);
            section.and_then(|s| self.contents(s))
        };
        let linked = |s: &Sec<'d>| self.sections.get(s.link as usize).and_then(|s| self.contents(s));
        let versym = of(elf::SHT_GNU_VERSYM);
        let verdef = self.sections.iter().find(|s| s.kind == elf::SHT_GNU_VERDEF && versym.is_some());
        Some(SymTable {
            is_64: self.is_64,
            endian: self.endian,
            entries: self.contents(section)?,
            strings: linked(section)?,
            versym,
            verdef: verdef.and_then(|s| self.contents(s)),
            verdef_strings: verdef.and_then(linked),
            gnu_hash: of(elf::SHT_GNU_HASH),
            sysv_hash: of(elf::SHT_HASH),
        })
    }

    fn contents(&self, section: &Sec<'d>) -> Option<Data<'d>> {
        if section.kind == elf::SHT_NOBITS {
            return None;
        }
        self.data.part(section.offset, section.size)
    }

    pub(crate) fn bytes(&self, section: &Sec<'d>) -> Option<&'d [u8]> {
        self.contents(section).and_then(|d| d.bytes(0, d.len()))
    }

    /// The build id among notes: each is three numbers (length of name and contents, type), name and contents, both
    /// padded to 4 bytes.
    fn build_id_in(&self, mut notes: &'d [u8]) -> Option<&'d [u8]> {
        const GNU_BUILD_ID: u32 = 3;
        loop {
            let (head, rest) = notes.split_first_chunk::<12>()?;
            let word = |i: usize| {
                let bytes = head.get(4 * i..)?.first_chunk::<4>()?;
                Some(match self.endian {
                    Endianness::Little => u32::from_le_bytes(*bytes),
                    Endianness::Big => u32::from_be_bytes(*bytes),
                })
            };
            let (name_len, len, kind) = (word(0)? as usize, word(1)? as usize, word(2)?);
            let body = rest.get(name_len.checked_next_multiple_of(4)?..)?;
            if kind == GNU_BUILD_ID && rest.get(..name_len) == Some(b"GNU\0") {
                return body.get(..len).filter(|id| !id.is_empty());
            }
            notes = body.get(len.checked_next_multiple_of(4)?..)?;
        }
    }
}

impl ExecFunc<'_> {
    /// Whether it is what a user calls by this name and version.
    fn is_called(&self, base: &str, version: Option<&str>) -> bool {
        let Some(rest) = self.name.strip_prefix(base) else { return false };
        // The static symbol table has versions as part of the names.
        let own = rest.strip_prefix('@').map(|v| v.strip_prefix('@').unwrap_or(v));
        if !rest.is_empty() && own.is_none() {
            return false;
        }
        match version {
            None => true,
            Some(version) => own.or(self.version) == Some(version),
        }
    }
}

fn section<'d, S: SectionHeader<Endian = Endianness>>(h: &S, names: &'d [u8], endian: Endianness) -> Sec<'d> {
    Sec {
        name: names::string_at(names, h.sh_name(endian)).unwrap_or_default(),
        kind: h.sh_type(endian),
        address: h.sh_addr(endian).into(),
        offset: h.sh_offset(endian).into(),
        size: h.sh_size(endian).into(),
        link: h.sh_link(endian),
    }
}

/// Whether a name matches a pattern in which `*` stands for any letters and `?` for any one.
pub fn glob_match(name: &str, pattern: &str) -> bool {
    let (name, pattern) = (name.as_bytes(), pattern.as_bytes());
    let (mut n, mut p) = (0, 0);
    // Where to go on if the letters after the last star do not fit: one letter further into the name.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(p), name.get(n)) {
            (Some(b'*'), _) => {
                retry = Some((p + 1, n));
                p += 1;
            }
            (None, None) => return true,
            (Some(a), Some(b)) if a == b || *a == b'?' => {
                p += 1;
                n += 1;
            }
            _ => match retry {
                Some((after_star, at)) if at < name.len() => {
                    retry = Some((after_star, at + 1));
                    (p, n) = (after_star, at + 1);
                }
                _ => return false,
            },
        }
    }
}
