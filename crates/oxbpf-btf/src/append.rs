//! Types of another BTF in, copies of them here out: strings are stored once, ids go on from those that are here.

use std::sync::Arc;

use crate::builder::MAX_TYPES;
use crate::fields;
use crate::lookup::{hash_name, hash_str_at};
use crate::raw::TYPE_LEN;
use crate::{Btf, BtfBuilder, BtfError, TypeId, TypeRef};

/// What [`BtfBuilder::append_selected`] is to do with a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Append a copy.
    Copy,
    /// Nothing: this own type stands for it.
    Use(TypeId),
    /// Nothing.
    Skip,
}

impl BtfBuilder {
    /// Appends a copy of one type of `other`. Its strings are added; the ids that it refers to stay as they are, so they
    /// must mean the same here as there, or be changed afterwards.
    ///
    /// # Errors
    /// `NoSuchType` unless `id` is a type of `other`, `UnknownKind` if it is unknown where that kind's strings are,
    /// `BadStringOffset`, `TooLong`. Then nothing has changed but for strings that nothing uses.
    #[doc(alias = "btf__add_type")]
    pub fn append_type(&mut self, other: &Btf, id: TypeId) -> Result<TypeId, BtfError> {
        let t = other.get(id)?;
        if t.id().is_void() {
            return Err(BtfError::NoSuchType { id: 0, count: other.type_count() });
        }
        if !fields::is_known(t.kind()) {
            return Err(BtfError::UnknownKind { id: id.0, offset: 0, kind: t.kind().0 });
        }
        let mut record = Vec::with_capacity(TYPE_LEN + t.tail().len());
        for word in [t.name_off(), t.info(), t.type_id().0] {
            record.extend_from_slice(&word.to_ne_bytes());
        }
        record.extend_from_slice(t.tail());
        fields::update_str_offs(&mut record, |off| {
            let s = other.str_bytes(off)?;
            self.intern(s, hash_name(s))
        })?;
        self.push_records(&record, &[0])
    }

    /// Appends copies of all own types of `other` and gives the id of the first. References among them are changed to
    /// their new ids; their strings are added.
    ///
    /// If `other` is split, this must be split from the same base, so that references into the base stay right.
    ///
    /// # Errors
    /// `OtherBase` if the bases differ; `UnknownKind` if it is unknown where a kind's ids and strings are;
    /// `BadReference` and `BadStringOffset` for what `other` refers to and does not have; `TooLong`. Then nothing has
    /// changed.
    #[doc(alias = "btf__add_btf")]
    pub fn append_btf(&mut self, other: &Btf) -> Result<TypeId, BtfError> {
        if let Some(base) = other.base() {
            if !self.base.as_ref().is_some_and(|own| Arc::ptr_eq(own, base)) {
                return Err(BtfError::OtherBase);
            }
        }
        let (types_len, strs_len) = (self.types.len(), self.strs.len());
        let first = self.push_records(other.types_bytes(), other.offsets())?;
        let done = self.adopt(other, types_len, first);
        if done.is_err() {
            self.types.truncate(types_len);
            self.offsets.truncate(self.offsets.len() - other.offsets().len());
            if self.strs.len() > strs_len {
                self.strs.truncate(strs_len);
                self.index.forget_own();
            }
        }
        done.map(|()| first)
    }

