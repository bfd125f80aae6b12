//! Looking at types.

use core::ffi::c_int;

use oxbpf_btf::{ByteOrder, Type, TypeId};
use oxbpf_uapi::BtfKind;

use super::{Btf, Types};
use crate::arg::{Ptr, Put, Str};
use crate::fail::Fail;
use crate::ret::{Int, Long, Out, Val, Void, set_errno};

/// `void`, as C finds it: a record of zeros.
static VOID: [u32; 3] = [0; 3];

/// `BTF_LITTLE_ENDIAN` and `BTF_BIG_ENDIAN`.
const LITTLE: u32 = 0;
const BIG: u32 = 1;

/// C's number for a byte order.
pub(super) fn number_of(order: ByteOrder) -> u32 {
    if order == ByteOrder::Little { LITTLE } else { BIG }
}

/// The byte order of C's number.
pub(super) fn order_of(number: u32) -> Result<ByteOrder, Fail> {
    match number {
        LITTLE => Ok(ByteOrder::Little),
        BIG => Ok(ByteOrder::Big),
        _ => Err(Fail::INVAL),
    }
}

fn string(btf: Ptr<Btf>, offset: u32) -> Result<*const u8, Fail> {
    Ok(btf.get()?.state().string(offset).ok_or(Fail::INVAL)?.as_ptr())
}

fn raw(btf: Ptr<Btf>, size: Put<u32>) -> Result<*const u8, Fail> {
    let (address, len) = btf.get()?.state().raw()?;
    size.set(len);
    Ok(address)
}

fn find(btf: Ptr<Btf>, name: Str, kind: BtfKind) -> Result<c_int, Fail> {
    let (types, name) = (btf.get()?.types()?, name.get()?);
    if kind.0 == 0 || name == "void" {
        return Ok(0);
    }
    types.find(name, kind).map(|id| id.0 as c_int).ok_or(Fail::NOENT)
}

/// The type behind modifiers, typedefs and variables, if it is one with a definition.
fn resolve(types: &Types, id: TypeId) -> Result<TypeId, Fail> {
    let found = types.get(types.resolve(id)?)?;
    match found.view() {
        Type::Var { type_id, .. } => resolve(types, type_id),
        _ if found.id().is_void() || found.kind() == BtfKind::FWD => Err(Fail::INVAL),
        _ => Ok(found.id()),
    }
}

/// Whether types of a kind are those of values.
fn is_value(kind: BtfKind) -> bool {
    !matches!(
        kind,
        BtfKind::VAR
            | BtfKind::DATASEC
            | BtfKind::FUNC
            | BtfKind::FUNC_PROTO
            | BtfKind::FWD
            | BtfKind::DECL_TAG
    )
}

