//! One run of a program: what it is about, and what the program's calls see.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use oxbpf_uapi::{Errno, ProgType};
use oxbpf_vm::{
    Call, Calls, Cpu, Fault, Flow, MemError, Memory, PacketLoad, Region, RegionSpec, Rights, Target, Trap,
};

use crate::maps::{self, MapRef};
use crate::packet::Packet;
use crate::progs::Prog;
use crate::state::State;
use crate::tasks::Task;
use crate::{TrapReport, helpers};

/// What a program is given besides its maps.
#[derive(Debug, Default)]
pub(crate) enum Context<'a> {
    /// Nothing: r1 is 0.
    #[default]
    None,
    /// A record, which the program may change where `writable`.
    Record { bytes: &'a mut [u8], writable: bool },
    /// 64-bit arguments; the last is the return value where the hook has one.
    Args(&'a [u64]),
    /// A packet as `struct xdp_md`.
    Xdp(&'a mut Packet),
    /// A packet as `struct __sk_buff`.
    Skb(&'a mut Packet),
    /// One element of an iterator, `None` after the last. The program writes to `output`.
    Iter { element: Option<u64>, seq_num: u64, output: &'a mut Vec<u8> },
}

/// What a program is run for.
#[derive(Debug, Default)]
pub(crate) struct Event<'a> {
    pub(crate) context: Context<'a>,
    /// The thread that the event happened in; without one, this process.
    pub(crate) task: Option<Arc<Task>>,
    /// Registers of that thread as `struct pt_regs`, for stacks and return addresses.
    pub(crate) regs: Option<&'a oxbpf_sys::trace::PtRegs>,
    pub(crate) cpu: u32,
    /// What `bpf_get_attach_cookie` gives.
    pub(crate) cookie: u64,
    /// Address of the probed instruction or function, for `bpf_get_func_ip`.
    pub(crate) func_ip: u64,
}

/// A virtual processor with room for contexts. Each thread that runs programs has its own.
#[derive(Debug)]
pub(crate) struct Runner {
    cpu: Cpu,
    context: Region,
}

/// Longest record that a program may be given.
pub(crate) const MAX_CONTEXT: usize = 16 << 10;

impl Runner {
    pub(crate) fn new(memory: &Memory, insn_limit: u64) -> Result<Self, MemError> {
        let context = memory.alloc(RegionSpec::new(MAX_CONTEXT as u64, "context"))?;
        let mut cpu = Cpu::new(memory)?;
        cpu.set_insn_limit(insn_limit);
        Ok(Self { cpu, context })
    }

    /// Runs a program and gives what it returned; 0 if it was stopped, which is reported.
    pub(crate) fn run(&mut self, state: &State, prog: &Arc<Prog>, mut event: Event<'_>) -> u64 {
        let started = state.keeps_stats().then(Instant::now);
        let context = match self.place(&mut event.context) {
            Ok(address) => address,
            Err(error) => {
                state.report_trap(report(prog, None, format!("no room for its context: {error}")));
                return 0;
            }
        };
        let mut run = Invocation { state, prog: prog.clone(), event, context, reserved: Vec::new() };
        let result = self.cpu.run(&prog.program, context, &mut run);
        let Invocation { prog: last, event, reserved, .. } = run;
        for (map, address) in reserved {
            if let Some(ring) = map.ops.as_ring() {
                ring.commit(address, true);
            }
        }
        // The region is as long as what was placed there, so reading it back cannot fail.
        let copied = match event.context {
            Context::Record { bytes, writable: true } => self.context.read(0, bytes),
            Context::Skb(packet) => {
                let mut head = [0; crate::packet::SKB_VISIBLE];
                let copied = self.context.read(0, &mut head);
                packet.set_skb_fields(&head);
                copied
            }
            _ => Ok(()),
        };
        debug_assert!(copied.is_ok());
        if let Some(started) = started {
            let elapsed = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
            prog.run_time_ns.fetch_add(elapsed, Ordering::Relaxed);
            prog.run_count.fetch_add(1, Ordering::Relaxed);
        }
        match result {
            Ok(value) => value,
            Err(trap) => {
                state.report_trap(report(&last, trap.insn, trap.to_string()));
                0
            }
        }
    }

    /// Puts the context into guest memory and gives its address.
    fn place(&self, context: &mut Context<'_>) -> Result<u64, MemError> {
        let visible = |len: usize, rights| {
            self.context.set_rights(rights);
            self.context.set_len(len as u64)
        };
        match context {
            Context::None => return Ok(0),
            Context::Record { bytes, writable } => {
                self.context.write(0, bytes)?;
                visible(bytes.len(), if *writable { Rights::ReadWrite } else { Rights::Read })?;
            }
            Context::Args(args) => {
                for (i, arg) in args.iter().enumerate() {
                    self.context.store_uint(i as u64 * 8, 8, *arg)?;
                }
                visible(args.len() * 8, Rights::Read)?;
            }
            // Every load goes through `load_fault`, which knows the packet's addresses.
            Context::Xdp(_) => visible(0, Rights::None)?,
            Context::Skb(packet) => {
                self.context.write(0, &packet.skb_fields())?;
                visible(crate::packet::SKB_VISIBLE, Rights::ReadWrite)?;
            }
            Context::Iter { element, seq_num, .. } => return self.place_iter(*element, *seq_num),
        }
        Ok(self.context.addr())
    }

    /// `struct bpf_iter__X { meta, element }` and the `struct bpf_iter_meta` that it points at.
    fn place_iter(&self, element: Option<u64>, seq_num: u64) -> Result<u64, MemError> {
        const META: u64 = 16;
        let words = [
            self.context.addr() + META,
            element.unwrap_or(0),
            // The `struct seq_file` pointer: opaque, helpers check it against this value.
            helpers::SEQ_FILE,
            0,
            seq_num,
        ];
        for (i, word) in words.iter().enumerate() {
            self.context.store_uint(i as u64 * 8, 8, *word)?;
        }
        self.context.set_rights(Rights::Read);
        self.context.set_len(words.len() as u64 * 8)?;
        Ok(self.context.addr())
    }
}

fn report(prog: &Prog, insn: Option<usize>, message: String) -> TrapReport {
    TrapReport { program: prog.name.clone(), insn, message, count: 1 }
}

/// A program that runs.
#[derive(Debug)]
pub(crate) struct Invocation<'s, 'e> {
    pub(crate) state: &'s State,
    /// The program that runs now; tail calls change it.
    pub(crate) prog: Arc<Prog>,
    pub(crate) event: Event<'e>,
    /// Guest address of the context.
    pub(crate) context: u64,
    /// Ring buffer records that the program reserved and has not handed over.
    pub(crate) reserved: Vec<(MapRef, u64)>,
}

impl Invocation<'_, '_> {
    /// The map that a register stands for.
    pub(crate) fn map(&self, register: u64) -> Result<MapRef, Trap> {
        let id = maps::id_of(register).ok_or_else(|| Trap::refused(format!("{register:#x} is no map")))?;
        if let Some(map) = self.prog.maps.iter().find(|m| m.id == id) {
            return Ok(map.clone());
        }
        // An inner map, which the program found in another map.
        match self.state.registry.by_id(oxbpf_kernel::ObjectKind::Map, id) {
            Ok(crate::registry::Object::Map(map)) => Ok(map),
            _ => Err(Trap::refused(format!("map {id} is gone"))),
        }
    }

    /// The thread that the event happened in.
    pub(crate) fn task(&self) -> Arc<Task> {
        self.event.task.clone().unwrap_or_else(|| self.state.tasks.own())
    }

    /// Shows the program its packet's new length and such, after a helper changed it.
    pub(crate) fn refresh_skb(&mut self) -> Result<(), Trap> {
        if let Context::Skb(packet) = &self.event.context {
            let head = packet.skb_fields();
            self.state.memory.write(self.context, &head)?;
        }
        Ok(())
    }

    /// The packet, if the program was given one.
    pub(crate) fn packet(&mut self) -> Result<&mut Packet, Trap> {
        match &mut self.event.context {
            Context::Xdp(packet) | Context::Skb(packet) => Ok(packet),
            _ => Err(Trap::refused("there is no packet")),
        }
    }
}

impl Calls for Invocation<'_, '_> {
    fn call(&mut self, cpu: &mut Cpu, call: Call<'_>) -> Result<Flow, Trap> {
        match call.target {
            Target::Helper(id) => helpers::call(self, cpu, id, &call),
            Target::Kfunc { id, .. } => Err(Trap::refused(format!("kernel function {id} is not served"))),
        }
    }

    fn load_packet(&mut self, _cpu: &mut Cpu, load: PacketLoad) -> Result<Option<u64>, Trap> {
        Ok(self.packet()?.load(load.offset, load.size))
    }

    fn load_fault(&mut self, fault: &Fault) -> Option<u64> {
        let offset = fault.addr.wrapping_sub(self.context);
        match &self.event.context {
            Context::Xdp(packet) => packet.xdp_field(offset, fault.size),
            Context::Skb(packet) => packet.skb_field(offset, fault.size),
            // Tracing programs follow pointers in kernel objects; one that leads nowhere reads as zeros, as the kernel's exception
            // table makes it. Inside of guest memory a fault is the program's own mistake.
            Context::Args(_) | Context::Iter { .. } if !self.state.memory.contains(fault.addr) => Some(0),
            _ => None,
        }
    }

    fn store_fault(&mut self, fault: &Fault, value: u64) -> bool {
        let offset = fault.addr.wrapping_sub(self.context);
        match &mut self.event.context {
            Context::Skb(packet) if TIME_STAMPS_WRITABLE.contains(&self.prog.prog_type) => {
                packet.set_skb_field(offset, fault.size, value)
            }
            _ => false,
        }
    }
}

/// Programs that may set a packet's time stamp.
const TIME_STAMPS_WRITABLE: [ProgType; 3] = [ProgType::SCHED_CLS, ProgType::SCHED_ACT, ProgType::CGROUP_SKB];

/// What an error number is in r0.
pub(crate) fn errno_value(errno: Errno) -> u64 {
    i64::from(-errno.0) as u64
}
