//! Reading memory that may not be there: guest objects by kernel address, the traced process by user address.

use oxbpf_uapi::Errno;
use oxbpf_vm::{Cpu, Trap};

use super::{Args, Status, length, read};
use crate::invoke::Invocation;

/// Which addresses a helper reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// Guest memory.
    Kernel,
    /// The traced process.
    User,
    /// Whichever the address is of.
    Either,
}

/// Addresses below are user space's.
const USER_END: u64 = (1 << 47) - 4096;
/// Addresses from here on are the kernel's; those between are nobody's.
const KERNEL_START: u64 = 0xffff_8000_0000_0000;

/// Whether a helper that reads at `addr` reads the kernel's memory.
fn is_kernel(space: Space, addr: u64) -> Result<bool, Errno> {
    match space {
        Space::User if addr < USER_END => Ok(false),
        Space::User => Err(Errno::EFAULT),
        Space::Either if addr < USER_END => Ok(false),
        // The kernel tells addresses that cannot be its own from those that are not there.
        Space::Kernel | Space::Either if addr < KERNEL_START => Err(Errno::ERANGE),
        Space::Kernel | Space::Either => Ok(true),
    }
}

/// Copies bytes at an address of a space.
pub(super) fn fetch(
    inv: &Invocation<'_, '_>,
    cpu: &Cpu,
    space: Space,
    addr: u64,
    out: &mut [u8],
) -> Result<(), Errno> {
    match is_kernel(space, addr)? {
        _ if out.is_empty() => Ok(()),
        true => cpu.memory().read(addr, out).map_err(|_| Errno::EFAULT),
        false => inv.task().read_user(addr, out),
    }
}

/// Copies a string of at most `max` bytes, NUL not included.
pub(super) fn fetch_str(
    inv: &Invocation<'_, '_>,
    cpu: &Cpu,
    space: Space,
    addr: u64,
    max: usize,
) -> Result<Vec<u8>, Errno> {
    // A byte has to be there, even for an empty string.
    fetch(inv, cpu, space, addr, &mut [0])?;
    match is_kernel(space, addr)? {
        true => cpu.memory().read_cstr(addr, max).map_err(|_| Errno::EFAULT),
        false => inv.task().read_user_str(addr, max),
    }
}

/// Copies into the program's buffer, which is all zeros after an error.
fn probe(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args, space: Space) -> Status {
    let mut bytes = vec![0; length(a[1] & u64::from(u32::MAX))?];
    let result = fetch(inv, cpu, space, a[2], &mut bytes);
    if result.is_err() {
        bytes.fill(0);
    }
    cpu.memory().write(a[0], &bytes)?;
    Ok(result.map(|()| 0))
}

/// Copies a string with its NUL into the program's buffer and gives the bytes written.
fn probe_str(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args, space: Space) -> Status {
    let room = length(a[1] & u64::from(u32::MAX))?;
    let Some(max) = room.checked_sub(1) else { return Ok(Ok(0)) };
    match fetch_str(inv, cpu, space, a[2], max) {
        Ok(mut text) => {
            text.push(0);
            cpu.memory().write(a[0], &text)?;
            Ok(Ok(text.len() as u64))
        }
        Err(errno) => {
            cpu.memory().zero(a[0], room as u64)?;
            Ok(Err(errno))
        }
    }
}

macro_rules! probes {
    ($($name:ident, $how:ident, $space:ident;)*) => {$(
        pub(super) fn $name(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
            $how(inv, cpu, a, Space::$space)
        }
    )*};
}

probes! {
    probe_read, probe, Either;
    probe_read_str, probe_str, Either;
    probe_read_user, probe, User;
    probe_read_user_str, probe_str, User;
    probe_read_kernel, probe, Kernel;
    probe_read_kernel_str, probe_str, Kernel;
    copy_from_user, probe, User;
}

pub(super) fn probe_write_user(inv: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    let bytes = read(cpu, a[1], a[2] & u64::from(u32::MAX))?;
    Ok(inv.task().write_user(a[0], &bytes).map(|()| 0))
}

