//! Bytes in, types out: headers, byte orders, bounds, hostile input, sizes.

use std::sync::Arc;

use oxbpf_btf::{Btf, BtfError, Bytes, FuncLinkage, Type, TypeId, VarLinkage, text};
use oxbpf_uapi::{BtfKind, Errno};

const LITTLE: &[u8] = include_bytes!("../../../testdata/btf/kinds.bpfel.btf");
const BIG: &[u8] = include_bytes!("../../../testdata/btf/kinds.bpfeb.btf");
const KINDS: &str = include_str!("../../../testdata/btf/kinds.txt");

/// A blob with the older header around types given as words, and strings.
fn blob(types: &[u32], strs: &[u8]) -> Vec<u8> {
    blob_with_layout(types, None, strs)
}

fn blob_with_layout(types: &[u32], layout: Option<&[u8]>, strs: &[u8]) -> Vec<u8> {
    let (types_len, layout_len) = (types.len() as u32 * 4, layout.map_or(0, |l| l.len() as u32));
    let hdr_len: u32 = if layout.is_some() { 32 } else { 24 };
    let mut out = 0xeb9fu16.to_ne_bytes().to_vec();
    out.extend([1, 0]);
    let mut words = vec![hdr_len, 0, types_len, types_len + layout_len, strs.len() as u32];
    if layout.is_some() {
        words.extend([types_len, layout_len]);
    }
    out.extend(words.iter().chain(types).flat_map(|w| w.to_ne_bytes()));
    out.extend(layout.unwrap_or_default());
    out.extend(strs);
    out
}

const fn info(kind: u32, vlen: u32) -> u32 {
    kind << 24 | vlen
}

#[test]
fn both_byte_orders_give_the_types_that_bpftool_prints() {
    for (bytes, big) in [(LITTLE, false), (BIG, true)] {
        let btf = Btf::parse(bytes).unwrap();
        btf.validate().unwrap();
        assert_eq!(btf.is_foreign_endian(), big == cfg!(target_endian = "little"));
        assert_eq!(text::print(&btf), KINDS);
    }
}

#[test]
fn foreign_bytes_become_the_native_ones() {
    assert_eq!(Btf::parse(BIG).unwrap().raw(), Btf::parse(LITTLE).unwrap().raw());
}

#[test]
fn native_bytes_are_used_where_they_are() {
    let native = if cfg!(target_endian = "little") { LITTLE } else { BIG };
    assert!(std::ptr::eq(Btf::parse(native).unwrap().raw(), native));

    let file = Bytes::from([&[0xaa; 3], native].concat());
    let section = file.slice(3..3 + native.len()).unwrap();
    let btf = Btf::parse(section).unwrap();
    assert!(std::ptr::eq(btf.raw(), &file[3..]));
    assert_eq!(text::print(&btf), KINDS);
}

