//! Tracepoints by name.

use oxbpf_kernel::{Fact, PerfEventSpec, RawTracepointOpen};
use oxbpf_uapi::perf_event::PERF_TYPE_TRACEPOINT;
use oxbpf_uapi::{Cmd, Errno, ProgType};

use super::Link;
use super::attach::Attach;
use super::perf::{self, PerfEventOpts, number_fact};
use crate::error::{At, Error, Frame, Result};

/// Options of `attach_tracepoint`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "bpf_tracepoint_opts")]
pub struct TracepointOpts {
    /// What `bpf_get_attach_cookie` gives the program. Linux 5.15 if not 0.
    pub cookie: u64,
}

/// Options of `attach_raw_tracepoint`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "bpf_raw_tracepoint_opts")]
pub struct RawTracepointOpts {
    /// What `bpf_get_attach_cookie` gives the program. Linux 6.10 if not 0.
    pub cookie: u64,
}

pub(super) fn attach(a: &Attach<'_>, category: &str, name: &str, opts: TracepointOpts) -> Result<Link> {
    a.expect_type("attach_tracepoint", &[ProgType::TRACEPOINT])?;
    attach_event(a, category, name, opts)
        .map_err(|e| e.at(Frame::Target(format!("tracepoint `{category}/{name}`"))))
}

fn attach_event(a: &Attach<'_>, category: &str, name: &str, opts: TracepointOpts) -> Result<Link> {
    let id = match number_fact(a.kernel, Fact::TracepointId { category, name }) {
        Err(e) if e.errno() == Errno::ENOENT => return Err(Error::not_found("there is no such tracepoint")),
        id => id?,
    };
    let spec = PerfEventSpec { kind: PERF_TYPE_TRACEPOINT, config: id, ..PerfEventSpec::default() };
    let event = perf::open(a.kernel, spec, -1, 0)?;
    perf::attach(a, event, PerfEventOpts { cookie: opts.cookie, ..PerfEventOpts::default() })
}

pub(super) fn attach_raw(a: &Attach<'_>, name: &str, opts: RawTracepointOpts) -> Result<Link> {
    a.expect_type("attach_raw_tracepoint", &[ProgType::RAW_TRACEPOINT, ProgType::RAW_TRACEPOINT_WRITABLE])?;
    let req = RawTracepointOpen { name: Some(name), prog: a.prog, cookie: opts.cookie };
    let target = || Frame::Target(format!("raw tracepoint `{name}`"));
    match a.kernel.raw_tracepoint_open(req) {
        Ok(fd) => Ok(Link::bpf(a.kernel, fd)),
        Err(Errno::ENOENT) => Err(Error::not_found("there is no such tracepoint").at(target())),
        // Kernels that do not know the cookie find a byte set behind the fields they know.
        Err(Errno::EINVAL | Errno::E2BIG) if opts.cookie != 0 => {
            Err(Error::unsupported("cookies of raw tracepoints", "6.10").at(target()))
        }
        Err(e) => Err(e).at(|| Frame::Command(Cmd::RAW_TRACEPOINT_OPEN)).at(target),
    }
}
