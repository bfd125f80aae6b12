//! What programs tell user space: ring buffers, perf buffers, printed lines, iterator output.

use oxbpf_uapi::Errno;
use oxbpf_vm::{Cpu, Trap};

use super::format::{Format, Place};
use super::memory::{Space, fetch, fetch_str};
use super::{Args, SEQ_FILE, Status, length, read};
use crate::invoke::{Context, Invocation};
use crate::maps::MapRef;
use crate::perf::PerfKind;

/// Longest text that is printed.
const LINE: usize = 1024;
/// `BPF_RB_NO_WAKEUP`.
const NO_WAKEUP: u64 = 1;

fn ring_of(inv: &Invocation<'_, '_>, register: u64) -> Result<MapRef, Trap> {
    let map = inv.map(register)?;
    if map.ops.as_ring().is_some() { Ok(map) } else { Err(Trap::refused("the map is no ring buffer")) }
}

pub(super) fn ringbuf_output(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    let map = ring_of(inv, a[0])?;
    let data = read(cpu, a[1], a[2])?;
    if a[3] > 3 {
        return Ok(Err(Errno::EINVAL));
    }
    let result = map.ops.as_ring().map_or(Err(Errno::EINVAL), |ring| ring.output(&data));
    if result.is_ok() && a[3] & NO_WAKEUP == 0 {
        inv.state.notify();
    }
    Ok(result.map(|()| 0))
}

pub(super) fn ringbuf_reserve(inv: &mut Invocation<'_, '_>, _: &mut Cpu, a: Args) -> Result<u64, Trap> {
    let map = ring_of(inv, a[0])?;
    if a[2] != 0 {
        return Ok(0);
    }
    let address = map.ops.as_ring().and_then(|ring| ring.reserve(a[1])).unwrap_or(0);
    if address != 0 {
        inv.reserved.push((map, address));
    }
    Ok(address)
}

fn finish(inv: &mut Invocation<'_, '_>, a: Args, discard: bool) -> Result<u64, Trap> {
    let at = inv.reserved.iter().position(|(_, address)| *address == a[0]);
    let at =
        at.ok_or_else(|| Trap::refused(format!("{:#x} is no record that the program reserved", a[0])))?;
    let (map, address) = inv.reserved.swap_remove(at);
    if let Some(ring) = map.ops.as_ring() {
        ring.commit(address, discard);
    }
    if a[1] & NO_WAKEUP == 0 {
        inv.state.notify();
    }
    Ok(0)
}

pub(super) fn ringbuf_submit(inv: &mut Invocation<'_, '_>, _: &mut Cpu, a: Args) -> Result<u64, Trap> {
    finish(inv, a, false)
}

pub(super) fn ringbuf_discard(inv: &mut Invocation<'_, '_>, _: &mut Cpu, a: Args) -> Result<u64, Trap> {
    finish(inv, a, true)
}

pub(super) fn ringbuf_query(inv: &mut Invocation<'_, '_>, _: &mut Cpu, a: Args) -> Result<u64, Trap> {
    let map = ring_of(inv, a[0])?;
    Ok(map.ops.as_ring().map_or(0, |ring| ring.query(a[1])))
}

pub(super) fn perf_event_output(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    const INDEX: u64 = 0xffff_ffff;
    /// `BPF_F_CTXLEN_MASK`: bytes of the packet to append.
    const CTX_LEN: u64 = 0xf_ffff << 32;
    let map = inv.map(a[1])?;
    let mut sample = read(cpu, a[3], a[4])?;
    let has_packet = matches!(inv.event.context, Context::Xdp(_) | Context::Skb(_));
    if a[2] & !(INDEX | if has_packet { CTX_LEN } else { 0 }) != 0 {
        return Ok(Err(Errno::EINVAL));
    }
    let wanted = ((a[2] & CTX_LEN) >> 32) as usize;
    if wanted > 0 {
        let packet = inv.packet()?.bytes();
        match packet.get(..wanted) {
            Some(head) => sample.extend_from_slice(head),
            None => return Ok(Err(Errno::EFAULT)),
        }
    }
    let index = match a[2] & INDEX {
        INDEX => inv.event.cpu,
        index => index as u32,
    };
    let Some(array) = map.ops.as_perf_array() else { return Ok(Err(Errno::EINVAL)) };
    let result = array.get(index).and_then(|event| match &event.what {
        PerfKind::Output(ring) => ring.output(&sample),
        PerfKind::Hook(_) => Err(Errno::EINVAL),
    });
    inv.state.notify();
    Ok(result.map(|()| 0))
}

