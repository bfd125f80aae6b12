//! Guest memory: addresses that programs hold in, bytes of the one object they belong to out.
//!
//! All guest memory lies in one reserved range, the cage (`cage`). A guest address is [`Memory::BASE`] plus an offset in the cage, so
//! it looks like a kernel pointer. The range is cut into pages; a table gives each page its region, and a region has
//! bounds, rights and, if it holds many elements, a stride and an element length. Every access of a guest is checked against the one
//! element that it starts in: constant time, two loads and a division for arrays.
//!
//! Regions are allocated next-fit with an unused page between them, so an overflow hits nothing, and a freed address is used
//! again late. An access through a stale address is refused or reaches a newer object; it never leaves the cage.
//!
//! Two faces: [`Memory`] acts for a program (rights and element bounds are checked; a refusal is a [`Fault`]), [`Region`] acts for the owner
//! (only the region's own length counts).
//!
//! Values are in native byte order, as a program expects them.

mod cage;
mod fault;
mod pages;

use core::fmt;
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oxbpf_kernel::{Mapping, Prot};
use zerocopy::FromZeros;

pub(crate) use cage::{SizeLog, Windows};
pub use fault::{Fault, FaultKind};

use cage::Cage;
use pages::Pages;

/// What programs may do with a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Nothing.
    None,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Reading and writing.
    ReadWrite,
}

impl Rights {
    /// Whether reading is allowed.
    pub const fn can_read(self) -> bool {
        matches!(self, Self::Read | Self::ReadWrite)
    }

    /// Whether writing is allowed.
    pub const fn can_write(self) -> bool {
        matches!(self, Self::Write | Self::ReadWrite)
    }

    const fn bits(self) -> u32 {
        self.can_read() as u32 | (self.can_write() as u32) << 1
    }

    const fn from_bits(bits: u32) -> Self {
        match bits & 3 {
            0 => Self::None,
            1 => Self::Read,
            2 => Self::Write,
            _ => Self::ReadWrite,
        }
    }
}

/// An atomic read-modify-write. All give the old value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum AtomicOp {
    Add,
    Or,
    And,
    Xor,
    Xchg,
    CmpXchg,
}

/// What to allocate.
#[derive(Clone, Debug)]
pub struct RegionSpec {
    /// Length in bytes.
    pub len: u64,
    /// Bytes from one element to the next; 0 if the region is one object.
    pub stride: u32,
    /// Bytes of each element that may be accessed, at most `stride`; unused if `stride` is 0.
    pub elem_len: u32,
    /// What programs may do.
    pub rights: Rights,
    /// What the object is, for messages: `map value "counts"`, `context`, `packet`.
    pub label: Arc<str>,
}

impl RegionSpec {
    /// One readable and writable object of `len` bytes.
    pub fn new(len: u64, label: impl Into<Arc<str>>) -> Self {
        Self { len, stride: 0, elem_len: 0, rights: Rights::ReadWrite, label: label.into() }
    }

    /// `count` elements of which `elem_len` bytes each may be accessed, one every `stride` bytes (raised to `elem_len`).
    pub fn array(count: u64, stride: u32, elem_len: u32, label: impl Into<Arc<str>>) -> Self {
        let stride = stride.max(elem_len).max(1);
        let len = count.saturating_mul(u64::from(stride));
        Self { len, stride, elem_len, rights: Rights::ReadWrite, label: label.into() }
    }

    /// The same with other rights.
    #[must_use]
    pub fn rights(self, rights: Rights) -> Self {
        Self { rights, ..self }
    }
}

/// Why guest memory could not be made or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemError {
    /// The memory's limit is reached.
    #[error("no room for {len} bytes of guest memory (limit {limit})")]
    Full {
        /// Bytes asked for.
        len: u64,
        /// The memory's size.
        limit: u64,
    },
    /// A length, offset or stride that makes no sense.
    #[error("bad size or offset in guest memory: {0}")]
    BadSize(u64),
    /// The system refused.
    #[error("guest memory: {0}")]
    System(#[from] std::io::Error),
}

