//! Opening: the bytes of an object file in, an [`ObjectSpec`] out.
//!
//! Nothing is asked of the system, so the same bytes give the same spec on every machine. The steps, in an order that
//! their dependencies force: sections by name; code by symbols; externs; BTF completed from the ELF symbols; maps;
//! relocations.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use oxbpf_btf::{Btf, BtfExt, Bytes, FuncLinkage, Type, TypeId};
use oxbpf_elf::ElfObject;
use oxbpf_uapi::{BtfKind, Errno};

use crate::btf_fix;
use crate::code::Codes;
use crate::error::{ObjectError, Place};
use crate::externs::Externs;
use crate::layout::{Layout, Role};
use crate::maps::{Maps, Source};
use crate::relocs::{self, Resolver};
use crate::spec::{CoreRelocRef, FuncId, ObjectSpec};

/// Prefix of the declaration tag that names a program's exception callback.
const EXCEPTION_CALLBACK: &str = "exception_callback:";

/// How to open an object.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OpenOptions {
    /// Name of the object: prefix of the names of its data maps. See [`OpenOptions::from_path`].
    pub name: String,
    /// Name of the file for messages; the object's name if empty.
    pub file: String,
    /// Skip members of map definitions whose names are not known, instead of refusing the object.
    pub relaxed_maps: bool,
}

impl OpenOptions {
    /// Options for an object of this name.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Options for a file: the object is called like the last part of the path, up to its first dot.
    pub fn from_path(path: &str) -> Self {
        let base = path.rsplit('/').next().unwrap_or(path);
        let name = base.split('.').next().unwrap_or(base);
        Self { name: name.to_owned(), file: path.to_owned(), ..Self::default() }
    }
}

/// Reads a BPF object file.
///
/// # Errors
/// Broken or foreign ELF, BTF that is broken or missing where maps, externs or struct_ops need it, map definitions and
/// relocations that make no sense. The message names the file and the section, program and instruction, or map.
#[doc(alias = "bpf_object__open_mem")]
pub fn open(data: impl Into<Bytes>, opts: &OpenOptions) -> Result<ObjectSpec, ObjectError> {
    let data: Bytes = data.into();
    let file: Arc<str> = if opts.file.is_empty() { opts.name.as_str() } else { opts.file.as_str() }.into();
    let elf = ElfObject::parse(&data, &file).map_err(ObjectError::elf)?;
    let layout = Layout::new(&elf, &file)?;
    let mut codes = Codes::collect(&elf, &layout, &file)?;
    let (raw_btf, btf_ext) = read_btf(&data, &elf, &layout, &file)?;
    if let Some(btf) = &raw_btf {
        name_types(&mut codes, btf, btf_ext.as_ref(), &file)?;
    }
    let externs = Externs::collect(&elf, raw_btf.as_ref(), &file)?;
    let btf = match &raw_btf {
        Some(btf) => Some(btf_fix::fix(&elf, btf, &externs, &codes, &file)?),
        None => None,
    };
    let source = Source {
        elf: &elf,
        layout: &layout,
        btf: btf.as_ref(),
        file: &file,
        object: &opts.name,
        relaxed: opts.relaxed_maps,
    };
    let mut maps = Maps::collect(source, &externs)?;
    let resolver = Resolver { elf: &elf, layout: &layout, btf: btf.as_ref(), externs: &externs, file: &file };
    relocs::resolve(resolver, &mut codes, &mut maps)?;
    if let Some(btf) = &btf {
        exception_callbacks(&mut codes, btf, &file)?;
        core_relocs(&mut codes, btf, btf_ext.as_ref(), &elf, &file)?;
    }
    let jump_tables =
        layout.jump_tables.and_then(|i| elf.section(i)).map(|s| s.data.to_vec()).unwrap_or_default();
    Ok(ObjectSpec {
        name: opts.name.clone(),
        license: layout.license,
        kern_version: layout.kern_version,
        is_foreign_endian: elf.is_foreign_endian(),
        btf: btf.map(Arc::new),
        btf_ext: btf_ext.map(Arc::new),
        programs: codes.programs,
        functions: codes.functions,
        maps: maps.specs,
        externs: externs.specs,
        struct_ops: maps.struct_ops,
        map_tags: maps.tags,
        jump_tables,
    })
}

/// BTF and BTF.ext. What is broken is an error if something needs it, else a warning, as with libbpf.
fn read_btf(
    data: &Bytes,
    elf: &ElfObject<'_>,
    layout: &Layout,
    file: &Arc<str>,
) -> Result<(Option<Btf>, Option<BtfExt>), ObjectError> {
    let is_needed = layout.maps.is_some()
        || layout.roles.contains(&Role::StructOps)
        || elf.symbols().iter().any(|s| s.is_extern() && !s.name.is_empty());
    let bytes = |index: Option<u32>| {
        let section = elf.section(index?)?;
        Some((section.name, data.slice(section.range.clone())?))
    };
    let place = |name: &str| Place::Section(name.to_owned());
    let Some((name, raw)) = bytes(layout.btf) else { return Ok((None, None)) };
    let btf = match Btf::parse(raw) {
        Ok(btf) => btf,
        Err(e) if is_needed => return Err(ObjectError::btf(file, place(name), e)),
        Err(e) => {
            log::warn!("{file}: section '{name}' is ignored: {e}");
            return Ok((None, None));
        }
    };
    let Some((name, raw)) = bytes(layout.btf_ext) else { return Ok((Some(btf), None)) };
    match BtfExt::parse(raw) {
        Ok(ext) => Ok((Some(btf), Some(ext))),
        Err(e) if is_needed => Err(ObjectError::btf(file, place(name), e)),
        Err(e) => {
            log::warn!("{file}: section '{name}' is ignored: {e}");
            Ok((Some(btf), None))
        }
    }
}

