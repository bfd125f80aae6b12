//! Context arguments of global functions, for kernels that do not know the `arg:ctx` tag (before Linux 6.8).
//!
//! A global function is verified by itself, and an argument `void *ctx __arg_ctx` tells by its tag that it is the program's
//! context. Older kernels tell by its type: a pointer to the struct that the program type's context is called. For them a function
//! gets a second FUNC with such a type, which the function record of the program refers to. A function that is called from programs
//! of two types gets two.

use std::collections::HashMap;

use oxbpf_btf::{Btf, BtfBuilder, BtfError, FuncLinkage, Type, TypeId};
use oxbpf_object::{ProgId, assemble};
use oxbpf_uapi::{BtfKind, ProgType};
use std::sync::Arc;

use super::prepare::in_object;
use super::state::Core;
use crate::error::{At, Error, Frame, Result};
use crate::feature::Feature;

const TAG: &str = "arg:ctx";

/// What the kernel calls the context of a program type. Types that are not here have no named context.
const CONTEXTS: &[(ProgType, &str)] = &[
    (ProgType::CGROUP_DEVICE, "bpf_cgroup_dev_ctx"),
    (ProgType::CGROUP_SKB, "__sk_buff"),
    (ProgType::CGROUP_SOCK, "bpf_sock"),
    (ProgType::CGROUP_SOCK_ADDR, "bpf_sock_addr"),
    (ProgType::CGROUP_SOCKOPT, "bpf_sockopt"),
    (ProgType::CGROUP_SYSCTL, "bpf_sysctl"),
    (ProgType::FLOW_DISSECTOR, "__sk_buff"),
    (ProgType::KPROBE, "bpf_user_pt_regs_t"),
    (ProgType::LWT_IN, "__sk_buff"),
    (ProgType::LWT_OUT, "__sk_buff"),
    (ProgType::LWT_SEG6LOCAL, "__sk_buff"),
    (ProgType::LWT_XMIT, "__sk_buff"),
    (ProgType::NETFILTER, "bpf_nf_ctx"),
    (ProgType::PERF_EVENT, "bpf_perf_event_data"),
    (ProgType::RAW_TRACEPOINT, "bpf_raw_tracepoint_args"),
    (ProgType::RAW_TRACEPOINT_WRITABLE, "bpf_raw_tracepoint_args"),
    (ProgType::SCHED_ACT, "__sk_buff"),
    (ProgType::SCHED_CLS, "__sk_buff"),
    (ProgType::SK_LOOKUP, "bpf_sk_lookup"),
    (ProgType::SK_MSG, "sk_msg_md"),
    (ProgType::SK_REUSEPORT, "sk_reuseport_md"),
    (ProgType::SK_SKB, "__sk_buff"),
    (ProgType::SOCK_OPS, "bpf_sock_ops"),
    (ProgType::SOCKET_FILTER, "__sk_buff"),
    (ProgType::XDP, "xdp_md"),
];

/// The struct behind `bpf_user_pt_regs_t` on this machine.
const USER_REGS: &str =
    if cfg!(any(target_arch = "aarch64", target_arch = "riscv64", target_arch = "loongarch64")) {
        "user_pt_regs"
    } else if cfg!(target_arch = "s390x") {
        "user_regs_struct"
    } else {
        "pt_regs"
    };

/// Functions of programs that have a type of their own for the kernel, by program and original FUNC.
pub(super) type FuncTypes = HashMap<(ProgId, TypeId), TypeId>;

impl Core {
    /// Adds types for tagged functions to the object's BTF, if the kernel needs them.
    pub(super) fn fix_context_arguments(&mut self) -> Result<FuncTypes> {
        let Some(btf) = self.spec.btf.clone() else { return Ok(FuncTypes::new()) };
        let tagged = tagged_functions(&btf);
        if tagged.is_empty() || self.features.has(Feature::ArgCtxTag) {
            return Ok(FuncTypes::new());
        }
        let mut types = FuncTypes::new();
        let in_btf = |e: BtfError| Error::invalid_object("").with_errno(e.errno()).with_source(e);
        let mut builder = BtfBuilder::from_btf(&btf).map_err(in_btf)?;
        for (i, (spec, row)) in (0..).zip(self.spec.programs.iter().zip(&self.programs)) {
            let context = CONTEXTS.iter().find(|(ty, _)| *ty == spec.prog_type);
            let Some((_, context)) = context.filter(|_| row.autoload) else { continue };
            let id = ProgId(i);
            let code = in_object(assemble(&self.spec, id)).at(|| self.program_frame(id))?;
            let funcs = code.funcs.iter().filter_map(|piece| self.spec.code(piece.id)?.btf_id);
            for func in funcs {
                let Some(args) = tagged.get(&func) else { continue };
                let args: Vec<u32> = args
                    .iter()
                    .copied()
                    .filter(|arg| needs_fix(&btf, spec.prog_type, func, *arg, context))
                    .collect();
                if args.is_empty() {
                    continue;
                }
                let clone = clone_func(&btf, &mut builder, func, &args, context);
                types.insert((id, func), clone.map_err(in_btf).at(|| Frame::Section(".BTF".into()))?);
            }
        }
        if !types.is_empty() {
            self.spec.btf = Some(Arc::new(builder.finish().map_err(in_btf)?));
        }
        Ok(types)
    }

