//! Running small programs on either kernel.

use oxbpf_asm::asm;
use oxbpf_btf::{BtfBuilder, FuncLinkage, IntFlags};
use oxbpf_kernel::{BtfLoad, Kernel, MapCreate, MapFd, ProgFd, ProgLoad, ProgTestRun};
use oxbpf_uapi::insn::{BPF_CALL, BPF_JMP, BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC};
use oxbpf_uapi::{Errno, Insn, MapType, ProgType};

use crate::Transcript;

/// Loads a program with a licence that allows everything.
pub(crate) fn load(kernel: &Kernel, prog_type: ProgType, text: &str) -> Result<ProgFd, Errno> {
    let insns = asm::parse(text).unwrap_or_else(|e| panic!("{e} in\n{text}"));
    let req = ProgLoad { prog_type, insns: &insns, license: "GPL", prog_name: "p", ..Default::default() };
    let starts = starts(&insns);
    if starts.len() == 1 {
        return kernel.prog_load(req).0;
    }
    // The kernel wants to know that callbacks are static functions, and that those with tail calls return a number.
    let (bytes, function) = function_btf();
    let btf = kernel.btf_load(BtfLoad { btf: &bytes, ..Default::default() }).0?;
    let records: Vec<u8> =
        starts.iter().flat_map(|at| [*at, function].map(u32::to_ne_bytes)).flatten().collect();
    kernel.prog_load(ProgLoad { prog_btf: Some(&btf), func_info: &records, func_info_rec_size: 8, ..req }).0
}

/// BTF with one static function, and the id of that.
fn function_btf() -> (Vec<u8>, u32) {
    let mut btf = BtfBuilder::new();
    let int = btf.add_int("long", 8, IntFlags::SIGNED).unwrap();
    let proto = btf.add_func_proto(int).unwrap();
    let function = btf.add_func("f", FuncLinkage::STATIC, proto).unwrap();
    (btf.to_bytes().unwrap(), function.0)
}

/// Where the functions of a program begin.
fn starts(insns: &[Insn]) -> Vec<u32> {
    let mut starts = vec![0];
    for (at, insn) in (0..).zip(insns) {
        let is_call = insn.code == BPF_JMP | BPF_CALL && insn.src() == BPF_PSEUDO_CALL;
        if is_call || insn.is_ld_imm64() && insn.src() == BPF_PSEUDO_FUNC {
            starts.push((at + 1 + insn.imm) as u32);
        }
    }
    starts.sort_unstable();
    starts.dedup();
    starts
}

/// 8-byte words that a program can leave its results in.
pub(crate) const WORDS: usize = 128;

/// A kernel with a map for results. In a program's text `save 3` puts r0 into word 3, r9 is the words' address, r6 the context.
pub(crate) struct Bench<'k> {
    pub(crate) kernel: &'k Kernel,
    words: MapFd,
    maps: Vec<(String, MapFd)>,
}

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) result: Result<u32, Errno>,
    pub(crate) words: Vec<u64>,
    /// Packet afterwards.
    pub(crate) data: Vec<u8>,
}

impl<'k> Bench<'k> {
    pub(crate) fn new(kernel: &'k Kernel) -> Self {
        let words = MapCreate {
            map_type: MapType::ARRAY,
            key_size: 4,
            value_size: 8 * WORDS as u32,
            max_entries: 1,
            ..Default::default()
        };
        Self { kernel, words: kernel.map_create(words).unwrap(), maps: Vec::new() }
    }

    /// Makes a map that programs name `$name`, and `$name+8` for its first value's bytes.
    pub(crate) fn map(&mut self, name: &str, req: MapCreate<'_>) -> MapFd {
        let map = self.kernel.map_create(req).unwrap();
        self.maps.push((name.to_owned(), map.clone()));
        map
    }

    /// A map with one value that no one can change: strings that the verifier may read.
    pub(crate) fn constant(&mut self, name: &str, bytes: &[u8]) {
        let value_size = bytes.len() as u32;
        let req = MapCreate {
            map_type: MapType::ARRAY,
            key_size: 4,
            value_size,
            max_entries: 1,
            map_flags: 0x80,
            ..Default::default()
        };
        let map = self.map(name, req);
        self.kernel.map_update_elem(&map, &[0; 4], bytes, 0).unwrap();
        self.kernel.map_freeze(&map).unwrap();
    }

    /// The assembler's text of a body.
    pub(crate) fn text(&self, body: &str) -> String {
        let mut text = format!("r6 = r1\nr9 = map[fd:{}][0]+0\n", self.words.number());
        for line in body.lines().map(str::trim) {
            let mut line = match line.split_once("save ") {
                Some((label, word)) => {
                    format!("{label}*(u64 *)(r9 + {}) = r0", 8 * word.parse::<usize>().unwrap())
                }
                None => line.to_owned(),
            };
            for (name, map) in &self.maps {
                line = line.replace(&format!("${name}+"), &format!("map[fd:{}][0]+", map.number()));
                line = line.replace(&format!("${name}"), &format!("map[fd:{}]", map.number()));
            }
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    pub(crate) fn load(&self, prog_type: ProgType, body: &str) -> Result<ProgFd, Errno> {
        load(self.kernel, prog_type, &self.text(body))
    }

    /// Runs a program once and reads its words, which start as zeros.
    pub(crate) fn run(&self, prog: &ProgFd, data_in: &[u8]) -> Outcome {
        self.kernel.map_update_elem(&self.words, &[0; 4], &[0; 8 * WORDS], 0).unwrap();
        let mut data = vec![0; if data_in.is_empty() { 0 } else { 4096 }];
        let data_out = (!data.is_empty()).then_some(data.as_mut_slice());
        let ran = self.kernel.prog_test_run(ProgTestRun { data_in, data_out, ..ProgTestRun::new(prog) });
        let (result, len) = match ran {
            Ok(ran) => (Ok(ran.retval), ran.data_size_out as usize),
            Err(errno) => (Err(errno), 0),
        };
        data.truncate(len);
        let mut words = [0; 8 * WORDS];
        self.kernel.map_lookup_elem(&self.words, &[0; 4], &mut words, 0).unwrap();
        let words = words.chunks(8).map(|w| u64::from_ne_bytes(w.try_into().unwrap())).collect();
        Outcome { result, words, data }
    }

    /// Runs a body and writes down what it returned and its first `count` words, small negative ones as such.
    pub(crate) fn say(
        &self,
        t: &mut Transcript,
        what: &str,
        prog_type: ProgType,
        body: &str,
        data: &[u8],
        count: usize,
    ) {
        let prog = match self.load(prog_type, body) {
            Ok(prog) => prog,
            Err(errno) => return t.say(what, format!("not loaded: {errno:?}")),
        };
        let outcome = self.run(&prog, data);
        let words: Vec<_> = outcome.words.iter().take(count).map(|word| *word as i64).collect();
        t.say(what, (outcome.result, words, crate::hex(&outcome.data)));
    }
}
