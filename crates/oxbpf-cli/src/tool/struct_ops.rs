//! `struct_ops`: programs that the kernel calls in place of its own functions, such as those of a congestion control.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use oxbpf::{Kernel, ObjectBuilder};
use oxbpf_btf::{Btf, TypeId};
use oxbpf_kernel::{GetInfo, Handle, InfoBuffers, MapFd, ObjectKind};
use oxbpf_uapi::flags::MapFlags;
use oxbpf_uapi::info::MapInfo;
use oxbpf_uapi::{BtfKind, MapType};

use super::pin::dir_for_pins;
use super::select::{Access, c_name, ids, info, open_id, open_id_for};
use super::typed::Typed;
use super::{Args, Noun, Out, Tool, Verb};

pub(super) const NOUN: Noun = Noun {
    name: "struct_ops",
    verbs: &[
        Verb { name: "show", alias: Some("list"), usage: "[STRUCT_OPS_MAP]", run: show },
        Verb { name: "dump", alias: None, usage: "[STRUCT_OPS_MAP]", run: dump },
        Verb { name: "register", alias: None, usage: "OBJ [LINK_DIR]", run: register },
        Verb { name: "unregister", alias: None, usage: "STRUCT_OPS_MAP", run: unregister },
    ],
    terms: &[("STRUCT_OPS_MAP", "{ id STRUCT_OPS_MAP_ID | name STRUCT_OPS_MAP_NAME }")],
};

/// What the name of a value's type begins with; the rest is the name of the kernel's struct.
const PREFIX: &str = "bpf_struct_ops_";
/// How detailed the verifier's log is with `--debug`: all steps, and statistics.
const LOG_LEVEL: u32 = 1 | 2 | 4;

/// A map, and what the kernel tells of it.
struct Found {
    map: Handle,
    info: MapInfo,
}

impl Found {
    fn name(&self) -> String {
        c_name(&self.info.name)
    }
}

/// The maps that the next words mean, or all.
fn found(kernel: &Kernel, args: &mut Args<'_>, access: Access) -> Result<Vec<Found>> {
    let name = match args.is_empty() {
        true => None,
        false if args.one_of(&["id", "name"])? == "name" => Some(args.text("STRUCT_OPS_MAP_NAME")?),
        false => {
            let id: u32 = args.number("id")?;
            args.end()?;
            let Some(map) = open_id_for(kernel, ObjectKind::Map, id, access)? else {
                bail!("can't get map by id ({id}): No such file or directory")
            };
            let found = Found { info: info(kernel, &map)?, map };
            if found.info.r#type != MapType::STRUCT_OPS {
                bail!("{} id {id} is not a struct_ops map", found.name());
            }
            return Ok(vec![found]);
        }
    };
    args.end()?;
    let mut all = Vec::new();
    for id in ids(kernel, ObjectKind::Map)? {
        // One that has gone meanwhile is not meant.
        let Some(map) = open_id(kernel, ObjectKind::Map, id)? else { continue };
        let info: MapInfo = info(kernel, &map)?;
        let mut one = Found { map, info };
        if one.info.r#type == MapType::STRUCT_OPS && name.is_none_or(|n| n == one.name()) {
            if access == Access::Write {
                let Some(map) = open_id_for(kernel, ObjectKind::Map, id, access)? else { continue };
                one.map = map;
            }
            all.push(one);
        }
    }
    match name {
        Some(name) if all.is_empty() => bail!("no struct_ops found for {name}"),
        _ => Ok(all),
    }
}

/// Types of the kernel and of modules, read when they are first needed.
struct Types<'k> {
    kernel: &'k Kernel,
    vmlinux: Arc<Btf>,
    modules: HashMap<u32, Arc<Btf>>,
}

impl<'k> Types<'k> {
    fn new(kernel: &'k Kernel) -> Result<Self> {
        let vmlinux =
            oxbpf::btf::vmlinux(kernel).context("struct_ops requires kernel CONFIG_DEBUG_INFO_BTF=y")?;
        Ok(Self { kernel, vmlinux, modules: HashMap::new() })
    }

    /// The types that have a map's value. A number may mean a type of the kernel or one of a module; the name tells.
    fn of(&mut self, map: &MapInfo) -> Result<Arc<Btf>> {
        let id = TypeId(map.btf_vmlinux_value_type_id);
        if self.vmlinux.get(id).is_ok_and(|t| t.name().starts_with(PREFIX)) {
            return Ok(self.vmlinux.clone());
        }
        if let Some(btf) = self.modules.get(&map.btf_vmlinux_id) {
            return Ok(btf.clone());
        }
        let btf = Arc::new(oxbpf::btf::by_id(self.kernel, map.btf_vmlinux_id)?);
        self.modules.insert(map.btf_vmlinux_id, btf.clone());
        Ok(btf)
    }

    /// The name of the kernel's struct that a map stands in for.
    fn struct_name(&mut self, map: &MapInfo) -> Result<String> {
        let btf = self.of(map)?;
        let name = btf.get(TypeId(map.btf_vmlinux_value_type_id))?.name();
        Ok(name.strip_prefix(PREFIX).unwrap_or(name).to_owned())
    }
}

