//! Ring and perf buffers: which struct their events are, and events as lines.

use std::collections::HashMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use oxbpf::buffer::{PerfBuffer, RingBuffer};
use oxbpf::{Map, Object};
use oxbpf_btf::value::decode;
use oxbpf_btf::{Btf, Type, TypeId};
use oxbpf_kernel::{Handle, Kernel, Opening};
use oxbpf_object::ObjectSpec;
use oxbpf_uapi::{BtfKind, MapType};

use super::lock;
use super::sink::{Shown, Sink};

/// What `--event` says: struct by map.
pub(super) type Wanted = HashMap<String, TypeId>;

/// Reads `--event MAP=STRUCT`, checked against the object.
pub(super) fn wanted(options: &[String], spec: &ObjectSpec) -> Result<Wanted> {
    let mut found = Wanted::new();
    for option in options {
        let (map, name) =
            option.split_once('=').with_context(|| format!("--event {option}: not MAP=STRUCT"))?;
        if !spec.maps.iter().any(|m| m.real_name == map && is_buffer(m.map_type)) {
            let buffers = spec.maps.iter().filter(|m| is_buffer(m.map_type)).map(|m| m.real_name.as_str());
            let buffers = buffers.collect::<Vec<_>>().join(", ");
            let buffers = if buffers.is_empty() { "none" } else { &buffers };
            bail!("--event {option}: the object has no ring or perf buffer `{map}`; it has {buffers}");
        }
        let btf = spec.btf.as_ref().context("the object has no types, so --event cannot know any")?;
        let id = find_struct(btf, name)
            .with_context(|| format!("--event {option}: no struct `{name}` in the object"))?;
        found.insert(map.to_owned(), id);
    }
    Ok(found)
}

fn is_buffer(map_type: MapType) -> bool {
    matches!(map_type, MapType::RINGBUF | MapType::PERF_EVENT_ARRAY)
}

fn find_struct(btf: &Btf, name: &str) -> Option<TypeId> {
    let name = name.trim_start_matches("struct ").trim_start_matches("union ");
    [BtfKind::STRUCT, BtfKind::UNION, BtfKind::TYPEDEF].into_iter().find_map(|kind| btf.find(name, kind))
}

/// Structs that events may be, most telling first: `--event`, the map's `event:NAME` tag, then structs that the object exports by a pointer
/// variable named `unused…`.
fn candidates(object: &Object, map: &Map<'_>, wanted: &Wanted) -> Vec<TypeId> {
    let Some(btf) = object.btf() else { return Vec::new() };
    if let Some(id) = wanted.get(map.real_name()) {
        return vec![*id];
    }
    let tags = object.spec().map_tags.iter().filter(|(id, _)| *id == map.id());
    let tagged: Vec<_> =
        tags.filter_map(|(_, tag)| find_struct(btf, tag.strip_prefix("event:")?.trim())).collect();
    if !tagged.is_empty() {
        return tagged;
    }
    let exported = btf.types().filter_map(|ty| {
        let Type::Var { type_id, .. } = ty.view() else { return None };
        if !ty.name().trim_start_matches('_').starts_with("unused") {
            return None;
        }
        let Type::Ptr(to) = btf.get(btf.resolve(type_id).ok()?).ok()?.view() else { return None };
        let to = btf.resolve(to).ok()?;
        btf.get(to).ok()?.composite().map(|_| to)
    });
    exported.collect()
}

/// Samples after which a ring is left for a moment: programs may fill it faster than it can be shown, and the user's Ctrl-C counts too.
const BATCH: u64 = 1024;

/// How the samples of one buffer are shown.
struct Decoder {
    map: String,
    btf: Option<Arc<Btf>>,
    /// Struct and its size in bytes.
    candidates: Vec<(TypeId, usize)>,
    sink: Arc<Mutex<Sink>>,
    count: Arc<AtomicU64>,
    hinted: bool,
}

impl Decoder {
    fn new(
        object: &Object,
        map: &Map<'_>,
        wanted: &Wanted,
        sink: &Arc<Mutex<Sink>>,
        count: &Arc<AtomicU64>,
    ) -> Self {
        let btf = object.btf().cloned();
        let size = |id: TypeId| Some((id, btf.as_ref()?.size_of(id).ok()? as usize));
        let candidates = candidates(object, map, wanted).into_iter().filter_map(size).collect();
        let (sink, count) = (sink.clone(), count.clone());
        Self { map: map.real_name().to_owned(), btf, candidates, sink, count, hinted: false }
    }

    /// The struct for a sample of `len` bytes: one of that size, else the largest that fits, else the only one there is, whose end the
    /// program did not send.
    fn choose(&self, len: usize) -> Option<(TypeId, usize)> {
        let exact = self.candidates.iter().find(|c| c.1 == len);
        let fitting = || self.candidates.iter().filter(|c| c.1 <= len).max_by_key(|c| c.1);
        exact
            .or_else(fitting)
            .or_else(|| self.candidates.first().filter(|_| self.candidates.len() == 1))
            .copied()
    }

