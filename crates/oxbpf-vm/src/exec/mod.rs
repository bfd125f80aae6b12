//! A program and its context in, what it returns out.
//!
//! The semantics are those of `___bpf_prog_run` in `kernel/bpf/core.c` (v6.17) and of the rewrites that the verifier does before: division
//! by zero gives 0, the rest of it the dividend; shifts use the low bits; 32-bit results clear the upper half.
//!
//! A function has a frame of 512 bytes. The frames of one run are the elements of one region with unused bytes between them, visible up to
//! the function that runs, so a pointer into a caller's frame works and one into a frame that is gone does not.
//!
//! Time is bounded by a number of instructions, counted at backward jumps and returns: what lies in between is counted as if it ran
//! once without jumps.

mod interp;
pub(crate) mod op;

use std::sync::Arc;

use oxbpf_uapi::HelperId;

use crate::mem::{Fault, MemError, Memory, Region, RegionSpec, Windows};
use crate::program::Program;
use crate::trap::{Trap, TrapKind};

/// What a program calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A helper.
    Helper(HelperId),
    /// A kernel function.
    Kfunc {
        /// BTF id of the function.
        id: u32,
        /// Which of the load's BTF descriptors the id is in; 0 for the kernel's own.
        btf: i16,
    },
}

/// One call, for [`Calls::call`].
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// What is called.
    pub target: Target,
    /// r1 to r5.
    pub args: [u64; 5],
    /// Index of the call instruction.
    pub insn: usize,
    /// The program that calls; [`Cpu::call_function`] wants it.
    pub program: &'a Arc<Program>,
}

/// How a program goes on after a call.
#[derive(Clone, Debug)]
pub enum Flow {
    /// With the value in r0.
    Return(u64),
    /// With another program in its place, which gets r1. After 33 of them in one run the program goes on with 0 in r0 instead.
    TailCall(Arc<Program>),
    /// Not at all: the whole run ends with this value (`bpf_throw`).
    Exit(u64),
}

/// A load from the packet by `LD_ABS` or `LD_IND`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketLoad {
    /// r6, by convention the context.
    pub ctx: u64,
    /// Offset in the packet; negative ones name other places (`SKF_NET_OFF`, `SKF_LL_OFF`).
    pub offset: i32,
    /// 1, 2 or 4 bytes.
    pub size: u32,
}

/// The kernel of a running program. A closure `FnMut(&mut Cpu, Call) -> Result<Flow, Trap>` is one, for programs without callbacks.
pub trait Calls {
    /// Does a helper or kernel function call. Callbacks run through [`Cpu::call_function`] with `self`.
    ///
    /// # Errors
    /// The trap that ends the program. [`Fault`] converts to one, so guest memory can be used with `?`.
    fn call(&mut self, cpu: &mut Cpu, call: Call<'_>) -> Result<Flow, Trap>;

    /// Loads from the packet; the value is in the machine's order. `None` if the packet is too short, which ends the program with 0.
    ///
    /// # Errors
    /// The trap that ends the program: [`TrapKind::NoPacket`] unless this is implemented.
    fn load_packet(&mut self, cpu: &mut Cpu, load: PacketLoad) -> Result<Option<u64>, Trap> {
        let _ = (cpu, load);
        Err(TrapKind::NoPacket.into())
    }

    /// What a load that guest memory refused gives instead; `None`, the default, ends the program. For kernels whose programs may follow
    /// pointers in kernel objects, where such a load gives 0. The value is taken whole, whatever the size of the load.
    fn load_fault(&mut self, fault: &Fault) -> Option<u64> {
        let _ = fault;
        None
    }

    /// Whether a store that guest memory refused was done in another way; `false`, the default, ends the program. `value` is the whole
    /// register, of which the store has the low bytes. For contexts with fields that are kept elsewhere. Atomic operations do not ask.
    fn store_fault(&mut self, fault: &Fault, value: u64) -> bool {
        let _ = (fault, value);
        false
    }
}

impl<F: FnMut(&mut Cpu, Call<'_>) -> Result<Flow, Trap>> Calls for F {
    fn call(&mut self, cpu: &mut Cpu, call: Call<'_>) -> Result<Flow, Trap> {
        self(cpu, call)
    }
}

/// Most functions that may be running, callbacks included.
const MAX_FRAMES: usize = 8;
/// Bytes of a function's frame.
const FRAME: u32 = 512;
/// Bytes from one frame to the next; what is between belongs to none.
const FRAME_PITCH: u32 = 1024;
/// Most tail calls of one run.
const MAX_TAIL_CALLS: u32 = 33;
/// How often `may_goto` does not jump in one run.
const MAX_MAY_GOTO: u32 = 8 << 20;

/// What a function's return brings back.
#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    /// Where the caller goes on.
    back: usize,
    /// Where the function starts.
    entry: usize,
    saved: [u64; 4],
}

