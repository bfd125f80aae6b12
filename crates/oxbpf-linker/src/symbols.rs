//! Symbols of all objects by name: one definition wins, the others refer to it.

use std::collections::HashMap;

use oxbpf_btf::{Btf, BtfError, FuncLinkage, Type, TypeId, VarLinkage};
use oxbpf_elf::{Binding, SymSection, Symbol, SymbolKind, Visibility};

use crate::Linker;
use crate::compat::{self, Typed};
use crate::error::{Definition, LinkError};
use crate::input::{Input, SymbolType, SymbolTypes, kind};
use crate::output::OutSymbol;

/// Sections whose symbols are of no type.
const JUMP_TABLES: &str = ".jumptables";
/// The data section of types that no file has.
const EXTERN_SECTION: &str = ".extern";
const MAPS: &str = ".maps";

/// A symbol that all objects see.
#[derive(Debug)]
pub(crate) struct Global {
    /// Its number in the linked object.
    pub(crate) symbol: u32,
    /// The section that it is in, also one that only types know.
    pub(crate) section: Option<usize>,
    /// Its variable or function in the linked object's types, void until they have it.
    pub(crate) id: TypeId,
    /// What that refers to there: the variable's type, the function's prototype.
    pub(crate) refers: TypeId,
    /// The object whose types say what it is, by number, and the variable or function there.
    pub(crate) origin: (usize, TypeId),
    /// Place among the variables of its section.
    pub(crate) var: Option<usize>,
    pub(crate) is_extern: bool,
    pub(crate) is_weak: bool,
    /// Whether what the type refers to is to be taken from the object that is being added.
    pub(crate) wants_type: bool,
}

/// Symbols that all objects see, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Globals {
    pub(crate) all: Vec<Global>,
    by_name: HashMap<String, usize>,
}

impl Globals {
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    fn add(&mut self, name: &str, global: Global) {
        // Of symbols without a type there may be several; the first counts.
        self.by_name.entry(name.to_owned()).or_insert(self.all.len());
        self.all.push(global);
    }
}

/// Whose symbol it is, and where it goes.
struct Place {
    /// Section of the linked object.
    section: Option<usize>,
    /// What is added to the symbol's value.
    offset: u64,
}

impl Linker {
    /// Adds the symbols of an object; gives by number there the number here, 0 for those that are left out.
    pub(crate) fn append_symbols(&mut self, input: &Input<'_>) -> Result<Vec<u32>, LinkError> {
        let types = input.symbol_types();
        let mut map = vec![0; input.elf.symbols().len()];
        for symbol in input.elf.symbols().iter().skip(1) {
            let new = self.append_symbol(input, &types, symbol)?;
            if let Some(slot) = map.get_mut(symbol.index as usize) {
                *slot = new;
            }
        }
        Ok(map)
    }

    fn append_symbol(
        &mut self,
        input: &Input<'_>,
        types: &SymbolTypes<'_>,
        symbol: &Symbol<'_>,
    ) -> Result<u32, LinkError> {
        let mut place = Place { section: None, offset: 0 };
        let mut has_type = symbol.binding != Binding::Local;
        if let SymSection::Index(at) = symbol.section {
            let Some(section) = input.section(at).filter(|s| !s.is_skipped) else { return Ok(0) };
            if section.elf.is_some_and(|s| s.kind == kind::REL || s.kind == kind::SYMTAB) {
                return Err(input.bad(format!("symbol '{}' is in section '{}'", symbol.name, section.name)));
            }
            place = Place { section: Some(section.out), offset: section.offset };
            let known = self.out.sections.get(section.out).and_then(|s| s.symbol);
            if let (SymbolKind::Section, Some(known)) = (symbol.kind, known) {
                return Ok(known);
            }
            has_type &= section.name != JUMP_TABLES;
        }
        if !has_type {
            return Ok(self.new_symbol(symbol, &place, None));
        }
        let t = input.symbol_type(types, symbol)?;
        let is_extern = symbol.section == SymSection::Undefined;
        if is_extern {
            place.section = self.extern_section(input, t)?;
        }
        match self.globals.find(symbol.name) {
            Some(at) => self.merge(input, at, symbol, t, &place),
            None => Ok(self.new_symbol(symbol, &place, Some(t))),
        }
    }

