//! The same requests to the embedded kernel and to Linux, and the same answers expected.
//!
//! Each test body talks to a [`Kernel`] and writes down what it answered. The embedded kernel always runs it; Linux, where this process may
//! use bpf(2), is the oracle: the two transcripts have to be equal. What may differ (ids, addresses, orders that a kernel does not
//! promise) is left out of transcripts. Where the embedded kernel is meant to differ, a test lists the case with its reason.

mod batch;
mod create;
mod elements;
mod helpers;
mod locks;
mod objects;
mod packets;
mod run;
mod verdicts;

use std::fmt;
use std::path::Path;

use oxbpf_kernel::{Fact, Kernel};
use oxbpf_runtime::{Runtime, RuntimeOptions};
use testkit::KernelRelease;

/// What a kernel answered, a line an answer.
#[derive(Debug, Default)]
pub(crate) struct Transcript(Vec<String>);

impl Transcript {
    /// Writes an answer down, with what was asked.
    pub(crate) fn say(&mut self, asked: impl fmt::Display, answered: impl fmt::Debug) {
        self.0.push(format!("{asked}: {answered:?}"));
    }
}

/// An embedded kernel with as many CPUs as this machine's.
pub(crate) fn embedded() -> Runtime {
    let cpus = std::fs::read_to_string(Path::new("/sys/devices/system/cpu/possible"));
    let last = cpus.ok().and_then(|text| text.trim().rsplit(['-', ',']).next()?.parse::<u32>().ok());
    let options = RuntimeOptions { cpus: last.map_or(1, |last| last + 1), ..RuntimeOptions::default() };
    Runtime::new(options).unwrap()
}

/// The kernel whose answers are expected. Flags, error numbers and helpers' results of older and newer ones differ in places: 6.12 refuses
/// odd lengths of `bpf_csum_diff`, 7.2 takes flags for one CPU's value.
const ORACLE: KernelRelease = KernelRelease { major: 6, minor: 18 };

/// Linux, unless this process may not use it or it is another release, which is said.
#[track_caller]
pub(crate) fn linux() -> Option<Kernel> {
    if !testkit::require_bpf() {
        return None;
    }
    match testkit::kernel_release() {
        Some(ORACLE) => Some(oxbpf_sys::kernel()),
        release => {
            let release = release.map_or_else(|| "unknown".to_owned(), |r| r.to_string());
            testkit::skip_this(format_args!("compares with Linux {ORACLE}, this is {release}"));
            None
        }
    }
}

/// Most differences that a failure shows.
const MAX_SHOWN: usize = 400;
/// Most characters of an answer that it shows.
const MAX_WIDTH: usize = 240;

/// Runs `body` on both kernels and compares what they answered.
#[track_caller]
pub(crate) fn both(body: impl Fn(&Kernel, &mut Transcript)) {
    let mut ours = Transcript::default();
    body(&embedded().kernel(), &mut ours);
    assert!(!ours.0.is_empty(), "nothing was asked");
    let Some(linux) = linux() else { return };
    let mut theirs = Transcript::default();
    body(&linux, &mut theirs);
    let mut wrong = Vec::new();
    for (i, (ours, theirs)) in ours.0.iter().zip(&theirs.0).enumerate() {
        if ours != theirs {
            wrong.push(format!("{i}: embedded {ours:.MAX_WIDTH$}\n{i}: Linux    {theirs:.MAX_WIDTH$}"));
        }
    }
    let count = wrong.len();
    wrong.truncate(MAX_SHOWN);
    assert!(wrong.is_empty(), "{count} of {} answers differ:\n{}", ours.0.len(), wrong.join("\n"));
    assert_eq!(ours.0.len(), theirs.0.len(), "the transcripts differ in length");
}

/// CPUs that per-CPU maps have values for.
pub(crate) fn possible_cpus(kernel: &Kernel) -> usize {
    let text = kernel.fact(Fact::PossibleCpus).unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    let last = text.trim().rsplit(['-', ',']).next().unwrap().parse::<usize>().unwrap();
    last + 1
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Numbers that look random and are the same in each run (splitmix64).
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

#[test]
fn a_difference_is_found() {
    let caught = std::panic::catch_unwind(|| {
        both(|kernel, t| t.say("name", kernel.name()));
    });
    // Without Linux there is nothing to differ from.
    assert_eq!(caught.is_err(), linux().is_some());
}
