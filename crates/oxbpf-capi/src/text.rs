//! Error numbers as text: `libbpf_strerror`, and what libbpf's own numbers mean.

use core::ffi::c_int;

use oxbpf_uapi::Errno;

use crate::arg::{Ptr, Raw};
use crate::fail::Fail;
use crate::ret::{Int, Long, errno, set_errno};

/// libbpf's own errors: 4000 and on.
const OWN: &[&str] = &[
    "Something wrong in libelf",
    "BPF object format invalid",
    "'version' section incorrect or lost",
    "Endian mismatch",
    "Internal error in libbpf",
    "Relocation failed",
    "Failed to load program",
    "Kernel verifier blocks program loading",
    "Program too big",
    "Incorrect kernel version",
    "Kernel doesn't support this program type",
    "Wrong pid in netlink message",
    "Invalid netlink sequence",
    "Incorrect netlink message parsing",
];

/// The first of [`OWN`].
const FIRST: i32 = 4000;

/// What a positive number means, and whether it means anything.
fn text(number: i32) -> (String, bool) {
    if number < FIRST {
        let Some(c) = c_text(number) else { return (format!("Unknown error {number}"), true) };
        return (c, true);
    }
    match usize::try_from(number - FIRST).ok().and_then(|i| OWN.get(i)) {
        Some(text) => ((*text).to_owned(), true),
        None => (format!("Unknown libbpf error {number}"), false),
    }
}

/// The C library's text, without the number that the standard library puts behind it.
fn c_text(number: i32) -> Option<String> {
    // The kernel's number for "not supported", which no C library knows.
    if number == Errno::ENOTSUPP.0 {
        return None;
    }
    let text = std::io::Error::from_raw_os_error(number).to_string();
    Some(text.rsplit_once(" (os error").map(|(text, _)| text.to_owned()).unwrap_or(text))
}

export! {
    /// Writes what an error number means into `buf`, cut to its size.
    ///
    /// −EINVAL for no buffer, ERANGE (−ERANGE for the library's own numbers) if it was cut, −ENOENT for a number that means nothing.
    fn libbpf_strerror(err: c_int, buf: Raw, size: usize) -> Int {
        let mut buf = buf;
        let number = err.checked_abs().unwrap_or(i32::MAX);
        let out = buf.bytes_mut(size).filter(|out| !out.is_empty()).ok_or(Fail::INVAL)?;
        let (text, is_known) = text(number);
        let room = out.len() - 1;
        let len = text.len().min(room);
        if let (Some(place), Some(bytes)) = (out.get_mut(..len), text.as_bytes().get(..len)) {
            place.copy_from_slice(bytes);
        }
        if let Some(end) = out.get_mut(len) {
            *end = 0;
        }
        match (is_known, len < text.len()) {
            (false, _) => Err(Fail::NOENT),
            // The C library's own answer for its own numbers.
            (true, true) if number < FIRST => Ok(libc::ERANGE),
            (true, true) => Err(Fail::RANGE),
            (true, false) => Ok(0),
        }
    }

    /// The error of a pointer that a function gave: 0 for one that is good, −`errno` for null, or what is encoded in it.
    fn libbpf_get_error(ptr: Ptr<u8>) -> Long {
        if ptr.opt().is_some() {
            return Ok(0);
        }
        if !ptr.address().is_null() {
            set_errno((ptr.address().addr() as isize as i32).wrapping_neg());
        }
        Ok(i64::from(-errno()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_library_have_texts_and_others_say_so() {
        assert_eq!(text(4003), ("Endian mismatch".into(), true));
        assert_eq!(text(4014), ("Unknown libbpf error 4014".into(), false));
        assert_eq!(text(2), ("No such file or directory".into(), true));
        assert_eq!(text(524), ("Unknown error 524".into(), true));
    }
}
