//! Loading objects with CO-RE relocations: CPU time outside of bpf(2) in a process of its own, and its peak memory.
//!
//! The objects are generated from the running kernel's types, the same for the same kernel. Each relocation is for another
//! member: its byte offset, put into a register. `core_1k` has 1,000 in one program, of 40 structs. `core_many` has 200
//! programs that each access 3 structs which have a flavour of their own in every program, as when each is compiled by
//! itself and they are linked. `load_tp_btf` is one program with three accesses.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use oxbpf_btf::{Btf, BtfBuilder, Bytes, CoreReloKind, IntFlags, Type, TypeId};
use oxbpf_kernel::Fact;
use testkit::BpfObject;

use crate::growth::{Growth, Work};
use crate::{Figure, Row, Target};

const ROUNDS: usize = 20;
const PEERS: [(&str, &str); 3] = [("oxbpf", "core_oxbpf"), ("libbpf", "core_libbpf"), ("aya", "core_aya")];

/// A struct of the kernel with members that any program may ask for.
struct Known {
    name: String,
    /// Name and whether it is a pointer, else it is an integer.
    members: Vec<(String, bool)>,
    size: u32,
}

/// Structs of the kernel with at least `members` pointers and integers whose names are not repeated.
fn structs(kernel: &Btf, members: usize) -> Vec<Known> {
    let mut seen = std::collections::HashSet::new();
    let mut found = Vec::new();
    for t in kernel.types() {
        let Type::Struct(view) = t.view() else { continue };
        let is_plain = |m: &oxbpf_btf::Member<'_>| m.bit_size == 0 && !m.name.is_empty();
        let known: Vec<_> = view.members().filter(is_plain).filter_map(|m| {
            let is_pointer = match kernel.resolve_ref(m.type_id).ok()?.view() {
                Type::Ptr(_) => true,
                Type::Int(..) => false,
                _ => return None,
            };
            Some((m.name.to_owned(), is_pointer))
        }).collect();
        let is_plain = !t.name().is_empty() && !t.name().contains("___") && kernel.find_all(t.name()).count() == 1;
        if known.len() >= members && is_plain && seen.insert(t.name()) {
            found.push(Known { name: t.name().to_owned(), members: known, size: t.size() });
        }
    }
    found
}

/// Object types in the making, with the strings of accesses.
struct Types(BtfBuilder);

impl Types {
    fn new() -> Result<Self> {
        let mut b = BtfBuilder::new();
        b.add_int("int", 4, IntFlags::SIGNED)?;
        b.add_ptr(TypeId::VOID)?;
        Ok(Self(b))
    }

    fn add(&mut self, s: &Known, flavour: &str, members: usize) -> Result<TypeId> {
        let id = self.0.add_struct(&format!("{}{flavour}", s.name), s.size.max(8 * members as u32))?;
        for (i, (name, is_pointer)) in (0u32..).zip(s.members.iter().take(members)) {
            self.0.add_field(name, TypeId(1 + u32::from(*is_pointer)), i * 64, 0)?;
        }
        Ok(id)
    }
}

