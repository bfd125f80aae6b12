//! How the system is configured for BPF: settings under `/proc/sys`, and options that the kernel was built with.

use std::fs;

use oxbpf::Kernel;
use oxbpf_kernel::Fact;

use super::probe::Page;

/// A setting: its file, its name in JSON, and what its values mean.
struct Setting {
    path: &'static str,
    name: &'static str,
    values: &'static [&'static str],
    /// For a value that is not in the list; `{}` is the value.
    other: &'static str,
    /// If there is no such file.
    absent: &'static str,
}

const SETTINGS: &[Setting] = &[
    Setting {
        path: "/proc/sys/kernel/unprivileged_bpf_disabled",
        name: "unprivileged_bpf_disabled",
        values: &[
            "bpf() syscall for unprivileged users is enabled",
            "bpf() syscall restricted to privileged users (without recovery)",
            "bpf() syscall restricted to privileged users (admin can change)",
        ],
        other: "bpf() syscall restriction has unknown value {}",
        absent: "Unable to retrieve required privileges for bpf() syscall",
    },
    Setting {
        path: "/proc/sys/net/core/bpf_jit_enable",
        name: "bpf_jit_enable",
        values: &[
            "JIT compiler is disabled",
            "JIT compiler is enabled",
            "JIT compiler is enabled with debugging traces in kernel logs",
        ],
        other: "JIT-compiler status has unknown value {}",
        absent: "Unable to retrieve JIT-compiler status",
    },
    Setting {
        path: "/proc/sys/net/core/bpf_jit_harden",
        name: "bpf_jit_harden",
        values: &[
            "JIT compiler hardening is disabled",
            "JIT compiler hardening is enabled for unprivileged users",
            "JIT compiler hardening is enabled for all users",
        ],
        other: "JIT hardening status has unknown value {}",
        absent: "Unable to retrieve JIT hardening status",
    },
    Setting {
        path: "/proc/sys/net/core/bpf_jit_kallsyms",
        name: "bpf_jit_kallsyms",
        values: &[
            "JIT compiler kallsyms exports are disabled",
            "JIT compiler kallsyms exports are enabled for root",
        ],
        other: "JIT kallsyms exports status has unknown value {}",
        absent: "Unable to retrieve JIT kallsyms export status",
    },
    Setting {
        path: "/proc/sys/net/core/bpf_jit_limit",
        name: "bpf_jit_limit",
        values: &[],
        other: "Global memory limit for JIT compiler for unprivileged users is {} bytes",
        absent: "Unable to retrieve global memory limit for JIT compiler for unprivileged users",
    },
];

impl Setting {
    /// `None` if the file is not there, not to be read, or no number.
    fn read(&self) -> Option<i64> {
        fs::read_to_string(self.path).ok()?.trim_end().parse().ok()
    }

    fn text(&self, value: Option<i64>) -> String {
        let Some(value) = value else { return self.absent.to_owned() };
        let known = usize::try_from(value).ok().and_then(|i| self.values.get(i));
        known.map_or_else(|| self.other.replace("{}", &value.to_string()), |text| (*text).to_owned())
    }
}

/// Options of the kernel that decide what BPF can do.
const OPTIONS: &[&str] = &[
    "CONFIG_BPF",
    "CONFIG_BPF_SYSCALL",
    "CONFIG_HAVE_EBPF_JIT",
    "CONFIG_BPF_JIT",
    "CONFIG_BPF_JIT_ALWAYS_ON",
    "CONFIG_DEBUG_INFO_BTF",
    "CONFIG_DEBUG_INFO_BTF_MODULES",
    "CONFIG_CGROUPS",
    "CONFIG_CGROUP_BPF",
    "CONFIG_CGROUP_NET_CLASSID",
    "CONFIG_SOCK_CGROUP_DATA",
    "CONFIG_BPF_EVENTS",
    "CONFIG_KPROBE_EVENTS",
    "CONFIG_UPROBE_EVENTS",
    "CONFIG_TRACING",
    "CONFIG_FTRACE_SYSCALLS",
    "CONFIG_FUNCTION_ERROR_INJECTION",
    "CONFIG_BPF_KPROBE_OVERRIDE",
    "CONFIG_NET",
    "CONFIG_XDP_SOCKETS",
    "CONFIG_LWTUNNEL_BPF",
    "CONFIG_NET_ACT_BPF",
    "CONFIG_NET_CLS_BPF",
    "CONFIG_NET_CLS_ACT",
    "CONFIG_NET_SCH_INGRESS",
    "CONFIG_XFRM",
    "CONFIG_IP_ROUTE_CLASSID",
    "CONFIG_IPV6_SEG6_BPF",
    "CONFIG_BPF_LIRC_MODE2",
    "CONFIG_BPF_STREAM_PARSER",
    "CONFIG_NETFILTER_XT_MATCH_BPF",
    "CONFIG_TEST_BPF",
    HZ,
];

/// The one option that programs compute with, and so the only one among the macros.
const HZ: &str = "CONFIG_HZ";

/// The second line of every configuration that a kernel's build writes.
const MARK: &str = "# Automatically generated file; DO NOT EDIT.";

pub(super) fn show(page: &mut Page<'_>, kernel: &Kernel) {
    page.section("system_config", "system configuration", "Misc kernel config items", |page| {
        if page.macros.is_none() {
            for setting in SETTINGS {
                let value = setting.read();
                if page.out.is_json() {
                    page.out.field(setting.name, value.unwrap_or(-1));
                } else {
                    writeln!(page.out, "{}", setting.text(value));
                }
            }
        }
        match kernel.fact(Fact::KernelConfig) {
            Ok(text) => show_options(page, &String::from_utf8_lossy(&text)),
            Err(e) => log::warn!("skipping kernel config, can't open file: {e}"),
        }
    });
}

fn show_options(page: &mut Page<'_>, text: &str) {
    if text.lines().nth(1) != Some(MARK) {
        log::warn!("skipping kernel config, can't find correct file");
        return;
    }
    for option in OPTIONS.iter().filter(|o| page.macros.is_none() || **o == HZ) {
        let mut settings = text.lines().filter_map(|l| l.split_once('='));
        let value =
            settings.find(|(name, value)| name == option && !value.is_empty()).map(|(_, value)| value);
        let out = &mut *page.out;
        match (value, page.macros) {
            (Some(value), _) if out.is_json() => out.string_field(option, value),
            (None, _) if out.is_json() => out.name(option).null(),
            (Some(value), Some(prefix)) => writeln!(out, "#define {prefix}{option} {value}"),
            (None, Some(prefix)) => writeln!(out, "/* {prefix}{option} is not set */"),
            (Some(value), None) => writeln!(out, "{option} is set to {value}"),
            (None, None) => writeln!(out, "{option} is not set"),
        }
    }
}
