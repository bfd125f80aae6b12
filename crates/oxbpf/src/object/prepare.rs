//! Preparing: everything that loading does before the programs, in an order that dependencies force.
//!
//! Externs get their values, CO-RE relocations their targets, the object's BTF and maps get into the kernel, instructions
//! the maps' numbers, and programs of BTF-based types the id of what they attach to. The kernel's own BTF is read
//! only if one of these needs it.

use oxbpf_btf::TypeId;
use oxbpf_uapi::Errno;

use super::state::{Core, State};
use super::types::KernelTypes;
use crate::error::{Error, Result};

impl Core {
    pub(crate) fn prepare(&mut self) -> Result<()> {
        self.check_open()?;
        let result = self.prepare_steps();
        match result {
            Ok(()) => self.state = State::Prepared,
            Err(_) => self.undo(),
        }
        result
    }

    fn prepare_steps(&mut self) -> Result<()> {
        self.check_loadable()?;
        if !self.kernel.is_deferred() {
            self.prepare_token()?;
        }
        let types = KernelTypes::new(&self.kernel);
        let externs = self.resolve_externs(&types)?;
        self.lay_out_struct_ops(&types)?;
        self.relocate_core(&types)?;
        let func_types = self.fix_context_arguments()?;
        self.load_btf()?;
        self.create_maps()?;
        self.relocate_programs(&externs)?;
        self.use_func_types(&func_types);
        self.find_attach_targets(&types)
    }

    /// Refuses what can't be loaded, before anything is created.
    fn check_loadable(&self) -> Result<()> {
        if self.kernel.is_deferred() {
            return self.check_deferrable();
        }
        if self.spec.is_foreign_endian {
            return Err(Error::invalid_object("the object is for machines of the other byte order")
                .with_errno(Errno(4003)));
        }
        Ok(())
    }

    /// Releases everything that was created.
    pub(super) fn undo(&mut self) {
        self.undo_pins();
        for row in &mut self.programs {
            row.fd = None;
            row.jump_tables.clear();
            (row.attach_target.btf_id, row.attach_target.btf_obj) = (TypeId::VOID, None);
        }
        for row in &mut self.maps {
            (row.live, row.mapping, row.kernel_value) = (None, None, None);
        }
        self.btf_fd = None;
        self.fd_array.clear();
        self.module_fds.clear();
    }
}

/// An error of the object's own contents, found late.
pub(super) fn in_object<T>(result: Result<T, oxbpf_object::ObjectError>) -> Result<T> {
    result.map_err(|e| Error::invalid_object("").with_errno(e.errno()).with_source(e))
}
