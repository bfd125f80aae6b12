//! Facts about the running system, from procfs, sysfs, tracefs and the boot directory; and what else is opened by path.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use oxbpf_kernel::{Blob, Fact, Handle, Opening};
use oxbpf_uapi::Errno;
use rustix::process::{Pid, PidfdFlags};

use crate::syscall::{self, errno, io_errno};
use crate::{btf_section, mounts};

const VMLINUX_BTF: &str = "/sys/kernel/btf/vmlinux";

/// Where distributions put a kernel image with BTF, for kernels that don't have it in sysfs. `{}` is the release.
const VMLINUX_IMAGES: &[&str] = &[
    "/boot/vmlinux-{}",
    "/lib/modules/{}/vmlinux-{}",
    "/lib/modules/{}/build/vmlinux",
    "/usr/lib/modules/{}/kernel/vmlinux",
    "/usr/lib/debug/boot/vmlinux-{}",
    "/usr/lib/debug/boot/vmlinux-{}.debug",
    "/usr/lib/debug/lib/modules/{}/vmlinux",
];

pub(crate) fn read(what: Fact<'_>) -> Result<Blob, Errno> {
    let text = match what {
        Fact::VmlinuxBtf => return vmlinux_btf(),
        Fact::ModuleBtf(module) => return file(Path::new("/sys/kernel/btf").join(component(module)?)),
        Fact::Kallsyms => return file("/proc/kallsyms"),
        Fact::AvailableFunctions => return file(tracefs()?.join("available_filter_functions")),
        Fact::AvailableFunctionAddrs => return file(tracefs()?.join("available_filter_functions_addrs")),
        Fact::DynamicEvents(unit) => return file(dynamic_events(unit)?),
        Fact::ProcessMaps(pid) => return file(format!("/proc/{pid}/maps")),
        Fact::KernelConfig => return kernel_config(),
        Fact::TracepointFormat { category, name } => return file(event(category, name)?.join("format")),
        Fact::Modules => modules()?,
        Fact::KernelRelease => release(),
        Fact::KernelVersion => kernel_version().ok_or(Errno::ENOENT)?.to_string(),
        Fact::PossibleCpus => line("/sys/devices/system/cpu/possible")?,
        Fact::OnlineCpus => line("/sys/devices/system/cpu/online")?,
        Fact::TracepointId { category, name } => line(event(category, name)?.join("id"))?,
        Fact::PmuType(unit) => line(pmu(unit)?.join("type"))?,
        Fact::PmuRetprobeBit(unit) => {
            let text = line(pmu(unit)?.join("format/retprobe"))?;
            text.strip_prefix("config:").ok_or(Errno::ENOENT)?.to_owned()
        }
        Fact::PmuFormat { unit, field } => line(pmu(unit)?.join("format").join(component(field)?))?,
        Fact::UprobeSyscall if syscall::has_uprobe() => "1".to_owned(),
        Fact::InterfaceIndex(name) => interface_index(name)?.to_string(),
        Fact::PageSize => rustix::param::page_size().to_string(),
        Fact::CommonAttrs if syscall::has_common_attrs() => "1".to_owned(),
        Fact::MaxStackDepth => line("/proc/sys/kernel/perf_event_max_stack")?,
        _ => return Err(Errno::ENOENT),
    };
    Ok(Blob::from(text.into_bytes()))
}

pub(crate) fn open(what: Opening<'_>) -> Result<Handle, Errno> {
    let (path, flags) = match what {
        Opening::Cgroup(path) | Opening::BpfFs(path) => (path.to_owned(), libc::O_DIRECTORY),
        Opening::Netns(path) => (path.to_owned(), 0),
        Opening::Lirc(path) => (path.to_owned(), libc::O_NONBLOCK),
        Opening::Binary(path) => return binary(path),
        // A reader that was told by a poll must not block if another one took the lines.
        Opening::TraceLog => (tracefs()?.join("trace_pipe"), libc::O_NONBLOCK),
        Opening::Process(pid) => {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::ESRCH)?;
            let fd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(errno)?;
            return Ok(Handle::from_fd(fd));
        }
        _ => return Err(Errno::ENOENT),
    };
    let file = fs::File::options().read(true).custom_flags(flags).open(path).map_err(|e| io_errno(&e))?;
    Ok(Handle::from_fd(file.into()))
}

