//! `cgroup`: programs of control groups.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use oxbpf::link::{AttachPoint, AttachedProgs, Order, detach_prog, query_progs};
use oxbpf_btf::{Btf, TypeId};
use oxbpf_kernel::{Anchor, Fact, Kernel, ObjectKind, Opening, ProgAttach, ProgFd, Target};
use oxbpf_uapi::flags::{AttachFlags, QueryFlags};
use oxbpf_uapi::info::{BtfInfo, ProgInfo};
use oxbpf_uapi::{AttachType, Errno};

use super::select::{info, open_id, prog_name};
use super::{Args, Noun, Out, Tool, Verb, terms};

pub(super) const NOUN: Noun = Noun {
    name: "cgroup",
    verbs: &[
        Verb { name: "show", alias: Some("list"), usage: "CGROUP [effective]", run: show },
        Verb { name: "tree", alias: None, usage: "[CGROUP_ROOT] [effective]", run: tree },
        Verb { name: "attach", alias: None, usage: "CGROUP ATTACH_TYPE PROG [ATTACH_FLAGS]...", run: attach },
        Verb { name: "detach", alias: None, usage: "CGROUP ATTACH_TYPE PROG", run: detach },
    ],
    terms: &[
        ("ATTACH_TYPE", "cgroup_inet_ingress, cgroup_sock_ops and so on, or in short: ingress, sock_ops"),
        ("ATTACH_FLAGS", "{ multi | override }"),
        terms::PROG,
    ],
};

/// Attach types of control groups, in the order in which they are shown, and the short names that commands take.
const TYPES: &[(AttachType, Option<&str>)] = &[
    (AttachType::CGROUP_INET_INGRESS, Some("ingress")),
    (AttachType::CGROUP_INET_EGRESS, Some("egress")),
    (AttachType::CGROUP_INET_SOCK_CREATE, Some("sock_create")),
    (AttachType::CGROUP_INET_SOCK_RELEASE, Some("sock_release")),
    (AttachType::CGROUP_INET4_BIND, Some("bind4")),
    (AttachType::CGROUP_INET6_BIND, Some("bind6")),
    (AttachType::CGROUP_INET4_POST_BIND, Some("post_bind4")),
    (AttachType::CGROUP_INET6_POST_BIND, Some("post_bind6")),
    (AttachType::CGROUP_INET4_CONNECT, Some("connect4")),
    (AttachType::CGROUP_INET6_CONNECT, Some("connect6")),
    (AttachType::CGROUP_UNIX_CONNECT, None),
    (AttachType::CGROUP_INET4_GETPEERNAME, Some("getpeername4")),
    (AttachType::CGROUP_INET6_GETPEERNAME, Some("getpeername6")),
    (AttachType::CGROUP_UNIX_GETPEERNAME, None),
    (AttachType::CGROUP_INET4_GETSOCKNAME, Some("getsockname4")),
    (AttachType::CGROUP_INET6_GETSOCKNAME, Some("getsockname6")),
    (AttachType::CGROUP_UNIX_GETSOCKNAME, None),
    (AttachType::CGROUP_UDP4_SENDMSG, Some("sendmsg4")),
    (AttachType::CGROUP_UDP6_SENDMSG, Some("sendmsg6")),
    (AttachType::CGROUP_UNIX_SENDMSG, None),
    (AttachType::CGROUP_UDP4_RECVMSG, Some("recvmsg4")),
    (AttachType::CGROUP_UDP6_RECVMSG, Some("recvmsg6")),
    (AttachType::CGROUP_UNIX_RECVMSG, None),
    (AttachType::CGROUP_SOCK_OPS, Some("sock_ops")),
    (AttachType::CGROUP_DEVICE, Some("device")),
    (AttachType::CGROUP_SYSCTL, Some("sysctl")),
    (AttachType::CGROUP_GETSOCKOPT, Some("getsockopt")),
    (AttachType::CGROUP_SETSOCKOPT, Some("setsockopt")),
    (AttachType::LSM_CGROUP, None),
];

/// An attach type by its whole name, or the beginning of a short one: the first by number that fits.
fn attach_type(word: &str) -> Result<AttachType> {
    if let Some(exact) = AttachType::ALL.iter().find(|t| t.short_name() == Some(word)) {
        return Ok(*exact);
    }
    let short =
        |t: &AttachType| TYPES.iter().find(|row| row.0 == *t).and_then(|row| row.1).or(t.short_name());
    let mut all: Vec<AttachType> = AttachType::ALL.to_vec();
    all.sort_unstable();
    let found = all.iter().find(|t| !word.is_empty() && short(t).is_some_and(|s| s.starts_with(word)));
    found.copied().ok_or_else(|| anyhow!("invalid attach type '{word}'"))
}