fn show(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let kernel = tool.kernel();
    let all = found(&kernel, args, Access::Read)?;
    let mut types = Types::new(&kernel)?;
    tool.out.array(|out| {
        for one in &all {
            let (id, name, of) = (one.info.id, one.name(), types.struct_name(&one.info)?);
            if !out.is_json() {
                writeln!(out, "{id}: {name:<15} {of:<32}");
                continue;
            }
            out.object(|out| {
                out.field("id", id);
                out.string_field("name", &name);
                out.string_field("kernel_struct_ops", of);
            });
        }
        Ok(())
    })
}

fn dump(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let kernel = tool.kernel();
    let all = found(&kernel, args, Access::Read)?;
    let mut types = Types::new(&kernel)?;
    let is_text = !tool.out.is_json();
    tool.out.typed_text_if(is_text, |out| {
        out.array(|out| all.iter().try_for_each(|one| dump_one(out, &kernel, &mut types, one, is_text)))
    })
}

/// Shows all that the kernel tells of a map, by the kernel's own types, and the map's value.
fn dump_one(out: &mut Out, kernel: &Kernel, types: &mut Types<'_>, one: &Found, is_text: bool) -> Result<()> {
    let vmlinux = types.vmlinux.clone();
    let info_type =
        vmlinux.find("bpf_map_info", BtfKind::STRUCT).context("can't find bpf_map_info from btf_vmlinux")?;
    let mut bytes = vec![0; vmlinux.size_of(info_type)?.try_into()?];
    kernel
        .get_info(GetInfo { object: &one.map, info: &mut bytes, buffers: InfoBuffers::None })
        .context("can't get map info")?;
    let mut value = vec![0; one.info.value_size.try_into()?];
    let map = MapFd(one.map.clone());
    kernel
        .map_lookup_elem(&map, &[0; 4], &mut value, 0)
        .with_context(|| format!("can't lookup struct_ops map {} id {}", one.name(), one.info.id))?;
    let btf = types.of(&one.info)?;
    let id = TypeId(one.info.btf_vmlinux_value_type_id);
    let typed = Typed { btf: &btf, is_text, callbacks: Some(kernel) };
    out.object(|out| Typed { btf: &vmlinux, ..typed }.show(out.name("bpf_map_info"), info_type, &bytes));
    out.object(|out| typed.show(out.name(btf.get(id).map(|t| t.name()).unwrap_or_default()), id, &value));
    Ok(())
}

fn unregister(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let kernel = tool.kernel();
    if args.is_empty() {
        bail!("expected 'id' or 'name', and nothing follows");
    }
    let all = found(&kernel, args, Access::Write)?;
    let mut types = Types::new(&kernel)?;
    for one in all {
        let (id, name, of) = (one.info.id, one.name(), types.struct_name(&one.info)?);
        kernel
            .map_delete_elem(&MapFd(one.map), &[0; 4], 0)
            .with_context(|| format!("can't unload {of} {name} id {id}"))?;
        tool.note(format_args!("Unregistered {of} {name} id {id}"));
    }
    tool.out.null();
    Ok(())
}

fn register(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let file = args.path("OBJ")?;
    let dir = if args.is_empty() { None } else { Some(args.path("LINK_DIR")?) };
    args.end()?;
    if let Some(dir) = dir {
        dir_for_pins(tool, dir).context("can't mount bpffs for pinning")?;
    }
    let kernel = tool.kernel();
    let mut builder = ObjectBuilder::new().kernel(kernel.clone());
    if tool.options.debug {
        builder = builder.kernel_log_level(LOG_LEVEL);
    }
    let object = builder.open_file(file)?.load()?;
    let mut types = Types::new(&kernel)?;
    let (mut count, mut failed) = (0, Ok(()));
    for map in object.maps().filter(|m| m.map_type() == MapType::STRUCT_OPS) {
        let name = map.name();
        let mut link = match map.attach_struct_ops() {
            Ok(link) => link,
            Err(e) => {
                // The others are registered all the same.
                failed = failed.and(Err(e).with_context(|| format!("can't register struct_ops {name}")));
                continue;
            }
        };
        count += 1;
        let of = types.struct_name(&info(&kernel, map.fd())?)?;
        let id = map.info()?.id;
        if map.map_flags() & MapFlags::LINK.bits() == 0 {
            tool.note(format_args!("Registered {of} {name} id {id}"));
            // It stays registered without a link.
            link.forget();
            continue;
        }
        let link_id = link.info()?.id;
        if let Some(dir) = dir {
            if let Err(e) = link.pin(dir.join(name)) {
                let what = format!("can't pin link {link_id} for {name}");
                failed = failed.and(Err(e).context(what));
                continue;
            }
        }
        tool.note(format_args!("Registered {of} {name} map id {id} link id {link_id}"));
    }
    failed?;
    if count == 0 {
        bail!("no struct_ops found in {}", file.display());
    }
    tool.out.null();
    Ok(())
}
