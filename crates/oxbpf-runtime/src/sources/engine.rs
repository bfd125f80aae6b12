//! Runs the programs of an event: builds what each kind of program is given, in guest memory where it is a kernel object.

use std::sync::Arc;

use oxbpf_sys::trace::{PtRegs, Tracee};
use oxbpf_vm::{MemError, Region, RegionSpec, Rights};
use zerocopy::IntoBytes;

use super::dispatch::{Both, Calls, Dispatch};
use crate::hooks::Attachment;
use crate::invoke::{Context, Event, Runner};
use crate::state::State;
use crate::tasks::{Binprm, Task};
use crate::tracepoints::{Record, function_address};

/// What runs programs for one source.
#[derive(Debug)]
pub(super) struct Engine {
    state: Arc<State>,
    runner: Runner,
    /// `struct pt_regs` of the task at a system call.
    regs: Region,
    binprm: Binprm,
}

/// Longest name of a program file.
const PATH_MAX: usize = 4096;
/// `AT_EXECFN` of the auxiliary vector: the name that execve(2) was given.
const AT_EXECFN: u64 = 31;
/// The selectors that the kernel itself runs with.
const KERNEL_CS: u64 = 0x10;
const KERNEL_SS: u64 = 0x18;

impl Engine {
    pub(super) fn new(state: &Arc<State>) -> Result<Self, MemError> {
        let regs = RegionSpec::new(size_of::<PtRegs>() as u64, "pt_regs").rights(Rights::Read);
        Ok(Self {
            runner: state.runner()?,
            regs: state.memory.alloc(regs)?,
            binprm: Binprm::new(&state.memory)?,
            state: state.clone(),
        })
    }

    /// The threads that are traced now.
    pub(super) fn tasks(&self) -> Vec<Arc<Task>> {
        self.state.tasks.all_traced()
    }

    /// Runs one program, if it is on.
    pub(super) fn run(
        &mut self,
        attachment: &Attachment,
        context: Context<'_>,
        task: &Arc<Task>,
        regs: Option<&PtRegs>,
        func_ip: u64,
    ) {
        if attachment.is_enabled() {
            let cookie = attachment.cookie;
            let event = Event { context, task: Some(task.clone()), regs, cpu: 0, cookie, func_ip };
            self.runner.run(&self.state, &attachment.prog, event);
        }
    }

    /// Runs what is attached to an event that is no system call.
    fn run_both(
        &mut self,
        both: &Both,
        tracee: &mut Tracee,
        task: &Arc<Task>,
        args: &[u64],
        record: impl FnOnce() -> Record,
    ) {
        // A task that was killed has no registers any more.
        let regs = tracee.regs(task.tid()).ok();
        for attachment in &both.args {
            self.run(attachment, Context::Args(args), task, regs.as_ref(), 0);
        }
        if !both.record.is_empty() {
            let mut record = record();
            for attachment in &both.record {
                let context = Context::Record { bytes: record.bytes(), writable: false };
                self.run(attachment, context, task, regs.as_ref(), 0);
            }
        }
    }

    pub(super) fn syscall_enter(
        &mut self,
        dispatch: &Dispatch,
        tracee: &mut Tracee,
        task: &Arc<Task>,
        nr: u64,
        args: [u64; 6],
    ) {
        let calls = &dispatch.enter;
        if !calls.wants(nr) {
            return;
        }
        let regs = self.place_regs(tracee, task);
        self.run_any(calls, task, &regs, &[self.regs.addr(), nr], nr, || {
            Record::sys_enter(task.tid(), nr, args)
        });
        // The call's function is entered after the tracepoints.
        if let Some(probes) = calls.probes.get(&nr) {
            let outer = PtRegs { di: self.regs.addr(), ..kernel_regs(nr) };
            self.run_probes(probes, task, &regs, &outer, nr);
        }
    }

    pub(super) fn syscall_exit(
        &mut self,
        dispatch: &Dispatch,
        tracee: &mut Tracee,
        task: &Arc<Task>,
        nr: u64,
        ret: i64,
    ) {
        let calls = &dispatch.exit;
        // The entry of a call that was under way when tracing began was not seen, but the registers still have its number.
        let unseen = nr == u64::MAX;
        if !unseen && !calls.wants(nr) {
            return;
        }
        let regs = self.place_regs(tracee, task);
        let nr = if unseen { regs.orig_ax } else { nr };
        if let Some(probes) = calls.probes.get(&nr) {
            let outer = PtRegs { ax: ret as u64, ..kernel_regs(nr) };
            self.run_probes(probes, task, &regs, &outer, nr);
        }
        let args = [self.regs.addr(), ret as u64];
        self.run_any(calls, task, &regs, &args, nr, || Record::sys_exit(task.tid(), nr, ret));
    }

