//! struct_ops: a struct of callbacks as the object declares it in, the value that the kernel takes out.
//!
//! The kernel has its own layout of the struct (`struct tcp_congestion_ops`), inside of a value type that adds what the
//! kernel keeps beside it (`struct bpf_struct_ops_tcp_congestion_ops`). Members are matched by name: data is copied, and a
//! function pointer becomes the program that is loaded for the member of that number. What the kernel does not have must be
//! zero, so that an object may name members that only newer kernels know. Once programs are loaded, their
//! descriptors take the places of the pointers.

use std::collections::HashMap;

use oxbpf_btf::{Btf, BtfError, Composite, Member, Type, TypeId, essential_name};
use oxbpf_kernel::BtfFd;
use oxbpf_object::{MapId, MapOrigin, ProgId, StructOpsSpec};
use oxbpf_uapi::{AttachType, BtfKind, Errno, MapType, ProgType};

use super::state::Core;
use super::types::{Found, KernelTypes};
use crate::error::{At, Error, Frame, Result, nearest};

/// Prefix of the kernel's value types.
const VALUE_PREFIX: &str = "bpf_struct_ops_";
/// `ENOTSUP` as libbpf returns it.
const ENOTSUP: Errno = Errno(95);

/// A struct_ops variable in the kernel's layout.
#[derive(Clone, Debug)]
pub(crate) struct KernelValue {
    /// The value type in kernel BTF.
    pub(crate) value_type: TypeId,
    /// BTF of the module that has it, `None` for the kernel itself.
    pub(crate) module: Option<BtfFd>,
    /// The map's value. The descriptors of programs are filled in when these are loaded.
    pub(crate) data: Vec<u8>,
    /// Callbacks.
    progs: Vec<Callback>,
}

/// A function pointer that is a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Callback {
    prog: ProgId,
    /// Number of the member in the kernel's struct.
    member: u32,
    /// Byte offset in the kernel's value.
    offset: usize,
}

/// The kernel's two types of a struct_ops.
struct KernelStruct<'k> {
    btf: &'k Btf,
    type_id: TypeId,
    members: Composite<'k>,
    value_type: TypeId,
    value_size: u32,
    /// Byte offset of the struct in the value.
    offset: u32,
}

impl Core {
    /// Lays out the struct_ops variables that get maps, and says what their programs are loaded for.
    pub(super) fn lay_out_struct_ops(&mut self, types: &KernelTypes) -> Result<()> {
        for spec in self.spec.struct_ops.clone() {
            let Some(map) = self.spec.maps.get(spec.map.0 as usize).filter(|m| m.autocreate) else {
                continue;
            };
            let frame = Frame::Map(map.real_name.clone());
            let (value, type_id) = self.lay_out(types, &spec).at(|| frame.clone())?;
            for callback in &value.progs {
                self.set_callback(callback, type_id, value.module.as_ref()).at(|| frame.clone())?;
            }
            if let Some(map) = self.spec.maps.get_mut(spec.map.0 as usize) {
                map.value_size = value.data.len() as u32;
            }
            if let Some(row) = self.maps.get_mut(spec.map.0 as usize) {
                row.kernel_value = Some(value);
            }
        }
        let mut maps = self.spec.maps.iter();
        if let Some(map) = maps
            .find(|m| m.autocreate && m.map_type == MapType::STRUCT_OPS && m.origin != MapOrigin::StructOps)
        {
            return Err(Error::invalid_object("no variable says what its callbacks are")
                .with_hint("declare a variable of the struct's type in SEC(\".struct_ops.link\")")
                .at(Frame::Map(map.real_name.clone())));
        }
        self.choose_callbacks();
        Ok(())
    }

