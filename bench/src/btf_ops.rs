//! Looking up, going through, appending and deduplicating the running kernel's types.

use std::ffi::{c_char, c_int, c_void};
use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, anyhow};
use oxbpf_btf::{Btf, BtfBuilder, Bytes, IntFlags, TypeId};
use oxbpf_kernel::Fact;

use crate::growth::{Growth, Work, cpu_time};
use crate::{Figure, Row, Target};

pub(crate) const ROWS: &[&str] = &["btf_find", "btf_iter", "btf_dump_c", "btf_append", "btf_dedup"];

/// How deduplication grows. The smallest inputs are as large as the caches, so that growth is not that of their misses.
pub(crate) const GROWTH: &[Growth] = &[
    Growth { name: "btf_dedup_units", what: "units with one header", run: |scale| growth(64 * scale, units) },
    Growth { name: "btf_dedup_alike", what: "structs that differ in a member's type", run: |scale| growth(4000 * scale, alike) },
    Growth { name: "btf_dedup_deep", what: "structs that differ far from them", run: |scale| growth(500 * scale, deep) },
];

const ROUNDS: usize = 12;
const LOOKUPS: usize = 1000;

/// C libbpf's copy of some BTF.
struct Theirs(*mut libbpf_sys::btf);

impl Theirs {
    fn parse(bytes: &[u8]) -> Self {
        // SAFETY: pointer and length are a slice's; libbpf copies it.
        Theirs(unsafe { libbpf_sys::btf__new(bytes.as_ptr().cast(), bytes.len() as u32) })
    }

    fn empty() -> Self {
        // SAFETY: no arguments.
        Theirs(unsafe { libbpf_sys::btf__new_empty() })
    }

    fn append(&self, other: &Theirs) {
        // SAFETY: both are live BTF objects.
        assert!(unsafe { libbpf_sys::btf__add_btf(self.0, other.0) } > 0);
    }

    fn dedup(&self) {
        // SAFETY: a live BTF object, and no options.
        assert_eq!(unsafe { libbpf_sys::btf__dedup(self.0, std::ptr::null()) }, 0);
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        // SAFETY: owned, and not used again.
        unsafe { libbpf_sys::btf__free(self.0) }
    }
}

fn timed<T>(samples: &mut Vec<f64>, unit: f64, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let out = black_box(work());
    samples.push(start.elapsed().as_secs_f64() * unit);
    out
}

const MS: f64 = 1e3;

pub(crate) fn rows() -> Result<Vec<Row>> {
    let blob = oxbpf_sys::kernel().fact(Fact::VmlinuxBtf).map_err(|e| anyhow!("vmlinux BTF: {e}"))?;
    let bytes = Bytes::from_owner(blob.into_owner());
    let ours = Btf::parse(bytes.clone())?;
    let theirs = Theirs::parse(&bytes);
    Ok(vec![
        find(&bytes, &ours, &theirs)?,
        iter(&ours, &theirs),
        dump_c(&ours, &theirs)?,
        append(&ours, &theirs)?,
        dedup(&ours, &theirs)?,
    ])
}

