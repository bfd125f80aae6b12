//! Requests as transcript lines: which fields, in which order, under which names. The form is in [`transcript`](crate::transcript).

use std::collections::HashMap;
use std::path::Path;

use oxbpf_uapi::{Cmd, MapType};

use crate::transcript::{Line, bytes_text, hash_insns};
use crate::{
    Anchor, AttachTarget, Command, Fact, Handle, InfoBuffers, LinkKind, LinkSource, LogBuf, ObjectKind,
    Opening, PerfEventSpec, PerfRequest, Probes, ProgFd, SocketRole, Target,
};

/// Names of the references that were handed out, by the number that stands for them.
#[derive(Debug, Default)]
pub(crate) struct Names {
    by_number: HashMap<i32, Named>,
    counts: HashMap<&'static str, u32>,
}

#[derive(Clone, Debug)]
struct Named {
    name: String,
    map_type: MapType,
}

impl Names {
    /// Names a new reference. A number that was used before now means the new object.
    pub(crate) fn add(&mut self, handle: &Handle, kind: &'static str, map_type: MapType) -> String {
        let name = self.next(kind);
        self.by_number.insert(handle.number(), Named { name: name.clone(), map_type });
        name
    }

    /// The name that the next reference of a kind gets.
    fn next(&mut self, kind: &'static str) -> String {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        format!("{kind}#{count}")
    }

    fn of_number(&self, number: i32) -> &str {
        self.by_number.get(&number).map_or("?", |named| &named.name)
    }

    fn of(&self, handle: &Handle) -> &str {
        self.of_number(handle.number())
    }

    fn map_type(&self, handle: &Handle) -> MapType {
        self.by_number.get(&handle.number()).map_or(MapType::UNSPEC, |named| named.map_type)
    }
}

/// A line under construction. Zero and empty are left out.
struct Fields<'n> {
    names: &'n Names,
    line: Line,
}

impl Fields<'_> {
    fn put(&mut self, name: &str, value: String) -> &mut Self {
        self.line.fields.push((name.to_owned(), value));
        self
    }

    fn num(&mut self, name: &str, value: impl Into<i128>) -> &mut Self {
        match value.into() {
            0 => self,
            value => self.put(name, value.to_string()),
        }
    }

    fn flags(&mut self, name: &str, value: impl Into<u64>) -> &mut Self {
        match value.into() {
            0 => self,
            value => self.put(name, format!("{value:#x}")),
        }
    }

    fn bytes(&mut self, name: &str, value: &[u8]) -> &mut Self {
        if value.is_empty() { self } else { self.put(name, bytes_text(value)) }
    }

    fn text(&mut self, name: &str, value: &str) -> &mut Self {
        if value.is_empty() { self } else { self.put(name, format!("{value:?}")) }
    }

    fn path(&mut self, name: &str, value: &Path) -> &mut Self {
        self.text(name, &value.to_string_lossy())
    }

    fn handle(&mut self, name: &str, handle: &Handle) -> &mut Self {
        let value = self.names.of(handle).to_owned();
        self.put(name, value)
    }

    fn opt(&mut self, name: &str, handle: Option<&Handle>) -> &mut Self {
        match handle {
            Some(handle) => self.handle(name, handle),
            None => self,
        }
    }

    fn list<T: ToString>(&mut self, name: &str, values: &[T]) -> &mut Self {
        if values.is_empty() {
            return self;
        }
        let values: Vec<String> = values.iter().map(T::to_string).collect();
        self.put(name, values.join(","))
    }

    fn log(&mut self, level: &str, size: &str, log: Option<&LogBuf<'_>>) -> &mut Self {
        match log.filter(|log| log.level != 0) {
            Some(log) => self.num(level, log.level).num(size, log.buf.len() as i128),
            None => self,
        }
    }

    fn target(&mut self, target: &Target<'_>) -> &mut Self {
        match target {
            Target::Object(object) => self.handle("target_fd", object),
            Target::Ifindex(index) => self.num("target_ifindex", *index),
            Target::None => self,
        }
    }

    fn anchor(&mut self, anchor: &Anchor<'_>) -> &mut Self {
        match anchor {
            Anchor::None => self,
            Anchor::Object(object) => self.handle("relative_fd", object),
            Anchor::Id(id) => self.num("relative_id", *id),
        }
    }

    fn source(&mut self, prog: &str, map: &str, source: &LinkSource<'_>) -> &mut Self {
        match source {
            LinkSource::Prog(fd) => self.handle(prog, fd),
            LinkSource::Map(fd) => self.handle(map, fd),
        }
    }

    /// A value of a map, which may be a descriptor.
    fn value(&mut self, map: &Handle, value: &[u8]) -> &mut Self {
        let number = value.try_into().map(i32::from_ne_bytes).ok();
        let number = number.filter(|_| self.names.map_type(map).holds_descriptors());
        match number.and_then(|n| self.names.by_number.get(&n)) {
            Some(named) => {
                let name = named.name.clone();
                self.put("value", name)
            }
            None => self.bytes("value", value),
        }
    }
}

