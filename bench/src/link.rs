//! Linking: a hundred objects that share types, and one with as many types as two kernels.

use std::ffi::{CString, c_void};
use std::hint::black_box;
use std::io::Read;
use std::ptr;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use oxbpf_btf::{Btf, BtfBuilder, Bytes, FuncLinkage, Placement, Type};
use oxbpf_kernel::Fact;
use oxbpf_linker::Linker;
use testkit::BpfObject;

use crate::growth::{Growth, Work, cpu_time};
use crate::{Row, Target, alternate};

pub(crate) const ROWS: &[&str] = &["link_100", "link_types"];
pub(crate) const GROWTH: &[Growth] = &[
    Growth { name: "link_100", what: "units that share types", run: |scale| grow(6 * scale) },
    Growth { name: "link_units", what: "units of their own", run: |scale| grow_apart(20 * scale) },
];

const ROUNDS: usize = 12;

/// The objects of the largest set of `testdata/link`, in order.
fn units() -> Result<Vec<Vec<u8>>> {
    let dir = testkit::testdata("link");
    let packed = std::fs::read(dir.join("units.zz"))?;
    let mut raw = Vec::new();
    flate2::read::ZlibDecoder::new(&packed[..]).read_to_end(&mut raw)?;
    let mut rest = &raw[..];
    let mut part = || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (part, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        rest = after;
        Some(part.to_vec())
    };
    let mut named = std::collections::HashMap::new();
    while let (Some(name), Some(bytes)) = (part(), part()) {
        named.insert(String::from_utf8(name)?, bytes);
    }
    let text = std::fs::read_to_string(dir.join("libbpf.txt"))?;
    let set = text.lines().find_map(|l| l.strip_prefix("graph_100: ")).context("the set is there")?;
    let members = set.split(": ").next().unwrap_or_default().split(' ');
    members.map(|m| named.remove(m).with_context(|| m.to_owned())).collect()
}

/// Seconds to link with oxbpf.
fn ours(units: &[Vec<u8>]) -> Result<f64> {
    let start = Instant::now();
    let mut linker = Linker::new();
    for unit in units {
        linker.add("unit.o", unit)?;
    }
    black_box(linker.finish()?);
    Ok(start.elapsed().as_secs_f64())
}

/// Seconds to link with C libbpf, into memory too.
fn theirs(units: &mut [Vec<u8>]) -> Result<f64> {
    let name = CString::new("linked")?;
    // SAFETY: a name that ends, and a flag.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) };
    ensure!(fd >= 0, "no memory file");
    let start = Instant::now();
    // SAFETY: a descriptor that is open, and no options.
    let linker = unsafe { libbpf_sys::bpf_linker__new_fd(fd, ptr::null_mut()) };
    ensure!(!linker.is_null(), "libbpf makes no linker");
    for unit in units {
        let (at, len) = (unit.as_mut_ptr().cast::<c_void>(), unit.len() as u64);
        // SAFETY: a live linker, and pointer and length of a buffer that it copies.
        let result = unsafe { libbpf_sys::bpf_linker__add_buf(linker, at, len, ptr::null()) };
        ensure!(result == 0, "libbpf refuses a unit: {result}");
    }
    // SAFETY: a live linker.
    let result = unsafe { libbpf_sys::bpf_linker__finalize(linker) };
    ensure!(result == 0, "libbpf cannot finish: {result}");
    let time = start.elapsed().as_secs_f64();
    // SAFETY: libbpf gave it and it is not used again; the descriptor is ours.
    unsafe {
        libbpf_sys::bpf_linker__free(linker);
        libc::close(fd);
    }
    Ok(time)
}

fn row(name: &'static str, what: &'static str, mut units: Vec<Vec<u8>>) -> Result<Row> {
    let mut copy = units.clone();
    let mut one = || Ok(ours(&units)? * 1e3);
    let mut other = || Ok(theirs(&mut copy)? * 1e3);
    let figures = alternate(ROUNDS, &mut [("oxbpf", &mut one), ("libbpf", &mut other)])?;
    units.clear();
    Ok(Row { name, what, unit: "ms", figures, target: Target::Ratio("libbpf", 1.0 / 3.0) })
}

const RETURN_0: [u8; 16] = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];

/// An object with one program and the types of the running kernel twice.
fn many_types() -> Result<Vec<u8>> {
    let blob = oxbpf_sys::kernel().fact(Fact::VmlinuxBtf).map_err(|e| anyhow!("vmlinux BTF: {e}"))?;
    let vmlinux = Btf::parse(Bytes::from_owner(blob.into_owner()))?;
    let mut b = BtfBuilder::new();
    for _ in 0..2 {
        // Variables and functions would need symbols.
        b.append_selected(&vmlinux, |t| match t.view() {
            Type::Var { .. } | Type::Func { .. } | Type::DataSec(_) | Type::DeclTag { .. } => Placement::Skip,
            _ => Placement::Copy,
        })?;
    }
    with_program(b, "only")
}

/// An object with a program called `name`, and types.
fn with_program(mut b: BtfBuilder, name: &str) -> Result<Vec<u8>> {
    let proto = b.add_func_proto(0.into())?;
    b.add_func(name, FuncLinkage::GLOBAL, proto)?;
    let mut object = BpfObject::new();
    object.program("socket", name, &RETURN_0);
    Ok(object.to_bytes(&b.to_bytes()?, |_| 0))
}

pub(crate) fn rows() -> Result<Vec<Row>> {
    Ok(vec![
        row("link_100", "link 100 objects", units()?)?,
        row("link_types", "link one object with the types of two kernels", vec![many_types()?])?,
    ])
}

fn work(units: Vec<Vec<u8>>) -> Work {
    (units.len(), Box::new(move || cpu_time(|| ours(&units))))
}

fn grow(count: usize) -> Result<Work> {
    let mut all = units()?;
    all.truncate(count);
    Ok(work(all))
}

fn grow_apart(count: usize) -> Result<Work> {
    let unit = |i: usize| {
        let mut b = BtfBuilder::new();
        let int = b.add_int("int", 4, oxbpf_btf::IntFlags::SIGNED)?;
        for k in 0..50 {
            b.add_struct(&format!("s{i}_{k}"), 8)?;
            b.add_field("a", int, 0, 0)?;
            b.add_field("b", int, 32, 0)?;
        }
        with_program(b, &format!("p{i}"))
    };
    Ok(work((0..count).map(unit).collect::<Result<_>>()?))
}
