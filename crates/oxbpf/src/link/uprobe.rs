//! Programs on functions and instructions of user programs and libraries.
//!
//! The kernel wants a file and an offset in it. Functions are looked up in the file's symbol tables and files in the
//! usual directories ([`crate::syms`]).

use std::path::{Path, PathBuf};

use oxbpf_kernel::{Handle, Kernel, LinkKind, PerfEventSpec, Target};
use oxbpf_uapi::flags::UprobeMultiFlags;
use oxbpf_uapi::perf_event::UPROBE_REF_CTR_OFFSET_SHIFT;
use oxbpf_uapi::{AttachType, Errno, ProgType};

use super::Link;
use super::attach::Attach;
use super::kprobe::{self, KprobeOpts, ProbeMode};
use crate::error::{Error, Frame, Result};
use crate::syms::{
    self,
    binary::{Binary, split_archive},
};

/// A place in a program or library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UprobeTarget<'a> {
    /// A function by name, with a version behind `@` or `@@` where it has several.
    Function(&'a str),
    /// A byte offset in the file.
    FileOffset(u64),
}

impl<'a> From<&'a str> for UprobeTarget<'a> {
    fn from(name: &'a str) -> Self {
        Self::Function(name)
    }
}

impl From<u64> for UprobeTarget<'_> {
    fn from(offset: u64) -> Self {
        Self::FileOffset(offset)
    }
}

impl core::fmt::Display for UprobeTarget<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Function(name) => f.write_str(name),
            Self::FileOffset(offset) => write!(f, "{offset:#x}"),
        }
    }
}

/// Options of `attach_uprobe`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "bpf_uprobe_opts")]
pub struct UprobeOpts {
    /// At the function's return.
    pub is_return: bool,
    /// Bytes behind the target.
    pub offset: u64,
    /// File offset of a counter that is raised while the probe is in place, 0 for none. Linux 4.20.
    pub ref_ctr_offset: u64,
    /// Only in this process, 0 for the caller's; `None` for all, now and later.
    pub pid: Option<u32>,
    /// What `bpf_get_attach_cookie` gives the program. Linux 5.15 if not 0.
    pub cookie: u64,
    /// Which way.
    pub mode: ProbeMode,
}

/// Options of `attach_uprobe_multi` and `attach_uprobe_multi_at`. Linux 6.6.
#[derive(Clone, Copy, Debug, Default)]
#[doc(alias = "bpf_uprobe_multi_opts")]
pub struct UprobeMultiOpts<'a> {
    /// At the functions' returns.
    pub is_return: bool,
    /// At both, as one session. Linux 6.13.
    pub is_session: bool,
    /// Only in this process, 0 for the caller's; `None` for all, now and later.
    pub pid: Option<u32>,
    /// File offsets of counters, one for each target, or none. Not with a pattern.
    pub ref_ctr_offsets: &'a [u64],
    /// What `bpf_get_attach_cookie` gives the program, one for each target, or none. Not with a pattern.
    pub cookies: &'a [u64],
    /// A directory at which the path starts or, with an empty path, the file itself, as [`Opening::Binary`](oxbpf_kernel::Opening::Binary)
    /// gives it. Linux 6.13.
    pub path_fd: Option<&'a Handle>,
}

impl UprobeTarget<'_> {
    fn file_offset(&self) -> Option<u64> {
        match *self {
            Self::FileOffset(offset) => Some(offset),
            Self::Function(_) => None,
        }
    }
}

pub(super) fn attach(
    a: &Attach<'_>,
    binary: &Path,
    target: UprobeTarget<'_>,
    opts: UprobeOpts,
) -> Result<Link> {
    a.expect_type("attach_uprobe", &[ProgType::KPROBE])?;
    let name = if opts.is_return { "uretprobe" } else { "uprobe" };
    let frame = |path: &Path| Frame::Target(format!("{name} `{}:{target}`", path.display()));
    let path = syms::resolve_path(a.kernel, binary).map_err(|e| e.at(frame(binary)))?;
    let place = place(a.kernel, &path, target).and_then(|(file, start)| {
        let offset = start.checked_add(opts.offset);
        Ok((file, offset.ok_or_else(|| Error::invalid_input("the offset is too large"))?))
    });
    place.and_then(|(file, offset)| attach_at(a, &file, offset, opts)).map_err(|e| e.at(frame(&path)))
}

