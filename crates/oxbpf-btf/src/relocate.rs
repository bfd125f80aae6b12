//! A split BTF on a distilled base and a full base in, the same split BTF on the full base out.
//!
//! A type of the distilled base stands for the one type of the full base with the same name, and:
//!
//! | Distilled | Full base | Must agree besides the name |
//! | --- | --- | --- |
//! | int | int | size, encoding |
//! | float | float | size |
//! | enum | enum, 64-bit enum | size |
//! | struct, union | struct, union | size if the split BTF embeds it, or if the full base has several of that name |
//! | forward declaration | forward declaration | kind flag |
//!
//! "Embeds" means as a member, by value or in an array, of an own struct; behind a pointer the size may differ. No
//! match and two matches are errors.
//!
//! The kernel does this itself when it loads a module (`kernel/bpf/btf.c`, v6.11), and shares libbpf's matching rules. So
//! the result is the same here down to their oddities, or it would not tell what a kernel makes of a module:
//! a distilled struct also matches a same-sized int, enum or float and, unless embedded, a forward declaration of that
//! name (and an embedded one does so behind its first match, which is an error); a distilled forward declaration also
//! matches a struct whose kind flag is clear and a union whose kind flag is set, whatever it was declared as.

use std::collections::HashMap;
use std::sync::Arc;

use oxbpf_uapi::BtfKind;

use crate::{Btf, BtfBuilder, BtfError, Bytes, TypeId, TypeRef, fields};

impl Btf {
    /// Reads BTF from the contents of the sections `.BTF` and, where a file has one, `.BTF.base`.
    ///
    /// With a distilled base and a full `base`, the result is relocated to the latter. With one of them, that one is
    /// the base; without either, the BTF stands alone.
    ///
    /// # Errors
    /// As [`Btf::parse`] and [`Btf::relocate`].
    #[doc(alias = "btf__parse_split")]
    pub fn parse_on(
        btf: impl Into<Bytes>,
        distilled_base: Option<Bytes>,
        base: Option<&Arc<Btf>>,
    ) -> Result<Btf, BtfError> {
        let distilled = distilled_base.map(Btf::parse).transpose()?.map(Arc::new);
        match (distilled, base) {
            (Some(distilled), Some(base)) => Btf::parse_split(btf, distilled)?.relocate(base),
            (Some(base), None) => Btf::parse_split(btf, base),
            (None, Some(base)) => Btf::parse_split(btf, base.clone()),
            (None, None) => Btf::parse(btf),
        }
    }

    /// This split BTF, whose base is a distilled one, on `base` instead.
    ///
    /// # Errors
    /// `NotSplit`; `BadArgument` if `base` is its base already; `BadType` if its base is no distilled one; `NoMatch`
    /// and `Ambiguous` if `base` does not have exactly one type for each of the distilled base; `NoString`.
    #[doc(alias = "btf__relocate")]
    pub fn relocate(&self, base: &Arc<Btf>) -> Result<Btf, BtfError> {
        self.relocate_ids(base).map(|(btf, _)| btf)
    }

    /// As [`Btf::relocate`], with the new id of each old one.
    ///
    /// # Errors
    /// As [`Btf::relocate`].
    pub fn relocate_ids(&self, base: &Arc<Btf>) -> Result<(Btf, Vec<TypeId>), BtfError> {
        let distilled = self.base().ok_or(BtfError::NotSplit)?;
        if Arc::ptr_eq(distilled, base) {
            return Err(BtfError::BadArgument { what: "new base", why: "is the base already" });
        }
        distilled.types().try_for_each(check_distilled)?;
        if let Some(t) = self.own_types().find(|t| !fields::is_known(t.kind())) {
            let why = "types of an unknown kind cannot be moved";
            return Err(BtfError::BadType { id: t.id().0, kind: t.kind(), why });
        }
        let (mut ids, names) = match_types(self, distilled, base)?;
        ids.extend((0..self.offsets().len() as u32).map(|i| TypeId(base.type_count().saturating_add(i))));

        let mut to = BtfBuilder::from_btf(self)?;
        fields::update_all_type_ids(&mut to.types, &to.offsets, |old| {
            let none = BtfError::NoSuchType { id: old, count: self.type_count() };
            ids.get(old as usize).map(|id| id.0).ok_or(none)
        })?;
        for &off in &to.offsets {
            fields::update_str_offs(to.types.get_mut(off as usize..).unwrap_or_default(), |old| {
                let too_long = BtfError::TooLong { len: base.str_end() as usize };
                match old.checked_sub(self.start_str()) {
                    _ if old == 0 => Ok(0),
                    Some(own) => base.str_end().checked_add(own).ok_or(too_long),
                    None => names.get(&old).copied().ok_or(BtfError::NoString { offset: old }),
                }
            })?;
        }
        let btf = Btf::parse_split(to.to_bytes()?, base.clone())?;
        Ok((btf.with_byte_order(self.byte_order()), ids))
    }
}

