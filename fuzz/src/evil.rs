//! BTF that was made to hurt: types that contain themselves, chains millions long, lengths and offsets that lie.

/// Kinds by number, as `include/uapi/linux/btf.h` has them.
const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const CONST: u32 = 10;
const FUNC_PROTO: u32 = 13;
const DATASEC: u32 = 15;
const TYPE_TAG: u32 = 18;
const LAST_KIND: u32 = 19;

/// Strings of every input: "" and "a".
const STRS: &[u8] = b"\0a\0b\0";
const A: u32 = 1;

/// Words that follow the header words of a type of this kind with one element that names `id`.
fn tail(kind: u32, id: u32) -> Vec<u32> {
    match kind {
        INT => vec![32],
        ARRAY => vec![id, id, 3],
        STRUCT | UNION => vec![A, id, 0],
        ENUM => vec![A, 1],
        FUNC_PROTO => vec![A, id],
        14 | 17 => vec![0],
        DATASEC => vec![id, 0, 4],
        LAST_KIND => vec![A, 1, 1],
        _ => vec![],
    }
}

fn has_elements(kind: u32) -> bool {
    matches!(kind, STRUCT | UNION | ENUM | FUNC_PROTO | DATASEC | LAST_KIND)
}

fn header(types: u32, strs: u32) -> Vec<u8> {
    let mut out = 0xeb9fu16.to_ne_bytes().to_vec();
    out.extend([1, 0]);
    out.extend([24, 0, types, types, strs].iter().flat_map(|w: &u32| w.to_ne_bytes()));
    out
}

fn btf(words: &[u32]) -> Vec<u8> {
    let mut out = header(4 * words.len() as u32, STRS.len() as u32);
    out.reserve(4 * words.len() + STRS.len());
    out.extend(words.iter().flat_map(|w| w.to_ne_bytes()));
    out.extend(STRS);
    out
}

/// A type of a kind whose third word, and first element if it has any, name `id`.
fn record(kind: u32, id: u32, to: &mut Vec<u32>) {
    to.extend([A, kind << 24 | u32::from(has_elements(kind)), id]);
    to.extend(tail(kind, id));
}

/// `count` types of a kind, each naming the one before it.
fn chain(kind: u32, count: u32) -> Vec<u8> {
    let mut words = Vec::new();
    for id in 1..=count {
        record(kind, id - 1, &mut words);
    }
    btf(&words)
}

/// Each small input and what it is; chains of one name have up to `longest` types.
pub fn small(longest: u32) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for kind in 0..=LAST_KIND + 1 {
        let mut words = Vec::new();
        record(kind, 1, &mut words);
        all.push((format!("kind {kind} that contains itself"), btf(&words)));
        let mut words = Vec::new();
        record(kind, 2, &mut words);
        record(kind, 1, &mut words);
        all.push((format!("two of kind {kind} that contain each other"), btf(&words)));
        for vlen in [0xffff, 0xff_ffff, 0x7fff] {
            let mut words = Vec::new();
            record(kind, 0, &mut words);
            words[1] |= vlen;
            all.push((format!("kind {kind} with {vlen} elements that are not there"), btf(&words)));
        }
        for bad in [0x7fff_ffff, u32::MAX, STRS.len() as u32, 1 << 24] {
            let mut words = Vec::new();
            record(kind, bad, &mut words);
            all.push((format!("kind {kind} that names type {bad}"), btf(&words)));
            let mut words = Vec::new();
            record(kind, 0, &mut words);
            words[0] = bad;
            all.push((format!("kind {kind} with its name at {bad}"), btf(&words)));
        }
        for count in [33, 300, longest] {
            all.push((format!("{count} of kind {kind} in a chain"), chain(kind, count)));
        }
    }
    all.push(("arrays of arrays, 2^992 bytes in all".into(), arrays(31)));
    all.push(("arrays of arrays beyond any nesting".into(), arrays(3000)));
    all.push(("a struct that doubles at each level".into(), doubling(STRUCT, longest.min(2000))));
    all.push(("a union that doubles at each level".into(), doubling(UNION, longest.min(2000))));
    all.push(("a prototype that doubles at each level".into(), doubling(FUNC_PROTO, longest.min(2000))));
    all.push(("twenty thousand structs of one name".into(), same(STRUCT, 20_000)));
    all.push(("twenty thousand enums of one name".into(), same(ENUM, 20_000)));
    all.push(("twenty thousand pointers to one type".into(), same(PTR, 20_000)));
    all.push(("a data section that lists itself ten thousand times".into(), wide(DATASEC, 10_000)));
    all.push(("a struct that holds itself ten thousand times".into(), wide(STRUCT, 10_000)));
    all.push(("a prototype with ten thousand parameters of its own type".into(), wide(FUNC_PROTO, 10_000)));
    all.extend(headers());
    all
}

fn arrays(depth: u32) -> Vec<u8> {
    let mut words = vec![A, INT << 24, 4, 32];
    for id in 1..=depth {
        words.extend([0, ARRAY << 24, 0, id, 1, u32::MAX]);
    }
    btf(&words)
}

/// Types with two elements of the type before.
fn doubling(kind: u32, depth: u32) -> Vec<u8> {
    let mut words = vec![A, INT << 24, 4, 32];
    for id in 1..=depth {
        words.extend([A, kind << 24 | 2, if kind == FUNC_PROTO { id } else { 8 }]);
        for name in [A, A + 2] {
            words.extend([name, id]);
            words.extend((kind != FUNC_PROTO).then_some(0));
        }
    }
    btf(&words)
}

fn same(kind: u32, count: u32) -> Vec<u8> {
    let mut words = vec![A, INT << 24, 4, 32];
    for i in 0..count {
        let before = words.len();
        record(kind, 1, &mut words);
        if kind == STRUCT {
            // Different sizes, so that none is another's copy.
            words[before + 2] = 4 + i;
        }
    }
    btf(&words)
}

fn wide(kind: u32, count: u32) -> Vec<u8> {
    let mut words = vec![A, kind << 24 | count, 1];
    for _ in 0..count {
        words.extend(tail(kind, 1));
    }
    btf(&words)
}

/// Headers whose sections overlap, wrap around or are elsewhere.
fn headers() -> Vec<(String, Vec<u8>)> {
    let good = chain(CONST, 4);
    let values = [0, 1, 3, 4, 12, 24, 44, 48, 52, 53, 60, 0x7fff_ffff, 0xffff_fff0, u32::MAX];
    let mut all = Vec::new();
    for word in 1..6 {
        for a in values {
            let mut bytes = good.clone();
            bytes[4 * word..4 * word + 4].copy_from_slice(&a.to_ne_bytes());
            all.push((format!("header word {word} is {a}"), bytes.clone()));
            for b in values {
                let next = 4 * (1 + word % 5);
                bytes[next..next + 4].copy_from_slice(&b.to_ne_bytes());
                all.push((format!("header word {word} is {a}, the next one {b}"), bytes.clone()));
            }
        }
    }
    all
}

/// Chains of 2^24 types: hundreds of megabytes, so each is made when its turn comes.
pub fn huge() -> Vec<(String, impl Fn() -> Vec<u8>)> {
    [PTR, TYPEDEF, CONST, TYPE_TAG, ARRAY, STRUCT]
        .into_iter()
        .map(|kind| (format!("2^24 of kind {kind} in a chain"), move || chain(kind, 1 << 24)))
        .collect()
}