/// The request of a command.
pub(crate) fn command(names: &Names, cmd: &Command<'_>) -> Line {
    let number = cmd.cmd();
    let call = number.c_name().and_then(|n| n.strip_prefix("BPF_"));
    let line = Line::new(call.map_or_else(|| format!("BPF_{}", number.0), str::to_owned));
    let mut out = Fields { names, line };
    let f = &mut out;
    match cmd {
        Command::MapCreate(_)
        | Command::MapLookupElem(_)
        | Command::MapUpdateElem(_)
        | Command::MapDeleteElem(_)
        | Command::MapGetNextKey(_)
        | Command::MapLookupAndDeleteElem(_)
        | Command::MapFreeze { .. }
        | Command::MapLookupBatch(_)
        | Command::MapLookupAndDeleteBatch(_)
        | Command::MapUpdateBatch(_)
        | Command::MapDeleteBatch(_) => map_command(f, cmd),
        Command::ProgLoad(_) => prog_load(f, cmd),
        Command::LinkCreate(_) => link_create(f, cmd),
        _ => other_command(f, cmd),
    }
    out.line
}

fn map_command(f: &mut Fields<'_>, cmd: &Command<'_>) {
    match cmd {
        Command::MapCreate(r) => {
            f.put("map_type", r.map_type.to_string())
                .num("key_size", r.key_size)
                .num("value_size", r.value_size)
                .num("max_entries", r.max_entries)
                .flags("map_flags", r.all_flags())
                .opt("inner_map_fd", r.inner_map.map(|h| &h.0))
                .num("numa_node", r.numa_node)
                .text("map_name", r.map_name)
                .num("map_ifindex", r.map_ifindex)
                .opt("btf_fd", r.btf.map(|h| &h.0))
                .num("btf_key_type_id", r.btf_key_type_id)
                .num("btf_value_type_id", r.btf_value_type_id)
                .num("btf_vmlinux_value_type_id", r.btf_vmlinux_value_type_id)
                .num("map_extra", r.map_extra)
                .opt("value_type_btf_obj_fd", r.value_type_btf_obj.map(|h| &h.0))
                .opt("map_token_fd", r.token.map(|h| &h.0))
                .bytes("excl_prog_hash", r.excl_prog_hash);
        }
        Command::MapUpdateElem(r) => {
            f.handle("map_fd", r.map).bytes("key", r.key).value(r.map, r.value).flags("flags", r.flags);
        }
        Command::MapLookupElem(r) | Command::MapLookupAndDeleteElem(r) => {
            f.handle("map_fd", r.map).bytes("key", r.key).flags("flags", r.flags);
        }
        Command::MapDeleteElem(r) => {
            f.handle("map_fd", r.map).bytes("key", r.key).flags("flags", r.flags);
        }
        Command::MapGetNextKey(r) => {
            f.handle("map_fd", r.map).bytes("key", r.key.unwrap_or_default());
        }
        Command::MapFreeze { map } => {
            f.handle("map_fd", map);
        }
        Command::MapLookupBatch(r) | Command::MapLookupAndDeleteBatch(r) => {
            f.bytes("in_batch", r.in_batch.unwrap_or_default()).num("count", r.count).handle("map_fd", r.map);
            f.flags("elem_flags", r.elem_flags).flags("flags", r.flags);
        }
        Command::MapUpdateBatch(r) => {
            f.bytes("keys", r.keys).bytes("values", r.values).num("count", r.count).handle("map_fd", r.map);
            f.flags("elem_flags", r.elem_flags).flags("flags", r.flags);
        }
        Command::MapDeleteBatch(r) => {
            f.bytes("keys", r.keys).num("count", r.count).handle("map_fd", r.map);
            f.flags("elem_flags", r.elem_flags).flags("flags", r.flags);
        }
        _ => {}
    }
}

