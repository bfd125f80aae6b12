//! Section names of C's own: `libbpf_register_prog_handler`.
//!
//! The table is the process's, as C has it. An object takes a copy when it is opened, so that what is unregistered later
//! still serves it.

use core::ffi::{c_int, c_long, c_void};
use core::mem::offset_of;
use std::ffi::CString;
use std::sync::{Mutex, PoisonError};

use oxbpf::SecHandler;
use oxbpf_uapi::{AttachType, ProgType};

use super::link::Link;
use crate::abi::LibbpfProgHandlerOpts;
use crate::arg::Str;
use crate::fail::Fail;
use crate::object::Program;
use crate::opts::{Given, Opts};
use crate::ret::Int;

/// `libbpf_prog_setup_fn_t`.
pub type SetupFn = extern "C" fn(prog: *const Program, cookie: c_long) -> c_int;
/// `libbpf_prog_prepare_load_fn_t`.
pub type PrepareFn = extern "C" fn(prog: *const Program, opts: *mut c_void, cookie: c_long) -> c_int;
/// `libbpf_prog_attach_fn_t`.
pub type AttachFn = extern "C" fn(prog: *const Program, cookie: c_long, link: *mut *const Link) -> c_int;

/// What C registered for a section name.
#[derive(Clone, Debug)]
pub struct Handler {
    id: c_int,
    /// `None` for the fallback.
    pattern: Option<CString>,
    prog_type: ProgType,
    attach_type: AttachType,
    /// C's, for its callbacks.
    pub cookie: c_long,
    /// Called for each program when an object was opened.
    pub setup: Option<SetupFn>,
    /// Called for each program before it is loaded.
    pub prepare: Option<PrepareFn>,
    /// Attaches a program.
    pub attach: Option<AttachFn>,
}

struct Table {
    last_id: c_int,
    handlers: Vec<Handler>,
}

static TABLE: Mutex<Table> = Mutex::new(Table { last_id: 0, handlers: Vec::new() });

/// What is registered now.
pub fn registered() -> Vec<Handler> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner).handlers.clone()
}

impl Handler {
    /// As the loader takes it: types and match only, since C's callbacks are called here.
    pub fn as_loader(&self) -> SecHandler {
        match self.pattern.as_deref().map(|p| p.to_string_lossy()) {
            Some(pattern) => SecHandler::new(&pattern, self.prog_type, self.attach_type),
            None => SecHandler::fallback(self.prog_type, self.attach_type),
        }
    }

    /// The first that matches a section; a fallback only for names that nothing else knows.
    pub fn find(handlers: &[Self], section: &str, is_known: bool) -> Option<Self> {
        let own = handlers.iter().find(|h| h.matches(section));
        own.or_else(|| handlers.iter().find(|h| h.pattern.is_none() && !is_known)).cloned()
    }

    fn matches(&self, section: &str) -> bool {
        let Some(pattern) = self.pattern.as_ref().and_then(|p| p.to_str().ok()) else { return false };
        match (pattern.strip_suffix('+'), pattern.ends_with('/')) {
            (Some(name), _) => {
                section.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            (None, true) => section.starts_with(pattern),
            (None, false) => section == pattern,
        }
    }

    /// Types of a section that it matches.
    pub fn types(&self) -> (ProgType, AttachType) {
        (self.prog_type, self.attach_type)
    }
}

/// A callback that is a field of the options.
fn callbacks(opts: &Given<LibbpfProgHandlerOpts>) -> (Option<SetupFn>, Option<PrepareFn>, Option<AttachFn>) {
    type L = LibbpfProgHandlerOpts;
    (
        opts.callback(offset_of!(L, prog_setup_fn)),
        opts.callback(offset_of!(L, prog_prepare_load_fn)),
        opts.callback(offset_of!(L, prog_attach_fn)),
    )
}

export! {
    /// Registers what programs of a section name are; gives a positive id.
    fn libbpf_register_prog_handler(
        sec: Str, prog_type: u32, exp_attach_type: u32, opts: Opts<LibbpfProgHandlerOpts>,
    ) -> Int {
        let opts = opts.check()?;
        let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
        let pattern = sec.c().map(ToOwned::to_owned);
        if pattern.is_none() && table.handlers.iter().any(|h| h.pattern.is_none()) {
            return Err(Fail::BUSY);
        }
        let id = table.last_id.checked_add(1).ok_or(Fail::TOOBIG)?;
        let (setup, prepare, attach) = callbacks(&opts);
        table.last_id = id;
        table.handlers.push(Handler {
            id,
            pattern,
            prog_type: ProgType(prog_type),
            attach_type: AttachType(exp_attach_type),
            cookie: opt!(opts: LibbpfProgHandlerOpts, cookie) as c_long,
            setup,
            prepare,
            attach,
        });
        Ok(id)
    }

    /// Takes a registration back.
    fn libbpf_unregister_prog_handler(handler_id: c_int) -> Int {
        if handler_id <= 0 {
            return Err(Fail::INVAL);
        }
        let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
        let before = table.handlers.len();
        table.handlers.retain(|h| h.id != handler_id);
        if table.handlers.len() == before { Err(Fail::NOENT) } else { Ok(0) }
    }
}
