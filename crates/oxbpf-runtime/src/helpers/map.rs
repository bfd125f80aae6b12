//! Maps, tail calls and loops.

use oxbpf_uapi::Errno;
use oxbpf_vm::{AtomicOp, Call, Cpu, Flow, RegionSpec, Trap};

use super::{Args, Status, read};
use crate::invoke::{Invocation, errno_value};
use crate::maps::{MapRef, flags};
use crate::registry::Object;

fn done(result: Result<(), Errno>) -> Status {
    Ok(result.map(|()| 0))
}

fn key(cpu: &Cpu, map: &MapRef, addr: u64) -> Result<Vec<u8>, Trap> {
    read(cpu, addr, map.params.key_size.into())
}

/// The map that a program changes; the kernel's verifier refuses programs that change one they may only read.
fn writable(inv: &Invocation<'_, '_>, register: u64) -> Result<MapRef, Trap> {
    let map = inv.map(register)?;
    if map.params.map_flags & flags::RDONLY_PROG != 0 {
        return Err(Trap::refused(format!("map \"{}\" is for programs to read only", map.params.name)));
    }
    Ok(map)
}

/// The map that a program reads, see [`writable`].
fn readable(inv: &Invocation<'_, '_>, register: u64) -> Result<MapRef, Trap> {
    let map = inv.map(register)?;
    if map.params.map_flags & flags::WRONLY_PROG != 0 {
        return Err(Trap::refused(format!("map \"{}\" is for programs to write only", map.params.name)));
    }
    Ok(map)
}

pub(super) fn lookup(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Result<u64, Trap> {
    let map = readable(inv, a[0])?;
    Ok(map.ops.lookup(&key(cpu, &map, a[1])?, inv.event.cpu).unwrap_or(0))
}

pub(super) fn lookup_percpu(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Result<u64, Trap> {
    let map = readable(inv, a[0])?;
    let at = u32::try_from(a[2]).ok().filter(|at| *at < inv.state.cpus && map.is_per_cpu());
    let key = key(cpu, &map, a[1])?;
    Ok(at.and_then(|at| map.ops.lookup(&key, at)).unwrap_or(0))
}

pub(super) fn update(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    let map = writable(inv, a[0])?;
    let (key, value) = (key(cpu, &map, a[1])?, read(cpu, a[2], map.params.value_size.into())?);
    done(map.ops.update(&key, &value, a[3], inv.event.cpu))
}

pub(super) fn delete(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    let map = writable(inv, a[0])?;
    done(map.ops.delete(&key(cpu, &map, a[1])?))
}

pub(super) fn push(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    let map = writable(inv, a[0])?;
    done(map.ops.push(&read(cpu, a[1], map.params.value_size.into())?, a[2]))
}

pub(super) fn pop(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    take(inv, cpu, a, true)
}

pub(super) fn peek(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    take(inv, cpu, a, false)
}

fn take(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args, remove: bool) -> Status {
    let map = if remove { writable(inv, a[0])? } else { readable(inv, a[0])? };
    let mut value = vec![0; map.params.value_size as usize];
    let result = map.ops.pop(&mut value, remove);
    cpu.memory().write(a[1], &value)?;
    done(result)
}

/// Waits for as long as another thread's program holds the lock; two programs of one thread cannot meet here.
pub(super) fn spin_lock(_: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Result<u64, Trap> {
    const PATIENCE: u32 = 1 << 20;
    for _ in 0..PATIENCE {
        if cpu.memory().atomic(a[0], 4, AtomicOp::CmpXchg, 1, 0)? == 0 {
            return Ok(0);
        }
        std::thread::yield_now();
    }
    Err(Trap::refused("a spin lock that is never released"))
}

pub(super) fn spin_unlock(_: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Result<u64, Trap> {
    cpu.memory().store_release(a[0], 4, 0)?;
    Ok(0)
}

pub(super) fn tail_call(inv: &mut Invocation<'_, '_>, _: &mut Cpu, call: &Call<'_>) -> Result<Flow, Trap> {
    let map = inv.map(call.args[1])?;
    let index = call.args[2] as u32;
    let array =
        map.ops.as_fd_array().ok_or_else(|| Trap::refused("a tail call into a map without programs"))?;
    let next = match array.get(&index.to_ne_bytes()) {
        Some(Object::Prog(prog)) if prog.prog_type == inv.prog.prog_type => prog,
        _ => return Ok(Flow::Return(errno_value(Errno::ENOENT))),
    };
    let program = next.program.clone();
    inv.prog = next;
    Ok(Flow::TailCall(program))
}

/// Most turns of one `bpf_loop`.
const MAX_LOOPS: u64 = 8 << 20;

pub(super) fn bpf_loop(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, call: &Call<'_>) -> Result<Flow, Trap> {
    let [count, func, context, flags, _] = call.args;
    if flags != 0 {
        return Ok(Flow::Return(errno_value(Errno::EINVAL)));
    }
    if count > MAX_LOOPS {
        // The kernel puts the loop in place of the call, where this error has 32 bits.
        return Ok(Flow::Return(errno_value(Errno::E2BIG) & u64::from(u32::MAX)));
    }
    for i in 0..count {
        if cpu.call_function(call.program, func, [i, context, 0, 0, 0], inv)? != 0 {
            return Ok(Flow::Return(i + 1));
        }
    }
    Ok(Flow::Return(count))
}

pub(super) fn for_each(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, call: &Call<'_>) -> Result<Flow, Trap> {
    let [register, func, context, flags, _] = call.args;
    let map = inv.map(register)?;
    if flags != 0 {
        return Ok(Flow::Return(errno_value(Errno::EINVAL)));
    }
    let len = map.params.key_size;
    let no_room = |e: oxbpf_vm::MemError| Trap::refused(e.to_string());
    let place = cpu.memory().alloc(RegionSpec::new(len.max(1).into(), "map key")).map_err(no_room)?;
    let (mut last, mut count): (Option<Vec<u8>>, u64) = (None, 0);
    loop {
        let mut key = vec![0; len as usize];
        if map.ops.next_key(last.as_deref(), &mut key).is_err() {
            return Ok(Flow::Return(count));
        }
        // A callback may delete its own element; the walk then goes on at the first, so it is bounded.
        if count > u64::from(map.params.max_entries) {
            return Ok(Flow::Return(count));
        }
        if let Some(value) = map.ops.lookup(&key, inv.event.cpu) {
            place.write(0, &key).map_err(no_room)?;
            count += 1;
            let args = [register, place.addr(), value, context, 0];
            if cpu.call_function(call.program, func, args, inv)? != 0 {
                return Ok(Flow::Return(count));
            }
        }
        last = Some(key);
    }
}
