//! One object in: its sections, symbols and types, checked for what linking relies on.

use std::collections::HashMap;
use std::sync::Arc;

use oxbpf_btf::{Btf, BtfExt, SecVar, Type, TypeId, VarLinkage};
use oxbpf_elf::{Binding, ElfObject, Rel, Section, SymSection, Symbol, SymbolKind, Visibility, reloc};
use oxbpf_uapi::Errno;
use oxbpf_uapi::consts::FuncLinkage;

use crate::error::{EOPNOTSUPP, LinkError};

/// `SHT_*` that a linked object can have.
pub(crate) mod kind {
    pub(crate) const PROGBITS: u32 = 1;
    pub(crate) const SYMTAB: u32 = 2;
    pub(crate) const STRTAB: u32 = 3;
    pub(crate) const NOBITS: u32 = 8;
    pub(crate) const REL: u32 = 9;
    pub(crate) const LLVM_ADDRSIG: u32 = 0x6fff_4c03;
}

/// `SHF_EXECINSTR`.
pub(crate) const EXECINSTR: u64 = 4;
/// Bytes of a `SHT_REL` record.
pub(crate) const REL_LEN: u64 = 16;
/// Bytes of an instruction.
pub(crate) const INSN_LEN: u64 = 8;

/// The largest page of any machine: nothing needs to be aligned to more, and padding takes memory.
const MAX_ALIGN: u64 = 64 << 10;

/// The data section of externs that are looked for in the other objects, and that no file has.
const EXTERN_SECTION: &str = ".extern";

/// A section, or the mere name of one that only types know (`.kconfig`, `.ksyms`): that one is ephemeral.
#[derive(Debug)]
pub(crate) struct InSection<'d> {
    pub(crate) name: String,
    /// What the file has; `None` if it is ephemeral.
    pub(crate) elf: Option<&'d Section<'d>>,
    /// Whether the linked object goes without it.
    pub(crate) is_skipped: bool,
    /// The type that lists its variables.
    pub(crate) datasec: Option<TypeId>,
    /// The variables, at their real offsets.
    pub(crate) vars: Vec<SecVar>,
    /// Index of the section that it became part of.
    pub(crate) out: usize,
    /// Where in that section it begins, in bytes.
    pub(crate) offset: u64,
}

impl<'d> InSection<'d> {
    fn new(name: &str, elf: Option<&'d Section<'d>>, is_skipped: bool) -> Self {
        Self { name: name.to_owned(), elf, is_skipped, datasec: None, vars: Vec::new(), out: 0, offset: 0 }
    }

    pub(crate) fn is_data(&self) -> bool {
        !self.is_skipped && self.elf.is_none_or(|s| matches!(s.kind, kind::PROGBITS | kind::NOBITS))
    }

    pub(crate) fn is_rel(&self) -> bool {
        !self.is_skipped && self.elf.is_some_and(|s| s.kind == kind::REL)
    }
}

/// What the types say about a global symbol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SymbolType {
    /// The variable or function.
    pub(crate) id: TypeId,
    /// The data section that lists it.
    pub(crate) datasec: Option<TypeId>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Found {
    free: Option<TypeId>,
    listed: Option<SymbolType>,
    is_ambiguous: bool,
}

/// An object to be linked.
#[derive(Debug)]
pub(crate) struct Input<'d> {
    pub(crate) file: Arc<str>,
    pub(crate) elf: &'d ElfObject<'d>,
    pub(crate) sections: Vec<InSection<'d>>,
    pub(crate) btf: Option<Arc<Btf>>,
    pub(crate) ext: Option<BtfExt>,
    by_name: HashMap<String, usize>,
}

impl<'d> Input<'d> {
    pub(crate) fn read(elf: &'d ElfObject<'d>) -> Result<Self, LinkError> {
        let file: Arc<str> = elf.file().into();
        let mut input = Self {
            file,
            elf,
            sections: Vec::with_capacity(elf.sections().len()),
            btf: None,
            ext: None,
            by_name: HashMap::new(),
        };
        for section in elf.sections() {
            input.take(section)?;
        }
        input.check_sections()?;
        input.check_symbols()?;
        input.check_ext()?;
        input.place_variables()?;
        Ok(input)
    }

