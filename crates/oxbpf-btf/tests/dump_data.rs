//! Values as text, against C libbpf's own text; and as trees.

use oxbpf_btf::dump_data::{DumpDataOpts, dump_data};
use oxbpf_btf::value::{Data, Field, decode};
use oxbpf_btf::{Btf, BtfError, TypeId, text};
use oxbpf_uapi::{BtfKind, Errno};

fn kinds() -> Btf {
    Btf::parse(include_bytes!("../../../testdata/btf/kinds.bpfel.btf")).unwrap()
}

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
}

// The bytes in the golden file are little-endian.
#[cfg(target_endian = "little")]
#[test]
fn values_print_as_libbpf_prints_them() {
    let btf = kinds();
    let golden = include_str!("../../../testdata/btf/dump_data.txt");
    let mut cases = 0;
    for case in golden.split("== ").skip(1) {
        let (head, expect) = case.split_once('\n').unwrap();
        let (name, rest) = head.split_once(" opts=").unwrap();
        let (kind, name) = name.split_once(' ').unwrap();
        let (opts, rest) = rest.split_once(" data=").unwrap();
        let (data, ret) = rest.split_once(" ret=").unwrap();
        let bits: u32 = opts.parse().unwrap();
        let opts = DumpDataOpts {
            compact: bits & 1 != 0,
            skip_names: bits & 2 != 0,
            emit_zeroes: bits & 4 != 0,
            emit_strings: bits & 8 != 0,
            indent_level: bits >> 4,
            ..Default::default()
        };
        let id = btf.find(name, BtfKind::from_name(kind).unwrap()).unwrap();
        let mut out = String::new();
        let got = dump_data(&btf, id, &bytes_of(data), &opts, &mut out);
        assert_eq!(out + "\n", expect, "{head}");
        let got = got.map_or_else(|e| -e.errno().0, |size| size as i32);
        assert_eq!(got.to_string(), ret, "{head}");
        cases += 1;
    }
    assert_eq!(cases, 49);
}

#[test]
fn indentation_is_what_the_options_say() {
    let btf = text::parse(
        "[1] STRUCT 's' size=2 vlen=2\n\t'a' type_id=2 bits_offset=0\n\t'b' type_id=2 bits_offset=8\n\
         [2] INT 'u8' size=1 bits_offset=0 nr_bits=8 encoding=(none)\n",
    )
    .unwrap();
    let opts = DumpDataOpts { indent: "--", indent_level: 1, ..Default::default() };
    let mut out = String::new();
    assert_eq!(dump_data(&btf, TypeId(1), &[1, 2], &opts, &mut out), Ok(2));
    assert_eq!(out, "--(struct s){\n----.a = (u8)1,\n----.b = (u8)2,\n--}");
    // Only so much of it is used.
    let opts = DumpDataOpts { indent: &"é".repeat(20), indent_level: 1, ..Default::default() };
    let mut out = String::new();
    dump_data(&btf, TypeId(2), &[7], &opts, &mut out).unwrap();
    assert_eq!(out, "é".repeat(15) + "(u8)7");
}

#[test]
fn hostile_types_end_in_an_error() {
    let mut types = String::from("[1] STRUCT 'self' size=4 vlen=1\n\t'm' type_id=1 bits_offset=0\n");
    for id in 2..40 {
        let to = if id == 39 { 1 } else { id + 1 };
        types += &format!(
            "[{id}] UNION 'u' size=4 vlen=2\n\t'a' type_id={to} bits_offset=0\n\t'b' type_id={to} bits_offset=0\n"
        );
    }
    types += "[40] ARRAY '(anon)' type_id=41 index_type_id=41 nr_elems=2000000000\n[41] STRUCT 'none' size=0 vlen=0\n";
    let btf = text::parse(&types).unwrap();
    let opts = DumpDataOpts { emit_zeroes: true, ..Default::default() };
    for id in [1, 2, 20] {
        let mut out = String::new();
        let root = |e: BtfError| (matches!(e, BtfError::TooDeep { .. }), e.errno());
        assert_eq!(
            dump_data(&btf, TypeId(id), &[1; 4], &opts, &mut out).map_err(root),
            Err((true, Errno::EINVAL))
        );
        assert!(out.len() < 1 << 20);
        assert_eq!(decode(&btf, TypeId(id), &[1; 4]), Err(BtfError::TooDeep { id }));
    }
    assert!(dump_data(&btf, TypeId(40), &[], &opts, &mut String::new()).is_err());
    assert!(decode(&btf, TypeId(40), &[]).is_err());
}

