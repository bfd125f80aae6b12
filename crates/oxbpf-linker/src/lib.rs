//! The static linker: several relocatable BPF objects in, one out that a loader takes like any other.
//!
//! ```no_run
//! use oxbpf_linker::Linker;
//!
//! let mut linker = Linker::new();
//! for path in ["main.bpf.o", "lib.bpf.o"] {
//!     linker.add(path, &std::fs::read(path)?)?;
//! }
//! std::fs::write("app.bpf.o", linker.finish()?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | What | How it is linked |
//! | --- | --- |
//! | Sections of one name | appended, each part at its alignment; `license` and `version` have to be the same and are there once |
//! | Global symbols | one strong definition wins over weak ones and is what externs mean; two strong ones are an error |
//! | Visibility | one hidden mention hides a symbol, one strong mention makes it strong |
//! | Maps | a definition and a declaration have to say the same |
//! | Kernel variables, functions and settings (`.ksyms`, `.kconfig`) | each is there once |
//! | Types | de-duplicated; data sections have the variables of all parts |
//! | Debug information (DWARF) | left out |
//!
//! All objects have the byte order of the first. What comes out depends on the inputs and their order, on nothing else; for
//! objects that libbpf's linker takes it is what that one writes, byte for byte.

mod compat;
mod error;
mod input;
mod output;
mod symbols;
mod types;

use std::sync::Arc;

use oxbpf_btf::{Btf, BtfBuilder, ByteOrder};
use oxbpf_elf::{ElfObject, Section, SymbolKind};

pub use error::{Definition, LinkError};
use input::{EXECINSTR, INSN_LEN, InSection, Input, REL_LEN, kind};
use output::{Head, OutSection, Output, SYMTAB};
use symbols::Globals;

/// Sections of which one is enough.
const ONCE: [&str; 2] = ["license", "version"];

/// An object that was added, as far as later ones have to agree with it.
#[derive(Debug)]
struct Added {
    file: Arc<str>,
    btf: Option<Arc<Btf>>,
}

/// Links objects that are added one after the other.
#[derive(Debug)]
#[doc(alias = "bpf_linker")]
pub struct Linker {
    out: Output,
    types: BtfBuilder,
    globals: Globals,
    objects: Vec<Added>,
    order: Option<ByteOrder>,
    is_broken: bool,
}

impl Default for Linker {
    fn default() -> Self {
        Self::new()
    }
}

impl Linker {
    /// Nothing linked yet.
    #[doc(alias = "bpf_linker__new")]
    pub fn new() -> Self {
        Self {
            out: Output::new(),
            types: BtfBuilder::new(),
            globals: Globals::default(),
            objects: Vec::new(),
            order: None,
            is_broken: false,
        }
    }

    /// Adds an object; `file` is its name in messages. After an error nothing more can be linked.
    ///
    /// # Errors
    /// It is no BPF object or broken, it has another byte order than the first, or it and an object before disagree: see
    /// [`LinkError`].
    #[doc(alias("bpf_linker__add_file", "bpf_linker__add_fd", "bpf_linker__add_buf"))]
    pub fn add(&mut self, file: &str, bytes: &[u8]) -> Result<(), LinkError> {
        if self.is_broken {
            return Err(LinkError::Broken);
        }
        let result = self.append(file, bytes);
        self.is_broken = result.is_err();
        result
    }

    fn append(&mut self, file: &str, bytes: &[u8]) -> Result<(), LinkError> {
        let elf = ElfObject::parse(bytes, file)?;
        let order = if elf.is_little_endian() { ByteOrder::Little } else { ByteOrder::Big };
        let first = *self.order.get_or_insert(order);
        if first != order {
            let before = self.objects.first().map_or("the first object", |o| &*o.file);
            let why = format!("it is {order:?}-endian, and {before} is {first:?}-endian");
            return Err(LinkError::Object { file: file.into(), errno: error::EOPNOTSUPP, why });
        }
        let mut input = Input::read(&elf)?;
        log::debug!("linking {file}: {} sections, {} symbols", elf.sections().len(), elf.symbols().len());
        self.append_data(&mut input)?;
        let symbols = self.append_symbols(&input)?;
        self.append_relocations(&input, &symbols)?;
        let ids = self.append_types(&input)?;
        self.append_ext(&input, &ids)?;
        self.objects.push(Added { file: input.file, btf: input.btf });
        self.out.check_size()
    }

