//! What an instruction should hold: an access in, a number out.

use oxbpf_btf::{Btf, CoreReloKind, IntEncoding, Type, TypeId};
use oxbpf_uapi::BtfKind;

use crate::compat::Stop;
use crate::error::ReloErrorKind;
use crate::spec::{Spec, Step, Subject, subject};

/// What an access comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Value {
    /// The number; `None` if there is nothing to access and no number says so.
    pub(crate) number: Option<u64>,
    /// Size and type of what is accessed, if the size of a load or store must follow.
    pub(crate) access: Option<(u32, TypeId)>,
    /// Whether the instruction must hold the number before it is relocated. Compilers and this code may differ in how
    /// they read a bit-field.
    pub(crate) is_certain: bool,
}

impl Value {
    fn certain(number: u64) -> Self {
        Self { number: Some(number), access: None, is_certain: true }
    }
}

/// Why there is no value.
#[derive(Debug)]
pub(crate) enum NoValue {
    /// One of the BTFs does not tell it.
    Stop(Stop),
    /// The relocation cannot be made at all.
    Error(ReloErrorKind),
}

impl<E: Into<Stop>> From<E> for NoValue {
    fn from(e: E) -> Self {
        Self::Stop(e.into())
    }
}

/// The value of an access that was found, for programs of this byte order.
pub(crate) fn of(spec: &Spec<'_>, big_endian: bool) -> Result<Value, NoValue> {
    match subject(spec.kind) {
        Some(Subject::Field) => field(spec, big_endian),
        Some(Subject::Type) => type_value(spec),
        Some(Subject::Enumerator) => enumerator(spec),
        None => Err(NoValue::Error(ReloErrorKind::UnknownKind(spec.kind))),
    }
}

/// The value if nothing in the target matches.
pub(crate) fn of_nothing(kind: CoreReloKind) -> Value {
    let says_no = matches!(kind, CoreReloKind::FIELD_EXISTS | CoreReloKind::ENUMVAL_EXISTS)
        || subject(kind) == Some(Subject::Type);
    Value { number: says_no.then_some(0), access: None, is_certain: true }
}

fn type_value(spec: &Spec<'_>) -> Result<Value, NoValue> {
    Ok(match spec.kind {
        // Linking may have renumbered the object's types, so what the instruction holds does not matter.
        CoreReloKind::TYPE_ID_LOCAL | CoreReloKind::TYPE_ID_TARGET => {
            Value { is_certain: false, ..Value::certain(u64::from(spec.root.0)) }
        }
        CoreReloKind::TYPE_SIZE => Value::certain(u64::from(spec.btf.size_of(spec.root)?)),
        _ => Value::certain(1),
    })
}

fn enumerator(spec: &Spec<'_>) -> Result<Value, NoValue> {
    if spec.kind == CoreReloKind::ENUMVAL_EXISTS {
        return Ok(Value::certain(1));
    }
    let unknown = || NoValue::Error(ReloErrorKind::UnknownKind(spec.kind));
    let step = spec.steps.first().ok_or_else(unknown)?;
    let (value, is_wide) = match spec.btf.get(step.type_id)?.view() {
        Type::Enum(e) => (e.value(step.index as usize), false),
        Type::Enum64(e) => (e.value(step.index as usize), true),
        _ => (None, false),
    };
    let value = value.ok_or_else(unknown)?.value;
    // Compilers did not always say whether an enumeration is signed, so 32-bit values are always sign-extended.
    let bits = if is_wide { value as u64 } else { i64::from(value as i32) as u64 };
    Ok(Value::certain(bits))
}

fn field(spec: &Spec<'_>, big_endian: bool) -> Result<Value, NoValue> {
    if spec.kind == CoreReloKind::FIELD_EXISTS {
        return Ok(Value::certain(1));
    }
    let unknown = || NoValue::Error(ReloErrorKind::UnknownKind(spec.kind));
    let step = spec.steps.last().ok_or_else(unknown)?;
    match step.name {
        Some(_) => member(spec, step, big_endian),
        None => element(spec, step),
    }
}

/// An array element, or the root type itself.
fn element(spec: &Spec<'_>, step: &Step<'_>) -> Result<Value, NoValue> {
    Ok(match spec.kind {
        CoreReloKind::FIELD_BYTE_OFFSET => Value {
            access: Some((scalar_size(spec.btf, step.type_id)?, step.type_id)),
            ..Value::certain(u64::from(spec.bit_offset / 8))
        },
        CoreReloKind::FIELD_BYTE_SIZE => Value::certain(u64::from(spec.btf.size_of(step.type_id)?)),
        kind => return Err(NoValue::Error(ReloErrorKind::NotForArrays(kind))),
    })
}