#[cfg(target_endian = "little")]
#[test]
fn decoded_values_have_names_types_and_places() {
    let btf = kinds();
    let id = btf.find("bits", BtfKind::STRUCT).unwrap();
    let bytes = bytes_of("ff1e00000700000011a0a1a2a3a4feff");
    let bits = decode(&btf, id, &bytes).unwrap();
    let Data::Struct(fields) = &bits.data else { panic!() };
    let shown: Vec<_> = fields.iter().map(|f| (f.name, f.value.bit_offset, f.value.data.clone())).collect();
    let expect = [
        ("a", 0, Data::Uint(1)),
        ("b", 1, Data::Uint(0x7f)),
        ("c", 8, Data::Int(-2)),
        ("e", 32, Data::Enum { name: Some("PLAIN_B"), value: 7 }),
        ("f", 64, Data::Enum { name: None, value: 17 }),
        ("d", 72, Data::Uint(0xa4_a3a2_a1a0)),
        ("g", 112, Data::Uint(0xfe)),
    ];
    assert_eq!(shown, expect);
    // The declared type is kept.
    assert_eq!(btf.get(fields[6].value.type_id).unwrap().name(), "u8");

    let id = btf.find("texts", BtfKind::STRUCT).unwrap();
    let bytes = [&b"hello\0..tail\x01\x02\x03\x04\x05\x06"[..], &[0; 32]].concat();
    let texts = decode(&btf, id, &bytes).unwrap();
    let Data::Struct(fields) = &texts.data else { panic!() };
    let of = |name| fields.iter().find(|f: &&Field<'_>| f.name == name).unwrap().value.data.clone();
    assert_eq!(of("name"), Data::Bytes { bytes: b"hello\0..", is_text: true });
    assert_eq!(of("raw"), Data::Bytes { bytes: &[1, 2, 3, 4, 5, 6], is_text: false });
    assert_eq!(of("after"), Data::Uint(0));
    let Data::Array(numbers) = of("numbers") else { panic!() };
    assert_eq!(numbers.len(), 4);

    let id = btf.find("enums", BtfKind::STRUCT).unwrap();
    let bytes = [&0x8000_0001u32.to_ne_bytes()[..], &(-5i32).to_ne_bytes(), &[0; 16], &[1; 8]].concat();
    let Data::Struct(fields) = decode(&btf, id, &bytes).unwrap().data else { panic!() };
    let names: Vec<_> = fields
        .iter()
        .map(|f| match f.value.data {
            Data::Enum { name, .. } => name,
            _ => panic!("{} is no enum", f.name),
        })
        .collect();
    assert_eq!(names, [Some("PLAIN_BIG"), Some("NEG_LOW"), None, None, Some("TINY_B")]);
}

#[test]
fn decoding_needs_all_bytes() {
    let btf = kinds();
    let id = btf.find("floats", BtfKind::STRUCT).unwrap();
    assert_eq!(decode(&btf, id, &[0; 15]), Err(BtfError::ShortValue { id: id.0, need: 16, have: 15 }));
    let bytes = [&1.5f32.to_ne_bytes()[..], &[0; 4], &(-2.25f64).to_ne_bytes(), b"more"].concat();
    let Data::Struct(fields) = decode(&btf, id, &bytes).unwrap().data else { panic!() };
    assert_eq!([&fields[0].value.data, &fields[1].value.data], [&Data::Float(1.5), &Data::Float(-2.25)]);
}

#[test]
fn types_are_spelled_as_in_c() {
    let btf = kinds();
    let pointers = btf.get(btf.find("pointers", BtfKind::STRUCT).unwrap()).unwrap().composite().unwrap();
    let decls: Vec<_> = pointers.members().map(|m| btf.c_decl(m.type_id, m.name)).collect();
    let expect = [
        "void *any",
        "const char * const text",
        "struct forward *fwd",
        "union forward_union *ufwd",
        "int (*call)(struct inner *, u32, ...)",
        "void (*(*table)[4])(void)",
        "int * restrict only",
        "u64 __attribute__((btf_type_tag(\"user\"))) *tagged",
    ];
    assert_eq!(decls, expect);
    let nested = btf.get(btf.find("nested", BtfKind::STRUCT).unwrap()).unwrap().composite().unwrap();
    let names: Vec<_> = nested.members().map(|m| btf.c_name(m.type_id)).collect();
    assert_eq!(names, ["struct inner", "union", "struct inner[2]", "int[2][3]", "struct"]);
}
