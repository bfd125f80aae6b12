//! Types and per-instruction records of all objects into one BTF and one BTF.ext.

use oxbpf_btf::{Btf, BtfError, BtfExt, BtfExtBuilder, ExtTable, Placement, Type, TypeId};

use crate::Linker;
use crate::error::LinkError;
use crate::input::{Input, is_seen};
use crate::output::OutVar;

/// Word numbers in the records of BTF.ext.
struct Fields {
    id: Option<usize>,
    strs: &'static [usize],
}

fn fields(table: ExtTable) -> Fields {
    match table {
        ExtTable::Func => Fields { id: Some(1), strs: &[] },
        ExtTable::Line => Fields { id: None, strs: &[1, 2] },
        ExtTable::Core => Fields { id: Some(1), strs: &[2] },
    }
}

impl Linker {
    /// Adds the types of an object; gives by id there the id here, void for what is left out.
    pub(crate) fn append_types(&mut self, input: &Input<'_>) -> Result<Vec<TypeId>, LinkError> {
        let Some(btf) = &input.btf else { return Ok(Vec::new()) };
        let error = |source| LinkError::Types { file: input.file.clone(), section: ".BTF", source };
        let globals = &mut self.globals;
        // Globals whose type refers to one of this object's, which has no number here yet.
        let mut moved: Vec<(usize, TypeId)> = Vec::new();
        let mut next = self.types.type_count();
        let ids = self.types.append_selected(btf, |t| {
            if let Type::DataSec(_) = t.view() {
                return Placement::Skip;
            }
            if is_seen(t.view()) {
                // Variables of sections that are left out have no symbol.
                let Some(at) = globals.find(t.name()) else { return Placement::Skip };
                let Some(global) = globals.all.get_mut(at) else { return Placement::Skip };
                let is_new = global.id.is_void();
                if is_new || core::mem::take(&mut global.wants_type) {
                    moved.push((at, t.type_id()));
                }
                if !is_new {
                    return Placement::Use(global.id);
                }
                global.id = TypeId(next);
            }
            next += 1;
            Placement::Copy
        });
        let ids = ids.map_err(error)?;
        for (at, refers) in moved {
            let refers = ids.get(refers.0 as usize).copied().unwrap_or_default();
            let Some(global) = self.globals.all.get_mut(at) else { continue };
            global.refers = refers;
            self.types.set_target(global.id, refers).map_err(LinkError::ResultTypes)?;
        }
        self.append_variables(input, btf, &ids)?;
        Ok(ids)
    }

    /// Lists the variables of an object's data sections in those of the linked object.
    fn append_variables(&mut self, input: &Input<'_>, btf: &Btf, ids: &[TypeId]) -> Result<(), LinkError> {
        for section in input.sections.iter().filter(|s| s.datasec.is_some() && !s.is_skipped) {
            let Some(out) = self.out.sections.get_mut(section.out) else { continue };
            out.is_listed = true;
            for var in &section.vars {
                let error = |source| LinkError::Types { file: input.file.clone(), section: ".BTF", source };
                let t = btf.get(var.type_id).map_err(error)?;
                let id = ids.get(var.type_id.0 as usize).copied().unwrap_or_default();
                if id.is_void() {
                    let why = format!("variable '{}' of section '{}' has no symbol", t.name(), section.name);
                    return Err(input.bad(why));
                }
                let global = match is_seen(t.view()) {
                    true => self.globals.find(t.name()).and_then(|at| self.globals.all.get_mut(at)),
                    false => None,
                };
                if let Some(global) = &global {
                    if global.section != Some(section.out) {
                        let why = format!(
                            "'{}' is in another section elsewhere than in '{}'",
                            t.name(),
                            section.name
                        );
                        return Err(input.bad(why));
                    }
                }
                if let Some(at) = global.as_ref().and_then(|g| g.var) {
                    // What it is may come from this object, and then its size does; functions have none.
                    if let (Type::Var { .. }, Some(var), Some(global)) =
                        (t.view(), out.vars.get_mut(at), global)
                    {
                        let origin = self.objects.get(global.origin.0).and_then(|o| o.btf.as_deref());
                        let origin = origin.unwrap_or(btf);
                        let of = origin.get(global.origin.1).map_err(error)?.type_id();
                        var.size = origin.size_of(of).map_err(error)?;
                    }
                    continue;
                }
                let offset = section.offset + u64::from(var.offset);
                let offset = u32::try_from(offset)
                    .map_err(|_| LinkError::Result(format!("section '{}' is too large", section.name)))?;
                if let Some(global) = global {
                    global.var = Some(out.vars.len());
                }
                out.vars.push(OutVar { id, offset, size: var.size });
            }
        }
        Ok(())
    }

