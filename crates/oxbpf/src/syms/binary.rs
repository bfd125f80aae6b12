//! A program, a library, or a library stored in an archive (`app.apk!/lib/x.so`), opened to look things up in.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use oxbpf_elf::{Data, ElfError, ElfErrorKind, ExecFile, FileCache, find_member};
use oxbpf_kernel::{Handle, Kernel, Opening};
use oxbpf_uapi::Errno;

use crate::error::{At, Error, Frame, Result, nearest};

/// What separates an archive from its member.
const IN_ARCHIVE: &str = "!/";

/// A file that is open.
#[derive(Debug)]
pub(crate) struct Binary {
    /// What the kernel is to open: the archive of a member.
    path: PathBuf,
    member: Option<String>,
    cache: FileCache,
    /// Why the last piece could not be read.
    failure: Rc<Cell<Option<Errno>>>,
}

/// What a file says, and where it is in the one that the kernel opens.
#[derive(Debug)]
pub(crate) struct Contents<'b> {
    pub(crate) exec: ExecFile<'b>,
    /// Byte offset of a member in its archive, else 0.
    pub(crate) start: u64,
}

impl Binary {
    /// Opens a file by its path, in which `!/` separates an archive from its member.
    pub(crate) fn open(kernel: &Kernel, path: &Path) -> Result<Self> {
        let (file, member) = split_archive(path);
        let handle = kernel.open(Opening::Binary(&file)).at(|| Frame::Path(file.clone()))?;
        Self::read_from(kernel, handle, file, member)
    }

    /// Reads a file that is open. `path` is its name for messages.
    pub(crate) fn of_handle(kernel: &Kernel, handle: &Handle, path: &Path) -> Result<Self> {
        Self::read_from(kernel, handle.clone(), path.into(), None)
    }

    fn read_from(kernel: &Kernel, handle: Handle, path: PathBuf, member: Option<String>) -> Result<Self> {
        let len = kernel.file_len(&handle).at(|| Frame::Path(path.clone()))?;
        let failure = Rc::new(Cell::new(None));
        let (kernel, seen) = (kernel.clone(), Rc::clone(&failure));
        let cache = FileCache::new(len, move |offset, out| match read_all(&kernel, &handle, offset, out) {
            Ok(()) => true,
            Err(e) => {
                seen.set(Some(e));
                false
            }
        });
        Ok(Self { path, member, cache, failure })
    }

    /// What the kernel is to open.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Finds the member, if it is one, and reads the headers.
    pub(crate) fn contents(&self) -> Result<Contents<'_>> {
        let file = self.path.to_string_lossy();
        let (start, data) = match &self.member {
            None => (0, Data::from(&self.cache)),
            Some(member) => {
                let found = find_member(&self.cache, member, &file).map_err(|e| self.error(e))?;
                (found.offset, found.data)
            }
        };
        let exec = ExecFile::parse(data, &file).map_err(|e| self.error(e))?;
        Ok(Contents { exec, start })
    }

    /// What was wrong with the file, or kept it from being read.
    pub(crate) fn error(&self, e: ElfError) -> Error {
        if let Some(errno) = self.failure.take() {
            return Error::kernel(errno).at(Frame::Path(self.path.clone()));
        }
        let base = match e.kind() {
            ElfErrorKind::NoSuchSymbol { .. }
            | ElfErrorKind::NoSymbolTable
            | ElfErrorKind::NoUsdtNotes
            | ElfErrorKind::NoSuchProbe { .. }
            | ElfErrorKind::NoSuchMember { .. } => Error::not_found(""),
            _ => Error::invalid_input(""),
        };
        // The file is named by the caller.
        base.with_errno(e.errno()).with_message(e.kind().to_string()).with_source(e)
    }
}

impl Contents<'_> {
    /// Offset of a function in the file that the kernel opens.
    pub(crate) fn function(&self, binary: &Binary, name: &str) -> Result<u64> {
        let found = self.exec.func(name).map_err(|e| {
            let is_missing = matches!(e.kind(), ElfErrorKind::NoSuchSymbol { .. });
            let error = binary.error(e);
            match is_missing.then(|| self.near_miss(name)).flatten() {
                Some(near) => error.with_hint(near),
                None => error,
            }
        })?;
        found.file_offset.checked_add(self.start).ok_or_else(|| Error::kernel(Errno::EOVERFLOW))
    }

    /// What may have been meant by a name that is not there.
    fn near_miss(&self, name: &str) -> Option<String> {
        let (base, version) = name.split_once('@').map_or((name, None), |(b, v)| (b, Some(v)));
        if version.is_some() {
            let named = self.exec.funcs(|found| found == base);
            let versions: Vec<&str> = named.iter().filter_map(|f| f.version).collect();
            if !named.is_empty() {
                return Some(match versions.as_slice() {
                    [] => format!("`{base}` has no versions"),
                    all => format!("`{base}` has {}", all.join(", ")),
                });
            }
        }
        let all = self.exec.funcs(|_| true);
        nearest(base, all.iter().map(|f| f.name)).map(|near| format!("did you mean `{near}`?"))
    }
}

/// Reads all that is asked for: the file is that long, unless it was cut since.
fn read_all(kernel: &Kernel, handle: &Handle, mut offset: u64, mut out: &mut [u8]) -> Result<(), Errno> {
    while !out.is_empty() {
        let read = match kernel.read_at(handle, offset, out) {
            Ok(0) => return Err(Errno::EIO),
            Ok(read) => read,
            Err(Errno::EINTR) => continue,
            Err(e) => return Err(e),
        };
        offset = offset.saturating_add(read as u64);
        out = out.get_mut(read..).ok_or(Errno::EPROTO)?;
    }
    Ok(())
}

/// The file to open, and the member if it is an archive.
pub(crate) fn split_archive(path: &Path) -> (PathBuf, Option<String>) {
    match path.to_str().and_then(|text| text.split_once(IN_ARCHIVE)) {
        Some((archive, member)) => (archive.into(), Some(member.to_owned())),
        None => (path.to_path_buf(), None),
    }
}