#[test]
fn views_show_what_each_kind_holds() {
    let btf = Btf::parse(LITTLE).unwrap();
    let view = |name, kind| btf.get(btf.find(name, kind).unwrap()).unwrap().view();

    let Type::Int(e, 1) = view("_Bool", BtfKind::INT) else { panic!() };
    assert!(e.bool && !e.signed && !e.char && e.bits == 8 && e.offset == 0);

    let Type::Struct(bits) = view("bits", BtfKind::STRUCT) else { panic!() };
    let widths: Vec<_> = bits.members().map(|m| (m.name, m.bit_offset, m.bit_size)).collect();
    let expect =
        [("a", 0, 1), ("b", 1, 7), ("c", 8, 5), ("e", 32, 4), ("f", 64, 8), ("d", 72, 40), ("g", 112, 0)];
    assert_eq!(widths, expect);
    assert_eq!(bits.member(3), bits.members().nth(3));
    assert_eq!((bits.size(), bits.len()), (16, 7));

    let Type::Enum(e) = view("plain", BtfKind::ENUM) else { panic!() };
    assert!(!e.is_signed());
    assert_eq!(e.values().last().map(|v| (v.name, v.value)), Some(("PLAIN_BIG", 0x8000_0001)));
    let Type::Enum(e) = view("negative", BtfKind::ENUM) else { panic!() };
    assert!(e.is_signed());
    assert_eq!(e.value(0).map(|v| v.value), Some(-5));
    let Type::Enum64(e) = view("wide", BtfKind::ENUM64) else { panic!() };
    assert_eq!(e.value(1).map(|v| v.value), Some(0xfedc_ba98_7654_3210));
    let Type::Enum64(e) = view("wide_negative", BtfKind::ENUM64) else { panic!() };
    assert_eq!(e.value(1).map(|v| v.value), Some(i128::from(i64::MIN)));

    assert!(matches!(view("forward", BtfKind::FWD), Type::Fwd { is_union: false }));
    assert!(matches!(view("forward_union", BtfKind::FWD), Type::Fwd { is_union: true }));
    assert!(matches!(view("local", BtfKind::FUNC), Type::Func { linkage: FuncLinkage::STATIC, .. }));
    assert!(matches!(view("outside_call", BtfKind::FUNC), Type::Func { linkage: FuncLinkage::EXTERN, .. }));
    assert!(matches!(view("outside", BtfKind::VAR), Type::Var { linkage: VarLinkage::GLOBAL_EXTERN, .. }));
    assert!(matches!(view("double", BtfKind::FLOAT), Type::Float { size: 8 }));

    let Type::Func { proto, .. } = view("local", BtfKind::FUNC) else { panic!() };
    let Type::FuncProto(proto) = btf.get(proto).unwrap().view() else { panic!() };
    assert_eq!(proto.params().map(|p| p.name).collect::<Vec<_>>(), ["i", "how"]);
    assert!(!proto.is_variadic());
    let Type::DeclTag { target, component_idx: 1 } = view("a parameter", BtfKind::DECL_TAG) else { panic!() };
    assert_eq!(btf.get(target).unwrap().name(), "local");

    let Type::DataSec(sec) = view("license", BtfKind::DATASEC) else { panic!() };
    let vars: Vec<_> = sec.vars().map(|v| (btf.get(v.type_id).unwrap().name(), v.offset, v.size)).collect();
    assert_eq!(vars, [("_license", 0, 4)]);
}

#[test]
fn void_is_type_zero() {
    let btf = Btf::parse(LITTLE).unwrap();
    let void = btf.get(TypeId::VOID).unwrap();
    assert_eq!((void.kind(), void.name()), (BtfKind::VOID, ""));
    assert!(matches!(void.view(), Type::Void));
}

#[test]
fn sizes_and_alignments_are_those_of_c() {
    let btf = Btf::parse(LITTLE).unwrap();
    let check = |name, kind, size, align| {
        let id = btf.find(name, kind).unwrap();
        assert_eq!((btf.size_of(id).unwrap(), btf.align_of(id).unwrap()), (size, align), "{name}");
    };
    // BTF caps the alignment of __int128 at a pointer's.
    check("ints", BtfKind::STRUCT, 64, 8);
    check("packed", BtfKind::STRUCT, 15, 1);
    check("nested", BtfKind::STRUCT, 72, 8);
    check("pointers", BtfKind::STRUCT, 64, 8);
    check("u16", BtfKind::TYPEDEF, 2, 2);
    check("tagged", BtfKind::STRUCT, 4, 4);
    let array = btf.types().find(|t| matches!(t.view(), Type::Array { nelems: 2, elem, .. } if btf.get(elem).unwrap().kind() == BtfKind::ARRAY));
    assert_eq!(btf.size_of(array.unwrap().id()).unwrap(), 24);
    assert_eq!(btf.pointer_size(), 8);
}

#[test]
fn the_size_of_long_tells_the_size_of_pointers() {
    let with_long = |size| {
        let line = format!(
            "[1] INT 'unsigned long' size={size} bits_offset=0 nr_bits={} encoding=(none)\n",
            size * 8
        );
        text::parse(&format!("{line}[2] PTR '(anon)' type_id=0\n")).unwrap()
    };
    assert_eq!(with_long(4).size_of(TypeId(2)).unwrap(), 4);
    assert_eq!(with_long(8).pointer_size(), 8);
    let none = text::parse("[1] PTR '(anon)' type_id=0\n").unwrap();
    assert_eq!(none.guess_pointer_size(), None);
    assert_eq!(none.pointer_size() as usize, size_of::<usize>());
}