    /// Appends copies of some own types of `other`, as `place` says for each in the order of their ids, and gives by id of
    /// `other` where each is now, [`TypeId::VOID`] for what was left out. References among them are changed to the new ids.
    ///
    /// `other` must not be split.
    ///
    /// # Errors
    /// `OtherBase` if it is; `UnknownKind` if it is unknown where a kind's ids and strings are; `BadReference` for a type
    /// that is copied and refers to one that is left out or does not exist; `BadStringOffset`; `TooLong`. Then types that
    /// were appended stay, without a reference to be relied on.
    pub fn append_selected(
        &mut self,
        other: &Btf,
        mut place: impl FnMut(TypeRef<'_>) -> Placement,
    ) -> Result<Vec<TypeId>, BtfError> {
        if other.base().is_some() {
            return Err(BtfError::OtherBase);
        }
        self.reserve_strs(other.own_strs().len());
        let mut strs = StrMap::new(other);
        let mut ids = vec![TypeId::VOID; other.type_count() as usize];
        let first = self.offsets.len();
        let mut copied = Vec::new();
        let mut record = Vec::new();
        for t in other.own_types() {
            let at = t.id().0 as usize;
            let id = match place(t) {
                Placement::Skip => continue,
                Placement::Use(id) => id,
                Placement::Copy if !fields::is_known(t.kind()) => {
                    return Err(BtfError::UnknownKind { id: t.id().0, offset: 0, kind: t.kind().0 });
                }
                Placement::Copy => {
                    record.clear();
                    for word in [t.name_off(), t.info(), t.type_id().0] {
                        record.extend_from_slice(&word.to_ne_bytes());
                    }
                    record.extend_from_slice(t.tail());
                    fields::update_str_offs(&mut record, |off| strs.map(self, other, off))?;
                    copied.push(t.id().0);
                    self.push_records(&record, &[0])?
                }
            };
            if let Some(slot) = ids.get_mut(at) {
                *slot = id;
            }
        }
        let mut types = core::mem::take(&mut self.types);
        let own = self.offsets.get(first..).unwrap_or_default().iter().zip(copied);
        let done = own.into_iter().try_for_each(|(&off, id)| {
            let record = types.get_mut(off as usize..).unwrap_or_default();
            fields::update_type_ids(record, |target| match ids.get(target as usize) {
                Some(new) if target == 0 || !new.is_void() => Ok(new.0),
                _ => Err(BtfError::BadReference { id, target }),
            })
        });
        self.types = types;
        done.map(|()| ids)
    }

    /// Appends records as they are, given where each begins; gives the id of the first.
    fn push_records(&mut self, records: &[u8], offsets: &[u32]) -> Result<TypeId, BtfError> {
        let first = self.type_count();
        let start = self.types.len();
        let too_long = || BtfError::TooLong { len: start.saturating_add(records.len()) };
        u32::try_from(start + records.len()).map_err(|_| too_long())?;
        if offsets.len() as u64 + u64::from(first) > u64::from(MAX_TYPES) + 1 {
            return Err(too_long());
        }
        self.types.extend_from_slice(records);
        self.offsets.extend(offsets.iter().map(|off| off + start as u32));
        Ok(TypeId(first))
    }

    /// Changes the records behind `from` in `types`, which are copies of those of `other`, to be records of this.
    fn adopt(&mut self, other: &Btf, from: usize, first: TypeId) -> Result<(), BtfError> {
        // Names are 20 bytes long on average in a kernel's types, and most of what is added is new.
        self.reserve_strs(other.own_strs().len());
        let mut strs = StrMap::new(other);
        let mut types = core::mem::take(&mut self.types);
        let new = fields::words_mut(types.get_mut(from..).unwrap_or_default());
        let mut done = Ok(());
        let (start_id, count) = (other.start_id().0, other.type_count());
        let delta = first.0.wrapping_sub(start_id);
        'types: for (id, &off) in (start_id..).zip(other.offsets()) {
            let Some(record) = new.get_mut(off as usize / 4..) else { break };
            let Some(info) = record.get(1).map(|w| w.get()) else { break };
            let kind = (info >> 24) & 0x7f;
            if !crate::raw::is_known(kind) {
                done = Err(BtfError::UnknownKind { id, offset: off, kind });
                break;
            }
            for i in fields::str_words(info) {
                let Some(word) = record.get_mut(i) else { break };
                match strs.map(self, other, word.get()) {
                    Ok(off) => word.set(off),
                    Err(e) => {
                        done = Err(e);
                        break 'types;
                    }
                }
            }
            for i in fields::id_words(info) {
                let Some(word) = record.get_mut(i) else { break };
                let target = word.get();
                if target >= count {
                    done = Err(BtfError::BadReference { id, target });
                    break 'types;
                }
                // Void and what the shared base has keep their ids.
                let moves = 0u32.wrapping_sub(u32::from(target >= start_id));
                word.set(target.wrapping_add(delta & moves));
            }
        }
        self.types = types;
        done
    }
}

/// Where strings of another BTF went: by offset there, the offset here, 0 if not known yet.
struct StrMap {
    to: Vec<u32>,
    start: u32,
}

impl StrMap {
    fn new(other: &Btf) -> Self {
        StrMap { to: vec![0; other.own_strs().len()], start: other.start_str() }
    }

    #[inline]
    fn map(&mut self, b: &mut BtfBuilder, other: &Btf, off: u32) -> Result<u32, BtfError> {
        // Offset 0 is "" everywhere, and the strings of a base are shared.
        if off == 0 || off < self.start {
            return Ok(off);
        }
        match self.to.get((off - self.start) as usize) {
            Some(0) | None => self.add(b, other, off),
            Some(&to) => Ok(to),
        }
    }

    fn add(&mut self, b: &mut BtfBuilder, other: &Btf, off: u32) -> Result<u32, BtfError> {
        let own = (off - self.start) as usize;
        let to = match hash_str_at(other.own_strs(), own) {
            Some((hash, len)) => b.intern(other.own_strs().get(own..own + len).unwrap_or_default(), hash)?,
            None => {
                let s = other.str_bytes(off)?;
                b.intern(s, hash_name(s))?
            }
        };
        if let Some(slot) = self.to.get_mut(own) {
            *slot = to;
        }
        Ok(to)
    }
}
