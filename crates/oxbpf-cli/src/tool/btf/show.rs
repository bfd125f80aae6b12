//! `btf show`: the BTF objects of the kernel, and the programs and maps that use them.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use oxbpf::Kernel;
use oxbpf_kernel::{GetInfo, Handle, InfoBuffers, ObjectKind};
use oxbpf_uapi::info::{BtfInfo, MapInfo, ProgInfo};
use zerocopy::IntoBytes;

use crate::tool::select::{c_name, ids, info, open_id};
use crate::tool::{Args, Out, Tool};

/// BTF id → ids of the objects that use it.
type Users = BTreeMap<u32, Vec<u32>>;

pub(super) fn run(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let one = if args.accept("id") { Some(args.number("id")?) } else { None };
    args.end()?;
    let kernel = tool.kernel();
    let users = [
        users(&kernel, ObjectKind::Prog, |h| Ok(info::<ProgInfo>(&kernel, h)?.btf_id))?,
        users(&kernel, ObjectKind::Map, |h| Ok(info::<MapInfo>(&kernel, h)?.btf_id))?,
    ];
    if let Some(id) = one {
        return match open_id(&kernel, ObjectKind::Btf, id)? {
            Some(btf) => show(&kernel, &btf, &users, &mut tool.out),
            None => bail!("can't get BTF object by id ({id}): No such file or directory"),
        };
    }
    let ids = ids(&kernel, ObjectKind::Btf)?;
    tool.out.array(|out| {
        for id in ids {
            // One that has gone meanwhile is not shown.
            if let Some(btf) = open_id(&kernel, ObjectKind::Btf, id)? {
                show(&kernel, &btf, &users, out)?;
            }
        }
        Ok(())
    })
}

fn users(kernel: &Kernel, kind: ObjectKind, btf_id: impl Fn(&Handle) -> Result<u32>) -> Result<Users> {
    let mut users = Users::new();
    for id in ids(kernel, kind)? {
        let Some(object) = open_id(kernel, kind, id)? else { continue };
        match btf_id(&object)? {
            0 => {}
            btf => users.entry(btf).or_default().push(id),
        }
    }
    Ok(users)
}

/// The kernel's info on a BTF object, and its name.
pub(super) fn btf_info(kernel: &Kernel, btf: &Handle) -> Result<(BtfInfo, String)> {
    let (mut info, mut name) = (BtfInfo::default(), [0; 64]);
    let buffers = InfoBuffers::Btf { btf: &mut [], name: &mut name };
    kernel
        .get_info(GetInfo { object: btf, info: info.as_mut_bytes(), buffers })
        .context("can't get BTF object info")?;
    Ok((info, c_name(&name)))
}

fn show(kernel: &Kernel, btf: &Handle, [progs, maps]: &[Users; 2], out: &mut Out) -> Result<()> {
    let (info, name) = btf_info(kernel, btf)?;
    let none = Vec::new();
    let of = |users: &'_ Users| users.get(&info.id).unwrap_or(&none).clone();
    let (progs, maps) = (of(progs), of(maps));
    if out.is_json() {
        out.object(|out| {
            out.field("id", info.id);
            out.field("size", info.btf_size);
            out.name("prog_ids").array(|out| progs.iter().for_each(|id| out.number(id)));
            out.name("map_ids").array(|out| maps.iter().for_each(|id| out.number(id)));
            out.field("kernel", info.kernel_btf != 0);
            if !name.is_empty() {
                out.string_field("name", &name);
            }
        });
        return Ok(());
    }
    let name = match (info.kernel_btf, name.is_empty()) {
        (0, true) => "<anon>".to_owned(),
        (0, false) => name,
        _ => format!("[{name}]"),
    };
    write!(out, "{}: name {name}  size {}B", info.id, info.btf_size);
    for (what, ids) in [("prog_ids", progs), ("map_ids", maps)] {
        let ids: Vec<_> = ids.iter().map(u32::to_string).collect();
        if !ids.is_empty() {
            write!(out, "  {what} {}", ids.join(","));
        }
    }
    writeln!(out);
    Ok(())
}