export! {
    /// Releases the types, and their descriptor.
    fn btf__free(btf: Ptr<Btf>) -> Void {
        drop(btf.take());
        Ok(())
    }

    /// One more than the last id.
    fn btf__type_cnt(btf: Ptr<Btf>) -> Val<u32> {
        Ok(btf.get()?.state().type_count())
    }

    /// What the types are split from, null if they stand alone.
    fn btf__base_btf(btf: Ptr<Btf>) -> Out<Btf> {
        Ok(btf.get()?.base())
    }

    /// The type with an id. The pointer is good until the next change.
    fn btf__type_by_id(btf: Ptr<Btf>, id: u32) -> Out<u8> {
        if id == 0 {
            return Ok(VOID.as_ptr().cast());
        }
        Ok(btf.get()?.state().record(TypeId(id)).ok_or(Fail::INVAL)?.as_ptr())
    }

    /// The string at an offset.
    fn btf__name_by_offset(btf: Ptr<Btf>, offset: u32) -> Out<u8> {
        string(btf, offset)
    }

    /// The string at an offset.
    fn btf__str_by_offset(btf: Ptr<Btf>, offset: u32) -> Out<u8> {
        string(btf, offset)
    }

    /// The bytes, good until the next change.
    fn btf__raw_data(btf: Ptr<Btf>, size: Put<u32>) -> Out<u8> {
        raw(btf, size)
    }

    /// As `btf__raw_data`.
    fn btf__get_raw_data(btf: Ptr<Btf>, size: Put<u32>) -> Out<u8> {
        raw(btf, size)
    }

    /// The id of the first type of that name.
    fn btf__find_by_name(btf: Ptr<Btf>, type_name: Str) -> Int {
        let (types, name) = (btf.get()?.types()?, type_name.get()?);
        if name == "void" {
            return Ok(0);
        }
        types.find_all(name).next().map(|id| id.0 as c_int).ok_or(Fail::NOENT)
    }

    /// The id of the first type of that name and kind.
    fn btf__find_by_name_kind(btf: Ptr<Btf>, type_name: Str, kind: u32) -> Int {
        find(btf, type_name, BtfKind(kind))
    }

    /// Bytes of a value.
    fn btf__resolve_size(btf: Ptr<Btf>, type_id: u32) -> Long {
        Ok(i64::from(btf.get()?.types()?.size_of(TypeId(type_id))?))
    }

    /// The type behind modifiers, typedefs and variables.
    fn btf__resolve_type(btf: Ptr<Btf>, type_id: u32) -> Int {
        let types = btf.get()?.types()?;
        resolve(&types, TypeId(type_id)).map(|id| id.0 as c_int)
    }

    /// The alignment of a value in bytes, 0 if it has none.
    fn btf__align_of(btf: Ptr<Btf>, id: u32) -> Int {
        let types = btf.get()?.types()?;
        let align = types.get(TypeId(id)).ok().filter(|t| is_value(t.kind())).and_then(|t| types.align_of(t.id()).ok());
        if align.is_none() {
            set_errno(libc::EINVAL);
        }
        Ok(align.unwrap_or(0) as c_int)
    }

    /// Bytes of a pointer, 0 if the types do not say.
    fn btf__pointer_size(btf: Ptr<Btf>) -> Val<usize> {
        let mut state = btf.get()?.state();
        match state.pointer_size {
            0 => Ok(state.types()?.guess_pointer_size().unwrap_or(0) as usize),
            set => Ok(set as usize),
        }
    }

    /// Sets the bytes of a pointer: 4 or 8.
    fn btf__set_pointer_size(btf: Ptr<Btf>, ptr_sz: usize) -> Int {
        if ptr_sz != 4 && ptr_sz != 8 {
            return Err(Fail::INVAL);
        }
        let mut state = btf.get()?.state();
        state.pointer_size = ptr_sz as u32;
        let types = state.types()?;
        let mut own = match types.base() {
            Some(base) => Types::parse_split(types.raw().to_vec(), base.clone())?,
            None => Types::parse(types.raw().to_vec())?,
        };
        own.set_pointer_size(ptr_sz as u32)?;
        if state.builder.is_none() {
            state.replace(own.into());
        } else {
            state.fixed = Some(own.into());
        }
        Ok(0)
    }

    /// The byte order of the raw data.
    fn btf__endianness(btf: Ptr<Btf>) -> Val<u32> {
        Ok(number_of(btf.get()?.state().order))
    }

    /// Sets the byte order of the raw data.
    fn btf__set_endianness(btf: Ptr<Btf>, endian: u32) -> Int {
        let order = order_of(endian)?;
        let mut state = btf.get()?.state();
        state.order = order;
        state.raw = Vec::new();
        Ok(0)
    }

    /// The descriptor, −1 for none.
    fn btf__fd(btf: Ptr<Btf>) -> Int {
        Ok(btf.get()?.fd())
    }

    /// Sets the descriptor, which the types own from then on.
    fn btf__set_fd(btf: Ptr<Btf>, fd: c_int) -> Void {
        btf.get()?.set_fd(fd);
        Ok(())
    }
}
