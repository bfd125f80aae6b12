//! Programs on kernel functions and instructions: one by a perf event, many by a multi link, system calls by name.

use oxbpf_kernel::{Fact, Kernel, LinkKind, PerfEventSpec, Probes, Target};
use oxbpf_uapi::flags::KprobeMultiFlags;
use oxbpf_uapi::perf_event::UPROBE_REF_CTR_OFFSET_SHIFT;
use oxbpf_uapi::{AttachType, Errno, ProgType};

use super::attach::Attach;
use super::perf::{self, PerfEventOpts, number_fact};
use super::{Link, ProbeEvent};
use crate::error::{Error, ErrorKind, Frame, Result, nearest};
use crate::feature::Feature;
use crate::kallsyms::Kallsyms;
use crate::syms::glob_match;

/// Which way a probe is put in place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[doc(alias = "probe_attach_mode")]
pub enum ProbeMode {
    /// The newest way that the kernel has.
    #[default]
    Default,
    /// A perf event with the program put on it by an ioctl.
    Perf,
    /// A perf event with a BPF link on it. Linux 5.15.
    Link,
    /// A tracepoint that is defined by text in tracefs, with the program put on it by an ioctl. If the process is killed, the
    /// definition stays.
    Legacy,
}

/// A place in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KprobeTarget<'a> {
    /// A function by name.
    Function(&'a str),
    /// An address, such as kallsyms has. Linux 4.17.
    Address(u64),
}

impl<'a> From<&'a str> for KprobeTarget<'a> {
    fn from(name: &'a str) -> Self {
        Self::Function(name)
    }
}

impl<'a> From<&'a String> for KprobeTarget<'a> {
    fn from(name: &'a String) -> Self {
        Self::Function(name)
    }
}

impl From<u64> for KprobeTarget<'_> {
    fn from(address: u64) -> Self {
        Self::Address(address)
    }
}

impl core::fmt::Display for KprobeTarget<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Function(name) => f.write_str(name),
            Self::Address(address) => write!(f, "{address:#x}"),
        }
    }
}

/// Options of `attach_kprobe`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "bpf_kprobe_opts")]
pub struct KprobeOpts {
    /// At the function's return.
    pub is_return: bool,
    /// Bytes behind the function's start, for probes that are not at a return.
    pub offset: u64,
    /// What `bpf_get_attach_cookie` gives the program. Linux 5.15 if not 0.
    pub cookie: u64,
    /// Which way.
    pub mode: ProbeMode,
}

/// Options of `attach_ksyscall`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "bpf_ksyscall_opts")]
pub struct KsyscallOpts {
    /// At the system call's return.
    pub is_return: bool,
    /// What `bpf_get_attach_cookie` gives the program. Linux 5.15 if not 0.
    pub cookie: u64,
}

/// Options of `attach_kprobe_multi` and `attach_kprobe_multi_at`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "bpf_kprobe_multi_opts")]
pub struct KprobeMultiOpts<'a> {
    /// At the functions' returns.
    pub is_return: bool,
    /// At both, as one session. Linux 6.10.
    pub is_session: bool,
    /// Fail unless the pattern matches exactly one function.
    pub unique_match: bool,
    /// What `bpf_get_attach_cookie` gives the program, one for each function, or none. Not with a pattern.
    pub cookies: &'a [u64],
}

pub(super) fn attach<'t>(
    a: &Attach<'_>,
    target: impl Into<KprobeTarget<'t>>,
    opts: KprobeOpts,
) -> Result<Link> {
    let target = target.into();
    a.expect_type("attach_kprobe", &[ProgType::KPROBE])?;
    let name = if opts.is_return { "kretprobe" } else { "kprobe" };
    let frame = match opts.offset {
        0 => format!("{name} `{target}`"),
        offset => format!("{name} `{target}+{offset:#x}`"),
    };
    let place = match target {
        KprobeTarget::Function(function) => {
            Ok(PerfEventSpec { target: Some(function), config2: opts.offset, ..PerfEventSpec::default() })
        }
        KprobeTarget::Address(address) => match address.checked_add(opts.offset) {
            Some(config2) => Ok(PerfEventSpec { config2, ..PerfEventSpec::default() }),
            None => Err(Error::invalid_input("the offset is too large")),
        },
    };
    place
        .and_then(|place| attach_probe(a, "kprobe", place, opts, -1))
        .map_err(|e| match e.errno() {
            Errno::ENOENT | Errno::EADDRNOTAVAIL if !matches!(e.kind(), ErrorKind::Unsupported { .. }) => {
                e.with_hint(missing(a.kernel, target))
            }
            _ => e,
        })
        .map_err(|e| e.at(Frame::Target(frame)))
}

