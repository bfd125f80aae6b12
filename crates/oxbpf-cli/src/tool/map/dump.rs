//! `map dump`: all entries, a step at a time, so that a large map takes no more memory than a small one.

use anyhow::{Context, Result};
use oxbpf_uapi::Errno;
use oxbpf_uapi::flags::UpdateFlags;
use oxbpf_uapi::map_type::MapOps;

use super::entry::Entries;
use super::show::{header_json, header_text};
use crate::tool::select::Access;
use crate::tool::{Args, Out, Tool};

pub(super) fn run(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let kernel = tool.kernel();
    let maps = tool.maps(args, Access::Read)?;
    args.end()?;
    let maps = maps.into_iter().map(|m| Entries::of(&kernel, m)).collect::<Result<Vec<_>>>()?;
    let is_typed = !tool.out.is_json() && maps.iter().all(|m| m.info.btf_id != 0);
    let is_json = tool.out.is_json() || is_typed;
    let is_list = maps.len() > 1;
    tool.out.typed_text_if(is_typed, |out| {
        out.list_if(is_list, |out| {
            let count = maps.len();
            for (i, map) in maps.into_iter().enumerate() {
                if !is_json {
                    if is_list {
                        header_text(out, &kernel, &map.info);
                    }
                    let found = elements(out, &map)?;
                    writeln!(out, "Found {found} element{}", if found == 1 { "" } else { "s" });
                    if i + 1 != count {
                        writeln!(out);
                    }
                    continue;
                }
                let map = map.with_types()?;
                if !is_list {
                    out.array(|out| elements(out, &map))?;
                    continue;
                }
                out.object(|out| {
                    header_json(out, &map.info);
                    out.name("elements").array(|out| elements(out, &map))
                })?;
            }
            Ok(())
        })
    })
}

/// Shows the entries of a map; gives how many have values.
fn elements(out: &mut Out, map: &Entries) -> Result<usize> {
    if !map.info.r#type.allows(MapOps::LOOKUP_BATCH) {
        return one_by_one(out, map);
    }
    let mut found = 0;
    let mut batches = map.map.batches(UpdateFlags::empty())?;
    while let Some(batch) = batches.next()? {
        for (key, value) in batch.iter() {
            map.show(out, key, value);
            found += 1;
        }
        if out.is_broken() {
            break;
        }
    }
    Ok(found)
}

/// Types of maps whose values the kernel does not always give: each key is shown with its value, or with why there is none.
fn one_by_one(out: &mut Out, map: &Entries) -> Result<usize> {
    let kernel = map.map.kernel();
    let mut found = 0;
    let mut value = vec![0; map.value_len];
    for key in map.map.keys() {
        let key = match key {
            Ok(key) => key,
            Err(e) if found == 0 => return Err(e).context("can't get the first key"),
            Err(e) => return Err(e.into()),
        };
        match kernel.map_lookup_elem(map.map.fd(), &key, &mut value, 0) {
            Ok(()) => {
                map.show(out, &key, &value);
                found += 1;
            }
            Err(Errno::ENOENT) if map.may_be_empty() => {}
            Err(e) => map.show_unreadable(out, &key, e),
        }
        if out.is_broken() {
            break;
        }
    }
    Ok(found)
}