/// The guest memory of one embedded kernel. Clones share it.
#[derive(Clone)]
pub struct Memory(Arc<Shared>);

struct Shared {
    cage: Arc<Cage>,
    page_shift: u32,
    /// Per page: index of the region in `regions`, 0 for none.
    index: Box<[AtomicU32]>,
    /// What checks read. Entry 0 is never used.
    regions: Box<[Desc]>,
    /// What only allocation, release and messages need.
    book: Mutex<Book>,
}

/// One region as checks see it. An entry of zeros is no region.
#[derive(Debug, FromZeros)]
#[repr(C)]
struct Desc {
    /// Offset in the cage of the first visible byte.
    start: AtomicU64,
    /// Visible bytes.
    len: AtomicU64,
    stride: AtomicU32,
    elem_len: AtomicU32,
    /// Rights, and [`GRANTED`].
    flags: AtomicU32,
}

/// Only the spans in [`Meta::grants`] may be accessed.
const GRANTED: u32 = 4;

struct Book {
    pages: Pages,
    /// Entries of `regions` that were used and are free again, and the first that was never used.
    free: Vec<u32>,
    next: u32,
    meta: BTreeMap<u32, Meta>,
}

struct Meta {
    label: Arc<str>,
    /// Offset in the cage → length, of spans that programs may access.
    grants: BTreeMap<u64, u64>,
}

/// The part of an object that one access may stay in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// Offset in the cage.
    pub(crate) off: u64,
    pub(crate) len: u64,
    pub(crate) rights: Rights,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({} bytes, {} regions)", self.0.cage.len(), self.0.book().meta.len())
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        // Every change of the book is a single insert or remove, so it is whole even if a holder panicked.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn desc(&self, id: u32) -> Option<&Desc> {
        self.regions.get(id as usize).filter(|_| id != 0)
    }

    fn desc_at(&self, off: u64) -> Option<(u32, &Desc)> {
        let page = usize::try_from(off >> self.page_shift).ok()?;
        let id = self.index.get(page)?.load(Ordering::Acquire);
        Some((id, self.desc(id)?))
    }
}

impl Memory {
    /// The guest address of the first byte of guest memory: an address of the kernel's half, as programs expect of pointers.
    pub const BASE: u64 = 0xffff_8880_0000_0000;

    /// How much address space [`Memory::default_size`] reserves; nothing is committed before it is used.
    pub const DEFAULT_LIMIT: u64 = 4 << 30;

    /// Reserves `limit` bytes of address space, rounded up to pages; at least 16 pages.
    ///
    /// # Errors
    /// [`MemError::System`] if the system has no such range.
    pub fn new(limit: u64) -> Result<Self, MemError> {
        let page = rustix::param::page_size() as u64;
        let limit = limit.max(16 * page).checked_next_multiple_of(page).ok_or(MemError::BadSize(limit))?;
        let cage = Arc::new(Cage::reserve(limit)?);
        let count = usize::try_from(limit / page).map_err(|_| MemError::BadSize(limit))?;
        // Each region takes a page and leaves one free, so half as many regions as pages can exist. Zeroed by the allocator, hence not
        // committed either.
        let index = <[AtomicU32]>::new_box_zeroed_with_elems(count).map_err(|_| MemError::BadSize(limit))?;
        let regions =
            <[Desc]>::new_box_zeroed_with_elems(count / 2 + 2).map_err(|_| MemError::BadSize(limit))?;
        let book =
            Book { pages: Pages::new(1, count as u64), free: Vec::new(), next: 1, meta: BTreeMap::new() };
        Ok(Self(Arc::new(Shared {
            cage,
            page_shift: page.trailing_zeros(),
            index,
            regions,
            book: Mutex::new(book),
        })))
    }