    /// Copies the registers of a task to where programs find them.
    fn place_regs(&self, tracee: &mut Tracee, task: &Task) -> PtRegs {
        // A task that was killed meanwhile has none.
        let regs = tracee.regs(task.tid()).unwrap_or_default();
        let written = self.regs.write(0, regs.as_bytes());
        debug_assert!(written.is_ok());
        regs
    }

    fn run_any(
        &mut self,
        calls: &Calls,
        task: &Arc<Task>,
        regs: &PtRegs,
        args: &[u64],
        nr: u64,
        record: impl FnOnce() -> Record,
    ) {
        for attachment in &calls.any.args {
            self.run(attachment, Context::Args(args), task, Some(regs), 0);
        }
        let named = calls.named.get(&nr).map(Vec::as_slice).unwrap_or_default();
        if calls.any.record.is_empty() && named.is_empty() {
            return;
        }
        let mut record = record();
        for attachment in calls.any.record.iter().chain(named) {
            let context = Context::Record { bytes: record.bytes(), writable: false };
            self.run(attachment, context, task, Some(regs), 0);
        }
    }

    /// The program gets the registers inside the call's function, and helpers those of the user.
    fn run_probes(
        &mut self,
        probes: &[Arc<Attachment>],
        task: &Arc<Task>,
        user: &PtRegs,
        outer: &PtRegs,
        nr: u64,
    ) {
        for attachment in probes {
            let mut bytes = *outer;
            let context = Context::Record { bytes: bytes.as_mut_bytes(), writable: false };
            let func_ip = u32::try_from(nr).map_or(0, function_address);
            self.run(attachment, context, task, Some(user), func_ip);
        }
    }

    pub(super) fn process_exec(
        &mut self,
        dispatch: &Dispatch,
        tracee: &mut Tracee,
        task: &Arc<Task>,
        old_tid: u32,
    ) {
        let both = &dispatch.process_exec;
        if both.is_empty() {
            return;
        }
        let filename = exec_filename(task);
        if !both.args.is_empty() {
            // A new program's stack begins with the number of its arguments.
            let mut argc = [0; 8];
            let read = tracee.regs(task.tid()).and_then(|regs| task.read_user(regs.sp, &mut argc));
            self.binprm.set(task, &filename, read.map_or(0, |()| u64::from_ne_bytes(argc)));
        }
        let args = [task.address(), old_tid.into(), self.binprm.address()];
        self.run_both(both, tracee, task, &args, || Record::process_exec(task.tid(), old_tid, &filename));
    }

    pub(super) fn process_exit(
        &mut self,
        dispatch: &Dispatch,
        tracee: &mut Tracee,
        task: &Arc<Task>,
        group_dead: bool,
    ) {
        let both = &dispatch.process_exit;
        if !both.is_empty() {
            let args = [task.address(), group_dead.into()];
            let record = || Record::process_exit(task.tid(), task.comm(), task.prio());
            self.run_both(both, tracee, task, &args, record);
        }
    }

    pub(super) fn process_fork(
        &mut self,
        dispatch: &Dispatch,
        tracee: &mut Tracee,
        parent: &Arc<Task>,
        child: &Arc<Task>,
    ) {
        let both = &dispatch.process_fork;
        if !both.is_empty() {
            let args = [parent.address(), child.address()];
            let side = |task: &Task| (task.tid(), task.comm());
            self.run_both(both, tracee, parent, &args, || Record::process_fork(side(parent), side(child)));
        }
    }
}

/// Registers inside the function of a system call, as far as they mean something: it is called from the kernel.
fn kernel_regs(nr: u64) -> PtRegs {
    let ip = u32::try_from(nr).map_or(0, function_address);
    PtRegs { ip, cs: KERNEL_CS, ss: KERNEL_SS, orig_ax: u64::MAX, ..PtRegs::default() }
}

/// The name that execve(2) was given: the kernel leaves it on the new stack.
fn exec_filename(task: &Task) -> Vec<u8> {
    let auxv = std::fs::read(format!("/proc/{}/auxv", task.tgid())).unwrap_or_default();
    let words: Vec<u64> =
        auxv.chunks_exact(8).filter_map(|w| w.try_into().ok()).map(u64::from_ne_bytes).collect();
    let address = words.chunks_exact(2).find_map(|pair| match pair {
        [AT_EXECFN, address] => Some(*address),
        _ => None,
    });
    let name = address.and_then(|address| task.read_user_str(address, PATH_MAX - 1).ok());
    name.unwrap_or_default()
}
