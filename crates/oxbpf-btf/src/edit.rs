//! Changes to types that are already there: what a loader needs between reading an object's BTF and handing it to the
//! kernel. Ids and lengths of types stay.

use oxbpf_uapi::BtfKind;
use oxbpf_uapi::consts::FuncLinkage;

use crate::builder::{info, put};
use crate::raw::{self, MAX_VLEN, TYPE_LEN, u32_at};
use crate::{BtfBuilder, BtfError, SecVar, TypeId, VarLinkage};

/// Changes to own types in place.
impl BtfBuilder {
    /// Where an own type of kind `kind` is in `types`, and its info word.
    fn own(&self, id: TypeId, what: &'static str, kind: BtfKind) -> Result<(usize, u32), BtfError> {
        let none = BtfError::NoSuchType { id: id.0, count: self.type_count() };
        let off =
            id.0.checked_sub(self.start_id())
                .and_then(|i| self.offsets.get(i as usize))
                .ok_or(none.clone())?;
        let info = u32_at(&self.types, *off as usize + 4).ok_or(none)?;
        let is = BtfKind((info >> 24) & 0x7f);
        if is != kind {
            return Err(BtfError::BadType { id: id.0, kind: is, why: what });
        }
        Ok((*off as usize, info))
    }

    /// Where element `i` of an own type is in `types`.
    fn own_elem(&self, id: TypeId, what: &'static str, kind: BtfKind, i: usize) -> Result<usize, BtfError> {
        let (off, info) = self.own(id, what, kind)?;
        if i >= (info & MAX_VLEN) as usize {
            return Err(BtfError::BadArgument { what, why: "the type has no such element" });
        }
        Ok(off + TYPE_LEN + i * raw::elem_len(kind.0))
    }

    /// Sets the size of a data section in bytes.
    ///
    /// # Errors
    /// `NoSuchType` unless `id` is an own type, `BadType` if it is something else.
    pub fn set_datasec_size(&mut self, id: TypeId, size: u32) -> Result<(), BtfError> {
        let (off, _) = self.own(id, "not a data section", BtfKind::DATASEC)?;
        put(&mut self.types, off + 8, size);
        Ok(())
    }

    /// Replaces variable number `i` of a data section.
    ///
    /// # Errors
    /// As [`BtfBuilder::set_datasec_size`], and `BadArgument` if there is no variable `i`.
    pub fn set_datasec_var(&mut self, id: TypeId, i: usize, var: SecVar) -> Result<(), BtfError> {
        let at = self.own_elem(id, "not a data section", BtfKind::DATASEC, i)?;
        for (k, word) in [var.type_id.0, var.offset, var.size].into_iter().enumerate() {
            put(&mut self.types, at + 4 * k, word);
        }
        Ok(())
    }

    /// Puts the variables of a data section into the order of their offsets, which the kernel demands.
    ///
    /// # Errors
    /// As [`BtfBuilder::set_datasec_size`].
    pub fn sort_datasec(&mut self, id: TypeId) -> Result<(), BtfError> {
        let (off, info) = self.own(id, "not a data section", BtfKind::DATASEC)?;
        let start = off + TYPE_LEN;
        let end = start + 12 * (info & MAX_VLEN) as usize;
        let Some(bytes) = self.types.get_mut(start..end) else { return Ok(()) };
        let mut vars: Vec<[u8; 12]> =
            bytes.chunks_exact(12).filter_map(|c| c.first_chunk().copied()).collect();
        vars.sort_by_key(|v| u32_at(v, 4));
        for (to, from) in bytes.chunks_exact_mut(12).zip(&vars) {
            to.copy_from_slice(from);
        }
        Ok(())
    }

    /// Sets who sees a function.
    ///
    /// # Errors
    /// `NoSuchType` unless `id` is an own type, `BadType` if it is something else.
    pub fn set_func_linkage(&mut self, id: TypeId, linkage: FuncLinkage) -> Result<(), BtfError> {
        let (off, _) = self.own(id, "not a function", BtfKind::FUNC)?;
        put(&mut self.types, off + 4, info(BtfKind::FUNC, linkage.0 & MAX_VLEN, false));
        Ok(())
    }

    /// Sets what a variable or function refers to: its type or prototype.
    ///
    /// # Errors
    /// `NoSuchType` unless `id` is an own type, `BadType` if it is something else.
    pub fn set_target(&mut self, id: TypeId, to: TypeId) -> Result<(), BtfError> {
        let var = self.own(id, "no variable or function", BtfKind::VAR);
        let (off, _) = var.or_else(|_| self.own(id, "no variable or function", BtfKind::FUNC))?;
        put(&mut self.types, off + 8, to.0);
        Ok(())
    }

    /// Sets a variable's type and who sees it.
    ///
    /// # Errors
    /// `NoSuchType` unless `id` is an own type, `BadType` if it is something else.
    pub fn set_var(&mut self, id: TypeId, ty: TypeId, linkage: VarLinkage) -> Result<(), BtfError> {
        let (off, _) = self.own(id, "not a variable", BtfKind::VAR)?;
        put(&mut self.types, off + 8, ty.0);
        put(&mut self.types, off + TYPE_LEN, linkage.0);
        Ok(())
    }

    /// Sets the name of parameter number `i` of a prototype.
    ///
    /// # Errors
    /// `NoSuchType` unless `id` is an own type, `BadType` if it is something else, `BadArgument` if it has no
    /// parameter `i`.
    pub fn set_param_name(&mut self, id: TypeId, i: usize, name: &str) -> Result<(), BtfError> {
        let at = self.own_elem(id, "not a prototype", BtfKind::FUNC_PROTO, i)?;
        let name = self.add_str(name)?;
        put(&mut self.types, at, name);
        Ok(())
    }

    /// Gives an own type another name.
    ///
    /// # Errors
    /// `NoSuchType` unless `id` is an own type.
    pub fn set_name(&mut self, id: TypeId, name: &str) -> Result<(), BtfError> {
        let none = BtfError::NoSuchType { id: id.0, count: self.type_count() };
        let off =
            id.0.checked_sub(self.start_id())
                .and_then(|i| self.offsets.get(i as usize))
                .copied()
                .ok_or(none)?;
        let name = self.add_str(name)?;
        put(&mut self.types, off as usize, name);
        Ok(())
    }
}