fn find(bytes: &Bytes, btf: &Btf, theirs: &Theirs) -> Result<Row> {
    let named: Vec<_> = btf.types().filter(|t| !t.name().is_empty()).map(|t| (t.name(), t.kind())).collect();
    let wanted: Vec<_> = named.iter().step_by(named.len() / LOOKUPS).take(LOOKUPS).collect();
    let c_names: Vec<_> =
        wanted.iter().map(|(name, _)| std::ffi::CString::new(*name)).collect::<Result<_, _>>()?;
    let (mut ours, mut libbpf, mut aya) = (Vec::new(), Vec::new(), Vec::new());
    let theirs_of_aya = aya::Btf::from_sys_fs()?;
    for round in 0..ROUNDS {
        // A fresh one, so that the index is built each time; opening it is another row.
        let fresh = Btf::parse(bytes.clone())?;
        timed(&mut ours, MS, || {
            wanted.iter().filter(|(name, kind)| fresh.find(name, *kind).is_some()).count()
        });
        if round % 4 == 0 {
            timed(&mut libbpf, MS, || {
                let found = c_names.iter().zip(&wanted).filter(|(name, (_, kind))| {
                    // SAFETY: a live BTF object and a string.
                    unsafe { libbpf_sys::btf__find_by_name_kind(theirs.0, name.as_ptr(), kind.0) > 0 }
                });
                found.count()
            });
        }
        if round % 6 == 0 {
            use aya_obj::btf::BtfKind as Kind;
            let kind = |k: u32| match k {
                1 => Kind::Int,
                4 => Kind::Struct,
                5 => Kind::Union,
                6 => Kind::Enum,
                7 => Kind::Fwd,
                8 => Kind::Typedef,
                12 => Kind::Func,
                14 => Kind::Var,
                _ => Kind::Struct,
            };
            timed(&mut aya, MS, || {
                let found = wanted
                    .iter()
                    .filter(|(name, k)| theirs_of_aya.id_by_type_name_kind(name, kind(k.0)).is_ok());
                found.count()
            });
        }
    }
    let figures = vec![Figure::of("oxbpf", ours), Figure::of("libbpf", libbpf), Figure::of("aya", aya)];
    let what = "1,000 types of vmlinux by name and kind, index build included";
    Ok(Row { name: "btf_find", what, unit: "ms", figures, target: Target::Ratio("libbpf", 1.0 / 300.0) })
}

fn iter(btf: &Btf, theirs: &Theirs) -> Row {
    let (mut ours, mut libbpf) = (Vec::new(), Vec::new());
    for _ in 0..5 * ROUNDS {
        timed(&mut ours, MS, || btf.types().fold(0u32, |sum, t| sum.wrapping_add(t.info() ^ t.size())));
        timed(&mut libbpf, MS, || {
            // SAFETY: a live BTF object.
            let count = unsafe { libbpf_sys::btf__type_cnt(theirs.0) };
            (1..count).fold(0u32, |sum, id| {
                // SAFETY: a live BTF object and an id that it has, whose type stays where it is.
                let t = unsafe { &*libbpf_sys::btf__type_by_id(theirs.0, id) };
                // SAFETY: both members of the union are a 32-bit number.
                sum.wrapping_add(t.info ^ unsafe { t.__bindgen_anon_1.size })
            })
        });
    }
    let figures = vec![Figure::of("oxbpf", ours), Figure::of("libbpf", libbpf)];
    Row {
        name: "btf_iter",
        what: "visit all types of vmlinux",
        unit: "ms",
        figures,
        target: Target::Ratio("libbpf", 1.0),
    }
}

unsafe extern "C" {
    /// The C library's; what a caller of libbpf writes its text with.
    fn vsnprintf(
        to: *mut c_char,
        room: usize,
        format: *const c_char,
        args: *mut libbpf_sys::__va_list_tag,
    ) -> c_int;
}

/// Appends text of libbpf's to the `Vec` behind `text`.
unsafe extern "C" fn printed(
    text: *mut c_void,
    format: *const c_char,
    args: *mut libbpf_sys::__va_list_tag,
) {
    // SAFETY: `dump_c` gave the address of a `Vec` that nobody else uses meanwhile.
    let text = unsafe { &mut *text.cast::<Vec<u8>>() };
    text.reserve(4096);
    // SAFETY: there is room for 4,096 bytes; format and arguments are libbpf's.
    let len = unsafe { vsnprintf(text.as_mut_ptr().add(text.len()).cast(), 4096, format, args) };
    assert!((0..4096).contains(&len));
    // SAFETY: as many bytes were written.
    unsafe { text.set_len(text.len() + len as usize) };
}

fn dump_c(btf: &Btf, theirs: &Theirs) -> Result<Row> {
    let (mut ours, mut libbpf) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let text = timed(&mut ours, MS, || btf.dump_c())?;
        let mut other: Vec<u8> = Vec::with_capacity(text.len());
        timed(&mut libbpf, MS, || {
            let to = std::ptr::from_mut(&mut other).cast();
            // SAFETY: a live BTF object, a printer, and what the printer expects.
            let dump = unsafe { libbpf_sys::btf_dump__new(theirs.0, Some(printed), to, std::ptr::null()) };
            for id in 1..btf.type_count() {
                // SAFETY: a live dumper and an id that its BTF has.
                assert_eq!(unsafe { libbpf_sys::btf_dump__dump_type(dump, id) }, 0);
            }
            // SAFETY: not used again.
            unsafe { libbpf_sys::btf_dump__free(dump) };
        });
        assert!(text == other, "the texts differ");
    }
    let figures = vec![Figure::of("oxbpf", ours), Figure::of("libbpf", libbpf)];
    let what = "all of vmlinux as C";
    Ok(Row { name: "btf_dump_c", what, unit: "ms", figures, target: Target::Ratio("libbpf", 0.25) })
}

