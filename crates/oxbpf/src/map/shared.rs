//! Memory of a map in this process: elements of an array that programs read and write at the same time, pages of an arena.

use core::sync::atomic::{AtomicU32, AtomicU64};

use oxbpf_kernel::{Fact, Mapping, Prot};
use oxbpf_uapi::flags::MapFlags;
use oxbpf_uapi::map_type::{EntriesRule, Mmap};
use oxbpf_uapi::{Errno, MapType};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::OwnedMap;
use crate::error::{At, Error, Frame, Result};

/// The elements of an array, or the pages of an arena, without a system call for each access.
///
/// Programs use the memory at the same time. Aligned words of 4 and 8 bytes are never torn; larger values that change meanwhile may be.
///
/// ```no_run
/// # fn f(object: &oxbpf::Object) -> oxbpf::Result<()> {
/// use core::sync::atomic::Ordering;
/// use oxbpf_kernel::Prot;
///
/// let counts = object.map("counts")?.share(Prot::ReadWrite)?;
/// let first = counts.atomic_u64(0, 0)?.swap(0, Ordering::Relaxed);
/// println!("{first} since the last look");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SharedMap {
    mapping: Mapping,
    frame: Frame,
    /// Bytes from one element to the next.
    stride: usize,
    /// Bytes of an element.
    size: usize,
    entries: u32,
}

impl OwnedMap {
    /// Maps the memory of an array with `BPF_F_MMAPABLE` (Linux 5.5) or of an arena (Linux 6.9).
    ///
    /// # Errors
    /// `InvalidInput` if the map's memory can't be shared; `Busy` if it is frozen and `prot` wants to write.
    pub fn share(&self, prot: Prot) -> Result<SharedMap> {
        let info = self.map_type().info();
        let is_arena = info.is_some_and(|i| i.entries == EntriesRule::Pages);
        let may = match info.map(|i| i.mmap) {
            Some(Mmap::WithFlag) => self.map_flags() & MapFlags::MMAPABLE.bits() != 0,
            Some(Mmap::Yes) => is_arena,
            Some(Mmap::No) => false,
            None => true,
        };
        if !may {
            let why = match self.map_type() {
                MapType::ARRAY => "the array was made without BPF_F_MMAPABLE".to_owned(),
                other => format!("the memory of {other} is not for sharing"),
            };
            return Err(self.refuse(why));
        }
        let page = self.page_size()?;
        let (size, stride) = match self.value_size() as usize {
            _ if is_arena => (page, page),
            size => (size, size.next_multiple_of(8)),
        };
        let bytes = stride.checked_mul(self.max_entries() as usize);
        let len = bytes.and_then(|n| n.checked_next_multiple_of(page)).ok_or(Errno::EOVERFLOW);
        let len = len.at(|| self.frame())? as u64;
        let mapping = match self.map_extra() {
            // Where programs expect the arena to be.
            address if is_arena && address != 0 => {
                let mapped = self.kernel.mmap_at(&self.fd, address, 0..len, prot);
                mapped.at(|| Frame::Syscall("mmap")).at(|| self.frame())?
            }
            _ => self.mmap(0, len, prot)?,
        };
        Ok(SharedMap { mapping, frame: self.frame(), stride, size, entries: self.max_entries() })
    }

    fn page_size(&self) -> Result<usize> {
        let text = self.kernel.fact(Fact::PageSize).at(|| Frame::Target("page size".into()))?;
        let number =
            String::from_utf8_lossy(&text).trim().parse::<usize>().ok().filter(|n| n.is_power_of_two());
        number.ok_or(Errno::EINVAL).at(|| Frame::Target("page size".into()))
    }
}

impl SharedMap {
    /// The memory as a whole.
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// Elements of the array, pages of the arena.
    pub fn entries(&self) -> u32 {
        self.entries
    }

    /// A copy of element `index`.
    ///
    /// # Errors
    /// `InvalidInput` if there is no such element, or `V` has not its size.
    pub fn get<V: FromBytes + IntoBytes>(&self, index: u32) -> Result<V> {
        let mut value = V::new_zeroed();
        let at = self.place(index, 0, self.size, size_of::<V>())?;
        self.mapping.read(at, value.as_mut_bytes()).at(|| self.frame.clone())?;
        Ok(value)
    }

    /// Writes element `index`, 8 bytes at a time.
    ///
    /// # Errors
    /// As [`get`](Self::get); `EACCES` if the memory was mapped for reading.
    pub fn set<V: IntoBytes + Immutable>(&self, index: u32, value: &V) -> Result<()> {
        let at = self.place(index, 0, self.size, size_of::<V>())?;
        self.mapping.write(at, value.as_bytes()).at(|| self.frame.clone())
    }

    /// The 32-bit word at byte `offset` of element `index`.
    ///
    /// # Errors
    /// `InvalidInput` if it is not inside the element; `EINVAL` off alignment; `EACCES` if the memory was mapped for reading.
    pub fn atomic_u32(&self, index: u32, offset: usize) -> Result<&AtomicU32> {
        let at = self.place(index, offset, size_of::<u32>(), size_of::<u32>())?;
        self.mapping.atomic_u32(at).at(|| self.frame.clone())
    }

    /// The 64-bit word at byte `offset` of element `index`.
    ///
    /// # Errors
    /// As [`atomic_u32`](Self::atomic_u32).
    pub fn atomic_u64(&self, index: u32, offset: usize) -> Result<&AtomicU64> {
        let at = self.place(index, offset, size_of::<u64>(), size_of::<u64>())?;
        self.mapping.atomic_u64(at).at(|| self.frame.clone())
    }

    /// Where `have` bytes at `offset` of an element are, which have to be `want` and inside it.
    fn place(&self, index: u32, offset: usize, want: usize, have: usize) -> Result<usize> {
        let refuse = |why: String| Err(Error::invalid_input(why).at(self.frame.clone()));
        if index >= self.entries {
            return refuse(format!("there is no element {index}, of {}", self.entries));
        }
        if want != have {
            return refuse(format!("the type has {have} bytes, the elements have {want}"));
        }
        if offset.checked_add(have).is_none_or(|end| end > self.size) {
            return refuse(format!("{have} bytes at {offset} are not inside an element of {}", self.size));
        }
        Ok(index as usize * self.stride + offset)
    }
}
