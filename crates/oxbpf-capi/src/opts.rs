//! Option structs: the caller's size and fields out, values with defaults in their place.
//!
//! The first field of each is the size that the caller's header gave it. A field counts if it lies in that size; bytes
//! that this version does not know must be zero. The structs are in [`abi`](crate::abi); the macro
//! `opt!` reads a field, `put_opt!` writes one.

use core::marker::PhantomData;
use core::mem::size_of;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::arg::{Raw, Str};
use crate::fail::Fail;

/// The layout of an option struct, which has its size in `size_t sz` at its start.
pub trait OptsLayout {
    /// C's name of it.
    const NAME: &'static str;
    /// Where its last field ends, in bytes.
    const END: usize;
}

/// An option struct, or null for defaults.
#[repr(transparent)]
#[derive(Debug)]
pub struct Opts<T>(Raw, PhantomData<*const T>);

impl<T> Clone for Opts<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Opts<T> {}

impl<T: OptsLayout> Opts<T> {
    /// The struct that a field of another points to.
    pub fn at(memory: Raw) -> Self {
        Self(memory, PhantomData)
    }

    /// Defaults.
    pub fn none() -> Self {
        Self(Raw::null(), PhantomData)
    }

    /// Checks size and unknown bytes, once, before fields are read.
    ///
    /// # Errors
    /// `EINVAL`, with the reason in the log.
    pub fn check(self) -> Result<Given<T>, Fail> {
        if self.0.is_null() {
            return Ok(Given { memory: self.0, size: 0, layout: PhantomData });
        }
        let size: usize = self.0.read(0);
        if size < size_of::<usize>() {
            log::warn!("{} size ({size}) is too small", T::NAME);
            return Err(Fail::INVAL);
        }
        let unknown = self.0.offset(T::END);
        if size > T::END && unknown.bytes(size - T::END).unwrap_or_default().iter().any(|b| *b != 0) {
            log::warn!("{} has non-zero extra bytes", T::NAME);
            return Err(Fail::INVAL);
        }
        Ok(Given { memory: self.0, size, layout: PhantomData })
    }

    /// Whether there is no struct.
    pub fn is_null(&self) -> bool {
        self.0.is_null()
    }
}

/// A checked option struct.
#[derive(Debug)]
pub struct Given<T> {
    memory: Raw,
    /// 0 if there is none.
    size: usize,
    layout: PhantomData<*const T>,
}

impl<T> Given<T> {
    /// Whether there is a struct.
    pub fn is_some(&self) -> bool {
        self.size != 0
    }

    /// Whether the field that ends at `end` is there.
    pub fn has(&self, end: usize) -> bool {
        end <= self.size
    }

    /// The field at `at`, zero if it is not there. The second argument tells its type.
    pub fn field<F: FromBytes>(&self, at: usize, _: fn(&T) -> &F) -> F {
        if self.has(at + size_of::<F>()) { self.memory.read(at) } else { F::new_zeroed() }
    }

    /// Writes the field at `at`, if it is there.
    pub fn put<F: IntoBytes + Immutable>(&self, at: usize, _: fn(&T) -> &F, value: F) {
        if self.has(at + size_of::<F>()) {
            self.memory.write(at, value);
        }
    }

    /// The memory that the pointer at `at` leads to, null if the field is not there.
    pub fn pointer(&self, at: usize) -> Raw {
        let at = if self.has(at + size_of::<usize>()) { at } else { return Raw::null() };
        self.memory.pointer_at(at)
    }

    /// The string that the pointer at `at` leads to.
    pub fn str(&self, at: usize) -> Str {
        self.pointer(at).as_str()
    }

    /// The function that the pointer at `at` leads to. `F` is its type as C declares it.
    pub fn callback<F: Copy>(&self, at: usize) -> Option<F> {
        if self.has(at + size_of::<usize>()) { self.memory.function_at(at) } else { None }
    }

    /// Whether everything from byte `at` on is zero, as far as the struct goes.
    pub fn is_zero_from(&self, at: usize) -> bool {
        let rest = self.memory.offset(at);
        rest.bytes(self.size.saturating_sub(at)).unwrap_or_default().iter().all(|b| *b == 0)
    }

    /// The 32-bit number at byte `at`, where the struct may end behind it; zero if it is not there.
    pub fn tail(&self, at: usize) -> u32 {
        if self.has(at + size_of::<u32>()) { self.memory.read(at) } else { 0 }
    }

    /// The struct itself.
    pub fn memory(&self) -> Raw {
        self.memory
    }
}
