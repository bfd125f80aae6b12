//! Log records out through C's print callback, as a format and a `va_list`.
//!
//! `libbpf_set_print` gives the callback; without one, lines go to standard error. C's callbacks format with `vprintf`
//! and its kin, so each is given `"%s"` and a `va_list` that holds one string. No function here has variable arguments:
//! the list is laid out by hand as the machine's calling convention has it.
//!
//! # Safety
//! A `va_list` made here is read by one `va_arg` of a pointer, as `"%s"` asks, while the text is alive. The callback is
//! one that C gave for this purpose; the cell that holds it is swapped whole.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_char, c_int, c_void};
use core::sync::atomic::{AtomicPtr, AtomicU8, Ordering};
use std::ffi::CString;
use std::sync::Once;

use log::{Level, LevelFilter, Log, Metadata, Record};

/// `va_list` as a function gets it. Where it is an array or large, that is an address of it.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct VaList(*mut c_void);

/// A `va_list` of one pointer.
#[derive(Debug)]
struct OneArgument {
    #[allow(dead_code, reason = "C reads it; on some machines the list is the address of the argument")]
    list: Layout,
    #[allow(dead_code, reason = "C reads it, through the list")]
    argument: Box<[*const c_char; 1]>,
}

/// Registers are used up, and the argument is on the stack.
#[cfg(target_arch = "x86_64")]
#[repr(C)]
#[derive(Debug)]
struct Layout {
    gp_offset: u32,
    fp_offset: u32,
    overflow_arg_area: *const c_void,
    reg_save_area: *const c_void,
}

/// Registers are used up (offsets of zero), and the argument is on the stack.
#[cfg(target_arch = "aarch64")]
#[repr(C)]
#[derive(Debug)]
struct Layout {
    stack: *const c_void,
    gr_top: *const c_void,
    vr_top: *const c_void,
    gr_offs: c_int,
    vr_offs: c_int,
}

/// Five registers are used up, and the argument is on the stack.
#[cfg(target_arch = "s390x")]
#[repr(C)]
#[derive(Debug)]
struct Layout {
    gpr: core::ffi::c_long,
    fpr: core::ffi::c_long,
    overflow_arg_area: *const c_void,
    reg_save_area: *const c_void,
}

/// The list is the address of the arguments.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "s390x")))]
#[derive(Debug)]
struct Layout;

impl OneArgument {
    fn new(text: &CStr) -> Self {
        let argument = Box::new([text.as_ptr()]);
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "s390x"))]
        let stack = argument.as_ptr().cast();
        #[cfg(any(target_arch = "x86_64", target_arch = "s390x"))]
        let none = core::ptr::null();
        #[cfg(target_arch = "x86_64")]
        let list = Layout { gp_offset: 48, fp_offset: 176, overflow_arg_area: stack, reg_save_area: none };
        #[cfg(target_arch = "aarch64")]
        let list = Layout { stack, gr_top: stack, vr_top: stack, gr_offs: 0, vr_offs: 0 };
        #[cfg(target_arch = "s390x")]
        let list = Layout { gpr: 5, fpr: 4, overflow_arg_area: stack, reg_save_area: none };
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "s390x")))]
        let list = Layout;
        Self { list, argument }
    }

    fn va_list(&mut self) -> VaList {
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "s390x"))]
        return VaList((&raw mut self.list).cast());
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "s390x")))]
        return VaList(self.argument.as_mut_ptr().cast());
    }
}

/// Calls `print` with a format and a list that make `text`. What follows a zero byte in it is lost.
pub fn with_va_list(text: &str, print: impl FnOnce(*const c_char, VaList)) {
    let bytes = text.split('\0').next().unwrap_or_default();
    let text = CString::new(bytes).unwrap_or_default();
    let mut argument = OneArgument::new(&text);
    print(c"%s".as_ptr(), argument.va_list());
    // Until here the list refers to both.
    drop((argument, text));
}

/// `libbpf_print_fn_t`.
pub type PrintFn = extern "C" fn(level: c_int, format: *const c_char, args: VaList) -> c_int;

unsafe extern "C" {
    fn vdprintf(fd: c_int, format: *const c_char, args: VaList) -> c_int;
}