    fn lay_out(&self, types: &KernelTypes, spec: &StructOpsSpec) -> Result<(KernelValue, TypeId)> {
        let found = find(types, essential_name(&spec.type_name))?;
        let kernel = kernel_struct(types, &found, essential_name(&spec.type_name))?;
        let btf = self.spec.btf.as_deref();
        let local = btf.and_then(|btf| Some((btf, btf.get(spec.type_id).ok()?.composite()?)));
        let Some((btf, local)) = local else {
            return Err(Error::invalid_object("its type is no struct of the object"));
        };
        let mut value = KernelValue {
            value_type: kernel.value_type,
            module: types.module_of(&found).map(|m| m.fd.clone()),
            data: vec![0; kernel.value_size as usize],
            progs: Vec::new(),
        };
        for member in local.members() {
            let at = || Frame::Target(format!("member `{}`", member.name));
            copy_member(btf, member, spec, &kernel, &mut value).at(at)?;
        }
        for callback in &value.progs {
            let prog_type = self.program(callback.prog).map(|(p, _)| p.prog_type);
            if prog_type != Some(ProgType::STRUCT_OPS) {
                return Err(Error::invalid_input("a callback is no program of SEC(\"struct_ops\")")
                    .with_errno(ENOTSUP)
                    .at(self.program_frame(callback.prog)));
            }
        }
        Ok((value, kernel.type_id))
    }

    /// Loads a program for a member. One that several variables share must be the same member of the same struct in all.
    fn set_callback(&mut self, callback: &Callback, type_id: TypeId, module: Option<&BtfFd>) -> Result<()> {
        let frame = self.program_frame(callback.prog);
        let i = callback.prog.0 as usize;
        let (Some(spec), Some(row)) = (self.spec.programs.get_mut(i), self.programs.get_mut(i)) else {
            return Ok(());
        };
        let member = AttachType(callback.member);
        if row.attach_target.btf_id.is_void() {
            (row.attach_target.btf_id, spec.expected_attach_type) = (type_id, member);
        } else if (row.attach_target.btf_id, spec.expected_attach_type) != (type_id, member) {
            let why = "it is a callback of another member or struct already; write a program for each";
            return Err(Error::invalid_object(why).at(frame));
        }
        row.attach_target.btf_obj = module.cloned();
        Ok(())
    }

    /// A callback is loaded if a map that is created refers to it. One that no variable refers to is left as it is.
    fn choose_callbacks(&mut self) {
        let mut is_used: HashMap<ProgId, bool> = HashMap::new();
        for spec in &self.spec.struct_ops {
            let is_created = self.spec.maps.get(spec.map.0 as usize).is_some_and(|m| m.autocreate);
            for (_, prog) in &spec.progs {
                *is_used.entry(*prog).or_default() |= is_created;
            }
        }
        for (prog, is_used) in is_used {
            if let Some(row) = self.programs.get_mut(prog.0 as usize) {
                row.autoload = is_used;
            }
        }
    }

    /// Puts the descriptors of the loaded programs into the values.
    pub(super) fn fill_struct_ops(&mut self) -> Result<()> {
        for (spec, row) in self.spec.maps.iter().zip(&mut self.maps) {
            let Some(value) = &mut row.kernel_value else { continue };
            for Callback { prog, offset, .. } in &value.progs {
                let fd = self.programs.get(prog.0 as usize).and_then(|r| r.fd.as_ref());
                let place = value.data.get_mut(*offset..).and_then(|d| d.first_chunk_mut::<8>());
                let (Some(fd), Some(place)) = (fd, place) else {
                    let why = "one of its callbacks was not loaded";
                    return Err(Error::invalid_object(why).at(Frame::Map(spec.real_name.clone())));
                };
                // The kernel's `unsigned long` holds the number.
                *place = (fd.number() as u64).to_ne_bytes();
            }
        }
        Ok(())
    }

    /// The struct_ops variable behind a map.
    pub(super) fn struct_ops_of(&self, map: MapId) -> Option<&StructOpsSpec> {
        self.spec.struct_ops.iter().find(|s| s.map == map)
    }

    /// The range of a member in the variable's bytes, and its type.
    pub(super) fn struct_ops_member(
        &self,
        map: MapId,
        name: &str,
    ) -> Result<(core::ops::Range<usize>, TypeId)> {
        let Some(spec) = self.struct_ops_of(map) else {
            return Err(Error::invalid_input("the map is no struct_ops variable"));
        };
        let btf = self.spec.btf.as_deref();
        let members = btf.and_then(|btf| Some((btf, btf.get(spec.type_id).ok()?.composite()?)));
        let Some((btf, members)) = members else {
            return Err(Error::invalid_object("its type is no struct of the object"));
        };
        let Some(member) = members.members().find(|m| m.name == name) else {
            let error = Error::not_found(format!("struct {} has no member `{name}`", spec.type_name));
            return Err(match nearest(name, members.members().map(|m| m.name)) {
                Some(near) => error.with_hint(format!("did you mean `{near}`?")),
                None => error,
            });
        };
        if member.bit_size != 0 {
            return Err(not_supported(format!("member `{name}` is a bit-field")));
        }
        let start = (member.bit_offset / 8) as usize;
        let size = btf.size_of(member.type_id).map_err(in_object_types)? as usize;
        Ok((start..start.saturating_add(size), member.type_id))
    }

