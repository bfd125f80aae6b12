//! Symbol tables of executables and libraries, searched without an index.
//!
//! Libraries of 100 MB have hundreds of thousands of symbols, of which a probe wants one. Reading each symbol's name
//! would touch the whole string table at random. So a name is searched the other way round: in `.dynsym` by the hash
//! table that the dynamic linker uses, and elsewhere by finding the name's bytes in the string table, one pass at
//! memory speed, and then the symbols that point at them.

use object::elf::{Sym32, Sym64, SymbolInfo};
use object::pod;
use object::read::elf::Sym as _;
use object::{Endianness, U16};

use crate::data::Data;
use crate::names::{self, MAX_NAME};
use crate::versions::Versions;

/// The most places in a string table where a name is looked at. A real name is there a few times: by itself, at the
/// end of longer names, and with versions.
const MAX_PLACES: usize = 1 << 16;

/// The most entries of a hash bucket that are looked at. Linkers aim at a handful; a table with more is broken.
const MAX_CHAIN: u32 = 1 << 12;

/// Bytes of a name that are read at first. Few are longer.
const SHORT_NAME: u64 = 128;

/// The fields of a symbol that matter here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawSym {
    pub(crate) index: u32,
    pub(crate) name: u32,
    pub(crate) info: SymbolInfo,
    pub(crate) section: u16,
    pub(crate) value: u64,
    pub(crate) size: u64,
}

/// The entries of a symbol table.
#[derive(Clone, Copy, Debug)]
enum Syms<'d> {
    Bits32(&'d [Sym32<Endianness>]),
    Bits64(&'d [Sym64<Endianness>]),
}

impl Syms<'_> {
    fn get(self, at: usize, index: u32, e: Endianness) -> Option<RawSym> {
        Some(match self {
            Syms::Bits32(s) => {
                let s = s.get(at)?;
                let (value, size) = (u64::from(s.st_value(e)), u64::from(s.st_size(e)));
                RawSym { index, name: s.st_name(e), info: s.st_info(), section: s.st_shndx(e).0, value, size }
            }
            Syms::Bits64(s) => {
                let s = s.get(at)?;
                let (value, size) = (s.st_value(e), s.st_size(e));
                RawSym { index, name: s.st_name(e), info: s.st_info(), section: s.st_shndx(e).0, value, size }
            }
        })
    }

    /// The symbols whose names are at one of these offsets, ascending.
    fn with_names(self, names: &[u32], e: Endianness) -> Vec<RawSym> {
        let (Some(&first), Some(&last)) = (names.first(), names.last()) else { return Vec::new() };
        // Nearly all symbols fail the first test, which needs no more than the name's offset.
        let wanted = |name: u32| name >= first && name <= last && names.binary_search(&name).is_ok();
        let at: Vec<u32> = match self {
            Syms::Bits32(s) => (0..).zip(s).filter(|(_, s)| wanted(s.st_name(e))).map(|(i, _)| i).collect(),
            Syms::Bits64(s) => (0..).zip(s).filter(|(_, s)| wanted(s.st_name(e))).map(|(i, _)| i).collect(),
        };
        at.into_iter().filter_map(|i| self.get(i as usize, i, e)).collect()
    }
}

/// A symbol table with its strings, versions and hash tables, none of them read before they are needed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SymTable<'d> {
    pub(crate) is_64: bool,
    pub(crate) endian: Endianness,
    /// The entries.
    pub(crate) entries: Data<'d>,
    pub(crate) strings: Data<'d>,
    /// Version numbers by symbol; `.dynsym` only.
    pub(crate) versym: Option<Data<'d>>,
    pub(crate) verdef: Option<Data<'d>>,
    pub(crate) verdef_strings: Option<Data<'d>>,
    /// The `.gnu.hash` section.
    pub(crate) gnu_hash: Option<Data<'d>>,
    /// The `.hash` section.
    pub(crate) sysv_hash: Option<Data<'d>>,
}

impl<'d> SymTable<'d> {
    fn entry_size(self) -> u64 {
        (if self.is_64 { size_of::<Sym64<Endianness>>() } else { size_of::<Sym32<Endianness>>() }) as u64
    }

    /// How many symbols there are.
    pub(crate) fn len(self) -> u64 {
        self.entries.len() / self.entry_size()
    }

