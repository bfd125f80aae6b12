//! Statically defined probes: the notes that `<sys/sdt.h>` leaves in a program, turned into places to put a probe.
//!
//! Each use of a probe macro is a `nop` in the code and a note of type 3 and owner `stapsdt` in section
//! `.note.stapsdt`. The note has three addresses of the file's word size (the place, the base, a counter or 0) and three
//! strings: provider, name and where the arguments are, which [`UsdtArg`] reads.
//!
//! Notes are not loaded, so prelink(8), which moves a library to another address, leaves them as they are. It does move
//! section `.stapsdt.base`, whose address at link time is the base in each note: the difference is added to the other
//! two addresses. (libbpf adds it to the place and not to the counter.)
//!
//! Source of truth: SystemTap's `includes/sys/sdt.h` and its wiki page "UserSpaceProbeImplementation".

mod args;
mod spec;

use object::Endianness;
use object::elf;

use crate::error::{ElfError, ElfErrorKind as K};
use crate::exec::{ExecFile, Segment};
pub use args::{ArgError, MAX_USDT_ARGS, RegisterSet, UsdtArg, UsdtValue, parse_args};
pub use spec::{SpecError, SpecLayout};

const NOTES: &[u8] = b".note.stapsdt";
const BASE: &[u8] = b".stapsdt.base";
const OWNER: &[u8] = b"stapsdt\0";
const TYPE: u32 = 3;

/// A probe as its note has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsdtNote<'d> {
    /// Who defined it, such as "libc".
    pub provider: &'d str,
    /// Its name, such as "setjmp".
    pub name: &'d str,
    /// Where its arguments are, as text: `8@%rdi -4@$1`. "" if there are none.
    pub args: &'d str,
    /// Address of the `nop`, at link time.
    pub location: u64,
    /// Address of `.stapsdt.base`, at link time.
    pub base: u64,
    /// Address of the 16-bit counter that says whether anybody listens; 0 if there is none.
    pub semaphore: u64,
}

/// A place in the file where a probe goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsdtProbe<'d> {
    /// Where its arguments are, as text.
    pub args: &'d str,
    /// Address of the instruction; a shared library is loaded elsewhere.
    pub address: u64,
    /// Its offset in the file, in bytes.
    pub file_offset: u64,
    /// File offset of the counter, 0 if there is none.
    pub semaphore_offset: u64,
    /// Whether a 5-byte `nop` follows the 1-byte one, on which x86-64 kernels that have the `uprobe` system call (Linux
    /// 6.18) can put a faster probe, one byte further.
    pub has_long_nop: bool,
}

