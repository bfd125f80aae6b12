//! Section names of the caller's own: what a program in such a section is, and how it is loaded and attached.
//!
//! Handlers of an object are asked in the order in which they were added, before the library's own table of names; a
//! [fallback](SecHandler::fallback) is asked for names that nothing else matches. What they decide is a property of the
//! object: there is no global table, and so nothing to unregister.

use core::fmt;
use std::sync::Arc;

use oxbpf_kernel::ProgLoad;
use oxbpf_object::{AttachKind, ProgId, ProgramSpec, SecFlags};
use oxbpf_uapi::{AttachType, ProgType};

use super::state::Core;
use crate::error::{At, Frame, Result};
use crate::link::Link;
use crate::program::{OpenProgramMut, Program};

type Setup = dyn Fn(&mut OpenProgramMut<'_>) -> Result<()> + Send + Sync;
type Prepare = dyn Fn(&ProgramSpec, &mut ProgLoad<'_>) -> Result<()> + Send + Sync;
type Attach = dyn Fn(&Program<'_>) -> Result<Option<Link>> + Send + Sync;

/// What to do with programs of a section name.
///
/// ```
/// use oxbpf::{ObjectBuilder, SecHandler};
/// use oxbpf_uapi::{AttachType, ProgType};
///
/// // SEC("audit/openat") is a tracepoint program of the system call's entry.
/// let audit = SecHandler::new("audit+", ProgType::TRACEPOINT, AttachType::default()).attach(|program| {
///     let call = program.extra().unwrap_or_default();
///     program.attach_tracepoint("syscalls", &format!("sys_enter_{call}"), Default::default()).map(Some)
/// });
/// let builder = ObjectBuilder::new().sec_handler(audit);
/// # let _ = builder;
/// ```
#[derive(Clone)]
#[doc(alias = "libbpf_register_prog_handler")]
#[doc(alias = "libbpf_prog_handler_opts")]
pub struct SecHandler {
    /// `None` for a fallback.
    pattern: Option<String>,
    prog_type: ProgType,
    attach_type: AttachType,
    setup: Option<Arc<Setup>>,
    prepare: Option<Arc<Prepare>>,
    attach: Option<Arc<Attach>>,
}

impl fmt::Debug for SecHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pattern = self.pattern.as_deref().unwrap_or("(fallback)");
        write!(f, "SEC(\"{pattern}\"): {}", self.prog_type)
    }
}

impl SecHandler {
    /// A handler of the names that `pattern` matches: `name` matches itself, `name+` also `name/extra`, and `name/` only
    /// `name/extra`.
    pub fn new(pattern: &str, prog_type: ProgType, attach_type: AttachType) -> Self {
        Self { pattern: Some(pattern.to_owned()), ..Self::fallback(prog_type, attach_type) }
    }

    /// A handler of all names that nothing else matches.
    pub fn fallback(prog_type: ProgType, attach_type: AttachType) -> Self {
        Self { pattern: None, prog_type, attach_type, setup: None, prepare: None, attach: None }
    }

    /// Called for each program when the object was opened; an error keeps it from opening.
    #[must_use]
    pub fn setup(
        mut self,
        call: impl Fn(&mut OpenProgramMut<'_>) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.setup = Some(Arc::new(call));
        self
    }

    /// Called with the request for each program before it is loaded; an error keeps it from loading.
    #[must_use]
    pub fn prepare(
        mut self,
        call: impl Fn(&ProgramSpec, &mut ProgLoad<'_>) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.prepare = Some(Arc::new(call));
        self
    }

    /// Attaches a program. `None` means that there is nothing to attach.
    #[must_use]
    pub fn attach(
        mut self,
        call: impl Fn(&Program<'_>) -> Result<Option<Link>> + Send + Sync + 'static,
    ) -> Self {
        self.attach = Some(Arc::new(call));
        self
    }

    fn matches(&self, section: &str) -> bool {
        let Some(pattern) = self.pattern.as_deref() else { return false };
        match (pattern.strip_suffix('+'), pattern.ends_with('/')) {
            (Some(name), _) => {
                section.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            (None, true) => section.starts_with(pattern),
            (None, false) => section == pattern,
        }
    }

    /// What follows the name in a section.
    fn extra(&self, section: &str) -> Option<String> {
        let name = self.pattern.as_deref()?.trim_end_matches(['+', '/']);
        section.strip_prefix(name)?.strip_prefix('/').map(str::to_owned)
    }

    /// Lets the caller change the request of a load.
    pub(super) fn change(&self, spec: &ProgramSpec, request: &mut ProgLoad<'_>) -> Result<()> {
        self.prepare.as_ref().map_or(Ok(()), |call| call(spec, request))
    }

    /// Whether it attaches programs.
    pub(crate) fn attaches(&self) -> bool {
        self.attach.is_some()
    }

    /// Attaches a program, if it can.
    pub(crate) fn run_attach(&self, program: &Program<'_>) -> Result<Option<Link>> {
        self.attach.as_ref().map_or(Ok(None), |call| call(program))
    }
}

impl Core {
    /// Gives programs their handlers, and these their say.
    pub(super) fn use_handlers(&mut self, handlers: &[SecHandler]) -> Result<()> {
        for i in 0..self.spec.programs.len() {
            let (Some(spec), Some(row)) = (self.spec.programs.get_mut(i), self.programs.get_mut(i)) else {
                continue;
            };
            let own = handlers.iter().find(|h| h.matches(&spec.sec_name));
            let fallback = || handlers.iter().find(|h| h.pattern.is_none() && spec.sec_def.is_none());
            let Some(handler) = own.or_else(fallback) else { continue };
            spec.sec_def = None;
            (spec.prog_type, spec.expected_attach_type) = (handler.prog_type, handler.attach_type);
            (spec.flags, spec.attach) = (SecFlags::default(), AttachKind::Explicit);
            spec.extra = handler.extra(&spec.sec_name);
            row.handler = Some(handler.clone());
            let id = ProgId(i as u32);
            let Some(setup) = &handler.setup else { continue };
            let frame: Frame = self.program_frame(id);
            setup(&mut OpenProgramMut { core: self, id }).at(|| frame)?;
        }
        Ok(())
    }
}