/// Why there may be no such function.
fn missing(kernel: &Kernel, target: KprobeTarget<'_>) -> String {
    let reason = "the function may be inlined, or in a module that is not loaded: see /proc/kallsyms";
    let KprobeTarget::Function(function) = target else {
        return "no function that can be probed is at this address: see /proc/kallsyms".into();
    };
    let symbols = Kallsyms::read(kernel).ok();
    let names = symbols.iter().flat_map(|s| s.iter()).filter(|s| matches!(s.kind, b't' | b'T' | b'w' | b'W'));
    match nearest(function, names.map(|s| s.name)) {
        Some(near) if near != function => format!("did you mean `{near}`? {reason}"),
        _ => reason.into(),
    }
}

/// Opens a perf event of the unit for kprobes or uprobes, or one that is defined in tracefs, and attaches to it. `place` has
/// the function or file, and the offset as `config2`.
pub(super) fn attach_probe(
    a: &Attach<'_>,
    unit: &'static str,
    place: PerfEventSpec<'_>,
    opts: KprobeOpts,
    pid: i32,
) -> Result<Link> {
    if opts.is_return && opts.offset != 0 && unit == "kprobe" {
        return Err(Error::invalid_input("a return probe has no offset"));
    }
    let kind = match number_fact(a.kernel, Fact::PmuType(unit)) {
        Ok(kind) => Some(u32::try_from(kind).map_err(|_| Error::kernel(Errno::EOVERFLOW))?),
        // Before Linux 4.17 there are only probes by text written to tracefs.
        Err(e) if e.errno() == Errno::ENOENT => None,
        Err(e) => return Err(e),
    };
    if opts.mode == ProbeMode::Link && kind.is_some() && !a.features.has(Feature::PerfLink) {
        return Err(Error::unsupported("links on perf events", "5.15"));
    }
    let (cookie, dont_enable) = (opts.cookie, false);
    let Some(kind) = kind.filter(|_| opts.mode != ProbeMode::Legacy) else {
        if matches!(opts.mode, ProbeMode::Perf | ProbeMode::Link) {
            let feature =
                if unit == "kprobe" { "perf events for kprobes" } else { "perf events for uprobes" };
            return Err(Error::unsupported(feature, "4.17"));
        }
        let place = legacy_place(unit, &place)?;
        let (event, probe) = ProbeEvent::open(a.kernel, unit, opts.is_return, &place, pid)?;
        let force_ioctl_attach = opts.mode == ProbeMode::Legacy;
        let attached = perf::attach(a, event, PerfEventOpts { cookie, force_ioctl_attach, dont_enable });
        return match attached {
            Ok(link) => Ok(link.with_probe(probe)),
            Err(e) => {
                if let Err(left) = probe.remove(a.kernel) {
                    log::warn!("a probe that could not be attached to stays defined: {left}");
                }
                Err(e)
            }
        };
    };
    let mut spec = place;
    spec.kind = kind;
    if opts.is_return {
        let bit = number_fact(a.kernel, Fact::PmuRetprobeBit(unit))?;
        spec.config |= 1u64.checked_shl(u32::try_from(bit).unwrap_or(u32::MAX)).unwrap_or(0);
    }
    let cpu = if pid == -1 { 0 } else { -1 };
    let event = perf::open(a.kernel, spec, pid, cpu)?;
    let force_ioctl_attach = opts.mode == ProbeMode::Perf;
    perf::attach(a, event, PerfEventOpts { cookie, force_ioctl_attach, dont_enable })
}

/// A place as tracefs wants it.
fn legacy_place(unit: &str, place: &PerfEventSpec<'_>) -> Result<String> {
    let Some(target) = place.target else {
        return Err(Error::unsupported("kprobes at addresses", "4.17"));
    };
    if place.config >> UPROBE_REF_CTR_OFFSET_SHIFT != 0 {
        return Err(Error::unsupported("counters of uprobes", "4.20")
            .with_hint("probes that are defined in tracefs have none"));
    }
    if target.contains(char::is_whitespace) {
        return Err(Error::invalid_input("a name with blanks can't be written to tracefs"));
    }
    let separator = if unit == "kprobe" { '+' } else { ':' };
    Ok(format!("{target}{separator}{:#x}", place.config2))
}