#[test]
fn broken_headers_are_errors() {
    let good = blob(&[0, info(2, 0), 0], b"\0");
    Btf::parse(good.clone()).unwrap();
    let check = |change: &dyn Fn(&mut Vec<u8>), expect: &str| {
        let mut bytes = good.clone();
        change(&mut bytes);
        let err = Btf::parse(bytes).unwrap_err();
        assert_eq!(err.errno(), Errno::EINVAL);
        assert_eq!(err.to_string(), expect);
    };
    let word =
        |at: usize, value: u32| move |b: &mut Vec<u8>| b[at..at + 4].copy_from_slice(&value.to_ne_bytes());
    check(&|b| b.truncate(23), "BTF of 23 bytes is too short for its header of 24");
    check(&|b| b.clear(), "BTF of 0 bytes is too short for its header of 24");
    check(&|b| b[..2].copy_from_slice(&0x1234u16.to_ne_bytes()), "not BTF: magic 0x1234 instead of 0xeb9f");
    check(&word(4, 20), "header length 20 is out of range (37 bytes of data)");
    check(&word(4, 38), "header length 38 is out of range (37 bytes of data)");
    check(&word(8, 2), "type section at 2, 12 bytes: overlaps the strings");
    check(&word(8, u32::MAX), "type section at 4294967295, 12 bytes: overlaps the strings");
    check(&word(12, 13), "type section at 0, 13 bytes: overlaps the strings");
    check(&word(20, 2), "string section at 12, 2 bytes: ends behind the data");
    check(&word(20, 0), "string section at 12, 0 bytes: is empty");
    check(&|b| b.truncate(36), "string section at 12, 1 bytes: ends behind the data");
    check(&|b| *b.last_mut().unwrap() = b'x', "string section at 12, 1 bytes: does not end with NUL");
    check(&word(12, 8), "type [1] at offset 0 needs 12 bytes, the type section has 8 left");
}

#[test]
fn broken_types_are_errors_that_name_id_and_offset() {
    let check = |types: &[u32], expect: &str| {
        let err = Btf::parse(blob(types, b"\0abc\0")).and_then(|b| b.validate()).unwrap_err();
        assert_eq!(err.to_string(), expect);
    };
    let ptr = [0, info(2, 0), 0];
    let with = |more: &[u32]| [&ptr, more].concat();
    check(&with(&[0, info(20, 0), 0]), "type [2] at offset 12 has unknown kind 20");
    check(&with(&[0, info(0, 0), 0]), "type [2] at offset 12 has unknown kind 0");
    check(&with(&[0, info(127, 0), 0]), "type [2] at offset 12 has unknown kind 127");
    check(
        &with(&[1, info(4, 1), 4, 0, 0]),
        "type [2] at offset 12 needs 24 bytes, the type section has 20 left",
    );
    check(
        &with(&[1, info(4, 0xff_ffff), 4, 0, 0]),
        "type [2] at offset 12 needs 201326592 bytes, the type section has 20 left",
    );
    check(&with(&[1, info(1, 0), 4]), "type [2] at offset 12 needs 16 bytes, the type section has 12 left");
    check(&with(&[5, info(2, 0), 0]), "string offset 5 is outside the 5 bytes of strings");
    check(&with(&[0, info(2, 0), 3]), "type [2] refers to [3], which does not exist");
    check(&with(&[0, info(3, 0), 0, 3, 1, 1]), "type [2] refers to [3], which does not exist");
    check(&with(&[0, info(4, 1), 4, 0, 9, 0]), "type [2] refers to [9], which does not exist");
    check(&with(&[0, info(4, 1), 4, 9, 0, 0]), "string offset 9 is outside the 5 bytes of strings");
    check(&with(&[0, info(13, 1), 0, 0, 9]), "type [2] refers to [9], which does not exist");
    check(&with(&[1, info(15, 1), 0, 9, 0, 0]), "type [2] refers to [9], which does not exist");
    check(&with(&[1, info(12, 0), 1]), "type [2] (BTF_KIND_FUNC): its type is not a prototype");
    check(&with(&[0, info(6, 1), 4, 9, 0]), "string offset 9 is outside the 5 bytes of strings");
}

