//! Programs: set up before the object is loaded, run and inspected after.
//!
//! One type for all program types. The attach methods of [`Program`] are in [`crate::link`]. [`OwnedProgram`] stands alone: a program
//! of the kernel's, whoever loaded it.

mod info;
mod owned;

use std::path::Path;

use oxbpf_btf::TypeId;
use oxbpf_kernel::{BtfFd, Kernel, MapFd, ProgFd, ProgLoad, ProgTestRun};
use oxbpf_object::{AttachKind, ProgId, ProgramSpec, SecFlags};
use oxbpf_uapi::info::ProgInfo;
use oxbpf_uapi::{AttachType, Cmd, Insn, ProgType};

use crate::error::{At, Error, Frame, Result};
use crate::feature::Features;
use crate::object::SecHandler;
use crate::object::state::{AttachTarget, Core, ProgRow};
pub use info::{InfoParts, ProgramInfo};
pub use owned::{OwnedProgram, Stream};

/// A program of an object that has not met the kernel yet.
#[derive(Debug)]
pub struct OpenProgramMut<'o> {
    pub(crate) core: &'o mut Core,
    pub(crate) id: ProgId,
}

impl OpenProgramMut<'_> {
    /// Its id in the object.
    pub fn id(&self) -> ProgId {
        self.id
    }

    /// What the file says about it, with the changes made since.
    pub fn spec(&self) -> &ProgramSpec {
        // The id was checked when this was made, and programs are never removed.
        &self.core.spec.programs[self.id.0 as usize]
    }

    fn spec_mut(&mut self) -> &mut ProgramSpec {
        &mut self.core.spec.programs[self.id.0 as usize]
    }

    fn row(&self) -> &ProgRow {
        &self.core.programs[self.id.0 as usize]
    }

    fn row_mut(&mut self) -> &mut ProgRow {
        &mut self.core.programs[self.id.0 as usize]
    }

    /// Function name.
    #[doc(alias = "bpf_program__name")]
    pub fn name(&self) -> &str {
        &self.spec().code.name
    }

    /// Whether loading the object loads it. Default: yes, unless its section name starts with `?`.
    #[doc(alias = "bpf_program__autoload")]
    pub fn autoload(&self) -> bool {
        self.row().autoload
    }

    /// Whether loading the object loads it.
    #[doc(alias = "bpf_program__set_autoload")]
    pub fn set_autoload(&mut self, autoload: bool) -> &mut Self {
        self.row_mut().autoload = autoload;
        self
    }

    /// Whether attaching the object attaches it. Default: yes.
    #[doc(alias = "bpf_program__set_autoattach")]
    pub fn set_autoattach(&mut self, autoattach: bool) -> &mut Self {
        self.row_mut().autoattach = autoattach;
        self
    }

    /// Changes the program type. The section name then no longer says how to attach.
    #[doc(alias = "bpf_program__set_type")]
    pub fn set_type(&mut self, prog_type: ProgType) -> &mut Self {
        let spec = self.spec_mut();
        if spec.prog_type != prog_type {
            spec.prog_type = prog_type;
            spec.sec_def = None;
            spec.flags = SecFlags::default();
            spec.attach = AttachKind::Explicit;
        }
        self
    }

    /// Changes the attach type that the program is loaded for.
    #[doc(alias = "bpf_program__set_expected_attach_type")]
    pub fn set_expected_attach_type(&mut self, attach_type: AttachType) -> &mut Self {
        self.spec_mut().expected_attach_type = attach_type;
        self
    }

    /// Sets what a program of a BTF-based type attaches to: function `func` of the kernel, of a module (`module:func`), or of `prog`. Without
    /// `func` the section name says which function.
    #[doc(alias = "bpf_program__set_attach_target")]
    pub fn set_attach_target(&mut self, prog: Option<ProgFd>, func: Option<&str>) -> &mut Self {
        let func = func.map(str::to_owned);
        self.row_mut().attach_target = AttachTarget { func, prog, ..AttachTarget::default() };
        self
    }

    /// Adds `BPF_F_*` flags to the load; the section's flags (sleepable, fragments) are set already.
    #[doc(alias = "bpf_program__set_flags")]
    pub fn set_flags(&mut self, prog_flags: u32) -> &mut Self {
        self.row_mut().prog_flags = prog_flags;
        self
    }

    /// Verbosity of the verifier for this program, in place of the object's.
    #[doc(alias = "bpf_program__set_log_level")]
    pub fn set_log_level(&mut self, level: u32) -> &mut Self {
        self.row_mut().log_level = Some(level);
        self
    }

    /// Network interface that the program is offloaded or bound to, 0 for none.
    #[doc(alias = "bpf_program__set_ifindex")]
    pub fn set_ifindex(&mut self, ifindex: u32) -> &mut Self {
        self.row_mut().ifindex = ifindex;
        self
    }
}

