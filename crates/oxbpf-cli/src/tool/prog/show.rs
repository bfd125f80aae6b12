//! `prog show`: programs, one line or object each.

use std::fs;
use std::os::unix::fs::MetadataExt;

use anyhow::Result;
use oxbpf::Kernel;
use oxbpf::link::interfaces;
use oxbpf_kernel::{GetInfo, Handle, InfoBuffers, ObjectKind};
use oxbpf_uapi::Errno;
use oxbpf_uapi::info::ProgInfo;
use rustix::time::{ClockId, clock_gettime};
use zerocopy::IntoBytes;

use super::details::map_ids;
use super::metadata;
use crate::tool::holders::{self, Pids, Pins};
use crate::tool::select::{ids, open_id, prog_name};
use crate::tool::{Args, Out, Tool, time};

/// `prog show [PROG]`.
pub(super) fn run(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let kernel = tool.kernel();
    let some = if args.is_empty() { None } else { Some(tool.progs(args)?) };
    args.end()?;
    let pins = tool.options.shows_pins.then(|| holders::pinned(&kernel, ObjectKind::Prog));
    let shown = Shown { kernel: &kernel, pins, pids: holders::processes(ObjectKind::Prog) };
    let out = &mut tool.out;
    match some.as_deref() {
        Some([one]) => shown.show(out, one),
        Some(some) => out.array(|out| some.iter().try_for_each(|prog| shown.show(out, prog))),
        None => {
            let ids = ids(&kernel, ObjectKind::Prog)?;
            out.array(|out| {
                for id in ids {
                    // One that has gone meanwhile is not shown.
                    if let Some(prog) = open_id(&kernel, ObjectKind::Prog, id)? {
                        shown.show(out, &prog)?;
                    }
                }
                Ok(())
            })
        }
    }
}

/// What showing programs needs to know, asked for once.
struct Shown<'k> {
    kernel: &'k Kernel,
    pins: Option<Pins>,
    pids: Pids,
}

impl Shown<'_> {
    fn show(&self, out: &mut Out, prog: &Handle) -> Result<()> {
        let mut info = ProgInfo::default();
        let asked = GetInfo { object: prog, info: info.as_mut_bytes(), buffers: InfoBuffers::None };
        let is_orphaned = match self.kernel.get_info(asked) {
            Ok(_) => false,
            // Its device has gone.
            Err(Errno::ENODEV) => true,
            Err(e) => anyhow::bail!("can't get prog info: {e}"),
        };
        if out.is_json() {
            out.object(|out| self.json(out, prog, &info, is_orphaned));
        } else {
            self.text(out, prog, &info, is_orphaned);
        }
        Ok(())
    }

    fn json(&self, out: &mut Out, prog: &Handle, info: &ProgInfo, is_orphaned: bool) {
        header_json(out, self.kernel, prog, info);
        device_json(out, self.kernel, info);
        if info.load_time != 0 {
            out.field("loaded_at", since_1970(info.load_time));
            out.field("uid", info.created_by_uid);
        }
        out.field("orphaned", is_orphaned);
        out.field("bytes_xlated", info.xlated_prog_len);
        out.field("jited", info.jited_prog_len != 0);
        if info.jited_prog_len != 0 {
            out.field("bytes_jited", info.jited_prog_len);
        }
        if let Some(bytes) = memlock(prog) {
            out.field("bytes_memlock", bytes);
        }
        if info.nr_map_ids != 0 {
            let ids = map_ids(self.kernel, prog, info.nr_map_ids);
            if !ids.is_empty() {
                out.name("map_ids").array(|out| ids.iter().for_each(|id| out.number(id)));
            }
        }
        if info.btf_id != 0 {
            out.field("btf_id", info.btf_id);
        }
        holders::show_pins(out, info.id, self.pins.as_ref());
        holders::show_pids(out, info.id, &self.pids);
        metadata::show(out, self.kernel, prog, info);
    }

    fn text(&self, out: &mut Out, prog: &Handle, info: &ProgInfo, is_orphaned: bool) {
        header(out, self.kernel, prog, info);
        if info.load_time != 0 {
            let at = time::local(since_1970(info.load_time));
            writeln!(out, "\tloaded_at {at}  uid {}", info.created_by_uid);
        }
        write!(out, "\txlated {}B", info.xlated_prog_len);
        match info.jited_prog_len {
            0 => write!(out, "  not jited"),
            bytes => write!(out, "  jited {bytes}B"),
        }
        if let Some(bytes) = memlock(prog) {
            write!(out, "  memlock {bytes}B");
        }
        if is_orphaned {
            write!(out, "  orphaned");
        }
        if info.nr_map_ids != 0 {
            let ids = map_ids(self.kernel, prog, info.nr_map_ids);
            if !ids.is_empty() {
                let ids: Vec<_> = ids.iter().map(u32::to_string).collect();
                write!(out, "  map_ids {}", ids.join(","));
            }
        }
        holders::show_pins(out, info.id, self.pins.as_ref());
        if info.btf_id != 0 {
            write!(out, "\n\tbtf_id {}", info.btf_id);
        }
        holders::show_pids(out, info.id, &self.pids);
        writeln!(out);
        metadata::show(out, self.kernel, prog, info);
    }
}

