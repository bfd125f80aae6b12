//! Draining a ring buffer that is full of 64-byte samples.

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Result, ensure};
use oxbpf::buffer::RingBuffer;
use oxbpf::{ObjectBuilder, Program};

use crate::{Figure, Row, Target};

const ROUNDS: usize = 40;
const SAMPLES: u64 = 20_000;

static SUM: AtomicU64 = AtomicU64::new(0);

fn take(sample: &[u8]) {
    let first = sample.first_chunk().map_or(0, |b| u64::from_ne_bytes(*b));
    SUM.store(SUM.load(Ordering::Relaxed).wrapping_add(first), Ordering::Relaxed);
}

unsafe extern "C" fn take_c(_: *mut c_void, data: *mut c_void, size: libbpf_sys::size_t) -> i32 {
    // SAFETY: libbpf lends `size` bytes for the call.
    take(unsafe { std::slice::from_raw_parts(data.cast(), size as usize) });
    0
}

fn fill(program: &Program<'_>) -> Result<()> {
    program.test_run(|_| {})?;
    Ok(())
}

pub(crate) fn rows() -> Result<Vec<Row>> {
    let object = concat!(env!("CARGO_MANIFEST_DIR"), "/bpf/fill.bpf.o");
    let object = ObjectBuilder::new().kernel(oxbpf_sys::kernel()).open_file(object)?.load()?;
    let (program, map) = (object.program("fill")?, object.map("ring")?);
    let mut ours = RingBuffer::builder(object.kernel()).add(map.fd(), take)?.build()?;
    // SAFETY: the callback has the type that libbpf calls, and the map outlives the buffer.
    let theirs = unsafe { libbpf_sys::ring_buffer__new(map.fd().number(), Some(take_c), ptr::null_mut(), ptr::null()) };
    ensure!(!theirs.is_null(), "libbpf cannot open the ring");
    let id = map.info()?.id;
    let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
    let each = |start: Instant, count: u64| -> Result<f64> {
        let time = start.elapsed().as_nanos() as f64;
        ensure!(count == SAMPLES, "{count} samples, not {SAMPLES}");
        Ok(time / SAMPLES as f64)
    };
    for _ in 0..ROUNDS {
        fill(&program)?;
        let start = Instant::now();
        let count = ours.consume()? as u64;
        a.push(each(start, count)?);

        fill(&program)?;
        let start = Instant::now();
        // SAFETY: `theirs` is open.
        let count = unsafe { libbpf_sys::ring_buffer__consume(theirs) };
        b.push(each(start, u64::try_from(count)?)?);

        fill(&program)?;
        // aya keeps the position to itself, so it has to look anew after the others have read.
        let data = aya::maps::MapData::from_id(id)?;
        let mut aya = aya::maps::RingBuf::try_from(aya::maps::Map::RingBuf(data))?;
        let start = Instant::now();
        let mut count = 0;
        while let Some(sample) = aya.next() {
            take(&sample);
            count += 1;
        }
        c.push(each(start, count)?);
    }
    // SAFETY: `theirs` is open and not used again.
    unsafe { libbpf_sys::ring_buffer__free(theirs) };
    let figures = vec![Figure::of("oxbpf", a), Figure::of("libbpf", b), Figure::of("aya", c)];
    let target = Target::Ratio("libbpf", 1.0);
    Ok(vec![Row { name: "ring_drain", what: "drain a ring buffer, a sample of 64 bytes", unit: "ns", figures, target }])
}