/// The file that the kernel is to open, and the offset in it.
fn place(kernel: &Kernel, path: &Path, target: UprobeTarget<'_>) -> Result<(PathBuf, u64)> {
    if let (UprobeTarget::FileOffset(offset), (file, None)) = (target, split_archive(path)) {
        return Ok((file, offset));
    }
    let binary = Binary::open(kernel, path)?;
    let contents = binary.contents()?;
    let offset = match target {
        UprobeTarget::Function(name) => contents.function(&binary, name)?,
        UprobeTarget::FileOffset(offset) => contents
            .start
            .checked_add(offset)
            .ok_or_else(|| Error::invalid_input("the offset is too large"))?,
    };
    Ok((binary.path().into(), offset))
}

/// Attaches to an offset of a file.
pub(super) fn attach_at(a: &Attach<'_>, path: &Path, offset: u64, opts: UprobeOpts) -> Result<Link> {
    if opts.ref_ctr_offset >> (64 - UPROBE_REF_CTR_OFFSET_SHIFT) != 0 {
        return Err(Error::invalid_input("the counter's offset takes more than 32 bits"));
    }
    let file = path.to_str().ok_or_else(|| Error::invalid_input("the file's name is not UTF-8"))?;
    let spec = PerfEventSpec {
        config: opts.ref_ctr_offset << UPROBE_REF_CTR_OFFSET_SHIFT,
        target: Some(file),
        config2: offset,
        ..PerfEventSpec::default()
    };
    let pid = match opts.pid {
        None => -1,
        Some(pid) => {
            i32::try_from(pid).map_err(|_| Error::invalid_input(format!("{pid} is no process id")))?
        }
    };
    let UprobeOpts { is_return, cookie, mode, .. } = opts;
    kprobe::attach_probe(a, "uprobe", spec, KprobeOpts { is_return, offset: 0, cookie, mode }, pid)
}

/// Attaches to all functions of a file whose name matches a pattern.
pub(super) fn attach_multi(
    a: &Attach<'_>,
    binary: &Path,
    pattern: &str,
    opts: UprobeMultiOpts<'_>,
) -> Result<Link> {
    if !opts.cookies.is_empty() || !opts.ref_ctr_offsets.is_empty() {
        return Err(Error::invalid_input(
            "a pattern takes no cookies or counters: which function would get which?",
        ));
    }
    let frame = |path: &Path| Frame::Target(format!("functions `{}:{pattern}`", path.display()));
    attach_found(a, binary, opts, frame, |binary| syms::matching(&binary.contents()?, pattern))
}

/// Attaches to several places of a file.
pub(super) fn attach_multi_at(
    a: &Attach<'_>,
    binary: &Path,
    targets: &[UprobeTarget<'_>],
    opts: UprobeMultiOpts<'_>,
) -> Result<Link> {
    let frame = |path: &Path| Frame::Target(format!("{} places of `{}`", targets.len(), path.display()));
    let plain: Option<Vec<u64>> = targets.iter().map(|t| t.file_offset()).collect();
    // Offsets in a plain file need no look at it.
    if let (Some(offsets), (_, None)) = (plain, split_archive(binary)) {
        let path = if opts.path_fd.is_some() { binary.into() } else { full_path(a, binary, frame)? };
        return create_multi(a, &path, &offsets, opts).map_err(|e| e.at(frame(&path)));
    }
    attach_found(a, binary, opts, frame, |binary| {
        let contents = binary.contents()?;
        let offset = |target: &UprobeTarget<'_>| match *target {
            UprobeTarget::Function(name) => contents.function(binary, name),
            UprobeTarget::FileOffset(offset) => {
                let sum = contents.start.checked_add(offset);
                sum.ok_or_else(|| Error::invalid_input("the offset is too large"))
            }
        };
        targets.iter().map(offset).collect()
    })
}