fn append(btf: &Btf, theirs: &Theirs) -> Result<Row> {
    let (mut ours, mut libbpf) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut b = BtfBuilder::new();
        timed(&mut ours, MS, || b.append_btf(btf))?;
        let to = Theirs::empty();
        timed(&mut libbpf, MS, || to.append(theirs));
    }
    let figures = vec![Figure::of("oxbpf", ours), Figure::of("libbpf", libbpf)];
    let what = "append vmlinux to an empty BTF";
    Ok(Row { name: "btf_append", what, unit: "ms", figures, target: Target::Ratio("libbpf", 0.25) })
}

fn dedup(btf: &Btf, theirs: &Theirs) -> Result<Row> {
    let (mut ours, mut libbpf) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut b = BtfBuilder::new();
        b.append_btf(btf)?;
        b.append_btf(btf)?;
        timed(&mut ours, MS, || b.dedup())?;
        let to = Theirs::empty();
        to.append(theirs);
        to.append(theirs);
        timed(&mut libbpf, MS, || to.dedup());
    }
    let figures = vec![Figure::of("oxbpf", ours), Figure::of("libbpf", libbpf)];
    let what = "deduplicate two copies of vmlinux";
    Ok(Row { name: "btf_dedup", what, unit: "ms", figures, target: Target::Ratio("libbpf", 0.25) })
}

/// Deduplicates what `family` makes of a size; milliseconds.
fn growth(size: usize, family: fn(&mut BtfBuilder, u32) -> Result<()>) -> Result<Work> {
    let mut b = BtfBuilder::new();
    family(&mut b, size as u32)?;
    let btf = b.finish()?;
    let work = move || {
        let mut b = BtfBuilder::from_btf(&btf)?;
        cpu_time(|| Ok(b.dedup()?))
    };
    Ok((size, Box::new(work)))
}

/// `n` units: 100 structs of a header that refer to each other, and 50 of their own.
fn units(b: &mut BtfBuilder, n: u32) -> Result<()> {
    for unit in 0..n {
        let int = b.add_int("int", 4, IntFlags::SIGNED)?;
        let first = int.0 + 1;
        for i in 0..150 {
            let own = if i < 100 { String::new() } else { format!("_{unit}") };
            b.add_struct(&format!("s{i}{own}"), 24)?;
            b.add_field("value", int, 0, 0)?;
            b.add_field("next", TypeId(first + 2 * ((i + 1) % 150) + 1), 64, 0)?;
            b.add_field("other", TypeId(first + 2 * ((i * 7) % 150) + 1), 128, 0)?;
            b.add_ptr(TypeId(first + 2 * i))?;
        }
    }
    Ok(())
}

/// `n` structs of the same name and members, each of which points to another type, twice.
fn alike(b: &mut BtfBuilder, n: u32) -> Result<()> {
    for i in 0..2 * n {
        let t = b.add_struct(&format!("t{}", i % n), 4)?;
        let ptr = b.add_ptr(t)?;
        b.add_struct("same", 8)?;
        b.add_field("member", ptr, 0, 0)?;
    }
    Ok(())
}

/// `n` chains of structs of the same names and members, of which only the last differ.
fn deep(b: &mut BtfBuilder, n: u32) -> Result<()> {
    for i in 0..n {
        let mut to = b.add_struct(&format!("t{i}"), 4)?;
        for depth in 0..6 {
            let ptr = b.add_ptr(to)?;
            to = b.add_struct(&format!("same{depth}"), 8)?;
            b.add_field("member", ptr, 0, 0)?;
        }
    }
    Ok(())
}