fn prog_load(f: &mut Fields<'_>, cmd: &Command<'_>) {
    let Command::ProgLoad(r) = cmd else { return };
    let (insns, maps) = hash_insns(r.insns);
    let maps: Vec<String> = maps.iter().map(|n| f.names.of_number(*n).to_owned()).collect();
    let fds: Vec<String> = r.fd_array.iter().map(|h| f.names.of(h).to_owned()).collect();
    f.put("prog_type", r.prog_type.to_string())
        .put("insns", insns)
        .list("maps", &maps)
        .text("license", r.license);
    f.log("log_level", "log_size", r.log.as_ref())
        .num("kern_version", r.kern_version)
        .flags("prog_flags", r.all_flags())
        .text("prog_name", r.prog_name)
        .num("prog_ifindex", r.prog_ifindex);
    if r.expected_attach_type.0 != 0 {
        f.put("expected_attach_type", r.expected_attach_type.to_string());
    }
    f.opt("prog_btf_fd", r.prog_btf.map(|h| &h.0))
        .num("func_info_rec_size", r.func_info_rec_size)
        .bytes("func_info", r.func_info)
        .num("line_info_rec_size", r.line_info_rec_size)
        .bytes("line_info", r.line_info)
        .num("attach_btf_id", r.attach_btf_id);
    match r.attach_target {
        Some(AttachTarget::Prog(prog)) => drop(f.handle("attach_prog_fd", prog)),
        Some(AttachTarget::Btf(btf)) => drop(f.handle("attach_btf_obj_fd", btf)),
        None => {}
    }
    f.list("fd_array", &fds).opt("prog_token_fd", r.token.map(|h| &h.0));
    if r.fd_array_is_bound {
        f.num("fd_array_cnt", r.fd_array.len() as i128);
    }
    f.bytes("signature", r.signature).num("keyring_id", r.keyring_id).bytes("core_relos", r.core_relos);
}