fn full_path(a: &Attach<'_>, binary: &Path, frame: impl Fn(&Path) -> Frame) -> Result<PathBuf> {
    syms::resolve_path(a.kernel, binary).map_err(|e| e.at(frame(binary)))
}

/// Attaches to what `find` finds in a file.
fn attach_found(
    a: &Attach<'_>,
    binary: &Path,
    opts: UprobeMultiOpts<'_>,
    frame: impl Fn(&Path) -> Frame,
    find: impl FnOnce(&Binary) -> Result<Vec<u64>>,
) -> Result<Link> {
    let (path, opened) = match opts.path_fd {
        Some(file) if binary.as_os_str().is_empty() => {
            (PathBuf::new(), Binary::of_handle(a.kernel, file, Path::new("the open file")))
        }
        Some(_) => {
            let message = "symbols are looked up in a path or an open file: give offsets to a path that starts at a directory";
            return Err(Error::invalid_input(message).at(frame(binary)));
        }
        None => {
            let path = full_path(a, binary, &frame)?;
            let opened = Binary::open(a.kernel, &path);
            (path, opened)
        }
    };
    let attach = |binary: Binary| {
        let offsets = find(&binary)?;
        create_multi(a, if opts.path_fd.is_some() { Path::new("") } else { binary.path() }, &offsets, opts)
    };
    opened.and_then(attach).map_err(|e| e.at(frame(&path)))
}

pub(super) fn create_multi(
    a: &Attach<'_>,
    path: &Path,
    offsets: &[u64],
    opts: UprobeMultiOpts<'_>,
) -> Result<Link> {
    a.expect_type("attach_uprobe_multi", &[ProgType::KPROBE])?;
    if offsets.is_empty() {
        return Err(Error::invalid_input("no functions to attach to"));
    }
    for (what, len) in [("cookies", opts.cookies.len()), ("counters", opts.ref_ctr_offsets.len())] {
        if len != 0 && len != offsets.len() {
            return Err(Error::invalid_input(format!("{len} {what} for {} places", offsets.len())));
        }
    }
    if opts.is_return && opts.is_session {
        return Err(Error::invalid_input("a session is at entry and return, is_return is for returns alone"));
    }
    let (attach_type, feature, since) = if opts.is_session {
        (AttachType::TRACE_UPROBE_SESSION, "uprobe sessions", "6.13")
    } else {
        (AttachType::TRACE_UPROBE_MULTI, "uprobe multi links", "6.6")
    };
    kprobe::expect_loaded_for(a, attach_type)?;
    let kind = LinkKind::UprobeMulti {
        flags: if opts.is_return { UprobeMultiFlags::RETURN.bits() } else { 0 },
        path,
        offsets,
        ref_ctr_offsets: opts.ref_ctr_offsets,
        cookies: opts.cookies,
        pid: match opts.pid {
            None => 0,
            // The kernel's 0 is everybody.
            Some(0) => std::process::id(),
            Some(pid) => pid,
        },
        path_fd: opts.path_fd,
    };
    // A kernel that knows these links sees that `/` is no file that probes can be in.
    let no_file = LinkKind::UprobeMulti {
        flags: 0,
        path: Path::new("/"),
        offsets: &[0],
        ref_ctr_offsets: &[],
        cookies: &[],
        pid: 0,
        path_fd: None,
    };
    let is_known = || a.link_refusal(attach_type, no_file) != Some(Errno::EINVAL);
    a.link_as(attach_type, Target::None, 0, kind)
        .map_err(|e| kprobe::unsupported_if_refused(e, feature, since, is_known))
}
