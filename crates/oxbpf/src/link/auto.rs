//! Attaching a program as its section name says.

use std::path::Path;

use oxbpf_object::{AttachKind, ProgramSpec};
use oxbpf_uapi::{AttachType, Errno, ProgType};

use super::attach::Attach;
use super::{
    IterOpts, KprobeMultiOpts, KprobeOpts, KsyscallOpts, Link, RawTracepointOpts, TraceOpts, TracepointOpts,
    TracingMultiOpts, UprobeMultiOpts, UprobeOpts, UprobeTarget, kprobe, section, tracepoint, tracing,
    tracing_multi, uprobe,
};
use crate::error::{Error, Result};

/// Attaches a program as its section says. `usdt` attaches to a statically defined probe of a file, and `is_for_module` says
/// that the program was loaded for functions of a module.
pub(super) fn attach(
    a: &Attach<'_>,
    spec: &ProgramSpec,
    usdt: impl FnOnce(&Path, (&str, &str)) -> Result<Link>,
    is_for_module: bool,
) -> Result<Link> {
    let extra = spec.extra.as_deref().filter(|e| !e.is_empty());
    // `kretprobe`, `kretprobe.multi`, `kretsyscall`, `uretprobe.multi.s`.
    let is_return = spec.sec_name.starts_with("kret") || spec.sec_name.starts_with("uret");
    let named = || extra.ok_or_else(|| names_nothing(spec));
    match spec.attach {
        AttachKind::Explicit => Err(needs_a_target(spec)),
        AttachKind::Kprobe => {
            let (function, offset) = section::kprobe(named()?, is_return)?;
            kprobe::attach(a, function, KprobeOpts { is_return, offset, ..KprobeOpts::default() })
        }
        AttachKind::KprobeMulti | AttachKind::KprobeSession => {
            let is_session = spec.attach == AttachKind::KprobeSession;
            let opts = KprobeMultiOpts { is_return, is_session, ..KprobeMultiOpts::default() };
            kprobe::attach_multi(a, section::pattern(named()?)?, opts)
        }
        AttachKind::Uprobe => {
            let (file, function, offset) = section::uprobe(named()?, is_return)?;
            let opts = UprobeOpts { is_return, offset, ..UprobeOpts::default() };
            uprobe::attach(a, Path::new(file), UprobeTarget::Function(function), opts)
        }
        AttachKind::UprobeMulti => {
            let (file, pattern) = section::file_and_name(named()?)?;
            let is_session = spec.sec_name.starts_with("uprobe.session");
            let opts = UprobeMultiOpts { is_return, is_session, ..UprobeMultiOpts::default() };
            uprobe::attach_multi(a, Path::new(file), pattern, opts)
        }
        AttachKind::Ksyscall => {
            kprobe::attach_syscall(a, named()?, KsyscallOpts { is_return, ..KsyscallOpts::default() })
        }
        AttachKind::Tracepoint => {
            let (category, name) = section::tracepoint(named()?)?;
            tracepoint::attach(a, category, name, TracepointOpts::default())
        }
        AttachKind::RawTracepoint => tracepoint::attach_raw(a, named()?, RawTracepointOpts::default()),
        AttachKind::Trace | AttachKind::Lsm => tracing::attach(a, TraceOpts::default()),
        AttachKind::Iter => tracing::attach_iter(a, IterOpts::default()),
        AttachKind::Usdt => {
            let (file, probe) = section::usdt(named()?)?;
            usdt(Path::new(file), probe)
        }
        AttachKind::TracingMulti => {
            let pattern = section::module_pattern(named()?)?;
            tracing_multi::attach(a, is_for_module, pattern.into(), TracingMultiOpts::default())
        }
    }
}

/// The section could say what to attach to, and does not.
fn names_nothing(spec: &ProgramSpec) -> Error {
    let (form, method) = match spec.attach {
        AttachKind::Kprobe => ("FUNCTION[+OFFSET]", "attach_kprobe(function, opts)"),
        AttachKind::KprobeMulti | AttachKind::KprobeSession => {
            ("PATTERN", "attach_kprobe_multi(pattern, opts)")
        }
        AttachKind::Uprobe => ("FILE:FUNCTION[+OFFSET]", "attach_uprobe(file, function, opts)"),
        AttachKind::UprobeMulti => ("FILE:PATTERN", "attach_uprobe_multi(file, pattern, opts)"),
        AttachKind::Ksyscall => ("SYSCALL", "attach_ksyscall(name, opts)"),
        AttachKind::Tracepoint => ("GROUP/EVENT", "attach_tracepoint(group, event, opts)"),
        AttachKind::RawTracepoint => ("EVENT", "attach_raw_tracepoint(event, opts)"),
        AttachKind::Usdt => ("FILE:PROVIDER:NAME", "attach_usdt(file, provider, name, opts)"),
        AttachKind::TracingMulti => ("[MODULE:]PATTERN", "attach_tracing_multi(target, opts)"),
        _ => ("TARGET", "the attach method of its type"),
    };
    Error::invalid_input(format!("SEC(\"{}\") does not say what to attach to", spec.sec_name))
        .with_errno(Errno::EOPNOTSUPP)
        .with_hint(format!("write SEC(\"{}/{form}\"), or call {method}", spec.sec_name))
}