    pub(crate) fn bad(&self, why: impl Into<String>) -> LinkError {
        self.refuse(Errno::EINVAL, why)
    }

    pub(crate) fn refuse(&self, errno: Errno, why: impl Into<String>) -> LinkError {
        LinkError::Object { file: self.file.clone(), errno, why: why.into() }
    }

    fn types_error(&self, section: &'static str) -> impl Fn(oxbpf_btf::BtfError) -> LinkError + use<> {
        let file = self.file.clone();
        move |source| LinkError::Types { file: file.clone(), section, source }
    }

    fn take(&mut self, section: &'d Section<'d>) -> Result<(), LinkError> {
        let mut is_skipped = section.index == 0 || is_ignored(section);
        let is_type_section = !is_skipped && section.kind == kind::PROGBITS;
        if is_type_section && section.name == ".BTF" {
            let error = self.types_error(".BTF");
            let btf = Btf::parse(section.data.to_vec()).map_err(&error)?;
            btf.validate().map_err(error)?;
            self.btf = Some(Arc::new(btf));
            is_skipped = true;
        } else if is_type_section && section.name == ".BTF.ext" {
            let ext = BtfExt::parse(section.data.to_vec()).map_err(self.types_error(".BTF.ext"))?;
            self.ext = Some(ext);
            is_skipped = true;
        } else if !is_skipped
            && !matches!(section.kind, kind::SYMTAB | kind::PROGBITS | kind::NOBITS | kind::REL)
        {
            return Err(self.bad(format!(
                "section {} '{}' has the type {:#x}, which cannot be linked",
                section.index, section.name, section.kind
            )));
        }
        self.push(InSection::new(section.name, Some(section), is_skipped));
        Ok(())
    }

    fn push(&mut self, section: InSection<'d>) -> usize {
        let index = self.sections.len();
        if index != 0 {
            self.by_name.entry(section.name.clone()).or_insert(index);
        }
        self.sections.push(section);
        index
    }

