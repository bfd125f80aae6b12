//! BTF deduplication: the types of many compilation units in, one canonical set out.
//!
//! Input: a builder with n own types and their strings. Output: the same builder with m <= n types, and a map of length
//! n from old to new ids. O(n) expected; takes about 30 bytes a type besides the copy of what stays.
//!
//! A unit's graph of types is free of duplicates, but many units define the same types, and some only declare what
//! others define. Types are settled in the order in which they can be told apart:
//!
//! | Phase | Types | Compared by |
//! | --- | --- | --- |
//! | strings | | contents; those that nothing uses go |
//! | `prim` | integers, floats, declarations, enumerations | contents |
//! | `structs`, `equiv` | structs, unions, typedefs | the graph of all that they refer to |
//! | declarations | declarations that are left | name, if only one struct or union has it |
//! | `refs` | all others but variables and sections | contents, with what they refer to settled |
//!
//! Then what stays is packed together and all references are changed. Of a split BTF's types those that the base has go,
//! and the base stays as it is. Variables and data sections are never duplicates.
//!
//! The result equals that of libbpf's `btf__dedup` (v1.8) byte for byte, in the order of types and strings too. What
//! libbpf leaves open is decided as it happens to do it: which of several fitting types is taken depends on the order
//! in its hash table (`table`). Where it takes quadratic time, this does not (`colour`).

mod colour;
mod equiv;
mod graph;
mod prim;
mod refs;
mod structs;
mod table;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use colour::Colours;
use equiv::Equiv;
use graph::{Graph, Types, kind};
use table::{Table, Turns};

use crate::lookup::hash_name;
use crate::str_set::StrSet;
use crate::{BtfBuilder, BtfError, BtfExt, TypeId, fields, intern};

/// Not looked at yet.
const UNSET: u32 = u32::MAX;
/// Being settled; meeting it again is a cycle.
const IN_PROGRESS: u32 = u32::MAX - 1;

/// A hash over pairs of words.
struct Hash(u64);

impl Hash {
    const MUL: u64 = 0x9e37_79b9_7f4a_7c15;

    fn new() -> Self {
        Hash(0)
    }

    #[inline(always)]
    fn add(&mut self, a: u32, b: u32) {
        self.add_long(u64::from(a) << 32 | u64::from(b));
    }

    #[inline(always)]
    fn add_long(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(Self::MUL);
    }

    /// The hash; its upper half is as good as all of it.
    #[inline(always)]
    fn finish(self) -> u64 {
        (self.0 ^ (self.0 >> 32)).wrapping_mul(Self::MUL)
    }
}

impl Hasher for Hash {
    fn finish(&self) -> u64 {
        Hash(self.0).finish()
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.add_long(u64::from(*b)));
    }

    fn write_u32(&mut self, word: u32) {
        self.add_long(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.add_long(word);
    }
}

impl Default for Hash {
    fn default() -> Self {
        Hash::new()
    }
}

/// A map by numbers that are not chosen to collide.
type IdMap<V, K = u32> = HashMap<K, V, BuildHasherDefault<Hash>>;

/// The state of a deduplication behind the strings.
struct Dedup<'g> {
    types: Types<'g>,
    /// By id: the type that it stands for, itself if it is canonical. Follow it until it ends.
    map: Vec<u32>,
    /// Candidates that refer to no other type or are compared as graphs.
    table: Table,
    /// Candidates of the last phase.
    refs: Table,
    turns: Turns,
    equiv: Equiv,
    colours: Colours,
    /// Steps of comparisons that failed.
    wasted: u64,
}

impl BtfBuilder {
    /// Makes each type and string be there once, as libbpf's `btf__dedup` does, and gives for each id, own
    /// or of the base, the one that it has now.
    ///
    /// # Errors
    /// `UnknownKind` if it is unknown what a kind refers to; `BadReference`, `BadStringOffset`; `TooDeep` for pointers,
    /// arrays and prototypes that refer to themselves; `BadType` for a struct that has a variable or a tag as a member.
    /// Then nothing has changed.
    #[doc(alias = "btf__dedup")]
    pub fn dedup(&mut self) -> Result<Vec<TypeId>, BtfError> {
        self.dedup_all(None)
    }

    /// As [`BtfBuilder::dedup`], for types that belong to `ext`: its ids and strings are changed too.
    ///
    /// # Errors
    /// As [`BtfBuilder::dedup`]; `BadReference` and `BadStringOffset` also for `ext`.
    #[doc(alias = "btf__dedup")]
    pub fn dedup_with(&mut self, ext: &mut BtfExt) -> Result<Vec<TypeId>, BtfError> {
        self.dedup_all(Some(ext))
    }

