//! Programs on functions and instructions of user programs and libraries.
//!
//! The kernel wants a file and an offset in it. Functions are looked up in the file's symbol tables and files in the
//! usual directories ([`crate::syms`]).

use std::path::{Path, PathBuf};

use oxbpf_kernel::{Kernel, LinkKind, PerfEventSpec, Target};
use oxbpf_uapi::flags::UprobeMultiFlags;
use oxbpf_uapi::perf_event::UPROBE_REF_CTR_OFFSET_SHIFT;
use oxbpf_uapi::{AttachType, ProgType};

use super::Link;
use super::attach::Attach;
use super::kprobe::{self, KprobeOpts, ProbeMode};
use crate::error::{Error, Frame, Result};
use crate::syms;

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    let path = full_path(a.kernel, binary).map_err(|e| e.at(frame(binary)))?;
    attach_in(a, &path, target, opts).map_err(|e| e.at(frame(&path)))
}

fn attach_in(a: &Attach<'_>, path: &Path, target: UprobeTarget<'_>, opts: UprobeOpts) -> Result<Link> {
    let start = match target {
        UprobeTarget::Function(name) => syms::function_offset(a.kernel, path, name)?,
        UprobeTarget::FileOffset(offset) => offset,
    };
    let offset =
        start.checked_add(opts.offset).ok_or_else(|| Error::invalid_input("the offset is too large"))?;
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
    let path = full_path(a.kernel, binary).map_err(|e| e.at(frame(binary)))?;
    let offsets = syms::matching_offsets(a.kernel, &path, pattern);
    offsets.and_then(|offsets| create_multi(a, &path, &offsets, opts)).map_err(|e| e.at(frame(&path)))
}

/// Attaches to several places of a file.
pub(super) fn attach_multi_at(
    a: &Attach<'_>,
    binary: &Path,
    targets: &[UprobeTarget<'_>],
    opts: UprobeMultiOpts<'_>,
) -> Result<Link> {
    let frame = |path: &Path| Frame::Target(format!("{} places of `{}`", targets.len(), path.display()));
    let path = full_path(a.kernel, binary).map_err(|e| e.at(frame(binary)))?;
    let attach = || {
        let names: Vec<&str> = targets
            .iter()
            .filter_map(|t| match t {
                UprobeTarget::Function(name) => Some(*name),
                UprobeTarget::FileOffset(_) => None,
            })
            .collect();
        let mut found = syms::function_offsets(a.kernel, &path, &names)?.into_iter();
        let offsets: Vec<u64> = targets
            .iter()
            .filter_map(|t| match t {
                UprobeTarget::Function(_) => found.next(),
                UprobeTarget::FileOffset(offset) => Some(*offset),
            })
            .collect();
        create_multi(a, &path, &offsets, opts)
    };
    attach().map_err(|e| e.at(frame(&path)))
}

fn create_multi(a: &Attach<'_>, path: &Path, offsets: &[u64], opts: UprobeMultiOpts<'_>) -> Result<Link> {
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
        path_fd: None,
    };
    a.link_as(attach_type, Target::None, 0, kind)
        .map_err(|e| kprobe::unsupported_if_refused(e, feature, since))
}

fn full_path(kernel: &Kernel, binary: &Path) -> Result<PathBuf> {
    if binary.to_string_lossy().contains("!/") {
        return Err(Error::unsupported("probes in members of archives", "")
            .with_message("probes in members of archives are not supported by this version"));
    }
    syms::resolve_path(kernel, binary)
}