#[test]
fn reading_broken_elements_of_unvalidated_types_is_harmless() {
    let types = [1, info(4, 1), 4, 99, 99, 0, 1, info(6, 1), 4, 99, 7];
    let btf = Btf::parse(blob(&types, b"\0abc\0")).unwrap();
    let member = btf.get(TypeId(1)).unwrap().composite().unwrap().member(0).unwrap();
    assert_eq!((member.name, member.type_id), ("", TypeId(99)));
    assert_eq!(btf.get(member.type_id).unwrap_err().to_string(), "no type [99]: ids are below 3");
    let Type::Enum(e) = btf.get(TypeId(2)).unwrap().view() else { panic!() };
    assert_eq!(e.value(0).map(|v| (v.name, v.value)), Some(("", 7)));
    assert!(btf.align_of(TypeId(1)).is_err());
}

#[test]
fn names_that_are_not_utf8_are_errors_only_when_read() {
    let btf = Btf::parse(blob(&[1, info(7, 0), 0], b"\0\xff\xfe\0")).unwrap();
    let t = btf.get(TypeId(1)).unwrap();
    assert_eq!(t.name(), "");
    assert_eq!(t.try_name(), Err(BtfError::NotUtf8 { offset: 1 }));
    assert_eq!(btf.str_bytes(t.name_off()).unwrap(), b"\xff\xfe");
    btf.validate().unwrap();
}

#[test]
fn types_that_contain_themselves_end_in_an_error() {
    let btf = text::parse(
        "[1] TYPEDEF 'a' type_id=2\n[2] CONST '(anon)' type_id=1\n[3] ARRAY '(anon)' type_id=3 index_type_id=3 nr_elems=1\n\
         [4] STRUCT 's' size=4 vlen=1\n\t'm' type_id=4 bits_offset=0\n",
    )
    .unwrap();
    for id in [1, 2, 3] {
        let err = btf.size_of(TypeId(id)).unwrap_err();
        assert_eq!((&err, err.errno()), (&BtfError::TooDeep { id }, Errno::EINVAL));
    }
    assert_eq!(btf.resolve(TypeId(1)), Err(BtfError::TooDeep { id: 1 }));
    assert!(btf.align_of(TypeId(4)).is_err());
    assert_eq!(btf.size_of(TypeId(4)), Ok(4));
}

#[test]
fn alignment_of_structs_that_nest_in_many_ways_is_found_quickly() {
    let mut types = String::from("[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED\n");
    for id in 2..32 {
        types += &format!("[{id}] STRUCT 's' size=8 vlen=2\n");
        types += &format!("\t'a' type_id={0} bits_offset=0\n\t'b' type_id={0} bits_offset=32\n", id - 1);
    }
    assert_eq!(text::parse(&types).unwrap().align_of(TypeId(31)), Ok(4));
}

#[test]
fn a_chain_of_references_may_be_as_long_as_the_fields_tools_allow() {
    let chain = |len: u32| {
        let mut types = String::from("[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED\n");
        (2..2 + len).for_each(|id| types += &format!("[{id}] CONST '(anon)' type_id={}\n", id - 1));
        text::parse(&types).unwrap().size_of(TypeId(1 + len))
    };
    assert_eq!(chain(32), Ok(4));
    assert!(chain(1000).is_err());
}

#[test]
fn sizes_over_32_bits_are_errors() {
    let btf = text::parse(
        "[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED\n\
         [2] ARRAY '(anon)' type_id=1 index_type_id=1 nr_elems=1073741824\n\
         [3] ARRAY '(anon)' type_id=2 index_type_id=1 nr_elems=1073741824\n[4] PTR '(anon)' type_id=0\n",
    )
    .unwrap();
    for id in [2, 3] {
        assert_eq!(btf.size_of(TypeId(id)).map_err(|e| e.errno()), Err(Errno::E2BIG));
    }
    assert_eq!(btf.size_of(TypeId(0)), Err(BtfError::Unsized { id: 0, kind: BtfKind::VOID }));
}

