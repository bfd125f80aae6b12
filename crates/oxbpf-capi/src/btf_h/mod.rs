//! What `btf.h` declares.
//!
//! C reads types through pointers into the BTF's own memory, and changes one BTF with many small calls. So a
//! [`Btf`] is either read (bytes as they came) or edited (a builder), and types and strings are found in either without
//! making the other. What needs an index (looking names up, sizes, C text) is done on the former, which an edited one makes
//! when it is asked and keeps until the next change.

pub mod build;
pub mod dump;
pub mod ext;
pub mod load;
pub mod look;

use core::sync::atomic::{AtomicI32, AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use oxbpf_btf::{BtfBuilder, ByteOrder, TypeId};

use crate::fail::Fail;
use crate::object::lock;

/// Types as the core has them.
pub type Types = oxbpf_btf::Btf;

/// `struct btf`.
#[derive(Debug)]
pub struct Btf {
    state: Mutex<State>,
    /// What it is split from, as C gave it; null if it stands alone.
    base: AtomicPtr<Self>,
    /// Its descriptor in the kernel, −1 for none. It is closed with the BTF.
    fd: AtomicI32,
}

/// What a BTF is made of.
#[derive(Debug)]
pub struct State {
    /// The types, unless they were changed since.
    fixed: Option<Arc<Types>>,
    /// The types in the making.
    builder: Option<BtfBuilder>,
    /// The bytes that C was given last.
    raw: Vec<u8>,
    /// What was set or the file said, 0 for nothing.
    pointer_size: u32,
    order: ByteOrder,
}

impl Btf {
    /// Types that something else has as well.
    pub fn shared(types: Arc<Types>) -> Self {
        let order = types.byte_order();
        let state = State { fixed: Some(types), builder: None, raw: Vec::new(), pointer_size: 0, order };
        Self { state: Mutex::new(state), base: AtomicPtr::default(), fd: AtomicI32::new(-1) }
    }

    /// Types in the making.
    pub fn building(builder: BtfBuilder) -> Self {
        let (raw, order) = (Vec::new(), ByteOrder::NATIVE);
        let pointer_size = size_of::<usize>() as u32;
        let state = State { fixed: None, builder: Some(builder), raw, pointer_size, order };
        Self { state: Mutex::new(state), base: AtomicPtr::default(), fd: AtomicI32::new(-1) }
    }

    /// With a size of pointers that its types do not have to tell.
    #[must_use]
    pub fn with_pointers(self, size: u32) -> Self {
        self.state().pointer_size = size;
        self
    }

    /// Split from what C calls `base`.
    #[must_use]
    pub fn on(self, base: *const Self) -> Self {
        self.base.store(base.cast_mut(), Ordering::Relaxed);
        self
    }

    /// What it is split from, null if it stands alone.
    pub fn base(&self) -> *const Self {
        self.base.load(Ordering::Relaxed)
    }

    /// Its descriptor, −1 for none.
    pub fn fd(&self) -> i32 {
        self.fd.load(Ordering::Relaxed)
    }

    /// Sets its descriptor.
    pub fn set_fd(&self, fd: i32) {
        self.fd.store(fd, Ordering::Relaxed);
    }

    /// What it is made of.
    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The types as they are now.
    ///
    /// # Errors
    /// `EINVAL` if what was built makes no sense yet.
    pub fn types(&self) -> Result<Arc<Types>, Fail> {
        self.state().types()
    }

    /// Changes the types.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn edit<T>(&self, change: impl FnOnce(&mut BtfBuilder) -> Result<T, Fail>) -> Result<T, Fail> {
        let mut state = self.state();
        let builder = state.builder()?;
        let result = change(builder);
        state.forget();
        result
    }
}

impl State {
    /// The types as they are now.
    ///
    /// # Errors
    /// `EINVAL` if what was built makes no sense yet.
    pub fn types(&mut self) -> Result<Arc<Types>, Fail> {
        if let Some(types) = &self.fixed {
            return Ok(types.clone());
        }
        let builder = self.builder.as_ref().ok_or(Fail::INVAL)?;
        let bytes = builder.to_bytes()?;
        let mut types = match builder.base() {
            Some(base) => Types::parse_split(bytes, base.clone())?,
            None => Types::parse(bytes)?,
        };
        if self.pointer_size != 0 {
            types.set_pointer_size(self.pointer_size)?;
        }
        let types = Arc::new(types);
        self.fixed = Some(types.clone());
        Ok(types)
    }

    /// The types to change.
    ///
    /// # Errors
    /// `EINVAL` if their header has what this version does not know.
    fn builder(&mut self) -> Result<&mut BtfBuilder, Fail> {
        if self.builder.is_none() {
            let types = self.fixed.as_ref().ok_or(Fail::INVAL)?;
            self.builder = Some(BtfBuilder::from_btf(types)?);
        }
        self.builder.as_mut().ok_or(Fail::INVAL)
    }

    /// Forgets what was made of the types before a change.
    fn forget(&mut self) {
        if self.builder.is_some() {
            self.fixed = None;
        }
        self.raw = Vec::new();
    }

    /// Puts other types in place of these.
    pub fn replace(&mut self, types: Arc<Types>) {
        (self.fixed, self.builder, self.raw) = (Some(types), None, Vec::new());
    }

    /// One more than the last id.
    pub fn type_count(&self) -> u32 {
        match (&self.builder, &self.fixed) {
            (Some(builder), _) => builder.type_count(),
            (None, Some(types)) => types.type_count(),
            (None, None) => 0,
        }
    }

    /// A type's record, and what follows it.
    pub fn record(&self, id: TypeId) -> Option<&[u8]> {
        match (&self.builder, &self.fixed) {
            (Some(builder), _) => builder.record(id),
            (None, Some(types)) => types.record(id),
            (None, None) => None,
        }
    }

    /// The string at an offset, which a zero follows in memory.
    pub fn string(&self, off: u32) -> Option<&[u8]> {
        match (&self.builder, &self.fixed) {
            (Some(builder), _) => builder.str_bytes(off),
            (None, Some(types)) => types.str_bytes(off).ok(),
            (None, None) => None,
        }
    }

    /// The bytes in the order that was set, kept for C.
    ///
    /// # Errors
    /// `EINVAL` for types whose order can't be changed.
    pub fn raw(&mut self) -> Result<(*const u8, u32), Fail> {
        if self.raw.is_empty() {
            if let Some(builder) = self.builder.as_ref().filter(|_| self.order == ByteOrder::NATIVE) {
                // What refers to types that are still to come has bytes too.
                self.raw = builder.to_bytes()?;
                return Ok((self.raw.as_ptr(), self.raw.len() as u32));
            }
            let types = self.types()?;
            if self.order == ByteOrder::NATIVE {
                return Ok((types.raw().as_ptr(), types.raw().len() as u32));
            }
            let mut types = match types.base() {
                Some(base) => Types::parse_split(types.raw().to_vec(), base.clone())?,
                None => Types::parse(types.raw().to_vec())?,
            };
            types.set_byte_order(self.order);
            self.raw = types.to_bytes()?.into_owned();
        }
        Ok((self.raw.as_ptr(), self.raw.len() as u32))
    }
}

impl Drop for Btf {
    fn drop(&mut self) {
        if self.fd() >= 0 {
            drop(crate::fd::owned(self.fd()));
        }
    }
}
