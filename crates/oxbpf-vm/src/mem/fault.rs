//! What went wrong with an access, in words: the address's nearest object and by how much it was missed.

use core::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Memory, Rights};

/// An access that guest memory refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Guest address of the first byte.
    pub addr: u64,
    /// Bytes of the access.
    pub size: u64,
    /// Whether it was a write.
    pub write: bool,
    /// Why it was refused.
    pub kind: FaultKind,
}

/// Why an access was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The address is 0 or a small offset from it.
    Null,
    /// No object is there or near.
    NoObject,
    /// The access starts in or near an object and leaves it.
    OutOfBounds {
        /// What the object is.
        label: Arc<str>,
        /// The object's length in bytes.
        len: u64,
        /// Offset of the access from the object's first byte.
        offset: i64,
    },
    /// The object does not allow this kind of access.
    Rights {
        /// What the object is.
        label: Arc<str>,
        /// What it allows.
        rights: Rights,
    },
    /// An atomic access off its natural alignment, or of a size that has none.
    Misaligned,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, plural) =
            (if self.write { "write" } else { "read" }, if self.size == 1 { "" } else { "s" });
        write!(f, "{what} of {} byte{plural}", self.size)?;
        match &self.kind {
            FaultKind::Null => write!(f, " at {:#x}: null pointer", self.addr),
            FaultKind::NoObject => write!(f, " at {:#x}: no object there", self.addr),
            FaultKind::Misaligned => write!(f, " at {:#x}: not aligned", self.addr),
            FaultKind::Rights { label, rights } => {
                let may = match rights {
                    Rights::None => "may not be accessed",
                    Rights::Read => "is read-only",
                    Rights::Write => "is write-only",
                    Rights::ReadWrite => "may not be accessed so",
                };
                write!(f, " at {:#x}: {label} {may}", self.addr)
            }
            FaultKind::OutOfBounds { label, len, offset } => {
                let plural = if *len == 1 { "" } else { "s" };
                match u64::try_from(*offset) {
                    Err(_) => write!(
                        f,
                        ", {} before the start of {label} ({len} byte{plural})",
                        offset.unsigned_abs()
                    ),
                    Ok(offset) if offset >= *len => {
                        write!(f, ", {} past the end of {label} ({len} byte{plural})", offset - len)
                    }
                    Ok(offset) => {
                        write!(f, " at offset {offset} runs past the end of {label} ({len} byte{plural})")
                    }
                }
            }
        }
    }
}

impl std::error::Error for Fault {}

impl Memory {
    /// Explains a refused access. Finds the nearest object again, which only a failing access pays for.
    #[cold]
    #[inline(never)]
    pub(super) fn fault(&self, addr: u64, size: u64, write: bool) -> Fault {
        Fault { addr, size, write, kind: self.fault_kind(addr, size) }
    }

    pub(super) fn fault_misaligned(&self, addr: u64, size: u64) -> Fault {
        Fault { addr, size, write: true, kind: FaultKind::Misaligned }
    }

    fn fault_kind(&self, addr: u64, size: u64) -> FaultKind {
        let page = self.page_size();
        if addr < page || addr.wrapping_add(page) < page {
            return FaultKind::Null;
        }
        let off = addr.wrapping_sub(Self::BASE);
        // Where there is no object, the nearer of those on the pages before and after is meant.
        let near = |at: u64| {
            let (id, desc) = self.0.desc_at(at)?;
            let start = desc.start.load(Ordering::Relaxed);
            let end = start.saturating_add(desc.len.load(Ordering::Relaxed));
            Some((start.saturating_sub(off).max(off.saturating_sub(end)), id, desc))
        };
        let around = [off.wrapping_sub(page), off.wrapping_add(page)];
        let found =
            near(off).or_else(|| around.into_iter().filter_map(near).min_by_key(|(distance, ..)| *distance));
        let Some((_, id, desc)) = found else { return FaultKind::NoObject };
        let Some(label) = self.0.book().meta.get(&id).map(|m| m.label.clone()) else {
            return FaultKind::NoObject;
        };
        // Inside its own pages the element counts that the access starts in; outside, the first or last one.
        let start = desc.start.load(Ordering::Relaxed);
        let last = start.saturating_add(desc.len.load(Ordering::Relaxed).saturating_sub(1));
        let Some(span) = self.span(off.clamp(start, last.max(start))) else { return FaultKind::NoObject };
        let offset = off.wrapping_sub(span.off) as i64;
        let inside = u64::try_from(offset).is_ok_and(|o| size <= span.len && o <= span.len - size);
        if inside {
            return FaultKind::Rights { label, rights: span.rights };
        }
        FaultKind::OutOfBounds { label, len: span.len, offset }
    }
}