/// Runs programs, one at a time; has a stack for them.
#[derive(Debug)]
pub struct Cpu {
    memory: Memory,
    stack: Region,
    windows: Windows,
    frames: [Frame; MAX_FRAMES],
    /// Index of the frame of the function that runs.
    depth: usize,
    insn_limit: u64,
    insns_left: u64,
    tail_calls: u32,
    may_gotos: u32,
}

impl Cpu {
    /// How many instructions a run may take unless [`Cpu::set_insn_limit`] says otherwise: about a third of a second.
    pub const DEFAULT_INSN_LIMIT: u64 = 256 << 20;

    /// Makes a processor for programs that use `memory`.
    ///
    /// # Errors
    /// If there is no room for its stack.
    pub fn new(memory: &Memory) -> Result<Self, MemError> {
        let stack = memory.alloc(RegionSpec::array(MAX_FRAMES as u64, FRAME_PITCH, FRAME, "stack frame"))?;
        Ok(Self {
            memory: memory.clone(),
            stack,
            windows: memory.windows(),
            frames: [Frame::default(); MAX_FRAMES],
            depth: 0,
            insn_limit: Self::DEFAULT_INSN_LIMIT,
            insns_left: 0,
            tail_calls: 0,
            may_gotos: 0,
        })
    }

    /// The guest memory that programs on this processor see.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Sets how many instructions one run may take, callbacks and tail calls included.
    pub fn set_insn_limit(&mut self, limit: u64) {
        self.insn_limit = limit;
    }

    /// How many instructions the last run took, by the interpreter's way of counting.
    pub fn insns_used(&self) -> u64 {
        self.insn_limit.saturating_sub(self.insns_left)
    }

    /// Runs a program with the guest address of its context in r1 and gives r0.
    ///
    /// # Errors
    /// The trap that ended it.
    pub fn run(&mut self, program: &Arc<Program>, ctx: u64, calls: &mut dyn Calls) -> Result<u64, Trap> {
        self.run_function(program, 0, [ctx, 0, 0, 0, 0], calls)
    }

    /// Runs a function of a program on its own, as a timer does. `func` is its code address ([`Program::code_addr`]).
    ///
    /// # Errors
    /// As [`Cpu::run`]; [`TrapKind::BadCodeAddress`] if there is no such function.
    pub fn run_callback(
        &mut self,
        program: &Arc<Program>,
        func: u64,
        args: [u64; 5],
        calls: &mut dyn Calls,
    ) -> Result<u64, Trap> {
        let entry = program.code_index(func).ok_or(TrapKind::BadCodeAddress(func))?;
        self.run_function(program, entry, args, calls)
    }

    fn run_function(
        &mut self,
        program: &Arc<Program>,
        entry: usize,
        args: [u64; 5],
        calls: &mut dyn Calls,
    ) -> Result<u64, Trap> {
        self.insns_left = self.insn_limit;
        self.tail_calls = 0;
        self.may_gotos = MAX_MAY_GOTO;
        self.depth = 0;
        self.show_frame();
        match self.invoke(program, entry, args, calls) {
            Err(Trap { kind: TrapKind::Unwind(value), .. }) => Ok(value),
            result => result,
        }
    }

    /// Calls a function of the running program from inside a helper, as `bpf_loop` does, and gives its r0. `func` is what the program
    /// passed as the function's address, `program` the one of the [`Call`].
    ///
    /// # Errors
    /// The trap that ended it, which the helper passes on. [`TrapKind::CallDepth`] if no frame is left.
    pub fn call_function(
        &mut self,
        program: &Arc<Program>,
        func: u64,
        args: [u64; 5],
        calls: &mut dyn Calls,
    ) -> Result<u64, Trap> {
        let entry = program.code_index(func).ok_or(TrapKind::BadCodeAddress(func))?;
        let depth = self.depth;
        if depth + 1 >= MAX_FRAMES {
            return Err(TrapKind::CallDepth.into());
        }
        self.depth = depth + 1;
        self.show_frame();
        let result = self.invoke(program, entry, args, calls);
        self.depth = depth;
        self.show_frame();
        result
    }

    /// The guest address of the running function's frame pointer, r10: one past its last byte.
    pub fn frame_pointer(&self) -> u64 {
        self.stack.addr() + self.depth as u64 * u64::from(FRAME_PITCH) + u64::from(FRAME)
    }

    /// Makes the frames up to the running function's visible, and lets r10 reach its own quickly.
    fn show_frame(&mut self) {
        let end = self.depth as u64 * u64::from(FRAME_PITCH) + u64::from(FRAME);
        // The region holds all frames, so this is never longer than it.
        let fits = self.stack.set_len(end);
        debug_assert!(fits.is_ok());
        self.windows.forget();
        let off = self.frame_pointer() - u64::from(FRAME) - Memory::BASE;
        self.windows.remember(10, off, FRAME.into(), crate::mem::Rights::ReadWrite);
    }
}

#[cfg(test)]
mod tests;
