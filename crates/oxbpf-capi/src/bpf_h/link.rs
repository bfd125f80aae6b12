//! Links by descriptors.

use core::ffi::c_int;

use oxbpf_uapi::AttachType;
use zerocopy::IntoBytes;

use super::attr::{LinkCreate, LinkUpdate, One, RawTracepoint, Two, cmd};
use super::prog::neighbour;
use crate::abi::{BpfLinkCreateOpts, BpfLinkUpdateOpts, LINK_CREATE_KIND};
use crate::fail::Fail;
use crate::opts::{Given, Opts};
use crate::ret::Int;
use crate::sys::{bpf, bpf_fd};

/// What the options of an attach type look like, of which there is a union.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Iter,
    /// So many bytes that the kernel has in the same layout.
    Same(usize),
    /// A cookie, behind a BTF id for the kernel.
    Tracing,
    /// A neighbour by descriptor or id, and a revision.
    Ordered,
    None,
}

fn kind_of(attach_type: AttachType) -> Kind {
    match attach_type {
        AttachType::TRACE_ITER => Kind::Iter,
        AttachType::PERF_EVENT => Kind::Same(8),
        AttachType::TRACE_KPROBE_MULTI | AttachType::TRACE_KPROBE_SESSION => Kind::Same(32),
        AttachType::TRACE_UPROBE_MULTI | AttachType::TRACE_UPROBE_SESSION => Kind::Same(48),
        AttachType::TRACE_FENTRY_MULTI | AttachType::TRACE_FEXIT_MULTI | AttachType::TRACE_FSESSION_MULTI => {
            Kind::Same(20)
        }
        AttachType::TRACE_RAW_TP
        | AttachType::TRACE_FENTRY
        | AttachType::TRACE_FEXIT
        | AttachType::MODIFY_RETURN
        | AttachType::TRACE_FSESSION
        | AttachType::LSM_MAC => Kind::Tracing,
        AttachType::NETFILTER => Kind::Same(16),
        AttachType::TCX_INGRESS
        | AttachType::TCX_EGRESS
        | AttachType::NETKIT_PRIMARY
        | AttachType::NETKIT_PEER
        | AttachType::LSM_CGROUP => Kind::Ordered,
        other if other.short_name().is_some_and(|name| name.starts_with("cgroup")) => Kind::Ordered,
        _ => Kind::None,
    }
}

/// Attach types that older kernels have without `BPF_LINK_CREATE`.
const BY_RAW_TRACEPOINT: [AttachType; 5] = [
    AttachType::TRACE_RAW_TP,
    AttachType::LSM_MAC,
    AttachType::TRACE_FENTRY,
    AttachType::TRACE_FEXIT,
    AttachType::MODIFY_RETURN,
];

/// The kind's part of the request, from the options that the caller gave.
fn fill(attr: &mut LinkCreate, opts: &Given<BpfLinkCreateOpts>) -> Result<(), Fail> {
    type L = BpfLinkCreateOpts;
    let mut given = [0u64; 6];
    for (i, word) in given.iter_mut().enumerate() {
        let at = LINK_CREATE_KIND + 8 * i;
        // A caller whose struct ends inside of a word has nothing there.
        *word = if opts.has(at + 8) { opts.memory().read(at) } else { u64::from(opts.tail(at)) };
    }
    let zero_from = |at: usize| given.as_bytes().get(at..).unwrap_or_default().iter().all(|b| *b == 0);
    let kind = kind_of(AttachType(attr.attach_type));
    let used = match kind {
        Kind::Iter => {
            attr.kind[0] = opt!(ptr opts: L, iter_info).address();
            attr.kind[1] = low_word(opt!(opts: L, iter_info_len));
            return Ok(());
        }
        Kind::Same(bytes) => {
            let place = attr.kind.as_mut_bytes().get_mut(..bytes).unwrap_or_default();
            place.copy_from_slice(given.as_bytes().get(..bytes).unwrap_or_default());
            bytes
        }
        Kind::Tracing => {
            attr.kind[1] = given[0];
            8
        }
        Kind::Ordered => {
            let words = [given[0].to_ne_bytes()];
            let word = |at: usize| words.as_bytes().get(at..at + 4).and_then(|b| b.try_into().ok());
            let fd = word(0).map_or(0, u32::from_ne_bytes);
            let id = word(4).map_or(0, u32::from_ne_bytes);
            let (relative, by_id) = neighbour(fd, id)?;
            attr.flags |= by_id;
            attr.kind[0] = low_word(relative);
            attr.kind[1] = given[1];
            16
        }
        Kind::None => 0,
    };
    if zero_from(used) { Ok(()) } else { Err(Fail::INVAL) }
}

