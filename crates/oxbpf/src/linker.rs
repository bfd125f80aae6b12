//! Object files in, one object file out: [`oxbpf_linker`] with files around it.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::fd::AsFd;
use std::path::Path;

use oxbpf_linker::LinkError;
use oxbpf_uapi::Errno;

use crate::error::{Error, ErrorKind, Frame, Result};

/// The static linker: several relocatable objects become one, which loads like any other.
///
/// ```no_run
/// let mut linker = oxbpf::Linker::new();
/// linker.add_file("main.bpf.o")?;
/// linker.add_file("lib.bpf.o")?;
/// linker.write_file("app.bpf.o")?;
/// # Ok::<(), oxbpf::Error>(())
/// ```
///
/// `docs/linking.md` has the rules for symbols and maps.
#[derive(Debug, Default)]
#[doc(alias = "bpf_linker")]
pub struct Linker(oxbpf_linker::Linker);

impl Linker {
    /// Nothing linked yet.
    #[doc(alias = "bpf_linker__new")]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an object file. After an error nothing more can be linked.
    ///
    /// # Errors
    /// The file can't be read; it is no BPF object; it disagrees with one before about a section, a symbol or a map: the
    /// error names both files and both definitions.
    #[doc(alias = "bpf_linker__add_file")]
    pub fn add_file(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|e| io_error(&e, path))?;
        self.add_bytes(&path.to_string_lossy(), &bytes)
    }

    /// Adds the object file that is open, from its start; `name` stands for it in messages.
    ///
    /// # Errors
    /// As [`add_file`](Self::add_file).
    #[doc(alias = "bpf_linker__add_fd")]
    pub fn add_fd(&mut self, name: &str, fd: impl AsFd) -> Result<()> {
        let mut bytes = Vec::new();
        let read = fd.as_fd().try_clone_to_owned().map(File::from).and_then(|mut file| {
            file.rewind()?;
            file.read_to_end(&mut bytes)
        });
        read.map_err(|e| io_error(&e, Path::new(name)))?;
        self.add_bytes(name, &bytes)
    }

    /// Adds an object in memory; `name` stands for it in messages.
    ///
    /// # Errors
    /// As [`add_file`](Self::add_file).
    #[doc(alias = "bpf_linker__add_buf")]
    pub fn add_bytes(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.0.add(name, bytes).map_err(link_error)
    }

    /// The linked object.
    ///
    /// # Errors
    /// Nothing was added, an object was refused, or the result is too large.
    #[doc(alias = "bpf_linker__finalize")]
    pub fn finish(self) -> Result<Vec<u8>> {
        self.0.finish().map_err(link_error)
    }

    /// Writes the linked object to a file. If that fails, the file is not there, or is as it was.
    ///
    /// # Errors
    /// As [`finish`](Self::finish), and if the file can't be written.
    pub fn write_file(self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let bytes = self.finish()?;
        // A pipe or device is no file that another can take the place of.
        if fs::metadata(path).is_ok_and(|m| !m.is_file()) {
            return fs::write(path, bytes).map_err(|e| io_error(&e, path));
        }
        let mut part = path.as_os_str().to_owned();
        part.push(format!(".{}.part", std::process::id()));
        let written = fs::write(&part, bytes).and_then(|()| fs::rename(&part, path));
        written.map_err(|e| {
            // It may not be there at all.
            let _ = fs::remove_file(&part);
            io_error(&e, path)
        })
    }

    /// Writes the linked object to an open file.
    ///
    /// # Errors
    /// As [`finish`](Self::finish), and if it can't be written.
    #[doc(alias = "bpf_linker__new_fd")]
    pub fn write_fd(self, fd: impl AsFd) -> Result<()> {
        let bytes = self.finish()?;
        let file = fd.as_fd().try_clone_to_owned().map(File::from);
        file.and_then(|mut file| file.write_all(&bytes))
            .map_err(|e| io_error(&e, Path::new("the linked object")))
    }
}

fn io_error(e: &std::io::Error, path: &Path) -> Error {
    Error::kernel(e.raw_os_error().map_or(Errno::EIO, Errno)).at(Frame::Path(path.to_owned()))
}

fn link_error(e: LinkError) -> Error {
    let kind = match e.errno() {
        Errno::ENOENT => ErrorKind::NotFound,
        _ => ErrorKind::InvalidObject,
    };
    Error::invalid_object("").with_errno(e.errno()).with_kind(kind).with_source(e)
}
