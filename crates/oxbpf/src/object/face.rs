//! One object in whatever state it is: what a C program holds as `struct bpf_object`.
//!
//! [`OpenObject`], [`PreparedObject`](super::PreparedObject) and [`Object`](super::Object) say by their types what can be
//! done. Here the same is asked of a [`Core`] by ids, and each method says in what states it gives something. Callers
//! that have the choice use the three types.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use oxbpf_kernel::{Kernel, MapFd, Mapping, TokenFd};
use oxbpf_object::{ExtInfo, MapId, ProgId};
use oxbpf_uapi::Insn;

use super::state::{Core, State};
use super::{OpenMapMut, OpenObject};
use crate::error::{At, Error, Frame, Result};
use crate::loader::{GenHash, GenOptions, LoaderGen, LoaderProgram};
use crate::map::Map;
use crate::program::{OpenProgramMut, Program};

impl OpenObject {
    /// The object, with its state checked when it is used.
    pub fn into_core(self) -> Core {
        self.0
    }
}

impl Core {
    /// As [`OpenObject::prepare`], in place.
    ///
    /// # Errors
    /// As there. Everything is undone, and the object can be asked about as before.
    pub fn prepare_in_place(&mut self) -> Result<()> {
        let frame = self.frame();
        self.prepare().at(|| frame)
    }

    /// As [`OpenObject::load`], in place, from the open or the prepared state.
    ///
    /// # Errors
    /// As there. Everything is undone, and the object can be asked about as before.
    pub fn load_in_place(&mut self) -> Result<()> {
        if self.state() == State::Open {
            self.prepare_in_place()?;
        }
        let frame = self.frame();
        self.load_programs().at(|| frame)
    }

    /// As [`OpenObject::gen_loader`], in place: the object is loaded with numbers in the places of maps and programs, and they are
    /// created where the program that this gives is run.
    ///
    /// # Errors
    /// As there.
    pub fn gen_loader_in_place(&mut self, gen_hash: GenHash) -> Result<LoaderProgram> {
        let is_little_endian = self.spec.is_foreign_endian != cfg!(target_endian = "little");
        let options = GenOptions { is_little_endian, gen_hash };
        let keeper = Arc::new(LoaderGen::new(options, Some(self.kernel.clone())));
        self.set_kernel(Kernel::from_arc(keeper.clone()));
        self.load_in_place()?;
        keeper.finish().map_err(|e| Error::kernel(e.errno()).with_message(e.to_string()))
    }