/// What the callback is before C sets one. C may call it from its own.
extern "C" fn print_to_stderr(level: c_int, format: *const c_char, args: VaList) -> c_int {
    if level > c_int::from(STDERR_LEVEL.load(Ordering::Relaxed)) {
        return 0;
    }
    // SAFETY: whoever calls a print callback gives it a format and the list that goes with it.
    unsafe { vdprintf(libc::STDERR_FILENO, format, args) }
}

/// The callback; null for silence.
static PRINT: AtomicPtr<c_void> = AtomicPtr::new(print_to_stderr as *mut c_void);

/// The level of standard error: 0 warn, 1 info, 2 debug.
static STDERR_LEVEL: AtomicU8 = AtomicU8::new(1);

static START: Once = Once::new();

/// Sends log records here, from the first call of an export on.
#[inline]
pub fn start() {
    if !START.is_completed() {
        START.call_once(install);
    }
}

#[cold]
fn install() {
    let level = std::env::var("LIBBPF_LOG_LEVEL").unwrap_or_default();
    match level.to_ascii_lowercase().as_str() {
        "warn" => STDERR_LEVEL.store(0, Ordering::Relaxed),
        "" | "info" => {}
        "debug" => STDERR_LEVEL.store(2, Ordering::Relaxed),
        _ => emit(
            0,
            &format!(
                "libbpf: unexpected environment variable 'LIBBPF_LOG_LEVEL' value: '{level}', valid: 'warn', 'info' or 'debug'\n"
            ),
        ),
    }
    // A process that uses the crate from Rust may have a logger of its own.
    let _ = log::set_logger(&Sink);
    set_level();
}

/// Nothing is formatted that nobody sees.
fn set_level() {
    let print = PRINT.load(Ordering::Acquire);
    log::set_max_level(if print.is_null() {
        LevelFilter::Off
    } else if is_stderr(print) {
        match STDERR_LEVEL.load(Ordering::Relaxed) {
            0 => LevelFilter::Warn,
            1 => LevelFilter::Info,
            _ => LevelFilter::Debug,
        }
    } else {
        LevelFilter::Debug
    });
}

fn is_stderr(print: *mut c_void) -> bool {
    core::ptr::eq(print, print_to_stderr as *mut c_void)
}

struct Sink;

impl Log for Sink {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let level = match record.level() {
            Level::Error | Level::Warn => 0,
            Level::Info => 1,
            Level::Debug | Level::Trace => 2,
        };
        let before = crate::ret::errno();
        emit(level, &format!("libbpf: {}\n", record.args()));
        crate::ret::set_errno(before);
    }

    fn flush(&self) {}
}

/// Gives a line to the callback.
fn emit(level: c_int, line: &str) {
    if let Some(print) = as_callback(PRINT.load(Ordering::Acquire)) {
        with_va_list(line, |format, args| {
            print(level, format, args);
        });
    }
}

/// What C gets for a callback: null for silence.
fn as_callback(print: *mut c_void) -> Option<PrintFn> {
    if print.is_null() {
        return None;
    }
    // SAFETY: the cell only ever holds functions of this type.
    Some(unsafe { core::mem::transmute::<*mut c_void, PrintFn>(print) })
}

/// A callback as a return family of its own: null is an answer and no error.
#[derive(Debug)]
pub struct Callback;

impl crate::ret::Family for Callback {
    type Ok = Option<PrintFn>;
    type C = Option<PrintFn>;

    fn ok(value: Self::Ok) -> Self::C {
        value
    }

    fn fail(_: crate::fail::Fail) -> Self::C {
        None
    }
}

export! {
    /// Makes `print` the callback for messages, null for none, and gives the one before.
    fn libbpf_set_print(print: Option<PrintFn>) -> Callback {
        let new = print.map_or(core::ptr::null_mut(), |print| print as *mut c_void);
        let old = PRINT.swap(new, Ordering::AcqRel);
        set_level();
        Ok(as_callback(old))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_by_hand_is_read_by_the_c_library() {
        let mut out = [0u8; 32];
        with_va_list("nine %d lives", |format, args| {
            unsafe extern "C" {
                fn vsnprintf(out: *mut c_char, size: usize, format: *const c_char, args: VaList) -> c_int;
            }
            // SAFETY: the buffer has the size given, and format and list go together.
            let len = unsafe { vsnprintf(out.as_mut_ptr().cast(), out.len(), format, args) };
            assert_eq!(len, 13);
        });
        assert_eq!(out.get(..14), Some(&b"nine %d lives\0"[..]));
    }
}
