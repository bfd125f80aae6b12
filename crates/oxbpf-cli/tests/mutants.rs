//! Broken objects through the whole stack: opened, loaded into an embedded kernel, attached and run.
//!
//! Each mutant is made from one of the committed objects by a seed. Whatever it has become, nothing may panic, run without end or take
//! memory without bounds; that most of them are errors is expected. `OXBPF_MUTANTS=N` makes N of them in place of the default,
//! `OXBPF_MUTANT=SEED` makes only one and shows what becomes of it.

use std::fmt;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use oxbpf::{AttachKind, Object, ObjectBuilder, Program};
use oxbpf_btf::value::decode;
use oxbpf_runtime::{Runtime, RuntimeOptions};
use oxbpf_uapi::ProgType;

/// Mutants of one run of the test.
const DEFAULT: u64 = 1500;
/// A mutant that takes longer than this has hung. The slowest good ones take a hundredth of it where the machine is busy.
const HANG: Duration = Duration::from_secs(60);
/// What all mutants together may take at most, in KiB. An embedded kernel may have `MEMORY`, and reading an object may take a few times its size.
const MAX_RESIDENT_KIB: u64 = 2 << 20;
/// Guest memory of one mutant.
const MEMORY: u64 = 256 << 20;

/// `splitmix64`: numbers that depend on the seed only.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// A number that is likely to be at some limit.
    fn odd(&mut self, old: u64, file: u64) -> u64 {
        let around = self.next() % 17;
        match self.next() % 10 {
            0 => 0,
            1 => around,
            2 => old.wrapping_add(around).wrapping_sub(8),
            3 => file.wrapping_add(around).wrapping_sub(8),
            4 => u64::MAX - around,
            5 => u64::from(u32::MAX) - around,
            6 => i32::MAX as u64 + around,
            7 => 1 << self.below(64),
            8 => old << 1,
            _ => self.next(),
        }
    }
}

/// A committed object.
struct Seed {
    name: String,
    bytes: Vec<u8>,
    /// File offset and length of each section's bytes, and whether it has instructions.
    sections: Vec<(usize, usize, bool)>,
    /// File offset of the section header table.
    headers: usize,
}

/// Bytes of a section header.
const HEADER: usize = 64;
/// Offset and width of the fields of a section header.
const FIELDS: [(usize, usize); 10] =
    [(0, 4), (4, 4), (8, 8), (16, 8), (24, 8), (32, 8), (40, 4), (44, 4), (48, 8), (56, 8)];

fn get(bytes: &[u8], at: usize, width: usize) -> u64 {
    let mut out = [0; 8];
    if let Some(part) = bytes.get(at..at + width) {
        out[..width].copy_from_slice(part);
    }
    u64::from_le_bytes(out)
}

fn put(bytes: &mut [u8], at: usize, width: usize, value: u64) {
    if let Some(part) = bytes.get_mut(at..at + width) {
        part.copy_from_slice(&value.to_le_bytes()[..width]);
    }
}

impl Seed {
    fn new(name: String, bytes: Vec<u8>) -> Self {
        let (headers, count) = (get(&bytes, 40, 8) as usize, get(&bytes, 60, 2) as usize);
        let mut sections = Vec::new();
        for i in 0..count {
            let at = headers + i * HEADER;
            let (kind, flags) = (get(&bytes, at + 4, 4), get(&bytes, at + 8, 8));
            let (offset, len) = (get(&bytes, at + 24, 8) as usize, get(&bytes, at + 32, 8) as usize);
            // Neither the empty first one nor those without bytes in the file (`SHT_NOBITS`).
            if kind != 0 && kind != 8 && len > 0 && offset + len <= bytes.len() {
                sections.push((offset, len, flags & 4 != 0));
            }
        }
        Self { name, bytes, sections, headers }
    }
}

/// All committed objects of this byte order.
fn seeds() -> Vec<Seed> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for dir in ["examples", "testdata/objects", "testdata/rejected"] {
        let entries = std::fs::read_dir(testkit::root().join(dir)).expect("committed objects");
        paths.extend(entries.map(|e| e.expect("entry").path()));
    }
    paths.retain(|p| p.extension().is_some_and(|e| e == "o"));
    paths.sort();
    let read = |p: &PathBuf| {
        let name = p.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Seed::new(name, std::fs::read(p).expect("readable"))
    };
    paths.iter().map(read).filter(|s| s.bytes.get(5) == Some(&1)).collect()
}

