//! What the kernel can do, found out by trying, once, when it first matters.
//!
//! A version number says little about a kernel with backports or without an option, so each [`Feature`] is a row with
//! a probe: a small request that only a kernel with the feature accepts. Answers are kept for each [`Kernel`] as long
//! as it lives, whichever object asked.
//!
//! The rows are those of libbpf 1.8, then those that only people ask for. A kernel that is used through a BPF token may grant
//! less, so answers are apart for each token.
//!
//! Types of programs and maps, and helpers, are asked for by their numbers: [`Features::has_prog_type`],
//! [`Features::has_map_type`], [`Features::has_helper`].
//!
//! ```no_run
//! use oxbpf::Features;
//! use oxbpf_uapi::{HelperId, ProgType};
//!
//! let features = Features::of(&oxbpf::kernel());
//! if features.has_helper(ProgType::XDP, HelperId::XDP_LOAD_BYTES)? {
//!     println!("frames may be larger than a page");
//! }
//! # Ok::<(), oxbpf::Error>(())
//! ```

mod probes;
mod types;

use core::fmt;
use core::sync::atomic::{AtomicU8, Ordering};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use oxbpf_kernel::{Backend, Kernel};
use oxbpf_uapi::{Errno, HelperId, MapType, ProgType};

use crate::error::{Error, Result};

/// One row: id, human name, first kernel, probe.
macro_rules! features {
    ($( $id:ident, $name:literal, $since:literal, $probe:path; )*) => {
        /// Something that kernels have or lack.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Feature {
            $( #[doc = concat!($name, ", Linux ", $since, ".")] $id, )*
        }

        impl Feature {
            /// Every feature.
            pub const ALL: &'static [Self] = &[$(Self::$id),*];

            const ROWS: &'static [Row] = &[$(Row { name: $name, since: $since, probe: $probe }),*];
        }
    };
}

struct Row {
    name: &'static str,
    since: &'static str,
    probe: fn(&Kernel) -> Result<bool, Errno>,
}

features! {
    ProgName, "names of programs and maps", "4.15", probes::prog_name;
    GlobalData, "global variables", "5.2", probes::global_data;
    Btf, "BTF", "4.18", probes::btf;
    BtfFunc, "BTF functions", "5.0", probes::btf_func;
    BtfGlobalFunc, "global functions in BTF", "5.6", probes::btf_global_func;
    BtfDatasec, "BTF data sections and variables", "5.2", probes::btf_datasec;
    BtfFloat, "BTF floats", "5.13", probes::btf_float;
    BtfDeclTag, "BTF declaration tags", "5.16", probes::btf_decl_tag;
    BtfTypeTag, "BTF type tags", "5.17", probes::btf_type_tag;
    BtfEnum64, "64-bit BTF enums", "6.0", probes::btf_enum64;
    BtfQmarkDatasec, "BTF data sections whose names start with `?`", "6.9", probes::btf_qmark_datasec;
    BtfLayout, "BTF layout sections", "7.1", probes::btf_layout;
    ArrayMmap, "mapping of array maps", "5.5", probes::array_mmap;
    ExpAttachType, "expected_attach_type at load", "4.17", probes::exp_attach_type;
    ProbeReadKernel, "bpf_probe_read_kernel", "5.5", probes::probe_read_kernel;
    ProgBindMap, "BPF_PROG_BIND_MAP", "5.10", probes::prog_bind_map;
    ModuleBtf, "BTF of modules", "5.11", probes::module_btf;
    PerfLink, "BPF links on perf events", "5.15", probes::perf_link;
    BpfCookie, "attach cookies", "5.15", probes::bpf_cookie;
    MemcgAccount, "memory accounting by control group", "5.11", probes::memcg_account;
    SyscallWrapper, "system call wrappers", "4.17", probes::syscall_wrapper;
    UprobeMultiLink, "links on many uprobes", "6.6", probes::uprobe_multi_link;
    ArgCtxTag, "the arg:ctx tag", "6.8", probes::arg_ctx_tag;
    LdImm64FullRangeOff, "offsets of any size in `ld_imm64`", "7.0", probes::ld_imm64_full_range_off;
    UprobeSyscall, "the uprobe system call", "6.18", probes::uprobe_syscall;
    CommonAttrs, "attributes that all commands take", "7.2", probes::common_attrs;
    LargePrograms, "programs of more than 4,096 instructions", "5.2", probes::large_programs;
    BoundedLoops, "loops whose end the verifier can see", "5.3", probes::bounded_loops;
    IsaV2, "version 2 of the instruction set", "4.14", probes::isa_v2;
    IsaV3, "version 3 of the instruction set", "5.1", probes::isa_v3;
    IsaV4, "version 4 of the instruction set", "6.6", probes::isa_v4;
}

