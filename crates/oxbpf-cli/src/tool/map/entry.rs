//! An entry of a map: as text or JSON, with the types that BTF has for it; and from the words of a command.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use oxbpf::{Kernel, OwnedMap};
use oxbpf_btf::{Btf, TypeId};
use oxbpf_kernel::Handle;
use oxbpf_uapi::flags::UpdateFlags;
use oxbpf_uapi::info::MapInfo;
use oxbpf_uapi::{Errno, MapType};

use crate::tool::args::parse_number;
use crate::tool::select::{Access, info};
use crate::tool::typed::Typed;
use crate::tool::{Args, Out, Tool};

/// A map, and what is known about its entries.
#[derive(Debug)]
pub(super) struct Entries {
    pub(super) map: OwnedMap,
    pub(super) info: MapInfo,
    /// Types of key and value, if there are any.
    pub(super) btf: Option<Arc<Btf>>,
    /// Bytes of a value as commands have it.
    pub(super) value_len: usize,
}

impl Entries {
    pub(super) fn of(kernel: &Kernel, handle: Handle) -> Result<Self> {
        let info: MapInfo = info(kernel, &handle)?;
        let map = OwnedMap::from_fd(kernel, oxbpf_kernel::MapFd(handle))?;
        let value_len = map.value_buf_len()?;
        Ok(Self { map, info, btf: None, value_len })
    }

    /// With the types that the kernel has for the map.
    ///
    /// # Errors
    /// If it has some and they can't be read.
    pub(super) fn with_types(mut self) -> Result<Self> {
        let kernel = self.map.kernel();
        self.btf = if self.info.btf_vmlinux_value_type_id != 0 {
            Some(oxbpf::btf::vmlinux(kernel).context("failed to get kernel btf")?)
        } else if self.info.btf_value_type_id != 0 {
            Some(Arc::new(oxbpf::btf::by_id(kernel, self.info.btf_id).context("failed to get btf")?))
        } else {
            None
        };
        Ok(self)
    }

    pub(super) fn is_per_cpu(&self) -> bool {
        self.map.is_per_cpu()
    }

    fn holds_maps(&self) -> bool {
        matches!(self.info.r#type, MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS)
    }

    /// Whether a place without a value is no error but an empty place.
    pub(super) fn may_be_empty(&self) -> bool {
        self.holds_maps() || self.info.r#type == MapType::PROG_ARRAY
    }

    /// The values of each CPU, without padding.
    fn values<'v>(&self, value: &'v [u8]) -> impl Iterator<Item = &'v [u8]> + use<'v> {
        let size = self.info.value_size as usize;
        value.chunks(size.next_multiple_of(8).max(8)).map(move |v| v.get(..size).unwrap_or(v))
    }

    /// Shows an entry. Text is by type where types are known, as [`Out`] then stands in JSON of its own.
    pub(super) fn show(&self, out: &mut Out, key: &[u8], value: &[u8]) {
        if out.is_json() && !out.is_typed_text() {
            out.object(|out| self.show_json(out, key, value));
        } else if let Some(btf) = &self.btf {
            out.object(|out| self.show_typed(out, Typed { btf, is_text: true, callbacks: None }, key, value));
        } else {
            self.show_text(out, key, value);
        }
    }

    fn show_json(&self, out: &mut Out, key: &[u8], value: &[u8]) {
        hex_json(out.name("key"), key);
        if self.is_per_cpu() {
            out.name("values").array(|out| {
                for (cpu, value) in self.values(value).enumerate() {
                    out.object(|out| {
                        out.field("cpu", cpu);
                        hex_json(out.name("value"), value);
                    });
                }
            });
        } else {
            hex_json(out.name("value"), value);
            if self.holds_maps() {
                out.field("inner_map_id", number(value));
            }
        }
        if let Some(btf) = &self.btf {
            out.name("formatted").object(|out| {
                self.show_typed(out, Typed { btf, is_text: false, callbacks: None }, key, value)
            });
        }
    }

