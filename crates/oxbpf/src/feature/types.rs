//! Which types of programs and maps, and which helpers, a kernel has: the smallest of each is tried.
//!
//! Some types are never granted that easily, so for those the way in which the kernel refuses is the answer: it has the type
//! if it complains about what the program is attached to.

use oxbpf_kernel::{BtfFd, Fact, Kernel, LogBuf, MapCreate, MapFd, ProgLoad};
use oxbpf_uapi::flags::{MapFlags, ProgLoadFlags};
use oxbpf_uapi::map_type::{EntriesRule, KeyRule, ValueRule};
use oxbpf_uapi::{AttachType, Errno, HelperId, Insn, MapType, ProgType};

use super::probes::{EXIT, RETURN_0, accepted, call, load_btf};
use crate::error::{Error, Result};

/// How a program of some type has to be asked for, and what answer shows that the kernel knows the type.
struct Special {
    prog_type: ProgType,
    attach_type: AttachType,
    flags: ProgLoadFlags,
    /// A type of the kernel's BTF that is no function.
    attach_btf_id: u32,
    proof: Proof,
}

/// What shows that the kernel knows a type.
#[derive(Clone, Copy)]
enum Proof {
    /// It loads the program.
    Loaded,
    /// It refuses with this number.
    Errno(Errno),
    /// It refuses with `EINVAL`, and says this.
    Complaint(&'static str),
}

const PLAIN: Special = Special {
    prog_type: ProgType::UNSPEC,
    attach_type: AttachType(0),
    flags: ProgLoadFlags::empty(),
    attach_btf_id: 0,
    proof: Proof::Loaded,
};

const NO_FUNCTION: Proof = Proof::Complaint("attach_btf_id 1 is not a function");

/// The types for which a program with nothing but two instructions will not do.
const SPECIAL: &[Special] = &[
    Special { prog_type: ProgType::CGROUP_SOCK_ADDR, attach_type: AttachType::CGROUP_INET4_CONNECT, ..PLAIN },
    Special { prog_type: ProgType::CGROUP_SOCKOPT, attach_type: AttachType::CGROUP_GETSOCKOPT, ..PLAIN },
    Special { prog_type: ProgType::SK_LOOKUP, attach_type: AttachType::SK_LOOKUP, ..PLAIN },
    Special { prog_type: ProgType::LIRC_MODE2, attach_type: AttachType::LIRC_MODE2, ..PLAIN },
    Special { prog_type: ProgType::NETFILTER, attach_type: AttachType::NETFILTER, ..PLAIN },
    Special { prog_type: ProgType::SYSCALL, flags: ProgLoadFlags::SLEEPABLE, ..PLAIN },
    Special {
        prog_type: ProgType::TRACING,
        attach_type: AttachType::TRACE_FENTRY,
        attach_btf_id: 1,
        proof: NO_FUNCTION,
        ..PLAIN
    },
    Special {
        prog_type: ProgType::LSM,
        attach_type: AttachType::MODIFY_RETURN,
        attach_btf_id: 1,
        proof: NO_FUNCTION,
        ..PLAIN
    },
    Special {
        prog_type: ProgType::EXT,
        attach_btf_id: 1,
        proof: Proof::Complaint("Cannot replace kernel functions"),
        ..PLAIN
    },
    Special { prog_type: ProgType::STRUCT_OPS, proof: Proof::Errno(Errno::ENOTSUPP), ..PLAIN },
];

/// What the kernel answered to a program, and what it said.
struct Answer {
    result: Result<(), Errno>,
    log: String,
}

/// Bytes of log: the complaint that matters is short and comes first.
const LOG_SIZE: usize = 4096;

fn try_load(kernel: &Kernel, prog_type: ProgType, insns: &[Insn], ifindex: u32) -> (Answer, Proof) {
    let how = SPECIAL.iter().find(|s| s.prog_type == prog_type).unwrap_or(&PLAIN);
    let mut text = vec![0; LOG_SIZE];
    let request = ProgLoad {
        prog_type,
        insns,
        license: "GPL",
        log: Some(LogBuf { level: 1, buf: &mut text, true_size: 0 }),
        // Kernels before 5.0 check it, for this type only.
        kern_version: if prog_type == ProgType::KPROBE { number(kernel, Fact::KernelVersion) } else { 0 },
        prog_flags: how.flags.bits(),
        expected_attach_type: how.attach_type,
        attach_btf_id: how.attach_btf_id,
        prog_ifindex: ifindex,
        ..ProgLoad::default()
    };
    let (result, request) = kernel.prog_load(request);
    let log = request.log.map(|log| log.text()).unwrap_or_default();
    (Answer { result: result.map(drop), log }, how.proof)
}

/// Whether the kernel has the program type; with `ifindex`, whether that device takes programs of the type.
pub(super) fn prog_type(kernel: &Kernel, prog_type: ProgType, ifindex: u32) -> Result<bool> {
    if prog_type.info().is_none() || prog_type == ProgType::UNSPEC {
        return Err(Error::unsupported("this program type", ""));
    }
    // One driver takes no 0 for a verdict.
    let [mut verdict, exit] = RETURN_0;
    verdict.imm = if ifindex == 0 { 0 } else { 2 };
    let (answer, proof) = try_load(kernel, prog_type, &[verdict, exit], ifindex);
    match (proof, answer.result) {
        (Proof::Errno(number), Err(e)) if e == number => Ok(true),
        (Proof::Complaint(text), Err(Errno::EINVAL)) => Ok(answer.log.contains(text)),
        (Proof::Loaded, result) => accepted(result).map_err(Error::kernel),
        (Proof::Errno(_) | Proof::Complaint(_), result) => {
            accepted(result).map(|_| false).map_err(Error::kernel)
        }
    }
}

/// What the verifier says of a call that it refuses whatever the arguments are.
const NO_HELPER: [&str; 3] = ["invalid func ", "unknown func ", "program of this type cannot use helper "];

/// Whether programs of a type may call the helper.
pub(super) fn helper(kernel: &Kernel, prog_type: ProgType, helper: HelperId, ifindex: u32) -> Result<bool> {
    let is_plain = !SPECIAL.iter().any(|s| s.prog_type == prog_type && s.attach_btf_id != 0);
    if prog_type.info().is_none()
        || !is_plain
        || [ProgType::UNSPEC, ProgType::STRUCT_OPS].contains(&prog_type)
    {
        return Err(Error::unsupported("asking for the helpers of this program type", ""));
    }
    let (answer, _) = try_load(kernel, prog_type, &[call(helper), EXIT], ifindex);
    match answer.result {
        Ok(()) => Ok(true),
        // Nothing was said, so nobody looked at the call.
        Err(e) if answer.log.is_empty() => accepted::<()>(Err(e)).map_err(Error::kernel),
        Err(_) => Ok(!NO_HELPER.iter().any(|text| answer.log.contains(text))),
    }
}

/// `struct val { int cnt; struct bpf_spin_lock l; }`: what values of storage maps need for their BTF. Its id is [`STORAGE_VALUE`].
fn storage_btf(kernel: &Kernel) -> Result<BtfFd, Errno> {
    use oxbpf_btf::IntFlags;
    load_btf(kernel, |b| {
        let int = b.add_int("int", 4, IntFlags::SIGNED)?;
        let lock = b.add_struct("bpf_spin_lock", 4)?;
        b.add_field("val", int, 0, 0)?;
        b.add_struct("val", 8)?;
        b.add_field("cnt", int, 0, 0)?;
        b.add_field("l", lock, 32, 0)
    })
}

const STORAGE_KEY: u32 = 1;
const STORAGE_VALUE: u32 = 3;

/// A fact that is a number; 0 if the kernel does not tell.
fn number(kernel: &Kernel, fact: Fact<'_>) -> u32 {
    let text = kernel.fact(fact).ok();
    text.and_then(|text| String::from_utf8_lossy(&text).trim().parse().ok()).unwrap_or(0)
}

/// Whether the kernel has the map type; with `ifindex`, whether that device takes such maps.
pub(super) fn map_type(kernel: &Kernel, map_type: MapType, ifindex: u32) -> Result<bool> {
    let Some(info) = map_type.info().filter(|_| map_type != MapType::UNSPEC) else {
        return Err(Error::unsupported("this map type", ""));
    };
    let (mut btf, mut inner) = (None, None);
    if info.key == KeyRule::Fd {
        btf = Some(storage_btf(kernel).map_err(Error::kernel)?);
    }
    if map_type.holds_maps() {
        inner = Some(smallest_hash(kernel).map_err(Error::kernel)?);
    }
    let is_struct_ops = info.value == ValueRule::StructOps;
    let request = MapCreate {
        map_type,
        key_size: match info.key {
            KeyRule::None => 0,
            KeyRule::Prefix => 8,
            KeyRule::Cgroup => 16,
            _ => 4,
        },
        value_size: match info.value {
            ValueRule::None => 0,
            ValueRule::Stack => 8,
            ValueRule::Insn => size_of::<oxbpf_uapi::ctx::InsnArrayValue>() as u32,
            ValueRule::Any if info.entries == EntriesRule::Zero => 8,
            _ => 4,
        },
        max_entries: match info.entries {
            EntriesRule::Zero => 0,
            EntriesRule::RingBytes => number(kernel, Fact::PageSize),
            _ => 1,
        },
        map_flags: info.required.bits(),
        inner_map: inner.as_ref(),
        map_ifindex: ifindex,
        btf: btf.as_ref(),
        btf_key_type_id: if btf.is_some() { STORAGE_KEY } else { 0 },
        btf_value_type_id: if btf.is_some() { STORAGE_VALUE } else { 0 },
        // No struct of operations, so a kernel that looks refuses with a number of its own.
        btf_vmlinux_value_type_id: if is_struct_ops { 1 } else { 0 },
        ..MapCreate::default()
    };
    match kernel.map_create(request) {
        Err(Errno::ENOTSUPP) if is_struct_ops => Ok(true),
        Ok(_) if is_struct_ops => Ok(false),
        result => accepted(result).map_err(Error::kernel),
    }
}

fn smallest_hash(kernel: &Kernel) -> Result<MapFd, Errno> {
    kernel.map_create(MapCreate {
        map_type: MapType::HASH,
        key_size: 4,
        value_size: 4,
        max_entries: 1,
        map_flags: MapFlags::empty().bits(),
        ..MapCreate::default()
    })
}