fn check_distilled(t: TypeRef<'_>) -> Result<(), BtfError> {
    let bad = |why| Err(BtfError::BadType { id: t.id().0, kind: t.kind(), why });
    match t.kind() {
        BtfKind::INT | BtfKind::FLOAT | BtfKind::ENUM | BtfKind::STRUCT | BtfKind::UNION | BtfKind::FWD => {
            if t.name_off() == 0 {
                return bad("a distilled base has named types only");
            }
            Ok(())
        }
        _ => bad("a distilled base has no such types"),
    }
}

/// Finds the type of `base` for each distilled one: its id by distilled id, and its name's offset by that of the
/// distilled name.
fn match_types(
    split: &Btf,
    distilled: &Btf,
    base: &Btf,
) -> Result<(Vec<TypeId>, HashMap<u32, u32>), BtfError> {
    let embedded = embedded(split, distilled)?;
    let mut ids = vec![TypeId::VOID];
    // Of several types with one name, the one with the highest id gives the string, should the base store it twice.
    let mut names: HashMap<u32, (TypeId, u32)> = HashMap::new();
    for t in distilled.types() {
        let name = distilled.str_at(t.name_off())?;
        let candidates: Vec<TypeRef<'_>> = base.find_all(name).filter_map(|id| base.get(id).ok()).collect();
        let is_composite = |t: &&TypeRef<'_>| matches!(t.kind(), BtfKind::STRUCT | BtfKind::UNION);
        let composites = candidates.iter().filter(is_composite).count();
        let must_fit = embedded.get(t.id().0 as usize) == Some(&true);
        let mut found: Option<TypeRef<'_>> = None;
        for c in &candidates {
            let needs_size = match c.kind() {
                BtfKind::INT | BtfKind::FLOAT | BtfKind::ENUM | BtfKind::ENUM64 => true,
                BtfKind::STRUCT | BtfKind::UNION => composites > 1,
                BtfKind::FWD => false,
                _ => continue,
            };
            if (needs_size && c.size() != t.size()) || !is_match(t, *c, must_fit && found.is_none()) {
                continue;
            }
            if let Some(first) = found {
                let (name, first, second) = (name.to_owned(), first.id().0, c.id().0);
                return Err(BtfError::Ambiguous { id: t.id().0, name, first, second });
            }
            found = Some(*c);
        }
        let Some(found) = found else {
            let name = name.to_owned();
            return Err(BtfError::NoMatch { id: t.id().0, kind: t.kind(), name, size: t.size() });
        };
        ids.push(found.id());
        let named = names.entry(t.name_off()).or_insert((found.id(), found.name_off()));
        *named = (*named).max((found.id(), found.name_off()));
    }
    Ok((ids, names.into_iter().map(|(off, (_, name_off))| (off, name_off)).collect()))
}

/// Whether `c` can be what `t` was distilled from, given that names agree.
fn is_match(t: TypeRef<'_>, c: TypeRef<'_>, must_fit: bool) -> bool {
    match (t.kind(), c.kind()) {
        (BtfKind::FWD, BtfKind::FWD) => t.kind_flag() == c.kind_flag(),
        (BtfKind::FWD, BtfKind::STRUCT) => !c.kind_flag(),
        (BtfKind::FWD, BtfKind::UNION) => c.kind_flag(),
        (BtfKind::INT, BtfKind::INT) => t.tail().get(..4).map(encoding) == c.tail().get(..4).map(encoding),
        (BtfKind::FLOAT, BtfKind::FLOAT) => true,
        (BtfKind::ENUM, BtfKind::ENUM | BtfKind::ENUM64) => true,
        (BtfKind::STRUCT | BtfKind::UNION, _) => !must_fit || t.size() == c.size(),
        _ => false,
    }
}

/// The bits of an integer's word that say how it is shown.
fn encoding(word: &[u8]) -> u32 {
    (crate::raw::u32_at(word, 0).unwrap_or_default() >> 24) & 0xf
}

/// Which types of the distilled base are members by value of own structs and unions, by id.
fn embedded(split: &Btf, distilled: &Btf) -> Result<Vec<bool>, BtfError> {
    let mut embedded = vec![false; distilled.type_count() as usize];
    // What was followed from one member need not be followed from the next: all chains through a type end alike.
    let mut seen = vec![false; split.type_count() as usize];
    let composites = split.own_types().filter(|t| t.composite().is_some());
    for mut id in composites.flat_map(|t| t.type_ids()) {
        while let Some(seen) = seen.get_mut(id as usize).filter(|seen| id != 0 && !**seen) {
            *seen = true;
            let t = split.get(TypeId(id))?;
            id = match t.kind() {
                BtfKind::CONST
                | BtfKind::RESTRICT
                | BtfKind::VOLATILE
                | BtfKind::TYPEDEF
                | BtfKind::TYPE_TAG => t.type_id().0,
                BtfKind::ARRAY => t.type_ids().next().unwrap_or_default(),
                BtfKind::STRUCT | BtfKind::UNION => {
                    if let Some(embedded) = embedded.get_mut(id as usize) {
                        *embedded = true;
                    }
                    0
                }
                _ => 0,
            };
        }
    }
    Ok(embedded)
}
