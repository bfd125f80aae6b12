//! Opening a small object from its file, and closing it.

use std::ffi::CString;
use std::hint::black_box;
use std::ptr;
use std::time::Instant;

use anyhow::{Result, ensure};
use oxbpf::{ObjectBuilder, OpenObject};
use testkit::BpfObject;

use crate::growth::{Work, cpu_time};
use crate::{Row, Target, alternate};

const ROUNDS: usize = 60;
/// Objects opened for one sample.
const TIMES: u32 = 50;

/// The time of one, in microseconds.
fn time(mut open: impl FnMut() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    for _ in 0..TIMES {
        open()?;
    }
    Ok(start.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES))
}

pub(crate) fn rows() -> Result<Vec<Row>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/bpf/minimal.bpf.o");
    let c_path = CString::new(path)?;
    let mut ours = || time(|| Ok(drop(black_box(OpenObject::open_file(path)?))));
    let mut theirs = || {
        time(|| {
            // SAFETY: a path that ends, and no options.
            let object = unsafe { libbpf_sys::bpf_object__open_file(c_path.as_ptr(), ptr::null()) };
            ensure!(!object.is_null(), "libbpf cannot open {path}");
            // SAFETY: libbpf gave it and it is not used again.
            unsafe { libbpf_sys::bpf_object__close(object) };
            Ok(())
        })
    };
    let figures = alternate(ROUNDS, &mut [("oxbpf", &mut ours), ("libbpf", &mut theirs)])?;
    let target = Target::Ratio("libbpf", 1.0);
    Ok(vec![Row { name: "obj_open", what: "open a small object's file and close it", unit: "us", figures, target }])
}

/// Opens an object of many programs.
pub(crate) fn grow(scale: usize) -> Result<Work> {
    let programs = 100 * scale;
    let mut object = BpfObject::new();
    for i in 0..programs {
        object.program("socket", &format!("p{i}"), &[0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);
    }
    let bytes = object.to_bytes(&oxbpf_btf::BtfBuilder::new().to_bytes()?, |_| 0);
    let open = move || cpu_time(|| Ok(ObjectBuilder::new().open_memory(bytes.clone())?));
    Ok((programs, Box::new(open)))
}
