//! Hash tables: plain, per-CPU, and with eviction of the least recently used entry.
//!
//! Values lie in numbered slots of one region; the table maps keys to slots. Keys come out in slot order.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use oxbpf_uapi::{Errno, MapType};
use oxbpf_vm::RegionSpec;

use super::lock::Values;
use super::{BatchReads, MapEnv, MapOps, MapParams, check_update, flags, mem_errno, update};

#[derive(Debug)]
struct Hash {
    params: MapParams,
    /// Element `slot * cpus + cpu`.
    values: Values,
    cpus: u32,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    slots: HashMap<Box<[u8]>, u32>,
    /// Key of each slot ever used.
    keys: Vec<Option<Box<[u8]>>>,
    free: Vec<u32>,
    /// Order of use, for maps that evict.
    order: Option<Order>,
}

/// Slots from the least to the most recently used, as a ring of links; entry 0 is the ring's head.
#[derive(Debug)]
struct Order {
    links: Vec<(u32, u32)>,
}

impl Order {
    fn new() -> Self {
        Self { links: vec![(0, 0)] }
    }

    fn link(&self, node: u32) -> (u32, u32) {
        self.links.get(node as usize).copied().unwrap_or((node, node))
    }

    fn set(&mut self, node: u32, change: impl FnOnce(&mut (u32, u32))) {
        if let Some(link) = self.links.get_mut(node as usize) {
            change(link);
        }
    }

    fn unlink(&mut self, slot: u32) {
        let node = slot + 1;
        let (before, after) = self.link(node);
        self.set(before, |l| l.1 = after);
        self.set(after, |l| l.0 = before);
        self.set(node, |l| *l = (node, node));
    }

    /// Makes a slot the most recently used.
    fn touch(&mut self, slot: u32) {
        let node = slot + 1;
        while self.links.len() <= node as usize {
            let new = self.links.len() as u32;
            self.links.push((new, new));
        }
        self.unlink(slot);
        let (last, _) = self.link(0);
        self.set(last, |l| l.1 = node);
        self.set(node, |l| *l = (last, 0));
        self.set(0, |l| l.0 = node);
    }

    /// The least recently used slot.
    fn oldest(&self) -> Option<u32> {
        self.link(0).1.checked_sub(1)
    }
}

/// What key and value may have together, so that the kernel could allocate an element in one piece.
pub(super) const MAX_ELEMENT: u64 = (4 << 20) - 512;

pub(super) fn create(
    p: &MapParams,
    env: &MapEnv,
    _inner: Option<&MapParams>,
) -> Result<Box<dyn MapOps>, Errno> {
    let is_per_cpu = p.map_type.is_per_cpu();
    let evicts = matches!(p.map_type, MapType::LRU_HASH | MapType::LRU_PERCPU_HASH);
    p.allow_flags(
        flags::ACCESS | flags::PROG_ACCESS | flags::NO_PREALLOC | flags::NO_COMMON_LRU | flags::ZERO_SEED,
    )?;
    if is_per_cpu && p.map_flags & flags::NUMA_NODE != 0 {
        return Err(Errno::EINVAL);
    }
    if (!evicts && p.map_flags & flags::NO_COMMON_LRU != 0)
        || (evicts && p.map_flags & flags::NO_PREALLOC != 0)
    {
        // The kernel's own word for a LRU map without preallocation.
        return Err(if evicts { Errno::ENOTSUPP } else { Errno::EINVAL });
    }
    if p.max_entries == 0 || p.key_size == 0 || p.value_size == 0 {
        return Err(Errno::EINVAL);
    }
    if u64::from(p.key_size) + u64::from(p.value_size) >= MAX_ELEMENT {
        return Err(Errno::E2BIG);
    }
    p.check_per_cpu()?;
    let cpus = if is_per_cpu { env.cpus } else { 1 };
    let count = u64::from(p.max_entries) * u64::from(cpus);
    let spec = RegionSpec::array(count, p.value_stride(), p.value_size, p.label()).rights(p.rights());
    let values = env.memory.alloc(spec).map_err(|e| mem_errno(&e))?;
    let table = Table { order: evicts.then(Order::new), ..Table::default() };
    let values = Values { region: values, lock: p.lock };
    Ok(Box::new(Hash { params: p.clone(), values, cpus, table: Mutex::new(table) }))
}

impl Hash {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offset(&self, slot: u32, cpu: u32) -> u64 {
        (u64::from(slot) * u64::from(self.cpus) + u64::from(cpu)) * u64::from(self.params.value_stride())
    }

