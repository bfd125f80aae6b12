//! CO-RE: relocate instructions against another kernel's types.
//!
//! A compiler that builds a BPF program knows the types of one kernel, and writes down where the program depends on
//! them: which instruction holds the offset of which field, the size of which type, the value of which enumerator.
//! [`Relocator`] finds the same things in the types of the kernel that the program will run on, and puts the numbers
//! found into the instructions.
//!
//! | Step | Where |
//! | --- | --- |
//! | The access as the object's types say it | `spec` |
//! | Types of the target with the same name, ignoring flavours (`task_struct___old`) | `relocator` |
//! | The same access in one of them | `matching`, `compat` |
//! | What the instruction should hold | `value` |
//! | Changing the instruction | `patch` |
//!
//! A relocation that nothing in the target matches is no error: the instruction is replaced by a call of a helper that
//! does not exist ([`POISON`]), which the verifier refuses unless the code cannot be reached.
//!
//! ```
//! use oxbpf_btf::text;
//! use oxbpf_btf::{CoreRelo, CoreReloKind, TypeId};
//! use oxbpf_relo::{Relocator, Target};
//! use oxbpf_uapi::Insn;
//!
//! let int = "[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED\n";
//! let local = text::parse(&format!("{int}[2] STRUCT 'task' size=8 vlen=1\n\t'pid' type_id=1 bits_offset=32\n"))?;
//! let kernel = text::parse(&format!("{int}[2] STRUCT 'task' size=96 vlen=1\n\t'pid' type_id=1 bits_offset=512\n"))?;
//!
//! // r1 = *(u32 *)(r1 + 4)
//! let mut insns = [Insn::new(0x61, 1, 1, 4, 0)];
//! let relo = CoreRelo { insn_off: 0, type_id: TypeId(2), access_str: "0:0", kind: CoreReloKind::FIELD_BYTE_OFFSET };
//! let mut relocator = Relocator::new(&local, vec![Target { name: "vmlinux", btf: &kernel }]);
//! relocator.relocate(&mut insns, 0, &relo)?;
//! assert_eq!(insns[0].off, 64);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The rules are those of libbpf's `relo_core.c` (v1.8), which the kernel shares.

mod compat;
mod error;
mod explain;
mod fast_map;
mod matching;
mod min_btf;
mod offline;
mod patch;
mod relocator;
mod spec;
mod value;

pub use error::{ReloError, ReloErrorKind};
pub use explain::Explanation;
pub use min_btf::{MinBtf, MinBtfError};
pub use offline::{OfflineError, Poisoned, Relocated, relocate_only};
pub use patch::POISON;
pub use relocator::{Outcome, Relocator, Target};

use oxbpf_btf::{Btf, TypeId};

/// Whether a type of an object and one of a kernel are the same sort of type: kinds alike, prototypes with as many
/// parameters of kinds alike. That is what a kernel function or variable is checked for before a program uses it.
///
/// # Errors
/// The types are broken or nested too deep.
#[doc(alias = "bpf_core_types_are_compat")]
pub fn types_are_compat(
    local: &Btf,
    local_id: TypeId,
    target: &Btf,
    target_id: TypeId,
) -> Result<bool, ReloErrorKind> {
    compat::types_are_compat(local, local_id, target, target_id).map_err(|stop| match stop {
        compat::Stop::TooDeep => ReloErrorKind::TooDeep,
        compat::Stop::TooLong => ReloErrorKind::TooLong,
        compat::Stop::Btf(source) => {
            ReloErrorKind::Target { target: "the kernel or the object".to_owned(), source }
        }
    })
}