/// A word of 64 bits whose first four bytes in memory are a number.
fn low_word(number: u32) -> u64 {
    let mut word = [0; 8];
    word[..4].copy_from_slice(&number.to_ne_bytes());
    u64::from_ne_bytes(word)
}

/// Creates a link.
pub(crate) fn create(
    prog: c_int,
    target: c_int,
    attach_type: u32,
    opts: Opts<BpfLinkCreateOpts>,
) -> Result<c_int, Fail> {
    type L = BpfLinkCreateOpts;
    let opts = opts.check()?;
    let (iter_len, target_btf_id) = (opt!(opts: L, iter_info_len), opt!(opts: L, target_btf_id));
    if (iter_len != 0 && target_btf_id != 0)
        || ((iter_len != 0 || target_btf_id != 0) && !opts.is_zero_from(LINK_CREATE_KIND))
    {
        return Err(Fail::INVAL);
    }
    let mut attr = LinkCreate {
        prog_fd: prog as u32,
        target_fd: target as u32,
        attach_type,
        flags: opt!(opts: L, flags),
        kind: [0; 6],
    };
    if target_btf_id != 0 {
        attr.kind[0] = low_word(target_btf_id);
    } else {
        fill(&mut attr, &opts)?;
    }
    finish(attr, opts.is_zero_from(size_of::<usize>()))
}

/// Creates a link, or attaches in the way of older kernels if nothing that they lack was asked for.
pub(crate) fn finish(mut attr: LinkCreate, is_plain: bool) -> Result<c_int, Fail> {
    let result = bpf_fd(cmd::LINK_CREATE, &mut attr);
    let is_old = result == Err(Fail::INVAL) && is_plain && attr.target_fd == 0;
    if is_old && BY_RAW_TRACEPOINT.contains(&AttachType(attr.attach_type)) {
        let mut attr = RawTracepoint { prog_fd: attr.prog_fd, ..RawTracepoint::default() };
        return bpf_fd(cmd::RAW_TRACEPOINT_OPEN, &mut attr);
    }
    result
}

export! {
    /// Creates a link.
    fn bpf_link_create(prog_fd: c_int, target_fd: c_int, attach_type: u32, opts: Opts<BpfLinkCreateOpts>) -> Int {
        create(prog_fd, target_fd, attach_type, opts)
    }

    /// Detaches by force.
    fn bpf_link_detach(link_fd: c_int) -> Int {
        bpf(cmd::LINK_DETACH, &mut One { value: link_fd as u32 })
    }

    /// Attaches another program or map in place of a link's.
    fn bpf_link_update(link_fd: c_int, new_prog_fd: c_int, opts: Opts<BpfLinkUpdateOpts>) -> Int {
        type L = BpfLinkUpdateOpts;
        let opts = opts.check()?;
        let (prog, map) = (opt!(opts: L, old_prog_fd), opt!(opts: L, old_map_fd));
        if prog != 0 && map != 0 {
            return Err(Fail::INVAL);
        }
        let mut attr = LinkUpdate {
            link_fd: link_fd as u32,
            new_fd: new_prog_fd as u32,
            flags: opt!(opts: L, flags),
            old_fd: prog | map,
        };
        bpf(cmd::LINK_UPDATE, &mut attr)
    }

    /// Opens an iterator.
    fn bpf_iter_create(link_fd: c_int) -> Int {
        bpf_fd(cmd::ITER_CREATE, &mut Two { first: link_fd as u32, second: 0 })
    }
}