    /// The slot for `key`, a new one if there is none; the flag says that it is new.
    fn slot_for_update(&self, table: &mut Table, key: &[u8], flags: u64) -> Result<(u32, bool), Errno> {
        if key.len() != self.params.key_size as usize {
            return Err(Errno::EINVAL);
        }
        let found = table.slots.get(key).copied();
        check_update(flags, found.is_some())?;
        self.params.check_lock(flags)?;
        if let Some(slot) = found {
            table.touch(slot);
            return Ok((slot, false));
        }
        let slot = match table.free.pop() {
            Some(slot) => slot,
            None if table.keys.len() < self.params.max_entries as usize => {
                table.keys.push(None);
                table.keys.len() as u32 - 1
            }
            None => table.evict().ok_or(Errno::E2BIG)?,
        };
        table.slots.insert(key.into(), slot);
        if let Some(entry) = table.keys.get_mut(slot as usize) {
            *entry = Some(key.into());
        }
        table.touch(slot);
        Ok((slot, true))
    }

    fn put(&self, slot: u32, cpu: u32, is_new: bool, value: &[u8], flags: u64) -> Result<(), Errno> {
        let at = self.offset(slot, cpu);
        if is_new {
            self.values.unlock(at)?;
        }
        self.values.put(at, value, flags & update::LOCK != 0)
    }

    fn copy_out(&self, slot: u32, out: &mut [u8], flags: u64) -> Result<(), Errno> {
        self.values.get(self.offset(slot, 0), out, flags & update::LOCK != 0)
    }
}

impl Table {
    fn touch(&mut self, slot: u32) {
        if let Some(order) = &mut self.order {
            order.touch(slot);
        }
    }

    /// Frees the least recently used slot of a map that evicts.
    fn evict(&mut self) -> Option<u32> {
        let slot = self.order.as_ref()?.oldest()?;
        let key = self.keys.get_mut(slot as usize)?.take()?;
        self.slots.remove(&key);
        Some(slot)
    }

    fn remove(&mut self, key: &[u8]) -> Option<u32> {
        let slot = self.slots.remove(key)?;
        if let Some(entry) = self.keys.get_mut(slot as usize) {
            *entry = None;
        }
        if let Some(order) = &mut self.order {
            order.unlink(slot);
        }
        self.free.push(slot);
        Some(slot)
    }
}

impl MapOps for Hash {
    fn lookup(&self, key: &[u8], cpu: u32) -> Option<u64> {
        let mut table = self.table();
        let slot = *table.slots.get(key)?;
        table.touch(slot);
        let cpu = if self.cpus == 1 { 0 } else { cpu };
        (cpu < self.cpus).then(|| self.values.region.addr() + self.offset(slot, cpu))
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64, cpu: u32) -> Result<(), Errno> {
        let mut table = self.table();
        let (slot, is_new) = self.slot_for_update(&mut table, key, flags)?;
        let cpu = if self.cpus == 1 { 0 } else { cpu };
        if is_new && self.cpus > 1 {
            let len = u64::from(self.params.value_stride()) * u64::from(self.cpus);
            self.values.region.zero(self.offset(slot, 0), len).map_err(|e| mem_errno(&e))?;
        }
        self.put(slot, cpu, is_new, value, flags)
    }

    fn batch_reads(&self) -> BatchReads {
        BatchReads::ByPosition
    }

    fn key_from(&self, position: u32) -> Option<(u32, Vec<u8>)> {
        let table = self.table();
        let mut slots = (position..).zip(table.keys.get(position as usize..)?);
        slots.find_map(|(slot, key)| Some((slot, key.as_ref()?.to_vec())))
    }

    fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        self.table().remove(key).map(drop).ok_or(Errno::ENOENT)
    }

    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        let table = self.table();
        let start = key.and_then(|k| table.slots.get(k)).map_or(0, |slot| *slot as usize + 1);
        let following =
            table.keys.get(start..).unwrap_or_default().iter().flatten().next().ok_or(Errno::ENOENT)?;
        next.get_mut(..following.len()).ok_or(Errno::EINVAL)?.copy_from_slice(following);
        Ok(())
    }

    fn read(&self, key: &[u8], out: &mut [u8], flags: u64) -> Result<(), Errno> {
        let mut table = self.table();
        let slot = *table.slots.get(key).ok_or(Errno::ENOENT)?;
        table.touch(slot);
        self.copy_out(slot, out, flags)
    }

    fn write(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let mut table = self.table();
        let (slot, is_new) = self.slot_for_update(&mut table, key, flags)?;
        self.put(slot, 0, is_new, value, flags)
    }

    fn take(&self, key: &[u8], out: &mut [u8], flags: u64) -> Result<(), Errno> {
        let mut table = self.table();
        let slot = *table.slots.get(key).ok_or(Errno::ENOENT)?;
        self.copy_out(slot, out, flags)?;
        table.remove(key);
        Ok(())
    }
}
