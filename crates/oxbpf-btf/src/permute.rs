//! The same types in another order.

use crate::{BtfBuilder, BtfError, BtfExt, TypeId, fields};

impl BtfBuilder {
    /// Puts own types into another order: the type that is number `i` gets the id `map[i]`.
    ///
    /// Numbers count own types from 0 in a split BTF. In one that stands alone they are the ids, void included, which
    /// stays: `map[0]` is 0.
    ///
    /// # Errors
    /// `BadArgument` unless `map` has an entry for each type and names each own id once; `BadReference` if a type refers
    /// to one that is not there; `UnknownKind` if it is unknown where a kind's ids are. Then nothing has changed.
    #[doc(alias = "btf__permute")]
    pub fn permute(&mut self, map: &[TypeId]) -> Result<(), BtfError> {
        self.permute_all(map, None)
    }

    /// As [`BtfBuilder::permute`], for types that belong to `ext`: its ids are changed too.
    ///
    /// # Errors
    /// As [`BtfBuilder::permute`]; `BadReference` also for `ext`.
    #[doc(alias = "btf__permute")]
    pub fn permute_with(&mut self, map: &[TypeId], ext: &mut BtfExt) -> Result<(), BtfError> {
        self.permute_all(map, Some(ext))
    }

    fn permute_all(&mut self, map: &[TypeId], ext: Option<&mut BtfExt>) -> Result<(), BtfError> {
        let bad = |why| BtfError::BadArgument { what: "permutation", why };
        let own = match (&self.base, map) {
            (Some(_), all) => all,
            (None, [TypeId::VOID, own @ ..]) => own,
            (None, _) => return Err(bad("void does not stay")),
        };
        if own.len() != self.offsets.len() {
            return Err(bad("does not have an entry for each type"));
        }
        let (start, count) = (self.start_id(), self.type_count());
        let move_id = |id: u32, target: u32| match target.checked_sub(start) {
            None => Ok(target),
            Some(i) => own.get(i as usize).map(|to| to.0).ok_or(BtfError::BadReference { id, target }),
        };

        // By new id: which of the old types it is.
        let mut order = vec![u32::MAX; own.len()];
        for (old, to) in own.iter().enumerate() {
            let slot = to.0.checked_sub(start).and_then(|i| order.get_mut(i as usize));
            match slot.ok_or(bad("names an id that is not an own type's"))? {
                slot if *slot == u32::MAX => *slot = old as u32,
                _ => return Err(bad("names an id twice")),
            }
        }

        let mut types = Vec::with_capacity(self.types.len());
        let mut offsets = Vec::with_capacity(own.len());
        for old in order {
            let at = |i: usize| self.offsets.get(i).map_or(self.types.len(), |off| *off as usize);
            let (from, to) = (at(old as usize), at(old as usize + 1));
            let start = types.len();
            offsets.push(start as u32);
            types.extend_from_slice(self.types.get(from..to).unwrap_or_default());
            let record = types.get_mut(start..).unwrap_or_default();
            let id = self.start_id() + old;
            let kind = fields::kind(record);
            if !fields::is_known(kind) {
                return Err(BtfError::UnknownKind { id, offset: from as u32, kind: kind.0 });
            }
            fields::update_type_ids(record, |target| move_id(id, target))?;
        }
        if let Some(ext) = ext {
            ext.update_type_ids(|id| move_id(count, id))?;
        }
        self.types = types;
        self.offsets = offsets;
        Ok(())
    }
}
