//! C's arguments as values that safe code can use.
//!
//! # Safety
//! Each type here wraps a pointer that only a C caller can make: the fields are private and no safe function gives one.
//! What C promises for an argument is what libbpf's headers say: a pointer to one of the library's objects is null, an
//! encoded error, or one that the library gave out and did not take back; a string ends in a zero; a buffer has the
//! length that goes with it; and all of them stay as they are during the call. Every block below needs just that, after
//! null was ruled out.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_char};
use core::fmt;
use core::mem::size_of;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::fail::Fail;

/// Addresses from here on are errors that were encoded as pointers by libbpf before 1.0.
const ENCODED: usize = usize::MAX - 4095 + 1;

/// One of the library's own objects.
#[repr(transparent)]
pub struct Ptr<T>(*const T);

impl<T> Clone for Ptr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Ptr<T> {}

impl<T> fmt::Debug for Ptr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:p}", self.0)
    }
}

impl<T> Ptr<T> {
    /// What C holds as this address.
    pub fn given(object: *const T) -> Self {
        Self(object)
    }

    /// The address.
    pub fn address(&self) -> *const T {
        self.0
    }

    /// The object, `None` for null and encoded errors.
    pub fn opt(&self) -> Option<&T> {
        if self.0.is_null() || self.0.addr() >= ENCODED {
            return None;
        }
        // SAFETY: the library gave this address out for a `T` and has not taken it back.
        Some(unsafe { &*self.0 })
    }

    /// The object.
    ///
    /// # Errors
    /// `EINVAL` for null and encoded errors.
    pub fn get(&self) -> Result<&T, Fail> {
        self.opt().ok_or(Fail::INVAL)
    }

    /// Takes an object back that was given out by [`give`].
    pub fn take(self) -> Option<Box<T>> {
        self.opt()?;
        // SAFETY: it was made by `Box::into_raw`, and C gives it back once.
        Some(unsafe { Box::from_raw(self.0.cast_mut()) })
    }

    /// Takes an object back that was given out by [`give_shared`].
    pub fn take_shared(self) -> Option<Arc<T>> {
        self.opt()?;
        // SAFETY: it was made by `Arc::into_raw`, and C gives it back once.
        Some(unsafe { Arc::from_raw(self.0) })
    }

    /// Another reference to an object that was given out by [`give_shared`].
    pub fn share(self) -> Option<Arc<T>> {
        self.opt()?;
        // SAFETY: it was made by `Arc::into_raw` and is still held by C.
        unsafe { Arc::increment_strong_count(self.0) };
        // SAFETY: the count was just raised for this reference.
        Some(unsafe { Arc::from_raw(self.0) })
    }
}

/// Gives an object to C, which gives it back for [`Ptr::take`].
pub fn give<T>(object: T) -> *const T {
    Box::into_raw(Box::new(object))
}

/// Gives a reference of a shared object to C, which gives it back for [`Ptr::take_shared`].
pub fn give_shared<T>(object: Arc<T>) -> *const T {
    Arc::into_raw(object)
}

/// A string, or null.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct Str(*const c_char);

impl Str {
    /// The address, 0 for null.
    pub fn address(&self) -> u64 {
        self.0.addr() as u64
    }

    /// The string with its end, `None` for null.
    pub fn c(&self) -> Option<&CStr> {
        if self.0.is_null() {
            return None;
        }
        // SAFETY: C's strings end in a zero, and this one stays for the call.
        Some(unsafe { CStr::from_ptr(self.0) })
    }

    /// The text, `None` for null.
    ///
    /// # Errors
    /// `EINVAL` if it is not UTF-8.
    pub fn opt(&self) -> Result<Option<&str>, Fail> {
        self.c().map(|c| c.to_str().map_err(|_| Fail::INVAL)).transpose()
    }

    /// The text.
    ///
    /// # Errors
    /// `EINVAL` for null or what is not UTF-8.
    pub fn get(&self) -> Result<&str, Fail> {
        self.opt()?.ok_or(Fail::INVAL)
    }

    /// The path, `None` for null.
    pub fn opt_path(&self) -> Option<&Path> {
        self.c().map(|c| Path::new(OsStr::from_bytes(c.to_bytes())))
    }

    /// The path.
    ///
    /// # Errors
    /// `EINVAL` for null.
    pub fn path(&self) -> Result<&Path, Fail> {
        self.opt_path().ok_or(Fail::INVAL)
    }
}

/// Memory of C's, or null. How much there is, the caller of each method knows from C's other arguments or the header.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct Raw(*mut u8);

impl Raw {
    /// None.
    pub fn null() -> Self {
        Self(core::ptr::null_mut())
    }

    /// What C gave as an address before.
    pub fn at(address: usize) -> Self {
        Self(core::ptr::with_exposed_provenance_mut(address))
    }

    /// Whether there is none.
    pub fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// The address, 0 for null.
    pub fn address(&self) -> u64 {
        self.0.addr() as u64
    }

