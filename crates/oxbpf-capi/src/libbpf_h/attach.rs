//! Attaching programs.

use core::ffi::c_int;

use oxbpf::link::{
    KprobeMultiOpts, KprobeOpts, KsyscallOpts, PerfEventOpts, ProbeMode, Probes, RawTracepointOpts,
    TraceOpts, TracepointOpts, TracingMultiOpts, TracingMultiTarget, UprobeMultiOpts, UprobeOpts,
    UprobeTarget, UsdtOpts,
};
use oxbpf_btf::TypeId;
use oxbpf_kernel::{GetInfo, InfoBuffers, LinkFd, ProgFd};
use oxbpf_uapi::info::ProgInfo;
use oxbpf_uapi::{BtfKind, ProgType};
use zerocopy::IntoBytes;

use super::link::Link;
use crate::abi::{
    BpfCgroupOpts, BpfIterAttachOpts, BpfKprobeMultiOpts, BpfKprobeOpts, BpfKsyscallOpts, BpfNetfilterOpts,
    BpfNetkitOpts, BpfPerfEventOpts, BpfRawTracepointOpts, BpfTcxOpts, BpfTraceOpts, BpfTracepointOpts,
    BpfTracingMultiOpts, BpfUprobeMultiOpts, BpfUprobeOpts, BpfUsdtOpts,
};
use crate::arg::{Ptr, Raw, Str, give};
use crate::bpf_h::attr::LinkCreate;
use crate::bpf_h::link::finish;
use crate::bpf_h::prog::neighbour;
use crate::fail::Fail;
use crate::fd;
use crate::object::{Program, kernel};
use crate::opts::Opts;
use crate::ret::Out;

