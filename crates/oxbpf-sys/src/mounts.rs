//! Where tracefs and the BPF file system are, and mounting them.
//!
//! Looking never mounts anything; [`ensure_tracefs`] and [`ensure_bpffs`] do, for a command that the user runs as root.

use std::path::Path;

use oxbpf_uapi::Errno;
use rustix::mount::MountFlags;

use crate::syscall::errno;

const TRACEFS: &str = "/sys/kernel/tracing";
/// Mounting debugfs mounts tracefs in it (Linux 4.1).
const DEBUGFS_TRACING: &str = "/sys/kernel/debug/tracing";
const BPFFS: &str = "/sys/fs/bpf";

const TRACEFS_MAGIC: u64 = 0x7472_6163;
const BPF_FS_MAGIC: u64 = 0xcafe_4a11;

/// The directory of tracefs, if it is mounted in one of its usual places.
pub fn tracefs() -> Option<&'static Path> {
    [TRACEFS, DEBUGFS_TRACING].into_iter().map(Path::new).find(|dir| dir.join("events").is_dir())
}

/// The directory of the BPF file system, if it is mounted in its usual place.
pub fn bpffs() -> Option<&'static Path> {
    has_magic(BPFFS, BPF_FS_MAGIC).then_some(Path::new(BPFFS))
}

/// The directory of tracefs, mounting it if it is not.
///
/// # Errors
/// As mount(2): `EPERM` without the right, `ENODEV` if the kernel has none.
pub fn ensure_tracefs() -> Result<&'static Path, Errno> {
    match tracefs() {
        Some(dir) => Ok(dir),
        None if has_magic(TRACEFS, TRACEFS_MAGIC) => Ok(Path::new(TRACEFS)),
        None => mount("tracefs", TRACEFS),
    }
}

/// The directory of the BPF file system, mounting it if it is not.
///
/// # Errors
/// As mount(2): `EPERM` without the right, `ENODEV` if the kernel has none.
pub fn ensure_bpffs() -> Result<&'static Path, Errno> {
    match bpffs() {
        Some(dir) => Ok(dir),
        None => mount("bpf", BPFFS),
    }
}

/// Mounts a BPF file system at a directory.
///
/// # Errors
/// As mount(2): `EPERM` without the right, `ENODEV` if the kernel has none.
pub fn mount_bpffs(dir: &Path) -> Result<(), Errno> {
    mount_at("bpf", dir)
}

/// Whether a path is inside a BPF file system, where objects can be pinned.
pub fn is_bpffs(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|fs| is_magic(fs.f_type, BPF_FS_MAGIC))
}

fn has_magic(path: &str, magic: u64) -> bool {
    rustix::fs::statfs(path).is_ok_and(|fs| is_magic(fs.f_type, magic))
}

/// `f_type` is signed on some machines and has 32 bits on others.
fn is_magic(f_type: rustix::fs::FsWord, magic: u64) -> bool {
    f_type as u64 & 0xffff_ffff == magic
}

fn mount(kind: &str, dir: &'static str) -> Result<&'static Path, Errno> {
    mount_at(kind, Path::new(dir))?;
    Ok(Path::new(dir))
}

fn mount_at(kind: &str, dir: &Path) -> Result<(), Errno> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount(kind, dir, kind, flags, None).map_err(errno)?;
    log::info!("mounted {kind} at {}", dir.display());
    Ok(())
}
