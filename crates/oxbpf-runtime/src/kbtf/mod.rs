//! The embedded kernel's own BTF: the table of types in, BTF out, built once a process.

mod table;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use oxbpf_btf::{Btf, BtfBuilder, BtfError, FuncLinkage, IntFlags, TypeId};
use oxbpf_uapi::{AttachType, Cmd, HelperId, MapType, ProgType};

use table::{ANONYMOUS, COMPOSITES, FUNCTIONS, INTS, RAW_TRACEPOINTS, TYPEDEFS};

/// Id of the kernel's BTF object, as in Linux.
pub(crate) const OBJECT_ID: u32 = 1;

/// The kernel's BTF.
pub(crate) fn btf() -> &'static Arc<Btf> {
    static BTF: OnceLock<Arc<Btf>> = OnceLock::new();
    // The table is constant, and a test builds it.
    BTF.get_or_init(|| Arc::new(build().expect("the table of kernel types is sound")))
}

/// Guest address of a kernel variable: none is served, since none is in the table.
pub(crate) fn var_address(_id: TypeId) -> Option<u64> {
    None
}

/// Names of the raw tracepoints that have typed arguments.
pub(crate) fn raw_tracepoints() -> impl Iterator<Item = &'static str> {
    RAW_TRACEPOINTS.iter().map(|t| t.0)
}

/// Byte offset of a member of a struct.
#[cfg(test)]
pub(crate) fn offset_of(name: &str, member: &str) -> Option<u64> {
    let id = btf().find(name, oxbpf_uapi::BtfKind::STRUCT)?;
    let composite = btf().get(id).ok()?.composite()?;
    let found = composite.members().find(|m| m.name == member)?;
    (found.bit_offset % 8 == 0).then_some(u64::from(found.bit_offset / 8))
}

/// Bytes of a struct.
#[cfg(test)]
pub(crate) fn size_of(name: &str) -> Option<u64> {
    let id = btf().find(name, oxbpf_uapi::BtfKind::STRUCT)?;
    btf().size_of(id).ok().map(u64::from)
}

/// Plans ids before types are added, since types refer to each other in circles.
#[derive(Default)]
struct Plan {
    ids: HashMap<String, u32>,
    order: Vec<String>,
}

impl Plan {
    fn id(&mut self, text: &str) -> TypeId {
        let text = text.split_once(':').map_or(text, |(t, _)| t);
        if text == "void" {
            return TypeId(0);
        }
        if let Some(id) = self.ids.get(text) {
            return TypeId(*id);
        }
        self.order.push(text.to_owned());
        let id = self.order.len() as u32;
        self.ids.insert(text.to_owned(), id);
        TypeId(id)
    }
}

/// Size and alignment of a type, by the table.
fn measure(text: &str) -> (u32, u32) {
    let text = text.split_once(':').map_or(text, |(t, _)| t);
    if text.starts_with('*') {
        return (8, 8);
    }
    if let Some((elem, count)) = text.strip_suffix(']').and_then(|t| t.rsplit_once('[')) {
        let (size, align) = measure(elem);
        return (size * count.parse::<u32>().unwrap_or(0), align);
    }
    if let Some(rest) = text.strip_prefix("const ") {
        return measure(rest);
    }
    if let Some((_, size, _)) = INTS.iter().find(|i| i.0 == text) {
        return (*size, *size);
    }
    if let Some((_, to)) = TYPEDEFS.iter().find(|t| t.0 == text) {
        return measure(to);
    }
    match COMPOSITES.iter().find(|c| c.0 == text) {
        Some((_, members)) => layout(members).1,
        None => (0, 1),
    }
}

/// Bit offset of each member, and the whole's size and alignment.
fn layout(members: &[(&str, &str)]) -> (Vec<u32>, (u32, u32)) {
    let (mut at, mut max_align) = (0u32, 1u32);
    let mut offsets = Vec::new();
    for (_, text) in members {
        let (size, align) = measure(text);
        max_align = max_align.max(align);
        match bits(text) {
            // A bit-field starts where the last ended, unless it would cross a unit of its type.
            Some(bits) => {
                if at / (size * 8) != (at + bits - 1) / (size * 8) {
                    at = at.next_multiple_of(size * 8);
                }
                offsets.push(at);
                at += bits;
            }
            None => {
                at = at.next_multiple_of(align * 8);
                offsets.push(at);
                at += size * 8;
            }
        }
    }
    (offsets, (at.div_ceil(8).next_multiple_of(max_align), max_align))
}

fn bits(text: &str) -> Option<u32> {
    text.split_once(':').and_then(|(_, bits)| bits.parse().ok())
}

fn build() -> Result<Btf, BtfError> {
    let mut plan = Plan::default();
    INTS.iter().for_each(|i| _ = plan.id(i.0));
    TYPEDEFS.iter().for_each(|t| _ = plan.id(t.0));
    COMPOSITES.iter().for_each(|c| _ = plan.id(c.0));
    let mut b = BtfBuilder::new();
    // The plan grows while types are added: a pointer is planned when something first mentions it.
    let mut next = 0;
    let mut roots: Vec<String> = Vec::new();
    for (name, params) in RAW_TRACEPOINTS {
        params.iter().for_each(|p| _ = plan.id(p.1));
        plan.id(&format!("proto {name}"));
        plan.id(&format!("*proto {name}"));
        roots.push((*name).to_owned());
    }
    for (_, params) in FUNCTIONS {
        params.iter().for_each(|p| _ = plan.id(p.1));
    }
    while let Some(text) = plan.order.get(next).cloned() {
        next += 1;
        add(&mut b, &mut plan, &text)?;
    }
    for name in roots {
        let to = plan.id(&format!("*proto {name}"));
        b.add_typedef(&format!("btf_trace_{name}"), to)?;
    }
    for (name, params) in FUNCTIONS {
        let proto = b.add_func_proto(plan.id("int"))?;
        for (param, text) in *params {
            b.add_func_param(param, plan.id(text))?;
        }
        b.add_func(name, FuncLinkage::STATIC, proto)?;
    }
    add_enums(&mut b)?;
    b.finish()
}