    /// The section that types put an extern into: `.kconfig`, `.ksyms`, `.maps`.
    fn extern_section(&self, input: &Input<'_>, t: SymbolType) -> Result<Option<usize>, LinkError> {
        let (Some(btf), Some(datasec)) = (&input.btf, t.datasec) else { return Ok(None) };
        let name = btf.get(datasec).map(|t| t.name()).unwrap_or_default();
        if name == EXTERN_SECTION {
            return Ok(None);
        }
        let found = input.find(name).and_then(|at| input.sections.get(at));
        let found = found.filter(|s| s.is_data());
        let section = found.ok_or_else(|| {
            input.refuse(
                oxbpf_uapi::Errno::ENOENT,
                format!("section '{name}' of its types is not in the file"),
            )
        })?;
        Ok(Some(section.out))
    }

    fn new_symbol(&mut self, symbol: &Symbol<'_>, place: &Place, t: Option<SymbolType>) -> u32 {
        let number = self.out.symbols.len() as u32;
        let is_section = symbol.kind == SymbolKind::Section;
        let section = place.section.and_then(|at| self.out.sections.get_mut(at));
        let index = match (&section, symbol.section) {
            (Some(section), _) => section.index() as u16,
            (None, SymSection::Absolute) => 0xfff1,
            (None, SymSection::Common) => 0xfff2,
            (None, SymSection::Reserved(number)) => number,
            (None, _) => 0,
        };
        if let Some(section) = section.filter(|_| is_section) {
            section.symbol = Some(number);
        }
        let name = self.out.strings.add(symbol.name);
        self.out.symbols.push(OutSymbol {
            name,
            info: binding(symbol.binding) << 4 | symbol_kind(symbol.kind),
            other: visibility(symbol.visibility),
            section: index,
            value: if is_section { 0 } else { place.offset.wrapping_add(symbol.value) },
            size: symbol.size,
        });
        if symbol.binding != Binding::Local {
            let global = Global {
                symbol: number,
                section: place.section,
                id: TypeId::VOID,
                refers: TypeId::VOID,
                origin: (self.objects.len(), t.map_or(TypeId::VOID, |t| t.id)),
                var: None,
                is_extern: symbol.section == SymSection::Undefined,
                is_weak: symbol.binding == Binding::Weak,
                wants_type: false,
            };
            self.globals.add(symbol.name, global);
        }
        number
    }

    /// Makes one of a symbol that is known and one of the same name in the object that is being added.
    fn merge(
        &mut self,
        input: &Input<'_>,
        at: usize,
        symbol: &Symbol<'_>,
        t: SymbolType,
        place: &Place,
    ) -> Result<u32, LinkError> {
        let is_extern = symbol.section == SymSection::Undefined;
        let is_weak = symbol.binding == Binding::Weak;
        self.check_match(input, at, symbol, t)?;
        let Some(global) = self.globals.all.get_mut(at) else { return Ok(0) };
        let number = global.symbol;
        let Some(known) = self.out.symbols.get_mut(number as usize) else { return Ok(0) };
        // One strong mention makes the symbol strong, one hidden mention hides it.
        if symbol.binding == Binding::Global {
            known.info = binding(Binding::Global) << 4 | known.info & 0xf;
            global.is_weak = false;
        }
        known.other = known.other.max(visibility(symbol.visibility));
        // Nothing new is said by a mere mention, nor by a weak definition where there is one.
        if is_extern || (!global.is_extern && is_weak) {
            return Ok(number);
        }
        known.info = known.info & 0xf0 | symbol_kind(symbol.kind);
        known.section =
            place.section.and_then(|at| self.out.sections.get(at)).map_or(0, |s| s.index() as u16);
        known.value = place.offset.wrapping_add(symbol.value);
        known.size = symbol.size;
        global.section = place.section;
        global.is_extern = false;
        global.wants_type = true;
        global.origin = (self.objects.len(), t.id);
        let (id, refers) = (global.id, global.refers);
        self.complete(input, id, refers, t.id).map_err(LinkError::ResultTypes)?;
        Ok(number)
    }

