//! What each ELF section of an object is for.

use std::sync::Arc;

use oxbpf_elf::{ElfObject, Section};
use oxbpf_uapi::Errno;

use crate::error::{FORMAT, ObjectError, Place};
use crate::spec::MapOrigin;

pub(crate) const MAPS: &str = ".maps";
pub(crate) const KCONFIG: &str = ".kconfig";
pub(crate) const KSYMS: &str = ".ksyms";
const ARENA: &str = ".addr_space.1";
const JUMP_TABLES: &str = ".jumptables";
const BTF: &str = ".BTF";
const BTF_EXT: &str = ".BTF.ext";
/// Longest licence that libbpf keeps.
const MAX_LICENSE: usize = 63;

/// What a section is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Instructions of functions that programs call.
    Text,
    /// Instructions of programs.
    Programs,
    /// Initial contents of a map of the given origin.
    Data(MapOrigin),
    /// Map definitions.
    Maps,
    /// struct_ops variables.
    StructOps,
    /// Variables of an arena.
    Arena,
    /// Targets of indirect jumps.
    JumpTables,
    /// Relocations of the section with this index.
    Relocations(u32),
    /// Nothing for a loader.
    Other,
}

/// The sections of an object by what they are for.
#[derive(Debug)]
pub(crate) struct Layout {
    /// By section index.
    pub(crate) roles: Vec<Role>,
    pub(crate) license: String,
    pub(crate) kern_version: u32,
    pub(crate) btf: Option<u32>,
    pub(crate) btf_ext: Option<u32>,
    pub(crate) maps: Option<u32>,
    pub(crate) arena: Option<u32>,
    pub(crate) jump_tables: Option<u32>,
}

impl Layout {
    /// Sorts the sections.
    pub(crate) fn new(elf: &ElfObject<'_>, file: &Arc<str>) -> Result<Self, ObjectError> {
        let mut layout = Self {
            roles: Vec::with_capacity(elf.sections().len()),
            license: String::new(),
            kern_version: 0,
            btf: None,
            btf_ext: None,
            maps: None,
            arena: None,
            jump_tables: None,
        };
        for section in elf.sections() {
            let role = layout.sort(elf, file, section)?;
            layout.roles.push(role);
        }
        Ok(layout)
    }

    pub(crate) fn role(&self, index: u32) -> Role {
        self.roles.get(index as usize).copied().unwrap_or(Role::Other)
    }

    /// Indices of the sections with a role, ascending.
    pub(crate) fn with_role(&self, role: Role) -> impl Iterator<Item = u32> {
        (0u32..).zip(&self.roles).filter(move |(_, r)| **r == role).map(|(i, _)| i)
    }

    /// Whether instructions are in the section.
    pub(crate) fn is_code(&self, index: u32) -> bool {
        matches!(self.role(index), Role::Text | Role::Programs)
    }
}

impl Layout {
    /// What the section is for; keeps what there is only one of.
    fn sort(&mut self, elf: &ElfObject<'_>, file: &Arc<str>, s: &Section<'_>) -> Result<Role, ObjectError> {
        let fail =
            |errno, why: &str| Err(ObjectError::new(file, Place::Section(s.name.to_owned()), errno, why));
        match s.name {
            _ if s.index == 0 => return Ok(Role::Other),
            "license" => self.license = license(s.data),
            "version" => {
                let Ok(bytes) = <[u8; 4]>::try_from(s.data) else {
                    return fail(FORMAT, "a kernel version takes 4 bytes");
                };
                self.kern_version = if elf.is_little_endian() {
                    u32::from_le_bytes(bytes)
                } else {
                    u32::from_be_bytes(bytes)
                };
            }
            "maps" => {
                let why = "map definitions in `SEC(\"maps\")` are no longer supported; define them in \
                           `SEC(\".maps\")` with __uint(), __type() of bpf_helpers.h, and compile with -g";
                return fail(Errno::EOPNOTSUPP, why);
            }
            MAPS => {
                self.maps = Some(s.index);
                return Ok(Role::Maps);
            }
            BTF | BTF_EXT if !s.is_progbits() => return fail(FORMAT, "it is not of type PROGBITS"),
            BTF => self.btf = Some(s.index),
            BTF_EXT => self.btf_ext = Some(s.index),
            _ => return self.sort_data(elf, file, s),
        }
        Ok(Role::Other)
    }

    fn sort_data(
        &mut self,
        elf: &ElfObject<'_>,
        file: &Arc<str>,
        s: &Section<'_>,
    ) -> Result<Role, ObjectError> {
        if s.is_relocations() {
            return relocations(elf, file, s);
        }
        if s.is_nobits() {
            let bss = named(s.name, ".bss") && s.size > 0;
            return Ok(if bss { Role::Data(MapOrigin::Bss) } else { Role::Other });
        }
        if !s.is_progbits() || s.data.is_empty() {
            return Ok(Role::Other);
        }
        Ok(match s.name {
            ".text" if s.is_exec() => Role::Text,
            _ if s.is_exec() => Role::Programs,
            name if named(name, ".data") => Role::Data(MapOrigin::Data),
            name if named(name, ".rodata") => Role::Data(MapOrigin::RoData),
            ".struct_ops" | ".struct_ops.link" | "?.struct_ops" | "?.struct_ops.link" => Role::StructOps,
            ARENA => {
                self.arena = Some(s.index);
                Role::Arena
            }
            JUMP_TABLES => {
                self.jump_tables = Some(s.index);
                Role::JumpTables
            }
            name => {
                if !name.starts_with(".debug_") {
                    log::info!(
                        "{file}: section '{name}' ({} bytes) has no meaning here and is skipped",
                        s.size
                    );
                }
                Role::Other
            }
        })
    }
}

/// Whether a name is `base` or `base.something`.
fn named(name: &str, base: &str) -> bool {
    name.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// A relocation section counts if it relocates code, map definitions or struct_ops variables.
fn relocations(elf: &ElfObject<'_>, file: &Arc<str>, s: &Section<'_>) -> Result<Role, ObjectError> {
    let Some(target) = elf.section(s.info).filter(|t| t.index != 0) else {
        let why = format!("it relocates section {}, which does not exist", s.info);
        return Err(ObjectError::new(file, Place::Section(s.name.to_owned()), FORMAT, why));
    };
    let counts = target.is_exec()
        || matches!(
            target.name,
            MAPS | ".struct_ops" | ".struct_ops.link" | "?.struct_ops" | "?.struct_ops.link"
        );
    Ok(if counts { Role::Relocations(s.info) } else { Role::Other })
}

/// The licence up to its NUL, at most as long as libbpf keeps it.
fn license(data: &[u8]) -> String {
    let end = data.iter().position(|b| *b == 0).unwrap_or(data.len());
    let bytes = data.get(..end.min(MAX_LICENSE)).unwrap_or_default();
    String::from_utf8_lossy(bytes).into_owned()
}
