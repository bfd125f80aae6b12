//! Global variables: names and types from BTF, places in data maps.

use std::sync::Arc;

use oxbpf_btf::{BtfBuilder, BtfError, SecVar, Type, TypeId};
use oxbpf_object::{MapId, MapOrigin};
use oxbpf_uapi::{BtfKind, MapType};

use super::state::Core;
use crate::error::{At, Error, Frame, Result, nearest};

/// Section of an arena's variables.
const ARENA_SECTION: &str = ".addr_space.1";

/// Where a global variable lies, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Global {
    /// Its name.
    pub name: String,
    /// The data map that it is in.
    pub map: MapId,
    /// The section, such as ".rodata".
    pub section: String,
    /// Byte offset in the map's value.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
    /// Its type in the object's BTF.
    pub type_id: TypeId,
    /// Whether user space can no longer change it once the object is loaded.
    pub is_read_only: bool,
}

impl Core {
    pub(crate) fn globals(&self) -> Vec<Global> {
        let mut out = Vec::new();
        for (i, map) in self.spec.maps.iter().enumerate() {
            let Some(btf) = &self.spec.btf else { continue };
            let section = match map.origin {
                MapOrigin::Data | MapOrigin::RoData | MapOrigin::Bss => map.btf_value_type_id,
                _ if map.map_type == MapType::ARENA && !map.data.is_empty() => {
                    btf.find(ARENA_SECTION, BtfKind::DATASEC).unwrap_or(TypeId::VOID)
                }
                _ => continue,
            };
            let Ok(Type::DataSec(sec)) = btf.get(section).map(|t| t.view()) else { continue };
            for var in sec.vars() {
                let Ok(ty) = btf.get(var.type_id) else { continue };
                let Type::Var { type_id, .. } = ty.view() else { continue };
                out.push(Global {
                    name: ty.name().to_owned(),
                    map: MapId(i as u32),
                    section: map.real_name.clone(),
                    offset: var.offset,
                    size: var.size,
                    type_id,
                    is_read_only: map.origin == MapOrigin::RoData,
                });
            }
        }
        out
    }

    pub(crate) fn global(&self, name: &str) -> Result<Global> {
        let mut globals = self.globals();
        if let Some(i) = globals.iter().position(|g| g.name == name) {
            return Ok(globals.swap_remove(i));
        }
        let message = match nearest(name, globals.iter().map(|g| g.name.as_str())) {
            Some(near) => format!("no global variable `{name}`; did you mean `{near}`?"),
            None if self.spec.btf.is_none() => {
                format!("no global variable `{name}`: the object has no BTF to name any (build it with -g)")
            }
            None if globals.is_empty() => format!("no global variable `{name}`: the object has none"),
            None => {
                let names: Vec<_> = globals.iter().map(|g| g.name.as_str()).collect();
                format!("no global variable `{name}`; there are {}", names.join(", "))
            }
        };
        Err(Error::not_found(message))
    }

    pub(crate) fn initial_global(&self, name: &str) -> Result<&[u8]> {
        let global = self.global(name)?;
        let range = global.offset as usize..global.offset as usize + global.size as usize;
        let data = self.spec.maps.get(global.map.0 as usize).and_then(|m| m.data.get(range));
        data.ok_or_else(|| {
            Error::invalid_object("the variable lies outside its section").at(Frame::Global(name.into()))
        })
    }

    pub(crate) fn set_initial_global(&mut self, name: &str, value: &[u8]) -> Result<()> {
        self.check_open()?;
        let global = self.global(name)?;
        let frame = || Frame::Global(name.to_owned());
        if value.len() != global.size as usize {
            let why = format!("the value has {} bytes, the variable {}", value.len(), global.size);
            return Err(Error::invalid_input(why).at(frame()));
        }
        let range = global.offset as usize..global.offset as usize + global.size as usize;
        let data = self.spec.maps.get_mut(global.map.0 as usize).and_then(|m| m.data.get_mut(range));
        let place =
            data.ok_or_else(|| Error::invalid_object("the variable lies outside its section")).at(frame)?;
        place.copy_from_slice(value);
        Ok(())
    }

    /// Makes a data map's section `size` bytes long in BTF. Its last variable must be an array, which takes what there is
    /// after the others. Says whether that could be done.
    pub(super) fn resize_section(&mut self, map: MapId, size: u32) -> bool {
        let Some((btf, map)) = self.spec.btf.clone().zip(self.spec.maps.get(map.0 as usize)) else {
            return false;
        };
        let section = map.btf_value_type_id;
        let resize = || -> Result<Option<_>, BtfError> {
            let Type::DataSec(view) = btf.get(section)?.view() else { return Ok(None) };
            let Some((i, last)) = view.vars().enumerate().last() else { return Ok(None) };
            let var = btf.get(last.type_id)?;
            let Type::Var { type_id, linkage } = var.view() else { return Ok(None) };
            let Type::Array { elem, index, .. } = btf.resolve_ref(type_id)?.view() else { return Ok(None) };
            let (elem_size, room) = (btf.size_of(elem)?, size.checked_sub(last.offset));
            let Some(room) = room.filter(|room| elem_size > 0 && room % elem_size == 0) else {
                return Ok(None);
            };
            let mut edit = BtfBuilder::from_btf(&btf)?;
            let array = edit.add_array(index, elem, room / elem_size)?;
            edit.set_var(var.id(), array, linkage)?;
            edit.set_datasec_var(section, i, SecVar { size: room, ..last })?;
            edit.set_datasec_size(section, size)?;
            edit.finish().map(Some)
        };
        match resize() {
            Ok(Some(btf)) => {
                self.spec.btf = Some(Arc::new(btf));
                return true;
            }
            Ok(None) => {
                log::info!("map '{}': its last variable can't take {size} bytes", map.real_name);
            }
            Err(e) => log::info!("map '{}': its types are left out: {e}", map.real_name),
        }
        false
    }

    pub(crate) fn live_global(&self, name: &str) -> Result<Vec<u8>> {
        let global = self.global(name)?;
        let mut out = vec![0; global.size as usize];
        let Some((spec, row)) = self.map(global.map) else { return Ok(out) };
        let Some(live) = &row.live else {
            return Err(Error::invalid_input("its map was not created").at(Frame::Global(name.into())));
        };
        let offset = global.offset as usize;
        if let Some(mapping) = &row.mapping {
            mapping.read(row.data_offset as usize + offset, &mut out).at(|| Frame::Global(name.into()))?;
        } else {
            let mut value = vec![0; spec.value_size as usize];
            live.lookup_into(&0u32.to_ne_bytes(), &mut value, Default::default())?;
            let range = offset..offset + global.size as usize;
            let found = value
                .get(range)
                .ok_or_else(|| Error::invalid_object("the variable lies outside its section"))?;
            out.copy_from_slice(found);
        }
        Ok(out)
    }
}