    /// Reserves [`Memory::DEFAULT_LIMIT`].
    ///
    /// # Errors
    /// As [`Memory::new`].
    pub fn default_size() -> Result<Self, MemError> {
        Self::new(Self::DEFAULT_LIMIT)
    }

    /// Bytes of a page: the granularity of regions, and of the parts of a ring.
    pub fn page_size(&self) -> u64 {
        1 << self.0.page_shift
    }

    /// Allocates a region of zeros.
    ///
    /// # Errors
    /// [`MemError::Full`] if no run of pages is free, [`MemError::BadSize`] for a length of 0 or an element longer than its stride.
    pub fn alloc(&self, spec: RegionSpec) -> Result<Region, MemError> {
        if spec.len == 0 || (spec.stride != 0 && spec.elem_len > spec.stride) {
            return Err(MemError::BadSize(spec.len));
        }
        self.place(spec, 0)
    }

    /// Allocates a ring: `header_len` bytes, then `data_len` bytes that are visible twice in a row. Programs may access only what is granted to
    /// them ([`Region::grant`]). Both lengths are multiples of the page size.
    ///
    /// # Errors
    /// As [`Memory::alloc`]; [`MemError::System`] if the pages cannot be mapped twice.
    pub fn alloc_ring(
        &self,
        header_len: u64,
        data_len: u64,
        label: impl Into<Arc<str>>,
    ) -> Result<Region, MemError> {
        let page = self.page_size();
        if header_len % page != 0 || data_len % page != 0 || data_len == 0 {
            return Err(MemError::BadSize(data_len));
        }
        let len = data_len
            .checked_mul(2)
            .and_then(|d| d.checked_add(header_len))
            .ok_or(MemError::BadSize(data_len))?;
        let region = self.place(RegionSpec::new(len, label), GRANTED)?;
        self.0.cage.map_ring(region.0.off, header_len, data_len)?;
        Ok(region)
    }

    fn place(&self, spec: RegionSpec, flags: u32) -> Result<Region, MemError> {
        let full = MemError::Full { len: spec.len, limit: self.0.cage.len() };
        let pages = spec.len.div_ceil(self.page_size());
        let mut book = self.0.book();
        let Some(first) = book.pages.take(pages) else { return Err(full) };
        let id = book.free.pop().unwrap_or_else(|| {
            book.next += 1;
            book.next - 1
        });
        let Some(desc) = self.0.desc(id) else { return Err(full) };
        let off = first << self.0.page_shift;
        desc.start.store(off, Ordering::Relaxed);
        desc.len.store(spec.len, Ordering::Relaxed);
        desc.stride.store(spec.stride, Ordering::Relaxed);
        desc.elem_len.store(spec.elem_len, Ordering::Relaxed);
        desc.flags.store(spec.rights.bits() | flags, Ordering::Relaxed);
        book.meta.insert(id, Meta { label: spec.label, grants: BTreeMap::new() });
        // Published last: who finds the id in the table sees the description.
        for entry in self.entries(first, pages) {
            entry.store(id, Ordering::Release);
        }
        drop(book);
        Ok(Region(Arc::new(Owned { memory: self.clone(), id, off, len: spec.len, pages })))
    }

    fn entries(&self, first: u64, pages: u64) -> &[AtomicU32] {
        let range = first as usize..(first + pages) as usize;
        self.0.index.get(range).unwrap_or_default()
    }

    /// The span that an access of `size` bytes at a guest address may use.
    ///
    /// # Errors
    /// The fault, if the bytes are not all inside one element with the right.
    #[inline]
    pub(crate) fn check(&self, addr: u64, size: u64, write: bool) -> Result<Span, Fault> {
        let off = addr.wrapping_sub(Self::BASE);
        match self.span(off) {
            Some(span)
                if off >= span.off
                    && size <= span.len
                    && off - span.off <= span.len - size
                    && (if write { span.rights.can_write() } else { span.rights.can_read() }) =>
            {
                Ok(span)
            }
            _ => Err(self.fault(addr, size, write)),
        }
    }

