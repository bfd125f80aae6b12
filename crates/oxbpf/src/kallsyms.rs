//! Kernel symbols: the text of `/proc/kallsyms` in, symbols out.
//!
//! A line is `address type name`, with `[module]` behind it for symbols of modules, address in hexadecimal. Where the
//! kernel hides addresses they are all 0. The text is some 200,000 lines, so nothing is copied: [`Kallsyms`] keeps
//! the text and hands out slices of it.
//!
//! Not here: functions of user programs ([`crate::syms`]).

use oxbpf_kernel::{Blob, Fact, Kernel};
use oxbpf_uapi::Errno;

/// One kernel symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelSymbol<'a> {
    /// Address, 0 if the kernel hides it.
    pub address: u64,
    /// Type as nm(1) prints it: `t` or `T` for functions, `d`, `D`, `b`, `B` for data.
    pub kind: u8,
    /// Name.
    pub name: &'a str,
    /// Module that the symbol is in, `None` for the kernel itself.
    pub module: Option<&'a str>,
}

/// The symbols of a running kernel, as they were when they were read.
#[derive(Clone, Debug)]
pub struct Kallsyms(Blob);

impl Kallsyms {
    /// Reads the symbols of `kernel`.
    ///
    /// # Errors
    /// As [`Kernel::fact`]: `ENOENT` where the kernel lists no symbols.
    pub fn read(kernel: &Kernel) -> Result<Self, Errno> {
        kernel.fact(Fact::Kallsyms).map(Self)
    }

    /// The symbols in the kernel's order. Lines that are not symbols are left out.
    pub fn iter(&self) -> impl Iterator<Item = KernelSymbol<'_>> {
        self.0.split(|b| *b == b'\n').filter_map(parse_line)
    }

    /// The first symbol called `name`, in the kernel or a module.
    pub fn find<'s>(&'s self, name: &'s str) -> Option<KernelSymbol<'s>> {
        self.find_all(name).next()
    }

    /// Every symbol called `name`: static functions may share one.
    pub fn find_all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = KernelSymbol<'s>> {
        let wanted = name.as_bytes();
        // The name is compared before the rest of the line is taken apart, which most lines then do not need.
        let lines = self.0.split(|b| *b == b'\n').filter(move |line| match line.get(16..) {
            Some([b' ', _, b' ', name @ ..]) => {
                name.strip_prefix(wanted).is_some_and(|tail| matches!(tail, [] | [b'\t' | b' ', ..]))
            }
            _ => true,
        });
        lines.filter_map(parse_line).filter(move |symbol| symbol.name == name)
    }
}

impl From<Vec<u8>> for Kallsyms {
    fn from(text: Vec<u8>) -> Self {
        Self(text.into())
    }
}

/// Takes one line apart, `None` if it is not a symbol.
fn parse_line(line: &[u8]) -> Option<KernelSymbol<'_>> {
    let line = core::str::from_utf8(line).ok()?;
    let mut words = line.split_ascii_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    let [kind] = *words.next()?.as_bytes() else { return None };
    let name = words.next()?;
    let module = words.next().and_then(|m| m.strip_prefix('[')?.strip_suffix(']'));
    Some(KernelSymbol { address, kind, name, module })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols() -> Kallsyms {
        let text = "ffffffff81000000 T _text\n\
                    ffffffff81000040 t helper\n\
                    not a symbol\n\
                    ffffffffc0000000 t helper\t[nf_tables]\n\
                    ffffffffc0000100 t helper_two\t[nf_tables]\n\
                    0 D short_address\n";
        Kallsyms::from(text.as_bytes().to_vec())
    }

    #[test]
    fn a_symbol_has_address_kind_name_and_module() {
        let all = symbols();
        let last = all.iter().nth(3);
        let expect = KernelSymbol {
            address: 0xffff_ffff_c000_0100,
            kind: b't',
            name: "helper_two",
            module: Some("nf_tables"),
        };
        assert_eq!(last, Some(expect));
        assert_eq!(all.iter().count(), 5, "the line that is no symbol is left out");
    }

    #[test]
    fn a_name_finds_every_symbol_that_has_exactly_it() {
        let all = symbols();
        let found: Vec<_> = all.find_all("helper").map(|s| (s.address & 0xfff, s.module)).collect();
        assert_eq!(found, [(0x40, None), (0, Some("nf_tables"))]);
        assert_eq!(all.find("short_address").map(|s| s.kind), Some(b'D'));
        assert_eq!(all.find("help"), None);
    }
}
