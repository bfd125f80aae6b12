//! Packets: loads, stores, room, checksums, redirects.

use oxbpf_uapi::{Errno, ProgType};
use oxbpf_vm::{Cpu, Trap};

use super::{Args, length, read};
use crate::invoke::Invocation;

type Status = Result<Result<u64, Errno>, Trap>;

fn done(moved: Option<()>, errno: Errno) -> Status {
    Ok(moved.map(|()| 0).ok_or(errno))
}

pub(super) fn load_bytes(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    let mut out = vec![0; length(a[3] & u64::from(u32::MAX))?];
    let loaded = inv.packet()?.read(a[1] & u64::from(u32::MAX), &mut out);
    cpu.memory().write(a[2], &out)?;
    done(loaded, Errno::EFAULT)
}

/// `BPF_HDR_START_MAC` or `BPF_HDR_START_NET`.
pub(super) fn load_bytes_relative(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    const ETHERNET_HEADER: u64 = 14;
    let base = match a[4] {
        0 => 0,
        1 => ETHERNET_HEADER,
        _ => return Ok(Err(Errno::EINVAL)),
    };
    load_bytes(inv, cpu, [a[0], (a[1] & u64::from(u32::MAX)) + base, a[2], a[3], 0])
}

pub(super) fn store_bytes(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    /// `BPF_F_RECOMPUTE_CSUM`, `BPF_F_INVALIDATE_HASH`: there is no checksum state to keep.
    const FLAGS: u64 = 3;
    let bytes = read(cpu, a[2], a[3] & u64::from(u32::MAX))?;
    if a[4] & !FLAGS != 0 {
        return Ok(Err(Errno::EINVAL));
    }
    done(inv.packet()?.write(a[1] & u64::from(u32::MAX), &bytes), Errno::EFAULT)
}

pub(super) fn xdp_store_bytes(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    store_bytes(inv, cpu, [a[0], a[1], a[2], a[3], 0])
}

pub(super) fn buff_len(inv: &mut Invocation<'_, '_>, _: &mut Cpu, _: Args) -> Result<u64, Trap> {
    Ok(inv.packet()?.len() as u64)
}

/// All data is in one piece here, so there is nothing to pull; what is not there cannot be.
pub(super) fn pull_data(inv: &mut Invocation<'_, '_>, _: &mut Cpu, a: Args) -> Status {
    let len = inv.packet()?.len() as u64;
    Ok(if a[1] & u64::from(u32::MAX) > len { Err(Errno::ENOMEM) } else { Ok(0) })
}

pub(super) fn change_tail(inv: &mut Invocation<'_, '_>, _: &mut Cpu, a: Args) -> Status {
    let changed = inv.packet()?.change_tail(a[1] as u32);
    inv.refresh_skb()?;
    done(changed, Errno::EINVAL)
}

pub(super) fn change_head(inv: &mut Invocation<'_, '_>, _: &mut Cpu, a: Args) -> Status {
    let changed = inv.packet()?.change_head(a[1] as u32);
    inv.refresh_skb()?;
    done(changed, Errno::EINVAL)
}

pub(super) fn adjust_head(inv: &mut Invocation<'_, '_>, _: &mut Cpu, a: Args) -> Status {
    done(inv.packet()?.adjust_head(a[1] as u32 as i32), Errno::EINVAL)
}

pub(super) fn adjust_tail(inv: &mut Invocation<'_, '_>, _: &mut Cpu, a: Args) -> Status {
    done(inv.packet()?.adjust_tail(a[1] as u32 as i32), Errno::EINVAL)
}

pub(super) fn adjust_meta(inv: &mut Invocation<'_, '_>, _: &mut Cpu, a: Args) -> Status {
    done(inv.packet()?.adjust_meta(a[1] as u32 as i32), Errno::EACCES)
}

/// Gives the action that redirects, and remembers where to.
pub(super) fn redirect(inv: &mut Invocation<'_, '_>, _: &mut Cpu, a: Args) -> Result<u64, Trap> {
    const XDP_ABORTED: u64 = 0;
    const XDP_REDIRECT: u64 = 4;
    const TC_ACT_SHOT: u64 = 2;
    const TC_ACT_REDIRECT: u64 = 7;
    let is_xdp = inv.prog.prog_type == ProgType::XDP;
    let packet = inv.packet()?;
    packet.redirect = Some(a[0] as u32);
    Ok(match (is_xdp, a[1]) {
        (true, 0) => XDP_REDIRECT,
        (true, _) => XDP_ABORTED,
        (false, 0 | 1) => TC_ACT_REDIRECT,
        (false, _) => TC_ACT_SHOT,
    })
}

