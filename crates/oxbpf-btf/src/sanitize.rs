//! BTF rewritten for kernels that lack newer kinds: what such a kernel would refuse becomes something of the same
//! length that it accepts, so that all ids stay.
//!
//! | The kernel lacks | What becomes of it |
//! | --- | --- |
//! | functions | `FUNC` a typedef, `FUNC_PROTO` an enum |
//! | linkage of functions | every function static |
//! | data sections | `DATASEC` a struct (`.` and `?` in its name become `_`), `VAR` an integer of 1 byte |
//! | `?` in names of data sections | a leading `?` becomes `_` |
//! | floats | an anonymous struct without members |
//! | declaration tags | an integer of 1 byte |
//! | type tags | `const` |
//! | 64-bit enums | a union with the enumerators as members; signedness of 32-bit ones is dropped |
//! | the layout section | the section is left out |
//!
//! The result is what libbpf's `bpf_object__sanitize_btf` gives (libbpf 1.7), for the same kernel.

use oxbpf_uapi::BtfKind;

use crate::builder::{info, put};
use crate::raw::{MAX_VLEN, TYPE_LEN, u32_at};
use crate::{Btf, BtfBuilder, IntFlags, TypeId};

/// Which parts of BTF a kernel accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SanitizeFeatures {
    /// `FUNC` and `FUNC_PROTO`. Kernel 5.0.
    pub func: bool,
    /// Linkage of functions. Kernel 5.6.
    pub global_func: bool,
    /// `VAR` and `DATASEC`. Kernel 5.2.
    pub datasec: bool,
    /// `FLOAT`. Kernel 5.13.
    pub float: bool,
    /// `DECL_TAG`. Kernel 5.16.
    pub decl_tag: bool,
    /// `TYPE_TAG`. Kernel 5.17.
    pub type_tag: bool,
    /// `ENUM64`, and signedness of `ENUM`. Kernel 6.0.
    pub enum64: bool,
    /// `?` at the start of a data section's name. Kernel 6.9.
    pub qmark_datasec: bool,
    /// The layout section. Kernel 7.1.
    pub layout: bool,
}

impl SanitizeFeatures {
    /// A kernel that accepts everything.
    pub const ALL: Self = Self {
        func: true,
        global_func: true,
        datasec: true,
        float: true,
        decl_tag: true,
        type_tag: true,
        enum64: true,
        qmark_datasec: true,
        layout: true,
    };

    /// The first kernel with BTF, which accepts none of these.
    pub const NONE: Self = Self {
        func: false,
        global_func: false,
        datasec: false,
        float: false,
        decl_tag: false,
        type_tag: false,
        enum64: false,
        qmark_datasec: false,
        layout: false,
    };
}

