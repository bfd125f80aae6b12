//! A whole process that opens, loads and attaches one tracepoint program: time, CPU time and peak memory.
//!
//! The time is mostly that of taking the event away, which waits for a grace period of the kernel's RCU. So there is the CPU
//! time too, the user's and the system's, of the process from execve(2) to its end.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::{Figure, Row, Target};

/// Each takes most of a second, as all peers wait for the kernel, and the minimum of CPU time wants many.
const ROUNDS: usize = 100;
const PEERS: &[(&str, &str)] =
    &[("oxbpf", "min_oxbpf"), ("libbpf", "min_libbpf"), ("libbpf-rs", "min_libbpf_rs"), ("aya", "min_aya")];

/// One run.
struct Sample {
    /// Milliseconds.
    time: f64,
    cpu: f64,
    /// KiB.
    size: f64,
}

fn run(program: &Path, object: &str) -> Result<Sample> {
    let start = Instant::now();
    let child = Command::new(program).arg(object).spawn().with_context(|| program.display().to_string())?;
    let mut status = 0;
    // SAFETY: all zeros is a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the child is ours and nobody else waits for it; both pointers are to live variables.
    let pid = unsafe { libc::wait4(child.id() as i32, &mut status, 0, &mut usage) };
    let time = start.elapsed().as_secs_f64() * 1e3;
    ensure!(pid > 0 && status == 0, "{} failed ({status})", program.display());
    let ms = |t: libc::timeval| t.tv_sec as f64 * 1e3 + t.tv_usec as f64 / 1e3;
    Ok(Sample { time, cpu: ms(usage.ru_utime) + ms(usage.ru_stime), size: usage.ru_maxrss as f64 })
}

pub(crate) fn rows() -> Result<Vec<Row>> {
    let here = std::env::current_exe()?;
    let here = here.parent().context("no directory")?;
    let object = concat!(env!("CARGO_MANIFEST_DIR"), "/bpf/minimal.bpf.o");
    let programs: Vec<PathBuf> = PEERS.iter().map(|p| here.join(p.1)).collect();
    let mut samples: Vec<Vec<Sample>> = PEERS.iter().map(|_| Vec::with_capacity(ROUNDS)).collect();
    for _ in 0..ROUNDS {
        for (program, samples) in programs.iter().zip(&mut samples) {
            samples.push(run(program, object)?);
        }
    }
    let row = |name, what, unit, of: fn(&Sample) -> f64| {
        let figures = PEERS.iter().zip(&samples).map(|(peer, s)| Figure::of(peer.0, s.iter().map(of).collect())).collect();
        Row { name, what, unit, figures, target: Target::Ratio("libbpf", 1.0) }
    };
    Ok(vec![
        row("min_process", "open, load, attach a tracepoint, exit", "ms", |s| s.time),
        row("min_process_cpu", "its CPU time, user and system", "ms", |s| s.cpu),
        row("min_process_rss", "its peak memory", "KiB", |s| s.size),
    ])
}
