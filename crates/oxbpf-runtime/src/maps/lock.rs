//! The `struct bpf_spin_lock` in a value: copies leave it alone, and take it where the caller asks for that (`BPF_F_LOCK`).

use oxbpf_btf::{Btf, TypeId};
use oxbpf_uapi::{BtfKind, Errno};
use oxbpf_vm::{AtomicOp, MemError, Region};

use super::mem_errno;

/// Bytes of a lock.
const LEN: u64 = 4;
/// How often a lock is tried before its holder is taken for dead.
const PATIENCE: u32 = 1 << 20;

/// Byte offset of the lock in a value of a BTF type, if it has one.
pub(crate) fn offset_in(btf: &Btf, value: TypeId) -> Option<u32> {
    let value = btf.get(value).ok()?.composite()?;
    let is_lock = |id| {
        btf.get(id).is_ok_and(|t| t.kind() == BtfKind::STRUCT && t.name() == "bpf_spin_lock" && t.size() == 4)
    };
    value.members().find(|m| is_lock(m.type_id)).map(|m| m.bit_offset / 8)
}

/// The elements of a map, and where each has its lock.
#[derive(Debug)]
pub(super) struct Values {
    pub(super) region: Region,
    pub(super) lock: Option<u32>,
}

impl Values {
    /// Writes the value at `at` bytes, without its lock.
    pub(super) fn put(&self, at: u64, value: &[u8], hold: bool) -> Result<(), Errno> {
        let Some(lock) = self.lock else {
            return self.region.write(at, value).map_err(|e| mem_errno(&e));
        };
        self.under(at + u64::from(lock), hold, || {
            let (before, after) = value.split_at_checked(lock as usize).unwrap_or((value, &[]));
            self.region.write(at, before)?;
            let rest = at + u64::from(lock) + LEN;
            self.region.write(rest, after.get(LEN as usize..).unwrap_or_default())
        })
    }

    /// Reads the value at `at` bytes; its lock reads as zeros.
    pub(super) fn get(&self, at: u64, out: &mut [u8], hold: bool) -> Result<(), Errno> {
        let Some(lock) = self.lock else { return self.region.read(at, out).map_err(|e| mem_errno(&e)) };
        self.under(at + u64::from(lock), hold, || self.region.read(at, out))?;
        let end = lock as usize + LEN as usize;
        out.get_mut(lock as usize..end).unwrap_or_default().fill(0);
        Ok(())
    }

    /// Makes the lock of a new element free.
    pub(super) fn unlock(&self, at: u64) -> Result<(), Errno> {
        let Some(lock) = self.lock else { return Ok(()) };
        self.region.zero(at + u64::from(lock), LEN).map_err(|e| mem_errno(&e))
    }

    /// Copies, with the lock at `lock` bytes taken if asked.
    fn under(&self, lock: u64, hold: bool, copy: impl FnOnce() -> Result<(), MemError>) -> Result<(), Errno> {
        let errno = |e| mem_errno(&e);
        if !hold {
            return copy().map_err(errno);
        }
        for _ in 0..PATIENCE {
            if self.region.atomic(lock, 4, AtomicOp::CmpXchg, 1, 0).map_err(errno)? == 0 {
                let copied = copy();
                self.region.store_uint(lock, 4, 0).map_err(errno)?;
                return copied.map_err(errno);
            }
            std::thread::yield_now();
        }
        Err(Errno::EBUSY)
    }
}