    /// The pointer, to hand to a callback or back to C.
    pub fn pointer(&self) -> *mut u8 {
        self.0
    }

    /// `len` bytes of it; nothing for null.
    pub fn bytes(&self, len: usize) -> Option<&[u8]> {
        match (self.0.is_null(), len) {
            (_, 0) => Some(&[]),
            (true, _) => None,
            // SAFETY: C says that there are `len` bytes, which it does not change during the call.
            (false, _) => Some(unsafe { core::slice::from_raw_parts(self.0, len) }),
        }
    }

    /// `len` bytes of it to write to; nothing for null.
    pub fn bytes_mut(&mut self, len: usize) -> Option<&mut [u8]> {
        match (self.0.is_null(), len) {
            (_, 0) => Some(&mut []),
            (true, _) => None,
            // SAFETY: C says that there are `len` bytes, which nothing else uses during the call.
            (false, _) => Some(unsafe { core::slice::from_raw_parts_mut(self.0, len) }),
        }
    }

    /// What lies at byte `at`, zero for null.
    pub fn read<T: FromBytes>(&self, at: usize) -> T {
        if self.0.is_null() {
            return T::new_zeroed();
        }
        // SAFETY: C's struct reaches that far: its header or its own size field says so.
        let place = unsafe { self.0.add(at) };
        // SAFETY: the bytes are C's and initialised, and any bytes make a `T`.
        unsafe { place.cast::<T>().read_unaligned() }
    }

    /// Writes at byte `at`; does nothing for null.
    pub fn write<T: IntoBytes + Immutable>(&self, at: usize, value: T) {
        if self.0.is_null() {
            return;
        }
        // SAFETY: C's struct reaches that far: its header or its own size field says so.
        let place = unsafe { self.0.add(at) };
        // SAFETY: the place is C's for the library to write to.
        unsafe { place.cast::<T>().write_unaligned(value) }
    }

    /// The pointer that lies at byte `at`.
    pub fn pointer_at(&self, at: usize) -> Self {
        Self(core::ptr::with_exposed_provenance_mut(self.read::<usize>(at)))
    }

    /// The string whose pointer lies at byte `at`.
    pub fn str_at(&self, at: usize) -> Str {
        Str(core::ptr::with_exposed_provenance(self.read::<usize>(at)))
    }

    /// The object whose pointer lies at byte `at`.
    pub fn object_at<T>(&self, at: usize) -> Ptr<T> {
        Ptr(core::ptr::with_exposed_provenance(self.read::<usize>(at)))
    }

    /// The function whose pointer lies at byte `at`, `None` for null. `F` is a function pointer of the type that C declares.
    pub fn function_at<F: Copy>(&self, at: usize) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<usize>(), "a function pointer") };
        let address: usize = self.read(at);
        let pointer: *mut u8 = core::ptr::with_exposed_provenance_mut(address);
        if pointer.is_null() {
            return None;
        }
        // SAFETY: C's header says that the field is a function of this type, and it is not null.
        Some(unsafe { core::mem::transmute_copy::<*mut u8, F>(&pointer) })
    }

    /// Writes a pointer at byte `at`.
    pub fn write_pointer<T>(&self, at: usize, pointer: *const T) {
        self.write(at, pointer.expose_provenance());
    }

    /// The memory that starts `at` bytes further.
    #[must_use]
    pub fn offset(&self, at: usize) -> Self {
        Self(self.0.wrapping_add(at))
    }

    /// As a string.
    pub fn as_str(&self) -> Str {
        Str(self.0.cast())
    }
}

// SAFETY: it is an address; what is there is C's to synchronise.
unsafe impl Send for Raw {}
// SAFETY: as above.
unsafe impl Sync for Raw {}

/// Where C wants a result, or null.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct Put<T>(*mut T);

impl<T: Copy> Put<T> {
    /// Nowhere.
    pub fn none() -> Self {
        Self(core::ptr::null_mut())
    }

    /// Whether C does not want it.
    pub fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// Writes the result, if C wants it.
    pub fn set(&self, value: T) {
        if self.0.is_null() {
            return;
        }
        // SAFETY: C gave this place for a `T`.
        unsafe { self.0.write_unaligned(value) }
    }

    /// What C put there, `None` for null.
    pub fn get(&self) -> Option<T> {
        if self.0.is_null() {
            return None;
        }
        // SAFETY: C put a `T` there.
        Some(unsafe { self.0.read_unaligned() })
    }

    /// `count` of them in a row, `None` for null.
    pub fn slice(&self, count: usize) -> Option<&[T]>
    where
        T: FromBytes,
    {
        if self.0.is_null() || !self.0.is_aligned() || count > isize::MAX as usize / size_of::<T>().max(1) {
            return None;
        }
        // SAFETY: C says that there are so many, which it does not change during the call; the address is aligned.
        Some(unsafe { core::slice::from_raw_parts(self.0, count) })
    }
}
