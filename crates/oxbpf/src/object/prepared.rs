//! Objects that have met the kernel.

use std::path::Path;
use std::sync::Arc;

use oxbpf_btf::Btf;
use oxbpf_kernel::Kernel;
use oxbpf_object::{ExtInfo, MapId, ObjectSpec, ProgId};
use oxbpf_uapi::Insn;

use super::Global;
use super::state::Core;
use crate::error::{At, Error, Result};
use crate::link::Link;
use crate::map::Map;
use crate::program::Program;

/// An object whose maps exist and whose code is relocated.
#[derive(Debug)]
pub struct PreparedObject(pub(crate) Core);

impl PreparedObject {
    /// A map that was created, by name.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn map(&self, name: &str) -> Result<Map<'_>> {
        self.0.live_map(name)
    }

    /// A program, by name; it has its final instructions but no descriptor.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn program(&self, name: &str) -> Result<Program<'_>> {
        Ok(Program { core: &self.0, id: self.0.find_program(name)? })
    }

    /// Replaces the instructions of a program. They are given to the kernel as they are: the numbers of maps and functions must be in them.
    /// The function and line records of the old ones are dropped if the number of instructions changes.
    ///
    /// # Errors
    /// `NotFound` if there is no such program; `InvalidInput` for no instructions.
    #[doc(alias = "bpf_program__set_insns")]
    pub fn set_insns(&mut self, program: &str, insns: &[Insn]) -> Result<()> {
        let id = self.0.find_program(program)?;
        if insns.is_empty() {
            return Err(Error::invalid_input("a program has instructions").at(self.0.program_frame(id)));
        }
        if let Some(row) = self.0.programs.get_mut(id.0 as usize) {
            if row.insns.len() != insns.len() {
                row.info = ExtInfo::default();
            }
            row.insns = insns.to_vec();
        }
        Ok(())
    }

    /// Loads the programs.
    ///
    /// # Errors
    /// `Verifier` with the log when a program is rejected, or what the kernel says. Everything is undone.
    #[doc(alias = "bpf_object__load")]
    pub fn load(mut self) -> Result<Object> {
        let frame = self.0.frame();
        self.0.load_programs().at(|| frame)?;
        Ok(Object(self.0))
    }
}

/// A loaded object. Dropping it releases its maps and programs; what is attached or pinned stays until its link
/// or pin goes.
#[derive(Debug)]
#[doc(alias = "bpf_object")]
pub struct Object(pub(crate) Core);

impl Object {
    /// The object's name.
    #[doc(alias = "bpf_object__name")]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// The kernel that it is loaded into.
    pub fn kernel(&self) -> &Kernel {
        &self.0.kernel
    }

    /// What the file says, with the changes made before loading.
    pub fn spec(&self) -> &ObjectSpec {
        &self.0.spec
    }

    /// Types of the object, `None` if it was built without `-g`.
    #[doc(alias = "bpf_object__btf")]
    pub fn btf(&self) -> Option<&Arc<Btf>> {
        self.0.spec.btf.as_ref()
    }

    /// The programs, in the order of the file; those that were not loaded too.
    #[doc(alias = "bpf_object__next_program")]
    pub fn programs(&self) -> impl Iterator<Item = Program<'_>> {
        (0..self.0.programs.len() as u32).map(|i| Program { core: &self.0, id: ProgId(i) })
    }

    /// A program by its function name.
    ///
    /// # Errors
    /// `NotFound` with the names that there are.
    #[doc(alias = "bpf_object__find_program_by_name")]
    pub fn program(&self, name: &str) -> Result<Program<'_>> {
        Ok(Program { core: &self.0, id: self.0.find_program(name)? })
    }

    /// The maps that were created, data sections included.
    #[doc(alias = "bpf_object__next_map")]
    pub fn maps(&self) -> impl Iterator<Item = Map<'_>> {
        (0..self.0.maps.len() as u32).filter_map(|i| self.map_at(MapId(i)))
    }

    /// A map by its name in the source (sections for data maps: ".rodata") or in the kernel.
    ///
    /// # Errors
    /// `NotFound` with the names that there are, or if the map was not created.
    #[doc(alias = "bpf_object__find_map_by_name")]
    pub fn map(&self, name: &str) -> Result<Map<'_>> {
        self.0.live_map(name)
    }

    /// A map by its id, `None` if there is none or it was not created.
    pub fn map_at(&self, id: MapId) -> Option<Map<'_>> {
        let (spec, row) = self.0.map(id)?;
        Some(Map { spec, row, map: row.live.as_ref()?, id })
    }

    /// The global variables of the object, section by section.
    pub fn globals(&self) -> Vec<Global> {
        self.0.globals()
    }

    /// Where a global variable lies and what type it has.
    ///
    /// # Errors
    /// `NotFound` with the nearest name.
    pub fn global(&self, name: &str) -> Result<Global> {
        self.0.global(name)
    }

    /// What a global variable holds now.
    ///
    /// # Errors
    /// `NotFound` with the nearest name, or the kernel's.
    pub fn global_bytes(&self, name: &str) -> Result<Vec<u8>> {
        self.0.live_global(name)
    }

    /// Attaches every program whose section name says where, in the order of the file, and then every struct_ops map. Programs that are not
    /// loaded or that need a target which only the caller can give are left out, and what has its autoattach off.
    ///
    /// ```no_run
    /// # fn f(object: oxbpf::Object) -> oxbpf::Result<()> {
    /// let links = object.attach()?;
    /// // Programs run until `links` goes.
    /// drop(links);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What attaching the first one that can't be attached says; those that were attached by then are detached.
    #[doc(alias = "bpf_object__attach_skeleton")]
    pub fn attach(&self) -> Result<Vec<Link>> {
        let attach = |p: Program<'_>| match p.handler() {
            Some(handler) => handler.run_attach(&p).transpose(),
            None => Some(p.attach()),
        };
        let programs = self.programs().filter(Program::attaches_itself).filter_map(attach);
        let is_struct_ops = |m: &Map<'_>| m.row.kernel_value.is_some() && m.autoattach();
        let maps = self.maps().filter(is_struct_ops).map(|m| m.attach_struct_ops());
        programs.chain(maps).collect()
    }

    /// Pins every map that has a pin path of its own there, and the others as `dir/NAME`.
    ///
    /// # Errors
    /// The kernel's; pins made by this call are removed then.
    #[doc(alias = "bpf_object__pin_maps")]
    pub fn pin_maps(&mut self, dir: Option<&Path>) -> Result<()> {
        self.0.pin_maps(dir)
    }

    /// Removes the pins of the maps.
    ///
    /// # Errors
    /// The file system's.
    #[doc(alias = "bpf_object__unpin_maps")]
    pub fn unpin_maps(&mut self) -> Result<()> {
        self.0.unpin_maps()
    }

    /// Removes the pins that loading made, for when something that has to follow the load failed. Pins that were there before,
    /// whose maps this object uses, stay, and so do those made by [`Self::pin_maps`]. One that cannot be removed is a warning
    /// in the log.
    pub fn undo_pins(&mut self) {
        self.0.undo_pins();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::OpenObject;

    #[test]
    fn objects_can_be_shared_between_threads() {
        fn check<T: Send + Sync>() {}
        check::<OpenObject>();
        check::<PreparedObject>();
        check::<Object>();
        check::<Program<'_>>();
        check::<Map<'_>>();
    }
}
