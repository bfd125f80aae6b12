//! Where a program or library is that is called by its bare name.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use oxbpf_kernel::{Kernel, Opening};

use crate::error::{Error, Result};

/// Directories of libraries after those of `LD_LIBRARY_PATH`.
const LIBRARY_DIRS: [&str; 2] = ["/usr/lib64", "/usr/lib"];
/// Directories of libraries that come last.
const LAST_LIBRARY_DIRS: [&str; 2] = ["/lib64", "/lib"];
/// Directories of programs after those of `PATH`.
const PROGRAM_DIRS: [&str; 2] = ["/usr/bin", "/usr/sbin"];

/// The path of `file`: itself if it has a `/`, else where it is found.
///
/// A name that ends in `.so` or has `.so.` in it is a library, searched for in `LD_LIBRARY_PATH`,
/// `/usr/lib64`, `/usr/lib`, the directory of this machine's libraries on Debian (`/lib/x86_64-linux-gnu`),
/// `/lib64` and `/lib`. Any other is a program, searched for in `PATH`, `/usr/bin` and `/usr/sbin`.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) if no directory has it.
pub fn resolve_path(kernel: &Kernel, file: &Path) -> Result<PathBuf> {
    let name = file.to_string_lossy();
    if name.contains('/') {
        return Ok(file.to_path_buf());
    }
    let variable = if is_library(&name) { "LD_LIBRARY_PATH" } else { "PATH" };
    let directories = search_directories(&name, env::var_os(variable).as_deref());
    let mut candidates = directories.iter().map(|dir| dir.join(file));
    candidates.find(|path| kernel.open(Opening::Binary(path)).is_ok()).ok_or_else(|| {
        let searched: Vec<_> = directories.iter().map(|d| d.display().to_string()).collect();
        Error::not_found(format!("no `{name}` in {}", searched.join(":")))
    })
}

fn is_library(name: &str) -> bool {
    name.ends_with(".so") || name.contains(".so.")
}

fn search_directories(name: &str, variable: Option<&OsStr>) -> Vec<PathBuf> {
    let own = variable.map(|v| env::split_paths(v).collect()).unwrap_or_default();
    let mut all: Vec<PathBuf> = own;
    if is_library(name) {
        all.extend(LIBRARY_DIRS.map(PathBuf::from));
        all.extend(MACHINE_LIBRARY_DIR.map(PathBuf::from));
        all.extend(LAST_LIBRARY_DIRS.map(PathBuf::from));
    } else {
        all.extend(PROGRAM_DIRS.map(PathBuf::from));
    }
    all.retain(|dir| !dir.as_os_str().is_empty());
    all
}

/// Where Debian and its descendants have libraries of this machine's kind.
const MACHINE_LIBRARY_DIR: Option<&str> = if cfg!(target_arch = "x86_64") {
    Some("/lib/x86_64-linux-gnu")
} else if cfg!(target_arch = "x86") {
    Some("/lib/i386-linux-gnu")
} else if cfg!(target_arch = "s390x") {
    Some("/lib/s390x-linux-gnu")
} else if cfg!(target_arch = "arm") {
    Some("/lib/arm-linux-gnueabihf")
} else if cfg!(target_arch = "aarch64") {
    Some("/lib/aarch64-linux-gnu")
} else if cfg!(all(target_arch = "mips64", target_endian = "little")) {
    Some("/lib/mips64el-linux-gnuabi64")
} else if cfg!(all(target_arch = "mips", target_endian = "little")) {
    Some("/lib/mipsel-linux-gnu")
} else if cfg!(all(target_arch = "powerpc64", target_endian = "little")) {
    Some("/lib/powerpc64le-linux-gnu")
} else if cfg!(target_arch = "sparc64") {
    Some("/lib/sparc64-linux-gnu")
} else if cfg!(target_arch = "riscv64") {
    Some("/lib/riscv64-linux-gnu")
} else {
    None
};

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, variable: Option<&str>, first: &[&str]) {
        let all = search_directories(name, variable.map(OsStr::new));
        let all: Vec<_> = all.iter().map(|d| d.to_str().unwrap()).collect();
        assert_eq!(all.get(..first.len()), Some(first), "{all:?}");
    }

    #[test]
    fn libraries_and_programs_have_their_own_directories() {
        check("libc.so.6", Some("/opt/a::/opt/b"), &["/opt/a", "/opt/b", "/usr/lib64", "/usr/lib"]);
        check("plugin.so", None, &["/usr/lib64", "/usr/lib"]);
        check("bash", Some("/opt/bin"), &["/opt/bin", "/usr/bin", "/usr/sbin"]);
        check("so.bash", None, &["/usr/bin", "/usr/sbin"]);
    }
}
