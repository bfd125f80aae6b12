//! `perf`: programs on perf events, found through the descriptors of processes.

use std::fs;

use anyhow::{Result, bail};
use oxbpf_kernel::{Command, Kernel, TaskFdQuery};
use oxbpf_uapi::Errno;

use super::{Args, Noun, Out, Tool, Verb};

pub(super) const NOUN: Noun = Noun {
    name: "perf",
    verbs: &[Verb { name: "show", alias: Some("list"), usage: "", run: show }],
    terms: &[],
};

/// `enum bpf_task_fd_type`, by number, and what the kinds of events are told by.
const KINDS: &[(&str, Told)] = &[
    ("raw_tracepoint", Told::Name),
    ("tracepoint", Told::Name),
    ("kprobe", Told::Function),
    ("kretprobe", Told::Function),
    ("uprobe", Told::File),
    ("uretprobe", Told::File),
];

#[derive(Clone, Copy)]
enum Told {
    Name,
    Function,
    File,
}

/// What the kernel answers for a descriptor that is no event with a program: `ENOTSUPP`, which user space has no name for.
const NOT_AN_EVENT: Errno = Errno(524);

/// A descriptor, and the program that runs at its event.
struct Found {
    pid: u32,
    fd: u32,
    prog_id: u32,
    kind: u32,
    name: String,
    offset: u64,
    address: u64,
}

fn show(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    args.end()?;
    let kernel = tool.kernel();
    let root = fs::File::open("/")?;
    let own = std::os::fd::AsRawFd::as_raw_fd(&root);
    match query(&kernel, std::process::id(), own as u32) {
        Err(NOT_AN_EVENT) | Ok(_) => {}
        Err(e) => {
            bail!("perf_query_support: {e}: not root, or the kernel has no BPF_TASK_FD_QUERY (Linux 4.18)")
        }
    }
    let mut pids: Vec<u32> = numbers("/proc");
    pids.sort_unstable();
    tool.out.array(|out| {
        for pid in pids {
            let mut fds = numbers(&format!("/proc/{pid}/fd"));
            fds.sort_unstable();
            // One that has gone meanwhile, or is something else, is not shown.
            fds.into_iter().filter_map(|fd| query(&kernel, pid, fd).ok()).for_each(|f| show_one(out, &f));
        }
    });
    Ok(())
}

/// The entries of a directory whose names are numbers.
fn numbers(dir: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect()
}

fn query(kernel: &Kernel, pid: u32, fd: u32) -> Result<Found, Errno> {
    let mut buf = [0; 4096];
    let mut command = Command::TaskFdQuery(TaskFdQuery {
        pid,
        fd,
        flags: 0,
        buf: &mut buf,
        buf_len: 0,
        prog_id: 0,
        fd_type: 0,
        probe_offset: 0,
        probe_addr: 0,
    });
    kernel.bpf(&mut command)?;
    let Command::TaskFdQuery(answer) = command else { return Err(Errno::EPROTO) };
    let (prog_id, kind, offset, address) =
        (answer.prog_id, answer.fd_type, answer.probe_offset, answer.probe_addr);
    let name = super::select::c_name(answer.buf);
    Ok(Found { pid, fd, prog_id, kind, name, offset, address })
}

fn show_one(out: &mut Out, found: &Found) {
    let Found { pid, fd, prog_id, name, offset, address, .. } = found;
    let kind = usize::try_from(found.kind).ok().and_then(|k| KINDS.get(k));
    if out.is_json() {
        out.object(|out| {
            out.field("pid", pid);
            out.field("fd", fd);
            out.field("prog_id", prog_id);
            let Some((kind, told)) = kind else { return };
            out.string_field("fd_type", kind);
            match told {
                Told::Name => out.string_field("tracepoint", name),
                Told::Function if name.is_empty() => out.field("addr", address),
                Told::Function | Told::File => {
                    out.string_field(if matches!(told, Told::File) { "filename" } else { "func" }, name);
                    out.field("offset", offset);
                }
            }
        });
        return;
    }
    write!(out, "pid {pid}  fd {fd}: prog_id {prog_id}  ");
    match kind {
        Some((kind, Told::Name)) => writeln!(out, "{kind}  {name}"),
        Some((kind, Told::Function)) if name.is_empty() => writeln!(out, "{kind}  addr {address}"),
        Some((kind, Told::Function)) => writeln!(out, "{kind}  func {name}  offset {offset}"),
        Some((kind, Told::File)) => writeln!(out, "{kind}  filename {name}  offset {offset}"),
        None => writeln!(out, "type {}", found.kind),
    }
}
