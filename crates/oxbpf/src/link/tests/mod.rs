//! Programs attached to events of the running kernel.
//!
//! They need root and a kernel that allows what they attach to; where that is missing a test says so and returns.

#![allow(clippy::print_stderr, reason = "a skipped test says why")]

mod info;
mod iters;
mod links;
mod modes;
mod net;
mod points;
mod trace;
mod transcript;
mod user;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;

use oxbpf_btf::{Btf, TypeId};
use oxbpf_kernel::{Fact, Kernel, LogBuf, MapCreate, MapFd, ProgFd, ProgLoad};
use oxbpf_uapi::insn::{
    BPF_ADD, BPF_ALU64, BPF_ATOMIC, BPF_CALL, BPF_DW, BPF_EXIT, BPF_JEQ, BPF_JMP, BPF_JMP32, BPF_JNE, BPF_K,
    BPF_LDX, BPF_MEM, BPF_MOV, BPF_PSEUDO_MAP_FD, BPF_ST, BPF_STX, BPF_X, LD_IMM64,
};
use oxbpf_uapi::{AttachType, BtfKind, Errno, HelperId, Insn, MapType, ProgType};

use super::attach::Attach;
use crate::feature::Features;

/// Says why a test does nothing, where a run that captures output shows and counts it.
#[track_caller]
pub(crate) fn skip(why: &str) {
    testkit::skip_this(why);
}

/// The running kernel, if it lets the caller use BPF.
pub(crate) fn kernel() -> Option<Kernel> {
    let kernel = oxbpf_sys::kernel();
    // Before Linux 5.11 maps and programs count as locked memory.
    let _ = oxbpf_sys::raise_memlock();
    let array = MapCreate {
        map_type: MapType::ARRAY,
        key_size: 4,
        value_size: 8,
        max_entries: 1,
        ..MapCreate::default()
    };
    let insns = [mov(0, 0), EXIT];
    let tracing = ProgLoad {
        prog_type: ProgType::RAW_TRACEPOINT,
        insns: &insns,
        license: "GPL",
        ..ProgLoad::default()
    };
    match kernel.map_create(array).and_then(|_| kernel.prog_load(tracing).0) {
        Ok(_) => Some(kernel),
        Err(e) => {
            skip(&format!("bpf(2) says {e}"));
            None
        }
    }
}

/// The id of the calling thread.
pub(crate) fn thread_id() -> i32 {
    let link = std::fs::read_link("/proc/thread-self").expect("procfs");
    let name = link.file_name().and_then(|n| n.to_str()).expect("a number");
    name.parse().expect("a number")
}

/// A system call that does nothing, made through a function of the C library.
pub(crate) fn call_getppid() {
    std::hint::black_box(std::os::unix::process::parent_id());
}

pub(crate) const fn mov(reg: u8, value: i32) -> Insn {
    Insn::new(BPF_ALU64 | BPF_MOV | BPF_K, reg, 0, 0, value)
}

