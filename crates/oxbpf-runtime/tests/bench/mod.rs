//! What the tests of event sources share: programs from assembly, attached through the seam, and the records that they write.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::process::ExitStatus;

use oxbpf_kernel::{
    Fact, Handle, Kernel, LinkCreate, LinkFd, LinkKind, LinkSource, MapCreate, MapFd, PerfEventSpec,
    PerfRequest, ProgFd, ProgLoad, RawTracepointOpen, RingConsumer, Target,
};
use oxbpf_runtime::{Runtime, RuntimeOptions};
use oxbpf_uapi::{AttachType, BtfKind, MapType, ProgType};

/// Bytes of the ring that programs write to.
const RING_SIZE: u32 = 1 << 20;

/// An embedded kernel with a ring, and what is attached to it.
pub(crate) struct Bench {
    pub(crate) runtime: Runtime,
    pub(crate) kernel: Kernel,
    btf: oxbpf_btf::Btf,
    ring: MapFd,
    consumer: RingConsumer,
    links: Vec<LinkFd>,
    events: Vec<Handle>,
}

/// A record that a program wrote: words, then text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) words: [u64; 4],
    pub(crate) text: String,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let runtime =
            Runtime::new(RuntimeOptions { memory_limit: 1 << 30, cpus: 2, ..RuntimeOptions::default() })
                .expect("memory");
        let kernel = runtime.kernel();
        let ring = MapCreate {
            map_type: MapType::RINGBUF,
            max_entries: RING_SIZE,
            map_name: "events",
            ..MapCreate::default()
        };
        let ring = kernel.map_create(ring).expect("ring");
        let consumer = RingConsumer::map(&kernel, &ring, RING_SIZE).expect("consumer");
        let btf = kernel.fact(Fact::VmlinuxBtf).expect("BTF").to_vec();
        let btf = oxbpf_btf::Btf::parse(btf).expect("BTF");
        Self { runtime, kernel, btf, ring, consumer, links: Vec::new(), events: Vec::new() }
    }

    /// Loads a program. `emit` in it stands for writing the record of 96 bytes at r10-96 to the ring, and `offset(struct.member)` for
    /// an offset in a kernel struct.
    pub(crate) fn load(
        &self,
        prog_type: ProgType,
        attach: AttachType,
        attach_btf_id: u32,
        text: &str,
    ) -> ProgFd {
        let emit = format!(
            "r1 = map[fd:{}]\nr2 = r10\nr2 += -96\nr3 = 96\nr4 = 0\ncall ringbuf_output",
            self.ring.number()
        );
        let mut text = text.replace("emit", &emit);
        while let Some(at) = text.find("offset(") {
            let end = at + text[at..].find(')').expect("bracket");
            let (name, member) = text[at + 7..end].split_once('.').expect("struct.member");
            let offset = self.offset_of(name, member);
            text.replace_range(at..=end, &offset.to_string());
        }
        let insns = oxbpf_asm::asm::parse(&text).unwrap_or_else(|e| panic!("{e}"));
        let mut log = [0; 4096];
        let log = oxbpf_kernel::LogBuf { buf: &mut log, level: 1, true_size: 0 };
        let (prog, req) = self.kernel.prog_load(ProgLoad {
            prog_type,
            insns: &insns,
            license: "GPL",
            prog_name: "test",
            expected_attach_type: attach,
            attach_btf_id,
            log: Some(log),
            ..ProgLoad::default()
        });
        prog.unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(req.log.expect("given").buf)))
    }

    fn offset_of(&self, name: &str, member: &str) -> u32 {
        let id = self.btf.find(name, BtfKind::STRUCT).unwrap_or_else(|| panic!("no struct {name}"));
        let composite = self.btf.get(id).expect("id").composite().expect("struct");
        let found = composite.members().find(|m| m.name == member);
        found.unwrap_or_else(|| panic!("no {name}.{member}")).bit_offset / 8
    }

    pub(crate) fn btf_id(&self, name: &str, kind: BtfKind) -> u32 {
        self.btf.find(name, kind).expect("a type of the kernel").0
    }

    fn on_event(&mut self, prog: &ProgFd, spec: PerfEventSpec<'_>, cookie: u64) {
        let open = PerfRequest::Open { spec, pid: -1, cpu: 0, group: None };
        let event = self.kernel.perf_event(open).and_then(|r| r.handle()).expect("event");
        let link = LinkCreate {
            source: LinkSource::Prog(prog),
            target: Target::Object(&event),
            attach_type: AttachType::PERF_EVENT,
            flags: 0,
            kind: LinkKind::PerfEvent { bpf_cookie: cookie },
        };
        self.links.push(self.kernel.link_create(link).expect("link"));
        self.events.push(event);
    }

    fn number(&self, fact: Fact<'_>) -> u64 {
        let text = self.kernel.fact(fact).expect("fact").to_vec();
        String::from_utf8(text).expect("text").parse().expect("number")
    }

    pub(crate) fn tracepoint(&mut self, category: &str, name: &str, text: &str) {
        let prog = self.load(ProgType::TRACEPOINT, AttachType(0), 0, text);
        let config = self.number(Fact::TracepointId { category, name });
        self.on_event(&prog, PerfEventSpec { kind: 2, config, ..PerfEventSpec::default() }, 0);
    }

    pub(crate) fn raw_tracepoint(&mut self, name: &str, text: &str) {
        let prog = self.load(ProgType::RAW_TRACEPOINT, AttachType(0), 0, text);
        let open = RawTracepointOpen { name: Some(name), prog: &prog, cookie: 0 };
        self.links.push(self.kernel.raw_tracepoint_open(open).expect("raw tracepoint"));
    }

    pub(crate) fn tp_btf(&mut self, name: &str, text: &str) {
        let id = self.btf_id(&format!("btf_trace_{name}"), BtfKind::TYPEDEF);
        let prog = self.load(ProgType::TRACING, AttachType::TRACE_RAW_TP, id, text);
        let open = RawTracepointOpen { name: None, prog: &prog, cookie: 0 };
        self.links.push(self.kernel.raw_tracepoint_open(open).expect("typed tracepoint"));
    }

    pub(crate) fn kprobe(&mut self, function: &str, is_return: bool, text: &str) {
        let prog = self.load(ProgType::KPROBE, AttachType(0), 0, text);
        let kind = self.number(Fact::PmuType("kprobe")) as u32;
        let config = u64::from(is_return) << self.number(Fact::PmuRetprobeBit("kprobe"));
        self.on_event(
            &prog,
            PerfEventSpec { kind, config, target: Some(function), ..PerfEventSpec::default() },
            0,
        );
    }

    pub(crate) fn uprobe(&mut self, path: &str, offset: u64, is_return: bool, cookie: u64, text: &str) {
        let prog = self.load(ProgType::KPROBE, AttachType(0), 0, text);
        let kind = self.number(Fact::PmuType("uprobe")) as u32;
        let config = u64::from(is_return) << self.number(Fact::PmuRetprobeBit("uprobe"));
        let spec =
            PerfEventSpec { kind, config, target: Some(path), config2: offset, ..PerfEventSpec::default() };
        self.on_event(&prog, spec, cookie);
    }

    pub(crate) fn clock(&mut self, period_ns: u64, text: &str) {
        let prog = self.load(ProgType::PERF_EVENT, AttachType(0), 0, text);
        let spec = PerfEventSpec { kind: 1, config: 0, sample_period: period_ns, ..PerfEventSpec::default() };
        self.on_event(&prog, spec, 0);
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, argv: &[&str]) -> ExitStatus {
        let argv: Vec<OsString> = argv.iter().map(Into::into).collect();
        self.runtime.spawn(&argv).expect("spawn").run().expect("run")
    }

    /// What programs have written since the last call. No program may have been stopped.
    pub(crate) fn records(&mut self) -> Vec<Record> {
        assert_eq!(self.runtime.traps(), []);
        let mut records = Vec::new();
        self.consumer.drain(usize::MAX, &mut |sample| {
            let word = |i: usize| u64::from_ne_bytes(sample[i * 8..i * 8 + 8].try_into().expect("8 bytes"));
            let text = sample[32..].split(|b| *b == 0).next().expect("a first part");
            let text = String::from_utf8_lossy(text).into_owned();
            records.push(Record { words: [0, 1, 2, 3].map(word), text });
            ControlFlow::Continue(())
        });
        records
    }

    /// Detaches everything.
    #[allow(dead_code, reason = "not every test file detaches")]
    pub(crate) fn detach(&mut self) {
        self.links.clear();
        self.events.clear();
    }
}

/// Clears the record at r10-96.
pub(crate) const CLEAR: &str = "\
    r0 = 0\n\
    *(u64 *)(r10 - 96) = r0\n*(u64 *)(r10 - 88) = r0\n*(u64 *)(r10 - 80) = r0\n*(u64 *)(r10 - 72) = r0\n\
    *(u64 *)(r10 - 64) = r0\n*(u64 *)(r10 - 56) = r0\n*(u64 *)(r10 - 48) = r0\n*(u64 *)(r10 - 40) = r0\n\
    *(u64 *)(r10 - 32) = r0\n*(u64 *)(r10 - 24) = r0\n*(u64 *)(r10 - 16) = r0\n*(u64 *)(r10 - 8) = r0\n";

/// A program: keeps the context in r6, clears the record, puts `kind` into its first word and pid_tgid into its second, and does `body`
/// before it writes the record.
pub(crate) fn program(kind: u64, body: &str) -> String {
    format!(
        "r6 = r1\n{CLEAR}r1 = {kind}\n*(u64 *)(r10 - 96) = r1\ncall get_current_pid_tgid\n*(u64 *)(r10 - 88) = r0\n{body}\nemit\nr0 = 0\nexit\n"
    )
}
