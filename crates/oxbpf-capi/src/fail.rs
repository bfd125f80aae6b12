//! Why an export fails: the number that C gets. Words go to the log.

use oxbpf_uapi::Errno;

/// A positive error number: the kernel's, or libbpf's from 4000 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fail(pub i32);

impl Fail {
    /// An argument or the order of calls makes no sense.
    pub const INVAL: Self = Self(libc::EINVAL);
    /// There is no such thing.
    pub const NOENT: Self = Self(libc::ENOENT);
    /// It is too late for that.
    pub const BUSY: Self = Self(libc::EBUSY);
    /// No memory.
    pub const NOMEM: Self = Self(libc::ENOMEM);
    /// This kind of object can't.
    pub const OPNOTSUPP: Self = Self(libc::EOPNOTSUPP);
    /// The kernel can't, by the number that it uses inside.
    pub const NOTSUP: Self = Self(libc::ENOTSUP);
    /// No such thing, where libbpf says so.
    pub const SRCH: Self = Self(libc::ESRCH);
    /// Too long.
    pub const NAMETOOLONG: Self = Self(libc::ENAMETOOLONG);
    /// Too large.
    pub const TOOBIG: Self = Self(libc::E2BIG);
    /// Out of range.
    pub const RANGE: Self = Self(libc::ERANGE);
    /// `LIBBPF_ERRNO__INTERNAL`.
    pub const INTERNAL: Self = Self(4004);

    /// The last error of the C library in this thread.
    pub fn last() -> Self {
        Self(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
    }
}

impl From<Errno> for Fail {
    fn from(errno: Errno) -> Self {
        Self(errno.0)
    }
}

impl From<oxbpf::Error> for Fail {
    fn from(error: oxbpf::Error) -> Self {
        log::warn!("{error}");
        Self(error.errno().0)
    }
}

impl From<oxbpf_btf::BtfError> for Fail {
    fn from(error: oxbpf_btf::BtfError) -> Self {
        log::debug!("{error}");
        Self(error.errno().0)
    }
}

impl From<std::io::Error> for Fail {
    fn from(error: std::io::Error) -> Self {
        Self(error.raw_os_error().unwrap_or(libc::EIO))
    }
}

impl From<std::ffi::NulError> for Fail {
    fn from(_: std::ffi::NulError) -> Self {
        Self::INVAL
    }
}