/// 0 if the strings are equal in their first `len` bytes, else the sign of the difference.
pub(super) fn strncmp(_: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Result<u64, Trap> {
    let len = length(a[1] & u64::from(u32::MAX))?;
    for i in 0..len as u64 {
        let (one, two) = (cpu.memory().read_uint(a[0] + i, 1)?, cpu.memory().read_uint(a[2] + i, 1)?);
        if one != two {
            return Ok(if one < two { -1i64 as u64 } else { 1 });
        }
        if one == 0 {
            break;
        }
    }
    Ok(0)
}

/// Value and consumed bytes of a number with sign, base 0 meaning by prefix.
fn parse(text: &[u8], base: u64, signed: bool) -> Result<(i128, usize), Errno> {
    let base = match base & 0x1f {
        _ if base & !0x1f != 0 => return Err(Errno::EINVAL),
        base @ (0 | 8 | 10 | 16) => base as u32,
        _ => return Err(Errno::EINVAL),
    };
    let mut at = text.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let negative = text.get(at) == Some(&b'-');
    at += usize::from(negative);
    let rest = text.get(at..).unwrap_or_default();
    let is_hex = matches!(rest, [b'0', b'x' | b'X', ..]);
    let has_digit = rest.get(2).is_some_and(u8::is_ascii_hexdigit);
    let (base, skip) = match (base, is_hex) {
        (16, true) => (16, 2),
        (0, true) if has_digit => (16, 2),
        (0, _) if rest.first() == Some(&b'0') => (8, 0),
        (0, _) => (10, 0),
        (base, _) => (base, 0),
    };
    let digits: Vec<u32> =
        rest.get(skip..).unwrap_or_default().iter().map_while(|b| char::from(*b).to_digit(base)).collect();
    if digits.is_empty() {
        return Err(Errno::EINVAL);
    }
    let mut value: i128 = 0;
    for digit in &digits {
        value = value * i128::from(base) + i128::from(*digit);
        if value > i128::from(u64::MAX) {
            return Err(Errno::ERANGE);
        }
    }
    if negative && !signed {
        return Err(Errno::EINVAL);
    }
    Ok((if negative { -value } else { value }, at + skip + digits.len()))
}

/// Writes the number, 0 if there is none, and gives the bytes that it took.
fn number(cpu: &mut Cpu, a: Args, parsed: Result<(u64, usize), Errno>) -> Status {
    cpu.memory().write_uint(a[3], 8, parsed.map_or(0, |(value, _)| value))?;
    Ok(parsed.map(|(_, used)| used as u64))
}

pub(super) fn strtol(_: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    let text = read(cpu, a[0], a[1])?;
    let parsed = parse(&text, a[2], true);
    number(cpu, a, parsed.and_then(|(v, n)| Ok((i64::try_from(v).map_err(|_| Errno::ERANGE)? as u64, n))))
}

pub(super) fn strtoul(_: &mut Invocation<'_, '_>, cpu: &mut Cpu, a: Args) -> Status {
    let text = read(cpu, a[0], a[1])?;
    let parsed = parse(&text, a[2], false);
    number(cpu, a, parsed.and_then(|(v, n)| Ok((u64::try_from(v).map_err(|_| Errno::ERANGE)?, n))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_parse_as_the_kernel_does() {
        assert_eq!(parse(b" -12x", 0, true), Ok((-12, 4)));
        assert_eq!(parse(b"0x1f", 0, false), Ok((31, 4)));
        assert_eq!(parse(b"017", 0, false), Ok((15, 3)));
        assert_eq!(parse(b"-1", 10, false), Err(Errno::EINVAL));
        assert_eq!(parse(b"99999999999999999999999", 10, false), Err(Errno::ERANGE));
        assert_eq!(parse(b"7", 3, false), Err(Errno::EINVAL));
        assert_eq!(parse(b"", 10, false), Err(Errno::EINVAL));
    }
}
