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
