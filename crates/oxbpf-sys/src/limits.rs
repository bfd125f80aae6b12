//! What this process may do: locked memory, and BPF at all.

use oxbpf_kernel::{Command, Kernel, MapCreate, ProgLoad};
use oxbpf_uapi::insn::{BPF_ALU64, BPF_CALL, BPF_EXIT, BPF_JMP, BPF_K, BPF_MOV};
use oxbpf_uapi::{Errno, HelperId, Insn, MapType, ProgType};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::Linux;
use crate::syscall::errno;

const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// Lets this process lock as much memory as it wants. Before Linux 5.11 the memory of maps and programs counts as locked;
/// [`memlock_is_charged`] says whether it still does.
///
/// # Errors
/// `EPERM` without `CAP_SYS_RESOURCE`.
pub fn raise_memlock() -> Result<(), Errno> {
    setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None }).map_err(errno)
}

/// Whether the memory of maps counts as locked memory. Asked by loading a program that calls
/// `bpf_ktime_get_coarse_ns`, which came in the same release (5.11) as the accounting by memory cgroups.
pub fn memlock_is_charged() -> bool {
    let call = Insn::new(BPF_JMP | BPF_CALL, 0, 0, 0, HelperId::KTIME_GET_COARSE_NS.0 as i32);
    let load = load(ProgType::SOCKET_FILTER, &[call, Insn::new(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)]);
    !matches!(load, Ok(()) | Err(Errno::EPERM))
}

fn load(prog_type: ProgType, insns: &[Insn]) -> Result<(), Errno> {
    let kernel = Kernel::new(Linux::new());
    let req = ProgLoad { prog_type, insns, license: "GPL", ..Default::default() };
    kernel.bpf(&mut Command::ProgLoad(req)).map(drop)
}

/// Why bpf(2) is of no use to this process, as a sentence with what would help; `None` if it is of use.
///
/// Asks the kernel by making a map of one entry and loading a tracing program that returns 0.
pub fn why_not_bpf() -> Option<String> {
    let kernel = Kernel::new(Linux::new());
    let req = MapCreate {
        map_type: MapType::ARRAY,
        key_size: 4,
        value_size: 4,
        max_entries: 1,
        ..Default::default()
    };
    let map = kernel.map_create(req).map(drop);
    let zero = Insn::new(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0);
    let exit = Insn::new(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    let refusal = map.and_then(|()| load(ProgType::TRACEPOINT, &[zero, exit])).err()?;
    Some(explain(refusal, &Rights::of_this_process()))
}

/// What decides on bpf(2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rights {
    /// Bits of the effective capabilities.
    capabilities: u64,
    has_seccomp_filter: bool,
    in_user_namespace: bool,
    /// `kernel.unprivileged_bpf_disabled`, where it can be read.
    unprivileged_bpf_disabled: Option<u32>,
    /// The chosen word of the lockdown file.
    lockdown: Option<String>,
}

impl Rights {
    fn of_this_process() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let status = read("/proc/self/status");
        let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).map(str::trim);
        let lockdown = read("/sys/kernel/security/lockdown");
        let chosen = lockdown.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
        Self {
            capabilities: field("CapEff:").and_then(|v| u64::from_str_radix(v, 16).ok()).unwrap_or(0),
            has_seccomp_filter: field("Seccomp:") == Some("2"),
            in_user_namespace: !read("/proc/self/uid_map").split_whitespace().eq(["0", "0", "4294967295"]),
            unprivileged_bpf_disabled: read("/proc/sys/kernel/unprivileged_bpf_disabled").trim().parse().ok(),
            lockdown: chosen.map(|(word, _)| word.to_owned()),
        }
    }

    fn has(&self, capability: u32) -> bool {
        self.capabilities & (1 << capability | 1 << CAP_SYS_ADMIN) != 0
    }
}

fn explain(refusal: Errno, rights: &Rights) -> String {
    match refusal {
        Errno::ENOSYS => "this kernel has no bpf(): it was built without CONFIG_BPF_SYSCALL".into(),
        Errno::EPERM | Errno::EACCES if !rights.has(CAP_BPF) => match rights.unprivileged_bpf_disabled {
            Some(0) => {
                "this process lacks CAP_BPF and CAP_PERFMON, which tracing programs need; run as root".into()
            }
            _ => {
                "this process lacks CAP_BPF, and the kernel refuses bpf() to users without it; run as root, \
                  or give the program CAP_BPF and CAP_PERFMON"
                    .into()
            }
        },
        Errno::EPERM | Errno::EACCES if !rights.has(CAP_PERFMON) => {
            "this process has CAP_BPF and lacks CAP_PERFMON, which tracing programs need".into()
        }
        Errno::EPERM | Errno::EACCES if rights.in_user_namespace => {
            "bpf() is refused in a user namespace without a BPF token; run in the host's user namespace"
                .into()
        }
        Errno::EPERM | Errno::EACCES if rights.has_seccomp_filter => {
            "a seccomp filter of this process refuses bpf(); in a container, allow bpf in its seccomp profile"
                .into()
        }
        Errno::EPERM | Errno::EACCES => match rights.lockdown.as_deref() {
            Some(mode @ ("integrity" | "confidentiality")) => {
                format!("the kernel is locked down ({mode}) and refuses bpf()")
            }
            _ => format!(
                "the kernel refuses bpf() to this process: {refusal}; a security module may be the reason"
            ),
        },
        _ => format!("bpf() does not work here: {refusal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_explained_by_the_right_that_is_missing() {
        let all = 1 << CAP_SYS_ADMIN;
        let check = |errno, rights: Rights, expect: &str| {
            let text = explain(errno, &rights);
            assert!(text.contains(expect), "{text}");
        };
        let rights = || Rights { capabilities: all, ..Rights::default() };
        check(Errno::ENOSYS, rights(), "CONFIG_BPF_SYSCALL");
        check(
            Errno::EPERM,
            Rights { unprivileged_bpf_disabled: Some(2), ..Rights::default() },
            "lacks CAP_BPF, and",
        );
        check(
            Errno::EPERM,
            Rights { unprivileged_bpf_disabled: Some(0), ..Rights::default() },
            "tracing programs",
        );
        check(Errno::EPERM, Rights { capabilities: 1 << CAP_BPF, ..Rights::default() }, "lacks CAP_PERFMON");
        check(Errno::EPERM, Rights { has_seccomp_filter: true, ..rights() }, "seccomp");
        check(Errno::EPERM, Rights { in_user_namespace: true, ..rights() }, "user namespace");
        check(Errno::EPERM, Rights { lockdown: Some("integrity".into()), ..rights() }, "locked down");
        check(Errno::ENOMEM, rights(), "ENOMEM");
    }
}