    /// Refuses two definitions, and mentions that mean different things.
    fn check_match(
        &self,
        input: &Input<'_>,
        at: usize,
        symbol: &Symbol<'_>,
        t: SymbolType,
    ) -> Result<(), LinkError> {
        let Some(global) = self.globals.all.get(at) else { return Ok(()) };
        let is_extern = symbol.section == SymSection::Undefined;
        let is_weak = symbol.binding == Binding::Weak;
        let conflict = |why: String| {
            let first = self.objects.get(global.origin.0);
            let declare = |btf: Option<&Btf>, id: TypeId| match btf {
                Some(btf) if !id.is_void() => declaration(btf, id, symbol.name),
                _ => String::new(),
            };
            LinkError::Symbol {
                symbol: symbol.name.to_owned(),
                first: Box::new(Definition {
                    file: first.map_or_else(|| input.file.clone(), |o| o.file.clone()),
                    declaration: declare(first.and_then(|o| o.btf.as_deref()), global.origin.1),
                    is_extern: global.is_extern,
                    is_weak: global.is_weak,
                }),
                second: Box::new(Definition {
                    file: input.file.clone(),
                    declaration: declare(input.btf.as_deref(), t.id),
                    is_extern,
                    is_weak,
                }),
                why,
            }
        };
        if !is_extern && !global.is_extern && !global.is_weak && !is_weak {
            return Err(conflict("there are two definitions, and neither is weak".into()));
        }
        let first = self.objects.get(global.origin.0).and_then(|o| o.btf.as_deref());
        let (Some(first), Some(second), false) = (first, input.btf.as_deref(), global.id.is_void()) else {
            return Err(conflict("its type is not known in both".into()));
        };
        let (one, other) = (Typed { btf: first, id: global.origin.1 }, Typed { btf: second, id: t.id });
        let section = global.section.and_then(|at| self.out.sections.get(at));
        let verdict = match section {
            Some(section) if section.name == MAPS => compat::maps(symbol.name, one, other),
            _ => compat::symbols(one, other),
        };
        verdict.map_err(conflict)
    }

    /// Makes a declaration in the types the definition that was found for it. Names of arguments, which declarations lack,
    /// are filled in, so that both prototypes become one.
    fn complete(
        &mut self,
        input: &Input<'_>,
        id: TypeId,
        refers: TypeId,
        defined: TypeId,
    ) -> Result<(), BtfError> {
        let Some(btf) = &input.btf else { return Ok(()) };
        let defined = btf.get(defined)?;
        if let Type::Var { .. } = defined.view() {
            return self.types.set_var(id, refers, VarLinkage::GLOBAL_ALLOCATED);
        }
        self.types.set_func_linkage(id, FuncLinkage::GLOBAL)?;
        let Type::FuncProto(proto) = btf.get(defined.type_id())?.view() else { return Ok(()) };
        for (i, param) in proto.params().enumerate().filter(|(_, p)| !p.name.is_empty()) {
            self.types.set_param_name(refers, i, param.name)?;
        }
        Ok(())
    }
}

fn declaration(btf: &Btf, id: TypeId, name: &str) -> String {
    btf.get(id).map(|t| btf.c_decl(t.type_id(), name)).unwrap_or_default()
}

fn binding(b: Binding) -> u8 {
    match b {
        Binding::Local => 0,
        Binding::Global => 1,
        Binding::Weak => 2,
        Binding::Other(other) => other,
    }
}

fn symbol_kind(kind: SymbolKind) -> u8 {
    match kind {
        SymbolKind::NoType => 0,
        SymbolKind::Object => 1,
        SymbolKind::Func => 2,
        SymbolKind::Section => 3,
        SymbolKind::File => 4,
        SymbolKind::Other(other) => other,
    }
}

fn visibility(v: Visibility) -> u8 {
    match v {
        Visibility::Default => 0,
        Visibility::Internal => 1,
        Visibility::Hidden => 2,
        Visibility::Protected => 3,
    }
}
