//! The static linker.

use core::ffi::c_int;
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Mutex;

use oxbpf_linker::{LinkError, Linker};

use crate::abi::{BpfLinkerFileOpts, BpfLinkerOpts};
use crate::arg::{Ptr, Raw, Str, give};
use crate::fail::Fail;
use crate::fd;
use crate::object::lock;
use crate::opts::Opts;
use crate::ret::{Int, Out, Void};

/// `struct bpf_linker`.
#[derive(Debug)]
pub struct LinkerCell {
    /// `None` after it wrote.
    linker: Mutex<Option<Linker>>,
    out: Mutex<File>,
    /// The file, if the linker opened it.
    path: Option<PathBuf>,
}

impl From<LinkError> for Fail {
    fn from(error: LinkError) -> Self {
        log::warn!("{error}");
        Self(error.errno().0)
    }
}

impl LinkerCell {
    fn new(out: File, path: Option<PathBuf>) -> Self {
        Self { linker: Mutex::new(Some(Linker::new())), out: Mutex::new(out), path }
    }

    fn add(&self, name: &str, bytes: &[u8]) -> Result<c_int, Fail> {
        lock(&self.linker).as_mut().ok_or(Fail::INVAL)?.add(name, bytes)?;
        Ok(0)
    }
}

/// A copy of C's descriptor as a file.
fn file_of(number: c_int) -> Result<File, Fail> {
    let handle = fd::duplicate(number)?;
    let own = handle.fd().ok_or(Fail::INVAL)?.try_clone_to_owned()?;
    Ok(File::from(own))
}

export! {
    /// Links into a new file.
    fn bpf_linker__new(filename: Str, opts: Opts<BpfLinkerOpts>) -> Out<LinkerCell> {
        opts.check()?;
        let path = filename.path()?;
        let out = File::create(path).inspect_err(|e| log::warn!("failed to create '{}': {e}", path.display()))?;
        Ok(give(LinkerCell::new(out, Some(path.to_owned()))))
    }

    /// Links into a file that is open; the descriptor stays C's.
    fn bpf_linker__new_fd(fd: c_int, opts: Opts<BpfLinkerOpts>) -> Out<LinkerCell> {
        opts.check()?;
        if fd < 0 {
            return Err(Fail::INVAL);
        }
        Ok(give(LinkerCell::new(file_of(fd)?, None)))
    }

    /// Adds an object file.
    fn bpf_linker__add_file(linker: Ptr<LinkerCell>, filename: Str, opts: Opts<BpfLinkerFileOpts>) -> Int {
        opts.check()?;
        let path = filename.path()?;
        let bytes = std::fs::read(path).inspect_err(|e| log::warn!("failed to open file '{}': {e}", path.display()))?;
        linker.get()?.add(&path.display().to_string(), &bytes)
    }

    /// Adds an object that is open.
    fn bpf_linker__add_fd(linker: Ptr<LinkerCell>, fd: c_int, opts: Opts<BpfLinkerFileOpts>) -> Int {
        opts.check()?;
        if fd < 0 {
            return Err(Fail::INVAL);
        }
        let mut bytes = Vec::new();
        file_of(fd)?.read_to_end(&mut bytes)?;
        linker.get()?.add(&format!("fd:{fd}"), &bytes)
    }

    /// Adds an object in memory.
    fn bpf_linker__add_buf(linker: Ptr<LinkerCell>, buf: Raw, buf_sz: usize, opts: Opts<BpfLinkerFileOpts>) -> Int {
        opts.check()?;
        let bytes = buf.bytes(buf_sz).ok_or(Fail::INVAL)?;
        linker.get()?.add(&format!("mem:{:#x}+{buf_sz}", buf.address()), bytes)
    }

    /// Writes the result.
    fn bpf_linker__finalize(linker: Ptr<LinkerCell>) -> Int {
        let cell = linker.get()?;
        let bytes = lock(&cell.linker).take().ok_or(Fail::INVAL)?.finish()?;
        lock(&cell.out).write_all(&bytes)?;
        Ok(0)
    }

    /// Ends the linking. A file that nothing was written to is left empty.
    fn bpf_linker__free(linker: Ptr<LinkerCell>) -> Void {
        if let Some(cell) = linker.take() {
            log::debug!("linker of {:?} freed", cell.path);
        }
        Ok(())
    }
}