/// A program of an object, loaded or not.
#[derive(Clone, Copy, Debug)]
#[doc(alias = "bpf_program")]
pub struct Program<'o> {
    pub(crate) core: &'o Core,
    pub(crate) id: ProgId,
}

impl<'o> Program<'o> {
    fn spec_and_row(&self) -> (&'o ProgramSpec, &'o ProgRow) {
        let i = self.id.0 as usize;
        // The id was checked when this was made, and programs are never removed.
        (&self.core.spec.programs[i], &self.core.programs[i])
    }

    pub(crate) fn row(&self) -> &'o ProgRow {
        self.spec_and_row().1
    }

    /// Its id in the object.
    pub fn id(&self) -> ProgId {
        self.id
    }

    /// What the file says about it, with the changes made before loading.
    pub fn spec(&self) -> &'o ProgramSpec {
        self.spec_and_row().0
    }

    /// Function name.
    #[doc(alias = "bpf_program__name")]
    pub fn name(&self) -> &'o str {
        &self.spec().code.name
    }

    /// What `SEC()` said, without a leading `?`.
    #[doc(alias = "bpf_program__section_name")]
    pub fn sec_name(&self) -> &'o str {
        &self.spec().sec_name
    }

    /// Program type.
    #[doc(alias = "bpf_program__type")]
    pub fn prog_type(&self) -> ProgType {
        self.spec().prog_type
    }

    /// Attach type that it was loaded for.
    #[doc(alias = "bpf_program__expected_attach_type")]
    pub fn expected_attach_type(&self) -> AttachType {
        self.spec().expected_attach_type
    }

    /// How its section name attaches it.
    pub fn attach_kind(&self) -> AttachKind {
        self.spec().attach
    }

    /// What follows the section's type and `/`, such as "syscalls/sys_enter_openat".
    pub fn extra(&self) -> Option<&'o str> {
        self.spec().extra.as_deref()
    }

    /// Whether attaching the object attaches it.
    #[doc(alias = "bpf_program__autoattach")]
    pub fn autoattach(&self) -> bool {
        self.row().autoattach
    }

    /// The caller's handler of its section name.
    pub(crate) fn handler(&self) -> Option<&'o SecHandler> {
        self.row().handler.as_ref()
    }

    /// Whether attaching the object attaches it: it is loaded, autoattach is on, and its section name says where.
    pub fn attaches_itself(&self) -> bool {
        let is_named = self.extra().is_some_and(|e| !e.is_empty());
        let says_where = match self.attach_kind() {
            AttachKind::Explicit => false,
            // The target was found at load, whoever named it.
            AttachKind::Trace | AttachKind::Lsm | AttachKind::Iter => !self.attach_btf_id().is_void(),
            _ => is_named,
        };
        let says_where = says_where || self.handler().is_some_and(SecHandler::attaches);
        says_where && self.autoattach() && self.is_loaded()
    }

    /// Whether it is in the kernel.
    pub fn is_loaded(&self) -> bool {
        self.row().fd.is_some()
    }

    /// The kernel that it is loaded into.
    pub fn kernel(&self) -> &'o Kernel {
        &self.core.kernel
    }

    /// What the kernel can do.
    pub fn features(&self) -> &'o Features {
        &self.core.features
    }

    /// Name of its object.
    pub fn object_name(&self) -> &'o str {
        self.core.name()
    }

    /// The reference.
    ///
    /// # Errors
    /// `InvalidInput` if the program was not loaded.
    #[doc(alias = "bpf_program__fd")]
    pub fn fd(&self) -> Result<&'o ProgFd> {
        let missing = || Error::invalid_input("the program is not loaded: autoload is off").at(self.frame());
        self.row().fd.as_ref().ok_or_else(missing)
    }

    /// BTF id of what it was loaded to attach to, void if nothing.
    pub fn attach_btf_id(&self) -> TypeId {
        self.row().attach_target.btf_id
    }

    /// BTF of the module that has [`attach_btf_id`](Self::attach_btf_id), `None` for the kernel itself or another program.
    pub fn attach_btf_obj(&self) -> Option<&'o BtfFd> {
        self.row().attach_target.btf_obj.as_ref()
    }

    /// The program that it was loaded to attach to, `None` for the kernel.
    pub fn attach_prog(&self) -> Option<&'o ProgFd> {
        self.row().attach_target.prog.as_ref()
    }

    /// Instructions as they are given to the kernel: relocated, functions included.
    #[doc(alias = "bpf_program__insns")]
    pub fn insns(&self) -> &'o [Insn] {
        &self.row().insns
    }

    /// What the verifier said while it accepted the program; empty unless a log level was set.
    #[doc(alias = "bpf_program__log_buf")]
    pub fn log(&self) -> &'o str {
        &self.row().log
    }

    /// Loads the program once more, with other options: `change` gets the request as it was made for the program. The copy belongs to the
    /// caller; read-only maps that it does not use are not bound to it.
    ///
    /// # Errors
    /// `InvalidInput` if the program was not relocated: autoload is off. The kernel's; its log is what `change` asked for.
    #[doc(alias = "bpf_program__clone")]
    pub fn load_copy<'a>(&self, change: impl FnOnce(&mut ProgLoad<'a>)) -> Result<ProgFd>
    where
        'o: 'a,
    {
        self.core.load_copy(self.id, change).at(|| self.frame()).at(|| Frame::Step("load"))
    }

    /// Runs the program on data and context of the caller's; output fields are in the request that comes back.
    ///
    /// ```no_run
    /// # fn f(object: &oxbpf::Object, packet: &[u8]) -> oxbpf::Result<()> {
    /// let result = object.program("filter")?.test_run(|run| run.data_in = packet)?;
    /// println!("returned {}", result.retval);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `ENOTSUPP` for program types that can't be run; `EINVAL` for data that is too short. Linux 4.12.
    #[doc(alias = "bpf_prog_test_run_opts")]
    pub fn test_run<'a>(&self, fill: impl FnOnce(&mut ProgTestRun<'a>)) -> Result<ProgTestRun<'a>>
    where
        'o: 'a,
    {
        let mut request = ProgTestRun::new(self.fd()?);
        fill(&mut request);
        let result = self.core.kernel.prog_test_run(request);
        result.at(|| Frame::Command(Cmd::PROG_TEST_RUN)).at(|| self.frame())
    }

    /// What the kernel knows about the program: the fixed part, without the buffers. Linux 4.13.
    ///
    /// # Errors
    /// The kernel's.
    #[doc(alias = "bpf_prog_get_info_by_fd")]
    pub fn info(&self) -> Result<ProgInfo> {
        self.to_owned()?.info().at(|| self.frame())
    }

    /// What the kernel knows about the program, with the arrays that `parts` names.
    ///
    /// # Errors
    /// As [`OwnedProgram::info_with`].
    #[doc(alias = "bpf_prog_get_info_by_fd")]
    pub fn info_with(&self, parts: InfoParts) -> Result<ProgramInfo> {
        self.to_owned()?.info_with(parts).at(|| self.frame())
    }

    /// Makes the program keep `map` alive; see [`OwnedProgram::bind_map`].
    ///
    /// # Errors
    /// As there.
    #[doc(alias = "bpf_prog_bind_map")]
    pub fn bind_map(&self, map: &MapFd) -> Result<()> {
        self.to_owned()?.bind_map(map).at(|| self.frame())
    }

    /// Says which struct_ops map the program's kernel functions work for; see [`OwnedProgram::assoc_struct_ops`].
    ///
    /// # Errors
    /// As there.
    #[doc(alias = "bpf_program__assoc_struct_ops")]
    pub fn assoc_struct_ops(&self, map: &MapFd) -> Result<()> {
        self.to_owned()?.assoc_struct_ops(map).at(|| self.frame())
    }

    /// Takes text out of a stream into `out`; see [`OwnedProgram::read_stream`].
    ///
    /// # Errors
    /// As there.
    #[doc(alias = "bpf_prog_stream_read")]
    pub fn read_stream(&self, stream: Stream, out: &mut [u8]) -> Result<usize> {
        self.to_owned()?.read_stream(stream, out).at(|| self.frame())
    }

    /// The program with a reference that outlives the object.
    ///
    /// # Errors
    /// `InvalidInput` if the program was not loaded.
    pub fn to_owned(&self) -> Result<OwnedProgram> {
        Ok(OwnedProgram::new(&self.core.kernel, self.fd()?.clone()))
    }

    /// Gives the program a name in a bpf file system. Missing directories are made.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is taken.
    #[doc(alias = "bpf_program__pin")]
    pub fn pin(&self, path: impl AsRef<Path>) -> Result<()> {
        crate::object::pin(&self.core.kernel, path.as_ref(), self.fd()?).at(|| self.frame())
    }

    pub(crate) fn frame(&self) -> Frame {
        self.core.program_frame(self.id)
    }
}

impl Core {
    pub(crate) fn program_frame(&self, id: ProgId) -> Frame {
        let found = self.spec.programs.get(id.0 as usize);
        let name = found.map(|p| p.code.name.clone()).unwrap_or_default();
        let section = found.map(|p| p.sec_name.clone()).unwrap_or_default();
        Frame::Program { name, section }
    }
}
