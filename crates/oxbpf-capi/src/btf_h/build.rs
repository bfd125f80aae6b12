//! Making and changing types.

use core::ffi::c_int;

use oxbpf_btf::{BtfBuilder, FuncLinkage, IntFlags, TypeId, VarLinkage};

use super::ext::Ext;
use super::{Btf, Types};
use crate::abi::{BtfDedupOpts, BtfPermuteOpts};
use crate::arg::{Ptr, Put, Raw, Str, give};
use crate::fail::Fail;
use crate::opts::Opts;
use crate::ret::Int;

/// An id that C gives as a signed number.
fn id(number: c_int) -> Result<TypeId, Fail> {
    u32::try_from(number).map(TypeId).map_err(|_| Fail::INVAL)
}

/// Adds a type and gives its id.
fn add(
    btf: Ptr<Btf>,
    add: impl FnOnce(&mut BtfBuilder) -> Result<TypeId, oxbpf_btf::BtfError>,
) -> Result<c_int, Fail> {
    btf.get()?.edit(|builder| Ok(add(builder)?.0 as c_int))
}

/// Adds something to the type added last.
fn add_to_last(
    btf: Ptr<Btf>,
    add: impl FnOnce(&mut BtfBuilder) -> Result<(), oxbpf_btf::BtfError>,
) -> Result<c_int, Fail> {
    btf.get()?.edit(|builder| Ok(add(builder)?))?;
    Ok(0)
}

/// A name that may be missing.
fn opt_name(name: &Str) -> Result<&str, Fail> {
    Ok(name.opt()?.unwrap_or_default())
}