/// A plain file; a pipe is not waited for.
fn binary(path: &Path) -> Result<Handle, Errno> {
    let file =
        fs::File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(|e| io_errno(&e))?;
    let is_file = file.metadata().map_err(|e| io_errno(&e))?.is_file();
    if is_file { Ok(Handle::from_fd(file.into())) } else { Err(Errno::EINVAL) }
}

/// Appends a line to one of the lists of dynamic events, which takes it or not as a whole.
pub(crate) fn define_event(unit: &str, line: &str) -> Result<(), Errno> {
    let list = dynamic_events(unit)?;
    let mut file = fs::File::options().append(true).open(list).map_err(|e| io_errno(&e))?;
    file.write_all(line.as_bytes()).map_err(|e| io_errno(&e))
}

fn dynamic_events(unit: &str) -> Result<PathBuf, Errno> {
    match unit {
        "kprobe" => Ok(tracefs()?.join("kprobe_events")),
        "uprobe" => Ok(tracefs()?.join("uprobe_events")),
        _ => Err(Errno::ENOENT),
    }
}

fn file(path: impl AsRef<Path>) -> Result<Blob, Errno> {
    fs::read(path).map(Blob::from).map_err(|e| io_errno(&e))
}

/// A file of one line, without what is around it.
fn line(path: impl AsRef<Path>) -> Result<String, Errno> {
    let text = fs::read_to_string(path).map_err(|e| io_errno(&e))?;
    Ok(text.trim().to_owned())
}

/// A name that becomes one component of a path.
fn component(name: &str) -> Result<&str, Errno> {
    if name.is_empty() || name.starts_with('.') || name.contains('/') { Err(Errno::ENOENT) } else { Ok(name) }
}

fn tracefs() -> Result<&'static Path, Errno> {
    mounts::tracefs().ok_or(Errno::ENOENT)
}

fn event(category: &str, name: &str) -> Result<PathBuf, Errno> {
    Ok(tracefs()?.join("events").join(component(category)?).join(component(name)?))
}

fn pmu(unit: &str) -> Result<PathBuf, Errno> {
    Ok(Path::new("/sys/bus/event_source/devices").join(component(unit)?))
}

fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// The kernel's types do not change, so a process has them once, while anyone uses them.
static VMLINUX: Mutex<Option<Weak<dyn AsRef<[u8]> + Send + Sync>>> = Mutex::new(None);

fn vmlinux_btf() -> Result<Blob, Errno> {
    let mut kept = VMLINUX.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bytes) = kept.as_ref().and_then(Weak::upgrade) {
        return Ok(Blob::from_owner(bytes));
    }
    let read = match fs::File::open(VMLINUX_BTF) {
        Ok(file) => sysfs_btf(file),
        Err(e) => {
            log::debug!("{VMLINUX_BTF}: {e}; looking for a kernel image");
            image_btf()
        }
    };
    let bytes = read?.into_owner();
    *kept = Some(Arc::downgrade(&bytes));
    Ok(Blob::from_owner(bytes))
}

/// BTF in sysfs: mapped where the kernel allows it (Linux 6.16), read otherwise.
fn sysfs_btf(mut file: fs::File) -> Result<Blob, Errno> {
    let len = file.metadata().map_err(|e| io_errno(&e))?.len();
    match syscall::map_sysfs_btf(file.as_fd(), len) {
        Ok(mapped) => return Ok(Blob::from_owner(Arc::new(mapped))),
        Err(e) => log::debug!("{VMLINUX_BTF}: mmap: {e}; reading it"),
    }
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0).saturating_add(1));
    file.read_to_end(&mut bytes).map_err(|e| io_errno(&e))?;
    Ok(Blob::from(bytes))
}

fn image_btf() -> Result<Blob, Errno> {
    let release = release();
    for pattern in VMLINUX_IMAGES {
        let path = pattern.replace("{}", &release);
        let Ok(bytes) = fs::read(&path) else { continue };
        // Raw BTF is accepted in the same places.
        let is_elf = bytes.starts_with(b"\x7fELF");
        let found = if is_elf { btf_section::find(&bytes).map(<[u8]>::to_vec) } else { Some(bytes) };
        match found {
            Some(btf) => return Ok(Blob::from(btf)),
            None => log::debug!("{path}: no .BTF section"),
        }
    }
    Err(Errno::ENOENT)
}

