//! The deterministic lane: `mutants [--seed S] [--count N] [--target T] [--seconds X] [--case I] [--huge]`.
//!
//! Each mutant is made from the run's seed, its target and its number alone, so that a failure is repeated with the
//! line that it prints. A mutant fails if it panics, takes over a second, or allocates over 64 MB and 20 times its
//! length at any moment.

use std::alloc::{GlobalAlloc, Layout, System};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use oxbpf_fuzz::mutate::{Random, mutate};
use oxbpf_fuzz::targets::{TARGETS, Target, longest_chain};
use oxbpf_fuzz::{evil, seeds};

/// Counts the bytes that are allocated, and the most that ever were. Large blocks that the system gives zeroed are address
/// space and no memory until somebody writes to them, so they are not counted: an object with a large `.bss` has one.
struct Counting;

/// Smallest block that the system maps by itself, untouched.
const MAPPED: usize = 1 << 20;
/// Where the blocks are that are not counted; as many as there may be at once.
static ZEROED: [AtomicUsize; 64] = [const { AtomicUsize::new(0) }; 64];

/// Puts `new` where `old` is; whether there was such a place.
fn exchange(old: usize, new: usize) -> bool {
    ZEROED.iter().any(|place| place.compare_exchange(old, new, Relaxed, Relaxed).is_ok())
}

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grew(by: usize) {
    let now = NOW.fetch_add(by, Relaxed).wrapping_add(by);
    PEAK.fetch_max(now, Relaxed);
}

// SAFETY: every call is passed on to the system's allocator unchanged; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grew(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        let ptr = unsafe { System.alloc_zeroed(layout) };
        if layout.size() < MAPPED || !exchange(0, ptr.addr()) {
            grew(layout.size());
        }
        ptr
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        if layout.size() < MAPPED || !exchange(ptr.addr(), 0) {
            NOW.fetch_sub(layout.size(), Relaxed);
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both blocks may be there at once.
        grew(size);
        if layout.size() < MAPPED || !exchange(ptr.addr(), 0) {
            NOW.fetch_sub(layout.size(), Relaxed);
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MEMORY: usize = 64 << 20;
const MEMORY_PER_BYTE: usize = 20;
const TIME: Duration = Duration::from_secs(1);
/// A second is for inputs up to this length; longer ones get as much more.
const TIME_LEN: usize = 4 << 20;

/// What a run cost at most.
#[derive(Default)]
struct Worst {
    time: Duration,
    memory: usize,
}

/// What runs, and since when.
static RUNNING: Mutex<Option<(Instant, String)>> = Mutex::new(None);

/// Ends the process when an input takes so long that it will not end by itself.
fn watch() {
    const HANGS: Duration = Duration::from_secs(20);
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, what)) = running.as_ref().filter(|(since, _)| since.elapsed() > HANGS) {
            eprintln!("{what}: hangs, for {:.0?} so far", since.elapsed());
            std::process::exit(1);
        }
    }
}

/// Runs one input; `Err` tells which limit it broke.
fn judge(target: Target, what: &str, input: &[u8], worst: &mut Worst) -> Result<(), String> {
    *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) =
        Some((Instant::now(), format!("{}: {what}", target.0)));
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let begin = Instant::now();
    let done = catch_unwind(AssertUnwindSafe(|| target.1(input)));
    let time = begin.elapsed();
    let memory = PEAK.load(Relaxed).saturating_sub(before);
    worst.time = worst.time.max(time);
    worst.memory = worst.memory.max(memory);
    if done.is_err() {
        return Err("panics".into());
    }
    if time > TIME * (input.len() / TIME_LEN + 1) as u32 {
        return Err(format!("takes {time:?}"));
    }
    if memory > MEMORY + MEMORY_PER_BYTE * input.len() {
        return Err(format!("allocates {memory} bytes for {} bytes of input", input.len()));
    }
    Ok(())
}

struct Options {
    seed: u64,
    count: u64,
    target: Option<String>,
    seconds: Option<u64>,
    case: Option<u64>,
    huge: bool,
}

