//! What this machine can do, and skipping a test that needs more.

use std::fmt;
use std::sync::OnceLock;

use crate::skip_this;

/// Whether the effective user is root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether the effective user is root; if not, says that the running test is skipped.
#[must_use]
#[track_caller]
pub fn require_root() -> bool {
    let is_root = is_root();
    if !is_root {
        skip_this("needs root");
    }
    is_root
}

/// Why programs and maps cannot be loaded into this kernel, `None` if they can.
///
/// Asks once, by creating a map and loading a tracing program, with locked memory raised as old kernels need.
pub fn why_no_bpf() -> Option<String> {
    static ANSWER: OnceLock<Option<String>> = OnceLock::new();
    ANSWER
        .get_or_init(|| {
            // Without the right to raise it, loading may still work.
            let _ = oxbpf_sys::raise_memlock();
            oxbpf_sys::why_not_bpf()
        })
        .clone()
}

/// Whether programs and maps can be loaded; if not, says that the running test is skipped.
#[must_use]
#[track_caller]
pub fn require_bpf() -> bool {
    let refusal = why_no_bpf();
    if let Some(reason) = &refusal {
        skip_this(reason);
    }
    refusal.is_none()
}

/// A kernel release, ordered by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelRelease {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
}

impl KernelRelease {
    /// Reads the start of a release such as `6.12.94+deb13-amd64`.
    pub fn parse(release: &str) -> Option<Self> {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        Some(Self { major: numbers.next()?.ok()?, minor: numbers.next()?.ok()? })
    }
}

impl fmt::Display for KernelRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The running kernel's release, `None` if it does not start with two numbers.
pub fn kernel_release() -> Option<KernelRelease> {
    KernelRelease::parse(&rustix::system::uname().release().to_string_lossy())
}

/// Whether the running kernel is at least as new; if not, says that the running test is skipped.
#[must_use]
#[track_caller]
pub fn require_kernel(major: u32, minor: u32) -> bool {
    let need = KernelRelease { major, minor };
    let has = kernel_release();
    let enough = has.is_some_and(|r| r >= need);
    if !enough {
        let has = has.map_or_else(|| "unknown".to_owned(), |r| r.to_string());
        skip_this(format_args!("needs Linux {need}, this is {has}"));
    }
    enough
}

/// Whether this is one of the virtual machines that `cargo xtask vm` starts, which set `OXBPF_VM`.
pub fn is_vm() -> bool {
    std::env::var_os("OXBPF_VM").is_some_and(|v| !v.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_compare_by_number() {
        let parse = |r| KernelRelease::parse(r).unwrap();
        assert!(parse("6.12.94+deb13-amd64") > parse("6.1.0"));
        assert!(parse("5.10.0-35") < parse("6.1"));
        assert_eq!(parse("7.2.13+deb14-amd64").to_string(), "7.2");
        assert_eq!(KernelRelease::parse("current"), None);
    }

    #[test]
    fn this_kernel_is_newer_than_the_first_with_bpf() {
        assert!(require_kernel(3, 18));
    }
}
