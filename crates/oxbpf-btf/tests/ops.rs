//! Append, deduplicate, permute: the bytes are those of C libbpf (1.8 for permute), stored as hashes in
//! `testdata/ops/ops.txt` with one line a case, see `testdata/ops/README.md`.
//!
//! With `OXBPF_OPS_INPUTS=DIR` set, the inputs and the plan for the recorder are written to `DIR` instead.

#![allow(clippy::print_stdout, reason = "a test that is skipped says why")]

mod units;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oxbpf_btf::{Btf, BtfBuilder, BtfError, BtfExt, TypeId};
use oxbpf_uapi::BtfKind;
use units::Rng;

const SEEDS: u64 = 400;

/// A line of the plan.
#[derive(Default)]
struct Case {
    name: String,
    base: Option<Arc<Btf>>,
    ext: Option<Vec<u8>>,
    /// Whether the first is opened, not appended to an empty one.
    opens: bool,
    units: Vec<Btf>,
}

fn testdata(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(path)
}

/// FNV-1a over what is behind the header, with words in little-endian order, and BTF.ext.
fn hash(b: &BtfBuilder, ext: Option<&BtfExt>) -> String {
    let raw = b.to_bytes().unwrap();
    let word = |at: usize| u32::from_ne_bytes(*raw[at..].first_chunk().unwrap()) as usize;
    let (hdr_len, type_len) = (word(4), word(12));
    let (types, strs) = raw[hdr_len..].split_at(type_len);
    let ext = ext.map_or(&[][..], |e| e.raw());
    // The magic number and two bytes, then words.
    let (ext_head, ext) = ext.split_at(ext.len().min(4));
    let words = |data: &[u8]| -> Vec<u8> {
        let words = data.chunks_exact(4);
        words.flat_map(|w| u32::from_ne_bytes(*w.first_chunk().unwrap()).to_le_bytes()).collect()
    };
    let mut head = ext_head.to_vec();
    if let [a, b, ..] = head[..] {
        head[..2].copy_from_slice(&u16::from_ne_bytes([a, b]).to_le_bytes());
    }
    let parts = [&words(types)[..], strs, &head, &words(ext)];
    let all = parts.iter().flat_map(|p| p.iter());
    let h = all.fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
    format!(" {h:016x}")
}

fn show(b: &BtfBuilder, ext: Option<&BtfExt>, result: Result<(), BtfError>) -> String {
    match result {
        Ok(()) => hash(b, ext),
        Err(e) => format!(" E{}", e.errno().0),
    }
}

fn dedup(b: &mut BtfBuilder, ext: Option<&mut BtfExt>) -> Result<(), BtfError> {
    let ids = match ext {
        Some(ext) => b.dedup_with(ext)?,
        None => b.dedup()?,
    };
    assert!(ids.iter().all(|id| id.0 < b.type_count()), "an id that is not there");
    Ok(())
}

/// Does what the recorder does, and checks what has to hold besides.
fn run(case: &Case) -> String {
    let mut units = case.units.iter();
    let mut b = match (&case.base, case.opens) {
        (_, true) => BtfBuilder::from_btf(units.next().unwrap()).unwrap(),
        (Some(base), false) => BtfBuilder::new_split(base.clone()),
        (None, false) => BtfBuilder::new(),
    };
    let mut ext = case.ext.as_ref().map(|e| BtfExt::parse(e.clone()).unwrap());
    let mut line = case.name.clone();
    let appended = units.try_for_each(|u| b.append_btf(u).map(drop));
    line += &show(&b, ext.as_ref(), appended);

    let before = b.to_bytes().unwrap();
    let done = dedup(&mut b, ext.as_mut());
    let failed = done.is_err();
    line += &show(&b, ext.as_ref(), done);
    if failed {
        assert_eq!(b.to_bytes().unwrap(), before, "{}: changed in spite of an error", case.name);
        return line;
    }
    reparse(case, &b);

    let (start, end) = (case.base.as_ref().map_or(1, |b| b.type_count()), b.type_count());
    let void = case.base.is_none().then_some(TypeId::VOID);
    let map: Vec<TypeId> = void.into_iter().chain((start..end).rev().map(TypeId)).collect();
    let permuted = match &mut ext {
        Some(ext) => b.permute_with(&map, ext),
        None => b.permute(&map),
    };
    line += &show(&b, ext.as_ref(), permuted);
    let done = dedup(&mut b, ext.as_mut());
    line += &show(&b, ext.as_ref(), done);
    reparse(case, &b);
    line
}