impl<'d> ExecFile<'d> {
    /// All probes' notes, in the file's order. Notes of other owners are left out.
    ///
    /// # Errors
    /// `NoUsdtNotes` (`ENOENT`) for a file without the section, `BadNote` (`EINVAL`) for a broken one.
    pub fn usdt_notes(&self) -> Result<Vec<UsdtNote<'d>>, ElfError> {
        self.read_notes().map_err(|kind| ElfError::new(&self.file, kind))
    }

    /// The places of probe `provider:name`, in the file's order.
    ///
    /// # Errors
    /// As [`usdt_notes`](Self::usdt_notes); `NoSuchProbe` (`ENOENT`), and `BadProbe` (`ESRCH`) if a place or counter is not where
    /// one can be.
    #[doc(alias = "usdt_manager_attach_usdt")]
    pub fn usdt_probes(&self, provider: &str, name: &str) -> Result<Vec<UsdtProbe<'d>>, ElfError> {
        let notes = self.usdt_notes()?;
        let base = self.sections.iter().find(|s| s.name == BASE).map_or(0, |s| s.address);
        let wanted = notes.iter().filter(|n| n.provider == provider && n.name == name);
        let probes: Result<Vec<_>, K> = wanted.map(|note| self.probe(note, base)).collect();
        match probes {
            Ok(probes) if probes.is_empty() => {
                let name = format!("{provider}:{name}");
                Err(ElfError::new(&self.file, K::NoSuchProbe { name }))
            }
            Ok(probes) => Ok(probes),
            Err(kind) => Err(ElfError::new(&self.file, kind)),
        }
    }

    fn probe(&self, note: &UsdtNote<'d>, base: u64) -> Result<UsdtProbe<'d>, K> {
        let moved = if base != 0 && note.base != 0 { base.wrapping_sub(note.base) } else { 0 };
        // Addresses of 32-bit files wrap around at 32 bits.
        let mask = if self.is_64() { u64::MAX } else { u32::MAX.into() };
        let bad =
            |address, why| K::BadProbe { name: format!("{}:{}", note.provider, note.name), address, why };
        let address = note.location.wrapping_add(moved) & mask;
        let (file_offset, is_executable) =
            self.place(address).ok_or_else(|| bad(address, "its place is in no segment that is loaded"))?;
        if !is_executable {
            return Err(bad(address, "its place is in a segment without code"));
        }
        if file_offset >= self.data.len() {
            return Err(bad(address, "its place is behind the end of the file; the file is truncated"));
        }
        let mut semaphore_offset = 0;
        if note.semaphore != 0 {
            let address = note.semaphore.wrapping_add(moved) & mask;
            let (offset, is_executable) = self
                .place(address)
                .ok_or_else(|| bad(address, "its counter is in no segment that is loaded"))?;
            if is_executable {
                return Err(bad(address, "its counter is in a segment of code"));
            }
            semaphore_offset = offset;
        }
        const NOPS: &[u8] = &[0x90, 0x0f, 0x1f, 0x44, 0x00, 0x00];
        let has_long_nop = self.machine() == elf::EM_X86_64.0
            && self.data.bytes(file_offset, NOPS.len() as u64) == Some(NOPS);
        Ok(UsdtProbe { args: note.args, address, file_offset, semaphore_offset, has_long_nop })
    }

    /// File offset of an address in a loaded segment, and whether the segment has code. Of a counter in memory that is
    /// zero at the start it is where the counter would be if the file went on, which is what the kernel counts from.
    fn place(&self, address: u64) -> Option<(u64, bool)> {
        let holds = |s: &&Segment| {
            s.kind == elf::PT_LOAD && address >= s.address && address - s.address < s.memory_size
        };
        let segment = self.segments.iter().filter(holds).min_by_key(|s| s.address)?;
        Some((segment.offset.checked_add(address - segment.address)?, segment.is_executable))
    }

    fn read_notes(&self) -> Result<Vec<UsdtNote<'d>>, K> {
        let mut found = Vec::new();
        let mut sections = self.sections.iter().filter(|s| s.name == NOTES).peekable();
        if sections.peek().is_none() {
            return Err(K::NoUsdtNotes);
        }
        for section in sections {
            if section.kind != elf::SHT_NOTE {
                return Err(K::BadNote { offset: 0, why: "the section does not hold notes" });
            }
            let data = self.bytes(section).ok_or(K::BadNote {
                offset: 0,
                why: "the section is outside the file; the file is truncated",
            })?;
            self.read_section(data, &mut found)?;
        }
        Ok(found)
    }

    /// Notes are three words (length of the owner's name and of the contents, type), name and contents, both padded to
    /// 4 bytes.
    fn read_section(&self, data: &'d [u8], found: &mut Vec<UsdtNote<'d>>) -> Result<(), K> {
        let mut at = 0;
        while at < data.len() {
            let bad = |why| K::BadNote { offset: at as u64, why };
            let padded = |len: u32| (len as usize).checked_next_multiple_of(4);
            let rest = data.get(at..).unwrap_or_default();
            let head = rest.first_chunk::<12>().ok_or(bad("its head is cut off"))?;
            let word = |i: usize| head.get(4 * i..).and_then(|w| self.word(w)).unwrap_or_default();
            let (owner_len, len, kind) = (word(0), word(1), word(2));
            let next = |from: usize, len: u32| padded(len).and_then(|len| from.checked_add(len));
            let contents_at =
                next(12, owner_len).ok_or(bad("its owner's name is longer than the section"))?;
            // The last note may lack the padding.
            let end = contents_at.checked_add(len as usize).filter(|end| *end <= rest.len());
            let contents = end.and_then(|end| rest.get(contents_at..end)).ok_or(bad("it is cut off"))?;
            let owner = rest.get(12..).and_then(|r| r.get(..owner_len as usize));
            if owner == Some(OWNER) {
                if kind != TYPE {
                    return Err(bad("its type is not that of a probe"));
                }
                found.push(self.note(contents).map_err(bad)?);
            }
            let size = next(contents_at, len).ok_or(bad("it is cut off"))?;
            at = at.saturating_add(size);
        }
        Ok(())
    }

    fn note(&self, contents: &'d [u8]) -> Result<UsdtNote<'d>, &'static str> {
        let word_size = if self.is_64() { 8 } else { 4 };
        let (addresses, strings) =
            contents.split_at_checked(3 * word_size).ok_or("its addresses are cut off")?;
        let mut words = addresses.chunks_exact(word_size).map(|w| match self.is_64() {
            true => w.first_chunk::<8>().map_or(0, |w| match self.endian {
                Endianness::Little => u64::from_le_bytes(*w),
                Endianness::Big => u64::from_be_bytes(*w),
            }),
            false => self.word(w).unwrap_or_default().into(),
        });
        let mut next = || words.next().unwrap_or_default();
        let (location, base, semaphore) = (next(), next(), next());
        let mut strings = strings.split_inclusive(|b| *b == 0).map(|s| {
            let text = s.strip_suffix(b"\0").ok_or("a string in it has no end")?;
            std::str::from_utf8(text).map_err(|_| "a string in it is not UTF-8")
        });
        let provider = strings.next().ok_or("it has no provider")??;
        let name = strings.next().ok_or("it has no name")??;
        let args = strings.next().ok_or("it does not say where its arguments are")??;
        if name.is_empty() {
            return Err("its name is empty");
        }
        // A lone colon is how old versions of the macro say that there are none.
        let args = if args.starts_with(':') { "" } else { args };
        Ok(UsdtNote { provider, name, args, location, base, semaphore })
    }

    fn word(&self, bytes: &[u8]) -> Option<u32> {
        let bytes = bytes.first_chunk::<4>()?;
        Some(match self.endian {
            Endianness::Little => u32::from_le_bytes(*bytes),
            Endianness::Big => u32::from_be_bytes(*bytes),
        })
    }
}