    /// One symbol.
    fn sym(self, index: u32) -> Option<RawSym> {
        let size = self.entry_size();
        self.view(self.entries.bytes(u64::from(index).checked_mul(size)?, size)?).get(0, index, self.endian)
    }

    /// Bytes of entries as entries; a last one that is cut off is left out.
    fn view(self, bytes: &'d [u8]) -> Syms<'d> {
        let (count_32, count_64) =
            (bytes.len() / size_of::<Sym32<Endianness>>(), bytes.len() / size_of::<Sym64<Endianness>>());
        if self.is_64 {
            Syms::Bits64(pod::slice_from_bytes(bytes, count_64).map_or(&[], |(s, _)| s))
        } else {
            Syms::Bits32(pod::slice_from_bytes(bytes, count_32).map_or(&[], |(s, _)| s))
        }
    }

    /// All symbols with their names, which reads both tables whole.
    pub(crate) fn iter(self) -> impl Iterator<Item = (RawSym, &'d str)> + use<'d> {
        let entries = self.entries.bytes(0, self.entries.len()).unwrap_or_default();
        let strings = self.strings.bytes(0, self.strings.len()).unwrap_or_default();
        let (syms, endian) = (self.view(entries), self.endian);
        (0u32..).map_while(move |i| syms.get(i as usize, i, endian)).map(move |sym| {
            let name = names::string_at(strings, sym.name).and_then(|n| std::str::from_utf8(n).ok());
            (sym, name.unwrap_or_default())
        })
    }

    /// Name of a symbol, "" if it cannot be read.
    pub(crate) fn name(self, sym: &RawSym) -> &'d str {
        string(self.strings, sym.name).unwrap_or_default()
    }

    /// Whether a symbol has exactly this name.
    fn is_named(self, sym: &RawSym, name: &str) -> bool {
        let bytes = self.strings.bytes(u64::from(sym.name), name.len() as u64 + 1);
        bytes.and_then(<[u8]>::split_last).is_some_and(|(end, text)| *end == 0 && text == name.as_bytes())
    }

    /// Version of a symbol, and whether it is the one that a name without version stands for.
    pub(crate) fn version(self, sym: &RawSym) -> (Option<&'d str>, bool) {
        const HIDDEN: u16 = 0x8000;
        let number = self.versym.and_then(|v| v.bytes(u64::from(sym.index) * 2, 2));
        let Some((number, _)) = number.and_then(|n| pod::from_bytes::<U16<Endianness>>(n).ok()) else {
            return (None, true);
        };
        let number = number.get(self.endian);
        // Most symbols of most libraries have none.
        let name = self.verdef.filter(|_| number & !HIDDEN >= 2).and_then(|verdef| {
            let versions = Versions { data: verdef.bytes(0, verdef.len())?, endian: self.endian };
            string(self.verdef_strings?, versions.name_offset(number & !HIDDEN)?)
        });
        (name, number & HIDDEN == 0)
    }

    /// The symbols that are called `name`, or `name@` and something.
    pub(crate) fn named(self, name: &str) -> Vec<RawSym> {
        let hashed = self.gnu_hash.and_then(|table| self.by_gnu_hash(table, name));
        if let Some(found) = hashed.or_else(|| self.by_sysv_hash(self.sysv_hash?, name)) {
            return found;
        }
        if name.is_empty() {
            return Vec::new();
        }
        let strings = self.strings.bytes(0, self.strings.len()).unwrap_or_default();
        // Places may overlap: linkers store "abab" as the end of "ababab".
        let finder = memchr::memmem::Finder::new(name);
        let (mut places, mut from) = (Vec::new(), 0);
        while let Some(i) = strings.get(from..).and_then(|rest| finder.find(rest)) {
            let at = from + i;
            from = at + 1;
            let is_end = matches!(strings.get(at + name.len()), Some(0 | b'@'));
            match u32::try_from(at) {
                Ok(at) if is_end => places.push(at),
                Ok(_) => {}
                Err(_) => break,
            }
            if places.len() >= MAX_PLACES {
                break;
            }
        }
        if places.is_empty() {
            return Vec::new();
        }
        self.view(self.entries.bytes(0, self.entries.len()).unwrap_or_default())
            .with_names(&places, self.endian)
    }

    /// Word `i` of a table of words.
    fn word(self, table: Data<'d>, i: u64) -> Option<u32> {
        let bytes = table.bytes(i.checked_mul(4)?, 4)?.first_chunk::<4>()?;
        Some(match self.endian {
            Endianness::Little => u32::from_le_bytes(*bytes),
            Endianness::Big => u32::from_be_bytes(*bytes),
        })
    }

    /// Looks a name up in the hash table; `None` if the table is broken.
    ///
    /// The table is four numbers (buckets, first symbol, bloom words, shift), the bloom filter in words of the file's
    /// class, the first symbol of each bucket, and for each symbol from the first one its hash, with the lowest bit
    /// set at the end of a bucket.
    fn by_gnu_hash(self, table: Data<'d>, name: &str) -> Option<Vec<RawSym>> {
        let word = |i| self.word(table, i);
        let (buckets, first, bloom) = (word(0)?, word(1)?, u64::from(word(2)?));
        let bucket_at = 4 + bloom * if self.is_64 { 2 } else { 1 };
        let chain_at = bucket_at + u64::from(buckets);
        let hash = name.bytes().fold(5381u32, |h, b| h.wrapping_mul(33).wrapping_add(u32::from(b)));
        let mut found = Vec::new();
        let start = word(bucket_at + u64::from(hash.checked_rem(buckets)?))?;
        if start < first {
            return Some(found);
        }
        for step in 0..MAX_CHAIN {
            let index = start.checked_add(step)?;
            let entry = word(chain_at + u64::from(index - first))?;
            if entry | 1 == hash | 1 {
                let sym = self.sym(index)?;
                if self.is_named(&sym, name) {
                    found.push(sym);
                }
            }
            if entry & 1 != 0 {
                return Some(found);
            }
        }
        None
    }

    /// Looks a name up in the older hash table; `None` if the table is broken.
    ///
    /// The table is two numbers (buckets, symbols), the first symbol of each bucket, and for each symbol the next one of
    /// its bucket, 0 at the end.
    fn by_sysv_hash(self, table: Data<'d>, name: &str) -> Option<Vec<RawSym>> {
        let word = |i| self.word(table, i);
        let (buckets, count) = (word(0)?, u64::from(word(1)?));
        // 64-bit S/390 and Alpha have words of 8 bytes there; they are searched without.
        if table.len() != 4 * (2 + u64::from(buckets) + count) || count > self.len() {
            return None;
        }
        let hash = name.bytes().fold(0u32, |h, b| {
            let h = (h << 4).wrapping_add(u32::from(b));
            (h ^ (h >> 24 & 0xf0)) & 0x0fff_ffff
        });
        let mut found = Vec::new();
        let mut index = word(2 + u64::from(hash.checked_rem(buckets)?))?;
        for _ in 0..MAX_CHAIN {
            if index == 0 {
                return Some(found);
            }
            let sym = self.sym(index)?;
            if self.is_named(&sym, name) {
                found.push(sym);
            }
            index = word(2 + u64::from(buckets) + u64::from(index))?;
        }
        None
    }
}

/// The string at an offset of a string table. Most are short, so that little is read at first.
fn string(strings: Data<'_>, at: u32) -> Option<&str> {
    let up_to = |max| {
        let bytes = strings.up_to(at.into(), max)?;
        bytes.get(..memchr::memchr(0, bytes)?)
    };
    let name = up_to(SHORT_NAME).or_else(|| up_to(MAX_NAME as u64))?;
    std::str::from_utf8(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table with one symbol, whose name is at `name` in `strings`.
    fn check(strings: &[u8], name: u32, wanted: &str, expect: usize) {
        let mut sym = [0u8; 24];
        sym[..4].copy_from_slice(&name.to_le_bytes());
        let table = SymTable {
            is_64: true,
            endian: Endianness::Little,
            entries: Data::from(&sym),
            strings: strings.into(),
            versym: None,
            verdef: None,
            verdef_strings: None,
            gnu_hash: None,
            sysv_hash: None,
        };
        assert_eq!(table.named(wanted).len(), expect, "{wanted}");
    }

    #[test]
    fn names_are_found_wherever_a_linker_puts_them() {
        check(b"\0abab\0", 1, "abab", 1);
        check(b"\0ababab\0", 3, "abab", 1);
        check(b"\0ababab\0", 1, "abab", 0);
        check(b"\0abab@V1\0", 1, "abab", 1);
        check(b"\0ababx\0", 1, "abab", 0);
        check(b"\0abab", 1, "abab", 0);
        check(b"\0\0\0", 1, "", 0);
    }
}