    /// Makes the function records of programs refer to the added types.
    pub(super) fn use_func_types(&mut self, types: &FuncTypes) {
        for (i, row) in (0..).zip(&mut self.programs) {
            let size = row.info.func_info_rec_size as usize;
            for record in row.info.func_info.chunks_exact_mut(size.max(8)) {
                let Some(id) = record.get_mut(4..8) else { continue };
                let old = <[u8; 4]>::try_from(&*id).map_or(0, u32::from_ne_bytes);
                if let Some(new) = types.get(&(ProgId(i), TypeId(old))) {
                    id.copy_from_slice(&new.0.to_ne_bytes());
                }
            }
        }
    }
}

/// Global functions with tagged arguments, and the numbers of these.
fn tagged_functions(btf: &Btf) -> HashMap<TypeId, Vec<u32>> {
    let mut out: HashMap<TypeId, Vec<u32>> = HashMap::new();
    for tag in btf.own_types().filter(|t| t.kind() == BtfKind::DECL_TAG && t.name() == TAG) {
        let Type::DeclTag { target, component_idx } = tag.view() else { continue };
        let is_global =
            matches!(btf.get(target).map(|t| t.view()), Ok(Type::Func { linkage: FuncLinkage::GLOBAL, .. }));
        if let (Ok(arg), true) = (u32::try_from(component_idx), is_global) {
            out.entry(target).or_default().push(arg);
        }
    }
    out
}

/// Whether an argument's type is none that an old kernel takes for the context, but one that may be replaced.
fn needs_fix(btf: &Btf, prog_type: ProgType, func: TypeId, arg: u32, context: &str) -> bool {
    let answer = || -> Result<Option<bool>, BtfError> {
        let Type::FuncProto(proto) = btf.get(btf.get(func)?.type_id())?.view() else { return Ok(None) };
        let Some(param) = proto.params().nth(arg as usize) else { return Ok(None) };
        let Type::Ptr(to) = btf.get(btf.resolve(param.type_id)?)?.view() else { return Ok(None) };
        let is_probe = matches!(prog_type, ProgType::KPROBE | ProgType::PERF_EVENT);
        let direct = btf.get(to)?;
        if is_probe && direct.kind() == BtfKind::TYPEDEF && direct.name() == "bpf_user_pt_regs_t" {
            return Ok(Some(false));
        }
        let to = btf.get(btf.resolve(to)?)?;
        let is_struct = |name: &str| to.kind() == BtfKind::STRUCT && to.name() == name;
        Ok(match prog_type {
            _ if to.id().is_void() => Some(true),
            _ if is_struct(context) => Some(false),
            ProgType::KPROBE if is_struct("pt_regs") => Some(true),
            ProgType::PERF_EVENT if is_struct(USER_REGS) => Some(true),
            ProgType::RAW_TRACEPOINT | ProgType::RAW_TRACEPOINT_WRITABLE
                if to.kind() == BtfKind::INT && to.size() == 8 =>
            {
                Some(true)
            }
            _ => None,
        })
    };
    match answer() {
        Ok(Some(needs)) => needs,
        _ => {
            let name = btf.get(func).map_or("?", |t| t.name());
            log::warn!(
                "function '{name}': argument {arg} is tagged {TAG} and should be `struct {context} *`"
            );
            false
        }
    }
}

/// Appends a FUNC like `func` whose arguments `args` point to a struct called `context`.
fn clone_func(
    btf: &Btf,
    builder: &mut BtfBuilder,
    func: TypeId,
    args: &[u32],
    context: &str,
) -> Result<TypeId, BtfError> {
    let original = btf.get(func)?;
    let proto = btf.get(original.type_id())?;
    let pointee = builder.add_struct(context, 0)?;
    let pointer = builder.add_ptr(pointee)?;
    let new_proto = builder.add_func_proto(proto.type_id())?;
    if let Type::FuncProto(proto) = proto.view() {
        for (i, param) in (0..).zip(proto.params()) {
            let ty = if args.contains(&i) { pointer } else { param.type_id };
            builder.add_func_param(param.name, ty)?;
        }
    }
    let clone = builder.add_func(original.name(), FuncLinkage::GLOBAL, new_proto)?;
    for arg in args {
        builder.add_decl_tag(TAG, clone, i32::try_from(*arg).unwrap_or(-1))?;
    }
    Ok(clone)
}