    /// Index of the first section with this name.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn section(&self, index: u32) -> Option<&InSection<'d>> {
        self.sections.get(index as usize)
    }

    fn check_sections(&self) -> Result<(), LinkError> {
        for section in self.elf.sections().iter().skip(1) {
            let bad = |why: &str| self.bad(format!("section {} '{}': {why}", section.index, section.name));
            if section.name.is_empty() {
                return Err(bad("it has no name"));
            }
            if section.name.starts_with(".debug_") {
                continue;
            }
            if section.align != 0 && !section.align.is_power_of_two() {
                return Err(bad(&format!("its alignment {} is no power of two", section.align)));
            }
            if section.align > MAX_ALIGN {
                return Err(bad(&format!(
                    "its alignment is {}, and more than {MAX_ALIGN} is refused",
                    section.align
                )));
            }
            if section.kind == kind::PROGBITS && section.is_exec() && section.size % INSN_LEN != 0 {
                return Err(bad(&format!("its size {} is not a multiple of an instruction's", section.size)));
            }
            if section.kind == kind::REL {
                self.check_rel(section)?;
            }
        }
        Ok(())
    }

    fn check_rel(&self, section: &Section<'d>) -> Result<(), LinkError> {
        let bad = |why: String| self.bad(format!("section {} '{}': {why}", section.index, section.name));
        if section.entsize != REL_LEN || section.size % REL_LEN != 0 {
            return Err(bad("its entries are not of a relocation's size".into()));
        }
        if section.link != self.elf.symtab_index() {
            return Err(bad(format!("section {} is not the symbol table", section.link)));
        }
        let Some(target) = self.section(section.info).filter(|_| section.info != 0) else {
            return Err(bad(format!("section {}, which it is for, does not exist", section.info)));
        };
        if section.name.strip_prefix(".rel") != Some(target.name.as_str()) {
            return Err(bad(format!("it is for section '{}', and not called like it", target.name)));
        }
        if target.is_skipped {
            return Ok(());
        }
        if !target.is_data() {
            return Err(bad(format!("section '{}', which it is for, is no code or data", target.name)));
        }
        let is_exec = target.elf.is_some_and(Section::is_exec);
        for (i, rel) in self.relocations(section)?.iter().enumerate() {
            let known =
                [reloc::R_BPF_64_64, reloc::R_BPF_64_32, reloc::R_BPF_64_ABS64, reloc::R_BPF_64_ABS32];
            if !known.contains(&rel.kind) {
                return Err(bad(format!("relocation {i} has the unknown type {}", rel.kind)));
            }
            if rel.symbol == 0 || self.elf.symbol(rel.symbol).is_none() {
                return Err(bad(format!("relocation {i}: symbol {} does not exist", rel.symbol)));
            }
            let len = if is_exec { INSN_LEN } else { 4 };
            let size = target.elf.map_or(0, |s| s.size);
            let is_inside = rel.offset.checked_add(len).is_some_and(|end| end <= size);
            if !is_inside || (is_exec && rel.offset % INSN_LEN != 0) {
                return Err(bad(format!("relocation {i}: offset {:#x} of '{}'", rel.offset, target.name)));
            }
        }
        Ok(())
    }

    pub(crate) fn relocations(&self, section: &Section<'d>) -> Result<Vec<Rel>, LinkError> {
        Ok(self.elf.relocations(section)?)
    }

    fn check_symbols(&self) -> Result<(), LinkError> {
        for (i, symbol) in self.elf.symbols().iter().enumerate().skip(1) {
            let bad = |why: &str| Err(self.bad(format!("symbol {i} '{}': {why}", symbol.name)));
            if matches!(symbol.binding, Binding::Other(_)) {
                return bad("its binding is not known");
            }
            if !matches!(symbol.visibility, Visibility::Default | Visibility::Hidden) {
                return bad("its visibility is neither default nor hidden");
            }
            match symbol.section {
                SymSection::Undefined if !symbol.is_extern() || symbol.value != 0 || symbol.size != 0 => {
                    return bad("it is in no section and no extern");
                }
                SymSection::Index(_) if symbol.kind == SymbolKind::Section && symbol.value != 0 => {
                    return bad("it stands for a section and is not at its start");
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check_ext(&self) -> Result<(), LinkError> {
        let Some(ext) = &self.ext else { return Ok(()) };
        let Some(btf) = &self.btf else { return Err(self.bad("section '.BTF.ext' without '.BTF'")) };
        let mut copy = ext.clone();
        let error = self.types_error(".BTF.ext");
        let count = btf.type_count();
        let check = |id| match id {
            id if id < count => Ok(id),
            target => Err(oxbpf_btf::BtfError::BadReference { id: 0, target }),
        };
        copy.update_type_ids(check).map_err(&error)?;
        copy.update_str_offs(|off| btf.str_bytes(off).map(|_| off)).map_err(error)
    }

    /// Ties data sections of the types to the file's, and puts their global variables where the symbols say, which compilers
    /// leave to the linker.
    fn place_variables(&mut self) -> Result<(), LinkError> {
        let Some(btf) = self.btf.clone() else { return Ok(()) };
        let mut objects: HashMap<(u32, &str), u64> = HashMap::new();
        for symbol in self.elf.symbols().iter().rev().filter(|s| s.kind == SymbolKind::Object) {
            if let SymSection::Index(at) = symbol.section {
                objects.insert((at, symbol.name), symbol.value);
            }
        }
        for (id, datasec) in btf.own_types().filter_map(|t| match t.view() {
            Type::DataSec(view) => Some((t.id(), view)),
            _ => None,
        }) {
            let name = datasec.ty().name();
            let index = match self.find(name) {
                Some(index) => index,
                None if name == EXTERN_SECTION => continue,
                None => self.push(InSection::new(name, None, false)),
            };
            let mut vars: Vec<SecVar> = datasec.vars().collect();
            for var in &mut vars {
                let t = btf.get(var.type_id).map_err(self.types_error(".BTF"))?;
                let Type::Var { linkage: VarLinkage::GLOBAL_ALLOCATED, .. } = t.view() else { continue };
                let Some(value) = objects.get(&(index as u32, t.name())) else {
                    let why = format!("variable '{}' of section '{name}' has no symbol", t.name());
                    return Err(self.refuse(Errno::ENOENT, why));
                };
                var.offset = u32::try_from(*value)
                    .map_err(|_| self.bad(format!("variable '{}' is at {value:#x}", t.name())))?;
            }
            if let Some(section) = self.sections.get_mut(index) {
                section.datasec = Some(id);
                section.vars = vars;
            }
        }
        Ok(())
    }

    /// The types of global symbols by their names.
    pub(crate) fn symbol_types(&self) -> SymbolTypes<'_> {
        let mut map: HashMap<&str, Found> = HashMap::new();
        let Some(btf) = &self.btf else { return SymbolTypes(map) };
        for t in btf.own_types() {
            if is_seen(t.view()) {
                let found = map.entry(t.name()).or_default();
                if found.listed.is_none() {
                    found.free = Some(t.id());
                }
            }
            let Type::DataSec(datasec) = t.view() else { continue };
            for var in datasec.vars() {
                let Ok(var) = btf.get(var.type_id) else { continue };
                if is_static(var.view()) {
                    continue;
                }
                let found = map.entry(var.name()).or_default();
                if found.listed.is_none() {
                    found.is_ambiguous = found.free.is_some_and(|free| free != var.id());
                    found.listed = Some(SymbolType { id: var.id(), datasec: Some(t.id()) });
                }
            }
        }
        SymbolTypes(map)
    }

    pub(crate) fn symbol_type(
        &self,
        types: &SymbolTypes<'_>,
        symbol: &Symbol<'_>,
    ) -> Result<SymbolType, LinkError> {
        let name = symbol.name;
        if self.btf.is_none() {
            let (errno, word) = match symbol.section {
                SymSection::Undefined => (EOPNOTSUPP, "extern"),
                _ => (Errno::EINVAL, "global symbol"),
            };
            return Err(
                self.refuse(errno, format!("{word} '{name}', but the file has no types (compile with -g)"))
            );
        }
        match types.0.get(name) {
            Some(found) if found.is_ambiguous => {
                Err(self.bad(format!("symbol '{name}' has several types in '.BTF'")))
            }
            Some(Found { listed: Some(found), .. }) => Ok(*found),
            Some(Found { free: Some(id), .. }) => Ok(SymbolType { id: *id, datasec: None }),
            _ => Err(self.refuse(Errno::ENOENT, format!("symbol '{name}' has no type in '.BTF'"))),
        }
    }
}

/// The types of an object's global symbols.
#[derive(Debug)]
pub(crate) struct SymbolTypes<'a>(HashMap<&'a str, Found>);

/// Whether a variable or function is seen by other files.
pub(crate) fn is_seen(t: Type<'_>) -> bool {
    match t {
        Type::Var { linkage, .. } => linkage != VarLinkage::STATIC,
        Type::Func { linkage, .. } => linkage != FuncLinkage::STATIC,
        _ => false,
    }
}

fn is_static(t: Type<'_>) -> bool {
    matches!(t, Type::Var { .. } | Type::Func { .. }) && !is_seen(t)
}

/// Whether the linked object goes without a section: its own tables are made anew, and debug information is not merged.
fn is_ignored(section: &Section<'_>) -> bool {
    let is_debug = |name: &str| name.starts_with(".debug_");
    match section.kind {
        kind::STRTAB | kind::LLVM_ADDRSIG => true,
        kind::PROGBITS if section.size == 0 && section.name == ".text" => true,
        _ if is_debug(section.name) => true,
        _ => match section.name.strip_prefix(".rel") {
            Some(name) => is_debug(name) || name == ".BTF" || name == ".BTF.ext",
            None => false,
        },
    }
}
