//! Programs on many functions by BTF id: fentry, fexit and both as one session, over one link. Linux 7.2.
//!
//! The program is loaded for one of the `TRACE_*_MULTI` attach types, without a function, and for functions of a module with
//! its BTF.

use oxbpf_btf::{Btf, Type, TypeId, TypeRef};
use oxbpf_kernel::{LinkKind, Target};
use oxbpf_uapi::{AttachType, BtfKind, ProgType};

use super::Link;
use super::attach::Attach;
use super::kprobe::unsupported_if_refused;
use crate::error::{Error, Frame, Result, nearest};
use crate::object::KernelTypes;
use crate::syms::glob_match;

/// Options of `attach_tracing_multi`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "bpf_tracing_multi_opts")]
pub struct TracingMultiOpts<'a> {
    /// What `bpf_get_attach_cookie` gives the program, one for each function, or none. Not with a pattern.
    pub cookies: &'a [u64],
}

/// The functions that a program goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TracingMultiTarget<'a> {
    /// All whose names match a pattern of `*` and `?`, of the kernel or behind `MODULE:` of a module.
    Pattern(&'a str),
    /// By BTF id, in the BTF that the program was loaded for.
    Ids(&'a [TypeId]),
}

impl<'a> From<&'a str> for TracingMultiTarget<'a> {
    fn from(pattern: &'a str) -> Self {
        Self::Pattern(pattern)
    }
}

impl<'a> From<&'a [TypeId]> for TracingMultiTarget<'a> {
    fn from(ids: &'a [TypeId]) -> Self {
        Self::Ids(ids)
    }
}

/// Attach types of programs that this attaches.
const ATTACH_TYPES: [AttachType; 3] =
    [AttachType::TRACE_FENTRY_MULTI, AttachType::TRACE_FEXIT_MULTI, AttachType::TRACE_FSESSION_MULTI];

pub(super) fn attach(
    a: &Attach<'_>,
    is_for_module: bool,
    target: TracingMultiTarget<'_>,
    opts: TracingMultiOpts<'_>,
) -> Result<Link> {
    a.expect_type("attach_tracing_multi", &[ProgType::TRACING])?;
    if !ATTACH_TYPES.contains(&a.attach_type) {
        let message = format!(
            "the program has to be loaded for {}, {} or {}, and it was loaded for {}",
            ATTACH_TYPES[0], ATTACH_TYPES[1], ATTACH_TYPES[2], a.attach_type
        );
        return Err(Error::invalid_input(message));
    }
    match target {
        TracingMultiTarget::Pattern(_) if !opts.cookies.is_empty() => {
            Err(Error::invalid_input("a pattern takes no cookies: which function would get which?"))
        }
        TracingMultiTarget::Pattern(pattern) => {
            let found = find(a, is_for_module, pattern).and_then(|ids| create(a, &ids, opts));
            found.map_err(|e| e.at(Frame::Target(format!("functions `{pattern}`"))))
        }
        TracingMultiTarget::Ids(ids) => {
            let ids: Vec<u32> = ids.iter().map(|id| id.0).collect();
            create(a, &ids, opts).map_err(|e| e.at(Frame::Target(format!("{} functions", ids.len()))))
        }
    }
}

fn create(a: &Attach<'_>, ids: &[u32], opts: TracingMultiOpts<'_>) -> Result<Link> {
    if ids.is_empty() {
        return Err(Error::invalid_input("no functions to attach to"));
    }
    if !opts.cookies.is_empty() && opts.cookies.len() != ids.len() {
        let message = format!("{} cookies for {} functions", opts.cookies.len(), ids.len());
        return Err(Error::invalid_input(message));
    }
    a.link_to(Target::None, 0, LinkKind::TracingMulti { ids, cookies: opts.cookies })
        .map_err(|e| unsupported_if_refused(e, "tracing multi links", "7.2", || true))
}