/// Attaches to the function behind a system call: `openat` is `__x64_sys_openat` where system calls have
/// wrappers that take their arguments from saved registers, and `__se_sys_openat` elsewhere.
pub(super) fn attach_syscall(a: &Attach<'_>, syscall: &str, opts: KsyscallOpts) -> Result<Link> {
    a.expect_type("attach_ksyscall", &[ProgType::KPROBE])?;
    let prefix = SYSCALL_PREFIX.filter(|_| a.features.has(Feature::SyscallWrapper));
    let function = match prefix {
        Some(prefix) => format!("__{prefix}_sys_{syscall}"),
        None => format!("__se_sys_{syscall}"),
    };
    let KsyscallOpts { is_return, cookie } = opts;
    attach(a, &function, KprobeOpts { is_return, cookie, ..KprobeOpts::default() })
        .map_err(|e| e.at(Frame::Target(format!("system call `{syscall}`"))))
}

/// What the names of system call wrappers begin with on this machine, `None` where it has none.
pub(crate) const SYSCALL_PREFIX: Option<&str> = if cfg!(target_arch = "x86_64") {
    Some("x64")
} else if cfg!(target_arch = "x86") {
    Some("ia32")
} else if cfg!(target_arch = "s390x") {
    Some("s390x")
} else if cfg!(target_arch = "arm") {
    Some("arm")
} else if cfg!(target_arch = "aarch64") {
    Some("arm64")
} else if cfg!(any(target_arch = "riscv32", target_arch = "riscv64")) {
    Some("riscv")
} else if cfg!(any(target_arch = "powerpc", target_arch = "powerpc64")) {
    Some("powerpc")
} else if cfg!(any(target_arch = "mips", target_arch = "mips64")) {
    Some("mips")
} else {
    None
};

/// Attaches to all functions whose name matches a pattern.
pub(super) fn attach_multi(a: &Attach<'_>, pattern: &str, opts: KprobeMultiOpts<'_>) -> Result<Link> {
    if !opts.cookies.is_empty() {
        return Err(Error::invalid_input("a pattern takes no cookies: which function would get which?"));
    }
    let target = || Frame::Target(format!("functions `{pattern}`"));
    if !pattern.contains(['*', '?']) && !opts.unique_match {
        // The kernel says ESRCH of a name that it does not have.
        let missing = |e: Error| if e.errno() == Errno::ESRCH { no_match() } else { e };
        return attach_multi_at(a, Probes::Syms(&[pattern]), opts).map_err(|e| missing(e).at(target()));
    }
    let addresses = matching_functions(a.kernel, pattern).map_err(|e| e.at(target()))?;
    if opts.unique_match && addresses.len() != 1 {
        let message = format!("{} functions match, where one is asked for", addresses.len());
        return Err(Error::invalid_input(message).at(target()));
    }
    attach_multi_at(a, Probes::Addrs(&addresses), opts).map_err(|e| e.at(target()))
}

/// Attaches to functions by name or address.
pub(super) fn attach_multi_at(a: &Attach<'_>, probes: Probes<'_>, opts: KprobeMultiOpts<'_>) -> Result<Link> {
    a.expect_type("attach_kprobe_multi", &[ProgType::KPROBE])?;
    let count = match probes {
        Probes::Syms(names) => names.len(),
        Probes::Addrs(addresses) => addresses.len(),
    };
    if count == 0 {
        return Err(Error::invalid_input("no functions to attach to"));
    }
    if !opts.cookies.is_empty() && opts.cookies.len() != count {
        let message = format!("{} cookies for {count} functions", opts.cookies.len());
        return Err(Error::invalid_input(message));
    }
    if opts.is_return && opts.is_session {
        return Err(Error::invalid_input("a session is at entry and return, is_return is for returns alone"));
    }
    let (attach_type, feature, since) = if opts.is_session {
        (AttachType::TRACE_KPROBE_SESSION, "kprobe sessions", "6.10")
    } else {
        (AttachType::TRACE_KPROBE_MULTI, "kprobe multi links", "5.18")
    };
    expect_loaded_for(a, attach_type)?;
    let flags = if opts.is_return { KprobeMultiFlags::RETURN.bits() } else { 0 };
    let kind = LinkKind::KprobeMulti { flags, probes, cookies: opts.cookies };
    // A kernel that knows these links looks for the function.
    let no_function =
        LinkKind::KprobeMulti { flags: 0, probes: Probes::Syms(&["no such function"]), cookies: &[] };
    let is_known = || a.link_refusal(attach_type, no_function) != Some(Errno::EINVAL);
    a.link_as(attach_type, Target::None, 0, kind)
        .map_err(|e| unsupported_if_refused(e, feature, since, is_known))
}

