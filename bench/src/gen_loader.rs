//! Loader programs: an object opened and made into a program that loads it.

use std::ffi::c_void;
use std::hint::black_box;
use std::ptr;
use std::time::Instant;

use anyhow::{Result, ensure};
use oxbpf::ObjectBuilder;
use oxbpf::loader::GenHash;
use oxbpf_btf::{BtfBuilder, FuncLinkage};
use testkit::BpfObject;

use crate::growth::{Growth, Work, cpu_time};
use crate::{Row, Target, alternate};

pub(crate) const ROWS: &[&str] = &["gen_loader", "gen_loader_many"];
pub(crate) const GROWTH: &[Growth] = &[Growth { name: "gen_loader", what: "programs", run: grow }];

const ROUNDS: usize = 40;
/// Most programs that libbpf's have room for.
const PROGRAMS: usize = 32;

fn ours(object: &[u8]) -> Result<f64> {
    let start = Instant::now();
    black_box(ObjectBuilder::new().open_memory(object.to_vec())?.gen_loader(GenHash::None)?);
    Ok(start.elapsed().as_secs_f64() * 1e6)
}

fn theirs(object: &[u8]) -> Result<f64> {
    let start = Instant::now();
    let (at, len) = (object.as_ptr().cast::<c_void>(), object.len() as u64);
    // SAFETY: pointer and length of a buffer that outlives the object, and no options.
    let object = unsafe { libbpf_sys::bpf_object__open_mem(at, len, ptr::null()) };
    ensure!(!object.is_null(), "libbpf cannot open it");
    let mut options =
        libbpf_sys::gen_loader_opts { sz: size_of::<libbpf_sys::gen_loader_opts>() as _, ..Default::default() };
    // SAFETY: a live object, and options that outlive it.
    ensure!(unsafe { libbpf_sys::bpf_object__gen_loader(object, &mut options) } == 0, "no loader");
    // SAFETY: a live object.
    let loaded = unsafe { libbpf_sys::bpf_object__load(object) };
    black_box(options.insns);
    // SAFETY: libbpf gave it and it is not used again.
    unsafe { libbpf_sys::bpf_object__close(object) };
    ensure!(loaded == 0, "libbpf makes no loader program: {loaded}");
    Ok(start.elapsed().as_secs_f64() * 1e6)
}

/// An object of programs of a thousand instructions.
fn many(programs: usize) -> Result<Vec<u8>> {
    let mut b = BtfBuilder::new();
    let proto = b.add_func_proto(0.into())?;
    let mut code = [0xb7, 0, 0, 0, 0, 0, 0, 0].repeat(999);
    code.extend([0x95, 0, 0, 0, 0, 0, 0, 0]);
    let mut object = BpfObject::new();
    for i in 0..programs {
        let name = format!("program_{i}");
        b.add_func(&name, FuncLinkage::GLOBAL, proto)?;
        object.program("socket", &name, &code);
    }
    Ok(object.to_bytes(&b.to_bytes()?, |_| 0))
}

fn row(name: &'static str, what: &'static str, object: &[u8]) -> Result<Row> {
    let mut one = || ours(object);
    let mut other = || theirs(object);
    let figures = alternate(ROUNDS, &mut [("oxbpf", &mut one), ("libbpf", &mut other)])?;
    Ok(Row { name, what, unit: "us", figures, target: Target::Ratio("libbpf", 1.0) })
}

pub(crate) fn rows() -> Result<Vec<Row>> {
    let small = std::fs::read(testkit::example("opensnoop.bpf.o"))?;
    Ok(vec![
        row("gen_loader", "make a loader program of opensnoop", &small)?,
        row("gen_loader_many", "make a loader program of 32 programs of 1000 instructions", &many(PROGRAMS)?)?,
    ])
}

fn grow(scale: usize) -> Result<Work> {
    // The largest has as many as a loader program has room for.
    let object = many(scale)?;
    Ok((scale, Box::new(move || cpu_time(|| ours(&object)))))
}