    /// The element that `off` is in, with what may be done there; also if `off` itself is past its end.
    fn span(&self, off: u64) -> Option<Span> {
        let (id, desc) = self.0.desc_at(off)?;
        let (start, len) = (desc.start.load(Ordering::Relaxed), desc.len.load(Ordering::Relaxed));
        let flags = desc.flags.load(Ordering::Relaxed);
        let rights = Rights::from_bits(flags);
        let inside = off.checked_sub(start)?;
        if flags & GRANTED != 0 {
            let book = self.0.book();
            let (&off, &len) = book.meta.get(&id)?.grants.range(..=off).next_back()?;
            return Some(Span { off, len, rights });
        }
        let stride = desc.stride.load(Ordering::Relaxed);
        if stride == 0 {
            return Some(Span { off: start, len, rights });
        }
        let within = match u32::try_from(inside) {
            Ok(inside) => u64::from(inside % stride),
            Err(_) => inside % u64::from(stride),
        };
        let elem = inside - within;
        let elem_len = u64::from(desc.elem_len.load(Ordering::Relaxed)).min(len.saturating_sub(elem));
        Some(Span { off: start + elem, len: elem_len, rights })
    }

    /// Reads `out.len()` bytes as a program would.
    ///
    /// # Errors
    /// The fault, if they are not all inside one readable element.
    pub fn read(&self, addr: u64, out: &mut [u8]) -> Result<(), Fault> {
        if out.is_empty() {
            return Ok(());
        }
        let len = out.len() as u64;
        self.check(addr, len, false)?;
        self.0.cage.copy_out(addr.wrapping_sub(Self::BASE), out).ok_or_else(|| self.fault(addr, len, false))
    }

    /// Writes bytes as a program would.
    ///
    /// # Errors
    /// The fault, if they are not all inside one writable element.
    pub fn write(&self, addr: u64, data: &[u8]) -> Result<(), Fault> {
        if data.is_empty() {
            return Ok(());
        }
        let len = data.len() as u64;
        self.check(addr, len, true)?;
        self.0.cage.copy_in(addr.wrapping_sub(Self::BASE), data).ok_or_else(|| self.fault(addr, len, true))
    }

    /// Writes `len` zero bytes as a program would.
    ///
    /// # Errors
    /// As [`Memory::write`].
    pub fn zero(&self, addr: u64, len: u64) -> Result<(), Fault> {
        if len == 0 {
            return Ok(());
        }
        self.check(addr, len, true)?;
        self.0.cage.zero(addr.wrapping_sub(Self::BASE), len).ok_or_else(|| self.fault(addr, len, true))
    }

    /// Checks that `len` bytes at `addr` may be accessed, without doing so. A length of 0 is always fine.
    ///
    /// # Errors
    /// The fault that the access would give.
    pub fn probe(&self, addr: u64, len: u64, write: bool) -> Result<(), Fault> {
        if len == 0 { Ok(()) } else { self.check(addr, len, write).map(|_| ()) }
    }

    /// Reads a C string as a program would: up to a NUL, the end of the element or `max` bytes. The NUL is not included.
    ///
    /// # Errors
    /// The fault, if not even one byte can be read; or if the element ends before a NUL and before `max`.
    pub fn read_cstr(&self, addr: u64, max: usize) -> Result<Vec<u8>, Fault> {
        let span = self.check(addr, 1, false)?;
        let left = span.len - (addr.wrapping_sub(Self::BASE) - span.off);
        let take = max.min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut out = vec![0; take];
        self.read(addr, &mut out)?;
        match out.iter().position(|&b| b == 0) {
            Some(end) => out.truncate(end),
            None if take < max => return Err(self.fault(addr.wrapping_add(left), 1, false)),
            None => {}
        }
        Ok(out)
    }

