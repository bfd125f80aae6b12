//! Arrays and per-CPU arrays.

use oxbpf_kernel::{Mapping, Prot};
use oxbpf_uapi::{Errno, MapType};
use oxbpf_vm::RegionSpec;

use super::lock::Values;
use super::{BatchReads, MapEnv, MapOps, MapParams, flags, mem_errno, update};

#[derive(Debug)]
struct Array {
    params: MapParams,
    /// Element `index * cpus + cpu`.
    values: Values,
    cpus: u32,
}

pub(super) fn create(
    p: &MapParams,
    env: &MapEnv,
    _inner: Option<&MapParams>,
) -> Result<Box<dyn MapOps>, Errno> {
    let is_per_cpu = p.map_type == MapType::PERCPU_ARRAY;
    let allowed = flags::RDONLY | flags::WRONLY | flags::PROG_ACCESS;
    let only_plain = flags::NUMA_NODE | flags::MMAPABLE | flags::INNER_MAP;
    p.allow_flags(if is_per_cpu { allowed } else { allowed | only_plain })?;
    if p.max_entries == 0 || p.key_size != 4 || p.value_size == 0 {
        return Err(Errno::EINVAL);
    }
    if p.value_size > i32::MAX as u32 {
        return Err(Errno::E2BIG);
    }
    p.check_per_cpu()?;
    let cpus = if is_per_cpu { env.cpus } else { 1 };
    let stride = p.value_stride();
    let count = u64::from(p.max_entries) * u64::from(cpus);
    let len = count.checked_mul(u64::from(stride)).ok_or(Errno::E2BIG)?;
    // User space maps whole pages, so they exist; programs see the elements only.
    let mut spec = RegionSpec::array(count, stride, p.value_size, p.label()).rights(p.rights());
    spec.len = len.next_multiple_of(env.memory.page_size());
    let values = env.memory.alloc(spec).map_err(|e| mem_errno(&e))?;
    values.set_len(len).map_err(|e| mem_errno(&e))?;
    Ok(Box::new(Array { params: p.clone(), values: Values { region: values, lock: p.lock }, cpus }))
}

impl Array {
    fn offset(&self, index: u32, cpu: u32) -> u64 {
        (u64::from(index) * u64::from(self.cpus) + u64::from(cpu)) * u64::from(self.params.value_stride())
    }

    fn index(&self, key: &[u8]) -> Result<Option<u32>, Errno> {
        let index = self.params.index(key)?;
        Ok((index < self.params.max_entries).then_some(index))
    }

    fn check(&self, key: &[u8], flags: u64) -> Result<u32, Errno> {
        if flags & !update::LOCK > update::EXIST {
            return Err(Errno::EINVAL);
        }
        let index = self.index(key)?.ok_or(Errno::E2BIG)?;
        if flags & update::NOEXIST != 0 {
            return Err(Errno::EEXIST);
        }
        self.params.check_lock(flags)?;
        Ok(index)
    }
}

impl MapOps for Array {
    fn lookup(&self, key: &[u8], cpu: u32) -> Option<u64> {
        let index = self.index(key).ok()??;
        let cpu = if self.cpus == 1 { 0 } else { cpu };
        (cpu < self.cpus).then(|| self.values.region.addr() + self.offset(index, cpu))
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64, cpu: u32) -> Result<(), Errno> {
        let index = self.check(key, flags)?;
        let cpu = if self.cpus == 1 { 0 } else { cpu };
        self.values.put(self.offset(index, cpu), value, flags & update::LOCK != 0)
    }

    fn delete(&self, _key: &[u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        let index = key.and_then(|k| self.index(k).ok().flatten());
        next_index(index, self.params.max_entries, next)
    }

    fn read(&self, key: &[u8], out: &mut [u8], flags: u64) -> Result<(), Errno> {
        let index = self.index(key)?.ok_or(Errno::ENOENT)?;
        self.values.get(self.offset(index, 0), out, flags & update::LOCK != 0)
    }

    fn batch_reads(&self) -> BatchReads {
        BatchReads::ByKey
    }

    fn write(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let index = self.check(key, flags)?;
        self.values.put(self.offset(index, 0), value, flags & update::LOCK != 0)
    }

    fn value_addr(&self, offset: u32) -> Result<u64, Errno> {
        match self.params.max_entries {
            1 if offset < self.params.value_size && self.cpus == 1 => {
                Ok(self.values.region.addr() + u64::from(offset))
            }
            1 => Err(Errno::EINVAL),
            _ if self.params.map_type == MapType::PERCPU_ARRAY => Err(Errno::EINVAL),
            _ => Err(Errno::ENOTSUPP),
        }
    }

    fn mmap(&self, offset: u64, len: u64, prot: Prot) -> Result<Mapping, Errno> {
        if self.params.map_flags & flags::MMAPABLE == 0 {
            return Err(Errno::EINVAL);
        }
        self.values.region.view(offset, len, prot).map_err(|e| mem_errno(&e))
    }
}

/// The index after `index` in an array, as a key; the first without one.
pub(super) fn next_index(index: Option<u32>, count: u32, next: &mut [u8]) -> Result<(), Errno> {
    let following = match index {
        None => 0,
        Some(i) if i + 1 < count => i + 1,
        Some(_) => return Err(Errno::ENOENT),
    };
    next.get_mut(..4).ok_or(Errno::EINVAL)?.copy_from_slice(&following.to_ne_bytes());
    Ok(())
}
