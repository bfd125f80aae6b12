//! What becomes of an object's types, beside what C libbpf makes of them: values as text, the bytes in the other byte order, as a split
//! BTF, distilled, relocated, deduplicated. `testdata/corpus/btf.c` does the same. And as text that is read back.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use oxbpf_btf::dump_data::{DumpDataOpts, dump_data};
use oxbpf_btf::{Btf, BtfBuilder, BtfError, BtfExt, ByteOrder, Type, TypeId, text};

use super::{TRAPS, hash, hash_more};

static BASE: LazyLock<Arc<Btf>> = LazyLock::new(|| Arc::new(Btf::parse(TRAPS.as_slice()).unwrap()));

const INDENTS: [&str; 3] = ["\t", "  ", "a long string to indent by, too long for libbpf"];
const WORDS: &[u8] = b"text\0and more\0";

/// The bytes of a pattern: zeroes, anything, text, mostly zeroes, small numbers, and too little of anything.
fn data(id: u32, pattern: u32, size: usize) -> Vec<u8> {
    let mut state = id * 8 + pattern;
    let byte = |i: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let any = (state >> 24) as u8;
        match pattern {
            0 => 0,
            2 => WORDS[i % WORDS.len()],
            3 if any >= 32 => 0,
            4 if i % 4 != 0 => 0,
            4 => any % 8,
            _ => any,
        }
    };
    let mut data: Vec<u8> = (0..size).map(byte).collect();
    if pattern == 5 {
        data.truncate(size / 2);
    }
    data
}

/// Whether there is an array in a type. Of one that is cut short, libbpf reads on behind the end, so those are not compared.
fn has_array(btf: &Btf, id: TypeId) -> bool {
    match btf.resolve_ref(id).map(|t| t.view()) {
        Ok(Type::Array { .. } | Type::DataSec(_)) => true,
        Ok(Type::Struct(c) | Type::Union(c)) => c.members().any(|m| has_array(btf, m.type_id)),
        Ok(Type::Var { type_id, .. } | Type::DeclTag { target: type_id, .. }) => has_array(btf, type_id),
        _ => false,
    }
}

/// A hash of all types' values as text, and what each call gave.
fn values(btf: &Btf) -> u64 {
    let mut seen = hash(b"");
    for id in 1..btf.type_count() {
        let size = btf.size_of(TypeId(id)).unwrap_or(16) as usize;
        let (size, is_cut) = (size.min(1024), size == 0 || size > 1024);
        for pattern in 0..6 {
            if (is_cut || pattern == 5) && has_array(btf, TypeId(id)) {
                continue;
            }
            let bits = (id * 7 + pattern * 5) % 16;
            let indent = (id + pattern) % 3;
            let opts = DumpDataOpts {
                compact: bits & 1 != 0,
                skip_names: bits & 2 != 0,
                emit_zeroes: bits & 4 != 0,
                emit_strings: bits & 8 != 0,
                indent: INDENTS[indent as usize],
                indent_level: indent,
            };
            let mut text = String::new();
            let got = dump_data(btf, TypeId(id), &data(id, pattern, size), &opts, &mut text);
            let got = got.map_or_else(|e| -e.errno().0, |size| size as i32);
            seen = hash_more(hash_more(seen, text.as_bytes()), &got.to_ne_bytes());
        }
    }
    seen
}

/// A hash of what is behind the header, and of BTF.ext.
fn bytes(btf: &Btf, ext: &[u8]) -> String {
    let raw = btf.to_bytes().unwrap();
    let head = *raw[4..].first_chunk().unwrap();
    let head = match btf.byte_order() {
        ByteOrder::Little => u32::from_le_bytes(head),
        ByteOrder::Big => u32::from_be_bytes(head),
    };
    format!("{:016x}", hash_more(hash(&raw[head as usize..]), ext))
}

fn shown(btf: Result<&Btf, &BtfError>) -> String {
    btf.map_or_else(|e| format!("E{}", e.errno().0), |btf| bytes(btf, &[]))
}

fn split(btf: &Btf) -> Result<Btf, BtfError> {
    let mut split = BtfBuilder::new_split(BASE.clone());
    split.append_btf(btf)?;
    split.dedup()?;
    split.finish()
}

/// What differs in lines of the recorder's, `None` if nothing does.
pub(super) fn difference(name: &str, ours: &str, libbpf: &str) -> Option<String> {
    let left_out: &[&str] = if name.ends_with(".gcc.o") {
        // GCC 12 leaves something in the third word of declarations, which libbpf takes for an id.
        &["split=", "distil=", "relocate="]
    } else if name.starts_with("types_58.") {
        // libbpf shifts 64-bit enumerations by 64 bits if they are not aligned.
        &["values="]
    } else {
        &[]
    };
    let is_left_out = |field: &str| left_out.iter().any(|start| field.starts_with(start));
    let fields = |line: &str| -> Vec<String> {
        line.split(' ').filter(|field| !is_left_out(field)).map(str::to_owned).collect()
    };
    (fields(ours) != fields(libbpf)).then(|| format!("types\n  libbpf: {libbpf}\n  ours:   {ours}"))
}

/// The line that the recorder writes for the types of an object, without its name.
pub(super) fn line(btf: &[u8], ext: Option<&[u8]>) -> String {
    let parse = || Btf::parse(btf.to_vec()).unwrap();
    let mut line = format!("values={:016x}", values(&parse()));
    write!(line, " swap={}", bytes(&parse().with_byte_order(ByteOrder::Big), &[])).unwrap();
    let btf = parse();
    let printed = text::print(&btf);
    let read = text::parse(&printed).unwrap_or_else(|e| panic!("{e}\n{printed}"));
    assert_eq!(text::print(&read), printed, "text that is read back");
    let split = split(&btf);
    write!(line, " split={}", shown(split.as_ref())).unwrap();
    if let Ok(split) = split {
        let distilled = split.distill_base();
        let part = |part: Result<&Btf, &BtfError>| shown(part);
        let base = part(distilled.as_ref().map(|(base, _)| &**base));
        write!(line, " distil={base},{}", part(distilled.as_ref().map(|(_, split)| split))).unwrap();
        let relocated = distilled.and_then(|(_, split)| split.relocate(&BASE));
        write!(line, " relocate={}", shown(relocated.as_ref())).unwrap();
    }
    let mut builder = BtfBuilder::from_btf(&btf).unwrap();
    let mut ext = ext.map(|ext| BtfExt::parse(ext.to_vec()).unwrap());
    match &mut ext {
        Some(ext) => builder.dedup_with(ext).map(drop).unwrap(),
        None => builder.dedup().map(drop).unwrap(),
    }
    let ext = ext.map(|mut ext| {
        ext.set_byte_order(ByteOrder::Little);
        ext.to_bytes().into_owned()
    });
    let btf = builder.finish().unwrap().with_byte_order(ByteOrder::Little);
    write!(line, " dedup={}", bytes(&btf, &ext.unwrap_or_default())).unwrap();
    line
}