/// BTF ids of the functions that match and that can be traced.
fn find(a: &Attach<'_>, is_for_module: bool, pattern: &str) -> Result<Vec<u32>> {
    let types = KernelTypes::new(a.kernel);
    let (btf, first, pattern): (&Btf, u32, &str) = match pattern.split_once(':') {
        Some((module, pattern)) => {
            let modules = types.modules()?;
            let Some(found) = modules.iter().find(|m| m.name == module) else {
                let error = Error::not_found(format!("no module `{module}` has types"));
                let near = nearest(module, modules.iter().map(|m| m.name.as_str()));
                return Err(match near {
                    Some(near) => error.with_hint(format!("did you mean `{near}`?")),
                    None => error,
                });
            };
            (&found.btf, found.btf.start_id().0, pattern)
        }
        None if is_for_module => {
            return Err(Error::invalid_input("the program was loaded for a module: write MODULE:PATTERN"));
        }
        None => (types.vmlinux()?, 1, pattern),
    };
    let functions = (first..btf.type_count()).filter_map(|id| btf.get(TypeId(id)).ok());
    let matching = functions.filter(|t| t.kind() == BtfKind::FUNC && glob_match(t.name(), pattern));
    let ids: Vec<u32> = matching.filter(|t| can_be_traced(btf, *t)).map(|t| t.id().0).collect();
    if ids.is_empty() {
        return Err(Error::not_found("no function that can be traced matches"));
    }
    Ok(ids)
}

/// The most arguments that a trampoline passes on.
const MAX_ARGS: usize = 12;
/// The longest argument that it passes on, in bytes.
const MAX_ARG_SIZE: u32 = 16;

/// Whether the kernel can make a trampoline for a function: not with structs as results, large structs or variable arguments
/// (`btf_distill_func_proto`, `kernel/bpf/btf.c`).
fn can_be_traced(btf: &Btf, function: TypeRef<'_>) -> bool {
    let Ok(Type::FuncProto(proto)) = btf.get(function.type_id()).map(|t| t.view()) else { return false };
    let is_struct = |id| btf.resolve_ref(id).is_ok_and(|t| t.composite().is_some());
    let is_passed_on = |id| matches!(btf.size_of(id), Ok(1..=MAX_ARG_SIZE));
    proto.params().len() <= MAX_ARGS
        && !proto.is_variadic()
        && !is_struct(proto.ret())
        && proto.params().all(|param| is_passed_on(param.type_id))
}

#[cfg(test)]
mod tests {
    use oxbpf_btf::{BtfBuilder, FuncLinkage, IntFlags};

    use super::*;

    #[test]
    fn functions_with_results_or_arguments_that_do_not_fit_a_trampoline_are_left_out() {
        let mut b = BtfBuilder::new();
        let int = b.add_int("int", 4, IntFlags::SIGNED).unwrap();
        let large = b.add_struct("large", 24).unwrap();
        let alias = b.add_typedef("alias", large).unwrap();
        let pointer = b.add_ptr(large).unwrap();
        let mut function = |name: &str, ret: TypeId, params: &[TypeId]| {
            let proto = b.add_func_proto(ret).unwrap();
            for (i, param) in params.iter().enumerate() {
                b.add_func_param(if param.is_void() { "" } else { ["a", "b"][i % 2] }, *param).unwrap();
            }
            b.add_func(name, FuncLinkage::STATIC, proto).unwrap()
        };
        let cases = [
            (function("plain", int, &[int, pointer]), true),
            (function("nothing", TypeId::VOID, &[]), true),
            (function("struct_result", alias, &[]), false),
            (function("large_argument", int, &[alias]), false),
            (function("variadic", int, &[int, TypeId::VOID]), false),
            (function("many", int, &[int; 13]), false),
        ];
        let btf = Btf::parse(b.to_bytes().unwrap()).unwrap();
        for (id, expect) in cases {
            let function = btf.get(id).unwrap();
            assert_eq!(can_be_traced(&btf, function), expect, "{}", function.name());
        }
    }
}