pub(crate) const fn mov_reg(dst: u8, src: u8) -> Insn {
    Insn::new(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
}

pub(crate) const fn call(helper: HelperId) -> Insn {
    Insn::new(BPF_JMP | BPF_CALL, 0, 0, 0, helper.0 as i32)
}

pub(crate) const EXIT: Insn = Insn::new(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);

/// `dst = *(u64 *)(src + off)`.
pub(crate) const fn load_u64(dst: u8, src: u8, off: i16) -> Insn {
    Insn::new(BPF_LDX | BPF_MEM | BPF_DW, dst, src, off, 0)
}

/// `*(u64 *)(r10 + off) = value`.
pub(crate) const fn store_u64(off: i16, value: i32) -> Insn {
    Insn::new(BPF_ST | BPF_MEM | BPF_DW, 10, 0, off, value)
}

pub(crate) fn load_map(reg: u8, map: &MapFd) -> [Insn; 2] {
    [Insn::new(LD_IMM64, reg, BPF_PSEUDO_MAP_FD, 0, map.number()), Insn::default()]
}

/// `r6 = r1`, then exits with 0 unless the current thread is `thread`.
pub(crate) fn only_thread(thread: i32) -> Vec<Insn> {
    vec![
        mov_reg(6, 1),
        call(HelperId::GET_CURRENT_PID_TGID),
        Insn::new(BPF_JMP32 | BPF_JEQ | BPF_K, 0, 0, 2, thread),
        mov(0, 0),
        EXIT,
    ]
}

/// Adds `r7` to the only value of an array and returns `result`.
pub(crate) fn add_r7(map: &MapFd, result: i32) -> Vec<Insn> {
    let mut insns = vec![store_u64(-8, 0), mov_reg(2, 10), add(2, -8)];
    insns.extend(load_map(1, map));
    insns.extend([
        call(HelperId::MAP_LOOKUP_ELEM),
        Insn::new(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1, 0),
        Insn::new(BPF_STX | BPF_ATOMIC | BPF_DW, 0, 7, 0, i32::from(BPF_ADD)),
        mov(0, result),
        EXIT,
    ]);
    insns
}

pub(crate) const fn add(reg: u8, value: i32) -> Insn {
    Insn::new(BPF_ALU64 | BPF_ADD | BPF_K, reg, 0, 0, value)
}

/// A program under test, with an array of one counter.
pub(crate) struct Probe {
    pub(crate) kernel: Kernel,
    pub(crate) features: Arc<Features>,
    pub(crate) counter: MapFd,
    pub(crate) prog: Option<ProgFd>,
    pub(crate) prog_type: ProgType,
    pub(crate) attach_type: AttachType,
}

/// What a program is loaded with besides its instructions.
#[derive(Clone, Copy, Default)]
pub(crate) struct LoadAs {
    pub(crate) prog_type: ProgType,
    pub(crate) attach_type: AttachType,
    pub(crate) attach_btf_id: u32,
    pub(crate) flags: u32,
}

impl Probe {
    /// Loads what `body` makes of the counter.
    pub(crate) fn load(
        kernel: &Kernel,
        load_as: LoadAs,
        body: impl FnOnce(&MapFd) -> Vec<Insn>,
    ) -> Result<Self, Errno> {
        let counter = kernel.map_create(MapCreate {
            map_type: MapType::ARRAY,
            key_size: 4,
            value_size: 8,
            max_entries: 1,
            map_name: "counter",
            ..MapCreate::default()
        })?;
        let insns = body(&counter);
        let mut log = vec![0; 1 << 16];
        let (prog, request) = kernel.prog_load(ProgLoad {
            prog_type: load_as.prog_type,
            insns: &insns,
            license: "GPL",
            log: Some(LogBuf { level: 1, buf: &mut log, true_size: 0 }),
            prog_name: "probe",
            prog_flags: load_as.flags,
            expected_attach_type: load_as.attach_type,
            attach_btf_id: load_as.attach_btf_id,
            ..ProgLoad::default()
        });
        if prog.is_err() {
            eprintln!("{}", request.log.map(|l| l.text()).unwrap_or_default());
        }
        let (prog_type, attach_type) = (load_as.prog_type, load_as.attach_type);
        let features = Features::of(kernel);
        Ok(Self { kernel: kernel.clone(), features, counter, prog: Some(prog?), prog_type, attach_type })
    }

    /// Counts events of the calling thread.
    pub(crate) fn of_this_thread(kernel: &Kernel, load_as: LoadAs) -> Result<Self, Errno> {
        let thread = thread_id();
        Self::load(kernel, load_as, |counter| {
            let mut insns = only_thread(thread);
            insns.push(mov(7, 1));
            insns.extend(add_r7(counter, 0));
            insns
        })
    }

    /// Counts all events and returns `result`.
    pub(crate) fn counting(kernel: &Kernel, load_as: LoadAs, result: i32) -> Result<Self, Errno> {
        Self::load(kernel, load_as, |counter| [vec![mov(7, 1)], add_r7(counter, result)].concat())
    }

    pub(crate) fn attach(&self) -> Attach<'_> {
        Attach {
            kernel: &self.kernel,
            features: &self.features,
            prog: self.prog.as_ref().expect("loaded"),
            prog_type: self.prog_type,
            attach_type: self.attach_type,
        }
    }

    pub(crate) fn count(&self) -> u64 {
        let mut value = [0; 8];
        self.kernel.map_lookup_elem(&self.counter, &[0; 4], &mut value, 0).expect("the counter");
        u64::from_ne_bytes(value)
    }

    /// Gives up the program's own reference; links keep theirs.
    pub(crate) fn close_program(&mut self) {
        self.prog = None;
    }
}

pub(crate) fn vmlinux_id(kernel: &Kernel, name: &str, kind: BtfKind) -> Option<TypeId> {
    let btf = kernel.fact(Fact::VmlinuxBtf).ok()?;
    Btf::parse(btf.to_vec()).ok()?.find(name, kind)
}

/// A path in the bpf file system that no other test uses, `None` if there is none.
pub(crate) fn pin_path(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(format!("/sys/fs/bpf/oxbpf-{name}-{}", std::process::id()));
    let is_bpffs = std::fs::read_to_string("/proc/mounts").is_ok_and(|m| m.contains(" /sys/fs/bpf bpf "));
    if !is_bpffs {
        skip("no bpf file system at /sys/fs/bpf");
    }
    is_bpffs.then_some(path)
}
