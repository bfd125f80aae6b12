//! What oxbpf's own tests share: skips that are seen, what the machine can do, fixtures, places to write.
//!
//! Only for tests: no crate may depend on this one outside `[dev-dependencies]`.
//!
//! A test that needs a privilege or a kernel feature asks for it first and returns if it is not there:
//!
//! ```
//! # fn test() {
//! if !testkit::require_bpf() {
//!     return;
//! }
//! let Some(dir) = testkit::bpffs() else { return };
//! let pin = dir.path().join("map");
//! # }
//! ```
//!
//! Each refusal is one line on standard error, shown even where the test runner captures output, and a line of the
//! file that `OXBPF_SKIP_LOG` names, so that a run can count what it did not test.

mod bpf_object;
mod dirs;
mod fixture;
mod needs;
mod skips;
mod zip;

pub use bpf_object::BpfObject;
pub use dirs::{PinDir, TempDir, bpffs, tracefs};
pub use fixture::{example, root, testdata};
pub use needs::{
    KernelRelease, is_root, is_vm, kernel_release, require_bpf, require_kernel, require_root, why_no_bpf,
};
pub use skips::{skip, skip_this};
pub use zip::{ZipEntry, zip};