fn link_create(f: &mut Fields<'_>, cmd: &Command<'_>) {
    let Command::LinkCreate(r) = cmd else { return };
    f.source("prog_fd", "map_fd", &r.source)
        .target(&r.target)
        .put("attach_type", r.attach_type.to_string())
        .flags("flags", r.all_flags());
    match &r.kind {
        LinkKind::Plain => {}
        LinkKind::Tracing { target_btf_id, cookie } => {
            f.num("tracing.target_btf_id", *target_btf_id).num("tracing.cookie", *cookie);
        }
        LinkKind::Iter(info) => drop(f.bytes("iter_info", info)),
        LinkKind::PerfEvent { bpf_cookie } => drop(f.num("perf_event.bpf_cookie", *bpf_cookie)),
        LinkKind::KprobeMulti { probes, cookies, .. } => {
            f.flags("kprobe_multi.flags", r.kind.all_flags());
            match probes {
                Probes::Syms(syms) => {
                    f.num("kprobe_multi.cnt", syms.len() as i128).text("kprobe_multi.syms", &syms.join(","));
                }
                Probes::Addrs(addrs) => {
                    f.num("kprobe_multi.cnt", addrs.len() as i128).list("kprobe_multi.addrs", addrs);
                }
            }
            f.list("kprobe_multi.cookies", cookies);
        }
        LinkKind::UprobeMulti { path, offsets, ref_ctr_offsets, cookies, pid, path_fd, .. } => {
            f.path("uprobe_multi.path", path)
                .list("uprobe_multi.offsets", offsets)
                .list("uprobe_multi.ref_ctr_offsets", ref_ctr_offsets)
                .list("uprobe_multi.cookies", cookies)
                .num("uprobe_multi.cnt", offsets.len() as i128)
                .flags("uprobe_multi.flags", r.kind.all_flags())
                .num("uprobe_multi.pid", *pid)
                .opt("uprobe_multi.path_fd", *path_fd);
        }
        LinkKind::Netfilter { pf, hooknum, priority, flags } => {
            f.num("netfilter.pf", *pf)
                .num("netfilter.hooknum", *hooknum)
                .num("netfilter.priority", *priority)
                .flags("netfilter.flags", *flags);
        }
        LinkKind::Ordered { relative, expected_revision } => {
            f.anchor(relative).num("expected_revision", *expected_revision);
        }
        LinkKind::TracingMulti { ids, cookies } => {
            f.list("tracing_multi.ids", ids).list("tracing_multi.cookies", cookies);
        }
    }
}

fn other_command(f: &mut Fields<'_>, cmd: &Command<'_>) {
    match cmd {
        Command::ObjPin(r) => {
            f.path("pathname", r.path)
                .handle("bpf_fd", r.object)
                .flags("file_flags", r.all_flags())
                .opt("path_fd", r.dir);
        }
        Command::ObjGet(r) => {
            f.path("pathname", r.path).flags("file_flags", r.all_flags()).opt("path_fd", r.dir);
        }
        Command::ProgAttach(r) => {
            f.target(&r.target)
                .handle("attach_bpf_fd", r.prog)
                .put("attach_type", r.attach_type.to_string())
                .flags("attach_flags", r.all_flags())
                .opt("replace_bpf_fd", r.replace.map(|h| &h.0))
                .anchor(&r.relative)
                .num("expected_revision", r.expected_revision);
        }
        Command::ProgDetach(r) => {
            f.target(&r.target)
                .opt("attach_bpf_fd", r.prog.map(|h| &h.0))
                .put("attach_type", r.attach_type.to_string())
                .flags("attach_flags", r.all_flags())
                .anchor(&r.relative)
                .num("expected_revision", r.expected_revision);
        }
        Command::ProgTestRun(r) => {
            f.handle("prog_fd", r.prog)
                .num("data_size_out", r.data_out.as_ref().map_or(0, |d| d.len()) as i128)
                .bytes("data_in", r.data_in)
                .num("repeat", r.repeat)
                .num("ctx_size_out", r.ctx_out.as_ref().map_or(0, |d| d.len()) as i128)
                .bytes("ctx_in", r.ctx_in)
                .flags("flags", r.flags)
                .num("cpu", r.cpu)
                .num("batch_size", r.batch_size);
        }
        Command::GetNextId { start, .. } => drop(f.num("start_id", *start)),
        Command::GetFdById(r) => {
            f.num(id_field(r.kind), r.id)
                .flags("open_flags", r.all_flags())
                .opt("fd_by_id_token_fd", r.token.map(|h| &h.0));
        }
        Command::GetInfo(r) => {
            f.handle("bpf_fd", r.object).num("info_len", r.info.len() as i128);
            if !matches!(r.buffers, InfoBuffers::None) {
                f.put("buffers", "yes".into());
            }
        }
        Command::ProgQuery(r) => {
            f.target(&r.target)
                .put("attach_type", r.attach_type.to_string())
                .flags("query_flags", r.query_flags)
                .num("prog_cnt", r.prog_ids.len() as i128);
        }
        Command::RawTracepointOpen(r) => {
            f.text("name", r.name.unwrap_or_default()).handle("prog_fd", r.prog).num("cookie", r.cookie);
        }
        Command::BtfLoad(r) => {
            f.bytes("btf", r.btf)
                .log("btf_log_level", "btf_log_size", r.log.as_ref())
                .flags("btf_flags", r.all_flags())
                .opt("btf_token_fd", r.token.map(|h| &h.0));
        }
        Command::TaskFdQuery(r) => {
            f.num("pid", r.pid).num("fd", r.fd).flags("flags", r.flags).num("buf_len", r.buf.len() as i128);
        }
        Command::LinkUpdate(r) => {
            f.handle("link_fd", r.link)
                .source("new_prog_fd", "new_map_fd", &r.new)
                .flags("flags", r.all_flags());
            if let Some(old) = &r.old {
                f.source("old_prog_fd", "old_map_fd", old);
            }
        }
        Command::LinkDetach { link } => drop(f.handle("link_fd", link)),
        Command::EnableStats { kind } => drop(f.num("type", *kind)),
        Command::IterCreate { link, flags } => drop(f.handle("link_fd", link).flags("flags", *flags)),
        Command::ProgBindMap(r) => {
            f.handle("prog_fd", r.prog).handle("map_fd", r.map).flags("flags", r.flags);
        }
        Command::TokenCreate { bpffs, flags } => drop(f.flags("flags", *flags).handle("bpffs_fd", bpffs)),
        Command::StreamRead(r) => {
            f.num("stream_buf_len", r.buf.len() as i128)
                .num("stream_id", r.stream_id)
                .handle("prog_fd", r.prog);
        }
        Command::AssocStructOps { prog, map, flags } => {
            f.handle("map_fd", map).handle("prog_fd", prog).flags("flags", *flags);
        }
        // The other functions have the rest.
        _ => {}
    }
}

