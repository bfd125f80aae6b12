//! Facts about the embedded kernel, in the texts that procfs, sysfs and tracefs would give.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use oxbpf_kernel::{Blob, Fact};
use oxbpf_uapi::Errno;

use crate::state::State;
use crate::{kbtf, perf, tracepoints};

/// The Linux that the embedded kernel behaves like.
const VERSION: (u32, u32, u32) = (6, 12, 0);
/// What tells it from that.
const RELEASE_SUFFIX: &str = "-oxbpf";

/// What is built in. Other options are not set.
const CONFIG: &[(&str, &str)] = &[
    ("CONFIG_64BIT", "y"),
    ("CONFIG_BPF", "y"),
    ("CONFIG_BPF_SYSCALL", "y"),
    ("CONFIG_BPF_EVENTS", "y"),
    ("CONFIG_DEBUG_INFO_BTF", "y"),
    ("CONFIG_FTRACE_SYSCALLS", "y"),
    // `bpf_jiffies64` counts this many a second.
    ("CONFIG_HZ", "250"),
    ("CONFIG_NET", "y"),
    ("CONFIG_NET_CLS_BPF", "y"),
    ("CONFIG_PERF_EVENTS", "y"),
    ("CONFIG_UPROBE_EVENTS", "y"),
];

/// Longest file of procfs that is read.
const MAX_TEXT: u64 = 64 << 20;
/// Most frames of a stack trace.
const MAX_STACK_DEPTH: u32 = 127;

/// Answers a question about the system, but for network interfaces.
pub(crate) fn fact(state: &State, what: Fact<'_>) -> Result<Blob, Errno> {
    let (major, minor, patch) = VERSION;
    let text = match what {
        Fact::VmlinuxBtf => return Ok(kbtf::btf().raw().to_vec().into()),
        Fact::ProcessMaps(pid) => return read(Path::new(&format!("/proc/{pid}/maps"))),
        Fact::Modules => String::new(),
        Fact::Kallsyms => lines(|(name, addr)| format!("{addr:016x} T {name}")),
        Fact::AvailableFunctions => lines(|(name, _)| name),
        Fact::AvailableFunctionAddrs => lines(|(name, addr)| format!("{addr:016x} {name}")),
        Fact::KernelConfig => {
            let machine = if cfg!(target_arch = "x86_64") { "CONFIG_X86_64=y\n" } else { "" };
            CONFIG.iter().fold(machine.to_owned(), |mut text, (name, value)| {
                let _ = writeln!(text, "{name}={value}");
                text
            })
        }
        Fact::KernelRelease => format!("{major}.{minor}.{patch}{RELEASE_SUFFIX}"),
        Fact::KernelVersion => ((major << 16) + (minor << 8) + patch).to_string(),
        Fact::PossibleCpus | Fact::OnlineCpus => match state.cpus {
            0 | 1 => "0".to_owned(),
            cpus => format!("0-{}", cpus - 1),
        },
        Fact::TracepointId { category, name } => {
            tracepoints::id_of(category, name).ok_or(Errno::ENOENT)?.to_string()
        }
        Fact::TracepointFormat { category, name } => {
            tracepoints::format(category, name).ok_or(Errno::ENOENT)?
        }
        Fact::PmuType("kprobe") => perf::PMU_KPROBE.to_string(),
        Fact::PmuType("uprobe") => perf::PMU_UPROBE.to_string(),
        Fact::PmuRetprobeBit("kprobe" | "uprobe") => perf::RETPROBE_BIT.to_string(),
        Fact::PageSize => "4096".to_owned(),
        Fact::MaxStackDepth => MAX_STACK_DEPTH.to_string(),
        _ => return Err(Errno::ENOENT),
    };
    Ok(text.into_bytes().into())
}

fn lines(line: impl Fn((String, u64)) -> String) -> String {
    let lines: Vec<String> = tracepoints::functions().map(line).collect();
    lines.join("\n")
}

/// A program file or library that a probe names.
#[derive(Debug)]
pub(crate) struct Binary(File);

impl Binary {
    pub(crate) fn open(path: &Path) -> Result<Self, Errno> {
        // A pipe must not be waited for.
        if !std::fs::metadata(path).map_err(errno)?.is_file() {
            return Err(Errno::EINVAL);
        }
        File::open(path).map(Self).map_err(errno)
    }

    pub(crate) fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<usize, Errno> {
        self.0.read_at(out, offset).map_err(errno)
    }

    pub(crate) fn len(&self) -> Result<u64, Errno> {
        self.0.metadata().map(|m| m.len()).map_err(errno)
    }
}

fn read(path: &Path) -> Result<Blob, Errno> {
    let mut bytes = Vec::new();
    // A file may grow while it is read.
    let file = File::open(path).map_err(errno)?;
    file.take(MAX_TEXT).read_to_end(&mut bytes).map_err(errno)?;
    Ok(bytes.into())
}

fn errno(error: std::io::Error) -> Errno {
    Errno(error.raw_os_error().unwrap_or(Errno::EIO.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RuntimeOptions;

    fn text(what: Fact<'_>) -> Result<String, Errno> {
        let state =
            State::new(&RuntimeOptions { memory_limit: 1 << 24, cpus: 4, ..RuntimeOptions::default() })
                .unwrap();
        fact(&state, what).map(|blob| String::from_utf8(blob.to_vec()).unwrap())
    }

    #[test]
    fn facts_read_as_those_of_linux() {
        assert_eq!(text(Fact::KernelRelease).unwrap(), "6.12.0-oxbpf");
        assert_eq!(text(Fact::KernelVersion).unwrap(), "396288");
        assert_eq!(text(Fact::OnlineCpus).unwrap(), "0-3");
        assert_eq!(text(Fact::Modules).unwrap(), "");
        assert_eq!(text(Fact::PmuType("uprobe")).unwrap(), "9");
        assert_eq!(text(Fact::PmuType("cpu")), Err(Errno::ENOENT));
        assert_eq!(text(Fact::TracepointId { category: "sched", name: "sched_switch" }), Err(Errno::ENOENT));
        assert!(
            text(Fact::KernelConfig).unwrap().lines().all(|l| l.starts_with("CONFIG_") && l.contains('='))
        );
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn functions_are_listed_with_their_addresses() {
        assert_eq!(text(Fact::Kallsyms).unwrap().lines().next(), Some("ffffffff81000000 T __x64_sys_read"));
        assert!(text(Fact::AvailableFunctions).unwrap().lines().any(|l| l == "__x64_sys_openat"));
    }

    #[test]
    fn only_plain_files_are_binaries() {
        assert_eq!(Binary::open(Path::new("/")).err(), Some(Errno::EINVAL));
        assert_eq!(Binary::open(Path::new("/no/such/file")).err(), Some(Errno::ENOENT));
        let own = Binary::open(&std::env::current_exe().unwrap()).unwrap();
        let mut start = [0; 4];
        assert_eq!(own.read_at(0, &mut start), Ok(4));
        assert_eq!(&start, b"\x7fELF");
        assert_eq!(own.read_at(own.len().unwrap(), &mut start), Ok(0));
    }
}