    /// A program, in any state.
    pub fn program_at(&self, id: ProgId) -> Option<Program<'_>> {
        self.program(id)?;
        Some(Program { core: self, id })
    }

    /// A program to change. What is changed after the step that uses it has no effect.
    pub fn program_at_mut(&mut self, id: ProgId) -> Option<OpenProgramMut<'_>> {
        self.program(id)?;
        Some(OpenProgramMut { core: self, id })
    }

    /// A map that was created.
    pub fn map_at(&self, id: MapId) -> Option<Map<'_>> {
        let (spec, row) = self.map(id)?;
        Some(Map { spec, row, map: row.live.as_ref()?, id })
    }

    /// A map to change. What is changed after the step that uses it has no effect.
    pub fn map_at_mut(&mut self, id: MapId) -> Option<OpenMapMut<'_>> {
        self.map(id)?;
        Some(OpenMapMut { core: self, id })
    }

    /// The reference to a map that was created, or that is to be used in place of a new one.
    pub fn map_fd(&self, id: MapId) -> Option<&MapFd> {
        let (_, row) = self.map(id)?;
        row.live.as_ref().map(|live| live.fd()).or(row.reused.as_ref())
    }

    /// Whether a map that exists is used in place of a new one.
    pub fn map_is_reused(&self, id: MapId) -> bool {
        self.map(id).is_some_and(|(_, row)| row.reused.is_some())
    }

    /// Where a map is pinned or is to be pinned.
    pub fn map_pin_path(&self, id: MapId) -> Option<&Path> {
        self.map(id)?.1.pin_path.as_deref()
    }

    /// Whether the pin is there.
    pub fn map_is_pinned(&self, id: MapId) -> bool {
        self.map(id).is_some_and(|(_, row)| row.is_pinned)
    }

    /// Whether attaching the whole object attaches the map.
    pub fn map_autoattach(&self, id: MapId) -> bool {
        self.map(id).is_some_and(|(_, row)| row.autoattach)
    }

    /// Network interface that a map is offloaded to, 0 for none.
    pub fn map_ifindex(&self, id: MapId) -> u32 {
        self.map(id).map_or(0, |(_, row)| row.ifindex)
    }

    /// Memory of a data map or an arena that was created, and where in it the variables begin.
    pub fn map_memory(&self, id: MapId) -> Option<(&Mapping, u64)> {
        let (_, row) = self.map(id)?;
        Some((row.mapping.as_ref()?, row.data_offset))
    }

    /// The bytes that a data map starts with, or a struct_ops variable in the object's own layout; empty for other maps.
    pub fn initial_value(&self, id: MapId) -> &[u8] {
        match (self.struct_ops_of(id), self.map(id)) {
            (Some(spec), _) => &spec.data,
            (None, Some((spec, _))) => &spec.data,
            (None, None) => &[],
        }
    }

    /// Changes the bytes that a data map starts with, or a struct_ops variable; `data` has the length of what is there.
    ///
    /// # Errors
    /// `InvalidInput` for another length.
    pub fn replace_initial_value(&mut self, id: MapId, data: Vec<u8>) -> Result<()> {
        if data.len() != self.initial_value(id).len() {
            return Err(Error::invalid_input("the value has another length"));
        }
        if let Some(spec) = self.spec.struct_ops.iter_mut().find(|s| s.map == id) {
            spec.data = data;
        } else if let Some(spec) = self.spec.maps.get_mut(id.0 as usize) {
            spec.data = data;
        }
        Ok(())
    }

    /// Pins a map that was created at `path`, and keeps that as its pin path.
    ///
    /// # Errors
    /// `InvalidInput` if the map was not created; the kernel's.
    pub fn pin_map_at(&mut self, id: MapId, path: PathBuf) -> Result<()> {
        let kernel = self.kernel.clone();
        let row = self.maps.get_mut(id.0 as usize);
        let none = || Error::invalid_input("the map was not created");
        let row = row.ok_or_else(none)?;
        let live = row.live.as_ref().ok_or_else(none)?;
        super::pin(&kernel, &path, live.fd())?;
        (row.is_pinned, row.pin_path) = (true, Some(path));
        Ok(())
    }

    /// Removes the pin of a map at `path`.
    ///
    /// # Errors
    /// The file system's.
    pub fn unpin_map_at(&mut self, id: MapId, path: &Path) -> Result<()> {
        self.kernel.unpin(path).at(|| Frame::Path(path.to_owned())).at(|| Frame::Step("unpin"))?;
        if let Some(row) = self.maps.get_mut(id.0 as usize) {
            (row.is_pinned, row.is_pinned_by_load) = (false, false);
        }
        Ok(())
    }

    /// Instructions of a program: as they are given to the kernel once it is prepared, as the compiler left them before.
    pub fn program_insns(&self, id: ProgId) -> &[Insn] {
        match self.program(id) {
            Some((spec, row)) if row.insns.is_empty() => &spec.code.insns,
            Some((_, row)) => &row.insns,
            None => &[],
        }
    }

    /// Replaces the instructions of a program. Before it is prepared, relocations of instructions that are gone go too.
    pub fn set_program_insns(&mut self, id: ProgId, insns: Vec<Insn>) {
        let i = id.0 as usize;
        let (Some(spec), Some(row)) = (self.spec.programs.get_mut(i), self.programs.get_mut(i)) else {
            return;
        };
        if self.state == State::Open {
            let len = insns.len();
            spec.code.relocs.retain(|r| (r.insn as usize) < len);
            spec.code.core_relocs.retain(|r| (r.insn as usize) < len);
            spec.code.insns = insns;
        } else {
            if row.insns.len() != insns.len() {
                row.info = ExtInfo::default();
            }
            row.insns = insns;
        }
    }

    /// Lets go of a loaded program.
    pub fn unload_program(&mut self, id: ProgId) {
        if let Some(row) = self.programs.get_mut(id.0 as usize) {
            row.fd = None;
        }
    }

    /// The version that programs are loaded for, where the kernel asks for one.
    pub fn set_kern_version(&mut self, version: u32) {
        self.spec.kern_version = version;
    }

    /// What messages call it: its file, or its name if it has none.
    pub fn display_name(&self) -> &str {
        &self.options.display_name
    }

    /// The version of the running kernel, as `KERNEL_VERSION` makes it.
    ///
    /// # Errors
    /// The kernel cannot say.
    pub fn running_version(&self) -> Result<u32> {
        self.kernel_version()
    }

    /// Verbosity of the verifier for programs without a level of their own.
    pub fn log_level(&self) -> u32 {
        self.options.log_level
    }

    /// The BPF token that the object was created with.
    pub fn token(&self) -> Option<&TokenFd> {
        self.token.as_ref()
    }

    /// The object's types in the kernel.
    pub fn btf_fd(&self) -> Option<&oxbpf_kernel::BtfFd> {
        self.btf_fd.as_ref()
    }
}

impl Program<'_> {
    /// Whether loading the object loads it.
    #[doc(alias = "bpf_program__autoload")]
    pub fn autoload(&self) -> bool {
        self.row().autoload
    }

    /// `BPF_F_*` flags that were added to the load.
    #[doc(alias = "bpf_program__flags")]
    pub fn prog_flags(&self) -> u32 {
        self.row().prog_flags
    }

    /// Verbosity of the verifier for this program, `None` for the object's.
    #[doc(alias = "bpf_program__log_level")]
    pub fn log_level(&self) -> Option<u32> {
        self.row().log_level
    }

    /// Function and line records, as they were given to the kernel.
    #[doc(alias = "bpf_program__func_info")]
    #[doc(alias = "bpf_program__line_info")]
    pub fn ext_info(&self) -> &ExtInfo {
        &self.row().info
    }
}