/// Formats with what `%s` and `%p…` point at taken from the right memory.
fn render(
    inv: &Invocation<'_, '_>,
    cpu: &Cpu,
    format: &[u8],
    args: &[u64],
    room: usize,
) -> Result<Vec<u8>, Errno> {
    let space = |place| match place {
        Place::Kernel => Space::Kernel,
        Place::User => Space::User,
        Place::Either => Space::Either,
    };
    let mut string = |place, addr, max| fetch_str(inv, cpu, space(place), addr, max);
    let mut bytes = |addr, out: &mut [u8]| fetch(inv, cpu, Space::Kernel, addr, out);
    Format { string: &mut string, bytes: &mut bytes, room }.render(format, args)
}

/// The format at an address, without its NUL; an error if it has none.
fn format_at(cpu: &Cpu, addr: u64, len: u64) -> Result<Result<Vec<u8>, Errno>, Trap> {
    let mut format = read(cpu, addr, len & u64::from(u32::MAX))?;
    Ok(match format.iter().position(|b| *b == 0) {
        Some(end) => {
            format.truncate(end);
            Ok(format)
        }
        None => Err(Errno::EINVAL),
    })
}

/// The 64-bit words of an argument array.
fn words(cpu: &Cpu, addr: u64, len: u64) -> Result<Result<Vec<u64>, Errno>, Trap> {
    if len % 8 != 0 || len > 12 * 8 {
        return Ok(Err(Errno::EINVAL));
    }
    let bytes = read(cpu, addr, len)?;
    Ok(Ok(bytes.chunks_exact(8).filter_map(|w| w.try_into().ok().map(u64::from_ne_bytes)).collect()))
}

fn print(inv: &Invocation<'_, '_>, cpu: &Cpu, format: &[u8], args: &[u64]) -> Result<u64, Errno> {
    let text = render(inv, cpu, format, args, LINE)?;
    let text = String::from_utf8_lossy(&text);
    let task = inv.task();
    let comm = task.comm();
    let comm = String::from_utf8_lossy(comm.split(|b| *b == 0).next().unwrap_or_default()).into_owned();
    let now = super::time::now(rustix::time::ClockId::Monotonic);
    inv.state.trace_log.write(&comm, task.tid(), inv.event.cpu, now, &text);
    inv.state.notify();
    Ok(text.len() as u64)
}

pub(super) fn trace_printk(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    let [format, len, args @ ..] = a;
    Ok(format_at(cpu, format, len)?.and_then(|format| print(inv, cpu, &format, &args)))
}

pub(super) fn trace_vprintk(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    let format = format_at(cpu, a[0], a[1])?;
    let args = words(cpu, a[2], a[3])?;
    Ok(format.and_then(|format| print(inv, cpu, &format, &args?)))
}

pub(super) fn snprintf(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    let room = length(a[1] & u64::from(u32::MAX))?;
    // The format's length is not passed: it is a constant string in a read-only map.
    let format = cpu.memory().read_cstr(a[2], 4096)?;
    let args = words(cpu, a[3], a[4])?;
    let text = match args.and_then(|args| render(inv, cpu, &format, &args, room)) {
        Ok(text) => text,
        Err(errno) => return Ok(Err(errno)),
    };
    if let Some(max) = room.checked_sub(1) {
        let out: Vec<u8> = text.iter().copied().take(max).chain([0]).collect();
        cpu.memory().write(a[0], &out)?;
    }
    Ok(Ok(text.len() as u64 + 1))
}

fn seq_append(inv: &mut Invocation<'_, '_>, seq: u64, text: &[u8]) -> Result<u64, Errno> {
    match &mut inv.event.context {
        Context::Iter { output, .. } if seq == SEQ_FILE => {
            output.extend_from_slice(text);
            Ok(0)
        }
        _ => Err(Errno::EINVAL),
    }
}

pub(super) fn seq_printf(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    let format = format_at(cpu, a[1], a[2])?;
    let args = words(cpu, a[3], a[4] & u64::from(u32::MAX))?;
    let text = format.and_then(|format| render(inv, cpu, &format, &args?, LINE));
    Ok(text.and_then(|text| seq_append(inv, a[0], &text)))
}

pub(super) fn seq_write(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    let data = read(cpu, a[1], a[2] & u64::from(u32::MAX))?;
    Ok(seq_append(inv, a[0], &data))
}
