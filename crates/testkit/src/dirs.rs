//! Places to write to, gone when the test ends.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::skip_this;

/// A directory name that no other test of this machine has.
fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("oxbpf-{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// An empty directory for temporary files, removed with all it holds when dropped.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// Creates the directory; `name` is a part of its name, to be recognised by.
    ///
    /// # Panics
    /// If it cannot be created.
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(unique(name));
        std::fs::create_dir_all(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self(path)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // A test that fails may leave files that its user cannot remove; they do no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An empty directory in a BPF file system, where objects can be pinned; removed with all it holds when dropped.
#[derive(Debug)]
pub struct PinDir(PathBuf);

impl PinDir {
    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PinDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A directory of its own in the BPF file system, which is mounted in its usual place if it is not yet; if that fails,
/// says that the running test is skipped.
#[track_caller]
pub fn bpffs() -> Option<PinDir> {
    let made = oxbpf_sys::mounts::ensure_bpffs().map_err(|e| e.to_string()).and_then(|root| {
        let dir = root.join(unique("test"));
        std::fs::create_dir(&dir).map(|()| PinDir(dir)).map_err(|e| e.to_string())
    });
    match made {
        Ok(dir) => Some(dir),
        Err(e) => {
            skip_this(format_args!("no BPF file system to write to: {e}"));
            None
        }
    }
}

/// The directory of tracefs, which is mounted in its usual place if it is not yet; if that fails or it cannot be read,
/// says that the running test is skipped.
#[track_caller]
pub fn tracefs() -> Option<&'static Path> {
    let found = oxbpf_sys::mounts::ensure_tracefs().map_err(|e| e.to_string());
    let readable =
        found.and_then(|dir| std::fs::read_dir(dir.join("events")).map(|_| dir).map_err(|e| e.to_string()));
    match readable {
        Ok(dir) => Some(dir),
        Err(e) => {
            skip_this(format_args!("no tracefs to read: {e}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_empty_distinct_and_gone_after_use() {
        let (one, two) = (TempDir::new("dirs"), TempDir::new("dirs"));
        assert_ne!(one.path(), two.path());
        std::fs::write(one.path().join("file"), "x").unwrap();
        let path = one.path().to_path_buf();
        drop(one);
        assert!(!path.exists() && two.path().exists());
    }

    #[test]
    fn pin_directories_are_in_the_bpf_file_system_and_gone_after_use() {
        let Some(dir) = bpffs() else { return };
        assert!(oxbpf_sys::mounts::is_bpffs(dir.path()));
        let path = dir.path().to_path_buf();
        drop(dir);
        assert!(!path.exists());
    }

    #[test]
    fn tracefs_has_events() {
        let Some(dir) = tracefs() else { return };
        assert!(dir.join("events").is_dir());
    }
}