/// What is written can be read, is valid, and is written the same again.
fn reparse(case: &Case, b: &BtfBuilder) {
    let bytes = b.to_bytes().unwrap();
    let btf = match &case.base {
        Some(base) => Btf::parse_split(bytes.clone(), base.clone()).unwrap(),
        None => Btf::parse(bytes.clone()).unwrap(),
    };
    btf.validate().unwrap();
    assert_eq!(BtfBuilder::from_btf(&btf).unwrap().to_bytes().unwrap(), bytes, "{}", case.name);
}

/// Compares with the stored lines, or writes inputs and plan for the recorder.
fn check(cases: impl Iterator<Item = Case>) {
    let stored = std::fs::read_to_string(testdata("ops/ops.txt")).unwrap();
    let stored: BTreeMap<&str, &str> =
        stored.lines().filter_map(|l| Some((l.split_once(' ')?.0, l))).collect();
    let inputs = std::env::var_os("OXBPF_OPS_INPUTS");
    let mut count = 0;
    for case in cases {
        count += 1;
        match &inputs {
            Some(dir) => write_inputs(Path::new(dir), &case),
            None => assert_eq!(Some(run(&case).as_str()), stored.get(case.name.as_str()).copied()),
        }
    }
    assert!(count > 0, "no cases");
}

fn write_inputs(dir: &Path, case: &Case) {
    let write = |name: String, data: &[u8]| -> String {
        std::fs::write(dir.join(&name), data).unwrap();
        name
    };
    let name = &case.name;
    let base = case.base.as_ref().map_or("-".into(), |b| write(format!("{name}.base"), b.raw()));
    let ext = case.ext.as_ref().map_or("-".into(), |e| write(format!("{name}.ext"), e));
    let mut line = format!("{name} {base} ext={ext}");
    for (i, unit) in case.units.iter().enumerate() {
        let sign = match (case.opens && i == 0, case.base.is_some() && unit.base().is_none()) {
            (true, _) => "=",
            (false, true) => "+",
            _ => "",
        };
        line += &format!(" {sign}{}", write(format!("{name}.{i}"), unit.raw()));
    }
    std::fs::write(dir.join(format!("{name}.plan")), line + "\n").unwrap();
}

#[test]
fn every_kind_is_among_the_generated() {
    let units: Vec<Btf> = (0..20).flat_map(|seed| units::program(&mut Rng::new(seed), None)).collect();
    for kind in (1..=19).map(BtfKind) {
        assert!(units.iter().any(|u| u.types().any(|t| t.kind() == kind)), "{kind}");
    }
}

#[test]
fn generated_programs_give_libbpfs_bytes() {
    check((0..SEEDS).map(|seed| {
        let mut r = Rng::new(seed);
        let opens = r.one_in(2);
        let units = units::program(&mut r, None);
        Case { name: format!("program-{seed}"), opens, units, ..Case::default() }
    }));
}

#[test]
fn generated_programs_on_a_base_give_libbpfs_bytes() {
    check((0..SEEDS).map(|seed| {
        let mut r = Rng::new(seed + 100_000);
        let mut base = BtfBuilder::new();
        for unit in units::program(&mut r, None) {
            base.append_btf(&unit).unwrap();
        }
        // A base that has duplicates too is legal.
        if r.one_in(2) {
            base.dedup().unwrap();
        }
        let base = Arc::new(base.finish().unwrap());
        let opens = r.one_in(2);
        let mut units = units::program(&mut r, Some(&base));
        if r.one_in(2) {
            units.extend(units::program(&mut r, None));
        }
        Case { name: format!("split-{seed}"), base: Some(base), opens, units, ..Case::default() }
    }));
}