    /// Names and byte offsets of the members of a struct_ops variable that are pointers to functions.
    pub fn struct_ops_callbacks(&self, map: MapId) -> Vec<(String, usize)> {
        let btf = self.spec.btf.as_deref();
        let members = btf.zip(self.struct_ops_of(map)).and_then(|(btf, spec)| {
            let members = btf.get(spec.type_id).ok()?.composite()?.members();
            let callbacks = members.filter(|m| is_func_ptr(btf, m.type_id));
            Some(callbacks.map(|m| (m.name.to_owned(), (m.bit_offset / 8) as usize)).collect())
        });
        members.unwrap_or_default()
    }

    /// Makes a program the callback of a member, or none.
    pub(super) fn set_struct_ops_program(
        &mut self,
        map: MapId,
        member: &str,
        prog: Option<ProgId>,
    ) -> Result<()> {
        let (range, type_id) = self.struct_ops_member(map, member)?;
        if !self.spec.btf.as_deref().is_some_and(|btf| is_func_ptr(btf, type_id)) {
            return Err(Error::invalid_input(format!("member `{member}` is no pointer to a function")));
        }
        if let Some(prog) = prog {
            let prog_type = self.program(prog).map(|(p, _)| p.prog_type);
            if prog_type != Some(ProgType::STRUCT_OPS) {
                return Err(Error::invalid_input("only programs of SEC(\"struct_ops\") can be callbacks")
                    .at(self.program_frame(prog)));
            }
        }
        let offset = range.start as u32;
        let Some(spec) = self.spec.struct_ops.iter_mut().find(|s| s.map == map) else { return Ok(()) };
        let before = spec.progs.iter().find(|(at, _)| *at == offset).map(|(_, prog)| *prog);
        spec.progs.retain(|(at, _)| *at != offset);
        spec.progs.extend(prog.map(|prog| (offset, prog)));
        spec.progs.sort_unstable_by_key(|(at, _)| *at);
        // The one that goes has nothing to be loaded for, unless another variable refers to it: that is decided later.
        let replaced = before.filter(|before| Some(*before) != prog);
        if let Some(row) = replaced.and_then(|p| self.programs.get_mut(p.0 as usize)) {
            row.autoload = false;
        }
        Ok(())
    }
}

/// Finds the value type of a struct_ops: in the kernel, then in modules.
fn find(types: &KernelTypes, name: &str) -> Result<Found> {
    let value_name = format!("{VALUE_PREFIX}{name}");
    if let Some(found) = types.find(&value_name, BtfKind::STRUCT)? {
        return Ok(found);
    }
    let error = Error::not_found(format!("the kernel has no struct_ops `{name}` (no struct {value_name})"));
    let all = types.vmlinux()?.types().filter(|t| t.kind() == BtfKind::STRUCT);
    let known: Vec<&str> = all.filter_map(|t| t.name().strip_prefix(VALUE_PREFIX)).collect();
    Err(match nearest(name, known.iter().copied()) {
        Some(near) => error.with_hint(format!("did you mean `{near}`?")),
        None if known.is_empty() => error.with_hint("kernels since Linux 5.6 have them"),
        None => error.with_hint(format!("it has {}", known.join(", "))),
    }
    .with_errno(Errno::ESRCH))
}

fn kernel_struct<'k>(types: &'k KernelTypes, found: &Found, name: &str) -> Result<KernelStruct<'k>> {
    let btf = types.btf_of(found)?;
    let broken = |e: BtfError| Error::kernel(e.errno()).with_source(e);
    let Some(type_id) = btf.find(name, BtfKind::STRUCT) else {
        return Err(Error::not_found(format!("the kernel has no struct {name}")).with_errno(Errno::ENOENT));
    };
    let value = btf.get(found.id).map_err(broken)?;
    let members = btf.get(type_id).map_err(broken)?.composite();
    let inside = value.composite().and_then(|v| v.members().find(|m| m.type_id == type_id));
    match (members, inside) {
        (Some(members), Some(inside)) => Ok(KernelStruct {
            btf,
            type_id,
            members,
            value_type: found.id,
            value_size: value.size(),
            offset: inside.bit_offset / 8,
        }),
        _ => {
            let why = format!("the kernel's struct {VALUE_PREFIX}{name} has no struct {name} inside");
            Err(Error::kernel(Errno::EINVAL).with_message(why))
        }
    }
}

