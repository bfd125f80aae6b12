//! The embedded kernel: BPF in user space, without privilege.
//!
//! [`Runtime`] implements the seam that the Linux kernel stands behind elsewhere: maps, programs, links, BTF, iterators and perf events are
//! objects in this process, programs run in `oxbpf-vm` with every access checked, and events come from a command that is traced
//! ([`Runtime::spawn`]) or from packets in a capture ([`Runtime::run_pcap`]).
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let runtime = oxbpf_runtime::Runtime::new(oxbpf_runtime::RuntimeOptions::default())?;
//! let kernel = runtime.kernel(); // what `oxbpf` loads objects into
//! let status = runtime.spawn(&["cat".into(), "/etc/hostname".into()])?.run()?;
//! # let _ = (kernel, status);
//! # Ok(())
//! # }
//! ```
//!
//! Not here: reading objects (`oxbpf`), which knows nothing of this crate.

mod backend;
mod bpf;
mod elements;
mod facts;
mod helpers;
mod hooks;
mod info;
mod invoke;
mod iter;
mod kbtf;
mod links;
mod maps;
mod net;
mod packet;
mod pcap;
mod perf;
mod printk;
mod progs;
mod registry;
mod sources;
mod state;
mod tasks;
mod test_run;
mod tracepoints;
mod verify;

use core::fmt;
use std::sync::Arc;

use oxbpf_kernel::Kernel;

pub use net::{PacketStats, PcapError};
pub use sources::{Source, SourceError, Stopper};

use state::State;

/// An embedded kernel. Clones share it.
#[derive(Clone)]
pub struct Runtime(Arc<State>);

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // All that it holds would be more than anyone reads.
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

/// What an embedded kernel is given.
#[derive(Clone, Debug)]
pub struct RuntimeOptions {
    /// Bytes of address space for maps, stacks, packets and kernel objects; 4 GiB. Only what is used is taken.
    pub memory_limit: u64,
    /// CPUs that per-CPU maps have values for; those of this machine.
    pub cpus: u32,
    /// Instructions that one run of a program may take before it is stopped; 2^28.
    pub insn_limit: u64,
}

impl Default for RuntimeOptions {
    fn default() -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
        Self { memory_limit: 4 << 30, cpus, insn_limit: oxbpf_vm::Cpu::DEFAULT_INSN_LIMIT }
    }
}

/// Why an embedded kernel could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the embedded kernel: {0}")]
pub struct RuntimeError(#[from] oxbpf_vm::MemError);

/// A program that did what it may not, and was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrapReport {
    /// Name of the program.
    pub program: String,
    /// Index of the instruction, if one is to blame.
    pub insn: Option<usize>,
    /// What happened.
    pub message: String,
    /// How often.
    pub count: u64,
}

impl fmt::Display for TrapReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "program `{}` stopped: {}", self.program, self.message)
    }
}

impl Runtime {
    /// Makes an embedded kernel without objects.
    ///
    /// # Errors
    /// If its memory cannot be reserved.
    pub fn new(options: RuntimeOptions) -> Result<Self, RuntimeError> {
        Ok(Self(Arc::new(State::new(&options)?)))
    }

    /// The face that a loader speaks to.
    pub fn kernel(&self) -> Kernel {
        Kernel::new(self.clone())
    }

    /// Programs that were stopped so far, one entry an instruction.
    pub fn traps(&self) -> Vec<TrapReport> {
        self.0.traps()
    }

    /// Wakes a reader that waits in [`Kernel::poll`], as a signal would.
    pub fn wake(&self) {
        self.0.notify();
    }
}
