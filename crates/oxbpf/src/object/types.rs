//! Types of the running kernel and its modules, read when they are first needed.

use std::cell::OnceCell;
use std::sync::Arc;

use oxbpf_btf::{Btf, Bytes, TypeId};
use oxbpf_kernel::{BtfFd, Fact, Kernel, ObjectKind};
use oxbpf_uapi::{BtfKind, Cmd, Errno};

use crate::error::{At, Frame, Result};

/// BTF of a module.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) btf: Btf,
    pub(crate) fd: BtfFd,
}

/// Where a type of the kernel was found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) id: TypeId,
    /// Index among the modules, `None` for the kernel itself.
    pub(crate) module: Option<usize>,
}

/// The types of the kernel that an object is loaded into.
#[derive(Debug)]
pub(crate) struct KernelTypes {
    kernel: Kernel,
    vmlinux: OnceCell<Arc<Btf>>,
    modules: OnceCell<Vec<Module>>,
}

impl KernelTypes {
    pub(crate) fn new(kernel: &Kernel) -> Self {
        Self { kernel: kernel.clone(), vmlinux: OnceCell::new(), modules: OnceCell::new() }
    }

    /// Types of the kernel itself.
    pub(crate) fn vmlinux(&self) -> Result<&Arc<Btf>> {
        if let Some(btf) = self.vmlinux.get() {
            return Ok(btf);
        }
        let btf = crate::btf::vmlinux(&self.kernel)?;
        Ok(self.vmlinux.get_or_init(|| btf))
    }

    /// Types of the modules, in the order in which they were loaded. A caller that may not list them sees none.
    pub(crate) fn modules(&self) -> Result<&[Module]> {
        if let Some(modules) = self.modules.get() {
            return Ok(modules);
        }
        let base = self.vmlinux()?;
        let modules = read_modules(&self.kernel, base).at(|| Frame::Target("BTF of modules".into()))?;
        log::debug!("{} modules have types", modules.len());
        Ok(self.modules.get_or_init(|| modules))
    }

    /// A type by name: in the kernel, then in each module's own types.
    pub(crate) fn find(&self, name: &str, kind: BtfKind) -> Result<Option<Found>> {
        if let Some(id) = self.vmlinux()?.find(name, kind) {
            return Ok(Some(Found { id, module: None }));
        }
        self.find_in_modules(name, kind, None)
    }

    /// A type by name in the modules, or in the one called `only`.
    pub(crate) fn find_in_modules(
        &self,
        name: &str,
        kind: BtfKind,
        only: Option<&str>,
    ) -> Result<Option<Found>> {
        let modules = self.modules()?.iter().enumerate();
        let mut wanted = modules.filter(|(_, m)| only.is_none_or(|only| m.name == only));
        Ok(wanted.find_map(|(i, m)| Some(Found { id: m.btf.find_own(name, kind)?, module: Some(i) })))
    }

    /// The BTF in which a type was found.
    pub(crate) fn btf_of(&self, found: &Found) -> Result<&Btf> {
        match self.module_of(found) {
            Some(module) => Ok(&module.btf),
            None => Ok(self.vmlinux()?),
        }
    }

    /// The module in which a type was found.
    pub(crate) fn module_of(&self, found: &Found) -> Option<&Module> {
        self.modules.get()?.get(found.module?)
    }
}

/// Walks all BTF objects and keeps those of modules.
fn read_modules(kernel: &Kernel, base: &Arc<Btf>) -> Result<Vec<Module>> {
    let mut modules = Vec::new();
    let mut last = 0;
    loop {
        last = match kernel.get_next_id(ObjectKind::Btf, last) {
            Ok(Some(id)) => id,
            // Kernels before 5.4 can't list BTF and have none of modules; others ask for a privilege.
            Ok(None) | Err(Errno::EPERM | Errno::EINVAL | Errno::ENOSYS) => return Ok(modules),
            Err(e) => return Err(e).at(|| Frame::Command(Cmd::BTF_GET_NEXT_ID)),
        };
        let handle = match kernel.get_fd_by_id(ObjectKind::Btf, last) {
            Ok(handle) => handle,
            // It went since.
            Err(Errno::ENOENT) => continue,
            Err(Errno::EPERM) => return Ok(modules),
            Err(e) => return Err(e).at(|| Frame::Command(Cmd::BTF_GET_FD_BY_ID)),
        };
        let (info, name) = crate::btf::info(kernel, &handle)?;
        if info.kernel_btf == 0 || name == "vmlinux" {
            continue;
        }
        let btf = match kernel.fact(Fact::ModuleBtf(&name)) {
            Ok(blob) => Bytes::from_owner(blob.into_owner()),
            Err(_) => crate::btf::read(kernel, &handle)?.into(),
        };
        match Btf::parse_split(btf, base.clone()) {
            Ok(btf) => modules.push(Module { name, btf, fd: BtfFd(handle) }),
            // A module that was built against another kernel's types must not keep an object from loading.
            Err(e) => log::warn!("BTF of module '{name}' is ignored: {e}"),
        }
    }
}