    fn dedup_all(&mut self, ext: Option<&mut BtfExt>) -> Result<Vec<TypeId>, BtfError> {
        let mut new_ext = ext.as_deref().cloned();
        let strings = self.dedup_strings(new_ext.as_mut())?;
        let mut old_types = None;
        if let Some(strings) = &strings {
            old_types = Some(core::mem::replace(&mut self.types, strings.types.clone()));
        }
        let graph = Graph::take(self);
        let result = graph.dedup().and_then(|new| {
            if let Some(ext) = &mut new_ext {
                ext.update_type_ids(|id| {
                    new.ids
                        .get(id as usize)
                        .map(|id| id.0)
                        .ok_or(BtfError::BadReference { id: 0, target: id })
                })?;
            }
            Ok(new)
        });
        match result {
            Err(e) => {
                graph.give_back(self);
                if let Some(types) = old_types {
                    self.types = types;
                }
                Err(e)
            }
            Ok(new) => {
                self.types = new.types;
                self.offsets = new.offsets;
                if let Some(strings) = strings {
                    self.strs = strings.strs;
                    self.index.set_own(strings.set);
                    self.strs_deduped = true;
                }
                if let (Some(to), Some(from)) = (ext, new_ext) {
                    *to = from;
                }
                Ok(new.ids)
            }
        }
    }

    /// The own types with the names of a new string section, in the order of first use; nothing if strings are there
    /// once already.
    fn dedup_strings(&mut self, ext: Option<&mut BtfExt>) -> Result<Option<NewStrings>, BtfError> {
        if self.strs_deduped {
            return Ok(None);
        }
        let start = self.start_str();
        let mut new = NewStrings {
            types: self.types.clone(),
            strs: if self.base.is_none() { vec![0] } else { Vec::new() },
            set: StrSet::default(),
            moved: vec![0; self.strs.len()],
        };
        new.set.insert_all(&new.strs);
        let words = fields::words_mut(&mut new.types);
        let (strs, set, moved) = (&mut new.strs, &mut new.set, &mut new.moved);
        let (base, index, old) = (self.base.as_ref(), &mut self.index, &self.strs);
        let mut update = |off: u32| -> Result<u32, BtfError> {
            if off == 0 || off < start {
                return Ok(off);
            }
            let bad = BtfError::BadStringOffset { offset: off, size: start.saturating_add(old.len() as u32) };
            let slot = moved.get_mut((off - start) as usize).ok_or(bad.clone())?;
            if *slot == 0 {
                let rest = old.get((off - start) as usize..).unwrap_or_default();
                let s = core::ffi::CStr::from_bytes_until_nul(rest).map_err(|_| bad)?.to_bytes();
                let hash = hash_name(s);
                *slot = if s.is_empty() && base.is_none() {
                    0
                } else if let Some(off) = index.find_in_base(base, s, hash) {
                    off
                } else {
                    start + set.find_or_insert(strs, s, hash, |strs| intern::store(strs, start, s))?
                };
            }
            Ok(*slot)
        };
        for &off in &self.offsets {
            let Some(record) = words.get_mut(off as usize / 4..) else { continue };
            let info = record.get(1).map_or(0, |w| w.get());
            for word in fields::str_words(info) {
                if let Some(word) = record.get_mut(word) {
                    word.set(update(word.get())?);
                }
            }
        }
        if let Some(ext) = ext {
            ext.update_str_offs(update)?;
        }
        Ok(Some(new))
    }
}

/// Own types that use a new string section.
struct NewStrings {
    types: Vec<u8>,
    strs: Vec<u8>,
    set: StrSet,
    /// By old offset: the new one, 0 if not known yet.
    moved: Vec<u32>,
}

/// What stays.
struct NewTypes {
    types: Vec<u8>,
    offsets: Vec<u32>,
    /// By old id.
    ids: Vec<TypeId>,
}

impl Graph {
    fn dedup(&self) -> Result<NewTypes, BtfError> {
        self.check()?;
        let types = self.types();
        let ids = types.count() as usize;
        let mut d = Dedup {
            types,
            map: vec![UNSET; ids],
            table: Table::new(ids),
            refs: Table::new(ids),
            turns: Turns::default(),
            equiv: Equiv::new(ids),
            colours: Colours::new(types),
            wasted: 0,
        };
        let mut enums = prim::Enums::new(ids);
        d.begin(&mut enums);
        d.dedup_prims(&mut enums);
        d.dedup_structs()?;
        d.resolve_declarations();
        d.dedup_refs()?;
        d.pack()
    }
}