/// Brings one member of the object's struct into the kernel's.
fn copy_member(
    btf: &Btf,
    member: Member<'_>,
    spec: &StructOpsSpec,
    kernel: &KernelStruct<'_>,
    value: &mut KernelValue,
) -> Result<()> {
    let size = btf.size_of(member.type_id).map_err(in_object_types)? as usize;
    let start = (member.bit_offset / 8) as usize;
    let prog = spec.progs.iter().find(|(at, _)| *at as usize == start).map(|(_, prog)| *prog);
    let bytes = spec.data.get(start..start.saturating_add(size));
    let bytes = bytes.ok_or_else(|| Error::invalid_object("it lies outside of the variable"))?;
    let is_zero = bytes.iter().all(|b| *b == 0);
    let wanted = (0u32..).zip(kernel.members.members()).find(|(_, m)| m.name == member.name);
    let Some((index, theirs)) = wanted else {
        if is_zero && (prog.is_none() || size == 0) {
            log::debug!("struct_ops '{}': this kernel has no member '{}'", spec.name, member.name);
            return Ok(());
        }
        let error = not_supported(format!("this kernel's struct {} has no such member", spec.type_name));
        return Err(match nearest(member.name, kernel.members.members().map(|m| m.name)) {
            Some(near) => error.with_hint(format!("it has `{near}`")),
            None => error.with_hint("leave it zero where the kernel may lack it"),
        });
    };
    if member.bit_size != 0 || theirs.bit_size != 0 {
        return Err(not_supported("bit-fields are not supported in struct_ops".to_owned()));
    }
    let ours = btf.resolve_ref(member.type_id).map_err(in_object_types)?;
    let kernel_type = kernel.btf.resolve_ref(theirs.type_id);
    let kernel_type = kernel_type.map_err(|e| Error::kernel(e.errno()).with_source(e))?;
    if ours.kind() != kernel_type.kind() {
        let why = format!("it is a {} here and a {} in the kernel", ours.kind(), kernel_type.kind());
        return Err(not_supported(why));
    }
    let offset = (kernel.offset as usize).saturating_add((theirs.bit_offset / 8) as usize);
    if let Type::Ptr(_) = ours.view() {
        match prog {
            Some(prog) if is_func_ptr(kernel.btf, theirs.type_id) => {
                value.progs.push(Callback { prog, member: index, offset });
            }
            Some(_) => return Err(not_supported("it is no pointer to a function in the kernel".to_owned())),
            None if is_zero => {}
            None => return Err(not_supported("a pointer can only be a program or null".to_owned())),
        }
        return Ok(());
    }
    let kernel_size = kernel.btf.size_of(kernel_type.id());
    let kernel_size = kernel_size.map_err(|e| Error::kernel(e.errno()).with_source(e))? as usize;
    if size != kernel_size {
        return Err(not_supported(format!("it takes {size} bytes here and {kernel_size} in the kernel")));
    }
    let place = value.data.get_mut(offset..offset.saturating_add(size));
    let outside = || Error::kernel(Errno::EINVAL).with_message("it lies outside of the kernel's value");
    place.ok_or_else(outside)?.copy_from_slice(bytes);
    Ok(())
}

fn is_func_ptr(btf: &Btf, id: TypeId) -> bool {
    let answer = || match btf.resolve_ref(id).ok()?.view() {
        Type::Ptr(to) => Some(btf.resolve_ref(to).ok()?.kind() == BtfKind::FUNC_PROTO),
        _ => None,
    };
    answer().unwrap_or(false)
}

fn not_supported(why: String) -> Error {
    Error::invalid_object(why).with_errno(ENOTSUP)
}

fn in_object_types(e: BtfError) -> Error {
    Error::invalid_object("").with_errno(e.errno()).with_source(e)
}
