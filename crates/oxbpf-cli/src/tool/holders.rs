//! Who keeps objects of the kernel: files in bpf file systems, and processes that have descriptors of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use oxbpf::Kernel;
use oxbpf_kernel::{Handle, ObjectKind};
use oxbpf_uapi::info::{BtfInfo, LinkInfo, MapInfo, ProgInfo};

use super::Out;
use super::select::info;

/// Object id → paths of its pins.
pub(crate) type Pins = BTreeMap<u32, Vec<PathBuf>>;

/// Object id → processes that have it open, as id and name.
pub(crate) type Pids = BTreeMap<u32, Vec<(u32, String)>>;

/// The pinned objects of a kind in all bpf file systems that are mounted.
pub(crate) fn pinned(kernel: &Kernel, kind: ObjectKind) -> Pins {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut pins = Pins::new();
    for line in mounts.lines() {
        let mut words = line.split(' ').skip(1);
        if let (Some(place), Some("bpf")) = (words.next(), words.next()) {
            walk(kernel, kind, Path::new(place), &mut pins);
        }
    }
    pins
}

fn walk(kernel: &Kernel, kind: ObjectKind, dir: &Path, pins: &mut Pins) {
    // A directory that can't be read has pins of others.
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let Ok(file_type) = entry.file_type() else { continue };
        let path = entry.path();
        if file_type.is_dir() {
            walk(kernel, kind, &path, pins);
        } else if file_type.is_file() {
            let Ok(object) = kernel.obj_get(&path, 0) else { continue };
            // The kernel doesn't say what an object is, but the name of its descriptor does.
            let own = format!("/proc/self/fd/{}", object.number());
            if is_object(kind, Path::new(&own)) {
                if let Ok(id) = id_of(kernel, kind, &object) {
                    pins.entry(id).or_default().push(path);
                }
            }
        }
    }
}

fn id_of(kernel: &Kernel, kind: ObjectKind, object: &Handle) -> Result<u32> {
    Ok(match kind {
        ObjectKind::Prog => info::<ProgInfo>(kernel, object)?.id,
        ObjectKind::Map => info::<MapInfo>(kernel, object)?.id,
        ObjectKind::Btf => info::<BtfInfo>(kernel, object)?.id,
        ObjectKind::Link => info::<LinkInfo>(kernel, object)?.id,
    })
}

/// The line of `/proc/PID/fdinfo/FD` that has the id of an object.
fn id_line(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Prog => "prog_id:",
        ObjectKind::Map => "map_id:",
        ObjectKind::Btf => "btf_id:",
        ObjectKind::Link => "link_id:",
    }
}

/// Whether `file` in `/proc/PID/fd` is a descriptor of an object of the kernel.
fn is_object(kind: ObjectKind, file: &Path) -> bool {
    let name = match kind {
        ObjectKind::Prog => "anon_inode:bpf-prog",
        ObjectKind::Map => "anon_inode:bpf-map",
        ObjectKind::Btf => "anon_inode:btf",
        ObjectKind::Link => "anon_inode:bpf-link",
    };
    // Kernels write links with a line below, too.
    fs::read_link(file)
        .is_ok_and(|l| l.to_string_lossy().replace('_', "-").ends_with(&name.replace('_', "-")))
}

/// The processes that have objects of a kind open, but for this one.
pub(crate) fn processes(kind: ObjectKind) -> Pids {
    let mut pids = Pids::new();
    let Ok(all) = fs::read_dir("/proc") else { return pids };
    for process in all.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        if pid == std::process::id() {
            continue;
        }
        let base = process.path();
        let Ok(files) = fs::read_dir(base.join("fd")) else { continue };
        for file in files.flatten() {
            if !is_object(kind, &file.path()) {
                continue;
            }
            let text = fs::read_to_string(base.join("fdinfo").join(file.file_name())).unwrap_or_default();
            let id = text.lines().find_map(|l| l.strip_prefix(id_line(kind))?.trim().parse().ok());
            let Some(id) = id else { continue };
            let holders: &mut Vec<(u32, String)> = pids.entry(id).or_default();
            if holders.iter().all(|h| h.0 != pid) {
                let name = fs::read_to_string(base.join("comm")).unwrap_or_default();
                holders.push((pid, name.trim_end().to_owned()));
            }
        }
    }
    pids.values_mut().for_each(|holders| holders.sort());
    pids
}

/// Shows where an object is pinned.
pub(crate) fn show_pins(out: &mut Out, id: u32, pins: Option<&Pins>) {
    let paths = pins.and_then(|p| p.get(&id)).map(Vec::as_slice).unwrap_or_default();
    if out.is_json() {
        if pins.is_some_and(|p| !p.is_empty()) {
            out.name("pinned").array(|out| paths.iter().for_each(|p| out.string(p.to_string_lossy())));
        }
        return;
    }
    for path in paths {
        write!(out, "\n\tpinned {}", path.display());
    }
}

/// Shows which processes have an object open.
pub(crate) fn show_pids(out: &mut Out, id: u32, pids: &Pids) {
    let holders = pids.get(&id).map(Vec::as_slice).unwrap_or_default();
    if holders.is_empty() {
        return;
    }
    if out.is_json() {
        out.name("pids").array(|out| {
            for (pid, name) in holders {
                out.object(|out| {
                    out.field("pid", pid);
                    out.string_field("comm", name);
                });
            }
        });
        return;
    }
    let holders: Vec<_> = holders.iter().map(|(pid, name)| format!("{name}({pid})")).collect();
    write!(out, "\n\tpids {}", holders.join(","));
}
