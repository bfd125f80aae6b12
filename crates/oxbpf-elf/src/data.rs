//! Bytes of a file, all at once or piece by piece: what is asked for is read, and the rest of the file is not.
//!
//! A probe wants a few hundred bytes of a library of 100 MB: headers, a hash bucket, a symbol, a name. [`FileCache`] reads
//! such pieces through a function of the caller's, keeps them, and lends them as slices, so that parsing is the same
//! as from memory.

use std::fmt;
use std::ops::Range;

use object::read::{ReadCache, ReadCacheOps, ReadRef};

/// Fills the slice with the bytes at an offset; `false` if that fails.
type ReadAt = dyn FnMut(u64, &mut [u8]) -> bool;

/// A file of which only the pieces are read that are looked at. They stay in memory as long as the cache.
pub struct FileCache {
    len: u64,
    cache: ReadCache<Reader>,
}

struct Reader {
    len: u64,
    at: u64,
    read: Box<ReadAt>,
}

impl FileCache {
    /// A file of `len` bytes. `read` fills a slice with the bytes at an offset, and says whether it could; it is never
    /// asked for bytes behind `len`.
    pub fn new(len: u64, read: impl FnMut(u64, &mut [u8]) -> bool + 'static) -> Self {
        Self { len, cache: ReadCache::new(Reader { len, at: 0, read: Box::new(read) }) }
    }
}

impl fmt::Debug for FileCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileCache").field("len", &self.len).finish_non_exhaustive()
    }
}

impl ReadCacheOps for Reader {
    fn len(&mut self) -> Result<u64, ()> {
        Ok(self.len)
    }

    fn seek(&mut self, pos: u64) -> Result<u64, ()> {
        self.at = pos;
        Ok(pos)
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ()> {
        let rest = usize::try_from(self.len.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let len = buf.len().min(rest);
        let buf = buf.get_mut(..len).ok_or(())?;
        self.read_exact(buf).map(|()| len)
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> Result<(), ()> {
        let ok = (self.read)(self.at, buf);
        self.at = self.at.saturating_add(buf.len() as u64);
        ok.then_some(()).ok_or(())
    }
}

/// A file, or a member of an archive: a range of bytes in memory or in a [`FileCache`].
#[derive(Clone, Copy, Debug)]
pub struct Data<'d> {
    source: Source<'d>,
    start: u64,
    len: u64,
}

#[derive(Clone, Copy)]
enum Source<'d> {
    Bytes(&'d [u8]),
    File(&'d FileCache),
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes(_) => "memory",
            Self::File(_) => "file",
        })
    }
}

impl<'d> From<&'d [u8]> for Data<'d> {
    fn from(bytes: &'d [u8]) -> Self {
        Self { source: Source::Bytes(bytes), start: 0, len: bytes.len() as u64 }
    }
}

impl<'d> From<&'d Vec<u8>> for Data<'d> {
    fn from(bytes: &'d Vec<u8>) -> Self {
        bytes.as_slice().into()
    }
}

impl<'d, const N: usize> From<&'d [u8; N]> for Data<'d> {
    fn from(bytes: &'d [u8; N]) -> Self {
        bytes.as_slice().into()
    }
}

impl<'d> From<&'d FileCache> for Data<'d> {
    fn from(file: &'d FileCache) -> Self {
        Self { source: Source::File(file), start: 0, len: file.len }
    }
}

impl<'d> Data<'d> {
    /// Bytes that there are.
    #[allow(clippy::len_without_is_empty, reason = "what is empty is no ELF file, which the parsers say")]
    pub fn len(self) -> u64 {
        self.len
    }

    /// A part of it, `None` if it is not all there.
    pub fn part(self, offset: u64, len: u64) -> Option<Self> {
        let end = offset.checked_add(len)?;
        let start = self.start.checked_add(offset)?;
        (end <= self.len).then_some(Self { start, len, ..self })
    }

    /// `size` bytes at `offset`, `None` if they are not all there or can't be read.
    pub fn bytes(self, offset: u64, size: u64) -> Option<&'d [u8]> {
        let part = self.part(offset, size)?;
        match self.source {
            Source::Bytes(bytes) => {
                let start = usize::try_from(part.start).ok()?;
                bytes.get(start..)?.get(..usize::try_from(size).ok()?)
            }
            Source::File(file) => (&file.cache).read_bytes_at(part.start, size).ok(),
        }
    }

    /// As many bytes at `offset` as there are, at most `max`.
    pub(crate) fn up_to(self, offset: u64, max: u64) -> Option<&'d [u8]> {
        self.bytes(offset, self.len.checked_sub(offset)?.min(max))
    }
}

impl<'d> ReadRef<'d> for Data<'d> {
    fn len(self) -> Result<u64, ()> {
        Ok(self.len)
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'d [u8], ()> {
        self.bytes(offset, size).ok_or(())
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'d [u8], ()> {
        let size = range.end.checked_sub(range.start).ok_or(())?;
        let bytes = self.bytes(range.start, size).ok_or(())?;
        let end = bytes.iter().position(|b| *b == delimiter).ok_or(())?;
        bytes.get(..end).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn only_what_is_asked_for_is_read_and_only_once() {
        let read = Rc::new(Cell::new(0));
        let seen = Rc::clone(&read);
        let file = FileCache::new(1 << 40, move |at, out| {
            seen.set(seen.get() + out.len());
            out.fill(at as u8);
            at < 1 << 39
        });
        let data = Data::from(&file);
        assert_eq!(data.bytes(7, 3), Some(&[7, 7, 7][..]));
        assert_eq!(data.bytes(7, 3), Some(&[7, 7, 7][..]));
        assert_eq!(read.get(), 3);
        let part = data.part(100, 10).unwrap();
        assert_eq!(part.bytes(1, 2), Some(&[101, 101][..]));
        assert_eq!(part.bytes(9, 2), None);
        assert_eq!(part.up_to(8, 9), Some(&[108, 108][..]));
        assert!(part.part(u64::MAX, 2).is_none());
        assert_eq!(data.bytes(1 << 39, 1), None, "it can't be read");
        assert_eq!(data.bytes(1 << 40, 1), None);
    }
}