/// The kernel refuses a multi link of a program that was loaded for something else, with an error that says nothing.
pub(super) fn expect_loaded_for(a: &Attach<'_>, attach_type: AttachType) -> Result<()> {
    if a.attach_type == attach_type {
        return Ok(());
    }
    let message =
        format!("the program has to be loaded for {attach_type}, and it was loaded for {}", a.attach_type);
    Err(Error::invalid_input(message))
}

/// Says what a kernel lacks that refuses a multi link: one that is built without what it needs answers `EOPNOTSUPP`, and one
/// that does not know it `EINVAL`, as of a wrong request. `is_known` finds out which of those it was.
pub(super) fn unsupported_if_refused(
    error: Error,
    feature: &'static str,
    since: &'static str,
    is_known: impl FnOnce() -> bool,
) -> Error {
    match error.errno() {
        Errno::EOPNOTSUPP => {}
        Errno::EINVAL if !is_known() => {}
        _ => return error,
    }
    let message =
        format!("the kernel does not support {feature} (Linux {since}, and has to be built with them)");
    error.with_kind(ErrorKind::Unsupported { feature, since }).with_message(message)
}

fn no_match() -> Error {
    Error::not_found("no function that can be probed has this name")
}

/// Addresses of the functions that can be probed and match.
fn matching_functions(kernel: &Kernel, pattern: &str) -> Result<Vec<u64>> {
    let addresses = match kernel.fact(Fact::AvailableFunctionAddrs) {
        Ok(available) => lines(&available).filter_map(|line| function_address(line, pattern)).collect(),
        Err(Errno::ENOENT) => addresses_by_name(kernel, pattern)?,
        Err(e) => return Err(unreadable(e)),
    };
    match addresses.first() {
        None => Err(no_match()),
        Some(0) => {
            let message = "the kernel hides the addresses of its functions (kernel.kptr_restrict)";
            Err(Error::kernel(Errno::EPERM).with_message(message))
        }
        Some(_) => Ok(addresses),
    }
}

/// The address in a line of functions with addresses, if its name matches.
fn function_address(line: &str, pattern: &str) -> Option<u64> {
    let mut words = line.split_ascii_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    glob_match(words.next()?, pattern).then_some(address)
}

/// Before Linux 6.5 the functions that can be probed are listed without addresses, which kallsyms has. Of
/// functions that share a name all are taken.
fn addresses_by_name(kernel: &Kernel, pattern: &str) -> Result<Vec<u64>> {
    let available = kernel.fact(Fact::AvailableFunctions).map_err(unreadable)?;
    let names = lines(&available).filter_map(|line| line.split_ascii_whitespace().next());
    let mut names: Vec<&str> = names.filter(|name| glob_match(name, pattern)).collect();
    if names.is_empty() {
        return Err(no_match());
    }
    names.sort_unstable();
    let symbols = Kallsyms::read(kernel).map_err(Error::kernel)?;
    let has = |name: &str| names.binary_search(&name).is_ok();
    // Some kernels list the name without the suffix that a link-time optimiser added.
    let is_available =
        |name: &str| has(name) || name.split_once(".llvm.").is_some_and(|(plain, _)| has(plain));
    let matching = symbols.iter().filter(|s| glob_match(s.name, pattern) && is_available(s.name));
    Ok(matching.map(|s| s.address).collect())
}

fn lines(text: &[u8]) -> impl Iterator<Item = &str> {
    text.split(|b| *b == b'\n').filter_map(|line| core::str::from_utf8(line).ok())
}

fn unreadable(errno: Errno) -> Error {
    match errno {
        Errno::ENOENT => Error::unsupported("a list of functions that can be probed (tracefs, ftrace)", ""),
        e => Error::kernel(e).at(Frame::Step("read the list of functions that can be probed:")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_functions_have_address_name_and_maybe_a_module() {
        let address = |line, pattern| function_address(line, pattern);
        assert_eq!(
            address("ffffffff810e9894 __do_sys_getppid", "__do_sys_getp*"),
            Some(0xffff_ffff_810e_9894)
        );
        assert_eq!(address("ffffffffc0001000 veth_open [veth]", "veth_*"), Some(0xffff_ffff_c000_1000));
        assert_eq!(address("ffffffff810e9894 vfs_read", "veth_*"), None);
        assert_eq!(address("", "*"), None);
        assert_eq!(address("zz vfs_read", "*"), None);
    }
}
