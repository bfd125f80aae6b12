//! Packets: loads, stores, room, checksums, redirects.

use oxbpf_uapi::{Errno, ProgType};
use oxbpf_vm::{Cpu, Trap};

use super::{Args, Status, length, read};
use crate::invoke::Invocation;

fn done(moved: Option<()>, errno: Errno) -> Status {
    Ok(moved.map(|()| 0).ok_or(errno))
}

/// Loads; after an error the program's buffer is zeros.
pub(super) fn load_bytes(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    let mut out = vec![0; length(a[3] & u64::from(u32::MAX))?];
    let offset = a[1] & u64::from(u32::MAX);
    let loaded = inv.packet()?.read(offset, &mut out).filter(|()| offset <= i32::MAX as u64);
    cpu.memory().write(a[2], &out)?;
    done(loaded, Errno::EFAULT)
}

/// Loads from `BPF_HDR_START_MAC` or `BPF_HDR_START_NET`.
pub(super) fn load_bytes_relative(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    let mut out = vec![0; length(a[3] & u64::from(u32::MAX))?];
    let offset = a[1] & u64::from(u32::MAX);
    let loaded = match a[4] & u64::from(u32::MAX) {
        start @ (0 | 1) if offset <= i32::MAX as u64 => {
            inv.packet()?.read_header(start == 1, offset, &mut out)
        }
        _ => None,
    };
    cpu.memory().write(a[2], &out)?;
    done(loaded, Errno::EFAULT)
}

/// What XDP's loads and stores say of bytes that are not there: offsets that cannot be are another error.
fn xdp_missing(a: Args) -> Errno {
    let far = |value: u64| value & u64::from(u32::MAX) > 0xffff;
    if far(a[1]) || far(a[3]) { Errno::EFAULT } else { Errno::EINVAL }
}

/// Loads; after an error the program's buffer is as before.
pub(super) fn xdp_load_bytes(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    let mut out = vec![0; length(a[3] & u64::from(u32::MAX))?];
    let loaded = inv.packet()?.read(a[1] & u64::from(u32::MAX), &mut out);
    if loaded.is_some() {
        cpu.memory().write(a[2], &out)?;
    }
    done(loaded, xdp_missing(a))
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
    let bytes = read(cpu, a[2], a[3] & u64::from(u32::MAX))?;
    done(inv.packet()?.write(a[1] & u64::from(u32::MAX), &bytes), xdp_missing(a))
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
    if a[2] != 0 {
        return Ok(Err(Errno::EINVAL));
    }
    let changed = inv.packet()?.change_tail(a[1] as u32);
    inv.refresh_skb()?;
    done(changed, Errno::EINVAL)
}

pub(super) fn change_head(inv: &mut Invocation<'_, '_>, _: &mut Cpu, a: Args) -> Status {
    if a[2] != 0 {
        return Ok(Err(Errno::EINVAL));
    }
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
    Ok(inv.packet()?.adjust_meta(a[1] as u32 as i32).map(|()| 0))
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

/// The ones' complement sum of 32-bit words and a seed.
fn sum(bytes: &[u8], seed: u32) -> u32 {
    let mut total = u64::from(seed);
    for word in bytes.chunks(4) {
        let mut whole = [0; 4];
        whole.iter_mut().zip(word).for_each(|(to, from)| *to = *from);
        total += u64::from(u32::from_ne_bytes(whole));
    }
    while total > u64::from(u32::MAX) {
        total = (total & u64::from(u32::MAX)) + (total >> 32);
    }
    total as u32
}

fn fold(mut total: u64) -> u32 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u32
}

/// Difference of two buffers' checksums, added to a seed.
pub(super) fn csum_diff(_: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    let from = read(cpu, a[0], a[1] & u64::from(u32::MAX))?;
    let to = read(cpu, a[2], a[3] & u64::from(u32::MAX))?;
    let seed = a[4] as u32;
    Ok(Ok(match (from.is_empty(), to.is_empty()) {
        (false, false) => u64::from(fold(u64::from(sum(&to, seed)) + u64::from(!sum(&from, 0)))),
        (true, false) => u64::from(fold(sum(&to, seed).into())),
        (false, true) => u64::from(fold(u64::from(!sum(&from, !seed)))),
        (true, true) => u64::from(fold(seed.into())),
    }))
}

/// `BPF_F_HDR_FIELD_MASK`: bytes of the field that changed; 0 means that `to` is a difference.
const FIELD: u64 = 0xf;
/// `BPF_F_PSEUDO_HDR`.
const PSEUDO: u64 = 1 << 4;
/// `BPF_F_MARK_MANGLED_0`, `BPF_F_MARK_ENFORCE`: for UDP, where 0 means no checksum.
const MANGLED_0: u64 = 1 << 5;
const ENFORCE: u64 = 1 << 6;
/// `BPF_F_IPV6`: says how the kernel updates its own sum of the packet.
const IPV6: u64 = 1 << 7;

fn replace(inv: &mut Invocation<'_, '_>, a: Args, allowed: u64) -> Status {
    let [_, offset, from, to, flags] = a;
    let offset = offset & u64::from(u32::MAX);
    if flags & !allowed != 0 {
        return Ok(Err(Errno::EINVAL));
    }
    if offset & 1 != 0 || offset > 0xffff {
        return Ok(Err(Errno::EFAULT));
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
    replace(inv, a, FIELD | PSEUDO | MANGLED_0 | ENFORCE | IPV6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_fold_to_16_bits() {
        assert_eq!(sum(&[0xff, 0xff, 0xff, 0xff, 1], 0), u32::from_ne_bytes([1, 0, 0, 0]));
        assert_eq!(sum(&[], 7), 7);
        assert_eq!(fold(0x1_ffff_0000), 1);
    }
}
