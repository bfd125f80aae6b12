//! Stack trace maps: a stack in, the number of its bucket out.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use oxbpf_uapi::Errno;

use super::{MapEnv, MapOps, MapParams, flags};

/// Deepest stack that is kept, as the kernel's default of `kernel.perf_event_max_stack`.
pub(crate) const MAX_DEPTH: u32 = 127;
/// `BPF_F_REUSE_STACKID` of `bpf_get_stackid`.
const REUSE: u64 = 1 << 10;
/// `BPF_F_FAST_STACK_CMP` of `bpf_get_stackid`.
const FAST_CMP: u64 = 1 << 9;

/// A stack trace map.
#[derive(Debug)]
pub(crate) struct StackTraces {
    params: MapParams,
    buckets: Mutex<BTreeMap<u32, Vec<u64>>>,
}

pub(super) fn create(
    p: &MapParams,
    _env: &MapEnv,
    _inner: Option<&MapParams>,
) -> Result<Box<dyn MapOps>, Errno> {
    p.allow_flags(flags::ACCESS | flags::STACK_BUILD_ID)?;
    if p.map_flags & flags::STACK_BUILD_ID != 0 {
        log::warn!("stack traces by build id are not served by the embedded kernel");
        return Err(Errno::EINVAL);
    }
    let is_sized =
        p.key_size == 4 && p.value_size >= 8 && p.value_size % 8 == 0 && p.value_size / 8 <= MAX_DEPTH;
    if p.max_entries == 0 || !is_sized {
        return Err(Errno::EINVAL);
    }
    Ok(Box::new(StackTraces { params: p.clone(), buckets: Mutex::default() }))
}

impl StackTraces {
    fn buckets(&self) -> MutexGuard<'_, BTreeMap<u32, Vec<u64>>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Most frames that a stack of this map has.
    pub(crate) fn max_frames(&self) -> usize {
        (self.params.value_size / 8) as usize
    }

    /// Keeps a stack, innermost frame first, and gives the number of its bucket.
    pub(crate) fn insert(&self, frames: &[u64], flags: u64) -> Result<u32, Errno> {
        let hash =
            frames.iter().fold(0xcbf2_9ce4_8422_2325u64, |h, f| (h ^ f).wrapping_mul(0x0100_0000_01b3));
        let bucket = (hash ^ hash >> 32) as u32 % self.params.max_entries.next_power_of_two();
        let mut buckets = self.buckets();
        match buckets.get(&bucket) {
            Some(_) if flags & FAST_CMP != 0 => Ok(bucket),
            Some(kept) if kept == frames => Ok(bucket),
            Some(_) if flags & REUSE == 0 => Err(Errno::EEXIST),
            _ => {
                buckets.insert(bucket, frames.to_vec());
                Ok(bucket)
            }
        }
    }
}

impl MapOps for StackTraces {
    fn read(&self, key: &[u8], out: &mut [u8], _flags: u64) -> Result<(), Errno> {
        let id = self.params.index(key)?;
        let buckets = self.buckets();
        let frames = buckets.get(&id).ok_or(Errno::ENOENT)?;
        out.fill(0);
        for (slot, frame) in out.chunks_exact_mut(8).zip(frames) {
            slot.copy_from_slice(&frame.to_ne_bytes());
        }
        Ok(())
    }

    fn update(&self, _key: &[u8], _value: &[u8], _flags: u64, _cpu: u32) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn write(&self, _key: &[u8], _value: &[u8], _flags: u64) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        let id = self.params.index(key)?;
        if id >= self.params.max_entries.next_power_of_two() {
            return Err(Errno::E2BIG);
        }
        self.buckets().remove(&id).map(drop).ok_or(Errno::ENOENT)
    }

    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        let buckets = self.buckets();
        let known = key.and_then(|k| self.params.index(k).ok()).filter(|id| buckets.contains_key(id));
        let following = match known {
            Some(id) => buckets.range(id + 1..).next(),
            None => buckets.iter().next(),
        };
        let (id, _) = following.ok_or(Errno::ENOENT)?;
        next.get_mut(..4).ok_or(Errno::EINVAL)?.copy_from_slice(&id.to_ne_bytes());
        Ok(())
    }

    fn take(&self, key: &[u8], out: &mut [u8], flags: u64) -> Result<(), Errno> {
        self.read(key, out, flags)?;
        self.delete(key)
    }

    fn as_stack_traces(&self) -> Option<&StackTraces> {
        Some(self)
    }
}
