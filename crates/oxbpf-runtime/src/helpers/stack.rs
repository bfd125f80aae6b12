//! Stacks of the traced process, followed by frame pointers.

use oxbpf_uapi::Errno;
use oxbpf_vm::Cpu;

use super::{Args, Status, length};
use crate::invoke::Invocation;

/// `BPF_F_SKIP_FIELD_MASK`, `BPF_F_USER_STACK`, `BPF_F_USER_BUILD_ID`.
const SKIP: u64 = 0xff;
const USER: u64 = 1 << 8;
const BUILD_ID: u64 = 1 << 11;
/// Farthest that a caller's frame is from its callee's; more means that the register was no frame pointer.
const MAX_FRAME: u64 = 16 << 20;

/// Instruction addresses, innermost first.
fn frames(inv: &Invocation<'_, '_>, max: usize) -> Result<Vec<u64>, Errno> {
    let regs = inv.event.regs.ok_or(Errno::EFAULT)?;
    let task = inv.task();
    let mut found = vec![regs.ip];
    let mut frame = regs.bp;
    while found.len() < max && frame != 0 && frame % 8 == 0 {
        let mut words = [0; 16];
        if task.read_user(frame, &mut words).is_err() {
            break;
        }
        let (next, back) = words.split_at(8);
        let word = |b: &[u8]| b.try_into().map(u64::from_ne_bytes).unwrap_or(0);
        let (next, back) = (word(next), word(back));
        if back == 0 {
            break;
        }
        found.push(back);
        // Frames of callers lie at higher addresses.
        if next <= frame || next - frame > MAX_FRAME {
            break;
        }
        frame = next;
    }
    Ok(found)
}

/// The frames that the flags ask for. There is no kernel stack here.
fn select(inv: &Invocation<'_, '_>, flags: u64, max: usize) -> Result<Vec<u64>, Errno> {
    if flags & USER == 0 {
        return Err(Errno::EFAULT);
    }
    let skip = (flags & SKIP) as usize;
    let mut found = frames(inv, max.saturating_add(skip))?;
    found.drain(..skip.min(found.len()));
    if found.is_empty() { Err(Errno::EFAULT) } else { Ok(found) }
}

pub(super) fn stack_id(inv: &mut Invocation<'_, '_>, _: &mut Cpu, a: Args) -> Status {
    let map = inv.map(a[1])?;
    let Some(traces) = map.ops.as_stack_traces() else { return Ok(Err(Errno::EINVAL)) };
    Ok(select(inv, a[2], traces.max_frames()).and_then(|f| traces.insert(&f, a[2])).map(u64::from))
}

pub(super) fn stack(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    let room = length(a[2] & u64::from(u32::MAX))?;
    let mut out = vec![0; room];
    let result = match a[3] & BUILD_ID != 0 || room % 8 != 0 {
        true => Err(Errno::EINVAL),
        false => select(inv, a[3], room / 8),
    };
    if let Ok(frames) = &result {
        for (slot, frame) in out.chunks_exact_mut(8).zip(frames) {
            slot.copy_from_slice(&frame.to_ne_bytes());
        }
    }
    cpu.memory().write(a[1], &out)?;
    Ok(result.map(|frames| frames.len() as u64 * 8))
}