fn member(spec: &Spec<'_>, step: &Step<'_>, big_endian: bool) -> Result<Value, NoValue> {
    let unknown = || NoValue::Error(ReloErrorKind::UnknownKind(spec.kind));
    let t = spec.btf.resolve_ref(step.to)?;
    let is_bit_field = step.bit_size > 0;
    let (byte_off, byte_size, bit_size) = if is_bit_field {
        let (off, size) = load_of_bit_field(spec.bit_offset, step.bit_size, t.size())?;
        (off, size, step.bit_size)
    } else {
        let size = spec.btf.size_of(t.id())?;
        (spec.bit_offset / 8, size, size.wrapping_mul(8))
    };
    let maybe = |number: u64| Value { is_certain: !is_bit_field, ..Value::certain(number) };
    Ok(match spec.kind {
        CoreReloKind::FIELD_BYTE_OFFSET if is_bit_field => maybe(u64::from(byte_off)),
        CoreReloKind::FIELD_BYTE_OFFSET => {
            let scalar = if t.kind() == BtfKind::ARRAY { scalar_size(spec.btf, t.id())? } else { byte_size };
            Value { access: Some((scalar, t.id())), ..maybe(u64::from(byte_off)) }
        }
        CoreReloKind::FIELD_BYTE_SIZE => maybe(u64::from(byte_size)),
        CoreReloKind::FIELD_SIGNED => Value::certain(u64::from(match t.view() {
            Type::Enum(e) | Type::Enum64(e) => e.is_signed(),
            Type::Int(enc, _) => enc.signed,
            _ => false,
        })),
        CoreReloKind::FIELD_LSHIFT_U64 => {
            let in_load = spec.bit_offset.wrapping_sub(byte_off.wrapping_mul(8));
            maybe(u64::from(if big_endian {
                8u32.wrapping_sub(byte_size).wrapping_mul(8).wrapping_add(in_load)
            } else {
                64u32.wrapping_sub(in_load.wrapping_add(bit_size))
            }))
        }
        CoreReloKind::FIELD_RSHIFT_U64 => Value::certain(u64::from(64u32.wrapping_sub(bit_size))),
        _ => return Err(unknown()),
    })
}

/// Byte offset and size of the smallest aligned load that holds a bit-field, starting from its declared type's size.
fn load_of_bit_field(bit_offset: u32, bits: u32, type_size: u32) -> Result<(u32, u32), NoValue> {
    let too_wide = || NoValue::Error(ReloErrorKind::WideBitField);
    let mut size = Some(type_size).filter(|s| *s > 0 && *s <= 16).ok_or_else(too_wide)?;
    loop {
        let offset = bit_offset / 8 / size * size;
        let end = u64::from(bit_offset) + u64::from(bits) - u64::from(offset) * 8;
        if end <= u64::from(size) * 8 {
            return Ok((offset, size));
        }
        if size >= 8 {
            return Err(too_wide());
        }
        size *= 2;
    }
}

/// Size of a type, or of the innermost elements if it is an array.
fn scalar_size(btf: &Btf, id: TypeId) -> Result<u32, NoValue> {
    let mut t = btf.resolve_ref(id)?;
    for _ in 0..32 {
        let Type::Array { elem, .. } = t.view() else { return Ok(btf.size_of(t.id())?) };
        t = btf.resolve_ref(elem)?;
    }
    Err(NoValue::Stop(Stop::TooDeep))
}

/// Whether a load or store may change its size along with the field: pointers (32-bit kernels) and unsigned integers
/// keep their value when they are extended with zeros.
pub(crate) fn may_resize(local: &Btf, local_id: TypeId, target: &Btf, target_id: TypeId) -> bool {
    let view = |btf: &Btf, id| -> Option<(bool, Option<IntEncoding>)> {
        match btf.get(id).ok()?.view() {
            Type::Ptr(_) => Some((true, None)),
            Type::Int(enc, _) => Some((false, Some(enc))),
            _ => None,
        }
    };
    match (view(local, local_id), view(target, target_id)) {
        (Some((true, _)), Some((true, _))) => true,
        (Some((_, Some(a))), Some((_, Some(b)))) => !is_plainly_signed(a) && !is_plainly_signed(b),
        _ => false,
    }
}

/// A signed number that is no character: `signed char` counts as unsigned here, as in libbpf.
fn is_plainly_signed(int: IntEncoding) -> bool {
    int.signed && !int.char && !int.bool
}
