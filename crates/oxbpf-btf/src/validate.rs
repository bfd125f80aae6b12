//! The whole check of a BTF: every name and reference in every element, and what each kind requires.

use oxbpf_uapi::BtfKind;

use crate::raw::{RawEnum, RawEnum64, RawMember, RawParam, RawSecVar};
use crate::{Btf, BtfError, TypeId, TypeRef};

impl Btf {
    /// Checks all own types: names are inside the strings, references name existing types, a function's type is a
    /// prototype. This is what libbpf checks when it opens BTF; [`Btf::parse`] leaves elements to those who read them,
    /// which is what makes opening a kernel's BTF cheap. Costs about as much as reading everything once.
    ///
    /// # Errors
    /// The first violation.
    pub fn validate(&self) -> Result<(), BtfError> {
        self.own_types().try_for_each(|t| self.validate_type(t))
    }

    fn validate_type(&self, t: TypeRef<'_>) -> Result<(), BtfError> {
        let id = t.id().0;
        let name = |off: u32| {
            if off < self.str_end().max(1) {
                return Ok(());
            }
            Err(BtfError::BadStringOffset { offset: off, size: self.str_end() })
        };
        let refers = |target: u32| {
            if target < self.type_count() { Ok(()) } else { Err(BtfError::BadReference { id, target }) }
        };
        name(t.name_off())?;
        match t.kind() {
            BtfKind::ARRAY => {
                for i in 0..2 {
                    refers(crate::raw::u32_at(t.tail(), 4 * i).unwrap_or_default())?;
                }
            }
            BtfKind::STRUCT | BtfKind::UNION => {
                for m in t.elems::<RawMember>() {
                    name(m.name_off.get())?;
                    refers(m.type_id.get())?;
                }
            }
            BtfKind::ENUM => t.elems::<RawEnum>().iter().try_for_each(|e| name(e.name_off.get()))?,
            BtfKind::ENUM64 => t.elems::<RawEnum64>().iter().try_for_each(|e| name(e.name_off.get()))?,
            BtfKind::FUNC => {
                refers(t.type_id().0)?;
                if self.get(TypeId(t.type_id().0))?.kind() != BtfKind::FUNC_PROTO {
                    return Err(BtfError::BadType { id, kind: t.kind(), why: "its type is not a prototype" });
                }
            }
            BtfKind::FUNC_PROTO => {
                refers(t.type_id().0)?;
                for p in t.elems::<RawParam>() {
                    name(p.name_off.get())?;
                    refers(p.type_id.get())?;
                }
            }
            BtfKind::DATASEC => t.elems::<RawSecVar>().iter().try_for_each(|v| refers(v.type_id.get()))?,
            kind if crate::raw::refers(kind.0) => refers(t.type_id().0)?,
            _ => {}
        }
        Ok(())
    }
}
