//! Names of kinds, section names, versions, and what the kernel has.

use core::ffi::{CStr, c_int};
use std::ffi::CString;
use std::sync::OnceLock;

use oxbpf::Features;
use oxbpf_uapi::{AttachType, BtfKind, HelperId, LinkType, MapType, ProgType};

use super::handler;
use crate::arg::{Put, Raw, Str, give};
use crate::btf_h::Btf;
use crate::fail::Fail;
use crate::object::{c_string, kernel};
use crate::ret::{Int, Out, Val};

/// Names by number, with their ends.
type Names = OnceLock<Vec<Option<CString>>>;

/// The name of a number, null for none.
fn name(names: &'static Names, number: u32, all: impl Iterator<Item = (u32, &'static str)>) -> *const i8 {
    let names = names.get_or_init(|| {
        let mut names = Vec::new();
        for (number, name) in all {
            let i = number as usize;
            names.resize(names.len().max(i + 1), None);
            if let Some(place) = names.get_mut(i) {
                *place = Some(c_string(name));
            }
        }
        names
    });
    let found = names.get(number as usize).and_then(Option::as_ref);
    found.map_or(core::ptr::null(), |name| name.as_ptr().cast())
}

/// Types of a section name: C's own handlers first, then the library's table.
fn types_of(section: &str) -> Option<(ProgType, AttachType)> {
    let handlers = handler::registered();
    let known = oxbpf_object::sec_def::find(section);
    if let Some(handler) = handler::Handler::find(&handlers, section, known.is_some()) {
        return Some(handler.types());
    }
    known.map(|def| (def.prog_type, def.attach_type))
}

/// The number of CPUs that there can be, asked once.
///
/// # Errors
/// The kernel cannot say.
pub fn possible_cpus() -> Result<u32, Fail> {
    static CPUS: OnceLock<u32> = OnceLock::new();
    if let Some(cpus) = CPUS.get() {
        return Ok(*cpus);
    }
    let cpus = oxbpf::map::possible_cpus(kernel())?;
    Ok(*CPUS.get_or_init(|| cpus))
}

/// What a name is called in the kernel's types, by what attaches to it.
fn in_types(name: &str, attach_type: AttachType) -> (String, BtfKind) {
    match attach_type {
        AttachType::TRACE_RAW_TP => (format!("btf_trace_{name}"), BtfKind::TYPEDEF),
        AttachType::LSM_MAC | AttachType::LSM_CGROUP => (format!("bpf_lsm_{name}"), BtfKind::FUNC),
        AttachType::TRACE_ITER => (format!("bpf_iter_{name}"), BtfKind::FUNC),
        _ => (name.to_owned(), BtfKind::FUNC),
    }
}

fn probe(opts: Raw, ask: impl FnOnce(&Features) -> oxbpf::Result<bool>) -> Result<c_int, Fail> {
    if !opts.is_null() {
        return Err(Fail::INVAL);
    }
    // Whoever asks for hundreds of features wants the answers, and no line for each that can't be told.
    let answer = ask(&Features::of(kernel())).map_err(|error| Fail(error.errno().0))?;
    Ok(c_int::from(answer))
}

const VERSION: &CStr = c"v1.8";

export! {
    /// The name of an attach type, null for an unknown one.
    fn libbpf_bpf_attach_type_str(t: u32) -> Out<i8> {
        static NAMES: Names = OnceLock::new();
        Ok(name(&NAMES, t, AttachType::ALL.iter().filter_map(|t| Some((t.0, t.short_name()?)))))
    }

    /// The name of a link type, null for an unknown one.
    fn libbpf_bpf_link_type_str(t: u32) -> Out<i8> {
        static NAMES: Names = OnceLock::new();
        Ok(name(&NAMES, t, LinkType::ALL.iter().filter_map(|t| Some((t.0, t.short_name()?)))))
    }

    /// The name of a map type, null for an unknown one.
    fn libbpf_bpf_map_type_str(t: u32) -> Out<i8> {
        static NAMES: Names = OnceLock::new();
        Ok(name(&NAMES, t, MapType::ALL.iter().filter_map(|t| Some((t.0, t.short_name()?)))))
    }

    /// The name of a program type, null for an unknown one.
    fn libbpf_bpf_prog_type_str(t: u32) -> Out<i8> {
        static NAMES: Names = OnceLock::new();
        Ok(name(&NAMES, t, ProgType::ALL.iter().filter_map(|t| Some((t.0, t.short_name()?)))))
    }

    /// The types of programs in a section of that name.
    fn libbpf_prog_type_by_name(name: Str, prog_type: Put<u32>, expected_attach_type: Put<u32>) -> Int {
        let (program, attach) = types_of(name.get()?).ok_or(Fail::SRCH)?;
        prog_type.set(program.0);
        expected_attach_type.set(attach.0);
        Ok(0)
    }

    /// The attach type of programs in a section of that name, if they can be attached without a link.
    fn libbpf_attach_type_by_name(name: Str, attach_type: Put<u32>) -> Int {
        let section = name.get()?;
        let known = oxbpf_object::sec_def::find(section);
        let own = handler::Handler::find(&handler::registered(), section, known.is_some());
        let known = known.filter(|def| def.flags.attachable && own.is_none()).ok_or(Fail::INVAL)?;
        attach_type.set(known.attach_type.0);
        Ok(0)
    }

    /// The BTF id of what programs of an attach type call by that name.
    fn libbpf_find_vmlinux_btf_id(name: Str, attach_type: u32) -> Int {
        let name = name.get()?;
        let types = oxbpf::btf::vmlinux(kernel())?;
        let (full, kind) = in_types(name, AttachType(attach_type));
        match types.find(&full, kind) {
            Some(id) => Ok(id.0 as c_int),
            None => {
                log::warn!("{name} is not found in vmlinux BTF");
                Err(Fail::NOENT)
            }
        }
    }

    /// The kernel's types.
    fn libbpf_find_kernel_btf() -> Out<Btf> {
        Ok(give(Btf::shared(oxbpf::btf::vmlinux(kernel())?)))
    }

    /// The number of CPUs that there can be.
    fn libbpf_num_possible_cpus() -> Int {
        Ok(possible_cpus()? as c_int)
    }

    /// The major version.
    fn libbpf_major_version() -> Val<u32> {
        Ok(1)
    }

    /// The minor version.
    fn libbpf_minor_version() -> Val<u32> {
        Ok(8)
    }

    /// The version.
    fn libbpf_version_string() -> Out<i8> {
        Ok(VERSION.as_ptr().cast())
    }

    /// Does nothing: there is only one mode.
    fn libbpf_set_strict_mode(_mode: u32) -> Int {
        Ok(0)
    }

    /// 1 if the kernel has a program type, 0 if not.
    fn libbpf_probe_bpf_prog_type(prog_type: u32, opts: Raw) -> Int {
        probe(opts, |f| f.has_prog_type(ProgType(prog_type)))
    }

    /// 1 if the kernel has a map type, 0 if not.
    fn libbpf_probe_bpf_map_type(map_type: u32, opts: Raw) -> Int {
        probe(opts, |f| f.has_map_type(MapType(map_type)))
    }

    /// 1 if programs of a type may call a helper, 0 if not.
    fn libbpf_probe_bpf_helper(prog_type: u32, helper_id: u32, opts: Raw) -> Int {
        probe(opts, |f| f.has_helper(ProgType(prog_type), HelperId(helper_id)))
    }
}