    /// Shows a sample, and says whether it is time to look at other things than samples.
    fn show(&mut self, sample: &[u8]) -> ControlFlow<()> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        self.write(sample);
        if count % BATCH == BATCH - 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn write(&mut self, sample: &[u8]) {
        let chosen = self.choose(sample.len());
        let mut padded = Vec::new();
        let mut sink = lock(&self.sink);
        if let (Some(btf), Some((id, size))) = (&self.btf, chosen) {
            let bytes = match sample.len() < size {
                true => {
                    padded.extend_from_slice(sample);
                    padded.resize(size, 0);
                    &padded
                }
                false => sample,
            };
            if let Ok(value) = decode(btf, id, bytes) {
                sink.event(&self.map, &Shown::Typed(btf, value));
                return;
            }
        }
        sink.event(&self.map, &Shown::Raw(sample));
        drop(sink);
        if !std::mem::replace(&mut self.hinted, true) {
            let _ = writeln!(
                std::io::stderr(),
                "oxbpf: the object does not say what events of `{map}` are; --event {map}=STRUCT shows their members",
                map = self.map
            );
        }
    }
}

/// All that a run reads from.
pub(super) struct Consumers {
    kernel: Kernel,
    rings: Option<RingBuffer<'static>>,
    perf: Vec<PerfBuffer<'static>>,
    printed: Option<Printed>,
    sink: Arc<Mutex<Sink>>,
    count: Arc<AtomicU64>,
}

impl Consumers {
    pub(super) fn new(
        object: &Object,
        kernel: &Kernel,
        wanted: &Wanted,
        sink: &Arc<Mutex<Sink>>,
    ) -> Result<Self> {
        let count = Arc::new(AtomicU64::new(0));
        let mut rings = RingBuffer::builder(kernel);
        let (mut has_rings, mut perf) = (false, Vec::new());
        for map in object.maps() {
            let mut decoder = Decoder::new(object, &map, wanted, sink, &count);
            match map.map_type() {
                MapType::RINGBUF => {
                    rings = rings.add_until(map.fd(), move |sample| decoder.show(sample))?;
                    has_rings = true;
                }
                MapType::PERF_EVENT_ARRAY => {
                    let buffer = PerfBuffer::builder(kernel, map.fd())
                        .on_sample(move |_, sample| _ = decoder.show(sample));
                    perf.push(buffer.build()?);
                }
                _ => {}
            }
        }
        let rings = has_rings.then(|| rings.build()).transpose()?;
        let printed = Printed::open(object, kernel);
        Ok(Self { kernel: kernel.clone(), rings, perf, printed, sink: sink.clone(), count })
    }

    /// Waits for at most `timeout`, and shows what there is.
    pub(super) fn poll(&mut self, timeout: Duration) -> Result<()> {
        let waited = match (&mut self.rings, self.perf.first_mut()) {
            (Some(rings), _) => rings.poll(Some(timeout)),
            (None, Some(perf)) => perf.poll(Some(timeout)),
            (None, None) => {
                std::thread::sleep(timeout);
                Ok(0)
            }
        };
        match waited {
            Err(e) if e.kind() != oxbpf::ErrorKind::Interrupted => return Err(e.into()),
            _ => {}
        }
        for perf in &mut self.perf {
            perf.consume()?;
        }
        if let Some(printed) = &mut self.printed {
            printed.read(&self.kernel, &self.sink);
        }
        Ok(())
    }

    /// Shows what is left.
    pub(super) fn drain(&mut self) -> Result<()> {
        if let Some(rings) = &mut self.rings {
            while rings.consume()? > 0 {}
        }
        self.poll(Duration::ZERO)?;
        lock(&self.sink).flush()
    }

    /// Events shown.
    pub(super) fn events(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Events that found no room in a perf buffer. Ring buffers tell only the program.
    pub(super) fn lost(&self) -> u64 {
        self.perf.iter().map(PerfBuffer::lost).sum()
    }
}

/// Lines of `bpf_printk`, of the whole system.
struct Printed {
    handle: Handle,
    partial: Vec<u8>,
}

/// Helpers whose output the trace log shows.
const PRINTERS: [i32; 2] = [6, 177];

impl Printed {
    /// Opens the trace log if a program writes to it. It is one for all, and what is read is gone for others.
    fn open(object: &Object, kernel: &Kernel) -> Option<Self> {
        use oxbpf_uapi::insn::{BPF_CALL, BPF_JMP};
        let prints = |p: oxbpf::Program<'_>| {
            p.insns()
                .iter()
                .any(|i| i.code == BPF_JMP | BPF_CALL && i.src() == 0 && PRINTERS.contains(&i.imm))
        };
        if !object.programs().any(prints) {
            return None;
        }
        match kernel.open(Opening::TraceLog) {
            Ok(handle) => {
                // What others wrote before this run is not its output.
                let mut old = [0; 4096];
                while let Ok(1..) = kernel.read(&handle, &mut old) {}
                Some(Self { handle, partial: Vec::new() })
            }
            Err(error) => {
                ::log::warn!("lines of bpf_printk are not shown: {error}");
                None
            }
        }
    }

    fn read(&mut self, kernel: &Kernel, sink: &Mutex<Sink>) {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = kernel.read(&self.handle, &mut buffer) {
            self.partial.extend_from_slice(buffer.get(..count).unwrap_or_default());
        }
        let mut sink = lock(sink);
        while let Some(end) = self.partial.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            sink.printed(line.trim_end());
        }
    }
}
