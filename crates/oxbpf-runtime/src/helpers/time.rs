//! Clocks and random numbers.

use oxbpf_vm::{Cpu, Trap};
use rustix::time::{ClockId, DynamicClockId, Timespec, clock_gettime, clock_gettime_dynamic};

use super::Args;
use crate::invoke::Invocation;

/// Nanoseconds of a clock of this machine.
pub(crate) fn now(clock: ClockId) -> u64 {
    nanoseconds(clock_gettime(clock))
}

fn nanoseconds(time: Timespec) -> u64 {
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

pub(super) fn ktime(_: &mut Invocation<'_, '_>, _: &mut Cpu, _: Args) -> Result<u64, Trap> {
    Ok(now(ClockId::Monotonic))
}

pub(super) fn coarse(_: &mut Invocation<'_, '_>, _: &mut Cpu, _: Args) -> Result<u64, Trap> {
    Ok(now(ClockId::MonotonicCoarse))
}

pub(super) fn boottime(_: &mut Invocation<'_, '_>, _: &mut Cpu, _: Args) -> Result<u64, Trap> {
    Ok(now(ClockId::Boottime))
}

pub(super) fn tai(_: &mut Invocation<'_, '_>, _: &mut Cpu, _: Args) -> Result<u64, Trap> {
    let time = clock_gettime_dynamic(DynamicClockId::Tai).unwrap_or(Timespec { tv_sec: 0, tv_nsec: 0 });
    Ok(nanoseconds(time))
}

/// Jiffies of a kernel with 250 a second.
pub(super) fn jiffies(_: &mut Invocation<'_, '_>, _: &mut Cpu, _: Args) -> Result<u64, Trap> {
    Ok(now(ClockId::Monotonic) / 4_000_000)
}

pub(super) fn prandom(_: &mut Invocation<'_, '_>, _: &mut Cpu, _: Args) -> Result<u64, Trap> {
    use std::hash::{BuildHasher, RandomState};
    use std::sync::atomic::{AtomicU64, Ordering};
    // A counter through a keyed hash: different in each process, and no two calls alike.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static KEYS: std::sync::OnceLock<RandomState> = std::sync::OnceLock::new();
    let hash = KEYS.get_or_init(RandomState::new).hash_one(NEXT.fetch_add(1, Ordering::Relaxed));
    Ok(hash >> 32)
}