/// The contents of a section of a little- or big-endian ELF64 object.
fn section(elf: &[u8], name: &str) -> Option<Vec<u8>> {
    let is_big = *elf.get(5)? == 2;
    let num = |at: usize, len: usize| -> Option<usize> {
        let bytes = elf.get(at..at + len)?.iter();
        let add = |n: usize, b: &u8| n << 8 | usize::from(*b);
        Some(if is_big { bytes.fold(0, add) } else { bytes.rev().fold(0, add) })
    };
    let (headers, count, names) = (num(0x28, 8)?, num(0x3c, 2)?, num(0x3e, 2)?);
    let range = |i: usize| {
        let start = num(headers + 64 * i + 0x18, 8)?;
        elf.get(start..start + num(headers + 64 * i + 0x20, 8)?)
    };
    let names = range(names)?;
    let found = (0..count).find(|i| {
        let at = num(headers + 64 * i, 4).unwrap_or_default();
        names.get(at..).is_some_and(|n| n.split(|b| *b == 0).next() == Some(name.as_bytes()))
    });
    Some(range(found?)?.to_vec())
}

/// BTF and BTF.ext of the objects that there were when the answers were recorded, in the order of their names.
fn objects() -> Vec<(String, Btf, Option<Vec<u8>>)> {
    let names = std::fs::read_to_string(testdata("ops/objects.txt")).unwrap();
    let paths = names.lines().map(|name| testdata(&format!("objects/{name}.o")));
    let read = |path: PathBuf| {
        let elf = std::fs::read(&path).unwrap();
        let btf = Btf::parse(section(&elf, ".BTF")?).ok()?;
        btf.validate().ok()?;
        let ext = section(&elf, ".BTF.ext").filter(|_| !btf.is_foreign_endian());
        Some((path.file_stem()?.to_str()?.to_owned(), btf, ext))
    };
    paths.filter_map(read).collect()
}

fn copy(btf: &Btf) -> Btf {
    Btf::parse(btf.raw().to_vec()).unwrap()
}

// The stored answers with BTF.ext are those of a little-endian machine.
#[cfg(target_endian = "little")]
#[test]
fn objects_give_libbpfs_bytes_alone_and_with_their_ext() {
    // The objects of the other byte order have no BTF.ext here: it is kept in the order in which it was read.
    let is_native = |(name, _, _): &(String, Btf, Option<Vec<u8>>)| !name.ends_with("be");
    check(objects().into_iter().filter(is_native).map(|(name, btf, ext)| Case {
        name: format!("object-{name}"),
        ext,
        opens: true,
        units: vec![btf],
        base: None,
    }));
}

#[test]
fn objects_give_libbpfs_bytes_in_pairs_and_all_together() {
    let all: Vec<(String, Btf)> = objects().into_iter().map(|(name, btf, _)| (name, btf)).collect();
    let pairs = all.iter().zip(all.iter().skip(1)).map(|((n1, b1), (n2, b2))| Case {
        name: format!("pair-{n1}-{n2}"),
        units: vec![copy(b1), copy(b2)],
        ..Case::default()
    });
    let together =
        Case { name: "all".into(), units: all.iter().map(|(_, b)| copy(b)).collect(), ..Case::default() };
    check(pairs.chain([together]));
}

/// Two copies of a kernel's types, named after a hash of its bytes.
fn kernel(path: &Path) -> Option<Case> {
    let bytes = std::fs::read(path).ok()?;
    let h = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
    let units = (0..2).map(|_| Btf::parse(bytes.clone()).unwrap()).collect();
    Some(Case { name: format!("kernel-{h:016x}"), units, ..Case::default() })
}

#[test]
fn two_copies_of_a_known_kernels_types_give_libbpfs_bytes() {
    if let Some(dir) = std::env::var_os("OXBPF_OPS_INPUTS") {
        let paths = std::env::var_os("OXBPF_OPS_KERNELS").unwrap_or_default();
        for path in std::env::split_paths(&paths).filter(|p| !p.as_os_str().is_empty()) {
            write_inputs(Path::new(&dir), &kernel(&path).unwrap());
        }
        return;
    }
    let path = Path::new("/sys/kernel/btf/vmlinux");
    let Some(case) = kernel(path) else { return println!("skipped: {path:?} cannot be read") };
    let stored = std::fs::read_to_string(testdata("ops/kernels.txt")).unwrap();
    let Some(line) = stored.lines().find(|l| l.starts_with(&case.name)) else {
        return println!("skipped: {} is not among the recorded ones", case.name);
    };
    assert_eq!(run(&case), line);
}