    fn show_typed(&self, out: &mut Out, typed: Typed<'_>, key: &[u8], value: &[u8]) {
        if self.info.btf_key_type_id != 0 {
            typed.show(out.name("key"), TypeId(self.info.btf_key_type_id), key);
        }
        let id = match self.info.btf_vmlinux_value_type_id {
            0 => self.info.btf_value_type_id,
            id => id,
        };
        if !self.is_per_cpu() {
            return typed.show(out.name("value"), TypeId(id), value);
        }
        out.name("values").array(|out| {
            for (cpu, value) in self.values(value).enumerate() {
                out.object(|out| {
                    out.field("cpu", cpu);
                    typed.show(out.name("value"), TypeId(id), value);
                });
            }
        });
    }

    fn show_text(&self, out: &mut Out, key: &[u8], value: &[u8]) {
        let size = self.info.value_size;
        if self.is_per_cpu() {
            if !key.is_empty() {
                out.bytes(b"key:\n");
                hex_text(out, key);
                out.bytes(b"\n");
            }
            if size != 0 {
                for (cpu, value) in self.values(value).enumerate() {
                    write!(out, "value (CPU {cpu:02}):{}", if size > 16 { '\n' } else { ' ' });
                    hex_text(out, value);
                    out.bytes(b"\n");
                }
            }
            return;
        }
        let breaks = key.len() > 16 || size > 16;
        let is_one_line = key.len() + size as usize <= 24 && !breaks;
        let space: &[u8] = if breaks { b"\n" } else { b" " };
        if !key.is_empty() {
            out.bytes(b"key:");
            out.bytes(space);
            hex_text(out, key);
            out.bytes(if is_one_line { b"  " } else { b"\n" });
        }
        if size != 0 {
            if self.holds_maps() {
                out.bytes(b"inner_map_id:");
                out.bytes(space);
                write!(out, "{} ", number(value));
            } else {
                out.bytes(b"value:");
                out.bytes(space);
                hex_text(out, value);
            }
        }
        out.bytes(b"\n");
    }

    /// Shows a key whose value cannot be read.
    pub(super) fn show_unreadable(&self, out: &mut Out, key: &[u8], errno: Errno) {
        let text = errno.text();
        if out.is_json() {
            out.object(|out| {
                hex_json(out.name("key"), key);
                out.name("value").object(|out| out.string_field("error", text));
            });
            return;
        }
        let text = match (errno, self.info.r#type) {
            (Errno::ENOENT, _) => "<no entry>",
            (Errno::ENOSPC, MapType::REUSEPORT_SOCKARRAY) => "<cannot read>",
            _ => text,
        };
        let breaks = key.len() > 16 || text.len() > 16;
        let is_one_line = key.len() + text.len() <= 24 && !breaks;
        let space = if breaks { '\n' } else { ' ' };
        write!(out, "key:{space}");
        hex_text(out, key);
        writeln!(out, "{}value:{space}{text}", if is_one_line { "  " } else { "\n" });
    }
}

fn number(value: &[u8]) -> u32 {
    value.first_chunk().map_or(0, |v| u32::from_ne_bytes(*v))
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

fn digits(byte: u8) -> [u8; 2] {
    let digit = |n: u8| DIGITS.get(usize::from(n & 15)).copied().unwrap_or(b'0');
    [digit(byte >> 4), digit(byte)]
}

/// Bytes in hexadecimal: a space between them, two after eight, a new line after sixteen.
pub(super) fn hex_text(out: &mut Out, bytes: &[u8]) {
    let mut text = Vec::with_capacity(bytes.len() * 3 + 8);
    for (i, byte) in bytes.iter().enumerate() {
        match i {
            0 => {}
            _ if i % 16 == 0 => text.push(b'\n'),
            _ if i % 8 == 0 => text.extend(b"  "),
            _ => text.push(b' '),
        }
        text.extend(digits(*byte));
    }
    out.bytes(&text);
}

/// Bytes as a list of strings in hexadecimal.
pub(super) fn hex_json(out: &mut Out, bytes: &[u8]) {
    out.array(|out| {
        for byte in bytes {
            let [high, low] = digits(*byte);
            let text = [b'0', b'x', high, low];
            out.string(core::str::from_utf8(&text).unwrap_or_default());
        }
    });
}

/// What the words of a command say about an entry.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) flags: Option<UpdateFlags>,
    /// What a value that is a descriptor refers to: it is closed only afterwards.
    _kept: Option<Handle>,
}