/// r1 = the offset, once for each member; then r0 = 0 and exit.
fn code(offsets: impl Iterator<Item = u32>) -> Vec<u8> {
    let mut code = Vec::new();
    for off in offsets {
        code.extend([0xb7, 1, 0, 0]);
        code.extend(off.to_le_bytes());
    }
    code.extend([0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);
    code
}

/// `programs` programs with `types` structs each, of which `members` members are accessed.
fn object(kernel: &Btf, section: &str, programs: usize, types: usize, members: usize) -> Result<Vec<u8>> {
    let known = structs(kernel, members);
    ensure!(known.len() >= types, "the kernel has too few structs");
    let step = known.len() / types;
    let mut b = Types::new()?;
    let mut object = BpfObject::new();
    for p in 0..programs {
        let flavour = if programs > 1 { format!("___p{p}") } else { String::new() };
        let offsets = (0..types).flat_map(|_| (0..members as u32).map(|i| i * 8));
        let mut at = object.program(section, &format!("p{p}"), &code(offsets));
        for s in known.iter().step_by(step).take(types) {
            let id = b.add(s, &flavour, members)?;
            for m in 0..members {
                let access = b.0.add_str(&format!("0:{m}"))?;
                object.core_relo(section, at, id.0, access, CoreReloKind::FIELD_BYTE_OFFSET.0);
                at += 8;
            }
        }
    }
    b.0.add_str(section)?;
    let bytes = b.0.to_bytes()?;
    let mut strings = b.0;
    Ok(object.to_bytes(&bytes, |name| strings.find_str(name).unwrap_or_default()))
}

fn kernel_types() -> Result<Btf> {
    let blob = oxbpf_sys::kernel().fact(Fact::VmlinuxBtf).map_err(|e| anyhow!("vmlinux BTF: {e}"))?;
    Ok(Btf::parse(Bytes::from_owner(blob.into_owner()))?)
}

/// Microseconds and KiB of one run.
fn run(program: &Path, object: &Path) -> Result<(f64, f64)> {
    let out = Command::new(program).arg(object).output().with_context(|| program.display().to_string())?;
    let text = String::from_utf8_lossy(&out.stdout);
    let mut words = text.split_whitespace().map(str::parse::<f64>);
    match (words.next(), words.next()) {
        (Some(Ok(time)), Some(Ok(size))) => Ok((time / 1e3, size)),
        _ => Err(anyhow!("{} failed: {}", program.display(), String::from_utf8_lossy(&out.stderr))),
    }
}

/// Figures of all peers that can load the object: time, memory.
fn measure(object: &[u8], rounds: usize) -> Result<[Vec<Figure>; 2]> {
    let here = std::env::current_exe()?;
    let here = here.parent().context("no directory")?;
    let file = here.join("core.bpf.o");
    std::fs::write(&file, object)?;
    let mut figures = [Vec::new(), Vec::new()];
    let mut samples = vec![Some((Vec::new(), Vec::new())); PEERS.len()];
    for _ in 0..rounds {
        for ((who, program), sample) in PEERS.iter().zip(&mut samples) {
            let Some((times, sizes)) = sample else { continue };
            match run(&here.join(program), &file) {
                Ok((time, size)) => {
                    times.push(time);
                    sizes.push(size);
                }
                Err(e) if *who == "aya" => {
                    eprintln!("{e:#}");
                    *sample = None;
                }
                Err(e) => return Err(e),
            }
        }
    }
    for ((who, _), sample) in PEERS.iter().zip(samples) {
        if let Some((times, sizes)) = sample {
            figures[0].push(Figure::of(who, times));
            figures[1].push(Figure::of(who, sizes));
        }
    }
    std::fs::remove_file(file)?;
    Ok(figures)
}

pub(crate) const ROWS: &[&str] =
    &["core_1k", "core_1k_rss", "core_many", "core_many_rss", "load_tp_btf", "load_tp_btf_rss"];

/// More of what `core_1k` and `core_many` have.
pub(crate) const GROWTH: &[Growth] = &[
    Growth { name: "core_types", what: "types with 8 accesses each", run: |scale| growth(40 * scale, 1, 40 * scale, 8) },
    Growth { name: "core_many", what: "programs", run: |scale| growth(50 * scale, 50 * scale, 3, 8) },
];

/// Loads an object of that size; microseconds.
fn growth(size: usize, programs: usize, types: usize, members: usize) -> Result<Work> {
    let here = std::env::current_exe()?;
    let here = here.parent().context("no directory")?;
    let (program, file) = (here.join("core_oxbpf"), here.join(format!("core_{programs}_{types}.bpf.o")));
    let object = object(&kernel_types()?, "socket", programs, types, members)?;
    let load = move || {
        std::fs::write(&file, &object)?;
        let result = run(&program, &file);
        std::fs::remove_file(&file)?;
        Ok(result?.0)
    };
    Ok((size, Box::new(load)))
}

pub(crate) fn rows() -> Result<Vec<Row>> {
    let kernel = kernel_types()?;
    let mut rows = Vec::new();
    let table = [
        ("core_1k", "core_1k_rss", "1,000 CO-RE relocations", ("socket", 1, 40, 25), 1.0 / 20.0),
        ("core_many", "core_many_rss", "200 programs, 600 types", ("socket", 200, 3, 8), 1.0 / 50.0),
        ("load_tp_btf", "load_tp_btf_rss", "one tp_btf program", ("tp_btf/sched_process_exec", 1, 1, 3), 0.25),
    ];
    // Mapped types of the kernel and 3 MB.
    let limit = Target::AtMost as fn(f64) -> Target;
    let most = (kernel.raw().len() as f64 + 3e6) / 1024.0;
    for (name, rss, what, (section, programs, types, members), ratio) in table {
        let [times, sizes] = measure(&object(&kernel, section, programs, types, members)?, ROUNDS)?;
        rows.push(Row { name, what, unit: "us outside bpf()", figures: times, target: Target::Ratio("libbpf", ratio) });
        rows.push(Row { name: rss, what: "its peak memory", unit: "KiB", figures: sizes, target: limit(most) });
    }
    Ok(rows)
}