fn attach(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let path = args.path("CGROUP")?;
    let attach_type = attach_type(args.text("ATTACH_TYPE")?)?;
    let prog = ProgFd(tool.prog(args)?);
    let mut flags = AttachFlags::empty();
    while !args.is_empty() {
        flags |= match args.one_of(&["multi", "override"])? {
            "multi" => AttachFlags::ALLOW_MULTI,
            _ => AttachFlags::ALLOW_OVERRIDE,
        };
    }
    let kernel = tool.kernel();
    let cgroup = open(&kernel, path)?;
    let req = ProgAttach {
        target: Target::Object(&cgroup),
        prog: &prog,
        attach_type,
        flags: flags.bits(),
        replace: None,
        relative: Anchor::None,
        expected_revision: 0,
    };
    kernel.prog_attach(req).context("failed to attach program")?;
    tool.out.null();
    Ok(())
}

fn detach(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let path = args.path("CGROUP")?;
    let attach_type = attach_type(args.text("ATTACH_TYPE")?)?;
    let prog = ProgFd(tool.prog(args)?);
    args.end()?;
    let kernel = tool.kernel();
    detach_prog(&kernel, AttachPoint::Cgroup(path), attach_type, Some(&prog), Order::default())
        .context("failed to detach program")?;
    tool.out.null();
    Ok(())
}

fn open(kernel: &Kernel, path: &Path) -> Result<oxbpf_kernel::Handle> {
    kernel.open(Opening::Cgroup(path)).with_context(|| format!("can't open cgroup {}", path.display()))
}

fn query_flags(args: &mut Args<'_>) -> Result<QueryFlags> {
    let mut flags = QueryFlags::empty();
    while !args.is_empty() {
        let word = args.peek();
        args.one_of(&["effective"])?;
        if flags.contains(QueryFlags::EFFECTIVE) {
            bail!("duplicated argument: {word}");
        }
        flags |= QueryFlags::EFFECTIVE;
    }
    Ok(flags)
}

/// The programs of a control group, by attach type.
type Found = Vec<(AttachType, AttachedProgs)>;

/// Asks for the programs of all attach types that the kernel has.
fn ask(kernel: &Kernel, path: &Path, flags: QueryFlags) -> Result<Found> {
    open(kernel, path)?;
    let mut found = Found::new();
    for (attach_type, _) in TYPES {
        match query_progs(kernel, AttachPoint::Cgroup(path), *attach_type, flags) {
            Ok(progs) if progs.progs.is_empty() => {}
            Ok(progs) => found.push((*attach_type, progs)),
            Err(e) if e.errno() == Errno::EINVAL => {}
            Err(e) => {
                return Err(e)
                    .with_context(|| format!("can't query bpf programs attached to {}", path.display()));
            }
        }
    }
    Ok(found)
}

/// The kernel's types, to name LSM hooks with.
struct Hooks {
    btf: Option<Btf>,
    /// Id of the kernel's own BTF object, once a program named it.
    id: u32,
}

impl Hooks {
    fn new(kernel: &Kernel) -> Self {
        let btf = kernel.fact(Fact::VmlinuxBtf).ok().and_then(|b| Btf::parse(b.to_vec()).ok());
        Self { btf, id: 0 }
    }

    /// The name of what a program was loaded for, "" for a program that was not loaded for a function of the kernel.
    fn name(&mut self, kernel: &Kernel, prog: &ProgInfo) -> Option<String> {
        let btf = self.btf.as_ref()?;
        if self.id == 0 && prog.attach_btf_obj_id != 0 {
            let object = open_id(kernel, ObjectKind::Btf, prog.attach_btf_obj_id).ok()??;
            let found = info::<BtfInfo>(kernel, &object).ok()?;
            self.id = if found.kernel_btf != 0 { found.id } else { 0 };
        }
        let is_known = prog.attach_btf_obj_id == self.id;
        is_known.then(|| btf.get(TypeId(prog.attach_btf_id)).map(|t| t.name().to_owned()).unwrap_or_default())
    }
}

fn heading(out: &mut Out, flags: QueryFlags) {
    let columns: &[&str] = if flags.contains(QueryFlags::EFFECTIVE) {
        &["AttachType", "Name"]
    } else {
        &["AttachType", "AttachFlags", "Name"]
    };
    write!(out, "{:<8}", "ID");
    columns.iter().for_each(|column| write!(out, " {column:<15}"));
    writeln!(out);
}

fn show(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let path = args.path("CGROUP")?;
    let flags = query_flags(args)?;
    let kernel = tool.kernel();
    let found = ask(&kernel, path, flags)?;
    if found.is_empty() {
        return Ok(());
    }
    let out = &mut tool.out;
    if !out.is_json() {
        heading(out, flags);
    }
    let mut hooks = Hooks::new(&kernel);
    out.array(|out| show_all(&kernel, out, &found, flags, "", &mut hooks));
    Ok(())
}

/// Where the file system of control groups is mounted.
fn root() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").context("/proc/mounts")?;
    let mut lines = mounts.lines().map(|l| l.split(' ').collect::<Vec<_>>());
    let found = lines.find(|words| words.get(2) == Some(&"cgroup2"));
    found.and_then(|w| w.get(1).map(PathBuf::from)).ok_or_else(|| anyhow!("cgroup v2 isn't mounted"))
}

