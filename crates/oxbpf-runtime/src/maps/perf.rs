//! Perf event arrays, and the rings of the events in them.
//!
//! The ring has the layout that perf_event_open(2) documents: a header page with `data_head` at byte 1024 and `data_tail` after it, then
//! the data. Records are samples with `PERF_SAMPLE_RAW` and counts of lost ones.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use oxbpf_kernel::{Mapping, Prot};
use oxbpf_uapi::Errno;
use oxbpf_vm::{Memory, Region, RegionSpec, Rights};

use super::{MapEnv, MapOps, MapParams, flags, mem_errno};
use crate::registry::Object;

const DATA_HEAD: u64 = 1024;
const DATA_TAIL: u64 = 1032;
const DATA_OFFSET: u64 = 1040;
const DATA_SIZE: u64 = 1048;
const RECORD_LOST: u32 = 2;
const RECORD_SAMPLE: u32 = 9;

/// The ring of one perf event; its memory is made when user space maps it.
#[derive(Debug)]
pub(crate) struct PerfRing {
    memory: Memory,
    region: OnceLock<Region>,
    /// Samples that found no room since the last that did.
    lost: Mutex<u64>,
}

impl PerfRing {
    pub(crate) fn new(memory: &Memory) -> Self {
        Self { memory: memory.clone(), region: OnceLock::new(), lost: Mutex::new(0) }
    }

    /// Maps the header page and a power of two of data pages.
    pub(crate) fn mmap(&self, offset: u64, len: u64, prot: Prot) -> Result<Mapping, Errno> {
        let page = self.memory.page_size();
        let data = len.checked_sub(page).ok_or(Errno::EINVAL)?;
        if offset != 0 || !data.is_power_of_two() || data % page != 0 {
            return Err(Errno::EINVAL);
        }
        let region = match self.region.get() {
            Some(region) => region,
            None => {
                let spec = RegionSpec::new(len, "perf buffer").rights(Rights::None);
                let new = self.memory.alloc(spec).map_err(|e| mem_errno(&e))?;
                new.store_uint(DATA_OFFSET, 8, page).map_err(|e| mem_errno(&e))?;
                new.store_uint(DATA_SIZE, 8, data).map_err(|e| mem_errno(&e))?;
                self.region.get_or_init(|| new)
            }
        };
        if region.len() != len {
            return Err(Errno::EINVAL);
        }
        region.view(0, len, prot).map_err(|e| mem_errno(&e))
    }

    pub(crate) fn is_readable(&self) -> bool {
        let position = |at| self.region.get().and_then(|r| r.load_uint(at, 8).ok());
        position(DATA_HEAD) != position(DATA_TAIL)
    }

    /// Appends a raw sample; `ENOSPC` if there is no room, which the next sample reports as lost.
    pub(crate) fn output(&self, sample: &[u8]) -> Result<(), Errno> {
        let Some(region) = self.region.get() else { return Err(Errno::ENOENT) };
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let mut records = Vec::new();
        if *lost > 0 {
            records
                .extend_from_slice(&record(RECORD_LOST, &[0u64.to_ne_bytes(), lost.to_ne_bytes()].concat()));
        }
        // The size field counts the padding that aligns the record to 8 bytes.
        let padded = (sample.len() + 4).next_multiple_of(8) - 4;
        let mut body = u32::try_from(padded).map_err(|_| Errno::E2BIG)?.to_ne_bytes().to_vec();
        body.extend_from_slice(sample);
        body.resize(padded + 4, 0);
        records.extend_from_slice(&record(RECORD_SAMPLE, &body));
        match append(region, self.memory.page_size(), &records) {
            Ok(true) => {
                *lost = 0;
                Ok(())
            }
            Ok(false) => {
                *lost += 1;
                Err(Errno::ENOSPC)
            }
            Err(e) => Err(e),
        }
    }
}

/// A record: header, then the body.
fn record(kind: u32, body: &[u8]) -> Vec<u8> {
    let size = (body.len() + 8) as u16;
    let mut out = kind.to_ne_bytes().to_vec();
    out.extend_from_slice(&0u16.to_ne_bytes());
    out.extend_from_slice(&size.to_ne_bytes());
    out.extend_from_slice(body);
    out
}

/// Appends bytes to the ring; `false` if they do not fit.
fn append(region: &Region, page: u64, bytes: &[u8]) -> Result<bool, Errno> {
    let errno = |e| mem_errno(&e);
    let size = region.len() - page;
    let head = region.load_uint(DATA_HEAD, 8).map_err(errno)?;
    let tail = region.load_uint(DATA_TAIL, 8).map_err(errno)?;
    let used = head.wrapping_sub(tail);
    if used > size || bytes.len() as u64 > size - used {
        return Ok(false);
    }
    let at = head % size;
    let first = bytes.len().min((size - at) as usize);
    let (start, rest) = bytes.split_at(first);
    region.write(page + at, start).map_err(errno)?;
    region.write(page, rest).map_err(errno)?;
    region.store_uint(DATA_HEAD, 8, head + bytes.len() as u64).map_err(errno)?;
    Ok(true)
}

/// A perf event array.
#[derive(Debug)]
pub(crate) struct PerfArray {
    params: MapParams,
    events: Mutex<BTreeMap<u32, Arc<crate::perf::PerfEvent>>>,
}

pub(super) fn create(
    p: &MapParams,
    _env: &MapEnv,
    _inner: Option<&MapParams>,
) -> Result<Box<dyn MapOps>, Errno> {
    p.allow_flags(flags::ACCESS | flags::PRESERVE_ELEMS)?;
    if p.max_entries == 0 || p.key_size != 4 || p.value_size != 4 {
        return Err(Errno::EINVAL);
    }
    Ok(Box::new(PerfArray { params: p.clone(), events: Mutex::default() }))
}

impl PerfArray {
    fn events(&self) -> MutexGuard<'_, BTreeMap<u32, Arc<crate::perf::PerfEvent>>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The event at an index: `E2BIG` past the end, `ENOENT` where none is.
    pub(crate) fn get(&self, index: u32) -> Result<Arc<crate::perf::PerfEvent>, Errno> {
        if index >= self.params.max_entries {
            return Err(Errno::E2BIG);
        }
        self.events().get(&index).cloned().ok_or(Errno::ENOENT)
    }
}

impl MapOps for PerfArray {
    fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        let index = self.params.index(key)?;
        if index >= self.params.max_entries {
            return Err(Errno::E2BIG);
        }
        self.events().remove(&index).map(drop).ok_or(Errno::ENOENT)
    }

    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        let index = key.and_then(|k| self.params.index(k).ok()).filter(|i| *i < self.params.max_entries);
        super::array::next_index(index, self.params.max_entries, next)
    }

    fn check_write(&self, key: &[u8], flags: u64) -> Result<(), Errno> {
        super::fd_array::check_index(&self.params, key, flags)
    }

    fn write_object(&self, key: &[u8], object: Object, _flags: u64) -> Result<(), Errno> {
        let index = self.params.index(key)?;
        let Object::Perf(event) = object else { return Err(Errno::EBADF) };
        self.events().insert(index, event);
        Ok(())
    }

    fn as_perf_array(&self) -> Option<&PerfArray> {
        Some(self)
    }
}
