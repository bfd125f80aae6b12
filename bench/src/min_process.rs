//! A whole process that opens, loads and attaches one tracepoint program: time, CPU time and peak memory.
//!
//! The time is mostly that of taking the event away, which waits for a grace period of the kernel's RCU. So there is the CPU
//! time too, the user's and the system's, of the process from execve(2) to its end.
//!
//! The memory is the peak of the process itself, read as it exits, in runs of their own. What wait4(2) says is at least the
//! peak of the process that called execve(2), which is this one.

use std::io::Error;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::{Figure, Row, Target};

/// Each takes most of a second, as all peers wait for the kernel, and the minimum of CPU time wants many.
const ROUNDS: usize = 100;
/// Runs whose memory is looked at.
const PEAKS: usize = 10;
const PEERS: &[(&str, &str)] =
    &[("oxbpf", "min_oxbpf"), ("libbpf", "min_libbpf"), ("libbpf-rs", "min_libbpf_rs"), ("aya", "min_aya")];

/// One run.
struct Sample {
    /// Milliseconds.
    time: f64,
    cpu: f64,
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
    Ok(Sample { time, cpu: ms(usage.ru_utime) + ms(usage.ru_stime) })
}

/// Peak memory in KiB. ptrace(2) stops the process when it exits, while it has its memory.
fn peak(program: &Path, object: &str) -> Result<f64> {
    let mut command = Command::new(program);
    command.arg(object);
    // SAFETY: ptrace(2) is a system call and nothing else, as what runs after fork(2) has to be.
    unsafe {
        command.pre_exec(|| match libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) {
            0 => Ok(()),
            _ => Err(Error::last_os_error()),
        });
    }
    let child = command.spawn().with_context(|| program.display().to_string())?.id() as i32;
    let mut peak = None;
    loop {
        let mut status = 0;
        // SAFETY: the child is ours and nobody else waits for it; the pointer is to a live variable.
        ensure!(unsafe { libc::waitpid(child, &mut status, 0) } == child, "no child to wait for");
        if !libc::WIFSTOPPED(status) {
            ensure!(status == 0, "{} failed ({status})", program.display());
            return peak.context("the child did not stop at its exit");
        }
        if status >> 8 == libc::SIGTRAP | (libc::PTRACE_EVENT_EXIT << 8) {
            let text = std::fs::read_to_string(format!("/proc/{child}/status"))?;
            let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:")).context("no VmHWM")?;
            peak = Some(line.trim_end_matches("kB").trim().parse()?);
        }
        // SAFETY: the child is stopped, and the requests take numbers.
        unsafe {
            libc::ptrace(libc::PTRACE_SETOPTIONS, child, 0, libc::PTRACE_O_TRACEEXIT);
            libc::ptrace(libc::PTRACE_CONT, child, 0, 0);
        }
    }
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
    let mut sizes = vec![Vec::with_capacity(PEAKS); PEERS.len()];
    for _ in 0..PEAKS {
        for (program, sizes) in programs.iter().zip(&mut sizes) {
            sizes.push(peak(program, object)?);
        }
    }
    let row = |name, what, unit, of: &dyn Fn(usize) -> Vec<f64>| {
        let figures = PEERS.iter().enumerate().map(|(i, peer)| Figure::of(peer.0, of(i))).collect();
        Row { name, what, unit, figures, target: Target::Ratio("libbpf", 1.0) }
    };
    let column = |of: fn(&Sample) -> f64| { let samples = &samples; move |i: usize| samples[i].iter().map(of).collect() };
    Ok(vec![
        row("min_process", "open, load, attach a tracepoint, exit", "ms", &column(|s| s.time)),
        row("min_process_cpu", "its CPU time, user and system", "ms", &column(|s| s.cpu)),
        row("min_process_rss", "its peak memory", "KiB", &|i| sizes[i].clone()),
    ])
}