/// A hash of the addresses and ports, never 0.
pub(super) fn hash(inv: &mut Invocation<'_, '_>, _: &mut Cpu, _: Args) -> Result<u64, Trap> {
    let packet = inv.packet()?;
    let mut flow = [0; 12];
    // IPv4 addresses and the ports behind a header without options; other packets hash alike.
    let _ = packet.read(26, &mut flow);
    let hash = flow.iter().fold(0x811c_9dc5u32, |h, b| (h ^ u32::from(*b)).wrapping_mul(0x0100_0193));
    Ok(u64::from(hash.max(1)))
}

/// The ones' complement sum of 16-bit words, folded.
fn sum(bytes: &[u8]) -> u32 {
    let mut total: u64 = 0;
    for pair in bytes.chunks(2) {
        let word = [pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0)];
        total += u64::from(u16::from_ne_bytes(word));
    }
    fold(total)
}

fn fold(mut total: u64) -> u32 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u32
}

/// Difference of two buffers' checksums, added to a seed.
pub(super) fn csum_diff(_: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    let (from_len, to_len) = (a[1] & u64::from(u32::MAX), a[3] & u64::from(u32::MAX));
    if from_len % 4 != 0 || to_len % 4 != 0 {
        return Ok(Err(Errno::EINVAL));
    }
    let from = read(cpu, a[0], from_len)?;
    let to = read(cpu, a[2], to_len)?;
    let removed = u64::from(!sum(&from) & 0xffff);
    let removed = if from.is_empty() { 0 } else { removed };
    Ok(Ok(u64::from(fold(u64::from(a[4] as u32) + removed + u64::from(sum(&to))))))
}

/// `BPF_F_HDR_FIELD_MASK`: bytes of the field that changed; 0 means that `to` is a difference.
const FIELD: u64 = 0xf;
/// `BPF_F_PSEUDO_HDR`.
const PSEUDO: u64 = 1 << 4;
/// `BPF_F_MARK_MANGLED_0`, `BPF_F_MARK_ENFORCE`: for UDP, where 0 means no checksum.
const MANGLED_0: u64 = 1 << 5;
const ENFORCE: u64 = 1 << 6;

fn replace(inv: &mut Invocation<'_, '_>, a: Args, allowed: u64) -> Status {
    let [_, offset, from, to, flags] = a;
    if flags & !allowed != 0 || offset & 1 != 0 || offset > 0xffff {
        return Ok(Err(if offset & 1 != 0 || offset > 0xffff { Errno::EFAULT } else { Errno::EINVAL }));
    }
    let mut check = [0; 2];
    let packet = inv.packet()?;
    if packet.read(offset, &mut check).is_none() {
        return Ok(Err(Errno::EFAULT));
    }
    let old = u16::from_ne_bytes(check);
    let is_udp = flags & MANGLED_0 != 0;
    if is_udp && flags & ENFORCE == 0 && old == 0 {
        return Ok(Ok(0));
    }
    let change = match flags & FIELD {
        0 if from == 0 => fold(u64::from(to as u32)),
        2 => fold(u64::from(!(from as u16)) + u64::from(to as u16)),
        4 => {
            let halves = |v: u32| u64::from(v & 0xffff) + u64::from(v >> 16);
            fold(halves(!(from as u32)) + halves(to as u32))
        }
        _ => return Ok(Err(Errno::EINVAL)),
    };
    let mut new = !(fold(u64::from(!old) + u64::from(change)) as u16);
    if is_udp && new == 0 {
        new = 0xffff;
    }
    done(packet.write(offset, &new.to_ne_bytes()), Errno::EFAULT)
}

pub(super) fn l3_csum_replace(inv: &mut Invocation<'_, '_>, _: &mut Cpu, a: Args) -> Status {
    replace(inv, a, FIELD)
}

pub(super) fn l4_csum_replace(inv: &mut Invocation<'_, '_>, _: &mut Cpu, a: Args) -> Status {
    replace(inv, a, FIELD | PSEUDO | MANGLED_0 | ENFORCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_fold_to_16_bits() {
        assert_eq!(sum(&[0xff, 0xff, 0x01, 0x00]), u32::from(u16::from_ne_bytes([1, 0])));
        assert_eq!(sum(&[]), 0);
        assert_eq!(fold(0x1_ffff_0000), 1);
    }
}