impl Feature {
    fn row(self) -> &'static Row {
        &Self::ROWS[self as usize]
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// First kernel release that has it, "major.minor".
    pub fn since(self) -> &'static str {
        self.row().since
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

const UNKNOWN: u8 = 0;
const PRESENT: u8 = 1;
const ABSENT: u8 = 2;

/// What one kernel can do. Features are probed when they are first asked for.
pub struct Features {
    /// The shared cache must not keep its kernel alive.
    kernel: Weak<dyn Backend>,
    /// Answers that nobody shares do.
    _kept: Option<Kernel>,
    answers: [AtomicU8; Feature::ALL.len()],
    types: Mutex<HashMap<Question, bool>>,
}

/// Something that is asked for by number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Question {
    Prog(ProgType),
    Map(MapType),
    Helper(ProgType, HelperId),
}

impl Question {
    fn ask(self, kernel: &Kernel, ifindex: u32) -> Result<bool> {
        match self {
            Self::Prog(t) => types::prog_type(kernel, t, ifindex),
            Self::Map(t) => types::map_type(kernel, t, ifindex),
            Self::Helper(t, helper) => types::helper(kernel, t, helper, ifindex),
        }
    }
}

static CACHES: Mutex<Vec<Arc<Features>>> = Mutex::new(Vec::new());

impl Features {
    /// The features of `kernel`, shared by everyone who asks.
    pub fn of(kernel: &Kernel) -> Arc<Self> {
        let backend = kernel.backend();
        let mut caches = CACHES.lock().unwrap_or_else(PoisonError::into_inner);
        caches.retain(|c| c.kernel.strong_count() > 0);
        if let Some(found) =
            caches.iter().find(|c| core::ptr::addr_eq(c.kernel.as_ptr(), Arc::as_ptr(backend)))
        {
            return found.clone();
        }
        let new = Arc::new(Self { _kept: None, ..Self::apart(kernel) });
        caches.push(new.clone());
        new
    }

    /// The features of `kernel` with answers of their own: for a caller whose rights differ from those of others, or
    /// have changed.
    pub fn apart(kernel: &Kernel) -> Self {
        Self {
            kernel: Arc::downgrade(kernel.backend()),
            _kept: Some(kernel.clone()),
            answers: [const { AtomicU8::new(UNKNOWN) }; Feature::ALL.len()],
            types: Mutex::default(),
        }
    }

    /// Whether the kernel has a program type.
    ///
    /// # Errors
    /// `EPERM` if the caller may not ask, `ENOMEM`, `EMFILE`, `ENFILE`; [`ErrorKind::Unsupported`](crate::ErrorKind) for a type
    /// that this version does not know.
    #[doc(alias = "libbpf_probe_bpf_prog_type")]
    pub fn has_prog_type(&self, prog_type: ProgType) -> Result<bool> {
        self.answer(Question::Prog(prog_type))
    }

    /// Whether the kernel has a map type.
    ///
    /// # Errors
    /// As [`has_prog_type`](Self::has_prog_type).
    #[doc(alias = "libbpf_probe_bpf_map_type")]
    pub fn has_map_type(&self, map_type: MapType) -> Result<bool> {
        self.answer(Question::Map(map_type))
    }