    /// Reads an integer of 1, 2, 4 or 8 bytes, zero-extended.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn read_uint(&self, addr: u64, size: u32) -> Result<u64, Fault> {
        let log = size_log(size).ok_or_else(|| self.fault(addr, size.into(), false))?;
        self.check(addr, size.into(), false)?;
        self.load(addr, log)
    }

    /// Writes the low 1, 2, 4 or 8 bytes of `value`.
    ///
    /// # Errors
    /// As [`Memory::write`].
    pub fn write_uint(&self, addr: u64, size: u32, value: u64) -> Result<(), Fault> {
        let log = size_log(size).ok_or_else(|| self.fault(addr, size.into(), true))?;
        self.check(addr, size.into(), true)?;
        self.store(addr, log, value)
    }

    /// Loads at a checked address.
    pub(crate) fn load(&self, addr: u64, log: SizeLog) -> Result<u64, Fault> {
        self.0.cage.load(addr.wrapping_sub(Self::BASE), log).ok_or_else(|| self.fault(addr, 1 << log, false))
    }

    /// Stores at a checked address.
    pub(crate) fn store(&self, addr: u64, log: SizeLog, value: u64) -> Result<(), Fault> {
        self.0
            .cage
            .store(addr.wrapping_sub(Self::BASE), log, value)
            .ok_or_else(|| self.fault(addr, 1 << log, true))
    }

    /// Does a fully ordered atomic operation on 4 or 8 aligned bytes and gives the old value, zero-extended.
    /// `expected` counts for [`AtomicOp::CmpXchg`] only.
    ///
    /// # Errors
    /// The fault, if the bytes are not inside one readable and writable element, or not aligned.
    pub fn atomic(
        &self,
        addr: u64,
        size: u32,
        op: AtomicOp,
        value: u64,
        expected: u64,
    ) -> Result<u64, Fault> {
        self.check(addr, size.into(), false)?;
        self.check(addr, size.into(), true)?;
        let misaligned = || self.fault_misaligned(addr, size.into());
        let log = size_log(size).ok_or_else(misaligned)?;
        self.0.cage.rmw(addr.wrapping_sub(Self::BASE), log, op, value, expected).ok_or_else(misaligned)
    }

    /// Loads 1, 2, 4 or 8 aligned bytes with acquire order.
    ///
    /// # Errors
    /// As [`Memory::atomic`], for reading.
    pub fn load_acquire(&self, addr: u64, size: u32) -> Result<u64, Fault> {
        if addr % u64::from(size.max(1)) != 0 {
            return Err(self.fault_misaligned(addr, size.into()));
        }
        let value = self.read_uint(addr, size)?;
        fence(Ordering::Acquire);
        Ok(value)
    }

    /// Stores 1, 2, 4 or 8 aligned bytes with release order.
    ///
    /// # Errors
    /// As [`Memory::atomic`], for writing.
    pub fn store_release(&self, addr: u64, size: u32, value: u64) -> Result<(), Fault> {
        if addr % u64::from(size.max(1)) != 0 {
            return Err(self.fault_misaligned(addr, size.into()));
        }
        fence(Ordering::Release);
        self.write_uint(addr, size, value)
    }

    pub(crate) fn windows(&self) -> Windows {
        Windows::new(&self.0.cage)
    }

    /// Whether an address lies in guest memory at all (allocated or not).
    pub fn contains(&self, addr: u64) -> bool {
        addr.wrapping_sub(Self::BASE) < self.0.cage.len()
    }
}

pub(crate) fn size_log(size: u32) -> Option<SizeLog> {
    matches!(size, 1 | 2 | 4 | 8).then(|| size.trailing_zeros() as usize)
}

/// An allocated region. Dropping it frees the memory once no [`view`](Region::view) is left.
#[derive(Debug)]
pub struct Region(Arc<Owned>);

