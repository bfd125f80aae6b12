//! What the kernel can do, found out by trying, once, when it first matters.
//!
//! A version number says little about a kernel with backports or without an option, so each [`Feature`] is a row with
//! a probe: a small request that only a kernel with the feature accepts. Answers are kept for each [`Kernel`] as long
//! as it lives, whichever object asked.
//!
//! The rows are those of libbpf 1.8. A kernel that is used through a BPF token may grant less, so answers are apart for each
//! token.

mod probes;

use core::fmt;
use core::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use oxbpf_kernel::{Backend, Kernel};
use oxbpf_uapi::Errno;

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
    /// The cache must not keep its kernel alive.
    kernel: Weak<dyn Backend>,
    answers: [AtomicU8; Feature::ALL.len()],
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
        let new = Self {
            kernel: Arc::downgrade(backend),
            answers: [const { AtomicU8::new(UNKNOWN) }; Feature::ALL.len()],
        };
        let new = Arc::new(new);
        caches.push(new.clone());
        new
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
