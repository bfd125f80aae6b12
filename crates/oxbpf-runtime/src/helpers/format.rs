//! The format language of `bpf_trace_printk` and its kin (`bpf_bprintf_prepare` in `kernel/trace/bpf_trace.c`, v6.12).
//!
//! Conversions: `%d %i %u %x %X` with `l` or `ll`, `%c`, `%s %ks %us` (`%pks`, `%pus` too), `%p` with `x`, `K`, `i4`, `I4`, `i6`, `I6`, `s`, `S`, `B`,
//! and `%%`; flags `-`, `+`, ` `, `0`, and a width. Without `l` a number has 32 bits.

use oxbpf_uapi::Errno;

/// Where a string is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Kernel,
    User,
    Either,
}

/// Reads a string of at most so many bytes.
type ReadString<'a> = &'a mut dyn FnMut(Place, u64, usize) -> Result<Vec<u8>, Errno>;
/// Reads bytes of the kernel.
type ReadBytes<'a> = &'a mut dyn FnMut(u64, &mut [u8]) -> Result<(), Errno>;

/// Memory that arguments point at.
pub(super) struct Format<'a> {
    pub(super) string: ReadString<'a>,
    pub(super) bytes: ReadBytes<'a>,
    /// Bytes that the text may take.
    pub(super) room: usize,
}

/// Longest string that `%s` takes, as the kernel's buffer for one.
const MAX_STRING: usize = 512;

#[derive(Clone, Copy, Debug, Default)]
struct Spec {
    left: bool,
    plus: bool,
    space: bool,
    zero: bool,
    width: usize,
}

impl Format<'_> {
    /// The text.
    ///
    /// # Errors
    /// `EINVAL` for a conversion that the kernel refuses, or for too few arguments.
    pub(super) fn render(&mut self, format: &[u8], args: &[u64]) -> Result<Vec<u8>, Errno> {
        let mut out = Vec::new();
        let mut args = args.iter().copied();
        let mut rest = format;
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            if *first != b'%' {
                // Only what prints, and white space, as the kernel demands; what is not ASCII may be UTF-8.
                if first.is_ascii() && !first.is_ascii_graphic() && !is_space(*first) {
                    return Err(Errno::EINVAL);
                }
                out.push(*first);
                continue;
            }
            if let [b'%', after @ ..] = rest {
                out.push(b'%');
                rest = after;
                continue;
            }
            let (spec, after) = flags(rest);
            rest = self.convert(spec, after, &mut args, &mut out)?;
        }
        Ok(out)
    }

    /// One conversion; gives what follows it.
    fn convert<'f>(
        &mut self,
        spec: Spec,
        text: &'f [u8],
        args: &mut impl Iterator<Item = u64>,
        out: &mut Vec<u8>,
    ) -> Result<&'f [u8], Errno> {
        let mut arg = || args.next().ok_or(Errno::EINVAL);
        let (piece, rest) = match text {
            [b'p', b'k', b's', rest @ ..] => (self.text(Place::Kernel, arg()?)?, rest),
            [b'p', b'u', b's', rest @ ..] => (self.text(Place::User, arg()?)?, rest),
            [b'p', kind @ (b'i' | b'I'), version @ (b'4' | b'6'), rest @ ..] => {
                let text = self.address(*kind == b'I', *version, arg()?)?;
                // The kernel puts in what it wrote before only where there is room left, and does not count the rest.
                (if out.len() < self.room { text } else { Vec::new() }, rest)
            }
            [b'p', b's' | b'S' | b'B', rest @ ..] => (format!("{:#x}", arg()?).into_bytes(), rest),
            [b'p', b'x', rest @ ..] => {
                let zeros = if spec.width == 0 { 16 } else { 0 };
                (format!("{:0zeros$x}", arg()?).into_bytes(), rest)
            }
            [b'p', b'K', rest @ ..] => (format!("{:016x}", arg()?).into_bytes(), rest),
            [b'p', next, ..] if next.is_ascii_alphanumeric() => return Err(Errno::EINVAL),
            [b'p', rest @ ..] => (format!("{:016x}", arg()?).into_bytes(), rest),
            [b's', rest @ ..] => (self.text(Place::Either, arg()?)?, rest),
            [b'c', rest @ ..] => (vec![arg()? as u8], rest),
            _ => {
                let (wide, kind) = match text {
                    [b'l', b'l', kind @ ..] | [b'l', kind @ ..] => (true, kind),
                    kind => (false, kind),
                };
                let (kind, rest) = kind.split_first().ok_or(Errno::EINVAL)?;
                out.extend_from_slice(&number(spec, *kind, wide, arg()?)?);
                return Ok(rest);
            }
        };
        out.extend_from_slice(&pad(piece, spec));
        Ok(rest)
    }

    fn text(&mut self, place: Place, addr: u64) -> Result<Vec<u8>, Errno> {
        // What cannot be read prints as nothing.
        Ok((self.string)(place, addr, MAX_STRING - 1).unwrap_or_default())
    }

    /// An address at a pointer: with dots and colons for `I`, digits alone for `i`.
    fn address(&mut self, punctuated: bool, version: u8, addr: u64) -> Result<Vec<u8>, Errno> {
        let mut bytes = [0; 16];
        let len = if version == b'4' { 4 } else { 16 };
        let bytes = bytes.get_mut(..len).ok_or(Errno::EINVAL)?;
        if (self.bytes)(addr, bytes).is_err() {
            bytes.fill(0);
        }
        let text = match version {
            b'4' if punctuated => bytes.iter().map(u8::to_string).collect::<Vec<_>>().join("."),
            b'4' => bytes.iter().map(|b| format!("{b:03}")).collect::<Vec<_>>().join("."),
            _ => {
                let groups: Vec<_> = bytes
                    .chunks_exact(2)
                    .map(|g| g.iter().map(|b| format!("{b:02x}")).collect::<String>())
                    .collect();
                groups.join(if punctuated { ":" } else { "" })
            }
        };
        Ok(text.into_bytes())
    }
}

