//! `feature probe`: what the kernel or a device can do, as text, JSON or C macros.

use anyhow::{Context, Result, bail};
use oxbpf::link::interface_index;
use oxbpf::{DeviceFeatures, Feature, Features, Kernel};
use oxbpf_uapi::{HelperId, MapType, ProgType};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use super::system;
use crate::tool::{Args, Out, Tool};

/// What is asked, and how the answer is shown.
#[derive(Clone, Copy, Debug, Default)]
struct Request<'a> {
    component: Option<Component>,
    /// Also ask for what leaves traces in the kernel's log.
    is_full: bool,
    /// As `#define`s whose names begin with this.
    macros: Option<&'a str>,
    is_unprivileged: bool,
}

#[derive(Clone, Copy, Debug)]
enum Component {
    Kernel,
    Device(u32),
}

pub(super) fn run(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let kernel = tool.kernel();
    let request = read(&kernel, args)?;
    let rights = Rights::take(request.is_unprivileged)?;
    let target = match request.component {
        Some(Component::Device(ifindex)) => Target::Device(DeviceFeatures::of(&kernel, ifindex)),
        // Answers that others got with other rights do not count.
        _ => Target::Kernel(Features::apart(&kernel)),
    };
    // JSON goes before macros.
    let macros = request.macros.filter(|_| !tool.out.is_json());
    let mut page = Page { out: &mut tool.out, macros };
    page.out.open_object();
    if let Target::Kernel(_) = target {
        system::show(&mut page, &kernel);
    }
    if show_syscall(&mut page, &kernel) {
        show_types(&mut page, &target, request.is_full);
    }
    page.out.close_object();
    rights.restore()
}

fn read<'a>(kernel: &Kernel, args: &mut Args<'a>) -> Result<Request<'a>> {
    let mut request = Request::default();
    let mut has_prefix = false;
    while !args.is_empty() {
        let is_component = args.is_next("kernel") || args.is_next("dev");
        if is_component && request.component.is_some() {
            bail!("component to probe already specified");
        }
        match args.one_of(&["kernel", "dev", "full", "macros", "prefix", "unprivileged"])? {
            "kernel" => request.component = Some(Component::Kernel),
            "dev" => {
                let name = args.text("NAME")?;
                let index = interface_index(kernel, name);
                let index = index.with_context(|| format!("unrecognized netdevice '{name}'"))?;
                request.component = Some(Component::Device(index));
            }
            "full" => request.is_full = true,
            "macros" => request.macros = Some(request.macros.unwrap_or_default()),
            "prefix" if request.macros.is_none() => bail!("'prefix' is only used after 'macros'"),
            "prefix" if has_prefix => bail!("'prefix' already defined"),
            "prefix" => {
                request.macros = Some(args.text("PREFIX")?);
                has_prefix = true;
            }
            _ => request.is_unprivileged = true,
        }
    }
    Ok(request)
}