fn add(b: &mut BtfBuilder, plan: &mut Plan, text: &str) -> Result<(), BtfError> {
    if let Some(to) = text.strip_prefix('*') {
        let to = plan.id(to);
        b.add_ptr(to)?;
    } else if let Some(name) = text.strip_prefix("proto ") {
        b.add_func_proto(TypeId(0))?;
        b.add_func_param("", plan.id("*void"))?;
        let params = RAW_TRACEPOINTS.iter().find(|t| t.0 == name).map_or(&[][..], |t| t.1);
        for (param, text) in params {
            b.add_func_param(param, plan.id(text))?;
        }
    } else if let Some((elem, count)) = text.strip_suffix(']').and_then(|t| t.rsplit_once('[')) {
        let (index, elem) = (plan.id("int"), plan.id(elem));
        b.add_array(index, elem, count.parse().unwrap_or(0))?;
    } else if let Some(to) = text.strip_prefix("const ") {
        let to = plan.id(to);
        b.add_const(to)?;
    } else if let Some((name, size, is_signed)) = INTS.iter().find(|i| i.0 == text) {
        let flags = match *name {
            "_Bool" => IntFlags::BOOL,
            _ if *is_signed => IntFlags::SIGNED,
            _ => IntFlags::default(),
        };
        b.add_int(name, *size, flags)?;
    } else if let Some((name, to)) = TYPEDEFS.iter().find(|t| t.0 == text) {
        let to = plan.id(to);
        b.add_typedef(name, to)?;
    } else if let Some((name, members)) = COMPOSITES.iter().find(|c| c.0 == text) {
        let (offsets, (size, _)) = layout(members);
        let shown = if ANONYMOUS.contains(name) { "" } else { name.trim_start_matches("struct ") };
        b.add_struct(shown, size)?;
        for ((member, text), offset) in members.iter().zip(offsets) {
            b.add_field(member, plan.id(text), offset, bits(text).unwrap_or(0))?;
        }
    } else {
        // A struct that is only pointed at.
        b.add_fwd(text.trim_start_matches("struct "), false)?;
    }
    Ok(())
}

/// Names, where there is one, and values.
type EnumRows = Vec<(Option<&'static str>, u32)>;

/// Enumerations that CO-RE programs and feature checks ask for.
fn add_enums(b: &mut BtfBuilder) -> Result<(), BtfError> {
    b.add_enum("bpf_func_id", 4)?;
    for helper in HelperId::ALL {
        let name = format!("BPF_FUNC_{}", helper.short_name().unwrap_or("unspec"));
        b.add_enum_value(&name, helper.0.into())?;
    }
    let rows = |all: EnumRows| all.into_iter().filter_map(|(n, v)| Some((n?, v)));
    let enums: [(&str, EnumRows); 4] = [
        ("bpf_map_type", MapType::ALL.iter().map(|t| (t.c_name(), t.0)).collect()),
        ("bpf_prog_type", ProgType::ALL.iter().map(|t| (t.c_name(), t.0)).collect()),
        ("bpf_attach_type", AttachType::ALL.iter().map(|t| (t.c_name(), t.0)).collect()),
        ("bpf_cmd", Cmd::ALL.iter().map(|t| (t.c_name(), t.0)).collect()),
    ];
    for (name, values) in enums {
        b.add_enum(name, 4)?;
        for (name, value) in rows(values) {
            b.add_enum_value(name, value.into())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use oxbpf_uapi::BtfKind;

    #[test]
    fn the_table_makes_valid_btf() {
        let btf = build().unwrap();
        btf.validate().unwrap();
        let task = btf.find("task_struct", BtfKind::STRUCT).unwrap();
        for member in btf.get(task).unwrap().composite().unwrap().members() {
            let size = btf.size_of(member.type_id).unwrap();
            assert!(size > 0, "{} has no size", member.name);
        }
        assert!(btf.find("btf_trace_sys_enter", BtfKind::TYPEDEF).is_some());
        assert!(btf.find("bpf_iter_task", BtfKind::FUNC).is_some());
    }

    #[test]
    fn layouts_that_the_kernel_promises_hold() {
        assert_eq!(offset_of("__sk_buff", "data_meta"), Some(140));
        assert_eq!(size_of("pt_regs"), Some(168));
        assert_eq!(size_of("trace_event_raw_sys_enter"), Some(64));
        assert_eq!(offset_of("bpf_perf_event_data", "sample_period"), Some(168));
    }

    #[test]
    fn bit_fields_are_packed() {
        let (offsets, (size, align)) =
            layout(&[("a", "int"), ("b", "unsigned int:1"), ("c", "unsigned int:2"), ("d", "char")]);
        assert_eq!((offsets, size, align), (vec![0, 32, 33, 40], 8, 4));
    }
}
