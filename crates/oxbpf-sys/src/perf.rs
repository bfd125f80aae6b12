//! perf_event_open(2) and its ioctls, from typed requests.

use std::ffi::CString;
use std::os::fd::BorrowedFd;

use oxbpf_kernel::{Handle, PerfEventSpec, PerfRequest, Reply};
use oxbpf_uapi::Errno;

use crate::linux::descriptor;
use crate::syscall;

// `_IO('$', n)` and `_IOW('$', 8, u32)`, `_IOWR('$', 10, struct perf_event_query_bpf *)`: `include/uapi/linux/perf_event.h`.
const PERF_EVENT_IOC_ENABLE: u32 = 0x2400;
const PERF_EVENT_IOC_DISABLE: u32 = 0x2401;
const PERF_EVENT_IOC_SET_BPF: u32 = 0x4004_2408;
const PERF_EVENT_IOC_QUERY_BPF: u32 = 0xc000_240a | ((size_of::<usize>() as u32) << 16);

/// `struct perf_event_attr` up to version 7 (Linux 5.13), 128 bytes, with the fields that BPF tools use by name.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, zerocopy::IntoBytes, zerocopy::Immutable)]
pub(crate) struct Attr {
    pub(crate) kind: u32,
    pub(crate) size: u32,
    pub(crate) config: u64,
    pub(crate) sample_period: u64,
    pub(crate) sample_type: u64,
    pub(crate) read_format: u64,
    pub(crate) flags: u64,
    pub(crate) wakeup_events: u32,
    pub(crate) bp_type: u32,
    pub(crate) config1: u64,
    pub(crate) config2: u64,
    pub(crate) rest: [u64; 7],
}

/// Bit of `flags` with this number. C bit-fields start at the low end on little-endian machines and at the high end on others.
const fn flag(number: u32) -> u64 {
    if cfg!(target_endian = "little") { 1 << number } else { 1 << (63 - number) }
}

const DISABLED: u64 = flag(0);
const INHERIT: u64 = flag(1);
const FREQ: u64 = flag(10);
const WATERMARK: u64 = flag(14);
const WRITE_BACKWARD: u64 = flag(27);

pub(crate) fn attr(spec: &PerfEventSpec<'_>) -> Attr {
    let flags = [
        (spec.disabled, DISABLED),
        (spec.inherit, INHERIT),
        (spec.freq, FREQ),
        (spec.watermark, WATERMARK),
        (spec.write_backward, WRITE_BACKWARD),
    ];
    Attr {
        kind: spec.kind,
        size: size_of::<Attr>() as u32,
        config: spec.config,
        sample_period: spec.sample_period,
        sample_type: spec.sample_type,
        flags: flags.iter().filter(|(set, _)| *set).fold(0, |all, (_, bit)| all | bit),
        wakeup_events: spec.wakeup_events,
        config1: spec.config1,
        config2: spec.config2,
        ..Default::default()
    }
}

pub(crate) fn run(req: &mut PerfRequest<'_>) -> Result<Reply, Errno> {
    match req {
        PerfRequest::Open { spec, pid, cpu, group } => {
            let target = spec.target.map(CString::new).transpose().map_err(|_| Errno::EINVAL)?;
            let group = group.map(descriptor).transpose()?;
            let fd = syscall::perf_event_open(&mut attr(spec), target.as_deref(), *pid, *cpu, group)?;
            Ok(Reply::Handle(Handle::from_fd(fd)))
        }
        PerfRequest::SetBpf { event, prog } => {
            let prog = u64::try_from(prog.number()).map_err(|_| Errno::EBADF)?;
            number(descriptor(event)?, PERF_EVENT_IOC_SET_BPF, prog)
        }
        PerfRequest::Enable(event) => number(descriptor(event)?, PERF_EVENT_IOC_ENABLE, 0),
        PerfRequest::Disable(event) => number(descriptor(event)?, PERF_EVENT_IOC_DISABLE, 0),
        PerfRequest::QueryBpf { event, ids } => {
            let mut buf = vec![0; ids.len() + 2];
            syscall::perf_query_bpf(descriptor(event)?, PERF_EVENT_IOC_QUERY_BPF, &mut buf)?;
            let (head, found) = buf.split_at(2);
            ids.copy_from_slice(found);
            Ok(Reply::Value(head.last().copied().unwrap_or(0).into()))
        }
    }
}

fn number(fd: BorrowedFd<'_>, request: u32, argument: u64) -> Result<Reply, Errno> {
    syscall::ioctl_number(fd, request, argument).map(|_| Reply::Done)
}
