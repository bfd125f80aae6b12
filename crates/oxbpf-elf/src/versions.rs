//! Symbol versions that a library defines: number to name.

use object::Endianness;

/// The most definitions that are looked at; glibc has about 50.
const MAX_VERSIONS: usize = 4096;

/// The `.gnu.version_d` section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Versions<'d> {
    pub(crate) data: &'d [u8],
    pub(crate) endian: Endianness,
}

impl<'d> Versions<'d> {
    /// Where the name of a version is in the section's strings, `None` for 0 (local), 1 (no version) and what is not defined here.
    ///
    /// Definitions are chained: version number at byte 4, offset of the first name's record at 12, of the next
    /// definition at 16, both from the definition's start; a name's record begins with the string's offset.
    pub(crate) fn name_offset(self, number: u16) -> Option<u32> {
        if number < 2 {
            return None;
        }
        let mut at = 0usize;
        for _ in 0..MAX_VERSIONS {
            let def = self.data.get(at..)?;
            if self.half(def, 4)? == number {
                let aux = self.word(def, 12)? as usize;
                return self.word(def.get(aux..)?, 0);
            }
            let next = self.word(def, 16)? as usize;
            if next == 0 {
                return None;
            }
            at = at.checked_add(next)?;
        }
        None
    }

    fn half(self, data: &[u8], at: usize) -> Option<u16> {
        let bytes = data.get(at..)?.first_chunk::<2>()?;
        Some(if self.endian == Endianness::Little {
            u16::from_le_bytes(*bytes)
        } else {
            u16::from_be_bytes(*bytes)
        })
    }

    fn word(self, data: &[u8], at: usize) -> Option<u32> {
        let bytes = data.get(at..)?.first_chunk::<4>()?;
        Some(if self.endian == Endianness::Little {
            u32::from_le_bytes(*bytes)
        } else {
            u32::from_be_bytes(*bytes)
        })
    }
}