/// What a seed number makes of the objects.
fn mutant(seeds: &[Seed], number: u64) -> (String, Vec<u8>) {
    let mut random = Random(number);
    let seed = &seeds[random.below(seeds.len())];
    let mut bytes = seed.bytes.clone();
    let mut steps = Vec::new();
    for _ in 0..=random.below(3) {
        steps.push(mutate(&mut random, seed, seeds, &mut bytes));
    }
    (format!("mutant {number}: {} with {}", seed.name, steps.join(", ")), bytes)
}

fn mutate(random: &mut Random, seed: &Seed, seeds: &[Seed], bytes: &mut Vec<u8>) -> String {
    let len = bytes.len();
    let section = seed.sections.get(random.below(seed.sections.len())).copied();
    let headers = (len.saturating_sub(seed.headers)) / HEADER;
    match (random.below(9), section) {
        (0, _) => {
            let flips = 1 + random.below(8);
            for _ in 0..flips {
                let at = random.below(len);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            format!("{flips} bits flipped")
        }
        (1, _) => {
            bytes.truncate(random.below(len));
            format!("{} bytes left", bytes.len())
        }
        (2 | 3, _) => {
            let (field, width) = FIELDS[random.below(FIELDS.len())];
            let which = random.below(headers);
            let at = seed.headers + which * HEADER + field;
            let value = random.odd(get(bytes, at, width), len as u64);
            put(bytes, at, width, value);
            format!("field {field} of section {which} set to {value:#x}")
        }
        (4, _) => {
            let (a, b) = (random.below(headers), random.below(headers));
            let (at_a, at_b) = (seed.headers + a * HEADER, seed.headers + b * HEADER);
            for i in 0..HEADER {
                if at_a.max(at_b) + i < len {
                    bytes.swap(at_a + i, at_b + i);
                }
            }
            format!("sections {a} and {b} swapped")
        }
        (5 | 6, Some((offset, size, _))) => {
            let at = offset + random.below(size) / 4 * 4;
            let value = random.odd(get(bytes, at, 4), size as u64);
            put(bytes, at, 4, value);
            format!("word at {at:#x} set to {value:#x}")
        }
        (7, Some((offset, size, _))) => {
            let other = &seeds[random.below(seeds.len())];
            if let Some((from, count, _)) = other.sections.get(random.below(other.sections.len())) {
                let count = (*count).min(size).min(len.saturating_sub(offset));
                bytes
                    .get_mut(offset..offset + count)
                    .unwrap_or_default()
                    .copy_from_slice(&other.bytes[*from..from + count]);
            }
            format!("bytes of {} at {offset:#x}", other.name)
        }
        _ => instruction(random, seed, bytes),
    }
}

/// Changes a part of one instruction, so that programs are loaded that no compiler makes.
fn instruction(random: &mut Random, seed: &Seed, bytes: &mut [u8]) -> String {
    let code: Vec<_> = seed.sections.iter().filter(|s| s.2).collect();
    let Some((offset, size, _)) = code.get(random.below(code.len())) else { return "nothing".to_owned() };
    let at = offset + random.below(size / 8) * 8;
    let (field, width) = [(0, 1), (1, 1), (2, 2), (4, 4)][random.below(4)];
    let old = get(bytes, at + field, width);
    let value = match random.below(3) {
        0 => random.odd(old, *size as u64),
        1 => old ^ (1 << random.below(width * 8)),
        _ => get(bytes, offset + random.below(size / 8) * 8 + field, width),
    };
    put(bytes, at + field, width, value);
    format!("byte {field} of the instruction at {at:#x} set to {value:#x}")
}

/// Everything that `oxbpf run` does with an object, except for a command. Says how far it came.
fn use_object(bytes: Vec<u8>) -> Result<Object, String> {
    let options = RuntimeOptions { memory_limit: MEMORY, cpus: 2, insn_limit: 1 << 16 };
    let runtime = Runtime::new(options).map_err(|e| e.to_string())?;
    let builder = ObjectBuilder::new().object_name("mutant").kernel(runtime.kernel());
    let object = builder.open_memory(bytes).and_then(oxbpf::OpenObject::load);
    // The text of an error is made from the object, too.
    let object = object.map_err(|e| format!("{e:#} {}", e.hint()))?;
    let mut links = Vec::new();
    for program in object.programs() {
        if let Ok(link) = program.attach() {
            if program.attach_kind() == AttachKind::Iter {
                if let Ok(reader) = link.iter() {
                    let mut reader = std::io::Read::take(reader, 4096);
                    let _ = std::io::copy(&mut reader, &mut std::io::sink());
                }
            }
            links.push(link);
        }
        run(&program);
    }
    for map in object.maps() {
        for key in map.keys().take(16) {
            let Ok(key) = key else { break };
            let (Some(btf), Ok(Some(value))) = (object.btf(), map.lookup(&key, Default::default())) else {
                continue;
            };
            drop((decode(btf, map.btf_key_type_id(), &key), decode(btf, map.btf_value_type_id(), &value)));
        }
    }
    drop(links);
    Ok(object)
}

fn run(program: &Program<'_>) {
    let (packet, args) = ([0x45; 96], [0; 16]);
    let result = match program.prog_type() {
        ProgType::XDP
        | ProgType::SCHED_CLS
        | ProgType::SCHED_ACT
        | ProgType::SOCKET_FILTER
        | ProgType::CGROUP_SKB => program.test_run(|run| run.data_in = &packet),
        ProgType::RAW_TRACEPOINT => program.test_run(|run| run.ctx_in = &args),
        ProgType::SYSCALL => program.test_run(|run| run.ctx_in = &args),
        _ => return,
    };
    drop(result);
}

/// The most memory that this process has had at once, in KiB; 0 where the system does not say.
fn peak_resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Shows a line although the test may go well.
fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// What each worker does now: the mutant's number, and when it began.
type Doing = Mutex<Vec<Option<(u64, Instant)>>>;

#[test]
fn broken_objects_do_no_harm() {
    let seeds = seeds();
    assert!(seeds.len() > 50, "{} objects", seeds.len());
    if let Some(number) = std::env::var("OXBPF_MUTANT").ok().and_then(|n| n.parse().ok()) {
        let (name, bytes) = mutant(&seeds, number);
        say(format_args!("{name}\n{:?}", use_object(bytes).map(|o| o.name().to_owned())));
        return;
    }
    let count = std::env::var("OXBPF_MUTANTS").ok().and_then(|n| n.parse().ok()).unwrap_or(DEFAULT);
    let (next, loaded) = (AtomicU64::new(0), AtomicUsize::new(0));
    let failures = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let doing: Doing = Mutex::new(vec![None; workers]);
    let lock = || doing.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let (seeds, next, loaded, failures) = (&seeds, &next, &loaded, &failures);
            let lock = &lock;
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    lock()[worker] = (number < count).then(|| (number, Instant::now()));
                    if number >= count {
                        return;
                    }
                    let (name, bytes) = mutant(seeds, number);
                    match catch_unwind(AssertUnwindSafe(|| use_object(bytes))) {
                        Ok(Ok(_)) => _ = loaded.fetch_add(1, Ordering::Relaxed),
                        Ok(Err(_)) => {}
                        Err(_) => failures.lock().unwrap_or_else(PoisonError::into_inner).push(name),
                    }
                }
            });
        }
        scope.spawn(|| {
            while lock().iter().any(Option::is_some) || next.load(Ordering::Relaxed) < count {
                let hung = lock().iter().flatten().find(|(_, since)| since.elapsed() > HANG).copied();
                if let Some((number, _)) = hung {
                    // The thread cannot be ended, so the process has to.
                    say(format_args!("{} hangs", mutant(&seeds, number).0));
                    std::process::exit(1);
                }
                std::thread::park_timeout(Duration::from_millis(50));
            }
        });
    });
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (loaded, peak) = (loaded.into_inner(), peak_resident_kib());
    if count != DEFAULT {
        say(format_args!("{count} mutants, {loaded} of them loaded, at most {peak} KiB"));
    }
    assert!(failures.is_empty(), "{} panicked:\n{}", failures.len(), failures.join("\n"));
    // Otherwise the mutants are broken before they reach anything worth testing.
    assert!(loaded as u64 > count / 20, "only {loaded} of {count} could be loaded");
    assert!(peak < MAX_RESIDENT_KIB, "{peak} KiB of memory");
}
