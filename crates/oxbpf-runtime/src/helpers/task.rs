//! The current task, and what is known of the event.

use oxbpf_uapi::Errno;
use oxbpf_vm::{Cpu, Trap};

use super::{Args, Status, length};
use crate::invoke::Invocation;

pub(super) fn pid_tgid(inv: &mut Invocation<'_, '_>, _: &mut Cpu, _: Args) -> Result<u64, Trap> {
    let task = inv.task();
    Ok(u64::from(task.tgid()) << 32 | u64::from(task.tid()))
}

pub(super) fn uid_gid(inv: &mut Invocation<'_, '_>, _: &mut Cpu, _: Args) -> Result<u64, Trap> {
    let task = inv.task();
    Ok(u64::from(task.gid()) << 32 | u64::from(task.uid()))
}

pub(super) fn comm(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    let room = length(a[1] & u64::from(u32::MAX))?;
    let mut out = vec![0; room];
    // All of the buffer is written, and its last byte is always NUL.
    let comm = inv.task().comm();
    for (to, from) in out.iter_mut().take(room.saturating_sub(1)).zip(comm) {
        *to = from;
    }
    cpu.memory().write(a[0], &out)?;
    Ok(if room == 0 { Err(Errno::EINVAL) } else { Ok(0) })
}

pub(super) fn current(inv: &mut Invocation<'_, '_>, _: &mut Cpu, _: Args) -> Result<u64, Trap> {
    Ok(inv.task().address())
}

pub(super) fn cpu(inv: &mut Invocation<'_, '_>, _: &mut Cpu, _: Args) -> Result<u64, Trap> {
    Ok(inv.event.cpu.into())
}

pub(super) fn numa_node(_: &mut Invocation<'_, '_>, _: &mut Cpu, _: Args) -> Result<u64, Trap> {
    Ok(0)
}

pub(super) fn cgroup_id(inv: &mut Invocation<'_, '_>, _: &mut Cpu, _: Args) -> Result<u64, Trap> {
    Ok(inv.task().cgroup_id())
}

pub(super) fn func_ip(inv: &mut Invocation<'_, '_>, _: &mut Cpu, _: Args) -> Result<u64, Trap> {
    Ok(inv.event.func_ip)
}

pub(super) fn cookie(inv: &mut Invocation<'_, '_>, _: &mut Cpu, _: Args) -> Result<u64, Trap> {
    Ok(inv.event.cookie)
}

/// There is one pid namespace, the tracer's own, whatever device and inode the program names.
pub(super) fn ns_pid_tgid(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    if a[3] != 8 {
        return Ok(Err(Errno::EINVAL));
    }
    let task = inv.task();
    cpu.memory().write_uint(a[2], 4, task.tid().into())?;
    cpu.memory().write_uint(a[2] + 4, 4, task.tgid().into())?;
    Ok(Ok(0))
}
