//! A whole process that opens, loads and attaches one tracepoint program: time, and peak memory.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::{Figure, Row, Target};

const ROUNDS: usize = 60;
const PEERS: &[(&str, &str)] =
    &[("oxbpf", "min_oxbpf"), ("libbpf", "min_libbpf"), ("libbpf-rs", "min_libbpf_rs"), ("aya", "min_aya")];

/// Milliseconds and kibibytes of one run.
fn run(program: &Path, object: &str) -> Result<(f64, f64)> {
    let start = Instant::now();
    let child = Command::new(program).arg(object).spawn().with_context(|| program.display().to_string())?;
    let mut status = 0;
    // SAFETY: all zeros is a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the child is ours and nobody else waits for it; both pointers are to live variables.
    let pid = unsafe { libc::wait4(child.id() as i32, &mut status, 0, &mut usage) };
    let time = start.elapsed().as_secs_f64() * 1e3;
    ensure!(pid > 0 && status == 0, "{} failed ({status})", program.display());
    Ok((time, usage.ru_maxrss as f64))
}

pub(crate) fn rows() -> Result<Vec<Row>> {
    let here = std::env::current_exe()?;
    let here = here.parent().context("no directory")?;
    let object = concat!(env!("CARGO_MANIFEST_DIR"), "/bpf/minimal.bpf.o");
    let programs: Vec<PathBuf> = PEERS.iter().map(|p| here.join(p.1)).collect();
    let mut samples = vec![(Vec::new(), Vec::new()); PEERS.len()];
    for _ in 0..ROUNDS {
        for (program, (times, sizes)) in programs.iter().zip(&mut samples) {
            let (time, size) = run(program, object)?;
            times.push(time);
            sizes.push(size);
        }
    }
    let mut rows = [Vec::new(), Vec::new()];
    for ((who, _), (times, sizes)) in PEERS.iter().zip(samples) {
        rows[0].push(Figure::of(who, times));
        rows[1].push(Figure::of(who, sizes));
    }
    let [times, sizes] = rows;
    let target = || Target::Ratio("libbpf", 1.0);
    Ok(vec![
        Row { name: "min_process", what: "open, load, attach a tracepoint, exit", unit: "ms", figures: times, target: target() },
        Row { name: "min_process_rss", what: "its peak memory", unit: "KiB", figures: sizes, target: target() },
    ])
}