export! {
    /// Stores a string and gives its offset.
    fn btf__add_str(btf: Ptr<Btf>, s: Str) -> Int {
        let s = s.get()?;
        btf.get()?.edit(|builder| Ok(builder.add_str(s)? as c_int))
    }

    /// The offset of a string that is stored.
    fn btf__find_str(btf: Ptr<Btf>, s: Str) -> Int {
        let s = s.get()?;
        let mut state = btf.get()?.state();
        state.builder()?.find_str(s).map(|off| off as c_int).ok_or(Fail::NOENT)
    }

    /// Adds an integer.
    fn btf__add_int(btf: Ptr<Btf>, name: Str, byte_sz: usize, encoding: c_int) -> Int {
        let (name, size) = (name.get()?, u32::try_from(byte_sz).map_err(|_| Fail::INVAL)?);
        let flags = IntFlags(u8::try_from(encoding).map_err(|_| Fail::INVAL)?);
        add(btf, |b| b.add_int(name, size, flags))
    }

    /// Adds a floating-point number.
    fn btf__add_float(btf: Ptr<Btf>, name: Str, byte_sz: usize) -> Int {
        let (name, size) = (name.get()?, u32::try_from(byte_sz).map_err(|_| Fail::INVAL)?);
        add(btf, |b| b.add_float(name, size))
    }

    /// Adds a pointer.
    fn btf__add_ptr(btf: Ptr<Btf>, ref_type_id: c_int) -> Int {
        let to = id(ref_type_id)?;
        add(btf, |b| b.add_ptr(to))
    }

    /// Adds an array.
    fn btf__add_array(btf: Ptr<Btf>, index_type_id: c_int, elem_type_id: c_int, nr_elems: u32) -> Int {
        let (index, elem) = (id(index_type_id)?, id(elem_type_id)?);
        add(btf, |b| b.add_array(index, elem, nr_elems))
    }

    /// Adds a struct, without fields at first.
    fn btf__add_struct(btf: Ptr<Btf>, name: Str, sz: u32) -> Int {
        let name = opt_name(&name)?;
        add(btf, |b| b.add_struct(name, sz))
    }

    /// Adds a union, without fields at first.
    fn btf__add_union(btf: Ptr<Btf>, name: Str, sz: u32) -> Int {
        let name = opt_name(&name)?;
        add(btf, |b| b.add_union(name, sz))
    }

    /// Adds a field to the struct or union added last.
    fn btf__add_field(btf: Ptr<Btf>, name: Str, field_type_id: c_int, bit_offset: u32, bit_size: u32) -> Int {
        let (name, field) = (opt_name(&name)?, id(field_type_id)?);
        add_to_last(btf, |b| b.add_field(name, field, bit_offset, bit_size))
    }

    /// Adds an enumeration, without values at first.
    fn btf__add_enum(btf: Ptr<Btf>, name: Str, bytes_sz: u32) -> Int {
        let name = opt_name(&name)?;
        add(btf, |b| b.add_enum(name, bytes_sz))
    }

    /// Adds a value to the enumeration added last.
    fn btf__add_enum_value(btf: Ptr<Btf>, name: Str, value: i64) -> Int {
        let name = name.get()?;
        add_to_last(btf, |b| b.add_enum_value(name, value))
    }

    /// Adds an enumeration with values of 64 bits, without values at first.
    fn btf__add_enum64(btf: Ptr<Btf>, name: Str, bytes_sz: u32, is_signed: bool) -> Int {
        let name = opt_name(&name)?;
        add(btf, |b| b.add_enum64(name, bytes_sz, is_signed))
    }

    /// Adds a value to the 64-bit enumeration added last.
    fn btf__add_enum64_value(btf: Ptr<Btf>, name: Str, value: u64) -> Int {
        let name = name.get()?;
        add_to_last(btf, |b| b.add_enum64_value(name, value))
    }

    /// Adds a forward declaration: 0 struct, 1 union, 2 enumeration.
    fn btf__add_fwd(btf: Ptr<Btf>, name: Str, fwd_kind: u32) -> Int {
        let name = name.get()?;
        if name.is_empty() {
            return Err(Fail::INVAL);
        }
        match fwd_kind {
            0 => add(btf, |b| b.add_fwd(name, false)),
            1 => add(btf, |b| b.add_fwd(name, true)),
            // An enumeration without values stands for its declaration.
            2 => add(btf, |b| b.add_enum(name, 4)),
            _ => Err(Fail::INVAL),
        }
    }

    /// Adds a typedef.
    fn btf__add_typedef(btf: Ptr<Btf>, name: Str, ref_type_id: c_int) -> Int {
        let (name, to) = (name.get()?, id(ref_type_id)?);
        add(btf, |b| b.add_typedef(name, to))
    }

    /// Adds `volatile`.
    fn btf__add_volatile(btf: Ptr<Btf>, ref_type_id: c_int) -> Int {
        let to = id(ref_type_id)?;
        add(btf, |b| b.add_volatile(to))
    }

    /// Adds `const`.
    fn btf__add_const(btf: Ptr<Btf>, ref_type_id: c_int) -> Int {
        let to = id(ref_type_id)?;
        add(btf, |b| b.add_const(to))
    }

    /// Adds `restrict`.
    fn btf__add_restrict(btf: Ptr<Btf>, ref_type_id: c_int) -> Int {
        let to = id(ref_type_id)?;
        add(btf, |b| b.add_restrict(to))
    }

    /// Adds a tag of a type.
    fn btf__add_type_tag(btf: Ptr<Btf>, value: Str, ref_type_id: c_int) -> Int {
        let (value, to) = (value.get()?, id(ref_type_id)?);
        add(btf, |b| b.add_type_tag(value, to))
    }

    /// Adds an attribute of a type.
    fn btf__add_type_attr(btf: Ptr<Btf>, value: Str, ref_type_id: c_int) -> Int {
        let (value, to) = (value.get()?, id(ref_type_id)?);
        add(btf, |b| b.add_type_attr(value, to))
    }

    /// Adds a tag of a declaration: −1 for the whole, or a member or parameter from 0.
    fn btf__add_decl_tag(btf: Ptr<Btf>, value: Str, ref_type_id: c_int, component_idx: c_int) -> Int {
        let (value, to) = (value.get()?, id(ref_type_id)?);
        if component_idx < -1 {
            return Err(Fail::INVAL);
        }
        add(btf, |b| b.add_decl_tag(value, to, component_idx))
    }

    /// Adds an attribute of a declaration.
    fn btf__add_decl_attr(btf: Ptr<Btf>, value: Str, ref_type_id: c_int, component_idx: c_int) -> Int {
        let (value, to) = (value.get()?, id(ref_type_id)?);
        if component_idx < -1 {
            return Err(Fail::INVAL);
        }
        add(btf, |b| b.add_decl_attr(value, to, component_idx))
    }

    /// Adds a function.
    fn btf__add_func(btf: Ptr<Btf>, name: Str, linkage: u32, proto_type_id: c_int) -> Int {
        let (name, proto) = (name.get()?, id(proto_type_id)?);
        add(btf, |b| b.add_func(name, FuncLinkage(linkage), proto))
    }

    /// Adds a function's type, without parameters at first.
    fn btf__add_func_proto(btf: Ptr<Btf>, ret_type_id: c_int) -> Int {
        let ret = id(ret_type_id)?;
        add(btf, |b| b.add_func_proto(ret))
    }

    /// Adds a parameter to the function's type added last.
    fn btf__add_func_param(btf: Ptr<Btf>, name: Str, type_id: c_int) -> Int {
        let (name, of) = (opt_name(&name)?, id(type_id)?);
        add_to_last(btf, |b| b.add_func_param(name, of))
    }

    /// Adds a variable.
    fn btf__add_var(btf: Ptr<Btf>, name: Str, linkage: c_int, type_id: c_int) -> Int {
        let (name, of) = (name.get()?, id(type_id)?);
        let linkage = VarLinkage(u32::try_from(linkage).map_err(|_| Fail::INVAL)?);
        add(btf, |b| b.add_var(name, linkage, of))
    }

    /// Adds a section, without variables at first.
    fn btf__add_datasec(btf: Ptr<Btf>, name: Str, byte_sz: u32) -> Int {
        let name = name.get()?;
        add(btf, |b| b.add_datasec(name, byte_sz))
    }

    /// Adds a variable to the section added last.
    fn btf__add_datasec_var_info(btf: Ptr<Btf>, var_type_id: c_int, offset: u32, byte_sz: u32) -> Int {
        let var = id(var_type_id)?;
        add_to_last(btf, |b| b.add_datasec_var(var, offset, byte_sz))
    }

    /// Adds a copy of a type; ids that it refers to stay as they are.
    fn btf__add_type(btf: Ptr<Btf>, src_btf: Ptr<Btf>, src_type: Ptr<u8>) -> Int {
        let source = src_btf.get()?;
        let wanted = src_type.get()?;
        let mut state = source.state();
        let is_it = |id: &u32| {
            let record = state.record(TypeId(*id));
            record.is_some_and(|r| core::ptr::eq(r.as_ptr(), core::ptr::from_ref(wanted)))
        };
        let found = (1..state.type_count()).find(is_it).ok_or(Fail::INVAL)?;
        let types = state.types()?;
        drop(state);
        add(btf, |b| b.append_type(&types, TypeId(found)))
    }

    /// Adds copies of all types of another; gives the id of the first.
    fn btf__add_btf(btf: Ptr<Btf>, src_btf: Ptr<Btf>) -> Int {
        let types = src_btf.get()?.types()?;
        add(btf, |b| b.append_btf(&types))
    }

    /// Makes each type be there once.
    fn btf__dedup(btf: Ptr<Btf>, opts: Opts<BtfDedupOpts>) -> Int {
        let opts = opts.check()?;
        let ext = opt!(ptr opts: BtfDedupOpts, btf_ext).as_object::<Ext>();
        btf.get()?.edit(|builder| {
            match ext.opt() {
                Some(ext) => builder.dedup_with(&mut ext.records())?,
                None => builder.dedup()?,
            };
            Ok(0)
        })
    }

    /// Puts types into another order: the type that is number `i` gets the id `id_map[i]`.
    fn btf__permute(btf: Ptr<Btf>, id_map: Put<u32>, id_map_cnt: u32, opts: Opts<BtfPermuteOpts>) -> Int {
        let opts = opts.check()?;
        let map = id_map.slice(id_map_cnt as usize).ok_or(Fail::INVAL)?;
        let map: Vec<TypeId> = map.iter().map(|id| TypeId(*id)).collect();
        let ext = opt!(ptr opts: BtfPermuteOpts, btf_ext).as_object::<Ext>();
        btf.get()?.edit(|builder| {
            match ext.opt() {
                Some(ext) => builder.permute_with(&map, &mut ext.records())?,
                None => builder.permute(&map)?,
            }
            Ok(0)
        })
    }

    /// Makes of split types a small base and types on top of it.
    fn btf__distill_base(src_btf: Ptr<Btf>, new_base_btf: Put<*const Btf>, new_split_btf: Put<*const Btf>) -> Int {
        if new_base_btf.is_null() || new_split_btf.is_null() {
            return Err(Fail::INVAL);
        }
        let (base, split) = src_btf.get()?.types()?.distill_base()?;
        let base = give(Btf::shared(base));
        new_base_btf.set(base);
        new_split_btf.set(give(Btf::shared(split.into()).on(base)));
        Ok(0)
    }

    /// Puts split types on top of another base.
    fn btf__relocate(btf: Ptr<Btf>, base_btf: Ptr<Btf>) -> Int {
        let (own, base) = (btf.get()?, base_btf.get()?);
        let types: Types = own.types()?.relocate(&base.types()?)?;
        own.state().replace(types.into());
        own.base.store(base_btf.address().cast_mut(), core::sync::atomic::Ordering::Relaxed);
        Ok(0)
    }
}

/// What C gave as a field.
impl Raw {
    /// As one of the library's own objects.
    fn as_object<T>(self) -> Ptr<T> {
        Ptr::given(self.pointer().cast())
    }
}
