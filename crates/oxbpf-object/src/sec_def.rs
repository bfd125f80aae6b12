//! The table of `SEC()` names.

use oxbpf_uapi::{AttachType, ProgType};

/// How a program with a section name attaches by itself. `oxbpf::link` matches on it exhaustively.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttachKind {
    /// Not by its section name alone: needs a target that the caller gives.
    Explicit,
    /// kprobe or kretprobe.
    Kprobe,
    /// kprobe.multi or kretprobe.multi.
    KprobeMulti,
    /// kprobe.session.
    KprobeSession,
    /// uprobe or uretprobe.
    Uprobe,
    /// Many uprobes.
    UprobeMulti,
    /// ksyscall or kretsyscall.
    Ksyscall,
    /// USDT.
    Usdt,
    /// Tracepoint.
    Tracepoint,
    /// Raw tracepoint.
    RawTracepoint,
    /// By the BTF id that it was loaded with: fentry, fexit, fmod_ret, tp_btf, freplace, fsession.
    Trace,
    /// Many functions by BTF id.
    TracingMulti,
    /// LSM hook.
    Lsm,
    /// Iterator.
    Iter,
}

/// Flags of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SecFlags {
    /// Has an attach type that bpf(2) `PROG_ATTACH` takes.
    pub attachable: bool,
    /// The attach type may be left out on kernels that do not know it at load.
    pub exp_attach_type_optional: bool,
    /// Needs the BTF id of what it attaches to at load.
    pub attach_btf: bool,
    /// `BPF_F_SLEEPABLE`.
    pub sleepable: bool,
    /// `BPF_F_XDP_HAS_FRAGS`.
    pub xdp_frags: bool,
    /// Needs the USDT maps and spec.
    pub usdt: bool,
}

/// One row: a name pattern and what it means.
#[derive(Debug, PartialEq, Eq)]
pub struct SecDef {
    /// Name; ends in `+` if `name/extra` matches too.
    pub pattern: &'static str,
    /// Program type.
    pub prog_type: ProgType,
    /// Attach type.
    pub attach_type: AttachType,
    /// Flags.
    pub flags: SecFlags,
    /// How it attaches.
    pub attach: AttachKind,
}