    /// The linked object. Externs that no object defines stay, for a loader or another link.
    ///
    /// # Errors
    /// Nothing was added, an object was refused, or the result is too large.
    #[doc(alias = "bpf_linker__finalize")]
    pub fn finish(mut self) -> Result<Vec<u8>, LinkError> {
        if self.is_broken {
            return Err(LinkError::Broken);
        }
        let Some(order) = self.order else { return Err(LinkError::Result("no object was added".into())) };
        if let Some((btf, ext)) = self.finish_types()? {
            let btf = btf.with_byte_order(order);
            let bytes = btf.to_bytes().map_err(LinkError::ResultTypes)?.into_owned();
            self.add_type_section(".BTF", bytes);
            if let Some(mut ext) = ext {
                ext.set_byte_order(order);
                self.add_type_section(".BTF.ext", ext.to_bytes().into_owned());
            }
        }
        self.out.check_size()?;
        Ok(self.out.write(order))
    }

    fn add_type_section(&mut self, name: &str, bytes: Vec<u8>) {
        let at = self.out.add_section(name, 0);
        self.out.place(at, Head { kind: kind::PROGBITS, align: 8, ..Head::default() });
        if let Some(section) = self.out.sections.get_mut(at) {
            section.size = bytes.len() as u64;
            section.data = bytes;
        }
    }

    /// Appends code and data, and notes where each section went.
    fn append_data(&mut self, input: &mut Input<'_>) -> Result<(), LinkError> {
        for section in input.sections.iter_mut().filter(|s| s.is_data()) {
            let known = self.out.find(&section.name);
            let at = self.section_for(&input.file, section)?;
            section.out = at;
            let Some(out) = self.out.sections.get(at) else { continue };
            if known.is_some() && ONCE.contains(&section.name.as_str()) {
                let data = section.elf.map_or(&[][..], |s| s.data);
                if out.data != data {
                    return Err(self.misfit(&input.file, out, "their contents differ".into()));
                }
                section.is_skipped = true;
                continue;
            }
            if let Some(elf) = section.elf {
                section.offset = self.extend(at, elf)?;
            }
        }
        Ok(())
    }

    fn misfit(&self, file: &Arc<str>, out: &OutSection, why: String) -> LinkError {
        let first = self.objects.get(out.first).map_or_else(|| file.clone(), |o| o.file.clone());
        LinkError::Section { section: out.name.clone(), first, second: file.clone(), why }
    }

    /// The section of the linked object that a section becomes part of.
    fn section_for(&mut self, file: &Arc<str>, section: &InSection<'_>) -> Result<usize, LinkError> {
        let at = match self.out.find(&section.name) {
            None => self.out.add_section(&section.name, self.objects.len()),
            Some(at) => {
                let out = self.out.sections.get(at);
                if let (Some(out), Some(new)) = (out, section.elf) {
                    if let Some(head) = out.head {
                        let fields = [
                            ("type", u64::from(head.kind), u64::from(new.kind)),
                            ("flags", head.flags, new.flags),
                            ("entry size", head.entsize, new.entsize),
                        ];
                        if let Some((what, a, b)) = fields.into_iter().find(|(_, a, b)| a != b) {
                            return Err(self.misfit(
                                file,
                                out,
                                format!("its {what} is {a:#x} in one and {b:#x} in the other"),
                            ));
                        }
                    }
                }
                at
            }
        };
        if let (Some(new), Some(None)) = (section.elf, self.out.sections.get(at).map(|s| s.head)) {
            let head = Head {
                kind: new.kind,
                flags: new.flags,
                align: new.align,
                entsize: new.entsize,
                ..Head::default()
            };
            self.out.place(at, head);
        }
        Ok(at)
    }

