//! Ring buffers, in the memory layout that user space maps: a consumer page, a producer page, and the data twice in a row.
//!
//! A record is an 8-byte header (length with the BUSY and DISCARD bits, page offset) and its data, rounded up to 8 bytes. Programs may
//! write a record only between reserving and submitting it: the region grants just those bytes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use oxbpf_kernel::{Mapping, Prot};
use oxbpf_uapi::Errno;
use oxbpf_vm::Region;

use super::{MapEnv, MapOps, MapParams, flags, mem_errno};

const BUSY: u32 = 1 << 31;
const DISCARD: u32 = 1 << 30;
const HEADER: u64 = 8;

/// A ring buffer.
#[derive(Debug)]
pub(crate) struct Ring {
    region: Region,
    page: u64,
    size: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Data address → record, of records that programs hold.
    reserved: HashMap<u64, Record>,
}

/// A record that a program holds.
#[derive(Clone, Copy, Debug)]
struct Record {
    /// Byte offset of the header in the data, not wrapped.
    offset: u64,
    /// Data bytes.
    len: u32,
}

pub(super) fn create(
    p: &MapParams,
    env: &MapEnv,
    _inner: Option<&MapParams>,
) -> Result<Box<dyn MapOps>, Errno> {
    p.allow_flags(flags::NUMA_NODE)?;
    let page = env.memory.page_size();
    let size = u64::from(p.max_entries);
    if p.key_size != 0 || p.value_size != 0 || !size.is_power_of_two() || size % page != 0 {
        return Err(Errno::EINVAL);
    }
    let label = format!("ring buffer record of \"{}\"", p.name);
    let region = env.memory.alloc_ring(2 * page, size, label).map_err(|e| mem_errno(&e))?;
    Ok(Box::new(Ring { region, page, size, state: Mutex::default() }))
}

impl Ring {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn consumer(&self) -> u64 {
        self.region.load_uint(0, 8).unwrap_or(0)
    }

    fn producer(&self) -> u64 {
        self.region.load_uint(self.page, 8).unwrap_or(0)
    }

    fn data(&self, offset: u64) -> u64 {
        2 * self.page + offset % self.size
    }

    /// Reserves a record of `len` bytes and gives the guest address of its data.
    pub(crate) fn reserve(&self, len: u64) -> Option<u64> {
        let total = len.checked_add(HEADER)?.checked_next_multiple_of(8)?;
        if len > u64::from(u32::MAX / 4) || total > self.size {
            return None;
        }
        let mut state = self.state();
        let (offset, consumed) = (self.producer(), self.consumer());
        let end = offset + total;
        if end.wrapping_sub(consumed) > self.size - 1 {
            return None;
        }
        let at = self.data(offset);
        let len = len as u32;
        self.region.store_uint(at, 4, u64::from(len | BUSY)).ok()?;
        self.region.store_uint(at + 4, 4, at / self.page).ok()?;
        self.region.grant(at + HEADER, len.into()).ok()?;
        // The header is in place before the position tells the consumer of it.
        self.region.store_uint(self.page, 8, end).ok()?;
        let address = self.region.addr() + at + HEADER;
        state.reserved.insert(address, Record { offset, len });
        Some(address)
    }

    /// Hands a record over, or throws it away. `false` if no record starts at `address`.
    pub(crate) fn commit(&self, address: u64, discard: bool) -> bool {
        let Some(record) = self.state().reserved.remove(&address) else { return false };
        let at = self.data(record.offset);
        self.region.revoke(at + HEADER);
        let header = record.len | if discard { DISCARD } else { 0 };
        self.region.store_uint(at, 4, header.into()).is_ok()
    }

    /// Writes a whole record.
    pub(crate) fn output(&self, data: &[u8]) -> Result<(), Errno> {
        let address = self.reserve(data.len() as u64).ok_or(Errno::EAGAIN)?;
        self.region.write(address - self.region.addr(), data).map_err(|e| mem_errno(&e))?;
        self.commit(address, false);
        Ok(())
    }

    /// `bpf_ringbuf_query`: available data, size, consumer position, producer position.
    pub(crate) fn query(&self, what: u64) -> u64 {
        match what {
            0 => self.producer().wrapping_sub(self.consumer()),
            1 => self.size,
            2 => self.consumer(),
            3 => self.producer(),
            _ => 0,
        }
    }
}

impl MapOps for Ring {
    fn update(&self, _key: &[u8], _value: &[u8], _flags: u64, _cpu: u32) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    fn delete(&self, _key: &[u8]) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    fn next_key(&self, _key: Option<&[u8]>, _next: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    fn read(&self, _key: &[u8], _out: &mut [u8], _flags: u64) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    fn write(&self, _key: &[u8], _value: &[u8], _flags: u64) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    /// Only the consumer page may be written.
    fn mmap(&self, offset: u64, len: u64, prot: Prot) -> Result<Mapping, Errno> {
        if prot == Prot::ReadWrite && (offset != 0 || len != self.page) {
            return Err(Errno::EPERM);
        }
        self.region.view(offset, len, prot).map_err(|e| mem_errno(&e))
    }

    fn is_readable(&self) -> Option<bool> {
        let (consumed, produced) = (self.consumer(), self.producer());
        if consumed == produced {
            return Some(false);
        }
        // A reader gets nothing while the oldest record is still being written.
        let header = self.region.load_uint(self.data(consumed), 4).unwrap_or(0) as u32;
        Some(header & BUSY == 0)
    }

    fn as_ring(&self) -> Option<&Ring> {
        Some(self)
    }
}