fn id_field(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Prog => "prog_id",
        ObjectKind::Map => "map_id",
        ObjectKind::Btf => "btf_id",
        ObjectKind::Link => "link_id",
    }
}

/// What the reference is called that a command answers with.
pub(crate) fn kind_of_reply(cmd: &Command<'_>) -> (&'static str, MapType) {
    match cmd {
        Command::MapCreate(r) => ("map", r.map_type),
        _ => (
            match cmd.cmd() {
                Cmd::MAP_GET_FD_BY_ID => "map",
                Cmd::PROG_LOAD | Cmd::PROG_GET_FD_BY_ID => "prog",
                Cmd::BTF_LOAD | Cmd::BTF_GET_FD_BY_ID => "btf",
                Cmd::LINK_CREATE | Cmd::LINK_GET_FD_BY_ID | Cmd::RAW_TRACEPOINT_OPEN => "link",
                Cmd::ITER_CREATE => "iter",
                Cmd::TOKEN_CREATE => "token",
                Cmd::ENABLE_STATS => "stats",
                _ => "object",
            },
            MapType::UNSPEC,
        ),
    }
}

/// A request about perf events.
pub(crate) fn perf(names: &Names, req: &PerfRequest<'_>) -> Line {
    let call = match req {
        PerfRequest::Open { .. } => "perf_event_open",
        PerfRequest::SetBpf { .. } => "PERF_EVENT_IOC_SET_BPF",
        PerfRequest::Enable(_) => "PERF_EVENT_IOC_ENABLE",
        PerfRequest::Disable(_) => "PERF_EVENT_IOC_DISABLE",
        PerfRequest::Pause { .. } => "PERF_EVENT_IOC_PAUSE_OUTPUT",
        PerfRequest::QueryBpf { .. } => "PERF_EVENT_IOC_QUERY_BPF",
    };
    let mut out = Fields { names, line: Line::new(call) };
    let f = &mut out;
    match req {
        PerfRequest::Open { spec, pid, cpu, group } => {
            perf_spec(f, spec);
            f.put("pid", pid.to_string()).put("cpu", cpu.to_string()).opt("group_fd", *group);
        }
        PerfRequest::SetBpf { event, prog } => drop(f.handle("fd", event).handle("prog_fd", prog)),
        PerfRequest::Enable(event) | PerfRequest::Disable(event) => drop(f.handle("fd", event)),
        PerfRequest::Pause { event, is_paused } => {
            f.handle("fd", event).put("paused", is_paused.to_string());
        }
        PerfRequest::QueryBpf { event, ids } => {
            f.handle("fd", event).num("ids_len", ids.len() as i128);
        }
    }
    out.line
}

