//! The body's `Result` out, C's answer and `errno` in its place.
//!
//! # Safety
//! `errno` belongs to the thread, and its address is valid as long as the thread runs. Memory that C frees comes from
//! `malloc` and is given away whole.
#![allow(unsafe_code)]

use core::ffi::{c_int, c_void};
use core::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::fail::Fail;

/// How a function answers.
pub trait Family {
    /// What the body gives.
    type Ok;
    /// What C gets.
    type C;

    /// C's form of a good answer.
    fn ok(value: Self::Ok) -> Self::C;

    /// C's form of an error; `errno` is set already.
    fn fail(fail: Fail) -> Self::C;

    /// Runs a body: with its errors in `errno`, and without a panic getting out.
    #[inline]
    fn run(name: &'static str, body: impl FnOnce() -> Result<Self::Ok, Fail>) -> Self::C {
        crate::print::start();
        // A body that panics leaves objects as they are; their locks are taken in whatever state that is.
        let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| Err(broken(name)));
        match result {
            Ok(value) => Self::ok(value),
            Err(fail) => {
                set_errno(fail.0);
                Self::fail(fail)
            }
        }
    }
}

#[cold]
fn broken(name: &'static str) -> Fail {
    log::warn!("{name}: internal error");
    Fail::INTERNAL
}

/// Sets the thread's `errno`.
pub fn set_errno(number: i32) {
    // SAFETY: there is no condition.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: the address is the thread's own, and valid while the thread runs.
    unsafe { *place = number }
}

/// The thread's `errno`.
pub fn errno() -> i32 {
    Fail::last().0
}

/// Copies bytes into memory that C frees with `free`.
///
/// # Errors
/// `ENOMEM`.
pub fn malloc(bytes: &[u8]) -> Result<*mut c_void, Fail> {
    // SAFETY: any size will do; 0 is made 1, so that null means one thing.
    let memory = unsafe { libc::malloc(bytes.len().max(1)) };
    if memory.is_null() {
        return Err(Fail::NOMEM);
    }
    // SAFETY: it was just allocated with at least this size, and nothing else knows it.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), memory.cast(), bytes.len()) };
    Ok(memory)
}

/// Frees memory that C allocated and gave to the library.
pub fn free(memory: crate::arg::Raw) {
    // SAFETY: C says that it is memory of `malloc`, or null, that nothing uses any more.
    unsafe { libc::free(memory.pointer().cast()) }
}

/// A number, negative for errors.
#[derive(Debug)]
pub struct Int;

impl Family for Int {
    type Ok = c_int;
    type C = c_int;

    fn ok(value: c_int) -> c_int {
        value
    }

    fn fail(fail: Fail) -> c_int {
        -fail.0
    }
}

/// As [`Int`], with 64 bits.
#[derive(Debug)]
pub struct Long;

impl Family for Long {
    type Ok = i64;
    type C = i64;

    fn ok(value: i64) -> i64 {
        value
    }

    fn fail(fail: Fail) -> i64 {
        i64::from(-fail.0)
    }
}

/// A pointer, null for errors.
#[derive(Debug)]
pub struct Out<T>(PhantomData<T>);

impl<T> Family for Out<T> {
    type Ok = *const T;
    type C = *const T;

    fn ok(value: *const T) -> *const T {
        value
    }

    fn fail(_: Fail) -> *const T {
        core::ptr::null()
    }
}

/// A plain value, its type's zero for errors.
#[derive(Debug)]
pub struct Val<T>(PhantomData<T>);

impl<T: Default> Family for Val<T> {
    type Ok = T;
    type C = T;

    fn ok(value: T) -> T {
        value
    }

    fn fail(_: Fail) -> T {
        T::default()
    }
}

/// Nothing.
#[derive(Debug)]
pub struct Void;

impl Family for Void {
    type Ok = ();
    type C = ();

    fn ok((): ()) {}

    fn fail(_: Fail) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_answers_an_error_its_own_way_and_sets_errno() {
        set_errno(0);
        assert_eq!(Int::run("f", || Err(Fail::BUSY)), -libc::EBUSY);
        assert_eq!(errno(), libc::EBUSY);
        assert_eq!(Long::run("f", || Err(Fail::NOENT)), i64::from(-libc::ENOENT));
        assert!(Out::<u8>::run("f", || Err(Fail::INVAL)).is_null());
        assert_eq!(Val::<u32>::run("f", || Err(Fail::INVAL)), 0);
        assert_eq!(errno(), libc::EINVAL);
    }

    #[test]
    fn a_good_answer_leaves_errno_alone() {
        set_errno(libc::EAGAIN);
        assert_eq!(Int::run("f", || Ok(7)), 7);
        assert_eq!(errno(), libc::EAGAIN);
    }

    #[test]
    fn a_panic_is_an_internal_error() {
        let answer = Int::run("f", || {
            let empty: [c_int; 0] = [];
            Ok(empty[errno().clamp(0, 0) as usize])
        });
        assert_eq!(answer, -4004);
    }
}
