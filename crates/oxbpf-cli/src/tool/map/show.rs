//! `map show`.

use std::fs;

use anyhow::Result;
use oxbpf::Kernel;
use oxbpf_kernel::{Handle, ObjectKind};
use oxbpf_uapi::info::MapInfo;
use oxbpf_uapi::{MapType, ProgType};

use crate::tool::holders::{self, Pids, Pins};
use crate::tool::select::{Access, c_name, ids, info, open_id};
use crate::tool::{Args, Out, Tool};

pub(super) fn run(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let kernel = tool.kernel();
    let pins = tool.options.shows_pins.then(|| holders::pinned(&kernel, ObjectKind::Map));
    if !args.is_empty() {
        let maps = tool.maps(args, Access::Read)?;
        args.end()?;
        let pids = holders::processes(ObjectKind::Map);
        let is_list = maps.len() > 1;
        return tool.out.list_if(is_list, |out| {
            maps.iter().try_for_each(|map| show(out, &kernel, map, pins.as_ref(), &pids))
        });
    }
    let pids = holders::processes(ObjectKind::Map);
    let all = ids(&kernel, ObjectKind::Map)?;
    tool.out.list_if(true, |out| {
        for id in all {
            // One that has gone meanwhile is not shown.
            if let Some(map) = open_id(&kernel, ObjectKind::Map, id)? {
                show(out, &kernel, &map, pins.as_ref(), &pids)?;
            }
        }
        Ok(())
    })
}

/// What the kernel writes about a descriptor, by name.
struct FdInfo(String);

impl FdInfo {
    fn of(map: &Handle) -> Self {
        Self(fs::read_to_string(format!("/proc/self/fdinfo/{}", map.number())).unwrap_or_default())
    }

    fn get(&self, name: &str) -> Option<u64> {
        let line = self.0.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|value| value.trim().parse().ok())
    }
}

fn show(out: &mut Out, kernel: &Kernel, map: &Handle, pins: Option<&Pins>, pids: &Pids) -> Result<()> {
    let info: MapInfo = info(kernel, map)?;
    let more = FdInfo::of(map);
    if out.is_json() {
        out.object(|out| show_json(out, kernel, &info, &more, pins, pids));
        return Ok(());
    }
    header_text(out, kernel, &info);
    write!(out, "\tkey {}B  value {}B  max_entries {}", info.key_size, info.value_size, info.max_entries);
    if let Some(bytes) = more.get("memlock") {
        write!(out, "  memlock {bytes}B");
    }
    if info.r#type == MapType::PROG_ARRAY {
        let (owner, jited) = (more.get("owner_prog_type"), more.get("owner_jited"));
        if owner.or(jited).is_some() {
            write!(out, "\n\t");
        }
        if let Some(number) = owner {
            match ProgType(number as u32).short_name() {
                Some(name) => write!(out, "owner_prog_type {name}  "),
                None => write!(out, "owner_prog_type {number}  "),
            }
        }
        if let Some(jited) = jited {
            write!(out, "owner{} jited", if jited == 0 { " not" } else { "" });
        }
    }
    holders::show_pins(out, info.id, pins);
    let is_frozen = more.get("frozen").unwrap_or(0) != 0;
    if info.btf_id != 0 || is_frozen {
        write!(out, "\n\t");
    }
    if info.btf_id != 0 {
        write!(out, "btf_id {}", info.btf_id);
    }
    if is_frozen {
        write!(out, "{}frozen", if info.btf_id == 0 { "" } else { "  " });
    }
    holders::show_pids(out, info.id, pids);
    writeln!(out);
    Ok(())
}

fn show_json(
    out: &mut Out,
    kernel: &Kernel,
    info: &MapInfo,
    more: &FdInfo,
    pins: Option<&Pins>,
    pids: &Pids,
) {
    header_json(out, info);
    if info.ifindex != 0 {
        out.name("dev").object(|out| {
            out.field("ifindex", info.ifindex);
            out.field("ns_dev", info.netns_dev);
            out.field("ns_inode", info.netns_ino);
            if let Some(name) = device_name(kernel, info.ifindex) {
                out.string_field("ifname", name);
            }
        });
    }
    out.field("bytes_key", info.key_size);
    out.field("bytes_value", info.value_size);
    out.field("max_entries", info.max_entries);
    if let Some(bytes) = more.get("memlock") {
        out.field("bytes_memlock", bytes);
    }
    if info.r#type == MapType::PROG_ARRAY {
        if let Some(number) = more.get("owner_prog_type") {
            match ProgType(number as u32).short_name() {
                Some(name) => out.string_field("owner_prog_type", name),
                None => out.field("owner_prog_type", number),
            }
        }
        if let Some(jited) = more.get("owner_jited") {
            out.field("owner_jited", jited != 0);
        }
    }
    out.field("frozen", more.get("frozen").unwrap_or(0));
    if info.btf_id != 0 {
        out.field("btf_id", info.btf_id);
    }
    holders::show_pins(out, info.id, pins);
    holders::show_pids(out, info.id, pids);
}

/// Name of a network device in this namespace.
fn device_name(kernel: &Kernel, ifindex: u32) -> Option<String> {
    let all = oxbpf::link::interfaces(kernel).ok()?;
    all.into_iter().find(|i| i.index == ifindex).map(|i| i.name)
}

/// The first line of a map.
pub(super) fn header_text(out: &mut Out, kernel: &Kernel, info: &MapInfo) {
    write!(out, "{}: ", info.id);
    match info.r#type.short_name() {
        Some(name) => write!(out, "{name}  "),
        None => write!(out, "type {}  ", info.r#type.0),
    }
    let name = c_name(&info.name);
    if !name.is_empty() {
        write!(out, "name {name}  ");
    }
    write!(out, "flags {:#x}", info.map_flags);
    if info.ifindex != 0 {
        match device_name(kernel, info.ifindex) {
            Some(name) => write!(out, "  offloaded_to {name}"),
            None => write!(
                out,
                "  offloaded_to ifindex {} ns_dev {} ns_ino {}",
                info.ifindex, info.netns_dev, info.netns_ino
            ),
        }
    }
    writeln!(out);
}

/// The first members of a map.
pub(super) fn header_json(out: &mut Out, info: &MapInfo) {
    out.field("id", info.id);
    match info.r#type.short_name() {
        Some(name) => out.string_field("type", name),
        None => out.field("type", info.r#type.0),
    }
    let name = c_name(&info.name);
    if !name.is_empty() {
        out.string_field("name", name);
    }
    out.field("flags", info.map_flags);
}