/// The rights that a kernel asks for before it answers everything.
const RIGHTS: [(CapabilitySet, &str); 4] = [
    (CapabilitySet::SYS_ADMIN, "CAP_SYS_ADMIN"),
    (CapabilitySet::BPF, "CAP_BPF"),
    (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
    (CapabilitySet::PERFMON, "CAP_PERFMON"),
];

/// Rights that were given up to see what is left without them.
struct Rights {
    given_up: CapabilitySet,
}

impl Rights {
    fn take(is_unprivileged: bool) -> Result<Self> {
        let mut sets = capabilities(None).context("failed to get capabilities for process")?;
        let held: CapabilitySet = RIGHTS.iter().map(|r| r.0).collect::<CapabilitySet>() & sets.effective;
        if !is_unprivileged {
            let missing: Vec<_> = RIGHTS.iter().filter(|r| !held.contains(r.0)).map(|r| r.1).collect();
            if !missing.is_empty() {
                bail!(
                    "missing {}, required for full feature probing; run as root or use 'unprivileged'",
                    missing.join(", ")
                );
            }
            return Ok(Self { given_up: CapabilitySet::empty() });
        }
        sets.effective.remove(held);
        set_capabilities(None, sets).context("failed to drop capabilities")?;
        Ok(Self { given_up: held })
    }

    /// The next command of a batch has them again.
    fn restore(self) -> Result<()> {
        let mut sets = capabilities(None).context("failed to get capabilities for process")?;
        sets.effective.insert(self.given_up);
        set_capabilities(None, sets).context("failed to restore capabilities")
    }
}

enum Target {
    Kernel(Features),
    Device(DeviceFeatures),
}

/// Program types that can run on a device.
const DEVICE_PROGS: [ProgType; 2] = [ProgType::SCHED_CLS, ProgType::XDP];
/// Map types that a device can have.
const DEVICE_MAPS: [MapType; 2] = [MapType::HASH, MapType::ARRAY];

// What could not be found out, for lack of rights or otherwise, counts as missing.
impl Target {
    fn prog_types(&self) -> impl Iterator<Item = (ProgType, &'static str)> {
        let all = ProgType::ALL.iter().filter(|t| **t != ProgType::UNSPEC);
        let wanted = all.filter(move |t| matches!(self, Self::Kernel(_)) || DEVICE_PROGS.contains(t));
        wanted.filter_map(|t| Some((*t, t.short_name()?)))
    }

    fn map_types(&self) -> impl Iterator<Item = (MapType, &'static str)> {
        let all = MapType::ALL.iter().filter(|t| **t != MapType::UNSPEC);
        let wanted = all.filter(move |t| matches!(self, Self::Kernel(_)) || DEVICE_MAPS.contains(t));
        wanted.filter_map(|t| Some((*t, t.short_name()?)))
    }

    fn has_prog_type(&self, t: ProgType) -> bool {
        match self {
            Self::Kernel(features) => features.has_prog_type(t),
            Self::Device(features) => features.has_prog_type(t),
        }
        .unwrap_or(false)
    }

    fn has_map_type(&self, t: MapType) -> bool {
        match self {
            Self::Kernel(features) => features.has_map_type(t),
            Self::Device(features) => features.has_map_type(t),
        }
        .unwrap_or(false)
    }

    fn has_helper(&self, t: ProgType, helper: HelperId) -> bool {
        match self {
            Self::Kernel(features) => features.has_helper(t, helper),
            Self::Device(features) => features.has_helper(t, helper),
        }
        .unwrap_or(false)
    }

    fn has(&self, feature: Feature) -> bool {
        match self {
            Self::Kernel(features) => features.has(feature),
            Self::Device(features) => features.has(feature).unwrap_or(false),
        }
    }
}

/// What is shown: sections of answers, in one of three forms.
pub(super) struct Page<'a> {
    pub(super) out: &'a mut Out,
    /// The prefix of the macros, if these are wanted.
    pub(super) macros: Option<&'a str>,
}

impl Page<'_> {
    /// A group of answers: its name in JSON, in text, and in a comment.
    pub(super) fn section(&mut self, name: &str, text: &str, comment: &str, body: impl FnOnce(&mut Self)) {
        if self.out.is_json() {
            self.out.name(name).open_object();
            body(self);
            self.out.close_object();
            return;
        }
        match self.macros {
            Some(_) => writeln!(self.out, "/*** {comment} ***/"),
            None => writeln!(self.out, "Scanning {text}..."),
        }
        body(self);
        writeln!(self.out);
    }

    /// One answer: `have_NAME` in JSON, `HAVE_NAME` as a macro.
    fn answer(&mut self, name: &str, text: &str, has: bool) {
        if self.out.is_json() {
            self.out.field(&format!("have_{name}"), has);
        } else if let Some(prefix) = self.macros {
            let no = if has { "" } else { "NO_" };
            writeln!(self.out, "#define {prefix}{no}HAVE_{}", name.to_uppercase());
        } else {
            writeln!(self.out, "{text} is {}available", if has { "" } else { "NOT " });
        }
    }
}

/// Whether there is bpf(2) at all.
fn show_syscall(page: &mut Page<'_>, kernel: &Kernel) -> bool {
    let refusal = kernel.prog_load(oxbpf_kernel::ProgLoad::default()).0.err();
    let has = refusal != Some(oxbpf_uapi::Errno::ENOSYS);
    page.section("syscall_config", "system call availability", "System call availability", |page| {
        page.answer("bpf_syscall", "bpf() syscall", has);
    });
    has
}

