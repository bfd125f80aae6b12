//! perf_event_open(2) and its ioctls, from typed requests.

use std::ffi::CString;
use std::os::fd::BorrowedFd;

use oxbpf_kernel::{Handle, PerfEventSpec, PerfRequest, Reply};
use oxbpf_uapi::Errno;
use oxbpf_uapi::perf_event::{
    PERF_EVENT_IOC_DISABLE, PERF_EVENT_IOC_ENABLE, PERF_EVENT_IOC_PAUSE_OUTPUT, PERF_EVENT_IOC_QUERY_BPF,
    PERF_EVENT_IOC_SET_BPF, PerfAttrFlags, PerfEventAttr,
};

use crate::linux::descriptor;
use crate::syscall;

/// `PERF_EVENT_IOC_QUERY_BPF` has the size of a pointer in it.
const QUERY_BPF: u32 = PERF_EVENT_IOC_QUERY_BPF & !(0xff << 16) | (size_of::<usize>() as u32) << 16;

/// The kernel's struct, with `config1` for [`syscall::perf_event_open`] to fill where there is a target.
fn attr(spec: &PerfEventSpec<'_>) -> PerfEventAttr {
    let flags = [
        (spec.disabled, PerfAttrFlags::DISABLED),
        (spec.inherit, PerfAttrFlags::INHERIT),
        (spec.freq, PerfAttrFlags::FREQ),
        (spec.watermark, PerfAttrFlags::WATERMARK),
        (spec.write_backward, PerfAttrFlags::WRITE_BACKWARD),
    ];
    let flags =
        flags.iter().filter(|(set, _)| *set).fold(spec.flags.bits(), |all, (_, flag)| all | flag.bits());
    // C bit-fields start at the high end on big-endian machines.
    let flags = if cfg!(target_endian = "big") { flags.reverse_bits() } else { flags };
    PerfEventAttr {
        r#type: spec.kind,
        size: size_of::<PerfEventAttr>() as u32,
        config: spec.config,
        sample_period: spec.sample_period,
        sample_type: spec.sample_type,
        flags: PerfAttrFlags::from_bits_retain(flags),
        wakeup_events: spec.wakeup_events,
        bp_type: spec.bp_type,
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
        PerfRequest::Pause { event, is_paused } => {
            number(descriptor(event)?, PERF_EVENT_IOC_PAUSE_OUTPUT, u64::from(*is_paused))
        }
        PerfRequest::QueryBpf { event, ids } => {
            let mut buf = vec![0; ids.len() + 2];
            syscall::perf_query_bpf(descriptor(event)?, QUERY_BPF, &mut buf)?;
            let (head, found) = buf.split_at(2);
            ids.copy_from_slice(found);
            Ok(Reply::Value(head.last().copied().unwrap_or(0).into()))
        }
    }
}

fn number(fd: BorrowedFd<'_>, request: u32, argument: u64) -> Result<Reply, Errno> {
    syscall::ioctl_number(fd, request, argument).map(|_| Reply::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_the_bits_that_the_kernel_documents() {
        let spec = PerfEventSpec { kind: 1, config: 10, freq: true, watermark: true, ..Default::default() };
        let attr = attr(&spec);
        assert_eq!((attr.r#type, attr.config, attr.size), (1, 10, 144));
        if cfg!(target_endian = "little") {
            assert_eq!(attr.flags.bits(), 1 << 10 | 1 << 14);
        }
        assert_eq!(QUERY_BPF & 0xc000_ffff, 0xc000_240a);
    }
}
