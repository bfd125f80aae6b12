//! libbpf's C interface over `oxbpf`: C arguments in, calls of the loader, C results out.
//!
//! `cargo xtask capi --out DIR` makes `libbpf.so.1`, `libbpf.a`, `libbpf.pc` and the headers from this crate. The table
//! `abi/symbols.tsv` names every function with its version node, header and C declaration; the version script, the
//! list of exports and the tests come from it, and `abi/missing.tsv` lists what is not there yet.
//!
//! # How an export is written
//!
//! ```text
//! export! {
//!     /// The map's descriptor, −EINVAL before there is one.
//!     fn bpf_map__fd(map: Ptr<Map>) -> Int {
//!         map.get()?.fd()
//!     }
//! }
//! ```
//!
//! * Arguments are plain numbers or the types of [`arg`]: [`Ptr`](arg::Ptr) for libbpf's own objects (null and encoded
//!   errors are errors), [`Str`](arg::Str) for strings, [`Raw`](arg::Raw) for memory of any shape, [`Put`](arg::Put) for
//!   results by pointer, [`Opts`](opts::Opts) for option structs. Callbacks are `Option<extern "C" fn(…)>`.
//! * The body gives `Result<_, Fail>`. The return family of [`ret`] makes C's answer of it: [`Int`](ret::Int) and
//!   [`Long`](ret::Long) are a negative number on errors, [`Out`](ret::Out) is null, [`Val`](ret::Val) is its type's
//!   zero, [`Void`](ret::Void) nothing; all set `errno`, and all turn a panic into `LIBBPF_ERRNO__INTERNAL`.
//! * No module with exports has unsafe code. What C promises is used in [`arg`], [`print`](mod@print) and [`ret`] only.
//! * An object that C holds is never `&mut`: it has a lock or atomics inside, so that C may use it from several threads.
//! * What C only reads through a pointer (names, instructions) is kept in the object for as long as libbpf keeps it.
//!
//! Modules mirror the headers: `libbpf_h`, `bpf_h`, `btf_h`.

#[macro_use]
mod export;

pub mod abi;
pub mod arg;
pub mod bpf_h;
pub mod btf_h;
pub mod fail;
pub mod fd;
pub mod libbpf_h;
pub mod memory;
pub mod object;
pub mod opts;
pub mod print;
pub mod ret;
pub mod sys;
pub mod text;
