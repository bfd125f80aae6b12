//! Thousands of damaged copies of small inputs: reading them never panics, hangs or grows.

use oxbpf_btf::dump_data::{DumpDataOpts, dump_data};
use oxbpf_btf::sanitize::{SanitizeFeatures, sanitize};
use oxbpf_btf::{Btf, BtfBuilder, BtfExt, text, value};
use oxbpf_uapi::BtfKind;

const BTF: &[u8] = include_bytes!("../../../testdata/btf/kinds.bpfel.btf");
const BIG: &[u8] = include_bytes!("../../../testdata/btf/kinds.bpfeb.btf");
const EXT: &[u8] = include_bytes!("../../../testdata/btf/kinds.bpfel.btf_ext");

/// How many mutants of each kind: a few thousand, or what `OXBPF_MUTANTS` says.
fn mutants() -> usize {
    std::env::var("OXBPF_MUTANTS").ok().and_then(|n| n.parse().ok()).unwrap_or(2000)
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// Changes a few places: bits, bytes, whole words to telling values, or the length.
fn mutate(from: &[u8], rnd: &mut Random) -> Vec<u8> {
    let mut bytes = from.to_vec();
    for _ in 0..1 + rnd.below(4) {
        let at = rnd.below(bytes.len());
        match rnd.below(6) {
            0 => bytes[at] ^= 1 << rnd.below(8),
            1 => bytes[at] = rnd.next() as u8,
            2 => {
                let telling = [0, 1, 4, 0x7fff_ffff, 0x8000_0000, u32::MAX, 0x00ff_ffff, 0x0f00_ffff];
                let at = at & !3;
                if let Some(word) = bytes.get_mut(at..at + 4) {
                    word.copy_from_slice(&telling[rnd.below(telling.len())].to_le_bytes());
                }
            }
            3 => {
                // A small number: likely an id of another type, so that cycles come about.
                let at = at & !3;
                let id = rnd.below(100) as u32;
                if let Some(word) = bytes.get_mut(at..at + 4) {
                    word.copy_from_slice(&id.to_le_bytes());
                }
            }
            4 => {
                // The byte of an info word that holds the kind.
                let at = (at | 3).min(bytes.len() - 1);
                bytes[at] = rnd.below(32) as u8;
            }
            _ if rnd.below(8) == 0 => bytes.truncate(at.max(1)),
            _ => {}
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

/// Reads everything that there is to read.
fn exercise(btf: &Btf, ext: &BtfExt) {
    let data = [0x5a; 400];
    let opts = DumpDataOpts { emit_zeroes: true, ..Default::default() };
    let printed = text::print(btf);
    for t in btf.types() {
        let (size, align) = (btf.size_of(t.id()), btf.align_of(t.id()));
        if let (Ok(size), Ok(align)) = (size, align) {
            assert!(align <= 8 || size > 0);
        }
        let _ = (btf.resolve(t.id()), btf.c_name(t.id()));
        let mut out = String::new();
        let _ = dump_data(btf, t.id(), &data, &opts, &mut out);
        assert!(out.len() < 1 << 20, "text of {} bytes", out.len());
        let _ = value::decode(btf, t.id(), &data);
        if !t.name().is_empty() {
            assert!(btf.find(t.name(), t.kind()).is_some_and(|id| id <= t.id()));
        }
    }
    let _ = (btf.find("int", BtfKind::INT), btf.find_essential("nested").count());
    let _ = (ext.func_infos(btf), ext.line_infos(btf), ext.core_relos(btf));
    if btf.validate().is_ok() {
        if let Some(bytes) = sanitize(btf, &SanitizeFeatures::NONE) {
            assert!(Btf::parse(bytes).is_ok(), "sanitised BTF is readable");
        }
        if let Ok(b) = BtfBuilder::from_btf(btf) {
            assert_eq!(text::print(&b.finish().unwrap()), printed);
        }
    }
}

#[test]
fn damaged_btf_is_read_or_refused() {
    let mut rnd = Random(0x9e37_79b9_7f4a_7c15);
    let ext = BtfExt::parse(EXT).unwrap();
    let (mut read, mut refused) = (0, 0);
    for i in 0..mutants() {
        let from = if i % 4 == 0 { BIG } else { BTF };
        match Btf::parse(mutate(from, &mut rnd)) {
            Ok(btf) => {
                read += 1;
                exercise(&btf, &ext);
            }
            Err(e) => {
                refused += 1;
                assert!(!e.to_string().is_empty() && e.errno().0 > 0);
            }
        }
    }
    assert!(
        read > mutants() / 10 && refused > mutants() / 10,
        "mutants reach both sides: {read} read, {refused} refused"
    );
}

#[test]
fn damaged_btf_ext_is_read_or_refused() {
    let mut rnd = Random(0x2545_f491_4f6c_dd1d);
    let btf = Btf::parse(BTF).unwrap();
    let (mut read, mut refused) = (0, 0);
    for _ in 0..mutants() {
        match BtfExt::parse(mutate(EXT, &mut rnd)) {
            Ok(ext) => {
                read += 1;
                for sec in ext.func_infos(&btf).unwrap_or_default() {
                    assert!(sec.for_program(0..64, 0).len() <= sec.raw.len());
                }
                let _ = (ext.line_infos(&btf), ext.core_relos(&btf));
            }
            Err(_) => refused += 1,
        }
    }
    assert!(
        read > mutants() / 10 && refused > mutants() / 10,
        "mutants reach both sides: {read} read, {refused} refused"
    );
}

#[test]
fn damaged_text_is_read_or_refused() {
    let mut rnd = Random(0xda94_2042_e4dd_58b5);
    let text_form = include_str!("../../../testdata/btf/kinds.txt");
    for _ in 0..mutants() / 10 {
        let bytes = mutate(text_form.as_bytes(), &mut rnd);
        if let Ok(btf) = text::parse(&String::from_utf8_lossy(&bytes)) {
            text::parse(&text::print(&btf)).unwrap();
        }
    }
}