fn options() -> Result<Options, String> {
    let mut o = Options { seed: 1, count: 210_000, target: None, seconds: None, case: None, huge: false };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--huge" {
            o.huge = true;
            continue;
        }
        let value = args.next().ok_or(format!("{arg} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|e| format!("{arg} {value}: {e}"));
        match arg.as_str() {
            "--seed" => o.seed = number()?,
            "--count" => o.count = number()?,
            "--seconds" => o.seconds = Some(number()?),
            "--case" => o.case = Some(number()?),
            "--target" => o.target = Some(value),
            _ => return Err(format!("there is no option {arg}")),
        }
    }
    Ok(o)
}

fn main() -> ExitCode {
    std::thread::spawn(watch);
    match options().and_then(|o| run(&o)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn run(o: &Options) -> Result<(), String> {
    let wanted: Vec<Target> =
        TARGETS.iter().filter(|t| o.target.as_deref().is_none_or(|name| name == t.0)).copied().collect();
    if wanted.is_empty() {
        let names: Vec<&str> = TARGETS.iter().map(|t| t.0).collect();
        return Err(format!("there is no such target; there are {}", names.join(", ")));
    }
    let share = |all: u64| all.div_ceil(wanted.len() as u64);
    let mut failures = 0;
    for target in &wanted {
        failures += run_target(*target, o, share(o.count), o.seconds.map(|s| Duration::from_secs(share(s))))?;
    }
    if failures > 0 { Err(format!("{failures} inputs fail")) } else { Ok(()) }
}

fn run_target(target: Target, o: &Options, count: u64, time: Option<Duration>) -> Result<u32, String> {
    let seeds = seeds::of(target.0).map_err(|e| format!("inputs of {}: {e}", target.0))?;
    if seeds.is_empty() {
        return Err(format!("{} has nothing to begin from", target.0));
    }
    let (begin, mut worst, mut failures) = (Instant::now(), Worst::default(), 0);
    if o.case.is_none() {
        let known = seeds.iter().map(|s| ("a seed".to_owned(), s.clone()));
        let is_btf = matches!(target.0, "btf" | "btf_dedup" | "btf_dump");
        for (what, input) in known.chain(evil::small(longest_chain(target.0)).into_iter().filter(|_| is_btf))
        {
            if let Err(why) = judge(target, &what, &input, &mut worst) {
                eprintln!("{}: {what}: {why}", target.0);
                failures += 1;
            }
        }
        for (what, make) in evil::huge().into_iter().filter(|_| o.huge && is_btf && target.0 != "btf_dedup") {
            let input = make();
            if let Err(why) = judge(target, &what, &input, &mut worst) {
                eprintln!("{}: {what}: {why}", target.0);
                failures += 1;
            }
        }
    }
    let salt = target.0.bytes().fold(o.seed, |h, b| h.wrapping_mul(0x100_0000_01b3) ^ u64::from(b));
    let mut done = 0;
    for case in o.case.map_or(0..count, |case| case..case + 1) {
        if time.is_some_and(|limit| begin.elapsed() > limit) {
            break;
        }
        let mut rnd = Random::new(salt.wrapping_add(case.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let mut input = seeds.get(rnd.below(seeds.len())).cloned().unwrap_or_default();
        mutate(&mut input, &mut rnd);
        let what = format!("--seed {} --target {} --case {case}", o.seed, target.0);
        if let Err(why) = judge(target, &what, &input, &mut worst) {
            let file = std::env::temp_dir().join(format!("oxbpf-{}-{}-{case}", target.0, o.seed));
            let kept =
                std::fs::write(&file, &input).map_or("".into(), |()| format!(", kept in {}", file.display()));
            eprintln!("{what}: {why}{kept}");
            failures += 1;
        }
        done += 1;
    }
    println!(
        "{:<14}{done:>8} mutants of {:>3} inputs in {:>6.1?}; the worst took {:.1?} and {} KiB",
        target.0,
        seeds.len(),
        begin.elapsed(),
        worst.time,
        worst.memory >> 10
    );
    Ok(failures)
}
