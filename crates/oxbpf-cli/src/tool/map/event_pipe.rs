//! `map event_pipe`: what programs write to a perf event array, until a signal comes.

use std::ops::ControlFlow;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use oxbpf::buffer::PerfBuffer;
use oxbpf_kernel::PerfEventSpec;
use oxbpf_sys::process::{Signal, Signals};
use oxbpf_uapi::MapType;
use oxbpf_uapi::perf_event::{
    PERF_COUNT_SW_BPF_OUTPUT, PERF_RECORD_LOST, PERF_RECORD_SAMPLE, PERF_SAMPLE_RAW, PERF_SAMPLE_TIME,
    PERF_TYPE_SOFTWARE,
};

use super::entry::{Entries, hex_text};
use crate::tool::select::Access;
use crate::tool::{Args, Out, Tool};

/// Pages of each ring.
const PAGES: usize = 16;

/// A record as the kernel wrote it, and whose it is.
struct Record {
    cpu: u32,
    bytes: Vec<u8>,
}

pub(super) fn run(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let kernel = tool.kernel();
    let map = tool.map(args, Access::Write)?;
    let (mut cpu, mut index) = (None, None);
    while !args.is_empty() {
        match args.one_of(&["cpu", "index"])? {
            "cpu" => cpu = Some(args.number::<u32>("CPU ID")?),
            _ => index = Some(args.number::<u32>("index")?),
        }
    }
    let one = match (cpu, index) {
        (None, None) => None,
        (Some(cpu), Some(index)) => Some((cpu, index)),
        _ => bail!("cpu and index must be specified together"),
    };
    let map = Entries::of(&kernel, map)?;
    if map.info.r#type != MapType::PERF_EVENT_ARRAY {
        bail!("map is not a perf event array");
    }
    let spec = PerfEventSpec {
        kind: PERF_TYPE_SOFTWARE,
        config: PERF_COUNT_SW_BPF_OUTPUT,
        sample_type: PERF_SAMPLE_RAW | PERF_SAMPLE_TIME,
        sample_period: 1,
        wakeup_events: 1,
        ..PerfEventSpec::default()
    };
    let (send, records) = mpsc::channel();
    let mut builder = PerfBuffer::builder(&kernel, map.map.fd()).pages(PAGES).raw(spec, move |cpu, bytes| {
        // Nobody listens any more only when the command is about to end.
        let _ = send.send(Record { cpu, bytes: bytes.to_vec() });
        ControlFlow::Continue(())
    });
    if let Some(one) = one {
        builder = builder.cpus([one]);
    }
    let mut buffer = builder.build().context("failed to create perf buffer")?;
    let mut signals = Signals::new(&[Signal::Hup, Signal::Int, Signal::Term])?;
    tool.out.array(|out| {
        while signals.next()?.is_none() && !out.is_broken() {
            match buffer.poll(Some(Duration::from_millis(200))) {
                Ok(_) => {}
                Err(e) if e.kind() == oxbpf::ErrorKind::Interrupted => {}
                Err(e) => return Err(e).context("perf buffer polling failed"),
            }
            for record in records.try_iter() {
                let index = one.map_or(record.cpu, |one| one.1);
                show(out, &record, index);
            }
            out.flush();
        }
        Ok(())
    })
}

/// The number at `at` in native byte order; 0 if it is not there.
fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u64::from_ne_bytes(*b))
}

fn half(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u32::from_ne_bytes(*b))
}

/// Shows a record: a header of eight bytes, then time, size and data of a sample, or id and count of what was lost.
fn show(out: &mut Out, record: &Record, index: u32) {
    let bytes = &record.bytes[..];
    let kind = half(bytes, 0);
    let (time, size) = (word(bytes, 8), half(bytes, 16) as usize);
    let data = bytes.get(20..).map(|d| d.get(..size).unwrap_or(d)).unwrap_or_default();
    if out.is_json() {
        out.object(|out| {
            out.field("type", kind);
            out.field("cpu", record.cpu);
            out.field("index", index);
            match kind {
                PERF_RECORD_SAMPLE => {
                    out.field("timestamp", time);
                    out.name("data").array(|out| data.iter().for_each(|byte| out.number(byte)));
                }
                PERF_RECORD_LOST => out.name("lost").object(|out| {
                    out.field("id", time);
                    out.field("count", word(bytes, 16));
                }),
                _ => {}
            }
        });
        return;
    }
    match kind {
        PERF_RECORD_SAMPLE => {
            let (seconds, rest) = (time / 1_000_000_000, time % 1_000_000_000);
            writeln!(out, "== @{seconds}.{rest:09} CPU: {} index: {index} =====", record.cpu);
            hex_text(out, data);
            writeln!(out);
        }
        PERF_RECORD_LOST => writeln!(out, "lost {} events", word(bytes, 16)),
        _ => writeln!(out, "unknown event type={kind} size={}", bytes.len()),
    }
}
