//! Runs BPF programs with every memory access checked.
//!
//! [`Memory`] is what programs of one embedded kernel can see; [`Program`] is a program decoded once; [`Cpu`] runs it. What a program asks of its
//! kernel (helpers, kernel functions, tail calls, packet loads) goes through [`Calls`]. A program that does what it may not ends with a
//! [`Trap`] that names the instruction, whatever a verifier let through; this process is never at risk.
//!
//! Not here: which programs are well formed (`oxbpf-verifier`), maps and helpers (`oxbpf-runtime`).

mod exec;
pub mod mem;
mod program;
mod trap;

pub use exec::{Call, Calls, Cpu, Flow, PacketLoad, Target};
pub use mem::{AtomicOp, Fault, FaultKind, MemError, Memory, Region, RegionSpec, Rights};
pub use program::{Arena, Program, ProgramError};
pub use trap::{Trap, TrapKind};
