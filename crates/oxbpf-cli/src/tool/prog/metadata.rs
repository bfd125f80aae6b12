//! What a program says of itself: its constants whose names begin with `bpf_metadata_`.

use oxbpf::Kernel;
use oxbpf_btf::{Type, TypeId};
use oxbpf_kernel::{Handle, MapFd, ObjectKind};
use oxbpf_uapi::MapType;
use oxbpf_uapi::info::{MapInfo, ProgInfo};

use super::details::map_ids;
use crate::tool::Out;
use crate::tool::select::{c_name, info, open_id};
use crate::tool::typed::Typed;

const PREFIX: &str = "bpf_metadata_";

/// Shows the metadata of a program, if it has any.
pub(super) fn show(out: &mut Out, kernel: &Kernel, prog: &Handle, of: &ProgInfo) {
    if of.nr_map_ids == 0 {
        return;
    }
    let Some((map, constants)) = constants(kernel, prog, of) else { return };
    let Ok(btf) = oxbpf::btf::by_id(kernel, map.btf_id) else { return };
    let Ok(Type::DataSec(section)) = btf.get(TypeId(map.btf_value_type_id)).map(|t| t.view()) else { return };
    let typed = Typed { btf: &btf, is_text: !out.is_json(), callbacks: None };
    let mut is_first = true;
    for var in section.vars() {
        let Ok(t) = btf.get(var.type_id) else { continue };
        let (Type::Var { type_id, .. }, Some(name)) = (t.view(), t.name().strip_prefix(PREFIX)) else {
            continue;
        };
        let value = constants.get(var.offset as usize..).unwrap_or_default();
        if typed.is_text {
            write!(out, "{}\n\t\t{name} = ", if is_first { "\tmetadata:" } else { "" });
            out.typed_word(|out| typed.show(out, type_id, value));
        } else {
            if is_first {
                out.name("metadata").open_object();
            }
            typed.show(out.name(name), type_id, value);
        }
        is_first = false;
    }
    match (is_first, typed.is_text) {
        (true, _) => {}
        (false, true) => writeln!(out),
        (false, false) => out.close_object(),
    }
}

/// The first of a program's maps that has constants, and these.
fn constants(kernel: &Kernel, prog: &Handle, of: &ProgInfo) -> Option<(MapInfo, Vec<u8>)> {
    for id in map_ids(kernel, prog, of.nr_map_ids) {
        let map = open_id(kernel, ObjectKind::Map, id).ok()??;
        let found: MapInfo = info(kernel, &map).ok()?;
        let is_constant = found.r#type == MapType::ARRAY
            && (found.key_size, found.max_entries) == (4, 1)
            && found.btf_value_type_id != 0
            && c_name(&found.name).contains(".rodata");
        if is_constant {
            let mut value = vec![0; usize::try_from(found.value_size).ok()?];
            kernel.map_lookup_elem(&MapFd(map), &[0; 4], &mut value, 0).ok()?;
            return Some((found, value));
        }
    }
    None
}
