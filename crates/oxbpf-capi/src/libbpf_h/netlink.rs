//! XDP programs and TC filters over netlink.

use core::ffi::c_int;

use oxbpf::link::{TcHook, TcOpts, TcPoint, TcQdisc, query_xdp, query_xdp_features, set_xdp_flags};
use oxbpf_kernel::ProgFd;
use oxbpf_uapi::flags::XdpFlags;

use crate::abi::{BpfTcHook, BpfTcOpts, BpfXdpAttachOpts, BpfXdpQueryOpts};
use crate::arg::Put;
use crate::fail::Fail;
use crate::fd;
use crate::object::kernel;
use crate::opts::{Given, Opts};
use crate::ret::Int;

/// Modes: generic, driver, device.
const SKB: u32 = 2;
const DRV: u32 = 4;
const HW: u32 = 8;
const MODES: u32 = SKB | DRV | HW;
/// Modes, no replacing, and replacing what is expected.
const KNOWN: u32 = MODES | 1 | 16;
/// Several programs are attached, in different modes.
const ATTACHED_MULTI: u8 = 4;

/// Places of filters.
const INGRESS: u32 = 1;
const EGRESS: u32 = 2;
const BOTH: u32 = INGRESS | EGRESS;
const CUSTOM: u32 = 4;
const QDISC: u32 = 8;
/// Takes the place of the filter that is there.
const REPLACE: u32 = 1;

fn set_xdp(ifindex: c_int, prog: c_int, flags: u32, opts: Opts<BpfXdpAttachOpts>) -> Result<c_int, Fail> {
    let opts = opts.check()?;
    let old = opt!(opts: BpfXdpAttachOpts, old_prog_fd);
    let old = (old != 0).then_some(old);
    set_xdp_flags(kernel(), ifindex as u32, prog, XdpFlags::from_bits_retain(flags), old)?;
    Ok(0)
}

/// The one mode that flags ask for, 0 for any.
fn mode_of(flags: c_int) -> Result<u32, Fail> {
    let flags = u32::try_from(flags).map_err(|_| Fail::INVAL)?;
    let mode = flags & MODES;
    if flags & !(KNOWN | MODES) != 0 || mode & mode.wrapping_sub(1) != 0 {
        return Err(Fail::INVAL);
    }
    Ok(mode)
}

type Hook = Given<BpfTcHook>;

fn check_hook(hook: Opts<BpfTcHook>) -> Result<Hook, Fail> {
    if hook.is_null() {
        return Err(Fail::INVAL);
    }
    let hook = hook.check()?;
    if opt!(hook: BpfTcHook, ifindex) <= 0 {
        return Err(Fail::INVAL);
    }
    Ok(hook)
}

/// Where filters of a hook are.
fn filters_at(hook: &Hook) -> Result<TcHook, Fail> {
    let (point, parent) = (opt!(hook: BpfTcHook, attach_point), opt!(hook: BpfTcHook, parent));
    let ifindex = opt!(hook: BpfTcHook, ifindex) as u32;
    let point = match (point, parent) {
        (INGRESS, 0) => TcPoint::Ingress,
        (EGRESS, 0) => TcPoint::Egress,
        (CUSTOM, parent) if parent != 0 => TcPoint::Parent(parent),
        _ => return Err(Fail::INVAL),
    };
    Ok(TcHook { ifindex, point })
}

/// Creates or removes the qdisc of a hook.
fn qdisc(hook: &Hook, creates: bool) -> Result<c_int, Fail> {
    let ifindex = opt!(hook: BpfTcHook, ifindex) as u32;
    let done = match (opt!(hook: BpfTcHook, attach_point), opt!(hook: BpfTcHook, parent)) {
        (INGRESS | EGRESS | BOTH, 0) => {
            let hook = TcHook::ingress(ifindex);
            if creates { hook.create(kernel())? } else { hook.destroy(kernel()).map(|()| true)? }
        }
        (QDISC, parent) => {
            let kind = opt!(str hook: BpfTcHook, qdisc);
            let kind = kind.get()?;
            let qdisc = TcQdisc { ifindex, kind, parent, handle: opt!(hook: BpfTcHook, handle) };
            if creates { qdisc.create(kernel())? } else { qdisc.destroy(kernel()).map(|()| true)? }
        }
        (CUSTOM, _) => return Err(Fail::OPNOTSUPP),
        _ => return Err(Fail::INVAL),
    };
    if done { Ok(0) } else { Err(Fail(libc::EEXIST)) }
}

/// The options of a filter: handle and priority.
fn filter(opts: Opts<BpfTcOpts>) -> Result<(Given<BpfTcOpts>, u32, u16), Fail> {
    type L = BpfTcOpts;
    if opts.is_null() {
        return Err(Fail::INVAL);
    }
    let opts = opts.check()?;
    let handle = opt!(opts: L, handle);
    let priority = u16::try_from(opt!(opts: L, priority)).map_err(|_| Fail::INVAL)?;
    Ok((opts, handle, priority))
}

/// Refuses what makes no sense for a filter that is there already.
fn expect_found(opts: &Given<BpfTcOpts>, handle: u32, priority: u16) -> Result<(), Fail> {
    type L = BpfTcOpts;
    let is_odd = opt!(opts: L, flags) != 0 || opt!(opts: L, prog_fd) != 0 || opt!(opts: L, prog_id) != 0;
    if is_odd || handle == 0 || priority == 0 { Err(Fail::INVAL) } else { Ok(()) }
}