fn modules() -> Result<String, Errno> {
    let dir = fs::read_dir("/sys/kernel/btf").map_err(|e| io_errno(&e))?;
    let names = dir.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name != "vmlinux").collect();
    names.sort_unstable();
    Ok(names.join("\n"))
}

fn kernel_config() -> Result<Blob, Errno> {
    if let Ok(text) = fs::read(format!("/boot/config-{}", release())) {
        return Ok(Blob::from(text));
    }
    let packed = fs::File::open("/proc/config.gz").map_err(|e| io_errno(&e))?;
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut text).map_err(|_| Errno::EBADMSG)?;
    Ok(Blob::from(text))
}

/// `LINUX_VERSION_CODE` of the running kernel, which the release of some distributions does not tell.
fn kernel_version() -> Option<u32> {
    let uname = rustix::system::uname();
    let signature = fs::read_to_string("/proc/version_signature").ok();
    version_code(signature.as_deref(), &uname.version().to_string_lossy(), &uname.release().to_string_lossy())
}

/// Ubuntu tells the upstream version in a file of its own ("Ubuntu 5.4.0-12.15-generic 5.4.8"), Debian in the build's
/// text ("#1 SMP Debian 4.19.260-1"), others in the release.
fn version_code(signature: Option<&str>, build: &str, release: &str) -> Option<u32> {
    let ubuntu = signature.and_then(|s| s.split_whitespace().nth(2)).and_then(three_numbers);
    let debian = || build.split_once("Debian ").and_then(|(_, rest)| three_numbers(rest));
    let [major, minor, patch] = ubuntu.or_else(debian).or_else(|| three_numbers(release))?;
    // The last part has one byte, so long-lived releases stop at 255.
    Some((major << 16) + (minor << 8) + patch.min(255))
}

fn three_numbers(text: &str) -> Option<[u32; 3]> {
    let mut parts = text.splitn(3, '.').map(|part| {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part.get(..end)?.parse::<u32>().ok()
    });
    Some([parts.next()??, parts.next()??, parts.next()??])
}

fn interface_index(name: &str) -> Result<u32, Errno> {
    let family = rustix::net::AddressFamily::UNIX;
    let kind = rustix::net::SocketType::DGRAM;
    let flags = rustix::net::SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, kind, flags, None).map_err(errno)?;
    rustix::net::netdevice::name_to_index(&socket, name).map_err(errno)
}

/// How many CPUs a list such as `0-3,8` has.
pub(crate) fn cpu_count(list: &str) -> Option<usize> {
    let ranges = list.trim().split(',').map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        last.checked_sub(first)?.checked_add(1)
    });
    ranges.sum::<Option<usize>>().filter(|count| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_code_prefers_what_distributions_say_about_upstream() {
        let code = |a: u32, b: u32, c: u32| Some((a << 16) + (b << 8) + c);
        let ubuntu = Some("Ubuntu 5.4.0-12.15-generic 5.4.8\n");
        assert_eq!(version_code(ubuntu, "#13-Ubuntu SMP", "5.4.0-12-generic"), code(5, 4, 8));
        let debian = "#1 SMP Debian 4.19.260-1 (2022-09-29)";
        assert_eq!(version_code(None, debian, "4.19.0-22-amd64"), code(4, 19, 255));
        assert_eq!(version_code(None, "#1 SMP", "6.12.3-arch1"), code(6, 12, 3));
        assert_eq!(version_code(None, "#1 SMP", "6.12"), None);
    }

    #[test]
    fn cpu_lists_are_counted_with_their_gaps() {
        assert_eq!(cpu_count("0\n"), Some(1));
        assert_eq!(cpu_count("0-3,8"), Some(5));
        assert_eq!(cpu_count("3-1"), None);
        assert_eq!(cpu_count(""), None);
    }

    #[test]
    fn names_can_not_leave_their_directory() {
        for name in ["", "..", "a/b", "../../etc/passwd"] {
            assert_eq!(read(Fact::ModuleBtf(name)).err(), Some(Errno::ENOENT));
        }
    }
}