#[test]
fn a_layout_section_tells_how_long_unknown_kinds_are() {
    // Kind 20 has one word and two words an element.
    let mut layout = vec![0u8; 21 * 4];
    layout[80..82].copy_from_slice(&[4, 8]);
    let types = [1, info(20, 2), 7, 100, 101, 102, 103, 104, 1, info(2, 0), 0];
    let bytes = blob_with_layout(&types, Some(&layout), b"\0new\0");
    let btf = Btf::parse(bytes.clone()).unwrap();
    assert_eq!((btf.type_count(), btf.header().layout_len), (3, 84));
    btf.validate().unwrap();
    let t = btf.get(TypeId(1)).unwrap();
    assert!(matches!(t.view(), Type::Unknown));
    assert_eq!((t.name(), t.kind(), t.tail().len()), ("new", BtfKind(20), 20));
    assert_eq!(text::print(&btf), "[1] UNKNOWN 'new'\n[2] PTR 'new' type_id=0\n");
    assert!(btf.size_of(TypeId(1)).is_err());
    assert_eq!(oxbpf_btf::BtfBuilder::from_btf(&btf).unwrap().finish().unwrap().raw(), bytes);

    // A split BTF without a layout of its own goes by the base's.
    let split = Btf::parse_split(blob(&[1, info(20, 0), 0, 9], b""), Arc::new(btf)).unwrap();
    assert_eq!(split.get(TypeId(3)).unwrap().kind(), BtfKind(20));

    let odd = blob_with_layout(&[1, info(0, 0), 7], Some(&[1, 0, 0, 0]), b"\0new\0");
    assert!(matches!(Btf::parse(odd), Err(BtfError::UnknownKind { id: 1, kind: 0, .. })));
}

#[test]
fn unknown_kinds_of_the_other_byte_order_are_refused() {
    let mut layout = vec![0u8; 21 * 4];
    layout[80] = 4;
    let mut bytes = blob_with_layout(&[1, info(20, 0), 7, 100], Some(&layout), b"\0new\0");
    let words_end = bytes.len() - b"\0new\0".len() - layout.len();
    bytes[..2].reverse();
    bytes[4..words_end].chunks_exact_mut(4).for_each(|w| w.reverse());
    let err = Btf::parse(bytes).unwrap_err();
    assert_eq!((&err, err.errno()), (&BtfError::CannotSwap { id: 1, kind: 20 }, Errno::EOPNOTSUPP));
}

#[test]
fn a_header_may_be_longer_than_the_known_ones() {
    let mut bytes = blob(&[0, info(2, 0), 0], b"\0");
    bytes[4..8].copy_from_slice(&40u32.to_ne_bytes());
    bytes.splice(24..24, [0; 16]);
    assert_eq!(Btf::parse(bytes.clone()).unwrap().type_count(), 2);
    // What is in the unknown part is kept by leaving such BTF alone.
    bytes[39] = 1;
    let btf = Btf::parse(bytes).unwrap();
    assert!(oxbpf_btf::BtfBuilder::from_btf(&btf).is_err());
}

#[test]
fn a_split_btf_goes_on_from_its_base() {
    let base =
        Arc::new(text::parse("[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED\n").unwrap());
    let str_len = base.header().str_len;
    let types = [str_len, info(4, 1), 4, 1, 1, 0, 1, info(8, 0), 2];
    let split = Btf::parse_split(blob(&types, b"own\0"), base.clone()).unwrap();
    assert_eq!((split.start_id(), split.type_count()), (TypeId(2), 4));
    assert_eq!(split.base().map(|b| b.type_count()), Some(2));
    let own: Vec<_> = split.own_types().map(|t| (t.id().0, t.name())).collect();
    assert_eq!(own, [(2, "own"), (3, "int")]);
    assert_eq!(split.types().count(), 3);
    let s = split.get(TypeId(2)).unwrap().composite().unwrap();
    assert_eq!(s.members().map(|m| (m.name, m.type_id.0)).collect::<Vec<_>>(), [("int", 1)]);
    assert_eq!(split.size_of(TypeId(2)), Ok(4));
    assert!(split.get(TypeId(4)).is_err());

    // Without its base it is not readable, and the message says so.
    let err = Btf::parse(blob(&types, b"own\0")).unwrap_err();
    assert!(err.to_string().contains("does it need a base BTF?"), "{err}");
    // No strings at all are fine on top of a base.
    assert!(Btf::parse_split(blob(&[1, info(8, 0), 1], b""), base).is_ok());
}