/// White space of C, which the vertical tab is part of.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn flags(mut text: &[u8]) -> (Spec, &[u8]) {
    let mut spec = Spec::default();
    while let Some((flag, rest)) = text.split_first() {
        match flag {
            b'-' => spec.left = true,
            b'+' => spec.plus = true,
            b' ' => spec.space = true,
            b'0' => spec.zero = true,
            _ => break,
        }
        text = rest;
    }
    while let Some((digit @ b'0'..=b'9', rest)) = text.split_first() {
        // No line is wider than this.
        spec.width = (spec.width * 10 + usize::from(digit - b'0')).min(MAX_STRING);
        text = rest;
    }
    (spec, text)
}

fn number(spec: Spec, kind: u8, wide: bool, value: u64) -> Result<Vec<u8>, Errno> {
    let unsigned = if wide { value } else { value & u64::from(u32::MAX) };
    let signed = if wide { value as i64 } else { i64::from(value as u32 as i32) };
    let (sign, digits) = match kind {
        b'd' | b'i' => {
            let sign = match signed {
                i64::MIN..=-1 => "-",
                _ if spec.plus => "+",
                _ if spec.space => " ",
                _ => "",
            };
            (sign, signed.unsigned_abs().to_string())
        }
        b'u' => ("", unsigned.to_string()),
        b'x' => ("", format!("{unsigned:x}")),
        b'X' => ("", format!("{unsigned:X}")),
        _ => return Err(Errno::EINVAL),
    };
    if spec.zero && !spec.left {
        let zeros = spec.width.saturating_sub(sign.len() + digits.len());
        return Ok(format!("{sign}{}{digits}", "0".repeat(zeros)).into_bytes());
    }
    Ok(pad(format!("{sign}{digits}").into_bytes(), spec))
}

fn pad(mut text: Vec<u8>, spec: Spec) -> Vec<u8> {
    let missing = spec.width.saturating_sub(text.len());
    let at = if spec.left { text.len() } else { 0 };
    text.splice(at..at, std::iter::repeat_n(b' ', missing));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: &str, args: &[u64], expect: Result<&str, Errno>) {
        let mut string = |place, addr, _| match (place, addr) {
            (Place::User, 1) => Ok(b"user".to_vec()),
            (Place::Kernel | Place::Either, 2) => Ok(b"kernel".to_vec()),
            _ => Err(Errno::EFAULT),
        };
        let mut bytes = |_, out: &mut [u8]| {
            out.iter_mut().zip(1..).for_each(|(b, v)| *b = v);
            Ok(())
        };
        let text =
            Format { string: &mut string, bytes: &mut bytes, room: 1024 }.render(format.as_bytes(), args);
        assert_eq!(text.map(|t| String::from_utf8(t).unwrap()), expect.map(str::to_owned), "{format}");
    }

    #[test]
    fn numbers_have_32_bits_unless_long() {
        let minus = -1i64 as u64;
        check("%d %u %x", &[minus, minus, minus], Ok("-1 4294967295 ffffffff"));
        check("%ld %lu %llx", &[minus, minus, minus], Ok("-1 18446744073709551615 ffffffffffffffff"));
        check("%5d|%-5d|%05d|%+d", &[7, 7, minus, 7], Ok("    7|7    |-0001|+7"));
    }

    #[test]
    fn strings_come_from_their_memory() {
        check("%s %pks %pus %s.", &[2, 2, 1, 9], Ok("kernel kernel user ."));
        check("%8s|%-8s|%c", &[2, 2, 65], Ok("  kernel|kernel  |A"));
    }

    #[test]
    fn addresses_print_by_version() {
        check("%pI4 %pi4", &[0, 0], Ok("1.2.3.4 001.002.003.004"));
        check("%pI6", &[0], Ok("0102:0304:0506:0708:090a:0b0c:0d0e:0f10"));
        check("%p %px", &[0xabc, 0xabc], Ok("0000000000000abc 0000000000000abc"));
    }

    #[test]
    fn what_the_kernel_refuses_is_an_error() {
        check("%f", &[1], Err(Errno::EINVAL));
        check("%d %d", &[1], Err(Errno::EINVAL));
        check("%", &[1], Err(Errno::EINVAL));
        check("%hd", &[1], Err(Errno::EINVAL));
        check("%#x", &[1], Err(Errno::EINVAL));
        check("\u{1}", &[], Err(Errno::EINVAL));
        check("100%%", &[], Ok("100%"));
    }
}