/// Finds the BTF FUNC of each program and function: by its function record, which static functions of the same name
/// cannot confuse, else by name.
fn name_types(
    codes: &mut Codes,
    btf: &Btf,
    ext: Option<&BtfExt>,
    file: &Arc<str>,
) -> Result<(), ObjectError> {
    let infos = match ext {
        Some(ext) => ext
            .func_infos(btf)
            .map_err(|e| ObjectError::btf(file, Place::Section(".BTF.ext".to_owned()), e))?,
        None => Vec::new(),
    };
    let ids: Vec<_> = codes.extents().iter().map(|e| e.id).collect();
    for id in ids {
        let Some(code) = codes.code_mut(id) else { continue };
        let is_func = |id: &TypeId| btf.get(*id).is_ok_and(|t| t.kind() == BtfKind::FUNC);
        let offset = u64::from(code.sec_insn_off) * 8;
        let by_record = infos
            .iter()
            .filter(|sec| sec.name == code.section)
            .flat_map(|sec| sec.records.get(sec.records.partition_point(|r| u64::from(r.insn_off) < offset)))
            .find(|r| u64::from(r.insn_off) == offset)
            .map(|r| r.type_id)
            .filter(is_func);
        code.btf_id = by_record.or_else(|| btf.find(&code.name, BtfKind::FUNC));
    }
    Ok(())
}

/// Finds the functions that `exception_callback:` tags name. A program with two tags gets none: the kernel refuses it, whatever they name.
fn exception_callbacks(codes: &mut Codes, btf: &Btf, file: &Arc<str>) -> Result<(), ObjectError> {
    let mut tagged = HashSet::new();
    for t in btf.types() {
        let Type::DeclTag { target, component_idx: -1 } = t.view() else { continue };
        let Some(callback) = t.name().strip_prefix(EXCEPTION_CALLBACK) else { continue };
        let func = btf.get(target).ok();
        let prog_name = func.map_or("?", |f| f.name());
        let found = codes.programs.iter_mut().find(|p| p.code.name == prog_name);
        let section = found.as_ref().map_or_else(String::new, |p| p.code.section.clone());
        let fail = |errno, why: String| {
            let place = Place::Code { section: section.clone(), name: prog_name.to_owned() };
            Err(ObjectError::new(file, place, errno, why))
        };
        let is_global =
            matches!(func.map(|f| f.view()), Some(Type::Func { linkage: FuncLinkage::GLOBAL, .. }));
        let Some(prog) = found.filter(|_| is_global) else {
            return fail(Errno::EINVAL, format!("tag '{}' is not on a program", t.name()));
        };
        if !tagged.insert(target) {
            prog.exception_callback = None;
            continue;
        }
        let mut named = (0u32..).zip(&codes.functions).filter(|(_, f)| f.code.name == callback);
        match (named.next(), named.next()) {
            (Some((_, f)), _) if !f.is_global || f.is_hidden => {
                let why = format!("its exception callback '{callback}' must be global and not hidden");
                return fail(Errno::EINVAL, why);
            }
            (Some((i, _)), None) => prog.exception_callback = Some(FuncId(i)),
            (Some(_), Some(_)) => {
                return fail(
                    Errno::EINVAL,
                    format!("two functions are called like its exception callback '{callback}'"),
                );
            }
            (None, _) => {
                return fail(
                    Errno::ENOENT,
                    format!("there is no function '{callback}' to be its exception callback"),
                );
            }
        }
    }
    Ok(())
}

/// Gives each piece of code its CO-RE records.
fn core_relocs(
    codes: &mut Codes,
    btf: &Btf,
    ext: Option<&BtfExt>,
    elf: &ElfObject<'_>,
    file: &Arc<str>,
) -> Result<(), ObjectError> {
    let Some(ext) = ext else { return Ok(()) };
    let sections =
        ext.core_relos(btf).map_err(|e| ObjectError::btf(file, Place::Section(".BTF.ext".to_owned()), e))?;
    let mut seen: HashMap<&str, u32> = HashMap::new();
    // Of sections with the same name, the first.
    let by_name: HashMap<&str, _> = elf.sections().iter().rev().map(|s| (s.name, s)).collect();
    for info in &sections {
        let fail =
            |why: String| ObjectError::new(file, Place::Section(info.name.to_owned()), Errno::EINVAL, why);
        let Some(section) = by_name.get(info.name).filter(|s| s.index != 0) else {
            return Err(fail("it has CO-RE relocations, but the file has no such section".to_owned()));
        };
        // Records of one section are numbered through, should it have several groups of them.
        let count = seen.entry(info.name).or_default();
        let first = *count;
        *count += info.records.len() as u32;
        for (i, relo) in (first..).zip(&info.records) {
            if relo.insn_off % 8 != 0 {
                return Err(fail(format!(
                    "CO-RE relocation {i} is at offset {:#x}, inside an instruction",
                    relo.insn_off
                )));
            }
            let at = relo.insn_off / 8;
            let Some(&extent) = codes.at(section.index, u64::from(at)) else {
                // Of a weak function that the linker dropped in favour of another.
                log::debug!("section '{}': CO-RE relocation {i} is in no function", info.name);
                continue;
            };
            if let Some(code) = codes.code_mut(extent.id) {
                code.core_relocs.push(CoreRelocRef { insn: at - extent.start, record: i });
            }
        }
    }
    Ok(())
}
