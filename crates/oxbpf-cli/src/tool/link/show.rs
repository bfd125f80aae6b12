//! One link, as text or JSON.

use std::fmt::Display;

use anyhow::{Context, Result};
use oxbpf::Kernel;
use oxbpf::link::{LinkDetails, LinkInfo, interfaces};
use oxbpf_kernel::{Fact, ObjectKind};
use oxbpf_uapi::info::ProgInfo;
use oxbpf_uapi::{AttachType, LinkType, ProgType};

use super::names;
use crate::tool::Out;
use crate::tool::holders::{self, Pids, Pins};
use crate::tool::select::{info, open_id};

/// A function of the kernel.
struct Symbol {
    address: u64,
    name: String,
    module: Option<String>,
}

/// What showing links needs to know, asked for once.
pub(super) struct Shown<'k> {
    kernel: &'k Kernel,
    pins: Option<Pins>,
    pids: Pids,
    /// By address; read when a link first needs them.
    symbols: Option<Vec<Symbol>>,
}

impl<'k> Shown<'k> {
    pub(super) fn new(kernel: &'k Kernel, pins: Option<Pins>, pids: Pids) -> Self {
        Self { kernel, pins, pids, symbols: None }
    }

    /// Shows a link.
    ///
    /// # Errors
    /// If the kernel does not tell of its program.
    pub(super) fn show(&mut self, out: &mut Out, link: &LinkInfo) -> Result<()> {
        if out.is_json() {
            out.open_object();
            out.field("id", link.id);
            name_field(out, "type", link.kind.short_name(), link.kind.0);
            out.field("prog_id", link.prog_id);
            self.json(out, link)?;
            holders::show_pins(out, link.id, self.pins.as_ref());
            holders::show_pids(out, link.id, &self.pids);
            out.close_object();
            return Ok(());
        }
        write!(out, "{}: ", link.id);
        match link.kind.short_name() {
            Some(name) => write!(out, "{name}  "),
            None => write!(out, "type {}  ", link.kind.0),
        }
        match &link.details {
            LinkDetails::StructOps { map_id } => write!(out, "map {map_id}  "),
            _ => write!(out, "prog {}  ", link.prog_id),
        }
        self.text(out, link)?;
        holders::show_pins(out, link.id, self.pins.as_ref());
        holders::show_pids(out, link.id, &self.pids);
        writeln!(out);
        Ok(())
    }