    /// Appends a section's bytes to one of the linked object; gives where they begin there.
    fn extend(&mut self, at: usize, new: &Section<'_>) -> Result<u64, LinkError> {
        let Some(out) = self.out.sections.get_mut(at) else { return Ok(0) };
        let Some(head) = &mut out.head else { return Ok(0) };
        head.align = head.align.max(new.align).max(1);
        let offset = out.size.next_multiple_of(head.align);
        let end = offset.saturating_add(new.size);
        // Types and records have 32 bits for a place in a section.
        if end > u64::from(u32::MAX) {
            return Err(LinkError::Result(format!("section '{}' has more than 4 GiB", out.name)));
        }
        if new.kind != kind::NOBITS {
            out.data.resize(offset as usize, 0);
            out.data.extend_from_slice(new.data);
        }
        out.size = end;
        Ok(offset)
    }

    fn append_relocations(&mut self, input: &Input<'_>, symbols: &[u32]) -> Result<(), LinkError> {
        let big = self.order == Some(ByteOrder::Big);
        for section in input.sections.iter().filter(|s| s.is_rel()) {
            let Some(elf) = section.elf else { continue };
            let Some(target) = input.section(elf.info).filter(|t| !t.is_skipped) else { continue };
            let at = self.section_for(&input.file, section)?;
            let index = self.out.sections.get(target.out).map_or(0, OutSection::index);
            let start = self.extend(at, elf)?;
            let Some(head) = self.out.sections.get_mut(at).and_then(|s| s.head.as_mut()) else { continue };
            (head.link, head.info) = (SYMTAB, index);
            for (i, rel) in input.relocations(elf)?.iter().enumerate() {
                let Some(symbol) = input.elf.symbol(rel.symbol) else { continue };
                let new = symbols.get(rel.symbol as usize).copied().unwrap_or(0);
                let bad = |why: &str| {
                    input.bad(format!(
                        "section '{}': relocation {i} of '{}': {why}",
                        section.name, target.name
                    ))
                };
                if new == 0 {
                    return Err(bad(&format!("symbol '{}' is not in the linked object", symbol.name)));
                }
                let offset = rel.offset.wrapping_add(target.offset);
                let info = u64::from(new) << 32 | u64::from(rel.kind);
                let place = start + i as u64 * REL_LEN;
                put(&mut self.out.sections, at, place, &u64_bytes(offset, big));
                put(&mut self.out.sections, at, place + 8, &u64_bytes(info, big));
                if symbol.kind == SymbolKind::Section {
                    let moved = input.elf.section_of(symbol).and_then(|s| input.section(s.index));
                    let moved = moved.map_or(0, |s| s.offset);
                    let is_exec = target.elf.is_some_and(|s| s.flags & EXECINSTR != 0);
                    if !is_exec {
                        return Err(bad("it refers to a section, which only code may"));
                    }
                    self.move_target(target.out, offset, moved, big);
                }
            }
        }
        Ok(())
    }

    /// Changes what an instruction says about the place in a section that it refers to, which has moved by `moved` bytes.
    fn move_target(&mut self, section: usize, offset: u64, moved: u64, big: bool) {
        const CALL: u8 = 0x85;
        let Some(out) = self.out.sections.get_mut(section) else { return };
        let Some(insn) = usize::try_from(offset).ok().and_then(|at| out.data.get_mut(at..)) else { return };
        let unit = if insn.first() == Some(&CALL) { INSN_LEN } else { 1 };
        let Some(imm) = insn.get_mut(4..).and_then(|i| i.first_chunk_mut::<4>()) else { return };
        let old = if big { u32::from_be_bytes(*imm) } else { u32::from_le_bytes(*imm) };
        let new = old.wrapping_add((moved / unit) as u32);
        *imm = if big { new.to_be_bytes() } else { new.to_le_bytes() };
    }
}

fn u64_bytes(value: u64, big: bool) -> [u8; 8] {
    if big { value.to_be_bytes() } else { value.to_le_bytes() }
}

fn put(sections: &mut [OutSection], section: usize, at: u64, bytes: &[u8]) {
    let data = sections.get_mut(section).map(|s| &mut s.data);
    let to = data.and_then(|d| d.get_mut(usize::try_from(at).ok()?..)).and_then(|d| d.get_mut(..bytes.len()));
    if let Some(to) = to {
        to.copy_from_slice(bytes);
    }
}