/// Attaches in a way that the loader has.
fn attach(
    prog: Ptr<Program>,
    by: impl FnOnce(oxbpf::Program<'_>) -> Result<oxbpf::link::Link, Fail>,
) -> Result<*const Link, Fail> {
    let prog = prog.get()?;
    if prog.fd().is_err() {
        log::warn!("prog '{}': can't attach before loaded", prog.name.to_string_lossy());
        return Err(Fail::INVAL);
    }
    prog.with(by).map(|link| give(Link::new(link)))
}

/// Attaches to a descriptor or interface by the number that C has for it.
fn attach_to(
    prog: Ptr<Program>,
    target: c_int,
    flags: u32,
    kind: [u64; 6],
    what: &str,
) -> Result<*const Link, Fail> {
    attach(prog, |p| {
        let attr = LinkCreate {
            prog_fd: p.fd()?.number() as u32,
            target_fd: target as u32,
            attach_type: p.expected_attach_type().0,
            flags,
            kind,
        };
        let made = finish(attr, true).inspect_err(|fail| {
            log::warn!("prog '{}': failed to attach to {what}: {}", p.name(), oxbpf_uapi::Errno(fail.0));
        })?;
        Ok(oxbpf::link::Link::from_fd(kernel(), LinkFd(fd::own(made)?)))
    })
}

/// The order part of a link's options: a neighbour and a revision.
fn ordered(relative_fd: u32, relative_id: u32, revision: u64) -> Result<(u32, [u64; 6]), Fail> {
    let (relative, by_id) = neighbour(relative_fd, relative_id)?;
    Ok((by_id, [low_word(relative), revision, 0, 0, 0, 0]))
}

/// A word of 64 bits whose first bytes in memory are these two numbers.
fn words(low: u32, high: u32) -> u64 {
    let mut word = [0; 8];
    word[..4].copy_from_slice(&low.to_ne_bytes());
    word[4..].copy_from_slice(&high.to_ne_bytes());
    u64::from_ne_bytes(word)
}

fn low_word(number: u32) -> u64 {
    words(number, 0)
}

/// Which way a probe is put in place, as C numbers it.
fn mode(number: u32) -> Result<ProbeMode, Fail> {
    match number {
        0 => Ok(ProbeMode::Default),
        1 => Ok(ProbeMode::Legacy),
        2 => Ok(ProbeMode::Perf),
        3 => Ok(ProbeMode::Link),
        _ => Err(Fail::INVAL),
    }
}

/// A process: −1 stands for all, 0 for the caller.
fn process(pid: c_int) -> Option<u32> {
    u32::try_from(pid).ok()
}

/// `count` numbers of 64 bits, none for null.
fn numbers(at: Raw, count: usize) -> Vec<u64> {
    if at.is_null() { Vec::new() } else { (0..count).map(|i| at.read(8 * i)).collect() }
}

/// `count` numbers of C's `unsigned long`, none for null.
fn longs(at: Raw, count: usize) -> Vec<u64> {
    let size = size_of::<usize>();
    if at.is_null() { Vec::new() } else { (0..count).map(|i| at.read::<usize>(size * i) as u64).collect() }
}

/// `count` strings, none for null.
fn strings(at: Raw, count: usize) -> Result<Vec<String>, Fail> {
    let string = |i| Ok(at.str_at(size_of::<usize>() * i).get()?.to_owned());
    if at.is_null() { Ok(Vec::new()) } else { (0..count).map(string).collect() }
}

fn kprobe(prog: Ptr<Program>, function: Str, opts: KprobeOpts) -> Result<*const Link, Fail> {
    attach(prog, |p| match function.opt()? {
        Some(name) => Ok(p.attach_kprobe(name, opts)?),
        None => Ok(p.attach_kprobe(opts.offset, KprobeOpts { offset: 0, ..opts })?),
    })
}

fn uprobe(
    prog: Ptr<Program>,
    binary: Str,
    function: Option<Str>,
    opts: UprobeOpts,
) -> Result<*const Link, Fail> {
    let binary = binary.path()?;
    attach(prog, |p| match function.as_ref().map(Str::opt).transpose()?.flatten() {
        Some(name) => Ok(p.attach_uprobe(binary, name, opts)?),
        None => Ok(p.attach_uprobe(binary, opts.offset, UprobeOpts { offset: 0, ..opts })?),
    })
}

/// The BTF id of a function in a loaded program.
fn function_of(prog: &ProgFd, name: &str) -> Result<TypeId, Fail> {
    let mut info = ProgInfo::default();
    let request = GetInfo { object: prog, info: info.as_mut_bytes(), buffers: InfoBuffers::None };
    kernel().get_info(request)?;
    if info.btf_id == 0 {
        log::warn!("the target program doesn't have BTF");
        return Err(Fail::INVAL);
    }
    let types = oxbpf::btf::by_id(kernel(), info.btf_id)?;
    types.find(name, BtfKind::FUNC).ok_or(Fail::NOENT)
}

export! {
    /// Attaches as the section name, or C's handler of it, says.
    fn bpf_program__attach(prog: Ptr<Program>) -> Out<Link> {
        by_section(prog.get()?)?.ok_or(Fail::OPNOTSUPP)
    }

    /// Attaches to a perf event, whose descriptor the link owns from then on.
    fn bpf_program__attach_perf_event(prog: Ptr<Program>, pfd: c_int) -> Out<Link> {
        perf_event(prog, pfd, PerfEventOpts::default())
    }

    /// Attaches to a perf event, with options.
    fn bpf_program__attach_perf_event_opts(prog: Ptr<Program>, pfd: c_int, opts: Opts<BpfPerfEventOpts>) -> Out<Link> {
        let opts = opts.check()?;
        perf_event(prog, pfd, PerfEventOpts {
            cookie: opt!(opts: BpfPerfEventOpts, bpf_cookie),
            force_ioctl_attach: opt!(opts: BpfPerfEventOpts, force_ioctl_attach) != 0,
            dont_enable: opt!(opts: BpfPerfEventOpts, dont_enable) != 0,
        })
    }

    /// Attaches to a function's start or return.
    fn bpf_program__attach_kprobe(prog: Ptr<Program>, retprobe: bool, func_name: Str) -> Out<Link> {
        kprobe(prog, func_name, KprobeOpts { is_return: retprobe, ..KprobeOpts::default() })
    }

    /// Attaches to a function, with options.
    fn bpf_program__attach_kprobe_opts(prog: Ptr<Program>, func_name: Str, opts: Opts<BpfKprobeOpts>) -> Out<Link> {
        type L = BpfKprobeOpts;
        let opts = opts.check()?;
        kprobe(prog, func_name, KprobeOpts {
            is_return: opt!(opts: L, retprobe) != 0,
            offset: opt!(opts: L, offset) as u64,
            cookie: opt!(opts: L, bpf_cookie),
            mode: mode(opt!(opts: L, attach_mode))?,
        })
    }

    /// Attaches to all functions that match a pattern, or to those of the options.
    fn bpf_program__attach_kprobe_multi_opts(prog: Ptr<Program>, pattern: Str, opts: Opts<BpfKprobeMultiOpts>) -> Out<Link> {
        type L = BpfKprobeMultiOpts;
        let opts = opts.check()?;
        let count = opt!(opts: L, cnt);
        let (syms, addrs) = (opt!(ptr opts: L, syms), opt!(ptr opts: L, addrs));
        let cookies = opt!(ptr opts: L, cookies);
        let pattern = pattern.opt()?;
        let given = !syms.is_null() || !addrs.is_null() || !cookies.is_null() || count != 0;
        let both = !syms.is_null() && !addrs.is_null();
        if (pattern.is_some() && given) || (pattern.is_none() && (count == 0 || both || (syms.is_null() && addrs.is_null()))) {
            return Err(Fail::INVAL);
        }
        let (names, addresses, cookies) = (strings(syms, count)?, longs(addrs, count), numbers(cookies, count));
        let how = KprobeMultiOpts {
            is_return: opt!(opts: L, retprobe) != 0,
            is_session: opt!(opts: L, session) != 0,
            unique_match: opt!(opts: L, unique_match) != 0,
            cookies: &cookies,
        };
        if how.is_return && how.is_session {
            return Err(Fail::INVAL);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        attach(prog, |p| Ok(match pattern {
            Some(pattern) => p.attach_kprobe_multi(pattern, how)?,
            None if addresses.is_empty() => p.attach_kprobe_multi_at(Probes::Syms(&names), how)?,
            None => p.attach_kprobe_multi_at(Probes::Addrs(&addresses), how)?,
        }))
    }

    /// Attaches to the kernel's function for a system call.
    fn bpf_program__attach_ksyscall(prog: Ptr<Program>, syscall_name: Str, opts: Opts<BpfKsyscallOpts>) -> Out<Link> {
        let opts = opts.check()?;
        let how = KsyscallOpts {
            is_return: opt!(opts: BpfKsyscallOpts, retprobe) != 0,
            cookie: opt!(opts: BpfKsyscallOpts, bpf_cookie),
        };
        let name = syscall_name.get()?;
        attach(prog, |p| Ok(p.attach_ksyscall(name, how)?))
    }

    /// Attaches to an offset of a program or library.
    fn bpf_program__attach_uprobe(
        prog: Ptr<Program>, retprobe: bool, pid: c_int, binary_path: Str, func_offset: usize,
    ) -> Out<Link> {
        let opts = UprobeOpts {
            is_return: retprobe,
            offset: func_offset as u64,
            pid: process(pid),
            ..UprobeOpts::default()
        };
        uprobe(prog, binary_path, None, opts)
    }

    /// Attaches to a function or offset of a program or library, with options.
    fn bpf_program__attach_uprobe_opts(
        prog: Ptr<Program>, pid: c_int, binary_path: Str, func_offset: usize, opts: Opts<BpfUprobeOpts>,
    ) -> Out<Link> {
        type L = BpfUprobeOpts;
        let opts = opts.check()?;
        let how = UprobeOpts {
            is_return: opt!(opts: L, retprobe) != 0,
            offset: func_offset as u64,
            ref_ctr_offset: opt!(opts: L, ref_ctr_offset) as u64,
            pid: process(pid),
            cookie: opt!(opts: L, bpf_cookie),
            mode: mode(opt!(opts: L, attach_mode))?,
        };
        uprobe(prog, binary_path, Some(opt!(str opts: L, func_name)), how)
    }

    /// Attaches to all functions of a program or library that match a pattern, or to those of the options.
    fn bpf_program__attach_uprobe_multi(
        prog: Ptr<Program>, pid: c_int, binary_path: Str, func_pattern: Str, opts: Opts<BpfUprobeMultiOpts>,
    ) -> Out<Link> {
        type L = BpfUprobeMultiOpts;
        let opts = opts.check()?;
        let (path, pattern, count) = (binary_path.path()?, func_pattern.opt()?, opt!(opts: L, cnt));
        let (syms, offsets) = (opt!(ptr opts: L, syms), opt!(ptr opts: L, offsets));
        let (counters, cookies) = (opt!(ptr opts: L, ref_ctr_offsets), opt!(ptr opts: L, cookies));
        let has_list = [syms, offsets, counters, cookies].iter().any(|p| !p.is_null()) || count != 0;
        let is_wrong_list = count == 0 || syms.is_null() == offsets.is_null();
        if (pattern.is_some() && has_list) || (pattern.is_none() && is_wrong_list) {
            return Err(Fail::INVAL);
        }
        let (names, offsets) = (strings(syms, count)?, longs(offsets, count));
        let (counters, cookies) = (longs(counters, count), numbers(cookies, count));
        let how = UprobeMultiOpts {
            is_return: opt!(opts: L, retprobe) != 0,
            is_session: opt!(opts: L, session) != 0,
            pid: process(pid),
            ref_ctr_offsets: &counters,
            cookies: &cookies,
            path_fd: None,
        };
        if how.is_return && how.is_session {
            return Err(Fail::INVAL);
        }
        let targets: Vec<UprobeTarget<'_>> = if names.is_empty() {
            offsets.iter().map(|offset| UprobeTarget::FileOffset(*offset)).collect()
        } else {
            names.iter().map(|name| UprobeTarget::Function(name)).collect()
        };
        attach(prog, |p| Ok(match pattern {
            Some(pattern) => p.attach_uprobe_multi(path, pattern, how)?,
            None => p.attach_uprobe_multi_at(path, &targets, how)?,
        }))
    }

    /// Attaches to all places of a statically defined probe.
    fn bpf_program__attach_usdt(
        prog: Ptr<Program>, pid: c_int, binary_path: Str, usdt_provider: Str, usdt_name: Str, opts: Opts<BpfUsdtOpts>,
    ) -> Out<Link> {
        let opts = opts.check()?;
        let how = UsdtOpts { pid: process(pid), cookie: opt!(opts: BpfUsdtOpts, usdt_cookie) };
        let (path, provider, name) = (binary_path.path()?, usdt_provider.get()?, usdt_name.get()?);
        attach(prog, |p| Ok(p.attach_usdt(path, provider, name, how)?))
    }

    /// Attaches to a tracepoint.
    fn bpf_program__attach_tracepoint(prog: Ptr<Program>, tp_category: Str, tp_name: Str) -> Out<Link> {
        let (category, name) = (tp_category.get()?, tp_name.get()?);
        attach(prog, |p| Ok(p.attach_tracepoint(category, name, TracepointOpts::default())?))
    }

    /// Attaches to a tracepoint, with options.
    fn bpf_program__attach_tracepoint_opts(
        prog: Ptr<Program>, tp_category: Str, tp_name: Str, opts: Opts<BpfTracepointOpts>,
    ) -> Out<Link> {
        let opts = opts.check()?;
        let how = TracepointOpts { cookie: opt!(opts: BpfTracepointOpts, bpf_cookie) };
        let (category, name) = (tp_category.get()?, tp_name.get()?);
        attach(prog, |p| Ok(p.attach_tracepoint(category, name, how)?))
    }

    /// Attaches to a tracepoint with its arguments as they are.
    fn bpf_program__attach_raw_tracepoint(prog: Ptr<Program>, tp_name: Str) -> Out<Link> {
        let name = tp_name.get()?;
        attach(prog, |p| Ok(p.attach_raw_tracepoint(name, RawTracepointOpts::default())?))
    }

    /// Attaches to a tracepoint with its arguments as they are, with options.
    fn bpf_program__attach_raw_tracepoint_opts(prog: Ptr<Program>, tp_name: Str, opts: Opts<BpfRawTracepointOpts>) -> Out<Link> {
        let opts = opts.check()?;
        let how = RawTracepointOpts { cookie: opt!(opts: BpfRawTracepointOpts, cookie) };
        let name = tp_name.get()?;
        attach(prog, |p| Ok(p.attach_raw_tracepoint(name, how)?))
    }

    /// Attaches to what the program was loaded for by BTF id.
    fn bpf_program__attach_trace(prog: Ptr<Program>) -> Out<Link> {
        attach(prog, |p| Ok(p.attach_trace(TraceOpts::default())?))
    }

    /// Attaches to what the program was loaded for by BTF id, with options.
    fn bpf_program__attach_trace_opts(prog: Ptr<Program>, opts: Opts<BpfTraceOpts>) -> Out<Link> {
        let opts = opts.check()?;
        let how = TraceOpts { cookie: opt!(opts: BpfTraceOpts, cookie) };
        attach(prog, |p| Ok(p.attach_trace(how)?))
    }

    /// Attaches to many functions by BTF id.
    fn bpf_program__attach_tracing_multi(prog: Ptr<Program>, pattern: Str, opts: Opts<BpfTracingMultiOpts>) -> Out<Link> {
        type L = BpfTracingMultiOpts;
        let opts = opts.check()?;
        let (ids, cookies, count) = (opt!(ptr opts: L, ids), opt!(ptr opts: L, cookies), opt!(opts: L, cnt));
        let pattern = pattern.opt()?;
        let has_list = !ids.is_null() || !cookies.is_null() || count != 0;
        if (pattern.is_some() && has_list) || (pattern.is_none() && (ids.is_null() || count == 0)) {
            return Err(Fail::INVAL);
        }
        let ids: Vec<TypeId> = if ids.is_null() { Vec::new() } else { (0..count).map(|i| TypeId(ids.read(4 * i))).collect() };
        let cookies = numbers(cookies, count);
        let how = TracingMultiOpts { cookies: &cookies };
        let target = pattern.map_or(TracingMultiTarget::Ids(&ids), TracingMultiTarget::Pattern);
        attach(prog, |p| Ok(p.attach_tracing_multi(target, how)?))
    }

    /// Attaches to the LSM hook that the program was loaded for.
    fn bpf_program__attach_lsm(prog: Ptr<Program>) -> Out<Link> {
        attach(prog, |p| Ok(p.attach_lsm()?))
    }

    /// Puts the program over a function of another program.
    fn bpf_program__attach_freplace(prog: Ptr<Program>, target_fd: c_int, attach_func_name: Str) -> Out<Link> {
        let name = attach_func_name.opt()?;
        if (target_fd != 0) != name.is_some() {
            return Err(Fail::INVAL);
        }
        if prog.get()?.with(|p| Ok(p.prog_type()))? != ProgType::EXT {
            return Err(Fail::INVAL);
        }
        let Some(name) = name else { return attach(prog, |p| Ok(p.attach_freplace(None)?)) };
        let target = ProgFd(fd::duplicate(target_fd)?);
        let function = function_of(&target, name)?;
        attach(prog, |p| Ok(p.attach_freplace(Some((&target, function)))?))
    }

    /// Makes the program an iterator.
    fn bpf_program__attach_iter(prog: Ptr<Program>, opts: Opts<BpfIterAttachOpts>) -> Out<Link> {
        type L = BpfIterAttachOpts;
        let opts = opts.check()?;
        let info = opt!(ptr opts: L, link_info).address();
        let len = low_word(opt!(opts: L, link_info_len));
        attach_to(prog, 0, 0, [info, len, 0, 0, 0, 0], "iterator")
    }

    /// Attaches to a control group.
    fn bpf_program__attach_cgroup(prog: Ptr<Program>, cgroup_fd: c_int) -> Out<Link> {
        attach_to(prog, cgroup_fd, 0, [0; 6], "cgroup")
    }

    /// Attaches to a control group, with options.
    fn bpf_program__attach_cgroup_opts(prog: Ptr<Program>, cgroup_fd: c_int, opts: Opts<BpfCgroupOpts>) -> Out<Link> {
        type L = BpfCgroupOpts;
        let opts = opts.check()?;
        let revision = opt!(opts: L, expected_revision);
        let (by_id, kind) = ordered(opt!(opts: L, relative_fd), opt!(opts: L, relative_id), revision)?;
        attach_to(prog, cgroup_fd, opt!(opts: L, flags) | by_id, kind, "cgroup")
    }

    /// Attaches to a network namespace.
    fn bpf_program__attach_netns(prog: Ptr<Program>, netns_fd: c_int) -> Out<Link> {
        attach_to(prog, netns_fd, 0, [0; 6], "netns")
    }

    /// Attaches to a sockmap.
    fn bpf_program__attach_sockmap(prog: Ptr<Program>, map_fd: c_int) -> Out<Link> {
        attach_to(prog, map_fd, 0, [0; 6], "sockmap")
    }

    /// Attaches to a network interface.
    fn bpf_program__attach_xdp(prog: Ptr<Program>, ifindex: c_int) -> Out<Link> {
        attach_to(prog, ifindex, 0, [0; 6], "xdp")
    }

    /// Attaches to a network interface's list of programs.
    fn bpf_program__attach_tcx(prog: Ptr<Program>, ifindex: c_int, opts: Opts<BpfTcxOpts>) -> Out<Link> {
        type L = BpfTcxOpts;
        let opts = opts.check()?;
        if ifindex == 0 {
            return Err(Fail::INVAL);
        }
        let revision = opt!(opts: L, expected_revision);
        let (by_id, kind) = ordered(opt!(opts: L, relative_fd), opt!(opts: L, relative_id), revision)?;
        attach_to(prog, ifindex, opt!(opts: L, flags) | by_id, kind, "tcx")
    }

    /// Attaches to a netkit device.
    fn bpf_program__attach_netkit(prog: Ptr<Program>, ifindex: c_int, opts: Opts<BpfNetkitOpts>) -> Out<Link> {
        type L = BpfNetkitOpts;
        let opts = opts.check()?;
        if ifindex == 0 {
            return Err(Fail::INVAL);
        }
        let revision = opt!(opts: L, expected_revision);
        let (by_id, kind) = ordered(opt!(opts: L, relative_fd), opt!(opts: L, relative_id), revision)?;
        attach_to(prog, ifindex, opt!(opts: L, flags) | by_id, kind, "netkit")
    }

    /// Attaches to a netfilter hook.
    fn bpf_program__attach_netfilter(prog: Ptr<Program>, opts: Opts<BpfNetfilterOpts>) -> Out<Link> {
        type L = BpfNetfilterOpts;
        if opts.is_null() {
            return Err(Fail::INVAL);
        }
        let opts = opts.check()?;
        let place = words(opt!(opts: L, pf), opt!(opts: L, hooknum));
        let order = words(opt!(opts: L, priority) as u32, opt!(opts: L, flags));
        attach_to(prog, 0, 0, [place, order, 0, 0, 0, 0], "netfilter")
    }
}

fn perf_event(prog: Ptr<Program>, pfd: c_int, opts: PerfEventOpts) -> Result<*const Link, Fail> {
    if pfd < 0 {
        return Err(Fail::INVAL);
    }
    if prog.get()?.fd().is_err() {
        return Err(Fail::INVAL);
    }
    // On an error the descriptor stays C's: the link works on a duplicate until it is made.
    let event = fd::duplicate(pfd)?;
    let link = attach(prog, |p| Ok(p.attach_perf_event_handle(event, opts)?))?;
    drop(fd::own(pfd)?);
    Ok(link)
}

/// Attaches as the section says; nothing if it says too little.
///
/// # Errors
/// `EINVAL` before the program is loaded, `EOPNOTSUPP` for a section that never attaches, what attaching says.
pub fn by_section(prog: &Program) -> Result<Option<*const Link>, Fail> {
    if let Some(handler) = &prog.handler {
        let call = handler.attach.ok_or(Fail::OPNOTSUPP)?;
        prog.fd().map_err(|_| Fail::INVAL)?;
        let mut link: *const Link = core::ptr::null();
        let answer = call(prog, handler.cookie, &raw mut link);
        if answer != 0 {
            return Err(Fail(answer.saturating_abs()));
        }
        return Ok((!link.is_null()).then_some(link));
    }
    prog.with(|p| {
        if p.attach_kind() == oxbpf::AttachKind::Explicit {
            return Err(Fail::OPNOTSUPP);
        }
        if !p.is_loaded() {
            log::warn!("prog '{}': can't attach BPF program without FD (was it loaded?)", p.name());
            return Err(Fail::INVAL);
        }
        let says_where = p.attach_btf_id() != TypeId::VOID || p.extra().is_some_and(|e| !e.is_empty());
        if !says_where {
            return Ok(None);
        }
        Ok(Some(give(Link::new(p.attach()?))))
    })
}
