//! Opening the running kernel's BTF.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, anyhow};
use oxbpf_btf::{Btf, Bytes};
use oxbpf_kernel::Fact;

use crate::{Figure, Row, Target};

const ROUNDS: usize = 60;

pub(crate) fn rows() -> Result<Vec<Row>> {
    let kernel = oxbpf_sys::kernel();
    let (mut ours, mut libbpf, mut aya) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let start = Instant::now();
        let blob = kernel.fact(Fact::VmlinuxBtf).map_err(|e| anyhow!("vmlinux BTF: {e}"))?;
        black_box(Btf::parse(Bytes::from_owner(blob.into_owner()))?);
        ours.push(start.elapsed().as_secs_f64() * 1e3);

        let start = Instant::now();
        // SAFETY: no arguments; what it gives is freed right after.
        let btf = unsafe { libbpf_sys::btf__load_vmlinux_btf() };
        assert!(!btf.is_null());
        libbpf.push(start.elapsed().as_secs_f64() * 1e3);
        // SAFETY: `btf` came from libbpf and is not used again.
        unsafe { libbpf_sys::btf__free(btf) };

        if round % 10 == 0 {
            let start = Instant::now();
            black_box(aya::Btf::from_sys_fs()?);
            aya.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    let figures = vec![Figure::of("oxbpf", ours), Figure::of("libbpf", libbpf), Figure::of("aya", aya)];
    let target = Target::Ratio("libbpf", 0.25);
    Ok(vec![Row { name: "btf_open", what: "open vmlinux BTF", unit: "ms", figures, target }])
}