fn perf_spec(f: &mut Fields<'_>, spec: &PerfEventSpec<'_>) {
    f.num("type", spec.kind)
        .num("config", spec.config)
        .num("sample_period", spec.sample_period)
        .flags("sample_type", spec.sample_type);
    for (name, is_set) in [
        ("disabled", spec.disabled),
        ("inherit", spec.inherit),
        ("freq", spec.freq),
        ("watermark", spec.watermark),
        ("write_backward", spec.write_backward),
    ] {
        f.num(name, i128::from(is_set));
    }
    if !spec.flags.is_empty() {
        f.put("flags", format!("{:#x}", spec.flags.bits()));
    }
    f.num("wakeup_events", spec.wakeup_events).num("bp_type", spec.bp_type);
    match spec.target {
        Some(target) => drop(f.text("config1", target)),
        None => drop(f.num("config1", spec.config1)),
    }
    f.num("config2", spec.config2);
}

/// A request with one reference and numbers, such as `mmap` and `read`.
pub(crate) fn on_handle(names: &Names, call: &str, handle: &Handle, numbers: &[(&str, i128)]) -> Line {
    let mut out = Fields { names, line: Line::new(call) };
    out.handle("fd", handle);
    for (name, value) in numbers {
        out.put(name, value.to_string());
    }
    out.line
}

/// A request with one path.
pub(crate) fn on_path(call: &str, path: &Path) -> Line {
    let names = Names::default();
    let mut out = Fields { names: &names, line: Line::new(call) };
    out.path("pathname", path);
    out.line
}

/// A question about the system.
pub(crate) fn fact(what: Fact<'_>) -> Line {
    let mut line = Line::new("fact");
    let text = format!("{what:?}");
    line.fields.push(("what".into(), format!("{text:?}")));
    line
}

/// Something to open, and what the reference to it is called.
pub(crate) fn opening(what: Opening<'_>) -> (Line, &'static str) {
    let mut line = Line::new("open");
    let text = format!("{what:?}");
    line.fields.push(("what".into(), format!("{text:?}")));
    let kind = match what {
        Opening::Cgroup(_) => "cgroup",
        Opening::Netns(_) => "netns",
        Opening::Lirc(_) => "lirc",
        Opening::Process(_) => "process",
        Opening::BpfFs(_) => "bpffs",
        Opening::Binary(_) => "file",
        Opening::TraceLog => "tracelog",
    };
    (line, kind)
}

/// A line for the list of dynamic events.
pub(crate) fn event_line(unit: &str, text: &str) -> Line {
    let mut line = Line::new("define_event");
    line.fields.push(("unit".into(), unit.into()));
    line.fields.push(("line".into(), format!("{text:?}")));
    line
}

/// A program for a socket.
pub(crate) fn socket_prog(names: &Names, socket: &Handle, role: SocketRole, prog: Option<&ProgFd>) -> Line {
    let mut out = Fields { names, line: Line::new("setsockopt") };
    out.handle("socket", socket).put("role", format!("{role:?}")).opt("prog", prog.map(|p| &p.0));
    out.line
}

/// A netlink message.
pub(crate) fn netlink(protocol: u32, bytes: &[u8]) -> Line {
    let names = Names::default();
    let mut out = Fields { names: &names, line: Line::new("netlink") };
    out.put("protocol", protocol.to_string()).bytes("message", bytes);
    out.line
}