struct Owned {
    memory: Memory,
    id: u32,
    off: u64,
    len: u64,
    pages: u64,
}

impl fmt::Debug for Owned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes at {:#x}", self.len, Memory::BASE + self.off)
    }
}

impl Region {
    /// Guest address of the first byte.
    pub fn addr(&self) -> u64 {
        Memory::BASE + self.0.off
    }

    /// Length in bytes as allocated.
    pub fn len(&self) -> u64 {
        self.0.len
    }

    /// Whether the region has no bytes (it never does: an empty one cannot be allocated).
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// The memory that the region is part of.
    pub fn memory(&self) -> &Memory {
        &self.0.memory
    }

    /// Makes only the first `len` bytes visible to programs; at most [`Region::len`].
    ///
    /// # Errors
    /// [`MemError::BadSize`] if it is longer.
    pub fn set_len(&self, len: u64) -> Result<(), MemError> {
        self.set_bounds(0, len)
    }

    /// Makes only `len` bytes from `offset` on visible to programs, such as the packet in a buffer with headroom. Elements, if any,
    /// are counted from `offset`.
    ///
    /// # Errors
    /// [`MemError::BadSize`] if they are not inside the region.
    pub fn set_bounds(&self, offset: u64, len: u64) -> Result<(), MemError> {
        if len > self.0.len || offset > self.0.len - len {
            return Err(MemError::BadSize(offset.saturating_add(len)));
        }
        if let Some(desc) = self.0.desc() {
            desc.start.store(self.0.off + offset, Ordering::Relaxed);
            desc.len.store(len, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Changes what programs may do.
    pub fn set_rights(&self, rights: Rights) {
        if let Some(desc) = self.0.desc() {
            let keep = desc.flags.load(Ordering::Relaxed) & !3;
            desc.flags.store(keep | rights.bits(), Ordering::Relaxed);
        }
    }

    /// Lets programs access `len` bytes at `offset` of a ring.
    ///
    /// # Errors
    /// [`MemError::BadSize`] if they are not inside the region.
    pub fn grant(&self, offset: u64, len: u64) -> Result<(), MemError> {
        if len > self.0.len || offset > self.0.len - len {
            return Err(MemError::BadSize(offset.saturating_add(len)));
        }
        if let Some(meta) = self.0.memory.0.book().meta.get_mut(&self.0.id) {
            meta.grants.insert(self.0.off + offset, len);
        }
        Ok(())
    }

    /// Takes back what was granted at `offset`, and gives its length.
    pub fn revoke(&self, offset: u64) -> Option<u64> {
        self.0.memory.0.book().meta.get_mut(&self.0.id)?.grants.remove(&self.0.off.checked_add(offset)?)
    }

    /// Reads at `offset`, whatever programs may do.
    ///
    /// # Errors
    /// [`MemError::BadSize`] outside the region.
    pub fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), MemError> {
        let off = self.within(offset, out.len() as u64)?;
        self.cage().copy_out(off, out).ok_or(MemError::BadSize(offset))
    }

    /// Writes at `offset`, whatever programs may do.
    ///
    /// # Errors
    /// [`MemError::BadSize`] outside the region.
    pub fn write(&self, offset: u64, data: &[u8]) -> Result<(), MemError> {
        let off = self.within(offset, data.len() as u64)?;
        self.cage().copy_in(off, data).ok_or(MemError::BadSize(offset))
    }

    /// Writes `len` zero bytes at `offset`.
    ///
    /// # Errors
    /// [`MemError::BadSize`] outside the region.
    pub fn zero(&self, offset: u64, len: u64) -> Result<(), MemError> {
        let off = self.within(offset, len)?;
        self.cage().zero(off, len).ok_or(MemError::BadSize(offset))
    }

    /// Loads an integer of 1, 2, 4 or 8 bytes at `offset` with acquire order.
    ///
    /// # Errors
    /// [`MemError::BadSize`] outside the region or for another size.
    pub fn load_uint(&self, offset: u64, size: u32) -> Result<u64, MemError> {
        let log = size_log(size).ok_or(MemError::BadSize(size.into()))?;
        let off = self.within(offset, size.into())?;
        let value = self.cage().load(off, log).ok_or(MemError::BadSize(offset))?;
        fence(Ordering::Acquire);
        Ok(value)
    }

    /// Stores the low 1, 2, 4 or 8 bytes of `value` at `offset` with release order.
    ///
    /// # Errors
    /// [`MemError::BadSize`] outside the region or for another size.
    pub fn store_uint(&self, offset: u64, size: u32, value: u64) -> Result<(), MemError> {
        let log = size_log(size).ok_or(MemError::BadSize(size.into()))?;
        let off = self.within(offset, size.into())?;
        fence(Ordering::Release);
        self.cage().store(off, log, value).ok_or(MemError::BadSize(offset))
    }

    /// Does a fully ordered atomic operation on 4 or 8 aligned bytes at `offset` and gives the old value.
    ///
    /// # Errors
    /// [`MemError::BadSize`] outside the region, off alignment or for another size.
    pub fn atomic(
        &self,
        offset: u64,
        size: u32,
        op: AtomicOp,
        value: u64,
        expected: u64,
    ) -> Result<u64, MemError> {
        let log = size_log(size).ok_or(MemError::BadSize(size.into()))?;
        let off = self.within(offset, size.into())?;
        self.cage().rmw(off, log, op, value, expected).ok_or(MemError::BadSize(offset))
    }

    /// The `len` bytes at `offset` (a multiple of 8) as memory shared with user space. The view keeps the region.
    ///
    /// # Errors
    /// [`MemError::BadSize`] outside the region or off alignment.
    pub fn view(&self, offset: u64, len: u64, prot: Prot) -> Result<Mapping, MemError> {
        let off = self.within(offset, len)?;
        let keep: Arc<dyn Any + Send + Sync> = self.0.clone();
        self.cage().view(off, len, prot, keep).ok_or(MemError::BadSize(offset))
    }

    fn cage(&self) -> &Arc<Cage> {
        &self.0.memory.0.cage
    }

    fn within(&self, offset: u64, len: u64) -> Result<u64, MemError> {
        match offset.checked_add(len) {
            Some(end) if end <= self.0.len => Ok(self.0.off + offset),
            _ => Err(MemError::BadSize(offset)),
        }
    }
}

impl Owned {
    fn desc(&self) -> Option<&Desc> {
        self.memory.0.desc(self.id)
    }
}

/// Regions up to this size are cleared by writing zeros, which is cheaper than the system call that gives pages back.
const CLEAR_BY_HAND: u64 = 16 << 10;

impl Drop for Owned {
    fn drop(&mut self) {
        let shared = &self.memory.0;
        let first = self.off >> shared.page_shift;
        for entry in self.memory.entries(first, self.pages) {
            entry.store(0, Ordering::Release);
        }
        let mut is_ring = false;
        if let Some(desc) = self.desc() {
            is_ring = desc.flags.swap(0, Ordering::Relaxed) & GRANTED != 0;
            desc.len.store(0, Ordering::Relaxed);
        }
        let clean = if is_ring {
            shared.cage.unmap_ring(self.off, self.pages << shared.page_shift).is_ok()
        } else if self.len <= CLEAR_BY_HAND {
            shared.cage.zero(self.off, self.len).is_some()
        } else {
            shared.cage.discard(self.off, self.pages << shared.page_shift).is_ok()
        };
        let mut book = shared.book();
        book.meta.remove(&self.id);
        // Pages that could not be cleared (the system is out of mappings) must not show old data to another object.
        if clean {
            book.pages.give(first, self.pages);
            book.free.push(self.id);
        }
    }
}

#[cfg(test)]
mod tests;
