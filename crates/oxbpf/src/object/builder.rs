//! Options for opening an object.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use oxbpf_btf::{Btf, Bytes};
use oxbpf_kernel::Kernel;

use super::state::{Core, Options};
use super::{OpenObject, SecHandler, token};
use crate::error::{At, Error, ErrorKind, Frame, Result};

/// Opens objects with options.
///
/// ```no_run
/// use oxbpf::ObjectBuilder;
///
/// let object = ObjectBuilder::new().kconfig("CONFIG_HZ=250\n").open_file("profile.bpf.o")?.load()?;
/// # Ok::<(), oxbpf::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[doc(alias = "bpf_object_open_opts")]
pub struct ObjectBuilder {
    object_name: Option<String>,
    relaxed_maps: bool,
    handlers: Vec<SecHandler>,
    options: Options,
    kernel: Option<Kernel>,
}

impl ObjectBuilder {
    /// No options: name from the file, the running kernel's types and configuration, pins in `/sys/fs/bpf`.
    pub fn new() -> Self {
        let options = Options { pin_root_path: PathBuf::from("/sys/fs/bpf"), ..Options::default() };
        Self { options, ..Self::default() }
    }

    /// The kernel to load into. Default with the `linux` feature: the running one.
    #[must_use]
    pub fn kernel(mut self, kernel: Kernel) -> Self {
        self.kernel = Some(kernel);
        self
    }

    /// Name of the object, which data maps are prefixed with. Default: the file's name up to its first dot.
    #[must_use]
    pub fn object_name(mut self, name: impl Into<String>) -> Self {
        self.object_name = Some(name.into());
        self
    }

    /// Accepts attributes in map definitions that this version does not know. Default: they are an error.
    #[must_use]
    pub fn relaxed_maps(mut self, relaxed: bool) -> Self {
        self.relaxed_maps = relaxed;
        self
    }

    /// Kernel configuration that takes precedence over the system's, `CONFIG_X=y` a line.
    #[must_use]
    pub fn kconfig(mut self, text: impl Into<String>) -> Self {
        self.options.kconfig = text.into();
        self
    }

    /// Reads the kernel's types for CO-RE from this file (raw BTF, or an ELF file with `.BTF`) in place of the running kernel's.
    #[must_use]
    pub fn btf_custom_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.options.btf_custom_path = Some(path.into());
        self
    }

    /// The kernel's types for CO-RE, in place of the running kernel's.
    #[must_use]
    pub fn target_btf(mut self, btf: Arc<Btf>) -> Self {
        self.options.target_btf = Some(btf);
        self
    }

    /// Verbosity of the verifier for all programs: bit 0 messages, bit 1 more, bit 2 statistics. Default 0: the log is
    /// only fetched when a load fails.
    #[must_use]
    pub fn kernel_log_level(mut self, level: u32) -> Self {
        self.options.log_level = level;
        self
    }

    /// Bytes for the verifier's log. Default: 16 MB at first where a level is set, else grown as needed.
    #[must_use]
    pub fn kernel_log_size(mut self, bytes: usize) -> Self {
        self.options.log_size = Some(bytes);
        self
    }

    /// Directory in which maps that ask for it are pinned by name. Default `/sys/fs/bpf`.
    #[must_use]
    pub fn pin_root_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.options.pin_root_path = path.into();
        self
    }

    /// The bpf file system to get a BPF token of. Default: that of the variable `LIBBPF_BPF_TOKEN_PATH`, else `/sys/fs/bpf` if it has tokens
    /// (Linux 6.9). An empty path: none.
    #[must_use]
    pub fn bpf_token_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.options.token_path = Some(path.into());
        self
    }

    /// Adds a handler of section names.
    #[must_use]
    pub fn sec_handler(mut self, handler: SecHandler) -> Self {
        self.handlers.push(handler);
        self
    }

    /// Opens an object file.
    ///
    /// # Errors
    /// As opening a file, with the path; `InvalidObject` if it is not a BPF object or broken.
    #[doc(alias = "bpf_object__open_file")]
    pub fn open_file(mut self, path: impl AsRef<Path>) -> Result<OpenObject> {
        let path = path.as_ref();
        let bytes =
            read(path).map_err(unreadable).at(|| Frame::Path(path.into())).at(|| Frame::Step("open"))?;
        if self.object_name.is_none() {
            let file = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            self.object_name = Some(file.split('.').next().unwrap_or_default().to_owned());
        }
        self.options.display_name = path.display().to_string();
        self.open(bytes.into())
    }

    /// Opens an object in memory; without [`object_name`](Self::object_name) its name is "object".
    ///
    /// # Errors
    /// `InvalidObject` if it is not a BPF object or broken.
    #[doc(alias = "bpf_object__open_mem")]
    pub fn open_memory(mut self, bytes: impl Into<Bytes>) -> Result<OpenObject> {
        let name = self.object_name.get_or_insert_with(|| "object".to_owned());
        self.options.display_name = name.clone();
        self.open(bytes.into())
    }

    fn open(mut self, bytes: Bytes) -> Result<OpenObject> {
        self.options.token_path = self.options.token_path.take().or_else(token::path_of_environment);
        let mut options = oxbpf_object::OpenOptions::new(self.object_name.as_deref().unwrap_or_default());
        options.file = self.options.display_name.clone();
        options.relaxed_maps = self.relaxed_maps;
        // The message names the file itself.
        let spec = oxbpf_object::open(bytes, &options)
            .map_err(|e| Error::invalid_object("").with_errno(e.errno()).with_source(e))?;
        let kernel = match self.kernel {
            Some(kernel) => kernel,
            None => default_kernel()?,
        };
        let mut core = Core::new(kernel, spec, self.options);
        core.use_handlers(&self.handlers).at(|| core.frame())?;
        Ok(OpenObject(core))
    }
}

#[cfg(feature = "linux")]
#[allow(clippy::unnecessary_wraps, reason = "the other configuration fails")]
fn default_kernel() -> Result<Kernel> {
    Ok(crate::kernel())
}

#[cfg(not(feature = "linux"))]
fn default_kernel() -> Result<Kernel> {
    Err(Error::invalid_input("no kernel was given, and this build has none of its own (feature `linux`)"))
}

/// A file is no matter of rights to use BPF.
fn unreadable(e: Error) -> Error {
    if e.kind() == ErrorKind::PermissionDenied { e.with_hint("this user may not read the file") } else { e }
}

/// The bytes of a file, if it has an end.
fn read(path: &Path) -> Result<Vec<u8>> {
    let mut file = std::fs::File::open(path).map_err(|e| read_error(&e))?;
    let meta = file.metadata().map_err(|e| read_error(&e))?;
    #[cfg(unix)]
    if std::os::unix::fs::FileTypeExt::is_char_device(&meta.file_type()) {
        return Err(Error::invalid_input("it is a device, not a file"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0).min(1 << 30));
    std::io::Read::read_to_end(&mut file, &mut bytes).map_err(|e| read_error(&e))?;
    Ok(bytes)
}

/// An error of the standard library as one of ours.
pub(crate) fn read_error(e: &std::io::Error) -> Error {
    match e.raw_os_error() {
        Some(number) => Error::kernel(oxbpf_uapi::Errno(number)),
        None => Error::kernel(oxbpf_uapi::Errno::EIO).with_message(e.to_string()),
    }
}