/// What may be in the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    Key,
    KeyAndValue,
}

/// Reads `key DATA`, `value VALUE` and flags, in any order. A map without keys has none to be given.
pub(super) fn read(tool: &mut Tool, args: &mut Args<'_>, entries: &Entries, wants: Wants) -> Result<Words> {
    let mut words = Words::default();
    let (key_len, value_len) = (entries.info.key_size as usize, entries.info.value_size as usize);
    let with_value = wants == Wants::KeyAndValue;
    while !args.is_empty() {
        let keywords: &[&'static str] = match wants {
            Wants::Key => &["key"],
            Wants::KeyAndValue => &["key", "value", "any", "noexist", "exist"],
        };
        match args.one_of(keywords)? {
            "key" if key_len == 0 => bail!("unnecessary key"),
            "key" if words.key.is_some() => bail!("duplicate key"),
            "key" => words.key = Some(bytes(args, "key", key_len)?),
            "value" if value_len == 0 => bail!("unnecessary value"),
            "value" if words.value.is_some() => bail!("duplicate value"),
            "value" if entries.holds_maps() => {
                let map = tool.map(args, Access::Write).context("value")?;
                words.value = Some(map.number().to_ne_bytes().to_vec());
                words._kept = Some(map);
            }
            "value" if entries.info.r#type == MapType::PROG_ARRAY => {
                if args.is_next("id") {
                    log::warn!(
                        "updating program array via MAP_ID, make sure this map is kept open by some process or pinned, \
                         otherwise update will be lost"
                    );
                }
                let prog = tool.prog(args).context("value")?;
                words.value = Some(prog.number().to_ne_bytes().to_vec());
                words._kept = Some(prog);
            }
            "value" => {
                let value = bytes(args, "value", value_len)?;
                words.value = Some(if entries.is_per_cpu() { for_each_cpu(&value, entries) } else { value });
            }
            word => {
                let flags = match word {
                    "any" => UpdateFlags::empty(),
                    "noexist" => UpdateFlags::NOEXIST,
                    _ => UpdateFlags::EXIST,
                };
                if words.flags.replace(flags).is_some() {
                    bail!("flags specified multiple times: {word}");
                }
            }
        }
    }
    if key_len != 0 && words.key.is_none() {
        bail!("did not find key");
    }
    if with_value && value_len != 0 && words.value.is_none() {
        bail!("did not find value");
    }
    Ok(words)
}

/// The same value for every CPU, padded as commands want it.
fn for_each_cpu(value: &[u8], entries: &Entries) -> Vec<u8> {
    let step = value.len().next_multiple_of(8);
    let mut one = value.to_vec();
    one.resize(step, 0);
    one.repeat(entries.value_len / step.max(1))
}

/// `[hex] BYTES`.
fn bytes(args: &mut Args<'_>, what: &str, len: usize) -> Result<Vec<u8>> {
    let is_hex = args.accept("hex");
    let mut bytes = Vec::new();
    while bytes.len() < len && !args.is_empty() {
        let word = args.text("BYTE")?;
        let number = if is_hex {
            let digits = word.strip_prefix("0x").unwrap_or(word);
            let is_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
            u64::from_str_radix(digits, 16).ok().filter(|_| is_digits)
        } else {
            parse_number(word)
        };
        let byte = number.and_then(|n| u8::try_from(n).ok());
        bytes.push(byte.with_context(|| format!("error parsing byte: {word}"))?);
    }
    if bytes.len() != len {
        bail!("{what} expected {len} bytes got {}", bytes.len());
    }
    Ok(bytes)
}
