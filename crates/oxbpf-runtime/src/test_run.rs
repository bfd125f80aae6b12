//! `BPF_PROG_TEST_RUN`: a program on data of the caller's.

use std::time::Instant;

use oxbpf_kernel::ProgTestRun;
use oxbpf_uapi::{Errno, ProgType};

use crate::invoke::{Context, Event, MAX_CONTEXT};
use crate::packet::{MAX_LEN, Packet};
use crate::registry::prog_of;
use crate::state::State;

/// Shortest packet that the kernel takes, an Ethernet header.
const MIN_PACKET: usize = 14;
/// `BPF_F_TEST_RUN_ON_CPU`.
const RUN_ON_CPU: u32 = 1 << 0;
/// Most runs of one call, so that a mistyped number ends.
const MAX_REPEAT: u32 = 1 << 24;

/// Runs the program and fills the request's output fields.
pub(crate) fn run(state: &State, req: &mut ProgTestRun<'_>) -> Result<(), Errno> {
    let prog = prog_of(req.prog)?.clone();
    let repeat = req.repeat.clamp(1, MAX_REPEAT);
    let started = Instant::now();
    match prog.prog_type {
        ProgType::XDP
        | ProgType::SCHED_CLS
        | ProgType::SCHED_ACT
        | ProgType::SOCKET_FILTER
        | ProgType::CGROUP_SKB => {
            if !(MIN_PACKET..=MAX_LEN).contains(&req.data_in.len()) {
                return Err(Errno::EINVAL);
            }
            let is_xdp = prog.prog_type == ProgType::XDP;
            let mut packet = Packet::new(&state.memory, 1).map_err(|_| Errno::ENOMEM)?;
            for _ in 0..repeat {
                packet.load_bytes(req.data_in).map_err(|_| Errno::EINVAL)?;
                let context = if is_xdp { Context::Xdp(&mut packet) } else { Context::Skb(&mut packet) };
                let value = state.with_runner(|r| r.run(state, &prog, Event { context, ..Event::default() }));
                req.retval = value as u32;
            }
            let data = packet.bytes();
            req.data_size_out = data.len() as u32;
            if let Some(out) = &mut req.data_out {
                copy_out(out, &data)?;
            }
        }
        ProgType::RAW_TRACEPOINT | ProgType::RAW_TRACEPOINT_WRITABLE => {
            let is_plain = takes_context_only(req) && req.ctx_in.len() <= 12 * 8;
            let on_cpu = req.flags & RUN_ON_CPU != 0;
            if !is_plain || (!on_cpu && req.cpu != 0) {
                return Err(Errno::EINVAL);
            }
            if req.cpu >= state.cpus {
                return Err(Errno::ENXIO);
            }
            let mut args: Vec<u64> = Vec::new();
            for word in req.ctx_in.chunks(8) {
                args.push(word.try_into().map(u64::from_ne_bytes).map_err(|_| Errno::EINVAL)?);
            }
            args.resize(12, 0);
            let event = Event { context: Context::Args(&args), cpu: req.cpu, ..Event::default() };
            req.retval = state.with_runner(|r| r.run(state, &prog, event)) as u32;
        }
        ProgType::SYSCALL => {
            let is_plain = takes_context_only(req) && req.flags == 0;
            if !is_plain || req.ctx_in.len() > MAX_CONTEXT {
                return Err(Errno::EINVAL);
            }
            let mut bytes = req.ctx_in.to_vec();
            let context = match bytes.is_empty() {
                true => Context::None,
                false => Context::Record { bytes: &mut bytes, writable: true },
            };
            let event = Event { context, ..Event::default() };
            req.retval = state.with_runner(|r| r.run(state, &prog, event)) as u32;
            req.ctx_size_out = bytes.len() as u32;
            if let Some(out) = &mut req.ctx_out {
                copy_out(out, &bytes)?;
            }
        }
        _ => return Err(Errno::ENOTSUPP),
    }
    let each = started.elapsed().as_nanos() / u128::from(repeat);
    req.duration = u32::try_from(each).unwrap_or(u32::MAX);
    Ok(())
}

/// Whether the request has nothing that is for packets.
fn takes_context_only(req: &ProgTestRun<'_>) -> bool {
    req.data_in.is_empty() && req.data_out.is_none() && req.repeat == 0 && req.batch_size == 0
}

fn copy_out(out: &mut [u8], data: &[u8]) -> Result<(), Errno> {
    for (to, from) in out.iter_mut().zip(data) {
        *to = *from;
    }
    if out.len() < data.len() { Err(Errno::ENOSPC) } else { Ok(()) }
}