export! {
    /// Sets the XDP program of an interface, or removes it: `prog_fd` is −1 then.
    fn bpf_xdp_attach(ifindex: c_int, prog_fd: c_int, flags: u32, opts: Opts<BpfXdpAttachOpts>) -> Int {
        set_xdp(ifindex, prog_fd, flags, opts)
    }

    /// Removes the XDP program of an interface.
    fn bpf_xdp_detach(ifindex: c_int, flags: u32, opts: Opts<BpfXdpAttachOpts>) -> Int {
        set_xdp(ifindex, -1, flags, opts)
    }

    /// Which XDP programs an interface has, and what it can do.
    fn bpf_xdp_query(ifindex: c_int, flags: c_int, opts: Opts<BpfXdpQueryOpts>) -> Int {
        type L = BpfXdpQueryOpts;
        let opts = opts.check()?;
        mode_of(flags)?;
        let state = query_xdp(kernel(), ifindex as u32)?;
        put_opt!(opts: L, prog_id = state.prog_id);
        put_opt!(opts: L, drv_prog_id = state.drv_prog_id);
        put_opt!(opts: L, hw_prog_id = state.hw_prog_id);
        put_opt!(opts: L, skb_prog_id = state.skb_prog_id);
        put_opt!(opts: L, attach_mode = state.attach_mode);
        if opts.has(core::mem::offset_of!(L, feature_flags) + size_of::<u64>()) {
            let features = query_xdp_features(kernel(), ifindex as u32)?;
            put_opt!(opts: L, feature_flags = features.flags);
            put_opt!(opts: L, xdp_zc_max_segs = features.zc_max_segs);
        }
        Ok(0)
    }

    /// The id of an interface's XDP program in a mode.
    fn bpf_xdp_query_id(ifindex: c_int, flags: c_int, prog_id: Put<u32>) -> Int {
        let mode = mode_of(flags)?;
        let state = query_xdp(kernel(), ifindex as u32)?;
        prog_id.set(match mode {
            0 if state.attach_mode != ATTACHED_MULTI => state.prog_id,
            DRV => state.drv_prog_id,
            HW => state.hw_prog_id,
            SKB => state.skb_prog_id,
            _ => 0,
        });
        Ok(0)
    }

    /// Creates the qdisc that filters of a hook need; −EEXIST if it is there.
    fn bpf_tc_hook_create(hook: Opts<BpfTcHook>) -> Int {
        qdisc(&check_hook(hook)?, true)
    }

    /// Removes the filters of a hook, or for both directions the qdisc.
    fn bpf_tc_hook_destroy(hook: Opts<BpfTcHook>) -> Int {
        let hook = check_hook(hook)?;
        match opt!(hook: BpfTcHook, attach_point) {
            INGRESS | EGRESS => {
                filters_at(&hook)?.flush(kernel())?;
                Ok(0)
            }
            _ => qdisc(&hook, false),
        }
    }

    /// Adds a filter; its handle, priority and program id are put into the options.
    fn bpf_tc_attach(hook: Opts<BpfTcHook>, opts: Opts<BpfTcOpts>) -> Int {
        type L = BpfTcOpts;
        let hook = check_hook(hook)?;
        let (opts, handle, priority) = filter(opts)?;
        let (prog, flags) = (opt!(opts: L, prog_fd), opt!(opts: L, flags));
        if prog == 0 || opt!(opts: L, prog_id) != 0 || flags & !REPLACE != 0 {
            return Err(Fail::INVAL);
        }
        let at = filters_at(&hook)?;
        let how = TcOpts { handle, priority, replace: flags & REPLACE != 0, no_qdisc: true };
        let made = at.attach(kernel(), &ProgFd(fd::duplicate(prog)?), how)?;
        put_opt!(opts: L, handle = made.handle);
        put_opt!(opts: L, priority = u32::from(made.priority));
        put_opt!(opts: L, prog_id = made.prog_id);
        Ok(0)
    }

    /// Removes a filter by handle and priority.
    fn bpf_tc_detach(hook: Opts<BpfTcHook>, opts: Opts<BpfTcOpts>) -> Int {
        let hook = check_hook(hook)?;
        let (opts, handle, priority) = filter(opts)?;
        expect_found(&opts, handle, priority)?;
        filters_at(&hook)?.detach(kernel(), handle, priority)?;
        Ok(0)
    }

    /// Asks about a filter by handle and priority; its program id is put into the options.
    fn bpf_tc_query(hook: Opts<BpfTcHook>, opts: Opts<BpfTcOpts>) -> Int {
        type L = BpfTcOpts;
        let hook = check_hook(hook)?;
        let (opts, handle, priority) = filter(opts)?;
        expect_found(&opts, handle, priority)?;
        let found = filters_at(&hook)?.query(kernel(), handle, priority)?;
        put_opt!(opts: L, handle = found.handle);
        put_opt!(opts: L, priority = u32::from(found.priority));
        put_opt!(opts: L, prog_id = found.prog_id);
        Ok(0)
    }
}
