//! Where programs are attached: the table that links write and event sources read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use crate::progs::Prog;

/// A place that runs programs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Hook {
    /// A tracepoint with the record that its format describes: "category/name".
    Tracepoint(String),
    /// A raw tracepoint with its arguments.
    RawTracepoint(String),
    /// A raw tracepoint with typed arguments.
    TpBtf(String),
    /// Entry or return of a kernel function.
    Kprobe {
        /// Function.
        func: String,
        /// Return probe.
        is_return: bool,
    },
    /// Entry or return of code in a file.
    Uprobe {
        /// File.
        path: String,
        /// Offset in the file.
        offset: u64,
        /// Return probe.
        is_return: bool,
        /// Process, `None` for all.
        pid: Option<u32>,
    },
    /// A clock that samples.
    Clock {
        /// Nanoseconds between samples.
        period_ns: u64,
        /// Process, `None` for all.
        pid: Option<u32>,
    },
    /// Packets of an interface before anything else sees them.
    Xdp(u32),
    /// Packets of an interface.
    Tc {
        /// Interface.
        ifindex: u32,
        /// Coming in, not going out.
        ingress: bool,
    },
    /// Elements of a kind, one run an element.
    Iter(String),
}

/// One program at one hook.
#[derive(Debug)]
pub(crate) struct Attachment {
    id: u64,
    pub(crate) hook: Hook,
    pub(crate) prog: Arc<Prog>,
    /// What `bpf_get_attach_cookie` gives.
    pub(crate) cookie: u64,
    enabled: Arc<AtomicBool>,
}

impl Attachment {
    /// Whether events reach the program now.
    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled.load(Ordering::Acquire)
    }
}

/// All attachments, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    list: RwLock<Vec<Arc<Attachment>>>,
    generation: AtomicU64,
}

impl Hooks {
    /// Attaches a program until the guard is dropped. `enabled` may switch it off and on meanwhile.
    pub(crate) fn attach(
        self: &Arc<Self>,
        hook: Hook,
        prog: Arc<Prog>,
        cookie: u64,
        enabled: Arc<AtomicBool>,
    ) -> Attached {
        let id = self.generation.fetch_add(1, Ordering::AcqRel) + 1;
        let attachment = Arc::new(Attachment { id, hook, prog, cookie, enabled });
        self.list.write().unwrap_or_else(PoisonError::into_inner).push(attachment.clone());
        Attached { hooks: Arc::downgrade(self), attachment }
    }

    /// A number that changes whenever the table does.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The attachments that `filter` picks.
    pub(crate) fn select(&self, filter: impl Fn(&Hook) -> bool) -> Vec<Arc<Attachment>> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        list.iter().filter(|a| filter(&a.hook)).cloned().collect()
    }

    /// The attachments at one hook.
    pub(crate) fn at(&self, hook: &Hook) -> Vec<Arc<Attachment>> {
        self.select(|h| h == hook)
    }
}

/// Keeps a program attached.
#[derive(Debug)]
pub(crate) struct Attached {
    hooks: Weak<Hooks>,
    pub(crate) attachment: Arc<Attachment>,
}

impl Drop for Attached {
    fn drop(&mut self) {
        if let Some(hooks) = self.hooks.upgrade() {
            let id = self.attachment.id;
            hooks.list.write().unwrap_or_else(PoisonError::into_inner).retain(|a| a.id != id);
            hooks.generation.fetch_add(1, Ordering::AcqRel);
        }
    }
}
