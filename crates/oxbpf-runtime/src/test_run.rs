//! `BPF_PROG_TEST_RUN`: a program on data of the caller's.

use std::sync::Arc;
use std::time::Instant;

use oxbpf_kernel::{CtxBuffer, CtxData, ProgTestRun};
use oxbpf_uapi::{Errno, ProgType};
use oxbpf_vm::{Region, RegionSpec};

use crate::invoke::{Context, Event, MAX_CONTEXT};
use crate::packet::{ETHERNET, MAX_LEN, Packet};
use crate::progs::Prog;
use crate::registry::prog_of;
use crate::state::State;

/// Bytes of `struct xdp_md`.
const XDP_MD: usize = 24;
/// The loopback interface, which test runs are on.
const INTERFACE: u32 = 1;
/// `BPF_F_TEST_SKB_CHECKSUM_COMPLETE`: there is no checksum state to keep.
const CHECKSUM_COMPLETE: u32 = 1 << 2;
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
            packet(state, &prog, req, repeat)?;
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
            let buffers = place_buffers(state, &mut bytes, &req.ctx_buffers)?;
            let context = match bytes.is_empty() {
                true => Context::None,
                false => Context::Record { bytes: &mut bytes, writable: true },
            };
            let event = Event { context, ..Event::default() };
            req.retval = state.with_runner(|r| r.run(state, &prog, event)) as u32;
            for (buffer, region) in req.ctx_buffers.iter_mut().zip(&buffers) {
                put_address(&mut bytes, buffer.offset, 0)?;
                if let CtxData::Output(data) = &mut buffer.data {
                    region.read(0, data).map_err(|_| Errno::EFAULT)?;
                }
            }
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

/// Puts the addresses of buffers into a context: addresses of guest memory, where the program can reach them. What a program reads of its
/// user's memory is that of a traced process, so there is no place for buffers that it reads.
fn place_buffers(state: &State, context: &mut [u8], buffers: &[CtxBuffer<'_>]) -> Result<Vec<Region>, Errno> {
    let place = |buffer: &CtxBuffer<'_>| {
        let CtxData::Output(data) = &buffer.data else { return Err(Errno::EOPNOTSUPP) };
        let region = state.memory.alloc(RegionSpec::new(data.len() as u64, "buffer of the context"));
        let region = region.map_err(|_| Errno::ENOMEM)?;
        put_address(context, buffer.offset, region.addr())?;
        Ok(region)
    };
    buffers.iter().map(place).collect()
}

fn put_address(context: &mut [u8], offset: u32, address: u64) -> Result<(), Errno> {
    let place = context.get_mut(offset as usize..).and_then(|rest| rest.first_chunk_mut());
    *place.ok_or(Errno::EINVAL)? = address.to_ne_bytes();
    Ok(())
}

/// Runs a program on a packet.
fn packet(state: &State, prog: &Arc<Prog>, req: &mut ProgTestRun<'_>, repeat: u32) -> Result<(), Errno> {
    let is_xdp = prog.prog_type == ProgType::XDP;
    // Traffic control begins at the Ethernet header, the others at the network header.
    let begins_at_network = !is_xdp && !matches!(prog.prog_type, ProgType::SCHED_CLS | ProgType::SCHED_ACT);
    let flags = if is_xdp { 0 } else { CHECKSUM_COMPLETE };
    if req.flags & !flags != 0 || req.batch_size != 0 || (!is_xdp && req.cpu != 0) {
        return Err(Errno::EINVAL);
    }
    if !(ETHERNET as usize..=MAX_LEN).contains(&req.data_in.len()) || (!is_xdp && lacks_header(req.data_in)) {
        return Err(Errno::EINVAL);
    }
    let mut packet = Packet::new(&state.memory, INTERFACE).map_err(|_| Errno::ENOMEM)?;
    packet.load_bytes(req.data_in).map_err(|_| Errno::EINVAL)?;
    let has_context = !req.ctx_in.is_empty() || req.ctx_out.is_some();
    if is_xdp && has_context {
        set_xdp_context(&mut packet, req.ctx_in)?;
    } else if !is_xdp {
        packet.ingress_ifindex = 0;
        packet.pkt_type = pkt_type(req.data_in);
        packet.wire_len = 0;
        if has_context {
            packet.set_skb_context(req.ctx_in)?;
        }
        if begins_at_network {
            packet.pull_ethernet().ok_or(Errno::EINVAL)?;
        }
    }
    for _ in 0..repeat {
        let context = if is_xdp { Context::Xdp(&mut packet) } else { Context::Skb(&mut packet) };
        let value = state.with_runner(|r| r.run(state, prog, Event { context, ..Event::default() }));
        req.retval = value as u32;
    }
    if begins_at_network {
        packet.push_ethernet().ok_or(Errno::EINVAL)?;
    }
    let data = packet.with_meta();
    req.data_size_out = data.len() as u32;
    if let Some(out) = &mut req.data_out {
        copy_out(out, &data)?;
    }
    if let Some(out) = &mut req.ctx_out {
        let context = if is_xdp { xdp_context(&packet, req.ctx_in) } else { packet.skb_context(req.ctx_in) };
        req.ctx_size_out = context.len() as u32;
        copy_out(out, &context)?;
    }
    Ok(())
}

/// Whether a packet says that it is IP and is too short for that.
fn lacks_header(data: &[u8]) -> bool {
    const IPV4: [u8; 2] = [8, 0];
    const IPV6: [u8; 2] = [0x86, 0xdd];
    let header = match data.get(12..).and_then(<[u8]>::first_chunk) {
        Some(&IPV4) => 20,
        Some(&IPV6) => 40,
        _ => 0,
    };
    data.len() < ETHERNET as usize + header
}

/// `PACKET_HOST`, `PACKET_BROADCAST`, `PACKET_MULTICAST` or `PACKET_OTHERHOST`, on an interface whose address is all zeros.
fn pkt_type(data: &[u8]) -> u32 {
    match data.first_chunk() {
        Some(&[0, 0, 0, 0, 0, 0]) => 0,
        Some(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff]) => 1,
        Some([first, ..]) if first & 1 != 0 => 2,
        _ => 3,
    }
}

/// Takes over `struct xdp_md`: metadata before the data, and where the data ends.
fn set_xdp_context(packet: &mut Packet, context: &[u8]) -> Result<(), Errno> {
    let (known, rest) = context.split_at(context.len().min(XDP_MD));
    if rest.iter().any(|byte| *byte != 0) {
        return Err(Errno::E2BIG);
    }
    let word = |i: usize| {
        let mut word = [0; 4];
        word.iter_mut().zip(known.iter().skip(4 * i)).for_each(|(to, from)| *to = *from);
        u32::from_ne_bytes(word)
    };
    let [data, end, meta, ingress, queue, egress] = [0, 1, 2, 3, 4, 5].map(word);
    if ingress > INTERFACE {
        return Err(Errno::ENODEV);
    }
    // Nothing goes out here, and the one interface has one queue.
    if egress != 0 || queue != 0 {
        return Err(Errno::EINVAL);
    }
    packet.set_bounds(meta.into(), data.into(), end.into()).ok_or(Errno::EINVAL)
}

/// The context that was given, with where the data is now.
fn xdp_context(packet: &Packet, context: &[u8]) -> Vec<u8> {
    let (start, end) = packet.bounds();
    let bounds = [start as u32, end as u32].into_iter().flat_map(u32::to_ne_bytes);
    bounds.chain(context.iter().copied().chain(std::iter::repeat(0)).skip(8)).take(XDP_MD).collect()
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