/// What gives programs of each type their target: a method, and an option of `oxbpf run` if there is one.
const TARGETS: &[(ProgType, &str, &str)] = &[
    (ProgType::XDP, "attach_xdp(ifindex, opts)", "--iface NAME"),
    (ProgType::SCHED_CLS, "attach_tcx(ifindex, order) or attach_tc(hook, opts)", "--iface NAME"),
    (ProgType::SCHED_ACT, "attach_tc(hook, opts)", "--iface NAME"),
    (ProgType::PERF_EVENT, "attach_perf_event(event, opts)", ""),
    (ProgType::CGROUP_SKB, "attach_cgroup(path, order)", "--cgroup PATH"),
    (ProgType::CGROUP_SOCK, "attach_cgroup(path, order)", "--cgroup PATH"),
    (ProgType::CGROUP_SOCK_ADDR, "attach_cgroup(path, order)", "--cgroup PATH"),
    (ProgType::CGROUP_SOCKOPT, "attach_cgroup(path, order)", "--cgroup PATH"),
    (ProgType::CGROUP_SYSCTL, "attach_cgroup(path, order)", "--cgroup PATH"),
    (ProgType::CGROUP_DEVICE, "attach_cgroup(path, order)", "--cgroup PATH"),
    (ProgType::SOCK_OPS, "attach_cgroup(path, order)", "--cgroup PATH"),
    (ProgType::LSM, "attach_cgroup(path, order)", "--cgroup PATH"),
    (ProgType::SOCKET_FILTER, "give its descriptor to a socket: SO_ATTACH_BPF", ""),
    (ProgType::SK_SKB, "attach_sockmap(map)", ""),
    (ProgType::SK_MSG, "attach_sockmap(map)", ""),
    (ProgType::FLOW_DISSECTOR, "attach_netns(path)", ""),
    (ProgType::SK_LOOKUP, "attach_netns(path)", ""),
    (ProgType::NETFILTER, "attach_netfilter(opts)", ""),
    (ProgType::EXT, "attach_freplace(target)", ""),
];

/// The section can't say what to attach to.
fn needs_a_target(spec: &ProgramSpec) -> Error {
    let section = &spec.sec_name;
    let error =
        Error::invalid_input(format!("SEC(\"{section}\") does not attach by itself: it needs a target"))
            .with_errno(Errno::EOPNOTSUPP);
    let is_netkit = matches!(spec.expected_attach_type, AttachType::NETKIT_PRIMARY | AttachType::NETKIT_PEER);
    if is_netkit {
        return error.with_hint("attach_netkit(ifindex, order)");
    }
    if matches!(spec.expected_attach_type, AttachType::XDP_DEVMAP | AttachType::XDP_CPUMAP) {
        return error.with_hint("put the program's descriptor into the map's entries");
    }
    match TARGETS.iter().find(|row| row.0 == spec.prog_type) {
        Some((_, method, "")) => error.with_hint(*method),
        Some((_, method, option)) => error.with_hint(format!("{method}; `oxbpf run` takes {option}")),
        None if spec.prog_type == ProgType::SYSCALL => error.with_hint("it is run, not attached: test_run"),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::object::ObjectBuilder;

    /// The only program of an example, as its file says.
    fn spec(file: &str) -> ProgramSpec {
        let path = format!("{}/../../examples/{file}", env!("CARGO_MANIFEST_DIR"));
        let object = ObjectBuilder::new().open_file(path).expect("opens");
        object.spec().programs.first().expect("a program").clone()
    }

    #[test]
    fn a_section_that_needs_a_target_says_which_method_and_option_give_it() {
        let check = |file: &str, section: &str, hint: &str| {
            let spec = spec(file);
            assert_eq!(spec.attach, AttachKind::Explicit, "{file}");
            let error = needs_a_target(&spec);
            assert_eq!((error.kind(), error.errno()), (ErrorKind::InvalidInput, Errno::EOPNOTSUPP));
            let message = format!("SEC(\"{section}\") does not attach by itself: it needs a target");
            assert_eq!(error.to_string(), message);
            assert_eq!(error.hint(), hint, "{file}");
        };
        check("xdpcount.bpf.o", "xdp", "attach_xdp(ifindex, opts); `oxbpf run` takes --iface NAME");
        check("profile.bpf.o", "perf_event", "attach_perf_event(event, opts)");
    }

    #[test]
    fn a_section_that_could_name_its_target_says_how() {
        let mut spec = spec("xdpcount.bpf.o");
        for (section, attach, form) in [
            ("kprobe", AttachKind::Kprobe, "SEC(\"kprobe/FUNCTION[+OFFSET]\"), or call attach_kprobe("),
            (
                "uretprobe.s",
                AttachKind::Uprobe,
                "SEC(\"uretprobe.s/FILE:FUNCTION[+OFFSET]\"), or call attach_uprobe(",
            ),
            ("tp", AttachKind::Tracepoint, "SEC(\"tp/GROUP/EVENT\"), or call attach_tracepoint("),
        ] {
            (spec.sec_name, spec.attach) = (section.into(), attach);
            let error = names_nothing(&spec);
            assert_eq!(error.errno(), Errno::EOPNOTSUPP);
            assert!(error.hint().starts_with(&format!("write {form}")), "{}", error.hint());
        }
    }

    #[test]
    fn every_program_type_of_the_table_is_there_once() {
        let mut types: Vec<u32> = TARGETS.iter().map(|row| row.0.0).collect();
        types.sort_unstable();
        types.dedup();
        assert_eq!(types.len(), TARGETS.len());
    }
}