    /// Whether programs of a type may call a helper. The probe calls it without arguments, so the few helpers that need none are
    /// called by a program that is loaded and never runs.
    ///
    /// # Errors
    /// As [`has_prog_type`](Self::has_prog_type); [`ErrorKind::Unsupported`](crate::ErrorKind) for program types that can't be
    /// loaded without something to attach to: `TRACING`, `LSM`, `EXT`, `STRUCT_OPS`.
    #[doc(alias = "libbpf_probe_bpf_helper")]
    pub fn has_helper(&self, prog_type: ProgType, helper: HelperId) -> Result<bool> {
        self.answer(Question::Helper(prog_type, helper))
    }

    /// Answers are kept; refusals for lack of rights or room are not.
    fn answer(&self, question: Question) -> Result<bool> {
        if let Some(known) = self.types.lock().unwrap_or_else(PoisonError::into_inner).get(&question) {
            return Ok(*known);
        }
        let backend = self.kernel.upgrade().ok_or_else(|| Error::kernel(Errno::ENODEV))?;
        let answer = question.ask(&Kernel::from_arc(backend), 0)?;
        self.types.lock().unwrap_or_else(PoisonError::into_inner).insert(question, answer);
        Ok(answer)
    }

    /// Whether the kernel has `feature`. A probe that fails for another reason counts as absent.
    pub fn has(&self, feature: Feature) -> bool {
        let Some(answer) = self.answers.get(feature as usize) else { return false };
        match answer.load(Ordering::Relaxed) {
            PRESENT => return true,
            ABSENT => return false,
            _ => {}
        }
        let Some(backend) = self.kernel.upgrade() else { return false };
        if backend.is_deferred() {
            return true;
        }
        let row = feature.row();
        let present = match (row.probe)(&Kernel::from_arc(backend)) {
            Ok(present) => present,
            // Without rights the load itself fails next, and says so.
            Err(e) => {
                let level = if e == Errno::EPERM { log::Level::Info } else { log::Level::Warn };
                log::log!(level, "finding out whether the kernel has {feature} failed: {e}");
                false
            }
        };
        log::debug!("kernel {} {feature}", if present { "has" } else { "lacks" });
        answer.store(if present { PRESENT } else { ABSENT }, Ordering::Relaxed);
        present
    }
}

impl fmt::Debug for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Feature::ALL.iter().zip(&self.answers).filter_map(|(feature, answer)| {
            match answer.load(Ordering::Relaxed) {
                PRESENT => Some((feature, true)),
                ABSENT => Some((feature, false)),
                _ => None,
            }
        });
        f.debug_map().entries(known).finish()
    }
}

/// What a network device can run in place of the kernel.
#[derive(Clone, Debug)]
pub struct DeviceFeatures {
    kernel: Kernel,
    ifindex: u32,
}

impl DeviceFeatures {
    /// The features of the device with index `ifindex`.
    pub fn of(kernel: &Kernel, ifindex: u32) -> Self {
        Self { kernel: kernel.clone(), ifindex }
    }

    /// Whether the device takes programs of a type.
    ///
    /// # Errors
    /// As [`Features::has_prog_type`].
    pub fn has_prog_type(&self, prog_type: ProgType) -> Result<bool> {
        Question::Prog(prog_type).ask(&self.kernel, self.ifindex)
    }

    /// Whether the device takes maps of a type.
    ///
    /// # Errors
    /// As [`Features::has_prog_type`].
    pub fn has_map_type(&self, map_type: MapType) -> Result<bool> {
        Question::Map(map_type).ask(&self.kernel, self.ifindex)
    }

    /// Whether programs of a type may call a helper there.
    ///
    /// # Errors
    /// As [`Features::has_helper`].
    pub fn has_helper(&self, prog_type: ProgType, helper: HelperId) -> Result<bool> {
        Question::Helper(prog_type, helper).ask(&self.kernel, self.ifindex)
    }

    /// Whether the device has a feature of programs: one of [`Feature::LargePrograms`] and what follows it.
    ///
    /// # Errors
    /// The number with which the kernel refused, if not for lack of the feature; `EOPNOTSUPP` for other features.
    pub fn has(&self, feature: Feature) -> Result<bool> {
        let insns =
            probes::isa_probe(feature).ok_or_else(|| Error::unsupported("asking a device for that", ""))?;
        probes::runs_on(&self.kernel, &insns, self.ifindex).map_err(Error::kernel)
    }
}