impl Dedup<'_> {
    #[inline(always)]
    fn map_of(&self, id: u32) -> u32 {
        self.map.get(id as usize).copied().unwrap_or(id)
    }

    #[inline(always)]
    fn set(&mut self, id: u32, to: u32) {
        if let Some(slot) = self.map.get_mut(id as usize) {
            *slot = to;
        }
    }

    #[inline(always)]
    fn is_mapped(&self, id: u32) -> bool {
        self.map_of(id) < IN_PROGRESS
    }

    /// The type that `id` stands for, as far as that is settled.
    #[inline(always)]
    fn resolve(&self, mut id: u32) -> u32 {
        loop {
            let to = self.map_of(id);
            if to == id || to >= IN_PROGRESS {
                return id;
            }
            id = to;
        }
    }

    /// Settles void, the base's types, variables and sections, and makes the base's types candidates.
    fn begin(&mut self, enums: &mut prim::Enums) {
        self.set(0, 0);
        for id in 1..self.types.start_id {
            self.set(id, id);
            match self.types.kind(id) {
                kind::VAR | kind::DATASEC => {}
                kind if prim::is_primitive(kind) => self.add_base_prim(enums, id),
                kind if structs::is_compared(kind) => self.add_base_struct(id),
                _ => self.add_base_ref(id),
            }
        }
        for id in self.types.own() {
            if matches!(self.types.kind(id), kind::VAR | kind::DATASEC) {
                self.set(id, id);
            }
        }
    }

    /// Maps declarations that no comparison has found a definition for, if just one struct or union has the name.
    fn resolve_declarations(&mut self) {
        let types = self.types;
        let is_open = |id: &u32| types.is_fwd(*id) && self.map_of(*id) == *id;
        let open: Vec<u32> = types.own().filter(is_open).collect();
        // By name: the only definition so far, or `IN_PROGRESS` if there are several.
        let mut names: IdMap<u32> = open.iter().map(|id| (types.rec(*id).name(), UNSET)).collect();
        if names.is_empty() {
            return;
        }
        for id in 1..types.count() {
            let rec = types.rec(id);
            if !matches!(rec.kind(), kind::STRUCT | kind::UNION) || self.map_of(id) != id {
                continue;
            }
            if let Some(only) = names.get_mut(&rec.name()) {
                *only = if *only == UNSET { id } else { IN_PROGRESS };
            }
        }
        for id in open {
            let rec = types.rec(id);
            let only = names.get(&rec.name()).copied().unwrap_or(UNSET);
            if only < IN_PROGRESS && types.kind(only) == rec.declares() {
                self.set(id, only);
            }
        }
    }

    /// Copies the types that stay and changes what they refer to.
    fn pack(self) -> Result<NewTypes, BtfError> {
        let types = self.types;
        let (mut len, mut next) = (0usize, types.start_id);
        let mut ids: Vec<TypeId> = (0..types.count()).map(TypeId).collect();
        for id in types.own() {
            if self.map_of(id) == id {
                if let Some(new) = ids.get_mut(id as usize) {
                    *new = TypeId(next);
                }
                len += types.rec(id).len();
                next += 1;
            }
        }
        let mut offsets = Vec::with_capacity((next - types.start_id) as usize);
        let mut data = vec![0; len * 4];
        let mut words = fields::words_mut(&mut data);
        let mut at = 0u32;
        for id in types.own() {
            let to = self.resolve(id);
            if to != id {
                continue;
            }
            let from = types.rec(id).own_words();
            let Some((record, rest)) = words.split_at_mut_checked(from.len()) else { break };
            words = rest;
            record.copy_from_slice(from);
            offsets.push(at);
            at += 4 * from.len() as u32;
            let info = types.rec(id).info();
            for i in fields::id_words(info) {
                let Some(word) = record.get_mut(i) else { continue };
                let target = word.get();
                let new =
                    ids.get(self.resolve(target) as usize).ok_or(BtfError::BadReference { id, target })?;
                word.set(new.0);
            }
        }
        for id in 1..types.count() {
            let to = self.resolve(id);
            if let (true, Some(new)) = (to != id, ids.get(to as usize).copied()) {
                if let Some(slot) = ids.get_mut(id as usize) {
                    *slot = new;
                }
            }
        }
        Ok(NewTypes { types: data, offsets, ids })
    }
}
