//! Hostile bytes in, nothing out: everything that reads files is called on them and must neither panic nor hang.
//!
//! [`targets`] is what is called, by libFuzzer (`cargo fuzz run btf`) as well as by the deterministic mutants of
//! `cargo xtask fuzz`. [`seeds`] and [`evil`] are what mutants begin from.

pub mod evil;
pub mod mutate;
pub mod seeds;
pub mod targets;