    fn prog_type(&self, id: u32) -> Result<ProgType> {
        let prog = open_id(self.kernel, ObjectKind::Prog, id)?.context("can't get prog info")?;
        Ok(info::<ProgInfo>(self.kernel, &prog)?.r#type)
    }

    /// The name of an interface.
    fn interface(&self, ifindex: u32) -> Option<String> {
        let all = interfaces(self.kernel).unwrap_or_default();
        all.into_iter().find(|i| i.index == ifindex).map(|i| i.name)
    }

    /// The function at an address; where functions begin with `endbr64`, probes are behind it.
    fn symbol(&mut self, address: u64) -> Option<&Symbol> {
        let symbols = match &mut self.symbols {
            Some(symbols) => symbols,
            unread => {
                let text = self.kernel.fact(Fact::Kallsyms).map(|b| b.to_vec()).unwrap_or_default();
                unread.insert(read_symbols(&String::from_utf8_lossy(&text)))
            }
        };
        let find = |wanted: u64| symbols.binary_search_by_key(&wanted, |s| s.address).ok();
        let at = find(address).or_else(|| find(address.checked_sub(ENDBR_LEN)?))?;
        symbols.get(at)
    }

    fn json(&mut self, out: &mut Out, link: &LinkInfo) -> Result<()> {
        match &link.details {
            LinkDetails::RawTracepoint { name, cookie } => {
                out.string_field("tp_name", name);
                out.field("cookie", cookie);
            }
            LinkDetails::Tracing { attach_type, target_obj_id, target_btf_id, cookie } => {
                let prog_type = self.prog_type(link.prog_id)?;
                name_field(out, "prog_type", prog_type.short_name(), prog_type.0);
                attach_type_json(out, *attach_type);
                out.field("target_obj_id", target_obj_id);
                out.field("target_btf_id", target_btf_id.0);
                out.field("cookie", cookie);
            }
            LinkDetails::Cgroup { cgroup_id, attach_type } => {
                out.field("cgroup_id", cgroup_id);
                attach_type_json(out, *attach_type);
            }
            LinkDetails::Iter { target, map_id, cgroup, task } => {
                out.string_field("target_name", target);
                match iter_kind(target) {
                    IterKind::Map => out.field("map_id", map_id),
                    IterKind::Task if task.0 != 0 => out.field("tid", task.0),
                    IterKind::Task if task.1 != 0 => out.field("pid", task.1),
                    IterKind::Cgroup => {
                        out.field("cgroup_id", cgroup.0);
                        out.string_field("order", names::cgroup_order(cgroup.1));
                    }
                    _ => {}
                }
            }
            LinkDetails::Netns { inode, attach_type } => {
                out.field("netns_ino", inode);
                attach_type_json(out, *attach_type);
            }
            LinkDetails::Netfilter { .. } => netfilter(out, link),
            LinkDetails::Tcx { ifindex, attach_type } | LinkDetails::Netkit { ifindex, attach_type } => {
                self.interface_json(out, *ifindex);
                attach_type_json(out, *attach_type);
            }
            LinkDetails::Sockmap { map_id, attach_type } => {
                out.field("map_id", map_id);
                attach_type_json(out, *attach_type);
            }
            LinkDetails::Xdp { ifindex } => self.interface_json(out, *ifindex),
            LinkDetails::StructOps { map_id } => out.field("map_id", map_id),
            LinkDetails::KprobeMulti { addrs, cookies, is_return, missed } => {
                out.field("retprobe", is_return);
                out.field("func_cnt", addrs.len());
                out.field("missed", missed);
                let places = sorted(addrs, cookies);
                out.name("funcs").array(|out| {
                    for (addr, cookie) in places {
                        let Some(symbol) = self.symbol(addr) else { continue };
                        out.object(|out| {
                            out.field("addr", addr);
                            out.string_field("func", &symbol.name);
                            match &symbol.module {
                                Some(module) => out.string_field("module", module),
                                None => out.name("module").null(),
                            }
                            out.field("cookie", cookie);
                        });
                    }
                });
            }
            LinkDetails::UprobeMulti { path, offsets, ref_ctr_offsets, cookies, is_return, pid } => {
                out.field("retprobe", is_return);
                out.string_field("path", path);
                out.field("func_cnt", offsets.len());
                out.field("pid", pid);
                out.name("funcs").array(|out| {
                    for (i, offset) in offsets.iter().enumerate() {
                        out.object(|out| {
                            out.field("offset", offset);
                            out.field("ref_ctr_offset", ref_ctr_offsets.get(i).unwrap_or(&0));
                            out.field("cookie", cookies.get(i).unwrap_or(&0));
                        });
                    }
                });
            }
            LinkDetails::Kprobe { function, offset, address, is_return, missed, cookie } => {
                out.field("retprobe", is_return);
                out.field("addr", address);
                out.string_field("func", function);
                out.field("offset", offset);
                out.field("missed", missed);
                out.field("cookie", cookie);
            }
            LinkDetails::Uprobe { file, offset, is_return, cookie, ref_ctr_offset } => {
                out.field("retprobe", is_return);
                out.string_field("file", file);
                out.field("offset", offset);
                out.field("cookie", cookie);
                out.field("ref_ctr_offset", ref_ctr_offset);
            }
            LinkDetails::Tracepoint { name, cookie } => {
                out.string_field("tracepoint", name);
                out.field("cookie", cookie);
            }
            LinkDetails::PerfEvent { kind, config, cookie } => {
                name_field(out, "event_type", names::event_type(*kind), kind);
                match names::event(*kind, *config) {
                    Some(name) => out.string_field("event_config", name),
                    None => out.field("event_config", config),
                }
                out.field("cookie", cookie);
            }
            _ => {}
        }
        Ok(())
    }

    fn interface_json(&self, out: &mut Out, ifindex: u32) {
        let name = match ifindex {
            0 => "(detached)".into(),
            _ => self.interface(ifindex).unwrap_or_else(|| "(unknown)".into()),
        };
        out.string_field("devname", name);
        out.field("ifindex", ifindex);
    }

    fn text(&mut self, out: &mut Out, link: &LinkInfo) -> Result<()> {
        match &link.details {
            LinkDetails::RawTracepoint { name, cookie } => {
                write!(out, "\n\ttp '{name}'  ");
                unless_zero(out, "cookie ", *cookie);
            }
            LinkDetails::Tracing { attach_type, target_obj_id, target_btf_id, cookie } => {
                let prog_type = self.prog_type(link.prog_id)?;
                match prog_type.short_name() {
                    Some(name) => write!(out, "\n\tprog_type {name}  "),
                    None => write!(out, "\n\tprog_type {}  ", prog_type.0),
                }
                attach_type_text(out, *attach_type);
                if *target_obj_id != 0 || target_btf_id.0 != 0 {
                    write!(out, "\n\ttarget_obj_id {target_obj_id}  target_btf_id {}  ", target_btf_id.0);
                }
                unless_zero(out, "\n\tcookie ", *cookie);
            }
            LinkDetails::Cgroup { cgroup_id, attach_type } => {
                write!(out, "\n\tcgroup_id {cgroup_id}  ");
                attach_type_text(out, *attach_type);
            }
            LinkDetails::Iter { target, map_id, cgroup, task } => {
                write!(out, "target_name {target}  ");
                match iter_kind(target) {
                    IterKind::Map => write!(out, "map_id {map_id}  "),
                    IterKind::Task if task.0 != 0 => write!(out, "tid {} ", task.0),
                    IterKind::Task if task.1 != 0 => write!(out, "pid {} ", task.1),
                    IterKind::Cgroup => {
                        let order = names::cgroup_order(cgroup.1);
                        write!(out, "cgroup_id {}  order {order}  ", cgroup.0);
                    }
                    _ => {}
                }
            }
            LinkDetails::Netns { inode, attach_type } => {
                write!(out, "\n\tnetns_ino {inode}  ");
                attach_type_text(out, *attach_type);
            }
            LinkDetails::Netfilter { .. } => netfilter(out, link),
            LinkDetails::Tcx { ifindex, attach_type } | LinkDetails::Netkit { ifindex, attach_type } => {
                self.interface_text(out, *ifindex);
                attach_type_text(out, *attach_type);
            }
            LinkDetails::Sockmap { map_id, attach_type } => {
                write!(out, "\n\tmap_id {map_id}  ");
                attach_type_text(out, *attach_type);
            }
            LinkDetails::Xdp { ifindex } => self.interface_text(out, *ifindex),
            LinkDetails::KprobeMulti { addrs, cookies, is_return, missed } if !addrs.is_empty() => {
                let name = if *is_return { "kretprobe" } else { "kprobe" };
                write!(out, "\n\t{name}.multi  func_cnt {}  ", addrs.len());
                unless_zero(out, "missed ", *missed);
                write!(out, "\n\t{:<16} {:<16} func [module]", "addr", "cookie");
                for (addr, cookie) in sorted(addrs, cookies) {
                    let Some(symbol) = self.symbol(addr) else { continue };
                    write!(out, "\n\t{addr:016x} {cookie:<16x} {}", symbol.name);
                    match &symbol.module {
                        Some(module) => write!(out, " [{module}]  "),
                        None => write!(out, "  "),
                    }
                }
            }
            LinkDetails::UprobeMulti { path, offsets, ref_ctr_offsets, cookies, is_return, pid }
                if !offsets.is_empty() =>
            {
                let name = if *is_return { "uretprobe" } else { "uprobe" };
                write!(out, "\n\t{name}.multi  path {path}  func_cnt {}  ", offsets.len());
                unless_zero(out, "pid ", (*pid).into());
                write!(out, "\n\t{:<16}   {:<16}   {:<16}", "offset", "ref_ctr_offset", "cookies");
                for (i, offset) in offsets.iter().enumerate() {
                    let at = |list: &[u64]| list.get(i).copied().unwrap_or(0);
                    let (counter, cookie) = (at(ref_ctr_offsets), at(cookies));
                    write!(out, "\n\t0x{offset:<16x} 0x{counter:<16x} 0x{cookie:<16x}");
                }
            }
            LinkDetails::Kprobe { function, offset, address, is_return, missed, cookie }
                if !function.is_empty() || *address != 0 =>
            {
                write!(out, "\n\t{} ", if *is_return { "kretprobe" } else { "kprobe" });
                if *address != 0 {
                    write!(out, "{address:x} ");
                }
                write!(out, "{function}");
                if *offset != 0 {
                    write!(out, "+{offset:#x}");
                }
                if *missed != 0 {
                    write!(out, "  missed {missed}");
                }
                if *cookie != 0 {
                    write!(out, "  cookie {cookie}");
                }
                write!(out, "  ");
            }
            LinkDetails::Uprobe { file, offset, is_return, cookie, ref_ctr_offset } if !file.is_empty() => {
                let name = if *is_return { "uretprobe" } else { "uprobe" };
                // As C prints a number with a prefix: 0 has none.
                let offset = if *offset == 0 { "0".to_owned() } else { format!("{offset:#x}") };
                write!(out, "\n\t{name} {file}+{offset}  ");
                unless_zero(out, "cookie ", *cookie);
                if *ref_ctr_offset != 0 {
                    write!(out, "ref_ctr_offset {ref_ctr_offset:#x}  ");
                }
            }
            LinkDetails::Tracepoint { name, cookie } if !name.is_empty() => {
                write!(out, "\n\ttracepoint {name}  ");
                unless_zero(out, "cookie ", *cookie);
            }
            LinkDetails::PerfEvent { kind, config, cookie } => {
                match names::event_type(*kind) {
                    Some(name) => write!(out, "\n\tevent {name}:"),
                    None => write!(out, "\n\tevent {kind} :"),
                }
                match names::event(*kind, *config) {
                    Some(name) => write!(out, "{name}  "),
                    None => write!(out, "{config}  "),
                }
                unless_zero(out, "cookie ", *cookie);
            }
            _ => {}
        }
        Ok(())
    }

    fn interface_text(&self, out: &mut Out, ifindex: u32) {
        let name = match ifindex {
            0 => "(detached)".into(),
            _ => match self.interface(ifindex) {
                Some(name) => format!("{name}({ifindex})"),
                None => "(unknown)".into(),
            },
        };
        write!(out, "\n\tifindex {name}  ");
    }
}

/// Bytes of `endbr64`.
const ENDBR_LEN: u64 = 4;

/// What the target of an iterator is restricted by.
enum IterKind {
    Map,
    Task,
    Cgroup,
    Other,
}

fn iter_kind(target: &str) -> IterKind {
    match target {
        "bpf_map_elem" | "bpf_sk_storage_map" => IterKind::Map,
        "task" | "task_file" | "task_vma" => IterKind::Task,
        "cgroup" => IterKind::Cgroup,
        _ => IterKind::Other,
    }
}

fn read_symbols(text: &str) -> Vec<Symbol> {
    let parse = |line: &str| {
        let mut words = line.split_whitespace();
        let address = u64::from_str_radix(words.next()?, 16).ok().filter(|a| *a != 0)?;
        let name = words.nth(1)?.to_owned();
        let module = words.next().map(|m| m.trim_matches(['[', ']']).to_owned());
        Some(Symbol { address, name, module })
    };
    let mut symbols: Vec<Symbol> = text.lines().filter_map(parse).collect();
    symbols.sort_by_key(|s| s.address);
    symbols.dedup_by_key(|s| s.address);
    symbols
}

/// Addresses with their cookies, ascending.
fn sorted(addrs: &[u64], cookies: &[u64]) -> Vec<(u64, u64)> {
    let cookie = |i: usize| cookies.get(i).copied().unwrap_or(0);
    let mut all: Vec<_> = addrs.iter().enumerate().map(|(i, addr)| (*addr, cookie(i))).collect();
    all.sort_by_key(|place| place.0);
    all
}

fn unless_zero(out: &mut Out, name: &str, value: u64) {
    if value != 0 {
        write!(out, "{name}{value}  ");
    }
}

/// A member with a name, or the number of a value that has none.
fn name_field(out: &mut Out, member: &str, name: Option<&str>, number: impl Display) {
    match name {
        Some(name) => out.string_field(member, name),
        None => out.field(member, number),
    }
}

fn attach_type_json(out: &mut Out, attach_type: AttachType) {
    name_field(out, "attach_type", attach_type.short_name(), attach_type.0);
}

fn attach_type_text(out: &mut Out, attach_type: AttachType) {
    match attach_type.short_name() {
        Some(name) => write!(out, "attach_type {name}  "),
        None => write!(out, "attach_type {}  ", attach_type.0),
    }
}

/// The part of a netfilter link that `net show` has as well.
pub(in crate::tool) fn netfilter(out: &mut Out, link: &LinkInfo) {
    debug_assert_eq!(link.kind, LinkType::NETFILTER);
    let LinkDetails::Netfilter { pf, hooknum, priority, flags } = link.details else { return };
    if out.is_json() {
        out.field("pf", pf);
        out.field("hook", hooknum);
        out.field("prio", priority);
        out.field("flags", flags);
        return;
    }
    match names::family(pf) {
        Some(name) => write!(out, "\n\t{name}"),
        None => write!(out, "\n\tpf: {pf}"),
    }
    match names::hook(pf, hooknum) {
        Some(name) => write!(out, " {name}"),
        None => write!(out, ", hook {hooknum},"),
    }
    write!(out, " prio {priority}");
    if flags != 0 {
        write!(out, " flags {flags:#x}");
    }
}
