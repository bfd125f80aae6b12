//! Members of ZIP archives that are stored as they are, as Android keeps libraries inside of an APK: a probe can go into
//! them, since their bytes are bytes of the archive.
//!
//! An archive ends with a record that says where its directory is, behind which there may be a comment of up to 64 KB; the
//! directory names each member and the place of its header, behind which are its bytes (PKWARE's APPNOTE.TXT, 4.3).
//! Not here: what is compressed, encrypted or split over several files, and ZIP64, as in libbpf.

use std::sync::Arc;

use crate::data::Data;
use crate::error::{ElfError, ElfErrorKind as K};

const END: &[u8] = b"PK\x05\x06";
const END_LEN: u64 = 22;
const MAX_COMMENT: u64 = 0xffff;
const ENTRY: &[u8] = b"PK\x01\x02";
const ENTRY_LEN: usize = 46;
const HEADER: &[u8] = b"PK\x03\x04";
const HEADER_LEN: u64 = 30;
const ENCRYPTED: u16 = 1;
/// Sizes are behind the member's bytes.
const SIZES_BEHIND: u16 = 1 << 3;

/// Part of an archive that is a member.
#[derive(Clone, Copy, Debug)]
pub struct ZipMember<'d> {
    /// Offset of its first byte in the archive.
    pub offset: u64,
    /// Its bytes.
    pub data: Data<'d>,
}

/// Finds member `name` of an archive. `file` is the archive's name for messages.
///
/// # Errors
/// `BadArchive` (`EINVAL`), `NoSuchMember` (`ENOENT`), `PackedMember` if its bytes are not in the archive as they are.
#[doc(alias = "zip_archive_find_entry")]
pub fn find_member<'d>(
    archive: impl Into<Data<'d>>,
    name: &str,
    file: &str,
) -> Result<ZipMember<'d>, ElfError> {
    let file: Arc<str> = file.into();
    find(archive.into(), name).map_err(|kind| ElfError::new(&file, kind))
}

fn find<'d>(archive: Data<'d>, name: &str) -> Result<ZipMember<'d>, K> {
    let (count, directory_at, directory) = directory(archive)?;
    let mut rest = directory;
    for _ in 0..count {
        let at = directory_at + (directory.len() - rest.len()) as u64;
        let bad = |why| K::BadArchive { offset: at, why };
        let (entry, tail) = rest.split_at_checked(ENTRY_LEN).ok_or(bad("the directory is cut off"))?;
        if !entry.starts_with(ENTRY) {
            return Err(bad("the directory is broken"));
        }
        let (flags, name_len) = (u16_at(entry, 8), usize::from(u16_at(entry, 28)));
        let behind = usize::from(u16_at(entry, 30)) + usize::from(u16_at(entry, 32));
        let this = tail.get(..name_len).ok_or(bad("a name in the directory is cut off"))?;
        if this == name.as_bytes() {
            if flags & (ENCRYPTED | SIZES_BEHIND) != 0 {
                return Err(K::PackedMember { name: name.to_owned(), how: "encrypted or streamed" });
            }
            return member(archive, u32_at(entry, 42).into(), name);
        }
        rest = tail.get(name_len + behind..).ok_or(bad("the directory is cut off"))?;
    }
    Err(K::NoSuchMember { name: name.to_owned() })
}

/// How many members there are, and where the directory is.
fn directory(archive: Data<'_>) -> Result<(u16, u64, &[u8]), K> {
    let bad = |offset, why| K::BadArchive { offset, why };
    let tail_len = archive.len().min(END_LEN + MAX_COMMENT);
    let tail_at = archive.len() - tail_len;
    let tail = archive.bytes(tail_at, tail_len).ok_or(bad(tail_at, "the end can't be read"))?;
    // The comment may look like the record, so the last one wins whose comment ends with the file.
    let mut places = memchr::memmem::rfind_iter(tail, END);
    let found = places.find_map(|at| {
        let (record, comment) = tail.get(at..)?.split_at_checked(END_LEN as usize)?;
        (comment.len() == usize::from(u16_at(record, 20))).then_some((at, record))
    });
    let (at, record) = found.ok_or(bad(tail_at, "there is no end of a directory: it is no ZIP archive"))?;
    let at = tail_at + at as u64;
    let (here, all) = (u16_at(record, 8), u16_at(record, 10));
    if u16_at(record, 4) != 0 || u16_at(record, 6) != 0 || here != all {
        return Err(bad(at, "it is one of several files, or of the ZIP64 format"));
    }
    let (size, offset) = (u64::from(u32_at(record, 12)), u64::from(u32_at(record, 16)));
    match archive.bytes(offset, size) {
        Some(directory) => Ok((here, offset, directory)),
        None => Err(bad(at, "the directory is outside the file")),
    }
}

fn member<'d>(archive: Data<'d>, at: u64, name: &str) -> Result<ZipMember<'d>, K> {
    let bad = |why| K::BadArchive { offset: at, why };
    let header = archive.bytes(at, HEADER_LEN).filter(|h| h.starts_with(HEADER));
    let header = header.ok_or(bad("a member's header is not where the directory says"))?;
    let packed = |how| Err(K::PackedMember { name: name.to_owned(), how });
    if u16_at(header, 6) & (ENCRYPTED | SIZES_BEHIND) != 0 {
        return packed("encrypted or streamed");
    }
    if u16_at(header, 8) != 0 {
        return packed("compressed");
    }
    let behind = u64::from(u16_at(header, 26)) + u64::from(u16_at(header, 28));
    let offset = at + HEADER_LEN + behind;
    let data = archive.part(offset, u32_at(header, 18).into()).ok_or(bad("a member is outside the file"))?;
    Ok(ZipMember { offset, data })
}

/// 16 bits, 0 behind the end: callers have checked the length.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u16::from_le_bytes(*b))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u32::from_le_bytes(*b))
}
