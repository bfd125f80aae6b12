//! Symbol tables of executables and libraries, searched without an index.
//!
//! Libraries of 100 MB have hundreds of thousands of symbols, of which a probe wants one. Reading each symbol's name
//! would touch the whole string table at random. So a name is searched the other way round: in `.dynsym` by the hash
//! table that the dynamic linker uses, and elsewhere by finding the name's bytes in the string table, one pass at
//! memory speed, and then the symbols that point at them.

use object::elf::{Sym32, Sym64, SymbolInfo};
use object::read::elf::Sym as _;
use object::{Endianness, U16};

use crate::names;
use crate::versions::Versions;

/// The most places in a string table where a name is looked at. A real name is there a few times: by itself, at the
/// end of longer names, and with versions.
const MAX_PLACES: usize = 1 << 16;

/// The fields of a symbol that matter here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawSym {
    pub(crate) index: usize,
    pub(crate) name: u32,
    pub(crate) info: SymbolInfo,
    pub(crate) section: u16,
    pub(crate) value: u64,
    pub(crate) size: u64,
}

/// The entries of a symbol table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Syms<'d> {
    Bits32(&'d [Sym32<Endianness>]),
    Bits64(&'d [Sym64<Endianness>]),
}

impl<'d> Syms<'d> {
    fn len(self) -> usize {
        match self {
            Syms::Bits32(s) => s.len(),
            Syms::Bits64(s) => s.len(),
        }
    }

    fn get(self, index: usize, e: Endianness) -> Option<RawSym> {
        Some(match self {
            Syms::Bits32(s) => {
                let s = s.get(index)?;
                let (value, size) = (u64::from(s.st_value(e)), u64::from(s.st_size(e)));
                RawSym { index, name: s.st_name(e), info: s.st_info(), section: s.st_shndx(e).0, value, size }
            }
            Syms::Bits64(s) => {
                let s = s.get(index)?;
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
        let at: Vec<usize> = match self {
            Syms::Bits32(s) => (0..).zip(s).filter(|(_, s)| wanted(s.st_name(e))).map(|(i, _)| i).collect(),
            Syms::Bits64(s) => (0..).zip(s).filter(|(_, s)| wanted(s.st_name(e))).map(|(i, _)| i).collect(),
        };
        at.into_iter().filter_map(|i| self.get(i, e)).collect()
    }
}

/// A symbol table with its strings, versions and hash table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SymTable<'d> {
    pub(crate) syms: Syms<'d>,
    pub(crate) strings: &'d [u8],
    pub(crate) endian: Endianness,
    /// Version numbers by symbol; `.dynsym` only.
    pub(crate) versym: &'d [U16<Endianness>],
    pub(crate) versions: Versions<'d>,
    /// The `.gnu.hash` section.
    pub(crate) gnu_hash: Option<&'d [u8]>,
}

impl<'d> SymTable<'d> {
    /// All symbols.
    pub(crate) fn iter(self) -> impl Iterator<Item = RawSym> + use<'d> {
        (0..self.syms.len()).filter_map(move |i| self.syms.get(i, self.endian))
    }

    /// Name of a symbol, "" if it cannot be read.
    pub(crate) fn name(self, sym: &RawSym) -> &'d str {
        names::string_at(self.strings, sym.name).and_then(|n| std::str::from_utf8(n).ok()).unwrap_or_default()
    }

    /// Version of a symbol, and whether it is the one that a name without version stands for.
    pub(crate) fn version(self, sym: &RawSym) -> (Option<&'d str>, bool) {
        const HIDDEN: u16 = 0x8000;
        let Some(number) = self.versym.get(sym.index).map(|v| v.get(self.endian)) else {
            return (None, true);
        };
        (self.versions.name(number & !HIDDEN), number & HIDDEN == 0)
    }

    /// The symbols that are called `name`, or `name@` and something.
    pub(crate) fn named(self, name: &str) -> Vec<RawSym> {
        if let Some(found) = self.gnu_hash.and_then(|table| self.by_gnu_hash(table, name)) {
            return found;
        }
        if name.is_empty() {
            return Vec::new();
        }
        // Places may overlap: linkers store "abab" as the end of "ababab".
        let finder = memchr::memmem::Finder::new(name);
        let (mut places, mut from) = (Vec::new(), 0);
        while let Some(i) = self.strings.get(from..).and_then(|rest| finder.find(rest)) {
            let at = from + i;
            from = at + 1;
            let is_end = matches!(self.strings.get(at + name.len()), Some(0 | b'@'));
            match u32::try_from(at) {
                Ok(at) if is_end => places.push(at),
                Ok(_) => {}
                Err(_) => break,
            }
            if places.len() >= MAX_PLACES {
                break;
            }
        }
        self.syms.with_names(&places, self.endian)
    }

    /// Looks a name up in the hash table; `None` if the table is broken.
    ///
    /// The table is four numbers (buckets, first symbol, bloom words, shift), the bloom filter in words of the file's
    /// class, the first symbol of each bucket, and for each symbol from the first one its hash, with the lowest bit
    /// set at the end of a bucket.
    fn by_gnu_hash(self, table: &'d [u8], name: &str) -> Option<Vec<RawSym>> {
        let word = |i: usize| {
            let bytes = table.get(i.checked_mul(4)?..)?.first_chunk::<4>()?;
            Some(match self.endian {
                Endianness::Little => u32::from_le_bytes(*bytes),
                Endianness::Big => u32::from_be_bytes(*bytes),
            })
        };
        let (buckets, first, bloom) = (word(0)?, word(1)?, word(2)? as usize);
        let words_per_bloom = if matches!(self.syms, Syms::Bits64(_)) { 2 } else { 1 };
        let bucket_at = 4 + bloom.checked_mul(words_per_bloom)?;
        let chain_at = bucket_at.checked_add(buckets as usize)?;
        let hash = name.bytes().fold(5381u32, |h, b| h.wrapping_mul(33).wrapping_add(u32::from(b)));
        let mut found = Vec::new();
        let mut index = word(bucket_at + hash.checked_rem(buckets)? as usize)?;
        if index < first {
            return Some(found);
        }
        loop {
            let entry = word(chain_at.checked_add((index - first) as usize)?)?;
            if entry | 1 == hash | 1 {
                let sym = self.syms.get(index as usize, self.endian)?;
                if names::string_at(self.strings, sym.name) == Some(name.as_bytes()) {
                    found.push(sym);
                }
            }
            if entry & 1 != 0 {
                return Some(found);
            }
            index = index.checked_add(1)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table with one symbol, whose name is at `name` in `strings`.
    fn check(strings: &[u8], name: u32, wanted: &str, expect: usize) {
        let mut sym = [0u8; 24];
        sym[..4].copy_from_slice(&name.to_le_bytes());
        let endian = Endianness::Little;
        let versions = Versions { data: &[], strings: &[], endian };
        let syms = Syms::Bits64(object::pod::slice_from_all_bytes(&sym).unwrap());
        let table = SymTable { syms, strings, endian, versym: &[], versions, gnu_hash: None };
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
