//! Sizes and alignments of types, and what modifiers stand for.

use std::collections::HashMap;

use oxbpf_uapi::BtfKind;

use crate::raw::RawMember;
use crate::view::{Type, split_offset};
use crate::{Btf, BtfError, TypeId, TypeRef};

/// How many references in a row are followed; deeper chains are cycles in practice.
pub(crate) const MAX_DEPTH: u32 = 32;

/// The ways in which compilers spell `long`, whose size is a pointer's.
const LONG_NAMES: [&str; 11] = [
    "long",
    "long int",
    "int long",
    "unsigned long",
    "long unsigned",
    "unsigned long int",
    "unsigned int long",
    "long unsigned int",
    "long int unsigned",
    "int unsigned long",
    "int long unsigned",
];

/// Whether a type of this kind is the one that it refers to, with something added.
#[inline]
fn is_modifier(kind: BtfKind) -> bool {
    matches!(
        kind,
        BtfKind::TYPEDEF | BtfKind::CONST | BtfKind::VOLATILE | BtfKind::RESTRICT | BtfKind::TYPE_TAG
    )
}

impl Btf {
    /// The type behind typedefs, `const`, `volatile`, `restrict` and type tags. May be void.
    ///
    /// # Errors
    /// `NoSuchType`, or `TooDeep` after 32 steps.
    #[doc(alias = "btf__resolve_type")]
    pub fn resolve(&self, id: TypeId) -> Result<TypeId, BtfError> {
        self.resolve_ref(id).map(|t| t.id())
    }

    /// As [`Btf::resolve`], giving the type itself.
    ///
    /// # Errors
    /// As [`Btf::resolve`].
    pub fn resolve_ref(&self, id: TypeId) -> Result<TypeRef<'_>, BtfError> {
        let mut t = self.get(id)?;
        for _ in 0..=MAX_DEPTH {
            if !is_modifier(t.kind()) {
                return Ok(t);
            }
            t = self.get(t.type_id())?;
        }
        Err(BtfError::TooDeep { id: id.0 })
    }

    /// The size of a value of this type, in bytes.
    ///
    /// # Errors
    /// `Unsized` for void, functions and forward declarations; `TooBig` (`E2BIG`) over 32 bits; `TooDeep`.
    #[doc(alias = "btf__resolve_size")]
    pub fn size_of(&self, id: TypeId) -> Result<u32, BtfError> {
        let mut count = 1u32;
        let mut at = id;
        for _ in 0..=MAX_DEPTH {
            let t = self.get(at)?;
            let size = match t.kind() {
                BtfKind::INT
                | BtfKind::FLOAT
                | BtfKind::STRUCT
                | BtfKind::UNION
                | BtfKind::ENUM
                | BtfKind::ENUM64
                | BtfKind::DATASEC => t.size(),
                BtfKind::PTR => self.pointer_size(),
                BtfKind::ARRAY => {
                    let Type::Array { elem, nelems, .. } = t.view() else { continue };
                    count = count.checked_mul(nelems).ok_or(BtfError::TooBig { id: id.0 })?;
                    at = elem;
                    continue;
                }
                kind if is_modifier(kind) || matches!(kind, BtfKind::VAR | BtfKind::DECL_TAG) => {
                    at = t.type_id();
                    continue;
                }
                kind => return Err(BtfError::Unsized { id: at.0, kind }),
            };
            return count.checked_mul(size).ok_or(BtfError::TooBig { id: id.0 });
        }
        Err(BtfError::TooDeep { id: id.0 })
    }

    /// The alignment of a value of this type, in bytes. 1 for a packed struct, which is one with a member that is not
    /// at a multiple of its own alignment, or a size that is not a multiple of the struct's.
    ///
    /// # Errors
    /// `Unsized`, `TooDeep`.
    #[doc(alias = "btf__align_of")]
    pub fn align_of(&self, id: TypeId) -> Result<u32, BtfError> {
        self.align_within(id, 0, &mut HashMap::new())
    }

    /// `known` holds composites already done, so that one with many members of the same nested type costs only once.
    fn align_within(&self, id: TypeId, depth: u32, known: &mut HashMap<u32, u32>) -> Result<u32, BtfError> {
        if depth > MAX_DEPTH {
            return Err(BtfError::TooDeep { id: id.0 });
        }
        let t = self.get(id)?;
        match t.view() {
            Type::Int(_, size) | Type::Float { size } => Ok(size.min(self.pointer_size()).max(1)),
            Type::Enum(_) | Type::Enum64(_) => Ok(t.size().min(self.pointer_size()).max(1)),
            Type::Ptr(_) => Ok(self.pointer_size()),
            Type::Typedef(to)
            | Type::Const(to)
            | Type::Volatile(to)
            | Type::Restrict(to)
            | Type::TypeTag(to)
            | Type::Var { type_id: to, .. } => self.align_within(to, depth + 1, known),
            Type::Array { elem, .. } => self.align_within(elem, depth + 1, known),
            Type::Struct(_) | Type::Union(_) => {
                if let Some(&align) = known.get(&id.0) {
                    return Ok(align);
                }
                let align = self.composite_align(t, depth, known)?;
                known.insert(id.0, align);
                Ok(align)
            }
            _ => Err(BtfError::Unsized { id: id.0, kind: t.kind() }),
        }
    }

    fn composite_align(
        &self,
        t: TypeRef<'_>,
        depth: u32,
        known: &mut HashMap<u32, u32>,
    ) -> Result<u32, BtfError> {
        let mut max = 1;
        for m in t.elems::<RawMember>() {
            let align = self.align_within(TypeId(m.type_id.get()), depth + 1, known)?;
            max = max.max(align);
            let (bit_offset, bit_size) = split_offset(t.kind_flag(), m.offset.get());
            if bit_size == 0 && u64::from(bit_offset) % (8 * u64::from(align)) != 0 {
                return Ok(1);
            }
        }
        Ok(if t.size() % max == 0 { max } else { 1 })
    }

    /// The size of a pointer in bytes, `None` if there is no `long` to tell it.
    pub fn guess_pointer_size(&self) -> Option<u32> {
        *self.pointer_size.get_or_init(|| {
            if let Some(size) = self.base().and_then(|b| b.guess_pointer_size()) {
                return Some(size);
            }
            self.own_types()
                .filter(|t| t.kind() == BtfKind::INT && matches!(t.size(), 4 | 8))
                .find(|t| LONG_NAMES.contains(&t.name()))
                .map(|t| t.size())
        })
    }
}