/// The bytes of `btf` (its own part) in a form that a kernel with `features` accepts; `None` if `btf` is in that form
/// already.
///
/// All ids stay. One integer is appended if there are 64-bit enums to replace. BTF that cannot be edited, because its
/// header has fields that this version does not know, is left to the kernel as it is (`None`).
#[doc(alias = "bpf_object__sanitize_btf")]
pub fn sanitize(btf: &Btf, features: &SanitizeFeatures) -> Option<Vec<u8>> {
    if *features == SanitizeFeatures::ALL {
        return None;
    }
    let mut to = BtfBuilder::from_btf(btf).ok()?;
    if !features.layout {
        to.layout.clear();
    }
    let mut placeholder = None;
    for t in btf.own_types() {
        let Some(&off) = to.offsets.get((t.id().0 - btf.start_id().0) as usize) else { continue };
        let off = off as usize;
        let kind = t.kind();
        let mut turn_into = |kind, vlen| put(&mut to.types, off + 4, info(kind, vlen, false));
        match kind {
            BtfKind::VAR if !features.datasec => turn_into_byte(&mut to, off),
            BtfKind::DECL_TAG if !features.decl_tag => turn_into_byte(&mut to, off),
            BtfKind::DATASEC if !features.datasec => {
                turn_into(BtfKind::STRUCT, t.vlen());
                replace_in_name(&mut to, btf, t.name_off(), |i, b| matches!(b, b'.' | b'?').then_some(i));
                vars_to_members(&mut to, btf, off, t.vlen());
            }
            BtfKind::DATASEC if !features.qmark_datasec && t.name().starts_with('?') => {
                replace_in_name(&mut to, btf, t.name_off(), |i, _| (i == 0).then_some(i));
            }
            BtfKind::FUNC_PROTO if !features.func => {
                turn_into(BtfKind::ENUM, t.vlen());
                put(&mut to.types, off + 8, 4);
            }
            BtfKind::FUNC if !features.func => turn_into(BtfKind::TYPEDEF, 0),
            BtfKind::FUNC if !features.global_func => turn_into(BtfKind::FUNC, 0),
            BtfKind::FLOAT if !features.float => {
                turn_into(BtfKind::STRUCT, 0);
                // "float" is no name that a C compiler takes for a struct.
                put(&mut to.types, off, 0);
            }
            BtfKind::TYPE_TAG if !features.type_tag => {
                turn_into(BtfKind::CONST, 0);
                put(&mut to.types, off, 0);
            }
            BtfKind::ENUM if !features.enum64 => turn_into(BtfKind::ENUM, t.vlen()),
            BtfKind::ENUM64 if !features.enum64 => {
                turn_into(BtfKind::UNION, t.vlen());
                let byte = match placeholder {
                    Some(id) => id,
                    None => *placeholder.insert(to.add_int("enum64_placeholder", 1, IntFlags::NONE).ok()?),
                };
                values_to_members(&mut to, off, t.vlen(), byte);
            }
            _ => {}
        }
    }
    let unchanged =
        to.types == btf.types_bytes() && to.strs == btf.own_strs() && to.layout == btf.own_layout();
    if unchanged { None } else { to.to_bytes().ok() }
}

/// Makes the type at `off` an integer of one byte. A larger one could reach past the variable that it stands for.
fn turn_into_byte(to: &mut BtfBuilder, off: usize) {
    put(&mut to.types, off + 4, info(BtfKind::INT, 0, false));
    put(&mut to.types, off + 8, 1);
    put(&mut to.types, off + TYPE_LEN, 8);
}

/// Turns the variables after a data section's head into members named like them.
fn vars_to_members(to: &mut BtfBuilder, btf: &Btf, off: usize, vlen: u32) {
    for i in 0..(vlen & MAX_VLEN) as usize {
        let at = off + TYPE_LEN + 12 * i;
        let word = |k: usize| u32_at(&to.types, at + 4 * k).unwrap_or_default();
        let (var, var_offset) = (word(0), word(1));
        let name_off = btf.get(TypeId(var)).map_or(0, |v| v.name_off());
        for (k, word) in [name_off, var, var_offset.wrapping_mul(8)].into_iter().enumerate() {
            put(&mut to.types, at + 4 * k, word);
        }
    }
}

/// Turns 64-bit enumerators into members of type `ty` at the union's start.
fn values_to_members(to: &mut BtfBuilder, off: usize, vlen: u32, ty: TypeId) {
    for i in 0..(vlen & MAX_VLEN) as usize {
        let at = off + TYPE_LEN + 12 * i;
        put(&mut to.types, at + 4, ty.0);
        put(&mut to.types, at + 8, 0);
    }
}

/// Replaces by `_` the bytes of an own string that `which` picks.
fn replace_in_name(
    to: &mut BtfBuilder,
    btf: &Btf,
    name_off: u32,
    which: impl Fn(usize, u8) -> Option<usize>,
) {
    let Some(start) = name_off.checked_sub(btf.start_str()) else { return };
    let name = to.strs.get_mut(start as usize..).unwrap_or_default();
    for (i, b) in name.iter_mut().enumerate().take_while(|(_, b)| **b != 0) {
        if which(i, *b).is_some() {
            *b = b'_';
        }
    }
}
