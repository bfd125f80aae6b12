//! Longest-prefix-match tries. A key is a prefix length in bits (`u32`), then the data in network order.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use oxbpf_uapi::Errno;
use oxbpf_vm::{Region, RegionSpec};

use super::{BatchReads, MapEnv, MapOps, MapParams, check_update, flags, mem_errno};

/// Largest value: what the kernel can allocate in one piece, less the longest key and a node.
const MAX_VALUE: u32 = (4 << 20) - 256 - 24;

#[derive(Debug)]
struct Lpm {
    params: MapParams,
    values: Region,
    nodes: Mutex<Nodes>,
}

#[derive(Debug, Default)]
struct Nodes {
    /// By prefix, so that a look-up tries one key a length.
    slots: BTreeMap<Prefix, Node>,
    used: u32,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Node {
    slot: u32,
    /// The key's data with the bits after the prefix, which the kernel keeps.
    data: Box<[u8]>,
}

/// The leading bits of a key.
#[derive(Debug, PartialEq, Eq)]
struct Prefix {
    bits: u32,
    /// Zero after these bits.
    masked: Box<[u8]>,
}

impl Prefix {
    fn new(bits: u32, data: &[u8]) -> Self {
        Self { bits, masked: masked(data, bits) }
    }
}

/// The order in which the kernel walks its trie: what is under a node comes before it, bit 0 before bit 1.
impl Ord for Prefix {
    fn cmp(&self, other: &Self) -> Ordering {
        let shared = self.bits.min(other.bits);
        let (one, two) = (masked(&self.masked, shared), masked(&other.masked, shared));
        one.cmp(&two).then(other.bits.cmp(&self.bits))
    }
}

impl PartialOrd for Prefix {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

pub(super) fn create(
    p: &MapParams,
    env: &MapEnv,
    _inner: Option<&MapParams>,
) -> Result<Box<dyn MapOps>, Errno> {
    p.allow_flags(flags::ACCESS | flags::PROG_ACCESS | flags::NO_PREALLOC)?;
    let is_sized =
        (5..=260).contains(&p.key_size) && (1..=MAX_VALUE).contains(&p.value_size) && p.max_entries > 0;
    if !is_sized || p.map_flags & flags::NO_PREALLOC == 0 {
        return Err(Errno::EINVAL);
    }
    let spec =
        RegionSpec::array(p.max_entries.into(), p.value_stride(), p.value_size, p.label()).rights(p.rights());
    let values = env.memory.alloc(spec).map_err(|e| mem_errno(&e))?;
    Ok(Box::new(Lpm { params: p.clone(), values, nodes: Mutex::default() }))
}

impl Lpm {
    fn nodes(&self) -> MutexGuard<'_, Nodes> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn split<'k>(&self, key: &'k [u8]) -> Result<(u32, &'k [u8]), Errno> {
        let (len, data) = key.split_first_chunk::<4>().ok_or(Errno::EINVAL)?;
        let len = u32::from_ne_bytes(*len);
        let fits = data.len() + 4 == self.params.key_size as usize && u64::from(len) <= data.len() as u64 * 8;
        if fits { Ok((len, data)) } else { Err(Errno::EINVAL) }
    }

    fn slot(&self, key: &[u8]) -> Option<u32> {
        let (max, data) = self.split(key).ok()?;
        let nodes = self.nodes();
        (0..=max).rev().find_map(|len| nodes.slots.get(&Prefix::new(len, data))).map(|n| n.slot)
    }

    fn offset(&self, slot: u32) -> u64 {
        u64::from(slot) * u64::from(self.params.value_stride())
    }
}

/// The first `bits` bits of `data`, the rest zero.
fn masked(data: &[u8], bits: u32) -> Box<[u8]> {
    let mut out: Box<[u8]> = data.into();
    for (i, byte) in out.iter_mut().enumerate() {
        let left = bits.saturating_sub(i as u32 * 8).min(8);
        *byte &= !(0xffu32 >> left) as u8;
    }
    out
}

impl MapOps for Lpm {
    fn lookup(&self, key: &[u8], _cpu: u32) -> Option<u64> {
        Some(self.values.addr() + self.offset(self.slot(key)?))
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64, _cpu: u32) -> Result<(), Errno> {
        self.write(key, value, flags)
    }

    fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        let (len, data) = self.split(key)?;
        let mut nodes = self.nodes();
        let node = nodes.slots.remove(&Prefix::new(len, data)).ok_or(Errno::ENOENT)?;
        nodes.free.push(node.slot);
        Ok(())
    }

    /// In the trie's order, with the data as user space last wrote it; a prefix that is not there is followed by the first.
    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        use std::ops::Bound::{Excluded, Unbounded};
        let nodes = self.nodes();
        let known = key.and_then(|k| self.split(k).ok()).map(|(bits, data)| Prefix::new(bits, data));
        let known = known.filter(|prefix| nodes.slots.contains_key(prefix));
        let following = match known {
            Some(prefix) => nodes.slots.range((Excluded(prefix), Unbounded)).next(),
            None => nodes.slots.iter().next(),
        };
        let (prefix, node) = following.ok_or(Errno::ENOENT)?;
        next.get_mut(..4).ok_or(Errno::EINVAL)?.copy_from_slice(&prefix.bits.to_ne_bytes());
        next.get_mut(4..4 + node.data.len()).ok_or(Errno::EINVAL)?.copy_from_slice(&node.data);
        Ok(())
    }

    fn read(&self, key: &[u8], out: &mut [u8], _flags: u64) -> Result<(), Errno> {
        let slot = self.slot(key).ok_or(Errno::ENOENT)?;
        self.values.read(self.offset(slot), out).map_err(|e| mem_errno(&e))
    }

    fn batch_reads(&self) -> BatchReads {
        BatchReads::ByKey
    }

    fn write(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        if flags > super::update::EXIST {
            return Err(Errno::EINVAL);
        }
        let (len, data) = self.split(key)?;
        let mut nodes = self.nodes();
        let prefix = Prefix::new(len, data);
        let found = nodes.slots.get(&prefix).map(|n| n.slot);
        check_update(flags, found.is_some())?;
        let slot = match found.or_else(|| nodes.free.pop()) {
            Some(slot) => slot,
            None if nodes.used < self.params.max_entries => {
                nodes.used += 1;
                nodes.used - 1
            }
            None => return Err(Errno::ENOSPC),
        };
        nodes.slots.insert(prefix, Node { slot, data: data.into() });
        self.values.write(self.offset(slot), value).map_err(|e| mem_errno(&e))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn masking_keeps_leading_bits() {
        assert_eq!(*super::masked(&[0xff, 0xff, 0xff], 12), [0xff, 0xf0, 0]);
        assert_eq!(*super::masked(&[0xff, 0xff], 0), [0, 0]);
        assert_eq!(*super::masked(&[0xab, 0xcd], 16), [0xab, 0xcd]);
    }
}
