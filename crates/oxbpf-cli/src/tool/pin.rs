//! Pinning as commands do it: in a bpf file system, which is mounted where there is none.

use std::path::Path;

use anyhow::{Context, Result, bail};
use oxbpf::Kernel;

use super::Tool;

/// Gives an object the name `path`, which must be free, by `pin`.
///
/// # Errors
/// If the name is taken, its directory is in no bpf file system and none may be mounted, and those of `pin`.
pub(crate) fn pin_at(tool: &mut Tool, path: &Path, pin: impl FnOnce(&Kernel) -> Result<()>) -> Result<()> {
    let shown = path.display();
    if path.symlink_metadata().is_ok() {
        bail!("can't pin BPF object: path '{shown}' already exists");
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !oxbpf_sys::mounts::is_bpffs(parent) {
        if !parent.exists() {
            bail!("can't pin BPF object: dir '{}' doesn't exist", parent.display());
        }
        if tool.options.no_mount {
            bail!("no BPF file system found, not mounting it due to --nomount option");
        }
        oxbpf_sys::mounts::mount_bpffs(parent)
            .with_context(|| format!("can't mount BPF file system to pin the object '{shown}'"))?;
    }
    pin(&tool.kernel()).with_context(|| format!("can't pin the object ({shown})"))
}

/// Makes a directory whose members can be pins: one in a bpf file system, or one where that is mounted.
///
/// # Errors
/// If it can't be made, or is in no bpf file system and none may be mounted.
pub(crate) fn dir_for_pins(tool: &Tool, dir: &Path) -> Result<()> {
    let shown = dir.display();
    if oxbpf_sys::mounts::is_bpffs(dir) {
        return Ok(());
    }
    let is_new = !dir.exists();
    if is_new {
        let parent = dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !parent.exists() {
            bail!(
                "can't create dir '{shown}' to pin BPF object: parent dir '{}' doesn't exist",
                parent.display()
            );
        }
        if oxbpf_sys::mounts::is_bpffs(parent) {
            return std::fs::create_dir(dir).with_context(|| format!("failed to create dir '{shown}'"));
        }
    }
    if tool.options.no_mount {
        bail!("no BPF file system found, not mounting it due to --nomount option");
    }
    if is_new {
        std::fs::create_dir(dir).with_context(|| format!("failed to create dir '{shown}'"))?;
    }
    oxbpf_sys::mounts::mount_bpffs(dir).map_err(|e| {
        if is_new {
            // An empty directory is all that is there.
            let _ = std::fs::remove_dir(dir);
        }
        anyhow::anyhow!("can't mount BPF file system on given dir '{shown}': {e}")
    })
}
