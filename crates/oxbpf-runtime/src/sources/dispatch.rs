//! Which attachments an event runs: the hook table in, lists by event out, made anew when the table changes.

use std::collections::HashMap;
use std::sync::Arc;

use crate::hooks::{Attachment, Hook, Hooks};
use crate::tracepoints::{
    PROCESS_EXEC, PROCESS_EXIT, PROCESS_FORK, RAW_SYS_ENTER, RAW_SYS_EXIT, syscall_of_function,
    syscall_of_tracepoint,
};

type List = Vec<Arc<Attachment>>;

/// What is attached to one event: programs that get its arguments, and programs that get its record.
#[derive(Debug, Default)]
pub(super) struct Both {
    pub(super) args: List,
    pub(super) record: List,
}

impl Both {
    pub(super) fn is_empty(&self) -> bool {
        self.args.is_empty() && self.record.is_empty()
    }
}

/// What is attached to one end of system calls.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// To any call.
    pub(super) any: Both,
    /// To one call: by number, programs that get the record.
    pub(super) named: HashMap<u64, List>,
    /// To the function of one call: by number.
    pub(super) probes: HashMap<u64, List>,
}

impl Calls {
    /// Whether some program wants a call.
    pub(super) fn wants(&self, nr: u64) -> bool {
        !self.any.is_empty() || self.named.contains_key(&nr) || self.probes.contains_key(&nr)
    }

    fn is_empty(&self) -> bool {
        self.any.is_empty() && self.named.is_empty() && self.probes.is_empty()
    }
}

/// Attachments by event.
#[derive(Debug, Default)]
pub(super) struct Dispatch {
    generation: Option<u64>,
    pub(super) enter: Calls,
    pub(super) exit: Calls,
    pub(super) process_exec: Both,
    pub(super) process_exit: Both,
    pub(super) process_fork: Both,
    uprobes: List,
    clocks: List,
}

impl Dispatch {
    /// Reads the hook table if it has changed, and says whether it has.
    pub(super) fn update(&mut self, hooks: &Hooks) -> bool {
        let generation = hooks.generation();
        if self.generation == Some(generation) {
            return false;
        }
        *self = Self { generation: Some(generation), ..Self::default() };
        for attachment in hooks.select(|_| true) {
            self.place(attachment);
        }
        true
    }

    fn place(&mut self, attachment: Arc<Attachment>) {
        let list = match &attachment.hook {
            Hook::RawTracepoint(name) | Hook::TpBtf(name) => match name.as_str() {
                "sys_enter" => &mut self.enter.any.args,
                "sys_exit" => &mut self.exit.any.args,
                "sched_process_exec" => &mut self.process_exec.args,
                "sched_process_exit" => &mut self.process_exit.args,
                "sched_process_fork" => &mut self.process_fork.args,
                _ => return,
            },
            Hook::Tracepoint(name) => match name.as_str() {
                RAW_SYS_ENTER => &mut self.enter.any.record,
                RAW_SYS_EXIT => &mut self.exit.any.record,
                PROCESS_EXEC => &mut self.process_exec.record,
                PROCESS_EXIT => &mut self.process_exit.record,
                PROCESS_FORK => &mut self.process_fork.record,
                name => match syscall_of_tracepoint(name) {
                    Some((nr, true)) => self.enter.named.entry(nr.into()).or_default(),
                    Some((nr, false)) => self.exit.named.entry(nr.into()).or_default(),
                    None => return,
                },
            },
            Hook::Kprobe { func, is_return } => {
                let Some(nr) = syscall_of_function(func) else { return };
                let calls = if *is_return { &mut self.exit } else { &mut self.enter };
                calls.probes.entry(nr.into()).or_default()
            }
            Hook::Uprobe { .. } => &mut self.uprobes,
            Hook::Clock { .. } => &mut self.clocks,
            Hook::Xdp(_) | Hook::Tc { .. } | Hook::Iter(_) => return,
        };
        list.push(attachment);
    }

    /// Programs in user code.
    pub(super) fn uprobes(&self) -> &[Arc<Attachment>] {
        &self.uprobes
    }

    /// Programs that sample.
    pub(super) fn clocks(&self) -> &[Arc<Attachment>] {
        &self.clocks
    }

    /// Whether tasks have to stop at system calls: for programs on them, and for mappings that get breakpoints.
    pub(super) fn needs_syscalls(&self) -> bool {
        !self.enter.is_empty() || !self.exit.is_empty() || !self.uprobes.is_empty()
    }
}
