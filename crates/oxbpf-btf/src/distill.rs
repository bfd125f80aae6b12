//! A split BTF and its base in, the same split BTF on a *distilled* base out.
//!
//! A module's BTF refers to its kernel's types by number, so it fits one build of one kernel only. The distilled base
//! is what the module needs to know about those types to find them again in another build: names, sizes and kinds of
//! the integers, floats, forward declarations, structs, unions and enums that it names, without their members. It is
//! stored beside the module's BTF, in the section `.BTF.base`, and [`Btf::relocate`] resolves it.
//!
//! | Base type in use | Becomes |
//! | --- | --- |
//! | int, float, forward declaration | the same, in the distilled base |
//! | named struct, union | without members, same size, in the distilled base |
//! | named enum, 64-bit enum | a 32-bit enum without values, same size, in the distilled base |
//! | anonymous struct, union, enum; pointer, array, typedef, modifier, prototype, type tag | the same, behind the module's own types |
//! | anything else | an error: a module has no business with it |
//!
//! The bytes equal those of libbpf's `btf__distill_base` (libbpf 1.8).

use std::sync::Arc;

use oxbpf_uapi::BtfKind;

use crate::builder::info;
use crate::lookup::hash_name;
use crate::raw::HEADER_LAYOUT_LEN;
use crate::{Btf, BtfBuilder, BtfError, TypeId, TypeRef, fields};

impl Btf {
    /// The distilled base of a split BTF, and the split BTF on top of it.
    ///
    /// Own types keep their order and come first in the new split BTF; the base's types that the distilled base can
    /// not hold follow them. Nothing is changed in `self`.
    ///
    /// ```
    /// use oxbpf_btf::{BtfBuilder, IntFlags};
    /// use std::sync::Arc;
    ///
    /// let mut vmlinux = BtfBuilder::new();
    /// vmlinux.add_int("long", 8, IntFlags::SIGNED)?;
    /// let int = vmlinux.add_int("int", 4, IntFlags::SIGNED)?;
    /// let vmlinux = Arc::new(vmlinux.finish()?);
    /// let mut module = BtfBuilder::new_split(vmlinux);
    /// module.add_typedef("counter", int)?;
    ///
    /// let (base, split) = module.finish()?.distill_base()?;
    /// let names: Vec<&str> = split.types().map(|t| t.name()).collect();
    /// assert_eq!((base.type_count(), names), (2, vec!["int", "counter"]));
    /// # Ok::<(), oxbpf_btf::BtfError>(())
    /// ```
    ///
    /// # Errors
    /// `NotSplit`; `BadType` for a reference to a base type that may not be referred to (a function, a variable, a data
    /// section, a declaration tag), and for a type whose kind is not known.
    #[doc(alias = "btf__distill_base")]
    pub fn distill_base(&self) -> Result<(Arc<Btf>, Btf), BtfError> {
        let old_base = self.base().ok_or(BtfError::NotSplit)?;
        let mut new_ids = used_base_types(self)?;
        let used = |new_ids: &[Use]| -> Vec<TypeId> {
            let used = new_ids.iter().enumerate().filter(|(_, place)| **place != Use::Unused);
            used.map(|(id, _)| TypeId(id as u32)).collect()
        };
        let used = used(&new_ids);
        let place = |new_ids: &mut [Use], old: TypeId, new: TypeId| {
            if let Some(place) = new_ids.get_mut(old.0 as usize) {
                *place = Use::At(new);
            }
        };

        let mut base = BtfBuilder::new();
        base.hdr_len = HEADER_LAYOUT_LEN as u32;
        for &id in &used {
            let t = self.get(id)?;
            if let Some(new) = add_distilled(&mut base, t)? {
                place(&mut new_ids, id, new);
            }
        }
        let base = Arc::new(base.finish()?.with_byte_order(self.byte_order()));

        let mut split = BtfBuilder::new_split(base.clone());
        split.hdr_len = HEADER_LAYOUT_LEN as u32;
        for t in self.own_types() {
            split.append_type(self, t.id())?;
        }
        for &id in &used {
            if !is_distilled(self.get(id)?) {
                let new = split.append_type(self, id)?;
                place(&mut new_ids, id, new);
            }
        }
        let fewer = old_base.type_count() - base.type_count();
        fields::update_all_type_ids(&mut split.types, &split.offsets, |old| {
            Ok::<_, BtfError>(match new_ids.get(old as usize) {
                Some(Use::At(new)) => new.0,
                Some(_) => old,
                None => old - fewer,
            })
        })?;
        Ok((base, split.finish()?.with_byte_order(self.byte_order())))
    }
}

/// What becomes of a base type.
#[derive(Clone, Copy, PartialEq)]
enum Use {
    Unused,
    Needed,
    At(TypeId),
}

/// Which base types the own types of `split` need, by id.
fn used_base_types(split: &Btf) -> Result<Vec<Use>, BtfError> {
    let start = split.start_id().0;
    let mut uses = vec![Use::Unused; start as usize];
    let mut todo = Vec::new();
    for t in split.own_types() {
        check_known(t)?;
        todo.extend(t.type_ids().filter(|id| *id < start));
        while let Some(id) = todo.pop() {
            match uses.get_mut(id as usize) {
                Some(place) if id != 0 && *place == Use::Unused => *place = Use::Needed,
                _ => continue,
            }
            let t = split.get(TypeId(id))?;
            if !may_be_referred_to(t.kind()) {
                let why = "a split BTF that refers to it cannot have a distilled base";
                return Err(BtfError::BadType { id, kind: t.kind(), why });
            }
            // Named structs lose their members, so what those refer to is not needed.
            if !(matches!(t.kind(), BtfKind::STRUCT | BtfKind::UNION) && t.name_off() != 0) {
                todo.extend(t.type_ids().filter(|id| *id < start));
            }
        }
    }
    Ok(uses)
}

fn may_be_referred_to(kind: BtfKind) -> bool {
    let not = [BtfKind::FUNC, BtfKind::VAR, BtfKind::DATASEC, BtfKind::DECL_TAG];
    fields::is_known(kind) && !not.contains(&kind)
}

/// Whether a base type is represented in the distilled base; others are copied behind the own types.
fn is_distilled(t: TypeRef<'_>) -> bool {
    match t.kind() {
        BtfKind::INT | BtfKind::FLOAT | BtfKind::FWD => true,
        BtfKind::STRUCT | BtfKind::UNION | BtfKind::ENUM | BtfKind::ENUM64 => t.name_off() != 0,
        _ => false,
    }
}

fn add_distilled(to: &mut BtfBuilder, t: TypeRef<'_>) -> Result<Option<TypeId>, BtfError> {
    if !is_distilled(t) {
        return Ok(None);
    }
    let kind = match t.kind() {
        BtfKind::ENUM64 => BtfKind::ENUM,
        BtfKind::INT | BtfKind::FLOAT | BtfKind::FWD => return to.append_type(t.btf(), t.id()).map(Some),
        kind => kind,
    };
    let name = t.btf().str_bytes(t.name_off())?;
    let name = to.intern(name, hash_name(name))?;
    to.push(name, info(kind, 0, false), t.size(), &[]).map(Some)
}

fn check_known(t: TypeRef<'_>) -> Result<(), BtfError> {
    if fields::is_known(t.kind()) {
        return Ok(());
    }
    Err(BtfError::BadType { id: t.id().0, kind: t.kind(), why: "types of an unknown kind cannot be moved" })
}