/// The members that tell which program it is.
pub(super) fn header_json(out: &mut Out, kernel: &Kernel, prog: &Handle, info: &ProgInfo) {
    out.field("id", info.id);
    match info.r#type.short_name() {
        Some(name) => out.string_field("type", name),
        None => out.field("type", info.r#type.0),
    }
    if info.name.first() != Some(&0) {
        out.string_field("name", prog_name(kernel, prog, info));
    }
    out.string_field("tag", tag(info));
    out.field("gpl_compatible", info.gpl_compatible != 0);
    if info.run_time_ns != 0 {
        out.field("run_time_ns", info.run_time_ns);
        out.field("run_cnt", info.run_cnt);
    }
    if info.recursion_misses != 0 {
        out.field("recursion_misses", info.recursion_misses);
    }
}

/// The line that tells which program it is.
pub(super) fn header(out: &mut Out, kernel: &Kernel, prog: &Handle, info: &ProgInfo) {
    write!(out, "{}: ", info.id);
    match info.r#type.short_name() {
        Some(name) => write!(out, "{name}  "),
        None => write!(out, "type {}  ", info.r#type.0),
    }
    if info.name.first() != Some(&0) {
        write!(out, "name {}  ", prog_name(kernel, prog, info));
    }
    write!(out, "tag {}", tag(info));
    if info.ifindex != 0 {
        match interface(kernel, info) {
            Some(name) => write!(out, "  offloaded_to {name}"),
            None => {
                let ProgInfo { ifindex, netns_dev: dev, netns_ino: inode, .. } = info;
                write!(out, "  offloaded_to ifindex {ifindex} ns_dev {dev} ns_ino {inode}");
            }
        }
    }
    if info.gpl_compatible != 0 {
        write!(out, "  gpl");
    }
    if info.run_time_ns != 0 {
        write!(out, " run_time_ns {} run_cnt {}", info.run_time_ns, info.run_cnt);
    }
    if info.recursion_misses != 0 {
        write!(out, " recursion_misses {}", info.recursion_misses);
    }
    writeln!(out);
}

fn tag(info: &ProgInfo) -> String {
    format!("{:016x}", u64::from_be_bytes(info.tag))
}

fn device_json(out: &mut Out, kernel: &Kernel, info: &ProgInfo) {
    if info.ifindex == 0 {
        return;
    }
    out.name("dev").object(|out| {
        out.field("ifindex", info.ifindex);
        out.field("ns_dev", info.netns_dev);
        out.field("ns_inode", info.netns_ino);
        if let Some(name) = interface(kernel, info) {
            out.string_field("ifname", name);
        }
    });
}

/// The name of a program's device, which only its own network namespace tells.
fn interface(kernel: &Kernel, info: &ProgInfo) -> Option<String> {
    let own = fs::metadata("/proc/self/ns/net").ok()?;
    if (own.dev(), own.ino()) != (info.netns_dev, info.netns_ino) {
        return None;
    }
    interfaces(kernel).ok()?.into_iter().find(|i| i.index == info.ifindex).map(|i| i.name)
}

/// Seconds since 1970 of a time since boot in nanoseconds.
fn since_1970(since_boot: u64) -> i64 {
    let nanos = |clock| {
        let now = clock_gettime(clock);
        i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec)
    };
    let boot = nanos(ClockId::Realtime) - nanos(ClockId::Boottime);
    i64::try_from((boot + i128::from(since_boot)).div_euclid(1_000_000_000)).unwrap_or(i64::MAX)
}

/// Bytes that the kernel accounts for an object.
fn memlock(object: &Handle) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", object.number())).ok()?;
    text.lines().find_map(|l| l.strip_prefix("memlock:")?.trim().parse().ok())
}