fn show_types(page: &mut Page<'_>, target: &Target, is_full: bool) {
    let mut present = Vec::new();
    page.section("program_types", "eBPF program types", "eBPF program types", |page| {
        for (t, name) in target.prog_types() {
            let has = target.has_prog_type(t);
            page.answer(&format!("{name}_prog_type"), &format!("eBPF program_type {name}"), has);
            present.push((t, name, has));
        }
    });
    page.section("map_types", "eBPF map types", "eBPF map types", |page| {
        for (t, name) in target.map_types() {
            let has = target.has_map_type(t);
            page.answer(&format!("{name}_map_type"), &format!("eBPF map_type {name}"), has);
        }
    });
    page.section("helpers", "eBPF helper functions", "eBPF helper functions", |page| {
        if let Some(prefix) = page.macros {
            macro_intro(page.out, prefix);
        }
        for (t, name, has) in present {
            show_helpers(page, target, (t, name, has), is_full);
        }
    });
    page.section("misc", "miscellaneous eBPF features", "eBPF misc features", |page| {
        for (feature, name, text) in MISC {
            page.answer(name, text, target.has(*feature));
        }
    });
}

const MISC: &[(Feature, &str, &str)] = &[
    (Feature::LargePrograms, "large_insn_limit", "Large program size limit"),
    (Feature::BoundedLoops, "bounded_loops", "Bounded loop support"),
    (Feature::IsaV2, "v2_isa_extension", "ISA extension v2"),
    (Feature::IsaV3, "v3_isa_extension", "ISA extension v3"),
    (Feature::IsaV4, "v4_isa_extension", "ISA extension v4"),
];

/// How the macros of helpers are used; the name is built from both parts.
fn macro_intro(out: &mut Out, prefix: &str) {
    write!(
        out,
        "/*\n\
        \x20* Use {prefix}HAVE_PROG_TYPE_HELPER(prog_type_name, helper_name)\n\
        \x20* to determine if <helper_name> is available for <prog_type_name>,\n\
        \x20* e.g.\n\
        \x20*\t#if {prefix}HAVE_PROG_TYPE_HELPER(xdp, bpf_redirect)\n\
        \x20*\t\t// do stuff with this helper\n\
        \x20*\t#elif\n\
        \x20*\t\t// use a workaround\n\
        \x20*\t#endif\n\
        \x20*/\n\
        #define {prefix}HAVE_PROG_TYPE_HELPER(prog_type, helper)\t\\\n\
        \t{prefix}BPF__PROG_TYPE_ ## prog_type ## __HELPER_ ## helper\n"
    );
}

/// Helpers whose mere use the kernel writes to its log.
const NOISY: [HelperId; 3] = [HelperId::TRACE_PRINTK, HelperId::TRACE_VPRINTK, HelperId::PROBE_WRITE_USER];

fn show_helpers(page: &mut Page<'_>, target: &Target, (t, name, has): (ProgType, &str, bool), is_full: bool) {
    let is_text = !page.out.is_json() && page.macros.is_none();
    page.out.name(&format!("{name}_available_helpers")).open_array();
    if is_text {
        write!(page.out, "eBPF helpers supported for program type {name}:");
    }
    let mut has_any = false;
    let wanted = HelperId::ALL.iter().filter(|h| h.0 != 0 && (is_full || !NOISY.contains(h)));
    for (helper, called) in wanted.filter_map(|h| Some((*h, h.c_name()?))) {
        let is_there = has && target.has_helper(t, helper);
        has_any |= is_there;
        if let Some(prefix) = page.macros {
            let number = u8::from(is_there);
            writeln!(page.out, "#define {prefix}BPF__PROG_TYPE_{name}__HELPER_{called} {number}");
        } else if is_there {
            page.out.string(called);
            if is_text {
                write!(page.out, "\n\t- {called}");
            }
        }
    }
    page.out.close_array();
    if is_text {
        writeln!(page.out);
        match (has_any, has) {
            (true, _) => {}
            (false, true) => writeln!(page.out, "\tCould not determine which helpers are available"),
            (false, false) => writeln!(page.out, "\tProgram type not supported"),
        }
    }
}
