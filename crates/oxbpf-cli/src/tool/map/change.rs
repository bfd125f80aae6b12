//! Verbs for single entries and whole maps.

use anyhow::{Context, Error, Result, bail};
use oxbpf::link::interface_index;
use oxbpf_kernel::{MapCreate, MapFd};
use oxbpf_uapi::{Errno, MapType};

use super::entry::{Entries, Wants, hex_json, hex_text, read};
use crate::tool::pin::pin_at;
use crate::tool::select::Access;
use crate::tool::{Args, Silent, Tool};

fn entries(tool: &mut Tool, args: &mut Args<'_>, access: Access) -> Result<Entries> {
    let map = tool.map(args, access)?;
    Entries::of(&tool.kernel(), map)
}

pub(super) fn update(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let map = entries(tool, args, Access::Write)?;
    let words = read(tool, args, &map, Wants::KeyAndValue)?;
    let (key, value) = (words.key.as_deref().unwrap_or_default(), words.value.as_deref().unwrap_or_default());
    let flags = words.flags.unwrap_or_default().bits();
    tool.kernel().map_update_elem(map.map.fd(), key, value, flags).context("update failed")?;
    tool.out.null();
    Ok(())
}

pub(super) fn lookup(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let map = entries(tool, args, Access::Read)?;
    let words = read(tool, args, &map, Wants::Key)?;
    let key = words.key.unwrap_or_default();
    let mut value = vec![0; map.value_len];
    match tool.kernel().map_lookup_elem(map.map.fd(), &key, &mut value, 0) {
        Ok(()) => show(tool, map, &key, &value),
        Err(Errno::ENOENT) => {
            if tool.out.is_json() {
                tool.out.null();
            } else {
                tool.out.bytes(b"key:\n");
                hex_text(&mut tool.out, &key);
                tool.out.bytes(b"\n\nNot found\n");
            }
            Err(Silent.into())
        }
        Err(e) => Err(Error::from(e).context("lookup failed")),
    }
}

/// Shows one entry, by its types where they are known.
fn show(tool: &mut Tool, map: Entries, key: &[u8], value: &[u8]) -> Result<()> {
    let map = map.with_types()?;
    let is_typed = !tool.out.is_json() && map.btf.is_some();
    tool.out.typed_text_if(is_typed, |out| {
        map.show(out, key, value);
        Ok(())
    })
}

pub(super) fn pop(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let map = entries(tool, args, Access::Write)?;
    args.end()?;
    let key = vec![0; map.info.key_size as usize];
    let mut value = vec![0; map.value_len];
    match tool.kernel().map_lookup_and_delete_elem(map.map.fd(), &key, &mut value, 0) {
        Ok(()) => show(tool, map, &key, &value),
        Err(Errno::ENOENT) => {
            tool.out.null();
            if !tool.out.is_json() {
                tool.out.bytes(b"Error: empty map\n");
            }
            Err(Silent.into())
        }
        Err(e) => Err(Error::from(e).context("pop failed")),
    }
}

pub(super) fn getnext(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let map = entries(tool, args, Access::Read)?;
    let key = match args.is_empty() {
        true => None,
        false => read(tool, args, &map, Wants::Key)?.key,
    };
    let mut next = vec![0; map.info.key_size as usize];
    let kernel = tool.kernel();
    kernel.map_get_next_key(map.map.fd(), key.as_deref(), &mut next).context("can't get next key")?;
    let out = &mut tool.out;
    if out.is_json() {
        out.object(|out| {
            match &key {
                Some(key) => hex_json(out.name("key"), key),
                None => out.name("key").null(),
            }
            hex_json(out.name("next_key"), &next);
        });
        return Ok(());
    }
    match &key {
        Some(key) => {
            out.bytes(b"key:\n");
            hex_text(out, key);
            out.bytes(b"\n");
        }
        None => out.bytes(b"key: None\n"),
    }
    out.bytes(b"next key:\n");
    hex_text(out, &next);
    out.bytes(b"\n");
    Ok(())
}

pub(super) fn delete(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let map = entries(tool, args, Access::Write)?;
    let words = read(tool, args, &map, Wants::Key)?;
    let key = words.key.unwrap_or_default();
    tool.kernel().map_delete_elem(map.map.fd(), &key, 0).context("delete failed")?;
    tool.out.null();
    Ok(())
}

pub(super) fn pin(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let map = tool.map(args, Access::Read)?;
    let path = args.path("FILE")?;
    args.end()?;
    pin_at(tool, path, |kernel| Ok(kernel.obj_pin(path, &map)?))?;
    tool.out.null();
    Ok(())
}

pub(super) fn freeze(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let map = MapFd(tool.map(args, Access::Write)?);
    args.end()?;
    tool.kernel().bpf(&mut oxbpf_kernel::Command::MapFreeze { map: &map }).context("failed to freeze map")?;
    tool.out.null();
    Ok(())
}

pub(super) fn create(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let kernel = tool.kernel();
    let path = args.path("FILE")?;
    let mut request = MapCreate::default();
    let mut inner = None;
    let mut name = None;
    while !args.is_empty() {
        let words = ["type", "name", "key", "value", "entries", "flags", "dev", "offload_dev", "inner_map"];
        match args.one_of(&words)? {
            "type" if request.map_type != MapType::UNSPEC => bail!("map type already specified"),
            "type" => {
                let word = args.text("TYPE")?;
                let found = MapType::ALL.iter().find(|t| t.short_name() == Some(word));
                request.map_type = *found.with_context(|| format!("unrecognized map type: {word}"))?;
            }
            "name" => {
                let word = args.text("NAME")?;
                if word.len() > 15 {
                    log::warn!("map name is longer than 15 characters, it will be truncated");
                }
                name = Some(word);
            }
            "key" => request.key_size = args.number("key size")?,
            "value" => request.value_size = args.number("value size")?,
            "entries" => request.max_entries = args.number("max entries")?,
            "flags" => request.map_flags = args.number("flags")?,
            "dev" | "offload_dev" if request.map_ifindex != 0 => bail!("offload device already specified"),
            "dev" | "offload_dev" => {
                let word = args.text("NAME")?;
                let index = interface_index(&kernel, word);
                request.map_ifindex = index.with_context(|| format!("unrecognized netdevice '{word}'"))?;
            }
            _ => inner = Some(MapFd(tool.map(args, Access::Read)?)),
        }
    }
    request.map_name = name.context("map name not specified")?;
    request.inner_map = inner.as_ref();
    let map = kernel.map_create(request).context("map create failed")?;
    pin_at(tool, path, |kernel| Ok(kernel.obj_pin(path, &map)?))?;
    tool.out.null();
    Ok(())
}