fn tree(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let top = if args.is_empty() { root()? } else { args.path("CGROUP_ROOT")?.to_owned() };
    let flags = query_flags(args)?;
    let kernel = tool.kernel();
    let out = &mut tool.out;
    if !out.is_json() {
        writeln!(out, "CgroupPath");
        heading(out, flags);
    }
    let mut hooks = Hooks::new(&kernel);
    out.array(|out| walk(&kernel, out, &top, flags, 0, &mut hooks))
}

/// Shows a control group, then those in it.
fn walk(
    kernel: &Kernel,
    out: &mut Out,
    dir: &Path,
    flags: QueryFlags,
    level: u32,
    hooks: &mut Hooks,
) -> Result<()> {
    let found = ask(kernel, dir, flags)?;
    if !found.is_empty() {
        if !out.is_json() {
            writeln!(out, "{}", dir.display());
        }
        let indent = if level == 0 { "" } else { "    " };
        out.object(|out| {
            out.string_field("cgroup", dir.to_string_lossy());
            out.name("programs").array(|out| show_all(kernel, out, &found, flags, indent, hooks));
        });
    }
    let entries =
        fs::read_dir(dir).with_context(|| format!("can't iterate over {}", dir.display()))?.flatten();
    for entry in entries {
        // One that has gone meanwhile is not shown.
        let path = entry.path();
        if entry.file_type().is_ok_and(|t| t.is_dir()) && path.is_dir() {
            walk(kernel, out, &path, flags, level + 1, hooks)?;
        }
    }
    Ok(())
}

fn show_all(
    kernel: &Kernel,
    out: &mut Out,
    found: &Found,
    flags: QueryFlags,
    indent: &str,
    hooks: &mut Hooks,
) {
    for (attach_type, list) in found {
        for prog in &list.progs {
            let own = if prog.attach_flags.is_empty() { list.attach_flags } else { prog.attach_flags };
            let own = (!flags.contains(QueryFlags::EFFECTIVE)).then(|| flags_text(own));
            // One that has gone meanwhile is not shown.
            let Ok(Some(handle)) = open_id(kernel, ObjectKind::Prog, prog.prog_id) else { continue };
            let Ok(found) = info::<ProgInfo>(kernel, &handle) else { continue };
            let name = prog_name(kernel, &handle, &found);
            let hook = hooks.name(kernel, &found);
            if out.is_json() {
                out.object(|out| json(out, &found, *attach_type, own.as_deref(), &name, hook.as_deref()));
                continue;
            }
            write!(out, "{indent}{:<8} ", found.id);
            match attach_type.short_name() {
                Some(name) => write!(out, "{name:<15}"),
                None => write!(out, "type {:<10}", attach_type.0),
            }
            if let Some(own) = own {
                write!(out, " {own:<15}");
            }
            write!(out, " {name:<15}");
            match hook {
                Some(hook) => write!(out, " {hook:<15}"),
                None if found.attach_btf_id != 0 => {
                    let ProgInfo { attach_btf_obj_id: object, attach_btf_id: id, .. } = found;
                    write!(out, " attach_btf_obj_id={object} attach_btf_id={id}");
                }
                None => {}
            }
            writeln!(out);
        }
    }
}

fn json(
    out: &mut Out,
    prog: &ProgInfo,
    attach_type: AttachType,
    own: Option<&str>,
    name: &str,
    hook: Option<&str>,
) {
    out.field("id", prog.id);
    match attach_type.short_name() {
        Some(name) => out.string_field("attach_type", name),
        None => out.field("attach_type", attach_type.0),
    }
    if let Some(own) = own {
        out.string_field("attach_flags", own);
    }
    out.string_field("name", name);
    if let Some(hook) = hook {
        out.string_field("attach_btf_name", hook);
    }
    out.field("attach_btf_obj_id", prog.attach_btf_obj_id);
    out.field("attach_btf_id", prog.attach_btf_id);
}

fn flags_text(flags: AttachFlags) -> String {
    match flags {
        AttachFlags::ALLOW_MULTI => "multi".into(),
        AttachFlags::ALLOW_OVERRIDE => "override".into(),
        flags if flags.is_empty() => String::new(),
        flags => format!("unknown({:x})", flags.bits()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attach_types_go_by_whole_names_and_the_beginnings_of_short_ones() {
        let number = |word: &str| attach_type(word).map(|t| t.short_name()).ok().flatten();
        assert_eq!(number("cgroup_inet4_bind"), Some("cgroup_inet4_bind"));
        assert_eq!(number("ingress"), Some("cgroup_inet_ingress"));
        assert_eq!(number("sock"), Some("cgroup_inet_sock_create"));
        assert_eq!(number("connect6"), Some("cgroup_inet6_connect"));
        assert!(number("nonsense").is_none() && number("").is_none());
    }
}