    /// Adds the records of an object's BTF.ext.
    pub(crate) fn append_ext(&mut self, input: &Input<'_>, ids: &[TypeId]) -> Result<(), LinkError> {
        let (Some(btf), Some(ext)) = (&input.btf, &input.ext) else { return Ok(()) };
        for table in ExtTable::ALL {
            let error = |source| LinkError::Types { file: input.file.clone(), section: ".BTF.ext", source };
            for group in ext.records(table, btf).map_err(error)? {
                let (name, rec_size) = (group.name, group.rec_size);
                let section = input.find(name).and_then(|at| input.sections.get(at));
                let Some(section) = section.filter(|s| s.is_data()) else {
                    return Err(
                        input.bad(format!("section '{name}', which '.BTF.ext' has records for, is missing"))
                    );
                };
                let Some(out) = self.out.sections.get_mut(section.out) else { continue };
                let first = out.first;
                let records = out.records(table);
                if records.rec_size != 0 && records.rec_size != rec_size {
                    let file = |at: usize| {
                        self.objects.get(at).map_or_else(|| input.file.clone(), |o| o.file.clone())
                    };
                    return Err(LinkError::Section {
                        section: name.to_owned(),
                        first: file(first),
                        second: input.file.clone(),
                        why: format!(
                            "'.BTF.ext' has records of {} bytes for one and of {rec_size} for the other",
                            records.rec_size
                        ),
                    });
                }
                records.rec_size = rec_size;
                for record in group.records {
                    let start = records.bytes.len();
                    records.bytes.extend_from_slice(record);
                    let Some(new) = records.bytes.get_mut(start..) else { continue };
                    let at = section.offset as u32;
                    update(new, 0, |offset| Ok(offset.wrapping_add(at))).map_err(error)?;
                    let fields = fields(table);
                    if let Some(word) = fields.id {
                        let id = |id: u32| ids.get(id as usize).map_or(0, |id| id.0);
                        update(new, word, |old| Ok(id(old))).map_err(error)?;
                    }
                    for word in fields.strs {
                        update(new, *word, |off| self.types.add_str(btf.str_at(off)?)).map_err(error)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The finished BTF and BTF.ext, if there are any types.
    pub(crate) fn finish_types(&mut self) -> Result<Option<(Btf, Option<BtfExt>)>, LinkError> {
        if self.types.type_count() == 1 {
            return Ok(None);
        }
        self.merge_types().map(Some).map_err(LinkError::ResultTypes)
    }

    fn merge_types(&mut self) -> Result<(Btf, Option<BtfExt>), BtfError> {
        for section in self.out.sections.iter().filter(|s| s.is_listed) {
            let size =
                u32::try_from(section.size).map_err(|_| BtfError::TooLong { len: section.data.len() })?;
            self.types.add_datasec(&section.name, size)?;
            for var in &section.vars {
                self.types.add_datasec_var(var.id, var.offset, var.size)?;
            }
        }
        let mut ext = BtfExtBuilder::new();
        let mut has_records = false;
        for table in ExtTable::ALL {
            for section in &mut self.out.sections {
                let records = core::mem::take(section.records(table));
                if records.bytes.is_empty() {
                    continue;
                }
                has_records = true;
                let name = self.types.add_str(&section.name)?;
                ext.add_records(table, name, records.rec_size, &records.bytes)?;
            }
        }
        let mut types = core::mem::take(&mut self.types);
        if !has_records {
            types.dedup()?;
            return Ok((types.finish()?, None));
        }
        let mut ext = ext.finish()?;
        types.dedup_with(&mut ext)?;
        Ok((types.finish()?, Some(ext)))
    }
}

fn update(
    record: &mut [u8],
    word: usize,
    change: impl FnOnce(u32) -> Result<u32, BtfError>,
) -> Result<(), BtfError> {
    let Some(bytes) = record.get_mut(4 * word..).and_then(|r| r.first_chunk_mut::<4>()) else {
        return Ok(());
    };
    *bytes = change(u32::from_ne_bytes(*bytes))?.to_ne_bytes();
    Ok(())
}
